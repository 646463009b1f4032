#include "sink/types.h"

/*
 * The exec sink: one run of the operator's program for each delivery.
 *
 * What a hook may rely on is docs/man/sasha-callback-hook.7; how a run goes is run.c; how it gets
 * its descriptors is process.c; how its child is started is spawn.c, and on which thread starter.c;
 * its environment is environment.c.
 *
 * A machine that has no process, memory or descriptor to spare is no failure of the delivery: it
 * comes back as deferred, and no attempt is counted. A program that cannot be run at all is a
 * failure like any other: the operator may repair it while the retries last.
 */

#include "sink/environment.h"
#include "sink/item.h"
#include "sink/run.h"
#include "util/cleanup.h"

#include <errno.h>
#include <string.h>

struct exec_sink {
    struct sink sink;
    char **argv;
    char **user_env;
    struct run_group group;
};

static struct exec_sink *exec_sink(struct sink *sink)
{
    return (struct exec_sink *)(void *)sink;
}

/* A delivery's body was proven to be a Job before it was stored, so one that is none was altered
 * on the disk: it reaches no hook. */
static enum sink_result make_environment(const struct exec_sink *sink, const struct sink_item *item,
    char ***ret_env, const char **ret_why)
{
    const struct delivery *delivery = item->delivery;
    struct job *job = NULL;
    int r;

    switch (job_parse(delivery->body, delivery->body_length, &job, ret_why)) {
    case JOB_OK:
        break;
    case JOB_MALFORMED:
        return SINK_DEAD;
    case JOB_NO_MEMORY:
        *ret_why = "out of memory";
        return SINK_DEFERRED;
    }

    r = environment_new(
        &(struct environment_input){
            .user_env = (const char *const *)sink->user_env,
            .delivery = delivery,
            .job = job,
            .attempt = item->attempt,
            .replay = item->replay,
        },
        ret_env);
    job_free(job);
    if (r < 0) {
        *ret_why = "out of memory";
        return SINK_DEFERRED;
    }
    return SINK_DELIVERED;
}

static void exec_deliver_one(struct exec_sink *sink, struct sink_item *item)
{
    const struct sink_host *host = &sink->group.host;
    int64_t begun_usec = item_begin(item, host);
    char **env = NULL;
    const char *why = "";
    enum sink_result result = make_environment(sink, item, &env, &why);

    if (result == SINK_DELIVERED)
        run_start(&sink->group, item, begun_usec, env);
    else
        item_end(item, host, begun_usec, result, "body: %s", why);
}

static void exec_deliver(struct sink *sink, struct sink_item **items, size_t n)
{
    for (size_t i = 0; i < n; i++)
        exec_deliver_one(exec_sink(sink), items[i]);
}

static void exec_cancel(struct sink *sink)
{
    run_cancel_all(&exec_sink(sink)->group);
}

static int exec_start(struct sink *sink, const struct sink_host *host, struct error *error)
{
    struct run_group *group = &exec_sink(sink)->group;

    group->host = *host;
    return run_group_open(group, error);
}

static void free_texts(char **texts)
{
    for (size_t i = 0; texts && texts[i]; i++)
        free(texts[i]);
    free(texts);
}

static char **copy_texts(const char *const *texts)
{
    size_t n = 0;
    char **copy;

    while (texts && texts[n])
        n++;
    copy = calloc(n + 1, sizeof(*copy));
    for (size_t i = 0; copy && i < n; i++) {
        copy[i] = strdup(texts[i]);
        if (!copy[i]) {
            free_texts(copy);
            return NULL;
        }
    }
    return copy;
}

static void exec_destroy(struct sink *base)
{
    struct exec_sink *sink;

    if (!base)
        return;
    sink = exec_sink(base);
    run_group_close(&sink->group);
    free_texts(sink->argv);
    free_texts(sink->user_env);
    free(sink);
}

static int exec_create(
    const struct sink_options *options, struct sink **ret_sink, struct error *error)
{
    const struct sink_exec_options *exec = &options->exec;
    struct exec_sink *sink;
    int r;

    if (!exec->argv || !exec->argv[0] || exec->argv[0][0] != '/')
        return error_set(error, EINVAL, "command: must begin with the absolute path of a program");
    r = environment_check(exec->user_env, error);
    if (r < 0)
        return r;

    sink = calloc(1, sizeof(*sink));
    if (!sink)
        return error_errno(error, ENOMEM, "sink");
    sink->sink.ops = &exec_sink_ops;
    sink->argv = copy_texts(exec->argv);
    sink->user_env = copy_texts(exec->user_env);
    if (!sink->argv || !sink->user_env) {
        exec_destroy(&sink->sink);
        return error_errno(error, ENOMEM, "sink");
    }
    sink->group.argv = (const char *const *)sink->argv;
    sink->group.timeout_usec = exec->timeout_usec;
    sink->group.grace_usec = exec->grace_usec;
    *ret_sink = &sink->sink;
    return 0;
}

const struct sink_ops exec_sink_ops = {
    .type = "exec",
    .order = SINK_ORDER_JOB,
    .batch = 1,
    .create = exec_create,
    .destroy = exec_destroy,
    .start = exec_start,
    .deliver = exec_deliver,
    .cancel = exec_cancel,
};
