/* Options, words, "did you mean", and that every row of the table is whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cmd/cmd.h"

static const struct oh__option OPTIONS[] = {
    {"listen", "WHERE", "where", OH__OPTION_MANY},
    {"name", "TEXT", "what", 0},
    {"flag", NULL, "a flag", 0},
    {"maybe", "X", "optional", OH__OPTION_OPTIONAL},
    {"password", "TEXT", "this is why not", OH__OPTION_SECRET},
    {NULL, NULL, NULL, 0}};

static const struct oh__command COMMAND = {.name = "try",
                                           .words = "[WORD]",
                                           .help = "try",
                                           .options = OPTIONS,
                                           .examples = "",
                                           .words_max = 1};

static struct oh__args args;
static char why[OH__ARGS_WHY];

/* Parses words that are separated by blanks. */
static int parse(const char *line)
{
    static char copy[512];
    char *argv[32];
    int argc = 0;

    snprintf(copy, sizeof copy, "%s", line);
    for (char *p = copy; *p;) {
        argv[argc++] = p;
        p += strcspn(p, " ");
        if (*p)
            *p++ = '\0';
    }
    why[0] = '\0';
    return oh__args_parse(&COMMAND, argc, argv, &args, why);
}

static void test_good(void **state)
{
    const char *all[4];

    (void)state;
    assert_int_equal(parse("--listen a --name=x word --listen=b --flag -o json"), 0);
    assert_int_equal(oh__arg_all(&args, "listen", all, 4), 2);
    assert_string_equal(all[0], "a");
    assert_string_equal(all[1], "b");
    assert_string_equal(oh__arg(&args, "name"), "x");
    assert_true(oh__arg_given(&args, "flag"));
    assert_null(oh__arg(&args, "flag"));
    assert_false(oh__arg_given(&args, "maybe"));
    assert_true(args.json);
    assert_int_equal(args.words_n, 1);
    assert_string_equal(args.words[0], "word");
    assert_int_equal(parse("--maybe word"), 0); /* an optional value comes with = only */
    assert_null(oh__arg(&args, "maybe"));
    assert_string_equal(args.words[0], "word");
    assert_int_equal(parse("--maybe=y"), 0);
    assert_string_equal(oh__arg(&args, "maybe"), "y");
    assert_int_equal(parse("-- --flag"), 0);
    assert_string_equal(args.words[0], "--flag");
    assert_int_equal(parse("-"), 0); /* standard input */
    assert_string_equal(args.words[0], "-");
    assert_int_equal(parse("--name="), 0);
    assert_string_equal(oh__arg(&args, "name"), "");
    assert_int_equal(parse("--help a b c"), 0);
    assert_true(args.help);
    assert_int_equal(parse("-h"), 0);
    assert_true(args.help);
    assert_int_equal(parse("--state /x"), 0);
}

static void test_bad(void **state)
{
    static const struct {
        const char *line, *hint;
    } cases[] = {
        {"--nane x", "did you mean --name"},
        {"--falg", "did you mean --flag"},
        {"--zzzzzz", "unknown option"},
        {"-x", "unknown option"},
        {"-name x", "did you mean --name"},
        {"--name", "needs a value"},
        {"--flag=1", "takes no value"},
        {"--name a --name b", "twice"},
        {"a b", "too much"},
        {"-o xml", "json"},
        {"--password secret", "this is why not"},
        {"--password=secret", "this is why not"},
        {"--password", "this is why not"},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (parse(cases[i].line) != OH__EXIT_USAGE || !strstr(why, cases[i].hint))
            fail_msg("'%s' says '%s'", cases[i].line, why);
    }
}

static void test_numbers(void **state)
{
    static const char *const bad[] = {"--name 0",  "--name -1", "--name 1x",
                                      "--name 11", "--name ",   "--name 99999999999999999999"};
    unsigned long n = 0;

    (void)state;
    assert_int_equal(parse(""), 0);
    assert_true(oh__arg_number(&args, "name", 10, 7, &n));
    assert_int_equal(n, 7);
    assert_int_equal(parse("--name 10"), 0);
    assert_true(oh__arg_number(&args, "name", 10, 7, &n));
    assert_int_equal(n, 10);
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
        if (parse(bad[i]) == 0)
            assert_false(oh__arg_number(&args, "name", 10, 7, &n));
}

/* What help and the Markdown rely on. */
static void test_table(void **state)
{
    (void)state;
    for (const struct oh__command *c = oh__commands; c->name; c++) {
        assert_true(c->help[0] >= 'a' && c->help[0] <= 'z');
        assert_true(strlen(c->name) <= 13);
        assert_true((c->run != NULL) != (c->raw != NULL));
        assert_true(c->words_min <= c->words_max);
        assert_non_null(strstr(c->examples, c->name));
        assert_int_equal(c->examples[strlen(c->examples) - 1], '\n');
        for (const struct oh__option *o = c->options; o->name; o++)
            assert_true(strlen(o->help) > 5);
        for (const struct oh__command *d = c + 1; d->name; d++)
            assert_string_not_equal(c->name, d->name);
    }
}

static void test_dispatch(void **state)
{
    char *nothing[] = {"offhook", NULL}, *version[] = {"offhook", "--version", NULL};
    char *unknown[] = {"offhook", "fone", NULL}, *group[] = {"offhook", "user", NULL};
    char *slip[] = {"offhook", "user", "ad", NULL}, *help[] = {"offhook", "user", "--help", NULL};
    char *good[] = {"offhook", "explain", "486", NULL};
    char *bad[] = {"offhook", "explain", "INVYTE", NULL};

    (void)state;
    assert_int_equal(oh__cmd_main(1, nothing), OH__EXIT_USAGE);
    assert_int_equal(oh__cmd_main(2, version), OH__EXIT_OK);
    assert_int_equal(oh__cmd_main(2, unknown), OH__EXIT_USAGE);
    assert_int_equal(oh__cmd_main(2, group), OH__EXIT_USAGE);
    assert_int_equal(oh__cmd_main(3, slip), OH__EXIT_USAGE);
    assert_int_equal(oh__cmd_main(3, help), OH__EXIT_OK);
    assert_int_equal(oh__cmd_main(3, good), OH__EXIT_OK);
    assert_int_equal(oh__cmd_main(3, bad), OH__EXIT_USAGE);
}

/* docs/commands.md is what the program prints. */
static void test_markdown_is_current(void **state)
{
    char *text = NULL, *kept;
    size_t n = 0;
    FILE *to = open_memstream(&text, &n), *from;

    (void)state;
    assert_non_null(to);
    oh__help_markdown(to);
    fclose(to);
    from = fopen(OH_TEST_DATA "/../docs/commands.md", "rb");
    if (!from)
        fail_msg("docs/commands.md is missing: offhook help --markdown > docs/commands.md");
    kept = calloc(1, n + 2);
    assert_non_null(kept);
    if (fread(kept, 1, n + 1, from) != n || memcmp(kept, text, n) != 0)
        fail_msg("docs/commands.md is stale: offhook help --markdown > docs/commands.md");
    fclose(from);
    free(kept);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),     cmocka_unit_test(test_bad),
        cmocka_unit_test(test_numbers),  cmocka_unit_test(test_table),
        cmocka_unit_test(test_dispatch), cmocka_unit_test(test_markdown_is_current),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
