/*
 * Non-INVITE client transaction (RFC 3261 17.1.2.2, figure 6).
 *
 *   Trying       sent; Timer E retransmits with pauses that double up to T2,
 *                Timer F ends it
 *   Proceeding   a 1xx came; Timer E goes on every T2, Timer F as before
 *   Completed    a final came; Timer K absorbs its retransmissions
 */
#include "core/internal.h"

const char *oh__nict_state_name(unsigned state)
{
    switch (state) {
    case OH__NICT_TRYING: return "Trying";
    case OH__NICT_PROCEEDING: return "Proceeding";
    case OH__NICT_COMPLETED: return "Completed";
    }
    return "?";
}

void oh__nict_start(struct oh_endpoint *ep, struct oh__txn *t)
{
    t->machine = OH__MACHINE_NICT;
    oh__txn_move(ep, t, OH__NICT_TRYING);
    t->live->f = ep->now + ep->t64;
    if (!oh_transport_reliable(t->transport))
        t->live->e = ep->now + ep->t1;
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

/* The answer: told once, whatever may come again. */
static void final(struct oh_endpoint *ep, struct oh__txn *t, const struct oh_msg *msg,
                  const struct oh_flow *flow)
{
    oh__txn_keep(ep, t, NULL);
    oh__txn_move(ep, t, OH__NICT_COMPLETED);
    oh__put_event(ep, OH_OUT_RESPONSE, t, msg->status, msg, flow);
    if (oh_transport_reliable(t->transport)) /* Timer K is zero */
        oh__txn_end(ep, t);
    else
        oh__completed_add(ep, t, OH__FIFO_SHORT);
}

/* The response has matched (figure 6). */
void oh__nict_response(struct oh_endpoint *ep, struct oh__txn *t, const struct oh_msg *msg,
                       const struct oh_flow *flow)
{
    switch ((enum oh__nict_state)t->state) {
    case OH__NICT_TRYING:
    case OH__NICT_PROCEEDING:
        if (msg->status >= 200) {
            final(ep, t, msg, flow);
            break;
        }
        if (t->state == OH__NICT_TRYING)
            oh__txn_move(ep, t, OH__NICT_PROCEEDING);
        oh__put_event(ep, OH_OUT_RESPONSE, t, msg->status, msg, flow);
        break;
    case OH__NICT_COMPLETED: ep->stats.rx_retransmissions++; break;
    }
}

/* Timer F before E: see oh__ict_timer. */
void oh__nict_timer(struct oh_endpoint *ep, struct oh__txn *t)
{
    struct oh__live *live = t->live;

    if (live->f <= ep->now) {
        give_up(ep, t, OH_E_TIMEOUT);
        return;
    }
    if (live->e <= ep->now) {
        uint64_t pause = 2 * oh__interval(live);

        if (pause > ep->t2 || t->state == OH__NICT_PROCEEDING)
            pause = ep->t2;
        oh__set_interval(live, pause);
        live->e = oh__next_after(live->e, oh__interval(live), ep->now);
        oh__txn_resend(ep, t);
    }
    oh__txn_schedule(ep, t);
}

/* RFC 3261 17.1.4: a request that cannot be sent ends, also when a 1xx came. */
void oh__nict_failed(struct oh_endpoint *ep, struct oh__txn *t, int result)
{
    switch ((enum oh__nict_state)t->state) {
    case OH__NICT_TRYING:
    case OH__NICT_PROCEEDING: give_up(ep, t, result); break;
    case OH__NICT_COMPLETED: break;
    }
}
