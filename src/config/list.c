/*
 * Lists of texts.
 */

#include "config/list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int list_append(struct config_list *list, const char *text)
{
    char **texts = reallocarray(list->texts, list->n + 2, sizeof(*texts));
    char *copy;

    if (!texts)
        return -ENOMEM;
    list->texts = texts;
    texts[list->n] = NULL;
    copy = strdup(text);
    if (!copy)
        return -ENOMEM;
    texts[list->n++] = copy;
    texts[list->n] = NULL;
    return 0;
}

int list_finish(struct config_list *list)
{
    if (!list->texts)
        list->texts = calloc(1, sizeof(*list->texts));
    return list->texts ? 0 : -ENOMEM;
}

void list_done(struct config_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        free(list->texts[i]);
    free(list->texts);
    *list = (struct config_list){NULL, 0};
}

void list_wipe(struct config_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        secret_wipe(list->texts[i], strlen(list->texts[i]));
    list_done(list);
}
