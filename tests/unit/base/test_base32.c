/* Base 32: the vectors of RFC 4648 10 in lower case, and what must not be read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/base32.h"

static void vectors(void **state)
{
    static const struct {
        const char *bytes, *text;
    } rows[] = {{"f", "my"},         {"fo", "mzxq"},        {"foo", "mzxw6"},
                {"foob", "mzxw6yq"}, {"fooba", "mzxw6ytb"}, {"foobar", "mzxw6ytboi"}};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct oh_span text = oh_span_str(rows[i].text);
        size_t n = i + 1;
        uint8_t back[8];
        char out[16];

        assert_int_equal(oh__base32_put(out, (const uint8_t *)rows[i].bytes, n), text.n);
        assert_int_equal(OH__BASE32_SIZE(n), text.n);
        assert_memory_equal(out, text.p, text.n);
        assert_int_equal(oh__base32_get(text, back, n), n);
        assert_memory_equal(back, rows[i].bytes, n);
        assert_int_equal(oh__base32_get(text, back, n - 1), 0);
    }
}

/* Every byte value comes back, and in upper case, too. */
static void all_bytes(void **state)
{
    uint8_t bytes[256], back[256];
    char text[OH__BASE32_SIZE(256)];

    (void)state;
    for (unsigned i = 0; i < 256; i++)
        bytes[i] = (uint8_t)i;
    size_t n = oh__base32_put(text, bytes, sizeof bytes);

    assert_int_equal(n, sizeof text);
    for (size_t i = 0; i < n; i += 2)
        if (text[i] >= 'a' && text[i] <= 'z')
            text[i] = (char)(text[i] - 32);
    assert_int_equal(oh__base32_get(oh_span(text, n), back, sizeof back), sizeof back);
    assert_memory_equal(back, bytes, sizeof back);
}

static void refused(void **state)
{
    /* Nothing, a digit too many, bits behind the last byte, and what is no digit. */
    static const char *const rows[] = {"",   "m",  "mzx", "mzxw6y", "mz",          "mzxr",
                                       "m0", "m1", "m8",  "m=",     "mzxw6yt\xe2", "m{",
                                       "m`", "m@", "m[",  "m "};
    uint8_t back[8];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(oh__base32_get(oh_span_str(rows[i]), back, sizeof back), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors),
        cmocka_unit_test(all_bytes),
        cmocka_unit_test(refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
