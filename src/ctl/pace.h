#pragma once

/*
 * How fast an action goes: --rate. Pure.
 */

#include "util/error.h"

#include <stddef.h>
#include <stdint.h>

struct pace {
    uint64_t count; /* so many … */
    int64_t usec;   /* … in so long; 0: as fast as it can */
};

/* "20/s", "100/m", "1000/h"; a number alone is a second's. Returns 0 or -EINVAL. */
int pace_parse(const char *text, struct pace *ret_pace, struct error *error);

/* How many go at a time: what a second holds, 1 to `max`. */
size_t pace_chunk(const struct pace *pace, size_t max);

/* When, after the start, the next one may go once `done` went. */
int64_t pace_due_usec(const struct pace *pace, uint64_t done);
