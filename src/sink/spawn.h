#pragma once

/*
 * Starting a program as a child that is clean: the leader of its own session, in "/", with
 * descriptors 0 to 2 and no other, every signal at its default action and none blocked.
 *
 * Threads: a spawner belongs to one thread at a time; several threads may each use their own at
 * once.
 */

#include "util/cleanup.h"

#include <sys/types.h>

struct spawner;

struct spawn_program {
    const char *const *argv; /* argv[0] is an absolute path; there is no shell */
    char *const *env;        /* exactly this */
    int input_fd;            /* becomes 0 */
    int output_fd;           /* becomes 1 and 2 */
};

/* Returns 0 or -errno. Looks here once which signals have not their default action, so the process
 * must not begin later to handle or to ignore one. */
int spawner_new(struct spawner **ret_spawner);

/* NULL is legal. */
void spawner_free(struct spawner *spawner);
CLEANUP_FUNC(struct spawner, spawner_free);

/* Starts the program, borrowing it for the call, and gives its pid and a descriptor of the process
 * (close-on-exec), owned by the caller. Returns 0; or -errno, of starting or of the exec itself,
 * and then no process is left. */
int spawner_start(
    struct spawner *spawner, const struct spawn_program *program, pid_t *ret_pid, int *ret_pidfd);
