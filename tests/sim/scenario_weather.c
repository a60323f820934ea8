/* Bad weather: what is late, damaged, cut off in the middle, or dead for a while. */
#include "scenario.h"

#include "parts.h"

/* Some datagrams come when every timer has run out (Timers B, F, H and C). */
void scenario_late(struct world *w, void *arg)
{
    struct cast cast;

    (void)arg;
    cast_make(&cast, w, 6);
    scenario_network(w);
    cast_register(&cast);
    network_faults(w, &(struct network_faults){.loss = scenario_between(w, 0, 20),
                                               .repeat = scenario_between(w, 0, 20),
                                               .late = scenario_between(w, 2, 20),
                                               .late_max = scenario_between(w, 20000, 120000),
                                               .delay_min = 1,
                                               .delay_max = 400});
    scenario_call_about(&cast, 8);
    scenario_ask_about(&cast, 8);
    scenario_end(&cast);
}

/* Bytes change on their way, in both directions. */
void scenario_corrupt(struct world *w, void *arg)
{
    struct cast cast;

    (void)arg;
    w->hostile = true;
    w->lenient = true;
    cast_make(&cast, w, 6);
    network_closed(w, false);
    scenario_network(w);
    cast_register(&cast);
    network_faults(w, &(struct network_faults){.damage = scenario_between(w, 5, 60),
                                               .repeat = 20,
                                               .delay_min = 1,
                                               .delay_max = 40});
    scenario_call_about(&cast, 8);
    scenario_ask_about(&cast, 8);
    for (unsigned i = 0; i < cast.n; i++)
        phone_register(cast.phones[i], 600, "");
    world_run(w, 60000);
    /* A damaged CSeq may have been a very high one, which nobody can follow: new Call-IDs. */
    for (unsigned i = 0; i < cast.n; i++)
        phone_crash(cast.phones[i]);
    scenario_recover(&cast);
    scenario_end(&cast);
}

/* Who has lost his stream opens another one and registers again, as phones do. */
static void reconnect(struct cast *cast)
{
    struct world *w = cast->world;

    for (unsigned i = 0; i < cast->n; i++) {
        struct peer *p = phone_peer(cast->phones[i]);

        if (peer_connected(p) || world_chance(w, 40))
            continue;
        peer_connect(p);
        phone_register(cast->phones[i], 600, "");
    }
}

void scenario_breaks(struct world *w, void *arg)
{
    struct cast cast;

    (void)arg;
    w->streams_die = true;
    cast_make(&cast, w, 6);
    network_faults(w, &(struct network_faults){.delay_min = 1, .delay_max = 30});
    for (unsigned i = 0; i < cast.n; i++)
        peer_connect(phone_peer(cast.phones[i]));
    cast_register(&cast);
    network_faults(w, &(struct network_faults){.breaks = scenario_between(w, 1, 15),
                                               .delay_min = 1,
                                               .delay_max = 200,
                                               .pieces_max = scenario_between(w, 1, 400)});
    for (unsigned i = 0; i < 8; i++) {
        scenario_call_about(&cast, 1);
        scenario_ask_about(&cast, 1);
        reconnect(&cast);
    }
    scenario_recover(&cast);
    scenario_end(&cast);
}

/* Phones lose their power in the middle of everything and come back with or without memory. */
void scenario_revival(struct world *w, void *arg)
{
    struct cast cast;

    (void)arg;
    w->streams_die = true;
    cast_make(&cast, w, 6);
    scenario_network(w);
    cast_register(&cast);
    scenario_bad_network(w, scenario_between(w, 0, 15));
    for (unsigned i = 0; i < 8; i++) {
        struct phone *ph = cast.phones[world_random(w, cast.n)];

        scenario_call_about(&cast, 2);
        scenario_ask_about(&cast, 1);
        peer_silence(phone_peer(ph), true);
        world_run(w, scenario_between(w, 0, world_chance(w, 30) ? 60000 : 3000));
        if (world_chance(w, 50))
            phone_crash(ph);
        peer_silence(phone_peer(ph), false);
        phone_register(ph, 600, "");
    }
    scenario_recover(&cast);
    scenario_end(&cast);
}
