#include "shim.h"

/*
 * Sockets and waiting for them.
 */

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

SHIM_WRAP(int, socket, SHIM_SOCKET, -1, NULL, (int domain, int type, int protocol),
    (domain, type, protocol))
SHIM_WRAP(int, accept4, SHIM_ACCEPT, fd, NULL,
    (int fd, struct sockaddr *restrict address, socklen_t *restrict size, int flags),
    (fd, address, size, flags))

SHIM_WRAP_TRANSFER(
    recv, SHIM_RECV, (int fd, void *data, size_t length, int flags), (fd, data, length, flags))
SHIM_WRAP_TRANSFER(send, SHIM_SEND, (int fd, const void *data, size_t length, int flags),
    (fd, data, length, flags))
SHIM_WRAP_TRANSFER(sendto, SHIM_SEND,
    (int fd, const void *data, size_t length, int flags, const struct sockaddr *to, socklen_t size),
    (fd, data, length, flags, to, size))
SHIM_WRAP(ssize_t, sendmsg, SHIM_SEND, fd, NULL, (int fd, const struct msghdr *message, int flags),
    (fd, message, flags))
SHIM_WRAP(ssize_t, writev, SHIM_SEND, fd, NULL, (int fd, const struct iovec *parts, int n),
    (fd, parts, n))

SHIM_WRAP(int, epoll_wait, SHIM_EPOLL_WAIT, -1, NULL,
    (int epoll_fd, struct epoll_event *events, int n, int timeout), (epoll_fd, events, n, timeout))
/* Only what adds: a kernel can be out of memory for a watch, but never for taking one away. */
int epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event)
{
    static int (*next)(int, int, int, struct epoll_event *);
    struct shim_strike strike = {SHIM_PASS, 0};
    int result;

    if (operation == EPOLL_CTL_ADD)
        strike = shim_before(SHIM_EPOLL_ADD, fd, NULL);
    if (shim_fails(&strike))
        return -1;
    if (!next)
        next = shim_next("epoll_ctl");
    result = next(epoll_fd, operation, fd, event);
    shim_after(&strike);
    return result;
}

SHIM_WRAP(
    int, poll, SHIM_POLL, -1, NULL, (struct pollfd * fds, nfds_t n, int timeout), (fds, n, timeout))
