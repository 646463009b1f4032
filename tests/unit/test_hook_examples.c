/* The example hooks of conf/hooks, run by the exec sink. */

#include "sink_fixture.h"

static struct fixture *fixture;

static void setup(void)
{
    fixture = fixture_new();
}

static void teardown(void)
{
    fixture_free(fixture);
}

static void make_example(const char *name, const char *argument)
{
    char program[512];
    const char *const argv[] = {program, argument, NULL};

    snprintf(program, sizeof(program), SOURCE_ROOT "/conf/hooks/%s", name);
    fixture_make_sink(fixture,
        &(struct sink_options){
            .name = "example",
            .type = "exec",
            .exec = {.argv = argv, .timeout_usec = 20 * USEC_PER_SEC, .grace_usec = USEC_PER_SEC},
        });
}

/* Runs it through the sink; returns what it printed, NUL-terminated, owned by the caller. */
static char *run_example(struct delivery *delivery, bool replay)
{
    size_t i = fixture_add(fixture, delivery);

    fixture->items[i].replay = replay;
    fixture_deliver(fixture, i);
    ck_assert(fixture_run(fixture, 25000));
    return copy_text(fixture->items[i].output, fixture->items[i].output_length);
}

static struct delivery *make_result(uint64_t seq, const char *expires_at)
{
    char body[512];

    snprintf(body, sizeof(body),
        "{\"job_id\":\"../x\",\"type\":\"embed-signature\",\"status\":\"completed\","
        "\"created_at\":\"2025-01-01T00:00:00Z\",\"updated_at\":\"2025-01-01T00:00:00Z\","
        "\"output_url\":\"https://x.example/\",\"output_url_expires_at\":\"%s\"}",
        expires_at);
    return make_delivery_of(seq, "../x", "completed", 0, body);
}

START_TEST(publish_publishes_once)
{
    const char *folder = fixture_path(fixture, "published");
    CLEANUP(free) char *first = NULL, *again = NULL, *got = NULL;
    struct delivery *delivery = make_result(1, "2999-01-01T00:00:00Z");
    char *want = copy_text(delivery->body, delivery->body_length);
    char *file;

    make_example("publish.sh", folder);
    first = run_example(delivery, false);
    ck_assert_int_eq(fixture->results[0], SINK_DELIVERED);
    ck_assert_msg(strncmp(first, "published as ", 13) == 0, "%s", first);
    file = first + 13;
    file[strcspn(file, "\n")] = '\0';
    ck_assert_int_eq(strncmp(file, folder, strlen(folder)), 0); /* it did not leave the folder */
    got = read_text(file);
    ck_assert_str_eq(got, want);

    again = run_example(make_result(1, "2999-01-01T00:00:00Z"), false);
    ck_assert_int_eq(fixture->results[1], SINK_DELIVERED);
    ck_assert_str_eq(again, "published before\n");
    free(want);
}
END_TEST

START_TEST(publish_knows_what_is_too_late)
{
    CLEANUP(free) char *expired = NULL, *stale = NULL;
    struct delivery *delivery = make_result(2, "2999-01-01T00:00:00Z");

    make_example("publish.sh", fixture_path(fixture, "published"));
    expired = run_example(make_result(1, "2025-01-01T01:00:00Z"), false);
    ck_assert_int_eq(fixture->results[0], SINK_DEAD);
    ck_assert_str_eq(fixture->items[0].result, "exit 65");
    delivery->stale = true;
    stale = run_example(delivery, false);
    ck_assert_int_eq(fixture->results[1], SINK_DELIVERED);
    ck_assert_str_eq(stale, "not published: a newer state of the job is known\n");
}
END_TEST

START_TEST(publish_tries_again_when_it_cannot_write)
{
    CLEANUP(free) char *output = NULL;

    write_text(fixture_path(fixture, "file"), "", 0);
    make_example("publish.sh", fixture_path(fixture, "file/published"));
    output = run_example(make_result(1, "2999-01-01T00:00:00Z"), false);
    ck_assert_str_eq(fixture->items[0].result, "exit 75");
}
END_TEST

static struct delivery *make_failure(uint64_t seq)
{
    return make_delivery_of(seq, "j-1", "failed", 0,
        "{\"job_id\":\"j-1\",\"type\":\"embed-signature\",\"status\":\"failed\","
        "\"created_at\":\"2025-01-01T00:00:00Z\",\"updated_at\":\"2025-01-01T00:00:00Z\","
        "\"error\":{\"code\":\"internal\",\"message\":\"two\\nlines\"}}");
}

START_TEST(notify_tells)
{
    CLEANUP(free) char *told = NULL, *replay = NULL, *failed = NULL;

    make_example("notify.sh", "/bin/cat");
    told = run_example(make_failure(1), false);
    ck_assert_str_eq(fixture->items[0].result, "ok");
    ck_assert_str_eq(told, "SASHA job j-1 (embed-signature): failed\n"
                           "error: internal: two lines\n"
                           "at 2025-01-01T00:00:00Z, request aa-b-c-d-ee\n");
    replay = run_example(make_failure(1), true);
    ck_assert_str_eq(fixture->items[1].result, "ok");
    ck_assert_str_eq(replay, "");
    make_example("notify.sh", "/bin/false");
    failed = run_example(make_failure(1), false);
    ck_assert_str_eq(fixture->items[2].result, "exit 75");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hook_examples");
    TCase *core = tcase_create("core");
    TCase *errors = tcase_create("errors");
    SRunner *runner;
    int n_failed;

    tcase_add_checked_fixture(core, setup, teardown);
    tcase_add_checked_fixture(errors, setup, teardown);
    tcase_set_timeout(core, 60);
    tcase_set_timeout(errors, 60);
    tcase_add_test(core, publish_publishes_once);
    tcase_add_test(core, notify_tells);
    tcase_add_test(errors, publish_knows_what_is_too_late);
    tcase_add_test(errors, publish_tries_again_when_it_cannot_write);
    suite_add_tcase(suite, core);
    suite_add_tcase(suite, errors);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed == 0 ? 0 : 1;
}
