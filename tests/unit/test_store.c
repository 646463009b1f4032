/*
 * The contract of the store, the same for every backend: appends, dedup, staleness, evidence,
 * sinks, reading. Pruning is in test_store_prune.c, the random walk against a model in
 * test_store_model.c, what only SQLite promises in test_store_sqlite.c.
 */

#include "store_rig.h"

#include <signal.h>

static struct rig_seqs seqs;

/* ---- appends ---- */

START_TEST(test_append_keeps_everything)
{
    static const unsigned char body[] = "{\"a\":\"b\"}\0\xff\x80 raw";
    struct delivery delivery = rig_delivery_of("id-1", "job-1", 123456, true, "{}");
    CLEANUP(delivery_free) struct delivery *got = NULL;
    struct store_append append;

    rig_start((enum rig_backend)_i);
    delivery.body = body;
    delivery.body_length = sizeof(body);
    delivery.received_at_usec = 987654321;
    RIG_OK(rig_append(&delivery, &append));
    ck_assert_int_eq(append.verdict, STORE_VERDICT_STORED);
    ck_assert_uint_eq(append.seq, 1);
    ck_assert(!append.stale);

    ck_assert_int_eq(store_fetch(rig.reader, 1, &got, &rig.error), 0);
    ck_assert_uint_eq(got->seq, 1);
    ck_assert_int_eq(got->received_at_usec, 987654321);
    ck_assert_int_eq(got->updated_at_usec, 123456);
    ck_assert(got->terminal);
    ck_assert(!got->stale);
    ck_assert_mem_eq(&got->id_digest, &delivery.id_digest, DIGEST_SIZE);
    ck_assert_mem_eq(&got->body_digest, &delivery.body_digest, DIGEST_SIZE);
    ck_assert_str_eq(got->endpoint, "main");
    ck_assert_str_eq(got->request_id, "id-1");
    ck_assert_str_eq(got->secret, "current");
    ck_assert_str_eq(got->job_id, "job-1");
    ck_assert_str_eq(got->type, "embed-signature");
    ck_assert_str_eq(got->status, "completed");
    ck_assert_uint_eq(got->body_length, sizeof(body));
    ck_assert_mem_eq(got->body, body, sizeof(body));
    rig_stop();
}
END_TEST

static int on_head_only(const struct delivery *delivery, void *context)
{
    ck_assert_ptr_null(delivery->body);
    ck_assert_uint_eq(delivery->body_length, 2);
    ck_assert_str_eq(delivery->job_id, delivery->request_id);
    return rig_note_seq(context, delivery->seq);
}

START_TEST(test_scan_is_in_order_and_bounded)
{
    rig_start((enum rig_backend)_i);
    rig_append_many(200);

    ck_assert_int_eq(store_scan(rig.reader, 0, 1000, on_head_only, &seqs, &rig.error), 200);
    for (size_t i = 0; i < 200; i++)
        ck_assert_uint_eq(seqs.seqs[i], i + 1);
    ck_assert_int_eq(store_scan(rig.reader, 190, 5, on_head_only, &seqs, &rig.error), 5);
    ck_assert_uint_eq(seqs.seqs[200], 191);
    ck_assert_int_eq(store_scan(rig.reader, 0, 0, on_head_only, &seqs, &rig.error), 0);
    ck_assert_int_eq(store_scan(rig.reader, 200, 5, on_head_only, &seqs, &rig.error), 0);

    seqs = (struct rig_seqs){.stop_at = 70};
    ck_assert_int_eq(store_scan(rig.reader, 0, 1000, on_head_only, &seqs, &rig.error), 70);
    rig_stop();
}
END_TEST

static int on_delivery_read_more(const struct delivery *delivery, void *context)
{
    CLEANUP(delivery_free) struct delivery *whole = NULL;

    ck_assert_int_eq(store_fetch(rig.reader, delivery->seq, &whole, &rig.error), 0);
    if (delivery->seq < 10)
        rig_append_new();
    return rig_note_seq(context, delivery->seq);
}

START_TEST(test_a_callback_may_use_the_reader_and_the_store_may_commit)
{
    rig_start((enum rig_backend)_i);
    rig_append_many(80);
    ck_assert_int_eq(store_scan(rig.reader, 0, 80, on_delivery_read_more, &seqs, &rig.error), 80);
    ck_assert_uint_eq(rig_count_deliveries(), 89);
    rig_stop();
}
END_TEST

START_TEST(test_copies_in_one_batch_and_later)
{
    const struct delivery first = rig_delivery_of("id-1", "job", 0, false, "{\"a\":1}");
    const struct delivery other = rig_delivery_of("id-1", "job", 0, false, "{\"a\":2}");
    const struct delivery second = rig_delivery_of("id-2", "job", 0, false, "{\"a\":1}");
    const struct {
        const struct delivery *delivery;
        enum store_verdict verdict;
        uint64_t seq;
    } rows[] = {
        {&first, STORE_VERDICT_STORED, 1},
        {&first, STORE_VERDICT_DUPLICATE, 1},
        {&other, STORE_VERDICT_CONFLICT, 1},
        {&second, STORE_VERDICT_STORED, 2},
        {&second, STORE_VERDICT_DUPLICATE, 2},
        {&first, STORE_VERDICT_DUPLICATE, 1},
    };
    struct store_append appends[ARRAY_SIZE(rows)], *pointers[ARRAY_SIZE(rows)];
    struct store_batch batch = {.appends = pointers, .n_appends = ARRAY_SIZE(rows)};

    rig_start((enum rig_backend)_i);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        appends[i] = (struct store_append){.delivery = rows[i].delivery};
        pointers[i] = &appends[i];
    }
    RIG_OK(rig_commit(&batch));
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        ck_assert_int_eq(appends[i].verdict, rows[i].verdict);
        ck_assert_uint_eq(appends[i].seq, rows[i].seq);
    }
    /* The same batch again: nothing of it is new, and the next seq follows without a gap. */
    RIG_OK(rig_commit(&batch));
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        ck_assert_int_eq(appends[i].verdict,
            rows[i].delivery == &other ? STORE_VERDICT_CONFLICT : STORE_VERDICT_DUPLICATE);
    ck_assert_uint_eq(rig_append_new(), 3);
    rig_stop();
}
END_TEST

/* ---- staleness ---- */

static const struct stale_row {
    const char *name;
    struct {
        const char *job, *endpoint;
        int64_t updated_at;
        bool terminal, want_stale;
    } arrivals[4];
} stale_rows[] = {
    {"in order", {{"j", "e", 1, false, false}, {"j", "e", 2, true, false}}},
    {"late", {{"j", "e", 2, false, false}, {"j", "e", 1, false, true}}},
    {"late, though final", {{"j", "e", 2, false, false}, {"j", "e", 1, true, true}}},
    {"tie, not final after final", {{"j", "e", 2, true, false}, {"j", "e", 2, false, true}}},
    {"tie, final after not final", {{"j", "e", 2, false, false}, {"j", "e", 2, true, false}}},
    {"tie, both final", {{"j", "e", 2, true, false}, {"j", "e", 2, true, false}}},
    {"tie, none final", {{"j", "e", 2, false, false}, {"j", "e", 2, false, false}}},
    {"newest counts, not last", {{"j", "e", 5, false, false}, {"j", "e", 3, false, true},
                                    {"j", "e", 4, false, true}, {"j", "e", 6, false, false}}},
    {"a final one stays final after a late one",
        {{"j", "e", 5, true, false}, {"j", "e", 3, false, true}, {"j", "e", 5, false, true}}},
    {"another job", {{"j", "e", 2, false, false}, {"k", "e", 1, false, false}}},
    {"another endpoint", {{"j", "e", 2, false, false}, {"j", "f", 1, false, false}}},
};

START_TEST(test_stale)
{
    const struct stale_row *row = &stale_rows[(size_t)_i / RIG_N_BACKENDS];

    rig_start((enum rig_backend)((size_t)_i % RIG_N_BACKENDS));
    for (size_t i = 0; i < ARRAY_SIZE(row->arrivals) && row->arrivals[i].job; i++) {
        CLEANUP(delivery_free) struct delivery *got = NULL;
        struct store_append append;
        struct delivery delivery;
        char id[16];

        snprintf(id, sizeof(id), "id-%zu", i);
        delivery = rig_delivery_of(
            id, row->arrivals[i].job, row->arrivals[i].updated_at, row->arrivals[i].terminal, "{}");
        delivery.endpoint = row->arrivals[i].endpoint;
        RIG_OK(rig_append(&delivery, &append));
        ck_assert_msg(append.stale == row->arrivals[i].want_stale, "%s, %zu", row->name, i);
        ck_assert_int_eq(store_fetch(rig.reader, append.seq, &got, &rig.error), 0);
        ck_assert(got->stale == append.stale);
    }
    rig_stop();
}
END_TEST

/* The store in memory finds jobs by 32 bits of a hash, the other one by 128. Of so many jobs some
 * share the 32; each is older than the one before it, and none is stale by another's time. */
START_TEST(test_jobs_that_hash_alike_make_none_stale)
{
    enum { N = 200000, N_BATCH = 1000 };
    static struct delivery deliveries[N_BATCH];
    static struct store_append appends[N_BATCH], *pointers[N_BATCH];
    static char ids[N_BATCH][16];
    struct store_batch batch = {.appends = pointers, .n_appends = N_BATCH};

    rig_start(RIG_MEMORY);
    for (int from = 0; from < N; from += N_BATCH) {
        for (int i = 0; i < N_BATCH; i++) {
            snprintf(ids[i], sizeof(ids[i]), "job-%d", from + i);
            deliveries[i] = rig_delivery_of(ids[i], ids[i], N - from - i, false, "{}");
            appends[i] = (struct store_append){.delivery = &deliveries[i]};
            pointers[i] = &appends[i];
        }
        RIG_OK(rig_commit(&batch));
        for (int i = 0; i < N_BATCH; i++)
            ck_assert(appends[i].verdict == STORE_VERDICT_STORED && !appends[i].stale);
    }
    rig_stop();
}
END_TEST

START_TEST(test_stale_within_a_batch)
{
    const struct delivery newer = rig_delivery_of("id-1", "job", 2, false, "{}");
    const struct delivery older = rig_delivery_of("id-2", "job", 1, false, "{}");
    struct store_append a = {.delivery = &newer}, b = {.delivery = &older};
    struct store_append *appends[] = {&a, &b};
    struct store_batch batch = {.appends = appends, .n_appends = 2};

    rig_start((enum rig_backend)_i);
    RIG_OK(rig_commit(&batch));
    ck_assert(!a.stale);
    ck_assert(b.stale);
    rig_stop();
}
END_TEST

/* ---- evidence ---- */

static struct store_conflict conflicts[64];
static size_t n_conflicts;

static int on_conflict(const struct store_conflict *conflict, void *context)
{
    conflicts[n_conflicts] = *conflict;
    conflicts[n_conflicts++].body = NULL; /* borrowed for this call only */
    if (context)
        ck_assert_mem_eq(conflict->body, context, conflict->body_length);
    return 0;
}

static enum store_verdict send_conflict(const char *id, const char *body)
{
    struct delivery delivery = rig_delivery_of(id, "job", 0, false, body);
    struct store_append append;

    RIG_OK(rig_append(&delivery, &append));
    return append.verdict;
}

START_TEST(test_each_conflicting_body_is_kept_once)
{
    char body[32];

    rig_start((enum rig_backend)_i);
    ck_assert_int_eq(send_conflict("id", "{}"), STORE_VERDICT_STORED);
    for (int round = 0; round < 2; round++)
        ck_assert_int_eq(send_conflict("id", "{\"b\":1}"), STORE_VERDICT_CONFLICT);
    ck_assert_int_eq(
        store_scan_conflicts(rig.reader, 1, on_conflict, (void *)"{\"b\":1}", &rig.error), 1);
    ck_assert_uint_eq(conflicts[0].seq, 1);
    ck_assert_int_eq(conflicts[0].received_at_usec, rig.realtime);
    ck_assert_uint_eq(conflicts[0].body_length, 7);
    ck_assert_uint_eq(conflicts[0].full_length, 7);

    /* No more than so many for one id, whatever comes. */
    for (int i = 0; i < 3 * STORE_CONFLICTS_PER_DELIVERY; i++) {
        snprintf(body, sizeof(body), "{\"c\":%d}", i);
        ck_assert_int_eq(send_conflict("id", body), STORE_VERDICT_CONFLICT);
    }
    n_conflicts = 0;
    ck_assert_int_eq(store_scan_conflicts(rig.reader, 1, on_conflict, NULL, &rig.error),
        STORE_CONFLICTS_PER_DELIVERY);
    /* The first body is still the one that counts. */
    ck_assert_int_eq(send_conflict("id", "{}"), STORE_VERDICT_DUPLICATE);
    rig_stop();
}
END_TEST

static int on_empty_conflict(const struct store_conflict *conflict, void *context)
{
    ck_assert_ptr_nonnull(conflict->body); /* NULL: it is damaged */
    ck_assert_uint_eq(conflict->body_length, 0);
    ck_assert_uint_eq(conflict->full_length, 0);
    ++*(int *)context;
    return 0;
}

START_TEST(test_an_empty_conflicting_body)
{
    struct delivery delivery = rig_delivery("id");
    struct store_append append;
    int n = 0;

    rig_start((enum rig_backend)_i);
    RIG_OK(rig_append(&delivery, &append));
    delivery.body_digest = rig_digest("", 0);
    delivery.body = NULL;
    delivery.body_length = 0;
    RIG_OK(rig_append(&delivery, &append));
    ck_assert_int_eq(append.verdict, STORE_VERDICT_CONFLICT);
    ck_assert_int_eq(store_scan_conflicts(rig.reader, 1, on_empty_conflict, &n, &rig.error), 1);
    ck_assert_int_eq(n, 1);
    rig_stop();
}
END_TEST

START_TEST(test_conflicts_are_bounded_in_all)
{
    char id[32];

    rig_start((enum rig_backend)_i);
    rig_append_many(STORE_CONFLICTS_MAX + 10);
    for (int i = 0; i < STORE_CONFLICTS_MAX + 10; i++) {
        snprintf(id, sizeof(id), "many-%d", i);
        ck_assert_int_eq(send_conflict(id, "{\"b\":1}"), STORE_VERDICT_CONFLICT);
    }
    ck_assert_int_eq(store_scan_conflicts(rig.reader, 10, on_conflict, NULL, &rig.error), 0);
    ck_assert_int_eq(store_scan_conflicts(rig.reader, 11, on_conflict, NULL, &rig.error), 1);
    rig_stop();
}
END_TEST

START_TEST(test_a_large_conflicting_body_is_cut)
{
    size_t length = STORE_CONFLICT_BODY_MAX + 5;
    CLEANUP(free) unsigned char *body = malloc(length);
    struct delivery delivery = rig_delivery_of("id", "job", 0, false, "{x");
    struct store_append append;

    memset(body, 'x', length);
    rig_start((enum rig_backend)_i);
    ck_assert_int_eq(send_conflict("id", "{}"), STORE_VERDICT_STORED);
    delivery.body = body;
    delivery.body_length = length;
    RIG_OK(rig_append(&delivery, &append));
    ck_assert_int_eq(append.verdict, STORE_VERDICT_CONFLICT);
    ck_assert_int_eq(store_scan_conflicts(rig.reader, 1, on_conflict, body, &rig.error), 1);
    ck_assert_uint_eq(conflicts[0].body_length, STORE_CONFLICT_BODY_MAX);
    ck_assert_uint_eq(conflicts[0].full_length, length);
    rig_stop();
}
END_TEST

/* ---- sinks ---- */

START_TEST(test_a_new_sink_starts_at_the_head)
{
    struct store_sink first, second, again;

    rig_start((enum rig_backend)_i);
    rig_append_many(3);
    first = rig_register("first");
    ck_assert_uint_eq(first.start, 3);
    ck_assert_uint_eq(first.frontier, 3);
    ck_assert_uint_ge(first.id, 1);
    rig_append_many(2);
    second = rig_register("second");
    ck_assert_uint_eq(second.start, 5);
    ck_assert_uint_ne(second.id, first.id);

    rig_deliver_to(&first, 4);
    again = rig_register("first");
    ck_assert_uint_eq(again.id, first.id);
    ck_assert_uint_eq(again.start, 3);
    ck_assert_uint_eq(again.frontier, 4);
    ck_assert_uint_eq(again.delivered, 1);
    rig_stop();
}
END_TEST

START_TEST(test_rows_come_and_go)
{
    struct store_outcome outcomes[] = {
        {.seq = 2, .state = STORE_STATE_PENDING, .attempts = 3, .next_at_usec = 77},
        {.seq = 3, .state = STORE_STATE_DEAD, .attempts = 9},
        {.seq = 4, .state = STORE_STATE_PENDING, .replay = true},
    };
    struct store_settle settle = {.frontier = 5, .delivered = 1, .filtered = 1};
    struct store_sink sink;

    rig_start((enum rig_backend)_i);
    sink = rig_register("sink");
    rig_append_many(6);
    settle.sink = sink.id;
    settle.outcomes = outcomes;
    settle.n_outcomes = ARRAY_SIZE(outcomes);
    settle.position = "mark";
    settle.position_length = 4;
    RIG_OK(rig_settle(&settle));

    sink = rig_read_sink(sink.id);
    ck_assert_uint_eq(sink.frontier, 5);
    ck_assert_uint_eq(sink.delivered, 1);
    ck_assert_uint_eq(sink.filtered, 1);
    ck_assert_uint_eq(sink.dead, 1);
    ck_assert_uint_eq(sink.pending_rows, 2);
    ck_assert_uint_eq(sink.requeued, 0);
    ck_assert_uint_eq(sink.position_length, 4);
    ck_assert_mem_eq(sink.position, "mark", 4);

    /* A pending row ends, a dead one is tried again: no frontier, no position. */
    rig_outcome(sink.id, 0, 1, 2, STORE_STATE_DONE);
    rig_outcome(sink.id, 0, 0, 3, STORE_STATE_PENDING);
    sink = rig_read_sink(sink.id);
    ck_assert_uint_eq(sink.frontier, 5);
    ck_assert_uint_eq(sink.delivered, 2);
    ck_assert_uint_eq(sink.dead, 0);
    ck_assert_uint_eq(sink.pending_rows, 2);
    ck_assert_uint_eq(sink.requeued, 0);
    ck_assert_uint_eq(sink.position_length, 4);
    rig_stop();
}
END_TEST

static struct store_row want_row;

static int on_row_as_wanted(const struct store_row *row, void *context)
{
    ck_assert_int_eq(row->state, want_row.state);
    ck_assert_uint_eq(row->attempts, want_row.attempts);
    ck_assert_int_eq(row->next_at_usec, want_row.next_at_usec);
    ck_assert(row->replay == want_row.replay);
    ck_assert_ptr_null(row->delivery->body);
    ck_assert_str_eq(row->delivery->endpoint, "main");
    return rig_note_seq(context, row->delivery->seq);
}

START_TEST(test_scan_rows)
{
    struct store_outcome outcomes[150];
    struct store_settle settle = {.frontier = 150, .outcomes = outcomes, .n_outcomes = 150};
    struct store_sink sink, other;

    rig_start((enum rig_backend)_i);
    sink = rig_register("sink");
    other = rig_register("other");
    rig_append_many(150);
    for (size_t i = 0; i < 150; i++)
        outcomes[i] = (struct store_outcome){
            .seq = i + 1,
            .state = i % 3 == 0 ? STORE_STATE_DEAD : STORE_STATE_PENDING,
            .attempts = 4,
            .next_at_usec = 99,
            .replay = true,
        };
    settle.sink = sink.id;
    RIG_OK(rig_settle(&settle));

    want_row = (struct store_row){NULL, STORE_STATE_PENDING, 4, 99, true};
    ck_assert_int_eq(store_scan_rows(rig.reader, sink.id, STORE_STATE_PENDING, 0, 1000,
                         on_row_as_wanted, &seqs, &rig.error),
        100);
    for (size_t i = 0; i < 100; i++)
        ck_assert_uint_eq(seqs.seqs[i], i / 2 * 3 + i % 2 + 2);
    want_row = (struct store_row){NULL, STORE_STATE_DEAD, 4, 0, true};
    ck_assert_int_eq(store_scan_rows(rig.reader, sink.id, STORE_STATE_DEAD, 4, 2, on_row_as_wanted,
                         &seqs, &rig.error),
        2);
    ck_assert_uint_eq(seqs.seqs[100], 7);
    ck_assert_uint_eq(seqs.seqs[101], 10);
    ck_assert_int_eq(store_scan_rows(rig.reader, other.id, STORE_STATE_DEAD, 0, 10,
                         on_row_as_wanted, &seqs, &rig.error),
        0);
    rig_stop();
}
END_TEST

/* Settled ones, and ones from before the sink was there, can be asked for again; no sum breaks. */
START_TEST(test_asking_again_for_what_is_settled)
{
    struct store_sink sink;

    rig_start((enum rig_backend)_i);
    rig_append_many(3);
    sink = rig_register("sink");
    rig_append_many(3);
    rig_deliver_to(&sink, 6);

    rig_outcome(sink.id, 0, 0, 5, STORE_STATE_PENDING);
    rig_outcome(sink.id, 0, 0, 2, STORE_STATE_PENDING);
    sink = rig_read_sink(sink.id);
    ck_assert_uint_eq(sink.requeued, 2);
    ck_assert_uint_eq(sink.pending_rows, 2);
    ck_assert_uint_eq(sink.delivered, 3);
    rig_outcome(sink.id, 0, 1, 5, STORE_STATE_DONE);
    rig_outcome(sink.id, 0, 0, 2, STORE_STATE_DEAD);
    sink = rig_read_sink(sink.id);
    ck_assert_uint_eq(sink.requeued, 2);
    ck_assert_uint_eq(sink.delivered, 4);
    ck_assert_uint_eq(sink.dead, 1);
    rig_stop();
}
END_TEST

START_TEST(test_dropping_dead_ones)
{
    struct store_outcome outcome = {.seq = 2, .state = STORE_STATE_DONE};
    struct store_settle settle = {.dropped = 1, .outcomes = &outcome, .n_outcomes = 1};
    struct store_sink sink;

    rig_start((enum rig_backend)_i);
    sink = rig_register("sink");
    rig_append_many(3);
    rig_outcome(sink.id, 3, 2, 2, STORE_STATE_DEAD);
    settle.sink = sink.id;
    RIG_OK(rig_settle(&settle));
    sink = rig_read_sink(sink.id); /* checks the sum */
    ck_assert_uint_eq(sink.dropped, 1);
    ck_assert_uint_eq(sink.dead, 0);
    ck_assert_uint_eq(sink.delivered, 2);
    ck_assert_uint_eq(sink.filtered, 0);
    /* It is settled like any other. */
    rig_outcome(sink.id, 0, 0, 2, STORE_STATE_PENDING);
    ck_assert_uint_eq(rig_read_sink(sink.id).requeued, 1);
    rig_stop();
}
END_TEST

START_TEST(test_paused_sinks)
{
    struct store_sink first, second;

    rig_start((enum rig_backend)_i);
    first = rig_register("first");
    second = rig_register("second");
    ck_assert(!first.paused);
    RIG_OK(store_set_paused(rig.store, second.id, true, &rig.error));
    ck_assert(!rig_read_sink(first.id).paused);
    ck_assert(rig_read_sink(second.id).paused);
    ck_assert(rig_register("second").paused);
    rig_append_many(2);
    rig_deliver_to(&second, 2);
    ck_assert(rig_read_sink(second.id).paused);
    RIG_OK(store_set_paused(rig.store, second.id, false, &rig.error));
    ck_assert(!rig_read_sink(second.id).paused);
    rig_stop();
}
END_TEST

START_TEST(test_outcomes_that_change_nothing)
{
    struct store_sink sink;

    rig_start((enum rig_backend)_i);
    sink = rig_register("sink");
    rig_append_many(4);
    rig_outcome(sink.id, 2, 2, 2, STORE_STATE_DONE);     /* fresh and done: needs no row */
    rig_outcome(sink.id, 0, 0, 4, STORE_STATE_PENDING);  /* above the frontier: pending anyway */
    rig_outcome(sink.id, 0, 0, 99, STORE_STATE_PENDING); /* not there */
    rig_outcome(sink.id, 0, 0, 0, STORE_STATE_PENDING);
    rig_outcome(sink.id, 0, 0, 1, STORE_STATE_DONE); /* settled long ago */
    sink = rig_read_sink(sink.id);
    ck_assert_uint_eq(sink.pending_rows, 0);
    ck_assert_uint_eq(sink.requeued, 0);
    ck_assert_uint_eq(sink.delivered, 2);
    rig_stop();
}
END_TEST

START_TEST(test_appends_and_settles_in_one_batch)
{
    const struct delivery delivery = rig_delivery("id");
    struct store_append append = {.delivery = &delivery};
    struct store_append *appends[] = {&append};
    struct store_settle settle = {.frontier = 2, .delivered = 2};
    const struct store_settle *settles[] = {&settle};
    struct store_batch batch = {appends, 1, settles, 1};

    rig_start((enum rig_backend)_i);
    settle.sink = rig_register("sink").id;
    rig_append_many(2);
    RIG_OK(rig_commit(&batch));
    ck_assert_uint_eq(append.seq, 3);
    ck_assert_uint_eq(rig_read_sink(settle.sink).frontier, 2);

    batch = (struct store_batch){NULL};
    RIG_OK(rig_commit(&batch));
    rig_stop();
}
END_TEST

/* ---- attempts ---- */

static char attempts_text[8192];

static int on_attempt(uint32_t sink, const struct store_attempt *attempt, void *context)
{
    size_t length = strlen(attempts_text);

    snprintf(attempts_text + length, sizeof(attempts_text) - length, "%u/%u/%lld/%lld/%s/%.*s;",
        sink, attempt->number, (long long)attempt->started_at_usec,
        (long long)attempt->duration_usec, attempt->result, (int)attempt->output_length,
        attempt->output ? (const char *)attempt->output : "");
    return context != NULL;
}

START_TEST(test_attempts_in_order)
{
    const struct store_attempt first = {10, 2, 1, "exit 75", "no\0net", 6};
    const struct store_attempt second = {20, 3, 2, "ok", NULL, 0};
    struct store_outcome outcome = {
        .seq = 1, .state = STORE_STATE_PENDING, .attempts = 1, .attempt = &first};
    struct store_settle settle = {.frontier = 1, .outcomes = &outcome, .n_outcomes = 1};
    struct store_sink sink, other;
    char want[128];

    rig_start((enum rig_backend)_i);
    sink = rig_register("sink");
    other = rig_register("other");
    rig_append_many(1);
    settle.sink = sink.id;
    RIG_OK(rig_settle(&settle));
    settle.sink = other.id;
    settle.delivered = 1;
    outcome = (struct store_outcome){.seq = 1, .state = STORE_STATE_DONE, .attempt = &second};
    RIG_OK(rig_settle(&settle));
    settle.sink = sink.id;
    settle.frontier = 0;
    RIG_OK(rig_settle(&settle));

    ck_assert_int_eq(store_scan_attempts(rig.reader, 1, on_attempt, NULL, &rig.error), 3);
    snprintf(want, sizeof(want), "%u/1/10/2/exit 75/no;%u/2/20/3/ok/;%u/2/20/3/ok/;", sink.id,
        other.id, sink.id);
    ck_assert_str_eq(attempts_text, want);
    ck_assert_int_eq(store_scan_attempts(rig.reader, 1, on_attempt, &rig, &rig.error), 1);
    ck_assert_int_eq(store_scan_attempts(rig.reader, 2, on_attempt, NULL, &rig.error), 0);
    rig_stop();
}
END_TEST

static int on_last_attempt(uint32_t sink, const struct store_attempt *attempt, void *context)
{
    *(struct store_attempt *)context = *attempt;
    if (attempt->number == 3 * STORE_ATTEMPTS_PER_DELIVERY)
        ck_assert_int_eq(((const char *)attempt->output)[0], 'b');
    return 0;
}

START_TEST(test_attempts_are_bounded)
{
    CLEANUP(free) char *output = malloc(STORE_OUTPUT_MAX + 100);
    struct store_attempt attempt = {.result = "exit 1", .output = output};
    struct store_outcome outcome = {.seq = 1, .state = STORE_STATE_PENDING, .attempt = &attempt};
    struct store_settle settle = {.frontier = 1, .outcomes = &outcome, .n_outcomes = 1};
    struct store_attempt last;

    memset(output, 'a', 100);
    memset(output + 100, 'b', STORE_OUTPUT_MAX);
    rig_start((enum rig_backend)_i);
    settle.sink = rig_register("sink").id;
    rig_append_many(1);
    for (unsigned int i = 1; i <= 3 * STORE_ATTEMPTS_PER_DELIVERY; i++) {
        attempt.number = i;
        attempt.output_length = i < 3 * STORE_ATTEMPTS_PER_DELIVERY ? 10 : STORE_OUTPUT_MAX + 100;
        RIG_OK(rig_settle(&settle));
        ck_assert_int_eq(store_scan_attempts(rig.reader, 1, on_last_attempt, &last, &rig.error),
            i < STORE_ATTEMPTS_PER_DELIVERY ? i : STORE_ATTEMPTS_PER_DELIVERY);
    }
    ck_assert_int_eq(store_scan_attempts(rig.reader, 1, on_last_attempt, &last, &rig.error),
        STORE_ATTEMPTS_PER_DELIVERY);
    ck_assert_uint_eq(last.number, 3 * STORE_ATTEMPTS_PER_DELIVERY);
    ck_assert_uint_eq(last.output_length, STORE_OUTPUT_MAX);
    rig_stop();
}
END_TEST

/* ---- limits and errors ---- */

START_TEST(test_one_body_too_big_is_refused_alone)
{
    size_t length = STORE_BODY_MAX + 1;
    CLEANUP(free) unsigned char *body = calloc(1, length);
    struct delivery before = rig_delivery("a"), big = rig_delivery("b"), after = rig_delivery("c");
    struct store_append appends[] = {
        {.delivery = &before}, {.delivery = &big}, {.delivery = &after}};
    struct store_append *pointers[] = {&appends[0], &appends[1], &appends[2]};
    struct store_batch batch = {.appends = pointers, .n_appends = 3};

    rig_start((enum rig_backend)_i);
    big.body = body;
    big.body_length = length;
    RIG_OK(rig_commit(&batch));
    ck_assert_int_eq(appends[0].verdict, STORE_VERDICT_STORED);
    ck_assert_int_eq(appends[1].verdict, STORE_VERDICT_REFUSED);
    ck_assert_int_eq(appends[2].verdict, STORE_VERDICT_STORED);
    ck_assert_uint_eq(appends[2].seq, 2);
    ck_assert_str_eq(rig.error.text, "a body of 33554433 bytes is more than the store keeps");
    rig_stop();
}
END_TEST

START_TEST(test_bodies_from_empty_to_large)
{
    static const size_t lengths[] = {0, 1, 7, 8, 9, 4000, 4096, 5000, 262144, 2000000};
    CLEANUP(free) unsigned char *body = malloc(2000000);

    for (size_t i = 0; i < 2000000; i++)
        body[i] = (unsigned char)(i * 7 + i / 251);
    rig_start((enum rig_backend)_i);
    for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
        CLEANUP(delivery_free) struct delivery *got = NULL;
        struct delivery delivery;
        struct store_append append;
        char id[16];

        snprintf(id, sizeof(id), "id-%zu", i);
        delivery = rig_delivery(id);
        delivery.body = lengths[i] > 0 ? body : NULL;
        delivery.body_length = lengths[i];
        RIG_OK(rig_append(&delivery, &append));
        ck_assert_int_eq(store_fetch(rig.reader, append.seq, &got, &rig.error), 0);
        ck_assert_uint_eq(got->body_length, lengths[i]);
        if (lengths[i] > 0)
            ck_assert_mem_eq(got->body, body, lengths[i]);
    }
    rig_stop();
}
END_TEST

START_TEST(test_what_is_not_there)
{
    struct delivery *delivery = NULL;
    struct store_sink sink;
    uint64_t head = 9;

    rig_start((enum rig_backend)_i);
    ck_assert_int_eq(store_read_head(rig.reader, &head, &rig.error), 0);
    ck_assert_uint_eq(head, 0);
    ck_assert_int_eq(store_fetch(rig.reader, 1, &delivery, &rig.error), -ENOENT);
    ck_assert_str_eq(rig.error.text, "delivery 1 is not there");
    ck_assert_int_eq(store_fetch(rig.reader, 0, &delivery, &rig.error), -ENOENT);
    ck_assert_ptr_null(delivery);
    ck_assert_int_eq(store_read_sink(rig.reader, 1, &sink, &rig.error), -ENOENT);
    ck_assert_str_eq(rig.error.text, "sink 1 was never registered");
    ck_assert_int_eq(store_read_sink(rig.reader, 0, &sink, &rig.error), -ENOENT);
    ck_assert_str_eq(rig.error.text, "sink 0 was never registered");
    rig_stop();
}
END_TEST

START_TEST(test_stats)
{
    struct store_stats stats;

    rig_start((enum rig_backend)_i);
    rig_append_many(5);
    store_get_stats(rig.store, &stats);
    ck_assert_uint_eq(stats.head, 5);
    ck_assert_uint_eq(stats.deliveries, 5);
    ck_assert_uint_eq(stats.ids, 5);
    ck_assert(!stats.failed);
    ck_assert(!stats.below_floor);
    ck_assert(!store_has_failed(rig.store));
    rig_stop();
    store_close(NULL);
    store_reader_close(NULL);
}
END_TEST

/* A settle that does not add up would lose a delivery without a trace. In memory nothing but a
 * mistake of ours can be the cause; a damaged disk is in test_store_damage.c. */
static const struct store_settle wrong_settles[] = {
    {.sink = 1, .frontier = 2, .delivered = 1},                /* one of two is unaccounted for */
    {.sink = 1, .frontier = 2, .delivered = 2, .filtered = 1}, /* one too many */
    {.sink = 1, .frontier = 4, .delivered = 4},                /* above the head */
    {.sink = 1, .delivered = 1},                               /* out of nothing */
    {.sink = 1, .frontier = 1, .delivered = 2, .filtered = -1},
    {.sink = 1, .frontier = 1, .delivered = 2, .dropped = -1},
    {.sink = 1, .dropped = 1},                  /* nothing was dead */
    {.sink = 2, .frontier = 1, .delivered = 1}, /* never registered */
};

START_TEST(test_a_wrong_settle_aborts)
{
    rig_start(RIG_MEMORY);
    rig_register("sink");
    rig_append_many(3);
    ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
    nftw(rig.folder, rig_remove, 16, FTW_DEPTH | FTW_PHYS);
    rig_settle(&wrong_settles[_i]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store");
    TCase *core = tcase_create("core"), *limits = tcase_create("limits"),
          *errors = tcase_create("errors");
    SRunner *runner;
    int n_failed;

    tcase_set_timeout(limits, 60);
    tcase_add_loop_test(core, test_append_keeps_everything, 0, RIG_N_BACKENDS);
    tcase_add_loop_test(core, test_scan_is_in_order_and_bounded, 0, RIG_N_BACKENDS);
    tcase_add_loop_test(
        core, test_a_callback_may_use_the_reader_and_the_store_may_commit, 0, RIG_N_BACKENDS);
    tcase_add_loop_test(core, test_copies_in_one_batch_and_later, 0, RIG_N_BACKENDS);
    tcase_add_loop_test(core, test_stale, 0, (int)(ARRAY_SIZE(stale_rows) * RIG_N_BACKENDS));
    tcase_add_loop_test(core, test_stale_within_a_batch, 0, RIG_N_BACKENDS);
    tcase_add_loop_test(core, test_each_conflicting_body_is_kept_once, 0, RIG_N_BACKENDS);
    tcase_add_loop_test(core, test_a_new_sink_starts_at_the_head, 0, RIG_N_BACKENDS);
    tcase_add_loop_test(core, test_rows_come_and_go, 0, RIG_N_BACKENDS);
    tcase_add_loop_test(core, test_scan_rows, 0, RIG_N_BACKENDS);
    tcase_add_loop_test(core, test_asking_again_for_what_is_settled, 0, RIG_N_BACKENDS);
    tcase_add_loop_test(core, test_dropping_dead_ones, 0, RIG_N_BACKENDS);
    tcase_add_loop_test(core, test_paused_sinks, 0, RIG_N_BACKENDS);
    tcase_add_loop_test(core, test_outcomes_that_change_nothing, 0, RIG_N_BACKENDS);
    tcase_add_loop_test(core, test_appends_and_settles_in_one_batch, 0, RIG_N_BACKENDS);
    tcase_add_loop_test(core, test_attempts_in_order, 0, RIG_N_BACKENDS);
    tcase_add_loop_test(core, test_stats, 0, RIG_N_BACKENDS);
    tcase_add_test(limits, test_jobs_that_hash_alike_make_none_stale);
    tcase_add_loop_test(limits, test_an_empty_conflicting_body, 0, RIG_N_BACKENDS);
    tcase_add_loop_test(limits, test_conflicts_are_bounded_in_all, 0, RIG_N_BACKENDS);
    tcase_add_loop_test(limits, test_a_large_conflicting_body_is_cut, 0, RIG_N_BACKENDS);
    tcase_add_loop_test(limits, test_attempts_are_bounded, 0, RIG_N_BACKENDS);
    tcase_add_loop_test(limits, test_one_body_too_big_is_refused_alone, 0, RIG_N_BACKENDS);
    tcase_add_loop_test(limits, test_bodies_from_empty_to_large, 0, RIG_N_BACKENDS);
    tcase_add_loop_test(errors, test_what_is_not_there, 0, RIG_N_BACKENDS);
    tcase_add_loop_test_raise_signal(
        errors, test_a_wrong_settle_aborts, SIGABRT, 0, (int)ARRAY_SIZE(wrong_settles));
    suite_add_tcase(suite, core);
    suite_add_tcase(suite, limits);
    suite_add_tcase(suite, errors);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
