/*
 * Pings. Whoever answers is alive, whatever the answer says: 200, 404 and 501
 * all came back through the same hole in the NAT. A ping that is not answered
 * says nothing; the binding lives until it expires.
 */
#include "serve/ping.h"

#include "serve/internal.h"

#define CALL_ID_BYTES 12
#define DRAWS_MAX \
    4096 /* of 64 shards each is met once in 64 draws; this many never fail in practice */
#define MESSAGE_FIXED 768 /* bytes of an OPTIONS besides the texts that are put into it */

/*
 * A Call-ID whose requests belong to this shard: responses find their way by
 * branch, but a reboot of the phone may send something about this Call-ID.
 */
static bool draw_call_id(struct oh__serve *s, struct oh_buf *b)
{
    uint8_t bytes[CALL_ID_BYTES];

    for (unsigned i = 0; i < DRAWS_MAX; i++) {
        b->n = 0;
        oh__rng_bytes(&s->rng, bytes, sizeof(bytes));
        oh_buf_hex(b, bytes, sizeof(bytes));
        if (oh_call_shard(s->shared->secret, oh_buf_view(b), s->shards) == s->shard)
            return !b->full;
    }
    return false;
}

/* The domain in From: our main one, else the name by which the phone reaches us. */
static void put_own_name(struct oh__serve *s, const struct oh_flow *flow, struct oh_buf *b)
{
    const struct oh__settings *settings = s->env->settings;
    const struct oh__settings_domain *d = oh__settings_main(settings);

    if (d->name[0])
        oh_buf_span(b, oh_span_str(d->name));
    else if (settings->default_domain[0])
        oh_buf_span(b, oh_span_str(settings->default_domain));
    else
        oh__put_sent_by(b, settings, flow);
}

/* A Request-URI has no headers (RFC 3261 19.1.1), so a Contact's are left out. */
static struct oh_span request_uri(struct oh_span contact)
{
    ptrdiff_t at = oh_span_find(contact, '?');

    return at < 0 ? contact : oh_span_head(contact, (size_t)at);
}

static void put_message(struct oh__serve *s, const struct oh__binding *binding,
                        struct oh_span branch, struct oh_buf *b)
{
    const struct oh__settings *settings = s->env->settings;
    char tag[OH_TAG_MAX], id[2 * CALL_ID_BYTES];
    size_t tag_n = oh_new_tag(s->ep, tag);
    struct oh_buf call_id;

    oh_buf_init(&call_id, id, sizeof(id));
    if (!draw_call_id(s, &call_id)) {
        b->full = true;
        return;
    }
    oh_buf_lit(b, "OPTIONS ");
    oh_buf_span(b, request_uri(binding->contact));
    oh_buf_lit(b, " SIP/2.0\r\nVia: SIP/2.0/");
    oh_buf_span(b, oh_transport_text(binding->flow.transport));
    oh_buf_char(b, ' ');
    oh__put_sent_by(b, settings, &binding->flow);
    oh_buf_lit(b, ";branch=");
    oh_buf_span(b, branch);
    oh_buf_lit(b, ";rport\r\nMax-Forwards: 70\r\n");
    if (binding->path.n) {
        oh_buf_lit(b, "Route: ");
        oh_buf_span(b, binding->path);
        oh_buf_lit(b, "\r\n");
    }
    oh_buf_lit(b, "From: <sip:");
    put_own_name(s, &binding->flow, b);
    oh_buf_lit(b, ">;tag=");
    oh_buf_put(b, tag, tag_n);
    oh_buf_lit(b, "\r\nTo: <");
    oh_buf_span(b, binding->contact);
    oh_buf_lit(b, ">\r\nCall-ID: ");
    oh_buf_span(b, oh_buf_view(&call_id));
    oh_buf_lit(b, "\r\nCSeq: 1 OPTIONS\r\n");
    if (settings->server_name[0]) {
        oh_buf_lit(b, "User-Agent: ");
        oh_buf_span(b, oh_span_str(settings->server_name));
        oh_buf_lit(b, "\r\n");
    }
    oh_buf_lit(b, "Content-Length: 0\r\n\r\n");
}

/* Sends the OPTIONS of a ping whose place is taken already. False when there is no room or memory.
 */
static bool start(struct oh__serve *s, const struct oh__binding *binding, struct oh__ping *ping,
                  uint64_t handle)
{
    struct oh_buf b = oh__arena_buf(s, MESSAGE_FIXED + 2 * binding->contact.n + binding->path.n +
                                           OH__NAME_MAX);
    char branch[OH_BRANCH_MAX];
    size_t branch_n;

    if (oh_client_reserve(s->ep, 0, &ping->client, branch, &branch_n) != OH_OK)
        return false;
    put_message(s, binding, oh_span(branch, branch_n), &b);
    if (b.full) {
        oh_client_drop(s->ep, ping->client);
        return false;
    }
    return oh_client_start(s->ep, s->env->now, ping->client,
                           &(struct oh_client_request){.method = OH_METHOD_OPTIONS,
                                                       .flow = binding->flow,
                                                       .bytes = oh_buf_view(&b),
                                                       .user = handle}) == OH_OK;
}

void oh__serve_ping(struct oh__serve *s, const struct oh__serve_env *env, struct oh_span aor,
                    const struct oh__binding *binding)
{
    struct oh__ping *ping;
    uint64_t handle;

    if (aor.n > OH__PING_AOR_MAX)
        return;
    oh__serve_enter(s, env);
    ping = oh__pool_take(s->pings, &handle);
    if (!ping)
        return;
    ping->sent_at = env->now;
    ping->binding = binding->id;
    ping->aor_len = (uint16_t)aor.n;
    memcpy(ping->aor, aor.p, aor.n);
    if (!start(s, binding, ping, handle))
        oh__pool_give(s->pings, handle);
    oh__serve_drain(s);
}

void oh__ping_response(struct oh__serve *s, const struct oh_output *out)
{
    struct oh__ping *ping = oh__pool_get(s->pings, out->user);
    uint64_t rtt_us;

    if (!ping)
        return;
    if (out->kind == OH_OUT_RESPONSE) {
        rtt_us = (s->env->now - ping->sent_at) / 1000;
        /* 0 means unknown, and no answer is faster than the clock's step. */
        oh__location_rtt(s->shared->location, oh_span(ping->aor, ping->aor_len), ping->binding,
                         rtt_us == 0           ? 1
                         : rtt_us > UINT32_MAX ? UINT32_MAX
                                               : (uint32_t)rtt_us);
        /* A provisional answer proves as much; nothing more is wanted of the transaction. */
        if (out->code < 200)
            oh_client_drop(s->ep, ping->client);
    }
    oh__pool_give(s->pings, out->user);
}
