#include "base/cbuf.h"

#include <assert.h>

static size_t whole_size(size_t n)
{
    return sizeof(struct oh__cbuf) + n;
}

struct oh__cbuf *oh__cbuf_new(struct oh__blocks *blocks, struct oh_span bytes)
{
    struct oh__cbuf *b;

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
    assert(b->refs > 0);
    if (--b->refs == 0)
        oh__blocks_give(blocks, b, whole_size(b->n));
}
