#pragma once

/*
 * A row of numbers as a row of bars, one character each. Pure.
 */

#include "util/buf.h"

#include <stdbool.h>
#include <stddef.h>

/* Values are not negative. 0 is a blank, the highest the full bar; a small one is never a blank.
 * 0 or -ENOMEM. */
int plot_append(struct buf *out, const double *values, size_t n, bool ascii);
