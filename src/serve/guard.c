/*
 * Counting failures per source, and per source and account. A source is an
 * IPv4 address or an IPv6 /64, which is what one customer gets and what one
 * attacker can fill with addresses at will. The window starts with the first
 * failure: a phone with a wrong password that tries twice a minute never fills
 * it, a guesser does.
 *
 * Both counts live in tables of one kind. A pair is found by a MAC over source
 * and account: its key is drawn at each start and never shown, so nobody can
 * make two pairs meet, and a name of any length fits.
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
#include "serve/source.h"

#define STRIPES     16
#define ACCOUNT_MAX 640 /* bytes of a name that count: longer ones fail as their beginnings do */

_Static_assert(OH__SOURCE_KEY == OH__RECENT_KEY, "a source is found by its own bytes");

struct entry {
    struct oh__recent_entry head;
    struct oh_addr addr; /* oh__source_of */
    uint64_t first;      /* ns: when the window began */
    uint64_t until;      /* ns: when the ban ends; 0 = not banned */
    uint32_t failures;   /* in this window */
};

struct pair {
    struct entry entry;
    char account[OH__GUARD_NAME]; /* for people; the key has all of it */
};

struct stripe {
    pthread_mutex_t lock;
    struct oh__recent entries;
};

struct table {
    const struct oh__hash_key *key;
    _Atomic uint64_t last_ban; /* ns: no ban lasts longer; one that was lifted may still count */
    _Atomic uint32_t known;    /* entries in all stripes */
    struct stripe stripes[STRIPES];
};

struct oh__guard {
    const struct oh_alloc *alloc;
    struct oh__hash_key key;
    struct table sources, pairs;
};

static void table_init(struct table *t, struct oh__guard *g, uint32_t size, uint32_t max)
{
    t->key = &g->key;
    atomic_init(&t->last_ban, 0);
    atomic_init(&t->known, 0);
    for (unsigned i = 0; i < STRIPES; i++) {
        pthread_mutex_init(&t->stripes[i].lock, NULL);
        oh__recent_init(&t->stripes[i].entries, g->alloc, &g->key, size, max / STRIPES);
    }
}

static void table_done(struct table *t)
{
    for (unsigned i = 0; i < STRIPES; i++) {
        oh__recent_done(&t->stripes[i].entries);
        pthread_mutex_destroy(&t->stripes[i].lock);
    }
}

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
    table_init(&g->sources, g, sizeof(struct entry), max);
    table_init(&g->pairs, g, sizeof(struct pair), max);
    return g;
}

void oh__guard_free(struct oh__guard *g)
{
    if (!g)
        return;
    table_done(&g->sources);
    table_done(&g->pairs);
    oh_free(g->alloc, g, sizeof(*g));
}

/* What a source and the name that it tries are known by together. */
static void pair_key(const struct oh__guard *g, const struct oh_addr *source,
                     struct oh_span account, uint8_t key[OH__RECENT_KEY])
{
    char text[OH__SOURCE_KEY + ACCOUNT_MAX];
    size_t n = account.n < ACCOUNT_MAX ? account.n : ACCOUNT_MAX;
    uint8_t bytes[OH__SOURCE_KEY];

    oh__source_key(source, bytes);
    memcpy(text, bytes, OH__SOURCE_KEY);
    if (n)
        memcpy(text + OH__SOURCE_KEY, account.p, n);
    oh__mac128(&g->key, oh_span(text, OH__SOURCE_KEY + n), key);
}

static struct stripe *stripe_of(struct table *t, const uint8_t key[OH__RECENT_KEY])
{
    uint64_t h = oh__hash(t->key, oh_span((const char *)key, OH__RECENT_KEY));

    /* The table inside the stripe takes the lowest bits. */
    return &t->stripes[(h >> 32) % STRIPES];
}

/* Finds or adds an entry; the stripe is locked. NULL when there is no memory at all. */
static struct entry *entry_get(struct table *t, struct stripe *st, const uint8_t *key)
{
    struct entry *e = oh__recent_find(&st->entries, key);
    uint32_t before = st->entries.n;

    if (e)
        return e;
    e = oh__recent_add(&st->entries, key);
    atomic_fetch_add_explicit(&t->known, st->entries.n - before, memory_order_relaxed);
    return e;
}

static void entry_drop(struct table *t, struct stripe *st, struct entry *e)
{
    oh__recent_drop(&st->entries, e);
    atomic_fetch_sub_explicit(&t->known, 1, memory_order_relaxed);
}

/* Starts the window anew when it has passed, and when a ban has. */
static void window_begin(struct entry *e, uint64_t now, uint64_t window)
{
    bool ban_over = e->until && now >= e->until;

    if (e->failures && now - e->first < window && !ban_over)
        return;
    if (e->until > now)
        return;
    e->first = now;
    e->failures = 0;
    e->until = 0;
}

static void raise_last_ban(struct table *t, uint64_t until)
{
    uint64_t seen = atomic_load_explicit(&t->last_ban, memory_order_relaxed);

    while (seen < until && !atomic_compare_exchange_weak(&t->last_ban, &seen, until))
        ;
}

/* One more failure of an entry, whose stripe is locked. True when this one began a ban. */
static bool entry_fail(struct table *t, struct entry *e, uint64_t now,
                       const struct oh__guard_limits *limits)
{
    window_begin(e, now, limits->window);
    e->failures += e->failures < UINT32_MAX;
    if (e->failures <= limits->failures_max || e->until)
        return false;
    e->until = now + limits->ban;
    raise_last_ban(t, e->until);
    return true;
}

bool oh__guard_fail(struct oh__guard *g, uint64_t now, const struct oh_addr *source,
                    uint32_t failures_max, uint64_t window, uint64_t ban)
{
    const struct oh__guard_limits limits = {failures_max, window, ban};
    uint8_t key[OH__RECENT_KEY];
    struct stripe *st;
    struct entry *e;
    bool banned = false;

    if (failures_max == 0)
        return false;
    oh__source_key(source, key);
    st = stripe_of(&g->sources, key);
    pthread_mutex_lock(&st->lock);
    e = entry_get(&g->sources, st, key);
    if (e) {
        e->addr = oh__source_of(source);
        entry_fail(&g->sources, e, now, &limits);
        banned = e->until > now;
    }
    pthread_mutex_unlock(&st->lock);
    return banned;
}

bool oh__guard_guess(struct oh__guard *g, uint64_t now, const struct oh_addr *source,
                     struct oh_span account, const struct oh__guard_limits *limits)
{
    uint8_t key[OH__RECENT_KEY];
    struct stripe *st;
    struct pair *p;
    bool began = false;

    if (limits->failures_max == 0)
        return false;
    pair_key(g, source, account, key);
    st = stripe_of(&g->pairs, key);
    pthread_mutex_lock(&st->lock);
    p = (struct pair *)entry_get(&g->pairs, st, key);
    if (p) {
        struct oh_span name = oh_span_head(account, sizeof(p->account) - 1);

        p->entry.addr = oh__source_of(source);
        memset(p->account, 0, sizeof(p->account));
        if (name.n)
            memcpy(p->account, name.p, name.n);
        began = entry_fail(&g->pairs, &p->entry, now, limits);
    }
    pthread_mutex_unlock(&st->lock);
    return began;
}

/* Whether an entry is banned now. Most often nobody is, and no lock is taken. */
static bool is_banned(struct table *t, uint64_t now, const uint8_t key[OH__RECENT_KEY])
{
    struct stripe *st = stripe_of(t, key);
    const struct entry *e;
    bool banned;

    pthread_mutex_lock(&st->lock);
    e = oh__recent_find(&st->entries, key);
    banned = e && e->until > now;
    pthread_mutex_unlock(&st->lock);
    return banned;
}

static bool anybody_banned(const struct table *t, uint64_t now)
{
    return now < atomic_load_explicit(&t->last_ban, memory_order_relaxed);
}

bool oh__guard_banned(struct oh__guard *g, uint64_t now, const struct oh_addr *source)
{
    uint8_t key[OH__RECENT_KEY];

    if (!anybody_banned(&g->sources, now))
        return false;
    oh__source_key(source, key);
    return is_banned(&g->sources, now, key);
}

bool oh__guard_has_guesses(const struct oh__guard *g)
{
    return atomic_load_explicit(&g->pairs.known, memory_order_relaxed) != 0;
}

bool oh__guard_guessed(struct oh__guard *g, uint64_t now, const struct oh_addr *source,
                       struct oh_span account)
{
    uint8_t key[OH__RECENT_KEY];

    if (!anybody_banned(&g->pairs, now))
        return false;
    pair_key(g, source, account, key);
    return is_banned(&g->pairs, now, key);
}

/* Forgets one entry; returns how many bans were lifted by that. */
static unsigned forget(struct table *t, const uint8_t key[OH__RECENT_KEY])
{
    struct stripe *st = stripe_of(t, key);
    struct entry *e;
    unsigned lifted = 0;

    pthread_mutex_lock(&st->lock);
    e = oh__recent_find(&st->entries, key);
    if (e) {
        lifted = e->until != 0;
        entry_drop(t, st, e);
    }
    pthread_mutex_unlock(&st->lock);
    return lifted;
}

void oh__guard_ok(struct oh__guard *g, const struct oh_addr *source)
{
    uint8_t key[OH__RECENT_KEY];

    if (atomic_load_explicit(&g->sources.known, memory_order_relaxed) == 0)
        return;
    oh__source_key(source, key);
    forget(&g->sources, key);
}

void oh__guard_known(struct oh__guard *g, const struct oh_addr *source, struct oh_span account)
{
    uint8_t key[OH__RECENT_KEY];

    pair_key(g, source, account, key);
    forget(&g->pairs, key);
}

static struct oh__ban ban_of(const struct entry *e, bool is_pair)
{
    struct oh__ban ban = {
        .source = e->addr, .until = e->until, .failures = e->failures, .is_pair = is_pair};

    if (is_pair)
        memcpy(ban.account, ((const struct pair *)e)->account, sizeof(ban.account));
    return ban;
}

static unsigned list(struct oh__guard *g, struct table *t, uint64_t now, struct oh__ban *out,
                     unsigned max)
{
    unsigned n = 0;

    for (unsigned i = 0; i < STRIPES; i++) {
        struct stripe *st = &t->stripes[i];

        pthread_mutex_lock(&st->lock);
        for (uint32_t k = 0; k < st->entries.n && n < max; k++) {
            const struct entry *e = oh__recent_at(&st->entries, k);

            if (e->until > now)
                out[n++] = ban_of(e, t == &g->pairs);
        }
        pthread_mutex_unlock(&st->lock);
    }
    return n;
}

unsigned oh__guard_list(struct oh__guard *g, uint64_t now, struct oh__ban *out, unsigned max)
{
    unsigned n = list(g, &g->sources, now, out, max);

    return n + list(g, &g->pairs, now, out + n, max - n);
}

/* Forgets all entries of a source, or all there are. Backwards, because the last entry fills the
 * place of one that goes. */
static unsigned clear(struct table *t, const struct oh_addr *source)
{
    unsigned lifted = 0;

    for (unsigned i = 0; i < STRIPES; i++) {
        struct stripe *st = &t->stripes[i];

        pthread_mutex_lock(&st->lock);
        for (uint32_t k = st->entries.n; k-- > 0;) {
            struct entry *e = oh__recent_at(&st->entries, k);

            if (source && !oh_addr_eq(&e->addr, source))
                continue;
            lifted += e->until != 0;
            entry_drop(t, st, e);
        }
        pthread_mutex_unlock(&st->lock);
    }
    return lifted;
}

unsigned oh__guard_clear(struct oh__guard *g, const struct oh_addr *source)
{
    struct oh_addr addr;

    if (source)
        addr = oh__source_of(source);
    return clear(&g->sources, source ? &addr : NULL) + clear(&g->pairs, source ? &addr : NULL);
}
