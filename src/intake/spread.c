/*
 * Choosing a worker for a connection, and the way there; see spread.h.
 */

#include "intake/spread.h"

#include "intake/connection.h"
#include "intake/worker.h"

#include <string.h>
#include <unistd.h>

/* In a load: the worker has ended. */
#define LOAD_CLOSED (1u << 31)

/* A socket on its way. */
struct arrival {
    struct mailbox_item item;
    int fd;
    socklen_t length;
    struct sockaddr_storage address;
};

static unsigned int load_of(const struct worker *worker)
{
    return atomic_load_explicit(&worker->load, memory_order_relaxed);
}

/* Raises the load, unless the worker has ended. */
static bool claim(struct worker *worker)
{
    if ((atomic_fetch_add(&worker->load, 1) & LOAD_CLOSED) == 0)
        return true;
    atomic_fetch_sub(&worker->load, 1);
    return false;
}

/* Whether a connection is better with worker `a` than with `b`, which have so many. */
static bool is_better(unsigned int a, unsigned int b)
{
    if (a < SPREAD_SHARE && b < SPREAD_SHARE)
        return a > b; /* fill up the one that is begun */
    return a < b;
}

/* The best worker; of equal ones `self`, for sending costs a wake-up. */
static struct worker *choose(struct worker *self)
{
    const struct shared *shared = self->shared;
    struct worker *best = self;

    for (unsigned int i = 0; i < shared->n_workers && !self->draining; i++) {
        struct worker *other = &shared->workers[i];

        if (is_better(load_of(other), load_of(best)))
            best = other;
    }
    return best;
}

/* False: the other has ended, or there is no memory. */
static bool send_to(struct worker *to, int fd, const struct sockaddr *address, socklen_t length)
{
    struct arrival *arrival = calloc(1, sizeof(*arrival));

    if (arrival == NULL)
        return false;
    arrival->fd = fd;
    arrival->length = length;
    memcpy(&arrival->address, address, length);
    if (!claim(to)) {
        free(arrival);
        return false;
    }
    mailbox_post(&to->arrivals, &arrival->item);
    return true;
}

void spread_add(struct worker *self, int fd, const struct sockaddr *address, socklen_t length)
{
    struct worker *best = choose(self);

    if (best != self && send_to(best, fd, address, length))
        return;
    atomic_fetch_add(&self->load, 1);
    connection_add(self, fd, address, length);
}

void spread_receive(struct worker *self)
{
    struct mailbox_item *next, *item = mailbox_take(&self->arrivals);

    for (; item != NULL; item = next) {
        struct arrival *arrival = MAILBOX_CONTAINER(item, struct arrival, item);

        next = item->next;
        connection_add(self, arrival->fd, (struct sockaddr *)&arrival->address, arrival->length);
        free(arrival);
    }
}

void spread_release(struct worker *self)
{
    atomic_fetch_sub(&self->load, 1);
}

bool spread_end(struct worker *self)
{
    unsigned int none = 0;

    return atomic_compare_exchange_strong(&self->load, &none, LOAD_CLOSED);
}

void spread_cut(struct worker *self)
{
    atomic_fetch_or(&self->load, LOAD_CLOSED);
}

void spread_discard(struct worker *ended)
{
    struct mailbox_item *next, *item = mailbox_take(&ended->arrivals);

    for (; item != NULL; item = next) {
        struct arrival *arrival = MAILBOX_CONTAINER(item, struct arrival, item);

        next = item->next;
        close(arrival->fd);
        atomic_fetch_sub_explicit(&ended->shared->stats.open_connections, 1, memory_order_relaxed);
        free(arrival);
    }
}
