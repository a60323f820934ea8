/*
 * The commands of the control socket: a table of names and functions. A
 * function gets the request and returns a reply object (stolen by the caller),
 * never NULL unless memory is short.
 */
#ifndef OH_HOST_CONTROL_COMMANDS_H
#define OH_HOST_CONTROL_COMMANDS_H

#include <jansson.h>

#include "host/process.h"

/* What a command may run beside. */
enum oh__control_kind {
    OH__CONTROL_LOOK,   /* beside everything: it reads tables that lock themselves */
    OH__CONTROL_CHANGE, /* in the control thread, and not while a long one runs */
    OH__CONTROL_LONG,   /* in a thread of its own, one at a time: control_job.c */
};

struct oh__control_command {
    const char *name;
    enum oh__control_kind kind;
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
