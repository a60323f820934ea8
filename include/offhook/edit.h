/*
 * A forwarded message is its original bytes plus an edit list: sorted,
 * disjoint cuts and insertions, applied in one copy into a flat buffer. What
 * is not edited is not touched, so no header of the sender's is ever
 * reformatted or lost.
 */
#ifndef OFFHOOK_EDIT_H
#define OFFHOOK_EDIT_H

#include <offhook/buf.h>
#include <offhook/msg.h>

#define OH_EDITS_MAX 48

struct oh_edit {
    uint32_t at;           /* offset in the original */
    uint32_t cut;          /* bytes taken out there */
    struct oh_span insert; /* bytes put in their place; must live until applied */
};

struct oh_edits {
    uint16_t n;
    bool failed; /* sticky: too many, or overlapping */
    struct oh_edit v[OH_EDITS_MAX];
};

/* Starts an empty list. */
static inline void oh_edits_init(struct oh_edits *e)
{
    e->n = 0;
    e->failed = false;
}

/*
 * Adds an edit, kept sorted by offset; two insertions at one place keep the order in which they
 * were added. Overlapping cuts or a full list set `failed`.
 */
void oh_edits_add(struct oh_edits *e, uint32_t at, uint32_t cut, struct oh_span insert);

/*
 * Takes a whole header row out, CRLF and folded lines included. A row of another message sets
 * `failed`.
 */
void oh_edits_drop_row(struct oh_edits *e, const struct oh_msg *m, const struct oh_row *row);

/* Replaces a row's value. A row of another message sets `failed`. */
void oh_edits_set_value(struct oh_edits *e, const struct oh_msg *m, const struct oh_row *row,
                        struct oh_span value);

/*
 * Takes the first value of a list header out that this list has not taken out yet: the row, or up
 * to and with the comma (RFC 3261 16.4, 16.7-3). Nothing happens when there is none; a list that
 * cannot be told apart (unbalanced quotes) sets `failed`.
 */
void oh_edits_pop_value(struct oh_edits *e, const struct oh_msg *m, enum oh_header_id id);

/*
 * Inserts complete rows ("Name: value\r\n"...) before the row, or before the empty line when row is
 * NULL.
 */
void oh_edits_insert_rows(struct oh_edits *e, const struct oh_msg *m, const struct oh_row *before,
                          struct oh_span rows);

/*
 * Writes the original with base edits and branch edits (either may be NULL) merged. OH_OK,
 * OH_E_LIMIT when out is too small, OH_E_STATE when a list has failed or the two overlap.
 */
int oh_edits_apply(struct oh_span original, const struct oh_edits *base,
                   const struct oh_edits *branch, struct oh_buf *out);

#endif
