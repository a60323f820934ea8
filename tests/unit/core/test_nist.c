/* Non-INVITE server transaction: RFC 3261 17.2.2, RFC 4320; TXN-012, 013, 014, 016. */
#include "unit/core/harness.h"

#define UDP rig_flow(OH_TRANSPORT_UDP)
#define TCP rig_flow(OH_TRANSPORT_TCP)

static const char *request(void)
{
    return request_text("REGISTER", "z9hG4bKregister1", "");
}

static uint32_t held(const struct rig *r)
{
    struct oh_endpoint_stats stats;

    oh_endpoint_stats(r->ep, &stats);
    return stats.in_flight + stats.completed;
}

/* TXN-012 */
static void retransmission_gets_the_same_bytes(void **state)
{
    struct rig r;
    struct oh_flow flow = UDP;
    uint64_t server;

    (void)state;
    rig_init(&r, NULL);
    server = serve(&r, &flow, request(), 5);
    rig_udp(&r, request()); /* Trying: absorbed */
    assert_int_equal(rig_count(&r, OH_OUT_REQUEST, ""), 1);
    assert_int_equal(rig_count(&r, OH_OUT_SEND, ""), 0);
    assert_true(oh_server_pending(r.ep, server));
    serve(&r, &flow, request_text("REGISTER", "z9hG4bKother", ""), 6);
    rig_udp(&r, request());
    rig_done(&r);

    rig_init(&r, NULL);
    server = serve(&r, &flow, request(), 5);
    assert_int_equal(respond(&r, server, 200, "bob1"), OH_OK);
    assert_int_equal(respond(&r, server, 500, "bob1"), OH_E_STATE);
    assert_false(oh_server_pending(r.ep, server));
    rig_until(&r, 31999);
    rig_udp(&r, request());
    TIMES(&r, OH_OUT_SEND, "SIP/2.0 200", 0, 31999);
    assert_string_equal(rig_get(&r, OH_OUT_SEND, "SIP/2.0 200", 0)->text,
                        rig_get(&r, OH_OUT_SEND, "SIP/2.0 200", 1)->text);
    assert_int_equal(rig_count(&r, OH_OUT_REQUEST, ""), 1);
    rig_until(&r, 32000); /* Timer J */
    assert_int_equal(held(&r), 0);
    rig_udp(&r, request());
    assert_int_equal(rig_count(&r, OH_OUT_REQUEST, ""), 2);
    rig_done(&r);
}

/* TXN-013 */
static void trying_is_due_after_3500_ms(void **state)
{
    struct rig r;
    struct oh_flow flow = UDP;
    uint64_t server;

    (void)state;
    rig_init(&r, NULL);
    server = serve(&r, &flow, request(), 5);
    assert_int_equal(respond(&r, server, 100, ""), OH_E_STATE);
    assert_int_equal(respond(&r, server, 180, "bob1"), OH_E_STATE);
    rig_until(&r, 3499);
    assert_int_equal(rig_count(&r, OH_OUT_SEND, ""), 0);
    rig_until(&r, 3600);
    TIMES(&r, OH_OUT_TRYING, "", 3500);
    assert_int_equal(rig_get(&r, OH_OUT_TRYING, "", 0)->out.server, server);
    assert_int_equal(rig_get(&r, OH_OUT_TRYING, "", 0)->out.user, 5);
    assert_int_equal(respond(&r, server, 180, "bob1"), OH_E_STATE);
    assert_int_equal(respond(&r, server, 100, ""), OH_OK);
    rig_until(&r, 4000);
    rig_udp(&r, request()); /* Proceeding */
    TIMES(&r, OH_OUT_SEND, "SIP/2.0 100", 3600, 4000);
    assert_true(oh_server_pending(r.ep, server));
    assert_int_equal(respond(&r, server, 200, "bob1"), OH_OK);
    assert_int_equal(rig_count(&r, OH_OUT_SEND, "SIP/2.0 200"), 1);
    rig_done(&r);
}

/* TXN-013: over a stream 100 may go out at any time. */
static void stream_allows_an_early_100(void **state)
{
    struct rig r;
    struct oh_flow flow = TCP;
    uint64_t server;

    (void)state;
    rig_init(&r, NULL);
    server = serve(&r, &flow, request(), 5);
    assert_int_equal(respond(&r, server, 180, "bob1"), OH_E_STATE);
    assert_int_equal(respond(&r, server, 100, ""), OH_OK);
    rig_until(&r, 5000);
    assert_int_equal(rig_count(&r, OH_OUT_TRYING, ""), 0);
    assert_int_equal(respond(&r, server, 200, "bob1"), OH_OK);
    assert_int_equal(held(&r), 0); /* TXN-016: Timer J is zero */
    rig_done(&r);
}

/* TXN-014 */
static void no_408_and_nothing_late(void **state)
{
    struct rig r;
    struct oh_flow flow = UDP;
    uint64_t server;

    (void)state;
    rig_init(&r, NULL);
    server = serve(&r, &flow, request(), 5);
    assert_int_equal(respond(&r, server, 408, "bob1"), OH_OK);
    rig_until(&r, 4000);
    rig_udp(&r, request()); /* still known, so not a new request */
    assert_int_equal(rig_count(&r, OH_OUT_SEND, ""), 0);
    assert_int_equal(rig_count(&r, OH_OUT_REQUEST, ""), 1);
    assert_int_equal(respond(&r, server, 200, "bob1"), OH_E_STATE);
    rig_until(&r, 100000);
    assert_int_equal(held(&r), 0);
    rig_forget(&r);

    server = serve(&r, &flow, request(), 5);
    rig_until(&r, 132000);
    assert_false(oh_server_pending(r.ep, server));
    assert_int_equal(oh_server_reply(r.ep, r.now, server, 200, OH_LIT("SIP/2.0 200 OK\r\n\r\n")),
                     OH_E_STALE);
    rig_take(&r);
    assert_int_equal(rig_count(&r, OH_OUT_SEND, ""), 0);
    assert_int_equal(held(&r), 0);
    rig_done(&r);
}

/* A response that could not be sent stays for the retransmission that will ask for it (RFC
 * 6026 8.8). */
static void transport_error_keeps_the_response(void **state)
{
    struct rig r;
    struct oh_flow flow = UDP;
    uint64_t server;

    (void)state;
    rig_init(&r, NULL);
    server = serve(&r, &flow, request(), 5);
    assert_int_equal(respond(&r, server, 200, "bob1"), OH_OK);
    oh_endpoint_answer(r.ep, r.now, rig_get(&r, OH_OUT_SEND, "", 0)->out.ticket, OH_E_IO);
    rig_take(&r);
    rig_udp(&r, request());
    assert_int_equal(rig_count(&r, OH_OUT_SEND, "SIP/2.0 200"), 2);
    rig_done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(retransmission_gets_the_same_bytes),
        cmocka_unit_test(trying_is_due_after_3500_ms),
        cmocka_unit_test(stream_allows_an_early_100),
        cmocka_unit_test(no_408_and_nothing_late),
        cmocka_unit_test(transport_error_keeps_the_response),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
