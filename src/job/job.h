#pragma once

/*
 * A Job, as SASHA describes it in the body of a callback.
 *
 * Parsing happens only after the HMAC held: unproven bytes reach no parser (G4). The struct owns
 * copies of the scalar fields; the raw bytes stay with the delivery and are what is passed on.
 * Unknown fields and unknown values of `type` and `status` pass: SASHA calls them
 * backwards-compatible changes.
 *
 * Source of the fields: SASHA Partner API reference 1.0.0 and 1.4.0, "Job".
 * No I/O, no shared state; any thread. Call job_init_library once in main before threads start.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct job {
    /* Required; never NULL. job_id is not empty. */
    char *job_id;
    char *type;
    char *status;
    char *created_at; /* as received */
    char *updated_at; /* as received */
    int64_t updated_at_usec;

    /* NULL where the Job lacks them or has null. */
    char *signature_id; /* an unsigned 64-bit number in a string; digits only */
    char *output_url;
    char *output_url_expires_at;
    char *error_code;
    char *error_message;
};

enum job_result {
    JOB_OK,
    JOB_MALFORMED,
    JOB_NO_MEMORY,
};

/* How deep a Job may nest. A C2PA manifest in `record` stays far below. */
#define JOB_DEPTH_MAX 64

/* Seeds jansson's hash function, for what uses it beside the way of a callback. Once, before any
 * thread starts and any other use of jansson. */
void job_init_library(void);

/* Parses a body that was proven genuine. It must start with '{', be one JSON object without
 * duplicate keys or NUL characters, nest at most JOB_DEPTH_MAX deep, have the required fields as
 * strings, RFC 3339 dates, and the optional fields above as strings (signature_id: digits that fit
 * 64 bits) or null, `error` an object or null. created_at and updated_at are the two dates that are
 * checked. Numbers of unknown fields may be any that fit a double.
 * On JOB_MALFORMED, *ret_why is a static text that says what is wrong without quoting the body.
 * On JOB_OK, *ret_job is owned by the caller. */
enum job_result job_parse(
    const unsigned char *body, size_t length, struct job **ret_job, const char **ret_why);

void job_free(struct job *job);

/* `completed` and `failed` are final. Every other status, known or not, is not. */
bool job_status_is_terminal(const char *status);
