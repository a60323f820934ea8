/*
 * CANCEL, both ways (RFC 3261 9). It goes hop by hop: whoever receives it
 * answers it at once, in a transaction of its own, whatever becomes of the
 * request that it is about; so the core does all of that, and the user only
 * hears that somebody has changed his mind.
 */
#include "core/internal.h"

/* Room for what a CANCEL has beyond the parts of its INVITE, whose names may grow to their full
 * form. */
#define CANCEL_ROOM 256

/* Remembers the answer to a CANCEL, so that its retransmissions are answered too (RFC
 * 3261 9.2, 17.2.2). */
static void remember(struct oh_endpoint *ep, const struct oh_msg *msg, const struct oh_flow *back,
                     struct oh_span reply)
{
    struct oh__cbuf *kept;
    struct oh__txn *t;
    bool legacy;

    if (oh_transport_reliable(back->transport)) /* Timer J is zero */
        return;
    kept = oh__cbuf_new(ep->blocks, reply);
    if (!kept)
        return;
    if (oh__txn_new(ep, true, &t) != OH_OK) {
        oh__cbuf_unref(ep->blocks, kept);
        return;
    }
    t->machine = OH__MACHINE_NIST;
    t->method = OH_METHOD_CANCEL;
    t->kept = kept;
    t->key = oh__key_of_request(ep, msg, &legacy);
    t->legacy = legacy;
    oh__txn_set_flow(t, back);
    if (oh__table_add(ep, t) != OH_OK) {
        oh__txn_end(ep, t);
        return;
    }
    oh__txn_move(ep, t, OH__NIST_COMPLETED);
    oh__completed_add(ep, t, OH__FIFO_LONG);
}

void oh__cancel_arrived(struct oh_endpoint *ep, const struct oh_msg *msg,
                        const struct oh_flow *flow)
{
    struct oh__txn *t = oh__match_cancelled(ep, msg);
    struct oh_reply reply = {.code = 200, .server = ep->options.server};
    struct oh_span bytes;
    struct oh_flow back;

    if (!t) {
        oh__put_event(ep, OH_OUT_CANCEL, NULL, 0, msg, flow);
        return;
    }
    /* The tag of the INVITE's responses, if there were any; else both will have the keyed one. */
    reply.to_tag = oh__replied_tag(t);
    oh_reply_flow(&msg->via, flow, &back);
    if (oh__build_reply(ep, msg, flow, &reply, &bytes) == OH_OK) {
        oh__put_send(ep, &back, bytes, NULL, 0);
    } else {
        bytes = oh_span(NULL, 0);
    }
    /* A request that has its final response, or is no INVITE, does not change. */
    if (t->machine == OH__MACHINE_IST && t->state == OH__IST_PROCEEDING)
        oh__put_event(ep, OH_OUT_CANCEL, t, 0, msg, flow);
    if (bytes.n)
        remember(ep, msg, &back, bytes);
}

/* Makes the transaction of a CANCEL that is built; ep->scratch still is the INVITE. */
static int start(struct oh_endpoint *ep, const struct oh__txn *invite, const struct oh_flow *flow,
                 struct oh__cbuf *bytes)
{
    struct oh__txn *t;
    int err = oh__txn_new(ep, true, &t);

    if (err)
        return err;
    t->machine = OH__MACHINE_NICT;
    t->method = OH_METHOD_CANCEL;
    t->muted = 1;
    t->key = oh__key_of_cancel(ep, &ep->scratch.via);
    oh__txn_set_flow(t, flow);
    err = oh__txn_enliven(ep, t);
    if (err == OH_OK)
        err = oh__table_add(ep, t);
    if (err) {
        oh__txn_end(ep, t);
        return err;
    }
    oh__payer_share(ep, t, invite);
    t->kept = oh__cbuf_ref(bytes);
    oh__nict_start(ep, t);
    return OH_OK;
}

/*
 * The INVITE is read back from the bytes that were sent: a CANCEL is rare, so nothing is kept
 * for it.
 */
int oh__cancel_send(struct oh_endpoint *ep, const struct oh__txn *invite, struct oh_span headers)
{
    size_t most = 2 * (size_t)invite->kept->n + headers.n + CANCEL_ROOM;
    struct oh__cbuf *bytes;
    struct oh_flow flow;
    struct oh_buf out;
    char *room;
    int err = oh__own_msg(ep, oh__cbuf_view(invite->kept));

    if (err)
        return err;
    room = oh_arena_take(&ep->arena, most);
    if (!room)
        return OH_E_NOMEM;
    oh_buf_init(&out, room, most);
    err = oh_build_cancel(&out, &ep->scratch, headers);
    if (err)
        return err;
    oh__txn_flow(invite, &flow);
    bytes = oh__cbuf_new(ep->blocks, oh_buf_view(&out));
    if (!bytes) {
        oh__put_send(ep, &flow, oh_buf_view(&out), NULL, 0);
        return OH_E_NOMEM;
    }
    err = start(ep, invite, &flow, bytes);
    if (err) /* no retransmissions then, but one attempt there is */
        oh__put_send(ep, &flow, oh_buf_view(&out), NULL, 0);
    oh__cbuf_unref(ep->blocks, bytes);
    return err;
}
