#pragma once

/*
 * What the tests of the writer share: a store that is told what to do and when to fail, works that
 * count how often they come back, a writer over it. One writer a test; each test is a process of
 * its own.
 */

#include "store/backend.h"
#include "store/writer.h"
#include "store_rig.h"

#include "util/log.h"

/* ---- a store that is told what to do ---- */

struct fake_store {
    struct store base;
    /* The n-th call of any op answers `result`. */
    _Atomic unsigned int fail_at; /* 0: never */
    _Atomic enum store_result result;
    _Atomic unsigned int calls;
    _Atomic bool hit;

    _Atomic uint64_t head;
    _Atomic unsigned int commits, stages, idle_maintains, prunes;
    _Atomic unsigned int more_prunes; /* so many times there is more to prune */
    _Atomic size_t most_work, most_bytes;
    _Atomic bool stages_nothing;
    _Atomic bool has_no_room;                /* OK, but nothing is taken */
    _Atomic int refusal;                     /* the same for this reason; 0: none */
    _Atomic bool is_locked;                  /* commits are unavailable */
    _Atomic enum store_result upkeep;        /* what maintaining answers, for want of room */
    _Atomic int64_t prune_usec, commit_usec; /* that each of them takes */
    _Atomic int prune_code;                  /* why nothing was pruned; 0: it was */
    _Atomic bool has_failed;
    _Atomic unsigned int looks_after; /* of these, after it failed */
};

static struct fake_store fake;
static _Atomic bool fake_disk_full, fake_below_floor; /* what the stats say */

static inline enum store_result fake_result(struct error *error)
{
    fake.calls++;
    if (fake.calls != fake.fail_at)
        return STORE_OK;
    fake.hit = true;
    error_set(error, EIO, "told to fail");
    return fake.result;
}

static inline enum store_result fake_commit(
    struct store *store, struct store_batch *batch, struct error *error)
{
    enum store_result result = fake_result(error);
    const bool is_refused = fake.has_no_room || fake.refusal != 0;
    size_t bytes = 0, work = batch->n_appends + batch->n_settles;

    fake.commits++;
    if (fake.is_locked) {
        error_set(error, EBUSY, "somebody holds it");
        return STORE_UNAVAILABLE;
    }
    for (size_t i = 0; i < batch->n_appends; i++)
        bytes += batch->appends[i]->delivery->body_length;
    if (work > fake.most_work)
        fake.most_work = work;
    if (bytes > fake.most_bytes)
        fake.most_bytes = bytes;
    for (size_t i = 0; result == STORE_OK && i < batch->n_appends; i++) {
        batch->appends[i]->verdict = is_refused ? STORE_VERDICT_REFUSED : STORE_VERDICT_STORED;
        batch->appends[i]->seq = ++fake.head;
    }
    if (fake.has_no_room)
        error_set(error, ENOSPC, "no room");
    if (fake.refusal != 0)
        error_set(error, fake.refusal, "refused for a reason");
    rig_advance(fake.commit_usec);
    return result;
}

static inline enum store_result fake_stage(
    struct store *store, struct store_batch *batch, struct error *error)
{
    enum store_result result = fake_result(error);

    if (result == STORE_OK && !fake.stages_nothing)
        batch->n_staged = batch->n_appends;
    fake.stages++;
    return result;
}

static inline enum store_result fake_maintain(struct store *store, bool idle, struct error *error)
{
    enum store_result result = fake_result(error);

    fake.idle_maintains += idle;
    if (fake.upkeep == STORE_OK)
        return result;
    error_set(error, ENOSPC, "no room to tidy up");
    fake.has_failed = fake.upkeep == STORE_FAILED;
    return fake.upkeep;
}

static inline enum store_result fake_prune(struct store *store,
    const struct store_retention *retention, bool *ret_more, struct error *error)
{
    fake.prunes++;
    *ret_more = fake.prunes < fake.more_prunes;
    rig_advance(fake.prune_usec);
    if (fake.prune_code != 0)
        error_set(error, fake.prune_code, "the clock is ahead");
    return fake.prune_code == EBUSY ? STORE_UNAVAILABLE : fake_result(error);
}

static inline enum store_result fake_set_active(
    struct store *store, const uint32_t *ids, size_t n, struct error *error)
{
    return fake_result(error);
}

static inline void fake_get_stats(struct store *store, struct store_stats *ret_stats)
{
    fake.looks_after += fake.has_failed;
    *ret_stats = (struct store_stats){.disk_full = fake_disk_full, .below_floor = fake_below_floor};
}

static inline void fake_close(struct store *store, bool failed)
{
}

static const struct store_ops fake_ops = {
    .close = fake_close,
    .set_active_sinks = fake_set_active,
    .commit = fake_commit,
    .stage = fake_stage,
    .maintain = fake_maintain,
    .prune = fake_prune,
    .get_stats = fake_get_stats,
};

/* ---- what comes back ---- */

static struct {
    _Atomic unsigned int stored_told, failed_told;
    struct error failure;
} told;

static inline void on_stored(void *context)
{
    told.stored_told++;
}

static inline void on_failed(void *context, const struct error *error)
{
    told.failure = *error;
    told.failed_told++;
}

struct test_work {
    struct store_work work; /* first: done() finds its way back by it */
    struct delivery delivery;
    char id[32];
    _Atomic unsigned int done;
    struct mailbox *back; /* NULL: just count */
};

static inline void on_done(struct store_work *work)
{
    struct test_work *test_work = (struct test_work *)(void *)work;

    test_work->done++;
    if (test_work->back)
        mailbox_post(test_work->back, &work->item);
}

static inline void make_append(struct test_work *work, const char *id)
{
    snprintf(work->id, sizeof(work->id), "%s", id);
    work->delivery = rig_delivery(work->id);
    work->work = (struct store_work){
        .kind = STORE_WORK_APPEND,
        .done = on_done,
        .append = {.delivery = &work->delivery},
    };
}

static inline void make_settle(struct test_work *work)
{
    work->work =
        (struct store_work){.kind = STORE_WORK_SETTLE, .done = on_done, .settle = {.sink = 1}};
}

static inline void on_call(struct store *store, struct store_work *work)
{
    (void)store_set_active_sinks(store, NULL, 0, NULL);
}

static inline void make_call(struct test_work *work)
{
    work->work = (struct store_work){.kind = STORE_WORK_CALL, .done = on_done, .call = on_call};
}

static struct store_writer *writer;

static inline void start_on(struct store *store, const struct clock *clock)
{
    const struct store_writer_options options = {
        .store = store,
        .clock = clock,
        .retention = {USEC_PER_DAY, USEC_INFINITY},
        .stored = on_stored,
        .failed = on_failed,
    };

    ck_assert_int_eq(store_writer_start(&options, &writer, &rig.error), 0);
}

static inline void start_fake_failing(unsigned int n, enum store_result result)
{
    log_init(LOG_LEVEL_ERR, LOG_FORMAT_TEXT);
    rig.realtime = rig.monotonic = 1000 * USEC_PER_SEC;
    rig.clock = (struct clock){rig_realtime, rig_monotonic, NULL};
    memset(&fake, 0, sizeof(fake));
    fake.base.ops = &fake_ops;
    fake.fail_at = n;
    fake.result = result;
    told.stored_told = 0;
    told.failed_told = 0;
    start_on(&fake.base, &rig.clock);
}

static inline void start_fake(void)
{
    start_fake_failing(0, STORE_OK);
}

static inline void nothing(struct store *store, void *context)
{
}

/* Everything posted before has come back after it. */
static inline enum store_result barrier(void)
{
    return store_writer_call(writer, nothing, NULL);
}
