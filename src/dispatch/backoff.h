#pragma once

/*
 * How long to wait after a failure. Pure: the random number comes in.
 *
 * The n-th failure in a row waits between half and all of min(first * 2^(n-1), max), spread evenly.
 * Jitter goes down only, so that `max` is a bound and two failures never wait longer than the conf
 * says; half is enough to pull apart what failed together.
 */

#include <stdint.h>

/* min(first * 2^(failures-1), max), without overflow. `failures` counts from 1 (0 is taken as 1), a
 * `first_usec` below 1 as 1. */
int64_t backoff_base(int64_t first_usec, int64_t max_usec, unsigned int failures);

/* The base with jitter: at least half of it, at most all. `random`: any 64 even bits. */
int64_t backoff_delay(int64_t first_usec, int64_t max_usec, unsigned int failures, uint64_t random);
