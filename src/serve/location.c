/*
 * The table is 256 stripes; an AOR's stripe and place in it come from one
 * keyed hash. Under a stripe's lock memory is moved and nothing else: records
 * are decoded into lists that point into the entry, changed as lists, and
 * encoded into a new entry that takes the old one's place in one assignment.
 *
 * Order of locks: a stripe of the table, then a stripe of one of the two
 * counting sets (sources; flows), then nothing. A journal is appended to under
 * the table's lock, which is what its snapshots rely on (store.h).
 *
 * An update does what can fail first: the new entry, its place in the sets,
 * the room in the table, the caller's copy; the journal comes last, and after
 * it nothing can fail. So a refusal needs only to take back additions.
 */
#include "serve/location.h"

#include "base/hash.h"
#include "serve/location_apply.h"
#include "serve/location_count.h"
#include "serve/location_record.h"
#include "serve/location_stripe.h"
#include "store/store.h"

#include <stdatomic.h>

#define STRIPES 256

/* Stripes that one sweep looks at, and the buckets it does under one lock. */
#define SWEEP_STRIPES 8
#define SWEEP_BITS    7

struct oh__location {
    const struct oh_alloc *alloc;
    struct oh__hash_key key;
    uint32_t bindings_max;
    _Atomic uint32_t bindings;
    _Atomic uint32_t sweep_at;
    _Atomic uint64_t last_id;
    struct oh__location_count *sources; /* bindings by their peer's address */
    struct oh__location_count
        *flows; /* bindings by their stream, to know the many that have none */
    struct oh__location_stripe stripe[STRIPES];
};

/* Where an AOR is. */
struct place {
    struct oh__location_stripe *stripe;
    uint32_t hash;
};

/* The lower bits choose the stripe, the upper 32 the place in it. */
static struct place place_of(struct oh__location *loc, struct oh_span aor)
{
    uint64_t hash = oh__hash(&loc->key, aor);

    return (struct place){&loc->stripe[hash % STRIPES], (uint32_t)(hash >> 32)};
}

struct oh__location *oh__location_new(const struct oh_alloc *alloc, const uint8_t key[16],
                                      uint32_t bindings_max)
{
    struct oh__location *loc = oh_alloc_zero(alloc, 1, sizeof(*loc));
    int rc = OH_OK;

    if (!loc)
        return NULL;
    loc->alloc = alloc;
    memcpy(&loc->key, key, sizeof(loc->key));
    loc->bindings_max = bindings_max;
    loc->sources = oh__location_count_new(alloc, &loc->key);
    loc->flows = oh__location_count_new(alloc, &loc->key);
    for (unsigned i = 0; i < STRIPES && rc == OH_OK; i++)
        rc = oh__location_stripe_init(&loc->stripe[i], alloc);
    if (rc == OH_OK && loc->sources && loc->flows)
        return loc;
    oh__location_free(loc);
    return NULL;
}

void oh__location_free(struct oh__location *loc)
{
    if (!loc)
        return;
    for (unsigned i = 0; i < STRIPES; i++)
        oh__location_stripe_done(&loc->stripe[i]);
    oh__location_count_free(loc->sources);
    oh__location_count_free(loc->flows);
    oh_free(loc->alloc, loc, sizeof(*loc));
}

/* ---- the two sets ---- */

/* Is the binding to be found by its flow? An ended stream's is not: there is nothing left to end.
 */
static bool on_flow(const struct oh__binding *b)
{
    return b->flow.id && b->reachable;
}

/* Takes a binding out of the sets; it was put in by index_one, so this cannot fail. */
static void unindex_one(struct oh__location *loc, struct place at, const struct oh__binding *b)
{
    struct oh__location_key key = oh__location_key_addr(&b->flow.peer);

    oh__location_count_sub(loc->sources, &key, 1);
    if (!on_flow(b))
        return;
    key = oh__location_key_flow(b->flow.id);
    oh__location_count_sub(loc->flows, &key, 1);
    oh__location_flow_sub(at.stripe, b->flow.id, at.hash);
}

/* Puts a binding into the sets, into all of them or none. */
static int index_one(struct oh__location *loc, struct place at, const struct oh__binding *b)
{
    struct oh__location_key source = oh__location_key_addr(&b->flow.peer), flow;
    int rc = oh__location_count_add(loc->sources, &source);

    if (rc != OH_OK || !on_flow(b))
        return rc;
    flow = oh__location_key_flow(b->flow.id);
    rc = oh__location_count_add(loc->flows, &flow);
    if (rc == OH_OK) {
        rc = oh__location_flow_add(at.stripe, b->flow.id, at.hash);
        if (rc == OH_OK)
            return OH_OK;
        oh__location_count_sub(loc->flows, &flow, 1);
    }
    oh__location_count_sub(loc->sources, &source, 1);
    return rc;
}

static void unindex(struct oh__location *loc, struct place at, const struct oh__binding_list *list)
{
    for (unsigned i = 0; i < list->n; i++)
        unindex_one(loc, at, &list->v[i]);
}

/* All of them or none. */
static int index_all(struct oh__location *loc, struct place at, const struct oh__binding_list *list)
{
    for (unsigned i = 0; i < list->n; i++) {
        int rc = index_one(loc, at, &list->v[i]);

        if (rc != OH_OK) {
            while (i-- > 0)
                unindex_one(loc, at, &list->v[i]);
            return rc;
        }
    }
    return OH_OK;
}

/* Is everything found where it was before? So it is for every refresh from the same place. */
static bool same_index(const struct oh__binding_list *a, const struct oh__binding_list *b)
{
    if (a->n != b->n)
        return false;
    for (unsigned i = 0; i < a->n; i++) {
        const struct oh__binding *x = &a->v[i], *y = &b->v[i];

        if (on_flow(x) != on_flow(y) || (on_flow(x) && x->flow.id != y->flow.id) ||
            !oh_addr_same_host(&x->flow.peer, &y->flow.peer))
            return false;
    }
    return true;
}

/* ---- changes ---- */

/* One change of an AOR, from its preparation to its end; the stripe's lock is held. */
struct change {
    struct place at;
    struct oh_span aor;
    struct oh__location_entry *old;   /* NULL: the AOR has none yet */
    struct oh__location_entry *fresh; /* NULL: no binding is left */
    struct oh__binding_list was;      /* of old, expired ones included */
    struct oh__binding_list now;      /* what it shall be */
    bool indexed;                     /* now is in the sets, and was is to be taken out */
};

/* Counts what now has more than was, within the bound. */
static int count_room(struct oh__location *loc, const struct change *c)
{
    uint32_t more;

    if (c->now.n <= c->was.n)
        return OH_OK;
    more = c->now.n - c->was.n;
    if (atomic_fetch_add(&loc->bindings, more) + more <= loc->bindings_max)
        return OH_OK;
    atomic_fetch_sub(&loc->bindings, more);
    return OH_E_FULL;
}

/* Gives back what count_room took. */
static void uncount_room(struct oh__location *loc, const struct change *c)
{
    if (c->now.n > c->was.n)
        atomic_fetch_sub(&loc->bindings, c->now.n - c->was.n);
}

/* Takes back what prepare did. */
static void give_up(struct oh__location *loc, struct change *c)
{
    if (c->fresh && !c->old)
        oh__location_stripe_remove(c->at.stripe, c->fresh);
    if (c->indexed)
        unindex(loc, c->at, &c->now);
    oh__location_entry_free(c->at.stripe, c->fresh);
    uncount_room(loc, c);
}

/* An entry for what shall be, in the table already when its AOR is new: finding its place may fail.
 */
static int make_entry(struct change *c)
{
    int rc;

    if (c->now.n == 0)
        return OH_OK;
    rc = oh__location_entry_new(c->at.stripe, c->aor, &c->now, &c->fresh);
    if (rc == OH_OK && !c->old)
        rc = oh__location_stripe_put(c->at.stripe, c->at.hash, NULL, c->fresh);
    if (rc != OH_OK) {
        oh__location_entry_free(c->at.stripe, c->fresh);
        c->fresh = NULL;
    }
    return rc;
}

/* Everything about a change that can fail, besides the journal. Nothing has changed on failure. */
static int prepare(struct oh__location *loc, struct change *c)
{
    int rc = count_room(loc, c);

    if (rc != OH_OK)
        return rc;
    if ((rc = make_entry(c)) == OH_OK && !same_index(&c->was, &c->now)) {
        rc = index_all(loc, c->at, &c->now);
        c->indexed = rc == OH_OK;
    }
    if (rc != OH_OK)
        give_up(loc, c);
    return rc;
}

/* Makes the change. The texts of was and now may be gone afterwards, those of fresh stay. */
static void finish(struct oh__location *loc, struct change *c, uint64_t version)
{
    c->at.stripe->version = version;
    if (c->indexed)
        unindex(loc, c->at, &c->was);
    if (c->now.n < c->was.n)
        atomic_fetch_sub(&loc->bindings, c->was.n - c->now.n);
    if (c->fresh)
        c->fresh->version = version;
    if (c->fresh && c->old)
        oh__location_stripe_put(c->at.stripe, c->at.hash, c->old, c->fresh);
    else if (c->old)
        oh__location_stripe_remove(c->at.stripe, c->old);
    oh__location_entry_free(c->at.stripe, c->old);
}

/*
 * Starts a change with what the AOR has; expired bindings are not carried over into now. (The lists
 * are large, so a change is never cleared as a whole.)
 */
static void begin(struct change *c, struct place at, struct oh_span aor, uint64_t wall)
{
    c->at = at;
    c->aor = aor;
    c->old = oh__location_stripe_find(c->at.stripe, c->at.hash, c->aor);
    c->fresh = NULL;
    c->indexed = false;
    c->was.n = 0;
    /* The entry's record is of our own making. */
    if (c->old)
        (void)oh__location_record_get(oh__location_entry_record(c->old), &c->was);
    c->now.n = c->was.n;
    memcpy(c->now.v, c->was.v, c->was.n * sizeof(c->was.v[0]));
    oh__location_drop_expired(&c->now, wall);
}

/* A list's texts into the arena, as one record; *out is written only on success. */
static int copy_record(struct oh_arena *arena, struct oh_span record, struct oh_span *out)
{
    char *p = oh_arena_take(arena, record.n);

    if (!p)
        return OH_E_NOMEM;
    memcpy(p, record.p, record.n);
    *out = oh_span(p, record.n);
    return OH_OK;
}

/* The record of an AOR that has no bindings any more. */
static struct oh_span empty_record(char room[OH__LOCATION_RECORD_EMPTY])
{
    static const struct oh__binding_list none;

    oh__location_record_put(room, &none);
    return oh_span(room, OH__LOCATION_RECORD_EMPTY);
}

/* What the journal is told about an AOR: its record, or that it has nothing. */
static struct oh_span record_of(const struct oh__location_entry *e,
                                char room[OH__LOCATION_RECORD_EMPTY])
{
    return e ? oh__location_entry_record(e) : empty_record(room);
}

/*
 * A repeat changes nothing, but it is journaled again: the first time may have been followed by a
 * commit that failed, and a 200 now must be as good as any other.
 */
static int repeat(const struct change *c, struct oh__journal *journal, struct oh_arena *arena,
                  struct oh_span *copy)
{
    struct oh_span record = oh__location_entry_record(c->old);
    int rc = copy_record(arena, record, copy);

    if (rc == OH_OK && journal)
        rc = oh__journal_append(journal, c->aor, c->old->version, record);
    return rc;
}

/* Gives new bindings their ids. */
static void number(struct oh__location *loc, struct oh__binding_list *list)
{
    for (unsigned i = 0; i < list->n; i++)
        if (list->v[i].id == 0)
            list->v[i].id = atomic_fetch_add(&loc->last_id, 1) + 1;
}

/* A change that was decided on, with the journal between preparing and making it. */
static int carry_out(struct oh__location *loc, struct change *c, struct oh__journal *journal,
                     struct oh_arena *arena, struct oh_span *copy)
{
    uint64_t version = c->at.stripe->version + 1;
    char room[OH__LOCATION_RECORD_EMPTY];
    struct oh_span record;
    int rc;

    number(loc, &c->now);
    rc = prepare(loc, c);
    if (rc != OH_OK)
        return rc;
    record = record_of(c->fresh, room);
    rc = copy_record(arena, record, copy);
    if (rc == OH_OK && journal)
        rc = oh__journal_append(journal, c->aor, version, record);
    if (rc != OH_OK) {
        give_up(loc, c);
        return rc;
    }
    finish(loc, c, version);
    return OH_OK;
}

/* Under the lock: decides and does. *copy gets a record of the bindings afterwards, in the arena.
 */
static int update(struct oh__location *loc, struct change *c, const struct oh__registration *reg,
                  struct oh__journal *journal, struct oh_arena *arena, struct oh_span *copy,
                  enum oh__registered *done)
{
    struct oh__binding_list next;
    int rc = oh__location_apply(&c->now, reg, &next, done);

    if (rc != OH_OK)
        return rc;
    c->now.added = next.added; /* by the request, not by time */
    c->now.removed = next.removed;
    if (*done == OH__REG_REPEATED)
        return repeat(c, journal, arena, copy);
    if (reg->repeat_only)
        return OH_E_STATE;
    c->now.n = next.n;
    memcpy(c->now.v, next.v, next.n * sizeof(next.v[0]));
    return carry_out(loc, c, journal, arena, copy);
}

int oh__location_register(struct oh__location *loc, const struct oh__registration *reg,
                          struct oh__journal *journal, struct oh_arena *arena,
                          struct oh__binding_list *out, enum oh__registered *done)
{
    struct place at = place_of(loc, reg->aor);
    enum oh__registered what = OH__REG_FETCHED;
    struct change c;
    struct oh_span copy;
    int rc;

    if (!reg->star && reg->contacts_n == 0) {
        if (reg->repeat_only)
            return OH_E_STATE;
        rc = oh__location_get(loc, reg->aor, reg->wall, arena, out);
        if (rc == OH_OK)
            *done = OH__REG_FETCHED;
        return rc;
    }
    if (reg->aor.n == 0)
        return OH_E_SYNTAX;
    pthread_mutex_lock(&at.stripe->lock);
    begin(&c, at, reg->aor, reg->wall);
    rc = update(loc, &c, reg, journal, arena, &copy, &what);
    pthread_mutex_unlock(&at.stripe->lock);
    if (rc == OH_OK)
        rc = oh__location_record_get(copy, out);
    if (rc != OH_OK)
        return rc;
    oh__location_drop_expired(out, reg->wall);
    out->added = c.now.added;
    out->removed = c.now.removed;
    *done = what;
    return OH_OK;
}

/* ---- look-ups ---- */

int oh__location_get(struct oh__location *loc, struct oh_span aor, uint64_t wall,
                     struct oh_arena *arena, struct oh__binding_list *out)
{
    struct place at = place_of(loc, aor);
    const struct oh__location_entry *e;
    struct oh_span copy = {NULL, 0};
    int rc = OH_OK;

    pthread_mutex_lock(&at.stripe->lock);
    e = oh__location_stripe_find(at.stripe, at.hash, aor);
    if (e)
        rc = copy_record(arena, oh__location_entry_record(e), &copy);
    pthread_mutex_unlock(&at.stripe->lock);
    /* The lock was held for one copy; decoding is nobody's business but ours. */
    if (rc != OH_OK)
        return rc;
    if (!copy.p) {
        out->n = out->added = out->removed = 0;
        return OH_OK;
    }
    rc = oh__location_record_get(copy, out);
    if (rc == OH_OK)
        oh__location_drop_expired(out, wall);
    return rc;
}

bool oh__location_has_source(struct oh__location *loc, const struct oh_addr *peer)
{
    struct oh__location_key key = oh__location_key_addr(peer);

    return oh__location_count_get(loc->sources, &key) > 0;
}

uint64_t oh__location_version(struct oh__location *loc, struct oh_span aor)
{
    struct place at = place_of(loc, aor);
    const struct oh__location_entry *e;
    uint64_t version;

    pthread_mutex_lock(&at.stripe->lock);
    e = oh__location_stripe_find(at.stripe, at.hash, aor);
    version = e ? e->version : 0;
    pthread_mutex_unlock(&at.stripe->lock);
    return version;
}

int oh__location_next(struct oh__location *loc, struct oh__location_cursor *cursor,
                      struct oh_arena *arena, struct oh_span *aor, uint64_t *version,
                      struct oh__binding_list *out)
{
    struct oh_span name = {NULL, 0}, copy = {NULL, 0};

    while (cursor->stripe < STRIPES) {
        struct oh__location_stripe *s = &loc->stripe[cursor->stripe];
        const struct oh__location_entry *e;
        uint64_t order = 0, entry_version = 0;
        int rc = OH_OK;

        pthread_mutex_lock(&s->lock);
        e = oh__location_stripe_from(s, (uint64_t)cursor->slot << 32 | cursor->tie);
        if (e) {
            order = e->order;
            entry_version = e->version;
            name = oh_arena_copy(arena, oh__location_entry_aor(e));
            rc = name.p ? copy_record(arena, oh__location_entry_record(e), &copy) : OH_E_NOMEM;
        }
        pthread_mutex_unlock(&s->lock);
        if (rc == OH_OK && e)
            rc = oh__location_record_get(copy, out);
        if (rc != OH_OK)
            return rc;
        if (!e || order == UINT64_MAX) {
            cursor->stripe++;
            cursor->slot = cursor->tie = 0;
        } else {
            cursor->slot = (uint32_t)((order + 1) >> 32);
            cursor->tie = (uint32_t)(order + 1);
        }
        if (!e)
            continue;
        *aor = name;
        *version = entry_version;
        return OH_OK;
    }
    return OH_E_ABSENT;
}

/* ---- changes from outside of a REGISTER ---- */

/* Marks the bindings of a flow in the AORs with one hash; the stripe's lock is held. */
static unsigned unreach(struct oh__location_stripe *s, uint32_t hash, uint64_t flow_id)
{
    struct oh__location_entry *e = oh__location_stripe_from(s, (uint64_t)hash << 32);
    unsigned marked = 0;

    for (; e && e->order >> 32 == hash; e = e->next) {
        unsigned n = oh__location_record_unreach(e->text + e->aor_n, e->record_n, flow_id);

        if (n)
            e->version = ++s->version;
        marked += n;
    }
    return marked;
}

unsigned oh__location_flow_closed(struct oh__location *loc, uint64_t flow_id)
{
    struct oh__location_key key = oh__location_key_flow(flow_id);
    unsigned marked = 0;
    uint32_t hash, count;

    if (flow_id == 0)
        return 0;
    for (unsigned i = 0; i < STRIPES; i++) {
        struct oh__location_stripe *s = &loc->stripe[i];

        /* Most streams that end have no bindings, and most others have them in one stripe. */
        if (oh__location_count_get(loc->flows, &key) == 0)
            break;
        pthread_mutex_lock(&s->lock);
        while (oh__location_flow_take(s, flow_id, &hash, &count)) {
            oh__location_count_sub(loc->flows, &key, count);
            marked += unreach(s, hash, flow_id);
        }
        pthread_mutex_unlock(&s->lock);
    }
    return marked;
}

void oh__location_rtt(struct oh__location *loc, struct oh_span aor, uint64_t id, uint32_t rtt_us)
{
    struct place at = place_of(loc, aor);
    struct oh__location_entry *e;

    pthread_mutex_lock(&at.stripe->lock);
    e = oh__location_stripe_find(at.stripe, at.hash, aor);
    if (e)
        oh__location_record_rtt(e->text + e->aor_n, e->record_n, id, rtt_us);
    pthread_mutex_unlock(&at.stripe->lock);
}

/* Takes expired bindings out of one AOR. Their absence is not journaled: replay knows the time,
 * too. */
static unsigned sweep_entry(struct oh__location *loc, struct oh__location_stripe *s,
                            struct oh__location_entry *e, uint64_t wall)
{
    struct place at = {s, (uint32_t)(e->order >> 32)};
    struct change c;
    unsigned gone;

    begin(&c, at, oh__location_entry_aor(e), wall);
    gone = c.was.n - c.now.n;
    if (prepare(loc, &c) != OH_OK) {
        s->next_expiry =
            wall; /* no memory now: they are invisible anyway, another sweep tries again */
        return 0;
    }
    finish(loc, &c, s->version + 1);
    return gone;
}

/* Sweeps the entries from one order to another under one lock. */
static unsigned sweep_part(struct oh__location *loc, struct oh__location_stripe *s, uint64_t wall,
                           unsigned part)
{
    uint64_t from = (uint64_t)part << (64 - SWEEP_BITS);
    uint64_t to = from + (UINT64_MAX >> SWEEP_BITS);
    struct oh__location_entry *e;
    unsigned gone = 0;

    for (e = oh__location_stripe_from(s, from); e && e->order <= to;
         e = from > to || from == 0 ? NULL : oh__location_stripe_from(s, from)) {
        uint64_t earliest = s->next_expiry;

        from = e->order + 1;
        if (oh__location_record_expired(oh__location_entry_record(e), wall, &earliest))
            gone += sweep_entry(loc, s, e, wall);
        else
            s->next_expiry = earliest;
    }
    return gone;
}

/* Looks at a stripe only when something in it may have expired; a lock at a time for a part of it.
 */
static unsigned sweep_stripe(struct oh__location *loc, struct oh__location_stripe *s, uint64_t wall)
{
    unsigned gone = 0;
    bool due;

    pthread_mutex_lock(&s->lock);
    due = s->next_expiry <= wall;
    /* From here on it is lowered by what stays, and by what is registered meanwhile. */
    if (due)
        s->next_expiry = UINT64_MAX;
    pthread_mutex_unlock(&s->lock);
    for (unsigned part = 0; due && part < 1u << SWEEP_BITS; part++) {
        pthread_mutex_lock(&s->lock);
        gone += sweep_part(loc, s, wall, part);
        pthread_mutex_unlock(&s->lock);
    }
    return gone;
}

unsigned oh__location_sweep(struct oh__location *loc, uint64_t wall)
{
    uint32_t at = atomic_fetch_add(&loc->sweep_at, SWEEP_STRIPES);
    unsigned gone = 0;

    for (unsigned i = 0; i < SWEEP_STRIPES; i++)
        gone += sweep_stripe(loc, &loc->stripe[(at + i) % STRIPES], wall);
    return gone;
}

/* ---- snapshots and replay ---- */

int oh__location_encode(const struct oh__binding_list *list, struct oh_arena *arena,
                        struct oh_span *record)
{
    size_t n = oh__location_record_size(list);
    char *p = n ? oh_arena_take(arena, n) : NULL;

    if (!p)
        return OH_E_NOMEM;
    oh__location_record_put(p, list);
    *record = oh_span(p, n);
    return OH_OK;
}

/* A stream is gone with the process that had it, and ids are of this process. */
static void revise(struct oh__location *loc, struct oh__binding_list *list)
{
    for (unsigned i = 0; i < list->n; i++) {
        struct oh__binding *b = &list->v[i];

        b->id = 0;
        b->flow.id = 0;
        if (oh_transport_reliable(b->flow.transport))
            b->reachable = false;
    }
    number(loc, list);
}

/* The stripe's versions go on above everything that was ever journaled of it. */
static void raise_version(struct oh__location_stripe *s, uint64_t version)
{
    if (s->version < version)
        s->version = version;
}

/*
 * A record that cannot be read has its version all the same: what the AOR registers next must be
 * above it, or the next start would prefer the one that says nothing.
 */
static int pass_over(struct place at, uint64_t version)
{
    pthread_mutex_lock(&at.stripe->lock);
    raise_version(at.stripe, version);
    pthread_mutex_unlock(&at.stripe->lock);
    return OH_E_CORRUPT;
}

int oh__location_restore(struct oh__location *loc, struct oh_span aor, uint64_t version,
                         struct oh_span record, uint64_t wall)
{
    struct place at = place_of(loc, aor);
    struct oh__binding_list list;
    struct change c;
    int rc = OH_OK;

    if (aor.n == 0 || aor.n > UINT16_MAX || oh__location_record_get(record, &list) != OH_OK)
        return pass_over(at, version);
    oh__location_drop_expired(&list, wall);
    revise(loc, &list);
    pthread_mutex_lock(&at.stripe->lock);
    begin(&c, at, aor, wall);
    if (!c.old || c.old->version < version) {
        uint64_t last = at.stripe->version;

        c.now.n = list.n;
        memcpy(c.now.v, list.v, list.n * sizeof(list.v[0]));
        rc = prepare(loc, &c);
        if (rc == OH_OK)
            finish(loc, &c, version);
        raise_version(at.stripe, last);
    }
    pthread_mutex_unlock(&at.stripe->lock);
    return rc;
}

int oh__location_adopt(struct oh__location *loc, struct oh_span aor,
                       const struct oh__binding_list *list, uint64_t wall,
                       struct oh__journal *journal, struct oh_arena *arena)
{
    struct place at = place_of(loc, aor);
    struct oh__binding_list current = *list;
    struct oh_span copy;
    struct change c;
    int rc = OH_E_DUPLICATE;

    if (aor.n == 0 || aor.n > UINT16_MAX)
        return OH_E_SYNTAX;
    oh__location_drop_expired(&current, wall);
    if (current.n == 0)
        return OH_E_ABSENT;
    revise(loc, &current);
    /* Looked at and changed under one lock: a phone that registers meanwhile comes first or last,
     * and what it said stands in both cases. */
    pthread_mutex_lock(&at.stripe->lock);
    begin(&c, at, aor, wall);
    if (c.now.n == 0) {
        c.now.n = current.n;
        memcpy(c.now.v, current.v, current.n * sizeof(current.v[0]));
        rc = carry_out(loc, &c, journal, arena, &copy);
    }
    pthread_mutex_unlock(&at.stripe->lock);
    return rc;
}

void oh__location_stats(struct oh__location *loc, struct oh__location_stats *out)
{
    struct oh__location_stats stats = {0};

    stats.bytes = sizeof(*loc) + oh__location_count_bytes(loc->sources) +
                  oh__location_count_bytes(loc->flows);
    for (unsigned i = 0; i < STRIPES; i++) {
        struct oh__location_stripe *s = &loc->stripe[i];

        pthread_mutex_lock(&s->lock);
        stats.aors += s->entries;
        stats.bindings += s->bindings;
        stats.bytes += oh__location_stripe_bytes(s);
        pthread_mutex_unlock(&s->lock);
    }
    *out = stats;
}
