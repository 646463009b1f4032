#pragma once

/*
 * Whether two paths lead to one file, whatever way they are written.
 *
 * Looks with stat only: the store may be open in this process, and closing a descriptor of its file
 * would drop the locks on it. Where nothing can be looked at, the texts are compared.
 */

#include <stdbool.h>

/* Whether two file sinks would write to one file. A path with {job_id} stands for the file of any
 * job. */
bool place_is_shared(const char *path, const char *other);

/* The file of the store at `store` that a file sink at `path` would write to, as what is added to
 * the store's own name: "" for the database, "-wal", "-shm", "-journal", ".lock". Static; NULL when
 * there is none. */
const char *place_in_store(const char *path, const char *store);
