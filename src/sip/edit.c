/*
 * Edits are offsets into the original, never into a result, so they can be made
 * in any order, by people who do not know of each other, and a proxy that forks
 * keeps one list for all branches and a short one for each. Disjointness is
 * checked when an edit is added and again when two lists meet: two rules that
 * want to change the same bytes are a mistake that must not be guessed away.
 */
#include <offhook/edit.h>

#include "sip/lex.h"

/* Offset behind an edit's cut, wide enough for any sum. */
static uint64_t cut_end(const struct oh_edit *e)
{
    return (uint64_t)e->at + e->cut;
}

/*
 * True when two edits want the same bytes. An insertion at the beginning or the
 * end of a cut is beside it, one inside it is not.
 */
static bool overlap(const struct oh_edit *a, const struct oh_edit *b)
{
    if (a->at == b->at)
        return a->cut && b->cut;
    return a->at < b->at ? cut_end(a) > b->at : cut_end(b) > a->at;
}

void oh_edits_add(struct oh_edits *e, uint32_t at, uint32_t cut, struct oh_span insert)
{
    struct oh_edit edit = {at, cut, insert};
    unsigned i, place;

    if (e->failed || e->n == OH_EDITS_MAX) {
        e->failed = true;
        return;
    }
    for (place = e->n; place > 0 && e->v[place - 1].at > at; place--) {
    }
    for (i = 0; i < e->n; i++)
        if (overlap(&e->v[i], &edit)) {
            e->failed = true;
            return;
        }
    memmove(&e->v[place + 1], &e->v[place], (e->n - place) * sizeof(edit));
    e->v[place] = edit;
    e->n++;
}

/* True for a row of this message; a row of another one would cut whatever lies at its offset. */
static bool belongs(const struct oh_msg *m, const struct oh_row *row)
{
    uintptr_t first = (uintptr_t)m->rows, at = (uintptr_t)row;

    return at >= first && at < first + m->rows_n * sizeof(*row);
}

void oh_edits_drop_row(struct oh_edits *e, const struct oh_msg *m, const struct oh_row *row)
{
    if (belongs(m, row))
        oh_edits_add(e, row->name, row->end - row->name, oh_span(NULL, 0));
    else
        e->failed = true;
}

void oh_edits_set_value(struct oh_edits *e, const struct oh_msg *m, const struct oh_row *row,
                        struct oh_span value)
{
    if (belongs(m, row))
        oh_edits_add(e, row->value, row->value_len, value);
    else
        e->failed = true;
}

void oh_edits_insert_rows(struct oh_edits *e, const struct oh_msg *m, const struct oh_row *before,
                          struct oh_span rows)
{
    /* The empty line is the two bytes before the body. */
    oh_edits_add(e, before ? before->name : m->body_at >= 2 ? m->body_at - 2 : 0, 0, rows);
}

/* The edit that cuts values off the front of this row, or the whole row; NULL when there is none.
 */
static struct oh_edit *row_cut(struct oh_edits *e, const struct oh_row *row)
{
    unsigned i;

    for (i = 0; i < e->n; i++)
        if (e->v[i].cut && e->v[i].insert.n == 0 &&
            (e->v[i].at == row->name || e->v[i].at == row->value))
            return &e->v[i];
    return NULL;
}

/*
 * Takes one value off the front of what is left of a row. OH_OK, OH_E_ABSENT
 * when nothing is left in it, OH_E_SYNTAX.
 */
static int pop_from(struct oh_edits *e, const struct oh_msg *m, const struct oh_row *row)
{
    struct oh_edit *cut = row_cut(e, row);
    struct oh_span rest = oh_row_value(m, row), value;
    uint32_t next;
    int rc;

    if (cut)
        rest = oh_span_from(rest, (size_t)(cut_end(cut) - row->value));
    rc = oh_comma_next(&rest, &value);
    if (rc != OH_OK)
        return rc;
    do {
        oh__lex_lws(&rest);
    } while (oh__lex_char(&rest, ','));
    next = (uint32_t)(rest.p - m->raw.p);
    if (!cut && rest.n) {
        oh_edits_add(e, row->value, next - row->value, oh_span(NULL, 0));
    } else if (!cut) {
        oh_edits_drop_row(e, m, row);
    } else if (rest.n) {
        cut->cut = next - cut->at;
    } else {
        /* The name goes too. Nothing can lie between it and the value, so the order holds. */
        cut->at = row->name;
        cut->cut = row->end - row->name;
    }
    return OH_OK;
}

void oh_edits_pop_value(struct oh_edits *e, const struct oh_msg *m, enum oh_header_id id)
{
    const struct oh_row *row = oh_msg_row(m, id);
    int rc = OH_E_ABSENT;

    for (; row && rc == OH_E_ABSENT; row = oh_msg_row_next(m, row))
        rc = pop_from(e, m, row);
    if (rc == OH_E_SYNTAX)
        e->failed = true;
}

/* The next edit of two sorted lists; at one place those of the first come first. NULL at the end.
 */
static const struct oh_edit *merge_next(const struct oh_edits *const lists[2], unsigned at[2])
{
    const struct oh_edit *a = lists[0] && at[0] < lists[0]->n ? &lists[0]->v[at[0]] : NULL;
    const struct oh_edit *b = lists[1] && at[1] < lists[1]->n ? &lists[1]->v[at[1]] : NULL;

    if (a && (!b || a->at <= b->at)) {
        at[0]++;
        return a;
    }
    if (b)
        at[1]++;
    return b;
}

int oh_edits_apply(struct oh_span original, const struct oh_edits *base,
                   const struct oh_edits *branch, struct oh_buf *out)
{
    const struct oh_edits *const lists[2] = {base, branch};
    const struct oh_edit *e, *last_cut = NULL;
    unsigned at[2] = {0, 0};
    size_t begin = out->n, copied = 0;

    if ((base && base->failed) || (branch && branch->failed))
        return OH_E_STATE;
    while ((e = merge_next(lists, at)) != NULL) {
        if (cut_end(e) > original.n || (last_cut && overlap(last_cut, e))) {
            out->n = begin;
            return OH_E_STATE;
        }
        /* Beside a cut at the same place there is nothing to copy: it is gone already. */
        if (e->at > copied) {
            oh_buf_put(out, original.p + copied, e->at - copied);
            copied = e->at;
        }
        oh_buf_span(out, e->insert);
        if (e->cut) {
            copied = (size_t)cut_end(e);
            last_cut = e;
        }
    }
    if (copied < original.n)
        oh_buf_put(out, original.p + copied, original.n - copied);
    return oh_buf_error(out);
}
