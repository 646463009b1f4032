#pragma once

/*
 * Time, passed in.
 *
 * Everything that decides by time takes a `const struct clock *`, so that tests own it. Real time
 * names moments for people and for the disk; monotonic time measures waits. Both in microseconds.
 */

#include <stdint.h>

#define USEC_PER_MSEC INT64_C(1000)
#define USEC_PER_SEC INT64_C(1000000)
#define USEC_PER_MIN (60 * USEC_PER_SEC)
#define USEC_PER_HOUR (60 * USEC_PER_MIN)
#define USEC_PER_DAY (24 * USEC_PER_HOUR)

/* "For ever", "none": an absent limit. */
#define USEC_INFINITY INT64_MAX

struct clock {
    int64_t (*realtime)(void *context); /* since 1970-01-01T00:00:00Z */
    int64_t (*monotonic)(void *context);
    void *context;
};

/* The machine's own. Borrowed, lives for ever, safe from any thread. */
const struct clock *clock_system(void);

static inline int64_t clock_realtime(const struct clock *clock)
{
    return clock->realtime(clock->context);
}

static inline int64_t clock_monotonic(const struct clock *clock)
{
    return clock->monotonic(clock->context);
}
