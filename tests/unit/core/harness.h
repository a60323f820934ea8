/*
 * One endpoint with a clock that the test turns, a heap that counts, and a
 * record of everything that the endpoint put out. After every step the
 * endpoint's rules are checked. Messages are handed over in blocks of their
 * exact size, so that reading past their end is found out.
 */
#ifndef OH_TESTS_UNIT_CORE_HARNESS_H
#define OH_TESTS_UNIT_CORE_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <offhook/endpoint.h>

#include "unit/alloc_fail.h"

#define MS    UINT64_C(1000000)
#define START (UINT64_C(1000) * 1000 * MS)

#define TEXT_MAX    8192
#define OUTPUTS_MAX 2048

/* One output as it was taken. */
struct taken {
    struct oh_output out; /* msg and bytes are not valid any more */
    uint64_t at;          /* ms since START */
    char *text; /* terminated: the bytes sent, or the message of the event; "" when there is none */
};

struct rig {
    struct test_heap heap;
    struct oh_endpoint_options options;
    struct oh_endpoint *ep;
    uint64_t now;
    struct taken taken[OUTPUTS_MAX];
    size_t n;
    char *bytes;              /* the last input */
    const struct oh_msg *msg; /* of the last OH_OUT_REQUEST, until the next input */
    struct oh_flow flow;      /* of it */
    char *request_bytes;      /* a copy of that request, and */
    struct oh_msg request;    /* the copy parsed, as a user holds it */
};

/* Starts with the options in r->options (all zeros: defaults), which the caller may have set. */
void rig_init(struct rig *r, const struct oh_endpoint_options *options);

/* Ends it; everything must have been given back. */
void rig_done(struct rig *r);

/* A flow of this transport from our 192.0.2.1 to the peer 192.0.2.2, port 5060; streams have the
 * id 7. */
struct oh_flow rig_flow(uint8_t transport);

/* Takes what there is into the record. */
void rig_take(struct rig *r);

/* Brings in a message; returns what oh_endpoint_input returned. */
int rig_input(struct rig *r, const struct oh_flow *flow, const char *text);

/* As rig_input over UDP. */
int rig_udp(struct rig *r, const char *text);

/* Lets time pass, everything due at its own time, until this many ms after START. */
void rig_until(struct rig *r, uint64_t ms);

/* Forgets the record. */
void rig_forget(struct rig *r);

/* How many outputs of this kind there are; for SEND with this beginning of the text. */
size_t rig_count(const struct rig *r, enum oh_output_kind kind, const char *start);

/* The i-th of them; fails the test when there is none. */
const struct taken *rig_get(const struct rig *r, enum oh_output_kind kind, const char *start,
                            size_t i);

/* The times, in ms since START, of all of them are exactly these. */
void rig_times(const struct rig *r, enum oh_output_kind kind, const char *start, const uint64_t *ms,
               size_t n);

/* Nothing was put out since the last rig_forget. */
void rig_quiet(const struct rig *r);

/* A request with this method and topmost branch; extra: rows to add. Static memory, for one call.
 */
const char *request_text(const char *method, const char *branch, const char *extra);

/* The response to a request text (as a UAS builds it) with this To tag; for responses that come in.
 */
const char *response_text(const char *request, unsigned code, const char *tag);

/* The value of a row in a message text, in static memory; "" when it is absent. */
const char *row_of(const char *text, const char *name);

/* Brings in a request and makes its server transaction; returns the handle. */
uint64_t serve(struct rig *r, const struct oh_flow *flow, const char *text, uint64_t user);

/* Sends a request of this method; returns the handle. The text sent is the first SEND of the
 * record. */
uint64_t call(struct rig *r, const struct oh_flow *flow, const char *method, uint64_t user,
              uint64_t link);

/* Replies out of the last request that came up. */
int respond(struct rig *r, uint64_t server, unsigned code, const char *tag);

#define TIMES(r, kind, start, ...)                             \
    rig_times(r, kind, start, (const uint64_t[]){__VA_ARGS__}, \
              sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

#endif
