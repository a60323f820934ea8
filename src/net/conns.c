/*
 * A flow id is a sequence number with the owner's worker in its low bits, so
 * whoever has an id knows where to send without asking this table. The
 * sequence starts at the wall clock: ids stand in Record-Route tokens that
 * outlive the process, and must not name a stranger's connection after a
 * restart. 2^14 ids per millisecond would have to be used for a repetition.
 */
#include "net/conns.h"

#include <pthread.h>

#include "base/hash.h"
#include "base/pool.h"
#include "net/system.h"

/* Two tables with chains: connections by peer, and sources by address. */
struct entry {
    struct entry *next;
    uint64_t id;
    struct oh_addr peer;
    uint64_t source; /* handle of its struct source; 0 for connections that we opened */
    uint64_t handle;
    uint8_t transport;
    bool is_hidden; /* not in by_peer */
};

struct source {
    struct source *next;
    struct oh_addr addr;
    uint64_t handle;
    uint32_t n; /* connections */
};

struct oh__conns {
    pthread_mutex_t lock;
    struct oh__hash_key key;
    uint64_t next_id;
    uint32_t per_source;
    uint32_t mask; /* buckets less one, in both tables */
    struct entry **by_peer;
    struct source **by_source;
    struct oh__pool *entries, *sources;
};

int oh__conns_new(uint32_t max, uint32_t per_source, struct oh__conns **out)
{
    const struct oh_alloc *heap = oh_alloc_default();
    struct oh__conns *c = oh_alloc_zero(heap, 1, sizeof(*c));
    uint32_t buckets = 64;

    if (!c)
        return OH_E_NOMEM;
    while (buckets < max)
        buckets *= 2;
    pthread_mutex_init(&c->lock, NULL);
    c->mask = buckets - 1;
    c->per_source = per_source;
    c->next_id = oh__clock_wall() << 14;
    c->by_peer = oh_alloc_zero(heap, buckets, sizeof(struct entry *));
    c->by_source = oh_alloc_zero(heap, buckets, sizeof(struct source *));
    c->entries = oh__pool_new(heap, sizeof(struct entry), max, 0);
    c->sources = oh__pool_new(heap, sizeof(struct source), max, 0);
    if (!c->by_peer || !c->by_source || !c->entries || !c->sources) {
        oh__conns_free(c);
        return OH_E_NOMEM;
    }
    if (oh__entropy(&c->key, sizeof(c->key)) != OH_OK) {
        oh__conns_free(c);
        return OH_E_IO;
    }
    *out = c;
    return OH_OK;
}

void oh__conns_free(struct oh__conns *conns)
{
    const struct oh_alloc *heap = oh_alloc_default();
    size_t buckets;

    if (!conns)
        return;
    buckets = (size_t)conns->mask + 1;
    oh_free(heap, conns->by_peer, buckets * sizeof(struct entry *));
    oh_free(heap, conns->by_source, buckets * sizeof(struct source *));
    oh__pool_free(conns->entries);
    oh__pool_free(conns->sources);
    pthread_mutex_destroy(&conns->lock);
    oh_free(heap, conns, sizeof(*conns));
}

/* Hashes the fields one by one: padding inside struct oh_addr has no defined value. */
static uint32_t bucket_of(const struct oh__conns *c, const struct oh_addr *a, uint8_t transport)
{
    char key[24];

    memcpy(key, a->ip, 16);
    memcpy(key + 16, &a->scope, 4);
    memcpy(key + 20, &a->port, 2);
    key[22] = (char)a->family;
    key[23] = (char)transport;
    return (uint32_t)oh__hash(&c->key, oh_span(key, sizeof(key))) & c->mask;
}

/* Whom connections are counted for: one IPv4 address, or the /64 that one IPv6 customer owns, who
 * else would have 2^64 sources. */
static struct oh_addr source_of(const struct oh_addr *peer)
{
    struct oh_addr a = *peer;

    a.port = 0;
    a.scope = 0;
    if (a.family == OH_FAMILY_IPV6)
        memset(a.ip + 8, 0, 8);
    return a;
}

/* Counts one more connection from the peer's source. */
static int source_enter(struct oh__conns *c, const struct oh_addr *peer, uint64_t *handle)
{
    struct oh_addr addr = source_of(peer);
    struct source **bucket = &c->by_source[bucket_of(c, &addr, 0)];
    struct source *s = *bucket;

    while (s && !oh_addr_eq(&s->addr, &addr))
        s = s->next;
    if (!s) {
        s = oh__pool_take(c->sources, handle);
        if (!s)
            return OH_E_NOMEM;
        s->addr = addr;
        s->handle = *handle;
        s->next = *bucket;
        *bucket = s;
    }
    /* Only a source that is there can be at its bound, so nothing was made in vain. */
    if (s->n >= c->per_source)
        return OH_E_LIMIT;
    s->n++;
    *handle = s->handle;
    return OH_OK;
}

static void source_leave(struct oh__conns *c, uint64_t handle)
{
    struct source *s = oh__pool_get(c->sources, handle);
    struct source **link;

    if (!s || --s->n > 0)
        return;
    link = &c->by_source[bucket_of(c, &s->addr, 0)];
    while (*link != s)
        link = &(*link)->next;
    *link = s->next;
    oh__pool_give(c->sources, handle);
}

/* Makes an entry; the caller holds the lock and has counted the source. */
static int enter(struct oh__conns *c, unsigned worker, uint8_t transport,
                 const struct oh_addr *peer, struct entry **out)
{
    uint64_t handle;
    struct entry *e = oh__pool_take(c->entries, &handle);
    struct entry **bucket;

    if (!e)
        return OH_E_FULL;
    /* Never 0, which means "no connection yet" in a flow. */
    e->id = ++c->next_id << OH__WORKER_BITS | worker;
    e->handle = handle;
    e->peer = *peer;
    e->transport = transport;
    bucket = &c->by_peer[bucket_of(c, peer, transport)];
    e->next = *bucket;
    *bucket = e;
    *out = e;
    return OH_OK;
}

int oh__conns_accept(struct oh__conns *conns, unsigned worker, uint8_t transport,
                     const struct oh_addr *peer, struct oh__conn_name *out)
{
    struct entry *e;
    uint64_t source;
    int rc;

    pthread_mutex_lock(&conns->lock);
    rc = source_enter(conns, peer, &source);
    if (rc == OH_OK) {
        rc = enter(conns, worker, transport, peer, &e);
        if (rc == OH_OK) {
            e->source = source;
            *out = (struct oh__conn_name){.id = e->id, .entry = e->handle};
        } else {
            source_leave(conns, source);
        }
    }
    pthread_mutex_unlock(&conns->lock);
    return rc;
}

int oh__conns_open(struct oh__conns *conns, unsigned worker, uint8_t transport,
                   const struct oh_addr *peer, struct oh__conn_name *out, bool *fresh)
{
    struct entry *e;
    int rc = OH_OK;
    bool is_new;

    pthread_mutex_lock(&conns->lock);
    e = conns->by_peer[bucket_of(conns, peer, transport)];
    while (e && !(e->transport == transport && oh_addr_eq(&e->peer, peer)))
        e = e->next;
    is_new = !e;
    if (is_new)
        rc = enter(conns, worker, transport, peer, &e);
    if (rc == OH_OK) {
        *out = (struct oh__conn_name){.id = e->id, .entry = e->handle};
        *fresh = is_new;
    }
    pthread_mutex_unlock(&conns->lock);
    return rc;
}

/* Takes an entry out of the table of peers. */
static void hide(struct oh__conns *c, struct entry *e)
{
    struct entry **link = &c->by_peer[bucket_of(c, &e->peer, e->transport)];

    if (e->is_hidden)
        return;
    while (*link != e)
        link = &(*link)->next;
    *link = e->next;
    e->is_hidden = true;
}

void oh__conns_hide(struct oh__conns *conns, uint64_t entry)
{
    struct entry *e;

    pthread_mutex_lock(&conns->lock);
    e = oh__pool_get(conns->entries, entry);
    if (e)
        hide(conns, e);
    pthread_mutex_unlock(&conns->lock);
}

void oh__conns_leave(struct oh__conns *conns, uint64_t entry)
{
    struct entry *e;

    pthread_mutex_lock(&conns->lock);
    e = oh__pool_get(conns->entries, entry);
    if (e) {
        hide(conns, e);
        if (e->source)
            source_leave(conns, e->source);
        oh__pool_give(conns->entries, entry);
    }
    pthread_mutex_unlock(&conns->lock);
}
