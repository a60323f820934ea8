/*
 * Buckets are chosen by the upper bits of the hash and each is sorted, so the
 * whole stripe is sorted by hash, however many buckets there are. That is what
 * makes a cursor possible that holds no lock between two calls: it names the
 * place in that order where it goes on, and growing, shrinking, additions and
 * removals neither show it an entry twice nor hide one that was there all the
 * time. (Open addressing would move entries about under it.)
 *
 * The list of AORs on streams is a sorted array of 16 bytes each. Ids of flows
 * ascend, so new ones are added near its end.
 */
#include "serve/location_stripe.h"

#include "serve/location_record.h"

/* Idle blocks that a stripe keeps: the usual registration that replaces another finds one. */
#define KEEP_BYTES 8192

#define BITS_LEAST 4
#define BITS_MOST  24

int oh__location_stripe_init(struct oh__location_stripe *s, const struct oh_alloc *alloc)
{
    memset(s, 0, sizeof(*s));
    s->blocks = oh__blocks_new(alloc, KEEP_BYTES);
    if (!s->blocks)
        return OH_E_NOMEM;
    s->alloc = alloc;
    s->next_expiry = UINT64_MAX;
    pthread_mutex_init(&s->lock, NULL);
    return OH_OK;
}

void oh__location_stripe_done(struct oh__location_stripe *s)
{
    if (!s->blocks)
        return;
    for (uint32_t b = 0; s->buckets && b < UINT32_C(1) << s->bits; b++) {
        while (s->buckets[b]) {
            struct oh__location_entry *e = s->buckets[b];

            s->buckets[b] = e->next;
            oh__location_entry_free(s, e);
        }
    }
    if (s->buckets)
        oh_free(s->alloc, s->buckets, sizeof(s->buckets[0]) << s->bits);
    oh_free(s->alloc, s->flows, s->flows_cap * sizeof(s->flows[0]));
    oh__blocks_free(s->blocks);
    pthread_mutex_destroy(&s->lock);
}

/* The upper bits, so that buckets follow each other in the order of hashes. */
static uint32_t bucket_of(const struct oh__location_stripe *s, uint64_t order)
{
    return (uint32_t)(order >> (64 - s->bits));
}

/* ---- look-up ---- */

struct oh__location_entry *oh__location_stripe_find(const struct oh__location_stripe *s,
                                                    uint32_t hash, struct oh_span aor)
{
    struct oh__location_entry *e;

    if (!s->buckets)
        return NULL;
    e = s->buckets[bucket_of(s, (uint64_t)hash << 32)];
    while (e && (e->order >> 32 < hash ||
                 (e->order >> 32 == hash && !oh_span_eq(oh__location_entry_aor(e), aor))))
        e = e->next;
    return e && e->order >> 32 == hash ? e : NULL;
}

struct oh__location_entry *oh__location_stripe_from(const struct oh__location_stripe *s,
                                                    uint64_t order)
{
    if (!s->buckets || s->entries == 0)
        return NULL;
    for (uint32_t b = bucket_of(s, order); b < UINT32_C(1) << s->bits; b++) {
        for (struct oh__location_entry *e = s->buckets[b]; e; e = e->next)
            if (e->order >= order)
                return e;
    }
    return NULL;
}

/* ---- entries ---- */

/* What a block was taken as, which is how it has to be given back. */
static size_t entry_size(size_t aor_n, size_t record_n)
{
    return offsetof(struct oh__location_entry, text) + aor_n + record_n;
}

int oh__location_entry_new(struct oh__location_stripe *s, struct oh_span aor,
                           const struct oh__binding_list *list, struct oh__location_entry **out)
{
    size_t record_n = oh__location_record_size(list);
    struct oh__location_entry *e;

    if (aor.n == 0 || aor.n > UINT16_MAX || record_n == 0)
        return OH_E_LIMIT;
    e = oh__blocks_take(s->blocks, entry_size(aor.n, record_n));
    if (!e)
        return OH_E_NOMEM;
    e->next = NULL;
    e->order = e->version = 0;
    e->record_n = (uint32_t)record_n;
    e->aor_n = (uint16_t)aor.n;
    e->bindings = (uint8_t)list->n;
    memcpy(e->text, aor.p, aor.n);
    oh__location_record_put(e->text + aor.n, list);
    *out = e;
    return OH_OK;
}

void oh__location_entry_free(struct oh__location_stripe *s, struct oh__location_entry *e)
{
    if (e)
        oh__blocks_give(s->blocks, e, entry_size(e->aor_n, e->record_n));
}

/* The link that leads to an entry, or to where its order belongs. */
static struct oh__location_entry **link_of(struct oh__location_stripe *s, uint64_t order)
{
    struct oh__location_entry **at = &s->buckets[bucket_of(s, order)];

    while (*at && (*at)->order < order)
        at = &(*at)->next;
    return at;
}

/*
 * Changes the number of buckets. Entries are moved from the last to the first, so each goes to the
 * front of its new bucket and the order holds. When the heap fails, chains are longer: no harm.
 */
static void resize(struct oh__location_stripe *s, unsigned bits)
{
    struct oh__location_entry **old = s->buckets;
    unsigned old_bits = s->bits;
    struct oh__location_entry **fresh = oh_alloc_zero(s->alloc, (size_t)1 << bits,
                                                      sizeof(s->buckets[0]));

    if (!fresh)
        return;
    s->buckets = fresh;
    s->bits = bits;
    if (!old)
        return;
    for (uint32_t b = UINT32_C(1) << old_bits; b-- > 0;) {
        struct oh__location_entry *reversed = NULL, *e;

        while ((e = old[b])) {
            old[b] = e->next;
            e->next = reversed;
            reversed = e;
        }
        while ((e = reversed)) {
            struct oh__location_entry **to = &fresh[bucket_of(s, e->order)];

            reversed = e->next;
            e->next = *to;
            *to = e;
        }
    }
    oh_free(s->alloc, old, sizeof(old[0]) << old_bits);
}

/* The lowest order with this hash that is above all others with it. */
static uint64_t new_order(const struct oh__location_stripe *s, uint32_t hash)
{
    uint64_t order = (uint64_t)hash << 32;
    const struct oh__location_entry *e = s->buckets[bucket_of(s, order)];

    for (; e && e->order >> 32 <= hash; e = e->next)
        if (e->order >> 32 == hash)
            order = e->order + 1;
    return order;
}

/* Puts a new AOR in. */
static int insert(struct oh__location_stripe *s, uint32_t hash, struct oh__location_entry *e)
{
    struct oh__location_entry **at;

    if (!s->buckets)
        resize(s, BITS_LEAST);
    else if (s->entries >> s->bits && s->bits < BITS_MOST)
        resize(s, s->bits + 1);
    if (!s->buckets)
        return OH_E_NOMEM;
    e->order = new_order(s, hash);
    at = link_of(s, e->order);
    e->next = *at;
    *at = e;
    s->entries++;
    return OH_OK;
}

int oh__location_stripe_put(struct oh__location_stripe *s, uint32_t hash,
                            struct oh__location_entry *old, struct oh__location_entry *e)
{
    uint64_t earliest = s->next_expiry;
    int rc = OH_OK;

    if (old) {
        e->order = old->order;
        e->next = old->next;
        *link_of(s, old->order) = e;
        s->bindings -= old->bindings;
    } else {
        rc = insert(s, hash, e);
    }
    if (rc != OH_OK)
        return rc;
    s->bindings += e->bindings;
    oh__location_record_expired(oh__location_entry_record(e), 0, &earliest);
    s->next_expiry = earliest;
    return OH_OK;
}

void oh__location_stripe_remove(struct oh__location_stripe *s, struct oh__location_entry *e)
{
    *link_of(s, e->order) = e->next;
    s->entries--;
    s->bindings -= e->bindings;
    /* An eighth full: far enough from growing again that a few changes do not make it swing. */
    if (s->bits > BITS_LEAST && s->entries < UINT32_C(1) << (s->bits - 3))
        resize(s, s->bits - 1);
}

/* ---- streams ---- */

/* The first place that is not before flow and hash. */
static uint32_t flow_place(const struct oh__location_stripe *s, uint64_t flow_id, uint32_t hash)
{
    uint32_t low = 0, high = s->flows_n;

    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        const struct oh__location_on_flow *f = &s->flows[mid];

        if (f->flow_id < flow_id || (f->flow_id == flow_id && f->hash < hash))
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* Room for one more; half as much again, because a million streams are not doubled lightly. */
static int flow_room(struct oh__location_stripe *s)
{
    uint32_t cap = s->flows_cap ? s->flows_cap + s->flows_cap / 2 : 4;
    void *p;

    if (s->flows_n < s->flows_cap)
        return OH_OK;
    p = oh_realloc(s->alloc, s->flows, s->flows_cap * sizeof(s->flows[0]),
                   cap * sizeof(s->flows[0]));
    if (!p)
        return OH_E_NOMEM;
    s->flows = p;
    s->flows_cap = cap;
    return OH_OK;
}

int oh__location_flow_add(struct oh__location_stripe *s, uint64_t flow_id, uint32_t hash)
{
    uint32_t at = flow_place(s, flow_id, hash);
    struct oh__location_on_flow *f = at < s->flows_n ? s->flows + at : NULL;

    if (f && f->flow_id == flow_id && f->hash == hash) {
        f->count++;
        return OH_OK;
    }
    if (flow_room(s) != OH_OK)
        return OH_E_NOMEM;
    f = s->flows + at;
    memmove(f + 1, f, (s->flows_n - at) * sizeof(*f));
    *f = (struct oh__location_on_flow){.flow_id = flow_id, .hash = hash, .count = 1};
    s->flows_n++;
    return OH_OK;
}

/* Closes the gap, and gives memory back after a peak. */
static void flow_remove(struct oh__location_stripe *s, uint32_t at)
{
    uint32_t cap = s->flows_cap / 2;
    void *p;

    s->flows_n--;
    memmove(s->flows + at, s->flows + at + 1, (s->flows_n - at) * sizeof(s->flows[0]));
    if (cap < 4 || s->flows_n > cap / 2)
        return;
    p = oh_realloc(s->alloc, s->flows, s->flows_cap * sizeof(s->flows[0]),
                   cap * sizeof(s->flows[0]));
    if (!p)
        return;
    s->flows = p;
    s->flows_cap = cap;
}

void oh__location_flow_sub(struct oh__location_stripe *s, uint64_t flow_id, uint32_t hash)
{
    uint32_t at = flow_place(s, flow_id, hash);

    if (at == s->flows_n || s->flows[at].flow_id != flow_id || s->flows[at].hash != hash)
        return;
    if (--s->flows[at].count == 0)
        flow_remove(s, at);
}

bool oh__location_flow_take(struct oh__location_stripe *s, uint64_t flow_id, uint32_t *hash,
                            uint32_t *count)
{
    uint32_t at = flow_place(s, flow_id, 0);

    if (at == s->flows_n || s->flows[at].flow_id != flow_id)
        return false;
    *hash = s->flows[at].hash;
    *count = s->flows[at].count;
    flow_remove(s, at);
    return true;
}

size_t oh__location_stripe_bytes(const struct oh__location_stripe *s)
{
    size_t used, idle;

    oh__blocks_stats(s->blocks, &used, &idle);
    return used + idle + (s->buckets ? sizeof(s->buckets[0]) << s->bits : 0) +
           s->flows_cap * sizeof(s->flows[0]);
}
