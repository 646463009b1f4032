#include "sink/spawn.h"

/*
 * Spawning. See spawn.h for the contract.
 *
 * The child is made with CLONE_VM and CLONE_VFORK, as posix_spawn does it: no page table is copied,
 * and the calling thread sleeps until the child has called exec or has ended. What posix_spawn does
 * in addition costs some 20 µs: it maps and unmaps a stack each time, for which all processors that
 * run threads of the daemon are interrupted, has the child set 64 signal actions, and gives no
 * descriptor of the process. Here the stack is kept, and the actions that are not the default are
 * found once.
 *
 * Between clone and exec the child runs in the daemon's memory, beside the daemon's other threads.
 * That is safe because
 *
 * - it has a stack of its own, with a page below that cannot be touched, and the thread whose
 *   thread-local storage (errno) it shares is asleep;
 * - every signal is blocked from before clone until no handler is left in the child, the C
 *   library's own two as well, which its functions would leave out;
 * - it makes system calls only, through syscall(): no lock, no allocation, no
 *   function of the C library that keeps state or that somebody may have replaced (a sanitizer, the
 *   tests' preload library);
 * - it writes nothing but launch.error, which the parent reads once the child is out of its memory.
 *
 * The child's signal actions, mask and working directory are its own. So are its descriptors in the
 * end, but to copy all of the daemon's, one for each connection among them, only to close them, may
 * cost more than all the rest. So it begins with the daemon's own table (CLONE_FILES), and its
 * first step is to leave it: CLOSE_RANGE_UNSHARE copies what is below the range to be closed. What
 * the program is to get must be there, so each spawner holds two low numbers for it, its slots.
 */

#include "util/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Plenty: it holds a few frames of system calls. */
#define STACK_SIZE ((size_t)32 * 1024)

/* Of the kernel's set of signals, which is smaller than the C library's. */
#define SIGNALS_SIZE ((size_t)(_NSIG / 8))

/* The sanitizers keep an account of each thread's memory and calls, which the child would spoil. */
#define UNINSTRUMENTED __attribute__((noinline, no_sanitize("address", "thread", "undefined")))

/* ThreadSanitizer takes clone for a fork, which copies memory. The function has another name. */
#ifdef __SANITIZE_THREAD__
#define SANITIZE_THREAD 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SANITIZE_THREAD 1
#endif
#endif
#ifdef SANITIZE_THREAD
int __clone(int (*run)(void *), void *stack, int flags, void *context, ...);
#define clone __clone
#endif

/* At least as large as the kernel's struct sigaction, whose layout differs between machines. All
 * zero is the default action on each. */
struct kernel_action {
    unsigned long words[16];
};

static const struct kernel_action default_action;
static const sigset_t no_signals;

enum { SLOT_INPUT, SLOT_OUTPUT, SLOTS };

struct spawner {
    char *memory; /* of the stack and the page below */
    size_t size;
    int idle_fd;                /* what the slots hold between two starts; means nothing */
    int slots[SLOTS];           /* above 2 */
    unsigned int end;           /* above the slots */
    unsigned char reset[_NSIG]; /* signals whose action is not the default */
    size_t n_reset;
};

/* One start, as both sides see it. */
struct launch {
    const struct spawner *spawner;
    const struct spawn_program *program;
    int error; /* a positive errno, left by a child that could not go on */
};

static void find_actions(struct spawner *spawner)
{
    for (int i = 1; i < _NSIG; i++) {
        struct kernel_action action = default_action;

        if (syscall(SYS_rt_sigaction, i, NULL, &action, SIGNALS_SIZE) == 0 &&
            memcmp(&action, &default_action, sizeof(action)) != 0)
            spawner->reset[spawner->n_reset++] = (unsigned char)i;
    }
}

static int make_stack(struct spawner *spawner)
{
    size_t guard = (size_t)sysconf(_SC_PAGESIZE);
    void *memory = mmap(NULL, guard + STACK_SIZE, PROT_READ | PROT_WRITE,
        MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);

    if (memory == MAP_FAILED)
        return -errno;
    spawner->memory = memory;
    spawner->size = guard + STACK_SIZE;
    return mprotect(memory, guard, PROT_NONE) < 0 ? -errno : 0;
}

static int make_slots(struct spawner *spawner)
{
    spawner->idle_fd = eventfd(0, EFD_CLOEXEC);
    if (spawner->idle_fd < 0)
        return -errno;
    for (size_t i = 0; i < SLOTS; i++) {
        int fd = fcntl(spawner->idle_fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);

        if (fd < 0)
            return -errno;
        spawner->slots[i] = fd;
        if ((unsigned int)fd >= spawner->end)
            spawner->end = (unsigned int)fd + 1;
    }
    return 0;
}

int spawner_new(struct spawner **ret_spawner)
{
    CLEANUP(spawner_free) struct spawner *spawner = malloc(sizeof(*spawner));
    int r;

    if (!spawner)
        return -ENOMEM;
    *spawner = (struct spawner){.idle_fd = -1, .slots = {-1, -1}};
    r = make_stack(spawner);
    if (r == 0)
        r = make_slots(spawner);
    if (r < 0)
        return r;
    find_actions(spawner);
    *ret_spawner = TAKE(spawner);
    return 0;
}

void spawner_free(struct spawner *spawner)
{
    if (!spawner)
        return;
    closep(&spawner->idle_fd);
    for (size_t i = 0; i < SLOTS; i++)
        closep(&spawner->slots[i]);
    if (spawner->memory)
        munmap(spawner->memory, spawner->size);
    free(spawner);
}

/* ---- the child ---- */

UNINSTRUMENTED static bool reset_signals(const struct spawner *spawner)
{
    for (size_t i = 0; i < spawner->n_reset; i++)
        if (syscall(SYS_rt_sigaction, spawner->reset[i], &default_action, NULL, SIGNALS_SIZE) < 0)
            return false;
    return syscall(SYS_rt_sigprocmask, SIG_SETMASK, &no_signals, NULL, SIGNALS_SIZE) == 0;
}

UNINSTRUMENTED static bool set_descriptors(const struct spawner *spawner)
{
    const int *slots = spawner->slots;

    return syscall(SYS_close_range, spawner->end, ~0U, CLOSE_RANGE_UNSHARE) == 0 &&
           syscall(SYS_dup3, slots[SLOT_INPUT], STDIN_FILENO, 0) >= 0 &&
           syscall(SYS_dup3, slots[SLOT_OUTPUT], STDOUT_FILENO, 0) >= 0 &&
           syscall(SYS_dup3, slots[SLOT_OUTPUT], STDERR_FILENO, 0) >= 0 &&
           syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, 0) == 0;
}

UNINSTRUMENTED static int run_child(void *context)
{
    struct launch *launch = context;
    const struct spawn_program *program = launch->program;

    if (syscall(SYS_setsid) >= 0 && set_descriptors(launch->spawner) &&
        syscall(SYS_chdir, "/") == 0 && reset_signals(launch->spawner))
        syscall(SYS_execve, program->argv[0], program->argv, program->env);
    launch->error = errno;
    return 127; /* nobody sees it */
}

/* ---- the parent ---- */

static void wait_for_end(int pidfd)
{
    siginfo_t info;

    while (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED) < 0 && errno == EINTR)
        ;
}

/* Returns 0 or -errno. */
static int fill_slot(int slot, int fd)
{
    if (dup3(fd, slot, O_CLOEXEC) >= 0)
        return 0;
    if (errno == EBADF && fcntl(fd, F_GETFD) >= 0)
        return -EMFILE; /* the limit was lowered, and the slot lies above */
    return -errno;
}

/* Both, as far as it can be. Returns 0 or -errno. */
static int fill_slots(const struct spawner *spawner, int input_fd, int output_fd)
{
    int for_input = fill_slot(spawner->slots[SLOT_INPUT], input_fd);
    int for_output = fill_slot(spawner->slots[SLOT_OUTPUT], output_fd);

    return for_input < 0 ? for_input : for_output;
}

/* With every signal blocked. Returns 0 or -errno. */
static int start_child(
    const struct spawner *spawner, struct launch *launch, pid_t *ret_pid, int *ret_pidfd)
{
    sigset_t all, before;
    int code, pidfd;
    pid_t pid;

    memset(&all, 0xff, sizeof(all)); /* sigfillset leaves out the C library's own */
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, SIGNALS_SIZE);
    pid = clone(run_child, spawner->memory + spawner->size,
        CLONE_VM | CLONE_VFORK | CLONE_FILES | CLONE_PIDFD | SIGCHLD, launch, &pidfd);
    code = errno;
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, SIGNALS_SIZE);
    /* What pidfd is then means nothing: where a cgroup has its full number of tasks, the kernel has
     * written a number and given it back, and another thread may have it by now. */
    if (pid < 0)
        return -code;
    *ret_pid = pid;
    *ret_pidfd = pidfd;
    return 0;
}

int spawner_start(
    struct spawner *spawner, const struct spawn_program *program, pid_t *ret_pid, int *ret_pidfd)
{
    struct launch launch = {.spawner = spawner, .program = program};
    CLEANUP(close) int pidfd = -1;
    pid_t pid = 0;
    int r;

    r = fill_slots(spawner, program->input_fd, program->output_fd);
    if (r == 0)
        r = start_child(spawner, &launch, &pid, &pidfd);
    /* Or the pipe would not end. Where the limit was lowered meanwhile it does so with the next
     * start, and the run lingers; closing a slot would give its number to somebody else. */
    (void)fill_slots(spawner, spawner->idle_fd, spawner->idle_fd);
    if (r < 0)
        return r;
    if (launch.error != 0) {
        wait_for_end(pidfd);
        return -launch.error;
    }
    *ret_pid = pid;
    *ret_pidfd = TAKE_FD(pidfd);
    return 0;
}
