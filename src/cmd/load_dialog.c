/*
 * The caller's dialog. Its route set is the Record-Route of the 2xx from the
 * bottom up, because rows stand in the order in which the proxies on the way
 * to the callee put themselves in (RFC 3261 12.1.2).
 */
#include "cmd/load.h"

#define ROUTES_MAX 16

/* Collects the values of Record-Route; a list that cannot be read makes no dialog. */
static int read_routes(const struct oh_msg *m, struct oh_span routes[ROUTES_MAX], unsigned *n)
{
    struct oh_list it = {0};
    struct oh_span value;
    int rc;

    *n = 0;
    while ((rc = oh_list_next(m, OH_HEADER_RECORD_ROUTE, &it, &value)) == OH_OK) {
        if (*n == ROUTES_MAX)
            return OH_E_LIMIT;
        routes[(*n)++] = value;
    }
    return rc == OH_E_ABSENT ? OH_OK : rc;
}

/* The URI of a name-addr. */
static int uri_of(struct oh_span value, struct oh_span *text, struct oh_uri *uri)
{
    struct oh_address a;

    if (oh_address_decode(value, &a, NULL) != OH_OK || a.star ||
        oh_uri_parse(a.uri, uri, NULL) != OH_OK ||
        (uri->scheme != OH_SCHEME_SIP && uri->scheme != OH_SCHEME_SIPS))
        return OH_E_SYNTAX;
    *text = a.uri;
    return OH_OK;
}

/* Where a request to this URI goes; maddr is the host then (RFC 3263 4). */
static struct oh_addr hop_of(const struct oh_uri *uri)
{
    struct oh_addr a = uri->addr;
    struct oh_span maddr;

    if (oh_uri_param(uri, OH_LIT("maddr"), &maddr) && oh_addr_parse(maddr, &a) != OH_OK)
        a.family = OH_FAMILY_NONE;
    a.port = uri->port ? uri->port : 5060;
    return a;
}

/* ---- the usual case ---- */

/* The URI of a value that is "<sip:...>" and nothing else. */
static bool plain_uri(struct oh_span value, struct oh_span *uri)
{
    if (value.n < 7 || memcmp(value.p, "<sip:", 5) != 0 ||
        oh_span_find(value, '>') != (ptrdiff_t)value.n - 1)
        return false;
    *uri = oh_span(value.p + 1, value.n - 2);
    return true;
}

/*
 * Where a URI leads. What stands behind its user is the same in call after call of one server, so
 * it is decoded once and compared from then on. False when it has to be decided with care.
 */
static bool known_hop(struct oh__load_hop *known, struct oh_span text, bool route)
{
    ptrdiff_t at = oh_span_find(text, '@');
    struct oh_span place = oh_span_from(text, at < 0 ? 0 : (size_t)at + 1);
    struct oh_uri uri;

    if (known->n == place.n && memcmp(known->text, place.p, place.n) == 0)
        return known->loose || !route;
    if (place.n > sizeof known->text || oh_uri_parse(text, &uri, NULL) != OH_OK)
        return false;
    memcpy(known->text, place.p, place.n);
    known->n = (uint8_t)place.n;
    known->hop = hop_of(&uri);
    known->loose = oh_uri_param(&uri, OH_LIT("lr"), NULL);
    return known->loose || !route;
}

static void put_route(struct oh_buf *out, struct oh_span value)
{
    oh_buf_lit(out, "Route: ");
    oh_buf_span(out, value);
    oh_buf_lit(out, "\r\n");
}

int oh__load_dialog_quick(const struct oh__load_view *v, struct oh__load_hop *known,
                          struct oh__load_target *out, struct oh_buf *rows)
{
    struct oh_span routes[OH__VIEW_ROWS], remote;
    unsigned n = v->routes_n;

    if (!plain_uri(v->contact, &remote))
        return OH_E_UNSUPPORTED;
    for (unsigned i = 0; i < n; i++)
        if (!plain_uri(v->routes[i], &routes[i]))
            return OH_E_UNSUPPORTED;
    if (!known_hop(known, n ? routes[n - 1] : remote, n > 0))
        return OH_E_UNSUPPORTED;
    *out = (struct oh__load_target){remote, known->hop};
    while (n > 0)
        put_route(rows, v->routes[--n]);
    return oh_buf_error(rows);
}

int oh__load_dialog_read(const struct oh_msg *m, struct oh__load_target *out, struct oh_buf *rows)
{
    struct oh_span routes[ROUTES_MAX], contact, remote, first;
    struct oh_uri remote_uri, first_uri;
    struct oh_list it = {0};
    unsigned n;
    int rc = read_routes(m, routes, &n);

    if (rc != OH_OK)
        return rc;
    rc = oh_list_next(m, OH_HEADER_CONTACT, &it, &contact);
    if (rc == OH_OK)
        rc = uri_of(contact, &remote, &remote_uri);
    if (rc != OH_OK)
        return rc;
    *out = (struct oh__load_target){remote, hop_of(&remote_uri)};
    if (n == 0)
        return OH_OK;
    rc = uri_of(routes[n - 1], &first, &first_uri);
    if (rc != OH_OK)
        return rc;
    out->hop = hop_of(&first_uri);
    /* A strict router finds itself in the Request-URI, and the target at the end of the routes (RFC
     * 3261 12.2.1.1). */
    bool strict = !oh_uri_param(&first_uri, OH_LIT("lr"), NULL);

    if (strict)
        out->uri = first;
    for (unsigned i = n - strict; i > 0; i--)
        put_route(rows, routes[i - 1]);
    if (strict) {
        oh_buf_lit(rows, "Route: <");
        oh_buf_span(rows, remote);
        oh_buf_lit(rows, ">\r\n");
    }
    return oh_buf_error(rows);
}
