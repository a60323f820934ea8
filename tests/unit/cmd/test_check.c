/* offhook check: exit status, and what it prints for people and for programs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>
#include <cmocka.h>

#include "cmd/cmd.h"

#define DATA OH_TEST_DATA "/unit/host/data/"

/* Runs the command with one stream sent into text; gives its exit status. */
static int check(FILE *stream, char *text, size_t cap, int argc, char **argv)
{
    int kept = dup(fileno(stream)), status;
    FILE *file = tmpfile();
    size_t n;

    assert_non_null(file);
    fflush(stream);
    assert_true(dup2(fileno(file), fileno(stream)) >= 0);
    status = oh__cmd_check(argc, argv);
    fflush(stream);
    assert_true(dup2(kept, fileno(stream)) >= 0);
    close(kept);
    rewind(file);
    n = fread(text, 1, cap - 1, file);
    text[n] = 0;
    fclose(file);
    return status;
}

#define ARGS(...)                                                  \
    (sizeof((char *[]){__VA_ARGS__}) / sizeof(char *)), (char *[]) \
    {                                                              \
        __VA_ARGS__                                                \
    }

static void test_good(void **state)
{
    char text[65536];

    (void)state;
    assert_int_equal(
        check(stdout, text, sizeof(text), ARGS("check", OH_TEST_DATA "/../examples/office.lua")),
        OH__EXIT_OK);
    assert_non_null(strstr(text, "office.lua: good: 4 listeners, 1 domain, on_call\n"));
}

static void test_bad(void **state)
{
    char text[65536];

    (void)state;
    assert_int_equal(check(stderr, text, sizeof(text), ARGS("check", DATA "bad/names.lua")),
                     OH__EXIT_REFUSED);
    assert_non_null(strstr(text, "bad/names.lua:3:9: unknown setting 'expires_mim'"));
    assert_int_equal(check(stderr, text, sizeof(text), ARGS("check", "/nonexistent.lua")),
                     OH__EXIT_REFUSED);
    assert_non_null(strstr(text, "/nonexistent.lua: cannot be read"));
}

static void test_json(void **state)
{
    char text[65536];
    json_t *all, *problem;

    (void)state;
    assert_int_equal(
        check(stdout, text, sizeof(text), ARGS("check", "-o", "json", DATA "bad/names.lua")),
        OH__EXIT_REFUSED);
    all = json_loads(text, 0, NULL);
    assert_non_null(all);
    assert_int_equal(json_integer_value(json_object_get(all, "schema_version")), 1);
    assert_true(json_is_false(json_object_get(all, "ok")));
    assert_int_equal(json_array_size(json_object_get(all, "problems")), 7);
    problem = json_array_get(json_object_get(all, "problems"), 1);
    assert_int_equal(json_integer_value(json_object_get(problem, "line")), 3);
    assert_int_equal(json_integer_value(json_object_get(problem, "column")), 9);
    assert_string_equal(json_string_value(json_object_get(problem, "setting")),
                        "registrar.expires_mim");
    json_decref(all);
    assert_int_equal(check(stdout, text, sizeof(text),
                           ARGS("check", OH_TEST_DATA "/../examples/lab.lua", "-o", "json")),
                     OH__EXIT_OK);
    all = json_loads(text, 0, NULL);
    assert_true(json_is_true(json_object_get(all, "ok")));
    json_decref(all);
}

static void test_usage(void **state)
{
    char text[65536];

    (void)state;
    assert_int_equal(check(stderr, text, sizeof(text), ARGS("check")), OH__EXIT_USAGE);
    assert_int_equal(check(stderr, text, sizeof(text), ARGS("check", "a", "b")), OH__EXIT_USAGE);
    assert_int_equal(check(stderr, text, sizeof(text), ARGS("check", "-x", "b")), OH__EXIT_USAGE);
    assert_int_equal(check(stderr, text, sizeof(text), ARGS("check", "-o", "xml", "b")),
                     OH__EXIT_USAGE);
    assert_int_equal(check(stderr, text, sizeof(text), ARGS("check", "--reference", "b")),
                     OH__EXIT_USAGE);
    assert_int_equal(check(stdout, text, sizeof(text), ARGS("check", "--help")), OH__EXIT_OK);
    assert_non_null(strstr(text, "usage: offhook check"));
    assert_int_equal(check(stdout, text, sizeof(text), ARGS("check", "--reference")), OH__EXIT_OK);
    assert_non_null(strstr(text, "# Configuration"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_usage),
    };

    return cmocka_run_group_tests_name("check", tests, NULL, NULL);
}
