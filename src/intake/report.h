#pragma once

/*
 * What became of requests, for the log and the counters.
 *
 * Every outcome is counted; of each reason at most one line a second is logged, whichever worker
 * has it, with the number left out since, so that a flood of refused requests does not flood the
 * log. When no more come, the number gets a line of its own. Foreign bytes go out as fields only,
 * which the log escapes, and the request id only if it obeys the rule for ids. Accepted deliveries
 * are logged at debug level.
 *
 * Threads: the workers', which share one report.
 */

#include "intake/intake.h"
#include "util/log.h"

#include <pthread.h>
#include <stdatomic.h>

struct connection;
struct delivery;
struct worker;

/* How much of it was logged lately. Zero-initialised but for the lock. */
struct report {
    pthread_mutex_t lock; /* of the limits; a leaf, and nothing is logged while it is held */
    struct log_limit reasons[REASON_COUNT];
    struct log_limit would_refuse[REASON_COUNT];
    struct log_limit cuts;
    /* Monotonic: when what was left out is to be told of; 0: nothing was. */
    _Atomic int64_t rest_at_usec;
};

/* A request's outcome, `detail` is a static text or NULL. */
void report_request(struct connection *connection, enum reason reason, const char *detail);

/* A request that report mode lets pass, and what it would have been refused for. Not counted here:
 * its outcome is still to come. */
void report_would_refuse(struct connection *connection, enum reason reason);

/* A connection that was cut in the middle of a request. */
void report_cut(struct connection *connection, enum intake_cut cut);

/* Tells of what was left out and had no line after it, when it is time: at rest_at_usec, or, if
 * `must`, at once, because the worker ends. */
void report_rest(struct worker *worker, bool must);
