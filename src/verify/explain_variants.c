/*
 * The list behind explain_variants.h.
 */

#include "verify/explain_variants.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_known(const struct explain_variants *variants, const void *data, size_t length)
{
    for (size_t i = 0; i < variants->n; i++) {
        const struct explain_variant *row = &variants->rows[i];

        if (row->length == length && (length == 0 || memcmp(row->data, data, length) == 0))
            return true;
    }
    return false;
}

bool explain_variants_add(struct explain_variants *variants, const void *data, size_t length,
    const char *advice, const char *says, ...)
{
    struct explain_variant row = {.length = length, .advice = advice};
    va_list arguments;
    int written;

    if (variants->failed || variants->n == EXPLAIN_VARIANTS_MAX || is_known(variants, data, length))
        return false;
    if (!variants->rows) {
        variants->rows = calloc(EXPLAIN_VARIANTS_MAX, sizeof(*variants->rows));
        if (!variants->rows)
            goto no_memory;
    }

    if (length > 0) {
        row.data = malloc(length);
        if (!row.data)
            goto no_memory;
        memcpy(row.data, data, length);
    }
    va_start(arguments, says);
    written = vasprintf(&row.says, says, arguments);
    va_end(arguments);
    if (written < 0) {
        secret_wipe(row.data, length);
        free(row.data);
        goto no_memory;
    }
    variants->rows[variants->n++] = row;
    return true;

no_memory:
    variants->failed = true;
    return false;
}

void explain_variants_done(struct explain_variants *variants)
{
    for (size_t i = 0; i < variants->n; i++) {
        secret_wipe(variants->rows[i].data, variants->rows[i].length);
        free(variants->rows[i].data);
        free(variants->rows[i].says);
        crypto_mac_free(variants->rows[i].mac);
    }
    free(variants->rows);
    *variants = (struct explain_variants){.rows = NULL};
}
