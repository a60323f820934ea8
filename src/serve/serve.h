/*
 * What a server does with requests, behind a door of the same shape as the
 * endpoint's. One oh__serve is one shard: an endpoint, the contexts of the
 * requests it works on, and their timers. The caller holds the shard's mutex.
 *
 * A request's way: role first (Request-URI, Route, method, To tag), then that
 * role's checks in the RFC's order, then registrar, proxy, redirect or our own
 * answer. A proxied request lives in a context with a phase; CANCEL, time-out
 * and shutdown work in every phase.
 */
#ifndef OH_SERVE_SERVE_H
#define OH_SERVE_SERVE_H

#include <offhook/endpoint.h>

#include "serve/policy.h"
#include "serve/settings.h"
#include "serve/shared.h"

struct oh__serve;
struct oh__journal;

/* What the worker that runs the shard brings along; valid during the call. */
struct oh__serve_env {
    uint64_t now;   /* ns, monotonic */
    uint64_t wall;  /* ms since 1970 by a clock that never jumps: by it things expire */
    int64_t jumped; /* ms by which the system clock has been set since the start */
    const struct oh__settings *settings; /* contexts copy what they need later */
    const struct oh__policy *policy;     /* NULL: none */
    struct oh__journal *journal;         /* NULL: bindings live in memory only */
    const struct oh_hasher *hasher;
};

/* What the system's clock says, ms since 1970: for Date and for people. */
static inline uint64_t oh__date(const struct oh__serve_env *env)
{
    return env->wall + (uint64_t)env->jumped;
}

struct oh__serve_options {
    const struct oh_alloc *alloc;
    struct oh__shared *shared;
    uint8_t shard;
    uint8_t shards; /* how many there are; 1 in small tests */
    uint8_t seed[32];
    uint32_t transactions_max, completed_max; /* of this shard */
    const struct oh__settings *settings; /* at creation: timers t1 t2 t4, limits, server name */
};

/* Makes a shard. OH_OK or OH_E_NOMEM. */
int oh__serve_new(const struct oh__serve_options *options, uint64_t now, struct oh__serve **out);

/* Ends it with all it works on. NULL is ignored. */
void oh__serve_free(struct oh__serve *s);

/* A message arrived, and oh__serve_shard_of has led here; as oh_endpoint_input_msg. */
int oh__serve_input(struct oh__serve *s, const struct oh__serve_env *env,
                    const struct oh_flow *flow, struct oh_msg *msg, int parsed,
                    const struct oh_fault *fault);

/* Runs what is due, at most `most` steps; returns how many ran. */
unsigned oh__serve_expire(struct oh__serve *s, const struct oh__serve_env *env, unsigned most);

struct oh__serve_answer {
    uint64_t ticket;
    int result;       /* OH_OK, OH_E_NOTFOUND (no such name), OH_E_TIMEOUT, OH_E_IO */
    unsigned addrs_n; /* of a look-up */
    const struct oh_addr *addrs;
};

/* Something asked for earlier is finished: a look-up, or a send that failed. */
void oh__serve_answer(struct oh__serve *s, const struct oh__serve_env *env,
                      const struct oh__serve_answer *answer);

/* A stream ended: its bindings become unreachable, its branches fail. */
void oh__serve_flow_closed(struct oh__serve *s, const struct oh__serve_env *env,
                           const struct oh_flow *flow);

enum oh__serve_output_kind {
    OH__SERVE_SEND,    /* bytes for flow; ticket != 0: report failure through oh__serve_answer */
    OH__SERVE_RESOLVE, /* look host up (A, AAAA), answer with ticket */
    OH__SERVE_KEEP,    /* flow is used by a binding now: no idle time-out */
};

struct oh__serve_output {
    enum oh__serve_output_kind kind;
    bool durable;    /* SEND: only after the journal's commit */
    uint64_t ticket; /* carries the shard: oh__serve_ticket_shard */
    struct oh_flow flow;
    struct oh_span bytes; /* valid until the next input, expire or answer */
    struct oh_span host;
};

/* The next output; false when there is none. */
bool oh__serve_take(struct oh__serve *s, struct oh__serve_output *out);

/* When to call expire, or OH_NEVER. */
uint64_t oh__serve_deadline(const struct oh__serve *s);

/* The shard that gave out a ticket. A ticket's top byte is its kind (2 bits) and the shard (6
 * bits). */
static inline unsigned oh__serve_ticket_shard(uint64_t ticket)
{
    return (unsigned)(ticket >> 56) & 63;
}

/*
 * Checks a message that was parsed (oh_msg_check; *result and fault are oh_msg_parse's and become
 * those of both), before any lock is taken. Returns its shard: of its Call-ID for a request, of our
 * branch for a response; -1: a stray response, to be dropped and counted.
 */
int oh__serve_shard_of(const struct oh__shared *shared, struct oh_msg *msg, unsigned shards,
                       int *result, struct oh_fault *fault);

/*
 * NAT keep-alives and round trips: the host walks the location table and asks the shard of the AOR
 * to ping one binding with OPTIONS of our own (OPT-005); the answer's round trip goes into the
 * table.
 */
void oh__serve_ping(struct oh__serve *s, const struct oh__serve_env *env, struct oh_span aor,
                    const struct oh__binding *binding);

/* X(name): counters of a shard, for `offhook status` and the tests. */
#define OH__SERVE_COUNTERS(X) \
    X(requests)               \
    X(registers)              \
    X(calls)                  \
    X(messages)               \
    X(forwarded_requests)     \
    X(forwarded_responses)    \
    X(challenges)             \
    X(auth_ok)                \
    X(auth_failed)            \
    X(banned_dropped)         \
    X(guesses_dropped)        \
    X(refused_policy)         \
    X(refused_relay)          \
    X(refused_overload)       \
    X(refused_limits)         \
    X(not_found)              \
    X(loops)                  \
    X(acks_dropped)           \
    X(responses_dropped)      \
    X(store_failures)         \
    X(policy_failures)        \
    X(contexts_full)          \
    X(refused_share)

struct oh__serve_stats {
#define OH__SERVE_COUNTER_FIELD(name) uint64_t name;
    OH__SERVE_COUNTERS(OH__SERVE_COUNTER_FIELD)
#undef OH__SERVE_COUNTER_FIELD
    uint32_t contexts; /* requests being worked on now */
    struct oh_endpoint_stats endpoint;
};

/* Copies the counters. */
void oh__serve_stats(const struct oh__serve *s, struct oh__serve_stats *out);

/* Gives memory back that was kept and not needed since the last call; returns how many bytes. Once
 * a second, like oh_endpoint_relax, which it includes. */
size_t oh__serve_relax(struct oh__serve *s);

/* True when nothing is in flight (drain). */
bool oh__serve_idle(const struct oh__serve *s);

/* Stops with an assertion when a rule that must always hold does not. */
void oh__serve_check(const struct oh__serve *s);

#endif
