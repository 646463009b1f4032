#pragma once

/*
 * A request: the steps of design §2 as libmicrohttpd's calls drive them.
 *
 *     IDLE      its line came: LINE
 *     LINE      its headers came: GATHER; refused by them: DISCARD
 *     GATHER    its body came: PARK; refused by it: ANSWERED, or DISCARD when there is no room
 *     PARK      WAIT; the verdict came, or the time is over: SETTLED
 *     WAIT      the verdict came, or the time is over: SETTLED
 *     SETTLED   ANSWERED
 *     DISCARD   the rest of the body came: ANSWERED
 *     ANSWERED  libmicrohttpd is done with it: IDLE
 *
 * What is malformed or too large goes to ANSWERED from anywhere, and the connection ends with it.
 *
 * A refusal that depends on proof is answered only after the body was read and dropped, and the
 * connection goes on: so that whatever failed, the answer has the same bytes, headers included.
 *
 * A body that comes in chunks is the last of its connection. libmicrohttpd (0.9.75) ends a chunk's
 * line at a bare line feed, also within an extension, and looks at nothing in a trailer: where such
 * a body ends is a matter of opinion, so what follows it is never read as a request. A trailer
 * whose first line begins with a space, a tab or a colon it even reads in two ways, depending on
 * whether that line comes in one piece, and shows neither: such a request may be refused or judged
 * as if it had no trailer, but has one outcome.
 *
 * PARK exists because of libmicrohttpd: the call that completes a request returns first, so that
 * its connection no longer waits for input when the next call suspends it; otherwise it would read
 * once more on resuming and give up a peer that has shut its sending side. It is posted to the
 * writer before it is suspended, which is no race: its verdict is taken by this thread, in a later
 * turn, and only what is suspended by then is resumed.
 *
 * Threads: the worker's. One request at a time a connection, which embeds it.
 */

#include "util/buf.h"
#include "verify/verify.h"

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>

struct commit;
struct connection;
struct counts_page;
struct rules;

enum request_phase {
    REQUEST_IDLE,
    REQUEST_LINE,     /* its target is known */
    REQUEST_GATHER,   /* good so far; the body is kept */
    REQUEST_DISCARD,  /* the answer is settled; the body is dropped */
    REQUEST_PARK,     /* proven and posted to the writer; to be suspended */
    REQUEST_WAIT,     /* suspended */
    REQUEST_SETTLED,  /* the outcome is known; to be answered */
    REQUEST_ANSWERED, /* until libmicrohttpd says that it is over */
};

struct request {
    struct connection *connection;
    enum request_phase phase;
    bool health;        /* GET /healthz instead of a callback */
    bool chunked;       /* the connection ends with it */
    enum reason reason; /* from DISCARD and SETTLED on */
    const char *detail; /* of a refusal; static or NULL */
    bool keep;          /* refused, and to be kept for explain when it is answered */

    struct buf target;                      /* a copy: libmicrohttpd decodes it in place */
    const char *target_at;                  /* where it stood; for head_is_whole only, never read */
    struct rules *rules;                    /* a reference, while a request is under way */
    const struct verify_endpoint *endpoint; /* borrowed from the rules; NULL: none yet */
    struct counts_page *page;               /* the endpoint's; borrowed from the rules */
    const char *method;                     /* borrowed, as the head */
    struct verify_head head;                /* borrowed from libmicrohttpd until the request ends */
    struct verify_finding finding;          /* from GATHER on */
    struct buf body;                        /* of a refused one that is kept: its beginning */
    size_t charged;                         /* what `body` has taken of the intake's body memory */
    size_t seen;                            /* body bytes so far, kept or not */
    size_t unread;                          /* body bytes that are known of beyond these */
    int64_t complete_at_usec; /* monotonic; from PARK on: when the body was complete */
    struct commit *commit;    /* PARK and WAIT: the writer's */
};

void request_init(struct request *request, struct connection *connection);

/* Gives back all it holds; abandons what the writer has. */
void request_done(struct request *request);

bool request_is_idle(const struct request *request);
bool request_is_waiting(const struct request *request);

/* The writer's verdict on one that waits. */
void request_settle(struct request *request, enum reason reason);

/* Stops waiting for the writer: answers 503, whatever the verdict may be (G2). */
void request_give_up(struct request *request);

/* Callbacks of libmicrohttpd: MHD_OPTION_URI_LOG_CALLBACK, the access handler and
 * MHD_OPTION_NOTIFY_COMPLETED. Context: the worker. */
void *request_line(void *context, const char *target, struct MHD_Connection *mhd);
enum MHD_Result request_handle(void *context, struct MHD_Connection *mhd, const char *url,
    const char *method, const char *version, const char *data, size_t *size,
    void **request_context);
void request_completed(void *context, struct MHD_Connection *mhd, void **request_context,
    enum MHD_RequestTerminationCode code);
