#pragma once

/*
 * Starting programs on threads of their own.
 *
 * Whoever starts a program sleeps until the kernel executes it (spawn.c). That takes longer than
 * all else that a runner does for a hook, and on a file system that does not answer it takes as
 * long as that lasts. A runner can meanwhile see after the hooks that run and prepare the next, so
 * it leaves the starting to a starter.
 *
 * Threads: all functions are for the thread of the loop that was given; there `done` is called,
 * too.
 */

#include "sink/spawn.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/mailbox.h"

#include <sys/types.h>
#include <systemd/sd-event.h>

/* The most threads of one starter, however many processors there are. Each starts some thousands of
 * programs a second. */
#define STARTER_THREADS_MAX 8

struct starter;

/* One start. It belongs to the starter from starter_post until `done` is called with it. */
struct start {
    struct mailbox_item item;     /* the starter's */
    struct spawn_program program; /* what it points to must last as long */

    /* Filled in by the starter. */
    int result; /* what spawner_start returned, or -ECANCELED; below 0 there is no process */
    pid_t pid;
    int pidfd; /* the caller's from `done` on */
};

typedef void (*starter_done_fn)(struct start *start);

/* Borrows the loop. Returns 0 or -errno. */
int starter_new(
    sd_event *event, starter_done_fn done, struct starter **ret_starter, struct error *error);

/* Every start that was posted must be done. NULL is legal. */
void starter_free(struct starter *starter);
CLEANUP_FUNC(struct starter, starter_free);

/* Starts the program; `done` is called in a later turn of the loop. Several that are posted in a
 * row may be started at the same time. */
void starter_post(struct starter *starter, struct start *start);

/* What no thread has begun with is not started; it is done with -ECANCELED. */
void starter_withdraw(struct starter *starter);
