/*
 * A backtracking matcher for the patterns of Lua 5.4 (its manual, 6.4.1). The
 * pattern is read as it is matched; one call of match_items works through the
 * items that cannot be varied in a loop and recurses only where there is a
 * choice, so the depth is bounded by the items of the pattern, and the time by
 * the steps: one for each item tried at each place.
 */
#include "host/config_pattern.h"

#include <ctype.h>

/* Where matching stands; results other than YES and NO unwind everything. */
static enum oh__match_result match_items(struct oh__match *m, const char *s, const char *p);

/* A fault of the pattern ends the match for good. */
static enum oh__match_result bad(struct oh__match *m, const char *why)
{
    m->error = why;
    return OH__MATCH_BAD;
}

static const char *subject_end(const struct oh__match *m)
{
    return m->subject.p + m->subject.n;
}

static const char *pattern_end(const struct oh__match *m)
{
    return m->pattern.p + m->pattern.n;
}

/* Pays for one comparison; false when nothing is left. */
static bool step(struct oh__match *m)
{
    m->used++;
    return m->steps-- > 0;
}

/* %a, %d and so on; an upper-case letter is the complement, any other byte itself. */
static bool in_class(unsigned char c, unsigned char class)
{
    bool in;

    switch (tolower(class)) {
    case 'a': in = isalpha(c); break;
    case 'c': in = iscntrl(c); break;
    case 'd': in = isdigit(c); break;
    case 'g': in = isgraph(c); break;
    case 'l': in = islower(c); break;
    case 'p': in = ispunct(c); break;
    case 's': in = isspace(c); break;
    case 'u': in = isupper(c); break;
    case 'w': in = isalnum(c); break;
    case 'x': in = isxdigit(c); break;
    default: return class == c;
    }
    return isupper(class) ? !in : in;
}

/* The place behind a set that begins at p ("["), or NULL when it is not closed. */
static const char *set_end(const struct oh__match *m, const char *p)
{
    const char *end = pattern_end(m);

    p++;
    if (p < end && *p == '^')
        p++;
    /* The first byte stands for itself, even a "]". */
    do {
        if (p < end && *p == '%')
            p++;
        if (p >= end)
            return NULL;
        p++;
        if (p >= end)
            return NULL;
    } while (*p != ']');
    return p + 1;
}

/* Is c in the set from "[" to behind "]"? */
static bool in_set(unsigned char c, const char *p, const char *end)
{
    bool in = true;

    p++;
    end--;
    if (*p == '^') {
        in = false;
        p++;
    }
    for (; p < end; p++) {
        if (*p == '%') {
            p++;
            if (in_class(c, (unsigned char)*p))
                return in;
        } else if (p + 2 < end && p[1] == '-') {
            if ((unsigned char)p[0] <= c && c <= (unsigned char)p[2])
                return in;
            p += 2;
        } else if ((unsigned char)*p == c) {
            return in;
        }
    }
    return !in;
}

/* The place behind one single-byte item (a byte, a class, a set); NULL and an error otherwise. */
static const char *item_end(struct oh__match *m, const char *p)
{
    const char *end = pattern_end(m);

    if (*p == '%') {
        if (p + 1 < end)
            return p + 2;
        bad(m, "malformed pattern (ends with '%')");
        return NULL;
    }
    if (*p == '[') {
        const char *after = set_end(m, p);

        if (!after)
            bad(m, "malformed pattern (missing ']')");
        return after;
    }
    return p + 1;
}

/* Does the byte at s match the single item from p to end? */
static bool single(const struct oh__match *m, const char *s, const char *p, const char *end)
{
    if (s >= subject_end(m))
        return false;
    switch (*p) {
    case '.': return true;
    case '%': return in_class((unsigned char)*s, (unsigned char)p[1]);
    case '[': return in_set((unsigned char)*s, p, end);
    default: return *p == *s;
    }
}

/* As many as possible ("*", "+"), then fewer and fewer. */
static enum oh__match_result match_longest(struct oh__match *m, const char *s, const char *p,
                                           const char *end, ptrdiff_t least)
{
    ptrdiff_t n = 0;

    while (single(m, s + n, p, end)) {
        if (!step(m))
            return OH__MATCH_STOPPED;
        n++;
    }
    for (; n >= least; n--) {
        enum oh__match_result r = match_items(m, s + n, end + 1);

        if (r != OH__MATCH_NO)
            return r;
    }
    return OH__MATCH_NO;
}

/* As few as possible ("-"), then more and more. */
static enum oh__match_result match_shortest(struct oh__match *m, const char *s, const char *p,
                                            const char *end)
{
    for (;; s++) {
        enum oh__match_result r = match_items(m, s, end + 1);

        if (r != OH__MATCH_NO)
            return r;
        if (!single(m, s, p, end))
            return OH__MATCH_NO;
        if (!step(m))
            return OH__MATCH_STOPPED;
    }
}

/* "(": the rest of the pattern is matched with one capture more, which goes when that fails. */
static enum oh__match_result open_capture(struct oh__match *m, const char *s, const char *p)
{
    bool position = p < pattern_end(m) && *p == ')';
    enum oh__match_result r;

    if (m->captures_n == OH__PATTERN_CAPTURES_MAX)
        return bad(m, "too many captures");
    m->captures[m->captures_n++] = (struct oh__capture){s, position ? OH__CAPTURE_POSITION
                                                                    : OH__CAPTURE_OPEN};
    r = match_items(m, s, position ? p + 1 : p);
    if (r == OH__MATCH_NO)
        m->captures_n--;
    return r;
}

/* ")": closes the innermost open capture, and opens it again when the rest fails. */
static enum oh__match_result close_capture(struct oh__match *m, const char *s, const char *p)
{
    unsigned i = m->captures_n;
    enum oh__match_result r;

    while (i > 0 && m->captures[i - 1].n != OH__CAPTURE_OPEN)
        i--;
    if (i == 0)
        return bad(m, "invalid pattern capture");
    m->captures[i - 1].n = s - m->captures[i - 1].p;
    r = match_items(m, s, p);
    if (r == OH__MATCH_NO)
        m->captures[i - 1].n = OH__CAPTURE_OPEN;
    return r;
}

/* %bxy: from x to the y that balances it. Gives the place behind, or NULL. */
static const char *balanced(struct oh__match *m, const char *s, char open, char close)
{
    int depth = 1;

    if (s >= subject_end(m) || *s != open)
        return NULL;
    for (s++; s < subject_end(m) && step(m); s++) {
        /* With x equal to y the second one closes. */
        if (*s == close) {
            if (--depth == 0)
                return s + 1;
        } else if (*s == open) {
            depth++;
        }
    }
    return NULL;
}

/* %f[set]: the border between a byte outside of the set and one inside. */
static enum oh__match_result frontier(struct oh__match *m, const char *s, const char *p)
{
    const char *end;
    unsigned char before, here;

    if (p >= pattern_end(m) || *p != '[')
        return bad(m, "missing '[' after '%f' in pattern");
    end = item_end(m, p);
    if (!end)
        return OH__MATCH_BAD;
    before = s == m->subject.p ? 0 : (unsigned char)s[-1];
    here = s == subject_end(m) ? 0 : (unsigned char)*s;
    if (in_set(before, p, end) || !in_set(here, p, end))
        return OH__MATCH_NO;
    return match_items(m, s, end);
}

/* %1 to %9: what a capture matched, once more. Gives the place behind, or NULL. */
static const char *repeated(struct oh__match *m, const char *s, char digit)
{
    unsigned i = (unsigned)(digit - '1');
    size_t n;

    if (digit == '0' || i >= m->captures_n || m->captures[i].n < 0) {
        bad(m, "invalid capture index in pattern");
        return NULL;
    }
    n = (size_t)m->captures[i].n;
    m->steps -= (int64_t)(n / 16);
    m->used += (int64_t)(n / 16);
    if (n > (size_t)(subject_end(m) - s) || memcmp(s, m->captures[i].p, n) != 0)
        return NULL;
    return s + n;
}

/* The items that begin with "%" and are more than a class. *done: the result stands. */
static enum oh__match_result special(struct oh__match *m, const char **s, const char **p,
                                     bool *done)
{
    const char *at = *p, *end = pattern_end(m);
    const char *to;

    *done = true;
    if (at[1] == 'b') {
        if (at + 3 >= end)
            return bad(m, "missing arguments to '%b'");
        to = balanced(m, *s, at[2], at[3]);
        *p = at + 4;
    } else if (at[1] == 'f') {
        return frontier(m, *s, at + 2);
    } else {
        to = repeated(m, *s, at[1]);
        *p = at + 2;
    }
    if (m->error)
        return OH__MATCH_BAD;
    if (m->steps < 0)
        return OH__MATCH_STOPPED;
    if (!to)
        return OH__MATCH_NO;
    *s = to;
    *done = false;
    return OH__MATCH_YES;
}

/* One single-byte item with what may follow it: "?", "*", "+", "-". */
static enum oh__match_result quantified(struct oh__match *m, const char **s, const char **p,
                                        bool *done)
{
    const char *end = item_end(m, *p);
    char suffix;

    *done = true;
    if (!end)
        return OH__MATCH_BAD;
    suffix = end < pattern_end(m) ? *end : 0;
    if (suffix == '*' || suffix == '+')
        return match_longest(m, *s, *p, end, suffix == '+');
    if (suffix == '-')
        return match_shortest(m, *s, *p, end);
    if (suffix == '?') {
        if (single(m, *s, *p, end)) {
            enum oh__match_result r = match_items(m, *s + 1, end + 1);

            if (r != OH__MATCH_NO)
                return r;
        }
        *p = end + 1;
    } else {
        if (!single(m, *s, *p, end))
            return OH__MATCH_NO;
        *s += 1;
        *p = end;
    }
    *done = false;
    return OH__MATCH_YES;
}

/* The loop over items; depth is kept by match_items. */
static enum oh__match_result walk(struct oh__match *m, const char *s, const char *p)
{
    const char *end = pattern_end(m);
    enum oh__match_result r;
    bool done;

    while (p < end) {
        if (!step(m))
            return OH__MATCH_STOPPED;
        if (*p == '(')
            return open_capture(m, s, p + 1);
        if (*p == ')')
            return close_capture(m, s, p + 1);
        if (*p == '$' && p + 1 == end) {
            if (s != subject_end(m))
                return OH__MATCH_NO;
            break;
        }
        if (*p == '%' && p + 1 < end &&
            (p[1] == 'b' || p[1] == 'f' || isdigit((unsigned char)p[1])))
            r = special(m, &s, &p, &done);
        else
            r = quantified(m, &s, &p, &done);
        if (done || r != OH__MATCH_YES)
            return r;
    }
    m->end = s;
    return OH__MATCH_YES;
}

/* One level of recursion; each level stands for a choice that may have to be taken back. */
static enum oh__match_result match_items(struct oh__match *m, const char *s, const char *p)
{
    enum oh__match_result r;

    if (m->depth == OH__PATTERN_DEPTH_MAX)
        return bad(m, "pattern too complex");
    m->depth++;
    r = walk(m, s, p);
    m->depth--;
    return r;
}

enum oh__match_result oh__match_at(struct oh__match *m, size_t at)
{
    enum oh__match_result r;

    m->captures_n = 0;
    m->depth = 0;
    m->error = NULL;
    r = match_items(m, m->subject.p + at, m->pattern.p);
    for (unsigned i = 0; r == OH__MATCH_YES && i < m->captures_n; i++) {
        if (m->captures[i].n == OH__CAPTURE_OPEN)
            return bad(m, "unfinished capture");
    }
    return r;
}
