/*
 * Which sink is meant. See sink_name.h.
 */

#include "ctl/sink_name.h"

#include "ctl/field.h"
#include "ctl/text.h"

#include <errno.h>
#include <string.h>
#include <sysexits.h>

static int fail_choice(const json_t *sinks, struct error *error)
{
    struct buf names = BUF_INIT;
    const json_t *sink;
    size_t i;

    if (json_array_size(sinks) == 0) {
        error_set(error, ENOENT, "the daemon has no sinks");
        return EX_USAGE;
    }
    json_array_foreach(sinks, i, sink)
    {
        buf_append_text(&names, i > 0 ? ", " : "");
        text_append(&names, field_text(sink, "name"));
    }
    error_set(error, EINVAL, "there are several sinks; choose with --sink: %.*s", (int)names.length,
        (const char *)names.data);
    buf_done(&names);
    return EX_USAGE;
}

int sink_name_find(struct client *client, const char *given, char **ret_name, struct error *error)
{
    struct client_answer answer = CLIENT_ANSWER_INIT;
    const char *name = given;
    char *copy = NULL;
    int status = EX_OK;

    if (!name) {
        const json_t *sinks;

        status = client_get(client, "/v1/status", &answer, error);
        sinks = field_array(answer.root, "sinks");
        if (status == EX_OK && json_array_size(sinks) == 1)
            name = field_text(json_array_get(sinks, 0), "name");
        if (status == EX_OK && !name)
            status = fail_choice(sinks, error);
    }
    if (status == EX_OK) {
        copy = strdup(name);
        if (!copy) {
            error_errno(error, ENOMEM, "cannot name the sink");
            status = EX_SOFTWARE;
        }
    }
    client_answer_done(&answer);
    if (status == EX_OK)
        *ret_name = copy;
    return status;
}
