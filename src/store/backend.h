#pragma once

/*
 * What a backend of the store fills in, and what every backend judges alike.
 *
 * A backend embeds struct store and struct store_reader as first members. The front (store.c)
 * checks arguments, latches on the first STORE_FAILED and never calls a latched backend again but
 * for get_stats and close. Each op is called with the same threads and contracts as the function of
 * store.h that it stands behind.
 */

#include "store/store.h"

struct store_ops {
    void (*close)(struct store *store, bool failed);
    enum store_result (*register_sink)(
        struct store *store, const char *name, struct store_sink *ret_sink, struct error *error);
    enum store_result (*set_active_sinks)(
        struct store *store, const uint32_t *ids, size_t n, struct error *error);
    enum store_result (*commit)(
        struct store *store, struct store_batch *batch, struct error *error);
    enum store_result (*maintain)(struct store *store, bool idle, struct error *error);
    enum store_result (*prune)(struct store *store, const struct store_retention *retention,
        bool *ret_more, struct error *error);
    void (*get_stats)(struct store *store, struct store_stats *ret_stats);
    int (*reader_open)(struct store *store, struct store_reader **ret_reader, struct error *error);
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
};

struct store {
    const struct store_ops *ops;
    bool failed;
    struct error failure; /* why; set once */
};

struct store_reader {
    const struct store_reader_ops *ops;
};
