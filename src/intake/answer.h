#pragma once

/*
 * Answers: what the peer is told for each reason. The only place where a reason becomes a body, a
 * header and a log level.
 *
 * Every answer is made once at start, in two copies: one that keeps the connection and one with
 * "Connection: close". All reasons with status 401 share the same two, so that a forger learns
 * nothing from which proof failed. No answer quotes the request or names what was compared.
 *
 * A set of answers belongs to one worker, because libmicrohttpd counts references under a lock.
 */

#include "util/error.h"
#include "util/log.h"
#include "verify/reason.h"

#include <microhttpd.h>
#include <stdbool.h>
#include <stdint.h>

struct answers;

int answers_new(struct answers **ret_answers, struct error *error);
void answers_free(struct answers *answers); /* NULL is legal */

/* Queues the answer. MHD_NO when libmicrohttpd refuses, and the connection must be given up. */
enum MHD_Result answer_queue(
    const struct answers *answers, struct MHD_Connection *mhd, enum reason reason, bool closing);

/* 200 {"status":"ok"}: that the intake runs, and nothing else. */
enum MHD_Result answer_queue_health(
    const struct answers *answers, struct MHD_Connection *mhd, bool closing);

/* Writes the whole answer with "Connection: close" to a socket that libmicrohttpd does not have, or
 * is about to give up: connections over the limit, and bodies that grew too large on the way, where
 * no response can be queued any more. What does not fit at once is dropped. */
void answer_write_raw(enum reason reason, int64_t now_realtime_usec, int fd);

/* At which level a request with this end is logged. */
enum log_level answer_log_level(enum reason reason);
