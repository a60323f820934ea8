/*
 * A table that is full for everybody because of one is what this prevents. Each
 * transaction at work may be charged to a payer, and a payer may hold no more
 * than what is still free. This one rule needs no figure of an administrator's:
 * an only payer gets half of the table, two greedy ones a third each, and with
 * n of them 1/(n+1) stays free for those who hold little. Until half of the
 * table is in use it refuses nobody.
 *
 * There may be as many payers as there are addresses, so they are not listed.
 * A payer is 16 bits of a keyed hash, which are one cell in each of two rows of
 * counters; it holds at most the smaller one of them. Who shares one cell with
 * somebody greedy is not mistaken for him, only who shares both: one payer in
 * 65,536. The key is secret and random, so nobody can aim.
 *
 * The table is memory, and a message may be a hundred times as large as the
 * usual one. So a transaction counts once more for every 4 KiB of the largest
 * text that is held for it, and a completed one for every 2 KiB of its reply:
 * the bounds on numbers are bounds on bytes, too, and usual calls do not notice.
 */
#include "core/internal.h"

/* What one place in the table has room for, at work and afterwards. */
#define WORK_BYTES      4096
#define COMPLETED_BYTES 2048

/* What the field in struct oh__live holds. */
#define EXTRA_MOST 0x7fff

/* Says that the number is that of a payer, even if its 16 bits are 0. */
#define SOMEBODY 0x10000u

static unsigned cell_of(uint32_t payer, unsigned row)
{
    return payer >> (8 * row) & (OH__PAYER_CELLS - 1);
}

/* Adds so much to what a payer holds; less than nothing takes away. */
static void add(struct oh_endpoint *ep, uint32_t payer, int64_t n)
{
    for (unsigned row = 0; row < OH__PAYER_ROWS; row++) {
        uint32_t *held = &ep->payers.held[row][cell_of(payer, row)];

        *held = (uint32_t)(*held + n);
    }
}

static void charge(struct oh_endpoint *ep, struct oh__live *live, uint32_t payer)
{
    live->charged = true;
    live->payer = (uint16_t)payer;
    add(ep, payer, 1 + live->extra);
}

uint32_t oh_payer_of(const struct oh_endpoint *ep, struct oh_span name)
{
    return SOMEBODY | (uint32_t)(oh__hash(&ep->table_key, name) & 0xffff);
}

void oh_payer_charge(struct oh_endpoint *ep, uint64_t transaction, uint32_t payer)
{
    struct oh__txn *t = oh__pool_get(ep->pool, transaction);

    if (payer && t && !t->completed && t->live && !t->live->charged)
        charge(ep, t->live, payer);
}

bool oh_payer_greedy(const struct oh_endpoint *ep, uint32_t payer)
{
    uint32_t most = ep->options.transactions_max, used = ep->in_flight + ep->extra;
    uint32_t held = UINT32_MAX;

    if (!payer || used >= most)
        return false;
    for (unsigned row = 0; row < OH__PAYER_ROWS; row++) {
        uint32_t n = ep->payers.held[row][cell_of(payer, row)];

        held = n < held ? n : held;
    }
    return held >= most - used;
}

void oh__payer_share(struct oh_endpoint *ep, struct oh__txn *t, const struct oh__txn *with)
{
    if (!with->completed && with->live && with->live->charged)
        charge(ep, t->live, with->live->payer);
}

void oh__payer_weigh(struct oh_endpoint *ep, struct oh__live *live, size_t bytes)
{
    size_t units = bytes / WORK_BYTES;
    uint16_t extra = units < EXTRA_MOST ? (uint16_t)units : EXTRA_MOST;

    if (extra <= live->extra)
        return;
    ep->extra += extra - live->extra;
    if (live->charged)
        add(ep, live->payer, extra - live->extra);
    live->extra = extra;
}

void oh_payer_weigh(struct oh_endpoint *ep, uint64_t transaction, size_t bytes)
{
    struct oh__txn *t = oh__pool_get(ep->pool, transaction);

    if (t && !t->completed && t->live)
        oh__payer_weigh(ep, t->live, bytes);
}

uint32_t oh__payer_remembered(const struct oh__txn *t)
{
    return t->kept ? t->kept->n / COMPLETED_BYTES : 0;
}

void oh__payer_release(struct oh_endpoint *ep, struct oh__live *live)
{
    ep->extra -= live->extra;
    if (live->charged)
        add(ep, live->payer, -(int64_t)(1 + live->extra));
    live->extra = 0;
    live->charged = false;
}
