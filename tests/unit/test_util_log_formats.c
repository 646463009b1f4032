/*
 * The same event in the journal, in JSON and in text: the same name, level, sentence and fields.
 * Each line is read back with a small reader of its own and the three are compared. And the table
 * of ids that the journal gets.
 */

#include "util/cleanup.h"
#include "util/log_ids.h"
#include "util/log_line.h"

#include <check.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIELDS_MAX 8

/* An event read back; texts are unescaped. */
struct reading {
    char level[16], event[64], sentence[1024];
    struct {
        char name[64], value[1024];
    } fields[FIELDS_MAX];
    size_t n_fields;
};

/* Texts that the three formats escape each in its own way, and that a reader must get back. */
static const struct log_record records[] = {
    {LOG_LEVEL_INFO, "ready", "sasha-callbackd 0.1.0 is ready", LOG_NO_FIELDS, NULL},
    {LOG_LEVEL_ERR, "delivery-dead", "sink publish: delivery 7 is dead after attempt 24: exit 1",
        LOG_FIELDS({"sink", "publish"}, {"seq", "7"}, {"job_id", "job-1"}, {"request_id", NULL},
            {"attempt", "24"}, {"result", "exit 1"}),
        NULL},
    {LOG_LEVEL_WARNING, "request-refused", "request from unix: signature-wrong",
        LOG_FIELDS({"endpoint", NULL}, {"reason", "signature-wrong"}, {"left_out", "3"}), NULL},
    {LOG_LEVEL_DEBUG, "request-accepted", "", LOG_FIELDS({"peer", "[::1]:4711"}), NULL},
    {LOG_LEVEL_WARNING, "file-lost", "a \"quoted\" name with \\ in it",
        LOG_FIELDS({"empty", ""}, {"quote", "say \"a b\""}, {"backslash", "C:\\a"},
            {"assignment", "a=b"}, {"umlaut", "\xC3\xA4"}),
        NULL},
    {LOG_LEVEL_ERR, "conf-fault", "two\nlines and a \ttab",
        LOG_FIELDS({"lines", "1\n2\r3"}, {"escape", "\x1B[2J"}), NULL},
};

/* Undoes escape_field, and escape_sentence, which leaves quotes and backslashes alone. */
static void unescape(const char *from, size_t length, bool is_field, char *to)
{
    for (const char *end = from + length; from < end;) {
        unsigned int code;

        if (*from != '\\') {
            *to++ = *from++;
        } else if (from[1] == 'x' && sscanf(from + 2, "%2x", &code) == 1) {
            *to++ = (char)code;
            from += 4;
        } else if (from[1] == 'u' && sscanf(from + 2, "%4x", &code) == 1 && code < 0x80) {
            *to++ = (char)code;
            from += 6;
        } else if (strchr("nrt", from[1])) {
            *to++ = from[1] == 'n' ? '\n' : from[1] == 'r' ? '\r' : '\t';
            from += 2;
        } else if (is_field) {
            *to++ = from[1];
            from += 2;
        } else {
            *to++ = *from++;
        }
    }
    *to = '\0';
}

/* The end of a text in quotes that begins at `from`. */
static const char *closing_quote(const char *from)
{
    for (; *from != '"'; from++)
        from += *from == '\\';
    return from;
}

static void add(struct reading *reading, const char *name, size_t name_length, const char *value,
    size_t value_length)
{
    ck_assert_uint_lt(reading->n_fields, FIELDS_MAX);
    for (size_t i = 0; i < name_length; i++)
        reading->fields[reading->n_fields].name[i] = (char)tolower(name[i]);
    unescape(value, value_length, true, reading->fields[reading->n_fields++].value);
}

/* level event: sentence name=value name="value". Where the sentence ends, a reader of text cannot
 * tell; the test knows its length. */
static void read_text(const struct log_record *record, struct reading *reading)
{
    struct log_record without = *record;
    struct log_line line, bare;
    const char *at, *end;

    without.fields = LOG_NO_FIELDS;
    log_line_text(&bare, &without);
    log_line_text(&line, record);
    ck_assert_mem_eq(line.data, bare.data, bare.length - 1);
    line.data[line.length - 1] = '\0';
    ck_assert_int_eq(sscanf(line.data, "%15[a-z] %63[a-z-]:", reading->level, reading->event), 2);
    at = strchr(line.data, ':') + 2;
    unescape(at, (size_t)(line.data + bare.length - 1 - at), false, reading->sentence);
    for (at = line.data + bare.length - 1; *at; at = end) {
        const char *name = at + 1, *equals = strchr(at, '=');

        if (equals[1] == '"') {
            end = closing_quote(equals + 2) + 1;
            add(reading, name, (size_t)(equals - name), equals + 2, (size_t)(end - equals - 3));
        } else {
            end = equals + 1 + strcspn(equals + 1, " ");
            add(reading, name, (size_t)(equals - name), equals + 1, (size_t)(end - equals - 1));
        }
    }
}

/* {"name":"value",...}: flat, as the log writes it. */
static void read_json(const struct log_record *record, struct reading *reading)
{
    struct log_line line;

    log_line_json(&line, record);
    line.data[line.length] = '\0';
    for (const char *at = line.data + 1, *end; *at != '}'; at = end + (*end == ',')) {
        const char *name = at + 1, *name_end = closing_quote(name);
        const char *value = name_end + 3;
        size_t name_length = (size_t)(name_end - name), length;

        end = closing_quote(value) + 1;
        length = (size_t)(end - 1 - value);
        if (strncmp(name, "level", name_length) == 0)
            unescape(value, length, true, reading->level);
        else if (strncmp(name, "event", name_length) == 0)
            unescape(value, length, true, reading->event);
        else if (strncmp(name, "message", name_length) == 0)
            unescape(value, length, true, reading->sentence);
        else
            add(reading, name, name_length, value, length);
    }
}

static void read_journal(const struct log_record *record, struct reading *reading)
{
    static struct log_entry entry;

    log_entry_journal(&entry, record, "test");
    for (size_t i = 0; i < entry.count; i++) {
        const char *name = entry.items[i].iov_base;
        const char *equals = memchr(name, '=', entry.items[i].iov_len);
        const size_t name_length = (size_t)(equals - name);
        const size_t length = entry.items[i].iov_len - name_length - 1;

        if (strncmp(name, "MESSAGE=", name_length + 1) == 0) {
            unescape(equals + 1, length, false, reading->sentence);
        } else if (strncmp(name, "SASHA_EVENT=", name_length + 1) == 0) {
            unescape(equals + 1, length, false, reading->event);
        } else if (strncmp(name, "PRIORITY=", name_length + 1) == 0) {
            strcpy(reading->level, log_level_name((enum log_level)(equals[1] - '0')));
        } else if (strncmp(name, "MESSAGE_ID=", name_length + 1) == 0) {
            ck_assert_uint_eq(length, LOG_ID_LENGTH);
            ck_assert_mem_eq(equals + 1, log_id_find(record->event), LOG_ID_LENGTH);
        } else if (strncmp(name, "SASHA_", 6) == 0) {
            add(reading, name + 6, name_length - 6, equals + 1, length);
        } else {
            ck_assert_mem_eq(name, "SYSLOG_IDENTIFIER=test", entry.items[i].iov_len);
        }
    }
}

static void assert_is_record(const struct reading *got, const struct log_record *want)
{
    size_t n = 0;

    ck_assert_str_eq(got->level, log_level_name(want->level));
    ck_assert_str_eq(got->event, want->event);
    ck_assert_str_eq(got->sentence, want->sentence);
    for (const struct log_field *field = want->fields; field->name; field++) {
        if (!field->value)
            continue;
        ck_assert_uint_lt(n, got->n_fields);
        ck_assert_str_eq(got->fields[n].name, field->name);
        ck_assert_str_eq(got->fields[n].value, field->value);
        n++;
    }
    ck_assert_uint_eq(got->n_fields, n);
}

static void (*const readers[])(const struct log_record *, struct reading *) = {
    read_text, read_json, read_journal};

START_TEST(test_same_in_each_format)
{
    const struct log_record *record = &records[_i];

    for (size_t i = 0; i < ARRAY_SIZE(readers); i++) {
        static struct reading got;

        memset(&got, 0, sizeof(got));
        readers[i](record, &got);
        assert_is_record(&got, record);
    }
}
END_TEST

/* Every id is 128 bits of version 4, which systemd-id128 makes, and nobody else's in the table. */
START_TEST(test_ids)
{
    size_t n;
    const struct log_id *rows = log_id_rows(&n);

    ck_assert_uint_gt(n, 0);
    for (size_t i = 0; i < n; i++) {
        ck_assert_uint_eq(strlen(rows[i].id), LOG_ID_LENGTH);
        ck_assert_uint_eq(strspn(rows[i].id, "0123456789abcdef"), LOG_ID_LENGTH);
        ck_assert_int_eq(rows[i].id[12], '4');
        ck_assert_ptr_nonnull(strchr("89ab", rows[i].id[16]));
        ck_assert_ptr_eq(log_id_find(rows[i].event), rows[i].id);
        if (i > 0)
            ck_assert_int_lt(strcmp(rows[i - 1].event, rows[i].event), 0);
        for (size_t j = 0; j < i; j++)
            ck_assert_str_ne(rows[i].id, rows[j].id);
    }
}
END_TEST

START_TEST(test_no_id)
{
    static const char *const unknown[] = {"", "a", "Ready", "ready ", "zzz"};

    for (size_t i = 0; i < ARRAY_SIZE(unknown); i++)
        ck_assert_ptr_null(log_id_find(unknown[i]));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("util_log_formats");
    TCase *core = tcase_create("core"), *errors = tcase_create("errors");
    SRunner *runner;
    int failed;

    tcase_add_loop_test(core, test_same_in_each_format, 0, (int)ARRAY_SIZE(records));
    tcase_add_test(core, test_ids);
    tcase_add_test(errors, test_no_id);
    suite_add_tcase(suite, core);
    suite_add_tcase(suite, errors);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
