#include "record.h"

/*
 * What clients are told: the status of each answer over TCP, with the client's port, which is how
 * the test knows to which delivery it belongs.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static const char start[] = "HTTP/1.1 ";

static void note_answer(int fd, const void *data, size_t length)
{
    struct sockaddr_in peer;
    socklen_t size = sizeof(peer);

    if (!record_is_on() || length < sizeof(start) + 3 ||
        memcmp(data, start, sizeof(start) - 1) != 0)
        return;
    if (getpeername(fd, (struct sockaddr *)&peer, &size) < 0 || peer.sin_family != AF_INET)
        return;
    record_lock();
    record_note(RECORD_ANSWER, ntohs(peer.sin_port),
        strtoull((const char *)data + sizeof(start) - 1, NULL, 10), NULL, 0);
    record_unlock();
}

ssize_t send(int fd, const void *data, size_t length, int flags)
{
    note_answer(fd, data, length);
    return syscall(SYS_sendto, fd, data, length, flags, NULL, 0);
}

ssize_t sendto(int fd, const void *data, size_t length, int flags, const struct sockaddr *address,
    socklen_t size)
{
    if (!address)
        note_answer(fd, data, length);
    return syscall(SYS_sendto, fd, data, length, flags, address, size);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    if (message->msg_iovlen > 0 && !message->msg_name)
        note_answer(fd, message->msg_iov[0].iov_base, message->msg_iov[0].iov_len);
    return syscall(SYS_sendmsg, fd, message, flags);
}

ssize_t writev(int fd, const struct iovec *parts, int n)
{
    if (n > 0 && record_name_of(fd)->object == RECORD_FILE)
        abort(); /* files are not written so; if they ever are, it must be recorded */
    if (n > 0)
        note_answer(fd, parts[0].iov_base, parts[0].iov_len);
    return syscall(SYS_writev, fd, parts, n);
}
