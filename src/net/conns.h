/*
 * The connections of all workers: which one leads to a peer, and how many
 * there are, in all and from each source. Guarded by one mutex that is taken
 * when a connection comes or goes and when one is looked for by peer, never
 * for the bytes on it.
 */
#ifndef OH_NET_CONNS_H
#define OH_NET_CONNS_H

#include <offhook/addr.h>
#include <offhook/error.h>

#define OH__WORKERS_MAX 64
#define OH__WORKER_BITS 6

struct oh__conns;

/* What the table knows a connection by. */
struct oh__conn_name {
    uint64_t id;    /* flow id */
    uint64_t entry; /* handle in the table, for oh__conns_leave */
};

/* Makes a table for at most `max` connections, `per_source` of them accepted from one source.
 * OH_OK, OH_E_NOMEM, OH_E_IO. */
int oh__conns_new(uint32_t max, uint32_t per_source, struct oh__conns **out);

/* Ends the table. NULL is ignored. */
void oh__conns_free(struct oh__conns *conns);

/*
 * Enters an accepted connection. OH_OK, OH_E_FULL (too many in all), OH_E_LIMIT (too many from its
 * source: an IPv4 address or an IPv6 /64, which is what one customer is given), OH_E_NOMEM.
 */
int oh__conns_accept(struct oh__conns *conns, unsigned worker, uint8_t transport,
                     const struct oh_addr *peer, struct oh__conn_name *out);

/*
 * Finds the connection to a peer, or reserves one for the worker to open (*fresh). Searching and
 * reserving are one step, so two workers never open two connections. OH_OK, OH_E_FULL, OH_E_NOMEM.
 */
int oh__conns_open(struct oh__conns *conns, unsigned worker, uint8_t transport,
                   const struct oh_addr *peer, struct oh__conn_name *out, bool *fresh);

/* The connection is not for new messages any more: it still counts, but is not found by its peer.
 */
void oh__conns_hide(struct oh__conns *conns, uint64_t entry);

/* The connection has gone. A stale entry is ignored. */
void oh__conns_leave(struct oh__conns *conns, uint64_t entry);

/* The worker that owns a connection. */
static inline unsigned oh__conn_worker(uint64_t id)
{
    return (unsigned)(id & (OH__WORKERS_MAX - 1));
}

#endif
