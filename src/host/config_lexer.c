/*
 * Tokens of Lua 5.4 (its manual, 3.1), as far as positions need them: names,
 * strings, numbers and symbols. Lua itself decides whether a text is right;
 * this pass must only never disagree about where a right one has its strings
 * and comments, and never run past the end of a wrong one.
 */
#include "host/config_parts.h"

/* Not isalpha: identifiers must not depend on the locale. */
static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The byte i places ahead, 0 behind the end: no look-ahead can run out of the text. */
static char byte_at(const struct oh__lexer *lx, size_t i)
{
    return i < lx->rest.n ? lx->rest.p[i] : 0;
}

/* Goes n bytes on, counting lines as Lua does: CR LF and LF CR are one end of line. */
static void advance(struct oh__lexer *lx, size_t n)
{
    const char *p = lx->rest.p, *end;

    lx->rest = oh_span_from(lx->rest, n);
    end = lx->rest.p;
    while (p < end) {
        char c = *p++;

        if (c != '\n' && c != '\r')
            continue;
        if (p < end && (*p == '\n' || *p == '\r') && *p != c)
            p++;
        lx->line++;
        lx->line_start = p;
    }
}

/* The level of a long bracket that opens at offset i ("[[" is 0, "[=[" is 1), or -1. */
static int long_bracket(const struct oh__lexer *lx, size_t i)
{
    int level = 0;

    if (byte_at(lx, i) != '[')
        return -1;
    while (byte_at(lx, i + 1 + (size_t)level) == '=')
        level++;
    return byte_at(lx, i + 1 + (size_t)level) == '[' ? level : -1;
}

/* The offset behind the closing bracket of a level, from offset i; the end when it is missing. */
static size_t long_end(const struct oh__lexer *lx, size_t i, int level)
{
    for (; i < lx->rest.n; i++) {
        int n = 0;

        if (lx->rest.p[i] != ']')
            continue;
        while (n < level && byte_at(lx, i + 1 + (size_t)n) == '=')
            n++;
        if (n == level && byte_at(lx, i + 1 + (size_t)n) == ']')
            return i + 2 + (size_t)n;
    }
    return lx->rest.n;
}

/* Bytes up to the end of the line, without it. */
static size_t line_length(const struct oh__lexer *lx)
{
    size_t n = 0;

    while (n < lx->rest.n && lx->rest.p[n] != '\n' && lx->rest.p[n] != '\r')
        n++;
    return n;
}

/* A comment runs to the end of the line, or as a long one to its closing bracket. */
static void skip_comment(struct oh__lexer *lx)
{
    int level = long_bracket(lx, 2);

    if (level >= 0)
        advance(lx, long_end(lx, 4 + (size_t)level, level));
    else
        advance(lx, line_length(lx));
}

/* Skips blanks, line ends and comments, in any order and number. */
static void skip_blanks(struct oh__lexer *lx)
{
    while (lx->rest.n) {
        char c = lx->rest.p[0];

        if (c == ' ' || (c >= '\t' && c <= '\r')) {
            size_t n = 1;

            /* A CR LF must not be cut in two, or it would count twice. */
            while (byte_at(lx, n) == ' ' || (byte_at(lx, n) >= '\t' && byte_at(lx, n) <= '\r'))
                n++;
            advance(lx, n);
        } else if (c == '-' && byte_at(lx, 1) == '-') {
            skip_comment(lx);
        } else {
            return;
        }
    }
}

/* Takes n bytes as the current token; its text leaves out `cut` bytes at both ends. */
static void take(struct oh__lexer *lx, enum oh__token kind, size_t n, size_t cut)
{
    lx->kind = kind;
    lx->text = oh_span(lx->rest.p + cut, n > 2 * cut ? n - 2 * cut : 0);
    advance(lx, n);
}

/* The length of an escape at offset i: what follows the backslash is skipped, \z skips blanks. */
static size_t escape_length(const struct oh__lexer *lx, size_t i)
{
    size_t n = 2;

    if (byte_at(lx, i + 1) == 'z') {
        while (byte_at(lx, i + n) == ' ' ||
               (byte_at(lx, i + n) >= '\t' && byte_at(lx, i + n) <= '\r'))
            n++;
    } else if (byte_at(lx, i + 1) == '\r' && byte_at(lx, i + 2) == '\n') {
        n++;
    }
    return n;
}

/* A string in quotes; one that is not closed ends with its line, as Lua sees it. */
static void take_quoted(struct oh__lexer *lx)
{
    char quote = lx->rest.p[0];
    size_t n = 1;

    while (n < lx->rest.n && lx->rest.p[n] != quote) {
        if (lx->rest.p[n] == '\n')
            break; /* Not closed on its line: an error that Lua reports. */
        n += lx->rest.p[n] == '\\' ? escape_length(lx, n) : 1;
    }
    take(lx, OH__TOKEN_STRING, n < lx->rest.n ? n + 1 : lx->rest.n, 1);
}

/* Rough, but never shorter than what Lua reads: a sign belongs to it behind an exponent. */
static void take_number(struct oh__lexer *lx)
{
    size_t n = 1;

    while (is_digit(byte_at(lx, n)) || is_letter(byte_at(lx, n)) || byte_at(lx, n) == '.' ||
           ((byte_at(lx, n) == '-' || byte_at(lx, n) == '+') && strchr("eEpP", byte_at(lx, n - 1))))
        n++;
    take(lx, OH__TOKEN_NUMBER, n, 0);
}

/* The longest symbol wins, above all "==" over "=". */
static void take_symbol(struct oh__lexer *lx)
{
    static const char *const longer[] = {
        "...", "..", "==", "~=", "<=", ">=", "::", "//", "<<", ">>"};

    for (size_t i = 0; i < sizeof(longer) / sizeof(longer[0]); i++) {
        struct oh_span s = oh_span_str(longer[i]);

        if (oh_span_eq(oh_span_head(lx->rest, s.n), s)) {
            take(lx, OH__TOKEN_SYMBOL, s.n, 0);
            return;
        }
    }
    take(lx, OH__TOKEN_SYMBOL, 1, 0);
}

void oh__lexer_init(struct oh__lexer *lx, struct oh_span text)
{
    *lx = (struct oh__lexer){.rest = text, .line = 1, .line_start = text.p};
    if (text.n && text.p[0] == '#')
        advance(lx, line_length(lx));
}

void oh__lexer_next(struct oh__lexer *lx)
{
    size_t n = 1;
    char c;

    skip_blanks(lx);
    lx->at = (struct oh__position){lx->line, (uint32_t)(lx->rest.p - lx->line_start) + 1};
    if (lx->rest.n == 0) {
        lx->kind = OH__TOKEN_END;
        lx->text = lx->rest;
        return;
    }
    c = lx->rest.p[0];
    if (is_letter(c)) {
        while (is_letter(byte_at(lx, n)) || is_digit(byte_at(lx, n)))
            n++;
        take(lx, OH__TOKEN_NAME, n, 0);
    } else if (is_digit(c) || (c == '.' && is_digit(byte_at(lx, 1)))) {
        take_number(lx);
    } else if (c == '"' || c == '\'') {
        take_quoted(lx);
    } else if (long_bracket(lx, 0) >= 0) {
        size_t open = 2 + (size_t)long_bracket(lx, 0);

        take(lx, OH__TOKEN_STRING, long_end(lx, open, (int)open - 2), open);
    } else {
        take_symbol(lx);
    }
}

bool oh__lexer_is(const struct oh__lexer *lx, const char *text)
{
    return (lx->kind == OH__TOKEN_NAME || lx->kind == OH__TOKEN_SYMBOL) &&
           oh_span_eq(lx->text, oh_span_str(text));
}

bool oh__lexer_keyword(struct oh_span name)
{
    static const char *const words[] = {
        "and",      "break",  "do",   "else", "elseif", "end",   "false", "for",
        "function", "goto",   "if",   "in",   "local",  "nil",   "not",   "or",
        "repeat",   "return", "then", "true", "until",  "while",
    };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (oh_span_eq(name, oh_span_str(words[i])))
            return true;
    }
    return false;
}
