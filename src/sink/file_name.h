#pragma once

/*
 * From a job's id to the name of its file. Pure.
 */

#include "util/error.h"

#include <limits.h>
#include <stddef.h>

#define FILE_NAME_SIZE (NAME_MAX + 1)

/* What stands for the job's id in a path. */
#define FILE_NAME_FIELD "{job_id}"

/* Writes the name: `template` with its FILE_NAME_FIELD replaced by the id. Of the id, everything
 * but letters, digits, '.', '_' and '-' becomes %XX, and so does a '.' at its beginning: a name
 * cannot leave its directory, hide, or meet another id's. One that would be longer than NAME_MAX
 * ends early, with '~' and 16 hex digits of a hash of the whole id in place of the rest.
 * The template was checked by file_name_check. */
void file_name_make(const char *template, const char *job_id, char name[static FILE_NAME_SIZE]);

/* Whether the last part of a path is fit as a template: it holds the field once, and leaves room.
 * Returns 0 or -EINVAL. */
int file_name_check(const char *template, struct error *error);
