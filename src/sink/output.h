#pragma once

/*
 * The tail of what a hook prints. Pure.
 *
 * Only the end is kept, because that is where a program says why it failed. Memory does not depend
 * on how much comes.
 */

#include <stddef.h>
#include <stdint.h>

/* Bytes of a hook's output that are kept. */
#define OUTPUT_TAIL_MAX 4096

struct output {
    char tail[OUTPUT_TAIL_MAX];
    size_t length;
    uint64_t left_out; /* bytes that came before the tail */
};

#define OUTPUT_INIT \
    {               \
        "", 0, 0    \
    }

void output_add(struct output *output, const char *data, size_t length);

/* Copies what was kept to memory owned by the caller; where something was left out, a first line
 * says how much. *ret_data is NULL when nothing came. Returns 0 or -ENOMEM. */
int output_copy(const struct output *output, char **ret_data, size_t *ret_length);
