/*
 * What is checked of a request before anybody asks who sent it (RFC 3261 16.3,
 * 8.2). Which checks depends on the role: a proxy looks at the scheme, the
 * hops that are left and Proxy-Require and at nothing else, since what it does
 * not understand is not its business; the registrar looks at Require first
 * (10.3 step 2); the server's own URI does so after authentication (own.c).
 */
#include <stdatomic.h>

#include "serve/own.h"

static bool as_proxy(const struct oh__request *rq)
{
    return rq->role == OH__ROLE_LOCAL || rq->role == OH__ROLE_FOREIGN ||
           rq->role == OH__ROLE_DIALOG;
}

/* OVL-001: what is under way goes on, BYE goes through, everything new waits until we are back. */
static bool open_for(struct oh__serve *s, struct oh__request *rq)
{
    const struct oh__settings *settings = s->env->settings;
    const struct oh_msg *m = rq->msg;
    bool draining = atomic_load_explicit(&s->shared->draining, memory_order_relaxed);
    struct oh_buf b;

    if (!settings->maintenance && !draining)
        return true;
    if (m->to_tag.n || m->method == OH_METHOD_BYE || m->method == OH_METHOD_ACK ||
        m->method == OH_METHOD_CANCEL)
        return true;
    b = oh__arena_buf(s, 64);
    oh_buf_lit(&b, "Retry-After: ");
    oh_buf_u64(&b, settings->maintenance_retry);
    oh_buf_lit(&b, "\r\n");
    s->stats.refused_overload++;
    oh__refuse(s, rq,
               &(struct oh__refusal){
                   .code = 503,
                   .headers = oh_buf_view(&b),
                   .why = draining ? "the server is shutting down" : "the server is in maintenance",
                   .fix = draining ? "start it again" : "end it with `maintenance = false`",
                   .kind = oh__refusal_kind(m)});
    return false;
}

/* sips needs TLS from here on, which this build does not have; tel is a user of the main domain. */
static bool scheme_ok(struct oh__serve *s, struct oh__request *rq)
{
    /* Inside a dialog the token says where to; the URI is the peer's own Contact. */
    if (rq->role == OH__ROLE_DIALOG || rq->uri.scheme == OH_SCHEME_SIP ||
        rq->uri.scheme == OH_SCHEME_TEL)
        return true;
    oh__refuse_simply(s, rq, 416,
                      oh__say(s,
                              "the address begins with '%.*s:', which cannot be reached from here",
                              OH_PRI(rq->uri.scheme_text)),
                      "dial a sip: or tel: address");
    return false;
}

/* UAS-022: whoever is the target answers, however few hops are left; only passing on costs one. */
static bool hops_ok(struct oh__serve *s, struct oh__request *rq)
{
    if (rq->msg->max_forwards != 0 || !as_proxy(rq))
        return true;
    oh__refuse_simply(s, rq, 483, "the request has passed too many servers (Max-Forwards 0)",
                      "look for servers that send calls to each other in a circle");
    return false;
}

static bool extensions_ok(struct oh__serve *s, struct oh__request *rq)
{
    struct oh_span row;

    /* Passing a request on can demand nothing special that we could do. */
    if (as_proxy(rq))
        row = oh__own_unsupported(s, rq->msg, OH_HEADER_PROXY_REQUIRE, true);
    else if (rq->role == OH__ROLE_REGISTRAR)
        row = oh__own_unsupported(s, rq->msg, OH_HEADER_REQUIRE, false);
    else
        return true;
    if (row.n == 0)
        return true;
    oh__refuse(s, rq,
               &(struct oh__refusal){
                   .code = 420,
                   .headers = row,
                   .why = "the sender demands an extension that this server does not have",
                   .fix = oh__say(s, "switch it off in the phone: %.*s", OH_PRI(oh_span_trim(row))),
                   .kind = oh__refusal_kind(rq->msg)});
    return false;
}

bool oh__checks_run(struct oh__serve *s, struct oh__request *rq)
{
    return open_for(s, rq) && scheme_ok(s, rq) && hops_ok(s, rq) && extensions_ok(s, rq);
}
