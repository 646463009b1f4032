#include "shim.h"

/*
 * Real time, moved by an offset. The monotonic clock is never touched, as on a machine whose clock
 * is set.
 */

#include <sys/time.h>
#include <time.h>

#define NSEC_PER_SEC 1000000000

int clock_gettime(clockid_t id, struct timespec *now)
{
    static int (*next)(clockid_t, struct timespec *);
    int64_t nsec;
    int r;

    if (!next)
        next = shim_next("clock_gettime");
    r = next(id, now);
    if (r < 0 || (id != CLOCK_REALTIME && id != CLOCK_REALTIME_COARSE))
        return r;
    nsec = now->tv_sec * NSEC_PER_SEC + now->tv_nsec + shim_clock_offset_nsec();
    *now = (struct timespec){nsec / NSEC_PER_SEC, nsec % NSEC_PER_SEC};
    return r;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec precise;

    clock_gettime(CLOCK_REALTIME, &precise);
    *now = (struct timeval){precise.tv_sec, precise.tv_nsec / 1000};
    return 0;
}

time_t time(time_t *ret_now)
{
    struct timespec precise;

    clock_gettime(CLOCK_REALTIME, &precise);
    if (ret_now)
        *ret_now = precise.tv_sec;
    return precise.tv_sec;
}
