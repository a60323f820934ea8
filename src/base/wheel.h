/*
 * A hierarchical timer wheel: arming, moving and disarming cost the same
 * however many timers there are. An object embeds one oh__timer and keeps its
 * RFC timers as plain expiry fields; the wheel holds only the earliest.
 * Time is a parameter, in nanoseconds of a monotonic clock.
 */
#ifndef OH_BASE_WHEEL_H
#define OH_BASE_WHEEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <offhook/alloc.h>

#define OH__NEVER UINT64_MAX
#define OH__MS    UINT64_C(1000000)
#define OH__SEC   UINT64_C(1000000000)

struct oh__timer {
    struct oh__timer *prev, *next; /* NULL when not armed */
    uint64_t at;                   /* ns; exact, whatever the slot */
};

struct oh__wheel;

/* Makes a wheel whose time starts at now, with ticks of 1 ms. NULL on failure. */
struct oh__wheel *oh__wheel_new(const struct oh_alloc *alloc, uint64_t now);

/*
 * Ends the wheel. Armed timers are forgotten without being touched, since
 * their objects may be gone already. NULL is ignored.
 */
void oh__wheel_free(struct oh__wheel *w);

/*
 * Arms or moves a timer; OH__NEVER disarms. A time not after the latest one
 * that oh__wheel_take saw is due at once. A new timer must be all zeros.
 */
void oh__wheel_set(struct oh__wheel *w, struct oh__timer *t, uint64_t at);

/* Disarms; harmless when not armed. */
void oh__wheel_clear(struct oh__wheel *w, struct oh__timer *t);

/* True when armed. */
static inline bool oh__timer_armed(const struct oh__timer *t)
{
    return t->next != NULL;
}

/*
 * Takes one timer that is due at now (disarmed on return), earliest tick
 * first; those that were armed for the past come in the order of arming. NULL
 * when none is due. Never early, and less than a tick late.
 */
struct oh__timer *oh__wheel_take(struct oh__wheel *w, uint64_t now);

/*
 * When to call oh__wheel_take next, or OH__NEVER: less than a tick after the
 * earliest timer's expiry at most, or, when something is due already, a time
 * that is past already. For timers further away than 64 ms it may
 * be earlier; a take at that time then yields nothing and the next answer is
 * nearer to the truth (7 such steps at most).
 */
uint64_t oh__wheel_next(const struct oh__wheel *w);

/* True when rings and bits agree and every timer is where it belongs; for asserts and tests. */
bool oh__wheel_ok(const struct oh__wheel *w);

/* The object that embeds the timer. */
#define OH__CONTAINER(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#endif
