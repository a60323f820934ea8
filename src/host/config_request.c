/*
 * The request as a policy sees it: a userdata whose fields are read when they
 * are asked for, so that a policy pays for what it looks at. It is good for
 * one run; one that was kept in a local answers with an error afterwards.
 */
#include <lauxlib.h>

#include "host/config_policy.h"
#include "host/config_sandbox.h"

#define REQUEST_TYPE "offhook.request"
#define VALUE_COST   20  /* steps for one header value */
#define HEADERS_MAX  256 /* values of one header */
#define USER_MAX     256

struct request_object {
    uint64_t run; /* number of the run that it belongs to */
};

/* The request of the object at index i; raises when it is not the running one. */
static const struct oh__policy_request *request_at(lua_State *L, int i)
{
    struct request_object *o = luaL_checkudata(L, i, REQUEST_TYPE);
    struct oh__policy_lua *p = oh__policy_running(L, "a request");

    if (o->run != p->run)
        luaL_error(L, "this request has ended: a policy function sees only its own");
    return p->request;
}

/* An empty text is nil for a policy: "is there an account" is then a plain test. */
static void push_span(lua_State *L, struct oh_span s)
{
    if (s.n == 0)
        lua_pushnil(L);
    else
        lua_pushlstring(L, s.p, s.n);
}

/* A value without its folds: a line end with the blanks behind it is one blank (RFC 3261 7.3.1). */
static void push_unfolded(lua_State *L, struct oh_span s)
{
    luaL_Buffer b;

    luaL_buffinit(L, &b);
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] != '\r' && s.p[i] != '\n') {
            luaL_addchar(&b, s.p[i]);
            continue;
        }
        while (i + 1 < s.n && strchr("\r\n \t", s.p[i + 1]) && s.p[i + 1])
            i++;
        luaL_addchar(&b, ' ');
    }
    luaL_pushresult(&b);
}

/* A user with its escapes decoded, as people know it. */
static void push_user(lua_State *L, const struct oh_uri *uri)
{
    char text[USER_MAX];
    struct oh_buf b;

    oh_buf_init(&b, text, sizeof(text));
    oh_uri_user_decode(uri, &b);
    if (b.full || b.n == 0)
        lua_pushnil(L);
    else
        lua_pushlstring(L, b.p, b.n);
}

/* --- headers ------------------------------------------------------------ */

/* The argument of header and headers, called with a dot or with a colon. */
static struct oh_span name_arg(lua_State *L)
{
    struct oh_span name;
    int i = lua_isuserdata(L, 1) ? 2 : 1;

    name.p = luaL_checklstring(L, i, &name.n);
    return name;
}

/* The values of a list header, split at their commas, up to `most`. Gives false when it is no list.
 */
static bool push_list(lua_State *L, const struct oh_msg *msg, enum oh_header_id id, int most)
{
    struct oh_list it = {0};
    struct oh_span value;
    int n = 0, e = OH_OK;

    if (!oh_header_info(id)->list)
        return false;
    while (n < most && (e = oh_list_next(msg, id, &it, &value)) == OH_OK) {
        oh__sandbox_charge(L, VALUE_COST);
        push_unfolded(L, value);
        lua_rawseti(L, -2, ++n);
    }
    /* What cannot be split is shown as it came, row by row. */
    return e != OH_E_SYNTAX || n > 0;
}

/* The next row of a header, known or not; NULL as last gives the first. */
static const struct oh_row *row_after(const struct oh_msg *msg, enum oh_header_id id,
                                      struct oh_span name, const struct oh_row *last)
{
    if (id == OH_HEADER_OTHER)
        return oh_msg_other(msg, name, last);
    return last ? oh_msg_row_next(msg, last) : oh_msg_row(msg, id);
}

/* Pushes a table with the values of a header. */
static void push_values(lua_State *L, const struct oh_msg *msg, struct oh_span name, int most)
{
    enum oh_header_id id = oh_header_of(name);
    const struct oh_row *row = NULL;
    int n = 0;

    lua_newtable(L);
    if (id != OH_HEADER_OTHER && push_list(L, msg, id, most))
        return;
    while (n < most && (row = row_after(msg, id, name, row)) != NULL) {
        oh__sandbox_charge(L, VALUE_COST);
        push_unfolded(L, oh_row_value(msg, row));
        lua_rawseti(L, -2, ++n);
    }
}

/* r.header(name): the first value, for a list header the first of its elements. */
static int request_header(lua_State *L)
{
    const struct oh__policy_request *r = request_at(L, lua_upvalueindex(1));

    push_values(L, r->msg, name_arg(L), 1);
    lua_rawgeti(L, -1, 1);
    return 1;
}

/* r.headers(name): all values, of a list header all elements of all rows. */
static int request_headers(lua_State *L)
{
    const struct oh__policy_request *r = request_at(L, lua_upvalueindex(1));

    push_values(L, r->msg, name_arg(L), HEADERS_MAX);
    return 1;
}

/* --- fields ------------------------------------------------------------- */

/* The fields follow, each as the table below describes it. */
static void get_method(lua_State *L, const struct oh__policy_request *r)
{
    push_span(L, r->msg->method_text);
}

static void get_uri(lua_State *L, const struct oh__policy_request *r)
{
    push_span(L, r->msg->uri);
}

static void get_user(lua_State *L, const struct oh__policy_request *r)
{
    push_span(L, r->user);
}

static void get_domain(lua_State *L, const struct oh__policy_request *r)
{
    push_span(L, r->domain);
}

static void get_ours(lua_State *L, const struct oh__policy_request *r)
{
    lua_pushboolean(L, r->local);
}

static void get_from(lua_State *L, const struct oh__policy_request *r)
{
    push_span(L, r->msg->from.uri);
}

static void get_from_user(lua_State *L, const struct oh__policy_request *r)
{
    push_user(L, &r->msg->from_uri);
}

static void get_to(lua_State *L, const struct oh__policy_request *r)
{
    push_span(L, r->msg->to.uri);
}

static void get_call_id(lua_State *L, const struct oh__policy_request *r)
{
    push_span(L, r->msg->call_id);
}

static void get_account(lua_State *L, const struct oh__policy_request *r)
{
    push_span(L, r->account);
}

static void get_trusted(lua_State *L, const struct oh__policy_request *r)
{
    lua_pushboolean(L, r->trusted);
}

static void get_source(lua_State *L, const struct oh__policy_request *r)
{
    char text[OH_ADDR_TEXT_MAX];

    lua_pushlstring(L, text, oh_addr_host_text(&r->flow->peer, text));
}

static void get_transport(lua_State *L, const struct oh__policy_request *r)
{
    push_span(L, oh_transport_param(r->flow->transport));
}

static void get_agent(lua_State *L, const struct oh__policy_request *r)
{
    struct oh_span agent = oh_msg_value(r->msg, OH_HEADER_USER_AGENT);

    if (agent.n)
        push_unfolded(L, agent);
    else
        lua_pushnil(L);
}

static void get_body(lua_State *L, const struct oh__policy_request *r)
{
    struct oh_span body = r->msg->body;

    if (body.n == 0 || body.n > OH__SANDBOX_STRING_MAX / 2)
        lua_pushnil(L);
    else
        lua_pushlstring(L, body.p, body.n);
}

static void get_time(lua_State *L, const struct oh__policy_request *r)
{
    lua_pushnumber(L, (lua_Number)r->wall / 1000);
}

static const struct {
    struct oh__policy_field about;
    void (*get)(lua_State *L, const struct oh__policy_request *r); /* NULL: a function, below */
} fields[] = {
    {{"method", "text", "\"INVITE\", \"MESSAGE\" and so on"}, get_method},
    {{"uri", "text", "the Request-URI as it was received"}, get_uri},
    {{"user", "text or nil", "user of the Request-URI, decoded: who is called"}, get_user},
    {{"domain", "text", "host of the Request-URI in lower case; the main name when it is an alias"},
     get_domain},
    {{"ours", "boolean", "the Request-URI is of a domain of this server"}, get_ours},
    {{"from", "text", "URI of From: what the caller says to be"}, get_from},
    {{"from_user", "text or nil", "user of that URI, decoded"}, get_from_user},
    {{"to", "text", "URI of To: what was dialled at first"}, get_to},
    {{"call_id", "text", "Call-ID"}, get_call_id},
    {{"account", "text or nil",
      "account whose password was right (\"101@example.com\"): who the caller is"},
     get_account},
    {{"trusted", "boolean", "the request came from a network of `trusted`"}, get_trusted},
    {{"source", "text", "address of the sender, without port"}, get_source},
    {{"transport", "text", "\"udp\" or \"tcp\""}, get_transport},
    {{"agent", "text or nil", "User-Agent"}, get_agent},
    {{"body", "text or nil", "body; nil when there is none or it is larger than 32 KiB"}, get_body},
    {{"time", "number", "wall-clock time in seconds since 1970"}, get_time},
    {{"header", "function", "`r.header(name)`: first value of a header, or nil"}, NULL},
    {{"headers", "function", "`r.headers(name)`: all values as a list, which may be empty"}, NULL},
};

struct oh__policy_field oh__policy_field(unsigned i)
{
    if (i >= sizeof(fields) / sizeof(fields[0]))
        return (struct oh__policy_field){NULL, NULL, NULL};
    return fields[i].about;
}

/* __index of a request object. */
static int request_index(lua_State *L)
{
    const struct oh__policy_request *r = request_at(L, 1);
    const char *name = luaL_checkstring(L, 2);
    struct oh__suggestion best = {NULL, 0};

    for (unsigned i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (strcmp(name, fields[i].about.name) != 0) {
            oh__suggest(&best, oh_span_str(name), fields[i].about.name);
        } else if (fields[i].get) {
            fields[i].get(L, r);
            return 1;
        } else {
            lua_pushvalue(L, 1);
            lua_pushcclosure(L, strcmp(name, "header") == 0 ? request_header : request_headers, 1);
            return 1;
        }
    }
    if (best.name)
        return luaL_error(L, "a request has no field '%s': did you mean '%s'?", name, best.name);
    return luaL_error(L, "a request has no field '%s'", name);
}

/* Changing a request by assignment would do nothing, so it is refused. */
static int request_newindex(lua_State *L)
{
    return luaL_error(L, "a request cannot be changed; return reply{} or route{}");
}

void oh__policy_open_request(lua_State *L)
{
    luaL_newmetatable(L, REQUEST_TYPE);
    lua_pushcfunction(L, request_index);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, request_newindex);
    lua_setfield(L, -2, "__newindex");
    lua_pop(L, 1);
}

void oh__policy_push_request(lua_State *L)
{
    struct oh__policy_lua *p = oh__policy_running(L, "a request");
    struct request_object *o = lua_newuserdatauv(L, sizeof(*o), 0);

    o->run = p->run;
    luaL_setmetatable(L, REQUEST_TYPE);
}
