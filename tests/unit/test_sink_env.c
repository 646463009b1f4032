/* The environment of a hook. */

#include "sink/environment.h"
#include "util/cleanup.h"
#include "util/utf8.h"

#include <check.h>
#include <string.h>

extern char **environ;

static const struct delivery delivery = {
    .seq = 42,
    .received_at_usec = INT64_C(1764000000123456),
    .endpoint = "main",
    .request_id = "aa-b-c-d-ee",
};

static struct job full_job(void)
{
    return (struct job){
        .job_id = (char *)"1234567890",
        .type = (char *)"embed-signature",
        .status = (char *)"failed",
        .created_at = (char *)"2025-01-01T00:00:00Z",
        .updated_at = (char *)"2025-01-01T00:00:01.5Z",
        .signature_id = (char *)"340558932877813735",
        .output_url = (char *)"https://x.example/a?b=c=d",
        .output_url_expires_at = (char *)"2025-01-01T01:00:00Z",
        .error_code = (char *)"internal",
        .error_message = (char *)"two\nlines = \"quoted\" ü",
    };
}

static void check_env(char **got, const char *const *want)
{
    size_t n = 0;

    for (; want[n]; n++) {
        ck_assert_ptr_nonnull(got[n]);
        ck_assert_str_eq(got[n], want[n]);
    }
    ck_assert_ptr_null(got[n]);
}

START_TEST(all_fields)
{
    const char *const user_env[] = {"PATH=/opt/bin", "TZ=UTC", NULL};
    const char *const want[] = {"PATH=/opt/bin", "TZ=UTC", "SASHA_JOB_ID=1234567890",
        "SASHA_JOB_TYPE=embed-signature", "SASHA_JOB_STATUS=failed",
        "SASHA_SIGNATURE_ID=340558932877813735", "SASHA_OUTPUT_URL=https://x.example/a?b=c=d",
        "SASHA_OUTPUT_URL_EXPIRES_AT=2025-01-01T01:00:00Z", "SASHA_ERROR_CODE=internal",
        "SASHA_ERROR_MESSAGE=two\nlines = \"quoted\" ü", "SASHA_CREATED_AT=2025-01-01T00:00:00Z",
        "SASHA_UPDATED_AT=2025-01-01T00:00:01.5Z", "SASHA_REQUEST_ID=aa-b-c-d-ee",
        "SASHA_ENDPOINT=main", "SASHA_RECEIVED_AT=2025-11-24T16:00:00.123456Z", "SASHA_SEQ=42",
        "SASHA_ATTEMPT=3", "SASHA_STALE=0", "SASHA_REPLAY=1", NULL};
    struct job job = full_job();
    CLEANUP(free) char **got = NULL;

    ck_assert_int_eq(environment_new(&(struct environment_input){.user_env = user_env,
                                         .delivery = &delivery,
                                         .job = &job,
                                         .attempt = 3,
                                         .replay = true},
                         &got),
        0);
    check_env(got, want);
}
END_TEST

START_TEST(missing_fields_are_unset)
{
    const char *const want[] = {"PATH=/usr/local/bin:/usr/bin:/bin", "SASHA_JOB_ID=1",
        "SASHA_JOB_TYPE=t", "SASHA_JOB_STATUS=s", "SASHA_CREATED_AT=c", "SASHA_UPDATED_AT=u",
        "SASHA_REQUEST_ID=aa-b-c-d-ee", "SASHA_ENDPOINT=main",
        "SASHA_RECEIVED_AT=2025-11-24T16:00:00.123456Z", "SASHA_SEQ=18446744073709551615",
        "SASHA_ATTEMPT=1", "SASHA_STALE=1", "SASHA_REPLAY=0", NULL};
    const struct job job = {.job_id = (char *)"1",
        .type = (char *)"t",
        .status = (char *)"s",
        .created_at = (char *)"c",
        .updated_at = (char *)"u"};
    struct delivery stale = delivery;
    CLEANUP(free) char **got = NULL;

    stale.stale = true;
    stale.seq = UINT64_MAX;
    ck_assert_int_eq(environment_new(
                         &(struct environment_input){
                             .user_env = NULL, .delivery = &stale, .job = &job, .attempt = 1},
                         &got),
        0);
    check_env(got, want);
}
END_TEST

/* Set for what report mode let pass, and for nothing else. */
START_TEST(unverified)
{
    static const char *const marks[] = {NULL, "", "signature-wrong"};
    struct job job = full_job();
    struct delivery marked = delivery;
    CLEANUP(free) char **got = NULL;
    const char *found = NULL;

    marked.unverified = marks[_i];
    ck_assert_int_eq(
        environment_new(
            &(struct environment_input){.delivery = &marked, .job = &job, .attempt = 1}, &got),
        0);
    for (size_t i = 0; got[i]; i++)
        if (strncmp(got[i], "SASHA_UNVERIFIED", strlen("SASHA_UNVERIFIED")) == 0)
            found = got[i];
    if (_i < 2)
        ck_assert_ptr_null(found);
    else
        ck_assert_str_eq(found, "SASHA_UNVERIFIED=signature-wrong");
}
END_TEST

START_TEST(nothing_of_the_daemon_passes)
{
    struct job job = full_job();
    CLEANUP(free) char **got = NULL;

    setenv("NOTIFY_SOCKET", "/run/x", 1);
    setenv("CREDENTIALS_DIRECTORY", "/run/credentials", 1);
    setenv("LD_PRELOAD", "", 1);
    ck_assert_int_eq(
        environment_new(
            &(struct environment_input){.delivery = &delivery, .job = &job, .attempt = 1}, &got),
        0);
    for (size_t i = 0; got[i]; i++)
        ck_assert_msg(
            strncmp(got[i], "SASHA_", 6) == 0 || strncmp(got[i], "PATH=", 5) == 0, "%s", got[i]);
}
END_TEST

START_TEST(long_field_is_cut_between_characters)
{
    static char message[ENVIRONMENT_VALUE_MAX * 2 + 1];
    struct job job = full_job();
    CLEANUP(free) char **got = NULL;
    const char *value = NULL;

    /* One byte, then characters of three: the limit falls inside one. */
    message[0] = 'x';
    for (size_t i = 1; i + 3 < sizeof(message); i += 3)
        memcpy(message + i, "€", 3);
    job.error_message = message;
    ck_assert_int_eq(
        environment_new(
            &(struct environment_input){.delivery = &delivery, .job = &job, .attempt = 1}, &got),
        0);
    for (size_t i = 0; got[i]; i++)
        if (strncmp(got[i], "SASHA_ERROR_MESSAGE=", 20) == 0)
            value = got[i] + 20;
    ck_assert_ptr_nonnull(value);
    ck_assert_uint_le(strlen(value), ENVIRONMENT_VALUE_MAX);
    ck_assert_uint_ge(strlen(value), ENVIRONMENT_VALUE_MAX - 3);
    ck_assert_uint_eq((strlen(value) - 1) % 3, 0);
}
END_TEST

static const struct {
    const char *user_env[3];
    const char *want; /* part of the text; NULL: accepted */
} check_rows[] = {
    {{NULL}, NULL},
    {{"A=", "B=x=y"}, NULL},
    {{"_a1=x"}, NULL},
    {{"SASHA=x"}, NULL},
    {{"SASHA_MODE=x"}, "SASHA_MODE: names that begin with SASHA_ are the daemon's own"},
    {{"SASHA_=x"}, "daemon's own"},
    {{"A"}, "\"A\" is no variable; write NAME=value"},
    {{"=x"}, "is no variable"},
    {{""}, "is no variable"},
    {{"1A=x"}, "is no variable"},
    {{"A B=x"}, "is no variable"},
    {{"A-B=x"}, "is no variable"},
    {{"A=1", "A=2"}, "A is set twice"},
};

START_TEST(user_env_is_checked)
{
    struct error error = ERROR_INIT;
    int r = environment_check(check_rows[_i].user_env, &error);

    ck_assert_int_eq(r == 0, check_rows[_i].want == NULL);
    if (check_rows[_i].want)
        ck_assert_msg(strstr(error.text, check_rows[_i].want) != NULL, "%s", error.text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sink_env");
    TCase *core = tcase_create("core");
    TCase *limits = tcase_create("limits");
    TCase *errors = tcase_create("errors");
    SRunner *runner;
    int n_failed;

    tcase_add_test(core, all_fields);
    tcase_add_test(core, missing_fields_are_unset);
    tcase_add_loop_test(core, unverified, 0, 3);
    tcase_add_test(core, nothing_of_the_daemon_passes);
    tcase_add_test(limits, long_field_is_cut_between_characters);
    tcase_add_loop_test(errors, user_env_is_checked, 0, ARRAY_SIZE(check_rows));
    suite_add_tcase(suite, core);
    suite_add_tcase(suite, limits);
    suite_add_tcase(suite, errors);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed == 0 ? 0 : 1;
}
