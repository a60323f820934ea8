/*
 * STATE/control.sock (0600): every command that touches a running server goes
 * through it. One JSON object per line each way. A request is
 * {"command": "phones", ...}; a reply {"ok": true, "schema_version": 1, ...}
 * or {"ok": false, "error": "one sentence", "exit": 9}. The control thread
 * answers; a client that sends nothing or reads nothing is closed after a while.
 */
#ifndef OH_HOST_CONTROL_H
#define OH_HOST_CONTROL_H

#include <offhook/error.h>

#define OH__CONTROL_SCHEMA 1
#define OH__CONTROL_WHY    256

struct oh__host;
struct oh__control;

/* Makes the socket in the state directory. OH_OK, or OH_E_IO with a sentence. */
int oh__control_open(struct oh__host *host, struct oh__control **out, char why[OH__CONTROL_WHY]);

/* A descriptor that is readable when oh__control_run has something to do. */
int oh__control_fd(const struct oh__control *control);

/* Accepts, reads, answers; never waits for a client. */
void oh__control_run(struct oh__control *control);

/* Closes all clients and removes the socket. NULL is ignored. */
void oh__control_close(struct oh__control *control);

#endif
