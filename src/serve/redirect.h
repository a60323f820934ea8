/* The redirect server (RFC 3261 8.3), for domains whose mode says so. */
#ifndef OH_SERVE_REDIRECT_H
#define OH_SERVE_REDIRECT_H

#include "serve/internal.h"
#include "serve/targets.h"

/* Answers with 302, or 300 when there are several, and all targets as Contacts in order of q. */
void oh__redirect_run(struct oh__serve *s, struct oh__request *rq, const struct oh__targets *set);

/* Answers in a server transaction, which repeats an INVITE's final until its ACK; statelessly when
 * there is no room for one. */
void oh__redirect_reply(struct oh__serve *s, const struct oh__request *rq,
                        const struct oh__refusal *refusal);

#endif
