/*
 * Dispatch, what an operator asks for: retry, replay, drop, pause; and the numbers.
 */

#include "dispatch_rig.h"

#include "dispatch/numbers.h"

static struct fake *a, *b;
static struct dispatch_sink_options sinks[FAKES];

static void setup(void)
{
    a = fake_init(0, "a");
    b = fake_init(1, "b");
    rig_open();
    sinks[0] = rig_sink(a);
    sinks[1] = rig_sink(b);
}

static void teardown(void)
{
    rig_close();
    for (size_t i = 0; i < FAKES; i++)
        ck_assert_uint_eq(fakes[i].makes, fakes[i].frees);
}

static int ask(enum dispatch_request what, const uint64_t *seqs, size_t n,
    struct dispatch_request_result *ret_result, struct error *error)
{
    *error = (struct error)ERROR_INIT;
    return dispatch_request(rig_dispatch, "a", what, seqs, n, ret_result, error);
}

static void check_ask(enum dispatch_request what, const uint64_t *seqs, size_t n, size_t want_done)
{
    struct dispatch_request_result got;
    struct error error;

    ck_assert_msg(ask(what, seqs, n, &got, &error) == 0, "%s", error.text);
    ck_assert_uint_eq(got.done, want_done);
    ck_assert_uint_eq(got.skipped, n - want_done);
    ck_assert_uint_eq(got.busy, 0);
}

#define ASK(what, want_done, ...)                    \
    check_ask(what, (const uint64_t[]){__VA_ARGS__}, \
        sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t), want_done)

/* What becomes of an item, while told. */
static _Atomic int answer; /* enum sink_result */

static enum sink_result as_told(struct fake *fake, const struct sink_item *item)
{
    return (enum sink_result)atomic_load(&answer);
}

static void answer_with(enum sink_result result)
{
    atomic_store(&answer, (int)result);
}

static struct record last_record(struct fake *fake)
{
    pthread_mutex_lock(&fake->lock);
    ck_assert_uint_gt(fake->n_records, 0);
    struct record record = fake->records[fake->n_records - 1];
    pthread_mutex_unlock(&fake->lock);
    return record;
}

static struct dispatch_sink_stats stats_of_first(void)
{
    struct dispatch_sink_stats stats[FAKES];

    ck_assert_uint_ge(dispatch_get_stats(rig_dispatch, stats, FAKES), 1);
    return stats[0];
}

/* ---- retry ---- */

START_TEST(test_dead_ones_are_tried_again)
{
    a->decide = as_told;
    answer_with(SINK_DEAD);
    rig_start(sinks, 1);
    rig_send("one");
    rig_send("two");
    RIG_WAIT(rig_state(a).dead == 2);
    answer_with(SINK_DELIVERED);
    ASK(DISPATCH_RETRY, 1, 2, 2, 77, 0);
    RIG_WAIT(rig_state(a).delivered == 1);
    ck_assert_uint_eq(rig_state(a).dead, 1);
    struct record record = last_record(a);
    ck_assert_uint_eq(record.seq, 2);
    ck_assert_uint_eq(record.attempt, 1);
    ck_assert(!record.replay);
    ck_assert_uint_eq(rig_state(a).requeued, 0);
}
END_TEST

START_TEST(test_waiting_ones_are_tried_now)
{
    a->decide = as_told;
    answer_with(SINK_RETRY);
    sinks[0].retry = (struct dispatch_retry){USEC_PER_HOUR, USEC_PER_HOUR, 5};
    rig_start(sinks, 1);
    for (int i = 0; i < 20; i++)
        rig_send(i % 2 ? "odd" : "even");
    RIG_WAIT(rig_state(a).pending_rows == 2);
    answer_with(SINK_DELIVERED);
    /* 3 stands behind 1 and waits for nothing but its turn. */
    ASK(DISPATCH_RETRY, 1, 1, 3);
    RIG_WAIT(rig_state(a).delivered == 10);
    ck_assert_uint_eq(fake_times(a, 1), 2);
    ck_assert_uint_eq(fake_times(a, 2), 1);
    ck_assert_uint_eq(a->records[2].seq, 1);
    ck_assert_uint_eq(a->records[2].attempt, 1); /* counted anew */
    ASK(DISPATCH_RETRY, 1, 2);
    RIG_WAIT(rig_state(a).delivered == 20);
    ck_assert(!a->order_broken);
}
END_TEST

START_TEST(test_what_runs_is_left_alone)
{
    a->mode = FAKE_HOLDS;
    rig_start(sinks, 1);
    rig_send("one");
    rig_send("one");
    RIG_WAIT(fake_seen(a) == 1);
    ASK(DISPATCH_RETRY, 0, 1, 2);
    ASK(DISPATCH_REPLAY, 0, 1, 2);
    ASK(DISPATCH_DROP, 0, 1, 2);
}
END_TEST

/* A retry is on disk when it is answered: a restart goes on from it. */
START_TEST(test_attempts_count_anew_on_disk)
{
    a->decide = as_told;
    answer_with(SINK_RETRY);
    sinks[0].retry.attempts = 2;
    rig_start(sinks, 1);
    rig_send("one");
    RIG_WAIT(rig_state(a).dead == 1);
    ck_assert_int_eq(dispatch_set_paused(rig_dispatch, "a", true, NULL), 0);
    ASK(DISPATCH_RETRY, 1, 1);
    ck_assert_uint_eq(rig_state(a).pending_rows, 1);
    rig_stop(0);
    ck_assert_uint_eq(fake_times(a, 1), 2);
    answer_with(SINK_DELIVERED);
    rig_start(sinks, 1);
    ck_assert_int_eq(dispatch_set_paused(rig_dispatch, "a", false, NULL), 0);
    RIG_WAIT(rig_state(a).delivered == 1);
    ck_assert_uint_eq(last_record(a).attempt, 1);
}
END_TEST

static void reload(const struct dispatch_sink_options *options, size_t n)
{
    struct dispatch_change *change;
    struct error error = ERROR_INIT;

    ck_assert_msg(
        dispatch_prepare(rig_dispatch, options, n, &change, &error) == 0, "%s", error.text);
    dispatch_commit(rig_dispatch, change);
}

START_TEST(test_the_filter_of_now)
{
    static const char *const other[] = {"other", NULL};

    a->decide = as_told;
    answer_with(SINK_DEAD);
    rig_start(sinks, 1);
    rig_send("one");
    RIG_WAIT(rig_state(a).dead == 1);
    sinks[0].statuses = other;
    reload(sinks, 1);
    RIG_WAIT(fakes[0].makes == 2);
    ASK(DISPATCH_RETRY, 0, 1);
    ASK(DISPATCH_REPLAY, 1, 1);
    RIG_WAIT(fake_seen(a) == 2 && rig_state(a).dead == 1);
    /* Dead as a replay, it is retried as one. */
    answer_with(SINK_DELIVERED);
    ASK(DISPATCH_RETRY, 1, 1);
    RIG_WAIT(rig_state(a).delivered == 1);
    ck_assert(last_record(a).replay);
}
END_TEST

/* ---- replay ---- */

START_TEST(test_settled_ones_come_again)
{
    rig_send("from before");
    rig_start(sinks, 1);
    for (int i = 0; i < 5; i++)
        rig_send("one");
    RIG_WAIT(rig_state(a).delivered == 5);
    ASK(DISPATCH_REPLAY, 3, 4, 1, 2, 99);
    RIG_WAIT(rig_state(a).delivered == 8);
    ck_assert_uint_eq(rig_state(a).requeued, 3);
    ck_assert_uint_eq(fake_times(a, 1), 1);
    for (size_t i = 0; i < a->n_records; i++)
        ck_assert_int_eq(a->records[i].replay, i >= 5);
    /* In the order in which they were asked for. */
    ck_assert_uint_eq(a->n_records, 8);
    ck_assert(!a->order_broken);
    RIG_WAIT(rig_pending(a) == 0);
}
END_TEST

START_TEST(test_replays_go_behind)
{
    a->mode = FAKE_LATER;
    a->delay_usec = 2 * MSEC;
    rig_start(sinks, 1);
    rig_send("one");
    RIG_WAIT(rig_state(a).delivered == 1);
    pthread_mutex_lock(&a->lock);
    a->delay_usec = 100 * MSEC;
    pthread_mutex_unlock(&a->lock);
    for (int i = 0; i < 3; i++)
        rig_send("one");
    RIG_WAIT(fake_seen(a) == 2);
    ASK(DISPATCH_REPLAY, 1, 1);
    RIG_WAIT(rig_state(a).delivered == 5);
    /* Behind the one that ran; whether also behind those after it depends on whether the runner had
     * seen them yet. */
    ck_assert_uint_eq(a->records[1].seq, 2);
    ck_assert_uint_eq(fake_times(a, 1), 2);
    ck_assert(!a->order_broken);
}
END_TEST

/* Also one into a conf by which it would be filtered out now: it was asked for. */
START_TEST(test_a_replay_survives_a_restart)
{
    static const char *const other[] = {"other", NULL};

    rig_start(sinks, 1);
    rig_send("one");
    RIG_WAIT(rig_state(a).delivered == 1);
    ck_assert_int_eq(dispatch_set_paused(rig_dispatch, "a", true, NULL), 0);
    ASK(DISPATCH_REPLAY, 1, 1);
    ASK(DISPATCH_REPLAY, 0, 1); /* pending already */
    rig_stop(0);
    ck_assert_uint_eq(fake_seen(a), 1);
    sinks[0].statuses = _i == 0 ? NULL : other;
    rig_start(sinks, 1);
    ck_assert_int_eq(dispatch_set_paused(rig_dispatch, "a", false, NULL), 0);
    RIG_WAIT(rig_state(a).delivered == 2);
    ck_assert(last_record(a).replay);
}
END_TEST

START_TEST(test_batches_replay)
{
    a->ops.order = SINK_ORDER_ARRIVAL;
    a->ops.batch = 16;
    a->ops.has_position = true;
    a->ops.cancel = NULL;
    rig_start(sinks, 1);
    rig_send_many("one", 200);
    RIG_WAIT(rig_state(a).delivered == 200);
    uint64_t seqs[100];
    for (size_t i = 0; i < 100; i++)
        seqs[i] = 2 * i + 1;
    check_ask(DISPATCH_REPLAY, seqs, 100, 100);
    rig_send_many("one", 50);
    RIG_WAIT(rig_state(a).delivered == 350);
    for (uint64_t seq = 1; seq <= 250; seq++)
        ck_assert_uint_eq(fake_times(a, seq), seq <= 200 && seq % 2 ? 2 : 1);
}
END_TEST

START_TEST(test_very_many_are_busy)
{
    enum { MANY = 34000, AT_ONCE = 4096, ROOM = 32768 };
    CLEANUP(free) uint64_t *seqs = calloc(MANY, sizeof(*seqs));
    static const char *const other[] = {"other", NULL};
    struct dispatch_request_result got;
    struct error error;
    size_t asked = 0;

    ck_assert_ptr_nonnull(seqs);
    for (size_t i = 0; i < MANY; i++)
        seqs[i] = i + 1;
    sinks[0].statuses = other; /* nothing of this is delivered but replays */
    rig_start(sinks, 1);
    for (size_t i = 0; i < MANY; i += 1000) {
        char job[16];

        snprintf(job, sizeof(job), "job-%zu", i);
        rig_send_many(job, 1000);
    }
    RIG_WAIT(rig_state(a).filtered == MANY);
    ck_assert_int_eq(dispatch_set_paused(rig_dispatch, "a", true, NULL), 0);
    do {
        ck_assert_int_eq(ask(DISPATCH_REPLAY, seqs + asked, MANY - asked, &got, &error), 0);
        ck_assert_uint_eq(got.skipped, 0);
        ck_assert_uint_eq(got.done + got.busy, MANY - asked);
        ck_assert_uint_le(got.done, AT_ONCE);
        asked += got.done;
    } while (got.done > 0);
    ck_assert_uint_eq(asked, ROOM);
    ck_assert_uint_eq(rig_state(a).pending_rows, ROOM);
    /* New ones still have room. */
    uint64_t seq = rig_send_as("two", "other", 0);
    ck_assert_int_eq(dispatch_set_paused(rig_dispatch, "a", false, NULL), 0);
    RIG_WAIT(fake_times(a, seq) == 1);
    ck_assert_int_eq(dispatch_set_paused(rig_dispatch, "a", true, NULL), 0);
}
END_TEST

/* ---- drop ---- */

START_TEST(test_dead_ones_are_given_up)
{
    a->decide = as_told;
    answer_with(SINK_DEAD);
    rig_start(sinks, 1);
    rig_send("one");
    rig_send("two");
    RIG_WAIT(rig_state(a).dead == 2);
    answer_with(SINK_DELIVERED);
    rig_send("three");
    RIG_WAIT(rig_state(a).delivered == 1);
    ASK(DISPATCH_DROP, 1, 2, 3, 2);
    ck_assert_uint_eq(rig_state(a).dead, 1);
    ck_assert_uint_eq(rig_state(a).dropped, 1);
    /* Given up, it is settled: it can be asked for again. */
    ASK(DISPATCH_RETRY, 0, 2);
    ASK(DISPATCH_REPLAY, 1, 2);
    RIG_WAIT(rig_state(a).delivered == 2);
}
END_TEST

/* ---- when it cannot be done ---- */

START_TEST(test_no_such_sink)
{
    struct dispatch_request_result got;
    struct error error = ERROR_INIT;
    const uint64_t seq = 1;

    rig_start(sinks, 1);
    ck_assert_int_eq(
        dispatch_request(rig_dispatch, "b", DISPATCH_RETRY, &seq, 1, &got, &error), -ENOENT);
    ck_assert_str_eq(error.text, "there is no sink b");
    ck_assert_int_eq(dispatch_set_paused(rig_dispatch, "b", true, &error), -ENOENT);
    ck_assert_str_eq(error.text, "there is no sink b");
}
END_TEST

START_TEST(test_a_sink_that_does_not_start)
{
    struct dispatch_request_result got;
    struct error error;
    const uint64_t seq = 1;

    a->start_failures = 1000;
    rig_start(sinks, 1);
    ck_assert_int_eq(ask(DISPATCH_RETRY, &seq, 1, &got, &error), -EAGAIN);
    ck_assert_str_eq(error.text, "sink a: cannot be started, will be tried again");
    ck_assert_int_eq(ask(DISPATCH_RETRY, &seq, 1, &got, &error), -EAGAIN);
}
END_TEST

START_TEST(test_an_unavailable_store)
{
    struct dispatch_request_result got;
    struct error error;
    const uint64_t seq = 1;

    rig_start(sinks, 1);
    rig_send("one");
    RIG_WAIT(rig_state(a).delivered == 1);
    atomic_store(&rig_commit_result, STORE_UNAVAILABLE);
    ck_assert_int_eq(ask(DISPATCH_REPLAY, &seq, 1, &got, &error), -EAGAIN);
    ck_assert_str_eq(
        error.text, "the store is not available; what was asked for is done as soon as it is");
    ck_assert_uint_eq(fake_seen(a), 1);
    /* Asked again it does not come twice. */
    ck_assert_int_eq(ask(DISPATCH_REPLAY, &seq, 1, &got, &error), 0);
    ck_assert_uint_eq(got.skipped, 1);
    atomic_store(&rig_commit_result, STORE_OK);
    RIG_WAIT(rig_state(a).delivered == 2);
    ck_assert_uint_eq(fake_seen(a), 2);
}
END_TEST

/* An asker does not wait for ever, and what it gave up before its turn does not happen. */
START_TEST(test_a_hanging_sink)
{
    struct dispatch_request_result got;
    struct error error;
    const uint64_t seq = 1;
    sem_t gate;

    sem_init(&gate, 0, 1);
    a->gate = &gate;
    rig_start(sinks, 1);
    rig_send("one");
    RIG_WAIT(rig_state(a).delivered == 1);
    rig_send("two");
    RIG_WAIT(fake_seen(a) == 2 || stats_of_first().running == 1);
    int64_t begun = clock_monotonic(clock_system());
    ck_assert_int_eq(ask(DISPATCH_REPLAY, &seq, 1, &got, &error), -EAGAIN);
    ck_assert_str_eq(error.text, "the sink is busy; nothing was done");
    ck_assert_int_lt(clock_monotonic(clock_system()) - begun, 10 * USEC_PER_SEC);
    sem_post(&gate);
    RIG_WAIT(rig_state(a).delivered == 2);
    ASK(DISPATCH_RETRY, 0, 1); /* it has come round */
    ck_assert_uint_eq(rig_state(a).requeued, 0);
    for (int i = 0; i < 10; i++)
        sem_post(&gate);
}
END_TEST

/* ---- one settle after the other ---- */

static sem_t commit_gate;
static _Atomic bool commit_gated;
static _Atomic bool commit_at_gate;

static enum store_result commit_through_gate(
    struct store *store, struct store_batch *batch, struct error *error)
{
    atomic_store(&commit_at_gate, batch->n_settles > 0 && atomic_load(&commit_gated));
    if (atomic_load(&commit_at_gate))
        while (sem_wait(&commit_gate) < 0)
            ;
    return rig_commit(store, batch, error);
}

static void *replay_first(void *context)
{
    ASK(DISPATCH_REPLAY, 1, 1);
    atomic_store((_Atomic bool *)context, true);
    return NULL;
}

static struct store_sink read_first(struct store_reader *reader)
{
    struct store_sink sink;

    ck_assert_int_eq(store_read_sink(reader, 1, &sink, NULL), 0);
    return sink;
}

/* The settle that is under way when a request comes does not have it. */
START_TEST(test_answered_by_its_own_settle)
{
    _Atomic bool answered = false;
    struct store_reader *reader;
    pthread_t thread;

    sem_init(&commit_gate, 0, 0);
    rig_ops.commit = commit_through_gate;
    ck_assert_int_eq(store_reader_open(rig_store, &reader, NULL), 0);
    rig_start(sinks, 1);
    rig_send("one");
    RIG_WAIT(read_first(reader).delivered == 1);
    atomic_store(&commit_gated, true);
    rig_send("two");
    RIG_WAIT(atomic_load(&commit_at_gate));
    ck_assert_int_eq(pthread_create(&thread, NULL, replay_first, &answered), 0);
    nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    sem_post(&commit_gate);
    RIG_WAIT(read_first(reader).delivered == 2);
    nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    ck_assert(!atomic_load(&answered));
    ck_assert_uint_eq(read_first(reader).requeued, 0);
    atomic_store(&commit_gated, false);
    sem_post(&commit_gate);
    pthread_join(thread, NULL);
    ck_assert_uint_eq(read_first(reader).requeued, 1);
    RIG_WAIT(rig_state(a).delivered == 3);
    store_reader_close(reader);
}
END_TEST

struct asker {
    pthread_t thread;
    struct dispatch *dispatch;
    _Atomic bool stop;
    uint64_t first;
    unsigned int rounds, done;
};

static void *ask_all_the_time(void *context)
{
    struct asker *asker = context;
    struct dispatch_sink_stats stats[FAKES];

    while (!atomic_load(&asker->stop)) {
        struct dispatch_request_result got;
        const uint64_t seqs[] = {asker->first, asker->first + 1};
        int r = dispatch_request(asker->dispatch, "b", DISPATCH_REPLAY, seqs, 2, &got, NULL);

        asker->done += r == 0 ? (unsigned int)got.done : 0;
        dispatch_get_stats(asker->dispatch, stats, FAKES);
        dispatch_set_paused(asker->dispatch, "b", ++asker->rounds % 4 == 0, NULL);
    }
    return NULL;
}

/* The sink comes and goes while three ask; each replay that was said to be done is delivered. */
START_TEST(test_while_reloading)
{
    struct asker askers[3] = {0};
    unsigned int done = 0;

    rig_start(sinks, 2);
    rig_send_many("one", 6);
    RIG_WAIT(rig_state(b).delivered == 6);
    for (size_t i = 0; i < 3; i++) {
        askers[i].dispatch = rig_dispatch;
        askers[i].first = 2 * i + 1;
        ck_assert_int_eq(pthread_create(&askers[i].thread, NULL, ask_all_the_time, &askers[i]), 0);
    }
    for (unsigned int i = 0; i < 100; i++) {
        sinks[1].concurrency = i % 3 + 1;
        reload(sinks, i % 5 == 4 ? 1 : 2);
        nanosleep(&(struct timespec){.tv_nsec = 3000000}, NULL);
    }
    sinks[1].concurrency = 7;
    reload(sinks, 2);
    for (size_t i = 0; i < 3; i++)
        atomic_store(&askers[i].stop, true);
    for (size_t i = 0; i < 3; i++) {
        pthread_join(askers[i].thread, NULL);
        done += askers[i].done;
    }
    ck_assert_int_eq(dispatch_set_paused(rig_dispatch, "b", false, NULL), 0);
    ck_assert_uint_gt(done, 10);
    RIG_WAIT(rig_pending(b) == 0);
    /* One that was refused may have been done after all. */
    ck_assert_uint_ge(rig_state(b).requeued, done);
    ck_assert_uint_eq(rig_state(b).delivered, 6 + rig_state(b).requeued);
}
END_TEST

/* ---- pause ---- */

START_TEST(test_a_paused_sink_starts_nothing)
{
    rig_start(sinks, 2);
    rig_send("one");
    RIG_WAIT(rig_state(a).delivered == 1);
    ck_assert_int_eq(dispatch_set_paused(rig_dispatch, "a", true, NULL), 0);
    ck_assert(stats_of_first().paused);
    for (int i = 0; i < 20; i++)
        rig_send("one");
    RIG_WAIT(rig_state(b).delivered == 21);
    ck_assert_uint_eq(fake_seen(a), 1);
    rig_stop(0);
    rig_start(sinks, 2);
    ck_assert(stats_of_first().paused);
    rig_send("one");
    RIG_WAIT(rig_state(b).delivered == 22);
    ck_assert_uint_eq(fake_seen(a), 1);
    ck_assert_int_eq(dispatch_set_paused(rig_dispatch, "a", false, NULL), 0);
    ck_assert(!stats_of_first().paused);
    RIG_WAIT(rig_state(a).delivered == 22);
}
END_TEST

START_TEST(test_a_paused_sink_finishes_what_runs)
{
    a->mode = FAKE_LATER;
    a->delay_usec = 100 * MSEC;
    rig_start(sinks, 1);
    rig_send("one");
    rig_send("one");
    RIG_WAIT(fake_seen(a) == 1);
    ck_assert_int_eq(dispatch_set_paused(rig_dispatch, "a", true, NULL), 0);
    RIG_WAIT(rig_state(a).delivered == 1);
    ck_assert_uint_eq(fake_seen(a), 1);
}
END_TEST

/* More arrives while it is paused than fits into its window. */
START_TEST(test_a_long_pause)
{
    rig_start(sinks, 1);
    ck_assert_int_eq(dispatch_set_paused(rig_dispatch, "a", true, NULL), 0);
    for (int i = 0; i < 12; i++)
        rig_send_many("one", 1000);
    ck_assert_int_eq(dispatch_set_paused(rig_dispatch, "a", false, NULL), 0);
    RIG_WAIT(rig_state(a).delivered == 12000);
    ck_assert_uint_eq(a->n_records, 12000);
}
END_TEST

/* ---- numbers ---- */

START_TEST(test_attempts_are_counted)
{
    a->decide = as_told;
    answer_with(SINK_RETRY);
    rig_start(sinks, 1);
    uint64_t first = rig_send("one");
    RIG_WAIT(rig_state(a).dead == 1);
    answer_with(SINK_DELIVERED);
    rig_send("one");
    rig_send("two");
    RIG_WAIT(rig_state(a).delivered == 2);
    struct dispatch_sink_stats got = stats_of_first();
    ck_assert_str_eq(got.name, "a");
    ck_assert_str_eq(got.type, "fake");
    ck_assert_uint_eq(got.id, rig_state(a).id);
    ck_assert_uint_eq(got.attempts[SINK_DELIVERED], 2);
    ck_assert_uint_eq(got.attempts[SINK_RETRY], 3);
    ck_assert_uint_eq(got.attempts[SINK_DEAD], 0);
    ck_assert_uint_eq(got.attempts[SINK_DEFERRED], 0);
    ck_assert_uint_eq(got.durations[0], 5);
    ck_assert_int_eq(got.duration_sum_usec, 5 * 7);
    ck_assert_uint_eq(got.error_seq, first);
    ck_assert_str_eq(got.error_result, "told so");
    ck_assert_int_le(clock_realtime(clock_system()) - got.error_at_usec, RIG_PATIENCE);
    /* They go on over a reload of the sink. */
    sinks[0].concurrency = 1;
    reload(sinks, 1);
    rig_send("one");
    RIG_WAIT(rig_state(a).delivered == 3);
    ck_assert_uint_eq(stats_of_first().attempts[SINK_DELIVERED], 3);
}
END_TEST

static const struct bucket_row {
    int64_t usec;
    size_t want_bucket;
} bucket_rows[] = {
    {0, 0},
    {100, 0},
    {101, 1},
    {1000, 1},
    {60 * USEC_PER_SEC, DISPATCH_BUCKETS - 2},
    {60 * USEC_PER_SEC + 1, DISPATCH_BUCKETS - 1},
    {INT64_C(1) << 50, DISPATCH_BUCKETS - 1},
};

START_TEST(test_buckets)
{
    const struct bucket_row *row = &bucket_rows[_i];
    const struct sink_item item = {.duration_usec = row->usec, .result = "exit 1"};
    struct dispatch_sink_stats got = {.running = 5};
    struct numbers numbers;

    numbers_init(&numbers);
    numbers_note(&numbers, SINK_DEFERRED, 8, &item, 1);
    numbers_read(&numbers, &got);
    ck_assert_uint_eq(got.durations[row->want_bucket], 0);
    ck_assert_uint_eq(got.error_seq, 0);
    numbers_note(&numbers, SINK_DEAD, 9, &item, 77);
    numbers_note(&numbers, SINK_DELIVERED, 10, &item, 78);
    numbers_read(&numbers, &got);
    for (size_t i = 0; i < DISPATCH_BUCKETS; i++)
        ck_assert_uint_eq(got.durations[i], i == row->want_bucket ? 2 : 0);
    ck_assert_int_eq(got.duration_sum_usec, 2 * row->usec);
    ck_assert_uint_eq(got.error_seq, 9);
    ck_assert_int_eq(got.error_at_usec, 77);
    ck_assert_str_eq(got.error_result, "exit 1");
    ck_assert_uint_eq(got.running, 5);
    for (size_t i = 1; i < DISPATCH_BUCKETS - 1; i++)
        ck_assert_int_lt(dispatch_bucket_usec[i - 1], dispatch_bucket_usec[i]);
    numbers_done(&numbers);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("dispatch-requests");
    TCase *core = tcase_create("core");
    TCase *limits = tcase_create("limits");
    TCase *errors = tcase_create("errors");
    TCase *numbers = tcase_create("numbers");

    tcase_set_timeout(core, 60);
    tcase_add_checked_fixture(core, setup, teardown);
    tcase_add_test(core, test_dead_ones_are_tried_again);
    tcase_add_test(core, test_waiting_ones_are_tried_now);
    tcase_add_test(core, test_what_runs_is_left_alone);
    tcase_add_test(core, test_attempts_count_anew_on_disk);
    tcase_add_test(core, test_the_filter_of_now);
    tcase_add_test(core, test_settled_ones_come_again);
    tcase_add_test(core, test_replays_go_behind);
    tcase_add_loop_test(core, test_a_replay_survives_a_restart, 0, 2);
    tcase_add_test(core, test_batches_replay);
    tcase_add_test(core, test_dead_ones_are_given_up);
    tcase_add_test(core, test_a_paused_sink_starts_nothing);
    tcase_add_test(core, test_a_paused_sink_finishes_what_runs);
    tcase_add_test(core, test_attempts_are_counted);
    tcase_set_timeout(limits, 120);
    tcase_add_checked_fixture(limits, setup, teardown);
    tcase_add_test(limits, test_very_many_are_busy);
    tcase_add_test(limits, test_a_long_pause);
    tcase_set_timeout(errors, 60);
    tcase_add_checked_fixture(errors, setup, teardown);
    tcase_add_test(errors, test_no_such_sink);
    tcase_add_test(errors, test_a_sink_that_does_not_start);
    tcase_add_test(errors, test_an_unavailable_store);
    tcase_add_test(errors, test_a_hanging_sink);
    tcase_add_test(errors, test_answered_by_its_own_settle);
    tcase_add_test(errors, test_while_reloading);
    tcase_add_loop_test(numbers, test_buckets, 0, (int)ARRAY_SIZE(bucket_rows));
    suite_add_tcase(suite, core);
    suite_add_tcase(suite, limits);
    suite_add_tcase(suite, errors);
    suite_add_tcase(suite, numbers);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
