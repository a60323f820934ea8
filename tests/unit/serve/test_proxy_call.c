/* A call through the proxy from INVITE to BYE, and what goes wrong on the way (RFC 3261 16). */
#include "proxy_harness.h"

#include <stdio.h>

static struct phones p;
static char routes[2048];

static int up(void **state)
{
    (void)state;
    phones_init(&p);
    phone_register(&p, 1, "102", "");
    return 0;
}

static int down(void **state)
{
    (void)state;
    phones_done(&p);
    return 0;
}

/* PRX-014, PRX-018, PRX-019, PRX-021, PRX-034: the usual call. */
static void call_from_invite_to_bye(void **state)
{
    (void)state;
    phone_invite(&p, "c1", "102", "X-Odd:  kept as\n it is\n");
    assert_int_equal(phone_statuses(&p, 0, 100), 1);
    assert_int_equal(p.h.sends_n, 2);

    const struct oh_msg *m = phone_got(&p, 1, "INVITE");

    assert_span(m->uri, "sip:102@192.0.2.11");
    assert_int_equal(m->max_forwards, 69);
    assert_true(message_has(m, "X-Odd:  kept as\r\n it is\r\n"));
    assert_true(message_has(m, "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK"));
    assert_true(message_has(
        m, "Via: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKc1;rport=5060;received=192.0.2.10\r\n"));
    assert_true(message_value(m, OH_HEADER_RECORD_ROUTE, 1).n > 0);
    assert_true(message_value(m, OH_HEADER_RECORD_ROUTE, 2).n == 0);

    phone_reply(&p, 1, "INVITE", 100, "");
    phone_reply(&p, 1, "INVITE", 180, "Contact: <sip:102@192.0.2.11>\n");
    assert_int_equal(phone_statuses(&p, 0, 100), 1);
    m = phone_got_status(&p, 0, 180);
    assert_span(m->to_tag, "t1");
    assert_int_equal(message_value(m, OH_HEADER_VIA, 1).n, 0);

    phone_reply(&p, 1, "INVITE", 200, "Contact: <sip:102@192.0.2.11>\n");
    m = phone_got_status(&p, 0, 200);
    routes_of(m, true, routes, sizeof routes);

    struct oh__serve_stats stats;

    oh__serve_stats(p.h.s, &stats);
    assert_int_equal(stats.contexts, 0);

    /* The ACK goes along the route set, without any state. */
    harness_clear(&p.h);
    phone_send(
        &p, 0,
        "ACK sip:102@192.0.2.11 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKack;rport\n"
        "Max-Forwards: 70\n%s"
        "From: <sip:101@example.test>;tag=a\nTo: <sip:102@example.test>;tag=t1\nCall-ID: c1\n"
        "CSeq: 1 ACK\n"
        "Content-Length: 0\n\n",
        routes);
    assert_int_equal(p.h.sends_n, 1);
    m = phone_got(&p, 1, "ACK");
    assert_span(m->uri, "sip:102@192.0.2.11");
    assert_int_equal(message_value(m, OH_HEADER_ROUTE, 0).n, 0);
    assert_int_equal(m->max_forwards, 69);

    harness_clear(&p.h);
    phone_send(
        &p, 0,
        "BYE sip:102@192.0.2.11 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKbye;rport\n"
        "Max-Forwards: 70\n%s"
        "From: <sip:101@example.test>;tag=a\nTo: <sip:102@example.test>;tag=t1\nCall-ID: c1\n"
        "CSeq: 2 BYE\n"
        "Content-Length: 0\n\n",
        routes);
    m = phone_got(&p, 1, "BYE");
    assert_int_equal(message_value(m, OH_HEADER_RECORD_ROUTE, 0).n, 0);
    phone_reply(&p, 1, "BYE", 200, "");
    assert_int_equal(phone_statuses(&p, 0, 200), 1);

    struct oh__decision d;

    assert_true(harness_decision(&p.h, &d));
    assert_int_equal(d.kind, OH__DECISION_CALL_ENDED);
    assert_int_equal(oh__decisions_before(p.h.shared.decisions, d.seq, &d), OH_OK);
    assert_int_equal(d.kind, OH__DECISION_CALL_ANSWERED);
    assert_string_equal(d.why, "102 answered after 0 s");
}

/* The callee's requests go back over the caller's flow (RFC 3261 12.2.1.1). */
static void callee_hangs_up(void **state)
{
    (void)state;
    phone_invite(&p, "c2", "102", "");
    routes_of(phone_got(&p, 1, "INVITE"), false, routes, sizeof routes);
    phone_reply(&p, 1, "INVITE", 200, "Contact: <sip:102@192.0.2.11>\n");
    harness_clear(&p.h);
    phone_send(
        &p, 1,
        "BYE sip:101@10.0.0.7 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.11;branch=z9hG4bKb2;rport\n"
        "Max-Forwards: 70\n%s"
        "From: <sip:102@example.test>;tag=t1\nTo: <sip:101@example.test>;tag=a\nCall-ID: c2\n"
        "CSeq: 2 BYE\n"
        "Content-Length: 0\n\n",
        routes);
    assert_span(phone_got(&p, 0, "BYE")->uri, "sip:101@10.0.0.7");
    phone_reply(&p, 0, "BYE", 200, "");
    assert_int_equal(phone_statuses(&p, 1, 200), 1);
}

static void message_goes_through(void **state)
{
    (void)state;
    phone_request(&p, "MESSAGE", "m1", "sip:102@example.test", "");

    const struct oh_msg *m = phone_got(&p, 1, "MESSAGE");

    assert_int_equal(message_value(m, OH_HEADER_RECORD_ROUTE, 0).n, 0);
    assert_int_equal(p.h.sends_n, 1);
    phone_reply(&p, 1, "MESSAGE", 200, "");
    assert_int_equal(phone_statuses(&p, 0, 200), 1);
    assert_true(phone_got_status(&p, 0, 200)->via.branch.n > 0);
}

/* Phone 1 answers the MESSAGE of a call with these Via rows. */
static void answer_with(const char *call, const char *vias)
{
    phone_send(&p, 1,
               "SIP/2.0 200 OK\n%sFrom: \"Alice\" <sip:101@example.test>;tag=a\n"
               "To: <sip:102@example.test>;tag=x\nCall-ID: %s\nCSeq: 1 MESSAGE\n"
               "X-Kept:  as is\nContent-Length: 0\n\n",
               vias, call);
}

/* PRX-020, PRX-037: a phone may join all Via values in one row; a response with ours alone is for
 * nobody. */
static void via_rows_of_a_response(void **state)
{
    char vias[1024];

    (void)state;
    phone_request(&p, "MESSAGE", "m2", "sip:102@example.test", "");
    const struct oh_msg *m = phone_got(&p, 1, "MESSAGE");

    snprintf(vias, sizeof vias, "v: %.*s ,\n  %.*s\n", OH_PRI(message_value(m, OH_HEADER_VIA, 0)),
             OH_PRI(message_value(m, OH_HEADER_VIA, 1)));
    answer_with("m2", vias);
    m = phone_got_status(&p, 0, 200);
    assert_true(message_has(m, "v: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKm2;"));
    assert_true(message_has(m, "X-Kept:  as is\r\n"));

    harness_clear(&p.h);
    phone_request(&p, "MESSAGE", "m3", "sip:102@example.test", "");
    m = phone_got(&p, 1, "MESSAGE");
    snprintf(vias, sizeof vias, "Via: %.*s\n", OH_PRI(message_value(m, OH_HEADER_VIA, 0)));
    answer_with("m3", vias);
    assert_int_equal(phone_statuses(&p, 0, 200), 0);
    /* The caller must not wait for ever all the same. */
    assert_int_equal(phone_statuses(&p, 0, 502), 1);
}

/*
 * Class: limits that the administrator has raised, and a part that goes by the
 * defaults. A request that nobody answers ends whatever its size, or a few
 * thousand of them would hold their contexts for ever.
 */
static void large_request_ends(void **state)
{
    static const int sizes[] = {20000, 30000};
    static char body[30001];

    (void)state;
    p.h.settings->limits.body = 60000;
    memset(body, 'x', sizeof body - 1);
    for (unsigned i = 0; i < 2; i++) {
        harness_clear(&p.h);
        phone_send(&p, 0,
                   "INVITE sip:102@example.test SIP/2.0\nVia: SIP/2.0/UDP "
                   "192.0.2.10;branch=z9hG4bKlarge%u;rport\nMax-Forwards: 70\n"
                   "From: <sip:101@example.test>;tag=a\nTo: <sip:102@example.test>\n"
                   "Call-ID: large%u\nCSeq: 1 INVITE\nContact: <sip:101@192.0.2.10>\n"
                   "Content-Type: text/plain\nContent-Length: %d\n\n%.*s",
                   i, i, sizes[i], sizes[i], body);
        phone_got(&p, 1, "INVITE");
        harness_clear(&p.h);
        harness_advance(&p.h, 33 * HARNESS_SECOND);
        phone_got_status(&p, 0, 408);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(call_from_invite_to_bye, up, down),
        cmocka_unit_test_setup_teardown(callee_hangs_up, up, down),
        cmocka_unit_test_setup_teardown(message_goes_through, up, down),
        cmocka_unit_test_setup_teardown(via_rows_of_a_response, up, down),
        cmocka_unit_test_setup_teardown(large_request_ends, up, down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
