/*
 * What the files of the core share: the transaction object, the endpoint, and
 * the functions by which the door, the four machines and the table call each
 * other. Nothing here is visible to users of the core.
 *
 * A transaction is a record of 128 bytes, which is all that is left of it
 * after its final response, and a block with timers and the request beside it
 * while it is at work ("live"). When the work is done the block goes back and
 * the record joins a queue of completed ones; handle, place in the table and
 * address stay as they are, so that nothing has to be looked up again.
 */
#ifndef OH_CORE_INTERNAL_H
#define OH_CORE_INTERNAL_H

#include <assert.h>

#include <offhook/arena.h>
#include <offhook/endpoint.h>

#include "base/cbuf.h"
#include "base/hash.h"
#include "base/pool.h"
#include "base/trace.h"
#include "base/wheel.h"

/* The states of RFC 3261 figures 5 to 8 and RFC 6026. Terminated has no number: the object is gone
 * then. */
enum oh__ict_state { OH__ICT_CALLING, OH__ICT_PROCEEDING, OH__ICT_COMPLETED, OH__ICT_ACCEPTED };
enum oh__nict_state { OH__NICT_TRYING, OH__NICT_PROCEEDING, OH__NICT_COMPLETED };
enum oh__ist_state { OH__IST_PROCEEDING, OH__IST_COMPLETED, OH__IST_CONFIRMED, OH__IST_ACCEPTED };
enum oh__nist_state { OH__NIST_TRYING, OH__NIST_PROCEEDING, OH__NIST_COMPLETED };

enum oh__machine_id {
    OH__MACHINE_NONE, /* reserved: a handle and a branch, no request yet */
    OH__MACHINE_ICT,
    OH__MACHINE_NICT,
    OH__MACHINE_IST,
    OH__MACHINE_NIST,
    OH__MACHINE_COUNT
};

/* How a request is recognised (RFC 3261 17.2.3): a keyed MAC of branch and sent-by, or of what RFC
 * 2543 asks for. */
struct oh__key {
    uint64_t lo, hi;
};

struct oh__txn;

/* What a transaction needs until its final response. All times in ns; OH__NEVER = not running. */
struct oh__live {
    struct oh__timer timer; /* armed for the earliest of the times below */
    struct oh__txn *txn;
    union {
        uint64_t a, e, g; /* when to retransmit next */
    };
    union {
        uint64_t b, f, h; /* when to give up */
        uint64_t late;    /* NIST: nobody waits for a response any more (RFC 4320 4.2) */
    };
    union {
        uint64_t trying; /* servers: 100 is owed (RFC 3261 17.2.1, RFC 4320 4.1) */
        uint64_t guard;  /* ICT: 64*T1 after CANCEL (RFC 3261 9.1) */
    };
    struct oh__cbuf *aside; /* IST: the 100 for the case that nobody answers; ICT: rows for a CANCEL
                               that has to wait */
    uint32_t interval;      /* us between the last retransmission and the next */
    uint16_t payer;         /* who pays: cells of struct oh__payers, one byte each */
    uint16_t extra : 15;    /* what its texts count for beside itself, see payer.c */
    uint16_t charged : 1;   /* somebody pays */
};

struct oh__txn {
    union {
        struct oh__key key; /* in the table: servers and our CANCEL */
        struct {
            uint64_t nonce;   /* other clients: random part of our branch */
            uint64_t sent_by; /* keyed hash of our Via's sent-by */
        };
    };
    union {
        struct oh__txn *chain; /* next one in the table's bucket */
        uint64_t link;         /* clients outside the table: the user's */
    };
    uint64_t handle, user;
    union {
        struct oh__live *live; /* until completed; NULL while reserved */
        struct oh__txn *next;  /* completed: the one that completed after this one */
    };
    uint64_t at;           /* completed: expiry of Timer D, I, J, K, L or M, ns */
    struct oh__cbuf *kept; /* client: the request, then the ACK; server: the last response, then
                              perhaps its To tag alone */

    /* Where requests and responses of this transaction go: a struct oh_flow without its gaps. */
    struct oh_addr local, peer;
    uint64_t flow_id;
    uint16_t listener;
    uint16_t sent_by_port; /* server: port for a new connection when the old one is gone (RFC
                              3261 18.2.2) */
    uint8_t transport;
    uint8_t method;        /* enum oh_method */
    uint8_t state : 4;     /* enum oh__<machine>_state */
    uint8_t cancel : 1;    /* ICT: CANCEL was asked for, and goes out with the first 1xx */
    uint8_t machine : 3;   /* enum oh__machine_id */
    uint8_t completed : 1; /* in a queue of completed ones */
    uint8_t listed : 1;    /* in the table */
    uint8_t muted : 1;     /* the user gave it up: no more events */
    uint8_t legacy : 1;    /* server: matched by the rules of RFC 2543 */
    uint8_t tag_only : 1;  /* server: `kept` holds the To tag and no response */
};

_Static_assert(sizeof(void *) > 8 || sizeof(struct oh__txn) <= 128,
               "a completed transaction is 128 bytes");

/* ns between the last retransmission and the next. */
static inline uint64_t oh__interval(const struct oh__live *live)
{
    return live->interval * UINT64_C(1000);
}

/* Sets it, to the microsecond. */
static inline void oh__set_interval(struct oh__live *live, uint64_t ns)
{
    live->interval = ns / 1000 < UINT32_MAX ? (uint32_t)(ns / 1000) : UINT32_MAX;
}

/* A bit for each key that is or was in the chain: whoever is not there is mostly not looked for
 * among records that nobody has in his cache. */
struct oh__bucket {
    struct oh__txn *chain;
    uint64_t seen; /* begins anew when the chain is empty */
};

/* Hash table of those transactions that are found by a key. */
struct oh__table {
    struct oh__bucket *buckets; /* NULL while empty */
    uint32_t mask;              /* buckets - 1 */
    uint32_t n;
};

/* Completed transactions with one common delay, so in order of expiry. */
struct oh__fifo {
    struct oh__txn *head, *tail;
    uint64_t delay; /* ns */
};

enum { OH__FIFO_LONG, OH__FIFO_SHORT, OH__FIFO_COUNT }; /* 64*T1: D J L M; T4: I K */

/* How many transactions at work each payer has: a cell in each row, see payer.c. */
#define OH__PAYER_ROWS  2
#define OH__PAYER_CELLS 256
struct oh__payers {
    uint32_t held[OH__PAYER_ROWS][OH__PAYER_CELLS];
};

/* One place of the queue of outputs. */
struct oh__entry {
    struct oh_output out;
    struct oh__cbuf *hold; /* keeps out.bytes alive */
    bool dead;             /* was not taken in time: skip it */
};

struct oh__slab;

/* Outputs in order. Places are used once until everything is taken and time moves on. */
struct oh__outputs {
    struct oh__slab *first, *last; /* slabs in order */
    struct oh__slab *put_slab, *take_slab;
    uint32_t put_at, take_at; /* next place in these */
    uint32_t slabs;           /* how many there are */
};

/* The part of a hashed message that is worth remembering until the user calls oh_server_new. */
struct oh__recall {
    const struct oh_msg *msg; /* NULL: nothing remembered */
    struct oh__key key;
};

struct oh_endpoint {
    struct oh_alloc alloc; /* counts `bytes`, then asks `heap` */
    const struct oh_alloc *heap;
    size_t bytes;
    struct oh_endpoint_options options;
    uint64_t now;                     /* latest time seen, ns */
    uint64_t t1, t2, t4, t64;         /* ns; t64 = 64*T1 */
    uint64_t trying_ist, trying_nist; /* ns until a 100 is owed */
    struct oh__hash_key secret;       /* branches and tags; the same in all shards */
    struct oh__hash_key table_key;    /* our own, random */
    struct oh__rng rng;
    struct oh__pool *pool;     /* struct oh__txn */
    struct oh__blocks *blocks; /* struct oh__live and counted buffers */
    struct oh__wheel *wheel;
    struct oh__table table;
    struct oh__fifo fifo[OH__FIFO_COUNT];
    struct oh__outputs outputs;
    struct oh_arena arena; /* until the next input, expire or answer */
    struct oh__recall recall;
    uint32_t in_flight;       /* reserved and live transactions, those of CANCEL among them */
    uint32_t extra;           /* what the texts of those count for, besides */
    uint32_t completed_extra; /* the same of completed ones */
    struct oh__payers payers;
    struct oh_endpoint_stats stats;
    struct oh_msg msg;     /* what oh_endpoint_input parses into */
    struct oh_msg scratch; /* a message of our own, while a CANCEL or an ACK is built of it */
};

/* --- the machines: what every one of them must be able to do (txn.c has the table) --- */

struct oh__machine {
    const char *name; /* for traces */
    const char *(*state_name)(unsigned state);
    void (*timer)(struct oh_endpoint *ep, struct oh__txn *t); /* some time of `live` has come */
    void (*failed)(struct oh_endpoint *ep, struct oh__txn *t,
                   int result); /* a send failed for good */
};

/* Name of an INVITE client's state as the RFC writes it; "?" for a number that is none. */
const char *oh__ict_state_name(unsigned state);

/* As oh__ict_state_name, for a non-INVITE client. */
const char *oh__nict_state_name(unsigned state);

/* As oh__ict_state_name, for an INVITE server. */
const char *oh__ist_state_name(unsigned state);

/* As oh__ict_state_name, for a non-INVITE server. */
const char *oh__nist_state_name(unsigned state);

/* The first transmission; `kept` and the path are set. */
void oh__ict_start(struct oh_endpoint *ep, struct oh__txn *t);

/* As oh__ict_start, for a non-INVITE client. */
void oh__nict_start(struct oh_endpoint *ep, struct oh__txn *t);

/* A response that matched. */
void oh__ict_response(struct oh_endpoint *ep, struct oh__txn *t, const struct oh_msg *msg,
                      const struct oh_flow *flow);

/* As oh__ict_response, for a non-INVITE client. */
void oh__nict_response(struct oh_endpoint *ep, struct oh__txn *t, const struct oh_msg *msg,
                       const struct oh_flow *flow);

/* Whatever is due in `live` at ep->now. */
void oh__ict_timer(struct oh_endpoint *ep, struct oh__txn *t);

/* As oh__ict_timer, for a non-INVITE client. */
void oh__nict_timer(struct oh_endpoint *ep, struct oh__txn *t);

/* As oh__ict_timer, for an INVITE server. */
void oh__ist_timer(struct oh_endpoint *ep, struct oh__txn *t);

/* As oh__ict_timer, for a non-INVITE server. */
void oh__nist_timer(struct oh_endpoint *ep, struct oh__txn *t);

/* The transport reports that a send of this transaction came to nothing. */
void oh__ict_failed(struct oh_endpoint *ep, struct oh__txn *t, int result);

/* As oh__ict_failed, for a non-INVITE client. */
void oh__nict_failed(struct oh_endpoint *ep, struct oh__txn *t, int result);

/* As oh__ict_failed, for an INVITE server. */
void oh__ist_failed(struct oh_endpoint *ep, struct oh__txn *t, int result);

/* As oh__ict_failed, for a non-INVITE server. */
void oh__nist_failed(struct oh_endpoint *ep, struct oh__txn *t, int result);

/* The user cancels a running INVITE; headers are copied when they have to wait. OH_OK or
 * OH_E_NOMEM. */
int oh__ict_cancel(struct oh_endpoint *ep, struct oh__txn *t, struct oh_span headers);

/* A request of which a server transaction is made; the timers start. */
void oh__ist_start(struct oh_endpoint *ep, struct oh__txn *t);

/* As oh__ist_start, for a non-INVITE server. */
void oh__nist_start(struct oh_endpoint *ep, struct oh__txn *t);

/* The request came again. */
void oh__ist_retransmitted(struct oh_endpoint *ep, struct oh__txn *t);

/* As oh__ist_retransmitted, for a non-INVITE server. */
void oh__nist_retransmitted(struct oh_endpoint *ep, struct oh__txn *t);

/* An ACK that matched; true when it is for the user (RFC 6026 7.1). */
bool oh__ist_ack(struct oh_endpoint *ep, struct oh__txn *t);

/* The user replies; takes over the reference to reply, also on error. OH_OK, OH_E_STATE or
 * OH_E_NOMEM. */
int oh__ist_reply(struct oh_endpoint *ep, struct oh__txn *t, unsigned status,
                  struct oh__cbuf *reply);

/* As oh__ist_reply, for a non-INVITE server. */
int oh__nist_reply(struct oh_endpoint *ep, struct oh__txn *t, unsigned status,
                   struct oh__cbuf *reply);

/* --- txn.c: the object --- */

/* Takes a record; counts it in flight. extra: it is taken beyond transactions_max, too. OH_OK,
 * OH_E_FULL or OH_E_NOMEM. */
int oh__txn_new(struct oh_endpoint *ep, bool extra, struct oh__txn **out);

/* Gives it the part that works, all times never. OH_OK or OH_E_NOMEM. */
int oh__txn_enliven(struct oh_endpoint *ep, struct oh__txn *t);

/* Takes that part back. */
void oh__txn_quiet(struct oh_endpoint *ep, struct oh__txn *t);

/* Terminated: everything is given back and the handle is stale. Not for completed ones, those end
 * in their queue. */
void oh__txn_end(struct oh_endpoint *ep, struct oh__txn *t);

/* Gives back what a record holds outside itself, and the record. For txn.c and completed.c. */
void oh__txn_release(struct oh_endpoint *ep, struct oh__txn *t);

/* Enters a state, and says so to the trace. */
void oh__txn_move(struct oh_endpoint *ep, struct oh__txn *t, unsigned state);

/* Arms the wheel for the earliest time in `live`. */
void oh__txn_schedule(struct oh_endpoint *ep, struct oh__txn *t);

/* Replaces what is kept; takes over the reference. */
void oh__txn_keep(struct oh_endpoint *ep, struct oh__txn *t, struct oh__cbuf *b);

/*
 * The client transaction of a handle, reserved ones included; NULL when it is stale or a
 * server's.
 */
struct oh__txn *oh__txn_client(const struct oh_endpoint *ep, uint64_t handle);

/* The server transaction of a handle; NULL when it is stale or a client's. */
struct oh__txn *oh__txn_server(const struct oh_endpoint *ep, uint64_t handle);

/* Stores where its messages go. */
void oh__txn_set_flow(struct oh__txn *t, const struct oh_flow *flow);

/* Reads that back. */
void oh__txn_flow(const struct oh__txn *t, struct oh_flow *out);

/* Sends the kept bytes again, or others; failures come back to the transaction. */
void oh__txn_send(struct oh_endpoint *ep, struct oh__txn *t, struct oh__cbuf *bytes);

/* Sends the kept bytes once more, and counts it. */
void oh__txn_resend(struct oh_endpoint *ep, struct oh__txn *t);

/* The next time of a retransmission after one that was due at `due`: never in the past, on the old
 * grid if possible. */
uint64_t oh__next_after(uint64_t due, uint64_t interval, uint64_t now);

/* The machine of a transaction; NULL while it is reserved. */
const struct oh__machine *oh__txn_machine(const struct oh__txn *t);

/* --- payer.c: who pays for a transaction at work --- */

/* Charges a live transaction to whoever pays for another live one, if anybody does. */
void oh__payer_share(struct oh_endpoint *ep, struct oh__txn *t, const struct oh__txn *with);

/* So many bytes are held for a live transaction; it counts for the most there ever were. */
void oh__payer_weigh(struct oh_endpoint *ep, struct oh__live *live, size_t bytes);

/* What a completed transaction counts for beside itself. */
uint32_t oh__payer_remembered(const struct oh__txn *t);

/* Its work is done: the payer has one less. */
void oh__payer_release(struct oh_endpoint *ep, struct oh__live *live);

/* --- endpoint.c, server.c --- */

/* Time goes on; it never goes back. */
void oh__clock(struct oh_endpoint *ep, uint64_t now);

/*
 * The connection of a server transaction is gone: responses go to the address that the request came
 * from and the port of its Via on a new one, beginning with the last (RFC 3261 18.2.2). Nothing for
 * datagrams.
 */
void oh__server_reroute(struct oh_endpoint *ep, struct oh__txn *t);

/* --- completed.c --- */

/*
 * Completed: gives the working part back and keeps the record for the delay of the queue. At the
 * bound the oldest one goes, which can be this very one, so it is not to be touched afterwards.
 */
void oh__completed_add(struct oh_endpoint *ep, struct oh__txn *t, unsigned fifo);

/* Ends one that is due; false when there is none. */
bool oh__completed_expire(struct oh_endpoint *ep);

/* When the first one is due, or OH__NEVER. */
uint64_t oh__completed_deadline(const struct oh_endpoint *ep);

/* --- match.c --- */

/* The key of a request by RFC 3261 17.2.3; *legacy tells that it has no magic cookie. */
struct oh__key oh__key_of_request(const struct oh_endpoint *ep, const struct oh_msg *msg,
                                  bool *legacy);

/* The key by which our own CANCEL is found: of the Via that we wrote. */
struct oh__key oh__key_of_cancel(const struct oh_endpoint *ep, const struct oh_via *via);

/* The keyed hash of a Via's sent-by, in lower case and with its default port. */
uint64_t oh__sent_by(const struct oh_endpoint *ep, const struct oh_via *via);

/* Puts a transaction into the table by its key. Fails only while the table has no memory at all:
 * OH_E_NOMEM. */
int oh__table_add(struct oh_endpoint *ep, struct oh__txn *t);

/* Takes it out. */
void oh__table_remove(struct oh_endpoint *ep, struct oh__txn *t);

/* The transaction that a request belongs to; ACK finds the INVITE. NULL when there is none. */
struct oh__txn *oh__match_request(struct oh_endpoint *ep, const struct oh_msg *msg);

/* The transaction that a CANCEL is about (RFC 3261 9.2): any method but CANCEL and ACK, INVITE
 * first. */
struct oh__txn *oh__match_cancelled(struct oh_endpoint *ep, const struct oh_msg *msg);

/* The client transaction of a response (RFC 3261 17.1.3), or NULL. */
struct oh__txn *oh__match_response(struct oh_endpoint *ep, const struct oh_msg *msg);

/* The transaction with exactly this key and method, or NULL. */
struct oh__txn *oh__table_find(const struct oh_endpoint *ep, struct oh__key key,
                               enum oh_method method, bool client);

/* The To tag that a server transaction has put into its responses; empty when there was none yet.
 */
struct oh_span oh__replied_tag(const struct oh__txn *t);

/* --- branch.c --- */

/* What a branch of ours says. */
struct oh__branch {
    uint64_t handle, loop;
    uint64_t nonce; /* 48 random bits */
    uint8_t shard;
};

/* Writes a branch; returns its length. */
size_t oh__branch_put(const struct oh__hash_key *secret, const struct oh__branch *b,
                      char out[OH_BRANCH_MAX]);

/* Reads one back; false for one that we did not write. */
bool oh__branch_get(const struct oh__hash_key *secret, struct oh_span text, struct oh__branch *out);

/* The two words of a key of 16 bytes. */
struct oh__hash_key oh__key_of_bytes(const uint8_t bytes[16]);

/* --- stateless.c --- */

/* Answers a request that is no good, when it can and may be answered (RFC 3261 8.2.7, 18; RFC
 * 4475 3.3). */
void oh__refuse_bad(struct oh_endpoint *ep, struct oh_msg *msg, const struct oh_flow *flow,
                    const struct oh_fault *fault);

/* Builds a reply in the arena; to_tag as in oh_reply_stateless. OH_OK, OH_E_LIMIT or OH_E_NOMEM. */
int oh__build_reply(struct oh_endpoint *ep, const struct oh_msg *request,
                    const struct oh_flow *flow, const struct oh_reply *reply,
                    struct oh_span *bytes);

/* --- cancel.c --- */

/* A CANCEL arrived that is no retransmission: answers it and tells the user (RFC 3261 9.2). */
void oh__cancel_arrived(struct oh_endpoint *ep, const struct oh_msg *msg,
                        const struct oh_flow *flow);

/* Sends the CANCEL of an INVITE of ours in a transaction of its own (RFC 3261 9.1). OH_OK, or why
 * it could not be built. */
int oh__cancel_send(struct oh_endpoint *ep, const struct oh__txn *invite, struct oh_span headers);

/* --- rows.c: reading a message of our own without indexing all of it --- */

/* The value of the first row with this name in full or compact form; false when the header section
 * has none. */
bool oh__own_row(struct oh_span message, struct oh_span name, char compact, struct oh_span *value);

/* Decodes the topmost Via. OH_OK or OH_E_SYNTAX. */
int oh__own_via(struct oh_span message, struct oh_via *via);

/* The To tag; empty when there is none. */
struct oh_span oh__own_to_tag(struct oh_span message);

/* Indexes and checks a whole message of our own into ep->scratch. OH_OK or OH_E_SYNTAX. */
int oh__own_msg(struct oh_endpoint *ep, struct oh_span message);

/* --- output.c --- */

/* No step queues more outputs than this. */
#define OH__OUTPUTS_PER_STEP 8

/* Makes sure that one step's outputs have room, so that no event is ever lost. OH_OK or OH_E_NOMEM.
 */
int oh__outputs_reserve(struct oh_endpoint *ep);

/* Starts a new input, expire or answer: what was taken is released, what points to the old message
 * goes. */
void oh__outputs_begin(struct oh_endpoint *ep);

/* Gives all memory of the queue back. */
void oh__outputs_done(struct oh_endpoint *ep);

/* What a ticket keeps of a handle: a user may put its own bits on top (endpoint.h). */
#define OH__TICKET_MASK UINT64_C(0x00ffffffffffffff)

/* Queues bytes for a flow; hold (may be NULL) is referenced while the output lives. */
void oh__put_send(struct oh_endpoint *ep, const struct oh_flow *flow, struct oh_span bytes,
                  struct oh__cbuf *hold, uint64_t ticket);

/* Queues an event about a transaction unless the user gave it up; msg and flow may be NULL. */
void oh__put_event(struct oh_endpoint *ep, enum oh_output_kind kind, const struct oh__txn *t,
                   int code, const struct oh_msg *msg, const struct oh_flow *flow);

/* Hands a message to the trace, when somebody listens. */
void oh__trace_message(const struct oh_endpoint *ep, enum oh__trace_kind kind, struct oh_span bytes,
                       const struct oh_flow *flow, int code);

#endif
