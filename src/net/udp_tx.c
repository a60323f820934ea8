/*
 * Datagrams are collected in one arena and leave by one system call per
 * socket. The arena flushes itself when it is full, so a send costs a copy and
 * never a heap call. What the kernel does not take for want of buffers stays
 * for the next flush; when the arena is full of that, datagrams are dropped,
 * as a network would: what matters is retransmitted.
 */
#define _GNU_SOURCE

#include <errno.h>

#include "net/udp.h"

#define ARENA_BYTES ((size_t)256 << 10)

/* Errors of earlier datagrams can hide a send this often before it counts as failed itself. */
#define TRIES 16

struct item {
    uint32_t at, n; /* where in the arena, and how many bytes */
    uint8_t socket; /* listener */
    bool is_done;
    bool has_from; /* flow.local is to be the source address */
    uint64_t ticket;
    struct oh_flow flow;
};

struct oh__udp_tx {
    unsigned n;
    size_t used;
    struct item items[OH__UDP_BATCH];
    struct mmsghdr hdr[OH__UDP_BATCH];
    struct iovec iov[OH__UDP_BATCH];
    union oh__sockaddr names[OH__UDP_BATCH];
    _Alignas(struct cmsghdr) char control[OH__UDP_BATCH][OH__UDP_CONTROL];
    char arena[ARENA_BYTES];
};

struct oh__udp_tx *oh__udp_tx_new(void)
{
    return oh_alloc_zero(oh_alloc_default(), 1, sizeof(struct oh__udp_tx));
}

void oh__udp_tx_free(struct oh__udp_tx *tx)
{
    oh_free(oh_alloc_default(), tx, sizeof(*tx));
}

/* How well a socket suits a flow: 0 = not at all, 3 = it is the flow's own address. */
static unsigned fitness(const struct oh__udp *udp, unsigned i, const struct oh_flow *flow)
{
    const struct oh_addr *bound = &udp->net->shared->bound[i];
    bool no_local = flow->local.family == OH_FAMILY_NONE || oh_addr_is_any(&flow->local);

    if (udp->fds[i] < 0 || bound->family != flow->peer.family)
        return 0;
    /* A flow that says nothing about our side: any socket will do that reaches the peer. */
    if (no_local)
        return 1;
    if (!udp->any[i] && !oh_addr_same_host(bound, &flow->local))
        return 1;
    return bound->port == flow->local.port ? 3 : 2;
}

/* The socket for a flow: its listener's when that can reach the peer, else the best; -1 when there
 * is none. */
static int socket_for(const struct oh__udp *udp, const struct oh_flow *flow)
{
    unsigned best = 0;
    int found = -1;

    if (flow->listener < udp->sockets && fitness(udp, flow->listener, flow) > 0)
        return flow->listener;
    for (unsigned i = 0; i < udp->sockets; i++) {
        unsigned fit = fitness(udp, i, flow);

        if (fit > best) {
            best = fit;
            found = (int)i;
        }
    }
    return found;
}

void oh__udp_send(struct oh__udp *udp, const struct oh_flow *flow, struct oh_span bytes,
                  uint64_t ticket)
{
    struct oh__udp_tx *tx = udp->tx;
    int s = socket_for(udp, flow);
    struct item *item;

    if (s < 0 || bytes.n > OH__UDP_PAYLOAD) {
        oh__send_failed(udp->net, udp->net->worker, ticket, s < 0 ? OH_E_IO : OH_E_LIMIT, flow);
        return;
    }
    if (tx->n == OH__UDP_BATCH || ARENA_BYTES - tx->used < bytes.n)
        oh__udp_flush(udp);
    if (tx->n == OH__UDP_BATCH || ARENA_BYTES - tx->used < bytes.n) {
        oh__count(&udp->net->counters.send_errors, 1);
        return;
    }
    item = &tx->items[tx->n++];
    item->at = (uint32_t)tx->used;
    item->n = (uint32_t)bytes.n;
    item->socket = (uint8_t)s;
    item->is_done = false;
    item->has_from = udp->any[s] && flow->local.family == flow->peer.family &&
                     !oh_addr_is_any(&flow->local);
    item->ticket = ticket;
    item->flow = *flow;
    if (bytes.n)
        memcpy(tx->arena + tx->used, bytes.p, bytes.n);
    tx->used += bytes.n;
}

/* Asks the kernel to send from flow.local; a wildcard socket would else use the route's address. */
static void write_source(struct msghdr *m, const struct oh_addr *from)
{
    struct cmsghdr *c = m->msg_control;
    struct in_pktinfo v4 = {0};
    struct in6_pktinfo v6 = {.ipi6_ifindex = from->scope};

    if (from->family == OH_FAMILY_IPV4) {
        memcpy(&v4.ipi_spec_dst, from->ip, 4);
        *c = (struct cmsghdr){
            .cmsg_level = IPPROTO_IP, .cmsg_type = IP_PKTINFO, .cmsg_len = CMSG_LEN(sizeof(v4))};
        memcpy(CMSG_DATA(c), &v4, sizeof(v4));
        m->msg_controllen = CMSG_SPACE(sizeof(v4));
    } else {
        memcpy(&v6.ipi6_addr, from->ip, 16);
        *c = (struct cmsghdr){.cmsg_level = IPPROTO_IPV6,
                              .cmsg_type = IPV6_PKTINFO,
                              .cmsg_len = CMSG_LEN(sizeof(v6))};
        memcpy(CMSG_DATA(c), &v6, sizeof(v6));
        m->msg_controllen = CMSG_SPACE(sizeof(v6));
    }
}

/* Fills a header of the batch. */
static void prepare(struct oh__udp_tx *tx, unsigned i, const struct item *item)
{
    struct msghdr *m = &tx->hdr[i].msg_hdr;

    tx->iov[i] = (struct iovec){.iov_base = tx->arena + item->at, .iov_len = item->n};
    *m = (struct msghdr){.msg_iov = &tx->iov[i], .msg_iovlen = 1, .msg_name = &tx->names[i]};
    m->msg_namelen = oh__sockaddr_of(&item->flow.peer, &tx->names[i]);
    if (item->has_from) {
        m->msg_control = tx->control[i];
        write_source(m, &item->flow.local);
    }
}

/*
 * Notes that datagrams have left, before the kernel can report an error about
 * them. A worker reads errors only between calls, so behind sendmmsg is early enough.
 */
static void left(struct oh__udp *udp, const uint8_t *order, unsigned n)
{
    struct oh__udp_tx *tx = udp->tx;
    uint64_t bytes = 0;

    for (unsigned i = 0; i < n; i++) {
        struct item *item = &tx->items[order[i]];

        item->is_done = true;
        bytes += item->n;
        if (item->ticket)
            oh__watch_add(udp->watch, &item->flow,
                          oh__watch_mark(oh_span(tx->arena + item->at, item->n)), item->ticket);
    }
    oh__count(&udp->net->counters.tx_datagrams, n);
    oh__count(&udp->net->counters.tx_bytes, bytes);
}

/* Sends everything of one socket; false when the kernel wants us to come back. */
static bool flush_socket(struct oh__udp *udp, unsigned socket)
{
    struct oh__udp_tx *tx = udp->tx;
    uint8_t order[OH__UDP_BATCH];
    unsigned n = 0, at = 0, tries = 0;

    for (unsigned i = 0; i < tx->n; i++) {
        if (tx->items[i].socket == socket && !tx->items[i].is_done) {
            prepare(tx, n, &tx->items[i]);
            order[n++] = (uint8_t)i;
        }
    }
    while (at < n) {
        int sent = sendmmsg(udp->fds[socket], tx->hdr + at, n - at, MSG_DONTWAIT | MSG_NOSIGNAL);
        struct item *item = &tx->items[order[at]];

        if (sent > 0) {
            left(udp, order + at, (unsigned)sent);
            at += (unsigned)sent;
            tries = 0;
            continue;
        }
        if (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM)
            return false;
        /* The error may be an ICMP one of an earlier datagram, which the kernel hands to the next
         * call. */
        oh__udp_errors(udp, socket);
        if (++tries < TRIES)
            continue;
        item->is_done = true;
        oh__send_failed(udp->net, udp->net->worker, item->ticket, OH_E_IO, &item->flow);
        at++;
        tries = 0;
    }
    return true;
}

/* Forgets what has left; what waits keeps its place in the arena. */
static void compact(struct oh__udp_tx *tx)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < tx->n; i++) {
        if (!tx->items[i].is_done)
            tx->items[kept++] = tx->items[i];
    }
    tx->n = kept;
}

bool oh__udp_flush(struct oh__udp *udp)
{
    struct oh__udp_tx *tx = udp->tx;
    bool all = true;
    uint32_t seen = 0;

    for (unsigned i = 0; i < tx->n; i++) {
        uint32_t bit = UINT32_C(1) << tx->items[i].socket;

        if (seen & bit)
            continue;
        seen |= bit;
        all = flush_socket(udp, tx->items[i].socket) && all;
    }
    if (all) {
        tx->n = 0;
        tx->used = 0;
    } else {
        compact(tx);
    }
    return all;
}
