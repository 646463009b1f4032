/*
 * Limits of the log; see log_limit.h.
 */

#include "util/log_limit.h"

#include <inttypes.h>
#include <stdio.h>

/* Begins an interval; returns how many were left out before. */
static uint64_t restart(struct log_limit *limit, int64_t now_usec, int64_t interval_usec)
{
    const uint64_t left_out = limit->left_out;

    if (__builtin_add_overflow(now_usec, interval_usec, &limit->next_usec))
        limit->next_usec = INT64_MAX;
    limit->left_out = 0;
    return left_out;
}

bool log_limit_pass(
    struct log_limit *limit, int64_t now_usec, int64_t interval_usec, uint64_t *ret_left_out)
{
    if (now_usec < limit->next_usec) {
        limit->left_out++;
        return false;
    }
    *ret_left_out = restart(limit, now_usec, interval_usec);
    return true;
}

uint64_t log_limit_take_rest(
    struct log_limit *limit, int64_t now_usec, int64_t interval_usec, bool must)
{
    if (limit->left_out == 0 || (now_usec < limit->next_usec && !must))
        return 0;
    return restart(limit, now_usec, interval_usec);
}

static enum log_state_line enter(
    struct log_state *state, int64_t now_usec, int64_t interval_usec, uint64_t *ret_left_out)
{
    const bool is_new = !state->is_on;

    state->is_on = true;
    if (state->is_told)
        return LOG_STATE_NOTHING;
    if (now_usec < state->limit.next_usec) {
        state->limit.left_out += is_new;
        return LOG_STATE_NOTHING;
    }
    /* Told of late: the entering that was counted as left out is this one. */
    if (!is_new)
        state->limit.left_out--;
    state->is_told = log_limit_pass(&state->limit, now_usec, interval_usec, ret_left_out);
    return LOG_STATE_ENTERED;
}

enum log_state_line log_state_step(struct log_state *state, bool is_on, int64_t now_usec,
    int64_t interval_usec, uint64_t *ret_left_out)
{
    const bool was_told = state->is_told;

    if (is_on)
        return enter(state, now_usec, interval_usec, ret_left_out);
    state->is_on = false;
    state->is_told = false;
    return was_told ? LOG_STATE_LEFT : LOG_STATE_NOTHING;
}

void log_rest_tell(struct log_rest *rest, uint64_t left_out)
{
    (void)snprintf(rest->number, sizeof(rest->number), "%" PRIu64, left_out);
    rest->words[0] = '\0';
    rest->field = NULL;
    if (left_out == 0)
        return;
    (void)snprintf(rest->words, sizeof(rest->words),
        " (and %" PRIu64 " more like it since the last such line)", left_out);
    rest->field = rest->number;
}
