/*
 * One run of the text: the file, what it includes, and the globals it sets.
 * The same code serves the check, which fills the snapshot, and each worker's
 * policy, which replays the sources that the check has kept.
 */
#include <stdarg.h>
#include <stdlib.h>

#include <lauxlib.h>

#include "host/config_parts.h"
#include "host/config_policy.h"
#include "host/config_sandbox.h"

#define CHUNK_MAX 56 /* Lua shortens names in its messages beyond 60 bytes */

/* The run that a C function called from Lua belongs to. */
static struct oh__loader *loader_of(lua_State *L)
{
    return oh__sandbox_of(L)->loader;
}

/* The name under which Lua's messages speak of a source: the path, or its tail. */
static void chunk_name(const struct oh__source *s, char out[CHUNK_MAX + 8])
{
    size_t n = strlen(s->name);

    if (n <= CHUNK_MAX)
        snprintf(out, CHUNK_MAX + 8, "%s", s->name);
    else
        snprintf(out, CHUNK_MAX + 8, "..%s", s->name + n - (CHUNK_MAX - 2));
}

/* The way back from the name in a message to the source. */
static struct oh__source *source_of_chunk(const struct oh__config *config, struct oh_span chunk)
{
    char name[CHUNK_MAX + 8];

    for (struct oh__source *s = config->sources; s; s = s->next) {
        if (s->kind != OH__SOURCE_LUA)
            continue;
        chunk_name(s, name);
        if (oh_span_eq(chunk, oh_span_str(name)))
            return s;
    }
    return NULL;
}

/* The source and line that called the running C function. */
static struct oh__source *caller(lua_State *L, uint32_t *line)
{
    lua_Debug ar;

    *line = 0;
    for (int level = 1; lua_getstack(L, level, &ar); level++) {
        lua_getinfo(L, "Sl", &ar);
        if (ar.currentline > 0) {
            *line = (uint32_t)ar.currentline;
            return source_of_chunk(loader_of(L)->config, oh_span_str(ar.short_src));
        }
    }
    return NULL;
}

/* Reports at a word on a line of a source. */
static void problem_at(struct oh__loader *ld, const struct oh__source *s, uint32_t line,
                       struct oh_span word, const char *text)
{
    struct oh__position at = {line, line ? 1 : 0};

    if (!ld->report)
        return;
    if (s && line)
        at = oh__positions_word(s->text, line, word);
    oh__config_problem(ld->report, s ? s->name : "?", at, "", "%s", text);
}

/* What stands in the last pair of single quotes, which is what Lua complains about. */
static struct oh_span quoted_word(struct oh_span text)
{
    ptrdiff_t open, close = (ptrdiff_t)text.n - 1;

    while (close >= 0 && text.p[close] != '\'')
        close--;
    for (open = close - 1; open >= 0 && text.p[open] != '\'';)
        open--;
    return open >= 0 ? oh_span(text.p + open + 1, (size_t)(close - open - 1)) : oh_span(NULL, 0);
}

/* Turns "office.lua:12: text" into a problem at line 12. */
static void report_message(struct oh__loader *ld, const char *message)
{
    struct oh_span all = oh_span_str(message);

    for (size_t i = 0; i < all.n; i++) {
        struct oh_span digits = oh_span_from(all, i + 1);
        ptrdiff_t end = oh_span_find(digits, ':');
        struct oh__source *s;
        uint32_t line;

        if (all.p[i] != ':' || end <= 0 ||
            oh_span_u32(oh_span_head(digits, (size_t)end), 1u << 30, &line) != OH_OK)
            continue;
        s = source_of_chunk(ld->config, oh_span_head(all, i));
        if (!s)
            continue;
        digits = oh_span_trim(oh_span_from(digits, (size_t)end + 1));
        problem_at(ld, s, line, quoted_word(digits), digits.p);
        return;
    }
    problem_at(ld, ld->config->sources, 0, oh_span(NULL, 0), message);
}

/* --- globals ------------------------------------------------------------ */

/* Notes where a global was set; a second time is a mistake, since only one can count. */
static void note_assignment(struct oh__loader *ld, const char *name, struct oh__source *s,
                            uint32_t line)
{
    struct oh_span copy;
    char text[128];

    for (unsigned i = 0; i < ld->assigned_n; i++) {
        const struct oh__assignment *a = &ld->assigned[i];

        if (strcmp(a->name, name) != 0)
            continue;
        snprintf(text, sizeof(text), "'%.40s' is set twice: the first is on line %u", name,
                 a->line);
        problem_at(ld, s, line, oh_span_str(name), text);
        return;
    }
    copy = oh_arena_copy(&ld->config->arena, oh_span(name, strlen(name) + 1));
    if (copy.p && ld->assigned_n < OH__CONFIG_GLOBALS_MAX)
        ld->assigned[ld->assigned_n++] = (struct oh__assignment){copy.p, s, line};
}

/* __newindex of the environment. */
static int set_global(lua_State *L)
{
    struct oh__sandbox *sb = oh__sandbox_of(L);
    struct oh__loader *ld = sb->loader;
    struct oh__source *s;
    const char *name;
    uint32_t line;

    if (lua_type(L, 2) != LUA_TSTRING)
        return luaL_error(L, "a global must have a name");
    name = lua_tostring(L, 2);
    if (ld->loaded)
        return luaL_error(L, "a policy function cannot set the global '%s'; use a local or shared",
                          name);
    lua_rawgeti(L, LUA_REGISTRYINDEX, sb->builtins);
    lua_pushvalue(L, 2);
    lua_rawget(L, -2);
    /* `log` is both: a table of settings to write, a function to call. */
    if (!lua_isnil(L, -1) && strcmp(name, "log") != 0)
        return luaL_error(L, "the built-in name '%s' cannot be set", name);
    s = caller(L, &line);
    if (!ld->replay)
        note_assignment(ld, name, s, line);
    lua_rawgeti(L, LUA_REGISTRYINDEX, sb->globals);
    lua_pushvalue(L, 2);
    lua_pushvalue(L, 3);
    lua_rawset(L, -3);
    return 0;
}

/* __index behind everything: a name that nobody has set. The check has reported unknown ones. */
static int get_unknown(lua_State *L)
{
    struct oh__suggestion best = {NULL, 0};
    struct oh_span name;

    if (lua_type(L, 2) != LUA_TSTRING)
        return 0;
    name.p = lua_tolstring(L, 2, &name.n);
    if (!loader_of(L)->loaded || oh__config_name_known(name))
        return 0;
    oh__config_name_suggest(&best, name);
    if (best.name)
        return luaL_error(L, "unknown name '%s': did you mean '%s'?", name.p, best.name);
    return luaL_error(L, "unknown name '%s'", name.p);
}

/* --- include, file, env ------------------------------------------------- */

/* Functions that read may only run while loading: a policy must not block. */
static void require_loading(lua_State *L, const char *what)
{
    if (loader_of(L)->loaded)
        luaL_error(L, "%s() works only while the file is loaded, not in a policy function", what);
}

/* Pushes a path, taken relative to the folder of the file that names it. */
static const char *resolve(lua_State *L, const char *path)
{
    uint32_t line;
    const struct oh__source *s = caller(L, &line);
    const char *slash = s ? strrchr(s->name, '/') : NULL;

    if (path[0] == '/' || !slash)
        return lua_pushstring(L, path);
    lua_pushlstring(L, s->name, (size_t)(slash - s->name) + 1);
    lua_pushstring(L, path);
    lua_concat(L, 2);
    return lua_tostring(L, -1);
}

/* Reads a Lua source and prepares everything that is known about its text. */
static int add_lua(struct oh__loader *ld, const char *path, struct oh__source **out,
                   char why[OH__CONFIG_WHY_MAX])
{
    struct oh__config *c = ld->config;
    struct oh_span text;
    struct oh__source *s;
    int e = oh__config_read(path, OH__CONFIG_FILE_BYTES, &c->arena, &text, why);

    if (e != OH_OK)
        return e;
    s = oh__config_source_add(c, OH__SOURCE_LUA, path, text);
    if (!s || oh__positions_build(text, &c->arena, &s->positions) != OH_OK) {
        snprintf(why, OH__CONFIG_WHY_MAX, "does not fit into memory");
        return OH_E_NOMEM;
    }
    oh__config_names_check(text, path, &c->arena, ld->report);
    *out = s;
    return OH_OK;
}

/* Finds a source that was read before, or reads it unless this is a replay. */
static int lua_source(struct oh__loader *ld, const char *path, struct oh__source **out,
                      char why[OH__CONFIG_WHY_MAX])
{
    struct oh__source *s = oh__config_source_find(ld->config, OH__SOURCE_LUA, path);
    unsigned n = 0;

    if (s) {
        *out = s;
        return OH_OK;
    }
    for (s = ld->config->sources; s; s = s->next)
        n += s->kind == OH__SOURCE_LUA;
    if (ld->replay || n == OH__CONFIG_FILES_MAX) {
        snprintf(why, OH__CONFIG_WHY_MAX,
                 ld->replay ? "was not there when the file was checked"
                            : "is one file too many (limit %d)",
                 OH__CONFIG_FILES_MAX);
        return OH_E_LIMIT;
    }
    return add_lua(ld, path, out, why);
}

/* Compiles a source under its short name, so that messages lead back to it. */
static int compile_source(struct oh__sandbox *sb, const struct oh__source *s)
{
    char name[CHUNK_MAX + 8], chunk[CHUNK_MAX + 10];
    struct oh_span text = s->text;

    chunk_name(s, name);
    snprintf(chunk, sizeof(chunk), "@%s", name);
    /* A first line "#!" is skipped; its line end stays, so that lines keep their numbers. */
    if (text.n && text.p[0] == '#') {
        ptrdiff_t end = oh_span_find(text, '\n');

        text = oh_span_from(text, end < 0 ? text.n : (size_t)end);
    }
    return oh__sandbox_compile(sb, text, chunk);
}

/* include(path): runs another file in the same environment and gives what it returns. */
static int lua_include(lua_State *L)
{
    struct oh__loader *ld = loader_of(L);
    const char *path = resolve(L, luaL_checkstring(L, 1));
    char why[OH__CONFIG_WHY_MAX];
    struct oh__source *s;

    require_loading(L, "include");
    if (ld->depth == OH__CONFIG_DEPTH_MAX)
        return luaL_error(L, "include: more than %d files inside of each other",
                          OH__CONFIG_DEPTH_MAX);
    if (lua_source(ld, path, &s, why) != OH_OK)
        return luaL_error(L, "include: '%s' %s", lua_tostring(L, 1), why);
    if (compile_source(oh__sandbox_of(L), s) != OH_OK)
        return lua_error(L);
    ld->depth++;
    lua_call(L, 0, 1);
    ld->depth--;
    return 1;
}

/* file(path): the text of a small file. A missing one is a problem, but not the end. */
static int lua_file(lua_State *L)
{
    struct oh__loader *ld = loader_of(L);
    const char *path = resolve(L, luaL_checkstring(L, 1));
    struct oh__source *s = oh__config_source_find(ld->config, OH__SOURCE_FILE, path);
    char why[OH__CONFIG_WHY_MAX], all[OH__CONFIG_WHY_MAX + OH__CONFIG_PATH_MAX];
    struct oh_span text;
    uint32_t line;

    require_loading(L, "file");
    if (!s && ld->replay)
        return 0;
    if (!s &&
        oh__config_read(path, OH__CONFIG_SECRET_BYTES, &ld->config->arena, &text, why) == OH_OK) {
        while (text.n && (text.p[text.n - 1] == '\n' || text.p[text.n - 1] == '\r'))
            text.n--;
        s = oh__config_source_add(ld->config, OH__SOURCE_FILE, path, text);
        if (!s)
            return luaL_error(L, "not enough memory");
    }
    if (!s) {
        /* The rest of the file is still worth checking. */
        struct oh__source *at = caller(L, &line);

        snprintf(all, sizeof(all), "file: '%s' %s", lua_tostring(L, 1), why);
        problem_at(ld, at, line, OH_LIT("file"), all);
        return 0;
    }
    lua_pushlstring(L, s->text.p, s->text.n);
    return 1;
}

/* env(name [, default]): kept with the snapshot like everything that is read. */
static int lua_env(lua_State *L)
{
    struct oh__loader *ld = loader_of(L);
    const char *name = luaL_checkstring(L, 1);
    struct oh__source *s = oh__config_source_find(ld->config, OH__SOURCE_ENV, name);

    require_loading(L, "env");
    if (!s && !ld->replay) {
        const char *value = getenv(name);
        struct oh_span copy = {NULL, 0};

        if (value)
            copy = oh_arena_copy(&ld->config->arena, oh_span_str(value));
        s = oh__config_source_add(ld->config, OH__SOURCE_ENV, name, copy);
        if (!s || (value && !copy.p))
            return luaL_error(L, "not enough memory");
    }
    if (!s || !s->text.p) {
        lua_settop(L, 2);
        return 1;
    }
    lua_pushlstring(L, s->text.p, s->text.n);
    return 1;
}

/* --- the run ------------------------------------------------------------ */

/* Gives the table in the registry at `ref` a metamethod more. */
static void set_meta(lua_State *L, int ref, const char *event, lua_CFunction function)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, ref);
    if (!lua_getmetatable(L, -1))
        lua_newtable(L);
    lua_pushcfunction(L, function);
    lua_setfield(L, -2, event);
    lua_setmetatable(L, -2);
    lua_pop(L, 1);
}

/* Everything that may raise for want of memory is done in protected mode. */
static int offer_all(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"include", lua_include}, {"file", lua_file}, {"env", lua_env}, {NULL, NULL}};
    struct oh__sandbox *sb = oh__sandbox_of(L);

    set_meta(L, sb->env, "__newindex", set_global);
    set_meta(L, sb->globals, "__index", get_unknown);
    for (const luaL_Reg *f = functions; f->name; f++) {
        lua_pushcfunction(L, f->func);
        oh__sandbox_offer(sb, f->name);
    }
    oh__policy_offer(sb);
    return 0;
}

/* Reports keys that stand twice in one table: Lua silently takes the last. */
static void report_doubles(struct oh__loader *ld)
{
    struct oh__position first, second;
    const char *path;

    for (struct oh__source *s = ld->config->sources; s; s = s->next) {
        for (size_t i = 0;
             s->positions && oh__positions_double(s->positions, i, &path, &first, &second); i++)
            oh__config_problem(ld->report, s->name, second, path,
                               "'%s' is set twice: the first is on line %u", path, first.line);
    }
}

int oh__loader_run(struct oh__loader *ld)
{
    struct oh__sandbox *sb = ld->sandbox;
    lua_State *L = sb->L;
    char why[OH__CONFIG_WHY_MAX];
    struct oh__source *main;
    int e;

    sb->loader = ld;
    lua_pushcfunction(L, offer_all);
    if (lua_pcall(L, 0, 0, 0) != LUA_OK) {
        lua_pop(L, 1);
        return OH_E_NOMEM;
    }
    e = lua_source(ld, ld->config->path, &main, why);
    if (e != OH_OK) {
        if (ld->report)
            oh__config_problem(ld->report, ld->config->path, (struct oh__position){0, 0}, "", "%s",
                               why);
        return e == OH_E_NOMEM ? e : OH_E_IO;
    }
    e = compile_source(sb, main);
    if (e == OH_OK)
        e = oh__sandbox_call(sb, 0, 0);
    if (e != OH_OK) {
        report_message(ld, oh__sandbox_error(sb));
        lua_pop(L, 1);
        e = e == OH_E_NOMEM ? e : OH_E_SYNTAX;
    }
    if (!ld->replay)
        report_doubles(ld);
    ld->loaded = true;
    return e;
}

/* Where the global of a path was assigned; NULL when the file does not set it. */
static const struct oh__assignment *assignment_of(const struct oh__loader *ld, const char *path)
{
    size_t n = strcspn(path, ".[");

    for (unsigned i = 0; i < ld->assigned_n; i++) {
        if (strlen(ld->assigned[i].name) == n && memcmp(ld->assigned[i].name, path, n) == 0)
            return &ld->assigned[i];
    }
    return NULL;
}

/* True when the command line has replaced what the file says. */
static bool is_overridden(const struct oh__loader *ld, const char *path)
{
    const struct oh__config_overrides *cli = &ld->config->cli;

    return (cli->domains_n && strncmp(path, "domains", 7) == 0 && path[7] != '_') ||
           (cli->listen_n && strncmp(path, "listen", 6) == 0);
}

void oh__loader_problem(struct oh__loader *ld, const char *path, enum oh__position_part part,
                        const char *format, ...)
{
    const struct oh__assignment *a = assignment_of(ld, path);
    struct oh__position at = {0, 0};
    const char *file = "command line";
    char text[320];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (a && a->source && !is_overridden(ld, path)) {
        file = a->source->name;
        at = oh__positions_find(a->source->positions, path, a->line, part);
    } else if (ld->config->path && !is_overridden(ld, path)) {
        file = ld->config->path;
    }
    oh__config_problem(ld->report, file, at, path, "%s", text);
}
