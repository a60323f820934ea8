/*
 * Finding the transaction of a message.
 *
 * Requests are found by a key: a 128-bit MAC, keyed with random bytes of this
 * endpoint, of what RFC 3261 17.2.3 compares. Two different requests with the
 * same MAC do not happen, so the record need not keep the text that it stands
 * for, and nobody can aim at one bucket of the table. The method stands beside
 * the key, so that a CANCEL finds the request that it is about with the key of
 * its own; a method that we do not know goes into the key instead.
 *
 * Each part of the text goes into the MAC with its length before it, long
 * parts as a MAC of their own, so that no two lists of parts look the same.
 *
 * Responses carry the handle in the branch and need no table; only those to a
 * CANCEL of ours do, because it shares its branch with the INVITE.
 */
#include "core/internal.h"

#include "base/word.h"

#define TEXT_MAX    1024 /* of seven parts at most, and a word */
#define PART_MAX    128
#define BUCKETS_MIN 64

/* Text that is to be hashed. */
struct text {
    char p[TEXT_MAX];
    size_t n;
};

/* Adds a part; folded to lower case when fold is set, unless it is so long that a MAC stands for
 * it: nobody changes the case of such a branch or host on its way. At most seven parts. */
static void part(const struct oh_endpoint *ep, struct text *t, struct oh_span s, bool fold)
{
    uint32_t n = (uint32_t)s.n;

    memcpy(t->p + t->n, &n, sizeof(n));
    t->n += sizeof(n);
    if (s.n > PART_MAX) {
        oh__mac128(&ep->table_key, s, (uint8_t *)t->p + t->n);
        t->n += 16;
        return;
    }
    if (s.n)
        memcpy(t->p + t->n, s.p, s.n);
    /* Word by word, so up to seven bytes too far; they are not text yet. */
    for (size_t i = 0; fold && i < s.n; i += 8)
        oh__store64le(t->p + t->n + i, oh__fold64(oh__load64le(t->p + t->n + i)));
    t->n += s.n;
}

/* The MAC of all parts. */
static struct oh__key finish(const struct oh_endpoint *ep, const struct text *t)
{
    uint8_t mac[16];

    oh__mac128(&ep->table_key, oh_span(t->p, t->n), mac);
    return (struct oh__key){oh__load64le(mac), oh__load64le(mac + 8)};
}

/* A port that is absent is the default one of its transport. */
static uint16_t port_of(const struct oh_via *via)
{
    bool secure = via->transport == OH_TRANSPORT_TLS || via->transport == OH_TRANSPORT_WSS;

    if (via->port)
        return via->port;
    return secure ? 5061 : 5060;
}

/* Adds sent-by. */
static void part_sent_by(const struct oh_endpoint *ep, struct text *t, const struct oh_via *via)
{
    uint16_t port = port_of(via);

    part(ep, t, via->host, true);
    part(ep, t, oh_span((const char *)&port, sizeof(port)), false);
}

/* The rules for clients from before the magic cookie, with the To tag that is asked for. */
static struct oh__key legacy_key(const struct oh_endpoint *ep, const struct oh_msg *msg,
                                 struct oh_span to_tag)
{
    struct text t = {.n = 0};

    part(ep, &t, OH_LIT("2543"), false);
    part(ep, &t, msg->uri, false);
    part(ep, &t, to_tag, false);
    part(ep, &t, msg->from_tag, false);
    part(ep, &t, msg->call_id, false);
    part(ep, &t, oh_span((const char *)&msg->cseq, sizeof(msg->cseq)), false);
    part(ep, &t, msg->via.text, false);
    return finish(ep, &t);
}

struct oh__key oh__key_of_request(const struct oh_endpoint *ep, const struct oh_msg *msg,
                                  bool *legacy)
{
    struct text t = {.n = 0};

    /* "3261" and "2543" in front keep the two ways of looking at a request apart. */
    *legacy = !msg->via.cookie;
    if (*legacy)
        return legacy_key(ep, msg, msg->to_tag);
    part(ep, &t, OH_LIT("3261"), false);
    part(ep, &t, msg->via.branch, true);
    part_sent_by(ep, &t, &msg->via);
    if (msg->method == OH_METHOD_OTHER)
        part(ep, &t, msg->method_text, false);
    return finish(ep, &t);
}

struct oh__key oh__key_of_cancel(const struct oh_endpoint *ep, const struct oh_via *via)
{
    struct text t = {.n = 0};

    part(ep, &t, OH_LIT("ours"), false);
    part(ep, &t, via->branch, true);
    part_sent_by(ep, &t, via);
    return finish(ep, &t);
}

uint64_t oh__sent_by(const struct oh_endpoint *ep, const struct oh_via *via)
{
    return oh__hash_fold(&ep->table_key, via->host) ^ port_of(via);
}

/* --- the table --- */

/* The bit of a key; its other half chooses the bucket. */
static uint64_t bit_of(struct oh__key key)
{
    return UINT64_C(1) << (key.hi & 63);
}

static void push(struct oh__bucket *b, struct oh__txn *t)
{
    t->chain = b->chain;
    b->chain = t;
    b->seen |= bit_of(t->key);
}

/* Moves everything into another number of buckets. Without memory the table stays as it is: longer
 * chains, no harm. */
static void resize(struct oh_endpoint *ep, uint32_t buckets)
{
    struct oh__table *tab = &ep->table;
    struct oh__bucket *fresh = oh_alloc_zero(&ep->alloc, buckets, sizeof(struct oh__bucket));

    if (!fresh)
        return;
    for (uint32_t i = 0; tab->buckets && i <= tab->mask; i++) {
        struct oh__txn *t = tab->buckets[i].chain;

        while (t) {
            struct oh__txn *next = t->chain;

            push(&fresh[t->key.lo & (buckets - 1)], t);
            t = next;
        }
    }
    if (tab->buckets)
        oh_free(&ep->alloc, tab->buckets, ((size_t)tab->mask + 1) * sizeof(struct oh__bucket));
    tab->buckets = fresh;
    tab->mask = buckets - 1;
}

int oh__table_add(struct oh_endpoint *ep, struct oh__txn *t)
{
    struct oh__table *tab = &ep->table;

    if (!tab->buckets)
        resize(ep, BUCKETS_MIN);
    /* One or two entries per bucket. */
    else if (tab->n / 2 > tab->mask && tab->mask < UINT32_MAX / 4)
        resize(ep, (tab->mask + 1) * 2);
    if (!tab->buckets)
        return OH_E_NOMEM;
    push(&tab->buckets[t->key.lo & tab->mask], t);
    t->listed = 1;
    tab->n++;
    return OH_OK;
}

void oh__table_remove(struct oh_endpoint *ep, struct oh__txn *t)
{
    struct oh__table *tab = &ep->table;
    struct oh__bucket *b = &tab->buckets[t->key.lo & tab->mask];
    struct oh__txn **at = &b->chain;

    while (*at != t)
        at = &(*at)->chain;
    *at = t->chain;
    if (!b->chain)
        b->seen = 0;
    t->chain = NULL;
    t->listed = 0;
    tab->n--;
    /* After a peak the memory goes back; the distance to the growing point keeps it from flapping.
     */
    if (tab->mask >= BUCKETS_MIN && tab->n < tab->mask / 4)
        resize(ep, (tab->mask + 1) / 2);
}

/*
 * Ours and theirs are in one table; "ours" in the key keeps them apart already, this makes it
 * certain.
 */
static bool is_client(const struct oh__txn *t)
{
    return t->machine == OH__MACHINE_ICT || t->machine == OH__MACHINE_NICT;
}

struct oh__txn *oh__table_find(const struct oh_endpoint *ep, struct oh__key key,
                               enum oh_method method, bool client)
{
    const struct oh__table *tab = &ep->table;
    const struct oh__bucket *b = tab->buckets ? &tab->buckets[key.lo & tab->mask] : NULL;

    if (!b || !(b->seen & bit_of(key)))
        return NULL;
    for (struct oh__txn *t = b->chain; t; t = t->chain) {
        if (t->key.lo == key.lo && t->key.hi == key.hi && t->method == method &&
            is_client(t) == client)
            return t;
    }
    return NULL;
}

struct oh_span oh__replied_tag(const struct oh__txn *t)
{
    struct oh_span kept = oh__cbuf_view(t->kept);

    return t->tag_only ? kept : oh__own_to_tag(kept);
}

/*
 * An ACK of RFC 2543 has the To tag of our response. When the INVITE had one
 * it is the same, and the key finds it; otherwise the INVITE is found by the
 * key without, and the tag must be the one that we sent.
 */
static struct oh__txn *match_legacy_ack(struct oh_endpoint *ep, const struct oh_msg *ack)
{
    struct oh__key key = legacy_key(ep, ack, ack->to_tag);
    struct oh__txn *t = oh__table_find(ep, key, OH_METHOD_INVITE, false);

    if (t)
        return t;
    key = legacy_key(ep, ack, oh_span(NULL, 0));
    t = oh__table_find(ep, key, OH_METHOD_INVITE, false);
    return t && oh_span_eq(oh__replied_tag(t), ack->to_tag) ? t : NULL;
}

struct oh__txn *oh__match_request(struct oh_endpoint *ep, const struct oh_msg *msg)
{
    bool legacy;
    struct oh__key key;

    if (msg->method == OH_METHOD_ACK && !msg->via.cookie)
        return match_legacy_ack(ep, msg);
    key = oh__key_of_request(ep, msg, &legacy);
    ep->recall = (struct oh__recall){msg, key};
    return oh__table_find(ep, key, msg->method == OH_METHOD_ACK ? OH_METHOD_INVITE : msg->method,
                          false);
}

struct oh__txn *oh__match_cancelled(struct oh_endpoint *ep, const struct oh_msg *msg)
{
    bool legacy;
    struct oh__key key = oh__key_of_request(ep, msg, &legacy);
    const struct oh__table *tab = &ep->table;
    struct oh__txn *t = oh__table_find(ep, key, OH_METHOD_INVITE, false);

    if (t || !tab->buckets)
        return t;
    for (t = tab->buckets[key.lo & tab->mask].chain; t; t = t->chain) {
        if (t->key.lo == key.lo && t->key.hi == key.hi && t->method != OH_METHOD_CANCEL &&
            !is_client(t))
            return t;
    }
    return NULL;
}

struct oh__txn *oh__match_response(struct oh_endpoint *ep, const struct oh_msg *msg)
{
    struct oh__branch b;
    struct oh__txn *t;

    if (!oh__branch_get(&ep->secret, msg->via.branch, &b) || b.shard != ep->options.shard)
        return NULL;
    if (msg->cseq_method == OH_METHOD_CANCEL)
        return oh__table_find(ep, oh__key_of_cancel(ep, &msg->via), OH_METHOD_CANCEL, true);
    /*
     * A good MAC says that we wrote the branch, the random part that it was in this life and
     * for this transaction, sent-by and method that the rest of the message belongs to it (RFC
     * 3261 17.1.3).
     */
    t = oh__txn_client(ep, b.handle);
    if (!t || t->listed || t->machine == OH__MACHINE_NONE || t->nonce != b.nonce ||
        t->method != msg->cseq_method || t->sent_by != oh__sent_by(ep, &msg->via))
        return NULL;
    return t;
}
