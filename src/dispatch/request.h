#pragma once

/*
 * A request of an operator, on its way from the thread that asks to the sink's runner and back.
 *
 * It is held by both: whoever lets go last frees it, so the asker may give up at any time. Once the
 * runner has begun with it, giving up only means not to wait for the answer; before, it means that
 * nothing of it happens.
 */

#include "dispatch/dispatch.h"

struct request;

/* Most requests that wait for a runner; their askers may have given up long ago. */
#define REQUESTS_MAX 64

/* Most seqs of one request that are looked at; the rest is busy. */
#define REQUEST_MAX 4096

/* Held twice: by the asker and for the runner. Copies `seqs`. NULL when out of memory. */
struct request *request_new(enum dispatch_request what, const uint64_t *seqs, size_t n);
void request_release(struct request *request);
CLEANUP_FUNC(struct request, request_release);

/* ---- the asker ---- */

/* Waits for the answer, at most `limit_usec`. Returns what request_end was given, or -EAGAIN. */
int request_wait(struct request *request, int64_t limit_usec,
    struct dispatch_request_result *ret_result, struct error *error);

/* ---- the runner ---- */

/* A list of requests that the runner holds, oldest first. */
struct request_list {
    struct request *head, *tail;
    size_t n;
};

void request_list_push(struct request_list *list, struct request *request);
struct request *request_list_pop(struct request_list *list); /* NULL: it is empty */

/* Appends all of `from` to `to`. */
void request_list_move(struct request_list *to, struct request_list *from);

/* False: the asker has given up, and nothing of it may happen. */
bool request_begin(struct request *request);

enum dispatch_request request_what(const struct request *request);
const uint64_t *request_seqs(const struct request *request, size_t *ret_n); /* borrowed */

/* What the answer will be if all goes well. Between begin and end. */
struct dispatch_request_result *request_result(struct request *request);

/* Answers, and lets go of it. `code`: 0 or a positive errno, which `format` then describes. */
void request_end(struct request *request, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
