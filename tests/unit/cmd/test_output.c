/* What strangers wrote must not reach a terminal as it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cmd/output.h"

static void check(const char *text, size_t n, const char *want)
{
    char *got = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&got, &size);

    assert_non_null(to);
    oh__put(to, oh_span(text, n));
    fclose(to);
    assert_string_equal(got, want);
    free(got);
}

static void test_escapes(void **state)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"", ""},
        {"plain ~ text", "plain ~ text"},
        {"a\nb\r\tc", "a\\x0ab\\x0d\\x09c"},
        {"\033[31mred", "\\x1b[31mred"},
        {"\x7f", "\\x7f"},
        {"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x93\x9e", "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x93\x9e"},
        {"\xc2\x9b"
         "31m",
         "\\xc2\\x9b31m"},                            /* C1: CSI */
        {"\xc0\xaf", "\\xc0\\xaf"},                   /* overlong */
        {"\xe0\x80\xaf", "\\xe0\\x80\\xaf"},          /* overlong */
        {"\xed\xa0\x80", "\\xed\\xa0\\x80"},          /* surrogate */
        {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"}, /* beyond the last character */
        {"\xe2\x82", "\\xe2\\x82"},                   /* cut */
        {"\xff\xfe", "\\xff\\xfe"},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++)
        check(cases[i].text, strlen(cases[i].text), cases[i].want);
    check("a\0b", 3, "a\\x00b");
}

static void test_width(void **state)
{
    (void)state;
    assert_int_equal(oh__width(OH_LIT("abc")), 3);
    assert_int_equal(oh__width(OH_LIT("caf\xc3\xa9")), 4);
    assert_int_equal(oh__width(OH_LIT("\033x")), 5);
}

static void test_sheet(void **state)
{
    static const char *const heads[] = {"who", "what"};
    struct oh__sheet sheet;
    char *got = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&got, &size);

    (void)state;
    assert_non_null(to);
    oh__sheet_init(&sheet, 2, heads);
    oh__sheet_add(&sheet, "caf\xc3\xa9s");
    oh__sheet_add(&sheet, "1");
    oh__sheet_add(&sheet, NULL);
    oh__sheet_add(&sheet, "2");
    assert_true(oh__sheet_print(&sheet, to));
    fflush(to);
    assert_string_equal(got, "who    what\ncaf\xc3\xa9s  1\n       2\n");
    for (unsigned i = 0; i < 2000; i++)
        oh__sheet_add(&sheet, "x");
    assert_true(oh__sheet_print(&sheet, to));
    oh__sheet_done(&sheet);
    fclose(to);
    free(got);
}

static void test_words(void **state)
{
    char out[OH__WORDS_MAX];

    (void)state;
    assert_string_equal(oh__words_duration(0, out), "0 s");
    assert_string_equal(oh__words_duration(59, out), "59 s");
    assert_string_equal(oh__words_duration(3599, out), "59 min 59 s");
    assert_string_equal(oh__words_duration(86399, out), "23 h 59 min");
    assert_string_equal(oh__words_duration(90000, out), "1 d 1 h");
    assert_string_equal(oh__words_bytes(1023, out), "1023 B");
    assert_string_equal(oh__words_bytes(1536, out), "1.5 KiB");
    assert_string_equal(oh__words_bytes(UINT64_C(3) << 40, out), "3.0 TiB");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_escapes),
        cmocka_unit_test(test_width),
        cmocka_unit_test(test_sheet),
        cmocka_unit_test(test_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
