/*
 * The log: one event is one line in each format, whatever bytes are in it.
 */

#include "util/cleanup.h"
#include "util/escape.h"
#include "util/log.h"
#include "util/log_ids.h"
#include "util/log_line.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define HOSTILE "a\nb\r\x1B[2J \"q\"\\ \xFF \xE2\x80\xAE"

static const struct log_record plain = {
    .level = LOG_LEVEL_WARNING,
    .event = "hook-failed",
    .sentence = "sink \"publish\": exit 1",
    .fields = LOG_FIELDS({"sink", "publish"}, {"job_id", NULL}, {"tail", "no such file"},
        {"empty", ""}, {"path", "a=b"}),
    .date = "2026-11-22T07:15:38.123Z",
};

static const struct log_record hostile = {
    .level = LOG_LEVEL_ERR,
    .event = "x",
    .sentence = HOSTILE,
    .fields = LOG_FIELDS({"f", HOSTILE}),
};

START_TEST(test_text)
{
    struct log_line line;
    struct log_record no_date = plain;

    log_line_text(&line, &plain);
    line.data[line.length] = '\0';
    ck_assert_str_eq(line.data,
        "2026-11-22T07:15:38.123Z warning hook-failed: sink \"publish\": exit 1 sink=publish "
        "tail=\"no such file\" empty=\"\" path=\"a=b\"\n");

    no_date.date = NULL;
    no_date.fields = LOG_NO_FIELDS;
    log_line_text(&line, &no_date);
    line.data[line.length] = '\0';
    ck_assert_str_eq(line.data, "warning hook-failed: sink \"publish\": exit 1\n");

    log_line_text(&line, &hostile);
    line.data[line.length] = '\0';
    ck_assert_str_eq(line.data, "err x: a\\nb\\r\\x1b[2J \"q\"\\ \\xff \\xe2\\x80\\xae "
                                "f=\"a\\nb\\r\\x1b[2J \\\"q\\\"\\\\ \\xff \\xe2\\x80\\xae\"\n");
}
END_TEST

START_TEST(test_json)
{
    struct log_line line;

    log_line_json(&line, &plain);
    line.data[line.length] = '\0';
    ck_assert_str_eq(line.data,
        "{\"time\":\"2026-11-22T07:15:38.123Z\",\"level\":\"warning\",\"event\":\"hook-failed\","
        "\"message\":\"sink \\\"publish\\\": exit 1\",\"sink\":\"publish\",\"tail\":\"no such "
        "file\",\"empty\":\"\",\"path\":\"a=b\"}\n");

    log_line_json(&line, &hostile);
    line.data[line.length] = '\0';
    ck_assert_str_eq(line.data,
        "{\"level\":\"err\",\"event\":\"x\","
        "\"message\":\"a\\nb\\r\\u001b[2J \\\"q\\\"\\\\ \xEF\xBF\xBD \\u202e\","
        "\"f\":\"a\\nb\\r\\u001b[2J \\\"q\\\"\\\\ \xEF\xBF\xBD \\u202e\"}\n");
}
END_TEST

static void assert_item(const struct log_entry *entry, size_t i, const char *want)
{
    ck_assert_uint_lt(i, entry->count);
    ck_assert_uint_eq(entry->items[i].iov_len, strlen(want));
    ck_assert_mem_eq(entry->items[i].iov_base, want, strlen(want));
}

START_TEST(test_journal)
{
    struct log_entry entry;

    log_entry_journal(&entry, &plain, "sasha-callbackd");
    ck_assert_uint_eq(entry.count, 8);
    assert_item(&entry, 0, "PRIORITY=4");
    assert_item(&entry, 1, "SYSLOG_IDENTIFIER=sasha-callbackd");
    assert_item(&entry, 2, "SASHA_EVENT=hook-failed");
    assert_item(&entry, 3, "MESSAGE=sink \"publish\": exit 1");
    assert_item(&entry, 4, "SASHA_SINK=publish");
    assert_item(&entry, 5, "SASHA_TAIL=no such file");
    assert_item(&entry, 6, "SASHA_EMPTY=");
    assert_item(&entry, 7, "SASHA_PATH=a=b");

    log_entry_journal(&entry, &hostile, "x");
    assert_item(&entry, 3, "MESSAGE=a\\nb\\r\\x1b[2J \"q\"\\ \\xff \\xe2\\x80\\xae");
    assert_item(&entry, 4, "SASHA_F=a\\nb\\r\\x1b[2J \\\"q\\\"\\\\ \\xff \\xe2\\x80\\xae");
}
END_TEST

/* Long values and a long sentence are cut, each with an ellipsis. */
START_TEST(test_cut)
{
    char sentence[3 * LOG_SENTENCE_MAX];
    char value[3 * ESCAPE_FIELD_MAX];
    const struct log_record record = {
        .level = LOG_LEVEL_INFO,
        .event = "e",
        .sentence = sentence,
        .fields = LOG_FIELDS({"v", value}),
    };
    struct log_line line;
    char want[4096];

    memset(sentence, 's', sizeof(sentence) - 1);
    sentence[sizeof(sentence) - 1] = '\0';
    memset(value, 'v', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    snprintf(want, sizeof(want), "info e: %.*s… v=%.*s…\n", LOG_SENTENCE_MAX, sentence,
        ESCAPE_FIELD_MAX, value);
    log_line_text(&line, &record);
    line.data[line.length] = '\0';
    ck_assert_str_eq(line.data, want);
}
END_TEST

/* The worst sentence and more of the worst fields than fit: whole fields are left out, and what is
 * there ends as it should. */
START_TEST(test_full)
{
    char sentence[LOG_SENTENCE_MAX + 2];
    char value[ESCAPE_FIELD_MAX + 2];
    struct log_field fields[200];
    const struct log_record record = {
        .level = LOG_LEVEL_INFO,
        .event = "e",
        .sentence = sentence,
        .fields = fields,
        .date = "2026-11-22T07:15:38.123Z",
    };
    static struct log_entry entry;
    static struct log_line line;

    memset(sentence, '\x01', sizeof(sentence) - 1);
    sentence[sizeof(sentence) - 1] = '\0';
    memset(value, '\x01', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
        fields[i] = (struct log_field){"long", value};
    fields[150] = (struct log_field){"short", "x"};
    fields[199] = (struct log_field){NULL, NULL};

    log_line_text(&line, &record);
    ck_assert_uint_le(line.length, sizeof(line.data));
    line.data[line.length] = '\0';
    ck_assert_ptr_eq(strchr(line.data, '\n'), line.data + line.length - 1);
    ck_assert_ptr_nonnull(strstr(line.data, " long=\"\\x01"));

    log_line_json(&line, &record);
    ck_assert_uint_le(line.length, sizeof(line.data));
    line.data[line.length] = '\0';
    ck_assert_ptr_eq(strchr(line.data, '\n'), line.data + line.length - 1);
    ck_assert_str_eq(line.data + line.length - 3, "\"}\n");
    ck_assert_ptr_nonnull(strstr(line.data, "\"short\":\"x\""));

    log_entry_journal(&entry, &record, "x");
    ck_assert_uint_le(entry.count, LOG_ENTRIES_MAX);
    ck_assert_uint_gt(entry.count, 16);
    for (size_t i = 0; i < entry.count; i++)
        ck_assert_ptr_nonnull(memchr(entry.items[i].iov_base, '=', entry.items[i].iov_len));
}
END_TEST

/* Takes stderr away into a file while something is logged. */
static FILE *capture;
static int real_stderr = -1;

static void capture_start(void)
{
    capture = tmpfile();
    ck_assert_ptr_nonnull(capture);
    real_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    ck_assert_int_ge(dup2(fileno(capture), STDERR_FILENO), 0);
}

/* Returns owned. */
static char *capture_stop(void)
{
    char *text = NULL;
    size_t size = 0;

    dup2(real_stderr, STDERR_FILENO);
    close(real_stderr);
    rewind(capture);
    if (getdelim(&text, &size, '\0', capture) < 0 && text)
        text[0] = '\0';
    fclose(capture);
    return text;
}

START_TEST(test_event)
{
    const uint64_t infos = log_count(LOG_LEVEL_INFO), debugs = log_count(LOG_LEVEL_DEBUG);
    CLEANUP(free) char *got = NULL;
    int got_errno;

    capture_start();
    log_init(LOG_LEVEL_INFO, LOG_FORMAT_AUTO);
    errno = EXDEV;
    log_event(LOG_LEVEL_INFO, "started", LOG_FIELDS({"version", "1"}), "ready on %s", "x");
    log_debug("hidden", "not shown");
    got_errno = errno;
    got = capture_stop();
    ck_assert_int_eq(got_errno, EXDEV);
    ck_assert_uint_eq(log_count(LOG_LEVEL_INFO), infos + 1);
    ck_assert_uint_eq(log_count(LOG_LEVEL_DEBUG), debugs);
    ck_assert_uint_eq(strlen(got), strlen("2026-11-22T07:15:38.123Z info started: ready on x "
                                          "version=1\n"));
    ck_assert_int_eq(got[10], 'T');
    ck_assert_int_eq(got[19], '.');
    ck_assert_str_eq(got + 23, "Z info started: ready on x version=1\n");
}
END_TEST

START_TEST(test_event_json)
{
    CLEANUP(free) char *got = NULL;

    capture_start();
    log_init(LOG_LEVEL_ERR, LOG_FORMAT_JSON);
    log_warning("hidden", "not shown");
    log_err("shown", "%s", "a\nb");
    got = capture_stop();
    ck_assert_int_eq(strncmp(got, "{\"time\":\"2", 10), 0);
    ck_assert_str_eq(strstr(got, ",\"level\""),
        ",\"level\":\"err\",\"event\":\"shown\",\"message\":\"a\\nb\"}\n");
}
END_TEST

START_TEST(test_level)
{
    log_init(LOG_LEVEL_WARNING, LOG_FORMAT_TEXT);
    ck_assert(log_is_on(LOG_LEVEL_ERR));
    ck_assert(log_is_on(LOG_LEVEL_WARNING));
    ck_assert(!log_is_on(LOG_LEVEL_INFO));
    log_set_level(LOG_LEVEL_DEBUG);
    ck_assert(log_is_on(LOG_LEVEL_DEBUG));
    log_set_level(LOG_LEVEL_ERR);
    ck_assert(!log_is_on(LOG_LEVEL_WARNING));
}
END_TEST

START_TEST(test_names)
{
    static const enum log_level levels[] = {
        LOG_LEVEL_ERR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG};
    static const enum log_format formats[] = {
        LOG_FORMAT_AUTO, LOG_FORMAT_JOURNAL, LOG_FORMAT_TEXT, LOG_FORMAT_JSON};
    static const char *const wrong[] = {"", "Info", "info ", "error", "warn", "6", "jso"};
    enum log_level level = LOG_LEVEL_ERR;
    enum log_format format = LOG_FORMAT_JSON;

    for (size_t i = 0; i < ARRAY_SIZE(levels); i++) {
        ck_assert_int_eq(log_level_parse(log_level_name(levels[i]), &level), 0);
        ck_assert_int_eq(level, levels[i]);
        ck_assert_int_eq(log_format_parse(log_format_name(formats[i]), &format), 0);
        ck_assert_int_eq(format, formats[i]);
    }
    ck_assert_str_eq(log_level_name(LOG_LEVEL_WARNING), "warning");
    ck_assert_str_eq(log_format_name(LOG_FORMAT_JOURNAL), "journal");
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        ck_assert_int_eq(log_level_parse(wrong[i], &level), -EINVAL);
        ck_assert_int_eq(log_format_parse(wrong[i], &format), -EINVAL);
    }
    ck_assert_int_eq(level, LOG_LEVEL_DEBUG);
    ck_assert_int_eq(format, LOG_FORMAT_JSON);
}
END_TEST

/* $JOURNAL_STREAM that names another file, or nonsense, must not send the log elsewhere. */
START_TEST(test_journal_stream)
{
    static const char *const streams[] = {"", "x", "1", "1:", "1:2x", "1:2"};

    for (size_t i = 0; i < ARRAY_SIZE(streams); i++) {
        CLEANUP(free) char *got = NULL;

        capture_start();
        setenv("JOURNAL_STREAM", streams[i], 1);
        log_init(LOG_LEVEL_INFO, LOG_FORMAT_AUTO);
        log_info("x", "shown");
        got = capture_stop();
        ck_assert_ptr_nonnull(strstr(got, "info x: shown\n"));
    }
}
END_TEST

/* Where no journal runs, asking for it gives text: libsystemd would drop the lines in silence. */
START_TEST(test_no_journal)
{
    static const enum log_format formats[] = {LOG_FORMAT_JOURNAL, LOG_FORMAT_AUTO};

    if (access("/run/systemd/journal/socket", F_OK) == 0)
        return;
    for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
        CLEANUP(free) char *got = NULL;
        struct stat status;
        char stream[64];

        capture_start();
        ck_assert_int_eq(fstat(STDERR_FILENO, &status), 0);
        snprintf(
            stream, sizeof(stream), "%ju:%ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
        setenv("JOURNAL_STREAM", stream, 1);
        log_init(LOG_LEVEL_INFO, formats[i]);
        log_info("x", "shown");
        got = capture_stop();
        ck_assert_ptr_nonnull(strstr(got, "info x: shown\n"));
    }
}
END_TEST

/* A journal of our own in a mount namespace of our own. Returns its socket, or -1 where that is not
 * allowed. */
static int fake_journal(void)
{
    const struct sockaddr_un address = {AF_UNIX, "/run/systemd/journal/socket"};
    int fd;

    if (unshare(geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER) < 0)
        return -1;
    if (mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("run", "/run", "tmpfs", 0, NULL) < 0)
        return -1;
    ck_assert_int_eq(mkdir("/run/systemd", 0755), 0);
    ck_assert_int_eq(mkdir("/run/systemd/journal", 0755), 0);
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

/* `auto` sends fields to the journal exactly when stderr is the journal's; when the journal goes
 * away, lines come to stderr. */
START_TEST(test_journal_for_real)
{
    CLEANUP(close) int journal = fake_journal();
    CLEANUP(free) char *foreign = NULL;
    CLEANUP(free) char *own = NULL;
    CLEANUP(free) char *orphan = NULL;
    char entry[4096] = "", want[512];
    struct stat status;
    char stream[64];
    ssize_t length;

    if (journal < 0)
        return;

    capture_start();
    setenv("JOURNAL_STREAM", "1:2", 1);
    log_init(LOG_LEVEL_INFO, LOG_FORMAT_AUTO);
    log_info("x", "shown");
    foreign = capture_stop();
    ck_assert_ptr_nonnull(strstr(foreign, "info x: shown\n"));
    ck_assert_int_eq(recv(journal, entry, sizeof(entry), 0), -1);

    capture_start();
    ck_assert_int_eq(fstat(STDERR_FILENO, &status), 0);
    snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    log_init(LOG_LEVEL_INFO, LOG_FORMAT_AUTO);
    log_event(LOG_LEVEL_ERR, "ready", LOG_FIELDS({"job_id", "a\nb"}), "one\ntwo");
    own = capture_stop();
    ck_assert_str_eq(own, "");
    length = recv(journal, entry, sizeof(entry) - 1, 0);
    ck_assert_int_gt(length, 0);
    entry[length] = '\0';
    snprintf(want, sizeof(want),
        "PRIORITY=3\nMESSAGE_ID=%s\nSYSLOG_IDENTIFIER=test_util_log\nSASHA_EVENT=ready\n"
        "MESSAGE=one\\ntwo\nSASHA_JOB_ID=a\\nb\n",
        log_id_find("ready"));
    ck_assert_str_eq(entry, want);

    capture_start();
    close(TAKE_FD(journal));
    log_info("x", "shown");
    orphan = capture_stop();
    ck_assert_ptr_nonnull(strstr(orphan, "info x: shown\n"));
}
END_TEST

#define WRITERS 4
#define LINES 500

static void *write_lines(void *context)
{
    for (unsigned i = 0; i < LINES; i++) {
        log_event(LOG_LEVEL_INFO, "line", LOG_FIELDS({"who", context}), "%0100u", i);
        if (i % 100 == 0)
            log_set_level(LOG_LEVEL_INFO);
    }
    return NULL;
}

/* Lines of many threads do not mix: each is one write. */
START_TEST(test_threads)
{
    static char names[WRITERS][2] = {"a", "b", "c", "d"};
    CLEANUP(free) char *got = NULL;
    pthread_t threads[WRITERS];
    unsigned lines = 0;

    capture_start();
    fcntl(STDERR_FILENO, F_SETFL, O_APPEND | O_RDWR);
    log_init(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    for (unsigned i = 0; i < WRITERS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, write_lines, names[i]), 0);
    for (unsigned i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    got = capture_stop();
    for (char *at = got, *end; (end = strchr(at, '\n')); at = end + 1) {
        ck_assert_int_eq(end - at, 24 + (long)strlen(" info line: ") + 100 + 6);
        lines++;
    }
    ck_assert_uint_eq(lines, WRITERS * LINES);
}
END_TEST

/* A stderr that is gone costs a line, nothing else. */
START_TEST(test_stderr_closed)
{
    close(STDERR_FILENO);
    log_init(LOG_LEVEL_INFO, LOG_FORMAT_AUTO);
    errno = EXDEV;
    log_info("x", "nobody hears this");
    ck_assert_int_eq(errno, EXDEV);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("util_log");
    TCase *core = tcase_create("core");
    TCase *limits = tcase_create("limits");
    TCase *errors = tcase_create("errors");
    SRunner *runner;
    int failed;

    tcase_add_test(core, test_text);
    tcase_add_test(core, test_json);
    tcase_add_test(core, test_journal);
    tcase_add_test(core, test_event);
    tcase_add_test(core, test_event_json);
    tcase_add_test(core, test_journal_for_real);
    tcase_add_test(core, test_level);
    tcase_add_test(core, test_names);
    tcase_add_test(limits, test_cut);
    tcase_add_test(limits, test_full);
    tcase_add_test(limits, test_threads);
    tcase_add_test(errors, test_journal_stream);
    tcase_add_test(errors, test_no_journal);
    tcase_add_test(errors, test_stderr_closed);
    suite_add_tcase(suite, core);
    suite_add_tcase(suite, limits);
    suite_add_tcase(suite, errors);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
