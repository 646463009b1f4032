/*
 * The intake's life: reload, drain, stop, and what becomes of requests on the way.
 */

#include "intake_rig.h"

static struct rig rig;

static void setup(void)
{
    rig_init(&rig);
    rig_start(&rig, "127.0.0.1:0");
}

static void teardown(void)
{
    rig_stop(&rig);
}

static void stop(int64_t limit_usec)
{
    intake_stop(rig.intake, limit_usec);
    rig.intake = NULL;
}

static void reload(const char *token)
{
    struct intake_change *change = NULL;
    struct rig_rules rules;

    rig_rules_init(&rules, token);
    ck_assert_int_eq(intake_prepare(rig.intake, &rules.options, &change, NULL), 0);
    memset(&rules, 0, sizeof(rules)); /* copied */
    intake_commit(rig.intake, change);
}

/* ---- reload ---- */

START_TEST(test_reload)
{
    char text[1024], with_new[1024];
    int n = rig_good(text, sizeof(text), "a"), m, fd = rig_connect(&rig), half;

    m = rig_callback(with_new, sizeof(with_new), RIG_PATH, RIG_URL, RIG_SECRET, "b", RIG_JOB,
        "Authorization: Bearer another-token-9876\r\n");
    rig_send(fd, with_new, (size_t)m);
    ck_assert_int_eq(rig_receive(fd, false).status, 401);

    /* A request in flight ends under the rules it began with. */
    half = rig_connect(&rig);
    rig_send(half, text, (size_t)n - 20);
    usleep(50000);
    reload("another-token-9876");
    usleep(50000);
    rig_send(half, text + n - 20, 20);
    ck_assert_int_eq(rig_receive(half, false).status, 202);
    rig_send(half, text, (size_t)n);
    ck_assert_int_eq(rig_receive(half, false).status, 401);
    rig_send(fd, with_new, (size_t)m);
    ck_assert_int_eq(rig_receive(fd, false).status, 202);
    close(half);
    close(fd);
}
END_TEST

START_TEST(test_reload_is_all_or_nothing)
{
    struct intake_change *change = NULL;
    struct error error = ERROR_INIT;
    struct rig_rules rules;
    char text[1024];
    int n = rig_good(text, sizeof(text), "a");

    /* Prepared and given up again. */
    rig_rules_init(&rules, "another-token-9876");
    ck_assert_int_eq(intake_prepare(rig.intake, &rules.options, &change, NULL), 0);
    intake_abandon(change);
    intake_abandon(NULL);
    /* Cannot be prepared: the key is too short. */
    rules.main_secrets[0].key.length = 3;
    change = NULL;
    ck_assert_int_lt(intake_prepare(rig.intake, &rules.options, &change, &error), 0);
    ck_assert_ptr_null(change);
    ck_assert_str_ne(error.text, "");
    ck_assert_int_eq(rig_exchange(&rig, text, (size_t)n).status, 202);
}
END_TEST

/* ---- clients that keep asking ---- */

#define CLIENTS 16

struct client {
    pthread_t thread;
    unsigned int number;
    _Atomic unsigned int accepted; /* 202 */
    _Atomic unsigned int others;   /* other answers */
    unsigned int torn;             /* answers that began and did not end */
};

static _Atomic bool clients_stop;

/* Asks until the server is gone. */
static void *client_run(void *context)
{
    struct client *client = context;
    char text[1024], id[32];
    int fd = -1;

    for (unsigned int i = 0; !atomic_load(&clients_stop); i++) {
        struct rig_answer got;

        if (fd < 0 && (fd = rig_try_connect(rig.name)) < 0)
            break;
        snprintf(id, sizeof(id), "%u-%u", client->number, i);
        rig_send(fd, text, (size_t)rig_good(text, sizeof(text), id));
        got = rig_receive(fd, false);
        if (got.status == 202)
            atomic_fetch_add(&client->accepted, 1);
        else if (got.status != 0)
            atomic_fetch_add(&client->others, 1);
        else if (got.head[0] != '\0')
            client->torn++;
        if (got.status == 0 || got.closed) {
            close(fd);
            fd = -1;
        }
    }
    if (fd >= 0)
        close(fd);
    return NULL;
}

static void clients_start(struct client clients[static CLIENTS])
{
    atomic_store(&clients_stop, false);
    memset(clients, 0, CLIENTS * sizeof(*clients));
    for (unsigned int i = 0; i < CLIENTS; i++) {
        clients[i].number = i;
        ck_assert_int_eq(pthread_create(&clients[i].thread, NULL, client_run, &clients[i]), 0);
    }
}

static unsigned int clients_accepted(struct client clients[static CLIENTS])
{
    unsigned int n = 0;

    for (unsigned int i = 0; i < CLIENTS; i++)
        n += atomic_load(&clients[i].accepted);
    return n;
}

static void clients_join(struct client clients[static CLIENTS])
{
    for (unsigned int i = 0; i < CLIENTS; i++) {
        pthread_join(clients[i].thread, NULL);
        ck_assert_uint_eq(clients[i].torn, 0);
        ck_assert_uint_eq(atomic_load(&clients[i].others), 0);
    }
}

START_TEST(test_drain_under_load)
{
    static struct client clients[CLIENTS];

    clients_start(clients);
    RIG_WAIT(clients_accepted(clients) > 500);
    stop(5 * USEC_PER_SEC);
    clients_join(clients);
    /* On loopback nothing is lost between the socket and us: every stored one was answered. */
    ck_assert_uint_eq(atomic_load(&rig.writer->stored), clients_accepted(clients));
}
END_TEST

START_TEST(test_reload_under_load)
{
    static struct client clients[CLIENTS];

    clients_start(clients);
    for (int i = 0; i < 50; i++) {
        reload(RIG_TOKEN);
        usleep(2000);
    }
    RIG_WAIT(clients_accepted(clients) > 500);
    atomic_store(&clients_stop, true);
    clients_join(clients);
}
END_TEST

/* A limit of nothing cuts at once; every work has come back all the same. */
START_TEST(test_stop_under_load)
{
    static struct client clients[CLIENTS];

    clients_start(clients);
    RIG_WAIT(clients_accepted(clients) > 200);
    stop(0);
    for (unsigned int i = 0; i < CLIENTS; i++)
        pthread_join(clients[i].thread, NULL);
    ck_assert_uint_ge(atomic_load(&rig.writer->stored), clients_accepted(clients));
}
END_TEST

/* ---- drain and stop ---- */

static bool is_refused(void)
{
    int fd = rig_try_connect(rig.name);

    if (fd >= 0)
        close(fd);
    return fd < 0;
}

START_TEST(test_drain_closes_idle_and_refuses_new)
{
    int idle = rig_connect(&rig), fresh = rig_connect(&rig);
    int64_t since;

    rig_send_text(idle, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    ck_assert_int_eq(rig_receive(idle, false).status, 200);
    since = rig_now();
    intake_drain(rig.intake);
    ck_assert(rig_is_closed(idle));
    ck_assert_int_lt(rig_now() - since, USEC_PER_SEC / 2);
    RIG_WAIT(is_refused());

    /* One that has just come may still ask. */
    rig_send_text(fresh, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    {
        const struct rig_answer got = rig_receive(fresh, false);

        ck_assert_int_eq(got.status, 200);
        ck_assert(got.closed);
    }
    ck_assert(rig_is_closed(fresh));
    close(idle);
    close(fresh);
    stop(5 * USEC_PER_SEC);
    ck_assert_int_lt(rig_now() - since, USEC_PER_SEC);
}
END_TEST

START_TEST(test_drain_answers_what_is_in)
{
    char text[1024], other[1024];
    struct rig_answer got;
    int held = rig_connect(&rig), half = rig_connect(&rig);
    int n = rig_good(text, sizeof(text), "a"), m = rig_good(other, sizeof(other), "b");

    atomic_store(&rig.writer->mode, RIG_WRITER_HOLD);
    rig_send(held, text, (size_t)n);
    rig_send(half, other, (size_t)m - 20);
    RIG_WAIT(atomic_load(&rig.writer->posted) == 1);
    intake_drain(rig.intake);
    usleep(50000);
    rig_send(half, other + m - 20, 20);
    RIG_WAIT(atomic_load(&rig.writer->posted) == 2);
    atomic_store(&rig.writer->mode, RIG_WRITER_OK);
    got = rig_receive(held, false);
    ck_assert_int_eq(got.status, 202);
    ck_assert(got.closed);
    got = rig_receive(half, false);
    ck_assert_int_eq(got.status, 202);
    ck_assert(got.closed);
    close(held);
    close(half);
}
END_TEST

/* ---- what has arrived when draining begins, but was not looked at yet ---- */

/* A clock at which a worker can be held: between waking up and doing anything. */
static _Atomic bool gate_closed;
static _Atomic unsigned int gate_waiting;
static pthread_t gate_main;

static int64_t gated_monotonic(void *context)
{
    if (!pthread_equal(pthread_self(), gate_main) && atomic_load(&gate_closed)) {
        atomic_fetch_add(&gate_waiting, 1);
        while (atomic_load(&gate_closed))
            usleep(100);
        atomic_fetch_sub(&gate_waiting, 1);
    }
    return clock_monotonic(clock_system());
}

static int64_t gated_realtime(void *context)
{
    return clock_realtime(clock_system());
}

static const struct clock gated_clock = {gated_realtime, gated_monotonic, NULL};

START_TEST(test_drain_reads_what_has_arrived)
{
    char text[1024];
    struct rig_answer got;
    struct rig gated;
    int idle, late, n = rig_good(text, sizeof(text), "a");

    gate_main = pthread_self();
    rig_init(&gated);
    gated.options.clock = &gated_clock;
    gated.options.workers = 1;
    rig_start(&gated, "127.0.0.1:0");
    idle = rig_connect(&gated);
    rig_send_text(idle, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    ck_assert_int_eq(rig_receive(idle, false).status, 200);

    usleep(100000); /* the worker sleeps: what wakes it is all that it learns of */
    atomic_store(&gate_closed, true);
    rig_send(idle, text, (size_t)n);
    RIG_WAIT(atomic_load(&gate_waiting) == 1);
    /* One request waits in an idle connection, one connection waits to be accepted. */
    late = rig_connect(&gated);
    rig_send_text(late, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    intake_drain(gated.intake);
    atomic_store(&gate_closed, false);
    got = rig_receive(idle, false);
    ck_assert_int_eq(got.status, 202);
    ck_assert(got.closed);
    got = rig_receive(late, false);
    ck_assert_int_eq(got.status, 200);
    ck_assert(got.closed);
    close(idle);
    close(late);
    rig_stop(&gated);
}
END_TEST

/* A silent connection does not hold up the end for its header_timeout. */
START_TEST(test_drain_gives_silence_a_second)
{
    int fresh = rig_connect(&rig);
    int64_t since = rig_now();

    RIG_WAIT(atomic_load(&intake_stats(rig.intake)->open_connections) == 1);
    stop(10 * USEC_PER_SEC);
    ck_assert_int_lt(rig_now() - since, 2 * USEC_PER_SEC);
    ck_assert(rig_is_closed(fresh));
    close(fresh);
}
END_TEST

static void *release_later(void *context)
{
    usleep(400000);
    atomic_store(&rig.writer->mode, RIG_WRITER_OK);
    return NULL;
}

/* A verdict that is back does not mean that the writer has let go: what it does after giving it
 * back (waking the mailbox, telling that something was stored) must be over before intake is gone.
 */
START_TEST(test_stop_waits_until_the_writer_has_let_go)
{
    char text[1024];
    const int fd = rig_connect(&rig);

    atomic_store(&rig.writer->lingers, true);
    rig_send(fd, text, (size_t)rig_good(text, sizeof(text), "last"));
    ck_assert_int_eq(rig_receive(fd, false).status, 202);
    stop(10 * USEC_PER_SEC);
    ck_assert(atomic_load(&rig.writer->let_go));
    close(fd);
}
END_TEST

/* Stopping with suspended requests: cut at the limit, and back only when the writer has given back
 * all it holds. */
START_TEST(test_stop_waits_for_the_writer)
{
    char text[1024], id[16];
    pthread_t later;
    int64_t since;
    int fds[10];

    atomic_store(&rig.writer->mode, RIG_WRITER_HOLD);
    for (int i = 0; i < 10; i++) {
        fds[i] = rig_connect(&rig);
        snprintf(id, sizeof(id), "%d", i);
        rig_send(fds[i], text, (size_t)rig_good(text, sizeof(text), id));
    }
    RIG_WAIT(atomic_load(&rig.writer->posted) == 10);
    since = rig_now();
    pthread_create(&later, NULL, release_later, NULL);
    stop(100 * USEC_PER_MSEC);
    ck_assert_int_ge(rig_now() - since, 350 * USEC_PER_MSEC);
    ck_assert_int_eq(atomic_load(&rig.writer->mode), RIG_WRITER_OK);
    pthread_join(later, NULL);
    for (int i = 0; i < 10; i++) {
        /* Cut or told 503, never 2xx: nobody knows. */
        const struct rig_answer got = rig_receive(fds[i], false);

        ck_assert_msg(got.status == 0 || got.status == 503, "%d", got.status);
        close(fds[i]);
    }
}
END_TEST

START_TEST(test_start_refuses_what_does_not_listen)
{
    struct intake_options options = rig.options;
    struct intake *intake = NULL;
    struct error error = ERROR_INIT;
    struct rig_rules rules;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    rig_rules_init(&rules, RIG_TOKEN);
    options.verify = &rules.options;
    options.listen_fds = &fd;
    ck_assert_int_lt(intake_start(&options, &intake, &error), 0);
    ck_assert_ptr_null(intake);
    ck_assert_ptr_nonnull(strstr(error.text, "listening"));
    /* It stays the caller's. */
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("intake-life");
    TCase *core = tcase_create("core"), *limits = tcase_create("limits"),
          *errors = tcase_create("errors");

    tcase_add_checked_fixture(core, setup, teardown);
    tcase_add_test(core, test_reload);
    tcase_add_test(core, test_reload_under_load);
    tcase_add_test(core, test_drain_closes_idle_and_refuses_new);
    tcase_add_test(core, test_drain_answers_what_is_in);
    tcase_add_test(core, test_drain_reads_what_has_arrived);
    tcase_add_test(core, test_drain_under_load);
    tcase_set_timeout(core, 60);
    suite_add_tcase(s, core);

    tcase_add_checked_fixture(limits, setup, teardown);
    tcase_add_test(limits, test_drain_gives_silence_a_second);
    tcase_add_test(limits, test_stop_waits_for_the_writer);
    tcase_add_test(limits, test_stop_waits_until_the_writer_has_let_go);
    tcase_add_test(limits, test_stop_under_load);
    tcase_set_timeout(limits, 60);
    suite_add_tcase(s, limits);

    tcase_add_checked_fixture(errors, setup, teardown);
    tcase_add_test(errors, test_reload_is_all_or_nothing);
    tcase_add_test(errors, test_start_refuses_what_does_not_listen);
    suite_add_tcase(s, errors);
    return s;
}

int main(void)
{
    SRunner *runner = srunner_create(suite());
    int failed;

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
