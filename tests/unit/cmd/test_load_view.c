/*
 * What the load generator sees of a message: the quick look and the general
 * parser agree, or the quick one says that it cannot tell.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cmd/load_view.h"

#define assert_span(span, text)                                    \
    do {                                                           \
        struct oh_span s_ = (span);                                \
        assert_int_equal(s_.n, strlen(text));                      \
        assert_memory_equal(s_.p ? s_.p : "", text, strlen(text)); \
    } while (0)

#define RESPONSE                                                                         \
    "SIP/2.0 200 OK\r\n"                                                                 \
    "Via: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bKab;rport=5070;received=127.0.0.1\r\n" \
    "Record-Route: <sip:x@127.0.0.1;lr>\r\n"                                             \
    "VIA:  SIP/2.0/UDP h;branch=z9hG4bK2 \r\n"                                           \
    "record-ROUTE: <sip:y@127.0.0.1;lr>\r\n"                                             \
    "From: <sip:a@h>;tag=1\r\n"                                                          \
    "To: <sip:b@h>;tag=2\r\n"                                                            \
    "Call-ID: id@h\r\n"                                                                  \
    "CSeq: 7 INVITE\r\n"                                                                 \
    "Contact: <sip:c@h:99>\r\n"                                                          \
    "Subject: From: nobody\r\n"                                                          \
    "Content-Length: 0\r\n\r\n"

static void test_response(void **state)
{
    struct oh__load_view v;

    (void)state;
    assert_int_equal(oh__load_view_read(OH_LIT(RESPONSE), &v), OH_OK);
    assert_int_equal(v.status, 200);
    assert_int_equal(v.method, OH_METHOD_INVITE);
    assert_int_equal(v.vias_n, 2);
    assert_span(v.vias[1], "SIP/2.0/UDP h;branch=z9hG4bK2");
    assert_int_equal(v.routes_n, 2);
    assert_span(v.routes[0], "<sip:x@127.0.0.1;lr>");
    assert_span(v.from, "<sip:a@h>;tag=1");
    assert_span(v.to, "<sip:b@h>;tag=2");
    assert_span(v.call_id, "id@h");
    assert_span(v.cseq, "7 INVITE");
    assert_span(v.contact, "<sip:c@h:99>");
}

/* Compact names, and a request. */
static void test_request(void **state)
{
    struct oh__load_view v;

    (void)state;
    assert_int_equal(oh__load_view_read(OH_LIT("BYE sip:a@h SIP/2.0\r\nv: SIP/2.0/UDP h\r\n"
                                               "f: <sip:a@h>\r\nt: <sip:b@h>\r\ni: x\r\n"
                                               "CSeq: 2 BYE\r\nm: <sip:c@h>\r\n\r\nbody"),
                                        &v),
                     OH_OK);
    assert_int_equal(v.status, 0);
    assert_int_equal(v.method, OH_METHOD_BYE);
    assert_int_equal(v.vias_n, 1);
    assert_int_equal(v.routes_n, 0);
    assert_span(v.call_id, "x");
    assert_span(v.contact, "<sip:c@h>");
}

#define ROWS "Via: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:b@h>\r\n"
#define TAIL "Call-ID: x\r\nCSeq: 1 OPTIONS\r\n\r\n"

/* Whatever is unusual is for the general parser. */
static void test_unusual(void **state)
{
    static const char *const cases[] = {
        "",
        "\r\n",
        "\r\n\r\n",
        "SIP/2.0 200 OK",
        "SIP/2.0 200 OK\r\n",
        "SIP/2.0 200 OK\r\n" ROWS,
        "SIP/2.0 200 OK\r\n" ROWS "CSeq: 1 OPTIONS\r\n\r\n",        /* no Call-ID */
        "SIP/2.0 200 OK\r\n" ROWS "Subject: a\r\n folded\r\n" TAIL, /* a row that goes on */
        "SIP/2.0 200 OK\r\n" ROWS "Subject: a\r\n a folded line that is longer\r\n" TAIL,
        "SIP/2.0 200 OK\r\n" ROWS "Subject: a\r\n\tfolded\r\n" TAIL,
        "SIP/2.0 200 OK\r\n" ROWS "Contact : <sip:c@h>\r\n" TAIL,
        "SIP/2.0 200 OK\r\n" ROWS "Contact          : <sip:c@h>\r\n" TAIL,
        "SIP/2.0 200 OK\r\n" ROWS "Contact\t: <sip:c@h>\r\n" TAIL,
        "SIP/2.0 200 OK\r\n" ROWS ": <sip:c@h>\r\n" TAIL,
        "SIP/2.0 200 OK\r\n" ROWS "Subject: bare\n" TAIL,
        "SIP/2.0 200 OK\r\n" ROWS "short\r\n" TAIL,
        "SIP/2.0 20 OK\r\n" ROWS TAIL,
        "SIP/2.0 099 OK\r\n" ROWS TAIL,
        "SIP/2.0 700 OK\r\n" ROWS TAIL,
        "SIP/2.0 2000 OK\r\n" ROWS TAIL,
        "sip/2.0 200 OK\r\n" ROWS TAIL,
        "SIP/3.0 200 OK\r\n" ROWS TAIL,
        "OPTIONS sip:h SIP/2.1\r\n" ROWS TAIL,
        "FROBNICATE sip:h SIP/2.0\r\n" ROWS TAIL,
        " sip:h SIP/2.0\r\n" ROWS TAIL,
    };
    struct oh__load_view v;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(oh__load_view_read(oh_span_str(cases[i]), &v), OH_E_UNSUPPORTED);
    /* And the same without anything unusual. */
    assert_int_equal(oh__load_view_read(OH_LIT("SIP/2.0 200 OK\r\n" ROWS TAIL), &v), OH_OK);
}

/* A message that is cut anywhere is never read past its end (the sanitizer looks). */
static void test_cut(void **state)
{
    struct oh__load_view v;
    char copy[sizeof RESPONSE];

    (void)state;
    for (size_t n = 0; n < sizeof RESPONSE - 1; n++) {
        char *at = copy + sizeof copy - n;

        memcpy(at, RESPONSE, n);
        assert_int_equal(oh__load_view_read(oh_span(at, n), &v), OH_E_UNSUPPORTED);
    }
}

static void test_too_many_rows(void **state)
{
    struct oh__load_view v;
    char text[4096];
    size_t n = (size_t)snprintf(text, sizeof text, "SIP/2.0 200 OK\r\n");

    (void)state;
    for (unsigned i = 0; i <= OH__VIEW_ROWS; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "Record-Route: <sip:h;lr>\r\n");
    n += (size_t)snprintf(text + n, sizeof text - n, ROWS TAIL);
    assert_int_equal(oh__load_view_read(oh_span(text, n), &v), OH_E_UNSUPPORTED);
}

/* Both ways to a view end in the same one. */
static void test_agreement(void **state)
{
    static struct oh_msg m;
    struct oh__load_view quick, whole;
    size_t used;

    (void)state;
    assert_int_equal(oh_msg_parse(OH_LIT(RESPONSE), OH_MSG_DATAGRAM, NULL, &m, &used, NULL), OH_OK);
    assert_int_equal(oh_msg_check(&m, NULL), OH_OK);
    assert_int_equal(oh__load_view_of(&m, &whole), OH_OK);
    assert_int_equal(oh__load_view_read(m.raw, &quick), OH_OK);
    assert_int_equal(whole.status, quick.status);
    assert_int_equal(whole.method, quick.method);
    assert_true(oh_span_eq(whole.from, quick.from));
    assert_true(oh_span_eq(whole.to, quick.to));
    assert_true(oh_span_eq(whole.call_id, quick.call_id));
    assert_true(oh_span_eq(whole.cseq, quick.cseq));
    assert_true(oh_span_eq(whole.contact, quick.contact));
    assert_int_equal(whole.vias_n, quick.vias_n);
    assert_int_equal(whole.routes_n, quick.routes_n);
    for (unsigned i = 0; i < 2; i++) {
        assert_true(oh_span_eq(whole.vias[i], quick.vias[i]));
        assert_true(oh_span_eq(whole.routes[i], quick.routes[i]));
    }
}

/* The rows of a response are those that the general builder writes. */
static void test_head(void **state)
{
    static const char request[] =
        "INVITE sip:b@h SIP/2.0\r\n"
        "Via: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bK1;rport, SIP/2.0/UDP a;branch=z9hG4bK2\r\n"
        "Via: SIP/2.0/UDP h;branch=z9hG4bK3\r\n"
        "Record-Route: <sip:x@127.0.0.1;lr>\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:b@h>\r\n"
        "Max-Forwards: 70\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n";
    struct oh_reply r = {.code = 180, .to_tag = OH_LIT("t")};
    struct oh_flow flow = {.transport = OH_TRANSPORT_UDP}, back = {0};
    static struct oh_msg m;
    char room[2048], expected[2048];
    struct oh__load_view v;
    struct oh_buf b, e;
    size_t used;

    (void)state;
    assert_int_equal(oh_addr_parse(OH_LIT("127.0.0.9"), &flow.peer), OH_OK);
    flow.peer.port = 4321;
    assert_int_equal(oh_msg_parse(OH_LIT(request), OH_MSG_DATAGRAM, NULL, &m, &used, NULL), OH_OK);
    assert_int_equal(oh_msg_check(&m, NULL), OH_OK);
    oh_buf_init(&e, expected, sizeof expected);
    assert_int_equal(oh_build_reply(&e, &m, &flow, &r), OH_OK);
    oh_buf_init(&b, room, sizeof room);
    oh_buf_lit(&b, "SIP/2.0 180 Ringing\r\n");
    assert_int_equal(oh__load_view_read(OH_LIT(request), &v), OH_OK);
    assert_int_equal(oh__load_view_head(&v, &flow, true, OH_LIT("t"), &back, &b), OH_OK);
    oh_buf_lit(&b, "Content-Length: 0\r\n\r\n");
    assert_true(oh_span_eq(oh_buf_view(&b), oh_buf_view(&e)));
    assert_true(oh_addr_eq(&back.peer, &flow.peer));
    /* No room, and rows that cannot be read. */
    oh_buf_init(&b, room, 100);
    assert_int_equal(oh__load_view_head(&v, &flow, true, OH_LIT("t"), &back, &b), OH_E_LIMIT);
    v.vias[0] = OH_LIT("SIP/2.0/UDP");
    oh_buf_init(&b, room, sizeof room);
    assert_int_equal(oh__load_view_head(&v, &flow, true, OH_LIT("t"), &back, &b), OH_E_SYNTAX);
    assert_int_equal(oh__load_view_read(OH_LIT(request), &v), OH_OK);
    v.to = OH_LIT("<sip:b@h");
    assert_int_equal(oh__load_view_head(&v, &flow, true, OH_LIT("t"), &back, &b), OH_E_SYNTAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_response),      cmocka_unit_test(test_request),
        cmocka_unit_test(test_unusual),       cmocka_unit_test(test_cut),
        cmocka_unit_test(test_too_many_rows), cmocka_unit_test(test_agreement),
        cmocka_unit_test(test_head),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
