/* The tables of methods, transports and status codes. */
#include <offhook/flow.h>
#include <offhook/method.h>
#include <offhook/status.h>

#include "sip_test.h"

/* Every row of the table is found by its own text and by nothing near it. */
static void methods(void **state)
{
    (void)state;
    for (unsigned m = OH_METHOD_OTHER + 1; m < OH_METHOD_COUNT; m++) {
        struct oh_span text = oh_method_text(m), exact = exact_copy(text);
        char longer[32];

        assert_int_equal(oh_method_of(exact), m);
        assert_int_equal(oh_method_of(oh_span_head(exact, exact.n - 1)), OH_METHOD_OTHER);
        exact_free(exact);
        snprintf(longer, sizeof(longer), "%.*sX", OH_PRI(text));
        assert_int_equal(oh_method_of(oh_span_str(longer)), OH_METHOD_OTHER);
        longer[0] |= 0x20;
        assert_int_equal(oh_method_of(oh_span(longer, text.n)), OH_METHOD_OTHER);
        assert_true(strncmp(oh_method_rfc(m), "RFC ", 4) == 0);
    }
}

/* SYN-018, SYN-022, SYN-031: any token is a method, with case, escapes are literal. */
static void other_methods(void **state)
{
    static const char *const texts[] = {
        "",
        "invite",
        "Invite",
        "RE%47IST%45R",
        "ACL",
        "INVITF",
        "SUBSCRIBEX",
        "X",
        "!interesting-Method0123456789_*+`.%indeed'~",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++)
        assert_int_equal(oh_method_of(oh_span_str(texts[i])), OH_METHOD_OTHER);
    assert_int_equal(oh_method_text(OH_METHOD_OTHER).n, 0);
    assert_int_equal(oh_method_text(OH_METHOD_COUNT).n, 0);
    assert_string_equal(oh_method_rfc(OH_METHOD_OTHER), "");
}

static void transports(void **state)
{
    static const struct {
        const char *text;
        uint8_t transport;
        const char *via, *param;
    } cases[] = {
        {"UDP", OH_TRANSPORT_UDP, "UDP", "udp"},
        {"udp", OH_TRANSPORT_UDP, "UDP", "udp"},
        {"Tcp", OH_TRANSPORT_TCP, "TCP", "tcp"},
        {"TLS", OH_TRANSPORT_TLS, "TLS", "tls"},
        {"sctp", OH_TRANSPORT_SCTP, "SCTP", "sctp"},
        {"ws", OH_TRANSPORT_WS, "WS", "ws"},
        {"WSS", OH_TRANSPORT_WSS, "WSS", "wss"},
        {"", OH_TRANSPORT_OTHER, "UNKNOWN", "unknown"},
        {"UDPX", OH_TRANSPORT_OTHER, "UNKNOWN", "unknown"},
        {"UNKNOWN", OH_TRANSPORT_OTHER, "UNKNOWN", "unknown"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint8_t t = oh_transport_of(oh_span_str(cases[i].text));

        assert_int_equal(t, cases[i].transport);
        assert_text(oh_transport_text(t), cases[i].via);
        assert_text(oh_transport_param(t), cases[i].param);
        assert_int_equal(oh_transport_reliable(t), t > OH_TRANSPORT_UDP);
    }
    assert_text(oh_transport_text(200), "UNKNOWN");
}

static void flows(void **state)
{
    struct oh_flow a = {.transport = OH_TRANSPORT_UDP, .listener = 1}, b;

    (void)state;
    oh_addr_parse_port(OH_LIT("192.0.2.1:5060"), &a.local);
    oh_addr_parse_port(OH_LIT("192.0.2.9:4000"), &a.peer);
    b = a;
    assert_true(oh_flow_same(&a, &b));
    b.peer.port++;
    assert_false(oh_flow_same(&a, &b));
    b = a;
    b.listener = 2;
    assert_false(oh_flow_same(&a, &b));
    a.transport = b.transport = OH_TRANSPORT_TLS;
    a.id = b.id = 7; /* one connection, whatever else differs */
    assert_true(oh_flow_same(&a, &b));
    b.id = 8;
    assert_false(oh_flow_same(&a, &b));
    b.transport = OH_TRANSPORT_TCP;
    assert_false(oh_flow_same(&a, &b));
}

/* The table is ascending (the search needs it), complete, and has a sentence in each column. */
static void statuses(void **state)
{
    static const uint16_t wanted[] = {
        100, 180, 181, 182, 183, 199, 200, 202, 204, 300, 301, 302, 305, 380, 400,
        401, 402, 403, 404, 405, 406, 407, 408, 410, 412, 413, 414, 415, 416, 417,
        420, 421, 422, 423, 424, 425, 428, 429, 430, 433, 436, 437, 438, 439, 440,
        469, 470, 480, 481, 482, 483, 484, 485, 486, 487, 488, 489, 491, 493, 494,
        500, 501, 502, 503, 504, 505, 513, 555, 580, 600, 603, 604, 606, 607, 608,
    };

    (void)state;
    for (size_t i = 0; i < COUNT(wanted); i++) {
        const struct oh_status *s = oh_status_at((unsigned)i);

        assert_non_null(s);
        assert_int_equal(s->code, wanted[i]);
        assert_ptr_equal(oh_status_find(wanted[i]), s);
        assert_string_equal(oh_status_phrase(wanted[i]), s->phrase);
        assert_true(strncmp(s->rfc, "RFC ", 4) == 0);
        assert_true(strlen(s->phrase) >= 2);
        assert_true(strlen(s->meaning) > 15 && s->meaning[strlen(s->meaning) - 1] == '.');
        assert_true(strlen(s->sender) >= 8 && s->sender[strlen(s->sender) - 1] == '.');
        assert_true(strlen(s->remedy) > 6 && s->remedy[strlen(s->remedy) - 1] == '.');
    }
    assert_null(oh_status_at(COUNT(wanted)));
    assert_null(oh_status_find(99));
    assert_null(oh_status_find(299));
    assert_null(oh_status_find(700));
    assert_string_equal(oh_status_phrase(486), "Busy Here");
    assert_string_equal(oh_status_phrase(150), "Progress");
    assert_string_equal(oh_status_phrase(299), "Success");
    assert_string_equal(oh_status_phrase(399), "Redirection");
    assert_string_equal(oh_status_phrase(499), "Client Error");
    assert_string_equal(oh_status_phrase(599), "Server Error");
    assert_string_equal(oh_status_phrase(699), "Global Failure");
    assert_string_equal(oh_status_phrase(0), "Unknown");
    assert_string_equal(oh_status_phrase(4000000000u), "Unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(methods), cmocka_unit_test(other_methods), cmocka_unit_test(transports),
        cmocka_unit_test(flows),   cmocka_unit_test(statuses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
