#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/hash.h"
#include "exact.h"

/* The definition: one bit after the other. */
static uint32_t slow_crc(uint32_t seed, const unsigned char *p, size_t n)
{
    uint32_t crc = ~seed;

    for (size_t i = 0; i < n * 8; i++) {
        uint32_t bit = (crc ^ (uint32_t)(p[i / 8] >> i % 8)) & 1;

        crc = crc >> 1 ^ (bit ? UINT32_C(0x82f63b78) : 0);
    }
    return ~crc;
}

typedef uint32_t crc_function(uint32_t seed, const void *p, size_t n);

static crc_function *const functions[] = {oh__crc32c, oh__crc32c_portable};

#define EACH(f) for (size_t f = 0; f < 2; f++)

static void published_values(void **state)
{
    unsigned char up[32], down[32];
    (void)state;

    for (int i = 0; i < 32; i++) {
        up[i] = (unsigned char)i;
        down[i] = (unsigned char)(31 - i);
    }
    EACH(f)
    {
        crc_function *crc = functions[f];
        unsigned char same[32] = {0};

        assert_true(crc(0, "123456789", 9) == 0xe3069283);
        assert_true(crc(0, "", 0) == 0);
        assert_true(crc(0, NULL, 0) == 0);
        /* RFC 3720 B.4: 32 bytes of zeros, of ones, rising and falling. */
        assert_true(crc(0, same, 32) == 0x8a9136aa);
        memset(same, 0xff, 32);
        assert_true(crc(0, same, 32) == 0x62a8ab43);
        assert_true(crc(0, up, 32) == 0x46dd794e);
        assert_true(crc(0, down, 32) == 0x113fdb5c);
    }
}

/* All lengths and starts around the word size, whole and in two parts. */
static void agrees_with_the_definition(void **state)
{
    struct oh__rng rng;
    uint8_t seed[32] = {5};
    unsigned char in[80];
    (void)state;

    oh__rng_init(&rng, seed);
    oh__rng_bytes(&rng, in, sizeof(in));
    for (size_t n = 0; n <= 64; n++) {
        for (size_t at = 0; at < 9; at++) {
            struct oh_span copy = exact_copy(oh_span((char *)in + at, n));
            uint32_t start = (uint32_t)oh__rng_u64(&rng);
            size_t half = n / 3;

            EACH(f)
            {
                crc_function *crc = functions[f];
                uint32_t want = slow_crc(start, in + at, n);

                assert_true(crc(start, copy.p, n) == want);
                assert_true(crc(crc(start, copy.p, half), copy.p + half, n - half) == want);
            }
            exact_free(copy);
        }
    }
}

/* Each single byte, as each of them is one entry of the tables, in each of the four places. */
static void every_table_entry_counts(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        for (int place = 0; place < 4; place++) {
            unsigned char in[4] = {0};

            in[place] = (unsigned char)c;
            assert_true(oh__crc32c_portable(UINT32_MAX, in, 4) == slow_crc(UINT32_MAX, in, 4));
            assert_true(oh__crc32c(UINT32_MAX, in, 4) == slow_crc(UINT32_MAX, in, 4));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_values),
        cmocka_unit_test(agrees_with_the_definition),
        cmocka_unit_test(every_table_entry_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
