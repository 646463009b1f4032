/*
 * A sink's queue. Pure; see queue.h for the rules.
 *
 * A task is in up to three lists: its lane (until it is delivered or dead), the fresh list (until
 * its row or its outcome is on disk) and the dirty list (from an outcome to the plan that writes
 * it). It is freed when the plan with its final outcome is committed.
 *
 * Filtered deliveries have no task. Their number is kept on the fresh task before them, so that a
 * frontier between two fresh tasks takes along exactly the filtered ones below it.
 */

#include "dispatch/queue.h"

#include "util/cleanup.h"

#include <errno.h>
#include <stdlib.h>

int queue_init(struct queue *queue, uint64_t frontier, size_t depth, void (*drop)(struct attempt *))
{
    *queue = (struct queue){
        .depth = depth,
        .drop = drop,
        .cursor = frontier,
        .frontier = frontier,
        .floor = frontier,
    };
    queue->dirty_tail = &queue->dirty_head;
    return lanes_init(&queue->lanes);
}

static void task_free(struct queue *queue, struct task *task)
{
    if (task->attempt)
        queue->drop(task->attempt);
    free(task);
    queue->n_tasks--;
}

void queue_done(struct queue *queue)
{
    /* Every task is in a lane or, once settled, in the dirty list; never only in the fresh one. */
    struct task *next;

    for (struct task *task = queue->dirty_head; task; task = next) {
        next = task->dirty_next;
        if (!task->lane)
            task_free(queue, task);
    }
    for (size_t i = 0; i < queue->lanes.n_buckets; i++)
        for (struct lane *lane = queue->lanes.buckets[i]; lane; lane = lane->chain)
            for (struct task *task = lane->head; task; task = next) {
                next = task->lane_next;
                task_free(queue, task);
            }
    ASSERT(queue->n_tasks == 0);
    lanes_done(&queue->lanes);
    *queue = (struct queue){0};
}

/* ---- lists ---- */

static void fresh_append(struct queue *queue, struct task *task)
{
    ASSERT(task->seq > queue->cursor);
    task->fresh_prev = queue->fresh_tail;
    if (queue->fresh_tail)
        queue->fresh_tail->fresh_next = task;
    else
        queue->fresh_head = task;
    queue->fresh_tail = task;
    queue->n_fresh++;
    queue->cursor = task->seq;
}

static void fresh_remove(struct queue *queue, struct task *task)
{
    /* Filtered ones that were claimed while the plan was under way stay to be written. */
    if (task->fresh_prev) {
        task->fresh_prev->filtered_after += task->filtered_after;
        task->fresh_prev->fresh_next = task->fresh_next;
    } else {
        queue->filtered_first += task->filtered_after;
        queue->fresh_head = task->fresh_next;
    }
    if (task->fresh_next)
        task->fresh_next->fresh_prev = task->fresh_prev;
    else
        queue->fresh_tail = task->fresh_prev;
    task->fresh_next = task->fresh_prev = NULL;
    task->filtered_after = 0;
    queue->n_fresh--;
}

static void dirty_append(struct queue *queue, struct task *task)
{
    task->dirty_next = NULL;
    *queue->dirty_tail = task;
    queue->dirty_tail = &task->dirty_next;
    queue->n_dirty++;
}

/* A task has come to an outcome. */
static void note_outcome(struct queue *queue, struct task *task, enum task_write write)
{
    task->write = write;
    queue->n_unwritten++;
    dirty_append(queue, task);
}

/* Puts a lane where its head belongs; an empty one goes. */
static void place_lane(struct queue *queue, struct lane *lane, int64_t now_usec)
{
    struct task *head = lane->head;

    if (!head) {
        lane->state = LANE_APART;
        lanes_free(&queue->lanes, lane);
    } else if (head->write == WRITE_RETRY) {
        lane->state = LANE_BLOCKED;
    } else if (head->due > now_usec) {
        lanes_delay(&queue->lanes, lane, head->due);
    } else {
        lanes_make_ready(&queue->lanes, lane);
    }
}

static void lane_append(struct queue *queue, struct lane *lane, struct task *task, int64_t now_usec)
{
    task->lane = lane;
    task->lane_prev = lane->tail;
    if (lane->tail) {
        lane->tail->lane_next = task;
        lane->tail = task;
    } else {
        lane->head = lane->tail = task;
        if (lane->state == LANE_APART)
            place_lane(queue, lane, now_usec);
    }
}

static void lane_remove(struct task *task)
{
    struct lane *lane = task->lane;

    if (task->lane_prev)
        task->lane_prev->lane_next = task->lane_next;
    else
        lane->head = task->lane_next;
    if (task->lane_next)
        task->lane_next->lane_prev = task->lane_prev;
    else
        lane->tail = task->lane_prev;
    task->lane = NULL;
    task->lane_next = task->lane_prev = NULL;
}

/* ---- in ---- */

static struct task *task_new(struct queue *queue, uint64_t seq)
{
    struct task *task = malloc(sizeof(*task));

    if (!task)
        return NULL;
    *task = (struct task){.seq = seq};
    queue->n_tasks++;
    return task;
}

/* A task in its lane; `due` and `write` say whether it may start. */
static struct task *task_new_in_lane(struct queue *queue, uint64_t seq, uint64_t key, int64_t due,
    enum task_write write, int64_t now_usec)
{
    struct task *task = task_new(queue, seq);
    if (!task)
        return NULL;

    struct lane *lane = lanes_get(&queue->lanes, key);
    if (!lane) {
        task_free(queue, task);
        return NULL;
    }
    task->due = due;
    task->write = write;
    lane_append(queue, lane, task, now_usec);
    return task;
}

int queue_add_row(struct queue *queue, uint64_t seq, uint64_t key, uint32_t attempts, int64_t due,
    bool replay, int64_t now_usec)
{
    struct task *task = task_new_in_lane(queue, seq, key, due, WRITE_NOTHING, now_usec);

    if (!task)
        return -ENOMEM;
    task->attempts = attempts;
    task->replay = replay;
    task->has_row = true;
    return 0;
}

int queue_claim(struct queue *queue, uint64_t seq, uint64_t key, int64_t now_usec)
{
    struct task *task = task_new_in_lane(queue, seq, key, 0, WRITE_NOTHING, now_usec);

    if (!task)
        return -ENOMEM;
    fresh_append(queue, task);
    return 0;
}

int queue_claim_delivered(struct queue *queue, uint64_t seq)
{
    struct task *task = task_new(queue, seq);

    if (!task)
        return -ENOMEM;
    fresh_append(queue, task);
    note_outcome(queue, task, WRITE_DELIVERED);
    return 0;
}

void queue_claim_filtered(struct queue *queue, uint64_t seq)
{
    uint64_t n = seq - queue->cursor;

    ASSERT(seq > queue->cursor);
    queue->cursor = seq;
    if (queue->fresh_tail)
        queue->fresh_tail->filtered_after += n;
    else
        queue->filtered_first += n;
}

int queue_settle_row(struct queue *queue, uint64_t seq, enum task_write write)
{
    struct task *task = task_new(queue, seq);

    if (!task)
        return -ENOMEM;
    task->has_row = true;
    note_outcome(queue, task, write);
    return 0;
}

/* ---- through ---- */

void queue_wake(struct queue *queue, int64_t now_usec)
{
    lanes_wake(&queue->lanes, now_usec);
}

size_t queue_take(struct queue *queue, int64_t now_usec, struct task **tasks, size_t max)
{
    size_t n = 0;

    queue_wake(queue, now_usec);
    while (n < max) {
        struct lane *lane = lanes_take(&queue->lanes);
        if (!lane)
            break;
        struct task *task = lane->head;
        while (task && n < max && lane->running < queue->depth && task->due <= now_usec &&
               task->write == WRITE_NOTHING) {
            task->running = true;
            lane->running++;
            tasks[n++] = task;
            task = task->lane_next;
        }
        /* One that an operator asked for while it was in line is not on disk yet. */
        lane->state = lane->running > 0 ? LANE_RUNNING : LANE_BLOCKED;
    }
    queue->n_running += (unsigned int)n;
    return n;
}

void queue_end(
    struct queue *queue, struct task *task, enum queue_end end, int64_t due, int64_t now_usec)
{
    struct lane *lane = task->lane;

    ASSERT(task->running);
    task->running = false;
    queue->n_running--;
    lane->running--;
    switch (end) {
    case QUEUE_DELIVERED:
    case QUEUE_DEAD:
        lane_remove(task);
        note_outcome(queue, task, end == QUEUE_DEAD ? WRITE_DEAD : WRITE_DELIVERED);
        break;
    case QUEUE_RETRY:
        task->due = due;
        note_outcome(queue, task, WRITE_RETRY);
        break;
    case QUEUE_DEFERRED:
        break;
    }
    if (lane->running == 0)
        place_lane(queue, lane, now_usec);
}

/* ---- asked for ---- */

int queue_compare_searches(const void *a, const void *b)
{
    const struct queue_search *x = a, *y = b;

    return (x->seq > y->seq) - (x->seq < y->seq);
}

static void note_search(struct queue_search *searches, size_t n, struct task *task)
{
    const struct queue_search key = {.seq = task->seq};
    struct queue_search *search = bsearch(&key, searches, n, sizeof(key), queue_compare_searches);

    if (search)
        search->task = task;
}

void queue_find(const struct queue *queue, struct queue_search *searches, size_t n)
{
    for (size_t i = 0; i < n; i++)
        searches[i].task = NULL;
    for (struct task *task = queue->dirty_head; task; task = task->dirty_next)
        note_search(searches, n, task);
    for (size_t i = 0; i < queue->lanes.n_buckets; i++)
        for (const struct lane *lane = queue->lanes.buckets[i]; lane; lane = lane->chain)
            for (struct task *task = lane->head; task; task = task->lane_next)
                note_search(searches, n, task);
}

bool queue_hasten(struct queue *queue, struct task *task)
{
    struct lane *lane = task->lane;

    if (!lane || task->running || task->attempts == 0)
        return false;
    task->attempts = 0;
    task->due = 0;
    if (task->write == WRITE_RETRY)
        return true;
    note_outcome(queue, task, WRITE_RETRY);
    if (lane->head == task && lane->state == LANE_DELAYED) {
        lanes_withdraw(&queue->lanes, lane);
        lane->state = LANE_BLOCKED;
    }
    return true;
}

int queue_requeue(struct queue *queue, uint64_t seq, uint64_t key, bool replay, int64_t now_usec)
{
    ASSERT(seq <= queue->frontier);
    struct task *task = task_new_in_lane(queue, seq, key, 0, WRITE_RETRY, now_usec);

    if (!task)
        return -ENOMEM;
    task->replay = replay;
    task->has_row = true;
    note_outcome(queue, task, WRITE_RETRY);
    return 0;
}

/* ---- times ---- */

bool queue_is_ready(const struct queue *queue)
{
    return queue->lanes.ready_head != NULL;
}

int64_t queue_next_due(const struct queue *queue)
{
    return lanes_next_due(&queue->lanes);
}

/* ---- out ---- */

/* How far the frontier may go when `first` is the first fresh task that stays above it. */
static uint64_t frontier_below(const struct queue *queue, const struct task *first)
{
    return first ? first->seq - 1 : queue->cursor;
}

bool queue_has_progress(const struct queue *queue)
{
    return frontier_below(queue, queue->fresh_head) > queue->frontier;
}

int queue_plan(struct queue *queue, bool spill, struct queue_plan *ret_plan)
{
    uint64_t reach = spill ? queue->cursor : queue->floor;
    size_t max = queue->n_fresh + queue->n_dirty;
    struct queue_plan plan = {.filtered = queue->filtered_first};
    struct task *task;

    plan.entries = calloc(max > 0 ? max : 1, sizeof(*plan.entries));
    if (!plan.entries)
        return -ENOMEM;

    for (task = queue->dirty_head; task; task = task->dirty_next) {
        if (!task->has_row && task->seq > reach)
            reach = task->seq;
        if (task->write == WRITE_DELIVERED)
            plan.delivered++;
        else if (task->write == WRITE_FILTERED)
            plan.filtered++;
        else if (task->write == WRITE_DROPPED)
            plan.dropped++;
        plan.entries[plan.n++] = (struct queue_entry){task, task->write};
    }
    for (task = queue->fresh_head; task && task->seq <= reach; task = task->fresh_next) {
        plan.filtered += task->filtered_after;
        task->filtered_after = 0;
        if (task->write == WRITE_NOTHING)
            plan.entries[plan.n++] = (struct queue_entry){task, WRITE_NOTHING};
    }
    plan.frontier = frontier_below(queue, task);
    queue->filtered_first = 0;
    queue->dirty_head = NULL;
    queue->dirty_tail = &queue->dirty_head;
    queue->n_dirty = 0;
    *ret_plan = plan;
    return 0;
}

void queue_committed(struct queue *queue, struct queue_plan *plan, int64_t now_usec)
{
    for (size_t i = 0; i < plan->n; i++) {
        struct task *task = plan->entries[i].task;

        if (!task->has_row)
            fresh_remove(queue, task);
        task->has_row = true;
        if (plan->entries[i].write == WRITE_NOTHING)
            continue;
        queue->n_unwritten--;
        if (plan->entries[i].write != WRITE_RETRY) {
            task_free(queue, task);
            continue;
        }
        /* Now that the failure is on disk, the time of the next attempt may come. */
        task->write = WRITE_NOTHING;
        if (task->attempt)
            queue->drop(TAKE(task->attempt));
        if (task->lane->state == LANE_BLOCKED && task->lane->head == task)
            place_lane(queue, task->lane, now_usec);
    }
    queue->frontier = plan->frontier;
    free(plan->entries);
    *plan = (struct queue_plan){0};
}

void queue_returned(struct queue *queue, struct queue_plan *plan)
{
    for (size_t i = 0; i < plan->n; i++) {
        struct task *task = plan->entries[i].task;
        if (plan->entries[i].write != WRITE_NOTHING) {
            if (task->write == WRITE_FILTERED)
                plan->filtered--;
            dirty_append(queue, task);
        }
    }
    queue->filtered_first += plan->filtered;
    queue->floor = plan->frontier;
    free(plan->entries);
    *plan = (struct queue_plan){0};
}
