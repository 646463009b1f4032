/*
 * From the store into the queue: pending rows first, then what came above the frontier.
 *
 * A new delivery must not overtake an older one of its job that is still pending, so nothing is
 * claimed before all rows are in memory. Both are read in chunks. Memory is bounded: TASKS_MAX
 * tasks in all (when rows alone fill it, reading goes on once half of it is free), of which WINDOW
 * may be claimed without a row. What only waits must not use up that window: once nothing can start
 * and the window is full, all of it gets rows (claim_wants_spill), and claiming goes on.
 *
 * The filter is applied here, to rows as well: what is pending when the conf changes is judged by
 * the new one. Only what an operator asked for again passes unfiltered.
 *
 * A sink that keeps a position tells at its start what it wrote beyond it. Since rows and claims
 * come in order of seq, and rows are below all claims, one walk over the sorted list finds them.
 * When the position is of no use (its file is gone) a sink tells all that it ever wrote, oldest
 * first. What is not settled is among the last of that, because a sink with a position gets nothing
 * new before the last batch is settled; so of more than FOUND_MAX the newest are kept.
 * Then it cannot be told either whether the line of a replayed delivery is that of the replay or
 * the one of before. It is taken for the one of before: a second copy of a replay does no harm, a
 * replay that never comes does. Beyond the position in its own file it can only be the replay's:
 * what was written before was settled, and the position with it, or there would be no replay.
 */

#include "dispatch/runner_private.h"

#include "dispatch/filter.h"
#include "util/hash.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

void claim_init(struct runner *runner)
{
    runner->more = true;
    runner->rows_done = false;
    runner->full = false;
    runner->rows_after = 0;
    runner->read_at = 0;
    runner->n_found = 0;
    runner->found_at = 0;
}

void claim_done(struct runner *runner)
{
    free(TAKE(runner->found));
    runner->n_found = runner->found_capacity = runner->found_at = 0;
}

/* ---- what was written before a crash ---- */

static void on_found(void *context, uint64_t seq, bool after_mark)
{
    struct runner *runner = context;
    const struct found found = {seq, after_mark};

    if (seq <= runner->found_above || seq > runner->found_upto)
        return;
    if (runner->n_found == FOUND_MAX) {
        runner->found[runner->found_oldest] = found;
        runner->found_oldest = (runner->found_oldest + 1) % FOUND_MAX;
        return;
    }
    if (runner->n_found == runner->found_capacity) {
        size_t capacity = runner->found_capacity ? runner->found_capacity * 2 : CHUNK;
        struct found *bigger = reallocarray(runner->found, capacity, sizeof(*bigger));
        if (!bigger) {
            runner->found_failed = true;
            return;
        }
        runner->found = bigger;
        runner->found_capacity = capacity;
    }
    runner->found[runner->n_found++] = found;
}

/* By seq; of several lines of a delivery the one that says most comes first. */
static int compare_found(const void *a, const void *b)
{
    const struct found *x = a, *y = b;

    if (x->seq != y->seq)
        return x->seq < y->seq ? -1 : 1;
    return y->after_mark - x->after_mark;
}

int claim_recover(struct runner *runner, const struct store_sink *state, struct error *error)
{
    /* Seqs above the head are of another store's life. Without a mark nothing was under way when
     * the sink was last seen, so what is at or below the frontier is long settled. */
    int r = store_read_head(runner->reader, &runner->found_upto, error);
    if (r < 0)
        return r;
    runner->found_above = state->position_length == 0 ? state->frontier : 0;
    runner->found_failed = false;
    runner->found_oldest = 0;
    r = runner->sink->ops->recover(
        runner->sink, state->position, state->position_length, on_found, runner, error);
    if (r < 0)
        return r;
    if (runner->found_failed)
        return error_set(error, ENOMEM, "out of memory");
    if (runner->n_found > 0) {
        qsort(runner->found, runner->n_found, sizeof(*runner->found), compare_found);
        log_event(LOG_LEVEL_INFO, "sink-recovered", LOG_FIELDS({"sink", runner->name}),
            "sink %s: had written up to %zu deliveries that were not settled yet", runner->name,
            runner->n_found);
    }
    return 0;
}

bool claim_has_found(const struct runner *runner)
{
    return runner->found_at < runner->n_found;
}

/* Whether the sink has written `seq`, and if it is a replay, again; to be asked in order of seq. */
static bool was_found(struct runner *runner, uint64_t seq, bool replay)
{
    while (claim_has_found(runner) && runner->found[runner->found_at].seq < seq)
        runner->found_at++;
    return claim_has_found(runner) && runner->found[runner->found_at].seq == seq &&
           (!replay || runner->found[runner->found_at].after_mark);
}

static void forget_found(struct runner *runner)
{
    runner->found_at = runner->n_found;
}

/* ---- reading ---- */

uint64_t claim_key(const struct runner *runner, const struct delivery *delivery)
{
    if (runner->sink->ops->order == SINK_ORDER_ARRIVAL)
        return 0;
    if (runner->options->order_none)
        return hash_u64(delivery->seq);
    return hash_bytes(delivery->job_id, strlen(delivery->job_id));
}

/* A row's time is real time, which may have been set meanwhile: never wait longer than a delivery
 * waits at most. */
static int64_t due_of(const struct runner *runner, const struct store_row *row, int64_t now)
{
    int64_t wait = row->next_at_usec - clock_realtime(runner->clock);

    if (row->next_at_usec <= 0 || wait <= 0)
        return 0;
    return now + (wait < runner->options->retry.max_usec ? wait : runner->options->retry.max_usec);
}

/* One walk over the store. */
struct reading {
    struct runner *runner;
    int64_t now;
    int result; /* of the queue: -ENOMEM stops the walk */
};

static int on_row(const struct store_row *row, void *context)
{
    struct reading *reading = context;
    struct runner *runner = reading->runner;
    struct queue *queue = &runner->queue;
    uint64_t seq = row->delivery->seq;

    if (was_found(runner, seq, row->replay))
        reading->result = queue_settle_row(queue, seq, WRITE_DELIVERED);
    else if (!row->replay && !filter_passes(runner->options, row->delivery))
        reading->result = queue_settle_row(queue, seq, WRITE_FILTERED);
    else
        reading->result = queue_add_row(queue, seq, claim_key(runner, row->delivery), row->attempts,
            due_of(runner, row, reading->now), row->replay, reading->now);
    if (reading->result == 0)
        runner->rows_after = seq;
    return reading->result;
}

/* Deliveries that a damaged store has lost: their seqs are not there. The frontier has to account
 * for them, or it would never get past; there is nothing to deliver, so they count as filtered. */
static void pass_over_gap(struct runner *runner, uint64_t seq)
{
    uint64_t first = runner->queue.cursor + 1;

    if (seq == first)
        return;
    log_event(LOG_LEVEL_ERR, "deliveries-missing", LOG_FIELDS({"sink", runner->name}),
        "sink %s: deliveries %" PRIu64 " to %" PRIu64
        " are missing from the store, which is damaged; restore a backup to get them back",
        runner->name, first, seq - 1);
    queue_claim_filtered(&runner->queue, seq - 1);
}

static int on_delivery(const struct delivery *delivery, void *context)
{
    struct reading *reading = context;
    struct runner *runner = reading->runner;

    pass_over_gap(runner, delivery->seq);
    if (was_found(runner, delivery->seq, false))
        reading->result = queue_claim_delivered(&runner->queue, delivery->seq);
    else if (!filter_passes(runner->options, delivery))
        queue_claim_filtered(&runner->queue, delivery->seq);
    else
        reading->result =
            queue_claim(&runner->queue, delivery->seq, claim_key(runner, delivery), reading->now);
    return reading->result;
}

/* Whether the walk came to the end of what there is; after trouble it is put off. */
static bool judge_walk(
    struct runner *runner, ssize_t n, const struct reading *reading, const struct error *error)
{
    const char *why = n < 0 ? error->text : "out of memory";
    uint64_t left_out;

    if (n >= 0 && reading->result == 0)
        return n < CHUNK;
    if (log_limit_pass(&runner->read_limit, reading->now, USEC_PER_MIN, &left_out))
        log_event(LOG_LEVEL_WARNING, "sink-read-failed", LOG_FIELDS({"sink", runner->name}),
            "sink %s: cannot read what is pending, will try again: %s", runner->name, why);
    runner->read_at = reading->now + TROUBLE_USEC;
    return false;
}

static void read_rows(struct runner *runner)
{
    struct reading reading = {.runner = runner, .now = runner_now(runner)};
    struct error error = ERROR_INIT;
    ssize_t n = store_scan_rows(runner->reader, runner->id, STORE_STATE_PENDING, runner->rows_after,
        CHUNK, on_row, &reading, &error);

    runner->rows_done = judge_walk(runner, n, &reading, &error);
}

static void read_deliveries(struct runner *runner)
{
    struct reading reading = {.runner = runner, .now = runner_now(runner)};
    struct error error = ERROR_INIT;

    atomic_store(&runner->woken, false);
    ssize_t n =
        store_scan(runner->reader, runner->queue.cursor, CHUNK, on_delivery, &reading, &error);
    runner->more = !judge_walk(runner, n, &reading, &error);
    if (!runner->more)
        forget_found(runner);
}

/* Whether another chunk fits into memory. One log line on entering and one on leaving. */
static bool tasks_have_room(struct runner *runner)
{
    size_t n = runner->queue.n_tasks;

    if (!runner->full && n + CHUNK > TASKS_MAX) {
        runner->full = true;
        log_event(LOG_LEVEL_WARNING, "sink-full", LOG_FIELDS({"sink", runner->name}),
            "sink %s: %zu deliveries wait in memory; later ones wait in the store until half of "
            "them are done",
            runner->name, n);
    } else if (runner->full && n <= TASKS_MAX / 2) {
        runner->full = false;
        log_event(LOG_LEVEL_INFO, "sink-not-full", LOG_FIELDS({"sink", runner->name}),
            "sink %s: takes up deliveries again", runner->name);
    }
    return !runner->full;
}

static bool window_has_room(const struct runner *runner)
{
    return runner->queue.n_fresh + CHUNK <= WINDOW;
}

bool claim_wants_spill(const struct runner *runner)
{
    const struct queue *queue = &runner->queue;

    return runner->rows_done && runner->more && !runner->full && !window_has_room(runner) &&
           !queue_is_ready(queue) && queue->n_running < runner->limit && !runner->breaker.open &&
           runner->sink->ops->order != SINK_ORDER_ARRIVAL;
}

void claim_step(struct runner *runner)
{
    int64_t now = runner_now(runner);

    if (runner->store_failed)
        return;
    if (!runner->more && atomic_load(&runner->woken))
        runner->more = true;
    if (now < runner->read_at) {
        runner_wake_at(runner, runner->read_at);
        return;
    }
    if (runner->rows_done && !(runner->more && window_has_room(runner)))
        return;
    if (!tasks_have_room(runner))
        return;
    if (runner->rows_done)
        read_deliveries(runner);
    else
        read_rows(runner);
    /* For the next chunk; after trouble, later. */
    if (!runner->rows_done || runner->more)
        runner_wake_at(runner, runner->read_at);
}
