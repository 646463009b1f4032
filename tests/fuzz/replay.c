/*
 * The corpus of a target as an ordinary test: every file given, or in a folder given, is fed to the
 * target once. Prints its count as a Check program does, which is how tests/tally.py counts.
 */

#include "fuzz.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#pragma weak LLVMFuzzerInitialize

static unsigned int fed;

static void feed(const char *path)
{
    FILE *file = fopen(path, "rb");
    struct stat status;
    uint8_t *data;
    size_t size;

    fprintf(stderr, "%s\n", path); /* the last one named is the one that ended it */
    FUZZ_CHECK(file && fstat(fileno(file), &status) == 0);
    size = (size_t)status.st_size;
    data = malloc(size + 1);
    FUZZ_CHECK(data && fread(data, 1, size, file) == size);
    fclose(file);
    (void)LLVMFuzzerTestOneInput(data, size);
    free(data);
    fed++;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void feed_folder(const char *path)
{
    struct dirent **entries;
    int n = scandir(path, &entries, NULL, by_name);

    FUZZ_CHECK(n >= 0);
    for (int i = 0; i < n; i++) {
        char file[4096];

        if (entries[i]->d_name[0] != '.') {
            snprintf(file, sizeof(file), "%s/%s", path, entries[i]->d_name);
            feed(file);
        }
        free(entries[i]);
    }
    free(entries);
}

int main(int argc, char **argv)
{
    if (LLVMFuzzerInitialize)
        LLVMFuzzerInitialize(&argc, &argv);
    for (int i = 1; i < argc; i++) {
        struct stat status;

        FUZZ_CHECK(stat(argv[i], &status) == 0);
        if (S_ISDIR(status.st_mode))
            feed_folder(argv[i]);
        else
            feed(argv[i]);
    }
    if (fed == 0) {
        fprintf(stderr, "nothing was fed\n");
        return 1;
    }
    printf("100%%: Checks: %u, Failures: 0, Errors: 0\n", fed);
    return 0;
}
