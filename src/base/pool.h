/*
 * A pool hands out objects of one size and names them by handle: index and
 * generation in 64 bits, so that an answer for an object that has ended finds
 * nothing instead of somebody else (use after free cannot be expressed).
 * Memory comes in slabs and goes back to the heap when a slab is empty and
 * more than one empty slab is kept, so a peak does not stay for ever.
 */
#ifndef OH_BASE_POOL_H
#define OH_BASE_POOL_H

#include <offhook/alloc.h>
#include <offhook/span.h>

struct oh__pool;

/*
 * Makes a pool of objects of `size` bytes, at most `max` of them (1 .. 2^24).
 * `tag` (0 .. 255) is put into every handle, to tell pools apart. NULL on failure
 * and for a size or max of 0 or beyond the bounds.
 */
struct oh__pool *oh__pool_new(const struct oh_alloc *alloc, size_t size, uint32_t max, uint8_t tag);

/* Gives everything back, live objects included. NULL is ignored. */
void oh__pool_free(struct oh__pool *pool);

/*
 * Takes a cleared object, aligned to 16 bytes, and writes its handle (never 0);
 * NULL when the pool is at max or the heap fails. It stays where it is until
 * it is given back.
 */
void *oh__pool_take(struct oh__pool *pool, uint64_t *handle);

/* Gives an object back; its handle is stale from now on. A stale handle is ignored. */
void oh__pool_give(struct oh__pool *pool, uint64_t handle);

/* The object, or NULL when the handle is stale, of another pool, or 0. */
void *oh__pool_get(const struct oh__pool *pool, uint64_t handle);

/* How many objects are out. */
uint32_t oh__pool_live(const struct oh__pool *pool);

/*
 * The next live object after *cursor (start with 0), or NULL at the end; for
 * sweeps and invariants. Objects may be given back during the walk.
 */
void *oh__pool_next(const struct oh__pool *pool, uint32_t *cursor, uint64_t *handle);

/*
 * True when all counts and lists agree with each other; for asserts, tests and
 * fuzzers. Costs a walk over everything.
 */
bool oh__pool_ok(const struct oh__pool *pool);

/* Gives back the slab that is kept empty when it was so all the time since the last call; returns
 * the bytes. */
size_t oh__pool_relax(struct oh__pool *pool);

/* Bytes of heap the pool holds now. */
size_t oh__pool_bytes(const struct oh__pool *pool);

/* The tag of a handle, without the pool. */
static inline uint8_t oh__handle_tag(uint64_t handle)
{
    return (uint8_t)(handle >> 56);
}

#endif
