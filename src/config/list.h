#pragma once

/*
 * struct config_list: an owned, NULL-terminated list of owned texts. All zero is an empty one whose
 * `texts` is NULL; what config_load returns always has `texts`.
 */

#include "config/config.h"

/* Appends a copy. Returns 0 or -ENOMEM. */
int list_append(struct config_list *list, const char *text);

/* Gives an empty list its terminator. Returns 0 or -ENOMEM. */
int list_finish(struct config_list *list);

void list_done(struct config_list *list);

/* list_done that overwrites the texts first. */
void list_wipe(struct config_list *list);
