/*
 * Jobs: what SASHA's three generations send is read; what is no Job is refused with a reason that
 * quotes nothing; running out of memory is never taken for a bad body.
 */

#include "failing_malloc.h"
#include "job/depth.h"
#include "job/job.h"
#include "util/buf.h"
#include "util/cleanup.h"

#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

CLEANUP_FUNC(struct job, job_free);

#define REQUIRED                                                                     \
    "\"job_id\":\"1234567890\",\"type\":\"embed-signature\",\"status\":\"pending\"," \
    "\"created_at\":\"2025-01-01T00:00:00Z\",\"updated_at\":\"2025-01-01T00:00:00.5Z\""

/* A Job with one more member. */
#define WITH(member) "{" REQUIRED "," member "}"

static enum job_result parse_text(const char *text, struct job **ret_job, const char **ret_why)
{
    return job_parse((const unsigned char *)text, strlen(text), ret_job, ret_why);
}

START_TEST(test_published_example)
{
    CLEANUP(job_free) struct job *job = NULL;
    const char *why = NULL;

    ck_assert_int_eq(parse_text("{\"job_id\":\"1234567890\",\"type\":\"embed-signature\","
                                "\"status\":\"pending\",\"created_at\":\"2025-01-01T00:00:00Z\","
                                "\"updated_at\":\"2025-01-01T00:00:00Z\"}",
                         &job, &why),
        JOB_OK);
    ck_assert_str_eq(job->job_id, "1234567890");
    ck_assert_str_eq(job->type, "embed-signature");
    ck_assert_str_eq(job->status, "pending");
    ck_assert_str_eq(job->created_at, "2025-01-01T00:00:00Z");
    ck_assert_str_eq(job->updated_at, "2025-01-01T00:00:00Z");
    ck_assert_int_eq(job->updated_at_usec, INT64_C(1735689600000000));
    ck_assert_ptr_null(job->signature_id);
    ck_assert_ptr_null(job->output_url);
    ck_assert_ptr_null(job->output_url_expires_at);
    ck_assert_ptr_null(job->error_code);
    ck_assert_ptr_null(job->error_message);
    ck_assert_ptr_null(why);
}
END_TEST

START_TEST(test_all_fields)
{
    CLEANUP(job_free) struct job *job = NULL;
    const char *why = NULL;

    ck_assert_int_eq(
        parse_text(WITH("\"signature_id\":\"340558932877813735\",\"output_url\":\"https://x/y?z\","
                        "\"output_url_expires_at\":\"2025-01-01T01:00:00Z\",\"error\":{\"code\":"
                        "\"internal\",\"message\":\"caf\\u00e9 \\ud83d\\ude00\\n\"}"),
            &job, &why),
        JOB_OK);
    ck_assert_str_eq(job->signature_id, "340558932877813735");
    ck_assert_str_eq(job->output_url, "https://x/y?z");
    ck_assert_str_eq(job->output_url_expires_at, "2025-01-01T01:00:00Z");
    ck_assert_str_eq(job->error_code, "internal");
    ck_assert_str_eq(job->error_message, "café 😀\n");
    ck_assert_int_eq(job->updated_at_usec, INT64_C(1735689600500000));
}
END_TEST

START_TEST(test_terminal)
{
    ck_assert(job_status_is_terminal("completed"));
    ck_assert(job_status_is_terminal("failed"));
    ck_assert(!job_status_is_terminal("pending"));
    ck_assert(!job_status_is_terminal("in_progress"));
    ck_assert(!job_status_is_terminal("Completed"));
    ck_assert(!job_status_is_terminal("completed "));
    ck_assert(!job_status_is_terminal(""));
}
END_TEST

/* SASHA calls new fields and new values backwards-compatible: none of these may be refused. */
static const char *const accepted[] = {
    "{" REQUIRED "}",
    "{" REQUIRED "}\n",
    "{ \r\n\t" REQUIRED " } \r\n\t",
    /* API 1.4 */
    WITH("\"creator_id\":4294967295,\"guidance\":{\"share_state\":\"x\",\"advice\":\"allowed\","
         "\"message\":\"m\"},\"record\":{\"a\":[1,2.5,true,false,null,{\"b\":[]}]}"),
    /* null, as good as absent */
    WITH("\"signature_id\":null,\"output_url\":null,\"output_url_expires_at\":null,"
         "\"error\":null"),
    WITH("\"error\":{}"),
    WITH("\"error\":{\"code\":null,\"message\":null,\"details\":[1]}"),
    /* numbers nobody promised to keep within int64 */
    WITH("\"n\":18446744073709551615"),
    WITH("\"n\":-9223372036854775809"),
    WITH("\"n\":123456789012345678901234567890123456789012345678901234567890"),
    WITH("\"n\":1e308"),
    WITH("\"n\":1e-999"),
    WITH("\"n\":-0.0"),
    /* the borders of signature_id */
    WITH("\"signature_id\":\"0\""),
    WITH("\"signature_id\":\"18446744073709551615\""),
    WITH("\"signature_id\":\"00000000000000000000000000000000001\""),
    /* fields that only look like ours */
    WITH("\"Job_id\":5,\"record\":{\"job_id\":7,\"error\":1}"),
    WITH("\"\":\"\""),
    WITH("\"\":{\"job_id\":5,\"error\":1}"),
    /* brackets and escapes inside strings do not nest */
    WITH("\"s\":\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\""),
    WITH("\"s\":\"\\\\\\\"{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{\""),
};

START_TEST(test_accepted)
{
    CLEANUP(job_free) struct job *job = NULL;
    const char *why = NULL;

    ck_assert_msg(
        parse_text(accepted[_i], &job, &why) == JOB_OK, "%s: %s", accepted[_i], why ? why : "-");
    ck_assert_ptr_nonnull(job);
}
END_TEST

/* An object whose name is empty is one of many, and not the Job. */
START_TEST(test_fields_are_those_of_the_job_itself)
{
    CLEANUP(job_free) struct job *job = NULL, *none = NULL;
    const char *why = NULL;

    ck_assert_int_eq(
        parse_text(WITH("\"\":{\"job_id\":\"inner\",\"output_url\":\"inner\",\"error\":"
                        "{\"code\":\"inner\"}}"),
            &job, &why),
        JOB_OK);
    ck_assert_str_eq(job->job_id, "1234567890");
    ck_assert_ptr_null(job->output_url);
    ck_assert_ptr_null(job->error_code);
    ck_assert_int_eq(parse_text("{\"\":{" REQUIRED "}}", &none, &why), JOB_MALFORMED);
}
END_TEST

START_TEST(test_unknown_values)
{
    CLEANUP(job_free) struct job *job = NULL;
    const char *why = NULL;

    ck_assert_int_eq(
        parse_text("{\"job_id\":\"x\",\"type\":\"new-thing\",\"status\":\"\",\"created_at\":"
                   "\"2025-01-01T00:00:00+01:00\",\"updated_at\":\"2025-01-01t00:00:00z\"}",
            &job, &why),
        JOB_OK);
    ck_assert_str_eq(job->type, "new-thing");
    ck_assert_str_eq(job->status, "");
}
END_TEST

static const struct {
    const char *body;
    const char *want_why;
} refused[] = {
    /* not one JSON object */
    {"", "the body does not start with {"},
    {"null", "the body does not start with {"},
    {"\"job\"", "the body does not start with {"},
    {"[{" REQUIRED "}]", "the body does not start with {"},
    {" {" REQUIRED "}", "the body does not start with {"},
    {"\n{" REQUIRED "}", "the body does not start with {"},
    {"\xEF\xBB\xBF{" REQUIRED "}", "the body does not start with {"},
    {"\xFF\xFE{" REQUIRED "}", "the body does not start with {"},
    {"{", "the body is not one JSON object"},
    {"{" REQUIRED, "the body is not one JSON object"},
    {"{" REQUIRED ",}", "the body is not one JSON object"},
    {"{" REQUIRED "}}", "the body is not one JSON object"},
    {"{" REQUIRED "}{" REQUIRED "}", "the body is not one JSON object"},
    {"{" REQUIRED "}x", "the body is not one JSON object"},
    {"{" REQUIRED "} // comment", "the body is not one JSON object"},
    {"{'job_id':'x'}", "the body is not one JSON object"},
    {"{job_id:\"x\"}", "the body is not one JSON object"},
    {"{1:2}", "the body is not one JSON object"},
    {WITH("\"n\":01"), "the body is not one JSON object"},
    {WITH("\"n\":+1"), "the body is not one JSON object"},
    {WITH("\"n\":.5"), "the body is not one JSON object"},
    {WITH("\"n\":0x10"), "the body is not one JSON object"},
    {WITH("\"n\":NaN"), "the body is not one JSON object"},
    {WITH("\"n\":Infinity"), "the body is not one JSON object"},
    {WITH("\"n\":True"), "the body is not one JSON object"},
    {WITH("\"n\":[1,]"), "the body is not one JSON object"},
    {WITH("\"n\":[}"), "the body is not one JSON object"},
    {WITH("\"s\":\"open"), "the body is not one JSON object"},
    {WITH("\"s\":\"\\"), "the body is not one JSON object"},
    {WITH("\"s\":\"a\nb\""), "the body is not one JSON object"},
    {WITH("\"s\":\"a\x01\""), "the body is not one JSON object"},
    {WITH("\"s\":\"\\x41\""), "the body is not one JSON object"},
    {WITH("\"s\":\"\\u12\""), "the body is not one JSON object"},
    {WITH("\"n\":1e309"), "the body holds a number beyond the range of doubles"},
    {WITH("\"n\":-1e999"), "the body holds a number beyond the range of doubles"},
    /* twice the same field: two readers could see two different Jobs */
    {WITH("\"status\":\"completed\""), "the body names a field twice"},
    {WITH("\"\\u0073tatus\":\"completed\""), "the body names a field twice"},
    {WITH("\"record\":{\"a\":1,\"a\":1}"), "the body names a field twice"},
    /* NUL would cut a C string short */
    {WITH("\"s\":\"a\\u0000b\""), "the body holds a NUL character"},
    {WITH("\"a\\u0000b\":1"), "the body holds a NUL character"},
    {"{\"job_id\":\"1\\u00002\"}", "the body holds a NUL character"},
    /* lone surrogates */
    {WITH("\"s\":\"\\ud800\""), "the body is not one JSON object"},
    {WITH("\"s\":\"\\udc00\""), "the body is not one JSON object"},
    {WITH("\"s\":\"\\ud800\\u0041\""), "the body is not one JSON object"},
    {WITH("\"s\":\"\\ud800x\""), "the body is not one JSON object"},
    /* invalid UTF-8 */
    {WITH("\"s\":\"\x80\""), "the body is not UTF-8"},
    {WITH("\"s\":\"\xC0\x80\""), "the body is not UTF-8"},
    {WITH("\"s\":\"\xC3\""), "the body is not UTF-8"},
    {WITH("\"s\":\"\xED\xA0\x80\""), "the body is not UTF-8"},
    {WITH("\"s\":\"\xF4\x90\x80\x80\""), "the body is not UTF-8"},
    {WITH("\"\xFF\":1"), "the body is not UTF-8"},
    /* not a Job */
    {"{}", "job_id is missing or not a string"},
    {"{\"job\":{" REQUIRED "}}", "job_id is missing or not a string"},
    {"{\"job_id\":1234567890}", "job_id is missing or not a string"},
    {"{\"job_id\":null}", "job_id is missing or not a string"},
    {"{\"job_id\":[\"x\"]}", "job_id is missing or not a string"},
    {"{\"job_id\":\"x\"}", "type is missing or not a string"},
    {"{\"job_id\":\"x\",\"type\":true}", "type is missing or not a string"},
    {"{\"job_id\":\"x\",\"type\":\"\"}", "status is missing or not a string"},
    {"{\"job_id\":\"x\",\"type\":\"\",\"status\":{}}", "status is missing or not a string"},
    {"{\"job_id\":\"x\",\"type\":\"\",\"status\":\"\",\"created_at\":1735689600}",
        "created_at is missing or not a string"},
    {"{\"job_id\":\"x\",\"type\":\"\",\"status\":\"\",\"created_at\":\"\"}",
        "updated_at is missing or not a string"},
    {"{\"job_id\":\"\",\"type\":\"\",\"status\":\"\",\"created_at\":\"\",\"updated_at\":\"\"}",
        "job_id is empty"},
    {"{\"job_id\":\"x\",\"type\":\"\",\"status\":\"\",\"created_at\":\"2025-01-01\","
     "\"updated_at\":\"2025-01-01T00:00:00Z\"}",
        "created_at is not an RFC 3339 date-time"},
    {"{\"job_id\":\"x\",\"type\":\"\",\"status\":\"\",\"created_at\":\"2025-01-01T00:00:00Z\","
     "\"updated_at\":\"2025-02-29T00:00:00Z\"}",
        "updated_at is not an RFC 3339 date-time"},
    {WITH("\"signature_id\":340558932877813735"), "signature_id is neither a string nor null"},
    {WITH("\"signature_id\":\"\""), "signature_id is not an unsigned 64-bit number"},
    {WITH("\"signature_id\":\"-1\""), "signature_id is not an unsigned 64-bit number"},
    {WITH("\"signature_id\":\"+1\""), "signature_id is not an unsigned 64-bit number"},
    {WITH("\"signature_id\":\" 1\""), "signature_id is not an unsigned 64-bit number"},
    {WITH("\"signature_id\":\"1 \""), "signature_id is not an unsigned 64-bit number"},
    {WITH("\"signature_id\":\"0x1\""), "signature_id is not an unsigned 64-bit number"},
    {WITH("\"signature_id\":\"1e3\""), "signature_id is not an unsigned 64-bit number"},
    {WITH("\"signature_id\":\"18446744073709551616\""),
        "signature_id is not an unsigned 64-bit number"},
    {WITH("\"signature_id\":\"184467440737095516150\""),
        "signature_id is not an unsigned 64-bit number"},
    {WITH("\"output_url\":[]"), "output_url is neither a string nor null"},
    {WITH("\"output_url\":false"), "output_url is neither a string nor null"},
    {WITH("\"output_url_expires_at\":1735689600"),
        "output_url_expires_at is neither a string nor null"},
    {WITH("\"error\":\"internal\""), "error is neither an object nor null"},
    {WITH("\"error\":[]"), "error is neither an object nor null"},
    {WITH("\"error\":{\"code\":5}"), "error.code is neither a string nor null"},
    {WITH("\"error\":{\"message\":{}}"), "error.message is neither a string nor null"},
};

START_TEST(test_refused)
{
    struct job *job = NULL;
    const char *got_why = "(not set)";

    ck_assert_msg(
        parse_text(refused[_i].body, &job, &got_why) == JOB_MALFORMED, "%s", refused[_i].body);
    ck_assert_str_eq(got_why, refused[_i].want_why);
    ck_assert_ptr_null(job);
}
END_TEST

/* A NUL in the body itself, which no C string can hold. */
START_TEST(test_nul_byte)
{
    static const char body[] = "{" REQUIRED "}\0";
    static const char inside[] = "{" REQUIRED ",\"s\":\"a\0b\"}";
    struct job *job = NULL;
    const char *why = NULL;

    ck_assert_int_eq(
        job_parse((const unsigned char *)body, sizeof(body) - 1, &job, &why), JOB_MALFORMED);
    ck_assert_int_eq(
        job_parse((const unsigned char *)inside, sizeof(inside) - 1, &job, &why), JOB_MALFORMED);
    ck_assert_ptr_null(job);
}
END_TEST

/* Only `length` bytes count: what stands behind them is another request's. */
START_TEST(test_length)
{
    static const char body[] = "{" REQUIRED "}";

    for (size_t length = 0; length < sizeof(body) - 1; length++) {
        CLEANUP(free) unsigned char *cut = malloc(length ? length : 1); /* a sanitizer sees more */
        struct job *job = NULL;
        const char *why = NULL;

        ck_assert_ptr_nonnull(cut);
        memcpy(cut, body, length);
        ck_assert_int_eq(job_parse(cut, length, &job, &why), JOB_MALFORMED);
    }
}
END_TEST

/* Nests `depth` deep in all: `open` and `close` one level each, inside the Job. */
static void nested(struct buf *buf, const char *open, const char *close, size_t depth)
{
    buf_append_text(buf, "{" REQUIRED ",\"record\":");
    for (size_t i = 1; i < depth; i++)
        buf_append_text(buf, open);
    buf_append_text(buf, "1");
    for (size_t i = 1; i < depth; i++)
        buf_append_text(buf, close);
    buf_append_text(buf, "}");
    ck_assert(!buf->failed);
}

START_TEST(test_depth)
{
    static const struct {
        const char *open;
        const char *close;
    } shapes[] = {
        {"[", "]"},
        {"{\"a\":", "}"},
        {"[\"[\\\"[\",", "]"},
        {"{\"}\":1,\"a\":", "}"},
    };
    struct buf at_most = BUF_INIT;
    struct buf too_deep = BUF_INIT;
    CLEANUP(job_free) struct job *job = NULL;
    struct job *none = NULL;
    const char *why = NULL;

    nested(&at_most, shapes[_i].open, shapes[_i].close, JOB_DEPTH_MAX);
    nested(&too_deep, shapes[_i].open, shapes[_i].close, JOB_DEPTH_MAX + 1);
    ck_assert_int_eq(job_parse(at_most.data, at_most.length, &job, &why), JOB_OK);
    ck_assert_int_eq(job_parse(too_deep.data, too_deep.length, &none, &why), JOB_MALFORMED);
    ck_assert_str_eq(why, "the body nests too deep");
    buf_done(&at_most);
    buf_done(&too_deep);
}
END_TEST

/* A megabyte of brackets costs no memory, no stack and no more than one look. */
START_TEST(test_depth_never_closed)
{
    size_t length = 1 << 20;
    CLEANUP(free) unsigned char *body = malloc(length);
    struct job *job = NULL;
    const char *why = NULL;

    ck_assert_ptr_nonnull(body);
    memset(body, '[', length);
    memcpy(body, "{\"a\":", 5);
    ck_assert_int_eq(job_parse(body, length, &job, &why), JOB_MALFORMED);
    ck_assert_str_eq(why, "the body nests too deep");
}
END_TEST

static const struct {
    const char *text;
    size_t want_depth;
} depths[] = {
    {"", 0},
    {"1", 0},
    {"{}", 1},
    {"{}{}{}", 1},
    {"[[]]", 2},
    {"[[],[[]]]", 3},
    {"]]]]", 0},
    {"]]]][", 1},
    {"\"[[[\"", 0},
    {"\"\\\"[[[\"", 0},
    {"\"\\\\\"[", 1},
    {"\"\\\\\\\"[\"[", 1},
    {"\"[\\", 0},
    {"\"[", 0},
};

START_TEST(test_depth_scan)
{
    const unsigned char *text = (const unsigned char *)depths[_i].text;
    size_t length = strlen(depths[_i].text);

    ck_assert(!depth_exceeds(text, length, depths[_i].want_depth));
    if (depths[_i].want_depth > 0)
        ck_assert(depth_exceeds(text, length, depths[_i].want_depth - 1));
}
END_TEST

/* Whichever allocation fails, the answer is "no memory": never "malformed", which SASHA might not
 * send again, and never a Job with a byte missing. */
START_TEST(test_memory)
{
    /* More names than are noted without memory, one of them with an escape, and a number that has
     * to be looked at. */
#define EIGHT(c)                                                                         \
    "\"" c "1\":1,\"" c "2\":1,\"" c "3\":1,\"" c "4\":1,\"" c "5\":1,\"" c "6\":1,\"" c \
    "7\":1,\"" c "8\":1,"
    static const char body[] = WITH(
        "\"record\":{" EIGHT("a") EIGHT("b") EIGHT("c") EIGHT("d") EIGHT("e") EIGHT("f") EIGHT("g")
            EIGHT("h") EIGHT("i") "\"\\u006a\":1e5},"
                                  "\"error\":{\"code\":\"internal\",\"message\":\"m\"}");
    const bool works = failing_malloc_works();
    unsigned n, n_refused = 0;

    for (n = 1; n < 1000; n++) {
        CLEANUP(job_free) struct job *job = NULL;
        const char *why = NULL;
        enum job_result got;

        failing_malloc_in = n;
        got = job_parse((const unsigned char *)body, sizeof(body) - 1, &job, &why);
        if (failing_malloc_in > 0 || !works) {
            failing_malloc_in = 0;
            ck_assert_int_eq(got, JOB_OK);
            ck_assert_str_eq(job->error_code, "internal");
            break;
        }
        /* qsort does without what it cannot have. */
        ck_assert_msg(got == JOB_NO_MEMORY || got == JOB_OK, "allocation %u: %s", n, why);
        ck_assert((got == JOB_OK) == (job != NULL));
        n_refused += got == JOB_NO_MEMORY;
    }
    ck_assert_uint_lt(n, 1000);
    if (works)
        ck_assert_uint_eq(n_refused, 4); /* names, their escapes, the number, the Job */
}
END_TEST

/* Many names cost sorting them, not comparing each with each; and the last is still compared. */
START_TEST(test_many_names)
{
    __attribute__((cleanup(buf_done))) struct buf body = BUF_INIT;
    const char *why = NULL;
    struct job *none = NULL;

    buf_append_text(&body, "{" REQUIRED ",\"record\":{\"k0\":0");
    for (unsigned int i = 1; i < 60000; i++) {
        char member[32];

        snprintf(member, sizeof(member), ",\"k%u\":%u", i, i);
        buf_append_text(&body, member);
    }
    buf_append_text(&body, "}}");
    for (int i = 0; i < 20; i++) {
        CLEANUP(job_free) struct job *job = NULL;

        ck_assert_int_eq(job_parse(body.data, body.length, &job, &why), JOB_OK);
    }
    body.length -= 2;
    buf_append_text(&body, ",\"\\u006b31234\":1}}");
    ck_assert_int_eq(job_parse(body.data, body.length, &none, &why), JOB_MALFORMED);
    ck_assert_str_eq(why, "the body names a field twice");
}
END_TEST

/* Every byte at every place of a string: strings are looked at by the word. A quote ends this one
 * early, a backslash and a byte beyond ASCII want another one behind them. */
START_TEST(test_bytes_of_strings)
{
    const char *text = WITH("\"output_url\":\"zzzzzzzzzzzzzzzzzzzz\"");
    const size_t length = strlen(text), first = (size_t)(strstr(text, "zzz") - text);

    for (int byte = 0; byte < 256; byte++) {
        const bool want = byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';

        for (size_t place = first; place < first + 20; place++) {
            CLEANUP(job_free) struct job *job = NULL;
            CLEANUP(free) char *copy = strdup(text);
            const char *why;

            copy[place] = (char)byte;
            ck_assert_msg((job_parse((unsigned char *)copy, length, &job, &why) == JOB_OK) == want,
                "byte %d", byte);
            if (want)
                ck_assert_mem_eq(job->output_url, copy + first, 20);
        }
    }
}
END_TEST

START_TEST(test_free_null)
{
    job_free(NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("job");
    TCase *core = tcase_create("core");
    TCase *limits = tcase_create("limits");
    TCase *errors = tcase_create("errors");
    SRunner *runner;
    int failed;

    job_init_library();

    tcase_add_test(core, test_published_example);
    tcase_add_test(core, test_all_fields);
    tcase_add_test(core, test_terminal);
    tcase_add_test(core, test_fields_are_those_of_the_job_itself);
    tcase_add_test(core, test_unknown_values);
    tcase_add_loop_test(core, test_accepted, 0, ARRAY_SIZE(accepted));
    tcase_add_test(core, test_free_null);
    tcase_add_loop_test(limits, test_depth, 0, 4);
    tcase_add_test(limits, test_depth_never_closed);
    tcase_add_loop_test(limits, test_depth_scan, 0, ARRAY_SIZE(depths));
    tcase_add_test(limits, test_length);
    tcase_add_test(limits, test_many_names);
    tcase_add_test(limits, test_bytes_of_strings);
    tcase_add_loop_test(errors, test_refused, 0, ARRAY_SIZE(refused));
    tcase_add_test(errors, test_nul_byte);
    tcase_add_test(errors, test_memory);
    suite_add_tcase(suite, core);
    suite_add_tcase(suite, limits);
    suite_add_tcase(suite, errors);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
