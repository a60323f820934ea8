/*
 * A cache with sets, as a processor has it: a datagram's mark and peer select a
 * set of four places, and the oldest of the four makes room. Remembering costs
 * a look at four places and no heap, which matters because every request that
 * is sent passes here and next to none ever comes back.
 */
#include "net/watch.h"

#include "base/hash.h"

#define SETS 512u
#define WAYS 4u

struct sent {
    struct oh_flow flow;
    uint64_t mark;
    uint64_t ticket; /* 0 = free */
    uint64_t run;    /* 0 = none */
    uint64_t order;  /* counts sends; the largest is the latest */
};

struct oh__watch {
    uint64_t order, runs;
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
    struct oh_span head = oh_span_head(bytes, OH__WATCH_BYTES);

    /* With the length, so that a part of a datagram is never taken for the whole of another. */
    return (uint64_t)head.n << 32 | oh__crc32c(0, head.p, head.n);
}

/* A checksum is enough here: who makes sets collide only loses sight of its own datagrams. */
static struct sent *set_of(struct oh__watch *w, const struct oh_addr *peer, uint64_t mark)
{
    uint32_t sum = oh__crc32c((uint32_t)mark, peer->ip, sizeof(peer->ip));

    return w->table[(sum ^ peer->port) % SETS];
}

uint64_t oh__watch_run(struct oh__watch *w)
{
    return ++w->runs;
}

void oh__watch_add(struct oh__watch *w, const struct oh_flow *flow, uint64_t mark, uint64_t run,
                   uint64_t ticket)
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
    *oldest = (struct sent){
        .flow = *flow, .mark = mark, .ticket = ticket, .run = run, .order = ++w->order};
}

static struct sent *find(struct oh__watch *w, const struct oh_addr *peer, uint64_t mark)
{
    struct sent *set = set_of(w, peer, mark);

    for (unsigned i = 0; i < WAYS; i++) {
        if (set[i].ticket && set[i].mark == mark && oh_addr_eq(&set[i].flow.peer, peer))
            return &set[i];
    }
    return NULL;
}

/* An error is told once; the place is free then. */
static void forget(struct sent *e, uint64_t *ticket, struct oh_flow *flow)
{
    *ticket = e->ticket;
    *flow = e->flow;
    e->ticket = 0;
    e->order = 0;
}

bool oh__watch_find(struct oh__watch *w, const struct oh_addr *peer, uint64_t mark, uint64_t *run,
                    uint64_t *ticket, struct oh_flow *flow)
{
    struct sent *e = find(w, peer, mark);

    if (!e)
        return false;
    *run = e->run;
    forget(e, ticket, flow);
    return true;
}

bool oh__watch_next(struct oh__watch *w, uint64_t run, unsigned *at, uint64_t *ticket,
                    struct oh_flow *flow)
{
    while (run && *at < SETS * WAYS) {
        struct sent *e = &w->table[*at / WAYS][*at % WAYS];

        ++*at;
        if (e->ticket && e->run == run) {
            forget(e, ticket, flow);
            return true;
        }
    }
    return false;
}
