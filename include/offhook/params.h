/*
 * ";name=value" lists. Nothing is copied or sorted: a look-up walks the text.
 */
#ifndef OFFHOOK_PARAMS_H
#define OFFHOOK_PARAMS_H

#include <offhook/buf.h>
#include <offhook/error.h>

struct oh_param {
    struct oh_span name;
    struct oh_span value; /* without quotes when quoted, escapes untouched; p == NULL for a flag */
    bool quoted;
};

/*
 * Takes the next ";name[=value]" off *rest (blanks around ';' and '=' allowed).
 * OH_OK, OH_E_ABSENT at the end, OH_E_SYNTAX.
 */
int oh_param_next(struct oh_span *rest, struct oh_param *out);

/*
 * Finds a parameter by name (without case) in ";a=b;c". Returns whether it is there; value may be
 * NULL.
 */
bool oh_param_find(struct oh_span params, struct oh_span name, struct oh_span *value);

/*
 * Checks the whole list: syntax and no name twice (RFC 3261 7.3.1). OH_OK, OH_E_SYNTAX,
 * OH_E_DUPLICATE, or OH_E_LIMIT for more than 64 parameters.
 */
int oh_params_check(struct oh_span params);

/* Writes the inside of a quoted-string with "\x" decoded once. */
void oh_unquote(struct oh_span inside, struct oh_buf *out);

#endif
