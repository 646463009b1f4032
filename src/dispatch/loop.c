/*
 * A runner's thread: its loop, the orders it gets, the phases it goes through.
 *
 *     OFF ──change──▶ OPENING ──started──▶ ON ──change, leave or stop──▶ DRAINING ──▶ OFF ──▶ ENDED
 *
 * A changed conf takes the whole way round: drain, write everything, close, open anew from what the
 * store says. So filters, order and lanes of the new conf apply to all that is pending, and there
 * is one way to begin, after a restart as after a reload.
 *
 * The loop takes what came (orders, results of the writer), does all that can be done, then sleeps
 * until an event of the sink, the mailbox or the time that a step asked for. A sink that cannot be
 * started (its directory is missing) is made and started again with a growing delay; its deliveries
 * stay pending, and nobody else is held up.
 *
 * The wake-up flag is set by whoever committed something and cleared by the runner right before it
 * reads, so a commit that the reading does not see comes with a wake-up of its own. While the
 * runner knows of more to read anyway it leaves the flag set, and wake-ups cost no system call.
 */

#include "dispatch/runner_private.h"

#include "dispatch/backoff.h"
#include "dispatch/options.h"

#include <errno.h>

/* How often an unchanged reason for not starting is repeated. */
#define OPEN_LOG_USEC USEC_PER_MIN

/* ---- the sink ---- */

static void close_sink(struct runner *runner)
{
    sink_free(TAKE(runner->sink));
    if (runner->started) {
        queue_done(&runner->queue);
        claim_done(runner);
        deliver_done(runner);
    }
    serve_settled(runner, false);
    runner->started = false;
    atomic_store(&runner->running, 0);
    atomic_store(&runner->breaker_open, false);
}

static int start_sink(struct runner *runner, struct error *error)
{
    const struct sink_host host = {
        .event = runner->event,
        .clock = runner->clock,
        .done = deliver_end,
        .context = runner,
    };
    const struct dispatch_retry *retry = &runner->options->retry;
    struct store_sink state;
    int r;

    if (!runner->sink) {
        r = runner->new_sink(&runner->options->sink, &runner->sink, error);
        if (r < 0)
            return r;
    }
    const struct sink_ops *ops = runner->sink->ops;
    r = ops->start(runner->sink, &host, error);
    if (r < 0)
        return r;
    r = store_read_sink(runner->reader, runner->id, &state, error);
    if (r < 0)
        return r;
    r = queue_init(&runner->queue, state.frontier,
        ops->order == SINK_ORDER_ARRIVAL ? ops->batch : 1, attempt_free);
    if (r < 0)
        return error_set(error, ENOMEM, "out of memory");
    runner->started = true;
    breaker_init(&runner->breaker, runner->options->breaker, retry->first_usec, retry->max_usec);
    claim_init(runner);
    settle_init(runner, &state);
    r = deliver_init(runner, error);
    if (r < 0)
        return r;
    return ops->has_position ? claim_recover(runner, &state, error) : 0;
}

static void open_sink(struct runner *runner)
{
    struct error error = ERROR_INIT;
    uint64_t left_out;
    int64_t now = runner_now(runner);

    if (now < runner->open_at) {
        serve_refuse(runner, "cannot be started, will be tried again");
        runner_wake_at(runner, runner->open_at);
        return;
    }
    if (start_sink(runner, &error) == 0) {
        if (runner->open_failures > 0)
            log_event(LOG_LEVEL_INFO, "sink-started", LOG_FIELDS({"sink", runner->name}),
                "sink %s: started", runner->name);
        runner->open_failures = 0;
        runner->phase = PHASE_ON;
        return;
    }
    if (log_limit_pass(&runner->open_limit, now, OPEN_LOG_USEC, &left_out))
        log_event(LOG_LEVEL_ERR, "sink-not-started", LOG_FIELDS({"sink", runner->name}),
            "sink %s: cannot be started, will be tried again: %s", runner->name, error.text);
    close_sink(runner);
    runner->open_failures++;
    runner->open_at = now + backoff_base(PAUSE_FIRST_USEC, PAUSE_MAX_USEC, runner->open_failures);
    runner_wake_at(runner, runner->open_at);
    serve_refuse(runner, "cannot be started, will be tried again");
}

static void reopen_sink(struct runner *runner)
{
    struct error error = ERROR_INIT;

    runner->reopen = false;
    if (!runner->sink->ops->reopen)
        return;
    if (runner->sink->ops->reopen(runner->sink, &error) < 0)
        log_event(LOG_LEVEL_ERR, "sink-not-reopened", LOG_FIELDS({"sink", runner->name}),
            "sink %s: cannot be opened anew: %s", runner->name, error.text);
}

/* ---- phases ---- */

static bool must_drain(const struct runner *runner)
{
    return runner->stopping || runner->leaving || runner->next;
}

/* True the first time; not when the main thread has just asked the runner back. */
static bool note_departure(struct runner *runner)
{
    pthread_mutex_lock(&runner->lock);
    bool leaves = runner->orders.leave && !atomic_load(&runner->has_left);
    if (leaves)
        atomic_store(&runner->has_left, true);
    pthread_mutex_unlock(&runner->lock);
    return leaves;
}

static void step_off(struct runner *runner)
{
    if (runner->stopping) {
        runner->phase = PHASE_ENDED;
    } else if (runner->next) {
        options_free(runner->options);
        runner->options = TAKE(runner->next->options);
        runner->sink = TAKE(runner->next->sink);
        runner_change_free(TAKE(runner->next));
        runner->open_at = 0;
        runner->open_failures = 0;
        runner->open_limit = (struct log_limit){0};
        runner->phase = PHASE_OPENING;
    } else if (runner->leaving && note_departure(runner)) {
        runner->left(runner->left_context);
    }
}

static void step_opening(struct runner *runner)
{
    if (must_drain(runner)) {
        close_sink(runner);
        runner->phase = PHASE_OFF;
    } else {
        open_sink(runner);
    }
}

static void step_on(struct runner *runner)
{
    if (must_drain(runner)) {
        runner->phase = PHASE_DRAINING;
        return;
    }
    if (runner->reopen)
        reopen_sink(runner);
    claim_step(runner);
    serve_step(runner);
    deliver_step(runner);
    settle_step(runner, false);
}

/* Whether there is no point in waiting for the store any longer; nothing runs. */
static bool gives_up_writing(struct runner *runner)
{
    int64_t now = runner_now(runner);

    if (runner->settling)
        return false;
    if (runner->store_failed)
        return true;
    if (!runner->stopping)
        return false;
    if (runner->give_up_at == 0)
        runner->give_up_at = now + LAST_WRITE_USEC;
    if (now < runner->give_up_at) {
        runner_wake_at(runner, runner->give_up_at);
        return false;
    }
    log_event(LOG_LEVEL_WARNING, "sink-not-settled", LOG_FIELDS({"sink", runner->name}),
        "sink %s: the store is unavailable; what the sink got last may come to it again",
        runner->name);
    return true;
}

static void cancel_when_due(struct runner *runner)
{
    if (runner->cancelled || !runner->sink->ops->cancel)
        return;
    if (runner_now(runner) < runner->stop_at) {
        runner_wake_at(runner, runner->stop_at);
        return;
    }
    runner->cancelled = true;
    runner->sink->ops->cancel(runner->sink);
}

static void step_draining(struct runner *runner)
{
    if (runner->queue.n_running > 0 && runner->stopping)
        cancel_when_due(runner);
    settle_step(runner, true);
    if (runner->queue.n_running > 0)
        return;
    if (!settle_is_done(runner) && !gives_up_writing(runner))
        return;
    close_sink(runner);
    runner->phase = PHASE_OFF;
}

static void step(struct runner *runner)
{
    enum runner_phase before;

    if (runner->stopping || runner->leaving)
        serve_refuse(runner, "is being stopped");
    do {
        before = runner->phase;
        switch (before) {
        case PHASE_OFF:
            step_off(runner);
            break;
        case PHASE_OPENING:
            step_opening(runner);
            break;
        case PHASE_ON:
            step_on(runner);
            break;
        case PHASE_DRAINING:
            step_draining(runner);
            break;
        case PHASE_ENDED:
            break;
        }
    } while (runner->phase != before);
}

/* ---- the loop ---- */

static void take_orders(struct runner *runner)
{
    struct runner_orders orders;

    pthread_mutex_lock(&runner->lock);
    orders = runner->orders;
    runner->orders.change = NULL;
    runner->orders.reopen = false;
    request_list_move(&runner->asked, &runner->orders.requests);
    atomic_store(&runner->n_asked, runner->asked.n);
    pthread_mutex_unlock(&runner->lock);

    if (orders.change || orders.leave)
        runner_change_free(TAKE(runner->next));
    if (orders.change)
        runner->next = orders.change;
    runner->leaving = orders.leave;
    runner->stopping = orders.stop;
    runner->stop_at = orders.stop_at;
    if (orders.reopen)
        runner->reopen = true;
}

static void sleep_until_wanted(struct runner *runner)
{
    uint64_t timeout = UINT64_MAX;

    if (runner->wake_at != USEC_INFINITY) {
        int64_t now = runner_now(runner);
        timeout = runner->wake_at > now ? (uint64_t)(runner->wake_at - now) : 0;
    }
    int r = sd_event_run(runner->event, timeout);
    ASSERT(r >= 0 || r == -EINTR || r == -ENOMEM);
}

static void take_mail(struct runner *runner)
{
    runner->has_mail = false;
    /* The only item there ever is: the settle. */
    if (mailbox_take(&runner->mailbox))
        settle_finish(runner);
}

void *runner_run(void *context)
{
    struct runner *runner = context;

    while (runner->phase != PHASE_ENDED) {
        runner->wake_at = USEC_INFINITY;
        if (runner->has_mail)
            take_mail(runner);
        take_orders(runner);
        step(runner);
        if (runner->phase != PHASE_ENDED)
            sleep_until_wanted(runner);
    }
    return NULL;
}
