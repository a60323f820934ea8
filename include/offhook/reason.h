/* Reason (RFC 3326 2): why a request was sent or a call ended. */
#ifndef OFFHOOK_REASON_H
#define OFFHOOK_REASON_H

#include <offhook/params.h>

struct oh_reason {
    struct oh_span protocol; /* "SIP", "Q.850" */
    struct oh_span params;   /* all of them, from the first ";" */
    bool has_cause;
    uint16_t cause;      /* SIP status or Q.850 cause */
    struct oh_span text; /* inside of the quotes, escapes as received; p == NULL when absent */
};

/*
 * Decodes one value. OH_OK, OH_E_SYNTAX, OH_E_DUPLICATE; OH_E_RANGE for a cause above 65,535. fault
 * (may be NULL) is relative to value.p.
 */
int oh_reason_decode(struct oh_span value, struct oh_reason *out, struct oh_fault *fault);

/* Writes the protocol, then the parameters when there are any, else cause and text. */
void oh_reason_put(struct oh_buf *out, const struct oh_reason *r);

#endif
