/*
 * An account is one immutable block that hangs in up to five chains: by AOR,
 * by authentication name and realm, and by each userhash. Readers look through
 * one chain under its stripe's lock and copy what they find before they let go.
 *
 * There is one writer at a time (a lock of its own makes sure). It links a new
 * block everywhere before it unlinks the old one anywhere, so a user who is
 * being changed is never unknown for a moment; and when the old block is out
 * of its chains nobody can have it any more, since nobody holds a block without
 * holding the lock of the chain he found it in.
 */
#include "serve/accounts.h"

#include "base/hash.h"
#include "store/store.h"

#include <offhook/error.h>

#include <pthread.h>
#include <stdatomic.h>

#define STRIPES 64
#define LEAST   8 /* chains of a stripe that has any */

enum { BY_AOR, BY_AUTH, BY_USERHASH, LINKS = BY_USERHASH + 3 };

#define TEXTS 11

/* The order of the texts in a block, which is that of struct oh__account_row. */
enum { USER, DOMAIN, AUTH_NAME, REALM, HA1, USERHASH = HA1 + 3, NAME = USERHASH + 3 };

struct account;

struct link {
    struct link *next;
    struct account *account;
    uint64_t hash;
};

struct account {
    struct link link[LINKS];
    uint64_t gone_at;
    uint32_t flags;
    uint8_t len[TEXTS];
    char text[];
};

struct stripe {
    pthread_mutex_t lock;
    struct link **chains;
    uint32_t cap, used; /* cap is 0 or a power of two */
};

struct oh__accounts {
    const struct oh_alloc *alloc;
    struct oh__hash_key key;
    pthread_mutex_t writer;
    _Atomic uint32_t live;
    struct stripe stripe[STRIPES];
};

struct oh__accounts *oh__accounts_new(const struct oh_alloc *alloc, const uint8_t key[16])
{
    struct oh__accounts *a = oh_alloc_zero(alloc, 1, sizeof(*a));

    if (!a)
        return NULL;
    a->alloc = alloc;
    memcpy(&a->key, key, sizeof(a->key));
    pthread_mutex_init(&a->writer, NULL);
    for (unsigned i = 0; i < STRIPES; i++)
        pthread_mutex_init(&a->stripe[i].lock, NULL);
    return a;
}

/* ---- blocks ---- */

/* Names are not padded to their bounds: 1,400 bytes an account would be 200 in use. */
static size_t block_size(const uint8_t len[TEXTS])
{
    size_t n = sizeof(struct account);

    for (int i = 0; i < TEXTS; i++)
        n += len[i];
    return n;
}

static void block_free(struct oh__accounts *a, struct account *x)
{
    oh_free(a->alloc, x, block_size(x->len));
}

/* One of the texts, which lie one behind the other. */
static struct oh_span text_of(const struct account *x, int which)
{
    size_t at = 0;

    for (int i = 0; i < which; i++)
        at += x->len[i];
    return oh_span(x->text + at, x->len[which]);
}

static void texts_of_row(const struct oh__account_row *row, struct oh_span t[TEXTS])
{
    t[USER] = row->user;
    t[DOMAIN] = row->domain;
    t[AUTH_NAME] = row->auth_name;
    t[REALM] = row->realm;
    t[NAME] = row->name;
    for (int i = 0; i < 3; i++) {
        t[HA1 + i] = row->ha1[i];
        t[USERHASH + i] = row->userhash[i];
    }
}

/* Makes a block out of a row, in no chain yet. */
static int block_new(struct oh__accounts *a, const struct oh__account_row *row,
                     struct account **out)
{
    struct oh_span t[TEXTS];
    uint8_t len[TEXTS];
    struct account *x;
    char *at;

    texts_of_row(row, t);
    for (int i = 0; i < TEXTS; i++) {
        if (t[i].n > (i >= HA1 && i < NAME ? OH_HASH_HEX_MAX : UINT8_MAX))
            return OH_E_LIMIT;
        len[i] = (uint8_t)t[i].n;
    }
    x = oh_alloc_zero(a->alloc, 1, block_size(len));
    if (!x)
        return OH_E_NOMEM;
    x->gone_at = row->gone_at;
    x->flags = row->flags;
    memcpy(x->len, len, sizeof(len));
    at = x->text;
    for (int i = 0; i < TEXTS; i++) {
        if (t[i].n)
            memcpy(at, t[i].p, t[i].n);
        at += t[i].n;
    }
    *out = x;
    return OH_OK;
}

static size_t copy_text(const struct account *x, int which, char *to)
{
    struct oh_span t = text_of(x, which);

    if (t.n)
        memcpy(to, t.p, t.n);
    return t.n;
}

/* A bounded copy; names end with a NUL, hashes do not. */
static void copy_out(const struct account *x, struct oh__account *out)
{
    out->user[copy_text(x, USER, out->user)] = '\0';
    out->domain[copy_text(x, DOMAIN, out->domain)] = '\0';
    out->auth_name[copy_text(x, AUTH_NAME, out->auth_name)] = '\0';
    out->realm[copy_text(x, REALM, out->realm)] = '\0';
    out->name[copy_text(x, NAME, out->name)] = '\0';
    for (int i = 0; i < 3; i++)
        out->ha1_len[i] = (uint8_t)copy_text(x, HA1 + i, out->ha1[i]);
    out->gone_at = x->gone_at;
    out->flags = x->flags;
}

/* ---- chains ---- */

/*
 * The hash of a kind of key with two texts. The kind and the first text's length go in, too: "ab"
 * and "c" are another key than "a" and "bc". User hashes are hexadecimal, in either case.
 */
static uint64_t hash_of(const struct oh__accounts *a, int kind, struct oh_span first,
                        struct oh_span second)
{
    uint64_t h1 = kind < BY_USERHASH ? oh__hash(&a->key, first) : oh__hash_fold(&a->key, first);
    uint64_t both[3] = {h1, oh__hash(&a->key, second),
                        (uint64_t)(kind < BY_USERHASH ? kind : BY_USERHASH)};

    return oh__hash(&a->key, oh_span((const char *)both, sizeof(both)));
}

static struct stripe *stripe_of(struct oh__accounts *a, uint64_t hash)
{
    return &a->stripe[hash >> 58];
}

static struct link **chain_of(const struct stripe *s, uint64_t hash)
{
    return &s->chains[hash & (s->cap - 1)];
}

/* Changes the number of chains; keeps what there is when the heap fails. */
static void resize(struct oh__accounts *a, struct stripe *s, uint32_t cap)
{
    struct stripe fresh = {.cap = cap};

    fresh.chains = oh_alloc_zero(a->alloc, cap, sizeof(struct link *));
    if (!fresh.chains)
        return;
    for (uint32_t i = 0; i < s->cap; i++) {
        while (s->chains[i]) {
            struct link *l = s->chains[i], **to = chain_of(&fresh, l->hash);

            s->chains[i] = l->next;
            l->next = *to;
            *to = l;
        }
    }
    oh_free(a->alloc, s->chains, s->cap * sizeof(struct link *));
    s->chains = fresh.chains;
    s->cap = cap;
}

/* Sees to it that a stripe has chains, so that linking cannot fail later. */
static int ready(struct oh__accounts *a, uint64_t hash)
{
    struct stripe *s = stripe_of(a, hash);
    int rc;

    pthread_mutex_lock(&s->lock);
    if (s->used >= s->cap)
        resize(a, s, s->cap ? s->cap * 2 : LEAST);
    rc = s->cap ? OH_OK : OH_E_NOMEM;
    pthread_mutex_unlock(&s->lock);
    return rc;
}

/* Puts a link into its chain, at the front; ready() has made the chain. */
static void put_link(struct oh__accounts *a, struct link *l)
{
    struct stripe *s = stripe_of(a, l->hash);
    struct link **chain;

    pthread_mutex_lock(&s->lock);
    chain = chain_of(s, l->hash);
    l->next = *chain;
    *chain = l;
    s->used++;
    pthread_mutex_unlock(&s->lock);
}

/* Takes a link out of its chain, in which it is. */
static void take_link(struct oh__accounts *a, struct link *l)
{
    struct stripe *s = stripe_of(a, l->hash);
    struct link **at;

    pthread_mutex_lock(&s->lock);
    at = chain_of(s, l->hash);
    while (*at != l)
        at = &(*at)->next;
    *at = l->next;
    s->used--;
    if (s->cap > LEAST && s->used < s->cap / 8)
        resize(a, s, s->cap / 2);
    pthread_mutex_unlock(&s->lock);
}

/* Does an account hang in a chain of this kind? Only where it has something to be found by. */
static bool has_link(const struct account *x, int kind)
{
    return kind == BY_AOR || x->len[kind == BY_AUTH ? AUTH_NAME : USERHASH + kind - BY_USERHASH];
}

/* Fills in an account's hashes and makes room for them. */
static int prepare(struct oh__accounts *a, struct account *x)
{
    for (int k = 0; k < LINKS; k++) {
        int first = k == BY_AOR ? USER : k == BY_AUTH ? AUTH_NAME : USERHASH + k - BY_USERHASH;
        int second = k == BY_AOR ? DOMAIN : REALM;

        x->link[k].account = x;
        x->link[k].hash = hash_of(a, k, text_of(x, first), text_of(x, second));
        if (has_link(x, k) && ready(a, x->link[k].hash) != OH_OK)
            return OH_E_NOMEM;
    }
    return OH_OK;
}

/* What is looked for. */
struct wanted {
    int kind;
    struct oh_span first, second;
    uint64_t hash;
};

/* Is this link the one for what is looked for? The hash is compared first, the texts decide. */
static bool is_wanted(const struct link *l, const struct wanted *w)
{
    const struct account *x = l->account;

    if (l->hash != w->hash)
        return false;
    if (w->kind == BY_AOR)
        return l == &x->link[BY_AOR] && oh_span_eq(text_of(x, USER), w->first) &&
               oh_span_eq(text_of(x, DOMAIN), w->second);
    if (!oh_span_eq(text_of(x, REALM), w->second))
        return false;
    if (w->kind == BY_AUTH)
        return l == &x->link[BY_AUTH] && oh_span_eq(text_of(x, AUTH_NAME), w->first);
    return l >= &x->link[BY_USERHASH] &&
           oh_span_ieq(text_of(x, USERHASH + (int)(l - &x->link[BY_USERHASH])), w->first);
}

/* The account that is looked for, a live one before one that is gone; its stripe's lock is held. */
static struct account *look(const struct stripe *s, const struct wanted *w)
{
    struct account *gone = NULL;

    if (s->cap == 0)
        return NULL;
    for (struct link *l = *chain_of(s, w->hash); l; l = l->next) {
        if (!is_wanted(l, w))
            continue;
        if (!l->account->gone_at)
            return l->account;
        gone = l->account;
    }
    return gone;
}

static struct wanted want(const struct oh__accounts *a, int kind, struct oh_span first,
                          struct oh_span second)
{
    return (struct wanted){kind, first, second, hash_of(a, kind, first, second)};
}

/* ---- the interface ---- */

/* Leaves only the links by AOR in a chain, or, at last, frees the accounts that hang there by them.
 */
static void empty_chain(struct oh__accounts *a, struct link **chain, bool last)
{
    struct link *rest = *chain;

    *chain = NULL;
    while (rest) {
        struct link *l = rest;

        rest = l->next;
        if (l != &l->account->link[BY_AOR])
            continue;
        if (last) {
            block_free(a, l->account);
            continue;
        }
        l->next = *chain;
        *chain = l;
    }
}

/* Every chain of every stripe. */
static void empty_all(struct oh__accounts *a, bool last)
{
    for (unsigned i = 0; i < STRIPES; i++)
        for (uint32_t c = 0; c < a->stripe[i].cap; c++)
            empty_chain(a, &a->stripe[i].chains[c], last);
}

void oh__accounts_free(struct oh__accounts *accounts)
{
    if (!accounts)
        return;
    /* The links of an account are in its block, so all others must be let go before it is freed. */
    empty_all(accounts, false);
    empty_all(accounts, true);
    for (unsigned i = 0; i < STRIPES; i++) {
        struct stripe *s = &accounts->stripe[i];

        oh_free(accounts->alloc, s->chains, s->cap * sizeof(struct link *));
        pthread_mutex_destroy(&s->lock);
    }
    pthread_mutex_destroy(&accounts->writer);
    oh_free(accounts->alloc, accounts, sizeof(*accounts));
}

/* The account of an AOR, for the writer: nobody else changes chains. */
static struct account *find_exact(struct oh__accounts *a, struct oh_span user,
                                  struct oh_span domain)
{
    struct wanted w = want(a, BY_AOR, user, domain);
    struct stripe *s = stripe_of(a, w.hash);
    struct account *x;

    pthread_mutex_lock(&s->lock);
    x = look(s, &w);
    pthread_mutex_unlock(&s->lock);
    return x;
}

/* Takes an account out of all chains and frees it: see the top of the file for why that is safe. */
static void unlink_all(struct oh__accounts *a, struct account *x)
{
    for (int k = 0; k < LINKS; k++)
        if (has_link(x, k))
            take_link(a, &x->link[k]);
    if (!x->gone_at)
        atomic_fetch_sub(&a->live, 1);
    block_free(a, x);
}

int oh__accounts_put(struct oh__accounts *accounts, const struct oh__account_row *row)
{
    struct account *x, *old;
    int rc = block_new(accounts, row, &x);

    if (rc != OH_OK)
        return rc;
    pthread_mutex_lock(&accounts->writer);
    rc = prepare(accounts, x);
    if (rc != OH_OK) {
        pthread_mutex_unlock(&accounts->writer);
        block_free(accounts, x);
        return rc;
    }
    old = find_exact(accounts, row->user, row->domain);
    /* New links go to the front of their chains: whoever looks meanwhile finds one of the two. */
    for (int k = 0; k < LINKS; k++)
        if (has_link(x, k))
            put_link(accounts, &x->link[k]);
    if (!x->gone_at)
        atomic_fetch_add(&accounts->live, 1);
    if (old)
        unlink_all(accounts, old);
    pthread_mutex_unlock(&accounts->writer);
    return OH_OK;
}

int oh__accounts_remove(struct oh__accounts *accounts, struct oh_span user, struct oh_span domain)
{
    struct account *x;

    pthread_mutex_lock(&accounts->writer);
    x = find_exact(accounts, user, domain);
    if (x)
        unlink_all(accounts, x);
    pthread_mutex_unlock(&accounts->writer);
    return x ? OH_OK : OH_E_ABSENT;
}

/* Finds and copies under the lock of one stripe. */
static int find(struct oh__accounts *a, const struct wanted *w, struct oh__account *out)
{
    struct stripe *s = stripe_of(a, w->hash);
    const struct account *x;

    pthread_mutex_lock(&s->lock);
    x = look(s, w);
    if (x)
        copy_out(x, out);
    pthread_mutex_unlock(&s->lock);
    return x ? OH_OK : OH_E_ABSENT;
}

int oh__accounts_find(struct oh__accounts *accounts, struct oh_span user, struct oh_span domain,
                      struct oh__account *out)
{
    struct wanted w = want(accounts, BY_AOR, user, domain);

    if (find(accounts, &w, out) == OH_OK)
        return OH_OK;
    if (domain.n == 0)
        return OH_E_ABSENT;
    w = want(accounts, BY_AOR, user, OH_LIT(""));
    return find(accounts, &w, out);
}

int oh__accounts_find_auth(struct oh__accounts *accounts, struct oh_span auth_name,
                           struct oh_span realm, bool hashed, struct oh__account *out)
{
    struct wanted w = want(accounts, hashed ? BY_USERHASH : BY_AUTH, auth_name, realm);

    return auth_name.n ? find(accounts, &w, out) : OH_E_ABSENT;
}

uint32_t oh__accounts_count(const struct oh__accounts *accounts)
{
    return accounts->live;
}
