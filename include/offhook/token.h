/*
 * One token with parameters, which is what most small headers are: Priority,
 * Info-Package, SIP-ETag, SIP-If-Match, Refer-Sub, and each value of Supported,
 * Require, Allow, Accept-Encoding (RFC 3261 20.2), Accept-Language (20.3),
 * Content-Encoding, Recv-Info, Resource-Priority (RFC 4412 3.1).
 */
#ifndef OFFHOOK_TOKEN_H
#define OFFHOOK_TOKEN_H

#include <offhook/params.h>

struct oh_token {
    struct oh_span token;
    struct oh_span params; /* from the first ";"; may be empty */
};

/*
 * Decodes one value that fills the span. OH_OK, OH_E_SYNTAX, OH_E_DUPLICATE (a parameter twice).
 * fault (may be NULL) is relative to value.p.
 */
int oh_token_decode(struct oh_span value, struct oh_token *out, struct oh_fault *fault);

/* The parameter q in thousandths, 1000 when absent. OH_OK or OH_E_SYNTAX. */
int oh_token_q(const struct oh_token *t, uint16_t *q);

/* Writes the token and its parameters. */
void oh_token_put(struct oh_buf *out, const struct oh_token *t);

/* Refer-Sub (RFC 4488 4): "true" or "false", perhaps with parameters. OH_OK or OH_E_SYNTAX. */
int oh_refer_sub_decode(struct oh_span value, bool *out, struct oh_fault *fault);

/* Writes "true" or "false". */
void oh_refer_sub_put(struct oh_buf *out, bool subscribe);

#endif
