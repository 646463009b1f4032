/*
 * Explaining a refused request: a row for every cause, and for each that its finding comes first,
 * that the verdict is the verifier's, and that nothing secret is in any text.
 *
 * A row says what the sender signed and what came in, each as changes to a right callback.
 */

#include "job/job.h"
#include "job/reserialise.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/hex.h"
#include "verify/crypto.h"
#include "verify/explain.h"
#include "verify/explain_json.h"
#include "verify/explain_keys.h"
#include "verify/sign.h"
#include "verify/verify.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define URL "https://your-app.com/callbacks/sasha-job-update"
#define PATH "/callbacks/sasha-job-update"
#define OTHER_URL "https://other.example/sasha"
#define BODY                                                                            \
    "{\"job_id\":\"1234567890\",\"type\":\"embed-signature\",\"status\":\"completed\"," \
    "\"created_at\":\"2025-01-01T00:00:00Z\",\"updated_at\":\"2025-01-01T00:00:00Z\"}"
#define SORTED_BODY                                       \
    "{\"created_at\":\"2025-01-01T00:00:00Z\","           \
    "\"job_id\":\"1234567890\",\"status\":\"completed\"," \
    "\"type\":\"embed-signature\",\"updated_at\":\"2025-01-01T00:00:00Z\"}"
#define SPACED_BODY                                                                          \
    "{\"job_id\": \"1234567890\", \"type\": \"embed-signature\", \"status\": \"completed\"," \
    " \"created_at\": \"2025-01-01T00:00:00Z\", \"updated_at\": \"2025-01-01T00:00:00Z\"}"
#define LINES_LF "{\n" BODY "\n}"
#define ID "Request-1"
#define TOKEN "canary-partner-token"
#define OTHER_TOKEN "canary-other-token"
#define KEY "0123456789abcdef0123456789ABCDEF" /* text, so that it may be a raw one too */
#define KEY_BASE64 "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlBQkNERUY="
#define KEY_HEX "3031323334353637383961626364656630313233343536373839414243444546"
#define OLD_KEY "old-key-old-key-old-key-old-key!"
#define OTHER_KEY "other-key-other-key-other-key-!!"
#define SECRET_ID "177F01DA-34F2-4318-9763-B73876FDD7FA"
#define OLD_ID "00000000-0000-4000-8000-00000000000a"
#define CLEAN_KEY "sixteen-bytes-of" /* what the conf has with blanks behind it */
#define BLANK_KEY CLEAN_KEY "\t \r\n"
#define BLANK_ID "blank-id"
#define HEX_64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define NOW (INT64_C(1735689600) * USEC_PER_SEC + 10 * USEC_PER_SEC)

CLEANUP_FUNC(struct verifier, verifier_free);

static const char *const tokens[] = {"canary-token-of-before", TOKEN};
static const char *const other_tokens[] = {OTHER_TOKEN};
static struct verify_secret_options secrets[] = {{"current", SECRET_ID, {KEY, strlen(KEY)}},
    {"old", OLD_ID, {OLD_KEY, strlen(OLD_KEY)}},
    {"blank", BLANK_ID, {BLANK_KEY, strlen(BLANK_KEY)}}};
static struct verify_secret_options other_secrets[] = {
    {"others", NULL, {OTHER_KEY, strlen(OTHER_KEY)}}};
static struct verify_endpoint_options endpoints[] = {
    {"main", URL, PATH, tokens, 2, secrets, 3, 60 * USEC_PER_SEC, false},
    {"other", OTHER_URL, "/sasha", other_tokens, 1, other_secrets, 1, USEC_INFINITY, false},
};
static const struct verify_options options = {endpoints, 2};

#define ABSENT "absent"

struct row {
    const char *name;
    /* What the sender signs; NULL: what is right. `text` is all of it. */
    const char *key, *method, *url, *id, *body, *text;
    const char *signature_format; /* around its hex digits; NULL: "%s" */
    /* What comes in. */
    const char *in_method, *in_target, *in_id, *in_body, *in_token, *in_secret_id, *in_signature;
    const char *headers; /* more lines, each ending in \n */
    bool body_cut;
    const char *endpoint; /* NULL: by path */
    int64_t now_usec;
    /* What is to be told: the verdict, and part of the first finding ("": there is none). */
    enum reason want_verdict;
    const char *want_finding;
    const char *want_second; /* the same of the second; NULL: whatever it is */
    bool want_no_verdict;
};

#define WRONG REASON_SIGNATURE_WRONG

static const struct row rows[] = {
    {"right", .want_verdict = REASON_ACCEPTED, .want_finding = ""},
    {"right-with-host", .headers = "Host: your-app.com\n", .want_finding = ""},

    /* urls */
    {"http", .url = "http://your-app.com" PATH, .want_verdict = WRONG,
        .want_finding = "the url is \"http://your-app.com" PATH "\": public_url must be"},
    {"host-header", .url = "https://intern.example" PATH, .headers = "Host: intern.example\n",
        .want_verdict = WRONG, .want_finding = "the url is \"https://intern.example" PATH "\""},
    {"forwarded-host", .url = "https://front.example" PATH,
        .headers = "X-Forwarded-Host: front.example, b.example\n", .want_verdict = WRONG,
        .want_finding = "the url is \"https://front.example" PATH "\""},
    {"forwarded", .url = "https://front.example" PATH,
        .headers = "Forwarded: for=1.2.3.4;host=\"front.example\";proto=https\n",
        .want_verdict = WRONG, .want_finding = "the url is \"https://front.example" PATH "\""},
    {"absolute-target", .url = "https://abs.example" PATH, .in_target = "http://abs.example" PATH,
        .want_verdict = WRONG, .want_finding = "the url is \"https://abs.example" PATH "\""},
    {"default-port", .url = "https://your-app.com:443" PATH, .want_verdict = WRONG,
        .want_finding = "the url is \"https://your-app.com:443" PATH "\""},
    {"port-of-host", .url = "http://your-app.com:8480" PATH, .want_verdict = WRONG,
        .want_finding = "the url is \"http://your-app.com:8480" PATH "\""},
    {"forwarded-port", .url = "https://your-app.com:8443" PATH,
        .headers = "X-Forwarded-Port: 8443\n", .want_verdict = WRONG,
        .want_finding = "the url is \"https://your-app.com:8443" PATH "\""},
    {"www", .url = "https://www.your-app.com" PATH, .want_verdict = WRONG,
        .want_finding = "the url is \"https://www.your-app.com" PATH "\""},
    {"upper-case-host", .url = "https://your-app.com" PATH, .endpoint = "main",
        .headers = "Host: YOUR-APP.COM\n", .want_finding = ""},
    {"slash", .url = URL "/", .want_verdict = WRONG, .want_finding = "the url is \"" URL "/\""},
    {"query", .url = URL "?a=b", .in_target = PATH "?a=b", .want_verdict = WRONG,
        .want_finding = "the url is \"" URL "?a=b\": SASHA signs the url without its query"},
    {"target-as-url", .url = PATH, .want_verdict = WRONG,
        .want_finding = "of the url only the path is signed"},
    {"no-url", .url = "", .want_verdict = WRONG, .want_finding = "the url is left out"},
    {"host-and-path", .url = "your-app.com" PATH, .want_verdict = WRONG,
        .want_finding = "the url is signed without its scheme"},
    {"url-of-other", .url = OTHER_URL, .want_verdict = WRONG,
        .want_finding = "the url is the public_url of endpoint \"other\""},
    {"original-uri", .url = "https://your-app.com/front/cb",
        .headers = "X-Original-URI: /front/cb\n", .want_verdict = WRONG,
        .want_finding = "the url is \"https://your-app.com/front/cb\""},
    {"forwarded-prefix", .url = "https://your-app.com/api" PATH,
        .headers = "X-Forwarded-Prefix: /api\n", .want_verdict = WRONG,
        .want_finding = "the url is \"https://your-app.com/api" PATH "\""},
    {"http-other-host-port", .url = "http://intern.example:8480" PATH,
        .headers = "Host: intern.example\n", .want_verdict = WRONG,
        .want_finding = "the url is \"http://intern.example:8480" PATH "\""},
    {"port-in-host", .url = "https://intern.example" PATH, .headers = "Host: intern.example:81\n",
        .want_verdict = WRONG, .want_finding = "the url is \"https://intern.example" PATH "\""},
    {"host-of-digits", .url = "https://12" PATH, .headers = "Host: 12\n", .want_verdict = WRONG,
        .want_finding = "the url is \"https://12" PATH "\""},
    {"digits-behind-no-colon", .url = "https://host-2" PATH, .headers = "Host: host-2\n",
        .want_verdict = WRONG, .want_finding = "the url is \"https://host-2" PATH "\""},
    {"www-lost", .url = "https://b.example" PATH, .headers = "Host: www.b.example\n",
        .want_verdict = WRONG, .want_finding = "the url is \"https://b.example" PATH "\""},
    {"a-port-that-is-none", .url = "https://your-app.com:123456789" PATH,
        .headers = "X-Forwarded-Port: 123456789\n", .want_verdict = WRONG,
        .want_finding = "ways to sign this request matches"},
    {"escapes-decoded", .url = "https://your-app.com/a b%2",
        .headers = "X-Original-URI: /a%20b%2\n", .want_verdict = WRONG,
        .want_finding = "the url is \"https://your-app.com/a b%2\""},
    {"escapes-that-are-none", .url = "https://your-app.com/A%zz",
        .headers = "X-Original-URI: /A%zz\n", .want_verdict = WRONG,
        .want_finding = "the url is \"https://your-app.com/A%zz\""},
    {"slashes-merged", .url = "https://your-app.com/a/b", .headers = "X-Original-URI: /a//b\n",
        .want_verdict = WRONG, .want_finding = "the url is \"https://your-app.com/a/b\""},
    {"target-without-path", .url = "https://your-app.com", .headers = "X-Original-URI: http://x\n",
        .want_verdict = WRONG, .want_finding = "the url is \"https://your-app.com\""},

    /* paths */
    {"prefix-stripped", .in_target = "/sasha-job-update", .want_verdict = REASON_PATH,
        .want_finding = "set path = \"/sasha-job-update\" for endpoint \"main\""},
    {"prefix-added", .in_target = "/api" PATH, .want_verdict = REASON_PATH,
        .want_finding = "set path = \"/api" PATH "\""},
    {"slash-added", .in_target = PATH "/", .want_verdict = REASON_PATH,
        .want_finding = "set path = \"" PATH "/\""},
    {"upper-case-path", .in_target = "/Callbacks/x", .want_verdict = REASON_PATH,
        .want_finding = "no endpoint is for this path"},
    {"path-as-long", .in_target = "/callbacks/SASHA-JOB-UPDATE", .want_verdict = REASON_PATH,
        .want_finding = "no endpoint is for this path"},
    {"path-as-received", .url = "https://your-app.com/api" PATH, .in_target = "/api" PATH,
        .want_verdict = REASON_PATH, .want_finding = "set path = \"/api" PATH "\""},
    {"named-endpoint", .in_target = "/elsewhere", .endpoint = "main", .want_verdict = REASON_PATH,
        .want_finding = "the path came in as \"/elsewhere\""},

    /* methods */
    {"get", .in_method = "GET", .want_verdict = REASON_METHOD, .want_finding = "redirected"},
    {"method-signed-in-lower-case", .method = "post", .want_verdict = WRONG,
        .want_finding = "the method is signed as \"post\""},
    {"method-left-out", .method = "", .want_verdict = WRONG,
        .want_finding = "the method is left out"},
    {"put", .method = "PUT", .in_method = "PUT", .want_verdict = REASON_METHOD,
        .want_finding = "the method is that of the request line"},
    {"method-unheard-of", .in_method = "post", .want_verdict = REASON_METHOD, .want_finding = ""},

    /* tokens */
    {"no-token", .in_token = ABSENT, .want_verdict = REASON_TOKEN_MISSING,
        .want_finding = "partner_token = {\"none\"}"},
    {"wrong-token", .in_token = "Bearer some-other", .want_verdict = REASON_TOKEN_WRONG,
        .want_finding = "none that the conf has"},
    {"token-of-other", .in_token = "Bearer " OTHER_TOKEN, .want_verdict = REASON_TOKEN_WRONG,
        .want_finding = "one of endpoint \"other\""},
    {"token-without-bearer", .in_token = TOKEN, .want_verdict = REASON_TOKEN_WRONG,
        .want_finding = "must be \"Bearer\""},
    {"token-in-quotes", .in_token = "Bearer \"" TOKEN "\"", .want_verdict = REASON_TOKEN_WRONG,
        .want_finding = "but for the quotes"},
    {"other-token-in-quotes", .in_token = "Bearer 'x'", .want_verdict = REASON_TOKEN_WRONG,
        .want_finding = "none that the conf has"},
    {"token-in-angles", .in_token = "Bearer <" TOKEN ">", .want_verdict = REASON_TOKEN_WRONG,
        .want_finding = "but for the quotes"},
    {"one-byte", .in_token = "\"", .want_verdict = REASON_TOKEN_WRONG,
        .want_finding = "not \"Bearer\" and a token"},
    {"basic", .in_token = "Basic YTpi", .want_verdict = REASON_TOKEN_WRONG,
        .want_finding = "not \"Bearer\" and a token"},
    {"hidden-token", .in_token = "Bearer <20 bytes>", .want_verdict = REASON_ACCEPTED,
        .want_no_verdict = true, .want_finding = ""},
    {"hidden-token-and-slash", .in_token = "Bearer <20 bytes>", .url = URL "/",
        .want_verdict = WRONG, .want_finding = "the url is \"" URL "/\""},
    {"not-quite-hidden", .in_token = "Bearer <20 bytes>x", .want_verdict = REASON_TOKEN_WRONG,
        .want_finding = "not \"Bearer\" and a token"},

    /* ids */
    {"no-id", .in_id = ABSENT, .want_verdict = REASON_ID_MISSING,
        .want_finding = "there is no SASHA-Request-ID"},
    {"id-with-blank", .in_id = "a b", .id = "a b", .want_verdict = REASON_ID_MALFORMED,
        .want_finding = "SASHA-Request-ID is none"},
    {"id-left-out", .id = "", .want_verdict = WRONG, .want_finding = "the request id is left out"},
    {"id-lower", .id = "request-1", .want_verdict = WRONG,
        .want_finding = "the request id is in lower case"},
    {"id-blank-behind", .id = ID " ", .want_verdict = WRONG,
        .want_finding = "the request id has a blank behind it"},
    {"id-of-proxy", .id = "proxy-1", .headers = "X-Request-ID: proxy-1\n", .want_verdict = WRONG,
        .want_finding = "the request id is the value of X-Request-ID"},
    {"id-upper", .in_id = "a_z{", .id = "A_Z{", .want_verdict = REASON_ID_MALFORMED,
        .want_finding = "SASHA-Request-ID is none"},
    {"id-lower-of-all-sorts", .in_id = "A~[z", .id = "a~[z", .want_verdict = WRONG,
        .want_finding = "the request id is in lower case"},

    /* secrets */
    {"old-secret-unnamed", .key = OLD_KEY, .in_secret_id = ABSENT, .want_finding = ""},
    {"ids-swapped", .key = OLD_KEY, .want_verdict = WRONG,
        .want_finding = "the key is callback_secret \"old\" of endpoint \"main\": the id"},
    {"unknown-secret-id", .in_secret_id = "NEW-ID", .want_verdict = REASON_SECRET_UNKNOWN,
        .want_finding = "secret id \"NEW-ID\" is not in the conf"},
    {"secret-of-other", .key = OTHER_KEY, .want_verdict = WRONG,
        .want_finding = "the key is callback_secret \"others\" of endpoint \"other\""},
    {"base64-text-as-key", .key = KEY_BASE64, .want_verdict = WRONG,
        .want_finding = "the base64 text, not decoded, of callback_secret \"current\" of endpoint "
                        "\"main\": the signer takes the secret's text itself as the key: set "
                        "encoding = \"raw\""},
    {"base64-text-with-newline", .key = KEY_BASE64 "\n", .want_verdict = WRONG,
        .want_finding = "not decoded and with a newline, of callback_secret \"current\""},
    {"hex-text-as-key", .key = KEY_HEX, .want_verdict = WRONG,
        .want_finding = "lower-case hex digits, not decoded, of callback_secret \"current\""},
    {"raw-text-decoded-as-hex",
        .key = "\x01\x23\x45\x67\x89\xab\xcd\xef\x01\x23\x45\x67\x89\xab\xcd\xef",
        .want_verdict = WRONG, .want_finding = "set encoding = \"hex\""},
    {"raw-key-with-newline", .key = KEY "\n", .want_verdict = WRONG,
        .want_finding = "with a newline at the end of callback_secret \"current\""},
    {"unknown-key", .key = "a key that is nowhere in the conf", .want_verdict = WRONG,
        .want_finding = "ways to sign this request matches"},
    {"conf-with-blank", .key = CLEAN_KEY, .in_secret_id = BLANK_ID, .want_verdict = WRONG,
        .want_finding = "that without the blank at the end of callback_secret \"blank\" of "
                        "endpoint \"main\": the conf's copy"},

    /* signatures */
    {"no-signature", .in_signature = ABSENT, .want_verdict = REASON_SIGNATURE_MISSING,
        .want_finding = "there is no SASHA-Request-Signature"},
    {"sha256-prefix", .signature_format = "sha256=%s", .want_verdict = REASON_SIGNATURE_MALFORMED,
        .want_finding = "the signature has a prefix"},
    {"quoted-signature", .signature_format = "\"%s\"", .want_verdict = REASON_SIGNATURE_MALFORMED,
        .want_finding = "the signature stands in quotes"},
    {"base64-signature", .signature_format = "base64", .want_verdict = REASON_SIGNATURE_MALFORMED,
        .want_finding = "the signature is in base64"},
    {"sha1", .in_signature = "0123456789012345678901234567890123456789",
        .want_verdict = REASON_SIGNATURE_MALFORMED, .want_finding = "as long as one of SHA-1"},
    {"cut-signature", .in_signature = "0123", .want_verdict = REASON_SIGNATURE_MALFORMED,
        .want_finding = "cut short"},
    {"prefixed-base64", .signature_format = "v1=base64", .want_verdict = REASON_SIGNATURE_MALFORMED,
        .want_finding = "the signature has a prefix"},
    {"prefix-of-nothing", .in_signature = "sha256=oops", .want_verdict = REASON_SIGNATURE_MALFORMED,
        .want_finding = "cut short"},
    {"base64-of-urls", .signature_format = "base64url", .id = "Request-1", .in_id = "Request-1",
        .want_verdict = REASON_SIGNATURE_MALFORMED, .want_finding = "the signature is in base64"},
    {"base64-of-less", .in_signature = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==",
        .want_verdict = REASON_SIGNATURE_MALFORMED, .want_finding = "cut short"},
    {"half-quoted", .in_signature = "\"oops", .want_verdict = REASON_SIGNATURE_MALFORMED,
        .want_finding = "cut short"},
    {"quoted-nothing", .in_signature = "\"oops\"", .want_verdict = REASON_SIGNATURE_MALFORMED,
        .want_finding = "cut short"},
    {"md5", .in_signature = "0123456789abcdef0123456789abcdef",
        .want_verdict = REASON_SIGNATURE_MALFORMED, .want_finding = "as long as one of MD5"},
    {"sha512", .in_signature = HEX_64 HEX_64, .want_verdict = REASON_SIGNATURE_MALFORMED,
        .want_finding = "as long as one of SHA-512"},
    {"too-long", .in_signature = HEX_64 "0", .want_verdict = REASON_SIGNATURE_MALFORMED,
        .want_finding = "too long"},
    {"malformed-with-unknown-secret", .signature_format = "sha256=%s", .in_secret_id = "NEW-ID",
        .want_verdict = REASON_SIGNATURE_MALFORMED, .want_finding = "the signature has a prefix"},

    /* bodies */
    {"newline-added", .in_body = BODY "\n", .want_verdict = WRONG,
        .want_finding = "the newline at the end of the body is taken away"},
    {"newline-lost", .body = BODY "\n", .want_verdict = WRONG,
        .want_finding = "a newline is put behind the body"},
    {"crlf-to-lf", .body = "{\r\n}", .in_body = "{\n}", .want_verdict = WRONG,
        .want_finding = "the lines of the body end with CRLF"},
    {"lf-to-crlf", .body = "{\n}", .in_body = "{\r\n}", .want_verdict = WRONG,
        .want_finding = "the lines of the body end with LF"},
    {"body-written-anew", .body = BODY, .in_body = SPACED_BODY, .want_verdict = WRONG,
        .want_finding = "the same JSON, but written compact: something"},
    {"body-sorted", .body = SORTED_BODY, .in_body = BODY, .want_verdict = WRONG,
        .want_finding = "compact, with sorted keys"},
    {"python-body", .body = SPACED_BODY, .in_body = BODY, .want_verdict = WRONG,
        .want_finding = "with a blank behind each comma and colon"},
    {"body-left-out", .body = "", .want_verdict = WRONG, .want_finding = "the body is left out"},
    {"bom", .in_body = "\xef\xbb\xbf" BODY, .want_verdict = WRONG,
        .want_finding = "byte order mark at the start of the body is taken away"},
    {"content-length", .body = BODY, .in_body = BODY "xx", .headers = "Content-Length: 172\n",
        .want_verdict = WRONG, .want_finding = "and Content-Length says 172"},
    {"content-length-told", .body = "{}", .in_body = "{}xx", .headers = "Content-Length: 2\n",
        .want_verdict = WRONG, .want_finding = "is 4 bytes long, and Content-Length says 2",
        .want_second = "the body is cut to its Content-Length"},
    {"content-length-right", .body = "{}", .in_body = "{ }", .headers = "Content-Length: 3\n",
        .want_verdict = WRONG, .want_finding = "the same JSON, but written compact"},
    {"content-length-of-nothing", .body = "{}", .in_body = "{ }", .headers = "Content-Length: 0x\n",
        .want_verdict = WRONG, .want_finding = "the same JSON, but written compact"},
    {"content-length-letters", .body = "{}", .in_body = "{ }", .headers = "Content-Length: ten\n",
        .want_verdict = WRONG, .want_finding = "the same JSON, but written compact"},
    {"content-length-signs", .body = "{}", .in_body = "{ }", .headers = "Content-Length: -3\n",
        .want_verdict = WRONG, .want_finding = "the same JSON, but written compact"},
    {"crlf-added", .in_body = BODY "\r\n", .want_verdict = WRONG,
        .want_finding = "the CRLF at the end of the body is taken away"},
    {"newline-alone", .body = "", .in_body = "\n", .want_verdict = WRONG,
        .want_finding = "the newline at the end of the body is taken away"},
    {"blanks-behind", .body = BODY, .in_body = BODY "\t\r \n ", .want_verdict = WRONG,
        .want_finding = "the blanks at the end of the body are taken away"},
    {"blanks-around", .in_body = " \t\n" BODY "\t", .want_verdict = WRONG,
        .want_finding = "the blanks around the body are taken away"},
    {"blanks-only", .body = "", .in_body = " \t", .want_verdict = WRONG,
        .want_finding = "the blanks at the end of the body are taken away"},
    {"cr-alone", .body = "{\r \r\n}", .in_body = "{\r \n}", .want_verdict = WRONG,
        .want_finding = "the lines of the body end with CRLF"},
    {"body-cut-with-length", .body_cut = true, .headers = "Content-Length: 1\n",
        .want_no_verdict = true, .want_finding = ""},
    {"body-cut-malformed", .body_cut = true, .signature_format = "sha256=%s",
        .want_verdict = REASON_SIGNATURE_MALFORMED, .want_finding = "the signature has a prefix"},
    {"body-cut", .body_cut = true, .want_no_verdict = true, .want_finding = ""},

    /* headers that came twice */
    {"two-ids", .headers = "SASHA-Request-ID: x\n", .want_verdict = REASON_ID_MALFORMED,
        .want_finding = "SASHA-Request-ID stands there more than once"},
    {"two-signatures", .headers = "SASHA-Request-Signature: x\n",
        .want_verdict = REASON_SIGNATURE_MALFORMED,
        .want_finding = "SASHA-Request-Signature stands there more than once"},
    {"two-secret-ids", .headers = "SASHA-Callback-Secret-ID: x\n",
        .want_verdict = REASON_SECRET_UNKNOWN,
        .want_finding = "SASHA-Callback-Secret-ID stands there more than once"},
    {"two-tokens", .headers = "Authorization: x\n", .want_verdict = REASON_TOKEN_WRONG,
        .want_finding = "Authorization stands there more than once"},

    /* orders and separators */
    {"newlines", .text = "POST\n" URL "\n" ID "\n" BODY, .want_verdict = WRONG,
        .want_finding = "what is signed is method, url, request id, body, joined by newlines"},
    {"body-only", .text = BODY, .want_verdict = WRONG, .want_finding = "what is signed is body:"},
    {"id-dot-body", .text = ID "." BODY, .want_verdict = WRONG,
        .want_finding = "what is signed is request id, body, joined by dots"},
    {"other-order", .text = "POST" URL BODY ID, .want_verdict = WRONG,
        .want_finding = "what is signed is method, url, body, request id:"},

    /* pairs */
    {"http-and-raw-text", .url = "http://your-app.com" PATH, .key = KEY_BASE64,
        .want_verdict = WRONG,
        .want_finding = "the url is \"http://your-app.com" PATH "\" and the key is the base64"},
    {"slash-and-newline", .url = URL "/", .in_body = BODY "\n", .want_verdict = WRONG,
        .want_finding = "the url is \"" URL "/\" and the newline at the end of the body"},
    {"other-key-and-newline", .key = OTHER_KEY, .body = BODY "\n", .want_verdict = WRONG,
        .want_finding = "\"others\" of endpoint \"other\" and a newline is put behind"},
    {"slash-and-newline-unnamed", .url = URL "/", .in_body = BODY "\n", .in_secret_id = ABSENT,
        .want_verdict = WRONG,
        .want_finding = "taken away (the key is callback_secret \"current\""},

    /* the Job */
    {"no-job", .body = "{}", .in_body = "{}", .want_verdict = REASON_JOB_MALFORMED,
        .want_finding = "job_id is missing"},
    {"old", .now_usec = NOW + 90 * USEC_PER_SEC, .want_verdict = REASON_STALE,
        .want_finding = "too old"},

    /* the first of several faults is the verdict */
    {"token-before-job", .in_token = "Bearer x", .body = "{}", .in_body = "{}",
        .want_verdict = REASON_TOKEN_WRONG, .want_finding = "none that the conf has"},
    {"token-before-age", .in_token = "Bearer x", .now_usec = NOW + 90 * USEC_PER_SEC,
        .want_verdict = REASON_TOKEN_WRONG, .want_finding = "none that the conf has"},
    {"token-before-id", .in_token = "Bearer x", .in_id = "a b", .want_verdict = REASON_TOKEN_WRONG,
        .want_finding = "none that the conf has"},
    {"token-before-form", .in_token = "Bearer x", .in_signature = "x",
        .want_verdict = REASON_TOKEN_WRONG, .want_finding = "none that the conf has"},
    {"token-before-secret", .in_token = "Bearer x", .in_secret_id = "NEW-ID",
        .want_verdict = REASON_TOKEN_WRONG, .want_finding = "none that the conf has"},
    {"token-before-two-ids", .in_token = "Bearer x",
        .headers = "SASHA-Request-ID: x\nSASHA-Request-Signature: x\n"
                   "SASHA-Callback-Secret-ID: x\n",
        .want_verdict = REASON_TOKEN_WRONG, .want_finding = "none that the conf has"},
    {"token-before-signature", .in_token = "Bearer x", .url = URL "/",
        .want_verdict = REASON_TOKEN_WRONG, .want_finding = "none that the conf has"},
};

/* ---- from row to request ---- */

static const char *or_else(const char *text, const char *otherwise)
{
    return text ? text : otherwise;
}

static void make_signature(const struct row *row, char signature[static 128])
{
    CLEANUP(crypto_free) struct crypto *crypto = NULL;
    CLEANUP(crypto_mac_free) struct crypto_mac *mac = NULL;
    const char *key_text = or_else(row->key, KEY);
    struct secret_key key = {.length = strlen(key_text)};
    const char *parts_text[] = {or_else(row->method, "POST"), or_else(row->url, URL),
        or_else(row->id, ID), or_else(row->body, BODY)};
    struct crypto_part parts[4];
    unsigned char sum[CRYPTO_SUM_SIZE];
    char hex[2 * CRYPTO_SUM_SIZE + 1];

    memcpy(key.bytes, key_text, key.length);
    for (size_t i = 0; i < 4; i++)
        parts[i] = (struct crypto_part){parts_text[i], strlen(parts_text[i])};
    if (row->text)
        parts[0] = (struct crypto_part){row->text, strlen(row->text)};
    ck_assert_int_eq(crypto_new(&crypto, NULL), 0);
    ck_assert_int_eq(crypto_mac_new(crypto, &key, &mac, NULL), 0);
    ck_assert_int_eq(crypto_mac_sum(mac, parts, row->text ? 1 : 4, sum), 0);
    hex_encode(sum, sizeof(sum), hex);
    if (row->signature_format && strstr(row->signature_format, "base64")) {
        const char *at = strstr(row->signature_format, "base64");
        bool is_for_urls = strcmp(at, "base64url") == 0;
        struct secret_key as_key = {.length = sizeof(sum)};
        char text[EXPLAIN_KEY_TEXT_SIZE];

        memcpy(as_key.bytes, sum, sizeof(sum));
        explain_key_to_base64(&as_key, text);
        for (char *c = text; is_for_urls && *c; c++)
            *c = *c == '+' ? '-' : *c == '/' ? '_' : *c;
        ck_assert(!is_for_urls || (strchr(text, '-') && strchr(text, '_')));
        snprintf(signature, 128, "%.*s%.100s", (int)(at - row->signature_format),
            row->signature_format, text);
    } else if (row->signature_format) {
        const char *at = strstr(row->signature_format, "%s");

        snprintf(signature, 128, "%.*s%s%s", (int)(at - row->signature_format),
            row->signature_format, hex, at + 2);
    } else {
        snprintf(signature, 128, "%s", hex);
    }
}

static void append_header(struct buf *text, const char *name, const char *value)
{
    if (strcmp(value, ABSENT) != 0)
        buf_append_format(text, "%s: %s\r\n", name, value);
}

/* The captured text, as the parser gets it. */
static void make_capture(const struct row *row, struct buf *text)
{
    char signature[128];

    make_signature(row, signature);
    buf_append_format(
        text, "%s %s HTTP/1.1\r\n", or_else(row->in_method, "POST"), or_else(row->in_target, PATH));
    append_header(text, "Authorization", or_else(row->in_token, "Bearer " TOKEN));
    append_header(text, "SASHA-Request-ID", or_else(row->in_id, ID));
    append_header(text, "SASHA-Request-Signature", or_else(row->in_signature, signature));
    append_header(text, "SASHA-Callback-Secret-ID", or_else(row->in_secret_id, SECRET_ID));
    buf_append_text(text, or_else(row->headers, ""));
    buf_append_text(text, "\r\n");
    buf_append_text(text, or_else(row->in_body, BODY));
}

static void explain_row(const struct row *row, struct explain_report *report,
    struct explain_request *request, struct explain_header *headers, struct buf *text)
{
    struct error error = ERROR_INIT;

    make_capture(row, text);
    ck_assert_msg(
        explain_parse((char *)text->data, text->length, request, headers, 32, &error) == 0,
        "%s: %s", row->name, error.text);
    request->body_cut = row->body_cut;
    ck_assert_msg(explain_request(&options, row->endpoint, request,
                      row->now_usec > 0 ? row->now_usec : NOW, report, &error) == 0,
        "%s: %s", row->name, error.text);
}

/* ---- what the verifier says of the same ---- */

static struct verify_header get_header(const struct explain_request *request, const char *name)
{
    struct verify_header header = {NULL, 0, 0};

    for (size_t i = 0; i < request->n_headers; i++) {
        if (strcasecmp(request->headers[i].name, name) != 0)
            continue;
        if (header.count++ == 0) {
            header.value = request->headers[i].value;
            header.length = strlen(header.value);
        }
    }
    return header;
}

static enum reason judge(const struct explain_request *request, int64_t now_usec)
{
    CLEANUP(verifier_free) struct verifier *verifier = NULL;
    CLEANUP(delivery_free) struct delivery *delivery = NULL;
    const struct verify_endpoint *endpoint;
    struct verify_finding finding;
    const struct verify_head head = {
        get_header(request, "Authorization"),
        get_header(request, "SASHA-Request-ID"),
        get_header(request, "SASHA-Request-Signature"),
        get_header(request, "SASHA-Callback-Secret-ID"),
    };
    const char *detail;
    enum reason reason;

    ck_assert_int_eq(verifier_new(&options, &verifier, NULL), 0);
    endpoint = verifier_route(verifier, PATH, strlen(PATH));
    reason = verify_check_head(verifier, endpoint, &head, &finding);
    if (reason != REASON_ACCEPTED)
        return reason;
    return verify_check_body(verifier, endpoint, &head, request->body, request->body_length,
        now_usec, &finding, &delivery, &detail);
}

/* ---- nothing secret ---- */

static void assert_clean(const char *name, const char *text)
{
    static const char *const canaries[] = {"canary-token-of-before", TOKEN, OTHER_TOKEN, KEY,
        KEY_BASE64, KEY_HEX, OLD_KEY, OTHER_KEY, CLEAN_KEY};

    for (size_t i = 0; i < ARRAY_SIZE(canaries); i++)
        ck_assert_msg(!strcasestr(text, canaries[i]), "%s: leaks %s: %s", name, canaries[i], text);
    for (size_t i = 0, run = 0; text[i]; i++) {
        run = strchr("0123456789abcdefABCDEF", text[i]) ? run + 1 : 0;
        ck_assert_msg(run < 40, "%s: holds what may be a signature: %s", name, text);
    }
    ck_assert_msg(!strchr(text, '\n'), "%s: more than a line: %s", name, text);
}

/* ---- core ---- */

START_TEST(causes)
{
    const struct row *row = &rows[_i];
    struct explain_report report;
    struct explain_request request;
    struct explain_header headers[32];
    struct buf text = BUF_INIT, json = BUF_INIT;
    bool got_failed = false;

    explain_row(row, &report, &request, headers, &text);

    ck_assert_msg(
        report.verdict == row->want_verdict, "%s: %s", row->name, reason_name(report.verdict));
    ck_assert_msg(report.judged == !row->want_no_verdict, "%s", row->name);
    if (*row->want_finding == '\0') {
        ck_assert_msg(report.n_findings == 0, "%s: %s", row->name, report.findings[0]);
    } else {
        ck_assert_msg(report.n_findings > 0, "%s: no finding", row->name);
        ck_assert_msg(
            strstr(report.findings[0], row->want_finding), "%s: %s", row->name, report.findings[0]);
    }
    if (row->want_second)
        ck_assert_msg(report.n_findings > 1 && strstr(report.findings[1], row->want_second),
            "%s: %zu findings", row->name, report.n_findings);
    for (size_t i = 0; i < report.n_checks; i++)
        got_failed |= report.checks[i].outcome == EXPLAIN_FAILED;
    ck_assert_msg(got_failed == (report.verdict != REASON_ACCEPTED), "%s", row->name);

    ck_assert_int_eq(explain_append_json(&report, &json), 0);
    ck_assert_int_eq(buf_append(&json, "", 1), 0);
    assert_clean(row->name, (const char *)json.data);
    buf_done(&json);
    buf_done(&text);
    explain_report_done(&report);
}
END_TEST

START_TEST(verdict_is_the_verifiers)
{
    const struct row *row = &rows[_i];
    struct explain_report report;
    struct explain_request request;
    struct explain_header headers[32];
    struct buf text = BUF_INIT;

    explain_row(row, &report, &request, headers, &text);
    if (report.verdict != REASON_PATH && report.verdict != REASON_METHOD && report.judged &&
        !request.token_hidden)
        ck_assert_msg(judge(&request, row->now_usec > 0 ? row->now_usec : NOW) == report.verdict,
            "%s: %s", row->name, reason_name(report.verdict));
    buf_done(&text);
    explain_report_done(&report);
}
END_TEST

/* ---- limits ---- */

START_TEST(a_token_in_the_url_is_starred_out)
{
    static const struct row row = {"", .url = URL "?t=" TOKEN, .in_target = PATH "?t=" TOKEN};
    struct explain_report report;
    struct explain_request request;
    struct explain_header headers[32];
    struct buf text = BUF_INIT;

    explain_row(&row, &report, &request, headers, &text);
    ck_assert_uint_ge(report.n_findings, 1);
    ck_assert_ptr_nonnull(strstr(report.findings[0], "?t=********"));
    assert_clean("url", report.findings[0]);
    buf_done(&text);
    explain_report_done(&report);
}
END_TEST

/* A text that can be read in many ways: no more is told than anybody would read. */
START_TEST(no_more_findings_than_can_be_read)
{
    static const struct row row = {"", .text = URL "POST", .in_id = ABSENT, .in_body = ""};
    struct explain_report report;
    struct explain_request request;
    struct explain_header headers[32];
    struct buf text = BUF_INIT;

    explain_row(&row, &report, &request, headers, &text);
    ck_assert_uint_eq(report.n_findings, EXPLAIN_FINDINGS_MAX);
    for (size_t i = 1; i < report.n_findings; i++)
        ck_assert_ptr_nonnull(strstr(report.findings[i], "what is signed is"));
    buf_done(&text);
    explain_report_done(&report);
}
END_TEST

/* More urls than are tried: those that need the fewest changes are. */
START_TEST(more_urls_than_are_tried)
{
    static struct row row = {"", .url = URL "/", .want_verdict = WRONG};
    struct explain_report report;
    struct explain_request request;
    struct explain_header headers[32];
    struct buf text = BUF_INIT;

    row.headers = "Host: a.example\nX-Forwarded-Host: b.example\nX-Original-Host: c.example\n"
                  "X-Forwarded-Server: d.example\nForwarded: host=e.example\n"
                  "X-Original-URI: /a?a\nX-Original-URL: /b?b\nX-Forwarded-Uri: /c?c\n"
                  "X-Forwarded-Path: /d?d\nX-Rewrite-URL: /e?e\nX-Forwarded-Port: 1\n";
    explain_row(&row, &report, &request, headers, &text);
    ck_assert_int_eq((int)report.verdict, (int)WRONG);
    ck_assert_msg(strstr(report.findings[0], "the url is \"" URL "/\""), "%s", report.findings[0]);
    buf_done(&text);
    explain_report_done(&report);
}
END_TEST

/* One endpoint is meant by whatever comes in; path is where the proxy passes the callbacks on to,
 * and a token of a few letters would leave no sentence if it were starred out. */
START_TEST(the_only_endpoint)
{
    static const char *const short_tokens[] = {"path"};
    static struct verify_endpoint_options only[] = {
        {"main", URL, "/stripped", short_tokens, 1, secrets, 1, USEC_INFINITY, false}};
    static const struct verify_options only_options = {only, 1};
    static const struct {
        const char *target, *want;
    } targets[] = {
        {PATH, "set path = \"" PATH "\" for endpoint \"main\""},
        {"/callbacks/SASHA-JOB-UPDATE", "and endpoint \"main\" has \"/stripped\""},
        {"/elsewhere", "and endpoint \"main\" has \"/stripped\""},
    };

    for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
        const struct explain_request request = {.method = "POST", .target = targets[i].target};
        struct explain_report report;

        ck_assert_int_eq(explain_request(&only_options, NULL, &request, NOW, &report, NULL), 0);
        ck_assert_int_eq((int)report.verdict, REASON_PATH);
        ck_assert_str_eq(report.endpoint, "main");
        ck_assert_msg(strstr(report.findings[0], targets[i].want), "%s", report.findings[0]);
        ck_assert_ptr_nonnull(strstr(report.findings[0], "the path came in"));
        explain_report_done(&report);
    }
}
END_TEST

START_TEST(big_and_hostile)
{
    static unsigned char body[EXPLAIN_BODY_MAX + 1];
    char host[2000];
    const struct explain_header headers[] = {{"Host", host}, {"X-Forwarded-Host", "\x1b[2J\r"},
        {"SASHA-Request-ID", "i"},
        {"SASHA-Request-Signature",
            "0000000000000000000000000000000000000000000000000000000000000000"},
        {"Forwarded", "host="}, {"Content-Length", "-1"}};
    struct explain_request request = {.method = "POST\x1b",
        .target = "\x01?",
        .headers = headers,
        .n_headers = ARRAY_SIZE(headers),
        .body = body,
        .body_length = EXPLAIN_BODY_MAX};
    struct explain_report report;

    memset(body, '[', sizeof(body));
    memset(host, 'h', sizeof(host) - 1);
    host[sizeof(host) - 1] = '\0';
    ck_assert_int_eq(explain_request(&options, "main", &request, NOW, &report, NULL), 0);
    ck_assert_int_eq((int)report.verdict, REASON_PATH);
    for (size_t i = 0; i < report.n_checks; i++)
        ck_assert(!strchr(report.checks[i].text, '\x1b') && !strchr(report.checks[i].text, '\x01'));
    explain_report_done(&report);

    request.body_length++;
    ck_assert_int_eq(explain_request(&options, "main", &request, NOW, &report, NULL), -EFBIG);
    request.body_length = 0;
    ck_assert_int_eq(explain_request(&options, "nobody", &request, NOW, &report, NULL), -ENOENT);
}
END_TEST

START_TEST(reserialises)
{
    static const char text[] = "{\"b\":\"\xc3\xa4/\",\"a\":[1,18446744073709]}";
    static const struct {
        enum json_style style;
        const char *want;
    } wanted[] = {
        {JSON_STYLE_COMPACT, "{\"b\":\"\xc3\xa4/\",\"a\":[1,18446744073709]}"},
        {JSON_STYLE_COMPACT_SORTED, "{\"a\":[1,18446744073709],\"b\":\"\xc3\xa4/\"}"},
        {JSON_STYLE_COMPACT_ASCII, "{\"b\":\"\\u00E4/\",\"a\":[1,18446744073709]}"},
        {JSON_STYLE_COMPACT_SLASHES, "{\"b\":\"\\u00E4\\/\",\"a\":[1,18446744073709]}"},
        {JSON_STYLE_SPACED, "{\"b\": \"\xc3\xa4/\", \"a\": [1, 18446744073709]}"},
    };
    struct buf out = BUF_INIT;

    for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
        buf_clear(&out);
        ck_assert_int_eq(
            json_reserialise((const unsigned char *)text, strlen(text), wanted[i].style, &out), 0);
        ck_assert_int_eq(buf_append(&out, "", 1), 0);
        ck_assert_str_eq((const char *)out.data, wanted[i].want);
    }
    buf_clear(&out);
    ck_assert_int_eq(
        json_reserialise((const unsigned char *)"{", 1, JSON_STYLE_COMPACT, &out), -EINVAL);
    ck_assert_int_eq(json_reserialise(NULL, 0, JSON_STYLE_COMPACT, &out), -EINVAL);
    ck_assert_uint_eq(out.length, 0);
    buf_done(&out);
}
END_TEST

/* ---- errors ---- */

static const struct {
    const char *text;
    size_t length; /* 0: of the string */
    const char *want;
} bad_captures[] = {
    {"", 0, "the captured request is empty"},
    {"POST /x HTTP/1.1", 0, "line 1: is cut short"},
    {"hello\n", 0, "line 1: not a request line"},
    {" /x\n", 0, "line 1: not a request line"},
    {"POST /a b HTTP/1.1\n\n", 0, "line 1: what follows the url"},
    {"POST \n\n", 0, "line 1: the url is missing"},
    {"POST / HTTP/1.1\nA: b\n folded\n\n", 0, "line 3: begins with a blank"},
    {"POST / HTTP/1.1\n\tfolded: x\n\n", 0, "line 2: begins with a blank"},
    {"POST / HTTP/1.1\nno colon\n\n", 0, "line 2: not a header"},
    {"POST / HTTP/1.1\n: b\n\n", 0, "line 2: the header's name"},
    {"POST / HTTP/1.1\nA : b\n\n", 0, "line 2: the header's name"},
    {"POST / HTTP/1.1\nA: b", 0, "line 2: is cut short"},
    {"POST / HTTP/1.1\nA: \0b\n\n", 23, "line 2: holds a NUL"},
    {"POST / HTTP/1.1\na: 1\nb: 2\nc: 3\n\n", 0, "line 4: more than 2 headers"},
};

START_TEST(captures_that_are_none)
{
    char text[128];
    size_t length =
        bad_captures[_i].length > 0 ? bad_captures[_i].length : strlen(bad_captures[_i].text);
    struct explain_header headers[2];
    struct explain_request request;
    struct error error = ERROR_INIT;

    memcpy(text, bad_captures[_i].text, length);
    ck_assert_int_eq(explain_parse(text, length, &request, headers, 2, &error), -EINVAL);
    ck_assert_msg(strstr(error.text, bad_captures[_i].want), "%s", error.text);
}
END_TEST

START_TEST(capture_of_an_editor)
{
    char text[] = "POST http://h/p?q\nA:  b \t\nAuthorization: Bearer <36 bytes>\n\n{\n}\n";
    struct explain_header headers[4];
    struct explain_request request;

    ck_assert_int_eq(explain_parse(text, strlen(text), &request, headers, 4, NULL), 0);
    ck_assert_str_eq(request.method, "POST");
    ck_assert_str_eq(request.target, "http://h/p?q");
    ck_assert_uint_eq(request.n_headers, 2);
    ck_assert_str_eq(request.headers[0].value, "b");
    ck_assert(request.token_hidden);
    ck_assert_uint_eq(request.body_length, 4);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("explain");
    TCase *core = tcase_create("core");
    TCase *limits = tcase_create("limits");
    TCase *errors = tcase_create("errors");
    SRunner *runner;
    int failed;

    job_init_library();
    tcase_add_loop_test(core, causes, 0, ARRAY_SIZE(rows));
    tcase_add_loop_test(core, verdict_is_the_verifiers, 0, ARRAY_SIZE(rows));
    tcase_add_test(limits, a_token_in_the_url_is_starred_out);
    tcase_add_test(limits, no_more_findings_than_can_be_read);
    tcase_add_test(limits, more_urls_than_are_tried);
    tcase_add_test(limits, the_only_endpoint);
    tcase_add_test(limits, big_and_hostile);
    tcase_add_test(limits, reserialises);
    tcase_set_timeout(limits, 60);
    tcase_add_loop_test(errors, captures_that_are_none, 0, ARRAY_SIZE(bad_captures));
    tcase_add_test(errors, capture_of_an_editor);
    suite_add_tcase(suite, core);
    suite_add_tcase(suite, limits);
    suite_add_tcase(suite, errors);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
