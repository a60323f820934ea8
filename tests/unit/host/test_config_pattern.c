/*
 * The metered pattern matcher: results as Lua's manual (6.4.1) has them, and
 * an end however much there is to try.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "host/config_pattern.h"

static enum oh__match_result match(struct oh__match *m, const char *subject, const char *pattern,
                                   int64_t steps)
{
    enum oh__match_result r = OH__MATCH_NO;
    bool anchored = pattern[0] == '^';

    *m = (struct oh__match){.subject = oh_span_str(subject),
                            .pattern = oh_span_str(pattern + anchored),
                            .steps = steps};
    for (size_t at = 0; at <= m->subject.n && r == OH__MATCH_NO; at++) {
        r = oh__match_at(m, at);
        if (anchored)
            break;
    }
    return r;
}

/* want: captures joined with "|", a position as "@n"; with no captures, what stands before the end.
 */
static const struct {
    const char *subject, *pattern, *want;
} cases[] = {
    {"hello", "l+", "@end4"},
    {"hello", "(l)(l)(o)", "l|l|o"},
    {"hello", "^h(.-)o$", "ell"},
    {"hello", "^e", NULL},
    {"key = value", "^(%w+)%s*=%s*(%w+)$", "key|value"},
    {"sip:bob@example.com", "^sips?:([^@]+)@(.+)$", "bob|example.com"},
    {"+49 (123)", "%((%d+)%)", "123"},
    {"f(a(b)c)d", "(%b())", "(a(b)c)"},
    {"f(a(b", "%b()", NULL},
    {"THE (quick) fox", "%f[%a]%a+%f[%A]", "@end3"},
    {"x=1", "()=()", "@2|@3"},
    {"\"it's\"", "([\"'])(.-)%1", "\"|it's"},
    {"abab", "(ab)%1", "ab"},
    {"abac", "(ab)%1", NULL},
    {"a]b", "[]]", "@end2"},
    {"a-b", "[a%-]+", "@end2"},
    {"x^y", "[x^]+", "@end2"},
    {"a.b", "a%.b", "@end3"},
    {"axb", "a%.b", NULL},
    {"aaa", "a-b", NULL},
    {"aaab", "a-b", "@end4"},
    {"ac", "ab?c", "@end2"},
    {"", "", "@end0"},
    {"", ".", NULL},
    {"a$", "a$", NULL},
    {"a$b", "a$b", "@end3"},
    {"Z9_", "^%u%d%p$", "@end3"},
    {"zf", "^%l%x$", "@end2"},
    {"\t\n", "^%s%c$", "@end2"},
    {"ab", "^%S%S$", "@end2"},
    {"a1", "^%W", NULL},
};

static void describe(const struct oh__match *m, char out[256])
{
    size_t n = 0;

    out[0] = 0;
    if (m->captures_n == 0)
        snprintf(out, 256, "@end%d", (int)(m->end - m->subject.p));
    for (unsigned i = 0; i < m->captures_n; i++) {
        const struct oh__capture *c = &m->captures[i];

        if (c->n == OH__CAPTURE_POSITION)
            n += (size_t)snprintf(out + n, 256 - n, "%s@%d", i ? "|" : "",
                                  (int)(c->p - m->subject.p) + 1);
        else
            n += (size_t)snprintf(out + n, 256 - n, "%s%.*s", i ? "|" : "", (int)c->n, c->p);
    }
}

static void test_cases(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct oh__match m;
        char got[256] = "";
        enum oh__match_result r = match(&m, cases[i].subject, cases[i].pattern, 100000);

        if (r == OH__MATCH_YES)
            describe(&m, got);
        if ((r == OH__MATCH_YES) != (cases[i].want != NULL) ||
            (cases[i].want && strcmp(got, cases[i].want) != 0))
            fail_msg("%s on %s: %d %s, expected %s", cases[i].pattern, cases[i].subject, (int)r,
                     got, cases[i].want ? cases[i].want : "no match");
    }
}

static void test_faults(void **state)
{
    static const char *const patterns[] = {"%",  "[a",  "[]",  "[^]", "[%", "(a",    "a)",
                                           "%b", "%bx", "%fx", "(()", "%1", "(a%1)", "%f[a"};

    (void)state;
    for (unsigned i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
        struct oh__match m;

        if (match(&m, "aaaa", patterns[i], 1000) != OH__MATCH_BAD || !m.error)
            fail_msg("pattern %s was taken", patterns[i]);
    }
}

/* Every pattern ends within its steps, and never takes more of them than it was given. */
static void test_steps(void **state)
{
    static const char *const patterns[] = {"a*a*a*a*b", ".-.-.-.-b", "(a*)*%1%1b", "%b()%b()x",
                                           "[ab]*[ab]*[ab]*c"};
    char subject[4001];

    (void)state;
    memset(subject, 'a', sizeof(subject) - 1);
    subject[sizeof(subject) - 1] = 0;
    for (unsigned i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
        for (int64_t steps = 1; steps < 1000000; steps *= 7) {
            struct oh__match m;
            enum oh__match_result r = match(&m, subject, patterns[i], steps);

            assert_true(r == OH__MATCH_STOPPED || r == OH__MATCH_NO);
            assert_true(m.used <= steps + (int64_t)sizeof(subject));
        }
    }
}

static void test_depth(void **state)
{
    char pattern[1001], captures[201];
    struct oh__match m;

    (void)state;
    for (unsigned i = 0; i < 1000; i += 2)
        memcpy(pattern + i, "a?", 2);
    pattern[1000] = 0;
    memset(captures, '(', 200);
    captures[200] = 0;
    assert_int_equal(match(&m, "aaaa", pattern, 1000000), OH__MATCH_YES);
    for (unsigned i = 0; i < 1000; i += 2)
        memcpy(pattern + i, "a*", 2);
    assert_int_equal(match(&m, "aaaa", pattern, 1000000), OH__MATCH_BAD);
    assert_string_equal(m.error, "pattern too complex");
    assert_int_equal(match(&m, "aaaa", captures, 1000000), OH__MATCH_BAD);
    assert_string_equal(m.error, "too many captures");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_depth),
    };

    return cmocka_run_group_tests_name("config_pattern", tests, NULL, NULL);
}
