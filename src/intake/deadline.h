#pragma once

/*
 * Total deadlines of many connections, at the cost of a list.
 *
 * Every deadline of one class lasts equally long, so the one set last ends last: a list a class,
 * appended at its tail, is sorted by itself. Setting, clearing and finding the next are O(1),
 * however many connections wait. Not for durations that differ within a class.
 *
 * Pure: time comes in as a value. A set and its deadlines belong to one thread. A deadline is
 * embedded in what it guards and must be cleared before that goes.
 */

#include <stdbool.h>
#include <stdint.h>

enum deadline_class {
    DEADLINE_HEAD,   /* from accept, or from the request line, to the end of the headers */
    DEADLINE_BODY,   /* from the end of the headers to the end of the body */
    DEADLINE_COMMIT, /* from posting to the writer to its verdict */
    DEADLINE_ANSWER, /* from queueing the answer until its last byte is with the kernel */
    DEADLINE_IDLE,   /* between requests */
    DEADLINE_GRACE,  /* while draining: a connection that has not asked anything yet */
    DEADLINE_LINGER, /* reading away what a refused peer still sends */
    DEADLINE_CLASS_COUNT,
};

struct deadline {
    struct deadline *prev, *next; /* both NULL while not set */
    int64_t at_usec;              /* monotonic */
    enum deadline_class class;
    bool is_set;
};

struct deadline_list {
    struct deadline *head, *tail;
    int64_t duration_usec;
};

struct deadline_set {
    struct deadline_list lists[DEADLINE_CLASS_COUNT];
};

void deadline_set_init(
    struct deadline_set *set, const int64_t durations_usec[static DEADLINE_CLASS_COUNT]);

/* Sets, or moves to another class, counting from `now_usec`, which never goes back. */
void deadline_start(struct deadline_set *set, struct deadline *deadline, enum deadline_class class,
    int64_t now_usec);

/* Clearing one that is not set is legal. */
void deadline_clear(struct deadline_set *set, struct deadline *deadline);

/* The moment of the earliest; INT64_MAX if none is set. */
int64_t deadline_next(const struct deadline_set *set);

/* Takes one that is due, or NULL. It is cleared; its class still tells what it was. */
struct deadline *deadline_take_due(struct deadline_set *set, int64_t now_usec);
