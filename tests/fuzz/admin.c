/*
 * Requests of the admin API (src/admin: route.c, call.c, body.c and the handlers of queries and
 * JSON bodies), with the fakes of the unit tests for the stages behind it.
 *
 * What must hold: every answer is one of the statuses of docs/api.md; it is JSON, or Prometheus
 * text without a control byte but newlines; a refusal says why; nothing is changed by a method that
 * only reads, nor over TCP.
 *
 * Handlers run to their end within the call, on this thread. Each input finds the fakes and the
 * admin's own memory as the first one did: nothing depends on what was asked before.
 *
 * Input: a byte that chooses TCP or the unix socket; "METHOD PATH?QUERY", a newline, the body.
 */

#include "fuzz.h"

#include "admin/backup.h"
#include "admin/internal.h"
#include "admin/route.h"

#include <string.h>

/* The fakes assert with Check, which needs its runner; here they abort. */
#include <check.h>
#undef ck_assert_uint_eq
#undef ck_assert_int_eq
#undef ck_assert_str_eq
#define ck_assert_uint_eq(a, b) FUZZ_CHECK((a) == (b))
#define ck_assert_int_eq(a, b) FUZZ_CHECK((a) == (b))
#define ck_assert_str_eq(a, b) FUZZ_CHECK(strcmp(a, b) == 0)

#include "../unit/admin_fakes.h"

#include "util/log.h"

#include <ctype.h>
#include <jansson.h>

static struct admin admin;

/* ---- backups: no file of this machine is made; these keep admin/backup.c out ---- */

static struct backup_report report;

int backup_start(
    struct backup *backup, const char *path, const char *store_path, struct error *error)
{
    if (path[0] != '/' || strlen(path) >= sizeof(report.file))
        return error_set(error, path[0] == '/' ? ENAMETOOLONG : EBUSY, "%s: no", path);
    report = (struct backup_report){.state = BACKUP_RUNNING, .started_at_usec = FAKE_NOW};
    strcpy(report.file, path);
    return 0;
}

void backup_cancel(struct backup *backup)
{
    report.state = BACKUP_CANCELLED;
}

void backup_get(struct backup *backup, struct backup_report *ret_report)
{
    *ret_report = report;
}

const char *backup_state_name(enum backup_state state)
{
    return state == BACKUP_NONE ? "none" : "other";
}

struct backup *backup_new(
    struct store *store, struct store_writer *writer, const struct clock *clock)
{
    return NULL;
}

void backup_free(struct backup *backup)
{
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    log_init(LOG_LEVEL_ERR, LOG_FORMAT_TEXT);
    pthread_mutex_init(&admin.view_lock, NULL);
    pthread_mutex_init(&admin.history_lock, NULL);
    pthread_mutex_init(&admin.failed_lock, NULL);
    admin.options =
        (struct admin_options){.retention = {.keep_deliveries_usec = 5}, .clock = &fake_clock};
    admin.view = view_new(&fake_view, NULL);
    FUZZ_CHECK(admin.view);
    return 0;
}

/* All that a handler changes, as it is before the first request. The rest of the admin stays. */
static void begin_anew(void)
{
    fake_reset();
    fake.has_refused = true;
    report = (struct backup_report){.state = BACKUP_NONE};
    history_free(admin.history);
    admin.history = history_new();
    FUZZ_CHECK(admin.history);
    admin.next_sample_usec = 0;
    admin.failed_actions = (struct log_limit){0};
}

/* ---- the query, as libmicrohttpd decodes it ---- */

static char *unescape(struct fuzz_input part)
{
    char *text = fuzz_copy(part.data, part.size, 1);
    size_t to = 0;

    for (size_t at = 0; at < part.size; at++) {
        char digits[3] = {0};

        if (text[at] == '+') {
            text[to++] = ' ';
        } else if (text[at] == '%' && at + 2 < part.size && isxdigit((unsigned char)text[at + 1]) &&
                   isxdigit((unsigned char)text[at + 2])) {
            memcpy(digits, text + at + 1, 2);
            text[to++] = (char)strtol(digits, NULL, 16);
            at += 2;
        } else {
            text[to++] = text[at];
        }
    }
    text[to] = '\0';
    return text;
}

static void take_params(struct fuzz_input query, struct call *call)
{
    while (query.size > 0 && call->n_params < CALL_PARAMS_MAX) {
        struct fuzz_input pair = fuzz_take_until(&query, '&');
        struct fuzz_input name = fuzz_take_until(&pair, '=');

        call->params[call->n_params++] = (struct call_param){unescape(name), unescape(pair)};
    }
}

/* ---- the target ---- */

static void check_answer(const struct call *call)
{
    static const unsigned int statuses[] = {200, 400, 404, 413, 503};
    const char *text = (const char *)call->out.data;
    int known = 0;
    json_t *answer;

    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
        known |= call->status == statuses[i];
    FUZZ_CHECK(known && !call->out.failed && call->out.length > 0);
    if (call->is_metrics) {
        for (size_t i = 0; i < call->out.length; i++)
            FUZZ_CHECK(text[i] == '\n' || (text[i] >= ' ' && text[i] < 0x7f));
        FUZZ_CHECK(text[call->out.length - 1] == '\n');
        return;
    }
    answer = json_loadb(text, call->out.length, JSON_REJECT_DUPLICATES, NULL);
    FUZZ_CHECK(json_is_object(answer));
    if (call->status != 200)
        FUZZ_CHECK(json_object_size(answer) == 1 &&
                   json_string_length(json_object_get(answer, "message")) > 0);
    json_decref(answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size}, line, method_part, path_part;
    int is_unix = fuzz_take_byte(&input) & 1;
    const struct route *route;
    const char *tail;
    char *method, *path, *body;
    struct call call = {.admin = &admin, .status = 200, .out = BUF_INIT};
    unsigned int status;

    if (size > 16384)
        return 0;
    line = fuzz_take_until(&input, '\n');
    method_part = fuzz_take_until(&line, ' ');
    path_part = fuzz_take_until(&line, '?');
    method = fuzz_copy(method_part.data, method_part.size, 1);
    path = unescape(path_part);
    body = fuzz_copy(input.data, input.size, 1);
    take_params(line, &call);
    call.body = body;
    call.body_length = input.size;
    begin_anew();

    status = route_find(method, path, is_unix, &route, &tail);
    FUZZ_CHECK(status == 200 || status == 404 || status == 405);
    if (status == 200) {
        call.tail = tail;
        call.peer.is_unix = is_unix;
        call.peer.is_allowed = is_unix;
        route->handle(&call);
        check_answer(&call);
    }
    if (status != 200 || !is_unix || strcmp(method, "POST") != 0)
        FUZZ_CHECK(fake.paused == -1 && fake.n_request_seqs == 0 && fake.pruned == 0);

    for (size_t i = 0; i < call.n_params; i++) {
        free((void *)(uintptr_t)call.params[i].name);
        free((void *)(uintptr_t)call.params[i].value);
    }
    buf_done(&call.out);
    free(method);
    free(path);
    free(body);
    return 0;
}
