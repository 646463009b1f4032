#pragma once

/*
 * A connection: from accept to close, with the request it carries at the moment.
 *
 * Made before libmicrohttpd gets the socket, freed when it announces the close. The socket belongs
 * to libmicrohttpd from connection_add on; we only shut it down, which makes libmicrohttpd notice
 * and close.
 *
 * A connection always has a total deadline, whatever the peer sends in between:
 *   HEAD    from accept to the end of the first headers; later, from a request line to the end of
 * its headers (that a request begins shows only when its first line is complete, so a line that
 *           trickles in counts as idling);
 *   BODY    from the end of the headers to the end of the body;
 *   COMMIT  while suspended for the writer; its end is an answer 503, not a cut;
 *   ANSWER  from queueing the answer to its end: a peer that does not read (lasts header_timeout);
 *   IDLE    from there to the next request line;
 *   GRACE   instead of HEAD when draining.
 * So one request holds a connection at most idle + 2 * header + body + commit.
 *
 * Threads: the worker's.
 */

#include "intake/deadline.h"
#include "intake/request.h"

#include <microhttpd.h>
#include <stdbool.h>
#include <sys/socket.h>

struct worker;

struct connection {
    struct worker *worker;
    struct connection *prev, *next; /* in worker->connections */
    struct MHD_Connection *mhd;     /* borrowed; NULL until announced */
    int fd;                         /* libmicrohttpd's */
    struct deadline deadline;
    bool fresh;  /* nothing was asked yet */
    bool cut;    /* shut down by us */
    bool linger; /* was answered before its input was read */
    struct request request;
};

/* How an address shows in the log: "192.0.2.1:4711", "[2001:db8::1]:4711", "unix". */
#define CONNECTION_PEER_SIZE 64
const char *connection_peer(
    struct connection *connection, char buffer[static CONNECTION_PEER_SIZE]);

/* Takes the socket, which counts in stats.open_connections and in the worker's load already. */
void connection_add(
    struct worker *worker, int fd, const struct sockaddr *address, socklen_t length);

/* Moves the connection's deadline to `class`, from this turn on. */
void connection_deadline(struct connection *connection, enum deadline_class class);

/* Its deadline is over. */
void connection_expire(struct connection *connection);

/* Ends it without an answer. A suspended request must have been settled. */
void connection_cut(struct connection *connection);

/* Draining begins: idle connections are closed, but a request that has already arrived is still
 * answered. */
void connection_drain(struct connection *connection);

/* A request ended; the connection waits for the next one, or is about to be closed. */
void connection_idle(struct connection *connection);

/* MHD_OPTION_NOTIFY_CONNECTION; the context is the worker. */
void connection_notify(void *context, struct MHD_Connection *mhd, void **socket_context,
    enum MHD_ConnectionNotificationCode code);
