/* The file sink with one file a job. */

#include "sink_fixture.h"

#include "sink/file_name.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>

/* Stand in for the C library's: the n-th call from now fails with EIO, 0 is never. */
static unsigned int sync_fails_at;
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

static struct fixture *fixture;

static void setup(void)
{
    fixture = fixture_new();
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

static void deliver_state(uint64_t seq, const char *status, int second, const char *want)
{
    size_t i = fixture_add(fixture, make_delivery_at(seq, "a/b", status, second));

    fixture_deliver(fixture, i);
    ck_assert_int_eq(fixture->results[i], SINK_DELIVERED);
    ck_assert_str_eq(fixture->items[i].result, want);
}

static size_t count_files(void)
{
    DIR *directory = opendir(fixture->folder);
    size_t n = 0;

    while (readdir(directory))
        n++;
    closedir(directory);
    return n - 2;
}

START_TEST(job_has_its_latest_state)
{
    const char *file = fixture_path(fixture, "job-a%2Fb.json");
    struct stat status;

    umask(077);
    make_file(fixture_path(fixture, "job-{job_id}.json"), 0644);
    ck_assert(!fixture->sink->ops->has_position);
    deliver_state(1, "pending", 1, "ok");
    ck_assert_str_eq(seqs_of(file), "1 ");
    deliver_state(2, "in_progress", 2, "ok");
    deliver_state(3, "in_progress", 1, "ok: a newer state was kept");
    ck_assert_str_eq(seqs_of(file), "2 ");
    deliver_state(2, "in_progress", 2, "ok"); /* again, after a crash */
    deliver_state(4, "completed", 2, "ok");
    deliver_state(5, "pending", 2, "ok: a newer state was kept");
    deliver_state(6, "failed", 2, "ok");
    ck_assert_str_eq(seqs_of(file), "6 ");
    ck_assert_uint_eq(count_files(), 1);
    ck_assert_int_eq(stat(file, &status), 0);
    ck_assert_uint_eq(status.st_mode & 07777, 0644);
}
END_TEST

START_TEST(job_file_that_is_not_ours_is_replaced)
{
    static const char *const texts[] = {"", "hello\n", "{\"seq\":1,\"job\":}\n",
        "{\"seq\":1,\"job\":{}}\n", "{\"seq\":1,\"job\":{\"job_id\":\"x\"}"};
    const char *file = fixture_path(fixture, "a%2Fb");

    make_file(fixture_path(fixture, "{job_id}"), 0640);
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        write_text(file, texts[i], strlen(texts[i]));
        deliver_state(i + 1, "pending", 1, "ok");
        ck_assert_int_ne(seqs_of(file)[0], '?');
    }
    ck_assert_int_eq(unlink(file), 0);
    ck_assert_int_eq(symlink("/etc/passwd", file), 0);
    deliver_state(9, "pending", 1, "ok");
    ck_assert_str_eq(seqs_of(file), "9 ");
}
END_TEST

START_TEST(job_file_fails_alone)
{
    make_file(fixture_path(fixture, "{job_id}"), 0640);
    ck_assert_int_eq(mkdir(fixture_path(fixture, "bad"), 0755), 0);
    fixture_add(fixture, make_delivery_at(1, "bad", "pending", 1));
    fixture_add(fixture, make_delivery_at(2, "good", "pending", 1));
    fixture_deliver(fixture, 0);
    ck_assert_int_eq(fixture->results[0], SINK_RETRY);
    ck_assert_str_eq(fixture->items[0].result, "rename: Is a directory");
    ck_assert_int_eq(fixture->results[1], SINK_DELIVERED);
    ck_assert_uint_eq(count_files(), 2); /* no temporary one is left */
}
END_TEST

/* An outage must not use up the attempts of every job that waits. */
START_TEST(outage_counts_an_attempt_for_the_first_only)
{
    static const char *const want[] = {"open of directory: No such file or directory",
        "sync of directory: Input/output error", "write: File too large"};
    struct rlimit limit, none = {0};

    make_file(fixture_path(fixture, "missing/{job_id}"), 0640);
    for (uint64_t seq = 1; seq <= 3; seq++) {
        char id[8];

        snprintf(id, sizeof(id), "j%d", (int)seq);
        fixture_add(fixture, make_delivery_at(seq, id, "pending", 1));
    }
    getrlimit(RLIMIT_FSIZE, &limit);
    if (_i > 0)
        ck_assert_int_eq(mkdir(fixture_path(fixture, "missing"), 0755), 0);
    if (_i == 1)
        sync_fails_at = 4;
    if (_i == 2) {
        signal(SIGXFSZ, SIG_IGN);
        none.rlim_max = limit.rlim_max;
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &none), 0);
    }
    fixture_deliver(fixture, 0);
    setrlimit(RLIMIT_FSIZE, &limit); /* the results of tests go to a file */
    ck_assert_uint_eq(fixture->n_done, 3);
    ck_assert_int_eq(fixture->results[0], SINK_RETRY);
    ck_assert_str_eq(fixture->items[0].result, want[_i]);
    ck_assert_int_eq(fixture->results[1], SINK_DEFERRED);
    ck_assert_int_eq(fixture->results[2], SINK_DEFERRED);
}
END_TEST

START_TEST(job_file_syncs)
{
    make_file(fixture_path(fixture, "{job_id}"), 0640);
    n_syncs = n_directory_syncs = 0;
    for (uint64_t seq = 1; seq <= 5; seq++) {
        char id[8];

        snprintf(id, sizeof(id), "j%d", (int)seq);
        fixture_add(fixture, make_delivery_at(seq, id, "pending", 1));
    }
    fixture_deliver(fixture, 0);
    ck_assert_uint_eq(fixture->n_done, 5);
    ck_assert_uint_eq(n_syncs, 5);
    ck_assert_uint_eq(n_directory_syncs, 1);

    for (unsigned int n = 1; n <= 2; n++) { /* the file's, the directory's */
        size_t i = fixture_add(fixture, make_delivery_at(9, "x", "pending", 1));

        sync_fails_at = n;
        fixture_deliver(fixture, i);
        ck_assert_int_eq(fixture->results[i], SINK_RETRY);
        ck_assert_str_eq(fixture->items[i].result,
            n == 1 ? "sync: Input/output error" : "sync of directory: Input/output error");
    }
}
END_TEST

static const struct {
    const char *template, *id, *want;
} name_rows[] = {
    {"{job_id}", "1234567890", "1234567890"},
    {"job-{job_id}.json", "a_B-9.x", "job-a_B-9.x.json"},
    {"{job_id}", ".", "%2E"},
    {"{job_id}", "..", "%2E."},
    {"{job_id}", "../../etc/passwd", "%2E.%2F..%2Fetc%2Fpasswd"},
    {"{job_id}", ".hidden", "%2Ehidden"},
    {"{job_id}", "a%2Fb", "a%252Fb"},
    {"{job_id}", "a b~\n\x7f", "a%20b%7E%0A%7F"},
    {"{job_id}", "ü", "%C3%BC"},
};

START_TEST(name_is_safe)
{
    char got[FILE_NAME_SIZE];

    file_name_make(name_rows[_i].template, name_rows[_i].id, got);
    ck_assert_str_eq(got, name_rows[_i].want);
}
END_TEST

START_TEST(long_name_fits)
{
    char id[1001] = "";
    char got[FILE_NAME_SIZE], other[FILE_NAME_SIZE];

    for (size_t length = 200; length < 1000; length++) {
        memset(id, '/', length);
        id[length] = '\0';
        file_name_make("x{job_id}.json", id, got);
        ck_assert_uint_le(strlen(got), NAME_MAX);
        ck_assert_ptr_null(strchr(got, '/'));
        ck_assert_str_eq(got + strlen(got) - 5, ".json");
        id[length - 1] = 'x';
        file_name_make("x{job_id}.json", id, other);
        ck_assert_str_ne(got, other);
    }
    /* These names are on disks: they must never change. */
    memset(id, 'a', 300);
    id[300] = '\0';
    file_name_make("{job_id}", id, got);
    ck_assert_uint_eq(strlen(got), NAME_MAX);
    ck_assert_str_eq(got + 237, "a~ee7717eba7a17e21");
    id[255] = '\0';
    file_name_make("{job_id}", id, got);
    ck_assert_str_eq(got, id);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sink_file_job");
    TCase *core = tcase_create("core");
    TCase *limits = tcase_create("limits");
    TCase *errors = tcase_create("errors");
    SRunner *runner;
    int n_failed;

    tcase_add_checked_fixture(core, setup, teardown);
    tcase_add_checked_fixture(errors, setup, teardown);
    tcase_add_test(core, job_has_its_latest_state);
    tcase_add_test(core, job_file_that_is_not_ours_is_replaced);
    tcase_add_loop_test(core, name_is_safe, 0, ARRAY_SIZE(name_rows));
    tcase_add_test(limits, long_name_fits);
    tcase_add_test(errors, job_file_fails_alone);
    tcase_add_test(errors, job_file_syncs);
    tcase_add_loop_test(errors, outage_counts_an_attempt_for_the_first_only, 0, 3);
    suite_add_tcase(suite, core);
    suite_add_tcase(suite, limits);
    suite_add_tcase(suite, errors);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed == 0 ? 0 : 1;
}
