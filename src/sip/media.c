/*
 * Media types, and what an Accept header says about one. Types and subtypes are
 * compared without case, and a parameter never decides: "text/plain;charset=x"
 * is text/plain to everybody who looks here. Among the ranges of an Accept the
 * most specific one wins, whatever its place (RFC 3261 20.1 takes this over
 * from HTTP): behind a range for everything with q=0, "text/plain" still says
 * that text/plain is welcome, and nothing else.
 */
#include <offhook/media.h>

#include "sip/lex.h"
#include "sip/value.h"

#define ANY OH_LIT("*")

static int decode(struct oh_span value, struct oh_media *out, struct oh_fault *fault)
{
    struct oh_media m;
    struct oh_span rest = value;
    int rc;

    oh__lex_lws(&rest);
    if (!oh__lex_token(&rest, &m.type) || !oh__lex_sep(&rest, '/') ||
        !oh__lex_token(&rest, &m.subtype))
        return oh__fail(fault, OH_E_SYNTAX, (size_t)(rest.p - value.p),
                        "not a media type of the form type/subtype");
    rc = oh__value_params(rest, value.p, &m.params, fault);
    if (rc != OH_OK)
        return rc;
    *out = m;
    return OH_OK;
}

int oh_media_decode(struct oh_span value, struct oh_media *out, struct oh_fault *fault)
{
    struct oh_media m;
    int rc = decode(value, &m, fault);

    if (rc != OH_OK)
        return rc;
    /* A body has one type; only who accepts may leave it open. */
    if (oh_span_eq(m.type, ANY) || oh_span_eq(m.subtype, ANY))
        return oh__fail(fault, OH_E_SYNTAX, 0, "a wildcard where a media type must be");
    *out = m;
    return OH_OK;
}

int oh_media_range_decode(struct oh_span value, struct oh_media *out, struct oh_fault *fault)
{
    struct oh_media m;
    uint16_t q;
    int rc = decode(value, &m, fault);

    if (rc != OH_OK)
        return rc;
    if (oh_span_eq(m.type, ANY) && !oh_span_eq(m.subtype, ANY))
        return oh__fail(fault, OH_E_SYNTAX, 0, "a subtype of every type");
    if (oh_media_q(&m, &q) != OH_OK)
        return oh__fail(fault, OH_E_SYNTAX, (size_t)(m.params.p - value.p),
                        "q is not a number from 0 to 1");
    *out = m;
    return OH_OK;
}

bool oh_media_is(const struct oh_media *m, struct oh_span type, struct oh_span subtype)
{
    return oh_span_ieq(m->type, type) && oh_span_ieq(m->subtype, subtype);
}

bool oh_media_param(const struct oh_media *m, struct oh_span name, struct oh_span *value)
{
    return oh_param_find(m->params, name, value);
}

int oh_media_q(const struct oh_media *m, uint16_t *q)
{
    return oh__params_q(m->params, q);
}

/* How closely a range covers a type: 0 = not at all, 3 = by its name. */
static int specificity(const struct oh_media *range, struct oh_span type, struct oh_span subtype)
{
    if (oh_span_eq(range->type, ANY))
        return 1;
    if (!oh_span_ieq(range->type, type))
        return 0;
    if (oh_span_eq(range->subtype, ANY))
        return 2;
    return oh_span_ieq(range->subtype, subtype) ? 3 : 0;
}

int oh_accept_q(const struct oh_msg *m, struct oh_span type, struct oh_span subtype, uint16_t *q)
{
    struct oh_list it = {0};
    struct oh_span value;
    uint16_t best_q = 0;
    int best = 0;

    /* Absent and empty are different answers: the method's default, and nothing at all. */
    if (!oh_msg_row(m, OH_HEADER_ACCEPT))
        return OH_E_ABSENT;
    while (oh_list_next(m, OH_HEADER_ACCEPT, &it, &value) == OH_OK) {
        struct oh_media range;
        int how;

        /* One range that cannot be read must not hide the others. */
        if (oh_media_range_decode(value, &range, NULL) != OH_OK)
            continue;
        how = specificity(&range, type, subtype);
        if (how > best) {
            best = how;
            (void)oh_media_q(&range, &best_q); /* the decoder has read it before */
        }
    }
    *q = best_q;
    return OH_OK;
}

void oh_media_put(struct oh_buf *out, const struct oh_media *m)
{
    oh__put_line(out, m->type);
    oh_buf_char(out, '/');
    oh__put_line(out, m->subtype);
    oh__put_params(out, m->params);
}

int oh_mime_version_decode(struct oh_span value, uint16_t *major, uint16_t *minor)
{
    struct oh_span s = value;
    uint64_t a, b;

    if (!oh__lex_number(&s, UINT16_MAX, &a) || !oh__lex_char(&s, '.') ||
        !oh__lex_number(&s, UINT16_MAX, &b) || s.n)
        return OH_E_SYNTAX;
    if (a > UINT16_MAX || b > UINT16_MAX)
        return OH_E_RANGE;
    *major = (uint16_t)a;
    *minor = (uint16_t)b;
    return OH_OK;
}

void oh_mime_version_put(struct oh_buf *out, uint16_t major, uint16_t minor)
{
    oh_buf_u64(out, major);
    oh_buf_char(out, '.');
    oh_buf_u64(out, minor);
}
