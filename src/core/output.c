/*
 * The queue of outputs. The user takes until there is nothing left and then
 * brings the next input; so places are simply used one after the other, and
 * the whole queue starts anew with the next input. That keeps what was taken
 * valid until then at no cost.
 *
 * An event must never be lost: a user that waits for the end of a transaction
 * would wait for ever. So room for all outputs of a step is made before the
 * step; when there is no memory for it, the step does not happen (a datagram
 * is lost, a timer stays due), which SIP survives.
 */
#include "core/internal.h"

#define PLACES 64

/* Slabs that an idle queue keeps. */
#define KEPT 4

struct oh__slab {
    struct oh__slab *next;
    struct oh__entry place[PLACES];
};

/* An empty slab behind nothing yet; NULL without memory. */
static struct oh__slab *slab_new(struct oh_endpoint *ep)
{
    struct oh__slab *s = oh_alloc(&ep->alloc, sizeof(*s));

    if (s)
        s->next = NULL;
    return s;
}

int oh__outputs_reserve(struct oh_endpoint *ep)
{
    struct oh__outputs *q = &ep->outputs;
    struct oh__slab *s;

    if (q->put_slab && (q->put_slab->next || q->put_at + OH__OUTPUTS_PER_STEP <= PLACES))
        return OH_OK;
    s = slab_new(ep);
    if (!s)
        return OH_E_NOMEM;
    q->slabs++;
    if (q->last) {
        q->last->next = s;
    } else {
        q->first = q->put_slab = q->take_slab = s;
    }
    q->last = s;
    return OH_OK;
}

/* The next free place; oh__outputs_reserve has made sure that there is one. */
static struct oh__entry *put(struct oh_endpoint *ep)
{
    struct oh__outputs *q = &ep->outputs;

    if (q->put_at == PLACES) {
        assert(q->put_slab->next);
        q->put_slab = q->put_slab->next;
        q->put_at = 0;
    }
    return &q->put_slab->place[q->put_at++];
}

/* Walks to the next place that was put but not taken, or gives NULL. */
static struct oh__entry *take(struct oh__outputs *q)
{
    if (q->take_slab == q->put_slab && q->take_at == q->put_at)
        return NULL;
    if (q->take_at == PLACES) {
        q->take_slab = q->take_slab->next;
        q->take_at = 0;
    }
    return &q->take_slab->place[q->take_at++];
}

/* Frees the slabs behind `last`. */
static void trim(struct oh_endpoint *ep, struct oh__slab *last)
{
    struct oh__outputs *q = &ep->outputs;
    struct oh__slab *s = last->next;

    while (s) {
        struct oh__slab *next = s->next;

        oh_free(&ep->alloc, s, sizeof(*s));
        q->slabs--;
        s = next;
    }
    last->next = NULL;
    q->last = last;
}

/* Lets go of the buffers of all places and starts at the front again. */
static void restart(struct oh_endpoint *ep)
{
    struct oh__outputs *q = &ep->outputs;
    struct oh__slab *s = q->first;
    unsigned n = 0;

    for (; s; s = s == q->put_slab ? NULL : s->next) {
        uint32_t used = s == q->put_slab ? q->put_at : PLACES;

        for (uint32_t i = 0; i < used; i++)
            oh__cbuf_unref(ep->blocks, s->place[i].hold);
    }
    q->put_slab = q->take_slab = q->first;
    q->put_at = q->take_at = 0;
    for (s = q->first; s && ++n < KEPT; s = s->next)
        ;
    if (s && s->next)
        trim(ep, s);
}

/* What was not taken and points to the message that is about to go must not be taken any more. */
static void forget_messages(struct oh__outputs *q)
{
    struct oh__outputs walk = *q;
    struct oh__entry *e;

    while ((e = take(&walk)) != NULL) {
        if (e->out.msg)
            e->dead = true;
    }
}

void oh__outputs_begin(struct oh_endpoint *ep)
{
    struct oh__outputs *q = &ep->outputs;

    ep->recall.msg = NULL;
    /* Bytes that wait to be sent may lie in the arena: it is not reset before they are taken. */
    if (q->take_slab != q->put_slab || q->take_at != q->put_at) {
        forget_messages(q);
        return;
    }
    if (q->first)
        restart(ep);
    oh_arena_reset(&ep->arena);
}

void oh__outputs_done(struct oh_endpoint *ep)
{
    struct oh__outputs *q = &ep->outputs;

    if (!q->first)
        return;
    restart(ep);
    trim(ep, q->first);
    oh_free(&ep->alloc, q->first, sizeof(*q->first));
    *q = (struct oh__outputs){0};
}

bool oh_endpoint_take(struct oh_endpoint *ep, struct oh_output *out)
{
    struct oh__entry *e;

    do {
        e = take(&ep->outputs);
        if (!e)
            return false;
    } while (e->dead);
    *out = e->out;
    return true;
}

void oh__trace_message(const struct oh_endpoint *ep, enum oh__trace_kind kind, struct oh_span bytes,
                       const struct oh_flow *flow, int code)
{
    struct oh__trace_event ev;

    if (!oh__trace_wants(ep->options.trace, kind))
        return;
    ev = (struct oh__trace_event){
        .now = ep->now,
        .kind = kind,
        .name = (const char *)oh_transport_text(flow->transport).p,
        .text = bytes,
        .peer = &flow->peer,
        .code = code,
    };
    oh__trace_emit(ep->options.trace, &ev);
}

void oh__put_send(struct oh_endpoint *ep, const struct oh_flow *flow, struct oh_span bytes,
                  struct oh__cbuf *hold, uint64_t ticket)
{
    struct oh__entry *e;
    bool response = oh_span_eq(oh_span_head(bytes, 4), OH_LIT("SIP/"));

    /* A forged source or maddr must not turn one datagram into many (RFC 4475 3.3.10). */
    if (response && !oh_transport_reliable(flow->transport) && oh_addr_is_broadcast(&flow->peer)) {
        ep->stats.rx_ignored++;
        return;
    }
    ep->stats.tx_messages++;
    oh__trace_message(ep, OH__TRACE_TX, bytes, flow, 0);
    e = put(ep);
    *e = (struct oh__entry){
        .out = {.kind = OH_OUT_SEND,
                .ticket = ticket & OH__TICKET_MASK,
                .flow = *flow,
                .bytes = bytes},
        .hold = hold ? oh__cbuf_ref(hold) : NULL,
    };
}

void oh__put_event(struct oh_endpoint *ep, enum oh_output_kind kind, const struct oh__txn *t,
                   int code, const struct oh_msg *msg, const struct oh_flow *flow)
{
    struct oh__entry *e;
    bool client;

    if (t && t->muted)
        return;
    /* What names the transaction, and whether there is a link, hangs on the side it is on. */
    client = kind == OH_OUT_RESPONSE || kind == OH_OUT_FAILED;
    e = put(ep);
    *e = (struct oh__entry){.out = {.kind = kind, .code = code, .msg = msg}};
    if (flow)
        e->out.flow = *flow;
    if (!t)
        return;
    /* The values and not the transaction, which may have ended by the time this is taken. */
    e->out.user = t->user;
    if (client) {
        e->out.client = t->handle;
        e->out.link = t->link;
    } else {
        e->out.server = t->handle;
    }
}
