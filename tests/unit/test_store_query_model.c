/*
 * Looking into the store against a simple model: a random store (fields, times, what each sink did,
 * what was pruned), then random queries in random pages, both directions, to the end. What comes
 * must be what the model says, once each and in order. The walk is the same for a seed; the seed is
 * the loop's index.
 */

#include "query_rig.h"

#define N_SINKS 2
#define N_DELIVERIES 700
#define N_QUERIES 400

static const char *const endpoints[] = {"main", "second"};
static const char *const jobs[] = {"j1", "j2", "j3", "j4", "j5", "j6"};
static const char *const types[] = {"embed-signature", "detect-signature"};
static const char *const statuses[] = {"pending", "in-progress", "completed"};

static struct model {
    struct delivery deliveries[N_DELIVERIES + 1]; /* [seq] */
    char request_ids[N_DELIVERIES + 1][16];
    bool is_there[N_DELIVERIES + 1];
    uint64_t n;
    struct model_sink {
        struct store_sink sink;
        enum store_sink_state states[N_DELIVERIES + 1];
    } sinks[N_SINKS];
} model;

static uint64_t random_state;

static uint64_t random_below(uint64_t n)
{
    random_state += UINT64_C(0x9e3779b97f4a7c15);
    return hash_u64(random_state) % n;
}

#define RANDOM_OF(array) ((array)[random_below(ARRAY_SIZE(array))])

/* ---- a random store ---- */

static void append_random(void)
{
    uint64_t seq = ++model.n;
    struct delivery *delivery = &model.deliveries[seq];
    char unique[32];
    struct store_append append;

    /* Each request id comes twice, the second time under the other endpoint. */
    snprintf(model.request_ids[seq], sizeof(model.request_ids[seq]), "id-%d", (int)(seq / 2));
    snprintf(unique, sizeof(unique), "%d", (int)seq);
    *delivery = rig_delivery_of(unique, RANDOM_OF(jobs), (int64_t)random_below(50), false, "{}");
    delivery->request_id = model.request_ids[seq];
    delivery->endpoint = endpoints[seq % 2];
    delivery->type = RANDOM_OF(types);
    delivery->status = RANDOM_OF(statuses);
    delivery->received_at_usec += (int64_t)random_below(20); /* not quite in order */
    rig.realtime += (int64_t)random_below(10);
    RIG_OK(rig_append(delivery, &append));
    ck_assert_uint_eq(append.seq, seq);
    delivery->seq = seq;
    delivery->stale = append.stale;
    model.is_there[seq] = true;
}

static void settle_random(struct model_sink *sink, uint64_t frontier)
{
    static struct store_outcome outcomes[N_DELIVERIES];
    struct store_settle settle = {
        .sink = sink->sink.id, .frontier = frontier, .outcomes = outcomes};

    for (uint64_t seq = sink->sink.frontier + 1; seq <= frontier; seq++) {
        /* Where rows and what is above the frontier meet stands a pending one. */
        uint64_t choice = seq == frontier ? 0 : random_below(12);

        if (choice > 1) {
            sink->states[seq] = STORE_SINK_SETTLED;
            settle.delivered++;
            continue;
        }
        sink->states[seq] = choice == 0 ? STORE_SINK_PENDING : STORE_SINK_DEAD;
        outcomes[settle.n_outcomes++] = (struct store_outcome){
            .seq = seq, .state = choice == 0 ? STORE_STATE_PENDING : STORE_STATE_DEAD};
    }
    RIG_OK(rig_settle(&settle));
    sink->sink.frontier = frontier;
}

/* Lets go what is settled by now; which that was the store says. */
static void prune_random(void)
{
    static const struct store_retention keep = {USEC_PER_HOUR, USEC_INFINITY};

    for (int hours = 0; hours < 4; hours++) {
        bool more = true;

        rig_advance(USEC_PER_HOUR);
        while (more)
            RIG_OK(store_prune(rig.store, &keep, &more, &rig.error));
    }
    for (uint64_t seq = 1; seq <= model.n; seq++)
        model.is_there[seq] = rig_has(seq);
    ck_assert(!model.is_there[1] || !model.is_there[2] || !model.is_there[3]);
}

static void make_store(void)
{
    uint32_t ids[N_SINKS];

    for (size_t i = 0; i < N_SINKS; i++) {
        model.sinks[i].sink = rig_register(i == 0 ? "a" : "b");
        ids[i] = model.sinks[i].sink.id;
    }
    RIG_OK(store_set_active_sinks(rig.store, ids, N_SINKS, &rig.error));
    while (model.n < N_DELIVERIES / 3)
        append_random();
    for (size_t i = 0; i < N_SINKS; i++)
        settle_random(&model.sinks[i], model.n / 2 + random_below(model.n / 2));
    prune_random();
    while (model.n < N_DELIVERIES)
        append_random();
    settle_random(&model.sinks[0], model.n - random_below(200));
}

/* ---- random queries ---- */

static struct store_query random_query(void)
{
    struct store_query query = STORE_QUERY_INIT;
    int64_t first = model.deliveries[1].received_at_usec;
    int64_t span = model.deliveries[N_DELIVERIES].received_at_usec - first + 2;

    if (random_below(4) == 0)
        query.endpoint = RANDOM_OF(endpoints);
    if (random_below(4) == 0)
        query.job_id = RANDOM_OF(jobs);
    if (random_below(10) == 0)
        query.request_id = model.request_ids[1 + random_below(N_DELIVERIES)];
    if (random_below(4) == 0)
        query.type = RANDOM_OF(types);
    if (random_below(4) == 0)
        query.status = RANDOM_OF(statuses);
    if (random_below(4) == 0)
        query.since_usec = first + (int64_t)random_below((uint64_t)span);
    if (random_below(4) == 0)
        query.until_usec = first + (int64_t)random_below((uint64_t)span);
    if (random_below(4) == 0)
        query.stale = (int)random_below(2);
    if (random_below(2) == 0) {
        query.sink = RANDOM_OF(model.sinks).sink.id;
        query.state = random_below(3) == 0 ? STORE_STATE_DEAD : STORE_STATE_PENDING;
    }
    query.oldest_first = random_below(2) == 0;
    if (random_below(3) == 0)
        query.from = 1 + random_below(N_DELIVERIES + 5);
    return query;
}

static bool is_in_state(const struct store_query *query, uint64_t seq)
{
    for (size_t i = 0; i < N_SINKS; i++) {
        const struct model_sink *sink = &model.sinks[i];

        if (sink->sink.id != query->sink)
            continue;
        if (query->state == STORE_STATE_DEAD)
            return sink->states[seq] == STORE_SINK_DEAD;
        return sink->states[seq] == STORE_SINK_PENDING || sink->states[seq] == STORE_SINK_UNSEEN;
    }
    return true;
}

static bool fits(const struct store_query *query, uint64_t seq)
{
    const struct delivery *delivery = &model.deliveries[seq];
    const char *const texts[][2] = {
        {query->endpoint, delivery->endpoint},
        {query->job_id, delivery->job_id},
        {query->request_id, delivery->request_id},
        {query->type, delivery->type},
        {query->status, delivery->status},
    };

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        if (texts[i][0] && strcmp(texts[i][0], texts[i][1]) != 0)
            return false;
    if (query->from != 0 && (query->oldest_first ? seq <= query->from : seq >= query->from))
        return false;
    return model.is_there[seq] && delivery->received_at_usec >= query->since_usec &&
           delivery->received_at_usec < query->until_usec &&
           (query->stale == -1 || query->stale == delivery->stale) && is_in_state(query, seq);
}

static size_t check_query(const struct store_query *query)
{
    struct rig_seqs got = {.n = 0};
    size_t n = 0;

    query_all(query, 1 + random_below(random_below(2) == 0 ? 5 : 900), &got);
    for (uint64_t i = 1; i <= model.n; i++) {
        uint64_t seq = query->oldest_first ? i : model.n + 1 - i;

        if (!fits(query, seq))
            continue;
        ck_assert_uint_lt(n, got.n);
        ck_assert_uint_eq(got.seqs[n++], seq);
    }
    ck_assert_uint_eq(got.n, n);
    return n;
}

static void check_sinks(void)
{
    for (size_t i = 0; i < N_SINKS; i++) {
        const struct model_sink *sink = &model.sinks[i];
        uint64_t oldest = 0;
        int64_t got_at = 0;

        for (uint64_t seq = 1; seq <= model.n; seq++) {
            struct store_sink_row row;

            ck_assert_int_eq(store_read_sink_row(rig.reader, sink->sink.id, seq, &row, NULL), 0);
            ck_assert_int_eq(row.state, sink->states[seq]);
            if (oldest == 0 && (row.state == STORE_SINK_PENDING || row.state == STORE_SINK_UNSEEN))
                oldest = seq;
        }
        ck_assert_int_eq(
            store_read_oldest_pending(rig.reader, sink->sink.id, &got_at, &rig.error), 0);
        ck_assert_int_eq(got_at, model.deliveries[oldest].received_at_usec);
    }
}

START_TEST(test_random_queries)
{
    size_t n_found = 0;

    random_state = (uint64_t)_i / RIG_N_BACKENDS;
    rig_start((enum rig_backend)((size_t)_i % RIG_N_BACKENDS));
    make_store();
    check_sinks();
    for (int i = 0; i < N_QUERIES; i++) {
        struct store_query query = random_query();

        n_found += check_query(&query);
    }
    ck_assert_uint_gt(n_found, N_QUERIES); /* or the queries ask for nothing that there is */
    rig_stop();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store_query_model");
    TCase *core = tcase_create("core");
    SRunner *runner;
    int n_failed;

    tcase_set_timeout(core, 60);
    tcase_add_loop_test(core, test_random_queries, 0, 4 * RIG_N_BACKENDS);
    suite_add_tcase(suite, core);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
