/*
 * The list of faults: grows, sorts by line, becomes text.
 */

#include "config/faults.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fault_list_done(struct fault_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        free(list->faults[i].text);
    free(list->faults);
    *list = (struct fault_list)FAULT_LIST_INIT;
}

static int make_room(struct fault_list *list)
{
    struct fault *faults;
    size_t capacity = list->capacity ? 2 * list->capacity : 16;

    if (list->n < list->capacity)
        return 0;
    faults = reallocarray(list->faults, capacity, sizeof(*faults));
    if (!faults)
        return -ENOMEM;
    list->faults = faults;
    list->capacity = capacity;
    return 0;
}

/* A path may hold anything; a fault is one line all the same. */
static void keep_one_line(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            *text = '?';
}

void fault_add(struct fault_list *list, int line, const char *format, ...)
{
    char *text = NULL;
    va_list args;
    int r;

    va_start(args, format);
    r = vasprintf(&text, format, args);
    va_end(args);
    if (r < 0) {
        list->failed = true;
        return;
    }
    if (make_room(list) < 0) {
        list->failed = true;
        free(text);
        return;
    }
    keep_one_line(text);
    list->faults[list->n] = (struct fault){line, list->n, text};
    list->n++;
}

static int compare(const void *left, const void *right)
{
    const struct fault *a = left;
    const struct fault *b = right;

    if (a->line != b->line)
        return a->line < b->line ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

int fault_list_show(struct fault_list *list, const char *file, struct config_faults *faults)
{
    struct buf *text = &faults->text;

    if (list->n > 0)
        qsort(list->faults, list->n, sizeof(*list->faults), compare);
    for (size_t i = 0; i < list->n && i < FAULTS_SHOWN_MAX; i++)
        buf_append_format(text, "%s:%d: %s\n", file, list->faults[i].line, list->faults[i].text);
    if (list->n > FAULTS_SHOWN_MAX)
        buf_append_format(text, "%s: and %zu more\n", file, list->n - FAULTS_SHOWN_MAX);
    if (list->failed)
        buf_append_format(text, "%s: out of memory\n", file);
    faults->n += list->n + list->failed;
    return text->failed || list->failed ? -ENOMEM : 0;
}

void config_faults_done(struct config_faults *faults)
{
    buf_done(&faults->text);
    faults->n = 0;
}

void fault_list_keep(struct fault_list *list, const char *start)
{
    size_t kept = 0;

    for (size_t i = 0; i < list->n; i++) {
        if (strncmp(list->faults[i].text, start, strlen(start)) == 0)
            list->faults[kept++] = list->faults[i];
        else
            free(list->faults[i].text);
    }
    list->n = kept;
}
