/*
 * The queue against a model of the store: a random walk of claims, starts, results, plans that are
 * written or refused, and crashes, after which the queue begins anew from what the model holds.
 *
 * Checked all along: one lane runs at most `depth` tasks, in order and without gaps; what a plan
 * says adds up as the store demands; no delivery is forgotten; the store's rows say no less than
 * what became of the delivery. Checked at the end: each delivery has come to its end, and without a
 * crash came exactly once; or, with an operator who retries, replays and drops at random, once more
 * for each time it was asked for.
 */

#include "dispatch/queue.h"
#include "util/clock.h"
#include "util/hash.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

enum { DELIVERIES = 400, JOBS = 12, BATCH = 8, RUNNING_MAX = 24, SEEDS = 60, REQUESTS = 60 };

enum row { ROW_NONE, ROW_PENDING, ROW_DEAD };

/* The store, for one sink; index 0 is not used. */
struct model {
    uint64_t frontier;
    uint64_t delivered, filtered, dropped, requeued;
    enum row rows[DELIVERIES + 1];
    uint32_t attempts[DELIVERIES + 1];
    bool replays[DELIVERIES + 1];
};

/* One walk. */
struct walk {
    uint64_t random;
    int64_t now;
    size_t depth;
    bool crashes;
    struct model model;
    struct queue queue;
    struct queue_plan plan;
    bool planned;
    struct task *running[RUNNING_MAX];
    size_t n_running;
    uint64_t jobs[DELIVERIES + 1];
    bool wanted[DELIVERIES + 1];
    /* What really happened. */
    unsigned int times_delivered[DELIVERIES + 1];
    bool was_dead[DELIVERIES + 1];
    /* The operator. */
    unsigned int requests_left;
    unsigned int drops;
    unsigned int asked[DELIVERIES + 1]; /* how often more than once it may come */
    unsigned int owed[DELIVERIES + 1];  /* times it must have come before it may be settled */
    bool unwritten[DELIVERIES + 1];     /* was asked for since the last plan */
};

static void drop(struct attempt *attempt)
{
    free(attempt);
}

static uint64_t roll(struct walk *walk, uint64_t sides)
{
    walk->random += UINT64_C(0x9e3779b97f4a7c15);
    return hash_u64(walk->random) % sides;
}

static uint64_t key_of(const struct walk *walk, uint64_t seq)
{
    return walk->depth > 1 ? 0 : hash_u64(walk->jobs[seq]);
}

/* Fills the queue with the rows of the model, as after a start. */
static void begin(struct walk *walk)
{
    ck_assert_int_eq(queue_init(&walk->queue, walk->model.frontier, walk->depth, drop), 0);
    walk->n_running = 0;
    walk->planned = false;
    for (uint64_t seq = 1; seq <= DELIVERIES; seq++)
        if (walk->model.rows[seq] == ROW_PENDING)
            ck_assert_int_eq(queue_add_row(&walk->queue, seq, key_of(walk, seq),
                                 walk->model.attempts[seq], 0, walk->model.replays[seq], walk->now),
                0);
    memset(walk->unwritten, 0, sizeof(walk->unwritten));
}

/* ---- the model's commit ---- */

static void check_model(const struct walk *walk)
{
    const struct model *model = &walk->model;
    uint64_t pending = 0, dead = 0, delivered_or_filtered = 0, faults = 0;

    /* Check notes each assert that passes, which is slow: these loops count faults instead. */
    for (uint64_t seq = 1; seq <= DELIVERIES; seq++) {
        bool above = seq > model->frontier;
        enum row row = model->rows[seq];

        faults += above && row != ROW_NONE;
        faults += row == ROW_DEAD && !walk->was_dead[seq];
        /* Settled, but it did not come, or not again. */
        faults += !above && row == ROW_NONE && walk->times_delivered[seq] < walk->owed[seq];
        pending += row == ROW_PENDING || above;
        dead += row == ROW_DEAD;
        delivered_or_filtered += !above && row == ROW_NONE;
    }
    ck_assert_uint_eq(faults, 0);
    ck_assert_uint_eq(delivered_or_filtered + model->requeued,
        model->delivered + model->filtered + model->dropped);
    ck_assert_uint_eq(pending + dead + model->delivered + model->filtered + model->dropped,
        DELIVERIES + model->requeued);
}

/* One that has no pending row becomes one again. */
static void requeue(struct walk *walk, uint64_t seq)
{
    struct model *model = &walk->model;

    ck_assert_uint_le(seq, model->frontier);
    model->requeued += model->rows[seq] == ROW_NONE;
    walk->owed[seq] = walk->times_delivered[seq] + 1;
}

static void apply_entry(struct walk *walk, const struct queue_entry *entry)
{
    struct model *model = &walk->model;
    uint64_t seq = entry->task->seq;
    bool again =
        entry->write == WRITE_RETRY && entry->task->has_row && model->rows[seq] != ROW_PENDING;

    walk->unwritten[seq] = false;
    if (again)
        requeue(walk, seq);
    else
        ck_assert_int_eq(entry->task->has_row, model->rows[seq] != ROW_NONE);
    model->replays[seq] = entry->task->replay;
    switch (entry->write) {
    case WRITE_NOTHING:
        ck_assert_int_eq(model->rows[seq], ROW_NONE);
        model->rows[seq] = ROW_PENDING;
        break;
    case WRITE_RETRY:
        model->rows[seq] = ROW_PENDING;
        break;
    case WRITE_DEAD:
        model->rows[seq] = ROW_DEAD;
        break;
    case WRITE_DELIVERED:
    case WRITE_FILTERED:
        model->rows[seq] = ROW_NONE;
        break;
    case WRITE_DROPPED:
        ck_assert_int_eq(model->rows[seq], ROW_DEAD);
        model->rows[seq] = ROW_NONE;
        walk->owed[seq] = 0;
        walk->drops++;
        break;
    }
    model->attempts[seq] = entry->task->attempts;
}

static void write_plan(struct walk *walk)
{
    struct model *model = &walk->model;
    const struct queue_plan *plan = &walk->plan;

    ck_assert_uint_ge(plan->frontier, model->frontier);
    for (size_t i = 0; i < plan->n; i++) {
        if (plan->entries[i].task->seq > model->frontier)
            ck_assert_uint_le(plan->entries[i].task->seq, plan->frontier);
        apply_entry(walk, &plan->entries[i]);
    }
    model->frontier = plan->frontier;
    model->delivered += plan->delivered;
    model->filtered += plan->filtered;
    model->dropped += plan->dropped;
    ck_assert_uint_eq(model->dropped, walk->drops);
    check_model(walk);
}

/* ---- steps ---- */

static void step_claim(struct walk *walk)
{
    for (uint64_t n = roll(walk, 20) + 1; n > 0 && walk->queue.cursor < DELIVERIES; n--) {
        uint64_t seq = walk->queue.cursor + 1;
        if (walk->wanted[seq])
            ck_assert_int_eq(queue_claim(&walk->queue, seq, key_of(walk, seq), walk->now), 0);
        else
            queue_claim_filtered(&walk->queue, seq);
    }
}

/* No older delivery of the lane may be unsettled, but for those that run before it in its batch. */
static void check_start(const struct walk *walk, const struct task *task)
{
    for (const struct task *older = task->lane_prev; older; older = older->lane_prev)
        ck_assert(older->running && walk->depth > 1);
    ck_assert_uint_le(task->lane->running, walk->depth);
    ck_assert_int_le(task->due, walk->now);
    ck_assert_int_eq(task->write, WRITE_NOTHING);
    for (uint64_t seq = walk->model.frontier + 1; seq < task->seq; seq++)
        if (key_of(walk, seq) == task->lane->key && walk->wanted[seq] && !walk->was_dead[seq] &&
            walk->times_delivered[seq] == 0)
            ck_assert_msg(
                walk->depth > 1, "%u overtook %u", (unsigned int)task->seq, (unsigned int)seq);
}

static void step_take(struct walk *walk)
{
    size_t room = RUNNING_MAX - walk->n_running;
    size_t max = roll(walk, BATCH) + 1;
    size_t n = queue_take(
        &walk->queue, walk->now, walk->running + walk->n_running, max < room ? max : room);

    for (size_t i = 0; i < n; i++)
        check_start(walk, walk->running[walk->n_running + i]);
    walk->n_running += n;
    ck_assert_uint_eq(walk->queue.n_running, walk->n_running);
}

static enum queue_end choose_end(struct walk *walk)
{
    switch (roll(walk, 10)) {
    case 0:
        return QUEUE_DEAD;
    case 1:
    case 2:
        return QUEUE_RETRY;
    case 3:
        return QUEUE_DEFERRED;
    default:
        return QUEUE_DELIVERED;
    }
}

static void end_one(struct walk *walk, size_t i, enum queue_end end)
{
    struct task *task = walk->running[i];

    memmove(&walk->running[i], &walk->running[i + 1],
        (walk->n_running - i - 1) * sizeof(struct task *));
    walk->n_running--;
    if (end == QUEUE_DELIVERED)
        walk->times_delivered[task->seq]++;
    if (end == QUEUE_DEAD)
        walk->was_dead[task->seq] = true;
    if (end != QUEUE_DEFERRED) {
        task->attempts++;
        free(task->attempt);
        task->attempt = malloc(1);
    }
    queue_end(&walk->queue, task, end, walk->now + (int64_t)roll(walk, 50), walk->now);
}

static void step_end(struct walk *walk)
{
    if (walk->n_running == 0)
        return;
    if (walk->depth == 1) {
        end_one(walk, roll(walk, walk->n_running), choose_end(walk));
        return;
    }
    /* A batch: up to the first that is not delivered, then the rest deferred. */
    enum queue_end end = QUEUE_DELIVERED;
    while (walk->n_running > 0) {
        if (end == QUEUE_DELIVERED)
            end = choose_end(walk);
        else
            end = QUEUE_DEFERRED;
        end_one(walk, 0, end);
    }
}

static void finish_plan(struct walk *walk, bool written)
{
    walk->planned = false;
    if (written) {
        write_plan(walk);
        queue_committed(&walk->queue, &walk->plan, walk->now);
        ck_assert_uint_eq(walk->queue.frontier, walk->model.frontier);
    } else {
        queue_returned(&walk->queue, &walk->plan);
    }
}

static void step_plan(struct walk *walk)
{
    if (walk->planned) {
        finish_plan(walk, roll(walk, 4) > 0);
        return;
    }
    if (walk->queue.n_dirty == 0 && !queue_has_progress(&walk->queue) && roll(walk, 4) > 0)
        return;
    ck_assert_int_eq(queue_plan(&walk->queue, roll(walk, 6) == 0, &walk->plan), 0);
    walk->planned = true;
}

/* ---- the operator ---- */

static bool is_pending(const struct walk *walk, uint64_t seq)
{
    if (seq > walk->model.frontier)
        return seq <= walk->queue.cursor && walk->wanted[seq];
    return walk->model.rows[seq] == ROW_PENDING;
}

static void ask_for_task(struct walk *walk, struct task *task)
{
    bool want = task->lane && !task->running && task->attempts > 0;

    ck_assert_int_eq(queue_hasten(&walk->queue, task), want);
    if (!want)
        return;
    ck_assert_uint_eq(task->attempts, 0);
    ck_assert_int_eq(task->due, 0);
    ck_assert_int_eq(task->write, WRITE_RETRY);
}

static void ask_for_stored(struct walk *walk, uint64_t seq)
{
    struct queue *queue = &walk->queue;
    bool is_dead = walk->model.rows[seq] == ROW_DEAD;

    if (is_dead && roll(walk, 3) == 0) {
        ck_assert_int_eq(queue_settle_row(queue, seq, WRITE_DROPPED), 0);
    } else {
        ck_assert_int_eq(
            queue_requeue(queue, seq, key_of(walk, seq), !is_dead || roll(walk, 2), walk->now), 0);
        walk->asked[seq]++;
    }
    walk->unwritten[seq] = true;
}

static void step_operator(struct walk *walk)
{
    struct queue_search searches[8];
    size_t n = 0;

    if (walk->planned || walk->requests_left == 0)
        return;
    walk->requests_left--;
    for (uint64_t seq = roll(walk, 100) + 1; n < 8 && seq <= DELIVERIES; seq += roll(walk, 80) + 1)
        searches[n++] = (struct queue_search){.seq = seq};
    queue_find(&walk->queue, searches, n);
    for (size_t i = 0; i < n; i++) {
        uint64_t seq = searches[i].seq;
        struct task *task = searches[i].task;

        ck_assert_msg((task != NULL) == (is_pending(walk, seq) || walk->unwritten[seq]),
            "%u is %sfound", (unsigned int)seq, task ? "" : "not ");
        if (task) {
            ck_assert_uint_eq(task->seq, seq);
            ask_for_task(walk, task);
        } else if (seq <= walk->model.frontier) {
            ask_for_stored(walk, seq);
        }
    }
}

static void step_crash(struct walk *walk)
{
    if (!walk->crashes || roll(walk, 40) > 0)
        return;
    /* What is under way may have reached the disk or not. */
    if (walk->planned)
        finish_plan(walk, roll(walk, 2) == 0);
    queue_done(&walk->queue);
    begin(walk);
}

static bool is_over(const struct walk *walk)
{
    return walk->queue.cursor == DELIVERIES && walk->queue.n_tasks == 0 && !walk->planned &&
           !queue_has_progress(&walk->queue) && walk->requests_left == 0;
}

static void check_end(const struct walk *walk)
{
    const struct model *model = &walk->model;

    ck_assert_uint_eq(model->frontier, DELIVERIES);
    for (uint64_t seq = 1; seq <= DELIVERIES; seq++) {
        unsigned int times = walk->times_delivered[seq];
        ck_assert(model->rows[seq] != ROW_PENDING);
        if (!walk->wanted[seq] && walk->asked[seq] == 0)
            ck_assert_uint_eq(times, 0);
        else if (model->rows[seq] == ROW_DEAD)
            ck_assert(walk->was_dead[seq]);
        else
            ck_assert_uint_ge(times, walk->owed[seq]);
        if (!walk->crashes)
            ck_assert_uint_le(times + walk->was_dead[seq], 1 + walk->asked[seq]);
    }
    ck_assert_uint_eq(walk->requests_left, 0);
    ck_assert_uint_eq(walk->queue.lanes.n, 0);
    ck_assert_uint_eq(walk->queue.n_fresh, 0);
}

static void run(uint64_t seed, size_t depth, bool crashes, unsigned int requests)
{
    struct walk *walk = calloc(1, sizeof(*walk));
    unsigned int steps = 0;

    ck_assert_ptr_nonnull(walk);
    walk->random = seed;
    walk->depth = depth;
    walk->crashes = crashes;
    walk->requests_left = requests;
    for (uint64_t seq = 1; seq <= DELIVERIES; seq++) {
        walk->jobs[seq] = roll(walk, JOBS);
        walk->wanted[seq] = roll(walk, 4) > 0;
        walk->owed[seq] = walk->wanted[seq];
    }
    begin(walk);
    while (!is_over(walk)) {
        if (++steps > 1000000)
            ck_abort_msg("it never ends");
        walk->now += (int64_t)roll(walk, 10);
        switch (roll(walk, 7)) {
        case 0:
            step_claim(walk);
            break;
        case 1:
            step_take(walk);
            break;
        case 2:
        case 3:
            step_end(walk);
            break;
        case 4:
            step_plan(walk);
            break;
        case 5:
            if (roll(walk, 6) == 0)
                step_operator(walk);
            break;
        default:
            step_crash(walk);
            break;
        }
    }
    check_end(walk);
    queue_done(&walk->queue);
    free(walk);
}

START_TEST(test_jobs)
{
    run((uint64_t)_i, 1, false, 0);
}
END_TEST

START_TEST(test_jobs_with_crashes)
{
    run((uint64_t)_i, 1, true, 0);
}
END_TEST

START_TEST(test_batches)
{
    run((uint64_t)_i, BATCH, false, 0);
}
END_TEST

START_TEST(test_batches_with_crashes)
{
    run((uint64_t)_i, BATCH, true, 0);
}
END_TEST

START_TEST(test_jobs_with_an_operator)
{
    run((uint64_t)_i, 1, false, REQUESTS);
}
END_TEST

START_TEST(test_jobs_with_an_operator_and_crashes)
{
    run((uint64_t)_i, 1, true, REQUESTS);
}
END_TEST

START_TEST(test_batches_with_an_operator)
{
    run((uint64_t)_i, BATCH, false, REQUESTS);
}
END_TEST

START_TEST(test_batches_with_an_operator_and_crashes)
{
    run((uint64_t)_i, BATCH, true, REQUESTS);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("queue-model");
    TCase *core = tcase_create("core");

    tcase_set_timeout(core, 60);
    tcase_add_loop_test(core, test_jobs, 0, SEEDS);
    tcase_add_loop_test(core, test_jobs_with_crashes, 0, SEEDS);
    tcase_add_loop_test(core, test_batches, 0, SEEDS);
    tcase_add_loop_test(core, test_batches_with_crashes, 0, SEEDS);
    tcase_add_loop_test(core, test_jobs_with_an_operator, 0, SEEDS);
    tcase_add_loop_test(core, test_jobs_with_an_operator_and_crashes, 0, SEEDS);
    tcase_add_loop_test(core, test_batches_with_an_operator, 0, SEEDS);
    tcase_add_loop_test(core, test_batches_with_an_operator_and_crashes, 0, SEEDS);
    suite_add_tcase(suite, core);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
