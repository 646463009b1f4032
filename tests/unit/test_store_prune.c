/*
 * Pruning, the same for every backend: what goes, when, and above all what stays.
 */

#include "store/sqlite_store.h"
#include "store_rig.h"

#define KEEP (30 * USEC_PER_DAY)

static const struct store_retention keep_30d = {KEEP, USEC_INFINITY};

/* Prunes until there is no more to do; returns the number of steps. */
static size_t prune(const struct store_retention *retention)
{
    size_t steps = 0;
    bool more = true;

    while (more) {
        more = false;
        RIG_OK(store_prune(rig.store, retention, &more, &rig.error));
        ck_assert_uint_lt(++steps, 1000);
    }
    return steps;
}

static struct store_stats stats(void)
{
    struct store_stats stats;

    store_get_stats(rig.store, &stats);
    ck_assert_uint_eq(stats.deliveries, rig_count_deliveries());
    return stats;
}

/* Lets the time pass in which everything settled by now must stay, and its last minute too. */
static void pass_retention(void)
{
    rig_advance(USEC_PER_HOUR);
    prune(&keep_30d); /* takes the mark that dates what is settled by now */
    rig_advance(KEEP - USEC_PER_MIN);
    prune(&keep_30d);
}

START_TEST(test_kept_until_their_time_is_over)
{
    struct store_sink sink;

    rig_start((enum rig_backend)_i);
    sink = rig_register("sink");
    rig_set_active(&sink);
    rig_append_many(10);
    prune(&keep_30d); /* a mark before they were settled dates none of them */
    rig_deliver_to(&sink, 7);
    pass_retention();
    ck_assert_uint_eq(stats().deliveries, 10);
    rig_advance(2 * USEC_PER_MIN);
    prune(&keep_30d);
    ck_assert_uint_eq(stats().deliveries, 3); /* 8 to 10 are not settled, however old */
    ck_assert(!rig_has(7));
    ck_assert(rig_has(8));
    ck_assert_uint_eq(stats().head, 10);
    ck_assert_uint_eq(stats().ids, 10);
    rig_read_sink(sink.id);
    rig_stop();
}
END_TEST

START_TEST(test_everything_may_go_and_seqs_go_on)
{
    struct store_append append;
    const struct delivery delivery = rig_delivery("id");

    rig_start((enum rig_backend)_i);
    rig_set_active(NULL);
    RIG_OK(rig_append(&delivery, &append));
    rig_append_many(4);
    pass_retention();
    rig_advance(2 * USEC_PER_MIN);
    prune(&keep_30d);
    ck_assert_uint_eq(stats().deliveries, 0);
    if (rig.backend == RIG_SQLITE) {
        rig_close();
        rig_open();
        ck_assert_uint_eq(stats().ids, 5);
    }
    /* The id outlives the body, and its seq is never given twice. */
    RIG_OK(rig_append(&delivery, &append));
    ck_assert_int_eq(append.verdict, STORE_VERDICT_DUPLICATE);
    ck_assert_uint_eq(append.seq, 1);
    ck_assert_uint_eq(rig_append_new(), 6);
    rig_stop();
}
END_TEST

/* How often the file says it, be it in a row or where one was. */
static size_t count_in_file(const char *text)
{
    const size_t length = strlen(text);
    FILE *file = fopen(rig.path, "re");
    struct stat status;
    size_t n = 0;
    char *all;

    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fstat(fileno(file), &status), 0);
    all = malloc((size_t)status.st_size);
    ck_assert_ptr_nonnull(all);
    ck_assert_uint_eq(fread(all, 1, (size_t)status.st_size, file), (size_t)status.st_size);
    (void)fclose(file);
    for (const char *at = all, *end = all + status.st_size;
         (at = memmem(at, (size_t)(end - at), text, length)) != NULL; at += length)
        n++;
    free(all);
    return n;
}

START_TEST(test_bodies_are_gone_from_the_file)
{
    char body[2000];
    struct store_append append;
    char id[16];

    rig_start(RIG_SQLITE);
    rig_set_active(NULL);
    memset(body, 'x', sizeof(body));
    memcpy(body + 1000, "MARK", 4);
    for (int i = 0; i < 200; i++) {
        struct delivery delivery;

        snprintf(id, sizeof(id), "id-%d", i);
        delivery = rig_delivery(id);
        delivery.body = (const unsigned char *)body;
        delivery.body_length = sizeof(body);
        RIG_OK(rig_append(&delivery, &append));
    }
    rig_close();
    ck_assert_uint_ge(count_in_file("MARK"), 200);
    rig_open();
    rig_set_active(NULL);
    pass_retention();
    rig_advance(2 * USEC_PER_MIN);
    prune(&keep_30d);
    ck_assert_uint_eq(stats().deliveries, 0);
    rig_close();
    ck_assert_uint_eq(count_in_file("MARK"), 0);
    rig_open();
    rig_stop();
}
END_TEST

/* What goes without pruning: of a delivery's attempts the newest are kept. */
START_TEST(test_outputs_are_gone_from_the_file)
{
    char output[9000];
    struct store_attempt attempt = {
        .result = "exit 1", .output = output, .output_length = sizeof(output)};
    struct store_outcome outcome = {.seq = 1, .state = STORE_STATE_PENDING, .attempt = &attempt};
    struct store_settle settle = {.frontier = 1, .outcomes = &outcome, .n_outcomes = 1};

    rig_start(RIG_SQLITE);
    settle.sink = rig_register("sink").id;
    rig_append_many(1);
    memset(output, 'x', sizeof(output));
    for (unsigned int i = 1; i <= STORE_ATTEMPTS_PER_DELIVERY + 1; i++) {
        snprintf(output + 5000, sizeof(output) - 5000, "MARK-%03u", i);
        attempt.number = i;
        RIG_OK(rig_settle(&settle));
    }
    rig_close();
    ck_assert_uint_eq(count_in_file("MARK-001"), 0);
    ck_assert_uint_eq(count_in_file("MARK-002"), 1);
    rig_open();
    rig_stop();
}
END_TEST

START_TEST(test_nothing_before_the_sinks_are_named)
{
    rig_start((enum rig_backend)_i);
    rig_append_many(3);
    pass_retention();
    rig_advance(KEEP);
    prune(&keep_30d);
    ck_assert_uint_eq(stats().deliveries, 3);
    rig_stop();
}
END_TEST

START_TEST(test_for_ever)
{
    static const struct store_retention forever = {USEC_INFINITY, USEC_INFINITY};

    rig_start((enum rig_backend)_i);
    rig_set_active(NULL);
    rig_append_many(3);
    for (int i = 0; i < 10; i++) {
        rig_advance(10 * KEEP);
        prune(&forever);
    }
    ck_assert_uint_eq(stats().deliveries, 3);
    rig_stop();
}
END_TEST

START_TEST(test_what_a_row_holds_stays)
{
    struct store_sink sink;

    rig_start((enum rig_backend)_i);
    sink = rig_register("sink");
    rig_set_active(&sink);
    rig_append_many(5);
    rig_outcome(sink.id, 2, 1, 2, STORE_STATE_DEAD);
    rig_outcome(sink.id, 5, 2, 4, STORE_STATE_PENDING);
    pass_retention();
    rig_advance(KEEP);
    prune(&keep_30d);
    ck_assert_uint_eq(stats().deliveries, 2);
    ck_assert(rig_has(2));
    ck_assert(rig_has(4));

    /* Done at last, but its time begins only now. */
    rig_outcome(sink.id, 0, 1, 4, STORE_STATE_DONE);
    ck_assert_uint_eq(rig_read_sink(sink.id).pending_rows, 0);
    rig_advance(KEEP - USEC_PER_MIN);
    prune(&keep_30d);
    ck_assert(rig_has(4));
    rig_advance(2 * USEC_PER_MIN);
    prune(&keep_30d);
    ck_assert(!rig_has(4));
    ck_assert(rig_has(2));
    ck_assert_uint_eq(rig_read_sink(sink.id).dead, 1);
    rig_stop();
}
END_TEST

/* Settled late, before its neighbours were pruned: the mark that covers it must not date it. */
START_TEST(test_a_straggler_gets_its_full_time)
{
    struct store_sink sink;

    rig_start((enum rig_backend)_i);
    sink = rig_register("sink");
    rig_set_active(&sink);
    rig_append_many(3);
    rig_outcome(sink.id, 3, 2, 2, STORE_STATE_PENDING);
    prune(&keep_30d);
    rig_advance(20 * USEC_PER_DAY);
    prune(&keep_30d);
    rig_outcome(sink.id, 0, 1, 2, STORE_STATE_DONE);
    rig_advance(11 * USEC_PER_DAY);
    prune(&keep_30d);
    ck_assert(!rig_has(1));
    ck_assert(rig_has(2));
    /* Its DONE row is nobody's business. */
    ck_assert_int_eq(store_scan_rows(rig.reader, sink.id, STORE_STATE_PENDING, 0, 9, rig_on_row,
                         NULL, &rig.error),
        0);
    rig_advance(20 * USEC_PER_DAY);
    prune(&keep_30d);
    ck_assert(!rig_has(2));
    rig_stop();
}
END_TEST

/* Settled late and wanted once more: what was kept to date it holds nothing against that. */
START_TEST(test_a_straggler_that_is_asked_for_again)
{
    struct store_sink sink;

    rig_start((enum rig_backend)_i);
    sink = rig_register("sink");
    rig_set_active(&sink);
    rig_append_many(3);
    rig_outcome(sink.id, 3, 2, 2, STORE_STATE_PENDING);
    rig_advance(USEC_PER_HOUR);
    prune(&keep_30d);
    rig_outcome(sink.id, 0, 1, 2, STORE_STATE_DONE);
    rig_outcome(sink.id, 0, 0, 2, STORE_STATE_PENDING);
    sink = rig_read_sink(sink.id);
    ck_assert_uint_eq(sink.requeued, 1);
    ck_assert_uint_eq(sink.pending_rows, 1);
    rig_advance(2 * KEEP);
    prune(&keep_30d);
    ck_assert(rig_has(2));
    ck_assert_uint_eq(stats().deliveries, 1);
    rig_outcome(sink.id, 0, 1, 2, STORE_STATE_DONE);
    rig_outcome(sink.id, 0, 0, 1, STORE_STATE_PENDING); /* gone: there is nothing to ask for */
    ck_assert_uint_eq(rig_read_sink(sink.id).pending_rows, 0);
    rig_stop();
}
END_TEST

/* More of them than one step takes, and nothing was pruned since they were settled. */
START_TEST(test_many_stragglers)
{
    enum { N = 250 };
    struct store_outcome outcomes[N];
    struct store_settle settle = {.frontier = N, .outcomes = outcomes, .n_outcomes = N};
    struct store_sink sink;

    rig_start((enum rig_backend)_i);
    sink = rig_register("sink");
    settle.sink = sink.id;
    rig_set_active(&sink);
    rig_append_many(N + 1);
    for (size_t i = 0; i < N; i++)
        outcomes[i] = (struct store_outcome){.seq = i + 1, .state = STORE_STATE_PENDING};
    RIG_OK(rig_settle(&settle));
    rig_advance(USEC_PER_HOUR);
    prune(&keep_30d);
    for (size_t i = 0; i < N; i++)
        outcomes[i].state = STORE_STATE_DONE;
    settle.frontier = 0;
    settle.delivered = N;
    RIG_OK(rig_settle(&settle));
    rig_advance(KEEP - USEC_PER_MIN);
    prune(&keep_30d);
    ck_assert_uint_eq(stats().deliveries, N + 1);
    rig_advance(2 * USEC_PER_MIN);
    prune(&keep_30d);
    ck_assert_uint_eq(stats().deliveries, 1);
    rig_read_sink(sink.id);
    rig_stop();
}
END_TEST

/* The same of a sink that left: behind where pruning has come, more than one step takes. */
START_TEST(test_a_sink_that_left_with_many_rows)
{
    enum { N = 250 };
    struct store_outcome outcomes[N];
    struct store_settle settle = {
        .frontier = N + 1, .delivered = 1, .outcomes = outcomes, .n_outcomes = N};
    struct store_sink sink;

    rig_start((enum rig_backend)_i);
    sink = rig_register("leaves");
    settle.sink = sink.id;
    rig_set_active(&sink);
    rig_append_many(N + 1);
    for (size_t i = 0; i < N; i++)
        outcomes[i] = (struct store_outcome){.seq = i + 1, .state = STORE_STATE_PENDING};
    RIG_OK(rig_settle(&settle));
    pass_retention();
    rig_advance(2 * USEC_PER_MIN);
    prune(&keep_30d);
    ck_assert_uint_eq(stats().deliveries, N);
    rig_set_active(NULL);
    prune(&keep_30d);
    ck_assert_uint_eq(stats().deliveries, 0);
    ck_assert_uint_eq(rig_read_sink(sink.id).dropped, N);
    rig_stop();
}
END_TEST

/* Pruning has come farther than the longer one would go: what was held there may go all the same.
 */
START_TEST(test_a_retention_made_longer)
{
    static const struct store_retention keep_60d = {2 * KEEP, USEC_INFINITY};
    struct store_sink sink;

    rig_start((enum rig_backend)_i);
    sink = rig_register("leaves");
    rig_set_active(&sink);
    rig_append_many(3);
    rig_outcome(sink.id, 3, 2, 2, STORE_STATE_PENDING);
    pass_retention();
    rig_append_many(3);
    rig_advance(2 * USEC_PER_MIN);
    prune(&keep_30d);
    ck_assert_uint_eq(stats().deliveries, 4);
    rig_set_active(NULL);
    prune(&keep_60d);
    ck_assert(!rig_has(2));
    ck_assert_uint_eq(stats().deliveries, 3);
    rig_advance(KEEP + USEC_PER_HOUR);
    prune(&keep_60d);
    ck_assert_uint_eq(stats().deliveries, 3);
    rig_stop();
}
END_TEST

/* Whose outcomes are waited for: those that were named last, and only those that there are. */
START_TEST(test_another_sink_in_its_place)
{
    const uint32_t never[] = {0, 99};
    struct store_sink slow, quick;

    rig_start((enum rig_backend)_i);
    slow = rig_register("slow");
    quick = rig_register("quick");
    rig_append_many(3);
    rig_deliver_to(&quick, 3);
    rig_set_active(&slow);
    pass_retention();
    rig_advance(KEEP);
    prune(&keep_30d);
    ck_assert_uint_eq(stats().deliveries, 3);
    rig_set_active(&quick);
    pass_retention();
    rig_advance(2 * USEC_PER_MIN);
    prune(&keep_30d);
    ck_assert_uint_eq(stats().deliveries, 0);

    rig_append_many(2);
    RIG_OK(store_set_active_sinks(rig.store, never, 1, &rig.error));
    RIG_OK(store_set_active_sinks(rig.store, never, 2, &rig.error));
    pass_retention();
    rig_advance(2 * USEC_PER_MIN);
    prune(&keep_30d);
    ck_assert_uint_eq(stats().deliveries, 0);
    rig_stop();
}
END_TEST

/* The index still knows when it was updated. */
START_TEST(test_late_for_a_job_whose_newest_is_gone)
{
    const struct delivery newest = rig_delivery_of("newest", "job", 5, false, "{}");
    const struct delivery late = rig_delivery_of("late", "job", 4, false, "{}");
    struct store_append append;
    struct store_sink sink;

    rig_start(RIG_SQLITE);
    sink = rig_register("sink");
    rig_set_active(&sink);
    RIG_OK(rig_append(&newest, &append));
    rig_append_many(9);
    rig_deliver_to(&sink, 1);
    pass_retention();
    rig_advance(2 * USEC_PER_MIN);
    prune(&keep_30d);
    ck_assert(!rig_has(1));
    RIG_OK(rig_append(&late, &append));
    ck_assert_int_eq(append.verdict, STORE_VERDICT_STORED);
    ck_assert(append.stale);
    rig_stop();
}
END_TEST

/* A sink that left the conf holds nothing up, its sums stay right, and when it comes back it goes
 * on with what is still there. */
START_TEST(test_a_sink_that_left_and_came_back)
{
    const struct store_outcome rows[] = {
        {.seq = 1, .state = STORE_STATE_PENDING, .attempts = 1},
        {.seq = 2, .state = STORE_STATE_DEAD, .attempts = 1},
    };
    struct store_settle settle = {
        .frontier = 3, .delivered = 1, .outcomes = rows, .n_outcomes = ARRAY_SIZE(rows)};
    struct store_sink stays, leaves;

    rig_start((enum rig_backend)_i);
    stays = rig_register("stays");
    leaves = rig_register("leaves");
    rig_append_many(6);
    settle.sink = leaves.id;
    RIG_OK(rig_settle(&settle));
    rig_deliver_to(&stays, 6);
    rig_set_active(&stays);
    pass_retention();
    rig_append_many(2);
    rig_advance(2 * USEC_PER_MIN);
    prune(&keep_30d);

    ck_assert_uint_eq(stats().deliveries, 3); /* the dead letter and the two new ones */
    ck_assert(rig_has(2));
    leaves = rig_register("leaves");
    ck_assert_uint_eq(leaves.frontier, 6);
    ck_assert_uint_eq(leaves.delivered, 1);
    ck_assert_uint_eq(leaves.dead, 1);
    ck_assert_uint_eq(leaves.pending_rows, 0);
    ck_assert_uint_eq(leaves.dropped, 4); /* 1, 4, 5, 6 */
    rig_read_sink(leaves.id);
    rig_deliver_to(&leaves, 8);
    rig_read_sink(leaves.id);
    rig_stop();
}
END_TEST

/* Marks from the time without it call "settled" what the sink still has to get. */
START_TEST(test_a_sink_that_came_back_in_time)
{
    struct store_sink stays, leaves;

    rig_start((enum rig_backend)_i);
    stays = rig_register("stays");
    leaves = rig_register("leaves");
    rig_append_many(6);
    rig_deliver_to(&stays, 6);
    rig_set_active(&stays);
    prune(&keep_30d);
    rig_advance(29 * USEC_PER_DAY);
    leaves = rig_register("leaves");
    rig_deliver_to(&leaves, 6);
    rig_advance(2 * USEC_PER_DAY);
    prune(&keep_30d);
    ck_assert_uint_eq(stats().deliveries, 6);
    rig_advance(KEEP + USEC_PER_HOUR);
    prune(&keep_30d);
    ck_assert_uint_eq(stats().deliveries, 0);
    rig_stop();
}
END_TEST

START_TEST(test_ids_are_forgotten)
{
    static const struct store_retention retention = {USEC_PER_DAY, 7 * USEC_PER_DAY};
    const struct delivery old = rig_delivery("old"), young = rig_delivery("young");
    struct store_append append;

    rig_start((enum rig_backend)_i);
    rig_set_active(NULL);
    RIG_OK(rig_append(&old, &append));
    rig_append_many(5000);
    prune(&retention);
    rig_advance(6 * USEC_PER_DAY);
    RIG_OK(rig_append(&young, &append));
    prune(&retention);
    ck_assert_uint_eq(stats().ids, 5002);
    rig_advance(3 * USEC_PER_DAY);
    prune(&retention);
    ck_assert_uint_eq(stats().ids, 1);
    RIG_OK(rig_append(&young, &append));
    ck_assert_int_eq(append.verdict, STORE_VERDICT_DUPLICATE);
    RIG_OK(rig_append(&old, &append));
    ck_assert_int_eq(append.verdict, STORE_VERDICT_STORED);
    rig_stop();
}
END_TEST

START_TEST(test_steps_are_bounded)
{
    rig_start((enum rig_backend)_i);
    rig_set_active(NULL);
    rig_append_many(2100);
    prune(&keep_30d);
    rig_advance(KEEP);
    ck_assert_uint_ge(prune(&keep_30d), 4);
    ck_assert_uint_eq(stats().deliveries, 0);
    rig_stop();
}
END_TEST

static int on_conflict(const struct store_conflict *conflict, void *context)
{
    return 0;
}

START_TEST(test_evidence_expires)
{
    struct delivery first, other;
    struct store_append append;

    rig_start((enum rig_backend)_i);
    rig_set_active(NULL);
    first = rig_delivery_of("id", "job", 0, false, "{}");
    other = rig_delivery_of("id", "job", 0, false, "{1}");
    RIG_OK(rig_append(&first, &append));
    RIG_OK(rig_append(&other, &append));
    rig_advance(KEEP - 1);
    prune(&keep_30d);
    ck_assert_int_eq(store_scan_conflicts(rig.reader, 1, on_conflict, NULL, &rig.error), 1);
    rig_advance(1);
    prune(&keep_30d);
    ck_assert_int_eq(store_scan_conflicts(rig.reader, 1, on_conflict, NULL, &rig.error), 0);
    rig_stop();
}
END_TEST

/* A clock that was a year ahead and is set right must not stop pruning for a year. */
START_TEST(test_a_clock_set_back)
{
    rig_start((enum rig_backend)_i);
    rig_set_active(NULL);
    rig_advance(365 * USEC_PER_DAY);
    rig_append_many(3);
    prune(&keep_30d);
    rig.realtime -= 365 * USEC_PER_DAY;
    rig_append_many(3);
    prune(&keep_30d);
    ck_assert_uint_eq(stats().deliveries, 6);
    rig_advance(KEEP);
    prune(&keep_30d);
    ck_assert_uint_eq(stats().deliveries, 0);
    rig_stop();
}
END_TEST

/* One step of the clock into the future, noticed and mended within the hour, costs nothing. */
START_TEST(test_a_clock_set_forward_prunes_nothing)
{
    bool more = false;

    rig_start((enum rig_backend)_i);
    rig_set_active(NULL);
    rig_append_many(3);
    prune(&keep_30d);
    rig_advance(USEC_PER_MIN);
    rig.realtime += 365 * USEC_PER_DAY;
    RIG_OK(store_prune(rig.store, &keep_30d, &more, &rig.error));
    ck_assert_str_eq(rig.error.text, "the clock is 8760 hours ahead of the last look; nothing is "
                                     "pruned until it has stayed so for an hour");
    rig.error = (struct error)ERROR_INIT;
    rig_advance(USEC_PER_HOUR - USEC_PER_MIN);
    prune(&keep_30d);
    ck_assert_str_eq(rig.error.text, ""); /* once */
    if (rig.backend == RIG_SQLITE) {
        rig_close(); /* nor does a restart make it the truth */
        rig_open();
        rig_set_active(NULL);
        prune(&keep_30d);
        ck_assert_int_eq(rig.error.code, EAGAIN);
    }
    ck_assert_uint_eq(stats().deliveries, 3);
    rig.realtime -= 365 * USEC_PER_DAY;
    rig_advance(2 * USEC_PER_HOUR);
    prune(&keep_30d);
    ck_assert_uint_eq(stats().deliveries, 3);
    rig.realtime += 365 * USEC_PER_DAY;
    prune(&keep_30d);
    rig_advance(USEC_PER_HOUR); /* it is so, then */
    prune(&keep_30d);
    ck_assert_uint_eq(stats().deliveries, 0);
    rig_stop();
}
END_TEST

/* A copy whose sender's clock is half a day ahead passes max_age for that much longer. */
START_TEST(test_ids_are_kept_a_day_longer)
{
    static const struct store_retention retention = {USEC_PER_DAY, 7 * USEC_PER_DAY};
    const struct delivery delivery = rig_delivery("id");
    struct store_append append;

    rig_start((enum rig_backend)_i);
    rig_set_active(NULL);
    RIG_OK(rig_append(&delivery, &append));
    prune(&retention);
    rig_advance(7 * USEC_PER_DAY + USEC_PER_DAY / 2);
    prune(&retention);
    RIG_OK(rig_append(&delivery, &append));
    ck_assert_int_eq(append.verdict, STORE_VERDICT_DUPLICATE);
    rig_advance(USEC_PER_DAY);
    prune(&retention);
    RIG_OK(rig_append(&delivery, &append));
    ck_assert_int_eq(append.verdict, STORE_VERDICT_STORED);
    rig_stop();
}
END_TEST

/* Pruning went past them while the sink was active and held them; then it left the conf. */
START_TEST(test_a_sink_that_left_with_rows_behind_the_run)
{
    struct store_sink sink;

    rig_start((enum rig_backend)_i);
    sink = rig_register("leaves");
    rig_set_active(&sink);
    rig_append_many(5);
    rig_outcome(sink.id, 3, 2, 2, STORE_STATE_PENDING);
    rig_outcome(sink.id, 5, 1, 4, STORE_STATE_DEAD);
    pass_retention();
    rig_advance(2 * USEC_PER_MIN);
    prune(&keep_30d);
    ck_assert(rig_has(2));
    rig_set_active(NULL);
    prune(&keep_30d);
    ck_assert(!rig_has(2));
    ck_assert(rig_has(4));
    ck_assert_uint_eq(stats().deliveries, 1);
    sink = rig_read_sink(sink.id);
    ck_assert_uint_eq(sink.dropped, 1);
    ck_assert_uint_eq(sink.pending_rows, 0);
    rig_stop();
}
END_TEST

/* One that leaves for a moment, by a slip in the conf, does not lose what it was trying. */
START_TEST(test_a_sink_that_left_with_rows_it_was_trying)
{
    struct store_sink sink;
    struct store_outcome outcome = {.seq = 2, .state = STORE_STATE_PENDING, .attempts = 9};
    struct store_settle settle = {.outcomes = &outcome, .n_outcomes = 1};

    rig_start((enum rig_backend)_i);
    sink = rig_register("leaves");
    rig_set_active(&sink);
    rig_append_many(5);
    rig_outcome(sink.id, 5, 4, 2, STORE_STATE_PENDING);
    pass_retention();
    outcome.next_at_usec = rig.realtime;
    settle.sink = sink.id;
    RIG_OK(rig_settle(&settle));
    rig_set_active(NULL);
    rig_advance(KEEP - USEC_PER_MIN);
    prune(&keep_30d);
    ck_assert(rig_has(2));
    ck_assert(!rig_has(1));
    rig_advance(2 * USEC_PER_MIN);
    prune(&keep_30d);
    ck_assert(!rig_has(2));
    rig_read_sink(sink.id);
    rig_stop();
}
END_TEST

/* Where nothing is ever pruned nothing need be dated, and the table need not grow. */
START_TEST(test_no_marks_where_nothing_is_pruned)
{
    static const struct store_retention forever = {USEC_INFINITY, USEC_INFINITY};
    struct sqlite_mark mark = {0};

    rig_start(RIG_SQLITE);
    rig_set_active(NULL);
    rig_append_many(3);
    prune(&forever);
    ck_assert_int_eq(marks_load_last(&sqlite_store(rig.store)->db, &mark), SQLITE_OK);
    ck_assert_int_eq(mark.id, 0);
    prune(&keep_30d);
    ck_assert_int_eq(marks_load_last(&sqlite_store(rig.store)->db, &mark), SQLITE_OK);
    ck_assert_int_eq(mark.id, 1);
    rig_stop();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store_prune");
    TCase *core = tcase_create("core"), *limits = tcase_create("limits");
    SRunner *runner;
    int n_failed;

    tcase_set_timeout(limits, 60);
    tcase_add_loop_test(core, test_kept_until_their_time_is_over, 0, RIG_N_BACKENDS);
    tcase_add_loop_test(core, test_everything_may_go_and_seqs_go_on, 0, RIG_N_BACKENDS);
    tcase_add_test(core, test_bodies_are_gone_from_the_file);
    tcase_add_test(core, test_outputs_are_gone_from_the_file);
    tcase_add_loop_test(core, test_a_straggler_that_is_asked_for_again, 0, RIG_N_BACKENDS);
    tcase_add_loop_test(core, test_a_retention_made_longer, 0, RIG_N_BACKENDS);
    tcase_add_loop_test(core, test_another_sink_in_its_place, 0, RIG_N_BACKENDS);
    tcase_add_test(core, test_late_for_a_job_whose_newest_is_gone);
    tcase_add_loop_test(limits, test_many_stragglers, 0, RIG_N_BACKENDS);
    tcase_add_loop_test(limits, test_a_sink_that_left_with_many_rows, 0, RIG_N_BACKENDS);
    tcase_add_loop_test(core, test_nothing_before_the_sinks_are_named, 0, RIG_N_BACKENDS);
    tcase_add_loop_test(core, test_for_ever, 0, RIG_N_BACKENDS);
    tcase_add_loop_test(core, test_what_a_row_holds_stays, 0, RIG_N_BACKENDS);
    tcase_add_loop_test(core, test_a_straggler_gets_its_full_time, 0, RIG_N_BACKENDS);
    tcase_add_loop_test(core, test_a_sink_that_left_and_came_back, 0, RIG_N_BACKENDS);
    tcase_add_loop_test(core, test_a_sink_that_came_back_in_time, 0, RIG_N_BACKENDS);
    tcase_add_loop_test(core, test_evidence_expires, 0, RIG_N_BACKENDS);
    tcase_add_loop_test(core, test_a_clock_set_back, 0, RIG_N_BACKENDS);
    tcase_add_loop_test(core, test_a_clock_set_forward_prunes_nothing, 0, RIG_N_BACKENDS);
    tcase_add_loop_test(core, test_a_sink_that_left_with_rows_behind_the_run, 0, RIG_N_BACKENDS);
    tcase_add_loop_test(core, test_a_sink_that_left_with_rows_it_was_trying, 0, RIG_N_BACKENDS);
    tcase_add_test(core, test_no_marks_where_nothing_is_pruned);
    tcase_add_loop_test(limits, test_ids_are_kept_a_day_longer, 0, RIG_N_BACKENDS);
    tcase_add_loop_test(limits, test_ids_are_forgotten, 0, RIG_N_BACKENDS);
    tcase_add_loop_test(limits, test_steps_are_bounded, 0, RIG_N_BACKENDS);
    suite_add_tcase(suite, core);
    suite_add_tcase(suite, limits);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
