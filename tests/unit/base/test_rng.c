#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"

static void block_is_rfc_8439(void **state)
{
    /* RFC 8439 2.3.2: key 00 to 1f, nonce 00 00 00 09 00 00 00 4a 00 00 00 00, counter 1. */
    static const uint8_t want[64] = {
        0x10, 0xf1, 0xe7, 0xe4, 0xd1, 0x3b, 0x59, 0x15, 0x50, 0x0f, 0xdd, 0x1f, 0xa3,
        0x20, 0x71, 0xc4, 0xc7, 0xd1, 0xf4, 0xc7, 0x33, 0xc0, 0x68, 0x03, 0x04, 0x22,
        0xaa, 0x9a, 0xc3, 0xd4, 0x6c, 0x4e, 0xd2, 0x82, 0x64, 0x46, 0x07, 0x9f, 0xaa,
        0x09, 0x14, 0xc2, 0xd7, 0x05, 0xd9, 0x8b, 0x02, 0xa2, 0xb5, 0x12, 0x9c, 0xd1,
        0xde, 0x16, 0x4e, 0xb9, 0xcb, 0xd0, 0x83, 0xe8, 0xa2, 0x50, 0x3c, 0x4e,
    };
    uint8_t seed[32], out[64];
    struct oh__rng r;
    (void)state;

    for (int i = 0; i < 32; i++)
        seed[i] = (uint8_t)i;
    oh__rng_init(&r, seed);
    r.state[12] = 1;
    r.state[13] = 0x09000000;
    r.state[14] = 0x4a000000;
    r.state[15] = 0;
    oh__rng_bytes(&r, out, sizeof(out));
    assert_memory_equal(out, want, sizeof(want));
}

static void zero_seed_is_rfc_8439(void **state)
{
    /* RFC 8439 A.1, vectors 1 and 2: key, nonce all zeros, counters 0 and 1, first words. */
    static const uint8_t first[8] = {0x76, 0xb8, 0xe0, 0xad, 0xa0, 0xf1, 0x3d, 0x90};
    static const uint8_t second[8] = {0x9f, 0x07, 0xe7, 0xbe, 0x55, 0x51, 0x38, 0x7a};
    uint8_t seed[32] = {0}, out[128];
    struct oh__rng r;
    (void)state;

    oh__rng_init(&r, seed);
    oh__rng_bytes(&r, out, sizeof(out));
    assert_memory_equal(out, first, sizeof(first));
    assert_memory_equal(out + 64, second, sizeof(second));
}

/* The stream is one, however it is cut. */
static void cuts_do_not_matter(void **state)
{
    uint8_t seed[32] = {9}, whole[700], parts[700];
    struct oh__rng r;
    size_t at = 0;
    (void)state;

    oh__rng_init(&r, seed);
    oh__rng_bytes(&r, whole, sizeof(whole));
    oh__rng_init(&r, seed);
    oh__rng_bytes(&r, NULL, 0);
    for (size_t n = 1; at + n <= sizeof(parts); at += n, n = n % 130 + 7)
        oh__rng_bytes(&r, parts + at, n);
    assert_true(at > 500);
    assert_memory_equal(whole, parts, at);
    oh__rng_init(&r, seed);
    for (size_t i = 0; i < 80; i++) {
        uint64_t v = oh__rng_u64(&r);

        for (size_t b = 0; b < 8; b++)
            assert_int_equal(whole[8 * i + b], (uint8_t)(v >> 8 * b));
    }
}

static void seeds_matter(void **state)
{
    uint8_t seed[32] = {0};
    struct oh__rng a, b;
    (void)state;

    for (int i = 0; i < 32; i++) {
        oh__rng_init(&a, seed);
        seed[i] ^= 1;
        oh__rng_init(&b, seed);
        assert_true(oh__rng_u64(&a) != oh__rng_u64(&b));
    }
}

static void counter_has_64_bits(void **state)
{
    uint8_t seed[32] = {1}, out[64];
    struct oh__rng r;
    (void)state;

    oh__rng_init(&r, seed);
    r.state[12] = UINT32_MAX;
    oh__rng_bytes(&r, out, sizeof(out));
    assert_int_equal(r.state[12], 0);
    assert_int_equal(r.state[13], 1);
    assert_int_equal(r.state[14], 0);
}

static void below_is_below_and_even(void **state)
{
    static const uint64_t n[] = {1, 2, 3, 5, 7, 10, 64, 100};
    uint8_t seed[32] = {2};
    struct oh__rng r;
    (void)state;

    oh__rng_init(&r, seed);
    for (size_t i = 0; i < sizeof(n) / sizeof(n[0]); i++) {
        uint32_t count[100] = {0};

        for (uint64_t k = 0; k < n[i] * 1000; k++) {
            uint64_t v = oh__rng_below(&r, n[i]);

            assert_true(v < n[i]);
            count[v]++;
        }
        /* 1000 are expected of each; 5 standard deviations are 158 at most. */
        for (uint64_t v = 0; v < n[i]; v++)
            assert_in_range(count[v], 840, 1160);
    }
}

static void below_takes_large_bounds(void **state)
{
    static const uint64_t n[] = {
        UINT64_C(1) << 32,
        (UINT64_C(1) << 63) + 1,
        UINT64_C(1) << 63,
        UINT64_MAX,
    };
    uint8_t seed[32] = {8};
    struct oh__rng r;
    (void)state;

    oh__rng_init(&r, seed);
    for (size_t i = 0; i < sizeof(n) / sizeof(n[0]); i++) {
        int upper_half = 0;

        for (int k = 0; k < 1000; k++) {
            uint64_t v = oh__rng_below(&r, n[i]);

            assert_true(v < n[i]);
            upper_half += v >= n[i] / 2;
        }
        assert_in_range(upper_half, 420, 580);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(block_is_rfc_8439),        cmocka_unit_test(zero_seed_is_rfc_8439),
        cmocka_unit_test(cuts_do_not_matter),       cmocka_unit_test(seeds_matter),
        cmocka_unit_test(counter_has_64_bits),      cmocka_unit_test(below_is_below_and_even),
        cmocka_unit_test(below_takes_large_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
