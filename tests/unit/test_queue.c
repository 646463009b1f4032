/*
 * The queue, by example: lanes, retries, batches, what a plan says.
 * The random walk against a model of the store is in test_queue_model.c.
 */

#include "dispatch/queue.h"
#include "util/clock.h"
#include "util/hash.h"

#include "failing_malloc.h"

#include <check.h>
#include <stdlib.h>

static struct queue queue;
static struct queue_plan plan;
static struct task *tasks[64];

static void drop(struct attempt *attempt)
{
    free(attempt);
}

static void setup(void)
{
    ck_assert_int_eq(queue_init(&queue, 0, 1, drop), 0);
}

static void teardown(void)
{
    queue_done(&queue);
}

static uint64_t job(uint64_t number)
{
    return hash_u64(number);
}

static void claim(uint64_t seq, uint64_t key)
{
    ck_assert_int_eq(queue_claim(&queue, seq, job(key), 0), 0);
}

/* Takes all that can start now and checks which. */
static void take(int64_t now, const uint64_t *want, size_t n_want)
{
    size_t got = queue_take(&queue, now, tasks, 64);

    ck_assert_uint_eq(got, n_want);
    for (size_t i = 0; i < got; i++)
        ck_assert_uint_eq(tasks[i]->seq, want[i]);
}
#define TAKE_SEQS(now, ...)                    \
    take(now, (const uint64_t[]){__VA_ARGS__}, \
        sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

static void end(struct task *task, enum queue_end how)
{
    queue_end(&queue, task, how, 0, 0);
}

static void make_plan(bool spill)
{
    ck_assert_int_eq(queue_plan(&queue, spill, &plan), 0);
}

static void check_plan(uint64_t frontier, uint64_t delivered, uint64_t filtered, size_t n)
{
    ck_assert_uint_eq(plan.frontier, frontier);
    ck_assert_uint_eq(plan.delivered, delivered);
    ck_assert_uint_eq(plan.filtered, filtered);
    ck_assert_uint_eq(plan.n, n);
}

static void commit(void)
{
    queue_committed(&queue, &plan, 0);
}

static const struct queue_entry *entry_of(uint64_t seq)
{
    for (size_t i = 0; i < plan.n; i++)
        if (plan.entries[i].task->seq == seq)
            return &plan.entries[i];
    ck_abort_msg("no entry for %llu", (unsigned long long)seq);
    return NULL;
}

START_TEST(test_one_at_a_time_per_job)
{
    claim(1, 1);
    claim(2, 1);
    claim(3, 2);
    TAKE_SEQS(0, 1, 3);
    ck_assert_uint_eq(queue_take(&queue, 0, tasks + 2, 1), 0);
    end(tasks[1], QUEUE_DELIVERED);
    ck_assert_uint_eq(queue_take(&queue, 0, tasks + 2, 1), 0);
    end(tasks[0], QUEUE_DELIVERED);
    TAKE_SEQS(0, 2);
}
END_TEST

START_TEST(test_ready_lanes_take_turns)
{
    claim(1, 1);
    claim(2, 1);
    claim(3, 1);
    claim(4, 2);
    claim(5, 2);
    TAKE_SEQS(0, 1, 4);
    end(tasks[0], QUEUE_DELIVERED);
    end(tasks[1], QUEUE_DELIVERED);
    TAKE_SEQS(0, 2, 5);
}
END_TEST

START_TEST(test_in_order_needs_no_rows)
{
    for (uint64_t seq = 1; seq <= 5; seq++)
        claim(seq, 1);
    TAKE_SEQS(0, 1);
    end(tasks[0], QUEUE_DELIVERED);
    make_plan(false);
    check_plan(1, 1, 0, 1);
    ck_assert_int_eq(plan.entries[0].write, WRITE_DELIVERED);
    commit();
    ck_assert_uint_eq(queue.n_tasks, 4);
    ck_assert_uint_eq(queue.n_fresh, 4);
}
END_TEST

START_TEST(test_overtaken_get_rows)
{
    claim(1, 1);
    claim(2, 2);
    claim(3, 3);
    claim(4, 4);
    TAKE_SEQS(0, 1, 2, 3, 4);
    end(tasks[2], QUEUE_DELIVERED);
    make_plan(false);
    check_plan(3, 1, 0, 3);
    ck_assert_int_eq(entry_of(1)->write, WRITE_NOTHING);
    ck_assert_int_eq(entry_of(2)->write, WRITE_NOTHING);
    /* One of them ends while the plan is under way: its outcome is the next plan's. */
    end(tasks[0], QUEUE_DELIVERED);
    commit();
    ck_assert_uint_eq(queue.n_fresh, 1);
    make_plan(false);
    check_plan(3, 1, 0, 1);
    ck_assert(entry_of(1)->task->has_row);
    commit();
}
END_TEST

START_TEST(test_retry_waits_for_disk_and_time)
{
    claim(1, 1);
    claim(2, 1);
    TAKE_SEQS(0, 1);
    tasks[0]->attempts = 1;
    queue_end(&queue, tasks[0], QUEUE_RETRY, 100, 0);
    /* Its time has come, but its row is not written. */
    ck_assert_uint_eq(queue_take(&queue, 200, tasks, 64), 0);
    make_plan(false);
    check_plan(1, 0, 0, 1);
    ck_assert_int_eq(plan.entries[0].write, WRITE_RETRY);
    commit();
    ck_assert_int_eq(queue_next_due(&queue), 100);
    ck_assert_uint_eq(queue_take(&queue, 99, tasks, 64), 0);
    TAKE_SEQS(100, 1);
    ck_assert_uint_eq(tasks[0]->attempts, 1);
    end(tasks[0], QUEUE_DELIVERED);
    TAKE_SEQS(100, 2);
}
END_TEST

START_TEST(test_dead_lets_the_next_one_go)
{
    claim(1, 1);
    claim(2, 1);
    TAKE_SEQS(0, 1);
    end(tasks[0], QUEUE_DEAD);
    TAKE_SEQS(0, 2);
    make_plan(false);
    check_plan(1, 0, 0, 1);
    ck_assert_int_eq(plan.entries[0].write, WRITE_DEAD);
    commit();
}
END_TEST

START_TEST(test_filtered_move_the_frontier)
{
    queue_claim_filtered(&queue, 1);
    queue_claim_filtered(&queue, 2);
    ck_assert(queue_has_progress(&queue));
    make_plan(false);
    check_plan(2, 0, 2, 0);
    commit();
    ck_assert(!queue_has_progress(&queue));
}
END_TEST

START_TEST(test_frontier_stops_at_unsettled)
{
    queue_claim_filtered(&queue, 1);
    claim(2, 1);
    queue_claim_filtered(&queue, 3);
    claim(4, 2);
    queue_claim_filtered(&queue, 5);
    make_plan(false);
    check_plan(1, 0, 1, 0);
    commit();
    TAKE_SEQS(0, 2, 4);
    end(tasks[0], QUEUE_DELIVERED);
    make_plan(false);
    check_plan(3, 1, 1, 1);
    commit();
    end(tasks[1], QUEUE_DELIVERED);
    make_plan(false);
    check_plan(5, 1, 1, 1);
    commit();
}
END_TEST

START_TEST(test_filtered_during_a_plan)
{
    claim(1, 1);
    TAKE_SEQS(0, 1);
    end(tasks[0], QUEUE_DELIVERED);
    make_plan(false);
    check_plan(1, 1, 0, 1);
    queue_claim_filtered(&queue, 2);
    commit();
    make_plan(false);
    check_plan(2, 0, 1, 0);
    commit();
}
END_TEST

START_TEST(test_returned_plan_comes_again)
{
    claim(1, 1);
    queue_claim_filtered(&queue, 2);
    claim(3, 3);
    queue_claim_filtered(&queue, 4);
    claim(5, 4);
    TAKE_SEQS(0, 1, 3, 5);
    end(tasks[1], QUEUE_DELIVERED);
    make_plan(false);
    check_plan(4, 1, 2, 2);
    end(tasks[0], QUEUE_DELIVERED);
    queue_returned(&queue, &plan);
    make_plan(false);
    check_plan(4, 2, 2, 2);
    commit();
    ck_assert_uint_eq(queue.n_tasks, 1);
}
END_TEST

START_TEST(test_returned_spill_keeps_its_reach)
{
    claim(1, 1);
    claim(2, 1);
    queue_claim_filtered(&queue, 3);
    TAKE_SEQS(0, 1);
    make_plan(true);
    check_plan(3, 0, 1, 2);
    queue_returned(&queue, &plan);
    /* The filtered one was counted below 3: the next plan must go as far. */
    make_plan(false);
    check_plan(3, 0, 1, 2);
    commit();
    ck_assert_uint_eq(queue.n_fresh, 0);
}
END_TEST

START_TEST(test_spill_makes_rows_of_all)
{
    for (uint64_t seq = 1; seq <= 10; seq++)
        claim(seq, 1);
    make_plan(true);
    check_plan(10, 0, 0, 10);
    commit();
    ck_assert_uint_eq(queue.n_fresh, 0);
    ck_assert_uint_eq(queue.n_tasks, 10);
    TAKE_SEQS(0, 1);
    end(tasks[0], QUEUE_DELIVERED);
    make_plan(false);
    check_plan(10, 1, 0, 1);
    ck_assert(plan.entries[0].task->has_row);
    commit();
}
END_TEST

START_TEST(test_rows_first)
{
    queue_done(&queue);
    ck_assert_int_eq(queue_init(&queue, 50, 1, drop), 0);
    ck_assert_int_eq(queue_add_row(&queue, 7, job(1), 3, 40, true, 0), 0);
    ck_assert_int_eq(queue_add_row(&queue, 9, job(2), 0, 0, false, 0), 0);
    claim(51, 1);
    claim(52, 2);
    TAKE_SEQS(0, 9);
    ck_assert_uint_eq(tasks[0]->attempts, 0);
    TAKE_SEQS(40, 7);
    ck_assert_uint_eq(tasks[0]->attempts, 3);
    ck_assert(tasks[0]->replay);
    end(tasks[0], QUEUE_DELIVERED);
    TAKE_SEQS(40, 51);
    make_plan(false);
    check_plan(50, 1, 0, 1);
    commit();
}
END_TEST

START_TEST(test_rows_settled_without_running)
{
    queue_done(&queue);
    ck_assert_int_eq(queue_init(&queue, 50, 1, drop), 0);
    ck_assert_int_eq(queue_settle_row(&queue, 7, WRITE_FILTERED), 0);
    ck_assert_int_eq(queue_settle_row(&queue, 8, WRITE_DELIVERED), 0);
    ck_assert_int_eq(queue_claim_delivered(&queue, 51), 0);
    ck_assert_uint_eq(queue_take(&queue, 0, tasks, 64), 0);
    make_plan(false);
    check_plan(51, 2, 1, 3);
    queue_returned(&queue, &plan);
    make_plan(false);
    check_plan(51, 2, 1, 3);
    commit();
    ck_assert_uint_eq(queue.n_tasks, 0);
}
END_TEST

START_TEST(test_deferred_goes_back_to_the_front)
{
    claim(1, 1);
    claim(2, 1);
    TAKE_SEQS(0, 1);
    end(tasks[0], QUEUE_DEFERRED);
    ck_assert(queue_is_ready(&queue));
    ck_assert_uint_eq(queue.n_dirty, 0);
    TAKE_SEQS(0, 1);
    ck_assert_uint_eq(tasks[0]->attempts, 0);
}
END_TEST

static void setup_batch(void)
{
    ck_assert_int_eq(queue_init(&queue, 0, 4, drop), 0);
    for (uint64_t seq = 1; seq <= 6; seq++)
        ck_assert_int_eq(queue_claim(&queue, seq, 0, 0), 0);
}

START_TEST(test_batch_is_bounded)
{
    TAKE_SEQS(0, 1, 2, 3, 4);
    struct task *held[4] = {tasks[0], tasks[1], tasks[2], tasks[3]};
    ck_assert_uint_eq(queue_take(&queue, 0, tasks, 64), 0);
    for (size_t i = 0; i < 4; i++)
        end(held[i], QUEUE_DELIVERED);
    TAKE_SEQS(0, 5, 6);
}
END_TEST

START_TEST(test_batch_comes_back_partly)
{
    TAKE_SEQS(0, 1, 2, 3, 4);
    end(tasks[0], QUEUE_DELIVERED);
    queue_end(&queue, tasks[1], QUEUE_RETRY, 100, 0);
    end(tasks[2], QUEUE_DEFERRED);
    end(tasks[3], QUEUE_DEFERRED);
    make_plan(false);
    check_plan(2, 1, 0, 2);
    commit();
    /* The rest is held up by the one that failed. */
    ck_assert_uint_eq(queue_take(&queue, 99, tasks, 64), 0);
    TAKE_SEQS(100, 2, 3, 4, 5);
    ck_assert_uint_eq(tasks[1]->attempts, 0);
}
END_TEST

START_TEST(test_batch_stops_before_one_that_must_wait)
{
    queue_done(&queue);
    ck_assert_int_eq(queue_init(&queue, 50, 4, drop), 0);
    ck_assert_int_eq(queue_add_row(&queue, 1, 0, 0, 0, false, 0), 0);
    ck_assert_int_eq(queue_add_row(&queue, 2, 0, 1, 100, false, 0), 0);
    TAKE_SEQS(99, 1);
    end(tasks[0], QUEUE_DELIVERED);
    ck_assert_uint_eq(queue_take(&queue, 99, tasks, 64), 0);
    TAKE_SEQS(100, 2);
}
END_TEST

START_TEST(test_batch_goes_on_after_a_dead_one)
{
    TAKE_SEQS(0, 1, 2, 3, 4);
    end(tasks[0], QUEUE_DELIVERED);
    end(tasks[1], QUEUE_DEAD);
    end(tasks[2], QUEUE_DEFERRED);
    end(tasks[3], QUEUE_DEFERRED);
    TAKE_SEQS(0, 3, 4, 5, 6);
}
END_TEST

START_TEST(test_delayed_lanes_wake_in_order)
{
    static const int64_t dues[] = {50, 10, 40, 20, 30, 60, 15};

    for (uint64_t i = 0; i < 7; i++)
        ck_assert_int_eq(queue_add_row(&queue, i + 1, job(i), 1, dues[i], false, 0), 0);
    ck_assert_int_eq(queue_next_due(&queue), 10);
    TAKE_SEQS(20, 2, 7, 4);
    ck_assert_int_eq(queue_next_due(&queue), 30);
    TAKE_SEQS(100, 5, 3, 1, 6);
    ck_assert_int_eq(queue_next_due(&queue), USEC_INFINITY);
}
END_TEST

START_TEST(test_many_lanes)
{
    enum { N = 5000 };

    for (uint64_t seq = 1; seq <= N; seq++)
        claim(seq, seq);
    for (uint64_t seq = 1; seq <= N; seq++) {
        ck_assert_uint_eq(queue_take(&queue, 0, tasks, 1), 1);
        ck_assert_uint_eq(tasks[0]->seq, seq);
        if (seq % 3 == 0)
            queue_end(&queue, tasks[0], QUEUE_RETRY, (int64_t)(N - seq) + 1, 0);
        else
            end(tasks[0], QUEUE_DELIVERED);
    }
    make_plan(false);
    check_plan(N, N - N / 3, 0, N);
    commit();
    ck_assert_uint_eq(queue.n_tasks, N / 3);
    ck_assert_uint_eq(queue.lanes.n, N / 3);
    int64_t last = -1;
    while (queue_next_due(&queue) != USEC_INFINITY) {
        int64_t due = queue_next_due(&queue);
        ck_assert_int_gt(due, last);
        last = due;
        ck_assert_uint_eq(queue_take(&queue, due, tasks, 1), 1);
        end(tasks[0], QUEUE_DELIVERED);
    }
    ck_assert_uint_eq(queue.lanes.n, 0);
}
END_TEST

START_TEST(test_attempts_are_dropped_once)
{
    /* Under a leak checker: what is dropped twice or never shows. */
    claim(1, 1);
    claim(2, 2);
    claim(3, 3);
    TAKE_SEQS(0, 1, 2, 3);
    for (size_t i = 0; i < 3; i++)
        tasks[i]->attempt = malloc(1);
    queue_end(&queue, tasks[0], QUEUE_RETRY, 1, 0);
    end(tasks[1], QUEUE_DELIVERED);
    struct task *retried = tasks[0];
    make_plan(false);
    commit();
    ck_assert_ptr_null(retried->attempt);
    /* The third is running when the queue ends. */
}
END_TEST

/* ---- what an operator asks for ---- */

static struct task *find(uint64_t seq)
{
    struct queue_search search = {.seq = seq};

    queue_find(&queue, &search, 1);
    return search.task;
}

/* Fails the one task that can start now, until `due`; its row is written. */
static void fail_until(uint64_t seq, int64_t due)
{
    TAKE_SEQS(0, seq);
    tasks[0]->attempts++;
    queue_end(&queue, tasks[0], QUEUE_RETRY, due, 0);
    make_plan(false);
    commit();
}

static void check_hastened(uint64_t seq)
{
    ck_assert(queue_hasten(&queue, find(seq)));
    ck_assert_uint_eq(queue_take(&queue, 0, tasks, 64), 0); /* not before it is on disk */
    make_plan(false);
    check_plan(queue.cursor, 0, 0, 1);
    ck_assert_int_eq(entry_of(seq)->write, WRITE_RETRY);
    commit();
    TAKE_SEQS(0, seq);
    ck_assert_uint_eq(tasks[0]->attempts, 0);
    ck_assert(!queue_hasten(&queue, tasks[0])); /* it runs */
    end(tasks[0], QUEUE_DELIVERED);
}

START_TEST(test_hastens_one_that_waits)
{
    claim(1, 1);
    fail_until(1, 1000);
    ck_assert_int_eq(queue_next_due(&queue), 1000);
    check_hastened(1);
    ck_assert_int_eq(queue_next_due(&queue), USEC_INFINITY);
}
END_TEST

START_TEST(test_hastens_one_in_line)
{
    claim(1, 1);
    fail_until(1, 0);
    ck_assert(queue_is_ready(&queue));
    check_hastened(1);
}
END_TEST

START_TEST(test_hastens_one_that_is_not_written_yet)
{
    claim(1, 1);
    TAKE_SEQS(0, 1);
    tasks[0]->attempts++;
    queue_end(&queue, tasks[0], QUEUE_RETRY, 1000, 0);
    check_hastened(1);
}
END_TEST

START_TEST(test_hastens_none_that_only_waits_its_turn)
{
    claim(1, 1);
    claim(2, 1);
    fail_until(1, 1000);
    ck_assert(!queue_hasten(&queue, find(2)));
    ck_assert_ptr_null(find(3));
    ck_assert_uint_eq(queue.n_dirty, 0);
}
END_TEST

/* Taking one out of the middle leaves the others in order. */
START_TEST(test_hastens_one_of_many)
{
    enum { N = 64 };
    int64_t last = 0;

    for (uint64_t seq = 1; seq <= N; seq++)
        ck_assert_int_eq(
            queue_add_row(&queue, seq, job(seq), 1, (int64_t)(hash_u64(seq) % 1000) + 1, false, 0),
            0);
    for (uint64_t seq = 3; seq <= N; seq += 3)
        ck_assert(queue_hasten(&queue, find(seq)));
    for (size_t n = 0; n < N - N / 3;) {
        int64_t due = queue_next_due(&queue);

        ck_assert_int_ge(due, last);
        ck_assert_int_ne(due, USEC_INFINITY);
        last = due;
        size_t got = queue_take(&queue, due, tasks, 64);
        ck_assert_uint_gt(got, 0);
        for (size_t i = 0; i < got; i++) {
            ck_assert_int_eq(tasks[i]->due, due);
            ck_assert_uint_ne(tasks[i]->seq % 3, 0);
            end(tasks[i], QUEUE_DELIVERED);
        }
        n += got;
    }
    ck_assert_int_eq(queue_next_due(&queue), USEC_INFINITY);
}
END_TEST

/* What fills the gap in the heap may have to go up, too. */
START_TEST(test_hastens_one_among_later_ones)
{
    static const int64_t dues[] = {1, 100, 2, 200, 300, 3, 4, 201, 202, 301, 302, 5, 6, 7, 8};
    static const int64_t want[] = {1, 2, 3, 4, 5, 6, 7, 8, 100, 201, 202, 300, 301, 302};

    for (uint64_t seq = 1; seq <= 15; seq++)
        ck_assert_int_eq(queue_add_row(&queue, seq, job(seq), 1, dues[seq - 1], false, 0), 0);
    ck_assert(queue_hasten(&queue, find(4)));
    for (size_t i = 0; i < 14; i++) {
        ck_assert_int_eq(queue_next_due(&queue), want[i]);
        ck_assert_uint_eq(queue_take(&queue, want[i], tasks, 64), 1);
        end(tasks[0], QUEUE_DELIVERED);
    }
}
END_TEST

START_TEST(test_requeued_goes_behind)
{
    for (uint64_t seq = 1; seq <= 3; seq++) {
        claim(seq, 1);
        TAKE_SEQS(0, seq);
        end(tasks[0], QUEUE_DELIVERED);
    }
    make_plan(false);
    commit();
    claim(4, 1);
    ck_assert_ptr_null(find(2));
    ck_assert_int_eq(queue_requeue(&queue, 2, job(1), true, 0), 0);
    ck_assert_uint_eq(find(2)->seq, 2);
    TAKE_SEQS(0, 4);
    end(tasks[0], QUEUE_DELIVERED);
    ck_assert_uint_eq(queue_take(&queue, 0, tasks, 64), 0); /* not before it is on disk */
    make_plan(false);
    check_plan(4, 1, 0, 2);
    ck_assert_int_eq(entry_of(2)->write, WRITE_RETRY);
    commit();
    TAKE_SEQS(0, 2);
    ck_assert(tasks[0]->replay);
    ck_assert_uint_eq(tasks[0]->attempts, 0);
    end(tasks[0], QUEUE_DELIVERED);
    make_plan(false);
    check_plan(4, 1, 0, 1);
    commit();
    ck_assert_uint_eq(queue.n_tasks, 0);
}
END_TEST

START_TEST(test_dropped_are_counted)
{
    claim(1, 1);
    TAKE_SEQS(0, 1);
    end(tasks[0], QUEUE_DEAD);
    make_plan(false);
    commit();
    ck_assert_int_eq(queue_settle_row(&queue, 1, WRITE_DROPPED), 0);
    make_plan(false);
    ck_assert_uint_eq(plan.dropped, 1);
    check_plan(1, 0, 0, 1);
    queue_returned(&queue, &plan);
    make_plan(false);
    ck_assert_uint_eq(plan.dropped, 1);
    commit();
    ck_assert_uint_eq(queue.n_tasks, 0);
}
END_TEST

/* Every allocation fails once; each time nothing has changed, and the second try goes through. */
START_TEST(test_memory)
{
    unsigned int failures = 0;

    if (!failing_malloc_works())
        return;
    for (uint64_t seq = 1; seq <= 200; seq++)
        for (unsigned int n = 1;; n++) {
            failing_malloc_in = n;
            int got = queue_claim(&queue, seq, job(seq), 0);
            failing_malloc_in = 0;
            if (got == 0)
                break;
            failures++;
            ck_assert_int_eq(got, -ENOMEM);
            ck_assert_uint_eq(queue.n_tasks, seq - 1);
            ck_assert_uint_eq(queue.n_fresh, seq - 1);
            ck_assert_uint_eq(queue.lanes.n, seq - 1);
            ck_assert_uint_eq(queue.cursor, seq - 1);
        }
    ck_assert_uint_ge(failures, 2 * 200);
    failing_malloc_in = 1;
    ck_assert_int_eq(queue_plan(&queue, true, &plan), -ENOMEM);
    failing_malloc_in = 1;
    ck_assert_int_eq(queue_claim_delivered(&queue, 201), -ENOMEM);
    failing_malloc_in = 1;
    ck_assert_int_eq(queue_settle_row(&queue, 201, WRITE_FILTERED), -ENOMEM);
    make_plan(true);
    check_plan(200, 0, 0, 200);
    commit();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("queue");
    TCase *core = tcase_create("core");
    TCase *batch = tcase_create("batch");
    TCase *limits = tcase_create("limits");
    TCase *errors = tcase_create("errors");

    tcase_add_checked_fixture(core, setup, teardown);
    tcase_add_test(core, test_one_at_a_time_per_job);
    tcase_add_test(core, test_ready_lanes_take_turns);
    tcase_add_test(core, test_in_order_needs_no_rows);
    tcase_add_test(core, test_overtaken_get_rows);
    tcase_add_test(core, test_retry_waits_for_disk_and_time);
    tcase_add_test(core, test_dead_lets_the_next_one_go);
    tcase_add_test(core, test_filtered_move_the_frontier);
    tcase_add_test(core, test_frontier_stops_at_unsettled);
    tcase_add_test(core, test_filtered_during_a_plan);
    tcase_add_test(core, test_returned_plan_comes_again);
    tcase_add_test(core, test_returned_spill_keeps_its_reach);
    tcase_add_test(core, test_spill_makes_rows_of_all);
    tcase_add_test(core, test_rows_first);
    tcase_add_test(core, test_rows_settled_without_running);
    tcase_add_test(core, test_deferred_goes_back_to_the_front);
    tcase_add_test(core, test_attempts_are_dropped_once);
    tcase_add_test(core, test_hastens_one_that_waits);
    tcase_add_test(core, test_hastens_one_in_line);
    tcase_add_test(core, test_hastens_one_that_is_not_written_yet);
    tcase_add_test(core, test_hastens_none_that_only_waits_its_turn);
    tcase_add_test(core, test_hastens_one_of_many);
    tcase_add_test(core, test_hastens_one_among_later_ones);
    tcase_add_test(core, test_requeued_goes_behind);
    tcase_add_test(core, test_dropped_are_counted);
    tcase_add_checked_fixture(batch, setup_batch, teardown);
    tcase_add_test(batch, test_batch_is_bounded);
    tcase_add_test(batch, test_batch_comes_back_partly);
    tcase_add_test(batch, test_batch_stops_before_one_that_must_wait);
    tcase_add_test(batch, test_batch_goes_on_after_a_dead_one);
    tcase_add_checked_fixture(limits, setup, teardown);
    tcase_add_test(limits, test_delayed_lanes_wake_in_order);
    tcase_add_test(limits, test_many_lanes);
    tcase_add_checked_fixture(errors, setup, teardown);
    tcase_add_test(errors, test_memory);
    suite_add_tcase(suite, core);
    suite_add_tcase(suite, batch);
    suite_add_tcase(suite, limits);
    suite_add_tcase(suite, errors);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
