/* The lexical units of SDP (RFC 8866 9), shared by parser and helpers. */
#ifndef OH_SDP_LEX_H
#define OH_SDP_LEX_H

#include <offhook/error.h>
#include <offhook/span.h>

/* Whether the byte may stand in a token. */
bool oh__sdp_token_char(char c);

/* Whether the span is a token, that is not empty. */
bool oh__sdp_is_token(struct oh_span s);

/*
 * Takes what stands before the first `end` off *rest, and the byte itself; without one, all of it.
 * False when there is nothing before it.
 */
bool oh__sdp_field(struct oh_span *rest, char end, struct oh_span *out);

/* As oh__sdp_field with a blank, for a token. */
bool oh__sdp_token(struct oh_span *rest, struct oh_span *out);

#endif
