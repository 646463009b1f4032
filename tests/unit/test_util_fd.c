/*
 * Descriptors and files: whole writes, whole reads, and no hanging on what is no file.
 */

#include "util/cleanup.h"
#include "util/fd.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static char folder[] = "/tmp/test_util_fd.XXXXXX";
static char path[64];

static void setup(void)
{
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/file", folder);
}

static void teardown(void)
{
    unlink(path);
    ck_assert_int_eq(rmdir(folder), 0);
}

static void write_file(const void *data, size_t length)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(fd_write_all(fd, data, length), 0);
    close(fd);
}

START_TEST(test_read)
{
    CLEANUP(free) char *data = NULL;
    size_t length = 0;

    write_file("a\0b\n", 4);
    ck_assert_int_eq(fd_read_file(path, 100, &data, &length, NULL), 0);
    ck_assert_uint_eq(length, 4);
    ck_assert_mem_eq(data, "a\0b\n", 5); /* the NUL behind it too */
}
END_TEST

START_TEST(test_read_through_link)
{
    CLEANUP(free) char *data = NULL;
    char link[80];

    snprintf(link, sizeof(link), "%s.link", path);
    write_file("x", 1);
    ck_assert_int_eq(symlink(path, link), 0);
    ck_assert_int_eq(fd_read_file(link, 100, &data, NULL, NULL), 0);
    unlink(link);
    ck_assert_str_eq(data, "x");
}
END_TEST

START_TEST(test_read_limits)
{
    for (size_t length = 0; length < 5; length++)
        for (size_t max = 0; max < 5; max++) {
            CLEANUP(free) char *data = NULL;
            size_t got_length = 42;
            struct error error = ERROR_INIT;
            char want_text[128];
            int got;

            write_file("1234", length);
            got = fd_read_file(path, max, &data, &got_length, &error);
            if (length <= max) {
                ck_assert_int_eq(got, 0);
                ck_assert_uint_eq(got_length, length);
                ck_assert_mem_eq(data, "1234", length);
                ck_assert_int_eq(data[length], 0);
            } else {
                snprintf(want_text, sizeof(want_text), "%s: larger than %zu bytes", path, max);
                ck_assert_int_eq(got, -EFBIG);
                ck_assert_str_eq(error.text, want_text);
                ck_assert_ptr_null(data);
                ck_assert_uint_eq(got_length, 42);
            }
        }
}
END_TEST

/* Files of /proc claim to be empty. */
START_TEST(test_read_proc)
{
    CLEANUP(free) char *data = NULL;
    size_t length = 0;

    ck_assert_int_eq(fd_read_file("/proc/self/status", 1 << 20, &data, &length, NULL), 0);
    ck_assert_uint_gt(length, 100);
    ck_assert_uint_eq(strlen(data), length);
    ck_assert_int_eq(strncmp(data, "Name:", 5), 0);
    ck_assert_int_eq(fd_read_file("/proc/self/status", 10, &data, &length, NULL), -EFBIG);
}
END_TEST

/* What would block for ever, or never end, is refused at once. */
START_TEST(test_read_no_file)
{
    char *data = NULL;
    struct error error = ERROR_INIT;
    char want_text[128];

    ck_assert_int_eq(mkfifo(path, 0600), 0);
    ck_assert_int_eq(fd_read_file(path, 100, &data, NULL, &error), -EINVAL);
    snprintf(want_text, sizeof(want_text), "%s: not a regular file", path);
    ck_assert_str_eq(error.text, want_text);
    ck_assert_int_eq(fd_read_file("/dev/zero", 100, &data, NULL, &error), -EINVAL);
    ck_assert_int_eq(fd_read_file(folder, 100, &data, NULL, &error), -EINVAL);
    unlink(path);
    ck_assert_int_eq(fd_read_file(path, 100, &data, NULL, &error), -ENOENT);
    snprintf(want_text, sizeof(want_text), "%s: cannot open: No such file or directory", path);
    ck_assert_str_eq(error.text, want_text);
    ck_assert_ptr_null(data);
}
END_TEST

#define LONG_WRITE ((size_t)1 << 20)

static int pipe_fds[2];

static void *slow_reader(void *context)
{
    size_t *ret_total = context;
    const struct timespec pause = {0, 5000000}; /* long enough for a write to be stuck */
    char data[50000];
    ssize_t count;

    while ((count = read(pipe_fds[0], data, sizeof(data))) > 0) {
        for (ssize_t i = 0; i < count; i++)
            if (data[i] != (char)((*ret_total + (size_t)i) % 251))
                return NULL;
        *ret_total += (size_t)count;
        nanosleep(&pause, NULL);
    }
    return NULL;
}

static void ignore(int signal)
{
}

/* More than the pipe holds, while a timer interrupts the write again and again. */
START_TEST(test_write_interrupted)
{
    const struct sigaction action = {.sa_handler = ignore}; /* no SA_RESTART */
    const struct itimerspec every_msec = {{0, 1000000}, {0, 1000000}};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    CLEANUP(free) char *data = malloc(LONG_WRITE);
    size_t total = 0;
    pthread_t thread;
    timer_t timer;
    sigset_t signals;

    ck_assert_ptr_nonnull(data);
    for (size_t i = 0; i < LONG_WRITE; i++)
        data[i] = (char)(i % 251);
    ck_assert_int_eq(pipe2(pipe_fds, O_CLOEXEC), 0);
    ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
    sigemptyset(&signals);
    sigaddset(&signals, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    ck_assert_int_eq(pthread_create(&thread, NULL, slow_reader, &total), 0);
    pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
    ck_assert_int_eq(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
    ck_assert_int_eq(timer_settime(timer, 0, &every_msec, NULL), 0);

    ck_assert_int_eq(fd_write_all(pipe_fds[1], data, LONG_WRITE), 0);

    timer_delete(timer);
    close(pipe_fds[1]);
    pthread_join(thread, NULL);
    close(pipe_fds[0]);
    ck_assert_uint_eq(total, LONG_WRITE);
}
END_TEST

START_TEST(test_write_errors)
{
    signal(SIGPIPE, SIG_IGN);
    ck_assert_int_eq(fd_write_all(-1, "x", 1), -EBADF);
    ck_assert_int_eq(fd_write_all(-1, "x", 0), 0);
    ck_assert_int_eq(pipe2(pipe_fds, O_CLOEXEC), 0);
    close(pipe_fds[0]);
    ck_assert_int_eq(fd_write_all(pipe_fds[1], "x", 1), -EPIPE);
    close(pipe_fds[1]);
}
END_TEST

START_TEST(test_nonblocking)
{
    char byte;

    ck_assert_int_eq(pipe2(pipe_fds, O_CLOEXEC), 0);
    ck_assert_int_eq(fd_set_nonblocking(pipe_fds[0], true), 0);
    ck_assert_int_eq(read(pipe_fds[0], &byte, 1), -1);
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert_int_eq(fd_set_nonblocking(pipe_fds[0], false), 0);
    ck_assert_int_eq(fcntl(pipe_fds[0], F_GETFL) & O_NONBLOCK, 0);
    ck_assert_int_eq(fd_set_nonblocking(-1, true), -EBADF);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}
END_TEST

START_TEST(test_sync_parent)
{
    ck_assert_int_eq(fd_sync_parent(path), 0);
    ck_assert_int_eq(chdir(folder), 0);
    ck_assert_int_eq(fd_sync_parent("file"), 0);
    ck_assert_int_eq(fd_sync_parent("/tmp"), 0);
    ck_assert_int_eq(fd_sync_parent("nowhere/file"), -ENOENT);
    write_file("x", 1);
    ck_assert_int_eq(fd_sync_parent("file/file"), -ENOTDIR);
    ck_assert_int_eq(chdir("/"), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("util_fd");
    TCase *core = tcase_create("core");
    TCase *limits = tcase_create("limits");
    TCase *errors = tcase_create("errors");
    SRunner *runner;
    int failed;

    tcase_add_test(core, test_read);
    tcase_add_test(core, test_read_through_link);
    tcase_add_test(core, test_write_interrupted);
    tcase_add_test(core, test_nonblocking);
    tcase_add_test(core, test_sync_parent);
    tcase_add_test(limits, test_read_limits);
    tcase_add_test(limits, test_read_proc);
    tcase_add_test(errors, test_read_no_file);
    tcase_add_test(errors, test_write_errors);
    tcase_add_checked_fixture(core, setup, teardown);
    tcase_add_checked_fixture(limits, setup, teardown);
    tcase_add_checked_fixture(errors, setup, teardown);
    suite_add_tcase(suite, core);
    suite_add_tcase(suite, limits);
    suite_add_tcase(suite, errors);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
