#pragma once

/*
 * A worker: one thread that accepts, drives its own libmicrohttpd daemon, and answers.
 *
 * One epoll set holds the listening sockets, libmicrohttpd's own epoll descriptor, the mailboxes
 * and the sockets that linger. Each turn: accept, take what other workers, main and the writer
 * sent, enforce deadlines, let libmicrohttpd run without waiting, post what was proven to the
 * writer. (libmicrohttpd's own waiting loop can stall with 128 and more ready connections; with a
 * zero timeout it cannot.)
 *
 * Everything in the struct belongs to the worker's thread, but the mailboxes, `next_rules` and
 * `load`, and before the thread starts and after it ended. libmicrohttpd calls back on the same
 * thread only.
 */

#include "intake/acceptor.h"
#include "intake/answer.h"
#include "intake/counts.h"
#include "intake/deadline.h"
#include "intake/head.h"
#include "intake/linger.h"
#include "intake/report.h"
#include "intake/shared.h"
#include "intake/source.h"
#include "util/mailbox.h"
#include "verify/verify.h"

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

/* A verifier, what is counted by it, and the requests that still use both. References belong to one
 * worker's thread. */
struct rules {
    struct verifier *verifier;
    struct counts *counts; /* a reference; all workers' rules of one conf share it */
    unsigned int refs;
};

/* Without counts yet. */
int rules_new(const struct verify_options *options, struct rules **ret_rules, struct error *error);
struct rules *rules_ref(struct rules *rules);
void rules_unref(struct rules *rules); /* NULL is legal */

struct connection;

struct worker {
    struct shared *shared; /* borrowed */
    pthread_t thread;
    bool started;

    struct mailbox mailbox;             /* commits that came back; wake-ups from main */
    _Atomic(struct rules *) next_rules; /* put there by main, taken by the worker; owned */

    struct mailbox arrivals;   /* connections that other workers accepted; see spread.h */
    _Atomic unsigned int load; /* see spread.h */

    struct MHD_Daemon *mhd;
    struct answers *answers;
    struct rules *rules; /* one reference */
    int epoll_fd;
    struct source mhd_source, mailbox_source, arrivals_source;
    struct acceptor acceptor;
    struct lingers lingers;
    struct deadline_set deadlines;

    int64_t now_usec;               /* monotonic, of this turn */
    struct connection *connections; /* all; doubly linked */
    struct connection *adding;      /* given to MHD_add_connection, not yet announced by it */
    struct mailbox_list outbox;     /* commits of this turn, to be posted at its end or before */
    unsigned int n_outbox;
    bool is_expected;     /* the writer was told that more of this turn will come */
    unsigned int commits; /* posted by this worker and not yet back */
    bool layout_known;    /* see head.h */
    bool draining;
    bool cutting; /* the limit of intake_stop is over: nothing new is suspended */
};

/* Makes everything but the thread. Takes the rules, also when it fails. */
int worker_init(
    struct worker *worker, struct shared *shared, struct rules *rules, struct error *error);

/* `number` names the thread. */
int worker_start(struct worker *worker, unsigned int number, struct error *error);

/* Ends the thread: the caller has set stop_at_usec. */
void worker_join(struct worker *worker);

/* Of one whose thread has ended or never began; also half-made. */
void worker_done(struct worker *worker);

/* Hands over new rules; the worker uses them for the next requests. Takes the reference. */
void worker_give_rules(struct worker *worker, struct rules *rules);
