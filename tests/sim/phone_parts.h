/* What the two files of a phone share. */
#ifndef OH_TESTS_SIM_PHONE_PARTS_H
#define OH_TESTS_SIM_PHONE_PARTS_H

#include <offhook/build.h>
#include <offhook/endpoint.h>

#include "parts.h"
#include "peer_phone.h"

/* A call from its first INVITE on. A caller has one for each 2xx. */
struct phone_call {
    bool caller, cancelled, answered, confirmed, ended;
    struct oh_span call, local_tag, remote_tag; /* these and all texts belong to the world */
    struct peer_dialog dialog;
    const struct oh_msg *invite; /* callee */
    struct oh_flow flow;         /* callee */
    uint64_t server;             /* callee: transaction */
    struct oh_span answer;       /* the newest 2xx of ours */
    uint64_t ring_at, answer_at, hangup_at, die_at;
    uint64_t resend_at, resend_gap, resend_end; /* the 2xx until its ACK (RFC 3261 13.3.1.4) */
    bool inviting;                              /* an INVITE of ours within the call is open */
    struct oh_span ack;                         /* of the INVITE with this CSeq number */
    uint32_t ack_cseq;
    struct oh_span reliable; /* callee: the 183 that waits for PRACK */
    unsigned rseq;
    uint64_t reliable_at, reliable_gap, reliable_end;
};

/* An answer that takes its time. */
struct phone_waiting {
    uint64_t at, server;
    unsigned code;
    struct oh_flow flow;
    const struct oh_msg *msg;
};

struct phone {
    struct world *world;
    struct peer *peer;
    const char *password;
    struct phone_manner manner;
    struct oh_endpoint *ep;
    unsigned life; /* counts crashes */
    unsigned tasks_n, calls_n, waiting_n;
    struct phone_task tasks[PHONE_TASKS];
    struct phone_call calls[PHONE_CALLS];
    struct phone_waiting waiting[PHONE_CALLS];
    const char *register_call;
    unsigned register_cseq;
};

/* ---- peer_phone.c ---- */

/* Takes all that the endpoint has to say. */
void phone_drain(struct phone *ph);

/* Runs what is due. */
void phone_expire(void *self);

/* The path to the server. */
struct oh_flow phone_flow(const struct phone *ph);

/* Begins a task. */
struct phone_task *phone_start(struct phone *ph, const struct peer_request *request);

/* Answers in a server transaction. */
void phone_reply(struct phone *ph, uint64_t server, const struct oh_msg *request,
                 const struct oh_flow *flow, const struct oh_reply *reply);

/* A copy of a message that lives as long as the world. */
const struct oh_msg *phone_hold(struct phone *ph, const struct oh_msg *msg);

/* ---- peer_call.c ---- */

/* An INVITE came; it was cancelled; its answer was acknowledged; it was ended by a BYE (false:
 * there is no such call). */
void phone_call_incoming(struct phone *ph, const struct oh_output *o);
void phone_call_cancelled(struct phone *ph, const struct oh_output *o);
void phone_call_confirmed(struct phone *ph, const struct oh_msg *ack);
bool phone_call_ended(struct phone *ph, const struct oh_msg *bye);

/* A 2xx came for a call of this phone; true when it is another dialog than those before. */
bool phone_call_answered(struct phone *ph, struct phone_task *t, const struct oh_msg *response);

/* When a call has something to do, and doing it. */
uint64_t phone_call_deadline(const struct phone_call *c);
void phone_calls_expire(struct phone *ph);

#endif
