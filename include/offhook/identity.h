/* Identity (RFC 8224 4): a signature over who calls whom, and where its certificate is. */
#ifndef OFFHOOK_IDENTITY_H
#define OFFHOOK_IDENTITY_H

#include <offhook/params.h>

struct oh_identity {
    struct oh_span digest; /* signed-identity-digest: PASSporT, full or compact ("..sig") */
    struct oh_span info;   /* URI of the certificate, without <> */
    struct oh_span alg;    /* inside of quotes when quoted; p == NULL when absent (ES256) */
    struct oh_span ppt;    /* PASSporT extension, inside of quotes; p == NULL when absent */
};

/*
 * Decodes one value. OH_OK; OH_E_SYNTAX; OH_E_DUPLICATE; OH_E_ABSENT without "info";
 * OH_E_UNSUPPORTED for the quoted digest of RFC 4474, which RFC 8224 replaced. fault (may be NULL)
 * is relative to value.p. Parameters of extensions are checked and ignored.
 */
int oh_identity_decode(struct oh_span value, struct oh_identity *out, struct oh_fault *fault);

/* Writes one value; alg bare if it can be, ppt quoted (RFC 8224 4). */
void oh_identity_put(struct oh_buf *out, const struct oh_identity *i);

#endif
