/*
 * Open addressing with linear probing, 24 bytes a slot. Removal moves entries
 * up instead of leaving tombstones: a table of addresses that come and go all
 * day would otherwise fill up with them. Growing may fail for want of memory
 * and is then tried again by the next addition; only a stripe without a single
 * free slot refuses.
 */
#include "serve/location_count.h"

#include <pthread.h>

#define STRIPES 64
#define LEAST   16 /* slots of a stripe that holds anything */

/* count 0: free. 24 bytes, because a million phones may have a million sources. */
struct slot {
    struct oh__location_key key;
    uint32_t count;
};

struct stripe {
    pthread_mutex_t lock;
    struct slot *slots; /* open addressing, linear probing */
    uint32_t cap, used; /* cap is 0 or a power of two */
};

struct oh__location_count {
    const struct oh_alloc *alloc;
    struct oh__hash_key hash;
    struct stripe stripe[STRIPES];
};

struct oh__location_key oh__location_key_addr(const struct oh_addr *addr)
{
    struct oh__location_key key = {{0}};
    struct oh_addr a = *addr;

    oh_addr_unmap(&a);
    /* The mapped form tells families apart in 16 bytes. */
    if (a.family == OH_FAMILY_IPV4) {
        key.bytes[10] = key.bytes[11] = 0xff;
        memcpy(key.bytes + 12, a.ip, 4);
    } else {
        memcpy(key.bytes, a.ip, 16);
        memcpy(key.bytes + 16, &a.scope, 4);
    }
    return key;
}

struct oh__location_key oh__location_key_flow(uint64_t id)
{
    struct oh__location_key key = {{0}};

    memcpy(key.bytes, &id, sizeof(id));
    return key;
}

struct oh__location_count *oh__location_count_new(const struct oh_alloc *alloc,
                                                  const struct oh__hash_key *hash)
{
    struct oh__location_count *set = oh_alloc_zero(alloc, 1, sizeof(*set));

    if (!set)
        return NULL;
    set->alloc = alloc;
    set->hash = *hash;
    for (unsigned i = 0; i < STRIPES; i++)
        pthread_mutex_init(&set->stripe[i].lock, NULL);
    return set;
}

void oh__location_count_free(struct oh__location_count *set)
{
    if (!set)
        return;
    for (unsigned i = 0; i < STRIPES; i++) {
        oh_free(set->alloc, set->stripe[i].slots, set->stripe[i].cap * sizeof(struct slot));
        pthread_mutex_destroy(&set->stripe[i].lock);
    }
    oh_free(set->alloc, set, sizeof(*set));
}

/* Keyed, because strangers choose where their packets come from. */
static uint64_t hash_of(const struct oh__location_count *set, const struct oh__location_key *key)
{
    return oh__hash(&set->hash, oh_span((const char *)key->bytes, sizeof(key->bytes)));
}

/* The stripe takes the upper bits of a hash, the place in it the lower ones. */
static struct stripe *stripe_of(struct oh__location_count *set, uint64_t hash)
{
    return &set->stripe[hash >> 58];
}

/* The key's slot, or the free one where it belongs; there is always a free one. */
static uint32_t find(const struct stripe *s, uint64_t hash, const struct oh__location_key *key)
{
    uint32_t i = (uint32_t)hash & (s->cap - 1);

    while (s->slots[i].count && memcmp(&s->slots[i].key, key, sizeof(*key)) != 0)
        i = (i + 1) & (s->cap - 1);
    return i;
}

/* Moves everything to another number of slots; keeps what there is when the heap fails. */
static void resize(struct oh__location_count *set, struct stripe *s, uint32_t cap)
{
    struct stripe fresh = {.cap = cap};

    fresh.slots = oh_alloc_zero(set->alloc, cap, sizeof(struct slot));
    if (!fresh.slots)
        return;
    for (uint32_t i = 0; i < s->cap; i++) {
        const struct slot *from = &s->slots[i];

        if (from->count)
            fresh.slots[find(&fresh, hash_of(set, &from->key), &from->key)] = *from;
    }
    oh_free(set->alloc, s->slots, s->cap * sizeof(struct slot));
    s->slots = fresh.slots;
    s->cap = cap;
}

/* One more of a key; its stripe's lock is held. */
static int add(struct oh__location_count *set, struct stripe *s, uint64_t hash,
               const struct oh__location_key *key)
{
    uint32_t i;

    if (s->used + 1 > s->cap / 4 * 3)
        resize(set, s, s->cap ? s->cap * 2 : LEAST);
    if (s->used + 1 >= s->cap)
        return OH_E_NOMEM;
    i = find(s, hash, key);
    if (s->slots[i].count == 0) {
        s->slots[i].key = *key;
        s->used++;
    }
    s->slots[i].count++;
    return OH_OK;
}

int oh__location_count_add(struct oh__location_count *set, const struct oh__location_key *key)
{
    uint64_t hash = hash_of(set, key);
    struct stripe *s = stripe_of(set, hash);
    int rc;

    pthread_mutex_lock(&s->lock);
    rc = add(set, s, hash, key);
    pthread_mutex_unlock(&s->lock);
    return rc;
}

/* Frees slot i and moves those behind it up that the gap would hide. */
static void clear(struct oh__location_count *set, struct stripe *s, uint32_t i)
{
    uint32_t mask = s->cap - 1;

    for (uint32_t j = (i + 1) & mask; s->slots[j].count; j = (j + 1) & mask) {
        uint32_t home = (uint32_t)hash_of(set, &s->slots[j].key) & mask;

        /* Slot j may go to i unless its home lies cyclically in (i, j]. */
        if (((j - home) & mask) >= ((j - i) & mask)) {
            s->slots[i] = s->slots[j];
            i = j;
        }
    }
    s->slots[i].count = 0;
    s->used--;
    if (s->cap > LEAST && s->used < s->cap / 8)
        resize(set, s, s->cap / 2);
}

void oh__location_count_sub(struct oh__location_count *set, const struct oh__location_key *key,
                            uint32_t times)
{
    uint64_t hash = hash_of(set, key);
    struct stripe *s = stripe_of(set, hash);

    pthread_mutex_lock(&s->lock);
    if (s->used) {
        uint32_t i = find(s, hash, key);

        if (s->slots[i].count > times)
            s->slots[i].count -= times;
        else if (s->slots[i].count)
            clear(set, s, i);
    }
    pthread_mutex_unlock(&s->lock);
}

uint32_t oh__location_count_get(struct oh__location_count *set, const struct oh__location_key *key)
{
    uint64_t hash = hash_of(set, key);
    struct stripe *s = stripe_of(set, hash);
    uint32_t count = 0;

    pthread_mutex_lock(&s->lock);
    if (s->used)
        count = s->slots[find(s, hash, key)].count;
    pthread_mutex_unlock(&s->lock);
    return count;
}

size_t oh__location_count_bytes(struct oh__location_count *set)
{
    size_t bytes = sizeof(*set);

    for (unsigned i = 0; i < STRIPES; i++) {
        pthread_mutex_lock(&set->stripe[i].lock);
        bytes += set->stripe[i].cap * sizeof(struct slot);
        pthread_mutex_unlock(&set->stripe[i].lock);
    }
    return bytes;
}
