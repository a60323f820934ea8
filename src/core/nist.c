/*
 * Non-INVITE server transaction (RFC 3261 17.2.2, figure 8; RFC 4320).
 *
 *   Trying       nothing sent; retransmissions are absorbed. After the time
 *                in which a client's Timer E reaches T2 the user is told that
 *                100 is due; before that it must not be sent over UDP
 *   Proceeding   100 was sent and answers retransmissions
 *   Completed    the final was sent and answers them, until Timer J
 *
 * A client gives up after 64*T1. From then on a response would be noise (RFC
 * 4320 4.2), so a transaction without a final ends silently at that time; and
 * 408, which would only tell the client what it knows, is never sent.
 */
#include "core/internal.h"

const char *oh__nist_state_name(unsigned state)
{
    switch (state) {
    case OH__NIST_TRYING: return "Trying";
    case OH__NIST_PROCEEDING: return "Proceeding";
    case OH__NIST_COMPLETED: return "Completed";
    }
    return "?";
}

void oh__nist_start(struct oh_endpoint *ep, struct oh__txn *t)
{
    oh__txn_move(ep, t, OH__NIST_TRYING);
    t->live->trying = ep->now + ep->trying_nist;
    t->live->late = ep->now + ep->t64;
    oh__txn_schedule(ep, t);
}

/* Whether this 1xx may be sent now (RFC 4320 4.1). */
static bool may_send_provisional(const struct oh__txn *t, unsigned status)
{
    bool early = t->live->trying != OH__NEVER;

    return status == 100 && (oh_transport_reliable(t->transport) || !early);
}

/* The wait is over: what is kept, if anything, answers retransmissions for the time of Timer J. */
static void complete(struct oh_endpoint *ep, struct oh__txn *t)
{
    oh__txn_move(ep, t, OH__NIST_COMPLETED);
    if (oh_transport_reliable(t->transport)) /* Timer J is zero */
        oh__txn_end(ep, t);
    else
        oh__completed_add(ep, t, OH__FIFO_LONG);
}

/* Sends what RFC 4320 allows; the reference goes to `kept`, or is given back. */
static int reply_open(struct oh_endpoint *ep, struct oh__txn *t, unsigned status,
                      struct oh__cbuf *reply)
{
    if (status < 200 && !may_send_provisional(t, status)) {
        oh__cbuf_unref(ep->blocks, reply);
        return OH_E_STATE;
    }
    /* The user learns nothing from that: for it the request is answered. */
    if (status == 408) {
        oh__cbuf_unref(ep->blocks, reply);
        oh__txn_keep(ep, t, NULL);
        complete(ep, t);
        return OH_OK;
    }
    oh__txn_send(ep, t, reply);
    oh__txn_keep(ep, t, reply);
    if (status >= 200) {
        complete(ep, t);
        return OH_OK;
    }
    t->live->trying = OH__NEVER;
    oh__txn_schedule(ep, t);
    oh__txn_move(ep, t, OH__NIST_PROCEEDING);
    return OH_OK;
}

int oh__nist_reply(struct oh_endpoint *ep, struct oh__txn *t, unsigned status,
                   struct oh__cbuf *reply)
{
    switch ((enum oh__nist_state)t->state) {
    case OH__NIST_TRYING:
    case OH__NIST_PROCEEDING: return reply_open(ep, t, status, reply);
    case OH__NIST_COMPLETED: break;
    }
    oh__cbuf_unref(ep->blocks, reply);
    return OH_E_STATE;
}

/* In Trying there is nothing to say yet; later the same bytes again. */
void oh__nist_retransmitted(struct oh_endpoint *ep, struct oh__txn *t)
{
    ep->stats.rx_retransmissions++;
    switch ((enum oh__nist_state)t->state) {
    case OH__NIST_TRYING: break;
    case OH__NIST_PROCEEDING:
    case OH__NIST_COMPLETED: oh__txn_resend(ep, t); break;
    }
}

/* Too late for any response, or time for the user to send 100. */
void oh__nist_timer(struct oh_endpoint *ep, struct oh__txn *t)
{
    struct oh__live *live = t->live;

    if (live->late <= ep->now) {
        ep->stats.timeouts++;
        oh__txn_end(ep, t);
        return;
    }
    if (live->trying <= ep->now) {
        live->trying = OH__NEVER;
        oh__put_event(ep, OH_OUT_TRYING, t, 0, NULL, NULL);
    }
    oh__txn_schedule(ep, t);
}

void oh__nist_failed(struct oh_endpoint *ep, struct oh__txn *t, int result)
{
    (void)result; /* RFC 6026 8.8: the state stays; another path may do */
    oh__server_reroute(ep, t);
}
