#include "net/system.h"

#include <time.h>

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

uint64_t oh__clock_wall(void)
{
    struct timespec t = read_clock(CLOCK_REALTIME);

    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

struct timespec oh__wall_after(unsigned ms)
{
    struct timespec t = read_clock(CLOCK_REALTIME);
    uint64_t ns = (uint64_t)t.tv_nsec + (uint64_t)ms * 1000000;

    t.tv_sec += (time_t)(ns / 1000000000);
    t.tv_nsec = (long)(ns % 1000000000);
    return t;
}
