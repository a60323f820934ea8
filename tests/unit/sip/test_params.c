/* The lexical units, and ";name=value" lists on top of them. */
#include <offhook/params.h>

#include "sip/lex.h"
#include "sip_test.h"

/* The table of classes against the grammar of RFC 3261 25.1, written out a second time. */
static void classes(void **state)
{
    static const char mark[] = "-_.!~*'()";
    static const struct {
        unsigned set;
        const char *others; /* besides letters and digits */
        bool alnum;
    } rules[] = {
        {OH__C_TOKEN, "-.!%*_+`'~", true},
        {OH__C_WORD, "-.!%*_+`'~()<>:\\\"/[]?{}", true},
        {OH__C_DIGIT, "", false},
        {OH__C_WSP, " \t", false},
        {OH__C_LWS, " \t\r\n", false},
        {OH__C_USER, "-_.!~*'()&=+$,;?/#", true},
        {OH__C_PASS, "-_.!~*'()&=+$,", true},
        {OH__C_PARAM, "-_.!~*'()[]/:&+$", true},
        {OH__C_HEADER, "-_.!~*'()[]/?:+$", true},
        {OH__C_LABEL, "-_", true},
        {OH__C_VALUE, "-.!%*_+`'~[]:", true},
        {OH__C_SCHEME, "+-.", true},
        {OH__C_URI, "-_.!~*'();/?:@&=+$,[]%#", true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rules); i++)
        for (int c = 0; c < 256; c++) {
            bool alpha = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
            bool digit = c >= '0' && c <= '9';
            bool want = (rules[i].alnum && (alpha || digit)) ||
                        (rules[i].set == OH__C_DIGIT && digit) ||
                        (c && strchr(rules[i].others, c) != NULL);

            if (oh__is((char)c, rules[i].set) != want)
                fail_msg("byte 0x%02x in set 0x%x: want %d", (unsigned)c, rules[i].set, want);
            assert_int_equal(oh__is((char)c, OH__C_ALPHA), alpha);
            assert_int_equal(oh__is((char)c, OH__C_HEX), oh__hex_value((char)c) >= 0);
            assert_int_equal(oh__is((char)c, OH__C_QTEXT),
                             c == '\t' || c >= 0x80 ||
                                 (c >= ' ' && c != '"' && c != '\\' && c != 0x7f));
        }
    for (size_t i = 0; mark[i]; i++)
        assert_true(oh__is(mark[i], OH__C_USER) && oh__is(mark[i], OH__C_PARAM));
}

static void quoted(void **state)
{
    static const struct {
        struct oh_span text;
        bool ok;
        const char *inside, *rest;
    } cases[] = {
        {OH_LIT("\"\""), true, "", ""},
        {OH_LIT("\"a b\"x"), true, "a b", "x"},
        {OH_LIT("\"a\\\"b\\\\\";"), true, "a\\\"b\\\\", ";"},
        {OH_LIT("\"a\r\n b\""), true, "a\r\n b", ""},
        {OH_LIT("\"\xd1\x80\tz\""), true, "\xd1\x80\tz", ""},
        {OH_LIT("\"a"), false, NULL, "\"a"},
        {OH_LIT("\"a\\\""), false, NULL, "\"a\\\""},
        {OH_LIT("\"a\r\nb\""), false, NULL, "\"a\r\nb\""},
        {OH_LIT("\"a\nb\""), false, NULL, "\"a\nb\""},
        {OH_LIT("\"a\\\r\n b\""), false, NULL, "\"a\\\r\n b\""},
        {OH_LIT("\"\x01\""), false, NULL, "\"\x01\""},
        {OH_LIT("\"\x7f\""), false, NULL, "\"\x7f\""},
        {OH_LIT("a\"b\""), false, NULL, "a\"b\""},
        {OH_LIT(""), false, NULL, ""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct oh_span exact = exact_copy(cases[i].text), rest = exact, inside;

        assert_int_equal(oh__lex_quoted(&rest, &inside), cases[i].ok);
        assert_text(rest, cases[i].rest);
        if (cases[i].ok)
            assert_text(inside, cases[i].inside);
        exact_free(exact);
    }
}

static void numbers(void **state)
{
    static const struct {
        const char *text;
        uint64_t max, value;
        const char *rest;
        bool ok;
    } cases[] = {
        {"0", 9, 0, "", true},
        {"007x", 9, 7, "x", true},
        {"4294967295", UINT32_MAX, UINT32_MAX, "", true},
        {"4294967296", UINT32_MAX, UINT64_C(4294967296), "", true},
        {"99999999999999999999", UINT32_MAX, UINT64_C(4294967296), "", true},
        {"18446744073709551617;", UINT32_MAX, UINT64_C(4294967296), ";", true},
        {"00000000000000000000000001", UINT32_MAX, 1, "", true},
        {"18446744073709551614", UINT64_MAX - 1, UINT64_MAX - 1, "", true},
        {"18446744073709551615", UINT64_MAX - 1, UINT64_MAX, "", true},
        {"-1", 9, 0, "-1", false},
        {"+1", 9, 0, "+1", false},
        {"", 9, 0, "", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct oh_span rest = oh_span_str(cases[i].text);
        uint64_t v = 4711;

        assert_int_equal(oh__lex_number(&rest, cases[i].max, &v), cases[i].ok);
        assert_int_equal(v, cases[i].ok ? cases[i].value : 4711);
        assert_text(rest, cases[i].rest);
    }
}

static void white_space(void **state)
{
    struct oh_span s = OH_LIT(" \t\r\n \r\n\tx");

    (void)state;
    oh__lex_lws(&s);
    assert_text(s, "x");
    s = OH_LIT(" \r\nx"); /* a line end, not a fold */
    oh__lex_lws(&s);
    assert_text(s, "\r\nx");
    s = OH_LIT("\r\n");
    oh__lex_lws(&s);
    assert_text(s, "\r\n");
    s = OH_LIT(" \r\n =\r\n  v");
    assert_true(oh__lex_sep(&s, '='));
    assert_text(s, "v");
    s = OH_LIT("  v");
    assert_false(oh__lex_sep(&s, '='));
    assert_text(s, "  v");
}

/* SYN-032: walking a list; "-" in `want` is a flag. */
static void walk(void **state)
{
    static const struct {
        const char *text;
        int end;
        const char *want;
    } cases[] = {
        {"", OH_E_ABSENT, ""},
        {"  \r\n ", OH_E_ABSENT, ""},
        {";a", OH_E_ABSENT, "a=-|"},
        {";a=b;c;d=\"e f\"", OH_E_ABSENT, "a=b|c=-|d=e f|"},
        {" ; a = b ; c \t;\r\n d\r\n =\r\n \"\"  ", OH_E_ABSENT, "a=b|c=-|d=|"},
        {";r=[2001:db8::1];s=2001:db8::9:255", OH_E_ABSENT, "r=[2001:db8::1]|s=2001:db8::9:255|"},
        {";n%61me=value%41", OH_E_ABSENT, "n%61me=value%41|"},
        {";", OH_E_SYNTAX, ""},
        {";;", OH_E_SYNTAX, ""},
        {";a;", OH_E_SYNTAX, "a=-|"},
        {";a=", OH_E_SYNTAX, ""},
        {";a=;b", OH_E_SYNTAX, ""},
        {";=b", OH_E_SYNTAX, ""},
        {"a=b", OH_E_SYNTAX, ""},
        {";a=b c", OH_E_SYNTAX, "a=b|"},
        {";a=\"b", OH_E_SYNTAX, ""},
        {";a=\"b\"c", OH_E_SYNTAX, "a=b|"},
        {";a=b,c", OH_E_SYNTAX, "a=b|"},
        {";a=<b>", OH_E_SYNTAX, ""},
        {";a\r\nb", OH_E_SYNTAX, "a=-|"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct oh_span exact = exact_copy(oh_span_str(cases[i].text)), rest = exact;
        char text[128];
        struct oh_buf out;
        struct oh_param p;
        int rc;

        oh_buf_init(&out, text, sizeof(text));
        while ((rc = oh_param_next(&rest, &p)) == OH_OK) {
            oh_buf_span(&out, p.name);
            oh_buf_char(&out, '=');
            oh_buf_span(&out, p.value.p ? p.value : OH_LIT("-"));
            oh_buf_char(&out, '|');
        }
        assert_int_equal(rc, cases[i].end);
        assert_text(oh_buf_view(&out), cases[i].want);
        assert_int_equal(oh_params_check(exact), cases[i].end == OH_E_ABSENT ? OH_OK : OH_E_SYNTAX);
        exact_free(exact);
    }
}

static void find_and_check(void **state)
{
    struct oh_span value = {NULL, 0};
    char text[1024];
    size_t n = 0;

    (void)state;
    assert_true(oh_param_find(OH_LIT(";a=1;Tag=x;b"), OH_LIT("tag"), &value));
    assert_text(value, "x");
    assert_true(oh_param_find(OH_LIT(";a;b"), OH_LIT("B"), &value));
    assert_null(value.p);
    assert_true(oh_param_find(OH_LIT(";a"), OH_LIT("a"), NULL));
    assert_false(oh_param_find(OH_LIT(";a=b"), OH_LIT("b"), NULL));
    assert_int_equal(oh_params_check(OH_LIT(";a;b;a=1")), OH_E_DUPLICATE);
    assert_int_equal(oh_params_check(OH_LIT(";branch=a;Branch=b")), OH_E_DUPLICATE);
    /* SEC-004: sixty-four are fine, one more is not. */
    for (int i = 0; i < 64; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, ";p%d", i);
    assert_int_equal(oh_params_check(oh_span(text, n)), OH_OK);
    n += (size_t)snprintf(text + n, sizeof(text) - n, ";last");
    assert_int_equal(oh_params_check(oh_span(text, n)), OH_E_LIMIT);
}

static void unquote(void **state)
{
    static const char *const cases[][2] = {
        {"", ""},       {"ab", "ab"},   {"a\\\"b", "a\"b"},
        {"\\\\", "\\"}, {"a\\", "a\\"}, {"\\a\\b", "ab"},
    };
    char text[64];
    struct oh_buf out;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        oh_buf_init(&out, text, sizeof(text));
        oh_unquote(oh_span_str(cases[i][0]), &out);
        assert_text(oh_buf_view(&out), cases[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes),     cmocka_unit_test(quoted), cmocka_unit_test(numbers),
        cmocka_unit_test(white_space), cmocka_unit_test(walk),   cmocka_unit_test(find_and_check),
        cmocka_unit_test(unquote),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
