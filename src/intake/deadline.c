/*
 * Deadlines in one sorted list a class; see deadline.h for why that is enough.
 */

#include "intake/deadline.h"

#include <stddef.h>

void deadline_set_init(
    struct deadline_set *set, const int64_t durations_usec[static DEADLINE_CLASS_COUNT])
{
    for (size_t i = 0; i < DEADLINE_CLASS_COUNT; i++)
        set->lists[i] = (struct deadline_list){.duration_usec = durations_usec[i]};
}

void deadline_clear(struct deadline_set *set, struct deadline *deadline)
{
    struct deadline_list *list = &set->lists[deadline->class];

    if (!deadline->is_set)
        return;
    if (deadline->prev != NULL)
        deadline->prev->next = deadline->next;
    else
        list->head = deadline->next;
    if (deadline->next != NULL)
        deadline->next->prev = deadline->prev;
    else
        list->tail = deadline->prev;
    deadline->prev = deadline->next = NULL;
    deadline->is_set = false;
}

void deadline_start(struct deadline_set *set, struct deadline *deadline, enum deadline_class class,
    int64_t now_usec)
{
    struct deadline_list *list = &set->lists[class];

    deadline_clear(set, deadline);
    deadline->class = class;
    if (__builtin_add_overflow(now_usec, list->duration_usec, &deadline->at_usec))
        deadline->at_usec = INT64_MAX;
    deadline->prev = list->tail;
    deadline->next = NULL;
    if (list->tail != NULL)
        list->tail->next = deadline;
    else
        list->head = deadline;
    list->tail = deadline;
    deadline->is_set = true;
}

int64_t deadline_next(const struct deadline_set *set)
{
    int64_t next = INT64_MAX;

    for (size_t i = 0; i < DEADLINE_CLASS_COUNT; i++) {
        const struct deadline *head = set->lists[i].head;

        if (head != NULL && head->at_usec < next)
            next = head->at_usec;
    }
    return next;
}

struct deadline *deadline_take_due(struct deadline_set *set, int64_t now_usec)
{
    for (size_t i = 0; i < DEADLINE_CLASS_COUNT; i++) {
        struct deadline *head = set->lists[i].head;

        if (head != NULL && head->at_usec <= now_usec) {
            deadline_clear(set, head);
            return head;
        }
    }
    return NULL;
}
