/*
 * An arena holds what lives exactly as long as one message: allocation is an
 * addition, release is one call for everything. Blocks are kept for the next
 * message, so the steady state makes no heap call.
 */
#ifndef OFFHOOK_ARENA_H
#define OFFHOOK_ARENA_H

#include <offhook/alloc.h>
#include <offhook/span.h>

struct oh_arena_block;

struct oh_arena {
    const struct oh_alloc *alloc;
    struct oh_arena_block *head; /* block in use, older ones behind it */
    struct oh_arena_block *idle; /* blocks kept for reuse */
    size_t used;                 /* bytes handed out since the last reset */
    size_t limit;                /* bytes that may be handed out between resets */
};

/* Starts an empty arena; no memory is taken yet. limit bounds what one message may use, in bytes.
 */
void oh_arena_init(struct oh_arena *a, const struct oh_alloc *alloc, size_t limit);

/*
 * Returns memory aligned to 16 bytes, not cleared; NULL past the limit or when
 * the heap fails. Bytes lost to alignment count towards the limit.
 */
void *oh_arena_take(struct oh_arena *a, size_t n);

/*
 * Copies a span into the arena, without alignment. The result has p == NULL
 * when there was no room; an empty span gives an empty one that is not NULL.
 */
struct oh_span oh_arena_copy(struct oh_arena *a, struct oh_span s);

/*
 * Forgets everything at once; memory is kept for the next use, except blocks
 * beyond the usual size (16 KiB), which one large take made.
 */
void oh_arena_reset(struct oh_arena *a);

/* Gives all memory back. */
void oh_arena_done(struct oh_arena *a);

#endif
