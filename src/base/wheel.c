/*
 * Time is a number of ticks, written in digits of six bits. A timer lies at
 * the level of the highest digit in which its tick differs from the current
 * one, in the slot that this digit names. Three things follow. A slot's number
 * is always above the current digit of its level, so nothing wraps round and
 * the lowest bit of the lowest level in use is the next event. Time may jump
 * over empty slots without moving a timer. And a timer moves down at most once
 * per level in its life, however far away it was, so arming and taking cost
 * the same for a retransmission and for a registration. Eight levels hold
 * every time that fits 64 bits of nanoseconds, so there is no list for later.
 *
 * A tick is rounded up from the exact time, hence nothing fires early, and
 * less than a tick late. What the hand has passed waits in the list `due`.
 */
#include "base/wheel.h"

#define TICK       OH__MS
#define DIGIT_BITS 6
#define SLOTS      (1u << DIGIT_BITS)
#define LEVELS     8u
#define DUE        (LEVELS * SLOTS)

struct oh__wheel {
    const struct oh_alloc *alloc;
    uint64_t tick;                             /* the hand: all ticks up to it are due */
    uint64_t now;                              /* ns; the latest time that was shown to take */
    uint64_t busy[LEVELS];                     /* one bit for each slot that holds a timer */
    struct oh__timer head[LEVELS * SLOTS + 1]; /* rings; the last is the due list */
};

/* The tick at whose end a time has certainly come. */
static uint64_t tick_of(uint64_t at)
{
    return at / TICK + (at % TICK != 0);
}

struct oh__wheel *oh__wheel_new(const struct oh_alloc *alloc, uint64_t now)
{
    struct oh__wheel *w = oh_alloc_zero(alloc, 1, sizeof(*w));

    if (!w)
        return NULL;
    w->alloc = alloc;
    w->tick = now / TICK;
    w->now = now;
    /* An empty ring is a head that is its own neighbour; then no link is ever NULL. */
    for (unsigned i = 0; i <= DUE; i++)
        w->head[i].next = w->head[i].prev = &w->head[i];
    return w;
}

void oh__wheel_free(struct oh__wheel *w)
{
    if (w)
        oh_free(w->alloc, w, sizeof(*w));
}

/* At the end of a ring, so that timers of one tick come in the order of arming. */
static void append(struct oh__timer *head, struct oh__timer *t)
{
    t->next = head;
    t->prev = head->prev;
    head->prev->next = t;
    head->prev = t;
}

/* The index of the slot of a tick that is still to come. */
static unsigned slot_of(const struct oh__wheel *w, uint64_t tick)
{
    unsigned level = (63u - (unsigned)__builtin_clzll(tick ^ w->tick)) / DIGIT_BITS;

    return level * SLOTS + ((unsigned)(tick >> level * DIGIT_BITS) & (SLOTS - 1));
}

/* Hangs a timer where its tick belongs. */
static void place(struct oh__wheel *w, struct oh__timer *t)
{
    uint64_t tick = tick_of(t->at);
    unsigned i;

    if (tick <= w->tick) {
        append(&w->head[DUE], t);
        return;
    }
    i = slot_of(w, tick);
    w->busy[i / SLOTS] |= UINT64_C(1) << i % SLOTS;
    append(&w->head[i], t);
}

void oh__wheel_clear(struct oh__wheel *w, struct oh__timer *t)
{
    struct oh__timer *prev = t->prev;
    struct oh__timer *next = t->next;

    if (!next)
        return;
    prev->next = next;
    next->prev = prev;
    t->next = t->prev = NULL;
    /* Only a head is its own neighbour, and its place tells level and slot. */
    if (next == prev && next->next == next) {
        unsigned i = (unsigned)(next - w->head);

        if (i != DUE)
            w->busy[i / SLOTS] &= ~(UINT64_C(1) << i % SLOTS);
    }
}

void oh__wheel_set(struct oh__wheel *w, struct oh__timer *t, uint64_t at)
{
    oh__wheel_clear(w, t);
    if (at == OH__NEVER)
        return;
    t->at = at;
    /* Within the tick that runs now, rounding up would delay what is past already. */
    if (at <= w->now && tick_of(at) > w->now / TICK)
        append(&w->head[DUE], t);
    else
        place(w, t);
}

/* The lowest slot in use and the tick at which it begins; false when all are empty. */
static bool first_slot(const struct oh__wheel *w, unsigned *index, uint64_t *tick)
{
    for (unsigned level = 0; level < LEVELS; level++) {
        unsigned shift = level * DIGIT_BITS;
        unsigned slot;

        if (!w->busy[level])
            continue;
        slot = (unsigned)__builtin_ctzll(w->busy[level]);
        *index = level * SLOTS + slot;
        /* The current time with this level's digit replaced and all below it zero. */
        *tick = (w->tick >> (shift + DIGIT_BITS) << DIGIT_BITS | slot) << shift;
        return true;
    }
    return false;
}

/* Empties a slot whose time has come: into the due list, or a level down. */
static void open_slot(struct oh__wheel *w, unsigned index)
{
    struct oh__timer *head = &w->head[index];

    w->busy[index / SLOTS] &= ~(UINT64_C(1) << index % SLOTS);
    while (head->next != head) {
        struct oh__timer *t = head->next;

        head->next = t->next;
        t->next->prev = head;
        place(w, t);
    }
}

struct oh__timer *oh__wheel_take(struct oh__wheel *w, uint64_t now)
{
    struct oh__timer *due = &w->head[DUE];
    uint64_t target = now / TICK;
    uint64_t tick;
    unsigned index;

    if (now > w->now)
        w->now = now;
    while (due->next == due) {
        if (!first_slot(w, &index, &tick) || tick > target) {
            /* All slots up to now are empty, so the hand may jump over them. */
            if (target > w->tick)
                w->tick = target;
            return NULL;
        }
        w->tick = tick;
        open_slot(w, index);
    }
    /*
     * Whoever read the clock first may come second. Then the list can hold
     * what is due for the other, and not yet for this one.
     */
    if (due->next->at > now)
        return NULL;
    due = due->next;
    oh__wheel_clear(w, due);
    return due;
}

uint64_t oh__wheel_next(const struct oh__wheel *w)
{
    const struct oh__timer *due = &w->head[DUE];
    unsigned index;
    uint64_t tick;

    if (due->next != due)
        return due->next->at;
    if (!first_slot(w, &index, &tick))
        return OH__NEVER;
    /* The last tick of 64 bits ends behind them. */
    return tick > (OH__NEVER - 1) / TICK ? OH__NEVER - 1 : tick * TICK;
}

/* A ring is sound when its links agree and each of its timers would be placed there again. */
static bool ring_ok(const struct oh__wheel *w, unsigned index)
{
    const struct oh__timer *head = &w->head[index];
    unsigned level = index / SLOTS;
    unsigned slot = index % SLOTS;

    for (const struct oh__timer *t = head->next; t != head; t = t->next) {
        uint64_t tick = tick_of(t->at);

        if (t->next->prev != t)
            return false;
        if (index == DUE ? t->at > w->now : slot_of(w, tick) != index || tick <= w->tick)
            return false;
    }
    if (head->next->prev != head)
        return false;
    return index == DUE || (head->next != head) == (w->busy[level] >> slot & 1);
}

bool oh__wheel_ok(const struct oh__wheel *w)
{
    for (unsigned i = 0; i <= DUE; i++) {
        if (!ring_ok(w, i))
            return false;
    }
    return true;
}
