/*
 * Datagrams are collected in one arena and leave by one system call per
 * socket. The arena flushes itself when it is full, so a send costs a copy and
 * never a heap call. What the kernel does not take for want of buffers stays
 * for the next flush; when the arena is full of that, the oldest are dropped,
 * as a network would: what matters is retransmitted.
 *
 * A way through the kernel is shared: datagrams of one length to one peer are
 * handed over as one, with UDP_SEGMENT, and cut again when they are delivered
 * or, at best, by the network card. Most of what a send costs is then spent
 * once per run: a microsecond becomes a quarter of one. Between servers, where
 * many calls are in the same state at the same time, half of all messages find
 * such company; a phone at home rarely does, and loses nothing.
 *
 * To have runs, datagrams overtake each other within a batch, but never one of
 * their own lane: a CANCEL is shorter than its INVITE and must stay behind it.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <netinet/udp.h>

#include "net/system.h"
#include "net/udp.h"

#define ARENA_BYTES ((size_t)256 << 10)

/* Errors of earlier datagrams can hide a send this often before it counts as failed itself. */
#define TRIES 16

/* A run: how many datagrams (older kernels take 64), of which length (an Ethernet's frame must hold
 * one, with IPv6), and how many bytes together. */
#define RUN_MAX     64
#define RUN_SEGMENT 1452
#define RUN_BYTES   65000

/* Datagrams per flush, and how many runs can be found again at once. */
#define BATCH 256
#define OPEN  64

/* Peers are remembered by a bit each, see oh__udp_tx_single. */
#define SINGLE_TIME (60 * UINT64_C(1000000000))

struct item {
    uint32_t at, n; /* where in the arena, and how many bytes */
    uint8_t socket; /* listener */
    uint8_t lane;
    bool is_done;
    bool has_from; /* flow.local is to be the source address */
    uint64_t ticket;
    struct oh_flow flow;
};

struct oh__udp_tx {
    unsigned n;
    bool bulk; /* everything has a lane of its own */
    bool runs; /* the kernel knows of them */
    size_t used;
    uint64_t single;       /* a bit for each peer that gets no runs */
    uint64_t single_until; /* ns */
    struct item items[BATCH];
    struct mmsghdr hdr[BATCH];
    struct iovec iov[BATCH];
    union oh__sockaddr names[BATCH];
    _Alignas(struct cmsghdr) char control[BATCH][OH__UDP_CONTROL];
    char arena[ARENA_BYTES];
};

/* What one socket is to send: items by number, and where each message of the kernel begins. */
struct batch {
    unsigned n, heads;
    uint8_t order[BATCH];
    uint16_t starts[BATCH + 1];
};

/* A kernel before Linux 4.18 does not refuse a run, it sends it as one datagram: it has to be
 * asked.
 */
bool oh__udp_has_runs(int fd)
{
    int value;
    socklen_t size = sizeof(value);

    return getsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &value, &size) == 0;
}

struct oh__udp_tx *oh__udp_tx_new(bool bulk, bool runs)
{
    struct oh__udp_tx *tx = oh_alloc_zero(oh_alloc_default(), 1, sizeof(*tx));

    if (!tx)
        return NULL;
    tx->bulk = bulk;
    tx->runs = runs;
    return tx;
}

/* The bit of a peer; two peers may share one, which costs them nothing but their runs. */
static uint64_t bit_of(const struct oh_addr *peer)
{
    return UINT64_C(1) << ((oh__crc32c(0, peer->ip, sizeof(peer->ip)) ^ peer->port) & 63);
}

void oh__udp_tx_single(struct oh__udp_tx *tx, const struct oh_addr *peer)
{
    tx->single |= bit_of(peer);
    tx->single_until = oh__clock_now() + SINGLE_TIME;
}

void oh__udp_tx_free(struct oh__udp_tx *tx)
{
    oh_free(oh_alloc_default(), tx, sizeof(*tx));
}

/* True when a socket can send to the flow's peer. */
static bool reaches(const struct oh__udp *udp, unsigned i, const struct oh_flow *flow)
{
    return udp->fds[i] >= 0 && udp->net->shared->bound[i].family == flow->peer.family;
}

/* How well a socket suits a flow: 0 = not at all, 3 = it is the flow's own address. */
static unsigned fitness(const struct oh__udp *udp, unsigned i, const struct oh_flow *flow)
{
    const struct oh_addr *bound = &udp->net->shared->bound[i];
    bool no_local = flow->local.family == OH_FAMILY_NONE || oh_addr_is_any(&flow->local);

    if (!reaches(udp, i, flow))
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

    if (flow->listener < udp->sockets && reaches(udp, flow->listener, flow))
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

/* Forgets what has left, and moves what waits to the front: it must not be the arena that the
 * datagrams of other sockets lack. */
static void compact(struct oh__udp_tx *tx)
{
    unsigned kept = 0;
    size_t used = 0;

    for (unsigned i = 0; i < tx->n; i++) {
        struct item *item = &tx->items[kept];

        if (tx->items[i].is_done)
            continue;
        *item = tx->items[i];
        memmove(tx->arena + used, tx->arena + item->at, item->n);
        item->at = (uint32_t)used;
        used += item->n;
        kept++;
    }
    tx->n = kept;
    tx->used = used;
}

static bool has_room(const struct oh__udp_tx *tx, size_t n)
{
    return tx->n < BATCH && ARENA_BYTES - tx->used >= n;
}

/* Makes room for a datagram of n bytes. The oldest of those that the kernel does not take goes, as
 * the network would lose it, or one network card that is down would silence the others. */
static void make_room(struct oh__udp *udp, size_t n)
{
    struct oh__udp_tx *tx = udp->tx;

    if (has_room(tx, n))
        return;
    oh__udp_flush(udp);
    while (!has_room(tx, n)) {
        tx->items[0].is_done = true;
        oh__count(&udp->net->counters.send_errors, 1);
        compact(tx);
    }
}

void oh__udp_send(struct oh__udp *udp, const struct oh_flow *flow, struct oh_span bytes,
                  uint64_t ticket, unsigned lane)
{
    struct oh__udp_tx *tx = udp->tx;
    int s = socket_for(udp, flow);
    struct item *item;

    if (s < 0 || bytes.n > OH__UDP_PAYLOAD) {
        oh__send_failed(udp->net, udp->net->worker, ticket, s < 0 ? OH_E_IO : OH_E_LIMIT, flow);
        return;
    }
    make_room(udp, bytes.n);
    item = &tx->items[tx->n++];
    item->at = (uint32_t)tx->used;
    item->n = (uint32_t)bytes.n;
    item->socket = (uint8_t)s;
    item->lane = (uint8_t)(lane % OH__NET_LANES);
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

/* Adds the length of the datagrams in a message to what goes with it. */
static void write_segment(struct msghdr *m, char *control, uint16_t length)
{
    struct cmsghdr *c = (struct cmsghdr *)(void *)(control + m->msg_controllen);

    *c = (struct cmsghdr){
        .cmsg_level = IPPROTO_UDP, .cmsg_type = UDP_SEGMENT, .cmsg_len = CMSG_LEN(sizeof(length))};
    memcpy(CMSG_DATA(c), &length, sizeof(length));
    m->msg_control = control;
    m->msg_controllen += CMSG_SPACE(sizeof(length));
}

/* Fills the next header of the batch with a run of its items, mostly of one. */
static void prepare(struct oh__udp_tx *tx, struct batch *b, unsigned from, unsigned run)
{
    const struct item *item = &tx->items[b->order[from]];
    unsigned head = b->heads++;
    struct msghdr *m = &tx->hdr[head].msg_hdr;

    b->starts[head] = (uint16_t)from;
    b->starts[head + 1] = (uint16_t)(from + run);
    for (unsigned i = from; i < from + run; i++) {
        const struct item *one = &tx->items[b->order[i]];

        tx->iov[i] = (struct iovec){.iov_base = tx->arena + one->at, .iov_len = one->n};
    }
    *m = (struct msghdr){
        .msg_iov = &tx->iov[from], .msg_iovlen = run, .msg_name = &tx->names[head]};
    m->msg_namelen = oh__sockaddr_of(&item->flow.peer, &tx->names[head]);
    if (item->has_from) {
        m->msg_control = tx->control[head];
        write_source(m, &item->flow.local);
    }
    if (run > 1)
        write_segment(m, tx->control[head], (uint16_t)item->n);
}

/* Datagrams that leave together, as a list; runs leave in the order of their first ones. */
struct run {
    int16_t first, last; /* items */
    uint16_t n;
};

/* The runs of a batch while it is put together. */
struct runs {
    unsigned n;
    struct run v[BATCH];
    int16_t next[BATCH]; /* of an item: the one behind it in its run */
    int16_t open[OPEN];  /* the youngest run of a length and peer, by hash; -1 */
    int16_t
        floor[OH__NET_LANES]; /* the run of a lane's last item: the next one may not be before */
};

static bool same_way(const struct item *a, const struct item *b)
{
    return a->n == b->n && a->has_from == b->has_from && oh_addr_eq(&a->flow.peer, &b->flow.peer) &&
           (!a->has_from || oh_addr_same_host(&a->flow.local, &b->flow.local));
}

/*
 * Where an item's run would be found, and whether it may have company at all. Of a run that was not
 * cut yet (loopback, a container next door) an error brings back the beginning of the whole, so the
 * first has to be long enough to be known by that.
 */
static bool may_join(const struct oh__udp_tx *tx, const struct item *item, unsigned *slot)
{
    const struct oh_addr *peer = &item->flow.peer;

    *slot = (item->n ^ peer->port ^ peer->ip[3] ^ peer->ip[15]) % OPEN;
    return tx->runs && item->n > 0 && item->n <= RUN_SEGMENT &&
           (!item->ticket || item->n >= OH__WATCH_BYTES) &&
           (tx->single == 0 || !(tx->single & bit_of(peer)));
}

/* Puts an item behind its like, or begins a run with it. */
static void place(const struct oh__udp_tx *tx, struct runs *r, unsigned i)
{
    const struct item *item = &tx->items[i];
    unsigned slot, lane = item->lane;
    bool join = may_join(tx, item, &slot);
    int16_t at = join ? r->open[slot] : -1;
    struct run *run = at >= 0 ? &r->v[at] : NULL;

    r->next[i] = -1;
    if (run && at >= r->floor[lane] && run->n < RUN_MAX && (run->n + 1u) * item->n <= RUN_BYTES &&
        same_way(&tx->items[run->first], item)) {
        r->next[run->last] = (int16_t)i;
        run->last = (int16_t)i;
        run->n++;
    } else {
        at = (int16_t)r->n++;
        r->v[at] = (struct run){(int16_t)i, (int16_t)i, 1};
        if (join)
            r->open[slot] = at;
    }
    if (!tx->bulk)
        r->floor[lane] = at;
}

/* Makes the kernel's messages of all that one socket has to send. */
static void gather(struct oh__udp_tx *tx, unsigned socket, struct batch *b)
{
    struct runs r = {.n = 0};

    memset(r.open, 0xff, sizeof(r.open));
    b->n = b->heads = 0;
    if (tx->single && oh__clock_now() >= tx->single_until)
        tx->single = 0;
    for (unsigned i = 0; i < tx->n; i++)
        if (tx->items[i].socket == socket && !tx->items[i].is_done)
            place(tx, &r, i);
    for (unsigned i = 0; i < r.n; i++) {
        unsigned from = b->n;

        for (int item = r.v[i].first; item >= 0; item = r.next[item])
            b->order[b->n++] = (uint8_t)item;
        prepare(tx, b, from, r.v[i].n);
    }
}

/*
 * Notes that the datagrams of a run have left, before the kernel can report an error about
 * them. A worker reads errors only between calls, so behind sendmmsg is early enough.
 */
static void left(struct oh__udp *udp, const uint8_t *order, unsigned n)
{
    struct oh__udp_tx *tx = udp->tx;
    uint64_t bytes = 0, run = n > 1 ? oh__watch_run(udp->watch) : 0;

    for (unsigned i = 0; i < n; i++) {
        struct item *item = &tx->items[order[i]];

        item->is_done = true;
        bytes += item->n;
        if (item->ticket)
            oh__watch_add(udp->watch, &item->flow,
                          oh__watch_mark(oh_span(tx->arena + item->at, item->n)), run,
                          item->ticket);
    }
    oh__count(&udp->net->counters.tx_datagrams, n);
    oh__count(&udp->net->counters.tx_bytes, bytes);
}

/*
 * A run that the kernel does not take goes one by one, as all to this peer will for a minute: the
 * way there is narrower than an Ethernet (EMSGSIZE, before Linux 6.14 EINVAL; a tunnel, a line with
 * PPP), or nobody there cuts runs (EIO: IPsec, a network card without checksums). Single datagrams
 * get through, in fragments if need be.
 */
static bool give_runs_up(struct oh__udp_tx *tx, const struct batch *b, unsigned head)
{
    if (b->starts[head + 1] - b->starts[head] == 1 ||
        (errno != EMSGSIZE && errno != EINVAL && errno != EIO))
        return false;
    oh__udp_tx_single(tx, &tx->items[b->order[b->starts[head]]].flow.peer);
    return true;
}

/* The kernel does not take a message, whatever is tried. */
static void give_run_up(struct oh__udp *udp, const struct batch *b, unsigned head)
{
    for (unsigned i = b->starts[head]; i < b->starts[head + 1]; i++) {
        struct item *item = &udp->tx->items[b->order[i]];

        item->is_done = true;
        oh__send_failed(udp->net, udp->net->worker, item->ticket, OH_E_IO, &item->flow);
    }
}

/* Sends everything of one socket; false when the kernel wants us to come back. */
static bool flush_socket(struct oh__udp *udp, unsigned socket)
{
    struct oh__udp_tx *tx = udp->tx;
    unsigned at = 0, tries = 0;
    struct batch b;

    gather(tx, socket, &b);
    while (at < b.heads) {
        int sent = sendmmsg(udp->fds[socket], tx->hdr + at, b.heads - at,
                            MSG_DONTWAIT | MSG_NOSIGNAL);

        if (sent > 0) {
            for (unsigned end = at + (unsigned)sent; at < end; at++)
                left(udp, b.order + b.starts[at], b.starts[at + 1] - b.starts[at]);
            tries = 0;
            continue;
        }
        if (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM)
            return false;
        if (give_runs_up(tx, &b, at)) {
            gather(tx, socket, &b);
            at = 0;
            continue;
        }
        /* The error may be an ICMP one of an earlier datagram, which the kernel hands to the next
         * call. */
        oh__udp_errors(udp, socket);
        if (++tries < TRIES)
            continue;
        give_run_up(udp, &b, at++);
        tries = 0;
    }
    return true;
}

bool oh__udp_flush(struct oh__udp *udp)
{
    struct oh__udp_tx *tx = udp->tx;
    bool all = true;
    uint64_t seen = 0;

    for (unsigned i = 0; i < tx->n; i++) {
        uint64_t bit = UINT64_C(1) << tx->items[i].socket;

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
