/*
 * The rules that hold between any two calls. Tests, fuzzers and the simulator
 * ask after every step, so that a wrong state is found where it arises and not
 * where it hurts.
 */
#include <stdlib.h>

#include "core/internal.h"

/* A debug build names the rule; an optimised one, where assert is nothing, stops too. */
#define RULE(truth)    \
    do {               \
        assert(truth); \
        if (!(truth))  \
            abort();   \
    } while (0)

/* States in which a transaction works, and those in which it only remembers. */
static bool state_fits(const struct oh__txn *t)
{
    switch ((enum oh__machine_id)t->machine) {
    case OH__MACHINE_NONE: return !t->completed && !t->live;
    case OH__MACHINE_ICT: return t->completed == (t->state >= OH__ICT_COMPLETED);
    case OH__MACHINE_NICT: return t->completed == (t->state == OH__NICT_COMPLETED);
    case OH__MACHINE_IST: return t->completed == (t->state >= OH__IST_CONFIRMED);
    case OH__MACHINE_NIST: return t->completed == (t->state == OH__NIST_COMPLETED);
    case OH__MACHINE_COUNT: break;
    }
    return false;
}

/* The wheel knows the earliest of its times. */
static void check_live(const struct oh__txn *t)
{
    const struct oh__live *live = t->live;
    uint64_t at = live->a < live->b ? live->a : live->b;

    at = live->trying < at ? live->trying : at;
    RULE(live->txn == t);
    RULE(oh__timer_armed(&live->timer) == (at != OH__NEVER));
    RULE(at == OH__NEVER || live->timer.at == at);
    /* A client at work can always repeat its request, or make an ACK or CANCEL of it. */
    RULE(t->machine != OH__MACHINE_ICT || t->kept);
    RULE(t->machine != OH__MACHINE_NICT || t->kept);
}

/* Clients but CANCEL are found by handle, all others by key. */
static void check_place(const struct oh_endpoint *ep, const struct oh__txn *t)
{
    bool client = t->machine == OH__MACHINE_ICT || t->machine == OH__MACHINE_NICT;
    bool by_key = t->machine != OH__MACHINE_NONE && (!client || t->method == OH_METHOD_CANCEL);

    RULE(t->listed == by_key);
    if (by_key)
        RULE(oh__table_find(ep, t->key, t->method, client) == t);
}

/* Every payer has as many as are charged to it: the cells of a row add up to all that are. */
static void check_payers(const struct oh_endpoint *ep, uint32_t charged, uint32_t extra)
{
    RULE(extra == ep->extra);
    for (unsigned row = 0; row < OH__PAYER_ROWS; row++) {
        uint32_t sum = 0;

        for (unsigned i = 0; i < OH__PAYER_CELLS; i++)
            sum += ep->payers.held[row][i];
        RULE(sum == charged);
    }
}

static void check_fifos(const struct oh_endpoint *ep)
{
    uint32_t n = 0;

    for (unsigned i = 0; i < OH__FIFO_COUNT; i++) {
        const struct oh__fifo *f = &ep->fifo[i];
        const struct oh__txn *t = f->head;

        RULE((f->head == NULL) == (f->tail == NULL));
        for (; t; t = t->next, n++) {
            RULE(t->completed);
            RULE(!t->next ? t == f->tail : t->at <= t->next->at);
        }
    }
    RULE(n == ep->stats.completed);
    RULE(n <= ep->options.completed_max);
}

static void check_table(const struct oh_endpoint *ep)
{
    const struct oh__table *tab = &ep->table;
    uint32_t n = 0;

    for (uint32_t i = 0; tab->buckets && i <= tab->mask; i++) {
        const struct oh__bucket *b = &tab->buckets[i];

        RULE(b->chain || !b->seen);
        for (const struct oh__txn *t = b->chain; t; t = t->chain, n++)
            RULE(t->listed && (t->key.lo & tab->mask) == i && b->seen >> (t->key.hi & 63) & 1);
    }
    RULE(n == tab->n);
}

void oh_endpoint_check(const struct oh_endpoint *ep)
{
    const struct oh__txn *t;
    uint32_t cursor = 0, working = 0, listed = 0, charged = 0;
    uint32_t extra = 0, remembered = 0;
    uint64_t handle;

    while ((t = oh__pool_next(ep->pool, &cursor, &handle)) != NULL) {
        RULE(t->handle == handle);
        RULE(state_fits(t));
        if (!t->completed && t->machine != OH__MACHINE_NONE) {
            check_live(t);
            charged += t->live->charged ? 1u + t->live->extra : 0;
            extra += t->live->extra;
        }
        remembered += t->completed ? oh__payer_remembered(t) : 0;
        check_place(ep, t);
        working += !t->completed;
        listed += t->listed;
    }
    /* Nothing is lost and nothing is counted twice: all records are at work or completed. */
    RULE(working == ep->in_flight);
    RULE(working + ep->stats.completed == oh__pool_live(ep->pool));
    RULE(listed == ep->table.n);
    check_fifos(ep);
    check_table(ep);
    check_payers(ep, charged, extra);
    RULE(remembered == ep->completed_extra);
    RULE(oh__wheel_ok(ep->wheel));
}
