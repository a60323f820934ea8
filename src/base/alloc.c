/*
 * The only file that calls the C library's heap. Everything else gets a table
 * of functions from whoever creates it, so that a test can count and fail each
 * call, and a program that embeds the core can bring its own heap.
 */
#include <offhook/alloc.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/*
 * The C library may answer a request for no bytes with NULL, which callers
 * would take for a failure; one byte avoids the special case everywhere.
 */
static size_t at_least_one(size_t size)
{
    return size ? size : 1;
}

/* The sizes are for heaps that can use them; the C library's knows its own. */
static void *heap_alloc(void *ctx, size_t size)
{
    (void)ctx;
    return malloc(at_least_one(size));
}

static void *heap_realloc(void *ctx, void *p, size_t old_size, size_t new_size)
{
    (void)ctx;
    (void)old_size;
    return realloc(p, at_least_one(new_size));
}

static void heap_free(void *ctx, void *p, size_t size)
{
    (void)ctx;
    (void)size;
    free(p);
}

const struct oh_alloc *oh_alloc_default(void)
{
    static const struct oh_alloc heap = {
        .alloc = heap_alloc,
        .realloc = heap_realloc,
        .free = heap_free,
    };

    return &heap;
}

void *oh_alloc(const struct oh_alloc *a, size_t size)
{
    return a->alloc(a->ctx, size);
}

void *oh_alloc_zero(const struct oh_alloc *a, size_t n, size_t size)
{
    void *p;

    /* A product that wraps round would give a small block for a large array. */
    if (size && n > SIZE_MAX / size)
        return NULL;
    p = a->alloc(a->ctx, n * size);
    if (p)
        memset(p, 0, n * size);
    return p;
}

void *oh_realloc(const struct oh_alloc *a, void *p, size_t old_size, size_t new_size)
{
    return a->realloc(a->ctx, p, old_size, new_size);
}

void oh_free(const struct oh_alloc *a, void *p, size_t size)
{
    /* Tables made by others need not know that NULL is to be ignored. */
    if (p)
        a->free(a->ctx, p, size);
}
