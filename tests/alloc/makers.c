/*
 * Everything that is made of memory outside the simulated world, with the
 * heap of the process failing under it: first how often it allocates, then
 * each of these once alone and once with all that follow.
 */
#include "makers.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <offhook/error.h>

#include "alloc.h"
#include "base/cbuf.h"
#include "base/pool.h"
#include "base/wheel.h"
#include "host/policy_lua.h"
#include "net/system.h"
#include "serve/internal.h"

static size_t calmed; /* failures that maker_calm has ended in this run */
static bool starved;  /* all allocations fail from one on */

void maker_calm(void)
{
    calmed += heap_fail(0, false);
}

bool maker_starved(void)
{
    return starved;
}

/* ---- base, core ---- */

static bool base(void)
{
    const struct oh_alloc *a = oh_alloc_default();
    struct oh__pool *pool = oh__pool_new(a, 100, 1000, 1);
    struct oh__blocks *blocks = oh__blocks_new(a, 1000);
    struct oh__wheel *wheel = oh__wheel_new(a, 0);
    struct oh_arena arena;
    struct oh__cbuf *b = NULL;
    uint64_t handle = 0;
    bool well = true;

    oh_arena_init(&arena, a, 100000);
    for (unsigned i = 0; i < 3; i++) {
        struct oh_span copy = oh_arena_copy(&arena, OH_LIT("some text"));

        well &= PROMISED(!copy.p || oh_span_eq(copy, OH_LIT("some text")));
        (void)oh_arena_take(&arena, 30000);
    }
    if (pool) {
        void *object = oh__pool_take(pool, &handle);

        well &= PROMISED(!object || oh__pool_get(pool, handle) == object);
        well &= PROMISED(oh__pool_ok(pool));
    }
    if (blocks)
        b = oh__cbuf_new(blocks, OH_LIT("kept"));
    well &= PROMISED(!b || oh_span_eq(oh__cbuf_view(b), OH_LIT("kept")));
    oh__cbuf_unref(blocks, b);
    oh_arena_done(&arena);
    oh__wheel_free(wheel);
    oh__blocks_free(blocks);
    oh__pool_free(pool);
    return well;
}

/* An endpoint that answers one request; or does not, and says so. */
static bool endpoint(void)
{
    static const char text[] = "OPTIONS sip:a@example.test SIP/2.0\r\n"
                               "Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKa\r\n"
                               "From: <sip:b@example.test>;tag=1\r\nTo: <sip:a@example.test>\r\n"
                               "Call-ID: c\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";
    struct oh_endpoint_options options = {.server = OH_LIT("a server")};
    struct oh_flow flow = {.transport = OH_TRANSPORT_UDP};
    struct oh_endpoint *ep;
    struct oh_output out;
    uint64_t server = 0;
    bool well = true;
    int err = oh_endpoint_new(&options, 1, &ep);

    if (err != OH_OK)
        return PROMISED(err == OH_E_NOMEM);
    err = oh_endpoint_input(ep, 2, &flow, oh_span(text, sizeof text - 1));
    well &= FAIR(err);
    if (oh_endpoint_take(ep, &out) && out.kind == OH_OUT_REQUEST) {
        err = oh_server_new(ep, 3, out.msg, &out.flow, 7, &server);
        well &= FAIR(err);
        well &= PROMISED(oh_server_pending(ep, server) == (err == OH_OK));
        if (err == OH_OK)
            err = oh_server_respond(ep, 4, server, out.msg, &out.flow,
                                    &(struct oh_reply){.code = 200});
        well &= FAIR(err);
        if (err == OH_OK)
            well &= PROMISED(oh_endpoint_take(ep, &out) && out.kind == OH_OUT_SEND);
    }
    oh_endpoint_check(ep);
    oh_endpoint_free(ep);
    return well;
}

/* ---- serve ---- */

static bool shard(void)
{
    static const uint8_t key[16] = "0123456789abcdef";
    const struct oh_alloc *a = oh_alloc_default();
    static struct oh__settings settings;
    struct oh__shared shared = {.accounts = oh__accounts_new(a, key)};
    struct oh__serve_options options = {.shared = &shared,
                                        .shards = 1,
                                        .transactions_max = 16,
                                        .completed_max = 16,
                                        .settings = &settings};
    struct oh__serve *s = NULL;
    bool well = true;

    oh__settings_default(&settings);
    shared.location = oh__location_new(a, key, 1000);
    shared.nonces = oh__nonces_new(a, key, 16);
    shared.guard = oh__guard_new(a, key, 16);
    shared.decisions = oh__decisions_new(a, 16);
    if (shared.accounts && shared.location && shared.nonces && shared.guard && shared.decisions) {
        int err = oh__serve_new(&options, 1, &s);

        well &= PROMISED(err == OH_OK ? s != NULL : err == OH_E_NOMEM);
        if (s)
            oh__serve_check(s);
    }
    oh__serve_free(s);
    oh__decisions_free(shared.decisions);
    oh__guard_free(shared.guard);
    oh__nonces_free(shared.nonces);
    oh__location_free(shared.location);
    oh__accounts_free(shared.accounts);
    return well;
}

/* ---- the configuration and its policy ---- */

static const char lua[] =
    "listen = { 'udp:192.0.2.1:5060', 'tcp:192.0.2.1:5060' }\n"
    "domains = { 'example.test', 'b.test' }\n"
    "registrar = { expires_min = '1 min' }\n"
    "function on_call(r)\n"
    "  shared.count('calls', '1 min')\n"
    "  if r.user == 'full' then return reply{ 486, 'Busy' .. ' ' .. string.rep('x', 3) } end\n"
    "  return route{ 'sip:' .. r.user .. '@example.test', 'sip:other@example.test' }\n"
    "end\n";

static char path[64];

static void write_lua(void)
{
    int fd;

    memcpy(path, "/tmp/offhook-alloc-XXXXXX", sizeof "/tmp/offhook-alloc-XXXXXX");
    fd = mkstemp(path);
    if (fd < 0 || write(fd, lua, sizeof lua - 1) != (ssize_t)sizeof lua - 1)
        abort();
    close(fd);
}

static uint64_t no_time(void *ctx)
{
    (void)ctx;
    return 1;
}

/*
 * A refusal must have a reason: the shortage, not an error that the file does not have. Lua says
 * "not enough memory" of a file that wants too much, so that is a problem of the file, too.
 */
static bool loaded(int err, const struct oh__config *config, const struct oh__config_report *report)
{
    static const char domain[] = "example.test";

    if (err == OH_E_SYNTAX)
        return PROMISED(report->n == 1 && strstr(report->problems[0].text, "not enough memory"));
    if (err != OH_OK)
        return PROMISED(err == OH_E_NOMEM);
    return PROMISED(oh__config_settings(config)->domains_n == 2) &&
           PROMISED(memcmp(oh__config_settings(config)->domains[0].name, domain, sizeof domain) ==
                    0);
}

static bool configuration(void)
{
    static struct oh__config_report report;
    struct oh__config *config = NULL, *again = NULL;
    int err = oh__config_load(path, NULL, &config, &report);
    bool well = loaded(err, config, &report);

    if (err == OH_OK) {
        err = oh__config_reload(config, &again, &report);
        well &= loaded(err, again, &report);
        if (err == OH_OK)
            oh__config_unref(again);
        oh__config_unref(config);
    }
    return well;
}

/* Runs on_call; a policy that cannot be run must say so and choose nothing. */
static bool run_policy(const struct oh__policy *policy, struct oh_span user,
                       enum oh__policy_verdict verdict)
{
    static const char text[] = "INVITE sip:x@example.test SIP/2.0\r\n"
                               "Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKa\r\n"
                               "From: <sip:b@example.test>;tag=1\r\nTo: <sip:x@example.test>\r\n"
                               "Call-ID: c\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n";
    static struct oh_msg msg;
    struct oh_flow flow = {.transport = OH_TRANSPORT_UDP};
    struct oh__policy_request request = {
        .msg = &msg, .flow = &flow, .user = user, .domain = OH_LIT("example.test"), .local = true};
    struct oh__policy_result result = {0};
    struct oh_fault fault;
    struct oh_arena arena;
    size_t used;
    bool well;
    int err = oh_msg_parse(oh_span(text, sizeof text - 1), OH_MSG_DATAGRAM, NULL, &msg, &used,
                           &fault);

    if (err != OH_OK || oh_msg_check(&msg, &fault) != OH_OK)
        return PROMISED(false);
    oh_arena_init(&arena, oh_alloc_default(), 100000);
    err = policy->run(policy->ctx, OH__POLICY_ON_CALL, &request, &arena, &result);
    well = PROMISED(err < 0 || (err == OH_OK && result.verdict == verdict));
    if (err == OH_OK && verdict == OH__POLICY_REPLY)
        well &= PROMISED(result.code == 486 && oh_span_eq(result.reason, OH_LIT("Busy xxx")));
    if (err == OH_OK && verdict == OH__POLICY_ROUTE)
        well &= PROMISED(result.targets_n == 2);
    oh_arena_done(&arena);
    return well;
}

static bool policy(void)
{
    struct oh__policy_shared_options options = {.alloc = oh_alloc_default(), .clock = no_time};
    static struct oh__config_report report;
    struct oh__policy_shared *shared = NULL;
    struct oh__policy *p = NULL;
    struct oh__config *config = NULL;
    int loading = oh__config_load(path, NULL, &config, &report);
    bool well = loaded(loading, config, &report);

    if (loading == OH_OK && oh__policy_shared_new(&options, &shared) == OH_OK) {
        int err = oh__policy_lua_new(config, shared, &p);

        /* A text that does not run any more is OH_E_STATE, and Lua's "not enough memory" is that.
         */
        well &= PROMISED(err == OH_OK ? p != NULL : err == OH_E_NOMEM || err == OH_E_STATE);
        for (unsigned i = 0; p && i < 2; i++) {
            well &= run_policy(p, OH_LIT("full"), OH__POLICY_REPLY);
            well &= run_policy(p, OH_LIT("bob"), OH__POLICY_ROUTE);
        }
        oh__policy_lua_free(p);
        oh__policy_shared_free(shared);
    }
    if (loading == OH_OK)
        oh__config_unref(config);
    return well;
}

/* ---- hashes of OpenSSL ---- */

static bool hasher(void)
{
    static const uint8_t md5_of_abc[] = {0x90, 0x01, 0x50, 0x98, 0x3c, 0xd2, 0x4f, 0xb0,
                                         0xd6, 0x96, 0x3f, 0x7d, 0x28, 0xe1, 0x7f, 0x72};
    struct oh_hasher *h = oh__hasher_new();
    struct oh_span abc = OH_LIT("abc");
    uint8_t out[OH_HASH_BYTES_MAX];
    bool well = true;

    if (!h)
        return true;
    if (h->hash(h->ctx, OH_HASH_MD5, &abc, 1, out) == OH_OK)
        well = PROMISED(memcmp(out, md5_of_abc, sizeof md5_of_abc) == 0);
    oh__hasher_free(h);
    return well;
}

/* ---- all of them ---- */

static const struct maker makers[] = {
    {"base, pool, blocks, wheel, arena, buffer", base, NULL, NULL},
    {"core, an endpoint and a transaction", endpoint, NULL, NULL},
    {"serve, tables and a shard", shard, NULL, NULL},
    {"host, configuration, loaded and reloaded", configuration, NULL, NULL},
    {"host, a policy in Lua and its calls", policy, NULL, NULL},
    {"net, hashes of OpenSSL", hasher, NULL, NULL},
    {"store, accounts and bindings", maker_store, NULL, NULL},
    {"store, compaction, backup and restoration", maker_backup, NULL, NULL},
    {"net, sockets, connections and look-ups", maker_net, NULL, NULL},
    {"host, commands that look", maker_control, control_prepare, control_finish},
    {"host, commands that make accounts", maker_users, control_prepare, control_finish},
};

/* One run with allocation `at` failing (0: none); false when it broke a promise. */
static bool run_one(const struct maker *m, size_t at, bool rest, size_t *failed)
{
    size_t before = heap_blocks();
    bool well;

    calmed = 0;
    starved = rest;
    heap_fail(at, rest);
    well = m->run();
    *failed = calmed + heap_fail(0, false);
    if (heap_blocks() != before) {
        printf("%zu blocks were left behind\n", heap_blocks() - before);
        well = false;
    }
    if (!well)
        printf("%s: allocation %zu%s fails\n", m->name, at, rest ? " and all later" : "");
    return well;
}

static bool run_maker(const struct maker *m, const struct alloc_job *job)
{
    size_t failed, n = 0, calls = heap_calls();
    bool well = run_one(m, 0, false, &failed);

    calls = heap_calls() - calls;
    for (size_t at = 1; well && at <= calls; at++)
        for (unsigned rest = 0; well && rest < 2; rest++) {
            if (!alloc_chosen(job))
                continue;
            well = run_one(m, at, rest, &failed);
            n += failed;
        }
    alloc_result(well, n, "%s", m->name);
    return well;
}

bool alloc_makers(const struct alloc_job *job)
{
    bool well = true;

    write_lua();
    /* What libraries make once and keep is made here. */
    for (size_t i = 0; i < sizeof makers / sizeof makers[0]; i++)
        if (alloc_wanted(job, makers[i].name)) {
            if (makers[i].prepare)
                makers[i].prepare();
            well &= makers[i].run() && run_maker(&makers[i], job);
            if (makers[i].finish)
                makers[i].finish();
        }
    unlink(path);
    return well;
}
