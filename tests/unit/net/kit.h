/* What the tests of net share: real sockets on loopback, ports chosen by the kernel, bounded waits.
 */
#ifndef TESTS_NET_KIT_H
#define TESTS_NET_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <cmocka.h>

#include "net/net.h"
#include "net/system.h"

#define MS UINT64_C(1000000)

struct kit {
    struct oh__net_options options;
    struct oh__net_shared *shared;
    struct oh__net *net; /* worker 0 */
};

/* Adds a listener ("127.0.0.1:0"). */
void kit_listen(struct kit *k, uint8_t transport, const char *addr);

/* Opens with k->options and makes worker 0. */
void kit_open(struct kit *k);

/* Ends worker 0 and closes. */
void kit_close(struct kit *k);

/* The next input of a kind within ms; others are dropped. */
bool kit_next(struct oh__net *net, enum oh__net_kind kind, struct oh__net_input *in, unsigned ms);

/* Lets the net run for ms; returns how many inputs of a kind came. */
unsigned kit_run(struct oh__net *net, enum oh__net_kind kind, unsigned ms);

/* The address of a listener. */
struct oh_addr kit_addr(const struct kit *k, unsigned listener);

/* A flow to a peer from a listener. */
struct oh_flow kit_flow(const struct kit *k, unsigned listener, const struct oh_addr *peer);

/* An address of text with port. */
struct oh_addr kit_parse(const char *text);

/* A blocking socket (2 s at most) bound to an address; *bound may be NULL. */
int kit_socket(int type, const char *addr, struct oh_addr *bound);

/* Connects a new TCP socket to an address. */
int kit_connect(const struct oh_addr *to);

/* Sends text to a UDP peer. */
void kit_sendto(int fd, const struct oh_addr *to, struct oh_span bytes);

/* Receives a datagram; returns its length, -1 when none came. */
ssize_t kit_recvfrom(int fd, char *out, size_t cap, struct oh_addr *from);

/* Writes all of it to a stream. */
void kit_write(int fd, const char *text, size_t n);

/* Reads until n bytes are there or the stream ends; returns how many. */
size_t kit_read(int fd, char *out, size_t n);

/* True when the stream ends within the socket's time-out, whatever is left in it. */
bool kit_ended(int fd);

/* A port on 127.0.0.1 or ::1 where nobody listens, nor will until this process ends. */
struct oh_addr kit_closed_port(int type, const char *addr);

/* A MESSAGE request with a body of n bytes of 'x'; returns its length. */
size_t kit_message(char *out, size_t cap, unsigned cseq, size_t body);

/* The worker's counters. */
struct oh__net_stats kit_stats(const struct kit *k);

#endif
