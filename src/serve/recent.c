/*
 * Entries lie in one array, linked by index: an index survives when the array
 * moves to grow, and costs half a pointer. The array has no holes, because the
 * last entry fills the place of one that is dropped; so a walk needs no marks
 * and eviction reuses the place that it empties.
 */
#include "serve/recent.h"

#include <string.h>

#define FIRST 16

static struct oh__recent_entry *at(const struct oh__recent *t, uint32_t link)
{
    return oh__recent_at(t, link - 1);
}

static uint32_t link_of(const struct oh__recent *t, const void *entry)
{
    return (uint32_t)((size_t)((const char *)entry - t->entries) / t->size) + 1;
}

static uint32_t *bucket(const struct oh__recent *t, const uint8_t *key)
{
    uint64_t h = oh__hash(&t->hash, oh_span((const char *)key, OH__RECENT_KEY));

    return &t->buckets[h & (t->buckets_n - 1)];
}

void oh__recent_init(struct oh__recent *t, const struct oh_alloc *alloc,
                     const struct oh__hash_key *hash, uint32_t size, uint32_t max)
{
    *t = (struct oh__recent){.alloc = alloc, .hash = *hash, .size = size, .max = max ? max : 1};
}

void oh__recent_done(struct oh__recent *t)
{
    oh_free(t->alloc, t->entries, (size_t)t->cap * t->size);
    oh_free(t->alloc, t->buckets, t->buckets_n * sizeof(*t->buckets));
    t->entries = NULL;
    t->buckets = NULL;
    t->cap = t->n = t->buckets_n = t->newest = t->oldest = 0;
}

/* The order of use is a list of its own, from the newest to the oldest, so that the one to evict is
 * known without a search. Links are indices plus one: 0 is the end. */
static void order_out(struct oh__recent *t, struct oh__recent_entry *e)
{
    if (e->newer)
        at(t, e->newer)->older = e->older;
    else
        t->newest = e->older;
    if (e->older)
        at(t, e->older)->newer = e->newer;
    else
        t->oldest = e->newer;
}

static void order_in(struct oh__recent *t, struct oh__recent_entry *e)
{
    uint32_t link = link_of(t, e);

    e->newer = 0;
    e->older = t->newest;
    if (t->newest)
        at(t, t->newest)->newer = link;
    else
        t->oldest = link;
    t->newest = link;
}

void *oh__recent_find(struct oh__recent *t, const uint8_t key[OH__RECENT_KEY])
{
    if (t->n == 0)
        return NULL;
    for (uint32_t i = *bucket(t, key); i; i = at(t, i)->chain) {
        struct oh__recent_entry *e = at(t, i);

        if (memcmp(e->key, key, OH__RECENT_KEY) != 0)
            continue;
        if (t->newest != i) {
            order_out(t, e);
            order_in(t, e);
        }
        return e;
    }
    return NULL;
}

static void chain_in(struct oh__recent *t, struct oh__recent_entry *e)
{
    uint32_t *b = bucket(t, e->key);

    e->chain = *b;
    *b = link_of(t, e);
}

/* The place that holds the link to this entry: its bucket or its predecessor in the chain. */
static uint32_t *chain_place(struct oh__recent *t, const struct oh__recent_entry *e)
{
    uint32_t link = link_of(t, e);
    uint32_t *place = bucket(t, e->key);

    while (*place != link)
        place = &at(t, *place)->chain;
    return place;
}

/* Doubles the table; the old one stays as it is on failure. */
static bool grow(struct oh__recent *t)
{
    uint32_t cap = t->cap ? t->cap * 2 : FIRST;
    uint32_t buckets_n = t->buckets_n ? t->buckets_n : FIRST;
    uint32_t *buckets;
    char *entries;

    if (cap > t->max)
        cap = t->max;
    while (buckets_n < cap)
        buckets_n *= 2;
    buckets = oh_alloc_zero(t->alloc, buckets_n, sizeof(*buckets));
    if (!buckets)
        return false;
    entries = oh_realloc(t->alloc, t->entries, (size_t)t->cap * t->size, (size_t)cap * t->size);
    if (!entries) {
        oh_free(t->alloc, buckets, buckets_n * sizeof(*buckets));
        return false;
    }
    oh_free(t->alloc, t->buckets, t->buckets_n * sizeof(*t->buckets));
    t->entries = entries;
    t->cap = cap;
    t->buckets = buckets;
    t->buckets_n = buckets_n;
    for (uint32_t i = 0; i < t->n; i++)
        chain_in(t, oh__recent_at(t, i));
    return true;
}

void *oh__recent_add(struct oh__recent *t, const uint8_t key[OH__RECENT_KEY])
{
    struct oh__recent_entry *e;

    /* Full, or no memory to grow: the one that was of no use for the longest time makes room. */
    if (t->n == t->cap && (t->cap == t->max || !grow(t))) {
        if (t->n == 0)
            return NULL;
        e = at(t, t->oldest);
        if (t->evicted)
            t->evicted(t->ctx, e);
        oh__recent_drop(t, e);
    }
    e = oh__recent_at(t, t->n++);
    memset(e, 0, t->size);
    memcpy(e->key, key, OH__RECENT_KEY);
    chain_in(t, e);
    order_in(t, e);
    return e;
}

/* Everything that points to the last entry is made to point to the free place. */
static void move_last(struct oh__recent *t, struct oh__recent_entry *hole)
{
    struct oh__recent_entry *last = oh__recent_at(t, t->n - 1);
    uint32_t link = link_of(t, hole);

    if (last == hole)
        return;
    *chain_place(t, last) = link;
    if (last->newer)
        at(t, last->newer)->older = link;
    else
        t->newest = link;
    if (last->older)
        at(t, last->older)->newer = link;
    else
        t->oldest = link;
    memcpy(hole, last, t->size);
}

void oh__recent_drop(struct oh__recent *t, void *entry)
{
    struct oh__recent_entry *e = entry;

    *chain_place(t, e) = e->chain;
    order_out(t, e);
    move_last(t, e);
    t->n--;
}

bool oh__recent_ok(const struct oh__recent *t)
{
    uint32_t chained = 0, ordered = 0, newer = 0;

    for (uint32_t b = 0; b < t->buckets_n; b++) {
        for (uint32_t i = t->buckets[b]; i; i = at(t, i)->chain) {
            if (i > t->n || bucket(t, at(t, i)->key) != &t->buckets[b] || ++chained > t->n)
                return false;
        }
    }
    for (uint32_t i = t->newest; i; i = at(t, i)->older) {
        if (i > t->n || at(t, i)->newer != newer || ++ordered > t->n)
            return false;
        newer = i;
    }
    return chained == t->n && ordered == t->n && t->oldest == newer && t->n <= t->cap &&
           t->cap <= t->max;
}
