/* A sink's options as dispatch keeps them: deep copies, and what counts as a change. */

#include "dispatch/options.h"

#include "failing_malloc.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static const char *const argv_a[] = {"/bin/a", "x", NULL};
static const char *const argv_b[] = {"/bin/a", "x", "y", NULL};
static const char *const env_a[] = {"A=1", NULL};
static const char *const names[] = {"completed", "failed", NULL};
static const char *const fewer[] = {"completed", NULL};
static const char *const empty[] = {NULL};

static struct dispatch_sink_options base(const char *type)
{
    struct dispatch_sink_options options = {
        .sink = {.name = "s", .type = type},
        .statuses = names,
        .types = names,
        .endpoints = names,
        .retry = {1, 2, 3},
        .concurrency = 4,
        .breaker = 5,
    };

    if (strcmp(type, "exec") == 0)
        options.sink.exec = (struct sink_exec_options){argv_a, env_a, 10, 20};
    if (strcmp(type, "file") == 0)
        options.sink.file = (struct sink_file_options){"/a", 0640};
    if (strcmp(type, "syslog") == 0)
        options.sink.syslog =
            (struct sink_syslog_options){"local", 1, 2, false, "tag", SINK_SYSLOG_TEXT, 30};
    return options;
}

/* Each changes one thing. */
#define CHANGE(name, statement)                                \
    static void change_##name(struct dispatch_sink_options *o) \
    {                                                          \
        statement;                                             \
    }
CHANGE(name, o->sink.name = "t")
CHANGE(type, o->sink.type = "other")
CHANGE(statuses, o->statuses = fewer)
CHANGE(types, o->types = NULL)
CHANGE(endpoints, o->endpoints = empty)
CHANGE(first, o->retry.first_usec = 9)
CHANGE(max, o->retry.max_usec = 9)
CHANGE(attempts, o->retry.attempts = 9)
CHANGE(concurrency, o->concurrency = 9)
CHANGE(order, o->order_none = true)
CHANGE(stale, o->skip_stale = true)
CHANGE(breaker, o->breaker = 0)
CHANGE(argv, o->sink.exec.argv = argv_b)
CHANGE(env, o->sink.exec.user_env = NULL)
CHANGE(timeout, o->sink.exec.timeout_usec = 9)
CHANGE(grace, o->sink.exec.grace_usec = 9)
CHANGE(path, o->sink.file.path = "/b")
CHANGE(mode, o->sink.file.mode = 0600)
CHANGE(target, o->sink.syslog.target = "udp:h:1")
CHANGE(facility, o->sink.syslog.facility = 9)
CHANGE(severity, o->sink.syslog.severity = 7)
CHANGE(rfc3164, o->sink.syslog.rfc3164 = true)
CHANGE(tag, o->sink.syslog.tag = NULL)
CHANGE(format, o->sink.syslog.format = SINK_SYSLOG_JSON)
CHANGE(syslog_timeout, o->sink.syslog.timeout_usec = 9)

static const struct {
    const char *type;
    void (*change)(struct dispatch_sink_options *options);
} changes[] = {
    {"plain", change_name},
    {"plain", change_type},
    {"plain", change_statuses},
    {"plain", change_types},
    {"plain", change_endpoints},
    {"plain", change_first},
    {"plain", change_max},
    {"plain", change_attempts},
    {"plain", change_concurrency},
    {"plain", change_order},
    {"plain", change_stale},
    {"plain", change_breaker},
    {"exec", change_argv},
    {"exec", change_env},
    {"exec", change_timeout},
    {"exec", change_grace},
    {"file", change_path},
    {"file", change_mode},
    {"syslog", change_target},
    {"syslog", change_facility},
    {"syslog", change_severity},
    {"syslog", change_rfc3164},
    {"syslog", change_tag},
    {"syslog", change_format},
    {"syslog", change_syslog_timeout},
};

START_TEST(test_change_is_noticed)
{
    const struct dispatch_sink_options before = base(changes[_i].type);
    struct dispatch_sink_options after = before;
    CLEANUP(options_free) struct dispatch_sink_options *copy = options_copy(&before);

    ck_assert_ptr_nonnull(copy);
    ck_assert(options_equal(copy, &before));
    changes[_i].change(&after);
    ck_assert(!options_equal(copy, &after));
    ck_assert(!options_equal(&after, copy));

    CLEANUP(options_free) struct dispatch_sink_options *other = options_copy(&after);
    ck_assert_ptr_nonnull(other);
    ck_assert(options_equal(other, &after));
}
END_TEST

START_TEST(test_copy_is_deep)
{
    char path[] = "/a";
    struct dispatch_sink_options from = base("file");

    from.sink.file.path = path;
    CLEANUP(options_free) struct dispatch_sink_options *copy = options_copy(&from);
    ck_assert_ptr_nonnull(copy);
    path[1] = 'x';
    ck_assert_str_eq(copy->sink.file.path, "/a");
    ck_assert_ptr_ne(copy->statuses, names);
    ck_assert_ptr_ne(copy->statuses[0], names[0]);
}
END_TEST

START_TEST(test_no_list_is_an_empty_list)
{
    struct dispatch_sink_options a = base("plain"), b = base("plain");

    a.statuses = NULL;
    b.statuses = empty;
    ck_assert(options_equal(&a, &b));
}
END_TEST

START_TEST(test_memory)
{
    static const char *const types[] = {"exec", "file", "syslog", "plain"};
    unsigned int failures = 0;

    if (!failing_malloc_works())
        return;
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        const struct dispatch_sink_options from = base(types[i]);
        for (unsigned int n = 1;; n++) {
            failing_malloc_in = n;
            CLEANUP(options_free) struct dispatch_sink_options *copy = options_copy(&from);
            failing_malloc_in = 0;
            if (copy)
                break;
            failures++;
        }
    }
    ck_assert_uint_ge(failures, 4 * 4);
    options_free(NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("dispatch-options");
    TCase *core = tcase_create("core");
    TCase *errors = tcase_create("errors");

    tcase_add_loop_test(core, test_change_is_noticed, 0, (int)ARRAY_SIZE(changes));
    tcase_add_test(core, test_copy_is_deep);
    tcase_add_test(core, test_no_list_is_an_empty_list);
    tcase_add_test(errors, test_memory);
    suite_add_tcase(suite, core);
    suite_add_tcase(suite, errors);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
