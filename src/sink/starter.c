#include "sink/starter.h"

/*
 * Starting programs on threads of their own. See starter.h for the contract.
 *
 * A thread that starts a program sleeps most of that time, and its child needs a processor. So
 * there is one for each processor at most, made when more is posted than threads are free for; a
 * sink whose hooks run one after the other never has a second.
 */

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>

struct starter_thread {
    struct starter *starter;
    struct spawner *spawner;
    pthread_t id;
};

struct starter {
    starter_done_fn on_done;
    struct mailbox done; /* posted by the threads, taken by the loop */
    sd_event_source *done_source;

    pthread_mutex_t lock;
    pthread_cond_t posted_or_stopping;
    struct mailbox_list posted; /* under lock */
    size_t n_undone;            /* in the list, or with a thread; under lock */
    bool stopping;              /* under lock */

    struct starter_thread threads[STARTER_THREADS_MAX];
    size_t n_threads, max_threads;
};

/* ---- the threads ---- */

/* NULL: stop. */
static struct start *take(struct starter *starter)
{
    struct mailbox_item *item;

    pthread_mutex_lock(&starter->lock);
    while (!starter->posted.first && !starter->stopping)
        pthread_cond_wait(&starter->posted_or_stopping, &starter->lock);
    item = starter->posted.first;
    if (item)
        starter->posted.first = item->next;
    pthread_mutex_unlock(&starter->lock);
    return item ? MAILBOX_CONTAINER(item, struct start, item) : NULL;
}

static void give_back(struct starter *starter, struct start *start)
{
    pthread_mutex_lock(&starter->lock);
    starter->n_undone--;
    pthread_mutex_unlock(&starter->lock);
    mailbox_post(&starter->done, &start->item);
}

static void *run(void *context)
{
    struct starter_thread *thread = context;
    struct start *start;

    while ((start = take(thread->starter))) {
        start->result = spawner_start(thread->spawner, &start->program, &start->pid, &start->pidfd);
        give_back(thread->starter, start);
    }
    return NULL;
}

static int add_thread(struct starter *starter)
{
    struct starter_thread *thread = &starter->threads[starter->n_threads];
    sigset_t all, before;
    int r;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    r = pthread_create(&thread->id, NULL, run, thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (r != 0)
        return -r;
    (void)pthread_setname_np(thread->id, "hook-starter");
    starter->n_threads++;
    return 0;
}

static void stop_threads(struct starter *starter)
{
    pthread_mutex_lock(&starter->lock);
    ASSERT(starter->n_undone == 0);
    starter->stopping = true;
    pthread_mutex_unlock(&starter->lock);
    pthread_cond_broadcast(&starter->posted_or_stopping);
    for (size_t i = 0; i < starter->n_threads; i++)
        pthread_join(starter->threads[i].id, NULL);
}

/* ---- the loop ---- */

static int on_done(sd_event_source *source, int fd, uint32_t events, void *context)
{
    struct starter *starter = context;
    struct mailbox_item *item, *next;

    for (item = mailbox_take(&starter->done); item; item = next) {
        next = item->next;
        starter->on_done(MAILBOX_CONTAINER(item, struct start, item));
    }
    return 0;
}

static int make_spawners(struct starter *starter)
{
    for (size_t i = 0; i < starter->max_threads; i++) {
        struct starter_thread *thread = &starter->threads[i];
        int r = spawner_new(&thread->spawner);

        if (r < 0)
            return r;
        thread->starter = starter;
    }
    return 0;
}

static size_t count_processors(void)
{
    cpu_set_t set;

    /* It fails where there are more than the set can hold. */
    return sched_getaffinity(0, sizeof(set), &set) == 0 ? (size_t)CPU_COUNT(&set) : CPU_SETSIZE;
}

int starter_new(
    sd_event *event, starter_done_fn done, struct starter **ret_starter, struct error *error)
{
    CLEANUP(free) struct starter *memory = calloc(1, sizeof(*memory));
    CLEANUP(starter_free) struct starter *starter = NULL;
    int r;

    if (!memory)
        return error_set(error, ENOMEM, "out of memory");
    r = mailbox_init(&memory->done, error);
    if (r < 0)
        return r;
    pthread_mutex_init(&memory->lock, NULL);
    pthread_cond_init(&memory->posted_or_stopping, NULL);
    memory->on_done = done;
    memory->max_threads = count_processors();
    if (memory->max_threads > STARTER_THREADS_MAX)
        memory->max_threads = STARTER_THREADS_MAX;
    starter = TAKE(memory); /* from here on starter_free can have it */

    r = sd_event_add_io(event, &starter->done_source, starter->done.fd, EPOLLIN, on_done, starter);
    if (r >= 0)
        r = make_spawners(starter);
    if (r >= 0)
        r = add_thread(starter);
    if (r < 0)
        return error_errno(error, -r, "cannot prepare to start hooks");
    *ret_starter = TAKE(starter);
    return 0;
}

void starter_free(struct starter *starter)
{
    if (!starter)
        return;
    stop_threads(starter);
    for (size_t i = 0; i < starter->max_threads; i++)
        spawner_free(starter->threads[i].spawner);
    sd_event_source_disable_unref(starter->done_source);
    mailbox_done(&starter->done);
    pthread_cond_destroy(&starter->posted_or_stopping);
    pthread_mutex_destroy(&starter->lock);
    free(starter);
}

void starter_post(struct starter *starter, struct start *start)
{
    bool is_short;

    pthread_mutex_lock(&starter->lock);
    mailbox_list_add(&starter->posted, &start->item);
    is_short = ++starter->n_undone > starter->n_threads;
    pthread_mutex_unlock(&starter->lock);
    pthread_cond_signal(&starter->posted_or_stopping);
    if (is_short && starter->n_threads < starter->max_threads)
        (void)add_thread(starter); /* without it, it takes longer */
}

void starter_withdraw(struct starter *starter)
{
    struct mailbox_item *item, *next;

    pthread_mutex_lock(&starter->lock);
    item = TAKE(starter->posted.first);
    pthread_mutex_unlock(&starter->lock);
    for (; item; item = next) {
        struct start *start = MAILBOX_CONTAINER(item, struct start, item);

        next = item->next;
        start->result = -ECANCELED;
        give_back(starter, start);
    }
}
