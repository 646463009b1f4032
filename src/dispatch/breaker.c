/*
 * The breaker's decisions. Pure; see breaker.h.
 *
 * Different deliveries are told apart without a set: each carries the epoch in which it last
 * failed, and a success starts a new epoch.
 */

#include "dispatch/breaker.h"

#include "dispatch/backoff.h"

void breaker_init(
    struct breaker *breaker, unsigned int threshold, int64_t first_usec, int64_t max_usec)
{
    *breaker = (struct breaker){
        .threshold = threshold,
        .first_usec = first_usec,
        .max_usec = max_usec < BREAKER_DELAY_MAX_USEC ? max_usec : BREAKER_DELAY_MAX_USEC,
        .epoch = 1,
    };
}

bool breaker_may_start(const struct breaker *breaker, int64_t now_usec, unsigned int running)
{
    return !breaker->open || (running == 0 && now_usec >= breaker->probe_at);
}

void breaker_started(struct breaker *breaker)
{
    breaker->probing = breaker->open;
}

enum breaker_change breaker_succeeded(struct breaker *breaker)
{
    bool was_open = breaker->open;

    breaker->open = false;
    breaker->probing = false;
    breaker->probes = 0;
    if (breaker->distinct > 0) {
        breaker->distinct = 0;
        breaker->epoch = breaker->epoch == UINT32_MAX ? 1 : breaker->epoch + 1;
    }
    return was_open ? BREAKER_CLOSED : BREAKER_UNCHANGED;
}

static void schedule_probe(struct breaker *breaker, int64_t now_usec)
{
    breaker->probes++;
    breaker->probe_at =
        now_usec + backoff_base(breaker->first_usec, breaker->max_usec, breaker->probes);
}

enum breaker_change breaker_failed(struct breaker *breaker, uint32_t *mark, int64_t now_usec)
{
    if (breaker->open) {
        /* What had been running since before the opening tells nothing new. */
        if (breaker->probing)
            schedule_probe(breaker, now_usec);
        breaker->probing = false;
        return BREAKER_UNCHANGED;
    }
    if (*mark != breaker->epoch) {
        *mark = breaker->epoch;
        breaker->distinct++;
    }
    if (breaker->threshold == 0 || breaker->distinct < breaker->threshold)
        return BREAKER_UNCHANGED;
    breaker->open = true;
    schedule_probe(breaker, now_usec);
    return BREAKER_OPENED;
}

void breaker_passed(struct breaker *breaker)
{
    breaker->probing = false;
}
