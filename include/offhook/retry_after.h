/* Retry-After (RFC 3261 20.33): when to come back, a remark, and for how long that holds. */
#ifndef OFFHOOK_RETRY_AFTER_H
#define OFFHOOK_RETRY_AFTER_H

#include <offhook/params.h>

struct oh_retry_after {
    uint32_t seconds;       /* more than 32 bits give 2^32-1 */
    struct oh_span comment; /* inside of the outer parentheses as received; p == NULL when absent */
    struct oh_span params;  /* from the first ";"; may be empty */
    bool has_duration;
    uint32_t duration; /* seconds for which the callee will be there */
};

/* Decodes Retry-After. OH_OK, OH_E_SYNTAX, OH_E_DUPLICATE. fault may be NULL. */
int oh_retry_after_decode(struct oh_span value, struct oh_retry_after *out, struct oh_fault *fault);

/*
 * Writes seconds, the comment (a parenthesis that would end it early is escaped), then the
 * parameters when there are any, else the duration.
 */
void oh_retry_after_put(struct oh_buf *out, const struct oh_retry_after *r);

#endif
