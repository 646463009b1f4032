/*
 * Whether a head is whole, on heads laid out as libmicrohttpd 0.9 leaves them.
 */

#include "intake/head.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

/* Does to `raw` what libmicrohttpd 0.9 does: lines end at LF, a CR before it goes too, the first
 * space, the last space and the first colons become NUL, everything is read as C strings. */
struct parsed {
    char text[512];
    size_t size;
    struct head_line line;
    struct head head;
};

static char *end_line(char *at)
{
    char *end = memchr(at, '\n', 400);

    *end = '\0';
    if (end > at && end[-1] == '\r')
        end[-1] = '\0';
    return end + 1;
}

static void parse(struct parsed *parsed, const char *raw, size_t size)
{
    char *at = parsed->text, *next, *space;

    memset(parsed, 0, sizeof(*parsed));
    memcpy(parsed->text, raw, size);
    parsed->size = size;
    next = memchr(at, '\n', size);
    *next = '\0';
    next[-1] = next[-1] == '\r' ? '\0' : next[-1];
    space = memchr(at, ' ', size);
    *space = '\0';
    parsed->line.method = at;
    at = space + 1;
    at += strspn(at, " ");
    parsed->line.target = at;
    space = memmem(parsed->text, size, " HTTP", 5);
    *space = '\0';
    parsed->line.target_length = strlen(at);
    parsed->line.version = space + 1;
    for (at = next + 1; *at != '\r' && *at != '\n'; at = next) {
        struct framing_header *field = &parsed->head.fields[parsed->head.n_fields++];
        char *colon = memchr(at, ':', 400);

        next = end_line(at);
        *colon = '\0';
        field->name = at;
        field->name_length = strlen(at);
        field->value = colon + 1 + strspn(colon + 1, " \t");
        field->value_length = strlen(field->value);
    }
}

#define HEAD(text, want)              \
    {                                 \
        text, sizeof(text) - 1, want, \
    }

static const struct {
    const char *raw;
    size_t size;
    bool want;
} heads[] = {
    HEAD("GET / HTTP/1.0\r\n\r\n", true),
    HEAD("POST /x?y HTTP/1.1\r\nHost: x\r\n\r\n", true),
    HEAD("POST /x HTTP/1.1\r\nHost:x\r\nA:  \t b\r\nB:\r\nC: \r\n\r\n", true),
    HEAD("POST  /x HTTP/1.1\r\nHost: x\r\n\r\n", false),
    HEAD("POST /x\0y HTTP/1.1\r\nHost: x\r\n\r\n", false),
    HEAD("POST /x HTTP/1.1\nHost: x\r\n\r\n", false),
    HEAD("POST /x HTTP/1.1\r\nHost: x\n\r\n", false),
    HEAD("POST /x HTTP/1.1\r\nHost: x\r\n\n", false),
    HEAD("POST /x HTTP/1.1\r\nHost: x\r\nA: b\nC: d\r\n\r\n", false),
    HEAD("POST /x HTTP/1.1\r\nHost: x\r\nA: b\0c\r\nC: d\r\n\r\n", false),
    HEAD("POST /x HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n", false),
    HEAD("POST /x HTTP/1.1\r\nHost: x\r\nA: b\0\r\n\r\n", false),
};

START_TEST(test_heads)
{
    struct parsed parsed;

    parse(&parsed, heads[_i].raw, heads[_i].size);
    ck_assert_int_eq(head_is_whole(&parsed.line, &parsed.head, parsed.size), heads[_i].want);
}
END_TEST

/* A folded line was moved elsewhere; a name or value somewhere else is never whole. */
START_TEST(test_moved)
{
    static const char raw[] = "POST /x HTTP/1.1\r\nHost: x\r\nA: b\r\n\r\n";
    struct parsed parsed;
    char elsewhere[] = "A\0b";

    parse(&parsed, raw, sizeof(raw) - 1);
    ck_assert(head_is_whole(&parsed.line, &parsed.head, parsed.size));
    parsed.head.fields[1].name = elsewhere;
    ck_assert(!head_is_whole(&parsed.line, &parsed.head, parsed.size));
    parse(&parsed, raw, sizeof(raw) - 1);
    parsed.head.fields[1].value = NULL;
    parsed.head.fields[1].value_length = 0;
    ck_assert(!head_is_whole(&parsed.line, &parsed.head, parsed.size));
    parse(&parsed, raw, sizeof(raw) - 1);
    parsed.line.target = NULL;
    ck_assert(!head_is_whole(&parsed.line, &parsed.head, parsed.size));
}
END_TEST

START_TEST(test_find)
{
    struct head head = {
        .fields = {{"sasha-request-id", 16, "a", 1}, {"AUTHORIZATION", 13, "b", 1},
            {"SASHA-Request-ID", 16, "second", 6}, {"SASHA-Request-IDx", 17, "no", 2},
            {"SASHA-Callback-Secret-ID", 24, NULL, 0}},
        .n_fields = 5,
    };
    struct verify_head got;

    head_find(&head, &got);
    ck_assert_uint_eq(got.request_id.count, 2);
    ck_assert_uint_eq(got.request_id.length, 1);
    ck_assert_mem_eq(got.request_id.value, "a", 1);
    ck_assert_uint_eq(got.authorization.count, 1);
    ck_assert_uint_eq(got.signature.count, 0);
    ck_assert_uint_eq(got.secret_id.count, 1);
    ck_assert_ptr_nonnull(got.secret_id.value);
    ck_assert_uint_eq(got.secret_id.length, 0);
}
END_TEST

/* By the whole name: one as long as a name that counts is another. */
START_TEST(test_find_whole_names)
{
    struct head head = {.n_fields = 3};
    struct verify_head found;

    head.fields[0] = (struct framing_header){"Authorizatiom", 13, "a", 1};
    head.fields[1] = (struct framing_header){"aUTHORIZATION", 13, "b", 1};
    head.fields[2] = (struct framing_header){"Authorization", 13, NULL, 0};
    head_find(&head, &found);
    ck_assert_uint_eq(found.authorization.count, 2);
    ck_assert_str_eq(found.authorization.value, "b");
    ck_assert_uint_eq(found.request_id.count, 0);
    head.fields[1] = head.fields[2];
    head_find(&head, &found);
    ck_assert_str_eq(found.authorization.value, "");
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("head");
    TCase *core = tcase_create("core"), *errors = tcase_create("errors");

    tcase_add_test(core, test_find_whole_names);
    tcase_add_loop_test(core, test_heads, 0, (int)(sizeof(heads) / sizeof(heads[0])));
    tcase_add_test(core, test_find);
    suite_add_tcase(s, core);
    tcase_add_test(errors, test_moved);
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
