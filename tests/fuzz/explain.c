/*
 * Explaining a captured request (src/verify/explain_parse.c, explain.c and what they use), against
 * the verifier.
 *
 * What must hold: every text of a report is one line of clean UTF-8 and gives away no key, no token
 * and no signature that was not sent; the verdict is that of the verifier; what is parsed lies
 * within what was given.
 *
 * Input: a byte whose bits choose the endpoint, whether the body is said to be cut, and how many
 * headers there is room for; then the captured request.
 */

#include "fuzz.h"

#include "job/job.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/utf8.h"
#include "verify/explain.h"
#include "verify/sign.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#define URL "https://x.example/in"
#define TOKEN "token-0123456789"
#define KEY "0123456789abcdefghijklmnopqrstuv"
#define NOW (INT64_C(1767225600) * USEC_PER_SEC)

static const struct verify_secret_options secrets[] = {
    {"one", "ID-1", {.length = 32, .bytes = KEY}},
    {"two", NULL, {.length = 32, .bytes = "fedcba9876543210fedcba9876543210"}}};
static const char *const tokens[] = {TOKEN};
static const struct verify_endpoint_options endpoints[] = {
    {"main", URL, "/in", tokens, 1, secrets, 2, USEC_INFINITY, false},
    {"open", "https://x.example/open", "/open", NULL, 0, secrets, 1, USEC_INFINITY, false}};
static const struct verify_options options = {endpoints, 2};
static struct verifier *verifier;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct error error = ERROR_INIT;

    job_init_library();
    FUZZ_CHECK(verifier_new(&options, &verifier, &error) == 0);
    return 0;
}

static void check_text(const char *text)
{
    const size_t length = strlen(text);
    uint32_t character;
    size_t size;

    for (size_t at = 0; at < length; at += size) {
        size = utf8_decode(text + at, length - at, &character);
        FUZZ_CHECK(size > 0 && !utf8_is_control(character));
    }
    FUZZ_CHECK(!strstr(text, KEY));
}

static const struct explain_header *find(const struct explain_request *request, const char *name)
{
    for (size_t i = 0; i < request->n_headers; i++)
        if (strcasecmp(request->headers[i].name, name) == 0)
            return &request->headers[i];
    return NULL;
}

static void fill(
    const struct explain_request *request, const char *name, struct verify_header *header)
{
    const struct explain_header *first = find(request, name);

    *header = (struct verify_header){.count = 0};
    for (size_t i = 0; i < request->n_headers; i++)
        header->count += strcasecmp(request->headers[i].name, name) == 0;
    if (first) {
        header->value = first->value;
        header->length = strlen(first->value);
    }
}

/* The verdict of the daemon on the request, given its endpoint. */
static enum reason judge(const struct explain_request *request, const char *endpoint)
{
    const struct verify_endpoint *found =
        verifier_get(verifier, strcmp(endpoint, endpoints[0].name) == 0 ? 0 : 1);
    struct delivery *delivery = NULL;
    struct verify_finding finding;
    struct verify_head head;
    const char *detail;
    enum reason reason;

    fill(request, "Authorization", &head.authorization);
    fill(request, "SASHA-Request-ID", &head.request_id);
    fill(request, "SASHA-Request-Signature", &head.signature);
    fill(request, "SASHA-Callback-Secret-ID", &head.secret_id);
    reason = verify_check_head(verifier, found, &head, &finding);
    if (reason == REASON_ACCEPTED)
        reason = verify_check_body(verifier, found, &head, request->body, request->body_length, NOW,
            &finding, &delivery, &detail);
    delivery_free(delivery);
    return reason;
}

static void check_report(
    const struct explain_request *request, const char *text, const struct explain_report *report)
{
    const struct explain_header *id = find(request, "SASHA-Request-ID");
    char right[SIGNATURE_SIZE] = "none";

    if (id)
        FUZZ_CHECK(sign_callback(&secrets[0].key, "POST", URL, id->value, request->body,
                       request->body_length, right, NULL) == 0);
    for (size_t i = 0; i < report->n_checks; i++) {
        check_text(report->checks[i].text);
        FUZZ_CHECK(strcmp(right, "none") == 0 || !strcasestr(report->checks[i].text, right) ||
                   strcasestr(text, right));
        FUZZ_CHECK(!strstr(report->checks[i].text, TOKEN) || strstr(text, TOKEN));
    }
    FUZZ_CHECK(report->n_findings <= EXPLAIN_FINDINGS_MAX);
    for (size_t i = 0; i < report->n_findings; i++) {
        check_text(report->findings[i]);
        FUZZ_CHECK(strcmp(right, "none") == 0 || !strcasestr(report->findings[i], right) ||
                   strcasestr(text, right));
        FUZZ_CHECK(!strstr(report->findings[i], TOKEN) || strstr(text, TOKEN));
    }
    if (strcmp(request->method, "POST") != 0)
        FUZZ_CHECK(report->verdict != REASON_ACCEPTED);
    /* A hidden token cannot be judged, and path and method are judged before. */
    if (report->judged && report->endpoint && report->verdict != REASON_PATH &&
        report->verdict != REASON_METHOD && report->verdict != REASON_TOO_LARGE &&
        report->verdict != REASON_FRAMING && !request->token_hidden)
        FUZZ_CHECK(report->verdict == judge(request, report->endpoint));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct explain_header headers[EXPLAIN_HEADERS_MAX];
    struct fuzz_input input = {data, size};
    uint8_t how = fuzz_take_byte(&input);
    struct explain_request request;
    struct explain_report report;
    struct error error = ERROR_INIT;
    char *text, *whole;

    if (input.size > 4096)
        return 0;
    text = fuzz_copy(input.data, input.size, 1);
    whole = fuzz_copy(input.data, input.size, 1);
    if (explain_parse(
            text, input.size, &request, headers, how & 4 ? 3 : EXPLAIN_HEADERS_MAX, &error) == 0) {
        FUZZ_CHECK((const char *)request.body >= text &&
                   (const char *)request.body + request.body_length == text + input.size);
        FUZZ_CHECK(request.n_headers <= EXPLAIN_HEADERS_MAX);
        for (size_t i = 0; i < request.n_headers; i++)
            FUZZ_CHECK(strlen(headers[i].name) > 0 && strpbrk(headers[i].name, " :\r\n\t") == NULL);
        request.body_cut = how & 8;
        if (explain_request(&options, how & 16 ? "open" : NULL, &request, NOW, &report, &error) ==
            0) {
            if (!request.body_cut)
                check_report(&request, whole, &report);
            explain_report_done(&report);
        } else {
            FUZZ_CHECK(error.code == EFBIG);
        }
    } else {
        FUZZ_CHECK(strncmp(error.text, "line ", 5) == 0 || input.size == 0);
        check_text(error.text);
    }
    free(text);
    free(whole);
    return 0;
}
