/* Inside one worker: what the parts of struct oh__net know of each other. */
#ifndef OH_NET_WORKER_H
#define OH_NET_WORKER_H

#include <stdatomic.h>

#include "base/cbuf.h"
#include "base/pool.h"
#include "base/wheel.h"
#include "net/shared.h"

/*
 * What an epoll event is about: the top byte of its 64 bits. Connections are
 * pool handles with this tag, so an event of a connection that was closed
 * earlier in the same batch finds nothing.
 */
enum oh__tag {
    OH__TAG_CONN = 1,
    OH__TAG_UDP,    /* low bits: listener */
    OH__TAG_LISTEN, /* low bits: listener */
    OH__TAG_DNS,    /* low bits: descriptor */
    OH__TAG_MAIL,
};

/* The data of an epoll event that is not a pool handle. */
static inline uint64_t oh__tagged(enum oh__tag tag, uint64_t low)
{
    return (uint64_t)tag << 56 | low;
}

/* A timer of the worker's wheel; kind tells in what it is embedded. */
enum oh__alarm_kind { OH__ALARM_CONN, OH__ALARM_LISTENERS, OH__ALARM_LOOKUP };

struct oh__alarm {
    struct oh__timer timer;
    enum oh__alarm_kind kind;
};

/* X(name): those numbers of struct oh__net_stats that are counted here, each by its worker alone.
 */
#define OH__COUNTERS(X)           \
    X(rx_datagrams)               \
    X(rx_bytes)                   \
    X(tx_datagrams)               \
    X(tx_bytes)                   \
    X(rx_stream_messages)         \
    X(tx_stream_messages)         \
    X(send_errors)                \
    X(connections_opened)         \
    X(connections_accepted)       \
    X(connections_refused_limit)  \
    X(connections_refused_source) \
    X(slow_peers_closed)          \
    X(idle_closed)                \
    X(framing_closed)             \
    X(dns_queries)                \
    X(dns_timeouts)               \
    X(dns_cache_hits)

struct oh__counters {
#define OH__COUNTER_FIELD(name) atomic_uint_fast64_t name;
    OH__COUNTERS(OH__COUNTER_FIELD)
#undef OH__COUNTER_FIELD
    atomic_uint_fast32_t connections;
};

/* Adds to a counter. There is one writer, so load and store do, without a locked instruction. */
static inline void oh__count(atomic_uint_fast64_t *c, uint64_t n)
{
    atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

/* Something to tell the user that needs no more than this. */
struct oh__notice {
    enum oh__net_kind kind; /* FAILED, CLOSED, WOKEN, RESOLVED (a numeric host, or a look-up that
                               could not start) */
    int result;
    uint64_t ticket;
    struct oh_flow flow; /* of a numeric host: flow.peer is the address */
};

struct oh__udp;
struct oh__tcp;
struct oh__dns;

struct oh__net {
    struct oh__net_shared *shared;
    const struct oh__net_options *options;
    unsigned worker;
    int epoll;
    uint64_t now; /* ns; read once per wait */
    struct oh__wheel *wheel;
    struct oh__blocks *blocks; /* bytes of connections */
    struct oh__udp *udp;
    struct oh__tcp *tcp;
    struct oh__dns *dns;
    struct oh__bag bag; /* letters being read */
    struct {
        struct oh__notice *items;
        size_t next, n, cap;
    } notices;
    struct oh_msg msg; /* of the input taken last */
    struct oh__counters counters;
};

/* Adds a descriptor to the loop. OH_OK or OH_E_IO. */
int oh__loop_add(struct oh__net *net, int fd, uint32_t events, uint64_t data);

/* Changes what a descriptor in the loop waits for. */
void oh__loop_change(struct oh__net *net, int fd, uint32_t events, uint64_t data);

/* Takes a descriptor out of the loop, before it is closed. */
void oh__loop_remove(struct oh__net *net, int fd);

/* Queues a notice for oh__net_take. When the heap fails it is lost; transaction timers cover that.
 */
void oh__notify(struct oh__net *net, const struct oh__notice *notice);

/* A send has failed for good: counted, and reported to the worker that asked when it had a ticket.
 */
void oh__send_failed(struct oh__net *net, unsigned from, uint64_t ticket, int result,
                     const struct oh_flow *flow);

/* ---- udp.c: datagrams ---- */

/* Takes over the worker's UDP sockets. OH_OK, OH_E_NOMEM, OH_E_IO. */
int oh__udp_new(struct oh__net *net, struct oh__udp **out);

/* Ends datagrams; the sockets stay open. NULL is ignored. */
void oh__udp_free(struct oh__udp *udp);

/* The slots of the last round may be used again. */
void oh__udp_begin(struct oh__udp *udp);

/* When it has memory to give back (ns), which the next round then does; OH__NEVER: it has none. */
uint64_t oh__udp_rest_at(const struct oh__udp *udp);

/* A socket has something to read or an error; events is epoll's. */
void oh__udp_ready(struct oh__udp *udp, unsigned listener, uint32_t events);

/* Reads from the sockets that are ready, in turns. */
void oh__udp_read(struct oh__udp *udp);

/* The next datagram; false when there is none. */
bool oh__udp_take(struct oh__udp *udp, struct oh__net_input *in);

/* Queues a datagram; see oh__net_send_in. */
void oh__udp_send(struct oh__udp *udp, const struct oh_flow *flow, struct oh_span bytes,
                  uint64_t ticket, unsigned lane);

/* Sends what is queued; true when all of it left. */
bool oh__udp_flush(struct oh__udp *udp);

/* Another worker's socket has got an ICMP error about a datagram to this peer. */
void oh__udp_unreachable(struct oh__udp *udp, const struct oh_flow *flow, uint64_t mark);

/* ---- tcp.h has the connections; these are their events ---- */

/* Takes over the worker's listening sockets. OH_OK, OH_E_NOMEM, OH_E_IO. */
int oh__tcp_new(struct oh__net *net, struct oh__tcp **out);

/* Closes all connections. NULL is ignored. */
void oh__tcp_free(struct oh__tcp *tcp);

/* Buries the connections that ended in the last round and frees the bytes that were taken. */
void oh__tcp_begin(struct oh__tcp *tcp);

/* True when there are messages left over from the last round. */
bool oh__tcp_pending(const struct oh__tcp *tcp);

/* When it has buffers to give back (ns); OH__NEVER: it has none. */
uint64_t oh__tcp_rest_at(const struct oh__tcp *tcp);

/* A listening socket is ready. */
void oh__tcp_accept(struct oh__tcp *tcp, unsigned listener);

/* A connection is ready. */
void oh__tcp_ready(struct oh__tcp *tcp, uint64_t handle, uint32_t events);

/* A connection's timer is due. */
void oh__tcp_expire(struct oh__tcp *tcp, struct oh__alarm *alarm);

/* Accepting, paused for want of descriptors, begins again. */
void oh__tcp_resume(struct oh__tcp *tcp);

/* The next message of a stream; false when there is none. */
bool oh__tcp_take(struct oh__tcp *tcp, struct oh__net_input *in);

/* Opens a connection that no send finds by its peer: what oh__net_connect promises. */
int oh__tcp_connect(struct oh__tcp *tcp, struct oh_flow *flow);

/* Sends on a connection of this worker, hands to its owner, or opens one; from is the worker that
 * asked. */
void oh__tcp_send(struct oh__tcp *tcp, const struct oh_flow *flow, struct oh_span bytes,
                  unsigned from, uint64_t ticket);

/* Exempts a connection of this worker from the idle time-out, or not; its end is told from the
 * first keep on, at once when it has gone already. */
void oh__tcp_keep(struct oh__tcp *tcp, const struct oh_flow *flow, bool keep);

/* Accepts what has connected already and closes the listening sockets. */
void oh__tcp_stop_accepting(struct oh__tcp *tcp);

/* ---- dns.c: names ---- */

/* Makes the resolver. OH_OK, OH_E_NOMEM, OH_E_IO. */
int oh__dns_new(struct oh__net *net, struct oh__dns **out);

/* Ends the resolver; look-ups in flight are forgotten. NULL is ignored. */
void oh__dns_free(struct oh__dns *dns);

/* Starts a look-up, or answers it at once. */
void oh__dns_resolve(struct oh__dns *dns, struct oh_span host, uint64_t ticket);

/* One of the resolver's sockets is ready. */
void oh__dns_ready(struct oh__dns *dns, int fd, uint32_t events);

/* Lets the resolver repeat queries that are due. */
void oh__dns_poll(struct oh__dns *dns);

/* A look-up's time is over. */
void oh__dns_expire(struct oh__dns *dns, struct oh__alarm *alarm);

/* When oh__dns_poll has something to do (ns), or OH__NEVER. */
uint64_t oh__dns_deadline(struct oh__dns *dns);

/* True when an answer waits to be taken. */
bool oh__dns_pending(const struct oh__dns *dns);

/* The next answer; false when there is none. */
bool oh__dns_take(struct oh__dns *dns, struct oh__net_input *in);

#endif
