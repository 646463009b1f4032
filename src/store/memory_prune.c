/*
 * The store in memory: pruning, by the same rules as sqlite_prune.c, over arrays.
 */

#include "store/memory_store.h"

#include <errno.h>

/* Deliveries deleted in one step. */
#define PRUNE_STEP 500

void memory_clear_slot(struct memory_slot *slot)
{
    while (slot->rows) {
        struct memory_row *row = slot->rows;
        slot->rows = row->next;
        free(row);
    }
    while (slot->attempts) {
        struct memory_attempt *attempt = slot->attempts;
        slot->attempts = attempt->next;
        free(attempt);
    }
    slot->n_attempts = 0;
    delivery_free(TAKE(slot->delivery));
}

static uint64_t settled_by_all(const struct memory_store *store)
{
    uint64_t settled = store->head;

    for (size_t i = 0; i < store->n_sinks; i++)
        if (store->sinks[i].active && store->sinks[i].sink.frontier < settled)
            settled = store->sinks[i].sink.frontier;
    return settled;
}

static int set_mark(struct memory_store *store, int64_t now, uint64_t settled)
{
    struct memory_mark mark = {now, store->head, settled};
    struct memory_mark *marks;

    if (store->n_marks > 0) {
        const struct memory_mark *last = &store->marks[store->n_marks - 1];
        int64_t age = now - last->at_usec;

        if ((age < USEC_PER_HOUR && age > -USEC_PER_HOUR) ||
            (last->head == mark.head && last->settled == settled))
            return 0;
    }
    marks = realloc(store->marks, (store->n_marks + 1) * sizeof(*marks));
    if (!marks)
        return -ENOMEM;
    store->marks = marks;
    store->marks[store->n_marks++] = mark;
    return 0;
}

static struct memory_mark find_mark(const struct memory_store *store, int64_t now, int64_t keep)
{
    for (size_t i = store->n_marks; keep != USEC_INFINITY && i > 0; i--)
        if (store->marks[i - 1].at_usec <= now - keep)
            return store->marks[i - 1];
    return (struct memory_mark){0};
}

static bool is_held(const struct memory_store *store, struct memory_slot *slot, int64_t cutoff)
{
    for (const struct memory_row *row = slot->rows; row; row = row->next) {
        switch (row->state) {
        case STORE_STATE_DEAD:
            return true;
        case STORE_STATE_PENDING:
            if (store->sinks[row->sink - 1].active || row->next_at_usec > cutoff)
                return true;
            break;
        case STORE_STATE_DONE:
            if (row->settled_at_usec > cutoff)
                return true;
            break;
        }
    }
    return false;
}

static void drop_pending_rows(struct memory_store *store, const struct memory_slot *slot)
{
    for (const struct memory_row *row = slot->rows; row; row = row->next) {
        if (row->state != STORE_STATE_PENDING)
            continue;
        store->sinks[row->sink - 1].sink.pending_rows--;
        store->sinks[row->sink - 1].sink.dropped++;
    }
}

static void skip_inactive(struct memory_store *store)
{
    for (size_t i = 0; i < store->n_sinks; i++) {
        struct store_sink *sink = &store->sinks[i].sink;

        if (store->sinks[i].active || sink->frontier >= store->pruned_through)
            continue;
        sink->dropped += store->pruned_through - sink->frontier;
        sink->frontier = store->pruned_through;
    }
}

static void prune_deliveries(
    struct memory_store *store, uint64_t through, int64_t cutoff, bool *ret_more)
{
    size_t n = 0;

    if (through < store->pruned_through)
        through = store->pruned_through;
    for (uint64_t seq = 1; seq <= through; seq++) {
        struct memory_slot *slot = memory_slot(store, seq);

        if (n == PRUNE_STEP) {
            *ret_more = true;
            break;
        }
        if (seq > store->pruned_through)
            store->pruned_through = seq;
        if (!slot->delivery || is_held(store, slot, cutoff))
            continue;
        drop_pending_rows(store, slot);
        memory_clear_slot(slot);
        n++;
    }
    store->pruned_deliveries += n;
    skip_inactive(store);
}

static void expire_conflicts(struct memory_store *store, int64_t cutoff)
{
    struct memory_conflict **place = &store->conflicts;

    while (*place) {
        struct memory_conflict *conflict = *place;

        if (conflict->evidence->received_at_usec > cutoff) {
            place = &conflict->next;
            continue;
        }
        *place = conflict->next;
        delivery_free(conflict->evidence);
        free(conflict);
        store->n_conflicts--;
    }
}

enum store_result memory_prune(struct store *base, const struct store_retention *retention,
    bool *ret_more, struct error *error)
{
    struct memory_store *store = memory_store(base);
    struct memory_mark mark;
    uint64_t settled;
    int64_t now;
    int r = 0;

    *ret_more = false;
    if (!store->active_known || !rule_may_prune(&store->time, store->clock, error) ||
        store->head == 0)
        return STORE_OK;

    now = store->time.real_usec;
    pthread_mutex_lock(&store->lock);
    settled = settled_by_all(store);
    if (rule_retention_is_finite(retention))
        r = set_mark(store, now, settled);
    if (r == 0 && retention->keep_deliveries_usec != USEC_INFINITY) {
        int64_t cutoff = now - retention->keep_deliveries_usec;

        mark = find_mark(store, now, retention->keep_deliveries_usec);
        prune_deliveries(store, mark.settled < settled ? mark.settled : settled, cutoff, ret_more);
        expire_conflicts(store, cutoff);
    }
    mark = find_mark(store, now, rule_keep_ids(retention));
    if (r == 0 && mark.head > 0)
        memory_forget_ids(store, mark.head);
    pthread_mutex_unlock(&store->lock);

    if (r < 0)
        error_set(error, ENOMEM, "out of memory");
    return r < 0 ? STORE_UNAVAILABLE : STORE_OK;
}
