/*
 * Where memory comes from is decided by whoever creates an object: tests count
 * calls and make each one fail in turn, programs pass their own heap.
 */
#ifndef OFFHOOK_ALLOC_H
#define OFFHOOK_ALLOC_H

#include <stddef.h>

/* All sizes are in bytes; `size` passed to free and realloc is the exact size that was asked for.
 */
struct oh_alloc {
    void *ctx;
    /* Returns memory aligned for any object, not cleared; NULL on failure. */
    void *(*alloc)(void *ctx, size_t size);
    /* As C's realloc; the old block stays valid on failure. */
    void *(*realloc)(void *ctx, void *p, size_t old_size, size_t new_size);
    /* NULL is ignored. */
    void (*free)(void *ctx, void *p, size_t size);
};

/* The C library's heap. Immutable, lives for ever. */
const struct oh_alloc *oh_alloc_default(void);

/* Allocates through the table; NULL on failure. The default heap gives a block for size 0, too. */
void *oh_alloc(const struct oh_alloc *a, size_t size);

/* Allocates cleared memory for n objects, to be freed as n * size; NULL on failure or overflow. */
void *oh_alloc_zero(const struct oh_alloc *a, size_t n, size_t size);

/* Grows or shrinks a block; the old one stays valid on failure. */
void *oh_realloc(const struct oh_alloc *a, void *p, size_t old_size, size_t new_size);

/* Gives a block back; size as it was asked for. NULL is ignored. */
void oh_free(const struct oh_alloc *a, void *p, size_t size);

#endif
