/*
 * What the intake tells about itself: counters of endpoints and credentials, and that they go on
 * across a reload; the time to the verdict; refused requests; and report mode from the outside.
 */

#include "intake_rig.h"

static struct rig rig;

static void setup(void)
{
    rig_init(&rig);
    rig.options.keep_refused = 10;
    rig_start(&rig, "127.0.0.1:0");
}

static void teardown(void)
{
    rig_stop(&rig);
}

#define AUTH "Authorization: Bearer " RIG_TOKEN "\r\n"

static struct intake_endpoint_stats stats_of(const char *name)
{
    struct intake_endpoint_stats stats[8] = {0};
    const size_t n = intake_get_endpoints(rig.intake, stats, 8);

    for (size_t i = 0; i < n; i++) {
        if (strcmp(stats[i].name, name) == 0)
            return stats[i];
    }
    ck_abort_msg("no endpoint %s", name);
}

static int post(const char *path, const char *url, const char *secret, const char *id,
    const char *body, const char *headers)
{
    char text[2048];
    const int n = rig_callback(text, sizeof(text), path, url, secret, id, body, headers);

    return rig_exchange(&rig, text, (size_t)n).status;
}

static int post_main(const char *secret, const char *id, const char *headers)
{
    return post(RIG_PATH, RIG_URL, secret, id, RIG_JOB, headers);
}

static void reload(const struct verify_options *options)
{
    struct intake_change *change = NULL;
    struct error error = ERROR_INIT;

    ck_assert_msg(intake_prepare(rig.intake, options, &change, &error) == 0, "%s", error.text);
    intake_commit(rig.intake, change);
}

/* ---- counters ---- */

START_TEST(test_endpoints_count)
{
    const int64_t begun = clock_realtime(clock_system());
    struct intake_endpoint_stats got = stats_of("main");

    ck_assert_uint_eq(intake_get_endpoints(rig.intake, NULL, 0), 3);
    ck_assert_int_eq(got.last_valid_at_usec, 0);
    ck_assert_uint_eq(got.n_tokens, 1);
    ck_assert_uint_eq(got.n_secrets, 1);
    ck_assert_str_eq(got.tokens[0].name, "1");
    ck_assert_str_eq(got.secrets[0].name, "current");
    ck_assert_int_eq(got.tokens[0].last_used_at_usec, 0);

    ck_assert_int_eq(post_main(RIG_SECRET, "a", AUTH), 202);
    ck_assert_int_eq(post_main(RIG_SECRET, "a", AUTH), 200);
    ck_assert_int_eq(post_main(RIG_SECRET, "b", ""), 401);
    ck_assert_int_eq(post_main(RIG_OTHER_SECRET, "b", AUTH), 401);
    got = stats_of("main");
    ck_assert_uint_eq(got.reasons[REASON_ACCEPTED], 1);
    ck_assert_uint_eq(got.reasons[REASON_DUPLICATE], 1);
    ck_assert_uint_eq(got.reasons[REASON_TOKEN_MISSING], 1);
    ck_assert_uint_eq(got.reasons[REASON_SIGNATURE_WRONG], 1);
    ck_assert_uint_eq(got.unverified, 0);
    ck_assert(!got.report);
    /* Only what was proven is use. */
    ck_assert_uint_eq(got.tokens[0].used, 2);
    ck_assert_uint_eq(got.secrets[0].used, 2);
    ck_assert_int_ge(got.last_valid_at_usec, begun);
    ck_assert_int_ge(got.tokens[0].last_used_at_usec, begun);
    ck_assert_int_ge(got.secrets[0].last_used_at_usec, begun);
    ck_assert_int_le(got.last_valid_at_usec, clock_realtime(clock_system()));

    /* Each secret on its own, and each endpoint. */
    ck_assert_int_eq(
        post("/ids", "https://ids.example/ids", RIG_OTHER_SECRET, "c", RIG_JOB, ""), 202);
    got = stats_of("ids");
    ck_assert_uint_eq(got.reasons[REASON_ACCEPTED], 1);
    ck_assert_uint_eq(got.n_tokens, 0);
    ck_assert_uint_eq(got.secrets[0].used, 0);
    ck_assert_int_eq(got.secrets[0].last_used_at_usec, 0);
    ck_assert_uint_eq(got.secrets[1].used, 1);
    ck_assert_uint_eq(stats_of("main").reasons[REASON_ACCEPTED], 1);
    ck_assert_uint_eq(stats_of("aged").reasons[REASON_ACCEPTED], 0);
    ck_assert_int_eq(stats_of("aged").last_valid_at_usec, 0);
}
END_TEST

/* A callback that is too old, or no Job, tells nothing about what SASHA uses now. */
START_TEST(test_refused_is_no_use)
{
    ck_assert_int_eq(post("/aged", "https://aged.example/aged", RIG_SECRET, "a", RIG_JOB, ""), 403);
    ck_assert_int_eq(post("/aged", "https://aged.example/aged", RIG_SECRET, "a", "{}", ""), 400);
    ck_assert_uint_eq(stats_of("aged").secrets[0].used, 0);
    ck_assert_int_eq(stats_of("aged").last_valid_at_usec, 0);
    ck_assert_uint_eq(stats_of("aged").reasons[REASON_STALE], 1);
    ck_assert_uint_eq(stats_of("aged").reasons[REASON_JOB_MALFORMED], 1);
}
END_TEST

/* A token is the same by its bytes, a secret by its name, wherever they stand. */
START_TEST(test_counters_go_on_across_reload)
{
    const char *tokens[] = {"another-token-012345", RIG_TOKEN};
    struct verify_secret_options secrets[2];
    struct intake_endpoint_stats got;
    struct rig_rules rules;

    ck_assert_int_eq(post_main(RIG_SECRET, "a", AUTH), 202);
    rig_rules_init(&rules, RIG_TOKEN);
    secrets[0] = (struct verify_secret_options){"next", NULL, rig_key(RIG_OTHER_SECRET)};
    secrets[1] = rules.main_secrets[0];
    rules.endpoints[2] = rules.endpoints[0];
    rules.endpoints[2].tokens = tokens;
    rules.endpoints[2].n_tokens = 2;
    rules.endpoints[2].secrets = secrets;
    rules.endpoints[2].n_secrets = 2;
    rules.endpoints[0] = rules.endpoints[1];
    rules.endpoints[0].name = "new";
    rules.endpoints[0].path = "/new";
    reload(&rules.options);

    ck_assert_uint_eq(intake_get_endpoints(rig.intake, &got, 1), 3);
    ck_assert_str_eq(got.name, "new");
    ck_assert_uint_eq(got.secrets[0].used, 0);
    got = stats_of("main");
    ck_assert_uint_eq(got.reasons[REASON_ACCEPTED], 1);
    ck_assert_int_gt(got.last_valid_at_usec, 0);
    ck_assert_uint_eq(got.n_tokens, 2);
    ck_assert_str_eq(got.tokens[1].name, "2");
    ck_assert_uint_eq(got.tokens[0].used, 0);
    ck_assert_uint_eq(got.tokens[1].used, 1);
    ck_assert_str_eq(got.secrets[0].name, "next");
    ck_assert_uint_eq(got.secrets[0].used, 0);
    ck_assert_str_eq(got.secrets[1].name, "current");
    ck_assert_uint_eq(got.secrets[1].used, 1);

    /* A secret of the same name in another endpoint is another. */
    RIG_WAIT(
        post_main(RIG_OTHER_SECRET, "b", "Authorization: Bearer another-token-012345\r\n") != 401);
    got = stats_of("main");
    ck_assert_uint_ge(got.tokens[0].used, 1);
    ck_assert_uint_eq(got.tokens[1].used, 1);
    ck_assert_uint_ge(got.secrets[0].used, 1);

    /* Gone and back: counted anew. */
    rules.endpoints[2].name = "renamed";
    reload(&rules.options);
    rules.endpoints[2].name = "main";
    reload(&rules.options);
    ck_assert_uint_eq(stats_of("main").reasons[REASON_ACCEPTED], 0);
    ck_assert_uint_eq(stats_of("main").tokens[1].used, 0);
}
END_TEST

/* What is under way when the rules change still counts. */
START_TEST(test_request_in_flight_counts)
{
    char text[1024];
    const int n = rig_good(text, sizeof(text), "a");
    struct rig_rules rules;
    int fd = rig_connect(&rig);

    atomic_store(&rig.writer->mode, RIG_WRITER_HOLD);
    rig_send(fd, text, (size_t)n);
    RIG_WAIT(atomic_load(&rig.writer->posted) == 1);
    rig_rules_init(&rules, RIG_TOKEN);
    reload(&rules.options);
    reload(&rules.options);
    atomic_store(&rig.writer->mode, RIG_WRITER_OK);
    ck_assert_int_eq(rig_receive(fd, false).status, 202);
    ck_assert_uint_eq(stats_of("main").reasons[REASON_ACCEPTED], 1);
    ck_assert_uint_eq(stats_of("main").tokens[0].used, 1);
    close(fd);
}
END_TEST

START_TEST(test_too_many_credentials)
{
    const char *tokens[INTAKE_CREDENTIALS_MAX + 1];
    struct intake_change *change = NULL;
    struct error error = ERROR_INIT;
    struct rig_rules rules;

    for (size_t i = 0; i < INTAKE_CREDENTIALS_MAX + 1; i++)
        tokens[i] = RIG_TOKEN;
    rig_rules_init(&rules, RIG_TOKEN);
    rules.endpoints[0].tokens = tokens;
    rules.endpoints[0].n_tokens = INTAKE_CREDENTIALS_MAX + 1;
    ck_assert_int_eq(intake_prepare(rig.intake, &rules.options, &change, &error), -EINVAL);
    ck_assert_str_eq(error.text, "endpoint \"main\" has more than 16 tokens or secrets");
    ck_assert_ptr_null(change);
    rules.endpoints[0].n_tokens = INTAKE_CREDENTIALS_MAX;
    ck_assert_int_eq(intake_prepare(rig.intake, &rules.options, &change, &error), 0);
    intake_abandon(change);
}
END_TEST

static void *read_on(void *context)
{
    _Atomic bool *stop = context;
    struct intake_endpoint_stats stats[3];

    while (!atomic_load(stop)) {
        ck_assert_uint_eq(intake_get_endpoints(rig.intake, stats, 3), 3);
        ck_assert_uint_le(stats[0].tokens[0].used, 1);
    }
    return NULL;
}

/* Readers on another thread while rules come and go: for the sanitizers. */
START_TEST(test_reading_while_reloading)
{
    _Atomic bool stop = false;
    struct rig_rules rules;
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, read_on, &stop), 0);
    ck_assert_int_eq(post_main(RIG_SECRET, "a", AUTH), 202);
    rig_rules_init(&rules, RIG_TOKEN);
    for (int i = 0; i < 50; i++)
        reload(&rules.options);
    atomic_store(&stop, true);
    pthread_join(thread, NULL);
    ck_assert_uint_eq(stats_of("main").tokens[0].used, 1);
}
END_TEST

START_TEST(test_latency)
{
    struct intake_latency got;
    char text[1024];
    const int n = rig_good(text, sizeof(text), "slow");
    uint64_t below = 0, all = 0;
    int fd;

    for (size_t i = 1; i < INTAKE_BUCKETS - 1; i++)
        ck_assert_int_gt(intake_bucket_usec[i], intake_bucket_usec[i - 1]);
    ck_assert_int_eq(post_main(RIG_SECRET, "a", ""), 401); /* never reaches the store */
    intake_get_latency(rig.intake, &got);
    for (size_t i = 0; i < INTAKE_BUCKETS; i++)
        ck_assert_uint_eq(got.buckets[i], 0);
    ck_assert_int_eq(got.sum_usec, 0);

    fd = rig_connect(&rig);
    atomic_store(&rig.writer->mode, RIG_WRITER_HOLD);
    rig_send(fd, text, (size_t)n);
    RIG_WAIT(atomic_load(&rig.writer->posted) == 1);
    usleep(120000);
    atomic_store(&rig.writer->mode, RIG_WRITER_OK);
    ck_assert_int_eq(rig_receive(fd, false).status, 202);
    intake_get_latency(rig.intake, &got);
    for (size_t i = 0; i < INTAKE_BUCKETS; i++) {
        all += got.buckets[i];
        if (i < INTAKE_BUCKETS - 1 && intake_bucket_usec[i] <= 100000)
            below += got.buckets[i];
    }
    ck_assert_uint_eq(all, 1);
    ck_assert_uint_eq(below, 0);
    ck_assert_int_ge(got.sum_usec, 120000);
    ck_assert_int_lt(got.sum_usec, 5 * USEC_PER_SEC);
    close(fd);
}
END_TEST

/* ---- refused requests ---- */

static int copy_newest(const struct intake_refused *refused, void *context)
{
    memcpy(context, refused->id, sizeof(refused->id));
    return 1;
}

static struct intake_refused *newest(void)
{
    struct intake_refused *refused = NULL;
    char id[32] = "";

    /* An answer written in the middle of a body is out before the request is over and kept. */
    for (int i = 0; i < 2000 && id[0] == '\0'; i++) {
        intake_walk_refused(rig.intake, copy_newest, id);
        if (id[0] == '\0')
            usleep(1000);
    }
    ck_assert_str_ne(id, "");
    ck_assert_int_eq(intake_get_refused(rig.intake, id, &refused), 0);
    return refused;
}

static const char *value_of(const struct intake_refused *refused, const char *name)
{
    for (size_t i = 0; i < refused->n_headers; i++) {
        if (strcmp(refused->headers[i].name, name) == 0)
            return refused->headers[i].value;
    }
    return NULL;
}

/* The body is there whether the head was refused or the signature. */
START_TEST(test_refused_is_kept)
{
    CLEANUP(free) struct intake_refused *got = NULL;

    ck_assert_int_eq(post_main(_i == 0 ? RIG_SECRET : RIG_OTHER_SECRET, "a",
                         _i == 0 ? "Authorization: Bearer hush-hush-hush\r\n" : AUTH),
        401);
    got = newest();
    ck_assert_int_eq(got->reason, _i == 0 ? REASON_TOKEN_WRONG : REASON_SIGNATURE_WRONG);
    ck_assert_str_eq(got->endpoint, "main");
    ck_assert_str_eq(got->method, "POST");
    ck_assert_str_eq(got->target, RIG_PATH);
    ck_assert_int_eq(strncmp(got->peer, "127.0.0.1:", 10), 0);
    ck_assert_int_gt(got->at_usec, 0);
    ck_assert_str_eq(value_of(got, "SASHA-Request-ID"), "a");
    ck_assert_str_eq(value_of(got, "Host"), "your-app.com");
    ck_assert_str_eq(
        value_of(got, "Authorization"), _i == 0 ? "Bearer <14 bytes>" : "Bearer <24 bytes>");
    ck_assert_uint_eq(got->body_length, strlen(RIG_JOB));
    ck_assert_mem_eq(got->body, RIG_JOB, strlen(RIG_JOB));
    ck_assert_uint_eq(got->body_cut, 0);
}
END_TEST

/* Requests that end in each way a refusal can. */
static const struct {
    const char *text;
    enum reason want_reason;
    const char *want_method, *want_target, *want_endpoint, *want_body;
    size_t want_cut;
} kept[] = {
    {"GET /nowhere?a=b HTTP/1.1\r\nHost: x\r\n\r\n", REASON_PATH, "GET", "/nowhere?a=b", "", "", 0},
    {"POST /nowhere HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
     "chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n"
     "0\r\n\r\n",
        REASON_PATH, "POST", "/nowhere", "", "abcde", 0},
    {"PUT /ids HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", REASON_METHOD, "PUT", "/ids",
        "ids", "{}", 0},
    {"POST /ids HTTP/1.1\r\nHost: x\r\nHost: y\r\nContent-Length: 2\r\n\r\n{}", REASON_FRAMING,
        "POST", "/ids", "", "", 0},
    {"POST /ids HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n", REASON_TOO_LARGE, "POST",
        "/ids", "ids", "", 5000},
    {"POST /ids HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", REASON_FRAMING,
        "", "/ids", "ids", "", 0},
};

START_TEST(test_every_way_of_refusing)
{
    CLEANUP(free) struct intake_refused *got = NULL;

    rig_exchange(&rig, kept[_i].text, strlen(kept[_i].text));
    RIG_WAIT(rig_count(&rig, kept[_i].want_reason) == 1);
    got = newest();
    ck_assert_int_eq(got->reason, kept[_i].want_reason);
    ck_assert_str_eq(got->method, kept[_i].want_method);
    ck_assert_str_eq(got->target, kept[_i].want_target);
    ck_assert_str_eq(got->endpoint, kept[_i].want_endpoint);
    ck_assert_uint_eq(got->body_length, strlen(kept[_i].want_body));
    ck_assert_mem_eq(got->body, kept[_i].want_body, got->body_length);
    ck_assert_uint_eq(got->body_cut, kept[_i].want_cut);
}
END_TEST

/* A chunked body beyond max_body: its beginning, and at least how much more there was. */
START_TEST(test_overflow_is_kept)
{
    CLEANUP(free) struct intake_refused *got = NULL;
    static char chunk[8192 + 16];
    int fd = rig_connect(&rig), n = snprintf(chunk, sizeof(chunk), "2000\r\n");

    memset(chunk + n, 'x', 8192);
    memcpy(chunk + n + 8192, "\r\n", 2);
    rig_send_text(fd, "POST " RIG_PATH " HTTP/1.1\r\nHost: x\r\n" AUTH
                      "SASHA-Request-ID: a\r\nSASHA-Request-Signature: " RIG_SIGNATURE
                      "\r\nTransfer-Encoding: chunked\r\n\r\n");
    rig_send(fd, chunk, (size_t)n + 8194);
    ck_assert_int_eq(rig_receive(fd, false).status, 413);
    got = newest();
    ck_assert_int_eq(got->reason, REASON_TOO_LARGE);
    ck_assert_uint_gt(got->body_length, 0);
    ck_assert_uint_gt(got->body_length + got->body_cut, 4096);
    for (size_t i = 0; i < got->body_length; i++)
        ck_assert_int_eq(got->body[i], 'x');
    close(fd);
}
END_TEST

static int count_one(const struct intake_refused *refused, void *context)
{
    ++*(size_t *)context;
    return 0;
}

START_TEST(test_ring_is_bounded)
{
    size_t n = 0;

    for (int i = 0; i < 15; i++)
        ck_assert_int_eq(post_main(RIG_SECRET, "a", ""), 401);
    intake_walk_refused(rig.intake, count_one, &n);
    ck_assert_uint_eq(n, 10);
}
END_TEST

/* What is accepted, and what only our own state refuses, is not kept. */
START_TEST(test_others_are_not_kept)
{
    size_t n = 0;

    ck_assert_int_eq(post_main(RIG_SECRET, "a", AUTH), 202);
    ck_assert_int_eq(post_main(RIG_SECRET, "a", AUTH), 200);
    atomic_store(&rig.writer->mode, RIG_WRITER_REFUSE);
    ck_assert_int_eq(post_main(RIG_SECRET, "b", AUTH), 503);
    rig_exchange(&rig, "GET /healthz HTTP/1.0\r\n\r\n", 25);
    intake_walk_refused(rig.intake, count_one, &n);
    ck_assert_uint_eq(n, 0);
}
END_TEST

/* ---- report mode ---- */

static void report_main(void)
{
    struct rig_rules rules;

    rig_rules_init(&rules, RIG_TOKEN);
    rules.endpoints[0].report = true;
    reload(&rules.options);
    /* Each worker takes the rules in its own time. */
    for (int i = 0, row = 0; row < 50; i++) {
        char id[16];

        ck_assert_int_lt(i, 2000);
        snprintf(id, sizeof(id), "probe-%d", i);
        row = post_main(RIG_SECRET, id, "") == 202 ? row + 1 : 0;
    }
}

START_TEST(test_report_answers_as_if_verified)
{
    const char *good = AUTH;
    struct intake_endpoint_stats got, before;
    CLEANUP(free) struct intake_refused *refused = NULL;

    report_main();
    before = stats_of("main");
    ck_assert(before.report);
    ck_assert_uint_ge(before.unverified, 50);
    ck_assert_int_eq(before.last_valid_at_usec, 0);
    ck_assert_uint_eq(before.tokens[0].used, 0);
    ck_assert_uint_ge(before.secrets[0].used, 50); /* the secret did match */

    ck_assert_int_eq(post_main(RIG_OTHER_SECRET, "x", good), 202);
    refused = newest();
    ck_assert_int_eq(refused->reason, REASON_SIGNATURE_WRONG);
    ck_assert_str_eq(refused->detail, "passed on unverified, as verify = \"report\" asks");
    ck_assert_uint_eq(refused->body_length, strlen(RIG_JOB));
    ck_assert_int_eq(post_main(RIG_OTHER_SECRET, "x", good), 200);
    ck_assert_int_eq(post_main(RIG_SECRET, "y", good), 202);
    got = stats_of("main");
    ck_assert_uint_eq(got.unverified, before.unverified + 1);
    ck_assert_uint_eq(got.reasons[REASON_ACCEPTED], before.reasons[REASON_ACCEPTED] + 2);
    ck_assert_uint_eq(got.reasons[REASON_DUPLICATE], before.reasons[REASON_DUPLICATE] + 1);
    ck_assert_uint_eq(got.reasons[REASON_SIGNATURE_WRONG], 0);
    ck_assert_uint_eq(got.tokens[0].used, 3);
    ck_assert_int_gt(got.last_valid_at_usec, 0);

    /* Not everything passes, and not at the other endpoints. */
    ck_assert_int_eq(post(RIG_PATH, RIG_URL, RIG_SECRET, "z{", RIG_JOB, good), 400);
    ck_assert_int_eq(post(RIG_PATH, RIG_URL, RIG_SECRET, "z", "{}", good), 400);
    ck_assert_int_eq(post("/ids", "https://ids.example/no", RIG_SECRET, "z", RIG_JOB, ""), 401);
    ck_assert(!stats_of("ids").report);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("intake_looking");
    TCase *core = tcase_create("core"), *limits = tcase_create("limits"),
          *errors = tcase_create("errors");

    tcase_add_checked_fixture(core, setup, teardown);
    tcase_add_test(core, test_endpoints_count);
    tcase_add_test(core, test_counters_go_on_across_reload);
    tcase_add_test(core, test_request_in_flight_counts);
    tcase_add_test(core, test_reading_while_reloading);
    tcase_add_test(core, test_latency);
    tcase_add_loop_test(core, test_refused_is_kept, 0, 2);
    tcase_add_loop_test(core, test_every_way_of_refusing, 0, (int)(sizeof(kept) / sizeof(kept[0])));
    tcase_add_test(core, test_report_answers_as_if_verified);
    suite_add_tcase(s, core);

    tcase_add_checked_fixture(limits, setup, teardown);
    tcase_add_test(limits, test_overflow_is_kept);
    tcase_add_test(limits, test_ring_is_bounded);
    tcase_add_test(limits, test_too_many_credentials);
    suite_add_tcase(s, limits);

    tcase_add_checked_fixture(errors, setup, teardown);
    tcase_add_test(errors, test_refused_is_no_use);
    tcase_add_test(errors, test_others_are_not_kept);
    suite_add_tcase(s, errors);
    return s;
}

int main(void)
{
    SRunner *runner = srunner_create(suite());
    int failed;

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
