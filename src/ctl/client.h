#pragma once

/*
 * Talking to the daemon: HTTP over its admin socket, answers in JSON (docs/api.md).
 *
 * One client is one connection, kept open between requests. Functions return an exit status and
 * describe every fault in words for a person:
 *
 *   EX_OK           an answer of 2xx
 *   CTL_REFUSED     404: there is no such thing
 *   EX_USAGE        400: the daemon says what is wrong with the request
 *   EX_UNAVAILABLE  nobody answers at the socket
 *   EX_SOFTWARE     memory, or a library
 *   EX_TEMPFAIL     503: the daemon stops, or its store cannot do it now
 *   EX_PROTOCOL     an answer that is no answer of this API
 *   EX_NOPERM       the socket, or the daemon behind it, refuses this user
 *
 * One thread.
 */

#include "ctl/command.h"
#include "util/buf.h"
#include "util/error.h"

#include <jansson.h>
#include <stddef.h>

/* The most of an answer that is taken. */
#define CLIENT_ANSWER_MAX (256u << 20)

/* What came back; owned by whoever holds it, and used again for the next request. */
struct client_answer {
    json_t *root;    /* an object */
    struct buf text; /* the same as it came */
};

#define CLIENT_ANSWER_INIT \
    {                      \
        NULL, BUF_INIT     \
    }
void client_answer_done(struct client_answer *answer);

struct client;

/* Finds out which socket is meant (see socket.h) and sets up. Does not connect yet. On EX_CONFIG
 * the faults of the conf were printed to stderr, and the error sums up. */
int client_open(
    const struct common_options *common, struct client **ret_client, struct error *error);
void client_close(struct client *client); /* NULL is legal */

/* `target` is path and query, encoded. */
int client_get(
    struct client *client, const char *target, struct client_answer *answer, struct error *error);
int client_post(struct client *client, const char *target, const struct buf *body,
    struct client_answer *answer, struct error *error);
