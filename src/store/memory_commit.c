/*
 * The store in memory: committing a batch.
 *
 * All or nothing here means: everything that could be needed is allocated before the first change,
 * one spare part for each append, outcome and attempt. What is not used is freed at the end.
 */

#include "store/memory_store.h"

#include <errno.h>
#include <string.h>

struct spares {
    struct delivery **deliveries;     /* one for each append */
    struct memory_row *rows;          /* a list, one for each outcome */
    struct memory_attempt **attempts; /* in the order of the outcomes; NULL where there is none */
    size_t n_deliveries, n_attempts;
};

static void spares_done(struct spares *spares)
{
    for (size_t i = 0; spares->deliveries && i < spares->n_deliveries; i++)
        delivery_free(spares->deliveries[i]);
    for (size_t i = 0; spares->attempts && i < spares->n_attempts; i++)
        free(spares->attempts[i]);
    while (spares->rows) {
        struct memory_row *row = spares->rows;
        spares->rows = row->next;
        free(row);
    }
    free(spares->deliveries);
    free(spares->attempts);
}

static struct memory_attempt *copy_attempt(uint32_t sink, const struct store_attempt *from)
{
    size_t length = from->output ? from->output_length : 0;
    size_t cut = length > STORE_OUTPUT_MAX ? length - STORE_OUTPUT_MAX : 0;
    size_t result_size = strlen(from->result) + 1;
    struct memory_attempt *copy = malloc(sizeof(*copy) + result_size + length - cut);

    if (!copy)
        return NULL;
    *copy = (struct memory_attempt){.sink = sink, .attempt = *from};
    memcpy(copy->text, from->result, result_size);
    if (length > 0)
        memcpy(copy->text + result_size, (const char *)from->output + cut, length - cut);
    copy->attempt.result = copy->text;
    copy->attempt.output = length > 0 ? copy->text + result_size : NULL;
    copy->attempt.output_length = length - cut;
    return copy;
}

static int make_spare_outcome(
    struct spares *spares, size_t i, uint32_t sink, const struct store_outcome *outcome)
{
    struct memory_row *row = calloc(1, sizeof(*row));

    if (!row)
        return -ENOMEM;
    row->next = spares->rows;
    spares->rows = row;
    if (outcome->attempt) {
        spares->attempts[i] = copy_attempt(sink, outcome->attempt);
        if (!spares->attempts[i])
            return -ENOMEM;
    }
    return 0;
}

static int make_spares(const struct store_batch *batch, struct spares *spares)
{
    size_t i = 0;

    spares->n_deliveries = batch->n_appends;
    for (size_t s = 0; s < batch->n_settles; s++)
        spares->n_attempts += batch->settles[s]->n_outcomes;
    spares->deliveries = calloc(spares->n_deliveries + 1, sizeof(*spares->deliveries));
    spares->attempts = calloc(spares->n_attempts + 1, sizeof(*spares->attempts));
    if (!spares->deliveries || !spares->attempts)
        return -ENOMEM;

    for (size_t a = 0; a < batch->n_appends; a++) {
        if (batch->appends[a]->delivery->body_length > STORE_BODY_MAX)
            continue;
        spares->deliveries[a] = delivery_new(batch->appends[a]->delivery);
        if (!spares->deliveries[a])
            return -ENOMEM;
    }
    for (size_t s = 0; s < batch->n_settles; s++) {
        const struct store_settle *settle = batch->settles[s];
        for (size_t o = 0; o < settle->n_outcomes; o++, i++)
            if (make_spare_outcome(spares, i, settle->sink, &settle->outcomes[o]) < 0)
                return -ENOMEM;
    }
    return 0;
}

/* ---- appends ---- */

static bool is_same_job(const struct delivery *a, const struct delivery *b)
{
    return strcmp(a->job_id, b->job_id) == 0 && strcmp(a->endpoint, b->endpoint) == 0;
}

static bool judge_stale(struct memory_store *store, const struct delivery *delivery)
{
    uint64_t seq = memory_find_job(store, delivery);

    for (; seq != 0; seq = memory_slot(store, seq)->previous) {
        const struct delivery *other = memory_slot(store, seq)->delivery;
        if (other && is_same_job(other, delivery) &&
            rule_is_stale(other->updated_at_usec, other->terminal, delivery))
            return true;
    }
    return false;
}

static void keep_conflict(struct memory_store *store, uint64_t seq, struct delivery **spare)
{
    struct memory_conflict **end = &store->conflicts;
    struct memory_conflict *conflict;
    size_t n = 0;

    for (; *end; end = &(*end)->next) {
        if ((*end)->seq != seq)
            continue;
        n++;
        if (memcmp(&(*end)->evidence->body_digest, &(*spare)->body_digest, sizeof(struct digest)) ==
            0)
            return;
    }
    /* Evidence that there is no memory for is not worth a refusal. */
    if (n >= STORE_CONFLICTS_PER_DELIVERY || !(conflict = calloc(1, sizeof(*conflict))))
        return;
    *conflict = (struct memory_conflict){.seq = seq, .evidence = TAKE(*spare)};
    *end = conflict;
    if (++store->n_conflicts > STORE_CONFLICTS_MAX) {
        conflict = store->conflicts;
        store->conflicts = conflict->next;
        store->n_conflicts--;
        delivery_free(conflict->evidence);
        free(conflict);
    }
}

static void append_one(
    struct memory_store *store, struct store_append *append, struct delivery **spare)
{
    const struct memory_id *seen = memory_find_id(store, &append->delivery->id_digest);
    struct memory_slot *slot;

    if (seen) {
        bool is_same =
            memcmp(&seen->body_digest, &append->delivery->body_digest, sizeof(struct digest)) == 0;

        append->seq = seen->seq;
        append->verdict = is_same ? STORE_VERDICT_DUPLICATE : STORE_VERDICT_CONFLICT;
        if (!is_same)
            keep_conflict(store, seen->seq, spare);
        return;
    }
    append->stale = judge_stale(store, append->delivery);
    append->seq = ++store->head;
    append->verdict = STORE_VERDICT_STORED;

    slot = memory_slot(store, append->seq);
    *slot = (struct memory_slot){.previous = memory_find_job(store, append->delivery)};
    slot->delivery = TAKE(*spare);
    slot->delivery->seq = append->seq;
    slot->delivery->stale = append->stale;
    memory_put_id(store, append->delivery, append->seq);
    memory_put_job(store, append->delivery, append->seq);
}

/* ---- settles ---- */

struct memory_row **memory_find_row(struct memory_slot *slot, uint32_t sink)
{
    struct memory_row **row = &slot->rows;

    while (*row && (*row)->sink != sink)
        row = &(*row)->next;
    return row;
}

static enum rule_row rule_row(const struct memory_row *row)
{
    if (!row)
        return RULE_ROW_NONE;
    switch (row->state) {
    case STORE_STATE_PENDING:
        return RULE_ROW_PENDING;
    case STORE_STATE_DONE:
        return RULE_ROW_DONE;
    case STORE_STATE_DEAD:
        return RULE_ROW_DEAD;
    }
    ASSERT(!"a state that is none");
}

static void count_row(struct store_sink *sink, enum store_state state, int64_t by)
{
    if (state == STORE_STATE_PENDING)
        sink->pending_rows += (uint64_t)by;
    if (state == STORE_STATE_DEAD)
        sink->dead += (uint64_t)by;
}

static void write_row(struct store_sink *sink, struct memory_row **place,
    const struct store_outcome *outcome, struct spares *spares)
{
    struct memory_row *row = *place;
    bool is_pending = outcome->state == STORE_STATE_PENDING;

    if (row) {
        count_row(sink, row->state, -1);
    } else {
        row = spares->rows;
        spares->rows = row->next;
        row->next = NULL;
        row->sink = sink->id;
        *place = row;
    }
    row->state = outcome->state;
    row->attempts = outcome->attempts;
    row->next_at_usec = is_pending ? outcome->next_at_usec : 0;
    row->replay = outcome->replay;
    count_row(sink, row->state, 1);
}

/* See sqlite_settle.c for what a DONE row is kept for. */
static void close_row(
    struct memory_store *store, struct store_sink *sink, uint64_t seq, struct memory_row **place)
{
    struct memory_row *row = *place;
    uint64_t marked = store->n_marks > 0 ? store->marks[store->n_marks - 1].settled : 0;

    count_row(sink, row->state, -1);
    if (seq <= marked) {
        row->state = STORE_STATE_DONE;
        row->settled_at_usec = clock_realtime(store->clock);
    } else {
        *place = row->next;
        free(row);
    }
}

static void record_attempt(struct memory_slot *slot, struct memory_attempt *attempt)
{
    struct memory_attempt **end = &slot->attempts;

    while (*end)
        end = &(*end)->next;
    *end = attempt;
    if (++slot->n_attempts > STORE_ATTEMPTS_PER_DELIVERY) {
        attempt = slot->attempts;
        slot->attempts = attempt->next;
        slot->n_attempts--;
        free(attempt);
    }
}

static void apply_outcome(struct memory_store *store, struct store_sink *sink,
    struct rule_tally *tally, const struct store_outcome *outcome, struct spares *spares,
    struct memory_attempt **attempt)
{
    struct memory_slot *slot;
    struct memory_row **place;

    if (outcome->seq == 0 || outcome->seq > store->head ||
        !memory_slot(store, outcome->seq)->delivery)
        return;
    slot = memory_slot(store, outcome->seq);
    place = memory_find_row(slot, sink->id);
    switch (rule_settle_outcome(tally, rule_row(*place), outcome)) {
    case RULE_CHANGE_NOTHING:
        break;
    case RULE_CHANGE_WRITE:
        write_row(sink, place, outcome, spares);
        break;
    case RULE_CHANGE_CLOSE:
        close_row(store, sink, outcome->seq, place);
        break;
    }
    if (*attempt)
        record_attempt(slot, TAKE(*attempt));
}

static void apply_settle(struct memory_store *store, const struct store_settle *settle,
    struct spares *spares, struct memory_attempt **attempts)
{
    struct store_sink *sink;
    struct rule_tally tally;

    ASSERT(settle->sink >= 1 && settle->sink <= store->n_sinks);
    sink = &store->sinks[settle->sink - 1].sink;
    tally = (struct rule_tally){
        .old_frontier = sink->frontier,
        .new_frontier = settle->frontier == 0 ? sink->frontier : settle->frontier,
    };
    ASSERT(tally.new_frontier >= sink->frontier && tally.new_frontier <= store->head);

    for (size_t i = 0; i < settle->n_outcomes; i++)
        apply_outcome(store, sink, &tally, &settle->outcomes[i], spares, &attempts[i]);
    ASSERT(rule_settle_adds_up(&tally, settle));

    sink->frontier = tally.new_frontier;
    sink->requeued += tally.requeued;
    sink->delivered += (uint64_t)settle->delivered;
    sink->filtered += (uint64_t)settle->filtered;
    sink->dropped += (uint64_t)settle->dropped;
    if (settle->position) {
        memcpy(sink->position, settle->position, settle->position_length);
        sink->position_length = settle->position_length;
    }
}

enum store_result memory_commit(struct store *base, struct store_batch *batch, struct error *error)
{
    struct memory_store *store = memory_store(base);
    __attribute__((cleanup(spares_done))) struct spares spares = {NULL};
    struct memory_attempt **attempts;
    int r = make_spares(batch, &spares);

    pthread_mutex_lock(&store->lock);
    if (r == 0)
        r = memory_reserve(store, batch->n_appends);
    if (r < 0) {
        pthread_mutex_unlock(&store->lock);
        error_set(error, ENOMEM, "out of memory");
        return STORE_UNAVAILABLE;
    }
    for (size_t i = 0; i < batch->n_appends; i++) {
        struct store_append *append = batch->appends[i];

        append->verdict = STORE_VERDICT_REFUSED;
        if (spares.deliveries[i])
            append_one(store, append, &spares.deliveries[i]);
        else
            error_set(error, EFBIG, "a body of %zu bytes is more than the store keeps",
                append->delivery->body_length);
    }
    attempts = spares.attempts;
    for (size_t i = 0; i < batch->n_settles; i++) {
        apply_settle(store, batch->settles[i], &spares, attempts);
        attempts += batch->settles[i]->n_outcomes;
    }
    pthread_mutex_unlock(&store->lock);
    return STORE_OK;
}
