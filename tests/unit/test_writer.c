/*
 * The writer, over a store that is told when to fail, and over the store in memory.
 */

#include "store/backend.h"
#include "store/writer.h"
#include "store_rig.h"

#include "util/log.h"

#include "failing_malloc.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

/* ---- a store that is told what to do ---- */

struct fake_store {
    struct store base;
    /* The n-th call of any op answers `result`. */
    _Atomic unsigned int fail_at; /* 0: never */
    _Atomic enum store_result result;
    _Atomic unsigned int calls;
    _Atomic bool hit;

    _Atomic uint64_t head;
    _Atomic unsigned int commits, idle_maintains, prunes;
    _Atomic unsigned int more_prunes; /* so many times there is more to prune */
    _Atomic size_t most_work, most_bytes;
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

static enum store_result fake_result(struct error *error)
{
    fake.calls++;
    if (fake.calls != fake.fail_at)
        return STORE_OK;
    fake.hit = true;
    error_set(error, EIO, "told to fail");
    return fake.result;
}

static enum store_result fake_commit(
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

static enum store_result fake_maintain(struct store *store, bool idle, struct error *error)
{
    enum store_result result = fake_result(error);

    fake.idle_maintains += idle;
    if (fake.upkeep == STORE_OK)
        return result;
    error_set(error, ENOSPC, "no room to tidy up");
    fake.has_failed = fake.upkeep == STORE_FAILED;
    return fake.upkeep;
}

static enum store_result fake_prune(struct store *store, const struct store_retention *retention,
    bool *ret_more, struct error *error)
{
    fake.prunes++;
    *ret_more = fake.prunes < fake.more_prunes;
    rig_advance(fake.prune_usec);
    if (fake.prune_code != 0)
        error_set(error, fake.prune_code, "the clock is ahead");
    return fake.prune_code == EBUSY ? STORE_UNAVAILABLE : fake_result(error);
}

static enum store_result fake_set_active(
    struct store *store, const uint32_t *ids, size_t n, struct error *error)
{
    return fake_result(error);
}

static void fake_get_stats(struct store *store, struct store_stats *ret_stats)
{
    fake.looks_after += fake.has_failed;
    *ret_stats = (struct store_stats){.disk_full = fake_disk_full, .below_floor = fake_below_floor};
}

static void fake_close(struct store *store, bool failed)
{
}

static const struct store_ops fake_ops = {
    .close = fake_close,
    .set_active_sinks = fake_set_active,
    .commit = fake_commit,
    .maintain = fake_maintain,
    .prune = fake_prune,
    .get_stats = fake_get_stats,
};

/* ---- what comes back ---- */

static struct {
    _Atomic unsigned int stored_told, failed_told;
    struct error failure;
} told;

static void on_stored(void *context)
{
    told.stored_told++;
}

static void on_failed(void *context, const struct error *error)
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

static void on_done(struct store_work *work)
{
    struct test_work *test_work = (struct test_work *)(void *)work;

    test_work->done++;
    if (test_work->back)
        mailbox_post(test_work->back, &work->item);
}

static void make_append(struct test_work *work, const char *id)
{
    snprintf(work->id, sizeof(work->id), "%s", id);
    work->delivery = rig_delivery(work->id);
    work->work = (struct store_work){
        .kind = STORE_WORK_APPEND,
        .done = on_done,
        .append = {.delivery = &work->delivery},
    };
}

static void make_settle(struct test_work *work)
{
    work->work =
        (struct store_work){.kind = STORE_WORK_SETTLE, .done = on_done, .settle = {.sink = 1}};
}

static void on_call(struct store *store, struct store_work *work)
{
    (void)store_set_active_sinks(store, NULL, 0, NULL);
}

static void make_call(struct test_work *work)
{
    work->work = (struct store_work){.kind = STORE_WORK_CALL, .done = on_done, .call = on_call};
}

static struct store_writer *writer;

static void start_on(struct store *store, const struct clock *clock)
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

static void start_fake_failing(unsigned int n, enum store_result result)
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

static void start_fake(void)
{
    start_fake_failing(0, STORE_OK);
}

static void nothing(struct store *store, void *context)
{
}

/* Everything posted before has come back after it. */
static enum store_result barrier(void)
{
    return store_writer_call(writer, nothing, NULL);
}

/* ---- core ---- */

/* What is stored is told, be it one; a settle is not. */
START_TEST(test_one_delivery_is_told)
{
    static struct test_work append, settle;

    start_fake();
    make_settle(&settle);
    store_writer_post(writer, &settle.work);
    ck_assert_int_eq(barrier(), STORE_OK);
    ck_assert_uint_eq(told.stored_told, 0);
    make_append(&append, "id");
    store_writer_post(writer, &append.work);
    ck_assert_int_eq(barrier(), STORE_OK);
    ck_assert_uint_eq(told.stored_told, 1);
    store_writer_stop(writer);
}
END_TEST

START_TEST(test_what_is_posted_comes_back_once)
{
    static struct test_work works[2000];

    start_fake();
    for (size_t i = 0; i < ARRAY_SIZE(works); i++) {
        if (i % 3 == 0)
            make_settle(&works[i]);
        else
            make_append(&works[i], "id");
        store_writer_post(writer, &works[i].work);
    }
    ck_assert_int_eq(barrier(), STORE_OK);
    for (size_t i = 0; i < ARRAY_SIZE(works); i++) {
        ck_assert_uint_eq(works[i].done, 1);
        ck_assert_int_eq(works[i].work.result, STORE_OK);
        if (i % 3 != 0)
            ck_assert_uint_eq(works[i].work.append.seq, i - i / 3); /* in order of posting */
    }
    ck_assert_uint_ge(told.stored_told, 1);
    ck_assert_uint_le(told.stored_told, fake.commits);
    ck_assert_uint_eq(store_writer_stats(writer)->appended, fake.head);
    ck_assert_uint_eq(store_writer_stats(writer)->commits, fake.commits);
    store_writer_stop(writer);
    store_writer_stop(NULL);
}
END_TEST

/* Works of two owners, in runs: each run comes back in one piece, its order kept. */
START_TEST(test_replies_come_back_in_runs)
{
    static struct test_work works[60];
    struct mailbox owners[2];
    struct mailbox_list list = {NULL};

    start_fake();
    for (size_t i = 0; i < 2; i++)
        ck_assert_int_eq(mailbox_init(&owners[i], NULL), 0);
    for (size_t i = 0; i < ARRAY_SIZE(works); i++) {
        make_append(&works[i], "id");
        works[i].work.done = NULL;
        works[i].work.reply_to = &owners[i / 20 % 2];
        mailbox_list_add(&list, &works[i].work.item);
    }
    store_writer_post_list(writer, &list);
    ck_assert_int_eq(barrier(), STORE_OK);
    ck_assert_uint_eq(fake.commits, 1); /* what is posted together shares a commit */
    for (size_t i = 0; i < 2; i++) {
        const size_t want = i == 0 ? 40 : 20;
        size_t n = 0, at = 20 * i;

        for (struct mailbox_item *item = mailbox_take(&owners[i]); item; item = item->next) {
            if (n == 20)
                at += 20; /* the other's run */
            ck_assert_ptr_eq(item, &works[at++].work.item);
            n++;
        }
        ck_assert_uint_eq(n, want);
        mailbox_done(&owners[i]);
    }
    store_writer_stop(writer);
}
END_TEST

static unsigned int commits_at_call;

static void note_commits(struct store *store, struct store_work *work)
{
    commits_at_call = fake.commits;
}

START_TEST(test_a_call_runs_between_batches)
{
    static struct test_work works[3];

    start_fake();
    make_append(&works[0], "a");
    make_call(&works[1]);
    works[1].work.call = note_commits;
    make_append(&works[2], "b");
    for (size_t i = 0; i < 3; i++)
        store_writer_post(writer, &works[i].work);
    ck_assert_int_eq(barrier(), STORE_OK);
    ck_assert_uint_eq(commits_at_call, 1); /* a was committed, b was not */
    ck_assert_uint_eq(fake.commits, 2);
    store_writer_stop(writer);
}
END_TEST

START_TEST(test_stop_works_off_what_waits)
{
    static struct test_work works[5000];

    start_fake();
    for (size_t i = 0; i < ARRAY_SIZE(works); i++) {
        make_append(&works[i], "id");
        store_writer_post(writer, &works[i].work);
    }
    store_writer_stop(writer);
    for (size_t i = 0; i < ARRAY_SIZE(works); i++)
        ck_assert_uint_eq(works[i].done, 1);
    ck_assert_uint_eq(fake.head, ARRAY_SIZE(works));
}
END_TEST

START_TEST(test_pruning_each_minute)
{
    start_fake();
    ck_assert_int_eq(barrier(), STORE_OK);
    ck_assert_uint_eq(fake.prunes, 0);
    fake.more_prunes = 5; /* it goes on while there is more and nothing else to do */
    for (unsigned int minutes = 1; minutes <= 2; minutes++) {
        rig_advance(61 * USEC_PER_SEC);
        for (int i = 0; i < 100 && (fake.prunes < 4 + minutes || i < 50); i++) {
            ck_assert_int_eq(barrier(), STORE_OK);
            rig_advance(100 * USEC_PER_MSEC); /* between two steps while there is work */
        }
        ck_assert_uint_eq(fake.prunes, 4 + minutes);
    }
    store_writer_stop(writer);
}
END_TEST

static void pass_a_minute(struct store *store, void *context)
{
    rig_advance(61 * USEC_PER_SEC);
}

/* While work keeps coming, pruning takes a step now and then, not one for each batch. */
START_TEST(test_pruning_yields_to_work)
{
    start_fake();
    fake.more_prunes = 1000;
    ck_assert_int_eq(store_writer_call(writer, pass_a_minute, NULL), STORE_OK);
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(barrier(), STORE_OK);
    ck_assert_uint_eq(fake.prunes, 1);
    fake.more_prunes = 0;
    store_writer_stop(writer);
}
END_TEST

/* Once it is due and nothing else is to be done it goes on to its end, without anybody's work. */
START_TEST(test_pruning_goes_on_by_itself)
{
    start_fake();
    fake.more_prunes = 20;
    fake.prune_usec = USEC_PER_SEC;
    ck_assert_int_eq(store_writer_call(writer, pass_a_minute, NULL), STORE_OK);
    for (int i = 0; fake.prunes < 20; i++) {
        ck_assert_int_lt(i, 5000);
        usleep(1000);
    }
    store_writer_stop(writer);
    ck_assert_uint_eq(fake.prunes, 20);
}
END_TEST

START_TEST(test_slow_commits_are_counted)
{
    static struct test_work works[2];

    start_fake();
    for (int i = 0; i < 2; i++) {
        fake.commit_usec = i == 0 ? 0 : USEC_PER_HOUR;
        make_append(&works[i], "id");
        store_writer_post(writer, &works[i].work);
        ck_assert_int_eq(barrier(), STORE_OK);
    }
    ck_assert_uint_eq(store_writer_stats(writer)->commit_buckets[0], 1);
    ck_assert_uint_eq(store_writer_stats(writer)->commit_buckets[STORE_COMMIT_BUCKETS - 1], 1);
    store_writer_stop(writer);
}
END_TEST

START_TEST(test_tidies_up_when_it_is_quiet)
{
    unsigned int before;

    start_fake();
    ck_assert_int_eq(barrier(), STORE_OK);
    usleep(200000);
    before = fake.idle_maintains; /* after the barrier's batch, none follows at once */
    for (int i = 0; i < 300 && fake.idle_maintains == before; i++)
        usleep(10000);
    ck_assert_uint_eq(fake.idle_maintains, before + 1);
    store_writer_stop(writer);
}
END_TEST

/* ---- limits ---- */

START_TEST(test_batches_are_bounded)
{
    static struct test_work works[3000];
    static struct test_work hold;

    start_fake();
    for (size_t i = 0; i < ARRAY_SIZE(works); i++) {
        make_append(&works[i], "id");
        works[i].delivery.body_length = i % 1000 == 0 ? STORE_BATCH_BYTES + 1 : 100000;
    }
    make_append(&hold, "first");
    store_writer_post(writer, &hold.work);
    for (size_t i = 0; i < ARRAY_SIZE(works); i++)
        store_writer_post(writer, &works[i].work);
    ck_assert_int_eq(barrier(), STORE_OK);
    ck_assert_uint_eq(fake.head, ARRAY_SIZE(works) + 1);
    ck_assert_uint_le(fake.most_bytes, STORE_BATCH_BYTES + 1); /* the large one, alone */
    store_writer_stop(writer);

    start_fake();
    for (size_t i = 0; i < ARRAY_SIZE(works); i++) {
        works[i].delivery.body_length = 2;
        works[i].done = 0;
        store_writer_post(writer, &works[i].work);
    }
    ck_assert_int_eq(barrier(), STORE_OK);
    ck_assert_uint_le(fake.most_work, STORE_BATCH_MAX);
    store_writer_stop(writer);
}
END_TEST

/* ---- errors ---- */

#define N_NTH 30

/* Posts appends, settles and calls one after another, the n-th call of the store failing. */
static void live(unsigned int n, enum store_result result, struct test_work works[N_NTH])
{
    start_fake_failing(n, result);
    for (size_t i = 0; i < N_NTH; i++) {
        works[i].done = 0;
        if (i % 5 == 3)
            make_call(&works[i]);
        else if (i % 5 == 1)
            make_settle(&works[i]);
        else
            make_append(&works[i], "id");
        if (i == N_NTH / 2)
            rig_advance(61 * USEC_PER_SEC); /* pruning is due */
        store_writer_post(writer, &works[i].work);
        if (i % 2 == 0)
            (void)barrier();
    }
    store_writer_stop(writer);
    for (size_t i = 0; i < N_NTH; i++)
        ck_assert_uint_eq(works[i].done, 1);
}

START_TEST(test_the_nth_call_fails)
{
    static struct test_work works[N_NTH];
    unsigned int n = 1;

    for (fake.hit = true; fake.hit; n++) {
        bool has_failed = false;

        live(n, STORE_FAILED, works);
        ck_assert_uint_eq(told.failed_told, fake.hit ? 1 : 0);
        if (fake.hit)
            ck_assert_str_eq(told.failure.text, "told to fail");
        ck_assert_uint_eq(fake.calls, fake.hit ? n : fake.calls); /* nothing reaches it after */
        for (size_t i = 0; i < N_NTH; i++) {
            const struct store_work *work = &works[i].work;

            has_failed = has_failed || work->result == STORE_FAILED;
            ck_assert_int_eq(work->result, has_failed ? STORE_FAILED : STORE_OK);
            if (work->kind == STORE_WORK_APPEND)
                ck_assert_int_eq(work->append.verdict,
                    has_failed ? STORE_VERDICT_REFUSED : STORE_VERDICT_STORED);
        }
        if (!fake.hit)
            ck_assert(!has_failed);
    }
    ck_assert_uint_gt(n, 20);
}
END_TEST

START_TEST(test_unavailable_is_for_one_batch)
{
    static struct test_work works[N_NTH];
    unsigned int n = 1;

    for (fake.hit = true; fake.hit; n++) {
        live(n, STORE_UNAVAILABLE, works);
        ck_assert_uint_eq(told.failed_told, 0);
        for (size_t i = 0; i < N_NTH; i++) {
            const struct store_work *work = &works[i].work;

            ck_assert_int_ne(work->result, STORE_FAILED);
            if (work->kind == STORE_WORK_APPEND)
                ck_assert_int_eq(work->append.verdict,
                    work->result == STORE_OK ? STORE_VERDICT_STORED : STORE_VERDICT_REFUSED);
        }
    }
    ck_assert_uint_gt(n, 20);
}
END_TEST

static void count_run(struct store *store, void *context)
{
    ++*(unsigned int *)context;
}

START_TEST(test_a_call_after_the_latch_is_not_run)
{
    static struct test_work work;
    unsigned int ran = 0;

    start_fake_failing(1, STORE_FAILED);
    make_append(&work, "id");
    store_writer_post(writer, &work.work);
    ck_assert_int_eq(store_writer_call(writer, count_run, &ran), STORE_FAILED);
    ck_assert_int_eq(work.work.result, STORE_FAILED);
    ck_assert_uint_eq(ran, 0);
    store_writer_stop(writer);
}
END_TEST

/* Waits for what the writer finds out by itself. */
static void wait_until_unavailable(bool want)
{
    const struct store_writer_stats *stats = store_writer_stats(writer);

    for (int i = 0; (stats->unavailable_at_usec != 0) != want; i++) {
        ck_assert_int_lt(i, 5000);
        usleep(1000);
    }
}

/* A settle that is not taken says as much of the store as an append. */
START_TEST(test_a_settle_that_is_not_taken_is_told)
{
    static struct test_work works[2];

    start_fake();
    fake.is_locked = true;
    make_settle(&works[0]);
    store_writer_post(writer, &works[0].work);
    ck_assert_int_eq(barrier(), STORE_OK);
    ck_assert_int_eq(works[0].work.result, STORE_UNAVAILABLE);
    wait_until_unavailable(true);
    fake.is_locked = false;
    make_append(&works[1], "id");
    store_writer_post(writer, &works[1].work);
    ck_assert_int_eq(barrier(), STORE_OK);
    wait_until_unavailable(false);
    store_writer_stop(writer);
}
END_TEST

/* A body that is too big says nothing about the store. */
START_TEST(test_one_that_is_too_big_makes_nothing_unavailable)
{
    static struct test_work work;

    start_fake();
    fake.refusal = EFBIG;
    make_append(&work, "id");
    store_writer_post(writer, &work.work);
    ck_assert_int_eq(barrier(), STORE_OK);
    ck_assert_int_eq(work.work.append.verdict, STORE_VERDICT_REFUSED);
    ck_assert_int_eq(store_writer_stats(writer)->unavailable_at_usec, 0);
    store_writer_stop(writer);
}
END_TEST

START_TEST(test_upkeep_without_room_is_told)
{
    start_fake();
    fake.upkeep = STORE_UNAVAILABLE;
    fake_disk_full = true;
    ck_assert_int_eq(barrier(), STORE_OK);
    wait_until_unavailable(true);
    fake.upkeep = STORE_OK;
    fake_disk_full = false;
    wait_until_unavailable(false);
    ck_assert_uint_eq(told.failed_told, 0);
    store_writer_stop(writer);
}
END_TEST

/* A store that fails while it lacks room is asked nothing more, not even how much there is. */
START_TEST(test_a_failure_while_there_is_no_room)
{
    fake_disk_full = true;
    start_fake();
    wait_until_unavailable(true);
    fake.upkeep = STORE_FAILED;
    for (int i = 0; told.failed_told == 0; i++) {
        ck_assert_int_lt(i, 5000);
        usleep(1000);
    }
    ck_assert_str_eq(told.failure.text, "no room to tidy up");
    ck_assert_int_eq(barrier(), STORE_FAILED);
    store_writer_stop(writer);
    ck_assert_uint_eq(told.failed_told, 1);
    ck_assert_uint_eq(fake.looks_after, 0);
    fake_disk_full = false;
}
END_TEST

static _Atomic int n_signals;

static void on_signal(int number)
{
    n_signals++;
}

static void interrupt_caller(struct store *store, void *context)
{
    int before = n_signals;

    usleep(20000); /* by then the caller waits */
    pthread_kill(*(pthread_t *)context, SIGUSR1);
    while (n_signals == before)
        usleep(1000);
}

/* Whoever waits for a call waits for its end. */
START_TEST(test_a_signal_does_not_end_a_call)
{
    const struct sigaction action = {.sa_handler = on_signal};
    pthread_t self = pthread_self();

    ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
    start_fake();
    for (int i = 1; i <= 5; i++) {
        ck_assert_int_eq(store_writer_call(writer, interrupt_caller, &self), STORE_OK);
        ck_assert_int_eq(n_signals, i);
    }
    store_writer_stop(writer);
}
END_TEST

/* `want`: 0 is any error. */
static void start_refused(int want, const char *want_text)
{
    const struct store_writer_options options = {
        .store = &fake.base, .clock = &rig.clock, .stored = on_stored, .failed = on_failed};
    struct store_writer *none = NULL;
    int r;

    rig.error = (struct error)ERROR_INIT;
    r = store_writer_start(&options, &none, &rig.error);
    ck_assert(want == 0 ? r < 0 : r == want);
    ck_assert_msg(strstr(rig.error.text, want_text), "%s", rig.error.text);
    ck_assert_ptr_null(none);
}

/* What a start needs: memory, a descriptor, a thread. Without one of them nothing is left over. */
START_TEST(test_a_start_that_is_refused)
{
    struct rlimit limit;
    pthread_attr_t attributes, defaults;
    long live;
    int fd;

    start_fake(); /* and whatever the first thread makes for good */
    store_writer_stop(writer);
    live = failing_malloc_live;
    if (failing_malloc_works()) {
        failing_malloc_in = 1;
        start_refused(-ENOMEM, "out of memory");
    }

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    ck_assert_int_eq(
        setrlimit(RLIMIT_NOFILE, &(struct rlimit){.rlim_cur = 0, .rlim_max = limit.rlim_max}), 0);
    start_refused(-EMFILE, "cannot make an event descriptor");
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);

    fd = dup(STDERR_FILENO);
    close(fd);
    ck_assert_int_eq(pthread_getattr_default_np(&defaults), 0);
    ck_assert_int_eq(pthread_attr_init(&attributes), 0);
    ck_assert_int_eq(pthread_attr_setstacksize(&attributes, (size_t)1 << 50), 0);
    ck_assert_int_eq(pthread_setattr_default_np(&attributes), 0);
    start_refused(0, "cannot start the store's writer");
    ck_assert_int_eq(pthread_setattr_default_np(&defaults), 0);
    ck_assert_int_eq(pthread_attr_destroy(&attributes), 0);
    ck_assert_int_eq(pthread_attr_destroy(&defaults), 0);
    ck_assert_int_eq(dup(STDERR_FILENO), fd);
    close(fd);
    ck_assert_int_eq(failing_malloc_live, live);

    start_fake();
    ck_assert_int_eq(barrier(), STORE_OK);
    store_writer_stop(writer);
}
END_TEST

/* That the clock is in doubt is said, and is no failure; a store that is busy is asked again. */
START_TEST(test_why_pruning_waits_is_told)
{
    char path[] = "/tmp/writer-log-XXXXXX", text[1024] = "";
    const bool is_busy = _i == 1;
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    start_fake();
    log_set_level(LOG_LEVEL_INFO);
    ck_assert_int_ge(dup2(fd, STDERR_FILENO), 0);
    fake.prune_code = is_busy ? EBUSY : EAGAIN;
    ck_assert_int_eq(store_writer_call(writer, pass_a_minute, NULL), STORE_OK);
    ck_assert_int_eq(barrier(), STORE_OK);
    store_writer_stop(writer);
    ck_assert_int_ge(pread(fd, text, sizeof(text) - 1, 0), 0);
    unlink(path);
    ck_assert_msg(!strstr(text, "the clock is ahead") == is_busy, "%s", text);
    ck_assert_uint_ge(fake.prunes, 1);
    ck_assert_uint_eq(told.failed_told, 0);
}
END_TEST

/* One line on the way in, one on the way out. */
START_TEST(test_the_log_says_it_once)
{
    static struct test_work works[3];
    char path[] = "/tmp/writer-log-XXXXXX", text[1024] = "";
    size_t n_lines = 0;
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    start_fake();
    log_set_level(LOG_LEVEL_INFO);
    ck_assert_int_ge(dup2(fd, STDERR_FILENO), 0);
    for (int i = 0; i < 3; i++) {
        fake.has_no_room = i < 2;
        make_append(&works[i], "id");
        store_writer_post(writer, &works[i].work);
        ck_assert_int_eq(barrier(), STORE_OK);
    }
    store_writer_stop(writer);
    ck_assert_int_ge(pread(fd, text, sizeof(text) - 1, 0), 0);
    unlink(path);
    ck_assert_msg(strstr(text, "deliveries are refused for now: no room"), "%s", text);
    ck_assert_msg(strstr(text, "deliveries are accepted again"), "%s", text);
    for (const char *c = text; *c; c++)
        n_lines += *c == '\n';
    ck_assert_uint_eq(n_lines, 2);
}
END_TEST

/* A full disk is told before anybody is refused, and its end before anybody asks again. */
START_TEST(test_a_full_disk_is_told_without_a_delivery)
{
    _Atomic bool *cause = _i == 0 ? &fake_disk_full : &fake_below_floor;

    *cause = true;
    start_fake();
    ck_assert_int_eq(barrier(), STORE_OK);
    ck_assert_int_gt(store_writer_stats(writer)->unavailable_at_usec, 0);
    *cause = false;
    wait_until_unavailable(false);
    store_writer_stop(writer);
}
END_TEST

/* ---- threads ---- */

#define N_THREADS 6
#define N_ROUNDS 400
#define N_IDS 500

static _Atomic unsigned int stored_by_all;
static struct mailbox backs[N_THREADS]; /* until the writer, which posts to them, has ended */

/* Posts, and waits for what comes back, as a worker of the intake does; ids collide between
 * threads. */
static void *post_many(void *argument)
{
    unsigned int number = (unsigned int)(uintptr_t)argument;
    struct mailbox *back = &backs[number];
    struct test_work works[8];

    for (unsigned int round = 0; round < N_ROUNDS; round++) {
        size_t n_back = 0;

        for (size_t i = 0; i < ARRAY_SIZE(works); i++) {
            char id[32];

            snprintf(id, sizeof(id), "id-%u", (round * 8 + (unsigned int)i + 7 * number) % N_IDS);
            make_append(&works[i], id);
            works[i].back = back;
            works[i].done = 0;
            store_writer_post(writer, &works[i].work);
        }
        while (n_back < ARRAY_SIZE(works)) {
            struct mailbox_item *item = mailbox_take(back);

            if (!item)
                usleep(50);
            for (; item; item = item->next)
                n_back++;
        }
        for (size_t i = 0; i < ARRAY_SIZE(works); i++) {
            ck_assert_int_eq(works[i].work.result, STORE_OK);
            stored_by_all += works[i].work.append.verdict == STORE_VERDICT_STORED;
        }
    }
    return NULL;
}

static void *read_along(void *argument)
{
    struct store_reader *reader;
    uint64_t head = 0, last = 0;

    ck_assert_int_eq(store_reader_open(rig.store, &reader, NULL), 0);
    while (head < N_IDS) {
        ck_assert_int_eq(store_read_head(reader, &head, NULL), 0);
        ck_assert_uint_ge(head, last);
        last = head;
        usleep(100);
    }
    store_reader_close(reader);
    return NULL;
}

/* G3: the same ids from all sides, each stored once. For the thread sanitiser, too. */
START_TEST(test_many_threads)
{
    pthread_t threads[N_THREADS], reader;

    stored_by_all = 0;
    rig_start((enum rig_backend)_i);
    start_on(rig.store, clock_system());
    ck_assert_int_eq(pthread_create(&reader, NULL, read_along, NULL), 0);
    for (uintptr_t i = 0; i < N_THREADS; i++) {
        ck_assert_int_eq(mailbox_init(&backs[i], NULL), 0);
        ck_assert_int_eq(pthread_create(&threads[i], NULL, post_many, (void *)i), 0);
    }
    for (size_t i = 0; i < N_THREADS; i++)
        pthread_join(threads[i], NULL);
    pthread_join(reader, NULL);
    store_writer_stop(writer);
    for (size_t i = 0; i < N_THREADS; i++)
        mailbox_done(&backs[i]);
    ck_assert_uint_eq(stored_by_all, N_IDS);
    ck_assert_uint_eq(rig_count_deliveries(), N_IDS);
    rig_stop();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("writer");
    TCase *core = tcase_create("core"), *limits = tcase_create("limits"),
          *errors = tcase_create("errors"), *threads = tcase_create("threads");
    SRunner *runner;
    int n_failed;

    tcase_set_timeout(errors, 60);
    tcase_set_timeout(threads, 100);
    tcase_add_test(core, test_one_delivery_is_told);
    tcase_add_test(core, test_what_is_posted_comes_back_once);
    tcase_add_test(core, test_replies_come_back_in_runs);
    tcase_add_test(core, test_a_call_runs_between_batches);
    tcase_add_test(core, test_stop_works_off_what_waits);
    tcase_add_test(core, test_pruning_each_minute);
    tcase_add_test(core, test_pruning_yields_to_work);
    tcase_add_test(core, test_pruning_goes_on_by_itself);
    tcase_add_test(core, test_slow_commits_are_counted);
    tcase_add_test(core, test_tidies_up_when_it_is_quiet);
    tcase_add_test(limits, test_batches_are_bounded);
    tcase_add_test(errors, test_the_nth_call_fails);
    tcase_add_test(errors, test_unavailable_is_for_one_batch);
    tcase_add_test(errors, test_a_call_after_the_latch_is_not_run);
    tcase_add_test(errors, test_the_log_says_it_once);
    tcase_add_loop_test(errors, test_a_full_disk_is_told_without_a_delivery, 0, 2);
    tcase_add_test(errors, test_a_settle_that_is_not_taken_is_told);
    tcase_add_test(errors, test_one_that_is_too_big_makes_nothing_unavailable);
    tcase_add_test(errors, test_upkeep_without_room_is_told);
    tcase_add_test(errors, test_a_failure_while_there_is_no_room);
    tcase_add_test(errors, test_a_signal_does_not_end_a_call);
    tcase_add_test(errors, test_a_start_that_is_refused);
    tcase_add_loop_test(errors, test_why_pruning_waits_is_told, 0, 2);
    tcase_add_loop_test(threads, test_many_threads, 0, RIG_N_BACKENDS);
    suite_add_tcase(suite, core);
    suite_add_tcase(suite, limits);
    suite_add_tcase(suite, errors);
    suite_add_tcase(suite, threads);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
