/*
 * What became of deliveries, on its way to the store.
 *
 * One settle of a sink is under way at a time: the next one's frontier is only true if this one was
 * written, and while it is away the next one gathers by itself. A refused settle goes back to the
 * queue whole and is sent again, along with what came since, with a growing delay. Outcomes live in
 * their tasks until they are committed; nothing is lost for want of memory either.
 *
 * What the settle points to (results and output of attempts) belongs to the tasks of the plan,
 * which stay untouched until it is back.
 *
 * The position of a sink that has one goes with each settle, except while deliveries that the sink
 * reported at its start are not in the queue yet: the old position still covers those.
 */

#include "dispatch/runner_private.h"

#include "dispatch/backoff.h"

#include <string.h>

void settle_init(struct runner *runner, const struct store_sink *state)
{
    memcpy(runner->stored_mark, state->position, sizeof(runner->stored_mark));
    runner->stored_mark_length = state->position_length;
    runner->settle_at = 0;
    runner->settle_failures = 0;
    runner->progress_at = 0;
    runner->outcomes_at = 0;
    runner->give_up_at = 0;
}

/* Reads the sink's position. True: it is to be written. */
static bool read_position(struct runner *runner)
{
    if (!runner->sink->ops->has_position || claim_has_found(runner))
        return false;
    runner->mark_length = runner->sink->ops->position(runner->sink, runner->mark);
    ASSERT(runner->mark_length <= sizeof(runner->mark));
    return runner->mark_length != runner->stored_mark_length ||
           memcmp(runner->mark, runner->stored_mark, runner->mark_length) != 0;
}

bool settle_wants_position(struct runner *runner)
{
    return !runner->settling && read_position(runner);
}

/* ---- there ---- */

/* On the writer's thread. */
static void on_settled(struct store_work *work)
{
    struct runner *runner = MAILBOX_CONTAINER(work, struct runner, settle);

    pthread_mutex_lock(&runner->lock);
    mailbox_post(&runner->mailbox, &work->item);
    pthread_mutex_unlock(&runner->lock);
}

static void fill_attempt(const struct attempt *attempt, struct store_attempt *ret_attempt)
{
    *ret_attempt = (struct store_attempt){
        .started_at_usec = attempt->item.started_at_usec,
        .duration_usec = attempt->item.duration_usec,
        .number = attempt->item.attempt,
        .result = attempt->item.result,
        .output = attempt->item.output,
        .output_length = attempt->item.output_length,
    };
}

/* Real time for the disk out of the monotonic one that the queue goes by. */
static int64_t next_at_of(const struct runner *runner, const struct task *task)
{
    if (task->due == 0)
        return 0;

    int64_t wait = task->due - runner_now(runner);
    return clock_realtime(runner->clock) + (wait > 0 ? wait : 0);
}

static enum store_state state_of(enum task_write write)
{
    switch (write) {
    case WRITE_NOTHING: /* a fresh one below the new frontier */
    case WRITE_RETRY:
        return STORE_STATE_PENDING;
    case WRITE_DELIVERED:
    case WRITE_FILTERED:
    case WRITE_DROPPED:
        return STORE_STATE_DONE;
    case WRITE_DEAD:
        return STORE_STATE_DEAD;
    }
    return STORE_STATE_PENDING;
}

static size_t fill_outcomes(struct runner *runner)
{
    size_t n = 0, n_attempts = 0;

    for (size_t i = 0; i < runner->plan.n; i++) {
        const struct queue_entry *entry = &runner->plan.entries[i];
        const struct task *task = entry->task;
        struct store_outcome outcome = {
            .seq = task->seq,
            .state = state_of(entry->write),
            .attempts = task->attempts,
            .replay = task->replay,
        };

        if (outcome.state == STORE_STATE_PENDING)
            outcome.next_at_usec = next_at_of(runner, task);
        if (entry->write != WRITE_NOTHING && task->attempt && task->attempt->recorded) {
            fill_attempt(task->attempt, &runner->attempts[n_attempts]);
            outcome.attempt = &runner->attempts[n_attempts++];
        }
        /* What was delivered in order needs no word: the frontier and the counter say it. */
        if (outcome.state == STORE_STATE_DONE && !task->has_row && !outcome.attempt)
            continue;
        runner->outcomes[n++] = outcome;
    }
    return n;
}

static void free_arrays(struct runner *runner)
{
    free(TAKE(runner->outcomes));
    free(TAKE(runner->attempts));
}

static void put_off(struct runner *runner, int64_t delay_usec)
{
    runner->settle_at = runner_now(runner) + delay_usec;
    runner_wake_at(runner, runner->settle_at);
}

static void post(struct runner *runner, bool spill)
{
    if (queue_plan(&runner->queue, spill, &runner->plan) < 0) {
        put_off(runner, TROUBLE_USEC);
        return;
    }
    size_t room = runner->plan.n > 0 ? runner->plan.n : 1;
    runner->outcomes = calloc(room, sizeof(*runner->outcomes));
    runner->attempts = calloc(room, sizeof(*runner->attempts));
    if (!runner->outcomes || !runner->attempts) {
        free_arrays(runner);
        queue_returned(&runner->queue, &runner->plan);
        put_off(runner, TROUBLE_USEC);
        return;
    }
    size_t n_outcomes = fill_outcomes(runner);
    runner->mark_sent = read_position(runner);
    runner->settle = (struct store_work){
        .kind = STORE_WORK_SETTLE,
        .done = on_settled,
        .settle =
            {
                .sink = runner->id,
                .frontier = runner->plan.frontier,
                .delivered = (int64_t)runner->plan.delivered,
                .filtered = (int64_t)runner->plan.filtered,
                .dropped = (int64_t)runner->plan.dropped,
                .outcomes = runner->outcomes,
                .n_outcomes = n_outcomes,
                .position = runner->mark_sent ? runner->mark : NULL,
                .position_length = runner->mark_sent ? runner->mark_length : 0,
            },
    };
    runner->settling = true;
    runner->progress_at = 0;
    runner->outcomes_at = 0;
    store_writer_post(runner->writer, &runner->settle);
}

/* Whether outcomes are due. Nobody waits for them, and each commit costs a sync, so that a few wait
 * for company. */
static bool outcomes_are_due(struct runner *runner, bool all)
{
    int64_t now = runner_now(runner);

    if (runner->queue.n_dirty == 0 && !settle_wants_position(runner))
        return false;
    if (runner->outcomes_at == 0)
        runner->outcomes_at = now + OUTCOMES_USEC;
    if (all || runner->queue.n_dirty >= OUTCOMES_MANY || now >= runner->outcomes_at)
        return true;
    runner_wake_at(runner, runner->outcomes_at);
    return false;
}

/* Whether counting what was filtered out is due; it may wait longer. */
static bool progress_is_due(struct runner *runner, bool all)
{
    int64_t now = runner_now(runner);

    if (!queue_has_progress(&runner->queue))
        return false;
    if (runner->progress_at == 0)
        runner->progress_at = now + PROGRESS_USEC;
    if (all || now >= runner->progress_at)
        return true;
    runner_wake_at(runner, runner->progress_at);
    return false;
}

void settle_step(struct runner *runner, bool all)
{
    bool spill = claim_wants_spill(runner);

    if (runner->settling || runner->store_failed)
        return;
    if (!spill && !outcomes_are_due(runner, all) && !progress_is_due(runner, all))
        return;
    if (runner_now(runner) < runner->settle_at) {
        runner_wake_at(runner, runner->settle_at);
        return;
    }
    post(runner, spill);
}

/* ---- and back ---- */

static void keep_mark(struct runner *runner)
{
    if (!runner->mark_sent)
        return;
    memcpy(runner->stored_mark, runner->mark, runner->mark_length);
    runner->stored_mark_length = runner->mark_length;
}

void settle_finish(struct runner *runner)
{
    runner->settling = false;
    free_arrays(runner);
    switch (runner->settle.result) {
    case STORE_OK:
        runner->settle_failures = 0;
        keep_mark(runner);
        queue_committed(&runner->queue, &runner->plan, runner_now(runner));
        break;
    case STORE_UNAVAILABLE:
        runner->settle_failures++;
        queue_returned(&runner->queue, &runner->plan);
        put_off(runner, backoff_base(PAUSE_FIRST_USEC, LAST_WRITE_USEC, runner->settle_failures));
        break;
    case STORE_FAILED:
        queue_returned(&runner->queue, &runner->plan);
        runner->store_failed = true;
        break;
    }
    serve_settled(runner, runner->settle.result == STORE_OK);
}

bool settle_is_done(struct runner *runner)
{
    return !runner->settling && runner->queue.n_dirty == 0 && !queue_has_progress(&runner->queue) &&
           !settle_wants_position(runner);
}
