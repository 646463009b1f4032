#pragma once

/*
 * What the tests of the store share: a clock that the test sets, a folder that goes away again, a
 * store over either backend, deliveries and one-line commits. One rig a test; each test is a
 * process of its own.
 */

#include "store/store.h"
#include "util/cleanup.h"
#include "util/hash.h"

#include <check.h>
#include <errno.h>
#include <ftw.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum rig_backend {
    RIG_SQLITE,
    RIG_MEMORY,
    RIG_N_BACKENDS,
};

static struct rig {
    char folder[64];
    char path[96];
    _Atomic int64_t realtime;
    _Atomic int64_t monotonic;
    struct clock clock;
    enum rig_backend backend;
    uint64_t reserve; /* of stores opened from now on */
    size_t stage;     /* how many appends of a batch are staged at a time; 0: none */
    struct store *store;
    struct store_reader *reader;
    struct error error;
} rig;

/* Where the folder is made. A test that has nothing to do with a disk names one in memory. */
static const char *rig_root = "/tmp";

#define RIG_OK(result) \
    ck_assert_msg((result) == STORE_OK, "not STORE_OK at line %d: %s", __LINE__, rig.error.text)

static inline int64_t rig_realtime(void *context)
{
    return rig.realtime;
}

static inline int64_t rig_monotonic(void *context)
{
    return rig.monotonic;
}

static inline void rig_advance(int64_t usec)
{
    rig.realtime += usec;
    rig.monotonic += usec;
}

static inline int rig_open_error(uint64_t disk_floor, struct store **ret_store)
{
    const struct store_options options = {rig.path, &rig.clock, disk_floor, rig.reserve};

    rig.error = (struct error)ERROR_INIT;
    return rig.backend == RIG_SQLITE ? store_open_sqlite(&options, ret_store, &rig.error)
                                     : store_open_memory(&options, ret_store, &rig.error);
}

static inline void rig_open(void)
{
    int r = rig_open_error(0, &rig.store);

    ck_assert_msg(r == 0, "%s", rig.error.text);
    ck_assert_int_eq(store_reader_open(rig.store, &rig.reader, &rig.error), 0);
}

static inline void rig_close(void)
{
    store_reader_close(TAKE(rig.reader));
    store_close(TAKE(rig.store));
}

/* Without a store open. */
static inline void rig_prepare(enum rig_backend backend)
{
    rig.backend = backend;
    rig.realtime = INT64_C(1767225600) * USEC_PER_SEC;
    rig.monotonic = 1000 * USEC_PER_SEC;
    rig.clock = (struct clock){rig_realtime, rig_monotonic, NULL};
    snprintf(rig.folder, sizeof(rig.folder), "%s/store-test-XXXXXX", rig_root);
    ck_assert_ptr_nonnull(mkdtemp(rig.folder));
    snprintf(rig.path, sizeof(rig.path), "%s/deliveries.db", rig.folder);
}

static inline void rig_start(enum rig_backend backend)
{
    rig_prepare(backend);
    rig_open();
}

static inline int rig_remove(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
    return remove(path);
}

static inline void rig_stop(void)
{
    rig_close();
    nftw(rig.folder, rig_remove, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- deliveries ---- */

static inline struct digest rig_digest(const void *data, size_t length)
{
    uint64_t halves[2] = {hash_bytes(data, length), 0};
    struct digest digest;

    halves[1] = hash_u64(halves[0]);
    memcpy(digest.bytes, halves, sizeof(digest.bytes));
    return digest;
}

/* Borrows everything. */
static inline struct delivery rig_delivery_of(
    const char *id, const char *job_id, int64_t updated_at, bool terminal, const char *body)
{
    return (struct delivery){
        .received_at_usec = rig.realtime,
        .updated_at_usec = updated_at,
        .terminal = terminal,
        .id_digest = rig_digest(id, strlen(id)),
        .body_digest = rig_digest(body, strlen(body)),
        .endpoint = "main",
        .request_id = id,
        .secret = "current",
        .job_id = job_id,
        .type = "embed-signature",
        .status = terminal ? "completed" : "pending",
        .body = (const unsigned char *)body,
        .body_length = strlen(body),
    };
}

static inline struct delivery rig_delivery(const char *id)
{
    return rig_delivery_of(id, id, 0, false, "{}");
}

/* ---- commits ---- */

/* Commits; first stages as many appends at a time as rig.stage says. */
static inline enum store_result rig_commit(struct store_batch *batch)
{
    const size_t n = batch->n_appends;

    for (size_t ready = rig.stage; rig.stage > 0 && ready <= n; ready += rig.stage) {
        batch->n_appends = ready;
        store_stage(rig.store, batch, &rig.error);
    }
    batch->n_appends = n;
    return store_commit(rig.store, batch, &rig.error);
}

static inline enum store_result rig_append(
    const struct delivery *delivery, struct store_append *ret_append)
{
    struct store_append append = {.delivery = delivery, .verdict = STORE_VERDICT_REFUSED};
    struct store_append *appends[] = {&append};
    struct store_batch batch = {.appends = appends, .n_appends = 1};
    enum store_result result;

    rig.error = (struct error)ERROR_INIT;
    result = rig_commit(&batch);
    *ret_append = append;
    return result;
}

/* Appends one that is new and has nothing special; returns its seq. */
static inline uint64_t rig_append_new(void)
{
    static unsigned int number;
    char id[32];
    struct store_append append;
    struct delivery delivery;

    snprintf(id, sizeof(id), "new-%u", number++);
    delivery = rig_delivery(id);
    RIG_OK(rig_append(&delivery, &append));
    ck_assert_int_eq(append.verdict, STORE_VERDICT_STORED);
    return append.seq;
}

/* The same n times, in one batch. */
static inline void rig_append_many(size_t n)
{
    static unsigned int number;
    CLEANUP(free) struct store_append *appends = calloc(n, sizeof(*appends));
    CLEANUP(free) struct store_append **pointers = calloc(n, sizeof(struct store_append *));
    CLEANUP(free) struct delivery *deliveries = calloc(n, sizeof(*deliveries));
    CLEANUP(free) char *ids = calloc(n, 32);
    struct store_batch batch = {.appends = pointers, .n_appends = n};

    for (size_t i = 0; i < n; i++) {
        snprintf(ids + 32 * i, 32, "many-%u", number++);
        deliveries[i] = rig_delivery(ids + 32 * i);
        appends[i] = (struct store_append){.delivery = &deliveries[i]};
        pointers[i] = &appends[i];
    }
    RIG_OK(rig_commit(&batch));
    for (size_t i = 0; i < n; i++)
        ck_assert_int_eq(appends[i].verdict, STORE_VERDICT_STORED);
}

static inline enum store_result rig_settle(const struct store_settle *settle)
{
    const struct store_settle *settles[] = {settle};
    struct store_batch batch = {.settles = settles, .n_settles = 1};

    rig.error = (struct error)ERROR_INIT;
    return rig_commit(&batch);
}

/* One outcome of a sink, the frontier staying or going to `frontier`. */
static inline void rig_outcome(
    uint32_t sink, uint64_t frontier, int64_t delivered, uint64_t seq, enum store_state state)
{
    const struct store_outcome outcome = {.seq = seq, .state = state, .attempts = 1};
    const struct store_settle settle = {
        .sink = sink,
        .frontier = frontier,
        .delivered = delivered,
        .outcomes = &outcome,
        .n_outcomes = 1,
    };

    RIG_OK(rig_settle(&settle));
}

/* Moves a sink's frontier, all delivered. */
static inline void rig_deliver_to(struct store_sink *sink, uint64_t frontier)
{
    const struct store_settle settle = {
        .sink = sink->id,
        .frontier = frontier,
        .delivered = (int64_t)(frontier - sink->frontier),
    };

    RIG_OK(rig_settle(&settle));
    sink->frontier = frontier;
}

static inline struct store_sink rig_register(const char *name)
{
    struct store_sink sink;

    RIG_OK(store_register_sink(rig.store, name, &sink, &rig.error));
    return sink;
}

static inline void rig_set_active(const struct store_sink *sink)
{
    RIG_OK(store_set_active_sinks(rig.store, sink ? &sink->id : NULL, sink ? 1 : 0, &rig.error));
}

static inline struct store_sink rig_read_sink(uint32_t id)
{
    struct store_sink sink;
    uint64_t head;

    ck_assert_int_eq(store_read_sink(rig.reader, id, &sink, &rig.error), 0);
    ck_assert_int_eq(store_read_head(rig.reader, &head, &rig.error), 0);
    /* G5, for whatever the test did. */
    ck_assert_uint_eq(head - sink.start + sink.requeued,
        sink.delivered + sink.filtered + sink.dropped + sink.dead + sink.pending_rows + head -
            sink.frontier);
    return sink;
}

/* ---- walks ---- */

struct rig_seqs {
    uint64_t seqs[4096];
    size_t n;
    size_t stop_at; /* 0: never */
};

static inline int rig_note_seq(struct rig_seqs *seqs, uint64_t seq)
{
    ck_assert_uint_lt(seqs->n, ARRAY_SIZE(seqs->seqs));
    seqs->seqs[seqs->n++] = seq;
    return seqs->n == seqs->stop_at;
}

static inline int rig_on_delivery(const struct delivery *delivery, void *context)
{
    ck_assert_ptr_null(delivery->body);
    return rig_note_seq(context, delivery->seq);
}

static inline int rig_on_row(const struct store_row *row, void *context)
{
    return rig_note_seq(context, row->delivery->seq);
}

static inline size_t rig_count_deliveries(void)
{
    static struct rig_seqs seqs;

    seqs.n = 0;
    ck_assert_int_ge(store_scan(rig.reader, 0, SIZE_MAX, rig_on_delivery, &seqs, &rig.error), 0);
    return seqs.n;
}

static inline bool rig_has(uint64_t seq)
{
    CLEANUP(delivery_free) struct delivery *delivery = NULL;
    int r = store_fetch(rig.reader, seq, &delivery, NULL);

    ck_assert(r == 0 || r == -ENOENT);
    return r == 0;
}
