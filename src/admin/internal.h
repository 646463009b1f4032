#pragma once

/*
 * The admin stage's own state, shared by the files of this folder.
 *
 * `options` and the listeners are set before the first thread starts and stay. The rest says which
 * lock it needs. view_lock and failed_lock are leaves. While history_lock is held the counters of
 * the stages below are read, under locks of theirs that are leaves; only listeners' threads take
 * it.
 */

#include "admin/admin.h"
#include "admin/history.h"
#include "admin/view.h"
#include "util/log_limit.h"

#include <pthread.h>
#include <stdatomic.h>

/* How often the counters are looked at for the history of the last day. */
#define ADMIN_SAMPLE_USEC (5 * USEC_PER_SEC)

struct backup;
struct listener;

struct admin {
    struct admin_options options; /* of its pointers, listen_fds and view are not kept */
    int64_t started_at_usec;      /* real time */
    _Atomic bool draining;
    _Atomic bool reload_has_failed;  /* the last one */
    _Atomic int64_t conf_since_usec; /* real time: the conf in force was taken in then */

    pthread_mutex_t view_lock;
    struct view *view; /* under view_lock; one reference */

    pthread_mutex_t history_lock;
    struct history *history;          /* under history_lock */
    _Atomic int64_t next_sample_usec; /* monotonic */

    pthread_mutex_t failed_lock;
    struct log_limit failed_actions; /* under failed_lock */

    struct backup *backup; /* owned; for any listener's thread */
    struct listener **listeners;
    size_t n_listeners;
    int *listen_fds; /* owned once the start has succeeded; before, there are none in it */
    size_t n_listen_fds;
};

/* The view in force; one reference is the caller's. From any thread. */
struct view *admin_view(struct admin *admin);

/* Brings the history up to date. Any listener's thread, with its reader. */
void admin_sample(struct admin *admin, struct store_reader *reader);

/* The same, when ADMIN_SAMPLE_USEC have gone by since anybody did. */
void admin_sample_if_due(struct admin *admin, struct store_reader *reader);
