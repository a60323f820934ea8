/* The walk over any row: every header of the table, faults, and the messages printed in RFCs. */
#define _GNU_SOURCE 1 /* memmem */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <offhook/decode.h>
#include <offhook/media.h>

#include "corpus_walk.h"
#include "exact.h"
#include "rewrite.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Writes what is visited as "name=text" or "name" with ";" before parameters, "," between values.
 */
struct listing {
    char text[1024];
    struct oh_buf b;
    unsigned value;
    bool begun;
};

static void list_field(void *ctx, const struct oh_field *f)
{
    struct listing *l = ctx;

    if (l->begun)
        oh_buf_char(&l->b, f->value != l->value ? ',' : f->param ? ';' : ' ');
    l->begun = true;
    l->value = f->value;
    oh_buf_span(&l->b, f->name);
    if (f->text.p) {
        oh_buf_char(&l->b, '=');
        oh_buf_span(&l->b, f->text);
    }
}

static void count_field(void *ctx, const struct oh_field *f)
{
    size_t *n = ctx;

    *n += f->name.n > 0;
}

static void each_header(void **state)
{
    static const struct {
        enum oh_header_id id;
        const char *value, *fields;
    } cases[] = {
        {OH_HEADER_OTHER, "any ((text", "text=any ((text"},
        {OH_HEADER_SUBJECT, "", "text="},
        {OH_HEADER_SERVER, "a/1 (b)", "text=a/1 (b)"},
        {OH_HEADER_EXPIRES, "60;x", "number=60;x"},
        {OH_HEADER_SESSION_EXPIRES, "60;refresher=uac", "number=60;refresher=uac"},
        {OH_HEADER_EVENT, "refer;id=1", "token=refer;id=1"},
        {OH_HEADER_SUPPORTED, "a, b;c=\"d,e\" ,,f", "token=a,token=b;c=d,e,token=f"},
        {OH_HEADER_SUPPORTED, "", ""},
        {OH_HEADER_REQUEST_DISPOSITION, "fork,proxy", "token=fork,token=proxy"},
        {OH_HEADER_PRIVACY, "id;user", "token=id;user"},
        {OH_HEADER_FROM, "\"A, B\" <sip:a@b>;tag=1", "display=\"A, B\" uri=sip:a@b;tag=1"},
        {OH_HEADER_CONTACT, "*", "star=*"},
        {OH_HEADER_CONTACT, "<sip:a;x>;q=1, sip:b", "uri=sip:a;x;q=1,uri=sip:b"},
        {OH_HEADER_CALL_INFO, "<http://a,b>;purpose=icon, <http://c>",
         "uri=http://a,b;purpose=icon,uri=http://c"},
        {OH_HEADER_CONTENT_TYPE, "a/b;c=d", "type=a subtype=b;c=d"},
        {OH_HEADER_ACCEPT, "a/*;q=0, c/d", "type=a subtype=*;q=0,type=c subtype=d"},
        {OH_HEADER_VIA, "SIP/2.0/UDP a:5060;branch=z9hG4bKx, SIP/2.0/TCP b",
         "transport=UDP host=a port=5060;branch=z9hG4bKx,transport=TCP host=b"},
        {OH_HEADER_CSEQ, "1 INVITE", "number=1 method=INVITE"},
        {OH_HEADER_WWW_AUTHENTICATE, "Digest realm=\"a\",nonce=b", "scheme=Digest;realm=a;nonce=b"},
        {OH_HEADER_AUTHORIZATION, "Basic dTpw=", "scheme=Basic data=dTpw="},
        {OH_HEADER_AUTHENTICATION_INFO, "nextnonce=\"x\", qop=auth", "nextnonce=x;qop=auth"},
        {OH_HEADER_CALL_ID, "a@b", "call-id=a@b"},
        {OH_HEADER_IN_REPLY_TO, "a@b, c", "call-id=a@b,call-id=c"},
        {OH_HEADER_REPLACES, "a ;to-tag=1;from-tag=2", "call-id=a;to-tag=1;from-tag=2"},
        {OH_HEADER_DATE, "Sat, 13 Nov 2010 23:29:00 GMT", "date=Sat, 13 Nov 2010 23:29:00 GMT"},
        {OH_HEADER_MIME_VERSION, "1.0", "version=1.0"},
        {OH_HEADER_RETRY_AFTER, "5 (x);duration=3", "number=5 comment=x;duration=3"},
        {OH_HEADER_TIMESTAMP, "5.1 2", "number=5.1 delay=2"},
        {OH_HEADER_WARNING, "399 a \"b, c\", 300 d \"e\"",
         "code=399 agent=a text=b, c,code=300 agent=d text=e"},
        {OH_HEADER_RACK, "1  2 INVITE", "rseq=1 cseq=2 method=INVITE"},
        {OH_HEADER_IDENTITY, "abc;info=<https://a>;alg=ES256",
         "digest=abc info=https://a alg=ES256"},
        {OH_HEADER_ACCEPT_CONTACT, "*;audio", "token=*;audio"},
    };
    bool own[OH_HEADER_COUNT] = {false};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct listing l = {.begun = false};
        struct oh_visitor v = {&l, list_field};
        int rc;

        own[cases[i].id] = true;
        oh_buf_init(&l.b, l.text, sizeof(l.text));
        rc = oh_decode_value(cases[i].id, oh_span_str(cases[i].value), &v, NULL);
        if (rc != OH_OK)
            fail_msg("'%s' gave %s", cases[i].value, oh_error_name(rc));
        if (!oh_span_eq(oh_buf_view(&l.b), oh_span_str(cases[i].fields)))
            fail_msg("'%s' gave '%.*s'", cases[i].value, OH_PRI(oh_buf_view(&l.b)));
    }
    /* Nobody adds a header with a grammar of its own and forgets the walk. */
    for (int id = 1; id < OH_HEADER_COUNT; id++) {
        if (oh_header_info(id)->form == OH_FORM_OWN && !own[id])
            fail_msg("%s is not tested", oh_header_info(id)->name);
    }
}

#define ANYWHERE UINT32_MAX

static void faults(void **state)
{
    static const struct {
        enum oh_header_id id;
        const char *value;
        int code;
        uint32_t at;
    } cases[] = {
        {OH_HEADER_SUPPORTED, "a, b c", OH_E_SYNTAX, 5},
        {OH_HEADER_SUPPORTED, "a, \"b", OH_E_SYNTAX, 2},
        {OH_HEADER_CSEQ, "INVITE", OH_E_SYNTAX, 0},
        {OH_HEADER_CSEQ, "1 INVITE x", OH_E_SYNTAX, 8},
        {OH_HEADER_EXPIRES, "Thu, 01 Dec 1994 16:00:00 GMT", OH_E_SYNTAX, 0},
        {OH_HEADER_ROUTE, "*", OH_E_SYNTAX, 0},
        {OH_HEADER_FROM, "<sip:a>;tag=1;tag=2", OH_E_DUPLICATE, ANYWHERE},
        {OH_HEADER_SUBSCRIPTION_STATE, "active;expires=x", OH_E_SYNTAX, 6},
        {OH_HEADER_REQUEST_DISPOSITION, "fork, no-fork", OH_E_DUPLICATE, 6},
        {OH_HEADER_MIME_VERSION, "x", OH_E_SYNTAX, 0},
        {OH_HEADER_AUTHORIZATION, "Digest x", OH_E_SYNTAX, 7},
        {OH_HEADER_CALL_ID, "a;b;b", OH_E_DUPLICATE, 1},
    };
    size_t n = 0;
    struct oh_visitor v = {&n, count_field};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct oh_fault f = {0};
        int rc = oh_decode_value(cases[i].id, oh_span_str(cases[i].value), &v, &f);

        if (rc != cases[i].code || (cases[i].at != ANYWHERE && f.at != cases[i].at))
            fail_msg("'%s' gave %s at %u", cases[i].value, oh_error_name(rc), f.at);
        assert_int_equal(f.code, rc);
        assert_int_equal(f.header, cases[i].id);
        assert_non_null(f.why);
    }
}

/* Offsets of a row's faults are those of the message. */
static void row_fault(void **state)
{
    struct oh_span raw = OH_LIT("OPTIONS sip:a SIP/2.0\r\nSubject: x\r\nSupported: a, b c\r\n"
                                "Content-Length: 0\r\n\r\n");
    struct oh_msg *m = malloc(sizeof(*m));
    struct oh_fault f = {0};
    size_t used, n = 0;
    struct oh_visitor v = {&n, count_field};

    (void)state;
    assert_int_equal(oh_msg_parse(raw, OH_MSG_DATAGRAM, NULL, m, &used, NULL), OH_OK);
    assert_int_equal(oh_decode_row(m, oh_msg_row(m, OH_HEADER_SUPPORTED), &v, &f), OH_E_SYNTAX);
    assert_memory_equal(raw.p + f.at, "c\r\n", 3);
    assert_int_equal(oh_decode_row(m, oh_msg_row(m, OH_HEADER_SUBJECT), &v, &f), OH_OK);
    assert_int_equal(n, 2);
    free(m);
}

/* accept weighs the most specific range. */
static void accept_q(void **state)
{
    static const struct {
        const char *rows;
        int code;
        uint16_t sdp, plain, xml;
    } cases[] = {
        {"", OH_E_ABSENT, 0, 0, 0},
        {"Accept:\r\n", OH_OK, 0, 0, 0},
        {"Accept: application/sdp\r\n", OH_OK, 1000, 0, 0},
        {"Accept: */*;q=0.5, text/plain;q=0, application/*\r\n", OH_OK, 1000, 0, 1000},
        {"Accept: application/*;q=0.1\r\nAccept: APPLICATION/SDP;q=0.2\r\n", OH_OK, 200, 0, 100},
        {"Accept: ((, text/*\r\n", OH_OK, 0, 1000, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct oh_msg *m = malloc(sizeof(*m));
        char text[256];
        struct oh_buf b;
        size_t used;
        uint16_t sdp = 0, plain = 0, xml = 0;

        oh_buf_init(&b, text, sizeof(text));
        oh_buf_lit(&b, "OPTIONS sip:a SIP/2.0\r\n");
        oh_buf_span(&b, oh_span_str(cases[i].rows));
        oh_buf_lit(&b, "Content-Length: 0\r\n\r\n");
        assert_int_equal(oh_msg_parse(oh_buf_view(&b), OH_MSG_DATAGRAM, NULL, m, &used, NULL),
                         OH_OK);
        assert_int_equal(oh_accept_q(m, OH_LIT("application"), OH_LIT("sdp"), &sdp), cases[i].code);
        oh_accept_q(m, OH_LIT("text"), OH_LIT("plain"), &plain);
        oh_accept_q(m, OH_LIT("application"), OH_LIT("xml"), &xml);
        assert_int_equal(sdp, cases[i].sdp);
        assert_int_equal(plain, cases[i].plain);
        assert_int_equal(xml, cases[i].xml);
        free(m);
    }
}

/* What the RFCs print that is not of the form that RFCs ask for; part is in the value. */
static const struct {
    enum oh_header_id id;
    const char *part;
} known_bad[] = {
    /* Placeholders of the authors. */
    {OH_HEADER_CONTENT_LENGTH, "..."},
    {OH_HEADER_CONTENT_LENGTH, "xxxx"},
    {OH_HEADER_CONTENT_LENGTH, "--"},
    {OH_HEADER_SUBSCRIPTION_STATE, "(depends on Refer-To URI)"},
    {OH_HEADER_REFER_TO, "(whatever URI)"},
    {OH_HEADER_REFER_TO, "(some different URI)"},
    {OH_HEADER_REFER_TO, "<allOneLine>"},
    {OH_HEADER_VIA, "<allOneLine>"},
    /* ". . ." or the next header on an indented line: a continuation by the letter. */
    {OH_HEADER_SERVICE_ROUTE, " . . ."},
    {OH_HEADER_ROUTE, " . . ."},
    {OH_HEADER_PATH, " . . ."},
    {OH_HEADER_CONTACT, " . . ."},
    {OH_HEADER_SUPPORTED, " . . ."},
    {OH_HEADER_ROUTE, "\n Content-Length: 0"},
    /* RFC 3261 23.4.3 lacks a semicolon; others have one too many, or a name broken in two. */
    {OH_HEADER_CONTENT_DISPOSITION, "smime.p7m"},
    {OH_HEADER_CONTACT, ";\r\n ;+sip.instance"},
    {OH_HEADER_FROM, "sip:user1@domain.com;;tag"},
    {OH_HEADER_REPLACES, "from-\r\n tag"},
    {OH_HEADER_CSEQ, "1INVITE"},
    {OH_HEADER_AUTHORIZATION, "example.com\"\r\n nonce"},
    {OH_HEADER_FROM, "1928301774>"},
    /* Cut short by an empty line, or followed by text. */
    {OH_HEADER_PROXY_AUTHORIZATION, "realm=\"biloxi.example.com\","},
    {OH_HEADER_PROXY_AUTHORIZATION, "realm=\"atlanta.example.com\","},
    {OH_HEADER_CONTENT_LENGTH, "Notifier -> Subscriber"},
    /* RFC 7315 prints users in Via. */
    {OH_HEADER_VIA, ";;branch"},
    {OH_HEADER_VIA, "p1@"},
    {OH_HEADER_VIA, "p2@"},
    {OH_HEADER_VIA, "P1@"},
    /* RFC 4474 signatures without their quotes, broken into lines. */
    {OH_HEADER_IDENTITY, "Tm90IGEgcmVhbCBzaWdu"},
    {OH_HEADER_IDENTITY, "CyI4+nAkHrH3ntmaxgr0"},
    /* And with quotes: replaced by RFC 8224. */
    {OH_HEADER_IDENTITY, "\""},
    {OH_HEADER_PROXY_AUTHENTICATE, ".... realm"},
};

struct flows {
    struct oh_msg *m;
    size_t rows, refused, rewritten;
};

static bool is_known(enum oh_header_id id, struct oh_span value)
{
    for (size_t i = 0; i < COUNT(known_bad); i++) {
        const char *part = known_bad[i].part;

        if (known_bad[i].id == id && memmem(value.p, value.n, part, strlen(part)))
            return true;
    }
    return false;
}

/* build(decode(x)) decodes, and building it again changes nothing. */
static void check_rewrite(struct flows *f, enum oh_header_id id, struct oh_span value)
{
    char text[4096], again[4096];
    struct oh_buf b, c;

    oh_buf_init(&b, text, sizeof(text));
    oh_buf_init(&c, again, sizeof(again));
    if (rewrite(id, value, &b, NULL) != OH_OK)
        return;
    assert_int_equal(oh_buf_error(&b), OH_OK);
    assert_int_equal(rewrite(id, oh_buf_view(&b), &c, NULL), OH_OK);
    assert_true(oh_span_eq(oh_buf_view(&b), oh_buf_view(&c)));
    f->rewritten++;
}

/* Every beginning of a value in a block that ends where it ends. */
static void check_cuts(enum oh_header_id id, struct oh_span value)
{
    size_t fields = 0;
    struct oh_visitor v = {&fields, count_field};

    for (size_t n = 0; n <= value.n; n++) {
        struct oh_span cut = exact_copy(oh_span_head(value, n));

        (void)oh_decode_value(id, cut, &v, NULL);
        exact_free(cut);
    }
}

static void flow(void *ctx, const char *name, struct oh_span bytes)
{
    struct flows *f = ctx;
    size_t used, fields = 0;
    struct oh_visitor v = {&fields, count_field};

    /* Lengths are often placeholders; the rows are there all the same. */
    (void)oh_msg_parse(bytes, OH_MSG_DATAGRAM, NULL, f->m, &used, NULL);
    for (unsigned i = 0; i < f->m->rows_n; i++) {
        const struct oh_row *row = &f->m->rows[i];
        struct oh_span value = oh_row_value(f->m, row), one, rest = value;
        struct oh_fault fault = {0};

        f->rows++;
        check_cuts(row->id, value);
        if (oh_decode_row(f->m, row, &v, &fault) != OH_OK) {
            f->refused++;
            if (!is_known(row->id, value))
                print_error("%s: %s: '%.*s': %s\n", name, oh_header_info(row->id)->name,
                            OH_PRI(value), fault.why);
            assert_true(is_known(row->id, value));
            continue;
        }
        if (!oh_header_info(row->id)->list)
            check_rewrite(f, row->id, value);
        else
            while (oh_comma_next(&rest, &one) == OH_OK)
                check_rewrite(f, row->id, one);
    }
}

static void flows(void **state)
{
    struct flows f = {.m = malloc(sizeof(*f.m))};
    size_t files = corpus_walk("corpus/rfc-flows", ".sip", flow, &f);

    (void)state;
    print_message("%zu messages, %zu rows, %zu refused, %zu values rewritten\n", files, f.rows,
                  f.refused, f.rewritten);
    assert_int_equal(files, 805);
    assert_int_equal(f.rows, 6942);
    assert_int_equal(f.refused, 207);
    assert_true(f.rewritten > 3400);
    free(f.m);
}

static void torture(void *ctx, const char *name, struct oh_span bytes)
{
    struct oh_msg *m = ctx;
    size_t used, fields = 0;
    struct oh_visitor v = {&fields, count_field};

    (void)name;
    (void)oh_msg_parse(bytes, OH_MSG_DATAGRAM, NULL, m, &used, NULL);
    for (unsigned i = 0; i < m->rows_n; i++) {
        struct oh_fault fault = {0};

        if (oh_decode_row(m, &m->rows[i], &v, &fault) != OH_OK) {
            assert_non_null(fault.why);
            assert_true(fault.at >= m->rows[i].value);
            assert_true(fault.at <= m->rows[i].value + m->rows[i].value_len);
        }
    }
}

static void tortures(void **state)
{
    struct oh_msg *m = malloc(sizeof(*m));

    (void)state;
    assert_in_range(corpus_walk("corpus/rfc4475", ".dat", torture, m), 49, 60);
    assert_in_range(corpus_walk("corpus/rfc5118", ".dat", torture, m), 10, 40);
    free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_header), cmocka_unit_test(faults), cmocka_unit_test(row_fault),
        cmocka_unit_test(accept_q),    cmocka_unit_test(flows),  cmocka_unit_test(tortures),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
