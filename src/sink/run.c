#include "sink/run.h"

/*
 * One run of a hook. See run.h for the contract; what a hook may rely on is
 * docs/man/sasha-callback-hook.7.
 *
 * A run goes through these states; each
 * way out ends in run_finish, which hands the item back.
 *
 *   STARTING ──cannot be started──▶ finished
 *      │ started
 *      ▼
 *   WORKING ──leader exits──▶ LINGERING ──output ends, or 1 s──▶ finished
 *      │ time limit, or cancel: TERM to the group
 *      ▼
 *   ENDING ──leader and output ended, or grace over: KILL to the group──▶ finished
 *      │ grace over, leader still there: KILL to the group
 *      ▼
 *   KILLED ──leader exits──▶ finished
 *
 * - A process that the hook left behind and that holds the output open keeps the slot for one
 *   second at most. After a normal exit such processes are left alone: to put work into the
 *   background is the hook's right. After a time-out the whole group is killed. When the leader of
 *   a group that was told to end is gone but the output is still open, others of the group are
 *   taken to be cleaning up, and have the rest of the grace. The leader stays a zombie until then,
 *   so that the group's id cannot become somebody else's (process.h).
 * - After TERM the exit code counts no more: a shell that traps TERM ends with 0 without having
 *   done its work.
 * - SIGKILL does not reach a process that hangs in the kernel (a dead NFS server). Such a run keeps
 *   its slot, because a second run for the same job beside it would break the order; only a
 *   cancelled one is given up, so that the daemon can stop. One that hangs before it could be
 *   executed is not: its process still has our memory.
 * - Output is read in slices of 64 KiB at a lower priority than everything else in the loop; a hook
 *   that prints gigabytes slows down itself. Only what is in the pipe when the leader has exited is
 *   read at once.
 */

#include "sink/item.h"
#include "sink/output.h"
#include "sink/process.h"
#include "sink/starter.h"
#include "util/cleanup.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sysexits.h>

#define LINGER_USEC (1 * USEC_PER_SEC)
#define TIMER_ACCURACY_USEC (10 * USEC_PER_MSEC)

/* An exit is seen before the time limit that ran out in the same turn, and both before output. */
#define PRIORITY_EXIT (SD_EVENT_PRIORITY_NORMAL - 10)
#define PRIORITY_TIMER (SD_EVENT_PRIORITY_NORMAL - 5)
#define PRIORITY_OUTPUT (SD_EVENT_PRIORITY_NORMAL + 10)

enum run_state {
    RUN_STARTING, /* the starter has it */
    RUN_WORKING,
    RUN_ENDING, /* TERM was sent */
    RUN_KILLED,
    RUN_LINGERING, /* the leader was reaped; the result is known */
};

struct run {
    struct run_group *group;
    struct run *next, *previous;
    struct sink_item *item;
    int64_t begun_usec;

    enum run_state state;
    bool leader_exited; /* and is still a zombie; ENDING only */
    bool cancelled;
    enum sink_result result; /* from ENDING and LINGERING on */
    char text[64];

    struct start start;
    char **env; /* NULL from the end of the start on */
    struct process process;
    struct output output;
    sd_event_source *exit_source;   /* NULL until it was started, and once the leader has exited */
    sd_event_source *output_source; /* NULL once the output has ended */
    sd_event_source *timer;
};

static void run_free(struct run *run)
{
    sd_event_source_disable_unref(run->exit_source);
    sd_event_source_disable_unref(run->output_source);
    sd_event_source_disable_unref(run->timer);
    process_close(&run->process);
    free(run->env);
    free(run);
}

static void run_link(struct run *run)
{
    run->next = run->group->runs;
    if (run->next)
        run->next->previous = run;
    run->group->runs = run;
}

static void run_unlink(struct run *run)
{
    if (run->next)
        run->next->previous = run->previous;
    if (run->previous)
        run->previous->next = run->next;
    else
        run->group->runs = run->next;
}

/* Hands the item back. The runner may give us the next one at once, so nothing of the run is
 * touched after that. A tail that no memory can be had for is left out. */
static void run_finish(struct run *run)
{
    const struct sink_host *host = &run->group->host;
    struct sink_item *item = run->item;
    enum sink_result result = run->result;
    int64_t begun_usec = run->begun_usec;
    char text[sizeof(run->text)];

    memcpy(text, run->text, sizeof(text));
    output_copy(&run->output, &item->output, &item->output_length);
    run_unlink(run);
    run_free(run);
    item_end(item, host, begun_usec, result, "%s", text);
}

__attribute__((format(printf, 3, 4))) static void run_set_result(
    struct run *run, enum sink_result result, const char *format, ...)
{
    va_list arguments;

    run->result = result;
    va_start(arguments, format);
    vsnprintf(run->text, sizeof(run->text), format, arguments);
    va_end(arguments);
}

/* Arms the run's one timer, which fires once. */
static void run_set_timer(struct run *run, int64_t usec)
{
    int r;

    if (usec == USEC_INFINITY) {
        r = sd_event_source_set_enabled(run->timer, SD_EVENT_OFF);
    } else {
        r = sd_event_source_set_time_relative(run->timer, (uint64_t)usec);
        if (r >= 0)
            r = sd_event_source_set_enabled(run->timer, SD_EVENT_ONESHOT);
    }
    ASSERT(r >= 0); /* neither allocates once the source exists */
}

static void run_judge(struct run *run, struct process_exit ended)
{
    if (ended.signaled) {
        const char *name = sigabbrev_np(ended.status);

        run_set_result(run, SINK_RETRY, "signal %d%s%s%s", ended.status, name ? " (" : "",
            name ? name : "", name ? ")" : "");
    } else if (ended.status == EX_OK) {
        run_set_result(run, SINK_DELIVERED, "ok");
    } else if (ended.status == EX_DATAERR) {
        run_set_result(run, SINK_DEAD, "exit %d", ended.status);
    } else {
        run_set_result(run, SINK_RETRY, "exit %d", ended.status);
    }
}

/* TERM to the whole group; CONT so that a stopped one hears it. */
static void run_terminate(struct run *run)
{
    process_signal_group(&run->process, SIGTERM);
    process_signal_group(&run->process, SIGCONT);
    run->state = RUN_ENDING;
    run_set_timer(run, run->group->grace_usec);
}

/* The leader of a group that was told to end is a zombie: what is left of the group goes, too. */
static void run_end_group(struct run *run)
{
    process_signal_group(&run->process, SIGKILL);
    process_reap(&run->process);
    run_finish(run);
}

/* Reads once. False: nothing for now, or nothing ever again, and then output_source is gone. */
static bool read_output(struct run *run)
{
    ssize_t length = read(run->process.output_fd, run->group->slice, RUN_SLICE);

    if (length > 0) {
        output_add(&run->output, run->group->slice, (size_t)length);
        return true;
    }
    if (length == 0 || (errno != EAGAIN && errno != EINTR))
        run->output_source = sd_event_source_disable_unref(run->output_source);
    return false;
}

/* The leader has been reaped: most have left nothing behind that could print, so that this ends it
 * without another turn of the loop. The second read finds the end. */
static void run_look_for_end(struct run *run)
{
    if (run->output_source && read_output(run))
        (void)read_output(run);
    if (!run->output_source)
        run_finish(run);
    else
        run_set_timer(run, LINGER_USEC);
}

static int on_exit_of_leader(sd_event_source *source, int fd, uint32_t events, void *context)
{
    struct run *run = context;
    struct process_exit ended;

    switch (run->state) {
    case RUN_STARTING:
        break;
    case RUN_WORKING:
        if (!process_reap_if_exited(&run->process, &ended))
            return 0;
        run->exit_source = sd_event_source_disable_unref(run->exit_source); /* level-triggered */
        run_judge(run, ended);
        run->state = RUN_LINGERING;
        run_look_for_end(run);
        break;
    case RUN_ENDING:
        if (!process_has_exited(&run->process))
            return 0;
        run->exit_source = sd_event_source_disable_unref(run->exit_source);
        run->leader_exited = true;
        if (!run->output_source)
            run_end_group(run);
        break;
    case RUN_KILLED:
        if (!process_has_exited(&run->process))
            return 0;
        process_reap(&run->process);
        run_finish(run);
        break;
    case RUN_LINGERING:
        break;
    }
    return 0;
}

static int on_output(sd_event_source *source, int fd, uint32_t events, void *context)
{
    struct run *run = context;

    (void)read_output(run);
    if (run->output_source)
        return 0;
    if (run->state == RUN_LINGERING)
        run_finish(run);
    else if (run->leader_exited)
        run_end_group(run);
    return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *context)
{
    struct run *run = context;
    int64_t timeout_usec = run->group->timeout_usec;

    switch (run->state) {
    case RUN_STARTING:
        break;
    case RUN_WORKING:
        if (timeout_usec % USEC_PER_SEC == 0)
            run_set_result(
                run, SINK_RETRY, "timeout after %" PRId64 "s", timeout_usec / USEC_PER_SEC);
        else
            run_set_result(
                run, SINK_RETRY, "timeout after %" PRId64 "ms", timeout_usec / USEC_PER_MSEC);
        run_terminate(run);
        break;
    case RUN_ENDING:
        if (run->leader_exited) {
            run_end_group(run);
            break;
        }
        process_signal_group(&run->process, SIGKILL);
        run->state = RUN_KILLED;
        if (run->cancelled)
            run_set_timer(run, LINGER_USEC);
        break;
    case RUN_KILLED:
        run_set_result(run, run->result, "not ended by KILL");
        run_finish(run);
        break;
    case RUN_LINGERING:
        run_finish(run);
        break;
    }
    return 0;
}

static void run_cancel(struct run *run)
{
    run->cancelled = true;
    switch (run->state) {
    case RUN_STARTING:
        break; /* when it was started, if it still is */
    case RUN_WORKING:
        if (process_has_exited(&run->process))
            return; /* its true result is on the way */
        run_set_result(run, SINK_DEFERRED, "cancelled");
        run_terminate(run);
        break;
    case RUN_ENDING:
        break;
    case RUN_KILLED:
        run_set_timer(run, LINGER_USEC);
        break;
    case RUN_LINGERING:
        run_set_timer(run, 0);
        break;
    }
}

/* ---- the start ---- */

/* It has no result of its own. */
static void run_fail(struct run *run, int code)
{
    run_set_result(run, item_judge_error(code), "start: %s", strerrordesc_np(code));
    run_finish(run);
}

/* Everything that can fail without having started the hook, but for the start itself. */
static int run_prepare(struct run *run)
{
    const struct delivery *delivery = run->item->delivery;
    sd_event *event = run->group->host.event;
    int r;

    r = sd_event_add_time_relative(
        event, &run->timer, CLOCK_MONOTONIC, 0, TIMER_ACCURACY_USEC, on_timer, run);
    if (r < 0)
        return r;
    sd_event_source_set_enabled(run->timer, SD_EVENT_OFF);
    sd_event_source_set_priority(run->timer, PRIORITY_TIMER);

    r = process_prepare(delivery->body, delivery->body_length, &run->process);
    if (r < 0)
        return r;
    r = sd_event_add_io(
        event, &run->output_source, run->process.output_fd, EPOLLIN, on_output, run);
    if (r < 0)
        return r;
    sd_event_source_set_priority(run->output_source, PRIORITY_OUTPUT);
    return 0;
}

static int run_watch(struct run *run)
{
    int r = sd_event_add_io(run->group->host.event, &run->exit_source, run->process.pidfd, EPOLLIN,
        on_exit_of_leader, run);

    if (r < 0)
        return r;
    sd_event_source_set_priority(run->exit_source, PRIORITY_EXIT);
    run_set_timer(run, run->group->timeout_usec);
    return 0;
}

static void on_start(struct start *start)
{
    struct run *run = MAILBOX_CONTAINER(start, struct run, start);
    int r;

    free(TAKE(run->env));
    if (start->result == -ECANCELED) {
        run_set_result(run, SINK_DEFERRED, "cancelled");
        run_finish(run);
        return;
    }
    if (start->result < 0) {
        run_fail(run, -start->result);
        return;
    }
    process_started(&run->process, start->pid, start->pidfd);
    run->state = RUN_WORKING;
    r = run_watch(run);
    if (r < 0) {
        /* It cannot be watched, so it must not go on. A hook copes with being run again. */
        process_signal_group(&run->process, SIGKILL);
        process_reap(&run->process);
        run_fail(run, -r);
        return;
    }
    if (run->cancelled)
        run_cancel(run);
}

void run_start(struct run_group *group, struct sink_item *item, int64_t begun_usec, char **env)
{
    struct run *run = malloc(sizeof(*run));
    int r;

    if (!run) {
        free(env);
        item_end(item, &group->host, begun_usec, SINK_DEFERRED, "start: out of memory");
        return;
    }
    *run = (struct run){
        .group = group,
        .item = item,
        .begun_usec = begun_usec,
        .env = env,
        .process = PROCESS_INIT,
        .output = OUTPUT_INIT,
    };
    run_link(run);
    r = run_prepare(run);
    if (r < 0) {
        run_fail(run, -r);
        return;
    }
    run->start.program = (struct spawn_program){
        .argv = group->argv,
        .env = env,
        .input_fd = run->process.child_input,
        .output_fd = run->process.child_output,
    };
    starter_post(group->starter, &run->start);
}

void run_cancel_all(struct run_group *group)
{
    starter_withdraw(group->starter);
    for (struct run *run = group->runs; run; run = run->next)
        run_cancel(run);
}

int run_group_open(struct run_group *group, struct error *error)
{
    return starter_new(group->host.event, on_start, &group->starter, error);
}

void run_group_close(struct run_group *group)
{
    ASSERT(!group->runs);
    starter_free(TAKE(group->starter));
}
