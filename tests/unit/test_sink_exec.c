/* The exec sink, with real programs. */

#include "sink_fixture.h"

#include "sink/output.h"
#include "sink/starter.h"

#include <dlfcn.h>
#include <errno.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* Makes the next start of a child fail with this errno, and as the kernel does it when a cgroup has
 * its full number of tasks: a descriptor was written by then, and has been given back. By now it is
 * somebody else's. */
static int spawn_error;
static int descriptor_of_others = -1;

/* Each start of a child waits for it, as on a file system that does not answer. */
static sem_t *gate;

/* Under ThreadSanitizer it is called by its other name (spawn.c). */
__attribute__((alias("clone"), leaf, nothrow)) int __clone(
    int (*run)(void *), void *stack, int flags, void *context, ...);

int clone(int (*run)(void *), void *stack, int flags, void *context, ...)
{
    int (*real)(int (*)(void *), void *, int, void *, ...);
    va_list arguments;
    int *pidfd;

    va_start(arguments, context);
    pidfd = va_arg(arguments, int *);
    va_end(arguments);
    if (gate)
        sem_wait(gate);
    if (spawn_error) {
        *pidfd = descriptor_of_others;
        errno = spawn_error;
        spawn_error = 0;
        return -1;
    }
    *(void **)&real = dlsym(RTLD_NEXT, "__clone");
    return real(run, stack, flags, context, pidfd);
}

/* Makes the next pipe's end for writing be descriptor 0. */
static bool low_pipe;

int pipe2(int fds[2], int flags)
{
    if (syscall(SYS_pipe2, fds, flags) < 0)
        return -1;
    if (low_pipe) {
        low_pipe = false;
        ck_assert_int_eq(dup3(fds[1], 0, flags), 0);
        close(fds[1]);
        fds[1] = 0;
    }
    return 0;
}

static struct fixture *fixture;

static void setup(void)
{
    fixture = fixture_new();
}

static void teardown(void)
{
    fixture_free(fixture);
}

/* Writes a program into the folder. */
static const char *hook(const char *text)
{
    const char *path = fixture_path(fixture, "hook");

    write_text(path, text, strlen(text));
    ck_assert_int_eq(chmod(path, 0755), 0);
    return path;
}

static void make_exec(const char *program, int64_t timeout_usec, int64_t grace_usec)
{
    const char *const argv[] = {program, "first arg", NULL};
    const char *const user_env[] = {"MARK=here", NULL};

    fixture_make_sink(fixture, &(struct sink_options){
                                   .name = "hook",
                                   .type = "exec",
                                   .exec =
                                       {
                                           .argv = argv,
                                           .user_env = user_env,
                                           .timeout_usec = timeout_usec,
                                           .grace_usec = grace_usec,
                                       },
                               });
}

/* Runs one delivery through a shell script, and returns its item. */
static const struct sink_item *run_script(const char *text)
{
    make_exec(hook(text), 20 * USEC_PER_SEC, USEC_PER_SEC);
    fixture_deliver(fixture, fixture_add(fixture, make_delivery(7)));
    ck_assert(fixture_run(fixture, 25000));
    return &fixture->items[0];
}

static void check_output(const struct sink_item *item, const char *want)
{
    ck_assert_msg(item->output != NULL, "no output, %s", item->result);
    ck_assert_uint_eq(item->output_length, strlen(want));
    ck_assert_mem_eq(item->output, want, strlen(want));
}

static bool has_child(void)
{
    siginfo_t info = {0};

    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

static bool group_is_gone(const char *pid_file)
{
    CLEANUP(free) char *text = read_text(pid_file);
    pid_t pid = atoi(text);

    ck_assert_int_gt(pid, 1);
    for (int i = 0; i < 200; i++) { /* orphans are reaped by init in their own time */
        char path[64], state = 'R';
        FILE *file;

        snprintf(path, sizeof(path), "/proc/%d/stat", pid);
        file = fopen(path, "re");
        if (!file)
            return true;
        if (fscanf(file, "%*d %*s %c", &state) != 1)
            state = 'Z';
        fclose(file);
        if (state == 'Z')
            return true;
        usleep(10000);
    }
    return false;
}

static const struct {
    const char *script;
    enum sink_result want;
    const char *want_text;
} exit_rows[] = {
    {"exit 0", SINK_DELIVERED, "ok"},
    {"exit 1", SINK_RETRY, "exit 1"},
    {"exit 64", SINK_RETRY, "exit 64"},
    {"exit 65", SINK_DEAD, "exit 65"},
    {"exit 75", SINK_RETRY, "exit 75"},
    {"exit 126", SINK_RETRY, "exit 126"},
    {"exit 255", SINK_RETRY, "exit 255"},
    {"kill -KILL $$", SINK_RETRY, "signal 9 (KILL)"},
    {"kill -TERM $$", SINK_RETRY, "signal 15 (TERM)"},
    {"kill -PIPE $$", SINK_RETRY, "signal 13 (PIPE)"},
    {"kill -40 $$", SINK_RETRY, "signal 40"},
};

START_TEST(exit_decides)
{
    char script[128];
    const struct sink_item *item;

    snprintf(script, sizeof(script), "#!/bin/sh\n%s\n", exit_rows[_i].script);
    item = run_script(script);
    ck_assert_int_eq(fixture->results[0], exit_rows[_i].want);
    ck_assert_str_eq(item->result, exit_rows[_i].want_text);
    ck_assert_int_gt(item->started_at_usec, 0);
    ck_assert_int_gt(item->duration_usec, 0);
    ck_assert(!has_child());
}
END_TEST

START_TEST(hook_sees_what_is_documented)
{
    char want[512];
    const struct sink_item *item;

    snprintf(want, sizeof(want), "first arg/%s/1\n/\nhere 1234567890 7 1 0 0 unset\n",
        fixture_path(fixture, "hook"));
    setenv("NOTIFY_SOCKET", "/run/secret", 1);
    item = run_script("#!/bin/sh\n"
                      "echo \"$1/$0/$#\"; pwd >&2\n"
                      "echo $MARK $SASHA_JOB_ID $SASHA_SEQ $SASHA_ATTEMPT $SASHA_STALE "
                      "$SASHA_REPLAY ${NOTIFY_SOCKET-unset}\n");
    check_output(item, want);
}
END_TEST

START_TEST(body_is_on_stdin)
{
    const struct sink_item *item;
    struct delivery *delivery = make_delivery(7);
    char *want;

    /* Read twice: stdin is a file. Then it must be at its end, and not be writable. */
    item = run_script(
        "#!/bin/sh\ncat; cat /dev/stdin; cat; (echo x 1<>/dev/stdin) 2>/dev/null || echo ro\n");
    ck_assert_int_eq(
        asprintf(&want, "%.*s%.*sro\n", (int)delivery->body_length, (const char *)delivery->body,
            (int)delivery->body_length, (const char *)delivery->body),
        (int)delivery->body_length * 2 + 3);
    check_output(item, want);
    free(want);
    delivery_free(delivery);
}
END_TEST

START_TEST(child_is_clean)
{
    const struct sink_item *item;
    CLEANUP(free) char *got = NULL;
    unsigned long long blocked = 1, ignored = 1;
    int own = 0, at = 0;
    sigset_t all;

    /* What a thread of the daemon may look like. */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    ck_assert_int_ge(dup2(0, 200), 0); /* a descriptor without CLOEXEC */

    item = run_script("#!/bin/sh\n"
                      "echo $(grep -E '^Sig(Blk|Ign):' /proc/self/status)\n"
                      "[ $(ps -o sid= -p $$) = $$ ] && [ $(ps -o pgid= -p $$) = $$ ] && echo 1\n"
                      "exec ls /proc/self/fd\n"); /* ls has 3 open: the folder */
    got = copy_text(item->output, item->output_length);
    ck_assert_msg(
        sscanf(got, "SigBlk: %llx SigIgn: %llx %d %n", &blocked, &ignored, &own, &at) == 3, "%s",
        got);
    ck_assert_uint_eq(blocked, 0);
    ck_assert_uint_eq(ignored, 0);
    ck_assert_int_eq(own, 1);
    ck_assert_str_eq(got + at, "0\n1\n2\n3\n");
}
END_TEST

START_TEST(closed_stdio_of_the_daemon_does_no_harm)
{
    const struct sink_item *item;
    CLEANUP(free) char *got = NULL;
    int saved[3];

    make_exec(hook("#!/bin/sh\ncat | wc -c; echo err >&2\n"), 20 * USEC_PER_SEC, USEC_PER_SEC);
    for (int fd = 0; fd < 3; fd++) {
        saved[fd] = fcntl(fd, F_DUPFD_CLOEXEC, 100);
        if (_i == 0)
            close(fd);
    }
    low_pipe = _i == 1;
    fixture_deliver(fixture, fixture_add(fixture, make_delivery(7)));
    fixture_run(fixture, 20000);
    for (int fd = 0; fd < 3; fd++)
        dup2(saved[fd], fd);

    item = &fixture->items[0];
    ck_assert_str_eq(item->result, "ok");
    got = copy_text(item->output, item->output_length);
    ck_assert_int_gt(atoi(got), 100);
    ck_assert_ptr_nonnull(memmem(item->output, item->output_length, "err\n", 4));
}
END_TEST

START_TEST(hooks_run_in_parallel)
{
    int64_t begun = clock_monotonic(clock_system());

    make_exec(hook("#!/bin/sh\nsleep 0.5\n"), 20 * USEC_PER_SEC, USEC_PER_SEC);
    for (uint64_t seq = 1; seq <= 8; seq++)
        fixture_add(fixture, make_delivery(seq));
    fixture_deliver(fixture, 0);
    ck_assert(fixture_run(fixture, 20000));
    ck_assert_int_lt(clock_monotonic(clock_system()) - begun, 3 * USEC_PER_SEC);
    for (size_t i = 0; i < 8; i++)
        ck_assert_int_eq(fixture->results[i], SINK_DELIVERED);
}
END_TEST

START_TEST(only_the_tail_of_output_is_kept)
{
    const struct sink_item *item =
        run_script("#!/bin/sh\nhead -c 10000000 /dev/zero | tr '\\0' x; echo the end\n");

    ck_assert_str_eq(item->result, "ok");
    ck_assert_uint_le(item->output_length, OUTPUT_TAIL_MAX + 64);
    ck_assert_ptr_nonnull(
        memmem(item->output, item->output_length, "[9995912 bytes before this left out]\nxxx", 40));
    ck_assert_mem_eq(item->output + item->output_length - 8, "the end\n", 8);
}
END_TEST

START_TEST(output_is_added_in_any_pieces)
{
    static char text[3 * OUTPUT_TAIL_MAX];
    size_t pieces[] = {1, 7, 4095, 4096, 4097, 10000, sizeof(text)};

    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)('a' + i % 26);
    for (size_t p = 0; p < ARRAY_SIZE(pieces); p++) {
        struct output got = OUTPUT_INIT;

        for (size_t at = 0; at < sizeof(text); at += pieces[p])
            output_add(
                &got, text + at, sizeof(text) - at < pieces[p] ? sizeof(text) - at : pieces[p]);
        ck_assert_uint_eq(got.length, OUTPUT_TAIL_MAX);
        ck_assert_uint_eq(got.left_out, sizeof(text) - OUTPUT_TAIL_MAX);
        ck_assert_mem_eq(got.tail, text + sizeof(text) - OUTPUT_TAIL_MAX, OUTPUT_TAIL_MAX);
    }
}
END_TEST

START_TEST(no_output_is_none)
{
    const struct sink_item *item = run_script("#!/bin/sh\nexec >&- 2>&-; sleep 0.1; exit 75\n");

    ck_assert_ptr_null(item->output);
    ck_assert_uint_eq(item->output_length, 0);
    ck_assert_str_eq(item->result, "exit 75");
}
END_TEST

START_TEST(stdin_is_not_read)
{
    struct delivery *delivery;
    char *body = NULL;

    /* Larger than any pipe would hold. */
    ck_assert_int_gt(
        asprintf(&body,
            "{\"job_id\":\"1\",\"type\":\"t\",\"status\":\"pending\",\"created_at\":"
            "\"2025-01-01T00:00:00Z\",\"updated_at\":\"2025-01-01T00:00:00Z\",\"x\":\"%0*d\"}",
            2000000, 0),
        2000000);
    delivery = make_delivery_of(1, "1", "pending", 0, body);
    free(body);
    make_exec(hook("#!/bin/sh\nexec <&-; exit 0\n"), 20 * USEC_PER_SEC, USEC_PER_SEC);
    fixture_deliver(fixture, fixture_add(fixture, delivery));
    ck_assert(fixture_run(fixture, 5000));
    ck_assert_int_eq(fixture->results[0], SINK_DELIVERED);
}
END_TEST

static void run_limited(const char *script, int64_t timeout_msec, int64_t grace_msec)
{
    make_exec(hook(script), timeout_msec * USEC_PER_MSEC, grace_msec * USEC_PER_MSEC);
    fixture_deliver(fixture, fixture_add(fixture, make_delivery(7)));
    ck_assert(fixture_run(fixture, timeout_msec + grace_msec + 1500));
    ck_assert(!has_child());
}

START_TEST(timeout_ends_the_group)
{
    char script[512];

    /* The leader dies of TERM; its child ignores TERM and has closed its output. */
    snprintf(script, sizeof(script),
        "#!/bin/sh\n(trap '' TERM; exec >&- 2>&-; echo $(exec sh -c 'echo $PPID') > %s; sleep 30; "
        "sleep 30) &\nsleep 30\n",
        fixture_path(fixture, "pid"));
    run_limited(script, 500, 500);
    ck_assert_int_eq(fixture->results[0], SINK_RETRY);
    ck_assert_str_eq(fixture->items[0].result, "timeout after 500ms");
    ck_assert(group_is_gone(fixture_path(fixture, "pid")));
}
END_TEST

START_TEST(timeout_kills_who_ignores_term)
{
    char script[256];

    snprintf(script, sizeof(script),
        "#!/bin/sh\ntrap '' TERM\necho $$ > %s\necho begun\nwhile :; do sleep 1; done\n",
        fixture_path(fixture, "pid"));
    run_limited(script, 1000, 300);
    ck_assert_str_eq(fixture->items[0].result, "timeout after 1s");
    check_output(&fixture->items[0], "begun\n");
    ck_assert_int_ge(fixture->items[0].duration_usec, 1300 * USEC_PER_MSEC);
    ck_assert(group_is_gone(fixture_path(fixture, "pid")));
}
END_TEST

START_TEST(after_term_exit_0_is_no_success)
{
    run_limited("#!/bin/sh\ntrap 'echo bye; exit 0' TERM\nsleep 30 & wait\n", 300, 5000);
    ck_assert_int_eq(fixture->results[0], SINK_RETRY);
    ck_assert_str_eq(fixture->items[0].result, "timeout after 300ms");
    check_output(&fixture->items[0], "bye\n");
    ck_assert_int_lt(fixture->items[0].duration_usec, 3 * USEC_PER_SEC); /* not the whole grace */
}
END_TEST

START_TEST(rest_of_the_group_has_the_grace)
{
    char script[512];

    /* The leader dies of TERM at once; its child takes half a second to clean up, and prints. */
    snprintf(script, sizeof(script),
        "#!/bin/sh\n(trap 'sleep 0.5; echo cleaned; exit' TERM; sleep 30 & wait) &\nwait\n");
    run_limited(script, 300, 5000);
    check_output(&fixture->items[0], "cleaned\n");
    ck_assert_int_lt(fixture->items[0].duration_usec, 3 * USEC_PER_SEC);
}
END_TEST

START_TEST(stopped_hook_is_ended)
{
    run_limited("#!/bin/sh\nkill -STOP $$\n", 300, 5000);
    ck_assert_str_eq(fixture->items[0].result, "timeout after 300ms");
    ck_assert_int_lt(fixture->items[0].duration_usec, 3 * USEC_PER_SEC);
}
END_TEST

START_TEST(grandchild_that_holds_stdout_holds_no_slot)
{
    char script[256];
    CLEANUP(free) char *pid = NULL;

    snprintf(script, sizeof(script), "#!/bin/sh\nsetsid sleep 20 &\necho $! > %s\nexit 0\n",
        fixture_path(fixture, "pid"));
    run_script(script);
    ck_assert_int_eq(fixture->results[0], SINK_DELIVERED);
    ck_assert_int_lt(fixture->items[0].duration_usec, 3 * USEC_PER_SEC);

    /* It is left alone. */
    pid = read_text(fixture_path(fixture, "pid"));
    ck_assert_int_eq(kill(atoi(pid), 0), 0);
    kill(atoi(pid), SIGKILL);
}
END_TEST

START_TEST(output_ends_before_the_hook)
{
    char script[256];

    snprintf(script, sizeof(script), "#!/bin/sh\necho x\nexec >/dev/null 2>&1\nsleep 0.3\n: > %s\n",
        fixture_path(fixture, "finished"));
    run_script(script);
    check_output(&fixture->items[0], "x\n");
    ck_assert_int_eq(access(fixture_path(fixture, "finished"), F_OK), 0);
}
END_TEST

START_TEST(cancel_defers)
{
    int64_t begun;

    make_exec(hook("#!/bin/sh\ntrap '' TERM\nwhile :; do sleep 1; done\n"), USEC_INFINITY,
        500 * USEC_PER_MSEC);
    for (uint64_t seq = 1; seq <= 3; seq++)
        fixture_add(fixture, make_delivery(seq));
    fixture_deliver(fixture, 0);
    ck_assert(!fixture_run(fixture, 200));

    begun = clock_monotonic(clock_system());
    fixture->sink->ops->cancel(fixture->sink);
    ck_assert_uint_eq(fixture->n_done, 0); /* never from inside */
    ck_assert(fixture_run(fixture, 2000));
    ck_assert_int_ge(clock_monotonic(clock_system()) - begun, 500 * USEC_PER_MSEC);
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(fixture->results[i], SINK_DEFERRED);
        ck_assert_str_eq(fixture->items[i].result, "cancelled");
    }
    ck_assert(!has_child());
}
END_TEST

START_TEST(cancel_keeps_a_result_that_is_there)
{
    make_exec(hook("#!/bin/sh\nexit 0\n"), USEC_INFINITY, USEC_PER_SEC);
    fixture_deliver(fixture, fixture_add(fixture, make_delivery(1)));
    usleep(300000); /* it has ended, and nobody looked */
    fixture->sink->ops->cancel(fixture->sink);
    ck_assert(fixture_run(fixture, 2000));
    ck_assert_int_eq(fixture->results[0], SINK_DELIVERED);
}
END_TEST

static sem_t *close_gate(void)
{
    static sem_t closed;

    ck_assert_int_eq(sem_init(&closed, 0, 0), 0);
    return gate = &closed;
}

/* What runs is seen to end, and the time of the one that hangs begins when it is started. */
START_TEST(hanging_start_holds_up_nobody)
{
    sem_t *closed;

    make_exec(hook("#!/bin/sh\nsleep 0.2\n"), 600 * USEC_PER_MSEC, USEC_PER_SEC);
    fixture_deliver(fixture, fixture_add(fixture, make_delivery(1)));
    ck_assert(!fixture_run(fixture, 50)); /* it runs */
    closed = close_gate();
    fixture_deliver(fixture, fixture_add(fixture, make_delivery(2)));
    ck_assert(!fixture_run(fixture, 800));
    ck_assert_uint_eq(fixture->ended[0], 1);
    ck_assert_str_eq(fixture->items[0].result, "ok");
    ck_assert_uint_eq(fixture->ended[1], 0);
    sem_post(closed);
    ck_assert(fixture_run(fixture, 5000));
    ck_assert_str_eq(fixture->items[1].result, "ok");
}
END_TEST

/* Those that no thread has begun with are never started, the others are ended. */
START_TEST(cancel_ends_what_is_being_started)
{
    enum { MANY = STARTER_THREADS_MAX + 4 };
    sem_t *closed = close_gate();

    make_exec(hook("#!/bin/sh\nsleep 60\n"), USEC_INFINITY, USEC_PER_SEC);
    for (uint64_t seq = 1; seq <= MANY; seq++)
        fixture_add(fixture, make_delivery(seq));
    fixture_deliver(fixture, 0);
    ck_assert(!fixture_run(fixture, 200));
    fixture->sink->ops->cancel(fixture->sink);
    ck_assert_uint_eq(fixture->n_done, 0); /* never from inside */
    ck_assert(!fixture_run(fixture, 100));
    ck_assert_uint_ge(fixture->n_done, MANY - STARTER_THREADS_MAX);
    for (size_t i = 0; i < MANY; i++)
        sem_post(closed);
    ck_assert(fixture_run(fixture, 5000));
    for (size_t i = 0; i < MANY; i++) {
        ck_assert_int_eq(fixture->results[i], SINK_DEFERRED);
        ck_assert_str_eq(fixture->items[i].result, "cancelled");
    }
    ck_assert(!has_child());
}
END_TEST

START_TEST(cancel_does_not_wait_for_output)
{
    int64_t begun;

    make_exec(hook("#!/bin/sh\nsleep 3 &\nexit 75\n"), USEC_INFINITY, USEC_PER_SEC);
    fixture_deliver(fixture, fixture_add(fixture, make_delivery(1)));
    ck_assert(!fixture_run(fixture, 300)); /* it lingers */
    begun = clock_monotonic(clock_system());
    fixture->sink->ops->cancel(fixture->sink);
    ck_assert(fixture_run(fixture, 500));
    ck_assert_int_lt(clock_monotonic(clock_system()) - begun, 200 * USEC_PER_MSEC);
    ck_assert_str_eq(fixture->items[0].result, "exit 75");
}
END_TEST

static const struct {
    const char *name;
    mode_t mode;
    const char *text;
    const char *want;
} start_rows[] = {
    {"missing", 0, NULL, "start: No such file or directory"},
    {"plain", 0644, "#!/bin/sh\nexit 0\n", "start: Permission denied"},
    {"noexec", 0755, "exit 0\n", "start: Exec format error"},
    {"nointerpreter", 0755, "#!/does/not/exist\n", "start: No such file or directory"},
    {"", 0, NULL, "start: Permission denied"}, /* the folder itself */
};

START_TEST(program_that_cannot_be_run_is_retried)
{
    const char *path = fixture_path(fixture, start_rows[_i].name);
    size_t before;

    if (start_rows[_i].text) {
        write_text(path, start_rows[_i].text, strlen(start_rows[_i].text));
        chmod(path, start_rows[_i].mode);
    }
    make_exec(path, USEC_PER_SEC, USEC_PER_SEC);
    fixture_deliver(fixture, fixture_add(fixture, make_delivery(1))); /* the loop opens its timer */
    ck_assert(fixture_run(fixture, 5000));
    before = count_descriptors();
    fixture_deliver(fixture, fixture_add(fixture, make_delivery(2)));
    ck_assert(fixture_run(fixture, 5000));
    ck_assert_int_eq(fixture->results[0], SINK_RETRY);
    ck_assert_str_eq(fixture->items[0].result, start_rows[_i].want);
    ck_assert_uint_eq(count_descriptors(), before);
    ck_assert(!has_child());
}
END_TEST

START_TEST(too_long_arguments_are_retried)
{
    char *huge = malloc(200000);
    const char *const argv[] = {"/bin/true", huge, NULL};

    memset(huge, 'x', 199999);
    huge[199999] = '\0';
    fixture_make_sink(fixture,
        &(struct sink_options){
            .name = "hook", .type = "exec", .exec = {.argv = argv, .timeout_usec = USEC_PER_SEC}});
    fixture_deliver(fixture, fixture_add(fixture, make_delivery(1)));
    ck_assert(fixture_run(fixture, 5000));
    ck_assert_int_eq(fixture->results[0], SINK_RETRY);
    ck_assert_str_eq(fixture->items[0].result, "start: Argument list too long");
    free(huge);
}
END_TEST

static const int shortages[] = {EAGAIN, ENOMEM, EMFILE, ENFILE};

START_TEST(shortage_defers)
{
    make_exec(hook("#!/bin/sh\nexit 0\n"), USEC_PER_SEC, USEC_PER_SEC);
    spawn_error = shortages[_i];
    descriptor_of_others = fcntl(0, F_DUPFD_CLOEXEC, 100);
    fixture_deliver(fixture, fixture_add(fixture, make_delivery(1)));
    ck_assert(fixture_run(fixture, 5000));
    ck_assert_int_eq(fixture->results[0], SINK_DEFERRED);
    ck_assert_msg(
        strncmp(fixture->items[0].result, "start: ", 7) == 0, "%s", fixture->items[0].result);
    ck_assert_msg(fcntl(descriptor_of_others, F_GETFD) >= 0, "somebody else's was closed");
}
END_TEST

START_TEST(no_descriptors_defers)
{
    size_t used;
    struct rlimit limit;

    make_exec("/bin/true", 5 * USEC_PER_SEC, USEC_PER_SEC);
    fixture_deliver(fixture, fixture_add(fixture, make_delivery(1))); /* the loop opens its timer */
    ck_assert(fixture_run(fixture, 5000));
    fixture_free_items(fixture);
    used = count_descriptors();
    getrlimit(RLIMIT_NOFILE, &limit);

    /* Every number that can run out in the middle of it. */
    for (rlim_t more = 0; more < 6; more++) {
        size_t i = fixture_add(fixture, make_delivery(more + 1));

        limit.rlim_cur = used + more;
        setrlimit(RLIMIT_NOFILE, &limit);
        fixture_deliver(fixture, i);
        ck_assert(fixture_run(fixture, 5000));
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
        ck_assert_msg(fixture->results[i] == SINK_DEFERRED || fixture->results[i] == SINK_DELIVERED,
            "%s", fixture->items[i].result);
        if (more == 0)
            ck_assert_int_eq(fixture->results[i], SINK_DEFERRED);
        ck_assert_uint_eq(count_descriptors(), used);
        ck_assert(!has_child());
    }
    ck_assert_int_eq(fixture->results[5], SINK_DELIVERED);
}
END_TEST

START_TEST(altered_body_reaches_no_hook)
{
    char script[128];

    snprintf(script, sizeof(script), "#!/bin/sh\n: > %s\n", fixture_path(fixture, "ran"));
    make_exec(hook(script), 5 * USEC_PER_SEC, USEC_PER_SEC);
    fixture_deliver(
        fixture, fixture_add(fixture, make_delivery_of(1, "1", "pending", 0, "{\"job_id\":}")));
    ck_assert_uint_eq(fixture->n_done, 1);
    ck_assert_int_eq(fixture->results[0], SINK_DEAD);
    ck_assert_msg(
        strncmp(fixture->items[0].result, "body: ", 6) == 0, "%s", fixture->items[0].result);
    ck_assert_int_ne(access(fixture_path(fixture, "ran"), F_OK), 0);
}
END_TEST

START_TEST(a_thousand_hooks_leave_nothing)
{
    size_t before = 0;

    make_exec("/bin/true", 20 * USEC_PER_SEC, USEC_PER_SEC);
    for (int round = 0; round < 11; round++) {
        for (uint64_t seq = 1; seq <= 100; seq++)
            fixture_deliver(fixture, fixture_add(fixture, make_delivery(seq)));
        ck_assert(fixture_run(fixture, 60000));
        for (size_t i = 0; i < 100; i++)
            ck_assert_int_eq(fixture->results[i], SINK_DELIVERED);
        fixture_free_items(fixture);
        if (round == 0)
            before = count_descriptors(); /* the loop has opened its timer */
    }
    ck_assert_uint_eq(count_descriptors(), before);
    ck_assert(!has_child());
}
END_TEST

static const struct {
    const char *argv[2];
    const char *user_env[2];
    const char *want;
} create_rows[] = {
    {{NULL}, {NULL}, "command: must begin with the absolute path of a program"},
    {{"true"}, {NULL}, "command: must begin with the absolute path of a program"},
    {{"/bin/true"}, {"SASHA_X=1"}, "daemon's own"},
};

START_TEST(bad_options_are_refused)
{
    struct sink_options options = {
        .name = "x",
        .type = "exec",
        .exec = {.argv = create_rows[_i].argv, .user_env = create_rows[_i].user_env},
    };
    struct error error = ERROR_INIT;
    struct sink *sink = NULL;

    ck_assert_int_eq(sink_new(&options, &sink, &error), -EINVAL);
    ck_assert_ptr_null(sink);
    ck_assert_msg(strstr(error.text, create_rows[_i].want) != NULL, "%s", error.text);
}
END_TEST

START_TEST(types_are_known)
{
    struct error error = ERROR_INIT;
    struct sink *sink = NULL;

    ck_assert(sink_type_is_known("exec"));
    ck_assert(sink_type_is_known("file"));
    ck_assert(sink_type_is_known("syslog"));
    ck_assert(!sink_type_is_known("http"));
    ck_assert(!sink_type_is_known(""));
    ck_assert_int_eq(
        sink_new(&(struct sink_options){.name = "x", .type = "http"}, &sink, &error), -EINVAL);
    ck_assert_str_eq(error.text, "there is no sink of type \"http\"");
    sink_free(NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sink_exec");
    TCase *core = tcase_create("core");
    TCase *limits = tcase_create("limits");
    TCase *errors = tcase_create("errors");
    SRunner *runner;
    int n_failed;

    tcase_add_checked_fixture(core, setup, teardown);
    tcase_add_checked_fixture(limits, setup, teardown);
    tcase_add_checked_fixture(errors, setup, teardown);
    tcase_set_timeout(core, 60);
    tcase_set_timeout(limits, 120);
    tcase_set_timeout(errors, 60);

    tcase_add_loop_test(core, exit_decides, 0, ARRAY_SIZE(exit_rows));
    tcase_add_test(core, hook_sees_what_is_documented);
    tcase_add_test(core, body_is_on_stdin);
    tcase_add_test(core, child_is_clean);
    tcase_add_loop_test(core, closed_stdio_of_the_daemon_does_no_harm, 0, 2);
    tcase_add_test(core, hooks_run_in_parallel);
    tcase_add_test(core, no_output_is_none);
    tcase_add_test(core, output_ends_before_the_hook);
    tcase_add_test(core, types_are_known);

    tcase_add_test(limits, only_the_tail_of_output_is_kept);
    tcase_add_test(limits, output_is_added_in_any_pieces);
    tcase_add_test(limits, stdin_is_not_read);
    tcase_add_test(limits, timeout_ends_the_group);
    tcase_add_test(limits, timeout_kills_who_ignores_term);
    tcase_add_test(limits, after_term_exit_0_is_no_success);
    tcase_add_test(limits, rest_of_the_group_has_the_grace);
    tcase_add_test(limits, stopped_hook_is_ended);
    tcase_add_test(limits, grandchild_that_holds_stdout_holds_no_slot);
    tcase_add_test(limits, cancel_defers);
    tcase_add_test(limits, cancel_keeps_a_result_that_is_there);
    tcase_add_test(limits, hanging_start_holds_up_nobody);
    tcase_add_test(limits, cancel_ends_what_is_being_started);
    tcase_add_test(limits, cancel_does_not_wait_for_output);
    tcase_add_test(limits, a_thousand_hooks_leave_nothing);

    tcase_add_loop_test(errors, program_that_cannot_be_run_is_retried, 0, ARRAY_SIZE(start_rows));
    tcase_add_test(errors, too_long_arguments_are_retried);
    tcase_add_loop_test(errors, shortage_defers, 0, ARRAY_SIZE(shortages));
    tcase_add_test(errors, no_descriptors_defers);
    tcase_add_test(errors, altered_body_reaches_no_hook);
    tcase_add_loop_test(errors, bad_options_are_refused, 0, ARRAY_SIZE(create_rows));
    suite_add_tcase(suite, core);
    suite_add_tcase(suite, limits);
    suite_add_tcase(suite, errors);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed == 0 ? 0 : 1;
}
