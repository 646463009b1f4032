#pragma once

/*
 * A child process of its own session: spawn it clean, watch it by descriptor, signal its group.
 *
 * The child leads a session and a group whose id is its pid. As long as the leader is not reaped,
 * not even when it is a zombie, the kernel gives that id to nobody else; so signals to the group
 * are sent before process_reap and never after.
 *
 * Threads: a process belongs to the thread that spawned it. Nothing else in the daemon may wait for
 * children.
 */

#include "sink/spawn.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct process {
    pid_t pid;     /* 0: none */
    int pidfd;     /* readable once the leader has exited */
    int output_fd; /* non-blocking end of the pipe that is the child's stdout and stderr */
};

#define PROCESS_INIT \
    {                \
        0, -1, -1    \
    }

/* How the leader ended. */
struct process_exit {
    bool signaled;
    int status; /* exit code, or number of the signal */
};

/* Runs argv[0] (an absolute path, no shell) in "/" with exactly this environment, stdin holding
 * `input`, stdout and stderr joined in a pipe, no other descriptor, default signal handling, an
 * empty signal mask. Returns 0; or -errno, and then no process is left. */
int process_spawn(struct spawner *spawner, const char *const *argv, char *const *env,
    const void *input, size_t input_length, struct process *ret_process);

/* Whether the leader has exited; it stays a zombie. */
bool process_has_exited(const struct process *process);

/* Reaps a leader that has exited. */
struct process_exit process_reap(struct process *process);

/* Both in one. */
bool process_reap_if_exited(struct process *process, struct process_exit *ret_exit);

/* Sends a signal to every process of the group. Not after process_reap. */
void process_signal_group(const struct process *process, int signal);

/* Closes the descriptors. Does not end or reap the process. */
void process_close(struct process *process);
