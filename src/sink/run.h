#pragma once

/*
 * One run of a hook, from its start to the moment its item is handed back.
 *
 * Threads: the runner's only, which has a starter beside it. The watching lives in the runner's
 * event loop; nothing here blocks.
 */

#include "sink/sink.h"

/* Bytes of output that are read in one turn of the loop. */
#define RUN_SLICE (64 * 1024)

struct run;
struct starter;

/* What the runs of one sink have in common. Owned by the sink; outlives its runs. */
struct run_group {
    /* Set before run_group_open. */
    struct sink_host host;
    const char *const *argv; /* borrowed */
    int64_t timeout_usec;    /* counts from the moment it was started; USEC_INFINITY: none */
    int64_t grace_usec;

    struct starter *starter;
    struct run *runs;      /* list of all that have an item */
    char slice[RUN_SLICE]; /* what one read of output fills */
};

/* Returns 0 or -errno. */
int run_group_open(struct run_group *group, struct error *error);

/* There are no runs. One that was never opened may be closed, too. */
void run_group_close(struct run_group *group);

/* Starts the hook for `item`, which item_begin was called for at `begun_usec`. The item comes back
 * through host.done: during the call when nothing could be prepared, else in a later turn of the
 * loop. Takes `env`, to be freed with free(). */
void run_start(struct run_group *group, struct sink_item *item, int64_t begun_usec, char **env);

/* TERM to all, after the grace KILL; their items come back as deferred. Nothing is handed back
 * during the call. */
void run_cancel_all(struct run_group *group);
