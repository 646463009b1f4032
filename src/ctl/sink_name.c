/*
 * Which sink is meant. See sink_name.h.
 */

#include "ctl/sink_name.h"

#include "ctl/field.h"
#include "ctl/text.h"

#include <errno.h>
#include <string.h>
#include <sysexits.h>

/* The only one; else the only one with dead letters, if that is what it is about. */
static const char *choose(const json_t *sinks, bool only_dead, size_t *ret_n)
{
    const json_t *sink;
    const char *name = NULL;
    size_t i, n = 0;

    json_array_foreach(sinks, i, sink)
    {
        if (only_dead && field_number(sink, "dead") <= 0)
            continue;
        name = field_text(sink, "name");
        n++;
    }
    *ret_n = n;
    return n == 1 ? name : NULL;
}

static int fail_choice(const json_t *sinks, bool only_dead, struct error *error)
{
    struct buf names = BUF_INIT;
    const json_t *sink;
    size_t i;

    json_array_foreach(sinks, i, sink)
    {
        if (only_dead && field_number(sink, "dead") <= 0)
            continue;
        buf_append_text(&names, names.length > 0 ? ", " : "");
        text_append(&names, field_text(sink, "name"));
    }
    error_set(error, EINVAL, "%s; choose with --sink: %.*s",
        only_dead ? "several sinks have dead letters" : "there are several sinks",
        (int)names.length, names.data ? (const char *)names.data : "");
    buf_done(&names);
    return EX_USAGE;
}

static int find(struct client *client, bool dead, struct client_answer *answer,
    const char **ret_name, struct error *error)
{
    const json_t *sinks;
    size_t n = 0;
    int status = client_get(client, "/v1/status", answer, error);

    if (status != EX_OK)
        return status;
    sinks = field_array(answer->root, "sinks");
    *ret_name = choose(sinks, false, &n);
    if (n == 0) {
        error_set(error, ENOENT, "the daemon has no sinks");
        return EX_USAGE;
    }
    if (n > 1 && dead) {
        *ret_name = choose(sinks, true, &n);
        if (n == 0) {
            error_set(error, ENOENT, "no sink has dead letters");
            return CTL_REFUSED;
        }
    }
    return n == 1 && *ret_name ? EX_OK : fail_choice(sinks, dead, error);
}

int sink_name_find(struct client *client, const char *given, const char *state, char **ret_name,
    struct error *error)
{
    struct client_answer answer = CLIENT_ANSWER_INIT;
    const char *name = given;
    char *copy = NULL;
    int status = EX_OK;

    if (!name)
        status = find(client, state && strcmp(state, "dead") == 0, &answer, &name, error);
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
