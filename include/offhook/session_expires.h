/* Session-Expires (RFC 4028 4), Min-SE (RFC 4028 5), and other numbers with parameters. */
#ifndef OFFHOOK_SESSION_EXPIRES_H
#define OFFHOOK_SESSION_EXPIRES_H

#include <offhook/params.h>

/* A number of seconds (or an RSeq, a hop count) with parameters behind it. */
struct oh_delta {
    uint32_t value;        /* more than 32 bits give 2^32-1 */
    struct oh_span text;   /* the digits as received */
    struct oh_span params; /* from the first ";"; may be empty */
};

/*
 * Decodes Min-SE, Expires, Min-Expires, RSeq, Max-Forwards and their like. OH_OK, OH_E_SYNTAX,
 * OH_E_DUPLICATE. fault (may be NULL) is relative to value.p.
 */
int oh_delta_decode(struct oh_span value, struct oh_delta *out, struct oh_fault *fault);

/* Writes the number and the parameters. */
void oh_delta_put(struct oh_buf *out, const struct oh_delta *d);

enum oh_refresher { OH_REFRESHER_NONE = 0, OH_REFRESHER_UAC, OH_REFRESHER_UAS };

struct oh_session_expires {
    uint32_t seconds;  /* the session interval */
    uint8_t refresher; /* enum oh_refresher */
};

/* Decodes Session-Expires; a refresher that is neither uac nor uas is OH_E_SYNTAX. */
int oh_session_expires_decode(struct oh_span value, struct oh_session_expires *out,
                              struct oh_fault *fault);

/* Writes the interval and the refresher when there is one. */
void oh_session_expires_put(struct oh_buf *out, const struct oh_session_expires *s);

#endif
