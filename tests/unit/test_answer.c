/*
 * The table of answers, as design §2 has it.
 */

#include "intake/answer.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define UNAUTHORIZED "{\"message\":\"Unauthorized\"}"
#define BEARER "WWW-Authenticate: Bearer\r\n"
#define RETRY "Retry-After: 5\r\n"

static const struct {
    enum reason reason;
    const char *want_status_line;
    const char *want_body;   /* NULL: any {"message":…} */
    const char *want_header; /* NULL: none of the special ones */
} table[] = {
    {REASON_ACCEPTED, "HTTP/1.1 202 Accepted", "{\"status\":\"accepted\"}", NULL},
    {REASON_DUPLICATE, "HTTP/1.1 200 OK", "{\"status\":\"duplicate\"}", NULL},
    {REASON_CONFLICT, "HTTP/1.1 200 OK", "{\"status\":\"duplicate\"}", NULL},
    {REASON_FRAMING, "HTTP/1.1 400 Bad Request", NULL, NULL},
    {REASON_PATH, "HTTP/1.1 404 Not Found", NULL, NULL},
    {REASON_METHOD, "HTTP/1.1 405 Method Not Allowed", NULL, "Allow: POST\r\n"},
    {REASON_TOO_LARGE, "HTTP/1.1 413 Content Too Large", NULL, NULL},
    {REASON_TOKEN_MISSING, "HTTP/1.1 401 Unauthorized", UNAUTHORIZED, BEARER},
    {REASON_TOKEN_WRONG, "HTTP/1.1 401 Unauthorized", UNAUTHORIZED, BEARER},
    {REASON_ID_MISSING, "HTTP/1.1 400 Bad Request", NULL, NULL},
    {REASON_ID_MALFORMED, "HTTP/1.1 400 Bad Request", NULL, NULL},
    {REASON_SIGNATURE_MISSING, "HTTP/1.1 401 Unauthorized", UNAUTHORIZED, BEARER},
    {REASON_SIGNATURE_MALFORMED, "HTTP/1.1 401 Unauthorized", UNAUTHORIZED, BEARER},
    {REASON_SIGNATURE_WRONG, "HTTP/1.1 401 Unauthorized", UNAUTHORIZED, BEARER},
    {REASON_SECRET_UNKNOWN, "HTTP/1.1 401 Unauthorized", UNAUTHORIZED, BEARER},
    {REASON_JOB_MALFORMED, "HTTP/1.1 400 Bad Request", NULL, NULL},
    {REASON_STALE, "HTTP/1.1 403 Forbidden", NULL, NULL},
    {REASON_STORE, "HTTP/1.1 503 Service Unavailable", NULL, RETRY},
    {REASON_OVERLOAD, "HTTP/1.1 503 Service Unavailable", NULL, RETRY},
    {REASON_INTERNAL, "HTTP/1.1 500 Internal Server Error", NULL, NULL},
};

/* 2025-01-02T03:04:05Z, a Thursday. */
#define NOW (INT64_C(1735787045) * 1000000)

START_TEST(test_row)
{
    static const char *const special[] = {
        "\r\nWWW-Authenticate:", "\r\nRetry-After:", "\r\nAllow:"};
    char got[1024], want_length[64];
    const char *body;
    int fds[2];
    ssize_t n;

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    answer_write_raw(table[_i].reason, NOW, fds[0]);
    n = recv(fds[1], got, sizeof(got) - 1, MSG_DONTWAIT);
    ck_assert_int_gt(n, 0);
    got[n] = '\0';

    ck_assert_msg(strncmp(got, table[_i].want_status_line, strlen(table[_i].want_status_line)) == 0,
        "%s", got);
    ck_assert_ptr_nonnull(strstr(got, "\r\nDate: Thu, 02 Jan 2025 03:04:05 GMT\r\n"));
    ck_assert_ptr_nonnull(strstr(got, "\r\nContent-Type: application/json\r\n"));
    ck_assert_ptr_nonnull(strstr(got, "\r\nConnection: close\r\n"));
    body = strstr(got, "\r\n\r\n") + 4;
    snprintf(want_length, sizeof(want_length), "\r\nContent-Length: %zu\r\n", strlen(body));
    ck_assert_ptr_nonnull(strstr(got, want_length));
    if (table[_i].want_body != NULL)
        ck_assert_str_eq(body, table[_i].want_body);
    else
        ck_assert_int_eq(strncmp(body, "{\"message\":\"", 12), 0);
    for (size_t i = 0; i < sizeof(special) / sizeof(special[0]); i++) {
        const char *header = strstr(got, special[i]);

        if (header != NULL) {
            ck_assert_ptr_nonnull(table[_i].want_header);
            ck_assert_int_eq(
                strncmp(header + 2, table[_i].want_header, strlen(table[_i].want_header)), 0);
        }
    }
    if (table[_i].want_header != NULL)
        ck_assert_ptr_nonnull(strstr(got, table[_i].want_header));
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(test_table_is_complete)
{
    bool seen[REASON_COUNT] = {false};

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        seen[table[i].reason] = true;
    for (size_t i = 0; i < REASON_COUNT; i++) {
        ck_assert_msg(seen[i], "%s", reason_name((enum reason)i));
        ck_assert_int_ge(answer_log_level((enum reason)i), LOG_LEVEL_ERR);
    }
}
END_TEST

START_TEST(test_new_and_free)
{
    struct answers *answers = NULL;

    ck_assert_int_eq(answers_new(&answers, NULL), 0);
    ck_assert_ptr_nonnull(answers);
    answers_free(answers);
    answers_free(NULL);
}
END_TEST

/* A peer that has gone, or reads nothing, costs nothing: no signal, no wait. */
START_TEST(test_nobody_reads)
{
    int fds[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    for (int i = 0; i < 10000; i++)
        answer_write_raw(REASON_OVERLOAD, NOW, fds[0]);
    close(fds[1]);
    answer_write_raw(REASON_OVERLOAD, NOW, fds[0]);
    close(fds[0]);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("answer");
    TCase *core = tcase_create("core"), *errors = tcase_create("errors");

    tcase_add_loop_test(core, test_row, 0, (int)(sizeof(table) / sizeof(table[0])));
    tcase_add_test(core, test_table_is_complete);
    tcase_add_test(core, test_new_and_free);
    suite_add_tcase(s, core);
    tcase_add_test(errors, test_nobody_reads);
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
