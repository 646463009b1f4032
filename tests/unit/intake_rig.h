#pragma once

/*
 * What the tests of the intake share: a real intake on a loopback port or a unix socket, a writer
 * that does what the test says, and a client that speaks raw bytes.
 *
 * The writer here takes the place of store/writer.c at link time. It keeps the digests of what it
 * stored, so that it tells duplicates and conflicts, works on a thread of its own like the real
 * one, and can hold, refuse or fail.
 */

#include "intake/intake.h"
#include "verify/sign.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define RIG __attribute__((unused)) static

#define RIG_TOKEN "partner-token-0123456789"
#define RIG_SECRET "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI="
#define RIG_OTHER_SECRET "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY="
#define RIG_MAX_BODY 4096
#define RIG_PATH "/callbacks/sasha-job-update"
#define RIG_URL "https://your-app.com" RIG_PATH
#define RIG_ID "aa-b-c-d-ee"
#define RIG_JOB                                                                       \
    "{\"job_id\":\"1234567890\",\"type\":\"embed-signature\",\"status\":\"pending\"," \
    "\"created_at\":\"2025-01-01T00:00:00Z\",\"updated_at\":\"2025-01-01T00:00:00Z\"}"
#define RIG_SIGNATURE "d7137c82af30e6db405ad73b4a0c11442e8e228b4d05fde2e84228b99508ae2c"

/* ---- the writer ---- */

enum rig_writer_mode {
    RIG_WRITER_OK,
    RIG_WRITER_HOLD,   /* keeps what comes until the mode changes */
    RIG_WRITER_REFUSE, /* a batch that could not be stored */
    RIG_WRITER_FAILED,
};

#define RIG_STORED_MAX 65536

struct store_writer {
    struct mailbox mailbox;
    pthread_t thread;
    _Atomic enum rig_writer_mode mode;
    _Atomic bool stop;
    _Atomic bool lingers; /* has something left to do after it gave a verdict back */
    _Atomic bool let_go;  /* did it */
    _Atomic unsigned int posted;
    _Atomic int expected;              /* how many said that they will post the last of something */
    _Atomic unsigned int expectations; /* how often somebody did */
    _Atomic unsigned int stored;
    struct digest ids[RIG_STORED_MAX], bodies[RIG_STORED_MAX];
};

RIG enum store_verdict rig_judge(struct store_writer *writer, const struct delivery *delivery)
{
    const unsigned int n = atomic_load(&writer->stored);

    for (unsigned int i = 0; i < n; i++) {
        if (memcmp(&writer->ids[i], &delivery->id_digest, sizeof(struct digest)) == 0)
            return memcmp(&writer->bodies[i], &delivery->body_digest, sizeof(struct digest)) == 0
                       ? STORE_VERDICT_DUPLICATE
                       : STORE_VERDICT_CONFLICT;
    }
    ck_assert_uint_lt(n, RIG_STORED_MAX);
    writer->ids[n] = delivery->id_digest;
    writer->bodies[n] = delivery->body_digest;
    atomic_store(&writer->stored, n + 1);
    return STORE_VERDICT_STORED;
}

RIG void rig_give_back(struct store_work *work)
{
    if (work->done)
        work->done(work);
    else
        mailbox_post(work->reply_to, &work->item);
}

RIG void rig_work(struct store_writer *writer, struct store_work *work)
{
    if (work->kind == STORE_WORK_CALL) {
        rig_give_back(work);
        return;
    }
    switch (atomic_load(&writer->mode)) {
    case RIG_WRITER_OK:
    case RIG_WRITER_HOLD:
        work->result = STORE_OK;
        work->append.verdict = rig_judge(writer, work->append.delivery);
        break;
    case RIG_WRITER_REFUSE:
        work->result = STORE_OK;
        work->append.verdict = STORE_VERDICT_REFUSED;
        break;
    case RIG_WRITER_FAILED:
        /* The verdict must not count without the result. */
        work->result = STORE_FAILED;
        work->append.verdict = STORE_VERDICT_STORED;
        break;
    }
    rig_give_back(work);
    if (atomic_load(&writer->lingers)) {
        usleep(100000);
        atomic_store(&writer->let_go, true);
    }
}

RIG void *rig_writer_run(void *context)
{
    struct store_writer *writer = context;
    struct mailbox_item *held = NULL, **tail = &held;

    while (!atomic_load(&writer->stop) || held != NULL) {
        struct pollfd wait = {.fd = writer->mailbox.fd, .events = POLLIN};

        (void)poll(&wait, 1, 10);
        *tail = mailbox_take(&writer->mailbox);
        while (*tail != NULL)
            tail = &(*tail)->next;
        if (atomic_load(&writer->mode) == RIG_WRITER_HOLD)
            continue;
        while (held != NULL) {
            struct mailbox_item *next = held->next;

            rig_work(writer, MAILBOX_CONTAINER(held, struct store_work, item));
            held = next;
        }
        tail = &held;
    }
    return NULL;
}

void store_writer_post_list(struct store_writer *writer, struct mailbox_list *works)
{
    for (struct mailbox_item *item = works->first; item != NULL; item = item->next) {
        const int more = MAILBOX_CONTAINER(item, struct store_work, item)->more;

        atomic_fetch_add(&writer->posted, 1);
        atomic_fetch_add(&writer->expected, more);
        if (more > 0)
            atomic_fetch_add(&writer->expectations, 1);
    }
    mailbox_post_list(&writer->mailbox, works);
}

struct rig_call {
    struct store_work work;
    sem_t done;
};

RIG void rig_call_done(struct store_work *work)
{
    sem_post(&MAILBOX_CONTAINER(work, struct rig_call, work)->done);
}

/* Only waits until it comes through. */
enum store_result store_writer_call(
    struct store_writer *writer, void (*call)(struct store *store, void *context), void *context)
{
    struct rig_call waiting = {.work = {.kind = STORE_WORK_CALL, .done = rig_call_done}};

    sem_init(&waiting.done, 0, 0);
    mailbox_post(&writer->mailbox, &waiting.work.item);
    sem_wait(&waiting.done);
    sem_destroy(&waiting.done);
    return STORE_OK;
}

/* ---- the intake ---- */

struct rig {
    struct store_writer *writer;
    struct intake *intake;
    struct intake_options options;
    int listen_fd;
    char name[160]; /* "127.0.0.1:4711" or "unix:/…" */
};

RIG struct secret_key rig_key(const char *text)
{
    struct secret_key key = {0};

    ck_assert_int_eq(secret_decode(text, strlen(text), SECRET_BASE64, &key, NULL), 0);
    return key;
}

/* Endpoints: "main" (token, one secret), "ids" (two secrets with ids, no token), "aged" (max_age).
 */
struct rig_rules {
    const char *tokens[2];
    struct verify_secret_options main_secrets[1], ids_secrets[2];
    struct verify_endpoint_options endpoints[3];
    struct verify_options options;
};

RIG void rig_rules_init(struct rig_rules *rules, const char *token)
{
    memset(rules, 0, sizeof(*rules));
    rules->tokens[0] = token;
    rules->main_secrets[0] = (struct verify_secret_options){"current", NULL, rig_key(RIG_SECRET)};
    rules->ids_secrets[0] = (struct verify_secret_options){"one", "ID-1", rig_key(RIG_SECRET)};
    rules->ids_secrets[1] =
        (struct verify_secret_options){"two", "ID-2", rig_key(RIG_OTHER_SECRET)};
    rules->endpoints[0] = (struct verify_endpoint_options){
        "main", RIG_URL, RIG_PATH, rules->tokens, 1, rules->main_secrets, 1, USEC_INFINITY};
    rules->endpoints[1] = (struct verify_endpoint_options){
        "ids", "https://ids.example/ids", "/ids", NULL, 0, rules->ids_secrets, 2, USEC_INFINITY};
    rules->endpoints[2] = (struct verify_endpoint_options){"aged", "https://aged.example/aged",
        "/aged", NULL, 0, rules->main_secrets, 1, USEC_PER_HOUR};
    rules->options = (struct verify_options){rules->endpoints, 3};
}

/* Sets the defaults; the test may change rig->options before rig_start. */
RIG void rig_init(struct rig *rig)
{
    struct error error = ERROR_INIT;

    memset(rig, 0, sizeof(*rig));
    rig->writer = calloc(1, sizeof(*rig->writer));
    ck_assert_ptr_nonnull(rig->writer);
    ck_assert_int_eq(mailbox_init(&rig->writer->mailbox, &error), 0);
    ck_assert_int_eq(pthread_create(&rig->writer->thread, NULL, rig_writer_run, rig->writer), 0);
    rig->options = (struct intake_options){
        .n_listen_fds = 1,
        .workers = 2,
        .max_body = RIG_MAX_BODY,
        .max_connections = 512,
        .header_timeout_usec = 5 * USEC_PER_SEC,
        .body_timeout_usec = 5 * USEC_PER_SEC,
        .idle_timeout_usec = 5 * USEC_PER_SEC,
        .commit_timeout_usec = 5 * USEC_PER_SEC,
        .writer = rig->writer,
        .clock = clock_system(),
    };
}

RIG void rig_start(struct rig *rig, const char *address)
{
    struct error error = ERROR_INIT;
    struct rig_rules rules;

    rig_rules_init(&rules, RIG_TOKEN);
    ck_assert_msg(intake_listen(address, &rig->listen_fd, &error) == 0, "%s", error.text);
    intake_listen_name(rig->listen_fd, rig->name, sizeof(rig->name));
    rig->options.listen_fds = &rig->listen_fd;
    rig->options.verify = &rules.options;
    ck_assert_msg(intake_start(&rig->options, &rig->intake, &error) == 0, "%s", error.text);
}

/* Ends the intake if it still runs, then the writer; every work must have come back. */
RIG void rig_stop(struct rig *rig)
{
    struct store_writer *writer = rig->writer;

    if (rig->intake != NULL)
        intake_stop(rig->intake, USEC_PER_SEC);
    ck_assert_int_eq(atomic_load(&writer->expected), 0);
    atomic_store(&writer->mode, RIG_WRITER_OK);
    atomic_store(&writer->stop, true);
    mailbox_wake(&writer->mailbox);
    pthread_join(writer->thread, NULL);
    mailbox_done(&writer->mailbox);
    free(writer);
}

/* Waits until `condition` holds, at most 5 s. */
#define RIG_WAIT(condition)                         \
    do {                                            \
        int rig_left_ = 5000;                       \
        while (!(condition) && rig_left_-- > 0)     \
            usleep(1000);                           \
        ck_assert_msg(condition, "%s", #condition); \
    } while (0)

RIG uint64_t rig_count(const struct rig *rig, enum reason reason)
{
    return atomic_load(&intake_stats(rig->intake)->reasons[reason]);
}

/* ---- the client ---- */

/* -1 with errno when refused. */
RIG int rig_try_connect(const char *name)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct sockaddr_in in = {.sin_family = AF_INET};
    const struct timeval limit = {.tv_sec = 10};
    const bool is_unix = strncmp(name, "unix:", 5) == 0;
    int fd = socket(is_unix ? AF_UNIX : AF_INET, SOCK_STREAM, 0), r;

    ck_assert_int_ge(fd, 0);
    if (is_unix) {
        snprintf(un.sun_path, sizeof(un.sun_path), "%s", name + 5);
        r = connect(fd, (struct sockaddr *)&un, sizeof(un));
    } else {
        in.sin_port = htons((uint16_t)atoi(strrchr(name, ':') + 1));
        in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        r = connect(fd, (struct sockaddr *)&in, sizeof(in));
    }
    if (r < 0) {
        int code = errno;

        close(fd);
        errno = code;
        return -1;
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    return fd;
}

RIG int rig_connect(const struct rig *rig)
{
    int fd = rig_try_connect(rig->name);

    ck_assert_msg(fd >= 0, "connect: %s", strerror(errno));
    return fd;
}

/* False when the other side has seen enough; what it answered tells. */
RIG bool rig_send(int fd, const void *data, size_t length)
{
    size_t sent = 0;

    while (sent < length) {
        ssize_t n = send(fd, (const char *)data + sent, length - sent, MSG_NOSIGNAL);

        if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
            return false;
        ck_assert_msg(n > 0, "send: %s", strerror(errno));
        sent += (size_t)n;
    }
    return true;
}

RIG void rig_send_text(int fd, const char *text)
{
    rig_send(fd, text, strlen(text));
}

struct rig_answer {
    int status;      /* 0: the connection ended without an answer */
    bool closed;     /* says Connection: close */
    char head[2048]; /* with the status line, without the Date */
    char body[2048];
    int error; /* errno of a failed read, e.g. ECONNRESET */
};

RIG void rig_cut_line(char *head, const char *name)
{
    char *line = strstr(head, name), *end;

    if (line != NULL && (end = strstr(line, "\r\n")) != NULL)
        memmove(line, end + 2, strlen(end + 2) + 1);
}

/* Reads exactly one answer. */
RIG struct rig_answer rig_receive(int fd, bool is_head)
{
    struct rig_answer answer = {0};
    char text[sizeof(answer.head)];
    size_t length = 0, body = 0;
    const char *end = NULL, *size;

    while (end == NULL && length < sizeof(text) - 1) {
        ssize_t n = recv(fd, text + length, 1, 0);

        if (n <= 0) {
            answer.error = n < 0 ? errno : 0;
            return answer;
        }
        length++;
        text[length] = '\0';
        if (length >= 4 && memcmp(text + length - 4, "\r\n\r\n", 4) == 0)
            end = text + length;
    }
    memcpy(answer.head, text, length + 1);
    ck_assert_int_eq(sscanf(text, "HTTP/1.1 %d", &answer.status), 1);
    answer.closed = strstr(text, "Connection: close\r\n") != NULL;
    rig_cut_line(answer.head, "Date: ");
    size = strstr(text, "Content-Length: ");
    if (size != NULL && !is_head) {
        size_t want = (size_t)atoi(size + strlen("Content-Length: "));

        ck_assert_uint_lt(want, sizeof(answer.body));
        while (body < want) {
            ssize_t n = recv(fd, answer.body + body, want - body, 0);

            if (n <= 0) {
                answer.status = 0;
                answer.error = n < 0 ? errno : 0;
                return answer;
            }
            body += (size_t)n;
        }
    }
    return answer;
}

/* True when the peer closes in order, within the receive limit. */
RIG bool rig_is_closed(int fd)
{
    char byte;

    return recv(fd, &byte, 1, 0) == 0;
}

/* One request on a connection of its own. */
RIG struct rig_answer rig_exchange(const struct rig *rig, const void *data, size_t length)
{
    int fd = rig_connect(rig);
    struct rig_answer answer;

    rig_send(fd, data, length);
    answer = rig_receive(fd, false);
    close(fd);
    return answer;
}

/* A callback as SASHA sends it, to "main" unless `path` says otherwise. Signed for `url`. */
RIG int rig_callback(char *buffer, size_t size, const char *path, const char *url,
    const char *secret, const char *id, const char *body, const char *more_headers)
{
    const struct secret_key key = rig_key(secret);
    char signature[SIGNATURE_SIZE];
    int n;

    ck_assert_int_eq(sign_callback(&key, "POST", url, id, body, strlen(body), signature, NULL), 0);
    n = snprintf(buffer, size,
        "POST %s HTTP/1.1\r\nHost: your-app.com\r\nContent-Type: application/json\r\n"
        "SASHA-Request-ID: %s\r\nSASHA-Request-Signature: %s\r\n%sContent-Length: %zu\r\n\r\n%s",
        path, id, signature, more_headers, strlen(body), body);
    ck_assert_int_lt(n, (int)size);
    return n;
}

RIG int rig_good(char *buffer, size_t size, const char *id)
{
    return rig_callback(buffer, size, RIG_PATH, RIG_URL, RIG_SECRET, id, RIG_JOB,
        "Authorization: Bearer " RIG_TOKEN "\r\n");
}

RIG int64_t rig_now(void)
{
    return clock_monotonic(clock_system());
}
