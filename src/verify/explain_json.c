/*
 * The report as JSON. See explain_json.h.
 */

#include "verify/explain_json.h"

#include "util/cleanup.h"

#include <string.h>

static void append_text(struct buf *out, const char *text)
{
    buf_append_json(out, text, strlen(text));
}

static const char *outcome_json(enum explain_outcome outcome)
{
    switch (outcome) {
    case EXPLAIN_OK:
        return "true";
    case EXPLAIN_FAILED:
        return "false";
    case EXPLAIN_NOT_JUDGED:
        return "null";
    }
    ASSERT(!"an outcome that is none of the enum's");
}

int explain_append_json(const struct explain_report *report, struct buf *out)
{
    buf_append_text(out, "{\"endpoint\":");
    if (report->endpoint)
        append_text(out, report->endpoint);
    else
        buf_append_text(out, "null");

    buf_append_text(out, ",\"checks\":[");
    for (size_t i = 0; i < report->n_checks; i++) {
        const struct explain_check *check = &report->checks[i];

        buf_append_text(out, i > 0 ? ",{\"step\":" : "{\"step\":");
        append_text(out, check->step);
        buf_append_format(out, ",\"ok\":%s,\"text\":", outcome_json(check->outcome));
        append_text(out, check->text);
        buf_append_text(out, "}");
    }

    buf_append_text(out, "],\"findings\":[");
    for (size_t i = 0; i < report->n_findings; i++) {
        if (i > 0)
            buf_append_text(out, ",");
        append_text(out, report->findings[i]);
    }

    buf_append_text(out, "],\"verdict\":");
    if (report->judged)
        append_text(out, reason_name(report->verdict));
    else
        buf_append_text(out, "null");
    return buf_append_text(out, "}");
}
