/*
 * All numbers at one moment; see overview.h.
 */

#include "admin/overview.h"

#include "admin/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

bool overview_is_unrouted(enum reason reason)
{
    return reason == REASON_FRAMING || reason == REASON_PATH || reason == REASON_OVERLOAD ||
           reason == REASON_INTERNAL;
}

bool overview_is_routed(enum reason reason)
{
    return reason != REASON_FRAMING && reason != REASON_PATH;
}

/* ---- readiness ---- */

static void add_reason(struct readiness *readiness, const char *text)
{
    ASSERT(readiness->n_reasons < READINESS_REASONS_MAX);
    (void)snprintf(readiness->reasons[readiness->n_reasons++], sizeof(readiness->reasons[0]),
        "%.*s", (int)sizeof(readiness->reasons[0]) - 1, text);
}

struct readiness readiness_judge(const struct readiness_facts *facts)
{
    struct readiness readiness = {.n_reasons = 0};
    char text[320];

    if (facts->is_draining)
        add_reason(&readiness, "draining: the daemon is stopping");
    if (facts->store_error) {
        (void)snprintf(text, sizeof(text), "the store cannot be read: %s", facts->store_error);
        add_reason(&readiness, text);
    } else if (facts->store->failed) {
        add_reason(&readiness, "the store has failed: what it wrote could not be synced");
    } else if (facts->store->disk_full) {
        (void)snprintf(text, sizeof(text),
            "the store's disk was full: %" PRIu64 " bytes are free, too few to go on",
            facts->store->disk_free);
        add_reason(&readiness, text);
    } else if (facts->store->below_floor) {
        (void)snprintf(text, sizeof(text),
            "the store's disk is below store.disk_floor: %" PRIu64 " bytes are free",
            facts->store->disk_free);
        add_reason(&readiness, text);
    }
    if (facts->unavailable_for_usec < READINESS_UNAVAILABLE_USEC) {
        (void)snprintf(text, sizeof(text),
            "the store could not take what came %" PRIi64 " s ago; see the log",
            facts->unavailable_for_usec / USEC_PER_SEC);
        add_reason(&readiness, text);
    }
    return readiness;
}

struct readiness overview_judge(
    const struct admin *admin, const struct store_stats *store, const char *store_error)
{
    const int64_t unavailable_at = atomic_load_explicit(
        &store_writer_stats(admin->options.writer)->unavailable_at_usec, memory_order_relaxed);
    const struct readiness_facts facts = {
        .is_draining = atomic_load(&admin->draining),
        .store_error = store ? NULL : store_error,
        .store = store,
        .unavailable_for_usec = unavailable_at == 0
                                    ? USEC_INFINITY
                                    : clock_monotonic(admin->options.clock) - unavailable_at,
    };

    return readiness_judge(&facts);
}

/* ---- intake ---- */

static uint64_t get(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static int take_intake(struct admin *admin, struct overview *overview)
{
    const struct intake *intake = admin->options.intake;
    const struct intake_stats *stats = intake_stats(intake);
    const size_t room = intake_get_endpoints(intake, NULL, 0);
    struct view *view;

    overview->endpoints = calloc(room + 1, sizeof(*overview->endpoints));
    if (!overview->endpoints)
        return -ENOMEM;
    overview->n_endpoints = intake_get_endpoints(intake, overview->endpoints, room);
    if (overview->n_endpoints > room) /* a reload came between */
        overview->n_endpoints = room;

    for (int reason = 0; reason < REASON_COUNT; reason++) {
        uint64_t routed = 0;

        for (size_t i = 0; i < overview->n_endpoints; i++)
            routed += overview->endpoints[i].reasons[reason];
        overview->outcomes[reason] = get(&stats->reasons[reason]);
        if (overview_is_unrouted((enum reason)reason) && overview->outcomes[reason] > routed)
            overview->unrouted[reason] = overview->outcomes[reason] - routed;
    }
    overview->open_connections = get(&stats->open_connections);
    overview->accepted_connections = get(&stats->accepted_connections);
    overview->refused_connections = get(&stats->refused_connections);
    for (int cut = 0; cut < INTAKE_CUT_COUNT; cut++)
        overview->cuts[cut] = get(&stats->cuts[cut]);
    view = admin_view(admin);
    overview->max_connections = view->what.max_connections;
    view_unref(view);
    intake_get_latency(intake, &overview->latency);
    return 0;
}

/* ---- store ---- */

static void take_writer(const struct store_writer *writer, struct overview_writer *overview)
{
    const struct store_writer_stats *stats = store_writer_stats(writer);

    for (size_t i = 0; i < STORE_COMMIT_BUCKETS; i++)
        overview->commit_buckets[i] = get(&stats->commit_buckets[i]);
    for (size_t i = 0; i < STORE_BATCH_BUCKETS; i++)
        overview->batch_buckets[i] = get(&stats->batch_buckets[i]);
    overview->commits = get(&stats->commits);
    overview->appended = get(&stats->appended);
    overview->commit_usec = get(&stats->commit_usec);
    overview->unavailable = get(&stats->unavailable);
    overview->works = get(&stats->works);
}

void overview_add_up(struct overview_sink *sink, uint64_t head)
{
    const struct store_sink *store = &sink->store;
    const uint64_t waiting = head - store->frontier + store->pending_rows;

    /* What runs may be done and settled already when the store is read. */
    sink->running = sink->stats.running < waiting ? sink->stats.running : waiting;
    sink->pending = waiting - sink->running;
    sink->accepted = store->delivered + store->dead + waiting;
}

static int take_sinks(struct admin *admin, struct store_reader *reader, struct overview *overview,
    struct error *error)
{
    struct dispatch *dispatch = admin->options.dispatch;
    const size_t room = dispatch_get_stats(dispatch, NULL, 0);
    CLEANUP(free) struct dispatch_sink_stats *stats = calloc(room + 1, sizeof(*stats));
    uint64_t head;
    size_t n;
    int r;

    overview->sinks = calloc(room + 1, sizeof(*overview->sinks));
    if (!overview->sinks || !stats)
        return -ENOMEM;
    n = dispatch_get_stats(dispatch, stats, room);
    for (size_t i = 0; i < n && i < room; i++) {
        struct overview_sink *sink = &overview->sinks[i];

        sink->stats = stats[i];
        r = store_read_sink(reader, stats[i].id, &sink->store, error);
        if (r < 0)
            return r;
        r = store_read_oldest_pending(reader, stats[i].id, &sink->oldest_pending_at_usec, error);
        if (r < 0 && r != -ENOENT)
            return r;
        overview->n_sinks = i + 1;
    }
    r = store_read_head(reader, &head, error);
    if (r < 0)
        return r;
    for (size_t i = 0; i < overview->n_sinks; i++)
        overview_add_up(&overview->sinks[i], head);
    return 0;
}

int overview_take(struct admin *admin, struct store_reader *reader, struct overview *overview)
{
    struct error *error = &overview->store_error;
    int r;

    *overview = (struct overview)OVERVIEW_INIT;
    overview->now_usec = clock_realtime(admin->options.clock);
    overview->started_at_usec = admin->started_at_usec;
    overview->conf_since_usec = atomic_load(&admin->conf_since_usec);
    overview->reload_has_failed = atomic_load(&admin->reload_has_failed);
    if (take_intake(admin, overview) < 0)
        return -ENOMEM;
    take_writer(admin->options.writer, &overview->writer);
    r = store_read_stats(reader, &overview->store, error);
    if (r == 0)
        r = take_sinks(admin, reader, overview, error);
    if (r == -ENOMEM)
        return r;
    overview->store_is_readable = r == 0;
    if (r < 0)
        overview->n_sinks = 0;
    overview->readiness =
        overview_judge(admin, overview->store_is_readable ? &overview->store : NULL, error->text);
    return 0;
}

void overview_done(struct overview *overview)
{
    free(overview->endpoints);
    free(overview->sinks);
    *overview = (struct overview)OVERVIEW_INIT;
}
