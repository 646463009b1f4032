/*
 * Queries of the store, the same for every backend: filters, paging in both directions, what is
 * pending or dead for a sink, the bounds of a step. Random queries over a random store are in
 * test_store_query_model.c, single answers and numbers in test_store_numbers.c.
 */

#include "query_rig.h"

#include <signal.h>
#include <sqlite3.h>

#define RECEIVED INT64_C(1767225600000000) /* what rig.realtime is at the start */

/* ---- filters ---- */

static void append_with(const char *endpoint, const char *id, const char *job, const char *type,
    const char *status, int64_t updated_at)
{
    struct delivery delivery = rig_delivery_of(id, job, updated_at, false, "{}");
    struct store_append append;

    delivery.endpoint = endpoint;
    delivery.type = type;
    delivery.status = status;
    RIG_OK(rig_append(&delivery, &append));
    ck_assert_int_eq(append.verdict, STORE_VERDICT_STORED);
    rig_advance(USEC_PER_SEC);
}

static void append_six(void)
{
    append_with("main", "a", "job-1", "embed", "pending", 1);
    append_with("main", "b", "job-2", "embed", "pending", 1);
    append_with("other", "c", "job-1", "embed", "completed", 1);
    append_with("main", "d", "job-1", "detect", "completed", 2);
    append_with("main", "e", "job-1", "detect", "failed", 1); /* stale: older than d */
    append_with("other", "f", "job-3", "detect", "failed", 1);
}

static const struct filter_row {
    struct store_query query;
    const char *want; /* oldest first; a digit a seq */
} filter_rows[] = {
    {STORE_QUERY_INIT, "123456"},
    {{.endpoint = "main", QUERY_ANY_TIME, .stale = -1}, "1245"},
    {{.endpoint = "MAIN", QUERY_ANY_TIME, .stale = -1}, ""},
    {{.endpoint = "", QUERY_ANY_TIME, .stale = -1}, ""},
    {{.job_id = "job-1", QUERY_ANY_TIME, .stale = -1}, "1345"},
    {{.job_id = "job", QUERY_ANY_TIME, .stale = -1}, ""},
    {{.job_id = "job-1", .endpoint = "other", QUERY_ANY_TIME, .stale = -1}, "3"},
    {{.request_id = "e", QUERY_ANY_TIME, .stale = -1}, "5"},
    {{.type = "detect", QUERY_ANY_TIME, .stale = -1}, "456"},
    {{.status = "completed", QUERY_ANY_TIME, .stale = -1}, "34"},
    {{QUERY_ANY_TIME, .stale = 1}, "5"},
    {{QUERY_ANY_TIME, .stale = 0}, "12346"},
    {{.since_usec = RECEIVED + 2 * USEC_PER_SEC, .until_usec = INT64_MAX, .stale = -1}, "3456"},
    {{.since_usec = INT64_MIN, .until_usec = RECEIVED + 2 * USEC_PER_SEC, .stale = -1}, "12"},
    {{.since_usec = RECEIVED + USEC_PER_SEC,
         .until_usec = RECEIVED + 4 * USEC_PER_SEC,
         .stale = -1},
        "234"},
    {{.since_usec = RECEIVED + 1, .until_usec = RECEIVED + 1, .stale = -1}, ""},
    {{.type = "detect", .status = "failed", .endpoint = "main", QUERY_ANY_TIME, .stale = -1}, "5"},
};

START_TEST(test_filters)
{
    const struct filter_row *row = &filter_rows[(size_t)_i / RIG_N_BACKENDS];
    struct store_query query = row->query;
    char want[8] = "";

    rig_start((enum rig_backend)((size_t)_i % RIG_N_BACKENDS));
    append_six();
    query.oldest_first = true;
    query_want(&query, row->want);
    for (size_t i = 0, n = strlen(row->want); i < n; i++)
        want[i] = row->want[n - 1 - i];
    query.oldest_first = false;
    query_want(&query, want);
    rig_stop();
}
END_TEST

static int check_head(const struct delivery *delivery, void *context)
{
    ck_assert_uint_eq(delivery->seq, 4);
    ck_assert_int_eq(delivery->received_at_usec, RECEIVED + 3 * USEC_PER_SEC);
    ck_assert_int_eq(delivery->updated_at_usec, 2);
    ck_assert_str_eq(delivery->endpoint, "main");
    ck_assert_str_eq(delivery->request_id, "d");
    ck_assert_str_eq(delivery->secret, "current");
    ck_assert_str_eq(delivery->job_id, "job-1");
    ck_assert_str_eq(delivery->type, "detect");
    ck_assert_str_eq(delivery->status, "completed");
    ck_assert_str_eq(delivery->unverified, "");
    ck_assert_ptr_null(delivery->body);
    ck_assert_uint_eq(delivery->body_length, 2);
    return 0;
}

START_TEST(test_what_is_passed_on_is_whole_but_for_the_body)
{
    struct store_query query = STORE_QUERY_INIT;
    uint64_t next = 7;

    rig_start((enum rig_backend)_i);
    append_six();
    query.request_id = "d";
    query.limit = 10;
    ck_assert_int_eq(store_query(rig.reader, &query, check_head, NULL, &next, &rig.error), 1);
    ck_assert_uint_eq(next, 0);
    rig_stop();
}
END_TEST

/* ---- walking ---- */

START_TEST(test_next_goes_on_where_it_stopped)
{
    struct store_query query = STORE_QUERY_INIT;
    struct rig_seqs seqs = {.n = 0};
    uint64_t next = 0;

    rig_start((enum rig_backend)_i);
    rig_append_many(5);
    query.limit = 2;
    ck_assert_int_eq(query_once(&query, &seqs, &next), 2);
    ck_assert_uint_eq(seqs.seqs[0], 5);
    ck_assert_uint_eq(seqs.seqs[1], 4);
    ck_assert_uint_eq(next, 4);

    query.from = next; /* the callback stops after the first */
    seqs = (struct rig_seqs){.stop_at = 1};
    ck_assert_int_eq(query_once(&query, &seqs, &next), 1);
    ck_assert_uint_eq(seqs.seqs[0], 3);
    ck_assert_uint_eq(next, 3);

    query.from = next;
    query.limit = 10;
    seqs = (struct rig_seqs){.n = 0};
    ck_assert_int_eq(query_once(&query, &seqs, &next), 2);
    ck_assert_uint_eq(seqs.seqs[1], 1);
    ck_assert_uint_eq(next, 0);
    rig_stop();
}
END_TEST

static const struct from_row {
    uint64_t from;
    bool oldest_first;
    const char *want;
} from_rows[] = {
    {0, true, "123"},
    {1, true, "23"},
    {3, true, ""},
    {4, true, ""},
    {INT64_MAX, true, ""},
    {(uint64_t)INT64_MAX + 1, true, ""},
    {UINT64_MAX, true, ""},
    {0, false, "321"},
    {1, false, ""},
    {2, false, "1"},
    {3, false, "21"},
    {4, false, "321"},
    {INT64_MAX, false, "321"},
    {(uint64_t)INT64_MAX + 1, false, "321"},
    {UINT64_MAX, false, "321"},
};

START_TEST(test_from)
{
    const struct from_row *row = &from_rows[(size_t)_i / RIG_N_BACKENDS];
    struct store_query query = STORE_QUERY_INIT;
    struct store_sink sink;

    rig_start((enum rig_backend)((size_t)_i % RIG_N_BACKENDS));
    sink = rig_register("sink");
    rig_append_many(3);
    query.from = row->from;
    query.oldest_first = row->oldest_first;
    query_want(&query, row->want);
    query.sink = sink.id; /* the same when all is pending */
    query.state = STORE_STATE_PENDING;
    query_want(&query, row->want);
    rig_stop();
}
END_TEST

START_TEST(test_an_empty_store)
{
    struct store_query query = STORE_QUERY_INIT;
    struct store_sink sink;

    rig_start((enum rig_backend)_i);
    sink = rig_register("sink");
    for (int oldest_first = 0; oldest_first < 2; oldest_first++) {
        query.oldest_first = oldest_first;
        query.sink = 0;
        query_want(&query, "");
        query.sink = sink.id;
        query_want(&query, "");
    }
    rig_stop();
}
END_TEST

/* Passes the frontier over what the walk did not come to yet, and asks the same reader. */
static int settle_and_ask(const struct delivery *delivery, void *context)
{
    struct rig_seqs *seqs = context;
    struct store_sink_row row;
    struct store_sink sink = rig_read_sink(1);

    ck_assert_int_eq(store_read_sink_row(rig.reader, 1, delivery->seq, &row, &rig.error), 0);
    if (sink.frontier < 300) { /* all up to there become rows, but 250, which is delivered */
        static struct store_outcome outcomes[300];
        struct store_settle settle = {
            .sink = 1, .frontier = 300, .delivered = 1, .outcomes = outcomes};

        for (uint64_t seq = sink.frontier + 1; seq <= 300; seq++)
            if (seq != 250)
                outcomes[settle.n_outcomes++] =
                    (struct store_outcome){.seq = seq, .state = STORE_STATE_PENDING};
        RIG_OK(rig_settle(&settle));
    }
    return rig_note_seq(seqs, delivery->seq);
}

START_TEST(test_the_frontier_moves_while_a_query_walks)
{
    static struct rig_seqs seqs;
    struct store_query query = STORE_QUERY_INIT;
    bool oldest_first = (size_t)_i / RIG_N_BACKENDS;
    uint64_t next = 7;

    rig_start((enum rig_backend)((size_t)_i % RIG_N_BACKENDS));
    rig_register("sink");
    rig_append_many(500);
    query.sink = 1;
    query.state = STORE_STATE_PENDING;
    query.limit = 1000;
    query.oldest_first = oldest_first;
    ck_assert_int_eq(
        store_query(rig.reader, &query, settle_and_ask, &seqs, &next, &rig.error), 499);
    ck_assert_uint_eq(next, 0);
    for (size_t i = 0; i < 499; i++) {
        uint64_t want = oldest_first ? i + 1 + (i >= 249) : 500 - i - (i >= 250);

        ck_assert_uint_eq(seqs.seqs[i], want);
    }
    rig_stop();
}
END_TEST

/* ---- sinks ---- */

START_TEST(test_pending_and_dead_of_a_sink)
{
    struct store_query query = STORE_QUERY_INIT;
    struct store_sink sink, other;

    rig_start((enum rig_backend)_i);
    rig_append_many(1); /* from before the sinks */
    sink = rig_register("sink");
    other = rig_register("other");
    rig_append_many(7);
    rig_outcome(sink.id, 2, 0, 2, STORE_STATE_PENDING);
    rig_outcome(sink.id, 4, 1, 4, STORE_STATE_DEAD);
    rig_outcome(sink.id, 6, 1, 6, STORE_STATE_PENDING);
    rig_outcome(other.id, 3, 1, 3, STORE_STATE_DEAD);

    query.sink = sink.id;
    query.state = STORE_STATE_PENDING;
    query_want(&query, "8762");
    query.oldest_first = true;
    query_want(&query, "2678");
    query.from = 2;
    query_want(&query, "678");
    query.from = 6;
    query_want(&query, "78");
    query.from = 0;
    query.state = STORE_STATE_DEAD;
    query_want(&query, "4");
    query.request_id = "none";
    query_want(&query, "");
    query.request_id = NULL;
    query.sink = other.id;
    query_want(&query, "3");
    query.state = STORE_STATE_PENDING;
    query_want(&query, "45678");
    rig_outcome(other.id, 0, 0, 1, STORE_STATE_PENDING); /* a replay from before the sink */
    query_want(&query, "145678");
    rig_stop();
}
END_TEST

/* ---- limits ---- */

/* Many deliveries without the time that appending them takes. */
static void fill(size_t n)
{
    char sql[768];
    sqlite3 *handle;

    if (rig.backend == RIG_MEMORY) {
        rig_append_many(n);
        return;
    }
    rig_close();
    snprintf(sql, sizeof(sql),
        "WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < %zu)"
        " INSERT INTO deliveries (seq, received_at, updated_at, terminal, stale, endpoint,"
        " request_id, secret, job_id, type, status, id_digest, body_digest, checksum, body)"
        " SELECT i, 0, 0, 0, 0, 'main', 'r', '', 'j', 't', 's', x'', x'', 0, x'' FROM n",
        n);
    ck_assert_int_eq(sqlite3_open(rig.path, &handle), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(handle, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(handle);
    rig_open();
}

START_TEST(test_a_step_is_bounded)
{
    struct store_query query = STORE_QUERY_INIT;
    struct store_sink sink;
    struct rig_seqs seqs = {.n = 0};
    uint64_t next = 0;

    rig_start((enum rig_backend)_i);
    sink = rig_register("sink");
    fill(STORE_QUERY_STEP + 3);
    query.limit = 5;
    query.status = "none";
    for (int with_sink = 0; with_sink < 2; with_sink++) {
        query.sink = with_sink ? sink.id : 0;

        query.oldest_first = true;
        query.from = 0;
        ck_assert_int_eq(query_once(&query, &seqs, &next), 0);
        ck_assert_uint_eq(next, STORE_QUERY_STEP);
        query.from = next;
        ck_assert_int_eq(query_once(&query, &seqs, &next), 0);
        ck_assert_uint_eq(next, 0);

        query.oldest_first = false;
        query.from = 0;
        ck_assert_int_eq(query_once(&query, &seqs, &next), 0);
        ck_assert_uint_eq(next, 4);
        query.from = next;
        ck_assert_int_eq(query_once(&query, &seqs, &next), 0);
        ck_assert_uint_eq(next, 0);
    }
    rig_stop();
}
END_TEST

static void append_of_job(size_t n, const char *job)
{
    for (size_t i = 0; i < n; i++) {
        char id[48];
        struct store_append append;
        struct delivery delivery;

        snprintf(id, sizeof(id), "%s-%zu", job, i);
        delivery = rig_delivery_of(id, job, 0, false, "{}");
        RIG_OK(rig_append(&delivery, &append));
    }
}

/* Up to 1000 a job's deliveries come by the index, beyond by a walk over all: no one can tell. */
START_TEST(test_a_job_with_many_deliveries)
{
    static struct rig_seqs seqs;
    struct store_query query = STORE_QUERY_INIT;
    size_t n = 999 + (size_t)_i / RIG_N_BACKENDS;
    uint64_t next;

    rig_start((enum rig_backend)((size_t)_i % RIG_N_BACKENDS));
    append_of_job(3, "other");
    append_of_job(n, "job");
    append_of_job(1, "other-again");
    query.job_id = "job";
    query.limit = 2000;
    ck_assert_int_eq(query_once(&query, &seqs, &next), (int)n);
    ck_assert_uint_eq(next, 0);
    for (size_t i = 0; i < n; i++)
        ck_assert_uint_eq(seqs.seqs[i], n + 3 - i);

    query.oldest_first = true;
    query.limit = 700;
    seqs.n = 0;
    ck_assert_int_eq(query_once(&query, &seqs, &next), 700);
    query.from = next;
    ck_assert_int_eq(query_once(&query, &seqs, &next), (int)n - 700);
    ck_assert_uint_eq(next, 0);
    for (size_t i = 0; i < n; i++)
        ck_assert_uint_eq(seqs.seqs[i], i + 4);
    rig_stop();
}
END_TEST

/* ---- errors ---- */

START_TEST(test_a_sink_that_was_never_registered)
{
    struct store_query query = STORE_QUERY_INIT;
    struct rig_seqs seqs = {.n = 0};
    uint64_t next = 7;

    rig_start((enum rig_backend)_i);
    rig_append_many(3);
    query.limit = 1;
    query.sink = 9;
    for (int dead = 0; dead < 2; dead++) {
        query.state = dead ? STORE_STATE_DEAD : STORE_STATE_PENDING;
        rig.error = (struct error)ERROR_INIT;
        ck_assert_int_eq(query_once(&query, &seqs, &next), -ENOENT);
        ck_assert_str_eq(rig.error.text, "sink 9 was never registered");
    }
    ck_assert_uint_eq(next, 7);
    rig_stop();
}
END_TEST

static const struct store_query wrong_queries[] = {
    STORE_QUERY_INIT, /* no limit */
    {QUERY_ANY_TIME, .stale = -1, .limit = 1, .sink = 1, .state = STORE_STATE_DONE},
};

START_TEST(test_a_wrong_query_aborts)
{
    struct rig_seqs seqs = {.n = 0};
    uint64_t next;

    rig_start((enum rig_backend)((size_t)_i % RIG_N_BACKENDS));
    rig_register("sink");
    ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
    nftw(rig.folder, rig_remove, 16, FTW_DEPTH | FTW_PHYS);
    query_once(&wrong_queries[(size_t)_i / RIG_N_BACKENDS], &seqs, &next);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store_query");
    TCase *core = tcase_create("core"), *limits = tcase_create("limits"),
          *errors = tcase_create("errors");
    SRunner *runner;
    int n_failed;

    tcase_set_timeout(core, 60);
    tcase_set_timeout(limits, 60);
    tcase_add_loop_test(core, test_filters, 0, (int)(ARRAY_SIZE(filter_rows) * RIG_N_BACKENDS));
    tcase_add_loop_test(core, test_what_is_passed_on_is_whole_but_for_the_body, 0, RIG_N_BACKENDS);
    tcase_add_loop_test(core, test_next_goes_on_where_it_stopped, 0, RIG_N_BACKENDS);
    tcase_add_loop_test(core, test_the_frontier_moves_while_a_query_walks, 0, 2 * RIG_N_BACKENDS);
    tcase_add_loop_test(core, test_pending_and_dead_of_a_sink, 0, RIG_N_BACKENDS);
    tcase_add_loop_test(limits, test_from, 0, (int)(ARRAY_SIZE(from_rows) * RIG_N_BACKENDS));
    tcase_add_loop_test(limits, test_an_empty_store, 0, RIG_N_BACKENDS);
    tcase_add_loop_test(limits, test_a_step_is_bounded, 0, RIG_N_BACKENDS);
    tcase_add_loop_test(limits, test_a_job_with_many_deliveries, 0, 3 * RIG_N_BACKENDS);
    tcase_add_loop_test(errors, test_a_sink_that_was_never_registered, 0, RIG_N_BACKENDS);
    tcase_add_loop_test_raise_signal(errors, test_a_wrong_query_aborts, SIGABRT, 0,
        (int)(ARRAY_SIZE(wrong_queries) * RIG_N_BACKENDS));
    suite_add_tcase(suite, core);
    suite_add_tcase(suite, limits);
    suite_add_tcase(suite, errors);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
