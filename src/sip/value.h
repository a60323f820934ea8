/*
 * What the decoders of small headers share: the parameters behind the head of
 * a value, numbers with their own limits, and writing text that came from
 * somebody else so that it stays one value on one line.
 */
#ifndef OH_SIP_VALUE_H
#define OH_SIP_VALUE_H

#include <offhook/buf.h>
#include <offhook/error.h>

/*
 * Checks that *rest, which is what is left of the value that begins at base,
 * is nothing or a list of parameters without repetition, and gives that list
 * (empty, or beginning with ";"). OH_OK, OH_E_SYNTAX, OH_E_DUPLICATE, OH_E_LIMIT.
 */
int oh__value_params(struct oh_span rest, const char *base, struct oh_span *params,
                     struct oh_fault *fault);

/* Whether the span is one token, so that it can be written without quotes. */
bool oh__is_token(struct oh_span s);

/* A qvalue (RFC 3261 25.1) in thousandths, 0 to 1000. OH_OK or OH_E_SYNTAX. */
int oh__qvalue(struct oh_span s, uint16_t *out);

/* Writes thousandths as a qvalue in its shortest form: "1", "0.5", "0.125", "0"; more than 1000 is
 * 1. */
void oh__put_qvalue(struct oh_buf *out, unsigned q);

/* The parameter q of a list: *q is 1000 when it is absent. OH_OK or OH_E_SYNTAX. */
int oh__params_q(struct oh_span params, uint16_t *q);

/* delta-seconds that fill the span; more than 32 bits give 2^32-1. OH_OK or OH_E_SYNTAX. */
int oh__seconds(struct oh_span s, uint32_t *out);

/* Writes text without CR, LF and NUL: a fold becomes the blank it stands for. */
void oh__put_line(struct oh_buf *out, struct oh_span s);

/*
 * Writes a quoted-string out of its inside with escapes as received. A quote, a
 * last backslash or a line end that nobody escaped is made harmless.
 */
void oh__put_inside(struct oh_buf *out, struct oh_span inside);

/* Writes a parameter list; puts the ";" before it when the list lacks it. */
void oh__put_params(struct oh_buf *out, struct oh_span params);

#endif
