/*
 * Starting, draining, stopping. The order matters: configuration before
 * anything is touched; sockets while we may still be root; then the privileges
 * go, then the state is locked and read, so that its files belong to whom we
 * run as; workers last, when everything they use is there.
 */
#include "host/host.h"

#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/wheel.h"
#include "host/control.h"
#include "host/maintain.h"
#include "host/process.h"

#define DRAIN_MAX       (10 * OH__SEC) /* transactions still in flight then are given up */
#define DESCRIPTORS_MAX 1048576
#define POLL_MS         200
#define WHY_MAX         512

/* In the log, a second. */
#define STRANGER_LINES 100
#define SOURCE_LINES   500

enum { EXIT_FINE = 0, EXIT_CONNECTION = 5, EXIT_REFUSED = 9 };

/* The report is large, so it is not put on the stack. */
static int load_config(struct oh__host *host)
{
    struct oh__config_report *report = oh_alloc_zero(oh_alloc_default(), 1, sizeof *report);
    struct oh__config *config = NULL;

    if (!report)
        return EXIT_REFUSED;
    int r = oh__config_load(host->options->file, &host->options->overrides, &config, report);

    if (r == OH_OK)
        host->config = config;
    else
        oh__config_report_print(report, stderr);
    if (r != OH_OK && report->n == 0)
        fprintf(stderr, "offhook: the configuration could not be loaded: %s\n", oh_error_text(r));
    oh_free(oh_alloc_default(), report, sizeof *report);
    return r == OH_OK ? EXIT_FINE : EXIT_REFUSED;
}

static int check_no_auth(const struct oh__host *host)
{
    char text[OH_ADDR_TEXT_MAX];

    if (oh__host_no_auth_safe(host->options, oh__config_settings(host->config), text))
        return EXIT_FINE;
    fprintf(
        stderr,
        "offhook: --no-auth with the listener %s would let every stranger register and call.\n"
        "Listen on loopback only (--listen udp:127.0.0.1:5060), or say --no-auth=anywhere if that "
        "is what you want.\n",
        text);
    return EXIT_REFUSED;
}

/* A core is left to the rest of the machine: the kernel's part of receiving, the store's thread. */
static unsigned count_workers(const struct oh__config *config)
{
    unsigned n = oh__config_process(config)->workers;
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);

    if (n == 0)
        n = cpus > 1 ? (unsigned)cpus - 1 : 1;
    return n < OH__CONFIG_WORKERS_MAX ? n : OH__CONFIG_WORKERS_MAX;
}

static void net_options(const struct oh__host *host, struct oh__net_options *o)
{
    const struct oh__settings *settings = oh__config_settings(host->config);

    memset(o, 0, sizeof *o);
    for (unsigned i = 0; i < settings->listeners_n; i++)
        o->listeners[i] = (struct oh__listener){settings->listeners[i].transport,
                                                settings->listeners[i].addr};
    o->listeners_n = settings->listeners_n;
    o->workers = host->workers_n;
    o->stream_limits = settings->limits;
    o->stream_limits.message = settings->stream_message_max;
    o->connections_max = settings->connections_max;
    o->connections_per_source = settings->connections_per_source;
    o->message_timeout = settings->message_timeout;
    o->idle_timeout = settings->idle_timeout;
    o->send_queue_max = settings->send_queue_max;
}

/* Leaves out optional listeners whose address this machine does not have (IPv6 mostly). From the
 * end, because those behind move up. */
static void leave_out(struct oh__host *host)
{
    struct oh__config *config = (struct oh__config *)host->config; /* nobody else has it yet */
    char text[OH_ADDR_TEXT_MAX];

    for (unsigned i = oh__config_settings(config)->listeners_n; i-- > 0;) {
        const struct oh__settings_listener *l = &oh__config_settings(config)->listeners[i];

        if (!l->optional || oh__net_has_address(&l->addr))
            continue;
        oh_addr_text(&l->addr, text);
        oh__log_say(host->log, OH__LOG_INFO, "listener-left-out",
                    "%.*s:%s is not listened on: this machine has no such address",
                    OH_PRI(oh_transport_param(l->transport)), text);
        oh__config_drop_listener(config, i);
    }
}

static int open_net(struct oh__host *host)
{
    struct oh__net_options options;
    char why[WHY_MAX] = "out of memory";

    leave_out(host);
    net_options(host, &options);
    if (options.listeners_n == 0) {
        fprintf(stderr, "offhook: this machine has none of the addresses in 'listen'\n");
        return EXIT_CONNECTION;
    }
    if (oh__net_open(&options, &host->net, why, sizeof why) != OH_OK) {
        fprintf(stderr, "offhook: %s\n", why);
        return EXIT_CONNECTION;
    }
    for (unsigned i = 0; i < options.listeners_n; i++) {
        struct oh_addr bound = oh__net_listener(host->net, i);

        oh__config_bound((struct oh__config *)host->config, i, &bound);
    }
    return EXIT_FINE;
}

/* Once the ports are open nothing needs root any more. Groups first: after setuid we may not. */
static int drop_privileges(const struct oh__host *host)
{
    const char *name = oh__config_process(host->config)->user;

    if (!name[0] || geteuid() != 0)
        return EXIT_FINE;
    const struct passwd *pw = getpwnam(name);

    if (!pw) {
        fprintf(stderr,
                "offhook: there is no user '%s' on this machine (setting user): make it, or name "
                "another\n",
                name);
        return EXIT_REFUSED;
    }
    if (initgroups(name, pw->pw_gid) != 0 || setgid(pw->pw_gid) != 0 || setuid(pw->pw_uid) != 0) {
        fprintf(stderr, "offhook: cannot become user '%s': %s\n", name, strerror(errno));
        return EXIT_REFUSED;
    }
    return EXIT_FINE;
}

/* What was refused is worth a look even where the log is kept short. */
static enum oh__log_level level_of(const struct oh__trace_event *ev)
{
    return ev->code >= 300 ? OH__LOG_WARN : OH__LOG_INFO;
}

/*
 * Whether one more line of this second may be written. Two workers that begin a second at once may
 * count a line too little, which does no harm.
 */
static bool may_log(_Atomic uint64_t *lines, uint64_t second, unsigned most)
{
    uint64_t seen = atomic_load_explicit(lines, memory_order_relaxed);

    if (seen >> 16 != second)
        atomic_store_explicit(lines, seen = second << 16, memory_order_relaxed);
    if ((seen & 0xffff) >= most)
        return false;
    atomic_fetch_add_explicit(lines, 1, memory_order_relaxed);
    return true;
}

/*
 * People who have proved nothing share so many lines that one sees an attack, and too few to fill a
 * disk by one. Everybody else has more, but each source its own: an account that calls thousands of
 * numbers in a second must not fill the disk either, nor take the lines of others.
 */
static bool may_tell(struct oh__host *host, const struct oh__trace_event *ev)
{
    uint64_t second = (oh__clock_now() - host->started) / OH__SEC;
    uint64_t hash = 0;

    /* A disk that fails, or want of memory, refuses everybody at once: see maintain.c. */
    if (ev->stranger || ev->code == 500)
        return may_log(&host->stranger_lines, second, STRANGER_LINES);
    if (ev->peer)
        hash = oh__hash(&host->shared.token_key,
                        oh_span((const char *)ev->peer->ip, sizeof ev->peer->ip));
    return may_log(&host->source_lines[hash % OH__LINE_SOURCES], second, SOURCE_LINES);
}

/* Decisions become log lines. */
static void on_trace(void *ctx, const struct oh__trace_event *ev)
{
    struct oh__host *host = ctx;
    char code[16], peer[OH_ADDR_TEXT_MAX];

    if (ev->kind != OH__TRACE_DECISION || !oh__log_wants(host->log, level_of(ev)))
        return;
    if (!may_tell(host, ev)) {
        oh__log_skip(host->log);
        return;
    }
    snprintf(code, sizeof code, "%d", ev->code);
    peer[0] = 0;
    if (ev->peer)
        oh_addr_text(ev->peer, peer);
    const struct oh__log_field fields[] = {{"call", ev->call},
                                           {"who", ev->who},
                                           {"peer", oh_span_str(peer)},
                                           {"code", oh_span_str(ev->code ? code : "")},
                                           {"why", ev->text}};

    oh__log_event(host->log, level_of(ev), ev->name, fields, sizeof fields / sizeof *fields);
}

/* The bounds are divided among the shards; a Call-ID's hash spreads calls so evenly that none is
 * full much before the others. */
static int make_shards(struct oh__host *host)
{
    const struct oh__settings *settings = oh__config_settings(host->config);

    for (unsigned i = 0; i < OH__SHARDS; i++) {
        struct oh__serve_options o = {.shared = &host->shared,
                                      .shard = (uint8_t)i,
                                      .shards = OH__SHARDS,
                                      .transactions_max = settings->transactions_max / OH__SHARDS,
                                      .completed_max = settings->completed_max / OH__SHARDS,
                                      .settings = settings};

        pthread_mutex_init(&host->shards[i].lock, NULL);
        if (oh__entropy(o.seed, sizeof o.seed) != OH_OK ||
            oh__serve_new(&o, host->started, &host->shards[i].serve) != OH_OK) {
            fprintf(stderr, "offhook: not enough memory to start\n");
            return EXIT_REFUSED;
        }
    }
    return EXIT_FINE;
}

static uint64_t policy_clock(void *ctx)
{
    (void)ctx;
    return oh__clock_now();
}

static void policy_log(void *ctx, struct oh_span text)
{
    struct oh__host *host = ctx;

    oh__log_event(host->log, OH__LOG_INFO, "policy", &(struct oh__log_field){"msg", text}, 1);
}

static int make_policy(struct oh__host *host)
{
    struct oh__policy_shared_options o = {
        .alloc = oh_alloc_default(),
        .entries_max = oh__config_process(host->config)->shared_max,
        .clock = policy_clock,
        .log = policy_log,
        .ctx = host};

    if (oh__entropy(&o.key, sizeof o.key) == OH_OK &&
        oh__policy_shared_new(&o, &host->policy_shared) == OH_OK)
        return EXIT_FINE;
    fprintf(stderr, "offhook: not enough memory to start\n");
    return EXIT_REFUSED;
}

/* The first workers serve while the last are made: everything that they share is there already. */
static int start_workers(struct oh__host *host)
{
    for (unsigned i = 0; i < host->workers_n; i++) {
        int r = oh__worker_start(host, i);

        if (r != OH_OK) {
            fprintf(stderr, "offhook: worker %u did not start: %s\n", i, oh_error_text(r));
            return EXIT_REFUSED;
        }
    }
    return EXIT_FINE;
}

/* What a running server consists of, besides the parts in struct oh__host. */
struct running {
    struct oh__host *host;
    struct oh__control *control;
    struct oh__maintain *maintain;
    int signals;
    uint64_t drain_until; /* ns; 0 = not draining */
};

/* To be called before the first thread is made (the log's): one that does not block SIGTERM would
 * be chosen for it by the kernel, and the process would end there and then, without draining. */
static int open_signals(int *fd)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    *fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return *fd < 0 ? EXIT_REFUSED : EXIT_FINE;
}

/* There is nobody to answer, so what is wrong goes to stderr, where the service manager keeps it.
 */
static void on_hangup(struct oh__host *host)
{
    struct oh__config_report *report = oh_alloc_zero(oh_alloc_default(), 1, sizeof *report);

    if (!report)
        return;
    if (oh__host_reload(host, report) != OH_OK)
        oh__config_report_print(report, stderr);
    oh_free(oh_alloc_default(), report, sizeof *report);
}

/* The first request to end drains; somebody who asks again is in a hurry. */
static void on_signals(struct running *run)
{
    struct signalfd_siginfo info;

    while (read(run->signals, &info, sizeof info) == (ssize_t)sizeof info) {
        oh__log_say(run->host->log, OH__LOG_INFO, "signal", "%s from process %u",
                    strsignal((int)info.ssi_signo), (unsigned)info.ssi_pid);
        if (info.ssi_signo == SIGHUP)
            on_hangup(run->host);
        else if (run->host->phase == OH__PHASE_RUNNING)
            oh__host_phase(run->host, OH__PHASE_DRAINING);
        else
            oh__host_phase(run->host, OH__PHASE_STOPPING);
    }
}

/* One lock after the other: a shard that was idle may get work again, and then we look once more in
 * a moment. */
static bool idle(struct oh__host *host)
{
    bool all = true;

    for (unsigned i = 0; i < OH__SHARDS && all; i++) {
        pthread_mutex_lock(&host->shards[i].lock);
        all = oh__serve_idle(host->shards[i].serve);
        pthread_mutex_unlock(&host->shards[i].lock);
    }
    return all;
}

/* Draining ends when nothing is in flight, or after DRAIN_MAX. */
static void watch_drain(struct running *run)
{
    uint64_t now = oh__clock_now();

    if (run->host->phase != OH__PHASE_DRAINING)
        return;
    if (run->drain_until == 0) {
        run->drain_until = now + DRAIN_MAX;
        oh__log_say(run->host->log, OH__LOG_INFO, "draining",
                    "no new calls; waiting for what is in flight");
    }
    if (idle(run->host) || now >= run->drain_until)
        oh__host_phase(run->host, OH__PHASE_STOPPING);
}

static void serve_until_stopped(struct running *run)
{
    struct pollfd fds[2] = {{.fd = run->signals, .events = POLLIN},
                            {.fd = oh__control_fd(run->control), .events = POLLIN}};

    while (run->host->phase != OH__PHASE_STOPPING) {
        /* While draining somebody has to look now and then whether the work is done. */
        poll(fds, 2, run->host->phase == OH__PHASE_RUNNING ? -1 : POLL_MS);
        on_signals(run);
        oh__control_run(run->control);
        watch_drain(run);
    }
}

/* What needs workers: the control socket, because its commands speak of them, comes before the
 * thread that only tidies up. */
static int start_rest(struct running *run)
{
    struct oh__host *host = run->host;
    char why[OH__CONTROL_WHY] = "";
    int status = start_workers(host);

    if (status)
        return status;
    if (oh__control_open(host, &run->control, why) != OH_OK) {
        fprintf(stderr, "offhook: %s\n", why);
        return EXIT_REFUSED;
    }
    return oh__maintain_start(host, &run->maintain) == OH_OK ? EXIT_FINE : EXIT_REFUSED;
}

/* A connection is a descriptor: as many as the system lets us have. Fewer only mean that
 * connections are refused earlier. */
static void raise_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= DESCRIPTORS_MAX)
        return;
    limit.rlim_cur = limit.rlim_max < DESCRIPTORS_MAX ? limit.rlim_max : DESCRIPTORS_MAX;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static int start(struct running *run)
{
    struct oh__host *host = run->host;
    const struct oh__config_process *process;
    int status, r;

    if ((status = load_config(host)) != 0 || (status = check_no_auth(host)) != 0 ||
        (status = open_signals(&run->signals)) != 0)
        return status;
    process = oh__config_process(host->config);
    r = oh__log_open(process->log_to, (enum oh__log_level)process->log_level, &host->log);
    if (r != OH_OK) {
        fprintf(stderr, "offhook: cannot write the log to %s: %s\n", process->log_to,
                r == OH_E_IO ? strerror(errno) : oh_error_text(r));
        return EXIT_REFUSED;
    }
    host->workers_n = count_workers(host->config);
    host->workers = oh_alloc_zero(oh_alloc_default(), host->workers_n, sizeof *host->workers);
    host->hasher = oh__hasher_new();
    if (!host->workers || !host->hasher)
        return EXIT_REFUSED;
    raise_descriptors();
    if ((status = open_net(host)) != 0 || (status = drop_privileges(host)) != 0 ||
        (status = oh__state_open(host)) != 0 || (status = oh__first_accounts(host)) != 0 ||
        (status = make_policy(host)) != 0 || (status = make_shards(host)) != 0)
        return status;
    atomic_store(&host->config_version, oh__config_settings(host->config)->version);
    return start_rest(run);
}

/*
 * In the reverse order of starting, whatever was reached: commands first, so that nobody looks at
 * what goes; then all threads; then what they used, and the log behind everything that may write
 * to it.
 */
static void stop(struct running *run)
{
    struct oh__host *host = run->host;

    oh__control_close(run->control);
    oh__maintain_stop(run->maintain);
    atomic_store(&host->phase, OH__PHASE_STOPPING);
    for (unsigned i = 0; i < host->workers_n && host->workers; i++)
        if (host->workers[i].started)
            oh__net_wake(host->workers[i].net);
    for (unsigned i = 0; i < host->workers_n && host->workers; i++)
        oh__worker_join(&host->workers[i]);
    for (unsigned i = 0; i < OH__SHARDS; i++)
        oh__serve_free(host->shards[i].serve);
    oh__policy_shared_free(host->policy_shared);
    oh__net_close(host->net);
    oh__state_close(host);
    oh__hasher_free(host->hasher);
    oh__log_close(host->log);
    oh__config_unref(host->config);
    oh_free(oh_alloc_default(), host->workers, host->workers_n * sizeof *host->workers);
    if (run->signals >= 0)
        close(run->signals);
}

int oh__host_run(const struct oh__host_options *options)
{
    struct oh__host *host = oh_alloc_zero(oh_alloc_default(), 1, sizeof *host);
    struct running run = {.host = host, .signals = -1};
    uint8_t seed[32];

    if (!host || oh__entropy(seed, sizeof seed) != OH_OK) {
        fprintf(stderr, "offhook: not enough memory or entropy to start\n");
        oh_free(oh_alloc_default(), host, sizeof *host);
        return EXIT_REFUSED;
    }
    host->options = options;
    host->started = oh__clock_now();
    host->started_wall = oh__clock_wall();
    host->trace = (struct oh__trace){
        .ctx = host, .kinds = 1u << OH__TRACE_DECISION, .sink = on_trace};
    host->shared.trace = &host->trace;
    oh__rng_init(&host->rng, seed);
    pthread_mutex_init(&host->config_lock, NULL);
    int status = start(&run);

    if (status == EXIT_FINE) {
        const char *warning = oh__net_warning(host->net);

        oh__first_banner(host);
        if (warning)
            oh__log_say(host->log, OH__LOG_WARN, "receive-buffer", "%s", warning);
        oh__log_say(host->log, OH__LOG_INFO, "started", "offhook %s is serving", OH_VERSION_TEXT);
        serve_until_stopped(&run);
        oh__log_say(host->log, OH__LOG_INFO, "stopped", "offhook has stopped");
    }
    stop(&run);
    oh_free(oh_alloc_default(), host, sizeof *host);
    return status;
}
