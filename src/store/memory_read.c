/*
 * The store in memory: reading. Rows are copied under the lock and handed on without it.
 */

#include "store/memory_store.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static int no_memory(struct error *error)
{
    return error_set(error, ENOMEM, "out of memory");
}

struct delivery *memory_copy_head(const struct delivery *delivery)
{
    struct delivery head = *delivery;

    head.body = NULL;
    return delivery_new(&head);
}

/* Copies the first kept delivery above *after, whose seq becomes *after. 1: there was one. */
static int next_delivery(
    struct memory_store *store, uint64_t *after, struct delivery **ret_delivery)
{
    int r = 0;

    pthread_mutex_lock(&store->lock);
    for (uint64_t seq = *after + 1; seq <= store->head; seq++) {
        if (!memory_slot(store, seq)->delivery)
            continue;
        *ret_delivery = memory_copy_head(memory_slot(store, seq)->delivery);
        *after = seq;
        r = *ret_delivery ? 1 : -ENOMEM;
        break;
    }
    pthread_mutex_unlock(&store->lock);
    return r;
}

static ssize_t memory_scan(struct store_reader *reader, uint64_t after, size_t limit,
    store_delivery_fn fn, void *context, struct error *error)
{
    struct memory_store *store = memory_reader_store(reader);
    size_t passed = 0;

    while (passed < limit) {
        CLEANUP(delivery_free) struct delivery *delivery = NULL;
        int r = next_delivery(store, &after, &delivery);

        if (r < 0)
            return no_memory(error);
        if (r == 0)
            break;
        passed++;
        if (fn(delivery, context) != 0)
            break;
    }
    return (ssize_t)passed;
}

static int memory_fetch(
    struct store_reader *reader, uint64_t seq, struct delivery **ret_delivery, struct error *error)
{
    struct memory_store *store = memory_reader_store(reader);
    struct delivery *copy = NULL;
    bool is_there;

    pthread_mutex_lock(&store->lock);
    is_there = seq >= 1 && seq <= store->head && memory_slot(store, seq)->delivery;
    if (is_there)
        copy = delivery_new(memory_slot(store, seq)->delivery);
    pthread_mutex_unlock(&store->lock);
    if (!is_there)
        return error_set(error, ENOENT, "delivery %" PRIu64 " is not there", seq);
    if (!copy)
        return no_memory(error);
    *ret_delivery = copy;
    return 0;
}

/* As next_delivery, over the sink's rows in `state`. */
static int next_row(struct memory_store *store, uint32_t sink, enum store_state state,
    uint64_t *after, struct store_row *ret_row, struct delivery **ret_delivery)
{
    int r = 0;

    pthread_mutex_lock(&store->lock);
    for (uint64_t seq = *after + 1; r == 0 && seq <= store->head; seq++) {
        struct memory_slot *slot = memory_slot(store, seq);
        const struct memory_row *row = *memory_find_row(slot, sink);

        if (!row || row->state != state)
            continue;
        *ret_delivery = memory_copy_head(slot->delivery);
        *ret_row = (struct store_row){
            .delivery = *ret_delivery,
            .state = state,
            .attempts = row->attempts,
            .next_at_usec = row->next_at_usec,
            .replay = row->replay,
        };
        *after = seq;
        r = *ret_delivery ? 1 : -ENOMEM;
    }
    pthread_mutex_unlock(&store->lock);
    return r;
}

static ssize_t memory_scan_rows(struct store_reader *reader, uint32_t sink, enum store_state state,
    uint64_t after, size_t limit, store_row_fn fn, void *context, struct error *error)
{
    struct memory_store *store = memory_reader_store(reader);
    size_t passed = 0;

    while (passed < limit) {
        CLEANUP(delivery_free) struct delivery *delivery = NULL;
        struct store_row row;
        int r = next_row(store, sink, state, &after, &row, &delivery);

        if (r < 0)
            return no_memory(error);
        if (r == 0)
            break;
        passed++;
        if (fn(&row, context) != 0)
            break;
    }
    return (ssize_t)passed;
}

static int memory_read_sink(
    struct store_reader *reader, uint32_t sink, struct store_sink *ret_sink, struct error *error)
{
    struct memory_store *store = memory_reader_store(reader);
    bool is_there;

    pthread_mutex_lock(&store->lock);
    is_there = sink >= 1 && sink <= store->n_sinks;
    if (is_there)
        *ret_sink = store->sinks[sink - 1].sink;
    pthread_mutex_unlock(&store->lock);
    if (!is_there)
        return error_set(error, ENOENT, "sink %" PRIu32 " was never registered", sink);
    return 0;
}

static int memory_read_head(struct store_reader *reader, uint64_t *ret_head, struct error *error)
{
    struct memory_store *store = memory_reader_store(reader);

    pthread_mutex_lock(&store->lock);
    *ret_head = store->head;
    pthread_mutex_unlock(&store->lock);
    return 0;
}

/* Attempts and evidence are only ever taken away by pruning, from the front; a walk goes by
 * position and hands on copies. */

static int copy_attempt_at(struct memory_store *store, uint64_t seq, size_t index,
    uint32_t *ret_sink, struct store_attempt *ret_attempt, char **ret_text)
{
    const struct memory_attempt *attempt = NULL;
    size_t result_size;
    char *text = NULL;
    int r = 0;

    pthread_mutex_lock(&store->lock);
    if (seq >= 1 && seq <= store->head)
        attempt = memory_slot(store, seq)->attempts;
    for (; attempt && index > 0; index--)
        attempt = attempt->next;
    if (attempt) {
        const struct store_attempt *from = &attempt->attempt;

        result_size = strlen(from->result) + 1;
        text = malloc(result_size + from->output_length);
        r = text ? 1 : -ENOMEM;
    }
    if (r == 1) {
        memcpy(text, attempt->text, result_size + attempt->attempt.output_length);
        *ret_sink = attempt->sink;
        *ret_attempt = attempt->attempt;
        ret_attempt->result = text;
        ret_attempt->output = attempt->attempt.output ? text + result_size : NULL;
        *ret_text = text;
    }
    pthread_mutex_unlock(&store->lock);
    return r;
}

static ssize_t memory_scan_attempts(struct store_reader *reader, uint64_t seq, store_attempt_fn fn,
    void *context, struct error *error)
{
    struct memory_store *store = memory_reader_store(reader);
    ssize_t passed = 0;

    for (;;) {
        CLEANUP(free) char *text = NULL;
        struct store_attempt attempt;
        uint32_t sink;
        int r = copy_attempt_at(store, seq, (size_t)passed, &sink, &attempt, &text);

        if (r < 0)
            return no_memory(error);
        if (r == 0)
            return passed;
        passed++;
        if (fn(sink, &attempt, context) != 0)
            return passed;
    }
}

static int copy_conflict_at(
    struct memory_store *store, uint64_t seq, size_t index, struct delivery **ret_evidence)
{
    const struct memory_conflict *conflict;
    int r = 0;

    pthread_mutex_lock(&store->lock);
    for (conflict = store->conflicts; conflict; conflict = conflict->next) {
        if (conflict->seq != seq || index-- > 0)
            continue;
        *ret_evidence = delivery_new(conflict->evidence);
        r = *ret_evidence ? 1 : -ENOMEM;
        break;
    }
    pthread_mutex_unlock(&store->lock);
    return r;
}

static ssize_t memory_scan_conflicts(struct store_reader *reader, uint64_t seq,
    store_conflict_fn fn, void *context, struct error *error)
{
    struct memory_store *store = memory_reader_store(reader);
    ssize_t passed = 0;

    for (;;) {
        CLEANUP(delivery_free) struct delivery *evidence = NULL;
        struct store_conflict conflict;
        int r = copy_conflict_at(store, seq, (size_t)passed, &evidence);

        if (r < 0)
            return no_memory(error);
        if (r == 0)
            return passed;
        conflict = (struct store_conflict){
            .seq = seq,
            .received_at_usec = evidence->received_at_usec,
            .secret = evidence->secret,
            .body = evidence->body ? evidence->body : (const unsigned char *)"",
            .body_length = evidence->body_length > STORE_CONFLICT_BODY_MAX ? STORE_CONFLICT_BODY_MAX
                                                                           : evidence->body_length,
            .full_length = evidence->body_length,
        };
        passed++;
        if (fn(&conflict, context) != 0)
            return passed;
    }
}

static void memory_reader_close(struct store_reader *reader)
{
    free(reader);
}

static const struct store_reader_ops memory_reader_ops = {
    .close = memory_reader_close,
    .scan = memory_scan,
    .fetch = memory_fetch,
    .scan_rows = memory_scan_rows,
    .read_sink = memory_read_sink,
    .read_head = memory_read_head,
    .scan_attempts = memory_scan_attempts,
    .scan_conflicts = memory_scan_conflicts,
    .find = memory_find,
    .read_sink_row = memory_read_sink_row,
    .read_oldest_pending = memory_read_oldest_pending,
    .read_stats = memory_read_stats,
};

int memory_reader_open(struct store *store, struct store_reader **ret_reader, struct error *error)
{
    struct memory_reader *reader = calloc(1, sizeof(*reader));

    if (!reader)
        return no_memory(error);
    reader->base.ops = &memory_reader_ops;
    reader->store = memory_store(store);
    *ret_reader = &reader->base;
    return 0;
}
