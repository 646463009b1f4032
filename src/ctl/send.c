/*
 * The command `send`, put together from its parts (see send.h), and what it reports.
 *
 * What a person sees on a terminal is escaped: the answer is foreign. --json gives it exactly, but
 * for bytes that are not UTF-8.
 */

#include "ctl/send.h"

#include "ctl/input.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/escape.h"
#include "util/fd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

/* Far above any max_body. */
#define JOB_FILE_MAX (64 * 1024 * 1024)

/* Type and status of a self-test's Job: none that a sink's filter lets pass by chance. */
#define SELF_TEST "self-test"

/* Prints to stdout what was put together. Returns an exit status. */
static int write_out(const struct command *command, const struct buf *text)
{
    struct error error = ERROR_INIT;
    int result;

    if (text->failed) {
        error_errno(&error, ENOMEM, "cannot print the answer");
        return command_fail(command, &error, EX_OSERR);
    }
    result = fd_write_all(STDOUT_FILENO, text->data, text->length);
    if (result < 0) {
        error_errno(&error, -result, "cannot write to stdout");
        return command_fail(command, &error, EX_IOERR);
    }
    return EX_OK;
}

/* ---- what is reported ---- */

static void append_milliseconds(struct buf *out, int64_t usec)
{
    buf_append_format(out, "%" PRIi64 ".%03" PRIi64, usec / USEC_PER_MSEC, usec % USEC_PER_MSEC);
}

static void report_json(const struct send_request *request, const struct send_answer *answer,
    const struct error *failure, struct buf *out)
{
    buf_append_text(out, "{\"request_id\":");
    buf_append_json(out, request->request_id, strlen(request->request_id));
    buf_append_text(out, ",\"url\":");
    buf_append_json(out, request->url, strlen(request->url));
    if (failure) {
        buf_append_text(out, ",\"status\":null,\"error\":");
        buf_append_json(out, failure->text, strlen(failure->text));
    } else {
        buf_append_format(out, ",\"status\":%ld,\"body\":", answer->status);
        buf_append_json(out, (const char *)answer->body.data, answer->body.length);
        buf_append_format(out, ",\"body_cut\":%s", answer->cut ? "true" : "false");
    }
    buf_append_text(out, ",\"time_ms\":");
    append_milliseconds(out, answer->time_usec);
    buf_append_text(out, "}\n");
}

/* Lines and tabs stay, so that a body reads as it was meant. */
static void append_escaped(struct buf *out, const char *text, size_t length)
{
    for (size_t at = 0; at < length;) {
        char step[ESCAPE_STEP_MAX];

        if (text[at] == '\n' || text[at] == '\t')
            buf_append(out, text + at++, 1);
        else
            buf_append(out, step, escape_step(ESCAPE_SENTENCE, text, length, &at, step));
    }
}

static void report_text(
    const struct send_request *request, const struct send_answer *answer, struct buf *out)
{
    append_escaped(out, answer->status_line, strlen(answer->status_line));
    buf_append_format(out, " (request %s, ", request->request_id);
    append_milliseconds(out, answer->time_usec);
    buf_append_text(out, " ms)\n");
    append_escaped(out, (const char *)answer->body.data, answer->body.length);
    if (answer->cut)
        buf_append_text(out, "…");
    if (answer->body.length > 0 && answer->body.data[answer->body.length - 1] != '\n')
        buf_append_text(out, "\n");
}

static int post_and_report(const struct command *command, const struct common_options *common,
    const struct send_request *request)
{
    struct send_answer answer = SEND_ANSWER_INIT;
    struct error error = ERROR_INIT;
    struct buf out = BUF_INIT;
    int status = EX_OK, written;
    int result = send_post(request, &answer, &error);

    if (result < 0)
        status = command_fail(command, &error, EX_UNAVAILABLE);
    else if (answer.status < 200 || answer.status > 299)
        status = CTL_REFUSED;

    if (common->json)
        report_json(request, &answer, result < 0 ? &error : NULL, &out);
    else if (result == 0)
        report_text(request, &answer, &out);
    written = write_out(command, &out);

    buf_done(&out);
    buf_done(&answer.body);
    return status == EX_OK ? written : status;
}

static int print_curl(const struct command *command, const struct send_request *request)
{
    struct error error = ERROR_INIT;
    struct buf out = BUF_INIT;
    int status;

    if (send_curl_append(request, &out, &error) < 0)
        status = command_fail(command, &error, EX_USAGE);
    else
        status = write_out(command, &out);
    secret_wipe(out.data, out.length);
    buf_done(&out);
    return status;
}

/* Through the public url: what came of it, in words. */
static int self_test(const struct command *command, const struct common_options *common,
    const struct send_request *request)
{
    struct send_answer answer = SEND_ANSWER_INIT;
    struct error error = ERROR_INIT;
    struct buf finding = BUF_INIT, out = BUF_INIT;
    bool answered = send_post(request, &answer, &error) == 0;
    bool ok = send_self_test_judge(request, &answer, answered ? NULL : &error, &finding);
    int status;

    if (common->json) {
        buf_append_format(&out, "{\"ok\":%s,\"url\":", ok ? "true" : "false");
        buf_append_json(&out, request->url, strlen(request->url));
        buf_append_text(&out, ",\"request_id\":");
        buf_append_json(&out, request->request_id, strlen(request->request_id));
        if (answered)
            buf_append_format(&out, ",\"status\":%ld,\"finding\":", answer.status);
        else
            buf_append_text(&out, ",\"status\":null,\"finding\":");
        buf_append_json(&out, (const char *)finding.data, finding.length);
        buf_append_text(&out, "}\n");
    } else {
        buf_append_text(&out, ok ? "ok: " : "FAILED: ");
        append_escaped(&out, (const char *)finding.data, finding.length);
        buf_append_text(&out, "\n");
    }
    out.failed |= finding.failed;
    status = write_out(command, &out);
    buf_done(&finding);
    buf_done(&out);
    buf_done(&answer.body);
    if (status == EX_OK && !ok)
        status = answered ? CTL_REFUSED : EX_UNAVAILABLE;
    return status;
}

static int burst_and_report(const struct command *command, const struct common_options *common,
    const struct send_options *options, const struct send_target *target, const struct buf *body)
{
    struct error error = ERROR_INIT;
    struct buf out = BUF_INIT;
    int status = send_burst(options, target, body, common->json, &out, &error);
    int written = EX_OK;

    if (error.code != 0)
        command_fail(command, &error, status);
    else
        written = write_out(command, &out);
    buf_done(&out);
    return status == EX_OK ? written : status;
}

/* ---- what is sent ---- */

static int load_config(const char *file, struct config **ret_config)
{
    struct config_faults faults = CONFIG_FAULTS_INIT;
    int result = config_load(file, CONFIG_FOR_CLIENT, ret_config, &faults);

    if (result < 0)
        (void)fd_write_all(STDERR_FILENO, faults.text.data, faults.text.length);
    config_faults_done(&faults);
    return result < 0 ? EX_CONFIG : EX_OK;
}

static int make_body(const struct send_options *options, struct buf *body, struct error *error)
{
    const char *type = options->self_test ? SELF_TEST : "embed-signature";

    if (options->job)
        return input_read(options->job, JOB_FILE_MAX, body, error) < 0 ? EX_NOINPUT : EX_OK;
    if (options->burst)
        return EX_OK; /* each gets its own */
    return send_job_make(options->status ? options->status : SELF_TEST,
               options->type ? options->type : type, options->job_id,
               clock_realtime(clock_system()), body, error) < 0
               ? EX_SOFTWARE
               : EX_OK;
}

static int run(const struct command *command, struct common_options *common, int argc, char **argv)
{
    struct send_options options = {.job = NULL};
    struct config *config = NULL;
    struct send_target target = SEND_TARGET_INIT;
    struct send_request request = {.url = NULL};
    struct buf body = BUF_INIT;
    struct error error = ERROR_INIT;
    int status;

    if (!command_parse(command, common, &options, argc, argv, &status))
        return status;
    if (send_options_check(&options, common, &error) < 0)
        return command_fail(command, &error, EX_USAGE);
    if (!options.secret_file) {
        status = load_config(common->config ? common->config : CONFIG_DEFAULT_FILE, &config);
        if (status != EX_OK)
            return status;
    }

    status = send_target_resolve(&options, config, &target, &error);
    if (status == EX_OK)
        status = make_body(&options, &body, &error);
    if (status == EX_OK && !options.burst)
        status = send_request_make(&options, &target, &body, &request, &error);

    if (status != EX_OK)
        command_fail(command, &error, status);
    else if (options.print)
        status = print_curl(command, &request);
    else if (options.burst)
        status = burst_and_report(command, common, &options, &target, &body);
    else if (options.self_test)
        status = self_test(command, common, &request);
    else
        status = post_and_report(command, common, &request);

    send_request_done(&request);
    send_target_done(&target);
    buf_done(&body);
    config_free(config);
    return status;
}

const struct command send_command = {
    .name = "send",
    .summary = "Send a correctly signed callback, as SASHA would",
    .usage = "{--job FILE | --status STATUS | --self-test} [OPTIONS]",
    .rows = send_option_rows,
    .run = run,
};
