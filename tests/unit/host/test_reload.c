/* A new configuration in a running server: all of it, or nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/process.h"

static struct oh__host host;
static struct oh__host_options options;
static char path[] = "/tmp/offhook-reload-XXXXXX";

static void write_file(const char *text)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

/* A host of which only the configuration and the log are there; no worker has to be told. */
static int set_up(void **state)
{
    struct oh__config_report report = {0};
    struct oh__config *config;
    int fd;

    (void)state;
    snprintf(path, sizeof path, "/tmp/offhook-reload-XXXXXX");
    fd = mkstemp(path);
    if (fd < 0)
        return -1;
    close(fd);
    write_file("listen = { \"udp:0.0.0.0:5060\", \"udp:127.0.0.1:5061\" }\n"
               "state = \"/nonexistent\"\n");
    options = (struct oh__host_options){.file = path};
    host = (struct oh__host){.options = &options};
    pthread_mutex_init(&host.config_lock, NULL);
    if (oh__config_load(path, &options.overrides, &config, &report) != OH_OK)
        return -1;
    host.config = config;
    return oh__log_open("/dev/null", OH__LOG_INFO, &host.log);
}

static int tear_down(void **state)
{
    (void)state;
    oh__log_close(host.log);
    oh__config_unref(host.config);
    pthread_mutex_destroy(&host.config_lock);
    unlink(path);
    return 0;
}

static const struct oh__settings *settings(void)
{
    return oh__config_settings(host.config);
}

static void append(const char *text)
{
    FILE *f = fopen(path, "a");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void test_in_force(void **state)
{
    struct oh__config_report report = {0};
    uint32_t before = settings()->version;
    const struct oh__config *held = oh__host_config(&host);

    (void)state;
    append("server_name = \"new\"\n");
    assert_int_equal(oh__host_reload(&host, &report), OH_OK);
    assert_true(settings()->version > before);
    assert_int_equal(host.config_version, settings()->version);
    assert_string_equal(settings()->server_name, "new");
    /* Whoever is at work keeps his. */
    assert_string_not_equal(oh__config_settings(held)->server_name, "new");
    oh__config_unref(held);
}

static void test_broken(void **state)
{
    struct oh__config_report report = {0};
    const struct oh__config *before = host.config;

    (void)state;
    append("server_name = = \n");
    assert_int_not_equal(oh__host_reload(&host, &report), OH_OK);
    assert_true(report.n > 0);
    assert_ptr_equal(host.config, before);
}

/* What is refused at start must not come in by the back door. */
static void test_no_auth(void **state)
{
    struct oh__config_report report = {0};
    const struct oh__config *before = host.config;

    (void)state;
    append("no_auth = true\n");
    assert_int_equal(oh__host_reload(&host, &report), OH_E_DENIED);
    assert_int_equal(report.n, 1);
    assert_non_null(strstr(report.problems[0].text, "0.0.0.0:5060"));
    assert_string_equal(report.problems[0].setting, "no_auth");
    assert_ptr_equal(host.config, before);
    assert_false(settings()->no_auth);

    options.no_auth_anywhere = true;
    report = (struct oh__config_report){0};
    assert_int_equal(oh__host_reload(&host, &report), OH_OK);
    assert_true(settings()->no_auth);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_in_force, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_broken, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_auth, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
