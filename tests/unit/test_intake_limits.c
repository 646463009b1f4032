/*
 * The intake under bad manners: slowness, floods, and things running out.
 */

#include "intake_rig.h"

#include <dirent.h>
#include <sys/resource.h>

static struct rig rig;

static void setup(void)
{
    rig_init(&rig);
}

static void teardown(void)
{
    rig_stop(&rig);
}

#define SHORT (300 * USEC_PER_MSEC)

/* Cut on time: not before the deadline, and within a second after it. */
static void assert_cut(int fd, int64_t since)
{
    int64_t took;

    ck_assert_int_eq(rig_receive(fd, false).status, 0);
    took = rig_now() - since;
    ck_assert_int_ge(took, SHORT - 10 * USEC_PER_MSEC);
    ck_assert_int_lt(took, SHORT + USEC_PER_SEC);
    RIG_WAIT(atomic_load(&intake_stats(rig.intake)->open_connections) == 0);
}

/* Sends a byte every 20 ms until the other side has had enough. */
static void trickle(int fd, const char *text)
{
    for (size_t i = 0; text[i] != '\0'; i++) {
        struct pollfd end = {.fd = fd, .events = POLLIN | POLLRDHUP};

        if (send(fd, text + i, 1, MSG_NOSIGNAL) < 0 || poll(&end, 1, 20) > 0)
            return;
    }
}

#define LONG_TEXT                                                                          \
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" \
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

START_TEST(test_slow_head_is_cut)
{
    int64_t since;
    int fd;

    rig.options.header_timeout_usec = SHORT;
    rig_start(&rig, "127.0.0.1:0");
    since = rig_now();
    fd = rig_connect(&rig);
    trickle(fd, _i == 0 ? "" : "POST / HTTP/1.1\r\nHost: x\r\nX: " LONG_TEXT);
    assert_cut(fd, since);
    close(fd);
}
END_TEST

START_TEST(test_slow_second_head_is_cut)
{
    int64_t since;
    int fd;

    rig.options.header_timeout_usec = SHORT;
    rig_start(&rig, "127.0.0.1:0");
    fd = rig_connect(&rig);
    rig_send_text(fd, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    ck_assert_int_eq(rig_receive(fd, false).status, 200);
    rig_send_text(fd, "GET / HTTP/1.1\r\n");
    since = rig_now();
    trickle(fd, "X: " LONG_TEXT);
    assert_cut(fd, since);
    close(fd);
}
END_TEST

START_TEST(test_slow_body_is_cut)
{
    int64_t since;
    int fd;

    rig.options.body_timeout_usec = SHORT;
    rig_start(&rig, "127.0.0.1:0");
    fd = rig_connect(&rig);
    since = rig_now();
    /* Refused or not, the body has its time and no more. */
    rig_send_text(fd, _i == 0 ? "POST " RIG_PATH
                                " HTTP/1.1\r\nHost: x\r\nContent-Length: 400\r\n\r\n"
                              : "POST " RIG_PATH " HTTP/1.1\r\nHost: x\r\nContent-Length: 400\r\n"
                                "Authorization: Bearer " RIG_TOKEN "\r\nSASHA-Request-ID: a\r\n"
                                "SASHA-Request-Signature: " RIG_SIGNATURE "\r\n\r\n");
    trickle(fd, LONG_TEXT);
    assert_cut(fd, since);
    close(fd);
    /* What it was refused for counts, though nobody was there to hear of it. */
    RIG_WAIT(atomic_load(&intake_stats(rig.intake)->open_connections) == 0);
    ck_assert_uint_eq(rig_count(&rig, REASON_TOKEN_MISSING), _i == 0 ? 1 : 0);
    ck_assert_uint_eq(rig_count(&rig, REASON_FRAMING), 0);
}
END_TEST

START_TEST(test_idle_is_cut)
{
    int64_t since;
    int fd;

    rig.options.idle_timeout_usec = SHORT;
    rig_start(&rig, "127.0.0.1:0");
    since = rig_now(); /* a deadline counts from when the worker woke, not from when it answered */
    fd = rig_connect(&rig);
    rig_send_text(fd, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    ck_assert_int_eq(rig_receive(fd, false).status, 200);
    assert_cut(fd, since);
    close(fd);
}
END_TEST

/* A client that asks and asks and never reads: answers fill both buffers, then the time is up. */
START_TEST(test_unread_answers_are_cut)
{
    static char many[64 << 10];
    static const char one[] = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    size_t length = 0;
    int fd;

    while (length + sizeof(one) < sizeof(many)) {
        memcpy(many + length, one, sizeof(one) - 1);
        length += sizeof(one) - 1;
    }
    rig.options.header_timeout_usec = SHORT;
    rig_start(&rig, "127.0.0.1:0");
    fd = rig_connect(&rig);
    for (;;) {
        struct pollfd ready = {.fd = fd, .events = POLLOUT};

        if (poll(&ready, 1, 5000) != 1)
            ck_abort_msg("the connection was not cut");
        if (send(fd, many, length, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno != EAGAIN)
            break;
    }
    RIG_WAIT(atomic_load(&intake_stats(rig.intake)->open_connections) == 0);
    close(fd);
}
END_TEST

START_TEST(test_commit_deadline)
{
    char text[1024];
    struct rig_answer got;
    int64_t since, took;
    int fd, n = rig_good(text, sizeof(text), "a");

    rig.options.commit_timeout_usec = SHORT;
    rig_start(&rig, "127.0.0.1:0");
    atomic_store(&rig.writer->mode, RIG_WRITER_HOLD);
    fd = rig_connect(&rig);
    since = rig_now();
    rig_send(fd, text, (size_t)n);
    got = rig_receive(fd, false);
    took = rig_now() - since;
    ck_assert_int_eq(got.status, 503);
    ck_assert_ptr_nonnull(strstr(got.head, "Retry-After: "));
    ck_assert_int_ge(took, SHORT - 10 * USEC_PER_MSEC);
    ck_assert_int_lt(took, SHORT + USEC_PER_SEC);

    /* The late verdict disturbs nothing, and the copy finds what was stored. */
    atomic_store(&rig.writer->mode, RIG_WRITER_OK);
    rig_send(fd, text, (size_t)n);
    ck_assert_int_eq(rig_receive(fd, false).status, 200);
    ck_assert_uint_eq(rig_count(&rig, REASON_STORE), 1);
    ck_assert_uint_eq(rig_count(&rig, REASON_ACCEPTED), 0);
    close(fd);
}
END_TEST

/* What the writer has not given back is bounded, although its connections have long been answered.
 */
START_TEST(test_commits_are_bounded)
{
    char text[1024];
    int fd;

    rig.options.max_connections = 2;
    rig.options.commit_timeout_usec = 50 * USEC_PER_MSEC;
    rig_start(&rig, "127.0.0.1:0");
    atomic_store(&rig.writer->mode, RIG_WRITER_HOLD);
    fd = rig_connect(&rig);
    for (int i = 0; i < 4; i++) {
        char id[8];

        snprintf(id, sizeof(id), "%d", i);
        rig_send(fd, text, (size_t)rig_good(text, sizeof(text), id));
        ck_assert_int_eq(rig_receive(fd, false).status, 503);
    }
    ck_assert_uint_eq(atomic_load(&rig.writer->posted), 2);
    ck_assert_uint_eq(rig_count(&rig, REASON_STORE), 2);
    ck_assert_uint_eq(rig_count(&rig, REASON_OVERLOAD), 2);
    atomic_store(&rig.writer->mode, RIG_WRITER_OK);
    RIG_WAIT(atomic_load(&rig.writer->stored) == 2);
    usleep(20000);
    rig_send(fd, text, (size_t)rig_good(text, sizeof(text), "x"));
    ck_assert_int_eq(rig_receive(fd, false).status, 202);
    close(fd);
}
END_TEST

START_TEST(test_max_connections)
{
    struct rig_answer got;
    int fds[4], fd;

    rig.options.max_connections = 4;
    rig_start(&rig, "127.0.0.1:0");
    for (int i = 0; i < 4; i++) {
        fds[i] = rig_connect(&rig);
        rig_send_text(fds[i], "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
        ck_assert_int_eq(rig_receive(fds[i], false).status, 200);
    }
    /* Answered at once, whether it asked already or not. */
    for (int i = 0; i < 200; i++) {
        fd = rig_connect(&rig);
        if (i % 2 == 0)
            rig_send_text(fd, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
        got = rig_receive(fd, false);
        ck_assert_int_eq(got.status, 503);
        ck_assert(got.closed);
        ck_assert_ptr_nonnull(strstr(got.head, "Retry-After: "));
        ck_assert(rig_is_closed(fd));
        close(fd);
    }
    ck_assert_uint_eq(atomic_load(&intake_stats(rig.intake)->refused_connections), 200);
    close(fds[0]);
    RIG_WAIT(atomic_load(&intake_stats(rig.intake)->open_connections) == 3);
    fd = rig_connect(&rig);
    rig_send_text(fd, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    ck_assert_int_eq(rig_receive(fd, false).status, 200);
    close(fd);
    for (int i = 1; i < 4; i++)
        close(fds[i]);
}
END_TEST

/* Refused connections that stay open hold a descriptor for a second at most. */
START_TEST(test_refused_connections_do_not_stay)
{
    int held, fds[300];

    rig.options.max_connections = 1;
    rig_start(&rig, "127.0.0.1:0");
    held = rig_connect(&rig);
    RIG_WAIT(atomic_load(&intake_stats(rig.intake)->open_connections) == 1);
    for (int i = 0; i < 300; i++)
        fds[i] = rig_connect(&rig);
    for (int i = 0; i < 300; i++)
        ck_assert_int_eq(rig_receive(fds[i], false).status, 503);
    usleep(1300000);
    /* Closed for good on the other side: writing is answered by a reset. */
    for (int i = 0; i < 300; i++) {
        (void)!send(fds[i], "x", 1, MSG_NOSIGNAL);
        usleep(100);
        ck_assert_int_lt(send(fds[i], "x", 1, MSG_NOSIGNAL), 0);
        close(fds[i]);
    }
    close(held);
}
END_TEST

#define BUSY 256
#define ROUNDS 20

START_TEST(test_many_busy_connections)
{
    char text[1024], id[32];
    int fds[BUSY];

    rig_start(&rig, "127.0.0.1:0");
    for (int i = 0; i < BUSY; i++)
        fds[i] = rig_connect(&rig);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < BUSY; i++) {
            snprintf(id, sizeof(id), "%d-%d", round, i);
            rig_send(fds[i], text, (size_t)rig_good(text, sizeof(text), id));
        }
        for (int i = 0; i < BUSY; i++)
            ck_assert_int_eq(rig_receive(fds[i], false).status, 202);
    }
    ck_assert_uint_eq(rig_count(&rig, REASON_ACCEPTED), BUSY * ROUNDS);
    for (int i = 0; i < BUSY; i++)
        close(fds[i]);
    RIG_WAIT(atomic_load(&intake_stats(rig.intake)->open_connections) == 0);
}
END_TEST

/* ---- more than a piece in one turn ---- */

/* More than libmicrohttpd reads in three runs, so that some are proven in the last run of a turn
 * and are not suspended yet when their verdict comes; their both ends fit below the usual limit of
 * 1024 descriptors. */
#define CROWD 480

/* Held by the test, it keeps the worker from beginning its turn. */
static pthread_mutex_t turn_gate = PTHREAD_MUTEX_INITIALIZER;

static int64_t gated_monotonic(void *context)
{
    pthread_mutex_lock(&turn_gate);
    pthread_mutex_unlock(&turn_gate);
    return clock_monotonic(clock_system());
}

static int64_t plain_realtime(void *context)
{
    return clock_realtime(clock_system());
}

static const struct clock gated_clock = {plain_realtime, gated_monotonic, NULL};

/* Sends a callback on each of so many connections, which the worker meets in one turn once the gate
 * is open. */
static void send_to_one_turn(int fds[CROWD])
{
    char text[1024], id[32];

    rig.options.workers = 1;
    rig.options.clock = &gated_clock;
    rig_start(&rig, "127.0.0.1:0");
    for (int i = 0; i < CROWD; i++)
        fds[i] = rig_connect(&rig);
    RIG_WAIT(atomic_load(&intake_stats(rig.intake)->open_connections) == CROWD);
    pthread_mutex_lock(&turn_gate);
    for (int i = 0; i < CROWD; i++) {
        snprintf(id, sizeof(id), "%d", i);
        rig_send(fds[i], text, (size_t)rig_good(text, sizeof(text), id));
    }
}

/* The writer has the first of them before the turn is over, and its verdicts may come before the
 * connections are suspended. */
START_TEST(test_many_in_one_turn)
{
    int fds[CROWD];

    send_to_one_turn(fds);
    atomic_store(&rig.writer->mode, _i == 0 ? RIG_WRITER_OK : RIG_WRITER_HOLD);
    pthread_mutex_unlock(&turn_gate);
    RIG_WAIT(atomic_load(&rig.writer->posted) == CROWD);
    atomic_store(&rig.writer->mode, RIG_WRITER_OK);
    for (int i = 0; i < CROWD; i++)
        ck_assert_int_eq(rig_receive(fds[i], false).status, 202);
    ck_assert_uint_ge(atomic_load(&rig.writer->expectations), 1);
    ck_assert_uint_eq(rig_count(&rig, REASON_ACCEPTED), CROWD);
    for (int i = 0; i < CROWD; i++)
        close(fds[i]);
}
END_TEST

static void *stop_at_once(void *context)
{
    intake_stop(TAKE(rig.intake), 0);
    return NULL;
}

/* Whatever has not come back by then is cut or told 503. */
START_TEST(test_stop_within_a_full_turn)
{
    int fds[CROWD], n_answered = 0;
    pthread_t stopper;

    send_to_one_turn(fds);
    pthread_create(&stopper, NULL, stop_at_once, NULL);
    usleep(50000);
    pthread_mutex_unlock(&turn_gate);
    pthread_join(stopper, NULL);
    for (int i = 0; i < CROWD; i++) {
        const int status = rig_receive(fds[i], false).status;

        ck_assert_msg(status == 0 || status == 202 || status == 503, "%d", status);
        n_answered += status == 202;
        close(fds[i]);
    }
    ck_assert_uint_ge(atomic_load(&rig.writer->stored), (unsigned int)n_answered);
    ck_assert_uint_eq(atomic_load(&rig.writer->posted), atomic_load(&rig.writer->stored));
}
END_TEST

/* 80 MiB in all: four bodies of 9 MiB take 16 MiB each, a fifth finds no room; a callback of the
 * usual size does. */
/* A large body but for its last byte, under a wrong signature. */
static void send_most(int fd)
{
    static const char head[] =
        "POST " RIG_PATH " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " RIG_TOKEN "\r\n"
        "SASHA-Request-ID: a\r\nSASHA-Request-Signature: " RIG_SIGNATURE "\r\n"
        "Content-Length: 9437185\r\n\r\n";
    static char body[9 << 20];

    rig_send_text(fd, head);
    rig_send(fd, body, sizeof(body));
}

static unsigned int send_last(int fd)
{
    rig_send(fd, " ", 1);
    return rig_receive(fd, false).status;
}

START_TEST(test_body_memory_is_bounded)
{
    char good[2048];
    unsigned int status;
    int64_t since;
    int fds[5], small;

    rig.options.max_body = 16 << 20;
    rig_start(&rig, "127.0.0.1:0");
    for (int i = 0; i < 4; i++) {
        fds[i] = rig_connect(&rig);
        send_most(fds[i]);
    }
    fds[4] = rig_connect(&rig);
    since = rig_now();
    do { /* until what the sockets still held has been read */
        send_most(fds[4]);
        status = send_last(fds[4]);
    } while (status == 401 && rig_now() - since < 20 * USEC_PER_SEC);
    ck_assert_uint_eq(status, 503);
    ck_assert_uint_eq(rig_count(&rig, REASON_OVERLOAD), 1);
    small = rig_connect(&rig);
    rig_send(small, good, (size_t)rig_good(good, sizeof(good), "small"));
    ck_assert_int_eq(rig_receive(small, false).status, 202);
    close(small);
    for (int i = 0; i < 4; i++)
        ck_assert_uint_eq(send_last(fds[i]), 401);
    /* The room is there again. */
    send_most(fds[4]);
    ck_assert_uint_eq(send_last(fds[4]), 401);
    for (int i = 0; i < 5; i++)
        close(fds[i]);
}
END_TEST

static unsigned int count_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned int n = 0;

    while (readdir(dir) != NULL)
        n++;
    closedir(dir);
    return n - 3; /* ".", ".." and the directory itself */
}

static int64_t cpu_usec(void)
{
    struct rusage used;

    getrusage(RUSAGE_SELF, &used);
    return (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * USEC_PER_SEC + used.ru_utime.tv_usec +
           used.ru_stime.tv_usec;
}

START_TEST(test_out_of_descriptors)
{
    struct rlimit limit, before;
    int64_t since;
    int fds[8], filler[256], late, n = 0;

    rig_start(&rig, "127.0.0.1:0");
    for (int i = 0; i < 8; i++)
        fds[i] = rig_connect(&rig);
    RIG_WAIT(atomic_load(&intake_stats(rig.intake)->open_connections) == 8);
    getrlimit(RLIMIT_NOFILE, &before);
    limit = before;
    limit.rlim_cur = 128;
    setrlimit(RLIMIT_NOFILE, &limit);
    while ((filler[n] = dup(0)) >= 0)
        n++;
    ck_assert_int_eq(errno, EMFILE);
    close(filler[--n]);
    /* This one takes the last descriptor; the kernel completes the connection all the same. */
    late = rig_connect(&rig);
    rig_send_text(late, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    since = cpu_usec();
    usleep(250000);
    ck_assert_int_lt(cpu_usec() - since, 100 * USEC_PER_MSEC); /* waits, does not spin */
    ck_assert_uint_eq(atomic_load(&intake_stats(rig.intake)->open_connections), 8);
    while (n > 0)
        close(filler[--n]);
    setrlimit(RLIMIT_NOFILE, &before);
    ck_assert_int_eq(rig_receive(late, false).status, 200);
    close(late);
    for (int i = 0; i < 8; i++)
        close(fds[i]);
}
END_TEST

/* 3,000 connections of every kind leave nothing behind. */
START_TEST(test_no_descriptor_is_left)
{
    unsigned int want;
    char text[1024];
    int fd;

    rig.options.max_connections = 4000;
    rig_start(&rig, "127.0.0.1:0");
    usleep(50000);
    want = count_fds();
    for (int i = 0; i < 3000; i++) {
        fd = rig_connect(&rig);
        switch (i % 5) {
        case 0:
            rig_send_text(fd, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
            ck_assert_int_eq(rig_receive(fd, false).status, 200);
            break;
        case 1:
            rig_send_text(fd, "nonsense\r\n\r\n");
            break;
        case 2:
            rig_send(fd, text, (size_t)rig_good(text, sizeof(text), "same"));
            break;
        case 3:
            rig_send_text(fd, "POST " RIG_PATH " HTTP/1.1\r\nHost: x\r\nContent-Length: 9");
            break;
        default:
            break;
        }
        close(fd);
    }
    RIG_WAIT(atomic_load(&intake_stats(rig.intake)->open_connections) == 0);
    RIG_WAIT(count_fds() == want);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("intake-limits");
    TCase *core = tcase_create("core"), *limits = tcase_create("limits"),
          *errors = tcase_create("errors");

    tcase_add_checked_fixture(core, setup, teardown);
    tcase_add_test(core, test_many_busy_connections);
    tcase_add_loop_test(core, test_many_in_one_turn, 0, 2);
    tcase_add_test(core, test_stop_within_a_full_turn);
    tcase_add_test(core, test_no_descriptor_is_left);
    tcase_set_timeout(core, 60);
    suite_add_tcase(s, core);

    tcase_add_checked_fixture(limits, setup, teardown);
    tcase_add_loop_test(limits, test_slow_head_is_cut, 0, 2);
    tcase_add_test(limits, test_slow_second_head_is_cut);
    tcase_add_loop_test(limits, test_slow_body_is_cut, 0, 2);
    tcase_add_test(limits, test_idle_is_cut);
    tcase_add_test(limits, test_unread_answers_are_cut);
    tcase_add_test(limits, test_commit_deadline);
    tcase_add_test(limits, test_commits_are_bounded);
    tcase_add_test(limits, test_max_connections);
    tcase_add_test(limits, test_refused_connections_do_not_stay);
    tcase_add_test(limits, test_body_memory_is_bounded);
    tcase_set_timeout(limits, 60);
    suite_add_tcase(s, limits);

    tcase_add_checked_fixture(errors, setup, teardown);
    tcase_add_test(errors, test_out_of_descriptors);
    tcase_set_timeout(errors, 60);
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
