/*
 * What the files of the policy share among themselves. The request object and
 * the verdicts are Lua userdata; both are made by this part and read by it.
 */
#ifndef OH_HOST_CONFIG_POLICY_H
#define OH_HOST_CONFIG_POLICY_H

#include <lua.h>

#include "host/config_parts.h"
#include "host/policy_lua.h"

/* A field of the request object: its name, its type for people, and what it is. */
struct oh__policy_field {
    const char *name, *type, *doc;
};

struct oh__policy_lua {
    struct oh__policy policy; /* first, so that a pointer to it is a pointer to this */
    const struct oh__config *config;
    struct oh__policy_shared *shared;
    struct oh__sandbox *sandbox;
    struct oh__loader loader;
    const struct oh__policy_request *request; /* while a function runs, else NULL */
    uint64_t run;       /* counts runs, so that a kept request object is known as old */
    unsigned log_lines; /* left for this run */
};

/* A verdict: what reply{} or route{} was given, and where it was called. */
struct oh__policy_verdict_object {
    enum oh__policy_verdict kind;
    int line;
    char chunk[LUA_IDSIZE];
};

/* Adds reply, route, shared and log to the sandbox's names. May raise for want of memory. */
void oh__policy_offer(struct oh__sandbox *sb);

/* Adds reply and route, likewise. */
void oh__policy_open_verdicts(struct oh__sandbox *sb);

/* Adds `shared`, likewise. */
void oh__policy_offer_shared(struct oh__sandbox *sb);

/* Makes the metatable of request objects. May raise for want of memory. */
void oh__policy_open_request(lua_State *L);

/* Pushes a request object for the running request. May raise for want of memory. */
void oh__policy_push_request(lua_State *L);

/* The i-th field of the request object; name NULL past the end. */
struct oh__policy_field oh__policy_field(unsigned i);

/* The verdict at a stack index, or NULL when it is something else. */
const struct oh__policy_verdict_object *oh__policy_verdict_at(lua_State *L, int i);

/*
 * Checks the verdict on top of the stack for a point and writes it into the
 * result; raises with a reason when it is not right. Texts go into the arena.
 */
void oh__policy_read_verdict(lua_State *L, enum oh__policy_point point, struct oh_arena *arena,
                             struct oh__policy_result *result);

/* The policy whose function is running; raises when none is. */
struct oh__policy_lua *oh__policy_running(lua_State *L, const char *what);

/* Hands a line to the process's log; control characters must be gone. */
void oh__policy_shared_log(struct oh__policy_shared *shared, struct oh_span text);

enum oh__shared_kind {
    OH__SHARED_NONE,
    OH__SHARED_NUMBER,
    OH__SHARED_INTEGER,
    OH__SHARED_TRUE,
    OH__SHARED_FALSE,
    OH__SHARED_TEXT
};

#define OH__SHARED_KEY_MAX  256
#define OH__SHARED_TEXT_MAX 1024

struct oh__shared_value {
    enum oh__shared_kind kind;
    double number;
    int64_t integer;
    size_t n;
    char text[OH__SHARED_TEXT_MAX]; /* n bytes, not terminated */
};

/* Copies the value of a key; kind NONE when there is none or it has expired. */
void oh__shared_get(struct oh__policy_shared *shared, struct oh_span key,
                    struct oh__shared_value *out);

/* Sets a key, for life ns from now (0 = until it is evicted); kind NONE removes it. OH_OK or
 * OH_E_NOMEM. */
int oh__shared_set(struct oh__policy_shared *shared, struct oh_span key,
                   const struct oh__shared_value *value, uint64_t life);

/*
 * Adds to a counter and gives its new value in one step; a key that is absent,
 * expired or no counter starts at 0 and lives window ns from then. OH_OK or OH_E_NOMEM.
 */
int oh__shared_count(struct oh__policy_shared *shared, struct oh_span key, int64_t by,
                     uint64_t window, int64_t *out);

#endif
