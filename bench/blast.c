/*
 * bench-blast: drives a SIP server over loopback and tells what an operation costs it.
 *
 *     bench-blast MODE ADDRESS PORT [OPTIONS]
 *
 *   options    OPTIONS to the server itself          message   MESSAGE to a registered phone
 *   register   REGISTER, a contact per user          call      INVITE 180 200 ACK BYE 200
 *   digest     REGISTER, 401, REGISTER               ring      calls that all ring at once
 *   probe      only reads CPU time and memory
 *
 *   --window N     operations in flight (200); with --rate, the most there may be
 *   --rate N       begin N a second instead, however long answers take
 *   --seconds S    how long operations are begun (4)     --warmup S   before that, not counted
 * (0.5)
 *   --count N      instead: so many operations, and no warm-up
 *   --users N      users, u000000 on (10000)             --domain D   theirs (the address)
 *   --ports N      callers' sockets (1), and as many callees'
 *   --pid PID      a process of the server; its children count too; may be repeated
 *   --auth         callees register with a password      --registered they are registered already
 *   --tcp          register only: over connections       --hold S     ring: for how long (5)
 *   --callee PORT  of the first callee; with it, phones are the same in the next run
 *   --vary         messages of each operation have a length of their own
 *   --resend MS    first repetition of a request (500)   --patience S until it has failed (8)
 *
 * Prints one line of key=value. In an open loop latency counts from the time at which an operation
 * was to begin, so a server that stalls cannot hide it. The exit status is 0 when something was
 * done and, with --count, nothing failed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "blast.h"
#include "probe.h"

#define SECOND UINT64_C(1000000000)

static const char *const mode_names[MODES] = {"options", "register", "digest",
                                              "message", "call",     "ring"};

uint64_t clock_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

/* CPU time of this program: whether it is the limit itself. */
static uint64_t own_cpu(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

/* ---- the loop ---- */

/* Sends what waits at every socket. */
static void flush_all(struct blast *b)
{
    for (unsigned i = 0; i < 2 * b->config.ports; i++)
        link_flush(&b->links[i]);
}

/* Waits until something arrives or it is time, and takes what has arrived. */
static void turn(struct blast *b, uint64_t until)
{
    struct epoll_event ready[BATCH];
    uint64_t wait = until > b->now ? until - b->now : 0;
    struct timespec t = {.tv_sec = (time_t)(wait / SECOND), .tv_nsec = (long)(wait % SECOND)};
    int n;

    flush_all(b);
    n = epoll_pwait2(b->epoll, ready, BATCH, &t, NULL);
    b->now = clock_ns();
    for (int i = 0; i < n; i++)
        link_receive(&b->links[ready[i].data.u32], ready[i].data.u32, op_receive, b);
}

/* One stretch of load: how operations are begun, and until when. */
struct phase {
    uint64_t rate, count; /* per second; 0 = closed loop; 0 = until the end */
    uint32_t window;
    bool strict; /* over when something fails */
    uint64_t ns;
};

/* Begins what the rate says is due by now. What finds no free slot is skipped, and counted. */
static void begin_due(struct blast *b, const struct phase *p, uint64_t start, uint64_t *begun)
{
    uint64_t due = start + (uint64_t)((double)*begun * 1e9 / (double)p->rate);

    while (due <= b->now && b->left) {
        if (!op_begin(b, due)) {
            b->counts.skipped++;
            b->left--;
        }
        ++*begun;
        due = start + (uint64_t)((double)*begun * 1e9 / (double)p->rate);
    }
}

/* When the loop must look again, unless something arrives before. */
static uint64_t next_look(const struct phase *p, uint64_t start, uint64_t begun, uint64_t resend)
{
    uint64_t due = p->rate ? start + (uint64_t)((double)begun * 1e9 / (double)p->rate) : resend;

    return due < resend ? due : resend;
}

/* Waits for what is in flight; nothing begins any more. */
static void settle(struct blast *b)
{
    uint64_t until = b->now + b->config.patience_ns + SECOND;

    b->more = false;
    while (b->free_n < b->config.window && b->now < until) {
        turn(b, b->now + SECOND / 20);
        ops_resend(b);
    }
    flush_all(b); /* the last ACKs */
}

/*
 * Runs a phase. Returns for how long operations were begun, in nanoseconds, and how many were
 * complete by then; the others are waited for, and count too.
 */
static uint64_t run(struct blast *b, const struct phase *p, uint64_t *done_in_time)
{
    uint64_t start = b->now = clock_ns(), end = start + p->ns, resend = start, begun = 0;

    memset(&b->counts, 0, sizeof b->counts);
    b->more = !p->rate;
    b->left = p->count ? p->count : UINT64_MAX;
    for (uint32_t i = 0; i < p->window && !p->rate && b->left; i++)
        op_begin(b, b->now);
    while (b->now < end && b->left && !(p->strict && b->counts.failed)) {
        if (p->rate)
            begin_due(b, p, start, &begun);
        turn(b, next_look(p, start, begun, resend));
        if (b->now >= resend) {
            ops_resend(b);
            resend = b->now + SECOND / 20;
        }
    }
    *done_in_time = b->counts.done;
    end = b->now;
    if (b->mode != RING)
        settle(b);
    if (!p->count)
        return end - start;
    /* So many operations take until the last has ended. */
    *done_in_time = b->counts.done;
    return b->now - start;
}

/* ---- phases ---- */

/* Registers every callee; false when one of them could not. */
static bool register_callees(struct blast *b)
{
    struct phase p = {.window = b->config.window < 200 ? b->config.window : 200,
                      .count = b->config.users,
                      .strict = true,
                      .ns = 600 * SECOND};
    uint64_t ignored;

    b->mode = b->config.auth ? DIGEST : REGISTER;
    b->next_user = 0;
    run(b, &p, &ignored);
    if (b->counts.failed || b->counts.done < b->config.users) {
        fprintf(stderr, "bench-blast: phones could not register (status %u; 0 is no answer)\n",
                b->counts.last_code);
        return false;
    }
    b->next_user = 0;
    return true;
}

/* ring: says when all calls ring, holds them, lets the callees answer. */
static void ring(struct blast *b)
{
    uint64_t until = b->now + b->config.patience_ns;
    uint32_t next = 0;

    while (b->counts.ringing < b->counts.begun && b->now < until)
        turn(b, b->now + SECOND / 20);
    printf("ringing=%llu\n", (unsigned long long)b->counts.ringing);
    fflush(stdout);
    for (until = b->now + b->config.hold_ns; b->now < until;)
        turn(b, b->now + SECOND / 20);
    while (ops_release(b, &next))
        turn(b, b->now);
    settle(b);
}

static struct probe probe(const struct blast *b)
{
    struct probe p = probe_read(b->config.pids, b->config.pids_n, ntohs(b->config.server.sin_port));

    p.at_ns = clock_ns();
    return p;
}

static double us(uint64_t ns)
{
    return (double)ns / 1e3;
}

/* The share of the machine that neither the server nor this program used, while it was used. */
static double others(const struct probe *before, const struct probe *after, uint64_t own)
{
    double busy = (double)(after->busy_ns - before->busy_ns);
    double ours = (double)(after->cpu_ns - before->cpu_ns + own);
    double all = (double)(after->at_ns - before->at_ns) * (double)sysconf(_SC_NPROCESSORS_ONLN);

    return busy > ours ? (busy - ours) / all : 0;
}

/* Prints the line. Costs are of all operations, those that ended after the time included. */
static void report(const struct blast *b, uint64_t elapsed, uint64_t in_time,
                   const struct probe *before, const struct probe *after, uint64_t own)
{
    const struct counts *c = &b->counts;
    uint64_t cpu = after->cpu_ns - before->cpu_ns, messages = c->sent + c->received;

    printf("mode=%s ops_s=%.0f begun=%llu done=%llu failed=%llu resent=%llu skipped=%llu code=%u",
           mode_names[b->config.mode], (double)in_time * 1e9 / (double)elapsed,
           (unsigned long long)c->begun, (unsigned long long)c->done, (unsigned long long)c->failed,
           (unsigned long long)c->resent, (unsigned long long)c->skipped, c->last_code);
    printf(" elapsed_ms=%.1f p50_us=%.1f p99_us=%.1f p999_us=%.1f max_us=%.1f",
           (double)elapsed / 1e6, us(hist_at(&c->latency, 0.5)), us(hist_at(&c->latency, 0.99)),
           us(hist_at(&c->latency, 0.999)), us(c->latency.max));
    printf(" cpu_us_op=%.3f cpu_us_message=%.3f messages=%llu own_us_op=%.3f reply=%.1f",
           c->done ? us(cpu) / (double)c->done : 0, messages ? us(cpu) / (double)messages : 0,
           (unsigned long long)messages, c->done ? us(own) / (double)c->done : 0,
           c->done ? (double)c->reply_bytes / (double)c->done : 0);
    printf(" others=%.3f", others(before, after, own));
    printf(" drops=%llu snmp_drops=%llu pss_kib=%llu pss_before_kib=%llu\n",
           (unsigned long long)(after->socket_drops - before->socket_drops),
           (unsigned long long)(after->snmp_drops - before->snmp_drops),
           (unsigned long long)after->pss_kib, (unsigned long long)before->pss_kib);
}

/* The warm-up, the counted run, the report; the exit status. */
static int measure(struct blast *b)
{
    struct phase warm = {.window = b->config.window, .rate = b->config.rate};
    struct phase counted = {.window = b->config.window,
                            .rate = b->config.rate,
                            .count = b->config.count,
                            .ns = b->config.run_ns};
    struct probe before, after;
    uint64_t elapsed, in_time, own;

    b->mode = b->config.mode;
    warm.ns = b->config.warm_ns;
    if (!b->config.count && warm.ns)
        run(b, &warm, &in_time);
    before = probe(b);
    own = own_cpu();
    elapsed = run(b, &counted, &in_time);
    if (b->mode == RING) {
        ring(b);
        elapsed = b->now - before.at_ns;
        in_time = b->counts.done;
    }
    own = own_cpu() - own;
    after = probe(b);
    report(b, elapsed, in_time, &before, &after, own);
    return b->counts.done == 0 || (b->config.count && b->counts.failed);
}

/* ---- setting up ---- */

static int usage(const char *why, const char *what)
{
    fprintf(stderr, "bench-blast: %s '%s'\nusage: bench-blast ", why, what);
    fprintf(stderr, "options|register|digest|message|call|ring|probe ADDRESS PORT "
                    "[--window N] [--rate N] [--seconds S] [--warmup S] [--count N] [--users N] "
                    "[--domain D] [--ports N] [--pid PID] [--auth] [--registered] [--tcp] "
                    "[--hold S] [--resend MS] [--patience S] [--callee PORT] [--vary]\n");
    return 2;
}

/* A number of an option, in units of scale; false when it is none or not from 0 to max. */
static bool number(const char *text, double scale, double max, uint64_t *out)
{
    char *end;
    double v = strtod(text, &end);

    if (end == text || *end || !(v >= 0) || v > max)
        return false;
    *out = (uint64_t)(v * scale + 0.5);
    return true;
}

static const struct option known[] = {
    {"window", 1, NULL, 'w'}, {"rate", 1, NULL, 'r'},   {"seconds", 1, NULL, 's'},
    {"warmup", 1, NULL, 'W'}, {"count", 1, NULL, 'c'},  {"users", 1, NULL, 'u'},
    {"domain", 1, NULL, 'd'}, {"ports", 1, NULL, 'p'},  {"pid", 1, NULL, 'P'},
    {"auth", 0, NULL, 'a'},   {"hold", 1, NULL, 'h'},   {"registered", 0, NULL, 'R'},
    {"tcp", 0, NULL, 't'},    {"resend", 1, NULL, 'e'}, {"patience", 1, NULL, 'E'},
    {"callee", 1, NULL, 'C'}, {"vary", 0, NULL, 'v'},   {NULL, 0, NULL, 0},
};

/* Takes one option; false when its value is wrong. */
static bool take_option(struct config *c, int letter, const char *text)
{
    uint64_t v = 0;

    switch (letter) {
    case 'w': return number(text, 1, 1 << 20, &v) && (c->window = (uint32_t)v) > 0;
    case 'r': return number(text, 1, 1e8, &c->rate);
    case 's': return number(text, 1e9, 86400, &c->run_ns);
    case 'W': return number(text, 1e9, 3600, &c->warm_ns);
    case 'c': return number(text, 1, 1e12, &c->count);
    case 'u': return number(text, 1, 1e6, &v) && (c->users = (uint32_t)v) > 0;
    case 'd': c->domain = text; return strlen(text) < 128;
    case 'p': return number(text, 1, LINKS / 2, &v) && (c->ports = (uint32_t)v) > 0;
    case 'P':
        if (c->pids_n == PIDS || !number(text, 1, 1 << 22, &v))
            return false;
        c->pids[c->pids_n++] = (int)v;
        return true;
    case 'a': return c->auth = true;
    case 'h': return number(text, 1e9, 3600, &c->hold_ns);
    case 'R': return c->registered = true;
    case 'v': return c->vary = true;
    case 't': return c->stream = true;
    case 'e': return number(text, 1e6, 1e5, &c->resend_ns) && c->resend_ns;
    case 'C': return number(text, 1, 65535 - LINKS, &v) && (c->callee = (uint16_t)v) > 0;
    case 'E': return number(text, 1e9, 3600, &c->patience_ns);
    default: return false;
    }
}

/* Opens the sockets and makes room for the operations; 0 or errno. */
static int set_up(struct blast *b)
{
    uint32_t n = b->config.window;
    int failed;

    b->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (b->epoll < 0)
        return errno;
    for (unsigned i = 0; i < 2 * b->config.ports; i++) {
        bool callee = i >= b->config.ports && b->config.callee;

        b->links[i].stream = b->config.stream;
        b->links[i].port = callee ? (uint16_t)(b->config.callee + i - b->config.ports) : 0;
        failed = link_open(&b->links[i], i, b->epoll, &b->config.server);

        if (failed)
            return failed;
    }
    b->ops = calloc(n, sizeof *b->ops);
    b->last = malloc(n * sizeof *b->last);
    b->free = malloc(n * sizeof *b->free);
    if (b->config.mode == RING) {
        b->answer = malloc(n * sizeof *b->answer);
        b->answer_n = calloc(n, sizeof *b->answer_n);
    }
    if (!b->ops || !b->last || !b->free || (b->config.mode == RING && (!b->answer || !b->answer_n)))
        return ENOMEM;
    while (b->free_n < n) {
        b->free[b->free_n] = n - 1 - b->free_n;
        b->free_n++;
    }
    return 0;
}

/* Prints what the system says now. */
static int print_probe(const struct blast *b)
{
    struct probe p = probe(b);

    printf("cpu_us=%llu pss_kib=%llu drops=%llu snmp_drops=%llu tasks=%u\n",
           (unsigned long long)(p.cpu_ns / 1000), (unsigned long long)p.pss_kib,
           (unsigned long long)p.socket_drops, (unsigned long long)p.snmp_drops, p.tasks);
    return p.tasks == 0;
}

int main(int argc, char **argv)
{
    static struct blast b = {.config = {.users = 10000,
                                        .window = 200,
                                        .ports = 1,
                                        .run_ns = 4 * SECOND,
                                        .warm_ns = SECOND / 2,
                                        .hold_ns = 5 * SECOND,
                                        .resend_ns = SECOND / 2,
                                        .patience_ns = 8 * SECOND}};
    struct config *c = &b.config;
    unsigned mode = 0;
    uint64_t port;
    int letter, failed;

    if (argc < 4)
        return usage("too few words behind", argv[0]);
    while (mode < MODES && strcmp(argv[1], mode_names[mode]) != 0)
        mode++;
    if (mode == MODES && strcmp(argv[1], "probe") != 0)
        return usage("no mode", argv[1]);
    c->server.sin_family = AF_INET;
    if (inet_pton(AF_INET, argv[2], &c->server.sin_addr) != 1)
        return usage("not an IPv4 address:", argv[2]);
    if (!number(argv[3], 1, 65535, &port))
        return usage("not a port:", argv[3]);
    c->server.sin_port = htons((uint16_t)port);
    c->domain = argv[2];
    optind = 4;
    while ((letter = getopt_long(argc, argv, "", known, NULL)) != -1)
        if (!take_option(c, letter, optarg))
            return usage("wrong option or value:", argv[optind - 1]);
    if (mode == MODES)
        return print_probe(&b);
    c->mode = (enum mode)mode;
    if (c->count)
        c->run_ns = 3600 * SECOND;
    if (c->stream) /* a stream repeats by itself */
        c->resend_ns = c->patience_ns;
    if (c->mode == RING)
        c->patience_ns += c->hold_ns;
    failed = set_up(&b);
    if (failed)
        return usage("cannot set up:", strerror(failed));
    if (c->mode >= MESSAGE && !c->registered && !register_callees(&b))
        return 1;
    return measure(&b);
}
