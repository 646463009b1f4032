#pragma once

/*
 * Lanes: who may go next.
 *
 * A lane is a line of tasks of which one (or one batch) runs at a time. Lanes that can start wait
 * in a fair line (first come, first served), lanes that must wait for a time in a heap by that
 * time. The other lanes (running, or waiting for the store) are in neither. What a lane holds is
 * the queue's business (queue.h); here a lane is only found, made, ordered and let go.
 *
 * Making a lane reserves its place in the heap, so that nothing fails later. Not thread-safe.
 */

#include <stddef.h>
#include <stdint.h>

struct task;

enum lane_state {
    LANE_APART,   /* in no list: just made, or held by the queue */
    LANE_READY,   /* in line */
    LANE_DELAYED, /* in the heap until `due` */
    LANE_RUNNING, /* some of its tasks run */
    LANE_BLOCKED, /* its head's outcome must be on disk first */
};

struct lane {
    uint64_t key;
    struct task *head, *tail; /* in order of their turn; the queue's */
    struct lane *chain;       /* next in its bucket */
    struct lane *next_ready;
    int64_t due;          /* while LANE_DELAYED */
    size_t heap_at;       /* the same: its place in the heap */
    unsigned int running; /* tasks of it under way; the queue's */
    enum lane_state state;
};

struct lanes {
    struct lane **buckets;
    size_t n_buckets; /* a power of two */
    size_t n;
    struct lane *ready_head, *ready_tail;
    struct lane **heap; /* by due, least first */
    size_t n_heap, heap_capacity;
};

/* Returns 0 or -ENOMEM. */
int lanes_init(struct lanes *lanes);

/* Frees all lanes, whatever their state. */
void lanes_done(struct lanes *lanes);

/* Finds the lane of `key`, or makes one (LANE_APART). NULL when out of memory. Keys are hashes:
 * two jobs with the same one share a lane, which costs them time and nothing else. */
struct lane *lanes_get(struct lanes *lanes, uint64_t key);

/* Lets go of an empty lane that is LANE_APART. */
void lanes_free(struct lanes *lanes, struct lane *lane);

/* Puts a lane that is in no list to the end of the line, or into the heap. */
void lanes_make_ready(struct lanes *lanes, struct lane *lane);
void lanes_delay(struct lanes *lanes, struct lane *lane, int64_t due);

/* Takes a lane that is LANE_DELAYED out of the heap; it becomes LANE_APART. */
void lanes_withdraw(struct lanes *lanes, struct lane *lane);

/* Lines up every lane whose time has come, earliest first. */
void lanes_wake(struct lanes *lanes, int64_t now_usec);

/* Takes the first of the line, which becomes LANE_APART; NULL when nobody waits. */
struct lane *lanes_take(struct lanes *lanes);

/* The earliest time in the heap; USEC_INFINITY when it is empty. */
int64_t lanes_next_due(const struct lanes *lanes);
