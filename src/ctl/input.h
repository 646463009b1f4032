#pragma once

/*
 * Files that a person names on the command line: regular ones, pipes (as a shell's <(…) makes
 * them) and, where said, "-" for stdin.
 */

#include "util/buf.h"
#include "util/error.h"

#include <stddef.h>

/* Appends the whole of a file. "-" is stdin. More than `max` bytes: -EFBIG. 0 or -errno. */
int input_read(const char *path, size_t max, struct buf *buf, struct error *error);

/* The same for a file that holds one line of text, such as a token: without one newline at its end,
 * and "-" is a file's name. */
int input_read_line(const char *path, size_t max, struct buf *buf, struct error *error);
