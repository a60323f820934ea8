/*
 * The log: logfmt, one event per line, with stable names (docs/events.md).
 * Lines go into one of two bounded buffers and a thread writes the other, so
 * that a full pipe or a slow disk never stops a worker; what does not fit is
 * counted, and the count logged (event=log-dropped).
 */
#ifndef OH_HOST_LOG_H
#define OH_HOST_LOG_H

#include "host/config.h"

struct oh__log;

/* Opens the destination ("stderr" or a path, appended to, mode 0640) and starts the writer. OH_OK,
 * OH_E_IO (errno tells why) or OH_E_NOMEM. */
int oh__log_open(const char *to, enum oh__log_level level, struct oh__log **out);

/* Writes what is queued (for at most a second) and closes. NULL is ignored. */
void oh__log_close(struct oh__log *log);

/*
 * Opens the file again (after rotation) and sets the level; on SIGHUP and reload. The writer's
 * thread does it soon; should it fail, the old file stays in use and gets event=log-not-reopened.
 */
void oh__log_reopen(struct oh__log *log, enum oh__log_level level);

/* True when lines of this level are written at all. */
bool oh__log_wants(const struct oh__log *log, enum oh__log_level level);

struct oh__log_field {
    const char *key; /* logfmt key */
    struct oh_span
        value; /* quoted and escaped when needed; fields with an empty value are left out */
};

/* Queues one event. ts and level are put in front. Never blocks; secrets never belong here. */
void oh__log_event(struct oh__log *log, enum oh__log_level level, const char *event,
                   const struct oh__log_field *fields, unsigned n);

/* As oh__log_event with one field msg="...". */
void oh__log_say(struct oh__log *log, enum oh__log_level level, const char *event,
                 const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Counts a line that the caller has kept back as dropped. */
void oh__log_skip(struct oh__log *log);

/* Lines that were dropped: the destination was too slow, or strangers or one source caused too
 * many.
 */
uint64_t oh__log_dropped(const struct oh__log *log);

#endif
