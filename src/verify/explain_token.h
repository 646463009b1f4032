#pragma once

/*
 * Step 4 in words: the partner token. Used by explain.c only.
 */

#include "verify/crypto.h"
#include "verify/explain_report.h"

/* Adds the check "token", and findings. Clears *judged when the token was not kept. 0 or -errno. */
int explain_token(const struct verify_options *options,
    const struct verify_endpoint_options *endpoint, const struct explain_request *request,
    struct crypto *crypto, struct explain_report *report, bool *judged, struct error *error);
