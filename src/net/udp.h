/* Inside datagrams: what receiving, sending and errors know of each other. */
#ifndef OH_NET_UDP_H
#define OH_NET_UDP_H

#include <netinet/in.h>

#include "base/hash.h"
#include "net/sock.h"
#include "net/watch.h"
#include "net/worker.h"

#define OH__UDP_BATCH   64    /* datagrams per system call */
#define OH__UDP_CONTROL 128   /* bytes of ancillary data: packet info, length of a run */
#define OH__UDP_PAYLOAD 65507 /* the largest datagram that IPv4 carries */

struct oh__udp_rx;
struct oh__udp_tx;

struct oh__udp {
    struct oh__net *net;
    unsigned sockets;                /* listeners, of any transport */
    int fds[OH__NET_LISTENERS_MAX];  /* -1 when the listener is not UDP */
    bool any[OH__NET_LISTENERS_MAX]; /* bound to the wildcard address */
    struct oh__udp_rx *rx;
    struct oh__udp_tx *tx;
    struct oh__watch *watch;
};

/* Reads ICMP errors off a socket's queue, at most a batch; returns how many there were. */
unsigned oh__udp_errors(struct oh__udp *udp, unsigned listener);

/* Makes the receiving part. NULL on failure. */
struct oh__udp_rx *oh__udp_rx_new(void);

/* Ends the receiving part. NULL is ignored. */
void oh__udp_rx_free(struct oh__udp_rx *rx);

/* Whether the kernel cuts what is sent on this socket into datagrams when told to (UDP_SEGMENT). */
bool oh__udp_has_runs(int fd);

/* Makes the sending part; bulk is the option of this name, runs what oh__udp_has_runs has said.
 * NULL on failure. */
struct oh__udp_tx *oh__udp_tx_new(bool bulk, bool runs);

/* For a minute each datagram to this peer goes by itself: an ICMP error is about one then, and a
 * narrow way takes it. */
void oh__udp_tx_single(struct oh__udp_tx *tx, const struct oh_addr *peer);

/* Ends the sending part. NULL is ignored. */
void oh__udp_tx_free(struct oh__udp_tx *tx);

#endif
