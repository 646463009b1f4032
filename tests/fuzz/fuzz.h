#pragma once

/*
 * What every fuzz target shares.
 *
 * A target is one file: it defines LLVMFuzzerTestOneInput, and LLVMFuzzerInitialize if it needs
 * something once. It is linked twice: with libFuzzer, which makes up inputs (tests/fuzz/run), and
 * with replay.c, which feeds the files of corpus/TARGET and is an ordinary test of every build.
 *
 * A target checks properties, not only that nothing crashes: what the code says is compared with a
 * second opinion that is written slowly and plainly, or must hold for every input.
 */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* Says where, and ends the process: libFuzzer keeps the input, replay names the file. */
#define FUZZ_CHECK(condition)                                                              \
    do {                                                                                   \
        if (!(condition)) {                                                                \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                       \
        }                                                                                  \
    } while (0)

/* Takes the input apart from its beginning. */
struct fuzz_input {
    const uint8_t *data;
    size_t size;
};

static inline uint8_t fuzz_take_byte(struct fuzz_input *input)
{
    if (input->size == 0)
        return 0;
    input->size--;
    return *input->data++;
}

/* What stands before the next `end`, which is passed over; the rest if there is none. */
static inline struct fuzz_input fuzz_take_until(struct fuzz_input *input, uint8_t end)
{
    struct fuzz_input part = {input->data, 0};

    while (input->size > 0 && *input->data != end) {
        input->data++;
        input->size--;
        part.size++;
    }
    if (input->size > 0) {
        input->data++;
        input->size--;
    }
    return part;
}

/* A copy of its own, so that a sanitizer sees each byte read beyond it; ends in a NUL behind it
 * only when `nul`. Freed by the caller. */
static inline char *fuzz_copy(const uint8_t *data, size_t size, int nul)
{
    char *copy = malloc(size + (nul ? 1 : 0));

    FUZZ_CHECK(copy || size + (nul ? 1 : 0) == 0);
    for (size_t i = 0; i < size; i++)
        copy[i] = (char)data[i];
    if (nul)
        copy[size] = '\0';
    return copy;
}
