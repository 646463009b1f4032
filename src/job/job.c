#include "job/job.h"

/*
 * A Job out of a proven body. See job.h for the contract.
 *
 * Numbers. No field that we read is a number, and an unknown field must not cost a genuine
 * callback. jansson's integers end at int64, so a uint64 would be refused: every number is decoded
 * as a double instead (JSON_DECODE_INT_AS_REAL) and never looked at; what is passed on are the raw
 * bytes. What still fails is a number beyond the doubles, from about 1.8e308 on: RFC 8259 §6 warns
 * senders that such numbers do not travel, and no SASHA field comes near.
 *
 * Memory. jansson reports most failures of malloc as syntax errors, and its string buffer drops a
 * byte without any report at all. A genuine callback would then be refused for good, or be read
 * wrongly. So its allocations go through job_malloc, which notes a failure for the thread; the note
 * decides, whatever jansson says. This is the only state, and it is the thread's own.
 *
 * No text of jansson's errors is used: it quotes the input.
 */

#include "job/depth.h"
#include "util/cleanup.h"
#include "util/rfc3339.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

CLEANUP_FUNC(struct job, job_free);

/* Set by job_malloc, cleared before each parse. */
static _Thread_local bool job_memory_failed;

/* A field that is copied as it stands. */
struct field {
    const char *name;
    size_t offset; /* of its char * in struct job */
    const char *why;
};

static const struct field required_fields[] = {
    {"job_id", offsetof(struct job, job_id), "job_id is missing or not a string"},
    {"type", offsetof(struct job, type), "type is missing or not a string"},
    {"status", offsetof(struct job, status), "status is missing or not a string"},
    {"created_at", offsetof(struct job, created_at), "created_at is missing or not a string"},
    {"updated_at", offsetof(struct job, updated_at), "updated_at is missing or not a string"},
};

static const struct field optional_fields[] = {
    {"signature_id", offsetof(struct job, signature_id),
        "signature_id is neither a string nor null"},
    {"output_url", offsetof(struct job, output_url), "output_url is neither a string nor null"},
    {"output_url_expires_at", offsetof(struct job, output_url_expires_at),
        "output_url_expires_at is neither a string nor null"},
};

static const struct field error_fields[] = {
    {"code", offsetof(struct job, error_code), "error.code is neither a string nor null"},
    {"message", offsetof(struct job, error_message), "error.message is neither a string nor null"},
};

static void *job_malloc(size_t size)
{
    void *memory = malloc(size);

    if (!memory)
        job_memory_failed = true;
    return memory;
}

void job_init_library(void)
{
    json_set_alloc_funcs(job_malloc, free);
    json_object_seed(0);
}

static enum job_result malformed(const char **ret_why, const char *why)
{
    *ret_why = why;
    return JOB_MALFORMED;
}

static char **field_at(struct job *job, const struct field *field)
{
    return (char **)(void *)((char *)job + field->offset);
}

/* Copies the strings that are there; `required` refuses an absent or null one. */
static enum job_result read_fields(struct job *job, const json_t *object,
    const struct field *fields, size_t count, bool required, const char **ret_why)
{
    for (size_t i = 0; i < count; i++) {
        const json_t *value = json_object_get(object, fields[i].name);

        if (!required && (!value || json_is_null(value)))
            continue;
        if (!json_is_string(value))
            return malformed(ret_why, fields[i].why);
        *field_at(job, &fields[i]) = strdup(json_string_value(value)); /* NULs were refused */
        if (!*field_at(job, &fields[i]))
            return JOB_NO_MEMORY;
    }
    return JOB_OK;
}

/* Not strtoull, which takes spaces, signs and no digits at all. */
static bool is_uint64(const char *text)
{
    uint64_t value = 0;

    if (!*text)
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return false;
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*text - '0'), &value))
            return false;
    }
    return true;
}

/* What strings must be beyond being strings. */
static enum job_result check_values(struct job *job, const char **ret_why)
{
    int64_t created_at_usec;

    if (!*job->job_id)
        return malformed(ret_why, "job_id is empty");
    if (rfc3339_parse(job->created_at, strlen(job->created_at), &created_at_usec) < 0)
        return malformed(ret_why, "created_at is not an RFC 3339 date-time");
    if (rfc3339_parse(job->updated_at, strlen(job->updated_at), &job->updated_at_usec) < 0)
        return malformed(ret_why, "updated_at is not an RFC 3339 date-time");
    if (job->signature_id && !is_uint64(job->signature_id))
        return malformed(ret_why, "signature_id is not an unsigned 64-bit number");
    return JOB_OK;
}

static enum job_result read_job(struct job *job, const json_t *object, const char **ret_why)
{
    const json_t *error = json_object_get(object, "error");
    enum job_result result;

    result = read_fields(job, object, required_fields, ARRAY_SIZE(required_fields), true, ret_why);
    if (result != JOB_OK)
        return result;
    result = read_fields(job, object, optional_fields, ARRAY_SIZE(optional_fields), false, ret_why);
    if (result != JOB_OK)
        return result;
    if (error && !json_is_null(error)) {
        if (!json_is_object(error))
            return malformed(ret_why, "error is neither an object nor null");
        result = read_fields(job, error, error_fields, ARRAY_SIZE(error_fields), false, ret_why);
        if (result != JOB_OK)
            return result;
    }
    return check_values(job, ret_why);
}

static const char *syntax_why(const json_error_t *error)
{
    switch ((int)json_error_code(error)) {
    case json_error_duplicate_key:
        return "the body names a field twice";
    case json_error_invalid_utf8:
        return "the body is not UTF-8";
    case json_error_null_character:
    case json_error_null_byte_in_key:
        return "the body holds a NUL character";
    case json_error_numeric_overflow:
        return "the body holds a number beyond the range of doubles";
    default:
        return "the body is not one JSON object";
    }
}

enum job_result job_parse(
    const unsigned char *body, size_t length, struct job **ret_job, const char **ret_why)
{
    CLEANUP(json_decref) json_t *object = NULL;
    CLEANUP(job_free) struct job *job = NULL;
    json_error_t error;
    enum job_result result;

    if (length == 0 || body[0] != '{')
        return malformed(ret_why, "the body does not start with {");
    if (depth_exceeds(body, length, JOB_DEPTH_MAX))
        return malformed(ret_why, "the body nests too deep");

    job_memory_failed = false;
    object = json_loadb(
        (const char *)body, length, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, &error);
    if (job_memory_failed)
        return JOB_NO_MEMORY;
    if (!object)
        return malformed(ret_why, syntax_why(&error));

    job = calloc(1, sizeof(*job));
    if (!job)
        return JOB_NO_MEMORY;
    result = read_job(job, object, ret_why);
    if (result == JOB_OK)
        *ret_job = TAKE(job);
    return result;
}

void job_free(struct job *job)
{
    if (!job)
        return;
    free(job->job_id);
    free(job->type);
    free(job->status);
    free(job->created_at);
    free(job->updated_at);
    free(job->signature_id);
    free(job->output_url);
    free(job->output_url_expires_at);
    free(job->error_code);
    free(job->error_message);
    free(job);
}

bool job_status_is_terminal(const char *status)
{
    return strcmp(status, "completed") == 0 || strcmp(status, "failed") == 0;
}
