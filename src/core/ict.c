/*
 * INVITE client transaction (RFC 3261 17.1.1.2, figure 5 of RFC 6026).
 *
 *   Calling      sent; Timer A retransmits with doubling pauses, Timer B ends it
 *   Proceeding   a 1xx came; no time runs but the guard after a CANCEL
 *   Completed    a 300-699 came and was acknowledged; Timer D answers its
 *                retransmissions with the same ACK
 *   Accepted     a 2xx came; until Timer M every further 2xx goes to the user
 *
 * The last two need neither request nor timers and wait among the completed.
 */
#include "core/internal.h"

const char *oh__ict_state_name(unsigned state)
{
    switch (state) {
    case OH__ICT_CALLING: return "Calling";
    case OH__ICT_PROCEEDING: return "Proceeding";
    case OH__ICT_COMPLETED: return "Completed";
    case OH__ICT_ACCEPTED: return "Accepted";
    }
    return "?";
}

void oh__ict_start(struct oh_endpoint *ep, struct oh__txn *t)
{
    t->machine = OH__MACHINE_ICT;
    oh__txn_move(ep, t, OH__ICT_CALLING);
    t->live->b = ep->now + ep->t64;
    if (!oh_transport_reliable(t->transport))
        t->live->a = ep->now + ep->t1;
    oh__txn_schedule(ep, t);
    oh__txn_send(ep, t, t->kept);
}

/* No final response will come: tells the user and ends. */
static void give_up(struct oh_endpoint *ep, struct oh__txn *t, int why)
{
    if (why == OH_E_TIMEOUT)
        ep->stats.timeouts++;
    oh__put_event(ep, OH_OUT_FAILED, t, why, NULL, NULL);
    oh__txn_end(ep, t);
}

/* CANCEL goes out, and from now on there is a limit to waiting (RFC 3261 9.1). */
static void send_cancel(struct oh_endpoint *ep, struct oh__txn *t, struct oh_span headers)
{
    /* Should it not be possible for lack of memory, the guard still ends the transaction. */
    (void)oh__cancel_send(ep, t, headers);
    t->cancel = true;
    t->live->guard = ep->now + ep->t64;
    oh__txn_schedule(ep, t);
}

/* The first 1xx ends retransmission and time-out; every one goes to the user. */
static void provisional(struct oh_endpoint *ep, struct oh__txn *t, const struct oh_msg *msg,
                        const struct oh_flow *flow)
{
    bool first = t->state == OH__ICT_CALLING;

    if (first) {
        oh__txn_move(ep, t, OH__ICT_PROCEEDING);
        t->live->a = t->live->b = OH__NEVER;
        if (t->muted)
            t->live->guard = ep->now + ep->t64;
        oh__txn_schedule(ep, t);
    }
    oh__put_event(ep, OH_OUT_RESPONSE, t, msg->status, msg, flow);
    if (first && t->cancel) {
        send_cancel(ep, t, oh__cbuf_view(t->live->aside));
        oh__cbuf_unref(ep->blocks, t->live->aside);
        t->live->aside = NULL;
    }
}

/* The ACK for a 300-699 in a buffer of its own; NULL when there is no memory (RFC 3261 17.1.1.3).
 */
static struct oh__cbuf *make_ack(struct oh_endpoint *ep, const struct oh__txn *t,
                                 const struct oh_msg *msg)
{
    /* Everything in an ACK comes from one of the two, but for a few literals and names in full
     * form. */
    size_t most = 2 * ((size_t)t->kept->n + msg->raw.n) + 256;
    struct oh_buf out;
    char *room;

    if (oh__own_msg(ep, oh__cbuf_view(t->kept)) != OH_OK)
        return NULL;
    room = oh_arena_take(&ep->arena, most);
    if (!room)
        return NULL;
    oh_buf_init(&out, room, most);
    if (oh_build_ack(&out, &ep->scratch, msg) != OH_OK)
        return NULL;
    return oh__cbuf_new(ep->blocks, oh_buf_view(&out));
}

/* 300-699: ACK, tell the user, wait for repetitions. */
static void refused(struct oh_endpoint *ep, struct oh__txn *t, const struct oh_msg *msg,
                    const struct oh_flow *flow)
{
    struct oh__cbuf *ack = make_ack(ep, t, msg);

    /* Without memory for it the ACK is lost like a datagram; the next 300-699 finds none kept. */
    oh__txn_keep(ep, t, ack);
    if (ack)
        oh__txn_send(ep, t, ack);
    oh__txn_move(ep, t, OH__ICT_COMPLETED);
    oh__put_event(ep, OH_OUT_RESPONSE, t, msg->status, msg, flow);
    if (oh_transport_reliable(t->transport)) /* Timer D is zero */
        oh__txn_end(ep, t);
    else
        oh__completed_add(ep, t, OH__FIFO_LONG);
}

/* 2xx: its ACK is the user's; the request is not needed any more. */
static void accepted(struct oh_endpoint *ep, struct oh__txn *t, const struct oh_msg *msg,
                     const struct oh_flow *flow)
{
    oh__txn_keep(ep, t, NULL);
    oh__txn_move(ep, t, OH__ICT_ACCEPTED);
    oh__put_event(ep, OH_OUT_RESPONSE, t, msg->status, msg, flow);
    oh__completed_add(ep, t, OH__FIFO_LONG); /* Timer M */
}

/* The response has matched; what it does hangs on the state alone (figure 5 of RFC 6026). */
void oh__ict_response(struct oh_endpoint *ep, struct oh__txn *t, const struct oh_msg *msg,
                      const struct oh_flow *flow)
{
    switch ((enum oh__ict_state)t->state) {
    case OH__ICT_CALLING:
    case OH__ICT_PROCEEDING:
        if (msg->status < 200)
            provisional(ep, t, msg, flow);
        else if (msg->status < 300)
            accepted(ep, t, msg, flow);
        else
            refused(ep, t, msg, flow);
        break;
    case OH__ICT_COMPLETED:
        ep->stats.rx_retransmissions++;
        if (msg->status >= 300)
            oh__txn_resend(ep, t);
        break;
    case OH__ICT_ACCEPTED:
        if (msg->status >= 200 && msg->status < 300)
            oh__put_event(ep, OH_OUT_RESPONSE, t, msg->status, msg, flow);
        else
            ep->stats.rx_stray_responses++;
        break;
    }
}

/* Giving up comes before retransmitting: a late clock must not send what nobody will wait for. */
void oh__ict_timer(struct oh_endpoint *ep, struct oh__txn *t)
{
    struct oh__live *live = t->live;

    if (live->b <= ep->now || live->guard <= ep->now) {
        give_up(ep, t, OH_E_TIMEOUT);
        return;
    }
    if (live->a <= ep->now) {
        oh__set_interval(live, 2 * oh__interval(live));
        live->a = oh__next_after(live->a, oh__interval(live), ep->now);
        oh__txn_resend(ep, t);
    }
    oh__txn_schedule(ep, t);
}

/* RFC 3261 17.1.4: only while nothing has been heard is a failed send the end. */
void oh__ict_failed(struct oh_endpoint *ep, struct oh__txn *t, int result)
{
    switch ((enum oh__ict_state)t->state) {
    case OH__ICT_CALLING: give_up(ep, t, result); break;
    case OH__ICT_PROCEEDING: /* an earlier copy got lost; the answer shows that one arrived */
    case OH__ICT_COMPLETED:  /* the user has its response; another ACK may be more lucky */
    case OH__ICT_ACCEPTED: break;
    }
}

/*
 * RFC 3261 9.1: not before a 1xx, since the CANCEL could overtake the INVITE; nothing after a
 * final.
 */
int oh__ict_cancel(struct oh_endpoint *ep, struct oh__txn *t, struct oh_span headers)
{
    switch ((enum oh__ict_state)t->state) {
    case OH__ICT_CALLING:
        if (t->cancel)
            break;
        if (headers.n) {
            t->live->aside = oh__cbuf_new(ep->blocks, headers);
            if (!t->live->aside)
                return OH_E_NOMEM;
        }
        t->cancel = true;
        break;
    case OH__ICT_PROCEEDING:
        if (!t->cancel)
            send_cancel(ep, t, headers);
        break;
    case OH__ICT_COMPLETED:
    case OH__ICT_ACCEPTED: /* too late: nothing to cancel */ break;
    }
    return OH_OK;
}
