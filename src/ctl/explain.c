/*
 * The command `explain`, put together from its parts; see explain.h.
 */

#include "ctl/explain.h"

#include "ctl/client.h"
#include "ctl/field.h"
#include "ctl/input.h"
#include "util/cleanup.h"
#include "util/fd.h"
#include "util/utf8.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

CLEANUP_FUNC(struct client, client_close);

#define ROW(name, argument, member, help)                              \
    {                                                                  \
        name, argument, help, offsetof(struct explain_options, member) \
    }

static const struct option_row explain_rows[] = {
    ROW("refused", "ID", refused, "explain a refused request that the daemon kept"),
    ROW("list", NULL, list, "list the refused requests that the daemon kept"),
    ROW("endpoint", "NAME", endpoint, "endpoint that it was meant for; default: by its path"),
    ROW("offline", NULL, offline, "do not ask the daemon; read the conf's secrets"),
    ROW("secret-file", "FILE", secret_file, "file that holds the secret; no conf is read then"),
    ROW("secret-encoding", "NAME", secret_encoding, "auto (default), base64, hex or raw"),
    ROW("sign-url", "URL", sign_url, "the url that should have been signed"),
    ROW("token-file", "FILE", token_file, "file that holds the partner token"),
    ROW("secret-id", "ID", secret_id, "that secret's id at SASHA"),
    {NULL, NULL, NULL, 0},
};

static const struct {
    const char *option, *other;
} conflicts[] = {
    {"refused", "list"},
    {"refused", "offline"},
    {"refused", "secret-file"},
    {"list", "offline"},
    {"list", "secret-file"},
    {"list", "endpoint"},
    {"secret-file", "endpoint"},
};

static const struct {
    const char *option, *needed;
} needs[] = {
    {"secret-file", "sign-url"},
    {"secret-encoding", "secret-file"},
    {"sign-url", "secret-file"},
    {"token-file", "secret-file"},
    {"secret-id", "secret-file"},
};

static bool is_refused_id(const char *id)
{
    return *id != '\0' &&
           id[strspn(id, "-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")] ==
               '\0';
}

static int check_options(struct explain_options *options, const struct common_options *common,
    int n_files, struct error *error)
{
    const struct option_set set = {explain_rows, options};

    for (size_t i = 0; i < ARRAY_SIZE(conflicts); i++) {
        if (options_has(&set, conflicts[i].option) && options_has(&set, conflicts[i].other))
            return error_set(error, EINVAL, "--%s and --%s exclude each other", conflicts[i].option,
                conflicts[i].other);
    }
    for (size_t i = 0; i < ARRAY_SIZE(needs); i++) {
        if (options_has(&set, needs[i].option) && !options_has(&set, needs[i].needed))
            return error_set(
                error, EINVAL, "--%s needs --%s as well", needs[i].option, needs[i].needed);
    }
    if (common->config && options->secret_file)
        return error_set(error, EINVAL, "--config and --secret-file exclude each other");
    if (common->socket && (options->secret_file || options->offline))
        return error_set(error, EINVAL, "--socket is of no use when the daemon is not asked");
    if (options->refused && !is_refused_id(options->refused))
        return error_set(error, EINVAL, "--refused: no id looks like that; see explain --list");
    if (n_files != (options->refused || options->list ? 0 : 1))
        return error_set(error, EINVAL,
            "say what to explain: one FILE, \"-\" for stdin, or --refused ID; or --list");
    return 0;
}

/* ---- the two ways to a report ---- */

/* Whether a JSON string can hold it, and the API takes it. */
static int check_text(const struct buf *text, struct error *error)
{
    const char *bytes = (const char *)text->data;

    for (size_t at = 0; at < text->length;) {
        uint32_t character;
        size_t length = utf8_decode(bytes + at, text->length - at, &character);

        if (length == 0 || character == 0) {
            error_set(error, EILSEQ,
                "the captured request holds bytes that are no text, which cannot be passed on to "
                "the daemon; use --offline");
            return EX_DATAERR;
        }
        at += length;
    }
    return EX_OK;
}

static int ask_daemon(const struct explain_options *options, const struct common_options *common,
    const struct buf *text, struct client_answer *answer, struct error *error)
{
    CLEANUP(client_close) struct client *client = NULL;
    struct buf body = BUF_INIT;
    int status = client_open(common, &client, error);

    if (status == EX_OK && text)
        status = check_text(text, error);
    if (status != EX_OK)
        return status;

    buf_append_text(&body, "{\"endpoint\":");
    if (options->endpoint)
        buf_append_json(&body, options->endpoint, strlen(options->endpoint));
    else
        buf_append_text(&body, "null");
    if (text) {
        buf_append_text(&body, ",\"request\":");
        buf_append_json(&body, (const char *)text->data, text->length);
    } else {
        buf_append_text(&body, ",\"refused\":");
        buf_append_json(&body, options->refused, strlen(options->refused));
    }
    if (buf_append_text(&body, "}") < 0) {
        error_errno(error, ENOMEM, "cannot ask the daemon");
        status = EX_OSERR;
    } else {
        status = client_post(client, "/v1/explain", &body, answer, error);
    }
    buf_done(&body);
    return status;
}

static int load_config(const struct common_options *common, struct config **ret_config)
{
    struct config_faults faults = CONFIG_FAULTS_INIT;
    int result = config_load(common->config ? common->config : CONFIG_DEFAULT_FILE,
        CONFIG_FOR_CLIENT, ret_config, &faults);

    if (result < 0)
        (void)fd_write_all(STDERR_FILENO, faults.text.data, faults.text.length);
    config_faults_done(&faults);
    return result < 0 ? EX_CONFIG : EX_OK;
}

/* *answer->root stays NULL when EX_CONFIG was returned, whose faults are printed. */
static int explain_here(const struct explain_options *options, const struct common_options *common,
    struct buf *text, struct client_answer *answer, struct error *error)
{
    struct config *config = NULL;
    int status = options->secret_file ? EX_OK : load_config(common, &config);

    if (status != EX_OK) {
        error_set(error, EINVAL, "the conf cannot be read; see above");
        return status;
    }
    status = explain_offline(options, config, text, &answer->text, error);
    config_free(config);
    if (status != EX_OK)
        return status;
    answer->root = json_loadb((const char *)answer->text.data, answer->text.length, 0, NULL);
    if (answer->root)
        return EX_OK;
    error_errno(error, ENOMEM, "cannot explain the request");
    return EX_OSERR;
}

static int explain_file(const struct explain_options *options, const struct common_options *common,
    const char *file, struct client_answer *answer, struct error *error)
{
    struct buf text = BUF_INIT;
    int status = EX_OK;

    if (input_read(file, EXPLAIN_INPUT_MAX, &text, error) < 0) {
        status = EX_NOINPUT;
    } else if (options->offline || options->secret_file) {
        status = explain_here(options, common, &text, answer, error);
    } else {
        status = ask_daemon(options, common, &text, answer, error);
        if (status == EX_UNAVAILABLE) {
            fprintf(stderr,
                "sasha-callbackctl explain: %s; explaining with the conf's secrets instead\n",
                error->text);
            status = explain_here(options, common, &text, answer, error);
        }
    }
    buf_done(&text);
    return status;
}

/* ---- the command ---- */

static int list(
    const struct common_options *common, struct client_answer *answer, struct error *error)
{
    CLEANUP(client_close) struct client *client = NULL;
    int status = client_open(common, &client, error);

    return status == EX_OK ? client_get(client, "/v1/refused", answer, error) : status;
}

static bool is_refusal(const json_t *report)
{
    const char *verdict = field_text(report, "verdict");

    return verdict && strcmp(verdict, "accepted") != 0;
}

static int show(const struct command *command, const struct common_options *common,
    const struct explain_options *options, const struct client_answer *answer)
{
    struct buf out = BUF_INIT;
    int status;

    if (common->json) {
        buf_append(&out, answer->text.data, answer->text.length);
        if (answer->text.length == 0 || answer->text.data[answer->text.length - 1] != '\n')
            buf_append_text(&out, "\n");
    } else if (options->list) {
        explain_print_list(answer->root, &out);
    } else {
        explain_print_report(answer->root, &out);
    }
    status = command_write(command, &out);
    buf_done(&out);
    if (status == EX_OK && !options->list && is_refusal(answer->root))
        status = CTL_REFUSED;
    return status;
}

static int run(const struct command *command, struct common_options *common, int argc, char **argv)
{
    struct explain_options options = {.refused = NULL};
    struct client_answer answer = CLIENT_ANSWER_INIT;
    struct error error = ERROR_INIT;
    int status, n_files;

    if (!command_parse_with(command, common, &options, argc, argv, &n_files, &status))
        return status;
    if (check_options(&options, common, n_files, &error) < 0)
        return command_fail(command, &error, EX_USAGE);

    if (options.list)
        status = list(common, &answer, &error);
    else if (options.refused)
        status = ask_daemon(&options, common, NULL, &answer, &error);
    else
        status = explain_file(&options, common, argv[1], &answer, &error);

    if (status == EX_OK)
        status = show(command, common, &options, &answer);
    else
        command_fail(command, &error, status);
    client_answer_done(&answer);
    return status;
}

const struct command explain_command = {
    .name = "explain",
    .summary = "Say why a callback was refused, and what would have matched",
    .usage = "{FILE | - | --refused ID | --list} [OPTIONS]",
    .rows = explain_rows,
    .run = run,
};
