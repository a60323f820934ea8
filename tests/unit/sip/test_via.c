/* Via: every spacing, every parameter that is decoded, and what is refused. */
#include <offhook/via.h>

#include "sip_test.h"

/* SYN-004, SYN-021, SYN-035 */
static const struct {
    const char *text;
    uint8_t transport;
    const char *transport_text, *host;
    unsigned port;
    uint8_t family;
    const char *branch, *received, *maddr;
    bool cookie, has_rport;
    unsigned rport;
} good[] = {
    {"SIP/2.0/UDP h.example:5060;branch=z9hG4bK74bf9;rport", OH_TRANSPORT_UDP, "UDP", "h.example",
     5060, 0, "z9hG4bK74bf9", "", "", true, true, 0},
    {"SIP  / 2.0\r\n /UDP\r\n    192.0.2.2;branch=390skdjuw", OH_TRANSPORT_UDP, "UDP", "192.0.2.2",
     0, 4, "390skdjuw", "", "", false, false, 0},
    {"SIP  / 2.0  / TCP     spindle.example.com   ;\r\n  branch  =   z9hG4bK9ikj8",
     OH_TRANSPORT_TCP, "TCP", "spindle.example.com", 0, 0, "z9hG4bK9ikj8", "", "", true, false, 0},
    {"sip/2.0/tls h : 4000 ; ttl=16 ; maddr=224.2.0.1 ; branch=Z9HG4BKa7c6", OH_TRANSPORT_TLS,
     "tls", "h", 4000, 0, "Z9HG4BKa7c6", "", "224.2.0.1", true, false, 0},
    {"SIP/2.0/UDP [2001:db8::9:1];received=[2001:db8::9:255];branch=z9hG4bK", OH_TRANSPORT_UDP,
     "UDP", "[2001:db8::9:1]", 0, 6, "z9hG4bK", "[2001:db8::9:255]", "", false, false, 0},
    {"SIP/2.0/UDP [2001:db8::9:1]:5061;Received=2001:db8::9:255;RPORT=9988", OH_TRANSPORT_UDP,
     "UDP", "[2001:db8::9:1]", 5061, 6, "", "2001:db8::9:255", "", false, true, 9988},
    {"SIP/2.0/UNKNOWN h", OH_TRANSPORT_OTHER, "UNKNOWN", "h", 0, 0, "", "", "", false, false, 0},
    {"SIP/7.0/UDP c.example.com;branch=z9hG4bKkdjuw", OH_TRANSPORT_UDP, "UDP", "c.example.com", 0,
     0, "z9hG4bKkdjuw", "", "", true, false, 0},
    {"SIP/2.0/WSS df7jal23ls0d.invalid;x=\"a,;b\";keep", OH_TRANSPORT_WSS, "WSS",
     "df7jal23ls0d.invalid", 0, 0, "", "", "", false, false, 0},
    {"SIP/2.0/TCP host1.example.com;branch=z9hG4bK-.!%66*_+`'~", OH_TRANSPORT_TCP, "TCP",
     "host1.example.com", 0, 0, "z9hG4bK-.!%66*_+`'~", "", "", true, false, 0},
};

/* rows: SYN-035 */
static void decode_good(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        struct oh_span exact = exact_copy(oh_span_str(good[i].text));
        struct oh_fault fault = {0};
        struct oh_via v;

        if (oh_via_decode(exact, &v, &fault) != OH_OK)
            fail_msg("%s: %s at %u", good[i].text, fault.why, fault.at);
        assert_text(v.text, good[i].text);
        assert_int_equal(v.transport, good[i].transport);
        assert_text(v.transport_text, good[i].transport_text);
        assert_text(v.host, good[i].host);
        assert_int_equal(v.port, good[i].port);
        assert_int_equal(v.addr.family, good[i].family);
        assert_text(v.branch, good[i].branch);
        assert_text(v.received, good[i].received);
        assert_text(v.maddr, good[i].maddr);
        assert_int_equal(v.cookie, good[i].cookie);
        assert_int_equal(v.has_rport, good[i].has_rport);
        assert_int_equal(v.rport, good[i].rport);
        if (v.has_rport)
            assert_true(oh_span_ieq(oh_span(exact.p + v.rport_at - 5, 5), OH_LIT("rport")));
        if (v.params.n)
            assert_int_equal(v.params.p[0], ';');
        exact_free(exact);
        for (size_t n = 0; n < strlen(good[i].text); n++) {
            exact = exact_copy(oh_span(good[i].text, n));
            if (oh_via_decode(exact, &v, NULL) == OH_OK)
                assert_true(v.host.n > 0);
            exact_free(exact);
        }
    }
}

/* SYN-024 is `cookie` above; SYN-032 and the spacing that is not allowed are here. */
static void decode_bad(void **state)
{
    static const struct {
        const char *text;
        int code;
        uint32_t at;
    } cases[] = {
        {"", OH_E_SYNTAX, 0},
        {"SIP", OH_E_SYNTAX, 3},
        {"SIP/2.0", OH_E_SYNTAX, 7},
        {"SIP/2.0/", OH_E_SYNTAX, 8},
        {"SIP/2.0/UDP", OH_E_SYNTAX, 11},
        {"SIP/2.0/UDP ", OH_E_SYNTAX, 12},
        {"SIP/2.0/UDP;x", OH_E_SYNTAX, 11},
        {"SIP/2.0/UDP h:", OH_E_SYNTAX, 14},
        {"SIP/2.0/UDP h:0", OH_E_SYNTAX, 15},
        {"SIP/2.0/UDP h:70000", OH_E_SYNTAX, 19},
        {"SIP/2.0/UDP h:1x", OH_E_SYNTAX, 15},
        {"SIP/2.0/UDP 1.2.3.400", OH_E_SYNTAX, 12},
        {"SIP/2.0/UDP 2001:db8::1", OH_E_SYNTAX, 12},
        {"SIP/2.0/UDP [::1", OH_E_SYNTAX, 12},
        {"SIP/2.0/UDP 192.0.2.15;;,;,,", OH_E_SYNTAX, 22},
        {"SIP/2.0/UDP h;branch", OH_E_SYNTAX, 20},
        {"SIP/2.0/UDP h;branch=", OH_E_SYNTAX, 13},
        {"SIP/2.0/UDP h;branch=\"x\"", OH_E_SYNTAX, 24},
        {"SIP/2.0/UDP h;branch=a;branch=b", OH_E_DUPLICATE, 31},
        {"SIP/2.0/UDP h;received=1.1.1.1;Received=2.2.2.2", OH_E_DUPLICATE, 47},
        {"SIP/2.0/UDP h;rport;rport=5", OH_E_DUPLICATE, 27},
        {"SIP/2.0/UDP h;foo;FOO", OH_E_DUPLICATE, 21},
        {"SIP/2.0/UDP h;rport=0", OH_E_SYNTAX, 21},
        {"SIP/2.0/UDP h;rport=65536", OH_E_SYNTAX, 25},
        {"SIP/2.0/UDP h;rport=5a", OH_E_SYNTAX, 22},
        {"SIP/2.0/UDP h;rport=\"5\"", OH_E_SYNTAX, 23},
        {"SIP/2.0/UDP h, SIP/2.0/UDP i", OH_E_SYNTAX, 13},
        {"SIP/2.0/UDP h\r\nX: y", OH_E_SYNTAX, 13},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct oh_span exact = exact_copy(oh_span_str(cases[i].text));
        struct oh_fault fault = {0};
        struct oh_via v = {.port = 4711};
        int rc = oh_via_decode(exact, &v, &fault);

        if (rc != cases[i].code || fault.at != cases[i].at)
            fail_msg("'%s': %d at %u (%s), want %u", cases[i].text, rc, fault.at, fault.why,
                     cases[i].at);
        assert_non_null(fault.why);
        assert_int_equal(v.port, 4711);
        exact_free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decode_good),
        cmocka_unit_test(decode_bad),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
