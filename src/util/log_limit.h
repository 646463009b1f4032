#pragma once

/*
 * How often a line is written that others can cause: at most once an interval, and the next one
 * says how many were left out.
 *
 * Pure. A limit and a state belong to one thread, or to whoever holds the lock they stand beside.
 */

#include <stdbool.h>
#include <stdint.h>

/* For events. */
struct log_limit {
    int64_t next_usec; /* monotonic; zero-initialised: the first passes */
    uint64_t left_out; /* since the last line that passed */
};

/* True when a line may be written now; *ret_left_out says how many were left out before it. */
bool log_limit_pass(
    struct log_limit *limit, int64_t now_usec, int64_t interval_usec, uint64_t *ret_left_out);

/* For a line of its own about those that were left out, lest they be forgotten when no more come.
 * Their number, when the interval since the last line is over, or at once if they `must` be told
 * of; a new interval begins. 0: none were left out, or it is too early. */
uint64_t log_limit_take_rest(
    struct log_limit *limit, int64_t now_usec, int64_t interval_usec, bool must);

/* For states that come and go: one line on entering, one on leaving, and at most one such pair an
 * interval. A state that is entered again too early is told of as soon as a step finds it still on
 * when it may; one that was not told of is left without a line. Zero-initialised: off. */
struct log_state {
    struct log_limit limit;
    bool is_on;
    bool is_told;
};

enum log_state_line {
    LOG_STATE_NOTHING,
    LOG_STATE_ENTERED, /* to be logged; *ret_left_out counts the times that were not */
    LOG_STATE_LEFT,    /* to be logged */
};

enum log_state_line log_state_step(struct log_state *state, bool is_on, int64_t now_usec,
    int64_t interval_usec, uint64_t *ret_left_out);

/* What a line says of those left out before it: the value of its field "left_out" and the end of
 * its sentence. */
struct log_rest {
    char number[24];
    char words[80]; /* " (and 3 more like it since the last such line)"; "" when there are none */
    const char *field; /* `number`, or NULL when there are none; so not to be copied */
};

void log_rest_tell(struct log_rest *rest, uint64_t left_out);
