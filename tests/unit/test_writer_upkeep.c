/*
 * The writer's start and stop, what it does beside the commits, and how it tells that the store
 * takes nothing for now, or nothing any more. What a commit does is in test_writer.c.
 */

#include "writer_rig.h"

#include "failing_malloc.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

/* ---- start and stop ---- */

START_TEST(test_stop_works_off_what_waits)
{
    static struct test_work works[5000];

    start_fake();
    for (size_t i = 0; i < ARRAY_SIZE(works); i++) {
        make_append(&works[i], "id");
        store_writer_post(writer, &works[i].work);
    }
    store_writer_stop(writer);
    for (size_t i = 0; i < ARRAY_SIZE(works); i++)
        ck_assert_uint_eq(works[i].done, 1);
    ck_assert_uint_eq(fake.head, ARRAY_SIZE(works));
}
END_TEST

/* `want`: 0 is any error. */
static void start_refused(int want, const char *want_text)
{
    const struct store_writer_options options = {
        .store = &fake.base, .clock = &rig.clock, .stored = on_stored, .failed = on_failed};
    struct store_writer *none = NULL;
    int r;

    rig.error = (struct error)ERROR_INIT;
    r = store_writer_start(&options, &none, &rig.error);
    ck_assert(want == 0 ? r < 0 : r == want);
    ck_assert_msg(strstr(rig.error.text, want_text), "%s", rig.error.text);
    ck_assert_ptr_null(none);
}

/* What a start needs: memory, a descriptor, a thread. Without one of them nothing is left over. */
START_TEST(test_a_start_that_is_refused)
{
    struct rlimit limit;
    pthread_attr_t attributes, defaults;
    long live;
    int fd;

    start_fake(); /* and whatever the first thread makes for good */
    store_writer_stop(writer);
    live = failing_malloc_live;
    if (failing_malloc_works()) {
        failing_malloc_in = 1;
        start_refused(-ENOMEM, "out of memory");
    }

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    ck_assert_int_eq(
        setrlimit(RLIMIT_NOFILE, &(struct rlimit){.rlim_cur = 0, .rlim_max = limit.rlim_max}), 0);
    start_refused(-EMFILE, "cannot make an event descriptor");
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);

    fd = dup(STDERR_FILENO);
    close(fd);
    ck_assert_int_eq(pthread_getattr_default_np(&defaults), 0);
    ck_assert_int_eq(pthread_attr_init(&attributes), 0);
    ck_assert_int_eq(pthread_attr_setstacksize(&attributes, (size_t)1 << 50), 0);
    ck_assert_int_eq(pthread_setattr_default_np(&attributes), 0);
    start_refused(0, "cannot start the store's writer");
    ck_assert_int_eq(pthread_setattr_default_np(&defaults), 0);
    ck_assert_int_eq(pthread_attr_destroy(&attributes), 0);
    ck_assert_int_eq(pthread_attr_destroy(&defaults), 0);
    ck_assert_int_eq(dup(STDERR_FILENO), fd);
    close(fd);
    ck_assert_int_eq(failing_malloc_live, live);

    start_fake();
    ck_assert_int_eq(barrier(), STORE_OK);
    store_writer_stop(writer);
}
END_TEST

/* ---- upkeep ---- */

START_TEST(test_pruning_each_minute)
{
    start_fake();
    ck_assert_int_eq(barrier(), STORE_OK);
    ck_assert_uint_eq(fake.prunes, 0);
    fake.more_prunes = 5; /* it goes on while there is more and nothing else to do */
    for (unsigned int minutes = 1; minutes <= 2; minutes++) {
        rig_advance(61 * USEC_PER_SEC);
        for (int i = 0; i < 100 && (fake.prunes < 4 + minutes || i < 50); i++) {
            ck_assert_int_eq(barrier(), STORE_OK);
            rig_advance(100 * USEC_PER_MSEC); /* between two steps while there is work */
        }
        ck_assert_uint_eq(fake.prunes, 4 + minutes);
    }
    store_writer_stop(writer);
}
END_TEST

static void pass_a_minute(struct store *store, void *context)
{
    rig_advance(61 * USEC_PER_SEC);
}

/* While work keeps coming, pruning takes a step now and then, not one for each batch. */
START_TEST(test_pruning_yields_to_work)
{
    start_fake();
    fake.more_prunes = 1000;
    ck_assert_int_eq(store_writer_call(writer, pass_a_minute, NULL), STORE_OK);
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(barrier(), STORE_OK);
    ck_assert_uint_eq(fake.prunes, 1);
    fake.more_prunes = 0;
    store_writer_stop(writer);
}
END_TEST

/* Once it is due and nothing else is to be done it goes on to its end, without anybody's work. */
START_TEST(test_pruning_goes_on_by_itself)
{
    start_fake();
    fake.more_prunes = 20;
    fake.prune_usec = USEC_PER_SEC;
    ck_assert_int_eq(store_writer_call(writer, pass_a_minute, NULL), STORE_OK);
    for (int i = 0; fake.prunes < 20; i++) {
        ck_assert_int_lt(i, 5000);
        usleep(1000);
    }
    store_writer_stop(writer);
    ck_assert_uint_eq(fake.prunes, 20);
}
END_TEST

START_TEST(test_tidies_up_when_it_is_quiet)
{
    unsigned int before;

    start_fake();
    ck_assert_int_eq(barrier(), STORE_OK);
    usleep(200000);
    before = fake.idle_maintains; /* after the barrier's batch, none follows at once */
    for (int i = 0; i < 300 && fake.idle_maintains == before; i++)
        usleep(10000);
    ck_assert_uint_eq(fake.idle_maintains, before + 1);
    store_writer_stop(writer);
}
END_TEST

/* That the clock is in doubt is said, and is no failure; a store that is busy is asked again. */
START_TEST(test_why_pruning_waits_is_told)
{
    char path[] = "/tmp/writer-log-XXXXXX", text[1024] = "";
    const bool is_busy = _i == 1;
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    start_fake();
    log_set_level(LOG_LEVEL_INFO);
    ck_assert_int_ge(dup2(fd, STDERR_FILENO), 0);
    fake.prune_code = is_busy ? EBUSY : EAGAIN;
    ck_assert_int_eq(store_writer_call(writer, pass_a_minute, NULL), STORE_OK);
    ck_assert_int_eq(barrier(), STORE_OK);
    store_writer_stop(writer);
    ck_assert_int_ge(pread(fd, text, sizeof(text) - 1, 0), 0);
    unlink(path);
    ck_assert_msg(!strstr(text, "the clock is ahead") == is_busy, "%s", text);
    ck_assert_uint_ge(fake.prunes, 1);
    ck_assert_uint_eq(told.failed_told, 0);
}
END_TEST

/* ---- whether the store takes anything ---- */

/* Waits for what the writer finds out by itself. */
static void wait_until_unavailable(bool want)
{
    const struct store_writer_stats *stats = store_writer_stats(writer);

    for (int i = 0; (stats->unavailable_at_usec != 0) != want; i++) {
        ck_assert_int_lt(i, 5000);
        usleep(1000);
    }
}

/* A settle that is not taken says as much of the store as an append. */
START_TEST(test_a_settle_that_is_not_taken_is_told)
{
    static struct test_work works[2];

    start_fake();
    fake.is_locked = true;
    make_settle(&works[0]);
    store_writer_post(writer, &works[0].work);
    ck_assert_int_eq(barrier(), STORE_OK);
    ck_assert_int_eq(works[0].work.result, STORE_UNAVAILABLE);
    wait_until_unavailable(true);
    fake.is_locked = false;
    make_append(&works[1], "id");
    store_writer_post(writer, &works[1].work);
    ck_assert_int_eq(barrier(), STORE_OK);
    wait_until_unavailable(false);
    store_writer_stop(writer);
}
END_TEST

/* A body that is too big says nothing about the store. */
START_TEST(test_one_that_is_too_big_makes_nothing_unavailable)
{
    static struct test_work work;

    start_fake();
    fake.refusal = EFBIG;
    make_append(&work, "id");
    store_writer_post(writer, &work.work);
    ck_assert_int_eq(barrier(), STORE_OK);
    ck_assert_int_eq(work.work.append.verdict, STORE_VERDICT_REFUSED);
    ck_assert_int_eq(store_writer_stats(writer)->unavailable_at_usec, 0);
    store_writer_stop(writer);
}
END_TEST

START_TEST(test_upkeep_without_room_is_told)
{
    start_fake();
    fake.upkeep = STORE_UNAVAILABLE;
    fake_disk_full = true;
    ck_assert_int_eq(barrier(), STORE_OK);
    wait_until_unavailable(true);
    fake.upkeep = STORE_OK;
    fake_disk_full = false;
    wait_until_unavailable(false);
    ck_assert_uint_eq(told.failed_told, 0);
    store_writer_stop(writer);
}
END_TEST

/* A store that fails while it lacks room is asked nothing more, not even how much there is. */
START_TEST(test_a_failure_while_there_is_no_room)
{
    fake_disk_full = true;
    start_fake();
    wait_until_unavailable(true);
    fake.upkeep = STORE_FAILED;
    for (int i = 0; told.failed_told == 0; i++) {
        ck_assert_int_lt(i, 5000);
        usleep(1000);
    }
    ck_assert_str_eq(told.failure.text, "no room to tidy up");
    ck_assert_int_eq(barrier(), STORE_FAILED);
    store_writer_stop(writer);
    ck_assert_uint_eq(told.failed_told, 1);
    ck_assert_uint_eq(fake.looks_after, 0);
    fake_disk_full = false;
}
END_TEST

/* One line on the way in, one on the way out. */
START_TEST(test_the_log_says_it_once)
{
    static struct test_work works[3];
    char path[] = "/tmp/writer-log-XXXXXX", text[1024] = "";
    size_t n_lines = 0;
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    start_fake();
    log_set_level(LOG_LEVEL_INFO);
    ck_assert_int_ge(dup2(fd, STDERR_FILENO), 0);
    for (int i = 0; i < 3; i++) {
        fake.has_no_room = i < 2;
        make_append(&works[i], "id");
        store_writer_post(writer, &works[i].work);
        ck_assert_int_eq(barrier(), STORE_OK);
    }
    store_writer_stop(writer);
    ck_assert_int_ge(pread(fd, text, sizeof(text) - 1, 0), 0);
    unlink(path);
    ck_assert_msg(strstr(text, "deliveries are refused for now: no room"), "%s", text);
    ck_assert_msg(strstr(text, "deliveries are accepted again"), "%s", text);
    for (const char *c = text; *c; c++)
        n_lines += *c == '\n';
    ck_assert_uint_eq(n_lines, 2);
}
END_TEST

/* A full disk is told before anybody is refused, and its end before anybody asks again. */
START_TEST(test_a_full_disk_is_told_without_a_delivery)
{
    _Atomic bool *cause = _i == 0 ? &fake_disk_full : &fake_below_floor;

    *cause = true;
    start_fake();
    ck_assert_int_eq(barrier(), STORE_OK);
    ck_assert_int_gt(store_writer_stats(writer)->unavailable_at_usec, 0);
    *cause = false;
    wait_until_unavailable(false);
    store_writer_stop(writer);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("writer_upkeep");
    TCase *core = tcase_create("core"), *errors = tcase_create("errors");
    SRunner *runner;
    int n_failed;

    tcase_set_timeout(errors, 60);
    tcase_add_test(core, test_stop_works_off_what_waits);
    tcase_add_test(core, test_pruning_each_minute);
    tcase_add_test(core, test_pruning_yields_to_work);
    tcase_add_test(core, test_pruning_goes_on_by_itself);
    tcase_add_test(core, test_tidies_up_when_it_is_quiet);
    tcase_add_test(errors, test_the_log_says_it_once);
    tcase_add_loop_test(errors, test_a_full_disk_is_told_without_a_delivery, 0, 2);
    tcase_add_test(errors, test_a_settle_that_is_not_taken_is_told);
    tcase_add_test(errors, test_one_that_is_too_big_makes_nothing_unavailable);
    tcase_add_test(errors, test_upkeep_without_room_is_told);
    tcase_add_test(errors, test_a_failure_while_there_is_no_room);
    tcase_add_test(errors, test_a_start_that_is_refused);
    tcase_add_loop_test(errors, test_why_pruning_waits_is_told, 0, 2);
    suite_add_tcase(suite, core);
    suite_add_tcase(suite, errors);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
