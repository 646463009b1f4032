#pragma once

/*
 * The set of runners from the inside; for dispatch.c and operator.c.
 */

#include "dispatch/dispatch.h"
#include "dispatch/runner.h"

#include <pthread.h>

struct slot {
    struct runner *runner;
    struct dispatch_sink_options *options; /* owned; what the runner has or is about to have */
};

struct dispatch {
    struct store *store;
    struct store_writer *writer;
    const struct clock *clock;
    dispatch_new_sink_fn new_sink;

    pthread_mutex_t lock; /* of the tables; runners' and mailboxes' locks come after it */
    struct slot *slots;
    size_t n_slots;
    struct runner **leaving;
    size_t n_leaving;
    bool ended; /* the threads; the main thread's own */
};

/* The slot of the sink `name`; NULL when there is none. Under the lock, or on the main thread. */
struct slot *dispatch_find(const struct dispatch *dispatch, const char *name);
