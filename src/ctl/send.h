#pragma once

/*
 * The command `send`: makes a callback as SASHA would, and posts it or prints it.
 *
 *   options ─┬─▶ target  (whose key, which url: from the conf or from the options)
 *   conf ────┘      │
 *   job file or ────┴─▶ request (headers, signature) ─▶ post  ─▶ answer ─▶ report
 *   synthesised job                                  ├▶ curl command
 *                                                    └▶ burst: many of them, summed up
 *
 * One thread. Everything here lives as long as the command runs.
 */

#include "config/config.h"
#include "ctl/command.h"
#include "util/buf.h"
#include "util/error.h"
#include "verify/headers.h"
#include "verify/secret.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

extern const struct command send_command;

/* ---- send_options.c ---- */

/* As given; NULL or false where not. Borrowed from argv. */
struct send_options {
    const char *job, *status, *type, *job_id;
    const char *endpoint, *secret;
    const char *url, *sign_url;
    const char *request_id, *secret_id;
    const char *token, *token_file;
    const char *secret_file, *secret_encoding;
    const char *cacert, *timeout;
    const char *burst, *connections, *rate;
    bool direct, no_secret_id, insecure, print, self_test;
};

extern const struct option_row send_option_rows[];

/* Whether they fit together; the values are judged by whoever uses them. 0 or -EINVAL. Pure. */
int send_options_check(
    struct send_options *options, const struct common_options *common, struct error *error);

/* ---- send_target.c ---- */

/* Whose callback it is and where it goes. Owns what is not said to be borrowed. */
struct send_target {
    struct buf url;        /* to post to, with its NUL */
    char *unix_socket;     /* NULL: none */
    const char *sign_url;  /* borrowed from options or conf */
    const char *token;     /* borrowed; NULL: send none */
    struct buf token_text; /* what token borrows from, if it came from a file */
    const char *secret_id; /* borrowed; NULL: send none */
    struct secret_key key;
};

#define SEND_TARGET_INIT                        \
    {                                           \
        .url = BUF_INIT, .token_text = BUF_INIT \
    }

/* `config` is NULL when the options name a secret file instead. Reads the secret and token files
 * that the options name. Returns an exit status. `target` holds SEND_TARGET_INIT before and is
 * given back with send_target_done in any case. */
int send_target_resolve(const struct send_options *options, const struct config *config,
    struct send_target *target, struct error *error);

/* Wipes. */
void send_target_done(struct send_target *target);

/* ---- send_job.c ---- */

/* Appends a Job with the fields that one of its type and status has. 0 or -errno. */
int send_job_make(const char *status, const char *type, const char *job_id, int64_t now_usec,
    struct buf *buf, struct error *error);

/* ---- send_request.c ---- */

#define SEND_HEADERS_MAX 6

/* All that goes over the wire. Owns its headers only. */
struct send_request {
    const char *url;
    const char *unix_socket; /* NULL: none */
    const char *cacert;      /* NULL: the system's */
    bool insecure;
    int64_t timeout_usec;
    const unsigned char *body;
    size_t body_length;
    const char *body_file; /* the file that holds the body, for the curl command; NULL: none does */
    char request_id[HEADER_REQUEST_ID_MAX + 1];
    char *headers[SEND_HEADERS_MAX]; /* "Name: value" */
    size_t n_headers;
};

/* Signs. Returns an exit status. `request` is zeroed before and is given back with
 * send_request_done in any case. */
int send_request_make(const struct send_options *options, const struct send_target *target,
    const struct buf *body, struct send_request *request, struct error *error);
void send_request_done(struct send_request *request);

/* ---- send_curl.c ---- */

/* Appends the request as a curl command for a POSIX shell. -EINVAL when a command line cannot hold
 * the body. */
int send_curl_append(const struct send_request *request, struct buf *buf, struct error *error);

/* Appends one word for a POSIX shell. 0 or -ENOMEM. */
int send_curl_append_word(struct buf *buf, const void *text, size_t length);

/* ---- send_post.c ---- */

/* The most of an answer's body that is kept. */
#define SEND_ANSWER_MAX 65536

/* Why there is no answer. */
enum send_failure {
    SEND_ANSWERED,
    SEND_NO_HOST,       /* its name has no address */
    SEND_NO_CONNECTION, /* refused, or no way there */
    SEND_TIMED_OUT,
    SEND_BAD_CERTIFICATE,
    SEND_NO_TLS, /* the two sides do not agree, or the other does not speak it */
    SEND_CUT,    /* closed before the answer was whole */
    SEND_FAILED, /* anything else */
};

struct send_answer {
    enum send_failure failure;
    long status;
    char status_line[128]; /* as it came, without its line end, cut if longer */
    struct buf body;
    bool cut; /* the body was longer */
    int64_t time_usec;
};

#define SEND_ANSWER_INIT \
    {                    \
        .body = BUF_INIT \
    }

/* Posts once: no redirect is followed, no proxy is used. 0, or -EIO when no whole answer came. */
int send_post(const struct send_request *request, struct send_answer *answer, struct error *error);

/* ---- send_burst.c ---- */

/* Sends --burst callbacks over --connections, and appends a summary. `body` is the Job of --job, or
 * empty for made-up ones. Returns an exit status; a fault is described. */
int send_burst(const struct send_options *options, const struct send_target *target,
    const struct buf *body, bool as_json, struct buf *out, struct error *error);

/* ---- send_self_test.c ---- */

/* Appends what an answer through the public url, or its lack, says about the way there: for a
 * person, one finding. Returns whether all is well. Pure. */
bool send_self_test_judge(const struct send_request *request, const struct send_answer *answer,
    const struct error *failure, struct buf *out);
