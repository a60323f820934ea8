/*
 * The string and table functions that a policy could make expensive with one
 * cheap call. They do what Lua's manual says (6.4 and 6.6), within bounds:
 * patterns are matched by the metered matcher against at most 8 KiB, repetition
 * is refused before it is begun, and walks over tables charge their length.
 */
#include "host/config_sandbox.h"

#include <lauxlib.h>

#include "host/config_pattern.h"

#define PATTERN_MAX 1024
#define CONCAT_MAX  65536 /* elements */
#define SORT_MAX    4096  /* each comparison may walk two long texts */

/* A text argument. */
static struct oh_span text_arg(lua_State *L, int i)
{
    struct oh_span s;

    s.p = luaL_checklstring(L, i, &s.n);
    return s;
}

/* Lua's "init" argument as an offset; beyond the end it is n + 1. */
static size_t start_arg(lua_State *L, int i, size_t n)
{
    lua_Integer at = luaL_optinteger(L, i, 1);

    if (at > 0)
        return (size_t)at - 1 <= n ? (size_t)at - 1 : n + 1;
    if (at == 0 || -(lua_Unsigned)at > n)
        return 0;
    return n - (size_t)-at;
}

/* Prepares a matcher; raises for a subject or pattern beyond the bounds. */
static bool match_init(lua_State *L, struct oh__match *m, struct oh_span subject,
                       struct oh_span pattern)
{
    bool anchored = pattern.n && pattern.p[0] == '^';

    if (subject.n > OH__SANDBOX_SUBJECT_MAX)
        luaL_error(L, "text of %I bytes is too long for a pattern (limit %d)",
                   (LUAI_UACINT)subject.n, (int)OH__SANDBOX_SUBJECT_MAX);
    if (pattern.n > PATTERN_MAX)
        luaL_error(L, "pattern longer than %d bytes", PATTERN_MAX);
    memset(m, 0, sizeof(*m));
    m->subject = subject;
    m->pattern = oh_span_from(pattern, anchored ? 1 : 0);
    return anchored;
}

/* One attempt; raises when the pattern is wrong or the budget is over. */
static bool match(lua_State *L, struct oh__match *m, size_t at)
{
    enum oh__match_result r;

    m->steps = oh__sandbox_of(L)->steps;
    m->used = 0;
    r = oh__match_at(m, at);
    if (r == OH__MATCH_BAD)
        luaL_error(L, "%s", m->error);
    oh__sandbox_charge(L, (size_t)m->used + (r == OH__MATCH_STOPPED ? 1 : 0));
    return r == OH__MATCH_YES;
}

/* Pushes capture i, or the whole match for the first when there are none. */
static void push_capture(lua_State *L, const struct oh__match *m, unsigned i, const char *start)
{
    if (i >= m->captures_n) {
        if (i != 0)
            luaL_error(L, "invalid capture index %%%d", (int)i + 1);
        lua_pushlstring(L, start, (size_t)(m->end - start));
    } else if (m->captures[i].n == OH__CAPTURE_POSITION) {
        lua_pushinteger(L, m->captures[i].p - m->subject.p + 1);
    } else {
        lua_pushlstring(L, m->captures[i].p, (size_t)m->captures[i].n);
    }
}

/* Pushes all captures; the whole match instead when there are none and it is wanted. */
static int push_captures(lua_State *L, const struct oh__match *m, const char *start, bool whole)
{
    unsigned n = m->captures_n == 0 && whole ? 1 : m->captures_n;

    luaL_checkstack(L, (int)n, "too many captures");
    for (unsigned i = 0; i < n; i++)
        push_capture(L, m, i, start);
    return (int)n;
}

/* Where a plain text stands at or behind an offset, or -1. */
static ptrdiff_t plain_find(lua_State *L, struct oh_span s, struct oh_span what, size_t at)
{
    oh__sandbox_charge(L, (s.n - at) / 64);
    while (what.n <= s.n - at) {
        const char *p = what.n ? memchr(s.p + at, what.p[0], s.n - at - what.n + 1) : s.p + at;

        if (!p || memcmp(p, what.p, what.n) == 0)
            return p ? p - s.p : -1;
        oh__sandbox_charge(L, 1 + what.n / 64);
        at = (size_t)(p - s.p) + 1;
    }
    return -1;
}

/* A pattern without any of Lua's special characters is a plain text, even for a long subject. */
static bool is_plain(struct oh_span pattern)
{
    for (size_t i = 0; i < pattern.n; i++) {
        if (pattern.p[i] && strchr("^$*+?.([%-", pattern.p[i]))
            return false;
    }
    return true;
}

/* What find and match have in common: they differ in what they give back. */
static int find_or_match(lua_State *L, bool find)
{
    struct oh_span s = text_arg(L, 1), pattern = text_arg(L, 2);
    size_t at = start_arg(L, 3, s.n);
    struct oh__match m;
    bool anchored;

    if (at > s.n) {
        lua_pushnil(L);
        return 1;
    }
    if (find && (lua_toboolean(L, 4) || is_plain(pattern))) {
        ptrdiff_t found = plain_find(L, s, pattern, at);

        if (found < 0) {
            lua_pushnil(L);
            return 1;
        }
        lua_pushinteger(L, found + 1);
        lua_pushinteger(L, found + (ptrdiff_t)pattern.n);
        return 2;
    }
    anchored = match_init(L, &m, s, pattern);
    for (; at <= s.n; at++) {
        if (match(L, &m, at)) {
            if (!find)
                return push_captures(L, &m, s.p + at, true);
            lua_pushinteger(L, (lua_Integer)at + 1);
            lua_pushinteger(L, m.end - s.p);
            return 2 + push_captures(L, &m, s.p + at, false);
        }
        if (anchored)
            break;
    }
    lua_pushnil(L);
    return 1;
}

/* string.find(s, pattern [, init [, plain]]). */
static int string_find(lua_State *L)
{
    return find_or_match(L, true);
}

/* string.match(s, pattern [, init]). */
static int string_match(lua_State *L)
{
    return find_or_match(L, false);
}

/* One round of gmatch. Upvalues: text, pattern, where to go on, end of the last match. */
static int gmatch_next(lua_State *L)
{
    struct oh_span s, pattern;
    struct oh__match m;
    lua_Integer last = lua_tointeger(L, lua_upvalueindex(4));

    s.p = lua_tolstring(L, lua_upvalueindex(1), &s.n);
    pattern.p = lua_tolstring(L, lua_upvalueindex(2), &pattern.n);
    match_init(L, &m, s, pattern);
    m.pattern = pattern; /* In gmatch a "^" is no anchor (Lua's manual, string.gmatch). */
    for (size_t at = (size_t)lua_tointeger(L, lua_upvalueindex(3)); at <= s.n; at++) {
        if (!match(L, &m, at) || m.end - s.p == last)
            continue;
        lua_pushinteger(L, m.end - s.p);
        lua_copy(L, -1, lua_upvalueindex(3));
        lua_replace(L, lua_upvalueindex(4));
        return push_captures(L, &m, s.p + at, true);
    }
    return 0;
}

/* string.gmatch(s, pattern [, init]). */
static int string_gmatch(lua_State *L)
{
    struct oh_span s = text_arg(L, 1);
    size_t at;

    text_arg(L, 2);
    at = start_arg(L, 3, s.n);
    lua_settop(L, 2);
    lua_pushinteger(L, (lua_Integer)at);
    lua_pushinteger(L, -1);
    lua_pushcclosure(L, gmatch_next, 4);
    return 1;
}

/* The replacement text of gsub: "%1" is a capture, "%0" the match, "%%" a percent sign. */
static void add_text(lua_State *L, luaL_Buffer *b, const struct oh__match *m, const char *start)
{
    struct oh_span with;

    with.p = lua_tolstring(L, 3, &with.n);
    oh__sandbox_charge(L, with.n / 64);
    for (size_t i = 0; i < with.n; i++) {
        char c = with.p[i];

        if (c != '%') {
            luaL_addchar(b, c);
            continue;
        }
        c = i + 1 < with.n ? with.p[++i] : 0;
        if (c == '%') {
            luaL_addchar(b, c);
        } else if (c == '0') {
            luaL_addlstring(b, start, (size_t)(m->end - start));
        } else if (c >= '1' && c <= '9') {
            push_capture(L, m, (unsigned)(c - '1'), start);
            luaL_tolstring(L, -1, NULL); /* A position is a number. */
            lua_remove(L, -2);
            luaL_addvalue(b);
        } else {
            luaL_error(L, "invalid use of '%%' in replacement string");
        }
    }
}

/* One replacement of gsub; false or nil out of a table or function keeps the text. */
static void add_value(lua_State *L, luaL_Buffer *b, const struct oh__match *m, const char *start)
{
    switch (lua_type(L, 3)) {
    case LUA_TFUNCTION:
        lua_pushvalue(L, 3);
        lua_call(L, push_captures(L, m, start, true), 1);
        break;
    case LUA_TTABLE:
        push_capture(L, m, 0, start);
        lua_gettable(L, 3);
        break;
    default: add_text(L, b, m, start); return;
    }
    if (!lua_toboolean(L, -1)) {
        lua_pop(L, 1);
        lua_pushlstring(L, start, (size_t)(m->end - start));
    } else if (!lua_isstring(L, -1)) {
        luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
    }
    luaL_addvalue(b);
}

/* string.gsub(s, pattern, replacement [, most]). */
static int string_gsub(lua_State *L)
{
    struct oh_span s = text_arg(L, 1), pattern = text_arg(L, 2);
    lua_Integer most = luaL_optinteger(L, 4, (lua_Integer)s.n + 1), n = 0;
    const char *last = NULL;
    struct oh__match m;
    bool anchored;
    luaL_Buffer b;
    size_t at = 0;

    if (!lua_isstring(L, 3) && !lua_istable(L, 3) && !lua_isfunction(L, 3))
        return luaL_typeerror(L, 3, "string/function/table");
    anchored = match_init(L, &m, s, pattern);
    if (lua_isnumber(L, 3))
        lua_tostring(L, 3);
    luaL_buffinit(L, &b);
    while (n < most) {
        bool yes = match(L, &m, at);

        if (yes && m.end != last) {
            n++;
            add_value(L, &b, &m, s.p + at);
            last = m.end;
            at = (size_t)(m.end - s.p);
        } else if (at < s.n) {
            luaL_addchar(&b, s.p[at++]);
        } else {
            break;
        }
        if (anchored)
            break;
    }
    luaL_addlstring(&b, s.p + at, s.n - at);
    luaL_pushresult(&b);
    lua_pushinteger(L, n);
    return 2;
}

/* string.rep(s, n [, separator]): the length is known before, so it is checked before. */
static int string_rep(lua_State *L)
{
    struct oh_span s = text_arg(L, 1), separator = {"", 0};
    lua_Integer n = luaL_checkinteger(L, 2);
    luaL_Buffer b;

    if (!lua_isnoneornil(L, 3))
        separator = text_arg(L, 3);
    if (n > 0 && s.n + separator.n > 0 &&
        (lua_Unsigned)n > OH__SANDBOX_STRING_MAX / (s.n + separator.n))
        return luaL_error(L, "string.rep: the result would be longer than %d bytes",
                          (int)OH__SANDBOX_STRING_MAX);
    if (s.n + separator.n == 0)
        n = 0;
    oh__sandbox_charge(L, n > 0 ? (size_t)n : 0);
    luaL_buffinit(L, &b);
    for (lua_Integer i = 0; i < n; i++) {
        if (i)
            luaL_addlstring(&b, separator.p, separator.n);
        luaL_addlstring(&b, s.p, s.n);
    }
    luaL_pushresult(&b);
    return 1;
}

void oh__sandbox_open_strings(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"find", string_find}, {"match", string_match}, {"gmatch", string_gmatch},
        {"gsub", string_gsub}, {"rep", string_rep},     {NULL, NULL},
    };

    luaL_setfuncs(L, functions, 0);
}

/* The elements of the table argument, checked against a bound and charged. */
static lua_Integer table_arg(lua_State *L, lua_Unsigned most, size_t per_element)
{
    lua_Unsigned n;

    luaL_checktype(L, 1, LUA_TTABLE);
    n = lua_rawlen(L, 1);
    if (n > most)
        luaL_error(L, "a table of %I elements is too long here (limit %I)", (LUAI_UACINT)n,
                   (LUAI_UACINT)most);
    oh__sandbox_charge(L, (size_t)n * per_element);
    return (lua_Integer)n;
}

/* Calls Lua's own function, which is the first upvalue, with the same arguments. */
static int forward(lua_State *L)
{
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
    return lua_gettop(L);
}

/* table.sort(t [, less]): metered as if the comparison were Lua's own. */
static int table_sort(lua_State *L)
{
    /* Comparisons: n log n, at most 16 for each element. */
    table_arg(L, SORT_MAX, 16);
    return forward(L);
}

/* table.concat(t [, separator [, from [, to]]]). */
static int table_concat(lua_State *L)
{
    lua_Integer from = luaL_optinteger(L, 3, 1), to;

    to = luaL_optinteger(L, 4, table_arg(L, CONCAT_MAX, 1));
    if (to >= from && (lua_Unsigned)to - (lua_Unsigned)from >= CONCAT_MAX)
        return luaL_error(L, "table.concat of more than %d elements", CONCAT_MAX);
    return forward(L);
}

/* insert and remove shift what lies behind the position. */
static int table_shift(lua_State *L)
{
    lua_Integer n = table_arg(L, LUA_MAXINTEGER, 0);
    bool positioned = lua_toboolean(L, lua_upvalueindex(2)) ? lua_gettop(L) > 2 : lua_gettop(L) > 1;
    lua_Integer at = positioned ? luaL_optinteger(L, 2, n) : n;

    if (at > 0 && at < n)
        oh__sandbox_charge(L, (size_t)(n - at));
    return forward(L);
}

/* table.unpack(t [, from [, to]]): what comes out lies on the stack, so it is bounded. */
static int table_unpack(lua_State *L)
{
    lua_Integer from = luaL_optinteger(L, 2, 1), to = luaL_opt(L, luaL_checkinteger, 3, -1);

    if (lua_isnoneornil(L, 3))
        to = table_arg(L, LUA_MAXINTEGER, 0);
    if (to >= from && (lua_Unsigned)to - (lua_Unsigned)from >= 250)
        return luaL_error(L, "unpack of more than 250 elements");
    return forward(L);
}

/* Puts a guard in front of a function of the full table library, which is at index `from`. */
static void guard(lua_State *L, int from, const char *name, lua_CFunction function, bool flag)
{
    lua_getfield(L, from, name);
    lua_pushboolean(L, flag);
    lua_pushcclosure(L, function, 2);
    lua_setfield(L, -2, name);
}

void oh__sandbox_open_tables(lua_State *L)
{
    int from;

    lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_getfield(L, -1, "table");
    lua_remove(L, -2);
    lua_insert(L, -2);
    from = lua_gettop(L) - 1;
    guard(L, from, "sort", table_sort, false);
    guard(L, from, "concat", table_concat, false);
    guard(L, from, "insert", table_shift, true);
    guard(L, from, "remove", table_shift, false);
    guard(L, from, "unpack", table_unpack, false);
    lua_remove(L, from);
}
