/*
 * The accept loop; see acceptor.h.
 */

#include "intake/acceptor.h"

#include "intake/spread.h"
#include "intake/worker.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* Whoever opens and closes connections can make these states come and go as fast as he likes. */
#define STATE_INTERVAL_USEC (10 * USEC_PER_SEC)

/* How many connections a worker takes in at most before it lets go of a socket for good. */
#define LAST_ROUNDS 64

enum accepted {
    ACCEPTED_ONE,     /* or one that went away meanwhile */
    ACCEPTED_NOTHING, /* nothing waits any more */
    ACCEPTED_FAILED,  /* no descriptor, no memory; errno says */
};

/* `code`: why accepting fails; 0: it does not. */
static void tell_exhausted(struct worker *worker, int code)
{
    struct log_rest rest;
    uint64_t left_out = 0;
    const enum log_state_line line = log_state_step(
        &worker->acceptor.exhausted, code != 0, worker->now_usec, STATE_INTERVAL_USEC, &left_out);

    log_rest_tell(&rest, left_out);
    if (line == LOG_STATE_ENTERED)
        log_event(LOG_LEVEL_ERR, "accept-failed", LOG_FIELDS({"left_out", rest.field}),
            "cannot accept connections: %s; trying again every %d ms%s", strerror(code),
            (int)(ACCEPTOR_PAUSE_USEC / USEC_PER_MSEC), rest.words);
    else if (line == LOG_STATE_LEFT)
        log_info("accept-recovered", "accepting connections again");
}

static void tell_full(struct worker *worker, bool is_full)
{
    struct shared *shared = worker->shared;
    struct log_rest rest;
    enum log_state_line line;
    uint64_t left_out = 0;

    pthread_mutex_lock(&shared->full_lock);
    line = log_state_step(
        &shared->full_state, is_full, worker->now_usec, STATE_INTERVAL_USEC, &left_out);
    pthread_mutex_unlock(&shared->full_lock);
    log_rest_tell(&rest, left_out);
    if (line == LOG_STATE_ENTERED)
        log_event(LOG_LEVEL_WARNING, "connections-full", LOG_FIELDS({"left_out", rest.field}),
            "%u connections are open, as many as max_connections allows; more are answered 503%s",
            shared->max_connections, rest.words);
    else if (line == LOG_STATE_LEFT)
        log_info("connections-free", "there is room for connections again");
}

static void pause_listening(struct worker *worker, int code)
{
    struct acceptor *acceptor = &worker->acceptor;

    for (size_t i = 0; i < acceptor->n; i++)
        source_unwatch(&acceptor->sources[i], worker->epoll_fd);
    acceptor->resume_at_usec = worker->now_usec + ACCEPTOR_PAUSE_USEC;
    tell_exhausted(worker, code);
}

static int watch_all(struct worker *worker)
{
    struct acceptor *acceptor = &worker->acceptor;

    acceptor->resume_at_usec = USEC_INFINITY;
    for (size_t i = 0; i < acceptor->n; i++) {
        /* EXCLUSIVE: a new connection wakes one worker, not all. */
        int r = source_watch(&acceptor->sources[i], worker->epoll_fd, EPOLLEXCLUSIVE);

        if (r < 0)
            return r;
    }
    return 0;
}

int acceptor_start(struct worker *worker, struct error *error)
{
    struct acceptor *acceptor = &worker->acceptor;
    const struct shared *shared = worker->shared;
    int r;

    acceptor->sources = calloc(shared->n_listen_fds + 1, sizeof(*acceptor->sources));
    if (acceptor->sources == NULL)
        return error_set(error, ENOMEM, "no memory for the listening sockets");
    for (size_t i = 0; i < shared->n_listen_fds; i++)
        acceptor->sources[i] = (struct source){SOURCE_LISTEN, shared->listen_fds[i]};
    acceptor->n = shared->n_listen_fds;
    r = watch_all(worker);
    return r < 0 ? error_errno(error, -r, "cannot watch the listening sockets") : 0;
}

/* Over the limit: an answer instead of a place. */
static void shed(struct worker *worker, int fd)
{
    struct shared *shared = worker->shared;

    atomic_fetch_add_explicit(&shared->stats.refused_connections, 1, memory_order_relaxed);
    atomic_store_explicit(&shared->full, true, memory_order_relaxed);
    tell_full(worker, true);
    answer_write_raw(REASON_OVERLOAD, clock_realtime(shared->clock), fd);
    linger_add(worker, fd);
}

/* Notices that there is room again, when an eighth of the places is free. */
static void notice_room(struct worker *worker, uint64_t open)
{
    struct shared *shared = worker->shared;

    if (atomic_load_explicit(&shared->full, memory_order_relaxed) &&
        open <= shared->max_connections - shared->max_connections / 8 &&
        atomic_exchange_explicit(&shared->full, false, memory_order_relaxed))
        tell_full(worker, false);
}

static enum accepted accept_one(struct worker *worker, int listen_fd)
{
    struct shared *shared = worker->shared;
    struct sockaddr_storage address;
    socklen_t length = sizeof(address);
    uint64_t open;
    int fd;

    fd = accept4(listen_fd, (struct sockaddr *)&address, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        switch (errno) {
        case EAGAIN:
            return ACCEPTED_NOTHING;
        case EINTR: /* and errors of a single connection, which is gone (accept(2)) */
        case ECONNABORTED:
        case EPERM:
        case ENETDOWN:
        case EPROTO:
        case ENOPROTOOPT:
        case EHOSTDOWN:
        case ENONET:
        case EHOSTUNREACH:
        case EOPNOTSUPP:
        case ENETUNREACH:
            return ACCEPTED_ONE;
        default:
            return ACCEPTED_FAILED;
        }
    }
    tell_exhausted(worker, 0);
    open = atomic_fetch_add_explicit(&shared->stats.open_connections, 1, memory_order_relaxed);
    if (open >= shared->max_connections) {
        atomic_fetch_sub_explicit(&shared->stats.open_connections, 1, memory_order_relaxed);
        shed(worker, fd);
        return ACCEPTED_ONE;
    }
    notice_room(worker, open + 1);
    atomic_fetch_add_explicit(&shared->stats.accepted_connections, 1, memory_order_relaxed);
    spread_add(worker, fd, (struct sockaddr *)&address, length);
    return ACCEPTED_ONE;
}

/* Returns false when accepting failed and listening is paused. */
static bool accept_round(struct worker *worker, int listen_fd)
{
    for (unsigned int i = 0; i < ACCEPTOR_ROUND; i++) {
        switch (accept_one(worker, listen_fd)) {
        case ACCEPTED_ONE:
            break;
        case ACCEPTED_NOTHING:
            return true;
        case ACCEPTED_FAILED:
            pause_listening(worker, errno);
            return false;
        }
    }
    return true;
}

void acceptor_accept(struct worker *worker, struct source *source)
{
    /* An event of this turn may belong to a socket that was paused or let go of since. */
    if (worker->draining || worker->acceptor.resume_at_usec != USEC_INFINITY)
        return;
    (void)accept_round(worker, source->fd);
}

void acceptor_resume(struct worker *worker)
{
    int r;

    if (worker->now_usec < worker->acceptor.resume_at_usec)
        return;
    r = watch_all(worker);
    if (r < 0) /* no memory for the watch itself */
        pause_listening(worker, -r);
}

void acceptor_stop(struct worker *worker)
{
    struct acceptor *acceptor = &worker->acceptor;

    for (size_t i = 0; i < acceptor->n; i++)
        source_unwatch(&acceptor->sources[i], worker->epoll_fd);
    acceptor->resume_at_usec = USEC_INFINITY;
    /* What the kernel has taken in for us would be reset by the close. */
    for (size_t i = 0; i < acceptor->n; i++) {
        for (unsigned int n = 0; n < LAST_ROUNDS * ACCEPTOR_ROUND; n++) {
            if (accept_one(worker, acceptor->sources[i].fd) != ACCEPTED_ONE)
                break;
        }
    }
    acceptor->n = 0;
    shared_stop_listening(worker->shared);
}
