#include "sink/process.h"

/*
 * What hooks are given, and what becomes of them. See process.h for the contract; how a child is
 * started is spawn.c.
 *
 * stdin is a sealed memfd, not a pipe. The body is small, bounded and known beforehand, so there is
 * nothing to pump: a hook that never reads, reads slowly, or closes stdin costs no descriptor, no
 * event and no SIGPIPE, and cannot block anything. It reads to end of file like a file because it
 * is one: it may seek, and open /dev/stdin again, which a socket would refuse. The seals make it
 * read-only although the descriptor is not.
 */

#include "util/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U /* Linux 6.3; implies MFD_ALLOW_SEALING */
#endif

static int create_memfd(void)
{
    int fd;

    /* Newer kernels want to be told, and may be set to refuse whoever does not tell. */
    fd = memfd_create("sasha-callback", MFD_CLOEXEC | MFD_NOEXEC_SEAL);
    if (fd < 0 && errno == EINVAL)
        fd = memfd_create("sasha-callback", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    return fd < 0 ? -errno : fd;
}

/* Leaves the offset, which the child shares, at the start. */
static int write_from_start(int fd, const char *data, size_t length)
{
    size_t used = 0;

    while (used < length) {
        ssize_t count = pwrite(fd, data + used, length - used, (off_t)used);

        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return -errno;
        used += (size_t)count;
    }
    return 0;
}

static int make_input(const void *data, size_t length, int *ret_fd)
{
    CLEANUP(close) int fd = create_memfd();
    int r;

    if (fd < 0)
        return fd;
    r = write_from_start(fd, data, length);
    if (r < 0)
        return r;
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0)
        return -errno;
    *ret_fd = TAKE_FD(fd);
    return 0;
}

static int make_output(int *ret_read_fd, int *ret_write_fd)
{
    CLEANUP(close) int read_fd = -1;
    CLEANUP(close) int write_fd = -1;
    int fds[2];

    if (pipe2(fds, O_CLOEXEC) < 0)
        return -errno;
    read_fd = fds[0];
    write_fd = fds[1];
    /* Our end only: the hook's writes block as usual. It had no flags. */
    if (fcntl(read_fd, F_SETFL, O_NONBLOCK) < 0)
        return -errno;

    *ret_read_fd = TAKE_FD(read_fd);
    *ret_write_fd = TAKE_FD(write_fd);
    return 0;
}

int process_prepare(const void *input, size_t input_length, struct process *ret_process)
{
    struct process process = PROCESS_INIT;
    int r;

    r = make_input(input, input_length, &process.child_input);
    if (r == 0)
        r = make_output(&process.output_fd, &process.child_output);
    if (r < 0) {
        process_close(&process);
        return r;
    }
    *ret_process = process;
    return 0;
}

static void close_childs(struct process *process)
{
    closep(&process->child_input);
    closep(&process->child_output);
    process->child_input = -1;
    process->child_output = -1;
}

void process_started(struct process *process, pid_t pid, int pidfd)
{
    close_childs(process);
    process->pid = pid;
    process->pidfd = pidfd;
}

static bool wait_now(const struct process *process, int options, siginfo_t *ret_info)
{
    int r;

    *ret_info = (siginfo_t){0}; /* si_pid stays 0 when there is nothing to report */
    do
        r = waitid(P_PIDFD, (id_t)process->pidfd, ret_info, WEXITED | options);
    while (r < 0 && errno == EINTR);
    return r == 0 && ret_info->si_pid != 0;
}

bool process_has_exited(const struct process *process)
{
    siginfo_t info;

    return wait_now(process, WNOHANG | WNOWAIT, &info);
}

static struct process_exit exit_of(struct process *process, const siginfo_t *info)
{
    process->pid = 0;
    return (struct process_exit){
        .signaled = info->si_code != CLD_EXITED,
        .status = info->si_status,
    };
}

struct process_exit process_reap(struct process *process)
{
    siginfo_t info;
    bool reaped = wait_now(process, 0, &info);

    ASSERT(reaped); /* somebody else waited for our child */
    return exit_of(process, &info);
}

bool process_reap_if_exited(struct process *process, struct process_exit *ret_exit)
{
    siginfo_t info;

    if (!wait_now(process, WNOHANG, &info))
        return false;
    *ret_exit = exit_of(process, &info);
    return true;
}

void process_signal_group(const struct process *process, int signal)
{
    ASSERT(process->pid > 1); /* kill(-1) and kill(0) reach far more than one hook */
    kill(-process->pid, signal);
}

void process_close(struct process *process)
{
    close_childs(process);
    closep(&process->pidfd);
    closep(&process->output_fd);
    *process = (struct process)PROCESS_INIT;
}
