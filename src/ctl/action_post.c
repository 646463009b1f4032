/*
 * Posting an action chunk by chunk: pace, a full queue, progress, Ctrl-C. See action.h.
 */

#include "ctl/action.h"

#include "ctl/field.h"
#include "ctl/interrupt.h"
#include "ctl/terminal.h"
#include "util/cleanup.h"
#include "util/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

/* A full queue: waits double from the first to the last, and end when nothing moved for so long. A
 * hook may take minutes, so there is patience. */
#define WAIT_FIRST (50 * USEC_PER_MSEC)
#define WAIT_LAST (2 * USEC_PER_SEC)
#define PATIENCE (10 * USEC_PER_MIN)
/* A daemon that cannot do it now, or stops. */
#define PATIENCE_UNAVAILABLE (30 * USEC_PER_SEC)

/* Sleeps until a monotonic moment, or Ctrl-C. */
static void sleep_until(int64_t at_usec)
{
    struct timespec at = {
        .tv_sec = at_usec / USEC_PER_SEC, .tv_nsec = at_usec % USEC_PER_SEC * 1000};

    while (!interrupt_came() && clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
        continue;
}

/* One chunk on its way. */
struct chunk {
    uint64_t seqs[SELECT_CHUNK];
    size_t n;
    int64_t wait_usec; /* the next wait when the queue is full */
    int64_t moved_at;  /* monotonic: when something was done */
};

static void show_progress(
    const struct action_post *post, const struct action_sums *sums, int64_t since_usec, bool waits)
{
    uint64_t so_far = sums->done + sums->skipped;
    double seconds = (double)(clock_monotonic(clock_system()) - since_usec) / USEC_PER_SEC;

    if (post->total == 0)
        return;
    fprintf(stderr, "\r%" PRIu64 " of %" PRIu64 " %s (%.0f %%), %.0f/s%s\033[K", so_far,
        post->total, post->verb, 100.0 * (double)so_far / (double)post->total,
        seconds > 0 ? (double)so_far / seconds : 0, waits ? ", waiting for room" : "");
}

static void end_progress(const struct action_post *post)
{
    if (post->total > 0)
        fprintf(stderr, "\r\033[K");
}

static int make_body(const struct action_post *post, const struct chunk *chunk, struct buf *body)
{
    buf_clear(body);
    buf_append_text(body, "{\"sink\":");
    buf_append_json(body, post->sink, strlen(post->sink));
    buf_append_text(body, ",\"seqs\":[");
    for (size_t i = 0; i < chunk->n; i++)
        buf_append_format(body, "%s%" PRIu64, i > 0 ? "," : "", chunk->seqs[i]);
    return buf_append_text(body, "]}");
}

/* Takes what the daemon says was done out of the chunk: busy ones are its last. */
static int settle(const struct client_answer *answer, struct chunk *chunk, struct action_sums *sums,
    struct error *error)
{
    int64_t done = field_number(answer->root, "done");
    int64_t skipped = field_number(answer->root, "skipped");
    int64_t busy = field_number(answer->root, "busy");
    int64_t n = (int64_t)chunk->n;

    if (done < 0 || done > n || skipped < 0 || skipped > n || busy < 0 || busy > n ||
        done + skipped + busy != n) {
        error_set(error, EPROTO, "the daemon's answer does not add up");
        return EX_PROTOCOL;
    }
    sums->done += (uint64_t)done;
    sums->skipped += (uint64_t)skipped;
    memmove(chunk->seqs, chunk->seqs + (n - busy), (size_t)busy * sizeof(*chunk->seqs));
    chunk->n = (size_t)busy;
    return EX_OK;
}

/* Waits for room. EX_TEMPFAIL: for too long, and the error says so. */
static int wait_for_room(
    const struct action_post *post, struct chunk *chunk, bool unavailable, struct error *error)
{
    int64_t now = clock_monotonic(clock_system());

    if (now - chunk->moved_at > (unavailable ? PATIENCE_UNAVAILABLE : PATIENCE)) {
        if (!unavailable)
            error_set(error, EAGAIN,
                "the queue of %s stays full; is it paused, or do its hooks hang? see status",
                post->sink);
        return EX_TEMPFAIL;
    }
    sleep_until(now + chunk->wait_usec);
    chunk->wait_usec = chunk->wait_usec < WAIT_LAST / 2 ? 2 * chunk->wait_usec : WAIT_LAST;
    return EX_OK;
}

/* Posts until the whole chunk is done, or something stops it. */
static int post_chunk(const struct action_post *post, struct chunk *chunk,
    struct client_answer *answer, int64_t started_at, struct action_sums *sums, struct error *error)
{
    struct buf body = BUF_INIT;
    int status = EX_OK;

    chunk->moved_at = clock_monotonic(clock_system());
    chunk->wait_usec = WAIT_FIRST;
    while (chunk->n > 0 && status == EX_OK && !interrupt_came()) {
        size_t before = chunk->n;
        bool unavailable;

        sleep_until(started_at + pace_due_usec(&post->pace, sums->done + sums->skipped));
        if (interrupt_came())
            break;
        make_body(post, chunk, &body);
        status = client_post(post->client, post->target, &body, answer, error);
        unavailable = status == EX_TEMPFAIL;
        if (status == EX_OK)
            status = settle(answer, chunk, sums, error);
        if (chunk->n < before) {
            chunk->moved_at = clock_monotonic(clock_system());
            chunk->wait_usec = WAIT_FIRST;
        }
        show_progress(post, sums, started_at, chunk->n > 0);
        if (unavailable || (status == EX_OK && chunk->n > 0))
            status = wait_for_room(post, chunk, unavailable, error);
    }
    buf_done(&body);
    return status;
}

int action_post_all(const struct action_post *post, struct select_seqs *seqs,
    struct action_sums *sums, struct error *error)
{
    struct client_answer answer = CLIENT_ANSWER_INIT;
    struct chunk chunk = {.n = 0};
    int64_t started_at = clock_monotonic(clock_system());
    int status = EX_OK;

    interrupt_catch();
    while (status == EX_OK && !interrupt_came()) {
        status = select_seqs_next(
            seqs, pace_chunk(&post->pace, SELECT_CHUNK), chunk.seqs, &chunk.n, error);
        if (status != EX_OK || chunk.n == 0)
            break;
        status = post_chunk(post, &chunk, &answer, started_at, sums, error);
    }
    interrupt_release();
    end_progress(post);
    sums->interrupted = interrupt_came();
    client_answer_done(&answer);
    return status;
}
