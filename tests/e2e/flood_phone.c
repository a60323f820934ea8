/*
 * Well-behaved phones that measure what a flood costs them: each registers,
 * refreshes, asks the server and calls its neighbour, one thing after the
 * other, and notes the time from the first request to the final answer. The
 * time of arrival is the kernel's, so that this process being kept waiting for
 * a processor is not held against the server.
 *
 * A phone repeats requests as RFC 3261 17.1 says, and gives up after four
 * seconds. It answers whatever it is asked with 200.
 */
#define _GNU_SOURCE

#include "flood.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PHONES_MAX  64
#define MESSAGE_MAX 4096
#define SAMPLES     65536
#define MS          UINT64_C(1000000)
#define T1          (500 * MS)
#define GIVE_UP     (4000 * MS)

enum op { OP_REGISTER, OP_OPTIONS, OP_INVITE, OP_BYE, OP_COUNT };

static const char *const op_names[] = {"REGISTER", "OPTIONS", "INVITE", "BYE"};

struct phone {
    int fd;
    char user[32], contact[64];
    struct login login;
    struct phone *neighbour;
    enum op op;
    bool busy;
    unsigned asked; /* challenges answered in this operation */
    uint64_t began, repeat_at, repeat_after, next_at;
    uint32_t cseq;
    char call_id[48], register_id[48];
    char to[256], target[256], routes[1024]; /* of the dialog */
    char request[MESSAGE_MAX];
    size_t request_n;
};

/* Latencies of one kind of operation, in microseconds. */
struct figures {
    uint32_t v[SAMPLES];
    unsigned n, lost, repeated, wrong;
};

struct hall {
    const struct options *o;
    unsigned n;
    uint64_t interval;
    unsigned long pss, pss_peak;
    struct phone phones[PHONES_MAX];
    struct figures figures[OP_COUNT], all;
};

static volatile sig_atomic_t report_wanted, stop_wanted;

static void on_signal(int number)
{
    if (number == SIGUSR1)
        report_wanted = 1;
    else
        stop_wanted = 1;
}

static void transmit(struct hall *h, struct phone *p)
{
    sendto(p->fd, p->request, p->request_n, 0, (const struct sockaddr *)&h->o->to, sizeof h->o->to);
}

/* ---- requests ---- */

static const char *method_of(enum op op)
{
    return op_names[op];
}

/* Request-URI of what the phone is doing. */
static void uri_of(const struct hall *h, const struct phone *p, char *out, size_t cap)
{
    if (p->op == OP_INVITE)
        snprintf(out, cap, "sip:%s@%s", p->neighbour->user, h->o->host);
    else if (p->op == OP_BYE)
        snprintf(out, cap, "%s", p->target);
    else
        snprintf(out, cap, "sip:%s", h->o->host);
}

/* Writes the request of the phone's operation; an ACK is one with the INVITE's number. */
static size_t write_request(const struct hall *h, struct phone *p, const char *method, char *out)
{
    char uri[256], to[512], row[1024] = "", extra[128] = "";
    bool inside = p->op == OP_BYE || strcmp(method, "ACK") == 0;

    uri_of(h, p, uri, sizeof uri);
    if (inside)
        snprintf(to, sizeof to, "%s", p->to);
    else if (p->op == OP_REGISTER)
        snprintf(to, sizeof to, "<sip:%s@%s>", p->user, h->o->host);
    else
        snprintf(to, sizeof to, "<%s>", uri);
    if (p->login.nonce[0] && !inside && p->op != OP_OPTIONS)
        login_row(&p->login, p->op == OP_INVITE, method, uri, true, row, sizeof row);
    if (p->op == OP_REGISTER || p->op == OP_INVITE)
        snprintf(extra, sizeof extra, "Contact: <%s>\r\n", p->contact);
    return (size_t)snprintf(
        out, MESSAGE_MAX,
        "%s %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;rport;branch=z9hG4bK%016llx\r\n"
        "Max-Forwards: 70\r\nFrom: <sip:%s@%s>;tag=%s\r\nTo: %s\r\nCall-ID: %s\r\n"
        "CSeq: %u %s\r\n%s%s%sExpires: 300\r\nContent-Length: 0\r\n\r\n",
        method, inside ? p->target : uri, p->contact + strlen("sip:x@"),
        (unsigned long long)random_u64(), p->user, h->o->host, p->user, to,
        p->op == OP_REGISTER ? p->register_id : p->call_id, p->cseq, method,
        inside ? p->routes : "", extra, row);
}

static void ask(struct hall *h, struct phone *p)
{
    p->cseq++;
    p->request_n = write_request(h, p, method_of(p->op), p->request);
    p->repeat_after = T1;
    p->repeat_at = clock_ns() + T1;
    transmit(h, p);
}

static void begin(struct hall *h, struct phone *p, enum op op)
{
    p->op = op;
    p->busy = true;
    p->asked = 0;
    p->began = clock_ns();
    if (op == OP_INVITE || op == OP_OPTIONS)
        snprintf(p->call_id, sizeof p->call_id, "%016llx", (unsigned long long)random_u64());
    ask(h, p);
}

/* ---- results ---- */

static void finish(struct hall *h, struct phone *p, uint64_t at)
{
    struct figures *f = &h->figures[p->op];
    uint64_t us = at > p->began ? (at - p->began) / 1000 : 0;

    if (f->n < SAMPLES)
        f->v[f->n++] = (uint32_t)us;
    p->busy = false;
    p->next_at = clock_ns() + h->interval;
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

/* Takes the figures of one kind into the sum of all. */
static void add_figures(struct figures *all, struct figures *f)
{
    for (unsigned i = 0; i < f->n && all->n < SAMPLES; i++)
        all->v[all->n++] = f->v[i];
    all->lost += f->lost;
    all->repeated += f->repeated;
    all->wrong += f->wrong;
    f->n = f->lost = f->repeated = f->wrong = 0;
}

/* One line of key=value pairs, for a script to look at, milliseconds and KiB; then all begins anew.
 */
static void report(struct hall *h)
{
    struct figures *all = &h->all;

    all->n = all->lost = all->repeated = all->wrong = 0;
    for (unsigned i = 0; i < OP_COUNT; i++) {
        struct figures *f = &h->figures[i];

        qsort(f->v, f->n, sizeof f->v[0], by_size);
        printf("%s=%u %s_worst=%.1f ", op_names[i], f->n, op_names[i],
               f->n ? f->v[f->n - 1] / 1e3 : 0);
        add_figures(all, f);
    }
    qsort(all->v, all->n, sizeof all->v[0], by_size);
    printf("all=%u p50=%.1f p99=%.1f worst=%.1f repeated=%u wrong=%u lost=%u pss=%lu peak=%lu\n",
           all->n, all->n ? all->v[all->n / 2] / 1e3 : 0,
           all->n ? all->v[all->n * 99 / 100] / 1e3 : 0, all->n ? all->v[all->n - 1] / 1e3 : 0,
           all->repeated, all->wrong, all->lost, h->pss, h->pss_peak);
    fflush(stdout);
    h->pss_peak = h->pss;
}

/* ---- what comes in ---- */

/* Copies every row with this name. */
static void copy_rows(const char *message, const char *name, const char *as, char *out, size_t cap)
{
    struct piece row;
    size_t at = 0;

    out[0] = '\0';
    for (unsigned k = 0; (row = header_of(message, name, k)).p && at + row.n + 32 < cap; k++)
        at += (size_t)snprintf(out + at, cap - at, "%s: %.*s\r\n", as, (int)row.n, row.p);
}

static void reply_200(struct hall *h, struct phone *p, const char *message)
{
    char vias[1024], routes[1024], text[MESSAGE_MAX];
    struct piece from = header_of(message, "From", 0), to = header_of(message, "To", 0);
    struct piece id = header_of(message, "Call-ID", 0), cseq = header_of(message, "CSeq", 0);
    bool tagged = param_of(to, "tag").p != NULL;
    int n;

    if (strncmp(message, "ACK ", 4) == 0 || !from.p || !to.p || !id.p || !cseq.p)
        return;
    copy_rows(message, "Via", "Via", vias, sizeof vias);
    copy_rows(message, "Record-Route", "Record-Route", routes, sizeof routes);
    n = snprintf(text, sizeof text,
                 "SIP/2.0 200 OK\r\n%s%sFrom: %.*s\r\nTo: %.*s%s\r\nCall-ID: %.*s\r\n"
                 "CSeq: %.*s\r\nContact: <%s>\r\nContent-Length: 0\r\n\r\n",
                 vias, routes, (int)from.n, from.p, (int)to.n, to.p, tagged ? "" : ";tag=callee",
                 (int)id.n, id.p, (int)cseq.n, cseq.p, p->contact);
    sendto(p->fd, text, (size_t)n, 0, (const struct sockaddr *)&h->o->to, sizeof h->o->to);
}

/* The URI between the angle brackets of a value. */
static void copy_uri(struct piece value, char *out, size_t cap)
{
    const char *open = value.p ? memchr(value.p, '<', value.n) : NULL;
    const char *close = open ? memchr(open, '>', value.n - (size_t)(open - value.p)) : NULL;

    out[0] = '\0';
    if (close)
        copy_piece((struct piece){open + 1, (size_t)(close - open) - 1}, out, cap);
}

/* An INVITE was answered: the dialog is noted, acknowledged and ended. */
static void hang_up_call(struct hall *h, struct phone *p, const char *message)
{
    char ack[MESSAGE_MAX];
    size_t n;

    copy_piece(header_of(message, "To", 0), p->to, sizeof p->to);
    copy_uri(header_of(message, "Contact", 0), p->target, sizeof p->target);
    copy_rows(message, "Record-Route", "Route", p->routes, sizeof p->routes);
    n = write_request(h, p, "ACK", ack);
    sendto(p->fd, ack, n, 0, (const struct sockaddr *)&h->o->to, sizeof h->o->to);
    begin(h, p, OP_BYE);
}

/* Whether a response is to the request that is out. */
static bool is_ours(const struct phone *p, const char *message)
{
    struct piece cseq = header_of(message, "CSeq", 0), id = header_of(message, "Call-ID", 0);
    const char *want = p->op == OP_REGISTER ? p->register_id : p->call_id;
    const char *method = method_of(p->op);
    size_t n = strlen(method);

    return p->busy && cseq.p && id.n == strlen(want) && memcmp(id.p, want, id.n) == 0 &&
           strtoul(cseq.p, NULL, 10) == p->cseq && cseq.n > n &&
           memcmp(cseq.p + cseq.n - n, method, n) == 0;
}

static void take(struct hall *h, struct phone *p, const char *message, uint64_t at)
{
    unsigned status = status_of(message);

    if (status == 0) {
        reply_200(h, p, message);
        return;
    }
    if (!is_ours(p, message))
        return;
    if (status < 200) {
        p->repeat_at = UINT64_MAX; /* the server has it, and repeats from now on */
        return;
    }
    if ((status == 401 || status == 407) && p->asked++ < 3 && login_challenge(&p->login, message)) {
        ask(h, p);
        return;
    }
    if (status != 200)
        h->figures[p->op].wrong++;
    finish(h, p, at);
    if (status == 200 && p->op == OP_INVITE)
        hang_up_call(h, p, message);
}

/* When a datagram arrived, on the monotonic clock. */
static uint64_t arrival(struct msghdr *m)
{
    struct timespec wall, then;
    struct cmsghdr *c = CMSG_FIRSTHDR(m);
    int64_t ago;

    if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS)
        return clock_ns();
    memcpy(&then, CMSG_DATA(c), sizeof then);
    clock_gettime(CLOCK_REALTIME, &wall);
    ago = (wall.tv_sec - then.tv_sec) * INT64_C(1000000000) + (wall.tv_nsec - then.tv_nsec);
    return clock_ns() - (uint64_t)(ago > 0 ? ago : 0);
}

static void receive(struct hall *h, struct phone *p)
{
    char message[MESSAGE_MAX + 1];
    _Alignas(struct cmsghdr) char control[128];
    ssize_t n;

    for (int i = 0; i < 64; i++) {
        struct iovec iov = {message, MESSAGE_MAX};
        struct msghdr m = {.msg_iov = &iov,
                           .msg_iovlen = 1,
                           .msg_control = control,
                           .msg_controllen = sizeof control};

        n = recvmsg(p->fd, &m, MSG_DONTWAIT);
        if (n <= 0)
            return;
        message[n] = '\0';
        take(h, p, message, arrival(&m));
    }
}

/* ---- the loop ---- */

/* What comes after what; the first registration is followed by others for all time. */
static enum op next_op(enum op op)
{
    switch (op) {
    case OP_REGISTER: return OP_OPTIONS;
    case OP_OPTIONS: return OP_INVITE;
    default: return OP_REGISTER;
    }
}

/* Repeats, gives up, or begins the next operation. */
static void tick(struct hall *h, struct phone *p, uint64_t now)
{
    if (p->busy && now - p->began > GIVE_UP) {
        h->figures[p->op].lost++;
        finish(h, p, now);
        p->op = OP_BYE; /* so the next one is a REGISTER */
    } else if (p->busy && now >= p->repeat_at) {
        h->figures[p->op].repeated++;
        p->repeat_after *= 2;
        p->repeat_at = now + p->repeat_after;
        transmit(h, p);
    } else if (!p->busy && now >= p->next_at) {
        begin(h, p, next_op(p->op));
    }
}

static bool open_phone(struct hall *h, unsigned i)
{
    struct phone *p = &h->phones[i];
    struct sockaddr_in addr;
    socklen_t n = sizeof addr;
    unsigned char ip[4];
    int on = 1;

    p->fd = source_socket(h->o->source_first + i, 5060);
    if (p->fd < 0)
        return false;
    if (getsockname(p->fd, (struct sockaddr *)&addr, &n) != 0)
        return false;
    setsockopt(p->fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
    memcpy(ip, &addr.sin_addr, 4);
    snprintf(p->user, sizeof p->user, "%u", 101 + i);
    snprintf(p->contact, sizeof p->contact, "sip:x@%u.%u.%u.%u:%u", ip[0], ip[1], ip[2], ip[3],
             ntohs(addr.sin_port));
    snprintf(p->login.user, sizeof p->login.user, "%u", 101 + i);
    snprintf(p->login.password, sizeof p->login.password, "%s", h->o->password);
    snprintf(p->register_id, sizeof p->register_id, "reg%016llx", (unsigned long long)random_u64());
    p->neighbour = &h->phones[(i + 1) % h->n];
    p->op = OP_BYE;
    p->next_at = clock_ns() + i * 5 * MS;
    return true;
}

static void run(struct hall *h)
{
    uint64_t end = clock_ns() + (uint64_t)h->o->seconds * 1000 * MS, look_at = 0;
    struct pollfd fds[PHONES_MAX];

    for (unsigned i = 0; i < h->n; i++)
        fds[i] = (struct pollfd){.fd = h->phones[i].fd, .events = POLLIN};
    while (!stop_wanted && clock_ns() < end) {
        uint64_t now;

        if (poll(fds, h->n, 5) > 0) {
            for (unsigned i = 0; i < h->n; i++) {
                if (fds[i].revents)
                    receive(h, &h->phones[i]);
            }
        }
        now = clock_ns();
        for (unsigned i = 0; i < h->n; i++)
            tick(h, &h->phones[i], now);
        if (h->o->watch && now >= look_at) {
            look_at = now + 200 * MS;
            h->pss = pss_of(h->o->watch);
            h->pss_peak = h->pss > h->pss_peak ? h->pss : h->pss_peak;
        }
        if (report_wanted) {
            report_wanted = 0;
            report(h);
        }
    }
    report(h);
}

int flood_phones(const struct options *o)
{
    struct hall *h = calloc(1, sizeof *h);
    struct sigaction act = {.sa_handler = on_signal};

    if (!h || o->sources < 2 || o->sources > PHONES_MAX)
        return 1;
    h->o = o;
    h->n = o->sources;
    h->interval = (uint64_t)(1e9 * o->sources / (double)(o->rate ? o->rate : 100));
    sigaction(SIGUSR1, &act, NULL);
    sigaction(SIGTERM, &act, NULL);
    /* Only root may; without it, the kernel's time stamps do most of the same. */
    (void)setpriority(PRIO_PROCESS, 0, -15);
    for (unsigned i = 0; i < h->n; i++) {
        if (!open_phone(h, i)) {
            perror("flood: a phone's socket");
            return 1;
        }
    }
    run(h);
    for (unsigned i = 0; i < h->n; i++)
        close(h->phones[i].fd);
    free(h);
    return 0;
}
