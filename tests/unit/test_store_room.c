/*
 * A full disk: the reserve that is kept for it, what goes on when it is given back, a start in the
 * middle of it, and the way out. The disk is full as long as a test says so (fault_vfs.h), usually
 * while too much of the reserve is there, as on a real one.
 */

#include "store/reserve.h"
#include "store/sqlite_store.h"
#include "store_rig.h"

#include "fault_vfs.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB ((uint64_t)1 << 20)
#define RESERVE (8 * MIB)

static const char *reserve_path(void)
{
    static char path[128];

    snprintf(path, sizeof(path), "%s.reserve", rig.path);
    return path;
}

/* -1: there is none. */
static int64_t reserve_size(void)
{
    struct stat status;

    return stat(reserve_path(), &status) < 0 ? -1 : (int64_t)status.st_size;
}

static off_t wal_size(void)
{
    char path[128];
    struct stat status;

    snprintf(path, sizeof(path), "%s-wal", rig.path);
    return stat(path, &status) < 0 ? -1 : status.st_size;
}

/* ---- what the disk does ---- */

/* What a file system answers that cannot allocate; 0: it can. */
static int fallocate_errno;

int fallocate(int fd, int mode, off_t at, off_t size)
{
    static int (*real)(int fd, int mode, off_t at, off_t size);

    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "fallocate");
    if (fallocate_errno == 0)
        return real(fd, mode, at, size);
    errno = fallocate_errno;
    return -1;
}

static bool is_reserve_held(void)
{
    return reserve_size() > (int64_t)RESERVE_REST;
}

static bool is_reserve_there(void)
{
    return reserve_size() > 0;
}

static void disk_is_full_while(bool (*holds)(void))
{
    fault_set(FAULT_WRITE, SQLITE_FULL, 1, true);
    fault.holds = holds;
}

static void disk_has_room(void)
{
    fault.at = 0;
}

/* A floor that leaves no room for the reserve, but is not undercut. */
static void raise_floor(void)
{
    struct sqlite_disk *disk = &sqlite_store(rig.store)->disk;
    struct store_stats stats;

    store_get_stats(rig.store, &stats);
    disk->floor = stats.disk_free / 100 * 95;
}

static struct store_stats stats_now(void)
{
    struct store_stats stats;

    store_get_stats(rig.store, &stats);
    return stats;
}

static enum store_result maintain_quietly(void)
{
    rig_advance(USEC_PER_SEC);
    rig.error = (struct error)ERROR_INIT;
    return store_maintain(rig.store, true, &rig.error);
}

static void start(void)
{
    fault_install();
    rig_prepare(RIG_SQLITE);
    rig.reserve = RESERVE;
    rig_open();
}

/* ---- the file ---- */

START_TEST(test_it_is_made_at_open_and_stays)
{
    struct stat status;

    start();
    ck_assert_int_eq(stat(reserve_path(), &status), 0);
    ck_assert_uint_eq(status.st_size, RESERVE);
    ck_assert_uint_ge((uint64_t)status.st_blocks * 512, RESERVE); /* blocks, not only a size */
    ck_assert_uint_eq(status.st_mode & 0777, 0640);
    ck_assert_uint_eq(stats_now().reserve, RESERVE);
    rig_close();
    ck_assert_int_eq(reserve_size(), RESERVE);

    rig.reserve = 0; /* what an earlier process kept is given back */
    rig_open();
    ck_assert_int_eq(reserve_size(), -1);
    rig_stop();
}
END_TEST

START_TEST(test_a_size_without_blocks_is_made_anew)
{
    start();
    rig_close();
    ck_assert_int_eq(truncate(reserve_path(), 0), 0);
    ck_assert_int_eq(truncate(reserve_path(), (off_t)RESERVE), 0);
    rig_open();
    ck_assert_uint_eq(stats_now().reserve, RESERVE);
    rig_stop();
}
END_TEST

/* Written zeros instead, and what goes wrong with them. */
START_TEST(test_a_file_system_that_cannot_allocate)
{
    static const int codes[] = {EOPNOTSUPP, ENOSYS};
    const struct rlimit limit = {MIB, RLIM_INFINITY};
    struct reserve reserve;
    struct stat status;

    rig_prepare(RIG_SQLITE);
    ck_assert_int_eq(reserve_init(&reserve, rig.folder, RESERVE, &rig.error), 0);
    fallocate_errno = codes[_i];
    ck_assert_int_eq(reserve_grow(&reserve, MIB + 4096, &rig.error), 0);
    ck_assert_uint_eq(reserve.held, MIB + 4096);
    ck_assert_int_eq(stat(reserve.path, &status), 0);
    ck_assert_uint_ge((uint64_t)status.st_blocks * 512, MIB + 4096);

    reserve_shrink(&reserve, 4096);
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    ck_assert_int_eq(reserve_grow(&reserve, MIB + 4096, &rig.error), -EFBIG);
    ck_assert_uint_eq(reserve.held, 4096);

    /* Where a pipe stands in its place nothing can be put. */
    reserve_shrink(&reserve, 0);
    ck_assert_int_eq(mkfifo(reserve.path, 0640), 0);
    reserve_look(&reserve);
    ck_assert_uint_eq(reserve.held, 0);
    ck_assert_int_eq(reserve_grow(&reserve, 4096, &rig.error), -ESPIPE);
    ck_assert_msg(strstr(rig.error.text, "cannot allocate"), "%s", rig.error.text);
    reserve_done(&reserve);
    rig_stop();
}
END_TEST

/* What stands in its place is not ours: it is not followed, and counts for nothing. */
START_TEST(test_something_else_in_its_place)
{
    struct reserve reserve;
    struct stat status;
    char target[128];

    rig_prepare(RIG_SQLITE);
    ck_assert_int_eq(reserve_init(&reserve, rig.folder, RESERVE, &rig.error), 0);
    snprintf(target, sizeof(target), "%s/of-somebody", rig.folder);
    close(open(target, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    ck_assert_int_eq(symlink(target, reserve.path), 0);
    ck_assert_int_eq(reserve_grow(&reserve, MIB, &rig.error), -ELOOP);
    ck_assert_msg(strstr(rig.error.text, "cannot allocate"), "%s", rig.error.text);
    reserve_look(&reserve);
    ck_assert_uint_eq(reserve.held, 0);
    ck_assert_int_eq(stat(target, &status), 0);
    ck_assert_int_eq(status.st_size, 0);

    ck_assert_int_lt(lstat(reserve.path, &status), 0); /* the next time there is room for it */
    ck_assert_int_eq(mkdir(reserve.path, 0700), 0);
    reserve.held = 2 * MIB;
    reserve_shrink(&reserve, MIB);
    ck_assert_uint_eq(reserve.held, 2 * MIB); /* as it was believed to be */
    reserve_look(&reserve);
    ck_assert_uint_eq(reserve.held, 0);
    ck_assert_int_eq(rmdir(reserve.path), 0);
    reserve_done(&reserve);
    rig_stop();
}
END_TEST

START_TEST(test_what_cannot_be_made_leaves_what_was)
{
    const struct rlimit limit = {3 * MIB, 3 * MIB};
    struct reserve reserve;

    rig_prepare(RIG_SQLITE);
    ck_assert_int_eq(reserve_init(&reserve, rig.folder, RESERVE, &rig.error), 0);
    ck_assert_int_eq(reserve_grow(&reserve, 2 * MIB, &rig.error), 0);
    ck_assert_uint_eq(reserve.held, 2 * MIB);
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    ck_assert_int_eq(reserve_grow(&reserve, RESERVE, &rig.error), -EFBIG);
    ck_assert_msg(strstr(rig.error.text, "cannot allocate"), "%s", rig.error.text);
    ck_assert_uint_eq(reserve.held, 2 * MIB);
    reserve_shrink(&reserve, MIB);
    ck_assert_uint_eq(reserve.held, MIB);
    reserve_shrink(&reserve, 0);
    ck_assert_uint_eq(reserve.held, 0);
    ck_assert_int_lt(access(reserve.path, F_OK), 0);
    reserve_done(&reserve);
    rig_stop();
}
END_TEST

/* It must not be what fills a small disk. */
START_TEST(test_its_share_of_the_disk)
{
    struct reserve reserve;
    struct statvfs disk;

    rig_prepare(RIG_SQLITE);
    ck_assert_int_eq(statvfs(rig.folder, &disk), 0);
    ck_assert_int_eq(reserve_init(&reserve, rig.folder, UINT64_MAX, &rig.error), 0);
    ck_assert_uint_le(reserve.want, (uint64_t)disk.f_blocks * disk.f_frsize / 16);
    ck_assert_uint_gt(reserve.want, 0);
    ck_assert_uint_eq(reserve_rest(&reserve), RESERVE_REST);
    reserve.want = MIB;
    ck_assert_uint_eq(reserve_rest(&reserve), MIB / 4);
    reserve_done(&reserve);
    rig_stop();
}
END_TEST

/* No reserve where it would take the store below its floor. */
START_TEST(test_none_without_room_for_it)
{
    start();
    raise_floor();
    reserve_shrink(&sqlite_store(rig.store)->disk.reserve, RESERVE_REST);
    RIG_OK(maintain_quietly());
    ck_assert_uint_eq(stats_now().reserve, RESERVE_REST);
    ck_assert(!stats_now().disk_full);
    rig_append_new();
    sqlite_store(rig.store)->disk.floor = 0;
    RIG_OK(maintain_quietly());
    ck_assert_uint_eq(stats_now().reserve, RESERVE);
    rig_stop();
}
END_TEST

/* The rest, for the next start, is made from less room than all of it. */
START_TEST(test_the_rest_is_made_again_before_all_of_it)
{
    start();
    raise_floor();
    reserve_shrink(&sqlite_store(rig.store)->disk.reserve, 0);
    RIG_OK(maintain_quietly());
    ck_assert_uint_eq(stats_now().reserve, RESERVE_REST);
    RIG_OK(maintain_quietly());
    ck_assert_uint_eq(stats_now().reserve, RESERVE_REST);
    rig_stop();
}
END_TEST

/* ---- a full disk while the store is open ---- */

START_TEST(test_settles_go_on_with_the_reserve)
{
    const struct delivery stored = rig_delivery("stored"), fresh = rig_delivery("fresh");
    struct store_sink sink;
    struct store_append copy = {.delivery = &stored}, append = {.delivery = &fresh};
    const struct delivery other = rig_delivery_of("stored", "stored", 0, false, "{\"other\":1}");
    struct store_append conflict = {.delivery = &other};
    struct store_append *appends[] = {&copy, &append, &conflict};
    const struct store_settle *settles[1];
    struct store_batch batch = {appends, 3, settles, 1};
    struct store_settle settle;

    rig.stage = (size_t)_i;
    start();
    sink = rig_register("sink");
    RIG_OK(rig_append(&stored, &append));
    append.delivery = &fresh;
    settle = (struct store_settle){.sink = sink.id, .frontier = 1, .delivered = 1};
    settles[0] = &settle;
    raise_floor();
    disk_is_full_while(is_reserve_held);

    RIG_OK(rig_commit(&batch));
    ck_assert_int_eq(copy.verdict, STORE_VERDICT_DUPLICATE);
    ck_assert_int_eq(append.verdict, STORE_VERDICT_REFUSED);
    ck_assert_int_eq(conflict.verdict, STORE_VERDICT_REFUSED); /* evidence needs room */
    ck_assert_int_eq(rig.error.code, ENOSPC);
    ck_assert_msg(strstr(rig.error.text, "the store's disk is full: "), "%s", rig.error.text);
    ck_assert_uint_eq(rig_read_sink(sink.id).delivered, 1);
    ck_assert_uint_eq(stats_now().reserve, RESERVE_REST);
    ck_assert(stats_now().disk_full);
    RIG_OK(maintain_quietly()); /* too little room yet */
    ck_assert(stats_now().disk_full);

    disk_has_room();
    sqlite_store(rig.store)->disk.floor = 0;
    ck_assert(!stats_now().disk_full); /* a probe sees it before anybody sends */
    RIG_OK(rig_append(&fresh, &append));
    ck_assert_int_eq(append.verdict, STORE_VERDICT_STORED);
    ck_assert_uint_eq(append.seq, 2);
    RIG_OK(maintain_quietly());
    ck_assert_uint_eq(stats_now().reserve, RESERVE);
    rig_stop();
}
END_TEST

START_TEST(test_the_wal_comes_home_with_the_reserve)
{
    start();
    rig_append_many(50);
    raise_floor();
    disk_is_full_while(is_reserve_held);
    RIG_OK(maintain_quietly());
    ck_assert_uint_eq(sqlite_store(rig.store)->wal.home, sqlite_store(rig.store)->wal.frames);
    ck_assert_uint_eq(stats_now().reserve, RESERVE_REST);
    disk_has_room();
    rig_stop();
}
END_TEST

static unsigned int asked;

static bool count_asked(void)
{
    asked++;
    return true;
}

/* Somebody took what was given back: the checkpoint is tried once a second, not after each batch.
 */
START_TEST(test_a_checkpoint_without_room_is_not_tried_all_the_time)
{
    unsigned int after_first;

    start();
    rig_append_many(50);
    disk_is_full_while(count_asked);
    ck_assert_int_eq(maintain_quietly(), STORE_UNAVAILABLE);
    ck_assert_int_eq(rig.error.code, ENOSPC);
    after_first = asked;
    for (int i = 0; i < 10; i++)
        RIG_OK(store_maintain(rig.store, true, &rig.error));
    ck_assert_uint_eq(asked, after_first);
    ck_assert_int_eq(maintain_quietly(), STORE_UNAVAILABLE);
    ck_assert_uint_gt(asked, after_first);
    disk_has_room();
    RIG_OK(maintain_quietly());
    rig_stop();
}
END_TEST

/* No more waits in the WAL than the reserve lets through. */
START_TEST(test_a_small_reserve_keeps_the_wal_short)
{
    const struct sqlite_wal *wal;
    uint64_t most = 0;
    int n_home = 0;

    fault_install();
    rig_prepare(RIG_SQLITE);
    rig.reserve = MIB;
    rig_open();
    wal = &sqlite_store(rig.store)->wal;
    for (int i = 0; i < 2000 && n_home < 3; i++) {
        uint64_t before;

        rig_append_many(10);
        before = wal->frames - wal->home;
        RIG_OK(store_maintain(rig.store, false, &rig.error));
        if (before > most)
            most = before;
        n_home += wal->home == wal->frames;
    }
    ck_assert_int_eq(n_home, 3);
    ck_assert_uint_le(most, MIB / wal->page_size);
    rig_stop();
}
END_TEST

/* A -shm file that cannot grow is a full disk, and no reason to end. */
START_TEST(test_no_room_for_the_index_of_the_wal)
{
    struct store *store = NULL;

    start();
    rig_append_many(5);
    rig_close();
    fault_set(FAULT_SHM, SQLITE_IOERR_SHMSIZE, 1, true);
    fault.holds = is_reserve_there;
    rig_open();
    ck_assert_uint_eq(rig_count_deliveries(), 5);
    rig_close();

    rig.reserve = 0;
    fault.holds = NULL;
    ck_assert_int_eq(rig_open_error(0, &store), -ENOSPC);
    ck_assert_msg(strstr(rig.error.text, "; free some room on its disk"), "%s", rig.error.text);
    disk_has_room();
    rig_stop();
}
END_TEST

/* ---- a start on a full disk ---- */

static void commit_and_die(void)
{
    pid_t child = fork();
    int status;

    if (child == 0) {
        struct store_sink sink;

        rig_open();
        sink = rig_register("sink");
        rig_set_active(&sink);
        rig_append_many(5);
        _exit(wal_size() > 0 ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}

START_TEST(test_a_start_on_a_full_disk_gives_the_reserve_back)
{
    fault_install();
    rig_prepare(RIG_SQLITE);
    rig.reserve = RESERVE;
    commit_and_die();
    ck_assert_int_eq(reserve_size(), RESERVE);
    disk_is_full_while(is_reserve_there);
    rig_open();
    ck_assert_int_eq(wal_size(), 0);
    ck_assert_uint_eq(rig_count_deliveries(), 5);
    disk_has_room();
    ck_assert_uint_eq(rig_append_new(), 6);
    rig_stop();
}
END_TEST

/* Where no WAL is possible commits would be another matter: it is not begun at all. */
START_TEST(test_a_file_system_without_shared_memory)
{
    struct store *store = NULL;

    fault_install();
    rig_prepare(RIG_SQLITE);
    fault.cannot_share = true;
    ck_assert_int_eq(rig_open_error(0, &store), -ENOTSUP);
    ck_assert_msg(strstr(rig.error.text, "PRAGMA journal_mode is 'delete' and not 'wal': commits "
                                         "would not be durable here"),
        "%s", rig.error.text);
    ck_assert_ptr_null(store);
    fault.cannot_share = false;
    rig_open();
    rig_append_new();
    rig_stop();
}
END_TEST

START_TEST(test_a_start_on_a_full_disk_answers_nothing_until_there_is_room)
{
    const struct delivery fresh = rig_delivery("fresh");
    const struct store_retention retention = {USEC_PER_HOUR, USEC_INFINITY};
    struct store_append append;
    struct store_settle settle;
    struct store_sink sink;
    bool more;

    fault_install();
    rig_prepare(RIG_SQLITE);
    commit_and_die();
    disk_is_full_while(NULL);
    rig_open();
    ck_assert(stats_now().disk_full);
    ck_assert_uint_eq(rig_count_deliveries(), 5);

    /* What was there before needs no room to go on. */
    sink = rig_register("sink");
    rig_set_active(&sink);
    ck_assert_int_eq(rig_append(&fresh, &append), STORE_UNAVAILABLE);
    ck_assert_int_eq(append.verdict, STORE_VERDICT_REFUSED);
    ck_assert_int_eq(rig.error.code, ENOSPC);
    ck_assert_msg(strstr(rig.error.text, "cannot be brought home"), "%s", rig.error.text);
    settle = (struct store_settle){.sink = sink.id, .frontier = 5, .delivered = 5};
    ck_assert_int_eq(rig_settle(&settle), STORE_UNAVAILABLE);
    RIG_OK(store_prune(rig.store, &retention, &more, &rig.error));
    ck_assert_int_eq(maintain_quietly(), STORE_UNAVAILABLE);
    ck_assert(stats_now().disk_full);

    disk_has_room();
    RIG_OK(maintain_quietly());
    ck_assert_int_eq(wal_size(), 0);
    ck_assert(!stats_now().disk_full);
    RIG_OK(rig_settle(&settle));
    RIG_OK(rig_append(&fresh, &append));
    ck_assert_int_eq(append.verdict, STORE_VERDICT_STORED);
    ck_assert_uint_eq(append.seq, 6);
    rig_stop();
}
END_TEST

/* What keeps the leftovers where they are: some of it passes, and some is the end. */
static const struct {
    int code;
    enum store_result want;
} leftover_rows[] = {
    {SQLITE_BUSY, STORE_UNAVAILABLE},
    {SQLITE_NOMEM, STORE_UNAVAILABLE},
    {SQLITE_IOERR_WRITE, STORE_FAILED},
};

START_TEST(test_leftovers_that_stay_for_another_reason)
{
    const struct delivery fresh = rig_delivery("fresh");
    struct store_append append;

    fault_install();
    rig_prepare(RIG_SQLITE);
    commit_and_die();
    disk_is_full_while(NULL);
    rig_open();
    fault_set(FAULT_WRITE, leftover_rows[_i].code, 1, true);
    ck_assert_int_eq(maintain_quietly(), leftover_rows[_i].want);
    ck_assert_str_ne(rig.error.text, "");
    ck_assert_int_eq(rig_append(&fresh, &append), leftover_rows[_i].want);
    ck_assert_int_eq(append.verdict, STORE_VERDICT_REFUSED);
    disk_has_room();
    if (leftover_rows[_i].want == STORE_FAILED) {
        ck_assert_int_eq(maintain_quietly(), STORE_FAILED);
        rig_close();
        rig_open();
    } else {
        RIG_OK(maintain_quietly());
    }
    ck_assert_uint_eq(rig_count_deliveries(), 5);
    RIG_OK(rig_append(&fresh, &append));
    ck_assert_int_eq(append.verdict, STORE_VERDICT_STORED);
    rig_stop();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store_room");
    TCase *core = tcase_create("core"), *limits = tcase_create("limits"),
          *errors = tcase_create("errors");
    SRunner *runner;
    int n_failed;

    tcase_set_timeout(limits, 60);
    tcase_add_test(core, test_it_is_made_at_open_and_stays);
    tcase_add_loop_test(core, test_settles_go_on_with_the_reserve, 0, 2);
    tcase_add_test(core, test_the_wal_comes_home_with_the_reserve);
    tcase_add_test(core, test_a_start_on_a_full_disk_gives_the_reserve_back);
    tcase_add_test(limits, test_its_share_of_the_disk);
    tcase_add_test(limits, test_the_rest_is_made_again_before_all_of_it);
    tcase_add_test(limits, test_none_without_room_for_it);
    tcase_add_test(limits, test_a_small_reserve_keeps_the_wal_short);
    tcase_add_test(errors, test_a_size_without_blocks_is_made_anew);
    tcase_add_loop_test(errors, test_a_file_system_that_cannot_allocate, 0, 2);
    tcase_add_test(errors, test_something_else_in_its_place);
    tcase_add_test(errors, test_a_file_system_without_shared_memory);
    tcase_add_loop_test(errors, test_leftovers_that_stay_for_another_reason, 0,
        (int)(sizeof(leftover_rows) / sizeof(leftover_rows[0])));
    tcase_add_test(errors, test_what_cannot_be_made_leaves_what_was);
    tcase_add_test(errors, test_a_checkpoint_without_room_is_not_tried_all_the_time);
    tcase_add_test(errors, test_no_room_for_the_index_of_the_wal);
    tcase_add_test(errors, test_a_start_on_a_full_disk_answers_nothing_until_there_is_room);
    suite_add_tcase(suite, core);
    suite_add_tcase(suite, limits);
    suite_add_tcase(suite, errors);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
