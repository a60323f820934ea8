/*
 * CRC-32C (Castagnoli), reflected, polynomial 0x82f63b78. Processors since 2008
 * have an instruction for it, which is asked for at run time; the tables below
 * are the fallback and take four bytes per step.
 *
 * A CRC is linear, so a table of 256 entries follows from the 8 of its bits:
 * an entry is the exclusive-or of those whose bits are set. The preprocessor
 * does that, which leaves 32 numbers to trust and nothing to set up at start.
 */
#include "base/hash.h"

#include "base/word.h"

/* What the bits 7 to 0 of a byte with 0, 1, 2 and 3 zero bytes behind it come to. */
#define BITS0 \
    0x82f63b78, 0x417b1dbc, 0x20bd8ede, 0x105ec76f, 0x8ad958cf, 0xc79a971f, 0xe13b70f7, 0xf26b8303
#define BITS1 \
    0xfbc3faf9, 0xff17c604, 0x7f8be302, 0x3fc5f181, 0x9d14c3b8, 0x4e8a61dc, 0x274530ee, 0x13a29877
#define BITS2 \
    0x8b277743, 0xc76580d9, 0xe144fb14, 0x70a27d8a, 0x38513ec5, 0x9edea41a, 0x4f6f520d, 0xa541927e
#define BITS3 \
    0x52a0c93f, 0xaba65fe7, 0xd725148b, 0xe964b13d, 0xf64463e6, 0x7b2231f3, 0xbf672381, 0xdd45aab8

/* From bits to entries to 4, 16, 64 and all 256 of them. */
#define BIT(i, bit, v) ((i) & (1u << (bit)) ? UINT32_C(v) : 0u)
#define ENTRY(i, b7, b6, b5, b4, b3, b2, b1, b0)                                    \
    BIT(i, 7, b7) ^ BIT(i, 6, b6) ^ BIT(i, 5, b5) ^ BIT(i, 4, b4) ^ BIT(i, 3, b3) ^ \
        BIT(i, 2, b2) ^ BIT(i, 1, b1) ^ BIT(i, 0, b0)
#define ENTRIES4(i, ...)                                                         \
    ENTRY(i, __VA_ARGS__), ENTRY(i + 1, __VA_ARGS__), ENTRY(i + 2, __VA_ARGS__), \
        ENTRY(i + 3, __VA_ARGS__)
#define ENTRIES16(i, ...)                                                                 \
    ENTRIES4(i, __VA_ARGS__), ENTRIES4(i + 4, __VA_ARGS__), ENTRIES4(i + 8, __VA_ARGS__), \
        ENTRIES4(i + 12, __VA_ARGS__)
#define ENTRIES64(i, ...)                                                                      \
    ENTRIES16(i, __VA_ARGS__), ENTRIES16(i + 16, __VA_ARGS__), ENTRIES16(i + 32, __VA_ARGS__), \
        ENTRIES16(i + 48, __VA_ARGS__)
#define ENTRIES256(...)                                                                    \
    ENTRIES64(0u, __VA_ARGS__), ENTRIES64(64u, __VA_ARGS__), ENTRIES64(128u, __VA_ARGS__), \
        ENTRIES64(192u, __VA_ARGS__)

/* table[k][c] is the byte c with k zero bytes behind it. */
static const uint32_t table[4][256] = {
    {ENTRIES256(BITS0)},
    {ENTRIES256(BITS1)},
    {ENTRIES256(BITS2)},
    {ENTRIES256(BITS3)},
};

uint32_t oh__crc32c_portable(uint32_t seed, const void *p, size_t n)
{
    const uint8_t *in = p;
    uint32_t crc = ~seed;

    /* The four bytes of a step are looked up independently, so the loads overlap. */
    for (; n >= 4; n -= 4, in += 4) {
        crc ^= in[0] | (uint32_t)in[1] << 8 | (uint32_t)in[2] << 16 | (uint32_t)in[3] << 24;
        crc = table[3][crc & 255] ^ table[2][crc >> 8 & 255] ^ table[1][crc >> 16 & 255] ^
              table[0][crc >> 24];
    }
    while (n-- > 0)
        crc = crc >> 8 ^ table[0][(crc ^ *in++) & 255];
    return ~crc;
}

#ifdef __x86_64__

/* Compiled for a processor that has the instruction, and only called on one. */
__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(uint32_t seed, const void *p,
                                                               size_t n)
{
    const uint8_t *in = p;
    uint64_t crc = (uint32_t)~seed;

    for (; n >= 8; n -= 8, in += 8)
        crc = __builtin_ia32_crc32di(crc, oh__load64(in));
    while (n-- > 0)
        crc = __builtin_ia32_crc32qi((uint32_t)crc, *in++);
    return ~(uint32_t)crc;
}

uint32_t oh__crc32c(uint32_t seed, const void *p, size_t n)
{
    /* The compiler's run time asked the processor once, at program start; this is one test. */
    if (__builtin_cpu_supports("sse4.2"))
        return crc32c_sse42(seed, p, n);
    return oh__crc32c_portable(seed, p, n);
}

#else

uint32_t oh__crc32c(uint32_t seed, const void *p, size_t n)
{
    return oh__crc32c_portable(seed, p, n);
}

#endif
