/*
 * "Did you mean": the nearest known name, by edits (Damerau-Levenshtein with neighbours swapped
 * counting once), if it is near enough to be a slip of the hand. Pure.
 */

#include "config/keys.h"

#include "util/cleanup.h"

#include <string.h>

#define NAME_MAX_LENGTH 32

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;

    return least < c ? least : c;
}

/* Both at most NAME_MAX_LENGTH long. */
static size_t distance(const char *a, const char *b)
{
    size_t rows[NAME_MAX_LENGTH + 1][NAME_MAX_LENGTH + 1] = {{0}};
    size_t n = strlen(a), m = strlen(b);

    for (size_t i = 0; i <= n; i++)
        rows[i][0] = i;
    for (size_t j = 0; j <= m; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        for (size_t j = 1; j <= m; j++) {
            size_t swap = rows[i - 1][j - 1] + (a[i - 1] != b[j - 1]);

            rows[i][j] = min3(rows[i - 1][j] + 1, rows[i][j - 1] + 1, swap);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                rows[i - 2][j - 2] + 1 < rows[i][j])
                rows[i][j] = rows[i - 2][j - 2] + 1;
        }
    }
    return rows[n][m];
}

static void consider(const char *name, const char *candidate, size_t *best, const char **ret_best)
{
    size_t edits = distance(name, candidate);

    if (edits < *best) {
        *best = edits;
        *ret_best = candidate;
    }
}

const char *key_suggest(const struct key_section *section, const char *name)
{
    enum section_id parent = section ? section->id : SECTION_ROOT;
    size_t length = strlen(name);
    size_t best = 2 + length / 4; /* one more than what may be wrong */
    const char *nearest = NULL;

    if (length > NAME_MAX_LENGTH)
        return NULL;
    for (const struct key *key = section ? section->keys : NULL; key && key->name; key++)
        consider(name, key->name, &best, &nearest);
    for (size_t i = 0; i < ARRAY_SIZE(key_sections); i++)
        if (key_sections[i].parent == parent)
            consider(name, key_sections[i].name, &best, &nearest);
    return nearest;
}
