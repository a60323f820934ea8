/*
 * The transaction object: how it comes, goes, sends, and is woken. What it
 * does in between is the business of its machine.
 *
 *   reserved    a record and its handle; a branch was written with it
 *   live        record and working part; the wheel knows its earliest time
 *   completed   the record alone, in a queue of completed.c
 *
 * A record is taken once and given back once, by oh__txn_end or by its queue.
 * Both make the handle stale at the same moment, so an answer that comes later
 * finds nothing.
 */
#include "core/internal.h"

/*
 * Dispatch by machine: name for traces, names of states, what to do when time has come, when a
 * send failed.
 */
static const struct oh__machine machines[OH__MACHINE_COUNT] = {
    [OH__MACHINE_ICT] = {"ict", oh__ict_state_name, oh__ict_timer, oh__ict_failed},
    [OH__MACHINE_NICT] = {"nict", oh__nict_state_name, oh__nict_timer, oh__nict_failed},
    [OH__MACHINE_IST] = {"ist", oh__ist_state_name, oh__ist_timer, oh__ist_failed},
    [OH__MACHINE_NIST] = {"nist", oh__nist_state_name, oh__nist_timer, oh__nist_failed},
};

const struct oh__machine *oh__txn_machine(const struct oh__txn *t)
{
    return t->machine == OH__MACHINE_NONE ? NULL : &machines[t->machine];
}

int oh__txn_new(struct oh_endpoint *ep, bool extra, struct oh__txn **out)
{
    uint64_t handle;
    struct oh__txn *t;

    /* A CANCEL, in or out, ends work: it must not be refused because there is too much of it. */
    if (!extra && ep->in_flight + ep->extra >= ep->options.transactions_max) {
        ep->stats.refused_full++;
        return OH_E_FULL;
    }
    t = oh__pool_take(ep->pool, &handle);
    if (!t)
        return OH_E_NOMEM;
    t->handle = handle;
    /* CANCELs count, too: while there are many of them, that is work enough. */
    ep->in_flight++;
    *out = t;
    return OH_OK;
}

int oh__txn_enliven(struct oh_endpoint *ep, struct oh__txn *t)
{
    struct oh__live *live = oh__blocks_take(ep->blocks, sizeof(*live));

    if (!live)
        return OH_E_NOMEM;
    *live = (struct oh__live){.txn = t, .a = OH__NEVER, .b = OH__NEVER, .trying = OH__NEVER};
    oh__set_interval(live, ep->t1);
    t->live = live;
    return OH_OK;
}

void oh__txn_quiet(struct oh_endpoint *ep, struct oh__txn *t)
{
    /* The place of `live` is taken by the queue's link once it is completed. */
    if (t->completed || !t->live)
        return;
    oh__payer_release(ep, t->live);
    oh__wheel_clear(ep->wheel, &t->live->timer);
    oh__cbuf_unref(ep->blocks, t->live->aside);
    oh__blocks_give(ep->blocks, t->live, sizeof(*t->live));
    t->live = NULL;
}

void oh__txn_release(struct oh_endpoint *ep, struct oh__txn *t)
{
    if (t->listed)
        oh__table_remove(ep, t);
    oh__cbuf_unref(ep->blocks, t->kept);
    t->kept = NULL;
    oh__pool_give(ep->pool, t->handle);
}

void oh__txn_end(struct oh_endpoint *ep, struct oh__txn *t)
{
    assert(!t->completed);
    oh__txn_quiet(ep, t);
    ep->in_flight--;
    oh__txn_release(ep, t);
}

void oh__txn_move(struct oh_endpoint *ep, struct oh__txn *t, unsigned state)
{
    const struct oh__machine *m = oh__txn_machine(t);
    struct oh__trace_event ev;
    struct oh_flow flow;

    t->state = state & 15;
    if (!oh__trace_wants(ep->options.trace, OH__TRACE_STATE))
        return;
    oh__txn_flow(t, &flow);
    ev = (struct oh__trace_event){
        .now = ep->now,
        .kind = OH__TRACE_STATE,
        .name = m->name,
        .text = oh_span_str(m->state_name(state)),
        .peer = &flow.peer,
    };
    oh__trace_emit(ep->options.trace, &ev);
}

void oh__txn_schedule(struct oh_endpoint *ep, struct oh__txn *t)
{
    struct oh__live *live = t->live;
    uint64_t at = live->a;

    if (live->b < at)
        at = live->b;
    if (live->trying < at)
        at = live->trying;
    oh__wheel_set(ep->wheel, &live->timer, at);
}

void oh__txn_keep(struct oh_endpoint *ep, struct oh__txn *t, struct oh__cbuf *b)
{
    if (t->completed)
        ep->completed_extra -= oh__payer_remembered(t);
    oh__cbuf_unref(ep->blocks, t->kept);
    t->kept = b;
    if (t->completed)
        ep->completed_extra += oh__payer_remembered(t);
    else if (t->live && b)
        oh__payer_weigh(ep, t->live, b->n);
}

/* Reserved ones are clients: servers have their machine from the first moment. */
struct oh__txn *oh__txn_client(const struct oh_endpoint *ep, uint64_t handle)
{
    struct oh__txn *t = oh__pool_get(ep->pool, handle);

    return t && t->machine != OH__MACHINE_IST && t->machine != OH__MACHINE_NIST ? t : NULL;
}

struct oh__txn *oh__txn_server(const struct oh_endpoint *ep, uint64_t handle)
{
    struct oh__txn *t = oh__pool_get(ep->pool, handle);

    return t && (t->machine == OH__MACHINE_IST || t->machine == OH__MACHINE_NIST) ? t : NULL;
}

void oh__txn_set_flow(struct oh__txn *t, const struct oh_flow *flow)
{
    t->local = flow->local;
    t->peer = flow->peer;
    t->flow_id = flow->id;
    t->listener = flow->listener;
    t->transport = flow->transport;
}

void oh__txn_flow(const struct oh__txn *t, struct oh_flow *out)
{
    *out = (struct oh_flow){
        .id = t->flow_id,
        .local = t->local,
        .peer = t->peer,
        .listener = t->listener,
        .transport = t->transport,
    };
}

void oh__txn_send(struct oh_endpoint *ep, struct oh__txn *t, struct oh__cbuf *bytes)
{
    struct oh_flow flow;

    oh__txn_flow(t, &flow);
    oh__put_send(ep, &flow, oh__cbuf_view(bytes), bytes, t->handle);
}

void oh__txn_resend(struct oh_endpoint *ep, struct oh__txn *t)
{
    if (!t->kept)
        return;
    ep->stats.tx_retransmissions++;
    oh__txn_send(ep, t, t->kept);
}

uint64_t oh__next_after(uint64_t due, uint64_t interval, uint64_t now)
{
    /*
     * Counting from when it was due and not from now keeps the pauses of the RFC on a loop that
     * is a little late.
     */
    uint64_t next = due + interval;

    return next > now ? next : now + interval;
}
