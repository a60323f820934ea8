/*
 * ChaCha20 (RFC 8439 2.3) run as a stream of random bytes: the seed is the
 * key, the nonce is 0, and the block counter has 64 bits, so that no program
 * lives long enough to see it repeat.
 */
#include "base/hash.h"

#include "base/word.h"

static inline uint32_t rotl32(uint32_t v, int by)
{
    return v << by | v >> (32 - by);
}

/* RFC 8439 2.1, on four of the sixteen words. */
static inline void quarter(uint32_t x[16], int a, int b, int c, int d)
{
    x[a] += x[b];
    x[d] = rotl32(x[d] ^ x[a], 16);
    x[c] += x[d];
    x[b] = rotl32(x[b] ^ x[c], 12);
    x[a] += x[b];
    x[d] = rotl32(x[d] ^ x[a], 8);
    x[c] += x[d];
    x[b] = rotl32(x[b] ^ x[c], 7);
}

/* Bytes have one order on all machines, so that a seed replays on any of them. */
static void store32le(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
    p[2] = (uint8_t)(v >> 16);
    p[3] = (uint8_t)(v >> 24);
}

static uint32_t load32le(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* Makes the next block of output and counts on. */
static void next_block(struct oh__rng *r)
{
    uint32_t x[16];

    memcpy(x, r->state, sizeof(x));
    /* Twenty rounds: ten times four columns, then four diagonals. */
    for (int i = 0; i < 10; i++) {
        quarter(x, 0, 4, 8, 12);
        quarter(x, 1, 5, 9, 13);
        quarter(x, 2, 6, 10, 14);
        quarter(x, 3, 7, 11, 15);
        quarter(x, 0, 5, 10, 15);
        quarter(x, 1, 6, 11, 12);
        quarter(x, 2, 7, 8, 13);
        quarter(x, 3, 4, 9, 14);
    }
    /* Adding what went in is what makes this impossible to run backwards. */
    for (int i = 0; i < 16; i++)
        store32le(r->block + 4 * i, x[i] + r->state[i]);
    if (++r->state[12] == 0)
        r->state[13]++;
    r->used = 0;
}

void oh__rng_init(struct oh__rng *r, const uint8_t seed[32])
{
    /* "expand 32-byte k" as four little-endian words. */
    *r = (struct oh__rng){.state = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574}};
    for (int i = 0; i < 8; i++)
        r->state[4 + i] = load32le(seed + 4 * i);
    /* No block is made before the first byte is asked for. */
    r->used = sizeof(r->block);
}

void oh__rng_bytes(struct oh__rng *r, void *out, size_t n)
{
    char *p = out;

    while (n > 0) {
        size_t part = sizeof(r->block) - r->used;

        if (part == 0) {
            next_block(r);
            continue;
        }
        if (part > n)
            part = n;
        memcpy(p, r->block + r->used, part);
        r->used += (uint32_t)part;
        p += part;
        n -= part;
    }
}

uint64_t oh__rng_u64(struct oh__rng *r)
{
    uint8_t bytes[8];

    oh__rng_bytes(r, bytes, sizeof(bytes));
    return oh__load64le(bytes);
}

uint64_t oh__rng_below(struct oh__rng *r, uint64_t n)
{
    uint64_t mask = n > 1 ? UINT64_MAX >> __builtin_clzll(n - 1) : 0;
    uint64_t v;

    /* Cut to the bits of n - 1, each draw succeeds with at least even odds. */
    do {
        v = oh__rng_u64(r) & mask;
    } while (v >= n && mask);
    return v;
}
