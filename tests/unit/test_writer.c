/*
 * What the writer's commits do, over a store that is told when to fail and over both backends: all
 * that is posted comes back once and in order, with the verdict of its batch.
 * Start, stop, upkeep and whether the store takes anything are in test_writer_upkeep.c.
 */

#include "writer_rig.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

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

static void wait_until_done(const struct test_work *work)
{
    for (int i = 0; work->done == 0; i++) {
        ck_assert_int_lt(i, 5000);
        usleep(1000);
    }
}

static void wait_until_staged(unsigned int n)
{
    for (int i = 0; fake.stages < n; i++) {
        ck_assert_int_lt(i, 5000);
        usleep(1000);
    }
}

static struct test_work pieces[4];

/* Somebody who has more to post posts the first. */
static void start_pieces(void)
{
    start_fake();
    for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
        make_append(&pieces[i], "id");
        pieces[i].done = 0;
    }
    pieces[0].work.more = 1;
    store_writer_post(writer, &pieces[0].work);
    wait_until_staged(1);
    ck_assert_uint_eq(fake.commits, 0);
    ck_assert_uint_eq(pieces[0].done, 0);
}

static void post_last(size_t i)
{
    pieces[i].work.more = -1;
    store_writer_post(writer, &pieces[i].work);
    wait_until_done(&pieces[i]);
}

START_TEST(test_pieces_share_a_commit)
{
    start_pieces();
    store_writer_post(writer, &pieces[1].work);
    wait_until_staged(2);
    post_last(2);
    ck_assert_uint_eq(fake.commits, 1);
    for (size_t i = 0; i < 3; i++)
        ck_assert_uint_eq(pieces[i].done, 1);
    store_writer_stop(writer);
}
END_TEST

/* Of two that have more, the second is waited for as well. */
START_TEST(test_pieces_of_two)
{
    start_pieces();
    pieces[1].work.more = 1;
    store_writer_post(writer, &pieces[1].work);
    wait_until_staged(2);
    pieces[2].work.more = -1;
    store_writer_post(writer, &pieces[2].work);
    wait_until_staged(3);
    ck_assert_uint_eq(fake.commits, 0);
    post_last(3);
    ck_assert_uint_eq(fake.commits, 1);
    store_writer_stop(writer);
}
END_TEST

/* One that says so and does not come holds up nobody for long. */
START_TEST(test_waiting_for_more_is_bounded)
{
    unsigned int staged;

    start_pieces();
    rig_advance(USEC_PER_SEC);
    wait_until_done(&pieces[0]);
    post_last(1);
    staged = fake.stages;
    store_writer_post(writer, &pieces[2].work);
    wait_until_done(&pieces[2]);
    ck_assert_uint_eq(fake.stages, staged); /* nobody is waited for any more */
    store_writer_stop(writer);
}
END_TEST

START_TEST(test_a_call_does_not_wait_for_more)
{
    start_pieces();
    ck_assert_int_eq(barrier(), STORE_OK);
    ck_assert_uint_eq(pieces[0].done, 1);
    ck_assert_uint_eq(fake.commits, 1);
    post_last(1);
    store_writer_stop(writer);
}
END_TEST

START_TEST(test_stopping_does_not_wait_for_more)
{
    start_pieces();
    store_writer_stop(writer);
    ck_assert_uint_eq(pieces[0].done, 1);
    ck_assert_int_eq(pieces[0].work.result, STORE_OK);
}
END_TEST

/* What cannot be staged is committed at once, for it says why. */
START_TEST(test_what_cannot_be_staged_does_not_wait)
{
    start_pieces();
    fake.stages_nothing = true;
    store_writer_post(writer, &pieces[1].work);
    wait_until_done(&pieces[1]);
    ck_assert_uint_eq(fake.commits, 1);
    post_last(2);
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

START_TEST(test_a_store_that_fails_between_two_pieces)
{
    start_pieces();
    fake.result = STORE_FAILED;
    fake.fail_at = fake.calls + 1;
    store_writer_post(writer, &pieces[1].work);
    wait_until_staged(2);
    post_last(2);
    for (size_t i = 0; i < 3; i++) {
        wait_until_done(&pieces[i]);
        ck_assert_int_eq(pieces[i].work.result, STORE_FAILED);
        ck_assert_int_eq(pieces[i].work.append.verdict, STORE_VERDICT_REFUSED);
    }
    store_writer_stop(writer);
    ck_assert_uint_eq(told.failed_told, 1);
    ck_assert_uint_eq(fake.commits, 0); /* nothing reached it after */
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
    tcase_add_test(core, test_pieces_share_a_commit);
    tcase_add_test(core, test_pieces_of_two);
    tcase_add_test(core, test_waiting_for_more_is_bounded);
    tcase_add_test(core, test_what_cannot_be_staged_does_not_wait);
    tcase_add_test(core, test_a_call_does_not_wait_for_more);
    tcase_add_test(core, test_stopping_does_not_wait_for_more);
    tcase_add_test(core, test_slow_commits_are_counted);
    tcase_add_test(limits, test_batches_are_bounded);
    tcase_add_test(errors, test_the_nth_call_fails);
    tcase_add_test(errors, test_unavailable_is_for_one_batch);
    tcase_add_test(errors, test_a_call_after_the_latch_is_not_run);
    tcase_add_test(errors, test_a_store_that_fails_between_two_pieces);
    tcase_add_test(errors, test_a_signal_does_not_end_a_call);
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
