#include "base/base32.h"

static const char DIGITS[] = "abcdefghijklmnopqrstuvwxyz234567";

/* The value of a digit, plus one; 0 for everything else. Every response is found by its branch, and
 * so by some fifty look-ups in here. */
#define LETTER(c, v) [c] = (v) + 1, [(c)-32] = (v) + 1
static const uint8_t VALUES[256] = {
    LETTER('a', 0),  LETTER('b', 1),  LETTER('c', 2),  LETTER('d', 3),  LETTER('e', 4),
    LETTER('f', 5),  LETTER('g', 6),  LETTER('h', 7),  LETTER('i', 8),  LETTER('j', 9),
    LETTER('k', 10), LETTER('l', 11), LETTER('m', 12), LETTER('n', 13), LETTER('o', 14),
    LETTER('p', 15), LETTER('q', 16), LETTER('r', 17), LETTER('s', 18), LETTER('t', 19),
    LETTER('u', 20), LETTER('v', 21), LETTER('w', 22), LETTER('x', 23), LETTER('y', 24),
    LETTER('z', 25), ['2'] = 27,      ['3'] = 28,      ['4'] = 29,      ['5'] = 30,
    ['6'] = 31,      ['7'] = 32};

size_t oh__base32_put(char *out, const uint8_t *bytes, size_t n)
{
    uint32_t bits = 0;
    unsigned have = 0;
    size_t len = 0;

    for (size_t i = 0; i < n; i++) {
        bits = bits << 8 | bytes[i];
        for (have += 8; have >= 5; have -= 5)
            out[len++] = DIGITS[bits >> (have - 5) & 31];
    }
    if (have)
        out[len++] = DIGITS[bits << (5 - have) & 31];
    return len;
}

size_t oh__base32_get(struct oh_span text, uint8_t *out, size_t cap)
{
    size_t n = text.n * 5 / 8, len = 0;
    uint32_t bits = 0;
    unsigned have = 0;

    /* A digit too many would be a second form of the same bytes. */
    if (n > cap || OH__BASE32_SIZE(n) != text.n)
        return 0;
    for (size_t i = 0; i < text.n; i++) {
        unsigned v = VALUES[(unsigned char)text.p[i]];

        if (!v)
            return 0;
        bits = bits << 5 | (v - 1);
        have += 5;
        if (have < 8)
            continue;
        have -= 8;
        out[len++] = (uint8_t)(bits >> have);
    }
    /* And so would be bits behind the last byte. */
    return bits & ((1u << have) - 1) ? 0 : len;
}
