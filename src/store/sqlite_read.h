#pragma once

/*
 * The reading half of the SQLite store. Private to sqlite*.c.
 *
 * A reader is a connection of its own, opened read-only. It never keeps a statement open while its
 * caller works: rows are copied, the statement is reset, then they are handed on. So no callback,
 * however slow, keeps the WAL from being brought home, and each step sees what was committed
 * before it.
 */

#include "store/backend.h"
#include "store/sqlite_db.h"

struct sqlite_store;

struct sqlite_reader {
    struct store_reader base;
    struct db db;
    struct sqlite_store *store; /* only for what is for any thread */
};

static inline struct db *reader_db(struct store_reader *reader)
{
    return &((struct sqlite_reader *)(void *)reader)->db;
}

static inline struct sqlite_store *reader_store(struct store_reader *reader)
{
    return ((struct sqlite_reader *)(void *)reader)->store;
}

/* sqlite_read_deliveries.c */
ssize_t sqlite_scan(struct store_reader *reader, uint64_t after, size_t limit, store_delivery_fn fn,
    void *context, struct error *error);
ssize_t sqlite_scan_rows(struct store_reader *reader, uint32_t sink, enum store_state state,
    uint64_t after, size_t limit, store_row_fn fn, void *context, struct error *error);
int sqlite_fetch(
    struct store_reader *reader, uint64_t seq, struct delivery **ret_delivery, struct error *error);

/* Copies a delivery, without body, within what the caller reads. SQLITE_DONE: it is not there. */
int sqlite_copy_delivery(struct db *db, uint64_t seq, struct delivery **ret_delivery);

/* sqlite_query.c */
int sqlite_find(struct store_reader *reader, const struct store_query *query,
    struct store_walk *walk, struct store_found *found, struct error *error);
int sqlite_read_sink_row(struct store_reader *reader, uint32_t sink, uint64_t seq,
    struct store_sink_row *ret_row, struct error *error);
int sqlite_read_oldest_pending(
    struct store_reader *reader, uint32_t sink, int64_t *ret_received_at_usec, struct error *error);
int sqlite_read_stats(
    struct store_reader *reader, struct store_stats *ret_stats, struct error *error);
