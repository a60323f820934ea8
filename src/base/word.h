/*
 * Eight bytes at a time. Names are compared and hashed without regard to case
 * far more often than anything else is done with them, so both work on machine
 * words; the folding has to be the same in both, and stands here once.
 */
#ifndef OH_BASE_WORD_H
#define OH_BASE_WORD_H

#include <stdint.h>
#include <string.h>

/* The same byte in all eight places. */
#define OH__ONES UINT64_C(0x0101010101010101)

/* Eight bytes as they lie in memory; the pointer needs no alignment. */
static inline uint64_t oh__load64(const void *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof(v));
    return v;
}

/* Eight bytes, least significant first, on every machine. */
static inline uint64_t oh__load64le(const void *p)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return oh__load64(p);
#else
    return __builtin_bswap64(oh__load64(p));
#endif
}

/* Stores eight bytes, least significant first. */
static inline void oh__store64le(void *p, uint64_t v)
{
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
    v = __builtin_bswap64(v);
#endif
    memcpy(p, &v, sizeof(v));
}

/* Stores four bytes, most significant first. */
static inline void oh__store32be(void *p, uint32_t v)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    v = __builtin_bswap32(v);
#endif
    memcpy(p, &v, sizeof(v));
}

/* One byte with A-Z folded to a-z; every other byte, above 127 too, is kept. */
static inline unsigned char oh__fold(char c)
{
    unsigned char u = (unsigned char)c;

    return (unsigned char)(u - 'A') < 26 ? (unsigned char)(u | 0x20) : u;
}

/*
 * As oh__fold for eight bytes at once. The low seven bits of each byte are
 * added to two constants such that bit 7 tells "at least A" and "beyond Z"
 * without a carry into the neighbour; a byte that had bit 7 is no letter.
 */
static inline uint64_t oh__fold64(uint64_t v)
{
    uint64_t low = v & (OH__ONES * 0x7f);
    uint64_t from_a = low + OH__ONES * (0x80 - 'A');
    uint64_t past_z = low + OH__ONES * (0x7f - 'Z');
    uint64_t upper = (from_a ^ past_z) & ~v & (OH__ONES * 0x80);

    return v | upper >> 2;
}

#endif
