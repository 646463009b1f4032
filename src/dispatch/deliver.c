/*
 * From the queue to the sink and back.
 *
 * A body is loaded when its delivery starts and freed when it comes back; of a batch at most
 * BATCH_BYTES are in memory. What is gone from the store or damaged there is dead: it can never be
 * delivered.
 *
 * What a result means:
 *   DELIVERED  settled.
 *   RETRY      an attempt is counted; after the last one it is dead, else its lane waits.
 *   DEAD       an attempt is counted, and it is dead.
 *   DEFERRED   nothing is counted. When the sink could not even try, all of it pauses; what is
 *              deferred only because it stood behind a failed one just goes back to its lane.
 * A failure that may be the sink's own is the breaker's to judge.
 *
 * A paused sink starts nothing; what it has is finished, and reading from the store goes on as far
 * as memory is set aside for it.
 *
 * A sink that has a position gets its next batch only when the one before is settled in the store
 * along with the position.
 */

#include "dispatch/runner_private.h"

#include "dispatch/backoff.h"
#include "util/escape.h"
#include "util/hash.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

/* At most one line an interval for each kind of trouble of a sink. */
#define LOG_INTERVAL_USEC USEC_PER_SEC

void attempt_free(struct attempt *attempt)
{
    if (!attempt)
        return;
    delivery_free(attempt->delivery);
    free(attempt->item.output);
    free(attempt);
}

int deliver_init(struct runner *runner, struct error *error)
{
    const struct sink_ops *ops = runner->sink->ops;
    const struct dispatch_sink_options *options = runner->options;

    runner->tasks = calloc(ops->batch, sizeof(struct task *));
    runner->items = calloc(ops->batch, sizeof(struct sink_item *));
    if (!runner->tasks || !runner->items)
        return error_set(error, ENOMEM, "out of memory");
    runner->limit =
        options->concurrency > ops->batch ? options->concurrency : (unsigned int)ops->batch;
    runner->record_all = strcmp(options->sink.type, "exec") == 0;
    runner->cancelled = false;
    runner->pause_until = 0;
    runner->pauses = 0;
    if (getrandom(&runner->random, sizeof(runner->random), GRND_NONBLOCK) < 0)
        runner->random = (uint64_t)clock_realtime(runner->clock);
    return 0;
}

void deliver_done(struct runner *runner)
{
    free(TAKE(runner->tasks));
    free(TAKE(runner->items));
}

static uint64_t next_random(struct runner *runner)
{
    /* SplitMix64: a Weyl sequence and its finaliser. */
    runner->random += UINT64_C(0x9e3779b97f4a7c15);
    return hash_u64(runner->random);
}

/* ---- log ---- */

/* A delivery in text, for the fields of an event. */
struct names {
    char seq[24];
    char attempt[16];
    char result[ESCAPE_SIZE];
};

static void name_attempt(const struct attempt *attempt, struct names *names)
{
    const char *result = attempt->item.result;

    snprintf(names->seq, sizeof(names->seq), "%" PRIu64, attempt->task->seq);
    snprintf(names->attempt, sizeof(names->attempt), "%u", attempt->item.attempt);
    escape_field(result, strlen(result), names->result, sizeof(names->result));
}

static void log_dead(const struct runner *runner, const struct attempt *attempt)
{
    const struct delivery *delivery = attempt->delivery;
    struct names names;

    name_attempt(attempt, &names);
    log_event(LOG_LEVEL_ERR, "delivery-dead",
        LOG_FIELDS({"sink", runner->name}, {"seq", names.seq},
            {"job_id", delivery ? delivery->job_id : NULL},
            {"request_id", delivery ? delivery->request_id : NULL}, {"attempt", names.attempt},
            {"result", attempt->item.result}),
        "sink %s: delivery %s is dead after attempt %s: %s", runner->name, names.seq, names.attempt,
        names.result);
}

static void log_failure(struct runner *runner, const struct attempt *attempt, int64_t delay_usec)
{
    struct names names;
    struct log_rest rest;
    uint64_t left_out;

    if (!log_limit_pass(&runner->failure_limit, runner_now(runner), LOG_INTERVAL_USEC, &left_out))
        return;
    name_attempt(attempt, &names);
    log_rest_tell(&rest, left_out);
    log_event(LOG_LEVEL_WARNING, "delivery-failed",
        LOG_FIELDS({"sink", runner->name}, {"seq", names.seq},
            {"job_id", attempt->delivery->job_id}, {"request_id", attempt->delivery->request_id},
            {"attempt", names.attempt}, {"result", attempt->item.result}, {"left_out", rest.field}),
        "sink %s: attempt %s of %u at delivery %s failed: %s; next in %.1f s%s", runner->name,
        names.attempt, runner->options->retry.attempts, names.seq, names.result,
        (double)delay_usec / (double)USEC_PER_SEC, rest.words);
}

static void log_breaker(struct runner *runner, enum breaker_change change, const char *result)
{
    char text[ESCAPE_SIZE];

    atomic_store(&runner->breaker_open, runner->breaker.open);
    switch (change) {
    case BREAKER_UNCHANGED:
        break;
    case BREAKER_OPENED:
        escape_field(result, strlen(result), text, sizeof(text));
        log_event(LOG_LEVEL_WARNING, "breaker-opened",
            LOG_FIELDS({"sink", runner->name}, {"result", result}),
            "sink %s: %u deliveries in a row failed, the last with: %s; from now on one at a time",
            runner->name, runner->breaker.distinct, text);
        break;
    case BREAKER_CLOSED:
        log_event(LOG_LEVEL_INFO, "breaker-closed", LOG_FIELDS({"sink", runner->name}),
            "sink %s: works again", runner->name);
        break;
    }
}

/* ---- back from the sink ---- */

static void pause_sink(struct runner *runner, const char *why)
{
    int64_t now = runner_now(runner);
    char text[ESCAPE_SIZE];
    struct log_rest rest;
    uint64_t left_out;

    if (now < runner->pause_until)
        return; /* it was under way when the pause began, and says the same */
    runner->pauses++;
    runner->pause_until = now + backoff_base(PAUSE_FIRST_USEC, PAUSE_MAX_USEC, runner->pauses);
    if (runner->cancelled ||
        !log_limit_pass(&runner->deferred_limit, now, LOG_INTERVAL_USEC, &left_out))
        return;
    escape_field(why, strlen(why), text, sizeof(text));
    log_rest_tell(&rest, left_out);
    log_event(LOG_LEVEL_WARNING, "sink-deferred",
        LOG_FIELDS({"sink", runner->name}, {"result", why}, {"left_out", rest.field}),
        "sink %s: cannot try for now: %s; next in %.2f s%s", runner->name, text,
        (double)(runner->pause_until - now) / (double)USEC_PER_SEC, rest.words);
}

/* The record stays until it is written, the delivery goes. */
static void keep_record(struct attempt *attempt)
{
    attempt->recorded = true;
    attempt->item.delivery = NULL;
    delivery_free(TAKE(attempt->delivery));
}

static void note_numbers(
    struct runner *runner, const struct attempt *attempt, enum sink_result result)
{
    numbers_note(&runner->numbers, result, attempt->task->seq, &attempt->item,
        clock_realtime(runner->clock));
}

static void end_dead(struct runner *runner, struct attempt *attempt)
{
    struct task *task = attempt->task;

    log_dead(runner, attempt);
    keep_record(attempt);
    task->attempts = attempt->item.attempt;
    queue_end(&runner->queue, task, QUEUE_DEAD, 0, runner_now(runner));
}

static void end_failed(struct runner *runner, struct attempt *attempt)
{
    const struct dispatch_retry *retry = &runner->options->retry;
    struct task *task = attempt->task;
    int64_t now = runner_now(runner);

    log_breaker(
        runner, breaker_failed(&runner->breaker, &task->failed_mark, now), attempt->item.result);
    if (attempt->item.attempt >= retry->attempts) {
        end_dead(runner, attempt);
        return;
    }
    int64_t delay = backoff_delay(
        retry->first_usec, retry->max_usec, attempt->item.attempt, next_random(runner));
    log_failure(runner, attempt, delay);
    keep_record(attempt);
    task->attempts = attempt->item.attempt;
    queue_end(&runner->queue, task, QUEUE_RETRY, now + delay, now);
}

static void end_delivered(struct runner *runner, struct attempt *attempt)
{
    struct task *task = attempt->task;

    log_breaker(runner, breaker_succeeded(&runner->breaker), "");
    task->attempts = attempt->item.attempt;
    if (runner->record_all)
        keep_record(attempt);
    else
        attempt_free(TAKE(task->attempt));
    queue_end(&runner->queue, task, QUEUE_DELIVERED, 0, runner_now(runner));
}

static void end_deferred(struct runner *runner, struct attempt *attempt)
{
    struct task *task = attempt->task;
    struct queue *queue = &runner->queue;

    breaker_passed(&runner->breaker);
    queue_end(queue, task, QUEUE_DEFERRED, 0, runner_now(runner));
    if (runner->sink->ops->batch == 1 || (queue->n_running == 0 && !runner->tried))
        pause_sink(runner, attempt->item.result);
    attempt_free(TAKE(task->attempt));
}

static void note_running(struct runner *runner)
{
    atomic_store(&runner->running, runner->queue.n_running);
}

void deliver_end(void *context, struct sink_item *item, enum sink_result result)
{
    struct runner *runner = context;
    struct attempt *attempt = (struct attempt *)item;

    note_numbers(runner, attempt, result);
    if (result != SINK_DEFERRED) {
        runner->tried = true;
        runner->pauses = 0;
    }
    switch (result) {
    case SINK_DELIVERED:
        end_delivered(runner, attempt);
        break;
    case SINK_RETRY:
        end_failed(runner, attempt);
        break;
    case SINK_DEAD:
        breaker_passed(&runner->breaker);
        end_dead(runner, attempt);
        break;
    case SINK_DEFERRED:
        end_deferred(runner, attempt);
        break;
    }
    note_running(runner);
}

/* ---- to the sink ---- */

enum load_result {
    LOAD_OK,
    LOAD_NEVER, /* the body is lost: an attempt says so */
    LOAD_LATER, /* trouble with the store or memory */
};

static enum load_result load_attempt(struct runner *runner, struct task *task, struct error *error)
{
    CLEANUP(attempt_free) struct attempt *attempt = calloc(1, sizeof(*attempt));

    if (!attempt) {
        error_set(error, ENOMEM, "out of memory");
        return LOAD_LATER;
    }
    int r = store_fetch(runner->reader, task->seq, &attempt->delivery, error);
    if (r < 0 && r != -ENOENT && r != -EBADMSG)
        return LOAD_LATER;
    attempt->task = task;
    attempt->item.delivery = attempt->delivery;
    attempt->item.attempt = task->attempts + 1;
    attempt->item.replay = task->replay;
    if (r < 0) {
        attempt->item.started_at_usec = clock_realtime(runner->clock);
        snprintf(attempt->item.result, sizeof(attempt->item.result), "body is %s",
            r == -ENOENT ? "gone" : "damaged");
    }
    task->attempt = TAKE(attempt);
    return r < 0 ? LOAD_NEVER : LOAD_OK;
}

/* Loads what was taken. Returns how many are ready to be handed over; what does not fit or cannot
 * be loaded now goes back, what can never be delivered is dead. */
static size_t load_batch(struct runner *runner, size_t n)
{
    struct error error = ERROR_INIT;
    size_t n_items = 0, bytes = 0;
    bool trouble = false;

    for (size_t i = 0; i < n; i++) {
        struct task *task = runner->tasks[i];
        enum load_result loaded = LOAD_LATER;

        if (!trouble && bytes < BATCH_BYTES) {
            loaded = load_attempt(runner, task, &error);
            trouble = loaded == LOAD_LATER;
        }
        switch (loaded) {
        case LOAD_OK:
            bytes += task->attempt->delivery->body_length;
            runner->items[n_items++] = &task->attempt->item;
            break;
        case LOAD_NEVER:
            note_numbers(runner, task->attempt, SINK_DEAD);
            end_dead(runner, task->attempt);
            break;
        case LOAD_LATER:
            queue_end(&runner->queue, task, QUEUE_DEFERRED, 0, runner_now(runner));
            break;
        }
    }
    if (trouble)
        pause_sink(runner, error.text);
    return n_items;
}

static bool may_start(struct runner *runner)
{
    struct queue *queue = &runner->queue;
    int64_t now = runner_now(runner);

    if (runner->store_failed || queue->n_running >= runner->limit ||
        queue->n_unwritten >= BACKLOG_MAX)
        return false;
    if (atomic_load(&runner->paused))
        return false;
    if (runner->sink->ops->has_position &&
        (runner->settling || queue->n_unwritten > 0 || settle_wants_position(runner)))
        return false;
    if (now < runner->pause_until) {
        runner_wake_at(runner, runner->pause_until);
        return false;
    }
    if (!breaker_may_start(&runner->breaker, now, queue->n_running)) {
        if (queue->n_running == 0)
            runner_wake_at(runner, runner->breaker.probe_at);
        return false;
    }
    return true;
}

static bool start_batch(struct runner *runner)
{
    const struct sink_ops *ops = runner->sink->ops;
    size_t max = runner->limit - runner->queue.n_running;

    if (runner->breaker.open)
        max = 1;
    else if (max > ops->batch)
        max = ops->batch;
    size_t n = queue_take(&runner->queue, runner_now(runner), runner->tasks, max);
    if (n == 0)
        return false;

    n = load_batch(runner, n);
    note_running(runner);
    if (n == 0)
        return true;
    breaker_started(&runner->breaker);
    runner->tried = false;
    ops->deliver(runner->sink, runner->items, n);
    return true;
}

void deliver_step(struct runner *runner)
{
    struct queue *queue = &runner->queue;

    /* Time passes between two looks at it: what has come due since the last one must either start
     * or lie ahead as the time to wake, never neither. */
    do {
        while (may_start(runner) && start_batch(runner))
            ;
        queue_wake(queue, runner_now(runner));
    } while (queue_is_ready(queue) && may_start(runner));
    runner_wake_at(runner, queue_next_due(queue));
}
