/*
 * Blocks come one by one from the heap and wait, when they are given back, in
 * one list per class. Small classes are 8, 24, 40, ... bytes: 16-byte steps
 * set off by 8, because a usual heap puts 8 bytes before each block and rounds
 * to 16, so these are the sizes that it wastes nothing on. Nothing is cut from
 * larger pieces: that would save those 8 bytes and cost the possibility to
 * give memory back after a peak.
 *
 * What is given back is always kept, because what was just used is likely to
 * be needed again; when that is too much, all classes in turn lose a block. So
 * the idle bytes follow the sizes in use, and those of last night's traffic go.
 */
#include "base/cbuf.h"
#include "base/poison.h"

#define STEP   16
#define OFFSET 8

/* Small classes hold up to SMALL_MOST bytes, the last of them a little more. */
#define SMALL_MOST    4096
#define SMALL_CLASSES (SMALL_MOST / STEP + 1)

/* Powers of two from 8 KiB to 1 MiB; what is larger comes from the heap in its exact size. */
#define LARGE_FIRST_BIT 13
#define LARGE_LAST_BIT  20
#define LARGE_CLASSES   (LARGE_LAST_BIT - LARGE_FIRST_BIT + 1)
#define CLASSES         (SMALL_CLASSES + LARGE_CLASSES)

#define WORDS ((CLASSES + 63) / 64)

/* A block that waits for its next use. */
struct idle {
    struct idle *next;
};

struct oh__blocks {
    const struct oh_alloc *alloc;
    size_t keep; /* most bytes that may be idle */
    size_t used;
    size_t idle;
    size_t spare;           /* idle bytes that nobody has needed since the last relax */
    unsigned hand;          /* the class that gives up a block next */
    uint64_t filled[WORDS]; /* one bit for each class whose list is not empty */
    struct idle *list[CLASSES];
};

struct oh__blocks *oh__blocks_new(const struct oh_alloc *alloc, size_t keep_bytes)
{
    struct oh__blocks *b = oh_alloc_zero(alloc, 1, sizeof(*b));

    if (!b)
        return NULL;
    b->alloc = alloc;
    b->keep = keep_bytes;
    return b;
}

/* The class of n bytes and the size of its blocks; CLASSES when it has none. */
static unsigned class_of(size_t n, size_t *size)
{
    unsigned c, bit;

    if (n <= SMALL_MOST) {
        c = n <= OFFSET ? 0 : (unsigned)((n - OFFSET + STEP - 1) / STEP);
        *size = OFFSET + (size_t)c * STEP;
        return c;
    }
    if (n > (size_t)1 << LARGE_LAST_BIT) {
        *size = n;
        return CLASSES;
    }
    bit = LARGE_FIRST_BIT;
    while ((size_t)1 << bit < n)
        bit++;
    *size = (size_t)1 << bit;
    return SMALL_CLASSES + bit - LARGE_FIRST_BIT;
}

/* The size of a class's blocks. */
static size_t size_of_class(unsigned c)
{
    if (c < SMALL_CLASSES)
        return OFFSET + (size_t)c * STEP;
    return (size_t)1 << (LARGE_FIRST_BIT + c - SMALL_CLASSES);
}

/* Takes the first block of a list that is not empty. */
static void *pop(struct oh__blocks *b, unsigned c, size_t size)
{
    struct idle *i = b->list[c];

    oh__unpoison(i, size);
    b->list[c] = i->next;
    if (!i->next)
        b->filled[c / 64] &= ~(UINT64_C(1) << c % 64);
    b->idle -= size;
    if (b->idle < b->spare)
        b->spare = b->idle;
    return i;
}

/* The list is threaded through the blocks themselves: idle memory needs no other. */
static void push(struct oh__blocks *b, unsigned c, size_t size, void *p)
{
    struct idle *i = p;

    i->next = b->list[c];
    b->list[c] = i;
    b->filled[c / 64] |= UINT64_C(1) << c % 64;
    b->idle += size;
    oh__poison(i, size);
}

/* The next class from `c` on, going round, that has idle blocks; there must be one. */
static unsigned next_filled(const struct oh__blocks *b, unsigned c)
{
    unsigned word = c / 64;
    uint64_t bits = b->filled[word] & (UINT64_MAX << c % 64);

    while (!bits) {
        word = (word + 1) % WORDS;
        bits = b->filled[word];
    }
    return word * 64 + (unsigned)__builtin_ctzll(bits);
}

/* Gives one idle block back to the heap, of each class in turn. */
static void evict(struct oh__blocks *b)
{
    unsigned c = next_filled(b, b->hand);
    size_t size = size_of_class(c);

    oh_free(b->alloc, pop(b, c, size), size);
    b->hand = (c + 1) % CLASSES;
}

void oh__blocks_free(struct oh__blocks *blocks)
{
    if (!blocks)
        return;
    while (blocks->idle)
        evict(blocks);
    oh_free(blocks->alloc, blocks, sizeof(*blocks));
}

size_t oh__blocks_relax(struct oh__blocks *blocks)
{
    size_t before = blocks->idle, floor = before - (blocks->spare + 1) / 2;

    while (blocks->idle > floor)
        evict(blocks);
    blocks->spare = blocks->idle;
    return before - blocks->idle;
}

/* The last block that came back goes out first, while it is still in the processor's cache. */
void *oh__blocks_take(struct oh__blocks *blocks, size_t n)
{
    size_t size;
    unsigned c = class_of(n, &size);
    void *p;

    if (c < CLASSES && blocks->list[c])
        p = pop(blocks, c, size);
    else
        p = oh_alloc(blocks->alloc, size);
    if (p)
        blocks->used += size;
    return p;
}

void oh__blocks_give(struct oh__blocks *blocks, void *p, size_t n)
{
    size_t size;
    unsigned c = class_of(n, &size);

    if (!p)
        return;
    blocks->used -= size;
    if (c == CLASSES || size > blocks->keep) {
        oh_free(blocks->alloc, p, size);
        return;
    }
    /* Each round pays for a heap call that was made before, so this is constant on average. */
    while (blocks->idle > blocks->keep - size)
        evict(blocks);
    push(blocks, c, size, p);
}

void oh__blocks_stats(const struct oh__blocks *blocks, size_t *used, size_t *idle)
{
    *used = blocks->used;
    *idle = blocks->idle;
}
