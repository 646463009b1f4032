#include "sink/file_name.h"

/*
 * From a job's id to the name of its file. See file_name.h for the contract.
 *
 * The hash is written out here, and not util/hash.h, because its values become names on the disk
 * and must stay what they are. Ids come from signed callbacks, so it need not withstand forgery.
 */

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define HASH_LENGTH 17 /* '~' and 16 digits */
#define ESCAPE_LENGTH 3

/* Leaves room for the hash and some of the id. */
#define AROUND_MAX 200

static uint64_t fnv1a(const char *text)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    return hash;
}

static bool is_plain(unsigned char byte, bool first)
{
    return (byte < 0x80 && isalnum(byte)) || byte == '_' || byte == '-' || (byte == '.' && !first);
}

/* Encodes as much of the id as fits into `room` bytes. Returns how much was written; *ret_all tells
 * whether that was the whole id. */
static size_t encode(const char *id, char *out, size_t room, bool *ret_all)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t used = 0;

    for (size_t i = 0; id[i]; i++) {
        unsigned char byte = (unsigned char)id[i];
        bool plain = is_plain(byte, i == 0);

        if ((plain ? 1 : ESCAPE_LENGTH) > room - used) {
            *ret_all = false;
            return used;
        }
        if (plain) {
            out[used++] = (char)byte;
        } else {
            out[used++] = '%';
            out[used++] = digits[byte >> 4];
            out[used++] = digits[byte & 15];
        }
    }
    *ret_all = true;
    return used;
}

void file_name_make(const char *template, const char *job_id, char name[static FILE_NAME_SIZE])
{
    const char *field = strstr(template, FILE_NAME_FIELD);
    const char *after = field + strlen(FILE_NAME_FIELD);
    size_t before = (size_t)(field - template);
    size_t room = NAME_MAX - before - strlen(after);
    size_t used;
    bool all;

    memcpy(name, template, before);
    used = encode(job_id, name + before, room, &all);
    if (!all) {
        used = encode(job_id, name + before, room - HASH_LENGTH, &all);
        used += (size_t)sprintf(name + before + used, "~%016" PRIx64, fnv1a(job_id));
    }
    memcpy(name + before + used, after, strlen(after) + 1);
}

int file_name_check(const char *template, struct error *error)
{
    const char *field = strstr(template, FILE_NAME_FIELD);

    if (!field || strstr(field + 1, FILE_NAME_FIELD))
        return error_set(error, EINVAL,
            "path: " FILE_NAME_FIELD " must stand once, in the last part of the path");
    if (strlen(template) - strlen(FILE_NAME_FIELD) > AROUND_MAX)
        return error_set(error, EINVAL,
            "path: what stands around " FILE_NAME_FIELD " must be %d bytes or shorter", AROUND_MAX);
    return 0;
}
