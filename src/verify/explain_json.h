#pragma once

/*
 * A report of explain.h as the JSON of docs/api.md, `POST /v1/explain`. Pure; any thread.
 */

#include "verify/explain.h"

/* Appends one object, without a newline. 0 or -ENOMEM. */
int explain_append_json(const struct explain_report *report, struct buf *out);
