/*
 * The control socket as its clients see it: a real socket in a temporary
 * directory, a host with real tables and no workers. The client blocks in
 * oh__client_call, so it runs in a thread of its own where the protocol is
 * not driven byte by byte.
 */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <pthread.h>
#include <cmocka.h>

#include "host/client.h"
#include "host/control.h"
#include "host/control_commands.h"
#include "host/control_json.h"
#include "host/control_topics.h"

static const char *const LISTEN[] = {"udp:127.0.0.1:0"};

struct world {
    struct oh__host host;
    struct oh__host_options options;
    struct oh__control *control;
    char root[64], state[80];
};

static void open_net(struct world *w)
{
    struct oh__net_options o = {.listeners_n = 1, .workers = 1};
    char why[256];

    o.listeners[0].transport = OH_TRANSPORT_UDP;
    assert_int_equal(oh_addr_parse_port(OH_LIT("127.0.0.1:0"), &o.listeners[0].addr), OH_OK);
    assert_int_equal(oh__net_open(&o, &w->host.net, why, sizeof why), OH_OK);
}

static int set_up(void **state)
{
    static const uint8_t seed[32] = "a seed of thirty-two bytes it is";
    struct world *w = calloc(1, sizeof *w);
    struct oh__config_report *report = calloc(1, sizeof *report);
    struct oh__config *config;
    char why[OH__CONTROL_WHY] = "";

    assert_true(w && report);
    snprintf(w->root, sizeof w->root, "/tmp/offhook-control-XXXXXX");
    assert_non_null(mkdtemp(w->root));
    snprintf(w->state, sizeof w->state, "%s/state", w->root);
    w->options.overrides = (struct oh__config_overrides){
        .state = w->state, .listen_n = 1, .listen = LISTEN, .default_domain = "pbx"};
    w->host.options = &w->options;
    assert_int_equal(oh__config_load(NULL, &w->options.overrides, &config, report), OH_OK);
    free(report);
    w->host.config = config;
    w->host.hasher = oh__hasher_new();
    w->host.started = oh__clock_now();
    w->host.started_wall = oh__clock_wall();
    oh__rng_init(&w->host.rng, seed);
    pthread_mutex_init(&w->host.config_lock, NULL);
    assert_int_equal(oh__log_open("/dev/null", OH__LOG_INFO, &w->host.log), OH_OK);
    open_net(w);
    assert_int_equal(oh__state_open(&w->host), 0);
    for (unsigned i = 0; i < OH__SHARDS; i++) {
        struct oh__serve_options o = {.shared = &w->host.shared,
                                      .shard = (uint8_t)i,
                                      .shards = OH__SHARDS,
                                      .transactions_max = 16,
                                      .completed_max = 16,
                                      .settings = oh__config_settings(config)};

        pthread_mutex_init(&w->host.shards[i].lock, NULL);
        assert_int_equal(oh__serve_new(&o, w->host.started, &w->host.shards[i].serve), OH_OK);
    }
    assert_int_equal(oh__control_open(&w->host, &w->control, why), OH_OK);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    char command[128];

    oh__control_close(w->control);
    for (unsigned i = 0; i < OH__SHARDS; i++)
        oh__serve_free(w->host.shards[i].serve);
    oh__net_close(w->host.net);
    oh__state_close(&w->host);
    oh__hasher_free(w->host.hasher);
    oh__log_close(w->host.log);
    oh__config_unref(w->host.config);
    snprintf(command, sizeof command, "rm -rf '%s'", w->root);
    assert_int_equal(system(command), 0);
    free(w);
    return 0;
}

/* ---- a client byte by byte ---- */

static int dial(const struct world *w)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

    snprintf(addr.sun_path, sizeof addr.sun_path, "%s/control.sock", w->state);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof addr), 0);
    return fd;
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* What can be read at once; -1 when the server has closed. */
static ssize_t hear(int fd, char *out, size_t cap)
{
    ssize_t n = recv(fd, out, cap - 1, 0);

    out[n > 0 ? n : 0] = '\0';
    return n == 0 ? -1 : n < 0 ? 0 : n;
}

static void test_lines(void **state)
{
    static const char ping[] = "{\"command\":\"ping\"}\n";
    struct world *w = *state;
    char got[4096];
    int fd = dial(w);

    /* Byte by byte: nothing is answered before the line is complete. */
    for (size_t i = 0; ping[i]; i++) {
        oh__control_run(w->control);
        assert_int_equal(hear(fd, got, sizeof got), 0);
        assert_int_equal(send(fd, ping + i, 1, 0), 1);
    }
    oh__control_run(w->control);
    assert_true(hear(fd, got, sizeof got) > 0);
    assert_non_null(strstr(got, "\"ok\":true"));
    assert_int_equal(got[strlen(got) - 1], '\n');
    /* Three at once, and the beginning of a fourth. */
    say(fd, "{\"command\":\"ping\"}\n{\"command\":\"ping\"}\n{\"command\":\"ping\"}\n{\"comm");
    oh__control_run(w->control);
    assert_true(hear(fd, got, sizeof got) > 0);
    unsigned lines = 0;

    for (const char *p = got; (p = strchr(p, '\n')) != NULL; p++)
        lines++;
    assert_int_equal(lines, 3);
    close(fd);
    oh__control_run(w->control);
}

static void test_nonsense(void **state)
{
    static const char *const lines[] = {"\n",
                                        "hello\n",
                                        "[]\n",
                                        "17\n",
                                        "{}\n",
                                        "{\"command\":17}\n",
                                        "{\"command\":\"fly\"}\n",
                                        "{\"command\":\"ping\",\"command\":\"ping\"}\n",
                                        "{\"command\":\"ping\"\n",
                                        "\xff\xfe\n"};
    struct world *w = *state;
    char got[4096];
    int fd = dial(w);

    oh__control_run(w->control); /* accepts */
    for (unsigned i = 0; i < sizeof lines / sizeof *lines; i++) {
        say(fd, lines[i]);
        oh__control_run(w->control);
        if (hear(fd, got, sizeof got) <= 0)
            fail_msg("no answer to line %u", i);
        json_t *reply = json_loads(got, 0, NULL);

        assert_true(json_is_false(json_object_get(reply, "ok")));
        assert_int_equal(json_integer_value(json_object_get(reply, "exit")), 2);
        json_decref(reply);
    }
    say(fd, "{\"command\":\"ping\"}\n"); /* and it still works */
    oh__control_run(w->control);
    assert_true(hear(fd, got, sizeof got) > 0);
    assert_non_null(strstr(got, "\"ok\":true"));
    close(fd);
}

/* A line without an end is not collected for ever. */
static void test_endless_line(void **state)
{
    static char block[65536];
    struct world *w = *state;
    size_t sent = 0;
    char got[64];
    int fd = dial(w);

    memset(block, 'x', sizeof block);
    for (unsigned i = 0; i < 1000; i++) {
        ssize_t n = send(fd, block, sizeof block, MSG_NOSIGNAL);

        if (n < 0 && sent > 0 && hear(fd, got, sizeof got) < 0)
            break;
        sent += n > 0 ? (size_t)n : 0;
        oh__control_run(w->control);
    }
    assert_true(sent < 20u << 20);
    close(fd);
}

/* One more than there are places is told so; when one leaves, the next is served. */
static void test_many_clients(void **state)
{
    struct world *w = *state;
    char got[4096];
    int fd[33];

    for (unsigned i = 0; i < 33; i++) {
        fd[i] = dial(w);
        oh__control_run(w->control);
    }
    assert_true(hear(fd[32], got, sizeof got) > 0);
    assert_non_null(strstr(got, "\"exit\":5"));
    assert_int_equal(hear(fd[32], got, sizeof got), -1);
    close(fd[32]);
    close(fd[0]);
    oh__control_run(w->control);
    fd[0] = dial(w);
    say(fd[0], "{\"command\":\"ping\"}\n");
    oh__control_run(w->control);
    oh__control_run(w->control);
    assert_true(hear(fd[0], got, sizeof got) > 0);
    for (unsigned i = 0; i < 32; i++)
        close(fd[i]);
}

static void test_private(void **state)
{
    struct world *w = *state;
    struct stat st;
    char path[128];

    snprintf(path, sizeof path, "%s/control.sock", w->state);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
}

/* ---- commands ---- */

/* Runs a command written as JSON with ' for ". */
static json_t *run(struct world *w, const char *text)
{
    char quoted[1024];
    size_t n = strlen(text);

    assert_true(n < sizeof quoted);
    for (size_t i = 0; i <= n; i++)
        quoted[i] = (char)(text[i] == '\'' ? '"' : text[i]);
    json_t *request = json_loads(quoted, 0, NULL);

    assert_non_null(request);
    const struct oh__control_command *c = oh__control_find(oh__json_str(request, "command"));

    assert_non_null(c);
    json_t *reply = c->run(&w->host, request);

    json_decref(request);
    assert_true(json_is_boolean(json_object_get(reply, "ok")));
    assert_int_equal(json_integer_value(json_object_get(reply, "schema_version")), 1);
    return reply;
}

static void decide(struct world *w, enum oh__decision_kind kind, const char *account,
                   const char *from, const char *call_id)
{
    struct oh__decided d = {.wall = 1,
                            .kind = (uint8_t)kind,
                            .code = 403,
                            .method = OH_LIT("REGISTER"),
                            .account = oh_span_str(account),
                            .call_id = oh_span_str(call_id),
                            .why = OH_LIT("because")};

    assert_int_equal(oh_addr_parse_port(oh_span_str(from), &d.flow.peer), OH_OK);
    oh__decisions_add(w->host.shared.decisions, &d);
}

static size_t count(struct world *w, const char *request, const char *key)
{
    json_t *reply = run(w, request);
    size_t n = json_array_size(json_object_get(reply, key));

    json_decref(reply);
    return n;
}

static void test_why(void **state)
{
    struct world *w = *state;

    assert_int_equal(count(w, "{'command':'why'}", "decisions"), 0);
    decide(w, OH__DECISION_REGISTERED, "101@pbx", "192.0.2.1:5060", "call-1");
    decide(w, OH__DECISION_CALL_FAILED, "101@pbx", "192.0.2.1:5060", "call-2");
    decide(w, OH__DECISION_AUTH_FAILED, "1010@pbx", "192.0.2.1:5060", "call-3");
    assert_int_equal(count(w, "{'command':'why'}", "decisions"), 3);
    assert_int_equal(count(w, "{'command':'why','limit':2}", "decisions"), 2);
    assert_int_equal(count(w, "{'command':'why','who':'101'}", "decisions"), 2);
    assert_int_equal(count(w, "{'command':'why','who':'101@pbx'}", "decisions"), 2);
    assert_int_equal(count(w, "{'command':'why','who':'101@other'}", "decisions"), 0);
    assert_int_equal(count(w, "{'command':'why','who':'call-3'}", "decisions"), 1);
    assert_int_equal(count(w, "{'command':'why','failed':true}", "decisions"), 2);
    json_t *reply = run(w, "{'command':'why','limit':1}");

    assert_string_equal(
        oh__json_str(json_array_get(json_object_get(reply, "decisions"), 0), "call_id"), "call-3");
    json_decref(reply);
}

/* Only the newest word about somebody counts: who registered since has no trouble any more. */
static void test_tried(void **state)
{
    struct world *w = *state;

    decide(w, OH__DECISION_AUTH_FAILED, "101", "192.0.2.1:5060", "a");
    decide(w, OH__DECISION_AUTH_FAILED, "101", "192.0.2.1:5070", "b");
    decide(w, OH__DECISION_AUTH_FAILED, "101", "192.0.2.2:5060", "c");
    decide(w, OH__DECISION_AUTH_FAILED, "102", "192.0.2.1:5060", "d");
    assert_int_equal(count(w, "{'command':'tried'}", "tried"), 3);
    decide(w, OH__DECISION_REGISTERED, "101", "192.0.2.2:5060", "e");
    assert_int_equal(count(w, "{'command':'tried'}", "tried"), 2);
    decide(w, OH__DECISION_CALL_FAILED, "103", "192.0.2.9:5060", "f");
    assert_int_equal(count(w, "{'command':'tried'}", "tried"), 2);
    assert_int_equal(count(w, "{'command':'tried','limit':1}", "tried"), 1);
}

static void bind_phone(struct world *w, const char *aor, const char *agent)
{
    uint64_t wall = oh__host_wall(&w->host, oh__clock_now());
    struct oh__binding b = {.contact = OH_LIT("sip:x@192.0.2.1"),
                            .call_id = OH_LIT("c"),
                            .user_agent = oh_span_str(agent),
                            .cseq = 1,
                            .expires_at = wall + 60000};
    struct oh__registration reg = {.aor = oh_span_str(aor),
                                   .call_id = b.call_id,
                                   .cseq = 1,
                                   .contacts_n = 1,
                                   .contacts = &b,
                                   .wall = wall,
                                   .contacts_max = 10};
    struct oh__binding_list list;
    enum oh__registered done;
    struct oh_arena arena;

    b.flow.transport = OH_TRANSPORT_UDP;
    assert_int_equal(oh_addr_parse_port(OH_LIT("192.0.2.1:5060"), &b.flow.peer), OH_OK);
    oh_arena_init(&arena, oh_alloc_default(), 65536);
    assert_int_equal(
        oh__location_register(w->host.shared.location, &reg, NULL, &arena, &list, &done), OH_OK);
    oh_arena_done(&arena);
}

/* Who asks and never reads is closed at some point; the others are served meanwhile. */
static void test_deaf_client(void **state)
{
    static const char ask[] = "{\"command\":\"phones\"}\n";
    struct world *w = *state;
    char got[4096], aor[32];
    int deaf = dial(w), other = dial(w);
    bool closed = false;

    for (unsigned i = 0; i < 200; i++) {
        snprintf(aor, sizeof aor, "u%u@pbx", i);
        bind_phone(w, aor, "x");
    }
    for (unsigned i = 0; i < 2000 && !closed; i++) {
        closed = send(deaf, ask, sizeof ask - 1, MSG_NOSIGNAL) < 0;
        oh__control_run(w->control);
    }
    assert_true(closed);
    say(other, "{\"command\":\"ping\"}\n");
    oh__control_run(w->control);
    assert_true(hear(other, got, sizeof got) > 0);
    assert_non_null(strstr(got, "\"ok\":true"));
    close(deaf);
    close(other);
    oh__control_run(w->control);
}

/* A reply that is larger than the socket's buffer comes whole, bit by bit, and in order. */
static void test_slow_client(void **state)
{
    struct world *w = *state;
    char got[4096] = "", aor[32], last = 0;
    size_t sum = 0;
    int fd = dial(w);

    for (unsigned i = 0; i < 2000; i++) {
        snprintf(aor, sizeof aor, "u%u@pbx", i);
        bind_phone(w, aor, "a device with a name that makes the reply longer");
    }
    say(fd, "{\"command\":\"phones\"}\n{\"command\":\"ping\"}\n");
    for (unsigned i = 0; i < 100000 && !strstr(got, "\"pid\""); i++) {
        ssize_t n = hear(fd, got, sizeof got);

        assert_true(n >= 0);
        sum += (size_t)n;
        last = n ? got[n - 1] : last;
        oh__control_run(w->control);
    }
    assert_true(sum > 400000);
    assert_int_equal(last, '\n');
    /* Nothing is left to do: a socket that could be written must not wake the server for ever. */
    struct pollfd p = {.fd = oh__control_fd(w->control), .events = POLLIN};

    oh__control_run(w->control);
    assert_int_equal(poll(&p, 1, 0), 0);
    close(fd);
}

static void test_phones(void **state)
{
    struct world *w = *state;
    char aor[32], request[128];
    size_t seen = 0;

    bind_phone(w, "101@pbx", "bad \xff bytes");
    json_t *reply = run(w, "{'command':'phones'}");
    const json_t *phone = json_array_get(json_object_get(reply, "phones"), 0);

    assert_string_equal(oh__json_str(phone, "aor"), "101@pbx");
    assert_string_equal(oh__json_str(phone, "from"), "192.0.2.1:5060");
    assert_string_equal(oh__json_str(phone, "device"), "bad ? bytes");
    assert_in_range(oh__json_u64(phone, "expires_in", 0), 59, 60);
    json_decref(reply);
    assert_int_equal(count(w, "{'command':'phones','who':'101'}", "phones"), 1);
    assert_int_equal(count(w, "{'command':'phones','who':'10'}", "phones"), 0);
    for (unsigned i = 0; i < 100; i++) {
        snprintf(aor, sizeof aor, "u%u@pbx", i);
        bind_phone(w, aor, "x");
    }
    /* Pages of seven, until there are no more. */
    snprintf(request, sizeof request, "{'command':'phones','limit':7}");
    for (unsigned pages = 0; request[0] && pages < 40; pages++) {
        reply = run(w, request);
        const json_t *next = json_object_get(reply, "next");

        seen += json_array_size(json_object_get(reply, "phones"));
        request[0] = '\0';
        if (json_is_array(next))
            snprintf(request, sizeof request, "{'command':'phones','limit':7,'cursor':[%d,%d,%d]}",
                     (int)json_integer_value(json_array_get(next, 0)),
                     (int)json_integer_value(json_array_get(next, 1)),
                     (int)json_integer_value(json_array_get(next, 2)));
        json_decref(reply);
    }
    assert_int_equal(seen, 101);
}

/* What names one AOR is looked up, whatever a walk would have found from its cursor on. */
static void test_phones_of_one(void **state)
{
    /* Behind the last stripe: a walk from here finds nobody. */
    static const char ask[] = "{'command':'phones','cursor':[256,0,0],'who':'%s'}";
    static const struct {
        const char *who;
        size_t n;
    } rows[] = {{"101", 1},  {"101@pbx", 1},   {"101@PBX", 1}, {"101@other", 1},
                {"102", 0},  {"102@other", 1}, {"A@b@pbx", 1}, {"a@b@pbx", 0},
                {"101@", 0}, {"@pbx", 0},      {"1", 0},       {"", 0}};
    struct world *w = *state;
    char request[128], far[1100];

    bind_phone(w, "101@pbx", "x");
    bind_phone(w, "101@other", "x");
    bind_phone(w, "102@other", "x");
    bind_phone(w, "A@b@pbx", "x");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(request, sizeof request, ask, rows[i].who);
        json_t *reply = run(w, request);

        if (json_array_size(json_object_get(reply, "phones")) != rows[i].n)
            fail_msg("'%s'", rows[i].who);
        assert_true(json_is_null(json_object_get(reply, "next")));
        json_decref(reply);
    }
    /* What is too long for a look-up is found by a walk. */
    memset(far, 'x', sizeof far);
    memcpy(far + sizeof far - 5, "@pbx", 5);
    bind_phone(w, far, "x");
    json_t *asked = json_pack("{s:s}", "who", far);
    json_t *reply = oh__control_phones(&w->host, asked);

    assert_int_equal(json_array_size(json_object_get(reply, "phones")), 1);
    json_decref(asked);
    json_decref(reply);
}

/* Short of memory a page is an error: `phones` must not take it for the end of the list. */
static void test_phones_short_of_memory(void **state)
{
    static const char *const who[] = {"", "101", "101@pbx"};
    struct world *w = *state;

    bind_phone(w, "101@pbx", "x");
    for (unsigned i = 0; i < 3; i++) {
        json_t *asked = json_pack("{s:s}", "who", who[i]);
        json_t *reply = oh__control_phones_within(&w->host, asked, 16);

        assert_true(json_is_false(json_object_get(reply, "ok")));
        assert_int_equal(json_integer_value(json_object_get(reply, "exit")), 9);
        assert_null(json_object_get(reply, "phones"));
        json_decref(reply);
        reply = oh__control_phones_within(&w->host, asked, 4096);
        assert_int_equal(json_array_size(json_object_get(reply, "phones")), 1);
        json_decref(reply);
        json_decref(asked);
    }
}

static void test_bans(void **state)
{
    struct world *w = *state;
    struct oh_addr bad;
    json_t *reply;

    assert_int_equal(oh_addr_parse(OH_LIT("192.0.2.66"), &bad), OH_OK);
    for (unsigned i = 0; i < 4; i++)
        oh__guard_fail(w->host.shared.guard, oh__clock_now(), &bad, 3, 60000000000, 300000000000);
    reply = run(w, "{'command':'bans-list'}");
    const json_t *ban = json_array_get(json_object_get(reply, "bans"), 0);

    assert_string_equal(oh__json_str(ban, "address"), "192.0.2.66");
    assert_int_equal(oh__json_u64(ban, "failures", 0), 4);
    assert_in_range(oh__json_u64(ban, "seconds_left", 0), 290, 300);
    assert_null(json_object_get(ban, "account"));
    json_decref(reply);
    assert_int_equal(oh_addr_parse(OH_LIT("192.0.2.68"), &bad), OH_OK);
    for (unsigned i = 0; i < 4; i++) {
        oh__guard_guess(w->host.shared.guard, oh__clock_now(), &bad, OH_LIT("102@example.test"),
                        &(struct oh__guard_limits){3, 60000000000, 300000000000});
        oh__guard_guess(w->host.shared.guard, oh__clock_now(), &bad, OH_LIT(""),
                        &(struct oh__guard_limits){3, 60000000000, 300000000000});
    }
    reply = run(w, "{'command':'bans-list'}");
    assert_int_equal(json_array_size(json_object_get(reply, "bans")), 3);
    for (unsigned i = 1; i < 3; i++) {
        ban = json_array_get(json_object_get(reply, "bans"), i);
        assert_string_equal(oh__json_str(ban, "address"), "192.0.2.68");
        assert_true(strcmp(oh__json_str(ban, "account"), "102@example.test") == 0 ||
                    strcmp(oh__json_str(ban, "account"), "others") == 0);
    }
    json_decref(reply);
    reply = run(w, "{'command':'bans-clear','address':'192.0.2.68'}");
    assert_int_equal(json_integer_value(json_object_get(reply, "lifted")), 2);
    json_decref(reply);
    reply = run(w, "{'command':'bans-clear','address':'not an address'}");
    assert_int_equal(json_integer_value(json_object_get(reply, "exit")), 2);
    json_decref(reply);
    reply = run(w, "{'command':'bans-clear','address':'192.0.2.67'}");
    assert_int_equal(json_integer_value(json_object_get(reply, "exit")), 1);
    json_decref(reply);
    reply = run(w, "{'command':'bans-clear','address':'192.0.2.66'}");
    assert_int_equal(json_integer_value(json_object_get(reply, "lifted")), 1);
    json_decref(reply);
    assert_int_equal(count(w, "{'command':'bans-list'}", "bans"), 0);
}

static void test_status_and_config(void **state)
{
    struct world *w = *state;
    json_t *reply = run(w, "{'command':'status'}");

    assert_string_equal(oh__json_str(reply, "phase"), "running");
    assert_true(json_is_object(json_object_get(reply, "counters")));
    assert_int_equal(json_integer_value(json_object_get(reply, "accounts")), 0);
    json_decref(reply);
    reply = run(w, "{'command':'config'}");
    assert_string_equal(oh__json_str(reply, "domain"), "");
    assert_string_equal(oh__json_str(reply, "realm"), "pbx");
    assert_string_equal(oh__json_str(reply, "state"), w->state);
    json_decref(reply);
}

static void test_backup(void **state)
{
    struct world *w = *state;
    char request[256];
    json_t *reply = run(w, "{'command':'backup','directory':'relative'}");

    assert_int_equal(json_integer_value(json_object_get(reply, "exit")), 2);
    json_decref(reply);
    snprintf(request, sizeof request, "{'command':'backup','directory':'%s/copy'}", w->root);
    reply = run(w, request);
    assert_true(json_is_true(json_object_get(reply, "ok")));
    json_decref(reply);
    reply = run(w, request); /* it is there already */
    assert_int_equal(json_integer_value(json_object_get(reply, "exit")), 9);
    json_decref(reply);
}

static void test_leave(void **state)
{
    struct world *w = *state;

    json_decref(run(w, "{'command':'drain'}"));
    assert_int_equal(w->host.phase, OH__PHASE_DRAINING);
    json_decref(run(w, "{'command':'stop'}"));
    assert_int_equal(w->host.phase, OH__PHASE_STOPPING);
    json_decref(run(w, "{'command':'drain'}"));
    assert_int_equal(w->host.phase, OH__PHASE_STOPPING);
}

/* ---- the client ---- */

struct call {
    const struct world *w;
    int result;
    json_t *reply;
    char why[OH__CLIENT_WHY];
    _Atomic bool done;
};

static void *call_ping(void *arg)
{
    struct call *c = arg;
    json_t *request = json_pack("{s:s}", "command", "ping");

    c->result = oh__client_call(c->w->state, request, 10000, &c->reply, c->why);
    json_decref(request);
    c->done = true;
    return NULL;
}

static void test_client(void **state)
{
    struct world *w = *state;
    struct call call = {.w = w};
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, call_ping, &call), 0);
    while (!call.done)
        oh__control_run(w->control);
    pthread_join(thread, NULL);
    assert_int_equal(call.result, OH_OK);
    assert_true(json_is_true(json_object_get(call.reply, "ok")));
    json_decref(call.reply);
}

static void test_client_alone(void **state)
{
    struct world *w = *state;
    json_t *request = json_pack("{s:s}", "command", "ping"), *reply = NULL;
    char why[OH__CLIENT_WHY] = "", path[300];

    assert_int_equal(oh__client_call("/nowhere/at/all", request, 1000, &reply, why), OH_E_ABSENT);
    assert_non_null(strstr(why, "--state"));
    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    assert_int_equal(oh__client_call(path, request, 1000, &reply, why), OH_E_LIMIT);
    /* Somebody listens and never answers. */
    assert_int_equal(oh__client_call(w->state, request, 1, &reply, why), OH_E_TIMEOUT);
    assert_null(reply);
    json_decref(request);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_lines),         TEST(test_nonsense),
        TEST(test_endless_line),  TEST(test_deaf_client),
        TEST(test_slow_client),   TEST(test_many_clients),
        TEST(test_private),       TEST(test_why),
        TEST(test_tried),         TEST(test_phones),
        TEST(test_phones_of_one), TEST(test_phones_short_of_memory),
        TEST(test_bans),          TEST(test_status_and_config),
        TEST(test_backup),        TEST(test_leave),
        TEST(test_client),        TEST(test_client_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
