/*
 * Objects lie in slabs, slabs in a directory; a handle's index names both.
 *
 *   handle = tag (8 bits) | generation (32 bits) | index (24 bits)
 *
 * The generation is drawn from one counter of the pool, not counted per slot:
 * a slab can then go back to the heap with all its history, because no slot
 * that is made later can repeat a generation before 2^32 takes have passed. A
 * slot that is free has generation 0, which is never drawn, so one comparison
 * tells whether a handle is good.
 *
 * Slabs with free slots are in one list, empty ones at its end. Objects are
 * taken from its front, so empty slabs stay empty until they are needed, and
 * all but one of them go back to the heap.
 */
#include "base/pool.h"

#include "base/poison.h"

#define INDEX_BITS 24
#define INDEX_MASK ((UINT32_C(1) << INDEX_BITS) - 1)
#define NO_SLOT    UINT32_MAX
#define ALIGN      16

/* A slab aims at this many bytes, and never holds more objects than MOST_PER_SLAB. */
#define SLAB_BYTES    65536
#define MOST_PER_SLAB 1024

struct slot {
    uint32_t generation; /* 0 = free */
    uint32_t next_free;  /* slot in this slab, or NO_SLOT */
};

struct slab {
    struct slab *prev, *next; /* list of slabs with free slots */
    char *objects;            /* the first object */
    uint32_t number;          /* place in the directory */
    uint32_t live;            /* objects that are out */
    uint32_t first_free;      /* slot, or NO_SLOT */
    struct slot slots[];
};

struct oh__pool {
    const struct oh_alloc *alloc;
    struct slab **dir;  /* NULL where a slab went back to the heap */
    uint32_t dir_n;     /* places of dir in use */
    uint32_t dir_cap;   /* places of dir there are */
    uint32_t dir_hole;  /* no place below this one is NULL */
    struct slab *front; /* first slab with a free slot */
    struct slab *back;  /* last one; empty slabs are here */
    size_t stride;      /* bytes from one object to the next */
    size_t size;        /* bytes of an object that the user sees */
    size_t slab_bytes;  /* heap bytes of one slab */
    uint32_t shift;     /* a slab holds 1 << shift objects */
    uint32_t max;
    uint32_t live;
    uint32_t slabs; /* how many there are */
    uint32_t empty; /* how many of them hold no object */
    bool spare;     /* an empty one was not needed since the last relax */
    uint32_t generation;
    uint8_t tag;
};

struct oh__pool *oh__pool_new(const struct oh_alloc *alloc, size_t size, uint32_t max, uint8_t tag)
{
    struct oh__pool *p;
    size_t stride;

    if (size == 0 || size > SIZE_MAX / 4 / MOST_PER_SLAB || max == 0 || max > INDEX_MASK + 1)
        return NULL;
    stride = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    p = oh_alloc_zero(alloc, 1, sizeof(*p));
    if (!p)
        return NULL;
    p->alloc = alloc;
    p->stride = stride;
    p->size = size;
    p->max = max;
    p->tag = tag;
    /* The largest power of two that fits the slab's size and is not beyond max. */
    while (UINT32_C(2) << p->shift <= MOST_PER_SLAB && UINT32_C(1) << p->shift < max &&
           (stride + sizeof(struct slot)) * (UINT32_C(2) << p->shift) <= SLAB_BYTES)
        p->shift++;
    p->slab_bytes = sizeof(struct slab) + ((stride + sizeof(struct slot)) << p->shift) + ALIGN;
    return p;
}

void oh__pool_free(struct oh__pool *pool)
{
    if (!pool)
        return;
    for (uint32_t i = 0; i < pool->dir_n; i++) {
        if (!pool->dir[i])
            continue;
        oh__unpoison(pool->dir[i], pool->slab_bytes);
        oh_free(pool->alloc, pool->dir[i], pool->slab_bytes);
    }
    oh_free(pool->alloc, pool->dir, pool->dir_cap * sizeof(*pool->dir));
    oh_free(pool->alloc, pool, sizeof(*pool));
}

/* The list of slabs with free slots, by hand: both ends are needed, and removal anywhere. */
static void unlink_slab(struct oh__pool *p, struct slab *s)
{
    if (s->prev)
        s->prev->next = s->next;
    else
        p->front = s->next;
    if (s->next)
        s->next->prev = s->prev;
    else
        p->back = s->prev;
    s->prev = s->next = NULL;
}

static void push_front(struct oh__pool *p, struct slab *s)
{
    s->prev = NULL;
    s->next = p->front;
    if (p->front)
        p->front->prev = s;
    else
        p->back = s;
    p->front = s;
}

static void push_back(struct oh__pool *p, struct slab *s)
{
    s->next = NULL;
    s->prev = p->back;
    if (p->back)
        p->back->next = s;
    else
        p->front = s;
    p->back = s;
}

/*
 * Finds a place in the directory for one more slab, growing it when all are
 * taken. The lowest is used, so that indexes stay small and walks short.
 */
static bool find_place(struct oh__pool *p, uint32_t *out)
{
    uint32_t cap;
    struct slab **dir;

    while (p->dir_hole < p->dir_n && p->dir[p->dir_hole])
        p->dir_hole++;
    if (p->dir_hole == p->dir_cap) {
        cap = p->dir_cap ? p->dir_cap * 2 : 4;
        dir = oh_realloc(p->alloc, p->dir, p->dir_cap * sizeof(*dir), cap * sizeof(*dir));
        if (!dir)
            return false;
        p->dir = dir;
        p->dir_cap = cap;
    }
    *out = p->dir_hole;
    return true;
}

/* Makes a slab with all its slots free, in order, and its objects poisoned. */
static struct slab *add_slab(struct oh__pool *p)
{
    uint32_t count = UINT32_C(1) << p->shift;
    uint32_t place;
    struct slab *s;
    uintptr_t after;

    if (!find_place(p, &place))
        return NULL;
    s = oh_alloc(p->alloc, p->slab_bytes);
    if (!s)
        return NULL;
    *s = (struct slab){.number = place, .first_free = 0};
    for (uint32_t i = 0; i < count; i++)
        s->slots[i] = (struct slot){.next_free = i + 1 < count ? i + 1 : NO_SLOT};
    /* The objects begin at the next aligned byte behind the slots. */
    after = (uintptr_t)&s->slots[count];
    s->objects = (char *)&s->slots[count] + (-after & (ALIGN - 1));
    oh__poison(s->objects, p->stride << p->shift);
    p->dir[place] = s;
    if (place == p->dir_n)
        p->dir_n++;
    p->slabs++;
    p->empty++;
    push_back(p, s);
    return s;
}

/* Gives an empty slab back. Its handles stay stale, see above. */
static void drop_slab(struct oh__pool *p, struct slab *s)
{
    unlink_slab(p, s);
    p->dir[s->number] = NULL;
    if (s->number < p->dir_hole)
        p->dir_hole = s->number;
    p->slabs--;
    p->empty--;
    oh__unpoison(s, p->slab_bytes);
    oh_free(p->alloc, s, p->slab_bytes);
}

static uint64_t handle_of(const struct oh__pool *p, const struct slab *s, uint32_t slot)
{
    uint32_t index = s->number << p->shift | slot;

    return (uint64_t)p->tag << 56 | (uint64_t)s->slots[slot].generation << INDEX_BITS | index;
}

void *oh__pool_take(struct oh__pool *pool, uint64_t *handle)
{
    struct slab *s = pool->front;
    uint32_t slot;
    char *object;

    if (pool->live == pool->max)
        return NULL;
    if (!s) {
        s = add_slab(pool);
        if (!s)
            return NULL;
    }
    slot = s->first_free;
    s->first_free = s->slots[slot].next_free;
    if (s->first_free == NO_SLOT)
        unlink_slab(pool, s);
    if (s->live++ == 0) {
        pool->empty--;
        pool->spare = false;
    }
    pool->live++;
    /* 0 means free, also after 2^32 takes. */
    if (++pool->generation == 0)
        pool->generation = 1;
    s->slots[slot].generation = pool->generation;
    /* Cleared here and not in give, so that a core dump still shows what ended. */
    object = s->objects + slot * pool->stride;
    oh__unpoison(object, pool->size);
    memset(object, 0, pool->size);
    *handle = handle_of(pool, s, slot);
    return object;
}

/*
 * The slab and slot of a handle that is still good. Handles come back from
 * peers inside branches and tokens, so any 64 bits must be safe to ask for.
 */
static bool find(const struct oh__pool *p, uint64_t handle, struct slab **slab, uint32_t *slot)
{
    uint32_t index = (uint32_t)handle & INDEX_MASK;
    uint32_t generation = (uint32_t)(handle >> INDEX_BITS);
    uint32_t place = index >> p->shift;

    if (generation == 0 || oh__handle_tag(handle) != p->tag || place >= p->dir_n)
        return false;
    *slab = p->dir[place];
    *slot = index & ((UINT32_C(1) << p->shift) - 1);
    return *slab && (*slab)->slots[*slot].generation == generation;
}

void *oh__pool_get(const struct oh__pool *pool, uint64_t handle)
{
    struct slab *s;
    uint32_t slot;

    return find(pool, handle, &s, &slot) ? s->objects + slot * pool->stride : NULL;
}

void oh__pool_give(struct oh__pool *pool, uint64_t handle)
{
    struct slab *s;
    uint32_t slot;

    if (!find(pool, handle, &s, &slot))
        return;
    oh__poison(s->objects + slot * pool->stride, pool->stride);
    s->slots[slot].generation = 0;
    s->slots[slot].next_free = s->first_free;
    if (s->first_free == NO_SLOT)
        push_front(pool, s);
    s->first_free = slot;
    pool->live--;
    if (--s->live > 0)
        return;
    pool->empty++;
    /* One empty slab is kept, or an object coming and going would cost a heap call each. */
    if (pool->empty > 1) {
        drop_slab(pool, s);
        return;
    }
    unlink_slab(pool, s);
    push_back(pool, s);
}

size_t oh__pool_relax(struct oh__pool *pool)
{
    bool goes = pool->empty && pool->spare;

    /* Empty slabs are at the end of the list. */
    if (goes)
        drop_slab(pool, pool->back);
    pool->spare = pool->empty > 0;
    return goes ? pool->slab_bytes : 0;
}

uint32_t oh__pool_live(const struct oh__pool *pool)
{
    return pool->live;
}

void *oh__pool_next(const struct oh__pool *pool, uint32_t *cursor, uint64_t *handle)
{
    uint32_t mask = (UINT32_C(1) << pool->shift) - 1;
    uint32_t at = *cursor;

    while (at >> pool->shift < pool->dir_n) {
        struct slab *s = pool->dir[at >> pool->shift];
        uint32_t slot = at & mask;

        if (!s || s->live == 0) {
            at = (at | mask) + 1;
            continue;
        }
        at++;
        if (s->slots[slot].generation) {
            *cursor = at;
            *handle = handle_of(pool, s, slot);
            return s->objects + slot * pool->stride;
        }
    }
    *cursor = at;
    return NULL;
}

/* Counts a slab's free slots along its list, and stops when there are too many. */
static uint32_t count_free(const struct oh__pool *p, const struct slab *s)
{
    uint32_t n = 0;

    for (uint32_t i = s->first_free; i != NO_SLOT; i = s->slots[i].next_free) {
        if (i >> p->shift || s->slots[i].generation || n >> p->shift)
            return NO_SLOT;
        n++;
    }
    return n;
}

bool oh__pool_ok(const struct oh__pool *pool)
{
    uint32_t live = 0, slabs = 0, empty = 0, open = 0;

    for (uint32_t i = 0; i < pool->dir_n; i++) {
        const struct slab *s = pool->dir[i];

        if (!s) {
            if (i < pool->dir_hole)
                return false;
            continue;
        }
        if (s->number != i || count_free(pool, s) + s->live != UINT32_C(1) << pool->shift)
            return false;
        slabs++;
        live += s->live;
        empty += s->live == 0;
        open += s->first_free != NO_SLOT;
    }
    for (const struct slab *s = pool->front; s; s = s->next) {
        if (s->first_free == NO_SLOT || open-- == 0 || (s->next ? s->next->prev : pool->back) != s)
            return false;
    }
    return open == 0 && live == pool->live && slabs == pool->slabs && empty == pool->empty &&
           empty <= 1 && live <= pool->max;
}

size_t oh__pool_bytes(const struct oh__pool *pool)
{
    return sizeof(*pool) + pool->dir_cap * sizeof(*pool->dir) + pool->slabs * pool->slab_bytes;
}
