/*
 * `shared`: what policies of all workers know in common. One hash table and
 * one list in the order of writing, under one mutex that is held for a few
 * hundred nanoseconds and never across a call-out. Strangers choose keys (a
 * caller's address or name), so the table is keyed, bounded, and gives up the
 * entry written longest ago rather than refusing the newest: a counter that
 * guards against a flood must not be switched off by the flood.
 */
#include <pthread.h>

#include "host/config_policy.h"

#define ENTRIES_DEFAULT 65536

struct shared_entry {
    struct shared_entry *chain;         /* same bucket */
    struct shared_entry *older, *newer; /* order of writing */
    uint64_t hash;
    uint64_t expires; /* ns; UINT64_MAX = never */
    enum oh__shared_kind kind;
    union {
        double number;
        int64_t integer;
    } u;
    uint32_t key_n, text_n;
    char bytes[]; /* key, then text */
};

struct oh__policy_shared {
    struct oh__policy_shared_options options;
    pthread_mutex_t mutex;
    struct shared_entry **buckets;
    size_t buckets_n; /* a power of two */
    struct shared_entry *oldest, *newest;
    struct oh__policy_shared_stats stats;
};

int oh__policy_shared_new(const struct oh__policy_shared_options *options,
                          struct oh__policy_shared **out)
{
    struct oh__policy_shared *sh = oh_alloc_zero(options->alloc, 1, sizeof(*sh));

    if (!sh)
        return OH_E_NOMEM;
    sh->options = *options;
    if (sh->options.entries_max == 0)
        sh->options.entries_max = ENTRIES_DEFAULT;
    for (sh->buckets_n = 16; sh->buckets_n < sh->options.entries_max;)
        sh->buckets_n *= 2;
    sh->buckets = oh_alloc_zero(options->alloc, sh->buckets_n, sizeof(sh->buckets[0]));
    if (!sh->buckets || pthread_mutex_init(&sh->mutex, NULL) != 0) {
        oh_free(options->alloc, sh->buckets, sh->buckets_n * sizeof(sh->buckets[0]));
        oh_free(options->alloc, sh, sizeof(*sh));
        return OH_E_NOMEM;
    }
    *out = sh;
    return OH_OK;
}

/* The size that an entry was allocated with. */
static size_t entry_size(const struct shared_entry *e)
{
    return sizeof(*e) + e->key_n + e->text_n;
}

/* Where the pointer to a key's entry is, or where it would be. */
static struct shared_entry **place_of(struct oh__policy_shared *sh, struct oh_span key,
                                      uint64_t hash)
{
    struct shared_entry **at = &sh->buckets[hash & (sh->buckets_n - 1)];

    while (*at && ((*at)->hash != hash || !oh_span_eq(oh_span((*at)->bytes, (*at)->key_n), key)))
        at = &(*at)->chain;
    return at;
}

/* Takes an entry out of the order of writing. */
static void list_remove(struct oh__policy_shared *sh, struct shared_entry *e)
{
    *(e->older ? &e->older->newer : &sh->oldest) = e->newer;
    *(e->newer ? &e->newer->older : &sh->newest) = e->older;
}

/* Puts an entry at the new end of the order of writing. */
static void list_append(struct oh__policy_shared *sh, struct shared_entry *e)
{
    e->older = sh->newest;
    e->newer = NULL;
    *(sh->newest ? &sh->newest->newer : &sh->oldest) = e;
    sh->newest = e;
}

/* Takes an entry out of its bucket and list, and frees it. */
static void remove_at(struct oh__policy_shared *sh, struct shared_entry **at)
{
    struct shared_entry *e = *at;

    *at = e->chain;
    list_remove(sh, e);
    sh->stats.entries--;
    oh_free(sh->options.alloc, e, entry_size(e));
}

/* The live entry of a key; an expired one is removed on the way. */
static struct shared_entry **find_live(struct oh__policy_shared *sh, struct oh_span key,
                                       uint64_t hash, uint64_t now)
{
    struct shared_entry **at = place_of(sh, key, hash);

    if (*at && (*at)->expires <= now) {
        remove_at(sh, at);
        sh->stats.expired++;
        at = place_of(sh, key, hash);
    }
    return at;
}

/* Makes room for one more. */
static void evict(struct oh__policy_shared *sh, uint64_t now)
{
    struct shared_entry *e = sh->oldest;

    if (e->expires <= now)
        sh->stats.expired++;
    else
        sh->stats.evicted++;
    remove_at(sh, place_of(sh, oh_span(e->bytes, e->key_n), e->hash));
}

/* Puts a new entry in; there is none of that key. NULL: no memory. */
static struct shared_entry *insert(struct oh__policy_shared *sh, struct oh_span key, uint64_t hash,
                                   struct oh_span text, uint64_t now)
{
    struct shared_entry *e, **bucket;

    if (sh->stats.entries == sh->options.entries_max)
        evict(sh, now);
    e = oh_alloc(sh->options.alloc, sizeof(*e) + key.n + text.n);
    if (!e)
        return NULL;
    memset(e, 0, sizeof(*e));
    e->hash = hash;
    e->key_n = (uint32_t)key.n;
    e->text_n = (uint32_t)text.n;
    memcpy(e->bytes, key.p, key.n);
    if (text.n)
        memcpy(e->bytes + key.n, text.p, text.n);
    bucket = &sh->buckets[hash & (sh->buckets_n - 1)];
    e->chain = *bucket;
    *bucket = e;
    list_append(sh, e);
    sh->stats.entries++;
    return e;
}

static uint64_t clock_now(const struct oh__policy_shared *sh)
{
    return sh->options.clock(sh->options.ctx);
}

/* When something that lives this long ends; 0 is never, and the sum must not wrap. */
static uint64_t end_of(uint64_t now, uint64_t life)
{
    return life == 0 || life > UINT64_MAX - now ? UINT64_MAX : now + life;
}

void oh__shared_get(struct oh__policy_shared *sh, struct oh_span key, struct oh__shared_value *out)
{
    uint64_t hash = oh__hash(&sh->options.key, key), now = clock_now(sh);
    struct shared_entry *e;

    out->kind = OH__SHARED_NONE;
    pthread_mutex_lock(&sh->mutex);
    e = *find_live(sh, key, hash, now);
    if (e) {
        out->kind = e->kind;
        out->number = e->u.number;
        out->integer = e->u.integer;
        out->n = e->text_n;
        memcpy(out->text, e->bytes + e->key_n, e->text_n);
    }
    pthread_mutex_unlock(&sh->mutex);
}

int oh__shared_set(struct oh__policy_shared *sh, struct oh_span key,
                   const struct oh__shared_value *value, uint64_t life)
{
    uint64_t hash = oh__hash(&sh->options.key, key), now = clock_now(sh);
    size_t n = value->kind == OH__SHARED_TEXT ? value->n : 0;
    struct shared_entry **at, *e = NULL;

    pthread_mutex_lock(&sh->mutex);
    at = find_live(sh, key, hash, now);
    if (*at)
        remove_at(sh, at);
    if (value->kind != OH__SHARED_NONE)
        e = insert(sh, key, hash, oh_span(value->text, n), now);
    if (e) {
        e->kind = value->kind;
        e->expires = end_of(now, life);
        if (value->kind == OH__SHARED_NUMBER)
            e->u.number = value->number;
        else
            e->u.integer = value->integer;
    }
    pthread_mutex_unlock(&sh->mutex);
    return e || value->kind == OH__SHARED_NONE ? OH_OK : OH_E_NOMEM;
}

int oh__shared_count(struct oh__policy_shared *sh, struct oh_span key, int64_t by, uint64_t window,
                     int64_t *out)
{
    uint64_t hash = oh__hash(&sh->options.key, key), now = clock_now(sh);
    struct shared_entry **at, *e;
    int64_t value = 0;

    pthread_mutex_lock(&sh->mutex);
    at = find_live(sh, key, hash, now);
    e = *at;
    if (e && e->kind != OH__SHARED_INTEGER) {
        remove_at(sh, at);
        e = NULL;
    }
    if (!e) {
        e = insert(sh, key, hash, oh_span(NULL, 0), now);
        if (e) {
            e->kind = OH__SHARED_INTEGER;
            e->expires = end_of(now, window);
        }
    } else {
        list_remove(sh, e);
        list_append(sh, e);
    }
    if (e) {
        /* Counts stay at the end of their range instead of wrapping. */
        if (__builtin_add_overflow(e->u.integer, by, &value))
            value = by > 0 ? INT64_MAX : INT64_MIN;
        e->u.integer = value;
    }
    pthread_mutex_unlock(&sh->mutex);
    if (!e)
        return OH_E_NOMEM;
    *out = value;
    return OH_OK;
}

void oh__policy_shared_stats(struct oh__policy_shared *sh, struct oh__policy_shared_stats *out)
{
    pthread_mutex_lock(&sh->mutex);
    *out = sh->stats;
    pthread_mutex_unlock(&sh->mutex);
}

void oh__policy_shared_log(struct oh__policy_shared *sh, struct oh_span text)
{
    if (sh->options.log)
        sh->options.log(sh->options.ctx, text);
}

void oh__policy_shared_free(struct oh__policy_shared *sh)
{
    const struct oh_alloc *alloc;

    if (!sh)
        return;
    alloc = sh->options.alloc;
    while (sh->oldest)
        evict(sh, 0);
    pthread_mutex_destroy(&sh->mutex);
    oh_free(alloc, sh->buckets, sh->buckets_n * sizeof(sh->buckets[0]));
    oh_free(alloc, sh, sizeof(*sh));
}
