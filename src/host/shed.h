/*
 * What a worker does with more datagrams than it can serve: it throws away
 * those of strangers, unread, so that the phones that are registered, and
 * trusted peers, get their answers. One per worker; no locks.
 */
#ifndef OH_HOST_SHED_H
#define OH_HOST_SHED_H

#include <offhook/addr.h>

#include "base/hash.h"

#define OH__SHED_BUCKETS 256

struct oh__shed {
    struct oh__hash_key key;
    uint64_t full_since; /* ns: rounds have been full from then on; OH_NEVER: the last was not */
    bool active;
    unsigned taken;                       /* datagrams of this round */
    unsigned strangers;                   /* of those, strangers' that were served */
    uint64_t counted_since;               /* ns: known sources are counted from then on */
    unsigned known, before;               /* how many there were since, and before that */
    uint64_t seen[OH__SHED_BUCKETS / 64]; /* a bit for each of them */
    unsigned share;                       /* what each may have of this round */
    uint16_t served[OH__SHED_BUCKETS];    /* per known source, while active */
};

/* Starts with nothing to do; key is random, so that nobody can aim at somebody else's bucket. */
void oh__shed_init(struct oh__shed *s, const uint8_t key[16]);

/*
 * A round of datagrams begins at now (ns); what the last one took tells whether there are too many.
 * Returns true when shedding begins with this round.
 */
bool oh__shed_round(struct oh__shed *s, uint64_t now);

/* Counts a datagram of this round. True when it matters who sent it: then oh__shed_drop is to be
 * asked, unless the peer is trusted. */
bool oh__shed_count(struct oh__shed *s);

/* Whether the datagram goes unread; known: the source has a phone of ours. */
bool oh__shed_drop(struct oh__shed *s, const struct oh_addr *peer, bool known);

#endif
