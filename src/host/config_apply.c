/*
 * Globals become settings: every table is walked against its group of the
 * schema, in both directions, so that a key that is unknown is reported as
 * well as a value that is wrong. Nothing stops at the first problem.
 */
#include <lauxlib.h>

#include "host/config_parts.h"
#include "host/config_sandbox.h"

#define PATH_LEN 160

/* Writes "group.key" or "key". */
static void join(char out[PATH_LEN], const char *group, const char *key)
{
    snprintf(out, PATH_LEN, "%.48s%s%.100s", group, group[0] ? "." : "", key);
}

/* The struct that a row's offset counts from. */
static void *base_of(struct oh__loader *ld, const struct oh__setting_row *row, void *element)
{
    switch (row->base) {
    case OH__BASE_SETTINGS: return &ld->config->settings;
    case OH__BASE_PROCESS: return &ld->config->process;
    default: return element;
    }
}

/* Converts the value on top of the stack; `path` is how people know the setting. */
static void apply_row(struct oh__loader *ld, const struct oh__setting_row *row, const char *path,
                      void *element)
{
    char why[OH__CONFIG_WHY_MAX];

    if (oh__config_convert(ld->sandbox->L, row, base_of(ld, row, element), why) != OH_OK)
        oh__loader_problem(ld, path, OH__POSITION_VALUE, "'%s' %s", path, why);
}

/* A row by name; groups are short, so a walk is enough. */
static const struct oh__setting_row *find_row(const struct oh__setting_group *g, const char *name)
{
    for (unsigned i = 0; i < g->rows_n; i++) {
        if (strcmp(g->rows[i].name, name) == 0)
            return &g->rows[i];
    }
    return NULL;
}

/* Reports a key that no row has. */
static void unknown_key(struct oh__loader *ld, const struct oh__setting_group *g, const char *path,
                        const char *key)
{
    struct oh__suggestion best = {NULL, 0};

    for (unsigned i = 0; i < g->rows_n; i++)
        oh__suggest(&best, oh_span_str(key), g->rows[i].name);
    if (best.name)
        oh__loader_problem(ld, path, OH__POSITION_KEY,
                           "unknown setting '%.60s' in '%s': did you mean '%s'?", key, g->name,
                           best.name);
    else
        oh__loader_problem(ld, path, OH__POSITION_KEY, "unknown setting '%.60s' in '%s'", key,
                           g->name);
}

/*
 * Applies the named keys of the table on top of the stack. Elements by number
 * are the caller's, up to `elements`; others are reported.
 */
static void apply_keys(struct oh__loader *ld, const struct oh__setting_group *g, const char *prefix,
                       lua_Integer elements, void *element)
{
    lua_State *L = ld->sandbox->L;
    char path[PATH_LEN];

    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
        const struct oh__setting_row *row;

        if (lua_type(L, -2) != LUA_TSTRING) {
            if (lua_isinteger(L, -2) && lua_tointeger(L, -2) >= 1 &&
                lua_tointeger(L, -2) <= elements)
                continue;
            lua_pushvalue(L, -2);
            snprintf(path, sizeof(path), "%s[%.20s]", prefix,
                     lua_isnumber(L, -1) ? lua_tostring(L, -1) : luaL_typename(L, -1));
            lua_pop(L, 1);
            oh__loader_problem(ld, path, OH__POSITION_VALUE,
                               "'%s' has a value without a name that it does not take", prefix);
            continue;
        }
        join(path, prefix, lua_tostring(L, -2));
        row = find_row(g, lua_tostring(L, -2));
        if (row)
            apply_row(ld, row, path, element);
        else
            unknown_key(ld, g, path, lua_tostring(L, -2));
    }
}

/* --- lists -------------------------------------------------------------- */

/*
 * One element: a text, or a table whose first value is that text. Leaves the
 * text's span valid while the element is on the stack.
 */
static bool element_text(struct oh__loader *ld, const char *path, const char *example,
                         struct oh_span *out)
{
    lua_State *L = ld->sandbox->L;
    bool text = lua_type(L, -1) == LUA_TSTRING;

    if (text) {
        out->p = lua_tolstring(L, -1, &out->n);
        return true;
    }
    if (lua_istable(L, -1)) {
        text = lua_rawgeti(L, -1, 1) == LUA_TSTRING;
        if (text)
            out->p = lua_tolstring(L, -1, &out->n);
        lua_pop(L, 1); /* The table still holds the text. */
    }
    if (!text)
        oh__loader_problem(ld, path, OH__POSITION_VALUE, "'%s' must be such as %s, but is a %s",
                           path, example, luaL_typename(L, -1));
    return text;
}

/*
 * Writes the listener only when its address is right; what else is wrong in it
 * is reported all the same.
 */
static void apply_listener(struct oh__loader *ld, const struct oh__setting_group *g, unsigned i,
                           const char *path)
{
    struct oh__settings *s = &ld->config->settings;
    struct oh__settings_listener l = {0};
    char why[OH__CONFIG_WHY_MAX], inner[PATH_LEN], advertise[OH__NAME_MAX];
    struct oh_span text;

    if (!element_text(ld, path, "\"udp:0.0.0.0:5060\"", &text))
        return;
    if (oh__config_listener(text, &l, why) != OH_OK) {
        oh__loader_problem(ld, path, OH__POSITION_VALUE, "'%s' %s", path, why);
        return;
    }
    if (lua_istable(ld->sandbox->L, -1))
        apply_keys(ld, g, path, 1, &l);
    memcpy(advertise, l.advertise, sizeof(advertise));
    join(inner, path, "advertise");
    if (advertise[0] && oh__config_advertise(oh_span_str(advertise), &l, why) != OH_OK)
        oh__loader_problem(ld, inner, OH__POSITION_VALUE, "'%s' %s", inner, why);
    ld->listener_at[s->listeners_n] = (uint16_t)i;
    s->listeners[s->listeners_n++] = l;
}

/* A domain starts out as a copy of domain_defaults, which were applied before. */
static void apply_domain(struct oh__loader *ld, const struct oh__setting_group *g, unsigned i,
                         const char *path)
{
    struct oh__settings *s = &ld->config->settings;
    struct oh__settings_domain d = s->fallback;
    char why[OH__CONFIG_WHY_MAX];
    struct oh_span text;

    if (!element_text(ld, path, "\"example.com\"", &text))
        return;
    if (oh__config_domain(text, d.name, why) != OH_OK) {
        oh__loader_problem(ld, path, OH__POSITION_VALUE, "'%s' %s", path, why);
        return;
    }
    if (lua_istable(ld->sandbox->L, -1))
        apply_keys(ld, g, path, 1, &d);
    ld->domain_at[s->domains_n] = (uint16_t)i;
    s->domains[s->domains_n++] = d;
}

/* Networks have no settings of their own, so an element is always a text. */
static void apply_network(struct oh__loader *ld, const struct oh__setting_group *g, unsigned i,
                          const char *path)
{
    struct oh__settings *s = &ld->config->settings;
    struct oh_span text;

    (void)g;
    (void)i;
    if (lua_type(ld->sandbox->L, -1) != LUA_TSTRING) {
        oh__loader_problem(ld, path, OH__POSITION_VALUE,
                           "'%s' must be such as \"10.0.0.0/8\", but is a %s", path,
                           luaL_typename(ld->sandbox->L, -1));
        return;
    }
    text.p = lua_tolstring(ld->sandbox->L, -1, &text.n);
    if (oh_network_parse(text, &s->trusted[s->trusted_n]) == OH_OK)
        s->trusted_n++;
    else
        oh__loader_problem(ld, path, OH__POSITION_VALUE,
                           "'%s' must be a network such as \"10.0.0.0/8\" or an address, but is "
                           "\"%.*s\"",
                           path, OH_PRI(oh_span_head(text, 60)));
}

/* How the lists differ. */
struct list {
    uint8_t kind;
    unsigned most;
    void (*apply)(struct oh__loader *ld, const struct oh__setting_group *g, unsigned i,
                  const char *path);
};

static const struct list lists[] = {
    {OH__GROUP_LISTEN, OH__LISTENERS_MAX, apply_listener},
    {OH__GROUP_DOMAINS, OH__DOMAINS_MAX, apply_domain},
    {OH__GROUP_TRUSTED, OH__NETWORKS_MAX, apply_network},
};

/* The list that a group is, or NULL for a plain table. */
static const struct list *list_of(const struct oh__setting_group *g)
{
    for (unsigned i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        if (lists[i].kind == g->kind)
            return &lists[i];
    }
    return NULL;
}

/* A list, or one text for a list of one. The value is on top of the stack. */
static void apply_list(struct oh__loader *ld, const struct oh__setting_group *g,
                       const struct list *list)
{
    static const struct oh__setting_group no_rows = {.name = ""};
    struct oh__setting_group only = no_rows;
    lua_State *L = ld->sandbox->L;
    char path[PATH_LEN];
    lua_Unsigned n;

    if (g->kind == OH__GROUP_LISTEN)
        ld->config->settings.listeners_n = 0;
    if (lua_type(L, -1) == LUA_TSTRING) {
        list->apply(ld, g, 1, g->name);
        return;
    }
    if (!lua_istable(L, -1)) {
        oh__loader_problem(ld, g->name, OH__POSITION_VALUE,
                           "'%s' must be a list in {}, but is a %s", g->name, luaL_typename(L, -1));
        return;
    }
    n = lua_rawlen(L, -1);
    only.name = g->name;
    apply_keys(ld, &only, g->name, (lua_Integer)n, NULL);
    if (n > list->most)
        oh__loader_problem(ld, g->name, OH__POSITION_KEY, "'%s' has %llu elements (limit %u)",
                           g->name, (unsigned long long)n, list->most);
    for (lua_Unsigned i = 1; i <= n && i <= list->most; i++) {
        lua_rawgeti(L, -1, (lua_Integer)i);
        snprintf(path, sizeof(path), "%s[%u]", g->name, (unsigned)i);
        list->apply(ld, g, (unsigned)i, path);
        lua_pop(L, 1);
    }
}

/* --- globals ------------------------------------------------------------ */

/* A table of settings; the value is on top of the stack. */
static void apply_group(struct oh__loader *ld, const struct oh__setting_group *g)
{
    lua_State *L = ld->sandbox->L;

    if (lua_istable(L, -1))
        apply_keys(ld, g, g->name, 0, NULL);
    else
        oh__loader_problem(ld, g->name, OH__POSITION_VALUE,
                           "'%s' must be a table of settings in {}, but is a %s", g->name,
                           luaL_typename(L, -1));
}

/* Notes which policy functions there are. */
static void apply_functions(struct oh__loader *ld)
{
    struct oh__settings *s = &ld->config->settings;
    bool *has[] = {&s->has_on_register, &s->has_on_call, &s->has_on_request};
    lua_State *L = ld->sandbox->L;
    struct oh__schema_name f;

    for (unsigned i = 0; (f = oh__schema_function(i)).name; i++) {
        lua_pushstring(L, f.name);
        lua_rawget(L, -2);
        if (lua_isfunction(L, -1))
            *has[i] = true;
        else if (!lua_isnil(L, -1))
            oh__loader_problem(ld, f.name, OH__POSITION_VALUE,
                               "'%s' must be a function, but is a %s", f.name,
                               luaL_typename(L, -1));
        lua_pop(L, 1);
    }
}

/* A global that is no setting: the name is wrong, or it should have been a local. */
static void unknown_global(struct oh__loader *ld, const char *name)
{
    bool function = lua_isfunction(ld->sandbox->L, -1);
    struct oh__suggestion best = {NULL, 0};

    oh__config_name_suggest(&best, oh_span_str(name));
    if (best.name)
        oh__loader_problem(ld, name, OH__POSITION_KEY, "unknown %s '%.60s': did you mean '%s'?",
                           function ? "function" : "setting", name, best.name);
    else
        oh__loader_problem(ld, name, OH__POSITION_KEY,
                           "unknown %s '%.60s': write 'local %s%.60s' for one of your own",
                           function ? "function" : "setting", name, function ? "function " : "",
                           name);
}

/* True for the name of a group, of a plain setting or of a policy function. */
static bool is_setting(const char *name)
{
    struct oh__schema_name f;

    for (unsigned i = 0; (f = oh__schema_function(i)).name; i++) {
        if (strcmp(f.name, name) == 0)
            return true;
    }
    return (name[0] && oh__schema_find(name)) || find_row(oh__schema_find(""), name);
}

/* The other direction: globals that no row asks for. */
static void report_unknown(struct oh__loader *ld)
{
    lua_State *L = ld->sandbox->L;

    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
        if (!is_setting(lua_tostring(L, -2)))
            unknown_global(ld, lua_tostring(L, -2));
    }
}

/* One group, when the text has set it. Lists come in a second round, after their defaults. */
static void apply_global(struct oh__loader *ld, const struct oh__setting_group *g, bool second)
{
    const struct list *list = list_of(g);
    lua_State *L = ld->sandbox->L;

    if ((list != NULL) != second)
        return;
    lua_pushstring(L, g->name);
    lua_rawget(L, -2);
    if (!lua_isnil(L, -1)) {
        if (list)
            apply_list(ld, g, list);
        else
            apply_group(ld, g);
    }
    lua_pop(L, 1);
}

/* In protected mode: even looking at tables may need memory. */
static int apply_all(lua_State *L)
{
    struct oh__loader *ld = oh__sandbox_of(L)->loader;
    const struct oh__setting_group *top = oh__schema_find("");

    luaL_checkstack(L, 20, NULL);
    lua_rawgeti(L, LUA_REGISTRYINDEX, ld->sandbox->globals);
    report_unknown(ld);
    apply_functions(ld);
    for (unsigned i = 0; i < top->rows_n; i++) {
        lua_pushstring(L, top->rows[i].name);
        lua_rawget(L, -2);
        if (!lua_isnil(L, -1))
            apply_row(ld, &top->rows[i], top->rows[i].name, NULL);
        lua_pop(L, 1);
    }
    for (int second = 0; second < 2; second++) {
        for (unsigned i = 0; oh__schema_group(i); i++) {
            if (oh__schema_group(i)->kind != OH__GROUP_TOP)
                apply_global(ld, oh__schema_group(i), second);
        }
    }
    return 0;
}

void oh__loader_apply(struct oh__loader *ld)
{
    lua_State *L = ld->sandbox->L;

    lua_pushcfunction(L, apply_all);
    if (oh__sandbox_call(ld->sandbox, 0, 0) == OH_OK)
        return;
    oh__loader_problem(ld, "", OH__POSITION_KEY, "%s", oh__sandbox_error(ld->sandbox));
    lua_pop(L, 1);
}

/* Each worker runs the text once more, under the policy's bound: it must fit there, too. */
static void check_memory(struct oh__loader *ld)
{
    const struct oh__settings *s = &ld->config->settings;
    size_t most = ld->config->process.policy_memory;

    if (!ld->sandbox || !(s->has_on_call || s->has_on_request || s->has_on_register))
        return;
    lua_gc(ld->sandbox->L, LUA_GCCOLLECT, 0);
    if (ld->sandbox->held > most / 2)
        oh__loader_problem(ld, "limits.policy_memory", OH__POSITION_VALUE,
                           "'limits.policy_memory' (%zu bytes) must be twice what the file holds "
                           "(%zu bytes)",
                           most, ld->sandbox->held);
}

/* --- what no single row can tell ---------------------------------------- */

/*
 * Pairs of settings that contradict each other; pointed at is the one people
 * change more often.
 */
static void check_orders(struct oh__loader *ld)
{
    const struct oh__settings *s = &ld->config->settings;

    if (s->expires_min > s->expires_default)
        oh__loader_problem(ld, "registrar.expires_default", OH__POSITION_VALUE,
                           "'registrar.expires_default' (%u s) is below 'expires_min' (%u s)",
                           s->expires_default, s->expires_min);
    if (s->expires_default > s->expires_max)
        oh__loader_problem(ld, "registrar.expires_max", OH__POSITION_VALUE,
                           "'registrar.expires_max' (%u s) is below 'expires_default' (%u s)",
                           s->expires_max, s->expires_default);
    if (s->t1 > s->t2)
        oh__loader_problem(ld, "timers.t2", OH__POSITION_VALUE, "'timers.t2' is below 't1'");
    if (s->timer_c < s->ring_time)
        oh__loader_problem(ld, "proxy.ring_time", OH__POSITION_VALUE,
                           "'proxy.ring_time' is above 'timer_c', which would end the call first");
    if (s->limits.headers > s->limits.message)
        oh__loader_problem(ld, "limits.headers", OH__POSITION_VALUE,
                           "'limits.headers' (%u) is above 'message' (%u)", s->limits.headers,
                           s->limits.message);
    if (s->limits.body > s->stream_message_max)
        oh__loader_problem(ld, "limits.body", OH__POSITION_VALUE,
                           "'limits.body' (%u) is above 'stream_message' (%u)", s->limits.body,
                           s->stream_message_max);
}

/* A configured domain by its normalised name; NULL for an unknown or empty one. */
static const struct oh__settings_domain *domain_named(const struct oh__settings *s,
                                                      const char *name)
{
    for (unsigned i = 0; i < s->domains_n; i++) {
        if (strcmp(s->domains[i].name, name) == 0)
            return &s->domains[i];
    }
    return NULL;
}

/* Indexes are those of the list, unless elements before were wrong; then those speak first. */
static void check_domains(struct oh__loader *ld)
{
    const struct oh__settings *s = &ld->config->settings;
    char path[PATH_LEN], alias[PATH_LEN];

    for (unsigned i = 0; i < s->domains_n; i++) {
        const struct oh__settings_domain *d = &s->domains[i], *to = domain_named(s, d->alias_of);

        snprintf(path, sizeof(path), "domains[%u]", ld->domain_at[i]);
        if (domain_named(s, d->name) != d)
            oh__loader_problem(ld, path, OH__POSITION_VALUE, "'%s' names '%s' a second time", path,
                               d->name);
        join(alias, path, "alias_of");
        if (d->alias_of[0] && !to)
            oh__loader_problem(ld, alias, OH__POSITION_VALUE,
                               "'%s' must be a domain of the list, but is '%s'", alias,
                               d->alias_of);
        else if (to && (to == d || to->alias_of[0]))
            oh__loader_problem(ld, alias, OH__POSITION_VALUE,
                               "'%s' must be a domain that is no alias itself", alias);
    }
    if (s->domains_n && s->default_domain[0] && !domain_named(s, s->default_domain))
        oh__loader_problem(ld, "default_domain", OH__POSITION_VALUE,
                           "'default_domain' must be one of 'domains', but is '%s'",
                           s->default_domain);
}

/* Two sockets on one address would share its traffic at random. */
static void check_listeners(struct oh__loader *ld)
{
    const struct oh__settings *s = &ld->config->settings;
    char path[PATH_LEN];

    if (s->listeners_n == 0 && !ld->report->n)
        oh__loader_problem(ld, "listen", OH__POSITION_VALUE, "'listen' is empty");
    for (unsigned i = 1; i < s->listeners_n; i++) {
        for (unsigned k = 0; k < i; k++) {
            const struct oh__settings_listener *a = &s->listeners[k], *b = &s->listeners[i];

            if (a->transport != b->transport || b->addr.port == 0 ||
                !oh_addr_eq(&a->addr, &b->addr))
                continue;
            snprintf(path, sizeof(path), "listen[%u]", ld->listener_at[i]);
            oh__loader_problem(ld, path, OH__POSITION_VALUE, "'%s' is the same as 'listen[%u]'",
                               path, ld->listener_at[k]);
        }
    }
}

void oh__loader_cross_check(struct oh__loader *ld)
{
    check_orders(ld);
    check_domains(ld);
    check_listeners(ld);
    check_memory(ld);
}
