#include "job/job.h"

/*
 * A Job out of a proven body. See job.h for the contract.
 *
 * Numbers. No field that we read is a number, and an unknown field must not cost a genuine
 * callback, so numbers are checked and never looked at; what is passed on are the raw bytes. What
 * still fails is a number beyond the doubles, from about 1.8e308 on: RFC 8259 §6 warns senders that
 * such numbers do not travel, and no SASHA field comes near.
 *
 * Memory. The struct and its strings are one allocation.
 */

#include "job/scan.h"
#include "util/cleanup.h"
#include "util/rfc3339.h"

#include <stdlib.h>
#include <string.h>

CLEANUP_FUNC(struct job, job_free);

/* A field that is copied as it stands, and what is said when it is of another type. */
struct field {
    const char *object, *name;
    size_t name_length;
    size_t offset; /* of its char * in struct job */
    bool required; /* else it may be absent or null */
    const char *why;
};

#define TEXT(text) (text), sizeof(text) - 1

static const struct field fields[] = {
    {"", TEXT("job_id"), offsetof(struct job, job_id), true, "job_id is missing or not a string"},
    {"", TEXT("type"), offsetof(struct job, type), true, "type is missing or not a string"},
    {"", TEXT("status"), offsetof(struct job, status), true, "status is missing or not a string"},
    {"", TEXT("created_at"), offsetof(struct job, created_at), true,
        "created_at is missing or not a string"},
    {"", TEXT("updated_at"), offsetof(struct job, updated_at), true,
        "updated_at is missing or not a string"},
    {"", TEXT("signature_id"), offsetof(struct job, signature_id), false,
        "signature_id is neither a string nor null"},
    {"", TEXT("output_url"), offsetof(struct job, output_url), false,
        "output_url is neither a string nor null"},
    {"", TEXT("output_url_expires_at"), offsetof(struct job, output_url_expires_at), false,
        "output_url_expires_at is neither a string nor null"},
    {"error", TEXT("code"), offsetof(struct job, error_code), false,
        "error.code is neither a string nor null"},
    {"error", TEXT("message"), offsetof(struct job, error_message), false,
        "error.message is neither a string nor null"},
};

/* What is looked for: the fields, and what `error` is. */
#define MEMBER_ERROR ARRAY_SIZE(fields)
#define MEMBERS (MEMBER_ERROR + 1)

static enum job_result malformed(const char **ret_why, const char *why)
{
    *ret_why = why;
    return JOB_MALFORMED;
}

static enum job_result scan_verdict(enum scan_result result, const char **ret_why)
{
    switch (result) {
    case SCAN_OK:
        return JOB_OK;
    case SCAN_NO_MEMORY:
        return JOB_NO_MEMORY;
    case SCAN_SYNTAX:
        return malformed(ret_why, "the body is not one JSON object");
    case SCAN_UTF8:
        return malformed(ret_why, "the body is not UTF-8");
    case SCAN_NUL:
        return malformed(ret_why, "the body holds a NUL character");
    case SCAN_NUMBER:
        return malformed(ret_why, "the body holds a number beyond the range of doubles");
    case SCAN_DUPLICATE:
        return malformed(ret_why, "the body names a field twice");
    case SCAN_DEEP:
        return malformed(ret_why, "the body nests too deep");
    }
    ASSERT(!"a result that is none");
}

/* Whether every field is of the type that it must be. */
static enum job_result check_types(const struct scan_member *members, const char **ret_why)
{
    enum scan_type error = members[MEMBER_ERROR].type;

    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        bool may_lack =
            !fields[i].required && (members[i].type == SCAN_ABSENT || members[i].type == SCAN_NULL);

        if (members[i].type != SCAN_STRING && !may_lack)
            return malformed(ret_why, fields[i].why);
    }
    if (error != SCAN_ABSENT && error != SCAN_NULL && error != SCAN_OBJECT)
        return malformed(ret_why, "error is neither an object nor null");
    return JOB_OK;
}

static struct job *copy_fields(const struct scan_member *members)
{
    size_t size = sizeof(struct job);
    struct job *job;
    char *to;

    for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
        size += members[i].type == SCAN_STRING ? members[i].text.length + 1 : 0;
    job = malloc(size); /* not calloc, which passes glibc's caches by */
    if (!job)
        return NULL;
    *job = (struct job){.job_id = NULL};
    to = (char *)(job + 1);
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        if (members[i].type != SCAN_STRING)
            continue;
        *(char **)(void *)((char *)job + fields[i].offset) = to;
        to += scan_decode(&members[i].text, to);
        *to++ = '\0';
    }
    return job;
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

enum job_result job_parse(
    const unsigned char *body, size_t length, struct job **ret_job, const char **ret_why)
{
    CLEANUP(job_free) struct job *job = NULL;
    struct scan_member members[MEMBERS];
    enum job_result result;

    if (length == 0 || body[0] != '{')
        return malformed(ret_why, "the body does not start with {");
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
        members[i] = (struct scan_member){
            .object = fields[i].object,
            .name = fields[i].name,
            .name_length = fields[i].name_length,
        };
    members[MEMBER_ERROR] = (struct scan_member){"", TEXT("error")};

    result = scan_verdict(
        scan_object(body, length, JOB_DEPTH_MAX, members, ARRAY_SIZE(members)), ret_why);
    if (result == JOB_OK)
        result = check_types(members, ret_why);
    if (result != JOB_OK)
        return result;
    job = copy_fields(members);
    if (!job)
        return JOB_NO_MEMORY;
    result = check_values(job, ret_why);
    if (result == JOB_OK)
        *ret_job = TAKE(job);
    return result;
}

void job_free(struct job *job)
{
    free(job);
}

bool job_status_is_terminal(const char *status)
{
    return strcmp(status, "completed") == 0 || strcmp(status, "failed") == 0;
}
