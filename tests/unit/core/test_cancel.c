/* CANCEL, both ways: RFC 3261 9; CAN-001 to CAN-008, TXN-001, TXN-018. */
#include "unit/core/harness.h"

#define UDP rig_flow(OH_TRANSPORT_UDP)
#define TCP rig_flow(OH_TRANSPORT_TCP)

#define BRANCH "z9hG4bKinvite1"

static char *sent_invite(const struct rig *r)
{
    static char text[TEXT_MAX];

    snprintf(text, sizeof(text), "%s", rig_get(r, OH_OUT_SEND, "INVITE", 0)->text);
    return text;
}

static char *sent_cancel(const struct rig *r)
{
    static char text[TEXT_MAX];

    snprintf(text, sizeof(text), "%s", rig_get(r, OH_OUT_SEND, "CANCEL", 0)->text);
    return text;
}

static uint32_t held(const struct rig *r)
{
    struct oh_endpoint_stats stats;

    oh_endpoint_stats(r->ep, &stats);
    return stats.in_flight + stats.completed;
}

static int cancel(struct rig *r, uint64_t client, const char *rows)
{
    int result = oh_client_cancel(r->ep, r->now, client, oh_span_str(rows));

    rig_take(r);
    return result;
}

/* --- towards the server --- */

/* CAN-001 */
static void waits_for_a_provisional(void **state)
{
    struct rig r;
    struct oh_flow flow = UDP;
    char *invite;
    uint64_t client;

    (void)state;
    rig_init(&r, NULL);
    client = call(&r, &flow, "INVITE", 5, 6);
    invite = sent_invite(&r);
    assert_int_equal(cancel(&r, client, "Reason: SIP;cause=200\r\n"), OH_OK);
    assert_int_equal(cancel(&r, client, "Reason: other\r\n"), OH_OK);
    rig_until(&r, 800);
    assert_int_equal(rig_count(&r, OH_OUT_SEND, "CANCEL"), 0);
    TIMES(&r, OH_OUT_SEND, "INVITE", 0, 500); /* the INVITE is still asked for */
    rig_udp(&r, response_text(invite, 100, ""));
    TIMES(&r, OH_OUT_SEND, "CANCEL", 800);
    assert_string_equal(row_of(sent_cancel(&r), "Reason"), "SIP;cause=200");
    rig_udp(&r, response_text(invite, 180, "bob1"));
    assert_int_equal(cancel(&r, client, ""), OH_OK);
    assert_int_equal(rig_count(&r, OH_OUT_SEND, "CANCEL"), 1);
    rig_done(&r);
}

/* CAN-001: a final before any 1xx leaves nothing to cancel. */
static void final_first_drops_it(void **state)
{
    struct rig r;
    struct oh_flow flow = UDP;

    (void)state;
    for (unsigned code = 200; code <= 500; code += 100) {
        uint64_t client;

        rig_init(&r, NULL);
        client = call(&r, &flow, "INVITE", 5, 6);
        assert_int_equal(cancel(&r, client, "Reason: SIP;cause=200\r\n"), OH_OK);
        rig_udp(&r, response_text(sent_invite(&r), code, "bob1"));
        assert_int_equal(cancel(&r, client, ""), OH_OK);
        rig_until(&r, 100000);
        assert_int_equal(rig_count(&r, OH_OUT_SEND, "CANCEL"), 0);
        assert_int_equal(rig_count(&r, OH_OUT_RESPONSE, ""), 1);
        assert_int_equal(rig_count(&r, OH_OUT_FAILED, ""), 0);
        rig_done(&r);
    }
}

/* CAN-002 */
static void is_built_from_the_invite(void **state)
{
    struct rig r;
    struct oh_flow flow = UDP;
    char *invite, *text;
    uint64_t client;

    (void)state;
    rig_init(&r, NULL);
    client = call(&r, &flow, "INVITE", 5, 6);
    invite = sent_invite(&r);
    rig_udp(&r, response_text(invite, 180, "bob1"));
    assert_int_equal(cancel(&r, client, ""), OH_OK);
    text = sent_cancel(&r);
    assert_int_equal(strncmp(text, "CANCEL sip:bob@192.0.2.2 SIP/2.0\r\n", 34), 0);
    assert_string_equal(row_of(text, "Via"), row_of(invite, "Via"));
    assert_null(strstr(text, "z9hG4bKbelow"));
    assert_string_equal(row_of(text, "From"), row_of(invite, "From"));
    assert_string_equal(row_of(text, "To"), row_of(invite, "To"));
    assert_string_equal(row_of(text, "Call-ID"), row_of(invite, "Call-ID"));
    assert_string_equal(row_of(text, "CSeq"), "17 CANCEL");
    assert_string_equal(row_of(text, "Route"), "<sip:192.0.2.2;lr>");
    assert_string_equal(row_of(text, "Content-Length"), "0");
    assert_null(strstr(text, "Contact"));
    assert_null(strstr(text, "Require"));
    assert_null(strstr(text, "body"));
    assert_true(oh_flow_same(&rig_get(&r, OH_OUT_SEND, "CANCEL", 0)->out.flow, &flow));
    rig_done(&r);
}

/* CAN-003 */
static void only_invites_can_be_cancelled(void **state)
{
    struct rig r;
    struct oh_flow flow = UDP;
    char branch[OH_BRANCH_MAX];
    size_t n;
    uint64_t client;

    (void)state;
    rig_init(&r, NULL);
    client = call(&r, &flow, "OPTIONS", 5, 6);
    assert_int_equal(cancel(&r, client, ""), OH_E_STATE);
    assert_int_equal(oh_client_reserve(r.ep, 0, &client, branch, &n), OH_OK);
    assert_int_equal(cancel(&r, client, ""), OH_E_STATE);
    oh_client_drop(r.ep, client);
    assert_int_equal(cancel(&r, client, ""), OH_E_STALE);
    assert_int_equal(cancel(&r, 0, ""), OH_E_STALE);
    rig_done(&r);
}

/* TXN-001: the two transactions have one branch and are told apart by CSeq. */
static void has_a_transaction_of_its_own(void **state)
{
    struct rig r;
    struct oh_flow flow = UDP;
    char *invite, *text;
    uint64_t client;

    (void)state;
    rig_init(&r, NULL);
    client = call(&r, &flow, "INVITE", 5, 6);
    invite = sent_invite(&r);
    rig_udp(&r, response_text(invite, 180, "bob1"));
    assert_int_equal(cancel(&r, client, ""), OH_OK);
    text = sent_cancel(&r);
    rig_until(&r, 2000);
    TIMES(&r, OH_OUT_SEND, "CANCEL", 0, 500, 1500);
    rig_udp(&r, response_text(text, 200, "bob1"));
    rig_until(&r, 4000);
    assert_int_equal(rig_count(&r, OH_OUT_SEND, "CANCEL"), 3);
    assert_int_equal(rig_count(&r, OH_OUT_RESPONSE, ""),
                     1); /* the 180: the core keeps that 200 to itself */
    rig_udp(&r, response_text(invite, 487, "bob1"));
    assert_int_equal(rig_count(&r, OH_OUT_RESPONSE, "SIP/2.0 487"), 1);
    assert_int_equal(rig_count(&r, OH_OUT_SEND, "ACK"), 1);
    rig_until(&r, 100000);
    assert_int_equal(rig_count(&r, OH_OUT_FAILED, ""), 0);
    assert_int_equal(held(&r), 0);
    rig_done(&r);
}

/* The 487 overtakes the 200 of the CANCEL: that still ends the CANCEL's retransmissions. */
static void overtaken_answer_still_counts(void **state)
{
    struct rig r;
    struct oh_flow flow = UDP;
    char *invite, *text;
    uint64_t client;

    (void)state;
    rig_init(&r, NULL);
    client = call(&r, &flow, "INVITE", 5, 6);
    invite = sent_invite(&r);
    rig_udp(&r, response_text(invite, 180, "bob1"));
    assert_int_equal(cancel(&r, client, ""), OH_OK);
    text = sent_cancel(&r);
    rig_udp(&r, response_text(invite, 487, "bob1"));
    rig_until(&r, 600);
    rig_udp(&r, response_text(text, 200, "bob1"));
    rig_until(&r, 100000);
    TIMES(&r, OH_OUT_SEND, "CANCEL", 0, 500);
    rig_done(&r);
}

/* CAN-005: the 200 of the INVITE crosses the CANCEL; the user hears of the call and ends it. */
static void crossing_200_is_a_call(void **state)
{
    struct rig r;
    struct oh_flow flow = UDP;
    char *invite;
    uint64_t client;

    (void)state;
    rig_init(&r, NULL);
    client = call(&r, &flow, "INVITE", 5, 6);
    invite = sent_invite(&r);
    rig_udp(&r, response_text(invite, 180, "bob1"));
    assert_int_equal(cancel(&r, client, ""), OH_OK);
    rig_udp(&r, response_text(invite, 200, "bob1"));
    rig_udp(&r, response_text(sent_cancel(&r), 200, "bob1"));
    assert_int_equal(rig_count(&r, OH_OUT_RESPONSE, "SIP/2.0 200"), 1);
    rig_until(&r, 100000);
    assert_int_equal(rig_count(&r, OH_OUT_FAILED, ""), 0);
    assert_int_equal(held(&r), 0);
    rig_done(&r);
}

/* CAN-006 */
static void lost_487_ends_after_64_t1(void **state)
{
    struct rig r;
    struct oh_flow flow = UDP;
    uint64_t client;

    (void)state;
    rig_init(&r, NULL);
    client = call(&r, &flow, "INVITE", 5, 6);
    rig_udp(&r, response_text(sent_invite(&r), 180, "bob1"));
    rig_until(&r, 10000);
    assert_int_equal(cancel(&r, client, ""), OH_OK);
    rig_udp(&r, response_text(sent_cancel(&r), 200, "bob1"));
    rig_until(&r, 100000);
    TIMES(&r, OH_OUT_FAILED, "", 42000);
    assert_int_equal(rig_get(&r, OH_OUT_FAILED, "", 0)->out.code, OH_E_TIMEOUT);
    assert_int_equal(rig_get(&r, OH_OUT_FAILED, "", 0)->out.client, client);
    assert_int_equal(held(&r), 0);
    rig_done(&r);
}

/* Nobody answers the CANCEL either: one failure is reported, that of the INVITE. */
static void unanswered_cancel_is_silent(void **state)
{
    struct rig r;
    struct oh_flow flow = UDP;
    uint64_t client;

    (void)state;
    rig_init(&r, NULL);
    client = call(&r, &flow, "INVITE", 5, 6);
    rig_udp(&r, response_text(sent_invite(&r), 180, "bob1"));
    assert_int_equal(cancel(&r, client, ""), OH_OK);
    oh_endpoint_answer(r.ep, r.now, rig_get(&r, OH_OUT_SEND, "CANCEL", 0)->out.ticket, OH_E_IO);
    rig_take(&r);
    rig_until(&r, 100000);
    TIMES(&r, OH_OUT_FAILED, "", 32000);
    assert_int_equal(held(&r), 0);
    rig_done(&r);
}

/* Over a stream the CANCEL takes the flow of its INVITE and is sent once. */
static void stream_sends_it_once(void **state)
{
    struct rig r;
    struct oh_flow flow = TCP;
    uint64_t client;

    (void)state;
    rig_init(&r, NULL);
    client = call(&r, &flow, "INVITE", 5, 6);
    rig_input(&r, &flow, response_text(sent_invite(&r), 180, "bob1"));
    assert_int_equal(cancel(&r, client, ""), OH_OK);
    rig_until(&r, 20000);
    TIMES(&r, OH_OUT_SEND, "CANCEL", 0);
    assert_int_equal(rig_get(&r, OH_OUT_SEND, "CANCEL", 0)->out.flow.id, 7);
    rig_done(&r);
}

/* The bound of the table must not keep calls from being ended. */
static void full_table_still_cancels(void **state)
{
    struct rig r;
    struct oh_flow flow = UDP;
    struct oh_endpoint_options o = {.transactions_max = 1};
    uint64_t client;

    (void)state;
    rig_init(&r, &o);
    client = call(&r, &flow, "INVITE", 5, 6);
    rig_udp(&r, response_text(sent_invite(&r), 180, "bob1"));
    assert_int_equal(cancel(&r, client, ""), OH_OK);
    rig_until(&r, 1000);
    TIMES(&r, OH_OUT_SEND, "CANCEL", 0, 500);
    rig_done(&r);
}

/* --- from the client --- */

static const char *invite(void)
{
    return request_text("INVITE", BRANCH, "");
}

/* CAN-004, CAN-008, TXN-018 */
static void is_answered_and_told(void **state)
{
    struct rig r;
    struct oh_flow flow = UDP;
    struct oh_reply terminated = {.code = 487};
    const char *first;
    uint64_t server;

    (void)state;
    rig_init(&r, NULL);
    server = serve(&r, &flow, invite(), 5);
    assert_int_equal(respond(&r, server, 180, "bob1"), OH_OK);
    rig_forget(&r);
    rig_udp(&r, request_text("CANCEL", BRANCH, "Contact: <sip:x@y>\r\nRequire: nonsense\r\n"));
    assert_int_equal(r.n, 2);
    assert_int_equal(rig_get(&r, OH_OUT_CANCEL, "CANCEL", 0)->out.server, server);
    assert_int_equal(rig_get(&r, OH_OUT_CANCEL, "CANCEL", 0)->out.user, 5);
    first = rig_get(&r, OH_OUT_SEND, "SIP/2.0 200", 0)->text;
    assert_string_equal(row_of(first, "To"), "<sip:bob@192.0.2.1>;tag=bob1");
    assert_string_equal(row_of(first, "CSeq"), "1 CANCEL");
    rig_until(&r, 1000);
    rig_udp(&r, request_text("CANCEL", BRANCH, ""));
    assert_int_equal(rig_count(&r, OH_OUT_CANCEL, ""), 1);
    assert_string_equal(rig_get(&r, OH_OUT_SEND, "SIP/2.0 200", 1)->text, first);
    /* The 487 is the user's to send. */
    assert_true(oh_server_pending(r.ep, server));
    assert_int_equal(oh_server_reply(r.ep, r.now, server, terminated.code,
                                     OH_LIT("SIP/2.0 487 Request Terminated\r\n\r\n")),
                     OH_OK);
    rig_take(&r);
    assert_int_equal(rig_count(&r, OH_OUT_SEND, "SIP/2.0 487"), 1);
    rig_done(&r);
}

/* Before any response there is no tag: the CANCEL gets the one that the 487 will have. */
static void tags_agree_without_a_provisional(void **state)
{
    struct rig r;
    struct oh_flow flow = UDP;
    uint64_t server;
    struct oh_msg *kept = malloc(sizeof(*kept));
    char *bytes = strdup(invite());
    size_t used;
    struct oh_reply reply = {.code = 487};

    (void)state;
    assert_non_null(kept);
    assert_non_null(bytes);
    rig_init(&r, NULL);
    assert_int_equal(
        oh_msg_parse(oh_span_str(bytes), OH_MSG_DATAGRAM, &r.options.limits, kept, &used, NULL),
        OH_OK);
    assert_int_equal(oh_msg_check(kept, NULL), OH_OK);
    server = serve(&r, &flow, bytes, 5);
    rig_udp(&r, request_text("CANCEL", BRANCH, ""));
    assert_int_equal(oh_server_respond(r.ep, r.now, server, kept, &flow, &reply), OH_OK);
    rig_take(&r);
    assert_string_equal(row_of(rig_get(&r, OH_OUT_SEND, "SIP/2.0 200", 0)->text, "To"),
                        row_of(rig_get(&r, OH_OUT_SEND, "SIP/2.0 487", 0)->text, "To"));
    rig_done(&r);
    free(kept);
    free(bytes);
}

/* CAN-004: what matches nothing is the user's, and not answered here. */
static void unknown_goes_up_unanswered(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r, NULL);
    rig_udp(&r, request_text("CANCEL", BRANCH, ""));
    assert_int_equal(r.n, 1);
    assert_int_equal(rig_get(&r, OH_OUT_CANCEL, "CANCEL", 0)->out.server, 0);
    rig_done(&r);
}

/* CAN-005: after the final there is a 200 and no effect, in each state. */
static void late_one_has_no_effect(void **state)
{
    static const unsigned finals[] = {200, 486};
    struct rig r;
    struct oh_flow flow = UDP;

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        uint64_t server;

        rig_init(&r, NULL);
        server = serve(&r, &flow, invite(), 5);
        assert_int_equal(respond(&r, server, finals[i % 2], "bob1"), OH_OK);
        if (i >= 2)
            rig_udp(&r, request_text("ACK", BRANCH, "")); /* Confirmed; Accepted stays */
        rig_forget(&r);
        rig_udp(&r, request_text("CANCEL", BRANCH, ""));
        assert_int_equal(r.n, 1);
        assert_string_equal(row_of(rig_get(&r, OH_OUT_SEND, "SIP/2.0 200", 0)->text, "To"),
                            "<sip:bob@192.0.2.1>;tag=bob1");
        rig_done(&r);
    }
}

/* CAN-007 */
static void other_methods_are_not_cancelled(void **state)
{
    struct rig r;
    struct oh_flow flow = UDP;
    uint64_t server;

    (void)state;
    rig_init(&r, NULL);
    server = serve(&r, &flow, request_text("SUBSCRIBE", BRANCH, ""), 5);
    rig_forget(&r);
    rig_udp(&r, request_text("CANCEL", BRANCH, ""));
    assert_int_equal(r.n, 1);
    assert_int_equal(rig_count(&r, OH_OUT_SEND, "SIP/2.0 200"), 1);
    assert_true(oh_server_pending(r.ep, server));
    rig_done(&r);
}

/* CAN-008: only the same hop, by branch and sent-by. */
static void other_branch_does_not_match(void **state)
{
    struct rig r;
    struct oh_flow flow = UDP;

    (void)state;
    rig_init(&r, NULL);
    serve(&r, &flow, invite(), 5);
    rig_forget(&r);
    rig_udp(&r, request_text("CANCEL", "z9hG4bKinvite2", ""));
    assert_int_equal(r.n, 1);
    assert_int_equal(rig_get(&r, OH_OUT_CANCEL, "", 0)->out.server, 0);
    rig_done(&r);
}

/* Over a stream the CANCEL leaves no transaction behind. */
static void stream_cancel_is_answered(void **state)
{
    struct rig r;
    struct oh_flow flow = TCP;
    uint64_t server;

    (void)state;
    rig_init(&r, NULL);
    server = serve(&r, &flow, invite(), 5);
    rig_forget(&r);
    rig_input(&r, &flow, request_text("CANCEL", BRANCH, ""));
    assert_int_equal(rig_count(&r, OH_OUT_SEND, "SIP/2.0 200"), 1);
    assert_int_equal(rig_get(&r, OH_OUT_SEND, "SIP/2.0 200", 0)->out.flow.id, 7);
    assert_int_equal(rig_get(&r, OH_OUT_CANCEL, "", 0)->out.server, server);
    assert_int_equal(held(&r), 1);
    rig_done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waits_for_a_provisional),
        cmocka_unit_test(final_first_drops_it),
        cmocka_unit_test(is_built_from_the_invite),
        cmocka_unit_test(only_invites_can_be_cancelled),
        cmocka_unit_test(has_a_transaction_of_its_own),
        cmocka_unit_test(overtaken_answer_still_counts),
        cmocka_unit_test(crossing_200_is_a_call),
        cmocka_unit_test(lost_487_ends_after_64_t1),
        cmocka_unit_test(unanswered_cancel_is_silent),
        cmocka_unit_test(stream_sends_it_once),
        cmocka_unit_test(full_table_still_cancels),
        cmocka_unit_test(is_answered_and_told),
        cmocka_unit_test(tags_agree_without_a_provisional),
        cmocka_unit_test(unknown_goes_up_unanswered),
        cmocka_unit_test(late_one_has_no_effect),
        cmocka_unit_test(other_methods_are_not_cancelled),
        cmocka_unit_test(other_branch_does_not_match),
        cmocka_unit_test(stream_cancel_is_answered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
