#pragma once

/*
 * Spreading connections over the workers.
 *
 * Whoever is woken accepts, which says nothing about who should have the connection, for as long as
 * it lives. Few connections are best on one worker: what it reads in one turn shares a commit, and
 * a thread that sleeps need not be woken. Many are best on all. So a worker is filled up to
 * SPREAD_SHARE connections before the next one gets any; when all have so many, each new one goes
 * to the worker with the fewest. A mailbox is the way there.
 *
 * A worker's load counts what it has and what is on the way to it, and is raised before a socket is
 * sent; so a worker that finds it at zero may end, and nothing can be sent to it any more.
 */

#include <stdbool.h>
#include <sys/socket.h>

/* Measured on two cores, with connections that ask as fast as they are answered: 64 of them, bodies
 * of 140 bytes, cost a fifth less CPU on one worker than on two, and 256 a sixth; both were
 * answered at the same rate or a higher one. 32 of them, bodies of 200 KiB, were answered 2.6
 * instead of 4.0 thousand times a second. Jobs are small. */
#define SPREAD_SHARE 256

struct worker;

/* Gives a new connection, which counts in stats.open_connections already, to a worker. While `self`
 * drains it keeps what it accepts. */
void spread_add(struct worker *self, int fd, const struct sockaddr *address, socklen_t length);

/* Takes in what others sent. */
void spread_receive(struct worker *self);

/* A connection of `self` is gone. */
void spread_release(struct worker *self);

/* Ends it, if there is nothing left and nothing under way: nobody sends to it any more. */
bool spread_end(struct worker *self);

/* Ends it in any case. */
void spread_cut(struct worker *self);

/* Closes what was sent to a worker that ended before it took it. No worker runs any more. */
void spread_discard(struct worker *ended);
