/*
 * The least that running programs can cost: bench_spawn WIDTH COUNT PROGRAM keeps WIDTH of them
 * running with posix_spawn and a descriptor for each process, until COUNT are done, and prints how
 * many seconds that took. No input, no output, no environment, no record.
 */

#include <errno.h>
#include <poll.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WIDTH_MAX 64

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

_Noreturn static void die(const char *what, const char *why)
{
    (void)fprintf(stderr, "bench_spawn: %s: %s\n", what, why);
    exit(EXIT_FAILURE);
}

/* A descriptor of the new process. */
static int start(const char *program)
{
    char name[] = "hook";
    char *argv[] = {name, NULL}, *env[] = {NULL};
    pid_t pid = -1;
    int r = posix_spawn(&pid, program, NULL, NULL, argv, env);
    int fd;

    if (r != 0)
        die(program, strerror(r));
    fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0)
        die("pidfd_open", strerror(errno));
    return fd;
}

static void reap(int fd)
{
    siginfo_t info = {.si_pid = -1};

    if (waitid((idtype_t)P_PIDFD, (id_t)fd, &info, WEXITED) < 0 || info.si_status != 0)
        die("hook", "it failed");
    close(fd);
}

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    struct pollfd running[WIDTH_MAX];
    unsigned long width = argc == 4 ? strtoul(argv[1], NULL, 10) : 0, started = 0, done = 0, count;
    double begin;

    if (width < 1 || width > WIDTH_MAX)
        die("usage", "WIDTH COUNT PROGRAM, with a width of up to 64");
    count = strtoul(argv[2], NULL, 10);
    if (width > count)
        width = count;
    begin = now();
    for (; started < width; started++)
        running[started] = (struct pollfd){.fd = start(argv[3]), .events = POLLIN};
    while (done < count) {
        (void)poll(running, width, -1);
        for (unsigned long i = 0; i < width; i++) {
            if (running[i].fd < 0 || running[i].revents == 0)
                continue;
            reap(running[i].fd);
            done++;
            running[i].fd = started < count ? start(argv[3]) : -1;
            running[i].revents = 0;
            started += running[i].fd >= 0;
        }
    }
    printf("%.6f\n", now() - begin);
    return EXIT_SUCCESS;
}
