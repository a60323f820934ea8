/* Inside connections: what accepting, reading, writing and ending know of each other. */
#ifndef OH_NET_TCP_H
#define OH_NET_TCP_H

#include "net/sock.h"
#include "net/worker.h"

/* Messages taken from one connection per round. */
#define OH__ROUND_MESSAGES 16

/* Bytes that wait to be sent. */
struct oh__chunk {
    struct oh__chunk *next;
    uint32_t n, at; /* bytes in all, and how many have left */
    unsigned from;  /* the worker that asked */
    uint64_t ticket;
    char bytes[];
};

enum oh__conn_state {
    OH__CONN_CONNECTING,
    OH__CONN_OPEN,
    OH__CONN_DOOMED, /* framing is lost: nothing is read, one reply may still leave */
    OH__CONN_LINGER, /* our side is shut; what comes is thrown away, so that no reset overtakes the
                        reply */
    OH__CONN_DEAD,   /* closed, to be buried when the round is over */
};

struct oh__conn {
    struct oh__alarm alarm;
    struct oh__conn *by_id;      /* chain of the id table */
    struct oh__conn *next_ready; /* has bytes to be framed */
    struct oh__conn *next_used;  /* was read or doomed in this round */
    struct oh__conn *next_grave;
    uint64_t handle, entry; /* in the worker's pool and in the shared table */
    int fd;
    uint32_t events; /* what epoll waits for */
    enum oh__conn_state state;
    struct oh_flow flow;
    bool is_accepted, is_kept, is_ready, is_used;
    bool has_ended;   /* the peer has sent its last byte */
    bool is_told;     /* the user may know its id */
    bool is_watched;  /* the user may wait for what comes on it: its end is told */
    bool has_replied; /* something was sent since it was doomed */
    unsigned budget;  /* messages it may still deliver in this round */
    struct {
        char *p;
        uint32_t cap, at, n; /* bytes at .. n are not framed yet */
        uint32_t seen;       /* no line ends between `at` and here have not been tried */
        uint32_t need;       /* bytes from `at` that the next message has; 0 = unknown */
        unsigned blanks;     /* CRLFs in a row between messages */
    } rx;
    struct {
        struct oh__chunk *head, *tail;
        uint32_t n; /* bytes waiting */
    } tx;
    uint32_t discarded;  /* bytes thrown away since our side was shut */
    uint64_t active;     /* ns; last message, keep-alive or send */
    uint64_t message_at; /* ns; when the message being received must be whole, or OH__NEVER */
    uint64_t stall_at;   /* ns; when waiting bytes must have moved, or OH__NEVER */
    uint64_t state_at;   /* ns; end of CONNECTING, DOOMED, LINGER, or OH__NEVER */
};

struct oh__conn_queue {
    struct oh__conn *head, *tail;
};

struct oh__tcp {
    struct oh__net *net;
    struct oh__pool *pool;
    struct oh__conn **ids; /* buckets by flow id */
    uint32_t ids_mask;
    uint32_t rx_most;            /* bytes of a receive buffer */
    struct oh__conn_queue ready; /* to be framed in this round */
    struct oh__conn_queue later; /* have had their share of this round */
    struct oh__conn *used, *graves;
    uint64_t rested_at;      /* ns: when memory was given back last */
    struct oh__alarm resume; /* while accepting is paused */
    int spare;               /* a descriptor to give up when there are no more */
};

/* Makes the connection for a descriptor and puts it into the loop; NULL on failure (the descriptor
 * stays open). */
struct oh__conn *oh__conn_new(struct oh__tcp *tcp, int fd, const struct oh__conn_name *name,
                              const struct oh_flow *flow, enum oh__conn_state state);

/* The living connection of this worker with a flow id, or NULL. */
struct oh__conn *oh__conn_find(const struct oh__tcp *tcp, uint64_t id);

/* Ends a connection at once: what waits to be sent fails with `result`, the user is told, memory
 * follows later. */
void oh__conn_kill(struct oh__tcp *tcp, struct oh__conn *c, int result);

/* Framing is lost: stop reading, wait for the reply. */
void oh__conn_doom(struct oh__tcp *tcp, struct oh__conn *c);

/* The reply has left: end our side, and wait a little for the peer's. */
void oh__conn_linger(struct oh__tcp *tcp, struct oh__conn *c);

/* Moves the timer to the earliest of the connection's deadlines, if that is earlier than it was. */
void oh__conn_arm(struct oh__tcp *tcp, struct oh__conn *c);

/* Makes epoll wait for what the connection's state asks for. */
void oh__conn_interest(struct oh__tcp *tcp, struct oh__conn *c);

/* Marks a connection for the clean-up at the end of the round. */
void oh__conn_use(struct oh__tcp *tcp, struct oh__conn *c);

/* Appends to a queue of ready connections, unless it is in one. */
void oh__conn_enqueue(struct oh__conn_queue *q, struct oh__conn *c);

/* Reads what has come, a bounded amount. */
void oh__conn_read(struct oh__tcp *tcp, struct oh__conn *c);

/* Throws away what comes on a connection that lingers, up to a bound; beyond it the connection is
 * killed. */
void oh__conn_discard(struct oh__tcp *tcp, struct oh__conn *c);

/* Sends or queues bytes. */
void oh__conn_write(struct oh__tcp *tcp, struct oh__conn *c, struct oh_span bytes, unsigned from,
                    uint64_t ticket);

/* Sends what waits, as far as the kernel takes it. */
void oh__conn_flush(struct oh__tcp *tcp, struct oh__conn *c);

/* A connection that was being opened has come to a result. */
void oh__conn_connected(struct oh__tcp *tcp, struct oh__conn *c);

/* Gives the chunks that wait back; each with a ticket fails with `result`. */
void oh__conn_drop_chunks(struct oh__tcp *tcp, struct oh__conn *c, int result);

#endif
