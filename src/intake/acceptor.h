#pragma once

/*
 * Accepting: new connections from the listening sockets into the worker, or away from it.
 *
 * Over max_connections a connection is accepted and answered 503, not left in the backlog: a proxy
 * learns at once that it should go elsewhere. When the process has no descriptor or memory to
 * accept with, listening pauses for ACCEPTOR_PAUSE_USEC; the backlog holds what comes meanwhile.
 *
 * One thread, the worker's. The listening sockets themselves belong to `struct shared`.
 */

#include "intake/source.h"
#include "util/error.h"
#include "util/log_limit.h"

#include <stddef.h>
#include <stdint.h>

#define ACCEPTOR_PAUSE_USEC INT64_C(100000)

/* Accepts of one turn a socket: others' requests must not wait for a flood of connections. */
#define ACCEPTOR_ROUND 64

struct worker;

struct acceptor {
    struct source *sources; /* owned; one a listening socket */
    size_t n;
    int64_t resume_at_usec;     /* monotonic; USEC_INFINITY: not paused */
    struct log_state exhausted; /* accepting fails */
};

int acceptor_start(struct worker *worker, struct error *error);

/* A socket has connections waiting. */
void acceptor_accept(struct worker *worker, struct source *source);

/* Listens again when the pause is over. */
void acceptor_resume(struct worker *worker);

/* Takes in what already waits, then lets go of the sockets. */
void acceptor_stop(struct worker *worker);
