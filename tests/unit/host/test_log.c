/* The log: one line per event, whole and in order, and never a silence that nobody notices. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <sys/stat.h>

#include "host/log.h"

#define LOG_BYTES (4u << 20)

struct place {
    char dir[64];
    char path[96];
    char text[LOG_BYTES];
};

/* Static, because a test's stack is small. */
static struct place place;

static int set_up(void **state)
{
    memset(&place, 0, sizeof place);
    snprintf(place.dir, sizeof place.dir, "/tmp/offhook-log-XXXXXX");
    if (!mkdtemp(place.dir))
        return -1;
    snprintf(place.path, sizeof place.path, "%s/log", place.dir);
    *state = &place;
    return 0;
}

static int tear_down(void **state)
{
    char old[128];

    (void)state;
    snprintf(old, sizeof old, "%s.1", place.path);
    unlink(place.path);
    unlink(old);
    rmdir(place.dir);
    return 0;
}

/* The whole of a file, terminated. */
static const char *text_of(const char *path)
{
    FILE *f = fopen(path, "r");
    size_t n;

    assert_non_null(f);
    n = fread(place.text, 1, sizeof place.text - 1, f);
    place.text[n] = '\0';
    fclose(f);
    return place.text;
}

static unsigned count(const char *text, const char *what)
{
    unsigned n = 0;

    for (; (text = strstr(text, what)); text += strlen(what))
        n++;
    return n;
}

static void test_lines(void **state)
{
    struct oh__log *log;
    const struct oh__log_field fields[] = {
        {"call", OH_LIT("a@b")},
        {"empty", OH_LIT("")},
        {"why", OH_LIT("two words")},
        {"bad", OH_LIT("x\"\\\r\nlevel=error\x1b[31m")},
    };

    (void)state;
    assert_int_equal(oh__log_open(place.path, OH__LOG_INFO, &log), OH_OK);
    assert_true(oh__log_wants(log, OH__LOG_WARN));
    assert_false(oh__log_wants(log, OH__LOG_DEBUG));
    oh__log_event(log, OH__LOG_WARN, "first", fields, 4);
    oh__log_say(log, OH__LOG_DEBUG, "never", "not at this level");
    oh__log_say(log, OH__LOG_INFO, "second", "%u calls", 7);
    oh__log_close(log);
    text_of(place.path);
    assert_int_equal(count(place.text, "\n"), 2);
    assert_memory_equal(place.text, "ts=2", 4);
    assert_non_null(strstr(place.text, "Z level=warn event=first call=a@b why=\"two words\" bad="));
    assert_non_null(strstr(place.text, "\"x\\\"\\\\\\x0d\\x0alevel=error\\x1b[31m\"\n"));
    assert_non_null(strstr(place.text, " level=info event=second msg=\"7 calls\"\n"));
}

/* A value that does not fit is cut; the line stays one. */
static void test_long(void **state)
{
    static char big[3000];
    struct oh__log *log;

    (void)state;
    memset(big, 'y', sizeof big);
    assert_int_equal(oh__log_open(place.path, OH__LOG_INFO, &log), OH_OK);
    oh__log_event(log, OH__LOG_INFO, "long", &(struct oh__log_field){"v", {big, sizeof big}}, 1);
    oh__log_close(log);
    text_of(place.path);
    assert_int_equal(count(place.text, "\n"), 1);
    assert_true(strlen(place.text) < 1024);
    assert_non_null(strstr(place.text, "v=yyyy"));
}

/* More than a buffer holds, before the writer can come: the rest is counted, and the count told. */
static void test_dropped(void **state)
{
    static char big[900];
    struct oh__log *log;
    uint64_t dropped;
    char told[64];

    (void)state;
    memset(big, 'z', sizeof big);
    assert_int_equal(oh__log_open(place.path, OH__LOG_INFO, &log), OH_OK);
    for (unsigned i = 0; i < 2000; i++)
        oh__log_event(log, OH__LOG_INFO, "flood", &(struct oh__log_field){"v", {big, sizeof big}},
                      1);
    dropped = oh__log_dropped(log);
    assert_true(dropped > 0 && dropped < 2000);
    oh__log_close(log);
    text_of(place.path);
    assert_int_equal(count(place.text, "event=flood"), 2000 - dropped);
    /* Told in one line or, when the writer came in between, in several; always with a time. */
    assert_true(count(place.text, "Z level=warn event=log-dropped lines=") >= 1);
    snprintf(told, sizeof told, "lines=%llu\n", (unsigned long long)dropped);
    if (count(place.text, "event=log-dropped") == 1)
        assert_non_null(strstr(place.text, told));
}

/* Waits, a little at a time, until the writer has done something. */
static bool appears(const char *path, const char *what)
{
    struct stat st;

    for (unsigned i = 0; i < 500; i++) {
        if (stat(path, &st) == 0 && (!what || strstr(text_of(path), what)))
            return true;
        usleep(
            10000); /* lint: allow clock: the writer is a thread of its own, nothing else tells */
    }
    return false;
}

static void test_reopen(void **state)
{
    struct oh__log *log;
    char old[128];

    (void)state;
    snprintf(old, sizeof old, "%s.1", place.path);
    assert_int_equal(oh__log_open(place.path, OH__LOG_INFO, &log), OH_OK);
    oh__log_say(log, OH__LOG_INFO, "before", "x");
    assert_true(appears(place.path, "event=before"));
    assert_int_equal(rename(place.path, old), 0);
    oh__log_reopen(log, OH__LOG_ERROR);
    assert_true(appears(place.path, NULL));
    oh__log_say(log, OH__LOG_INFO, "hidden", "x");
    oh__log_say(log, OH__LOG_ERROR, "after", "x");
    oh__log_close(log);
    assert_int_equal(count(text_of(old), "\n"), 1);
    assert_non_null(strstr(text_of(place.path), "event=after"));
    assert_null(strstr(place.text, "event=hidden"));
}

/* When the name leads nowhere any more the old file goes on, and says so. */
static void test_not_reopened(void **state)
{
    struct oh__log *log;
    char old[128];

    (void)state;
    snprintf(old, sizeof old, "%s.1", place.path);
    assert_int_equal(oh__log_open(place.path, OH__LOG_INFO, &log), OH_OK);
    assert_int_equal(rename(place.path, old), 0);
    assert_int_equal(mkdir(place.path, 0700), 0);
    oh__log_reopen(log, OH__LOG_INFO);
    assert_true(appears(old, "level=error event=log-not-reopened path="));
    oh__log_say(log, OH__LOG_INFO, "after", "x");
    oh__log_close(log);
    assert_non_null(strstr(text_of(old), "event=after"));
    rmdir(place.path);
}

static void test_refused(void **state)
{
    struct oh__log *log;
    char path[128];

    (void)state;
    snprintf(path, sizeof path, "%s/absent/log", place.dir);
    assert_int_equal(oh__log_open(path, OH__LOG_INFO, &log), OH_E_IO);
    oh__log_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_lines, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_long, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_dropped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_reopen, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_not_reopened, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
