/* Starting programs: what a child begins with, what a failure leaves, many at once. */

#include "sink_fixture.h"

#include "sink/spawn.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static struct spawner *spawner;

static void setup(void)
{
    ck_assert_int_eq(spawner_new(&spawner), 0);
}

static void teardown(void)
{
    spawner_free(spawner);
}

/* What signal actions must be before a spawner looks at them. */
static void setup_again(void)
{
    teardown();
    setup();
}

struct child {
    pid_t pid;
    int pidfd;
    int output_fd;
};

/* Stdin is empty. */
static int start(struct spawner *with, const char *const *argv, struct child *ret_child)
{
    static const char *const env[] = {"ONE=1", "TWO=2", NULL};
    CLEANUP(close) int input_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    CLEANUP(close) int write_fd = -1;
    int fds[2], r;

    ck_assert_int_ge(input_fd, 3);
    ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
    write_fd = fds[1];
    ret_child->output_fd = fds[0];
    r = spawner_start(with,
        &(struct spawn_program){
            .argv = argv,
            .env = (char *const *)env,
            .input_fd = input_fd,
            .output_fd = write_fd,
        },
        &ret_child->pid, &ret_child->pidfd);
    if (r < 0)
        close(fds[0]);
    return r;
}

/* Waits for the end, and returns the exit code. */
static int finish(struct child *child)
{
    siginfo_t info = {0};

    ck_assert_int_eq(waitid(P_PIDFD, (id_t)child->pidfd, &info, WEXITED), 0);
    ck_assert_int_eq(info.si_pid, child->pid);
    ck_assert_int_eq(info.si_code, CLD_EXITED);
    close(child->pidfd);
    close(child->output_fd);
    return info.si_status;
}

/* The same, after reading all that it prints. */
static int finish_reading(struct child *child, char *text, size_t size)
{
    size_t length = 0;
    ssize_t n;

    while ((n = read(child->output_fd, text + length, size - 1 - length)) > 0)
        length += (size_t)n;
    text[length] = '\0';
    return finish(child);
}

/* What the program prints, in a static buffer; the child is left in *ret_child. */
static const char *output_of(const char *const *argv, struct child *ret_child)
{
    static char text[8192];

    ck_assert_int_eq(start(spawner, argv, ret_child), 0);
    ck_assert_int_eq(finish_reading(ret_child, text, sizeof(text)), 0);
    return text;
}

static unsigned long long signals_of(const char *status, const char *name)
{
    const char *at = strstr(status, name);
    unsigned long long set = ~0ULL;

    ck_assert_ptr_nonnull(at);
    ck_assert_int_eq(sscanf(at + strlen(name), ":\t%llx", &set), 1);
    return set;
}

static bool has_child(void)
{
    siginfo_t info = {0};

    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

/* ---- core ---- */

static void handle(int signal)
{
}

START_TEST(signals_are_clean)
{
    static const char *const argv[] = {"/bin/cat", "/proc/self/status", NULL};
    const unsigned long ignore[16] = {(unsigned long)SIG_IGN};
    struct child child;
    const char *status;
    sigset_t all, got;

    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGRTMAX, SIG_IGN);
    signal(SIGUSR1, handle);
    syscall(SYS_rt_sigaction, 33, ignore, NULL, 8); /* the C library's own */
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    setup_again();

    status = output_of(argv, &child);
    ck_assert_uint_eq(signals_of(status, "SigIgn"), 0);
    ck_assert_uint_eq(signals_of(status, "SigBlk"), 0);
    ck_assert_uint_eq(signals_of(status, "SigCgt"), 0);
    ck_assert_uint_eq(signals_of(status, "SigPnd"), 0);

    /* The parent keeps what it had. */
    sigprocmask(SIG_SETMASK, NULL, &got);
    for (int i = 1; i < 32; i++)
        ck_assert_int_eq(sigismember(&got, i), i != SIGKILL && i != SIGSTOP);
    ck_assert_ptr_eq(signal(SIGPIPE, SIG_DFL), SIG_IGN);
    ck_assert_ptr_eq(signal(SIGUSR1, SIG_DFL), handle);
}
END_TEST

START_TEST(mask_of_the_parent_is_kept)
{
    static const char *const argv[] = {"/bin/true", NULL};
    struct child child;
    sigset_t some, got;

    sigemptyset(&some);
    sigaddset(&some, SIGUSR2);
    sigprocmask(SIG_SETMASK, &some, NULL);
    output_of(argv, &child);
    sigprocmask(SIG_SETMASK, NULL, &got);
    for (int i = 1; i < 32; i++)
        ck_assert_int_eq(sigismember(&got, i), i == SIGUSR2);
}
END_TEST

/* Of those that are not close-on-exec, one is below what the spawner holds, one above. */
START_TEST(descriptors_are_three)
{
    static const char *const argv[] = {"/bin/ls", "/proc/self/fd", NULL};
    struct child child;
    size_t before;
    int low = dup(0);

    setup_again();
    ck_assert_int_ge(dup2(0, 200), 0);
    before = count_descriptors();
    ck_assert_str_eq(output_of(argv, &child), "0\n1\n2\n3\n"); /* ls has the folder open */
    ck_assert_int_eq(fcntl(low, F_GETFD), 0);
    ck_assert_int_eq(fcntl(200, F_GETFD), 0);
    ck_assert_uint_eq(count_descriptors(), before);
}
END_TEST

/* Numbers that a daemon whose own are closed gives to what is meant for the child. */
START_TEST(low_descriptors_do_no_harm)
{
    static const char *const argv[] = {"/bin/sh", "-c", "cat; echo out; echo err >&2", NULL};
    int saved[3], fds[2], r;
    char text[64] = "";
    struct child child;

    for (int fd = 0; fd < 3; fd++) {
        saved[fd] = fcntl(fd, F_DUPFD_CLOEXEC, 100);
        close(fd);
    }
    r = pipe2(fds, O_CLOEXEC);
    if (r == 0)
        r = open("/etc/hostname", O_RDONLY | O_CLOEXEC);
    if (r == 2) /* swapped: the input is 2, the output 1 */
        r = spawner_start(spawner,
            &(struct spawn_program){
                .argv = argv, .env = environ, .input_fd = 2, .output_fd = fds[1]},
            &child.pid, &child.pidfd);
    close(1);
    child.output_fd = fcntl(fds[0], F_DUPFD_CLOEXEC, 100);
    for (int fd = 0; fd < 3; fd++)
        dup2(saved[fd], fd);
    ck_assert_int_eq(r, 0);
    ck_assert_int_eq(finish_reading(&child, text, sizeof(text)), 0);
    ck_assert_ptr_nonnull(strstr(text, "out\nerr\n"));
}
END_TEST

START_TEST(output_is_joined)
{
    static const char *const argv[] = {"/bin/sh", "-c", "echo out; echo err >&2; cat", NULL};
    struct child child;

    ck_assert_str_eq(output_of(argv, &child), "out\nerr\n");
}
END_TEST

START_TEST(session_is_its_own)
{
    static const char *const argv[] = {"/bin/cat", "/proc/self/stat", NULL};
    struct child child;
    int pid, parent, group, session;
    const char *stat = output_of(argv, &child);

    ck_assert_int_eq(sscanf(stat, "%d (cat) %*c %d %d %d", &pid, &parent, &group, &session), 4);
    ck_assert_int_eq(pid, child.pid);
    ck_assert_int_eq(parent, getpid());
    ck_assert_int_eq(group, child.pid);
    ck_assert_int_eq(session, child.pid);
}
END_TEST

START_TEST(environment_and_directory_are_given)
{
    static const char *const argv[] = {"/usr/bin/env", "/bin/readlink", "/proc/self/cwd", NULL};
    static const char *const plain[] = {"/usr/bin/env", NULL};
    char before[512], after[512];
    struct child child;

    ck_assert_int_eq(chdir("/tmp"), 0);
    ck_assert_ptr_nonnull(getcwd(before, sizeof(before)));
    ck_assert_str_eq(output_of(plain, &child), "ONE=1\nTWO=2\n");
    ck_assert_str_eq(output_of(argv, &child), "/\n");
    ck_assert_ptr_nonnull(getcwd(after, sizeof(after)));
    ck_assert_str_eq(before, after);
}
END_TEST

START_TEST(descriptor_of_the_process_is_close_on_exec)
{
    static const char *const argv[] = {"/bin/true", NULL};
    struct child child;

    ck_assert_int_eq(start(spawner, argv, &child), 0);
    ck_assert_int_eq(fcntl(child.pidfd, F_GETFD), FD_CLOEXEC);
    ck_assert_int_eq(finish(&child), 0);
}
END_TEST

/* ---- limits ---- */

static pid_t parent;
static atomic_bool ended;
static atomic_int strayed, handled; /* a child before exec shares them */

static void note(int signal)
{
    if (syscall(SYS_getpid) != parent)
        atomic_fetch_add(&strayed, 1);
    else
        atomic_fetch_add(&handled, 1);
}

static void *send_signals(void *context)
{
    while (!atomic_load(&ended))
        kill(0, SIGWINCH); /* by default it is ignored, so it ends nobody */
    return NULL;
}

/* A child belongs to its parent's group until it has called setsid. */
START_TEST(no_handler_runs_in_the_child)
{
    static const char *const argv[] = {"/bin/true", NULL};
    pthread_t sender;
    struct child child;

    setpgid(0, 0);
    parent = getpid();
    sigaction(SIGWINCH, &(struct sigaction){.sa_handler = note, .sa_flags = SA_RESTART}, NULL);
    setup_again();
    ck_assert_int_eq(pthread_create(&sender, NULL, send_signals, NULL), 0);
    for (int i = 0; i < 300; i++) {
        ck_assert_int_eq(start(spawner, argv, &child), 0);
        ck_assert_int_eq(finish(&child), 0);
    }
    atomic_store(&ended, true);
    pthread_join(sender, NULL);
    ck_assert_int_gt(atomic_load(&handled), 0);
    ck_assert_int_eq(atomic_load(&strayed), 0);
}
END_TEST

#define N_THREADS 4

static void *start_many(void *context)
{
    static const char *const argv[] = {"/bin/true", NULL};
    static const char *const missing[] = {"/does/not/exist", NULL};
    struct spawner *own = NULL;
    struct child child;

    ck_assert_int_eq(spawner_new(&own), 0);
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(start(own, missing, &child), -ENOENT);
        ck_assert_int_eq(start(own, argv, &child), 0);
        ck_assert_int_eq(finish(&child), 0);
    }
    spawner_free(own);
    return NULL;
}

START_TEST(threads_start_at_once)
{
    pthread_t threads[N_THREADS];
    size_t before = count_descriptors();

    for (size_t i = 0; i < N_THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, start_many, NULL), 0);
    for (size_t i = 0; i < N_THREADS; i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_eq(count_descriptors(), before);
    ck_assert(!has_child());
}
END_TEST

/* ---- errors ---- */

static void check_failure(const char *const *argv, int want)
{
    size_t before = count_descriptors();
    struct child child = {.pid = -7, .pidfd = -7};

    ck_assert_int_eq(start(spawner, argv, &child), want);
    ck_assert_int_eq(child.pid, -7);
    ck_assert_int_eq(child.pidfd, -7);
    ck_assert_uint_eq(count_descriptors(), before);
    ck_assert_msg(!has_child(), "a process is left");
}

static const struct {
    const char *program;
    int want;
} failure_rows[] = {
    {"/does/not/exist", -ENOENT},
    {"/etc", -EACCES},
    {"/etc/passwd", -EACCES},
    {"/etc/passwd/x", -ENOTDIR},
};

START_TEST(exec_that_fails_is_told)
{
    const char *const argv[] = {failure_rows[_i].program, NULL};

    check_failure(argv, failure_rows[_i].want);
}
END_TEST

START_TEST(file_that_is_no_program_is_told)
{
    char path[] = "/tmp/sink-spawn-XXXXXX";
    const char *const argv[] = {path, NULL};
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, "exit 0\n", 7), 7);
    ck_assert_int_eq(fchmod(fd, 0755), 0);
    close(fd);
    check_failure(argv, -ENOEXEC);
    unlink(path);
}
END_TEST

START_TEST(arguments_that_are_too_long_are_told)
{
    char *huge = malloc(200000);
    const char *const argv[] = {"/bin/true", huge, NULL};

    memset(huge, 'x', 199999);
    huge[199999] = '\0';
    check_failure(argv, -E2BIG);
    free(huge);
}
END_TEST

START_TEST(want_of_descriptors_is_told)
{
    static const char *const argv[] = {"/bin/true", NULL};
    struct rlimit limit;
    struct child child;
    int free_fds[3];

    /* Enough for /dev/null and the pipe, not for a descriptor of the process. */
    for (size_t i = 0; i < ARRAY_SIZE(free_fds); i++)
        free_fds[i] = dup(0);
    for (size_t i = 0; i < ARRAY_SIZE(free_fds); i++)
        close(free_fds[i]);
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = (rlim_t)free_fds[2] + 1;
    setrlimit(RLIMIT_NOFILE, &limit);
    ck_assert_int_eq(start(spawner, argv, &child), -EMFILE);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    ck_assert(!has_child());
    ck_assert_int_eq(start(spawner, argv, &child), 0);
    ck_assert_int_eq(finish(&child), 0);
}
END_TEST

/* An operator may lower the limit of a daemon that runs (prlimit). */
START_TEST(limit_below_the_slots_is_told)
{
    static const char *const argv[] = {"/bin/true", NULL};
    int low[20];
    struct rlimit limit;
    struct child child;

    teardown();
    for (size_t i = 0; i < ARRAY_SIZE(low); i++)
        low[i] = dup(0);
    setup();
    for (size_t i = 0; i < ARRAY_SIZE(low); i++)
        close(low[i]);
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = (rlim_t)low[ARRAY_SIZE(low) - 1]; /* the slots lie above */
    setrlimit(RLIMIT_NOFILE, &limit);
    ck_assert_int_eq(start(spawner, argv, &child), -EMFILE);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    ck_assert_int_eq(start(spawner, argv, &child), 0);
    ck_assert_int_eq(finish(&child), 0);
}
END_TEST

/* What a container does whose list of system calls is older than the call. */
static void refuse_close_range(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_close_range, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {.len = ARRAY_SIZE(filter), .filter = filter};

    ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

/* A child that cannot leave the daemon's table of descriptors must leave it as it is. */
START_TEST(descriptors_of_the_parent_stay)
{
    static const char *const argv[] = {"/bin/true", NULL};
    struct stat before[3], after;

    for (int fd = 0; fd < 3; fd++)
        ck_assert_int_eq(fstat(fd, &before[fd]), 0);
    refuse_close_range();
    check_failure(argv, -EPERM);
    for (int fd = 0; fd < 3; fd++) {
        ck_assert_int_eq(fstat(fd, &after), 0);
        ck_assert_uint_eq(after.st_dev, before[fd].st_dev);
        ck_assert_uint_eq(after.st_ino, before[fd].st_ino);
    }
}
END_TEST

START_TEST(nothing_is_freed)
{
    spawner_free(NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sink_spawn");
    TCase *core = tcase_create("core");
    TCase *limits = tcase_create("limits");
    TCase *errors = tcase_create("errors");
    SRunner *runner;
    int n_failed;

    tcase_add_checked_fixture(core, setup, teardown);
    tcase_add_checked_fixture(limits, setup, teardown);
    tcase_add_checked_fixture(errors, setup, teardown);
    tcase_set_timeout(core, 60);
    tcase_set_timeout(limits, 120);
    tcase_set_timeout(errors, 60);

    tcase_add_test(core, signals_are_clean);
    tcase_add_test(core, mask_of_the_parent_is_kept);
    tcase_add_test(core, descriptors_are_three);
    tcase_add_test(core, low_descriptors_do_no_harm);
    tcase_add_test(core, output_is_joined);
    tcase_add_test(core, session_is_its_own);
    tcase_add_test(core, environment_and_directory_are_given);
    tcase_add_test(core, descriptor_of_the_process_is_close_on_exec);

    tcase_add_test(limits, no_handler_runs_in_the_child);
    tcase_add_test(limits, threads_start_at_once);

    tcase_add_loop_test(errors, exec_that_fails_is_told, 0, ARRAY_SIZE(failure_rows));
    tcase_add_test(errors, file_that_is_no_program_is_told);
    tcase_add_test(errors, arguments_that_are_too_long_are_told);
    tcase_add_test(errors, want_of_descriptors_is_told);
    tcase_add_test(errors, limit_below_the_slots_is_told);
    tcase_add_test(errors, descriptors_of_the_parent_stay);
    tcase_add_test(errors, nothing_is_freed);
    suite_add_tcase(suite, core);
    suite_add_tcase(suite, limits);
    suite_add_tcase(suite, errors);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed == 0 ? 0 : 1;
}
