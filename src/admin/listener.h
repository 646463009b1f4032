#pragma once

/*
 * A listening socket of the admin stage, with a thread, a store reader and a libmicrohttpd daemon
 * of its own.
 *
 * The thread accepts, so that it decides who gets a place, and drives the library with a zero
 * timeout, as the intake's workers do. Each connection has a total limit for each thing it does:
 * sending a head, sending a body, reading an answer, saying nothing between two requests. When all
 * places are taken, who is slowest gives way to a newcomer after a second. A handler
 * runs to its end on this thread; meanwhile the others of this socket wait, and nobody else does.
 * Handlers that only read are short; actions, which are not, have a thread of their own
 * (errands.h).
 *
 * Threads: main, but for what runs inside.
 */

#include "util/error.h"

#include "store/store.h"

#define LISTENER_CONNECTIONS_MAX 32

/* For a request's head, its body, and between two requests; each in all. */
#define LISTENER_REQUEST_USEC (10 * USEC_PER_SEC)

/* For reading an answer. */
#define LISTENER_ANSWER_USEC (30 * USEC_PER_SEC)

struct admin;
struct listener;

/* `fd` is borrowed. `number` names the thread. */
int listener_new(struct admin *admin, int fd, struct listener **ret_listener, struct error *error);
int listener_start(struct listener *listener, unsigned int number, struct error *error);

/* Ends the thread if there is one, and the connections. NULL is legal. */
void listener_free(struct listener *listener);
