/*
 * Walking values: rows of one header, commas in a row, tokens in a list. "A: x" and
 * "A: y" in two rows mean the same as "A: x, y" (RFC 3261 7.3.1), so whoever asks
 * for values never sees rows. The walk keeps offsets, no pointers, and can be copied
 * to come back to a place.
 */
#include <offhook/msg.h>

#include "sip/address.h"
#include "sip/uri.h"
#include "sip/wide.h"

struct oh_span oh_msg_value(const struct oh_msg *m, enum oh_header_id id)
{
    const struct oh_row *row = oh_msg_row(m, id);

    return row ? oh_row_value(m, row) : oh_span(NULL, 0);
}

const struct oh_row *oh_msg_other(const struct oh_msg *m, struct oh_span name,
                                  const struct oh_row *after)
{
    const struct oh_row *row = oh_msg_row(m, OH_HEADER_OTHER);

    if (after)
        row = oh_msg_row_next(m, after);
    while (row && !(row->name_len == name.n && oh_span_ieq(oh_row_name(m, row), name)))
        row = oh_msg_row_next(m, row);
    return row;
}

/*
 * Behind the quoted-string or <URI> at p, inside which a comma is no separator; NULL when it has no
 * end.
 */
static const char *protected_skip(const char *p, const char *end, const char *limit)
{
    if (*p == '"')
        return oh__skip_quoted(p, end);
    p = oh__find(p, end, limit, '>');
    return p < end ? p + 1 : NULL;
}

/* The comma behind the element at p, or end; NULL when its quotes or brackets are not closed. */
static const char *element_skip(const char *p, const char *end, const char *limit)
{
    while (p < end && *p != ',') {
        if (*p == '"' || *p == '<')
            p = protected_skip(p, end, limit);
        else
            p = oh__find3(p, end, limit, ",\"<");
        if (!p)
            return NULL;
    }
    return p;
}

/* oh_comma_next, where bytes up to limit may be read. */
static int comma_next(struct oh_span *rest, const char *limit, struct oh_span *value)
{
    const char *p = rest->p, *end, *start;
    struct oh_span found;

    if (!rest->n)
        return OH_E_ABSENT;
    end = p + rest->n;
    /* Each turn takes one element; empty ones are passed over, as the grammar's 1#rule allows. */
    while (p < end) {
        start = oh__skip_lws(p, end);
        p = element_skip(start, end, limit);
        if (!p)
            return OH_E_SYNTAX;
        found = oh_span_trim(oh_span(start, (size_t)(p - start)));
        p += p < end;
        if (found.n) {
            *rest = oh_span(p, (size_t)(end - p));
            *value = found;
            return OH_OK;
        }
    }
    *rest = oh_span(end, 0);
    return OH_E_ABSENT;
}

int oh_comma_next(struct oh_span *rest, struct oh_span *value)
{
    return comma_next(rest, rest->n ? rest->p + rest->n : NULL, value);
}

/* The row that a walk is in and what is left of it; NULL at the end. */
static const struct oh_row *list_row(const struct oh_msg *m, enum oh_header_id id,
                                     struct oh_list *it, struct oh_span *rest)
{
    const struct oh_row *row;

    if (!it->begun)
        *it = (struct oh_list){m->first[id], 0, true};
    if (!it->row)
        return NULL;
    row = &m->rows[it->row - 1];
    *rest = oh_span_from(oh_row_value(m, row), it->at);
    return row;
}

int oh_list_next(const struct oh_msg *m, enum oh_header_id id, struct oh_list *it,
                 struct oh_span *value)
{
    const struct oh_row *row;
    struct oh_span rest;
    int rc;

    while ((row = list_row(m, id, it, &rest))) {
        rc = comma_next(&rest, m->raw.p + m->raw.n, value);
        /* A syntax error leaves the place as it is, so asking again gives the same answer. */
        if (rc != OH_E_ABSENT) {
            it->at = row->value_len - (uint32_t)rest.n;
            return rc;
        }
        it->row = row->next;
        it->at = 0;
    }
    return OH_E_ABSENT;
}

/* oh_msg_address_next where the value has been found, and may be odd or wrong. */
static int address_of(const struct oh_msg *m, struct oh_span value, struct oh_msg_address *out,
                      struct oh_fault *fault)
{
    const char *limit = m->raw.p + m->raw.n, *why;
    struct oh_msg_address a;
    size_t at;
    int rc = oh__address_decode_tag(value, limit, &a.address, &a.tag, fault);

    if (rc != OH_OK)
        return rc;
    if (a.address.star) {
        oh__clear(&a.uri, sizeof(a.uri));
    } else {
        why = oh__uri_decode(a.address.uri, limit, &a.uri, &at);
        if (why)
            return oh__fail(fault, OH_E_SYNTAX, (size_t)(a.address.uri.p - value.p) + at, why);
    }
    a.value = value;
    *out = a;
    return OH_OK;
}

int oh_msg_address_next(const struct oh_msg *m, enum oh_header_id id, struct oh_list *it,
                        struct oh_msg_address *out, struct oh_fault *fault)
{
    const struct oh_row *row;
    const char *p, *end, *comma;
    struct oh_span rest, value;
    int rc;

    /* An address with nothing odd about it ends at its comma; no other is looked for first. */
    while ((row = list_row(m, id, it, &rest)) && !rest.n)
        *it = (struct oh_list){row->next, 0, true};
    if (!row)
        return OH_E_ABSENT;
    end = rest.p + rest.n;
    p = oh__skip_lws(rest.p, end);
    comma = oh__address_read(p, end, m->raw.p + m->raw.n, &out->address, &out->uri, &out->tag);
    if (comma) {
        value.p = out->address.params.p + out->address.params.n;
        out->value = oh_span(p, (size_t)(value.p - p));
        it->at += (uint32_t)(comma - rest.p) + (comma < end);
        return OH_OK;
    }
    rc = oh_list_next(m, id, it, &value);
    if (rc == OH_OK)
        return address_of(m, value, out, fault);
    return rc == OH_E_ABSENT ? rc : oh__fail(fault, rc, 0, "values that cannot be told apart");
}

bool oh_msg_has_token(const struct oh_msg *m, enum oh_header_id id, struct oh_span token)
{
    struct oh_list it = {0};
    struct oh_span value, name;

    /* What is no token is passed over: one odd element must not hide the others. */
    while (oh_list_next(m, id, &it, &value) == OH_OK) {
        if (!oh__lex_token(&value, &name) || name.n != token.n || !oh_span_ieq(name, token))
            continue;
        oh__lex_lws(&value);
        if (!value.n || oh__at(value, ';'))
            return true;
    }
    return false;
}

int oh_msg_number(const struct oh_msg *m, enum oh_header_id id, uint32_t *out)
{
    const struct oh_row *row = oh_msg_row(m, id);
    struct oh_span rest;
    uint64_t v;

    if (!row)
        return OH_E_ABSENT;
    rest = oh_row_value(m, row);
    if (!oh__lex_number(&rest, UINT32_MAX, &v))
        return OH_E_SYNTAX;
    oh__lex_lws(&rest);
    /* Parameters, or the comment that Retry-After may have. */
    if (rest.n && *rest.p != ';' && *rest.p != '(')
        return OH_E_SYNTAX;
    /* As large as it gets, not as its low bits (RFC 3261 20.19). */
    *out = v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;
    return OH_OK;
}
