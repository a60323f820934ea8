/*
 * Policy in Lua: one interpreter per worker, made out of the snapshot's text,
 * so that workers never wait for each other. What they have in common is
 * `shared`: counters and values with a bound and an expiry.
 *
 * A policy is the administrator's, yet it is handed strangers' messages, so it
 * runs without files, processes and clocks, with a budget of instructions, of
 * memory and of work done inside library functions. A policy that spends its
 * budget fails that one request (500) and nothing else.
 */
#ifndef OH_HOST_POLICY_LUA_H
#define OH_HOST_POLICY_LUA_H

#include <offhook/alloc.h>

#include "base/hash.h"
#include "host/config.h"
#include "serve/policy.h"

struct oh__policy_shared;

struct oh__policy_shared_options {
    const struct oh_alloc *alloc;
    struct oh__hash_key key;      /* strangers choose keys such as a caller's name */
    uint32_t entries_max;         /* 0 = 65,536; beyond, the one written longest ago goes */
    uint64_t (*clock)(void *ctx); /* ns, monotonic; required */
    /* Where log() of a policy goes; text has no control characters. NULL: dropped. */
    void (*log)(void *ctx, struct oh_span text);
    void *ctx;
};

/* Makes what all workers share; it outlives reloads. OH_OK or OH_E_NOMEM. */
int oh__policy_shared_new(const struct oh__policy_shared_options *options,
                          struct oh__policy_shared **out);

/* Ends it; all policies must have ended. NULL is ignored. */
void oh__policy_shared_free(struct oh__policy_shared *shared);

struct oh__policy_shared_stats {
    uint32_t entries; /* now, expired ones that were not yet met included */
    uint64_t expired; /* removed because their time was over */
    uint64_t evicted; /* removed to make room */
};

/* Copies the counters; callable from any thread. */
void oh__policy_shared_stats(struct oh__policy_shared *shared, struct oh__policy_shared_stats *out);

/*
 * Makes a worker's policy; it keeps a reference to the snapshot. *out is NULL
 * when the file has no policy function. OH_OK, OH_E_NOMEM, or OH_E_STATE when
 * the text does not run as it did when it was checked.
 */
int oh__policy_lua_new(const struct oh__config *config, struct oh__policy_shared *shared,
                       struct oh__policy **out);

/* Ends a worker's policy. NULL is ignored. */
void oh__policy_lua_free(struct oh__policy *policy);

/* Bytes that the interpreter holds now; only from the worker that runs it. */
size_t oh__policy_lua_memory(const struct oh__policy *policy);

#endif
