/*
 * Policy functions: what they see, what they may answer, and that no policy,
 * however hostile, holds a worker or reaches anything outside.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <offhook/error.h>

#include "host/policy_lua.h"
#include "unit/alloc_fail.h"

#define SEC UINT64_C(1000000000)

/* Everything a test needs; the clock and the log are fakes. */
struct fixture {
    struct oh__config *config;
    struct oh__policy_shared *shared;
    struct oh__policy *policy;
    struct oh_arena arena;
    struct oh__policy_result result;
    uint64_t now;
    char log[1024];
};

static uint64_t fake_clock(void *ctx)
{
    return ((struct fixture *)ctx)->now;
}

static void fake_log(void *ctx, struct oh_span text)
{
    struct fixture *f = ctx;

    snprintf(f->log + strlen(f->log), sizeof(f->log) - strlen(f->log), "%.*s|", OH_PRI(text));
}

static struct oh__config *load(const char *text)
{
    static struct oh__config_report report;
    struct oh__config *config = NULL;
    char path[] = "/tmp/offhook-policy-XXXXXX";
    int fd = mkstemp(path), e;
    FILE *f = fdopen(fd, "w");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    e = oh__config_load(path, NULL, &config, &report);
    unlink(path);
    if (e != OH_OK)
        oh__config_report_print(&report, stderr);
    assert_int_equal(e, OH_OK);
    return config;
}

static void open_with(struct fixture *f, const char *text, uint32_t entries)
{
    struct oh__policy_shared_options o = {.alloc = oh_alloc_default(),
                                          .key = {1, 2},
                                          .entries_max = entries,
                                          .clock = fake_clock,
                                          .log = fake_log,
                                          .ctx = f};

    memset(f, 0, sizeof(*f));
    f->now = 5 * SEC;
    f->config = load(text);
    assert_int_equal(oh__policy_shared_new(&o, &f->shared), OH_OK);
    assert_int_equal(oh__policy_lua_new(f->config, f->shared, &f->policy), OH_OK);
    assert_non_null(f->policy);
    oh_arena_init(&f->arena, oh_alloc_default(), 1 << 20);
}

static void fix_open(struct fixture *f, const char *text)
{
    open_with(f, text, 0);
}

static void fix_close(struct fixture *f)
{
    oh__policy_lua_free(f->policy);
    oh__policy_shared_free(f->shared);
    oh__config_unref(f->config);
    oh_arena_done(&f->arena);
}

static const char invite[] = "INVITE sip:b%6Fb@Example.com;x=1 SIP/2.0\r\n"
                             "Via: SIP/2.0/UDP 192.0.2.9:5062;branch=z9hG4bKa\r\n"
                             "From: \"A\" <sip:alice@example.org>;tag=1\r\n"
                             "To: <sip:bob@example.com>\r\n"
                             "Call-ID: c1@x\r\n"
                             "CSeq: 1 INVITE\r\n"
                             "Max-Forwards: 70\r\n"
                             "User-Agent: Phone\r\n 7\r\n"
                             "Supported: timer, path\r\n"
                             "k: 100rel\r\n"
                             "X-Own: one\r\n"
                             "x-own: two\r\n"
                             "Subject: \r\n"
                             "Content-Type: text/plain\r\n"
                             "Content-Length: 5\r\n"
                             "\r\n"
                             "hello";

static int run_on(struct fixture *f, struct oh__policy *policy, enum oh__policy_point point)
{
    static _Thread_local struct oh_msg msg;
    struct oh_flow flow = {.transport = OH_TRANSPORT_UDP};
    struct oh__policy_request r = {.msg = &msg,
                                   .flow = &flow,
                                   .account = OH_LIT("alice@example.org"),
                                   .user = OH_LIT("bob"),
                                   .domain = OH_LIT("example.com"),
                                   .local = true,
                                   .wall = 1700000000500};
    size_t used;

    assert_int_equal(oh_addr_parse_port(OH_LIT("192.0.2.9:5062"), &flow.peer), OH_OK);
    assert_int_equal(oh_msg_parse(OH_LIT(invite), OH_MSG_DATAGRAM, NULL, &msg, &used, NULL), OH_OK);
    assert_int_equal(oh_msg_check(&msg, NULL), OH_OK);
    oh_arena_reset(&f->arena);
    return policy->run(policy->ctx, point, &r, &f->arena, &f->result);
}

static int run(struct fixture *f)
{
    return run_on(f, f->policy, OH__POLICY_ON_CALL);
}

static bool span_is(struct oh_span s, const char *text)
{
    return oh_span_eq(s, oh_span_str(text));
}

static bool span_has(struct oh_span s, const char *text)
{
    size_t n = strlen(text);

    for (size_t i = 0; i + n <= s.n; i++) {
        if (memcmp(s.p + i, text, n) == 0)
            return true;
    }
    return false;
}

/* --- the request -------------------------------------------------------- */

/* Each line must be true. */
static const char *const facts[] = {
    "r.method == 'INVITE'",
    "r.uri == 'sip:b%6Fb@Example.com;x=1'",
    "r.user == 'bob'",
    "r.domain == 'example.com'",
    "r.ours == true",
    "r.from == 'sip:alice@example.org'",
    "r.from_user == 'alice'",
    "r.to == 'sip:bob@example.com'",
    "r.call_id == 'c1@x'",
    "r.account == 'alice@example.org'",
    "r.trusted == false",
    "r.source == '192.0.2.9'",
    "r.transport == 'udp'",
    "r.agent == 'Phone 7'",
    "r.body == 'hello'",
    "r.time == 1700000000.5",
    "r.header('supported') == 'timer'",
    "r.header('k') == 'timer'",
    "r:header('X-OWN') == 'one'",
    "r.header('Nope') == nil",
    "r.header('Subject') == ''",
    "table.concat(r.headers('Supported'), '+') == 'timer+path+100rel'",
    "table.concat(r:headers('X-Own'), '+') == 'one+two'",
    "#r.headers('Nope') == 0",
    "not pcall(function() return r.usr end)",
    "not pcall(function() r.user = 'x' end)",
    "not pcall(function() return nope end)",
    "not pcall(function() nope = 1 end)",
    "not pcall(include, 'x')",
    "not pcall(file, 'x')",
    "not pcall(env, 'HOME')",
    "not pcall(string.rep, 'x', 1e9)",
    "string.dump == nil and string.pack == nil and ('x').dump == nil",
    "select('#', table.unpack{ 1, 2 }) == 2 and unpack{ 7 } == 7",
    "('a,b'):gsub(',', ';') == 'a;b'",
};

static void test_request(void **state)
{
    char text[8192];
    struct fixture f;
    size_t n = 0;

    (void)state;
    n += (size_t)snprintf(text, sizeof(text), "function on_call(r)\n  local nope_ = 1\n");
    for (unsigned i = 0; i < sizeof(facts) / sizeof(facts[0]); i++) {
        /* "nope" is declared, so that the check of names leaves its use to the run. */
        n += (size_t)snprintf(text + n, sizeof(text) - n,
                              "  if not (%s) then return reply{ 400, reason = %u .. '' } end\n",
                              facts[i], i);
    }
    snprintf(text + n, sizeof(text) - n,
             "  return reply{ 600 }\nend\n"
             "local function f() local nope end\n");
    fix_open(&f, text);
    assert_int_equal(run(&f), OH_OK);
    if (f.result.code != 600)
        fail_msg("not true: fact %.*s", OH_PRI(f.result.reason));
    fix_close(&f);
}

static void test_request_ends(void **state)
{
    struct fixture f;

    (void)state;
    fix_open(&f, "local kept\nfunction on_call(r)\n"
                 "  if kept then return reply{ 400, reason = kept.user } end\n  kept = r\nend\n");
    assert_int_equal(run(&f), OH_OK);
    assert_int_equal(f.result.verdict, OH__POLICY_PASS);
    assert_int_equal(run(&f), OH_E_STATE);
    assert_true(span_has(f.result.why, "this request has ended"));
    fix_close(&f);
}

/* --- verdicts ----------------------------------------------------------- */

static void test_reply(void **state)
{
    struct fixture f;

    (void)state;
    fix_open(&f, "function on_call(r)\n"
                 "  return reply{ 302, reason = 'Moved', headers = { ['X-B'] = { '2', 3 }, "
                 "['X-A'] = ' 1 ' },\n"
                 "    contacts = { 'sip:bob@example.org', { uri = 'sip:b@192.0.2.7', q = 0.25, "
                 "expires = 600, name = 'B \"x\"' },\n      { 'tel:+49123', q = 1 } },\n"
                 "    body = 'gone\\n', type = 'text/x' }\nend\n");
    assert_int_equal(run(&f), OH_OK);
    assert_int_equal(f.result.verdict, OH__POLICY_REPLY);
    assert_int_equal(f.result.code, 302);
    assert_true(span_is(f.result.reason, "Moved"));
    assert_true(span_is(f.result.headers, "Contact: <sip:bob@example.org>\r\n"
                                          "Contact: \"B \\\"x\\\"\" <sip:b@192.0.2.7>;q=0.25"
                                          ";expires=600\r\n"
                                          "Contact: <tel:+49123>;q=1\r\n"
                                          "X-A: 1\r\nX-B: 2\r\nX-B: 3\r\n"
                                          "Content-Type: text/x\r\n"));
    assert_true(span_is(f.result.body, "gone\n"));
    assert_true(span_has(f.result.why, "on_call at "));
    assert_true(span_has(f.result.why, ":2 returned reply{302}"));
    fix_close(&f);
}

static void test_route(void **state)
{
    struct fixture f;

    (void)state;
    fix_open(&f, "function on_call(r)\n  return route{ 'sip:bob@10.0.0.1', { 'sips:x@y', q = 0.5 "
                 "}, headers = { ['X-L'] = '2' } }\nend\n");
    assert_int_equal(run(&f), OH_OK);
    assert_int_equal(f.result.verdict, OH__POLICY_ROUTE);
    assert_int_equal(f.result.targets_n, 2);
    assert_true(span_is(f.result.targets[0].uri, "sip:bob@10.0.0.1"));
    assert_int_equal(f.result.targets[0].q, 1000);
    assert_int_equal(f.result.targets[1].q, 500);
    assert_true(span_is(f.result.headers, "X-L: 2\r\n"));
    assert_true(span_has(f.result.why, ":2 returned route{2 targets}"));
    fix_close(&f);
}

/* Bodies of on_call that must fail, and what the reason must hold. */
static const struct {
    const char *body, *why;
} wrong[] = {
    {"return reply{ 200 }", "from 300 to 699"},
    {"return reply{ 700 }", "from 300 to 699"},
    {"return reply{ '486' }", "from 300 to 699"},
    {"return reply{ 486.5 }", "from 300 to 699"},
    {"return reply{ 305, contacts = { 'sip:a@b' } }", "only phones may answer 305"},
    {"return reply{ 486, raeson = 'x' }", "did you mean 'reason'"},
    {"return reply{ 486, 487 }", "element that it does not take"},
    {"return reply{ 486, reason = 'a\\r\\nX: y' }", "line end"},
    {"return reply{ 486, reason = 'a\\0b' }", "control character"},
    {"return reply{ 486, headers = { ['X-A'] = 'b\\r\\nVia: x' } }", "line end"},
    {"return reply{ 486, headers = { ['X-A'] = 'b\\0' } }", "control character"},
    {"return reply{ 486, headers = { ['X\\r\\nA'] = 'b' } }", "is no header name"},
    {"return reply{ 486, headers = { ['X-A\\0'] = 'b' } }", "NUL"},
    {"return reply{ 486, headers = { ['X A'] = 'b' } }", "is no header name"},
    {"return reply{ 486, headers = { [''] = 'b' } }", "is no header name"},
    {"return reply{ 486, headers = { v = 'b' } }", "written by the server"},
    {"return reply{ 486, headers = { ['content-length'] = '0' } }", "written by the server"},
    {"return reply{ 486, headers = { Contact = '<sip:x>' } }", "set with contacts"},
    {"return reply{ 486, headers = 'x' }", "must be a table"},
    {"return reply{ 486, headers = { 'x' } }", "[\"Name\"] = \"value\""},
    {"return reply{ 486, headers = { ['X-A'] = true } }", "must be a text"},
    {"return reply{ 486, headers = { ['X-A'] = ('x'):rep(9000) } }", "longer than 8192"},
    {"return reply{ 302, contacts = { 'bob' } }", "is no URI"},
    {"return reply{ 302, contacts = { 'sip:a@b\\r\\nX: y' } }", "line end"},
    {"return reply{ 302, contacts = { 'sip:a@b>;x' } }", "is no URI"},
    {"return reply{ 302, contacts = { { 'sip:a@b', q = 1.5 } } }", "q must be"},
    {"return reply{ 302, contacts = { { 'sip:a@b', expires = -1 } } }", "expires must be"},
    {"return reply{ 486, type = 'text/plain' }", "type without a body"},
    {"return reply{ 486, body = 'x', type = 'a\\r\\nb' }", "line end"},
    {"return reply{ 486, body = ('x'):rep(20000) }", "body is longer"},
    {"return reply()", "table expected"},
    {"return route{ }", "1 to 16 targets"},
    {"return route{ 'tel:+1' }", "sip or sips"},
    {"return route{ 'sip:a@b?Route=x' }", "headers behind"},
    {"return route{ 'sip:a b@c' }", "is no URI"},
    {"return route{ 'sip:a@b', headers = { Route = '<sip:x>' } }", "written by the server"},
    {"return route{ 'sip:a@b', headers = { ['Proxy-Authorization'] = 'x' } }", "only the caller"},
    {"return route{ 'sip:a@b', { 'sip:c@d', Q = 1 } }", "unknown field 'Q'"},
    {"return true", "on_call returned a boolean"},
    {"return { 486 }", "on_call returned a table"},
    {"return '486'", "on_call returned a string"},
    {"local x; return x.y", "attempt to index a nil value (local 'x')"},
    {"error('mine')", "mine"},
    {"error({})", "an error that is a table"},
    {"return shared.count('k')", "must be a time"},
    {"shared.set('k', {})", "text, number, boolean or nil"},
    {"shared.set('', 1)", "1 to 256 bytes"},
};

static void test_wrong_verdicts(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct fixture f;
        char text[512];
        int e;

        snprintf(text, sizeof(text), "function on_call(r)\n%s\nend\n", wrong[i].body);
        fix_open(&f, text);
        e = run(&f);
        if (e == OH_OK || !span_has(f.result.why, wrong[i].why))
            fail_msg("%s: result %d, why: %.*s", wrong[i].body, e, OH_PRI(f.result.why));
        assert_int_equal(f.result.verdict, OH__POLICY_PASS);
        assert_int_equal(f.result.headers.n, 0);
        fix_close(&f);
    }
}

/* Errors name file and line, so that they can be found. */
static void test_error_has_place(void **state)
{
    struct fixture f;

    (void)state;
    fix_open(&f, "function on_call(r)\n  local x\n  return x.y\nend\n");
    assert_int_equal(run(&f), OH_E_STATE);
    assert_true(span_has(f.result.why, "on_call: /tmp/offhook-policy-"));
    assert_true(span_has(f.result.why, ":3: attempt to index"));
    fix_close(&f);
}

static void test_points(void **state)
{
    struct fixture f;

    (void)state;
    fix_open(&f, "function on_request(r) return reply{ 202 } end\n"
                 "function on_register(r) return route{ 'sip:a@b' } end\n");
    assert_int_equal(run_on(&f, f.policy, OH__POLICY_ON_REQUEST), OH_OK);
    assert_int_equal(f.result.code, 202);
    assert_int_equal(run_on(&f, f.policy, OH__POLICY_ON_CALL), OH_OK);
    assert_int_equal(f.result.verdict, OH__POLICY_PASS);
    assert_int_equal(run_on(&f, f.policy, OH__POLICY_ON_REGISTER), OH_E_STATE);
    assert_true(span_has(f.result.why, "on_register may only return reply{} or nothing"));
    fix_close(&f);
}

static void test_no_policy(void **state)
{
    struct oh__config *config = load("workers = 1\n");
    struct oh__policy *policy = (struct oh__policy *)1;

    (void)state;
    assert_int_equal(oh__policy_lua_new(config, NULL, &policy), OH_OK);
    assert_null(policy);
    oh__policy_lua_free(NULL);
    oh__config_unref(config);
}

/* A worker made after the disk changed runs what was checked. */
static void test_replay_reads_no_disk(void **state)
{
    struct fixture f;

    (void)state;
    setenv("OFFHOOK_TEST_ANSWER", "'first'", 1);
    fix_open(&f, "local answer = env('OFFHOOK_TEST_ANSWER')\n"
                 "function on_call(r) return reply{ 480, reason = answer } end\n");
    setenv("OFFHOOK_TEST_ANSWER", "'second'", 1);
    assert_int_equal(run(&f), OH_OK);
    assert_true(span_is(f.result.reason, "'first'"));
    fix_close(&f);
}

/* --- hostile policies --------------------------------------------------- */

static const struct {
    const char *name, *body;
} hostile[] = {
    {"endless loop", "while true do end"},
    {"endless goto", "::a:: goto a"},
    {"swallowed errors", "while true do pcall(function() while true do end end) end"},
    {"nested pcall", "local function g() while true do pcall(g) end end g()"},
    {"error handler loop", "local function g() pcall(g) pcall(g) end g()"},
    {"memory", "local t = {} for i = 1, 1e9 do t[i] = { i } end"},
    {"memory in pcall", "local t = {} while true do pcall(function() t[#t + 1] = ('x'):rep(60000) "
                        "end) end"},
    {"doubling", "local s = 'x' while true do s = s .. s end"},
    {"doubling in pcall", "local s = 'x' while true do pcall(function() s = s .. s end) end"},
    {"churn", "local s = ('x'):rep(60000) while true do local y = s .. 'a' end"},
    {"rep", "while true do pcall(string.rep, 'x', 1e15) end"},
    {"rep many", "while true do local s = ('x'):rep(65000) end"},
    {"recursion", "local function g(n) return 1 + g(n + 1) end return g(1)"},
    {"pattern", "return ('a'):rep(8000):find('.-.-.-.-.-b')"},
    {"pattern star", "return ('a'):rep(8000):match('a*a*a*a*a*a*b')"},
    {"pattern in pcall", "while true do pcall(string.find, ('a'):rep(8000), 'a*a*a*b') end"},
    {"gsub", "while true do ('a'):rep(8000):gsub('a', '%0%0') end"},
    {"gsub function", "('a'):rep(8000):gsub('a', function() while true do end end)"},
    {"gmatch", "while true do for w in ('a '):rep(4000):gmatch('%a+') do end end"},
    {"balanced", "while true do ('('):rep(8000):find('%b()') end"},
    {"plain find", "local s = ('a'):rep(60000) while true do s:find(('a'):rep(30000) .. 'b', 1, "
                   "true) end"},
    {"sort", "local t = {} for i = 1, 4000 do t[i] = -i end while true do table.sort(t) end"},
    {"sort wrong", "local t = {} for i = 1, 4000 do t[i] = i end while true do pcall(table.sort, "
                   "t, function() return true end) end"},
    {"insert in front", "local t = {} while true do table.insert(t, 1, 1) end"},
    {"concat", "local t = {} for i = 1, 5000 do t[i] = 'xxxxxxxxxxx' end while true do "
               "table.concat(t) end"},
    {"unpack", "while true do pcall(unpack, {}, 1, 1e7) end"},
    {"format", "while true do string.format('%99d%99d%99d', 1, 2, 3) end"},
    {"next over holes", "local t = {} for i = 1, 9000 do t[i] = i end for i = 1, 9000 do t[i] = "
                        "nil end while true do next(t) end"},
    {"compare", "local a, b = ('x'):rep(60000) .. 'a', ('x'):rep(60000) .. 'b' while true do local "
                "c = a < b end"},
    {"tostring", "while true do local s = tostring({}) .. tostring(1.5) end"},
    {"shared", "local i = 0 while true do i = i + 1 shared.set('k' .. i, 'v') end"},
    {"log", "while true do log(('x'):rep(60000)) end"},
    {"close", "local s = '' for i = 1, 1e9 do s = s .. i end"},
};

static void test_hostile(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
        struct fixture f;
        char text[512];
        struct timespec a, b;
        double took;
        int e;

        snprintf(text, sizeof(text),
                 "function on_call(r)\n%s\nend\nfunction on_request(r) return reply{ 299 } end\n",
                 hostile[i].body);
        fix_open(&f, text);
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
        e = run(&f);
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
        took = (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9;
        if (e == OH_OK)
            fail_msg("%s: was not stopped", hostile[i].name);
        if (took > 2.0) /* of processor time, with sanitizers */
            fail_msg("%s: took %.2f s", hostile[i].name, took);
        assert_true(f.result.why.n > 10);
        assert_true(oh__policy_lua_memory(f.policy) <= 16u << 20);
        /* The next request finds the policy as good as new. */
        assert_int_equal(run_on(&f, f.policy, OH__POLICY_ON_REQUEST), OH_OK);
        assert_int_equal(f.result.code, 299);
        fix_close(&f);
    }
}

/* What one run leaves behind must not pile up. */
static void test_memory_is_steady(void **state)
{
    struct fixture f;
    size_t before;

    (void)state;
    fix_open(&f, "function on_call(r)\n  local t = {}\n  for i = 1, 100 do t[i] = r.user .. i end\n"
                 "  return reply{ 480, reason = t[100] }\nend\n");
    for (int i = 0; i < 200; i++)
        assert_int_equal(run(&f), OH_OK);
    before = oh__policy_lua_memory(f.policy);
    for (int i = 0; i < 2000; i++)
        assert_int_equal(run(&f), OH_OK);
    assert_true(oh__policy_lua_memory(f.policy) < 2 * before + 65536);
    fix_close(&f);
}

/* --- shared ------------------------------------------------------------- */

static const char counting[] = "function on_call(r)\n"
                               "  local n = shared.count('k:' .. r.source, '10 s')\n"
                               "  return reply{ 300 + n }\nend\n"
                               "function on_request(r)\n"
                               "  return reply{ 480, reason = tostring(shared.get('v')) }\nend\n"
                               "function on_register(r) shared.set('v', r.user, 5) end\n";

static void test_shared_between_states(void **state)
{
    struct oh__policy *second = NULL;
    struct fixture f;

    (void)state;
    fix_open(&f, counting);
    assert_int_equal(oh__policy_lua_new(f.config, f.shared, &second), OH_OK);
    assert_int_equal(run(&f), OH_OK);
    assert_int_equal(f.result.code, 301);
    assert_int_equal(run_on(&f, second, OH__POLICY_ON_CALL), OH_OK);
    assert_int_equal(f.result.code, 302);
    f.now += 9 * SEC;
    assert_int_equal(run(&f), OH_OK);
    assert_int_equal(f.result.code, 303);
    f.now += 1 * SEC; /* the window began with the first count */
    assert_int_equal(run(&f), OH_OK);
    assert_int_equal(f.result.code, 301);

    assert_int_equal(run_on(&f, second, OH__POLICY_ON_REGISTER), OH_OK);
    assert_int_equal(run_on(&f, f.policy, OH__POLICY_ON_REQUEST), OH_OK);
    assert_true(span_is(f.result.reason, "bob"));
    f.now += 5 * SEC;
    assert_int_equal(run_on(&f, f.policy, OH__POLICY_ON_REQUEST), OH_OK);
    assert_true(span_is(f.result.reason, "nil"));
    oh__policy_lua_free(second);
    fix_close(&f);
}

static void test_shared_values(void **state)
{
    struct fixture f;

    (void)state;
    fix_open(&f, "function on_call(r)\n"
                 "  for _, v in ipairs{ 1, -2.5, true, false, 'a\\0b', '' } do\n"
                 "    shared.set('k', v)\n"
                 "    if shared.get('k') ~= v then error('lost ' .. tostring(v)) end\n"
                 "    if math.type(shared.get('k')) ~= math.type(v) then error('type') end\n"
                 "  end\n"
                 "  shared.delete('k')\n"
                 "  if shared.get('k') ~= nil then error('not deleted') end\n"
                 "  shared.set('k', 'text')\n"
                 "  if shared.count('k', 1, 5) ~= 5 then error('count over a text') end\n"
                 "  if shared.count('k', 1, -2) ~= 3 then error('count down') end\n"
                 "  shared.set('m', math.maxinteger)\n"
                 "  if shared.count('m', 1) ~= math.maxinteger then error('wrapped') end\n"
                 "end\n");
    if (run(&f) != OH_OK)
        fail_msg("%.*s", OH_PRI(f.result.why));
    fix_close(&f);
}

static void test_shared_is_bounded(void **state)
{
    struct oh__policy_shared_stats stats;
    struct fixture f;

    (void)state;
    open_with(&f,
              "function on_call(r)\n  for i = 1, 100 do shared.set(i .. '', i, '1 min') end\n"
              "  shared.count('old', '1 h')\n"
              "  for i = 1, 90 do shared.set('x' .. i, 1); if i % 20 == 0 then "
              "shared.count('old', '1 h') end end\n"
              "  return reply{ 400 + shared.get('old') }\nend\n",
              32);
    assert_int_equal(run(&f), OH_OK);
    assert_int_equal(f.result.code, 405); /* what is counted on stays */
    oh__policy_shared_stats(f.shared, &stats);
    assert_int_equal(stats.entries, 32);
    assert_true(stats.evicted > 100);
    fix_close(&f);
}

static void *count_thread(void *arg)
{
    struct fixture *f = arg;

    for (int i = 0; i < 200; i++)
        assert_int_equal(run(f), OH_OK);
    return NULL;
}

/* Two workers, each with its own state and arena, on one `shared`: no count is lost. */
static void test_shared_between_threads(void **state)
{
    struct fixture a, b;
    pthread_t thread;

    (void)state;
    fix_open(&a, "function on_call(r) for i = 1, 20 do shared.count('n', '1 h') end end\n"
                 "function on_request(r)\n"
                 "  return reply{ 480, reason = shared.get('n') .. '' } end\n");
    b = a;
    oh_arena_init(&b.arena, oh_alloc_default(), 1 << 20);
    assert_int_equal(oh__policy_lua_new(a.config, a.shared, &b.policy), OH_OK);
    assert_int_equal(pthread_create(&thread, NULL, count_thread, &b), 0);
    count_thread(&a);
    pthread_join(thread, NULL);
    assert_int_equal(run_on(&a, a.policy, OH__POLICY_ON_REQUEST), OH_OK);
    assert_true(span_is(a.result.reason, "8000"));
    oh__policy_lua_free(b.policy);
    oh_arena_done(&b.arena);
    fix_close(&a);
}

static void shared_scenario(struct test_heap *h, void *arg)
{
    struct oh__policy_shared_options o = {
        .alloc = &h->alloc, .entries_max = 16, .clock = fake_clock, .ctx = arg};
    struct oh__policy_shared *shared;

    if (oh__policy_shared_new(&o, &shared) == OH_OK)
        oh__policy_shared_free(shared);
}

static void test_shared_without_memory(void **state)
{
    struct fixture f = {0};

    (void)state;
    assert_true(test_heap_fail_each(shared_scenario, &f) >= 2);
}

static void test_log(void **state)
{
    struct fixture f;

    (void)state;
    fix_open(&f, "log('at load')\nfunction on_call(r)\n  log('a\\nb', 1, true)\n"
                 "  for i = 1, 20 do log(i) end\nend\n");
    assert_int_equal(run(&f), OH_OK);
    assert_string_equal(f.log, "a?b 1 true|1|2|3|4|5|6|7|");
    fix_close(&f);
}

/* The policy keeps its snapshot alive, and a new snapshot brings a new policy. */
static void test_outlives_snapshot(void **state)
{
    struct fixture f;

    (void)state;
    fix_open(&f, "function on_call(r) return reply{ 480 } end\n");
    oh__config_unref(f.config);
    assert_int_equal(run(&f), OH_OK);
    assert_int_equal(f.result.code, 480);
    f.config = NULL;
    fix_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request),
        cmocka_unit_test(test_request_ends),
        cmocka_unit_test(test_reply),
        cmocka_unit_test(test_route),
        cmocka_unit_test(test_wrong_verdicts),
        cmocka_unit_test(test_error_has_place),
        cmocka_unit_test(test_points),
        cmocka_unit_test(test_no_policy),
        cmocka_unit_test(test_replay_reads_no_disk),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_memory_is_steady),
        cmocka_unit_test(test_shared_between_states),
        cmocka_unit_test(test_shared_values),
        cmocka_unit_test(test_shared_is_bounded),
        cmocka_unit_test(test_shared_between_threads),
        cmocka_unit_test(test_shared_without_memory),
        cmocka_unit_test(test_log),
        cmocka_unit_test(test_outlives_snapshot),
    };

    return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
