/*
 * The commands of the control socket: a table of names and functions. A
 * function gets the request and returns a reply object (stolen by the caller),
 * never NULL unless memory is short.
 */
#ifndef OH_HOST_CONTROL_COMMANDS_H
#define OH_HOST_CONTROL_COMMANDS_H

#include <jansson.h>

#include "host/process.h"

struct oh__control_command {
    const char *name;
    json_t *(*run)(struct oh__host *host, const json_t *request);
};

/* The command of this name, or NULL. */
const struct oh__control_command *oh__control_find(const char *name);

/* {"ok": true, "schema_version": ...}. */
json_t *oh__control_ok(void);

/* {"ok": false, "error": ..., "exit": ...}; a printf format. */
json_t *oh__control_error(int exit_status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
