#include "util/mailbox.h"

/*
 * A mailbox: many threads post, one thread takes. See mailbox.h for the contract.
 *
 * Invariant: whenever the list is not empty, either the eventfd is readable or the poster that
 * made it non-empty is about to write to it. The taker clears the eventfd *before* it looks at the
 * list: a post that comes in between is either seen in the list or wakes it again. A wake-up for
 * nothing is possible and harmless; a lost one is not possible.
 *
 * The write happens outside the lock, so that a poster never holds it across a system call.
 */

#include "util/cleanup.h"

#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

int mailbox_init(struct mailbox *mailbox, struct error *error)
{
    int fd;
    int r;

    fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0)
        return error_errno(error, errno, "cannot make an event descriptor");

    r = pthread_mutex_init(&mailbox->lock, NULL);
    if (r != 0) {
        close(fd);
        return error_errno(error, r, "cannot make a lock");
    }

    mailbox->head = NULL;
    mailbox->tail = &mailbox->head;
    mailbox->fd = fd;
    return 0;
}

void mailbox_done(struct mailbox *mailbox)
{
    ASSERT(!mailbox->head);
    pthread_mutex_destroy(&mailbox->lock);
    close(TAKE_FD(mailbox->fd));
}

void mailbox_wake(struct mailbox *mailbox)
{
    const uint64_t one = 1;
    ssize_t count;

    do
        count = write(mailbox->fd, &one, sizeof(one));
    while (count < 0 && errno == EINTR);

    /* EAGAIN means that the counter is full: the taker's poll() returns anyway. */
    ASSERT(count == sizeof(one) || errno == EAGAIN);
}

void mailbox_post_list(struct mailbox *mailbox, struct mailbox_list *list)
{
    bool was_empty;

    if (!list->first)
        return;

    pthread_mutex_lock(&mailbox->lock);
    was_empty = !mailbox->head;
    *mailbox->tail = list->first;
    mailbox->tail = &list->last->next;
    pthread_mutex_unlock(&mailbox->lock);

    /* From here on the items are the taker's, and may be gone. */
    list->first = NULL;
    if (was_empty)
        mailbox_wake(mailbox);
}

void mailbox_post(struct mailbox *mailbox, struct mailbox_item *item)
{
    struct mailbox_list list = {NULL};

    mailbox_list_add(&list, item);
    mailbox_post_list(mailbox, &list);
}

struct mailbox_item *mailbox_take(struct mailbox *mailbox)
{
    struct mailbox_item *head;
    uint64_t wakes;
    ssize_t count;

    do
        count = read(mailbox->fd, &wakes, sizeof(wakes));
    while (count < 0 && errno == EINTR);
    ASSERT(count == sizeof(wakes) || errno == EAGAIN);

    pthread_mutex_lock(&mailbox->lock);
    head = mailbox->head;
    mailbox->head = NULL;
    mailbox->tail = &mailbox->head;
    pthread_mutex_unlock(&mailbox->lock);
    return head;
}
