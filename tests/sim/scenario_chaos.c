/*
 * Everything at once: each step is one thing out of all that can happen to a
 * server in its life. And loops: users whose contacts are other users.
 */
#include "scenario.h"

#include "parts.h"

/* ---- chaos ---- */

static void some_weather(struct world *w)
{
    network_faults(
        w, &(struct network_faults){.loss = world_chance(w, 50) ? scenario_between(w, 0, 30) : 0,
                                    .repeat = scenario_between(w, 0, 20),
                                    .late = world_chance(w, 30) ? scenario_between(w, 0, 10) : 0,
                                    .late_max = scenario_between(w, 1, 100000),
                                    .breaks = world_chance(w, 30) ? scenario_between(w, 0, 5) : 0,
                                    .delay_min = 1,
                                    .delay_max = scenario_between(w, 2, 600),
                                    .pieces_max = scenario_between(w, 1, 500)});
}

static void some_settings(struct world *w)
{
    struct oh__settings *next = world_keep(w, sizeof *next);

    *next = *server_settings(w);
    next->version++;
    next->timer_c = scenario_between(w, 20, 120) * WORLD_SECOND;
    next->ring_time = scenario_between(w, 2, 20) * WORLD_SECOND;
    next->branches_max = scenario_between(w, 1, 8);
    next->recurse = world_chance(w, 50);
    next->record_route = world_chance(w, 80);
    next->no_auth = world_chance(w, 30);
    server_reload(w, next);
}

static void some_trouble(struct cast *cast, struct phone *ph)
{
    struct world *w = cast->world;
    struct peer *p = phone_peer(ph);

    switch (world_random(w, 6)) {
    case 0: peer_silence(p, !p->silent); break;
    case 1: phone_crash(ph); break;
    case 2:
        if (peer_connected(p))
            peer_disconnect(p);
        else
            peer_connect(p);
        phone_register(ph, 600, "");
        break;
    case 3: phone_talk(ph, "INVITE", "", NULL); break;
    case 4: phone_talk(ph, "INFO", "", NULL); break;
    default: phone_hang_up(ph); break;
    }
}

static void some_housekeeping(struct world *w)
{
    switch (world_random(w, 9)) {
    case 0: server_ping_all(w); break;
    case 1: server_sweep(w); break;
    case 2: some_settings(w); break;
    case 3: server_drain(w, world_chance(w, 30)); break;
    case 4:
        server_journal_faults(w, scenario_between(w, 0, 20), scenario_between(w, 0, 20));
        server_disk_faults(w, scenario_between(w, 0, 20), world_chance(w, 10));
        break;
    case 5: server_slow_commits(w, scenario_between(w, 0, 30), scenario_between(w, 0, 2000)); break;
    case 6: server_restart(w); break;
    case 7: server_clock_jumps(w, (int64_t)world_random(w, 20000000) - 10000000); break;
    default: some_weather(w); break;
    }
}

void scenario_chaos(struct world *w, void *arg)
{
    struct cast cast;

    (void)arg;
    w->streams_die = true;
    cast_make_at(&cast, w, 8, true);
    scenario_network(w);
    cast_register(&cast);
    for (unsigned i = 0; i < 30; i++) {
        struct phone *ph = cast.phones[world_random(w, cast.n)];

        switch (world_random(w, 5)) {
        case 0: scenario_call_about(&cast, 2); break;
        case 1: scenario_ask_about(&cast, 1); break;
        case 2: some_trouble(&cast, ph); break;
        case 3:
            phone_register(ph, world_chance(w, 20) ? 0 : scenario_between(w, 60, 900), "");
            break;
        default: some_housekeeping(w); break;
        }
        world_run(w, scenario_between(w, 0, world_chance(w, 10) ? 60000 : 1500));
    }
    server_journal_faults(w, 0, 0);
    server_disk_faults(w, 0, false);
    server_drain(w, false);
    server_slow_commits(w, 0, 0);
    scenario_recover(&cast);
    scenario_end(&cast);
}

/* ---- loops ---- */

static void point_to(struct cast *cast, unsigned from, unsigned to)
{
    struct world *w = cast->world;
    char *contact = world_keep(w, 128);

    snprintf(contact, 128, "<%s>;q=0.%u;expires=3600", cast->uris[to],
             (unsigned)world_random(w, 10));
    peer_request(phone_peer(cast->phones[from]), &(struct peer_request){.method = "REGISTER",
                                                                        .uri = "sip:" WORLD_DOMAIN,
                                                                        .to = cast->uris[from],
                                                                        .contact = contact});
    world_run(w, 50);
}

void scenario_loops(struct world *w, void *arg)
{
    const struct phone_task *t;
    struct cast cast;

    (void)arg;
    cast_make(&cast, w, 6);
    scenario_network(w);
    cast_register(&cast);
    for (unsigned i = 0; i < 10; i++)
        point_to(&cast, (unsigned)world_random(w, cast.n), (unsigned)world_random(w, cast.n));
    for (unsigned i = 0; i < 4; i++) {
        struct phone *from = cast.phones[world_random(w, cast.n)];
        const char *to = cast.uris[world_random(w, cast.n)];
        struct phone_plan plan = {.hangup_ms = 1000};
        struct phone_manner manner = {.rings = true,
                                      .code = world_chance(w, 40) ? 200 : 486,
                                      .answer_ms = scenario_between(w, 100, 3000)};

        phone_manner(cast.phones[world_random(w, cast.n)], &manner);
        if (world_chance(w, 60))
            t = phone_call(from, to, &plan);
        else
            t = phone_request(from, "MESSAGE", to, "Hello.");
        world_run(w, 100000);
        CHECK_SAY(w, t->ended && t->code >= 200, "%s into a loop ends with %d", t->method, t->code);
    }
    /* RFC 5393: one request is at most Max-Breadth requests wide and Max-Forwards deep. */
    CHECK_SAY(w, world_branches_peak(w) <= 60 * 70, "%u branches ran at once",
              world_branches_peak(w));
    scenario_end(&cast);
}
