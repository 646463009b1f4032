/*
 * The store against a simple model of itself: random batches of appends and settles, and after each
 * the counters, the rows and the sums (G5) must be what the model says. SQLite is closed and opened
 * again now and then. The walk is the same for a seed; the seed is the loop's index.
 */

#include "store_rig.h"

#define N_SINKS 3
#define N_IDS 400
#define N_STEPS 80
#define MAX_HEAD 4096

enum model_state {
    MODEL_SETTLED,
    MODEL_PENDING,
    MODEL_DEAD,
};

static struct model {
    uint64_t head;
    struct {
        uint64_t seq; /* 0: not seen */
        int body;
    } ids[N_IDS];
    struct model_sink {
        uint32_t id;
        uint64_t start, frontier, delivered, filtered, requeued;
        enum model_state states[MAX_HEAD + 1]; /* at or below the frontier */
    } sinks[N_SINKS];
} model;

static uint64_t random_state;

static uint64_t random_below(uint64_t n)
{
    random_state += UINT64_C(0x9e3779b97f4a7c15);
    return hash_u64(random_state) % n;
}

/* ---- appends ---- */

#define MAX_APPENDS 40

static struct appends {
    struct store_append appends[MAX_APPENDS], *pointers[MAX_APPENDS];
    struct delivery deliveries[MAX_APPENDS];
    char ids[MAX_APPENDS][16], bodies[MAX_APPENDS][16];
    enum store_verdict want_verdicts[MAX_APPENDS];
    uint64_t want_seqs[MAX_APPENDS];
    size_t n;
} appends;

static void model_append(void)
{
    size_t i = appends.n++, id = random_below(N_IDS);
    int body = random_below(10) == 0 ? 1 : 0;

    snprintf(appends.ids[i], sizeof(appends.ids[i]), "id-%zu", id);
    snprintf(appends.bodies[i], sizeof(appends.bodies[i]), "{%d}", body);
    appends.deliveries[i] = rig_delivery_of(appends.ids[i], "job", 0, false, appends.bodies[i]);
    appends.appends[i] = (struct store_append){.delivery = &appends.deliveries[i]};
    appends.pointers[i] = &appends.appends[i];
    if (model.ids[id].seq == 0) {
        model.ids[id].seq = ++model.head;
        model.ids[id].body = body;
        appends.want_verdicts[i] = STORE_VERDICT_STORED;
    } else {
        appends.want_verdicts[i] =
            model.ids[id].body == body ? STORE_VERDICT_DUPLICATE : STORE_VERDICT_CONFLICT;
    }
    appends.want_seqs[i] = model.ids[id].seq;
}

static void check_appends(void)
{
    for (size_t i = 0; i < appends.n; i++) {
        ck_assert_int_eq(appends.appends[i].verdict, appends.want_verdicts[i]);
        ck_assert_uint_eq(appends.appends[i].seq, appends.want_seqs[i]);
    }
}

/* ---- settles ---- */

static struct settles {
    struct store_settle settles[N_SINKS];
    const struct store_settle *pointers[N_SINKS];
    struct store_outcome outcomes[N_SINKS][MAX_HEAD];
    size_t n;
} settles;

static void add_outcome(struct store_settle *settle, uint64_t seq, enum model_state state)
{
    static const enum store_state states[] = {
        [MODEL_SETTLED] = STORE_STATE_DONE,
        [MODEL_PENDING] = STORE_STATE_PENDING,
        [MODEL_DEAD] = STORE_STATE_DEAD,
    };
    struct store_outcome *outcomes = settles.outcomes[settle - settles.settles];

    outcomes[settle->n_outcomes++] =
        (struct store_outcome){.seq = seq, .state = states[state], .attempts = (unsigned int)seq};
}

/* What is fresh becomes anything. */
static void advance(struct model_sink *sink, struct store_settle *settle)
{
    while (sink->frontier < model.head && random_below(30) != 0) {
        enum model_state state = random_below(4) == 0 ? 1 + random_below(2) : MODEL_SETTLED;

        sink->states[++sink->frontier] = state;
        if (state != MODEL_SETTLED || random_below(4) == 0)
            add_outcome(settle, sink->frontier, state);
        if (state != MODEL_SETTLED)
            continue;
        if (random_below(3) == 0)
            settle->filtered++;
        else
            settle->delivered++;
    }
    settle->frontier = sink->frontier;
}

/* What was fresh before becomes something else. */
static void change(struct model_sink *sink, struct store_settle *settle, uint64_t upto)
{
    for (uint64_t seq = 1; seq <= upto; seq++) {
        enum model_state state = random_below(3);

        if (random_below(8) != 0 || (state == MODEL_SETTLED && sink->states[seq] == state))
            continue;
        if (state == MODEL_SETTLED)
            settle->delivered++;
        else if (sink->states[seq] == MODEL_SETTLED)
            sink->requeued++;
        sink->states[seq] = state;
        add_outcome(settle, seq, state);
    }
}

static void model_settle(struct model_sink *sink)
{
    struct store_settle *settle = &settles.settles[settles.n];
    uint64_t old = sink->frontier;

    *settle = (struct store_settle){.sink = sink->id, .outcomes = settles.outcomes[settles.n]};
    if (random_below(3) != 0)
        advance(sink, settle);
    change(sink, settle, old);
    settles.pointers[settles.n++] = settle;
}

/* ---- checks ---- */

static void check_rows(const struct model_sink *sink, enum store_state state, enum model_state want)
{
    static struct rig_seqs seqs;
    size_t n = 0;

    seqs.n = 0;
    ck_assert_int_ge(
        store_scan_rows(rig.reader, sink->id, state, 0, SIZE_MAX, rig_on_row, &seqs, &rig.error),
        0);
    for (uint64_t seq = 1; seq <= sink->frontier; seq++) {
        if (sink->states[seq] != want)
            continue;
        ck_assert_uint_lt(n, seqs.n);
        ck_assert_uint_eq(seqs.seqs[n++], seq);
    }
    ck_assert_uint_eq(n, seqs.n);
}

static void check_sink(const struct model_sink *sink)
{
    struct store_sink got = rig_read_sink(sink->id); /* checks the sum */
    uint64_t dead = 0, pending = 0;

    for (uint64_t seq = 1; seq <= sink->frontier; seq++) {
        dead += sink->states[seq] == MODEL_DEAD;
        pending += sink->states[seq] == MODEL_PENDING;
    }
    ck_assert_uint_eq(got.start, sink->start);
    ck_assert_uint_eq(got.frontier, sink->frontier);
    ck_assert_uint_eq(got.delivered, sink->delivered);
    ck_assert_uint_eq(got.filtered, sink->filtered);
    ck_assert_uint_eq(got.requeued, sink->requeued);
    ck_assert_uint_eq(got.dead, dead);
    ck_assert_uint_eq(got.pending_rows, pending);
    check_rows(sink, STORE_STATE_PENDING, MODEL_PENDING);
    check_rows(sink, STORE_STATE_DEAD, MODEL_DEAD);
}

static void register_sinks(void)
{
    static const char *const names[N_SINKS] = {"a", "b", "c"};

    for (size_t i = 0; i < N_SINKS; i++) {
        struct store_sink sink = rig_register(names[i]);

        if (model.sinks[i].id == 0) {
            model.sinks[i].start = sink.start;
            model.sinks[i].frontier = sink.start;
        }
        model.sinks[i].id = sink.id;
    }
}

static void step(void)
{
    struct store_batch batch = {.appends = appends.pointers, .settles = settles.pointers};
    size_t n_appends = random_below(MAX_APPENDS);

    appends.n = 0;
    settles.n = 0;
    for (size_t i = 0; i < N_SINKS; i++)
        if (random_below(2) == 0)
            model_settle(&model.sinks[i]);
    for (size_t i = 0; i < n_appends; i++)
        model_append();
    batch.n_appends = appends.n;
    batch.n_settles = settles.n;
    rig.stage = random_below(4);
    RIG_OK(rig_commit(&batch));
    for (size_t i = 0; i < settles.n; i++)
        for (size_t s = 0; s < N_SINKS; s++)
            if (model.sinks[s].id == settles.settles[i].sink) {
                model.sinks[s].delivered += (uint64_t)settles.settles[i].delivered;
                model.sinks[s].filtered += (uint64_t)settles.settles[i].filtered;
            }
    check_appends();
    for (size_t i = 0; i < N_SINKS; i++)
        check_sink(&model.sinks[i]);
    ck_assert_uint_eq(rig_count_deliveries(), model.head);
}

START_TEST(test_random_walk)
{
    random_state = (uint64_t)_i;
    rig_start((enum rig_backend)((size_t)_i % RIG_N_BACKENDS));
    rig_append_many(5); /* from before the sinks */
    model.head = 5;
    register_sinks();
    for (int i = 0; i < N_STEPS; i++) {
        step();
        if (rig.backend == RIG_SQLITE && random_below(20) == 0) {
            rig_close();
            rig_open();
            register_sinks();
        }
    }
    rig_stop();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store_model");
    TCase *core = tcase_create("core");
    SRunner *runner;
    int n_failed;

    tcase_set_timeout(core, 60);
    tcase_add_loop_test(core, test_random_walk, 0, 4 * RIG_N_BACKENDS);
    suite_add_tcase(suite, core);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
