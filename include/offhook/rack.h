/* RAck (RFC 3262 7.2): which reliable provisional response a PRACK acknowledges. */
#ifndef OFFHOOK_RACK_H
#define OFFHOOK_RACK_H

#include <offhook/buf.h>
#include <offhook/error.h>
#include <offhook/method.h>

struct oh_rack {
    uint32_t rseq;              /* RSeq of the response */
    uint32_t cseq;              /* CSeq number of the response */
    uint8_t method;             /* enum oh_method of the response's CSeq */
    struct oh_span method_text; /* the method as received */
};

/* Decodes RAck. OH_OK, OH_E_SYNTAX; OH_E_RANGE for a number above 2^32-1. fault may be NULL. */
int oh_rack_decode(struct oh_span value, struct oh_rack *out, struct oh_fault *fault);

/* Writes both numbers and the method: its text, or the name of `method` when that is empty. */
void oh_rack_put(struct oh_buf *out, const struct oh_rack *r);

#endif
