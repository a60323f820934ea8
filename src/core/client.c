/*
 * What the user may do with client transactions. There are two steps, because
 * the request has to carry the branch, and the branch carries the handle: the
 * user reserves, writes its Via with the branch that it is given, and starts.
 * A reserved transaction costs a record and no timer.
 */
#include "core/internal.h"

int oh_client_reserve(struct oh_endpoint *ep, uint64_t loop, uint64_t *client,
                      char branch[OH_BRANCH_MAX], size_t *branch_len)
{
    struct oh__txn *t;
    int err = oh__txn_new(ep, false, &t);

    if (err)
        return err;
    t->machine = OH__MACHINE_NONE;
    /* 48 bits, so that a branch of an earlier life of this process is not taken for this one. */
    t->nonce = oh__rng_u64(&ep->rng) >> 16;
    *client = t->handle;
    *branch_len = oh__branch_put(&ep->secret,
                                 &(struct oh__branch){
                                     .handle = t->handle,
                                     .loop = loop,
                                     .nonce = t->nonce,
                                     .shard = ep->options.shard,
                                 },
                                 branch);
    return OH_OK;
}

/* The topmost Via must be the one that responses are recognised by. */
static int note_via(struct oh_endpoint *ep, struct oh__txn *t,
                    const struct oh_client_request *request)
{
    struct oh_via via = {.host = request->sent_by_host,
                         .port = request->sent_by_port,
                         .transport = request->flow.transport};
    struct oh__branch b;

    if (via.host.n) {
        t->sent_by = oh__sent_by(ep, &via);
        return OH_OK;
    }
    if (oh__own_via(request->bytes, &via) != OH_OK ||
        !oh__branch_get(&ep->secret, via.branch, &b) || b.handle != t->handle ||
        b.nonce != t->nonce)
        return OH_E_SYNTAX;
    t->sent_by = oh__sent_by(ep, &via);
    return OH_OK;
}

int oh_client_start(struct oh_endpoint *ep, uint64_t now, uint64_t client,
                    const struct oh_client_request *request)
{
    struct oh__txn *t = oh__txn_client(ep, client);
    int err;

    oh__clock(ep, now);
    if (!t)
        return OH_E_STALE;
    /* ACK has no transaction, and CANCEL has one that belongs to its INVITE (oh_client_cancel). */
    if (t->machine != OH__MACHINE_NONE || request->method == OH_METHOD_ACK ||
        request->method == OH_METHOD_CANCEL)
        return OH_E_STATE;
    err = note_via(ep, t, request);
    if (!err)
        err = oh__outputs_reserve(ep);
    if (!err)
        err = oh__txn_enliven(ep, t);
    if (err)
        goto out;
    err = OH_E_NOMEM;
    t->kept = oh__cbuf_new(ep->blocks, request->bytes);
    if (!t->kept)
        goto out;
    oh__payer_weigh(ep, t->live, request->bytes.n);
    t->method = (uint8_t)request->method;
    t->user = request->user;
    t->link = request->link;
    oh__txn_set_flow(t, &request->flow);
    if (request->method == OH_METHOD_INVITE)
        oh__ict_start(ep, t);
    else
        oh__nict_start(ep, t);
    return OH_OK;

out:
    oh__txn_end(ep, t);
    return err;
}

void oh_client_drop(struct oh_endpoint *ep, uint64_t client)
{
    struct oh__txn *t = oh__txn_client(ep, client);

    if (!t)
        return;
    /* In the middle of a queue: it stays there, without a voice. */
    if (t->completed) {
        t->muted = 1;
        return;
    }
    if (t->machine == OH__MACHINE_ICT) {
        /* Not sent any more, but whoever refuses it is still owed an ACK; for as long as anybody
         * may wait for one. */
        t->muted = 1;
        t->live->a = OH__NEVER;
        if (t->live->b == OH__NEVER && t->live->guard == OH__NEVER)
            t->live->guard = ep->now + ep->t64;
        oh__txn_schedule(ep, t);
        return;
    }
    oh__txn_end(ep, t);
}

int oh_client_cancel(struct oh_endpoint *ep, uint64_t now, uint64_t client, struct oh_span headers)
{
    struct oh__txn *t = oh__txn_client(ep, client);

    oh__clock(ep, now);
    if (!t)
        return OH_E_STALE;
    if (t->machine != OH__MACHINE_ICT)
        return OH_E_STATE;
    if (oh__outputs_reserve(ep) != OH_OK)
        return OH_E_NOMEM;
    return oh__ict_cancel(ep, t, headers);
}
