#pragma once

/*
 * What all workers of an intake share: limits that never change, and counters.
 *
 * Everything mutable here is atomic, and none of it orders other memory but `draining` and
 * `stop_at_usec`, which main writes and then wakes the workers.
 */

#include "intake/intake.h"
#include "intake/refused.h"
#include "intake/report.h"
#include "util/log_limit.h"

#include <pthread.h>
#include <stdatomic.h>

/* Memory for bodies over the whole intake: while they are gathered, and while a delivery made of
 * one waits for its commit. At least four of the largest size must fit. */
#define SHARED_BODY_BYTES ((size_t)64 << 20)

struct shared {
    size_t max_body;
    unsigned int max_connections;
    int64_t header_timeout_usec;
    int64_t body_timeout_usec;
    int64_t idle_timeout_usec;
    int64_t commit_timeout_usec;
    struct store_writer *writer; /* borrowed */
    const struct clock *clock;   /* borrowed */

    int *listen_fds; /* owned; closed by whoever lets go last */
    size_t n_listen_fds;
    _Atomic unsigned int listen_users; /* main and every worker that still accepts */

    struct worker *workers; /* all; borrowed */
    unsigned int n_workers;

    size_t body_bytes_max;
    _Atomic size_t body_bytes;
    _Atomic unsigned int commits; /* posted and not yet back; bounded by max_connections */
    _Atomic bool full;            /* max_connections was reached, and there is no room since */
    pthread_mutex_t full_lock;    /* no other is taken while it is held */
    struct log_state full_state;  /* what the log says of `full`; under full_lock */

    struct refused *refused; /* owned */
    struct report report;
    _Atomic uint64_t latency[INTAKE_BUCKETS];
    _Atomic int64_t latency_sum_usec;

    _Atomic bool draining;
    _Atomic int64_t stop_at_usec; /* monotonic; USEC_INFINITY until intake_stop */

    struct intake_stats stats;
};

/* Takes room for body bytes; false when there is none. An eighth is kept for bodies of up to
 * SHARED_SMALL_BODY bytes (`total` is what the request would have then), so that large ones, which
 * a peer may begin before anything of it is proven, cannot keep out callbacks of the usual size. */
#define SHARED_SMALL_BODY ((size_t)16 << 10)
bool shared_charge(struct shared *shared, size_t bytes, size_t total);
void shared_release(struct shared *shared, size_t bytes);

/* Counts how long a callback waited, from its complete body to its verdict. */
void shared_note_latency(struct shared *shared, int64_t usec);

/* Lets go of the listening sockets; the last one closes them. */
void shared_stop_listening(struct shared *shared);
