/*
 * How a backup gets its name: only when it is whole, checked and synced, never over something that
 * exists, and never a name of the store's.
 */

#include "admin/backup.h"

#include "admin_fakes.h"

#include <errno.h>
#include <ftw.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static char folder[] = "/tmp/test-backup-XXXXXX";
static char store_path[96], path[96], part[112];
static struct backup *backup;
static struct error error;

/* ---- a file system that is away, or knows less than others, or has failed ---- */

static bool is_away, is_plain, is_broken;
static sem_t asked, back;

char *realpath(const char *restrict name, char *restrict resolved)
{
    ck_assert_ptr_null(resolved);
    if (is_away) {
        sem_post(&asked);
        sem_wait(&back);
    }
    return canonicalize_file_name(name);
}

int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned int flags)
{
    if (is_plain) {
        errno = EINVAL;
        return -1;
    }
    return (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, flags);
}

int fsync(int fd)
{
    struct stat status;

    if (is_broken && fstat(fd, &status) == 0 && S_ISDIR(status.st_mode)) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fsync, fd);
}

/* ---- */

static void setup(void)
{
    is_away = is_plain = is_broken = false;
    fake_reset();
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(store_path, sizeof(store_path), "%s/deliveries.db", folder);
    snprintf(path, sizeof(path), "%s/copy.db", folder);
    snprintf(part, sizeof(part), "%s.part", path);
    backup = backup_new(NULL, NULL, &fake_clock);
    fake.backup_steps = 3;
}

static int remove_entry(const char *name, const struct stat *status, int type, struct FTW *ftw)
{
    return remove(name);
}

static void teardown(void)
{
    backup_free(backup);
    nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static struct backup_report wait_for_end(void)
{
    const struct timespec pause = {.tv_nsec = 5 * 1000 * 1000};
    struct backup_report report;

    for (int i = 0; i < 2000; i++) {
        backup_get(backup, &report);
        if (report.ended_at_usec != 0)
            return report;
        nanosleep(&pause, NULL);
    }
    ck_abort_msg("the backup does not end");
}

static bool exists(const char *name)
{
    struct stat status;

    return lstat(name, &status) == 0;
}

static void write_file(const char *name)
{
    FILE *file = fopen(name, "w");

    fputs("mine", file);
    fclose(file);
}

START_TEST(test_done)
{
    struct backup_report report;
    struct stat status;

    umask(0077);
    ck_assert_msg(backup_start(backup, path, store_path, &error) == 0, "%s", error.text);
    report = wait_for_end();
    ck_assert_int_eq(report.state, BACKUP_DONE);
    ck_assert_str_eq(report.file, path);
    ck_assert_uint_eq(report.bytes, 4096);
    ck_assert_str_eq(fake.backup_path, part);
    ck_assert_uint_eq(fake.backups_ended, 1);
    ck_assert(!exists(part));
    ck_assert_int_eq(stat(path, &status), 0);
    ck_assert_int_eq(status.st_mode & 0777, 0640);
    ck_assert_int_eq(status.st_size, 0);
}
END_TEST

START_TEST(test_one_after_another)
{
    char other[112];

    fake.backup_steps = 1000000000;
    ck_assert_int_eq(backup_start(backup, path, store_path, &error), 0);
    snprintf(other, sizeof(other), "%s/other.db", folder);
    ck_assert_int_eq(backup_start(backup, other, store_path, &error), -EBUSY);
    ck_assert(!exists(other));
    fake.backup_steps = 1;
    ck_assert_int_eq(wait_for_end().state, BACKUP_DONE);
    ck_assert_int_eq(backup_start(backup, other, store_path, &error), 0);
    ck_assert_int_eq(wait_for_end().state, BACKUP_DONE);
    ck_assert(exists(other));
}
END_TEST

START_TEST(test_cancelled)
{
    fake.backup_steps = 1000000000;
    ck_assert_int_eq(backup_start(backup, path, store_path, &error), 0);
    ck_assert(exists(part));
    backup_cancel(backup);
    ck_assert_int_eq(wait_for_end().state, BACKUP_CANCELLED);
    ck_assert(!exists(part) && !exists(path));
    ck_assert_uint_eq(fake.backups_ended, 1);
}
END_TEST

START_TEST(test_the_end_of_the_daemon_cancels)
{
    fake.backup_steps = 1000000000;
    ck_assert_int_eq(backup_start(backup, path, store_path, &error), 0);
    backup_free(TAKE(backup));
    ck_assert(!exists(part) && !exists(path));
    ck_assert_uint_eq(fake.backups_ended, 1);
}
END_TEST

static void *begin(void *context)
{
    static struct error why;

    *(int *)context = backup_start(backup, path, store_path, &why);
    return NULL;
}

/* A backup to a disk that hangs must not hang those who look. */
START_TEST(test_a_start_that_waits_holds_up_nobody_who_looks)
{
    struct backup_report report;
    pthread_t thread;
    int got = 1;

    ck_assert_int_eq(sem_init(&asked, 0, 0), 0);
    ck_assert_int_eq(sem_init(&back, 0, 0), 0);
    is_away = true;
    ck_assert_int_eq(pthread_create(&thread, NULL, begin, &got), 0);
    sem_wait(&asked);
    backup_get(backup, &report);
    ck_assert_int_eq(report.state, BACKUP_NONE);
    sem_post(&back);
    sem_post(&back);
    pthread_join(thread, NULL);
    ck_assert_int_eq(got, 0);
    ck_assert_int_eq(wait_for_end().state, BACKUP_DONE);
}
END_TEST

START_TEST(test_a_file_system_without_noreplace)
{
    is_plain = true;
    ck_assert_int_eq(backup_start(backup, path, store_path, &error), 0);
    ck_assert_int_eq(wait_for_end().state, BACKUP_DONE);
    ck_assert(exists(path) && !exists(part));
}
END_TEST

START_TEST(test_what_is_not_on_the_disk_has_no_name)
{
    is_broken = true;
    ck_assert_int_eq(backup_start(backup, path, store_path, &error), 0);
    ck_assert_int_eq(wait_for_end().state, BACKUP_FAILED);
    ck_assert(!exists(part) && !exists(path));
}
END_TEST

/* It may be another daemon's, which is at it, or anybody's; it may be the store. */
START_TEST(test_a_part_that_exists_stays)
{
    const bool is_store = _i == 0;
    struct stat status;

    write_file(part);
    ck_assert_int_eq(backup_start(backup, path, is_store ? part : store_path, &error), -EEXIST);
    ck_assert_msg(strstr(error.text, "copy.db.part exists") != NULL, "%s", error.text);
    ck_assert_int_eq(stat(part, &status), 0);
    ck_assert_int_eq(status.st_size, 4);
    ck_assert(!exists(path));
}
END_TEST

START_TEST(test_failures)
{
    const bool at_begin = _i == 0;
    struct backup_report report;

    if (at_begin)
        fake.backup_error = ENOSPC;
    else
        fake.check_error = EBADMSG;
    ck_assert_int_eq(backup_start(backup, path, store_path, &error), 0);
    report = wait_for_end();
    ck_assert_int_eq(report.state, BACKUP_FAILED);
    ck_assert_str_eq(report.why, at_begin ? "cannot begin" : "is damaged");
    ck_assert(!exists(part) && !exists(path));
    ck_assert_uint_eq(fake.backups_ended, at_begin ? 0 : 1);
}
END_TEST

START_TEST(test_a_name_that_was_taken_meanwhile_stays)
{
    struct stat status;

    is_plain = _i == 1;
    fake.backup_steps = 1000000000;
    ck_assert_int_eq(backup_start(backup, path, store_path, &error), 0);
    write_file(path);
    fake.backup_steps = 1;
    ck_assert_int_eq(wait_for_end().state, BACKUP_FAILED);
    ck_assert_int_eq(stat(path, &status), 0);
    ck_assert_int_eq(status.st_size, 4);
    ck_assert(!exists(part));
}
END_TEST

static const struct {
    const char *name; /* behind the folder, unless it does not begin with '/' */
    int want;
    const char *want_text;
} unfit[] = {
    {"copy.db", EINVAL, "not the absolute path"},
    {"", EINVAL, "not the absolute path"},
    {"/", EINVAL, "not the absolute path"},
    {"/..", EINVAL, "not the absolute path"},
    {"/no/copy.db", ENOENT, "No such file"},
    {"/taken", EEXIST, "nothing is written over"},
    {"/link", EEXIST, "nothing is written over"},
    {"/deliveries.db", EINVAL, "the store's own"},
    {"/deliveries.db-journal", EINVAL, "the store's own"},
    {"/deliveries.db.reserve", EINVAL, "the store's own"},
    {"/self/deliveries.db-wal", EINVAL, "the store's own"},
};

START_TEST(test_unfit)
{
    char name[128], other[128];

    snprintf(other, sizeof(other), "%s/taken", folder);
    write_file(other);
    snprintf(other, sizeof(other), "%s/link", folder);
    ck_assert_int_eq(symlink("/nowhere", other), 0);
    snprintf(other, sizeof(other), "%s/self", folder);
    ck_assert_int_eq(symlink(folder, other), 0);
    snprintf(name, sizeof(name), "%s%s", unfit[_i].name[0] == '/' ? folder : "", unfit[_i].name);
    ck_assert_int_eq(backup_start(backup, name, store_path, &error), -unfit[_i].want);
    ck_assert_msg(strstr(error.text, unfit[_i].want_text) != NULL, "%s", error.text);
}
END_TEST

START_TEST(test_a_folder_by_another_name)
{
    char other[64], name[112];

    snprintf(other, sizeof(other), "%s/other", folder);
    snprintf(name, sizeof(name), "%s/deliveries.db-journal", other);
    ck_assert_int_eq(mkdir(other, 0700), 0);
    /* Only root may, and not in a chroot, whose root is no mount of its own. */
    if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0)
        return;
    ck_assert_int_eq(mount(folder, other, "none", MS_BIND, NULL), 0);
    ck_assert_int_eq(backup_start(backup, name, store_path, &error), -EINVAL);
    ck_assert_msg(strstr(error.text, "the store's own") != NULL, "%s", error.text);
    ck_assert_int_eq(umount(other), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("admin_backup");
    TCase *core = tcase_create("core");
    TCase *errors = tcase_create("errors");
    SRunner *runner;
    int n_failed;

    tcase_add_checked_fixture(core, setup, teardown);
    tcase_add_checked_fixture(errors, setup, teardown);
    tcase_set_timeout(core, 60);
    tcase_set_timeout(errors, 60);
    tcase_add_test(core, test_done);
    tcase_add_test(core, test_one_after_another);
    tcase_add_test(core, test_cancelled);
    tcase_add_test(core, test_the_end_of_the_daemon_cancels);
    tcase_add_test(core, test_a_file_system_without_noreplace);
    tcase_add_loop_test(errors, test_failures, 0, 2);
    tcase_add_loop_test(errors, test_a_name_that_was_taken_meanwhile_stays, 0, 2);
    tcase_add_test(errors, test_a_start_that_waits_holds_up_nobody_who_looks);
    tcase_add_test(errors, test_what_is_not_on_the_disk_has_no_name);
    tcase_add_loop_test(errors, test_a_part_that_exists_stays, 0, 2);
    tcase_add_test(errors, test_a_folder_by_another_name);
    tcase_add_loop_test(errors, test_unfit, 0, (int)ARRAY_SIZE(unfit));
    suite_add_tcase(suite, core);
    suite_add_tcase(suite, errors);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed == 0 ? 0 : 1;
}
