/*
 * Challenges, for those who have to ask again after oh__auth_run: the
 * registrar, when a response that was used before turns out to be no
 * retransmission.
 */
#ifndef OH_SERVE_AUTH_H
#define OH_SERVE_AUTH_H

#include "serve/internal.h"

/*
 * Answers 401 (registrar, own) or 407 (proxy) with one challenge per algorithm
 * of the domain, in its order; stale tells the client that its password was
 * right and only the nonce was not. Recorded only when why is not NULL.
 */
void oh__auth_challenge(struct oh__serve *s, const struct oh__request *rq, bool stale,
                        const char *why, const char *fix);

#endif
