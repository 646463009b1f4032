/*
 * The index's pure parts: entries, blocks, summaries, what is in memory, and which runs are merged.
 */

#include "store/index_recent.h"
#include "store/sqlite_index.h"

#include "util/hash.h"

#include "failing_malloc.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct digest digest_of(uint64_t number)
{
    uint64_t words[2] = {hash_u64(number), hash_u64(number ^ UINT64_MAX)};
    struct digest digest;

    memcpy(digest.bytes, words, sizeof(digest.bytes));
    return digest;
}

/* Number's own id; its job and time as given. */
static struct delivery delivery_of(uint64_t number, const char *job_id, int64_t updated_at_usec)
{
    return (struct delivery){
        .id_digest = digest_of(number),
        .body_digest = digest_of(number + 1000000),
        .job_id = job_id,
        .endpoint = "main",
        .updated_at_usec = updated_at_usec,
    };
}

static int compare(const void *a, const void *b)
{
    return index_entry_compare(a, b);
}

/* ---- entries ---- */

START_TEST(test_an_entry_says_what_went_in)
{
    struct delivery delivery = delivery_of(7, "job", -5);
    struct index_entry id = index_entry_of_id(&delivery, 123456789), job;

    delivery.terminal = true;
    job = index_entry_of_job(&delivery, 123456789);
    ck_assert_int_eq(index_entry_kind(&id), INDEX_ID);
    ck_assert_int_eq(index_entry_kind(&job), INDEX_JOB);
    ck_assert_uint_eq(index_entry_seq(&id), 123456789);
    ck_assert_uint_eq(index_entry_seq(&job), 123456789);
    ck_assert(index_entry_has_body(&id, &delivery.body_digest));
    for (size_t byte = 0; byte < DIGEST_SIZE; byte++) {
        struct digest other = delivery.body_digest;

        other.bytes[byte] ^= 1;
        ck_assert(!index_entry_has_body(&id, &other));
    }
    ck_assert_int_eq(index_entry_updated_at(&job), -5);
    ck_assert(index_entry_terminal(&job));
}
END_TEST

START_TEST(test_order_puts_the_newest_of_a_job_first)
{
    struct delivery old = delivery_of(1, "job", -1), new = delivery_of(2, "job", 1), final = new;
    struct index_entry entries[3];

    final.terminal = true;
    entries[0] = index_entry_of_job(&old, 1);
    entries[1] = index_entry_of_job(&new, 2);
    entries[2] = index_entry_of_job(&final, 3);
    qsort(entries, 3, sizeof(entries[0]), compare);
    ck_assert_uint_eq(index_entry_seq(&entries[0]), 3);
    ck_assert_uint_eq(index_entry_seq(&entries[1]), 2);
    ck_assert_uint_eq(index_entry_seq(&entries[2]), 1);
}
END_TEST

/* An id that was forgotten and came again has two entries until the first is left out. */
START_TEST(test_the_latest_of_an_id_is_found)
{
    struct delivery delivery = delivery_of(7, "job", 0);
    struct index_entry first = index_entry_of_id(&delivery, 1);
    struct index_entry again = index_entry_of_id(&delivery, 2);
    struct index_entry other;
    struct index_recent recent;
    struct index_frozen frozen;

    delivery.body_digest = digest_of(_i);
    other = index_entry_of_id(&delivery, 3);
    ck_assert_int_eq(index_recent_init(&recent, 3), 0);
    index_recent_add(&recent, &first);
    index_recent_add(&recent, &again);
    ck_assert_int_lt(index_entry_compare(&again, &first), 0);
    ck_assert_int_lt(index_entry_compare(&other, &again), 0);
    index_recent_add(&recent, &other);
    ck_assert_uint_eq(index_entry_seq(index_recent_find(&recent, &first.key, INDEX_ID)), 3);
    ck_assert_int_eq(index_recent_freeze(&recent, &frozen), 0);
    ck_assert_uint_eq(index_entry_seq(index_frozen_find(&frozen, &first.key, INDEX_ID)), 3);
    index_frozen_done(&frozen);
    index_recent_done(&recent);
}
END_TEST

/* ---- blocks ---- */

static size_t make_entries(struct index_entry *entries, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct delivery delivery = delivery_of(i, "job", 0);

        entries[i] = index_entry_of_id(&delivery, i + 1);
    }
    qsort(entries, n, sizeof(entries[0]), compare);
    return n;
}

START_TEST(test_a_block_comes_back)
{
    static const size_t sizes[] = {1, 2, 99, INDEX_BLOCK_ENTRIES};
    struct index_entry entries[INDEX_BLOCK_ENTRIES], got[INDEX_BLOCK_ENTRIES];
    unsigned char data[INDEX_BLOCK_SIZE_MAX];
    size_t n = make_entries(entries, sizes[_i]);
    size_t size = index_block_encode(entries, n, data);

    ck_assert_uint_eq(index_block_decode(data, size, got), n);
    ck_assert_mem_eq(got, entries, n * sizeof(entries[0]));
    ck_assert_uint_le(INDEX_BLOCK_SIZE_MAX, 4057);
    ck_assert_uint_le(INDEX_SUMMARIES_SIZE_MAX, 4057);
}
END_TEST

START_TEST(test_a_damaged_block_is_none)
{
    struct index_entry entries[3], got[INDEX_BLOCK_ENTRIES];
    unsigned char data[INDEX_BLOCK_SIZE_MAX];
    size_t size = index_block_encode(entries, make_entries(entries, 3), data);

    for (size_t bit = 0; bit < 8 * size; bit++) {
        data[bit / 8] ^= (unsigned char)(1u << bit % 8);
        ck_assert_uint_eq(index_block_decode(data, size, got), 0);
        data[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    for (size_t cut = 0; cut < size; cut++)
        ck_assert_uint_eq(index_block_decode(data, cut, got), 0);
    ck_assert_uint_eq(index_block_decode(data, INDEX_BLOCK_SIZE_MAX + INDEX_ENTRY_SIZE, got), 0);
    ck_assert_uint_eq(index_block_decode(data, size, got), 3);
}
END_TEST

START_TEST(test_filters_let_few_strangers_pass)
{
    struct index_entry entries[INDEX_BLOCK_ENTRIES];
    struct index_summary summary, got[INDEX_SUMMARIES];
    struct index_filter second;
    unsigned char data[INDEX_SUMMARIES_SIZE_MAX];
    size_t n = make_entries(entries, INDEX_BLOCK_ENTRIES);
    size_t passed_first = 0, passed_second = 0, passed_both = 0;

    summary = index_summarise(entries, n);
    second = index_second_filter(entries, n);
    ck_assert_uint_eq(summary.first_hi, entries[0].key.hi);
    for (size_t i = 0; i < n; i++) {
        struct index_filter_bits bits = index_filter_bits(&entries[i].key);

        ck_assert(index_filter_may_have(&summary.filter, bits.first));
        ck_assert(index_filter_may_have(&second, bits.second));
    }
    for (uint64_t i = 0; i < 100000; i++) {
        struct digest digest = digest_of(i + 5000);
        struct index_key key = index_key_of_id(&digest);
        struct index_filter_bits bits = index_filter_bits(&key);
        bool passes_first = index_filter_may_have(&summary.filter, bits.first);
        bool passes_second = index_filter_may_have(&second, bits.second);

        passed_first += passes_first;
        passed_second += passes_second;
        passed_both += passes_first && passes_second;
    }
    ck_assert_uint_lt(passed_first, 1500); /* 0.8 % are expected */
    ck_assert_uint_lt(passed_second, 1500);
    ck_assert_uint_lt(passed_both, 40); /* 0.006 %: they know nothing of each other */

    ck_assert_uint_eq(
        index_summaries_decode(data, index_summaries_encode(&summary, 1, data), got), 1);
    ck_assert_mem_eq(&got[0], &summary, sizeof(summary));
    data[20] ^= 1;
    ck_assert_uint_eq(index_summaries_decode(data, 8 + INDEX_SUMMARY_SIZE, got), 0);
}
END_TEST

/* ---- recent and frozen ---- */

#define N_RECENT 3000
#define N_JOBS 50

static void add(struct index_recent *recent, uint64_t number, uint64_t seq)
{
    char job_id[16];
    struct delivery delivery;
    struct index_entry entry;

    snprintf(job_id, sizeof(job_id), "%u", (unsigned int)(number % N_JOBS));
    delivery = delivery_of(number, job_id, (int64_t)(hash_u64(number) % 1000));
    entry = index_entry_of_id(&delivery, seq);
    index_recent_add(recent, &entry);
    entry = index_entry_of_job(&delivery, seq);
    index_recent_add(recent, &entry);
}

static const struct index_entry *find_id(const struct index_recent *recent, uint64_t number)
{
    struct digest digest = digest_of(number);
    struct index_key key = index_key_of_id(&digest);

    return index_recent_find(recent, &key, INDEX_ID);
}

/* The newest of the job among the first n numbers. */
static int64_t newest_of(unsigned int job, uint64_t n)
{
    int64_t newest = -1;

    for (uint64_t i = job; i < n; i += N_JOBS)
        if ((int64_t)(hash_u64(i) % 1000) > newest)
            newest = (int64_t)(hash_u64(i) % 1000);
    return newest;
}

static void check_recent(const struct index_recent *recent, uint64_t n)
{
    for (uint64_t i = 0; i < N_RECENT; i++) {
        const struct index_entry *entry = find_id(recent, i);

        ck_assert((entry != NULL) == (i < n));
        if (entry)
            ck_assert_uint_eq(index_entry_seq(entry), i + 1);
    }
    for (unsigned int job = 0; job < N_JOBS; job++) {
        char job_id[16];
        const struct index_entry *entry;
        struct index_key key;

        snprintf(job_id, sizeof(job_id), "%u", job);
        key = index_key_of_job(job_id, "main");
        entry = index_recent_find(recent, &key, INDEX_JOB);
        ck_assert_int_eq(entry ? index_entry_updated_at(entry) : -1, newest_of(job, n));
        key = index_key_of_job(job_id, "other");
        ck_assert_ptr_null(index_recent_find(recent, &key, INDEX_JOB));
    }
}

START_TEST(test_what_is_taken_back_was_never_there)
{
    static const uint64_t marks[] = {0, 1, 700, 699, 1500, 3, 2999};
    struct index_recent recent;

    ck_assert_int_eq(index_recent_init(&recent, 2 * N_RECENT), 0);
    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
        while (recent.n < 2 * N_RECENT)
            add(&recent, recent.n / 2, recent.n / 2 + 1);
        index_recent_truncate(&recent, 2 * marks[i]);
        check_recent(&recent, marks[i]);
    }
    index_recent_done(&recent);
}
END_TEST

START_TEST(test_freezing_sorts_and_begins_anew)
{
    struct index_recent recent;
    struct index_frozen frozen;

    ck_assert_int_eq(index_recent_init(&recent, 2 * N_RECENT), 0);
    for (uint64_t i = 0; i < N_RECENT; i++)
        add(&recent, i, i + 1);
    ck_assert_int_eq(index_recent_freeze(&recent, &frozen), 0);
    check_recent(&recent, 0);
    ck_assert_uint_eq(frozen.n, 2 * N_RECENT);
    for (size_t i = 1; i < frozen.n; i++)
        ck_assert_int_lt(index_entry_compare(&frozen.entries[i - 1], &frozen.entries[i]), 0);
    for (uint64_t i = 0; i < N_RECENT; i++) {
        struct digest digest = digest_of(i);
        struct index_key key = index_key_of_id(&digest);

        ck_assert_uint_eq(index_entry_seq(index_frozen_find(&frozen, &key, INDEX_ID)), i + 1);
        ck_assert_ptr_null(index_frozen_find(&frozen, &key, INDEX_JOB));
    }
    for (unsigned int job = 0; job < N_JOBS; job++) {
        struct index_key key;
        char job_id[16];

        snprintf(job_id, sizeof(job_id), "%u", job);
        key = index_key_of_job(job_id, "main");
        ck_assert_int_eq(index_entry_updated_at(index_frozen_find(&frozen, &key, INDEX_JOB)),
            newest_of(job, N_RECENT));
    }
    for (uint64_t i = 0; i < N_RECENT / 3; i++)
        add(&recent, i, i + 1);
    check_recent(&recent, N_RECENT / 3);
    index_frozen_done(&frozen);
    index_recent_done(&recent);
}
END_TEST

START_TEST(test_freezing_without_memory_changes_nothing)
{
    struct index_recent recent;
    struct index_frozen frozen;
    long live;

    if (!failing_malloc_works())
        return;
    ck_assert_int_eq(index_recent_init(&recent, 2 * N_RECENT), 0);
    for (uint64_t i = 0; i < N_RECENT; i++)
        add(&recent, i, i + 1);
    live = failing_malloc_live;
    for (unsigned int n = 1; n <= 2; n++) {
        failing_malloc_in = n;
        ck_assert_int_eq(index_recent_freeze(&recent, &frozen), -ENOMEM);
        failing_malloc_in = 0;
        ck_assert_int_eq(failing_malloc_live, live);
        check_recent(&recent, N_RECENT);
    }
    ck_assert_int_eq(index_recent_freeze(&recent, &frozen), 0);
    ck_assert_uint_eq(frozen.n, 2 * N_RECENT);
    index_frozen_done(&frozen);
    index_recent_done(&recent);
}
END_TEST

/* An id and a job can have the same key, and slots of others lie between. */
START_TEST(test_an_id_and_a_job_of_one_key_are_told_apart)
{
    for (uint64_t round = 0; round < 100; round++) {
        struct index_recent recent;
        struct index_frozen frozen;

        ck_assert_int_eq(index_recent_init(&recent, 32), 0);
        for (uint64_t i = 0; i < 16; i++) {
            struct delivery delivery = delivery_of(100 * round + i, "job", 0);
            struct index_entry id = index_entry_of_id(&delivery, i + 1);
            struct index_entry job = index_entry_of_job(&delivery, i + 101);

            job.key = id.key;
            ck_assert_int_lt(index_entry_compare(&id, &job), 0);
            ck_assert_int_gt(index_entry_compare(&job, &id), 0);
            index_recent_add(&recent, i % 2 == 0 ? &job : &id);
            index_recent_add(&recent, i % 2 == 0 ? &id : &job);
        }
        for (uint64_t i = 0; i < 16; i++) {
            struct digest digest = digest_of(100 * round + i);
            struct index_key key = index_key_of_id(&digest);

            ck_assert_uint_eq(index_entry_seq(index_recent_find(&recent, &key, INDEX_ID)), i + 1);
            ck_assert_uint_eq(
                index_entry_seq(index_recent_find(&recent, &key, INDEX_JOB)), i + 101);
        }
        ck_assert_int_eq(index_recent_freeze(&recent, &frozen), 0);
        for (uint64_t i = 0; i < 16; i++) {
            struct digest digest = digest_of(100 * round + i);
            struct index_key key = index_key_of_id(&digest);

            ck_assert_uint_eq(index_entry_seq(index_frozen_find(&frozen, &key, INDEX_ID)), i + 1);
            ck_assert_uint_eq(
                index_entry_seq(index_frozen_find(&frozen, &key, INDEX_JOB)), i + 101);
        }
        index_frozen_done(&frozen);
        index_recent_done(&recent);
    }
}
END_TEST

/* ---- which runs are merged ---- */

/* As many entries as a flush writes. */
#define F (2 * (uint64_t)INDEX_FREEZE)

#define RUNS_MAX 16

static const struct merge_row {
    uint64_t entries[RUNS_MAX]; /* of the runs, oldest first; 0 ends */
    uint64_t pruned, forgotten;
    size_t want_first, want_n;
} merge_rows[] = {
    {{0}, 0, 0, 0, 0},
    {{F, F, F, F, F, F, F}, 0, 0, 0, 0},
    {{F, F, F, F, F, F, F, F}, 0, 0, 0, 8},
    {{8 * F, F, F, F, F, F, F, F}, 0, 0, 0, 0},
    {{8 * F, F, 2, F, F, F, F, F, F}, 0, 0, 1, 8},
    {{8 * F, 8 * F, 8 * F, 8 * F, 8 * F, 8 * F, 8 * F, 8 * F}, 0, 0, 0, 8},
    {{8 * F, 8 * F, 8 * F, 8 * F, 8 * F, 8 * F, 8 * F, 8 * F, F, F, F, F, F, F, F, F}, 0, 0, 8, 8},
    {{512 * F, 8 * F, 8 * F, 8 * F, 8 * F, 8 * F, 8 * F, 8 * F, F}, 0, 0, 0, 0},
    {{512 * F, 8 * F, 8 * F, F, 8 * F, 8 * F, 8 * F, 8 * F, 8 * F, 8 * F, 2}, 0, 0, 1, 10},
    /* What would not fit into a run stays. */
    {{7000 * F, 7000 * F, 7000 * F, 7000 * F, 7000 * F, 7000 * F, 7000 * F, 7000 * F}, 0, 0, 0, 7},
    {{30000 * F, 30000 * F, 30000 * F, 30000 * F, 30000 * F, 30000 * F, 30000 * F, 30000 * F}, 0, 0,
        0, 0},
    /* Runs are of seqs 1 to 1000, 1001 to 2000 and so on; half of the entries are ids. */
    {{F, F}, 100, 0, 0, 0},
    {{F, F}, 1000, 0, 0, 1},
    {{4 * F, F}, 1000, 1000, 0, 1},
    {{F, F}, 0, 1600, 0, 1},
};

START_TEST(test_choose_merge)
{
    const struct merge_row *row = &merge_rows[_i];
    struct index_run runs[RUNS_MAX] = {{0}};
    size_t n_runs = 0, got_n, got_first;

    for (; n_runs < RUNS_MAX && row->entries[n_runs] > 0; n_runs++)
        runs[n_runs] = (struct index_run){
            .n_entries = row->entries[n_runs],
            .n_ids = row->entries[n_runs] / 2,
            .first_seq = n_runs * 1000 + 1,
            .last_seq = n_runs * 1000 + 1000,
        };
    got_first = index_choose_merge(runs, n_runs, row->pruned, row->forgotten, &got_n);
    ck_assert_uint_eq(got_n, row->want_n);
    if (got_n > 0)
        ck_assert_uint_eq(got_first, row->want_first);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("index");
    TCase *core = tcase_create("core"), *errors = tcase_create("errors");
    SRunner *runner;
    int failed;

    tcase_add_test(core, test_an_entry_says_what_went_in);
    tcase_add_test(core, test_order_puts_the_newest_of_a_job_first);
    tcase_add_loop_test(core, test_the_latest_of_an_id_is_found, 0, 8);
    tcase_add_loop_test(core, test_a_block_comes_back, 0, 4);
    tcase_add_test(core, test_filters_let_few_strangers_pass);
    tcase_add_test(core, test_what_is_taken_back_was_never_there);
    tcase_add_test(core, test_freezing_sorts_and_begins_anew);
    tcase_add_test(errors, test_freezing_without_memory_changes_nothing);
    tcase_add_test(core, test_an_id_and_a_job_of_one_key_are_told_apart);
    tcase_add_loop_test(
        core, test_choose_merge, 0, (int)(sizeof(merge_rows) / sizeof(merge_rows[0])));
    tcase_add_test(errors, test_a_damaged_block_is_none);
    suite_add_tcase(suite, core);
    suite_add_tcase(suite, errors);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
