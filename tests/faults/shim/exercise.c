/*
 * Makes the calls that its arguments name, on files in the current folder, and says what came of
 * each: "write 5", "fsync -1 EIO". For the shim's own tests.
 */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int data_fd, other_fd, epoll_fd, pair[2];

static int end(void *context)
{
    return 0;
}

static long call(const char *name)
{
    static char stack[16384] __attribute__((aligned(16)));
    static char buffer[] = "12345678";
    int fds[2];
    void *volatile memory;
    int pidfd;

    if (strcmp(name, "write") == 0)
        return write(data_fd, buffer, 8);
    if (strcmp(name, "write-other") == 0)
        return write(other_fd, buffer, 8);
    if (strcmp(name, "pwrite") == 0)
        return pwrite(data_fd, buffer, 8, 0);
    if (strcmp(name, "pread") == 0)
        return pread(data_fd, buffer, 8, 0);
    if (strcmp(name, "fsync") == 0)
        return fsync(data_fd);
    if (strcmp(name, "fdatasync") == 0)
        return fdatasync(data_fd);
    if (strcmp(name, "ftruncate") == 0)
        return ftruncate(data_fd, 0);
    if (strcmp(name, "open") == 0)
        return open("data", O_RDONLY | O_CLOEXEC) < 0 ? -1 : 0;
    if (strcmp(name, "rename") == 0)
        return rename("other", "renamed");
    if (strcmp(name, "unlink") == 0)
        return unlink("renamed");
    if (strcmp(name, "send") == 0)
        return send(pair[0], buffer, 8, 0);
    if (strcmp(name, "recv") == 0)
        return recv(pair[1], buffer, 8, MSG_DONTWAIT);
    if (strcmp(name, "accept") == 0)
        return accept4(pair[0], NULL, NULL, 0);
    if (strcmp(name, "epoll_wait") == 0)
        return epoll_wait(epoll_fd, &(struct epoll_event){0}, 1, 0);
    if (strcmp(name, "pipe") == 0)
        return pipe2(fds, O_CLOEXEC);
    if (strcmp(name, "memfd") == 0)
        return memfd_create("x", MFD_CLOEXEC) < 0 ? -1 : 0;
    if (strcmp(name, "spawn") == 0)
        return clone(end, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD,
                   NULL, &pidfd) < 0
                   ? -1
                   : 0;
    if (strcmp(name, "allocate_own") == 0) {
        memory = malloc(100);
        free(memory);
        return memory ? 0 : -1;
    }
    if (strcmp(name, "copy") == 0) { /* the C library allocates */
        memory = strdup(name);
        free(memory);
        return memory ? 0 : -1;
    }
    if (strcmp(name, "time") == 0)
        return time(NULL);
    fprintf(stderr, "exercise: %s is no call of mine\n", name);
    exit(64);
}

static void *run(void *argument)
{
    char **names = argument;

    pthread_setname_np(pthread_self(), *names++);
    for (; *names; names++) {
        long result;

        errno = 0;
        result = call(*names);
        if (result < 0)
            printf("%s -1 %s\n", *names, strerrorname_np(errno));
        else
            printf("%s %ld\n", *names, result);
        fflush(stdout);
    }
    return NULL;
}

/* exercise THREAD CALL...: a thread of that name makes the calls. */
int main(int argc, char **argv)
{
    pthread_t thread;

    data_fd = open("data", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    other_fd = open("other", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (argc < 2 || data_fd < 0 || other_fd < 0 || epoll_fd < 0 ||
        socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
        return 64;
    if (pthread_create(&thread, NULL, run, argv + 1) != 0)
        return 71;
    pthread_join(thread, NULL);
    return 0;
}
