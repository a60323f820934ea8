/* Checks before authentication, by role (PRX-001, PRX-003, PRX-006, UAS-004, UAS-022, OVL-001,
 * REG-003). */
#include "harness.h"

#include <stdatomic.h>
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

struct ask {
    const char *method, *uri, *rows;
    int max_forwards; /* negative: none */
    bool in_dialog;
};

/* Runs role and checks alone; true when the request passed them. */
static bool check(struct harness *h, const struct ask *a)
{
    char hops[32] = "", plain[2048], wire[4096];
    struct oh_fault fault;
    struct oh_buf b;
    size_t used;

    if (a->max_forwards >= 0)
        snprintf(hops, sizeof(hops), "Max-Forwards: %d\n", a->max_forwards);
    snprintf(plain, sizeof(plain),
             "%s %s SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKc\n%s"
             "From: <sip:101@example.test>;tag=f\nTo: <sip:102@example.test>%s\nCall-ID: c\n"
             "CSeq: 1 %s\n%s\n",
             a->method, a->uri, hops, a->in_dialog ? ";tag=t" : "", a->method,
             a->rows ? a->rows : "");
    oh_buf_init(&b, wire, sizeof(wire));
    for (const char *c = plain; *c; c++) {
        if (*c == '\n')
            oh_buf_char(&b, '\r');
        oh_buf_char(&b, *c);
    }
    assert_int_equal(oh_msg_parse(oh_buf_view(&b), OH_MSG_DATAGRAM, NULL, &h->in, &used, &fault),
                     OH_OK);
    assert_int_equal(oh_msg_check(&h->in, &fault), OH_OK);

    struct oh__request rq = {.msg = &h->in, .flow = h->flow};

    harness_clear(h);
    oh__serve_enter(h->s, &h->env);
    bool passed = oh__role_find(h->s, &rq) && oh__checks_run(h->s, &rq);

    oh__serve_drain(h->s);
    harness_collect(h);
    assert_int_equal(h->sends_n, !passed);
    return passed;
}

static void expect(struct harness *h, const struct ask *a, unsigned code)
{
    unsigned got = check(h, a) ? 0 : harness_code(h);

    if (got != code)
        fail_msg("%s %s: %u instead of %u", a->method, a->uri, got, code);
}

/* PRX-001, UAS-004: schemes. This build has no TLS, so sips is one of those that cannot be reached.
 */
static void test_scheme(void **state)
{
    static const struct {
        const char *uri;
        unsigned code;
    } rows[] = {
        {"sip:102@example.test", 0},
        {"tel:+49301234", 0},
        {"sip:example.test", 0},
        {"sips:102@example.test", 416},
        {"nobodyKnowsThisScheme:opaque", 416},
        {"im:102@example.test", 416},
        {"http://example.test/", 416},
        {"soap.beep://192.0.2.103:3002", 416},
    };
    struct harness *h = *state;
    struct oh__decision d;

    harness_start(h);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        expect(h, &(struct ask){"OPTIONS", rows[i].uri, NULL, 70, false}, rows[i].code);
    assert_true(harness_decision(h, &d));
    assert_int_equal(d.code, 416);
    assert_non_null(strstr(d.why, "soap.beep:"));
}

/* Inside a dialog the token says where to go; the URI is the peer's own Contact, whatever it is. */
static void test_dialog_scheme(void **state)
{
    struct harness *h = *state;
    struct oh__token token = {
        .kind = OH__TOKEN_FLOW, .flow = h->flow, .expires = h->env.wall + 60000};
    char text[OH__TOKEN_TEXT_MAX], rows[256];
    struct ask a = {"BYE", "sips:102@192.0.2.20", rows, 70, true};

    token.flow.peer = harness_addr("192.0.2.20:5060");
    harness_start(h);
    size_t n = oh__token_make(&h->shared, &token, OH_LIT("c"), text);

    snprintf(rows, sizeof(rows), "Route: <sip:%.*s@192.0.2.1:5060;lr>\n", (int)n, text);
    expect(h, &a, 0);
    a.max_forwards = 0;
    expect(h, &a, 483);
    a.in_dialog = false;
    a.max_forwards = 70;
    expect(h, &a, 416);
}

/* PRX-003, UAS-022: no hops left stops what would be passed on, and nothing else. */
static void test_hops(void **state)
{
    static const struct {
        const char *method, *uri;
        int hops;
        unsigned code;
    } rows[] = {
        {"INVITE", "sip:102@example.test", 0, 483}, {"OPTIONS", "sip:102@example.test", 0, 483},
        {"INVITE", "sip:bob@other.test", 0, 483},   {"REGISTER", "sip:other.test", 0, 483},
        {"INVITE", "sip:102@example.test", 1, 0},   {"INVITE", "sip:102@example.test", -1, 0},
        {"INVITE", "sip:102@example.test", 255, 0}, {"OPTIONS", "sip:example.test", 0, 0},
        {"REGISTER", "sip:example.test", 0, 0},     {"INVITE", "sip:example.test", 0, 0},
    };
    struct harness *h = *state;

    harness_start(h);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        expect(h, &(struct ask){rows[i].method, rows[i].uri, NULL, rows[i].hops, false},
               rows[i].code);
}

/* PRX-006, PRX-002, UAS-006: a proxy reads Proxy-Require alone; the registrar Require alone. */
static void test_extensions(void **state)
{
    static const char both[] =
        "Require: nothingSupportsThis, path\nProxy-Require: noProxiesSupportThis\n"
        "Proxy-Require: norDoAnyProxies, andNotThis\n";
    struct harness *h = *state;

    harness_start(h);
    expect(h, &(struct ask){"INVITE", "sip:102@example.test", both, 70, false}, 420);
    assert_true(
        harness_has(h, "\r\nUnsupported: noProxiesSupportThis, norDoAnyProxies, andNotThis\r\n"));
    expect(h, &(struct ask){"INVITE", "sip:102@example.test", "Require: 100rel, foo\n", 70, false},
           0);
    expect(h, &(struct ask){"REGISTER", "sip:example.test", both, 70, false}, 420);
    assert_true(harness_has(h, "\r\nUnsupported: nothingSupportsThis\r\n"));
    expect(h, &(struct ask){"REGISTER", "sip:example.test", "Require: PATH\n", 70, false}, 0);
    /* UAS-001: at our own URI that comes after authentication. */
    expect(h, &(struct ask){"OPTIONS", "sip:example.test", both, 70, false}, 0);
}

/* Class: a list too long for what is made of it. Hundreds of options are refused as one is. */
static void test_many_extensions(void **state)
{
    char row[1536];
    struct harness *h = *state;
    struct oh_buf b;

    harness_start(h);
    oh_buf_init(&b, row, sizeof row);
    oh_buf_lit(&b, "Proxy-Require: a");
    for (int i = 0; i < 600; i++)
        oh_buf_lit(&b, ",a");
    oh_buf_put(&b, "\n", 2);
    expect(h, &(struct ask){"INVITE", "sip:102@example.test", row, 70, false}, 420);
    assert_true(harness_has(h, "\r\nUnsupported: a, a, a"));
    /* Nor does a quote that nobody closes hide what is demanded. */
    expect(h, &(struct ask){"INVITE", "sip:102@example.test", "Proxy-Require: \"x\n", 70, false},
           420);
    expect(h, &(struct ask){"REGISTER", "sip:example.test", "Require: path, \"x\n", 70, false},
           420);
}

/* PRX-001: a request that fails everything is told one thing after the other. */
static void test_order(void **state)
{
    static const char unknown[] = "Proxy-Require: foo\n";
    struct harness *h = *state;

    harness_start(h);
    /* Syntax is the endpoint's business, before anybody asks for a role. */
    harness_input(h, "INVITE sip:102@example.test:70000 SIP/2.0\n"
                     "Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKs\nMax-Forwards: 0\n"
                     "From: <sip:101@example.test>;tag=f\nTo: <sip:102@example.test>\n"
                     "Call-ID: s\nCSeq: 1 INVITE\nProxy-Require: foo\n\n");
    assert_int_equal(harness_code(h), 400);
    expect(h, &(struct ask){"INVITE", "http://example.test", unknown, 0, false}, 416);
    expect(h, &(struct ask){"INVITE", "sip:102@example.test", unknown, 0, false}, 483);
    expect(h, &(struct ask){"INVITE", "sip:102@example.test", unknown, 1, false}, 420);
    expect(h, &(struct ask){"INVITE", "sip:102@example.test", NULL, 1, false}, 0);
}

/* OVL-001, UAS-020: maintenance and shutting down spare what is under way. */
static void test_maintenance(void **state)
{
    static const struct {
        const char *method, *uri;
        bool in_dialog;
        unsigned code;
    } rows[] = {
        {"INVITE", "sip:102@example.test", false, 503},
        {"REGISTER", "sip:example.test", false, 503},
        {"SUBSCRIBE", "sip:102@example.test", false, 503},
        {"MESSAGE", "sip:102@example.test", false, 503},
        {"OPTIONS", "sip:example.test", false, 503},
        {"BYE", "sip:102@example.test", false, 0},
        {"BYE", "sip:102@example.test", true, 0},
        {"INVITE", "sip:102@example.test", true, 0},
        {"UPDATE", "sip:102@example.test", true, 0},
    };
    struct harness *h = *state;
    struct oh__decision d;

    h->settings->maintenance_retry = 45;
    harness_start(h);
    for (int draining = 0; draining < 2; draining++) {
        h->settings->maintenance = !draining;
        atomic_store(&h->shared.draining, draining);
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
            expect(h, &(struct ask){rows[i].method, rows[i].uri, NULL, 70, rows[i].in_dialog},
                   rows[i].code);
            if (rows[i].code)
                assert_true(harness_has(h, "\r\nRetry-After: 45\r\n"));
        }
        assert_true(harness_decision(h, &d));
        assert_string_equal(d.why, draining ? "the server is shutting down"
                                            : "the server is in maintenance");
    }
    assert_int_equal(h->s->stats.refused_overload, 10);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_scheme),      TEST(test_dialog_scheme),   TEST(test_hops),
        TEST(test_extensions),  TEST(test_many_extensions), TEST(test_order),
        TEST(test_maintenance),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
