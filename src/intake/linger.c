/*
 * Sockets that are shut for writing and read empty; see linger.h.
 */

#include "intake/linger.h"

#include "intake/worker.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

struct lingerer {
    struct source source; /* first: the epoll set points here */
    struct lingerer *prev, *next;
    struct deadline deadline;
    size_t bytes;
};

static void remove_one(struct worker *worker, struct lingerer *lingerer)
{
    struct lingers *lingers = &worker->lingers;

    deadline_clear(&worker->deadlines, &lingerer->deadline);
    source_unwatch(&lingerer->source, worker->epoll_fd);
    close(lingerer->source.fd);
    if (lingerer->prev != NULL)
        lingerer->prev->next = lingerer->next;
    else
        lingers->first = lingerer->next;
    if (lingerer->next != NULL)
        lingerer->next->prev = lingerer->prev;
    lingers->n--;
    free(lingerer);
}

void linger_add(struct worker *worker, int fd)
{
    struct lingers *lingers = &worker->lingers;
    struct lingerer *lingerer;

    (void)shutdown(fd, SHUT_WR);
    lingerer = lingers->n < LINGER_MAX ? calloc(1, sizeof(*lingerer)) : NULL;
    if (lingerer == NULL) {
        close(fd);
        return;
    }
    lingerer->source = (struct source){SOURCE_LINGER, fd};
    if (source_watch(&lingerer->source, worker->epoll_fd, EPOLLRDHUP) < 0) {
        close(fd);
        free(lingerer);
        return;
    }
    lingerer->next = lingers->first;
    if (lingers->first != NULL)
        lingers->first->prev = lingerer;
    lingers->first = lingerer;
    lingers->n++;
    deadline_start(&worker->deadlines, &lingerer->deadline, DEADLINE_LINGER, worker->now_usec);
}

void linger_read(struct worker *worker, struct source *source)
{
    struct lingerer *lingerer = MAILBOX_CONTAINER(source, struct lingerer, source);
    char dropped[8192];
    ssize_t n;

    /* One read a turn: others' requests come first. */
    n = recv(source->fd, dropped, sizeof(dropped), MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0 && (lingerer->bytes += (size_t)n) < LINGER_BYTES)
        return;
    remove_one(worker, lingerer);
}

void linger_expire(struct worker *worker, struct deadline *deadline)
{
    remove_one(worker, MAILBOX_CONTAINER(deadline, struct lingerer, deadline));
}

void linger_close_all(struct worker *worker)
{
    while (worker->lingers.first != NULL)
        remove_one(worker, worker->lingers.first);
}
