/*
 * A worker's policy: a Lua state that has run the snapshot's text once, and
 * then answers requests one at a time. A run has a fresh budget; whatever goes
 * wrong in it is that request's failure, told with file and line, and the next
 * run starts clean.
 */
#include "host/config_policy.h"

#include <lauxlib.h>

#include "host/config_sandbox.h"

#define LOAD_STEPS 20000000
#define LOG_LINES  8   /* that one run may write */
#define LOG_COST   200 /* steps for one of them */
#define LOG_BYTES  512

struct oh__policy_lua *oh__policy_running(lua_State *L, const char *what)
{
    struct oh__policy_lua *p = oh__sandbox_of(L)->policy;

    if (!p || !p->request)
        luaL_error(L, "%s is only there while a policy function runs", what);
    return p;
}

/* log(...): its arguments as one line. Outside of a run it does nothing, so that a check is quiet.
 */
static int policy_log(lua_State *L)
{
    struct oh__policy_lua *p = oh__sandbox_of(L)->policy;
    char text[LOG_BYTES];
    struct oh_buf b;
    int n = lua_gettop(L);

    oh__sandbox_charge(L, LOG_COST);
    if (!p || !p->request || p->log_lines == 0)
        return 0;
    p->log_lines--;
    oh_buf_init(&b, text, sizeof(text));
    for (int i = 1; i <= n; i++) {
        struct oh_span s;

        s.p = luaL_tolstring(L, i, &s.n);
        if (i > 1)
            oh_buf_char(&b, ' ');
        oh_buf_span(&b, oh_span_head(s, b.cap - b.n));
        lua_pop(L, 1);
    }
    /* Strangers write parts of this: one line stays one line. */
    for (size_t i = 0; i < b.n; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            text[i] = '?';
    }
    oh__policy_shared_log(p->shared, oh_buf_view(&b));
    return 0;
}

void oh__policy_offer(struct oh__sandbox *sb)
{
    oh__policy_open_request(sb->L);
    oh__policy_open_verdicts(sb);
    oh__policy_offer_shared(sb);
    lua_pushcfunction(sb->L, policy_log);
    oh__sandbox_offer(sb, "log");
}

/* One run, in protected mode. The argument is a light pointer to this. */
struct run {
    enum oh__policy_point point;
    struct oh_arena *arena;
    struct oh__policy_result *result;
};

/* Looks the function up, calls it and reads its verdict; any of it may raise. */
static int run_protected(lua_State *L)
{
    struct run *run = lua_touserdata(L, 1);
    struct oh__sandbox *sb = oh__sandbox_of(L);
    const char *name = oh__schema_function(run->point).name;

    lua_rawgeti(L, LUA_REGISTRYINDEX, sb->globals);
    lua_pushstring(L, name);
    lua_rawget(L, -2);
    if (lua_isnil(L, -1))
        return 0;
    oh__policy_push_request(L);
    lua_call(L, 1, 1);
    if (lua_isnil(L, -1))
        return 0;
    if (!oh__policy_verdict_at(L, -1))
        return luaL_error(L, "%s returned a %s; return reply{...}, route{...} or nothing", name,
                          luaL_typename(L, -1));
    oh__policy_read_verdict(L, run->point, run->arena, run->result);
    return 0;
}

/* Writes why a run failed: "on_call: office.lua:12: attempt to ...". */
static void put_failure(struct oh__policy_lua *p, const struct run *run)
{
    const char *message = oh__sandbox_error(p->sandbox);
    char text[320];
    int n;

    /* Lua has no room for more than these words, and no place. */
    if (strcmp(message, "not enough memory") == 0)
        message = "not enough memory: more than limits.policy_memory, or a text above 64 KiB";
    n = snprintf(text, sizeof(text), "%s: %s", oh__schema_function(run->point).name, message);

    if (n < 0)
        n = 0;
    if ((size_t)n >= sizeof(text))
        n = sizeof(text) - 1;
    for (int i = 0; i < n; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            text[i] = '?';
    }
    run->result->why = oh_arena_copy(run->arena, oh_span(text, (size_t)n));
}

/* The run function of struct oh__policy: a budget, a call, and a clean stack again. */
static int policy_run(void *ctx, enum oh__policy_point point,
                      const struct oh__policy_request *request, struct oh_arena *arena,
                      struct oh__policy_result *result)
{
    struct oh__policy_lua *p = ctx;
    struct run run = {point, arena, result};
    lua_State *L = p->sandbox->L;
    int e;

    memset(result, 0, sizeof(*result));
    p->request = request;
    p->run++;
    p->log_lines = LOG_LINES;
    oh__sandbox_budget(p->sandbox, p->config->process.policy_steps);
    lua_pushcfunction(L, run_protected);
    lua_pushlightuserdata(L, &run);
    e = oh__sandbox_call(p->sandbox, 1, 0);
    p->request = NULL;
    if (e != OH_OK) {
        memset(result, 0, sizeof(*result));
        put_failure(p, &run);
    }
    lua_settop(L, 0);
    return e;
}

int oh__policy_lua_new(const struct oh__config *config, struct oh__policy_shared *shared,
                       struct oh__policy **out)
{
    const struct oh__settings *s = &config->settings;
    struct oh__policy_lua *p;
    int e;

    if (!s->has_on_call && !s->has_on_request && !s->has_on_register) {
        *out = NULL;
        return OH_OK;
    }
    p = oh_alloc_zero(oh_alloc_default(), 1, sizeof(*p));
    if (!p)
        return OH_E_NOMEM;
    p->policy = (struct oh__policy){p, policy_run};
    p->config = oh__config_ref(config);
    p->shared = shared;
    p->sandbox = oh__sandbox_new(config->process.policy_memory);
    /* A replay reads what the snapshot holds and changes nothing in it. */
    p->loader = (struct oh__loader){
        .config = (struct oh__config *)(uintptr_t)config, .sandbox = p->sandbox, .replay = true};
    e = p->sandbox ? OH_OK : OH_E_NOMEM;
    if (e == OH_OK) {
        oh__sandbox_budget(p->sandbox, LOAD_STEPS);
        e = oh__loader_run(&p->loader);
    }
    if (e != OH_OK) {
        oh__policy_lua_free(&p->policy);
        return e == OH_E_NOMEM ? e : OH_E_STATE;
    }
    p->sandbox->policy = p;
    *out = &p->policy;
    return OH_OK;
}

void oh__policy_lua_free(struct oh__policy *policy)
{
    struct oh__policy_lua *p = (struct oh__policy_lua *)policy;

    if (!p)
        return;
    oh__sandbox_free(p->sandbox);
    oh__config_unref(p->config);
    oh_free(oh_alloc_default(), p, sizeof(*p));
}

size_t oh__policy_lua_memory(const struct oh__policy *policy)
{
    return ((const struct oh__policy_lua *)policy)->sandbox->held;
}
