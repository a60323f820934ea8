/*
 * Walks any row of a message by the form that the header table gives it, and
 * hands every part of its values to a visitor: what `offhook decode` prints
 * and what the fuzzers run through. A header with a decoder of its own is
 * checked by that decoder first, so a fault is the one that a server sees.
 */
#ifndef OFFHOOK_DECODE_H
#define OFFHOOK_DECODE_H

#include <offhook/msg.h>

struct oh_field {
    struct oh_span name; /* "uri", "display", "number" ..., or a parameter's name as received */
    struct oh_span text; /* as received; quoted strings without quotes; p == NULL for a flag */
    unsigned value;      /* which value of a list it belongs to, from 0 */
    bool param;          /* a parameter of that value */
};

struct oh_visitor {
    void *ctx;
    /* Called for each part in the order of the text. */
    void (*field)(void *ctx, const struct oh_field *field);
};

/*
 * Decodes one row. OH_OK, or the fault's code; parts before the fault have been visited. fault (may
 * be NULL) gets the header's id and an offset relative to m->raw.p. Headers that are not in the
 * table are free text.
 */
int oh_decode_row(const struct oh_msg *m, const struct oh_row *row,
                  const struct oh_visitor *visitor, struct oh_fault *fault);

/* As oh_decode_row for a value outside of a message; the fault's offset is relative to value.p. */
int oh_decode_value(enum oh_header_id id, struct oh_span value, const struct oh_visitor *visitor,
                    struct oh_fault *fault);

#endif
