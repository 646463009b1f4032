#pragma once

/*
 * A child process of its own session: what it is given, how it is watched by descriptor, and how
 * its group is signalled. It is started elsewhere (spawn.h).
 *
 * The child leads a session and a group whose id is its pid. As long as the leader is not reaped,
 * not even when it is a zombie, the kernel gives that id to nobody else; so signals to the group
 * are sent before process_reap and never after.
 *
 * Threads: a process belongs to one thread. Nothing else in the daemon may wait for children.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct process {
    pid_t pid;        /* 0: none */
    int pidfd;        /* readable once the leader has exited */
    int output_fd;    /* non-blocking end of the pipe that is the child's stdout and stderr */
    int child_input;  /* its descriptor 0 */
    int child_output; /* its descriptors 1 and 2: the other end */
};

#define PROCESS_INIT      \
    {                     \
        0, -1, -1, -1, -1 \
    }

/* How the leader ended. */
struct process_exit {
    bool signaled;
    int status; /* exit code, or number of the signal */
};

/* Makes the descriptors of a child that is still to be started: stdin holding `input`, stdout and
 * stderr joined in a pipe. Returns 0 or -errno. */
int process_prepare(const void *input, size_t input_length, struct process *ret_process);

/* It was started with them: lets go of the child's and takes `pidfd`. */
void process_started(struct process *process, pid_t pid, int pidfd);

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
