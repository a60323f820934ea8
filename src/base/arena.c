/*
 * Blocks of one usual size hang in a list; the head is the one being cut. What
 * does not fit into the rest of the head opens another block, and what does
 * not fit into any usual block gets one of its own size, which reset gives
 * back to the heap: one huge message must not fix the memory of an endpoint
 * for ever. The rest of an abandoned head is lost until the reset; messages
 * are so much smaller than blocks that chasing it would cost more.
 */
#include <offhook/arena.h>

#include "base/poison.h"

#define ALIGN 16

/* Whole block with its header; holds all that a usual message needs. */
#define USUAL 16384

struct oh_arena_block {
    struct oh_arena_block *next;
    size_t size; /* bytes of data */
    size_t at;   /* bytes of data that are handed out or padding */
    _Alignas(ALIGN) char data[];
};

#define USUAL_DATA (USUAL - sizeof(struct oh_arena_block))

/* Memory is taken when the first byte is asked for: an idle endpoint costs a struct. */
void oh_arena_init(struct oh_arena *a, const struct oh_alloc *alloc, size_t limit)
{
    *a = (struct oh_arena){.alloc = alloc, .limit = limit};
}

/*
 * Opens a block with room for n bytes. A usual one becomes the head; one of
 * its own size will be full at once and goes behind the head, whose rest
 * would be lost otherwise.
 */
static struct oh_arena_block *open_block(struct oh_arena *a, size_t n)
{
    struct oh_arena_block *b = a->idle;

    if (n <= USUAL_DATA && b) {
        a->idle = b->next;
    } else {
        size_t size = n <= USUAL_DATA ? USUAL_DATA : n;

        if (size > SIZE_MAX - sizeof(*b))
            return NULL;
        b = oh_alloc(a->alloc, sizeof(*b) + size);
        if (!b)
            return NULL;
        b->size = size;
        oh__poison(b->data, size);
    }
    b->at = 0;
    if (b->size > USUAL_DATA && a->head) {
        b->next = a->head->next;
        a->head->next = b;
    } else {
        b->next = a->head;
        a->head = b;
    }
    return b;
}

/* Cuts n bytes off; pad bytes before them are lost to alignment. */
static void *cut(struct oh_arena *a, size_t n, size_t align)
{
    struct oh_arena_block *b = a->head;
    size_t pad = b ? -b->at & (align - 1) : 0;
    char *p;

    /* Written without sums, which could wrap round for a hostile length. */
    if (b && (pad > b->size - b->at || n > b->size - b->at - pad))
        b = NULL;
    if (!b)
        pad = 0;
    if (n > a->limit - a->used || pad > a->limit - a->used - n)
        return NULL;
    if (!b) {
        b = open_block(a, n);
        if (!b)
            return NULL;
    }
    p = b->data + b->at + pad;
    b->at += pad + n;
    a->used += pad + n;
    oh__unpoison(p, n);
    return p;
}

void *oh_arena_take(struct oh_arena *a, size_t n)
{
    return cut(a, n ? n : 1, ALIGN);
}

struct oh_span oh_arena_copy(struct oh_arena *a, struct oh_span s)
{
    char *p;

    if (s.n == 0)
        return OH_LIT("");
    p = cut(a, s.n, 1);
    if (!p)
        return oh_span(NULL, 0);
    memcpy(p, s.p, s.n);
    return oh_span(p, s.n);
}

/* The heap's own bookkeeping may touch the bytes, so they must not stay poisoned. */
static void free_block(struct oh_arena *a, struct oh_arena_block *b)
{
    oh__unpoison(b->data, b->size);
    oh_free(a->alloc, b, sizeof(*b) + b->size);
}

void oh_arena_reset(struct oh_arena *a)
{
    /* Idle blocks are poisoned, so a span that outlived its message is found out. */
    while (a->head) {
        struct oh_arena_block *b = a->head;

        a->head = b->next;
        if (b->size > USUAL_DATA) {
            free_block(a, b);
            continue;
        }
        oh__poison(b->data, b->size);
        b->next = a->idle;
        a->idle = b;
    }
    a->used = 0;
}

void oh_arena_done(struct oh_arena *a)
{
    oh_arena_reset(a);
    while (a->idle) {
        struct oh_arena_block *b = a->idle;

        a->idle = b->next;
        free_block(a, b);
    }
}
