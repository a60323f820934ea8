/*
 * The only file that knows both kinds of addresses. Options are set one by one
 * and most results are ignored on purpose: a kernel without one of them serves
 * a little worse, and that is no reason not to start.
 */
#include "net/sock.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>

/* A peer that vanished without a word is found after 120 + 4 * 30 seconds, registered or not. */
#define KEEPALIVE_IDLE     120
#define KEEPALIVE_INTERVAL 30
#define KEEPALIVE_COUNT    4

socklen_t oh__sockaddr_of(const struct oh_addr *a, union oh__sockaddr *out)
{
    /* All of it, sin_zero and flow label too: kernels differ in what they ignore. */
    memset(out, 0, sizeof(*out));
    switch (a->family) {
    case OH_FAMILY_IPV4:
        out->v4.sin_family = AF_INET;
        out->v4.sin_port = htons(a->port);
        memcpy(&out->v4.sin_addr, a->ip, 4);
        return sizeof(out->v4);
    case OH_FAMILY_IPV6:
        out->v6.sin6_family = AF_INET6;
        out->v6.sin6_port = htons(a->port);
        out->v6.sin6_scope_id = a->scope;
        memcpy(&out->v6.sin6_addr, a->ip, 16);
        return sizeof(out->v6);
    default: return 0;
    }
}

struct oh_addr oh__addr_of(const union oh__sockaddr *sa)
{
    struct oh_addr a = {0};

    if (sa->sa.sa_family == AF_INET) {
        a.family = OH_FAMILY_IPV4;
        a.port = ntohs(sa->v4.sin_port);
        memcpy(a.ip, &sa->v4.sin_addr, 4);
    } else if (sa->sa.sa_family == AF_INET6) {
        a.family = OH_FAMILY_IPV6;
        a.port = ntohs(sa->v6.sin6_port);
        a.scope = sa->v6.sin6_scope_id;
        memcpy(a.ip, &sa->v6.sin6_addr, 16);
    }
    return a;
}

int oh__family_of(const struct oh_addr *a)
{
    switch (a->family) {
    case OH_FAMILY_IPV4: return AF_INET;
    case OH_FAMILY_IPV6: return AF_INET6;
    default: return AF_UNSPEC;
    }
}

bool oh__sock_set(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof(value)) == 0;
}

void oh__sock_stream_options(int fd)
{
    /* Messages are written whole, so waiting for more (RFC 896) would only delay them. */
    oh__sock_set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    oh__sock_set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    oh__sock_set(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE);
    oh__sock_set(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL);
    oh__sock_set(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_COUNT);
}
