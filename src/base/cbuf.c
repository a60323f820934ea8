/*
 * A message that is kept for retransmission is the same bytes for every branch
 * and every attempt, so it is copied once, out of the arena that dies with the
 * message, and then only counted. Nobody may write to it: others send from it.
 * The count is plain, because an owner and its cache belong to one lock.
 */
#include "base/cbuf.h"

#include <assert.h>

/* Header and bytes are one block, so keeping a message is one allocation. */
static size_t whole_size(size_t n)
{
    return sizeof(struct oh__cbuf) + n;
}

struct oh__cbuf *oh__cbuf_new(struct oh__blocks *blocks, struct oh_span bytes)
{
    struct oh__cbuf *b;

    /* The length field has 32 bits, and cutting it would lose a message's end. */
    if (bytes.n > UINT32_MAX - sizeof(*b))
        return NULL;
    b = oh__blocks_take(blocks, whole_size(bytes.n));
    if (!b)
        return NULL;
    b->refs = 1;
    b->n = (uint32_t)bytes.n;
    if (bytes.n)
        memcpy(b->data, bytes.p, bytes.n);
    return b;
}

struct oh__cbuf *oh__cbuf_ref(struct oh__cbuf *b)
{
    assert(b->refs > 0 && b->refs < UINT32_MAX);
    b->refs++;
    return b;
}

void oh__cbuf_unref(struct oh__blocks *blocks, struct oh__cbuf *b)
{
    if (!b)
        return;
    /* A reference too few shows here, before it becomes a use after free. */
    assert(b->refs > 0);
    if (--b->refs == 0)
        oh__blocks_give(blocks, b, whole_size(b->n));
}
