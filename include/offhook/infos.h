/* Alert-Info, Call-Info and Error-Info (RFC 3261 20.4, 20.9, 20.18): <URI> with parameters. */
#ifndef OFFHOOK_INFOS_H
#define OFFHOOK_INFOS_H

#include <offhook/params.h>

struct oh_info {
    struct oh_span uri;    /* absolute URI without <>, delimited but not parsed */
    struct oh_span params; /* from the first ";"; Call-Info's purpose is one of them */
};

/*
 * Decodes one value. OH_OK, OH_E_SYNTAX, OH_E_DUPLICATE (a parameter twice). fault (may be NULL) is
 * relative to value.p.
 */
int oh_info_decode(struct oh_span value, struct oh_info *out, struct oh_fault *fault);

/* Writes <uri> and the parameters. */
void oh_info_put(struct oh_buf *out, const struct oh_info *i);

#endif
