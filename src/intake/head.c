/*
 * Collecting the head of a request; see head.h.
 *
 * Layout in libmicrohttpd 0.9 (connection.c, parse_initial_message_line, process_header_line): the
 * head stays where it was received; separators are overwritten with NUL. "POST /x HTTP/1.1\r\n"
 * becomes "POST\0/x\0HTTP/1.1\0\0", "Name: value\r\n" becomes "Name\0 value\0\0", and two more
 * bytes end it.
 */

#include "intake/head.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

static enum MHD_Result collect_field(void *context, enum MHD_ValueKind kind, const char *name,
    size_t name_length, const char *value, size_t value_length)
{
    struct head *head = context;

    head->n_seen++;
    if (head->n_fields < HEAD_FIELDS_MAX)
        head->fields[head->n_fields++] = (struct framing_header){
            .name = name,
            .name_length = name_length,
            .value = value,
            .value_length = value == NULL ? 0 : value_length,
        };
    return MHD_YES;
}

void head_collect(struct MHD_Connection *mhd, struct head *head)
{
    head->n_fields = 0;
    head->n_seen = 0;
    (void)MHD_get_connection_values_n(mhd, MHD_HEADER_KIND, collect_field, head);
}

void head_find(const struct head *head, struct verify_head *ret_verify)
{
    static const struct {
        const char *name;
        size_t length;
        size_t offset;
    } wanted[] = {
#define WANTED(name, member) {name, sizeof(name) - 1, offsetof(struct verify_head, member)}
        WANTED("Authorization", authorization),
        WANTED("SASHA-Request-ID", request_id),
        WANTED("SASHA-Request-Signature", signature),
        WANTED("SASHA-Callback-Secret-ID", secret_id),
#undef WANTED
    };

    *ret_verify = (struct verify_head){0};
    for (size_t i = 0; i < head->n_fields; i++) {
        const struct framing_header *field = &head->fields[i];

        for (size_t w = 0; w < ARRAY_SIZE(wanted); w++) {
            struct verify_header *found;

            if (wanted[w].length != field->name_length ||
                strncasecmp(wanted[w].name, field->name, field->name_length) != 0)
                continue;
            found = (struct verify_header *)(void *)((char *)ret_verify + wanted[w].offset);
            if (found->count++ == 0) {
                found->value = field->value == NULL ? "" : field->value;
                found->length = field->value_length;
            }
        }
    }
}

bool head_is_whole(const struct head_line *line, const struct head *head, size_t size)
{
    const uintptr_t start = (uintptr_t)line->method;
    uintptr_t at = start + strlen(line->method) + 1;

    if ((uintptr_t)line->target != at)
        return false;
    at += line->target_length + 1;
    if ((uintptr_t)line->version != at)
        return false;
    at += strlen(line->version) + 2;
    for (size_t i = 0; i < head->n_fields; i++) {
        const struct framing_header *field = &head->fields[i];
        const uintptr_t value = (uintptr_t)field->value;

        if ((uintptr_t)field->name != at || value <= at + field->name_length)
            return false;
        at = value + field->value_length + 2;
    }
    return at + 2 == start + size;
}

bool head_layout_is_known(void)
{
    return strncmp(MHD_get_version(), "0.9.", 4) == 0;
}
