#pragma once

/*
 * Choosing deliveries: by filter or by number, in bounded memory.
 *
 *   options ─▶ filter ─▶ walk (page by page through /v1/deliveries) ─▶ seqs (so many at a time)
 *
 * A walk holds one page and the number where the next one starts, so that it may take as long as
 * it likes and the set may change under it. Pages come through a function pointer, which tests
 * bring themselves. Functions return an exit status, as client.h.
 */

#include "ctl/client.h"
#include "ctl/options.h"
#include "util/rfc3339.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- options ---- */

/* As given; NULL where not. */
struct select_options {
    const char *job, *request_id, *status, *type, *endpoint;
    const char *since, *until;
    const char *stale;
    const char *sink, *state;
};

/* Rows for a command whose struct of options has a `struct select_options` called `member`. */
#define SELECT_ROW(struct_name, member, name, argument, field, help)      \
    {                                                                     \
        name, argument, help, offsetof(struct struct_name, member.field), \
    }
#define SELECT_ROWS(struct_name, member)                                                          \
    SELECT_ROW(struct_name, member, "job", "ID", job, "of this job"),                             \
        SELECT_ROW(struct_name, member, "request-id", "ID", request_id, "with this id"),          \
        SELECT_ROW(struct_name, member, "status", "STATUS", status, "whose Job has this status"), \
        SELECT_ROW(struct_name, member, "type", "TYPE", type, "whose Job has this type"),         \
        SELECT_ROW(struct_name, member, "endpoint", "NAME", endpoint, "that came to it"),         \
        SELECT_ROW(struct_name, member, "since", "TIME", since, "received then or later"),        \
        SELECT_ROW(struct_name, member, "until", "TIME", until, "received before"),               \
        SELECT_ROW(struct_name, member, "stale", "yes|no", stale, "stale ones; the others"),      \
        SELECT_ROW(struct_name, member, "sink", "NAME", sink,                                     \
            "the sink; default: the only one that fits"),                                         \
        SELECT_ROW(struct_name, member, "state", "STATE", state, "dead or pending for the sink")

/* ---- filter ---- */

struct select_filter {
    /* Borrowed from the options; NULL: any. */
    const char *job, *request_id, *status, *type, *endpoint;
    const char *stale;                             /* "true", "false" */
    const char *sink, *state;                      /* both or none */
    char since[RFC3339_SIZE], until[RFC3339_SIZE]; /* "": no bound */
};

/* Judges the values; the sink is left to the caller, for it goes with the state. EX_USAGE. Pure. */
int select_filter_parse(const struct select_options *options, int64_t now_usec,
    struct select_filter *ret_filter, struct error *error);

/* Whether nothing narrows it down: each delivery fits. */
bool select_filter_is_all(const struct select_filter *filter);

/* Appends path and query of a page. 0 or -ENOMEM. Pure. */
int select_target(const struct select_filter *filter, bool oldest_first, uint64_t from,
    size_t limit, struct buf *out);

/* Reads a delivery's number from the command line. EX_USAGE. Pure. */
int select_parse_seq(const char *text, uint64_t *ret_seq, struct error *error);

/* Reads --limit: a number from 1. EX_USAGE. Pure. */
int select_parse_limit(const char *text, uint64_t *ret_limit, struct error *error);

/* ---- walk ---- */

typedef int (*select_fetch_fn)(
    void *context, const char *target, struct client_answer *answer, struct error *error);

/* Fetches with a `struct client *` as context. */
int select_fetch(
    void *context, const char *target, struct client_answer *answer, struct error *error);

struct select_walk {
    const struct select_filter *filter; /* borrowed */
    bool oldest_first;
    uint64_t from; /* go on behind this one; 0: from the start */
    bool ended;
    select_fetch_fn fetch;
    void *context;
};

/* The next page, at most `limit`; may be empty before the end. The answer holds it, and
 * *ret_deliveries borrows from it. Not to be called once `ended`. */
int select_walk_next(struct select_walk *walk, size_t limit, struct client_answer *answer,
    const json_t **ret_deliveries, struct error *error);

/* ---- seqs ---- */

/* How many an action is asked for at a time, and a page of a walk for it. */
#define SELECT_CHUNK 500

struct select_seqs {
    const uint64_t *given; /* borrowed; NULL: by walk */
    size_t n_given;
    struct select_walk walk;
    uint64_t left; /* how many may still come; UINT64_MAX: all */
    struct client_answer answer;
    uint64_t page[SELECT_CHUNK];
    size_t n_page, at; /* at: in page, or in given */
};

/* Passes on up to `max` more (at most SELECT_CHUNK); *ret_n is 0 at the end only. */
int select_seqs_next(
    struct select_seqs *seqs, size_t max, uint64_t *ret_seqs, size_t *ret_n, struct error *error);
void select_seqs_done(struct select_seqs *seqs);
