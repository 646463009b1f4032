/*
 * The Job parser (src/job/job.c, depth.c) against jansson and the words of job.h.
 *
 * What must hold: a body is taken exactly when jansson reads it as one object without duplicate
 * keys, every field is what job.h asks for and it nests at most JOB_DEPTH_MAX deep; and every field
 * that comes out is the one that jansson reads.
 *
 * Input: the body.
 */

#include "fuzz.h"

#include "job/depth.h"
#include "job/job.h"
#include "util/rfc3339.h"

#include <jansson.h>
#include <string.h>

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    job_init_library();
    return 0;
}

/* ---- the second opinion ---- */

static size_t depth_of(const json_t *value)
{
    size_t deepest = 0, depth, i;
    const char *name;
    json_t *child;

    if (json_is_array(value)) {
        json_array_foreach(value, i, child)
        {
            depth = depth_of(child);
            deepest = depth > deepest ? depth : deepest;
        }
    } else if (json_is_object(value)) {
        json_object_foreach((json_t *)(uintptr_t)value, name, child)
        {
            depth = depth_of(child);
            deepest = depth > deepest ? depth : deepest;
        }
    } else {
        return 0;
    }
    return deepest + 1;
}

static int is_optional(const json_t *value)
{
    return !value || json_is_null(value) || json_is_string(value);
}

static int is_date(const json_t *value)
{
    int64_t usec;

    return json_is_string(value) &&
           rfc3339_parse(json_string_value(value), json_string_length(value), &usec) == 0;
}

/* Digits only, and no more than 2^64 - 1; by text, without arithmetic. */
static int is_uint64(const char *text)
{
    static const char most[] = "18446744073709551615";

    if (strspn(text, "0123456789") != strlen(text) || *text == '\0')
        return 0;
    while (*text == '0')
        text++;
    return strlen(text) < strlen(most) || (strlen(text) == strlen(most) && strcmp(text, most) <= 0);
}

static int is_job(const json_t *job)
{
    static const char *const strings[] = {"job_id", "type", "status"};
    static const char *const optional[] = {"signature_id", "output_url", "output_url_expires_at"};
    const json_t *error = json_object_get(job, "error");
    const char *signature = json_string_value(json_object_get(job, "signature_id"));

    if (!json_is_object(job) || depth_of(job) > JOB_DEPTH_MAX)
        return 0;
    for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++)
        if (!json_is_string(json_object_get(job, strings[i])))
            return 0;
    for (size_t i = 0; i < sizeof(optional) / sizeof(optional[0]); i++)
        if (!is_optional(json_object_get(job, optional[i])))
            return 0;
    if (error && !json_is_null(error) &&
        (!json_is_object(error) || !is_optional(json_object_get(error, "code")) ||
            !is_optional(json_object_get(error, "message"))))
        return 0;
    return json_string_length(json_object_get(job, "job_id")) > 0 &&
           is_date(json_object_get(job, "created_at")) &&
           is_date(json_object_get(job, "updated_at")) && (!signature || is_uint64(signature));
}

static void check_field(const char *got, const json_t *object, const char *name)
{
    const char *want = json_string_value(json_object_get(object, name));

    FUZZ_CHECK((got == NULL) == (want == NULL));
    FUZZ_CHECK(!got || strcmp(got, want) == 0);
}

static void check_fields(const struct job *got, const json_t *want)
{
    const json_t *error = json_object_get(want, "error");
    int64_t usec;

    check_field(got->job_id, want, "job_id");
    check_field(got->type, want, "type");
    check_field(got->status, want, "status");
    check_field(got->created_at, want, "created_at");
    check_field(got->updated_at, want, "updated_at");
    check_field(got->signature_id, want, "signature_id");
    check_field(got->output_url, want, "output_url");
    check_field(got->output_url_expires_at, want, "output_url_expires_at");
    check_field(got->error_code, error, "code");
    check_field(got->error_message, error, "message");
    FUZZ_CHECK(rfc3339_parse(got->updated_at, strlen(got->updated_at), &usec) == 0);
    FUZZ_CHECK(usec == got->updated_at_usec);
}

/* ---- the target ---- */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *body = fuzz_copy(data, size, 0);
    json_t *want =
        size > 0 && body[0] == '{'
            ? json_loadb(body, size, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, NULL)
            : NULL;
    const char *why = NULL;
    struct job *got = NULL;
    enum job_result result = job_parse((const unsigned char *)body, size, &got, &why);

    FUZZ_CHECK(result != JOB_NO_MEMORY);
    if ((result == JOB_OK) != is_job(want))
        fprintf(stderr, "%s\n", why ? why : "taken");
    FUZZ_CHECK((result == JOB_OK) == is_job(want));
    if (result == JOB_OK)
        check_fields(got, want);
    else
        FUZZ_CHECK(why && !got && strpbrk(why, "\r\n") == NULL);
    if (want)
        FUZZ_CHECK(depth_exceeds((const unsigned char *)body, size, JOB_DEPTH_MAX) ==
                   (depth_of(want) > JOB_DEPTH_MAX));
    job_free(got);
    json_decref(want);
    free(body);
    return 0;
}
