/*
 * Keyed hashing and seeded randomness. Every table that strangers can fill is
 * keyed with SipHash, so that nobody can aim at one bucket; every random
 * choice comes from a generator whose seed is a parameter, so that a test
 * replays exactly.
 */
#ifndef OH_BASE_HASH_H
#define OH_BASE_HASH_H

#include <offhook/span.h>

struct oh__hash_key {
    uint64_t k0, k1;
};

/* SipHash-1-3 of the bytes. */
uint64_t oh__hash(const struct oh__hash_key *key, struct oh_span s);

/* As oh__hash with ASCII letters folded to lower case, for names that compare without case. */
uint64_t oh__hash_fold(const struct oh__hash_key *key, struct oh_span s);

/* SipHash-2-4 with 128-bit output, used as a short MAC (branches, tags, Record-Route tokens). */
void oh__mac128(const struct oh__hash_key *key, struct oh_span s, uint8_t out[16]);

/* Compares MACs of n bytes. Looks at all of them, however early they differ: the time that it takes
 * must not tell how much of a guess was right. */
bool oh__mac_equal(const uint8_t *a, const uint8_t *b, size_t n);

/* CRC-32C, for records on disk. Start with seed 0; to go on, give the last result as seed. */
uint32_t oh__crc32c(uint32_t seed, const void *p, size_t n);

/* The same without the processor's instruction, so that a test compares the two. */
uint32_t oh__crc32c_portable(uint32_t seed, const void *p, size_t n);

/* ChaCha20-based generator: cryptographic when seeded with 32 random bytes, exact replay when
 * seeded by a test. */
struct oh__rng {
    uint32_t state[16];
    uint8_t block[64];
    uint32_t used; /* bytes of block handed out */
};

/* Seeds the generator. */
void oh__rng_init(struct oh__rng *r, const uint8_t seed[32]);

/* Fills memory with random bytes. */
void oh__rng_bytes(struct oh__rng *r, void *out, size_t n);

/* A random 64-bit number. */
uint64_t oh__rng_u64(struct oh__rng *r);

/* A random number below n, without bias (n > 0). */
uint64_t oh__rng_below(struct oh__rng *r, uint64_t n);

#endif
