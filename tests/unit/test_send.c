/*
 * The sender: which options go together, whose key signs what for where, made-up Jobs, and that the
 * printed command says to a real shell what it should.
 *
 * A made request is given to the verifier: what `send` makes must be a callback.
 */

#include "ctl/send.h"
#include "job/job.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "verify/verify.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define URL "https://your-app.com/callbacks/sasha-job-update"
#define NOW (INT64_C(1735689600) * USEC_PER_SEC)

CLEANUP_FUNC(struct verifier, verifier_free);

/* ---- a conf with two endpoints; the second has two secrets, two tokens and an id ---- */

/* The conf owns its texts, so they are not const. At file scope they live for ever. */
#define TEXT(literal) ((char[]){literal})

static struct config_token tokens[] = {
    {TEXT("value:"), TEXT("token-one")},
    {TEXT("value:"), TEXT("token-two")},
};
static struct config_secret secrets[] = {
    {TEXT("old"), TEXT("value:"), NULL, SECRET_RAW, {"0123456789abcdef", 16}},
    {TEXT("new"), TEXT("value:"), TEXT("ID-OF-NEW"), SECRET_RAW, {"fedcba9876543210", 16}},
};
static struct config_endpoint endpoints[] = {
    {.name = TEXT("bare"),
        .public_url = TEXT("https://a.example/cb"),
        .path = TEXT("/cb"),
        .no_token = true,
        .secrets = secrets,
        .n_secrets = 1},
    {.name = TEXT("main"),
        .public_url = TEXT(URL),
        .path = TEXT("/stripped"),
        .tokens = tokens,
        .n_tokens = 2,
        .secrets = secrets,
        .n_secrets = 2},
};
static char config_file[] = "test.conf";

static struct config make_config(char *listen[static 2], size_t n_endpoints)
{
    return (struct config){
        .file = config_file,
        .server.listen = {listen, listen[0] ? 1 : 0},
        .endpoints = endpoints,
        .n_endpoints = n_endpoints,
    };
}

/* ---- core: options ---- */

static const struct {
    const char *arguments[12];
    const char *want_error; /* NULL: they fit */
} option_lines[] = {
    {{"--status", "completed"}, NULL},
    {{"--status=completed", "--type=lookup-signature", "--job-id=a=b"}, NULL},
    {{"--job", "-", "--json", "--config", "f"}, NULL},
    {{"--job", "f", "--secret-file", "s", "--sign-url", URL, "--secret-encoding", "hex"}, NULL},
    {{"--status", "a", "--status", "b"}, NULL},
    {{NULL}, "say what to send: --job FILE or --status STATUS"},
    {{"--type", "a"}, "say what to send: --job FILE or --status STATUS"},
    {{"--job", "f", "--status", "a"}, "--job and --status exclude each other"},
    {{"--job", "f", "--type", "a"}, "--job and --type exclude each other"},
    {{"--job", "f", "--job-id", "a"}, "--job and --job-id exclude each other"},
    {{"--status", "a", "--direct", "--url", URL}, "--direct and --url exclude each other"},
    {{"--status", "a", "--secret-id", "i", "--no-secret-id"},
        "--secret-id and --no-secret-id exclude each other"},
    {{"--status", "a", "--token", "t", "--token-file", "f"},
        "--token and --token-file exclude each other"},
    {{"--status", "a", "--secret-file", "s"}, "--secret-file needs --sign-url as well"},
    {{"--status", "a", "--secret-encoding", "hex"},
        "--secret-encoding needs --secret-file as well"},
    {{"--status", "a", "--sign-url", URL, "--secret-file", "s", "--endpoint", "e"},
        "--secret-file and --endpoint exclude each other"},
    {{"--status", "a", "--sign-url", URL, "--secret-file", "s", "--secret", "e"},
        "--secret-file and --secret exclude each other"},
    {{"--status", "a", "--sign-url", URL, "--secret-file", "s", "--direct"},
        "--secret-file and --direct exclude each other"},
    {{"--status", "a", "--sign-url", URL, "--secret-file", "s", "--config", "f"},
        "--config and --secret-file exclude each other"},
    {{"--status", "a", "--json", "--print"}, "--json and --print exclude each other"},
    {{"--status", "a", "--socket", "s"},
        "--socket is the admin socket, which takes no callbacks; to pass the proxy by, use "
        "--direct"},
    {{"--stat", "a"}, "no such option: --stat"},
    {{"--status"}, "--status needs a value: STATUS"},
    {{"--direct=yes"}, "--direct takes no value"},
    {{"-s"}, "no such option: -s; options begin with two dashes"},
};

START_TEST(judges_option_lines)
{
    char *argv[1 + ARRAY_SIZE(option_lines[0].arguments)] = {NULL};
    struct send_options options = {.job = NULL};
    struct common_options common = {.config = NULL};
    const struct option_set sets[] = {{send_option_rows, &options}, {common_option_rows, &common}};
    struct error got = ERROR_INIT;
    int argc = 1, next = 0, result;

    while (option_lines[_i].arguments[argc - 1]) {
        argv[argc] = strdup(option_lines[_i].arguments[argc - 1]);
        argc++;
    }
    result = options_parse(sets, ARRAY_SIZE(sets), argc, argv, &next, &got);
    if (result == 0)
        result = send_options_check(&options, &common, &got);
    if (option_lines[_i].want_error) {
        ck_assert_int_eq(result, -EINVAL);
        ck_assert_str_eq(got.text, option_lines[_i].want_error);
    } else {
        ck_assert_msg(result == 0, "%s", got.text);
        ck_assert_int_eq(next, argc);
    }
    for (int i = 1; i < argc; i++)
        free(argv[i]);
}
END_TEST

START_TEST(reads_option_values)
{
    char *argv[] = {TEXT("send"), TEXT("--status"), TEXT("a"), TEXT("--job-id=b=c"),
        TEXT("--direct"), TEXT("--json"), TEXT("--status"), TEXT("d"), TEXT("--"), TEXT("--print"),
        NULL};
    struct send_options options = {.job = NULL};
    struct common_options common = {.config = NULL};
    const struct option_set sets[] = {{send_option_rows, &options}, {common_option_rows, &common}};
    int next = 0;

    ck_assert_int_eq(options_parse(sets, ARRAY_SIZE(sets), 10, argv, &next, NULL), 0);
    ck_assert_int_eq(next, 9);
    ck_assert_str_eq(options.status, "d");
    ck_assert_str_eq(options.job_id, "b=c");
    ck_assert(options.direct);
    ck_assert(common.json);
    ck_assert(!options.print);
    ck_assert_ptr_null(options.url);
}
END_TEST

/* ---- core: targets ---- */

static const struct {
    struct send_options options;
    const char *listen;
    const char *want_url;
    const char *want_unix_socket;
    const char *want_sign_url;
    const char *want_token;
    const char *want_secret_id;
    char want_key; /* its first byte */
} targets[] = {
    {{.endpoint = "main"}, NULL, URL, NULL, URL, "token-one", NULL, '0'},
    {{.endpoint = "bare"}, NULL, "https://a.example/cb", NULL, "https://a.example/cb", NULL, NULL,
        '0'},
    {{.endpoint = "main", .secret = "new"}, NULL, URL, NULL, URL, "token-one", "ID-OF-NEW", 'f'},
    {{.endpoint = "main", .secret = "new", .no_secret_id = true}, NULL, URL, NULL, URL, "token-one",
        NULL, 'f'},
    {{.endpoint = "main", .secret = "new", .secret_id = "x"}, NULL, URL, NULL, URL, "token-one",
        "x", 'f'},
    {{.endpoint = "main", .token = "mine"}, NULL, URL, NULL, URL, "mine", NULL, '0'},
    {{.endpoint = "main", .url = "http://b.example:8080/x"}, NULL, "http://b.example:8080/x", NULL,
        URL, "token-one", NULL, '0'},
    {{.endpoint = "main", .sign_url = "https://c.example/y"}, NULL, URL, NULL,
        "https://c.example/y", "token-one", NULL, '0'},
    {{.endpoint = "main", .direct = true}, "127.0.0.1:8480", "http://127.0.0.1:8480/stripped", NULL,
        URL, "token-one", NULL, '0'},
    {{.endpoint = "main", .direct = true}, "[::1]:8480", "http://[::1]:8480/stripped", NULL, URL,
        "token-one", NULL, '0'},
    {{.endpoint = "main", .direct = true}, "unix:/run/x.sock", "http://localhost/stripped",
        "/run/x.sock", URL, "token-one", NULL, '0'},
};

START_TEST(resolves_targets)
{
    CLEANUP(free) char *address = targets[_i].listen ? strdup(targets[_i].listen) : NULL;
    char *listen[] = {address, NULL};
    struct config config = make_config(listen, 2);
    struct send_target got = SEND_TARGET_INIT;
    struct error error = ERROR_INIT;

    ck_assert_msg(send_target_resolve(&targets[_i].options, &config, &got, &error) == EX_OK, "%s",
        error.text);
    ck_assert_str_eq((const char *)got.url.data, targets[_i].want_url);
    ck_assert_pstr_eq(got.unix_socket, targets[_i].want_unix_socket);
    ck_assert_str_eq(got.sign_url, targets[_i].want_sign_url);
    ck_assert_pstr_eq(got.token, targets[_i].want_token);
    ck_assert_pstr_eq(got.secret_id, targets[_i].want_secret_id);
    ck_assert_int_eq(got.key.bytes[0], targets[_i].want_key);
    send_target_done(&got);
}
END_TEST

START_TEST(takes_the_only_endpoint)
{
    char *listen[] = {NULL, NULL};
    struct config config = make_config(listen, 1);
    struct send_target got = SEND_TARGET_INIT;

    ck_assert_int_eq(send_target_resolve(&(struct send_options){0}, &config, &got, NULL), EX_OK);
    ck_assert_str_eq(got.sign_url, "https://a.example/cb");
    send_target_done(&got);
}
END_TEST

static const struct {
    struct send_options options;
    const char *listen;
    int want_status;
    const char *want_error;
} bad_targets[] = {
    {{0}, NULL, EX_USAGE, "test.conf has several endpoints; choose with --endpoint: bare, main"},
    {{.endpoint = "x"}, NULL, EX_USAGE, "test.conf has no endpoint \"x\"; it has bare, main"},
    {{.endpoint = "main", .secret = "x"}, NULL, EX_USAGE,
        "endpoint \"main\" has no callback_secret \"x\"; it has old, new"},
    {{.endpoint = "main", .direct = true}, NULL, EX_USAGE,
        "test.conf has no listen address for --direct"},
    {{.endpoint = "main", .direct = true}, "127.0.0.1:0", EX_USAGE,
        "listen = \"127.0.0.1:0\" lets the system choose the port; name it with --url instead of "
        "--direct"},
    {{.endpoint = "main", .token = "a b"}, NULL, EX_USAGE,
        "the partner token is empty or holds a character that a Bearer token cannot have"},
    {{.endpoint = "main", .token = "a\r\nX: y"}, NULL, EX_USAGE,
        "the partner token is empty or holds a character that a Bearer token cannot have"},
    {{.endpoint = "main", .secret_id = "a\r\nX: y"}, NULL, EX_USAGE,
        "--secret-id is not 1 to 255 visible ASCII characters"},
    {{.endpoint = "main", .token_file = "/nonexistent"}, NULL, EX_NOINPUT,
        "cannot open /nonexistent: No such file or directory"},
};

START_TEST(refuses_bad_targets)
{
    CLEANUP(free) char *address = bad_targets[_i].listen ? strdup(bad_targets[_i].listen) : NULL;
    char *listen[] = {address, NULL};
    struct config config = make_config(listen, 2);
    struct send_target target = SEND_TARGET_INIT;
    struct error got = ERROR_INIT;

    ck_assert_int_eq(send_target_resolve(&bad_targets[_i].options, &config, &target, &got),
        bad_targets[_i].want_status);
    ck_assert_str_eq(got.text, bad_targets[_i].want_error);
    send_target_done(&target);
}
END_TEST

START_TEST(refuses_bad_urls)
{
    static const char *const urls[] = {"", "a.example/cb", "ftp://a.example/", "file:///etc/passwd",
        "https://a.example", "https://a.example/ b", "https://a.example/#x"};

    for (size_t i = 0; i < ARRAY_SIZE(urls); i++) {
        char *listen[] = {NULL, NULL};
        struct config config = make_config(listen, 1);
        struct send_target target = SEND_TARGET_INIT;
        struct error got = ERROR_INIT;

        ck_assert_int_eq(
            send_target_resolve(&(struct send_options){.url = urls[i]}, &config, &target, &got),
            EX_USAGE);
        ck_assert_msg(strncmp(got.text, "--url ", 6) == 0, "%s", got.text);
        ck_assert_int_eq(send_target_resolve(
                             &(struct send_options){.sign_url = urls[i]}, &config, &target, &got),
            EX_USAGE);
        ck_assert_msg(strncmp(got.text, "--sign-url ", 11) == 0, "%s", got.text);
        send_target_done(&target);
    }
}
END_TEST

/* ---- core: made-up Jobs ---- */

static const struct {
    const char *status, *type;
    bool want_signature, want_output, want_error;
} jobs[] = {
    {"pending", "embed-signature", false, false, false},
    {"completed", "embed-signature", true, true, false},
    {"failed", "embed-signature", false, false, true},
    {"pending", "lookup-signature", false, false, false},
    {"completed", "lookup-signature", true, false, false},
    {"failed", "lookup-signature", false, false, true},
    {"in_progress", "embed-signature", false, false, false},
    {"completed", "something \"new\"\n", false, false, false},
};

START_TEST(makes_jobs)
{
    struct buf text = BUF_INIT;
    struct job *got = NULL;
    const char *why = NULL;

    ck_assert_int_eq(send_job_make(jobs[_i].status, jobs[_i].type, "a \"b\"", NOW, &text, NULL), 0);
    ck_assert_msg(job_parse(text.data, text.length, &got, &why) == JOB_OK, "%s", why);
    ck_assert_str_eq(got->job_id, "a \"b\"");
    ck_assert_str_eq(got->type, jobs[_i].type);
    ck_assert_str_eq(got->status, jobs[_i].status);
    ck_assert_int_eq(got->updated_at_usec, NOW);
    ck_assert_int_eq(got->signature_id != NULL, jobs[_i].want_signature);
    ck_assert_int_eq(got->output_url != NULL, jobs[_i].want_output);
    ck_assert_int_eq(got->output_url_expires_at != NULL, jobs[_i].want_output);
    ck_assert_int_eq(got->error_code != NULL, jobs[_i].want_error);
    ck_assert_int_eq(got->error_message != NULL, jobs[_i].want_error);
    job_free(got);
    buf_done(&text);
}
END_TEST

START_TEST(makes_job_ids)
{
    struct buf first = BUF_INIT, second = BUF_INIT;

    ck_assert_int_eq(send_job_make("pending", "t", NULL, NOW, &first, NULL), 0);
    ck_assert_int_eq(send_job_make("pending", "t", NULL, NOW, &second, NULL), 0);
    ck_assert_uint_eq(first.length, second.length);
    ck_assert_mem_ne(first.data, second.data, first.length);
    buf_done(&first);
    buf_done(&second);
}
END_TEST

/* ---- core: requests ---- */

static struct verify_header find_header(const struct send_request *request, const char *name)
{
    struct verify_header found = {NULL, 0, 0};

    for (size_t i = 0; i < request->n_headers; i++) {
        const char *value = request->headers[i] + strlen(name);

        if (strncmp(request->headers[i], name, strlen(name)) == 0 && strncmp(value, ": ", 2) == 0)
            found = (struct verify_header){value + 2, strlen(value + 2), found.count + 1};
    }
    return found;
}

/* What send makes, the verifier takes: with token and secret id, and with neither. */
START_TEST(makes_what_verifies)
{
    char *listen[] = {NULL, NULL};
    struct config config = make_config(listen, 2);
    const char *token_texts[] = {"token-one"};
    struct verify_secret_options secret = {
        "s", _i == 0 ? "ID-OF-NEW" : NULL, secrets[_i == 0 ? 1 : 0].key};
    struct verify_endpoint_options endpoint = {"main", endpoints[_i == 0 ? 1 : 0].public_url, "/x",
        token_texts, _i == 0 ? 1 : 0, &secret, 1, USEC_INFINITY};
    struct verify_options verify = {&endpoint, 1};
    CLEANUP(verifier_free) struct verifier *verifier = NULL;
    CLEANUP(delivery_free) struct delivery *delivery = NULL;
    struct send_options options = {
        .endpoint = _i == 0 ? "main" : "bare", .secret = _i == 0 ? "new" : "old"};
    struct send_target target = SEND_TARGET_INIT;
    struct send_request request = {.url = NULL};
    struct buf body = BUF_INIT;
    const struct verify_endpoint *route;
    struct verify_finding finding;
    struct verify_head head;
    const char *detail;

    ck_assert_int_eq(verifier_new(&verify, &verifier, NULL), 0);
    ck_assert_int_eq(send_job_make("completed", "embed-signature", NULL, NOW, &body, NULL), 0);
    ck_assert_int_eq(send_target_resolve(&options, &config, &target, NULL), EX_OK);
    ck_assert_int_eq(send_request_make(&options, &target, &body, &request, NULL), EX_OK);

    head = (struct verify_head){find_header(&request, "Authorization"),
        find_header(&request, "SASHA-Request-ID"), find_header(&request, "SASHA-Request-Signature"),
        find_header(&request, "SASHA-Callback-Secret-ID")};
    ck_assert_uint_eq(head.authorization.count, _i == 0 ? 1 : 0);
    ck_assert_uint_eq(head.secret_id.count, _i == 0 ? 1 : 0);
    ck_assert_uint_eq(find_header(&request, "Content-Type").count, 1);
    route = verifier_route(verifier, "/x", 2);
    ck_assert_int_eq(verify_check_head(verifier, route, &head, &finding), REASON_ACCEPTED);
    ck_assert_int_eq(verify_check_body(verifier, route, &head, body.data, body.length, NOW,
                         &finding, &delivery, &detail),
        REASON_ACCEPTED);
    ck_assert_str_eq(delivery->request_id, request.request_id);

    send_request_done(&request);
    send_target_done(&target);
    buf_done(&body);
}
END_TEST

static const struct {
    struct send_options options;
    const char *want_error;
} bad_requests[] = {
    {{.endpoint = "main", .request_id = ""},
        "--request-id is not 1 to 255 visible ASCII characters without { and \""},
    {{.endpoint = "main", .request_id = "a\r\nX: y"},
        "--request-id is not 1 to 255 visible ASCII characters without { and \""},
    {{.endpoint = "main", .timeout = "30"},
        "--timeout 30 is not a duration; write it as \"30s\" or \"500ms\""},
};

START_TEST(refuses_bad_requests)
{
    char *listen[] = {NULL, NULL};
    struct config config = make_config(listen, 2);
    struct send_target target = SEND_TARGET_INIT;
    struct send_request request = {.url = NULL};
    struct buf body = BUF_INIT;
    struct error got = ERROR_INIT;

    ck_assert_int_eq(send_target_resolve(&bad_requests[_i].options, &config, &target, NULL), EX_OK);
    ck_assert_int_eq(
        send_request_make(&bad_requests[_i].options, &target, &body, &request, &got), EX_USAGE);
    ck_assert_str_eq(got.text, bad_requests[_i].want_error);
    send_request_done(&request);
    send_target_done(&target);
}
END_TEST

/* ---- core: the curl command ---- */

/* Runs `text` in a shell and gives what it prints. */
static void run_shell(const char *text, char *output, size_t size)
{
    FILE *pipe = popen(text, "r");
    size_t length;

    ck_assert_ptr_nonnull(pipe);
    length = fread(output, 1, size - 1, pipe);
    output[length] = '\0';
    ck_assert_int_eq(pclose(pipe), 0);
}

START_TEST(quotes_words_for_the_shell)
{
    static const char *const words[] = {"", "plain-word_1.2,3:4/5@6%7+8", "two words", "it's", "'",
        "''", "$HOME `id` $(id) \\ \" ! * ? [a] {b} ~ # & | ; < >", "line\nbreak\ttab\n", "--flag",
        "\xc3\xa4\x80\xff", "=", "~root", "a=b"};

    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        struct buf command = BUF_INIT;
        char got[256], want[256];

        /* The words around it tell an empty word from none. */
        snprintf(want, sizeof(want), "a|%s|z|", words[i]);
        buf_append_text(&command, "printf '%s|' a ");
        ck_assert_int_eq(send_curl_append_word(&command, words[i], strlen(words[i])), 0);
        ck_assert_int_eq(buf_append(&command, " z", sizeof(" z")), 0);
        run_shell((const char *)command.data, got, sizeof(got));
        ck_assert_str_eq(got, want);
        buf_done(&command);
    }
}
END_TEST

/* With curl replaced by a function that prints its arguments, one a line. */
static void print_as_curl(const struct send_request *request, char *output, size_t size)
{
    struct buf command = BUF_INIT;

    buf_append_text(&command, "curl() { printf '%s\\n' \"$@\"; }\n");
    ck_assert_int_eq(send_curl_append(request, &command, NULL), 0);
    ck_assert_int_eq(buf_append(&command, "", 1), 0);
    run_shell((const char *)command.data, output, size);
    buf_done(&command);
}

START_TEST(prints_a_curl_command)
{
    struct send_request request = {
        .url = "https://a.example/c?d&e",
        .body = (const unsigned char *)"{\"it's\": 1}",
        .body_length = 11,
        .timeout_usec = 1500 * USEC_PER_MSEC,
        .headers = {TEXT("A: b"), TEXT("C: d'e")},
        .n_headers = 2,
    };
    static const char common[] = "--silent\n--show-error\n--include\n--globoff\n--path-as-is\n"
                                 "--noproxy\n*\n--max-time\n1.500\n";
    char got[1024], want[1024];

    print_as_curl(&request, got, sizeof(got));
    snprintf(want, sizeof(want),
        "%s--header\nA: b\n--header\nC: d'e\n--data-raw\n{\"it's\": 1}\nhttps://a.example/c?d&e\n",
        common);
    ck_assert_str_eq(got, want);

    request.n_headers = 0;
    request.unix_socket = "/run/a b.sock";
    request.cacert = "ca.pem";
    request.insecure = true;
    request.body_file = "my job.json";
    print_as_curl(&request, got, sizeof(got));
    snprintf(want, sizeof(want),
        "%s--insecure\n--cacert\nca.pem\n--unix-socket\n/run/a b.sock\n--data-binary\n@my "
        "job.json\nhttps://a.example/c?d&e\n",
        common);
    ck_assert_str_eq(got, want);
}
END_TEST

START_TEST(prints_no_body_that_a_shell_cannot_hold)
{
    CLEANUP(free) unsigned char *big = malloc(128 * 1024);
    struct send_request request = {
        .url = "https://a.example/", .body = big, .body_length = 128 * 1024};
    struct buf out = BUF_INIT;
    struct error got = ERROR_INIT;

    ck_assert_ptr_nonnull(big);
    memset(big, 'x', 128 * 1024);
    ck_assert_int_eq(send_curl_append(&request, &out, &got), -EINVAL);
    ck_assert_str_eq(
        got.text, "a command line cannot hold this body; put it into a file and use --job FILE");
    request.body_length--;
    ck_assert_int_eq(send_curl_append(&request, &out, &got), 0);
    big[7] = '\0';
    ck_assert_int_eq(send_curl_append(&request, &out, &got), -EINVAL);
    request.body_file = "job.json";
    ck_assert_int_eq(send_curl_append(&request, &out, &got), 0);
    buf_done(&out);
}
END_TEST

/* ---- without a conf ---- */

/* Writes a file in the test's own folder. */
static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
}

START_TEST(works_without_a_conf)
{
    char folder[] = "/tmp/test-send-XXXXXX";
    char secret[64], token[64];
    struct send_options options = {.sign_url = URL, .secret_file = secret, .token_file = token};
    struct send_target got = SEND_TARGET_INIT;
    struct error error = ERROR_INIT;

    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(secret, sizeof(secret), "%s/secret", folder);
    snprintf(token, sizeof(token), "%s/token", folder);
    write_file(secret, "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=\n");
    write_file(token, "from-file\n");

    ck_assert_msg(send_target_resolve(&options, NULL, &got, &error) == EX_OK, "%s", error.text);
    ck_assert_str_eq((const char *)got.url.data, URL);
    ck_assert_str_eq(got.sign_url, URL);
    ck_assert_str_eq(got.token, "from-file");
    ck_assert_ptr_null(got.secret_id);
    ck_assert_uint_eq(got.key.length, 32);
    send_target_done(&got);

    /* exactly one newline is none of the secret's */
    got = (struct send_target)SEND_TARGET_INIT;
    options.secret_encoding = "raw";
    write_file(secret, "sixteen bytes !!\n\n");
    ck_assert_int_eq(send_target_resolve(&options, NULL, &got, &error), EX_OK);
    ck_assert_uint_eq(got.key.length, 17);
    send_target_done(&got);

    got = (struct send_target)SEND_TARGET_INIT;
    write_file(secret, "short\n");
    ck_assert_int_eq(send_target_resolve(&options, NULL, &got, &error), EX_CONFIG);
    ck_assert_ptr_nonnull(
        strstr(error.text, "/secret: is a key of 5 bytes; at least 16 are needed"));
    send_target_done(&got);

    got = (struct send_target)SEND_TARGET_INIT;
    options.secret_encoding = "base32";
    ck_assert_int_eq(send_target_resolve(&options, NULL, &got, &error), EX_USAGE);
    ck_assert_str_eq(error.text, "--secret-encoding base32: say auto, base64, hex or raw");
    send_target_done(&got);

    ck_assert_int_eq(unlink(secret), 0);
    ck_assert_int_eq(unlink(token), 0);
    ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("send");
    TCase *core = tcase_create("core");
    TCase *limits = tcase_create("limits");
    TCase *errors = tcase_create("errors");
    SRunner *runner;
    int failed;

    job_init_library();
    tcase_add_loop_test(core, judges_option_lines, 0, ARRAY_SIZE(option_lines));
    tcase_add_test(core, reads_option_values);
    tcase_add_loop_test(core, resolves_targets, 0, ARRAY_SIZE(targets));
    tcase_add_test(core, takes_the_only_endpoint);
    tcase_add_test(core, works_without_a_conf);
    tcase_add_loop_test(core, makes_jobs, 0, ARRAY_SIZE(jobs));
    tcase_add_test(core, makes_job_ids);
    tcase_add_loop_test(core, makes_what_verifies, 0, 2);
    tcase_add_test(core, quotes_words_for_the_shell);
    tcase_add_test(core, prints_a_curl_command);
    tcase_add_test(limits, prints_no_body_that_a_shell_cannot_hold);
    tcase_add_loop_test(errors, refuses_bad_targets, 0, ARRAY_SIZE(bad_targets));
    tcase_add_test(errors, refuses_bad_urls);
    tcase_add_loop_test(errors, refuses_bad_requests, 0, ARRAY_SIZE(bad_requests));
    suite_add_tcase(suite, core);
    suite_add_tcase(suite, limits);
    suite_add_tcase(suite, errors);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
