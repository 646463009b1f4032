/*
 * Spreading connections over the workers: few stay together, many are spread, what is on its way
 * counts, and nothing is sent to a worker that has ended. The workers have no threads here; the
 * test takes their turns.
 */

#include "intake_rig.h"

#include "intake/connection.h"
#include "intake/spread.h"
#include "intake/worker.h"

#define WORKERS 3
#define SOCKETS_MAX (4 * SPREAD_SHARE)

static struct shared shared;
static struct worker workers[WORKERS];
static int clients[SOCKETS_MAX];
static size_t n_clients;

static void setup(void)
{
    struct error error = ERROR_INIT;
    struct rig_rules options;

    log_init(LOG_LEVEL_ERR, LOG_FORMAT_TEXT);
    rig_rules_init(&options, RIG_TOKEN);
    shared = (struct shared){
        .max_connections = SOCKETS_MAX,
        .header_timeout_usec = USEC_PER_MIN,
        .body_timeout_usec = USEC_PER_MIN,
        .idle_timeout_usec = USEC_PER_MIN,
        .commit_timeout_usec = USEC_PER_MIN,
        .clock = clock_system(),
        .listen_users = WORKERS + 1,
        .report.lock = PTHREAD_MUTEX_INITIALIZER,
        .stop_at_usec = USEC_INFINITY,
        .workers = workers,
        .n_workers = WORKERS,
    };
    n_clients = 0;
    for (size_t i = 0; i < WORKERS; i++) {
        struct rules *rules;

        ck_assert_int_eq(rules_new(&options.options, &rules, &error), 0);
        ck_assert_int_eq(worker_init(&workers[i], &shared, rules, &error), 0);
    }
}

static void teardown(void)
{
    for (size_t i = 0; i < n_clients; i++)
        close(clients[i]);
    for (size_t i = 0; i < WORKERS; i++)
        spread_discard(&workers[i]);
    for (size_t i = 0; i < WORKERS; i++)
        worker_done(&workers[i]);
    ck_assert_uint_eq(shared.stats.open_connections, 0);
}

static void add(struct worker *accepting)
{
    struct sockaddr_un peer = {.sun_family = AF_UNIX};
    int fds[2];

    ck_assert_uint_lt(n_clients, SOCKETS_MAX);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    clients[n_clients++] = fds[0];
    shared.stats.open_connections++;
    spread_add(accepting, fds[1], (struct sockaddr *)&peer, sizeof(peer.sun_family));
}

static unsigned int count_connections(const struct worker *worker)
{
    unsigned int n = 0;

    for (const struct connection *c = worker->connections; c != NULL; c = c->next)
        n++;
    return n;
}

START_TEST(test_few_stay_together)
{
    for (size_t i = 0; i < SPREAD_SHARE; i++)
        add(&workers[i == 0 ? 1 : i % WORKERS]); /* whoever accepts */
    for (size_t i = 0; i < WORKERS; i++)
        spread_receive(&workers[i]);
    ck_assert_uint_eq(count_connections(&workers[1]), SPREAD_SHARE);
    add(&workers[1]);
    ck_assert_uint_eq(workers[1].load, SPREAD_SHARE);
    ck_assert_uint_eq(workers[0].load + workers[2].load, 1);
}
END_TEST

START_TEST(test_many_are_spread)
{
    const unsigned int total = WORKERS * SPREAD_SHARE + 30;

    for (size_t i = 0; i < total; i++)
        add(&workers[0]);
    /* Before the others have looked: what is on its way counts. */
    ck_assert_uint_eq(count_connections(&workers[0]), total / WORKERS);
    for (size_t i = 1; i < WORKERS; i++) {
        ck_assert_uint_eq(count_connections(&workers[i]), 0);
        spread_receive(&workers[i]);
        ck_assert_uint_eq(count_connections(&workers[i]), total / WORKERS);
    }
    ck_assert_uint_eq(shared.stats.open_connections, total);
}
END_TEST

START_TEST(test_one_at_a_time_stays_where_it_is)
{
    /* One at a time, as a proxy without keep-alive has them: no wake-ups for that. */
    for (size_t i = 0; i < 5; i++) {
        add(&workers[1]);
        ck_assert_uint_eq(count_connections(&workers[1]), 1);
        close(clients[--n_clients]);
        for (unsigned int runs = 0; workers[1].connections != NULL && runs < 1000; runs++)
            (void)MHD_run(workers[1].mhd);
        ck_assert_ptr_null(workers[1].connections);
        ck_assert_uint_eq(workers[1].load, 0);
    }
    ck_assert_uint_eq(workers[0].load + workers[2].load, 0);
}
END_TEST

START_TEST(test_a_draining_worker_keeps_what_it_accepts)
{
    const unsigned int total = SPREAD_SHARE + 6;

    workers[0].draining = true;
    for (size_t i = 0; i < total; i++)
        add(&workers[0]);
    ck_assert_uint_eq(count_connections(&workers[0]), total);
    ck_assert_uint_eq(workers[1].load + workers[2].load, 0);
}
END_TEST

START_TEST(test_nothing_is_sent_to_one_that_ended)
{
    const unsigned int total = SPREAD_SHARE + 6;

    ck_assert(spread_end(&workers[1]));
    spread_cut(&workers[2]);
    for (size_t i = 0; i < total; i++)
        add(&workers[0]);
    ck_assert_uint_eq(count_connections(&workers[0]), total);
    ck_assert_ptr_null(mailbox_take(&workers[1].arrivals));
    ck_assert_ptr_null(mailbox_take(&workers[2].arrivals));
}
END_TEST

START_TEST(test_one_cannot_end_while_something_is_on_its_way)
{
    for (size_t i = 0; i < 2 * SPREAD_SHARE + 1; i++)
        add(&workers[0]);
    ck_assert_uint_gt(workers[1].load, 0);
    ck_assert(!spread_end(&workers[1]));
    ck_assert(!spread_end(&workers[0]));
    spread_receive(&workers[1]);
    ck_assert_uint_gt(count_connections(&workers[1]), 0);
    /* What nobody took is closed when all have ended: the client sees it, the count is right. */
    ck_assert_uint_gt(workers[2].load, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("spread");
    TCase *core = tcase_create("core");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(core, setup, teardown);
    tcase_add_test(core, test_few_stay_together);
    tcase_add_test(core, test_many_are_spread);
    tcase_add_test(core, test_one_at_a_time_stays_where_it_is);
    tcase_add_test(core, test_a_draining_worker_keeps_what_it_accepts);
    tcase_add_test(core, test_nothing_is_sent_to_one_that_ended);
    tcase_add_test(core, test_one_cannot_end_while_something_is_on_its_way);
    suite_add_tcase(suite, core);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
