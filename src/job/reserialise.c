/*
 * JSON in another style, by jansson. See reserialise.h for the contract.
 */

#include "job/reserialise.h"

#include "job/depth.h"
#include "job/job.h"
#include "util/cleanup.h"

#include <errno.h>
#include <jansson.h>

static const struct {
    const char *name;
    size_t flags;
} styles[JSON_STYLE_COUNT] = {
    [JSON_STYLE_COMPACT] = {"compact", JSON_COMPACT},
    [JSON_STYLE_COMPACT_SORTED] = {"compact, with sorted keys", JSON_COMPACT | JSON_SORT_KEYS},
    [JSON_STYLE_COMPACT_ASCII] = {"compact, in ASCII only", JSON_COMPACT | JSON_ENSURE_ASCII},
    [JSON_STYLE_COMPACT_SLASHES] = {"compact, in ASCII only and with \"/\" as \"\\/\"",
        JSON_COMPACT | JSON_ENSURE_ASCII | JSON_ESCAPE_SLASH},
    [JSON_STYLE_SPACED] = {"with a blank behind each comma and colon", 0},
    [JSON_STYLE_SPACED_SORTED] = {"with a blank behind each comma and colon, and sorted keys",
        JSON_SORT_KEYS},
    [JSON_STYLE_SPACED_ASCII] = {"with a blank behind each comma and colon, in ASCII only",
        JSON_ENSURE_ASCII},
    [JSON_STYLE_INDENT_2] = {"indented by two blanks", JSON_INDENT(2)},
    [JSON_STYLE_INDENT_4] = {"indented by four blanks", JSON_INDENT(4)},
};

void job_init_library(void)
{
    json_object_seed(0);
}

const char *json_style_name(enum json_style style)
{
    ASSERT(style < JSON_STYLE_COUNT);
    return styles[style].name;
}

static int take_output(const char *data, size_t length, void *context)
{
    return buf_append(context, data, length) < 0 ? -1 : 0;
}

int json_reserialise(
    const unsigned char *text, size_t length, enum json_style style, struct buf *out)
{
    CLEANUP(json_decref) json_t *json = NULL;
    size_t start = out->length;

    ASSERT(style < JSON_STYLE_COUNT);
    if (length == 0 || length > RESERIALISE_MAX || depth_exceeds(text, length, JOB_DEPTH_MAX))
        return -EINVAL;
    json = json_loadb((const char *)text, length, JSON_REJECT_DUPLICATES, NULL);
    if (!json)
        return -EINVAL;
    if (json_dump_callback(json, take_output, out, styles[style].flags) == 0)
        return 0;
    out->length = start;
    return out->failed ? -ENOMEM : -EINVAL;
}
