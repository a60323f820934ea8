/*
 * What the user may do with server transactions: make one, reply in it, ask
 * whether it still waits. Every call begins with the handle, because the
 * answer that the user brings may come from a database long after the
 * transaction has ended; then it is OH_E_STALE and no harm done.
 *
 * Replies are copied once into a counted buffer, which is at the same time
 * what is sent now, what a retransmission gets, and what Timer G repeats.
 */
#include "core/internal.h"

/* Builds the 100 that goes out when nobody answers an INVITE in time (RFC 3261 17.2.1). */
static int prepare_trying(struct oh_endpoint *ep, struct oh__txn *t, const struct oh_msg *request,
                          const struct oh_flow *flow)
{
    struct oh_reply reply = {.code = 100};
    struct oh_span bytes;
    int err = oh__build_reply(ep, request, flow, &reply, &bytes);

    if (err)
        return OH_E_NOMEM;
    t->live->aside = oh__cbuf_new(ep->blocks, bytes);
    return t->live->aside ? OH_OK : OH_E_NOMEM;
}

/* Fills a record from its request. */
static void describe(struct oh_endpoint *ep, struct oh__txn *t, const struct oh_msg *request,
                     const struct oh_flow *flow)
{
    struct oh_flow back;
    bool secure = flow->transport == OH_TRANSPORT_TLS;
    bool legacy = !request->via.cookie;

    t->machine = request->method == OH_METHOD_INVITE ? OH__MACHINE_IST : OH__MACHINE_NIST;
    t->method = request->method;
    /* The key was made when the request was looked up, a moment ago. */
    t->key = ep->recall.msg == request ? ep->recall.key : oh__key_of_request(ep, request, &legacy);
    t->legacy = legacy;
    oh_reply_flow(&request->via, flow, &back);
    oh__txn_set_flow(t, &back);
    /* Kept for the day when the connection is gone: see oh__server_reroute. */
    t->sent_by_port = request->via.port;
    if (t->sent_by_port == 0)
        t->sent_by_port = secure ? 5061 : 5060;
}

int oh_server_new(struct oh_endpoint *ep, uint64_t now, const struct oh_msg *request,
                  const struct oh_flow *flow, uint64_t user, uint64_t *server)
{
    struct oh__txn *t;
    int err;

    oh__clock(ep, now);
    if (!request->request || request->method == OH_METHOD_ACK)
        return OH_E_STATE;
    err = oh__txn_new(ep, false, &t);
    if (err)
        return err;
    describe(ep, t, request, flow);
    t->user = user;
    /*
     * Two transactions with one key: the second would get no retransmission, no ACK and no
     * CANCEL.
     */
    if (oh__table_find(ep, t->key, t->method, false)) {
        err = OH_E_DUPLICATE;
        goto out;
    }
    err = oh__txn_enliven(ep, t);
    /* The user holds the request while this is at work. */
    if (!err)
        oh__payer_weigh(ep, t->live, request->raw.n);
    if (!err && t->machine == OH__MACHINE_IST)
        err = prepare_trying(ep, t, request, flow);
    if (!err)
        err = oh__table_add(ep, t);
    if (err)
        goto out;
    if (t->machine == OH__MACHINE_IST)
        oh__ist_start(ep, t);
    else
        oh__nist_start(ep, t);
    *server = t->handle;
    return OH_OK;

out:
    oh__txn_end(ep, t);
    return err;
}

/* Hands a response that is already in a counted buffer to its machine; takes over the reference. */
static int reply_with(struct oh_endpoint *ep, struct oh__txn *t, unsigned status,
                      struct oh__cbuf *kept)
{
    if (t->machine == OH__MACHINE_IST)
        return oh__ist_reply(ep, t, status, kept);
    return oh__nist_reply(ep, t, status, kept);
}

int oh_server_reply(struct oh_endpoint *ep, uint64_t now, uint64_t server, unsigned status,
                    struct oh_span bytes)
{
    struct oh__txn *t = oh__txn_server(ep, server);
    struct oh__cbuf *kept;

    oh__clock(ep, now);
    if (!t)
        return OH_E_STALE;
    if (oh__outputs_reserve(ep) != OH_OK)
        return OH_E_NOMEM;
    kept = oh__cbuf_new(ep->blocks, bytes);
    if (!kept)
        return OH_E_NOMEM;
    return reply_with(ep, t, status, kept);
}

/* The usual 100 to an INVITE is ready since the beginning. */
static bool is_prepared(const struct oh__txn *t, const struct oh_reply *reply)
{
    return t->machine == OH__MACHINE_IST && !t->completed && t->live->aside && reply->code == 100 &&
           reply->reason.n == 0 && reply->headers.n == 0 && reply->server.n == 0 &&
           reply->body.n == 0;
}

int oh_server_respond(struct oh_endpoint *ep, uint64_t now, uint64_t server,
                      const struct oh_msg *request, const struct oh_flow *flow,
                      const struct oh_reply *reply)
{
    struct oh__txn *t = oh__txn_server(ep, server);
    struct oh_reply full = *reply;
    struct oh_span bytes;
    int err;

    oh__clock(ep, now);
    if (!t)
        return OH_E_STALE;
    if (oh__outputs_reserve(ep) != OH_OK)
        return OH_E_NOMEM;
    if (is_prepared(t, reply))
        return reply_with(ep, t, 100, oh__cbuf_ref(t->live->aside));
    /* All responses of a transaction have one tag (RFC 3261 8.2.6.2). */
    if (full.to_tag.n == 0)
        full.to_tag = oh__replied_tag(t);
    err = oh__build_reply(ep, request, flow, &full, &bytes);
    if (err)
        return err;
    return oh_server_reply(ep, now, server, reply->code, bytes);
}

bool oh_server_pending(const struct oh_endpoint *ep, uint64_t server)
{
    const struct oh__txn *t = oh__txn_server(ep, server);

    if (!t)
        return false;
    return t->machine == OH__MACHINE_IST ? t->state == OH__IST_PROCEEDING
                                         : t->state != OH__NIST_COMPLETED;
}

void oh_server_drop(struct oh_endpoint *ep, uint64_t server)
{
    if (oh_server_pending(ep, server))
        oh__txn_end(ep, oh__txn_server(ep, server));
}

void oh_server_set_user(struct oh_endpoint *ep, uint64_t server, uint64_t user)
{
    struct oh__txn *t = oh__txn_server(ep, server);

    if (t)
        t->user = user;
}

/* Streams that somebody can be called back on: not WebSocket, whose clients do not listen. */
static bool can_reopen(const struct oh__txn *t)
{
    return t->flow_id && (t->transport == OH_TRANSPORT_TCP || t->transport == OH_TRANSPORT_TLS ||
                          t->transport == OH_TRANSPORT_SCTP);
}

void oh__server_reroute(struct oh_endpoint *ep, struct oh__txn *t)
{
    if (!can_reopen(t))
        return;
    /* Whoever sends next opens or finds a connection to the address below. */
    t->flow_id = 0;
    /* The source port of a stream is the client's and nobody listens there; sent-by is where it
     * does. */
    t->peer.port = t->sent_by_port;
    if (!t->tag_only)
        oh__txn_resend(ep, t);
}
