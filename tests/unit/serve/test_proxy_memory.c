/*
 * Memory: the steady state of calls asks the heap for nothing, everything is
 * given back, and each allocation may fail without harm.
 */
#include "proxy_harness.h"

#include <stdio.h>

static struct phones p;

/* Phone i answers if the request has reached it. */
static void answer(unsigned i, const char *method, unsigned status)
{
    if (phone_request_at(&p, i, method) >= 0)
        phone_reply(&p, i, method, status, "Contact: <sip:102@192.0.2.11>\n");
}

/* A call of two phones of which one answers, and a message. */
static void call_and_message(unsigned n)
{
    char call[32], routes[2048] = "";

    harness_clear(&p.h);
    snprintf(call, sizeof call, "call%06u", n);
    phone_invite(&p, call, "102", "");
    answer(1, "INVITE", 180);
    answer(2, "INVITE", 180);
    answer(1, "INVITE", 200);
    answer(2, "CANCEL", 200);
    answer(2, "INVITE", 487);
    if (phone_status_at(&p, 0, 200) >= 0)
        routes_of(phone_got_status(&p, 0, 200), true, routes, sizeof routes);
    for (unsigned i = 0; i < 2; i++)
        phone_send(
            &p, 0,
            "%s sip:102@192.0.2.11 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK%u%s;rport\n"
            "Max-Forwards: 70\n%s"
            "From: <sip:101@example.test>;tag=a\nTo: <sip:102@example.test>;tag=t1\nCall-ID: %s\n"
            "CSeq: %u %s\n"
            "Content-Length: 0\n\n",
            i ? "BYE" : "ACK", i, call, routes, call, i + 1, i ? "BYE" : "ACK");
    answer(1, "BYE", 200);
    snprintf(call, sizeof call, "mess%06u", n);
    phone_request(&p, "MESSAGE", call, "sip:103@example.test", "");
    answer(3, "MESSAGE", 200);
    snprintf(call, sizeof call, "busy%06u", n);
    phone_invite(&p, call, "102", "");
    answer(1, "INVITE", 486);
    answer(2, "INVITE", 480);
    if (phone_status_at(&p, 0, 486) >= 0)
        phone_ack(&p, call, "sip:102@example.test");
    harness_advance(&p.h, HARNESS_SECOND);
    harness_clear(&p.h);
}

static void begin(void)
{
    phones_init(&p);
    phone_register(&p, 1, "102", "");
    phone_register(&p, 2, "102", "");
    phone_register(&p, 3, "103", "");
}

static void no_heap_call_per_message(void **state)
{
    struct oh__serve_stats stats;

    (void)state;
    begin();
    for (unsigned n = 0; n < 150; n++)
        call_and_message(n);
    size_t calls = p.h.heap.calls;

    for (unsigned n = 150; n < 200; n++)
        call_and_message(n);
    assert_int_equal(p.h.heap.calls, calls);
    oh__serve_stats(p.h.s, &stats);
    assert_int_equal(stats.contexts, 0);
    harness_advance(&p.h, 100 * HARNESS_SECOND);
    assert_true(oh__serve_idle(p.h.s));
    phones_done(&p);
}

/* Whatever fails, nothing is lost, nothing breaks, and the server goes on. */
static void each_allocation_may_fail(void **state)
{
    size_t at = 1;
    bool failed = true;

    (void)state;
    for (; failed; at++) {
        begin();
        p.h.heap.fail_at = p.h.heap.calls + at;
        call_and_message(1);
        failed = p.h.heap.failed > 0;
        p.h.heap.fail_at = 0;
        harness_advance(&p.h, 300 * HARNESS_SECOND);
        assert_true(oh__serve_idle(p.h.s));
        harness_clear(&p.h);
        phone_request(&p, "MESSAGE", "after", "sip:103@example.test", "");
        assert_int_equal(phone_requests(&p, 3, "MESSAGE"), 1);
        phones_done(&p);
    }
    assert_true(at > 10);
}

/* The same with a heap that stays empty for the rest of the scene. */
static void an_empty_heap_is_survived(void **state)
{
    (void)state;
    for (size_t at = 1; at < 40; at++) {
        begin();
        p.h.heap.fail_rest = true;
        p.h.heap.fail_at = p.h.heap.calls + at;
        call_and_message(1);
        p.h.heap.fail_at = 0;
        harness_advance(&p.h, 300 * HARNESS_SECOND);
        assert_true(oh__serve_idle(p.h.s));
        phones_done(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_heap_call_per_message),
        cmocka_unit_test(each_allocation_may_fail),
        cmocka_unit_test(an_empty_heap_is_survived),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
