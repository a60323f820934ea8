/*
 * The wounds of the field: one test for each class of error that has broken
 * other SIP servers and stacks (docs/wounds.md has the list). Each case is a
 * world of its own as the conformance cases are, and would fail if we had the
 * wound: by a sanitizer, by a rule of sim/invariants.h, or by its own checks.
 */
#ifndef OH_TESTS_WOUNDS_WOUNDS_H
#define OH_TESTS_WOUNDS_WOUNDS_H

#include "conformance/harness.h"

/* The cast: alice may do anything, bob is a registered phone, mallory means harm. */
struct victims {
    struct peer *alice, *bob, *mallory;
};

/* Makes them; mallory may break any rule of form. */
void victims_make(struct world *w, struct victims *v);

/* The others are served as if nothing were: a MESSAGE of alice reaches bob, and his 200 her. */
void still_serves(struct world *w, struct victims *v);

/*
 * Gives the server bytes of mallory's, as a datagram when they fit into one, and in a stream of
 * their own; nothing may break, and what must be answered with a status may be.
 */
void attack(struct world *w, struct victims *v, struct oh_span bytes);

/* Text grows by growing: terminated, for up to 256 KiB. */
struct text {
    size_t n;
    char p[256 * 1024];
};

/* Appends text, and n times a character. */
void text_put(struct text *t, const char *more);
void text_fill(struct text *t, char c, size_t n);

#endif
