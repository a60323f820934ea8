/* The parts of the harness for header values. */
#ifndef OH_TESTS_FUZZ_HEADER_PARTS_H
#define OH_TESTS_FUZZ_HEADER_PARTS_H

#include <offhook/header.h>

#include "fuzz.h"

/* What a server does with one value beyond reading it: addresses, Contact, credentials. */
void header_typed(enum oh_header_id id, struct oh_span value);

/* One or two URIs, divided by a line end: look-ups, keys, and equality both ways. */
void header_uris(struct oh_span text);

/* Calls `each` for every message of the corpora. */
void header_corpus(void (*each)(void *ctx, const char *name, struct oh_span bytes), void *ctx);

#endif
