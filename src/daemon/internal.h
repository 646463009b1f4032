#pragma once

/*
 * The daemon's own state, shared by the files of this folder. Main thread only, but for `events`,
 * through which the writer's thread reports.
 */

#include "admin/admin.h"
#include "config/config.h"
#include "dispatch/dispatch.h"
#include "intake/intake.h"
#include "util/mailbox.h"

#include <systemd/sd-event.h>

struct daemon {
    struct config *config;  /* owned; the one in force */
    struct config *started; /* owned; the one of the start, whose server, admin and store sections
                               and log format are in force; may be `config` itself */
    sd_event *event;
    struct store *store;
    struct store_writer *writer;
    struct dispatch *dispatch;
    struct intake *intake;
    struct admin *admin; /* NULL: admin.listen is empty */

    struct mailbox failures;     /* at most `failure`, once */
    struct mailbox_item failure; /* posted by the writer when the store latched */
    struct error failure_error;  /* written by the writer before it posts */
    bool failures_open;          /* the mailbox was initialised */
    int exit_status;
};

/* Logs each fault of a conf as a line of its own (daemon.c). */
void daemon_log_faults(const struct config_faults *faults);

/* Raises the limit of open files as far as the conf needs it (daemon.c). */
int daemon_ensure_descriptors(const struct config *config, struct error *error);

/* SIGHUP (reload.c). All or nothing: on any fault the conf in force stays and the log says so.
 * Files are reopened in both cases. */
void daemon_reload(struct daemon *daemon);

/* What the service manager is told (notify.c). Without one, nothing happens. */
void notify_ready(void);
void notify_reloading(void);
void notify_stopping(const char *why);
void notify_status(const struct daemon *daemon);
