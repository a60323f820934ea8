/*
 * Walking values: rows of one header, commas in a row, tokens in a list. "A: x" and
 * "A: y" in two rows mean the same as "A: x, y" (RFC 3261 7.3.1), so whoever asks
 * for values never sees rows. The walk keeps offsets, no pointers, and can be copied
 * to come back to a place.
 */
#include <offhook/msg.h>

#include "sip/lex.h"

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

/* Moves over a quoted-string or <URI>, inside which a comma is no separator. */
static bool skip_protected(struct oh_span *rest)
{
    const char *close;
    struct oh_span inside;

    if (*rest->p == '"')
        return oh__lex_quoted(rest, &inside);
    close = memchr(rest->p, '>', rest->n);
    if (!close)
        return false;
    oh__skip(rest, (size_t)(close - rest->p) + 1);
    return true;
}

int oh_comma_next(struct oh_span *rest, struct oh_span *value)
{
    struct oh_span s = *rest, found;

    /* Each turn takes one element; empty ones are passed over, as the grammar's 1#rule allows. */
    while (s.n) {
        const char *start;

        oh__lex_lws(&s);
        start = s.p;
        while (s.n && *s.p != ',') {
            if (*s.p != '"' && *s.p != '<')
                oh__skip(&s, 1);
            else if (!skip_protected(&s))
                return OH_E_SYNTAX;
        }
        found = oh_span_trim(oh_span(start, (size_t)(s.p - start)));
        if (s.n)
            oh__skip(&s, 1);
        if (found.n) {
            *rest = s;
            *value = found;
            return OH_OK;
        }
    }
    *rest = s;
    return OH_E_ABSENT;
}

int oh_list_next(const struct oh_msg *m, enum oh_header_id id, struct oh_list *it,
                 struct oh_span *value)
{
    if (!it->begun)
        *it = (struct oh_list){m->first[id], 0, true};
    while (it->row) {
        const struct oh_row *row = &m->rows[it->row - 1];
        struct oh_span rest = oh_span_from(oh_row_value(m, row), it->at);
        int rc = oh_comma_next(&rest, value);

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
