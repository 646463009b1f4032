/*
 * Hashes: the published values of FNV-1a and SplitMix64, and no lump in the low bits.
 */

#include "util/cleanup.h"
#include "util/hash.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* SplitMix64 adds 0x9e3779b97f4a7c15 and mixes: these are its first three outputs from seed 0. */
START_TEST(test_mix_published)
{
    const uint64_t gamma = UINT64_C(0x9e3779b97f4a7c15);

    ck_assert_uint_eq(hash_u64(gamma), UINT64_C(0xe220a8397b1dcdaf));
    ck_assert_uint_eq(hash_u64(2 * gamma), UINT64_C(0x6e789e6aa1b965f4));
    ck_assert_uint_eq(hash_u64(3 * gamma), UINT64_C(0x06c45d188009454f));
}
END_TEST

/* FNV-1a's own test values, before the mix. */
START_TEST(test_fnv_published)
{
    ck_assert_uint_eq(hash_bytes("", 0), hash_u64(UINT64_C(0xcbf29ce484222325)));
    ck_assert_uint_eq(hash_bytes("a", 1), hash_u64(UINT64_C(0xaf63dc4c8601ec8c)));
    ck_assert_uint_eq(hash_bytes("foobar", 6), hash_u64(UINT64_C(0x85944171f73967e8)));
}
END_TEST

START_TEST(test_length_counts)
{
    ck_assert_uint_ne(hash_bytes("a\0", 2), hash_bytes("a", 1));
    ck_assert_uint_ne(hash_bytes("\0", 1), hash_bytes("", 0));
    ck_assert_uint_eq(hash_bytes("ab", 1), hash_bytes("a", 1));
}
END_TEST

/* 64,000 job ids in a row over 64 buckets: each gets its thousand, give or take 20 %. */
START_TEST(test_spread)
{
    unsigned buckets[64] = {0};

    for (unsigned i = 0; i < 64000; i++) {
        char text[16];
        int length = snprintf(text, sizeof(text), "job-%u", i);

        buckets[hash_bytes(text, (size_t)length) & 63]++;
    }
    for (size_t i = 0; i < ARRAY_SIZE(buckets); i++) {
        ck_assert_uint_gt(buckets[i], 800);
        ck_assert_uint_lt(buckets[i], 1200);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("util_hash");
    TCase *core = tcase_create("core");
    TCase *limits = tcase_create("limits");
    SRunner *runner;
    int failed;

    tcase_add_test(core, test_mix_published);
    tcase_add_test(core, test_fnv_published);
    tcase_add_test(core, test_spread);
    tcase_add_test(limits, test_length_counts);
    suite_add_tcase(suite, core);
    suite_add_tcase(suite, limits);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
