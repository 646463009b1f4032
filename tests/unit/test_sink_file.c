/* The file sink, on real files. */

#include "sink_fixture.h"

#include "sink/mark.h"

#include <errno.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/syscall.h>

/* Stand in for the C library's: the n-th call from now fails with EIO, 0 is never. */
static unsigned int sync_fails_at, truncate_fails_at;
static unsigned int n_syncs, n_directory_syncs;

static bool fails_now(unsigned int *at)
{
    return *at > 0 && --*at == 0;
}

int fdatasync(int fd)
{
    n_syncs++;
    if (fails_now(&sync_fails_at)) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd)
{
    struct stat status;

    if (fstat(fd, &status) == 0 && S_ISDIR(status.st_mode))
        n_directory_syncs++;
    else
        n_syncs++;
    if (fails_now(&sync_fails_at)) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fsync, fd);
}

int ftruncate(int fd, off_t length)
{
    if (fails_now(&truncate_fails_at)) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_ftruncate, fd, length);
}

static struct fixture *fixture;
static const char *path;
static unsigned char mark[64];
static size_t mark_length;

static void setup(void)
{
    static char buffer[128];

    fixture = fixture_new();
    snprintf(buffer, sizeof(buffer), "%s/jobs.jsonl", fixture->folder);
    path = buffer;
    mark_length = 0;
}

static void teardown(void)
{
    fixture_free(fixture);
}

static void make_file(const char *at, unsigned int mode)
{
    fixture_make_sink(fixture, &(struct sink_options){
                                   .name = "archive",
                                   .type = "file",
                                   .file = {.path = at, .mode = mode},
                               });
}

/* Delivers one with this seq; returns its item. */
static const struct sink_item *deliver(uint64_t seq)
{
    size_t i = fixture_add(fixture, make_delivery(seq));

    fixture_deliver(fixture, i);
    ck_assert_uint_eq(fixture->n_done, fixture->n_items);
    return &fixture->items[i];
}

static void deliver_well(uint64_t seq)
{
    const struct sink_item *item = deliver(seq);

    ck_assert_int_eq(fixture->results[fixture->n_items - 1], SINK_DELIVERED);
    ck_assert_str_eq(item->result, "ok");
}

/* What the store does after a batch. */
static void settle(void)
{
    mark_length = fixture->sink->ops->position(fixture->sink, mark);
    ck_assert_uint_le(mark_length, sizeof(mark));
}

/* The seqs of the lines of a file as text: "1 2 3 "; "?" for what is no whole line of ours. */
static const char *seqs_of(const char *file)
{
    static char got[4096];
    CLEANUP(free) char *text = read_text(file);
    char *line = text, *newline;

    got[0] = '\0';
    for (; (newline = strchr(line, '\n')); line = newline + 1) {
        uintmax_t seq = 0;
        size_t used = strlen(got);

        if (sscanf(line, "{\"seq\":%ju,", &seq) == 1 && newline[-1] == '}')
            snprintf(got + used, sizeof(got) - used, "%ju ", seq);
        else
            strcat(got, "? ");
    }
    if (*line)
        strcat(got, "torn");
    return got;
}

static char found_text[4096];
static size_t n_after_mark; /* of those found */

static void on_found(void *context, uint64_t seq, bool after_mark)
{
    size_t used = strlen(found_text);

    n_after_mark += after_mark;
    snprintf(found_text + used, sizeof(found_text) - used, "%ju ", (uintmax_t)seq);
}

/* Starts anew, as after a crash: the old sink is not ended in an orderly way. Returns what was
 * found. */
static const char *restart(void)
{
    /* Lost on purpose, yet not to those who look for leaks. */
    static struct sink *volatile crashed[64];
    static size_t n_crashed;
    struct error error = ERROR_INIT;

    ck_assert_uint_lt(n_crashed, ARRAY_SIZE(crashed));
    crashed[n_crashed++] = TAKE(fixture->sink);
    for (int fd = 3; fd < 64; fd++) { /* the kernel would close it, and drop the lock */
        char link[64], target[256];
        ssize_t length;

        snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        length = readlink(link, target, sizeof(target) - 1);
        if (length > 0 && memmem(target, (size_t)length, fixture->folder, strlen(fixture->folder)))
            close(fd);
    }
    make_file(path, 0640);
    found_text[0] = '\0';
    n_after_mark = 0;
    ck_assert_msg(
        fixture->sink->ops->recover(fixture->sink, mark, mark_length, on_found, NULL, &error) == 0,
        "%s", error.text);
    return found_text;
}

static void append_text(const char *file, const char *text, size_t length)
{
    int fd = open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, length), (ssize_t)length);
    close(fd);
}

static void append_line(const char *file, const char *text)
{
    append_text(file, text, strlen(text));
}

/* ---- lines ---- */

START_TEST(lines_are_added)
{
    struct stat status;

    umask(077);
    make_file(path, 0640);
    deliver_well(1);
    for (uint64_t seq = 2; seq <= 150; seq++)
        fixture_add(fixture, make_delivery(seq));
    n_syncs = 0;
    fixture_deliver(fixture, 1);
    ck_assert_uint_eq(n_syncs, 3); /* 149 lines in batches of 64: one sync each */
    ck_assert_uint_eq(fixture->n_done, 150);
    ck_assert_int_eq(strncmp(seqs_of(path), "1 2 3 ", 6), 0);
    ck_assert_ptr_nonnull(strstr(seqs_of(path), " 149 150 "));
    ck_assert_int_eq(stat(path, &status), 0);
    ck_assert_uint_eq(status.st_mode & 07777, 0640);
    ck_assert_uint_ge(n_directory_syncs, 1);
}
END_TEST

START_TEST(body_with_newlines_is_one_line)
{
    make_file(path, 0640);
    fixture_deliver(fixture, fixture_add(fixture, make_delivery_of(1, "1", "pending", 0,
                                                      "{\n\t\"job_id\": \"1\"\r\n}\n")));
    ck_assert_str_eq(seqs_of(path), "1 ");
}
END_TEST

START_TEST(large_batch_is_written)
{
    char *body = malloc(200001);

    memset(body, ' ', 200000);
    body[0] = '{';
    body[199999] = '}';
    body[200000] = '\0';
    make_file(path, 0640);
    for (uint64_t seq = 1; seq <= 20; seq++) /* 4 MB: several writes */
        fixture_add(fixture, make_delivery_of(seq, "1", "pending", 0, body));
    fixture_deliver(fixture, 0);
    ck_assert_uint_eq(fixture->n_done, 20);
    free(body);
    {
        struct stat status;

        ck_assert_int_eq(stat(path, &status), 0);
        ck_assert_int_gt(status.st_size, 4000000);
    }
}
END_TEST

START_TEST(rename_is_followed)
{
    const char *renamed = fixture_path(fixture, "jobs.jsonl.1");

    make_file(path, 0640);
    deliver_well(1);
    ck_assert_int_eq(rename(path, renamed), 0);
    deliver_well(2);
    deliver_well(3);
    ck_assert_str_eq(seqs_of(renamed), "1 ");
    ck_assert_str_eq(seqs_of(path), "2 3 ");

    /* A new file is there already (logrotate's "create"). */
    ck_assert_int_eq(rename(path, renamed), 0);
    append_line(path, "");
    deliver_well(4);
    ck_assert_str_eq(seqs_of(renamed), "2 3 ");
    ck_assert_str_eq(seqs_of(path), "4 ");

    ck_assert_int_eq(unlink(path), 0);
    deliver_well(5);
    ck_assert_str_eq(seqs_of(path), "5 ");

    /* The new one happens to be as long as the old one. */
    {
        CLEANUP(free) char *text = read_text(path);

        ck_assert_int_eq(rename(path, renamed), 0);
        append_line(path, text);
        deliver_well(6);
        ck_assert_str_eq(seqs_of(renamed), "5 ");
        ck_assert_str_eq(seqs_of(path), "5 6 ");
    }
}
END_TEST

START_TEST(reopen_opens_the_new_file)
{
    struct error error = ERROR_INIT;

    make_file(path, 0640);
    deliver_well(1);
    ck_assert_int_eq(rename(path, fixture_path(fixture, "old")), 0);
    ck_assert_int_eq(fixture->sink->ops->reopen(fixture->sink, &error), 0);
    ck_assert_int_eq(access(path, F_OK), 0);
    deliver_well(2);
    ck_assert_str_eq(seqs_of(path), "2 ");

    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(mkdir(path, 0755), 0);
    ck_assert_int_lt(fixture->sink->ops->reopen(fixture->sink, &error), 0);
    ck_assert_ptr_nonnull(strstr(error.text, path));
    ck_assert_int_eq(rmdir(path), 0);
    deliver_well(3);
}
END_TEST

START_TEST(cut_by_somebody_else_goes_on)
{
    make_file(path, 0640);
    deliver_well(1);
    ck_assert_int_eq(truncate(path, 0), 0); /* copytruncate */
    deliver_well(2);
    deliver_well(3);
    ck_assert_str_eq(seqs_of(path), "2 3 ");
    append_line(path, "a note\n");
    deliver_well(4);
    ck_assert_str_eq(seqs_of(path), "2 3 ? 4 ");

    /* And the position follows. */
    settle();
    ck_assert_str_eq(restart(), "");
    ck_assert_int_eq(truncate(path, 0), 0);
    deliver_well(5);
    settle();
    deliver_well(6);
    ck_assert_str_eq(restart(), "6 ");
}
END_TEST

static const struct {
    const char *end;
    size_t length;
    const char *want;
} torn_rows[] = {
    {"{\"seq\":2,\"requ", 14, "9 3 "}, {"{", 1, "9 3 "}, {"\0\0\0\0", 4, "9 3 "},
    {"a note of the operator", 22, "9 ? 3 "}, /* not ours: kept */
};

START_TEST(torn_end_is_mended_when_opened)
{
    append_line(path, "{\"seq\":9,}\n");
    append_text(path, torn_rows[_i].end, torn_rows[_i].length);
    make_file(path, 0640);
    deliver_well(3);
    ck_assert_str_eq(seqs_of(path), torn_rows[_i].want);
}
END_TEST

START_TEST(long_torn_end_is_mended)
{
    char *end = malloc(300000);

    memset(end, 'x', 300000);
    memcpy(end, "{\"seq\":2,", 9);
    append_line(path, "{\"seq\":9,}\n");
    append_text(path, end, 300000);
    free(end);
    make_file(path, 0640);
    deliver_well(3);
    ck_assert_str_eq(seqs_of(path), "9 3 ");
}
END_TEST

/* ---- recovery ---- */

START_TEST(recovery_tells_what_lies_beyond_the_mark)
{
    make_file(path, 0640);
    deliver_well(1);
    settle();
    ck_assert_str_eq(restart(), "");
    deliver_well(2);
    settle();
    deliver_well(3);
    deliver_well(4);
    ck_assert_str_eq(restart(), "3 4 ");
    deliver_well(5);
    ck_assert_str_eq(seqs_of(path), "1 2 3 4 5 ");

    /* The position after a recovery is the new end. */
    ck_assert_str_eq(restart(), "3 4 5 ");
    settle();
    ck_assert_str_eq(restart(), "");
}
END_TEST

START_TEST(recovery_without_a_mark)
{
    make_file(path, 0640);
    ck_assert_str_eq(restart(), ""); /* no file at all */
    settle();
    ck_assert_uint_eq(mark_length, 0);
    deliver_well(1);
    deliver_well(2);
    ck_assert_str_eq(restart(), "1 2 ");
}
END_TEST

START_TEST(recovery_cuts_a_torn_line)
{
    make_file(path, 0640);
    deliver_well(1);
    settle();
    deliver_well(2);
    append_line(path, "{\"seq\":3,\"request_id\":\"aa-b-c-d-ee\",\"endp");
    ck_assert_str_eq(restart(), "2 ");
    ck_assert_str_eq(seqs_of(path), "1 2 ");
    deliver_well(3);
    ck_assert_str_eq(seqs_of(path), "1 2 3 ");
}
END_TEST

START_TEST(recovery_believes_no_line_with_a_gap)
{
    make_file(path, 0640);
    deliver_well(1);
    settle();
    deliver_well(2);
    append_text(path, "{\"seq\":3,\"request_id\":\"\0\0\0\0\0\0\"}\n", 32);
    append_line(path, "{\"seq\":4,}\n");
    ck_assert_str_eq(restart(), "2 ");
    ck_assert_str_eq(seqs_of(path), "1 2 ");
}
END_TEST

START_TEST(recovery_follows_a_rename)
{
    const char *renamed = fixture_path(fixture, "jobs.jsonl-20261122");

    for (int i = 0; i < 20; i++) { /* others in the folder */
        char name[16];

        snprintf(name, sizeof(name), "other-%d", i);
        append_line(fixture_path(fixture, name), "{\"seq\":99,}\n");
    }
    make_file(path, 0640);
    deliver_well(1);
    settle();
    deliver_well(2);
    ck_assert_int_eq(rename(path, renamed), 0);
    ck_assert_str_eq(restart(), "2 "); /* and no new file yet */
    ck_assert_uint_eq(n_after_mark, 1);
    deliver_well(3);
    deliver_well(4);
    ck_assert_str_eq(restart(), "2 3 4 ");
    ck_assert_uint_eq(n_after_mark, 1); /* who knows about the new file */
    ck_assert_str_eq(seqs_of(renamed), "1 2 ");
    ck_assert_str_eq(seqs_of(path), "3 4 ");
    settle();
    deliver_well(5);
    ck_assert_str_eq(restart(), "5 ");
    ck_assert_uint_eq(n_after_mark, 1);
}
END_TEST

START_TEST(recovery_when_the_old_file_is_gone)
{
    make_file(path, 0640);
    deliver_well(1);
    settle();
    deliver_well(2);
    ck_assert_int_eq(unlink(path), 0);
    append_line(path, "hello\n"); /* may get the same inode number */
    deliver_well(3);
    ck_assert_str_eq(restart(), "3 ");
    ck_assert_uint_eq(n_after_mark, 0);
    ck_assert_str_eq(seqs_of(path), "? 3 ");
}
END_TEST

START_TEST(recovery_of_a_cut_file)
{
    make_file(path, 0640);
    deliver_well(1);
    deliver_well(2);
    settle();
    ck_assert_int_eq(truncate(path, 0), 0);
    append_line(path, "{\"seq\":3,}\nnot ours\n{\"seq\":4,}\n");
    ck_assert_str_eq(restart(), "3 4 ");
    ck_assert_uint_eq(n_after_mark, 0);
    ck_assert_str_eq(seqs_of(path), "3 ? 4 ");
}
END_TEST

START_TEST(recovery_with_a_mark_inside_a_line)
{
    make_file(path, 0640);
    deliver_well(1);
    deliver_well(2);
    settle();
    ck_assert_int_eq(truncate(path, 0), 0);
    for (int i = 0; i < 100; i++)
        append_line(path, "{\"seq\":77,\"a\":\"edited\"}\n");
    append_text(path, "x", 1);
    restart();
    ck_assert_int_eq(strncmp(found_text, "77 77 77 ", 9), 0);
}
END_TEST

START_TEST(recovery_with_a_bad_mark)
{
    make_file(path, 0640);
    deliver_well(1);
    memcpy(mark, "lines-9 x", 9);
    mark_length = 9;
    ck_assert_str_eq(restart(), "1 ");
}
END_TEST

START_TEST(recovery_fails_when_the_disk_does)
{
    struct error error = ERROR_INIT;

    make_file(path, 0640);
    deliver_well(1);
    settle();
    deliver_well(2);
    fixture_free_items(fixture);
    make_file(path, 0640);
    found_text[0] = '\0';
    sync_fails_at = 1;
    ck_assert_int_eq(
        fixture->sink->ops->recover(fixture->sink, mark, mark_length, on_found, NULL, &error),
        -EIO);
    ck_assert_str_eq(found_text, ""); /* nothing is told that may not be on the disk */
    ck_assert_ptr_nonnull(strstr(error.text, "sync: Input/output error"));
    ck_assert_str_eq(restart(), "2 ");
}
END_TEST

/* ---- failures ---- */

static void fail_batch_with(enum sink_result result, size_t n, const char *want)
{
    size_t first = fixture->n_items;

    for (size_t i = 0; i < n; i++)
        fixture_add(fixture, make_delivery(100 + i));
    fixture_deliver(fixture, first);
    ck_assert_uint_eq(fixture->n_done, fixture->n_items);
    ck_assert_int_eq(fixture->results[first], result);
    ck_assert_str_eq(fixture->items[first].result, want);
    for (size_t i = first + 1; i < first + n; i++)
        ck_assert_int_eq(fixture->results[i], SINK_DEFERRED);
}

static void fail_batch(size_t n, const char *want)
{
    fail_batch_with(SINK_RETRY, n, want);
}

START_TEST(full_disk_leaves_no_half_line)
{
    struct rlimit limit = {0};
    struct stat status;

    signal(SIGXFSZ, SIG_IGN);
    make_file(path, 0640);
    deliver_well(1);
    settle();
    ck_assert_int_eq(stat(path, &status), 0);
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = (rlim_t)status.st_size + 300; /* a line and a half */
    setrlimit(RLIMIT_FSIZE, &limit);
    fail_batch(3, "write: File too large");
    ck_assert_str_eq(seqs_of(path), "1 ");
    fail_batch(3, "write: File too large");
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_FSIZE, &limit);
    deliver_well(2);
    ck_assert_str_eq(seqs_of(path), "1 2 ");
    ck_assert_str_eq(restart(), "2 ");
}
END_TEST

START_TEST(failed_sync_is_not_delivered_and_not_twice)
{
    make_file(path, 0640);
    deliver_well(1);
    sync_fails_at = 1;
    fail_batch(3, "sync: Input/output error");
    ck_assert_str_eq(seqs_of(path), "1 ");
    deliver_well(2);
    ck_assert_str_eq(seqs_of(path), "1 2 ");
}
END_TEST

START_TEST(failed_cut_is_tried_again)
{
    make_file(path, 0640);
    deliver_well(1);
    settle();
    sync_fails_at = 1;
    truncate_fails_at = 1;
    fail_batch(2, "sync: Input/output error");
    ck_assert_str_eq(seqs_of(path), "1 100 101 "); /* still there */
    truncate_fails_at = 1;
    fail_batch(2, "truncate: Input/output error");
    deliver_well(2);
    ck_assert_str_eq(seqs_of(path), "1 2 ");
    ck_assert_str_eq(restart(), "2 ");
}
END_TEST

START_TEST(failed_cut_is_tried_again_after_rotation)
{
    const char *renamed = fixture_path(fixture, "jobs.jsonl.1");

    make_file(path, 0640);
    deliver_well(1);
    sync_fails_at = 1;
    truncate_fails_at = 1;
    fail_batch(2, "sync: Input/output error");
    ck_assert_int_eq(rename(path, renamed), 0);
    deliver_well(2);
    ck_assert_str_eq(seqs_of(renamed), "1 ");
    ck_assert_str_eq(seqs_of(path), "2 ");
}
END_TEST

START_TEST(every_sync_may_fail)
{
    /* The n-th sync of anything fails, for all n until one run needs fewer. */
    for (unsigned int n = 1; n < 40; n++) {
        unlink(path);
        make_file(path, 0640);
        sync_fails_at = n;
        for (uint64_t seq = 1; seq <= 3;) {
            size_t i = fixture_add(fixture, make_delivery(seq));

            fixture_deliver(fixture, i);
            if (fixture->results[i] == SINK_DELIVERED)
                seq++;
        }
        fixture_free_items(fixture);
        ck_assert_str_eq(seqs_of(path), "1 2 3 ");
        if (sync_fails_at > 0)
            return;
    }
    ck_abort_msg("the syncs never ended");
}
END_TEST

START_TEST(what_is_no_plain_file_is_refused)
{
    static const char *const want[] = {"open: not a regular file", "open: is a symbolic link",
        "open: Is a directory", "create: No such file or directory"};

    make_file(path, 0640);
    switch (_i) {
    case 0:
        ck_assert_int_eq(mkfifo(path, 0600), 0);
        break;
    case 1:
        ck_assert_int_eq(symlink("/etc/passwd", path), 0);
        break;
    case 2:
        ck_assert_int_eq(mkdir(path, 0700), 0);
        break;
    default:
        make_file(fixture_path(fixture, "missing/jobs.jsonl"), 0640);
        break;
    }
    fail_batch(2, want[_i]);
    /* Mended by the operator. */
    if (_i < 3)
        ck_assert_int_eq(remove(path), 0);
    else
        ck_assert_int_eq(mkdir(fixture_path(fixture, "missing"), 0755), 0);
    deliver_well(1);
}
END_TEST

/* It was not tried, so no attempt is counted, however long the other one has the file. */
/* Also by somebody who only reads: one who shares a lock is not let in beside. */
START_TEST(a_file_in_use_defers)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    ck_assert_int_eq(flock(fd, _i == 0 ? LOCK_EX : LOCK_SH), 0);
    make_file(path, 0640);
    fail_batch_with(SINK_DEFERRED, 2, "open: in use by another sink or daemon");
    close(fd);
    deliver_well(1);
}
END_TEST

START_TEST(no_descriptors_defers)
{
    struct rlimit limit;

    make_file(path, 0640);
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = 3;
    setrlimit(RLIMIT_NOFILE, &limit);
    deliver(1);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    ck_assert_int_eq(fixture->results[0], SINK_DEFERRED);
    deliver_well(2);
}
END_TEST

static const struct {
    const char *path, *want;
} path_rows[] = {
    {"jobs.jsonl", "path: \"jobs.jsonl\" is not the absolute path of a file"},
    {"", "path: \"\" is not the absolute path of a file"},
    {"/var/lib/", "path: \"/var/lib/\" is not the absolute path of a file"},
    {"/x/{job_id}/y", "path: {job_id} must stand once, in the last part of the path"},
    {"/x/{job_id}/{job_id}", "path: {job_id} must stand once, in the last part of the path"},
    {"/x/{job_id}{job_id}", "path: {job_id} must stand once, in the last part of the path"},
};

START_TEST(bad_path_is_refused)
{
    struct sink_options options = {
        .name = "x", .type = "file", .file = {.path = path_rows[_i].path, .mode = 0640}};
    struct error error = ERROR_INIT;
    struct sink *sink = NULL;

    ck_assert_int_eq(sink_new(&options, &sink, &error), -EINVAL);
    ck_assert_str_eq(error.text, path_rows[_i].want);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sink_file");
    TCase *core = tcase_create("core");
    TCase *recovery = tcase_create("recovery");
    TCase *limits = tcase_create("limits");
    TCase *errors = tcase_create("errors");
    SRunner *runner;
    int n_failed;

    tcase_add_checked_fixture(core, setup, teardown);
    tcase_add_checked_fixture(recovery, setup, teardown);
    tcase_add_checked_fixture(limits, setup, teardown);
    tcase_add_checked_fixture(errors, setup, teardown);
    tcase_set_timeout(errors, 60);

    tcase_add_test(core, lines_are_added);
    tcase_add_test(core, body_with_newlines_is_one_line);
    tcase_add_test(core, rename_is_followed);
    tcase_add_test(core, reopen_opens_the_new_file);
    tcase_add_test(core, cut_by_somebody_else_goes_on);
    tcase_add_loop_test(core, torn_end_is_mended_when_opened, 0, ARRAY_SIZE(torn_rows));

    tcase_add_test(recovery, recovery_tells_what_lies_beyond_the_mark);
    tcase_add_test(recovery, recovery_without_a_mark);
    tcase_add_test(recovery, recovery_cuts_a_torn_line);
    tcase_add_test(recovery, recovery_believes_no_line_with_a_gap);
    tcase_add_test(recovery, recovery_follows_a_rename);
    tcase_add_test(recovery, recovery_when_the_old_file_is_gone);
    tcase_add_test(recovery, recovery_of_a_cut_file);
    tcase_add_test(recovery, recovery_with_a_mark_inside_a_line);
    tcase_add_test(recovery, recovery_with_a_bad_mark);
    tcase_add_test(recovery, recovery_fails_when_the_disk_does);

    tcase_add_test(limits, large_batch_is_written);
    tcase_add_test(limits, long_torn_end_is_mended);

    tcase_add_test(errors, full_disk_leaves_no_half_line);
    tcase_add_test(errors, failed_sync_is_not_delivered_and_not_twice);
    tcase_add_test(errors, failed_cut_is_tried_again);
    tcase_add_test(errors, failed_cut_is_tried_again_after_rotation);
    tcase_add_test(errors, every_sync_may_fail);
    tcase_add_loop_test(errors, what_is_no_plain_file_is_refused, 0, 4);
    tcase_add_loop_test(errors, a_file_in_use_defers, 0, 2);
    tcase_add_test(errors, no_descriptors_defers);
    tcase_add_loop_test(errors, bad_path_is_refused, 0, ARRAY_SIZE(path_rows));
    suite_add_tcase(suite, core);
    suite_add_tcase(suite, recovery);
    suite_add_tcase(suite, limits);
    suite_add_tcase(suite, errors);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed == 0 ? 0 : 1;
}
