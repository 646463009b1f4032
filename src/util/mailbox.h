#pragma once

/*
 * A mailbox: many threads post, one thread takes.
 *
 * This is how threads of the daemon speak to each other; there is no other shared state between
 * stages. Items are embedded in the poster's struct (see MAILBOX_CONTAINER) and belong to the
 * mailbox from post to take. Order is kept. The descriptor polls readable while something waits;
 * one wake-up is written for a run of posts, not one for each.
 *
 * The lock inside is a leaf: it is held for a few instructions and never across another call.
 */

#include "util/error.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

struct mailbox_item {
    struct mailbox_item *next;
};

struct mailbox {
    pthread_mutex_t lock;
    struct mailbox_item *head;  /* under lock */
    struct mailbox_item **tail; /* under lock */
    int fd;                     /* eventfd, CLOEXEC, non-blocking; for poll() by the taker only */
};

/* Items that travel together, in order. Not in a mailbox; whoever gathers them owns them. */
struct mailbox_list {
    struct mailbox_item *first; /* NULL: empty */
    struct mailbox_item *last;  /* of no meaning when empty */
};

#define MAILBOX_CONTAINER(item, type, member) \
    ((type *)(void *)((char *)(item)-offsetof(type, member)))

int mailbox_init(struct mailbox *mailbox, struct error *error);

/* The mailbox must be empty, and no thread may still be inside a post or mailbox_wake: that an
 * item was taken does not mean that its poster is out. Join the posters first. */
void mailbox_done(struct mailbox *mailbox);

/* From any thread. Takes the item. */
void mailbox_post(struct mailbox *mailbox, struct mailbox_item *item);

static inline void mailbox_list_add(struct mailbox_list *list, struct mailbox_item *item)
{
    item->next = NULL;
    if (list->first)
        list->last->next = item;
    else
        list->first = item;
    list->last = item;
}

/* As mailbox_post for each item of the list, which is empty afterwards (or before: nothing is done
 * then), but with one lock and at most one wake-up: the taker meets them all at once. */
void mailbox_post_list(struct mailbox *mailbox, struct mailbox_list *list);

/* From any thread: makes the taker's poll() return although nothing was posted. */
void mailbox_wake(struct mailbox *mailbox);

/* Taker only. Returns all that waits, first posted first, linked by `next`; NULL if nothing does.
 * Clears the wake-up. */
struct mailbox_item *mailbox_take(struct mailbox *mailbox);
