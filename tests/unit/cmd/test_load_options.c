/* The command line of `offhook load`: what it means, and what is refused before anything is sent.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cmd/load.h"

#define SEC       UINT64_C(1000000000)
#define WORDS_MAX 16

/* What the program tells on stderr is of no interest here, but cmocka's findings are. */
static int silence(void)
{
    int saved = dup(STDERR_FILENO), null = open("/dev/null", O_WRONLY);

    dup2(null, STDERR_FILENO);
    close(null);
    return saved;
}

static void speak(int saved)
{
    dup2(saved, STDERR_FILENO);
    close(saved);
}

/* The row of the table that the program uses. */
static const struct oh__command *command(const char *name)
{
    for (const struct oh__command *c = oh__commands; c->name; c++)
        if (strcmp(c->name, name) == 0)
            return c;
    fail_msg("there is no command %s", name);
    return NULL;
}

/* Reads a command line, words separated by blanks, as the program does. */
static int read_line(const char *name, const char *line, struct oh__load_config *out)
{
    static struct oh__args args;
    char why[OH__ARGS_WHY], text[512], *argv[WORDS_MAX], *rest = text;
    int argc = 0, status, saved = silence();

    snprintf(text, sizeof text, "%s", line);
    while (*rest && argc < WORDS_MAX) {
        size_t n = strcspn(rest, " ");

        argv[argc++] = rest;
        rest += n;
        if (*rest)
            *rest++ = '\0';
    }
    status = oh__args_parse(command(name), argc, argv, &args, why);
    if (status == OH__EXIT_OK)
        status = oh__load_config_read(&args, out);
    speak(saved);
    return status;
}

static void test_defaults(void **state)
{
    struct oh__load_config c;

    (void)state;
    assert_int_equal(read_line("load options", "127.0.0.1", &c), OH__EXIT_OK);
    assert_int_equal(c.kind, OH__LOAD_OPTIONS);
    assert_string_equal(c.host, "127.0.0.1");
    assert_string_equal(c.domain, "127.0.0.1");
    assert_int_equal(c.port, 5060);
    assert_true(c.rate == 10);
    assert_int_equal(c.window, 0);
    assert_int_equal(c.duration, 10 * SEC);
    assert_int_equal(c.timeout, 32 * SEC);
    assert_int_equal(c.count, 0);
    assert_int_equal(c.users, 100);
    assert_int_equal(c.threads, 1);
    assert_int_equal(c.ports, 4);
    assert_int_equal(c.max_failures, OH__NEVER);
    assert_string_equal(c.user_format, "u%06d");
    assert_false(c.register_first || c.own || c.json);
    assert_int_equal(read_line("load call", "127.0.0.1", &c), OH__EXIT_OK);
    assert_int_equal(c.kind, OH__LOAD_CALL);
    assert_true(c.register_first);
    assert_int_equal(read_line("load message", "127.0.0.1", &c), OH__EXIT_OK);
    assert_false(c.register_first);
    assert_int_equal(read_line("load register", "127.0.0.1", &c), OH__EXIT_OK);
    assert_int_equal(c.expires, 3600);
}

static void test_everything(void **state)
{
    struct oh__load_config c;

    (void)state;
    assert_int_equal(read_line("load call",
                               "sip:[::1]:5070 --rate=2500/s --duration 1m --count 1000 --users 5 "
                               "--user-format x%d --domain example.com --threads 3",
                               &c),
                     OH__EXIT_OK);
    assert_string_equal(c.host, "::1");
    assert_int_equal(c.port, 5070);
    assert_string_equal(c.domain, "example.com");
    assert_true(c.rate == 2500);
    assert_int_equal(c.duration, 60 * SEC);
    assert_int_equal(c.count, 1000);
    assert_int_equal(c.users, 5);
    assert_int_equal(c.threads, 3);
    assert_int_equal(read_line("load call",
                               "udp:h.example --window 9 --hold 1.5s --ports 8 --max-failures 0 "
                               "--warmup 250ms --timeout 2 -o json --yes-i-own-this-server",
                               &c),
                     OH__EXIT_OK);
    assert_string_equal(c.host, "h.example");
    assert_int_equal(c.window, 9);
    assert_true(c.rate == 0);
    assert_int_equal(c.hold, SEC + SEC / 2);
    assert_int_equal(c.ports, 8);
    assert_int_equal(c.max_failures, 0);
    assert_int_equal(c.warmup, SEC / 4);
    assert_int_equal(c.timeout, 2 * SEC);
    assert_true(c.json && c.own);
    assert_int_equal(read_line("load options", "[::1]", &c), OH__EXIT_OK);
    assert_string_equal(c.domain, "[::1]");
    assert_int_equal(read_line("load options", "127.0.0.1:5070", &c), OH__EXIT_OK);
    assert_string_equal(c.domain, "127.0.0.1:5070");
    assert_int_equal(read_line("load message",
                               "127.0.0.1 --ramp 1000:20000.5:5:20 --p99-max 12.5 --in-flight 500 "
                               "--register-first",
                               &c),
                     OH__EXIT_OK);
    assert_true(c.rate == 1000 && c.ramp_to == 20000.5);
    assert_int_equal(c.ramp_step, 5 * SEC);
    assert_int_equal(c.ramp_steps, 20);
    assert_int_equal(c.p99_max, 12500000);
    assert_int_equal(c.duration, 0);
    assert_int_equal(c.slots, 500);
    assert_true(c.register_first);
    /* How to go there: said by the target, by an option, or by both when they agree. */
    assert_int_equal(c.transport, OH_TRANSPORT_UDP);
    assert_int_equal(read_line("load call", "tcp:127.0.0.1:5070", &c), OH__EXIT_OK);
    assert_int_equal(c.transport, OH_TRANSPORT_TCP);
    assert_int_equal(c.port, 5070);
    assert_string_equal(c.domain, "127.0.0.1:5070");
    assert_int_equal(read_line("load call", "sip:[::1]:5071;transport=TCP", &c), OH__EXIT_OK);
    assert_int_equal(c.transport, OH_TRANSPORT_TCP);
    assert_string_equal(c.domain, "[::1]:5071");
    assert_int_equal(read_line("load call", "tcp:127.0.0.1 --transport tcp", &c), OH__EXIT_OK);
    assert_int_equal(read_line("load call", "sip:h.example --transport tcp", &c), OH__EXIT_OK);
    assert_int_equal(c.transport, OH_TRANSPORT_TCP);
    /* Without --duration the count alone ends the run. */
    assert_int_equal(read_line("load options", "127.0.0.1 --count 3", &c), OH__EXIT_OK);
    assert_int_equal(c.duration, 0);
}

static void test_refused(void **state)
{
    static const struct {
        const char *command, *line;
    } cases[] = {
        {"load options", "127.0.0.1 --rate 5 --window 5"},
        {"load options", "127.0.0.1 --rate 5 --ramp 1:2:3"},
        {"load options", "127.0.0.1 --rate 0"},
        {"load options", "127.0.0.1 --rate -5"},
        {"load options", "127.0.0.1 --rate 5/m"},
        {"load options", "127.0.0.1 --rate 1000001"},
        {"load options", "127.0.0.1 --window 0"},
        {"load options", "127.0.0.1 --window 9999999"},
        {"load options", "127.0.0.1 --window 5 --in-flight 5"},
        {"load options", "127.0.0.1 --ramp 1:2"},
        {"load options", "127.0.0.1 --ramp 2:1:3"},
        {"load options", "127.0.0.1 --ramp 1:2:0"},
        {"load options", "127.0.0.1 --ramp 1:2:3:0"},
        {"load options", "127.0.0.1 --ramp 1:2:3:101"},
        {"load options", "127.0.0.1 --ramp 1:2:3:4:5"},
        {"load options", "127.0.0.1 --ramp 1:2:3 --duration 5"},
        {"load options", "127.0.0.1 --ramp 1:2:3 --count 5"},
        {"load options", "127.0.0.1 --p99-max 5"},
        {"load options", "127.0.0.1 --duration soon"},
        {"load options", "127.0.0.1 --duration 0"},
        {"load options", "127.0.0.1 --timeout 1ms"},
        {"load options", "127.0.0.1 --max-failures few"},
        {"load options", "127.0.0.1 --threads 65"},
        {"load options", "127.0.0.1 --ports 65"},
        {"load options", "127.0.0.1 --users 1000001"},
        {"load options", "127.0.0.1 --user-format %s"},
        {"load options", "127.0.0.1 --user-format nobody"},
        {"load options", "127.0.0.1 --user-format a@b%d"},
        {"load options", "127.0.0.1 --user-format a%d>"},
        {"load options", "127.0.0.1 --domain a,b"},
        {"load options", "127.0.0.1 --domain a;lr"},
        {"load options", "127.0.0.1 --domain u@a"},
        {"load options", "127.0.0.1 --hold 5"},
        {"load options", "127.0.0.1 --register-first"},
        {"load options", "127.0.0.1 --password secret"},
        {"load call", "127.0.0.1 --expires 5"},
        {"load call", "127.0.0.1 --accounts a --password-file b"},
        {"load call", "127.0.0.1 --accounts a --users 5"},
        {"load call", "127.0.0.1 --password-file /nonexistent/file"},
        {"load call", ""},
        {"load call", "127.0.0.1 127.0.0.2"},
        {"load call", "udp:127.0.0.1 --transport tcp"},
        {"load call", "127.0.0.1;transport=tcp --transport udp"},
        {"load call", "127.0.0.1 --transport sctp"},
        {"load call", "127.0.0.1 --transport tls"},
        {"load call", "127.0.0.1;transport=tls"},
        {"load call", "127.0.0.1;lr"},
        {"load call", ";transport=tcp"},
        {"load call", "tls:127.0.0.1"},
        {"load call", "sip:bob@127.0.0.1"},
        {"load call", "127.0.0.1:0"},
        {"load call", "127.0.0.1:65536"},
        {"load call", "[::1"},
        {"load call", "[nonsense]"},
        {"load call", "::1"},
        {"load call", ":5060"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct oh__load_config c = {.users = 4711};

        if (read_line(cases[i].command, cases[i].line, &c) != OH__EXIT_USAGE)
            fail_msg("not refused: %s %s", cases[i].command, cases[i].line);
        assert_int_equal(c.users, 4711); /* nothing is written then */
    }
}

static void test_times(void **state)
{
    static const struct {
        const char *text;
        uint64_t ns;
    } good[] = {
        {"10", 10 * SEC},    {"1.5", SEC + SEC / 2},      {"250ms", SEC / 4}, {"2m", 120 * SEC},
        {"1h", 3600 * SEC},  {"0.5h", 1800 * SEC},        {"100us", 100000},  {"0", 0},
        {"0.000000001s", 1}, {"8784h", 8784 * 3600 * SEC}};
    static const char *const bad[] = {"",
                                      "s",
                                      "-1",
                                      "1.",
                                      ".5",
                                      "1d",
                                      "1 s",
                                      "8785h",
                                      "1e3",
                                      "0.0000000001",
                                      "99999999999999999999",
                                      "1.5.5"};
    uint64_t ns;

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(oh__load_time_read(good[i].text, SEC, &ns));
        assert_int_equal(ns, good[i].ns);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (oh__load_time_read(bad[i], SEC, &ns))
            fail_msg("taken for a time: '%s'", bad[i]);
    assert_true(oh__load_time_read("12.5", SEC / 1000, &ns));
    assert_int_equal(ns, 12500000);
}

/* Whom load may go to without a question. */
static void test_near(void **state)
{
    static const struct {
        const char *addr;
        bool near;
    } cases[] = {
        {"127.0.0.1", true},       {"127.255.0.9", true},
        {"10.1.2.3", true},        {"172.16.0.1", true},
        {"172.31.9.9", true},      {"192.168.7.7", true},
        {"169.254.1.1", true},     {"::1", true},
        {"fd00::1", true},         {"fe80::1", true},
        {"::ffff:10.0.0.1", true}, {"172.32.0.1", false},
        {"11.0.0.1", false},       {"192.169.0.1", false},
        {"8.8.8.8", false},        {"100.64.0.1", false},
        {"2001:db8::1", false},    {"::ffff:8.8.8.8", false},
        {"128.0.0.1", false},      {"::2", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct oh_addr a;

        assert_int_equal(oh_addr_parse(oh_span_str(cases[i].addr), &a), OH_OK);
        if (oh__load_addr_is_near(&a) != cases[i].near)
            fail_msg("%s", cases[i].addr);
    }
}

/* A public address is refused before any packet, names and broadcasts as well. */
static void test_public(void **state)
{
    static const char *const words[] = {"192.0.2.1", "2001:db8::1", "255.255.255.255", "0.0.0.0",
                                        "224.0.1.75"};

    (void)state;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        char target[64], *argv[] = {"offhook", "load", "options", target, "--count", "1"};
        int saved = silence(), status;

        snprintf(target, sizeof target, strchr(words[i], ':') ? "[%s]" : "%s", words[i]);
        status = oh__cmd_main(6, argv);
        speak(saved);
        assert_int_equal(status, OH__EXIT_REFUSED);
    }
}

/* ---- users ---- */

static void test_users(void **state)
{
    struct oh__load_config c = {.users = 3, .user_format = "u%02d", .domain = "example.com"};
    struct oh__load_users u;

    (void)state;
    assert_int_equal(oh__load_users_make(&c, &u), OH__EXIT_OK);
    assert_int_equal(u.n, 3);
    assert_true(oh_span_eq(u.list[2].aor, OH_LIT("sip:u02@example.com")));
    assert_true(oh_span_eq(oh__load_user_name(&u.list[2]), OH_LIT("u02")));
    assert_true(oh_span_eq(u.list[2].home, OH_LIT("sip:example.com")));
    assert_int_equal(u.list[2].password.n, 0);
    assert_null(u.logins);
    oh__load_users_done(&u);
    memcpy(c.password_format, "p%d", 4);
    assert_int_equal(oh__load_users_make(&c, &u), OH__EXIT_OK);
    assert_true(oh_span_eq(u.list[1].password, OH_LIT("p1")));
    assert_non_null(u.logins);
    oh__load_users_done(&u);
}

static void test_accounts(void **state)
{
    char path[] = "/tmp/offhook-test-load-XXXXXX";
    struct oh__load_config c = {.users = 3, .domain = "example.com", .accounts = path};
    struct oh__load_users u;
    int fd = mkstemp(path);
    static const char text[] = "user,domain,auth_name,password\n"
                               "alice,one.example,\"a\\b\",secret\n"
                               "bo#b,,,other\n";

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, sizeof text - 1), sizeof text - 1);
    close(fd);
    assert_int_equal(oh__load_users_make(&c, &u), OH__EXIT_OK);
    assert_int_equal(u.n, 2);
    assert_true(oh_span_eq(u.list[0].aor, OH_LIT("sip:alice@one.example")));
    assert_true(oh_span_eq(u.list[0].auth_name, OH_LIT("a\\\\b")));
    assert_true(oh_span_eq(u.list[0].password, OH_LIT("secret")));
    assert_true(oh_span_eq(u.list[1].aor, OH_LIT("sip:bo%23b@example.com")));
    assert_true(oh_span_eq(u.list[1].auth_name, OH_LIT("bo#b")));
    assert_true(oh_span_eq(u.list[1].home, OH_LIT("sip:example.com")));
    oh__load_users_done(&u);
    unlink(path);
    fd = silence();
    int status = oh__load_users_make(&c, &u);

    speak(fd);
    assert_int_equal(status, OH__EXIT_REFUSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults), cmocka_unit_test(test_everything),
        cmocka_unit_test(test_refused),  cmocka_unit_test(test_times),
        cmocka_unit_test(test_near),     cmocka_unit_test(test_public),
        cmocka_unit_test(test_users),    cmocka_unit_test(test_accounts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
