/* The makers that touch the system: files, sockets, a host without workers. */
#define _GNU_SOURCE

#include "makers.h"

#include <ftw.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "host/control.h"
#include "host/process.h"

#define MS   UINT64_C(1000000)
#define AORS 24

/* ---- directories ---- */

static char dir[64], dir_text[4][128];

/* Thousands of databases are synced here, which tells nothing more on a real disk. */
const char *maker_dir(void)
{
    snprintf(dir, sizeof dir, "/dev/shm/offhook-alloc-XXXXXX");
    if (mkdtemp(dir))
        return dir;
    snprintf(dir, sizeof dir, "/tmp/offhook-alloc-XXXXXX");
    if (!mkdtemp(dir))
        abort();
    return dir;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *at)
{
    (void)st;
    (void)flag;
    (void)at;
    return remove(path);
}

void maker_dir_remove(void)
{
    nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static const char *below(unsigned which, const char *name)
{
    snprintf(dir_text[which], sizeof dir_text[which], "%s/%s", dir, name);
    return dir_text[which];
}

/* ---- what is stored ---- */

static int open_store(const char *path, struct oh__store **out)
{
    struct oh__store_options options = {.dir = path, .workers = 1, .segment_bytes = 16384};
    char why[OH__STORE_WHY] = "";
    int err = oh__store_open(&options, out, why);

    /* Whoever reads "cannot open" must hear why. */
    return err == OH_OK || (err < 0 && why[0]) ? err : 1;
}

static int put_account(struct oh__store *s, const char *user)
{
    struct oh__account_row row = {.user = oh_span_str(user),
                                  .domain = OH_LIT("example.test"),
                                  .auth_name = oh_span_str(user),
                                  .realm = OH_LIT("example.test"),
                                  .ha1 = {OH_LIT("0123456789abcdef0123456789abcdef")},
                                  .name = OH_LIT("A Name")};
    char why[OH__STORE_WHY] = "";

    return oh__store_accounts_put(s, &row, 1, why);
}

static int see_account(void *ctx, const struct oh__account_row *row)
{
    *(bool *)ctx |= oh_span_eq(row->user, OH_LIT("kept"));
    return OH_OK;
}

static void name_aor(char out[32], unsigned i)
{
    snprintf(out, 32, "u%u@example.test", i);
}

/* Appends and commits a binding of each AOR; sets *acked to how many were acknowledged. */
static void put_bindings(struct oh__store *s, unsigned *acked)
{
    struct oh__journal *j = oh__store_journal(s, 0);
    char aor[32], record[1024];

    memset(record, 'r', sizeof record);
    for (unsigned i = 0; i < AORS; i++) {
        name_aor(aor, i);
        if (oh__journal_append(j, oh_span_str(aor), 1, oh_span(record, sizeof record)) != OH_OK ||
            oh__journal_commit(j) != OH_OK)
            return;
        *acked = i + 1;
    }
}

static int see_binding(void *ctx, struct oh_span aor, uint64_t version, struct oh_span record)
{
    bool *seen = ctx;
    char name[32];

    for (unsigned i = 0; i < AORS; i++) {
        name_aor(name, i);
        if (oh_span_eq(aor, oh_span_str(name)) && version == 1 && record.n == 1024)
            seen[i] = true;
    }
    return OH_OK;
}

/* With memory again: what was acknowledged is there. */
static bool is_there(const char *path, bool account, unsigned bindings)
{
    bool seen[AORS] = {false}, found = false, well = true;
    char why[OH__STORE_WHY] = "";
    struct oh__store *s;

    if (!PROMISED(open_store(path, &s) == OH_OK))
        return false;
    well &= PROMISED(oh__store_accounts_each(s, see_account, &found) == OH_OK);
    well &= PROMISED(found || !account);
    well &= PROMISED(oh__store_replay(s, see_binding, seen, why) == OH_OK && !why[0]);
    if (why[0])
        printf("%s\n", why);
    for (unsigned i = 0; i < bindings; i++)
        well &= PROMISED(seen[i]);
    oh__store_close(s);
    return well;
}

bool maker_store(void)
{
    const char *state;
    struct oh__store *s;
    unsigned acked = 0;
    bool account = false, well = true;
    int err;

    maker_dir();
    state = below(0, "state");
    err = open_store(state, &s);
    well &= PROMISED(err <= OH_OK);
    if (err == OH_OK) {
        account = put_account(s, "kept") == OH_OK;
        put_bindings(s, &acked);
        oh__store_close(s);
    }
    maker_calm();
    well &= is_there(state, account, acked);
    maker_dir_remove();
    return well;
}

/* ---- compaction, backup, restoration ---- */

struct walk {
    unsigned at;
    char aor[32], record[1024];
};

static int next_binding(void *ctx, struct oh_span *aor, uint64_t *version, struct oh_span *record)
{
    struct walk *w = ctx;

    if (w->at == AORS)
        return OH_E_ABSENT;
    name_aor(w->aor, w->at++);
    memset(w->record, 'r', sizeof w->record);
    *aor = oh_span_str(w->aor);
    *version = 1;
    *record = oh_span(w->record, sizeof w->record);
    return OH_OK;
}

bool maker_backup(void)
{
    const char *state, *copy, *other;
    char why[OH__STORE_WHY] = "";
    struct oh__store *s;
    unsigned acked = 0;
    bool account = false, copied = false, restored = false, well = true;
    int err;

    maker_dir();
    state = below(0, "state");
    copy = below(1, "copy");
    other = below(2, "other");
    err = open_store(state, &s);
    if (err == OH_OK) {
        bool seen[AORS] = {false};

        (void)oh__store_replay(s, see_binding, seen, why);
        account = put_account(s, "kept") == OH_OK;
        put_bindings(s, &acked);
        if (acked == AORS)
            (void)oh__store_compact(s, next_binding, &(struct walk){.at = 0});
        copied = acked == AORS &&
                 oh__store_backup(s, copy, next_binding, &(struct walk){.at = 0}, why) == OH_OK;
        oh__store_close(s);
    }
    why[0] = 0;
    if (copied) {
        restored = oh__store_restore(copy, other, why) == OH_OK;
        well &= PROMISED(restored || why[0]);
    }
    maker_calm();
    well &= is_there(state, account, acked);
    if (restored)
        well &= is_there(other, account, AORS);
    maker_dir_remove();
    return well;
}

/* ---- the network ---- */

struct fate {
    bool sent, resolved; /* the stream's message has arrived or failed, or it ended; the look-up has
                            an answer */
    unsigned datagrams;
};

static void run_net(struct oh__net *net, struct fate *fate, unsigned want_datagrams)
{
    uint64_t end = oh__clock_now() + (maker_starved() && want_datagrams == 0 ? 50 : 3000) * MS;
    struct oh__net_input in;

    while (oh__clock_now() < end &&
           !(fate->sent && fate->resolved && fate->datagrams >= want_datagrams)) {
        if (oh__net_wait(net, oh__clock_now() + 20 * MS) != OH_OK)
            continue;
        while (oh__net_take(net, &in)) {
            fate->sent |= in.kind == OH__NET_MESSAGE || in.kind == OH__NET_CLOSED ||
                          (in.kind == OH__NET_FAILED && in.ticket == 5);
            fate->resolved |= in.kind == OH__NET_RESOLVED && in.ticket == 6;
            fate->datagrams += in.kind == OH__NET_DATAGRAM;
        }
        oh__net_flush(net);
    }
}

/* A message to ourselves over each transport, and a look-up that nobody answers. */
static bool use_net(struct oh__net_shared *shared, struct oh__net *net)
{
    static const char text[] = "OPTIONS sip:a@example.test SIP/2.0\r\n"
                               "Via: SIP/2.0/TCP 192.0.2.9;branch=z9hG4bKa\r\n"
                               "From: <sip:b@example.test>;tag=1\r\nTo: <sip:a@example.test>\r\n"
                               "Call-ID: c\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";
    struct oh_flow udp = {.transport = OH_TRANSPORT_UDP,
                          .local = oh__net_listener(shared, 0),
                          .peer = oh__net_listener(shared, 0)};
    struct oh_flow tcp = {.transport = OH_TRANSPORT_TCP,
                          .listener = 1,
                          .local = oh__net_listener(shared, 1),
                          .peer = oh__net_listener(shared, 1)};
    struct fate fate = {0};
    bool well;

    oh__net_send(net, &udp, oh_span(text, sizeof text - 1), 0);
    oh__net_send(net, &tcp, oh_span(text, sizeof text - 1), 5);
    oh__net_resolve(net, OH_LIT("nobody.example"), 6);
    oh__net_flush(net);
    run_net(net, &fate, 0);
    well = PROMISED(fate.resolved || maker_starved());
    well &= PROMISED(fate.sent || maker_starved());
    /* With memory again, messages arrive again. */
    maker_calm();
    fate = (struct fate){0};
    oh__net_send(net, &udp, oh_span(text, sizeof text - 1), 0);
    oh__net_send(net, &tcp, oh_span(text, sizeof text - 1), 5);
    oh__net_resolve(net, OH_LIT("somebody.example"), 6);
    oh__net_flush(net);
    run_net(net, &fate, 1);
    return well && PROMISED(fate.datagrams > 0 && fate.sent && fate.resolved);
}

bool maker_net(void)
{
    struct oh__net_options options = {.workers = 1,
                                      .listeners_n = 2,
                                      .nameservers = "127.0.0.1:9",
                                      .dns_timeout = 30 * MS,
                                      .connect_timeout = 500 * MS,
                                      .message_timeout = 500 * MS,
                                      .idle_timeout = 500 * MS};
    struct oh__net_shared *shared = NULL;
    struct oh__net *net = NULL;
    char why[256] = "";
    bool well = true;
    int err;

    for (unsigned i = 0; i < 2; i++) {
        options.listeners[i].transport = i ? OH_TRANSPORT_TCP : OH_TRANSPORT_UDP;
        if (oh_addr_parse_port(OH_LIT("127.0.0.1:0"), &options.listeners[i].addr) != OH_OK)
            abort();
    }
    err = oh__net_open(&options, &shared, why, sizeof why);
    if (err != OH_OK)
        return PROMISED(err == OH_E_NOMEM);
    err = oh__net_new(shared, 0, &net);
    if (err == OH_OK)
        well = use_net(shared, net);
    else
        well = PROMISED(err == OH_E_NOMEM || err == OH_E_IO);
    oh__net_free(net);
    oh__net_close(shared);
    return well;
}

/* ---- a host without workers ---- */

static const char *const LISTEN[] = {"udp:127.0.0.1:0"};

static struct oh__host_options host_options;

/* The parts of a host that its state and its control thread need; 0 when all could be made. */
static int host_open(struct oh__host *host, const char *state)
{
    static struct oh__config_report report;
    struct oh__config *config = NULL;
    int err;

    memset(host, 0, sizeof *host);
    host_options.overrides = (struct oh__config_overrides){
        .state = state, .listen_n = 1, .listen = LISTEN, .default_domain = "pbx"};
    host->options = &host_options;
    host->purge_at = OH_NEVER;
    host->started = oh__clock_now();
    host->started_wall = oh__clock_wall();
    pthread_mutex_init(&host->config_lock, NULL);
    err = oh__config_load(NULL, &host_options.overrides, &config, &report);
    host->config = config;
    if (err == OH_OK)
        host->hasher = oh__hasher_new();
    if (!host->hasher || oh__log_open("/dev/null", OH__LOG_INFO, &host->log) != OH_OK)
        return -1;
    return oh__state_open(host);
}

static void host_close(struct oh__host *host)
{
    oh__state_close(host);
    oh__hasher_free(host->hasher);
    oh__log_close(host->log);
    oh__config_unref(host->config);
    pthread_mutex_destroy(&host->config_lock);
}

static int dial(const char *state)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

    snprintf(addr.sun_path, sizeof addr.sun_path, "%s/control.sock", state);
    if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof addr) != 0)
        abort();
    return fd;
}

/* Says a line; what comes back, "" when the connection was closed without an answer. */
static const char *command(struct oh__control *control, const char *state, const char *line)
{
    static char answer[65536];
    int fd = dial(state);
    size_t n = 0;
    ssize_t got = -1;

    if (send(fd, line, strlen(line), MSG_NOSIGNAL) != (ssize_t)strlen(line))
        abort();
    for (unsigned i = 0; i < 50 && got != 0 && !memchr(answer, '\n', n); i++) {
        oh__control_run(control);
        got = recv(fd, answer + n, sizeof answer - 1 - n, 0);
        n += got > 0 ? (size_t)got : 0;
    }
    answer[n] = 0;
    close(fd);
    oh__control_run(control);
    return answer;
}

static bool succeeded(const char *answer)
{
    return strstr(answer, "\"ok\":true") || strstr(answer, "\"ok\": true");
}

static int see_live_account(void *ctx, const struct oh__account_row *row)
{
    *(bool *)ctx |= oh_span_eq(row->user, OH_LIT("kept")) && row->gone_at == 0;
    return OH_OK;
}

/* Is there an account of this name? What was calm before is not disturbed: the heap is whole. */
static bool in_store(struct oh__host *host)
{
    bool found = false;

    maker_calm();
    return oh__store_accounts_each(host->store, see_live_account, &found) == OH_OK && found;
}

static struct oh__host live;
static struct oh__control *live_control;
static char live_state[128];

void control_prepare(void)
{
    struct oh__net_options net = {.workers = 1};
    char why[256] = "";

    maker_dir();
    snprintf(live_state, sizeof live_state, "%s", below(0, "state"));
    if (host_open(&live, live_state) != 0)
        abort();
    for (unsigned i = 0; i < OH__SHARDS; i++) {
        struct oh__serve_options o = {.shared = &live.shared,
                                      .shard = (uint8_t)i,
                                      .shards = OH__SHARDS,
                                      .transactions_max = 16,
                                      .completed_max = 16,
                                      .settings = oh__config_settings(live.config)};

        pthread_mutex_init(&live.shards[i].lock, NULL);
        if (oh__serve_new(&o, live.started, &live.shards[i].serve) != OH_OK)
            abort();
    }
    if (oh__net_open(&net, &live.net, why, sizeof why) != OH_OK)
        abort();
    if (oh__control_open(&live, &live_control, why) != OH_OK)
        abort();
}

void control_finish(void)
{
    oh__control_close(live_control);
    for (unsigned i = 0; i < OH__SHARDS; i++) {
        oh__serve_free(live.shards[i].serve);
        pthread_mutex_destroy(&live.shards[i].lock);
    }
    oh__net_close(live.net);
    host_close(&live);
    maker_dir_remove();
}

/* Every command that only looks answers with JSON, or with the end of the connection. */
bool maker_control(void)
{
    static const char *const looks[] = {"ping",      "status",    "config",     "phones", "why",
                                        "bans-list", "user-list", "bans-clear", "no-such"};
    char line[256];
    bool well = true;

    for (unsigned i = 0; i < sizeof looks / sizeof looks[0]; i++) {
        snprintf(line, sizeof line, "{\"command\":\"%s\"}\n", looks[i]);
        const char *answer = command(live_control, live_state, line);

        well &= PROMISED(!answer[0] || strstr(answer, "\"ok\""));
    }
    maker_calm();
    well &= PROMISED(succeeded(command(live_control, live_state, "{\"command\":\"ping\"}\n")));
    return well;
}

/* An account that was made is on disk and in the table; one that was not can be made again. */
bool maker_users(void)
{
    static const char add[] = "{\"command\":\"user-add\",\"user\":\"kept\"}\n",
                      gone[] = "{\"command\":\"user-remove\",\"user\":\"kept\"}\n";
    const char *answer = command(live_control, live_state, add);
    bool well = PROMISED(!succeeded(answer) || in_store(&live));

    maker_calm();
    (void)command(live_control, live_state, gone);
    well &= PROMISED(succeeded(command(live_control, live_state, add)));
    well &= PROMISED(in_store(&live));
    well &= PROMISED(succeeded(command(live_control, live_state, gone)));
    return well;
}
