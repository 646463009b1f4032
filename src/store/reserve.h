#pragma once

/*
 * Disk space kept back for the day when there is none: a file beside the store, given back in two
 * parts. See reserve.c.
 */

#include "util/error.h"

#include <stdatomic.h>
#include <stdint.h>

struct reserve {
    char *path;            /* owned; NULL: there is none */
    uint64_t want;         /* bytes; 0: none is kept */
    _Atomic uint64_t held; /* as last known; written by one thread, read by any */
};

#define RESERVE_INIT \
    {                \
        .path = NULL \
    }

/* Of the reserve so much stays when the rest is given back; see reserve.c. */
#define RESERVE_REST ((uint64_t)1 << 20)

/* Sets up for `<store_path>.reserve`, without touching it. `want` is lowered to a sixteenth of the
 * file system, lest the reserve be what fills a small one. 0 or -errno; reserve_done is due in any
 * case. */
int reserve_init(
    struct reserve *reserve, const char *store_path, uint64_t want, struct error *error);
void reserve_done(struct reserve *reserve);

/* Finds out what an earlier process left. Only what has blocks on the disk counts. */
void reserve_look(struct reserve *reserve);

/* Makes it hold `bytes` (at most `want`), allocated and synced. On failure it holds what it held
 * before. 0 or -errno. */
int reserve_grow(struct reserve *reserve, uint64_t bytes, struct error *error);

/* Gives back all but `bytes`; 0 removes the file. */
void reserve_shrink(struct reserve *reserve, uint64_t bytes);

/* What stays for the next start when the reserve is given back while the store is open. */
uint64_t reserve_rest(const struct reserve *reserve);
