/*
 * A misspelt name in a policy function would only show when a call reaches
 * that line. So the check looks at every name of the text: it must be declared
 * somewhere in the file as a local, a parameter or a loop variable, or be a
 * name that the configuration offers. Scopes are not followed, so that no
 * right program is ever refused; a misspelt name is still nearly always one
 * that is declared nowhere.
 */
#include "host/config_parts.h"

#define DECLARED_MAX 4096
#define BLOCKS_MAX   256

struct names {
    struct oh__lexer lx;
    struct oh_span last; /* the token before the current one */
    struct oh_span *declared;
    size_t declared_n;
    char blocks[BLOCKS_MAX]; /* what encloses the current token: '{', 'f' (function) or 'b' */
    unsigned blocks_n, functions;
};

bool oh__config_name_known(struct oh_span name)
{
    struct oh__schema_name n;

    for (unsigned i = 0; (n = oh__schema_function(i)).name; i++) {
        if (oh_span_eq(name, oh_span_str(n.name)))
            return true;
    }
    for (unsigned i = 0; (n = oh__schema_builtin(i)).name; i++) {
        if (oh_span_eq(name, oh_span_str(n.name)))
            return true;
    }
    for (unsigned i = 0; oh__schema_group(i); i++) {
        const struct oh__setting_group *g = oh__schema_group(i);

        if (g->kind != OH__GROUP_TOP && oh_span_eq(name, oh_span_str(g->name)))
            return true;
        for (unsigned k = 0; g->kind == OH__GROUP_TOP && k < g->rows_n; k++) {
            if (oh_span_eq(name, oh_span_str(g->rows[k].name)))
                return true;
        }
    }
    return false;
}

void oh__config_name_suggest(struct oh__suggestion *best, struct oh_span word)
{
    struct oh__schema_name n;

    for (unsigned i = 0; (n = oh__schema_function(i)).name; i++)
        oh__suggest(best, word, n.name);
    for (unsigned i = 0; (n = oh__schema_builtin(i)).name; i++)
        oh__suggest(best, word, n.name);
    for (unsigned i = 0; oh__schema_group(i); i++) {
        const struct oh__setting_group *g = oh__schema_group(i);

        if (g->kind != OH__GROUP_TOP)
            oh__suggest(best, word, g->name);
        for (unsigned k = 0; g->kind == OH__GROUP_TOP && k < g->rows_n; k++)
            oh__suggest(best, word, g->rows[k].name);
    }
}

/* Remembers a declared name; the caller sees from the count when the list was cut. */
static void declare(struct names *s, struct oh_span name)
{
    if (s->declared_n < DECLARED_MAX)
        s->declared[s->declared_n++] = name;
}

/* True when the name is declared anywhere in the text, whatever the scope. */
static bool is_declared(const struct names *s, struct oh_span name)
{
    for (size_t i = 0; i < s->declared_n; i++) {
        if (oh_span_eq(s->declared[i], name))
            return true;
    }
    return false;
}

/* Goes one token on and remembers the last one. */
static void next(struct names *s)
{
    s->last = s->lx.text;
    oh__lexer_next(&s->lx);
}

/* Declares every name up to a word that ends the list (attributes are declared too, harmlessly). */
static void declare_list(struct names *s, const char *end)
{
    while (s->lx.kind != OH__TOKEN_END && !oh__lexer_is(&s->lx, end)) {
        if (s->lx.kind == OH__TOKEN_NAME && !oh__lexer_keyword(s->lx.text))
            declare(s, s->lx.text);
        else if (s->lx.kind != OH__TOKEN_SYMBOL)
            return;
        next(s);
    }
}

/* `function [name[.name][:name]] ( parameters )`; the current token is behind `function`. */
static void declare_function(struct names *s, bool local)
{
    if (local && s->lx.kind == OH__TOKEN_NAME)
        declare(s, s->lx.text);
    while (s->lx.kind != OH__TOKEN_END && !oh__lexer_is(&s->lx, "(")) {
        if (oh__lexer_is(&s->lx, ":"))
            declare(s, OH_LIT("self"));
        next(s);
    }
    if (s->lx.kind != OH__TOKEN_END)
        next(s);
    declare_list(s, ")");
}

/* `local a <const>, b = ...`: the list ends with the first name that no comma precedes. */
static void declare_locals(struct names *s)
{
    while (s->lx.kind == OH__TOKEN_NAME && !oh__lexer_keyword(s->lx.text)) {
        declare(s, s->lx.text);
        next(s);
        if (oh__lexer_is(&s->lx, "<")) {
            next(s);
            next(s);
            next(s);
        }
        if (!oh__lexer_is(&s->lx, ","))
            return;
        next(s);
    }
}

/* Goes back to the first token, for the second walk. */
static void restart(struct names *s, struct oh_span text)
{
    oh__lexer_init(&s->lx, text);
    s->last = oh_span(NULL, 0);
    oh__lexer_next(&s->lx);
}

/* The first walk: every name that the text declares. */
static void declare_all(struct names *s, struct oh_span text)
{
    restart(s, text);
    while (s->lx.kind != OH__TOKEN_END) {
        bool local = oh_span_eq(s->last, OH_LIT("local"));

        if (oh__lexer_is(&s->lx, "function")) {
            next(s);
            declare_function(s, local);
        } else if (oh__lexer_is(&s->lx, "local")) {
            next(s);
            declare_locals(s);
        } else if (oh__lexer_is(&s->lx, "for")) {
            next(s);
            declare_locals(s);
        } else {
            next(s);
        }
    }
}

/* Keeps track of what encloses the current token. */
static void track(struct names *s)
{
    const struct oh__lexer *lx = &s->lx;
    char block = 0;

    if (oh__lexer_is(lx, "{"))
        block = '{';
    else if (oh__lexer_is(lx, "function"))
        block = 'f';
    else if (oh__lexer_is(lx, "if") || oh__lexer_is(lx, "do") || oh__lexer_is(lx, "repeat"))
        block = 'b';
    if (block && s->blocks_n < BLOCKS_MAX) {
        s->blocks[s->blocks_n++] = block;
        s->functions += block == 'f';
    }
    if ((oh__lexer_is(lx, "}") || oh__lexer_is(lx, "end") || oh__lexer_is(lx, "until")) &&
        s->blocks_n) {
        s->functions -= s->blocks[--s->blocks_n] == 'f';
    }
}

/* True when the current name names something in its own right: no field, label, key or attribute.
 */
static bool is_variable(const struct names *s, const struct oh__lexer *ahead)
{
    static const char *const before[] = {".", ":", "::", "goto"};

    if (s->lx.kind != OH__TOKEN_NAME || oh__lexer_keyword(s->lx.text))
        return false;
    for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
        if (oh_span_eq(s->last, oh_span_str(before[i])))
            return false;
    }
    if (oh_span_eq(s->last, OH_LIT("<")) && oh__lexer_is(ahead, ">"))
        return false;
    if (oh__lexer_is(ahead, "=") && s->blocks_n && s->blocks[s->blocks_n - 1] == '{')
        return false;
    return true;
}

/* One report: the likely name if there is one, else what the author may have meant. */
static void complain(const struct names *s, const char *file, bool assigned,
                     struct oh__config_report *report)
{
    struct oh__suggestion best = {NULL, 0};
    struct oh_span word = oh_span_head(s->lx.text, 60);

    oh__config_name_suggest(&best, word);
    if (best.name)
        oh__config_problem(report, file, s->lx.at, "", "unknown name '%.*s': did you mean '%s'?",
                           OH_PRI(word), best.name);
    else if (assigned)
        oh__config_problem(report, file, s->lx.at, "",
                           "a policy function cannot set the global '%.*s': write 'local %.*s'",
                           OH_PRI(word), OH_PRI(word));
    else
        oh__config_problem(report, file, s->lx.at, "", "unknown name '%.*s'", OH_PRI(word));
}

void oh__config_names_check(struct oh_span text, const char *file, struct oh_arena *arena,
                            struct oh__config_report *report)
{
    struct names s = {0};

    s.declared = oh_arena_take(arena, DECLARED_MAX * sizeof(s.declared[0]));
    if (!s.declared)
        return;
    declare_all(&s, text);
    /* With a list that was cut nothing can be said. */
    if (s.declared_n == DECLARED_MAX)
        return;
    for (restart(&s, text); s.lx.kind != OH__TOKEN_END; next(&s)) {
        struct oh__lexer ahead = s.lx;
        bool assigned;

        track(&s);
        oh__lexer_next(&ahead);
        if (!is_variable(&s, &ahead))
            continue;
        assigned = oh__lexer_is(&ahead, "=") || oh_span_eq(s.last, OH_LIT("function"));
        /* Outside of functions an assignment is a setting, which the schema judges. */
        if (assigned && s.functions <= oh_span_eq(s.last, OH_LIT("function")))
            continue;
        if (!is_declared(&s, s.lx.text) && !oh__config_name_known(s.lx.text))
            complain(&s, file, assigned, report);
    }
}
