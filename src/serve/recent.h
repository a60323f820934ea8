/*
 * A bounded table that forgets what was not used for longest: what is kept
 * about strangers (sources that failed, nonces in use) must not grow with
 * their number. Entries have one size and are found by a key of 16 bytes. The
 * table grows with what is in it, up to its bound, and has no lock of its own:
 * its owner has one per stripe.
 */
#ifndef OH_SERVE_RECENT_H
#define OH_SERVE_RECENT_H

#include <stdbool.h>
#include <stdint.h>

#include <offhook/alloc.h>

#include "base/hash.h"

#define OH__RECENT_KEY 16

/* Stands at the front of each entry; the owner's fields follow in its own struct. */
struct oh__recent_entry {
    uint8_t key[OH__RECENT_KEY];
    uint32_t chain;        /* next in the bucket; index + 1, 0 = none */
    uint32_t newer, older; /* neighbours in the order of use; index + 1 */
};

struct oh__recent {
    const struct oh_alloc *alloc;
    struct oh__hash_key hash;
    uint32_t size;           /* bytes of one entry */
    uint32_t max;            /* entries at most */
    uint32_t cap;            /* entries that fit into `entries` now; a power of two, or max */
    uint32_t n;              /* entries in use: 0 .. n-1 are taken */
    uint32_t newest, oldest; /* index + 1 */
    uint32_t *buckets;       /* index + 1; as many as `buckets_n`, a power of two */
    uint32_t buckets_n;
    char *entries;
    /* Shown what has to go to make room, before it goes; NULL: nobody wants to know. */
    void (*evicted)(void *ctx, const void *entry);
    void *ctx;
};

/* Starts an empty table; takes no memory yet. size counts the head, max is at least 1. */
void oh__recent_init(struct oh__recent *t, const struct oh_alloc *alloc,
                     const struct oh__hash_key *hash, uint32_t size, uint32_t max);

/* Gives the memory back. */
void oh__recent_done(struct oh__recent *t);

/* The entry with this key, which becomes the most recent one, or NULL. Valid until the next add or
 * drop. */
void *oh__recent_find(struct oh__recent *t, const uint8_t key[OH__RECENT_KEY]);

/*
 * Adds an entry for a key that is not there, cleared behind its head. When the
 * bound is reached, or memory is short, the least recently used one goes
 * first. NULL only when there is no memory for the first one.
 */
void *oh__recent_add(struct oh__recent *t, const uint8_t key[OH__RECENT_KEY]);

/* Takes an entry out. The last one in memory moves to its place. */
void oh__recent_drop(struct oh__recent *t, void *entry);

/* The i-th entry in memory, i < t->n, for walks. */
static inline void *oh__recent_at(const struct oh__recent *t, uint32_t i)
{
    return t->entries + (size_t)i * t->size;
}

/* True when chains, order and counts agree; for asserts and tests. */
bool oh__recent_ok(const struct oh__recent *t);

#endif
