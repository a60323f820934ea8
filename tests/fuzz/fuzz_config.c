/*
 * The configuration file. Any text is loaded or refused with problems that
 * stand where they say; what is loaded has settings within their bounds, loads
 * again as it is, and its policy functions answer a call within their budget of
 * instructions and memory. The engine's time limit is the check on time.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "folder.h"
#include "fuzz.h"
#include "host/policy_lua.h"

#define POINTS 3

/* ---- policy ---- */

static const char request[] = "INVITE sip:b%6Fb@Example.test;x=1 SIP/2.0\r\n"
                              "Via: SIP/2.0/UDP 192.0.2.9:5062;branch=z9hG4bKa\r\n"
                              "From: \"A\" <sip:alice@example.test>;tag=1\r\n"
                              "To: <sip:bob@example.test>\r\n"
                              "Call-ID: c1@x\r\n"
                              "CSeq: 1 INVITE\r\n"
                              "Max-Forwards: 70\r\n"
                              "User-Agent: Phone\r\n 7\r\n"
                              "k: 100rel\r\n"
                              "X-Own: one\r\n"
                              "X-Own: two\r\n"
                              "Content-Length: 5\r\n"
                              "\r\n"
                              "hello";

static uint64_t clock_of(void *ctx)
{
    return *(uint64_t *)ctx;
}

/* A verdict can be put on the wire. */
static void check_verdict(const struct oh__policy_result *r)
{
    for (size_t i = 0; i < r->reason.n; i++)
        MUST(r->reason.p[i] != '\r' && r->reason.p[i] != '\n');
    MUST(r->headers.n == 0 || (r->headers.n > 2 && r->headers.p[r->headers.n - 1] == '\n'));
    if (r->verdict == OH__POLICY_REPLY)
        MUST(r->code >= 200 && r->code <= 699);
    if (r->verdict == OH__POLICY_ROUTE)
        MUST(r->targets_n > 0 && r->targets_n <= OH__POLICY_TARGETS_MAX);
    for (unsigned i = 0; i < r->targets_n && r->verdict == OH__POLICY_ROUTE; i++)
        MUST(r->targets[i].q <= 1000 && r->targets[i].uri.n > 0);
}

static void run_points(struct oh__policy *policy, const struct oh__config_process *process)
{
    static struct oh_msg msg;
    static struct oh__policy_result result;
    struct oh_flow flow = {.transport = OH_TRANSPORT_UDP};
    struct oh__policy_request r = {.msg = &msg,
                                   .flow = &flow,
                                   .account = OH_LIT("alice@example.test"),
                                   .user = OH_LIT("bob"),
                                   .domain = OH_LIT("example.test"),
                                   .local = true,
                                   .wall = 1700000000500};
    struct oh_arena arena;
    size_t used;

    MUST(oh_addr_parse_port(OH_LIT("192.0.2.9:5062"), &flow.peer) == OH_OK);
    MUST(oh_msg_parse(OH_LIT(request), OH_MSG_DATAGRAM, NULL, &msg, &used, NULL) == OH_OK);
    MUST(oh_msg_check(&msg, NULL) == OH_OK);
    oh_arena_init(&arena, oh_alloc_default(), 1 << 20);
    for (unsigned i = 0; i < 2 * POINTS; i++) {
        memset(&result, 0, sizeof result);
        if (policy->run(policy->ctx, (enum oh__policy_point)(i % POINTS), &r, &arena, &result) ==
            OH_OK)
            check_verdict(&result);
        MUST(oh__policy_lua_memory(policy) <= process->policy_memory);
        oh_arena_reset(&arena);
    }
    oh_arena_done(&arena);
}

static void try_policy(const struct oh__config *config)
{
    uint64_t now = UINT64_C(1000000000);
    struct oh__policy_shared_options o = {.alloc = oh_alloc_default(),
                                          .key = {1, 2},
                                          .entries_max = 32,
                                          .clock = clock_of,
                                          .ctx = &now};
    struct oh__policy_shared *shared;
    struct oh__policy *policy = NULL;
    int rc;

    /* Who asks for minutes of work in one call gets them: that is no finding. */
    if (oh__config_process(config)->policy_steps > 200000)
        return;
    MUST(oh__policy_shared_new(&o, &shared) == OH_OK);
    rc = oh__policy_lua_new(config, shared, &policy);
    MUST(rc == OH_OK || rc == OH_E_NOMEM || rc == OH_E_STATE);
    if (rc == OH_OK && policy)
        run_points(policy, oh__config_process(config));
    oh__policy_lua_free(policy);
    oh__policy_shared_free(shared);
}

/* ---- loading ---- */

static void check_report(const struct oh__config_report *report)
{
    MUST(report->n > 0 && report->n <= OH__CONFIG_PROBLEMS_MAX);
    for (unsigned i = 0; i < report->n; i++) {
        const struct oh__config_problem *p = &report->problems[i];

        MUST(memchr(p->text, 0, sizeof p->text) && p->text[0]);
        MUST(memchr(p->setting, 0, sizeof p->setting) && memchr(p->file, 0, sizeof p->file));
        MUST(p->line > 0 || p->column == 0);
    }
}

static void check_settings(const struct oh__config *config)
{
    const struct oh__settings *s = oh__config_settings(config);
    const struct oh__config_process *p = oh__config_process(config);

    MUST(s->listeners_n > 0 && s->listeners_n <= OH__LISTENERS_MAX);
    MUST(s->domains_n <= OH__DOMAINS_MAX && s->contacts_max <= 32);
    MUST(s->expires_min <= s->expires_default && s->expires_default <= s->expires_max);
    MUST(p->state[0] && p->log_to[0] && p->workers <= OH__CONFIG_WORKERS_MAX);
}

/* Writes the input where a file would be. */
static const char *put_text(struct oh_span text)
{
    static char path[128];
    int fd;

    snprintf(path, sizeof path, "%s/input.lua", fuzz_folder());
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    MUST(fd >= 0 && write(fd, text.p, text.n) == (ssize_t)text.n);
    close(fd);
    return path;
}

static void run(struct oh_span in)
{
    static const struct oh__config_overrides cli = {.state = "/nowhere"};
    static struct oh__config_report report;
    struct oh__config *config = NULL, *again = NULL;
    const char *path = put_text(in);
    int rc;

    memset(&report, 0, sizeof report);
    rc = oh__config_load(path, &cli, &config, &report);
    MUST(rc == OH_OK || rc == OH_E_SYNTAX || rc == OH_E_IO || rc == OH_E_NOMEM);
    if (rc != OH_OK) {
        MUST(!config);
        if (rc != OH_E_NOMEM)
            check_report(&report);
        return;
    }
    check_settings(config);
    MUST(oh_span_eq(oh__config_source(config), in));
    /* The same text changes nothing, so it can be loaded while a server runs. */
    rc = oh__config_reload(config, &again, &report);
    if (rc != OH_OK)
        fuzz_fail("not so: what was loaded reloads (%s)", report.n ? report.problems[0].text : "?");
    try_policy(again);
    oh__config_unref(again);
    oh__config_unref(config);
}

/* ---- seeds ---- */

static void seeds(struct fuzz_seeds *to)
{
    static const char *const small[] = {
        "",
        "domains = {'example.test'}\nlisten = {'udp:127.0.0.1:5060', 'tcp:[::1]:5060'}\n",
        "registrar = {expires_min = 60, expires_max = 3600, contacts = 4}\n",
        "function on_call(r)\n  if r.user == 'bob' then return reply{486} end\n"
        "  return route{'sip:carol@example.test', q = 0.5}\nend\n",
        "function on_register(r) shared.n = (shared.n or 0) + 1 log(r.user_agent) end\n",
        "function on_request(r) local t = {} for i = 1, 100 do t[i] = ('x'):rep(i) end\n"
        "  return reply{200, headers = {['X-A'] = table.concat(t)}, body = 'b'} end\n",
        "function on_call(r) while true do end end\n",
        "function on_call(r) return reply{403, 'No ' .. (r.from.uri:match('sip:(%w+)') or '')} end",
        "x = string.format('%5.2f %q %s', 1, 'a', {})\n",
    };

    for (size_t i = 0; i < sizeof small / sizeof *small; i++)
        fuzz_seed(to, oh_span_str(small[i]));
    fuzz_seed_files(to, "../examples", ".lua", oh_span("", 0));
    fuzz_seed_files(to, "unit/host/data", ".lua", oh_span("", 0));
}

const struct fuzz_harness fuzz_harness = {"config", 8192, run, seeds, NULL};
