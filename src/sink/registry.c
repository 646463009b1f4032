#include "sink/types.h"

/*
 * The types of sinks there are. A new one is its own file and a line in the table below.
 *
 * A type may have several ops tables behind its one name (file: lines, or one file a job): its
 * create decides by the options and sets sink->ops.
 */

#include "util/cleanup.h"

#include <errno.h>
#include <string.h>

static const struct sink_ops *const sink_types[] = {
    &exec_sink_ops,
    &file_sink_ops,
    &syslog_sink_ops,
};

static const struct sink_ops *sink_type_find(const char *type)
{
    for (size_t i = 0; i < ARRAY_SIZE(sink_types); i++)
        if (strcmp(sink_types[i]->type, type) == 0)
            return sink_types[i];
    return NULL;
}

bool sink_type_is_known(const char *type)
{
    return sink_type_find(type) != NULL;
}

int sink_new(const struct sink_options *options, struct sink **ret_sink, struct error *error)
{
    const struct sink_ops *ops = sink_type_find(options->type);

    if (!ops)
        return error_set(error, EINVAL, "there is no sink of type \"%s\"", options->type);
    return ops->create(options, ret_sink, error);
}

void sink_free(struct sink *sink)
{
    if (sink)
        sink->ops->destroy(sink);
}
