/*
 * The endpoint: the four transaction machines of RFC 3261 17 with RFC 6026 and
 * RFC 4320, round five functions without I/O.
 *
 *   input    bytes (or a parsed message) arrived on a flow
 *   expire   time has passed
 *   answer   something asked for earlier is finished (a send that failed)
 *   take     the next thing to do: bytes to send, or an event for the user
 *   deadline when to call expire, or never
 *
 * The user (a proxy, a phone, a test) takes outputs until there are none
 * before the next input, and calls down to reply, send and cancel. There are
 * no callbacks. What an output points to is valid until the next call of
 * input, expire or answer; an event with a message that was not taken by then
 * is dropped. Transactions are named by handles; a stale handle
 * is OH_E_STALE, so an answer that comes too late dies quietly. Time is in
 * nanoseconds of a monotonic clock.
 *
 * A request that matches no transaction is handed up *without* a transaction:
 * the user makes one (oh_server_new) before its first asynchronous step, or
 * answers statelessly, so strangers cost no memory (RFC 3261 8.2.7).
 */
#ifndef OFFHOOK_ENDPOINT_H
#define OFFHOOK_ENDPOINT_H

#include <offhook/alloc.h>
#include <offhook/build.h>

struct oh_endpoint;
struct oh__trace;

#define OH_NEVER      UINT64_MAX
#define OH_BRANCH_MAX 64 /* bytes of a branch of ours */
#define OH_TAG_MAX    24 /* bytes of a tag of ours */

/* Zero means default. */
struct oh_endpoint_options {
    const struct oh_alloc *alloc; /* NULL: the C heap */
    uint8_t seed[32];             /* randomness; tests give a fixed one */
    /* keys branches and stateless To tags; the same for all shards of a process */
    uint8_t secret[16];
    uint8_t shard; /* 0 .. 63, put into every branch */
    /*
     * ns; 500 ms, 8*T1 = 4 s, 10*T1 = 5 s (RFC 3261 table 4); all other times are multiples of
     * T1
     */
    uint64_t t1, t2, t4;
    /* in flight (client and server); 100,000; beyond: OH_E_FULL, the user sends 503. One with a
     * message beyond 4 KiB counts once more for each 4 KiB of it. */
    uint32_t transactions_max;
    /* completed ones kept for retransmissions; 400,000; beyond: the oldest goes (counted). One
     * with a reply beyond 2 KiB counts once more for each 2 KiB of it. */
    uint32_t completed_max;
    struct oh_msg_limits limits;
    /* value of Server in replies that the endpoint makes itself; may be empty */
    struct oh_span server;
    const struct oh__trace *trace;
};

/* Counters since the start, and what there is now. */
struct oh_endpoint_stats {
    uint64_t rx_requests, rx_responses; /* well-formed ones */
    uint64_t rx_retransmissions;        /* of requests, finals and ACKs, absorbed or answered */
    uint64_t rx_bad;                    /* refused or dropped for their form */
    uint64_t rx_stray_responses;        /* to nothing of ours (RFC 6026 8.9) */
    uint64_t rx_stray_acks;             /* of an INVITE without final response */
    uint64_t rx_ignored;                /* keep-alives; replies not sent to a broadcast address */
    uint64_t tx_messages;               /* all that was sent, of these: */
    uint64_t tx_retransmissions, tx_stateless;
    uint64_t completed_evicted;    /* completed transactions that went before their time */
    uint64_t refused_full;         /* OH_E_FULL */
    uint64_t timeouts;             /* Timers B, F, H, the guard after CANCEL, unanswered NISTs */
    uint64_t transport_errors;     /* oh_endpoint_answer for a living transaction */
    uint32_t in_flight, completed; /* transactions now */
    uint64_t bytes;                /* heap held now */
};

/* Makes an endpoint. OH_OK or OH_E_NOMEM. */
int oh_endpoint_new(const struct oh_endpoint_options *options, uint64_t now,
                    struct oh_endpoint **out);

/* Ends it with all its transactions; nothing is sent. NULL is ignored. */
void oh_endpoint_free(struct oh_endpoint *ep);

/*
 * A datagram, or one whole message of a stream, as oh_msg_parse frames it. Bad messages are
 * answered (400, 413, 414, 501, 505, 513) or dropped by the endpoint itself. Returns OH_OK, or the
 * OH_E_* of a message that was refused.
 */
int oh_endpoint_input(struct oh_endpoint *ep, uint64_t now, const struct oh_flow *flow,
                      struct oh_span bytes);

/*
 * As oh_endpoint_input for a message that the caller has parsed, and perhaps checked, to find its
 * shard: parsed and fault are oh_msg_parse's, or, when that found none, oh_msg_check's (with
 * OH_E_SYNTAX for a header that is absent).
 */
int oh_endpoint_input_msg(struct oh_endpoint *ep, uint64_t now, const struct oh_flow *flow,
                          struct oh_msg *msg, int parsed, const struct oh_fault *fault);

/* Runs what is due, at most `most` timers; returns how many ran. */
unsigned oh_endpoint_expire(struct oh_endpoint *ep, uint64_t now, unsigned most);

/*
 * The send with this ticket failed for good (ICMP, connection refused or broken): result is
 * OH_E_IO or OH_E_TIMEOUT.
 */
void oh_endpoint_answer(struct oh_endpoint *ep, uint64_t now, uint64_t ticket, int result);

/*
 * Gives memory back that was kept for the next message and not needed since the last call; returns
 * how many bytes. For whoever has a second to spare once a second; without it an endpoint keeps
 * about half a megabyte after a peak.
 */
size_t oh_endpoint_relax(struct oh_endpoint *ep);

/* When expire has something to do, or OH_NEVER. */
uint64_t oh_endpoint_deadline(const struct oh_endpoint *ep);

enum oh_output_kind {
    OH_OUT_SEND, /* bytes for flow; ticket != 0: report a failure with oh_endpoint_answer */
    /* a request outside any transaction (never ACK or a CANCEL that matched): msg, flow */
    OH_OUT_REQUEST,
    /* an ACK that is not for a non-2xx of ours: msg, flow; server = the Accepted INVITE or 0 */
    OH_OUT_ACK,
    /*
     * CANCEL for the INVITE `server`, already answered 200: msg, flow, user. One that matches
     * nothing comes with server 0, unanswered.
     */
    OH_OUT_CANCEL,
    OH_OUT_RESPONSE, /* to a request of ours: msg, code, client, user, link (100 included) */
    /*
     * a client transaction ended without final response: code = OH_E_TIMEOUT or OH_E_IO;
     * client, user, link
     */
    OH_OUT_FAILED,
    /*
     * a non-INVITE server transaction is unanswered for 3.5 s: send 100 (RFC 4320 4.1): server,
     * user
     */
    OH_OUT_TRYING,
    /*
     * an INVITE server transaction is gone: server, user; code 0, or OH_E_TIMEOUT when no ACK
     * came (Timer H)
     */
    OH_OUT_ENDED,
};

struct oh_output {
    enum oh_output_kind kind;
    int code;                /* status code or OH_E_* by kind */
    uint64_t server, client; /* transaction handles, 0 = none */
    uint64_t user;           /* as given to oh_server_new or oh_client_start */
    uint64_t link;           /* the server transaction given to oh_client_start */
    uint64_t ticket;         /* below 2^56, so that a user can put its own bits on top */
    struct oh_flow flow;
    struct oh_span bytes;
    const struct oh_msg *msg; /* checked (oh_msg_check) */
};

/* The next output; false when there is none. */
bool oh_endpoint_take(struct oh_endpoint *ep, struct oh_output *out);

/*
 * Makes the server transaction of a request that was just taken (OH_OUT_REQUEST). OH_OK, OH_E_FULL,
 * OH_E_NOMEM, OH_E_DUPLICATE when it has one, OH_E_STATE for ACK. For INVITE the user sends 100
 * itself, or the endpoint does after 200 ms. A non-INVITE without a final ends silently after
 * 64*T1 (RFC 4320 4.2).
 */
int oh_server_new(struct oh_endpoint *ep, uint64_t now, const struct oh_msg *request,
                  const struct oh_flow *flow, uint64_t user, uint64_t *server);

/*
 * Sends a response (complete bytes, status as in its start line) in a server transaction and keeps
 * it for retransmissions. OH_E_STALE when it has ended, OH_E_STATE when a final was sent before
 * (2xx of an INVITE may repeat, RFC 6026 7.1) or for a 1xx that RFC 4320 4.1 forbids (a non-
 * INVITE gets 100 only, over UDP not before OH_OUT_TRYING), OH_E_NOMEM. A 408 to a non-INVITE
 * is not sent, but ends the wait (RFC 4320 4.2).
 */
int oh_server_reply(struct oh_endpoint *ep, uint64_t now, uint64_t server, unsigned status,
                    struct oh_span bytes);

/*
 * Builds and sends a response in a server transaction out of its request (held by the user). As
 * oh_server_reply; OH_E_LIMIT. An empty to_tag becomes that of the transaction's earlier
 * responses, else the keyed one of oh_stateless_tag, so that all responses have the same (RFC
 * 3261 8.2.6.2).
 */
int oh_server_respond(struct oh_endpoint *ep, uint64_t now, uint64_t server,
                      const struct oh_msg *request, const struct oh_flow *flow,
                      const struct oh_reply *reply);

/*
 * Ends a server transaction that has sent no final response, silently: when there is no memory for
 * an answer, a retransmission of the request begins anew. Another one is left alone.
 */
void oh_server_drop(struct oh_endpoint *ep, uint64_t server);

/* True while the transaction lives and has sent no final response. */
bool oh_server_pending(const struct oh_endpoint *ep, uint64_t server);

/* Changes the user value that its events carry. */
void oh_server_set_user(struct oh_endpoint *ep, uint64_t server, uint64_t user);

/*
 * Builds and sends a response without a transaction; an empty to_tag becomes the keyed one
 * (TXN-022). OH_OK, OH_E_LIMIT or OH_E_NOMEM.
 */
int oh_reply_stateless(struct oh_endpoint *ep, const struct oh_msg *request,
                       const struct oh_flow *flow, const struct oh_reply *reply);

/*
 * The To tag that stateless replies to this request carry: a MAC of Call-ID, From tag, CSeq and
 * topmost Via. Returns its length.
 */
size_t oh_stateless_tag(const struct oh_endpoint *ep, const struct oh_msg *request,
                        char out[OH_TAG_MAX]);

/* A fresh random tag; returns its length. */
size_t oh_new_tag(struct oh_endpoint *ep, char out[OH_TAG_MAX]);

/*
 * Sends bytes without a transaction (the ACK of a 2xx on its way); a failure is not reported.
 * OH_OK or OH_E_NOMEM.
 */
int oh_endpoint_send(struct oh_endpoint *ep, const struct oh_flow *flow, struct oh_span bytes);

/*
 * Reserves a client transaction and writes its branch, which carries shard, handle and loop (a hash
 * that the proxy compares when the request comes back, RFC 5393 4). OH_OK, OH_E_FULL or OH_E_NOMEM.
 */
int oh_client_reserve(struct oh_endpoint *ep, uint64_t loop, uint64_t *client,
                      char branch[OH_BRANCH_MAX], size_t *branch_len);

/*
 * Shares of the table. Whoever has transactions made for others can charge them to payers: any
 * names, such as accounts or addresses. What a payer holds counts from the charge to the end of the
 * work (not while a transaction is only remembered). Counts are exact but for rare collisions, and
 * take 2 KiB per endpoint, however many payers there are.
 */

/* The number of a payer; never 0, which is nobody. Another endpoint has another one. */
uint32_t oh_payer_of(const struct oh_endpoint *ep, struct oh_span name);

/*
 * Charges a transaction, which is at work and not charged yet, to a payer; the CANCEL of an INVITE
 * follows by itself. Nothing happens for payer 0, stale handles, and transactions that are
 * reserved or completed.
 */
void oh_payer_charge(struct oh_endpoint *ep, uint64_t transaction, uint32_t payer);

/* Says that so many bytes are held for a transaction at work besides what the endpoint itself knows
 * of (the request, the last response): it counts for the most that there ever were. */
void oh_payer_weigh(struct oh_endpoint *ep, uint64_t transaction, size_t bytes);

/*
 * True when a payer holds as many transactions as are left for everybody: then another one is not
 * for him. Nobody is refused while half of the table is free; one greedy payer gets that half, n of
 * them leave 1/(n+1) of it to others. False when nothing is left at all, which is OH_E_FULL, and
 * for payer 0.
 */
bool oh_payer_greedy(const struct oh_endpoint *ep, uint32_t payer);

struct oh_client_request {
    enum oh_method method;
    /* flow.id 0 with a reliable transport: open or reuse a connection to flow.peer */
    struct oh_flow flow;
    struct oh_span bytes; /* the complete request with our Via on top; copied */
    /* What that Via has as sent-by (port 0: none); the caller vouches for it and for the branch. An
     * empty host: both are read from bytes and checked, which costs as much as sending. */
    struct oh_span sent_by_host;
    uint16_t sent_by_port;
    uint64_t user, link; /* come back in events */
};

/*
 * Sends the request of a reserved transaction. OH_OK or OH_E_STALE; OH_E_NOMEM, OH_E_SYNTAX
 * when the topmost Via is not the reserved one (both give the transaction back); OH_E_STATE
 * when it runs already, or for ACK and CANCEL.
 */
int oh_client_start(struct oh_endpoint *ep, uint64_t now, uint64_t client,
                    const struct oh_client_request *request);

/*
 * Gives a reserved or running transaction up silently; its events stop. An INVITE stays for at most
 * 64*T1 from the latest time seen, so that a refusal still gets its ACK.
 */
void oh_client_drop(struct oh_endpoint *ep, uint64_t client);

/*
 * Cancels an INVITE (RFC 3261 9.1): sent at once after a 1xx, remembered before, nothing after
 * a final. headers: complete rows to add (Reason), copied. Without a final in 64*T1:
 * OH_OUT_FAILED with OH_E_TIMEOUT. OH_OK, OH_E_STALE, OH_E_STATE when it is not a running
 * INVITE (RFC 3261 9.1), or OH_E_NOMEM.
 */
int oh_client_cancel(struct oh_endpoint *ep, uint64_t now, uint64_t client, struct oh_span headers);

/* The shard that a branch names, if it could be one of ours, else -1. Nothing is checked: for
 * choosing whose lock to take. */
int oh_branch_hint(struct oh_span branch);

/* The shard of a branch of ours (keyed check), or -1 for a foreign one. */
int oh_branch_shard(const uint8_t secret[16], struct oh_span branch);

/* The loop hash in a branch of ours. Returns false for a foreign one. */
bool oh_branch_loop(const uint8_t secret[16], struct oh_span branch, uint64_t *loop);

/* The shard that a Call-ID belongs to, 0 .. shards - 1. */
unsigned oh_call_shard(const uint8_t secret[16], struct oh_span call_id, unsigned shards);

/* What happened so far. */
void oh_endpoint_stats(const struct oh_endpoint *ep, struct oh_endpoint_stats *out);

/*
 * Stops with an assertion when a rule that must always hold does not; for tests, fuzzers and
 * the simulator.
 */
void oh_endpoint_check(const struct oh_endpoint *ep);

#endif
