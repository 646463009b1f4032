/*
 * The one table that maps what became of a callback to its name and its HTTP status.
 *
 * The names are stable: operators alert on them. The statuses are those that SASHA's contract names
 * as "received" (200, 202) and "not received" (the rest).
 */

#include "verify/reason.h"

#include "util/cleanup.h"

static const struct {
    const char *name;
    unsigned int http_status;
} reasons[REASON_COUNT] = {
    [REASON_ACCEPTED] = {"accepted", 202},
    [REASON_DUPLICATE] = {"duplicate", 200},
    [REASON_CONFLICT] = {"conflict", 200},
    [REASON_FRAMING] = {"framing", 400},
    [REASON_PATH] = {"path", 404},
    [REASON_METHOD] = {"method", 405},
    [REASON_TOO_LARGE] = {"too-large", 413},
    [REASON_TOKEN_MISSING] = {"token-missing", 401},
    [REASON_TOKEN_WRONG] = {"token-wrong", 401},
    [REASON_ID_MISSING] = {"id-missing", 400},
    [REASON_ID_MALFORMED] = {"id-malformed", 400},
    [REASON_SIGNATURE_MISSING] = {"signature-missing", 401},
    [REASON_SIGNATURE_MALFORMED] = {"signature-malformed", 401},
    [REASON_SIGNATURE_WRONG] = {"signature-wrong", 401},
    [REASON_SECRET_UNKNOWN] = {"secret-unknown", 401},
    [REASON_JOB_MALFORMED] = {"job-malformed", 400},
    [REASON_STALE] = {"stale", 403},
    [REASON_STORE] = {"store", 503},
    [REASON_OVERLOAD] = {"overload", 503},
    [REASON_INTERNAL] = {"internal", 500},
};

const char *reason_name(enum reason reason)
{
    ASSERT(reason < REASON_COUNT);
    return reasons[reason].name;
}

unsigned int reason_http_status(enum reason reason)
{
    ASSERT(reason < REASON_COUNT);
    return reasons[reason].http_status;
}
