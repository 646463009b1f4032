/*
 * Words of eight bytes: what is found, and at which place, for every byte at every place.
 */

#include "util/cleanup.h"
#include "util/word.h"

#include <check.h>
#include <stdbool.h>
#include <stdlib.h>

/* Bytes beside the one that is looked for: those next to the bounds, and what borrows and carries
 * may spoil. */
static const unsigned char others[] = {0x20, 0x21, 0x23, 0x7e, 0x80, 0xa0, 0xff};

static void check(const char *what, uint64_t found, bool want, size_t place, int byte)
{
    ck_assert_msg((found != 0) == want, "%s: byte %d at %zu", what, byte, place);
    if (want)
        ck_assert_msg(word_first(found) == place, "%s: byte %d at %zu", what, byte, place);
}

/* One byte among seven that are not looked for. */
START_TEST(test_finds_every_byte)
{
    for (size_t place = 0; place < WORD_SIZE; place++) {
        for (int byte = 0; byte < 256; byte++) {
            unsigned char text[WORD_SIZE];
            uint64_t word;

            memset(text, others[_i], sizeof(text));
            text[place] = (unsigned char)byte;
            word = word_load(text);
            check("below", word_find_below(word, 0x20), byte < 0x20, place, byte);
            check("equal", word_find(word, 0x22), byte == 0x22, place, byte);
            check("DEL", word_find(word, 0x7f), byte == 0x7f, place, byte);
            if (others[_i] < 0x80)
                check("high", word_find_high(word), byte >= 0x80, place, byte);
        }
    }
}
END_TEST

/* Of two the first, whichever it is, also when results are joined. */
START_TEST(test_finds_the_first)
{
    for (size_t place = 0; place < WORD_SIZE; place++) {
        for (size_t other = place + 1; other < WORD_SIZE; other++) {
            static const unsigned char wanted[] = {0x00, 0x1f, 0x22, 0x7f, 0x80};

            for (size_t i = 0; i < ARRAY_SIZE(wanted) * ARRAY_SIZE(wanted); i++) {
                unsigned char text[WORD_SIZE + 1] = "!!!!!!!!";
                uint64_t word;

                text[place + 1] = wanted[i % ARRAY_SIZE(wanted)];
                text[other + 1] = wanted[i / ARRAY_SIZE(wanted)];
                word = word_load(text + 1); /* at an odd address */
                check("joined",
                    word_find_below(word, 0x20) | word_find(word, 0x22) | word_find(word, 0x7f) |
                        word_find_high(word),
                    true, place, text[place + 1]);
            }
        }
    }
}
END_TEST

START_TEST(test_limit)
{
    ck_assert_uint_eq(word_find_below(WORD_OF(0x7f), 0x7f), 0);
    ck_assert_uint_eq(word_find_below(WORD_OF(0x7f), 0x80), WORD_OF(0x80));
    ck_assert_uint_eq(word_find_below(WORD_OF(0xff), 0x80), 0);
    ck_assert_uint_eq(word_find_below(WORD_OF(0), 1), WORD_OF(0x80));
    ck_assert_uint_eq(word_find_below(WORD_OF(1), 1), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("util_word");
    TCase *core = tcase_create("core");
    TCase *limits = tcase_create("limits");
    SRunner *runner;
    int failed;

    tcase_add_loop_test(core, test_finds_every_byte, 0, ARRAY_SIZE(others));
    tcase_add_test(core, test_finds_the_first);
    tcase_add_test(limits, test_limit);
    suite_add_tcase(suite, core);
    suite_add_tcase(suite, limits);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
