/*
 * The one counted, read-only buffer: bytes that are kept for retransmission or
 * shared between branches. Blocks come in classes of 16-byte steps (small) and
 * powers of two (above 4 KiB, up to 1 MiB) from a per-owner cache, so keeping a message costs no
 * heap call in the steady state and no more than 15 bytes of waste when small.
 * Single-threaded: an owner (endpoint, table stripe) has its own cache.
 */
#ifndef OH_BASE_CBUF_H
#define OH_BASE_CBUF_H

#include <offhook/alloc.h>
#include <offhook/span.h>

struct oh__blocks; /* the cache of blocks */

/*
 * Makes an empty cache that keeps at most keep_bytes of idle blocks; beyond
 * it all classes lose blocks in turn. NULL on failure.
 */
struct oh__blocks *oh__blocks_new(const struct oh_alloc *alloc, size_t keep_bytes);

/* Gives idle blocks back and ends the cache; all blocks must have been given back before. NULL is
 * ignored. */
void oh__blocks_free(struct oh__blocks *blocks);

/* Takes an uncleared block of at least n bytes, aligned for any object; NULL on failure. */
void *oh__blocks_take(struct oh__blocks *blocks, size_t n);

/* Gives a block back; n as it was taken. NULL is ignored. */
void oh__blocks_give(struct oh__blocks *blocks, void *p, size_t n);

/*
 * Gives back half of the idle bytes that were not needed since the last call; returns how many.
 * Called once a second, it returns a peak's memory within half a minute and takes nothing from
 * traffic that goes on.
 */
size_t oh__blocks_relax(struct oh__blocks *blocks);

/* Bytes in use and bytes idle, each with what rounding to the class added. */
void oh__blocks_stats(const struct oh__blocks *blocks, size_t *used, size_t *idle);

struct oh__cbuf {
    uint32_t refs; /* owners; not atomic */
    uint32_t n;    /* bytes in data */
    char data[];
};

/* Copies bytes (less than 4 GiB) into a new counted buffer with one reference; NULL on failure. */
struct oh__cbuf *oh__cbuf_new(struct oh__blocks *blocks, struct oh_span bytes);

/* One more reference; returns b. */
struct oh__cbuf *oh__cbuf_ref(struct oh__cbuf *b);

/* One reference less; the last one gives the block back. NULL is ignored. */
void oh__cbuf_unref(struct oh__blocks *blocks, struct oh__cbuf *b);

/* The bytes. */
static inline struct oh_span oh__cbuf_view(const struct oh__cbuf *b)
{
    return b ? oh_span(b->data, b->n) : oh_span(NULL, 0);
}

#endif
