/* Calls between two phones, and everything else between two phones. */
#include "scenario.h"

#include "parts.h"

/* Somebody who answers in one of the ways that there are. */
static struct phone_manner some_manner(struct world *w)
{
    static const unsigned codes[] = {200, 200, 200, 200, 486, 480, 603, 500, 404, 488};
    struct phone_manner m = {.rings = world_chance(w, 80),
                             .ring_ms = scenario_between(w, 0, 500),
                             .code = codes[world_random(w, 10)],
                             .answer_ms = scenario_between(w, 0, 8000),
                             .stutters = world_chance(w, 20),
                             .twice = world_chance(w, 10)};

    if (world_chance(w, 40))
        m.hangup_ms = scenario_between(w, 1, 5000);
    return m;
}

/* Somebody who calls, and hangs up in the end. */
static struct phone_plan some_plan(struct world *w)
{
    struct phone_plan plan = {.hangup_ms = scenario_between(w, 1, 20000)};

    if (world_chance(w, 15))
        plan.cancel_ms = scenario_between(w, 1, 9000);
    return plan;
}

/* Calls between all, begun over some seconds. */
void scenario_call_about(struct cast *cast, unsigned calls)
{
    struct world *w = cast->world;

    for (unsigned i = 0; i < calls; i++) {
        unsigned from = (unsigned)world_random(w, cast->n);
        unsigned to = (unsigned)world_random(w, cast->n);
        struct phone_plan plan = some_plan(w);
        struct phone_manner manner = some_manner(w);

        phone_manner(cast->phones[to], &manner);
        phone_call(cast->phones[from], cast->uris[to], &plan);
        world_run(w, scenario_between(w, 0, 3000));
    }
}

static void check_silence(struct cast *cast)
{
    world_run(cast->world, 120000);
    for (unsigned i = 0; i < cast->n; i++)
        CHECK_SAY(cast->world, phone_talking(cast->phones[i]) == 0,
                  "%s still talks though its partner has hung up",
                  peer_name(phone_peer(cast->phones[i])));
}

void scenario_calls(struct world *w, void *arg)
{
    struct cast cast;

    (void)arg;
    cast_make(&cast, w, 6);
    cast.strict = true;
    scenario_network(w);
    cast_register(&cast);
    scenario_call_about(&cast, 20);
    check_silence(&cast);
    scenario_end(&cast);
}

void scenario_calls_lossy(struct world *w, void *arg)
{
    struct cast cast;

    (void)arg;
    cast_make(&cast, w, 6);
    scenario_network(w);
    cast_register(&cast);
    scenario_bad_network(w, scenario_between(w, 1, 30));
    scenario_call_about(&cast, 12);
    scenario_end(&cast);
}

void scenario_calls_streams(struct world *w, void *arg)
{
    struct cast cast;

    (void)arg;
    cast_make(&cast, w, 5);
    cast.strict = true;
    network_faults(w, &(struct network_faults){.delay_min = 1, .delay_max = 30, .pieces_max = 200});
    for (unsigned i = 0; i < cast.n; i++)
        if (i % 3 != 2)
            peer_connect(phone_peer(cast.phones[i]));
    cast_register(&cast);
    scenario_call_about(&cast, 8);
    check_silence(&cast);
    scenario_end(&cast);
}

/* ---- CANCEL ---- */

static void cancel_about(struct cast *cast, unsigned calls, uint32_t spread)
{
    static const unsigned codes[] = {200, 200, 486, 0};
    struct world *w = cast->world;

    for (unsigned i = 0; i < calls; i++) {
        unsigned to = (unsigned)world_random(w, cast->n / 2);
        unsigned from = cast->n / 2 + (unsigned)world_random(w, cast->n / 2);
        struct phone_plan plan = {.cancel_ms = scenario_between(w, 1, spread), .hangup_ms = 2000};
        struct phone_manner manner = {.rings = world_chance(w, 60),
                                      .ring_ms = scenario_between(w, 0, spread),
                                      .code = codes[world_random(w, 4)],
                                      .answer_ms = scenario_between(w, 0, spread),
                                      .ignores_cancel = world_chance(w, 40)};

        phone_manner(cast->phones[to], &manner);
        phone_call(cast->phones[from], cast->uris[to], &plan);
        world_run(w, scenario_between(w, 0, 2 * spread));
    }
}

/* A call that was cancelled ends with one of what can happen; nothing else. */
static void check_cancelled(struct cast *cast)
{
    const struct phone_task *t;

    for (unsigned i = cast->n / 2; i < cast->n; i++)
        for (unsigned j = 0; (t = phone_task(cast->phones[i], j)) != NULL; j++)
            CHECK_SAY(cast->world,
                      strcmp(t->method, "INVITE") != 0 || t->code == 200 || t->code == 486 ||
                          t->code == 487 || t->code == OH_E_TIMEOUT,
                      "a cancelled call ends with %d", t->code);
}

void scenario_cancel(struct world *w, void *arg)
{
    struct cast cast;

    (void)arg;
    cast_make(&cast, w, 6);
    cast.strict = true;
    scenario_network(w);
    cast_register(&cast);
    cancel_about(&cast, 30, scenario_between(w, 20, 400));
    check_silence(&cast);
    check_cancelled(&cast);
    scenario_end(&cast);
}

void scenario_cancel_lossy(struct world *w, void *arg)
{
    struct cast cast;

    (void)arg;
    cast_make(&cast, w, 6);
    scenario_network(w);
    cast_register(&cast);
    scenario_bad_network(w, scenario_between(w, 1, 20));
    cancel_about(&cast, 15, 2000);
    scenario_end(&cast);
}

/* ---- other requests ---- */

/* Sometimes more than fits into one packet of a network (RFC 3261 18.1.1). */
static const char *some_text(struct world *w)
{
    char *text;

    if (world_chance(w, 85))
        return "Hello.";
    text = world_keep(w, 4001);
    memset(text, 'a', scenario_between(w, 900, 4000));
    return text;
}

void scenario_ask_about(struct cast *cast, unsigned n)
{
    struct world *w = cast->world;
    static const char *methods[] = {"MESSAGE", "OPTIONS", "INFO", "SUBSCRIBE", "PING"};

    for (unsigned i = 0; i < n; i++) {
        unsigned to = (unsigned)world_random(w, cast->n);
        struct phone_manner manner = {.other_code = world_chance(w, 80) ? 200 : 486,
                                      .stutters = world_chance(w, 20)};
        const char *method = methods[world_random(w, 10) < 7 ? 0 : world_random(w, 5)];

        /* A 408 to anything but an INVITE ends at the server (RFC 4320 4.2). */
        if (!cast->strict && world_chance(w, 10))
            manner.other_code = 408;
        if (world_chance(w, 40))
            manner.other_ms = scenario_between(w, 1, 20000);
        phone_manner(cast->phones[to], &manner);
        phone_request(cast->phones[world_random(w, cast->n)], method, cast->uris[to],
                      strcmp(method, "MESSAGE") == 0 ? some_text(w) : NULL);
        world_run(w, scenario_between(w, 0, 4000));
    }
}

void scenario_requests(struct world *w, void *arg)
{
    struct cast cast;

    (void)arg;
    cast_make(&cast, w, 6);
    scenario_network(w);
    cast_register(&cast);
    cast.strict = world_chance(w, 50);
    if (!cast.strict)
        scenario_bad_network(w, scenario_between(w, 1, 30));
    scenario_ask_about(&cast, 25);
    scenario_end(&cast);
}
