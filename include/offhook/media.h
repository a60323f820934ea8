/*
 * Media types: Content-Type (RFC 3261 20.15), the ranges of Accept (20.1) and
 * MIME-Version (20.24).
 */
#ifndef OFFHOOK_MEDIA_H
#define OFFHOOK_MEDIA_H

#include <offhook/msg.h>

struct oh_media {
    struct oh_span type;    /* "application"; "*" in a range */
    struct oh_span subtype; /* "sdp"; "*" in a range */
    struct oh_span params;  /* from the first ";"; may be empty */
};

/*
 * Decodes a media type that fills the span; wildcards are refused. OH_OK, OH_E_SYNTAX,
 * OH_E_DUPLICATE (a parameter twice). fault (may be NULL) is relative to value.p.
 */
int oh_media_decode(struct oh_span value, struct oh_media *out, struct oh_fault *fault);

/* As oh_media_decode for one range of Accept: "*" and a wildcard subtype are allowed, q is checked.
 */
int oh_media_range_decode(struct oh_span value, struct oh_media *out, struct oh_fault *fault);

/* Whether it is type/subtype, without case. */
bool oh_media_is(const struct oh_media *m, struct oh_span type, struct oh_span subtype);

/* A parameter by name (boundary, charset, protocol); as oh_param_find. */
bool oh_media_param(const struct oh_media *m, struct oh_span name, struct oh_span *value);

/* The range's q in thousandths, 1000 when absent. OH_OK or OH_E_SYNTAX. */
int oh_media_q(const struct oh_media *m, uint16_t *q);

/*
 * How much the Accept rows of a message want a type: q of the most specific range that covers it, 0
 * when none does, which is every type when Accept is empty. Values out of form are skipped.
 * OH_OK, or OH_E_ABSENT without any Accept (then the method's default holds).
 */
int oh_accept_q(const struct oh_msg *m, struct oh_span type, struct oh_span subtype, uint16_t *q);

/* Writes type, subtype and parameters. */
void oh_media_put(struct oh_buf *out, const struct oh_media *m);

/* Decodes "1.0". OH_OK or OH_E_SYNTAX; a part above 65,535 is OH_E_RANGE. */
int oh_mime_version_decode(struct oh_span value, uint16_t *major, uint16_t *minor);

/* Writes a version as two numbers with a dot between them. */
void oh_mime_version_put(struct oh_buf *out, uint16_t major, uint16_t minor);

#endif
