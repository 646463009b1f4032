/* Starting on threads of their own: each once, how many threads, what is left. */

#include "sink_fixture.h"

#include "sink/starter.h"

#include <errno.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum { STARTS_MAX = 64 };

static const char *const true_argv[] = {"/bin/true", NULL};
static char *const no_env[] = {NULL};

static sd_event *event;
static struct starter *starter;
static struct start starts[STARTS_MAX];
static unsigned int done[STARTS_MAX];
static size_t n_done;
static int null_fd;

static void on_done(struct start *start)
{
    done[start - starts]++;
    n_done++;
}

static void setup(void)
{
    struct error error = ERROR_INIT;

    null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    ck_assert_int_ge(null_fd, 0);
    ck_assert_int_ge(sd_event_new(&event), 0);
    ck_assert_int_eq(starter_new(event, on_done, &starter, &error), 0);
}

static void teardown(void)
{
    starter_free(starter);
    sd_event_unref(event);
    close(null_fd);
}

/* By name: a sanitizer has threads of its own. */
static size_t count_threads(void)
{
    DIR *directory = opendir("/proc/self/task");
    const struct dirent *entry;
    size_t n = 0;

    ck_assert_ptr_nonnull(directory);
    while ((entry = readdir(directory))) {
        char path[300], name[32] = "";
        FILE *file;

        snprintf(path, sizeof(path), "/proc/self/task/%s/comm", entry->d_name);
        file = fopen(path, "re");
        if (!file)
            continue;
        n += fgets(name, sizeof(name), file) && strcmp(name, "hook-starter\n") == 0;
        fclose(file);
    }
    closedir(directory);
    return n;
}

/* The lowest number that is not in use: with it as the limit there is no other descriptor. */
static rlim_t lowest_free(void)
{
    int fd = fcntl(null_fd, F_DUPFD_CLOEXEC, 0);

    ck_assert_int_ge(fd, 0);
    close(fd);
    return (rlim_t)fd;
}

static void post(size_t i)
{
    starts[i].program = (struct spawn_program){
        .argv = true_argv, .env = no_env, .input_fd = null_fd, .output_fd = null_fd};
    starter_post(starter, &starts[i]);
}

static void wait_for(size_t n)
{
    for (int turns = 0; n_done < n; turns++) {
        ck_assert_int_lt(turns, 1000);
        ck_assert_int_ge(sd_event_run(event, USEC_PER_SEC), 0);
    }
    ck_assert_uint_eq(n_done, n);
}

static void reap(struct start *start)
{
    siginfo_t info = {0};

    ck_assert_int_eq(start->result, 0);
    ck_assert_int_eq(waitid(P_PIDFD, (id_t)start->pidfd, &info, WEXITED), 0);
    ck_assert_int_eq(info.si_pid, start->pid);
    ck_assert_int_eq(info.si_status, 0);
    close(start->pidfd);
}

START_TEST(each_is_done_once)
{
    for (size_t i = 0; i < STARTS_MAX; i++)
        post(i);
    ck_assert_uint_eq(n_done, 0); /* never from inside */
    wait_for(STARTS_MAX);
    for (size_t i = 0; i < STARTS_MAX; i++) {
        ck_assert_uint_eq(done[i], 1);
        reap(&starts[i]);
    }
}
END_TEST

START_TEST(one_after_the_other_needs_one_thread)
{
    for (size_t i = 0; i < 20; i++) {
        post(i);
        wait_for(i + 1);
        reap(&starts[i]);
    }
    ck_assert_uint_eq(count_threads(), 1);
}
END_TEST

START_TEST(many_at_a_time_have_a_thread_for_each_processor)
{
    cpu_set_t set;
    size_t want;

    ck_assert_int_eq(sched_getaffinity(0, sizeof(set), &set), 0);
    want = (size_t)CPU_COUNT(&set);
    if (want > STARTER_THREADS_MAX)
        want = STARTER_THREADS_MAX;
    for (size_t i = 0; i < STARTS_MAX; i++)
        post(i);
    ck_assert_uint_eq(count_threads(), want);
    wait_for(STARTS_MAX);
    for (size_t i = 0; i < STARTS_MAX; i++)
        reap(&starts[i]);
    ck_assert_uint_eq(count_threads(), want);
}
END_TEST

START_TEST(no_descriptors_for_the_processes)
{
    struct rlimit limit;

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = lowest_free();
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    for (size_t i = 0; i < STARTS_MAX; i++)
        post(i);
    wait_for(STARTS_MAX);
    for (size_t i = 0; i < STARTS_MAX; i++)
        ck_assert_int_eq(starts[i].result, -EMFILE); /* each wants one of its process */
    limit.rlim_cur = limit.rlim_max;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    n_done = 0;
    post(0);
    wait_for(1);
    reap(&starts[0]);
}
END_TEST

/* What is withdrawn has no process. */
START_TEST(withdrawn_is_not_started)
{
    size_t n_started = 0;

    for (size_t i = 0; i < STARTS_MAX; i++)
        post(i);
    starter_withdraw(starter);
    ck_assert_uint_eq(n_done, 0); /* never from inside */
    wait_for(STARTS_MAX);
    for (size_t i = 0; i < STARTS_MAX; i++) {
        ck_assert_uint_eq(done[i], 1);
        if (starts[i].result == -ECANCELED)
            continue;
        reap(&starts[i]);
        n_started++;
    }
    ck_assert_uint_lt(n_started, STARTS_MAX);
    ck_assert_int_eq(waitid(P_ALL, 0, &(siginfo_t){0}, WEXITED | WNOHANG), -1);
    n_done = 0;
    post(0); /* it goes on */
    wait_for(1);
    reap(&starts[0]);
    starter_withdraw(starter); /* nothing there */
}
END_TEST

START_TEST(nothing_is_left)
{
    size_t descriptors;

    teardown();
    setup();
    starter_free(starter);
    descriptors = count_descriptors();
    for (size_t i = 0; i < 50; i++) {
        struct error error = ERROR_INIT;

        ck_assert_int_eq(starter_new(event, on_done, &starter, &error), 0);
        n_done = 0;
        for (size_t k = 0; k < 8; k++)
            post(k);
        wait_for(8);
        for (size_t k = 0; k < 8; k++)
            reap(&starts[k]);
        starter_free(starter);
    }
    starter = NULL;
    ck_assert_uint_eq(count_descriptors(), descriptors);
    for (int i = 0; count_threads() > 0; i++) { /* they may be seen a little after their end */
        ck_assert_int_lt(i, 5000);
        usleep(1000);
    }
    starter_free(NULL);
}
END_TEST

/* Whatever number runs out, nothing of it is left. */
START_TEST(no_descriptor_for_the_first)
{
    struct error error = ERROR_INIT;
    struct starter *other = NULL;
    struct rlimit limit;
    size_t used = count_descriptors(), failures = 0;
    int r = -1;

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    for (rlim_t more = 0; more < 8 + 3 * STARTER_THREADS_MAX; more++) {
        limit.rlim_cur = lowest_free() + more;
        setrlimit(RLIMIT_NOFILE, &limit);
        r = starter_new(event, on_done, &other, &error);
        if (r == 0)
            starter_free(other);
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
        failures += r == -EMFILE;
        ck_assert(r == 0 || r == -EMFILE);
        ck_assert_uint_eq(count_descriptors(), used);
    }
    ck_assert_int_eq(r, 0);
    ck_assert_uint_ge(failures, 4);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sink starter");
    TCase *core = tcase_create("core");
    TCase *limits = tcase_create("limits");
    TCase *errors = tcase_create("errors");

    tcase_add_checked_fixture(core, setup, teardown);
    tcase_add_checked_fixture(limits, setup, teardown);
    tcase_add_checked_fixture(errors, setup, teardown);
    tcase_set_timeout(core, 60);
    tcase_set_timeout(limits, 60);
    tcase_set_timeout(errors, 60);

    tcase_add_test(core, each_is_done_once);
    tcase_add_test(limits, one_after_the_other_needs_one_thread);
    tcase_add_test(limits, many_at_a_time_have_a_thread_for_each_processor);
    tcase_add_test(limits, withdrawn_is_not_started);
    tcase_add_test(limits, nothing_is_left);
    tcase_add_test(errors, no_descriptors_for_the_processes);
    tcase_add_test(errors, no_descriptor_for_the_first);
    suite_add_tcase(suite, core);
    suite_add_tcase(suite, limits);
    suite_add_tcase(suite, errors);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
