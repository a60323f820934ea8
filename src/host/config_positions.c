/*
 * From a setting to its place in the text. Lua values carry no positions, so
 * the text is read a second time: not as a program, only for assignments to
 * globals outside of braces, and for the literal tables behind them.
 *
 *     registrar = { expires_min = "60 s" }      gives registrar
 *                                                     registrar.expires_min
 *     domains = { "a", { "b", mode = "proxy" } }      domains[2].mode
 *
 * What is computed (a table out of a function, a variable) has no place of its
 * own; a look-up then answers with the nearest thing around it that has.
 */
#include "host/config_parts.h"

#define PATH_MAX_LEN 160
#define DEPTH_MAX    12
#define ENTRIES_MAX  65536 /* a long list of networks, and no more memory than that */
#define DOUBLES_MAX  32
#define LOOK_BACK \
    512 /* keys among which doubles are looked for; more than any table of settings has */

struct entry {
    const char *path;
    uint32_t assignment; /* counts up with every assignment in the text */
    struct oh__position key, value;
};

struct twice {
    const char *path;
    struct oh__position first, second;
};

struct oh__positions {
    struct oh_arena *arena;
    struct entry *entries;
    size_t n, cap;
    struct twice twice[DOUBLES_MAX];
    size_t twice_n;
    uint32_t assignment;
    bool nomem;
};

/* A path under construction; it is cut, never overrun. */
struct path {
    char text[PATH_MAX_LEN];
    size_t n;
};

/* Appends what fits. */
static void path_add(struct path *path, struct oh_span s)
{
    s = oh_span_head(s, sizeof(path->text) - 1 - path->n);
    if (s.n)
        memcpy(path->text + path->n, s.p, s.n);
    path->n += s.n;
    path->text[path->n] = 0;
}

/* Appends a key: "registrar" and then ".contacts". */
static void path_field(struct path *path, struct oh_span name)
{
    if (path->n)
        path_add(path, OH_LIT("."));
    path_add(path, name);
}

/* Appends a place in a list: "[2]". */
static void path_index(struct path *path, unsigned i)
{
    char text[16];
    int n = snprintf(text, sizeof(text), "[%u]", i);

    path_add(path, oh_span(text, (size_t)n));
}

/* Goes back to a shorter path, when a table or field is over. */
static void path_cut(struct path *path, size_t n)
{
    path->n = n;
    path->text[n] = 0;
}

/* Doubles the list; the old half stays in the arena until the snapshot goes. */
static bool grow(struct oh__positions *p)
{
    size_t cap = p->cap ? p->cap * 2 : 64;
    struct entry *entries = oh_arena_take(p->arena, cap * sizeof(*entries));

    if (!entries)
        return false;
    if (p->n)
        memcpy(entries, p->entries, p->n * sizeof(*entries));
    p->entries = entries;
    p->cap = cap;
    return true;
}

/* Notes where a path stands. */
static void note(struct oh__positions *p, const struct path *path, struct oh__position key,
                 struct oh__position value)
{
    struct oh_span copy;

    if (p->n == ENTRIES_MAX)
        return;
    if (p->n == p->cap && !grow(p)) {
        p->nomem = true;
        return;
    }
    copy = oh_arena_copy(p->arena, oh_span(path->text, path->n + 1));
    if (!copy.p) {
        p->nomem = true;
        return;
    }
    p->entries[p->n++] = (struct entry){copy.p, p->assignment, key, value};
}

/* Notes a key of a table, and that it was there before when it was. */
static void note_key(struct oh__positions *p, const struct path *path, struct oh__position key,
                     struct oh__position value)
{
    size_t floor = p->n > LOOK_BACK ? p->n - LOOK_BACK : 0;

    for (size_t i = p->n; i-- > floor && p->entries[i].assignment == p->assignment;) {
        if (strcmp(p->entries[i].path, path->text) != 0)
            continue;
        if (p->twice_n < DOUBLES_MAX)
            p->twice[p->twice_n++] = (struct twice){p->entries[i].path, p->entries[i].key, key};
        return;
    }
    note(p, path, key, value);
}

/* How a token changes the depth of blocks and brackets. */
static int nesting(const struct oh__lexer *lx)
{
    static const char *const open[] = {"{", "(", "[", "function", "if", "do", "repeat"};
    static const char *const close[] = {"}", ")", "]", "end", "until"};

    for (size_t i = 0; i < sizeof(open) / sizeof(open[0]); i++) {
        if (oh__lexer_is(lx, open[i]))
            return 1;
    }
    for (size_t i = 0; i < sizeof(close) / sizeof(close[0]); i++) {
        if (oh__lexer_is(lx, close[i]))
            return -1;
    }
    return 0;
}

/* Skips an expression inside of a table: up to the comma or brace that ends its field. */
static void skip_field(struct oh__lexer *lx)
{
    int depth = 0;

    while (lx->kind != OH__TOKEN_END) {
        if (depth == 0 && (oh__lexer_is(lx, ",") || oh__lexer_is(lx, ";") || oh__lexer_is(lx, "}")))
            return;
        depth += nesting(lx);
        oh__lexer_next(lx);
    }
}

/* Skips a bracketed expression whose opening token is current. */
static void skip_brackets(struct oh__lexer *lx)
{
    int depth = 0;

    do {
        depth += nesting(lx);
        oh__lexer_next(lx);
    } while (depth > 0 && lx->kind != OH__TOKEN_END);
}

/*
 * Reads the key of a field, if it has one, and stops at its value. Gives false
 * for a positional field. A computed key ([1 + 1] = ...) leaves the name empty.
 */
static bool take_key(struct oh__lexer *lx, struct oh_span *name)
{
    struct oh__lexer ahead = *lx;

    *name = oh_span(NULL, 0);
    if (oh__lexer_is(&ahead, "[")) {
        oh__lexer_next(&ahead);
        if (ahead.kind == OH__TOKEN_STRING)
            *name = ahead.text;
        ahead = *lx;
        skip_brackets(&ahead);
    } else if (ahead.kind == OH__TOKEN_NAME) {
        *name = ahead.text;
        oh__lexer_next(&ahead);
    } else {
        return false;
    }
    if (!oh__lexer_is(&ahead, "="))
        return false;
    oh__lexer_next(&ahead);
    *lx = ahead;
    return true;
}

/* Reads a literal table; the current token is its "{", afterwards the one behind "}". */
static void read_table(struct oh__positions *p, struct oh__lexer *lx, struct path *path,
                       unsigned depth)
{
    size_t base = path->n;
    unsigned index = 0;

    oh__lexer_next(lx);
    while (lx->kind != OH__TOKEN_END && !oh__lexer_is(lx, "}")) {
        struct oh__position key = lx->at;
        struct oh_span name;
        bool keyed = take_key(lx, &name);

        if (keyed && name.n)
            path_field(path, name);
        else if (!keyed)
            path_index(path, ++index);
        if (keyed && name.n)
            note_key(p, path, key, lx->at);
        else if (!keyed)
            note(p, path, key, lx->at);
        if (oh__lexer_is(lx, "{") && depth < DEPTH_MAX)
            read_table(p, lx, path, depth + 1);
        skip_field(lx);
        path_cut(path, base);
        if (lx->kind == OH__TOKEN_SYMBOL && !oh__lexer_is(lx, "}"))
            oh__lexer_next(lx);
    }
    oh__lexer_next(lx);
}

/* Reads `name` or `name.field` into a path. */
static bool read_name(struct oh__lexer *lx, struct path *path)
{
    if (lx->kind != OH__TOKEN_NAME || oh__lexer_keyword(lx->text))
        return false;
    path_field(path, lx->text);
    oh__lexer_next(lx);
    while (oh__lexer_is(lx, ".")) {
        oh__lexer_next(lx);
        if (lx->kind != OH__TOKEN_NAME)
            return false;
        path_field(path, lx->text);
        oh__lexer_next(lx);
    }
    return true;
}

/*
 * `a, b = ...`: notes every name, with nothing about values, when the list
 * really ends in an assignment (the arguments of a call look alike).
 */
static bool read_list(struct oh__positions *p, struct oh__lexer *lx, bool noting)
{
    for (;;) {
        struct oh__position key = lx->at;
        struct path path = {{0}, 0};

        if (!read_name(lx, &path))
            return false;
        if (noting)
            note(p, &path, key, key);
        if (!oh__lexer_is(lx, ","))
            return oh__lexer_is(lx, "=");
        oh__lexer_next(lx);
    }
}

/*
 * Tries to read `name = value`, `name.field = value` or `a, b = ...` at the
 * current name. Goes on only when it is one.
 */
static bool read_assignment(struct oh__positions *p, struct oh__lexer *lx)
{
    struct oh__lexer ahead = *lx;
    struct oh__position key = lx->at;
    struct path path = {{0}, 0};

    if (!read_name(&ahead, &path))
        return false;
    if (oh__lexer_is(&ahead, ",")) {
        ahead = *lx;
        if (!read_list(p, &ahead, false))
            return false;
        p->assignment++;
        return read_list(p, lx, true);
    }
    if (!oh__lexer_is(&ahead, "="))
        return false;
    p->assignment++;
    oh__lexer_next(&ahead);
    note(p, &path, key, ahead.at);
    if (oh__lexer_is(&ahead, "{"))
        read_table(p, &ahead, &path, 0);
    *lx = ahead;
    return true;
}

/* After these words a name is no assignment to a global. */
static bool is_declaring(struct oh_span word)
{
    return oh_span_eq(word, OH_LIT("local")) || oh_span_eq(word, OH_LIT("for")) ||
           oh_span_eq(word, OH_LIT("goto")) || oh_span_eq(word, OH_LIT(".")) ||
           oh_span_eq(word, OH_LIT(":")) || oh_span_eq(word, OH_LIT("::"));
}

/* `function name` sets a global, `local function name` does not. The current token is the name. */
static void read_function(struct oh__positions *p, struct oh__lexer *lx, bool local)
{
    struct path path = {{0}, 0};

    if (local || lx->kind != OH__TOKEN_NAME)
        return;
    path_field(&path, lx->text);
    p->assignment++;
    note(p, &path, lx->at, lx->at);
    oh__lexer_next(lx);
}

/* Skips what `local` or `for` declares: names, commas and attributes. */
static void skip_names(struct oh__lexer *lx)
{
    while (lx->kind == OH__TOKEN_NAME && !oh__lexer_keyword(lx->text)) {
        oh__lexer_next(lx);
        if (oh__lexer_is(lx, "<")) {
            oh__lexer_next(lx);
            oh__lexer_next(lx);
            oh__lexer_next(lx);
        }
        if (!oh__lexer_is(lx, ","))
            return;
        oh__lexer_next(lx);
    }
}

/* One step of the walk at brace depth 0; last is the token before the current one. */
static struct oh_span step(struct oh__positions *p, struct oh__lexer *lx, struct oh_span last)
{
    struct oh_span now = lx->text;

    if (lx->kind == OH__TOKEN_NAME && !oh__lexer_keyword(now) && !is_declaring(last) &&
        read_assignment(p, lx))
        return oh_span(NULL, 0);
    oh__lexer_next(lx);
    if (oh_span_eq(now, OH_LIT("function")))
        read_function(p, lx, oh_span_eq(last, OH_LIT("local")));
    else if (oh_span_eq(now, OH_LIT("local")) || oh_span_eq(now, OH_LIT("for")))
        skip_names(lx);
    return now;
}

int oh__positions_build(struct oh_span text, struct oh_arena *arena, struct oh__positions **out)
{
    struct oh__positions *p = oh_arena_take(arena, sizeof(*p));
    struct oh__lexer lx;
    struct oh_span last = {NULL, 0};
    int braces = 0;

    if (!p)
        return OH_E_NOMEM;
    memset(p, 0, sizeof(*p));
    p->arena = arena;
    oh__lexer_init(&lx, text);
    oh__lexer_next(&lx);
    while (lx.kind != OH__TOKEN_END) {
        if (oh__lexer_is(&lx, "{") || oh__lexer_is(&lx, "}"))
            braces += lx.text.p[0] == '{' ? 1 : -1;
        if (braces > 0 || lx.kind == OH__TOKEN_STRING) {
            last = lx.text;
            oh__lexer_next(&lx);
        } else {
            last = step(p, &lx, last);
        }
    }
    if (p->nomem)
        return OH_E_NOMEM;
    *out = p;
    return OH_OK;
}

/* The entry of exactly this path: in the assignment that ran on a line, else the first one. */
static const struct entry *exact(const struct oh__positions *p, struct oh_span path, uint32_t line)
{
    const struct entry *best = NULL;

    for (size_t i = 0; i < p->n; i++) {
        const struct entry *e = &p->entries[i];

        if (!oh_span_eq(oh_span_str(e->path), path))
            continue;
        /* A statement runs on the line where it starts or on a later one. */
        if (!best || (line && e->key.line <= line))
            best = e;
    }
    return best;
}

struct oh__position oh__positions_find(const struct oh__positions *p, const char *path,
                                       uint32_t line, enum oh__position_part part)
{
    struct oh_span rest = oh_span_str(path);

    while (rest.n) {
        const struct entry *e = exact(p, rest, line);

        /* What only stands around the setting is pointed at by its name. */
        if (e && (part == OH__POSITION_KEY || rest.n != strlen(path)))
            return e->key;
        if (e)
            return e->value;
        do {
            rest.n--;
        } while (rest.n && rest.p[rest.n] != '.' && rest.p[rest.n] != '[');
    }
    return (struct oh__position){line, line ? 1 : 0};
}

bool oh__positions_double(const struct oh__positions *p, size_t i, const char **path,
                          struct oh__position *first, struct oh__position *second)
{
    if (i >= p->twice_n)
        return false;
    *path = p->twice[i].path;
    *first = p->twice[i].first;
    *second = p->twice[i].second;
    return true;
}

struct oh__position oh__positions_word(struct oh_span text, uint32_t line, struct oh_span word)
{
    struct oh__position first = {line, 1};
    struct oh__lexer lx;
    bool seen = false;

    oh__lexer_init(&lx, text);
    for (oh__lexer_next(&lx); lx.kind != OH__TOKEN_END; oh__lexer_next(&lx)) {
        if (lx.at.line > line)
            break;
        if (lx.at.line < line)
            continue;
        if (word.n && oh_span_eq(oh_span_head(lx.text, word.n), word))
            return lx.at;
        if (!seen)
            first = lx.at;
        seen = true;
    }
    return first;
}
