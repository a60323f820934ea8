/* Timestamp (RFC 3261 20.38): the client's clock, and the delay that a server adds to it. */
#ifndef OFFHOOK_TIMESTAMP_H
#define OFFHOOK_TIMESTAMP_H

#include <offhook/buf.h>
#include <offhook/error.h>

struct oh_timestamp {
    struct oh_span text; /* the client's number as received; a reply returns it unchanged */
    uint64_t
        us; /* the same in microseconds, 2^64-1 when larger; only its sender knows since when */
    bool has_delay;
    uint64_t delay_us; /* microseconds between receiving the request and replying */
};

/* Decodes Timestamp. OH_OK or OH_E_SYNTAX. fault may be NULL. */
int oh_timestamp_decode(struct oh_span value, struct oh_timestamp *out, struct oh_fault *fault);

/* Writes `text`, or `us` when text is empty, in seconds; then the delay when there is one. */
void oh_timestamp_put(struct oh_buf *out, const struct oh_timestamp *t);

#endif
