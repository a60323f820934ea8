/*
 * The edge to the operating system. One oh__net belongs to one worker: an
 * epoll loop, the worker's sockets, its connections, its resolver. It has the
 * shape of the other doors: wait, take what arrived, call down to send,
 * flush. Nothing in here blocks but oh__net_wait.
 *
 * The owner of a stream is the worker that opened or accepted it; any worker
 * may send on it: the bytes are handed to the owner.
 */
#ifndef OH_NET_NET_H
#define OH_NET_NET_H

#include <offhook/error.h>
#include <offhook/flow.h>
#include <offhook/msg.h>

#define OH__NET_LISTENERS_MAX 64
#define OH__NET_ADDRS_MAX     16
#define OH__NET_LANES         64
#define OH__NET_ROUND         256 /* datagrams between two waits at most; as many: more may wait */

struct oh__net;
struct oh__net_shared; /* what all workers of a process have in common: table of connections, limits
                          per source */

struct oh__listener {
    uint8_t transport; /* UDP or TCP */
    struct oh_addr
        addr; /* may be 0.0.0.0 or ::; port 0 = chosen by the kernel, see oh__net_listener */
};

/* Zero means default. Times in ns, sizes in bytes. */
struct oh__net_options {
    struct oh__listener listeners[OH__NET_LISTENERS_MAX];
    unsigned listeners_n;
    unsigned workers;                /* 1 .. 64 */
    uint32_t rcvbuf;                 /* UDP receive buffer; 16 MiB, forced when privileged */
    uint32_t connections_max;        /* 10,000 in all */
    uint32_t connections_per_source; /* 256 */
    uint64_t message_timeout;        /* from the first byte of a message to its last; 10 s */
    uint64_t idle_timeout;    /* without a message or keep-alive, not for registered flows; 300 s */
    uint64_t connect_timeout; /* 5 s */
    uint32_t
        send_queue_max; /* waiting bytes per connection; 1 MiB; beyond: closed as a slow peer */
    struct oh_msg_limits stream_limits; /* message default 262,144 on streams */
    const char *nameservers;            /* NULL: the system's; "127.0.0.1:5353" for tests */
    uint64_t dns_timeout;               /* 5 s for a whole look-up */
    bool exact_wait; /* wake at the deadline itself, not at the next full millisecond; for load
                        generators, which would measure the difference */
    bool bulk; /* every datagram has a lane of its own (oh__net_send_in); for load generators */
};

/*
 * Opens all listeners for all workers (SO_REUSEPORT, forced receive buffers) before privileges are
 * dropped. On failure *why (size cap) tells which address and what to do ("port 5060 is in use by
 * another program: ..."). OH_OK, OH_E_BUSY, OH_E_DENIED, OH_E_IO, OH_E_NOMEM; OH_E_UNSUPPORTED for
 * a transport that is not UDP or TCP, and an address or address family that this machine does not
 * have; OH_E_RANGE or OH_E_LIMIT for options beyond the bounds.
 */
int oh__net_open(const struct oh__net_options *options, struct oh__net_shared **out, char *why,
                 size_t cap);

/* False when this machine has no such address, or not even its family: then a listener on it is
 * OH_E_UNSUPPORTED. Ports do not matter. */
bool oh__net_has_address(const struct oh_addr *addr);

/* Closes everything; all workers must have ended. NULL is ignored. */
void oh__net_close(struct oh__net_shared *shared);

/* A sentence that names the sysctl when the kernel gave a smaller receive buffer than asked, else
 * NULL. */
const char *oh__net_warning(const struct oh__net_shared *shared);

/* The address a listener is really bound to (its port when 0 was asked). */
struct oh_addr oh__net_listener(const struct oh__net_shared *shared, unsigned listener);

/* The worker's part. OH_OK or OH_E_*. */
int oh__net_new(struct oh__net_shared *shared, unsigned worker, struct oh__net **out);

/* Ends the worker's part, its connections included. NULL is ignored. */
void oh__net_free(struct oh__net *net);

enum oh__net_kind {
    OH__NET_DATAGRAM, /* flow, bytes */
    OH__NET_MESSAGE,  /* flow, bytes, msg, parsed, fault: one message of a stream, framed. After a
                         framing error the connection is closed by net once the reply has been sent
                         (TRN-015) */
    OH__NET_RESOLVED, /* ticket, addrs, result: OH_OK, OH_E_NOTFOUND, OH_E_TIMEOUT, OH_E_IO (the
                         name server fails), OH_E_FULL (too many look-ups) */
    OH__NET_FAILED,   /* ticket, flow, result: a send with a ticket failed for good; comes to the
                         worker that sent. OH_E_TIMEOUT (nobody answered, or a slow peer), OH_E_IO
                         (refused, broken, gone, no socket for it), OH_E_LIMIT (larger than a
                         datagram), OH_E_UNSUPPORTED (transport) */
    OH__NET_CLOSED,   /* flow: this stream has ended. Told only of streams that somebody can wait
                         for: one that a request with a ticket went to (its response comes on the
                         stream), or that oh__net_keep(true) was called for. Whoever connects, asks
                         and goes leaves no trace above */
    OH__NET_WOKEN,    /* oh__net_wake was called from another thread */
};

struct oh__net_input {
    enum oh__net_kind kind;
    int result; /* OH_OK or OH_E_* */
    uint64_t ticket;
    struct oh_flow flow;
    struct oh_span bytes; /* valid until the next oh__net_wait */
    struct oh_msg *msg;   /* valid until the next oh__net_take */
    int parsed;
    struct oh_fault fault;
    unsigned addrs_n;
    struct oh_addr addrs[OH__NET_ADDRS_MAX]; /* AAAA and A, ports 0, in the order to try */
};

/* Waits until something arrives or the deadline (ns, OH_NEVER) passes, and reads a batch. OH_OK or
 * OH_E_IO. */
int oh__net_wait(struct oh__net *net, uint64_t deadline);

/* The next thing that arrived; false when there is none. */
bool oh__net_take(struct oh__net *net, struct oh__net_input *in);

/*
 * Queues bytes for a flow (copied). Datagrams go with oh__net_flush, from the address flow.local on
 * the listener's socket. A stream with id 0 reuses a connection to flow.peer or opens one; a stream
 * id of a connection that has gone is a failure. Failures of sends with a ticket come back as
 * OH__NET_FAILED.
 */
void oh__net_send(struct oh__net *net, const struct oh_flow *flow, struct oh_span bytes,
                  uint64_t ticket);

/*
 * The same, for a sender of many independent messages. Datagrams of one flush that have one length
 * and one peer leave together, at a fraction of the cost, and so before others; within a lane
 * (modulo OH__NET_LANES; oh__net_send has lane 0) they keep their order.
 */
void oh__net_send_in(struct oh__net *net, unsigned lane, const struct oh_flow *flow,
                     struct oh_span bytes, uint64_t ticket);

/* Sends what is queued (sendmmsg; batches for peers of one socket). */
void oh__net_flush(struct oh__net *net);

/*
 * Opens one more connection to flow->peer and writes its id into flow. Sends without an id do not
 * find it: for generators, which are many phones in one. Its end will be told (OH__NET_CLOSED);
 * when nobody answers at all, sends on it fail. OH_OK, OH_E_FULL, OH_E_NOMEM, OH_E_IO (refused at
 * once, no route), OH_E_UNSUPPORTED for a transport that is not TCP; OH_E_BUSY when a send without
 * an id has opened one to this peer.
 */
int oh__net_connect(struct oh__net *net, struct oh_flow *flow);

/* Looks a name up (A and AAAA through c-ares, cached by TTL, negative answers too); the answer
 * comes as OH__NET_RESOLVED. */
void oh__net_resolve(struct oh__net *net, struct oh_span host, uint64_t ticket);

/* Makes oh__net_wait of that worker return with OH__NET_WOKEN; callable from any thread. */
void oh__net_wake(struct oh__net *net);

/*
 * Marks a stream as registered: no idle time-out while a binding uses it, and its end will be told
 * (OH__NET_CLOSED), also when it is unmarked again. Keeping one that has ended already brings
 * OH__NET_CLOSED too, so the caller may store the binding first and never waits for an end that has
 * passed.
 */
void oh__net_keep(struct oh__net *net, const struct oh_flow *flow, bool keep);

/*
 * For draining: accepts what has connected already, then closes this worker's TCP listeners. UDP
 * sockets stay open, so the kernel steers datagrams of calls in progress nowhere else.
 */
void oh__net_stop_accepting(struct oh__net *net);

struct oh__net_stats {
    uint64_t rx_datagrams, rx_bytes, tx_datagrams, tx_bytes, rx_stream_messages, tx_stream_messages;
    uint64_t
        kernel_drops; /* datagrams that the kernel had no room for, since the sockets were opened */
    uint64_t send_errors, connections_opened, connections_accepted, connections_refused_limit,
        connections_refused_source;
    uint64_t slow_peers_closed, idle_closed, framing_closed, dns_queries, dns_timeouts,
        dns_cache_hits;
    uint32_t connections; /* now */
};

/* What happened so far; callable from any thread. */
void oh__net_stats(const struct oh__net *net, struct oh__net_stats *out);

#endif
