#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <offhook/error.h>
#include <offhook/span.h>

#include "base/word.h"

static void makes_spans(void **state)
{
    struct oh_span s = OH_LIT("ab\0c");
    (void)state;

    assert_int_equal(s.n, 4);
    assert_int_equal(oh_span_str("abc").n, 3);
    assert_int_equal(oh_span_str("").n, 0);
    assert_int_equal(oh_span_str(NULL).n, 0);
    assert_null(oh_span_str(NULL).p);
}

static void compares_bytes(void **state)
{
    (void)state;
    assert_true(oh_span_eq(OH_LIT(""), oh_span(NULL, 0)));
    assert_true(oh_span_eq(oh_span(NULL, 0), oh_span(NULL, 0)));
    assert_true(oh_span_eq(OH_LIT("abc"), OH_LIT("abc")));
    assert_false(oh_span_eq(OH_LIT("abc"), OH_LIT("abC")));
    assert_false(oh_span_eq(OH_LIT("abc"), OH_LIT("ab")));
    assert_false(oh_span_eq(OH_LIT("a\0b"), OH_LIT("a\0c")));
}

/* What folding means, one byte at a time and from the standard's words alone. */
static int slow_fold(int c)
{
    return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
}

static void folds_exactly_the_letters(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        assert_int_equal(oh__fold((char)c), slow_fold(c));
        /* In each of the eight places, between neighbours that could disturb it by a carry. */
        for (int place = 0; place < 8; place++) {
            for (int around = 0; around < 256; around += 5) {
                unsigned char in[8], out[8];
                uint64_t v;

                memset(in, around, sizeof(in));
                in[place] = (unsigned char)c;
                v = oh__fold64(oh__load64(in));
                memcpy(out, &v, sizeof(v));
                for (int i = 0; i < 8; i++)
                    assert_int_equal(out[i], slow_fold(in[i]));
            }
        }
    }
}

static void words_are_little_endian(void **state)
{
    unsigned char b[9] = {0, 1, 2, 3, 4, 5, 6, 7, 8};
    unsigned char out[9] = {0};
    (void)state;

    assert_true(oh__load64le(b + 1) == UINT64_C(0x0807060504030201));
    oh__store64le(out + 1, UINT64_C(0x0807060504030201));
    assert_memory_equal(out, b, sizeof(b));
}

/* Every length around the word size, and a difference in every place. */
static void compares_without_case(void **state)
{
    char a[40], b[40];
    (void)state;

    assert_true(oh_span_ieq(oh_span(NULL, 0), OH_LIT("")));
    assert_false(oh_span_ieq(OH_LIT("a"), OH_LIT("ab")));
    for (size_t n = 1; n <= 33; n++) {
        for (size_t i = 0; i < n; i++) {
            a[i] = (char)('a' + i % 26);
            b[i] = (char)(i % 3 ? a[i] : a[i] - 32);
        }
        assert_true(oh_span_ieq(oh_span(a, n), oh_span(b, n)));
        assert_int_equal(oh_span_icmp(oh_span(a, n), oh_span(b, n)), 0);
        for (size_t i = 0; i < n; i++) {
            char kept = b[i];

            b[i] = '{'; /* the byte after 'z', and not '[' with another bit 5 */
            assert_false(oh_span_ieq(oh_span(a, n), oh_span(b, n)));
            assert_int_equal(oh_span_icmp(oh_span(a, n), oh_span(b, n)), -1);
            assert_int_equal(oh_span_icmp(oh_span(b, n), oh_span(a, n)), 1);
            b[i] = kept;
        }
    }
}

static void keeps_apart_what_is_no_letter(void **state)
{
    (void)state;
    /* Pairs that differ in bit 5 alone, as letters of two cases do. */
    assert_false(oh_span_ieq(OH_LIT("@"), OH_LIT("`")));
    assert_false(oh_span_ieq(OH_LIT("["), OH_LIT("{")));
    assert_false(oh_span_ieq(OH_LIT("\xc4"), OH_LIT("\xe4")));
    assert_false(oh_span_ieq(OH_LIT("aaaaaaa["), OH_LIT("aaaaaaa{")));
    assert_false(oh_span_ieq(OH_LIT("aaaaaaa\xc4"), OH_LIT("aaaaaaa\xe4")));
}

static void orders_without_case(void **state)
{
    (void)state;
    assert_int_equal(oh_span_icmp(oh_span(NULL, 0), OH_LIT("")), 0);
    assert_int_equal(oh_span_icmp(OH_LIT(""), OH_LIT("a")), -1);
    assert_int_equal(oh_span_icmp(OH_LIT("ab"), OH_LIT("A")), 1);
    assert_int_equal(oh_span_icmp(OH_LIT("B"), OH_LIT("a")), 1);
    assert_int_equal(oh_span_icmp(OH_LIT("a"), OH_LIT("\xff")), -1);
}

static void finds_a_byte(void **state)
{
    (void)state;
    assert_int_equal(oh_span_find(oh_span(NULL, 0), 'a'), -1);
    assert_int_equal(oh_span_find(OH_LIT("abcb"), 'b'), 1);
    assert_int_equal(oh_span_find(OH_LIT("abcb"), 'x'), -1);
    assert_int_equal(oh_span_find(OH_LIT("a\0b"), 'b'), 2);
    assert_int_equal(oh_span_find(OH_LIT("a\xff"), '\xff'), 1);
}

static void cuts_parts(void **state)
{
    struct oh_span s = OH_LIT("abcd");
    (void)state;

    assert_true(oh_span_eq(oh_span_from(s, 0), s));
    assert_true(oh_span_eq(oh_span_from(s, 3), OH_LIT("d")));
    assert_int_equal(oh_span_from(s, 4).n, 0);
    assert_ptr_equal(oh_span_from(s, 5).p, s.p + 4);
    assert_int_equal(oh_span_from(s, SIZE_MAX).n, 0);
    assert_int_equal(oh_span_from(oh_span(NULL, 0), 0).n, 0);
    assert_null(oh_span_from(oh_span(NULL, 0), 7).p);
    assert_int_equal(oh_span_head(s, 0).n, 0);
    assert_true(oh_span_eq(oh_span_head(s, 2), OH_LIT("ab")));
    assert_true(oh_span_eq(oh_span_head(s, 4), s));
    assert_true(oh_span_eq(oh_span_head(s, 5), s));
}

static void trims(void **state)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"", ""},    {" ", ""},    {"\r\n\t ", ""},          {"a", "a"},
        {" a", "a"}, {"a\t", "a"}, {"\r\n a b \r\n", "a b"}, {"\va\f", "\va\f"},
    };
    (void)state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct oh_span got = oh_span_trim(oh_span_str(cases[i].in));

        assert_true(oh_span_eq(got, oh_span_str(cases[i].out)));
    }
    assert_int_equal(oh_span_trim(oh_span(NULL, 0)).n, 0);
}

static void reads_numbers(void **state)
{
    static const struct {
        const char *in;
        uint64_t max;
        int rc;
        uint64_t out;
    } cases[] = {
        {"", 10, OH_E_SYNTAX, 0},
        {"0", 0, OH_OK, 0},
        {"1", 0, OH_E_RANGE, 0},
        {"00000000000000000000000000007", 7, OH_OK, 7},
        {"9", 10, OH_OK, 9},
        {"10", 10, OH_OK, 10},
        {"11", 10, OH_E_RANGE, 0},
        {"-1", 10, OH_E_SYNTAX, 0},
        {"+1", 10, OH_E_SYNTAX, 0},
        {" 1", 10, OH_E_SYNTAX, 0},
        {"1 ", 10, OH_E_SYNTAX, 0},
        {"0x1", 10, OH_E_SYNTAX, 0},
        {"1/", 100, OH_E_SYNTAX, 0},
        {"1:", 100, OH_E_SYNTAX, 0},
        {"18446744073709551614", UINT64_MAX, OH_OK, UINT64_MAX - 1},
        {"18446744073709551615", UINT64_MAX, OH_OK, UINT64_MAX},
        {"18446744073709551616", UINT64_MAX, OH_E_RANGE, 0},
        {"18446744073709551620", UINT64_MAX, OH_E_RANGE, 0},
        {"184467440737095516150", UINT64_MAX, OH_E_RANGE, 0},
        {"99999999999999999999999999", UINT64_MAX, OH_E_RANGE, 0},
        {"99999999999999999999999999x", UINT64_MAX, OH_E_SYNTAX, 0},
    };
    (void)state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t v = 4711;

        assert_int_equal(oh_span_u64(oh_span_str(cases[i].in), cases[i].max, &v), cases[i].rc);
        /* Out parameters are written on success only. */
        assert_true(v == (cases[i].rc ? 4711 : cases[i].out));
    }
}

static void reads_32_bits(void **state)
{
    uint32_t v = 4711;
    (void)state;

    assert_int_equal(oh_span_u32(OH_LIT("4294967296"), UINT32_MAX, &v), OH_E_RANGE);
    assert_int_equal(oh_span_u32(OH_LIT("70001"), 70000, &v), OH_E_RANGE);
    assert_int_equal(oh_span_u32(OH_LIT("x"), 70000, &v), OH_E_SYNTAX);
    assert_int_equal(v, 4711);
    assert_int_equal(oh_span_u32(OH_LIT("4294967295"), UINT32_MAX, &v), OH_OK);
    assert_true(v == UINT32_MAX);
    assert_int_equal(oh_span_u32(OH_LIT("0"), UINT32_MAX, &v), OH_OK);
    assert_int_equal(v, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(makes_spans),
        cmocka_unit_test(compares_bytes),
        cmocka_unit_test(folds_exactly_the_letters),
        cmocka_unit_test(words_are_little_endian),
        cmocka_unit_test(compares_without_case),
        cmocka_unit_test(keeps_apart_what_is_no_letter),
        cmocka_unit_test(orders_without_case),
        cmocka_unit_test(finds_a_byte),
        cmocka_unit_test(cuts_parts),
        cmocka_unit_test(trims),
        cmocka_unit_test(reads_numbers),
        cmocka_unit_test(reads_32_bits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
