/* Non-INVITE client transaction: RFC 3261 17.1.2; TXN-007, 016, 020. */
#include "unit/core/harness.h"

#define UDP rig_flow(OH_TRANSPORT_UDP)
#define TCP rig_flow(OH_TRANSPORT_TCP)

static char *sent(const struct rig *r)
{
    static char text[TEXT_MAX];

    snprintf(text, sizeof(text), "%s", rig_get(r, OH_OUT_SEND, "", 0)->text);
    return text;
}

static uint32_t held(const struct rig *r)
{
    struct oh_endpoint_stats stats;

    oh_endpoint_stats(r->ep, &stats);
    return stats.in_flight + stats.completed;
}

/* TXN-007 */
static void silence_is_asked_eleven_times(void **state)
{
    struct rig r;
    struct oh_flow flow = UDP;
    uint64_t client;

    (void)state;
    rig_init(&r, NULL);
    client = call(&r, &flow, "OPTIONS", 5, 6);
    rig_until(&r, 100000);
    TIMES(&r, OH_OUT_SEND, "OPTIONS", 0, 500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500,
          31500);
    TIMES(&r, OH_OUT_FAILED, "", 32000);
    assert_int_equal(rig_get(&r, OH_OUT_FAILED, "", 0)->out.code, OH_E_TIMEOUT);
    assert_int_equal(rig_get(&r, OH_OUT_FAILED, "", 0)->out.client, client);
    assert_int_equal(held(&r), 0);
    rig_done(&r);
}

/* TXN-007: after a 1xx the timer that runs ends as it was, then every T2; Timer F stays. */
static void proceeding_asks_every_t2(void **state)
{
    struct rig r;
    struct oh_flow flow = UDP;
    char *request;

    (void)state;
    rig_init(&r, NULL);
    call(&r, &flow, "REGISTER", 5, 6);
    request = sent(&r);
    rig_until(&r, 600);
    rig_udp(&r, response_text(request, 100, ""));
    rig_until(&r, 100000);
    TIMES(&r, OH_OUT_SEND, "REGISTER", 0, 500, 1500, 5500, 9500, 13500, 17500, 21500, 25500, 29500);
    TIMES(&r, OH_OUT_RESPONSE, "SIP/2.0 100", 600);
    TIMES(&r, OH_OUT_FAILED, "", 32000);
    rig_done(&r);
}

/* Timer K absorbs repeated finals for T4; then they are strays. */
static void final_is_told_once(void **state)
{
    struct rig r;
    struct oh_flow flow = UDP;
    struct oh_endpoint_stats stats;
    char *request;

    (void)state;
    rig_init(&r, NULL);
    call(&r, &flow, "MESSAGE", 5, 6);
    request = sent(&r);
    rig_udp(&r, response_text(request, 404, "bob1"));
    rig_until(&r, 4999);
    rig_udp(&r, response_text(request, 404, "bob1"));
    TIMES(&r, OH_OUT_RESPONSE, "SIP/2.0 404", 0);
    assert_int_equal(rig_get(&r, OH_OUT_RESPONSE, "", 0)->out.user, 5);
    assert_int_equal(rig_get(&r, OH_OUT_RESPONSE, "", 0)->out.link, 6);
    oh_endpoint_stats(r.ep, &stats);
    assert_int_equal(stats.rx_retransmissions, 1);
    assert_int_equal(stats.completed, 1);
    rig_until(&r, 5000);
    assert_int_equal(held(&r), 0);
    rig_udp(&r, response_text(request, 404, "bob1"));
    oh_endpoint_stats(r.ep, &stats);
    assert_int_equal(stats.rx_stray_responses, 1);
    assert_int_equal(rig_count(&r, OH_OUT_RESPONSE, ""), 1);
    rig_done(&r);
}

/* TXN-016 */
static void stream_asks_once(void **state)
{
    struct rig r;
    struct oh_flow flow = TCP;
    char *request;

    (void)state;
    rig_init(&r, NULL);
    call(&r, &flow, "OPTIONS", 5, 6);
    rig_until(&r, 40000);
    TIMES(&r, OH_OUT_SEND, "OPTIONS", 0);
    TIMES(&r, OH_OUT_FAILED, "", 32000);
    rig_forget(&r);
    call(&r, &flow, "OPTIONS", 5, 6);
    request = sent(&r);
    rig_input(&r, &flow, response_text(request, 200, "bob1"));
    assert_int_equal(rig_count(&r, OH_OUT_RESPONSE, "SIP/2.0 200"), 1);
    assert_int_equal(held(&r), 0);
    rig_done(&r);
}

/* TXN-020 */
static void transport_error_is_told_in_trying_and_proceeding(void **state)
{
    struct rig r;
    struct oh_flow flow = UDP;

    (void)state;
    for (int proceeding = 0; proceeding < 2; proceeding++) {
        uint64_t client;

        rig_init(&r, NULL);
        client = call(&r, &flow, "OPTIONS", 5, 6);
        if (proceeding)
            rig_udp(&r, response_text(sent(&r), 100, ""));
        oh_endpoint_answer(r.ep, r.now, rig_get(&r, OH_OUT_SEND, "", 0)->out.ticket, OH_E_TIMEOUT);
        rig_take(&r);
        assert_int_equal(rig_count(&r, OH_OUT_FAILED, ""), 1);
        assert_int_equal(rig_get(&r, OH_OUT_FAILED, "", 0)->out.code, OH_E_TIMEOUT);
        assert_int_equal(rig_get(&r, OH_OUT_FAILED, "", 0)->out.client, client);
        assert_int_equal(held(&r), 0);
        rig_done(&r);
    }
}

/* A send that failed after the answer came is no news. */
static void transport_error_in_completed_is_ignored(void **state)
{
    struct rig r;
    struct oh_flow flow = UDP;

    (void)state;
    rig_init(&r, NULL);
    call(&r, &flow, "OPTIONS", 5, 6);
    rig_udp(&r, response_text(sent(&r), 200, "bob1"));
    oh_endpoint_answer(r.ep, r.now, rig_get(&r, OH_OUT_SEND, "", 0)->out.ticket, OH_E_IO);
    rig_take(&r);
    assert_int_equal(rig_count(&r, OH_OUT_FAILED, ""), 0);
    rig_done(&r);
}

static void dropped_is_silent_at_once(void **state)
{
    struct rig r;
    struct oh_flow flow = UDP;
    uint64_t client;
    char *request;

    (void)state;
    rig_init(&r, NULL);
    client = call(&r, &flow, "OPTIONS", 5, 6);
    request = sent(&r);
    oh_client_drop(r.ep, client);
    oh_client_drop(r.ep, client);
    rig_forget(&r);
    rig_udp(&r, response_text(request, 200, "bob1"));
    rig_until(&r, 100000);
    rig_quiet(&r);
    rig_done(&r);
}

/* All timers stand in proportion to T1, and T2 and T4 may be set alone. */
static void times_follow_the_options(void **state)
{
    struct rig r;
    struct oh_flow flow = UDP;
    struct oh_endpoint_options o = {.t1 = 100 * MS, .t2 = 200 * MS, .t4 = 300 * MS};

    (void)state;
    rig_init(&r, &o);
    call(&r, &flow, "OPTIONS", 5, 6);
    rig_until(&r, 1000);
    TIMES(&r, OH_OUT_SEND, "OPTIONS", 0, 100, 300, 500, 700, 900);
    rig_udp(&r, response_text(sent(&r), 200, "bob1"));
    assert_int_equal(oh_endpoint_deadline(r.ep), START + 1300 * MS);
    rig_done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(silence_is_asked_eleven_times),
        cmocka_unit_test(proceeding_asks_every_t2),
        cmocka_unit_test(final_is_told_once),
        cmocka_unit_test(stream_asks_once),
        cmocka_unit_test(transport_error_is_told_in_trying_and_proceeding),
        cmocka_unit_test(transport_error_in_completed_is_ignored),
        cmocka_unit_test(dropped_is_silent_at_once),
        cmocka_unit_test(times_follow_the_options),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
