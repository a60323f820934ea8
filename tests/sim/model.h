/*
 * A model of the transactions: what RFC 3261 17 and 16, RFC 4320 and RFC 6026
 * allow a stateful proxy to send, kept beside the server by somebody who sees
 * only what goes in and what comes out, and compared with it at every message.
 * It knows nothing of the server's tables.
 *
 * Below (the server as client):
 *   a branch is used for one request only, also across restarts; what is sent
 *   again is the same to the byte, never before its time (Timers A and E),
 *   never behind 64*T1, never on a stream, never when an answer has stopped it;
 *   a target is tried once; nothing new is tried behind a final response that
 *   went up, or behind a CANCEL; a CANCEL follows a 1xx and precedes the final;
 *   every final but 2xx is acknowledged at once, and each of them once; whoever
 *   rang without an end was cancelled.
 *
 * Above (the server as server):
 *   101-199 and 2xx to an INVITE go up at once; one final response, the same to
 *   the byte when it is repeated; nothing provisional behind it, no repetition
 *   behind its ACK or behind 64*T1; no late final to anything but an INVITE
 *   (RFC 4320 4.2); a copy of a request is answered with the last response.
 *
 * What a lenient or hostile world makes impossible to know is not demanded.
 */
#ifndef OH_TESTS_SIM_MODEL_H
#define OH_TESTS_SIM_MODEL_H

#include <offhook/flow.h>
#include <offhook/msg.h>

struct world;
struct model;

/* Begins; memory belongs to the world. */
struct model *model_new(struct world *w);

/* The server gets a message (checked), or has made one. */
void model_in(struct model *m, const struct oh_flow *flow, const struct oh_msg *msg);
void model_out(struct model *m, const struct oh_flow *flow, const struct oh_msg *msg);

/* The server has taken all that followed from one message: what had to follow at once has. */
void model_settled(struct model *m);

/* The server has forgotten everything; branches stay used. */
void model_restarted(struct model *m);

/* A stream has ended, or a send to there has failed: what waited on it may end otherwise. */
void model_excuse(struct model *m, const struct oh_flow *flow);

/* Everything is over. */
void model_end(struct model *m);

/* Transactions so far: each request that the server got but for copies and ACKs, and each that it
 * sent. */
uint64_t model_transactions(const struct model *m);

/* How many branches of the server were without a final response at once, at most. */
unsigned model_peak(const struct model *m);

#endif
