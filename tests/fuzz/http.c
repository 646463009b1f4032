/*
 * Raw bytes of one connection into a whole intake worker (src/intake with libmicrohttpd), against a
 * reader that takes HTTP/1.1 word for word (RFC 9112) and stops at the first doubt.
 *
 * What must hold:
 * - never two requests out of one message: the worker counts no more outcomes other than refused
 *   framing than there are messages before the first doubt;
 * - the same bytes in small pieces have the same outcomes, but for one request at most, and that
 *   only where libmicrohttpd is known to read a trailer by how it comes
 * (is_trailer_split_dependent);
 * - whatever is stored was a message of its own;
 * - no body memory and no connection is left behind.
 *
 * One thread: the worker is not started but turned by hand, and the writer's verdict is there at
 * once. No fuzzer guesses a signature, so the endpoint reports instead of enforcing: what is
 * unsigned passes, and reaches the Job and the writer.
 *
 * Input: a byte that chooses the size of the pieces, then what the client sends.
 */

#include "fuzz.h"

#include "intake/commit.h"
#include "intake/spread.h"
#include "intake/worker.h"
#include "job/job.h"
#include "util/log.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MAX_BODY 4096
#define TARGET "/in"

/* ---- the writer, at once ---- */

struct store_writer {
    unsigned int stored;
};

void store_writer_post_list(struct store_writer *writer, struct mailbox_list *works)
{
    for (struct mailbox_item *next, *item = works->first; item; item = next) {
        struct store_work *work = MAILBOX_CONTAINER(item, struct store_work, item);

        next = item->next;
        FUZZ_CHECK(work->append.delivery->body_length > 0);
        writer->stored++;
        work->result = STORE_OK;
        work->append.verdict = STORE_VERDICT_STORED;
        mailbox_post(work->reply_to, item);
    }
    works->first = NULL;
}

enum store_result store_writer_call(
    struct store_writer *writer, void (*call)(struct store *store, void *context), void *context)
{
    return STORE_OK;
}

/* ---- the worker ---- */

/* Stands still but for a second between two inputs, so that each may have its place among the kept
 * ones. */
static int64_t now_usec = INT64_C(1767225600) * USEC_PER_SEC;

static int64_t tell_time(void *context)
{
    return now_usec;
}

static const struct clock still_clock = {tell_time, tell_time, NULL};

static struct store_writer writer;
static struct shared shared;
static struct worker worker;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const struct verify_secret_options secrets[] = {
        {"current", NULL, {.length = 32, .bytes = "0123456789abcdef0123456789abcdef"}}};
    static const struct verify_endpoint_options endpoints[] = {
        {"main", "https://x" TARGET, TARGET, NULL, 0, secrets, 1, USEC_INFINITY, true}};
    static const struct verify_options options = {endpoints, 1};
    struct error error = ERROR_INIT;
    struct rules *rules;

    job_init_library();
    log_init(LOG_LEVEL_ERR, LOG_FORMAT_TEXT);
    shared = (struct shared){.max_body = MAX_BODY,
        .max_connections = 8,
        .header_timeout_usec = USEC_PER_HOUR, /* libmicrohttpd's own clock does not stand still */
        .body_timeout_usec = USEC_PER_HOUR,
        .idle_timeout_usec = USEC_PER_HOUR,
        .commit_timeout_usec = USEC_PER_HOUR,
        .writer = &writer,
        .clock = &still_clock,
        .listen_users = 1,
        .body_bytes_max = SHARED_BODY_BYTES,
        .report.lock = PTHREAD_MUTEX_INITIALIZER,
        .stop_at_usec = USEC_INFINITY};
    FUZZ_CHECK(refused_new(4, &still_clock, &shared.refused, &error) == 0);
    FUZZ_CHECK(rules_new(&options, &rules, &error) == 0);
    FUZZ_CHECK(counts_new(rules->verifier, NULL, &rules->counts, &error) == 0);
    FUZZ_CHECK(worker_init(&worker, &shared, rules, &error) == 0);
    return 0;
}

/* Turns until nothing moves any more. */
static void turn(void)
{
    MHD_UNSIGNED_LONG_LONG msec;
    unsigned int left = 10000;

    do {
        commit_take_back(&worker);
        (void)MHD_run(worker.mhd);
        commit_send(&worker);
        FUZZ_CHECK(--left > 0);
    } while (worker.commits > 0 || (MHD_get_timeout(worker.mhd, &msec) == MHD_YES && msec == 0));
    (void)MHD_run(worker.mhd);
}

struct outcome {
    uint64_t reasons[REASON_COUNT];
    uint64_t others; /* all but framing and too-large, which end the connection */
    unsigned int stored;
    char *answers; /* owned */
    size_t length;
    int is_closed; /* by the worker, before the client was done */
};

static void drain(int fd, struct outcome *outcome)
{
    char buffer[4096];
    ssize_t n;

    while ((n = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT)) > 0) {
        outcome->answers = realloc(outcome->answers, outcome->length + (size_t)n + 1);
        FUZZ_CHECK(outcome->answers);
        memcpy(outcome->answers + outcome->length, buffer, (size_t)n);
        outcome->length += (size_t)n;
        outcome->answers[outcome->length] = '\0';
    }
    outcome->is_closed = n == 0 || (n < 0 && errno != EAGAIN);
}

static void serve(const uint8_t *data, size_t size, size_t step, struct outcome *outcome)
{
    struct sockaddr_un peer = {.sun_family = AF_UNIX};
    int fds[2];

    memset(outcome, 0, sizeof(*outcome));
    writer.stored = 0;
    for (size_t i = 0; i < REASON_COUNT; i++)
        atomic_store(&shared.stats.reasons[i], 0);
    now_usec += USEC_PER_SEC;
    worker.now_usec = now_usec;
    FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    atomic_fetch_add(&shared.stats.open_connections, 1);
    spread_add(&worker, fds[1], (struct sockaddr *)&peer, sizeof(peer.sun_family));
    for (size_t at = 0; at < size && !outcome->is_closed; at += step) {
        size_t n = size - at < step ? size - at : step;

        (void)!send(fds[0], data + at, n, MSG_NOSIGNAL | MSG_DONTWAIT);
        turn();
        drain(fds[0], outcome);
    }
    (void)shutdown(fds[0], SHUT_WR);
    turn();
    drain(fds[0], outcome);
    close(fds[0]);
    turn();
    FUZZ_CHECK(worker.commits == 0);
    outcome->stored = writer.stored;
    for (size_t i = 0; i < REASON_COUNT; i++) {
        outcome->reasons[i] = atomic_load(&shared.stats.reasons[i]);
        if (i != REASON_FRAMING)
            outcome->others += outcome->reasons[i];
    }
    linger_close_all(&worker);
    FUZZ_CHECK(atomic_load(&shared.stats.open_connections) == 0);
    FUZZ_CHECK(atomic_load(&shared.body_bytes) == 0);
}

/* ---- the reader that takes it word for word ---- */

/* CRLF, or what leaves the same bytes behind in libmicrohttpd: a NUL and a line feed (see head.h).
 */
static int is_line_end(const char *at, const char *end)
{
    return end - at >= 2 && (at[0] == '\r' || at[0] == '\0') && at[1] == '\n';
}

/* The end of a line that holds no other CR, LF or NUL; NULL: in doubt. */
static const char *line_end(const char *at, const char *end)
{
    for (; at < end; at++) {
        if (is_line_end(at, end))
            return at;
        if (*at == '\r' || *at == '\n' || *at == '\0')
            return NULL;
    }
    return NULL;
}

static int is_tchar(char c)
{
    return c != '\0' && strchr("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
                               "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
                            c) != NULL;
}

static const char *skip_token(const char *at, const char *end)
{
    while (at < end && is_tchar(*at))
        at++;
    return at;
}

static int is_word(const char *at, const char *end, const char *word)
{
    return (size_t)(end - at) == strlen(word) && strncasecmp(at, word, strlen(word)) == 0;
}

struct reading {
    long long length; /* -1: none said */
    int chunked;
    int hosts, types;
    int is_1_0;
};

/* One field line: name, colon, value without control bytes. */
static int read_field(const char *at, const char *end, struct reading *reading)
{
    const char *colon = skip_token(at, end);
    const char *value = colon + 1, *last = end;

    if (colon == at || colon == end || *colon != ':')
        return 0;
    while (value < last && (*value == ' ' || *value == '\t'))
        value++;
    while (last > value && (last[-1] == ' ' || last[-1] == '\t'))
        last--;
    for (const char *c = value; c < last; c++)
        if (((unsigned char)*c < ' ' && *c != '\t') || *c == 0x7f)
            return 0;
    if (is_word(at, colon, "Host"))
        reading->hosts++;
    if (is_word(at, colon, "Content-Type"))
        reading->types++;
    if (is_word(at, colon, "Transfer-Encoding")) {
        if (reading->chunked++ || !is_word(value, last, "chunked"))
            return 0;
    }
    if (is_word(at, colon, "Content-Length")) {
        if (reading->length >= 0 || value == last || last - value > 18)
            return 0;
        reading->length = 0;
        for (; value < last; value++) {
            if (*value < '0' || *value > '9')
                return 0;
            reading->length = reading->length * 10 + (*value - '0');
        }
    }
    return 1;
}

/* Empty lines before a request are no part of it. To libmicrohttpd a line that begins with a NUL is
 * as good as an empty one, up to its line feed, whatever stands in it, and a bare line feed ends
 * one; nothing of such a line is ever read. */
static const char *skip_empty_lines(const char *at, const char *end)
{
    for (;;) {
        const char *line = at;

        if (line < end && *line == '\0')
            while (line < end && *line != '\n')
                line++;
        if (line < end && *line == '\r' && line + 1 < end && line[1] == '\n')
            at = line + 2;
        else if (line < end && *line == '\n')
            at = line + 1;
        else
            return at;
    }
}

static int is_method(const char *at, const char *end, const char *method)
{
    return (size_t)(end - at) == strlen(method) && memcmp(at, method, strlen(method)) == 0;
}

/* At the empty line that ends a head, or a colon and a line feed, which leave the same bytes
 * behind. Its end, or NULL. */
static const char *skip_head_end(const char *at, const char *end)
{
    if (is_line_end(at, end) || (end - at >= 2 && at[0] == ':' && at[1] == '\n'))
        return at + 2;
    return NULL;
}

/* The message that the reader stops at. */
struct last {
    int head_is_good;
    const char *chunks; /* where its body begins, when that comes in chunks; else NULL */
};

/* One message from `at`; its end, or NULL where it is not beyond doubt, not whole, or where chunks
 * follow: those are the last of their connection, whatever their end. *ret_last tells what can be
 * said of it then. */
static const char *read_message(const char *at, const char *end, struct last *ret_last)
{
    struct reading reading = {.length = -1};
    const char *line, *method, *target, *body;
    int needs_body;

    *ret_last = (struct last){0};
    at = skip_empty_lines(at, end);
    line = line_end(at, end);
    if (!line)
        return NULL;
    method = at;
    at = skip_token(at, line);
    if (at == method || at == line || *at != ' ')
        return NULL;
    needs_body = is_method(method, at, "POST") || is_method(method, at, "PUT") ||
                 is_method(method, at, "PATCH");
    target = ++at;
    while (at < line && strchr("# \x7f", *at) == NULL && *at > ' ')
        at++;
    if (at == target || *target != '/' || at == line || *at != ' ')
        return NULL;
    at++;
    reading.is_1_0 = line - at == 8 && memcmp(at, "HTTP/1.0", 8) == 0;
    if (!reading.is_1_0 && (line - at != 8 || memcmp(at, "HTTP/1.1", 8) != 0))
        return NULL;

    for (at = line + 2; !(body = skip_head_end(at, end)); at = line + 2) {
        line = line_end(at, end);
        if (!line || !read_field(at, line, &reading))
            return NULL;
    }
    if (reading.hosts > 1 || (!reading.is_1_0 && reading.hosts == 0) || reading.types > 1)
        return NULL;
    at = body;
    if (reading.chunked && (reading.length >= 0 || reading.is_1_0))
        return NULL;
    if (needs_body && !reading.chunked && reading.length < 0)
        return NULL;
    ret_last->head_is_good = 1;
    if (reading.chunked)
        ret_last->chunks = at;
    if (reading.chunked || reading.length > end - at)
        return NULL;
    return at + (reading.length > 0 ? reading.length : 0);
}

/* How many messages stand before the first doubt or the first chunk. */
static uint64_t count_messages(const char *at, const char *end, struct last *ret_last)
{
    const char *next;
    uint64_t n = 0;

    while ((next = read_message(at, end, ret_last))) {
        n++;
        at = next;
    }
    return n;
}

/* Whether the two readings can differ for reasons that nothing can be done about here:
 * - libmicrohttpd ends names and values by NULs of its own, where it found them, so that NULs that
 *   came cannot always be told from those (head.h);
 * - with "Expect: 100-continue" it depends on how the bytes come whether it has sent its "100
 *   Continue" before the answer; where it has not it closes the connection, and what follows is
 *   never read. */
static int is_beyond_us(const char *text, size_t size)
{
    if (memchr(text, '\0', size))
        return 1;
    for (size_t i = 0; i + 6 <= size; i++)
        if (strncasecmp(text + i, "expect", 6) == 0)
            return 1;
    return 0;
}

/* What follows the last chunk of a body, whose chunks are told apart as libmicrohttpd does it:
 * lines may end with a bare line feed, anything may follow a semicolon. NULL: nothing does, or the
 * body is refused before. */
static const char *find_trailer(const char *at, const char *end)
{
    size_t total = 0;

    for (;;) {
        const char *line = memchr(at, '\n', (size_t)(end - at)), *digits = at;
        size_t size = 0;

        if (!line)
            return NULL;
        for (; isxdigit((unsigned char)*at); at++) {
            size = size * 16 + (size_t)strtoul((char[]){*at, '\0'}, NULL, 16);
            if (size > MAX_BODY)
                return NULL;
        }
        if (at == digits || (at != line && *at != ';' && !(*at == '\r' && at + 1 == line)))
            return NULL;
        at = line + 1;
        if (size == 0)
            return at;
        total += size;
        if (total > MAX_BODY || size > (size_t)(end - at))
            return NULL;
        at += size;
        if (end - at >= 2 && at[0] == '\r' && at[1] == '\n')
            at += 2;
        else if (at < end && *at == '\n')
            at++;
        else
            return NULL;
    }
}

/* libmicrohttpd 0.9.75 reads the first line of a trailer in one of two ways. When the line is there
 * as a whole once the last chunk has been read, it is a field line. When only a part of it is, the
 * rest is taken for one more line of the head (connection.c, MHD_CONNECTION_BODY_RECEIVED, goes to
 * MHD_CONNECTION_FOOTER_PART_RECEIVED without a line). The two differ for a line that begins
 *   - with a space or a tab: a field, or refused when it has no colon; else folded into the last
 *     header's line, whatever it holds;
 *   - with a colon: a field without a name; else the end of the trailer.
 * It shows neither the line nor which of the two it was, so nothing can be done about it here. The
 * outcome is one of two for the same request, and it is the last of its connection in both. */
static int is_trailer_split_dependent(const char *chunks, const char *end)
{
    const char *trailer = chunks ? find_trailer(chunks, end) : NULL;

    return trailer && trailer < end && (*trailer == ' ' || *trailer == '\t' || *trailer == ':');
}

/* ---- the target ---- */

/* What must hold of the outcomes, whatever the pieces. */
static void check(
    const struct outcome *outcome, uint64_t messages, const struct last *last, int beyond)
{
    /* One more where the doubt is in a body, or it has chunks: its outcome may be known before. And
     * one for a length that libmicrohttpd finds too large before anything is judged. */
    const uint64_t most = messages + last->head_is_good + outcome->reasons[REASON_TOO_LARGE];
    int holds = outcome->others <= most && outcome->stored <= messages + last->head_is_good &&
                outcome->others + outcome->reasons[REASON_FRAMING] <= messages + 1; /* one each */

    FUZZ_CHECK(outcome->reasons[REASON_TOO_LARGE] <= 1 && outcome->reasons[REASON_FRAMING] <= 1);
    if (!holds && !beyond)
        fprintf(stderr, "%llu messages, but %llu outcomes and %llu of framing, %u stored:\n%s\n",
            (unsigned long long)messages, (unsigned long long)outcome->others,
            (unsigned long long)outcome->reasons[REASON_FRAMING], outcome->stored,
            outcome->answers ? outcome->answers : "");
    FUZZ_CHECK(holds || beyond);
}

static void tell(const struct outcome *whole, const struct outcome *pieces, size_t step)
{
    for (size_t i = 0; i < REASON_COUNT; i++)
        if (whole->reasons[i] != 0 || pieces->reasons[i] != 0)
            fprintf(stderr, "%s: %llu whole, %llu in pieces of %zu\n", reason_name(i),
                (unsigned long long)whole->reasons[i], (unsigned long long)pieces->reasons[i],
                step);
    fprintf(stderr, "---- whole:\n%s\n---- in pieces:\n%s\n", whole->answers ? whole->answers : "",
        pieces->answers ? pieces->answers : "");
}

/* The same outcomes, but for those of `most` requests. */
static int are_equal_but(
    const struct outcome *whole, const struct outcome *pieces, unsigned int most)
{
    uint64_t more = 0, less = 0;

    for (size_t i = 0; i < REASON_COUNT; i++) {
        if (whole->reasons[i] > pieces->reasons[i])
            more += whole->reasons[i] - pieces->reasons[i];
        else
            less += pieces->reasons[i] - whole->reasons[i];
    }
    return more <= most && less <= most && whole->stored <= pieces->stored + most &&
           pieces->stored <= whole->stored + most;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    struct outcome whole, pieces;
    size_t step = fuzz_take_byte(&input) & 0x1f;
    struct last last = {0};
    uint64_t messages;
    int beyond;
    char *text;

    if (input.size == 0 || input.size > 16384)
        return 0;
    step += input.size / 16 + 1;
    text = fuzz_copy(input.data, input.size, 0);
    messages = count_messages(text, text + input.size, &last);
    beyond = is_beyond_us(text, input.size);
    serve(input.data, input.size, input.size, &whole);
    serve(input.data, input.size, step, &pieces);

    check(&whole, messages, &last, beyond);
    check(&pieces, messages, &last, beyond);
    if (!beyond) {
        const unsigned int differing =
            is_trailer_split_dependent(last.chunks, text + input.size) ? 1 : 0;

        if (!are_equal_but(&whole, &pieces, differing))
            tell(&whole, &pieces, step);
        FUZZ_CHECK(are_equal_but(&whole, &pieces, differing));
    }
    free(text);
    free(whole.answers);
    free(pieces.answers);
    return 0;
}
