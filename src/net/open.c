/*
 * Opens every listener once per worker, with SO_REUSEPORT, so that the kernel
 * spreads the load. The same option would also let a second server of the same
 * user take half of our traffic without anybody noticing; therefore each port
 * is first bound without it, which fails when anybody has it.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "net/shared.h"
#include "net/sock.h"

#define BACKLOG    4096
#define UDP_SNDBUF (4 << 20)

static bool is_udp(const struct oh__listener *l)
{
    return l->transport == OH_TRANSPORT_UDP;
}

/* What to do about a failure, for people. */
static void advice(const struct oh__listener *l, int error, char *out, size_t cap)
{
    switch (error) {
    case EADDRINUSE:
        snprintf(
            out, cap,
            "port %u is in use by another program, perhaps by a server that runs already; find it "
            "with: ss -l%snp 'sport = :%u', or listen elsewhere (--listen)",
            l->addr.port, is_udp(l) ? "u" : "t", l->addr.port);
        return;
    case EACCES:
    case EPERM:
        snprintf(out, cap, "port %u needs privileges; run as root or grant CAP_NET_BIND_SERVICE",
                 l->addr.port);
        return;
    case EADDRNOTAVAIL: snprintf(out, cap, "this machine has no such address"); return;
    case EAFNOSUPPORT:
        snprintf(out, cap, "the kernel has no IPv%u", l->addr.family == OH_FAMILY_IPV6 ? 6u : 4u);
        return;
    case EMFILE:
    case ENFILE: snprintf(out, cap, "too many open files; raise the limit (ulimit -n)"); return;
    default:
        snprintf(out, cap, "%s", strerrordesc_np(error) ? strerrordesc_np(error) : "unknown error");
    }
}

static int code_of(int error)
{
    switch (error) {
    case EADDRINUSE: return OH_E_BUSY;
    case EACCES:
    case EPERM: return OH_E_DENIED;
    case ENOMEM:
    case ENOBUFS: return OH_E_NOMEM;
    /* What the machine does not have; a listener that is optional may be left out then. */
    case EAFNOSUPPORT:
    case EADDRNOTAVAIL: return OH_E_UNSUPPORTED;
    default: return OH_E_IO;
    }
}

static int refuse(const struct oh__listener *l, int error, char *why, size_t cap)
{
    char addr[OH_ADDR_TEXT_MAX];
    char reason[160];

    if (cap) {
        oh_addr_text(&l->addr, addr);
        advice(l, error, reason, sizeof(reason));
        snprintf(why, cap, "cannot listen on %s %s: %s", is_udp(l) ? "UDP" : "TCP", addr, reason);
    }
    return code_of(error);
}

/* A socket of the listener's kind, not bound. IPv6 sockets never take IPv4: 0.0.0.0 is a listener
 * of its own. */
static int make_socket(const struct oh__listener *l)
{
    int type = is_udp(l) ? SOCK_DGRAM : SOCK_STREAM;
    int fd = socket(oh__family_of(&l->addr), type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    if (l->addr.family == OH_FAMILY_IPV6)
        oh__sock_set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    /* Connections of a former process that are still closing do not keep its port. */
    if (!is_udp(l))
        oh__sock_set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    return fd;
}

/* Closes a descriptor without losing the errno of what failed before. */
static void close_quietly(int fd)
{
    int saved = errno;

    close(fd);
    errno = saved;
}

static int bind_to(int fd, const struct oh_addr *addr)
{
    union oh__sockaddr sa;
    socklen_t n = oh__sockaddr_of(addr, &sa);

    return bind(fd, &sa.sa, n);
}

/* Fails with errno when another program has the port. */
static int probe(const struct oh__listener *l)
{
    int fd, rc;

    if (l->addr.port == 0)
        return 0;
    fd = make_socket(l);
    if (fd < 0)
        return -1;
    rc = bind_to(fd, &l->addr);
    close_quietly(fd);
    return rc;
}

bool oh__net_has_address(const struct oh_addr *addr)
{
    struct oh__listener l = {.transport = OH_TRANSPORT_UDP, .addr = *addr};
    int fd, rc;

    /* A port of the kernel's choice: nobody has it, and everybody may. */
    l.addr.port = 0;
    fd = make_socket(&l);
    if (fd < 0)
        return errno != EAFNOSUPPORT;
    rc = bind_to(fd, &l.addr);
    close_quietly(fd);
    return rc == 0 || errno != EADDRNOTAVAIL;
}

/* Asks for a receive buffer, past the system's limit when privileged, and notes when we got less.
 */
static void size_buffers(struct oh__net_shared *s, int fd)
{
    int asked = (int)s->options.rcvbuf;
    int got = 0;
    socklen_t n = sizeof(got);

    if (!oh__sock_set(fd, SOL_SOCKET, SO_RCVBUFFORCE, asked))
        oh__sock_set(fd, SOL_SOCKET, SO_RCVBUF, asked);
    if (!oh__sock_set(fd, SOL_SOCKET, SO_SNDBUFFORCE, UDP_SNDBUF))
        oh__sock_set(fd, SOL_SOCKET, SO_SNDBUF, UDP_SNDBUF);
    /* The kernel reports twice what it was asked for, the other half being its own bookkeeping. */
    if (getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &got, &n) == 0 && got / 2 < asked && !s->warning[0])
        snprintf(
            s->warning, sizeof(s->warning),
            "the kernel gives UDP sockets %d KiB of receive buffer instead of %d KiB, so bursts "
            "may be lost; start as root or set: sysctl -w net.core.rmem_max=%d",
            got / 2048, asked / 1024, asked);
}

/*
 * Wildcard sockets must learn which of our addresses a datagram was sent to,
 * because the answer has to come from there. ICMP errors are asked for;
 * without that, an unconnected socket never sees them. Large datagrams are
 * fragmented rather than refused: which transport a large message takes was
 * decided above (RFC 3261 18.1.1).
 */
static void set_udp_options(struct oh__net_shared *s, const struct oh__listener *l, int fd)
{
    bool any = oh_addr_is_any(&l->addr);

    size_buffers(s, fd);
    if (l->addr.family == OH_FAMILY_IPV6) {
        oh__sock_set(fd, IPPROTO_IPV6, IPV6_RECVERR, 1);
        oh__sock_set(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DONT);
        if (any)
            oh__sock_set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
        return;
    }
    oh__sock_set(fd, IPPROTO_IP, IP_RECVERR, 1);
    oh__sock_set(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
    if (any)
        oh__sock_set(fd, IPPROTO_IP, IP_PKTINFO, 1);
}

/* One socket of a listener, bound to addr; *bound is where it ended up. -1 with errno. */
static int open_socket(struct oh__net_shared *s, const struct oh__listener *l,
                       const struct oh_addr *addr, struct oh_addr *bound)
{
    union oh__sockaddr sa = {.sa.sa_family = AF_UNSPEC};
    socklen_t n = sizeof(sa);
    int fd = make_socket(l);

    if (fd < 0)
        return -1;
    if (is_udp(l))
        set_udp_options(s, l, fd);
    else
        oh__sock_stream_options(fd); /* accepted connections inherit them */
    /* A port that the kernel chooses must be nobody's yet; with the option it may be anybody's. */
    if ((addr->port && !oh__sock_set(fd, SOL_SOCKET, SO_REUSEPORT, 1)) || bind_to(fd, addr) != 0 ||
        (!addr->port && !oh__sock_set(fd, SOL_SOCKET, SO_REUSEPORT, 1)) ||
        (!is_udp(l) && listen(fd, BACKLOG) != 0) || getsockname(fd, &sa.sa, &n) != 0) {
        close_quietly(fd);
        return -1;
    }
    *bound = oh__addr_of(&sa);
    return fd;
}

/*
 * The first socket of a listener whose port the kernel chooses. TCP must be
 * served on every port where UDP is (RFC 3261 18), so a TCP listener that
 * stands behind a UDP one of the same address takes that one's port if it can.
 */
static int open_first(struct oh__net_shared *s, unsigned i)
{
    const struct oh__listener *l = &s->options.listeners[i];
    struct oh_addr addr = l->addr;
    int fd = -1;

    if (addr.port == 0 && i > 0 && !is_udp(l) && is_udp(l - 1) && l[-1].addr.port == 0 &&
        oh_addr_same_host(&l[-1].addr, &addr)) {
        struct oh__listener same = *l;

        same.addr.port = addr.port = s->bound[i - 1].port;
        if (probe(&same) == 0)
            fd = open_socket(s, l, &addr, &s->bound[i]);
        addr.port = 0;
    }
    return fd >= 0 ? fd : open_socket(s, l, &addr, &s->bound[i]);
}

static int open_listener(struct oh__net_shared *s, unsigned i, char *why, size_t cap)
{
    const struct oh__listener *l = &s->options.listeners[i];

    for (unsigned w = 0; w < s->options.workers; w++) {
        int fd = w == 0 ? open_first(s, i) : open_socket(s, l, &s->bound[i], &s->bound[i]);

        if (fd < 0)
            return refuse(l, errno, why, cap);
        s->fds[i][w] = fd;
    }
    return OH_OK;
}

/* Faults of the configuration that the kernel would not find, or would explain badly. */
static int check_listener(const struct oh__net_options *o, unsigned i, char *why, size_t cap)
{
    const struct oh__listener *l = &o->listeners[i];
    char text[OH_ADDR_TEXT_MAX];

    if ((!is_udp(l) && l->transport != OH_TRANSPORT_TCP) || oh__family_of(&l->addr) == AF_UNSPEC) {
        snprintf(why, cap, "listener %u: only UDP and TCP with an IPv4 or IPv6 address", i);
        return OH_E_UNSUPPORTED;
    }
    oh_addr_text(&l->addr, text);
    for (unsigned j = 0; j < i && l->addr.port; j++) {
        const struct oh__listener *other = &o->listeners[j];

        if (other->transport == l->transport && oh_addr_eq(&other->addr, &l->addr)) {
            snprintf(why, cap, "the listener %s %s is there twice", is_udp(l) ? "UDP" : "TCP",
                     text);
            return OH_E_BUSY;
        }
    }
    if (probe(l) != 0)
        return refuse(l, errno, why, cap);
    return OH_OK;
}

int oh__listeners_open(struct oh__net_shared *s, char *why, size_t cap)
{
    int rc = OH_OK;

    /* All ports are tried before the first is opened, so that our own sockets do not look like
     * another program's. */
    for (unsigned i = 0; rc == OH_OK && i < s->options.listeners_n; i++)
        rc = check_listener(&s->options, i, why, cap);
    for (unsigned i = 0; rc == OH_OK && i < s->options.listeners_n; i++)
        rc = open_listener(s, i, why, cap);
    return rc;
}
