#pragma once

/*
 * What a worker's epoll set can report. Embedded first in whatever is watched; the set's data
 * points to it.
 */

#include <stdint.h>

enum source_kind {
    SOURCE_LISTEN,
    SOURCE_MHD,
    SOURCE_MAILBOX,
    SOURCE_ARRIVALS,
    SOURCE_LINGER,
};

struct source {
    enum source_kind kind;
    int fd;
};

/* Watches for reading; `flags` are more EPOLL* bits. Returns 0 or -errno. */
int source_watch(struct source *source, int epoll_fd, uint32_t flags);
void source_unwatch(struct source *source, int epoll_fd);
