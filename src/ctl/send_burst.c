/*
 * Many callbacks at a time, for a first load test: each signed, with an id of its own and, unless
 * --job gives the body, a Job of its own.
 *
 * A fixed number of slots, each one exchange at a time with a connection that is kept; so memory
 * does not grow with the burst. Latencies go into buckets, answers into one counter a status.
 * Ctrl-C ends it when what is under way is answered, with the summary.
 */

#include "ctl/send.h"

#include "ctl/interrupt.h"
#include "ctl/latency.h"
#include "ctl/pace.h"
#include "ctl/send_easy.h"
#include "ctl/terminal.h"
#include "util/cleanup.h"
#include "util/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#define BURST_MAX 100000000
#define CONNECTIONS_DEFAULT 8
#define CONNECTIONS_MAX 1024
#define STATUS_MAX 600
#define PROGRESS_EVERY (USEC_PER_SEC / 5)

/* Nobody is there: so many exchanges without an answer, and none with one. */
#define GIVE_UP_AFTER 100

struct slot {
    CURL *curl;
    struct curl_slist *headers;
    struct send_request request;
    struct send_answer answer;
    struct buf body;
    char why[CURL_ERROR_SIZE];
    bool busy;
};

struct burst {
    const struct send_options *options;
    const struct send_target *target;
    const struct buf *body;
    struct pace pace;
    CURLM *multi;
    struct slot *slots;
    size_t n_slots;
    uint64_t n, started, ended;
    uint64_t statuses[STATUS_MAX];
    uint64_t n_unanswered;
    char why[CURL_ERROR_SIZE]; /* of the last one that had no answer */
    struct latency latency;
    int64_t start_usec, shown_usec, end_usec;
    bool shows_progress;
};

/* ---- options ---- */

static int parse_count(
    const char *option, const char *text, uint64_t max, uint64_t *ret_count, struct error *error)
{
    uint64_t count = 0;
    const char *at = text;

    for (; *at >= '0' && *at <= '9' && count <= max; at++)
        count = 10 * count + (uint64_t)(*at - '0');
    if (*at != '\0' || count < 1 || count > max)
        return error_set(
            error, EINVAL, "--%s \"%s\" is not a number from 1 to %" PRIu64, option, text, max);
    *ret_count = count;
    return 0;
}

static int parse_options(struct burst *burst, struct error *error)
{
    const struct send_options *options = burst->options;
    uint64_t connections = CONNECTIONS_DEFAULT;

    if (parse_count("burst", options->burst, BURST_MAX, &burst->n, error) < 0 ||
        (options->connections && parse_count("connections", options->connections, CONNECTIONS_MAX,
                                     &connections, error) < 0) ||
        (options->rate && pace_parse(options->rate, &burst->pace, error) < 0))
        return EX_USAGE;
    burst->n_slots = (size_t)(connections < burst->n ? connections : burst->n);
    return EX_OK;
}

/* ---- one exchange ---- */

static int start_one(struct burst *burst, struct slot *slot, struct error *error)
{
    const struct send_options *options = burst->options;
    const struct buf *body = burst->body;
    int status = EX_OK;

    buf_clear(&slot->answer.body);
    slot->answer.cut = false;
    slot->why[0] = '\0';
    slot->request = (struct send_request){.url = NULL};
    if (!options->job) {
        buf_clear(&slot->body);
        body = &slot->body;
        if (send_job_make(options->status, options->type ? options->type : "embed-signature", NULL,
                clock_realtime(clock_system()), &slot->body, error) < 0)
            return EX_SOFTWARE;
    }
    status = send_request_make(options, burst->target, body, &slot->request, error);
    if (status != EX_OK)
        return status;
    slot->headers = send_easy_headers(&slot->request);
    if (!slot->headers ||
        !send_easy_set_up(slot->curl, &slot->request, slot->headers, &slot->answer, slot->why) ||
        curl_easy_setopt(slot->curl, CURLOPT_PRIVATE, slot) != CURLE_OK ||
        curl_multi_add_handle(burst->multi, slot->curl) != CURLM_OK) {
        error_set(error, ENOMEM, "libcurl cannot set up a request");
        return EX_SOFTWARE;
    }
    slot->busy = true;
    burst->started++;
    return EX_OK;
}

static void end_slot(struct slot *slot)
{
    curl_slist_free_all(slot->headers);
    slot->headers = NULL;
    send_request_done(&slot->request);
    slot->busy = false;
}

static void end_one(struct burst *burst, struct slot *slot, CURLcode code)
{
    curl_off_t usec = 0;
    long status = 0;

    if (code == CURLE_OK &&
        curl_easy_getinfo(slot->curl, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK && status > 0 &&
        status < STATUS_MAX &&
        curl_easy_getinfo(slot->curl, CURLINFO_TOTAL_TIME_T, &usec) == CURLE_OK) {
        burst->statuses[status]++;
        latency_add(&burst->latency, usec);
    } else {
        burst->n_unanswered++;
        snprintf(burst->why, sizeof(burst->why), "%s",
            slot->why[0] != '\0' ? slot->why : curl_easy_strerror(code));
    }
    burst->ended++;
    curl_multi_remove_handle(burst->multi, slot->curl);
    end_slot(slot);
}

/* ---- the burst ---- */

static int set_up(struct burst *burst, struct error *error)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        goto failed;
    burst->multi = curl_multi_init();
    burst->slots = calloc(burst->n_slots, sizeof(*burst->slots));
    if (!burst->multi || !burst->slots)
        goto failed;
    for (size_t i = 0; i < burst->n_slots; i++) {
        burst->slots[i].curl = curl_easy_init();
        if (!burst->slots[i].curl)
            goto failed;
    }
    return EX_OK;

failed:
    error_set(error, ENOMEM, "libcurl cannot be set up");
    return EX_SOFTWARE;
}

static void clean_up(struct burst *burst)
{
    for (size_t i = 0; burst->slots && i < burst->n_slots; i++) {
        struct slot *slot = &burst->slots[i];

        if (slot->busy)
            curl_multi_remove_handle(burst->multi, slot->curl);
        end_slot(slot);
        curl_easy_cleanup(slot->curl);
        buf_done(&slot->answer.body);
        buf_done(&slot->body);
    }
    free(burst->slots);
    curl_multi_cleanup(burst->multi);
}

static int64_t now(void)
{
    return clock_monotonic(clock_system());
}

/* Starts what may start; *ret_wait_usec is until the next may. */
static int start_due(struct burst *burst, int64_t *ret_wait_usec, struct error *error)
{
    *ret_wait_usec = USEC_PER_SEC / 10;
    if (interrupt_came())
        return EX_OK;
    for (size_t i = 0; i < burst->n_slots && burst->started < burst->n; i++) {
        int64_t due_usec = burst->start_usec + pace_due_usec(&burst->pace, burst->started) - now();
        int status;

        if (burst->slots[i].busy)
            continue;
        if (due_usec > 0) {
            if (due_usec < *ret_wait_usec)
                *ret_wait_usec = due_usec;
            break;
        }
        status = start_one(burst, &burst->slots[i], error);
        if (status != EX_OK)
            return status;
    }
    return EX_OK;
}

static void show_progress(struct burst *burst, bool last)
{
    int64_t usec = now();

    if (!burst->shows_progress || (!last && usec - burst->shown_usec < PROGRESS_EVERY))
        return;
    burst->shown_usec = usec;
    fprintf(stderr,
        "\r%" PRIu64 " of %" PRIu64 " (%" PRIu64 " %%), %.0f/s, %" PRIu64 " without an answer%s",
        burst->ended, burst->n, 100 * burst->ended / burst->n,
        (double)burst->ended * (double)USEC_PER_SEC /
            (double)(usec > burst->start_usec ? usec - burst->start_usec : 1),
        burst->n_unanswered, last ? "\n" : "");
}

static bool is_hopeless(const struct burst *burst)
{
    return burst->n_unanswered >= GIVE_UP_AFTER && burst->n_unanswered == burst->ended;
}

static bool is_over(const struct burst *burst)
{
    return burst->ended == (interrupt_came() ? burst->started : burst->n) || is_hopeless(burst);
}

static int run(struct burst *burst, struct error *error)
{
    burst->start_usec = now();
    while (!is_over(burst)) {
        int64_t wait_usec;
        int n_running, n_left;
        CURLMsg *message;
        uint64_t ended = burst->ended;
        int status = start_due(burst, &wait_usec, error);

        if (status != EX_OK)
            return status;
        if (curl_multi_perform(burst->multi, &n_running) != CURLM_OK) {
            error_set(error, EIO, "libcurl failed");
            return EX_SOFTWARE;
        }
        while ((message = curl_multi_info_read(burst->multi, &n_left)) != NULL) {
            struct slot *slot = NULL;
            CURLcode code = message->data.result;

            if (message->msg == CURLMSG_DONE &&
                curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)(void *)&slot) ==
                    CURLE_OK)
                end_one(burst, slot, code);
        }
        show_progress(burst, false);
        if (burst->ended == ended)
            curl_multi_poll(burst->multi, NULL, 0, (int)(wait_usec / USEC_PER_MSEC) + 1, NULL);
    }
    burst->end_usec = now();
    show_progress(burst, true);
    return EX_OK;
}

static int run_until_interrupted(struct burst *burst, struct error *error)
{
    int status;

    interrupt_catch();
    status = run(burst, error);
    interrupt_release();
    return status;
}

/* ---- the summary ---- */

static double milliseconds(const struct burst *burst, unsigned int percent)
{
    return (double)latency_get(&burst->latency, percent) / (double)USEC_PER_MSEC;
}

/* In seconds; never 0. */
static double lasted(const struct burst *burst)
{
    int64_t usec = burst->end_usec - burst->start_usec;

    return (double)(usec > 0 ? usec : 1) / (double)USEC_PER_SEC;
}

static void summarize_json(const struct burst *burst, struct buf *out)
{
    double seconds = lasted(burst);
    bool first = true;

    buf_append_format(out, "{\"sent\":%" PRIu64 ",\"statuses\":{", burst->ended);
    for (size_t i = 0; i < STATUS_MAX; i++) {
        if (burst->statuses[i] > 0) {
            buf_append_format(out, "%s\"%zu\":%" PRIu64, first ? "" : ",", i, burst->statuses[i]);
            first = false;
        }
    }
    buf_append_format(out, "},\"unanswered\":%" PRIu64 ",\"error\":", burst->n_unanswered);
    if (burst->n_unanswered > 0)
        buf_append_json(out, burst->why, strlen(burst->why));
    else
        buf_append_text(out, "null");
    buf_append_format(out,
        ",\"interrupted\":%s,\"seconds\":%.3f,\"per_second\":%.1f,\"ms_p50\":%.3f,\"ms_p90\":%.3f,"
        "\"ms_p99\":%.3f,"
        "\"ms_max\":%.3f}\n",
        interrupt_came() ? "true" : "false", seconds, (double)burst->ended / seconds,
        milliseconds(burst, 50), milliseconds(burst, 90), milliseconds(burst, 99),
        milliseconds(burst, 100));
}

static void summarize_text(const struct burst *burst, struct buf *out)
{
    double seconds = lasted(burst);

    buf_append_format(out, "%" PRIu64 " callbacks over %zu connections in %.2f s: %.0f/s\n",
        burst->ended, burst->n_slots, seconds, (double)burst->ended / seconds);
    for (size_t i = 0; i < STATUS_MAX; i++) {
        if (burst->statuses[i] > 0)
            buf_append_format(out, "  status %zu: %" PRIu64 "\n", i, burst->statuses[i]);
    }
    if (burst->n_unanswered > 0)
        buf_append_format(out, "  no answer: %" PRIu64 " (%s)\n", burst->n_unanswered, burst->why);
    if (burst->latency.n > 0)
        buf_append_format(out,
            "latency: 50 %% within %.2f ms, 90 %% %.2f ms, 99 %% %.2f ms, all %.2f ms\n",
            milliseconds(burst, 50), milliseconds(burst, 90), milliseconds(burst, 99),
            milliseconds(burst, 100));
    if (burst->ended < burst->n)
        buf_append_format(out,
            interrupt_came() ? "interrupted: %" PRIu64 " of %" PRIu64 " were sent\n"
                             : "given up after %" PRIu64 " of %" PRIu64 ": nobody answers\n",
            burst->ended, burst->n);
}

static int exit_status(const struct burst *burst)
{
    uint64_t n_good = 0;

    for (size_t i = 200; i < 300; i++)
        n_good += burst->statuses[i];
    if (n_good == burst->n)
        return EX_OK;
    return burst->ended > 0 && burst->n_unanswered == burst->ended ? EX_UNAVAILABLE : CTL_REFUSED;
}

int send_burst(const struct send_options *options, const struct send_target *target,
    const struct buf *body, bool as_json, struct buf *out, struct error *error)
{
    CLEANUP(free) struct burst *burst = calloc(1, sizeof(*burst));
    int status;

    if (!burst) {
        error_errno(error, ENOMEM, "cannot set up the burst");
        return EX_OSERR;
    }
    burst->options = options;
    burst->target = target;
    burst->body = body;
    burst->shows_progress = terminal_shows_progress();
    status = parse_options(burst, error);
    if (status == EX_OK)
        status = set_up(burst, error);
    if (status == EX_OK)
        status = run_until_interrupted(burst, error);
    clean_up(burst);
    if (status != EX_OK)
        return status;

    if (as_json)
        summarize_json(burst, out);
    else
        summarize_text(burst, out);
    return exit_status(burst);
}
