/*
 * What people see. Text of strangers (names, devices, reasons) ends here on a
 * terminal, which obeys control bytes: everything printed by these functions
 * is escaped, whoever says that it is clean already.
 */
#ifndef OH_CMD_OUTPUT_H
#define OH_CMD_OUTPUT_H

#include <stdbool.h>
#include <stdio.h>

#include <offhook/span.h>

enum oh__style { OH__STYLE_PLAIN, OH__STYLE_GOOD, OH__STYLE_BAD, OH__STYLE_DIM, OH__STYLE_BOLD };

/* Writes text with control characters and bytes that are no UTF-8 as \xNN; line ends, too. */
void oh__put(FILE *to, struct oh_span text);

/* As oh__put with a terminated string; NULL is nothing. */
void oh__puts(FILE *to, const char *text);

/* As oh__puts in a style, when `to` is a terminal that may have colours. */
void oh__paint(FILE *to, enum oh__style style, const char *text);

/* True when `to` is a terminal, NO_COLOR is not set and TERM is not "dumb". */
bool oh__coloured(FILE *to);

/* Prints "offhook: " and a sentence on stderr, escaped, with a line end. */
void oh__fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* How many columns text takes on a terminal once escaped: one for each character. */
size_t oh__width(struct oh_span text);

#define OH__SHEET_COLUMNS 12

/* A table whose columns become as wide as their longest cell. */
struct oh__sheet {
    unsigned columns; /* 1 .. OH__SHEET_COLUMNS */
    size_t n, cap;    /* cells */
    char **cells;     /* copies */
    bool broken;      /* memory was short */
};

/* Starts a table; heads are its first row. */
void oh__sheet_init(struct oh__sheet *t, unsigned columns, const char *const *heads);

/* Adds the next cell, row by row. NULL is an empty one. */
void oh__sheet_add(struct oh__sheet *t, const char *text);

/* Prints the table (its head dim) and empties it, but for the head. False: memory was short. */
bool oh__sheet_print(struct oh__sheet *t, FILE *to);

/* Ends a table. */
void oh__sheet_done(struct oh__sheet *t);

/* ---- words for numbers ---- */

#define OH__WORDS_MAX 64

/* "3 d 4 h", "12 min 5 s", "7 s" of seconds; returns out. */
const char *oh__words_duration(unsigned long long seconds, char out[OH__WORDS_MAX]);

/* "2026-03-01 14:02:11" in local time of wall-clock milliseconds; returns out. */
const char *oh__words_time(unsigned long long wall_ms, char out[OH__WORDS_MAX]);

/* "12.3 MiB" of bytes; returns out. */
const char *oh__words_bytes(unsigned long long bytes, char out[OH__WORDS_MAX]);

#endif
