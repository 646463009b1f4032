/*
 * The checks of design §2 on a captured request, in words. See explain.h for the contract.
 *
 *   target ─▶ endpoint ─▶ path, method ─▶ token, id, signature, secret ─▶ search ─▶ job, age
 *
 * The verdict is the first check that fails, in the order of the daemon; a test holds it against
 * verify.c. Unlike the daemon this goes on after a failure: an operator wants to see all of it.
 * What a check found is told in its text, what to do about it in the findings.
 *
 * Tokens are compared by digest, as in verify.c, though only those may ask who may read the conf.
 */

#include "verify/explain.h"

#include "job/job.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "verify/explain_bodies.h"
#include "verify/explain_internal.h"
#include "verify/explain_keys.h"
#include "verify/explain_token.h"
#include "verify/explain_urls.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

CLEANUP_FUNC(struct job, job_free);

static void skip(struct explain *explain, const char *step, const char *why)
{
    explain->is_all_judged = false;
    explain_report_check(explain->report, step, EXPLAIN_NOT_JUDGED, "%s", why);
}

/* ---- which endpoint ---- */

static bool has_path(const struct verify_endpoint_options *endpoint, const struct explain_target *t)
{
    return strlen(endpoint->path) == t->path_length &&
           memcmp(endpoint->path, t->path, t->path_length) == 0;
}

static bool ends_with(const char *text, size_t length, const char *end, size_t end_length)
{
    return end_length > 1 && end_length <= length &&
           memcmp(text + length - end_length, end, end_length) == 0;
}

/* Whether a proxy that adds or strips a prefix, or respells paths, may have made one of the other.
 */
static bool is_akin(const struct verify_endpoint_options *endpoint, const struct explain_target *t,
    struct explain_report *report)
{
    struct explain_target public = explain_target_split(endpoint->public_url);
    struct explain_variants spellings = {.rows = NULL};
    bool akin;

    explain_variants_add(&spellings, endpoint->path, strlen(endpoint->path), "", "%s", "");
    explain_paths_respell(&spellings, endpoint->path, strlen(endpoint->path));
    akin = !explain_variants_add(&spellings, t->path, t->path_length, "", "%s", "") &&
           !spellings.failed;
    report->failed |= spellings.failed;
    explain_variants_done(&spellings);
    return akin ||
           (public.path_length == t->path_length &&
               memcmp(public.path, t->path, t->path_length) == 0) ||
           ends_with(t->path, t->path_length, endpoint->path, strlen(endpoint->path)) ||
           ends_with(endpoint->path, strlen(endpoint->path), t->path, t->path_length);
}

static int choose_endpoint(struct explain *explain, const char *name, struct error *error)
{
    const struct verify_options *options = explain->options;
    struct explain_target target = explain_target_split(explain->request->target);

    for (size_t i = 0; i < options->n_endpoints; i++) {
        if (name ? strcmp(options->endpoints[i].name, name) == 0
                 : has_path(&options->endpoints[i], &target)) {
            explain->endpoint = &options->endpoints[i];
            return 0;
        }
    }
    if (name)
        return error_set(error, ENOENT, "there is no endpoint \"%s\"", name);
    for (size_t i = 0; i < options->n_endpoints && !explain->endpoint; i++) {
        if (is_akin(&options->endpoints[i], &target, explain->report))
            explain->endpoint = &options->endpoints[i];
    }
    if (!explain->endpoint && options->n_endpoints == 1)
        explain->endpoint = &options->endpoints[0];
    return 0;
}

/* ---- steps 2 and 3 ---- */

static void check_path(struct explain *explain)
{
    const struct verify_endpoint_options *endpoint = explain->endpoint;
    struct explain_target target = explain_target_split(explain->request->target);
    char path[EXPLAIN_QUOTE_SIZE];

    explain_quote(target.path, target.path_length, path);
    if (!endpoint) {
        EXPLAIN_FAIL(
            explain, "path", REASON_PATH, "no endpoint has the path \"%s\", nor one like it", path);
        explain_report_find(explain->report,
            "no endpoint is for this path: does it belong to another program, or does callback_url "
            "at SASHA hold another path than public_url?");
        return;
    }
    if (has_path(endpoint, &target)) {
        explain_report_check(explain->report, "path", EXPLAIN_OK,
            "\"%s\" is the path of endpoint \"%s\"", path, endpoint->name);
        return;
    }
    EXPLAIN_FAIL(explain, "path", REASON_PATH,
        "\"%s\" is not the path of endpoint \"%s\", which is \"%s\"", path, endpoint->name,
        endpoint->path);
    if (is_akin(endpoint, &target, explain->report))
        explain_report_find(explain->report,
            "the path came in as \"%s\": if the proxy strips or adds a prefix or respells the "
            "path, "
            "set path = \"%s\" for endpoint \"%s\" (public_url stays as SASHA has it), or let the "
            "proxy pass the path on as it is",
            path, path, endpoint->name);
    else
        explain_report_find(explain->report,
            "the path came in as \"%s\", and endpoint \"%s\" has \"%s\": compare callback_url at "
            "SASHA, public_url, and what the proxy passes on",
            path, endpoint->name, endpoint->path);
}

static void check_method(struct explain *explain)
{
    const char *method = explain->request->method;
    char quoted[EXPLAIN_QUOTE_SIZE];

    if (strcmp(method, "POST") == 0) {
        explain_report_check(explain->report, "method", EXPLAIN_OK, "POST");
        return;
    }
    explain_quote(method, strlen(method), quoted);
    EXPLAIN_FAIL(
        explain, "method", REASON_METHOD, "\"%s\"; callbacks are POST, in upper case", quoted);
    if (strcasecmp(method, "GET") == 0)
        explain_report_find(explain->report,
            "a POST that was redirected (301, 302) comes again as GET: callback_url must be the "
            "url "
            "that answers itself, not one that redirects to https, to another host, or to a slash "
            "at the end");
}

/* ---- step 6 ---- */

/* A body whose length is not the one that its sender told. */
static void compare_lengths(struct explain *explain)
{
    const struct explain_request *request = explain->request;
    const char *told = explain_header_get(request, "Content-Length");
    unsigned long long length;
    char *end;

    if (!told || request->body_cut)
        return;
    length = strtoull(told, &end, 10);
    if (*told >= '0' && *told <= '9' && *end == '\0' && length != request->body_length)
        explain_report_find(explain->report,
            "the body is %zu bytes long, and Content-Length says %llu: it was changed or cut, on "
            "its way or when it was captured",
            request->body_length, length);
}

static int fill_search(struct explain *explain, struct error *error)
{
    const struct explain_request *request = explain->request;
    struct header_text id = explain_header_text(request, "SASHA-Callback-Secret-ID");
    struct explain_search *search = &explain->search;
    size_t total = request->body_length + strlen(explain->endpoint->public_url) + 512;
    int result;

    search->max_tries = EXPLAIN_BYTES_MAX / total;
    if (search->max_tries > EXPLAIN_TRIES_MAX)
        search->max_tries = EXPLAIN_TRIES_MAX;
    result = explain_keys_add(&search->axes[EXPLAIN_KEY], explain->crypto, explain->options,
        explain->endpoint, id.data ? &id : NULL, &search->n_base_keys, error);
    if (result < 0)
        return result;
    explain_urls_add(
        &search->axes[EXPLAIN_URL], explain->options, explain->endpoint, explain->request);
    explain_bodies_add(&search->axes[EXPLAIN_BODY], request);
    explain_search_add_rest(search, request);
    for (size_t i = 0; i < EXPLAIN_AXES; i++) {
        if (search->axes[i].failed)
            return error_errno(error, ENOMEM, "cannot explain the request");
    }
    return 0;
}

static int check_signature(struct explain *explain, struct error *error)
{
    bool is_form_right = explain->is_form_right;
    size_t key = 0;
    bool match;

    if (!explain->has_sum) {
        explain->is_sum_judged = true;
        return 0;
    }
    if (explain->request->body_cut) {
        if (is_form_right)
            skip(explain, "signature",
                "the body was not kept whole, so that the signature cannot be judged");
        return 0;
    }

    if (explain_search_base(&explain->search, &match, &key) < 0)
        return error_set(error, EIO, "OpenSSL cannot compute a signature");
    explain->is_sum_judged = true;
    explain->is_proven = match;
    if (match && is_form_right)
        explain_report_check(explain->report, "signature", EXPLAIN_OK,
            "holds with the public_url \"%s\"; %s", explain->endpoint->public_url,
            explain->search.axes[EXPLAIN_KEY].rows[key].says);
    if (match) {
        if (!is_form_right)
            explain_report_find(explain->report, "but for its form the signature holds");
        return 0;
    }
    if (is_form_right && explain->search.n_base_keys > 0)
        EXPLAIN_FAIL(explain, "signature", REASON_SIGNATURE_WRONG,
            "does not hold for POST, the public_url \"%s\", the request id and the body, with %s",
            explain->endpoint->public_url,
            explain->search.n_base_keys == 1 ? "the secret that counts"
                                             : "any of the secrets that count");
    else if (is_form_right)
        explain_report_check(explain->report, "signature", EXPLAIN_NOT_JUDGED,
            "no secret of the endpoint has the id that the request names");
    compare_lengths(explain);
    if (explain_search_run(&explain->search, explain->report) < 0)
        return error_set(error, EIO, "OpenSSL cannot compute a signature");
    return 0;
}

/* ---- steps 7 and 8 ---- */

static void check_age(struct explain *explain, const struct job *job, int64_t now_usec)
{
    int64_t age_usec = now_usec - job->updated_at_usec;
    int64_t max_usec = explain->endpoint->max_age_usec;

    if (max_usec == USEC_INFINITY) {
        explain_report_check(explain->report, "age", EXPLAIN_OK, "the conf sets no max_age");
    } else if (age_usec > max_usec) {
        EXPLAIN_FAIL(explain, "age", REASON_STALE,
            "updated_at is %" PRIi64 " s old; max_age is %" PRIi64 " s", age_usec / USEC_PER_SEC,
            max_usec / USEC_PER_SEC);
        explain_report_find(explain->report,
            "the callback is too old: was it captured a while ago, did it wait somewhere on its "
            "way, or is this machine's clock fast? Else make max_age longer");
    } else {
        explain_report_check(explain->report, "age", EXPLAIN_OK,
            "updated_at is %" PRIi64 " s old; max_age is %" PRIi64 " s", age_usec / USEC_PER_SEC,
            max_usec / USEC_PER_SEC);
    }
}

static int check_job(struct explain *explain, int64_t now_usec, struct error *error)
{
    CLEANUP(job_free) struct job *job = NULL;
    const struct explain_request *request = explain->request;
    const char *why = NULL;

    if (!explain->is_proven) {
        static const char text[] = "is judged only when the signature holds";

        explain->is_all_judged &= explain->is_sum_judged;
        explain_report_check(explain->report, "job", EXPLAIN_NOT_JUDGED, text);
        explain_report_check(explain->report, "age", EXPLAIN_NOT_JUDGED, text);
        return 0;
    }
    switch (job_parse(request->body, request->body_length, &job, &why)) {
    case JOB_OK:
        explain_report_check(explain->report, "job", EXPLAIN_OK, "the body is a Job");
        check_age(explain, job, now_usec);
        return 0;
    case JOB_MALFORMED:
        EXPLAIN_FAIL(explain, "job", REASON_JOB_MALFORMED, "%s", why);
        explain_report_find(explain->report,
            "the signature holds, and yet the body is no Job as SASHA describes it (%s): whoever "
            "holds the secret sends something else, or SASHA has a new kind of callback",
            why);
        explain_report_check(explain->report, "age", EXPLAIN_NOT_JUDGED, "the body is no Job");
        return 0;
    case JOB_NO_MEMORY:
        break;
    }
    return error_errno(error, ENOMEM, "cannot read the Job");
}

/* ---- all of it ---- */

static int explain_all(
    struct explain *explain, const char *endpoint, int64_t now_usec, struct error *error)
{
    int result = choose_endpoint(explain, endpoint, error);

    if (result < 0)
        return result;
    check_path(explain);
    check_method(explain);
    if (!explain->endpoint)
        return 0;
    explain->report->endpoint = strdup(explain->endpoint->name);
    if (!explain->report->endpoint)
        return error_errno(error, ENOMEM, "cannot explain the request");

    result = explain_token(explain->options, explain->endpoint, explain->request, explain->crypto,
        explain->report, &explain->is_all_judged, error);
    if (result == 0)
        result = fill_search(explain, error);
    if (result < 0)
        return result;
    explain_check_request_id(explain);
    explain_check_signature_form(explain);
    explain_check_secret_id(explain);
    result = check_signature(explain, error);
    return result < 0 ? result : check_job(explain, now_usec, error);
}

int explain_request(const struct verify_options *options, const char *endpoint,
    const struct explain_request *request, int64_t now_usec, struct explain_report *ret_report,
    struct error *error)
{
    CLEANUP(crypto_free) struct crypto *crypto = NULL;
    struct explain_report report = {.verdict = REASON_ACCEPTED};
    struct explain explain = {
        .options = options,
        .request = request,
        .report = &report,
        .is_all_judged = true,
    };
    int result;

    if (request->body_length > EXPLAIN_BODY_MAX)
        return error_set(error, EFBIG, "the body is longer than the %u bytes that are explained",
            EXPLAIN_BODY_MAX);
    result = crypto_new(&crypto, error);
    if (result < 0)
        return result;
    explain.crypto = crypto;
    result = explain_all(&explain, endpoint, now_usec, error);
    explain_search_done(&explain.search);
    if (result == 0 && explain_report_redact(&report, options) < 0)
        result = error_errno(error, ENOMEM, "cannot explain the request");
    if (result < 0) {
        explain_report_done(&report);
        return result;
    }
    report.judged = explain.is_all_judged || report.verdict != REASON_ACCEPTED;
    *ret_report = report;
    return 0;
}
