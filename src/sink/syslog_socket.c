#include "sink/syslog_socket.h"

/*
 * A connection to a syslog receiver. See syslog_socket.h for the contract.
 *
 * Not libc's syslog(3): it hides failures, and has one connection a process.
 *
 * How far a loss is noticed:
 * - local datagram: a full or vanished receiver is an error of the send itself.
 * - TCP: a send only fills a buffer, also when the peer has closed. At the end of a batch
 *   syslog_socket_confirm waits until the peer's kernel has acknowledged every byte (SIOCOUTQ) and
 *   looks whether the peer has closed. What the peer had received and not yet read when it died is
 *   lost unseen: the protocol has no acknowledgement of its own.
 * - UDP: an ICMP answer that comes at once (the port is closed on this machine) fails the message
 * it is about; one that comes later fails the next. A lost packet is lost unseen.
 */

#include "util/cleanup.h"
#include "util/clock.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

/* While the peer's acknowledgement is awaited. */
#define CONFIRM_FIRST_MSEC 1
#define CONFIRM_MAX_MSEC 16

/* Of what the peer sends so many reads are thrown away in one look. */
#define CHECK_READS_MAX 16

static int64_t msec_left(int64_t deadline_usec)
{
    int64_t left = deadline_usec - clock_monotonic(clock_system());

    if (left <= 0)
        return 0;
    return left / USEC_PER_MSEC + 1;
}

/* Returns 0 when the descriptor is ready, or has an error for the next call to find. */
static int wait_ready(int fd, short events, int64_t deadline_usec)
{
    for (;;) {
        struct pollfd pollfd = {.fd = fd, .events = events};
        int64_t msec = msec_left(deadline_usec);
        int r = poll(&pollfd, 1, msec > INT32_MAX ? INT32_MAX : (int)msec);

        if (r > 0)
            return 0;
        if (r == 0 && msec_left(deadline_usec) == 0)
            return -ETIMEDOUT;
        if (r < 0 && errno != EINTR)
            return -errno;
    }
}

static int pending_error(int fd)
{
    socklen_t length = sizeof(int);
    int error = 0;

    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
        return -errno;
    return -error;
}

static int open_and_connect(int family, int type, const struct sockaddr *address, socklen_t length,
    int64_t deadline_usec, int *ret_fd)
{
    CLEANUP(close) int fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int r;

    if (fd < 0)
        return -errno;
    if (connect(fd, address, length) < 0) {
        /* EAGAIN of a unix stream socket means that its backlog is full; poll does not tell when
         * that ends, so it is a failure. */
        if (errno != EINPROGRESS && errno != EINTR)
            return -errno;
        r = wait_ready(fd, POLLOUT, deadline_usec);
        if (r == 0)
            r = pending_error(fd);
        if (r < 0)
            return r;
    }
    *ret_fd = TAKE_FD(fd);
    return 0;
}

static int connect_local(struct syslog_socket *socket, const char *path, int64_t deadline_usec)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const struct sockaddr *generic = (const struct sockaddr *)(const void *)&address;
    int r;

    strncpy(address.sun_path, path, sizeof(address.sun_path) - 1); /* checked when parsed */
    r = open_and_connect(AF_UNIX, SOCK_DGRAM, generic, sizeof(address), deadline_usec, &socket->fd);
    if (r != -EPROTOTYPE)
        return r;
    r = open_and_connect(
        AF_UNIX, SOCK_STREAM, generic, sizeof(address), deadline_usec, &socket->fd);
    socket->stream = r == 0;
    return r;
}

static int connect_remote(struct syslog_socket *socket, const struct syslog_target *target,
    int64_t deadline_usec, struct error *error)
{
    bool tcp = target->transport == SYSLOG_TCP;
    struct addrinfo hints = {.ai_socktype = tcp ? SOCK_STREAM : SOCK_DGRAM};
    struct addrinfo *addresses = NULL;
    int r;

    r = getaddrinfo(target->address, target->port, &hints, &addresses);
    if (r == EAI_SYSTEM)
        return error_errno(error, errno, "resolve");
    if (r != 0)
        return error_set(error, EHOSTUNREACH, "resolve: %s", gai_strerror(r));

    r = -EHOSTUNREACH;
    for (const struct addrinfo *at = addresses; at && socket->fd < 0; at = at->ai_next)
        r = open_and_connect(at->ai_family, at->ai_socktype, at->ai_addr, at->ai_addrlen,
            deadline_usec, &socket->fd);
    freeaddrinfo(addresses);
    if (r < 0)
        return error_errno(error, -r, "connect");

    socket->stream = tcp;
    if (tcp) {
        /* A message must not wait for the acknowledgement of the one before. */
        int on = 1;

        setsockopt(socket->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        setsockopt(socket->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    }
    return 0;
}

int syslog_socket_connect(struct syslog_socket *socket, const struct syslog_target *target,
    int64_t deadline_usec, struct error *error)
{
    int r;

    socket->transport = target->transport;
    socket->stream = false;
    if (target->transport != SYSLOG_LOCAL)
        return connect_remote(socket, target, deadline_usec, error);
    r = connect_local(socket, target->address, deadline_usec);
    return r < 0 ? error_errno(error, -r, "connect") : 0;
}

void syslog_socket_close(struct syslog_socket *socket)
{
    closep(&socket->fd);
    socket->fd = -1;
}

static int send_bytes(
    const struct syslog_socket *socket, const void *data, size_t length, int64_t deadline_usec)
{
    const char *at = data;
    int r;

    do {
        ssize_t count = send(socket->fd, at, length, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (count >= 0) {
            at += count;
            length -= (size_t)count;
        } else if (errno == EAGAIN) {
            r = wait_ready(socket->fd, POLLOUT, deadline_usec);
            if (r < 0)
                return r;
        } else if (errno != EINTR) {
            return -errno;
        }
    } while (length > 0);
    return 0;
}

/* RFC 6587 §3.4.1 counts the bytes in front; a local stream has a NUL after each message, as
 * syslog(3) does. */
static int send_framed(
    const struct syslog_socket *socket, const struct buf *message, int64_t deadline_usec)
{
    struct buf frame = BUF_INIT;
    int r;

    if (!socket->stream)
        return send_bytes(socket, message->data, message->length, deadline_usec);

    if (socket->transport == SYSLOG_TCP)
        buf_append_format(&frame, "%zu ", message->length);
    buf_append(&frame, message->data, message->length);
    if (socket->transport == SYSLOG_LOCAL)
        buf_append(&frame, "", 1);
    r = frame.failed ? -ENOMEM : send_bytes(socket, frame.data, frame.length, deadline_usec);
    buf_done(&frame);
    return r;
}

int syslog_socket_send(struct syslog_socket *socket, const struct buf *message,
    int64_t deadline_usec, struct error *error)
{
    int r;

    r = send_framed(socket, message, deadline_usec);
    if (r == 0 && socket->transport == SYSLOG_UDP)
        r = pending_error(socket->fd);
    return r < 0 ? error_errno(error, -r, "send") : 0;
}

/* What a receiver sends back is thrown away; the end of it means that it has closed. One that sends
 * faster than we read is there, and is looked at again at the next message. */
static int check_peer(int fd)
{
    char scratch[512];

    for (unsigned int i = 0; i < CHECK_READS_MAX; i++) {
        ssize_t length = recv(fd, scratch, sizeof(scratch), MSG_DONTWAIT);

        if (length == 0)
            return -EPIPE;
        if (length < 0 && errno != EINTR)
            return errno == EAGAIN ? 0 : -errno;
    }
    return 0;
}

int syslog_socket_confirm(struct syslog_socket *socket, int64_t deadline_usec, struct error *error)
{
    int64_t msec = CONFIRM_FIRST_MSEC;
    int r = 0;

    if (socket->transport != SYSLOG_TCP)
        return 0;
    for (;;) {
        int unacknowledged = 0;

        r = check_peer(socket->fd);
        if (r == 0 && ioctl(socket->fd, SIOCOUTQ, &unacknowledged) < 0)
            r = -errno;
        if (r < 0 || unacknowledged == 0)
            break;
        if (msec_left(deadline_usec) == 0) {
            r = -ETIMEDOUT;
            break;
        }
        poll(NULL, 0, (int)msec);
        msec = msec * 2 > CONFIRM_MAX_MSEC ? CONFIRM_MAX_MSEC : msec * 2;
    }
    return r < 0 ? error_errno(error, -r, "confirm") : 0;
}
