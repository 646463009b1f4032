/*
 * The admin stage: start, reload, stop, and what its listeners share.
 *
 * A start that fails leaves the sockets the caller's and everything else undone. Stop ends each
 * listener after the request it is at; the stages below still run then, so that request ends.
 */

#include "admin/admin.h"

#include "admin/backup.h"
#include "admin/internal.h"
#include "admin/listener.h"
#include "admin/overview.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- the view ---- */

struct view *admin_view(struct admin *admin)
{
    struct view *view;

    pthread_mutex_lock(&admin->view_lock);
    view = view_ref(admin->view);
    pthread_mutex_unlock(&admin->view_lock);
    return view;
}

struct admin_change {
    struct view *view; /* owned */
};

int admin_prepare(struct admin *admin, const struct admin_view *view,
    struct admin_change **ret_change, struct error *error)
{
    struct admin_change *change = calloc(1, sizeof(*change));

    /* Only main replaces the view, so it may be looked at here without a reference. */
    if (change)
        change->view = view_new(view, &admin->view->what);
    if (!change || !change->view) {
        admin_abandon(change);
        return error_set(error, ENOMEM, "out of memory");
    }
    *ret_change = change;
    return 0;
}

void admin_commit(struct admin *admin, struct admin_change *change)
{
    struct view *old;

    pthread_mutex_lock(&admin->view_lock);
    old = admin->view;
    admin->view = TAKE(change->view);
    pthread_mutex_unlock(&admin->view_lock);
    view_unref(old);
    admin_abandon(change);
}

void admin_abandon(struct admin_change *change)
{
    if (!change)
        return;
    view_unref(change->view);
    free(change);
}

void admin_note_reload(struct admin *admin, bool is_ok)
{
    atomic_store(&admin->reload_has_failed, !is_ok);
    if (is_ok)
        atomic_store(&admin->conf_since_usec, clock_realtime(admin->options.clock));
}

/* ---- history ---- */

static uint64_t count(const struct intake_stats *stats, enum reason reason)
{
    return atomic_load_explicit(&stats->reasons[reason], memory_order_relaxed);
}

static struct history_counts take_counts(const struct intake *intake)
{
    const struct intake_stats *stats = intake_stats(intake);
    struct history_counts counts = {
        .accepted = count(stats, REASON_ACCEPTED),
        .duplicate = count(stats, REASON_DUPLICATE) + count(stats, REASON_CONFLICT),
    };
    struct intake_latency latency;

    for (int reason = REASON_FRAMING; reason < REASON_COUNT; reason++)
        counts.refused += count(stats, (enum reason)reason);
    intake_get_latency(intake, &latency);
    for (size_t i = 0; i < INTAKE_BUCKETS; i++)
        counts.latency[i] = latency.buckets[i];
    return counts;
}

/* A sink that the store cannot tell of now is left to the next sample. */
static void sample_sink(struct admin *admin, struct store_reader *reader, int64_t now,
    const struct dispatch_sink_stats *stats)
{
    struct history_sink_counts counts = {
        .delivered = stats->attempts[SINK_DELIVERED],
        .failed = stats->attempts[SINK_RETRY] + stats->attempts[SINK_DEAD],
    };
    struct store_sink sink;

    if (store_read_sink(reader, stats->id, &sink, NULL) < 0)
        return;
    counts.dead = sink.dead;
    for (size_t i = 0; i < DISPATCH_BUCKETS; i++)
        counts.durations[i] = stats->durations[i];
    history_add_sink(admin->history, now, stats->name, &counts);
}

static void sample_sinks(struct admin *admin, struct store_reader *reader, int64_t now)
{
    const size_t room = dispatch_get_stats(admin->options.dispatch, NULL, 0);
    CLEANUP(free) struct dispatch_sink_stats *stats = calloc(room + 1, sizeof(*stats));
    const size_t n = stats ? dispatch_get_stats(admin->options.dispatch, stats, room) : 0;

    for (size_t i = 0; i < n && i < room; i++)
        sample_sink(admin, reader, now, &stats[i]);
}

void admin_sample(struct admin *admin, struct store_reader *reader)
{
    const int64_t now = clock_realtime(admin->options.clock);
    struct history_counts counts;

    /* All under the lock, so that no thread brings counters that are older than those it finds. */
    pthread_mutex_lock(&admin->history_lock);
    counts = take_counts(admin->options.intake);
    history_add(admin->history, now, &counts);
    sample_sinks(admin, reader, now);
    pthread_mutex_unlock(&admin->history_lock);
}

void admin_sample_if_due(struct admin *admin, struct store_reader *reader)
{
    const int64_t now = clock_monotonic(admin->options.clock);
    int64_t due = atomic_load(&admin->next_sample_usec);

    if (now >= due &&
        atomic_compare_exchange_strong(&admin->next_sample_usec, &due, now + ADMIN_SAMPLE_USEC))
        admin_sample(admin, reader);
}

/* ---- start and stop ---- */

static void admin_free(struct admin *admin)
{
    for (size_t i = 0; i < admin->n_listeners; i++)
        listener_free(admin->listeners[i]);
    free(admin->listeners);
    for (size_t i = 0; i < admin->n_listen_fds; i++)
        close(admin->listen_fds[i]);
    free(admin->listen_fds);
    backup_free(admin->backup);
    history_free(admin->history);
    view_unref(admin->view);
    pthread_mutex_destroy(&admin->failed_lock);
    pthread_mutex_destroy(&admin->history_lock);
    pthread_mutex_destroy(&admin->view_lock);
    free(admin);
}

/* Everything but the threads. */
static int make(struct admin *admin, const struct admin_options *options, struct error *error)
{
    admin->view = view_new(options->view, NULL);
    admin->history = history_new();
    admin->backup = backup_new(options->store, options->writer, options->clock);
    admin->listeners = calloc(options->n_listen_fds + 1, sizeof(struct listener *));
    admin->listen_fds = calloc(options->n_listen_fds + 1, sizeof(*admin->listen_fds));
    if (!admin->view || !admin->history || !admin->backup || !admin->listeners ||
        !admin->listen_fds)
        return error_set(error, ENOMEM, "out of memory");
    for (size_t i = 0; i < options->n_listen_fds; i++) {
        int r = listener_new(admin, options->listen_fds[i], &admin->listeners[i], error);

        if (r < 0)
            return r;
        admin->n_listeners++;
    }
    return 0;
}

int admin_start(const struct admin_options *options, struct admin **ret_admin, struct error *error)
{
    struct admin *admin = calloc(1, sizeof(*admin));
    int r;

    if (!admin)
        return error_set(error, ENOMEM, "out of memory");
    pthread_mutex_init(&admin->view_lock, NULL);
    pthread_mutex_init(&admin->history_lock, NULL);
    pthread_mutex_init(&admin->failed_lock, NULL);
    admin->options = *options;
    admin->options.view = NULL;
    admin->started_at_usec = clock_realtime(options->clock);
    admin->conf_since_usec = admin->started_at_usec;
    r = make(admin, options, error);
    for (size_t i = 0; r == 0 && i < admin->n_listeners; i++)
        r = listener_start(admin->listeners[i], (unsigned int)i, error);
    if (r < 0) {
        admin_free(admin);
        return r;
    }
    for (size_t i = 0; i < options->n_listen_fds; i++)
        admin->listen_fds[admin->n_listen_fds++] = options->listen_fds[i]; /* ours from here on */
    *ret_admin = admin;
    return 0;
}

void admin_drain(struct admin *admin)
{
    atomic_store(&admin->draining, true);
}

void admin_stop(struct admin *admin)
{
    if (admin)
        admin_free(admin);
}
