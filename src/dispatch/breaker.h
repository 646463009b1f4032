#pragma once

/*
 * A breaker: notices that it is the sink that fails, not one delivery, and then lets only a probe
 * through now and then. Pure: time and results come in, a decision goes out. It delays, never
 * loses.
 *
 * Closed, it counts the different deliveries that failed since the last success; `threshold` of
 * them open it. One delivery that fails again and again counts once, because that is what retry and
 * dead letters are for. Open, it lets one delivery run at a time, after a delay that doubles with
 * each failed probe. The first success closes it, whether it was a probe or had been running since
 * before.
 *
 * A delivery that the sink refuses for good (SINK_DEAD) or could not try (SINK_DEFERRED) says
 * nothing about the sink's health: neither counts.
 */

#include <stdbool.h>
#include <stdint.h>

/* Longest time between two probes. */
#define BREAKER_DELAY_MAX_USEC (60 * INT64_C(1000000))

struct breaker {
    unsigned int threshold; /* 0: never opens */
    int64_t first_usec;     /* to the first probe */
    int64_t max_usec;
    unsigned int distinct; /* deliveries that failed since the last success */
    uint32_t epoch;        /* changes with each success; never 0 */
    bool open;
    bool probing;
    unsigned int probes; /* failed since it opened, the opening counted */
    int64_t probe_at;    /* monotonic */
};

enum breaker_change {
    BREAKER_UNCHANGED,
    BREAKER_OPENED,
    BREAKER_CLOSED,
};

void breaker_init(
    struct breaker *breaker, unsigned int threshold, int64_t first_usec, int64_t max_usec);

/* Whether a delivery may start now, `running` being under way. While open: a single one. */
bool breaker_may_start(const struct breaker *breaker, int64_t now_usec, unsigned int running);

/* A delivery starts. */
void breaker_started(struct breaker *breaker);

enum breaker_change breaker_succeeded(struct breaker *breaker);

/* `mark` belongs to the delivery, starts as 0 and tells whether it was counted already. */
enum breaker_change breaker_failed(struct breaker *breaker, uint32_t *mark, int64_t now_usec);

/* A delivery came back without a verdict on the sink. */
void breaker_passed(struct breaker *breaker);
