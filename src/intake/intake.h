#pragma once

/*
 * Intake: HTTP in, verified deliveries to the store's writer, answers out.
 *
 * A few workers, each a thread with its own libmicrohttpd daemon without a listening socket, its
 * own verifier and its own mailboxes. Each accepts, for all of them. A connection and its requests
 * live and die on one worker; only store work travels to the writer and back. Owning accept and the
 * loop gives total deadlines, a connection limit that is answered, and a clean drain.
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
    unsigned int keep_refused;    /* refused requests kept for explain; 0: none */
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
 * append it posted has come back when it returns, so the writer must still run. Its numbers may be
 * looked at until intake_stop, which does the same if it was not done yet, and frees it all. */
void intake_end(struct intake *intake, int64_t limit_usec);
void intake_stop(struct intake *intake, int64_t limit_usec);

/* Why a connection was cut in the middle of a request: what was not complete in time. */
enum intake_cut {
    INTAKE_CUT_HEAD,
    INTAKE_CUT_BODY,
    INTAKE_CUT_ANSWER, /* it was not read */
    INTAKE_CUT_COUNT,
};

/* Counters over all workers and endpoints, since start. For status and metrics. */
struct intake_stats {
    _Atomic uint64_t reasons[REASON_COUNT];
    _Atomic uint64_t accepted_connections;
    _Atomic uint64_t refused_connections; /* over max_connections: answered 503 */
    _Atomic uint64_t open_connections;
    _Atomic uint64_t cuts[INTAKE_CUT_COUNT];
};
const struct intake_stats *intake_stats(const struct intake *intake);

/* One endpoint's, since start; they go on across reloads as long as the name stays. Which token and
 * secret matched is counted, so that an old one can be dropped with confidence: a secret goes by
 * its name, a token by its bytes. Counted are callbacks that passed all of verify, copies too, and
 * such as the store could not take; not stale ones, for a replay tells nothing of what SASHA uses
 * now. In report mode what matched counts, also where the other did not. */
#define INTAKE_CREDENTIALS_MAX 16 /* tokens, and secrets, of an endpoint; the conf refuses more */

struct intake_use {
    char name[65]; /* of a secret: its name; of a token: its number in the conf, from "1" */
    uint64_t used; /* callbacks it matched */
    int64_t last_used_at_usec; /* real time; 0: not since start */
};

struct intake_endpoint_stats {
    char name[65];
    bool report; /* verify = "report" */
    uint64_t reasons[REASON_COUNT];
    uint64_t unverified;        /* of those accepted, passed on only because of verify = "report" */
    int64_t last_valid_at_usec; /* of one that is all proven; real time; 0: none since start */
    struct intake_use tokens[INTAKE_CREDENTIALS_MAX];
    size_t n_tokens;
    struct intake_use secrets[INTAKE_CREDENTIALS_MAX];
    size_t n_secrets;
};

/* From any thread. Returns how many endpoints there are; fills in at most `max`, in the order of
 * the conf. Large: not for a small stack. */
size_t intake_get_endpoints(
    const struct intake *intake, struct intake_endpoint_stats *stats, size_t max);

/* Histogram of the time from complete body to the store's verdict, in microseconds, each bucket on
 * its own (not summed up); the last one has no bound. A callback that is answered 503 because the
 * verdict did not come in time counts with the time it waited. */
#define INTAKE_BUCKETS 14
extern const int64_t intake_bucket_usec[INTAKE_BUCKETS - 1];
struct intake_latency {
    uint64_t buckets[INTAKE_BUCKETS];
    int64_t sum_usec;
};
void intake_get_latency(const struct intake *intake, struct intake_latency *ret_latency);

/* ---- refused requests (refused.c) ---- */

/* A request that was refused for what it is, or that only report mode let pass, as far as it is
 * kept. One allocation; tokens are left out. */
struct intake_refused {
    char id[32];
    int64_t at_usec; /* real time */
    enum reason reason;
    const char *detail;   /* static or NULL */
    const char *endpoint; /* "" when it had none */
    const char *peer;
    const char *method;
    const char *target;
    const struct intake_refused_header {
        const char *name, *value; /* a token shows as "Bearer <N bytes>" */
    } * headers;
    size_t n_headers;
    const unsigned char *body; /* its beginning */
    size_t body_length;
    size_t body_cut; /* bytes that were not kept */
};

/* Bounds of what is kept; `keep_refused` of them at most. Beyond, the oldest goes of the reason
 * that has most. Of each reason at most 20 a second are taken. */
#define INTAKE_REFUSED_BODY_MAX 16384
#define INTAKE_REFUSED_BYTES_MAX (8u << 20) /* in all */

/* From any thread. Walks newest first, without bodies and headers; non-zero stops. The lock of the
 * ring is held meanwhile: the callback must not block. */
void intake_walk_refused(const struct intake *intake,
    int (*fn)(const struct intake_refused *refused, void *context), void *context);

/* A copy owned by the caller, to be freed with free(). -ENOENT: not (any longer) kept. */
int intake_get_refused(
    const struct intake *intake, const char *id, struct intake_refused **ret_refused);

/* ---- listening sockets (listen.c) ---- */

/* Opens a listening socket for "127.0.0.1:8480", "[::1]:8480" (names are not resolved) or
 * "unix:/path", which replaces a stale socket, never another kind of file, and has mode 0660.
 * Port 0 lets the kernel choose; intake_listen_name then tells. */
int intake_listen(const char *address, int *ret_fd, struct error *error);

/* Writes "127.0.0.1:43121" or "unix:/path" of a socket. */
void intake_listen_name(int fd, char *buffer, size_t size);

/* Whether `address` is well-formed; for the conf. Pure. */
int intake_listen_check(const char *address, struct error *error);
