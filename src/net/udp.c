#define _GNU_SOURCE

#include "net/udp.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <sys/epoll.h>

/* Whether all sockets of this worker take runs. */
static bool has_runs(const struct oh__net *net)
{
    for (unsigned i = 0; i < net->options->listeners_n; i++) {
        if (net->options->listeners[i].transport == OH_TRANSPORT_UDP &&
            !oh__udp_has_runs(net->shared->fds[i][net->worker]))
            return false;
    }
    return true;
}

int oh__udp_new(struct oh__net *net, struct oh__udp **out)
{
    const struct oh__net_options *o = net->options;
    struct oh__udp *udp = oh_alloc_zero(oh_alloc_default(), 1, sizeof(*udp));
    int rc = OH_OK;

    if (!udp)
        return OH_E_NOMEM;
    udp->net = net;
    udp->sockets = o->listeners_n;
    udp->rx = oh__udp_rx_new();
    udp->tx = oh__udp_tx_new(o->bulk, has_runs(net));
    udp->watch = oh__watch_new();
    if (!udp->rx || !udp->tx || !udp->watch)
        rc = OH_E_NOMEM;
    for (unsigned i = 0; rc == OH_OK && i < udp->sockets; i++) {
        udp->fds[i] = -1;
        if (o->listeners[i].transport != OH_TRANSPORT_UDP)
            continue;
        udp->fds[i] = net->shared->fds[i][net->worker];
        udp->any[i] = oh_addr_is_any(&o->listeners[i].addr);
        rc = oh__loop_add(net, udp->fds[i], EPOLLIN, oh__tagged(OH__TAG_UDP, i));
    }
    if (rc != OH_OK) {
        oh__udp_free(udp);
        return rc;
    }
    *out = udp;
    return OH_OK;
}

void oh__udp_free(struct oh__udp *udp)
{
    if (!udp)
        return;
    oh__udp_rx_free(udp->rx);
    oh__udp_tx_free(udp->tx);
    oh__watch_free(udp->watch);
    oh_free(oh_alloc_default(), udp, sizeof(*udp));
}

/*
 * Which errors end a transaction (RFC 3261 18.4): unreachable hosts, networks,
 * ports and protocols, and parameter problems. Source quench, exceeded
 * time-to-live and "too big" are passing troubles.
 */
static bool is_fatal(const struct sock_extended_err *e)
{
    if (e->ee_origin == SO_EE_ORIGIN_ICMP)
        return (e->ee_type == ICMP_DEST_UNREACH && e->ee_code != ICMP_FRAG_NEEDED) ||
               e->ee_type == ICMP_PARAMETERPROB;
    if (e->ee_origin == SO_EE_ORIGIN_ICMP6)
        return e->ee_type == ICMP6_DST_UNREACH || e->ee_type == ICMP6_PARAM_PROB;
    return false;
}

/* The error stands in the ancillary data; the bytes are the beginning of what we had sent. */
static const struct sock_extended_err *error_of(struct msghdr *m)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) ||
            (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR))
            return (const struct sock_extended_err *)(void *)CMSG_DATA(c);
    }
    return NULL;
}

/* Tells whoever sent the datagram; false when it was not this worker. */
static bool report(struct oh__udp *udp, const struct oh_addr *peer, uint64_t mark)
{
    struct oh_flow flow;
    uint64_t ticket, run;
    unsigned at = 0;

    if (!oh__watch_find(udp->watch, peer, mark, &run, &ticket, &flow))
        return false;
    do
        oh__send_failed(udp->net, udp->net->worker, ticket, OH_E_IO, &flow);
    while (oh__watch_next(udp->watch, run, &at, &ticket, &flow));
    /* Should it come back and go again, each datagram is told of by itself. */
    oh__udp_tx_single(udp->tx, peer);
    return true;
}

/*
 * The kernel delivers an ICMP error to the socket that an answer from that
 * peer would go to. With SO_REUSEPORT this is often another worker's socket
 * than the one that sent; so what we do not know is shown to the others.
 */
static void unreachable(struct oh__udp *udp, const struct oh_addr *peer, uint64_t mark)
{
    struct oh__net_shared *s = udp->net->shared;
    struct oh__letter letter = {
        .kind = OH__LETTER_UNREACHABLE, .mark = mark, .flow = {.peer = *peer}};

    if (report(udp, peer, mark))
        return;
    for (unsigned w = 0; w < s->mail_n; w++) {
        if (w != udp->net->worker)
            oh__mail_post(&s->mail[w], &letter, oh_span(NULL, 0));
    }
}

unsigned oh__udp_errors(struct oh__udp *udp, unsigned listener)
{
    unsigned n = 0;

    for (; n < OH__UDP_BATCH; n++) {
        union oh__sockaddr name = {.sa.sa_family = AF_UNSPEC};
        _Alignas(struct cmsghdr) char control[512];
        char bytes[OH__WATCH_BYTES];
        struct iovec iov = {.iov_base = bytes, .iov_len = sizeof(bytes)};
        struct msghdr m = {.msg_name = &name,
                           .msg_namelen = sizeof(name),
                           .msg_iov = &iov,
                           .msg_iovlen = 1,
                           .msg_control = control,
                           .msg_controllen = sizeof(control)};
        const struct sock_extended_err *e;
        struct oh_addr peer;
        ssize_t got = recvmsg(udp->fds[listener], &m, MSG_ERRQUEUE | MSG_DONTWAIT);

        /* Empty, or something that the next round will see again. */
        if (got < 0)
            break;
        e = error_of(&m);
        peer = oh__addr_of(&name);
        if (e && is_fatal(e) && peer.family != OH_FAMILY_NONE)
            unreachable(udp, &peer, oh__watch_mark(oh_span(bytes, (size_t)got)));
    }
    return n;
}

void oh__udp_unreachable(struct oh__udp *udp, const struct oh_flow *flow, uint64_t mark)
{
    report(udp, &flow->peer, mark);
}
