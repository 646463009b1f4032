#include "sink/output.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void output_add(struct output *output, const char *data, size_t length)
{
    size_t keep; /* of what is there */

    if (length > OUTPUT_TAIL_MAX) {
        output->left_out += length - OUTPUT_TAIL_MAX;
        data += length - OUTPUT_TAIL_MAX;
        length = OUTPUT_TAIL_MAX;
    }
    keep = OUTPUT_TAIL_MAX - length;
    if (keep > output->length)
        keep = output->length;

    output->left_out += output->length - keep;
    memmove(output->tail, output->tail + output->length - keep, keep);
    memcpy(output->tail + keep, data, length);
    output->length = keep + length;
}

int output_copy(const struct output *output, char **ret_data, size_t *ret_length)
{
    char note[64] = "";
    size_t note_length;
    char *data;

    if (output->length == 0) {
        *ret_data = NULL;
        *ret_length = 0;
        return 0;
    }

    if (output->left_out > 0)
        snprintf(
            note, sizeof(note), "[%" PRIu64 " bytes before this left out]\n", output->left_out);
    note_length = strlen(note);
    data = malloc(note_length + output->length);
    if (!data)
        return -ENOMEM;
    memcpy(data, note, note_length);
    memcpy(data + note_length, output->tail, output->length);

    *ret_data = data;
    *ret_length = note_length + output->length;
    return 0;
}
