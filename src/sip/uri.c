/*
 * URIs. A Request-URI, a Contact or a Route decides where bytes are sent and
 * whose they are, so the parser takes nothing that two elements could read in
 * two ways: every byte must be in the set of its part, escapes must be whole,
 * and an IPv6 address must have its brackets.
 */
#include <offhook/uri.h>

#include "sip/host.h"
#include "sip/params.h"
#include "sip/uri.h"
#include "sip/wide.h"

/* A URI being read. */
struct reader {
    const char *end;   /* it goes no further than here */
    const char *limit; /* bytes may be read up to here */
    bool close;        /* ">" ends it */
    struct oh_uri *u;
    const char *why; /* what is wrong; NULL = nothing so far */
};

/* Behind bytes of the set and whole escapes. */
static inline const char *escaped_skip(const char *p, const struct reader *r, unsigned set)
{
    /* "%" is in none of the sets, so each escape is looked at whole or ends the part. */
    for (;;) {
        p = oh__skip_wide(p, r->end, r->limit, set);
        if (p == r->end || *p != '%' || !oh__lex_escape(oh_span(p, (size_t)(r->end - p))))
            return p;
        p += 3;
    }
}

/* The text between two places. */
static inline struct oh_span between(const char *from, const char *to)
{
    return oh_span(from, (size_t)(to - from));
}

/* Says what is wrong with the byte at which a part ended too early, and stays there. */
static const char *refuse(struct reader *r, const char *p, const char *otherwise)
{
    if (p < r->end && *p == '%')
        r->why = "a '%' that is not followed by two hexadecimal digits";
    else if (p < r->end && (unsigned char)*p <= ' ')
        r->why = "a blank or control character in the URI";
    else
        r->why = otherwise;
    return p;
}

/* True when there is an "@" from p on. */
static bool has_at(const char *p, const struct reader *r)
{
    p = r->close ? oh__find3(p, r->end, r->limit, "@>>") : oh__find(p, r->end, r->limit, '@');
    return p < r->end && *p == '@';
}

/*
 * Moves over "user[:password]@" if it is there. Behind the user part "@" must be escaped, so if
 * there is one, it ends a user part. That it comes where user and password end is the usual case;
 * only when it does not is the rest searched for one.
 */
static const char *userinfo_skip(struct reader *r, const char *p)
{
    const char *user = escaped_skip(p, r, OH__C_USER), *at = user;

    if (user < r->end && *user == ':')
        at = escaped_skip(user + 1, r, OH__C_PASS);
    if (at == r->end || (*at != '@' && !has_at(at, r)))
        return p;
    if (user == p)
        return refuse(r, p, "no user before '@'");
    r->u->user = between(p, user);
    /* An empty password is a password: "a:@h" and "a@h" are two URIs (RFC 3261 19.1.4). */
    if (*user == ':')
        r->u->password = between(user + 1, at);
    if (*at != '@')
        return refuse(r, at, "a character that must be escaped in the user part");
    r->u->has_user = true;
    return at + 1;
}

/* Moves over one ";name[=value]" and gives its name. */
static inline const char *param_skip(struct reader *r, const char *p, struct oh_span *name)
{
    const char *start = p + 1;

    p = escaped_skip(start, r, OH__C_PARAM);
    *name = between(start, p);
    if (p == start)
        return refuse(r, p, "a parameter of the URI without a name");
    if (p == r->end || *p != '=')
        return p;
    start = p + 1;
    p = escaped_skip(start, r, OH__C_PARAM);
    /* "lr=" is what some proxies once sent for "lr"; the grammar has no empty value, and takers of
     * it differ in what they make of it. */
    return p > start ? p : refuse(r, p, "a parameter of the URI without a value");
}

/* Moves over all parameters; no name may be there twice (RFC 3261 19.1.1). */
static const char *params_skip(struct reader *r, const char *p)
{
    const char *start = p + 1;
    struct oh__names seen;
    struct oh_span name;

    seen.n = 0;
    while (p < r->end && *p == ';') {
        p = param_skip(r, p, &name);
        if (r->why)
            return p;
        if (oh__names_add(&seen, name) != OH_OK) {
            r->why = "a parameter of the URI that is there twice, or too many of them";
            return p;
        }
    }
    r->u->params = between(start, p);
    return p;
}

/* Moves over "?name=value&name=value". What such headers may do to a request is decided by whoever
 * makes one of the URI. */
static const char *headers_skip(struct reader *r, const char *p)
{
    const char *start = p + 1, *name;
    unsigned count = 0;

    do {
        name = ++p;
        p = escaped_skip(p, r, OH__C_HEADER);
        if (p == name || p == r->end || *p != '=')
            return refuse(r, p, "a header in the URI that is not of the form name=value");
        p = escaped_skip(p + 1, r, OH__C_HEADER);
        if (++count > OH__PARAMS_MAX) {
            r->why = "too many headers in the URI";
            return p;
        }
    } while (p < r->end && *p == '&');
    r->u->headers = between(start, p);
    return p;
}

/* What may stand behind the host. */
static const char *behind_host_skip(struct reader *r, const char *p)
{
    if (p < r->end && *p == ':') {
        p = oh__port_skip(p + 1, r->end, &r->u->port, &r->why);
        if (r->why)
            return p;
    }
    if (p < r->end && *p == ';') {
        p = params_skip(r, p);
        if (r->why)
            return p;
    }
    return p < r->end && *p == '?' ? headers_skip(r, p) : p;
}

/* The part of a sip or sips URI behind the scheme. */
static const char *sip_skip(struct reader *r, const char *p)
{
    const char *host, *why = NULL;

    p = userinfo_skip(r, p);
    if (r->why)
        return p;
    host = p;
    p = oh__host_skip(host, r->end, r->limit, &r->u->addr, &why);
    if (!p)
        return refuse(r, host, why);
    r->u->host = between(host, p);
    return behind_host_skip(r, p);
}

/* The part of a tel URI behind the scheme (RFC 3966 3): a number with visual separators. */
static const char *tel_skip(struct reader *r, const char *p)
{
    const char *start = p;
    /* A local number may have hexadecimal digits, "*" and "#"; a global one only digits. */
    bool global = p < r->end && *p == '+', digit = false;

    for (p += global; p < r->end; p++) {
        if (oh__is(*p, OH__C_DIGIT) ||
            (!global && (oh__is(*p, OH__C_HEX) || *p == '*' || *p == '#')))
            digit = true;
        else if (!oh__tel_separator(*p))
            break;
    }
    r->u->user = between(start, p);
    if (!digit)
        return refuse(r, p, "no digit in the telephone number");
    return p < r->end && *p == ';' ? params_skip(r, p) : p;
}

/* Any other URI: only its bytes are checked. */
static const char *other_skip(struct reader *r, const char *p)
{
    if (p == r->end) {
        r->why = "nothing behind the scheme of the URI";
        return p;
    }
    for (; p < r->end; p++)
        if (!oh__is(*p, OH__C_URI) || (*p == '%' && !oh__lex_escape(between(p, r->end))))
            return refuse(r, p, "a character that is not allowed in a URI");
    return p;
}

/* Moves over "scheme:". */
static const char *scheme_skip(struct reader *r, const char *p)
{
    const char *start = p;
    struct oh_uri *u = r->u;

    /* Nearly every URI begins like this. */
    if (r->end - p > 4 && oh__same_letters(p, "sip", 3) && p[3] == ':') {
        u->scheme_text = oh_span(p, 3);
        u->scheme = OH_SCHEME_SIP;
        return p + 4;
    }
    if (p == r->end || !oh__is(*p, OH__C_ALPHA))
        return refuse(r, p, "a URI begins with a scheme such as sip:");
    p = oh__skip_rest(p, r->end, OH__C_SCHEME);
    u->scheme_text = between(start, p);
    if (p == r->end || *p != ':')
        return refuse(r, p, "no ':' behind the scheme of the URI");
    if (oh__is_name(u->scheme_text, "sip"))
        u->scheme = OH_SCHEME_SIP;
    else if (oh__is_name(u->scheme_text, "sips"))
        u->scheme = OH_SCHEME_SIPS;
    else if (oh__is_name(u->scheme_text, "tel"))
        u->scheme = OH_SCHEME_TEL;
    return p + 1;
}

/* Empties every field; one by one, which is the fastest way for this size. */
static inline void uri_clear(struct oh_uri *u, struct oh_span text)
{
    const struct oh_span none = {NULL, 0};

    u->text = text;
    u->scheme_text = none;
    u->user = none;
    u->password = none;
    u->host = none;
    u->params = none;
    u->headers = none;
    u->port = 0;
    u->scheme = OH_SCHEME_OTHER;
    u->has_user = false;
    u->addr = (struct oh_addr){0};
}

/*
 * Moves over "sip:user@host" or "sip:host" where user and host have plain bytes only, and are
 * short, as most are: then both are found with the same bits, or the host with a second look. NULL,
 * with nothing changed, for any other URI.
 */
static inline const char *usual_skip(struct reader *r, const char *p)
{
#ifdef OH__WIDE
    const char *user = p + 4, *host = user, *end;
    struct oh__host_bits b;
    unsigned n, reach = 30;

    if (r->limit - user < 4 * OH__WIDE || !oh__same_letters(p, "sip", 3) || p[3] != ':')
        return NULL;
    b = oh__host_bits(user);
    n = (unsigned)__builtin_ctz(~b.plain | UINT32_C(1) << 31);
    if (user[n] == '@' && n > 0 && n < reach) {
        host = user + n + 1;
        reach -= n + 1;
        b = (struct oh__host_bits){b.plain >> (n + 1), b.dots >> (n + 1), b.dashes >> (n + 1)};
        n = (unsigned)__builtin_ctz(~b.plain);
        if (__builtin_expect(n > reach, 0)) {
            b = oh__host_bits(host);
            n = (unsigned)__builtin_ctz(~b.plain | UINT32_C(1) << 31);
            reach = 30;
        }
    }
    end = host + n;
    /* What the bits do not reach, and "_", is for others to judge. */
    if (!n || n > reach || end > r->end || (end < r->end && *end == '_'))
        return NULL;
    /* Without a user part there must be no "@" behind, or all this was one. */
    if (host == user && has_at(end, r))
        return NULL;
    if (oh__is(*host, OH__C_DIGIT))
        end = oh__ipv4_skip(host, r->end, &r->u->addr);
    else if (!oh__is_name_of_bits(host, n, b))
        end = NULL;
    if (!end)
        return NULL;
    r->u->scheme_text = oh_span(p, 3);
    r->u->scheme = OH_SCHEME_SIP;
    if (host > user)
        r->u->user = between(user, host - 1);
    r->u->has_user = host > user;
    r->u->host = between(host, end);
    return end;
#else
    (void)r;
    (void)p;
    return NULL;
#endif
}

/* Reads as far as the URI goes. */
static inline const char *uri_skip(struct reader *r, const char *p)
{
    const char *usual;

    uri_clear(r->u, oh_span(p, 0));
    usual = usual_skip(r, p);
    if (usual)
        return behind_host_skip(r, usual);
    p = scheme_skip(r, p);
    if (r->why)
        return p;
    switch (r->u->scheme) {
    case OH_SCHEME_SIP:
    case OH_SCHEME_SIPS: return sip_skip(r, p);
    case OH_SCHEME_TEL: return tel_skip(r, p);
    default: return other_skip(r, p);
    }
}

const char *oh__uri_decode(struct oh_span text, const char *limit, struct oh_uri *u, size_t *at)
{
    struct reader r = {text.p + text.n, limit, false, u, NULL};
    const char *p = uri_skip(&r, text.p);

    u->text.n = text.n;
    if (!r.why && p < r.end)
        refuse(&r, p, "a character that is not allowed at this place of a URI");
    *at = (size_t)(p - text.p);
    return r.why;
}

const char *oh__uri_between(const char *p, const char *end, const char *limit, struct oh_uri *u)
{
    struct reader r = {end, limit, true, u, NULL};

    p = uri_skip(&r, p);
    u->text.n = (size_t)(p - u->text.p);
    return !r.why && p < end && *p == '>' ? p : NULL;
}

int oh_uri_parse(struct oh_span text, struct oh_uri *out, struct oh_fault *fault)
{
    struct oh_uri u;
    const char *why;
    size_t at;

    /* NULL has no end to compare with. */
    if (!text.p)
        text = OH_LIT("");
    why = oh__uri_decode(text, text.p + text.n, &u, &at);
    if (why)
        return oh__fail(fault, OH_E_SYNTAX, at, why);
    *out = u;
    return OH_OK;
}

bool oh__uri_param_next(struct oh_span *rest, struct oh_param *out)
{
    const char *semi, *equal;
    struct oh_span one;

    if (!rest->n)
        return false;
    /* The list was checked when the URI was parsed, so ";" and "=" are always separators. */
    semi = memchr(rest->p, ';', rest->n);
    one = oh_span_head(*rest, semi ? (size_t)(semi - rest->p) : rest->n);
    *rest = oh_span_from(*rest, one.n + 1);
    equal = one.n ? memchr(one.p, '=', one.n) : NULL;
    out->quoted = false;
    out->name = oh_span_head(one, equal ? (size_t)(equal - one.p) : one.n);
    out->value = equal ? oh_span_from(one, out->name.n + 1) : oh_span(NULL, 0);
    return true;
}

bool oh__uri_text_equal(struct oh_span a, struct oh_span b, bool fold)
{
    int x, y;

    /* Escapes are decoded once, byte by byte: "%2541" is "%41" and never "A" (RFC 4475 3.1.1.3). */
    do {
        x = oh__lex_unescape(&a);
        y = oh__lex_unescape(&b);
        if (fold && x > 0 && y > 0) {
            x = (unsigned char)oh__lower((char)x);
            y = (unsigned char)oh__lower((char)y);
        }
    } while (x == y && x >= 0);
    return x == y;
}

bool oh_uri_param(const struct oh_uri *uri, struct oh_span name, struct oh_span *value)
{
    struct oh_span rest = uri->params;
    struct oh_param p;

    while (oh__uri_param_next(&rest, &p)) {
        if (!oh__uri_text_equal(p.name, name, true))
            continue;
        if (value)
            *value = p.value.p ? p.value : oh_span(p.name.p + p.name.n, 0);
        return true;
    }
    return false;
}

void oh_uri_user_decode(const struct oh_uri *uri, struct oh_buf *out)
{
    struct oh_span rest = uri->user;
    int c;

    while ((c = oh__lex_unescape(&rest)) >= 0)
        oh_buf_char(out, (char)c);
}

/* Writes %XX. */
static void put_escaped(struct oh_buf *out, unsigned char c)
{
    static const char digits[] = "0123456789ABCDEF";
    char text[3] = {'%', digits[c >> 4], digits[c & 15]};

    oh_buf_put(out, text, sizeof(text));
}

/* Writes the host in one spelling: lower case, an IPv6 address in its shortest form, no dot at the
 * end. */
static void put_host(struct oh_buf *out, const struct oh_uri *uri)
{
    struct oh_span host = uri->host;
    size_t i;

    if (uri->addr.family != OH_FAMILY_NONE) {
        oh_buf_host(out, &uri->addr);
        return;
    }
    /* "example.com." and "example.com" are one domain. */
    if (host.n > 1 && host.p[host.n - 1] == '.')
        host.n--;
    for (i = 0; i < host.n; i++)
        oh_buf_char(out, oh__lower(host.p[i]));
}

/* Writes a telephone number without its visual separators. */
static void put_number(struct oh_buf *out, struct oh_span number)
{
    size_t i;

    for (i = 0; i < number.n; i++)
        if (!oh__tel_separator(number.p[i]))
            oh_buf_char(out, oh__lower(number.p[i]));
}

void oh_uri_aor(const struct oh_uri *uri, struct oh_buf *out)
{
    struct oh_span rest = uri->user;
    unsigned usual = uri->scheme == OH_SCHEME_SIPS ? 5061 : 5060;
    int c;

    if (uri->scheme == OH_SCHEME_OTHER) {
        oh_buf_span(out, uri->text);
        return;
    }
    if (uri->scheme == OH_SCHEME_TEL) {
        put_number(out, uri->user);
        return;
    }
    while ((c = oh__lex_unescape(&rest)) >= 0) {
        /* An escaped "%" stays escaped, else the users %00 and %2500 would be one. */
        if (c <= ' ' || c == 0x7f || c == '%')
            put_escaped(out, (unsigned char)c);
        else
            oh_buf_char(out, (char)c);
    }
    if (uri->has_user)
        oh_buf_char(out, '@');
    put_host(out, uri);
    if (uri->port && uri->port != usual) {
        oh_buf_char(out, ':');
        oh_buf_u64(out, uri->port);
    }
}

void oh_uri_put_user(struct oh_buf *out, struct oh_span user)
{
    size_t i;

    for (i = 0; i < user.n; i++) {
        /* "#" is taken from others, but not written: RFC 3261 25.1 wants it escaped. */
        if (oh__is(user.p[i], OH__C_USER) && user.p[i] != '#')
            oh_buf_char(out, user.p[i]);
        else
            put_escaped(out, (unsigned char)user.p[i]);
    }
}
