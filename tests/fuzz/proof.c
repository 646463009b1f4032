/*
 * What a callback offers as proof (src/verify/headers.c, endpoint.c, verify.c): the bearer token,
 * the request id, the signature, the secret's id, and whether they hold.
 *
 * What must hold: the grammar of each header is what headers.h says, by tables; and a callback
 * passes exactly when its token is one of the endpoint's, its id is legal, its signature is that of
 * the signed text under one of the secrets that its secret id allows, and its body is a Job; with
 * any of it missing, doubled or changed it does not.
 *
 * Input: a byte whose bits put the right token and the right signature in place of what the input
 * says, double them or spoil them; then "NAME: VALUE" lines, an empty line, the body.
 */

#include "fuzz.h"

#include "job/job.h"
#include "util/clock.h"
#include "util/hex.h"
#include "verify/headers.h"
#include "verify/sign.h"
#include "verify/verify.h"

#include <ctype.h>
#include <string.h>

enum {
    RIGHT_TOKEN = 1,
    RIGHT_SIGNATURE = 2,
    SPOIL_SIGNATURE = 4, /* one digit of the right one */
    SPOIL_BODY = 8,      /* after it was signed */
    TOKEN_TWICE = 16,
    OTHER_SECRET = 32, /* sign with the second secret */
    WITHOUT_TOKEN = 64,
    SIGNATURE_TWICE = 128,
};

#define URL "https://x.example/in"
#define TOKEN "token-0123456789"

static const struct verify_secret_options secrets[] = {
    {"one", "ID-1", {.length = 32, .bytes = "0123456789abcdef0123456789abcdef"}},
    {"two", NULL, {.length = 32, .bytes = "fedcba9876543210fedcba9876543210"}}};
static const char *const tokens[] = {"another-token", TOKEN};
static const struct verify_endpoint_options endpoints[] = {
    {"main", URL, "/in", tokens, 2, secrets, 2, USEC_INFINITY, false}};
static struct verifier *verifier;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const struct verify_options options = {endpoints, 1};
    struct error error = ERROR_INIT;

    job_init_library();
    FUZZ_CHECK(verifier_new(&options, &verifier, &error) == 0);
    return 0;
}

/* ---- the grammar, by tables ---- */

struct text {
    char *data; /* owned */
    size_t length;
};

static struct header_text trim_slowly(const struct text *text)
{
    struct header_text left = {text->data, text->length};

    while (left.length > 0 && memchr(" \t", left.data[0], 2))
        left = (struct header_text){left.data + 1, left.length - 1};
    while (left.length > 0 && memchr(" \t", left.data[left.length - 1], 2))
        left.length--;
    return left;
}

static int is_visible(const char *data, size_t length, const char *but)
{
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)data[i] < 0x21 || (unsigned char)data[i] > 0x7e || strchr(but, data[i]))
            return 0;
    return length > 0;
}

static int is_bearer(struct header_text text, struct header_text *token)
{
    static const char *const schemes[] = {"bearer ", "BEARER "};
    size_t at = 0;

    if (text.length < 7)
        return 0;
    for (; at < 7; at++)
        if (text.data[at] != schemes[0][at] && text.data[at] != schemes[1][at])
            return 0;
    while (at < text.length && text.data[at] == ' ')
        at++;
    *token = (struct header_text){text.data + at, text.length - at};
    return is_visible(token->data, token->length, "");
}

static int is_signature(struct header_text text)
{
    for (size_t i = 0; i < text.length; i++)
        if (!isxdigit((unsigned char)text.data[i]))
            return 0;
    return text.length == 64;
}

static void check_grammar(const struct text *value)
{
    struct header_text trimmed = header_trim(value->data, value->length);
    struct header_text want = trim_slowly(value), token = {0}, want_token = {0};
    unsigned char sum[CRYPTO_SUM_SIZE];
    char hex[2 * CRYPTO_SUM_SIZE + 1];

    FUZZ_CHECK(trimmed.length == want.length && (want.length == 0 || trimmed.data == want.data));
    FUZZ_CHECK(header_is_token(trimmed.data, trimmed.length) ==
               is_visible(trimmed.data, trimmed.length, ""));
    FUZZ_CHECK(header_is_request_id(trimmed.data, trimmed.length) ==
               (trimmed.length <= 255 && is_visible(trimmed.data, trimmed.length, "{\"")));
    FUZZ_CHECK(header_parse_bearer(trimmed, &token) == is_bearer(trimmed, &want_token));
    if (is_bearer(trimmed, &want_token))
        FUZZ_CHECK(token.data == want_token.data && token.length == want_token.length);
    FUZZ_CHECK(header_parse_signature(trimmed, sum) == is_signature(trimmed));
    if (is_signature(trimmed)) {
        hex_encode(sum, sizeof(sum), hex);
        for (size_t i = 0; i < 64; i++)
            FUZZ_CHECK(hex[i] == tolower((unsigned char)trimmed.data[i]));
    }
}

/* ---- the request ---- */

#define VALUES_MAX 64

struct request {
    struct verify_head head;
    struct text values[VALUES_MAX];
    size_t n;
    char *body; /* owned */
    size_t body_length;
};

static void note(struct verify_header *header, const struct text *value)
{
    if (header->count++ == 0) {
        header->value = value->data;
        header->length = value->length;
    }
}

static void add(struct request *request, const char *name, size_t length, const void *value,
    size_t value_length)
{
    struct text *text = &request->values[request->n];

    if (request->n == VALUES_MAX)
        return;
    request->n++;
    *text = (struct text){fuzz_copy(value, value_length, 0), value_length};
    check_grammar(text);
#define IS(want) (length == strlen(want) && strncasecmp(name, want, length) == 0)
    if (IS("Authorization"))
        note(&request->head.authorization, text);
    else if (IS("SASHA-Request-ID"))
        note(&request->head.request_id, text);
    else if (IS("SASHA-Request-Signature"))
        note(&request->head.signature, text);
    else if (IS("SASHA-Callback-Secret-ID"))
        note(&request->head.secret_id, text);
#undef IS
}

static void put(struct request *request, const char *name, const char *value)
{
    add(request, name, strlen(name), value, strlen(value));
}

static void sign_with(const struct request *request, size_t secret, char ret[static SIGNATURE_SIZE])
{
    struct text id = {
        (char *)(uintptr_t)request->head.request_id.value, request->head.request_id.length};
    struct header_text trimmed = trim_slowly(&id);
    char *text = fuzz_copy((const uint8_t *)trimmed.data, trimmed.length, 1);

    FUZZ_CHECK(sign_callback(&secrets[secret].key, "POST", URL, text, request->body,
                   request->body_length, ret, NULL) == 0);
    free(text);
}

static void read_request(struct fuzz_input input, uint8_t how, struct request *request)
{
    char signature[SIGNATURE_SIZE];

    memset(request, 0, sizeof(*request));
    for (;;) {
        struct fuzz_input line = fuzz_take_until(&input, '\n'), name;

        if (line.size == 0)
            break;
        name = fuzz_take_until(&line, ':');
        if (how & (RIGHT_TOKEN | WITHOUT_TOKEN) && name.size == strlen("Authorization"))
            continue;
        if (how & RIGHT_SIGNATURE && name.size == strlen("SASHA-Request-Signature"))
            continue;
        add(request, (const char *)name.data, name.size, line.data, line.size);
    }
    request->body = fuzz_copy(input.data, input.size, 0);
    request->body_length = input.size;
    if (how & RIGHT_TOKEN)
        put(request, "Authorization", " Bearer  " TOKEN "\t");
    if (how & RIGHT_TOKEN && how & TOKEN_TWICE)
        put(request, "Authorization", "Bearer " TOKEN);
    if (how & RIGHT_SIGNATURE && request->head.request_id.count == 1) {
        sign_with(request, how & OTHER_SECRET ? 1 : 0, signature);
        if (how & SPOIL_SIGNATURE)
            signature[how % 64] = signature[how % 64] == '0' ? '1' : '0';
        put(request, "SASHA-Request-Signature", signature);
        if (how & SIGNATURE_TWICE)
            put(request, "SASHA-Request-Signature", signature);
    }
    if (how & SPOIL_BODY && request->body_length > 0)
        request->body[how % request->body_length] ^= 1;
}

static void free_request(struct request *request)
{
    for (size_t i = 0; i < request->n; i++)
        free(request->values[i].data);
    free(request->body);
}

/* ---- the second opinion ---- */

static struct header_text value_of(const struct verify_header *header)
{
    struct text text = {(char *)(uintptr_t)header->value, header->length};

    return trim_slowly(&text);
}

static int has_token(const struct verify_head *head)
{
    struct header_text token;

    if (head->authorization.count != 1 || !is_bearer(value_of(&head->authorization), &token))
        return 0;
    for (size_t i = 0; i < 2; i++)
        if (token.length == strlen(tokens[i]) && memcmp(token.data, tokens[i], token.length) == 0)
            return 1;
    return 0;
}

/* Whether the callback is signed under a secret that its secret id allows: the one it names, else
 * those that have no id, else (no header) any. */
static int is_signed(const struct request *request)
{
    const struct verify_head *head = &request->head;
    struct header_text id = value_of(&head->request_id), sent = value_of(&head->signature);
    struct header_text secret = value_of(&head->secret_id);
    int may_one = 1, may_two = 1;

    if (head->request_id.count != 1 || id.length > 255 || !is_visible(id.data, id.length, "{\"") ||
        head->signature.count != 1 || !is_signature(sent) || head->secret_id.count > 1)
        return 0;
    if (head->secret_id.count == 1) {
        may_one = secret.length == 4 && strncasecmp(secret.data, "ID-1", 4) == 0;
        may_two = !may_one;
    }
    for (size_t i = 0; i < 2; i++) {
        char want[SIGNATURE_SIZE];

        sign_with(request, i, want);
        if ((i == 0 ? may_one : may_two) && strncasecmp(sent.data, want, 64) == 0)
            return 1;
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    uint8_t how = fuzz_take_byte(&input);
    const struct verify_endpoint *endpoint = verifier_route(verifier, "/in", 3);
    struct verify_finding finding;
    struct delivery *delivery = NULL;
    const char *detail = NULL, *why;
    struct job *job = NULL;
    struct request request;
    enum reason reason;
    int want;

    if (size > 8192)
        return 0;
    read_request(input, how, &request);
    reason = verify_check_head(verifier, endpoint, &request.head, &finding);
    if (reason == REASON_ACCEPTED)
        reason = verify_check_body(verifier, endpoint, &request.head,
            (const unsigned char *)request.body, request.body_length, 0, &finding, &delivery,
            &detail);
    want =
        has_token(&request.head) && is_signed(&request) &&
        job_parse((const unsigned char *)request.body, request.body_length, &job, &why) == JOB_OK;
    if ((reason == REASON_ACCEPTED) != want)
        fprintf(stderr, "%s\n", reason_name(reason));
    FUZZ_CHECK((reason == REASON_ACCEPTED) == want);
    FUZZ_CHECK((delivery != NULL) == (reason == REASON_ACCEPTED));
    FUZZ_CHECK(reason != REASON_INTERNAL && reason != REASON_OVERLOAD);
    if (!has_token(&request.head))
        FUZZ_CHECK(reason == REASON_TOKEN_MISSING || reason == REASON_TOKEN_WRONG);
    if (delivery) {
        struct header_text id = value_of(&request.head.request_id);

        FUZZ_CHECK(strlen(delivery->request_id) == id.length &&
                   memcmp(delivery->request_id, id.data, id.length) == 0);
        FUZZ_CHECK(delivery->body_length == request.body_length &&
                   memcmp(delivery->body, request.body, request.body_length) == 0);
        FUZZ_CHECK(strcmp(delivery->job_id, job->job_id) == 0 && delivery->unverified[0] == '\0');
    }
    delivery_free(delivery);
    job_free(job);
    free_request(&request);
    return 0;
}
