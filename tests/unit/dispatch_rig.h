#pragma once

/*
 * A bench for dispatch: a store in memory behind its real writer, and sinks made of paper.
 *
 * A fake sink is found by its name; it notes what it got and answers as told. What it notes is
 * under its lock, because runners have threads of their own. The store's ops can be broken from
 * outside. Included by the test_dispatch*.c, each of which is one executable.
 */

#include "dispatch/dispatch.h"
#include "store/backend.h"
#include "util/log.h"

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MSEC USEC_PER_MSEC
#define RIG_PATIENCE (20 * USEC_PER_SEC)

enum { FAKES = 4, RECORDS_MAX = 20000, HELD_MAX = 512 };

/* ---- fake sinks ---- */

enum fake_mode {
    FAKE_AT_ONCE, /* done within deliver */
    FAKE_LATER,   /* done after `delay_usec` */
    FAKE_HOLDS,   /* done when cancelled */
};

struct record {
    uint64_t seq;
    char job[16];
    unsigned int attempt;
    bool replay;
    unsigned int maker; /* which making of the sink got it */
    enum sink_result result;
    bool ended;
};

struct fake {
    char name[16];
    struct sink_ops ops;
    enum fake_mode mode;
    int64_t delay_usec;
    /* What becomes of an item; NULL: delivered. Under the lock. */
    enum sink_result (*decide)(struct fake *fake, const struct sink_item *item);
    const char *output;
    sem_t *gate; /* deliver waits for it, each time */
    /* On the runner's thread, around each deliver. */
    void (*before)(struct fake *fake);
    void (*after)(struct fake *fake);

    pthread_mutex_t lock;
    unsigned int makes, frees, starts, start_failures, reopens, cancels;
    struct record records[RECORDS_MAX];
    size_t n_records;
    size_t n_delivered;
    unsigned int running, running_max, batch_max;
    bool order_broken; /* two of one job at a time */
    unsigned char mark[8];
    size_t mark_length;
    uint64_t found[64];
    size_t n_found;
    unsigned char recovered_from[8];
    size_t recovered_length;
};

struct fake_item {
    struct fake_sink *sink;
    struct sink_item *item;
    size_t record;
    sd_event_source *timer;
};

struct fake_sink {
    struct sink base;
    struct fake *fake;
    struct sink_host host;
    unsigned int maker;
    struct fake_item held[HELD_MAX];
};

static struct fake fakes[FAKES];

static inline enum sink_result fake_verdict(struct fake *fake, const struct sink_item *item)
{
    return fake->decide ? fake->decide(fake, item) : SINK_DELIVERED;
}

static inline void fake_finish(struct fake_item *held, enum sink_result result)
{
    struct fake_sink *sink = held->sink;
    struct fake *fake = sink->fake;
    struct sink_item *item = held->item;

    sd_event_source_disable_unref(held->timer);
    held->timer = NULL;
    held->item = NULL;
    snprintf(item->result, sizeof(item->result), "%s", result == SINK_DELIVERED ? "ok" : "told so");
    item->duration_usec = 7;
    if (fake->output) {
        item->output = strdup(fake->output);
        item->output_length = strlen(fake->output);
    }
    pthread_mutex_lock(&fake->lock);
    fake->records[held->record].result = result;
    fake->records[held->record].ended = true;
    fake->running--;
    fake->n_delivered += result == SINK_DELIVERED;
    pthread_mutex_unlock(&fake->lock);
    sink->host.done(sink->host.context, item, result);
}

static inline int fake_on_timer(sd_event_source *source, uint64_t usec, void *context)
{
    struct fake_item *held = context;
    struct fake *fake = held->sink->fake;

    pthread_mutex_lock(&fake->lock);
    enum sink_result result = fake_verdict(fake, held->item);
    pthread_mutex_unlock(&fake->lock);
    fake_finish(held, result);
    return 0;
}

/* Notes the item and takes it in. */
static inline struct fake_item *fake_take(struct fake_sink *sink, struct sink_item *item)
{
    struct fake *fake = sink->fake;
    struct fake_item *held = sink->held;

    while (held->item)
        held++;
    item->started_at_usec = clock_realtime(sink->host.clock);
    pthread_mutex_lock(&fake->lock);
    ck_assert_uint_lt(fake->n_records, RECORDS_MAX);
    for (size_t i = 0; i < fake->n_records; i++)
        if (!fake->records[i].ended && strcmp(fake->records[i].job, item->delivery->job_id) == 0)
            fake->order_broken |= fake->ops.order == SINK_ORDER_JOB;
    struct record *record = &fake->records[fake->n_records];
    *record = (struct record){
        .seq = item->delivery->seq,
        .attempt = item->attempt,
        .replay = item->replay,
        .maker = sink->maker,
    };
    snprintf(record->job, sizeof(record->job), "%s", item->delivery->job_id);
    *held = (struct fake_item){.sink = sink, .item = item, .record = fake->n_records++};
    if (++fake->running > fake->running_max)
        fake->running_max = fake->running;
    pthread_mutex_unlock(&fake->lock);
    return held;
}

static inline void fake_deliver(struct sink *base, struct sink_item **items, size_t n)
{
    struct fake_sink *sink = (struct fake_sink *)base;
    struct fake *fake = sink->fake;
    struct fake_item *taken[HELD_MAX];
    enum sink_result result = SINK_DELIVERED;

    if (fake->before)
        fake->before(fake);
    if (fake->gate)
        sem_wait(fake->gate);
    pthread_mutex_lock(&fake->lock);
    if (n > fake->batch_max)
        fake->batch_max = (unsigned int)n;
    enum fake_mode mode = fake->mode;
    pthread_mutex_unlock(&fake->lock);
    for (size_t i = 0; i < n; i++) {
        ck_assert_ptr_nonnull(items[i]->delivery->body);
        taken[i] = fake_take(sink, items[i]);
    }
    for (size_t i = 0; i < n; i++) {
        switch (mode) {
        case FAKE_AT_ONCE:
            /* Of a batch, what comes after a failure was not tried. */
            pthread_mutex_lock(&fake->lock);
            result = result == SINK_DELIVERED ? fake_verdict(fake, taken[i]->item) : SINK_DEFERRED;
            if (result == SINK_DELIVERED && fake->ops.has_position) {
                memcpy(fake->mark, &taken[i]->item->delivery->seq, sizeof(fake->mark));
                fake->mark_length = sizeof(fake->mark);
            }
            pthread_mutex_unlock(&fake->lock);
            fake_finish(taken[i], result);
            break;
        case FAKE_LATER:
            ck_assert_int_ge(
                sd_event_add_time_relative(sink->host.event, &taken[i]->timer, CLOCK_MONOTONIC,
                    (uint64_t)fake->delay_usec, 1, fake_on_timer, taken[i]),
                0);
            break;
        case FAKE_HOLDS:
            break;
        }
    }
    if (fake->after)
        fake->after(fake);
}

static inline void fake_cancel(struct sink *base)
{
    struct fake_sink *sink = (struct fake_sink *)base;

    pthread_mutex_lock(&sink->fake->lock);
    sink->fake->cancels++;
    pthread_mutex_unlock(&sink->fake->lock);
    for (size_t i = 0; i < HELD_MAX; i++)
        if (sink->held[i].item)
            fake_finish(&sink->held[i], SINK_DEFERRED);
}

static inline int fake_start(struct sink *base, const struct sink_host *host, struct error *error)
{
    struct fake_sink *sink = (struct fake_sink *)base;
    struct fake *fake = sink->fake;

    sink->host = *host;
    pthread_mutex_lock(&fake->lock);
    fake->starts++;
    bool fails = fake->start_failures > 0;
    fake->start_failures -= fails;
    pthread_mutex_unlock(&fake->lock);
    return fails ? error_set(error, ENOENT, "not yet") : 0;
}

static inline void fake_destroy(struct sink *base)
{
    struct fake_sink *sink = (struct fake_sink *)base;

    for (size_t i = 0; i < HELD_MAX; i++)
        ck_assert_msg(!sink->held[i].item, "destroyed while something runs");
    pthread_mutex_lock(&sink->fake->lock);
    sink->fake->frees++;
    pthread_mutex_unlock(&sink->fake->lock);
    free(sink);
}

static inline int fake_reopen(struct sink *base, struct error *error)
{
    struct fake *fake = ((struct fake_sink *)base)->fake;

    pthread_mutex_lock(&fake->lock);
    fake->reopens++;
    pthread_mutex_unlock(&fake->lock);
    return 0;
}

static inline size_t fake_position(struct sink *base, void *mark)
{
    struct fake *fake = ((struct fake_sink *)base)->fake;

    pthread_mutex_lock(&fake->lock);
    size_t length = fake->mark_length;
    memcpy(mark, fake->mark, length);
    pthread_mutex_unlock(&fake->lock);
    return length;
}

static inline int fake_recover(struct sink *base, const void *mark, size_t length,
    void (*found)(void *context, uint64_t seq), void *context, struct error *error)
{
    struct fake *fake = ((struct fake_sink *)base)->fake;

    pthread_mutex_lock(&fake->lock);
    memcpy(fake->recovered_from, mark, length);
    fake->recovered_length = length;
    for (size_t i = 0; i < fake->n_found; i++)
        found(context, fake->found[i]);
    pthread_mutex_unlock(&fake->lock);
    return 0;
}

static inline int fake_new(
    const struct sink_options *options, struct sink **ret_sink, struct error *error)
{
    for (size_t i = 0; i < FAKES; i++) {
        struct fake *fake = &fakes[i];
        if (strcmp(fake->name, options->name) != 0)
            continue;
        struct fake_sink *sink = calloc(1, sizeof(*sink));
        if (!sink)
            return error_set(error, ENOMEM, "out of memory");
        pthread_mutex_lock(&fake->lock);
        sink->base.ops = &fake->ops;
        sink->fake = fake;
        sink->maker = ++fake->makes;
        pthread_mutex_unlock(&fake->lock);
        *ret_sink = &sink->base;
        return 0;
    }
    return error_set(error, EINVAL, "no fake named %s", options->name);
}

/* What sink_free of the real registry does goes through ops->destroy, so the fakes need no more. */
static inline struct fake *fake_init(size_t i, const char *name)
{
    struct fake *fake = &fakes[i];

    memset(fake, 0, sizeof(*fake));
    snprintf(fake->name, sizeof(fake->name), "%s", name);
    fake->ops = (struct sink_ops){
        .type = "fake",
        .order = SINK_ORDER_JOB,
        .batch = 1,
        .destroy = fake_destroy,
        .start = fake_start,
        .deliver = fake_deliver,
        .cancel = fake_cancel,
        .reopen = fake_reopen,
        .position = fake_position,
        .recover = fake_recover,
    };
    pthread_mutex_init(&fake->lock, NULL);
    return fake;
}

static inline size_t fake_delivered(struct fake *fake)
{
    pthread_mutex_lock(&fake->lock);
    size_t n = fake->n_delivered;
    pthread_mutex_unlock(&fake->lock);
    return n;
}

static inline size_t fake_seen(struct fake *fake)
{
    pthread_mutex_lock(&fake->lock);
    size_t n = fake->n_records;
    pthread_mutex_unlock(&fake->lock);
    return n;
}

/* How often the sink was handed `seq`. */
static inline size_t fake_times(struct fake *fake, uint64_t seq)
{
    size_t n = 0;

    pthread_mutex_lock(&fake->lock);
    for (size_t i = 0; i < fake->n_records; i++)
        n += fake->records[i].seq == seq;
    pthread_mutex_unlock(&fake->lock);
    return n;
}

/* ---- the rig ---- */

static struct store *rig_store;
static struct store_writer *rig_writer;
static struct dispatch *rig_dispatch;
static pthread_mutex_t rig_lock = PTHREAD_MUTEX_INITIALIZER; /* of rig_dispatch */
static uint64_t rig_ids;

/* How the store is broken. */
static struct store_ops rig_ops;
static const struct store_ops *rig_real_ops;
static struct store_reader_ops rig_reader_ops;
static const struct store_reader_ops *rig_real_reader_ops;
static _Atomic int rig_commit_result; /* enum store_result for batches with settles */
static _Atomic int rig_fetch_result;  /* -errno */
static _Atomic unsigned int rig_commits_refused, rig_fetches;

static inline enum store_result rig_commit(
    struct store *store, struct store_batch *batch, struct error *error)
{
    enum store_result result = (enum store_result)atomic_load(&rig_commit_result);

    if (batch->n_settles == 0 || result == STORE_OK)
        return rig_real_ops->commit(store, batch, error);
    atomic_fetch_add(&rig_commits_refused, 1);
    error_set(error, ENOSPC, "told to fail");
    return result;
}

static inline int rig_fetch(
    struct store_reader *reader, uint64_t seq, struct delivery **ret_delivery, struct error *error)
{
    int r = atomic_load(&rig_fetch_result);

    atomic_fetch_add(&rig_fetches, 1);
    return r < 0 ? error_set(error, -r, "told to fail")
                 : rig_real_reader_ops->fetch(reader, seq, ret_delivery, error);
}

static inline int rig_reader_open(
    struct store *store, struct store_reader **ret_reader, struct error *error)
{
    int r = rig_real_ops->reader_open(store, ret_reader, error);

    if (r == 0)
        (*ret_reader)->ops = &rig_reader_ops;
    return r;
}

static inline void rig_stored(void *context)
{
    pthread_mutex_lock(&rig_lock);
    if (rig_dispatch)
        dispatch_wake(rig_dispatch);
    pthread_mutex_unlock(&rig_lock);
}

static inline void rig_failed(void *context, const struct error *error)
{
}

static inline void rig_open(void)
{
    const struct store_options options = {.path = "", .clock = clock_system()};
    struct error error = ERROR_INIT;
    struct store_reader *reader;

    log_set_level(getenv("RIG_LOG") ? LOG_LEVEL_DEBUG : (enum log_level)0);
    ck_assert_int_eq(store_open_memory(&options, &rig_store, &error), 0);
    rig_real_ops = rig_store->ops;
    ck_assert_int_eq(store_reader_open(rig_store, &reader, &error), 0);
    rig_real_reader_ops = reader->ops;
    rig_reader_ops = *rig_real_reader_ops;
    rig_reader_ops.fetch = rig_fetch;
    store_reader_close(reader);
    rig_ops = *rig_real_ops;
    rig_ops.commit = rig_commit;
    rig_ops.reader_open = rig_reader_open;
    rig_store->ops = &rig_ops;
    atomic_store(&rig_commit_result, STORE_OK);
    atomic_store(&rig_fetch_result, 0);
    atomic_store(&rig_commits_refused, 0);
    atomic_store(&rig_fetches, 0);

    const struct store_writer_options writer = {
        .store = rig_store,
        .clock = clock_system(),
        .retention = {USEC_INFINITY, USEC_INFINITY},
        .stored = rig_stored,
        .failed = rig_failed,
    };
    ck_assert_int_eq(store_writer_start(&writer, &rig_writer, &error), 0);
}

static inline struct dispatch_sink_options rig_sink(const struct fake *fake)
{
    return (struct dispatch_sink_options){
        .sink = {.name = fake->name, .type = fake->ops.type},
        .retry = {.first_usec = 2 * MSEC, .max_usec = 10 * MSEC, .attempts = 3},
        .concurrency = 4,
    };
}

static inline void rig_start(const struct dispatch_sink_options *sinks, size_t n)
{
    const struct dispatch_options options = {
        .store = rig_store,
        .writer = rig_writer,
        .clock = clock_system(),
        .new_sink = fake_new,
        .sinks = sinks,
        .n_sinks = n,
    };
    struct error error = ERROR_INIT;
    struct dispatch *dispatch;

    ck_assert_msg(dispatch_start(&options, &dispatch, &error) == 0, "%s", error.text);
    pthread_mutex_lock(&rig_lock);
    rig_dispatch = dispatch;
    pthread_mutex_unlock(&rig_lock);
}

static inline void rig_stop(int64_t limit_usec)
{
    struct dispatch *dispatch = rig_dispatch;

    pthread_mutex_lock(&rig_lock);
    rig_dispatch = NULL;
    pthread_mutex_unlock(&rig_lock);
    dispatch_stop(dispatch, limit_usec);
}

static inline void rig_close(void)
{
    rig_stop(5 * USEC_PER_SEC);
    store_writer_stop(rig_writer);
    store_close(rig_store);
}

struct rig_append {
    struct store_work work;
    sem_t done;
};

static inline void rig_done(struct store_work *work)
{
    sem_post(&((struct rig_append *)work)->done);
}

static inline void rig_post(struct rig_append *append, const struct delivery *delivery)
{
    *append = (struct rig_append){
        .work = {.kind = STORE_WORK_APPEND, .done = rig_done, .append = {.delivery = delivery}},
    };
    sem_init(&append->done, 0, 0);
    store_writer_post(rig_writer, &append->work);
}

/* Waits for the verdict; what was refused along with a settle is sent again, as SASHA would. */
static inline uint64_t rig_wait(struct rig_append *append, const struct delivery *delivery)
{
    for (;;) {
        while (sem_wait(&append->done) < 0)
            ;
        sem_destroy(&append->done);
        if (append->work.append.verdict != STORE_VERDICT_REFUSED)
            break;
        rig_post(append, delivery);
    }
    if (append->work.append.verdict != STORE_VERDICT_STORED)
        ck_abort_msg("verdict %d", (int)append->work.append.verdict);
    return append->work.append.seq;
}

/* Stores one delivery and returns its seq. */
static inline uint64_t rig_append(const struct delivery *delivery)
{
    struct rig_append append;

    rig_post(&append, delivery);
    return rig_wait(&append, delivery);
}

static inline uint64_t rig_send_as(const char *job, const char *status, int64_t updated_at)
{
    struct delivery delivery = {
        .received_at_usec = clock_realtime(clock_system()),
        .updated_at_usec = updated_at,
        .endpoint = "main",
        .request_id = "r",
        .secret = "s",
        .job_id = job,
        .type = "embed-signature",
        .status = status,
        .body = (const unsigned char *)"{}",
        .body_length = 2,
    };

    rig_ids++;
    memcpy(delivery.id_digest.bytes, &rig_ids, sizeof(rig_ids));
    return rig_append(&delivery);
}

static inline uint64_t rig_send(const char *job)
{
    return rig_send_as(job, "pending", (int64_t)rig_ids);
}

/* Many at once: the writer takes them in batches. */
static inline void rig_send_many(const char *job, size_t n)
{
    struct rig_append *appends = calloc(n, sizeof(*appends));
    struct delivery *deliveries = calloc(n, sizeof(*deliveries));

    ck_assert(appends && deliveries);
    for (size_t i = 0; i < n; i++) {
        rig_ids++;
        deliveries[i] = (struct delivery){
            .updated_at_usec = (int64_t)rig_ids,
            .endpoint = "main",
            .request_id = "r",
            .secret = "s",
            .job_id = job,
            .type = "embed-signature",
            .status = "pending",
            .body = (const unsigned char *)"{}",
            .body_length = 2,
        };
        memcpy(deliveries[i].id_digest.bytes, &rig_ids, sizeof(rig_ids));
        rig_post(&appends[i], &deliveries[i]);
    }
    for (size_t i = 0; i < n; i++)
        rig_wait(&appends[i], &deliveries[i]);
    free(appends);
    free(deliveries);
}

/* ---- looking ---- */

struct rig_look {
    const char *name;
    struct store_sink sink;
    struct store_stats stats;
};

static inline void rig_look(struct store *store, void *context)
{
    struct rig_look *look = context;

    store_register_sink(store, look->name, &look->sink, NULL);
    store_get_stats(store, &look->stats);
}

/* The sink as the store has it; its sum is checked on the way. */
static inline struct store_sink rig_state(const struct fake *fake)
{
    struct rig_look look = {.name = fake->name};

    ck_assert_int_eq(store_writer_call(rig_writer, rig_look, &look), STORE_OK);
    const struct store_sink *sink = &look.sink;
    uint64_t pending = look.stats.head - sink->frontier + sink->pending_rows;
    ck_assert_uint_eq(look.stats.head - sink->start + sink->requeued,
        sink->delivered + sink->filtered + sink->dropped + sink->dead + pending);
    return look.sink;
}

static inline uint64_t rig_pending(const struct fake *fake)
{
    struct store_sink sink = rig_state(fake);

    return rig_ids - sink.frontier + sink.pending_rows;
}

/* Waits until a condition holds. */
#define RIG_WAIT(condition)                                                                      \
    do {                                                                                         \
        int64_t until_ = clock_monotonic(clock_system()) + RIG_PATIENCE;                         \
        while (!(condition)) {                                                                   \
            ck_assert_msg(clock_monotonic(clock_system()) < until_, "not in time: " #condition); \
            nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);                              \
        }                                                                                        \
    } while (0)
