#include "record.h"

/*
 * Faults that are put into the daemon to see that the laboratory finds them. SASHA_RECORD_BREAK:
 *
 * normal  PRAGMA synchronous = NORMAL behind the daemon's back, once it has verified FULL
 * folder  no directory is ever synced
 * sink    no .jsonl file is ever synced
 */

#include <stdlib.h>
#include <string.h>

bool record_is_broken(const char *fault)
{
    const char *broken = getenv("SASHA_RECORD_BREAK");

    return broken && strcmp(broken, fault) == 0;
}

bool record_skips_sync(const struct record_name *name)
{
    if (name->object == RECORD_FOLDER)
        return record_is_broken("folder");
    return strstr(name->path, ".jsonl") && record_is_broken("sink");
}

/* The store calls this last, when it has set its connection up. */
void *sqlite3_wal_hook(void *handle, int (*hook)(void *, void *, const char *, int), void *context);
void *sqlite3_wal_hook(void *handle, int (*hook)(void *, void *, const char *, int), void *context)
{
    void *(*next)(void *, int (*)(void *, void *, const char *, int), void *) =
        record_next("sqlite3_wal_hook");
    int (*exec)(void *, const char *, void *, void *, void *) = record_next("sqlite3_exec");

    if (record_is_broken("normal") &&
        exec(handle, "PRAGMA synchronous = NORMAL", NULL, NULL, NULL) != 0)
        abort();
    return next(handle, hook, context);
}
