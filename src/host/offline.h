/*
 * Work on a state directory that no server uses: it is locked meanwhile, so
 * none can start, and what is written is what the next start reads.
 */
#ifndef OH_HOST_OFFLINE_H
#define OH_HOST_OFFLINE_H

#include <jansson.h>

#include <offhook/error.h>

#include "serve/settings.h"

#define OH__OFFLINE_WHY 512

/*
 * Answers a "user-..." or "backup" request as a server would, and a "restore" by putting the backup
 * in place of the whole state ("state" and "before" in the reply). OH_OK with a reply, which may be
 * an error; OH_E_ABSENT when there is no state (and the request needs one), OH_E_BUSY when a server
 * has it after all, or the store's code, with a sentence in why.
 */
int oh__offline_run(const char *state, const json_t *request, json_t **reply,
                    char why[OH__OFFLINE_WHY]);

/* The realm that accounts of this state have when they were made without a domain. OH_OK,
 * OH_E_ABSENT, or the store's code. */
int oh__offline_realm(const char *state, char realm[OH__NAME_MAX]);

/* True while a process, a server as a rule, has the state directory locked. */
bool oh__offline_busy(const char *state);

#endif
