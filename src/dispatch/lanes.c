/*
 * Lanes: a hash table of them, the line of the ready ones and a binary heap of the delayed ones.
 *
 * Pure data structure; see lanes.h. The table doubles when it holds as many lanes as buckets; when
 * there is no memory for that it goes on with longer chains.
 */

#include "dispatch/lanes.h"

#include "util/cleanup.h"
#include "util/clock.h"

#include <errno.h>
#include <stdlib.h>

enum { FIRST_BUCKETS = 64 };

int lanes_init(struct lanes *lanes)
{
    struct lane **buckets = calloc(FIRST_BUCKETS, sizeof(*buckets));

    if (!buckets)
        return -ENOMEM;
    *lanes = (struct lanes){.buckets = buckets, .n_buckets = FIRST_BUCKETS};
    return 0;
}

void lanes_done(struct lanes *lanes)
{
    for (size_t i = 0; i < lanes->n_buckets; i++) {
        struct lane *lane = lanes->buckets[i];
        while (lane) {
            struct lane *next = lane->chain;
            free(lane);
            lane = next;
        }
    }
    free(lanes->buckets);
    free(lanes->heap);
    *lanes = (struct lanes){0};
}

static struct lane **bucket_of(struct lanes *lanes, uint64_t key)
{
    return &lanes->buckets[key & (lanes->n_buckets - 1)];
}

static void grow_table(struct lanes *lanes)
{
    size_t n_old = lanes->n_buckets;
    struct lane **old = lanes->buckets;
    struct lane **buckets = calloc(n_old * 2, sizeof(*buckets));

    if (!buckets)
        return;
    lanes->buckets = buckets;
    lanes->n_buckets = n_old * 2;
    for (size_t i = 0; i < n_old; i++) {
        struct lane *lane = old[i];
        while (lane) {
            struct lane *next = lane->chain;
            struct lane **bucket = bucket_of(lanes, lane->key);
            lane->chain = *bucket;
            *bucket = lane;
            lane = next;
        }
    }
    free(old);
}

static int reserve_heap(struct lanes *lanes, size_t n)
{
    if (n <= lanes->heap_capacity)
        return 0;

    size_t capacity = lanes->heap_capacity ? lanes->heap_capacity * 2 : FIRST_BUCKETS;
    struct lane **heap = reallocarray(lanes->heap, capacity, sizeof(*heap));
    if (!heap)
        return -ENOMEM;
    lanes->heap = heap;
    lanes->heap_capacity = capacity;
    return 0;
}

struct lane *lanes_get(struct lanes *lanes, uint64_t key)
{
    for (struct lane *lane = *bucket_of(lanes, key); lane; lane = lane->chain)
        if (lane->key == key)
            return lane;

    if (reserve_heap(lanes, lanes->n + 1) < 0)
        return NULL;
    struct lane *lane = malloc(sizeof(*lane));
    if (!lane)
        return NULL;
    if (lanes->n >= lanes->n_buckets)
        grow_table(lanes);

    struct lane **bucket = bucket_of(lanes, key);
    *lane = (struct lane){.key = key, .chain = *bucket, .state = LANE_APART};
    *bucket = lane;
    lanes->n++;
    return lane;
}

void lanes_free(struct lanes *lanes, struct lane *lane)
{
    struct lane **link = bucket_of(lanes, lane->key);

    ASSERT(lane->state == LANE_APART && !lane->head);
    while (*link != lane)
        link = &(*link)->chain;
    *link = lane->chain;
    lanes->n--;
    free(lane);
}

void lanes_make_ready(struct lanes *lanes, struct lane *lane)
{
    ASSERT(lane->state != LANE_READY && lane->state != LANE_DELAYED);
    lane->state = LANE_READY;
    lane->next_ready = NULL;
    if (lanes->ready_tail)
        lanes->ready_tail->next_ready = lane;
    else
        lanes->ready_head = lane;
    lanes->ready_tail = lane;
}

struct lane *lanes_take(struct lanes *lanes)
{
    struct lane *lane = lanes->ready_head;

    if (!lane)
        return NULL;
    lanes->ready_head = lane->next_ready;
    if (!lanes->ready_head)
        lanes->ready_tail = NULL;
    lane->next_ready = NULL;
    lane->state = LANE_APART;
    return lane;
}

/* ---- the heap ---- */

static void set_heap(struct lanes *lanes, size_t i, struct lane *lane)
{
    lanes->heap[i] = lane;
    lane->heap_at = i;
}

/* Puts `lane` at the free place `i` or, if that is too far down, higher up. */
static void sift_up(struct lanes *lanes, size_t i, struct lane *lane)
{
    while (i > 0 && lanes->heap[(i - 1) / 2]->due > lane->due) {
        set_heap(lanes, i, lanes->heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    set_heap(lanes, i, lane);
}

/* The same the other way. */
static void sift_down(struct lanes *lanes, size_t i, struct lane *lane)
{
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= lanes->n_heap)
            break;
        if (child + 1 < lanes->n_heap && lanes->heap[child + 1]->due < lanes->heap[child]->due)
            child++;
        if (lanes->heap[child]->due >= lane->due)
            break;
        set_heap(lanes, i, lanes->heap[child]);
        i = child;
    }
    set_heap(lanes, i, lane);
}

void lanes_delay(struct lanes *lanes, struct lane *lane, int64_t due)
{
    ASSERT(lane->state != LANE_READY && lane->state != LANE_DELAYED);
    ASSERT(lanes->n_heap < lanes->heap_capacity);
    lane->state = LANE_DELAYED;
    lane->due = due;
    sift_up(lanes, lanes->n_heap++, lane);
}

void lanes_withdraw(struct lanes *lanes, struct lane *lane)
{
    size_t i = lane->heap_at;

    ASSERT(lane->state == LANE_DELAYED && lanes->heap[i] == lane);
    struct lane *last = lanes->heap[--lanes->n_heap];
    if (last != lane && last->due < lane->due)
        sift_up(lanes, i, last);
    else if (last != lane)
        sift_down(lanes, i, last);
    lane->state = LANE_APART;
}

void lanes_wake(struct lanes *lanes, int64_t now_usec)
{
    while (lanes->n_heap > 0 && lanes->heap[0]->due <= now_usec) {
        struct lane *lane = lanes->heap[0];
        lanes_withdraw(lanes, lane);
        lanes_make_ready(lanes, lane);
    }
}

int64_t lanes_next_due(const struct lanes *lanes)
{
    return lanes->n_heap > 0 ? lanes->heap[0]->due : USEC_INFINITY;
}
