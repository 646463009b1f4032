/*
 * The text for Prometheus: exact where it matters, and as promtool likes it where there is one.
 */

#include "admin/metrics.h"

#include "admin_fakes.h"

#include "util/fd.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>

static const struct process_stats process = {
    .cpu_usec = 1230000,
    .threads = 5,
    .virtual_bytes = 1 << 20,
    .resident_bytes = 4096,
    .open_fds = 12,
    .max_fds = 1024,
};

/* What metrics_write gives, NUL-terminated; owned by the caller. */
static char *text_of(const struct overview *overview)
{
    const struct metrics_more more = {.process = &process, .log_counts = {1, 2, 3, 0}};
    struct buf out = BUF_INIT;

    metrics_write(overview, &more, &out);
    buf_append(&out, "", 1);
    ck_assert(!out.failed);
    return (char *)out.data;
}

static struct overview_sink sink(void)
{
    struct overview_sink sink = {.stats = fake.stats, .store = fake.sink};

    overview_add_up(&sink, 10);
    return sink;
}

static struct overview overview_with(struct overview_sink *sinks)
{
    struct overview overview = {
        .now_usec = FAKE_NOW,
        .started_at_usec = FAKE_NOW - 1500000,
        .conf_since_usec = FAKE_NOW - 500000,
        .reload_has_failed = true,
        .cuts = {[INTAKE_CUT_BODY] = 6},
        .endpoints = &fake.endpoint,
        .n_endpoints = 1,
        .unrouted = {[REASON_PATH] = 2},
        .open_connections = 3,
        .max_connections = 1024,
        .latency = {.buckets = {[0] = 1, [2] = 2, [INTAKE_BUCKETS - 1] = 1}, .sum_usec = 7000250},
        .writer = {.commits = 2,
            .works = 5,
            .batch_buckets = {[0] = 1, [2] = 1},
            .commit_buckets = {[3] = 2},
            .commit_usec = 3000},
        .store_is_readable = true,
        .store = fake.store,
        .sinks = sinks,
        .n_sinks = sinks ? 1 : 0,
    };

    return overview;
}

/* Each must stand there as a whole. */
static const char *const wanted[] = {
    "\n# HELP sasha_callbacks_total Requests by endpoint (empty: none was found) and outcome: "
    "accepted, duplicate, conflict, or why it was refused.\n# TYPE sasha_callbacks_total counter\n"
    "sasha_callbacks_total{endpoint=\"main\",outcome=\"accepted\"} 10\n",
    "\nsasha_callbacks_total{endpoint=\"main\",outcome=\"token-wrong\"} 3\n",
    "\nsasha_callbacks_total{endpoint=\"main\",outcome=\"conflict\"} 0\n",
    "\nsasha_callbacks_total{endpoint=\"\",outcome=\"path\"} 2\n",
    "\nsasha_start_time_seconds 1767225598.500000\n",
    "\nsasha_ready 1\n",
    "\nsasha_reload_successful 0\n",
    "\nsasha_conf_timestamp_seconds 1767225599.500000\n",
    "\n# TYPE sasha_log_events_total counter\nsasha_log_events_total{level=\"err\"} 1\n"
    "sasha_log_events_total{level=\"warning\"} 2\nsasha_log_events_total{level=\"info\"} 3\n"
    "sasha_log_events_total{level=\"debug\"} 0\n",
    "\nprocess_cpu_seconds_total 1.230000\n",
    "\nprocess_resident_memory_bytes 4096\n",
    "\nprocess_open_fds 12\n",
    "\nprocess_max_fds 1024\n",
    "\nsasha_connections_cut_total{phase=\"head\"} 0\n"
    "sasha_connections_cut_total{phase=\"body\"} 6\n"
    "sasha_connections_cut_total{phase=\"answer\"} 0\n",
    "\nsasha_store_disk_floor_bytes 64\n",
    "\nsasha_connections 3\n",
    "\nsasha_connections_limit 1024\n",
    "\n# TYPE sasha_callback_duration_seconds histogram\n"
    "sasha_callback_duration_seconds_bucket{le=\"0.00025\"} 1\n"
    "sasha_callback_duration_seconds_bucket{le=\"0.0005\"} 1\n"
    "sasha_callback_duration_seconds_bucket{le=\"0.001\"} 3\n",
    "\nsasha_callback_duration_seconds_bucket{le=\"5\"} 3\n"
    "sasha_callback_duration_seconds_bucket{le=\"+Inf\"} 4\n"
    "sasha_callback_duration_seconds_sum 7.000250\nsasha_callback_duration_seconds_count 4\n",
    "\nsasha_commit_batch_size_bucket{le=\"1\"} 1\nsasha_commit_batch_size_bucket{le=\"2\"} 1\n"
    "sasha_commit_batch_size_bucket{le=\"4\"} 2\n",
    "\nsasha_commit_batch_size_bucket{le=\"512\"} 2\n"
    "sasha_commit_batch_size_bucket{le=\"+Inf\"} 2\n"
    "sasha_commit_batch_size_sum 5\nsasha_commit_batch_size_count 2\n",
    "\nsasha_commit_duration_seconds_sum 0.003000\nsasha_commit_duration_seconds_count 2\n",
    "\nsasha_store_disk_free_bytes 1000\n",
    "\nsasha_store_disk_full 0\n",
    "\nsasha_store_reserve_bytes 500\n",
    "\nsasha_sink_info{sink=\"publish\",type=\"exec\"} 1\n",
    "\nsasha_sink_delivered_total{sink=\"publish\"} 5\n",
    "\nsasha_sink_pending{sink=\"publish\"} 1\n",
    "\nsasha_sink_running{sink=\"publish\"} 1\n",
    "\nsasha_sink_dead{sink=\"publish\"} 1\n",
    "\nsasha_sink_oldest_pending_age_seconds{sink=\"publish\"} 0.000000\n",
    "\nsasha_sink_attempts_total{sink=\"publish\",result=\"delivered\"} 5\n"
    "sasha_sink_attempts_total{sink=\"publish\",result=\"retry\"} 2\n"
    "sasha_sink_attempts_total{sink=\"publish\",result=\"dead\"} 1\n"
    "sasha_sink_attempts_total{sink=\"publish\",result=\"deferred\"} 4\n",
    "\nsasha_sink_attempt_duration_seconds_bucket{sink=\"publish\",le=\"0.001\"} 0\n",
    "\nsasha_sink_attempt_duration_seconds_count{sink=\"publish\"} 0\n",
    "\nsasha_token_used_total{endpoint=\"main\",token=\"1\"} 0\n",
    "\nsasha_secret_used_total{endpoint=\"main\",secret=\"current\"} 0\n",
    "\nsasha_endpoint_report_mode{endpoint=\"main\"} 0\n",
};

START_TEST(test_text)
{
    struct overview_sink sinks[] = {sink()};
    const struct overview overview = overview_with(sinks);
    CLEANUP(free) char *got = text_of(&overview);

    ck_assert_msg(strstr(got, wanted[_i]) != NULL, "no %s in %s", wanted[_i], got);
}
END_TEST

START_TEST(test_times_that_are_not_known_are_left_out)
{
    struct overview overview = overview_with(NULL);
    CLEANUP(free) char *before = text_of(&overview);

    ck_assert_ptr_null(strstr(before, "\nsasha_last_valid_callback_timestamp_seconds{"));
    ck_assert_ptr_null(strstr(before, "\nsasha_token_last_used_timestamp_seconds{"));
    fake.endpoint.last_valid_at_usec = FAKE_NOW + 1;
    fake.endpoint.tokens[0].last_used_at_usec = FAKE_NOW;
    fake.endpoint.secrets[0].last_used_at_usec = FAKE_NOW;
    CLEANUP(free) char *after = text_of(&overview);
    ck_assert_ptr_nonnull(strstr(after,
        "\nsasha_last_valid_callback_timestamp_seconds{endpoint=\"main\"} 1767225600.000001\n"));
    ck_assert_ptr_nonnull(
        strstr(after, "\nsasha_token_last_used_timestamp_seconds{endpoint=\"main\",token=\"1\"} "
                      "1767225600.000000\n"));
    ck_assert_ptr_nonnull(strstr(after,
        "\nsasha_secret_last_used_timestamp_seconds{endpoint=\"main\",secret=\"current\"} "
        "1767225600.000000\n"));
}
END_TEST

START_TEST(test_labels_are_escaped)
{
    const struct overview overview = overview_with(NULL);

    strcpy(fake.endpoint.secrets[0].name, "a\"b\\c\nd");
    CLEANUP(free) char *got = text_of(&overview);
    ck_assert_ptr_nonnull(strstr(got, "secret=\"a\\\"b\\\\c\\nd\"} 0\n"));
}
END_TEST

START_TEST(test_store_that_cannot_be_read)
{
    struct overview_sink sinks[] = {sink()};
    struct overview overview = overview_with(sinks);

    overview.store_is_readable = false;
    CLEANUP(free) char *got = text_of(&overview);
    ck_assert_ptr_nonnull(strstr(got, "\nsasha_store_readable 0\n"));
    ck_assert_ptr_null(strstr(got, "sasha_store_head"));
    ck_assert_ptr_null(strstr(got, "sasha_sink"));
}
END_TEST

/* accepted = delivered + dead + pending + running, whatever runs by the time the store is read. */
START_TEST(test_sinks_add_up)
{
    static const struct {
        unsigned int running;
        uint64_t want_running, want_pending;
    } rows[] = {{0, 0, 2}, {1, 1, 1}, {2, 2, 0}, {9, 2, 0}};
    struct overview_sink got = {.stats = fake.stats, .store = fake.sink};

    got.stats.running = rows[_i].running;
    overview_add_up(&got, 10);
    ck_assert_uint_eq(got.running, rows[_i].want_running);
    ck_assert_uint_eq(got.pending, rows[_i].want_pending);
    ck_assert_uint_eq(got.accepted, 8);
    ck_assert_uint_eq(
        got.accepted, got.store.delivered + got.store.dead + got.pending + got.running);
}
END_TEST

static const struct {
    struct readiness_facts facts;
    struct store_stats store;
    const char *want; /* NULL: ready */
} facts[] = {
    {{.unavailable_for_usec = USEC_INFINITY}, {0}, NULL},
    {{.unavailable_for_usec = 10 * USEC_PER_SEC}, {0}, NULL},
    {{.unavailable_for_usec = 3 * USEC_PER_SEC}, {0}, "could not take what came 3 s ago"},
    {{.is_draining = true, .unavailable_for_usec = USEC_INFINITY}, {0}, "draining"},
    {{.unavailable_for_usec = USEC_INFINITY}, {.failed = true}, "failed"},
    {{.unavailable_for_usec = USEC_INFINITY}, {.below_floor = true, .disk_free = 77},
        "disk_floor: 77 bytes"},
    {{.unavailable_for_usec = USEC_INFINITY},
        {.disk_full = true, .below_floor = true, .disk_free = 77}, "was full: 77 bytes"},
    {{.store_error = "it is gone", .unavailable_for_usec = USEC_INFINITY}, {0}, "it is gone"},
};

START_TEST(test_readiness)
{
    struct readiness_facts given = facts[_i].facts;
    struct readiness got;

    given.store = &facts[_i].store;
    got = readiness_judge(&given);
    ck_assert_uint_eq(got.n_reasons, facts[_i].want ? 1 : 0);
    if (facts[_i].want)
        ck_assert_msg(strstr(got.reasons[0], facts[_i].want) != NULL, "%s", got.reasons[0]);
}
END_TEST

START_TEST(test_readiness_gives_every_reason)
{
    const struct store_stats store = {.below_floor = true};
    const struct readiness_facts given = {
        .is_draining = true, .store = &store, .unavailable_for_usec = 0};
    const struct readiness got = readiness_judge(&given);

    ck_assert_uint_eq(got.n_reasons, 3);
}
END_TEST

/* promtool is in Debian's package prometheus; without it this proves nothing and says so. */
START_TEST(test_promtool)
{
    char path[] = "/tmp/test-admin-metrics-XXXXXX", command[128];
    struct overview_sink sinks[] = {sink()};
    const struct overview overview = overview_with(sinks);
    int fd, status;

    if (system("command -v promtool >/dev/null") != 0) {
        puts("test_promtool: skipped, there is no promtool");
        return;
    }
    fake.endpoint.last_valid_at_usec = FAKE_NOW;
    fake.endpoint.tokens[0].last_used_at_usec = FAKE_NOW;
    fake.endpoint.secrets[0].last_used_at_usec = FAKE_NOW;
    CLEANUP(free) char *text = text_of(&overview);
    fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(fd_write_all(fd, text, strlen(text)), 0);
    close(fd);
    snprintf(command, sizeof(command), "promtool check metrics <%s 2>&1", path);
    status = system(command);
    unlink(path);
    ck_assert_int_eq(status, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("admin_metrics");
    TCase *core = tcase_create("core"), *limits = tcase_create("limits"),
          *errors = tcase_create("errors");
    SRunner *runner = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(core, fake_reset, NULL);
    tcase_add_loop_test(core, test_text, 0, (int)ARRAY_SIZE(wanted));
    tcase_add_loop_test(core, test_readiness, 0, (int)ARRAY_SIZE(facts));
    tcase_add_test(core, test_readiness_gives_every_reason);
    tcase_add_test(core, test_promtool);
    suite_add_tcase(s, core);
    tcase_add_checked_fixture(limits, fake_reset, NULL);
    tcase_add_loop_test(limits, test_sinks_add_up, 0, 4);
    tcase_add_test(limits, test_times_that_are_not_known_are_left_out);
    suite_add_tcase(s, limits);
    tcase_add_checked_fixture(errors, fake_reset, NULL);
    tcase_add_test(errors, test_labels_are_escaped);
    tcase_add_test(errors, test_store_that_cannot_be_read);
    suite_add_tcase(s, errors);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
