#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <offhook/buf.h>
#include <offhook/error.h>

static void assert_view(const struct oh_buf *b, const char *want)
{
    struct oh_span got = oh_buf_view(b);

    assert_int_equal(oh_buf_error(b), OH_OK);
    assert_int_equal(got.n, strlen(want));
    assert_memory_equal(got.p, want, got.n);
}

static void appends(void **state)
{
    char mem[64];
    struct oh_buf b;
    (void)state;

    oh_buf_init(&b, mem, sizeof(mem));
    assert_int_equal(oh_buf_view(&b).n, 0);
    oh_buf_lit(&b, "SIP/");
    oh_buf_char(&b, '2');
    oh_buf_span(&b, OH_LIT(".0 "));
    oh_buf_span(&b, oh_span(NULL, 0));
    oh_buf_put(&b, NULL, 0);
    oh_buf_u64(&b, 200);
    oh_buf_hex(&b, "\x00\xff\x1a", 3);
    assert_view(&b, "SIP/2.0 20000ff1a");
}

/* Each writer, into a buffer that is exactly large enough, and one byte short. */
static void write_number(struct oh_buf *b)
{
    oh_buf_u64(b, UINT64_MAX);
}

static void write_hex(struct oh_buf *b)
{
    oh_buf_hex(b, "ab", 2);
}

static void write_host(struct oh_buf *b)
{
    struct oh_addr a;

    assert_int_equal(oh_addr_parse(OH_LIT("2001:db8::1%7"), &a), OH_OK);
    oh_buf_host(b, &a);
}

static void write_quoted(struct oh_buf *b)
{
    oh_buf_quoted(b, OH_LIT("a\"b"));
}

static void write_char(struct oh_buf *b)
{
    oh_buf_char(b, 'x');
}

static void write_lit(struct oh_buf *b)
{
    oh_buf_lit(b, "text");
}

static void fits_exactly_or_not_at_all(void **state)
{
    static const struct {
        void (*write)(struct oh_buf *b);
        const char *want;
    } cases[] = {
        {write_number, "18446744073709551615"}, {write_hex, "6162"}, {write_host, "[2001:db8::1]"},
        {write_quoted, "\"a\\\"b\""},           {write_char, "x"},   {write_lit, "text"},
    };
    (void)state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t n = strlen(cases[i].want);

        for (size_t cap = 0; cap <= n + 1; cap++) {
            /* From the heap, so that the sanitizer sees one byte too many. */
            char *mem = malloc(cap ? cap : 1);
            struct oh_buf b;

            assert_non_null(mem);
            oh_buf_init(&b, mem, cap);
            cases[i].write(&b);
            assert_int_equal(oh_buf_error(&b), cap < n ? OH_E_LIMIT : OH_OK);
            if (cap >= n)
                assert_view(&b, cases[i].want);
            assert_true(b.n <= cap);
            free(mem);
        }
    }
}

static void overflow_is_sticky(void **state)
{
    char mem[4];
    struct oh_buf b;
    (void)state;

    oh_buf_init(&b, mem, sizeof(mem));
    oh_buf_lit(&b, "abc");
    oh_buf_lit(&b, "de");
    assert_int_equal(oh_buf_error(&b), OH_E_LIMIT);
    /* What would fit comes too late, from any writer, even with nothing to write. */
    oh_buf_char(&b, 'x');
    oh_buf_u64(&b, 1);
    oh_buf_hex(&b, "", 0);
    oh_buf_put(&b, NULL, 0);
    assert_int_equal(b.n, 3);
    assert_int_equal(oh_buf_error(&b), OH_E_LIMIT);
}

static void lengths_do_not_wrap(void **state)
{
    char mem[4];
    struct oh_buf b;
    (void)state;

    oh_buf_init(&b, mem, sizeof(mem));
    oh_buf_char(&b, 'a');
    oh_buf_put(&b, mem, SIZE_MAX);
    assert_int_equal(oh_buf_error(&b), OH_E_LIMIT);
    oh_buf_init(&b, mem, sizeof(mem));
    oh_buf_hex(&b, mem, SIZE_MAX / 2 + 2);
    assert_int_equal(oh_buf_error(&b), OH_E_LIMIT);
    /* A buffer of nothing takes nothing, and only that. */
    oh_buf_init(&b, NULL, 0);
    oh_buf_put(&b, NULL, 0);
    assert_int_equal(oh_buf_error(&b), OH_OK);
    oh_buf_char(&b, 'a');
    assert_int_equal(oh_buf_error(&b), OH_E_LIMIT);
}

static void writes_numbers(void **state)
{
    static const struct {
        uint64_t v;
        const char *want;
    } cases[] = {
        {0, "0"},
        {9, "9"},
        {10, "10"},
        {99, "99"},
        {100, "100"},
        {4294967295u, "4294967295"},
        {UINT64_MAX - 1, "18446744073709551614"},
        {UINT64_MAX, "18446744073709551615"},
    };
    (void)state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char mem[20];
        struct oh_buf b;

        oh_buf_init(&b, mem, sizeof(mem));
        oh_buf_u64(&b, cases[i].v);
        assert_view(&b, cases[i].want);
    }
}

static void writes_hosts(void **state)
{
    static const struct {
        const char *in, *want;
    } cases[] = {
        {"192.0.2.1", "192.0.2.1"}, {"255.255.255.255", "255.255.255.255"},     {"::", "[::]"},
        {"fe80::1%3", "[fe80::1]"}, {"::ffff:192.0.2.1", "[::ffff:192.0.2.1]"},
    };
    char mem[64];
    struct oh_buf b;
    struct oh_addr none = {.family = OH_FAMILY_NONE};
    (void)state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct oh_addr a;

        assert_int_equal(oh_addr_parse(oh_span_str(cases[i].in), &a), OH_OK);
        a.port = 5060; /* is no part of the host */
        oh_buf_init(&b, mem, sizeof(mem));
        oh_buf_host(&b, &a);
        assert_view(&b, cases[i].want);
    }
    oh_buf_init(&b, mem, sizeof(mem));
    oh_buf_host(&b, &none);
    assert_int_equal(oh_buf_error(&b), OH_E_LIMIT);
}

/* RFC 3261 25.1: quoted-string, qdtext and quoted-pair. */
static void quotes(void **state)
{
    static const struct {
        struct oh_span in;
        const char *want;
    } cases[] = {
        {OH_LIT(""), "\"\""},
        {OH_LIT("Alice"), "\"Alice\""},
        {OH_LIT("\"\\"), "\"\\\"\\\\\""},
        {OH_LIT("a\\"), "\"a\\\\\""},
        {OH_LIT("\ta b"), "\"\ta b\""},
        {OH_LIT("a\r\nVia: x"), "\"aVia: x\""},
        {OH_LIT("\r"), "\"\""},
        {OH_LIT("x\0y"), "\"xy\""},
        {OH_LIT("\0\"\0"), "\"\\\"\""},
        {OH_LIT("\x01\x1f\x7f"), "\"\\\x01\\\x1f\\\x7f\""},
        {OH_LIT("J\xc3\xbcrgen"), "\"J\xc3\xbcrgen\""},
    };
    (void)state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char mem[64];
        struct oh_buf b;

        oh_buf_init(&b, mem, sizeof(mem));
        oh_buf_quoted(&b, cases[i].in);
        assert_view(&b, cases[i].want);
    }
}

/* Whatever goes in, what comes out is a quoted-string of the grammar. */
static void quoted_is_always_well_formed(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        char in[3] = {'a', (char)c, 'z'};
        char mem[16];
        struct oh_buf b;

        oh_buf_init(&b, mem, sizeof(mem));
        oh_buf_quoted(&b, oh_span(in, 3));
        assert_int_equal(oh_buf_error(&b), OH_OK);
        assert_int_equal(mem[0], '"');
        assert_int_equal(mem[b.n - 1], '"');
        for (size_t i = 1; i < b.n - 1; i++) {
            unsigned char got = (unsigned char)mem[i];

            assert_true(got != '\r' && got != '\n' && got != '\0' && got != '"');
            if (got == '\\')
                assert_true((unsigned char)mem[++i] < 0x80 && i < b.n - 1);
            else
                assert_true(got == '\t' || (got >= ' ' && got != 0x7f));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appends),
        cmocka_unit_test(fits_exactly_or_not_at_all),
        cmocka_unit_test(overflow_is_sticky),
        cmocka_unit_test(lengths_do_not_wrap),
        cmocka_unit_test(writes_numbers),
        cmocka_unit_test(writes_hosts),
        cmocka_unit_test(quotes),
        cmocka_unit_test(quoted_is_always_well_formed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
