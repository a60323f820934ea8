#include <offhook/address.h>

#include "sip/address.h"
#include "sip/lex.h"
#include "sip/params.h"

/* Takes the display name, quoted or tokens, when "<" follows; otherwise nothing. */
static const char *display_next(struct oh_span *rest, struct oh_span *display)
{
    struct oh_span s = *rest, inside;

    if (oh__at(s, '"')) {
        if (!oh__lex_quoted(&s, &inside))
            return "no closing quote behind the display name";
        *display = oh_span(rest->p, inside.n + 2);
        oh__lex_lws(&s);
        *rest = s;
        return oh__at(s, '<') ? NULL : "no '<' behind the display name";
    }
    while (s.n && oh__is(*s.p, OH__C_TOKEN)) {
        oh__skip(&s, oh__run(s, OH__C_TOKEN));
        oh__lex_lws(&s);
    }
    if (oh__at(s, '<')) {
        *display = oh_span_trim(oh_span(rest->p, (size_t)(s.p - rest->p)));
        *rest = s;
    }
    return NULL;
}

/* Takes <URI>. */
static const char *bracketed_next(struct oh_span *rest, struct oh_span *uri)
{
    const char *close = memchr(rest->p, '>', rest->n);

    if (!close)
        return "no '>' behind the URI";
    *uri = oh_span(rest->p + 1, (size_t)(close - rest->p) - 1);
    if (!uri->n)
        return "no URI between '<' and '>'";
    oh__skip(rest, uri->n + 2);
    return NULL;
}

/* Takes a URI without brackets, which ends where header parameters begin (RFC 3261 20.10). */
static const char *bare_next(struct oh_span *rest, struct oh_span *uri)
{
    size_t i;

    for (i = 0; i < rest->n; i++) {
        char c = rest->p[i];

        if (c == ';' || oh__is(c, OH__C_LWS))
            break;
        if (c == ',' || c == '?') {
            oh__skip(rest, i);
            return "a URI with ',' or '?' must stand between '<' and '>'";
        }
        if (!oh__is(c, OH__C_URI)) {
            oh__skip(rest, i);
            return "a character that is allowed neither in a URI nor in an unquoted display name";
        }
    }
    if (!i)
        return "no URI";
    *uri = oh_span(rest->p, i);
    oh__skip(rest, i);
    return NULL;
}

int oh__address_decode_tag(struct oh_span text, struct oh_address *out, struct oh_span *tag,
                           struct oh_fault *fault)
{
    struct oh_span rest = text, found = {text.p, 0};
    struct oh_address a = {0};
    const char *why;
    int rc;

    oh__lex_lws(&rest);
    if (oh__at(rest, '*') && oh_span_trim(rest).n == 1) {
        a.star = true;
        *tag = found;
        *out = a;
        return OH_OK;
    }
    why = display_next(&rest, &a.display);
    if (!why) {
        a.bracketed = oh__at(rest, '<');
        why = a.bracketed ? bracketed_next(&rest, &a.uri) : bare_next(&rest, &a.uri);
    }
    if (why)
        return oh__fail(fault, OH_E_SYNTAX, (size_t)(rest.p - text.p), why);
    oh__lex_lws(&rest);
    a.params = rest;
    rc = rest.n ? oh__params_scan(&rest, OH_LIT("tag"), &found) : OH_OK;
    if (rc != OH_OK)
        return oh__fail(fault, rc, (size_t)(rest.p - text.p), oh__params_why(rc));
    *tag = found;
    *out = a;
    return OH_OK;
}

int oh_address_decode(struct oh_span text, struct oh_address *out, struct oh_fault *fault)
{
    struct oh_span tag;

    return oh__address_decode_tag(text, out, &tag, fault);
}

struct oh_span oh_address_tag(const struct oh_address *a)
{
    struct oh_span tag = {NULL, 0};

    oh_param_find(a->params, OH_LIT("tag"), &tag);
    return tag;
}

/* True when the display name may stand without quotes: tokens with single blanks between. */
static bool plain(struct oh_span display)
{
    size_t i;

    for (i = 0; i < display.n; i++)
        if (!oh__is(display.p[i], OH__C_TOKEN) &&
            (display.p[i] != ' ' || i == 0 || i + 1 == display.n))
            return false;
    return true;
}

void oh_address_put(struct oh_buf *out, struct oh_span display, struct oh_span uri)
{
    if (display.n) {
        if (plain(display))
            oh_buf_span(out, display);
        else
            oh_buf_quoted(out, display);
        oh_buf_char(out, ' ');
    }
    oh_buf_char(out, '<');
    oh_buf_span(out, uri);
    oh_buf_char(out, '>');
}

/* qvalue = ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] ), in thousandths. */
static int qvalue(struct oh_span s, uint16_t *out)
{
    unsigned v, scale = 100;
    size_t i;

    if (!s.n || (s.p[0] != '0' && s.p[0] != '1') || s.n > 5 || (s.n > 1 && s.p[1] != '.'))
        return OH_E_SYNTAX;
    v = s.p[0] == '1' ? 1000 : 0;
    for (i = 2; i < s.n; i++, scale /= 10) {
        if (!oh__is(s.p[i], OH__C_DIGIT))
            return OH_E_SYNTAX;
        v += (unsigned)(s.p[i] - '0') * scale;
    }
    if (v > 1000)
        return OH_E_SYNTAX;
    *out = (uint16_t)v;
    return OH_OK;
}

/* delta-seconds; what is too large is the largest, what is no number is an hour. */
static uint32_t expires_value(struct oh_span s)
{
    uint64_t v;

    if (!oh__lex_number(&s, UINT32_MAX, &v) || s.n)
        return 3600;
    return v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;
}

int oh_contact_params(const struct oh_address *a, struct oh_contact_params *out)
{
    struct oh_contact_params c = {.q = 1000};
    struct oh_span rest = a->params;
    struct oh_param p;
    int rc = OH_OK;

    while (oh_param_next(&rest, &p) == OH_OK) {
        if (oh__is_name(p.name, "q")) {
            c.has_q = true;
            rc = p.quoted ? OH_E_SYNTAX : qvalue(p.value, &c.q);
            if (rc != OH_OK)
                return rc;
        } else if (oh__is_name(p.name, "expires")) {
            c.has_expires = true;
            c.expires = expires_value(p.value);
        }
    }
    *out = c;
    return OH_OK;
}
