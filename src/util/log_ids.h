#pragma once

/*
 * Every kind of event that is logged, each with the id that the journal knows it by.
 *
 * The id is the entry's MESSAGE_ID (systemd.journal-fields(7)): `journalctl MESSAGE_ID=...` finds
 * the event in any version of the daemon, and `journalctl -x` explains it from the catalog. Tests
 * hold the table against the names that the code logs, the catalog and the man page.
 *
 * Pure, from any thread.
 */

#include <stddef.h>

#define LOG_ID_LENGTH 32

struct log_id {
    const char *event;
    const char *id; /* LOG_ID_LENGTH lower-case hex digits */
};

/* The id of an event, or NULL for one that is not in the table. */
const char *log_id_find(const char *event);

/* All rows, sorted by event. */
const struct log_id *log_id_rows(size_t *ret_n);
