#pragma once

/*
 * The thread beside a listener's on which actions are carried out, one after another.
 *
 * An action may have to wait: for a sink that hangs, for a slow disk, for much to be pruned. On the
 * listener's thread that would hold up those who only look, just when there is most to see. So the
 * listener gives such calls away and takes them back answered.
 *
 * From give to take an errand belongs to the errands, and what its call borrows must stay as it is.
 *
 * Threads: all but what runs inside belongs to the listener's thread; start and free to main, while
 * that thread does not run.
 */

#include "admin/route.h"

#include "util/mailbox.h"

struct errand {
    struct mailbox_item item;
    const struct route *route;
    struct call call; /* without a reader */
};

struct errands;

int errands_new(struct errands **ret_errands, struct error *error);
int errands_start(struct errands *errands, unsigned int number, struct error *error);

/* All that were given must have been taken. NULL is legal. */
void errands_free(struct errands *errands);

void errands_give(struct errands *errands, struct errand *errand);

/* Polls readable when some are done. */
int errands_fd(const struct errands *errands);

/* The next that is done; NULL: none (yet). */
struct errand *errands_take(struct errands *errands);
