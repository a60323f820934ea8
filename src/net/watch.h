/*
 * Which ticket a datagram that could not be delivered belonged to. ICMP errors
 * bring back the beginning of the datagram; a SIP message is unique within its
 * first bytes (the branch of the topmost Via), so their checksum finds the
 * very send that failed. The table is bounded and forgets the oldest: an ICMP
 * error comes within a round trip, or is of no use.
 *
 * Anybody can forge an ICMP error, knowing no more than our address and a
 * peer's. What he cannot know is the branch, which is random. So an error that
 * brings back less than reaches to the branch is not believed: the transaction
 * then ends by its timer, as with networks that send no errors at all. Hosts
 * and routers that follow RFC 1812 4.3.2.3 or RFC 4443 2.4 bring back enough.
 */
#ifndef OH_NET_WATCH_H
#define OH_NET_WATCH_H

#include <offhook/alloc.h>
#include <offhook/flow.h>

/* What has to come back of a datagram, or all of it when it is smaller. It covers the branch of a
 * request with a long Request-URI; RFC 1812 brings back about 500. */
#define OH__WATCH_BYTES 256

struct oh__watch;

/* Makes an empty table. NULL on failure. */
struct oh__watch *oh__watch_new(void);

/* Ends the table. NULL is ignored. */
void oh__watch_free(struct oh__watch *w);

/* What the bytes of a datagram are known by: those of the first OH__WATCH_BYTES, or of all when
 * they are fewer. */
uint64_t oh__watch_mark(struct oh_span bytes);

/* A number for datagrams that leave as one, which is not 0. */
uint64_t oh__watch_run(struct oh__watch *w);

/* Remembers a datagram with a ticket. run: of what it left with, 0 when it left by itself. */
void oh__watch_add(struct oh__watch *w, const struct oh_flow *flow, uint64_t mark, uint64_t run,
                   uint64_t ticket);

/*
 * Finds and forgets the send that an error is about. False when there is none: it was not sent
 * here, is forgotten, or too little of it came back.
 */
bool oh__watch_find(struct oh__watch *w, const struct oh_addr *peer, uint64_t mark, uint64_t *run,
                    uint64_t *ticket, struct oh_flow *flow);

/*
 * Finds and forgets one more send of a run, in no order; false when there is none. The kernel tells
 * of a run's first datagram only, and what is true of that is true of all. This looks at the whole
 * table, from *at on, which begins with 0: not for every error.
 */
bool oh__watch_next(struct oh__watch *w, uint64_t run, unsigned *at, uint64_t *ticket,
                    struct oh_flow *flow);

#endif
