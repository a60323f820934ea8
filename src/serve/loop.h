/* Loops and spirals (RFC 5393 4). */
#ifndef OH_SERVE_LOOP_H
#define OH_SERVE_LOOP_H

#include "serve/internal.h"

/* The hash of everything that decides where a request goes, never of its method. It travels in our
 * branches. */
uint64_t oh__loop_hash(const struct oh__serve *s, const struct oh__request *rq);

/* True when the request passed here before with the same hash. */
bool oh__loop_found(const struct oh__serve *s, const struct oh_msg *msg, uint64_t hash);

#endif
