/* The server's own URI, and pings of its own (OPT-003, OPT-005, UAS-001 .. UAS-007, REG-042). */
#include "harness.h"

#include <stdio.h>

static int setup(void **state)
{
    struct harness *h = malloc(sizeof(*h));

    harness_init(h);
    *state = h;
    return 0;
}

static int teardown(void **state)
{
    harness_done(*state);
    free(*state);
    return 0;
}

static unsigned ask(struct harness *h, const char *method, const char *to_tag, const char *rows,
                    const char *body)
{
    static unsigned n;

    harness_clear(h);
    n++;
    harness_input(
        h,
        "%s sip:example.test SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKo%u\n"
        "Max-Forwards: 0\nFrom: <sip:101@example.test>;tag=f\n"
        "To: <sip:example.test>%s\nCall-ID: own\nCSeq: %u %s\n%sContent-Length: %zu\n\n%s",
        method, n, to_tag, n, method, rows, strlen(body), body);
    return harness_code(h);
}

/* OPT-003, OPT-002: what we can do, from one table; without state, to everybody, at no cost. */
static void test_options(void **state)
{
    struct harness *h = *state;
    struct oh__decision d;
    size_t calls;

    harness_start(h);
    assert_int_equal(ask(h, "OPTIONS", "", "", ""), 200);
    assert_true(harness_has(h, "\r\nAllow: OPTIONS, REGISTER\r\n"));
    assert_true(harness_has(h, "\r\nAccept: application/sdp, text/plain\r\n"));
    assert_true(harness_has(h, "\r\nAccept-Encoding: identity\r\n"));
    assert_true(harness_has(h, "\r\nAccept-Language: en\r\n"));
    assert_true(harness_has(h, "\r\nSupported: path\r\n"));
    assert_true(harness_has(h, "\r\nServer: offhook\r\n"));
    assert_true(harness_last(h)->to_tag.n > 0);
    assert_false(harness_decision(h, &d));
    calls = h->heap.calls;
    for (int i = 0; i < 1000; i++)
        assert_int_equal(ask(h, "OPTIONS", "", "", ""), 200);
    assert_int_equal(h->heap.calls, calls);
    assert_int_equal(h->s->stats.challenges, 0);
}

/* UAS-023: the name may be empty. */
static void test_nameless(void **state)
{
    struct harness *h = *state;

    h->settings->server_name[0] = 0;
    harness_start(h);
    assert_int_equal(ask(h, "OPTIONS", "", "", ""), 200);
    assert_int_equal(harness_rows(h, OH_HEADER_SERVER), 0);
}

/* REG-042, UAS-002, UAS-003: what is wrong with each method here. */
static void test_methods(void **state)
{
    static const struct {
        const char *method, *to_tag;
        unsigned code;
        bool allow;
    } rows[] = {
        {"INVITE", "", 404, false},        {"MESSAGE", "", 404, false},
        {"PUBLISH", "", 405, true},        {"SUBSCRIBE", "", 405, true},
        {"REFER", "", 405, true},          {"BREW", "", 501, true},
        {"BREW", ";tag=x", 501, true},     {"options", "", 501, true},
        {"BYE", "", 481, false},           {"NOTIFY", "", 481, false},
        {"INFO", "", 481, false},          {"PRACK", "", 481, false},
        {"UPDATE", "", 481, false},        {"BYE", ";tag=x", 481, false},
        {"INVITE", ";tag=x", 481, false},  {"SUBSCRIBE", ";tag=x", 481, false},
        {"OPTIONS", ";tag=x", 481, false},
    };
    struct harness *h = *state;

    h->settings->no_auth = true;
    harness_start(h);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (ask(h, rows[i].method, rows[i].to_tag, "", "") != rows[i].code)
            fail_msg("%s%s: %u", rows[i].method, rows[i].to_tag, harness_code(h));
        assert_int_equal(harness_rows(h, OH_HEADER_ALLOW), rows[i].allow);
    }
}

/* UAS-001: authentication, method, Require, body; one after the other. */
static void test_order(void **state)
{
    static const char all[] = "Require: foo\nContent-Type: application/x-bad\n";
    struct harness *h = *state;

    harness_start(h);
    assert_int_equal(ask(h, "BREW", "", all, "x"), 401);
    h->settings->no_auth = true;
    assert_int_equal(ask(h, "BREW", "", all, "x"), 501);
    assert_int_equal(ask(h, "PUBLISH", "", all, "x"), 405);
    assert_int_equal(ask(h, "OPTIONS", "", all, "x"), 420);
    assert_true(harness_has(h, "\r\nUnsupported: foo\r\n"));
    assert_int_equal(ask(h, "OPTIONS", "", "Content-Type: application/x-bad\n", "x"), 415);
    assert_int_equal(ask(h, "OPTIONS", "", "", ""), 200);
}

/* UAS-007: which part of a body is not understood, and what would be. */
static void test_body(void **state)
{
    static const struct {
        const char *rows, *body;
        unsigned code;
        const char *row;
    } rows[] = {
        {"Content-Type: application/sdp\n", "v=0", 200, NULL},
        {"Content-Type: Text/Plain;charset=utf-8\n", "v=0", 200, NULL},
        {"Content-Type: application/x-bad\n", "", 200, NULL},
        {"Content-Type: application/x-bad\n", "x", 415, "Accept: application/sdp, text/plain"},
        {"", "x", 415, "Accept: application/sdp, text/plain"},
        {"Content-Type: application/x-bad\nContent-Disposition: render;handling=optional\n", "x",
         200, NULL},
        {"Content-Type: application/x-bad\nContent-Disposition: render;handling=required\n", "x",
         415, "Accept: application/sdp, text/plain"},
        {"Content-Type: text/plain\nContent-Encoding: gzip\n", "x", 415,
         "Accept-Encoding: identity"},
        {"Content-Type: text/plain\nContent-Encoding: identity\n", "x", 200, NULL},
        {"Content-Type: text/plain\nContent-Language: xx\n", "x", 415, "Accept-Language: en"},
        {"Content-Type: text/plain\nContent-Language: en-GB, EN\n", "x", 200, NULL},
        {"Content-Type: text/plain\nContent-Language: english\n", "x", 415, "Accept-Language: en"},
        {"Content-Type: text/plain\nContent-Language: e\n", "x", 415, "Accept-Language: en"},
    };
    struct harness *h = *state;

    harness_start(h);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (ask(h, "OPTIONS", "", rows[i].rows, rows[i].body) != rows[i].code)
            fail_msg("row %zu: %u", i, harness_code(h));
        if (rows[i].row)
            assert_true(harness_has(h, rows[i].row));
    }
}

/* ---- pings ---- */

/* Registers 101 and gives its binding. */
static void bound(struct harness *h, const char *rows, struct oh__binding *out)
{
    static struct oh__binding_list list;
    static struct oh_arena arena;

    harness_input(
        h,
        "REGISTER sip:example.test SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKp\n"
        "From: <sip:101@example.test>;tag=f\nTo: <sip:101@example.test>\nCall-ID: p\n"
        "CSeq: 1 REGISTER\nContact: <sip:101@192.0.2.10:5060;ob?X=y>\n%s\n",
        rows);
    assert_int_equal(harness_code(h), 200);
    harness_clear(h);
    oh_arena_init(&arena, oh_alloc_default(), 65536);
    assert_int_equal(oh__location_get(h->shared.location, OH_LIT("101@example.test"), h->env.wall,
                                      &arena, &list),
                     OH_OK);
    assert_int_equal(list.n, 1);
    *out = list.v[0];
    /* The ping has no use for these texts, which end with the arena. */
    out->call_id = out->user_agent = out->params = oh_span("", 0);
    out->contact = OH_LIT("sip:101@192.0.2.10:5060;ob?X=y");
    out->path = rows[0] ? OH_LIT("<sip:p1.test;lr>") : oh_span("", 0);
    oh_arena_done(&arena);
}

static uint32_t rtt_of(struct harness *h)
{
    struct oh__binding_list list;
    struct oh_arena arena;
    uint32_t rtt;

    oh_arena_init(&arena, oh_alloc_default(), 65536);
    assert_int_equal(oh__location_get(h->shared.location, OH_LIT("101@example.test"), h->env.wall,
                                      &arena, &list),
                     OH_OK);
    rtt = list.n ? list.v[0].rtt_us : 0;
    oh_arena_done(&arena);
    return rtt;
}

/* Answers the ping that was sent last. */
static void answer(struct harness *h, unsigned code)
{
    char via[256], from[256], to[256], call_id[128];
    const struct oh_msg *m = harness_last(h);

    snprintf(via, sizeof(via), "%.*s", OH_PRI(oh_msg_value(m, OH_HEADER_VIA)));
    snprintf(from, sizeof(from), "%.*s", OH_PRI(oh_msg_value(m, OH_HEADER_FROM)));
    snprintf(to, sizeof(to), "%.*s", OH_PRI(oh_msg_value(m, OH_HEADER_TO)));
    snprintf(call_id, sizeof(call_id), "%.*s", OH_PRI(m->call_id));
    harness_input(h,
                  "SIP/2.0 %u Whatever\nVia: %s\nFrom: %s\nTo: %s;tag=t\nCall-ID: %s\n"
                  "CSeq: 1 OPTIONS\nContent-Length: 0\n\n",
                  code, via, from, to, call_id);
}

/* OPT-005: over the binding's flow, with a Call-ID and a From of our own; the round trip is
 * measured. */
static void test_ping(void **state)
{
    static const unsigned codes[] = {200, 404, 501, 100};
    struct harness *h = *state;
    struct oh__binding binding;

    h->settings->no_auth = true;
    harness_start(h);
    bound(h, "", &binding);
    for (unsigned i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        const struct oh_msg *m;

        harness_clear(h);
        oh__serve_ping(h->s, &h->env, OH_LIT("101@example.test"), &binding);
        harness_collect(h);
        assert_int_equal(h->sends_n, 1);
        assert_true(oh_flow_same(&h->sends[0].flow, &h->flow));
        m = harness_last(h);
        assert_true(m->request && m->method == OH_METHOD_OPTIONS);
        assert_true(oh_span_eq(m->uri, OH_LIT("sip:101@192.0.2.10:5060;ob")));
        assert_true(oh_span_eq(m->from.uri, OH_LIT("sip:example.test")));
        assert_int_equal(m->max_forwards, 70);
        assert_true(m->via.has_rport && m->via.cookie);
        assert_true(oh_span_eq(m->via.host, OH_LIT("192.0.2.1")));
        assert_int_equal(harness_rows(h, OH_HEADER_ROUTE), 0);
        assert_int_equal(oh__pool_live(h->s->pings), 1);
        harness_advance(h, 25000000 + i * 1000000);
        answer(h, codes[i]);
        assert_int_equal(rtt_of(h), 25000 + i * 1000);
        assert_int_equal(oh__pool_live(h->s->pings), 0);
    }
    /* The last answer was a 100: that was enough, and nothing is sent again. */
    harness_clear(h);
    harness_advance(h, 40 * HARNESS_SECOND);
    assert_int_equal(h->sends_n, 0);
    assert_true(oh__serve_idle(h->s));
}

/* No answer says nothing; what was pinged stays registered, and nothing is left behind. */
static void test_ping_unanswered(void **state)
{
    struct harness *h = *state;
    struct oh__binding binding;

    h->settings->no_auth = true;
    harness_start(h);
    bound(h, "Path: <sip:p1.test;lr>\n", &binding);
    oh__serve_ping(h->s, &h->env, OH_LIT("101@example.test"), &binding);
    harness_collect(h);
    assert_true(harness_has(h, "\r\nRoute: <sip:p1.test;lr>\r\n"));
    harness_advance(h, 40 * HARNESS_SECOND);
    assert_in_range(h->sends_n, 8, 12);
    assert_int_equal(oh__pool_live(h->s->pings), 0);
    assert_int_equal(rtt_of(h), 0);
    assert_true(oh__serve_idle(h->s));
}

/* A name that is longer than a ping can keep is left alone. */
static void test_ping_bounds(void **state)
{
    struct harness *h = *state;
    struct oh__binding binding;
    char aor[600];

    h->settings->no_auth = true;
    harness_start(h);
    bound(h, "", &binding);
    memset(aor, 'a', sizeof(aor));
    oh__serve_ping(h->s, &h->env, oh_span(aor, sizeof(aor)), &binding);
    harness_collect(h);
    assert_int_equal(h->sends_n, 0);
    /* When the endpoint is full, the ping is given up. */
    for (int i = 0; i < 70; i++)
        oh__serve_ping(h->s, &h->env, OH_LIT("101@example.test"), &binding);
    harness_collect(h);
    assert_int_equal(h->sends_n, 64);
    assert_int_equal(oh__pool_live(h->s->pings), 64);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_options), TEST(test_nameless), TEST(test_methods),         TEST(test_order),
        TEST(test_body),    TEST(test_ping),     TEST(test_ping_unanswered), TEST(test_ping_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
