/*
 * Failures are counted per source and per (source, account), never per account
 * alone, so that strangers cannot lock a victim out. A source with a valid
 * registration is never banned (the caller asks the location table), but it
 * may not guess the passwords of others for ever: what it has guessed at too
 * often, it gets no answers about. Bounded, process-wide, striped.
 */
#ifndef OH_SERVE_GUARD_H
#define OH_SERVE_GUARD_H

#include <offhook/addr.h>
#include <offhook/alloc.h>
#include <offhook/error.h>

#define OH__GUARD_NAME 48

struct oh__guard;

/* How many failures are too many. */
struct oh__guard_limits {
    uint32_t failures_max; /* within the window; 0: never */
    uint64_t window, ban;  /* ns: within which they count; how long it lasts */
};

/* Makes tables for at most max sources and as many pairs of source and account (the least recent go
 * first). NULL on failure. */
struct oh__guard *oh__guard_new(const struct oh_alloc *alloc, const uint8_t key[16], uint32_t max);

/* Ends it. NULL is ignored. */
void oh__guard_free(struct oh__guard *g);

/*
 * Counts a failed authentication (IPv6 by /64). Returns true when the source is now banned: more
 * than failures_max in window ns; the ban lasts ban ns. failures_max 0: never.
 */
bool oh__guard_fail(struct oh__guard *g, uint64_t now, const struct oh_addr *source,
                    uint32_t failures_max, uint64_t window, uint64_t ban);

/* A success forgets the source's failures. */
void oh__guard_ok(struct oh__guard *g, const struct oh_addr *source);

/* True while the source is banned. Cheap: one look-up, none when nobody is banned. */
bool oh__guard_banned(struct oh__guard *g, uint64_t now, const struct oh_addr *source);

/*
 * Counts a wrong password for an account, as the source named it; the empty name counts for all
 * accounts together. True when the source may not try that account any more, from this failure on.
 * A success of the source with another account changes nothing, or an account of one's own would
 * buy guesses at all others.
 */
bool oh__guard_guess(struct oh__guard *g, uint64_t now, const struct oh_addr *source,
                     struct oh_span account, const struct oh__guard_limits *limits);

/* False when nobody has guessed anything so far: then the two functions below need not be asked,
 * nor the name be put together for them. */
bool oh__guard_has_guesses(const struct oh__guard *g);

/* True while the source may not try this account. */
bool oh__guard_guessed(struct oh__guard *g, uint64_t now, const struct oh_addr *source,
                       struct oh_span account);

/* The source knows this account's password: its wrong ones are forgotten. */
void oh__guard_known(struct oh__guard *g, const struct oh_addr *source, struct oh_span account);

struct oh__ban {
    struct oh_addr source;
    uint64_t until; /* ns, monotonic */
    uint32_t failures;
    bool is_pair;                 /* holds for one account only, or for all that are not at home
                                     there (account "") */
    char account[OH__GUARD_NAME]; /* of a pair, cut if need be, terminated */
};

/* Copies the bans that hold now, sources first; returns how many (at most max). */
unsigned oh__guard_list(struct oh__guard *g, uint64_t now, struct oh__ban *out, unsigned max);

/* Lifts the bans of one source, those of its pairs included, or all when source is NULL; returns
 * how many. */
unsigned oh__guard_clear(struct oh__guard *g, const struct oh_addr *source);

#endif
