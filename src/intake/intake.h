#pragma once

/*
 * Intake: HTTP in, verified deliveries to the store's writer, answers out.
 *
 * A few workers, each a thread with its own accept, its own libmicrohttpd daemon without a
 * listening socket, its own verifier and its own mailbox. A request lives and dies on one worker;
 * only its store work travels to the writer and back. Owning accept and the loop gives total
 * deadlines, a connection limit that is answered, and a clean drain.
 *
 * Threads: intake_* are called from the daemon's main thread.
 */

#include "store/writer.h"
#include "verify/verify.h"

#include <stdatomic.h>

struct intake_options {
    /* Listening, non-blocking. Taken when intake_start succeeds: closed at intake_drain, by the
     * last worker that took in what waited there. A failed start leaves them the caller's. */
    const int *listen_fds;
    size_t n_listen_fds;
    unsigned int workers;
    size_t max_body;
    unsigned int max_connections; /* over all workers; also bounds the appends that are out */
    int64_t header_timeout_usec;  /* from accept, or from the next request's first line; also how
                                     long a peer may take to read an answer */
    int64_t body_timeout_usec;    /* from the end of the headers */
    int64_t idle_timeout_usec;    /* between requests, the next one's first line included */
    int64_t commit_timeout_usec;  /* from posting to the writer until 503 */
    const struct verify_options *verify; /* borrowed during the call */
    struct store_writer *writer;         /* borrowed */
    const struct clock *clock;
};

struct intake;

int intake_start(
    const struct intake_options *options, struct intake **ret_intake, struct error *error);

/* Reload in two steps; see dispatch_prepare. A request in flight ends under the rules it began. */
struct intake_change;
int intake_prepare(struct intake *intake, const struct verify_options *verify,
    struct intake_change **ret_change, struct error *error);
void intake_commit(struct intake *intake, struct intake_change *change);
void intake_abandon(struct intake_change *change); /* NULL is legal */

/* Stops accepting, closes idle connections, answers what is in (with Connection: close). Returns
 * at once. */
void intake_drain(struct intake *intake);

/* Waits up to `limit_usec` for the connections to end, cuts the rest, ends the threads. Every
 * append it posted has come back when it returns, so the writer must still run. */
void intake_stop(struct intake *intake, int64_t limit_usec);

/* Counters over all workers, since start; endpoint-less reasons (framing, path) count under
 * endpoint NULL. For status and metrics. */
struct intake_stats {
    _Atomic uint64_t reasons[REASON_COUNT];
    _Atomic uint64_t accepted_connections;
    _Atomic uint64_t refused_connections; /* over max_connections: answered 503 */
    _Atomic uint64_t open_connections;
};
const struct intake_stats *intake_stats(const struct intake *intake);

/* ---- listening sockets (listen.c) ---- */

/* Opens a listening socket for "127.0.0.1:8480", "[::1]:8480" (names are not resolved) or
 * "unix:/path", which replaces a stale socket, never another kind of file, and has mode 0660.
 * Port 0 lets the kernel choose; intake_listen_name then tells. */
int intake_listen(const char *address, int *ret_fd, struct error *error);

/* Writes "127.0.0.1:43121" or "unix:/path" of a socket. */
void intake_listen_name(int fd, char *buffer, size_t size);

/* Whether `address` is well-formed; for the conf. Pure. */
int intake_listen_check(const char *address, struct error *error);
