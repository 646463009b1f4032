#pragma once

/*
 * A bench for dispatch: a store in memory behind its real writer, and fake sinks (fake_sink.h).
 *
 * The store's ops can be broken from outside. Included by the test_dispatch*.c, each of which is
 * one executable and runs each test in a process of its own.
 */

#include "dispatch/dispatch.h"
#include "fake_sink.h"
#include "store/backend.h"
#include "util/log.h"

#include <stdatomic.h>

#define MSEC USEC_PER_MSEC
#define RIG_PATIENCE (20 * USEC_PER_SEC)

static struct store *rig_store;
static struct store_writer *rig_writer;
static struct dispatch *rig_dispatch;
static pthread_mutex_t rig_lock = PTHREAD_MUTEX_INITIALIZER; /* of rig_dispatch */
static uint64_t rig_ids;
static const struct clock *rig_clock; /* dispatch's; NULL: the system's */

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
    /* A refusal takes its time, in which a runner could do what it must not. */
    nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
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
        .clock = rig_clock ? rig_clock : clock_system(),
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
