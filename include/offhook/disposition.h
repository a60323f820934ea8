/* Content-Disposition (RFC 3261 20.11, RFC 5621 8). */
#ifndef OFFHOOK_DISPOSITION_H
#define OFFHOOK_DISPOSITION_H

#include <offhook/media.h>
#include <offhook/token.h>

struct oh_disposition {
    struct oh_span type;   /* "session", "render" ... */
    struct oh_span params; /* from the first ";"; may be empty */
    bool required;         /* handling is "required", absent or unknown; false for "optional" */
};

/* Decodes Content-Disposition. OH_OK, OH_E_SYNTAX, OH_E_DUPLICATE. */
int oh_disposition_decode(struct oh_span value, struct oh_disposition *out, struct oh_fault *fault);

/*
 * What a body without Content-Disposition has: "session" for application/sdp, else "render",
 * handling required.
 */
void oh_disposition_default(const struct oh_media *body, struct oh_disposition *out);

/*
 * Writes the type and the parameters, or, when there are none, handling=optional for a body that is
 * not required.
 */
void oh_disposition_put(struct oh_buf *out, const struct oh_disposition *d);

#endif
