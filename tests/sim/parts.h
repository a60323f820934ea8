/*
 * What the files of the world share among themselves. Tests see world.h only.
 *
 * One step of the world: everything that arrives at one moment is given to
 * whom it is for, then what is due at that moment runs, then the server
 * commits its journal once and lets the replies go that waited for it. That is
 * the order in which a worker of the host does it.
 */
#ifndef OH_TESTS_SIM_PARTS_H
#define OH_TESTS_SIM_PARTS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include "unit/alloc_fail.h"
#include "world.h"

#define WORLD_MS      UINT64_C(1000000)
#define WORLD_SECOND  UINT64_C(1000000000)
#define WORLD_SHARDS  64
#define WORLD_WHY     1024
#define WORLD_WORKERS 4

/* ---- text that grows ---- */

struct world_text {
    char *p; /* terminated */
    size_t n, cap;
};

/* Appends; as vprintf. */
void world_text_add(struct world_text *t, const char *format, va_list args);

/* ---- what is under way ---- */

enum event_kind {
    EVENT_DATAGRAM, /* bytes between server and peer */
    EVENT_STREAM,   /* the next bytes of a connection */
    EVENT_CLOSE,    /* the other side has ended the connection */
    EVENT_BREAK,    /* the connection breaks for both sides */
    EVENT_ANSWER,   /* a look-up, or a send that failed */
};

struct event {
    uint64_t at, seq; /* order: time, then the order of sending */
    enum event_kind kind;
    bool to_server;
    struct oh_flow flow; /* as the server sees it */
    uint64_t conn;
    char *bytes; /* heap */
    size_t n;
    uint64_t ticket; /* ANSWER */
    unsigned worker; /* likewise: who asked */
    unsigned life;   /* of the server, that asked: a restarted one gets no old answers */
    int result;
    unsigned addrs_n;
    struct oh_addr addrs[8];
};

/* One stream between the server and a peer. */
struct conn {
    uint64_t id; /* for the server; 1, 2, 3 ... */
    struct peer *peer;
    struct oh_flow flow;
    bool open;
    bool broken; /* half a message is on its way, and nothing comes behind it */
    uint64_t to_server_at, to_peer_at;    /* the last piece's arrival: order is kept */
    struct world_text to_server, to_peer; /* arrived, not framed yet */
    struct conn *next;
};

struct name {
    char host[256];
    bool mute; /* the resolver never answers */
    unsigned n;
    struct oh_addr addrs[8];
    struct name *next;
};

struct network {
    struct network_faults faults;
    bool (*lose)(void *ctx, bool to_server, const struct oh_addr *peer, struct oh_span bytes);
    void *lose_ctx;
    struct event *heap; /* binary, earliest first */
    size_t n, cap;
    uint64_t seq;
    char *arriving; /* bytes of the event that is being delivered */
    struct conn *conns;
    uint64_t conns_n;
    struct name *names;
    struct oh_addr refused[16];
    unsigned refused_n;
    bool closed; /* a message to where nobody ever was fails the case */
};

/* ---- the server ---- */

struct journal_record {
    char *aor, *record;
    size_t aor_n, record_n;
    uint64_t version;
};

/* Stands where the server believes an oh__journal; see journal.c. */
struct journal {
    uint64_t magic;
    struct world *world;
    unsigned append_faults, commit_faults; /* percent */
    struct journal_record *pending, *committed;
    unsigned pending_n, pending_cap, committed_n, committed_cap;
    unsigned commits;
};

struct held_send {
    struct oh_flow flow;
    uint64_t ticket;
    char *bytes;
    size_t n;
};

/* What one thread of the host has for itself. */
struct worker {
    unsigned index;
    struct oh__serve_env env;
    struct journal journal; /* when there is one, and no disk */
    struct held_send *held;
    unsigned held_n, held_cap;
    uint64_t wake[WORLD_SHARDS]; /* when it has promised to look at a shard again */
    uint64_t busy_until;         /* it waits for its disk; 0 = it does not */
    uint64_t adopt_at;           /* it has new settings from then on */
};

/* A state directory and the store in it; see disk.c. */
struct disk {
    struct world *world; /* NULL: there is none */
    struct oh__store *store;
    char dir[64];
    unsigned write_faults; /* percent */
    bool full;             /* nothing can be allocated */
    bool dead, last_gasp;
    unsigned dies_in; /* calls; 0 = it does not */
    uint64_t next;    /* maintenance, ns */
    struct oh__location_cursor cursor;
    struct oh_arena arena;
};

struct server {
    struct test_heap heap;
    struct oh__settings *own_settings;
    struct oh__shared shared;
    struct oh__serve *shards[WORLD_SHARDS];
    unsigned shards_n, workers_n;
    struct worker workers[WORLD_WORKERS];
    unsigned at_work; /* the worker that runs now */
    unsigned slow_percent, slow_ms;
    int64_t jumped;           /* ms by which somebody has set the system clock */
    struct oh__serve_env env; /* the newest of everything */
    struct oh_hasher hasher;
    struct disk disk;
    unsigned life; /* counts restarts */
    struct oh_msg msg;
    struct account_copy *accounts; /* come back after a restart */
};

/* ---- the world ---- */

struct invariants;

struct world {
    struct world_options options;
    struct oh__rng rng;
    uint64_t now, started;
    uint64_t wall_started;
    struct network network;
    struct server server;
    struct peer *peers;
    struct invariants *invariants;
    struct world_text ladder;
    uint64_t trace; /* hash of all that was sent, and when */
    struct deferred *deferred;
    void *kept; /* list of blocks that live as long as the world */
    /* Tampers with what the server says, before anybody sees it; true swallows it. */
    bool (*lie)(struct world *w, struct oh__serve_output *out);
    uint64_t lies;    /* since when, for those who want to know */
    bool hostile;     /* peers send damaged messages */
    bool streams_die; /* branches that waited on them are given up, and a late 2xx is a stray */
    bool lenient;     /* memory is made short: what was lost for that is no fault */
    unsigned check_every, checks; /* oh__serve_check costs time in large worlds; 0 = always */
    unsigned fresh;               /* for names that must differ */
    unsigned same_time;           /* steps without time passing */
    jmp_buf escape;
    bool trying;
    char why[WORLD_WHY];
};

/* Cleared memory that lives as long as the world. */
void *world_keep(struct world *w, size_t n);

/* A terminated copy with that life. */
char *world_keep_text(struct world *w, struct oh_span text);

/* The heap of the tests itself: stops the program when it is empty. */
void *world_grow(void *p, size_t n);

/* Calls end(arg) in world_free, when the server has ended. */
void world_defer(struct world *w, void (*end)(void *arg), void *arg);

/* ---- network.c ---- */

/* Ends it. */
void network_done(struct world *w);

/* Sends to the server, from a peer's address or on its stream. */
void network_to_server(struct world *w, struct peer *p, struct oh_span bytes);

/* Sends what the server wants sent. */
void network_from_server(struct world *w, const struct oh_flow *flow, struct oh_span bytes,
                         uint64_t ticket);

/* Answers a look-up of the server. */
void network_resolve(struct world *w, struct oh_span host, uint64_t ticket);

/* When the next thing arrives, OH_NEVER when nothing is on its way. */
uint64_t network_deadline(const struct world *w);

/* Delivers the next thing that is due; false when there is none. */
bool network_step(struct world *w);

/* Opens a stream between a peer and the server; by_server: the server has opened it. */
struct conn *network_open(struct world *w, struct peer *p, bool by_server);

/* Ends a stream; the other side hears of it behind everything that was sent. */
void network_close(struct world *w, struct conn *c, bool by_server);

/* All streams end, for a server that was killed: only the peers hear of it. */
void network_server_died(struct world *w);

/* ---- server.c ---- */

/* Starts and ends the server. */
void server_start(struct world *w);
void server_stop(struct world *w);

/* ---- pump.c ---- */

/* A message arrived; from a datagram, or framed (parsed into server.msg). */
void server_datagram(struct world *w, const struct oh_flow *flow, struct oh_span bytes);

/* Bytes of a stream arrived: frames and runs what is whole. */
void server_stream(struct world *w, struct conn *c);

/* A stream ended. */
void server_closed(struct world *w, const struct oh_flow *flow);

/* A look-up or a failed send. */
void server_answer(struct world *w, const struct event *e);

/* True when the worker that it is for is busy: e->at is when it comes to it. */
bool server_waits(struct world *w, struct event *e);

/* The earliest of all workers. */
uint64_t server_deadline(const struct world *w);

/* Looks at every shard once: what it said last is given back with the next visit only. */
void server_visit_all(struct world *w);

/* Ends the commits that have taken their time. */
void server_commits_due(struct world *w);

/* Runs what is due. */
void server_expire(struct world *w);

/* The end of a step: one commit per worker, then the replies that waited for it. */
void server_commit(struct world *w);

/* The replies that a worker holds never leave. */
void server_drop_held(struct worker *k);

/* ---- journal.c, disk.c ---- */

/* Starts an empty journal. */
void journal_init(struct journal *j, struct world *w);

/* What was appended but not committed is lost. */
void journal_forget(struct journal *j);

/* Ends the journal. */
void journal_done(struct journal *j);

/* Makes a state directory and opens the store in it for all workers. */
void disk_start(struct world *w);

/* The process is killed with what the store has not written; then another one opens it. */
void disk_kill(struct world *w);
void disk_restart(struct world *w);

/* What the host's maintenance does every few seconds. */
void disk_maintain(struct world *w);

/* Closes the store and removes the directory, if there is one. */
void disk_stop(struct world *w);

/* ---- peer.c ---- */

/* What makes a peer more than a letter box; any may be NULL. */
struct peer_ops {
    void (*receive)(void *self, const struct oh_flow *flow, struct oh_span bytes);
    void (*expire)(void *self);
    uint64_t (*deadline)(const void *self);
    void (*stop)(void *self); /* falls silent for world_finish */
    void (*done)(void *self);
    void (*closed)(void *self); /* its stream was ended by the other side */
};

struct letter {
    struct oh_span bytes; /* kept by the world */
    struct oh_msg *msg;   /* NULL: no message */
    bool taken, forgotten;
};

struct nonce_use {
    struct oh_span nonce;
    uint32_t nc;
    struct nonce_use *next;
};

struct peer {
    struct world *world;
    struct peer *next;
    char name[32], address[OH_ADDR_TEXT_MAX];
    struct oh_addr addr;
    uint16_t ports; /* of streams that it has opened */
    bool silent, stopped;
    struct conn *conn;
    const struct peer_ops *ops; /* NULL: a letter box */
    void *self;
    struct letter *letters;
    unsigned letters_n, letters_cap;
    size_t noise;
    char *request, *invite; /* the newest one's bytes; kept by the world */
    size_t request_n, invite_n;
    struct nonce_use *nonces;
};

/* The peer with this address; NULL: nobody. */
struct peer *peer_at(struct world *w, const struct oh_addr *addr);

/* Something arrived. flow as the peer sees it. */
void peer_receive(struct peer *p, const struct oh_flow *flow, struct oh_span bytes);

/* Framed messages of the peer's stream. */
void peer_stream(struct peer *p, struct conn *c);

/* Writes a request as peer_request does, without sending it; the bytes belong to the world. */
struct oh_span peer_write(struct peer *p, const struct peer_request *request);

/* The dialog parts of a message: first Contact's URI, Record-Route as Route rows. */
const char *peer_target_of(struct peer *p, const struct oh_msg *m);
const char *peer_routes_of(struct peer *p, const struct oh_msg *m, bool backwards);

/* The earliest of all peers, and what is due. */
uint64_t peers_deadline(const struct world *w);
void peers_expire(struct world *w);

/* Falls silent, all of them. */
void peers_stop(struct world *w);

/* Ends all. */
void peers_done(struct world *w);

/* ---- ladder.c ---- */

/* A message on its way; fate: "", "lost", "twice" and so on. */
void ladder_message(struct world *w, bool to_server, const struct oh_addr *peer,
                    struct oh_span bytes, const char *fate);

#endif
