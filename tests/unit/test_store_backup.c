/*
 * A copy of the store made between commits: it holds all of them, whatever happens meanwhile, keeps
 * the WAL from nothing, and its failures are its own.
 */

#include "store/backup.h"
#include "store/sqlite_store.h"
#include "store_rig.h"

#include "fault_vfs.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static char copy_path[128];
static struct store_backup *backup;
static _Atomic bool cancelled;

/* Where the copy goes: how much is free there, and whether that is another disk. */
static struct {
    bool is_set, is_elsewhere;
    fsblkcnt_t free_blocks;
} there;

int statvfs(const char *path, struct statvfs *room)
{
    static int (*real)(const char *path, struct statvfs *room);
    int r;

    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "statvfs");
    r = real(path, room);
    if (there.is_set && strcmp(path, copy_path) == 0)
        room->f_bavail = there.free_blocks;
    return r;
}

int stat(const char *path, struct stat *status)
{
    static int (*real)(const char *path, struct stat *status);
    int r;

    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "stat");
    r = real(path, status);
    if (there.is_elsewhere && strcmp(path, copy_path) == 0)
        status->st_dev++;
    return r;
}

static void setup(void)
{
    rig_start(RIG_SQLITE);
    snprintf(copy_path, sizeof(copy_path), "%s/a copy?100%%.db", rig.folder);
    close(open(copy_path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0640));
    cancelled = false;
}

static void teardown(void)
{
    rig_stop();
}

static void begin(void)
{
    int r = store_backup_begin(rig.store, copy_path, &backup, &rig.error);

    ck_assert_msg(r == 0, "%s", rig.error.text);
}

/* Returns whether that was the last. */
static bool step(struct store_backup_progress *progress)
{
    int r = store_backup_step(backup, progress, &rig.error);

    ck_assert_msg(r == 0, "%s", rig.error.text);
    return progress->done;
}

static void finish(void)
{
    struct store_backup_progress progress;

    while (!step(&progress))
        continue;
    store_backup_end(TAKE(backup));
    ck_assert_msg(store_backup_check(rig.store, copy_path, &cancelled, &rig.error) == 0, "%s",
        rig.error.text);
}

/* Goes on with the copy in the store's place. */
static void restore(void)
{
    rig_close();
    ck_assert_int_eq(rename(copy_path, rig.path), 0);
    rig_open();
}

static int on_delivery(const struct delivery *delivery, void *context)
{
    return 0;
}

static size_t count_deliveries(void)
{
    ssize_t n = store_scan(rig.reader, 0, SIZE_MAX, on_delivery, NULL, &rig.error);

    ck_assert_msg(n >= 0, "%s", rig.error.text);
    return (size_t)n;
}

static void fill(size_t batches)
{
    for (size_t i = 0; i < batches; i++)
        rig_append_many(500);
}

START_TEST(test_a_copy_is_a_store)
{
    struct store_sink sink = rig_register("publish");
    struct store_sink got;

    fill(4);
    rig_deliver_to(&sink, 1000);
    begin();
    finish();
    restore();
    ck_assert_uint_eq(count_deliveries(), 2000);
    got = rig_read_sink(sink.id);
    ck_assert_uint_eq(got.frontier, 1000);
    ck_assert_uint_eq(got.delivered, 1000);
    ck_assert_uint_eq(rig_append_new(), 2001);
}
END_TEST

START_TEST(test_commits_meanwhile_are_in_the_copy)
{
    struct store_backup_progress progress = {.done = false};
    struct store_append append;
    struct delivery again;
    size_t steps = 0, want = 8000;

    fill(16);
    again = rig_delivery("meanwhile");
    begin();
    do {
        /* New rows at the end, and old pages changed with them. */
        rig_append_many(10);
        want += 10;
        if (steps == 1) {
            RIG_OK(rig_append(&again, &append));
            want++;
        }
        steps++;
    } while (!step(&progress));
    store_backup_end(TAKE(backup));
    /* It went straight on: no commit made it begin anew. */
    ck_assert_uint_gt(steps, 3);
    ck_assert_uint_le(steps, progress.bytes / STORE_BACKUP_STEP_BYTES + 2);
    ck_assert_int_eq(store_backup_check(rig.store, copy_path, &cancelled, &rig.error), 0);

    rig_append_many(3); /* too late */
    restore();
    ck_assert_uint_eq(count_deliveries(), want);
    RIG_OK(rig_append(&again, &append));
    ck_assert_int_eq(append.verdict, STORE_VERDICT_DUPLICATE);
}
END_TEST

START_TEST(test_the_wal_is_brought_home_meanwhile)
{
    struct sqlite_store *store = sqlite_store(rig.store);
    struct store_backup_progress progress;

    fill(8);
    begin();
    ck_assert(!step(&progress));
    fill(2);
    rig_advance(USEC_PER_SEC);
    RIG_OK(store_maintain(rig.store, true, &rig.error));
    ck_assert_uint_gt(store->wal.frames, 0);
    ck_assert_uint_eq(store->wal.home, store->wal.frames);
    fill(1); /* starts the WAL over */
    ck_assert_uint_lt(store->wal.home, store->wal.frames);
    finish();
    restore();
    ck_assert_uint_eq(count_deliveries(), 5500);
}
END_TEST

/* So many changes that pages go out before the end of the transaction, which does not come. */
static void roll_back(void)
{
    struct db *db = &sqlite_store(rig.store)->db;

    ck_assert_int_eq(
        db_exec(db, "BEGIN; UPDATE deliveries SET body = zeroblob(4000); ROLLBACK"), SQLITE_OK);
}

START_TEST(test_a_rollback_begins_the_copy_anew)
{
    struct store_backup_progress progress;

    fill(8);
    begin();
    ck_assert(!step(&progress));
    roll_back();
    fill(1);
    finish();
    restore();
    ck_assert_uint_eq(count_deliveries(), 4500);
}
END_TEST

START_TEST(test_too_many_rollbacks_end_it)
{
    struct store_backup_progress progress;
    int r = 0;

    fill(8);
    begin();
    for (int i = 0; r == 0 && i < 100; i++) {
        r = store_backup_step(backup, &progress, &rig.error);
        if (r == 0)
            r = store_backup_step(backup, &progress, &rig.error);
        ck_assert(r < 0 || !progress.done);
        roll_back();
    }
    ck_assert_int_eq(r, -EAGAIN);
    ck_assert_ptr_nonnull(strstr(rig.error.text, "rolled back so often"));
    store_backup_end(TAKE(backup));
    ck_assert(!store_has_failed(rig.store));
}
END_TEST

START_TEST(test_given_up_leaves_the_store_alone)
{
    struct store_backup_progress progress;

    fill(8);
    begin();
    ck_assert(!step(&progress));
    store_backup_end(TAKE(backup));
    fill(1);
    ck_assert_uint_eq(count_deliveries(), 4500);
}
END_TEST

START_TEST(test_no_room_above_the_floor)
{
    rig_close();
    ck_assert_int_eq(rig_open_error(UINT64_C(1) << 62, &rig.store), 0);
    ck_assert_int_eq(store_reader_open(rig.store, &rig.reader, &rig.error), 0);
    ck_assert_int_eq(store_backup_begin(rig.store, copy_path, &backup, &rig.error), -ENOSPC);
    ck_assert_ptr_nonnull(strstr(rig.error.text, "above store.disk_floor"));
}
END_TEST

static void begin_without_room(bool want_floor)
{
    ck_assert_int_eq(store_backup_begin(rig.store, copy_path, &backup, &rig.error), -ENOSPC);
    ck_assert_msg(strstr(rig.error.text, "are free there; the copy needs"), "%s", rig.error.text);
    ck_assert_msg(
        !strstr(rig.error.text, "above store.disk_floor") == !want_floor, "%s", rig.error.text);
    ck_assert(!store_has_failed(rig.store));
}

START_TEST(test_no_room)
{
    there.is_set = true;
    begin_without_room(false);
    rig_close();
    ck_assert_int_eq(rig_open_error(4096, &rig.store), 0);
    ck_assert_int_eq(store_reader_open(rig.store, &rig.reader, &rig.error), 0);
    there.free_blocks = 2; /* above the floor, but not enough */
    begin_without_room(true);
    there.is_set = false;
    begin();
    finish();
}
END_TEST

/* The floor is of the store's disk; that of the copy need not have one. */
START_TEST(test_another_disk_has_no_floor)
{
    rig_close();
    ck_assert_int_eq(rig_open_error(UINT64_C(1) << 62, &rig.store), 0);
    ck_assert_int_eq(store_reader_open(rig.store, &rig.reader, &rig.error), 0);
    there.is_elsewhere = true;
    begin();
    finish();
}
END_TEST

START_TEST(test_a_folder_that_is_gone)
{
    unlink(copy_path);
    ck_assert_int_lt(store_backup_begin(rig.store, copy_path, &backup, &rig.error), 0);
    ck_assert(!store_has_failed(rig.store));
}
END_TEST

START_TEST(test_a_link_is_not_followed)
{
    char target[160];

    unlink(copy_path);
    snprintf(target, sizeof(target), "%s/target", rig.folder);
    close(open(target, O_CREAT | O_RDWR | O_CLOEXEC, 0640));
    ck_assert_int_eq(symlink(target, copy_path), 0);
    ck_assert_int_lt(store_backup_begin(rig.store, copy_path, &backup, &rig.error), 0);
}
END_TEST

START_TEST(test_a_damaged_copy_is_found)
{
    static const char damage[4096] = {0x55};
    struct stat status;
    int fd, r;

    fill(4);
    begin();
    finish();
    fd = open(copy_path, O_WRONLY | O_CLOEXEC);
    ck_assert_int_eq(fstat(fd, &status), 0);
    for (off_t at = 4096; at < status.st_size; at += (off_t)16 * 4096)
        ck_assert_int_eq(pwrite(fd, damage, sizeof(damage), at), sizeof(damage));
    close(fd);
    r = store_backup_check(rig.store, copy_path, &cancelled, &rig.error);
    ck_assert_int_eq(r, -EBADMSG);
}
END_TEST

START_TEST(test_a_check_can_be_cancelled)
{
    fill(8);
    begin();
    finish();
    cancelled = true;
    ck_assert_int_eq(store_backup_check(rig.store, copy_path, &cancelled, &rig.error), -ECANCELED);
}
END_TEST

START_TEST(test_a_check_leaves_nothing_behind)
{
    static const char *const suffixes[] = {"-wal", "-shm", "-journal"};
    char beside[160];

    begin();
    finish();
    for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
        snprintf(beside, sizeof(beside), "%s%s", copy_path, suffixes[i]);
        ck_assert_int_lt(access(beside, F_OK), 0);
    }
}
END_TEST

START_TEST(test_a_latched_store_is_not_copied)
{
    struct store_backup_progress progress;

    fill(8);
    begin();
    ck_assert(!step(&progress));
    rig.store->failed = true;
    rig.store->failure = (struct error){EIO, "the disk is gone"};
    ck_assert_int_eq(store_backup_step(backup, &progress, NULL), -EIO);
    ck_assert_int_eq(store_backup_step(backup, &progress, &rig.error), -EIO);
    ck_assert_str_eq(rig.error.text, "the disk is gone");
    store_backup_end(TAKE(backup));
    ck_assert_int_eq(store_backup_begin(rig.store, copy_path, &backup, &rig.error), -EIO);
}
END_TEST

/* The n-th write to the copy fails, in a step or in a commit that takes the copy along: the copy is
 * lost, and the store goes on as if there were none. */
START_TEST(test_a_disk_of_the_copy_that_fails)
{
    const int code = _i == 0 ? SQLITE_FULL : SQLITE_IOERR_WRITE;
    bool ended_well = false;
    uint64_t want = 1500;

    fill(3);
    for (unsigned int n = 1; !ended_well; n += 7) {
        struct store_backup_progress progress = {.done = false};
        int r = store_backup_begin(rig.store, copy_path, &backup, &rig.error);

        ck_assert_msg(r == 0, "%s", rig.error.text);
        fault_set(FAULT_WRITE, code, n, true);
        fault.only = "a copy";
        while (r == 0 && !progress.done) {
            rig_append_new(); /* asserts that it is stored */
            want++;
            r = store_backup_step(backup, &progress, &rig.error);
        }
        ck_assert_msg(r == 0 || fault.hit, "%s", rig.error.text);
        ended_well = !fault.hit;
        fault_set(FAULT_WRITE, 0, 0, false);
        store_backup_end(TAKE(backup));
        ck_assert(!store_has_failed(rig.store));
        if (ended_well) {
            ck_assert_int_eq(store_backup_check(rig.store, copy_path, &cancelled, &rig.error), 0);
        } else {
            ck_assert_int_lt(r, 0); /* none that was cut short passes for whole */
            ck_assert_int_eq(truncate(copy_path, 0), 0);
        }
    }
    rig_append_new();
    ck_assert_uint_eq(count_deliveries(), want + 1);
}
END_TEST

START_TEST(test_memory_has_none)
{
    rig_stop();
    rig_start(RIG_MEMORY);
    ck_assert_int_eq(store_backup_begin(rig.store, "/tmp/x", &backup, &rig.error), -ENOTSUP);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store_backup");
    TCase *core = tcase_create("core");
    TCase *errors = tcase_create("errors");
    SRunner *runner;
    int n_failed;

    fault_install();
    tcase_add_checked_fixture(core, setup, teardown);
    tcase_add_checked_fixture(errors, setup, teardown);
    tcase_add_test(core, test_a_copy_is_a_store);
    tcase_add_test(core, test_commits_meanwhile_are_in_the_copy);
    tcase_add_test(core, test_the_wal_is_brought_home_meanwhile);
    tcase_add_test(core, test_a_rollback_begins_the_copy_anew);
    tcase_add_test(core, test_a_check_leaves_nothing_behind);
    tcase_add_test(errors, test_too_many_rollbacks_end_it);
    tcase_add_test(errors, test_given_up_leaves_the_store_alone);
    tcase_add_test(errors, test_no_room_above_the_floor);
    tcase_add_test(errors, test_no_room);
    tcase_add_test(errors, test_another_disk_has_no_floor);
    tcase_add_test(errors, test_a_folder_that_is_gone);
    tcase_add_test(errors, test_a_link_is_not_followed);
    tcase_add_test(errors, test_a_damaged_copy_is_found);
    tcase_add_test(errors, test_a_check_can_be_cancelled);
    tcase_add_test(errors, test_a_latched_store_is_not_copied);
    tcase_add_loop_test(errors, test_a_disk_of_the_copy_that_fails, 0, 2);
    tcase_add_test(errors, test_memory_has_none);
    tcase_set_timeout(errors, 60);
    suite_add_tcase(suite, core);
    suite_add_tcase(suite, errors);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed == 0 ? 0 : 1;
}
