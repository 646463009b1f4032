#pragma once

/*
 * The handlers of the routes; what each answers is in docs/api.md. Each runs on a listener's thread
 * and touches nothing but its call and what admin/internal.h says may be touched from there.
 */

#include "admin/call.h"

void health_live(struct call *call);
void health_ready(struct call *call);
void api_metrics(struct call *call);
void api_status(struct call *call);
void api_deliveries(struct call *call);
void api_delivery(struct call *call);
void api_refused_list(struct call *call);
void api_refused(struct call *call);
void api_explain(struct call *call);
void api_stats(struct call *call);
void api_retry(struct call *call);
void api_replay(struct call *call);
void api_drop(struct call *call);
void api_pause(struct call *call);
void api_resume(struct call *call);
void api_prune(struct call *call);
void api_backup(struct call *call);
void api_backup_start(struct call *call);
void api_backup_cancel(struct call *call);

/* ---- what /v1/status shows as well (api_backup.c) ---- */

struct backup;

/* Appends the report of the last backup, an object. */
void put_backup(struct buf *out, struct backup *backup);

/* ---- what actions share (api_actions.c) ---- */

/* Whether actions are taken in at all, without parameters; answers when not. */
bool action_is_open(struct call *call);

/* Logs who asked for it. `sink` may be NULL, and `n` 0; `result` is negative when it failed;
 * `outcome` is what became of it, for people. */
void action_log(const struct call *call, const char *action, const char *sink, size_t n, int result,
    const char *outcome);
