/*
 * Counting failures per source. A source is an IPv4 address or an IPv6 /64,
 * which is what one customer gets and what one attacker can fill with
 * addresses at will. The window starts with the first failure: a phone with a
 * wrong password that tries twice a minute never fills it, a guesser does.
 *
 * Almost every request asks whether its source is banned, and nearly always
 * nobody is; so one atomic number, when the last ban ends, is looked at first; and a
 * success asks the number of known sources before it takes a lock.
 */
#include "serve/guard.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/word.h"
#include "serve/recent.h"

#define STRIPES 16

struct source {
    struct oh__recent_entry head;
    struct oh_addr addr; /* without port; IPv6 cut to its /64 */
    uint64_t first;      /* ns: when the window began */
    uint64_t until;      /* ns: when the ban ends; 0 = not banned */
    uint32_t failures;   /* in this window */
};

struct stripe {
    pthread_mutex_t lock;
    struct oh__recent sources;
};

struct oh__guard {
    const struct oh_alloc *alloc;
    struct oh__hash_key key;
    _Atomic uint64_t last_ban; /* ns: no ban lasts longer; one that was lifted may still count */
    _Atomic uint32_t known;    /* sources in all stripes */
    struct stripe stripes[STRIPES];
};

struct oh__guard *oh__guard_new(const struct oh_alloc *alloc, const uint8_t key[16], uint32_t max)
{
    struct oh__guard *g;

    if (!alloc)
        alloc = oh_alloc_default();
    g = oh_alloc_zero(alloc, 1, sizeof(*g));
    if (!g)
        return NULL;
    g->alloc = alloc;
    g->key = (struct oh__hash_key){oh__load64le(key), oh__load64le(key + 8)};
    atomic_init(&g->last_ban, 0);
    atomic_init(&g->known, 0);
    for (unsigned i = 0; i < STRIPES; i++) {
        pthread_mutex_init(&g->stripes[i].lock, NULL);
        oh__recent_init(&g->stripes[i].sources, alloc, &g->key, sizeof(struct source),
                        max / STRIPES);
    }
    return g;
}

void oh__guard_free(struct oh__guard *g)
{
    if (!g)
        return;
    for (unsigned i = 0; i < STRIPES; i++) {
        oh__recent_done(&g->stripes[i].sources);
        pthread_mutex_destroy(&g->stripes[i].lock);
    }
    oh_free(g->alloc, g, sizeof(*g));
}

/* The address that stands for a source. */
static struct oh_addr source_of(const struct oh_addr *a)
{
    struct oh_addr s = *a;

    oh_addr_unmap(&s);
    s.port = 0;
    if (s.family == OH_FAMILY_IPV6)
        memset(s.ip + 8, 0, 8);
    return s;
}

/* The last byte tells the families apart; a zone fills four of the bytes that a /64 leaves free. */
static void key_of(const struct oh_addr *s, uint8_t key[OH__RECENT_KEY])
{
    memcpy(key, s->ip, OH__RECENT_KEY);
    key[15] = s->family;
    for (int i = 0; i < 4 && s->family == OH_FAMILY_IPV6; i++)
        key[8 + i] = (uint8_t)(s->scope >> 8 * i);
}

static struct stripe *stripe_of(struct oh__guard *g, const uint8_t key[OH__RECENT_KEY])
{
    uint64_t h = oh__hash(&g->key, oh_span((const char *)key, OH__RECENT_KEY));

    /* The table inside the stripe takes the lowest bits. */
    return &g->stripes[(h >> 32) % STRIPES];
}

/* Finds or adds a source; the stripe is locked. NULL when there is no memory at all. */
static struct source *source_get(struct oh__guard *g, struct stripe *st, const uint8_t *key)
{
    struct source *s = oh__recent_find(&st->sources, key);
    uint32_t before = st->sources.n;

    if (s)
        return s;
    s = oh__recent_add(&st->sources, key);
    atomic_fetch_add_explicit(&g->known, st->sources.n - before, memory_order_relaxed);
    return s;
}

static void source_drop(struct oh__guard *g, struct stripe *st, struct source *s)
{
    oh__recent_drop(&st->sources, s);
    atomic_fetch_sub_explicit(&g->known, 1, memory_order_relaxed);
}

/* Starts the window anew when it has passed, and when a ban has. */
static void window_begin(struct source *s, uint64_t now, uint64_t window)
{
    bool ban_over = s->until && now >= s->until;

    if (s->failures && now - s->first < window && !ban_over)
        return;
    if (s->until > now)
        return;
    s->first = now;
    s->failures = 0;
    s->until = 0;
}

static void raise_last_ban(struct oh__guard *g, uint64_t until)
{
    uint64_t seen = atomic_load_explicit(&g->last_ban, memory_order_relaxed);

    while (seen < until && !atomic_compare_exchange_weak(&g->last_ban, &seen, until))
        ;
}

bool oh__guard_fail(struct oh__guard *g, uint64_t now, const struct oh_addr *source,
                    uint32_t failures_max, uint64_t window, uint64_t ban)
{
    struct oh_addr addr = source_of(source);
    uint8_t key[OH__RECENT_KEY];
    struct stripe *st;
    struct source *s;
    bool banned = false;

    if (failures_max == 0)
        return false;
    key_of(&addr, key);
    st = stripe_of(g, key);
    pthread_mutex_lock(&st->lock);
    s = source_get(g, st, key);
    if (s) {
        s->addr = addr;
        window_begin(s, now, window);
        s->failures += s->failures < UINT32_MAX;
        if (s->failures > failures_max && !s->until)
            s->until = now + ban;
        banned = s->until > now;
        if (banned)
            raise_last_ban(g, s->until);
    }
    pthread_mutex_unlock(&st->lock);
    return banned;
}

void oh__guard_ok(struct oh__guard *g, const struct oh_addr *source)
{
    if (atomic_load_explicit(&g->known, memory_order_relaxed))
        oh__guard_clear(g, source);
}

bool oh__guard_banned(struct oh__guard *g, uint64_t now, const struct oh_addr *source)
{
    struct oh_addr addr;
    uint8_t key[OH__RECENT_KEY];
    struct stripe *st;
    struct source *s;
    bool banned;

    if (now >= atomic_load_explicit(&g->last_ban, memory_order_relaxed))
        return false;
    addr = source_of(source);
    key_of(&addr, key);
    st = stripe_of(g, key);
    pthread_mutex_lock(&st->lock);
    s = oh__recent_find(&st->sources, key);
    banned = s && s->until > now;
    pthread_mutex_unlock(&st->lock);
    return banned;
}

unsigned oh__guard_list(struct oh__guard *g, uint64_t now, struct oh__ban *out, unsigned max)
{
    unsigned n = 0;

    for (unsigned i = 0; i < STRIPES; i++) {
        struct stripe *st = &g->stripes[i];

        pthread_mutex_lock(&st->lock);
        for (uint32_t k = 0; k < st->sources.n && n < max; k++) {
            const struct source *s = oh__recent_at(&st->sources, k);

            if (s->until > now)
                out[n++] = (struct oh__ban){s->addr, s->until, s->failures};
        }
        pthread_mutex_unlock(&st->lock);
    }
    return n;
}

static unsigned clear_one(struct oh__guard *g, const struct oh_addr *source)
{
    struct oh_addr addr = source_of(source);
    uint8_t key[OH__RECENT_KEY];
    struct stripe *st;
    struct source *s;
    unsigned lifted = 0;

    key_of(&addr, key);
    st = stripe_of(g, key);
    pthread_mutex_lock(&st->lock);
    s = oh__recent_find(&st->sources, key);
    if (s) {
        lifted = s->until != 0;
        source_drop(g, st, s);
    }
    pthread_mutex_unlock(&st->lock);
    return lifted;
}

unsigned oh__guard_clear(struct oh__guard *g, const struct oh_addr *source)
{
    unsigned lifted = 0;

    if (source)
        return clear_one(g, source);
    for (unsigned i = 0; i < STRIPES; i++) {
        struct stripe *st = &g->stripes[i];

        pthread_mutex_lock(&st->lock);
        while (st->sources.n) {
            struct source *s = oh__recent_at(&st->sources, st->sources.n - 1);

            lifted += s->until != 0;
            source_drop(g, st, s);
        }
        pthread_mutex_unlock(&st->lock);
    }
    return lifted;
}
