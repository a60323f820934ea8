/*
 * Two clocks (a third measures this program only), and the rule for choosing:
 * whatever waits or times out counts on the monotonic one, because an operator
 * or a time server may set the other at any moment. The wall clock is for what
 * people and other programs read.
 */
#include "net/system.h"

#include <time.h>

#include <offhook/error.h>

/* Neither clock can fail on a kernel that this program runs on: both are in the vDSO. */
static struct timespec read_clock(clockid_t id)
{
    struct timespec t = {0};

    clock_gettime(id, &t);
    return t;
}

uint64_t oh__clock_now(void)
{
    struct timespec t = read_clock(CLOCK_MONOTONIC);

    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

uint64_t oh__clock_thread(void)
{
    struct timespec t = read_clock(CLOCK_THREAD_CPUTIME_ID);

    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

uint64_t oh__clock_wall(void)
{
    struct timespec t = read_clock(CLOCK_REALTIME);

    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

int oh__cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attr;
    int failed;

    if (pthread_condattr_init(&attr) != 0)
        return OH_E_NOMEM;
    /* The default is the wall clock: set back by an hour, it would hold a waiter up for as long. */
    failed = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) != 0 ||
             pthread_cond_init(cond, &attr) != 0;
    pthread_condattr_destroy(&attr);
    return failed ? OH_E_NOMEM : OH_OK;
}

struct timespec oh__cond_after(unsigned ms)
{
    struct timespec t = read_clock(CLOCK_MONOTONIC);
    uint64_t ns = (uint64_t)t.tv_nsec + (uint64_t)ms * 1000000;

    t.tv_sec += (time_t)(ns / 1000000000);
    t.tv_nsec = (long)(ns % 1000000000);
    return t;
}
