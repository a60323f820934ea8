/*
 * An address comes in two shapes, and telling them apart is where parsers differ:
 * with brackets everything inside is the URI, without them the URI ends at the
 * first ";" and what follows belongs to the header (RFC 3261 20.10). A display
 * name without quotes is tokens (or UTF-8); a comma in it is refused rather than
 * guessed about, since the next element may read two addresses (RFC 4475 3.1.2.15).
 */
#include <offhook/address.h>

#include "sip/address.h"
#include "sip/params.h"
#include "sip/uri.h"
#include "sip/value.h"
#include "sip/wide.h"

/* The grammar wants quotes round letters beyond ASCII; phones send names without, and nothing in
 * them can be taken for syntax. */
static inline bool name_byte(char c)
{
    return oh__is(c, OH__C_TOKEN) || (unsigned char)c >= 0x80;
}

/*
 * Moves over a display name, quoted or tokens, and the white space behind it, when "<" follows;
 * a bare URI begins like tokens, so without "<" nothing is taken.
 */
static inline const char *display_skip(const char *p, const char *end, struct oh_span *display,
                                       const char **why)
{
    const char *start = p, *last = p;

    if (*p == '"') {
        last = oh__skip_quoted(p, end);
        if (!last) {
            *why = "no closing quote behind the display name";
            return p;
        }
        p = oh__skip_lws(last, end);
        if (p == end || *p != '<')
            *why = "no '<' behind the display name";
    } else {
        while (p < end && name_byte(*p)) {
            for (last = p; last < end && name_byte(*last);)
                last++;
            p = oh__skip_lws(last, end);
        }
        if (p == end || *p != '<')
            return start;
    }
    *display = oh_span(start, (size_t)(last - start));
    return p;
}

/* Moves over a URI without brackets, which ends where header parameters begin (RFC 3261 20.10). */
static const char *bare_skip(const char *p, const char *end, const char **why)
{
    const char *start = p;

    for (; p < end && *p != ';' && !oh__is(*p, OH__C_LWS); p++) {
        if (*p == ',' || *p == '?') {
            *why = "a URI with ',' or '?' must stand between '<' and '>'";
            return p;
        }
        if (!oh__is(*p, OH__C_URI)) {
            *why = "a character that is allowed neither in a URI nor in an unquoted display name";
            return p;
        }
    }
    if (p == start)
        *why = "no URI";
    return p;
}

/* The address itself, up to where parameters may begin. */
static inline const char *address_skip(const char *p, const char *end, const char *limit,
                                       struct oh_address *a, const char **why)
{
    const char *uri, *close;

    if (p == end) {
        *why = "no URI";
        return p;
    }
    if (*p != '<')
        p = display_skip(p, end, &a->display, why);
    if (*why)
        return p;
    a->bracketed = *p == '<';
    if (!a->bracketed) {
        close = bare_skip(p, end, why);
        a->uri = oh_span(p, (size_t)(close - p));
        return close;
    }
    uri = p + 1;
    /* No URI holds ">", so the first one ends it; what is inside is oh_uri_parse's business. */
    close = oh__find(uri, end, limit, '>');
    if (close == end || close == uri) {
        *why = close < end ? "no URI between '<' and '>'" : "no '>' behind the URI";
        return p;
    }
    a->uri = oh_span(uri, (size_t)(close - uri));
    return close + 1;
}

int oh__address_decode_tag(struct oh_span text, const char *limit, struct oh_address *a,
                           struct oh_span *tag, struct oh_fault *fault)
{
    const char *end, *p, *why = NULL;
    size_t at;
    int rc;

    *a = (struct oh_address){0};
    *tag = oh_span(text.p, 0);
    if (!text.n)
        return oh__fail(fault, OH_E_SYNTAX, 0, "no URI");
    end = text.p + text.n;
    p = oh__skip_lws(text.p, end);
    /* "*" is also a token and so a fine display name; alone it means all contacts. */
    if (p < end && *p == '*' && oh_span_trim(text).n == 1) {
        a->star = true;
        return OH_OK;
    }
    p = address_skip(p, end, limit, a, &why);
    if (why)
        return oh__fail(fault, OH_E_SYNTAX, (size_t)(p - text.p), why);
    /* Parameters are checked here although few will look at them: a tag that is there twice must be
     * found before anybody took one of the two. */
    p = oh__skip_lws(p, end);
    a->params = oh_span(p, (size_t)(end - p));
    if (p == end)
        return OH_OK;
    rc = oh__params_scan(a->params, limit, OH_LIT("tag"), tag, &at);
    if (rc != OH_OK)
        return oh__fail(fault, rc, (size_t)(p - text.p) + at, oh__params_why(rc));
    return OH_OK;
}

/* Moves over parameters to the end or a comma, and finds the tag; NULL when anything is wrong. */
static inline const char *params_read(const char *p, const char *end, const char *limit,
                                      struct oh_span *tag)
{
    struct oh__names seen;
    struct oh_param param;
    const char *value = p + 5;
    int rc;

    /* In From and To the tag mostly is all there is. */
    if (end - p > 5 && *p == ';' && oh__same_letters(p + 1, "tag", 3) && p[4] == '=') {
        p = oh__skip_wide(value, end, limit, OH__C_VALUE);
        if (p == end && p > value) {
            *tag = oh_span(value, (size_t)(p - value));
            return p;
        }
        p = value - 5;
    }
    seen.n = 0;
    while ((rc = oh__param_next(&p, end, limit, &param)) == OH_OK) {
        if (oh__names_add(&seen, param.name) != OH_OK)
            return NULL;
        if (oh__is_name(param.name, "tag"))
            *tag = param.value;
    }
    return rc == OH_E_ABSENT || *p == ',' ? p : NULL;
}

const char *oh__address_read(const char *p, const char *end, const char *limit,
                             struct oh_address *a, struct oh_uri *u, struct oh_span *tag)
{
    const char *why = NULL, *uri, *params;

    *a = (struct oh_address){.bracketed = true};
    *tag = oh_span(p, 0);
    if (p < end && *p != '<')
        p = display_skip(p, end, &a->display, &why);
    if (why || p == end || *p != '<')
        return NULL;
    uri = p + 1;
    p = oh__uri_between(uri, end, limit, u);
    if (!p)
        return NULL;
    a->uri = oh_span(uri, (size_t)(p - uri));
    params = oh__skip_lws(p + 1, end);
    p = params_read(params, end, limit, tag);
    if (!p)
        return NULL;
    /* White space before a comma belongs to nobody, so that without parameters nothing is left. */
    for (end = p; end[-1] != '>' && oh__is(end[-1], OH__C_LWS);)
        end--;
    a->params = end < params ? oh_span(end, 0) : oh_span(params, (size_t)(end - params));
    return p;
}

int oh_address_decode(struct oh_span text, struct oh_address *out, struct oh_fault *fault)
{
    struct oh_address a;
    struct oh_span tag;
    int rc = oh__address_decode_tag(text, text.n ? text.p + text.n : NULL, &a, &tag, fault);

    if (rc == OH_OK)
        *out = a;
    return rc;
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
    /* Always with brackets: without them the URI's parameters would become the header's. */
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

/* What is no number is an hour: a registration must not fail for it (RFC 3261 10.2.1.1). */
static uint32_t expires_value(struct oh_span s)
{
    uint32_t seconds;

    return oh__seconds(s, &seconds) == OH_OK ? seconds : 3600;
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
            rc = p.quoted ? OH_E_SYNTAX : oh__qvalue(p.value, &c.q);
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
