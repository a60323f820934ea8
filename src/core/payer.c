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
 */
#include "core/internal.h"

/* Says that the number is that of a payer, even if its 16 bits are 0. */
#define SOMEBODY 0x10000u

static unsigned cell_of(uint32_t payer, unsigned row)
{
    return payer >> (8 * row) & (OH__PAYER_CELLS - 1);
}

static void charge(struct oh_endpoint *ep, struct oh__live *live, uint32_t payer)
{
    live->charged = true;
    live->payer = (uint16_t)payer;
    for (unsigned row = 0; row < OH__PAYER_ROWS; row++)
        ep->payers.held[row][cell_of(payer, row)]++;
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
    uint32_t most = ep->options.transactions_max, free, held = UINT32_MAX;

    if (!payer || ep->in_flight >= most)
        return false;
    free = most - ep->in_flight;
    for (unsigned row = 0; row < OH__PAYER_ROWS; row++) {
        uint32_t n = ep->payers.held[row][cell_of(payer, row)];

        held = n < held ? n : held;
    }
    return held >= free;
}

void oh__payer_share(struct oh_endpoint *ep, struct oh__txn *t, const struct oh__txn *with)
{
    if (!with->completed && with->live && with->live->charged)
        charge(ep, t->live, with->live->payer);
}

void oh__payer_release(struct oh_endpoint *ep, struct oh__live *live)
{
    if (!live->charged)
        return;
    live->charged = false;
    for (unsigned row = 0; row < OH__PAYER_ROWS; row++)
        ep->payers.held[row][cell_of(live->payer, row)]--;
}
