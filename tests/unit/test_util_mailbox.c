/*
 * Mailboxes: nothing is lost, order is kept, one wake-up a run of posts. To be run under the
 * thread sanitizer as well.
 */

#include "util/cleanup.h"
#include "util/mailbox.h"

#include <check.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>

#define POSTERS 4
#define POSTS 20000

struct letter {
    unsigned poster;
    struct mailbox_item item; /* not first, so that MAILBOX_CONTAINER is put to the test */
    unsigned number;
};

static struct mailbox mailbox;

static bool is_readable(void)
{
    struct pollfd fd = {mailbox.fd, POLLIN, 0};

    return poll(&fd, 1, 0) == 1;
}

START_TEST(test_order)
{
    struct letter letters[3] = {{.number = 1}, {.number = 2}, {.number = 3}};
    struct mailbox_item *item;
    unsigned want = 1;

    ck_assert_int_eq(mailbox_init(&mailbox, NULL), 0);
    ck_assert_ptr_null(mailbox_take(&mailbox));
    for (size_t i = 0; i < ARRAY_SIZE(letters); i++)
        mailbox_post(&mailbox, &letters[i].item);
    for (item = mailbox_take(&mailbox); item; item = item->next)
        ck_assert_uint_eq(MAILBOX_CONTAINER(item, struct letter, item)->number, want++);
    ck_assert_uint_eq(want, 4);
    ck_assert_ptr_null(mailbox_take(&mailbox));

    /* A letter may be sent again; its old neighbour does not come along. */
    mailbox_post(&mailbox, &letters[0].item);
    item = mailbox_take(&mailbox);
    ck_assert_ptr_eq(item, &letters[0].item);
    ck_assert_ptr_null(item->next);
    mailbox_done(&mailbox);
    ck_assert_int_eq(mailbox.fd, -1);
}
END_TEST

START_TEST(test_wakeups)
{
    struct letter letters[2] = {{.number = 1}, {.number = 2}};
    uint64_t count = 0;

    ck_assert_int_eq(mailbox_init(&mailbox, NULL), 0);
    ck_assert(!is_readable());
    mailbox_wake(&mailbox);
    ck_assert(is_readable());
    ck_assert_ptr_null(mailbox_take(&mailbox));
    ck_assert(!is_readable());

    mailbox_post(&mailbox, &letters[0].item);
    ck_assert(is_readable());
    mailbox_post(&mailbox, &letters[1].item);
    ck_assert_int_eq(read(mailbox.fd, &count, sizeof(count)), sizeof(count));
    ck_assert_uint_eq(count, 1); /* one for the run */
    ck_assert_ptr_nonnull(mailbox_take(&mailbox));
    ck_assert(!is_readable());
    mailbox_done(&mailbox);
}
END_TEST

START_TEST(test_list)
{
    struct letter letters[4] = {{.number = 1}, {.number = 2}, {.number = 3}, {.number = 4}};
    struct mailbox_list list = {NULL};
    struct mailbox_item *item;
    uint64_t count = 0;
    unsigned want = 1;

    ck_assert_int_eq(mailbox_init(&mailbox, NULL), 0);
    mailbox_post_list(&mailbox, &list); /* nothing to post, nobody to wake */
    ck_assert(!is_readable());

    mailbox_list_add(&list, &letters[0].item);
    mailbox_list_add(&list, &letters[1].item);
    mailbox_list_add(&list, &letters[2].item);
    mailbox_post_list(&mailbox, &list);
    ck_assert_ptr_null(list.first);
    mailbox_list_add(&list, &letters[3].item); /* as good as new */
    mailbox_post_list(&mailbox, &list);
    ck_assert_int_eq(read(mailbox.fd, &count, sizeof(count)), sizeof(count));
    ck_assert_uint_eq(count, 1);
    for (item = mailbox_take(&mailbox); item; item = item->next)
        ck_assert_uint_eq(MAILBOX_CONTAINER(item, struct letter, item)->number, want++);
    ck_assert_uint_eq(want, 5);
    mailbox_done(&mailbox);
}
END_TEST

static void *post_all(void *context)
{
    const unsigned *poster = context;

    for (unsigned i = 0; i < POSTS; i++) {
        struct letter *letter = malloc(sizeof(*letter));

        if (!letter)
            abort();
        letter->poster = *poster;
        letter->number = i;
        mailbox_post(&mailbox, &letter->item);
        if (i % 1000 == 0)
            mailbox_wake(&mailbox);
    }
    return NULL;
}

/* The taker sleeps in poll() without a time limit: a lost wake-up would hang the test. */
START_TEST(test_threads)
{
    unsigned names[POSTERS];
    unsigned next[POSTERS] = {0};
    pthread_t threads[POSTERS];
    unsigned total = 0;

    ck_assert_int_eq(mailbox_init(&mailbox, NULL), 0);
    for (unsigned i = 0; i < POSTERS; i++) {
        names[i] = i;
        ck_assert_int_eq(pthread_create(&threads[i], NULL, post_all, &names[i]), 0);
    }
    while (total < POSTERS * POSTS) {
        struct pollfd fd = {mailbox.fd, POLLIN, 0};
        struct mailbox_item *item;

        ck_assert_int_eq(poll(&fd, 1, -1), 1);
        item = mailbox_take(&mailbox);
        while (item) {
            struct letter *letter = MAILBOX_CONTAINER(item, struct letter, item);

            item = item->next;
            ck_assert_uint_eq(letter->number, next[letter->poster]);
            next[letter->poster]++;
            total++;
            free(letter);
        }
    }
    for (unsigned i = 0; i < POSTERS; i++)
        pthread_join(threads[i], NULL);
    ck_assert_ptr_null(mailbox_take(&mailbox));
    mailbox_done(&mailbox);
}
END_TEST

START_TEST(test_done_with_letters)
{
    struct letter letter = {.number = 1};

    ck_assert_int_eq(mailbox_init(&mailbox, NULL), 0);
    mailbox_post(&mailbox, &letter.item);
    mailbox_done(&mailbox); /* our own bug: aborts */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("util_mailbox");
    TCase *core = tcase_create("core");
    TCase *limits = tcase_create("limits");
    TCase *errors = tcase_create("errors");
    SRunner *runner;
    int failed;

    tcase_add_test(core, test_order);
    tcase_add_test(core, test_wakeups);
    tcase_add_test(core, test_list);
    tcase_add_test(limits, test_threads);
    tcase_add_test_raise_signal(errors, test_done_with_letters, SIGABRT);
    tcase_set_timeout(limits, 60);
    suite_add_tcase(suite, core);
    suite_add_tcase(suite, limits);
    suite_add_tcase(suite, errors);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
