/* Warning (RFC 3261 20.43): code, who says it, and text for people. */
#ifndef OFFHOOK_WARNING_H
#define OFFHOOK_WARNING_H

#include <offhook/buf.h>
#include <offhook/error.h>

struct oh_warning {
    uint16_t code;        /* 100 to 999; SIP uses 300 to 399 */
    struct oh_span agent; /* host, host:port or a pseudonym */
    struct oh_span text;  /* inside of the quotes, escapes as received */
};

/* Decodes one value. OH_OK or OH_E_SYNTAX. fault may be NULL. */
int oh_warning_decode(struct oh_span value, struct oh_warning *out, struct oh_fault *fault);

/* Writes code, agent and quoted text. */
void oh_warning_put(struct oh_buf *out, const struct oh_warning *w);

#endif
