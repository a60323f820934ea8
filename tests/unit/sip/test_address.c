/* name-addr and addr-spec with header parameters. */
#include <offhook/address.h>

#include "sip_test.h"

/* SYN-004, SYN-014, SYN-015, SYN-021 */
static const struct {
    const char *text, *display, *uri, *tag;
    bool bracketed;
} good[] = {
    {"sip:a@b", "", "sip:a@b", "", false},
    {"sip:a@b;tag=x", "", "sip:a@b", "x", false},
    {"sip:a@b ; tag = x", "", "sip:a@b", "x", false},
    {"\r\n sip:a@b ;   tag    = 1918181833n", "", "sip:a@b", "1918181833n", false},
    {"<sip:a@b;lr?x=y>", "", "sip:a@b;lr?x=y", "", true},
    {"<sip:a@b>;tag=1", "", "sip:a@b", "1", true},
    {"Bob <sip:a@b>", "Bob", "sip:a@b", "", true},
    {"T. Watson\t\r\n <sip:a@b>", "T. Watson", "sip:a@b", "", true},
    {"caller<sip:caller@example.com>;tag=323", "caller", "sip:caller@example.com", "323", true},
    {"\"J Rosenberg \\\\\\\"\"       <sip:j@e>\r\n  ;\r\n  tag = 98asjd8",
     "\"J Rosenberg \\\\\\\"\"", "sip:j@e", "98asjd8", true},
    {"\"<sip:x>\" <sip:a@b>;x=\"<>,;\"", "\"<sip:x>\"", "sip:a@b", "", true},
    {"\"\"<sip:a@b>", "\"\"", "sip:a@b", "", true},
    {"token1~` token2'+_ token3*%!.- <sip:m@e>;p=\"\xd0\xb0\";tag=_token~1'+`*%!-.",
     "token1~` token2'+_ token3*%!.-", "sip:m@e", "_token~1'+`*%!-.", true},
    {"<sip:user;par=u%40example.net@example.com>;TAG=z", "",
     "sip:user;par=u%40example.net@example.com", "z", true},
    {"isbn:2983792873", "", "isbn:2983792873", "", false},
    {"<http://www.example.com>;tag=3234233", "", "http://www.example.com", "3234233", true},
    {"sip:a@b;unknownparam;q=0.1", "", "sip:a@b", "", false},
    {"J\xc3\xb6rg M\xc3\xbcller <sip:a@b>;tag=1", "J\xc3\xb6rg M\xc3\xbcller", "sip:a@b", "1",
     true},
};

static void decode_good(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        struct oh_span exact = exact_copy(oh_span_str(good[i].text));
        struct oh_fault fault = {0};
        struct oh_address a;

        if (oh_address_decode(exact, &a, &fault) != OH_OK)
            fail_msg("%s: %s at %u", good[i].text, fault.why, fault.at);
        assert_text(a.display, good[i].display);
        assert_text(a.uri, good[i].uri);
        assert_text(oh_address_tag(&a), good[i].tag);
        assert_int_equal(a.bracketed, good[i].bracketed);
        assert_false(a.star);
        exact_free(exact);
        for (size_t n = 0; n < strlen(good[i].text); n++) {
            exact = exact_copy(oh_span(good[i].text, n));
            if (oh_address_decode(exact, &a, NULL) == OH_OK)
                assert_true(a.uri.n > 0 && a.uri.p >= exact.p &&
                            a.uri.p + a.uri.n <= exact.p + exact.n);
            exact_free(exact);
        }
    }
}

/* SYN-014, SYN-015, SYN-032 */
static void decode_bad(void **state)
{
    static const struct {
        const char *text;
        int code;
        uint32_t at;
    } cases[] = {
        {"", OH_E_SYNTAX, 0},
        {"   ", OH_E_SYNTAX, 3},
        {"<>", OH_E_SYNTAX, 0},
        {"<sip:a@b", OH_E_SYNTAX, 0},
        {"Bob sip:a@b", OH_E_SYNTAX, 4},
        {"\"Mr. J. User <sip:j.user@example.com>", OH_E_SYNTAX, 0},
        {"\"Bob\" sip:a@b", OH_E_SYNTAX, 6},
        {"Bell, Alexander <sip:a.g.bell@example.com>;tag=43", OH_E_SYNTAX, 4},
        {"Watson (home) <sip:a@b>", OH_E_SYNTAX, 7},
        {"sip:a@b?Route=%3Csip:x%3E", OH_E_SYNTAX, 7},
        {"sip:a,b@c", OH_E_SYNTAX, 5},
        {"<sip:a@b>x", OH_E_SYNTAX, 9},
        {"<sip:a@b>;;", OH_E_SYNTAX, 9},
        {"<sip:a@b>;tag=", OH_E_SYNTAX, 9},
        {"<sip:a@b>;tag=a;tag=b", OH_E_DUPLICATE, 21},
        {"sip:a@b;x=1;X=2", OH_E_DUPLICATE, 15},
        {"sip:a@b\r\nx", OH_E_SYNTAX, 7},
        {"<sip:a@b>,<sip:c@d>", OH_E_SYNTAX, 9},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct oh_span exact = exact_copy(oh_span_str(cases[i].text));
        struct oh_fault fault = {0};
        struct oh_address a = {.star = true};
        int rc = oh_address_decode(exact, &a, &fault);

        if (rc != cases[i].code || fault.at != cases[i].at)
            fail_msg("'%s': %d at %u (%s), want %u", cases[i].text, rc, fault.at, fault.why,
                     cases[i].at);
        assert_non_null(fault.why);
        assert_true(a.star); /* not written on failure */
        exact_free(exact);
    }
}

static void star(void **state)
{
    struct oh_address a;

    (void)state;
    assert_int_equal(oh_address_decode(OH_LIT("*"), &a, NULL), OH_OK);
    assert_true(a.star && !a.uri.n && !a.params.n && !a.display.n);
    assert_int_equal(oh_address_decode(OH_LIT(" \r\n * "), &a, NULL), OH_OK);
    assert_true(a.star);
    assert_int_equal(oh_address_decode(OH_LIT("* <sip:a@b>"), &a, NULL), OH_OK);
    assert_false(a.star);
    assert_text(a.display, "*");
}

/* SYN-039: a display name from anywhere becomes one quoted-string, never a row. */
static void put(void **state)
{
    static const char *const cases[][2] = {
        {"", "<sip:a@b>"},
        {"Bob", "Bob <sip:a@b>"},
        {"Bob B.", "Bob B. <sip:a@b>"},
        {" Bob", "\" Bob\" <sip:a@b>"},
        {"Bob ", "\"Bob \" <sip:a@b>"},
        {"Bell, A", "\"Bell, A\" <sip:a@b>"},
        {"a\"\r\nX: y", "\"a\\\"X: y\" <sip:a@b>"},
        {"a\\b", "\"a\\\\b\" <sip:a@b>"},
        {"\xc3\xb6", "\"\xc3\xb6\" <sip:a@b>"},
    };
    char text[128];
    struct oh_buf out;
    struct oh_address a;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        oh_buf_init(&out, text, sizeof(text));
        oh_address_put(&out, oh_span_str(cases[i][0]), OH_LIT("sip:a@b"));
        assert_text(oh_buf_view(&out), cases[i][1]);
        assert_int_equal(oh_address_decode(oh_buf_view(&out), &a, NULL), OH_OK);
        assert_text(a.uri, "sip:a@b");
    }
}

/* SYN-012, SYN-038 */
static void contact(void **state)
{
    static const struct {
        const char *text;
        int code;
        bool has_q, has_expires;
        unsigned q;
        uint32_t expires;
    } cases[] = {
        {"<sip:a@b>", OH_OK, false, false, 1000, 0},
        {"<sip:a@b>;q=0", OH_OK, true, false, 0, 0},
        {"<sip:a@b>;q=1", OH_OK, true, false, 1000, 0},
        {"<sip:a@b>;q=1.", OH_OK, true, false, 1000, 0},
        {"<sip:a@b>;q=1.000", OH_OK, true, false, 1000, 0},
        {"<sip:a@b>;Q=0.5", OH_OK, true, false, 500, 0},
        {"<sip:a@b>;q=0.33;expires=60", OH_OK, true, true, 330, 60},
        {"<sip:a@b>;q=0.001", OH_OK, true, false, 1, 0},
        {"<sip:a@b>;q=1.5", OH_E_SYNTAX, false, false, 0, 0},
        {"<sip:a@b>;q=1.001", OH_E_SYNTAX, false, false, 0, 0},
        {"<sip:a@b>;q=2", OH_E_SYNTAX, false, false, 0, 0},
        {"<sip:a@b>;q=0.0001", OH_E_SYNTAX, false, false, 0, 0},
        {"<sip:a@b>;q=-1", OH_E_SYNTAX, false, false, 0, 0},
        {"<sip:a@b>;q=.5", OH_E_SYNTAX, false, false, 0, 0},
        {"<sip:a@b>;q=0x1", OH_E_SYNTAX, false, false, 0, 0},
        {"<sip:a@b>;q", OH_E_SYNTAX, false, false, 0, 0},
        {"<sip:a@b>;q=\"0.5\"", OH_E_SYNTAX, false, false, 0, 0},
        {"sip:a@b;expires=0", OH_OK, false, true, 1000, 0},
        {"sip:a@b;EXPIRES=4294967295", OH_OK, false, true, 1000, UINT32_MAX},
        {"sip:a@b;expires=4294967296", OH_OK, false, true, 1000, UINT32_MAX},
        {"sip:a@b;expires=99999999999999999999999", OH_OK, false, true, 1000, UINT32_MAX},
        {"sip:a@b;expires=-5", OH_OK, false, true, 1000, 3600},
        {"sip:a@b;expires=1e100", OH_OK, false, true, 1000, 3600},
        {"sip:a@b;expires", OH_OK, false, true, 1000, 3600},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct oh_contact_params c = {.q = 4711};
        struct oh_address a;

        assert_int_equal(oh_address_decode(oh_span_str(cases[i].text), &a, NULL), OH_OK);
        if (oh_contact_params(&a, &c) != cases[i].code)
            fail_msg("%s", cases[i].text);
        if (cases[i].code != OH_OK) {
            assert_int_equal(c.q, 4711);
            continue;
        }
        assert_int_equal(c.has_q, cases[i].has_q);
        assert_int_equal(c.q, cases[i].q);
        assert_int_equal(c.has_expires, cases[i].has_expires);
        assert_int_equal(c.expires, cases[i].expires);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decode_good), cmocka_unit_test(decode_bad), cmocka_unit_test(star),
        cmocka_unit_test(put),         cmocka_unit_test(contact),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
