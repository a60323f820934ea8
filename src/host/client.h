/* The other end of the control socket: one request, one reply. */
#ifndef OH_HOST_CLIENT_H
#define OH_HOST_CLIENT_H

#include <jansson.h>

#include <offhook/error.h>

#define OH__CLIENT_WHY 640

/*
 * Sends a request to the server that uses a state directory and waits for its reply, at most
 * timeout_ms. OH_OK with a new reference in reply (which may say that the command failed);
 * OH_E_ABSENT when no server runs there; OH_E_DENIED, OH_E_TIMEOUT, OH_E_IO (it went away),
 * OH_E_SYNTAX (what came is no reply), OH_E_LIMIT (path too long), OH_E_NOMEM; why gets a sentence.
 */
int oh__client_call(const char *state, const json_t *request, int timeout_ms, json_t **reply,
                    char why[OH__CLIENT_WHY]);

#endif
