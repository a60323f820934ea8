/*
 * Completed transactions wait for retransmissions of what they have answered:
 * Timers D, J, L and M of 64*T1, I and K of T4 (RFC 3261 table 4, RFC 6026).
 * There are a hundred times as many of them as there are transactions at work,
 * all with one of two delays; so they queue, and cost no timer.
 *
 * Their number has a bound of its own. Beyond it the oldest one goes, because
 * it is the one least likely to be asked for again; a retransmission that
 * comes after all is then taken for a new request, which is a small evil
 * against refusing calls.
 */
#include "core/internal.h"

/* Gone for good. An INVITE server transaction says so, since its user keeps a context for it. */
static void end_head(struct oh_endpoint *ep, struct oh__fifo *f)
{
    struct oh__txn *t = f->head;

    /* The link must be gone before the record is given back: its place was that of `live`. */
    f->head = t->next;
    if (!f->head)
        f->tail = NULL;
    t->completed = 0;
    t->next = NULL;
    ep->stats.completed--;
    ep->completed_extra -= oh__payer_remembered(t);
    if (t->machine == OH__MACHINE_IST)
        oh__put_event(ep, OH_OUT_ENDED, t, 0, NULL, NULL);
    oh__txn_release(ep, t);
}

/* The queue whose head has been completed the longest. */
static struct oh__fifo *oldest(struct oh_endpoint *ep)
{
    struct oh__fifo *found = NULL;
    uint64_t since = OH__NEVER;

    for (unsigned i = 0; i < OH__FIFO_COUNT; i++) {
        struct oh__fifo *f = &ep->fifo[i];

        /* Expiry less delay is when it came. */
        if (f->head && f->head->at - f->delay < since) {
            since = f->head->at - f->delay;
            found = f;
        }
    }
    return found;
}

void oh__completed_add(struct oh_endpoint *ep, struct oh__txn *t, unsigned fifo)
{
    struct oh__fifo *f = &ep->fifo[fifo];

    oh__txn_quiet(ep, t);
    ep->in_flight--;
    ep->stats.completed++;
    t->completed = 1;
    t->next = NULL;
    t->at = ep->now + f->delay;
    if (f->tail)
        f->tail->next = t;
    else
        f->head = t;
    f->tail = t;
    ep->completed_extra += oh__payer_remembered(t);
    /* Mostly one came and one goes; a large reply takes the place of several. */
    while (ep->stats.completed &&
           ep->stats.completed + ep->completed_extra > ep->options.completed_max) {
        ep->stats.completed_evicted++;
        end_head(ep, oldest(ep));
    }
}

/* The queue whose head is due first, or NULL. */
static struct oh__fifo *earliest(const struct oh_endpoint *ep)
{
    const struct oh__fifo *found = NULL;

    for (unsigned i = 0; i < OH__FIFO_COUNT; i++) {
        const struct oh__fifo *f = &ep->fifo[i];

        if (f->head && (!found || f->head->at < found->head->at))
            found = f;
    }
    return (struct oh__fifo *)found;
}

bool oh__completed_expire(struct oh_endpoint *ep)
{
    struct oh__fifo *f = earliest(ep);

    if (!f || f->head->at > ep->now)
        return false;
    end_head(ep, f);
    return true;
}

uint64_t oh__completed_deadline(const struct oh_endpoint *ep)
{
    const struct oh__fifo *f = earliest(ep);

    return f ? f->head->at : OH__NEVER;
}
