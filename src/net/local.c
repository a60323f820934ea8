/*
 * What this machine knows of itself. Link-local addresses are left out: they
 * mean something on one link only, so a phone that was told one could reach us
 * from there and from nowhere else.
 */
#include "net/sock.h"
#include "net/system.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <unistd.h>

static bool is_link_local(const struct oh_addr *a)
{
    if (a->family == OH_FAMILY_IPV4)
        return a->ip[0] == 169 && a->ip[1] == 254;
    return a->ip[0] == 0xfe && (a->ip[1] & 0xc0) == 0x80;
}

/* Appends an interface's address when it is of the wanted kind; returns how many there are now. */
static unsigned append(const struct ifaddrs *i, bool loopback, struct oh_addr *out, unsigned n)
{
    struct oh_addr a;

    if (!i->ifa_addr || !(i->ifa_flags & IFF_UP))
        return n;
    a = oh__addr_of((const union oh__sockaddr *)i->ifa_addr);
    if (a.family == OH_FAMILY_NONE || is_link_local(&a) || oh_addr_is_loopback(&a) != loopback)
        return n;
    a.port = 0;
    out[n] = a;
    return n + 1;
}

/* Loopback comes last: whoever takes the first address wants one that phones can reach. */
unsigned oh__local_addrs(struct oh_addr *out, unsigned max)
{
    struct ifaddrs *all;
    unsigned n = 0;

    if (getifaddrs(&all) != 0)
        return 0;
    for (int loopback = 0; loopback <= 1; loopback++) {
        for (const struct ifaddrs *i = all; i && n < max; i = i->ifa_next)
            n = append(i, loopback, out, n);
    }
    freeifaddrs(all);
    return n;
}

int oh__local_toward(const struct oh_addr *peer, struct oh_addr *out)
{
    int fd = socket(oh__family_of(peer), SOCK_DGRAM | SOCK_CLOEXEC, 0), rc = OH_E_IO;
    union oh__sockaddr to, from = {.sa.sa_family = AF_UNSPEC};
    socklen_t n = oh__sockaddr_of(peer, &to), room = sizeof(from);

    if (fd < 0)
        return OH_E_IO;
    /* Connecting a datagram socket looks the route up, and no more. */
    if (connect(fd, &to.sa, n) == 0 && getsockname(fd, &from.sa, &room) == 0) {
        *out = oh__addr_of(&from);
        out->port = 0;
        rc = OH_OK;
    }
    close(fd);
    return rc;
}

void oh__host_name(char *out, size_t cap)
{
    if (cap == 0)
        return;
    /* A name that was cut would be another machine's. */
    if (gethostname(out, cap) != 0 || !memchr(out, '\0', cap))
        out[0] = '\0';
}
