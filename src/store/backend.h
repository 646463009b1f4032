#pragma once

/*
 * What a backend of the store fills in, and what every backend judges alike.
 *
 * A backend embeds struct store and struct store_reader as first members. The front (store.c)
 * checks arguments, latches on the first STORE_FAILED and never calls a latched backend again but
 * for get_stats and close. Each op is called with the same threads and contracts as the function of
 * store.h that it stands behind.
 */

#include "store/backup.h"
#include "store/query.h"

#include <stdatomic.h>

struct store_ops {
    void (*close)(struct store *store, bool failed);
    enum store_result (*register_sink)(
        struct store *store, const char *name, struct store_sink *ret_sink, struct error *error);
    enum store_result (*set_active_sinks)(
        struct store *store, const uint32_t *ids, size_t n, struct error *error);
    enum store_result (*set_paused)(
        struct store *store, uint32_t sink, bool paused, struct error *error);
    enum store_result (*commit)(
        struct store *store, struct store_batch *batch, struct error *error);
    /* STORE_FAILED, or STORE_OK; NULL where there is nothing to be done beforehand. */
    enum store_result (*stage)(struct store *store, struct store_batch *batch, struct error *error);
    enum store_result (*maintain)(struct store *store, bool idle, struct error *error);
    enum store_result (*prune)(struct store *store, const struct store_retention *retention,
        bool *ret_more, struct error *error);
    void (*get_stats)(struct store *store, struct store_stats *ret_stats);
    int (*reader_open)(struct store *store, struct store_reader **ret_reader, struct error *error);

    /* All or none: NULL where there are other ways to make a backup. */
    int (*backup_begin)(struct store *store, const char *path, struct store_backup **ret_backup,
        struct error *error);
    int (*backup_step)(struct store_backup *backup, struct store_backup_progress *ret_progress,
        struct error *error);
    void (*backup_end)(struct store_backup *backup);
    int (*backup_check)(const char *path, const _Atomic bool *cancelled, struct error *error);
};

/* Where a query is. */
struct store_walk {
    uint64_t at; /* go on after this seq in the direction of the walk; 0: from the start */
    size_t left; /* deliveries that may still be looked at; find stops at 0 */
    bool ended;  /* there are no more */
};

/* What a query found so far. */
#define STORE_FOUND_MAX 64
struct store_found {
    size_t room; /* 1 to STORE_FOUND_MAX: find stops when so many are found */
    size_t n;
    struct delivery *deliveries[STORE_FOUND_MAX]; /* owned by the front, also when find fails */
};

struct store_reader_ops {
    void (*close)(struct store_reader *reader);
    ssize_t (*scan)(struct store_reader *reader, uint64_t after, size_t limit, store_delivery_fn fn,
        void *context, struct error *error);
    int (*fetch)(struct store_reader *reader, uint64_t seq, struct delivery **ret_delivery,
        struct error *error);
    ssize_t (*scan_rows)(struct store_reader *reader, uint32_t sink, enum store_state state,
        uint64_t after, size_t limit, store_row_fn fn, void *context, struct error *error);
    int (*read_sink)(struct store_reader *reader, uint32_t sink, struct store_sink *ret_sink,
        struct error *error);
    int (*read_head)(struct store_reader *reader, uint64_t *ret_head, struct error *error);
    ssize_t (*scan_attempts)(struct store_reader *reader, uint64_t seq, store_attempt_fn fn,
        void *context, struct error *error);
    ssize_t (*scan_conflicts)(struct store_reader *reader, uint64_t seq, store_conflict_fn fn,
        void *context, struct error *error);

    /* Goes on with a walk: adds deliveries that fit, without bodies, in the order of the walk,
     * until `found` has no room or the walk is to stop. `from` and `limit` of the query are the
     * front's business. -ENOENT: the query's sink was never registered. */
    int (*find)(struct store_reader *reader, const struct store_query *query,
        struct store_walk *walk, struct store_found *found, struct error *error);
    int (*read_sink_row)(struct store_reader *reader, uint32_t sink, uint64_t seq,
        struct store_sink_row *ret_row, struct error *error);
    int (*read_oldest_pending)(struct store_reader *reader, uint32_t sink,
        int64_t *ret_received_at_usec, struct error *error);
    /* All but `failed`. */
    int (*read_stats)(
        struct store_reader *reader, struct store_stats *ret_stats, struct error *error);
};

struct store {
    const struct store_ops *ops;
    _Atomic bool failed;  /* set by the writer's thread, read by any */
    struct error failure; /* why; set once; the writer's */
};

/* First member of a backend's own. */
struct store_backup {
    struct store *store; /* set by the front */
};

struct store_reader {
    const struct store_reader_ops *ops;
    const struct store *store; /* outlives its readers; set by the front */
};
