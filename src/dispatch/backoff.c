/*
 * Backoff arithmetic: doubling with a bound, and jitter. Pure.
 *
 * At most 63 doublings happen whatever `failures` says, because the value reaches the bound first.
 */

#include "dispatch/backoff.h"

int64_t backoff_base(int64_t first_usec, int64_t max_usec, unsigned int failures)
{
    int64_t delay = first_usec > 0 ? first_usec : 1;

    for (unsigned int i = 1; i < failures && delay < max_usec; i++)
        delay = delay > max_usec / 2 ? max_usec : delay * 2;
    return delay < max_usec ? delay : max_usec;
}

int64_t backoff_delay(int64_t first_usec, int64_t max_usec, unsigned int failures, uint64_t random)
{
    int64_t base = backoff_base(first_usec, max_usec, failures);
    int64_t half = base / 2;

    if (base <= 0)
        return 0;
    return base - (int64_t)(random % ((uint64_t)half + 1));
}
