/*
 * The target set of a request (RFC 3261 16.5): the bindings of a user of ours,
 * a foreign URI, or what the policy says. No target is in it twice.
 */
#ifndef OH_SERVE_TARGETS_H
#define OH_SERVE_TARGETS_H

#include "serve/internal.h"

/* A target that is not being tried yet. Texts live in the arena or the message. */
struct oh__candidate {
    struct oh_span uri;  /* becomes the Request-URI */
    struct oh_span path; /* comma list, pushed as Route; may be empty */
    struct oh_flow flow; /* when bound */
    bool bound;          /* send over flow */
    bool own;            /* a binding of a user of ours */
    bool chosen;         /* by the policy: it may lie on this machine's loopback */
    uint16_t q;          /* 0 .. 1000 */
};

struct oh__targets {
    unsigned n, max;
    struct oh__candidate *v; /* in the arena */
    unsigned unreachable;    /* bindings whose stream has ended, left out */
};

/* Starts an empty set for at most max targets. False when memory is short. */
bool oh__targets_init(struct oh__serve *s, struct oh__targets *set, unsigned max);

/* Adds one unless it is there already (RFC 3261 19.1.4) or the set is full; returns whether it was
 * added. */
bool oh__targets_add(struct oh__targets *set, const struct oh__candidate *candidate);

/* Adds all reachable bindings of an AOR; q of each is its own, or q when q <= 1000. OH_OK or
 * OH_E_NOMEM. */
int oh__targets_add_user(struct oh__serve *s, struct oh__targets *set, struct oh_span aor,
                         unsigned q);

#define OH__Q_OWN 1001u

/*
 * Adds the target of a URI that somebody wrote (policy, a 3xx): the bindings when it names a user
 * of ours, else the URI itself. Returns how many were added.
 */
unsigned oh__targets_add_uri(struct oh__serve *s, struct oh__targets *set, const struct oh_flow *in,
                             struct oh_span uri, unsigned q);

/* True when the two would be one target. */
bool oh__candidate_same(const struct oh__candidate *a, const struct oh__candidate *b);

#endif
