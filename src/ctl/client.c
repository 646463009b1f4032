/*
 * The admin API over a unix socket, with libcurl. See client.h.
 *
 * A failed request is never sent again here: whether that is right is known by whoever asked. Only
 * connecting is tried again, when the daemon has a queue.
 */

#include "ctl/client.h"

#include "ctl/socket.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/escape.h"

#include "build_config.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sysexits.h>
#include <time.h>

#define CONNECT_TIMEOUT_MS 5000L
/* Actions wait for the disk, and a walk looks at many deliveries. */
#define ANSWER_TIMEOUT_MS 60000L

/* How often and after how long connecting is tried again. */
#define QUEUE_TRIES 10
#define QUEUE_PAUSE_USEC (100 * USEC_PER_MSEC)

struct client {
    char *socket; /* owned */
    CURL *curl;
    struct curl_slist *json_headers;
    char why[CURL_ERROR_SIZE];
};

void client_answer_done(struct client_answer *answer)
{
    json_decref(answer->root);
    answer->root = NULL;
    buf_done(&answer->text);
}

void client_close(struct client *client)
{
    if (!client)
        return;
    curl_easy_cleanup(client->curl);
    curl_slist_free_all(client->json_headers);
    free(client->socket);
    free(client);
}

CLEANUP_FUNC(struct client, client_close);

static size_t take_body(char *data, size_t size, size_t n, void *context)
{
    struct buf *text = context;
    size_t length = size * n;

    if (length > CLIENT_ANSWER_MAX - text->length || buf_append(text, data, length) < 0)
        return 0;
    return length;
}

/* What stays the same for all requests. */
static bool set_up(struct client *client)
{
    CURL *curl = client->curl;

    return curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, client->why) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, client->socket) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http") == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_PROXY, "") == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, ANSWER_TIMEOUT_MS) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_USERAGENT, "sasha-callbackctl/" PROJECT_VERSION) ==
               CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body) == CURLE_OK;
}

int client_open(
    const struct common_options *common, struct client **ret_client, struct error *error)
{
    CLEANUP(client_close) struct client *client = calloc(1, sizeof(*client));
    struct curl_slist *headers;
    int status;

    if (!client) {
        error_errno(error, ENOMEM, "cannot set up the client");
        return EX_SOFTWARE;
    }
    status = socket_find(common, &client->socket, error);
    if (status != EX_OK)
        return status;
    if (strlen(client->socket) >= sizeof(((struct sockaddr_un *)0)->sun_path)) {
        error_set(error, ENAMETOOLONG, "the socket's path is too long: %s", client->socket);
        return EX_USAGE;
    }

    headers = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK
                  ? curl_slist_append(NULL, "Content-Type: application/json")
                  : NULL;
    client->json_headers = headers;
    /* Not sent at all: libcurl would ask for leave before it sends a big body. */
    headers = headers ? curl_slist_append(headers, "Expect:") : NULL;
    client->curl = curl_easy_init();
    if (!headers || !client->curl || !set_up(client)) {
        error_set(error, ENOMEM, "cannot set up libcurl");
        return EX_SOFTWARE;
    }
    *ret_client = TAKE(client);
    return EX_OK;
}

/* ---- no answer ---- */

/* libcurl does not always keep why it could not connect. Returns a positive errno, or 0 when it
 * works by now; EAGAIN: there is a queue. */
static int probe(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const struct timeval limit = {.tv_usec = QUEUE_PAUSE_USEC};
    CLEANUP(close) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    memcpy(address.sun_path, path, strlen(path));
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        return errno;
    return 0;
}

static int fail_connect(const struct client *client, struct error *error)
{
    int code = probe(client->socket);

    if (code == EACCES || code == EPERM) {
        error_set(error, code,
            "you may not talk to the daemon at %s; be root, or in the group of that socket",
            client->socket);
        return EX_NOPERM;
    }
    if (code == 0 || code == EAGAIN) {
        error_set(error, EAGAIN, "the daemon at %s has too many who wait to be served; try again",
            client->socket);
        return EX_TEMPFAIL;
    }
    error_set(error, code,
        "no daemon answers at %s (%s); start it with: systemctl start sasha-callbackd; or name "
        "its socket with --socket",
        client->socket, strerror(code));
    return EX_UNAVAILABLE;
}

static int fail_request(const struct client *client, const struct client_answer *answer,
    CURLcode code, struct error *error)
{
    const char *why = client->why[0] != '\0' ? client->why : curl_easy_strerror(code);

    if (code == CURLE_COULDNT_CONNECT)
        return fail_connect(client, error);
    if (code == CURLE_OUT_OF_MEMORY || answer->text.failed) {
        error_errno(error, ENOMEM, "cannot take the answer of the daemon");
        return EX_SOFTWARE;
    }
    if (code == CURLE_WRITE_ERROR) {
        error_set(error, EFBIG, "the answer of the daemon is longer than %u MiB",
            CLIENT_ANSWER_MAX >> 20);
        return EX_PROTOCOL;
    }
    error_set(error, EIO, "the daemon at %s did not answer: %s", client->socket, why);
    return EX_UNAVAILABLE;
}

/* ---- an answer ---- */

static int parse(struct client_answer *answer, struct error *error)
{
    json_error_t fault;

    answer->root =
        json_loadb((const char *)answer->text.data, answer->text.length, JSON_ALLOW_NUL, &fault);
    if (answer->root && json_is_object(answer->root))
        return EX_OK;
    if (!answer->root && json_error_code(&fault) == json_error_out_of_memory) {
        error_errno(error, ENOMEM, "cannot take the answer of the daemon");
        return EX_SOFTWARE;
    }
    error_set(error, EPROTO, "what answers at the socket does not speak the admin API");
    return EX_PROTOCOL;
}

static int judge(
    const struct client *client, long status, struct client_answer *answer, struct error *error)
{
    const char *message = json_string_value(json_object_get(answer->root, "message"));
    char escaped[ESCAPE_SIZE];

    if (status >= 200 && status <= 299)
        return EX_OK;
    if (message)
        escape_field(message, strlen(message), escaped, sizeof(escaped));
    else
        snprintf(escaped, sizeof(escaped), "the daemon answered with status %ld", status);
    error_set(error, EREMOTEIO, "%s", escaped);

    switch (status) {
    case 400:
    case 413:
        return EX_USAGE;
    case 403:
        error_prefix(error, "the daemon at %s refuses this user", client->socket);
        return EX_NOPERM;
    case 404:
        return CTL_REFUSED;
    case 503:
        return EX_TEMPFAIL;
    default:
        return EX_PROTOCOL;
    }
}

/* A unix socket whose queue is full refuses who does not block, as libcurl does not. */
static CURLcode connect_and_perform(struct client *client)
{
    const struct timespec pause = {.tv_nsec = QUEUE_PAUSE_USEC * 1000};
    CURLcode code;

    for (unsigned int i = 0;; i++) {
        int why;

        code = curl_easy_perform(client->curl);
        if (code != CURLE_COULDNT_CONNECT || i == QUEUE_TRIES)
            return code;
        why = probe(client->socket);
        if (why != 0 && why != EAGAIN)
            return code;
        (void)nanosleep(&pause, NULL);
    }
}

static int perform(
    struct client *client, const char *target, struct client_answer *answer, struct error *error)
{
    CLEANUP(free) char *url = NULL;
    CURLcode code;
    long status = 0;
    int result;

    json_decref(answer->root);
    answer->root = NULL;
    buf_clear(&answer->text);
    client->why[0] = '\0';

    if (asprintf(&url, "http://localhost%s", target) < 0) {
        url = NULL;
        error_errno(error, ENOMEM, "cannot ask the daemon");
        return EX_SOFTWARE;
    }
    code = curl_easy_setopt(client->curl, CURLOPT_URL, url);
    if (code == CURLE_OK)
        code = curl_easy_setopt(client->curl, CURLOPT_WRITEDATA, &answer->text);
    if (code == CURLE_OK)
        code = connect_and_perform(client);
    if (code == CURLE_OK)
        code = curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
    if (code != CURLE_OK)
        return fail_request(client, answer, code, error);

    result = parse(answer, error);
    return result == EX_OK ? judge(client, status, answer, error) : result;
}

int client_get(
    struct client *client, const char *target, struct client_answer *answer, struct error *error)
{
    if (curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, NULL) != CURLE_OK ||
        curl_easy_setopt(client->curl, CURLOPT_HTTPGET, 1L) != CURLE_OK) {
        error_set(error, ENOMEM, "cannot set up libcurl");
        return EX_SOFTWARE;
    }
    return perform(client, target, answer, error);
}

int client_post(struct client *client, const char *target, const struct buf *body,
    struct client_answer *answer, struct error *error)
{
    if (body->failed ||
        curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, client->json_headers) != CURLE_OK ||
        curl_easy_setopt(client->curl, CURLOPT_POST, 1L) != CURLE_OK ||
        curl_easy_setopt(client->curl, CURLOPT_POSTFIELDS, body->data) != CURLE_OK ||
        curl_easy_setopt(client->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body->length) !=
            CURLE_OK) {
        error_set(error, ENOMEM, "cannot set up libcurl");
        return EX_SOFTWARE;
    }
    return perform(client, target, answer, error);
}
