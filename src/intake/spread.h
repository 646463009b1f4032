#pragma once

/*
 * Spreading connections over the workers.
 *
 * Whoever is woken accepts, and a proxy opens its connections in one go, so that one worker may
 * take them all and keep them for as long as they live. So each new connection goes to the worker
 * that has the fewest, over a mailbox if that is another one.
 *
 * A worker's load counts what it has and what is on the way to it, and is raised before a socket is
 * sent; so a worker that finds it at zero may end, and nothing can be sent to it any more.
 */

#include <stdbool.h>
#include <sys/socket.h>

struct worker;

/* Gives a new connection, which counts in stats.open_connections already, to a worker: to `self`,
 * unless another one has clearly fewer. While `self` drains it keeps what it accepts. */
void spread_add(struct worker *self, int fd, const struct sockaddr *address, socklen_t length);

/* Takes in what others sent. */
void spread_receive(struct worker *self);

/* A connection of `self` is gone. */
void spread_release(struct worker *self);

/* Ends it, if there is nothing left and nothing under way: nobody sends to it any more. */
bool spread_end(struct worker *self);

/* Ends it in any case. */
void spread_cut(struct worker *self);

/* Closes what was sent to a worker that ended before it took it; once no worker runs any more. */
void spread_discard(struct worker *ended);
