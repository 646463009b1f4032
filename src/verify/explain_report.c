/*
 * The report's texts. See explain_report.h and, for those who read it, explain.h.
 */

#include "verify/explain_report.h"

#include "util/cleanup.h"
#include "util/hex.h"
#include "verify/explain_keys.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void explain_report_check(struct explain_report *report, const char *step,
    enum explain_outcome outcome, const char *format, ...)
{
    struct explain_check *checks =
        reallocarray(report->checks, report->n_checks + 1, sizeof(*checks));
    char *text = NULL;
    va_list arguments;
    int written;

    va_start(arguments, format);
    written = vasprintf(&text, format, arguments);
    va_end(arguments);

    if (checks)
        report->checks = checks;
    if (written < 0)
        text = NULL;
    if (!checks || !text) {
        free(text);
        report->failed = true;
        return;
    }
    checks[report->n_checks++] = (struct explain_check){step, outcome, text};
}

void explain_report_find(struct explain_report *report, const char *format, ...)
{
    char **findings = reallocarray(report->findings, report->n_findings + 1, sizeof(*findings));
    char *text = NULL;
    va_list arguments;
    int written;

    va_start(arguments, format);
    written = vasprintf(&text, format, arguments);
    va_end(arguments);

    if (findings)
        report->findings = findings;
    if (written < 0)
        text = NULL;
    if (!findings || !text) {
        free(text);
        report->failed = true;
        return;
    }
    findings[report->n_findings++] = text;
}

/* ---- redaction ---- */

static void star_out(char *text, const void *secret, size_t length)
{
    char *at = text;

    if (length < EXPLAIN_REDACT_MIN)
        return;
    while ((at = memmem(at, strlen(at), secret, length)) != NULL) {
        memset(at, '*', length);
        at += length;
    }
}

static void star_out_key(char *text, const struct secret_key *key)
{
    char form[EXPLAIN_KEY_TEXT_SIZE];

    star_out(text, key->bytes, key->length);
    hex_encode(key->bytes, key->length, form);
    star_out(text, form, strlen(form));
    explain_key_to_upper(form);
    star_out(text, form, strlen(form));
    explain_key_to_base64(key, form);
    star_out(text, form, strlen(form));
    secret_wipe(form, sizeof(form));
}

static void redact_text(char *text, const struct verify_options *options)
{
    for (size_t i = 0; i < options->n_endpoints; i++) {
        const struct verify_endpoint_options *endpoint = &options->endpoints[i];

        for (size_t j = 0; j < endpoint->n_tokens; j++)
            star_out(text, endpoint->tokens[j], strlen(endpoint->tokens[j]));
        for (size_t j = 0; j < endpoint->n_secrets; j++)
            star_out_key(text, &endpoint->secrets[j].key);
    }
}

int explain_report_redact(struct explain_report *report, const struct verify_options *options)
{
    if (report->failed)
        return -ENOMEM;
    for (size_t i = 0; i < report->n_checks; i++)
        redact_text(report->checks[i].text, options);
    for (size_t i = 0; i < report->n_findings; i++)
        redact_text(report->findings[i], options);
    return 0;
}

void explain_report_done(struct explain_report *report)
{
    for (size_t i = 0; i < report->n_checks; i++)
        free(report->checks[i].text);
    for (size_t i = 0; i < report->n_findings; i++)
        free(report->findings[i]);
    free(report->checks);
    free(report->findings);
    free(report->endpoint);
    *report = (struct explain_report){.endpoint = NULL};
}
