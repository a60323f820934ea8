/*
 * The sandbox. Three meters run at once, because each alone has a way round:
 *
 * Instructions are counted by a hook every STEP instructions. When they are
 * over, the hook fires at every single instruction, so a protected call that
 * swallowed the error raises the next one before it gets anywhere; pcall
 * itself hands the error on, too.
 *
 * Memory is counted by the allocator: what is held, how large one string and
 * one block may be, and how much goes through in one run. The last is what
 * stops a loop that joins long strings: an instruction each, but a copy of
 * 64 KiB. A refused block costs steps, since Lua collects all garbage before
 * it gives up.
 *
 * Library functions that walk long strings or tables charge what they walk.
 *
 * Chunks see an environment that is always empty: reads fall through to the
 * built-in names and then to what the text has set; writes come to a function
 * of the loader. So a built-in cannot be replaced, and a global is a setting.
 */
#include "host/config_sandbox.h"

#include <lauxlib.h>
#include <lualib.h>

#include <offhook/alloc.h>
#include <offhook/error.h>

#define STEP           1000
#define REFUSED_COST   10000 /* steps for one refused block */
#define WALK_PER_STEP  2048  /* bytes of a table that are walked in the time of one step */
#define CHURN_PER_STEP 640   /* bytes that may go through per step of the budget */

static void out_of_steps(lua_State *L, struct oh__sandbox *sb, int level);

/* Lua tells the kind of a new object in old_size when there is no old block. */
static bool is_refused(const struct oh__sandbox *sb, bool fresh, size_t old_size, size_t new_size)
{
    size_t old = fresh ? 0 : old_size;

    if (new_size <= old)
        return false; /* shrinking must never fail */
    if (fresh && old_size == LUA_TSTRING && new_size > OH__SANDBOX_STRING_MAX)
        return true;
    return new_size > OH__SANDBOX_BLOCK_MAX || new_size - old > sb->held_max - sb->held ||
           sb->churn > sb->churn_max;
}

/* The allocator of a state, as lua_Alloc asks for it; where memory is metered. */
static void *sandbox_alloc(void *ud, void *ptr, size_t old_size, size_t new_size)
{
    struct oh__sandbox *sb = ud;
    const struct oh_alloc *heap = oh_alloc_default();
    size_t old = ptr ? old_size : 0;
    void *p;

    if (new_size == 0) {
        oh_free(heap, ptr, old);
        sb->held -= old;
        return NULL;
    }
    if (is_refused(sb, !ptr, old_size, new_size)) {
        sb->steps -= REFUSED_COST;
        return NULL;
    }
    p = ptr ? oh_realloc(heap, ptr, old, new_size) : oh_alloc(heap, new_size);
    if (!p)
        return NULL;
    sb->held = sb->held - old + new_size;
    if (new_size > old)
        sb->churn += new_size;
    if (new_size > sb->big)
        sb->big = new_size;
    return p;
}

/* Runs every STEP instructions, and at every one when the budget is over. */
static void count_hook(lua_State *L, lua_Debug *ar)
{
    struct oh__sandbox *sb = oh__sandbox_of(L);

    (void)ar;
    sb->steps -= sb->spent ? 0 : STEP;
    if (sb->steps <= 0 || sb->churn > sb->churn_max)
        out_of_steps(L, sb, 0);
}

/* luaL_where with a level of ours: a hook is no function, so it sees the text at level 0. */
static void out_of_steps(lua_State *L, struct oh__sandbox *sb, int level)
{
    sb->spent = true;
    lua_sethook(L, count_hook, LUA_MASKCOUNT, 1);
    luaL_where(L, level);
    lua_pushfstring(L, "stopped after its budget of %I steps", (LUAI_UACINT)sb->steps_max);
    lua_concat(L, 2);
    lua_error(L);
}

struct oh__sandbox *oh__sandbox_of(lua_State *L)
{
    struct oh__sandbox *sb;

    memcpy(&sb, lua_getextraspace(L), sizeof(sb));
    return sb;
}

void oh__sandbox_budget(struct oh__sandbox *sb, int64_t steps)
{
    sb->steps = sb->steps_max = steps;
    sb->churn = 0;
    sb->churn_max = OH__SANDBOX_BLOCK_MAX + (size_t)steps * CHURN_PER_STEP;
    sb->spent = false;
    lua_sethook(sb->L, count_hook, LUA_MASKCOUNT, STEP);
}

void oh__sandbox_charge(lua_State *L, size_t units)
{
    struct oh__sandbox *sb = oh__sandbox_of(L);

    sb->steps -= units < INT32_MAX ? (int64_t)units : INT32_MAX;
    if (sb->steps <= 0)
        out_of_steps(L, sb, 1);
}

/* pcall, but what the budget stopped stays stopped. */
static int safe_pcall(lua_State *L)
{
    struct oh__sandbox *sb = oh__sandbox_of(L);

    luaL_checkany(L, 1);
    lua_pushboolean(L, 1);
    lua_insert(L, 1);
    if (lua_pcall(L, lua_gettop(L) - 2, LUA_MULTRET, 0) == LUA_OK)
        return lua_gettop(L);
    if (sb->spent)
        return lua_error(L);
    if (sb->steps <= 0)
        out_of_steps(L, sb, 1);
    lua_pushboolean(L, 0);
    lua_insert(L, -2);
    return 2;
}

/*
 * next, but a table that was large and is empty now costs what walking it may
 * cost: nothing for ordinary tables, since no block is that large.
 */
static int safe_next(lua_State *L)
{
    oh__sandbox_charge(L, oh__sandbox_of(L)->big / WALK_PER_STEP);
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 2);
    if (lua_next(L, 1))
        return 2;
    lua_pushnil(L);
    return 1;
}

/* pairs with the metered next; there are no metatables that could say otherwise. */
static int safe_pairs(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_pushcfunction(L, safe_next);
    lua_pushvalue(L, 1);
    lua_pushnil(L);
    return 3;
}

/* Copies the named fields of the table on top of the stack into a new one, which replaces it. */
static void keep_only(lua_State *L, const char *const *names)
{
    lua_newtable(L);
    for (; *names; names++) {
        lua_getfield(L, -2, *names);
        lua_setfield(L, -2, *names);
    }
    lua_remove(L, -2);
}

/* Strings find their methods through a metatable: it must lead to our table, not to Lua's. */
static void open_string(lua_State *L)
{
    static const char *const names[] = {"byte", "char",  "format",  "len", "lower",
                                        "sub",  "upper", "reverse", NULL};

    luaL_requiref(L, "string", luaopen_string, 0);
    keep_only(L, names);
    oh__sandbox_open_strings(L);
    lua_pushliteral(L, "");
    lua_getmetatable(L, -1);
    lua_pushvalue(L, -3);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 2);
}

/* The base functions that neither read files nor touch metatables. */
static void open_base(lua_State *L)
{
    static const char *const names[] = {"assert",   "error",    "ipairs", "select",
                                        "tonumber", "tostring", "type",   NULL};

    static const luaL_Reg guarded[] = {
        {"pcall", safe_pcall}, {"next", safe_next}, {"pairs", safe_pairs}, {NULL, NULL}};

    luaL_requiref(L, "_G", luaopen_base, 0);
    keep_only(L, names);
    luaL_setfuncs(L, guarded, 0);
}

/* Makes `inner` the place where reads of the table below it on the stack fall through to. */
static void chain(lua_State *L, int table, int inner)
{
    lua_newtable(L);
    lua_pushvalue(L, inner);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, table);
}

/* Builds the three tables that chunks see; runs in protected mode for want of memory. */
static int open_all(lua_State *L)
{
    static const char *const tables[] = {"pack", NULL};
    struct oh__sandbox *sb = oh__sandbox_of(L);

    open_base(L); /* 1: the built-in names */
    open_string(L);
    lua_setfield(L, 1, "string");
    luaL_requiref(L, "table", luaopen_table, 0);
    keep_only(L, tables);
    oh__sandbox_open_tables(L);
    lua_getfield(L, -1, "unpack");
    lua_setfield(L, 1, "unpack");
    lua_setfield(L, 1, "table");
    luaL_requiref(L, "math", luaopen_math, 0);
    lua_setfield(L, 1, "math");
    luaL_requiref(L, "utf8", luaopen_utf8, 0);
    lua_setfield(L, 1, "utf8");

    lua_newtable(L); /* 2: what the text sets */
    lua_newtable(L); /* 3: the environment, always empty */
    chain(L, 1, 2);
    chain(L, 3, 1);
    /* What the libraries left behind must not be found by anybody. */
    lua_pushnil(L);
    lua_setfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    sb->env = luaL_ref(L, LUA_REGISTRYINDEX);
    sb->globals = luaL_ref(L, LUA_REGISTRYINDEX);
    sb->builtins = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

struct oh__sandbox *oh__sandbox_new(size_t memory_max)
{
    struct oh__sandbox *sb = oh_alloc_zero(oh_alloc_default(), 1, sizeof(*sb));

    if (!sb)
        return NULL;
    sb->held_max = memory_max;
    sb->churn_max = memory_max;
    sb->L = lua_newstate(sandbox_alloc, sb);
    if (!sb->L)
        goto fail;
    memcpy(lua_getextraspace(sb->L), &sb, sizeof(sb));
    lua_pushcfunction(sb->L, open_all);
    if (lua_pcall(sb->L, 0, 0, 0) != LUA_OK)
        goto fail;
    return sb;
fail:
    oh__sandbox_free(sb);
    return NULL;
}

void oh__sandbox_free(struct oh__sandbox *sb)
{
    if (!sb)
        return;
    if (sb->L)
        lua_close(sb->L);
    oh_free(oh_alloc_default(), sb, sizeof(*sb));
}

void oh__sandbox_offer(struct oh__sandbox *sb, const char *name)
{
    lua_rawgeti(sb->L, LUA_REGISTRYINDEX, sb->builtins);
    lua_insert(sb->L, -2);
    lua_pushstring(sb->L, name);
    lua_insert(sb->L, -2);
    lua_rawset(sb->L, -3);
    lua_pop(sb->L, 1);
}

/* Errors may be any value; people want a text. */
static int message_of(lua_State *L)
{
    if (lua_type(L, 1) != LUA_TSTRING)
        lua_pushfstring(L, "an error that is a %s, not a text", luaL_typename(L, 1));
    return 1;
}

int oh__sandbox_call(struct oh__sandbox *sb, int args, int results)
{
    lua_State *L = sb->L;
    int base = lua_gettop(L) - args;
    int status;

    lua_pushcfunction(L, message_of);
    lua_insert(L, base);
    status = lua_pcall(L, args, results, base);
    lua_remove(L, base);
    lua_sethook(L, NULL, 0, 0);
    if (status == LUA_OK)
        return OH_OK;
    return sb->spent || status == LUA_ERRMEM ? OH_E_LIMIT : OH_E_STATE;
}

const char *oh__sandbox_error(struct oh__sandbox *sb)
{
    /* Nothing may be converted or pushed here: outside of protected mode that could end the
     * process. */
    return lua_type(sb->L, -1) == LUA_TSTRING ? lua_tostring(sb->L, -1)
                                              : "failed while it reported an error";
}

int oh__sandbox_compile(struct oh__sandbox *sb, struct oh_span text, const char *chunk_name)
{
    lua_State *L = sb->L;
    int status = luaL_loadbufferx(L, text.p ? text.p : "", text.n, chunk_name, "t");

    if (status != LUA_OK)
        return status == LUA_ERRMEM ? OH_E_NOMEM : OH_E_SYNTAX;
    lua_rawgeti(L, LUA_REGISTRYINDEX, sb->env);
    lua_setupvalue(L, -2, 1);
    return OH_OK;
}
