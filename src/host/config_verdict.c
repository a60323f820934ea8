/*
 * reply{} and route{}: what a policy function returns, and how it is checked.
 * A verdict goes onto the wire, and its texts may come from strangers (a
 * policy that echoes a header), so nothing with a line end or a NUL passes,
 * URIs must parse, and rows that the protocol engine writes by itself are
 * refused: a second Via or Content-Length would be a way to smuggle.
 */
#include <lauxlib.h>

#include <offhook/address.h>
#include <offhook/status.h>

#include "host/config_policy.h"
#include "host/config_sandbox.h"
#include "sip/value.h"

#define VERDICT_TYPE "offhook.verdict"
#define ROWS_BYTES   8192 /* all rows of one verdict */
#define NAMES_MAX    64   /* different headers */
#define CONTACTS_MAX 32
#define BODY_MAX     16384
#define REASON_MAX   128

/* --- making verdicts ---------------------------------------------------- */

/* Wraps the table unread: whether it is right depends on the function that returns it. */
static int make_verdict(lua_State *L, enum oh__policy_verdict kind)
{
    struct oh__policy_verdict_object *o;
    lua_Debug ar;

    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    o = lua_newuserdatauv(L, sizeof(*o), 1);
    memset(o, 0, sizeof(*o));
    o->kind = kind;
    if (lua_getstack(L, 1, &ar) && lua_getinfo(L, "Sl", &ar)) {
        o->line = ar.currentline;
        memcpy(o->chunk, ar.short_src, sizeof(o->chunk));
    }
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 1);
    luaL_setmetatable(L, VERDICT_TYPE);
    return 1;
}

/* reply{...}. */
static int make_reply(lua_State *L)
{
    return make_verdict(L, OH__POLICY_REPLY);
}

/* route{...}. */
static int make_route(lua_State *L)
{
    return make_verdict(L, OH__POLICY_ROUTE);
}

void oh__policy_open_verdicts(struct oh__sandbox *sb)
{
    luaL_newmetatable(sb->L, VERDICT_TYPE);
    lua_pop(sb->L, 1);
    lua_pushcfunction(sb->L, make_reply);
    oh__sandbox_offer(sb, "reply");
    lua_pushcfunction(sb->L, make_route);
    oh__sandbox_offer(sb, "route");
}

const struct oh__policy_verdict_object *oh__policy_verdict_at(lua_State *L, int i)
{
    return luaL_testudata(L, i, VERDICT_TYPE);
}

/* --- pieces ------------------------------------------------------------- */

/* What is being built, and where it goes. */
struct building {
    lua_State *L;
    struct oh_arena *arena;
    const char *what; /* "reply" or "route" */
    bool route;
    struct oh_buf rows;
};

/* A text without line ends, NULs and other control characters; a tab is fine. */
static bool is_clean(struct oh_span s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

/* token of RFC 3261 25.1. */
static bool is_token(struct oh_span s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
              (c && strchr("-.!%*_+`'~", c))))
            return false;
    }
    return s.n > 0;
}

/* The text at the top of the stack, refused when it could break a line. */
static struct oh_span clean_text(struct building *b, const char *name)
{
    struct oh_span s;

    if (lua_type(b->L, -1) != LUA_TSTRING && lua_type(b->L, -1) != LUA_TNUMBER)
        luaL_error(b->L, "%s: %s must be a text, but is a %s", b->what, name,
                   luaL_typename(b->L, -1));
    s.p = lua_tolstring(b->L, -1, &s.n);
    if (!is_clean(s))
        luaL_error(b->L, "%s: %s holds a line end or another control character", b->what, name);
    return s;
}

/* Copies into the arena of the request, where results live. */
static struct oh_span keep(struct building *b, struct oh_span s)
{
    struct oh_span copy = oh_arena_copy(b->arena, s);

    if (!copy.p)
        luaL_error(b->L, "%s: not enough memory", b->what);
    return copy;
}

/* Checks a URI; inside of <> it must not end them. */
static struct oh_span check_uri(struct building *b, struct oh_span s, struct oh_uri *uri)
{
    struct oh_fault fault = {0};

    if (oh_uri_parse(s, uri, &fault) != OH_OK || oh_span_find(s, '>') >= 0 ||
        oh_span_find(s, '<') >= 0 || oh_span_find(s, '"') >= 0 || !is_clean(s)) {
        lua_pushlstring(b->L, s.p, s.n < 80 ? s.n : 80);
        luaL_error(b->L, "%s: '%s' is no URI%s%s", b->what, lua_tostring(b->L, -1),
                   fault.why ? ": " : "", fault.why ? fault.why : "");
    }
    return s;
}

/* The q of the table on top of the stack in thousandths; 1000 when it has none. */
static uint16_t get_q(struct building *b)
{
    double q = 1;

    if (lua_getfield(b->L, -1, "q") != LUA_TNIL) {
        q = lua_type(b->L, -1) == LUA_TNUMBER ? lua_tonumber(b->L, -1) : -1;
        if (!(q >= 0 && q <= 1))
            luaL_error(b->L, "%s: q must be a number from 0 to 1", b->what);
    }
    lua_pop(b->L, 1);
    return (uint16_t)(q * 1000 + 0.5);
}

/* Refuses keys of the table on top of the stack that nobody reads. */
static void check_keys(struct building *b, const char *const *known, lua_Integer elements)
{
    lua_State *L = b->L;

    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
        struct oh__suggestion best = {NULL, 0};
        bool ok = false;

        if (lua_type(L, -2) == LUA_TSTRING) {
            const char *key = lua_tostring(L, -2);

            for (unsigned i = 0; known[i]; i++) {
                ok = ok || strcmp(key, known[i]) == 0;
                oh__suggest(&best, oh_span_str(key), known[i]);
            }
            if (!ok && best.name)
                luaL_error(L, "%s: unknown field '%s': did you mean '%s'?", b->what, key,
                           best.name);
            if (!ok)
                luaL_error(L, "%s: unknown field '%s'", b->what, key);
        } else if (!lua_isinteger(L, -2) || lua_tointeger(L, -2) < 1 ||
                   lua_tointeger(L, -2) > elements) {
            luaL_error(L, "%s: has an element that it does not take", b->what);
        }
    }
}

/* --- headers ------------------------------------------------------------ */

/* What the engine writes by itself, and what to use instead. */
static const char *reserved(enum oh_header_id id, bool route)
{
    switch (id) {
    case OH_HEADER_VIA:
    case OH_HEADER_FROM:
    case OH_HEADER_TO:
    case OH_HEADER_CALL_ID:
    case OH_HEADER_CSEQ:
    case OH_HEADER_CONTENT_LENGTH:
    case OH_HEADER_RECORD_ROUTE: return "is written by the server itself";
    case OH_HEADER_CONTENT_TYPE:
        return route ? "belongs to the body, which is not changed" : "is set with type";
    case OH_HEADER_CONTACT: return route ? "is the caller's own" : "is set with contacts";
    case OH_HEADER_SERVER:
    case OH_HEADER_TIMESTAMP: return route ? NULL : "is written by the server itself";
    case OH_HEADER_MAX_FORWARDS:
    case OH_HEADER_MAX_BREADTH:
    case OH_HEADER_ROUTE:
    case OH_HEADER_CONTENT_ENCODING: return route ? "is written by the server itself" : NULL;
    case OH_HEADER_AUTHORIZATION:
    case OH_HEADER_PROXY_AUTHORIZATION: return "is only the caller's (RFC 3261 22.3)";
    default: return NULL;
    }
}

/* One row out of the text on top of the stack, which is popped. */
static void put_row(struct building *b, struct oh_span name)
{
    struct oh_span value = oh_span_trim(clean_text(b, name.p));

    oh_buf_span(&b->rows, name);
    oh_buf_lit(&b->rows, ": ");
    oh_buf_span(&b->rows, value);
    oh_buf_lit(&b->rows, "\r\n");
    lua_pop(b->L, 1);
}

/* One header; its value, a text or a list of texts, is on top of the stack and is popped. */
static void put_header(struct building *b, struct oh_span name)
{
    lua_State *L = b->L;
    const char *why;

    if (!is_token(name) || name.n > 64) {
        lua_pushlstring(L, name.p, name.n < 40 ? name.n : 40);
        luaL_error(L, "%s: '%s' is no header name", b->what, lua_tostring(L, -1));
    }
    why = reserved(oh_header_of(name), b->route);
    if (why)
        luaL_error(L, "%s: header '%s' %s", b->what, name.p, why);
    if (!lua_istable(L, -1)) {
        put_row(b, name);
        return;
    }
    for (lua_Integer i = 1; lua_rawgeti(L, -1, i) != LUA_TNIL; i++)
        put_row(b, name);
    lua_pop(L, 2);
}

/*
 * headers = { ["X-A"] = "1", ["X-B"] = {"2", "3"} }. Lua's order changes from
 * run to run; the rows are sorted by name, so that a message is the same.
 */
static void put_headers(struct building *b)
{
    lua_State *L = b->L;
    const char *names[NAMES_MAX];
    unsigned n = 0;

    if (!lua_istable(L, -1))
        luaL_error(L, "%s: headers must be a table, but is a %s", b->what, luaL_typename(L, -1));
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
        const char *name;
        unsigned i;

        if (lua_type(L, -2) != LUA_TSTRING)
            luaL_error(L, "%s: headers must be written [\"Name\"] = \"value\"", b->what);
        if (n == NAMES_MAX)
            luaL_error(L, "%s: more than %d headers", b->what, NAMES_MAX);
        name = lua_tostring(L, -2);
        for (i = n++; i > 0 && strcmp(names[i - 1], name) > 0; i--)
            names[i] = names[i - 1];
        names[i] = name;
    }
    for (unsigned i = 0; i < n; i++) {
        struct oh_span name;

        /* The length may go beyond a NUL, which the check of the name must see. */
        lua_pushstring(L, names[i]);
        lua_rawget(L, -2);
        if (lua_isnil(L, -1))
            luaL_error(L, "%s: a header name holds a NUL", b->what);
        name = oh_span_str(names[i]);
        put_header(b, name);
    }
}

/* --- contacts ----------------------------------------------------------- */

/* The text of a contact or target: the value itself, or the table's first element or uri. */
static struct oh_span uri_of(struct building *b, struct oh_uri *uri)
{
    lua_State *L = b->L;
    struct oh_span s;

    if (lua_istable(L, -1)) {
        if (lua_rawgeti(L, -1, 1) == LUA_TNIL) {
            lua_pop(L, 1);
            lua_getfield(L, -1, "uri");
        }
        s = check_uri(b, clean_text(b, "a URI"), uri);
        lua_pop(L, 1); /* The table still holds it. */
        return s;
    }
    return check_uri(b, clean_text(b, "a URI"), uri);
}

/* One contact, on top of the stack: a URI, or { uri = ..., name = ..., q = ..., expires = ... }. */
static void put_contact(struct building *b)
{
    static const char *const keys[] = {"uri", "name", "q", "expires", NULL};
    lua_State *L = b->L;
    struct oh_span text, name = {NULL, 0};
    struct oh_uri uri;

    text = uri_of(b, &uri);
    oh_buf_lit(&b->rows, "Contact: ");
    if (!lua_istable(L, -1)) {
        oh_address_put(&b->rows, name, text);
        oh_buf_lit(&b->rows, "\r\n");
        return;
    }
    check_keys(b, keys, 1);
    if (lua_getfield(L, -1, "name") != LUA_TNIL)
        name = clean_text(b, "a name");
    oh_address_put(&b->rows, name, text);
    lua_pop(L, 1);
    if (lua_getfield(L, -1, "q") != LUA_TNIL) {
        lua_pop(L, 1);
        oh_buf_lit(&b->rows, ";q=");
        oh__put_qvalue(&b->rows, get_q(b));
    } else {
        lua_pop(L, 1);
    }
    if (lua_getfield(L, -1, "expires") != LUA_TNIL) {
        if (!lua_isinteger(L, -1) || lua_tointeger(L, -1) < 0 || lua_tointeger(L, -1) > UINT32_MAX)
            luaL_error(L, "%s: expires must be a whole number of seconds", b->what);
        oh_buf_lit(&b->rows, ";expires=");
        oh_buf_u64(&b->rows, (uint64_t)lua_tointeger(L, -1));
    }
    lua_pop(L, 1);
    oh_buf_lit(&b->rows, "\r\n");
}

/* contacts = { ... }: one row each, in the order of the list. */
static void put_contacts(struct building *b)
{
    lua_State *L = b->L;

    if (!lua_istable(L, -1))
        luaL_error(L, "%s: contacts must be a list, but is a %s", b->what, luaL_typename(L, -1));
    if (lua_rawlen(L, -1) > CONTACTS_MAX)
        luaL_error(L, "%s: more than %d contacts", b->what, CONTACTS_MAX);
    for (lua_Integer i = 1; lua_rawgeti(L, -1, i) != LUA_TNIL; i++) {
        put_contact(b);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

/* --- verdicts ----------------------------------------------------------- */

/* A reply may not say that a call was answered: nobody would be there to speak (decision of
 * on_call). */
static unsigned get_code(struct building *b, enum oh__policy_point point)
{
    unsigned least = point == OH__POLICY_ON_CALL ? 300 : 200;
    lua_Integer code;

    lua_rawgeti(b->L, -1, 1);
    code = lua_isinteger(b->L, -1) ? lua_tointeger(b->L, -1) : 0;
    lua_pop(b->L, 1);
    if (code < least || code > 699)
        luaL_error(b->L, "reply: the first value must be a status code from %d to 699 here",
                   (int)least);
    /* RFC 3261 21.3.4: 305 must only come from a user agent. */
    if (code == 305)
        luaL_error(b->L, "reply: only phones may answer 305; use route{} to send the request on");
    return (unsigned)code;
}

/* body and type; without a type it is plain text. */
static void put_body(struct building *b, struct oh__policy_result *result)
{
    lua_State *L = b->L;
    struct oh_span body = {NULL, 0};
    bool typed;

    if (lua_getfield(L, -1, "body") != LUA_TNIL) {
        if (lua_type(L, -1) != LUA_TSTRING)
            luaL_error(L, "reply: body must be a text, but is a %s", luaL_typename(L, -1));
        body.p = lua_tolstring(L, -1, &body.n);
        if (body.n > BODY_MAX)
            luaL_error(L, "reply: body is longer than %d bytes", BODY_MAX);
        body = keep(b, body);
    }
    lua_pop(L, 1);
    typed = lua_getfield(L, -1, "type") != LUA_TNIL;
    if (typed && body.n == 0)
        luaL_error(L, "reply: type without a body");
    if (body.n) {
        struct oh_span type = typed ? clean_text(b, "type") : OH_LIT("text/plain;charset=utf-8");

        oh_buf_lit(&b->rows, "Content-Type: ");
        oh_buf_span(&b->rows, type);
        oh_buf_lit(&b->rows, "\r\n");
    }
    lua_pop(L, 1);
    result->body = body;
}

/* reply{ 486, reason = ..., headers = {...}, contacts = {...}, body = ..., type = ... } */
static void read_reply(struct building *b, enum oh__policy_point point,
                       struct oh__policy_result *result)
{
    static const char *const keys[] = {"reason", "headers", "contacts", "body", "type", NULL};
    lua_State *L = b->L;

    check_keys(b, keys, 1);
    result->code = get_code(b, point);
    if (lua_getfield(L, -1, "reason") != LUA_TNIL) {
        struct oh_span reason = clean_text(b, "reason");

        if (reason.n > REASON_MAX)
            luaL_error(L, "reply: reason is longer than %d bytes", REASON_MAX);
        result->reason = keep(b, reason);
    }
    lua_pop(L, 1);
    if (lua_getfield(L, -1, "contacts") != LUA_TNIL)
        put_contacts(b);
    lua_pop(L, 1);
    if (lua_getfield(L, -1, "headers") != LUA_TNIL)
        put_headers(b);
    lua_pop(L, 1);
    put_body(b, result);
}

/* route{ "sip:bob@10.0.0.1", {"sip:x@y", q = 0.5}, headers = {...} } */
static void read_route(struct building *b, enum oh__policy_point point,
                       struct oh__policy_result *result)
{
    static const char *const keys[] = {"headers", NULL}, *const target_keys[] = {"uri", "q", NULL};
    lua_State *L = b->L;
    lua_Unsigned n = lua_rawlen(L, -1);

    if (point == OH__POLICY_ON_REGISTER)
        luaL_error(L, "route: on_register may only return reply{} or nothing");
    if (n == 0 || n > OH__POLICY_TARGETS_MAX)
        luaL_error(L, "route: takes 1 to %d targets, not %d", OH__POLICY_TARGETS_MAX, (int)n);
    check_keys(b, keys, (lua_Integer)n);
    for (lua_Unsigned i = 0; i < n; i++) {
        struct oh__policy_target *t = &result->targets[i];
        struct oh_uri uri;

        lua_rawgeti(L, -1, (lua_Integer)i + 1);
        t->uri = uri_of(b, &uri);
        if (uri.scheme != OH_SCHEME_SIP && uri.scheme != OH_SCHEME_SIPS)
            luaL_error(L, "route: a target must be a sip or sips URI");
        if (uri.headers.n)
            luaL_error(L, "route: a target must not have headers behind '?'");
        t->uri = keep(b, t->uri);
        t->q = 1000;
        if (lua_istable(L, -1)) {
            check_keys(b, target_keys, 1);
            t->q = get_q(b);
        }
        lua_pop(L, 1);
    }
    result->targets_n = (unsigned)n;
    if (lua_getfield(L, -1, "headers") != LUA_TNIL)
        put_headers(b);
    lua_pop(L, 1);
}

/* One sentence for `offhook why`. */
static void put_why(struct building *b, enum oh__policy_point point,
                    const struct oh__policy_verdict_object *o, struct oh__policy_result *result)
{
    char text[160];
    int n;

    if (b->route)
        n = snprintf(text, sizeof(text), "%s at %s:%d returned route{%u target%s}",
                     oh__schema_function(point).name, o->chunk, o->line, result->targets_n,
                     result->targets_n == 1 ? "" : "s");
    else
        n = snprintf(text, sizeof(text), "%s at %s:%d returned reply{%u}",
                     oh__schema_function(point).name, o->chunk, o->line, result->code);
    result->why = keep(b, oh_span(text, (size_t)n));
}

void oh__policy_read_verdict(lua_State *L, enum oh__policy_point point, struct oh_arena *arena,
                             struct oh__policy_result *result)
{
    const struct oh__policy_verdict_object *o = oh__policy_verdict_at(L, -1);
    struct building b = {.L = L, .arena = arena};
    struct oh__policy_result r = {0};
    char *rows = oh_arena_take(arena, ROWS_BYTES);

    b.route = o->kind == OH__POLICY_ROUTE;
    b.what = b.route ? "route" : "reply";
    if (!rows)
        luaL_error(L, "%s: not enough memory", b.what);
    oh_buf_init(&b.rows, rows, ROWS_BYTES);
    luaL_checkstack(L, 20, NULL);
    lua_getiuservalue(L, -1, 1);
    r.verdict = o->kind;
    if (b.route)
        read_route(&b, point, &r);
    else
        read_reply(&b, point, &r);
    if (oh_buf_error(&b.rows) != OH_OK)
        luaL_error(L, "%s: headers are longer than %d bytes", b.what, ROWS_BYTES);
    r.headers = oh_buf_view(&b.rows);
    put_why(&b, point, o, &r);
    lua_pop(L, 1);
    *result = r;
}
