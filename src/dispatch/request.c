/*
 * A request of an operator. See request.h.
 *
 * `stage` decides who was first, the runner that begins or the asker that gives up. The answer is
 * written before the stage says that there is one, and not after.
 */

#include "dispatch/request.h"

#include "util/cleanup.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum stage {
    STAGE_ASKED,
    STAGE_BEGUN,
    STAGE_GIVEN_UP,
    STAGE_ENDED,
};

struct request {
    struct request *next;
    _Atomic unsigned int holders;

    pthread_mutex_t lock; /* a leaf */
    pthread_cond_t ended; /* by the monotonic clock */
    enum stage stage;     /* under the lock */

    struct dispatch_request_result result;
    struct error error; /* code 0: it was done */

    enum dispatch_request what;
    size_t n;
    uint64_t seqs[];
};

struct request *request_new(enum dispatch_request what, const uint64_t *seqs, size_t n)
{
    size_t kept = n < REQUEST_MAX ? n : REQUEST_MAX;
    struct request *request = calloc(1, sizeof(*request) + kept * sizeof(*seqs));
    pthread_condattr_t attributes;

    if (!request)
        return NULL;
    request->what = what;
    request->n = kept;
    request->result.busy = n - kept;
    if (kept > 0)
        memcpy(request->seqs, seqs, kept * sizeof(*seqs));
    atomic_init(&request->holders, 2);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&request->ended, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&request->lock, NULL);
    return request;
}

void request_release(struct request *request)
{
    if (!request || atomic_fetch_sub(&request->holders, 1) > 1)
        return;
    pthread_cond_destroy(&request->ended);
    pthread_mutex_destroy(&request->lock);
    free(request);
}

static struct timespec monotonic_after(int64_t usec)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += usec / USEC_PER_SEC;
    until.tv_nsec += usec % USEC_PER_SEC * 1000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    return until;
}

/* Returns the stage it is in by then; one that was not begun with is given up. */
static enum stage wait_ended(struct request *request, int64_t limit_usec)
{
    const struct timespec until = monotonic_after(limit_usec);
    int r = 0;

    pthread_mutex_lock(&request->lock);
    while (request->stage != STAGE_ENDED && r == 0)
        r = pthread_cond_timedwait(&request->ended, &request->lock, &until);
    ASSERT(r == 0 || r == ETIMEDOUT);
    if (request->stage == STAGE_ASKED)
        request->stage = STAGE_GIVEN_UP;
    enum stage stage = request->stage;
    pthread_mutex_unlock(&request->lock);
    return stage;
}

int request_wait(struct request *request, int64_t limit_usec,
    struct dispatch_request_result *ret_result, struct error *error)
{
    switch (wait_ended(request, limit_usec)) {
    case STAGE_ASKED:
    case STAGE_GIVEN_UP:
        return error_set(error, EAGAIN, "the sink is busy; nothing was done");
    case STAGE_BEGUN:
        return error_set(error, EAGAIN, "the store is slow; what was asked for may still be done");
    case STAGE_ENDED:
        break;
    }
    if (request->error.code != 0) {
        if (error)
            *error = request->error;
        return -request->error.code;
    }
    *ret_result = request->result;
    return 0;
}

/* ---- the runner ---- */

void request_list_push(struct request_list *list, struct request *request)
{
    request->next = NULL;
    if (list->tail)
        list->tail->next = request;
    else
        list->head = request;
    list->tail = request;
    list->n++;
}

struct request *request_list_pop(struct request_list *list)
{
    struct request *request = list->head;

    if (!request)
        return NULL;
    list->head = request->next;
    if (!list->head)
        list->tail = NULL;
    list->n--;
    return request;
}

void request_list_move(struct request_list *to, struct request_list *from)
{
    struct request *request;

    while ((request = request_list_pop(from)))
        request_list_push(to, request);
}

bool request_begin(struct request *request)
{
    pthread_mutex_lock(&request->lock);
    bool begins = request->stage == STAGE_ASKED;
    if (begins)
        request->stage = STAGE_BEGUN;
    pthread_mutex_unlock(&request->lock);
    return begins;
}

enum dispatch_request request_what(const struct request *request)
{
    return request->what;
}

const uint64_t *request_seqs(const struct request *request, size_t *ret_n)
{
    *ret_n = request->n;
    return request->seqs;
}

struct dispatch_request_result *request_result(struct request *request)
{
    return &request->result;
}

void request_end(struct request *request, int code, const char *format, ...)
{
    va_list arguments;
    char text[ERROR_TEXT_MAX];

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (code != 0)
        error_set(&request->error, code, "%s", text);
    pthread_mutex_lock(&request->lock);
    request->stage = STAGE_ENDED;
    pthread_cond_signal(&request->ended);
    pthread_mutex_unlock(&request->lock);
    request_release(request);
}
