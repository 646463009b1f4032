#include "util/clock.h"

/*
 * The machine's own clock behind the interface that tests replace.
 */

#include "util/cleanup.h"

#include <time.h>

static int64_t clock_read(clockid_t id)
{
    struct timespec now;
    int r;

    r = clock_gettime(id, &now);
    ASSERT(r == 0); /* both clocks exist on every Linux */
    return (int64_t)now.tv_sec * USEC_PER_SEC + now.tv_nsec / 1000;
}

static int64_t clock_system_realtime(void *context)
{
    return clock_read(CLOCK_REALTIME);
}

static int64_t clock_system_monotonic(void *context)
{
    return clock_read(CLOCK_MONOTONIC);
}

const struct clock *clock_system(void)
{
    static const struct clock clock = {
        .realtime = clock_system_realtime,
        .monotonic = clock_system_monotonic,
    };

    return &clock;
}
