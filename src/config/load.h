#pragma once

/*
 * Reading a small file together with what its inode says, so that both are of the same file.
 */

#include "util/error.h"

#include <stddef.h>
#include <sys/stat.h>

/* Reads a regular file of at most `max` bytes (-EFBIG beyond). The text is owned, NUL-terminated
 * beyond *ret_length. Follows links; does not wait on anything that is not a file. The error does
 * not name the path. */
int load_file(const char *path, size_t max, char **ret_text, size_t *ret_length,
    struct stat *ret_stat, struct error *error);
