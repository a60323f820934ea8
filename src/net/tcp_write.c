/*
 * Sending on a stream. Mostly the kernel takes a message whole, and then
 * nothing is copied and nothing kept; only what it does not take waits in
 * chunks, within a bound, until epoll says that there is room. Beyond the
 * bound, or when nothing moves for the life of a transaction, the peer is given
 * up: memory that a stalled peer holds is taken from everybody else.
 *
 * Whoever asked for a send with a ticket hears of its failure wherever he is:
 * each chunk remembers the worker that it came from.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <sys/uio.h>
#include <unistd.h>

#include "net/tcp.h"

/*
 * A peer that takes nothing for this long while bytes wait is given up: 64*T1,
 * the life of a transaction (RFC 3261 17.1.1.2), after which no message is of
 * use any more.
 */
#define STALL_TIME (32 * OH__SEC)

/* Chunks per system call. */
#define GATHER 32

void oh__conn_drop_chunks(struct oh__tcp *tcp, struct oh__conn *c, int result)
{
    struct oh__chunk *chunk;

    while ((chunk = c->tx.head) != NULL) {
        c->tx.head = chunk->next;
        oh__send_failed(tcp->net, chunk->from, chunk->ticket, result, &c->flow);
        oh__blocks_give(tcp->net->blocks, chunk, sizeof(*chunk) + chunk->n);
    }
    c->tx.tail = NULL;
    c->tx.n = 0;
}

/* Bytes that the kernel takes now; -1 when the connection is broken. */
static ssize_t offer(int fd, struct iovec *iov, size_t n)
{
    struct msghdr m = {.msg_iov = iov, .msg_iovlen = n};
    ssize_t sent;

    do {
        sent = sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    /* A kernel short of memory is no broken connection. */
    if (sent < 0 && (errno == EAGAIN || errno == ENOBUFS))
        return 0;
    return sent;
}

/* Takes what has left off the head of the queue. */
static void consume(struct oh__tcp *tcp, struct oh__conn *c, size_t sent)
{
    c->tx.n -= (uint32_t)sent;
    while (c->tx.head) {
        struct oh__chunk *chunk = c->tx.head;
        uint32_t rest = chunk->n - chunk->at;

        if (sent < rest) {
            chunk->at += (uint32_t)sent;
            return;
        }
        sent -= rest;
        c->tx.head = chunk->next;
        if (!c->tx.head)
            c->tx.tail = NULL;
        oh__count(&tcp->net->counters.tx_stream_messages, 1);
        oh__blocks_give(tcp->net->blocks, chunk, sizeof(*chunk) + chunk->n);
    }
}

void oh__conn_flush(struct oh__tcp *tcp, struct oh__conn *c)
{
    while (c->tx.head) {
        struct iovec iov[GATHER];
        size_t n = 0;
        ssize_t sent;

        for (struct oh__chunk *k = c->tx.head; k && n < GATHER; k = k->next)
            iov[n++] = (struct iovec){.iov_base = k->bytes + k->at, .iov_len = k->n - k->at};
        sent = offer(c->fd, iov, n);
        if (sent < 0) {
            oh__conn_kill(tcp, c, OH_E_IO);
            return;
        }
        if (sent == 0)
            break;
        consume(tcp, c, (size_t)sent);
        c->stall_at = tcp->net->now + STALL_TIME;
    }
    if (c->tx.head && c->stall_at == OH__NEVER)
        c->stall_at = tcp->net->now + STALL_TIME;
    if (!c->tx.head) {
        c->stall_at = OH__NEVER;
        if (c->state == OH__CONN_DOOMED && c->has_replied) {
            oh__conn_linger(tcp, c);
            return;
        }
    }
    oh__conn_interest(tcp, c);
    oh__conn_arm(tcp, c);
}

/* Keeps what the kernel did not take. */
static int append(struct oh__tcp *tcp, struct oh__conn *c, struct oh_span bytes, unsigned from,
                  uint64_t ticket)
{
    struct oh__chunk *chunk;

    /* No sum that could wrap: what waits is never above the bound. */
    if (bytes.n > tcp->net->options->send_queue_max - c->tx.n)
        return OH_E_FULL;
    chunk = oh__blocks_take(tcp->net->blocks, sizeof(*chunk) + bytes.n);
    if (!chunk)
        return OH_E_NOMEM;
    *chunk = (struct oh__chunk){.n = (uint32_t)bytes.n, .from = from, .ticket = ticket};
    memcpy(chunk->bytes, bytes.p, bytes.n);
    if (c->tx.tail)
        c->tx.tail->next = chunk;
    else
        c->tx.head = chunk;
    c->tx.tail = chunk;
    c->tx.n += chunk->n;
    return OH_OK;
}

void oh__conn_write(struct oh__tcp *tcp, struct oh__conn *c, struct oh_span bytes, unsigned from,
                    uint64_t ticket)
{
    ssize_t sent = 0;

    c->active = tcp->net->now;
    if (bytes.n == 0)
        return;
    /* Answers come to requests only; that a response could not be sent is a failure, not an end. */
    if (ticket != 0 && !oh_span_eq(oh_span_head(bytes, 4), OH_LIT("SIP/")))
        c->is_watched = true;
    c->has_replied = true;
    if (c->state == OH__CONN_DOOMED)
        oh__conn_use(tcp, c);
    /* Not past what waits already: a stream has one order. */
    if (c->state != OH__CONN_CONNECTING && !c->tx.head) {
        struct iovec iov = {.iov_base = (void *)(uintptr_t)bytes.p, .iov_len = bytes.n};

        sent = offer(c->fd, &iov, 1);
        if ((size_t)sent == bytes.n) {
            oh__count(&tcp->net->counters.tx_stream_messages, 1);
            return;
        }
    }
    if (sent >= 0 && append(tcp, c, oh_span_from(bytes, (size_t)sent), from, ticket) == OH_OK) {
        if (c->stall_at == OH__NEVER && c->state != OH__CONN_CONNECTING)
            c->stall_at = tcp->net->now + STALL_TIME;
        oh__conn_interest(tcp, c);
        oh__conn_arm(tcp, c);
        return;
    }
    /* Part of a message may have left, so nothing more can be said on this connection. */
    if (sent >= 0 && c->state != OH__CONN_CONNECTING)
        oh__count(&tcp->net->counters.slow_peers_closed, 1);
    oh__send_failed(tcp->net, from, ticket, OH_E_IO, &c->flow);
    oh__conn_kill(tcp, c, OH_E_IO);
}

void oh__conn_connected(struct oh__tcp *tcp, struct oh__conn *c)
{
    union oh__sockaddr local = {.sa.sa_family = AF_UNSPEC};
    socklen_t n = sizeof(local);
    int error = 0;
    socklen_t error_n = sizeof(error);

    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &error_n) != 0 || error != 0) {
        oh__conn_kill(tcp, c, error == ETIMEDOUT ? OH_E_TIMEOUT : OH_E_IO);
        return;
    }
    if (getsockname(c->fd, &local.sa, &n) == 0)
        c->flow.local = oh__addr_of(&local);
    c->state = OH__CONN_OPEN;
    c->state_at = OH__NEVER;
    c->active = tcp->net->now;
    c->is_told = true;
    oh__count(&tcp->net->counters.connections_opened, 1);
    oh__conn_flush(tcp, c);
}

/* The caller's choice of source address is obeyed when it is one of the peer's family; its port is
 * the listener's. */
static void bind_source(int fd, const struct oh_flow *flow)
{
    struct oh_addr from = flow->local;
    union oh__sockaddr sa;

    if (from.family != flow->peer.family || oh_addr_is_any(&from))
        return;
    from.port = 0;
    oh__sock_set(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
    /* When it cannot be had, the kernel chooses, as it does for everybody else. */
    (void)bind(fd, &sa.sa, oh__sockaddr_of(&from, &sa));
}

static int start_connect(const struct oh_flow *flow)
{
    union oh__sockaddr sa;
    socklen_t n = oh__sockaddr_of(&flow->peer, &sa);
    int fd = socket(oh__family_of(&flow->peer), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    oh__sock_stream_options(fd);
    bind_source(fd, flow);
    if (connect(fd, &sa.sa, n) != 0 && errno != EINPROGRESS) {
        close(fd);
        return -1;
    }
    return fd;
}

/* Opens the connection that was reserved in the shared table; NULL on failure. */
static struct oh__conn *open_conn(struct oh__tcp *tcp, const struct oh_flow *flow,
                                  const struct oh__conn_name *name)
{
    struct oh__net *net = tcp->net;
    int fd = start_connect(flow);
    struct oh__conn *c = fd >= 0 ? oh__conn_new(tcp, fd, name, flow, OH__CONN_CONNECTING) : NULL;

    if (!c) {
        oh__conns_leave(net->shared->conns, name->entry);
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    c->state_at = net->now + net->options->connect_timeout;
    oh__conn_arm(tcp, c);
    return c;
}

int oh__tcp_connect(struct oh__tcp *tcp, struct oh_flow *flow)
{
    struct oh__conns *conns = tcp->net->shared->conns;
    struct oh__conn_name name;
    struct oh__conn *c;
    bool fresh;
    int rc = oh__conns_open(conns, tcp->net->worker, flow->transport, &flow->peer, &name, &fresh);

    if (rc != OH_OK)
        return rc;
    if (!fresh)
        return OH_E_BUSY;
    c = open_conn(tcp, flow, &name);
    if (!c)
        return OH_E_IO;
    oh__conns_hide(conns, name.entry);
    c->is_watched = true;
    flow->id = name.id;
    return OH_OK;
}

/* Gives the bytes to the worker that owns the connection. */
static void hand_over(struct oh__tcp *tcp, unsigned owner, const struct oh_flow *flow,
                      struct oh_span bytes, unsigned from, uint64_t ticket)
{
    struct oh__net_shared *s = tcp->net->shared;
    struct oh__letter letter = {
        .kind = OH__LETTER_SEND, .from = from, .ticket = ticket, .flow = *flow};

    if (owner >= s->mail_n || oh__mail_post(&s->mail[owner], &letter, bytes) != OH_OK)
        oh__send_failed(tcp->net, from, ticket, OH_E_IO, flow);
}

void oh__tcp_send(struct oh__tcp *tcp, const struct oh_flow *flow, struct oh_span bytes,
                  unsigned from, uint64_t ticket)
{
    struct oh__net *net = tcp->net;
    struct oh__conn_name name = {.id = flow->id};
    struct oh__conn *c = NULL;
    bool fresh = false;
    int rc = OH_OK;

    if (flow->id == 0)
        rc = oh__conns_open(net->shared->conns, net->worker, flow->transport, &flow->peer, &name,
                            &fresh);
    if (rc == OH_OK && !fresh && oh__conn_worker(name.id) != net->worker) {
        hand_over(tcp, oh__conn_worker(name.id), flow, bytes, from, ticket);
        return;
    }
    if (rc == OH_OK)
        c = fresh ? open_conn(tcp, flow, &name) : oh__conn_find(tcp, name.id);
    if (c && c->state != OH__CONN_LINGER)
        oh__conn_write(tcp, c, bytes, from, ticket);
    else
        oh__send_failed(net, from, ticket, OH_E_IO, flow);
}
