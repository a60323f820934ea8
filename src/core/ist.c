/*
 * INVITE server transaction (RFC 3261 17.2.1, figure 7 of RFC 6026).
 *
 *   Proceeding   the user has not decided; the last 1xx answers
 *                retransmissions; 100 goes out by itself after 200 ms
 *   Completed    a 300-699 was sent; Timer G repeats it, Timer H gives up
 *   Confirmed    its ACK came; Timer I absorbs further ones
 *   Accepted     a 2xx was sent; until Timer L retransmitted INVITEs are
 *                absorbed, and the user repeats the 2xx
 *
 * Confirmed and Accepted send nothing by themselves and wait among the
 * completed; of the response only the To tag is kept, for a late CANCEL and
 * for an ACK of RFC 2543. A transport error ends none of these states (RFC
 * 6026 8.8).
 */
#include "core/internal.h"

const char *oh__ist_state_name(unsigned state)
{
    switch (state) {
    case OH__IST_PROCEEDING: return "Proceeding";
    case OH__IST_COMPLETED: return "Completed";
    case OH__IST_CONFIRMED: return "Confirmed";
    case OH__IST_ACCEPTED: return "Accepted";
    }
    return "?";
}

void oh__ist_start(struct oh_endpoint *ep, struct oh__txn *t)
{
    oh__txn_move(ep, t, OH__IST_PROCEEDING);
    t->live->trying = ep->now + ep->trying_ist;
    oh__txn_schedule(ep, t);
}

/* Keeps the To tag of the last response instead of all of it. */
static void keep_tag(struct oh_endpoint *ep, struct oh__txn *t)
{
    struct oh_span tag = oh__replied_tag(t);
    struct oh__cbuf *small = tag.n ? oh__cbuf_new(ep->blocks, tag) : NULL;

    if (tag.n && !small)
        return; /* no memory to save memory: the response stays */
    oh__txn_keep(ep, t, small);
    t->tag_only = 1;
}

/* The user has spoken: the 100 that was ready for its silence is not needed. */
static void silence_broken(struct oh_endpoint *ep, struct oh__txn *t)
{
    t->live->trying = OH__NEVER;
    oh__cbuf_unref(ep->blocks, t->live->aside);
    t->live->aside = NULL;
}

/* The user's reply while nothing final has been sent; the reference goes to `kept`. */
static int reply_first(struct oh_endpoint *ep, struct oh__txn *t, unsigned status,
                       struct oh__cbuf *reply)
{
    oh__txn_send(ep, t, reply);
    oh__txn_keep(ep, t, reply);
    silence_broken(ep, t);
    /* Timer H runs over any transport, G only where bytes get lost (RFC 3261 17.2.1). */
    if (status >= 300) {
        oh__txn_move(ep, t, OH__IST_COMPLETED);
        t->live->h = ep->now + ep->t64;
        if (!oh_transport_reliable(t->transport))
            t->live->g = ep->now + ep->t1;
    }
    if (status < 200 || status >= 300) {
        oh__txn_schedule(ep, t);
        return OH_OK;
    }
    oh__txn_move(ep, t, OH__IST_ACCEPTED);
    keep_tag(ep, t);
    oh__completed_add(ep, t, OH__FIFO_LONG); /* Timer L */
    return OH_OK;
}

int oh__ist_reply(struct oh_endpoint *ep, struct oh__txn *t, unsigned status,
                  struct oh__cbuf *reply)
{
    switch ((enum oh__ist_state)t->state) {
    case OH__IST_PROCEEDING: return reply_first(ep, t, status, reply);
    case OH__IST_ACCEPTED:
        if (status < 200 || status >= 300)
            break;
        oh__txn_send(ep, t, reply);
        oh__cbuf_unref(ep->blocks, reply);
        return OH_OK;
    case OH__IST_COMPLETED:
    case OH__IST_CONFIRMED: break;
    }
    oh__cbuf_unref(ep->blocks, reply);
    return OH_E_STATE;
}

/*
 * The client has not heard us: the last response again, but never a 2xx, which is the user's
 * (RFC 6026 7.1).
 */
void oh__ist_retransmitted(struct oh_endpoint *ep, struct oh__txn *t)
{
    ep->stats.rx_retransmissions++;
    switch ((enum oh__ist_state)t->state) {
    case OH__IST_PROCEEDING:
    case OH__IST_COMPLETED: oh__txn_resend(ep, t); break;
    case OH__IST_CONFIRMED:
    case OH__IST_ACCEPTED: break;
    }
}

/* Confirmed: the client has its answer. */
static void confirm(struct oh_endpoint *ep, struct oh__txn *t)
{
    oh__txn_move(ep, t, OH__IST_CONFIRMED);
    if (oh_transport_reliable(t->transport)) { /* Timer I is zero */
        oh__put_event(ep, OH_OUT_ENDED, t, 0, NULL, NULL);
        oh__txn_end(ep, t);
        return;
    }
    keep_tag(ep, t);
    oh__completed_add(ep, t, OH__FIFO_SHORT);
}

bool oh__ist_ack(struct oh_endpoint *ep, struct oh__txn *t)
{
    switch ((enum oh__ist_state)t->state) {
    case OH__IST_PROCEEDING: /* an ACK of nothing */ ep->stats.rx_stray_acks++; break;
    case OH__IST_COMPLETED: confirm(ep, t); break;
    case OH__IST_CONFIRMED: ep->stats.rx_retransmissions++; break;
    case OH__IST_ACCEPTED: return true;
    }
    return false;
}

/* Timer H before the others, for a late clock; the 100 that nobody sent; Timer G. */
void oh__ist_timer(struct oh_endpoint *ep, struct oh__txn *t)
{
    struct oh__live *live = t->live;

    if (live->h <= ep->now) {
        ep->stats.timeouts++;
        oh__put_event(ep, OH_OUT_ENDED, t, OH_E_TIMEOUT, NULL, NULL);
        oh__txn_end(ep, t);
        return;
    }
    if (live->trying <= ep->now) {
        live->trying = OH__NEVER;
        /* Now it is our last response, and answers retransmissions. */
        oh__txn_keep(ep, t, live->aside);
        live->aside = NULL;
        oh__txn_send(ep, t, t->kept);
    }
    if (live->g <= ep->now) {
        uint64_t pause = 2 * oh__interval(live);

        oh__set_interval(live, pause < ep->t2 ? pause : ep->t2);
        live->g = oh__next_after(live->g, oh__interval(live), ep->now);
        oh__txn_resend(ep, t);
    }
    oh__txn_schedule(ep, t);
}

void oh__ist_failed(struct oh_endpoint *ep, struct oh__txn *t, int result)
{
    (void)result; /* whatever it was, there is one thing that can be done */
    oh__server_reroute(ep, t);
}
