/*
 * Status codes: the default reason phrase, what the code means to a person,
 * who sends it, what to do, and the RFC section. One table serves the reply
 * builder, `offhook explain` and the documentation.
 */
#ifndef OFFHOOK_STATUS_H
#define OFFHOOK_STATUS_H

#include <offhook/span.h>

struct oh_status {
    uint16_t code;       /* 100 .. 699 */
    const char *phrase;  /* default reason phrase, "Busy Here" */
    const char *rfc;     /* "RFC 3261 21.4.24" */
    const char *meaning; /* one sentence for people */
    const char *sender;  /* who generates it in practice */
    const char *remedy;  /* what to do about it */
};

/* The entry of a code, or NULL for one that is not registered. */
const struct oh_status *oh_status_find(unsigned code);

/* The i-th entry in ascending order of code; NULL past the end. */
const struct oh_status *oh_status_at(unsigned i);

/* The default phrase; for unregistered codes that of the class ("Client Error"). Never NULL. */
const char *oh_status_phrase(unsigned code);

#endif
