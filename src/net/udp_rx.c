/*
 * Datagrams are received in batches into slots that are made once. A slot has
 * room for the largest datagram, but is virtual memory: the kernel touches
 * only the pages that a datagram fills, so what is really used is one or two
 * pages per slot. The slots are not a power of two apart, because then the
 * beginnings of all messages would compete for the same few lines of the
 * processor's cache.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <sys/epoll.h>
#include <sys/mman.h>

#include "net/udp.h"

#define SLOTS      OH__NET_ROUND
#define SLOT_BYTES ((size_t)65535)
#define STRIDE     ((size_t)65536 + 1024)

/* A datagram longer than this leaves pages in its slot that the usual ones do not need; they go
 * when none has come for REST_TIME. */
#define USUAL_BYTES 4096
#define REST_TIME   OH__SEC

struct datagram {
    uint32_t n; /* bytes */
    struct oh_flow flow;
};

struct oh__udp_rx {
    char *slots;
    unsigned n, next;  /* received in this round, and the one to take next */
    unsigned rotor;    /* the listener whose turn it is to begin */
    uint64_t ready;    /* one bit for each listener */
    uint64_t large_at; /* ns: when a long datagram came last; OH__NEVER: its pages have gone */
    struct datagram got[SLOTS];
    struct mmsghdr hdr[OH__UDP_BATCH];
    struct iovec iov[OH__UDP_BATCH];
    union oh__sockaddr names[OH__UDP_BATCH];
    _Alignas(struct cmsghdr) char control[OH__UDP_BATCH][OH__UDP_CONTROL];
};

struct oh__udp_rx *oh__udp_rx_new(void)
{
    struct oh__udp_rx *rx = oh_alloc_zero(oh_alloc_default(), 1, sizeof(*rx));

    if (!rx)
        return NULL;
    rx->large_at = OH__NEVER;
    rx->slots = mmap(NULL, SLOTS * STRIDE, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (rx->slots == MAP_FAILED) {
        oh_free(oh_alloc_default(), rx, sizeof(*rx));
        return NULL;
    }
    /* A huge page would be touched whole by the first datagram. */
    madvise(rx->slots, SLOTS * STRIDE, MADV_NOHUGEPAGE);
    for (unsigned i = 0; i < OH__UDP_BATCH; i++) {
        rx->iov[i].iov_len = SLOT_BYTES;
        rx->hdr[i].msg_hdr.msg_iov = &rx->iov[i];
        rx->hdr[i].msg_hdr.msg_iovlen = 1;
        rx->hdr[i].msg_hdr.msg_name = &rx->names[i];
        rx->hdr[i].msg_hdr.msg_control = rx->control[i];
    }
    return rx;
}

void oh__udp_rx_free(struct oh__udp_rx *rx)
{
    if (!rx)
        return;
    munmap(rx->slots, SLOTS * STRIDE);
    oh_free(oh_alloc_default(), rx, sizeof(*rx));
}

uint64_t oh__udp_rest_at(const struct oh__udp *udp)
{
    return udp->rx->large_at == OH__NEVER ? OH__NEVER : udp->rx->large_at + REST_TIME;
}

void oh__udp_begin(struct oh__udp *udp)
{
    struct oh__udp_rx *rx = udp->rx;

    rx->n = rx->next = 0;
    if (udp->net->now < oh__udp_rest_at(udp))
        return;
    madvise(rx->slots, SLOTS * STRIDE, MADV_DONTNEED);
    rx->large_at = OH__NEVER;
}

void oh__udp_ready(struct oh__udp *udp, unsigned listener, uint32_t events)
{
    if (events & EPOLLERR)
        oh__udp_errors(udp, listener);
    if (events & EPOLLIN)
        udp->rx->ready |= UINT64_C(1) << listener;
}

/* Reads which of our addresses was meant; for wildcard sockets only. */
static void read_control(struct msghdr *m, struct oh_addr *local)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;

            /* spec_dst is an address of ours even when the datagram was a broadcast. */
            memcpy(&info, CMSG_DATA(c), sizeof(info));
            memcpy(local->ip, &info.ipi_spec_dst, 4);
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;

            memcpy(&info, CMSG_DATA(c), sizeof(info));
            memcpy(local->ip, &info.ipi6_addr, 16);
            if (IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr))
                local->scope = info.ipi6_ifindex;
        }
    }
}

/* One system call; returns true when the socket may have more. */
static bool read_batch(struct oh__udp *udp, unsigned listener)
{
    struct oh__udp_rx *rx = udp->rx;
    unsigned room = SLOTS - rx->n < OH__UDP_BATCH ? SLOTS - rx->n : OH__UDP_BATCH;
    uint64_t bytes = 0;
    int got;

    for (unsigned i = 0; i < room; i++) {
        rx->iov[i].iov_base = rx->slots + (rx->n + i) * STRIDE;
        rx->hdr[i].msg_hdr.msg_namelen = sizeof(union oh__sockaddr);
        rx->hdr[i].msg_hdr.msg_controllen = udp->any[listener] ? OH__UDP_CONTROL : 0;
    }
    got = recvmmsg(udp->fds[listener], rx->hdr, room, MSG_DONTWAIT, NULL);
    if (got <= 0) {
        /* An ICMP error stands before the datagrams: once it is read, they come. */
        return got < 0 && errno != EAGAIN && errno != EINTR && oh__udp_errors(udp, listener) > 0;
    }
    for (int i = 0; i < got; i++) {
        struct datagram *d = &rx->got[rx->n++];

        d->n = rx->hdr[i].msg_len;
        d->flow.local = udp->net->shared->bound[listener];
        d->flow.peer = oh__addr_of(&rx->names[i]);
        d->flow.listener = (uint16_t)listener;
        d->flow.transport = OH_TRANSPORT_UDP;
        if (udp->any[listener])
            read_control(&rx->hdr[i].msg_hdr, &d->flow.local);
        bytes += d->n;
        if (d->n > USUAL_BYTES)
            rx->large_at = udp->net->now;
    }
    oh__count(&udp->net->counters.rx_datagrams, (unsigned)got);
    oh__count(&udp->net->counters.rx_bytes, bytes);
    return (unsigned)got == room;
}

/*
 * One batch from each socket in turn, until all are empty or the slots are
 * used up; another socket begins each time, so that a flooded one cannot keep
 * the others waiting.
 */
void oh__udp_read(struct oh__udp *udp)
{
    struct oh__udp_rx *rx = udp->rx;

    if (!rx->ready)
        return;
    rx->rotor++;
    for (unsigned i = rx->rotor % OH__NET_LISTENERS_MAX; rx->ready && rx->n < SLOTS;
         i = (i + 1) % OH__NET_LISTENERS_MAX) {
        if ((rx->ready >> i & 1) && !read_batch(udp, i))
            rx->ready &= ~(UINT64_C(1) << i);
    }
    rx->ready = 0; /* epoll tells again of those that have more */
}

bool oh__udp_take(struct oh__udp *udp, struct oh__net_input *in)
{
    struct oh__udp_rx *rx = udp->rx;
    const struct datagram *d;

    if (rx->next == rx->n)
        return false;
    d = &rx->got[rx->next];
    in->kind = OH__NET_DATAGRAM;
    in->flow = d->flow;
    in->bytes = oh_span(rx->slots + rx->next * STRIDE, d->n);
    rx->next++;
    return true;
}
