/*
 * The admin listener over real sockets, with fakes of the stages behind it: what each request is
 * answered, what is refused, and that no client holds up another for long.
 */

#include "admin/admin.h"
#include "admin/listener.h"
#include "admin/peer.h"

#include "admin_fakes.h"

#include "util/fd.h"
#include "util/log.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

static char path[64];
static in_port_t port;
static struct admin *admin;

static void setup(void)
{
    struct error error = ERROR_INIT;
    struct sockaddr_in in;
    socklen_t length = sizeof(in);
    char address[80];
    int fds[2];

    fake_reset();
    snprintf(path, sizeof(path), "/tmp/test-admin-%d.sock", (int)getpid());
    snprintf(address, sizeof(address), "unix:%s", path);
    ck_assert_msg(intake_listen(address, &fds[0], &error) == 0, "%s", error.text);
    ck_assert_msg(intake_listen("127.0.0.1:0", &fds[1], &error) == 0, "%s", error.text);
    ck_assert_int_eq(getsockname(fds[1], (struct sockaddr *)&in, &length), 0);
    port = in.sin_port;
    const struct admin_options options = {
        .listen_fds = fds,
        .n_listen_fds = 2,
        .retention = {.keep_deliveries_usec = 5},
        .clock = &fake_clock,
        .view = &fake_view,
    };
    ck_assert_msg(admin_start(&options, &admin, &error) == 0, "%s", error.text);
}

static void teardown(void)
{
    admin_stop(admin);
    unlink(path);
}

/* ---- a client ---- */

static int connect_unix(void)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    strcpy(un.sun_path, path);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&un, sizeof(un)), 0);
    return fd;
}

static int connect_tcp(void)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = port};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&in, sizeof(in)), 0);
    return fd;
}

static char answer[4 << 20];

/* Reads up to the end of the stream; fails after ten seconds of silence. */
static const char *read_answer(int fd)
{
    size_t length = 0;
    ssize_t n;

    do {
        struct pollfd wait = {.fd = fd, .events = POLLIN};

        ck_assert_msg(poll(&wait, 1, 10000) == 1, "no answer, and no end of the stream");
        n = read(fd, answer + length, sizeof(answer) - 1 - length);
        length += n > 0 ? (size_t)n : 0;
    } while (n > 0);
    answer[length] = '\0';
    close(fd);
    return answer;
}

static void send_text(int fd, const char *text)
{
    ck_assert_int_eq(fd_write_all(fd, text, strlen(text)), 0);
}

static const char *ask_on(int fd, const char *method, const char *target, const char *body)
{
    CLEANUP(free) char *text = NULL;

    ck_assert_int_gt(asprintf(&text,
                         "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                         "Content-Length: %zu\r\n\r\n%s",
                         method, target, strlen(body), body),
        0);
    send_text(fd, text);
    return read_answer(fd);
}

static const char *ask(const char *method, const char *target, const char *body)
{
    return ask_on(connect_unix(), method, target, body);
}

static int status_of(const char *got)
{
    ck_assert_msg(strncmp(got, "HTTP/1.1 ", 9) == 0, "no answer: %s", got);
    return atoi(got + 9);
}

static const char *body_of(const char *got)
{
    const char *end = strstr(got, "\r\n\r\n");

    ck_assert_ptr_nonnull(end);
    return end + 4;
}

/* ---- what is answered ---- */

#define TIME "\"2026-01-01T00:00:00.000000Z\""
#define ROW(seq)                                                                                 \
    "{\"seq\":" seq ",\"received_at\":" TIME ",\"updated_at\":" TIME                             \
    ",\"endpoint\":\"main\",\"request_id\":\"r-9\",\"secret\":\"current\",\"job_id\":\"j\","     \
    "\"type\":\"embed-signature\",\"status\":\"completed\",\"stale\":false,\"unverified\":null," \
    "\"bytes\":117}"
#define REFUSED                                                                             \
    "\"id\":\"1f-3\",\"at\":" TIME ",\"endpoint\":\"main\",\"reason\":\"signature-wrong\"," \
    "\"detail\":null,\"peer\":\"127.0.0.1:5\",\"method\":\"POST\",\"target\":\"/x\""
#define EXPLAINED                                                                              \
    "{\"endpoint\":\"main\",\"checks\":[{\"step\":\"token\",\"ok\":null,\"text\":\"hidden\"}," \
    "{\"step\":\"signature\",\"ok\":false,\"text\":\"wrong\"}],"                               \
    "\"findings\":[\"the url with http\"],\"verdict\":\"signature-wrong\"}"

/* The whole body must be this; or hold it, if it begins with '~'. */
static const struct {
    const char *method, *target, *body;
    int want_status;
    const char *want;
} rows[] = {
    {"GET", "/healthz", "", 200, "{\"status\":\"ok\"}"},
    {"GET", "/readyz", "", 200, "{\"status\":\"ready\"}"},
    {"GET", "/metrics", "", 200, "~\nsasha_sink_pending{sink=\"publish\"} 1\n"},
    {"HEAD", "/healthz", "", 200, ""},
    {"GET", "/v1/deliveries?limit=2", "", 200,
        "{\"deliveries\":[" ROW("9") "," ROW("8") "],\"next\":8}"},
    {"GET", "/v1/deliveries", "", 200, "~\"next\":null}"},
    {"GET", "/v1/deliveries/9", "", 200,
        "~\"bytes\":119,\"job\":{\"job_id\":\"j\",\"type\":\"t\",\"status\":\"s\","
        "\"created_at\":\"2026-01-01T00:00:00Z\",\"updated_at\":\"2026-01-01T00:00:00Z\","
        "\"n\":0.1}\n,\"sinks\":[{\"sink\":\"publish\",\"state\":\"pending\",\"left_out\":"
        "\"types\","
        "\"attempts\":2,"
        "\"next_at\":" TIME ",\"replay\":true}],\"tries\":[{\"sink\":\"publish\",\"number\":1,"
        "\"at\":" TIME ",\"duration_ms\":12.345,\"result\":\"exit 1\",\"output\":\"no\\nway\"},"
        "{\"sink\":null,"},
    {"GET", "/v1/deliveries/9", "", 200,
        "~\"conflicts\":[{\"at\":" TIME ",\"secret\":\"current\",\"body\":\"{}\",\"bytes\":447}]}"},
    {"GET", "/v1/deliveries/8", "", 200,
        "~\"unverified\":\"signature-wrong\",\"bytes\":10,\"job\":\"not \\\"JSON\\\"\""},
    {"GET", "/v1/refused/1f-3", "", 200,
        "{" REFUSED ",\"headers\":[[\"Authorization\",\"Bearer <36 bytes>\"],"
        "[\"SASHA-Request-ID\",\"a\\\"b\"]],\"body\":\"e30K/w==\",\"body_cut\":5}"},
    {"GET", "/v1/refused", "", 200, "{\"refused\":[]}"},
    {"POST", "/v1/retry", "{\"sink\":\"publish\",\"seqs\":[7,8]}", 200,
        "{\"done\":2,\"skipped\":2,\"busy\":3}"},
    {"POST", "/v1/pause", "{\"sink\":\"publish\"}", 200, "{\"status\":\"ok\"}"},
    {"POST", "/v1/prune", "{}", 200,
        "{\"status\":\"ok\",\"deliveries\":10,\"ids\":1,\"more\":false}"},
    {"GET", "/v1/backup", "", 200,
        "{\"state\":\"none\",\"file\":null,\"bytes\":0,\"bytes_done\":0,\"started_at\":null,"
        "\"ended_at\":null,\"error\":null}"},
    {"POST", "/v1/backup/cancel", "{}", 200, "~\"state\":\"none\""},
    {"POST", "/v1/explain", "{\"endpoint\":\"main\",\"refused\":\"1f-3\"}", 200, EXPLAINED},
    {"POST", "/v1/explain", "{\"endpoint\":null,\"request\":\"POST /a\"}", 200, EXPLAINED},
    {"GET", "/v1/stats", "", 200,
        "~\"buckets\":[{\"at\":" TIME ",\"accepted\":10,\"duplicate\":0,\"refused\":5,"
        "\"commit_ms_p50\":null,\"commit_ms_p99\":null}],\"sinks\":[{\"name\":\"publish\","
        "\"delivered\":5,\"failed\":3,\"dead\":0,"},
    /* what is wrong */
    {"GET", "/", "", 404, "~message"},
    {"GET", "/v1/statu", "", 404, "~message"},
    {"GET", "/v1/statuss", "", 404, "~message"},
    {"GET", "/v1/deliveries/", "", 404, "~message"},
    {"GET", "/v1/deliveries/7", "", 404, "~there is no delivery 7"},
    {"GET", "/v1/refused/1f-4", "", 404, "~no such refused request"},
    {"POST", "/v1/explain", "{\"refused\":\"1f-4\"}", 404, "~no such refused request"},
    {"POST", "/v1/explain", "{\"endpoint\":\"no\",\"refused\":\"1f-3\"}", 404, "~no endpoint no"},
    {"POST", "/v1/retry", "{\"sink\":\"no\",\"seqs\":[7]}", 404, "~there is no sink no"},
    {"POST", "/v1/pause", "{\"sink\":\"no\"}", 404, "~there is no sink no"},
    {"GET", "/v1/deliveries?sink=no&state=dead", "", 404, "~there is no sink 'no'"},
    {"POST", "/healthz", "", 405, "~message"},
    {"GET", "/v1/retry", "", 405, "~message"},
    {"PUT", "/v1/status", "", 405, "~message"},
    {"GET", "/healthz?x=1", "", 400, "~unknown parameter 'x'; there are none"},
    {"GET", "/v1/stats?sinc=1", "", 400, "~unknown parameter 'sinc'; known are: since, until"},
    {"GET", "/v1/stats?since=yesterday", "", 400, "~since is not an RFC 3339"},
    {"GET", "/v1/stats?since=2026-01-02T00:00:00Z", "", 400, "~since must be before until"},
    {"GET", "/v1/deliveries?limit=0", "", 400, "~limit must be a whole number from 1 to 1000"},
    {"GET", "/v1/deliveries?limit=1001", "", 400, "~limit must be"},
    {"GET", "/v1/deliveries?limit=%2B1", "", 400, "~limit must be"},
    {"GET", "/v1/deliveries?limit=", "", 400, "~limit must be"},
    {"GET", "/v1/deliveries?limit", "", 400, "~name=value"},
    {"GET", "/v1/deliveries?job=a%00b", "", 400, "~name=value"},
    {"GET", "/v1/deliveries?from=18446744073709551616", "", 400, "~from must be"},
    {"GET", "/v1/deliveries?job=a&job=b", "", 400, "~'job' is given twice"},
    {"GET", "/v1/deliveries?order=up", "", 400, "~order must be \\\"oldest\\\" or"},
    {"GET", "/v1/deliveries?stale=yes", "", 400, "~stale must be"},
    {"GET", "/v1/deliveries?sink=publish", "", 400, "~sink and state go together"},
    {"GET", "/v1/deliveries?state=dead", "", 400, "~sink and state go together"},
    {"GET", "/v1/deliveries?sink=publish&state=alive", "", 400, "~state must be"},
    {"GET", "/v1/deliveries/0", "", 400, "~from 1"},
    {"GET", "/v1/deliveries/9x", "", 400, "~from 1"},
    {"GET", "/v1/deliveries/-9", "", 400, "~from 1"},
    {"POST", "/v1/retry", "", 400, "~must be a JSON object"},
    {"POST", "/v1/retry", "[]", 400, "~must be a JSON object"},
    {"POST", "/v1/retry", "{\"sink\":\"publish\"}", 400, "~\\\"seqs\\\" must be"},
    {"POST", "/v1/retry", "{\"sink\":\"publish\",\"seqs\":[]}", 400, "~\\\"seqs\\\" must be"},
    {"POST", "/v1/retry", "{\"sink\":\"publish\",\"seqs\":[1,0]}", 400, "~item 2 is not"},
    {"POST", "/v1/retry", "{\"sink\":\"publish\",\"seqs\":[1.5]}", 400, "~item 1 is not"},
    {"POST", "/v1/retry", "{\"seqs\":[1]}", 400, "~\\\"sink\\\" must be there"},
    {"POST", "/v1/retry", "{\"sink\":\"publish\",\"seqs\":[1],\"all\":1}", 400,
        "~unknown member \\\"all\\\"; known are: \\\"sink\\\", \\\"seqs\\\""},
    {"POST", "/v1/retry", "{\"sink\":\"a\",\"sink\":\"b\",\"seqs\":[1]}", 400, "~JSON object"},
    {"POST", "/v1/retry?dry=1", "{\"sink\":\"publish\",\"seqs\":[1]}", 400, "~'dry'"},
    {"POST", "/v1/prune", "{\"now\":true}", 400, "~unknown member \\\"now\\\"; there are none"},
    {"POST", "/v1/backup/start", "{}", 400, "~\\\"file\\\" must be there"},
    {"POST", "/v1/backup/start", "{\"file\":\"copy.db\"}", 400, "~not the absolute path"},
    {"POST", "/v1/backup/start", "{\"file\":\"/tmp\"}", 400, "~exists"},
    {"POST", "/v1/backup", "{\"file\":\"/tmp/x\"}", 405, "~message"},
    {"POST", "/v1/explain", "{}", 400, "~either \\\"refused\\\""},
    {"POST", "/v1/explain", "{\"refused\":\"1f-3\",\"request\":\"POST /\"}", 400, "~either"},
    {"POST", "/v1/explain", "{\"endpoint\":1,\"refused\":\"1f-3\"}", 400, "~\\\"endpoint\\\""},
    {"POST", "/v1/explain", "{\"request\":\"what\"}", 400, "~line 1: is no request line"},
};

START_TEST(test_answer)
{
    const char *got = ask(rows[_i].method, rows[_i].target, rows[_i].body);

    ck_assert_msg(status_of(got) == rows[_i].want_status, "%s: %s", rows[_i].target, got);
    if (rows[_i].want[0] == '~')
        ck_assert_msg(strstr(body_of(got), rows[_i].want + 1) != NULL, "%s: %s", rows[_i].target,
            body_of(got));
    else
        ck_assert_str_eq(body_of(got), rows[_i].want);
    if (rows[_i].want_status == 405)
        ck_assert_ptr_nonnull(strstr(got, "\r\nAllow: "));
    /* A slip in one request leaves the others alone. */
    ck_assert_int_eq(status_of(ask("GET", "/healthz", "")), 200);
}
END_TEST

START_TEST(test_status)
{
    const char *got;

    fake.intake.open_connections = 3;
    fake.endpoint.secrets[0].used = 10;
    fake.endpoint.secrets[0].last_used_at_usec = FAKE_NOW;
    fake.oldest_at = FAKE_NOW;
    fake.writer.commits = 2;
    fake.writer.commit_usec = 2500;
    fake.stats.error_seq = 7;
    fake.stats.error_at_usec = FAKE_NOW;
    strcpy(fake.stats.error_result, "exit 1");
    got = body_of(ask("GET", "/v1/status", ""));
    ck_assert_ptr_nonnull(strstr(got, "\"started_at\":" TIME ",\"now\":" TIME
                                      ",\"config\":\"/etc/c\",\"ready\":true,\"reasons\":[],"
                                      "\"intake\":{\"listen\":[\"127.0.0.1:8480\"],"
                                      "\"connections\":3,\"max_connections\":1024,"));
    ck_assert_ptr_nonnull(strstr(got, "\"unrouted\":{\"framing\":0,\"path\":2,"));
    ck_assert_ptr_nonnull(strstr(got, "\"recent\":[{\"minutes\":5,\"accepted\":"));
    ck_assert_ptr_nonnull(strstr(got, "{\"minutes\":60,\"accepted\":"));
    ck_assert_ptr_nonnull(strstr(got, "\"verify\":\"enforce\",\"outcomes\":{\"accepted\":10,"));
    ck_assert_ptr_nonnull(strstr(got, "\"token-wrong\":3,"));
    ck_assert_ptr_nonnull(strstr(got, "\"tokens\":[{\"number\":1,\"source\":\"file:/t\",\"used\":0,"
                                      "\"last_used_at\":null}],\"secrets\":[{\"name\":\"current\","
                                      "\"id\":null,\"used\":10,\"last_used_at\":" TIME "}]}]"));
    ck_assert_ptr_nonnull(strstr(got, "\"commits\":2,\"commit_ms\":1.250}"));
    ck_assert_ptr_nonnull(
        strstr(got, "{\"name\":\"publish\",\"type\":\"exec\",\"accepted\":8,"
                    "\"filtered\":2,\"delivered\":5,\"dead\":1,\"dropped\":0,"
                    "\"pending\":1,\"running\":1,\"paused\":false,"
                    "\"breaker_open\":false,\"oldest_pending_at\":" TIME
                    ",\"last_error\":{\"seq\":7,\"at\":" TIME ",\"result\":\"exit 1\"}}]}"));
}
END_TEST

START_TEST(test_query_is_passed_on)
{
    ck_assert_int_eq(
        status_of(ask("GET",
            "/v1/deliveries?job=a%20b&since=2026-01-01T00:00:00Z&until=2026-01-02T00:00:00Z"
            "&sink=publish&state=pending&stale=false&order=oldest&from=5&limit=3",
            "")),
        200);
    ck_assert_str_eq(fake.query_job, "a b");
    ck_assert_int_eq(fake.query.since_usec, FAKE_NOW);
    ck_assert_int_eq(fake.query.until_usec, FAKE_NOW + USEC_PER_DAY);
    ck_assert_uint_eq(fake.query.sink, FAKE_SINK);
    ck_assert_int_eq(fake.query.state, STORE_STATE_PENDING);
    ck_assert_int_eq(fake.query.stale, 0);
    ck_assert(fake.query.oldest_first);
    ck_assert_uint_eq(fake.query.from, 5);
    ck_assert_uint_eq(fake.query.limit, 3);
    /* And without any of it. */
    ck_assert_int_eq(status_of(ask("GET", "/v1/deliveries", "")), 200);
    ck_assert_str_eq(fake.query_job, "");
    ck_assert_int_eq(fake.query.stale, -1);
    ck_assert_uint_eq(fake.query.sink, 0);
    ck_assert(!fake.query.oldest_first);
    ck_assert_uint_eq(fake.query.limit, 100);
    ck_assert_int_eq(fake.query.until_usec, INT64_MAX);
}
END_TEST

START_TEST(test_actions_are_passed_on_and_logged)
{
    static const struct {
        const char *target;
        enum dispatch_request want;
    } actions[] = {{"/v1/retry", DISPATCH_RETRY}, {"/v1/replay", DISPATCH_REPLAY},
        {"/v1/drop", DISPATCH_DROP}};
    char log_path[] = "/tmp/test-admin-log-XXXXXX", want[64];
    CLEANUP(free) char *log = NULL;
    int fd = mkstemp(log_path);

    ck_assert_int_ge(dup2(fd, STDERR_FILENO), 0);
    log_init(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
    ck_assert_int_eq(
        status_of(ask("POST", actions[_i].target, "{\"sink\":\"publish\",\"seqs\":[7,8,9]}")), 200);
    ck_assert_int_eq(fake.request, actions[_i].want);
    ck_assert_str_eq(fake.request_sink, "publish");
    ck_assert_uint_eq(fake.n_request_seqs, 3);
    ck_assert_uint_eq(fake.request_seqs[2], 9);
    ck_assert_int_eq(fd_read_file(log_path, 1 << 20, &log, NULL, NULL), 0);
    unlink(log_path);
    ck_assert_ptr_nonnull(strstr(log, "\"event\":\"admin-action\""));
    ck_assert_ptr_nonnull(strstr(log, "\"sink\":\"publish\",\"count\":\"3\""));
    snprintf(want, sizeof(want), "\"uid\":\"%u\",\"pid\":\"%d\"", getuid(), (int)getpid());
    ck_assert_msg(strstr(log, want) != NULL, "no %s in %s", want, log);
}
END_TEST

START_TEST(test_pause_and_resume)
{
    ck_assert_int_eq(status_of(ask("POST", "/v1/pause", "{\"sink\":\"publish\"}")), 200);
    ck_assert_int_eq(fake.paused, 1);
    ck_assert_int_eq(status_of(ask("POST", "/v1/resume", "{\"sink\":\"publish\"}")), 200);
    ck_assert_int_eq(fake.paused, 0);
}
END_TEST

START_TEST(test_prune_goes_on_while_there_is_more)
{
    fake.prune_steps = 3;
    ck_assert_str_eq(body_of(ask("POST", "/v1/prune", "{}")),
        "{\"status\":\"ok\",\"deliveries\":40,\"ids\":4,\"more\":false}");
    ck_assert_uint_eq(fake.pruned, 4);
}
END_TEST

START_TEST(test_refused)
{
    fake.has_refused = true;
    ck_assert_str_eq(body_of(ask("GET", "/v1/refused", "")), "{\"refused\":[{" REFUSED "}]}");
    ck_assert_int_eq(status_of(ask("POST", "/v1/explain", "{\"refused\":\"1f-3\"}")), 200);
    ck_assert_str_eq(fake.explained, "POST /x 2 4");
    ck_assert(fake.token_hidden);
}
END_TEST

/* ---- readiness ---- */

START_TEST(test_ready_turns_and_returns)
{
    const char *got;

    pthread_mutex_lock(&fake.lock);
    fake.store.below_floor = true;
    pthread_mutex_unlock(&fake.lock);
    got = ask("GET", "/readyz", "");
    ck_assert_int_eq(status_of(got), 503);
    ck_assert_ptr_nonnull(strstr(got, "{\"status\":\"not ready\",\"reasons\":[\"the store's disk"));
    pthread_mutex_lock(&fake.lock);
    fake.store.below_floor = false;
    pthread_mutex_unlock(&fake.lock);
    ck_assert_int_eq(status_of(ask("GET", "/readyz", "")), 200);

    fake.writer.unavailable_at_usec = fake.monotonic - 3 * USEC_PER_SEC;
    ck_assert_int_eq(status_of(ask("GET", "/readyz", "")), 503);
    fake.monotonic += 8 * USEC_PER_SEC;
    ck_assert_int_eq(status_of(ask("GET", "/readyz", "")), 200);

    fake.read_error = EIO;
    got = ask("GET", "/readyz", "");
    ck_assert_int_eq(status_of(got), 503);
    ck_assert_ptr_nonnull(strstr(got, "the disk is odd"));
    ck_assert_int_eq(status_of(ask("GET", "/healthz", "")), 200);
    fake.read_error = 0;
    ck_assert_int_eq(status_of(ask("GET", "/readyz", "")), 200);

    /* For good: the daemon ends by itself. */
    pthread_mutex_lock(&fake.lock);
    fake.store.failed = true;
    pthread_mutex_unlock(&fake.lock);
    got = ask("GET", "/readyz", "");
    ck_assert_int_eq(status_of(got), 503);
    ck_assert_ptr_nonnull(strstr(got, "the store has failed"));
}
END_TEST

START_TEST(test_store_that_cannot_be_read)
{
    static const char *const targets[] = {"/v1/status", "/v1/deliveries", "/v1/deliveries/9"};
    const char *got;

    fake.read_error = EIO;
    got = ask("GET", targets[_i], "");
    ck_assert_int_eq(status_of(got), 503);
    ck_assert_ptr_nonnull(strstr(body_of(got), "the disk is odd"));
    got = ask("GET", "/metrics", "");
    ck_assert_int_eq(status_of(got), 200);
    ck_assert_ptr_nonnull(strstr(got, "\nsasha_store_readable 0\n"));
}
END_TEST

START_TEST(test_draining)
{
    const char *got;

    admin_drain(admin);
    got = ask("GET", "/readyz", "");
    ck_assert_int_eq(status_of(got), 503);
    ck_assert_ptr_nonnull(strstr(got, "draining"));
    ck_assert_int_eq(status_of(ask("GET", "/healthz", "")), 200);
    ck_assert_int_eq(status_of(ask("GET", "/v1/status", "")), 200);
    got = ask("POST", "/v1/pause", "{\"sink\":\"publish\"}");
    ck_assert_int_eq(status_of(got), 503);
    ck_assert_int_eq(fake.paused, -1);
}
END_TEST

START_TEST(test_action_that_cannot_be_done_now)
{
    fake.request_answer = EAGAIN;
    ck_assert_int_eq(
        status_of(ask("POST", "/v1/retry", "{\"sink\":\"publish\",\"seqs\":[1]}")), 503);
}
END_TEST

/* ---- reload ---- */

START_TEST(test_reload)
{
    const struct admin_endpoint changed[] = {fake_endpoints[0], fake_endpoints[0]};
    struct admin_view new_view = fake_view;
    struct admin_change *change = NULL;
    struct error error = ERROR_INIT;
    const char *got;

    new_view.endpoints = changed;
    new_view.n_endpoints = 2;
    new_view.max_connections = 5; /* takes a restart */
    ck_assert_int_eq(admin_prepare(admin, &new_view, &change, &error), 0);
    ck_assert_ptr_null(strstr(strstr(ask("GET", "/v1/status", ""), "\"main\"") + 1, "\"main\""));
    admin_abandon(change);
    ck_assert_int_eq(admin_prepare(admin, &new_view, &change, &error), 0);
    admin_commit(admin, change);
    got = ask("GET", "/v1/status", "");
    ck_assert_ptr_nonnull(strstr(strstr(got, "\"main\"") + 1, "\"main\""));
    ck_assert_ptr_nonnull(strstr(got, "\"max_connections\":1024"));
}
END_TEST

/* ---- who may ---- */

START_TEST(test_tcp_is_for_reading_only)
{
    static const struct {
        const char *method, *target;
        int want;
    } asked[] = {{"GET", "/healthz", 200}, {"GET", "/readyz", 200}, {"GET", "/metrics", 200},
        {"GET", "/v1/status", 404}, {"GET", "/v1/deliveries/9", 404}, {"POST", "/v1/pause", 404},
        {"POST", "/v1/explain", 404}, {"POST", "/metrics", 405}};

    ck_assert_int_eq(
        status_of(ask_on(connect_tcp(), asked[_i].method, asked[_i].target, "")), asked[_i].want);
}
END_TEST

static const struct {
    uid_t uid;
    gid_t gid, groups[2];
    gid_t group;
    bool want;
} peers[] = {
    {0, 0, {0, 0}, 50, true},
    {1000, 9, {9, 9}, (gid_t)-1, true}, /* the daemon's own */
    {1001, 50, {9, 9}, 50, true},
    {1001, 9, {9, 50}, 50, true},
    {1001, 9, {9, 8}, 50, false},
    {1001, (gid_t)-1, {9, 8}, (gid_t)-1, false},
};

START_TEST(test_peer)
{
    struct peer peer = {.uid = peers[_i].uid, .gid = peers[_i].gid, .n_groups = 2};

    memcpy(peer.groups, peers[_i].groups, sizeof(peers[_i].groups));
    ck_assert_int_eq(peer_is_allowed(&peer, 1000, peers[_i].group), peers[_i].want);
}
END_TEST

/* Another user, who got in through a mode that somebody loosened. Needs to be root. */
START_TEST(test_stranger_is_refused)
{
    int fds[2], status;

    if (geteuid() != 0) {
        puts("test_stranger_is_refused: skipped, this is not root");
        return;
    }
    ck_assert_int_eq(chmod(path, 0666), 0);
    ck_assert_int_eq(pipe(fds), 0);
    pid_t pid = fork();
    if (pid == 0) {
        if (setgid(65534) < 0 || setgroups(0, NULL) < 0 || setuid(65534) < 0)
            _exit(99);
        _exit(status_of(ask("GET", "/healthz", "")) == 403 ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
}
END_TEST

/* ---- bounds ---- */

START_TEST(test_body_too_large)
{
    int fd = connect_unix();

    /* Announced: answered before it is sent. */
    send_text(fd, "POST /v1/prune HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n\r\n");
    ck_assert_int_eq(status_of(read_answer(fd)), 413);
    /* Not announced: answered at its end. */
    fd = connect_unix();
    send_text(fd, "POST /v1/prune HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                  "Transfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 17; i++) {
        static char chunk[65536];

        memset(chunk, ' ', sizeof(chunk));
        send_text(fd, "10000\r\n");
        ck_assert_int_eq(fd_write_all(fd, chunk, sizeof(chunk)), 0);
        send_text(fd, "\r\n");
    }
    send_text(fd, "0\r\n\r\n");
    ck_assert_int_eq(status_of(read_answer(fd)), 413);
}
END_TEST

START_TEST(test_head_too_large)
{
    CLEANUP(free) char *target = malloc(40000);

    memset(target, 'a', 39999);
    target[0] = '/';
    target[39999] = '\0';
    ck_assert_int_eq(status_of(ask("GET", target, "")) / 100, 4);
}
END_TEST

/* Waits until the other side has closed. */
static void wait_for_end(int fd)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    char byte;

    ck_assert_msg(poll(&wait, 1, 5000) == 1, "not cut");
    ck_assert_int_le(read(fd, &byte, 1), 0);
    close(fd);
}

START_TEST(test_slow_clients_are_cut)
{
    static const char *const beginnings[] = {"", "GET /hea",
        "GET /healthz HTTP/1.1\r\nHost: x\r\nX: ",
        "POST /v1/prune HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n{",
        "GET /healthz HTTP/1.1\r\nHost"};
    const bool half_open = _i == 4; /* it will say no more */
    int fd = connect_unix();

    send_text(fd, beginnings[_i]);
    if (half_open)
        ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
    /* The others are served meanwhile. */
    ck_assert_int_eq(status_of(ask("GET", "/healthz", "")), 200);
    /* A byte now and then buys no time. */
    fake.monotonic += 6 * USEC_PER_SEC;
    if (_i > 0 && !half_open)
        send_text(fd, "a");
    ck_assert_int_eq(status_of(ask("GET", "/healthz", "")), 200);
    fake.monotonic += 5 * USEC_PER_SEC;
    wait_for_end(fd);
    ck_assert_int_eq(status_of(ask("GET", "/healthz", "")), 200);
}
END_TEST

START_TEST(test_too_many_connections)
{
    int fds[LISTENER_CONNECTIONS_MAX];
    const char *got;

    for (size_t i = 0; i < LISTENER_CONNECTIONS_MAX; i++)
        fds[i] = connect_unix();
    got = ask("GET", "/healthz", "");
    ck_assert_int_eq(status_of(got), 503);
    ck_assert_str_eq(body_of(got), "{\"message\":\"too many connections are open\"}");
    /* Other sockets have their own places. */
    ck_assert_int_eq(status_of(ask_on(connect_tcp(), "GET", "/healthz", "")), 200);
    fake.monotonic += 11 * USEC_PER_SEC;
    for (size_t i = 0; i < LISTENER_CONNECTIONS_MAX; i++)
        wait_for_end(fds[i]);
    ck_assert_int_eq(status_of(ask("GET", "/healthz", "")), 200);
}
END_TEST

START_TEST(test_slow_clients_make_room)
{
    const size_t last = LISTENER_CONNECTIONS_MAX - 2;
    int fds[LISTENER_CONNECTIONS_MAX];

    for (size_t i = 0; i < LISTENER_CONNECTIONS_MAX; i++) {
        fds[i] = connect_unix();
        if (i % 2 == 0)
            send_text(fds[i], "GET /healthz HTTP/1.1\r\nX");
    }
    /* All are new. */
    ck_assert_int_eq(status_of(ask("GET", "/healthz", "")), 503);
    fake.monotonic += 2 * USEC_PER_SEC;
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(status_of(ask("GET", "/healthz", "")), 200);
    /* One had to go, and no more than that. */
    wait_for_end(fds[0]);
    send_text(fds[last], ": y\r\nHost: x\r\nConnection: close\r\n\r\n");
    ck_assert_int_eq(status_of(read_answer(fds[last])), 200);
    for (size_t i = 1; i < LISTENER_CONNECTIONS_MAX; i++)
        if (i != last)
            close(fds[i]);
}
END_TEST

#define RETRY                                                     \
    "POST /v1/retry HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" \
    "Content-Length: 29\r\n\r\n{\"sink\":\"publish\",\"seqs\":[7]}"

/* A sink that hangs must not hide itself from those who look, nor may others that hang. */
START_TEST(test_actions_that_wait_hold_up_nobody_who_looks)
{
    int fds[3];

    fake.hangs = true;
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
        fds[i] = connect_unix();
        send_text(fds[i], RETRY);
    }
    ck_assert_int_eq(status_of(ask("GET", "/v1/status", "")), 200);
    ck_assert_int_eq(status_of(ask("GET", "/readyz", "")), 200);
    /* They are not late themselves: it is not they that are slow. */
    fake.monotonic += 60 * USEC_PER_SEC;
    ck_assert_int_eq(status_of(ask("GET", "/healthz", "")), 200);
    close(fds[2]); /* gives up */
    fake.hangs = false;
    ck_assert_int_eq(status_of(read_answer(fds[0])), 200);
    ck_assert_int_eq(status_of(read_answer(fds[1])), 200);
    ck_assert_int_eq(status_of(ask("GET", "/healthz", "")), 200);
}
END_TEST

static void begin_to_wait(int fd)
{
    fake.hangs = true;
    send_text(fd, RETRY);
    ck_assert_int_eq(status_of(ask("GET", "/healthz", "")), 200);
}

static void *let_go(void *context)
{
    (void)poll(NULL, 0, 50);
    fake.hangs = false;
    return NULL;
}

START_TEST(test_stop_while_an_action_waits)
{
    int fd = connect_unix();
    pthread_t thread;

    begin_to_wait(fd);
    ck_assert_int_eq(pthread_create(&thread, NULL, let_go, NULL), 0);
    admin_stop(TAKE(admin));
    pthread_join(thread, NULL);
    close(fd);
}
END_TEST

static void *stop(void *context)
{
    admin_stop(TAKE(admin));
    return NULL;
}

/* Asks until one is answered, which before the stop none is; returns that one's status. */
static int ask_until_answered(void)
{
    int fds[20], status = 0;
    size_t n = 0;

    while (status == 0 && n < ARRAY_SIZE(fds)) {
        struct pollfd wait = {.fd = fds[n++] = connect_unix(), .events = POLLIN};

        send_text(wait.fd, RETRY);
        if (poll(&wait, 1, 500) == 1) {
            ck_assert_int_gt(read(wait.fd, answer, sizeof(answer) - 1), 0);
            status = status_of(answer);
        }
    }
    for (size_t i = 0; i < n; i++)
        close(fds[i]);
    return status;
}

/* Those who keep asking do not keep the daemon. */
START_TEST(test_stop_takes_no_more_actions)
{
    int fd = connect_unix();
    pthread_t thread;

    begin_to_wait(fd);
    ck_assert_int_eq(pthread_create(&thread, NULL, stop, NULL), 0);
    ck_assert_int_eq(ask_until_answered(), 503);
    fake.hangs = false;
    pthread_join(thread, NULL);
    ck_assert_int_eq(status_of(read_answer(fd)), 200);
}
END_TEST

START_TEST(test_connection_serves_many_requests)
{
    int fd = connect_unix();

    for (int i = 0; i < 20; i++) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        ssize_t n;

        send_text(fd, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
        ck_assert_int_eq(poll(&wait, 1, 5000), 1);
        n = read(fd, answer, sizeof(answer) - 1);
        ck_assert_int_gt(n, 0);
        answer[n] = '\0';
        ck_assert_int_eq(status_of(answer), 200);
        fake.monotonic += 8 * USEC_PER_SEC; /* each has its own time */
    }
    ck_assert_int_eq(status_of(ask_on(fd, "GET", "/healthz", "")), 200);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("admin_http");
    TCase *core = tcase_create("core"), *limits = tcase_create("limits"),
          *errors = tcase_create("errors");
    SRunner *runner = srunner_create(s);
    int failed;

    tcase_set_timeout(limits, 30);
    tcase_add_checked_fixture(core, setup, teardown);
    tcase_add_loop_test(core, test_answer, 0, (int)ARRAY_SIZE(rows));
    tcase_add_test(core, test_status);
    tcase_add_test(core, test_query_is_passed_on);
    tcase_add_loop_test(core, test_actions_are_passed_on_and_logged, 0, 3);
    tcase_add_test(core, test_pause_and_resume);
    tcase_add_test(core, test_prune_goes_on_while_there_is_more);
    tcase_add_test(core, test_refused);
    tcase_add_test(core, test_ready_turns_and_returns);
    tcase_add_test(core, test_reload);
    tcase_add_loop_test(core, test_tcp_is_for_reading_only, 0, 8);
    tcase_add_loop_test(core, test_peer, 0, (int)ARRAY_SIZE(peers));
    suite_add_tcase(s, core);
    tcase_add_checked_fixture(limits, setup, teardown);
    tcase_add_test(limits, test_body_too_large);
    tcase_add_test(limits, test_head_too_large);
    tcase_add_loop_test(limits, test_slow_clients_are_cut, 0, 5);
    tcase_add_test(limits, test_too_many_connections);
    tcase_add_test(limits, test_slow_clients_make_room);
    tcase_add_test(limits, test_actions_that_wait_hold_up_nobody_who_looks);
    tcase_add_test(limits, test_stop_while_an_action_waits);
    tcase_add_test(limits, test_stop_takes_no_more_actions);
    tcase_add_test(limits, test_connection_serves_many_requests);
    suite_add_tcase(s, limits);
    tcase_add_checked_fixture(errors, setup, teardown);
    tcase_add_loop_test(errors, test_store_that_cannot_be_read, 0, 3);
    tcase_add_test(errors, test_draining);
    tcase_add_test(errors, test_action_that_cannot_be_done_now);
    tcase_add_test(errors, test_stranger_is_refused);
    suite_add_tcase(s, errors);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
