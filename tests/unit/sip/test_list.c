/* Values over rows and commas, tokens in lists, numbers, unknown headers by name. */
#include <offhook/msg.h>

#include "sip_test.h"

#define START "OPTIONS sip:a@b SIP/2.0\r\n"

/* Walks a list and writes value| for each, then the code that ended it. */
static void assert_list(const char *rows, enum oh_header_id id, const char *want, int end)
{
    char text[512], out_text[512];
    struct oh_list it = {0};
    struct oh_span value;
    struct oh_buf out;
    struct oh_msg m;
    int rc;

    snprintf(text, sizeof(text), START "%s\r\n", rows);
    read_message(text, &m);
    oh_buf_init(&out, out_text, sizeof(out_text));
    while ((rc = oh_list_next(&m, id, &it, &value)) == OH_OK) {
        oh_buf_span(&out, value);
        oh_buf_char(&out, '|');
    }
    assert_text(oh_buf_view(&out), want);
    assert_int_equal(rc, end);
    assert_int_equal(oh_list_next(&m, id, &it, &value), end); /* the end stays the end */
}

/* SYN-005: rows and commas in any mix; order is kept, empty elements are skipped. */
static void lists(void **state)
{
    (void)state;
    assert_list("", OH_HEADER_VIA, "", OH_E_ABSENT);
    assert_list("Via: a\r\nv:b , c\r\nX: y\r\nVIA :\r\n d\r\n ,\r\n e\r\n", OH_HEADER_VIA,
                "a|b|c|d|e|", OH_E_ABSENT);
    assert_list("Allow:\r\nAllow: ,, ,\r\nAllow: ,A,,B,\r\n", OH_HEADER_ALLOW, "A|B|", OH_E_ABSENT);
    assert_list("Contact: \"a,b\" <sip:c,d@e;x=\"> ;q=\",\",<sip:f>\r\n", OH_HEADER_CONTACT,
                "\"a,b\" <sip:c,d@e;x=\"> ;q=\",\"|<sip:f>|", OH_E_ABSENT);
    assert_list("Contact: \"a\\\",b\" <sip:c>, *\r\n", OH_HEADER_CONTACT, "\"a\\\",b\" <sip:c>|*|",
                OH_E_ABSENT);
    assert_list("Contact: <sip:a>, \"b <sip:c>\r\nContact: <sip:d>\r\n", OH_HEADER_CONTACT,
                "<sip:a>|", OH_E_SYNTAX);
    assert_list("Contact: <sip:a>, <sip:b\r\n", OH_HEADER_CONTACT, "<sip:a>|", OH_E_SYNTAX);
}

static void commas(void **state)
{
    static const struct {
        const char *text, *value, *rest;
        int code;
    } cases[] = {
        {"", NULL, "", OH_E_ABSENT},
        {" , ,\r\n ,", NULL, "", OH_E_ABSENT},
        {"a", "a", "", OH_OK},
        {" a ,b", "a", "b", OH_OK},
        {"a\r\n , b", "a", " b", OH_OK},
        {",,a,,b", "a", ",b", OH_OK},
        {"a;b=\",\",c", "a;b=\",\"", "c", OH_OK},
        {"<,>,c", "<,>", "c", OH_OK},
        {"<\">,c", "<\">", "c", OH_OK},
        {"\"<\",c", "\"<\"", "c", OH_OK},
        {"a>,c", "a>", "c", OH_OK},
        {"\"a", NULL, "\"a", OH_E_SYNTAX},
        {"<a", NULL, "<a", OH_E_SYNTAX},
        {"a,\"", "a", "\"", OH_OK},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct oh_span exact = exact_copy(oh_span_str(cases[i].text)), rest = exact, value;

        assert_int_equal(oh_comma_next(&rest, &value), cases[i].code);
        assert_text(rest, cases[i].rest);
        if (cases[i].code == OH_OK)
            assert_text(value, cases[i].value);
        exact_free(exact);
    }
}

static void tokens(void **state)
{
    struct oh_msg m;

    (void)state;
    read_message(START "Supported: replaces,\r\n timer\r\nk: 100Rel\r\n"
                       "Accept-Encoding: gzip;q=0.5, x y\r\nAllow: INVITE, \"x\", BYE\r\n\r\n",
                 &m);
    assert_true(oh_msg_has_token(&m, OH_HEADER_SUPPORTED, OH_LIT("timer")));
    assert_true(oh_msg_has_token(&m, OH_HEADER_SUPPORTED, OH_LIT("100rel")));
    assert_false(oh_msg_has_token(&m, OH_HEADER_SUPPORTED, OH_LIT("time")));
    assert_false(oh_msg_has_token(&m, OH_HEADER_SUPPORTED, OH_LIT("timers")));
    assert_false(oh_msg_has_token(&m, OH_HEADER_REQUIRE, OH_LIT("timer")));
    assert_true(oh_msg_has_token(&m, OH_HEADER_ACCEPT_ENCODING, OH_LIT("GZIP")));
    assert_false(oh_msg_has_token(&m, OH_HEADER_ACCEPT_ENCODING, OH_LIT("x")));
    assert_true(oh_msg_has_token(&m, OH_HEADER_ALLOW, OH_LIT("BYE")));
}

/* SYN-012: too large is the largest; a sign, a letter or nothing is no number. */
static void numbers(void **state)
{
    static const struct {
        const char *value;
        int code;
        uint32_t want;
    } cases[] = {
        {"0", OH_OK, 0},
        {"0600", OH_OK, 600},
        {"4294967295", OH_OK, UINT32_MAX},
        {"4294967296", OH_OK, UINT32_MAX},
        {"100000000000000000000000000000000000", OH_OK, UINT32_MAX},
        {"4000;refresher=uac", OH_OK, 4000},
        {"60 ; x", OH_OK, 60},
        {"60 (later)", OH_OK, 60},
        {"", OH_E_SYNTAX, 0},
        {"-1", OH_E_SYNTAX, 0},
        {"+1", OH_E_SYNTAX, 0},
        {"1e100", OH_E_SYNTAX, 0},
        {"1 2", OH_E_SYNTAX, 0},
        {"1, 2", OH_E_SYNTAX, 0},
    };
    char text[256];
    struct oh_msg m;
    uint32_t v;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        v = 4711;
        snprintf(text, sizeof(text), START "Expires: %s\r\n\r\n", cases[i].value);
        read_message(text, &m);
        if (oh_msg_number(&m, OH_HEADER_EXPIRES, &v) != cases[i].code)
            fail_msg("'%s'", cases[i].value);
        assert_int_equal(v, cases[i].code == OH_OK ? cases[i].want : 4711);
    }
    assert_int_equal(oh_msg_number(&m, OH_HEADER_MIN_EXPIRES, &v), OH_E_ABSENT);
}

/* What one call gives of a list of addresses, in order, is what three calls give. */
static void addresses(void **state)
{
    static const struct {
        int code;
        const char *value, *uri, *tag;
        uint32_t at; /* of the fault */
    } want[] = {
        {OH_OK, "<sip:a@b;lr>", "sip:a@b;lr", "", 0},
        {OH_OK, "\"x, y\" <sip:c>;tag=1", "sip:c", "1", 0},
        {OH_OK, "sip:d@e;tag=2", "sip:d@e", "2",
         0}, /* without brackets the parameter is not the URI's */
        {OH_E_SYNTAX, NULL, NULL, NULL, 9},
        {OH_E_DUPLICATE, NULL, NULL, NULL, 11},
        {OH_OK, "*", "", "", 0},
        {OH_OK, "<http://h/;p,q>", "http://h/;p,q", "", 0},
        {OH_E_SYNTAX, NULL, NULL, NULL, 0}, /* never closed: no walk gets past it */
        {OH_E_SYNTAX, NULL, NULL, NULL, 0},
    };
    struct oh_msg_address a;
    struct oh_list it = {0};
    struct oh_fault fault;
    struct oh_msg m;

    (void)state;
    read_message(START "Contact: <sip:a@b;lr> ,, \"x, y\" <sip:c>;tag=1,sip:d@e;tag=2\r\n"
                       "m: ,\r\nm: x <sip:a@>, <sip:g>;a;a,*\r\n"
                       "m: <http://h/;p,q>, <sip:h\r\n\r\n",
                 &m);
    for (size_t i = 0; i < COUNT(want); i++) {
        assert_int_equal(oh_msg_address_next(&m, OH_HEADER_CONTACT, &it, &a, &fault), want[i].code);
        if (want[i].code != OH_OK) {
            assert_int_equal(fault.code, want[i].code);
            assert_int_equal(fault.at, want[i].at);
            assert_non_null(fault.why);
            continue;
        }
        assert_text(a.value, want[i].value);
        assert_text(a.address.uri, want[i].uri);
        assert_text(a.uri.text, want[i].uri);
        assert_text(a.tag, want[i].tag);
    }
    it = (struct oh_list){0};
    assert_int_equal(oh_msg_address_next(&m, OH_HEADER_ROUTE, &it, &a, NULL), OH_E_ABSENT);
}

/* SYN-007: unknown headers can be found by name, each row in turn. */
static void others(void **state)
{
    const struct oh_row *row;
    struct oh_msg m;

    (void)state;
    read_message(START "X-A: 1\r\nTo: x\r\nx-b: 2\r\nx-a: 3\r\nX-AB: 4\r\n\r\n", &m);
    row = oh_msg_other(&m, OH_LIT("X-a"), NULL);
    assert_text(oh_row_value(&m, row), "1");
    row = oh_msg_other(&m, OH_LIT("X-a"), row);
    assert_text(oh_row_value(&m, row), "3");
    assert_null(oh_msg_other(&m, OH_LIT("X-a"), row));
    assert_null(oh_msg_other(&m, OH_LIT("To"), NULL));
    assert_text(oh_msg_value(&m, OH_HEADER_TO), "x");
    assert_null(oh_msg_value(&m, OH_HEADER_FROM).p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists),   cmocka_unit_test(commas), cmocka_unit_test(tokens),
        cmocka_unit_test(numbers), cmocka_unit_test(others), cmocka_unit_test(addresses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
