#pragma once

/*
 * What can become of a callback: the vocabulary of design table §2, shared by intake (answers),
 * the log and the metrics. One reason, one counter, one HTTP status.
 */

enum reason {
    REASON_ACCEPTED,
    REASON_DUPLICATE,
    REASON_CONFLICT,
    REASON_FRAMING,
    REASON_PATH,
    REASON_METHOD,
    REASON_TOO_LARGE,
    REASON_TOKEN_MISSING,
    REASON_TOKEN_WRONG,
    REASON_ID_MISSING,
    REASON_ID_MALFORMED,
    REASON_SIGNATURE_MISSING,
    REASON_SIGNATURE_MALFORMED,
    REASON_SIGNATURE_WRONG,
    REASON_SECRET_UNKNOWN,
    REASON_JOB_MALFORMED,
    REASON_STALE,
    REASON_STORE,    /* the store cannot say yes: busy, full, failed or too slow */
    REASON_OVERLOAD, /* a bound of our own is reached before the store was asked */
    REASON_INTERNAL, /* a library failed; never a match, never a 2xx */
    REASON_COUNT,
};

/* "accepted", "token-wrong", …: for logs and metric labels. Static. */
const char *reason_name(enum reason reason);

/* The HTTP status of the answer, as in the table. */
unsigned int reason_http_status(enum reason reason);
