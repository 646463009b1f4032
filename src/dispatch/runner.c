/*
 * A runner as the main thread sees it: making it, giving it orders, freeing it.
 *
 * A runner is born with its thread, which lies idle until the first change comes; so all that can
 * fail has failed before a reload commits. Orders are written under the runner's lock and the
 * thread is woken through its mailbox; a change that was not seen before the next one came is freed
 * here.
 *
 * Freeing takes the lock once after the thread has ended: the writer posts results under it, and
 * may still be on its way out of the last post.
 */

#include "dispatch/runner_private.h"

#include "dispatch/options.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

/* Mail is taken by the loop itself, when it comes round. */
static int on_mail(sd_event_source *source, int fd, uint32_t events, void *context)
{
    struct runner *runner = context;

    runner->has_mail = true;
    return 0;
}

/* Before all events of the sink: with many short hooks there is always one of those. */
static int watch_mailbox(struct runner *runner)
{
    sd_event_source *source = NULL;
    int r = sd_event_add_io(runner->event, &source, runner->mailbox.fd, EPOLLIN, on_mail, runner);

    if (r >= 0)
        r = sd_event_source_set_priority(source, SD_EVENT_PRIORITY_IMPORTANT);
    if (r >= 0)
        r = sd_event_source_set_floating(source, true);
    sd_event_source_unref(source);
    return r;
}

int runner_change_new(dispatch_new_sink_fn new_sink, const struct dispatch_sink_options *options,
    struct runner_change **ret_change, struct error *error)
{
    CLEANUP(runner_change_free) struct runner_change *change = calloc(1, sizeof(*change));

    if (!change)
        return error_set(error, ENOMEM, "out of memory");
    change->options = options_copy(options);
    if (!change->options)
        return error_set(error, ENOMEM, "out of memory");
    int r = new_sink(&options->sink, &change->sink, error);
    if (r < 0)
        return error_prefix(error, "sink %s", options->sink.name);
    *ret_change = TAKE(change);
    return 0;
}

void runner_change_free(struct runner_change *change)
{
    if (!change)
        return;
    sink_free(change->sink);
    options_free(change->options);
    free(change);
}

/* Everything but the thread. */
static void runner_destroy(struct runner *runner)
{
    if (!runner)
        return;
    pthread_mutex_lock(&runner->lock);
    pthread_mutex_unlock(&runner->lock);

    runner_change_free(runner->orders.change);
    runner_change_free(runner->next);
    options_free(runner->options);
    sd_event_unref(runner->event);
    if (runner->mailbox.fd >= 0)
        mailbox_done(&runner->mailbox);
    if (runner->reader)
        store_reader_close(runner->reader);
    pthread_mutex_destroy(&runner->lock);
    numbers_done(&runner->numbers);
    free(runner->name);
    free(runner);
}
CLEANUP_FUNC(struct runner, runner_destroy);

static int start_thread(struct runner *runner, struct error *error)
{
    char name[16];
    sigset_t all, old;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int r = pthread_create(&runner->thread, NULL, runner_run, runner);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (r != 0)
        return error_errno(error, r, "sink %s: cannot start a thread", runner->name);
    snprintf(name, sizeof(name), "sink-%.10s", runner->name);
    pthread_setname_np(runner->thread, name);
    return 0;
}

int runner_new(const struct runner_setup *setup, struct runner **ret_runner, struct error *error)
{
    CLEANUP(runner_destroy) struct runner *runner = calloc(1, sizeof(*runner));

    if (!runner)
        return error_set(error, ENOMEM, "out of memory");
    runner->mailbox.fd = -1;
    runner->writer = setup->writer;
    runner->clock = setup->clock;
    runner->new_sink = setup->new_sink;
    runner->left = setup->left;
    runner->left_context = setup->context;
    pthread_mutex_init(&runner->lock, NULL);
    numbers_init(&runner->numbers);
    atomic_init(&runner->type, setup->type);
    runner->name = strdup(setup->name);
    if (!runner->name)
        return error_set(error, ENOMEM, "out of memory");

    int r = mailbox_init(&runner->mailbox, error);
    if (r < 0) {
        runner->mailbox.fd = -1;
        return r;
    }
    r = sd_event_new(&runner->event);
    if (r < 0)
        return error_errno(error, -r, "cannot make an event loop");
    r = watch_mailbox(runner);
    if (r < 0)
        return error_errno(error, -r, "cannot watch a mailbox");
    r = store_reader_open(setup->store, &runner->reader, error);
    if (r < 0)
        return r;
    r = start_thread(runner, error);
    if (r < 0)
        return r;
    *ret_runner = TAKE(runner);
    return 0;
}

void runner_join(struct runner *runner)
{
    if (!runner->joined)
        pthread_join(runner->thread, NULL);
    runner->joined = true;
}

void runner_free(struct runner *runner)
{
    if (!runner)
        return;
    runner_join(runner);
    runner_destroy(runner);
}

void runner_set_id(struct runner *runner, uint32_t id)
{
    runner->id = id;
}

uint32_t runner_id(const struct runner *runner)
{
    return runner->id;
}

const char *runner_name(const struct runner *runner)
{
    return runner->name;
}

void runner_apply(struct runner *runner, struct runner_change *change)
{
    pthread_mutex_lock(&runner->lock);
    struct runner_change *unseen = runner->orders.change;
    runner->orders.change = change;
    runner->orders.leave = false;
    atomic_store(&runner->type, change->sink->ops->type);
    atomic_store(&runner->has_left, false);
    mailbox_wake(&runner->mailbox);
    pthread_mutex_unlock(&runner->lock);
    runner_change_free(unseen);
}

void runner_leave(struct runner *runner)
{
    pthread_mutex_lock(&runner->lock);
    struct runner_change *unseen = TAKE(runner->orders.change);
    runner->orders.leave = true;
    mailbox_wake(&runner->mailbox);
    pthread_mutex_unlock(&runner->lock);
    runner_change_free(unseen);
}

bool runner_has_left(const struct runner *runner)
{
    return atomic_load(&runner->has_left);
}

void runner_reopen(struct runner *runner)
{
    pthread_mutex_lock(&runner->lock);
    runner->orders.reopen = true;
    mailbox_wake(&runner->mailbox);
    pthread_mutex_unlock(&runner->lock);
}

void runner_wake(struct runner *runner)
{
    if (!atomic_exchange(&runner->woken, true))
        mailbox_wake(&runner->mailbox);
}

void runner_stop(struct runner *runner, int64_t deadline_usec)
{
    pthread_mutex_lock(&runner->lock);
    runner->orders.stop = true;
    runner->orders.stop_at = deadline_usec;
    mailbox_wake(&runner->mailbox);
    pthread_mutex_unlock(&runner->lock);
}

void runner_ask(struct runner *runner, struct request *request)
{
    pthread_mutex_lock(&runner->lock);
    const char *why = NULL;
    if (runner->orders.stop) /* the thread may not look any more */
        why = "is being stopped";
    else if (runner->orders.requests.n + atomic_load(&runner->n_asked) >= REQUESTS_MAX)
        why = "too many requests wait";
    if (!why) {
        request_list_push(&runner->orders.requests, request);
        mailbox_wake(&runner->mailbox);
    }
    pthread_mutex_unlock(&runner->lock);
    if (why)
        request_end(request, EAGAIN, "sink %s: %s", runner->name, why);
}

void runner_set_paused(struct runner *runner, bool paused)
{
    pthread_mutex_lock(&runner->lock);
    atomic_store(&runner->paused, paused);
    mailbox_wake(&runner->mailbox);
    pthread_mutex_unlock(&runner->lock);
}

void runner_get_stats(struct runner *runner, struct dispatch_sink_stats *ret_stats)
{
    *ret_stats = (struct dispatch_sink_stats){
        .type = atomic_load(&runner->type),
        .id = runner->id,
        .running = atomic_load(&runner->running),
        .paused = atomic_load(&runner->paused),
        .breaker_open = atomic_load(&runner->breaker_open),
    };
    snprintf(ret_stats->name, sizeof(ret_stats->name), "%s", runner->name);
    numbers_read(&runner->numbers, ret_stats);
}
