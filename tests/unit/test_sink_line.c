/* The JSON line, and reading lines back. */

#include "sink/line_scan.h"
#include "sink/mark.h"
#include "util/cleanup.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

static void line_of(const char *body, bool stale, struct buf *out)
{
    const struct delivery delivery = {
        .seq = 7,
        .received_at_usec = INT64_C(1764000000123456),
        .stale = stale,
        .endpoint = "main",
        .request_id = "aa-b-c-d-ee",
        .body = (const unsigned char *)body,
        .body_length = strlen(body),
    };

    ck_assert_int_eq(line_append(out, &delivery), 0);
}

static const struct {
    const char *body;
    bool stale;
    const char *want;
} line_rows[] = {
    {"{\"a\":1}", false,
        "{\"seq\":7,\"request_id\":\"aa-b-c-d-ee\",\"endpoint\":\"main\","
        "\"received_at\":\"2025-11-24T16:00:00.123456Z\",\"stale\":false,\"job\":{\"a\":1}}"},
    {"{\r\n\t\"a\" :\n1 }\n", true,
        "{\"seq\":7,\"request_id\":\"aa-b-c-d-ee\",\"endpoint\":\"main\","
        "\"received_at\":\"2025-11-24T16:00:00.123456Z\",\"stale\":true,"
        "\"job\":{   \"a\" : 1 } }"},
    {"{\"a\":\"ü \\n 🙂\"}", false,
        "{\"seq\":7,\"request_id\":\"aa-b-c-d-ee\",\"endpoint\":\"main\","
        "\"received_at\":\"2025-11-24T16:00:00.123456Z\",\"stale\":false,"
        "\"job\":{\"a\":\"ü \\n 🙂\"}}"},
};

START_TEST(line_is_one_line)
{
    struct buf got = BUF_INIT;

    line_of(line_rows[_i].body, line_rows[_i].stale, &got);
    ck_assert_uint_eq(got.length, strlen(line_rows[_i].want));
    ck_assert_mem_eq(got.data, line_rows[_i].want, got.length);
    buf_done(&got);
}
END_TEST

/* Between stale and job, and for what report mode let pass only. */
START_TEST(unverified_is_marked)
{
    static const char *const marks[] = {"", "token-wrong"};
    static const char *const want[] = {"\"stale\":false,\"job\":{}}",
        "\"stale\":false,\"unverified\":\"token-wrong\",\"job\":{}}"};
    const struct delivery delivery = {
        .seq = 7,
        .endpoint = "main",
        .request_id = "aa",
        .unverified = marks[_i],
        .body = (const unsigned char *)"{}",
        .body_length = 2,
    };
    struct buf line = BUF_INIT;
    const unsigned char *got_job;
    size_t got_length;

    ck_assert_int_eq(line_append(&line, &delivery), 0);
    ck_assert_uint_gt(line.length, strlen(want[_i]));
    ck_assert_mem_eq(line.data + line.length - strlen(want[_i]), want[_i], strlen(want[_i]));
    ck_assert_int_eq(line_parse_job((char *)line.data, line.length, &got_job, &got_length), 0);
    ck_assert_uint_eq(got_length, 2);
    ck_assert_mem_eq(got_job, "{}", 2);
    buf_done(&line);
}
END_TEST

START_TEST(job_comes_back_from_line)
{
    struct buf line = BUF_INIT;
    const unsigned char *got_job;
    size_t got_length;

    line_of("{\"job_id\":\"1\",\"x\":\",\\\"job\\\":\"}", false, &line);
    buf_append(&line, "\n", 1);
    for (size_t cut = 0; cut < 2; cut++) { /* with and without the newline */
        ck_assert_int_eq(
            line_parse_job((char *)line.data, line.length - cut, &got_job, &got_length), 0);
        ck_assert_uint_eq(got_length, strlen("{\"job_id\":\"1\",\"x\":\",\\\"job\\\":\"}"));
        ck_assert_mem_eq(got_job, "{\"job_id\":\"1\",\"x\":\",\\\"job\\\":\"}", got_length);
    }
    ck_assert_int_ne(line_parse_job((char *)line.data, line.length - 3, &got_job, &got_length), 0);
    buf_done(&line);
}
END_TEST

static const struct {
    const char *head;
    bool want_ok;
    uint64_t want_seq;
} head_rows[] = {
    {"{\"seq\":1,", true, 1},
    {"{\"seq\":18446744073709551615,\"r", true, UINT64_MAX},
    {"{\"seq\":18446744073709551616,", false, 0},
    {"{\"seq\":99999999999999999999", false, 0},
    {"{\"seq\":0,", false, 0},
    {"{\"seq\":01,", false, 0},
    {"{\"seq\":-1,", false, 0},
    {"{\"seq\": 1,", false, 0},
    {"{\"seq\":+1,", false, 0},
    {"{\"seq\":1 ,", false, 0},
    {"{\"seq\":1}", false, 0},
    {"{\"seq\":1", false, 0},
    {"{\"seq\":,", false, 0},
    {"{\"seq\":", false, 0},
    {"{\"Seq\":1,", false, 0},
    {" {\"seq\":1,", false, 0},
    {"{\"job\":1,", false, 0},
    {"", false, 0},
};

START_TEST(head_is_read_strictly)
{
    uint64_t got_seq = 4711;
    int r = line_parse_seq(head_rows[_i].head, strlen(head_rows[_i].head), &got_seq);

    ck_assert_int_eq(r == 0, head_rows[_i].want_ok);
    ck_assert_uint_eq(got_seq, head_rows[_i].want_ok ? head_rows[_i].want_seq : 4711);
}
END_TEST

struct seen {
    char text[1024];
};

static int note_line(void *context, const struct line_scan_line *line)
{
    struct seen *seen = context;
    size_t used = strlen(seen->text);

    snprintf(seen->text + used, sizeof(seen->text) - used, "%ju-%ju:%s%ju ", (uintmax_t)line->begin,
        (uintmax_t)line->end, line->whole ? "" : "!", (uintmax_t)line->seq);
    return 0;
}

static const struct {
    const char *text;
    size_t length; /* 0: strlen */
    const char *want;
    uint64_t want_torn;
} scan_rows[] = {
    {"", 0, "", 100},
    {"{\"seq\":1,}\n{\"seq\":22,}\n", 0, "100-111:1 111-123:22 ", 123},
    {"{\"seq\":1,}\n{\"seq\":2", 0, "100-111:1 ", 111},
    {"{\"seq\":1,\n{\"seq\":2,}\n", 0, "100-110:!0 110-121:2 ", 121},
    {"\n\n{\"seq\":3,}\n", 0, "100-101:!0 101-102:!0 102-113:3 ", 113},
    {"hello\n{\"seq\":1,}\r\n", 0, "100-106:!0 106-118:!0 ", 118},
    {"{\"seq\":1,\0\0\0}\n", 14, "100-114:!0 ", 114},
};

START_TEST(lines_are_found_however_they_are_cut)
{
    size_t length = scan_rows[_i].length ? scan_rows[_i].length : strlen(scan_rows[_i].text);

    for (size_t piece = 1; piece <= length + 1; piece++) {
        struct line_scan scan;
        struct seen got = {""};

        line_scan_init(&scan, 100);
        for (size_t at = 0; at < length; at += piece) {
            size_t n = length - at < piece ? length - at : piece;

            ck_assert_int_eq(line_scan_feed(&scan, scan_rows[_i].text + at, n, note_line, &got), 0);
        }
        ck_assert_str_eq(got.text, scan_rows[_i].want);
        ck_assert_uint_eq(scan.begin, scan_rows[_i].want_torn);
    }
}
END_TEST

START_TEST(mark_comes_back)
{
    const struct mark want[] = {{true, 1, 0}, {true, UINT64_MAX, UINT64_MAX}, {0}};

    for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
        char text[MARK_MAX];
        size_t length = mark_encode(&want[i], text);
        struct mark got = {true, 99, 99};

        ck_assert_uint_le(length, MARK_MAX);
        ck_assert_int_eq(mark_decode(text, length, &got), 0);
        ck_assert_int_eq(got.set, want[i].set);
        ck_assert_uint_eq(got.inode, want[i].inode);
        ck_assert_uint_eq(got.offset, want[i].offset);
    }
}
END_TEST

static const char *const bad_marks[] = {"lines-1", "lines-1 5", "lines-2 5 6", "lines-1 5 6 ",
    "lines-1  5 6", "lines-1 -5 6", "lines-1 05 6", "lines-1 5 6 7", "x",
    "lines-1 99999999999999999999 1",
    "lines-1 5 6                                                                    "};

START_TEST(bad_mark_is_refused)
{
    struct mark got = {true, 99, 98};

    ck_assert_int_ne(mark_decode(bad_marks[_i], strlen(bad_marks[_i]), &got), 0);
    ck_assert_uint_eq(got.inode, 99);
    ck_assert_uint_eq(got.offset, 98);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sink_line");
    TCase *core = tcase_create("core");
    TCase *errors = tcase_create("errors");
    SRunner *runner;
    int n_failed;

    tcase_add_loop_test(core, line_is_one_line, 0, ARRAY_SIZE(line_rows));
    tcase_add_loop_test(core, unverified_is_marked, 0, 2);
    tcase_add_test(core, job_comes_back_from_line);
    tcase_add_loop_test(core, lines_are_found_however_they_are_cut, 0, ARRAY_SIZE(scan_rows));
    tcase_add_test(core, mark_comes_back);
    tcase_add_loop_test(errors, head_is_read_strictly, 0, ARRAY_SIZE(head_rows));
    tcase_add_loop_test(errors, bad_mark_is_refused, 0, ARRAY_SIZE(bad_marks));
    suite_add_tcase(suite, core);
    suite_add_tcase(suite, errors);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed == 0 ? 0 : 1;
}
