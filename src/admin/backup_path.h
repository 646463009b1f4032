#pragma once

/*
 * Where a backup may go, and how it gets its name. See backup.h.
 */

#include "util/error.h"

#include <limits.h>

struct backup_path {
    char final[PATH_MAX]; /* with every link of the folder followed */
    char part[PATH_MAX];
};

/* Finds out what is meant by `text`, and refuses what is no new file, or could be taken for one of
 * the store's. Returns 0 or -errno. */
int backup_path_find(
    const char *text, const char *store_path, struct backup_path *ret_path, struct error *error);

/* Makes the file under its .part name; the descriptor is the caller's. -EEXIST: that is taken, by
 * another daemon's backup perhaps. */
int backup_path_create(const struct backup_path *path, int *ret_fd, struct error *error);

/* Gives it its own name, unless somebody else took that meanwhile, and syncs the folder. On failure
 * it does not have that name. */
int backup_path_finish(const struct backup_path *path, struct error *error);

void backup_path_remove(const struct backup_path *path);
