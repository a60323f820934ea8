/*
 * What this server itself can do, from one registry: the rows Allow,
 * Supported, Accept, Accept-Encoding and Accept-Language are written out of
 * it, and 405, 415, 420 and 501 are decided by it, so they cannot disagree.
 */
#ifndef OH_SERVE_OWN_H
#define OH_SERVE_OWN_H

#include "serve/internal.h"

/* True for an option tag (RFC 3261 19.2) that this server honours. Compared without case. */
bool oh__own_supports(struct oh_span tag);

/*
 * The row "Unsupported: a, b" with the tags of a header (Require or
 * Proxy-Require) that oh__own_supports does not know, with all of them when
 * `none` is; empty when there are none. Texts live in the arena.
 */
struct oh_span oh__own_unsupported(struct oh__serve *s, const struct oh_msg *msg,
                                   enum oh_header_id id, bool none);

/* Writes the whole row Allow with the methods that this server's own URI serves. */
void oh__own_put_allow(struct oh_buf *out);

/* Writes the whole row Supported. */
void oh__own_put_supported(struct oh_buf *out);

#endif
