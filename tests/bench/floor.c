/*
 * The floor: libmicrohttpd that answers 202 to everything, and nothing else: bench_floor WORKERS.
 *
 * The loop is that of src/intake/worker.c: a thread with an epoll set of its own over the listening
 * socket, a daemon without a listening socket, MHD_run without waiting. What the rest of the
 * receiver costs is what it adds to this.
 */

#include "server.h"

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* As in the worker. */
#define WORKERS_MAX 64
#define EVENTS_MAX 64
#define ACCEPTS_MAX 64
#define MHD_RUNS 4
#define CONNECTION_MEMORY ((size_t)16 << 10)
#define CONNECTIONS_MAX 4096

struct worker {
    pthread_t thread;
    int epoll_fd, listen_fd;
    struct MHD_Daemon *mhd;
    struct MHD_Response *accepted;
};

static atomic_bool stopping;

static enum MHD_Result answer(void *context, struct MHD_Connection *mhd, const char *url,
    const char *method, const char *version, const char *data, size_t *size, void **request)
{
    const struct worker *worker = context;

    if (*request == NULL) { /* the head */
        *request = context;
        return MHD_YES;
    }
    if (*size != 0) {
        *size = 0;
        return MHD_YES;
    }
    return MHD_queue_response(mhd, MHD_HTTP_ACCEPTED, worker->accepted);
}

static void accept_all(struct worker *worker)
{
    for (unsigned int i = 0; i < ACCEPTS_MAX; i++) {
        struct sockaddr_storage address;
        socklen_t length = sizeof(address);
        int fd = accept4(
            worker->listen_fd, (struct sockaddr *)&address, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd < 0)
            return;
        (void)MHD_add_connection(worker->mhd, fd, (struct sockaddr *)&address, length);
    }
}

static int wait_msec(const struct worker *worker)
{
    MHD_UNSIGNED_LONG_LONG msec;
    const int longest = 100; /* to notice `stopping` */

    if (MHD_get_timeout(worker->mhd, &msec) == MHD_YES && msec < (unsigned int)longest)
        return (int)msec;
    return longest;
}

static void run_mhd(struct worker *worker)
{
    MHD_UNSIGNED_LONG_LONG msec;

    for (unsigned int i = 0; i < MHD_RUNS; i++) {
        (void)MHD_run(worker->mhd);
        if (MHD_get_timeout(worker->mhd, &msec) != MHD_YES || msec != 0)
            return;
    }
}

static void *run(void *context)
{
    struct worker *worker = context;
    struct epoll_event events[EVENTS_MAX];

    while (!atomic_load_explicit(&stopping, memory_order_relaxed)) {
        int n = epoll_wait(worker->epoll_fd, events, EVENTS_MAX, wait_msec(worker));

        for (int i = 0; i < n; i++) {
            if (events[i].data.fd == worker->listen_fd)
                accept_all(worker);
        }
        run_mhd(worker);
    }
    MHD_stop_daemon(worker->mhd);
    MHD_destroy_response(worker->accepted);
    return NULL;
}

static void watch(struct worker *worker, int fd, uint32_t flags)
{
    struct epoll_event event = {.events = EPOLLIN | flags, .data.fd = fd};

    if (epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        server_die("bench_floor", "epoll_ctl");
}

static void start(struct worker *worker, int listen_fd)
{
    static char body[] = "{\"status\":\"accepted\"}\n";
    const union MHD_DaemonInfo *info;

    worker->listen_fd = listen_fd;
    worker->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    worker->accepted =
        MHD_create_response_from_buffer(sizeof(body) - 1, body, MHD_RESPMEM_PERSISTENT);
    worker->mhd = MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET, 0, NULL, NULL, answer,
        worker, MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        CONNECTION_MEMORY, MHD_OPTION_CONNECTION_TIMEOUT, 30u, MHD_OPTION_END);
    if (worker->epoll_fd < 0 || worker->accepted == NULL || worker->mhd == NULL ||
        MHD_add_response_header(worker->accepted, "Content-Type", "application/json") != MHD_YES)
        server_die("bench_floor", "cannot start libmicrohttpd");
    info = MHD_get_daemon_info(worker->mhd, MHD_DAEMON_INFO_EPOLL_FD);
    watch(worker, info->epoll_fd, 0);
    watch(worker, listen_fd, EPOLLEXCLUSIVE);
    if (pthread_create(&worker->thread, NULL, run, worker) != 0)
        server_die("bench_floor", "cannot start a thread");
}

int main(int argc, char **argv)
{
    static struct worker workers[WORKERS_MAX];
    const unsigned long n = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;
    int listen_fd;

    if (n < 1 || n > WORKERS_MAX)
        server_die("usage", "bench_floor WORKERS");
    server_init();
    listen_fd = server_listen();
    for (size_t i = 0; i < n; i++)
        start(&workers[i], listen_fd);
    server_wait(listen_fd);
    atomic_store(&stopping, true);
    for (size_t i = 0; i < n; i++)
        pthread_join(workers[i].thread, NULL);
    close(listen_fd);
    return EXIT_SUCCESS;
}
