#include "base/base32.h"

#include "base/word.h"

static const char DIGITS[] = "abcdefghijklmnopqrstuvwxyz234567";

/* The value of a digit, plus one; 0 for everything else. */
#define LETTER(c, v) [c] = (v) + 1, [(c)-32] = (v) + 1
static const uint8_t VALUES[256] = {
    LETTER('a', 0),  LETTER('b', 1),  LETTER('c', 2),  LETTER('d', 3),  LETTER('e', 4),
    LETTER('f', 5),  LETTER('g', 6),  LETTER('h', 7),  LETTER('i', 8),  LETTER('j', 9),
    LETTER('k', 10), LETTER('l', 11), LETTER('m', 12), LETTER('n', 13), LETTER('o', 14),
    LETTER('p', 15), LETTER('q', 16), LETTER('r', 17), LETTER('s', 18), LETTER('t', 19),
    LETTER('u', 20), LETTER('v', 21), LETTER('w', 22), LETTER('x', 23), LETTER('y', 24),
    LETTER('z', 25), ['2'] = 27,      ['3'] = 28,      ['4'] = 29,      ['5'] = 30,
    ['6'] = 31,      ['7'] = 32};

/* Whole groups first, five bytes as eight digits, then what is left of one. */
size_t oh__base32_put(char *out, const uint8_t *bytes, size_t n)
{
    uint64_t bits = 0;
    unsigned have = 0;
    size_t len = 0, i = 0;

    for (; n - i >= 5; i += 5) {
        bits = (uint64_t)bytes[i] << 32 | (uint64_t)bytes[i + 1] << 24 |
               (uint64_t)bytes[i + 2] << 16 | (uint64_t)bytes[i + 3] << 8 | bytes[i + 4];
        for (unsigned d = 0; d < 8; d++)
            out[len++] = DIGITS[bits >> (35 - 5 * d) & 31];
    }
    for (; i < n; i++) {
        bits = bits << 8 | bytes[i];
        for (have += 8; have >= 5; have -= 5)
            out[len++] = DIGITS[bits >> (have - 5) & 31];
    }
    if (have)
        out[len++] = DIGITS[bits << (5 - have) & 31];
    return len;
}

/* The value of a digit; above 31 for everything else. */
static inline uint8_t value_of(char c)
{
    return (uint8_t)(VALUES[(unsigned char)c] - 1);
}

/* Eight digits as forty bits; their values go into *all, too. Written out, because compilers leave
 * the loop as it is. */
static inline uint64_t eight(const char *p, uint8_t *all)
{
    uint8_t a = value_of(p[0]), b = value_of(p[1]), c = value_of(p[2]), d = value_of(p[3]);
    uint8_t e = value_of(p[4]), f = value_of(p[5]), g = value_of(p[6]), h = value_of(p[7]);

    *all |= a | b | c | d | e | f | g | h;
    return (uint64_t)a << 35 | (uint64_t)b << 30 | (uint64_t)c << 25 | (uint64_t)d << 20 |
           (uint64_t)e << 15 | (uint64_t)f << 10 | (uint64_t)g << 5 | h;
}

size_t oh__base32_get(struct oh_span text, uint8_t *out, size_t cap)
{
    size_t n = text.n * 5 / 8, len = 0, i = 0;
    uint64_t bits = 0;
    unsigned have = 0;
    uint8_t all = 0; /* the bits of all values: one look at the end tells whether one was bad */

    /* A digit too many would be a second form of the same bytes. */
    if (n > cap || OH__BASE32_SIZE(n) != text.n)
        return 0;
    for (; text.n - i >= 8; i += 8) {
        bits = eight(text.p + i, &all);
        oh__store32be(out + len, (uint32_t)(bits >> 8));
        out[len + 4] = (uint8_t)bits;
        len += 5;
    }
    for (; i < text.n; i++) {
        uint8_t v = value_of(text.p[i]);

        all |= v;
        bits = bits << 5 | v;
        have += 5;
        if (have < 8)
            continue;
        have -= 8;
        out[len++] = (uint8_t)(bits >> have);
    }
    /* And so would be bits behind the last byte. */
    return all > 31 || (bits & ((1u << have) - 1)) ? 0 : len;
}
