/*
 * The intake from the outside: every row of the table of design §2, over raw sockets.
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

#define AUTH "Authorization: Bearer " RIG_TOKEN "\r\n"
#define ID "SASHA-Request-ID: " RIG_ID "\r\n"
#define SIGNATURE "SASHA-Request-Signature: " RIG_SIGNATURE "\r\n"
#define LENGTH "Content-Length: 139\r\n"

/* A request to the main endpoint with the published body and signature. */
#define POST(headers) "POST " RIG_PATH " HTTP/1.1\r\nHost: x\r\n" headers LENGTH "\r\n" RIG_JOB

#define PUBLISHED POST(AUTH ID SIGNATURE)

#define EXCHANGE(text) rig_exchange(&rig, (text), sizeof(text) - 1)

START_TEST(test_published_example)
{
    struct rig_answer got;

    ck_assert_uint_eq(strlen(RIG_JOB), 139);
    got = EXCHANGE(PUBLISHED);
    ck_assert_int_eq(got.status, 202);
    ck_assert_str_eq(got.body, "{\"status\":\"accepted\"}");
    ck_assert_ptr_nonnull(strstr(got.head, "Content-Type: application/json\r\n"));
    ck_assert(!got.closed);
    got = EXCHANGE(PUBLISHED);
    ck_assert_int_eq(got.status, 200);
    ck_assert_str_eq(got.body, "{\"status\":\"duplicate\"}");
    ck_assert_uint_eq(atomic_load(&rig.writer->stored), 1);
    ck_assert_uint_eq(rig_count(&rig, REASON_ACCEPTED), 1);
    ck_assert_uint_eq(rig_count(&rig, REASON_DUPLICATE), 1);
}
END_TEST

START_TEST(test_conflict)
{
    char text[1024];
    int n = rig_callback(text, sizeof(text), RIG_PATH, RIG_URL, RIG_SECRET, RIG_ID,
        "{\"job_id\":\"2\",\"type\":\"t\",\"status\":\"s\",\"created_at\":\"2025-01-01T00:00:00Z\","
        "\"updated_at\":\"2025-01-01T00:00:00Z\"}",
        AUTH);
    struct rig_answer got;

    ck_assert_int_eq(EXCHANGE(PUBLISHED).status, 202);
    got = rig_exchange(&rig, text, (size_t)n);
    ck_assert_int_eq(got.status, 200);
    ck_assert_str_eq(got.body, "{\"status\":\"duplicate\"}");
    ck_assert_uint_eq(rig_count(&rig, REASON_CONFLICT), 1);
}
END_TEST

/* Requests that are refused before anything is stored. */
static const struct {
    const char *text;
    size_t length; /* 0: up to the NUL */
    int want_status;
    enum reason want_reason;
    bool want_close;
    const char *want_header;
} refused[] = {
    {"GET / HTTP/1.1\r\n\r\n", 0, 400, REASON_FRAMING, true, NULL},
    {"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 0, 400, REASON_FRAMING, true, NULL},
    {"POST /a b HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 0, 400, REASON_FRAMING, true,
        NULL},
    {"POST  /ids HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 0, 400, REASON_FRAMING, true,
        NULL},
    {"POST http://x/ids HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 0, 400, REASON_FRAMING,
        true, NULL},
    {"POST /ids HTTP/1.9\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 0, 400, REASON_FRAMING, true,
        NULL},
    {POST(AUTH ID SIGNATURE LENGTH), 0, 400, REASON_FRAMING, true, NULL},
    {POST(AUTH ID SIGNATURE "Content-Length : 5\r\n"), 0, 400, REASON_FRAMING, true, NULL},
    {POST(AUTH ID SIGNATURE "Transfer-Encoding: chunked\r\n"), 0, 400, REASON_FRAMING, true, NULL},
    {"POST /ids HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n", 0, 400, REASON_FRAMING,
        true, NULL},
    {"POST /ids HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 0, 400,
        REASON_FRAMING, true, NULL},
    {POST(AUTH ID SIGNATURE "X: a\rb\r\n"), 0, 400, REASON_FRAMING, true, NULL},
    {POST(AUTH ID SIGNATURE "X: a\r\n b\r\n"), 0, 400, REASON_FRAMING, true, NULL},
    {POST(AUTH ID SIGNATURE "X: a\n"), 0, 400, REASON_FRAMING, true, NULL},
    {POST(AUTH ID SIGNATURE "X: a\0b\r\n"), sizeof(POST(AUTH ID SIGNATURE "X: a\0b\r\n")) - 1, 400,
        REASON_FRAMING, true, NULL},
    {POST(AUTH ID SIGNATURE "X\r\n"), 0, 400, REASON_FRAMING, true, NULL},
    {"POST /ids\0x HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
        sizeof("POST /ids\0x HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n") - 1, 400,
        REASON_FRAMING, true, NULL},
    {"POST /ids HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 0, 400,
        REASON_FRAMING, true, NULL},
    {"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", 0, 404, REASON_PATH, false,
        NULL},
    {"POST /%69ds HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", 0, 404, REASON_PATH, false,
        NULL},
    {"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", 0, 404, REASON_PATH, false,
        NULL},
    {"GET " RIG_PATH " HTTP/1.1\r\nHost: x\r\n\r\n", 0, 405, REASON_METHOD, false,
        "Allow: POST\r\n"},
    {"POST " RIG_PATH " HTTP/1.1\r\nHost: x\r\nContent-Length: 4097\r\n\r\n", 0, 413,
        REASON_TOO_LARGE, true, NULL},
    {POST(ID SIGNATURE), 0, 401, REASON_TOKEN_MISSING, false, "WWW-Authenticate: Bearer\r\n"},
    {POST("Authorization: Bearer x\r\n" ID SIGNATURE), 0, 401, REASON_TOKEN_WRONG, false,
        "WWW-Authenticate: Bearer\r\n"},
    {POST(AUTH AUTH ID SIGNATURE), 0, 401, REASON_TOKEN_WRONG, false,
        "WWW-Authenticate: Bearer\r\n"},
    {POST(AUTH SIGNATURE), 0, 400, REASON_ID_MISSING, false, NULL},
    {POST(AUTH ID ID SIGNATURE), 0, 400, REASON_ID_MALFORMED, false, NULL},
    {POST(AUTH "SASHA-Request-ID: a{b\r\n" SIGNATURE), 0, 400, REASON_ID_MALFORMED, false, NULL},
    {POST(AUTH ID), 0, 401, REASON_SIGNATURE_MISSING, false, "WWW-Authenticate: Bearer\r\n"},
    {POST(AUTH ID "SASHA-Request-Signature: abc\r\n"), 0, 401, REASON_SIGNATURE_MALFORMED, false,
        "WWW-Authenticate: Bearer\r\n"},
    {POST(AUTH "SASHA-Request-ID: other\r\n" SIGNATURE), 0, 401, REASON_SIGNATURE_WRONG, false,
        "WWW-Authenticate: Bearer\r\n"},
    {"POST /ids HTTP/1.1\r\nHost: x\r\n" ID SIGNATURE
     "SASHA-Callback-Secret-ID: nope\r\nContent-Length: 2\r\n\r\n{}",
        0, 401, REASON_SECRET_UNKNOWN, false, "WWW-Authenticate: Bearer\r\n"},
};

START_TEST(test_refused)
{
    const size_t i = (size_t)_i;
    const size_t length = refused[i].length != 0 ? refused[i].length : strlen(refused[i].text);
    int fd = rig_connect(&rig);
    struct rig_answer got;

    rig_send(fd, refused[i].text, length);
    got = rig_receive(fd, false);
    ck_assert_int_eq(got.status, refused[i].want_status);
    ck_assert_int_eq(got.closed, refused[i].want_close);
    ck_assert_int_eq(strstr(got.head, "\r\nConnection: close\r\n") != NULL, got.closed);
    if (refused[i].want_header != NULL)
        ck_assert_msg(strstr(got.head, refused[i].want_header) != NULL, "%s", got.head);
    RIG_WAIT(rig_count(&rig, refused[i].want_reason) == 1);
    if (got.closed) {
        ck_assert(rig_is_closed(fd));
    } else {
        /* The connection is good for the next request. */
        rig_send_text(fd, PUBLISHED);
        got = rig_receive(fd, false);
        ck_assert_int_eq(got.status, 202);
    }
    ck_assert_uint_eq(atomic_load(&rig.writer->posted), got.status == 202 ? 1 : 0);
    close(fd);
}
END_TEST

START_TEST(test_job_malformed_and_stale)
{
    char text[1024];
    struct rig_answer got;
    int n;

    n = rig_callback(
        text, sizeof(text), RIG_PATH, RIG_URL, RIG_SECRET, "x", "{\"job_id\":1}", AUTH);
    got = rig_exchange(&rig, text, (size_t)n);
    ck_assert_int_eq(got.status, 400);
    ck_assert_uint_eq(rig_count(&rig, REASON_JOB_MALFORMED), 1);
    n = rig_callback(
        text, sizeof(text), "/aged", "https://aged.example/aged", RIG_SECRET, "x", RIG_JOB, "");
    got = rig_exchange(&rig, text, (size_t)n);
    ck_assert_int_eq(got.status, 403);
    ck_assert_uint_eq(rig_count(&rig, REASON_STALE), 1);
}
END_TEST

START_TEST(test_unauthorized_is_the_same_bytes)
{
    static const char *const texts[] = {
        POST(ID SIGNATURE),
        POST("Authorization: Bearer x\r\n" ID SIGNATURE),
        POST("Authorization: Basic eDp4\r\n" ID SIGNATURE),
        POST(AUTH ID),
        POST(AUTH ID "SASHA-Request-Signature: abc\r\n"),
        POST(AUTH "SASHA-Request-ID: other\r\n" SIGNATURE),
        "POST /ids HTTP/1.1\r\nHost: x\r\n" ID SIGNATURE
        "SASHA-Callback-Secret-ID: nope\r\nContent-Length: 2\r\n\r\n{}",
        "POST /ids HTTP/1.1\r\nHost: x\r\n" ID SIGNATURE "SASHA-Callback-Secret-ID: ID-2\r\n" LENGTH
        "\r\n" RIG_JOB,
    };
    const struct rig_answer want = rig_exchange(&rig, texts[0], strlen(texts[0]));

    ck_assert_int_eq(want.status, 401);
    for (size_t i = 1; i < sizeof(texts) / sizeof(texts[0]); i++) {
        const struct rig_answer got = rig_exchange(&rig, texts[i], strlen(texts[i]));

        ck_assert_str_eq(got.head, want.head);
        ck_assert_str_eq(got.body, want.body);
    }
}
END_TEST

START_TEST(test_secrets_with_ids)
{
    char text[1024];
    int n = rig_callback(text, sizeof(text), "/ids", "https://ids.example/ids", RIG_OTHER_SECRET,
        "x", RIG_JOB, "SASHA-Callback-Secret-ID: ID-2\r\n");

    ck_assert_int_eq(rig_exchange(&rig, text, (size_t)n).status, 202);
}
END_TEST

START_TEST(test_store_says_no)
{
    struct rig_answer got;

    atomic_store(&rig.writer->mode, RIG_WRITER_REFUSE);
    got = EXCHANGE(PUBLISHED);
    ck_assert_int_eq(got.status, 503);
    ck_assert_ptr_nonnull(strstr(got.head, "Retry-After: "));
    atomic_store(&rig.writer->mode, RIG_WRITER_FAILED);
    got = EXCHANGE(PUBLISHED);
    ck_assert_int_eq(got.status, 503);
    ck_assert_uint_eq(rig_count(&rig, REASON_STORE), 2);
    ck_assert_uint_eq(rig_count(&rig, REASON_ACCEPTED), 0);
}
END_TEST

START_TEST(test_health)
{
    int fd = rig_connect(&rig);
    struct rig_answer got;

    rig_send_text(fd, "GET /healthz?x=1 HTTP/1.1\r\nHost: x\r\n\r\n");
    got = rig_receive(fd, false);
    ck_assert_int_eq(got.status, 200);
    ck_assert_str_eq(got.body, "{\"status\":\"ok\"}");
    rig_send_text(fd, "HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    ck_assert_int_eq(rig_receive(fd, true).status, 200);
    rig_send_text(fd, "GET /healthz HTTP/1.0\r\n\r\n");
    got = rig_receive(fd, false);
    ck_assert_int_eq(got.status, 200);
    ck_assert(got.closed);
    ck_assert(rig_is_closed(fd));
    close(fd);
}
END_TEST

START_TEST(test_body_in_every_shape)
{
    static const char chunked[] = "POST " RIG_PATH " HTTP/1.1\r\nHost: x\r\n" AUTH ID SIGNATURE
                                  "Transfer-Encoding: chunked\r\n\r\n";
    int fd = rig_connect(&rig);
    char chunk[64];

    /* One byte a segment. */
    for (const char *p = PUBLISHED; *p != '\0'; p++)
        rig_send(fd, p, 1);
    ck_assert_int_eq(rig_receive(fd, false).status, 202);

    /* Chunks of seven bytes, with an extension and a trailer. */
    rig_send_text(fd, chunked);
    for (size_t i = 0; i < strlen(RIG_JOB); i += 7) {
        snprintf(chunk, sizeof(chunk), "%zx;a=b\r\n%.7s\r\n",
            strlen(RIG_JOB) - i < 7 ? strlen(RIG_JOB) - i : (size_t)7, &RIG_JOB[i]);
        rig_send_text(fd, chunk);
    }
    rig_send_text(fd, "0\r\nX: y\r\n\r\n");
    ck_assert_int_eq(rig_receive(fd, false).status, 200);
    ck_assert(rig_is_closed(fd));
    close(fd);
    fd = rig_connect(&rig);

    /* The client waits to be asked for the body. */
    rig_send_text(fd, "POST " RIG_PATH " HTTP/1.1\r\nHost: x\r\n" AUTH ID SIGNATURE LENGTH
                      "Expect: 100-continue\r\n\r\n");
    ck_assert_int_eq(rig_receive(fd, true).status, 100);
    rig_send_text(fd, RIG_JOB);
    ck_assert_int_eq(rig_receive(fd, false).status, 200);

    /* Two at once. */
    rig_send_text(fd, PUBLISHED PUBLISHED);
    ck_assert_int_eq(rig_receive(fd, false).status, 200);
    ck_assert_int_eq(rig_receive(fd, false).status, 200);
    close(fd);
}
END_TEST

/* libmicrohttpd ends the line of a chunk at a bare line feed, where others see an extension that
 * goes on: to them the second request is the first one's body. */
START_TEST(test_nothing_follows_a_chunked_body)
{
    static const char *const bodies[] = {
        "5;a\nhello\r\n0\r\n\r\n" PUBLISHED,
        "5\nhello\n0\n\n" PUBLISHED,
        "5\r\nhello\r\n0\r\nContent-Length: 5\r\nX: y\n z\r\n\r\n" PUBLISHED,
        "5\r\nhello\r\n0\r\n\r\n" PUBLISHED,
    };

    for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
        int fd = rig_connect(&rig);

        rig_send_text(fd, "POST " RIG_PATH " HTTP/1.1\r\nHost: x\r\n" AUTH ID SIGNATURE
                          "Transfer-Encoding: chunked\r\n\r\n");
        rig_send_text(fd, bodies[i]);
        ck_assert_int_eq(rig_receive(fd, false).status, 401);
        ck_assert(rig_is_closed(fd));
        close(fd);
    }
    ck_assert_uint_eq(atomic_load(&rig.writer->posted), 0);
}
END_TEST

static uint64_t count_all(void)
{
    uint64_t n = 0;

    for (enum reason reason = 0; reason < REASON_COUNT; reason++)
        n += rig_count(&rig, reason);
    return n;
}

/* libmicrohttpd reads these trailers in one way when their first line comes in one piece, and in
 * another when it does not (request.h). Which of the two outcomes it is shall not matter. */
START_TEST(test_odd_trailer_has_one_outcome)
{
    static const char *const trailers[] = {
        " X\r\n\r\n" PUBLISHED,
        "\tX\r\n\r\n" PUBLISHED,
        " X: y\r\n\r\n" PUBLISHED,
        ":X\r\n\r\n" PUBLISHED,
        ":X\r\nno colon\r\n\r\n" PUBLISHED,
    };
    const char *trailer = trailers[_i % 5];
    const size_t piece = _i < 5 ? strlen(trailer) : 1;
    int fd = rig_connect(&rig);
    int status;

    rig_send_text(fd, "POST " RIG_PATH " HTTP/1.1\r\nHost: x\r\n" AUTH ID SIGNATURE
                      "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n");
    for (; *trailer != '\0'; trailer += piece) {
        if (!rig_send(fd, trailer, piece))
            break; /* closed: it has what it needs */
    }
    status = rig_receive(fd, false).status;
    ck_assert(status == 400 || status == 401);
    ck_assert(rig_is_closed(fd));
    close(fd);
    RIG_WAIT(atomic_load(&intake_stats(rig.intake)->open_connections) == 0);
    ck_assert_uint_eq(rig_count(&rig, REASON_FRAMING), status == 400);
    ck_assert_uint_eq(rig_count(&rig, REASON_SIGNATURE_WRONG), status == 401);
    ck_assert_uint_eq(count_all(), 1);
    ck_assert_uint_eq(atomic_load(&rig.writer->posted), 0);
}
END_TEST

/* Refused for its head, then for a chunk that libmicrohttpd answers by itself. */
START_TEST(test_one_request_has_one_outcome)
{
    int fd = rig_connect(&rig);

    rig_send_text(fd, "POST " RIG_PATH " HTTP/1.1\r\nHost: x\r\n" ID SIGNATURE
                      "Transfer-Encoding: chunked\r\n\r\nxyz\r\n");
    ck_assert_int_eq(rig_receive(fd, false).status, 400);
    ck_assert(rig_is_closed(fd));
    close(fd);
    RIG_WAIT(atomic_load(&intake_stats(rig.intake)->open_connections) == 0);
    ck_assert_uint_eq(rig_count(&rig, REASON_FRAMING), 1);
    ck_assert_uint_eq(rig_count(&rig, REASON_TOKEN_MISSING), 0);
}
END_TEST

START_TEST(test_half_closed_client_is_answered)
{
    int fd, others[8];

    /* Older connections: libmicrohttpd looks after the oldest one of all in a way of its own. */
    for (int i = 0; i < 8; i++)
        others[i] = rig_connect(&rig);
    RIG_WAIT(atomic_load(&intake_stats(rig.intake)->open_connections) == 8);
    fd = rig_connect(&rig);
    atomic_store(&rig.writer->mode, RIG_WRITER_HOLD);
    rig_send_text(fd, PUBLISHED);
    shutdown(fd, SHUT_WR);
    RIG_WAIT(atomic_load(&rig.writer->posted) == 1);
    atomic_store(&rig.writer->mode, RIG_WRITER_OK);
    ck_assert_int_eq(rig_receive(fd, false).status, 202);
    ck_assert(rig_is_closed(fd));
    close(fd);
    for (int i = 0; i < 8; i++)
        close(others[i]);
}
END_TEST

/* A chunked body shows its size only on the way; the answer comes although the client goes on. */
START_TEST(test_chunked_too_large)
{
    static const char head[] = "POST " RIG_PATH " HTTP/1.1\r\nHost: x\r\n" AUTH ID SIGNATURE
                               "Transfer-Encoding: chunked\r\n\r\n";
    char chunk[5 + 1024 + 2];
    struct rig_answer got;
    int fd = rig_connect(&rig);

    memset(chunk, ' ', sizeof(chunk));
    memcpy(chunk, "400\r\n", 5);
    memcpy(chunk + sizeof(chunk) - 2, "\r\n", 2);
    rig_send_text(fd, head);
    for (int i = 0; i < 64; i++)
        ck_assert(rig_send(fd, chunk, sizeof(chunk)));
    got = rig_receive(fd, false);
    ck_assert_int_eq(got.status, 413);
    ck_assert(got.closed);
    ck_assert_ptr_nonnull(strstr(got.head, "HTTP/1.1 413 "));
    ck_assert(rig_is_closed(fd));
    ck_assert_uint_eq(rig_count(&rig, REASON_TOO_LARGE), 1);
    close(fd);
}
END_TEST

/* To the byte: the signature does not fit, which is found out once all is there. */
START_TEST(test_chunked_of_just_max_body)
{
    static const char head[] = "POST " RIG_PATH " HTTP/1.1\r\nHost: x\r\n" AUTH ID SIGNATURE
                               "Transfer-Encoding: chunked\r\n\r\n";
    const int size = RIG_MAX_BODY + _i;
    char text[RIG_MAX_BODY + 64];
    struct rig_answer got;
    int fd = rig_connect(&rig);
    int n = snprintf(text, sizeof(text), "%x\r\n%*s\r\n0\r\n\r\n", (unsigned int)size, size, "");

    rig_send_text(fd, head);
    rig_send(fd, text, (size_t)n);
    got = rig_receive(fd, false);
    ck_assert_int_eq(got.status, _i == 0 ? 401 : 413);
    close(fd);
}
END_TEST

/* The answer survives although the body is never read. */
START_TEST(test_large_body_gets_its_answer)
{
    static char body[512 << 10];
    struct rig_answer got;
    int fd = rig_connect(&rig);
    char head[256];

    snprintf(head, sizeof(head), "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n",
        _i == 0 ? RIG_PATH : "/nowhere", sizeof(body));
    rig_send_text(fd, head);
    ck_assert(rig_send(fd, body, sizeof(body))); /* read away, not reset */
    got = rig_receive(fd, false);
    ck_assert_int_eq(got.status, _i == 0 ? 413 : 404);
    ck_assert(got.closed);
    ck_assert(rig_is_closed(fd));
    close(fd);
}
END_TEST

START_TEST(test_headers_beyond_memory)
{
    static char value[16 << 10];
    int fd = rig_connect(&rig);

    memset(value, 'x', sizeof(value) - 1);
    rig_send_text(fd, "POST " RIG_PATH " HTTP/1.1\r\nHost: x\r\nX: ");
    rig_send_text(fd, value);
    rig_send_text(fd, "\r\n\r\n");
    ck_assert_int_eq(rig_receive(fd, false).status, 431);
    RIG_WAIT(rig_count(&rig, REASON_FRAMING) == 1);
    close(fd);
}
END_TEST

/* What a single field may be beside as many others as there may be, each 32 bytes. */
START_TEST(test_long_header)
{
    static char text[16 << 10];
    int fd = rig_connect(&rig), n = 0;

    n +=
        snprintf(text, sizeof(text), "POST " RIG_PATH " HTTP/1.1\r\nHost: x\r\n" AUTH ID SIGNATURE);
    for (int i = 0; i < 64 - 6; i++)
        n += snprintf(text + n, sizeof(text) - (size_t)n, "X-%02d: %024d\r\n", i, i);
    n += snprintf(text + n, sizeof(text) - (size_t)n, "X: %08192d\r\n", 0);
    n += snprintf(text + n, sizeof(text) - (size_t)n, LENGTH "\r\n" RIG_JOB);
    ck_assert_int_lt(n, (int)sizeof(text));
    rig_send_text(fd, text);
    ck_assert_int_eq(rig_receive(fd, false).status, 202);
    rig_send_text(fd, text); /* the next one has as much */
    ck_assert_int_eq(rig_receive(fd, false).status, 200);
    close(fd);
}
END_TEST

START_TEST(test_most_headers)
{
    char text[8192];
    int fd = rig_connect(&rig), n = 0;

    /* The published request has five fields and a Host. */
    n +=
        snprintf(text, sizeof(text), "POST " RIG_PATH " HTTP/1.1\r\nHost: x\r\n" AUTH ID SIGNATURE);
    for (int i = 0; i < 64 - 5 + _i; i++)
        n += snprintf(text + n, sizeof(text) - (size_t)n, "X-%d: %d\r\n", i, i);
    snprintf(text + n, sizeof(text) - (size_t)n, LENGTH "\r\n" RIG_JOB);
    rig_send_text(fd, text);
    ck_assert_int_eq(rig_receive(fd, false).status, _i == 0 ? 202 : 400);
    close(fd);
}
END_TEST

START_TEST(test_unix_socket)
{
    char address[64];
    struct rig other;

    snprintf(address, sizeof(address), "unix:/tmp/test-intake-%d.sock", getpid());
    rig_init(&other);
    rig_start(&other, address);
    ck_assert_str_eq(other.name, address);
    ck_assert_int_eq(rig_exchange(&other, PUBLISHED, sizeof(PUBLISHED) - 1).status, 202);
    ck_assert_int_eq(rig_exchange(&other, "GET / HTTP/1.1\r\n\r\n", 18).status, 400);
    rig_stop(&other);
    unlink(address + 5);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("intake");
    TCase *core = tcase_create("core"), *limits = tcase_create("limits"),
          *errors = tcase_create("errors");

    tcase_add_checked_fixture(core, setup, teardown);
    tcase_add_test(core, test_published_example);
    tcase_add_test(core, test_conflict);
    tcase_add_test(core, test_secrets_with_ids);
    tcase_add_test(core, test_health);
    tcase_add_test(core, test_body_in_every_shape);
    tcase_add_test(core, test_nothing_follows_a_chunked_body);
    tcase_add_loop_test(core, test_odd_trailer_has_one_outcome, 0, 10);
    tcase_add_test(core, test_one_request_has_one_outcome);
    tcase_add_test(core, test_half_closed_client_is_answered);
    tcase_add_test(core, test_unix_socket);
    suite_add_tcase(s, core);

    tcase_add_checked_fixture(limits, setup, teardown);
    tcase_add_test(limits, test_chunked_too_large);
    tcase_add_loop_test(limits, test_chunked_of_just_max_body, 0, 2);
    tcase_add_loop_test(limits, test_large_body_gets_its_answer, 0, 2);
    tcase_add_test(limits, test_headers_beyond_memory);
    tcase_add_test(limits, test_long_header);
    tcase_add_loop_test(limits, test_most_headers, 0, 2);
    suite_add_tcase(s, limits);

    tcase_add_checked_fixture(errors, setup, teardown);
    tcase_add_loop_test(errors, test_refused, 0, (int)(sizeof(refused) / sizeof(refused[0])));
    tcase_add_test(errors, test_job_malformed_and_stale);
    tcase_add_test(errors, test_unauthorized_is_the_same_bytes);
    tcase_add_test(errors, test_store_says_no);
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
