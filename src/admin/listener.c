/*
 * A listening socket of the admin stage; see listener.h.
 */

#include "admin/listener.h"

#include "admin/http.h"
#include "admin/internal.h"

#include "util/cleanup.h"
#include "util/log.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

/* How long accepting pauses when there is no descriptor or memory for one more. */
#define PAUSE_USEC (200 * USEC_PER_MSEC)

/* Whoever is this long in one of its phases gives its place to a newcomer when there is none. */
#define GRACE_USEC USEC_PER_SEC

/* How often deadlines are looked at while there are connections. */
#define TICK_MSEC 1000

/* How often the library may ask for another run at once before others get their turn. */
#define RUNS_MAX 16

struct connection {
    struct listener *listener;
    struct connection *prev, *next;
    int fd;
    struct peer peer;
    struct MHD_Connection *mhd; /* once the library has announced it */
    int64_t since_usec;         /* monotonic: when its phase began */
    int64_t deadline_usec;      /* monotonic; USEC_INFINITY: it was cut */
    struct http_request request;
};

struct listener {
    struct admin *admin;
    int fd; /* borrowed */
    int wake_fd;
    struct store_reader *reader;
    struct errands *errands;
    struct MHD_Daemon *mhd;
    int mhd_fd; /* the library's epoll descriptor */
    pthread_t thread;
    bool is_started;
    _Atomic bool stopping; /* set before the wake-up */

    /* The thread's own. */
    struct connection *connections;
    size_t n_connections;
    size_t n_away;             /* whose requests are errands */
    struct connection *adding; /* given to the library, not yet announced by it */
    int64_t accept_again_usec; /* monotonic; 0: accepting is not paused */
};

static int64_t now_of(const struct listener *listener)
{
    return clock_monotonic(listener->admin->options.clock);
}

/* ---- connections ---- */

static void connection_free(struct connection *connection)
{
    struct listener *listener = connection->listener;

    if (connection->prev)
        connection->prev->next = connection->next;
    else
        listener->connections = connection->next;
    if (connection->next)
        connection->next->prev = connection->prev;
    listener->n_connections--;
    http_request_done(&connection->request);
    free(connection);
}

/* A phase begins: it may last so long. One that was cut stays cut. */
static void begin_phase(struct connection *connection, int64_t limit_usec)
{
    if (connection->deadline_usec == USEC_INFINITY)
        return;
    connection->since_usec = now_of(connection->listener);
    connection->deadline_usec = connection->since_usec + limit_usec;
}

static void cut(struct connection *connection)
{
    connection->deadline_usec = USEC_INFINITY;
    (void)shutdown(connection->fd, SHUT_RDWR);
}

/* Returns whether there were any. */
static bool cut_overdue(struct listener *listener, int64_t now)
{
    bool is_any = false;

    for (struct connection *c = listener->connections; c; c = c->next) {
        if (c->deadline_usec > now || c->request.is_away)
            continue;
        cut(c);
        is_any = true;
    }
    return is_any;
}

/* ---- what the library calls ---- */

static void on_connection(void *context, struct MHD_Connection *mhd, void **socket_context,
    enum MHD_ConnectionNotificationCode code)
{
    struct listener *listener = context;

    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        *socket_context = listener->adding;
        listener->adding->mhd = mhd;
        listener->adding = NULL;
    } else {
        connection_free(*socket_context);
        *socket_context = NULL;
    }
}

static struct connection *connection_of(struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    ASSERT(info && info->socket_context);
    return info->socket_context;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *mhd, const char *url,
    const char *method, const char *version, const char *upload, size_t *upload_size,
    void **request_context)
{
    struct listener *listener = context;
    struct connection *connection = connection_of(mhd);
    const struct http_host host = {
        .admin = listener->admin,
        .reader = listener->reader,
        .peer = &connection->peer,
        .errands = listener->errands,
        .is_ending = atomic_load(&listener->stopping),
    };
    const bool is_first = !connection->request.has_begun;
    bool is_answered;
    enum MHD_Result result;

    result =
        http_step(&host, &connection->request, mhd, url, method, upload, upload_size, &is_answered);
    if (connection->request.is_away)
        listener->n_away++;
    if (is_first || is_answered)
        begin_phase(connection, is_answered ? LISTENER_ANSWER_USEC : LISTENER_REQUEST_USEC);
    return result;
}

static void on_completed(void *context, struct MHD_Connection *mhd, void **request_context,
    enum MHD_RequestTerminationCode code)
{
    struct connection *connection = connection_of(mhd);

    http_request_done(&connection->request);
    begin_phase(connection, LISTENER_REQUEST_USEC);
}

/* ---- the loop ---- */

static int wait_msec(const struct listener *listener)
{
    const int64_t longest = ADMIN_SAMPLE_USEC / USEC_PER_MSEC;
    MHD_UNSIGNED_LONG_LONG wanted;
    int64_t msec = listener->connections ? TICK_MSEC : longest;

    if (listener->accept_again_usec != 0)
        msec = PAUSE_USEC / USEC_PER_MSEC;
    if (MHD_get_timeout(listener->mhd, &wanted) == MHD_YES && wanted < (uint64_t)msec)
        msec = (int64_t)wanted;
    return (int)msec;
}

/* What is back is answered when the library calls for it again. */
static void take_back(struct listener *listener)
{
    struct errand *errand;

    while ((errand = errands_take(listener->errands))) {
        struct http_request *request = MAILBOX_CONTAINER(errand, struct http_request, errand);
        struct connection *connection = MAILBOX_CONTAINER(request, struct connection, request);

        listener->n_away--;
        MHD_resume_connection(connection->mhd);
    }
}

static void run_mhd(struct listener *listener)
{
    MHD_UNSIGNED_LONG_LONG msec;

    for (unsigned int i = 0; i < RUNS_MAX; i++) {
        (void)MHD_run(listener->mhd);
        if (MHD_get_timeout(listener->mhd, &msec) != MHD_YES || msec != 0)
            return;
    }
}

/* ---- accepting ---- */

/* The one that is longest in its phase; NULL: none is for long. What acts is not held up by its
 * client. */
static struct connection *find_slowest(const struct listener *listener)
{
    const int64_t begun_by = now_of(listener) - GRACE_USEC;
    struct connection *slowest = NULL;

    for (struct connection *c = listener->connections; c; c = c->next) {
        if (c->request.is_away || c->deadline_usec == USEC_INFINITY || c->since_usec > begun_by)
            continue;
        if (!slowest || c->since_usec <= slowest->since_usec) /* the list begins with the newest */
            slowest = c;
    }
    return slowest;
}

/* Makes room at the cost of who is slow, so that no number of idle or slow clients keeps others
 * out. */
static bool has_room(struct listener *listener)
{
    struct connection *slowest;

    if (listener->n_connections < LISTENER_CONNECTIONS_MAX)
        return true;
    slowest = find_slowest(listener);
    if (slowest) {
        cut(slowest);
        run_mhd(listener);
    }
    return listener->n_connections < LISTENER_CONNECTIONS_MAX;
}

static void add_connection(
    struct listener *listener, int fd, const struct sockaddr *address, socklen_t length)
{
    struct connection *connection = calloc(1, sizeof(*connection));

    if (!connection || !has_room(listener)) {
        http_shed(fd);
        close(fd);
        free(connection);
        return;
    }
    connection->listener = listener;
    connection->fd = fd;
    begin_phase(connection, LISTENER_REQUEST_USEC);
    peer_identify(fd, listener->fd, &connection->peer);
    connection->next = listener->connections;
    if (connection->next)
        connection->next->prev = connection;
    listener->connections = connection;
    listener->n_connections++;

    /* On failure the library closes the socket; it may or may not have announced it before. */
    listener->adding = connection;
    if (MHD_add_connection(listener->mhd, fd, address, length) != MHD_YES && listener->adding)
        connection_free(listener->adding);
    listener->adding = NULL;
}

static void accept_all(struct listener *listener)
{
    for (unsigned int i = 0; i < LISTENER_CONNECTIONS_MAX; i++) {
        struct sockaddr_storage address;
        socklen_t length = sizeof(address);
        int fd = accept4(
            listener->fd, (struct sockaddr *)&address, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0) {
            add_connection(listener, fd, (struct sockaddr *)&address, length);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            listener->accept_again_usec = now_of(listener) + PAUSE_USEC;
            return;
        } else if (errno == EAGAIN) {
            return;
        }
        /* Others are errors of a single connection, which is gone (accept(2)). */
    }
}

/* ---- the thread ---- */

static void turn(struct listener *listener)
{
    /* The wake-up stays; once it was heard it need not be heard again. */
    const bool stopping = atomic_load(&listener->stopping);
    struct pollfd fds[] = {
        {.fd = stopping ? -1 : listener->wake_fd, .events = POLLIN},
        {.fd = listener->mhd_fd, .events = POLLIN},
        {.fd = listener->accept_again_usec == 0 ? listener->fd : -1, .events = POLLIN},
        {.fd = errands_fd(listener->errands), .events = POLLIN},
    };
    int64_t now;
    int n = poll(fds, ARRAY_SIZE(fds), wait_msec(listener));

    ASSERT(n >= 0 || errno == EINTR);
    now = now_of(listener);
    if (now >= listener->accept_again_usec)
        listener->accept_again_usec = 0;
    take_back(listener);
    /* What came in time, while a handler kept the thread, counts; then who is late makes room; then
     * who waits gets it. */
    run_mhd(listener);
    if (cut_overdue(listener, now))
        run_mhd(listener);
    if (n > 0 && fds[2].revents != 0)
        accept_all(listener);
    admin_sample_if_due(listener->admin, listener->reader);
}

static void *run(void *context)
{
    struct listener *listener = context;

    admin_sample_if_due(listener->admin, listener->reader); /* what was dead before is no news */
    /* What was given away must be back before the library is stopped, and is answered. No more is
     * given away, lest those who keep asking keep the daemon. */
    while (!atomic_load(&listener->stopping) || listener->n_away > 0)
        turn(listener);
    return NULL;
}

/* ---- making and ending ---- */

static int start_mhd(struct listener *listener, struct error *error)
{
    const union MHD_DaemonInfo *info;

    /* Our limits are total, so the library's own, for silence, is off. */
    listener->mhd =
        MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME, 0,
            NULL, NULL, on_request, listener, MHD_OPTION_CONNECTION_LIMIT,
            (unsigned int)LISTENER_CONNECTIONS_MAX + 1, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
            (size_t)HTTP_CONNECTION_MEMORY, MHD_OPTION_CONNECTION_TIMEOUT, 0U,
            MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_NOTIFY_CONNECTION, on_connection, listener,
            MHD_OPTION_NOTIFY_COMPLETED, on_completed, listener, MHD_OPTION_END);
    if (!listener->mhd)
        return error_set(error, ENOMEM, "cannot start libmicrohttpd for the admin listener");
    info = MHD_get_daemon_info(listener->mhd, MHD_DAEMON_INFO_EPOLL_FD);
    ASSERT(info);
    listener->mhd_fd = info->epoll_fd;
    return 0;
}

CLEANUP_FUNC(struct listener, listener_free);

int listener_new(struct admin *admin, int fd, struct listener **ret_listener, struct error *error)
{
    CLEANUP(listener_free) struct listener *listener = calloc(1, sizeof(*listener));
    int r;

    if (!listener)
        return error_set(error, ENOMEM, "out of memory");
    listener->admin = admin;
    listener->fd = fd;
    listener->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (listener->wake_fd < 0)
        return error_errno(error, errno, "eventfd");
    r = store_reader_open(admin->options.store, &listener->reader, error);
    if (r == 0)
        r = errands_new(&listener->errands, error);
    if (r == 0)
        r = start_mhd(listener, error);
    if (r < 0)
        return r;
    *ret_listener = TAKE(listener);
    return 0;
}

int listener_start(struct listener *listener, unsigned int number, struct error *error)
{
    char name[16];
    sigset_t all, before;
    int r = errands_start(listener->errands, number, error);

    if (r < 0)
        return r;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    r = pthread_create(&listener->thread, NULL, run, listener);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (r != 0)
        return error_errno(error, r, "cannot start a thread for the admin listener");
    listener->is_started = true;
    (void)snprintf(name, sizeof(name), "admin-%u", number);
    (void)pthread_setname_np(listener->thread, name);
    return 0;
}

void listener_free(struct listener *listener)
{
    const uint64_t one = 1;

    if (!listener)
        return;
    if (listener->is_started) {
        atomic_store(&listener->stopping, true);
        (void)!write(listener->wake_fd, &one, sizeof(one));
        pthread_join(listener->thread, NULL);
    }
    errands_free(listener->errands);
    if (listener->mhd)
        MHD_stop_daemon(listener->mhd);
    if (listener->reader)
        store_reader_close(listener->reader);
    if (listener->wake_fd >= 0)
        close(listener->wake_fd);
    free(listener);
}
