/*
 * The set of runners, and how it changes.
 *
 * Start is a change from nothing. Prepare does all that can fail (threads, readers, sinks,
 * registration with the store) without touching a runner that works; commit only gives orders and
 * swaps tables. A runner whose sink left the conf finishes what runs in its own time: it goes on
 * the list of the leaving and is freed by a later call, or brought back when the sink returns
 * before that, so there are never two runners for one sink.
 *
 * Threads: the tables belong to the main thread. What other threads may call (dispatch_wake here,
 * and operator.c) walks the current one under the lock, which the main thread takes to swap it.
 *
 * Which sinks are active in the store (pruning waits for those) is widened in prepare and narrowed
 * in commit; if narrowing fails, pruning waits for a sink too many until the next reload, no harm.
 */

#include "dispatch/dispatch_private.h"

#include "dispatch/options.h"
#include "util/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* One sink of the new conf. */
struct part {
    struct runner *runner;
    struct slot *slot;                     /* in the old table; NULL: it was not there */
    struct dispatch_sink_options *options; /* owned; NULL: as they are */
    struct runner_change *change;          /* owned; NULL: goes on untouched */
    bool is_new;                           /* the runner is the change's own */
};

struct dispatch_change {
    struct dispatch *dispatch;
    struct part *parts;
    size_t n_parts;
    struct slot *slots;      /* room for n_parts */
    struct runner **leaving; /* room for every runner there is */
    bool registered;         /* new sinks are known to the store, and active */
};

/* ---- the store ---- */

/* What the writer does for a change; on its thread. */
struct registration {
    struct part *parts;
    size_t n_parts;
    enum store_result result;
    struct error error;
};

static void register_parts(struct store *store, void *context)
{
    struct registration *registration = context;

    registration->result = STORE_OK;
    for (size_t i = 0; i < registration->n_parts; i++) {
        struct part *part = &registration->parts[i];
        struct store_sink sink;

        if (!part->change)
            continue;
        registration->result =
            store_register_sink(store, runner_name(part->runner), &sink, &registration->error);
        if (registration->result != STORE_OK)
            return;
        if (part->is_new) {
            runner_set_id(part->runner, sink.id);
            runner_set_paused(part->runner, sink.paused);
        }
    }
}

static int register_sinks(struct dispatch_change *change, struct error *error)
{
    struct registration registration = {
        .parts = change->parts,
        .n_parts = change->n_parts,
        .error = ERROR_INIT,
    };

    change->registered = true;
    if (store_writer_call(change->dispatch->writer, register_parts, &registration) != STORE_OK)
        return error_set(error, EIO, "cannot register the sinks: the store has failed");
    if (registration.result != STORE_OK)
        return error_set(error, EIO, "cannot register the sinks: %s", registration.error.text);
    return 0;
}

/* The ids of all whom pruning must wait for. NULL when out of memory. */
static uint32_t *gather_active(struct dispatch *dispatch, size_t *ret_n)
{
    size_t n = 0;

    pthread_mutex_lock(&dispatch->lock);
    uint32_t *ids = calloc(dispatch->n_slots + dispatch->n_leaving + 1, sizeof(*ids));
    for (size_t i = 0; ids && i < dispatch->n_slots; i++)
        ids[n++] = runner_id(dispatch->slots[i].runner);
    for (size_t i = 0; ids && i < dispatch->n_leaving; i++)
        if (!runner_has_left(dispatch->leaving[i]))
            ids[n++] = runner_id(dispatch->leaving[i]);
    pthread_mutex_unlock(&dispatch->lock);
    *ret_n = n;
    return ids;
}

/* On the writer's thread. */
static void set_active(struct store *store, void *context)
{
    struct error error = ERROR_INIT;
    enum store_result result = STORE_UNAVAILABLE;
    size_t n;
    CLEANUP(free) uint32_t *ids = gather_active(context, &n);

    if (ids)
        result = store_set_active_sinks(store, ids, n, &error);
    if (result != STORE_OK)
        log_warning("sinks-not-set", "cannot tell the store which sinks there are: %s",
            ids ? error.text : "out of memory");
}

static void tell_active_sinks(struct dispatch *dispatch)
{
    /* A store that has failed ends the process anyway. */
    (void)store_writer_call(dispatch->writer, set_active, dispatch);
}

/* On the thread of a runner that has left. */
static void on_left(void *context)
{
    tell_active_sinks(context);
}

/* ---- who is there ---- */

struct slot *dispatch_find(const struct dispatch *dispatch, const char *name)
{
    for (size_t i = 0; i < dispatch->n_slots; i++)
        if (strcmp(runner_name(dispatch->slots[i].runner), name) == 0)
            return &dispatch->slots[i];
    return NULL;
}

static struct runner *find_leaving(const struct dispatch *dispatch, const char *name)
{
    for (size_t i = 0; i < dispatch->n_leaving; i++)
        if (strcmp(runner_name(dispatch->leaving[i]), name) == 0)
            return dispatch->leaving[i];
    return NULL;
}

/* Takes a runner that has left off the list; NULL when there is none. */
static struct runner *take_left(struct dispatch *dispatch)
{
    struct runner *runner = NULL;

    pthread_mutex_lock(&dispatch->lock);
    for (size_t i = 0; i < dispatch->n_leaving && !runner; i++)
        if (runner_has_left(dispatch->leaving[i])) {
            runner = dispatch->leaving[i];
            dispatch->leaving[i] = dispatch->leaving[--dispatch->n_leaving];
        }
    pthread_mutex_unlock(&dispatch->lock);
    return runner;
}

static void reap(struct dispatch *dispatch)
{
    struct runner *runner;

    while ((runner = take_left(dispatch))) {
        runner_stop(runner, 0);
        runner_free(runner);
    }
}

/* ---- change ---- */

void dispatch_abandon(struct dispatch_change *change)
{
    if (!change)
        return;
    for (size_t i = 0; i < change->n_parts; i++) {
        struct part *part = &change->parts[i];
        if (part->is_new) {
            runner_stop(part->runner, 0);
            runner_free(part->runner);
        }
        runner_change_free(part->change);
        options_free(part->options);
    }
    if (change->registered)
        tell_active_sinks(change->dispatch);
    free(change->parts);
    free(change->slots);
    free(change->leaving);
    free(change);
}
CLEANUP_FUNC(struct dispatch_change, dispatch_abandon);

/* Finds out what one sink of the new conf needs, and makes it. */
static int prepare_part(struct dispatch *dispatch, const struct dispatch_sink_options *options,
    struct part *part, struct error *error)
{
    const char *name = options->sink.name;
    struct slot *slot = dispatch_find(dispatch, name);

    part->slot = slot;
    part->runner = slot ? slot->runner : find_leaving(dispatch, name);
    if (slot && options_equal(slot->options, options))
        return 0;
    part->options = options_copy(options);
    if (!part->options)
        return error_set(error, ENOMEM, "out of memory");
    int r = runner_change_new(dispatch->new_sink, options, &part->change, error);
    if (r < 0 || part->runner)
        return r;

    const struct runner_setup setup = {
        .name = name,
        .type = part->change->sink->ops->type,
        .store = dispatch->store,
        .writer = dispatch->writer,
        .clock = dispatch->clock,
        .new_sink = dispatch->new_sink,
        .left = on_left,
        .context = dispatch,
    };
    r = runner_new(&setup, &part->runner, error);
    if (r < 0)
        return r;
    part->is_new = true;
    return 0;
}

static int check_names(const struct dispatch_sink_options *sinks, size_t n, struct error *error)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++)
            if (strcmp(sinks[i].sink.name, sinks[j].sink.name) == 0)
                return error_set(error, EINVAL, "two sinks are named %s", sinks[i].sink.name);
    return 0;
}

int dispatch_prepare(struct dispatch *dispatch, const struct dispatch_sink_options *sinks,
    size_t n_sinks, struct dispatch_change **ret_change, struct error *error)
{
    reap(dispatch);
    int r = check_names(sinks, n_sinks, error);
    if (r < 0)
        return r;

    CLEANUP(dispatch_abandon) struct dispatch_change *change = calloc(1, sizeof(*change));
    if (!change)
        return error_set(error, ENOMEM, "out of memory");
    change->dispatch = dispatch;
    change->parts = calloc(n_sinks + 1, sizeof(*change->parts));
    change->slots = calloc(n_sinks + 1, sizeof(*change->slots));
    change->leaving = calloc(dispatch->n_slots + dispatch->n_leaving + 1, sizeof(*change->leaving));
    if (!change->parts || !change->slots || !change->leaving)
        return error_set(error, ENOMEM, "out of memory");

    for (size_t i = 0; i < n_sinks; i++) {
        change->n_parts++;
        r = prepare_part(dispatch, &sinks[i], &change->parts[i], error);
        if (r < 0)
            return r;
    }
    r = register_sinks(change, error);
    if (r < 0)
        return r;
    *ret_change = TAKE(change);
    return 0;
}

static bool has_part(const struct dispatch_change *change, const struct runner *runner)
{
    for (size_t i = 0; i < change->n_parts; i++)
        if (change->parts[i].runner == runner)
            return true;
    return false;
}

/* Fills the new table: a part's own options, or those of the slot it had. */
static void fill_slots(struct dispatch_change *change)
{
    for (size_t i = 0; i < change->n_parts; i++) {
        struct part *part = &change->parts[i];
        change->slots[i].runner = part->runner;
        change->slots[i].options = part->options ? TAKE(part->options) : TAKE(part->slot->options);
    }
}

static size_t fill_leaving(const struct dispatch *dispatch, struct dispatch_change *change)
{
    size_t n = 0;

    for (size_t i = 0; i < dispatch->n_leaving; i++)
        if (!has_part(change, dispatch->leaving[i]))
            change->leaving[n++] = dispatch->leaving[i];
    for (size_t i = 0; i < dispatch->n_slots; i++) {
        struct runner *runner = dispatch->slots[i].runner;
        if (!has_part(change, runner))
            change->leaving[n++] = runner;
    }
    return n;
}

void dispatch_commit(struct dispatch *dispatch, struct dispatch_change *change)
{
    struct slot *old_slots = dispatch->slots;
    struct runner **old_leaving = dispatch->leaving;
    size_t n_old = dispatch->n_slots;

    fill_slots(change);
    pthread_mutex_lock(&dispatch->lock);
    dispatch->n_leaving = fill_leaving(dispatch, change);
    dispatch->leaving = TAKE(change->leaving);
    dispatch->slots = TAKE(change->slots);
    dispatch->n_slots = change->n_parts;
    pthread_mutex_unlock(&dispatch->lock);

    tell_active_sinks(dispatch);
    for (size_t i = 0; i < dispatch->n_leaving; i++)
        runner_leave(dispatch->leaving[i]);
    for (size_t i = 0; i < change->n_parts; i++) {
        struct part *part = &change->parts[i];
        if (part->change)
            runner_apply(part->runner, TAKE(part->change));
    }

    for (size_t i = 0; i < n_old; i++)
        options_free(old_slots[i].options);
    free(old_slots);
    free(old_leaving);
    free(change->parts);
    free(change);
}

/* ---- the whole ---- */

static void dispatch_free(struct dispatch *dispatch)
{
    if (!dispatch)
        return;
    for (size_t i = 0; i < dispatch->n_slots; i++)
        options_free(dispatch->slots[i].options);
    free(dispatch->slots);
    free(dispatch->leaving);
    pthread_mutex_destroy(&dispatch->lock);
    free(dispatch);
}
CLEANUP_FUNC(struct dispatch, dispatch_free);

int dispatch_start(
    const struct dispatch_options *options, struct dispatch **ret_dispatch, struct error *error)
{
    CLEANUP(dispatch_free) struct dispatch *dispatch = calloc(1, sizeof(*dispatch));
    struct dispatch_change *change;

    if (!dispatch)
        return error_set(error, ENOMEM, "out of memory");
    pthread_mutex_init(&dispatch->lock, NULL);
    dispatch->store = options->store;
    dispatch->writer = options->writer;
    dispatch->clock = options->clock;
    dispatch->new_sink = options->new_sink ? options->new_sink : sink_new;

    int r = dispatch_prepare(dispatch, options->sinks, options->n_sinks, &change, error);
    if (r < 0)
        return r;
    dispatch_commit(dispatch, change);
    *ret_dispatch = TAKE(dispatch);
    return 0;
}

void dispatch_wake(struct dispatch *dispatch)
{
    pthread_mutex_lock(&dispatch->lock);
    for (size_t i = 0; i < dispatch->n_slots; i++)
        runner_wake(dispatch->slots[i].runner);
    pthread_mutex_unlock(&dispatch->lock);
}

void dispatch_reopen(struct dispatch *dispatch)
{
    for (size_t i = 0; i < dispatch->n_slots; i++)
        runner_reopen(dispatch->slots[i].runner);
}

void dispatch_end(struct dispatch *dispatch, int64_t limit_usec)
{
    if (dispatch->ended)
        return;
    dispatch->ended = true;

    int64_t now = clock_monotonic(dispatch->clock);
    int64_t deadline = limit_usec < USEC_INFINITY - now ? now + limit_usec : USEC_INFINITY;

    for (size_t i = 0; i < dispatch->n_slots; i++)
        runner_stop(dispatch->slots[i].runner, deadline);
    for (size_t i = 0; i < dispatch->n_leaving; i++)
        runner_stop(dispatch->leaving[i], deadline);
    for (size_t i = 0; i < dispatch->n_leaving; i++)
        runner_join(dispatch->leaving[i]);
    for (size_t i = 0; i < dispatch->n_slots; i++)
        runner_join(dispatch->slots[i].runner);
}

void dispatch_stop(struct dispatch *dispatch, int64_t limit_usec)
{
    if (!dispatch)
        return;
    dispatch_end(dispatch, limit_usec);
    for (size_t i = 0; i < dispatch->n_leaving; i++)
        runner_free(dispatch->leaving[i]);
    for (size_t i = 0; i < dispatch->n_slots; i++)
        runner_free(dispatch->slots[i].runner);
    dispatch_free(dispatch);
}
