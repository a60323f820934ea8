/*
 * The door of a worker. A round is: wait (epoll once, read from everything
 * that is ready), take until there is nothing, send in between, wait again.
 * Whatever is handed out points into buffers that stay untouched until the
 * next wait; connections that end during a round are only marked, and buried
 * at the beginning of the next one.
 */
#include "net/net.h"

#include <errno.h>
#include <linux/sock_diag.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/system.h"
#include "net/worker.h"

#define EVENTS 128

/* Idle bytes that a worker keeps for its connections. */
#define KEEP_BYTES ((size_t)4 << 20)

/* When the kernel does not take datagrams, they are offered again after this time. */
#define RETRY_NS OH__MS

static uint64_t or_default(uint64_t value, uint64_t fallback)
{
    return value ? value : fallback;
}

/* Once, here, so that nobody below asks whether an option was given. */
static void fill_defaults(struct oh__net_options *o)
{
    o->workers = o->workers ? o->workers : 1;
    o->rcvbuf = (uint32_t)or_default(o->rcvbuf, 16 << 20);
    if (o->rcvbuf > INT32_MAX / 2)
        o->rcvbuf = INT32_MAX / 2;
    o->connections_max = (uint32_t)or_default(o->connections_max, 10000);
    o->connections_per_source = (uint32_t)or_default(o->connections_per_source, 256);
    o->message_timeout = or_default(o->message_timeout, 10 * OH__SEC);
    o->idle_timeout = or_default(o->idle_timeout, 300 * OH__SEC);
    o->connect_timeout = or_default(o->connect_timeout, 5 * OH__SEC);
    o->send_queue_max = (uint32_t)or_default(o->send_queue_max, 1 << 20);
    o->stream_limits.message = (uint32_t)or_default(o->stream_limits.message, 262144);
    o->stream_limits.headers = (uint32_t)or_default(o->stream_limits.headers, 32768);
    o->dns_timeout = or_default(o->dns_timeout, 5 * OH__SEC);
}

static int check_options(const struct oh__net_options *o, char *why, size_t cap)
{
    if (o->listeners_n > OH__NET_LISTENERS_MAX || o->workers > OH__WORKERS_MAX) {
        snprintf(why, cap, "at most %u listeners and %u workers", OH__NET_LISTENERS_MAX,
                 OH__WORKERS_MAX);
        return OH_E_RANGE;
    }
    if (o->nameservers && strlen(o->nameservers) >= OH__NAMESERVERS_MAX) {
        snprintf(why, cap, "the list of name servers is longer than %u bytes",
                 OH__NAMESERVERS_MAX - 1);
        return OH_E_LIMIT;
    }
    return OH_OK;
}

/* Everything of the shared part that may fail. */
static int open_parts(struct oh__net_shared *s, char *why, size_t cap)
{
    int rc = oh__conns_new(s->options.connections_max, s->options.connections_per_source,
                           &s->conns);

    while (rc == OH_OK && s->mail_n < s->options.workers) {
        rc = oh__mail_init(&s->mail[s->mail_n]);
        s->mail_n += rc == OH_OK;
    }
    if (rc != OH_OK) {
        snprintf(why, cap, "cannot start: %s", oh_error_text(rc));
        return rc;
    }
    return oh__listeners_open(s, why, cap);
}

int oh__net_open(const struct oh__net_options *options, struct oh__net_shared **out, char *why,
                 size_t cap)
{
    struct oh__net_shared *s;
    int rc = check_options(options, why, cap);

    if (rc != OH_OK)
        return rc;
    s = oh_alloc_zero(oh_alloc_default(), 1, sizeof(*s));
    if (!s)
        return OH_E_NOMEM;
    s->options = *options;
    fill_defaults(&s->options);
    if (options->nameservers) {
        memcpy(s->nameservers, options->nameservers, strlen(options->nameservers) + 1);
        s->options.nameservers = s->nameservers;
    }
    memset(s->fds, 0xff, sizeof(s->fds));
    rc = open_parts(s, why, cap);
    if (rc != OH_OK) {
        oh__net_close(s);
        return rc;
    }
    *out = s;
    return OH_OK;
}

void oh__net_close(struct oh__net_shared *shared)
{
    if (!shared)
        return;
    for (unsigned i = 0; i < OH__NET_LISTENERS_MAX; i++) {
        for (unsigned w = 0; w < OH__WORKERS_MAX; w++) {
            if (shared->fds[i][w] >= 0)
                close(shared->fds[i][w]);
        }
    }
    while (shared->mail_n > 0)
        oh__mail_done(&shared->mail[--shared->mail_n]);
    oh__conns_free(shared->conns);
    oh_free(oh_alloc_default(), shared, sizeof(*shared));
}

const char *oh__net_warning(const struct oh__net_shared *shared)
{
    return shared->warning[0] ? shared->warning : NULL;
}

struct oh_addr oh__net_listener(const struct oh__net_shared *shared, unsigned listener)
{
    if (listener >= shared->options.listeners_n)
        return (struct oh_addr){0};
    return shared->bound[listener];
}

int oh__loop_add(struct oh__net *net, int fd, uint32_t events, uint64_t data)
{
    struct epoll_event ev = {.events = events, .data.u64 = data};

    return epoll_ctl(net->epoll, EPOLL_CTL_ADD, fd, &ev) == 0 ? OH_OK : OH_E_IO;
}

void oh__loop_change(struct oh__net *net, int fd, uint32_t events, uint64_t data)
{
    struct epoll_event ev = {.events = events, .data.u64 = data};

    epoll_ctl(net->epoll, EPOLL_CTL_MOD, fd, &ev);
}

void oh__loop_remove(struct oh__net *net, int fd)
{
    epoll_ctl(net->epoll, EPOLL_CTL_DEL, fd, NULL);
}

static int make_parts(struct oh__net *net)
{
    const struct oh_alloc *heap = oh_alloc_default();
    int rc;

    net->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (net->epoll < 0)
        return OH_E_IO;
    net->wheel = oh__wheel_new(heap, net->now);
    net->blocks = oh__blocks_new(heap, KEEP_BYTES);
    if (!net->wheel || !net->blocks)
        return OH_E_NOMEM;
    rc = oh__loop_add(net, net->shared->mail[net->worker].eventfd, EPOLLIN,
                      oh__tagged(OH__TAG_MAIL, 0));
    if (rc == OH_OK)
        rc = oh__udp_new(net, &net->udp);
    if (rc == OH_OK)
        rc = oh__tcp_new(net, &net->tcp);
    if (rc == OH_OK)
        rc = oh__dns_new(net, &net->dns);
    return rc;
}

int oh__net_new(struct oh__net_shared *shared, unsigned worker, struct oh__net **out)
{
    struct oh__net *net;
    int rc;

    if (worker >= shared->options.workers)
        return OH_E_RANGE;
    net = oh_alloc_zero(oh_alloc_default(), 1, sizeof(*net));
    if (!net)
        return OH_E_NOMEM;
    net->shared = shared;
    net->options = &shared->options;
    net->worker = worker;
    net->now = oh__clock_now();
    rc = make_parts(net);
    if (rc != OH_OK) {
        oh__net_free(net);
        return rc;
    }
    /* Last: from here on other workers' letters find somebody who reads them. */
    oh__mail_open(&shared->mail[worker], true);
    *out = net;
    return OH_OK;
}

void oh__net_free(struct oh__net *net)
{
    const struct oh_alloc *heap = oh_alloc_default();

    if (!net)
        return;
    /* First: what is sent to this worker from now on fails, instead of waiting for nobody. */
    oh__mail_open(&net->shared->mail[net->worker], false);
    oh__dns_free(net->dns);
    oh__tcp_free(net->tcp);
    oh__udp_free(net->udp);
    oh__bag_done(&net->bag);
    oh__wheel_free(net->wheel);
    if (net->blocks)
        oh__blocks_free(net->blocks);
    oh_free(heap, net->notices.items, net->notices.cap * sizeof(struct oh__notice));
    if (net->epoll >= 0)
        close(net->epoll);
    oh_free(heap, net, sizeof(*net));
}

/* Doubles the room for notices; false when the heap fails. */
static bool notices_grow(struct oh__net *net)
{
    size_t cap = net->notices.cap ? net->notices.cap * 2 : 64;
    struct oh__notice *items = oh_realloc(oh_alloc_default(), net->notices.items,
                                          net->notices.cap * sizeof(*items), cap * sizeof(*items));

    if (!items)
        return false;
    net->notices.items = items;
    net->notices.cap = cap;
    return true;
}

void oh__notify(struct oh__net *net, const struct oh__notice *notice)
{
    if (net->notices.n == net->notices.cap && !notices_grow(net))
        return;
    net->notices.items[net->notices.n++] = *notice;
}

void oh__send_failed(struct oh__net *net, unsigned from, uint64_t ticket, int result,
                     const struct oh_flow *flow)
{
    struct oh__letter letter = {.kind = OH__LETTER_FAILED,
                                .result = result,
                                .from = net->worker,
                                .ticket = ticket,
                                .flow = *flow};

    oh__count(&net->counters.send_errors, 1);
    if (ticket == 0)
        return;
    if (from == net->worker)
        oh__notify(net, &(struct oh__notice){OH__NET_FAILED, result, ticket, *flow});
    else
        oh__mail_post(&net->shared->mail[from], &letter, oh_span(NULL, 0));
}

/* A letter may be about a connection that has ended meanwhile; each of these finds that out itself.
 */
static void read_letter(struct oh__net *net, const struct oh__letter *l, struct oh_span bytes)
{
    switch (l->kind) {
    case OH__LETTER_SEND: oh__tcp_send(net->tcp, &l->flow, bytes, l->from, l->ticket); break;
    case OH__LETTER_FAILED:
        oh__notify(net, &(struct oh__notice){OH__NET_FAILED, l->result, l->ticket, l->flow});
        break;
    case OH__LETTER_KEEP: oh__tcp_keep(net->tcp, &l->flow, true); break;
    case OH__LETTER_LOSE: oh__tcp_keep(net->tcp, &l->flow, false); break;
    case OH__LETTER_UNREACHABLE: oh__udp_unreachable(net->udp, &l->flow, l->mark); break;
    }
}

static void read_mail(struct oh__net *net)
{
    struct oh__letter letter;
    struct oh_span bytes;
    size_t at = 0;

    if (oh__mail_take(&net->shared->mail[net->worker], &net->bag))
        oh__notify(net, &(struct oh__notice){.kind = OH__NET_WOKEN});
    while (oh__bag_next(&net->bag, &at, &letter, &bytes))
        read_letter(net, &letter, bytes);
}

static void dispatch(struct oh__net *net, const struct epoll_event *ev)
{
    uint64_t data = ev->data.u64;
    uint32_t low = (uint32_t)data;

    switch ((enum oh__tag)(data >> 56)) {
    case OH__TAG_CONN: oh__tcp_ready(net->tcp, data, ev->events); break;
    case OH__TAG_UDP: oh__udp_ready(net->udp, low, ev->events); break;
    case OH__TAG_LISTEN: oh__tcp_accept(net->tcp, low); break;
    case OH__TAG_DNS: oh__dns_ready(net->dns, (int)low, ev->events); break;
    case OH__TAG_MAIL: read_mail(net); break;
    }
}

/* Timers come after what was read: bytes that arrived in time count, however late we are. */
static void expire(struct oh__net *net)
{
    struct oh__timer *t;

    while ((t = oh__wheel_take(net->wheel, net->now)) != NULL) {
        struct oh__alarm *alarm = OH__CONTAINER(t, struct oh__alarm, timer);

        switch (alarm->kind) {
        case OH__ALARM_CONN: oh__tcp_expire(net->tcp, alarm); break;
        case OH__ALARM_LISTENERS: oh__tcp_resume(net->tcp); break;
        case OH__ALARM_LOOKUP: oh__dns_expire(net->dns, alarm); break;
        }
    }
    oh__dns_poll(net->dns);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The earliest of all deadlines (ns); 0 = something is there already. Memory goes back also when
 * nobody comes any more, or it would stay until somebody does. */
static uint64_t wake_time(struct oh__net *net, uint64_t deadline, bool all_sent)
{
    uint64_t at = oh__wheel_next(net->wheel);

    if (net->notices.n > net->notices.next || oh__tcp_pending(net->tcp) ||
        oh__dns_pending(net->dns))
        return 0;
    at = earlier(earlier(at, deadline), oh__dns_deadline(net->dns));
    at = earlier(at, earlier(oh__udp_rest_at(net->udp), oh__tcp_rest_at(net->tcp)));
    if (!all_sent && at > net->now + RETRY_NS)
        at = net->now + RETRY_NS;
    return at;
}

/* Milliseconds until then, rounded up: waking early would only mean to wait again. */
static int timeout_of(uint64_t now, uint64_t at)
{
    uint64_t ms;

    if (at == OH__NEVER)
        return -1;
    if (at <= now)
        return 0;
    ms = (at - now + OH__MS - 1) / OH__MS;
    return ms > 60000 ? 60000 : (int)ms;
}

/* epoll_wait; with a time-out in nanoseconds when that was asked for and the kernel has it. */
static int poll_until(struct oh__net *net, struct epoll_event *events, uint64_t at)
{
    if (net->options->exact_wait && at > net->now && at - net->now < 60 * OH__SEC) {
        struct timespec left = {.tv_sec = (time_t)((at - net->now) / OH__SEC),
                                .tv_nsec = (long)((at - net->now) % OH__SEC)};
        int n = epoll_pwait2(net->epoll, events, EVENTS, &left, NULL);

        /* Sandboxes older than the call refuse it with EPERM. */
        if (n >= 0 || (errno != ENOSYS && errno != EPERM))
            return n;
    }
    return epoll_wait(net->epoll, events, EVENTS, timeout_of(net->now, at));
}

int oh__net_wait(struct oh__net *net, uint64_t deadline)
{
    struct epoll_event events[EVENTS];
    bool all_sent;
    int n;

    /* What was handed out in the last round is dead from here on. */
    oh__udp_begin(net->udp);
    oh__tcp_begin(net->tcp);
    all_sent = oh__udp_flush(net->udp);
    net->now = oh__clock_now();
    n = poll_until(net, events, wake_time(net, deadline, all_sent));
    /* A debugger or a stop signal interrupts; timers are looked at all the same. */
    if (n < 0 && errno != EINTR)
        return OH_E_IO;
    net->now = oh__clock_now();
    for (int i = 0; i < n; i++)
        dispatch(net, &events[i]);
    oh__udp_read(net->udp);
    expire(net);
    return OH_OK;
}

/* Notices come last: that a connection has ended comes behind the messages that it brought. */
static bool take_notice(struct oh__net *net, struct oh__net_input *in)
{
    const struct oh__notice *n;

    if (net->notices.next == net->notices.n) {
        net->notices.next = net->notices.n = 0;
        return false;
    }
    n = &net->notices.items[net->notices.next++];
    in->kind = n->kind;
    in->result = n->result;
    in->ticket = n->ticket;
    in->flow = n->flow;
    if (n->kind == OH__NET_RESOLVED && n->result == OH_OK) {
        in->addrs_n = 1;
        in->addrs[0] = n->flow.peer;
    }
    return true;
}

bool oh__net_take(struct oh__net *net, struct oh__net_input *in)
{
    in->result = OH_OK;
    in->ticket = 0;
    in->msg = NULL;
    in->parsed = OH_OK;
    in->addrs_n = 0;
    in->bytes = oh_span(NULL, 0);
    return oh__udp_take(net->udp, in) || oh__tcp_take(net->tcp, in) || oh__dns_take(net->dns, in) ||
           take_notice(net, in);
}

int oh__net_connect(struct oh__net *net, struct oh_flow *flow)
{
    return flow->transport == OH_TRANSPORT_TCP ? oh__tcp_connect(net->tcp, flow) : OH_E_UNSUPPORTED;
}

void oh__net_send(struct oh__net *net, const struct oh_flow *flow, struct oh_span bytes,
                  uint64_t ticket)
{
    oh__net_send_in(net, 0, flow, bytes, ticket);
}

void oh__net_send_in(struct oh__net *net, unsigned lane, const struct oh_flow *flow,
                     struct oh_span bytes, uint64_t ticket)
{
    switch (flow->transport) {
    case OH_TRANSPORT_UDP: oh__udp_send(net->udp, flow, bytes, ticket, lane); break;
    case OH_TRANSPORT_TCP: oh__tcp_send(net->tcp, flow, bytes, net->worker, ticket); break;
    /* TLS and WebSocket are not opened here yet; the transaction hears it as any failed send. */
    default: oh__send_failed(net, net->worker, ticket, OH_E_UNSUPPORTED, flow); break;
    }
}

void oh__net_flush(struct oh__net *net)
{
    oh__udp_flush(net->udp);
}

void oh__net_resolve(struct oh__net *net, struct oh_span host, uint64_t ticket)
{
    oh__dns_resolve(net->dns, host, ticket);
}

void oh__net_wake(struct oh__net *net)
{
    oh__mail_wake(&net->shared->mail[net->worker]);
}

void oh__net_keep(struct oh__net *net, const struct oh_flow *flow, bool keep)
{
    unsigned owner = oh__conn_worker(flow->id);
    struct oh__letter letter = {.kind = keep ? OH__LETTER_KEEP : OH__LETTER_LOSE, .flow = *flow};

    if (!oh_transport_reliable(flow->transport) || flow->id == 0)
        return;
    if (owner == net->worker)
        oh__tcp_keep(net->tcp, flow, keep);
    else if (owner < net->shared->mail_n)
        oh__mail_post(&net->shared->mail[owner], &letter, oh_span(NULL, 0));
}

void oh__net_stop_accepting(struct oh__net *net)
{
    oh__tcp_stop_accepting(net->tcp);
}

/* The kernel counts what it drops; asking when somebody wants to know is cheaper than having it
 * told with every datagram (SO_RXQ_OVFL). */
static uint64_t kernel_drops(const struct oh__net *net)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < net->options->listeners_n; i++) {
        uint32_t info[SK_MEMINFO_VARS] = {0};
        socklen_t size = sizeof(info);

        if (net->options->listeners[i].transport == OH_TRANSPORT_UDP &&
            getsockopt(net->shared->fds[i][net->worker], SOL_SOCKET, SO_MEMINFO, info, &size) == 0)
            n += info[SK_MEMINFO_DROPS];
    }
    return n;
}

void oh__net_stats(const struct oh__net *net, struct oh__net_stats *out)
{
    out->kernel_drops = kernel_drops(net);
#define READ_COUNTER(name) \
    out->name = atomic_load_explicit(&net->counters.name, memory_order_relaxed);
    OH__COUNTERS(READ_COUNTER)
#undef READ_COUNTER
    out->connections = (uint32_t)atomic_load_explicit(&net->counters.connections,
                                                      memory_order_relaxed);
}
