/*
 * The conf as it is in force, in the syntax it is read in, by the same tables.
 *
 * Reading the dump gives the same conf. The one thing it cannot give back is a secret that stood
 * in the file itself: it shows as "<set>", which is no source and so is refused when read, lest
 * it become a secret. A key without default that is not set shows as a comment.
 */

#include "config/config.h"

#include "config/keys.h"
#include "config/source.h"
#include "config/values.h"
#include "util/cleanup.h"

#include <errno.h>
#include <string.h>

/* Double quotes, with everything escaped that means something in them. */
static void dump_string(struct buf *out, const char *text)
{
    buf_append_text(out, "\"");
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;

        if (c == '"' || c == '\\' || c == '$')
            buf_append_format(out, "\\%c", c);
        else if (c < ' ' || c == 0x7f)
            buf_append_format(out, "\\x%02x", c);
        else
            buf_append(out, text, 1);
    }
    buf_append_text(out, "\"");
}

static void dump_source(struct buf *out, const char *source)
{
    dump_string(out, source_is_showable(source) ? source : "<set>");
}

static void dump_list(struct buf *out, const struct config_list *list)
{
    buf_append_text(out, "{");
    for (size_t i = 0; i < list->n; i++) {
        buf_append_text(out, i > 0 ? ", " : "");
        dump_string(out, list->texts[i]);
    }
    buf_append_text(out, "}");
}

static void dump_tokens(struct buf *out, const struct config_endpoint *endpoint)
{
    buf_append_text(out, "{");
    if (endpoint->no_token)
        dump_string(out, "none");
    for (size_t i = 0; i < endpoint->n_tokens; i++) {
        buf_append_text(out, i > 0 ? ", " : "");
        dump_source(out, endpoint->tokens[i].source);
    }
    buf_append_text(out, "}");
}

static void dump_choice(struct buf *out, const struct key *key, int value)
{
    for (const struct key_choice *choice = key->choices; choice->name; choice++) {
        if (choice->value != value)
            continue;
        dump_string(out, choice->name);
        return;
    }
    ASSERT(false);
}

static void dump_duration(struct buf *out, const struct key *key, int64_t usec)
{
    char text[VALUES_FORMAT_SIZE];

    dump_string(out, usec == USEC_INFINITY ? key->word : values_format_duration(usec, text));
}

/* `section`: the struct that the key's section lands in. */
static void dump_value(struct buf *out, const struct key *key, const void *section)
{
    const void *field = (const char *)section + key->offset;
    char text[VALUES_FORMAT_SIZE];

    switch (key->kind) {
    case KEY_TEXT:
        dump_string(out, *(char *const *)field);
        break;
    case KEY_LIST:
        dump_list(out, field);
        break;
    case KEY_NUMBER:
        buf_append_format(out, "%u", *(const unsigned int *)field);
        break;
    case KEY_MODE:
        buf_append_format(out, "\"%04o\"", *(const unsigned int *)field);
        break;
    case KEY_SIZE:
        dump_string(out, values_format_size(*(const uint64_t *)field, text));
        break;
    case KEY_DURATION:
        dump_duration(out, key, *(const int64_t *)field);
        break;
    case KEY_CHOICE:
        dump_choice(out, key, *(const int *)field);
        break;
    case KEY_FLAG:
        dump_choice(out, key, *(const bool *)field);
        break;
    case KEY_TOKENS:
        dump_tokens(out, section);
        break;
    case KEY_SOURCE:
        dump_source(out, ((const struct config_secret *)section)->source);
        break;
    }
}

static bool is_unset(const struct key *key, const void *section)
{
    const void *field = (const char *)section + key->offset;

    return key->kind == KEY_TEXT && !*(char *const *)field;
}

static void dump_keys(struct buf *out, enum section_id id, unsigned int sinks, const void *section,
    const char *indent)
{
    for (const struct key *key = key_section_get(id)->keys; key->name; key++) {
        if (key->sinks && !(key->sinks & sinks))
            continue;
        if (is_unset(key, section)) {
            buf_append_format(out, "%s# %s is not set\n", indent, key->name);
            continue;
        }
        buf_append_format(out, "%s%s = ", indent, key->name);
        dump_value(out, key, section);
        buf_append_text(out, "\n");
    }
}

static void dump_plain(struct buf *out, enum section_id id, const void *section)
{
    buf_append_format(out, "%s {\n", key_section_get(id)->name);
    dump_keys(out, id, 0, section, "    ");
    buf_append_text(out, "}\n\n");
}

static void dump_endpoint(struct buf *out, const struct config_endpoint *endpoint)
{
    buf_append_format(out, "endpoint \"%s\" {\n", endpoint->name);
    dump_keys(out, SECTION_ENDPOINT, 0, endpoint, "    ");
    for (size_t i = 0; i < endpoint->n_secrets; i++) {
        buf_append_format(out, "    callback_secret \"%s\" {\n", endpoint->secrets[i].name);
        dump_keys(out, SECTION_SECRET, 0, &endpoint->secrets[i], "        ");
        buf_append_text(out, "    }\n");
    }
    buf_append_text(out, "}\n\n");
}

static void dump_sink(struct buf *out, const struct config_sink *sink)
{
    buf_append_format(out, "sink \"%s\" {\n", sink->name);
    dump_keys(out, SECTION_SINK, key_sink_mask(sink->type), sink, "    ");
    buf_append_text(out, "}\n\n");
}

int config_dump(const struct config *config, struct buf *out)
{
    dump_plain(out, SECTION_SERVER, &config->server);
    dump_plain(out, SECTION_ADMIN, &config->admin);
    dump_plain(out, SECTION_LOG, &config->log);
    dump_plain(out, SECTION_STORE, &config->store);
    for (size_t i = 0; i < config->n_endpoints; i++)
        dump_endpoint(out, &config->endpoints[i]);
    for (size_t i = 0; i < config->n_sinks; i++)
        dump_sink(out, &config->sinks[i]);
    if (!out->failed && out->length > 0)
        out->length--; /* the blank line after the last section */
    return out->failed ? -ENOMEM : 0;
}
