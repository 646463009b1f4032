#pragma once

/*
 * Where a secret comes from: "credential:NAME", "file:PATH", "env:NAME" or "value:TEXT".
 */

#include "util/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

/* The most bytes of a secret's text. */
#define SOURCE_MAX 4096

/* Whether the secret itself stands in the conf file. */
bool source_is_inline(const char *source);

/* Whether `source` may be shown: the name of a place, nothing else. */
bool source_is_showable(const char *source);

/* Reads the secret: owned, NUL-terminated beyond *ret_length, without one trailing newline, never
 * empty; to be wiped and freed. A file must be a regular one that nobody but its owner can touch,
 * and the owner root or ourselves; for a credential, the service manager may give a group the right
 * to read. Returns 0 or -errno with an error that does not quote the secret, nor a source that is
 * not well-formed (it may be a secret in the wrong place). */
int source_load(const char *source, char **ret_text, size_t *ret_length, struct error *error);

/* Whether a file that holds secrets is safe: owner root or ourselves, and none of the mode bits in
 * `forbidden`. The error says what to
 * run. */
int source_check_stat(
    const char *path, const struct stat *stat, mode_t forbidden, struct error *error);
