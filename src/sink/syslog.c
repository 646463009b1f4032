#include "sink/types.h"

/*
 * The syslog sink: one message a delivery, to the local daemon or a remote one.
 *
 * A message is stamped with the time of arrival of its delivery, not with that of its sending,
 * which after an outage may be much later.
 *
 * A connection that was lost since the last batch is made anew once, and the batch goes on; what
 * fails on a fresh connection is handed back: the first message to be retried, the rest deferred.
 * Of a stream it is not known which of the messages of a broken batch arrived, so the whole batch
 * is sent again (at least once). What is noticed of a loss, and what cannot be, is said in
 * syslog_socket.c.
 *
 * A JSON message that is longer than the transport or SYSLOG_JSON_MAX allows is sent as text
 * instead, whose fields are cut; it still tells which delivery it is, and the store has the whole.
 */

#include "sink/item.h"
#include "sink/syslog_format.h"
#include "sink/syslog_socket.h"
#include "util/cleanup.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define SYSLOG_BATCH 64
#define HOSTNAME_MAX 255 /* RFC 5424 §6 */

CLEANUP_FUNC(struct job, job_free);

struct syslog_sink {
    struct sink sink;
    struct syslog_target target;
    struct syslog_header header;
    char *tag;                       /* owned; header.tag borrows it */
    char hostname[HOSTNAME_MAX + 1]; /* header.hostname borrows it */
    enum sink_syslog_format format;
    int64_t timeout_usec;

    struct syslog_socket socket;
    struct buf message; /* the one that is being made */
    struct sink_host host;
};

static struct syslog_sink *syslog_sink(struct sink *sink)
{
    return (struct syslog_sink *)(void *)sink;
}

static void begin_message(struct syslog_sink *sink, const struct delivery *delivery)
{
    time_t seconds = (time_t)(delivery->received_at_usec / USEC_PER_SEC);
    struct tm local = {0};

    localtime_r(&seconds, &local);
    buf_clear(&sink->message);
    syslog_append_header(&sink->message, &sink->header, delivery->received_at_usec, &local);
}

/* Each make_ returns 0, -EBADMSG (the body is no Job: it was altered on the disk), -EMSGSIZE or
 * -ENOMEM. */

static int make_text(struct syslog_sink *sink, const struct delivery *delivery, struct error *error)
{
    CLEANUP(job_free) struct job *job = NULL;
    const char *why;

    switch (job_parse(delivery->body, delivery->body_length, &job, &why)) {
    case JOB_OK:
        break;
    case JOB_MALFORMED:
        return error_set(error, EBADMSG, "body: %s", why);
    case JOB_NO_MEMORY:
        return error_errno(error, ENOMEM, "message");
    }
    begin_message(sink, delivery);
    if (syslog_append_text(&sink->message, delivery, job) < 0)
        return error_errno(error, ENOMEM, "message");
    return 0;
}

static int make_json(struct syslog_sink *sink, const struct delivery *delivery, struct error *error)
{
    int r;

    begin_message(sink, delivery);
    r = syslog_append_json(&sink->message, delivery);
    return r < 0 ? error_errno(error, -r, "message") : 0;
}

static int send_one(struct syslog_sink *sink, const struct delivery *delivery,
    int64_t deadline_usec, struct error *error)
{
    int r;

    if (sink->format == SINK_SYSLOG_JSON) {
        r = make_json(sink, delivery, error);
        if (r == 0)
            r = syslog_socket_send(&sink->socket, &sink->message, deadline_usec, error);
        if (r != -EMSGSIZE)
            return r;
    }
    r = make_text(sink, delivery, error);
    if (r == 0)
        r = syslog_socket_send(&sink->socket, &sink->message, deadline_usec, error);
    return r;
}

/* What became of a batch. */
struct progress {
    size_t sent;                     /* so many of the first are settled */
    struct error dead[SYSLOG_BATCH]; /* with a code: that one can never be sent */
    struct error error;              /* why it went no further */
};

/* Sends on one connection, from progress->sent on. */
static int send_batch(
    struct syslog_sink *sink, struct sink_item **items, size_t n, struct progress *progress)
{
    int64_t deadline_usec = clock_monotonic(clock_system()) + sink->timeout_usec;

    for (; progress->sent < n; progress->sent++) {
        struct error *dead = &progress->dead[progress->sent];
        int r;

        r = send_one(sink, items[progress->sent]->delivery, deadline_usec, &progress->error);
        *dead = (struct error)ERROR_INIT;
        if (r == -EMSGSIZE || r == -EBADMSG)
            *dead = progress->error;
        else if (r < 0)
            return r;
    }
    return syslog_socket_confirm(&sink->socket, deadline_usec, &progress->error);
}

static int try_batch(struct syslog_sink *sink, struct sink_item **items, size_t n,
    struct progress *progress, bool *ret_fresh)
{
    bool stream;
    int r;

    *ret_fresh = sink->socket.fd < 0;
    if (*ret_fresh) {
        r = syslog_socket_connect(&sink->socket, &sink->target,
            clock_monotonic(clock_system()) + sink->timeout_usec, &progress->error);
        if (r < 0)
            return r;
    }
    r = send_batch(sink, items, n, progress);
    if (r < 0) {
        stream = sink->socket.stream;
        syslog_socket_close(&sink->socket);
        if (stream)
            progress->sent = 0;
    }
    return r;
}

static void syslog_deliver(struct sink *base, struct sink_item **items, size_t n)
{
    struct syslog_sink *sink = syslog_sink(base);
    struct progress progress = {.error = ERROR_INIT};
    int64_t begun_usec = 0;
    bool fresh = true;
    int r;

    ASSERT(n <= SYSLOG_BATCH);
    for (size_t i = 0; i < n; i++)
        begun_usec = item_begin(items[i], &sink->host);

    r = try_batch(sink, items, n, &progress, &fresh);
    /* Not for UDP: there, the error tells that nobody listens, and a second send would only fail to
     * notice it. */
    if (r < 0 && !fresh && sink->target.transport != SYSLOG_UDP)
        r = try_batch(sink, items, n, &progress, &fresh);

    for (size_t i = 0; i < progress.sent; i++)
        if (progress.dead[i].code)
            item_end(items[i], &sink->host, begun_usec, SINK_DEAD, "%s", progress.dead[i].text);
        else
            item_end(items[i], &sink->host, begun_usec, SINK_DELIVERED, "ok");
    if (r < 0)
        item_end_failed_batch(
            items + progress.sent, n - progress.sent, &sink->host, begun_usec, &progress.error);
}

static int syslog_start(struct sink *sink, const struct sink_host *host, struct error *error)
{
    syslog_sink(sink)->host = *host;
    return 0;
}

/* The next batch connects anew. */
static int syslog_reopen(struct sink *sink, struct error *error)
{
    syslog_socket_close(&syslog_sink(sink)->socket);
    return 0;
}

static void syslog_destroy(struct sink *base)
{
    struct syslog_sink *sink;

    if (!base)
        return;
    sink = syslog_sink(base);
    syslog_socket_close(&sink->socket);
    syslog_target_done(&sink->target);
    buf_done(&sink->message);
    free(sink->tag);
    free(sink);
}

static int check_options(const struct sink_syslog_options *options, struct error *error)
{
    if (options->facility < 0 || options->facility > 23)
        return error_set(error, EINVAL, "facility: %d is none; 0 to 23 are", options->facility);
    if (options->severity < 0 || options->severity > 7)
        return error_set(error, EINVAL, "severity: %d is none; 0 to 7 are", options->severity);
    if (!syslog_tag_is_legal(options->tag))
        return error_set(error, EINVAL,
            "tag: \"%.64s\" is none; use 1 to 32 letters, digits, '-', '_' and '.'", options->tag);
    return 0;
}

/* A machine's name goes into the header as it stands; one that could break it is left out. */
static const char *load_hostname(char hostname[static HOSTNAME_MAX + 1])
{
    if (gethostname(hostname, HOSTNAME_MAX) < 0)
        return NULL;
    hostname[HOSTNAME_MAX] = '\0';
    for (const char *at = hostname; *at; at++)
        if (*at <= ' ' || *at > '~')
            return NULL;
    return *hostname ? hostname : NULL;
}

static int syslog_create(
    const struct sink_options *options, struct sink **ret_sink, struct error *error)
{
    const struct sink_syslog_options *syslog = &options->syslog;
    struct syslog_sink *sink;
    int r;

    r = check_options(syslog, error);
    if (r < 0)
        return r;
    sink = calloc(1, sizeof(*sink));
    if (!sink)
        return error_errno(error, ENOMEM, "sink");
    sink->sink.ops = &syslog_sink_ops;
    sink->socket = (struct syslog_socket)SYSLOG_SOCKET_INIT;
    sink->message = (struct buf)BUF_INIT;
    sink->format = syslog->format;
    sink->timeout_usec = syslog->timeout_usec;
    sink->tag = strdup(syslog->tag);
    r = sink->tag ? syslog_target_parse(syslog->target, &sink->target, error)
                  : error_errno(error, ENOMEM, "sink");
    if (r < 0) {
        syslog_destroy(&sink->sink);
        return r;
    }

    sink->header = (struct syslog_header){
        .facility = syslog->facility,
        .severity = syslog->severity,
        .rfc3164 = syslog->rfc3164,
        .tag = sink->tag,
        .pid = getpid(),
    };
    /* To a local daemon the old format goes without the name of the machine, as with syslog(3). */
    if (!syslog->rfc3164 || sink->target.transport != SYSLOG_LOCAL)
        sink->header.hostname = load_hostname(sink->hostname);
    *ret_sink = &sink->sink;
    return 0;
}

const struct sink_ops syslog_sink_ops = {
    .type = "syslog",
    .order = SINK_ORDER_ARRIVAL,
    .batch = SYSLOG_BATCH,
    .create = syslog_create,
    .destroy = syslog_destroy,
    .start = syslog_start,
    .deliver = syslog_deliver,
    .reopen = syslog_reopen,
};
