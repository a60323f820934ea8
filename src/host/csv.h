/*
 * Comma-separated values as RFC 4180 has them: quotes round a field, doubled
 * quotes in it, commas and line ends inside quotes. LF alone ends a line, too.
 */
#ifndef OH_HOST_CSV_H
#define OH_HOST_CSV_H

#include <offhook/arena.h>
#include <offhook/error.h>

struct oh__csv {
    struct oh_span text;
    size_t at;     /* offset of the next record */
    unsigned line; /* its line, from 1 */
};

/* Starts at the beginning of a text, behind a byte order mark; the text must outlive the fields. */
void oh__csv_init(struct oh__csv *csv, struct oh_span text);

/*
 * The next record that is not an empty line. OH_OK with n fields (1 .. max) and the line it begins
 * in; they point into the text or, where quotes had to go, into the arena. OH_E_ABSENT at the end.
 * A record that is wrong is passed over, with a static sentence in why and its line: OH_E_SYNTAX
 * for quotes, NUL or bytes that are no text, OH_E_LIMIT for more than max fields. OH_E_NOMEM when
 * the arena is full.
 */
int oh__csv_next(struct oh__csv *csv, struct oh_arena *arena, struct oh_span *fields, unsigned max,
                 unsigned *n, unsigned *line, const char **why);

#endif
