/*
 * `shared` as policies see it:
 *
 *     shared.count("calls:" .. r.source, "1 min")      adds one, gives the count
 *     shared.set("night", true, "8 h")
 *     shared.get("night")
 *     shared.delete("night")
 */
#include <lauxlib.h>

#include "host/config_policy.h"
#include "host/config_sandbox.h"

#define COST 50 /* steps of one call: a lock and a look-up */

/* Charges the call and finds the table; raises outside of a policy function. */
static struct oh__policy_shared *shared_of(lua_State *L, const char *what)
{
    oh__sandbox_charge(L, COST);
    return oh__policy_running(L, what)->shared;
}

/* A key is any text of 1 to 256 bytes, NULs included. */
static struct oh_span key_arg(lua_State *L)
{
    struct oh_span key;

    key.p = luaL_checklstring(L, 1, &key.n);
    luaL_argcheck(L, key.n > 0 && key.n <= OH__SHARED_KEY_MAX, 1, "a key has 1 to 256 bytes");
    return key;
}

/* "1 min" or a number of seconds; absent is 0. */
static uint64_t time_arg(lua_State *L, int i)
{
    struct oh_span s;
    uint64_t ns = 0;

    if (lua_isnoneornil(L, i))
        return 0;
    s.p = luaL_checklstring(L, i, &s.n);
    if (oh__config_duration(s, &ns) != OH_OK || ns == 0)
        luaL_argerror(L, i, "must be a time such as \"30 s\" or \"5 min\"");
    return ns;
}

/* shared.get(key). */
static int shared_get(lua_State *L)
{
    struct oh__policy_shared *sh = shared_of(L, "shared.get");
    struct oh__shared_value v;

    oh__shared_get(sh, key_arg(L), &v);
    switch (v.kind) {
    case OH__SHARED_NUMBER: lua_pushnumber(L, v.number); break;
    case OH__SHARED_INTEGER: lua_pushinteger(L, v.integer); break;
    case OH__SHARED_TRUE: lua_pushboolean(L, 1); break;
    case OH__SHARED_FALSE: lua_pushboolean(L, 0); break;
    case OH__SHARED_TEXT: lua_pushlstring(L, v.text, v.n); break;
    default: lua_pushnil(L); break;
    }
    return 1;
}

/* Reads the value argument; only plain values can cross from one worker to another. */
static void value_arg(lua_State *L, int i, struct oh__shared_value *v)
{
    const char *text;

    switch (lua_type(L, i)) {
    case LUA_TNIL: v->kind = OH__SHARED_NONE; return;
    case LUA_TBOOLEAN: v->kind = lua_toboolean(L, i) ? OH__SHARED_TRUE : OH__SHARED_FALSE; return;
    case LUA_TNUMBER:
        v->kind = lua_isinteger(L, i) ? OH__SHARED_INTEGER : OH__SHARED_NUMBER;
        v->integer = lua_tointeger(L, i);
        v->number = lua_tonumber(L, i);
        return;
    case LUA_TSTRING:
        v->kind = OH__SHARED_TEXT;
        text = lua_tolstring(L, i, &v->n);
        luaL_argcheck(L, v->n <= OH__SHARED_TEXT_MAX, i, "a text has at most 1024 bytes");
        memcpy(v->text, text, v->n);
        return;
    default: luaL_typeerror(L, i, "text, number, boolean or nil");
    }
}

/* shared.set(key, value [, time]). */
static int shared_set(lua_State *L)
{
    struct oh__policy_shared *sh = shared_of(L, "shared.set");
    struct oh__shared_value v = {.kind = OH__SHARED_NONE};
    struct oh_span key = key_arg(L);

    luaL_checkany(L, 2);
    value_arg(L, 2, &v);
    if (oh__shared_set(sh, key, &v, time_arg(L, 3)) != OH_OK)
        return luaL_error(L, "not enough memory");
    return 0;
}

/* shared.count(key, time [, by]): in one step, so that no other worker comes between. */
static int shared_count(lua_State *L)
{
    struct oh__policy_shared *sh = shared_of(L, "shared.count");
    struct oh_span key = key_arg(L);
    uint64_t window = time_arg(L, 2);
    int64_t n = 0;

    luaL_argcheck(L, window > 0, 2, "must be a time such as \"30 s\" or \"5 min\"");
    if (oh__shared_count(sh, key, luaL_optinteger(L, 3, 1), window, &n) != OH_OK)
        return luaL_error(L, "not enough memory");
    lua_pushinteger(L, n);
    return 1;
}

/* shared.delete(key). */
static int shared_delete(lua_State *L)
{
    struct oh__policy_shared *sh = shared_of(L, "shared.delete");
    struct oh__shared_value none = {.kind = OH__SHARED_NONE};

    (void)oh__shared_set(sh, key_arg(L), &none, 0);
    return 0;
}

void oh__policy_offer_shared(struct oh__sandbox *sb)
{
    static const luaL_Reg functions[] = {{"get", shared_get},
                                         {"set", shared_set},
                                         {"count", shared_count},
                                         {"delete", shared_delete},
                                         {NULL, NULL}};

    luaL_newlib(sb->L, functions);
    oh__sandbox_offer(sb, "shared");
}
