/*
 * The framing check: one row a request, written as it would stand on the wire.
 *
 * What libmicrohttpd 0.9.75 is known to let through is here as the list of
 * headers that it hands over.
 */

#include "intake/framing.h"
#include "util/cleanup.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEADERS_MAX (FRAMING_HEADERS_MAX + 1)

/* A request, its headers as "Name:value" texts; the value starts right after the first colon. */
struct row {
    const char *version;
    const char *method;
    const char *target;
    const char *headers[8];
    const char *want_fault; /* NULL: well framed */
    struct framing want;
};

static const char *check_row(const struct row *row, struct framing *ret_framing)
{
    struct framing_header headers[ARRAY_SIZE(row->headers)];
    struct framing_request request = {
        .version = row->version ? row->version : "HTTP/1.1",
        .method = row->method,
        .target = row->target,
        .target_length = row->target ? strlen(row->target) : 0,
        .headers = headers,
    };

    for (size_t i = 0; i < ARRAY_SIZE(row->headers) && row->headers[i]; i++) {
        const char *colon = strchr(row->headers[i], ':');

        headers[request.n_headers++] = (struct framing_header){
            .name = row->headers[i],
            .name_length = (size_t)(colon - row->headers[i]),
            .value = colon[1] != '\0' ? colon + 1 : NULL,
            .value_length = strlen(colon + 1),
        };
    }
    return framing_check(&request, ret_framing);
}

static const struct row well_framed[] = {
    {NULL, "POST", "/cb", {"Host:a", "Content-Length:12"}, NULL,
        {.has_length = true, .content_length = 12, .path_length = 3}},
    {NULL, "POST", "/cb", {"host:a", "TRANSFER-ENCODING:Chunked"}, NULL,
        {.chunked = true, .path_length = 3}},
    {"HTTP/1.0", "POST", "/cb", {"Content-Length:0"}, NULL, {.has_length = true, .path_length = 3}},
    {"HTTP/1.0", "GET", "/", {"Host:a"}, NULL, {.path_length = 1}},
    {NULL, "GET", "/healthz?full", {"Host:a"}, NULL, {.path_length = 8}},
    {NULL, "GET", "/?a?b", {"Host:"}, NULL, {.path_length = 1}},
    {NULL, "GET", "/%00%2F;\"<>[]{}|", {"Host:a"}, NULL, {.path_length = 16}},
    {NULL, "DELETE", "/", {"Host:a", "Content-Length:3"}, NULL,
        {.has_length = true, .content_length = 3, .path_length = 1}},
    {NULL, "PURGE", "/", {"Host:a"}, NULL, {.path_length = 1}},
    {NULL, "post", "/", {"Host:a"}, NULL, {.path_length = 1}},
    {NULL, "POST", "/", {"Host:a", "Content-Length:999999999999999999"}, NULL,
        {.has_length = true, .content_length = 999999999999999999, .path_length = 1}},
    {NULL, "POST", "/", {"Host:a", "Content-Length:000000000000000007"}, NULL,
        {.has_length = true, .content_length = 7, .path_length = 1}},
    {NULL, "GET", "/", {"Host:a", "!#$%&'*+-.^_`|~09azAZ:x"}, NULL, {.path_length = 1}},
    {NULL, "GET", "/", {"Host:a", "X:a\tb \x80\xff", "X:", "X:a"}, NULL, {.path_length = 1}},
    {NULL, "GET", "/", {"Host:a", "Authorization:a", "Authorization:b"}, NULL, {.path_length = 1}},
};

START_TEST(accepts)
{
    const struct row *row = &well_framed[_i];
    struct framing got = {.path_length = 99};

    ck_assert_ptr_null(check_row(row, &got));
    ck_assert_int_eq(got.chunked, row->want.chunked);
    ck_assert_int_eq(got.has_length, row->want.has_length);
    ck_assert_uint_eq(got.content_length, row->want.content_length);
    ck_assert_uint_eq(got.path_length, row->want.path_length);
}
END_TEST

#define BAD_VERSION "version is not HTTP/1.1 or HTTP/1.0"
#define BAD_TARGET "request target holds a byte that it cannot have"
#define NOT_ORIGIN "request target does not start with '/'"
#define BAD_NAME "a header name is not a token"
#define BAD_VALUE "a header value holds a control byte"
#define BAD_LENGTH "Content-Length is not 1 to 18 digits"
#define BAD_CODING "Transfer-Encoding is not \"chunked\""
#define BOTH "both Content-Length and Transfer-Encoding"

static const struct row badly_framed[] = {
    /* the request line */
    {"HTTP/1.9", "POST", "/", {"Host:a", "Content-Length:1"}, BAD_VERSION},
    {"HTTP/2.0", "POST", "/", {"Host:a", "Content-Length:1"}, BAD_VERSION},
    {"http/1.1", "POST", "/", {"Host:a", "Content-Length:1"}, BAD_VERSION},
    {"HTTP/1.10", "POST", "/", {"Host:a", "Content-Length:1"}, BAD_VERSION},
    {"", "POST", "/", {"Host:a", "Content-Length:1"}, BAD_VERSION},
    {NULL, "", "/", {"Host:a"}, "method is not a token"},
    {NULL, "PO(ST", "/", {"Host:a"}, "method is not a token"},
    {NULL, "GET", NULL, {"Host:a"}, "request target is not known"},
    {NULL, "GET", "", {"Host:a"}, NOT_ORIGIN},
    {NULL, "OPTIONS", "*", {"Host:a"}, NOT_ORIGIN},
    {NULL, "GET", "http://a/cb", {"Host:a"}, NOT_ORIGIN},
    {NULL, "GET", "?/", {"Host:a"}, NOT_ORIGIN},
    {NULL, "GET", "/a b", {"Host:a"}, BAD_TARGET},
    {NULL, "GET", "/a#b", {"Host:a"}, BAD_TARGET},
    {NULL, "GET", "/a?b#", {"Host:a"}, BAD_TARGET},
    {NULL, "GET", "/a\r", {"Host:a"}, BAD_TARGET},
    {NULL, "GET", "/a\x7f", {"Host:a"}, BAD_TARGET},
    {NULL, "GET", "/\xc3\xa4", {"Host:a"}, BAD_TARGET},
    /* names and values */
    {NULL, "POST", "/", {"Host:a", "Content-Length :5"}, BAD_NAME},
    {NULL, "POST", "/", {"Host:a", " Content-Length:5"}, BAD_NAME},
    {NULL, "POST", "/", {"Host:a", "Content-Length\t:5"}, BAD_NAME},
    {NULL, "GET", "/", {"Host:a", ":x"}, BAD_NAME},
    {NULL, "GET", "/", {"Host:a", "X\xe4:x"}, BAD_NAME},
    {NULL, "GET", "/", {"Host:a", "X{}:x"}, BAD_NAME},
    {NULL, "GET", "/", {"Host:a", "X:a\rb"}, BAD_VALUE},
    {NULL, "GET", "/", {"Host:a", "X:a\nb"}, BAD_VALUE},
    {NULL, "GET", "/", {"Host:a", "X:a\x1b[1m"}, BAD_VALUE},
    {NULL, "GET", "/", {"Host:a", "X:a\x7f"}, BAD_VALUE},
    {NULL, "GET", "/", {"Host:a", "X:\ta"}, BAD_VALUE},
    {NULL, "GET", "/", {"Host:a", "X:a\t"}, BAD_VALUE},
    /* counts */
    {NULL, "GET", "/", {"Accept:x"}, "no Host header"},
    {NULL, "GET", "/", {"Host:a", "hOST:a"}, "more than one Host header"},
    {"HTTP/1.0", "GET", "/", {"Host:a", "Host:a"}, "more than one Host header"},
    {NULL, "POST", "/", {"Host:a", "Content-Type:a", "Content-Type:a", "Content-Length:1"},
        "more than one Content-Type header"},
    {NULL, "POST", "/", {"Host:a", "Content-Length:5", "Content-Length:5"},
        "more than one Content-Length header"},
    {NULL, "POST", "/", {"Host:a", "Transfer-Encoding:chunked", "Transfer-Encoding:chunked"},
        "more than one Transfer-Encoding header"},
    {NULL, "POST", "/", {"Host:a", "Transfer-Encoding:chunked", "Content-Length:5"}, BOTH},
    {NULL, "GET", "/", {"Host:a", "Content-Length:5", "Transfer-Encoding:chunked"}, BOTH},
    {"HTTP/1.0", "POST", "/", {"Transfer-Encoding:chunked"}, "Transfer-Encoding in HTTP/1.0"},
    /* what they hold */
    {NULL, "POST", "/", {"Host:a", "Content-Length:"}, BAD_LENGTH},
    {NULL, "POST", "/", {"Host:a", "Content-Length:+5"}, BAD_LENGTH},
    {NULL, "POST", "/", {"Host:a", "Content-Length:-5"}, BAD_LENGTH},
    {NULL, "POST", "/", {"Host:a", "Content-Length:5 "}, BAD_LENGTH},
    {NULL, "POST", "/", {"Host:a", "Content-Length:5,5"}, BAD_LENGTH},
    {NULL, "POST", "/", {"Host:a", "Content-Length:0x5"}, BAD_LENGTH},
    {NULL, "GET", "/", {"Host:a", "Content-Length:5a"}, BAD_LENGTH},
    {NULL, "POST", "/", {"Host:a", "Content-Length:1000000000000000000"}, BAD_LENGTH},
    {NULL, "POST", "/", {"Host:a", "Content-Length:0000000000000000005"}, BAD_LENGTH},
    {NULL, "POST", "/", {"Host:a", "Transfer-Encoding:"}, BAD_CODING},
    {NULL, "POST", "/", {"Host:a", "Transfer-Encoding:xchunked"}, BAD_CODING},
    {NULL, "POST", "/", {"Host:a", "Transfer-Encoding:gzip, chunked"}, BAD_CODING},
    {NULL, "POST", "/", {"Host:a", "Transfer-Encoding:chunked, chunked"}, BAD_CODING},
    {NULL, "POST", "/", {"Host:a", "Transfer-Encoding:chunked "}, BAD_CODING},
    {NULL, "GET", "/", {"Host:a", "Transfer-Encoding:identity"}, BAD_CODING},
    {NULL, "POST", "/", {"Host:a"}, "neither Content-Length nor Transfer-Encoding"},
    {NULL, "PUT", "/", {"Host:a"}, "neither Content-Length nor Transfer-Encoding"},
    {NULL, "PATCH", "/", {"Host:a"}, "neither Content-Length nor Transfer-Encoding"},
    {"HTTP/1.0", "POST", "/", {"Host:a"}, "neither Content-Length nor Transfer-Encoding"},
};

START_TEST(refuses)
{
    struct framing got = {.path_length = 99};
    const char *got_fault = check_row(&badly_framed[_i], &got);

    ck_assert_ptr_nonnull(got_fault);
    ck_assert_str_eq(got_fault, badly_framed[_i].want_fault);
    ck_assert_uint_eq(got.path_length, 99);
}
END_TEST

/* A NUL can only come with a length, so it has a test of its own. */
START_TEST(refuses_nul_everywhere)
{
    struct framing_header headers[] = {
        {"Host", 4, "a", 1},
        {"X", 1, "b", 1},
    };
    struct framing_request request = {"HTTP/1.1", "GET", "/a", 2, headers, ARRAY_SIZE(headers)};
    struct framing got;

    ck_assert_ptr_null(framing_check(&request, &got));
    headers[1].value = "b\0c";
    headers[1].value_length = 3;
    ck_assert_str_eq(framing_check(&request, &got), BAD_VALUE);
    headers[1].value_length = 1;
    headers[1].name = "X\0Y";
    headers[1].name_length = 3;
    ck_assert_str_eq(framing_check(&request, &got), BAD_NAME);
    headers[1].name_length = 1;
    request.target = "/a\0b";
    request.target_length = 4;
    ck_assert_str_eq(framing_check(&request, &got), BAD_TARGET);
}
END_TEST

START_TEST(bounds_the_number_of_fields)
{
    struct framing_header headers[HEADERS_MAX];
    struct framing_request request = {"HTTP/1.1", "GET", "/", 1, headers, FRAMING_HEADERS_MAX};
    struct framing got;

    for (size_t i = 0; i < ARRAY_SIZE(headers); i++)
        headers[i] = (struct framing_header){"X", 1, NULL, 0};
    headers[0] = (struct framing_header){"Host", 4, "a", 1};
    ck_assert_ptr_null(framing_check(&request, &got));
    request.n_headers++;
    ck_assert_str_eq(framing_check(&request, &got), "more than 64 header fields");
}
END_TEST

/* A name, a value and a target that hold a byte in the midst of others. */
static void judge_byte(int byte, const char *text, size_t length)
{
    static const char token_marks[] = "!#$%&'*+-.^_`|~";
    struct framing_header headers[] = {{"Host", 4, "a", 1}, {"X", 1, "b", 1}};
    struct framing_request request = {"HTTP/1.1", "GET", "/a", 2, headers, ARRAY_SIZE(headers)};
    struct framing got;
    bool is_alnum = (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
                    (byte >= 'a' && byte <= 'z');
    bool want_name = is_alnum || (byte != 0 && strchr(token_marks, byte));
    bool want_value = byte == '\t' || (byte >= ' ' && byte != 0x7f);
    bool want_target = byte > ' ' && byte < 0x7f && byte != '#';

    headers[1] = (struct framing_header){text + 1, length - 1, "b", 1};
    ck_assert_msg(!framing_check(&request, &got) == want_name, "name with byte %d", byte);
    headers[1] = (struct framing_header){"X", 1, text, length};
    ck_assert_msg(!framing_check(&request, &got) == want_value, "value with byte %d", byte);
    headers[1] = (struct framing_header){"X", 1, "b", 1};
    request.target = text;
    request.target_length = length;
    ck_assert_msg(!framing_check(&request, &got) == want_target, "target with byte %d", byte);
}

/* Every byte, in each place: what may stand there and nothing else. In texts of some words and a
 * bit, for values are looked at by the word. */
START_TEST(judges_every_byte)
{
    for (int byte = 0; byte < 256; byte++) {
        for (size_t place = 1; place < 20; place++) {
            char text[] = "/zzzzzzzzzzzzzzzzzzzz";

            text[place] = (char)byte;
            judge_byte(byte, text, strlen("/zzzzzzzzzzzzzzzzzzzz"));
        }
    }
}
END_TEST

/* Tabs pass between other bytes only, wherever words end. */
START_TEST(judges_tabs)
{
    for (size_t length = 1; length < 20; length++) {
        for (size_t place = 0; place < length; place++) {
            struct framing_header headers[] = {{"Host", 4, "a", 1}, {"X", 1, NULL, length}};
            struct framing_request request = {
                "HTTP/1.1", "GET", "/a", 2, headers, ARRAY_SIZE(headers)};
            char text[] = "zzzzzzzzzzzzzzzzzzzz";
            bool want = place > 0 && place + 1 < length;
            struct framing got;

            headers[1].value = text;
            text[place] = '\t';
            ck_assert_int_eq(!framing_check(&request, &got), want);
            if (!want)
                continue;
            text[place - 1] = place > 1 ? '\t' : 'z'; /* two in a row, then a byte that is none */
            ck_assert_ptr_null(framing_check(&request, &got));
            text[length - 1] = '\x1f';
            ck_assert_str_eq(framing_check(&request, &got), BAD_VALUE);
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("framing");
    TCase *core = tcase_create("core");
    TCase *limits = tcase_create("limits");
    TCase *errors = tcase_create("errors");
    SRunner *runner;
    int failed;

    tcase_add_loop_test(core, accepts, 0, ARRAY_SIZE(well_framed));
    tcase_add_test(limits, bounds_the_number_of_fields);
    tcase_add_test(limits, judges_every_byte);
    tcase_add_test(limits, judges_tabs);
    tcase_add_loop_test(errors, refuses, 0, ARRAY_SIZE(badly_framed));
    tcase_add_test(errors, refuses_nul_everywhere);
    suite_add_tcase(suite, core);
    suite_add_tcase(suite, limits);
    suite_add_tcase(suite, errors);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
