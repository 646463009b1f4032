#pragma once

/*
 * One run of a hook, from its start to the moment its item is handed back.
 *
 * Threads: the runner's only. The watching lives in the runner's event loop; nothing here blocks.
 */

#include "sink/sink.h"

/* Bytes of output that are read in one turn of the loop. */
#define RUN_SLICE (64 * 1024)

struct run;
struct spawner;

/* What the runs of one sink have in common. Owned by the sink; outlives its runs. */
struct run_group {
    struct sink_host host;
    const char *const *argv; /* borrowed */
    struct spawner *spawner; /* owned by the sink */
    int64_t timeout_usec;    /* USEC_INFINITY: none */
    int64_t grace_usec;
    struct run *runs;      /* list of all that have an item */
    char slice[RUN_SLICE]; /* what one read of output fills */
};

/* Starts the hook for `item`, which item_begin was called for at `begun_usec`. Returns 0, and the
 * item comes back through host.done in a later turn of the loop; or -errno, and the item stays with
 * the caller. `env` is borrowed for the call. */
int run_start(
    struct run_group *group, struct sink_item *item, int64_t begun_usec, char *const *env);

/* TERM to all, after the grace KILL; their items come back as deferred. Nothing is handed back
 * during the call. */
void run_cancel_all(struct run_group *group);
