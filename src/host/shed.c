/*
 * A socket's queue is served in its order, so a stranger who sends faster than
 * the server answers fills it, and everybody waits behind him or is lost in
 * the kernel. Answering takes ten microseconds, reading and throwing away less
 * than one; so while a queue does not get empty, strangers are thrown away
 * before their messages are even parsed, until it is.
 *
 * Not the length of the queue begins this but how long it stands, as in
 * RFC 8289: a burst, such as all phones of a town after a power cut, is served
 * whole when it takes less than FULL_TIME. Afterwards strangers still get their
 * share of each round, as that town's phones are strangers until they are back.
 *
 * Known is a source with a registered phone. That can be a villain too, or an
 * office of a thousand phones behind one address, so known sources share a
 * round among as many as were heard of just before: who is alone loses
 * nothing, and among many no honest one ever misses its share, because a round
 * takes half a millisecond then. Sources are counted in buckets; two that meet
 * in one share for the length of that round.
 */
#include "host/shed.h"

#include <string.h>

#include <offhook/endpoint.h>

#include "base/word.h"
#include "net/net.h"

/* All that the network takes at once: there is more behind it. */
#define FULL OH__NET_ROUND

/* How long rounds are full before strangers are shed: enough to serve some thousand datagrams, and
 * together with the time to empty the queue far below what a phone waits before it repeats. */
#define FULL_TIME (UINT64_C(20) * 1000000)

/* For how long known sources are counted: phones that talk are heard of in it. */
#define COUNT_TIME (UINT64_C(250) * 1000000)

/* Datagrams served per round while shedding: of strangers together, of a known source at least. */
#define STRANGERS  16
#define PER_SOURCE 16

void oh__shed_init(struct oh__shed *s, const uint8_t key[16])
{
    *s = (struct oh__shed){.key = {oh__load64le(key), oh__load64le(key + 8)},
                           .full_since = OH_NEVER};
}

/*
 * What one known source may have of a round. Those of the last moments count, not those of the
 * last round, which a villain may have had for himself.
 */
static unsigned share_of(struct oh__shed *s, uint64_t now)
{
    unsigned sources = s->known > s->before ? s->known : s->before;

    if (now - s->counted_since >= COUNT_TIME) {
        s->before = now - s->counted_since < 2 * COUNT_TIME ? s->known : 0;
        s->known = 0;
        s->counted_since = now;
        memset(s->seen, 0, sizeof(s->seen));
    }
    if (sources <= 1)
        return FULL;
    return sources > FULL / PER_SOURCE ? PER_SOURCE : FULL / sources;
}

/* Counts a known source, once. */
static void see(struct oh__shed *s, unsigned bucket)
{
    uint64_t bit = UINT64_C(1) << bucket % 64;

    s->known += !(s->seen[bucket / 64] & bit);
    s->seen[bucket / 64] |= bit;
}

bool oh__shed_round(struct oh__shed *s, uint64_t now)
{
    bool was_active = s->active;

    if (s->taken < FULL)
        s->full_since = OH_NEVER;
    else if (s->full_since == OH_NEVER)
        s->full_since = now;
    s->active = s->full_since != OH_NEVER && now - s->full_since >= FULL_TIME;
    s->taken = s->strangers = 0;
    if (s->active) {
        s->share = share_of(s, now);
        memset(s->served, 0, sizeof(s->served));
    }
    return s->active && !was_active;
}

bool oh__shed_count(struct oh__shed *s)
{
    s->taken++;
    return s->active;
}

bool oh__shed_drop(struct oh__shed *s, const struct oh_addr *peer, bool known)
{
    unsigned bucket;

    if (!s->active)
        return false;
    if (!known)
        return s->strangers++ >= STRANGERS;
    bucket = oh__hash(&s->key, oh_span((const char *)peer->ip, sizeof(peer->ip))) %
             OH__SHED_BUCKETS;
    see(s, bucket);
    return s->served[bucket]++ >= s->share;
}
