/*
 * What must hold of everything the server sends, whoever it talks to. Each
 * rule that is broken ends the case through world_fail with the rule's name.
 *
 * On every message: it parses as a message of a stream (so Content-Length is
 * there and right) and is complete; Via values are those of what came in, one
 * more in requests; no 1xx but 100 to a non-INVITE and no 408 (RFC 4320); no
 * Record-Route in answers to REGISTER; no Contact in a 2xx to MESSAGE of our
 * own; a To tag in every response above 100. What is said of transactions, in
 * time and number, is in model.h.
 *
 * On every 200 to REGISTER: the bindings it lists are there when it is made,
 * and after a restart when it has left.
 *
 * At the end: every INVITE that got a 100 got a final response, and nothing is
 * left: no transaction, no handle, no timer, no held message.
 */
#ifndef OH_TESTS_SIM_INVARIANTS_H
#define OH_TESTS_SIM_INVARIANTS_H

#include <offhook/msg.h>

struct world;
struct invariants;

/* Begins watching. */
struct invariants *invariants_new(struct world *w);

/* Ends it. */
void invariants_free(struct invariants *in);

/* The server got this (indexed; checked here). */
void invariants_received(struct invariants *in, const struct oh_flow *flow,
                         const struct oh_msg *msg, int parsed);

/* The server has made this; it may still wait for the journal. */
void invariants_taken(struct invariants *in, const struct oh_flow *flow, struct oh_span bytes);

/* All that followed from one message has been taken (model.h). */
void invariants_settled(struct invariants *in);

/* A stream has ended or a send has failed (model.h). */
void invariants_excuse(struct invariants *in, const struct oh_flow *flow);

/* Branches that ran at once, and transactions so far (model.h). */
unsigned invariants_peak(const struct invariants *in);
uint64_t invariants_transactions(const struct invariants *in);

/* This leaves now. */
void invariants_sent(struct invariants *in, const struct oh_flow *flow, struct oh_span bytes);

/* The server has forgotten all transactions; what it acknowledged must be there. */
void invariants_restarted(struct invariants *in);

/* The end of world_finish: everything is over. */
void invariants_end(struct invariants *in);

#endif
