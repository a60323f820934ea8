/*
 * The inside of a running server, for the files of host/. Who may touch what:
 * a shard belongs to whoever holds its lock; a worker's fields to its thread;
 * the store's accounts to the control thread (the main thread), or to the job
 * that it has started (control_job.c); the tables in `shared` lock themselves.
 *
 * Locks are taken in one order: a shard's; under it those of a table of
 * `shared`, one stripe at a time; under a stripe of the location table the
 * store's, when a journal needs another segment. The log, the table of
 * connections and the mailboxes of net come last and take no other. Nobody ever
 * holds two shards, and nobody waits for a peer or a condition while he holds
 * one.
 */
#ifndef OH_HOST_PROCESS_H
#define OH_HOST_PROCESS_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/wheel.h"
#include "host/config.h"
#include "host/host.h"
#include "host/log.h"
#include "host/policy_lua.h"
#include "host/shed.h"
#include "net/net.h"
#include "net/system.h"
#include "serve/serve.h"
#include "store/store.h"

#define OH__SHARDS       64
#define OH__LINE_SOURCES 256

struct oh__shard {
    _Alignas(64) pthread_mutex_t lock;
    struct oh__serve *serve;
};

struct oh__worker {
    struct oh__host *host;
    unsigned index;
    pthread_t thread;
    bool started;
    struct oh__net *net;
    struct oh__journal *journal;
    struct oh_hasher *hasher;
    struct oh__policy *policy;
    const struct oh__config *config; /* the snapshot this worker works with */
    uint32_t config_version;
    struct oh__serve_env env;
    struct oh_msg msg;         /* the datagram being parsed */
    uint64_t wake[OH__SHARDS]; /* when this worker looks at a shard again; OH_NEVER: another will,
                                  or nobody need */
    struct oh__held *held;     /* replies that wait for the journal's commit, hold.c */
    struct oh__pinger
        *pinger; /* worker 0: NAT keep-alives and round trips, pinger.c; NULL for the others */
    struct oh__shed shed;
    uint64_t shed_told; /* ns: when the log said so last; 0: never */
    _Atomic uint64_t rx_messages, rx_bad, rx_stray, rx_shed, commit_failures;
};

enum oh__phase { OH__PHASE_RUNNING, OH__PHASE_DRAINING, OH__PHASE_STOPPING };

struct oh__host {
    const struct oh__host_options *options;
    pthread_mutex_t config_lock;
    const struct oh__config *config; /* newest; under config_lock */
    _Atomic uint32_t config_version;
    struct oh__log *log;
    struct oh__store *store;
    struct oh__net_shared *net;
    struct oh__shared shared;
    struct oh__trace trace;
    /* Second since start << 16 | lines in it (host.c); the sources by their hash. */
    _Atomic uint64_t stranger_lines, source_lines[OH__LINE_SOURCES];
    struct oh__policy_shared *policy_shared;
    struct oh_hasher *hasher; /* of the control thread */
    struct oh__rng rng;       /* of the control thread */
    uint64_t purge_at;        /* ns: when old tombstones are looked for again; control thread */
    struct oh__shard shards[OH__SHARDS];
    struct oh__worker *workers;
    unsigned workers_n;
    _Atomic int phase;     /* enum oh__phase */
    uint64_t started_wall; /* ms */
    uint64_t started;      /* ns */
};

/*
 * The time by which things expire, ms since 1970: the wall clock as it was at the start, and then
 * the monotonic one, so that setting the system's clock expires nothing (decision 7).
 */
static inline uint64_t oh__host_wall(const struct oh__host *host, uint64_t now)
{
    return host->started_wall + (now - host->started) / OH__MS;
}

/* ---- worker.c ---- */

/* Makes a worker's parts and starts its thread. OH_OK or OH_E_*. */
int oh__worker_start(struct oh__host *host, unsigned index);

/* Waits for the thread and releases its parts. */
void oh__worker_join(struct oh__worker *worker);

/* Sends everything a shard wants to send; the shard's lock is held. */
void oh__worker_take(struct oh__worker *worker, unsigned shard);

/* ---- state.c ---- */

/* Opens the store, reads or makes the secrets, fills the tables. On failure a sentence is on
 * stderr. Exit status, 0 = fine. */
int oh__state_open(struct oh__host *host);

/* Releases what oh__state_open made. */
void oh__state_close(struct oh__host *host);

/* Compaction's source of records: walks the location table. ctx is a struct oh__state_cursor. */
struct oh__state_cursor {
    struct oh__location *location;
    struct oh__location_cursor at;
    struct oh_arena arena;
};

/* Starts a cursor at the beginning of the table. */
void oh__state_cursor_init(struct oh__state_cursor *cursor, struct oh__location *location);

/* Ends a cursor. */
void oh__state_cursor_done(struct oh__state_cursor *cursor);

/* The next record of the table (the `next` of oh__store_compact and oh__store_backup). OH_OK,
 * OH_E_ABSENT at the end, OH_E_NOMEM. */
int oh__state_next(void *ctx, struct oh_span *aor, uint64_t *version, struct oh_span *record);

/* ---- first.c ---- */

/* Makes the accounts 101 and 102 when there are none and nobody configured any; shows their
 * passwords once. Exit status. */
int oh__first_accounts(struct oh__host *host);

/* Prints where the server listens and how to connect a phone. */
void oh__first_banner(struct oh__host *host);

/* ---- reload.c ---- */

/*
 * Loads the configuration again and swaps it in. OH_OK, or OH_E_* with the report filled and
 * nothing changed; OH_E_DENIED when it would take authentication away from a listener that
 * strangers reach.
 */
int oh__host_reload(struct oh__host *host, struct oh__config_report *report);

/*
 * Without authentication only this machine may reach us, unless somebody says twice that he means
 * it. False with the text of the listener that strangers could use.
 */
bool oh__host_no_auth_safe(const struct oh__host_options *options,
                           const struct oh__settings *settings, char listener[OH_ADDR_TEXT_MAX]);

/* The newest configuration with a reference for the caller. */
const struct oh__config *oh__host_config(struct oh__host *host);

/* Moves on to draining or stopping; wakes all workers. Callable from the control thread. */
void oh__host_phase(struct oh__host *host, enum oh__phase phase);

#endif
