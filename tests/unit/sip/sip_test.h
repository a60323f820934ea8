/* What the tests of this layer share: cmocka, exact blocks, comparing spans, reading a message. */
#ifndef TESTS_UNIT_SIP_SIP_TEST_H
#define TESTS_UNIT_SIP_SIP_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <offhook/msg.h>

#include "base/hash.h"
#include "exact.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Compares text and shows both when they differ. */
static inline void assert_text(struct oh_span got, const char *want)
{
    if (!oh_span_eq(got, oh_span_str(want)))
        fail_msg("got '%.*s', want '%s'", OH_PRI(got), want);
}

/* A generator whose numbers are the same in every run. */
static inline struct oh__rng test_rng(uint8_t seed)
{
    const uint8_t bytes[32] = {'o', 'f', 'f', 'h', 'o', 'o', 'k', seed};
    struct oh__rng r;

    oh__rng_init(&r, bytes);
    return r;
}

/* Reads a text as a datagram; the test fails unless it is a message. */
static inline void read_message(const char *text, struct oh_msg *m)
{
    struct oh_fault fault = {0};
    size_t used;

    if (oh_msg_parse(oh_span_str(text), OH_MSG_DATAGRAM, NULL, m, &used, &fault) != OH_OK)
        fail_msg("%s at %u in '%s'", fault.why, fault.at, text);
}

#endif
