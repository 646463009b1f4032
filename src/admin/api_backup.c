/*
 * Backups: begin one, look at it, cancel it. Beginning and cancelling are logged with who asked.
 */

#include "admin/api.h"

#include "admin/backup.h"
#include "admin/body.h"
#include "admin/internal.h"

#include <errno.h>

static const char *const no_params[] = {NULL};

void put_backup(struct buf *out, struct backup *backup)
{
    struct backup_report report;

    backup_get(backup, &report);
    put_open(out, '{');
    put_member_text(out, "state", backup_state_name(report.state));
    put_member_text_or_null(out, "file", report.file);
    put_member_number(out, "bytes", report.bytes);
    put_member_number(out, "bytes_done", report.bytes_done);
    put_member_time(out, "started_at", report.started_at_usec);
    put_member_time(out, "ended_at", report.ended_at_usec);
    put_member_text_or_null(out, "error", report.why);
    put_close(out, '}');
}

static void write_report(struct call *call)
{
    put_backup(&call->out, call->admin->backup);
}

void api_backup(struct call *call)
{
    if (call_check_params(call, no_params))
        write_report(call);
}

/* What is wrong with the path is the caller's to put right; what is wrong with the machine is not.
 */
static bool is_mistake(int code)
{
    return code == EINVAL || code == EEXIST || code == ENOENT || code == ENOTDIR ||
           code == ENAMETOOLONG || code == EACCES || code == EPERM || code == EROFS ||
           code == ELOOP;
}

void api_backup_start(struct call *call)
{
    static const char *const members[] = {"file", NULL};
    CLEANUP(body_done) struct body body = BODY_INIT;
    CLEANUP(view_unref) struct view *view = admin_view(call->admin);
    struct error error = ERROR_INIT;
    const char *file;
    int r;

    if (!action_is_open(call) || !body_parse(call, members, &body) ||
        !body_get_text(call, &body, "file", &file))
        return;
    r = backup_start(call->admin->backup, file, view->what.store_path, &error);
    action_log(call, "backup", NULL, 0, r, r < 0 ? error.text : "begun");
    if (r < 0)
        call_fail(call, is_mistake(error.code) ? 400 : 503, "%s", error.text);
    else
        write_report(call);
}

void api_backup_cancel(struct call *call)
{
    static const char *const members[] = {NULL};
    CLEANUP(body_done) struct body body = BODY_INIT;

    if (!call_check_params(call, no_params) || !body_parse(call, members, &body))
        return;
    backup_cancel(call->admin->backup);
    action_log(call, "backup-cancel", NULL, 0, 0, "done");
    write_report(call);
}
