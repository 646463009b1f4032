/*
 * The request over the wire, with libcurl.
 *
 * What the environment and ~/.netrc say about proxies and passwords does not count here: a test of
 * the way to the daemon must take the way it was told. Redirects are answers, as they are for
 * SASHA. Certificates are checked unless --insecure.
 */

#include "ctl/send_easy.h"

#include "util/clock.h"

#include "build_config.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#define CONNECT_TIMEOUT (10 * USEC_PER_SEC)

static size_t take_body(char *data, size_t size, size_t n, void *context)
{
    struct send_answer *answer = context;
    size_t length = size * n;
    size_t room = SEND_ANSWER_MAX - answer->body.length;

    answer->cut |= length > room;
    if (buf_append(&answer->body, data, length < room ? length : room) < 0)
        return 0;
    return length;
}

/* Keeps the last status line: before it there may be a 1xx. */
static size_t take_header(char *data, size_t size, size_t n, void *context)
{
    struct send_answer *answer = context;
    size_t length = size * n;
    size_t kept = length;

    if (length < 5 || memcmp(data, "HTTP/", 5) != 0)
        return length;
    while (kept > 0 && (data[kept - 1] == '\r' || data[kept - 1] == '\n' || data[kept - 1] == ' '))
        kept--;
    if (kept >= sizeof(answer->status_line))
        kept = sizeof(answer->status_line) - 1;
    memcpy(answer->status_line, data, kept);
    answer->status_line[kept] = '\0';
    return length;
}

/* At least 1: libcurl takes 0 for "no limit". */
static long milliseconds(int64_t usec)
{
    int64_t milliseconds = usec / USEC_PER_MSEC;

    if (milliseconds < 1)
        return 1;
    return milliseconds > INT_MAX ? INT_MAX : (long)milliseconds;
}

struct curl_slist *send_easy_headers(const struct send_request *request)
{
    struct curl_slist *headers = NULL;

    for (size_t i = 0; i < request->n_headers; i++) {
        struct curl_slist *longer = curl_slist_append(headers, request->headers[i]);

        if (!longer) {
            curl_slist_free_all(headers);
            return NULL;
        }
        headers = longer;
    }
    return headers;
}

bool send_easy_set_up(CURL *curl, const struct send_request *request,
    const struct curl_slist *headers, struct send_answer *answer, char *why)
{
    int64_t connect_usec =
        request->timeout_usec < CONNECT_TIMEOUT ? request->timeout_usec : CONNECT_TIMEOUT;
    const char *body = request->body_length > 0 ? (const char *)request->body : "";
    long check = request->insecure ? 0 : 1;

    return curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, why) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_URL, request->url) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           /* The empty text is "none", whatever the environment says. */
           curl_easy_setopt(curl, CURLOPT_PROXY, "") == CURLE_OK &&
           (!request->unix_socket || curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH,
                                         request->unix_socket) == CURLE_OK) &&
           curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, milliseconds(connect_usec)) ==
               CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, milliseconds(request->timeout_usec)) ==
               CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, check) == CURLE_OK &&
           /* 2: the certificate must name the host */
           curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2 * check) == CURLE_OK &&
           (!request->cacert ||
               curl_easy_setopt(curl, CURLOPT_CAINFO, request->cacert) == CURLE_OK) &&
           curl_easy_setopt(curl, CURLOPT_USERAGENT, "sasha-callbackctl/" PROJECT_VERSION) ==
               CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_POST, 1L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_length) ==
               CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_HEADERDATA, answer) == CURLE_OK;
}

enum send_failure send_easy_failure(CURLcode code)
{
    switch ((int)code) {
    case CURLE_OK:
        return SEND_ANSWERED;
    case CURLE_COULDNT_RESOLVE_HOST:
        return SEND_NO_HOST;
    case CURLE_COULDNT_CONNECT:
        return SEND_NO_CONNECTION;
    case CURLE_OPERATION_TIMEDOUT:
        return SEND_TIMED_OUT;
    case CURLE_PEER_FAILED_VERIFICATION:
        return SEND_BAD_CERTIFICATE;
    case CURLE_SSL_CONNECT_ERROR:
        return SEND_NO_TLS;
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_PARTIAL_FILE:
        return SEND_CUT;
    default:
        return SEND_FAILED;
    }
}

int send_post(const struct send_request *request, struct send_answer *answer, struct error *error)
{
    CURL *curl = NULL;
    struct curl_slist *headers = NULL;
    char why[CURL_ERROR_SIZE] = "";
    CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
    curl_off_t time_usec = 0;

    if (code == CURLE_OK) {
        curl = curl_easy_init();
        headers = send_easy_headers(request);
        if (!curl || !headers)
            code = CURLE_OUT_OF_MEMORY;
    }
    if (code == CURLE_OK && !send_easy_set_up(curl, request, headers, answer, why))
        code = CURLE_FAILED_INIT;
    if (code == CURLE_OK)
        code = curl_easy_perform(curl);
    if (code == CURLE_OK)
        code = curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer->status);
    /* Also of an exchange that failed: it tells a time limit from a refusal. */
    if (curl && curl_easy_getinfo(curl, CURLINFO_TOTAL_TIME_T, &time_usec) == CURLE_OK)
        answer->time_usec = time_usec;

    answer->failure = send_easy_failure(code);
    curl_easy_cleanup(curl);
    curl_slist_free_all(headers);
    if (code != CURLE_OK)
        return error_set(
            error, EIO, "no answer: %s", why[0] != '\0' ? why : curl_easy_strerror(code));
    return 0;
}
