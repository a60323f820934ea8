/*
 * Replies that may not leave before the journal has their bindings: copied
 * here while a batch runs, sent after its one commit, dropped when the commit
 * fails (the phone then asks again).
 */
#ifndef OH_HOST_HOLD_H
#define OH_HOST_HOLD_H

#include "net/net.h"

struct oh__held;

/* Makes an empty list. NULL on failure. */
struct oh__held *oh__held_new(void);

/* Ends it. NULL is ignored. */
void oh__held_free(struct oh__held *held);

/* Copies a send. OH_OK or OH_E_NOMEM (the reply is lost; the phone asks again). */
int oh__held_add(struct oh__held *held, unsigned shard, const struct oh_flow *flow,
                 struct oh_span bytes, uint64_t ticket);

/* Hands all of them to net, in order, and empties the list. */
void oh__held_send(struct oh__held *held, struct oh__net *net);

/* Forgets them; returns how many there were. */
unsigned oh__held_drop(struct oh__held *held);

#endif
