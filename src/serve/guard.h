/*
 * Failures are counted per source, never per account alone, so that strangers
 * cannot lock a victim out; a source with a valid registration is never
 * banned (the caller asks the location table). Bounded, process-wide, striped.
 */
#ifndef OH_SERVE_GUARD_H
#define OH_SERVE_GUARD_H

#include <offhook/addr.h>
#include <offhook/alloc.h>
#include <offhook/error.h>

struct oh__guard;

/* Makes a table for at most max sources (the least recent go first). NULL on failure. */
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

struct oh__ban {
    struct oh_addr source;
    uint64_t until; /* ns, monotonic */
    uint32_t failures;
};

/* Copies the bans that hold now; returns how many (at most max). */
unsigned oh__guard_list(struct oh__guard *g, uint64_t now, struct oh__ban *out, unsigned max);

/* Lifts one ban, or all when source is NULL; returns how many. */
unsigned oh__guard_clear(struct oh__guard *g, const struct oh_addr *source);

#endif
