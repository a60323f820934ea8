/* INVITE server transaction: RFC 3261 17.2.1, RFC 6026; TXN-008, 009, 010, 011, 016, UAS-011,
 * TRN-011. */
#include "unit/core/harness.h"

#define UDP rig_flow(OH_TRANSPORT_UDP)
#define TCP rig_flow(OH_TRANSPORT_TCP)

#define BRANCH "z9hG4bKinvite1"

static const char *invite(void)
{
    return request_text("INVITE", BRANCH, "Timestamp: 54\r\n");
}

/* The ACK of the refusal that was sent. */
static const char *ack(const char *branch)
{
    return request_text("ACK", branch, "");
}

static uint32_t held(const struct rig *r)
{
    struct oh_endpoint_stats stats;

    oh_endpoint_stats(r->ep, &stats);
    return stats.in_flight + stats.completed;
}

/* TXN-008 */
static void silent_user_gets_a_100_sent(void **state)
{
    struct rig r;
    struct oh_flow flow = UDP;
    const struct taken *trying;

    (void)state;
    rig_init(&r, NULL);
    serve(&r, &flow, invite(), 5);
    rig_udp(&r, invite());
    assert_int_equal(rig_count(&r, OH_OUT_SEND, ""), 0);
    rig_until(&r, 10000);
    TIMES(&r, OH_OUT_SEND, "SIP/2.0 100", 200);
    trying = rig_get(&r, OH_OUT_SEND, "SIP/2.0 100", 0);
    assert_string_equal(row_of(trying->text, "To"), "<sip:bob@192.0.2.1>");
    assert_string_equal(row_of(trying->text, "Timestamp"), "54");
    assert_true(oh_flow_same(&trying->out.flow, &flow));
    rig_udp(&r, invite());
    TIMES(&r, OH_OUT_SEND, "SIP/2.0 100", 200, 10000);
    assert_int_equal(rig_count(&r, OH_OUT_REQUEST, ""), 1);
    rig_done(&r);
}

/* TXN-008: who answers in time needs no 100; a retransmission brings the last 1xx again. */
static void last_provisional_answers_retransmissions(void **state)
{
    struct rig r;
    struct oh_flow flow = UDP;
    uint64_t server;

    (void)state;
    rig_init(&r, NULL);
    server = serve(&r, &flow, invite(), 5);
    assert_int_equal(respond(&r, server, 100, ""), OH_OK);
    assert_int_equal(respond(&r, server, 180, "bob1"), OH_OK);
    rig_until(&r, 1000);
    assert_int_equal(rig_count(&r, OH_OUT_SEND, "SIP/2.0 100"), 1);
    rig_udp(&r, invite());
    TIMES(&r, OH_OUT_SEND, "SIP/2.0 180", 0, 1000);
    assert_string_equal(rig_get(&r, OH_OUT_SEND, "SIP/2.0 180", 0)->text,
                        rig_get(&r, OH_OUT_SEND, "SIP/2.0 180", 1)->text);
    assert_true(oh_server_pending(r.ep, server));
    rig_done(&r);
}

/* UAS-011: one tag for all responses, also when the user names none. */
static void all_responses_have_one_tag(void **state)
{
    struct rig r;
    struct oh_flow flow = UDP;
    uint64_t server;
    const char *to;

    (void)state;
    rig_init(&r, NULL);
    server = serve(&r, &flow, invite(), 5);
    assert_int_equal(respond(&r, server, 180, ""), OH_OK);
    assert_int_equal(respond(&r, server, 486, ""), OH_OK);
    to = row_of(rig_get(&r, OH_OUT_SEND, "SIP/2.0 180", 0)->text, "To");
    assert_non_null(strstr(to, ";tag="));
    assert_string_equal(to, row_of(rig_get(&r, OH_OUT_SEND, "SIP/2.0 486", 0)->text, "To"));
    rig_forget(&r);
    server = serve(&r, &flow, request_text("INVITE", "z9hG4bKother", ""), 5);
    assert_int_equal(respond(&r, server, 180, "mine"), OH_OK);
    assert_int_equal(respond(&r, server, 486, ""), OH_OK);
    assert_string_equal(row_of(rig_get(&r, OH_OUT_SEND, "SIP/2.0 486", 0)->text, "To"),
                        "<sip:bob@192.0.2.1>;tag=mine");
    rig_done(&r);
}

/* TXN-009 */
static void refusal_is_repeated_until_timer_h(void **state)
{
    struct rig r;
    struct oh_flow flow = UDP;
    uint64_t server;

    (void)state;
    rig_init(&r, NULL);
    server = serve(&r, &flow, invite(), 5);
    assert_int_equal(respond(&r, server, 486, "bob1"), OH_OK);
    assert_false(oh_server_pending(r.ep, server));
    rig_until(&r, 100000);
    TIMES(&r, OH_OUT_SEND, "SIP/2.0 486", 0, 500, 1500, 3500, 7500, 11500, 15500, 19500, 23500,
          27500, 31500);
    TIMES(&r, OH_OUT_ENDED, "", 32000);
    assert_int_equal(rig_get(&r, OH_OUT_ENDED, "", 0)->out.code, OH_E_TIMEOUT);
    assert_int_equal(rig_get(&r, OH_OUT_ENDED, "", 0)->out.server, server);
    assert_int_equal(rig_get(&r, OH_OUT_ENDED, "", 0)->out.user, 5);
    assert_int_equal(held(&r), 0);
    rig_done(&r);
}

/* TXN-009: ACK stops it, is not for the user, and may come again while Timer I runs. */
static void ack_ends_the_repetition(void **state)
{
    struct rig r;
    struct oh_flow flow = UDP;
    uint64_t server;

    (void)state;
    rig_init(&r, NULL);
    server = serve(&r, &flow, invite(), 5);
    oh_server_set_user(r.ep, server, 9);
    assert_int_equal(respond(&r, server, 486, "bob1"), OH_OK);
    rig_until(&r, 600);
    rig_udp(&r, invite()); /* the refusal was lost: it is repeated at once */
    TIMES(&r, OH_OUT_SEND, "SIP/2.0 486", 0, 500, 600);
    rig_until(&r, 700);
    rig_udp(&r, ack(BRANCH));
    rig_until(&r, 5000);
    rig_udp(&r, ack(BRANCH));
    rig_udp(&r, invite());
    assert_int_equal(rig_count(&r, OH_OUT_SEND, "SIP/2.0 486"), 3);
    assert_int_equal(rig_count(&r, OH_OUT_ACK, ""), 0);
    rig_until(&r, 60000);
    TIMES(&r, OH_OUT_ENDED, "", 5700); /* Timer I */
    assert_int_equal(rig_get(&r, OH_OUT_ENDED, "", 0)->out.code, 0);
    assert_int_equal(rig_get(&r, OH_OUT_ENDED, "", 0)->out.user, 9);
    assert_int_equal(rig_count(&r, OH_OUT_REQUEST, ""), 1);
    rig_done(&r);
}

/* TXN-010 */
static void accepted_absorbs_invites_for_64_t1(void **state)
{
    struct rig r;
    struct oh_flow flow = UDP;
    uint64_t server;

    (void)state;
    rig_init(&r, NULL);
    server = serve(&r, &flow, invite(), 5);
    assert_int_equal(respond(&r, server, 200, "bob1"), OH_OK);
    assert_int_equal(respond(&r, server, 486, "bob1"), OH_E_STATE);
    assert_int_equal(respond(&r, server, 180, "bob1"), OH_E_STATE);
    rig_until(&r, 500);
    assert_int_equal(oh_server_reply(r.ep, r.now, server, 200, OH_LIT("SIP/2.0 200 Again\r\n\r\n")),
                     OH_OK);
    rig_take(&r);
    rig_until(&r, 31999);
    rig_udp(&r, invite());
    TIMES(&r, OH_OUT_SEND, "SIP/2.0 ", 0, 500);
    assert_int_equal(rig_count(&r, OH_OUT_REQUEST, ""), 1);
    rig_until(&r, 40000);
    TIMES(&r, OH_OUT_ENDED, "", 32000); /* Timer L */
    assert_int_equal(rig_get(&r, OH_OUT_ENDED, "", 0)->out.code, 0);
    assert_int_equal(oh_server_reply(r.ep, r.now, server, 200, OH_LIT("SIP/2.0 200 OK\r\n\r\n")),
                     OH_E_STALE);
    assert_int_equal(held(&r), 0);
    rig_done(&r);
}

/* TXN-010, TXN-017: the ACK of a 2xx is the user's, with the transaction when its branch is the
 * INVITE's. */
static void ack_of_2xx_goes_up(void **state)
{
    struct rig r;
    struct oh_flow flow = UDP;
    uint64_t server;

    (void)state;
    rig_init(&r, NULL);
    server = serve(&r, &flow, invite(), 5);
    assert_int_equal(respond(&r, server, 200, "bob1"), OH_OK);
    rig_forget(&r);
    rig_udp(&r, ack("z9hG4bKackbranch"));
    rig_udp(&r, ack(BRANCH));
    assert_int_equal(r.n, 2);
    assert_int_equal(rig_get(&r, OH_OUT_ACK, "ACK", 0)->out.server, 0);
    assert_int_equal(rig_get(&r, OH_OUT_ACK, "ACK", 1)->out.server, server);
    assert_int_equal(rig_get(&r, OH_OUT_ACK, "ACK", 1)->out.user, 5);
    rig_done(&r);
}

/* An ACK before any final is of nothing: not told, not answered. */
static void ack_in_proceeding_is_stray(void **state)
{
    struct rig r;
    struct oh_flow flow = UDP;
    struct oh_endpoint_stats stats;

    (void)state;
    rig_init(&r, NULL);
    serve(&r, &flow, invite(), 5);
    rig_forget(&r);
    rig_udp(&r, ack(BRANCH));
    rig_quiet(&r);
    oh_endpoint_stats(r.ep, &stats);
    assert_int_equal(stats.rx_stray_acks, 1);
    rig_done(&r);
}

/* TXN-011 */
static void transport_errors_end_nothing(void **state)
{
    struct rig r;
    struct oh_flow flow = UDP;
    uint64_t server, ticket;

    (void)state;
    rig_init(&r, NULL);
    server = serve(&r, &flow, invite(), 5);
    assert_int_equal(respond(&r, server, 180, "bob1"), OH_OK);
    ticket = rig_get(&r, OH_OUT_SEND, "SIP/2.0 180", 0)->out.ticket;
    oh_endpoint_answer(r.ep, r.now, ticket, OH_E_IO);
    rig_take(&r);
    assert_true(oh_server_pending(r.ep, server));
    rig_until(&r, 1000);
    rig_udp(&r, invite());
    assert_int_equal(respond(&r, server, 480, "bob1"), OH_OK);
    rig_until(&r, 1500);
    oh_endpoint_answer(r.ep, r.now, ticket, OH_E_IO);
    rig_take(&r);
    rig_until(&r, 2500);
    TIMES(&r, OH_OUT_SEND, "SIP/2.0 480", 1000, 1500, 2500);
    assert_int_equal(rig_count(&r, OH_OUT_ENDED, ""), 0);
    rig_done(&r);
}

/* TXN-016: over a stream nothing is repeated, the ACK ends it at once, Timer H is the same. */
static void stream_repeats_nothing(void **state)
{
    struct rig r;
    struct oh_flow flow = TCP;
    uint64_t server;

    (void)state;
    rig_init(&r, NULL);
    server = serve(&r, &flow, invite(), 5);
    assert_int_equal(respond(&r, server, 486, "bob1"), OH_OK);
    rig_until(&r, 20000);
    TIMES(&r, OH_OUT_SEND, "SIP/2.0 486", 0);
    rig_input(&r, &flow, ack(BRANCH));
    TIMES(&r, OH_OUT_ENDED, "", 20000);
    assert_int_equal(held(&r), 0);
    rig_forget(&r);
    server = serve(&r, &flow, invite(), 5);
    assert_int_equal(respond(&r, server, 486, "bob1"), OH_OK);
    rig_until(&r, 60000);
    TIMES(&r, OH_OUT_ENDED, "", 52000);
    rig_done(&r);
}

/* TRN-011 */
static void closed_stream_is_opened_anew(void **state)
{
    struct rig r;
    struct oh_flow flow = TCP;
    uint64_t server;
    const struct taken *first, *second;

    (void)state;
    rig_init(&r, NULL);
    flow.peer.port = 49152;
    server = serve(&r, &flow, invite(), 5);
    assert_int_equal(respond(&r, server, 486, "bob1"), OH_OK);
    first = rig_get(&r, OH_OUT_SEND, "SIP/2.0 486", 0);
    assert_int_equal(first->out.flow.id, 7);
    assert_int_equal(first->out.flow.peer.port, 49152);
    oh_endpoint_answer(r.ep, r.now, first->out.ticket, OH_E_IO);
    rig_take(&r);
    second = rig_get(&r, OH_OUT_SEND, "SIP/2.0 486", 1);
    assert_int_equal(second->out.flow.id, 0);
    assert_int_equal(second->out.flow.peer.port, 5060);
    assert_string_equal(first->text, second->text);
    /* That fails too: there is no third way. */
    oh_endpoint_answer(r.ep, r.now, second->out.ticket, OH_E_IO);
    rig_take(&r);
    assert_int_equal(rig_count(&r, OH_OUT_SEND, "SIP/2.0 486"), 2);
    assert_int_equal(rig_count(&r, OH_OUT_ENDED, ""), 0);
    rig_done(&r);
}

/* A second transaction for the same request would never be found. */
static void second_transaction_is_refused(void **state)
{
    struct rig r;
    struct oh_flow flow = UDP;
    uint64_t server = 0;

    (void)state;
    rig_init(&r, NULL);
    serve(&r, &flow, invite(), 5);
    assert_int_equal(oh_server_new(r.ep, r.now, r.msg, &r.flow, 5, &server), OH_E_DUPLICATE);
    assert_int_equal(server, 0);
    oh_endpoint_check(r.ep);
    rig_done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(silent_user_gets_a_100_sent),
        cmocka_unit_test(last_provisional_answers_retransmissions),
        cmocka_unit_test(all_responses_have_one_tag),
        cmocka_unit_test(refusal_is_repeated_until_timer_h),
        cmocka_unit_test(ack_ends_the_repetition),
        cmocka_unit_test(accepted_absorbs_invites_for_64_t1),
        cmocka_unit_test(ack_of_2xx_goes_up),
        cmocka_unit_test(ack_in_proceeding_is_stray),
        cmocka_unit_test(transport_errors_end_nothing),
        cmocka_unit_test(stream_repeats_nothing),
        cmocka_unit_test(closed_stream_is_opened_anew),
        cmocka_unit_test(second_transaction_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
