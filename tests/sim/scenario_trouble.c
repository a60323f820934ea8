/* Time runs out, phones die, the server dies, tables are full, memory is short. */
#include "scenario.h"

#include "parts.h"

/* ---- timers ---- */

static double seconds(const struct phone_task *t)
{
    return (double)(t->ended_at - t->started_at) / 1e9;
}

static void check_time(struct world *w, const struct phone_task *t, int code, double low,
                       double high)
{
    CHECK_SAY(w, t->ended && t->code == code, "%s %s ends with %d, not %d", t->method, t->uri,
              t->code, code);
    CHECK_SAY(w, seconds(t) >= low && seconds(t) <= high, "%s %s ends after %.1f s, not %.1f-%.1f",
              t->method, t->uri, seconds(t), low, high);
}

void scenario_timers(struct world *w, void *arg)
{
    const struct phone_task *silent, *ringing, *message, *refused, *options;
    struct phone_manner rings = {.rings = true};
    struct cast cast;

    (void)arg;
    cast_make(&cast, w, 5);
    scenario_network(w);
    cast_register(&cast);
    peer_silence(phone_peer(cast.phones[1]), true);
    phone_manner(cast.phones[2], &rings);
    network_refuse(w, peer_address(phone_peer(cast.phones[3])));

    silent = phone_call(cast.phones[0], cast.uris[1], NULL);
    ringing = phone_call(cast.phones[0], cast.uris[2], NULL);
    message = phone_request(cast.phones[0], "MESSAGE", cast.uris[1], "Are you there?");
    refused = phone_call(cast.phones[0], cast.uris[3], NULL);
    options = phone_request(cast.phones[4], "OPTIONS", cast.uris[3], NULL);
    world_run(w, 200000);

    check_time(w, silent, 408, 31.9, 32.5); /* Timer B of the server's branch */
    check_time(w, ringing, 408, 59.9, 61);  /* Timer C, then 487 to its CANCEL */
    CHECK_SAY(w, phone_ringing(cast.phones[2]) == 0, "a phone rings on after Timer C");
    check_time(w, message, OH_E_TIMEOUT, 31.9, 32.5); /* Timer F; no 408 (RFC 4320 4.2) */
    CHECK_SAY(w, refused->code >= 480 && refused->code <= 503 && seconds(refused) < 2,
              "a refused port gives %d after %.1f s", refused->code, seconds(refused));
    CHECK_SAY(w, options->code >= 480 && options->code <= 503, "OPTIONS to nobody gives %d",
              options->code);
    scenario_end(&cast);
}

/* ---- death ---- */

static void die_about(struct cast *cast)
{
    struct world *w = cast->world;

    for (unsigned i = 0; i < 12; i++) {
        unsigned to = (unsigned)world_random(w, cast->n), from = (unsigned)world_random(w, cast->n);
        struct phone *ph = cast->phones[to];
        struct phone_manner m = {.rings = true,
                                 .code = world_chance(w, 70) ? 200 : 0,
                                 .answer_ms = scenario_between(w, 0, 3000)};
        struct phone_plan plan = {.hangup_ms = scenario_between(w, 1, 5000)};

        if (world_chance(w, 40))
            m.dies_ms = scenario_between(w, 1, 4000);
        phone_manner(ph, &m);
        phone_call(cast->phones[from], cast->uris[to], &plan);
        world_run(w, scenario_between(w, 0, 6000));
        switch (world_random(w, 4)) {
        case 0: peer_disconnect(phone_peer(ph)); break;
        case 1: phone_crash(ph); break;
        case 2: peer_silence(phone_peer(ph), false); break;
        default: break;
        }
    }
}

void scenario_death(struct world *w, void *arg)
{
    struct cast cast;

    (void)arg;
    w->streams_die = true;
    cast_make(&cast, w, 6);
    scenario_network(w);
    for (unsigned i = 0; i < cast.n; i++)
        if (world_chance(w, 50))
            peer_connect(phone_peer(cast.phones[i]));
    cast_register(&cast);
    die_about(&cast);
    for (unsigned i = 0; i < cast.n; i++)
        phone_manner(cast.phones[i], &(struct phone_manner){.rings = true, .code = 200});
    /* Those who are to die have died by then. */
    world_run(w, 60000);
    for (unsigned i = 0; i < cast.n; i++)
        peer_silence(phone_peer(cast.phones[i]), false);
    scenario_end(&cast);
}

/* ---- the server dies ---- */

void scenario_restart(struct world *w, void *arg)
{
    struct phone_manner manner = {.rings = true, .code = 200, .answer_ms = 200};
    const struct phone_task *calls[3], *t;
    struct cast cast;

    (void)arg;
    cast_make(&cast, w, 6);
    scenario_network(w);
    cast_register(&cast);
    for (unsigned i = 0; i < 3; i++) {
        phone_manner(cast.phones[3 + i], &manner);
        calls[i] = phone_call(cast.phones[i], cast.uris[3 + i], NULL);
        /* Some are killed in the middle of being set up: those may end any way. */
        if (i == 2)
            world_run(w, scenario_between(w, 0, 1000));
        else
            world_run(w, 5000);
    }
    server_restart(w);
    world_run(w, scenario_between(w, 0, 100000));
    for (unsigned i = 0; i < 2; i++) {
        CHECK_SAY(w, calls[i]->code == 200, "a call before the restart ends with %d",
                  calls[i]->code);
        /* Either side may hang up: the tokens are as good as before. */
        phone_hang_up(cast.phones[world_chance(w, 50) ? i : 3 + i]);
    }
    world_run(w, 5000);
    for (unsigned i = 0; i < 2; i++)
        CHECK_SAY(w, phone_talking(cast.phones[i]) == 0 && phone_talking(cast.phones[3 + i]) == 0,
                  "call %u did not end on both sides after the restart", i);
    for (unsigned i = 0; i < cast.n; i++)
        for (unsigned j = 0; (t = phone_task(cast.phones[i], j)) != NULL; j++)
            CHECK_SAY(
                w, strcmp(t->method, "BYE") != 0 || !t->ended || t->code == 200 || i == 2 || i == 5,
                "BYE after the restart ends with %d", t->code);
    scenario_end(&cast);
}

static struct oh__settings *new_settings(struct world *w)
{
    struct oh__settings *s = world_keep(w, sizeof *s);

    world_settings_default(s);
    s->version = 2 + (uint32_t)world_random(w, 100);
    s->no_auth = world_chance(w, 50);
    s->record_route = world_chance(w, 50);
    s->recurse = world_chance(w, 50);
    s->timer_c = scenario_between(w, 5, 100) * WORLD_SECOND;
    s->branches_max = scenario_between(w, 1, 8);
    memcpy(s->server_name, "another", sizeof "another");
    return s;
}

void scenario_reload(struct world *w, void *arg)
{
    struct phone_manner manner = {.rings = true, .code = 200, .answer_ms = 1000};
    struct oh__settings *current = NULL, *next;
    struct cast cast;

    (void)arg;
    cast_make(&cast, w, 6);
    cast.strict = true;
    scenario_network(w);
    cast_register(&cast);
    for (unsigned i = 0; i < 8; i++) {
        struct phone_plan plan = {.hangup_ms = scenario_between(w, 1, 9000)};

        phone_manner(cast.phones[3 + i % 3], &manner);
        phone_call(cast.phones[i % 3], cast.uris[3 + i % 3], &plan);
        world_run(w, scenario_between(w, 0, 2500));
        next = new_settings(w);
        server_reload(w, next);
        /* The host frees the old ones: nothing may keep them but by copy. */
        if (current)
            memset(current, 0xee, sizeof *current);
        current = next;
    }
    scenario_end(&cast);
}

/* ---- too little of everything ---- */

void scenario_full(struct world *w, void *arg)
{
    struct phone_manner manner = {.rings = true, .code = 200, .answer_ms = 3000};
    const struct phone_task *t;
    struct cast cast;

    (void)arg;
    cast_make(&cast, w, 16);
    scenario_network(w);
    cast_register(&cast);
    for (unsigned i = 0; i < 60; i++) {
        unsigned to = (unsigned)world_random(w, cast.n);
        struct phone *from = cast.phones[world_random(w, cast.n)];
        struct phone_plan plan = {.hangup_ms = 1000};

        phone_manner(cast.phones[to], &manner);
        if (world_chance(w, 50))
            phone_call(from, cast.uris[to], &plan);
        else
            phone_request(from, "MESSAGE", cast.uris[to], "Hello.");
        world_run(w, scenario_between(w, 0, 300));
    }
    world_run(w, 200000);
    /* When it is quiet again, everything works again. */
    t = phone_request(cast.phones[0], "MESSAGE", cast.uris[1], "Hello.");
    world_run(w, 2000);
    CHECK_SAY(w, t->code == 200, "after the rush a MESSAGE ends with %d", t->code);
    scenario_end(&cast);
}

void scenario_memory(struct world *w, void *arg)
{
    struct phone_manner manner = {.rings = true, .code = 200, .answer_ms = 1000};
    struct cast cast;

    (void)arg;
    w->lenient = true;
    cast_make(&cast, w, 6);
    scenario_network(w);
    cast_register(&cast);
    phone_manner(cast.phones[1], &manner);
    for (unsigned i = 0; i < 20; i++) {
        struct phone_plan plan = {.hangup_ms = 500, .cancel_ms = world_chance(w, 20) ? 300 : 0};

        /* Slots and blocks that are kept make most messages free of allocations: short of that,
         * the first ones after a pause do some. */
        server_fail_allocation(w, 1 + world_random(w, 12));
        w->server.heap.fail_rest = world_chance(w, 20);
        phone_call(cast.phones[world_random(w, cast.n)], cast.uris[world_random(w, cast.n)], &plan);
        phone_request(cast.phones[0], "MESSAGE", cast.uris[world_random(w, cast.n)], "Hello.");
        phone_register(cast.phones[world_random(w, cast.n)], 600, "");
        phone_talk(cast.phones[world_random(w, cast.n)], world_chance(w, 50) ? "INVITE" : "INFO",
                   "", NULL);
        world_run(w, scenario_between(w, 0, 3000));
        w->server.heap.fail_rest = false;
        world_run(w, scenario_between(w, 0, 40000));
    }
    server_fail_allocation(w, 0);
    scenario_recover(&cast);
    scenario_end(&cast);
}

/* ---- much at once ---- */

/* What a shard may keep of a peak: two caches of blocks (1 MiB and 512 KiB), its rings. */
#define KEPT_MAX ((1024u + 512 + 128) * 1024)

enum { FLOOD = 2000 };

static void flood(struct world *w, struct peer *from, struct cast *cast)
{
    for (unsigned i = 0; i < FLOOD; i++) {
        peer_request(from, &(struct peer_request){.method = i % 2 ? "INVITE" : "MESSAGE",
                                                  .uri = cast->uris[i % 3]});
        if (i % 50 == 0)
            world_run(w, scenario_between(w, 1, 20));
    }
    world_run(w, 300000);
}

void scenario_flood(struct world *w, void *arg)
{
    struct oh__serve_stats stats;
    struct cast cast;
    struct peer *from;
    size_t before, once, twice;

    (void)arg;
    w->check_every = 100;
    cast_make(&cast, w, 3);
    scenario_network(w);
    cast_register(&cast);
    /* Two do not answer, one is not there. */
    peer_silence(phone_peer(cast.phones[0]), true);
    network_refuse(w, peer_address(phone_peer(cast.phones[1])));
    peer_silence(phone_peer(cast.phones[2]), true);
    from = peer_new(w, "192.0.2.90:5060", "flooder");
    before = server_bytes(w);
    flood(w, from, &cast);
    once = server_bytes(w);
    server_stats(w, &stats);
    CHECK_SAY(w, stats.endpoint.in_flight == 0 && stats.endpoint.completed == 0,
              "%u transactions are left after the flood", stats.endpoint.in_flight);
    flood(w, from, &cast);
    twice = server_bytes(w);
    CHECK_SAY(w, twice <= once + KEPT_MAX / 4, "a second flood left %zu bytes more", twice - once);
    CHECK_SAY(w, once - before <= KEPT_MAX,
              "%zu bytes before the flood, %zu at its height, %zu behind it", before,
              w->server.heap.peak, once);
    CHECK_SAY(w, w->server.heap.peak - before > 3 * 1024 * 1024, "the flood was no flood");
    scenario_end(&cast);
}
