/*
 * Every message names ten hosts or so, and a host decides where bytes go, so
 * this is both read fast and read strictly: labels must not be empty and must
 * neither begin nor end with "-", and what looks like an address must be one.
 *
 * The rules for names are about neighbours ("no dot behind a dot"), which are
 * shifts when the dots and the dashes of a name are bits of a word. Names of
 * less than 32 letters, digits, dots and dashes are settled that way; whatever
 * else, and everything that is wrong, is read label by label.
 */
#include "sip/host.h"

#include "base/ipv4.h"

/* Behind a host name; NULL, with a reason, when there is none. */
static const char *name_skip(const char *p, const char *end, const char **why)
{
    const char *start = p, *label;

    for (;;) {
        label = p;
        p = oh__skip_run(p, end, OH__C_LABEL);
        if (p == label) {
            *why = p > start ? "an empty label in the host name" : "no host";
            return NULL;
        }
        if (label[0] == '-' || p[-1] == '-') {
            *why = "a label of the host name begins or ends with '-'";
            return NULL;
        }
        /* One dot at the end makes a name absolute. */
        if (end - p < 2 || p[0] != '.' || !(oh__is(p[1], OH__C_LABEL) || p[1] == '.'))
            break;
        p++;
    }
    /* The last label begins with a letter, or the whole would be an address. */
    if (oh__is(label[0], OH__C_DIGIT)) {
        *why = "neither a host name nor an IPv4 address";
        return NULL;
    }
    return p < end && *p == '.' ? p + 1 : p;
}

#ifdef OH__WIDE
/* As name_skip for a short name that is fine; NULL when it has to be looked at closer. */
static inline const char *short_name_skip(const char *p, const char *end, const char *limit)
{
    struct oh__host_bits b;
    unsigned n;

    if (limit - p < 2 * OH__WIDE)
        return NULL;
    b = oh__host_bits(p);
    if (!~b.plain)
        return NULL;
    n = (unsigned)__builtin_ctz(~b.plain);
    if (n > (size_t)(end - p))
        n = (unsigned)(end - p);
    /* "_" is in no name that the standard knows, but in some that exist. */
    if (!n || (p + n < end && p[n] == '_') || !oh__is_name_of_bits(p, n, b))
        return NULL;
    return p + n;
}
#else
static inline const char *short_name_skip(const char *p, const char *end, const char *limit)
{
    (void)p;
    (void)end;
    (void)limit;
    return NULL;
}
#endif

const char *oh__ipv4_skip(const char *p, const char *end, struct oh_addr *addr)
{
    struct oh_addr a = {.family = OH_FAMILY_IPV4};
    size_t n = oh__ipv4_take(p, (size_t)(end - p), a.ip);

    if (!n || (p + n < end && (oh__is(p[n], OH__C_LABEL) || p[n] == '.')))
        return NULL;
    *addr = a;
    return p + n;
}

/* Behind an IPv6 address in brackets; NULL, with a reason, when it is none. */
static const char *ipv6_skip(const char *p, const char *end, struct oh_addr *addr, const char **why)
{
    const char *close = memchr(p, ']', (size_t)(end - p));
    struct oh_addr a;
    struct oh_span inside;

    if (!close) {
        *why = "no ']' behind the IPv6 address";
        return NULL;
    }
    inside = oh_span(p + 1, (size_t)(close - p) - 1);
    if (oh_span_find(inside, '[') >= 0 || oh_addr_parse(inside, &a) != OH_OK ||
        a.family != OH_FAMILY_IPV6 || a.scope) {
        *why = "not an IPv6 address between '[' and ']'";
        return NULL;
    }
    *addr = a;
    return close + 1;
}

const char *oh__host_skip(const char *p, const char *end, const char *limit, struct oh_addr *addr,
                          const char **why)
{
    const char *behind = NULL;

    if (p < end && *p == '[')
        return ipv6_skip(p, end, addr, why);
    if (p < end && oh__is(*p, OH__C_DIGIT))
        behind = oh__ipv4_skip(p, end, addr);
    else
        behind = short_name_skip(p, end, limit);
    return behind ? behind : name_skip(p, end, why);
}

const char *oh__port_skip(const char *p, const char *end, uint16_t *port, const char **why)
{
    uint64_t v;

    p = oh__digits_skip(p, end, UINT16_MAX, &v);
    if (!v || v > UINT16_MAX)
        *why = "a port that is not 1 to 65535";
    else
        *port = (uint16_t)v;
    return p;
}
