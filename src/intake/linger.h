#pragma once

/*
 * Lingering: closing a socket so that the peer still gets the answer.
 *
 * Closing a socket whose peer is still sending makes the kernel send a reset, which can destroy an
 * answer the peer has not read yet. So when an answer goes out before the request was read, the
 * socket is only shut for writing, and what still comes is read and dropped: until the peer closes,
 * or LINGER_BYTES came, or the deadline class LINGER is over. At most LINGER_MAX sockets a worker
 * linger; beyond that, sockets are closed at once.
 *
 * One thread, the worker's.
 */

#include <stddef.h>

#define LINGER_MAX 64
#define LINGER_BYTES ((size_t)1 << 20)

struct lingerer;
struct source;
struct worker;

struct lingers {
    struct lingerer *first;
    size_t n;
};

/* Takes the descriptor, which is closed at once when it cannot linger. */
void linger_add(struct worker *worker, int fd);

/* The socket has something to read. */
void linger_read(struct worker *worker, struct source *source);

/* The deadline is over. */
struct deadline;
void linger_expire(struct worker *worker, struct deadline *deadline);

void linger_close_all(struct worker *worker);
