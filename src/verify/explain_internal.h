#pragma once

/*
 * What explain.c and the files of its checks share while one request is explained.
 */

#include "verify/explain_report.h"
#include "verify/explain_search.h"
#include "verify/headers.h"

/* Who passes what to whom while one request is explained. Everything is borrowed but the search. */
struct explain {
    const struct verify_options *options;
    const struct explain_request *request;
    const struct verify_endpoint_options *endpoint;
    struct crypto *crypto;
    struct explain_search search;
    struct explain_report *report;
    bool has_sum;       /* the signature is known … */
    bool is_form_right; /* … and in the form it must have */
    bool is_proven;     /* the signature holds as the daemon judges it */
    bool is_sum_judged; /* … or does not */
    bool is_all_judged;
};

/* Adds a check; the first that fails is the verdict. */
#define EXPLAIN_FAIL(explain, step, failed_reason, ...)                             \
    do {                                                                            \
        if ((explain)->report->verdict == REASON_ACCEPTED)                          \
            (explain)->report->verdict = (failed_reason);                           \
        explain_report_check((explain)->report, step, EXPLAIN_FAILED, __VA_ARGS__); \
    } while (0)

/* A piece of the request, escaped and cut. Returns the buffer. */
static inline const char *explain_quote(
    const char *text, size_t length, char buffer[static EXPLAIN_QUOTE_SIZE])
{
    return escape_field(text, length, buffer, EXPLAIN_QUOTE_SIZE);
}

/* The value of the first header of that name, without blanks around it; data is NULL when there is
 * none. */
struct header_text explain_header_text(const struct explain_request *request, const char *name);

/* Step 5, and which secrets are meant (explain_head.c). Each adds its check, and findings. The
 * search must hold its keys. */
void explain_check_request_id(struct explain *explain);
void explain_check_signature_form(struct explain *explain);
void explain_check_secret_id(struct explain *explain);
