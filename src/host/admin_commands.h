/*
 * The requests about accounts, as JSON, on an oh__admin: the control socket
 * and commands without a server both end here.
 * Each function in the .c file tells its request and its reply.
 */
#ifndef OH_HOST_ADMIN_COMMANDS_H
#define OH_HOST_ADMIN_COMMANDS_H

#include <jansson.h>

#include "host/admin.h"

/* Answers a request whose command is "user-...". Never NULL unless memory is short; a command that
 * is not known gives an error reply. */
json_t *oh__admin_command(struct oh__admin *admin, const json_t *request);

#endif
