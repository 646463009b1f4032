/*
 * The ring of refused requests: what is kept of one, which ones go, and that a flood is bounded.
 */

#include "intake/refused.h"

#include "util/cleanup.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

CLEANUP_FUNC(struct refused, refused_free);

static struct refused *make(unsigned int keep)
{
    struct refused *refused = NULL;

    ck_assert_int_eq(refused_new(keep, clock_system(), &refused, NULL), 0);
    return refused;
}

static struct framing_header header(const char *name, const char *value)
{
    return (struct framing_header){name, strlen(name), value, strlen(value)};
}

static void add(struct refused *refused, enum reason reason, const char *target, size_t body_length)
{
    static unsigned char body[2 * INTAKE_REFUSED_BODY_MAX];

    refused_add(refused,
        &(struct intake_refused){.reason = reason,
            .endpoint = "",
            .peer = "",
            .method = "",
            .target = target,
            .body = body,
            .body_length = body_length},
        NULL, 0);
}

/* Ids and targets, newest first. */
struct seen {
    size_t n;
    size_t stop_at; /* 0: never */
    char targets[512];
    char last_id[32];
};

static int see(const struct intake_refused *refused, void *context)
{
    struct seen *seen = context;

    ck_assert_uint_eq(refused->n_headers, 0);
    ck_assert_uint_eq(refused->body_length, 0);
    ck_assert_str_ne(refused->id, seen->last_id);
    strcpy(seen->last_id, refused->id);
    if (strlen(seen->targets) < sizeof(seen->targets) - 16)
        strcat(strcat(seen->targets, refused->target), " ");
    return ++seen->n == seen->stop_at;
}

static struct seen walk(struct refused *refused)
{
    struct seen seen = {.n = 0};

    refused_walk(refused, see, &seen);
    return seen;
}

START_TEST(keeps_a_copy)
{
    CLEANUP(refused_free) struct refused *refused = make(10);
    CLEANUP(free) struct intake_refused *got = NULL;
    char target[] = "/cb?x=1", value[] = "a value", body[] = "body\0!";
    const struct framing_header headers[] = {
        header("Host", "x"), header("Authorization", "Bearer hush-hush"), header("X", value)};
    struct seen seen;

    refused_add(refused,
        &(struct intake_refused){.at_usec = 5,
            .reason = REASON_TOKEN_WRONG,
            .detail = "why",
            .endpoint = "main",
            .peer = "127.0.0.1:1",
            .method = "POST",
            .target = target,
            .body = (unsigned char *)body,
            .body_length = 6,
            .body_cut = 3},
        headers, 3);
    memset(target, '?', sizeof(target) - 1);
    memset(value, '?', sizeof(value) - 1);
    memset(body, '?', sizeof(body) - 1);

    seen = walk(refused);
    ck_assert_uint_eq(seen.n, 1);
    ck_assert_int_eq(refused_get(refused, seen.last_id, &got), 0);
    refused_free(TAKE(refused)); /* the copy is the caller's own */
    ck_assert_str_eq(got->id, seen.last_id);
    ck_assert_int_eq(got->at_usec, 5);
    ck_assert_int_eq(got->reason, REASON_TOKEN_WRONG);
    ck_assert_str_eq(got->detail, "why");
    ck_assert_str_eq(got->endpoint, "main");
    ck_assert_str_eq(got->peer, "127.0.0.1:1");
    ck_assert_str_eq(got->method, "POST");
    ck_assert_str_eq(got->target, "/cb?x=1");
    ck_assert_uint_eq(got->n_headers, 3);
    ck_assert_str_eq(got->headers[0].name, "Host");
    ck_assert_str_eq(got->headers[0].value, "x");
    ck_assert_str_eq(got->headers[1].name, "Authorization");
    ck_assert_str_eq(got->headers[1].value, "Bearer <9 bytes>");
    ck_assert_str_eq(got->headers[2].value, "a value");
    ck_assert_uint_eq(got->body_length, 6);
    ck_assert_mem_eq(got->body, "body\0!", 6);
    ck_assert_uint_eq(got->body_cut, 3);
}
END_TEST

START_TEST(finds_by_id_only)
{
    CLEANUP(refused_free) struct refused *refused = make(10);
    struct intake_refused *got = NULL;

    ck_assert_int_eq(refused_get(refused, "", &got), -ENOENT);
    add(refused, REASON_PATH, "/a", 0);
    ck_assert_int_eq(refused_get(refused, "nope-1", &got), -ENOENT);
    ck_assert_ptr_null(got);
}
END_TEST

/* What may hold a token shows as its length. */
static const struct {
    const char *name, *value, *want;
} redactions[] = {
    {"Authorization", "Bearer hush", "Bearer <4 bytes>"},
    {"authorization", "bearer \t hush hush", "bearer <9 bytes>"},
    {"AUTHORIZATION", "Basic aHVzaA==", "Basic <8 bytes>"},
    {"Authorization", "hush", "<4 bytes>"},
    {"Authorization", "hush hush", "<9 bytes>"},
    {"Authorization", "Bearerhush", "<10 bytes>"},
    {"Authorization", "Bearer", "<6 bytes>"},
    {"Authorization", "Bearer ", "Bearer"},
    {"Authorization", "", ""},
    {"Authorization ", "Bearer hush", "Bearer <4 bytes>"}, /* a space before the colon */
    {"Proxy-Authorization", "hush", "<4 bytes>"},
    {"X-Note", "a Authorization: Bearer hush", "a Authorization: Bearer <4 bytes>"}, /* folded */
    {"X-Note", "bearer\thush", "bearer <4 bytes>"},
    {"X-Note", "as it came", "as it came"},
    {"SASHA-Request-Signature", "abc", "abc"},
};

START_TEST(redacts)
{
    const struct framing_header from = header(redactions[_i].name, redactions[_i].value);
    struct buf got = BUF_INIT;

    ck_assert_int_eq(refused_redact(&got, &from), 0);
    buf_append(&got, "", 1);
    ck_assert_str_eq((char *)got.data, redactions[_i].want);
    buf_done(&got);
}
END_TEST

/* A folded line joined to a name brings along what it holds. */
static const struct {
    const char *name, *want;
} names[] = {
    {"X-Note", "X-Note"},
    {"X-NoteAuthorization: Bearer hush", "X-NoteAuthorization<13 bytes>"},
    {"X-Note hush", "X-Note<5 bytes>"},
    {" hush", "<5 bytes>"},
    {"", ""},
};

START_TEST(redacts_names)
{
    const struct framing_header from = header(names[_i].name, "");
    struct buf got = BUF_INIT;

    ck_assert_int_eq(refused_redact_name(&got, &from), 0);
    buf_append(&got, "", 1);
    ck_assert_str_eq((char *)got.data, names[_i].want);
    buf_done(&got);
}
END_TEST

START_TEST(oldest_goes)
{
    CLEANUP(refused_free) struct refused *refused = make(3);
    static const char *const targets[] = {"/1", "/2", "/3", "/4"};

    for (size_t i = 0; i < 4; i++)
        add(refused, REASON_PATH, targets[i], 0);
    ck_assert_str_eq(walk(refused).targets, "/4 /3 /2 ");
}
END_TEST

/* A flood of one reason does not drive out another's. */
START_TEST(flood_leaves_the_rare_ones)
{
    CLEANUP(refused_free) struct refused *refused = make(4);

    add(refused, REASON_SIGNATURE_WRONG, "/rare", 0);
    add(refused, REASON_STALE, "/other", 0);
    for (int i = 0; i < 100; i++)
        add(refused, REASON_PATH, i < 99 ? "/flood" : "/last", 0);
    ck_assert_str_eq(walk(refused).targets, "/last /flood /other /rare ");
}
END_TEST

START_TEST(walk_can_stop)
{
    CLEANUP(refused_free) struct refused *refused = make(10);
    struct seen seen = {.stop_at = 2};

    for (int i = 0; i < 5; i++)
        add(refused, REASON_PATH, "/x", 0);
    refused_walk(refused, see, &seen);
    ck_assert_uint_eq(seen.n, 2);
}
END_TEST

START_TEST(bytes_are_bounded)
{
    CLEANUP(refused_free) struct refused *refused = make(10000);
    CLEANUP(free) struct intake_refused *got = NULL;
    const size_t most = INTAKE_REFUSED_BYTES_MAX / INTAKE_REFUSED_BODY_MAX;
    struct seen seen;

    for (size_t i = 0; i < 2 * most; i++)
        add(refused, REASON_PATH, "/x", INTAKE_REFUSED_BODY_MAX + 7);
    seen = walk(refused);
    ck_assert_uint_lt(seen.n, most);
    ck_assert_uint_gt(seen.n, most * 9 / 10);
    ck_assert_int_eq(refused_get(refused, seen.last_id, &got), 0);
    ck_assert_uint_eq(got->body_length, INTAKE_REFUSED_BODY_MAX);
    ck_assert_uint_eq(got->body_cut, 7);
}
END_TEST

START_TEST(rate_is_bounded)
{
    CLEANUP(refused_free) struct refused *refused = make(100);
    unsigned int got = 0;

    for (int i = 0; i < 1000; i++)
        got += refused_admit(refused, REASON_PATH, 10 * USEC_PER_SEC + i);
    ck_assert_uint_eq(got, REFUSED_PER_SECOND);
    /* Another reason has its own, and so has the next second. */
    ck_assert(refused_admit(refused, REASON_TOKEN_WRONG, 10 * USEC_PER_SEC));
    ck_assert(refused_admit(refused, REASON_PATH, 11 * USEC_PER_SEC));
}
END_TEST

START_TEST(admits_what_the_request_is_to_blame_for)
{
    CLEANUP(refused_free) struct refused *refused = make(100);
    CLEANUP(refused_free) struct refused *off = make(0);
    const enum reason reason = (enum reason)_i;
    const bool want = reason >= REASON_FRAMING && reason <= REASON_STALE;

    ck_assert_int_eq(refused_admit(refused, reason, USEC_PER_SEC), want);
    ck_assert(!refused_admit(off, reason, USEC_PER_SEC));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("refused");
    TCase *core = tcase_create("core"), *limits = tcase_create("limits"),
          *errors = tcase_create("errors");
    SRunner *runner;
    int failed;

    tcase_add_test(core, keeps_a_copy);
    tcase_add_loop_test(core, redacts, 0, (int)ARRAY_SIZE(redactions));
    tcase_add_loop_test(core, redacts_names, 0, (int)(sizeof(names) / sizeof(names[0])));
    tcase_add_test(core, walk_can_stop);
    tcase_add_loop_test(core, admits_what_the_request_is_to_blame_for, 0, REASON_COUNT);
    suite_add_tcase(suite, core);
    tcase_add_test(limits, oldest_goes);
    tcase_add_test(limits, flood_leaves_the_rare_ones);
    tcase_add_test(limits, bytes_are_bounded);
    tcase_add_test(limits, rate_is_bounded);
    suite_add_tcase(suite, limits);
    tcase_add_test(errors, finds_by_id_only);
    suite_add_tcase(suite, errors);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
