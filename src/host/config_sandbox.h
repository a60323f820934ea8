/*
 * A Lua state that can harm nobody: no files, no processes, no loading of
 * code; bounded in instructions, in memory, and in the work that single
 * library calls do. What it costs is paid by the policy that asks for it.
 */
#ifndef OH_HOST_CONFIG_SANDBOX_H
#define OH_HOST_CONFIG_SANDBOX_H

#include <lua.h>

#include <offhook/span.h>

#define OH__SANDBOX_STRING_MAX  (256u << 10) /* bytes of one string */
#define OH__SANDBOX_BLOCK_MAX   (4u << 20)   /* bytes of one block: about 100,000 keys in a table */
#define OH__SANDBOX_SUBJECT_MAX (8u << 10)   /* bytes that a pattern may be matched against */

struct oh__sandbox {
    lua_State *L;
    size_t held, held_max;    /* bytes of memory */
    size_t churn, churn_max;  /* bytes allocated since the budget was filled; freed ones too */
    int64_t steps, steps_max; /* instructions left, and what the budget was */
    size_t big;               /* the largest block so far; next() may have to walk one */
    bool spent;               /* the budget is over: every protected call raises again */
    int env;                  /* registry reference of the environment of all chunks */
    int builtins;             /* ... of the names that cannot be set */
    int globals;              /* ... of what the text has set */
    void *loader;             /* struct oh__loader: include, file, env, globals */
    void *policy;             /* struct oh__policy_lua of a worker, else NULL */
};

/*
 * Opens a state with the safe base functions, string, table, math and utf8.
 * NULL when memory is short. Nothing runs before the budget is filled.
 */
struct oh__sandbox *oh__sandbox_new(size_t memory_max);

/* Ends it. NULL is ignored. */
void oh__sandbox_free(struct oh__sandbox *sb);

/* The sandbox of a state. */
struct oh__sandbox *oh__sandbox_of(lua_State *L);

/* Fills the budget for one run: so many instructions, and memory to go through in proportion. */
void oh__sandbox_budget(struct oh__sandbox *sb, int64_t steps);

/*
 * Charges work that one library call does: about as many units as instructions
 * would take the same time. Raises when the budget is over.
 */
void oh__sandbox_charge(lua_State *L, size_t units);

/*
 * Calls the function below its arguments on the stack. OH_OK; OH_E_LIMIT when
 * the budget or memory is over; OH_E_STATE for another error. On failure the
 * error is on top of the stack, for oh__sandbox_error.
 */
int oh__sandbox_call(struct oh__sandbox *sb, int args, int results);

/* The text of the error on top of the stack; valid while it is there, never NULL. */
const char *oh__sandbox_error(struct oh__sandbox *sb);

/*
 * Compiles a text (never byte code) with the sandbox's environment and leaves
 * it on the stack. OH_OK; OH_E_SYNTAX or OH_E_NOMEM with the error on the stack.
 */
int oh__sandbox_compile(struct oh__sandbox *sb, struct oh_span text, const char *chunk_name);

/* Adds a function or value from the top of the stack to the built-in names, and pops it. */
void oh__sandbox_offer(struct oh__sandbox *sb, const char *name);

/* Replaces the functions of the string table whose work grows faster than their input. */
void oh__sandbox_open_strings(lua_State *L);

/* Replaces the functions of the table library that walk whole tables. */
void oh__sandbox_open_tables(lua_State *L);

#endif
