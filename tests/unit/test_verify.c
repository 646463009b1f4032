/*
 * The verifier: each reason of steps 4 to 8, rotation by id and by trial, and that no other cut of
 * the signed bytes passes.
 *
 * A test describes a request as changes to the published example of SASHA's API reference 1.0.0,
 * which must verify as it stands. No key or signature is computed by the code under test but where
 * said: the example's signature is SASHA's own.
 */

#include "util/cleanup.h"
#include "util/clock.h"
#include "verify/sign.h"
#include "verify/verify.h"

#include <check.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#define URL "https://your-app.com/callbacks/sasha-job-update"
#define PATH "/callbacks/sasha-job-update"
#define REQUEST_ID "aa-b-c-d-ee"
#define BODY                                                                          \
    "{\"job_id\":\"1234567890\",\"type\":\"embed-signature\",\"status\":\"pending\"," \
    "\"created_at\":\"2025-01-01T00:00:00Z\",\"updated_at\":\"2025-01-01T00:00:00Z\"}"
#define SIGNATURE "d7137c82af30e6db405ad73b4a0c11442e8e228b4d05fde2e84228b99508ae2c"
#define TOKEN "the-partner-token"
#define BEARER "Bearer " TOKEN
#define ID_1 "177F01DA-34F2-4318-9763-B73876FDD7FA"
#define ID_2 "00000000-0000-4000-8000-00000000000a"

/* 2025-01-01T00:00:00Z: the example's updated_at */
#define UPDATED_AT (INT64_C(1735689600) * USEC_PER_SEC)

CLEANUP_FUNC(struct verifier, verifier_free);

static struct secret_key make_key(const char *text)
{
    struct secret_key key = {.length = strlen(text)};

    memcpy(key.bytes, text, key.length);
    return key;
}

#define KEY_OF_EXAMPLE "12345678901234567890123456789012"

/* What a test may change of the endpoint; zeroed members stand for the example's. */
struct setup {
    const char *tokens[3];
    bool no_token;
    struct {
        const char *key;
        const char *id;
    } secrets[3];
    int64_t max_age_usec;
};

static struct verifier *make_verifier(const struct setup *setup)
{
    static const char *const default_tokens[] = {TOKEN};
    static const char *const names[] = {"first", "second", "third"};
    struct verify_secret_options secrets[ARRAY_SIZE(setup->secrets)];
    struct verify_endpoint_options endpoint = {
        .name = "main",
        .public_url = URL,
        .path = PATH,
        .tokens = setup->tokens,
        .secrets = secrets,
        .max_age_usec = setup->max_age_usec > 0 ? setup->max_age_usec : USEC_INFINITY,
    };
    struct verify_options options = {&endpoint, 1};
    struct verifier *verifier = NULL;
    struct error error = ERROR_INIT;

    while (!setup->no_token && endpoint.n_tokens < ARRAY_SIZE(setup->tokens) &&
           setup->tokens[endpoint.n_tokens])
        endpoint.n_tokens++;
    if (!setup->no_token && endpoint.n_tokens == 0) {
        endpoint.tokens = default_tokens;
        endpoint.n_tokens = 1;
    }
    for (size_t i = 0; i < ARRAY_SIZE(secrets) && setup->secrets[i].key; i++) {
        secrets[endpoint.n_secrets++] = (struct verify_secret_options){
            names[i], setup->secrets[i].id, make_key(setup->secrets[i].key)};
    }
    if (endpoint.n_secrets == 0) {
        secrets[endpoint.n_secrets++] =
            (struct verify_secret_options){"first", NULL, make_key(KEY_OF_EXAMPLE)};
    }
    ck_assert_msg(verifier_new(&options, &verifier, &error) == 0, "%s", error.text);
    return verifier;
}

/* A request; NULL stands for the example's, ABSENT for none. A count of 0 is counted from that. */
#define ABSENT "\x01 absent"
struct request {
    const char *authorization;
    const char *request_id;
    const char *signature;
    const char *secret_id; /* NULL: absent, as in the example */
    unsigned int n_authorization, n_request_id, n_signature, n_secret_id;
    const char *body;
    int64_t now_usec;
};

static struct verify_header make_header(const char *text, unsigned int count)
{
    if (strcmp(text, ABSENT) == 0)
        return (struct verify_header){NULL, 0, 0};
    return (struct verify_header){text, strlen(text), count > 0 ? count : 1};
}

static const char *or_else(const char *text, const char *otherwise)
{
    return text ? text : otherwise;
}

static struct verify_head make_head(const struct request *request)
{
    return (struct verify_head){
        .authorization =
            make_header(or_else(request->authorization, BEARER), request->n_authorization),
        .request_id = make_header(or_else(request->request_id, REQUEST_ID), request->n_request_id),
        .signature = make_header(or_else(request->signature, SIGNATURE), request->n_signature),
        .secret_id = make_header(or_else(request->secret_id, ABSENT), request->n_secret_id),
    };
}

static struct verify_finding found; /* by the last check() */

/* Head and body as intake asks for them; the delivery, if any, is the caller's. */
static enum reason check(struct verifier *verifier, const struct request *request,
    struct delivery **ret_delivery, const char **ret_detail)
{
    const struct verify_endpoint *endpoint = verifier_route(verifier, PATH, strlen(PATH));
    struct verify_head head = make_head(request);
    const char *body = or_else(request->body, BODY);
    enum reason reason = verify_check_head(verifier, endpoint, &head, &found);

    *ret_detail = NULL;
    if (reason != REASON_ACCEPTED)
        return reason;
    return verify_check_body(verifier, endpoint, &head, (const unsigned char *)body, strlen(body),
        request->now_usec != 0 ? request->now_usec : UPDATED_AT, &found, ret_delivery, ret_detail);
}

static enum reason check_once(const struct setup *setup, const struct request *request)
{
    CLEANUP(verifier_free) struct verifier *verifier = make_verifier(setup);
    CLEANUP(delivery_free) struct delivery *delivery = NULL;
    const char *detail;
    enum reason reason = check(verifier, request, &delivery, &detail);

    ck_assert_int_eq(reason == REASON_ACCEPTED, delivery != NULL);
    return reason;
}

/* ---- core ---- */

START_TEST(published_example_verifies)
{
    CLEANUP(verifier_free) struct verifier *verifier = make_verifier(&(struct setup){0});
    CLEANUP(delivery_free) struct delivery *got = NULL;
    /* SHA-256 of the url, NUL, the id; and of the body: computed with sha256sum */
    static const unsigned char want_id[] = {0x97, 0x44, 0x2f, 0x79, 0xc1, 0xfb, 0xe1, 0x11, 0x09,
        0x70, 0xc4, 0xa8, 0x16, 0xc9, 0x3d, 0x37};
    static const unsigned char want_body[] = {0xa1, 0xc2, 0x1c, 0xaa, 0x0a, 0x00, 0x46, 0xfc, 0xaf,
        0xd1, 0x8a, 0xd3, 0x7f, 0x72, 0x9e, 0x0d};
    const char *detail = "unset";

    ck_assert_int_eq(check(verifier, &(struct request){.now_usec = UPDATED_AT + 5}, &got, &detail),
        REASON_ACCEPTED);
    ck_assert_ptr_null(detail);
    ck_assert_uint_eq(got->seq, 0);
    ck_assert_int_eq(got->received_at_usec, UPDATED_AT + 5);
    ck_assert_int_eq(got->updated_at_usec, UPDATED_AT);
    ck_assert(!got->terminal);
    ck_assert(!got->stale);
    ck_assert_str_eq(got->endpoint, "main");
    ck_assert_str_eq(got->request_id, REQUEST_ID);
    ck_assert_str_eq(got->secret, "first");
    ck_assert_str_eq(got->job_id, "1234567890");
    ck_assert_str_eq(got->type, "embed-signature");
    ck_assert_str_eq(got->status, "pending");
    ck_assert_uint_eq(got->body_length, strlen(BODY));
    ck_assert_mem_eq(got->body, BODY, strlen(BODY));
    ck_assert_mem_eq(got->id_digest.bytes, want_id, DIGEST_SIZE);
    ck_assert_mem_eq(got->body_digest.bytes, want_body, DIGEST_SIZE);
}
END_TEST

START_TEST(one_verifier_serves_many_requests)
{
    CLEANUP(verifier_free) struct verifier *verifier = make_verifier(&(struct setup){0});

    for (int i = 0; i < 100; i++) {
        CLEANUP(delivery_free) struct delivery *delivery = NULL;
        struct request request = {.body = i % 3 == 0 ? "{}" : NULL};
        const char *detail;

        ck_assert_int_eq(check(verifier, &request, &delivery, &detail),
            i % 3 == 0 ? REASON_SIGNATURE_WRONG : REASON_ACCEPTED);
    }
}
END_TEST

START_TEST(routes_on_the_exact_bytes)
{
    CLEANUP(verifier_free) struct verifier *verifier = make_verifier(&(struct setup){0});
    const struct verify_endpoint *endpoint = verifier_route(verifier, PATH, strlen(PATH));
    static const char *const others[] = {"", "/", PATH "/", "/callbacks/sasha-job-updatE",
        "/callbacks//sasha-job-update", "/callbacks/sasha-job-updat",
        "/callbacks/sasha%2Djob-update"};

    ck_assert_ptr_nonnull(endpoint);
    ck_assert_str_eq(verify_endpoint_name(endpoint), "main");
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        ck_assert_ptr_null(verifier_route(verifier, others[i], strlen(others[i])));
    ck_assert_ptr_null(verifier_route(verifier, PATH "\0", strlen(PATH) + 1));
}
END_TEST

/* What a request may look like and still pass, under an endpoint like the example's. */
static const struct request passing[] = {
    {.authorization = "bearer " TOKEN},
    {.authorization = "BEARER   " TOKEN},
    {.authorization = " \tBearer " TOKEN " \t"},
    {.request_id = " " REQUEST_ID "\t"},
    {.signature = "D7137C82AF30E6DB405AD73B4A0C11442E8E228B4D05FDE2E84228B99508AE2C"},
    {.signature = SIGNATURE " "},
    {.secret_id = ID_1},
    {.secret_id = ""},
};

START_TEST(passes)
{
    ck_assert_int_eq(check_once(&(struct setup){0}, &passing[_i]), REASON_ACCEPTED);
}
END_TEST

/* ---- tokens ---- */

static const struct {
    struct request request;
    enum reason want;
} tokens[] = {
    {{.authorization = ABSENT}, REASON_TOKEN_MISSING},
    {{.authorization = ""}, REASON_TOKEN_WRONG},
    {{.authorization = "Bearer"}, REASON_TOKEN_WRONG},
    {{.authorization = "Bearer "}, REASON_TOKEN_WRONG},
    {{.authorization = TOKEN}, REASON_TOKEN_WRONG},
    {{.authorization = "Basic " TOKEN}, REASON_TOKEN_WRONG},
    {{.authorization = "Bearer\t" TOKEN}, REASON_TOKEN_WRONG},
    {{.authorization = "Bearer" TOKEN}, REASON_TOKEN_WRONG},
    {{.authorization = "Bearer " TOKEN ", Bearer x"}, REASON_TOKEN_WRONG},
    {{.authorization = "Bearer " TOKEN " x"}, REASON_TOKEN_WRONG},
    {{.authorization = "Bearer the-partner-tokeN"}, REASON_TOKEN_WRONG},
    /* of other lengths: nothing differs from a wrong one of the same length */
    {{.authorization = "Bearer t"}, REASON_TOKEN_WRONG},
    {{.authorization = "Bearer the-partner-toke"}, REASON_TOKEN_WRONG},
    {{.authorization = "Bearer " TOKEN "x"}, REASON_TOKEN_WRONG},
    {{.authorization = "Bearer " TOKEN "="}, REASON_TOKEN_WRONG},
    {{.authorization = BEARER, .n_authorization = 2}, REASON_TOKEN_WRONG},
};

START_TEST(judges_tokens)
{
    ck_assert_int_eq(check_once(&(struct setup){0}, &tokens[_i].request), tokens[_i].want);
}
END_TEST

START_TEST(takes_each_of_several_tokens)
{
    struct setup setup = {.tokens = {"one", "two-is-longer", "th:ree=,$!"}};

    ck_assert_int_eq(
        check_once(&setup, &(struct request){.authorization = "Bearer one"}), REASON_ACCEPTED);
    ck_assert_int_eq(check_once(&setup, &(struct request){.authorization = "Bearer two-is-longer"}),
        REASON_ACCEPTED);
    ck_assert_int_eq(check_once(&setup, &(struct request){.authorization = "Bearer th:ree=,$!"}),
        REASON_ACCEPTED);
    ck_assert_int_eq(
        check_once(&setup, &(struct request){.authorization = "Bearer four"}), REASON_TOKEN_WRONG);
}
END_TEST

START_TEST(asks_for_no_token_when_there_is_none)
{
    struct setup setup = {.no_token = true};

    ck_assert_int_eq(
        check_once(&setup, &(struct request){.authorization = ABSENT}), REASON_ACCEPTED);
    ck_assert_int_eq(
        check_once(&setup, &(struct request){.authorization = "Basic x", .n_authorization = 2}),
        REASON_ACCEPTED);
}
END_TEST

/* A token is judged before anything else of the request. */
START_TEST(judges_the_token_first)
{
    struct request request = {.authorization = "Bearer wrong",
        .request_id = ABSENT,
        .signature = ABSENT,
        .secret_id = ID_1,
        .n_secret_id = 2};

    ck_assert_int_eq(check_once(&(struct setup){0}, &request), REASON_TOKEN_WRONG);
}
END_TEST

/* ---- request id and signature ---- */

#define X50 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X255 X50 X50 X50 X50 X50 "xxxxx"

static const struct {
    struct request request;
    enum reason want;
} heads[] = {
    {{.request_id = ABSENT}, REASON_ID_MISSING},
    {{.request_id = ABSENT, .signature = ABSENT}, REASON_ID_MISSING},
    {{.request_id = ""}, REASON_ID_MALFORMED},
    {{.request_id = " "}, REASON_ID_MALFORMED},
    {{.request_id = "a b"}, REASON_ID_MALFORMED},
    {{.request_id = "a{b"}, REASON_ID_MALFORMED},
    {{.request_id = "a\"b"}, REASON_ID_MALFORMED},
    {{.request_id = "a\tb"}, REASON_ID_MALFORMED},
    {{.request_id = "a\x7f"}, REASON_ID_MALFORMED},
    {{.request_id = "a\xc3\xa4"}, REASON_ID_MALFORMED},
    {{.request_id = X255 "x"}, REASON_ID_MALFORMED},
    {{.request_id = REQUEST_ID, .n_request_id = 2}, REASON_ID_MALFORMED},
    {{.signature = ABSENT}, REASON_SIGNATURE_MISSING},
    {{.signature = ""}, REASON_SIGNATURE_MALFORMED},
    {{.signature = "d7"}, REASON_SIGNATURE_MALFORMED},
    {{.signature = SIGNATURE "00"}, REASON_SIGNATURE_MALFORMED},
    {{.signature = SIGNATURE "0"}, REASON_SIGNATURE_MALFORMED},
    {{.signature = "sha256=" SIGNATURE}, REASON_SIGNATURE_MALFORMED},
    {{.signature = SIGNATURE "," SIGNATURE}, REASON_SIGNATURE_MALFORMED},
    {{.signature = "x7137c82af30e6db405ad73b4a0c11442e8e228b4d05fde2e84228b99508ae2c"},
        REASON_SIGNATURE_MALFORMED},
    {{.signature = SIGNATURE, .n_signature = 2}, REASON_SIGNATURE_MALFORMED},
    {{.secret_id = ID_1, .n_secret_id = 2}, REASON_SECRET_UNKNOWN},
    /* well-formed, and wrong */
    {{.request_id = "~!#$%&'()*+,-./:;<=>?@[]^_`|}\\"}, REASON_SIGNATURE_WRONG},
    {{.request_id = X255}, REASON_SIGNATURE_WRONG},
    {{.request_id = "AA-b-c-d-ee"}, REASON_SIGNATURE_WRONG},
    {{.signature = "07137c82af30e6db405ad73b4a0c11442e8e228b4d05fde2e84228b99508ae2c"},
        REASON_SIGNATURE_WRONG},
    {{.signature = "d7137c82af30e6db405ad73b4a0c11442e8e228b4d05fde2e84228b99508ae2d"},
        REASON_SIGNATURE_WRONG},
    {{.body = ""}, REASON_SIGNATURE_WRONG},
    {{.body = BODY "\n"}, REASON_SIGNATURE_WRONG},
};

START_TEST(judges_heads)
{
    ck_assert_int_eq(check_once(&(struct setup){0}, &heads[_i].request), heads[_i].want);
}
END_TEST

/* ---- secrets ---- */

#define OTHER_KEY "another key of thirty-two bytes!"
#define THIRD_KEY "and one more, just as good as it"

static const struct {
    struct setup setup;
    struct request request;
    enum reason want;
    const char *want_secret;
} rotations[] = {
    /* by trial: the request names no secret */
    {{.secrets = {{KEY_OF_EXAMPLE, NULL}, {OTHER_KEY, NULL}}}, {0}, REASON_ACCEPTED, "first"},
    {{.secrets = {{OTHER_KEY, NULL}, {KEY_OF_EXAMPLE, NULL}}}, {0}, REASON_ACCEPTED, "second"},
    {{.secrets = {{OTHER_KEY, ID_2}, {THIRD_KEY, NULL}, {KEY_OF_EXAMPLE, ID_1}}}, {0},
        REASON_ACCEPTED, "third"},
    {{.secrets = {{OTHER_KEY, NULL}, {THIRD_KEY, NULL}}}, {0}, REASON_SIGNATURE_WRONG, NULL},
    /* by id */
    {{.secrets = {{OTHER_KEY, ID_2}, {KEY_OF_EXAMPLE, ID_1}}}, {.secret_id = ID_1}, REASON_ACCEPTED,
        "second"},
    {{.secrets = {{OTHER_KEY, ID_2}, {KEY_OF_EXAMPLE, ID_1}}}, {.secret_id = " " ID_1 "\t"},
        REASON_ACCEPTED, "second"},
    {{.secrets = {{OTHER_KEY, ID_2}, {KEY_OF_EXAMPLE, ID_1}}},
        {.secret_id = "177f01da-34f2-4318-9763-b73876fdd7fa"}, REASON_ACCEPTED, "second"},
    {{.secrets = {{OTHER_KEY, "00000000-0000-4000-8000-00000000000A"}, {KEY_OF_EXAMPLE, ID_2}}},
        {.secret_id = ID_2}, REASON_ACCEPTED, "second"},
    /* an id that is known binds: no other secret is tried */
    {{.secrets = {{OTHER_KEY, ID_2}, {KEY_OF_EXAMPLE, ID_1}}}, {.secret_id = ID_2},
        REASON_SIGNATURE_WRONG, NULL},
    {{.secrets = {{OTHER_KEY, ID_2}, {KEY_OF_EXAMPLE, NULL}}}, {.secret_id = ID_2},
        REASON_SIGNATURE_WRONG, NULL},
    /* one that is not known leaves those without an id */
    {{.secrets = {{OTHER_KEY, ID_2}, {KEY_OF_EXAMPLE, NULL}}}, {.secret_id = ID_1}, REASON_ACCEPTED,
        "second"},
    {{.secrets = {{OTHER_KEY, NULL}, {KEY_OF_EXAMPLE, ID_2}}}, {.secret_id = ID_1},
        REASON_SIGNATURE_WRONG, NULL},
    /* and when there are none of these, no secret is left */
    {{.secrets = {{KEY_OF_EXAMPLE, ID_2}}}, {.secret_id = ID_1}, REASON_SECRET_UNKNOWN, NULL},
    {{.secrets = {{KEY_OF_EXAMPLE, ID_2}}}, {.secret_id = ""}, REASON_SECRET_UNKNOWN, NULL},
    {{.secrets = {{KEY_OF_EXAMPLE, ID_1}}}, {.secret_id = ID_1 "0"}, REASON_SECRET_UNKNOWN, NULL},
    {{.secrets = {{KEY_OF_EXAMPLE, ID_1}}}, {.secret_id = "177F01DA"}, REASON_SECRET_UNKNOWN, NULL},
    {{.secrets = {{KEY_OF_EXAMPLE, ID_1}}}, {.secret_id = ID_1 "," ID_1}, REASON_SECRET_UNKNOWN,
        NULL},
};

START_TEST(rotates_secrets)
{
    CLEANUP(verifier_free) struct verifier *verifier = make_verifier(&rotations[_i].setup);
    CLEANUP(delivery_free) struct delivery *got = NULL;
    const char *detail;

    ck_assert_int_eq(check(verifier, &rotations[_i].request, &got, &detail), rotations[_i].want);
    if (rotations[_i].want_secret)
        ck_assert_str_eq(got->secret, rotations[_i].want_secret);
    else
        ck_assert_ptr_null(got);
}
END_TEST

/* The signed text is joined without separators, so the same bytes can be cut in other places. With
 * the url fixed by the conf, what is left is the cut between id and body: only the true one passes.
 */
START_TEST(refuses_every_other_cut)
{
    CLEANUP(verifier_free) struct verifier *verifier = make_verifier(&(struct setup){0});
    static const char signed_text[] = URL REQUEST_ID BODY;
    static const size_t true_cut = sizeof(REQUEST_ID) - 1;
    const char *after_url = signed_text + strlen(URL);

    for (size_t cut = 0; cut <= strlen(after_url) && cut < 2000; cut++) {
        CLEANUP(delivery_free) struct delivery *delivery = NULL;
        CLEANUP(free) char *request_id = strndup(after_url, cut);
        struct request request = {.request_id = request_id, .body = after_url + cut};
        const char *detail;
        enum reason got = check(verifier, &request, &delivery, &detail);

        ck_assert_msg(
            (got == REASON_ACCEPTED) == (cut == true_cut), "cut at %zu: %s", cut, reason_name(got));
        /* A longer id holds the body's brace; a shorter one leaves its tail before it. */
        if (cut > true_cut || cut == 0)
            ck_assert_int_eq(got, REASON_ID_MALFORMED);
        else if (cut < true_cut)
            ck_assert_int_eq(got, REASON_JOB_MALFORMED);
    }
}
END_TEST

/* Nor does it pass at another endpoint that holds the same secret. */
START_TEST(refuses_what_was_signed_for_another_url)
{
    static const char *const urls[] = {
        "https://your-app.com/callbacks/sasha-job-update2",
        "https://your-app.com/callbacks/sasha-job-updat",
        "https://your-app.com/callbacks/other",
        "http://your-app.com/callbacks/sasha-job-update",
        "https://YOUR-APP.com/callbacks/sasha-job-update",
    };
    const char *token = TOKEN;
    struct verify_secret_options secret = {"first", NULL, make_key(KEY_OF_EXAMPLE)};

    for (size_t i = 0; i < ARRAY_SIZE(urls); i++) {
        struct verify_endpoint_options endpoint = {
            "main", urls[i], PATH, &token, 1, &secret, 1, USEC_INFINITY};
        struct verify_options options = {&endpoint, 1};
        CLEANUP(verifier_free) struct verifier *verifier = NULL;
        CLEANUP(delivery_free) struct delivery *delivery = NULL;
        const char *detail;

        ck_assert_int_eq(verifier_new(&options, &verifier, NULL), 0);
        ck_assert_int_eq(
            check(verifier, &(struct request){0}, &delivery, &detail), REASON_SIGNATURE_WRONG);
    }
}
END_TEST

/* ---- the Job, and its age ---- */

/* Signs with the code that test_sign holds against the published example. */
static enum reason check_signed(struct verifier *verifier, const char *body, size_t length,
    int64_t now_usec, struct delivery **ret_delivery, const char **ret_detail)
{
    const struct verify_endpoint *endpoint = verifier_route(verifier, PATH, strlen(PATH));
    struct secret_key key = make_key(KEY_OF_EXAMPLE);
    char signature[SIGNATURE_SIZE];
    struct verify_head head;

    ck_assert_int_eq(
        sign_callback(&key, "POST", URL, REQUEST_ID, body, length, signature, NULL), 0);
    head = make_head(&(struct request){.signature = signature});
    ck_assert_int_eq(verify_check_head(verifier, endpoint, &head, &found), REASON_ACCEPTED);
    return verify_check_body(verifier, endpoint, &head, (const unsigned char *)body, length,
        now_usec, &found, ret_delivery, ret_detail);
}

START_TEST(refuses_what_is_no_job)
{
    static const char *const bodies[] = {
        "", "null", "[]", " " BODY, "{}", "{\"job_id\":\"1\"}", BODY "x", "{\"job_id\":"};
    CLEANUP(verifier_free) struct verifier *verifier = make_verifier(&(struct setup){0});

    for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
        struct delivery *delivery = NULL;
        const char *got_detail = NULL;

        ck_assert_int_eq(check_signed(verifier, bodies[i], strlen(bodies[i]), UPDATED_AT, &delivery,
                             &got_detail),
            REASON_JOB_MALFORMED);
        ck_assert_ptr_null(delivery);
        ck_assert_ptr_nonnull(got_detail);
    }
}
END_TEST

START_TEST(marks_final_jobs)
{
    static const char body[] =
        "{\"job_id\":\"1\",\"type\":\"t\",\"status\":\"completed\",\"new\":[1.50],"
        "\"created_at\":\"2025-01-01T00:00:00Z\",\"updated_at\":\"2025-01-01T00:00:01.5Z\"}";
    CLEANUP(verifier_free) struct verifier *verifier = make_verifier(&(struct setup){0});
    CLEANUP(delivery_free) struct delivery *got = NULL;
    const char *detail;

    ck_assert_int_eq(
        check_signed(verifier, body, strlen(body), UPDATED_AT, &got, &detail), REASON_ACCEPTED);
    ck_assert(got->terminal);
    ck_assert_int_eq(got->updated_at_usec, UPDATED_AT + 1500 * USEC_PER_MSEC);
}
END_TEST

static const struct {
    int64_t max_age_usec;
    int64_t age_usec;
    enum reason want;
} ages[] = {
    {60 * USEC_PER_SEC, 0, REASON_ACCEPTED},
    {60 * USEC_PER_SEC, 60 * USEC_PER_SEC, REASON_ACCEPTED},
    {60 * USEC_PER_SEC, 60 * USEC_PER_SEC + 1, REASON_STALE},
    {60 * USEC_PER_SEC, 10000 * USEC_PER_DAY, REASON_STALE},
    /* a sender whose clock is ahead is not old */
    {60 * USEC_PER_SEC, -USEC_PER_DAY, REASON_ACCEPTED},
    {USEC_INFINITY, 10000 * USEC_PER_DAY, REASON_ACCEPTED},
    {1, 1, REASON_ACCEPTED},
    {1, 2, REASON_STALE},
};

START_TEST(judges_age)
{
    struct setup setup = {.max_age_usec = ages[_i].max_age_usec};
    CLEANUP(verifier_free) struct verifier *verifier = make_verifier(&setup);
    CLEANUP(delivery_free) struct delivery *delivery = NULL;
    struct request request = {.now_usec = UPDATED_AT + ages[_i].age_usec};
    const char *got_detail;

    ck_assert_int_eq(check(verifier, &request, &delivery, &got_detail), ages[_i].want);
    if (ages[_i].want == REASON_STALE)
        ck_assert_str_eq(got_detail, "updated_at is older than max_age");
}
END_TEST

/* ---- limits ---- */

START_TEST(takes_a_big_body)
{
    static const char head[] =
        "{\"job_id\":\"1\",\"type\":\"t\",\"status\":\"pending\","
        "\"created_at\":\"2025-01-01T00:00:00Z\",\"updated_at\":\"2025-01-01T00:00:00Z\","
        "\"record\":\"";
    const size_t length = 1 << 20;
    CLEANUP(verifier_free) struct verifier *verifier = make_verifier(&(struct setup){0});
    CLEANUP(delivery_free) struct delivery *got = NULL;
    CLEANUP(free) char *body = malloc(length);
    const char *detail;

    ck_assert_ptr_nonnull(body);
    memset(body, 'r', length);
    memcpy(body, head, strlen(head));
    memcpy(body + length - 2, "\"}", 2);
    ck_assert_int_eq(
        check_signed(verifier, body, length, UPDATED_AT, &got, &detail), REASON_ACCEPTED);
    ck_assert_uint_eq(got->body_length, length);
    ck_assert_mem_eq(got->body, body, length);
}
END_TEST

START_TEST(ids_of_two_endpoints_do_not_meet)
{
    /* "ab" + "c" and "a" + "bc" would be one text without the NUL between them. */
    const char *token = TOKEN;
    struct verify_secret_options secret = {"first", NULL, make_key(KEY_OF_EXAMPLE)};
    static const char *const names[] = {"ab", "a"};
    static const char *const ids[] = {"c", "bc"};
    struct digest got[2];

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        struct verify_endpoint_options endpoint = {
            names[i], URL, PATH, &token, 1, &secret, 1, USEC_INFINITY};
        struct verify_options options = {&endpoint, 1};
        CLEANUP(verifier_free) struct verifier *verifier = NULL;
        CLEANUP(delivery_free) struct delivery *delivery = NULL;
        char signature[SIGNATURE_SIZE];
        struct request request = {.request_id = ids[i], .signature = signature};
        const char *detail;

        ck_assert_int_eq(verifier_new(&options, &verifier, NULL), 0);
        ck_assert_int_eq(
            sign_callback(&secret.key, "POST", URL, ids[i], BODY, strlen(BODY), signature, NULL),
            0);
        ck_assert_int_eq(check(verifier, &request, &delivery, &detail), REASON_ACCEPTED);
        got[i] = delivery->id_digest;
    }
    ck_assert_mem_ne(&got[0], &got[1], sizeof(got[0]));
}
END_TEST

/* ---- errors ---- */

static const struct {
    const char *token;
    const char *key;
    const char *want_error;
} refused_options[] = {
    {TOKEN, "",
        "endpoint \"main\": callback_secret \"first\": a key of 0 bytes; 16 to 256 are "
        "possible"},
    {TOKEN, "fifteen bytes !",
        "endpoint \"main\": callback_secret \"first\": a key of 15 bytes; "
        "16 to 256 are possible"},
    {"", KEY_OF_EXAMPLE,
        "endpoint \"main\": partner token 1 is empty or holds a character that a "
        "Bearer token cannot have"},
    {"a b", KEY_OF_EXAMPLE,
        "endpoint \"main\": partner token 1 is empty or holds a character that "
        "a Bearer token cannot have"},
    {"t\xc3\xb6ken", KEY_OF_EXAMPLE,
        "endpoint \"main\": partner token 1 is empty or holds a character that "
        "a Bearer token cannot have"},
    {TOKEN, NULL, "endpoint \"main\" has no callback secret"},
};

START_TEST(refuses_options)
{
    struct verify_secret_options secret = {
        "first", NULL, make_key(or_else(refused_options[_i].key, ""))};
    struct verify_endpoint_options endpoint = {"main", URL, PATH, &refused_options[_i].token, 1,
        &secret, refused_options[_i].key ? 1 : 0, USEC_INFINITY};
    struct verify_options options = {&endpoint, 1};
    struct verifier *got = NULL;
    struct error error = ERROR_INIT;

    ck_assert_int_eq(verifier_new(&options, &got, &error), -EINVAL);
    ck_assert_ptr_null(got);
    ck_assert_str_eq(error.text, refused_options[_i].want_error);
}
END_TEST

START_TEST(frees_nothing)
{
    CLEANUP(verifier_free) struct verifier *verifier = NULL;

    verifier_free(NULL);
    ck_assert_int_eq(verifier_new(&(struct verify_options){NULL, 0}, &verifier, NULL), 0);
    ck_assert_ptr_null(verifier_route(verifier, "/", 1));
}
END_TEST

static const struct {
    enum reason reason;
    const char *want_name;
    unsigned int want_status;
} reasons[] = {
    {REASON_ACCEPTED, "accepted", 202},
    {REASON_DUPLICATE, "duplicate", 200},
    {REASON_CONFLICT, "conflict", 200},
    {REASON_FRAMING, "framing", 400},
    {REASON_PATH, "path", 404},
    {REASON_METHOD, "method", 405},
    {REASON_TOO_LARGE, "too-large", 413},
    {REASON_TOKEN_MISSING, "token-missing", 401},
    {REASON_TOKEN_WRONG, "token-wrong", 401},
    {REASON_ID_MISSING, "id-missing", 400},
    {REASON_ID_MALFORMED, "id-malformed", 400},
    {REASON_SIGNATURE_MISSING, "signature-missing", 401},
    {REASON_SIGNATURE_MALFORMED, "signature-malformed", 401},
    {REASON_SIGNATURE_WRONG, "signature-wrong", 401},
    {REASON_SECRET_UNKNOWN, "secret-unknown", 401},
    {REASON_JOB_MALFORMED, "job-malformed", 400},
    {REASON_STALE, "stale", 403},
    {REASON_STORE, "store", 503},
    {REASON_OVERLOAD, "overload", 503},
    {REASON_INTERNAL, "internal", 500},
};

START_TEST(every_reason_has_its_answer)
{
    ck_assert_uint_eq(ARRAY_SIZE(reasons), REASON_COUNT);
    for (size_t i = 0; i < ARRAY_SIZE(reasons); i++) {
        ck_assert_int_eq(reasons[i].reason, (int)i);
        ck_assert_str_eq(reason_name(reasons[i].reason), reasons[i].want_name);
        ck_assert_uint_eq(reason_http_status(reasons[i].reason), reasons[i].want_status);
    }
}
END_TEST

/* OpenSSL's memory, with a call that fails. Counts down; 0 fails that one, below 0 none does. */
static long calls_until_failure = -1;

static void *failing_malloc(size_t size, const char *file, int line)
{
    return calls_until_failure >= 0 && calls_until_failure-- == 0 ? NULL : malloc(size);
}

static void *failing_realloc(void *pointer, size_t size, const char *file, int line)
{
    return calls_until_failure >= 0 && calls_until_failure-- == 0 ? NULL : realloc(pointer, size);
}

static void plain_free(void *pointer, const char *file, int line)
{
    free(pointer);
}

/* Whatever call of OpenSSL runs out of memory: the verdict is "internal", never a match and never
 * a refusal; and the next request is judged as ever. */
START_TEST(survives_openssl_without_memory)
{
    struct setup setup = {.secrets = {{OTHER_KEY, NULL}, {KEY_OF_EXAMPLE, NULL}}};
    CLEANUP(verifier_free) struct verifier *verifier = NULL;
    bool failed_once = false;

    ck_assert_int_eq(CRYPTO_set_mem_functions(failing_malloc, failing_realloc, plain_free), 1);
    verifier = make_verifier(&setup);
    for (long n = 0;; n++) {
        static const struct request wrong = {.body = "{}"};
        struct delivery *delivery = NULL;
        const char *detail;
        enum reason got;
        bool failed;

        calls_until_failure = n;
        got = check(verifier, &(struct request){0}, &delivery, &detail);
        failed = calls_until_failure < 0;
        calls_until_failure = -1;
        ck_assert_msg(got == (failed ? REASON_INTERNAL : REASON_ACCEPTED), "call %ld: %s", n,
            reason_name(got));
        delivery_free(delivery);

        ck_assert_int_eq(
            check(verifier, &(struct request){0}, &delivery, &detail), REASON_ACCEPTED);
        delivery_free(delivery);
        ck_assert_int_eq(check(verifier, &wrong, &delivery, &detail), REASON_SIGNATURE_WRONG);
        failed_once |= failed;
        if (!failed)
            break;
    }
    ck_assert(failed_once);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("verify");
    TCase *core = tcase_create("core");
    TCase *limits = tcase_create("limits");
    TCase *errors = tcase_create("errors");
    SRunner *runner;
    int failed;

    tcase_add_test(core, published_example_verifies);
    tcase_add_test(core, one_verifier_serves_many_requests);
    tcase_add_test(core, routes_on_the_exact_bytes);
    tcase_add_test(core, takes_each_of_several_tokens);
    tcase_add_test(core, asks_for_no_token_when_there_is_none);
    tcase_add_test(core, marks_final_jobs);
    tcase_add_test(core, every_reason_has_its_answer);
    tcase_add_loop_test(core, passes, 0, ARRAY_SIZE(passing));
    tcase_add_loop_test(core, rotates_secrets, 0, ARRAY_SIZE(rotations));
    tcase_add_loop_test(limits, judges_age, 0, ARRAY_SIZE(ages));
    tcase_add_test(limits, takes_a_big_body);
    tcase_add_test(limits, ids_of_two_endpoints_do_not_meet);
    tcase_add_test(limits, refuses_every_other_cut);
    tcase_add_loop_test(errors, judges_tokens, 0, ARRAY_SIZE(tokens));
    tcase_add_test(errors, judges_the_token_first);
    tcase_add_loop_test(errors, judges_heads, 0, ARRAY_SIZE(heads));
    tcase_add_test(errors, refuses_what_was_signed_for_another_url);
    tcase_add_test(errors, refuses_what_is_no_job);
    tcase_add_loop_test(errors, refuses_options, 0, ARRAY_SIZE(refused_options));
    tcase_add_test(errors, frees_nothing);
    tcase_add_test(errors, survives_openssl_without_memory);
    suite_add_tcase(suite, core);
    suite_add_tcase(suite, limits);
    suite_add_tcase(suite, errors);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
