/* INVITE client transaction: RFC 3261 17.1.1, RFC 6026 7.2; TXN-001, 003, 004, 005, 006, 016, 020,
 * 021. */
#include "unit/core/harness.h"

#define UDP rig_flow(OH_TRANSPORT_UDP)
#define TCP rig_flow(OH_TRANSPORT_TCP)

/* The INVITE that was sent first, copied. */
static char *sent_invite(const struct rig *r)
{
    static char text[TEXT_MAX];

    snprintf(text, sizeof(text), "%s", rig_get(r, OH_OUT_SEND, "INVITE", 0)->text);
    return text;
}

/* TXN-003 */
static void silence_ends_after_64_t1(void **state)
{
    struct rig r;
    struct oh_flow flow = UDP;
    const struct taken *failed;
    uint64_t client;

    (void)state;
    rig_init(&r, NULL);
    client = call(&r, &flow, "INVITE", 5, 6);
    rig_until(&r, 100000);
    TIMES(&r, OH_OUT_SEND, "INVITE", 0, 500, 1500, 3500, 7500, 15500, 31500);
    TIMES(&r, OH_OUT_FAILED, "", 32000);
    failed = rig_get(&r, OH_OUT_FAILED, "", 0);
    assert_int_equal(failed->out.code, OH_E_TIMEOUT);
    assert_int_equal(failed->out.client, client);
    assert_int_equal(failed->out.user, 5);
    assert_int_equal(failed->out.link, 6);
    assert_int_equal(r.n, 8);
    assert_int_equal(oh_endpoint_deadline(r.ep), OH_NEVER);
    rig_done(&r);
}

/* T1 is a scale: every time of the list above shrinks with it. */
static void times_scale_with_t1(void **state)
{
    struct rig r;
    struct oh_flow flow = UDP;
    struct oh_endpoint_options o = {.t1 = 50 * MS};

    (void)state;
    rig_init(&r, &o);
    call(&r, &flow, "INVITE", 5, 6);
    rig_until(&r, 100000);
    TIMES(&r, OH_OUT_SEND, "INVITE", 0, 50, 150, 350, 750, 1550, 3150);
    TIMES(&r, OH_OUT_FAILED, "", 3200);
    rig_done(&r);
}

/* TXN-004 */
static void provisional_stops_everything(void **state)
{
    struct rig r;
    struct oh_flow flow = UDP;
    char *invite;

    (void)state;
    rig_init(&r, NULL);
    call(&r, &flow, "INVITE", 5, 6);
    invite = sent_invite(&r);
    rig_until(&r, 700);
    rig_udp(&r, response_text(invite, 100, ""));
    rig_until(&r, 2000);
    rig_udp(&r, response_text(invite, 180, "bob1"));
    rig_until(&r, 600000);
    TIMES(&r, OH_OUT_SEND, "INVITE", 0, 500);
    TIMES(&r, OH_OUT_RESPONSE, "SIP/2.0 100", 700);
    TIMES(&r, OH_OUT_RESPONSE, "SIP/2.0 180", 2000);
    assert_int_equal(rig_count(&r, OH_OUT_FAILED, ""), 0);
    assert_int_equal(oh_endpoint_deadline(r.ep), OH_NEVER);
    rig_done(&r);
}

/* TXN-005 */
static void refusal_is_acknowledged(void **state)
{
    struct rig r;
    struct oh_flow flow = UDP;
    const struct taken *ack;
    const char *invite, *first;

    (void)state;
    rig_init(&r, NULL);
    call(&r, &flow, "INVITE", 5, 6);
    invite = sent_invite(&r);
    rig_until(&r, 100);
    rig_udp(&r, response_text(invite, 486, "bob1"));
    ack = rig_get(&r, OH_OUT_SEND, "ACK", 0);
    assert_non_null(strstr(ack->text, "ACK sip:bob@192.0.2.2 SIP/2.0\r\n"));
    assert_string_equal(row_of(ack->text, "Via"), row_of(invite, "Via"));
    assert_null(strstr(ack->text, "z9hG4bKbelow"));
    assert_string_equal(row_of(ack->text, "Route"), "<sip:192.0.2.2;lr>");
    assert_string_equal(row_of(ack->text, "From"), row_of(invite, "From"));
    assert_string_equal(row_of(ack->text, "To"), "<sip:bob@192.0.2.2>;tag=bob1");
    assert_string_equal(row_of(ack->text, "Call-ID"), row_of(invite, "Call-ID"));
    assert_string_equal(row_of(ack->text, "CSeq"), "17 ACK");
    assert_null(strstr(ack->text, "Contact"));
    assert_null(strstr(ack->text, "Require"));
    assert_true(oh_flow_same(&ack->out.flow, &flow));
    rig_until(&r, 5000);
    rig_udp(&r, response_text(invite, 486, "bob1"));
    rig_until(&r, 32099);
    rig_udp(&r, response_text(invite, 486, "bob1"));
    TIMES(&r, OH_OUT_SEND, "ACK", 100, 5000, 32099);
    first = rig_get(&r, OH_OUT_SEND, "ACK", 0)->text;
    assert_string_equal(rig_get(&r, OH_OUT_SEND, "ACK", 1)->text, first);
    assert_string_equal(rig_get(&r, OH_OUT_SEND, "ACK", 2)->text, first);
    TIMES(&r, OH_OUT_RESPONSE, "SIP/2.0 486", 100);
    /* What no server sends after a refusal is not acknowledged. */
    rig_forget(&r);
    rig_udp(&r, response_text(invite, 200, "bob1"));
    rig_udp(&r, response_text(invite, 180, "bob1"));
    rig_quiet(&r);
    /* Timer D has fired: stray now. */
    rig_until(&r, 32100);
    rig_forget(&r);
    rig_udp(&r, response_text(invite, 486, "bob1"));
    rig_quiet(&r);
    rig_done(&r);
}

/* TXN-006 */
static void accepted_passes_every_2xx(void **state)
{
    struct rig r;
    struct oh_flow flow = UDP;
    const char *invite;
    uint64_t client;

    (void)state;
    rig_init(&r, NULL);
    client = call(&r, &flow, "INVITE", 5, 6);
    invite = sent_invite(&r);
    rig_udp(&r, response_text(invite, 200, "bob1"));
    rig_until(&r, 5000);
    rig_udp(&r, response_text(invite, 200, "bob1"));
    rig_udp(&r, response_text(invite, 200, "other"));
    rig_udp(&r, response_text(invite, 180, "bob1"));
    rig_udp(&r, response_text(invite, 486, "bob1"));
    rig_until(&r, 31999);
    rig_udp(&r, response_text(invite, 200, "bob1"));
    TIMES(&r, OH_OUT_RESPONSE, "SIP/2.0 200", 0, 5000, 5000, 31999);
    assert_int_equal(rig_count(&r, OH_OUT_RESPONSE, ""), 4);
    assert_int_equal(rig_get(&r, OH_OUT_RESPONSE, "", 3)->out.client, client);
    assert_int_equal(rig_get(&r, OH_OUT_RESPONSE, "", 3)->out.user, 5);
    assert_int_equal(rig_get(&r, OH_OUT_RESPONSE, "", 3)->out.link, 6);
    assert_int_equal(rig_count(&r, OH_OUT_SEND, "ACK"), 0);
    rig_until(&r, 32000); /* Timer M */
    rig_forget(&r);
    rig_udp(&r, response_text(invite, 200, "bob1"));
    rig_quiet(&r);
    rig_done(&r);
}

/* TXN-016 */
static void stream_sends_once_and_completes_at_once(void **state)
{
    struct rig r;
    struct oh_flow flow = TCP;
    struct oh_endpoint_stats stats;
    const char *invite;

    (void)state;
    rig_init(&r, NULL);
    call(&r, &flow, "INVITE", 5, 6);
    invite = sent_invite(&r);
    rig_until(&r, 20000);
    TIMES(&r, OH_OUT_SEND, "INVITE", 0);
    rig_input(&r, &flow, response_text(invite, 486, "bob1"));
    TIMES(&r, OH_OUT_SEND, "ACK", 20000);
    oh_endpoint_stats(r.ep, &stats);
    assert_int_equal(stats.in_flight + stats.completed, 0);
    rig_done(&r);
}

/* TXN-016: Timer B and M are the same over streams. */
static void stream_times_out_and_accepts(void **state)
{
    struct rig r;
    struct oh_flow flow = TCP;
    const char *invite;

    (void)state;
    rig_init(&r, NULL);
    call(&r, &flow, "INVITE", 5, 6);
    rig_until(&r, 40000);
    TIMES(&r, OH_OUT_FAILED, "", 32000);
    rig_forget(&r);
    call(&r, &flow, "INVITE", 5, 6);
    invite = sent_invite(&r);
    rig_input(&r, &flow, response_text(invite, 200, "bob1"));
    rig_until(&r, 71999);
    rig_input(&r, &flow, response_text(invite, 200, "bob1"));
    TIMES(&r, OH_OUT_RESPONSE, "SIP/2.0 200", 40000, 71999);
    assert_int_equal(oh_endpoint_deadline(r.ep), START + 72000 * MS);
    rig_done(&r);
}

/* TXN-020: once the transport gives up there is nothing to wait for. */
static void transport_error_ends_calling(void **state)
{
    struct rig r;
    struct oh_flow flow = UDP;
    uint64_t ticket;

    (void)state;
    rig_init(&r, NULL);
    call(&r, &flow, "INVITE", 5, 6);
    ticket = rig_get(&r, OH_OUT_SEND, "INVITE", 0)->out.ticket;
    assert_int_not_equal(ticket, 0);
    rig_forget(&r);
    oh_endpoint_answer(r.ep, r.now, ticket, OH_E_IO);
    rig_take(&r);
    assert_int_equal(r.n, 1);
    assert_int_equal(rig_get(&r, OH_OUT_FAILED, "", 0)->out.code, OH_E_IO);
    /* The answer comes again, too late. */
    oh_endpoint_answer(r.ep, r.now, ticket, OH_E_IO);
    rig_take(&r);
    assert_int_equal(r.n, 1);
    rig_done(&r);
}

/* An error of an early copy, when a later one has been answered, changes nothing. */
static void transport_error_after_1xx_is_ignored(void **state)
{
    struct rig r;
    struct oh_flow flow = UDP;
    uint64_t ticket;
    const char *invite;

    (void)state;
    rig_init(&r, NULL);
    call(&r, &flow, "INVITE", 5, 6);
    invite = sent_invite(&r);
    ticket = rig_get(&r, OH_OUT_SEND, "INVITE", 0)->out.ticket;
    rig_udp(&r, response_text(invite, 180, "bob1"));
    oh_endpoint_answer(r.ep, r.now, ticket, OH_E_IO);
    rig_take(&r);
    rig_udp(&r, response_text(invite, 486, "bob1"));
    oh_endpoint_answer(r.ep, r.now, ticket, OH_E_IO); /* of the ACK */
    rig_take(&r);
    rig_udp(&r, response_text(invite, 486, "bob1"));
    assert_int_equal(rig_count(&r, OH_OUT_FAILED, ""), 0);
    assert_int_equal(rig_count(&r, OH_OUT_SEND, "ACK"), 2);
    rig_done(&r);
}

/* TXN-021 */
static void nothing_happens_after_timer_b(void **state)
{
    struct rig r;
    struct oh_flow flow = UDP;
    const char *invite;

    (void)state;
    rig_init(&r, NULL);
    call(&r, &flow, "INVITE", 5, 6);
    invite = sent_invite(&r);
    rig_until(&r, 40000);
    rig_forget(&r);
    rig_udp(&r, response_text(invite, 200, "bob1"));
    rig_udp(&r, response_text(invite, 486, "bob1"));
    rig_quiet(&r);
    rig_done(&r);
}

/* A dropped INVITE says nothing more, but still acknowledges a refusal, and ends by itself. */
static void dropped_invite_still_acknowledges(void **state)
{
    struct rig r;
    struct oh_flow flow = UDP;
    struct oh_endpoint_stats stats;
    const char *invite;
    uint64_t client;

    (void)state;
    rig_init(&r, NULL);
    client = call(&r, &flow, "INVITE", 5, 6);
    invite = sent_invite(&r);
    rig_udp(&r, response_text(invite, 180, "bob1"));
    oh_client_drop(r.ep, client);
    rig_forget(&r);
    rig_udp(&r, response_text(invite, 183, "bob1"));
    rig_quiet(&r);
    rig_udp(&r, response_text(invite, 603, "bob1"));
    assert_int_equal(r.n, 1);
    assert_int_equal(rig_count(&r, OH_OUT_SEND, "ACK"), 1);

    client = call(&r, &flow, "INVITE", 5, 6);
    oh_client_drop(r.ep, client);
    rig_forget(&r);
    rig_until(&r, 80000);
    rig_quiet(&r);
    oh_endpoint_stats(r.ep, &stats);
    assert_int_equal(stats.in_flight + stats.completed, 0);
    rig_done(&r);
}

/* Dropped after a 1xx: somebody may still refuse it, but not for ever. */
static void dropped_invite_is_kept_for_64_t1(void **state)
{
    struct rig r;
    struct oh_flow flow = UDP;
    struct oh_endpoint_stats stats;
    uint64_t client;

    (void)state;
    rig_init(&r, NULL);
    client = call(&r, &flow, "INVITE", 5, 6);
    rig_udp(&r, response_text(sent_invite(&r), 180, "bob1"));
    rig_until(&r, 1000);
    oh_endpoint_expire(r.ep, r.now,
                       1); /* drop goes by the latest time that the endpoint has seen */
    oh_client_drop(r.ep, client);
    rig_until(&r, 32999);
    oh_endpoint_stats(r.ep, &stats);
    assert_int_equal(stats.in_flight, 1);
    rig_until(&r, 33000);
    oh_endpoint_stats(r.ep, &stats);
    assert_int_equal(stats.in_flight, 0);
    rig_done(&r);
}

/* Dropped before any response, answered with 1xx only: it must not stay for ever. */
static void dropped_invite_ends_in_proceeding(void **state)
{
    struct rig r;
    struct oh_flow flow = UDP;
    struct oh_endpoint_stats stats;
    const char *invite;
    uint64_t client;

    (void)state;
    rig_init(&r, NULL);
    client = call(&r, &flow, "INVITE", 5, 6);
    invite = sent_invite(&r);
    oh_client_drop(r.ep, client);
    rig_udp(&r, response_text(invite, 180, "bob1"));
    rig_until(&r, 32000);
    oh_endpoint_stats(r.ep, &stats);
    assert_int_equal(stats.in_flight, 0);
    rig_done(&r);
}

/* A process that was stopped for a while sends one copy when it is late, not all that it missed. */
static void late_clock_sends_no_burst(void **state)
{
    struct rig r;
    struct oh_flow flow = UDP;

    (void)state;
    rig_init(&r, NULL);
    call(&r, &flow, "INVITE", 5, 6);
    r.now = START + 10000 * MS;
    oh_endpoint_expire(r.ep, r.now, 1000);
    rig_take(&r);
    assert_int_equal(rig_count(&r, OH_OUT_SEND, "INVITE"), 2);
    r.now = START + 40000 * MS;
    oh_endpoint_expire(r.ep, r.now, 1000);
    rig_take(&r);
    assert_int_equal(rig_count(&r, OH_OUT_SEND, "INVITE"), 2);
    assert_int_equal(rig_count(&r, OH_OUT_FAILED, ""), 1);
    rig_done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(silence_ends_after_64_t1),
        cmocka_unit_test(times_scale_with_t1),
        cmocka_unit_test(provisional_stops_everything),
        cmocka_unit_test(refusal_is_acknowledged),
        cmocka_unit_test(accepted_passes_every_2xx),
        cmocka_unit_test(stream_sends_once_and_completes_at_once),
        cmocka_unit_test(stream_times_out_and_accepts),
        cmocka_unit_test(transport_error_ends_calling),
        cmocka_unit_test(transport_error_after_1xx_is_ignored),
        cmocka_unit_test(nothing_happens_after_timer_b),
        cmocka_unit_test(dropped_invite_still_acknowledges),
        cmocka_unit_test(dropped_invite_is_kept_for_64_t1),
        cmocka_unit_test(dropped_invite_ends_in_proceeding),
        cmocka_unit_test(late_clock_sends_no_burst),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
