#pragma once

/*
 * What is wrong with a conf file, gathered while it is looked at and shown once, in order of line.
 *
 * Many checks add, in whatever order they run; the list sorts. It never stops a check: the aim is
 * all errors in one run. Texts follow "what is wrong; what would be right" and never hold a secret.
 */

#include "config/config.h"

/* The most faults that are shown; the rest is counted. */
#define FAULTS_SHOWN_MAX 200

struct fault {
    int line;
    size_t order; /* of finding: keeps faults of one line in a sensible order */
    char *text;   /* owned */
};

struct fault_list {
    struct fault *faults;
    size_t n;
    size_t capacity;
    bool failed; /* out of memory: the list is not whole */
};

#define FAULT_LIST_INIT   \
    {                     \
        NULL, 0, 0, false \
    }

void fault_list_done(struct fault_list *list);

/* Lines count from 1; what concerns the file as a whole stands in line 1. */
void fault_add(struct fault_list *list, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Drops all faults but those whose texts begin with `start`. */
void fault_list_keep(struct fault_list *list, const char *start);

/* Appends "file:line: text" lines to `faults`. Returns 0 or -ENOMEM. */
int fault_list_show(struct fault_list *list, const char *file, struct config_faults *faults);
