/*
 * Every function that can fail returns 0 or one of these negative codes.
 * The table below is the only place where their names and texts stand.
 */
#ifndef OFFHOOK_ERROR_H
#define OFFHOOK_ERROR_H

#include <stdint.h>

/* X(name, value, text) */
#define OH_ERRORS(X)                                          \
    X(NOMEM, -1, "out of memory")                             \
    X(SYNTAX, -2, "not of the form the standard asks for")    \
    X(INCOMPLETE, -3, "more bytes are needed")                \
    X(LIMIT, -4, "larger than the configured limit")          \
    X(RANGE, -5, "a number outside its range")                \
    X(ABSENT, -6, "not there")                                \
    X(DUPLICATE, -7, "there more than once")                  \
    X(VERSION, -8, "a version this program does not speak")   \
    X(STALE, -9, "the object named by this handle has ended") \
    X(STATE, -10, "not allowed in this state")                \
    X(FULL, -11, "a table or buffer is full")                 \
    X(IO, -12, "the operating system reported a failure")     \
    X(TIMEOUT, -13, "no answer in time")                      \
    X(UNSUPPORTED, -14, "known, but not supported")           \
    X(CORRUPT, -15, "stored data fails its checksum or form") \
    X(BUSY, -16, "in use by another process")                 \
    X(DENIED, -17, "not permitted")                           \
    X(NOTFOUND, -18, "no such name, record or route")

enum {
    OH_OK = 0,
#define OH_ERROR_ENUM(name, value, text) OH_E_##name = (value),
    OH_ERRORS(OH_ERROR_ENUM)
#undef OH_ERROR_ENUM
};

/* The code's name without its prefix ("SYNTAX"), "OK" for 0, "?" for others. */
const char *oh_error_name(int code);

/* One lower-case phrase for people; never NULL. */
const char *oh_error_text(int code);

/*
 * Where and why a message was refused. `why` is a static phrase; `header` a
 * header id (sip/header.h), 0 for the start line or framing.
 */
struct oh_fault {
    int code;        /* OH_E_* */
    uint16_t header; /* enum oh_header_id; 0 when not about one header */
    uint32_t at;     /* offset in bytes from the start of the message */
    const char *why; /* static phrase such as "missing '>' after the URI" */
};

#endif
