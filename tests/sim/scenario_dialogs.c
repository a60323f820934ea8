/* What happens within calls, and dialogs that are no calls. */
#include "scenario.h"

#include "parts.h"

static struct phone_manner some_manner(struct world *w)
{
    struct phone_manner m = {.rings = true,
                             .reliable = world_chance(w, 60),
                             .ring_ms = scenario_between(w, 0, 400),
                             .code = world_chance(w, 85) ? 200 : 486,
                             .answer_ms = scenario_between(w, 0, 5000),
                             .stutters = world_chance(w, 10)};

    if (world_chance(w, 20))
        m.other_ms = scenario_between(w, 1, 3000);
    if (world_chance(w, 10))
        m.other_code = 488;
    return m;
}

static void talk(struct cast *cast, struct phone *ph)
{
    struct world *w = cast->world;
    const char *to = cast->uris[world_random(w, cast->n)];
    char *refer = world_keep(w, 96);

    switch (world_random(w, 7)) {
    case 0:
    case 1: phone_talk(ph, "INVITE", "", NULL); break;
    case 2: phone_talk(ph, "UPDATE", "", NULL); break;
    case 3: phone_talk(ph, "INFO", "Content-Type: text/plain\n", "1\n"); break;
    case 4: phone_talk(ph, "MESSAGE", "Content-Type: text/plain\n", "Hello.\n"); break;
    case 5:
        snprintf(refer, 96, "Refer-To: <%s>\n", to);
        phone_talk(ph, "REFER", refer, NULL);
        break;
    default: phone_ask(ph, "SUBSCRIBE", to, "Event: presence\nExpires: 60\n"); break;
    }
}

/* Calls begin, and while some are up everybody says something in them. */
static void talk_about(struct cast *cast, unsigned calls)
{
    struct world *w = cast->world;

    for (unsigned i = 0; i < calls; i++) {
        unsigned from = (unsigned)world_random(w, cast->n), to = (unsigned)world_random(w, cast->n);
        struct phone_plan plan = {.hangup_ms = scenario_between(w, 2000, 30000),
                                  .rows = "Supported: 100rel\n"};
        struct phone_manner manner = some_manner(w);

        phone_manner(cast->phones[to], &manner);
        if (world_chance(w, 10))
            plan.cancel_ms = scenario_between(w, 1, 4000);
        phone_call(cast->phones[from], cast->uris[to], &plan);
        for (unsigned k = scenario_between(w, 0, 4); k > 0; k--) {
            world_run(w, scenario_between(w, 0, 2500));
            talk(cast, cast->phones[world_random(w, cast->n)]);
        }
    }
}

void scenario_dialogs(struct world *w, void *arg)
{
    struct cast cast;

    (void)arg;
    cast_make(&cast, w, 6);
    cast.strict = true;
    scenario_network(w);
    cast_register(&cast);
    talk_about(&cast, 8);
    scenario_end(&cast);
}

void scenario_dialogs_lossy(struct world *w, void *arg)
{
    struct cast cast;

    (void)arg;
    cast_make(&cast, w, 6);
    scenario_network(w);
    cast_register(&cast);
    scenario_bad_network(w, scenario_between(w, 1, 30));
    talk_about(&cast, 6);
    scenario_end(&cast);
}

/* Calls between the two families of addresses, by datagram and stream. */
void scenario_ipv6(struct world *w, void *arg)
{
    struct cast cast;

    (void)arg;
    cast_make_at(&cast, w, 6, true);
    cast.strict = true;
    scenario_network(w);
    for (unsigned i = 0; i < cast.n; i++)
        if (world_chance(w, 30))
            peer_connect(phone_peer(cast.phones[i]));
    cast_register(&cast);
    scenario_call_about(&cast, 6);
    talk_about(&cast, 4);
    scenario_ask_about(&cast, 6);
    scenario_end(&cast);
}
