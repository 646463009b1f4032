#pragma once

/*
 * A report while it is written. Used by the explain_*.c files only.
 *
 * Texts are built with what the request holds, escaped and cut, and pass explain_report_redact
 * before they leave: a peer may have put a token into a url.
 */

#include "util/escape.h"
#include "verify/explain.h"

/* What fits a quoted piece of the request. */
#define EXPLAIN_QUOTE_SIZE ESCAPE_SIZE

/* Each latches `report->failed` when out of memory. */
void explain_report_check(struct explain_report *report, const char *step,
    enum explain_outcome outcome, const char *format, ...) __attribute__((format(printf, 4, 5)));
void explain_report_find(struct explain_report *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Stars out every token and every form of a secret that the options hold. Of tokens only those
 * long enough to be one: a token "a" would leave no sentence. 0 or -ENOMEM. */
#define EXPLAIN_REDACT_MIN 8
int explain_report_redact(struct explain_report *report, const struct verify_options *options);
