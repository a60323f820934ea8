/*
 * When are two URIs the same? RFC 3261 19.1.4 answers for sip and sips, and
 * RFC 3966 4 for tel; the relation is not transitive, because a parameter that
 * only one of the two has is ignored (with exceptions), so URIs must be
 * compared in pairs and never by a normal form. (The key that a registrar
 * stores, oh_uri_aor, answers another question.)
 */
#include <offhook/uri.h>

#include "sip/lex.h"
#include "sip/uri.h"

/* Parameters that make a difference even when only one URI has them. */
static bool always_counts(struct oh_span name)
{
    static const struct oh_span names[] = {
        {"user", 4}, {"ttl", 3}, {"method", 6}, {"maddr", 5}, {"transport", 9},
    };
    size_t i;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (oh__uri_text_equal(name, names[i], true))
            return true;
    return false;
}

/* Every parameter of a must agree with b's; one that b lacks must be of the kind that may be
 * missing. */
static bool params_agree(const struct oh_uri *a, const struct oh_uri *b)
{
    struct oh_span rest = a->params, other;
    struct oh_param p;

    while (oh__uri_param_next(&rest, &p)) {
        struct oh_span seek = b->params;
        struct oh_param q;
        bool found = false;

        while (!found && oh__uri_param_next(&seek, &q))
            found = oh__uri_text_equal(p.name, q.name, true);
        if (!found && always_counts(p.name))
            return false;
        other = found ? q.value : p.value;
        if (!oh__uri_text_equal(p.value, other, true))
            return false;
    }
    return true;
}

/* Takes the next name=value off the headers of a parsed URI. */
static bool header_next(struct oh_span *rest, struct oh_span *name, struct oh_span *value)
{
    const char *amp, *equal;
    struct oh_span one;

    if (!rest->n)
        return false;
    amp = memchr(rest->p, '&', rest->n);
    one = oh_span_head(*rest, amp ? (size_t)(amp - rest->p) : rest->n);
    *rest = oh_span_from(*rest, one.n + 1);
    equal = one.n ? memchr(one.p, '=', one.n) : NULL;
    *name = oh_span_head(one, equal ? (size_t)(equal - one.p) : one.n);
    *value = oh_span_from(one, name->n + 1);
    return true;
}

/* How many headers of a URI have this name and value. */
static unsigned header_count(struct oh_span headers, struct oh_span name, struct oh_span value)
{
    struct oh_span n, v;
    unsigned count = 0;

    while (header_next(&headers, &n, &v))
        count += oh__uri_text_equal(n, name, true) && oh__uri_text_equal(v, value, false);
    return count;
}

/* Headers are never ignored: each must be in the other URI as often as in this one, in any order.
 */
static bool headers_agree(struct oh_span a, struct oh_span b)
{
    struct oh_span rest = a, name, value;

    while (header_next(&rest, &name, &value))
        if (header_count(a, name, value) != header_count(b, name, value))
            return false;
    return true;
}

/* Names without case; addresses by value, however they are written. */
static bool host_equal(const struct oh_uri *a, const struct oh_uri *b)
{
    if (a->addr.family != b->addr.family)
        return false;
    if (a->addr.family == OH_FAMILY_NONE)
        return oh_span_ieq(a->host, b->host);
    return memcmp(a->addr.ip, b->addr.ip, sizeof(a->addr.ip)) == 0;
}

static bool sip_equal(const struct oh_uri *a, const struct oh_uri *b)
{
    return a->has_user == b->has_user && a->port == b->port &&
           (a->password.p == NULL) == (b->password.p == NULL) && host_equal(a, b) &&
           oh__uri_text_equal(a->user, b->user, false) &&
           oh__uri_text_equal(a->password, b->password, false) && params_agree(a, b) &&
           params_agree(b, a) && headers_agree(a->headers, b->headers) &&
           headers_agree(b->headers, a->headers);
}

/* Equality of numbers: visual separators do not count, nor does the case of hexadecimal digits. */
static bool number_equal(struct oh_span a, struct oh_span b)
{
    for (;;) {
        while (a.n && oh__tel_separator(*a.p))
            oh__skip(&a, 1);
        while (b.n && oh__tel_separator(*b.p))
            oh__skip(&b, 1);
        if (!a.n || !b.n)
            return a.n == b.n;
        if (oh__lower(*a.p) != oh__lower(*b.p))
            return false;
        oh__skip(&a, 1);
        oh__skip(&b, 1);
    }
}

/* ext and a phone-context that is a number are compared as numbers, the rest as text without case.
 */
static bool tel_value_equal(struct oh_span name, struct oh_span a, struct oh_span b)
{
    if (oh_span_ieq(name, OH_LIT("ext")) ||
        (oh_span_ieq(name, OH_LIT("phone-context")) && oh__at(a, '+') && oh__at(b, '+')))
        return number_equal(a, b);
    return oh__uri_text_equal(a, b, true);
}

/* Every parameter of a is in b with the same value (RFC 3966 4). */
static bool tel_params_in(const struct oh_uri *a, const struct oh_uri *b)
{
    struct oh_span rest = a->params, seek;
    struct oh_param p, q;

    while (oh__uri_param_next(&rest, &p)) {
        bool found = false;

        seek = b->params;
        while (!found && oh__uri_param_next(&seek, &q))
            found = oh_span_ieq(p.name, q.name) && tel_value_equal(p.name, p.value, q.value);
        if (!found)
            return false;
    }
    return true;
}

static bool tel_equal(const struct oh_uri *a, const struct oh_uri *b)
{
    /* "+" is compared with the digits: a global number never equals a local one. */
    return number_equal(a->user, b->user) && tel_params_in(a, b) && tel_params_in(b, a);
}

bool oh_uri_equal(const struct oh_uri *a, const struct oh_uri *b)
{
    if (a->scheme != b->scheme)
        return false;
    switch (a->scheme) {
    case OH_SCHEME_SIP:
    case OH_SCHEME_SIPS: return sip_equal(a, b);
    case OH_SCHEME_TEL: return tel_equal(a, b);
    default: return oh_span_eq(a->text, b->text);
    }
}
