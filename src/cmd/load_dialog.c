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

static void put_route(struct oh_buf *out, struct oh_span value)
{
    oh_buf_lit(out, "Route: ");
    oh_buf_span(out, value);
    oh_buf_lit(out, "\r\n");
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
