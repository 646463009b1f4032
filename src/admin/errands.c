/*
 * The thread for actions; see errands.h.
 */

#include "admin/errands.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>

struct errands {
    struct mailbox given;       /* taken by the thread */
    struct mailbox done;        /* taken by the listener */
    struct mailbox_item *taken; /* of `done`, not yet passed on */
    pthread_t thread;
    bool is_started;
    _Atomic bool stopping; /* set before the wake-up */
};

static void *run(void *context)
{
    struct errands *errands = context;
    struct pollfd wait = {.fd = errands->given.fd, .events = POLLIN};

    while (!atomic_load(&errands->stopping)) {
        struct mailbox_item *item, *next;
        int n = poll(&wait, 1, -1);

        ASSERT(n >= 0 || errno == EINTR);
        for (item = mailbox_take(&errands->given); item; item = next) {
            struct errand *errand = MAILBOX_CONTAINER(item, struct errand, item);

            next = item->next;
            errand->route->handle(&errand->call);
            mailbox_post(&errands->done, item);
        }
    }
    return NULL;
}

int errands_new(struct errands **ret_errands, struct error *error)
{
    struct errands *errands = calloc(1, sizeof(*errands));
    int r;

    if (!errands)
        return error_set(error, ENOMEM, "out of memory");
    r = mailbox_init(&errands->given, error);
    if (r < 0) {
        free(errands);
        return r;
    }
    r = mailbox_init(&errands->done, error);
    if (r < 0) {
        mailbox_done(&errands->given);
        free(errands);
        return r;
    }
    *ret_errands = errands;
    return 0;
}

int errands_start(struct errands *errands, unsigned int number, struct error *error)
{
    char name[16];
    sigset_t all, before;
    int r;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    r = pthread_create(&errands->thread, NULL, run, errands);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (r != 0)
        return error_errno(error, r, "cannot start a thread for actions");
    errands->is_started = true;
    (void)snprintf(name, sizeof(name), "actions-%u", number);
    (void)pthread_setname_np(errands->thread, name);
    return 0;
}

void errands_free(struct errands *errands)
{
    if (!errands)
        return;
    if (errands->is_started) {
        atomic_store(&errands->stopping, true);
        mailbox_wake(&errands->given);
        pthread_join(errands->thread, NULL);
    }
    ASSERT(!errands_take(errands));
    mailbox_done(&errands->given);
    mailbox_done(&errands->done);
    free(errands);
}

void errands_give(struct errands *errands, struct errand *errand)
{
    mailbox_post(&errands->given, &errand->item);
}

int errands_fd(const struct errands *errands)
{
    return errands->done.fd;
}

struct errand *errands_take(struct errands *errands)
{
    struct mailbox_item *item;

    if (!errands->taken)
        errands->taken = mailbox_take(&errands->done);
    item = errands->taken;
    if (!item)
        return NULL;
    errands->taken = item->next;
    return MAILBOX_CONTAINER(item, struct errand, item);
}
