/*
 * A nonce is 30 bytes in hexadecimal: six of time (ms), eight random ones, a
 * MAC over both and the realm, and a tag over both and the source that it was
 * given to. Making and checking one needs no memory, so a flood of strangers
 * leaves nothing behind; only a nonce with which somebody has proved to know a
 * password gets an entry with its window of nc values.
 *
 * The tag is there for the guard. Wrong passwords are held against the source
 * of a datagram, and anybody can write a victim's address into one; but who
 * does never sees the challenge that was sent to the victim, and without one
 * his guesses count for nothing. So nobody can get somebody else banned. The
 * port does not enter, and of IPv6 only the /64: a phone behind NAT keeps its
 * nonce. A phone that has moved to another network answers one more challenge,
 * which says stale=true, so nobody is asked for a password. Four bytes of tag
 * do: a guess at them costs the guesser a datagram, and gains a failure of his
 * victim.
 *
 * The table of windows is bounded. Forgetting a window must not open the door
 * to a replay, so each stripe remembers the time of the youngest nonce that it
 * ever forgot: a nonce that is not in the table and not younger than that may
 * be one of those, and is stale. Its owner answers one more challenge.
 */
#include "serve/nonce.h"

#include <pthread.h>

#include <offhook/buf.h>

#include "base/word.h"
#include "serve/recent.h"
#include "serve/source.h"

#define STRIPES    64
#define TIME_LEN   6
#define ID_LEN     14 /* time and random */
#define MAC_LEN    12
#define TAG_LEN    4
#define BYTES      (ID_LEN + MAC_LEN + TAG_LEN)
#define TEXT_LEN   (2 * BYTES)
#define WINDOW     64
#define REALM_HASH 8

_Static_assert(TEXT_LEN <= OH__NONCE_MAX, "a nonce fits into what callers give");

struct used {
    struct oh__recent_entry head; /* key: the id, then zeros */
    uint64_t seen;                /* bit i: nc `top - i` was used */
    uint32_t top;                 /* highest nc so far */
};

struct stripe {
    pthread_mutex_t lock;
    struct oh__recent used;
    uint64_t floor; /* ms: made at or before this and not in the table: perhaps forgotten */
};

struct oh__nonces {
    const struct oh_alloc *alloc;
    struct oh__hash_key key;
    struct stripe stripes[STRIPES];
};

static void put_time(uint8_t *id, uint64_t ms)
{
    for (int i = TIME_LEN - 1; i >= 0; i--, ms >>= 8)
        id[i] = (uint8_t)ms;
}

static uint64_t time_of(const uint8_t *id)
{
    uint64_t ms = 0;

    for (int i = 0; i < TIME_LEN; i++)
        ms = ms << 8 | id[i];
    return ms;
}

/* The youngest nonce that was ever forgotten decides what may have been. */
static void on_evicted(void *ctx, const void *entry)
{
    struct stripe *st = ctx;
    uint64_t made = time_of(((const struct used *)entry)->head.key);

    if (made > st->floor)
        st->floor = made;
}

struct oh__nonces *oh__nonces_new(const struct oh_alloc *alloc, const uint8_t key[16], uint32_t max)
{
    struct oh__nonces *n;

    if (!alloc)
        alloc = oh_alloc_default();
    n = oh_alloc_zero(alloc, 1, sizeof(*n));
    if (!n)
        return NULL;
    n->alloc = alloc;
    n->key = (struct oh__hash_key){oh__load64le(key), oh__load64le(key + 8)};
    for (unsigned i = 0; i < STRIPES; i++) {
        pthread_mutex_init(&n->stripes[i].lock, NULL);
        oh__recent_init(&n->stripes[i].used, alloc, &n->key, sizeof(struct used), max / STRIPES);
        n->stripes[i].used.evicted = on_evicted;
        n->stripes[i].used.ctx = &n->stripes[i];
    }
    return n;
}

void oh__nonces_forget(struct oh__nonces *n, uint64_t wall)
{
    for (unsigned i = 0; i < STRIPES; i++) {
        struct stripe *st = &n->stripes[i];

        pthread_mutex_lock(&st->lock);
        if (wall > st->floor)
            st->floor = wall;
        pthread_mutex_unlock(&st->lock);
    }
}

void oh__nonces_free(struct oh__nonces *n)
{
    if (!n)
        return;
    for (unsigned i = 0; i < STRIPES; i++) {
        oh__recent_done(&n->stripes[i].used);
        pthread_mutex_destroy(&n->stripes[i].lock);
    }
    oh_free(n->alloc, n, sizeof(*n));
}

/* The realm enters by its keyed hash, so that its length has no bound here. */
static void mac_of(const struct oh__nonces *n, const uint8_t *id, struct oh_span realm,
                   uint8_t out[16])
{
    char text[ID_LEN + REALM_HASH];

    memcpy(text, id, ID_LEN);
    oh__store64le(text + ID_LEN, oh__hash(&n->key, realm));
    oh__mac128(&n->key, oh_span(text, sizeof(text)), out);
}

/* Binds the id to a source. What is hashed is longer than what mac_of hashes, so neither can stand
 * for the other. */
static void tag_of(const struct oh__nonces *n, const uint8_t *id, const struct oh_addr *source,
                   uint8_t out[TAG_LEN])
{
    char text[ID_LEN + OH__SOURCE_KEY];
    uint8_t key[OH__SOURCE_KEY];
    uint64_t hash;

    oh__source_key(source, key);
    memcpy(text, id, ID_LEN);
    memcpy(text + ID_LEN, key, OH__SOURCE_KEY);
    hash = oh__hash(&n->key, oh_span(text, sizeof(text)));
    memcpy(out, &hash, TAG_LEN);
}

size_t oh__nonce_make(const struct oh__nonces *n, uint64_t wall, uint64_t random,
                      struct oh_span realm, const struct oh_addr *source, char out[OH__NONCE_MAX])
{
    uint8_t id[ID_LEN], mac[16], tag[TAG_LEN];
    struct oh_buf b;

    put_time(id, wall);
    oh__store64le(id + TIME_LEN, random);
    mac_of(n, id, realm, mac);
    tag_of(n, id, source, tag);
    oh_buf_init(&b, out, OH__NONCE_MAX);
    oh_buf_hex(&b, id, ID_LEN);
    oh_buf_hex(&b, mac, MAC_LEN);
    oh_buf_hex(&b, tag, TAG_LEN);
    return b.n;
}

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Reads the first n bytes of a text that has a nonce's length; false when one of them has other
 * digits. */
static bool read_text(struct oh_span text, uint8_t *out, size_t n)
{
    if (text.n != TEXT_LEN)
        return false;
    for (size_t i = 0; i < n; i++) {
        int high = digit(text.p[2 * i]), low = digit(text.p[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

enum oh__nonce_state oh__nonce_check(const struct oh__nonces *n, uint64_t wall, uint64_t life_ms,
                                     struct oh_span nonce, struct oh_span realm,
                                     const struct oh_addr *source)
{
    uint8_t bytes[BYTES], mac[16], tag[TAG_LEN];
    uint64_t made;

    if (!read_text(nonce, bytes, sizeof(bytes)))
        return OH__NONCE_FOREIGN;
    mac_of(n, bytes, realm, mac);
    if (!oh__mac_equal(mac, bytes + ID_LEN, MAC_LEN))
        return OH__NONCE_FOREIGN;
    /* Before the age: what an old one that somebody else was given would count is a failure, too.
     */
    tag_of(n, bytes, source, tag);
    if (!oh__mac_equal(tag, bytes + ID_LEN + MAC_LEN, TAG_LEN))
        return OH__NONCE_MOVED;
    made = time_of(bytes);
    /* One from the future is of a clock that was set back since; it may not live longer for that.
     */
    if (made > wall ? made - wall > life_ms : wall - made > life_ms)
        return OH__NONCE_STALE;
    return OH__NONCE_GOOD;
}

/* A first use opens the window; without nc it is the only use, so the window is full at once. */
static enum oh__nonce_state first_use(struct stripe *st, const uint8_t *key, uint32_t nc)
{
    struct used *u;

    if (time_of(key) <= st->floor)
        return OH__NONCE_STALE;
    u = oh__recent_add(&st->used, key);
    if (!u)
        return OH__NONCE_STALE;
    u->top = nc ? nc : UINT32_MAX;
    u->seen = nc ? 1 : UINT64_MAX;
    return OH__NONCE_GOOD;
}

/* Below the window everything counts as used; above it, the window moves. */
static enum oh__nonce_state next_use(struct used *u, uint32_t nc)
{
    uint32_t distance;

    if (nc > u->top) {
        distance = nc - u->top;
        u->seen = distance < WINDOW ? u->seen << distance | 1 : 1;
        u->top = nc;
        return OH__NONCE_GOOD;
    }
    distance = u->top - nc;
    if (nc == 0 || distance >= WINDOW || u->seen >> distance & 1)
        return OH__NONCE_STALE;
    u->seen |= UINT64_C(1) << distance;
    return OH__NONCE_GOOD;
}

enum oh__nonce_state oh__nonce_use(struct oh__nonces *n, struct oh_span nonce, uint32_t nc)
{
    uint8_t key[OH__RECENT_KEY] = {0};
    enum oh__nonce_state state;
    struct stripe *st;
    struct used *u;

    if (!read_text(nonce, key, ID_LEN))
        return OH__NONCE_STALE;
    /* The random part spreads well; the table inside hashes all of it. */
    st = &n->stripes[key[TIME_LEN] % STRIPES];
    pthread_mutex_lock(&st->lock);
    u = oh__recent_find(&st->used, key);
    state = u ? next_use(u, nc) : first_use(st, key, nc);
    pthread_mutex_unlock(&st->lock);
    return state;
}
