#pragma once

/*
 * What every stage needs of descriptors and files. Returns are 0 (or a count) or -errno.
 * All calls go on after EINTR.
 */

#include "util/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Writes all of it to a blocking descriptor, across short writes. */
int fd_write_all(int fd, const void *data, size_t length);

int fd_set_nonblocking(int fd, bool nonblocking);

/* Reads a whole regular file into memory owned by the caller, NUL-terminated beyond *ret_length
 * (which may be NULL). More than `max` bytes: -EFBIG; not a regular file: -EINVAL, without waiting
 * for a FIFO's other end; somebody still writing it: -EBUSY. Follows links. */
int fd_read_file(
    const char *path, size_t max, char **ret_data, size_t *ret_length, struct error *error);

/* Syncs the directory that holds `path`, so that a new or renamed entry survives a power cut. */
int fd_sync_parent(const char *path);
