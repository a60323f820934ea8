/* What a host brings along: several workers, a disk, a policy in Lua. */
#include "scenario.h"

#include <stdlib.h>
#include <unistd.h>

#include "host/policy_lua.h"
#include "parts.h"

/* ---- workers ---- */

/* Two workers, slow commits, and settings that each of them takes over in its own time. */
void scenario_workers(struct world *w, void *arg)
{
    struct cast cast;

    (void)arg;
    cast_make(&cast, w, 8);
    cast.strict = true;
    scenario_network(w);
    server_slow_commits(w, scenario_between(w, 0, 60), scenario_between(w, 1, 300));
    for (unsigned i = 0; i < cast.n; i++)
        if (world_chance(w, 30))
            peer_connect(phone_peer(cast.phones[i]));
    cast_register(&cast);
    for (unsigned i = 0; i < 6; i++) {
        struct oh__settings *next = world_keep(w, sizeof *next);

        scenario_call_about(&cast, 2);
        scenario_ask_about(&cast, 1);
        phone_register(cast.phones[world_random(w, cast.n)], 600 + i, "");
        *next = *server_settings(w);
        next->version++;
        next->recurse = world_chance(w, 50);
        next->timer_c = scenario_between(w, 30, 90) * WORLD_SECOND;
        server_reload(w, next);
    }
    scenario_end(&cast);
}

/* ---- the disk ---- */

static bool is_well(struct cast *cast, const struct phone_task *t)
{
    for (unsigned i = 0; i < 200 && !t->ended; i++)
        world_run(cast->world, 500);
    return t->code == 200;
}

/* Faults of every kind while phones register; the server is killed at any moment. */
void scenario_disk(struct world *w, void *arg)
{
    struct cast cast;

    (void)arg;
    cast_make(&cast, w, 10);
    scenario_network(w);
    cast_register(&cast);
    for (unsigned life = 0; life < 10; life++) {
        server_slow_commits(w, scenario_between(w, 0, 50), scenario_between(w, 1, 3000));
        server_disk_faults(w, world_chance(w, 60) ? scenario_between(w, 1, 50) : 0,
                           world_chance(w, 20));
        if (world_chance(w, 50))
            server_disk_dies(w, scenario_between(w, 1, 40));
        for (unsigned i = 0; i < 12; i++) {
            struct phone *ph = cast.phones[world_random(w, cast.n)];

            /* Times far apart, so that a refresh that got lost is noticed. */
            phone_register(ph, world_chance(w, 20) ? 0 : scenario_between(w, 600, 7000), "");
            world_run(w, scenario_between(w, 0, world_chance(w, 10) ? 8000 : 100));
        }
        /* What was promised must be there (invariants.h). */
        server_restart(w);
    }
    server_slow_commits(w, 0, 0);
    server_disk_faults(w, 0, false);
    world_run(w, 60000);
    for (unsigned i = 0; i < cast.n; i++)
        CHECK_SAY(w, is_well(&cast, phone_register(cast.phones[i], 900, "")),
                  "with the disk well again, a REGISTER does not end with 200");
    server_restart(w);
    for (unsigned i = 0; i < cast.n; i++) {
        char aor[64];

        snprintf(aor, sizeof aor, "u%u@" WORLD_DOMAIN, i);
        CHECK_SAY(w, server_bindings(w, aor) == 1, "%s has %u bindings after the last restart", aor,
                  server_bindings(w, aor));
    }
    scenario_end(&cast);
}

/* ---- policy ---- */

static const char policy_text[] =
    "domains = { \"" WORLD_DOMAIN "\" }\n"
    "local n = 0\n"
    "function on_call(r)\n"
    "    if r.user == \"closed\" then return reply{ 480, reason = \"Closed\" } end\n"
    "    if r.user == \"moved\" then return reply{ 302, contacts = { \"sip:u1@" WORLD_DOMAIN
    "\" } } end\n"
    "    if r.user == \"team\" then\n"
    "        return route{ \"sip:u1@" WORLD_DOMAIN "\", { \"sip:u2@" WORLD_DOMAIN
    "\", q = 0.5 }, headers = { [\"X-Line\"] = \"1\" } }\n"
    "    end\n"
    "    if r.user == \"far\" then return route{ \"sip:u3@gateway.example\" } end\n"
    "    if r.user == \"lost\" then\n"
    "        return route{ \"sip:x@nowhere.example\", { \"sip:x@mute.example\", q = 0.9 },\n"
    "                      { \"sip:u4@" WORLD_DOMAIN "\", q = 0.1 } }\n"
    "    end\n"
    "    if r.user == \"endless\" then while true do n = n + 1 end end\n"
    "    if r.user == \"broken\" then return nil + 1 end\n"
    "end\n"
    "function on_request(r)\n"
    "    if r.method == \"PING\" then return reply{ 200 } end\n"
    "    if r.user == \"closed\" then return reply{ 480 } end\n"
    "    if r.user == \"team\" then return route{ \"sip:u1@" WORLD_DOMAIN "\" } end\n"
    "end\n"
    "function on_register(r)\n"
    "    if r.headers(\"X-Refuse\")[1] then return reply{ 403 } end\n"
    "end\n";

/* A configuration is loaded from a file, as the host does it. */
static struct oh__config *load_policy(void)
{
    static struct oh__config_report report;
    struct oh__config *config = NULL;
    char path[] = "/tmp/offhook-sim-policy-XXXXXX";
    int fd = mkstemp(path);

    if (fd < 0 || write(fd, policy_text, sizeof policy_text - 1) != sizeof policy_text - 1 ||
        oh__config_load(path, NULL, &config, &report) != OH_OK) {
        oh__config_report_print(&report, stderr);
        abort();
    }
    close(fd);
    unlink(path);
    return config;
}

struct lua {
    struct world *world;
    struct oh__config *config;
    struct oh__policy_shared *shared;
    struct oh__policy *policy;
};

static uint64_t clock_of(void *ctx)
{
    return world_now(((struct lua *)ctx)->world);
}

static void end_lua(void *arg)
{
    struct lua *lua = arg;

    oh__policy_lua_free(lua->policy);
    oh__policy_shared_free(lua->shared);
    oh__config_unref(lua->config);
}

static struct oh__policy *new_policy(struct world *w)
{
    struct lua *lua = world_keep(w, sizeof *lua);
    struct oh__policy_shared_options o = {
        .alloc = oh_alloc_default(), .key = {1, 2}, .clock = clock_of, .ctx = lua};

    lua->world = w;
    lua->config = load_policy();
    CHECK(w, oh__policy_shared_new(&o, &lua->shared) == OH_OK);
    CHECK(w, oh__policy_lua_new(lua->config, lua->shared, &lua->policy) == OH_OK);
    world_defer(w, end_lua, lua);
    return lua->policy;
}

/* Whom the policy knows, and what a call to him ends with; 0: with whatever the phones say. */
static const struct {
    const char *uri;
    int code;
} known[] = {{"sip:closed@" WORLD_DOMAIN, 480}, {"sip:moved@" WORLD_DOMAIN, 302},
             {"sip:team@" WORLD_DOMAIN, 0},     {"sip:far@" WORLD_DOMAIN, 0},
             {"sip:lost@" WORLD_DOMAIN, 0},     {"sip:endless@" WORLD_DOMAIN, 500},
             {"sip:broken@" WORLD_DOMAIN, 500}};

static void check_policy(struct cast *cast)
{
    const struct phone_task *t;

    for (unsigned i = 0; i < cast->n; i++)
        for (unsigned j = 0; (t = phone_task(cast->phones[i], j)) != NULL; j++)
            for (unsigned k = 0; k < sizeof known / sizeof *known; k++)
                CHECK_SAY(cast->world,
                          strcmp(t->uri, known[k].uri) != 0 || known[k].code == 0 ||
                              strcmp(t->method, "INVITE") != 0 || t->code == known[k].code ||
                              t->code == 404,
                          "a call to %s ends with %d", t->uri, t->code);
}

void scenario_policy(struct world *w, void *arg)
{
    char large[2001] = {0};
    struct phone_manner manner = {.rings = true, .code = 200, .answer_ms = 300};
    struct oh__policy *policy = new_policy(w);
    struct cast cast;

    (void)arg;
    cast_make(&cast, w, 6);
    cast.strict = true;
    scenario_network(w);
    cast_register(&cast);
    memset(large, 'a', sizeof large - 1);
    /* A gateway's first address refuses; one name does not exist, and one is never answered. */
    network_name(w, "gateway.example", "192.0.2.77 192.0.2.13");
    network_refuse(w, "192.0.2.77:5060");
    network_name(w, "mute.example", NULL);
    for (unsigned i = 0; i < 16; i++) {
        struct phone *from = cast.phones[world_random(w, cast.n)];
        const char *to = known[world_random(w, sizeof known / sizeof *known)].uri;
        struct phone_plan plan = {.hangup_ms = scenario_between(w, 1, 4000)};

        /* Reloads take it out and put it in again while calls are being made. */
        server_policy(w, i > 3 && world_chance(w, 20) ? NULL : policy);
        manner.answer_ms = scenario_between(w, 0, 6000);
        manner.code = world_chance(w, 70) ? 200 : 486;
        phone_manner(cast.phones[1 + world_random(w, 4)], &manner);
        phone_call(from, to, &plan);
        phone_request(from, world_chance(w, 50) ? "PING" : "MESSAGE", to,
                      world_chance(w, 30) ? large : "Hello.");
        world_run(w, scenario_between(w, 0, 4000));
    }
    world_run(w, 100000);
    check_policy(&cast);
    scenario_end(&cast);
}
