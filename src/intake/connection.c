/*
 * The life of a connection; see connection.h.
 */

#include "intake/connection.h"

#include "intake/spread.h"
#include "intake/worker.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <unistd.h>

/* It counts no more. */
static void forget(struct worker *worker)
{
    atomic_fetch_sub_explicit(&worker->shared->stats.open_connections, 1, memory_order_relaxed);
    spread_release(worker);
}

static void connection_free(struct connection *connection)
{
    struct worker *worker = connection->worker;

    deadline_clear(&worker->deadlines, &connection->deadline);
    if (connection->prev != NULL)
        connection->prev->next = connection->next;
    else
        worker->connections = connection->next;
    if (connection->next != NULL)
        connection->next->prev = connection->prev;
    request_done(&connection->request);
    forget(worker);
    free(connection);
}

void connection_add(struct worker *worker, int fd, const struct sockaddr *address, socklen_t length)
{
    struct connection *connection = calloc(1, sizeof(*connection));

    if (connection == NULL) {
        forget(worker);
        answer_write_raw(REASON_OVERLOAD, clock_realtime(worker->shared->clock), fd);
        linger_add(worker, fd);
        return;
    }
    connection->worker = worker;
    connection->fd = fd;
    connection->fresh = true;
    request_init(&connection->request, connection);
    connection->next = worker->connections;
    if (worker->connections != NULL)
        worker->connections->prev = connection;
    worker->connections = connection;
    connection_deadline(connection, worker->draining ? DEADLINE_GRACE : DEADLINE_HEAD);

    /* On failure libmicrohttpd closes the socket; it may or may not have announced it before. */
    worker->adding = connection;
    if (MHD_add_connection(worker->mhd, fd, address, length) != MHD_YES && worker->adding != NULL)
        connection_free(worker->adding);
    worker->adding = NULL;
}

void connection_notify(void *context, struct MHD_Connection *mhd, void **socket_context,
    enum MHD_ConnectionNotificationCode code)
{
    struct worker *worker = context;
    struct connection *connection = *socket_context;

    switch (code) {
    case MHD_CONNECTION_NOTIFY_STARTED:
        connection = worker->adding;
        worker->adding = NULL;
        connection->mhd = mhd;
        *socket_context = connection;
        break;
    case MHD_CONNECTION_NOTIFY_CLOSED:
        *socket_context = NULL;
        /* libmicrohttpd closes its descriptor now; a copy keeps the socket. A fresh connection may
         * have been answered by libmicrohttpd itself, without a word to us (414, 505). */
        if ((connection->linger || connection->fresh) && !connection->cut) {
            int fd = fcntl(connection->fd, F_DUPFD_CLOEXEC, 3);

            if (fd >= 0)
                linger_add(worker, fd);
        }
        connection_free(connection);
        break;
    }
}

void connection_deadline(struct connection *connection, enum deadline_class class)
{
    struct worker *worker = connection->worker;

    deadline_start(&worker->deadlines, &connection->deadline, class, worker->now_usec);
}

void connection_cut(struct connection *connection)
{
    deadline_clear(&connection->worker->deadlines, &connection->deadline);
    connection->cut = true;
    (void)shutdown(connection->fd, SHUT_RDWR);
}

/* Returns false for a deadline whose end is no news. */
static bool class_to_cut(enum deadline_class class, enum intake_cut *ret_cut)
{
    switch (class) {
    case DEADLINE_HEAD:
        *ret_cut = INTAKE_CUT_HEAD;
        return true;
    case DEADLINE_BODY:
        *ret_cut = INTAKE_CUT_BODY;
        return true;
    case DEADLINE_ANSWER:
        *ret_cut = INTAKE_CUT_ANSWER;
        return true;
    case DEADLINE_IDLE:
    case DEADLINE_GRACE:
    case DEADLINE_COMMIT:
    case DEADLINE_LINGER:
    case DEADLINE_CLASS_COUNT:
        return false;
    }
    return false;
}

void connection_expire(struct connection *connection)
{
    enum intake_cut cut;

    if (connection->deadline.class == DEADLINE_COMMIT) {
        request_give_up(&connection->request);
        return;
    }
    /* A fresh connection that never said a word is a probe or a reserve, and no news. */
    if (class_to_cut(connection->deadline.class, &cut) &&
        !(connection->fresh && cut == INTAKE_CUT_HEAD))
        report_cut(connection, cut);
    connection_cut(connection);
}

/* Reading ends where the kernel's buffer ends: what has arrived is still read and answered, then
 * libmicrohttpd sees the end of the stream and closes. */
static void close_idle(struct connection *connection)
{
    (void)shutdown(connection->fd, SHUT_RD);
}

void connection_drain(struct connection *connection)
{
    if (!request_is_idle(&connection->request))
        return;
    if (connection->fresh)
        connection_deadline(connection, DEADLINE_GRACE);
    else
        close_idle(connection);
}

void connection_idle(struct connection *connection)
{
    connection_deadline(connection, DEADLINE_IDLE);
    if (connection->worker->draining)
        close_idle(connection);
}

const char *connection_peer(struct connection *connection, char buffer[static CONNECTION_PEER_SIZE])
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection->mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *address = info == NULL ? NULL : info->client_addr;
    char text[INET6_ADDRSTRLEN];

    if (address == NULL || address->sa_family == AF_UNIX)
        return "unix";
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;

        (void)snprintf(buffer, CONNECTION_PEER_SIZE, "%s:%u",
            inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text)), ntohs(in->sin_port));
    } else {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)address;

        (void)snprintf(buffer, CONNECTION_PEER_SIZE, "[%s]:%u",
            inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof(text)), ntohs(in6->sin6_port));
    }
    return buffer;
}
