/*
 * Whose business a request is. RFC 3261 16.4 comes first: a strict router
 * upstream may have put our Record-Route URI into the Request-URI, and the
 * topmost Route values may be ours. What those values said (the tokens) and
 * what is left decide the role; only then come the checks of that role.
 */
#include "serve/internal.h"

#include "serve/target.h"
#include "sip/uri.h"

#define ROUTES_OF_OURS_MAX \
    4 /* two per pass through us; a spiral inside one process may stack two passes */

/* A URI value of Route or Request-URI that names this server, with the token in its user part, if
 * any. */
static bool is_ours(struct oh__serve *s, const struct oh__request *rq, const struct oh_uri *uri)
{
    if (uri->scheme != OH_SCHEME_SIP && uri->scheme != OH_SCHEME_SIPS)
        return false;
    return oh__settings_is_us(s->env->settings, uri->host, uri->port, &rq->flow.local);
}

/* True when a user part is a token that can be used; only then *out is written. */
static bool read_token(struct oh__serve *s, const struct oh__request *rq, struct oh_span user,
                       struct oh__token *out)
{
    struct oh__token token;

    if (user.n == 0 ||
        oh__token_read(s->shared, user, rq->msg->call_id, s->env->wall, &token) != OH_OK ||
        (token.kind == OH__TOKEN_FLOW && !oh__target_rebind(s->env->settings, &token.flow)))
        return false;
    *out = token;
    return true;
}

/*
 * Chooses among the tokens that were found, in their order. The last one names
 * the outgoing flow; if that is where the request came from, its sender kept
 * the route set in the wrong order, and the one before it is meant. Mostly one
 * of them is read and checked, whose MAC is what a token costs.
 */
static void choose_token(struct oh__serve *s, struct oh__request *rq, const struct oh_span *users,
                         unsigned n)
{
    bool strict = rq->token.kind != OH__TOKEN_NONE;
    struct oh__token token;

    while (n-- > 0) {
        if (!read_token(s, rq, users[n], &token))
            continue;
        bool back = token.kind == OH__TOKEN_FLOW && oh_flow_same(&token.flow, &rq->flow);

        if (!back || !strict)
            rq->token = token;
        if (!back)
            return;
    }
}

/* Refuses a request with a Route value that cannot be read; returns false. */
static bool bad_route(struct oh__serve *s, struct oh__request *rq)
{
    oh__refuse(s, rq,
               &(struct oh__refusal){.code = 400,
                                     .reason = "Bad Route",
                                     .why = "a Route value of the request is malformed",
                                     .fix = "check the outbound proxy setting of the phone",
                                     .kind = OH__DECISION_MESSAGE_BAD});
    return false;
}

/* A Route value as address and URI; false after the refusal of a malformed one. */
static bool route_uri(struct oh__serve *s, struct oh__request *rq, struct oh_span value,
                      struct oh_uri *uri)
{
    struct oh_address address;

    return (oh_address_decode(value, &address, NULL) == OH_OK &&
            oh_uri_parse(address.uri, uri, NULL) == OH_OK) ||
           bad_route(s, rq);
}

/* Walks the Route values: pops ours from the top, with their user parts, and remembers the first
 * foreign one. */
static bool pop_routes(struct oh__serve *s, struct oh__request *rq, struct oh_span *users)
{
    struct oh_list it = {0};
    struct oh_msg_address route;
    int r;

    while ((r = oh_msg_address_next(rq->msg, OH_HEADER_ROUTE, &it, &route, NULL)) == OH_OK) {
        if (rq->strict_upstream && route.value.p == rq->strict_route.p)
            return true;
        if (route.address.star)
            break;
        if (rq->routes_popped == ROUTES_OF_OURS_MAX || !is_ours(s, rq, &route.uri)) {
            rq->has_route = true;
            rq->route = route.value;
            return true;
        }
        users[rq->routes_popped++] = route.uri.user;
    }
    return r == OH_E_ABSENT || bad_route(s, rq);
}

/* The last Route value; false when there is none. */
static bool last_route(const struct oh_msg *m, struct oh_span *out)
{
    struct oh_list it = {0};
    struct oh_span value;
    bool any = false;

    while (oh_list_next(m, OH_HEADER_ROUTE, &it, &value) == OH_OK) {
        *out = value;
        any = true;
    }
    return any;
}

/* RFC 3261 16.4, first step: our own Record-Route URI as Request-URI means that the target is the
 * last Route value. */
static bool undo_strict(struct oh__serve *s, struct oh__request *rq)
{
    struct oh_span value;
    struct oh_uri uri;
    struct oh_address address;

    if (!is_ours(s, rq, &rq->uri) || !read_token(s, rq, rq->uri.user, &rq->token) ||
        !last_route(rq->msg, &value))
        return true;
    if (!route_uri(s, rq, value, &uri))
        return false;
    oh_address_decode(value, &address, NULL);
    rq->uri = uri;
    rq->uri_text = address.uri;
    rq->strict_upstream = true;
    rq->strict_route = value;
    return true;
}

/* RFC 3261 16.4, second step: a maddr that is us is taken out with its port and transport, once. */
static void undo_maddr(struct oh__serve *s, struct oh__request *rq)
{
    struct oh_uri *uri = &rq->uri;
    struct oh_span maddr, rest = uri->params;
    struct oh_param p;

    if ((uri->scheme != OH_SCHEME_SIP && uri->scheme != OH_SCHEME_SIPS) ||
        !oh_uri_param(uri, OH_LIT("maddr"), &maddr) ||
        !oh__settings_is_us(s->env->settings, maddr, uri->port, &rq->flow.local))
        return;
    struct oh_buf b = oh__arena_buf(s, uri->text.n + 1);

    oh_buf_put(&b, uri->text.p, (size_t)(uri->host.p - uri->text.p));
    oh_buf_span(&b, uri->host);
    while (oh__uri_param_next(&rest, &p)) {
        if (oh__uri_text_equal(p.name, OH_LIT("maddr"), true) ||
            oh__uri_text_equal(p.name, OH_LIT("transport"), true))
            continue;
        oh_buf_char(&b, ';');
        oh_buf_span(&b, oh__uri_param_text(&p));
    }
    if (!b.full && oh_uri_parse(oh_buf_view(&b), uri, NULL) == OH_OK)
        rq->uri_text = oh_buf_view(&b);
}

/* The domain of ours that a URI belongs to. A tel: number belongs to the main domain. */
static const struct oh__settings_domain *domain_of(struct oh__serve *s, const struct oh_flow *flow,
                                                   const struct oh_uri *uri)
{
    const struct oh__settings *settings = s->env->settings;

    if (uri->scheme == OH_SCHEME_TEL)
        return oh__settings_main(settings);
    if (uri->scheme == OH_SCHEME_OTHER)
        return NULL;
    const struct oh__settings_domain *d = oh__settings_domain(settings, uri->host);

    /* The usual URI names a domain and no port: nothing more needs to be asked. A port may be that
     * of somebody else's server on the same host. */
    if (d && uri->port == 0)
        return d;
    if (!oh__settings_is_us(settings, uri->host, uri->port, &flow->local))
        return NULL;
    return d ? d : oh__settings_main(settings);
}

/* The digits of a tel number, without visual separators (RFC 3966 5.1.1). */
static void put_number(struct oh_buf *b, struct oh_span number)
{
    for (size_t i = 0; i < number.n; i++)
        if (number.p[i] == 0 || !strchr("-.()", number.p[i]))
            oh_buf_char(b, number.p[i]);
}

void oh__name_of(struct oh__serve *s, const struct oh_flow *flow, const struct oh_uri *uri,
                 struct oh__named *out)
{
    struct oh_buf user = oh__arena_buf(s, uri->user.n + 1);
    struct oh_buf key = oh__arena_buf(s, uri->user.n * 3 + OH__NAME_MAX + 16);

    *out = (struct oh__named){.domain = domain_of(s, flow, uri)};
    if (uri->scheme == OH_SCHEME_TEL)
        put_number(&user, uri->user);
    else
        oh_uri_user_decode(uri, &user);
    out->user = oh_buf_view(&user);
    if (!out->domain)
        return;
    oh__put_aor(&key, out->user,
                oh_span_str(out->domain->alias_of[0] ? out->domain->alias_of : out->domain->name));
    out->aor = oh_buf_view(&key);
}

static enum oh__role choose(const struct oh__request *rq)
{
    const struct oh_msg *m = rq->msg;
    bool inside = m->to_tag.n > 0;

    if (inside && rq->token.kind != OH__TOKEN_NONE)
        return OH__ROLE_DIALOG;
    if (rq->has_route || !rq->domain)
        return OH__ROLE_FOREIGN;
    if (m->method == OH_METHOD_REGISTER)
        return OH__ROLE_REGISTRAR;
    return rq->user.n == 0 ? OH__ROLE_OWN : OH__ROLE_LOCAL;
}

bool oh__role_find(struct oh__serve *s, struct oh__request *rq)
{
    const struct oh_msg *m = rq->msg;
    struct oh_span users[ROUTES_OF_OURS_MAX];
    struct oh__named named;

    rq->uri_text = m->uri;
    rq->uri = m->request_uri; /* one that cannot be read was answered by the endpoint */
    rq->trusted = s->env->settings->no_auth ||
                  oh__settings_trusted(s->env->settings, &rq->flow.peer);
    if (!undo_strict(s, rq) || !pop_routes(s, rq, users))
        return false;
    choose_token(s, rq, users, rq->routes_popped);
    undo_maddr(s, rq);
    oh__name_of(s, &rq->flow, &rq->uri, &named);
    rq->domain = named.domain;
    rq->user = named.user;
    rq->aor = named.aor;
    rq->role = choose(rq);
    return true;
}

void oh__put_aor(struct oh_buf *b, struct oh_span user, struct oh_span domain)
{
    for (size_t i = 0; i < user.n; i++) {
        unsigned char c = (unsigned char)user.p[i];

        /* '%' itself too, or the users "a b" and "a%20b" would share a key. */
        if (c > 0x20 && c != 0x7f && c != '%') {
            oh_buf_char(b, (char)c);
            continue;
        }
        oh_buf_char(b, '%');
        oh_buf_char(b, "0123456789ABCDEF"[c >> 4]);
        oh_buf_char(b, "0123456789ABCDEF"[c & 15]);
    }
    oh_buf_char(b, '@');
    oh_buf_span(b, domain);
}

struct oh__sent_by oh__put_sent_by(struct oh_buf *b, const struct oh__settings *settings,
                                   const struct oh_flow *flow)
{
    const struct oh__settings_listener *l = flow->listener < settings->listeners_n
                                                ? &settings->listeners[flow->listener]
                                                : NULL;
    uint16_t port = l && l->addr.port ? l->addr.port : flow->local.port;
    size_t at = b->n;

    if (l && l->advertise[0]) {
        oh_buf_span(b, oh_span_str(l->advertise));
        port = l->advertise_port ? l->advertise_port : port;
    } else {
        oh_buf_host(b, &flow->local);
    }
    struct oh_span host = oh_span_from(oh_buf_view(b), at);

    oh_buf_char(b, ':');
    oh_buf_u64(b, port);
    return (struct oh__sent_by){host, port};
}
