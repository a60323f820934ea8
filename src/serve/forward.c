/*
 * A forwarded request is what was received plus a handful of edits (decision
 * 4): what is not named here stays as it was, byte by byte, in its order.
 *
 *   Request-URI      the target, without what must not stand there
 *   top of headers   our Via; Max-Forwards and Max-Breadth when they were
 *                    missing; Record-Route, two rows; Path values as Route
 *   top Via          received and rport of the hop before us
 *   Route            values that were ours go; strict routers on either side
 *                    have the whole set written anew
 *   credentials      those for our realm go
 *   bottom           rows of the policy; Content-Length for a stream
 *
 * Of the two Record-Route rows the upper one faces the callee and the lower
 * one the caller. Each names the flow of its side: whoever sends a request
 * along the dialog puts the row of its own side first, we take both off, and
 * the last one says where to go.
 */
#include "serve/forward.h"

#include "serve/target.h"
#include "sip/uri.h"

#define ROOM 1024 /* for our rows, besides the texts that are counted */

bool oh__forward_forms_dialog(const struct oh_msg *msg)
{
    if (msg->to_tag.n)
        return false;
    switch (msg->method) {
    case OH_METHOD_INVITE:
    case OH_METHOD_SUBSCRIBE:
    case OH_METHOD_REFER:
    case OH_METHOD_NOTIFY:
    case OH_METHOD_OTHER: return true;
    default: return false;
    }
}

/* The Route values that are left, one by one. */
struct routes {
    struct oh_list it;
    unsigned skip;
    struct oh_span last; /* not to be given; p NULL: none */
};

static void routes_begin(struct routes *r, const struct oh_msg *m, unsigned popped,
                         bool strict_upstream)
{
    struct oh_list it = {0};
    struct oh_span value;

    *r = (struct routes){.skip = popped};
    while (strict_upstream && oh_list_next(m, OH_HEADER_ROUTE, &it, &value) == OH_OK)
        r->last = value;
}

static bool routes_next(struct routes *r, const struct oh_msg *m, struct oh_span *value)
{
    while (oh_list_next(m, OH_HEADER_ROUTE, &r->it, value) == OH_OK) {
        if (r->last.p && value->p == r->last.p)
            return false;
        if (r->skip == 0)
            return true;
        r->skip--;
    }
    return false;
}

bool oh__forward_next_route(const struct oh_msg *msg, unsigned popped, bool strict_upstream,
                            struct oh_span *value)
{
    struct routes r;

    routes_begin(&r, msg, popped, strict_upstream);
    return routes_next(&r, msg, value);
}

/* The URI of a Route value. */
static bool route_uri(struct oh_span value, struct oh_span *text, struct oh_uri *uri)
{
    struct oh_address address;

    if (oh_address_decode(value, &address, NULL) != OH_OK ||
        oh_uri_parse(address.uri, uri, NULL) != OH_OK)
        return false;
    *text = address.uri;
    return true;
}

/* Writes a URI as a Request-URI: without headers and method parameter (RFC 3261 19.1.1, table 1).
 */
static void put_request_uri(struct oh_buf *b, struct oh_span text)
{
    struct oh_uri uri;
    struct oh_param p;

    /* Neither can be where there is no parameter. */
    if (oh_span_find(text, ';') < 0 && oh_span_find(text, '?') < 0) {
        oh_buf_span(b, text);
        return;
    }
    if (oh_uri_parse(text, &uri, NULL) != OH_OK || uri.scheme == OH_SCHEME_TEL ||
        uri.scheme == OH_SCHEME_OTHER ||
        (!uri.headers.p && !oh_uri_param(&uri, OH_LIT("method"), NULL))) {
        oh_buf_span(b, text);
        return;
    }
    size_t plain = uri.params.n    ? (size_t)(uri.params.p - text.p) - 1
                   : uri.headers.p ? (size_t)(uri.headers.p - text.p) - 1
                                   : text.n;
    struct oh_span rest = uri.params;

    oh_buf_put(b, text.p, plain);
    while (oh__uri_param_next(&rest, &p)) {
        if (oh__uri_text_equal(p.name, OH_LIT("method"), true))
            continue;
        oh_buf_char(b, ';');
        oh_buf_span(b, oh__uri_param_text(&p));
    }
}

static void put_via(struct oh__serve *s, struct oh__forward *f, struct oh_buf *b)
{
    struct oh_flow named = oh__target_named(&f->out, &f->in);

    oh_buf_lit(b, "Via: SIP/2.0/");
    oh_buf_span(b, oh_transport_text(f->out.transport));
    oh_buf_char(b, ' ');
    f->sent_by = oh__put_sent_by(b, s->env->settings, &named);
    oh_buf_lit(b, ";branch=");
    oh_buf_span(b, f->branch);
    oh_buf_lit(b, ";rport\r\n");
}

/* One side's row: how requests that come from that side are to be sent out on it again. */
static void put_record_route(struct oh__serve *s, const struct oh__forward *f,
                             const struct oh_flow *side, bool by_flow, struct oh_buf *b)
{
    struct oh__token token = {.kind = by_flow ? OH__TOKEN_FLOW : OH__TOKEN_URI,
                              .expires = f->token_expires};
    char text[OH__TOKEN_TEXT_MAX];
    struct oh_flow named = oh__target_named(side, &f->in);

    if (by_flow)
        token.flow = *side;
    oh_buf_lit(b, "Record-Route: <sip:");
    oh_buf_put(b, text, oh__token_make(s->shared, &token, f->msg->call_id, text));
    oh_buf_char(b, '@');
    oh__put_sent_by(b, s->env->settings, &named);
    if (side->transport != OH_TRANSPORT_UDP) {
        oh_buf_lit(b, ";transport=");
        oh_buf_span(b, oh_transport_param(side->transport));
    }
    oh_buf_lit(b, ";lr>\r\n");
}

/* True when the request came straight from its sender: then the flow leads back to him. */
static bool first_hop(const struct oh_msg *m)
{
    struct oh_list it = {0};
    struct oh_span value;

    return oh_list_next(m, OH_HEADER_VIA, &it, &value) == OH_OK &&
           oh_list_next(m, OH_HEADER_VIA, &it, &value) != OH_OK;
}

static void put_number_row(struct oh_buf *b, const char *name, uint32_t n)
{
    oh_buf_span(b, oh_span_str(name));
    oh_buf_u64(b, n);
    oh_buf_lit(b, "\r\n");
}

/* Rows that go above everything else. */
static struct oh_span top_rows(struct oh__serve *s, struct oh__forward *f, bool max_forwards)
{
    struct oh_buf b = oh__arena_buf(s, ROOM + 4 * OH__NAME_MAX + f->path.n);

    put_via(s, f, &b);
    if (max_forwards)
        oh_buf_lit(&b, "Max-Forwards: 70\r\n");
    if (f->breadth && !oh_msg_row(f->msg, OH_HEADER_MAX_BREADTH))
        put_number_row(&b, "Max-Breadth: ", f->breadth);
    if (f->record_route) {
        put_record_route(s, f, &f->out, f->callee_by_flow, &b);
        /* A token for any URI lets its owner send everywhere, which is not for strangers. */
        put_record_route(s, f, &f->in, f->stranger || first_hop(f->msg), &b);
    }
    if (f->path.n) {
        oh_buf_lit(&b, "Route: ");
        oh_buf_span(&b, f->path);
        oh_buf_lit(&b, "\r\n");
    }
    return b.full ? oh_span(NULL, 0) : oh_buf_view(&b);
}

static struct oh_span number_text(struct oh__serve *s, uint32_t n)
{
    struct oh_buf b = oh__arena_buf(s, 12);

    oh_buf_u64(&b, n);
    return oh_buf_view(&b);
}

/* RFC 3261 16.6 step 3, and Max-Breadth. True when a Max-Forwards row must be added. */
static bool edit_counts(struct oh__serve *s, const struct oh__forward *f, struct oh_edits *e)
{
    const struct oh_msg *m = f->msg;
    const struct oh_row *hops = oh_msg_row(m, OH_HEADER_MAX_FORWARDS);
    const struct oh_row *breadth = oh_msg_row(m, OH_HEADER_MAX_BREADTH);

    if (hops)
        oh_edits_set_value(
            e, m, hops, number_text(s, m->max_forwards > 0 ? (uint32_t)m->max_forwards - 1 : 70));
    if (breadth && f->breadth)
        oh_edits_set_value(e, m, breadth, number_text(s, f->breadth));
    return !hops;
}

/* The hop before us learns how its request arrived (RFC 3261 18.2.1, RFC 3581 4). */
static void edit_top_via(struct oh__serve *s, const struct oh__forward *f, struct oh_edits *e)
{
    const struct oh_via *via = &f->msg->via;
    struct oh_buf b = oh__arena_buf(s, via->text.n + 2 * OH_ADDR_TEXT_MAX + 16);

    oh_build_via_received(&b, via, &f->in);
    if (b.full)
        e->failed = true;
    else if (!oh_span_eq(oh_buf_view(&b), via->text))
        oh_edits_add(e, (uint32_t)(via->text.p - f->msg->raw.p), (uint32_t)via->text.n,
                     oh_buf_view(&b));
}

/* Writes the whole Route set anew: without what was taken out, with `last` (may be empty) at its
 * end. */
static void rewrite_routes(struct oh__serve *s, const struct oh__forward *f, bool skip_first,
                           struct oh_span last, struct oh_edits *e)
{
    const struct oh_msg *m = f->msg;
    const struct oh_row *row = oh_msg_row(m, OH_HEADER_ROUTE);
    struct oh_buf b = oh__arena_buf(s, m->raw.n + last.n + 32);
    struct routes r;
    struct oh_span value;

    for (const struct oh_row *old = row; old; old = oh_msg_row_next(m, old))
        oh_edits_drop_row(e, m, old);
    routes_begin(&r, m, f->routes_popped, f->strict_upstream);
    while (routes_next(&r, m, &value)) {
        if (skip_first) {
            skip_first = false;
            continue;
        }
        oh_buf_lit(&b, "Route: ");
        oh_buf_span(&b, value);
        oh_buf_lit(&b, "\r\n");
    }
    if (last.n) {
        oh_buf_lit(&b, "Route: <");
        oh_buf_span(&b, last);
        oh_buf_lit(&b, ">\r\n");
    }
    if (b.full)
        e->failed = true;
    else
        oh_edits_insert_rows(e, m, row, oh_buf_view(&b));
}

/*
 * Route and Request-URI (RFC 3261 16.6 steps 2, 4 and 6): a next hop that does not route loosely
 * gets its own URI as Request-URI, and the target as last Route.
 */
static int edit_route(struct oh__serve *s, const struct oh__forward *f, struct oh_edits *e)
{
    const struct oh_msg *m = f->msg;
    struct oh_buf target = oh__arena_buf(s, f->uri.n);
    struct oh_span value, next, uri;
    struct oh_uri parsed;

    put_request_uri(&target, f->uri);
    uri = oh_buf_view(&target);
    if (target.full)
        return OH_E_NOMEM;
    if (!f->path.n && oh__forward_next_route(m, f->routes_popped, f->strict_upstream, &value)) {
        if (!route_uri(value, &next, &parsed))
            return OH_E_SYNTAX;
        if (!oh_uri_param(&parsed, OH_LIT("lr"), NULL)) {
            rewrite_routes(s, f, true, uri, e);
            oh_edits_add(e, (uint32_t)(m->uri.p - m->raw.p), (uint32_t)m->uri.n, next);
            return OH_OK;
        }
    }
    if (f->strict_upstream)
        rewrite_routes(s, f, false, oh_span(NULL, 0), e);
    else
        for (unsigned i = 0; i < f->routes_popped; i++)
            oh_edits_pop_value(e, m, OH_HEADER_ROUTE);
    if (!oh_span_eq(uri, m->uri))
        oh_edits_add(e, (uint32_t)(m->uri.p - m->raw.p), (uint32_t)m->uri.n, uri);
    return OH_OK;
}

/* Rows that go behind everything else. */
static void edit_bottom(struct oh__serve *s, const struct oh__forward *f, struct oh_edits *e)
{
    const struct oh_msg *m = f->msg;

    if (f->rows.n)
        oh_edits_insert_rows(e, m, NULL, f->rows);
    if (!m->has_length && oh_transport_reliable(f->out.transport)) {
        struct oh_buf b = oh__arena_buf(s, 40);

        put_number_row(&b, "Content-Length: ", (uint32_t)m->body.n);
        oh_edits_insert_rows(e, m, NULL, oh_buf_view(&b));
    }
}

int oh__forward_build(struct oh__serve *s, struct oh__forward *f, struct oh_span *bytes)
{
    const struct oh_msg *m = f->msg;
    struct oh_edits e;
    int err;

    oh_edits_init(&e);
    struct oh_span top = top_rows(s, f, edit_counts(s, f, &e));

    if (!top.n)
        return OH_E_LIMIT;
    oh_edits_insert_rows(&e, m, oh_msg_row(m, OH_HEADER_VIA), top);
    edit_top_via(s, f, &e);
    err = edit_route(s, f, &e);
    if (err)
        return err;
    if (f->credentials)
        oh_edits_drop_row(&e, m, f->credentials);
    edit_bottom(s, f, &e);

    struct oh_buf out = oh__arena_buf(s, m->raw.n + ROOM + 4 * OH__NAME_MAX + top.n + f->uri.n * 2 +
                                             f->rows.n);

    err = oh_edits_apply(m->raw, &e, NULL, &out);
    if (err == OH_OK)
        *bytes = oh_buf_view(&out);
    return err;
}

bool oh__forward_ack(struct oh__serve *s, struct oh__forward *f)
{
    uint8_t random[12];
    char text[OH_BRANCH_MAX];
    struct oh_buf branch;
    struct oh_span bytes;

    oh_buf_init(&branch, text, sizeof text);
    oh_buf_lit(&branch, "z9hG4bKack");
    oh__rng_bytes(&s->rng, random, sizeof random);
    oh_buf_hex(&branch, random, sizeof random);
    f->branch = oh_buf_view(&branch);
    if (oh__forward_build(s, f, &bytes) != OH_OK ||
        oh_endpoint_send(s->ep, &f->out, bytes) != OH_OK)
        return false;
    s->stats.forwarded_requests++;
    return true;
}

/*
 * Takes our Via off. It went out in a row of its own and usually comes back so, with the next one
 * below it. OH_E_ABSENT when no other is left: then nobody is to get the response.
 */
static int pop_via(const struct oh_msg *m, struct oh_edits *e)
{
    const struct oh_row *row = oh_msg_row(m, OH_HEADER_VIA);
    struct oh_list it = {0};
    struct oh_span value;

    if (row && row->next && oh_span_find(oh_row_value(m, row), ',') < 0) {
        oh_edits_drop_row(e, m, row);
        return OH_OK;
    }
    if (oh_list_next(m, OH_HEADER_VIA, &it, &value) != OH_OK ||
        oh_list_next(m, OH_HEADER_VIA, &it, &value) != OH_OK)
        return OH_E_ABSENT;
    oh_edits_pop_value(e, m, OH_HEADER_VIA);
    return OH_OK;
}

bool oh__forward_ends_here(const struct oh_msg *msg)
{
    struct oh_edits e;

    oh_edits_init(&e);
    return pop_via(msg, &e) != OH_OK;
}

int oh__forward_response(struct oh__serve *s, const struct oh_msg *msg, struct oh_span rows,
                         struct oh_span *bytes)
{
    struct oh_edits e;

    oh_edits_init(&e);
    if (pop_via(msg, &e) != OH_OK)
        return OH_E_ABSENT;
    if (rows.n)
        oh_edits_insert_rows(&e, msg, NULL, rows);

    struct oh_buf out = oh__arena_buf(s, msg->raw.n + rows.n);
    int err = oh_edits_apply(msg->raw, &e, NULL, &out);

    if (err == OH_OK)
        *bytes = oh_buf_view(&out);
    return err;
}
