/*
 * Choosing deliveries: filters, queries, walks over made-up pages, numbers out of them; and JSON
 * passed on as text.
 */

#include "ctl/json_text.h"
#include "ctl/select.h"
#include "util/cleanup.h"

#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#define NOW INT64_C(1795331738000000) /* 2026-11-22T07:15:38Z */

/* ---- a daemon of pages ---- */

/* The deliveries 1 to `count`; every page whose turn is a multiple of `empty` has none. */
struct pages {
    uint64_t count;
    unsigned empty; /* 0: none is */
    unsigned turn;
    const char *broken; /* answered instead from turn `broken_at` on */
    unsigned broken_at;
    int status; /* of a broken answer */
};

static uint64_t parameter(const char *target, const char *name)
{
    const char *at = strstr(target, name);

    return at ? strtoull(at + strlen(name), NULL, 10) : 0;
}

static int fetch(
    void *context, const char *target, struct client_answer *answer, struct error *error)
{
    struct pages *pages = context;
    uint64_t from = parameter(target, "&from="), limit = parameter(target, "?limit=");
    bool empty, oldest = strstr(target, "order=oldest") != NULL;
    uint64_t seq = oldest ? from + 1 : from ? from - 1 : pages->count, last = from, n = 0;

    json_decref(answer->root);
    answer->root = NULL;
    pages->turn++;
    if (pages->broken && pages->turn >= pages->broken_at) {
        if (pages->status != EX_OK) {
            error_set(error, 5, "%s", pages->broken);
            return pages->status;
        }
        answer->root = json_loads(pages->broken, 0, NULL);
        ck_assert_ptr_nonnull(answer->root);
        return EX_OK;
    }
    empty = pages->empty && pages->turn % pages->empty == 0;
    answer->root = json_pack("{s:[]}", "deliveries");
    for (; n < limit && seq >= 1 && seq <= pages->count; n++, seq += oldest ? 1 : -UINT64_C(1)) {
        last = seq;
        if (!empty)
            json_array_append_new(json_object_get(answer->root, "deliveries"),
                json_pack("{s:I}", "seq", (json_int_t)seq));
    }
    json_object_set_new(answer->root, "next",
        seq >= 1 && seq <= pages->count ? json_integer((json_int_t)last) : json_null());
    return EX_OK;
}

static const struct select_filter all = {.job = NULL};

static struct select_seqs make_seqs(struct pages *pages, uint64_t left)
{
    return (struct select_seqs){
        .walk = {.filter = &all, .oldest_first = true, .fetch = fetch, .context = pages},
        .left = left,
        .answer = CLIENT_ANSWER_INIT,
    };
}

/* ---- core ---- */

START_TEST(makes_a_query)
{
    const struct select_options options = {.job = "a&b=c/ü",
        .request_id = "r",
        .status = "s",
        .type = "t",
        .endpoint = "e",
        .since = "-1h",
        .until = "now",
        .stale = "yes",
        .sink = "x y",
        .state = "dead"};
    struct select_filter filter;
    struct buf out = BUF_INIT;
    struct error error = ERROR_INIT;

    ck_assert_int_eq(select_filter_parse(&options, NOW, &filter, &error), EX_OK);
    ck_assert(!select_filter_is_all(&filter));
    ck_assert_int_eq(select_target(&filter, true, 7, 500, &out), 0);
    buf_append(&out, "", 1);
    ck_assert_str_eq((const char *)out.data,
        "/v1/deliveries?limit=500&order=oldest&from=7&job=a%26b%3Dc%2F%C3%BC&request_id=r&status=s"
        "&type=t&endpoint=e&since=2026-11-22T06%3A15%3A38.000000Z"
        "&until=2026-11-22T07%3A15%3A38.000000Z&stale=true&sink=x%20y&state=dead");
    buf_done(&out);
}
END_TEST

START_TEST(leaves_out_what_is_not_asked_for)
{
    const struct select_options options = {.sink = "x"};
    struct select_filter filter;
    struct buf out = BUF_INIT;

    ck_assert_int_eq(select_filter_parse(&options, NOW, &filter, NULL), EX_OK);
    ck_assert(select_filter_is_all(&filter));
    ck_assert_int_eq(select_target(&filter, false, 0, 1, &out), 0);
    buf_append(&out, "", 1);
    ck_assert_str_eq((const char *)out.data, "/v1/deliveries?limit=1&order=newest");
    buf_done(&out);
}
END_TEST

static const struct {
    uint64_t count;
    unsigned empty;
    uint64_t left;
    size_t max;
    uint64_t want;
} walks[] = {
    {0, 0, UINT64_MAX, 500, 0},
    {1, 0, UINT64_MAX, 500, 1},
    {500, 0, UINT64_MAX, 500, 500},
    {501, 0, UINT64_MAX, 500, 501},
    {1234, 0, UINT64_MAX, 7, 1234},
    {1234, 0, 1000, 500, 1000},
    {1234, 0, 1, 500, 1},
    {100000, 0, UINT64_MAX, 500, 100000},
    {2000, 2, UINT64_MAX, 500, 1000}, /* every second page is empty */
    {2000, 1, UINT64_MAX, 500, 0},
};

START_TEST(passes_each_on_once_and_in_order)
{
    struct pages pages = {.count = walks[_i].count, .empty = walks[_i].empty};
    struct select_seqs seqs = make_seqs(&pages, walks[_i].left);
    struct error error = ERROR_INIT;
    uint64_t got[SELECT_CHUNK], sum = 0, last = 0;
    size_t n;

    for (;;) {
        ck_assert_int_eq(select_seqs_next(&seqs, walks[_i].max, got, &n, &error), EX_OK);
        ck_assert_uint_le(n, walks[_i].max);
        if (n == 0)
            break;
        for (size_t i = 0; i < n; i++) {
            ck_assert_uint_gt(got[i], last);
            last = got[i];
        }
        sum += n;
    }
    ck_assert_uint_eq(sum, walks[_i].want);
    if (!walks[_i].empty)
        ck_assert_uint_eq(last, walks[_i].want);
    select_seqs_done(&seqs);
}
END_TEST

START_TEST(passes_given_ones_on_as_they_are)
{
    static const uint64_t given[] = {9, 3, 9, 1};
    struct select_seqs seqs = {.given = given, .n_given = 4, .left = 3};
    uint64_t got[SELECT_CHUNK];
    size_t n;

    ck_assert_int_eq(select_seqs_next(&seqs, 2, got, &n, NULL), EX_OK);
    ck_assert_uint_eq(n, 2);
    ck_assert_uint_eq(got[0], 9);
    ck_assert_uint_eq(got[1], 3);
    ck_assert_int_eq(select_seqs_next(&seqs, 2, got, &n, NULL), EX_OK);
    ck_assert_uint_eq(n, 1);
    ck_assert_int_eq(select_seqs_next(&seqs, 2, got, &n, NULL), EX_OK);
    ck_assert_uint_eq(n, 0);
    select_seqs_done(&seqs);
}
END_TEST

START_TEST(walks_from_the_newest)
{
    struct pages pages = {.count = 5};
    struct select_walk walk = {.filter = &all, .fetch = fetch, .context = &pages};
    struct client_answer answer = CLIENT_ANSWER_INIT;
    const json_t *page = NULL;

    ck_assert_int_eq(select_walk_next(&walk, 3, &answer, &page, NULL), EX_OK);
    ck_assert_uint_eq(json_array_size(page), 3);
    ck_assert(!walk.ended);
    ck_assert_uint_eq(walk.from, 3);
    ck_assert_int_eq(select_walk_next(&walk, 3, &answer, &page, NULL), EX_OK);
    ck_assert_uint_eq(json_array_size(page), 2);
    ck_assert(walk.ended);
    client_answer_done(&answer);
}
END_TEST

/* ---- JSON as text ---- */

static const struct {
    const char *text, *name, *want; /* NULL: it has none */
} members[] = {
    {"{\"a\":1,\"b\":[1,{\"c\":2}],\"d\":\"x\"}", "b", "[1,{\"c\":2}]"},
    {" { \"a\" : 1 , \"b\" : -0.10 } ", "b", "-0.10"},
    {"{\"a\":\"}\\\"]{\",\"b\":null}", "b", "null"},
    {"{\"x\":{\"b\":1},\"b\":true}", "b", "true"},
    {"{\"a\":12345678901234567890123}", "a", "12345678901234567890123"},
    {"{}", "a", NULL},
    {"[1]", "a", NULL},
    {"{\"ab\":1}", "a", NULL},
};

START_TEST(finds_members)
{
    struct json_span got = {NULL, 0};
    bool found = json_text_get(members[_i].text, strlen(members[_i].text), members[_i].name, &got);

    ck_assert_int_eq(found, members[_i].want != NULL);
    if (found) {
        ck_assert_uint_eq(got.length, strlen(members[_i].want));
        ck_assert_mem_eq(got.text, members[_i].want, got.length);
    }
}
END_TEST

static const struct {
    const char *text;
    const char *want[4];
} arrays[] = {
    {"[]", {NULL}},
    {" [ ] ", {NULL}},
    {"[1, \"a,]\" ,{\"b\":[2,3]}]", {"1", "\"a,]\"", "{\"b\":[2,3]}", NULL}},
    {"{}", {NULL}},
};

START_TEST(walks_arrays)
{
    size_t at = 0, n = 0;
    struct json_span got;

    while (json_text_next(arrays[_i].text, strlen(arrays[_i].text), &at, &got)) {
        ck_assert_ptr_nonnull(arrays[_i].want[n]);
        ck_assert_uint_eq(got.length, strlen(arrays[_i].want[n]));
        ck_assert_mem_eq(got.text, arrays[_i].want[n], got.length);
        n++;
    }
    ck_assert_ptr_null(arrays[_i].want[n]);
}
END_TEST

START_TEST(prints_one_line_or_many)
{
    static const char text[] = "{\"a\": [1,\n 0.10],\"b\":{},\"c\":\"\xc2\x85\x7f\\n\xc3\xbc\"}";
    struct buf out = BUF_INIT;

    ck_assert_int_eq(json_text_append_line(&out, text, strlen(text)), 0);
    buf_append(&out, "", 1);
    ck_assert_str_eq(
        (const char *)out.data, "{\"a\": [1,  0.10],\"b\":{},\"c\":\"\\u0085\\u007f\\nü\"}");
    buf_clear(&out);
    ck_assert_int_eq(json_text_append_pretty(&out, text, strlen(text), "> "), 0);
    buf_append(&out, "", 1);
    ck_assert_str_eq((const char *)out.data,
        "> {\n>   \"a\": [\n>     1,\n>     0.10\n>   ],\n>   \"b\": {},\n"
        ">   \"c\": \"\\u0085\\u007f\\nü\"\n> }\n");
    buf_done(&out);
}
END_TEST

/* ---- errors ---- */

static const struct {
    struct select_options options;
    const char *want;
} wrong_options[] = {
    {{.since = "soon"}, "--since: \"soon\" is no time"},
    {{.until = "x"}, "--until: \"x\" is no time"},
    {{.since = "now", .until = "-1h"}, "--since is not before --until"},
    {{.stale = "maybe"}, "--stale is yes or no"},
    {{.state = "done"}, "--state is dead or pending"},
};

START_TEST(refuses_wrong_filters)
{
    struct select_filter filter;
    struct error error = ERROR_INIT;

    ck_assert_int_eq(
        select_filter_parse(&wrong_options[_i].options, NOW, &filter, &error), EX_USAGE);
    ck_assert_msg(strstr(error.text, wrong_options[_i].want) != NULL, "%s", error.text);
}
END_TEST

static const char *const no_seqs[] = {
    "", "0", "-1", "+1", " 1", "1x", "0x1", "1234567890123456789", "#1"};

START_TEST(refuses_wrong_numbers)
{
    struct error error = ERROR_INIT;
    uint64_t seq = 0;

    ck_assert_int_eq(select_parse_seq(no_seqs[_i], &seq, &error), EX_USAGE);
    ck_assert_ptr_nonnull(strstr(error.text, "is not the number of a delivery"));
    ck_assert_int_eq(select_parse_limit(no_seqs[_i], &seq, &error), EX_USAGE);
}
END_TEST

static const struct {
    const char *answer;
    int status;
    int want;
} broken[] = {
    {"{\"deliveries\":[],\"next\":500}", EX_OK, EX_PROTOCOL}, /* where it is already */
    {"{\"deliveries\":[],\"next\":3}", EX_OK, EX_PROTOCOL},   /* back */
    {"{\"deliveries\":[],\"next\":\"x\"}", EX_OK, EX_PROTOCOL},
    {"{\"deliveries\":[],\"next\":-1}", EX_OK, EX_PROTOCOL},
    {"{\"deliveries\":{}}", EX_OK, EX_PROTOCOL},
    {"{\"deliveries\":[{}]}", EX_OK, EX_PROTOCOL},
    {"{\"deliveries\":[7]}", EX_OK, EX_PROTOCOL},
    {"gone", EX_UNAVAILABLE, EX_UNAVAILABLE},
};

START_TEST(stops_at_what_is_no_page)
{
    struct pages pages = {
        .count = 1000, .broken = broken[_i].answer, .broken_at = 2, .status = broken[_i].status};
    struct select_seqs seqs = make_seqs(&pages, UINT64_MAX);
    struct error error = ERROR_INIT;
    uint64_t got[SELECT_CHUNK];
    size_t n = 0;

    ck_assert_int_eq(select_seqs_next(&seqs, SELECT_CHUNK, got, &n, &error), EX_OK);
    ck_assert_uint_eq(n, SELECT_CHUNK);
    ck_assert_int_eq(select_seqs_next(&seqs, SELECT_CHUNK, got, &n, &error), broken[_i].want);
    ck_assert_str_ne(error.text, "");
    select_seqs_done(&seqs);
}
END_TEST

START_TEST(takes_no_page_that_is_longer_than_asked_for)
{
    struct pages pages = {.count = 0,
        .broken = "{\"deliveries\":[{\"seq\":1},{\"seq\":2}],\"next\":null}",
        .broken_at = 1,
        .status = EX_OK};
    struct select_walk walk = {.filter = &all, .fetch = fetch, .context = &pages};
    struct client_answer answer = CLIENT_ANSWER_INIT;
    const json_t *page = NULL;
    struct error error = ERROR_INIT;

    ck_assert_int_eq(select_walk_next(&walk, 1, &answer, &page, &error), EX_PROTOCOL);
    client_answer_done(&answer);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ctl_select");
    TCase *core = tcase_create("core");
    TCase *errors = tcase_create("errors");
    SRunner *runner;
    int failed;

    tcase_add_test(core, makes_a_query);
    tcase_add_test(core, leaves_out_what_is_not_asked_for);
    tcase_add_loop_test(core, passes_each_on_once_and_in_order, 0, ARRAY_SIZE(walks));
    tcase_add_test(core, passes_given_ones_on_as_they_are);
    tcase_add_test(core, walks_from_the_newest);
    tcase_add_loop_test(core, finds_members, 0, ARRAY_SIZE(members));
    tcase_add_loop_test(core, walks_arrays, 0, ARRAY_SIZE(arrays));
    tcase_add_test(core, prints_one_line_or_many);
    tcase_add_loop_test(errors, refuses_wrong_filters, 0, ARRAY_SIZE(wrong_options));
    tcase_add_loop_test(errors, refuses_wrong_numbers, 0, ARRAY_SIZE(no_seqs));
    tcase_add_loop_test(errors, stops_at_what_is_no_page, 0, ARRAY_SIZE(broken));
    tcase_add_test(errors, takes_no_page_that_is_longer_than_asked_for);
    suite_add_tcase(suite, core);
    suite_add_tcase(suite, errors);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
