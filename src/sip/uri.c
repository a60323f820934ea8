/*
 * URIs. A Request-URI, a Contact or a Route decides where bytes are sent and
 * whose they are, so the parser takes nothing that two elements could read in
 * two ways: every byte must be in the set of its part, escapes must be whole,
 * and an IPv6 address must have its brackets.
 */
#include <offhook/uri.h>

#include "sip/lex.h"
#include "sip/params.h"
#include "sip/uri.h"

/* Moves over bytes of the sets and whole escapes. */
static inline void run_escaped(struct oh_span *rest, unsigned sets)
{
    /* "%" is in none of the sets, so each escape is looked at whole or ends the part. */
    for (;;) {
        oh__skip(rest, oh__run_inline(rest->p, rest->n, sets));
        if (!oh__lex_escape(*rest))
            return;
        oh__skip(rest, 3);
    }
}

/* The text between where a part began and where the rest is now. */
static struct oh_span since(struct oh_span start, struct oh_span rest)
{
    return oh_span(start.p, (size_t)(rest.p - start.p));
}

/* What is wrong with the byte at which a part ended too early. */
static const char *byte_fault(struct oh_span rest, const char *otherwise)
{
    if (oh__at(rest, '%'))
        return "a '%' that is not followed by two hexadecimal digits";
    if (rest.n && (unsigned char)*rest.p <= ' ')
        return "a blank or control character in the URI";
    return otherwise;
}

/* Takes "user[:password]@", which is known to end at the first "@" of the text. */
static const char *userinfo_next(struct oh_span *rest, struct oh_uri *u)
{
    struct oh_span start = *rest;

    run_escaped(rest, OH__C_USER);
    u->user = since(start, *rest);
    if (!u->user.n)
        return byte_fault(*rest, "no user before '@'");
    /* An empty password is a password: "a:@h" and "a@h" are two URIs (RFC 3261 19.1.4). */
    if (oh__lex_char(rest, ':')) {
        start = *rest;
        run_escaped(rest, OH__C_PASS);
        u->password = since(start, *rest);
    }
    if (!oh__lex_char(rest, '@'))
        return byte_fault(*rest, "a character that must be escaped in the user part");
    u->has_user = true;
    return NULL;
}

/* Checks one ";name[=value]" and gives its parts. */
static const char *param_next(struct oh_span *rest, struct oh_span *name, struct oh_span *value)
{
    struct oh_span start;

    oh__skip(rest, 1);
    start = *rest;
    run_escaped(rest, OH__C_PARAM);
    *name = since(start, *rest);
    *value = oh_span(NULL, 0);
    if (!name->n)
        return byte_fault(*rest, "a parameter of the URI without a name");
    if (!oh__lex_char(rest, '='))
        return NULL;
    start = *rest;
    run_escaped(rest, OH__C_PARAM);
    *value = since(start, *rest);
    /* "lr=" is what some proxies once sent for "lr"; the grammar has no empty value, and takers of
     * it differ in what they make of it. */
    return value->n ? NULL : byte_fault(*rest, "a parameter of the URI without a value");
}

/* Takes all parameters; no name may be there twice (RFC 3261 19.1.1). */
static const char *params_next(struct oh_span *rest, struct oh_uri *u)
{
    struct oh_span start = *rest, name, value;
    struct oh__names seen;
    const char *why;

    if (!oh__at(*rest, ';'))
        return NULL;
    seen.n = 0;
    do {
        why = param_next(rest, &name, &value);
        if (why)
            return why;
        if (oh__names_add(&seen, name) != OH_OK)
            return "a parameter of the URI that is there twice, or too many of them";
    } while (oh__at(*rest, ';'));
    u->params = since(oh_span_from(start, 1), *rest);
    return NULL;
}

/* Takes "?name=value&name=value". What such headers may do to a request is decided by whoever makes
 * one of the URI. */
static const char *headers_next(struct oh_span *rest, struct oh_uri *u)
{
    struct oh_span start, name;
    unsigned count = 0;

    if (!oh__at(*rest, '?'))
        return NULL;
    start = oh_span_from(*rest, 1);
    do {
        oh__skip(rest, 1);
        name = *rest;
        run_escaped(rest, OH__C_HEADER);
        if (rest->p == name.p || !oh__lex_char(rest, '='))
            return byte_fault(*rest, "a header in the URI that is not of the form name=value");
        run_escaped(rest, OH__C_HEADER);
        if (++count > OH__PARAMS_MAX)
            return "too many headers in the URI";
    } while (oh__at(*rest, '&'));
    u->headers = since(start, *rest);
    return NULL;
}

/* The part of a sip or sips URI behind the scheme. */
static const char *sip_parse(struct oh_span *rest, struct oh_uri *u)
{
    const char *why = NULL;

    /* Behind the user part "@" must be escaped, so if there is one, it ends a user part. */
    if (rest->n && memchr(rest->p, '@', rest->n))
        why = userinfo_next(rest, u);
    if (!why && !oh__lex_host(rest, &u->host, &u->addr, &why))
        return byte_fault(*rest, why);
    if (why)
        return why;
    if (oh__lex_char(rest, ':') && !oh__lex_port(rest, &u->port, &why))
        return why;
    why = params_next(rest, u);
    return why ? why : headers_next(rest, u);
}

/* The part of a tel URI behind the scheme (RFC 3966 3): a number with visual separators. */
static const char *tel_parse(struct oh_span *rest, struct oh_uri *u)
{
    struct oh_span start = *rest;
    /* A local number may have hexadecimal digits, "*" and "#"; a global one only digits. */
    bool global = oh__lex_char(rest, '+'), digit = false;

    for (; rest->n; oh__skip(rest, 1)) {
        char c = *rest->p;

        if (oh__is(c, OH__C_DIGIT) || (!global && (oh__is(c, OH__C_HEX) || c == '*' || c == '#')))
            digit = true;
        else if (!oh__tel_separator(c))
            break;
    }
    u->user = since(start, *rest);
    if (!digit)
        return byte_fault(*rest, "no digit in the telephone number");
    return params_next(rest, u);
}

/* Any other URI: only its bytes are checked. */
static const char *other_parse(struct oh_span *rest)
{
    if (!rest->n)
        return "nothing behind the scheme of the URI";
    while (rest->n) {
        if (!oh__is(*rest->p, OH__C_URI) || (*rest->p == '%' && !oh__lex_escape(*rest)))
            return byte_fault(*rest, "a character that is not allowed in a URI");
        oh__skip(rest, 1);
    }
    return NULL;
}

/* Takes "scheme:". */
static const char *scheme_next(struct oh_span *rest, struct oh_uri *u)
{
    size_t n;

    /* Nearly every URI begins like this. */
    if (rest->n > 4 && oh__same_letters(rest->p, "sip", 3) && rest->p[3] == ':') {
        u->scheme_text = oh_span(rest->p, 3);
        u->scheme = OH_SCHEME_SIP;
        oh__skip(rest, 4);
        return NULL;
    }
    if (!rest->n || !oh__is(*rest->p, OH__C_ALPHA))
        return byte_fault(*rest, "a URI begins with a scheme such as sip:");
    n = oh__run(*rest, OH__C_SCHEME);
    u->scheme_text = oh_span(rest->p, n);
    oh__skip(rest, n);
    if (!oh__lex_char(rest, ':'))
        return byte_fault(*rest, "no ':' behind the scheme of the URI");
    if (oh__is_name(u->scheme_text, "sip"))
        u->scheme = OH_SCHEME_SIP;
    else if (oh__is_name(u->scheme_text, "sips"))
        u->scheme = OH_SCHEME_SIPS;
    else if (oh__is_name(u->scheme_text, "tel"))
        u->scheme = OH_SCHEME_TEL;
    return NULL;
}

/* Empties every field; one by one, which is the fastest way for this size. */
static void uri_clear(struct oh_uri *u, struct oh_span text)
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

const char *oh__uri_decode(struct oh_span *rest, struct oh_uri *u)
{
    const char *why;

    uri_clear(u, *rest);
    why = scheme_next(rest, u);
    if (why)
        return why;
    switch (u->scheme) {
    case OH_SCHEME_SIP:
    case OH_SCHEME_SIPS: why = sip_parse(rest, u); break;
    case OH_SCHEME_TEL: why = tel_parse(rest, u); break;
    default: why = other_parse(rest); break;
    }
    if (!why && rest->n)
        why = byte_fault(*rest, "a character that is not allowed at this place of a URI");
    return why;
}

int oh_uri_parse(struct oh_span text, struct oh_uri *out, struct oh_fault *fault)
{
    struct oh_span rest = text;
    struct oh_uri u;
    const char *why = oh__uri_decode(&rest, &u);

    if (why)
        return oh__fail(fault, OH_E_SYNTAX, (size_t)(rest.p - text.p), why);
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
