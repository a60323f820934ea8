/* Between addresses of the core and those of the operating system. */
#ifndef OH_NET_SOCK_H
#define OH_NET_SOCK_H

#include <offhook/addr.h>

#include <netinet/in.h>
#include <sys/socket.h>

/* Room for the addresses we speak; sockaddr_storage would be four times as large. */
union oh__sockaddr {
    struct sockaddr sa;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/* Fills a socket address; returns its length in bytes, 0 for an address without a family. */
socklen_t oh__sockaddr_of(const struct oh_addr *a, union oh__sockaddr *out);

/* Reads a socket address; one of another family becomes OH_FAMILY_NONE. */
struct oh_addr oh__addr_of(const union oh__sockaddr *sa);

/* The address family of a socket for this address (AF_INET, AF_INET6), AF_UNSPEC without one. */
int oh__family_of(const struct oh_addr *a);

/* Sets an integer option; false when the kernel refuses. */
bool oh__sock_set(int fd, int level, int option, int value);

/* What every TCP socket of ours has: small messages leave at once, and dead peers are found. */
void oh__sock_stream_options(int fd);

#endif
