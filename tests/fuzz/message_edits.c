/*
 * Edit lists against a model. The model knows for each row whether it was left
 * alone, dropped, given another value or has lost values at its front, and how
 * many rows were put before it. Afterwards the result is parsed, and must be
 * exactly what the model says.
 */
#include "message_parts.h"

#include <offhook/edit.h>

#define OUT_MAX  65536
#define STEPS    12
#define NEW_ROW  "X-Fuzz: a, b\r\n"
#define NEW_TEXT "<sip:new@example.test>"

enum fate { KEPT, DROPPED, CHANGED, POPPED };

struct model {
    uint8_t fate[OH_MSG_HEADERS_MAX];
    uint8_t before[OH_MSG_HEADERS_MAX + 1]; /* rows put before a row; the last: before the body */
    unsigned popped;                        /* values taken off */
    uint16_t popped_id;                     /* of this header; 0 = none yet */
};

/* What framing rests on stays as it is. */
static bool is_framing(const struct oh_row *r)
{
    return r->id == OH_HEADER_CONTENT_LENGTH;
}

static void pop(struct model *model, struct oh_edits *e, const struct oh_msg *m,
                const struct oh_row *row)
{
    if (is_framing(row) || row->id == OH_HEADER_OTHER ||
        (model->popped_id && model->popped_id != row->id))
        return;
    for (unsigned i = 0; i < m->rows_n; i++)
        if (m->rows[i].id == row->id && model->fate[i] != KEPT && model->fate[i] != POPPED)
            return;
    for (unsigned i = 0; i < m->rows_n; i++)
        if (m->rows[i].id == row->id)
            model->fate[i] = POPPED;
    model->popped_id = row->id;
    model->popped++;
    oh_edits_pop_value(e, m, (enum oh_header_id)row->id);
}

static void step(struct model *model, struct oh_edits *lists[2], const struct oh_msg *m,
                 struct fuzz_bytes *script)
{
    uint8_t what = fuzz_byte(script);
    unsigned i = m->rows_n ? fuzz_byte(script) % m->rows_n : 0;
    struct oh_edits *e = lists[what & 1];

    if (m->rows_n == 0 || what % 5 == 4) {
        oh_edits_insert_rows(e, m, NULL, OH_LIT(NEW_ROW));
        model->before[m->rows_n]++;
        return;
    }
    switch (what % 5) {
    case 0:
        oh_edits_insert_rows(e, m, &m->rows[i], OH_LIT(NEW_ROW));
        model->before[i]++;
        break;
    case 1:
        if (model->fate[i] != KEPT || is_framing(&m->rows[i]))
            break;
        oh_edits_drop_row(e, m, &m->rows[i]);
        model->fate[i] = DROPPED;
        break;
    case 2:
        if (model->fate[i] != KEPT || is_framing(&m->rows[i]))
            break;
        oh_edits_set_value(e, m, &m->rows[i], OH_LIT(NEW_TEXT));
        model->fate[i] = CHANGED;
        break;
    default: pop(model, lists[0], m, &m->rows[i]); break; /* one list knows what is taken out */
    }
}

/* The rows that the model knows exactly stand in the result, in this order. */
static void compare_rows(const struct model *model, const struct oh_msg *m,
                         const struct oh_msg *now)
{
    unsigned at = 0;

    for (unsigned i = 0; i <= m->rows_n; i++) {
        for (unsigned k = 0; k < model->before[i]; k++, at++) {
            MUST(at < now->rows_n);
            MUST(oh_span_eq(oh_row_name(now, &now->rows[at]), OH_LIT("X-Fuzz")));
            MUST(oh_span_eq(oh_row_value(now, &now->rows[at]), OH_LIT("a, b")));
        }
        if (i == m->rows_n || model->fate[i] == DROPPED)
            continue;
        /* Rows that were popped may be gone or shorter: the values are compared, below. */
        if (model->fate[i] == POPPED) {
            at += at < now->rows_n && now->rows[at].id == m->rows[i].id;
            continue;
        }
        MUST(at < now->rows_n);
        MUST(oh_span_eq(oh_row_name(now, &now->rows[at]), oh_row_name(m, &m->rows[i])));
        MUST(oh_span_eq(oh_row_value(now, &now->rows[at]), model->fate[i] == CHANGED
                                                               ? OH_LIT(NEW_TEXT)
                                                               : oh_row_value(m, &m->rows[i])));
        at++;
    }
}

/* The values of the header that was popped are those of before without the first ones. */
static void compare_values(const struct model *model, const struct oh_msg *m,
                           const struct oh_msg *now)
{
    enum oh_header_id id = (enum oh_header_id)model->popped_id;
    struct oh_list old = {0}, new = {0};
    struct oh_span a, b;
    int rc = OH_OK;

    for (unsigned i = 0; i < model->popped && rc == OH_OK; i++)
        rc = oh_list_next(m, id, &old, &a);
    while (rc == OH_OK) {
        rc = oh_list_next(m, id, &old, &a);
        MUST(oh_list_next(now, id, &new, &b) == rc);
        MUST(rc != OH_OK || oh_span_eq(a, b));
    }
}

void message_edits(const struct oh_msg *m, struct fuzz_bytes *script)
{
    static char text[OUT_MAX];
    static struct oh_msg now;
    struct oh_edits base, branch, *lists[2] = {&base, &branch};
    struct model model = {0};
    struct oh_fault fault = {0};
    unsigned added = 0;
    struct oh_buf out;
    size_t used;
    int rc;

    oh_edits_init(&base);
    oh_edits_init(&branch);
    for (unsigned i = 0; i < STEPS; i++)
        step(&model, lists, m, script);
    for (unsigned i = 0; i <= m->rows_n; i++)
        added += model.before[i];
    oh_buf_init(&out, text, sizeof text);
    rc = oh_edits_apply(m->raw, &base, &branch, &out);
    /* A list that cannot be told apart fails by itself; nothing else here may. */
    if (base.failed || branch.failed) {
        MUST(rc == OH_E_STATE && (model.popped || base.n == OH_EDITS_MAX));
        return;
    }
    MUST(rc == OH_OK);
    if (m->rows_n + added > OH_MSG_HEADERS_MAX)
        return;
    rc = oh_msg_parse(oh_buf_view(&out), OH_MSG_DATAGRAM, NULL, &now, &used, &fault);
    if (rc != OH_OK)
        fuzz_fail("after edits: %s at %u of %.*s", fault.why, fault.at, (int)out.n, out.p);
    MUST(used == out.n && oh_span_eq(now.body, m->body));
    compare_rows(&model, m, &now);
    if (model.popped)
        compare_values(&model, m, &now);
}
