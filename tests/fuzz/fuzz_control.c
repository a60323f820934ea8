/*
 * The control socket of a server: lines as a client sends them, in pieces, to
 * a host with real tables and a real store but no workers. Each line gets one
 * answer, which is a JSON object that says whether all is well. What a command
 * has changed is undone by a new host, so that no input depends on another.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "folder.h"
#include "fuzz.h"
#include "host/control.h"
#include "host/control_commands.h"
#include "host/control_json.h"

#define LINES_MAX 16

static const char *const LISTEN[] = {"udp:127.0.0.1:0"};

struct stage {
    struct oh__host host;
    struct oh__host_options options;
    struct oh__control *control;
    char state[96], copies[96];
    unsigned life; /* names of directories differ */
};

static struct stage stage;

/* ---- the host ---- */

static void open_tables(struct stage *s)
{
    for (unsigned i = 0; i < OH__SHARDS; i++) {
        struct oh__serve_options o = {.shared = &s->host.shared,
                                      .shard = (uint8_t)i,
                                      .shards = OH__SHARDS,
                                      .transactions_max = 4,
                                      .completed_max = 4,
                                      .settings = oh__config_settings(s->host.config)};

        pthread_mutex_init(&s->host.shards[i].lock, NULL);
        MUST(oh__serve_new(&o, s->host.started, &s->host.shards[i].serve) == OH_OK);
    }
}

static void add_account(struct stage *s, const char *user)
{
    static const char *const HEX = "00112233445566778899aabbccddeeff";
    struct oh__account_row row = {.user = oh_span_str(user),
                                  .domain = OH_LIT("pbx"),
                                  .auth_name = oh_span_str(user),
                                  .realm = OH_LIT("pbx"),
                                  .ha1 = {oh_span_str(HEX)},
                                  .name = OH_LIT("A name")};
    char why[OH__STORE_WHY];

    MUST(oh__store_accounts_put(s->host.store, &row, 1, why) == OH_OK);
    MUST(oh__accounts_put(s->host.shared.accounts, &row) == OH_OK);
}

static void open_stage(struct stage *s)
{
    static const uint8_t seed[32] = "a seed of thirty-two bytes it is";
    static struct oh__config_report report;
    struct oh__net_options o = {.listeners_n = 1, .workers = 1};
    unsigned life = s->life + 1;
    struct oh__config *config;
    char why[OH__CONTROL_WHY];

    memset(s, 0, sizeof *s);
    s->life = life;
    snprintf(s->state, sizeof s->state, "%s/state-%u", fuzz_folder(), life);
    snprintf(s->copies, sizeof s->copies, "%s/copy-%u", fuzz_folder(), life);
    s->options.overrides = (struct oh__config_overrides){
        .state = s->state, .listen_n = 1, .listen = LISTEN, .default_domain = "pbx"};
    s->host.options = &s->options;
    MUST(oh__config_load(NULL, &s->options.overrides, &config, &report) == OH_OK);
    s->host.config = config;
    s->host.hasher = oh__hasher_new();
    s->host.started = oh__clock_now();
    oh__rng_init(&s->host.rng, seed);
    pthread_mutex_init(&s->host.config_lock, NULL);
    MUST(oh__log_open("/dev/null", OH__LOG_INFO, &s->host.log) == OH_OK);
    o.listeners[0].transport = OH_TRANSPORT_UDP;
    MUST(oh_addr_parse_port(OH_LIT("127.0.0.1:0"), &o.listeners[0].addr) == OH_OK);
    if (oh__net_open(&o, &s->host.net, why, sizeof why) != OH_OK)
        fuzz_fail("no net: %s", why);
    MUST(oh__state_open(&s->host) == 0);
    add_account(s, "101");
    add_account(s, "102");
    open_tables(s);
    if (oh__control_open(&s->host, &s->control, why) != OH_OK)
        fuzz_fail("no control socket: %s", why);
}

static void close_stage(void)
{
    struct stage *s = &stage;

    if (!s->control)
        return;
    oh__control_close(s->control);
    for (unsigned i = 0; i < OH__SHARDS; i++)
        oh__serve_free(s->host.shards[i].serve);
    oh__net_close(s->host.net);
    oh__state_close(&s->host);
    oh__hasher_free(s->host.hasher);
    oh__log_close(s->host.log);
    oh__config_unref(s->host.config);
    s->control = NULL;
}

/* ---- lines ---- */

static bool is_one_of(const char *name, const char *const *names)
{
    for (; *names; names++)
        if (strcmp(name, *names) == 0)
            return true;
    return false;
}

/*
 * The line as it may be sent. Commands that write or read a directory get one of
 * ours, because this is not the place to write anywhere on the machine. NULL:
 * the line is sent as it is. *changes is set when the host will be another one.
 */
static char *tame(const char *line, size_t n, bool *changes)
{
    static const char *const paths[] = {"backup", "restore", NULL};
    static const char *const harmless[] = {"ping", "status",    "config",     "phones",    "tried",
                                           "why",  "bans-list", "bans-clear", "user-list", NULL};
    json_error_t error;
    json_t *request = json_loadb(line, n, JSON_REJECT_DUPLICATES, &error);
    const char *name = json_string_value(json_object_get(request, "command"));
    char *text = NULL;

    if (name && oh__control_find(name) && !is_one_of(name, harmless))
        *changes = true;
    if (name && is_one_of(name, paths) && json_object_get(request, "directory")) {
        json_object_set_new(request, "directory", json_string(stage.copies));
        text = json_dumps(request, JSON_COMPACT);
    }
    json_decref(request);
    return text;
}

static int dial(void)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int n = snprintf(addr.sun_path, sizeof addr.sun_path, "%s/control.sock", stage.state);

    MUST(n > 0 && (size_t)n < sizeof addr.sun_path);
    MUST(fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof addr) == 0);
    oh__control_run(stage.control);
    return fd;
}

/* One answer: an object with "ok", and what went wrong if it did. */
static void check_answer(const char *line, size_t n)
{
    json_error_t error;
    json_t *answer = json_loadb(line, n, JSON_REJECT_DUPLICATES, &error);

    if (!json_is_object(answer))
        fuzz_fail("not so: an answer is JSON (%s): %.*s", error.text, (int)n, line);
    if (!json_is_true(json_object_get(answer, "ok"))) {
        MUST(json_is_false(json_object_get(answer, "ok")));
        MUST(oh__json_member(answer, "error").n > 0);
        MUST(json_is_integer(json_object_get(answer, "exit")));
    }
    json_decref(answer);
}

/* Reads what is there; how many answers it were. */
static unsigned hear(int fd)
{
    static char text[1 << 20];
    size_t n = 0;
    unsigned answers = 0;
    ssize_t got;

    while ((got = recv(fd, text + n, sizeof text - n, 0)) > 0)
        n += (size_t)got;
    MUST(got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK));
    for (char *at = text, *end; (end = memchr(at, '\n', n - (size_t)(at - text))) != NULL;
         at = end + 1, answers++)
        check_answer(at, (size_t)(end - at));
    return answers;
}

/* A command that takes long, such as a backup, is answered later: by a thread of its own. */
static void must_hear(int fd, unsigned answers)
{
    struct pollfd ready = {.fd = oh__control_fd(stage.control), .events = POLLIN};
    unsigned got = hear(fd);

    for (unsigned i = 0; i < 100 && got < answers; i++) {
        poll(&ready, 1, 100);
        oh__control_run(stage.control);
        got += hear(fd);
    }
    MUST(got == answers);
}

static void say(int fd, const char *p, size_t n, size_t cut)
{
    cut = n ? cut % n : 0;
    MUST(send(fd, p, cut, MSG_NOSIGNAL) == (ssize_t)cut);
    oh__control_run(stage.control);
    MUST(send(fd, p + cut, n - cut, MSG_NOSIGNAL) == (ssize_t)(n - cut));
    oh__control_run(stage.control);
}

static void run(struct oh_span in)
{
    static bool registered;
    struct fuzz_bytes b = {in};
    size_t cut = fuzz_byte(&b);
    bool changes = false;
    int fd;

    if (!registered)
        atexit(close_stage);
    registered = true;
    if (!stage.control)
        open_stage(&stage);
    fd = dial();
    for (unsigned i = 0; i < LINES_MAX && b.rest.n; i++) {
        ptrdiff_t end = oh_span_find(b.rest, '\n');
        struct oh_span line = oh_span_head(b.rest, end < 0 ? b.rest.n : (size_t)end + 1);
        char *tamed = tame(line.p, end < 0 ? line.n : line.n - 1, &changes);

        if (tamed)
            say(fd, tamed, strlen(tamed), cut);
        if (tamed && end >= 0)
            say(fd, "\n", 1, 0);
        if (!tamed)
            say(fd, line.p, line.n, cut);
        free(tamed);
        must_hear(fd, end >= 0);
        b.rest = oh_span_from(b.rest, line.n);
    }
    close(fd);
    oh__control_run(stage.control);
    if (changes)
        close_stage();
}

/* ---- seeds ---- */

static void seeds(struct fuzz_seeds *to)
{
    static const char *const lines[] = {
        "\5{\"command\":\"ping\"}\n",
        "\1{\"command\":\"status\"}\n{\"command\":\"config\"}\n",
        "\1{\"command\":\"phones\",\"who\":\"101\",\"limit\":2,\"cursor\":[1,2,3]}\n",
        "\1{\"command\":\"phones\",\"who\":\"101@pbx\"}\n{\"command\":\"phones\"}\n",
        "\2{\"command\":\"tried\",\"limit\":3}\n{\"command\":\"why\",\"who\":\"101@pbx\","
        "\"limit\":5,\"failed\":true}\n",
        "\7{\"command\":\"bans-list\"}\n{\"command\":\"bans-clear\",\"address\":\"192.0.2.1\"}\n",
        "\3{\"command\":\"user-add\",\"user\":\"103\",\"domain\":\"pbx\",\"auth_name\":\"x\","
        "\"realm\":\"pbx\",\"name\":\"Caf\303\251\",\"password\":\"secret word\",\"admin\":true}\n"
        "{\"command\":\"user-list\",\"limit\":1,\"after\":[\"101\",\"pbx\"],\"all\":true}\n",
        "\3{\"command\":\"user-passwd\",\"user\":\"101\",\"password\":\"secret word\"}\n",
        "\3{\"command\":\"user-set\",\"user\":\"102\",\"admin\":true,\"name\":\"B\"}\n"
        "{\"command\":\"user-remove\",\"user\":\"102\",\"forget\":true}\n",
        "\1{\"command\":\"user-import\",\"rows\":[[1,\"104\",\"pbx\",null,null,\"secret\",null,"
        "null,\"N\"],[2,\"10 5\",\"pbx\",null,null,null,\"00112233445566778899aabbccddeeff\"]]}\n",
        "\1{\"command\":\"backup\",\"directory\":\"/x\"}\n"
        "{\"command\":\"restore\",\"directory\":\"/x\"}\n",
        "\1{\"command\":\"drain\"}\n{\"command\":\"stop\"}\n",
        "\1\n[]\n17\n{}\n{\"command\":17}\n",
    };

    /* The first byte, where a line is cut, may be zero. */
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        fuzz_seed(to, oh_span(lines[i], 1 + strlen(lines[i] + 1)));
}

const struct fuzz_harness fuzz_harness = {"control", 4096, run, seeds, NULL};
