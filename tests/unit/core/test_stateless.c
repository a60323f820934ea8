/* Replies without a transaction: RFC 3261 8.2.7, 21.4.1, RFC 4475 3.3; TXN-022, TRN-022, TRN-030,
 * SYN-009. */
#include "unit/core/harness.h"

#define UDP rig_flow(OH_TRANSPORT_UDP)

#define VIA  "Via: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bK1\r\n"
#define FROM "From: <sip:alice@192.0.2.2>;tag=alice1\r\n"
#define TO   "To: <sip:bob@192.0.2.1>\r\n"
#define CALL "Call-ID: call1\r\n"
#define CSEQ "CSeq: 1 OPTIONS\r\n"
#define END  "Content-Length: 0\r\n\r\n"

#define LINE "OPTIONS sip:bob@192.0.2.1 SIP/2.0\r\n"

/* SYN-009: what is wrong, and what is answered; NULL: nothing. */
static const struct {
    const char *text, *answer;
} bad[] = {
    {LINE VIA TO CALL CSEQ END, "SIP/2.0 400 Missing From\r\n"},
    {LINE VIA FROM CALL CSEQ END, "SIP/2.0 400 Missing To\r\n"},
    {LINE VIA FROM TO CSEQ END, "SIP/2.0 400 Missing Call-ID\r\n"},
    {LINE VIA FROM TO CALL END, "SIP/2.0 400 Missing CSeq\r\n"},
    {LINE FROM TO CALL CSEQ END, NULL},
    {LINE "Via: nonsense\r\n" FROM TO CALL CSEQ END, NULL},
    /* RFC 4475 3.1.2.1: where the Via comes from is known, its parameters are nonsense. */
    {LINE "Via: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bK1;;,;,,\r\n" FROM TO CALL CSEQ END,
     "SIP/2.0 400 Bad Via: "},
    {LINE "Via: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bK1;branch=b\r\n" FROM TO CALL CSEQ END,
     "SIP/2.0 400 Bad Via: "},
    {LINE VIA FROM TO TO CALL CSEQ END, "SIP/2.0 400 More than one To\r\n"},
    {LINE VIA FROM TO CALL "CSeq: x OPTIONS\r\n" END, "SIP/2.0 400 Bad CSeq: "},
    {LINE VIA FROM TO CALL "CSeq: 1 MESSAGE\r\n" END, "SIP/2.0 400 Bad CSeq: "},
    {LINE VIA FROM "To: <sip:bob\r\n" CALL CSEQ END, "SIP/2.0 400 Bad To: "},
    {LINE VIA FROM TO CALL CSEQ "Content-Length: 9\r\n\r\n", "SIP/2.0 400 Bad Content-Length: "},
    {LINE VIA FROM TO CALL CSEQ "Max-Forwards: x\r\n" END, "SIP/2.0 400 Bad Max-Forwards: "},
    {"OPTIONS sip:bob@192.0.2.1 SIP/3.0\r\n" VIA FROM TO CALL CSEQ END, "SIP/2.0 505 "},
    /* RFC 4475 3.1.2.18 */
    {"EXPLODE sip:bob@192.0.2.1 SIP/2.0\r\n" VIA FROM TO CALL CSEQ END, "SIP/2.0 501 "},
    /* TRN-030 */
    {"ACK sip:bob@192.0.2.1 SIP/2.0\r\n" VIA FROM TO CALL CSEQ END, NULL},
    {"ACK sip:bob@192.0.2.1 SIP/2.0\r\n" VIA FROM TO CSEQ END, NULL},
    {"SIP/2.0 200 OK\r\n" VIA FROM TO CSEQ END, NULL},
    {"SIP/2.0 9999 OK\r\n" VIA FROM TO CALL CSEQ END, NULL},
    {"SIP/2.0 200 OK\r\n" VIA FROM TO CALL CSEQ "Content-Length: 9\r\n\r\n", NULL},
    {"nonsense", NULL},
    {"\r\n\r\n", NULL},
    {"", NULL},
};

/* rows: SYN-008 SYN-009 SYN-010 TRN-030 */
static void bad_messages_are_answered_or_dropped(void **state)
{
    struct rig r;
    struct oh_endpoint_stats stats;

    (void)state;
    rig_init(&r, NULL);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        const struct taken *t;

        rig_forget(&r);
        assert_true(rig_udp(&r, bad[i].text) != OH_OK);
        if (!bad[i].answer) {
            rig_quiet(&r);
            continue;
        }
        assert_int_equal(r.n, 1);
        t = rig_get(&r, OH_OUT_SEND, "SIP/2.0 ", 0);
        if (strncmp(t->text, bad[i].answer, strlen(bad[i].answer)) != 0)
            fail_msg("%s\nwas answered\n%s", bad[i].text, t->text);
        assert_int_equal(t->out.ticket, 0);
        assert_non_null(strstr(row_of(t->text, "Via"), "z9hG4bK1"));
    }
    oh_endpoint_stats(r.ep, &stats);
    assert_int_equal(stats.in_flight + stats.completed, 0);
    assert_true(stats.rx_bad > 0 && stats.rx_ignored == 3);
    rig_done(&r);
}

/* What there is of the five mandatory headers is copied. */
static void half_a_message_gets_its_half_back(void **state)
{
    struct rig r;
    const char *text;

    (void)state;
    rig_init(&r, NULL);
    rig_udp(&r, LINE VIA FROM TO CSEQ END);
    text = rig_get(&r, OH_OUT_SEND, "", 0)->text;
    assert_string_equal(row_of(text, "From"), "<sip:alice@192.0.2.2>;tag=alice1");
    assert_string_equal(row_of(text, "CSeq"), "1 OPTIONS");
    assert_string_equal(row_of(text, "Call-ID"), "");
    assert_non_null(strstr(row_of(text, "To"), ";tag="));
    rig_done(&r);
}

/* rows: UAS-013 */
static void limits_have_their_codes(void **state)
{
    struct rig r;
    struct oh_endpoint_options o = {
        .limits = {.message = 2000, .headers = 900, .body = 100, .uri = 50}};
    char text[4000], fill[3000];

    (void)state;
    rig_init(&r, &o);
    memset(fill, 'x', sizeof(fill));
    fill[sizeof(fill) - 1] = 0;
    snprintf(text, sizeof(text), "OPTIONS sip:%.60s@host SIP/2.0\r\n" VIA FROM TO CALL CSEQ END,
             fill);
    rig_udp(&r, text);
    snprintf(text, sizeof(text), LINE VIA FROM TO CALL CSEQ "Content-Length: 101\r\n\r\n%.101s",
             fill);
    rig_udp(&r, text);
    snprintf(text, sizeof(text), LINE VIA FROM TO CALL CSEQ "Subject: %.1000s\r\n" END, fill);
    rig_udp(&r, text);
    assert_int_equal(r.n, 3);
    assert_int_equal(rig_count(&r, OH_OUT_SEND, "SIP/2.0 414"), 1);
    assert_int_equal(rig_count(&r, OH_OUT_SEND, "SIP/2.0 413"), 1);
    assert_int_equal(rig_count(&r, OH_OUT_SEND, "SIP/2.0 513"), 1);
    rig_done(&r);
}

/* TRN-022: neither by a forged source nor by a Via is anything sent to many. */
static void nothing_goes_to_a_crowd(void **state)
{
    static const uint8_t crowd[][4] = {{255, 255, 255, 255}, {224, 0, 1, 75}};
    struct rig r;
    struct oh_endpoint_stats stats;
    struct oh_reply reply = {.code = 404};

    (void)state;
    rig_init(&r, NULL);
    for (size_t i = 0; i < 2; i++) {
        struct oh_flow flow = UDP;

        memcpy(flow.peer.ip, crowd[i], 4);
        rig_input(&r, &flow, LINE VIA FROM TO CSEQ END);
        rig_input(&r, &flow, LINE VIA FROM TO CALL CSEQ END);
        assert_int_equal(oh_reply_stateless(r.ep, &r.request, &flow, &reply), OH_OK);
        rig_take(&r);
    }
    rig_udp(&r, LINE "Via: SIP/2.0/UDP 255.255.255.255;branch=z9hG4bK1\r\n" FROM TO CSEQ END);
    rig_udp(&r, LINE "Via: SIP/2.0/UDP x;maddr=224.0.1.75;branch=z9hG4bK1\r\n" FROM TO CSEQ END);
    for (size_t i = 0; i < r.n; i++) {
        if (r.taken[i].out.kind == OH_OUT_SEND)
            assert_false(oh_addr_is_broadcast(&r.taken[i].out.flow.peer));
    }
    oh_endpoint_stats(r.ep, &stats);
    assert_int_equal(stats.rx_ignored, 4);
    rig_done(&r);
}

/* TXN-022 */
static void retransmissions_get_the_same_reply(void **state)
{
    struct rig r;
    struct oh_reply reply = {.code = 407, .headers = OH_LIT("Proxy-Authenticate: x\r\n")};
    struct oh_endpoint_stats stats;
    char tag[OH_TAG_MAX + 1] = "";
    const char *first, *other;

    (void)state;
    rig_init(&r, NULL);
    for (int i = 0; i < 2; i++) {
        rig_until(&r, (uint64_t)i * 500);
        rig_udp(&r, LINE VIA FROM TO CALL CSEQ END);
        assert_int_equal(oh_reply_stateless(r.ep, r.msg, &r.flow, &reply), OH_OK);
        oh_stateless_tag(r.ep, r.msg, tag);
        rig_take(&r);
    }
    first = rig_get(&r, OH_OUT_SEND, "SIP/2.0 407", 0)->text;
    assert_string_equal(first, rig_get(&r, OH_OUT_SEND, "SIP/2.0 407", 1)->text);
    assert_non_null(strstr(row_of(first, "To"), tag));
    assert_string_equal(row_of(first, "Proxy-Authenticate"), "x");
    rig_udp(&r, LINE VIA FROM TO "Call-ID: call2\r\n" CSEQ END);
    assert_int_equal(oh_reply_stateless(r.ep, r.msg, &r.flow, &reply), OH_OK);
    rig_take(&r);
    other = rig_get(&r, OH_OUT_SEND, "SIP/2.0 407", 2)->text;
    assert_string_not_equal(row_of(first, "To"), row_of(other, "To"));
    oh_endpoint_stats(r.ep, &stats);
    assert_int_equal(stats.tx_stateless, 3);
    assert_int_equal(stats.in_flight + stats.completed, 0);
    rig_done(&r);
}

/* The tag is the same in every shard and after a restart, for it hangs on the secret alone; random
 * ones are not. */
static void tags_are_keyed_or_random(void **state)
{
    struct rig a, b, c;
    struct oh_endpoint_options o = {0};
    char of_a[OH_TAG_MAX], of_b[OH_TAG_MAX], of_c[OH_TAG_MAX];
    size_t n;

    (void)state;
    rig_init(&a, &o);
    o.seed[3] = 9;
    o.shard = 5;
    rig_init(&b, &o);
    rig_udp(&a, LINE VIA FROM TO CALL CSEQ END);
    n = oh_stateless_tag(a.ep, a.msg, of_a);
    assert_true(n >= 16 && n <= OH_TAG_MAX);
    assert_int_equal(oh_stateless_tag(b.ep, a.msg, of_b), n);
    assert_int_equal(memcmp(of_a, of_b, n), 0);
    memset(&c, 0, sizeof(c));
    c.options = o;
    c.options.secret[0] = 1;
    assert_int_equal(oh_endpoint_new(&c.options, START, &c.ep), OH_OK);
    oh_stateless_tag(c.ep, a.msg, of_c);
    assert_int_not_equal(memcmp(of_a, of_c, n), 0);
    oh_endpoint_free(c.ep);
    n = oh_new_tag(a.ep, of_a);
    assert_int_equal(oh_new_tag(a.ep, of_b), n);
    assert_int_not_equal(memcmp(of_a, of_b, n), 0);
    rig_done(&a);
    rig_done(&b);
}

/* Replies go where RFC 3581 says, and name us when we are told to (TRN-008). */
static void replies_take_the_way_back(void **state)
{
    struct rig r;
    struct oh_flow flow = UDP;
    struct oh_endpoint_options o = {.server = OH_LIT("test server")};
    const struct taken *t;

    (void)state;
    rig_init(&r, &o);
    flow.peer.port = 33333;
    rig_input(&r, &flow,
              LINE "Via: SIP/2.0/UDP host.example:5090;rport;branch=z9hG4bK1\r\n" FROM TO CSEQ END);
    rig_input(&r, &flow,
              LINE "Via: SIP/2.0/UDP host.example:5090;branch=z9hG4bK1\r\n" FROM TO CSEQ END);
    t = rig_get(&r, OH_OUT_SEND, "SIP/2.0 400", 0);
    assert_int_equal(t->out.flow.peer.port, 33333);
    assert_non_null(strstr(row_of(t->text, "Via"), "rport=33333"));
    assert_non_null(strstr(row_of(t->text, "Via"), "received=192.0.2.2"));
    assert_string_equal(row_of(t->text, "Server"), "test server");
    t = rig_get(&r, OH_OUT_SEND, "SIP/2.0 400", 1);
    assert_int_equal(t->out.flow.peer.port, 5090);
    rig_done(&r);
}

/* Bytes of the user's own go out as they are, and their failure is nobody's news. */
static void own_bytes_are_sent(void **state)
{
    struct rig r;
    struct oh_flow flow = UDP;
    char ack[] = "ACK sip:x SIP/2.0\r\n\r\n";

    (void)state;
    rig_init(&r, NULL);
    assert_int_equal(oh_endpoint_send(r.ep, &flow, oh_span_str(ack)), OH_OK);
    memset(ack, 'x', sizeof(ack) - 1); /* copied already */
    rig_take(&r);
    assert_int_equal(rig_count(&r, OH_OUT_SEND, "ACK sip:x SIP/2.0\r\n\r\n"), 1);
    assert_int_equal(r.taken[0].out.ticket, 0);
    rig_done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_messages_are_answered_or_dropped),
        cmocka_unit_test(half_a_message_gets_its_half_back),
        cmocka_unit_test(limits_have_their_codes),
        cmocka_unit_test(nothing_goes_to_a_crowd),
        cmocka_unit_test(retransmissions_get_the_same_reply),
        cmocka_unit_test(tags_are_keyed_or_random),
        cmocka_unit_test(replies_take_the_way_back),
        cmocka_unit_test(own_bytes_are_sent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
