#pragma once

/*
 * A runner: one sink's thread, which brings it its deliveries.
 *
 * It has an event loop, a store reader, a queue (queue.h) and the sink; it shares nothing with
 * other runners. The main thread gives it orders; it takes them between two steps of its loop. An
 * order is a state to reach, not a message: the last one counts, and giving one needs no memory and
 * cannot fail. What operators ask for comes as requests (request.h), each of which is answered.
 *
 * Threads: runner_wake, runner_ask and runner_get_stats from any; runner_set_paused from the
 * store writer's; everything else from the main thread.
 */

#include "dispatch/dispatch.h"

struct runner;
struct request;

struct runner_setup {
    const char *name; /* of the sink; copied */
    const char *type; /* static */
    struct store *store;
    struct store_writer *writer;
    const struct clock *clock;
    dispatch_new_sink_fn new_sink;
    void (*left)(void *context); /* on the runner's thread: it has left. May block. */
    void *context;
};

/* A sink and its options, ready to be taken over by a runner. */
struct runner_change {
    struct dispatch_sink_options *options;
    struct sink *sink;
};

/* Makes the sink and copies the options. */
int runner_change_new(dispatch_new_sink_fn new_sink, const struct dispatch_sink_options *options,
    struct runner_change **ret_change, struct error *error);
void runner_change_free(struct runner_change *change);
CLEANUP_FUNC(struct runner_change, runner_change_free);

/* Starts the thread, which waits for its first change. */
int runner_new(const struct runner_setup *setup, struct runner **ret_runner, struct error *error);

/* The sink's number in the store; before the first change. */
void runner_set_id(struct runner *runner, uint32_t id);
uint32_t runner_id(const struct runner *runner);
const char *runner_name(const struct runner *runner);

/* Takes the change: what runs is finished and recorded, then the new sink goes on. Also brings back
 * a runner that was told to leave. */
void runner_apply(struct runner *runner, struct runner_change *change);

/* What runs is finished and recorded, then the runner lies idle. */
void runner_leave(struct runner *runner);
bool runner_has_left(const struct runner *runner);

void runner_reopen(struct runner *runner);

/* There may be something new in the store. */
void runner_wake(struct runner *runner);

/* Starts nothing new, cancels at `deadline_usec` (monotonic) what still runs, records it, and lets
 * the thread end. */
void runner_stop(struct runner *runner, int64_t deadline_usec);

/* Waits for the end of a runner that was told to stop. */
void runner_join(struct runner *runner);

/* The same, and frees it. NULL is legal. */
void runner_free(struct runner *runner);

/* Takes over one hold of the request; sees to it that it is answered. */
void runner_ask(struct runner *runner, struct request *request);

/* Says how the store has it. */
void runner_set_paused(struct runner *runner, bool paused);

void runner_get_stats(struct runner *runner, struct dispatch_sink_stats *ret_stats);
