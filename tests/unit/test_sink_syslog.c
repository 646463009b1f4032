/* The syslog sink, with sockets of this machine. */

#include "sink_fixture.h"

#include "sink/syslog_format.h"
#include "sink/syslog_target.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

/* A datagram longer than this does not fit. */
static size_t datagram_max = SIZE_MAX;

ssize_t send(int fd, const void *data, size_t length, int flags)
{
    if (length > datagram_max) {
        errno = EMSGSIZE;
        return -1;
    }
    return syscall(SYS_sendto, fd, data, length, flags, NULL, 0);
}

/* ---- the message ---- */

static const struct delivery plain = {
    .seq = 7,
    .received_at_usec = INT64_C(1764000000123456),
    .endpoint = "main",
    .request_id = "aa-b-c-d-ee",
    .body = (const unsigned char *)"{\"a\":1}",
    .body_length = 7,
};

static void check_text(const struct buf *got, const char *want)
{
    ck_assert_msg(got->length == strlen(want) && memcmp(got->data, want, got->length) == 0,
        "%.*s, want %s", (int)got->length, (const char *)got->data, want);
}

static const struct {
    struct syslog_header header;
    const char *want;
} header_rows[] = {
    {{16, 6, true, NULL, "sasha", 42}, "<134>Nov  4 16:05:09 sasha[42]: "},
    {{0, 0, true, "host", "sasha", 42}, "<0>Nov  4 16:05:09 host sasha[42]: "},
    {{23, 7, false, "host", "sasha", 42},
        "<191>1 2025-11-24T16:00:00.123456Z host sasha 42 jobStatusChanged - "},
    {{16, 6, false, NULL, "sasha", 42},
        "<134>1 2025-11-24T16:00:00.123456Z - sasha 42 jobStatusChanged - "},
};

START_TEST(header_has_its_format)
{
    const struct tm local = {.tm_mon = 10, .tm_mday = 4, .tm_hour = 16, .tm_min = 5, .tm_sec = 9};
    struct buf got = BUF_INIT;

    ck_assert_int_eq(
        syslog_append_header(&got, &header_rows[_i].header, plain.received_at_usec, &local), 0);
    check_text(&got, header_rows[_i].want);
    buf_done(&got);
}
END_TEST

START_TEST(text_has_key_and_value)
{
    const struct job job = {
        .job_id = (char *)"1234567890",
        .type = (char *)"embed-signature",
        .status = (char *)"failed",
        .updated_at = (char *)"2025-01-01T00:00:00Z",
        .signature_id = (char *)"340558932877813735",
        .output_url = (char *)"https://secret.example/",
        .error_code = (char *)"internal",
        .error_message = (char *)"two\r\nlines, \"quoted\\\" ü",
    };
    struct buf got = BUF_INIT;

    ck_assert_int_eq(syslog_append_text(&got, &plain, &job), 0);
    check_text(&got,
        "seq=7 request_id=aa-b-c-d-ee endpoint=main received_at=2025-11-24T16:00:00.123456Z "
        "stale=false job_id=1234567890 type=embed-signature status=failed "
        "updated_at=2025-01-01T00:00:00Z signature_id=340558932877813735 error_code=internal "
        "error_message=\"two\\r\\nlines, \\\"quoted\\\\\\\" ü\"");
    buf_done(&got);
}
END_TEST

START_TEST(text_marks_what_is_unverified)
{
    const struct job job = {.job_id = (char *)"1",
        .type = (char *)"t",
        .status = (char *)"s",
        .updated_at = (char *)"u"};
    struct delivery marked = plain;
    struct buf got = BUF_INIT;

    marked.unverified = "signature-wrong";
    ck_assert_int_eq(syslog_append_text(&got, &marked, &job), 0);
    check_text(&got,
        "seq=7 request_id=aa-b-c-d-ee endpoint=main received_at=2025-11-24T16:00:00.123456Z "
        "stale=false unverified=signature-wrong job_id=1 type=t status=s updated_at=u");
    buf_done(&got);
}
END_TEST

START_TEST(text_cannot_be_broken_out_of)
{
    const struct job job = {
        .job_id = (char *)"1 status=completed",
        .type = (char *)"",
        .status = (char *)"a=b\n<134>Nov  4 16:05:09 sasha[42]: forged",
        .updated_at = (char *)"x\x1b[2J\xe2\x80\xa8y",
    };
    struct buf got = BUF_INIT;

    ck_assert_int_eq(syslog_append_text(&got, &plain, &job), 0);
    check_text(&got,
        "seq=7 request_id=aa-b-c-d-ee endpoint=main received_at=2025-11-24T16:00:00.123456Z "
        "stale=false job_id=\"1 status=completed\" type=\"\" "
        "status=\"a=b\\n<134>Nov  4 16:05:09 sasha[42]: forged\" "
        "updated_at=\"x\\x1b[2J\\xe2\\x80\\xa8y\"");
    buf_done(&got);
}
END_TEST

#define JSON_HEAD                                                      \
    "{\"seq\":7,\"request_id\":\"aa-b-c-d-ee\",\"endpoint\":\"main\"," \
    "\"received_at\":\"2025-11-24T16:00:00.123456Z\",\"stale\":false,\"job\":"

static const struct {
    const char *body, *want;
} json_rows[] = {
    {"{\"a\":1}", JSON_HEAD "{\"a\":1}}"},
    {"{\n\"a\":\"ü🙂\"}\n", JSON_HEAD "{ \"a\":\"ü🙂\"} }"},
    {"{\"a\":\"\x7f\xc2\x85\xe2\x80\xa8\xe2\x80\xae\"}",
        JSON_HEAD "{\"a\":\"\\u007f\\u0085\\u2028\\u202e\"}}"},
    {"{\"a\":\"\xff\"}", JSON_HEAD "{\"a\":\"\xEF\xBF\xBD\"}}"},
};

START_TEST(json_is_one_safe_line)
{
    struct delivery delivery = plain;
    struct buf got = BUF_INIT;

    delivery.body = (const unsigned char *)json_rows[_i].body;
    delivery.body_length = strlen(json_rows[_i].body);
    ck_assert_int_eq(syslog_append_json(&got, &delivery), 0);
    check_text(&got, json_rows[_i].want);
    buf_done(&got);
}
END_TEST

START_TEST(json_has_a_limit)
{
    struct delivery delivery = plain;
    struct buf got = BUF_INIT;
    size_t head = strlen(JSON_HEAD) + 1;
    char *body = malloc(SYSLOG_JSON_MAX + 1);

    memset(body, 'x', SYSLOG_JSON_MAX + 1);
    delivery.body = (const unsigned char *)body;
    buf_append_text(&got, "kept");
    delivery.body_length = SYSLOG_JSON_MAX - head;
    ck_assert_int_eq(syslog_append_json(&got, &delivery), 0);
    ck_assert_uint_eq(got.length, 4 + SYSLOG_JSON_MAX);
    got.length = 4;
    delivery.body_length++;
    ck_assert_int_eq(syslog_append_json(&got, &delivery), -EMSGSIZE);
    check_text(&got, "kept");
    delivery.body_length--;
    body[10] = '\x7f'; /* too long only once it is escaped */
    ck_assert_int_eq(syslog_append_json(&got, &delivery), -EMSGSIZE);
    check_text(&got, "kept");
    buf_done(&got);
    free(body);
}
END_TEST

/* ---- targets and options ---- */

static const struct {
    const char *text;
    enum syslog_transport transport;
    const char *address, *port;
} target_rows[] = {
    {"local", SYSLOG_LOCAL, "/dev/log", NULL},
    {"local:/run/x", SYSLOG_LOCAL, "/run/x", NULL},
    {"udp:log.example:514", SYSLOG_UDP, "log.example", "514"},
    {"tcp:log.example:601", SYSLOG_TCP, "log.example", "601"},
    {"log.example:514", SYSLOG_UDP, "log.example", "514"},
    {"tcp:[::1]:syslog", SYSLOG_TCP, "::1", "syslog"},
    {"[::1]:514", SYSLOG_UDP, "::1", "514"},
};

START_TEST(target_is_read)
{
    struct syslog_target got;

    ck_assert_int_eq(syslog_target_parse(target_rows[_i].text, &got, NULL), 0);
    ck_assert_int_eq(got.transport, target_rows[_i].transport);
    ck_assert_str_eq(got.address, target_rows[_i].address);
    ck_assert_pstr_eq(got.port, target_rows[_i].port);
    syslog_target_done(&got);
}
END_TEST

static const struct {
    const char *target, *tag;
    int facility, severity;
    const char *want;
} option_rows[] = {
    {"", "sasha", 16, 6, "target: \"\" is none; write \"local\""},
    {"remote", "sasha", 16, 6, "is none"},
    {"local:", "sasha", 16, 6, "is none"},
    {"local:x", "sasha", 16, 6, "is none"},
    {"tcp:", "sasha", 16, 6, "is none"},
    {"tcp:host", "sasha", 16, 6, "is none"},
    {"tcp:host:", "sasha", 16, 6, "is none"},
    {"tcp::514", "sasha", 16, 6, "is none"},
    {"tcp:[]:514", "sasha", 16, 6, "is none"},
    {"tcp:::1:514", "sasha", 16, 6, "an IPv6 address stands in brackets"},
    {"local:/0123456789012345678901234567890123456789012345678901234567890123456789012345678901234"
     "567890123456789012345678901234567890",
        "sasha", 16, 6, "too long for a unix socket"},
    {"local", "", 16, 6, "tag: \"\" is none"},
    {"local", "a b", 16, 6, "tag: \"a b\" is none; use 1 to 32"},
    {"local", "a]", 16, 6, "is none"},
    {"local", "012345678901234567890123456789012", 16, 6, "is none"},
    {"local", "sasha", 24, 6, "facility: 24 is none; 0 to 23 are"},
    {"local", "sasha", -1, 6, "facility"},
    {"local", "sasha", 16, 8, "severity: 8 is none; 0 to 7 are"},
};

START_TEST(bad_options_are_refused)
{
    struct sink_options options = {
        .name = "x",
        .type = "syslog",
        .syslog =
            {
                .target = option_rows[_i].target,
                .tag = option_rows[_i].tag,
                .facility = option_rows[_i].facility,
                .severity = option_rows[_i].severity,
            },
    };
    struct error error = ERROR_INIT;
    struct sink *sink = NULL;

    ck_assert_int_eq(sink_new(&options, &sink, &error), -EINVAL);
    ck_assert_msg(strstr(error.text, option_rows[_i].want) != NULL, "%s", error.text);
}
END_TEST

/* ---- sockets ---- */

static struct fixture *fixture;
static const char *path;

static void setup(void)
{
    static char buffer[128];

    fixture = fixture_new();
    snprintf(buffer, sizeof(buffer), "%s/log", fixture->folder);
    path = buffer;
}

static void teardown(void)
{
    fixture_free(fixture);
}

static int listen_local(int type)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    strcpy(address.sun_path, path);
    unlink(path);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    if (type == SOCK_STREAM)
        ck_assert_int_eq(listen(fd, 8), 0);
    return fd;
}

/* On `*port`, or on any when that is 0. */
static int listen_inet(int type, int *port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)*port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    socklen_t length = sizeof(address);
    int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1;

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    if (type == SOCK_STREAM)
        ck_assert_int_eq(listen(fd, 8), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

/* Everything that comes within a moment, NUL-terminated; "" if nothing does. */
static const char *receive(int fd)
{
    static char got[1 << 20];
    struct pollfd pollfd = {.fd = fd, .events = POLLIN};
    size_t used = 0;
    ssize_t count;

    while (poll(&pollfd, 1, used ? 50 : 1000) == 1 &&
           (count = recv(fd, got + used, sizeof(got) - used - 1, MSG_DONTWAIT)) > 0) {
        for (ssize_t i = 0; i < count; i++) /* a NUL between messages */
            if (got[used + (size_t)i] == '\0')
                got[used + (size_t)i] = '|';
        used += (size_t)count;
    }
    got[used] = '\0';
    return got;
}

static int accept_one(int fd)
{
    struct pollfd pollfd = {.fd = fd, .events = POLLIN};
    int peer;

    ck_assert_int_eq(poll(&pollfd, 1, 1000), 1);
    peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    ck_assert_int_ge(peer, 0);
    return peer;
}

static void make_syslog(const char *target, enum sink_syslog_format format)
{
    fixture_make_sink(fixture, &(struct sink_options){
                                   .name = "log",
                                   .type = "syslog",
                                   .syslog =
                                       {
                                           .target = target,
                                           .facility = 16,
                                           .severity = 6,
                                           .rfc3164 = strncmp(target, "local", 5) == 0,
                                           .tag = "sasha",
                                           .format = format,
                                           .timeout_usec = 300 * USEC_PER_MSEC,
                                       },
                               });
}

static void make_local(enum sink_syslog_format format)
{
    char target[256];

    snprintf(target, sizeof(target), "local:%s", path);
    make_syslog(target, format);
}

static void make_remote(const char *transport, int port)
{
    char target[64];

    snprintf(target, sizeof(target), "%s:127.0.0.1:%d", transport, port);
    make_syslog(target, SINK_SYSLOG_TEXT);
}

static enum sink_result deliver(uint64_t seq)
{
    size_t i = fixture_add(fixture, make_delivery(seq));

    fixture_deliver(fixture, i);
    ck_assert_uint_eq(fixture->n_done, fixture->n_items);
    return fixture->results[i];
}

static const char *last_result(void)
{
    return fixture->items[fixture->n_items - 1].result;
}

START_TEST(local_datagram)
{
    int server = listen_local(SOCK_DGRAM);
    const char *got;
    char want[64];

    setenv("TZ", "UTC", 1);
    make_local(SINK_SYSLOG_TEXT);
    ck_assert_int_eq(deliver(7), SINK_DELIVERED);
    ck_assert_str_eq(last_result(), "ok");
    got = receive(server);
    snprintf(want, sizeof(want), "<134>Nov 24 16:00:00 sasha[%d]: seq=7 ", (int)getpid());
    ck_assert_msg(strncmp(got, want, strlen(want)) == 0, "%s", got);
    ck_assert_ptr_nonnull(strstr(got, " job_id=1234567890 "));
    close(server);
}
END_TEST

START_TEST(local_receiver_comes_back)
{
    int server = listen_local(SOCK_DGRAM);

    make_local(SINK_SYSLOG_TEXT);
    ck_assert_int_eq(deliver(1), SINK_DELIVERED);
    close(server);
    server = listen_local(SOCK_DGRAM); /* restarted: our socket is connected to nobody */
    ck_assert_int_eq(deliver(2), SINK_DELIVERED);
    ck_assert_ptr_nonnull(strstr(receive(server), "seq=2 "));

    close(server);
    ck_assert_int_eq(deliver(3), SINK_RETRY);
    ck_assert_str_eq(last_result(), "connect: Connection refused");
    unlink(path);
    ck_assert_int_eq(deliver(3), SINK_RETRY);
    ck_assert_str_eq(last_result(), "connect: No such file or directory");
    server = listen_local(SOCK_DGRAM);
    ck_assert_int_eq(deliver(3), SINK_DELIVERED);
    ck_assert_ptr_nonnull(strstr(receive(server), "seq=3 "));
    close(server);
}
END_TEST

START_TEST(local_receiver_that_does_not_read)
{
    int server = listen_local(SOCK_DGRAM);
    char *body = NULL;
    size_t delivered = 0;

    ck_assert_int_gt(asprintf(&body, "{\"x\":\"%040000d\"}", 0), 40000);
    make_local(SINK_SYSLOG_JSON);
    for (uint64_t seq = 1; seq <= 64; seq++)
        fixture_add(fixture, make_delivery_of(seq, "1", "pending", 0, body));
    free(body);
    fixture_deliver(fixture, 0);
    ck_assert_uint_eq(fixture->n_done, 64);
    while (fixture->results[delivered] == SINK_DELIVERED)
        delivered++;
    ck_assert_uint_gt(delivered, 0);
    ck_assert_uint_lt(delivered, 63);
    ck_assert_int_eq(fixture->results[delivered], SINK_RETRY);
    ck_assert_str_eq(fixture->items[delivered].result, "send: Connection timed out");
    for (size_t i = delivered + 1; i < 64; i++)
        ck_assert_int_eq(fixture->results[i], SINK_DEFERRED);
    close(server);
}
END_TEST

START_TEST(local_stream)
{
    int server = listen_local(SOCK_STREAM), peer;
    const char *got;

    make_local(SINK_SYSLOG_TEXT);
    fixture_add(fixture, make_delivery(1));
    fixture_add(fixture, make_delivery(2));
    fixture_deliver(fixture, 0);
    ck_assert_int_eq(fixture->results[1], SINK_DELIVERED);
    peer = accept_one(server);
    got = receive(peer);
    ck_assert_ptr_nonnull(strstr(got, "seq=1 "));
    ck_assert_ptr_nonnull(strstr(got, "Z|<134>")); /* a NUL between them, and at the end */
    ck_assert_int_eq(got[strlen(got) - 1], '|');

    close(peer);
    ck_assert_int_eq(deliver(3), SINK_DELIVERED);
    peer = accept_one(server);
    ck_assert_ptr_nonnull(strstr(receive(peer), "seq=3 "));
    close(peer);
    close(server);
}
END_TEST

START_TEST(udp)
{
    int port = 0, server = listen_inet(SOCK_DGRAM, &port);
    const char *got;

    make_remote("udp", port);
    ck_assert_int_eq(deliver(1), SINK_DELIVERED);
    got = receive(server);
    ck_assert_msg(strncmp(got, "<134>1 2025-11-24T16:00:00.000000Z ", 35) == 0, "%s", got);
    ck_assert_ptr_nonnull(strstr(got, " sasha "));
    ck_assert_ptr_nonnull(strstr(got, " jobStatusChanged - seq=1 "));

    close(server);
    for (int i = 0; i < 3; i++) { /* each time, not only each second time */
        ck_assert_int_eq(deliver(2), SINK_RETRY);
        ck_assert_str_eq(last_result(), "send: Connection refused");
    }
    server = listen_inet(SOCK_DGRAM, &port);
    ck_assert_int_eq(deliver(2), SINK_DELIVERED);
    ck_assert_ptr_nonnull(strstr(receive(server), " seq=2 "));
    close(server);
}
END_TEST

START_TEST(tcp_counts_octets)
{
    int port = 0, server = listen_inet(SOCK_STREAM, &port), peer;
    const char *at;
    unsigned int n = 0;

    make_remote("tcp", port);
    for (uint64_t seq = 1; seq <= 100; seq++)
        fixture_add(fixture, make_delivery(seq));
    fixture_deliver(fixture, 0);
    for (size_t i = 0; i < 100; i++)
        ck_assert_int_eq(fixture->results[i], SINK_DELIVERED);
    peer = accept_one(server);
    for (at = receive(peer); *at; n++) {
        char *message, want[32];
        size_t length = strtoul(at, &message, 10);

        ck_assert_int_eq(*message, ' ');
        ck_assert_int_eq(message[1], '<');
        snprintf(want, sizeof(want), " seq=%u ", n + 1);
        ck_assert_ptr_nonnull(memmem(message, length, want, strlen(want)));
        at = message + 1 + length;
    }
    ck_assert_uint_eq(n, 100);
    close(peer);
    close(server);
}
END_TEST

START_TEST(tcp_peer_that_closed_is_noticed)
{
    int port = 0, server = listen_inet(SOCK_STREAM, &port), peer;

    make_remote("tcp", port);
    ck_assert_int_eq(deliver(1), SINK_DELIVERED);
    peer = accept_one(server);
    ck_assert_ptr_nonnull(strstr(receive(peer), " seq=1 "));
    ck_assert_int_eq(send(peer, "hello\n", 6, 0), 6); /* must not hide the end behind it */
    close(peer);
    usleep(20000);

    ck_assert_int_eq(deliver(2), SINK_DELIVERED);
    peer = accept_one(server);
    ck_assert_ptr_nonnull(strstr(receive(peer), " seq=2 "));
    close(peer);
    close(server);
    usleep(20000);
    ck_assert_int_eq(deliver(3), SINK_RETRY);
    ck_assert_str_eq(last_result(), "connect: Connection refused");
    server = listen_inet(SOCK_STREAM, &port);
    ck_assert_int_eq(deliver(3), SINK_DELIVERED);
    close(server);
}
END_TEST

/* Stands in for the C library's: with `flooded` there is always more to read. */
static bool flooded;
static unsigned int n_reads;

ssize_t recv(int fd, void *buffer, size_t size, int flags)
{
    n_reads++;
    if (!flooded)
        return recvfrom(fd, buffer, size, flags, NULL, NULL);
    memset(buffer, 'x', size);
    ck_assert_uint_lt(n_reads, 1000);
    return (ssize_t)size;
}

START_TEST(tcp_peer_that_never_stops_sending)
{
    int port = 0, server = listen_inet(SOCK_STREAM, &port);

    make_remote("tcp", port);
    flooded = true;
    ck_assert_int_eq(deliver(1), SINK_DELIVERED);
    ck_assert_uint_gt(n_reads, 1);
    flooded = false;
    close(server);
}
END_TEST

START_TEST(tcp_peer_that_does_not_read)
{
    int port = 0, server = listen_inet(SOCK_STREAM, &port), peer;
    char *body = NULL;
    char target[64];
    int64_t begun;

    ck_assert_int_gt(asprintf(&body, "{\"x\":\"%060000d\"}", 0), 60000);
    snprintf(target, sizeof(target), "tcp:127.0.0.1:%d", port);
    make_syslog(target, SINK_SYSLOG_JSON);
    ck_assert_int_eq(deliver(1), SINK_DELIVERED);
    peer = accept_one(server);
    begun = clock_monotonic(clock_system());
    for (int round = 0; round < 10 && fixture->results[fixture->n_items - 1] == SINK_DELIVERED;
         round++) {
        fixture_free_items(fixture);
        for (uint64_t seq = 1; seq <= 64; seq++)
            fixture_add(fixture, make_delivery_of(seq, "1", "pending", 0, body));
        fixture_deliver(fixture, 0);
    }
    free(body);
    ck_assert_int_lt(clock_monotonic(clock_system()) - begun, 10 * USEC_PER_SEC);
    ck_assert_int_eq(fixture->results[0], SINK_RETRY); /* none of the batch counts */
    ck_assert_msg(strstr(fixture->items[0].result, "Connection timed out") != NULL, "%s",
        fixture->items[0].result);
    for (size_t i = 1; i < 64; i++)
        ck_assert_int_eq(fixture->results[i], SINK_DEFERRED);
    close(peer);
    close(server);
}
END_TEST

START_TEST(name_that_cannot_be_resolved)
{
    make_syslog("tcp:127.0.0.1:no-such-service", SINK_SYSLOG_TEXT);
    ck_assert_int_eq(deliver(1), SINK_RETRY);
    ck_assert_msg(
        strncmp(last_result(), "resolve: Servname not supported", 31) == 0, "%s", last_result());
}
END_TEST

START_TEST(json_that_is_too_long_goes_as_text)
{
    int server = listen_local(SOCK_DGRAM);
    const char *got;
    char *body = NULL;

    ck_assert_int_gt(asprintf(&body,
                         "{\"job_id\":\"1\",\"type\":\"t\",\"status\":\"pending\",\"created_at\":"
                         "\"2025-01-01T00:00:00Z\",\"updated_at\":\"2025-01-01T00:00:00Z\","
                         "\"x\":\"%070000d\"}",
                         0),
        70000);
    make_local(SINK_SYSLOG_JSON);
    fixture_add(fixture, make_delivery_of(5, "1", "pending", 0, body));
    fixture_deliver(fixture, 0);
    free(body);
    ck_assert_int_eq(fixture->results[0], SINK_DELIVERED);
    got = receive(server);
    ck_assert_ptr_nonnull(strstr(got, "]: seq=5 "));

    ck_assert_int_eq(deliver(6), SINK_DELIVERED);
    ck_assert_ptr_nonnull(strstr(receive(server), "]: {\"seq\":6,"));

    datagram_max = 280; /* of the transport: the JSON no longer fits, the text does */
    ck_assert_int_eq(deliver(7), SINK_DELIVERED);
    got = receive(server);
    ck_assert_msg(strstr(got, "]: seq=7 ") != NULL, "%s", got);
    datagram_max = 20;
    ck_assert_int_eq(deliver(8), SINK_DEAD);
    ck_assert_str_eq(last_result(), "send: Message too long");
    datagram_max = SIZE_MAX;
    ck_assert_int_eq(deliver(9), SINK_DELIVERED);
    close(server);
}
END_TEST

START_TEST(altered_body_is_dead_alone)
{
    int server = listen_local(SOCK_DGRAM);

    make_local(SINK_SYSLOG_TEXT);
    fixture_add(fixture, make_delivery(1));
    fixture_add(fixture, make_delivery_of(2, "1", "pending", 0, "{\"job_id\":}"));
    fixture_add(fixture, make_delivery(3));
    fixture_deliver(fixture, 0);
    ck_assert_int_eq(fixture->results[0], SINK_DELIVERED);
    ck_assert_int_eq(fixture->results[1], SINK_DEAD);
    ck_assert_msg(
        strncmp(fixture->items[1].result, "body: ", 6) == 0, "%s", fixture->items[1].result);
    ck_assert_int_eq(fixture->results[2], SINK_DELIVERED);
    close(server);
}
END_TEST

START_TEST(no_descriptors_leak)
{
    int port = 0, server = listen_inet(SOCK_STREAM, &port);
    size_t before = count_descriptors();
    struct error error = ERROR_INIT;

    for (int i = 0; i < 20; i++) {
        int peer;

        make_remote("tcp", port);
        ck_assert_int_eq(deliver(1), SINK_DELIVERED);
        peer = accept_one(server);
        ck_assert_int_eq(fixture->sink->ops->reopen(fixture->sink, &error), 0);
        close(peer);
        ck_assert_int_eq(deliver(2), SINK_DELIVERED);
        close(accept_one(server));
        make_syslog("tcp:127.0.0.1:1", SINK_SYSLOG_TEXT);
        ck_assert_int_eq(deliver(3), SINK_RETRY);
    }
    sink_free(fixture->sink);
    fixture->sink = NULL;
    ck_assert_uint_eq(count_descriptors(), before);
    close(server);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sink_syslog");
    TCase *core = tcase_create("core");
    TCase *limits = tcase_create("limits");
    TCase *errors = tcase_create("errors");
    SRunner *runner;
    int n_failed;

    tcase_add_checked_fixture(core, setup, teardown);
    tcase_add_checked_fixture(limits, setup, teardown);
    tcase_add_checked_fixture(errors, setup, teardown);
    tcase_set_timeout(limits, 60);
    tcase_set_timeout(errors, 60);

    tcase_add_loop_test(core, header_has_its_format, 0, ARRAY_SIZE(header_rows));
    tcase_add_test(core, text_has_key_and_value);
    tcase_add_loop_test(core, json_is_one_safe_line, 0, ARRAY_SIZE(json_rows));
    tcase_add_loop_test(core, target_is_read, 0, ARRAY_SIZE(target_rows));
    tcase_add_test(core, local_datagram);
    tcase_add_test(core, local_stream);
    tcase_add_test(core, udp);
    tcase_add_test(core, tcp_counts_octets);

    tcase_add_test(limits, text_cannot_be_broken_out_of);
    tcase_add_test(limits, text_marks_what_is_unverified);
    tcase_add_test(limits, json_has_a_limit);
    tcase_add_test(limits, json_that_is_too_long_goes_as_text);
    tcase_add_test(limits, local_receiver_that_does_not_read);
    tcase_add_test(limits, tcp_peer_that_does_not_read);
    tcase_add_test(limits, tcp_peer_that_never_stops_sending);
    tcase_add_test(limits, no_descriptors_leak);

    tcase_add_test(errors, local_receiver_comes_back);
    tcase_add_test(errors, tcp_peer_that_closed_is_noticed);
    tcase_add_test(errors, name_that_cannot_be_resolved);
    tcase_add_test(errors, altered_body_is_dead_alone);
    tcase_add_loop_test(errors, bad_options_are_refused, 0, ARRAY_SIZE(option_rows));
    suite_add_tcase(suite, core);
    suite_add_tcase(suite, limits);
    suite_add_tcase(suite, errors);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed == 0 ? 0 : 1;
}
