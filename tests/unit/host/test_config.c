/*
 * Configurations, good and bad. A bad file under data/bad ends with lines
 * "--! LINE:COLUMN TEXT", one for each problem in the order of the report;
 * TEXT is how the problem begins. So a case is one file that can be read.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include <offhook/error.h>
#include <offhook/flow.h>

#include "host/config.h"

#define DATA OH_TEST_DATA "/unit/host/data/"
#define SEC  UINT64_C(1000000000)

static struct oh__config_report report;

/* Writes a configuration into a fresh file; the caller unlinks it. */
static void write_file(char path[64], const char *text)
{
    FILE *f;
    int fd;

    snprintf(path, 64, "/tmp/offhook-test-XXXXXX");
    fd = mkstemp(path);
    assert_true(fd >= 0);
    f = fdopen(fd, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void rewrite_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static struct oh__config *load_text(const char *text)
{
    struct oh__config *config = NULL;
    char path[64];
    int e;

    write_file(path, text);
    e = oh__config_load(path, NULL, &config, &report);
    unlink(path);
    if (e != OH_OK)
        oh__config_report_print(&report, stderr);
    assert_int_equal(e, OH_OK);
    return config;
}

/* Loads a text that must be refused; the report tells why. */
static void refuse_text(const char *text)
{
    struct oh__config *config = NULL;
    char path[64];

    write_file(path, text);
    assert_int_equal(oh__config_load(path, NULL, &config, &report), OH_E_SYNTAX);
    assert_null(config);
    assert_true(report.n > 0);
    unlink(path);
}

/* --- bad files ---------------------------------------------------------- */

/* Compares the report with the expectations in the file; returns how many there were. */
static unsigned compare(const char *path, const char *name)
{
    FILE *f = fopen(path, "r");
    char line[512];
    unsigned n = 0;

    assert_non_null(f);
    while (fgets(line, sizeof(line), f)) {
        const struct oh__config_problem *p = &report.problems[n];
        char got[512];

        if (strncmp(line, "--! ", 4) != 0)
            continue;
        line[strcspn(line, "\n")] = 0;
        if (n == report.n)
            fail_msg("%s: not reported: %s", name, line + 4);
        snprintf(got, sizeof(got), "%u:%u %s", p->line, p->column, p->text);
        if (strncmp(got, line + 4, strlen(line + 4)) != 0)
            fail_msg("%s: expected \"%s\", got \"%s\"", name, line + 4, got);
        n++;
    }
    fclose(f);
    return n;
}

static void test_bad_files(void **state)
{
    DIR *dir = opendir(DATA "bad");
    struct dirent *d;
    unsigned files = 0;

    (void)state;
    assert_non_null(dir);
    while ((d = readdir(dir)) != NULL) {
        struct oh__config *config = NULL;
        char path[512];
        unsigned n;

        if (!strstr(d->d_name, ".lua"))
            continue;
        snprintf(path, sizeof(path), DATA "bad/%s", d->d_name);
        assert_int_equal(oh__config_load(path, NULL, &config, &report), OH_E_SYNTAX);
        n = compare(path, d->d_name);
        if (n != report.n)
            fail_msg("%s: also reported: %u:%u %s", d->d_name, report.problems[n].line,
                     report.problems[n].column, report.problems[n].text);
        assert_true(n > 0);
        files++;
    }
    closedir(dir);
    assert_true(files >= 11);
}

static void test_report_is_gcc_style(void **state)
{
    struct oh__config *config;
    char *text = NULL, want[256];
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    char path[64];

    (void)state;
    write_file(path, "registrar = {\n        expires_mim = 5 }\n");
    assert_int_equal(oh__config_load(path, NULL, &config, &report), OH_E_SYNTAX);
    oh__config_report_print(&report, f);
    fclose(f);
    snprintf(want, sizeof(want),
             "%s:2:9: unknown setting 'expires_mim' in 'registrar': did you mean 'expires_min'?\n",
             path);
    assert_string_equal(text, want);
    assert_string_equal(report.problems[0].setting, "registrar.expires_mim");
    free(text);
    unlink(path);
}

static void test_report_is_bounded(void **state)
{
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);

    (void)state;
    for (int i = 0; i < 100; i++)
        fprintf(f, "wrong_name_%d = 1\n", i);
    fclose(f);
    refuse_text(text);
    free(text);
    assert_int_equal(report.n, OH__CONFIG_PROBLEMS_MAX);
    assert_true(report.dropped > 0);
}

/* Whatever a text is cut to, the check ends and says something sensible. */
static void test_every_prefix(void **state)
{
    FILE *f = fopen(DATA "good/all.lua", "r");
    char text[4096];
    size_t n;

    (void)state;
    assert_non_null(f);
    n = fread(text, 1, sizeof(text) - 1, f);
    fclose(f);
    for (size_t i = 0; i < n; i += 7) {
        struct oh__config *config = NULL;
        char path[64], kept = text[i];
        int e;

        text[i] = 0;
        write_file(path, text);
        e = oh__config_load(path, NULL, &config, &report);
        assert_true(e == OH_OK || e == OH_E_SYNTAX);
        assert_int_equal(e == OH_OK, report.n == 0);
        assert_int_equal(e == OH_OK, config != NULL);
        for (unsigned k = 0; k < report.n; k++)
            assert_true(report.problems[k].line > 0 && report.problems[k].column > 0);
        oh__config_unref(config);
        unlink(path);
        text[i] = kept;
    }
}

/* --- good files --------------------------------------------------------- */

static void test_defaults(void **state)
{
    struct oh__config *config;
    const struct oh__settings *s;

    (void)state;
    assert_int_equal(oh__config_load(NULL, NULL, &config, &report), OH_OK);
    s = oh__config_settings(config);
    assert_int_equal(s->listeners_n, 4);
    assert_int_equal(s->listeners[0].addr.port, 5060);
    assert_int_equal(s->listeners[0].transport, OH_TRANSPORT_UDP);
    assert_false(s->listeners[0].optional);
    assert_true(s->listeners[2].optional);
    assert_int_equal(s->listeners[3].addr.family, OH_FAMILY_IPV6);
    assert_true(s->any_domain);
    assert_false(s->no_auth);
    assert_int_equal(s->version, 1);
    assert_int_equal(s->fallback.digest[0], OH_HASH_MD5);
    assert_int_equal(s->fallback.digest[1], 0);
    assert_null(oh__config_path(config));
    assert_int_equal(oh__config_source(config).n, 0);
    assert_int_equal(oh__config_process(config)->state[0], '/');
    assert_string_equal(oh__config_process(config)->log_to, "stderr");
    oh__config_unref(config);
}

static void check_lists(const struct oh__settings *s)
{
    struct oh_addr a;

    assert_int_equal(s->listeners_n, 3);
    assert_int_equal(s->listeners[0].addr.port, 5070);
    assert_string_equal(s->listeners[0].advertise, "sip.example.com");
    assert_int_equal(s->listeners[0].advertise_port, 5080);
    assert_true(s->listeners[0].optional);
    assert_int_equal(s->listeners[1].transport, OH_TRANSPORT_TCP);
    assert_int_equal(s->listeners[1].addr.port, 5060);
    assert_int_equal(s->listeners[2].addr.port, 0);
    assert_int_equal(s->domains_n, 3);
    assert_false(s->any_domain);
    assert_string_equal(s->domains[0].name, "example.com");
    assert_int_equal(s->domains[0].mode, OH__DOMAIN_REDIRECT);
    assert_true(s->domains[0].accept_foreign);
    assert_int_equal(s->domains[0].digest[0], OH_HASH_SHA256);
    assert_int_equal(s->domains[0].digest[1], OH_HASH_MD5);
    assert_int_equal(s->domains[1].mode, OH__DOMAIN_PROXY);
    assert_false(s->domains[1].accept_foreign);
    assert_int_equal(s->domains[1].digest[1], 0);
    assert_string_equal(s->domains[2].alias_of, "example.com");
    assert_string_equal(s->default_domain, "example.org");
    assert_int_equal(s->trusted_n, 2);
    assert_int_equal(oh_addr_parse(OH_LIT("10.9.8.7"), &a), OH_OK);
    assert_true(oh__settings_trusted(s, &a));
    assert_int_equal(oh_addr_parse(OH_LIT("11.0.0.1"), &a), OH_OK);
    assert_false(oh__settings_trusted(s, &a));
}

static void check_tables(const struct oh__settings *s)
{
    assert_int_equal(s->expires_min, 30);
    assert_int_equal(s->expires_default, 600);
    assert_int_equal(s->expires_max, 5400);
    assert_int_equal(s->contacts_max, 3);
    assert_int_equal(s->contact_len_max, 1024);
    assert_true(s->timer_c == 240 * SEC);
    assert_true(s->ring_time == 20 * SEC);
    assert_int_equal(s->branches_max, 5);
    assert_int_equal(s->max_breadth, 20);
    assert_false(s->recurse);
    assert_false(s->record_route);
    assert_true(s->nat_keepalive == 0);
    assert_true(s->call_max == 86400 * SEC);
    assert_int_equal(s->failures_max, 0);
    assert_true(s->ban_window == 120 * SEC);
    assert_true(s->ban_time == 3600 * SEC);
    assert_true(s->nonce_life == 90 * SEC);
    assert_true(s->maintenance);
    assert_int_equal(s->maintenance_retry, 120);
    assert_int_equal(s->limits.message, 8192);
    assert_int_equal(s->limits.headers, 4096);
    assert_int_equal(s->limits.body, 2000);
    assert_int_equal(s->limits.uri, 256);
    assert_int_equal(s->stream_message_max, 131072);
    assert_int_equal(s->transactions_max, 5000);
    assert_int_equal(s->completed_max, 6000);
    assert_int_equal(s->bindings_max, 700);
    assert_int_equal(s->connections_max, 64);
    assert_int_equal(s->connections_per_source, 8);
    assert_true(s->message_timeout == 3 * SEC);
    assert_true(s->idle_timeout == 120 * SEC);
    assert_int_equal(s->send_queue_max, 131072);
    assert_true(s->t1 == SEC / 4);
    assert_true(s->t2 == 2 * SEC);
    assert_true(s->t4 == SEC * 5 / 2);
}

static void test_every_setting(void **state)
{
    const struct oh__config_process *p;
    const struct oh__settings *s;
    struct oh__config *config;

    (void)state;
    assert_int_equal(oh__config_load(DATA "good/all.lua", NULL, &config, &report), OH_OK);
    s = oh__config_settings(config);
    p = oh__config_process(config);
    check_lists(s);
    check_tables(s);
    assert_true(s->no_auth);
    assert_string_equal(s->server_name, "x/1");
    assert_true(s->has_on_call && s->has_on_register && !s->has_on_request);
    assert_string_equal(p->state, "/tmp/s");
    assert_int_equal(p->workers, 3);
    assert_string_equal(p->user, "nobody");
    assert_int_equal(p->log_level, OH__LOG_DEBUG);
    assert_string_equal(p->log_to, "/tmp/offhook.log");
    assert_int_equal(p->policy_steps, 5000);
    assert_int_equal(p->policy_memory, 4 << 20);
    assert_int_equal(p->shared_max, 99);
    assert_true(oh__config_source(config).n > 100);
    oh__config_unref(config);
}

static void test_examples(void **state)
{
    static const char *const names[] = {"office", "carrier", "lab"};

    (void)state;
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct oh__config *config = NULL;
        char path[512];

        snprintf(path, sizeof(path), OH_TEST_DATA "/../examples/%s.lua", names[i]);
        if (oh__config_load(path, NULL, &config, &report) != OH_OK)
            fail_msg("%s: %s", names[i], report.n ? report.problems[0].text : "?");
        oh__config_unref(config);
    }
}

static void test_include_file_env(void **state)
{
    const struct oh__settings *s;
    struct oh__config *config;

    (void)state;
    setenv("OFFHOOK_TEST_DOMAIN", "env.example", 1);
    assert_int_equal(oh__config_load(DATA "good/parts.lua", NULL, &config, &report), OH_OK);
    s = oh__config_settings(config);
    assert_int_equal(s->domains_n, 3);
    assert_string_equal(s->domains[0].name, "env.example");
    assert_string_equal(s->domains[1].name, "default.example");
    assert_string_equal(s->domains[2].name, "secret.example");
    assert_int_equal(s->contacts_max, 7);
    oh__config_unref(config);
}

static void test_include_is_bounded(void **state)
{
    char path[64], text[128];
    struct oh__config *config;

    (void)state;
    write_file(path, "");
    snprintf(text, sizeof(text), "include \"%s\"\n", path);
    rewrite_file(path, text);
    assert_int_equal(oh__config_load(path, NULL, &config, &report), OH_E_SYNTAX);
    assert_non_null(strstr(report.problems[0].text, "more than 8 files inside of each other"));
    unlink(path);
}

/* Positions follow the assignment that ran, and what is computed points at what holds it. */
static void test_positions(void **state)
{
    (void)state;
    refuse_text("if env(\"NO_SUCH_VARIABLE_X\") then\n  workers = 1\nelse\n  workers = 99\nend\n");
    assert_int_equal(report.problems[0].line, 4);
    assert_int_equal(report.problems[0].column, 13);
    refuse_text("local bad = { contacts = 0 }\nregistrar = bad\n");
    assert_int_equal(report.problems[0].line, 2);
    refuse_text("registrar = {}\nregistrar.contacts = 0\n");
    assert_int_equal(report.problems[0].line, 2);
    assert_int_equal(report.problems[0].column, 22);
    refuse_text("registrar = { contacts = 33 }\n"); /* one more than an AOR has room for */
    assert_int_equal(report.problems[0].column, 26);
    refuse_text("domains, workers = { \"a.example\" }, 70\n");
    assert_int_equal(report.problems[0].line, 1);
    assert_int_equal(report.problems[0].column, 10);
    refuse_text("abuse = { failures = (function(a) local b, c = 1, 2; return {} end)(),\n"
                "  window = \"x\" }\n");
    assert_int_equal(report.n, 2);
    assert_int_equal(report.problems[1].line, 2);
    assert_int_equal(report.problems[1].column, 12);
}

/* --- command line ------------------------------------------------------- */

static void test_overrides(void **state)
{
    static const char *const listen[] = {"udp:127.0.0.1:5071"}, *const bad[] = {"foo", "udp:x"};
    static const char *const domains[] = {"One.example", "two.example"};
    struct oh__config_overrides cli = {.listen_n = 1,
                                       .listen = listen,
                                       .domains_n = 2,
                                       .domains = domains,
                                       .state = "/tmp/elsewhere",
                                       .no_auth = true,
                                       .workers = 2};
    const struct oh__settings *s;
    struct oh__config *config = NULL;

    (void)state;
    assert_int_equal(
        oh__config_load(OH_TEST_DATA "/../examples/office.lua", &cli, &config, &report), OH_OK);
    s = oh__config_settings(config);
    assert_int_equal(s->listeners_n, 1);
    assert_int_equal(s->listeners[0].addr.port, 5071);
    assert_int_equal(s->domains_n, 2);
    assert_string_equal(s->domains[0].name, "one.example");
    assert_string_equal(s->default_domain, "one.example");
    assert_true(s->no_auth);
    assert_int_equal(oh__config_process(config)->workers, 2);
    assert_string_equal(oh__config_process(config)->state, "/tmp/elsewhere");
    oh__config_unref(config);

    cli = (struct oh__config_overrides){.listen_n = 2, .listen = bad, .workers = 1000};
    assert_int_equal(oh__config_load(NULL, &cli, &config, &report), OH_E_SYNTAX);
    assert_int_equal(report.n, 3);
    assert_string_equal(report.problems[0].file, "command line");
    cli = (struct oh__config_overrides){.default_domain = "pbx.example"};
    assert_int_equal(oh__config_load(NULL, &cli, &config, &report), OH_OK);
    assert_string_equal(oh__config_settings(config)->default_domain, "pbx.example");
    assert_true(oh__config_settings(config)->any_domain);
    oh__config_unref(config);
}

static void test_unreadable(void **state)
{
    struct oh__config *config = NULL;

    (void)state;
    assert_int_equal(oh__config_load("/nonexistent/x.lua", NULL, &config, &report), OH_E_IO);
    assert_int_equal(report.n, 1);
    assert_non_null(strstr(report.problems[0].text, "cannot be read"));
    assert_int_equal(oh__config_load("/tmp", NULL, &config, &report), OH_E_IO);
    assert_null(config);
}

/* --- reload ------------------------------------------------------------- */

static void test_reload(void **state)
{
    struct oh__config *old = NULL, *fresh = NULL;
    struct oh_addr bound;
    char path[64];

    (void)state;
    write_file(path, "listen = { \"udp:127.0.0.1:0\", { \"udp:[::1]:0\", optional = true },\n"
                     "  \"tcp:127.0.0.1:0\" }\nregistrar = { contacts = 3 }\n");
    assert_int_equal(oh__config_load(path, NULL, &old, &report), OH_OK);
    assert_int_equal(oh_addr_parse_port(OH_LIT("127.0.0.1:40000"), &bound), OH_OK);
    oh__config_drop_listener(old, 1);
    oh__config_bound(old, 1, &bound);

    /* A bad file changes nothing. */
    rewrite_file(path, "registrar = { contacts = 0 }\n");
    assert_int_equal(oh__config_reload(old, &fresh, &report), OH_E_SYNTAX);
    assert_null(fresh);
    assert_int_equal(oh__config_settings(old)->contacts_max, 3);
    assert_int_equal(report.problems[0].line, 1);

    /* What cannot change while running is told, with its place. */
    rewrite_file(path, "workers = 3\nlisten = { \"udp:127.0.0.1:5099\" }\n");
    assert_int_equal(oh__config_reload(old, &fresh, &report), OH_E_SYNTAX);
    assert_int_equal(report.n, 2);
    assert_int_equal(report.problems[0].line, 1);
    assert_non_null(strstr(report.problems[1].text, "'listen' cannot change while"));
    rewrite_file(path, "listen = { \"udp:127.0.0.1:0\", { \"udp:[::1]:0\", optional = true },\n"
                       "  \"tcp:127.0.0.1:0\" }\nconnections = { idle_timeout = 60 }\n");
    assert_int_equal(oh__config_reload(old, &fresh, &report), OH_E_SYNTAX);
    assert_int_equal(report.n, 1);
    assert_int_equal(report.problems[0].line, 3);
    assert_non_null(strstr(report.problems[0].text, "'connections.idle_timeout' cannot change"));
    assert_int_equal(report.problems[1].line, 2);

    /* A good one is the next version, on the sockets that are open. */
    rewrite_file(path, "listen = { \"udp:127.0.0.1:0\", { \"udp:[::1]:0\", optional = true },\n"
                       "  { \"tcp:127.0.0.1:0\", advertise = \"a.example\" } }\n"
                       "registrar = { contacts = 4 }\n");
    assert_int_equal(oh__config_reload(old, &fresh, &report), OH_OK);
    assert_int_equal(oh__config_settings(fresh)->version, 2);
    assert_int_equal(oh__config_settings(fresh)->contacts_max, 4);
    assert_int_equal(oh__config_settings(fresh)->listeners_n, 2);
    assert_int_equal(oh__config_settings(fresh)->listeners[1].addr.port, 40000);
    assert_string_equal(oh__config_settings(fresh)->listeners[1].advertise, "a.example");
    assert_int_equal(oh__config_settings(old)->contacts_max, 3);
    oh__config_unref(old);
    unlink(path);

    /* The file has gone: the snapshot stays. */
    assert_int_equal(oh__config_reload(fresh, &old, &report), OH_E_IO);
    assert_int_equal(oh__config_settings(fresh)->contacts_max, 4);
    oh__config_unref(fresh);
}

static void test_references(void **state)
{
    struct oh__config *config = load_text("workers = 1\n");
    const struct oh__config *second = oh__config_ref(config);

    (void)state;
    oh__config_unref(config);
    assert_int_equal(oh__config_process(second)->workers, 1);
    oh__config_unref(second);
    oh__config_unref(NULL);
}

/* --- reference ---------------------------------------------------------- */

static void test_reference_is_current(void **state)
{
    char *text = NULL, stored[65536];
    FILE *f, *file = fopen(OH_TEST_DATA "/../docs/configuration.md", "r");
    size_t n = 0, m;

    (void)state;
    assert_non_null(file);
    m = fread(stored, 1, sizeof(stored), file);
    fclose(file);
    f = open_memstream(&text, &n);
    oh__config_reference(f);
    fclose(f);
    if (n != m || memcmp(text, stored, n) != 0)
        fail_msg("docs/configuration.md is old: offhook check --reference > it");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_report_is_gcc_style),
        cmocka_unit_test(test_report_is_bounded),
        cmocka_unit_test(test_every_prefix),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_every_setting),
        cmocka_unit_test(test_examples),
        cmocka_unit_test(test_include_file_env),
        cmocka_unit_test(test_include_is_bounded),
        cmocka_unit_test(test_positions),
        cmocka_unit_test(test_overrides),
        cmocka_unit_test(test_unreadable),
        cmocka_unit_test(test_reload),
        cmocka_unit_test(test_references),
        cmocka_unit_test(test_reference_is_current),
    };

    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
