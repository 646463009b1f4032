/*
 * A Job as SASHA would send it, made up from a type and a status.
 *
 * Which fields go with which status: SASHA API reference 1.0.0, "Job". Types and statuses that are
 * not known get the required fields only, for SASHA may add some and receivers must let them pass.
 */

#include "ctl/send.h"

#include "util/clock.h"
#include "util/rfc3339.h"
#include "verify/sign.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* How long before now the made-up Job was created: about what an embed takes. */
#define JOB_TOOK (20 * USEC_PER_SEC)

/* SASHA's examples give an hour to fetch a result. */
#define OUTPUT_LIVES USEC_PER_HOUR

static void append_text(struct buf *buf, const char *name, const char *value)
{
    buf_append_format(buf, ",\"%s\":", name);
    buf_append_json(buf, value, strlen(value));
}

/* A signature id is an unsigned 64-bit number as a string. Told apart by the low bits of the time,
 * which is as random as a made-up one needs to be. */
static void append_signature(struct buf *buf, int64_t now_usec)
{
    buf_append_format(buf, ",\"signature_id\":\"%" PRIu64 "\"",
        UINT64_C(340558932877813735) ^ (uint64_t)now_usec);
}

static void append_output(struct buf *buf, int64_t now_usec)
{
    char expires_at[RFC3339_SIZE];

    buf_append_format(
        buf, ",\"output_url\":\"https://partner.example/output/%" PRIi64 ".png\"", now_usec);
    append_text(buf, "output_url_expires_at", rfc3339_format(now_usec + OUTPUT_LIVES, expires_at));
}

int send_job_make(const char *status, const char *type, const char *job_id, int64_t now_usec,
    struct buf *buf, struct error *error)
{
    bool is_completed = strcmp(status, "completed") == 0;
    bool is_embed = strcmp(type, "embed-signature") == 0;
    bool is_lookup = strcmp(type, "lookup-signature") == 0;
    char random_id[REQUEST_ID_SIZE];
    char created_at[RFC3339_SIZE], updated_at[RFC3339_SIZE];

    if (!job_id) {
        if (sign_new_request_id(random_id, error) < 0)
            return -EIO;
        job_id = random_id;
    }
    rfc3339_format(now_usec - JOB_TOOK, created_at);
    rfc3339_format(now_usec, updated_at);

    buf_append_text(buf, "{\"job_id\":");
    buf_append_json(buf, job_id, strlen(job_id));
    append_text(buf, "type", type);
    append_text(buf, "status", status);
    if (is_completed && (is_embed || is_lookup))
        append_signature(buf, now_usec);
    if (is_completed && is_embed)
        append_output(buf, now_usec);
    if (strcmp(status, "failed") == 0)
        buf_append_text(buf, ",\"error\":{\"code\":\"failed_to_fetch_from_url\","
                             "\"message\":\"The media could not be fetched.\"}");
    append_text(buf, "created_at", strcmp(status, "pending") == 0 ? updated_at : created_at);
    append_text(buf, "updated_at", updated_at);
    if (buf_append_text(buf, "}") < 0)
        return error_errno(error, ENOMEM, "cannot make up a Job");
    return 0;
}
