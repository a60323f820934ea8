/*
 * A proxied request: its server transaction, its target set, and what came
 * back so far. RFC 3261 16.2 calls this the response context.
 *
 *   RESOLVING  nothing was sent yet: the next hop's name is being looked up
 *   RUNNING    branches are being tried
 *   CANCELLED  the caller has changed his mind, or a branch said 6xx: no new
 *              branches, what runs is waited for
 *
 * A context ends as soon as a final response has gone upstream. Whatever comes
 * later needs none: further 2xx to an INVITE go up through the link of their
 * client transaction, everything else is of no use to anybody.
 *
 * Nothing in here points into received bytes: the request is held in a block
 * of its exact size and parsed again when it is needed again (another branch,
 * a response of our own), which is rare.
 */
#ifndef OH_SERVE_CONTEXT_H
#define OH_SERVE_CONTEXT_H

#include "serve/internal.h"
#include "serve/target.h"
#include "serve/targets.h"

enum oh__branch_state {
    OH__BRANCH_WAITING,    /* not tried yet: of a lower q, or no Max-Breadth is left */
    OH__BRANCH_RESOLVING,  /* its name is being looked up */
    OH__BRANCH_TRYING,     /* sent; nothing came back */
    OH__BRANCH_PROCEEDING, /* a 1xx came */
    OH__BRANCH_DONE,       /* it has its result, `code` */
};

/* One target of the request, and the client transaction that tries it. */
struct oh__proxy_branch {
    uint8_t state;         /* enum oh__branch_state */
    bool bound;            /* flow is a binding's or a token's: used at any size, without look-up */
    bool own;              /* a phone of a user of ours: its 3xx may be followed */
    bool chosen;           /* the policy named it */
    bool stopped;          /* a CANCEL of ours is on its way or remembered */
    bool expired;          /* stopped because Timer C or the ring time has passed: 487 means 408 */
    bool tcp_by_size;      /* TCP was our choice (RFC 3261 18.1.1): UDP when it is refused */
    bool rebound;          /* sent over a newer connection of the same phone */
    bool heard;            /* anything came back */
    uint16_t q;            /* 0 .. 1000 */
    uint16_t code;         /* result: a status code */
    uint32_t share;        /* of Max-Breadth, while it runs */
    uint64_t client;       /* transaction; 0 = none */
    uint64_t c_at;         /* Timer C, ns; OH__NEVER when not running */
    struct oh_flow flow;   /* where it is sent */
    struct oh__target hop; /* when !bound: how the next hop is reached; its host is not kept */
    char *text;            /* block: uri, then path */
    uint32_t uri_n, path_n;
    struct oh_addr *addrs; /* block: addresses of the name, in the order to try */
    uint8_t addrs_n, addr_at;
};

/* A text in the first 64 KiB of the request that a context holds; empty when it is not there. */
struct oh__part {
    uint16_t at, n;
};

struct oh__context {
    struct oh__timer timer;
    uint64_t handle;
    uint64_t server;     /* transaction */
    struct oh_flow flow; /* where the request came from */
    uint8_t method;
    bool in_dialog;
    bool known;   /* its sender had proved who he is, is trusted, or has a token */
    bool follows; /* recurse on 3xx */
    bool record_route;
    bool cancelled; /* by the caller */
    bool stopped;   /* by a 6xx, or because the INVITE's Expires has passed */
    bool full;      /* a branch found no room in the endpoint */
    bool greedy;    /* a branch was beyond the sender's share of it */
    bool rang;      /* a 101-199 went up */

    bool strict_upstream;
    uint8_t routes_popped;
    uint16_t credentials;  /* index + 1 of the row that was for us, 0 = none */
    uint16_t n, cap, most; /* branches */
    uint16_t best;         /* code of the best response so far, 0 = none */
    uint32_t breadth;      /* Max-Breadth that came in, capped */
    uint32_t payer;        /* who pays for its transactions (oh_payer_of); 0 = nobody */

    char *held; /* block: message, then the texts below, in this order */
    uint32_t msg_n, rows_n, account_n, aor_n;
    struct oh__part method_text, call_id, from_uri, wanted_uri, agent; /* of the message */
    struct oh__part callee; /* as people say it: the user part of the Request-URI, else all of it */
    uint64_t loop;          /* hash for our branches (RFC 5393 4.2.1) */

    struct oh__proxy_branch *branches;     /* block of `cap` entries */
    uint64_t timer_c, ring_time, call_max; /* ns; from the settings it began with */
    uint64_t started_at;                   /* ns */
    uint64_t ring_at;    /* what runs has had its time; OH__NEVER: nobody waits behind it */
    uint64_t expires_at; /* of the INVITE (RFC 3261 16.10, 20.19) */
    uint64_t lookup;     /* handle of the one look-up, whose branch is RESOLVING; 0 = none */
    uint64_t lookup_at;  /* its answer never came */
    uint64_t poll_at;    /* look for new bindings (late fork) */
    uint64_t retry_at;   /* the final could not be sent for lack of memory: again at this time */
    uint64_t version;    /* of the AOR when it was looked up last */

    struct oh__cbuf *best_bytes; /* NULL: it is one of our own */
    struct oh__cbuf *challenges; /* rows of 401 and 407 responses that were not the best */
};

/* ---- context.c ---- */

/*
 * Makes a context and its server transaction out of a request; an INVITE gets its 100, an ACK has
 * none. rows: to be added to what is forwarded; loop: oh__loop_hash. NULL: there was no room, for
 * anybody or for this sender (503 was sent, without state), or it is a duplicate (nothing was
 * sent).
 */
struct oh__context *oh__context_new(struct oh__serve *s, const struct oh__request *rq,
                                    struct oh_span rows, uint64_t loop);

/* Ends it; branches that still run are left to the endpoint, which no longer reports to it. */
void oh__context_end(struct oh__serve *s, struct oh__context *c);

/* The context of a user value, NULL when it has ended. */
struct oh__context *oh__context_get(const struct oh__serve *s, uint64_t user);

/* Adds a target that waits to be tried. OH_OK, OH_E_LIMIT (branches_max) or OH_E_NOMEM. */
int oh__context_add(struct oh__serve *s, struct oh__context *c,
                    const struct oh__candidate *candidate);

/* Parses into the arena what came in before and was held, whatever limits were in force then; NULL
 * when memory is short. */
const struct oh_msg *oh__held_msg(struct oh__serve *s, struct oh_span bytes);

/* The request, parsed again into the arena; NULL when memory is short. */
const struct oh_msg *oh__context_msg(struct oh__serve *s, const struct oh__context *c);

/* The request as it was judged, for replies of later. False when memory is short. */
bool oh__context_request(struct oh__serve *s, const struct oh__context *c, struct oh__request *out);

/* What decisions tell of it, without a look at the message. */
struct oh__subject oh__context_subject(const struct oh__context *c);

/* A text of the message that is held. */
static inline struct oh_span oh__context_part(const struct oh__context *c, struct oh__part part)
{
    return oh_span(c->held + part.at, part.n);
}

/* Sets the timer to the earliest of all expiry fields. */
void oh__context_arm(struct oh__serve *s, struct oh__context *c);

/* The rows that are added to what is forwarded; held by the context. */
struct oh_span oh__context_rows(const struct oh__context *c);

/* The user of ours that was called, as a key of the location table; empty for everything else. */
struct oh_span oh__context_aor(const struct oh__context *c);

/* The target's URI, and its Path values. */
static inline struct oh_span oh__branch_uri(const struct oh__proxy_branch *b)
{
    return oh_span(b->text, b->uri_n);
}

static inline struct oh_span oh__branch_path(const struct oh__proxy_branch *b)
{
    return oh_span(b->text + b->uri_n, b->path_n);
}

/* True while a client transaction or a look-up of the branch runs. */
static inline bool oh__branch_runs(const struct oh__proxy_branch *b)
{
    return b->state >= OH__BRANCH_RESOLVING && b->state <= OH__BRANCH_PROCEEDING;
}

/* Ends all contexts, for the end of a shard. */
void oh__contexts_done(struct oh__serve *s);

/* Asserts what must always hold of contexts. */
void oh__contexts_check(const struct oh__serve *s);

/* ---- branch.c ---- */

/* Forgets the look-up under way, if any: its answer will find nobody. */
void oh__lookup_end(struct oh__serve *s, struct oh__context *c);

/*
 * Starts what may start now: the waiting targets of the highest q, as many as Max-Breadth permits,
 * when no branch of another q runs. msg is the request, NULL: held.
 */
void oh__branches_run(struct oh__serve *s, struct oh__context *c, const struct oh_msg *msg);

/* True while a branch runs or waits. */
bool oh__branches_open(const struct oh__context *c);

/* Tries the branch's next address, or UDP instead of TCP, in a new transaction. False: there is no
 * other way. */
bool oh__branch_retry(struct oh__serve *s, struct oh__context *c, struct oh__proxy_branch *b);

/*
 * The stream of a dialog's peer is gone. If the peer has registered the same Contact over a new
 * one, that is where it goes now. False: it has not.
 */
bool oh__branch_rebind(struct oh__serve *s, struct oh__context *c, struct oh__proxy_branch *b);

/* A name was found (or not): starts the branch that waited for it. */
void oh__branch_resolved(struct oh__serve *s, struct oh__context *c,
                         const struct oh__serve_answer *answer);

/* Gives the branch its result without a response. */
void oh__branch_fail(struct oh__serve *s, struct oh__context *c, struct oh__proxy_branch *b,
                     unsigned code);

/* ---- cancel.c ---- */

/* Stops a branch: CANCEL for an INVITE (rows: a Reason), silence for anything else. Waiting ones
 * are done. */
void oh__branch_stop(struct oh__serve *s, struct oh__context *c, struct oh__proxy_branch *b,
                     struct oh_span rows);

/* Stops all branches that are not done. */
void oh__branches_stop(struct oh__serve *s, struct oh__context *c, struct oh_span rows);

/* ---- response.c ---- */

/* Goes on after a change: starts branches, or, when none is open, sends the best response and ends
 * the context. */
void oh__context_advance(struct oh__serve *s, struct oh__context *c);

/* Takes a result without a response into account for the best one. */
void oh__context_result(struct oh__serve *s, struct oh__context *c, unsigned code);

/* ---- outcome.c ---- */

/* What is said when there is no room for more. */
#define OH__FULL_WHY "the server works on as many requests as it may"
#define OH__FULL_FIX "raise limits.transactions, or find out who sends so much"

/* What is said to one sender when there is room, but not for more of his. */
#define OH__SHARE_WHY "its sender has as many requests in progress as are left for all others"
#define OH__SHARE_FIX "find out why so many stay open; a gateway of yours belongs into trusted"

/* Records how it ended: code is the final response that went up. */
void oh__outcome_record(struct oh__serve *s, const struct oh__context *c, unsigned code);

#endif
