/*
 * The command `backup`: a copy of the store, made by the daemon while it works.
 *
 * The daemon copies on its own; this asks how far it is, and cancels it when interrupted. The file
 * is the daemon's user's, and where that may write, which is not where the caller may.
 */

#include "ctl/client.h"
#include "ctl/commands.h"
#include "ctl/field.h"
#include "ctl/format.h"
#include "ctl/interrupt.h"
#include "ctl/json_text.h"
#include "ctl/terminal.h"
#include "ctl/text.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/escape.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>

/* How often the daemon is asked. */
#define ASK_USEC (200 * USEC_PER_MSEC)

CLEANUP_FUNC(struct client, client_close);

/* The absolute path that is meant by `text`; owned. NULL: `error` says why. */
static char *absolute(const char *text, struct error *error)
{
    CLEANUP(free) char *here = text[0] == '/' ? NULL : getcwd(NULL, 0);
    char *path = NULL;

    if (text[0] != '/' && !here)
        error_errno(error, errno, "cannot find out which folder this is");
    else if (asprintf(&path, "%s%s%s", here ? here : "", here ? "/" : "", text) < 0)
        path = NULL;
    return path;
}

static bool is_under_way(const struct client_answer *answer)
{
    const char *state = field_text(answer->root, "state");

    return state && (strcmp(state, "running") == 0 || strcmp(state, "checking") == 0);
}

static bool is_done(const struct client_answer *answer)
{
    const char *state = field_text(answer->root, "state");

    return state && strcmp(state, "done") == 0;
}

/* ---- the daemon at work ---- */

static void show_progress(const struct client_answer *answer)
{
    int64_t bytes = field_number(answer->root, "bytes");
    int64_t done = field_number(answer->root, "bytes_done");
    const char *state = field_text(answer->root, "state");
    char of[FORMAT_SIZE];

    if (bytes > 0 && state && strcmp(state, "checking") == 0)
        fprintf(stderr, "\rcopied %s, reading it back\033[K", format_bytes((uint64_t)bytes, of));
    else if (bytes > 0)
        fprintf(stderr, "\rcopied %.0f %% of %s\033[K", 100.0 * (double)done / (double)bytes,
            format_bytes((uint64_t)bytes, of));
}

static int cancel(struct client *client, struct client_answer *answer, struct error *error)
{
    struct buf body = BUF_INIT;
    int status;

    buf_append_text(&body, "{}");
    status = client_post(client, "/v1/backup/cancel", &body, answer, error);
    buf_done(&body);
    return status;
}

/* The daemon tells of its last backup only, which may be another by now, or none. */
static int check_is_ours(
    const struct client_answer *answer, const char *started_at, struct error *error)
{
    const char *text = field_text(answer->root, "started_at");

    if (text && started_at && strcmp(text, started_at) == 0)
        return EX_OK;
    error_set(error, ESTALE,
        "the daemon was started again, or makes another backup by now; how this one ended is in "
        "its log");
    return CTL_REFUSED;
}

static int wait_for_end(struct client *client, struct client_answer *answer, struct error *error)
{
    const struct timespec pause = {.tv_nsec = ASK_USEC * 1000};
    const char *begun = field_text(answer->root, "started_at");
    CLEANUP(free) char *started_at = begun ? strdup(begun) : NULL;
    bool shows = terminal_shows_progress(), is_cancelled = false;
    int status = EX_OK;

    while (status == EX_OK && is_under_way(answer)) {
        if (shows)
            show_progress(answer);
        (void)nanosleep(&pause, NULL); /* a signal may end it early */
        if (interrupt_came() && !is_cancelled) {
            is_cancelled = true;
            status = cancel(client, answer, error);
        } else {
            status = client_get(client, "/v1/backup", answer, error);
        }
        if (status == EX_OK)
            status = check_is_ours(answer, started_at, error);
    }
    if (shows)
        fprintf(stderr, "\r\033[K");
    return status;
}

static int make(
    struct client *client, const char *path, struct client_answer *answer, struct error *error)
{
    struct buf body = BUF_INIT;
    int status;

    buf_append_text(&body, "{\"file\":");
    buf_append_json(&body, path, strlen(path));
    buf_append_text(&body, "}");
    interrupt_catch();
    status = client_post(client, "/v1/backup/start", &body, answer, error);
    if (status == EX_OK)
        status = wait_for_end(client, answer, error);
    interrupt_release();
    buf_done(&body);
    return status;
}

/* ---- the end ---- */

static void write_done(const struct client_answer *answer, struct buf *out)
{
    int64_t bytes = field_number(answer->root, "bytes");
    int64_t took = field_time(answer->root, "ended_at") - field_time(answer->root, "started_at");
    char size[FORMAT_SIZE], time[FORMAT_SIZE];

    text_append(out, field_text(answer->root, "file"));
    buf_append_format(out, ": %s, copied and checked in %s\n", format_bytes((uint64_t)bytes, size),
        format_milliseconds((double)took / USEC_PER_MSEC, time));
}

/* A unit with PrivateTmp= has a /tmp of its own, and the copy is lost with it. */
static bool is_out_of_sight(const char *path)
{
    struct stat status;

    return stat(path, &status) < 0 && errno == ENOENT;
}

static void describe(const char *why, struct error *error)
{
    char escaped[ESCAPE_SIZE];

    if (!why)
        why = "the daemon does not say why";
    escape_field(why, strlen(why), escaped, sizeof(escaped));
    error_set(error, EIO, "no backup was made: %s", escaped);
}

static int report(const struct command *command, const struct common_options *common,
    const char *path, const struct client_answer *answer)
{
    struct error error = ERROR_INIT;
    struct buf out = BUF_INIT;
    int status;

    if (common->json) {
        json_text_append_line(&out, (const char *)answer->text.data, answer->text.length);
        buf_append_text(&out, "\n");
    } else if (is_done(answer)) {
        write_done(answer, &out);
    }
    status = command_write(command, &out);
    buf_done(&out);
    if (status != EX_OK)
        return status;
    if (!is_done(answer))
        describe(field_text(answer->root, "error"), &error);
    else if (is_out_of_sight(path))
        error_set(&error, ENOENT,
            "the daemon wrote %s in a place that only it sees, such as a /tmp of its own; name a "
            "folder such as /var/lib/sasha-callbackd",
            path);
    return error.code == 0 ? EX_OK : command_fail(command, &error, CTL_REFUSED);
}

static int run(const struct command *command, struct common_options *common, int argc, char **argv)
{
    CLEANUP(client_close) struct client *client = NULL;
    CLEANUP(free) char *path = NULL;
    struct client_answer answer = CLIENT_ANSWER_INIT;
    struct error error = ERROR_INIT;
    int status, n = 0;

    if (!command_parse_with(command, common, NULL, argc, argv, &n, &status))
        return status;
    if (n != 1) {
        error_set(&error, EINVAL, "name one file");
        return command_fail(command, &error, EX_USAGE);
    }
    path = absolute(argv[1], &error);
    if (!path)
        return command_fail(command, &error, EX_OSERR);
    status = client_open(common, &client, &error);
    if (status == EX_OK)
        status = make(client, path, &answer, &error);
    status = status == EX_OK ? report(command, common, path, &answer)
                             : command_fail(command, &error, status);
    client_answer_done(&answer);
    return status;
}

const struct command backup_command = {
    .name = "backup",
    .summary = "Copy the store to a file while the daemon works",
    .usage = "FILE",
    .rows = no_option_rows,
    .run = run,
};
