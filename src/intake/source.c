/*
 * Watching descriptors; see source.h.
 */

#include "intake/source.h"

#include <errno.h>
#include <stddef.h>
#include <sys/epoll.h>

int source_watch(struct source *source, int epoll_fd, uint32_t flags)
{
    struct epoll_event event = {.events = EPOLLIN | flags, .data.ptr = source};

    return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, source->fd, &event) < 0 ? -errno : 0;
}

void source_unwatch(struct source *source, int epoll_fd)
{
    (void)epoll_ctl(epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
}
