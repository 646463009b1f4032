#pragma once

/*
 * A delivery's way to the store's writer and back.
 *
 * A commit belongs to the writer from post until it comes back through the worker's mailbox. Its
 * request may stop waiting before that (the commit deadline, a cut): then it is abandoned, comes
 * back later all the same, and is freed with its delivery. The number out at a time, abandoned ones
 * included, is bounded by max_connections over the whole intake (not per worker: connections spread
 * unevenly, and a busy worker must not shed while places are free).
 *
 * Threads: the worker's.
 */

#include "job/delivery.h"

#include <stdbool.h>
#include <stddef.h>

struct commit;
struct request;
struct worker;

/* Takes the delivery, and `charge` bytes that were charged for it, unless it returns NULL: out of
 * memory, or too many are out. */
struct commit *commit_new(
    struct worker *worker, struct request *request, struct delivery *delivery, size_t charge);

/* Takes it; every commit is to be posted. It goes to the writer with the next commit_send, or
 * before when there are many. */
void commit_post(struct commit *commit);

/* Posts what is left of this turn. All of it shares a sync, unless it is more than a commit takes
 * or the turn longer than the writer waits. */
void commit_send(struct worker *worker);

/* Its request no longer waits. */
void commit_abandon(struct commit *commit);

/* Takes what came back: settles the requests that still wait. */
void commit_take_back(struct worker *worker);
