/*
 * A cache with sets, as a processor has it: a datagram's mark and peer select a
 * set of four places, and the oldest of the four makes room. Remembering costs
 * a look at four places and no heap, which matters because every request that
 * is sent passes here and next to none ever comes back; what may cost more is
 * the rare error that brought too little back to be recognised.
 */
#include "net/watch.h"

#include "base/hash.h"

#define SETS 512u
#define WAYS 4u

/* How much of a datagram its mark covers. */
#define MARK_BYTES 128

/* Set in the mark of fewer bytes than that. */
#define MARK_SHORT (UINT64_C(1) << 32)

struct sent {
    struct oh_flow flow;
    uint64_t mark;
    uint64_t ticket; /* 0 = free */
    uint64_t order;  /* counts sends; the largest is the latest */
};

struct oh__watch {
    uint64_t order;
    struct sent table[SETS][WAYS];
};

struct oh__watch *oh__watch_new(void)
{
    return oh_alloc_zero(oh_alloc_default(), 1, sizeof(struct oh__watch));
}

void oh__watch_free(struct oh__watch *w)
{
    oh_free(oh_alloc_default(), w, sizeof(*w));
}

uint64_t oh__watch_mark(struct oh_span bytes)
{
    struct oh_span head = oh_span_head(bytes, MARK_BYTES);

    return oh__crc32c(0, head.p, head.n) | (head.n < MARK_BYTES ? MARK_SHORT : 0);
}

/* A checksum is enough here: who makes sets collide only loses sight of its own datagrams. */
static struct sent *set_of(struct oh__watch *w, const struct oh_addr *peer, uint64_t mark)
{
    uint32_t sum = oh__crc32c((uint32_t)mark, peer->ip, sizeof(peer->ip));

    return w->table[(sum ^ peer->port) % SETS];
}

void oh__watch_add(struct oh__watch *w, const struct oh_flow *flow, uint64_t mark, uint64_t ticket)
{
    struct sent *set = set_of(w, &flow->peer, mark);
    struct sent *oldest = set;

    for (unsigned i = 0; i < WAYS; i++) {
        if (set[i].ticket == ticket && set[i].mark == mark) {
            oldest = &set[i];
            break;
        }
        if (set[i].order < oldest->order)
            oldest = &set[i];
    }
    *oldest = (struct sent){.flow = *flow, .mark = mark, .ticket = ticket, .order = ++w->order};
}

/* The latest datagram to a peer. A walk over the table, for the rare error that brought nothing
 * back. */
static struct sent *latest_to(struct oh__watch *w, const struct oh_addr *peer)
{
    struct sent *best = NULL;

    for (unsigned s = 0; s < SETS; s++) {
        for (unsigned i = 0; i < WAYS; i++) {
            struct sent *e = &w->table[s][i];

            if (e->ticket && (!best || e->order > best->order) && oh_addr_eq(&e->flow.peer, peer))
                best = e;
        }
    }
    return best;
}

static struct sent *find(struct oh__watch *w, const struct oh_addr *peer, uint64_t mark)
{
    struct sent *set = set_of(w, peer, mark);

    for (unsigned i = 0; i < WAYS; i++) {
        if (set[i].ticket && set[i].mark == mark && oh_addr_eq(&set[i].flow.peer, peer))
            return &set[i];
    }
    return mark & MARK_SHORT ? latest_to(w, peer) : NULL;
}

bool oh__watch_find(struct oh__watch *w, const struct oh_addr *peer, uint64_t mark,
                    uint64_t *ticket, struct oh_flow *flow)
{
    struct sent *e = find(w, peer, mark);

    if (!e)
        return false;
    *ticket = e->ticket;
    *flow = e->flow;
    e->ticket = 0;
    e->order = 0;
    return true;
}
