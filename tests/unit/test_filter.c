/* A sink's filter. */

#include "dispatch/filter.h"

#include <check.h>
#include <stdlib.h>

static const char *const none[] = {NULL};
static const char *const completed[] = {"completed", NULL};
static const char *const final[] = {"completed", "failed", NULL};
static const char *const embed[] = {"embed-signature", NULL};
static const char *const lookup[] = {"lookup-signature", NULL};
static const char *const other[] = {"other", NULL};
static const char *const main_only[] = {"main", NULL};
static const char *const prefix[] = {"complete", "completed ", "Completed", NULL};

static const struct {
    const char *const *statuses, *const *types, *const *endpoints;
    bool skip_stale, stale;
    const char *want; /* the key that leaves it out */
} rows[] = {
    {NULL, NULL, NULL, false, false, NULL},
    {none, none, none, false, false, NULL},
    {completed, NULL, NULL, false, false, NULL},
    {final, embed, main_only, false, false, NULL},
    {NULL, lookup, NULL, false, false, "types"},
    {NULL, NULL, other, false, false, "endpoints"},
    {other, NULL, NULL, false, false, "statuses"},
    {completed, lookup, NULL, false, false, "types"},
    {prefix, NULL, NULL, false, false, "statuses"},
    {NULL, NULL, NULL, true, false, NULL},
    {NULL, NULL, NULL, true, true, "stale"},
    {NULL, NULL, NULL, false, true, NULL},
    {completed, NULL, NULL, true, true, "stale"},
};

START_TEST(test_passes)
{
    const struct dispatch_sink_options options = {
        .statuses = rows[_i].statuses,
        .types = rows[_i].types,
        .endpoints = rows[_i].endpoints,
        .skip_stale = rows[_i].skip_stale,
    };
    const struct delivery delivery = {
        .status = "completed",
        .type = "embed-signature",
        .endpoint = "main",
        .stale = rows[_i].stale,
    };

    ck_assert_pstr_eq(filter_leaves_out(&options, &delivery), rows[_i].want);
    ck_assert_int_eq(filter_passes(&options, &delivery), rows[_i].want == NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("filter");
    TCase *core = tcase_create("core");

    tcase_add_loop_test(core, test_passes, 0, (int)ARRAY_SIZE(rows));
    suite_add_tcase(suite, core);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
