/*
 * The table of answers; see answer.h. Statuses come from reason_http_status, bodies from here.
 */

#include "intake/answer.h"

#include "util/cleanup.h"
#include "util/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

/* Seconds after which a sender may try again. */
#define RETRY_AFTER "5"

#define HEALTH_BODY "{\"status\":\"ok\"}"

struct answer_row {
    const char *body;
    bool must_close; /* the rest of the request cannot be told from the next one, or is too much */
    enum log_level level;
};

#define UNAUTHORIZED "{\"message\":\"Unauthorized\"}"
#define REQUEST_ID "{\"message\":\"SASHA-Request-ID is missing or malformed\"}"
#define LATER "{\"message\":\"Not accepted for now; try again later\"}"

/* What any stranger causes is info: an open port is scanned all day. A warning is what an operator
 * would want to see when SASHA's callbacks fail to arrive: proofs that do not hold, a store that
 * says no. */
static const struct answer_row rows[REASON_COUNT] = {
    [REASON_ACCEPTED] = {"{\"status\":\"accepted\"}", false, LOG_LEVEL_DEBUG},
    [REASON_DUPLICATE] = {"{\"status\":\"duplicate\"}", false, LOG_LEVEL_DEBUG},
    [REASON_CONFLICT] = {"{\"status\":\"duplicate\"}", false, LOG_LEVEL_WARNING},
    [REASON_FRAMING] = {"{\"message\":\"Malformed request\"}", true, LOG_LEVEL_INFO},
    [REASON_PATH] = {"{\"message\":\"Not found\"}", false, LOG_LEVEL_INFO},
    [REASON_METHOD] = {"{\"message\":\"Method not allowed\"}", false, LOG_LEVEL_INFO},
    [REASON_TOO_LARGE] = {"{\"message\":\"Request body too large\"}", true, LOG_LEVEL_INFO},
    [REASON_TOKEN_MISSING] = {UNAUTHORIZED, false, LOG_LEVEL_WARNING},
    [REASON_TOKEN_WRONG] = {UNAUTHORIZED, false, LOG_LEVEL_WARNING},
    [REASON_ID_MISSING] = {REQUEST_ID, false, LOG_LEVEL_WARNING},
    [REASON_ID_MALFORMED] = {REQUEST_ID, false, LOG_LEVEL_WARNING},
    [REASON_SIGNATURE_MISSING] = {UNAUTHORIZED, false, LOG_LEVEL_WARNING},
    [REASON_SIGNATURE_MALFORMED] = {UNAUTHORIZED, false, LOG_LEVEL_WARNING},
    [REASON_SIGNATURE_WRONG] = {UNAUTHORIZED, false, LOG_LEVEL_WARNING},
    [REASON_SECRET_UNKNOWN] = {UNAUTHORIZED, false, LOG_LEVEL_WARNING},
    [REASON_JOB_MALFORMED] = {"{\"message\":\"The body is not a Job\"}", false, LOG_LEVEL_WARNING},
    [REASON_STALE] = {"{\"message\":\"The notification is too old\"}", false, LOG_LEVEL_WARNING},
    [REASON_STORE] = {LATER, false, LOG_LEVEL_WARNING},
    [REASON_OVERLOAD] = {LATER, false, LOG_LEVEL_WARNING},
    [REASON_INTERNAL] = {"{\"message\":\"Internal error\"}", false, LOG_LEVEL_ERR},
};

/* Reasons, and health as one more. */
#define ANSWER_HEALTH REASON_COUNT
#define ANSWER_COUNT (REASON_COUNT + 1)

struct answers {
    struct MHD_Response *open[ANSWER_COUNT];
    struct MHD_Response *closing[ANSWER_COUNT];
};

struct answer_header {
    const char *name;
    const char *value;
};

/* The header that a status asks for (RFC 9110 §11.6.1, §15.5.6, §15.6.4), or NULL. */
static const struct answer_header *status_header(unsigned int status)
{
    static const struct {
        unsigned int status;
        struct answer_header header;
    } headers[] = {
        {401, {"WWW-Authenticate", "Bearer"}},
        {405, {"Allow", "POST"}},
        {503, {"Retry-After", RETRY_AFTER}},
    };

    for (size_t i = 0; i < ARRAY_SIZE(headers); i++) {
        if (headers[i].status == status)
            return &headers[i].header;
    }
    return NULL;
}

static struct MHD_Response *make(const char *body, unsigned int status, bool closing)
{
    const struct answer_header *header = status_header(status);
    /* The library's type lacks the const; PERSISTENT means it only reads. */
    struct MHD_Response *response = MHD_create_response_from_buffer(
        strlen(body), (void *)(uintptr_t)body, MHD_RESPMEM_PERSISTENT);

    if (response == NULL)
        return NULL;
    if (MHD_add_response_header(response, "Content-Type", "application/json") == MHD_YES &&
        (header == NULL ||
            MHD_add_response_header(response, header->name, header->value) == MHD_YES) &&
        (!closing || MHD_add_response_header(response, "Connection", "close") == MHD_YES))
        return response;
    MHD_destroy_response(response);
    return NULL;
}

void answers_free(struct answers *answers)
{
    if (answers == NULL)
        return;
    for (size_t i = 0; i < ANSWER_COUNT; i++) {
        if (answers->open[i] != NULL)
            MHD_destroy_response(answers->open[i]);
        if (answers->closing[i] != NULL)
            MHD_destroy_response(answers->closing[i]);
    }
    free(answers);
}

CLEANUP_FUNC(struct answers, answers_free);

int answers_new(struct answers **ret_answers, struct error *error)
{
    CLEANUP(answers_free) struct answers *answers = calloc(1, sizeof(*answers));

    if (answers == NULL)
        return error_set(error, ENOMEM, "no memory for the answers");
    for (size_t i = 0; i < ANSWER_COUNT; i++) {
        const bool health = i == ANSWER_HEALTH;
        const char *body = health ? HEALTH_BODY : rows[i].body;
        const unsigned int status = health ? 200 : reason_http_status((enum reason)i);

        answers->open[i] = make(body, status, false);
        answers->closing[i] = make(body, status, true);
        if (answers->open[i] == NULL || answers->closing[i] == NULL)
            return error_set(error, ENOMEM, "no memory for the answers");
    }
    *ret_answers = TAKE(answers);
    return 0;
}

enum MHD_Result answer_queue(
    const struct answers *answers, struct MHD_Connection *mhd, enum reason reason, bool closing)
{
    return MHD_queue_response(mhd, reason_http_status(reason),
        closing || rows[reason].must_close ? answers->closing[reason] : answers->open[reason]);
}

enum MHD_Result answer_queue_health(
    const struct answers *answers, struct MHD_Connection *mhd, bool closing)
{
    return MHD_queue_response(
        mhd, 200, closing ? answers->closing[ANSWER_HEALTH] : answers->open[ANSWER_HEALTH]);
}

void answer_write_raw(enum reason reason, int64_t now_realtime_usec, int fd)
{
    const unsigned int status = reason_http_status(reason);
    const struct answer_header *header = status_header(status);
    const char *body = rows[reason].body;
    const time_t now = (time_t)(now_realtime_usec / USEC_PER_SEC);
    char date[64], text[512];
    struct tm tm;
    int length;

    /* The daemon stays in the C locale, so the names are those of RFC 9110 §5.6.7. */
    if (gmtime_r(&now, &tm) == NULL ||
        strftime(date, sizeof(date), "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &tm) == 0)
        date[0] = '\0';
    length = snprintf(text, sizeof(text),
        "HTTP/1.1 %u %s\r\n%sContent-Type: application/json\r\n%s%s%s%sConnection: close\r\n"
        "Content-Length: %zu\r\n\r\n%s",
        status, MHD_get_reason_phrase_for(status), date, header == NULL ? "" : header->name,
        header == NULL ? "" : ": ", header == NULL ? "" : header->value,
        header == NULL ? "" : "\r\n", strlen(body), body);
    ASSERT(length > 0 && (size_t)length < sizeof(text));
    (void)!send(fd, text, (size_t)length, MSG_NOSIGNAL | MSG_DONTWAIT);
}

enum log_level answer_log_level(enum reason reason)
{
    return rows[reason].level;
}
