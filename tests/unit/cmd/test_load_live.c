/*
 * `offhook load` against a small server on loopback: what it reports is what
 * the server has seen, in good times and in bad ones.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cmd/load.h"
#include "load_server.h"
#include "net/system.h"

#define WORDS_MAX 32

/* Runs the command with JSON output; *report is what it printed, or NULL. */
static int run(const char *kind, const char *target, const char *options, json_t **report)
{
    char text[512], *argv[WORDS_MAX], *rest = text;
    FILE *out = tmpfile();
    int argc = 0, status, saved;

    snprintf(text, sizeof text, "offhook load %s %s -o json %s", kind, target, options);
    while (*rest && argc < WORDS_MAX) {
        size_t n = strcspn(rest, " ");

        argv[argc++] = rest;
        rest += n;
        if (*rest)
            *rest++ = '\0';
    }
    assert_non_null(out);
    fflush(stdout);
    saved = dup(STDOUT_FILENO);
    dup2(fileno(out), STDOUT_FILENO);
    status = oh__cmd_main(argc, argv);
    fflush(stdout);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    rewind(out);
    *report = json_loadf(out, 0, NULL);
    fclose(out);
    return status;
}

static json_int_t number(const json_t *report, const char *key)
{
    assert_non_null(report);
    assert_true(json_is_integer(json_object_get(report, key)));
    return json_integer_value(json_object_get(report, key));
}

static double real(const json_t *report, const char *object, const char *key)
{
    const json_t *v = json_object_get(json_object_get(report, object), key);

    assert_true(json_is_real(v));
    return json_real_value(v);
}

/* How many failures of a status code or reason there were. */
static json_int_t failures(const json_t *report, const char *group, const char *key)
{
    const json_t *v = json_object_get(json_object_get(json_object_get(report, "failures"), group),
                                      key);

    return v ? json_integer_value(v) : 0;
}

static void test_options(void **state)
{
    struct load_server s = {.code = 200};
    char target[OH_ADDR_TEXT_MAX];
    json_t *r;

    (void)state;
    load_server_start(&s, target);
    assert_int_equal(run("options", target, "--rate 200 --count 50", &r), OH__EXIT_OK);
    load_server_stop(&s);
    assert_int_equal(number(r, "schema_version"), OH__SCHEMA_VERSION);
    assert_true(json_is_true(json_object_get(r, "ok")));
    assert_int_equal(number(r, "attempted"), 50);
    assert_int_equal(number(r, "completed"), 50);
    assert_int_equal(number(r, "failed"), 0);
    assert_int_equal(s.seen[OH_METHOD_OPTIONS], 50 + number(r, "retransmissions"));
    assert_int_equal(s.wrong, 0);
    assert_true(real(r, "latency_ms", "p50") > 0);
    assert_true(real(r, "latency_ms", "p50") <= real(r, "latency_ms", "max"));
    assert_true(json_real_value(json_object_get(r, "own_cpu_us_per_operation")) > 0);
    assert_true(json_real_value(json_object_get(r, "own_busy")) > 0);
    assert_true(json_is_boolean(json_object_get(r, "limited_by_own")));
    json_decref(r);
}

/* Several threads and a closed loop: the count is exact all the same. */
static void test_closed_loop(void **state)
{
    struct load_server s = {.code = 200};
    char target[OH_ADDR_TEXT_MAX];
    json_t *r;

    (void)state;
    load_server_start(&s, target);
    assert_int_equal(run("options", target, "--window 7 --count 101 --threads 3", &r), OH__EXIT_OK);
    load_server_stop(&s);
    assert_int_equal(number(r, "threads"), 3);
    assert_int_equal(number(r, "completed"), 101);
    assert_true(json_is_null(json_object_get(r, "rate")));
    json_decref(r);
}

static void test_refusals(void **state)
{
    struct load_server s = {.code = 503};
    char target[OH_ADDR_TEXT_MAX];
    json_t *r;

    (void)state;
    load_server_start(&s, target);
    assert_int_equal(run("options", target, "--rate 500 --count 20", &r), OH__EXIT_UNEXPECTED);
    assert_int_equal(number(r, "failed"), 20);
    assert_int_equal(failures(r, "codes", "503"), 20);
    json_decref(r);
    /* The run ends at the failure after those that are allowed. */
    assert_int_equal(run("options", target, "--rate 100 --duration 20 --max-failures 3", &r),
                     OH__EXIT_UNEXPECTED);
    assert_true(json_is_true(json_object_get(r, "stopped")));
    assert_in_range(number(r, "failed"), 4, 50);
    json_decref(r);
    load_server_stop(&s);
}

static void test_silence(void **state)
{
    struct load_server s = {.code = 0};
    char target[OH_ADDR_TEXT_MAX];
    json_t *r;

    (void)state;
    load_server_start(&s, target);
    assert_int_equal(run("options", target, "--rate 500 --count 4 --timeout 800ms", &r),
                     OH__EXIT_TIMEOUT);
    load_server_stop(&s);
    assert_int_equal(failures(r, "reasons", "timeout"), 4);
    /* Nothing was completed, so there is no latency to tell: not 0. */
    assert_true(json_is_null(json_object_get(json_object_get(r, "latency_ms"), "p99")));
    assert_true(json_is_real(json_object_get(json_object_get(r, "own_delay_ms"), "p99")));
    /* Timer E: once after 500 ms; the next would be a second later. */
    assert_int_equal(number(r, "retransmissions"), 4);
    assert_int_equal(s.seen[OH_METHOD_OPTIONS], 8);
    json_decref(r);
}

static void test_nobody(void **state)
{
    struct load_server s = {.code = 200};
    char target[OH_ADDR_TEXT_MAX];
    json_t *r;

    (void)state;
    /* A port that was free a moment ago. */
    load_server_start(&s, target);
    load_server_stop(&s);
    assert_int_equal(run("options", target, "--rate 500 --count 4", &r), OH__EXIT_CONNECTION);
    assert_int_equal(failures(r, "reasons", "connection"), 4);
    json_decref(r);
    assert_int_equal(run("call", target, "--rate 500 --count 4", &r), OH__EXIT_CONNECTION);
    assert_true(json_is_false(json_object_get(r, "ok")));
    assert_int_equal(number(r, "exit"), OH__EXIT_CONNECTION);
    assert_true(json_is_string(json_object_get(r, "error")));
    json_decref(r);
}

/* A lost request is sent again, and its latency counts from the schedule. */
static void test_loss(void **state)
{
    struct load_server s = {.code = 200, .lose_requests = 3};
    char target[OH_ADDR_TEXT_MAX];
    json_t *r;

    (void)state;
    load_server_start(&s, target);
    assert_int_equal(run("options", target, "--rate 100 --count 10", &r), OH__EXIT_OK);
    load_server_stop(&s);
    assert_int_equal(number(r, "completed"), 10);
    assert_true(number(r, "retransmissions") >= 3);
    assert_true(real(r, "latency_ms", "max") >= 500);
    json_decref(r);
}

/* Challenged once, each user answers with the same nonce and a higher count from then on. */
static void test_digest(void **state)
{
    char path[] = "/tmp/offhook-test-load-XXXXXX", options[128], target[OH_ADDR_TEXT_MAX];
    struct load_server s = {.code = 200, .password = "50%sure"};
    int fd = mkstemp(path);
    json_t *r;

    (void)state;
    assert_int_equal(write(fd, "50%sure\n", 8), 8);
    close(fd);
    load_server_start(&s, target);
    snprintf(options, sizeof options, "--window 1 --count 12 --users 3 --password-file %s", path);
    assert_int_equal(run("register", target, options, &r), OH__EXIT_OK);
    assert_int_equal(number(r, "completed"), 12);
    assert_int_equal(number(r, "challenges"), 3);
    assert_int_equal(s.credentials, 12);
    assert_int_equal(s.nc_max, 4);
    assert_int_equal(s.seen[OH_METHOD_REGISTER], 15 + number(r, "retransmissions"));
    json_decref(r);
    /* A wrong password is answered once, and not for ever. */
    s.password = "other";
    assert_int_equal(run("register", target, options, &r), OH__EXIT_UNEXPECTED);
    assert_int_equal(failures(r, "codes", "401"), 12);
    json_decref(r);
    assert_int_equal(run("call", target, "--count 1", &r), OH__EXIT_AUTH);
    assert_int_equal(number(r, "exit"), OH__EXIT_AUTH);
    json_decref(r);
    load_server_stop(&s);
    unlink(path);
}

/* Both sides of calls through a proxy that record-routes. */
static void calls(struct load_server *s, const char *options, json_t **report)
{
    char target[OH_ADDR_TEXT_MAX];

    s->code = 200;
    s->proxy = true;
    load_server_start(s, target);
    assert_int_equal(run("call", target, options, report), OH__EXIT_OK);
    load_server_stop(s);
    assert_int_equal(s->wrong, 0);
    assert_int_equal(number(*report, "failed"), 0);
}

static void test_calls(void **state)
{
    struct load_server s = {.strict = false};
    json_t *r;

    (void)state;
    calls(&s, "--rate 200 --count 40 --users 6", &r);
    assert_int_equal(number(r, "completed"), 40);
    assert_in_range(s.seen[OH_METHOD_INVITE], 40, 40 + number(r, "retransmissions"));
    assert_in_range(s.seen[OH_METHOD_ACK], 40, 40 + number(r, "retransmissions"));
    assert_in_range(s.seen[OH_METHOD_BYE], 40, 40 + number(r, "retransmissions"));
    assert_int_equal(s.signed_off, 6); /* nobody stays behind */
    json_decref(r);
}

/* A strict router is the Request-URI of ACK and BYE, and the phone the last Route. */
static void test_strict_router(void **state)
{
    struct load_server s = {.strict = true};
    json_t *r;

    (void)state;
    calls(&s, "--rate 100 --count 5 --users 2", &r);
    assert_int_equal(number(r, "completed"), 5);
    json_decref(r);
}

/* The callee's 200 is lost: only the callee repeats it (the INVITE has had its 180). */
static void test_lost_answer(void **state)
{
    struct load_server s = {.lose_answers = 2};
    json_t *r;

    (void)state;
    calls(&s, "--rate 100 --count 4 --users 2", &r);
    assert_int_equal(number(r, "completed"), 4);
    assert_true(number(r, "retransmissions") >= 2);
    assert_true(real(r, "setup_ms", "max") >= 500);
    assert_true(real(r, "teardown_ms", "max") < 500);
    json_decref(r);
}

/* The time that a call is held is no latency. */
static void test_hold(void **state)
{
    struct load_server s = {.strict = false};
    json_t *r;

    (void)state;
    calls(&s, "--rate 100 --count 10 --users 2 --hold 700ms", &r);
    assert_int_equal(number(r, "completed"), 10);
    assert_true(real(r, "latency_ms", "p50") < 700);
    json_decref(r);
}

static void test_messages(void **state)
{
    struct load_server s = {.code = 200, .proxy = true};
    char target[OH_ADDR_TEXT_MAX];
    json_t *r;

    (void)state;
    load_server_start(&s, target);
    assert_int_equal(run("message", target, "--rate 200 --count 20 --users 4 --register-first", &r),
                     OH__EXIT_OK);
    load_server_stop(&s);
    assert_int_equal(number(r, "completed"), 20);
    assert_int_equal(s.signed_off, 4);
    assert_int_equal(s.wrong, 0);
    json_decref(r);
}

/* A ramp tells each step; the one that the server does not hold is not the highest rate. */
static void test_ramp(void **state)
{
    struct load_server s = {.code = 200};
    char target[OH_ADDR_TEXT_MAX];
    json_t *r, *steps;

    (void)state;
    load_server_start(&s, target);
    assert_int_equal(run("options", target, "--ramp 50:150:200ms:3 --p99-max 30000", &r),
                     OH__EXIT_OK);
    steps = json_object_get(r, "steps");
    assert_int_equal(json_array_size(steps), 3);
    assert_int_equal(number(json_array_get(steps, 0), "attempted"), 10);
    assert_int_equal(number(json_array_get(steps, 1), "attempted"), 20);
    assert_int_equal(number(json_array_get(steps, 2), "attempted"), 30);
    assert_true(json_real_value(json_object_get(r, "highest_rate_held")) == 150);
    json_decref(r);
    /* Nothing is done in a microsecond, so no rate is held. */
    assert_int_equal(run("options", target, "--ramp 50:100:200ms:2 --p99-max 0.001", &r),
                     OH__EXIT_UNEXPECTED);
    assert_true(json_is_null(json_object_get(r, "highest_rate_held")));
    /* Once more the same rate, and that was enough. */
    steps = json_object_get(r, "steps");
    assert_int_equal(json_array_size(steps), 2);
    assert_true(json_real_value(json_object_get(json_array_get(steps, 1), "rate")) == 50);
    json_decref(r);
    load_server_stop(&s);
}

/* A server that collapses is not driven to the end of the ramp. */
static void test_ramp_ends_early(void **state)
{
    struct load_server s = {.code = 200, .silent_after = 60};
    char target[OH_ADDR_TEXT_MAX];
    uint64_t begun = oh__clock_now();
    json_t *r;

    (void)state;
    load_server_start(&s, target);
    assert_int_equal(run("options", target,
                         "--ramp 100:2000:400ms:50 --p99-max 30000 --timeout 600ms --threads 2",
                         &r),
                     OH__EXIT_OK);
    load_server_stop(&s);
    /* 50 steps would take 20 s, and their time-outs 32 s more. */
    assert_true(oh__clock_now() - begun < 19 * OH__SEC);
    assert_in_range(json_array_size(json_object_get(r, "steps")), 2, 10);
    assert_true(json_real_value(json_object_get(r, "highest_rate_held")) == 100);
    assert_true(json_is_false(json_object_get(r, "stopped")));
    json_decref(r);
}

/* When no slot is free the schedule goes on, and says so. */
static void test_slots(void **state)
{
    struct load_server s = {.code = 0};
    char target[OH_ADDR_TEXT_MAX];
    json_t *r;

    (void)state;
    load_server_start(&s, target);
    assert_int_equal(
        run("options", target, "--rate 2000 --count 100 --in-flight 10 --timeout 300ms", &r),
        OH__EXIT_TIMEOUT);
    load_server_stop(&s);
    assert_int_equal(number(r, "attempted"), 100);
    assert_int_equal(failures(r, "reasons", "timeout") + failures(r, "reasons", "not_sent"), 100);
    assert_true(failures(r, "reasons", "not_sent") >= 90);
    json_decref(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_closed_loop),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_nobody),
        cmocka_unit_test(test_loss),
        cmocka_unit_test(test_digest),
        cmocka_unit_test(test_calls),
        cmocka_unit_test(test_strict_router),
        cmocka_unit_test(test_lost_answer),
        cmocka_unit_test(test_hold),
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_ramp),
        cmocka_unit_test(test_slots),
        cmocka_unit_test(test_ramp_ends_early),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
