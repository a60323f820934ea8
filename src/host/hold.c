/*
 * One array of bytes and one of places in it, both kept from batch to batch:
 * after the first busy second, holding a reply costs a copy and no heap call.
 * They grow to the largest batch there ever was, and stay so.
 */
#include "host/hold.h"

#include <offhook/alloc.h>

#define ENTRIES_FIRST 128
#define BYTES_FIRST   (128 * 1024)

struct entry {
    unsigned shard;
    struct oh_flow flow;
    uint64_t ticket;
    size_t at, n; /* in bytes */
};

struct oh__held {
    struct entry *entries;
    unsigned n, cap;
    char *bytes;
    size_t used, room;
};

struct oh__held *oh__held_new(void)
{
    const struct oh_alloc *a = oh_alloc_default();
    struct oh__held *h = oh_alloc_zero(a, 1, sizeof *h);

    if (!h)
        return NULL;
    h->cap = ENTRIES_FIRST;
    h->room = BYTES_FIRST;
    h->entries = oh_alloc(a, h->cap * sizeof *h->entries);
    h->bytes = oh_alloc(a, h->room);
    if (!h->entries || !h->bytes) {
        oh__held_free(h);
        return NULL;
    }
    return h;
}

void oh__held_free(struct oh__held *h)
{
    const struct oh_alloc *a = oh_alloc_default();

    if (!h)
        return;
    oh_free(a, h->entries, h->cap * sizeof *h->entries);
    oh_free(a, h->bytes, h->room);
    oh_free(a, h, sizeof *h);
}

/* By doubling, so that a burst is not copied again with each of its replies. */
static bool make_room(struct oh__held *h, size_t n)
{
    const struct oh_alloc *a = oh_alloc_default();

    if (h->n == h->cap) {
        struct entry *p = oh_realloc(a, h->entries, h->cap * sizeof *p, 2 * h->cap * sizeof *p);

        if (!p)
            return false;
        h->entries = p;
        h->cap *= 2;
    }
    if (n > h->room - h->used) {
        size_t room = h->room * 2 > h->used + n ? h->room * 2 : h->used + n;
        char *p = oh_realloc(a, h->bytes, h->room, room);

        if (!p)
            return false;
        h->bytes = p;
        h->room = room;
    }
    return true;
}

int oh__held_add(struct oh__held *h, unsigned shard, const struct oh_flow *flow,
                 struct oh_span bytes, uint64_t ticket)
{
    if (!make_room(h, bytes.n))
        return OH_E_NOMEM;
    /* An offset and no pointer: the bytes move when they grow. */
    h->entries[h->n++] = (struct entry){shard, *flow, ticket, h->used, bytes.n};
    memcpy(h->bytes + h->used, bytes.p, bytes.n);
    h->used += bytes.n;
    return OH_OK;
}

void oh__held_send(struct oh__held *h, struct oh__net *net)
{
    for (unsigned i = 0; i < h->n; i++) {
        const struct entry *e = &h->entries[i];

        oh__net_send_in(net, e->shard, &e->flow, oh_span(h->bytes + e->at, e->n), e->ticket);
    }
    oh__held_drop(h);
}

unsigned oh__held_drop(struct oh__held *h)
{
    unsigned n = h->n;

    h->n = 0;
    h->used = 0;
    return n;
}
