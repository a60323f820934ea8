/*
 * Which ticket a datagram that could not be delivered belonged to. ICMP errors
 * bring back the beginning of the datagram; a SIP message is unique within its
 * first bytes (the branch of the topmost Via), so their checksum finds the
 * very send that failed. The table is bounded and forgets the oldest: an ICMP
 * error comes within a round trip, or is of no use.
 */
#ifndef OH_NET_WATCH_H
#define OH_NET_WATCH_H

#include <offhook/alloc.h>
#include <offhook/flow.h>

struct oh__watch;

/* Makes an empty table. NULL on failure. */
struct oh__watch *oh__watch_new(void);

/* Ends the table. NULL is ignored. */
void oh__watch_free(struct oh__watch *w);

/* What the bytes of a datagram, or as many as an ICMP error has brought back, are known by. */
uint64_t oh__watch_mark(struct oh_span bytes);

/* Remembers a datagram with a ticket. */
void oh__watch_add(struct oh__watch *w, const struct oh_flow *flow, uint64_t mark, uint64_t ticket);

/*
 * Finds and forgets the send that an error is about: the datagram itself, or, when so little of it
 * came back that it cannot be told, the last one to this peer. False when there is none.
 */
bool oh__watch_find(struct oh__watch *w, const struct oh_addr *peer, uint64_t mark,
                    uint64_t *ticket, struct oh_flow *flow);

#endif
