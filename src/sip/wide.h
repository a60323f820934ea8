/*
 * Sixteen bytes at a time, where the processor can do that without being asked
 * first (SSE2, which every x86-64 has); elsewhere byte by byte, with the same
 * results.
 *
 * Nearly every byte of a SIP value is a letter, a digit, "-" or "." ("plain"
 * below), and these four are in every set of the grammar that decoders run
 * over. So a vector step needs no table: it finds the first byte that is not
 * plain, and only that byte is looked up. What goes on behind it goes on byte by
 * byte, so text that is made to be slow costs one vector step and no more.
 *
 * Vectors may read behind the end of a value, never behind `limit`: the end of
 * the received bytes for a value inside a message, else the end of the value.
 */
#ifndef OH_SIP_WIDE_H
#define OH_SIP_WIDE_H

#include "sip/lex.h"

#if defined(__SSE2__) && !defined(OH_SCALAR)
#define OH__WIDE 16
#include <emmintrin.h>

/* Sixteen bytes; the pointer needs no alignment. */
static inline __m128i oh__load16(const char *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

/*
 * All ones in each byte that lies in first .. last, which are ASCII. The addition moves last to the
 * end of the signed numbers, so that what is above falls off.
 */
static inline __m128i oh__between16(__m128i v, char first, char last)
{
    return _mm_cmpgt_epi8(_mm_add_epi8(v, _mm_set1_epi8((char)(127 - last))),
                          _mm_set1_epi8((char)(126 - (last - first))));
}

/* One bit for each byte that is c. */
static inline unsigned oh__equal16(__m128i v, char c)
{
    return (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_set1_epi8(c)));
}

/* One bit for each byte that is plain. */
static inline unsigned oh__plain16(__m128i v)
{
    __m128i letter = oh__between16(_mm_or_si128(v, _mm_set1_epi8(0x20)), 'a', 'z');
    __m128i digit = oh__between16(v, '0', '9'), mark = oh__between16(v, '-', '.');

    return (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(letter, digit), mark));
}
#endif

/* The sets that all plain bytes belong to; oh__skip_wide is for these. */
#define OH__C_HAS_PLAIN                                                                            \
    (OH__C_TOKEN | OH__C_WORD | OH__C_USER | OH__C_PASS | OH__C_PARAM | OH__C_HEADER | OH__C_URI | \
     OH__C_VALUE | OH__C_SCHEME | OH__C_QTEXT)

/* Behind the bytes at p that are in the set, which has all plain bytes. */
static inline const char *oh__skip_wide(const char *p, const char *end, const char *limit,
                                        unsigned set)
{
#ifdef OH__WIDE
    while (limit - p >= OH__WIDE) {
        unsigned other = ~oh__plain16(oh__load16(p)) & 0xffff;

        if (other) {
            p += (unsigned)__builtin_ctz(other);
            if (p >= end)
                return end;
            return oh__is(*p, set) ? oh__skip_rest(p + 1, end, set) : p;
        }
        p += OH__WIDE;
        if (p >= end)
            return end;
    }
#else
    (void)limit;
#endif
    return oh__skip_rest(p, end, set);
}

/* The first a, b or c between p and end, or end. */
static inline const char *oh__find3(const char *p, const char *end, const char *limit,
                                    const char of[3])
{
#ifdef OH__WIDE
    while (limit - p >= OH__WIDE) {
        __m128i v = oh__load16(p);
        unsigned hit = oh__equal16(v, of[0]);

        /* The bytes are constants, so that one that is there twice costs nothing. */
        if (of[1] != of[0])
            hit |= oh__equal16(v, of[1]);
        if (of[2] != of[0])
            hit |= oh__equal16(v, of[2]);
        p += hit ? (unsigned)__builtin_ctz(hit) : OH__WIDE;
        if (hit || p >= end)
            return p < end ? p : end;
    }
#else
    (void)limit;
#endif
    while (p < end && *p != of[0] && *p != of[1] && *p != of[2])
        p++;
    return p;
}

/* The first c between p and end, or end. */
static inline const char *oh__find(const char *p, const char *end, const char *limit, char c)
{
    const char of[3] = {c, c, c};

    return oh__find3(p, end, limit, of);
}

#endif
