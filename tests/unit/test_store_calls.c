/*
 * Whatever a store asks of SQLite and of the heap is refused once. For n = 1, 2, … until nothing is
 * refused any more, the n-th call of a kind fails in a life that uses every operation. Whatever
 * happens: a refusal is told and explained, what was acknowledged is there after the next open, and
 * the sums of the sinks hold.
 *
 * test_store_faults.c does the same to the disk below SQLite; here it is SQLite that says no.
 */

#include "query_rig.h"
#include "store/backup.h"
#include "store/sqlite_store.h"
#include "store_rig.h"

#include "caller.h"
#include "failing_malloc.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

/* ---- calls that fail ---- */

enum call {
    CALL_STEP,
    CALL_PREPARE,
    CALL_BIND,
    CALL_OPEN,
    CALL_EXEC,
    CALL_CHECKPOINT,
    CALL_BACKUP,
    CALL_SYSTEM, /* of the kernel, about the files beside the database */
    CALL_FILE,   /* opening one of those */
    CALL_TEXT,   /* of a column; there was no memory for it */
};

static struct refusal {
    enum call call;
    int code;
    unsigned int at; /* 0: never */
    bool sticky;     /* and all that come after it */
    unsigned int count;
    bool hit;
} refusal;

/* What SQLite asks of itself it does not always heed: sqlite3_exec goes by its statement. */
static bool is_refused(enum call call, const void *caller)
{
    if (refusal.at == 0 || call != refusal.call || !caller_is_ours(caller))
        return false;
    if (++refusal.count < refusal.at || (refusal.count > refusal.at && !refusal.sticky))
        return false;
    refusal.hit = true;
    return true;
}

/* Defines the function anew for this program and everything in it, SQLite included. */
#define REFUSABLE(call, type, name, parameters, arguments, on_refusal) \
    type name parameters                                               \
    {                                                                  \
        static type(*real) parameters;                                 \
        if (!real)                                                     \
            *(void **)&real = dlsym(RTLD_NEXT, #name);                 \
        if (is_refused(call, __builtin_return_address(0)))             \
            return on_refusal;                                         \
        return real arguments;                                         \
    }

REFUSABLE(CALL_STEP, int, sqlite3_step, (sqlite3_stmt * statement), (statement), refusal.code)
REFUSABLE(CALL_PREPARE, int, sqlite3_prepare_v3,
    (sqlite3 * handle, const char *sql, int length, unsigned int flags, sqlite3_stmt **statement,
        const char **tail),
    (handle, sql, length, flags, statement, tail), refusal.code)
REFUSABLE(CALL_PREPARE, int, sqlite3_prepare_v2,
    (sqlite3 * handle, const char *sql, int length, sqlite3_stmt **statement, const char **tail),
    (handle, sql, length, statement, tail), refusal.code)
REFUSABLE(CALL_BIND, int, sqlite3_bind_int64, (sqlite3_stmt * statement, int at, sqlite3_int64 n),
    (statement, at, n), refusal.code)
REFUSABLE(CALL_OPEN, int, sqlite3_open_v2,
    (const char *path, sqlite3 **ret_handle, int flags, const char *vfs),
    (path, ret_handle, flags, vfs), (*ret_handle = NULL, refusal.code))
REFUSABLE(CALL_EXEC, int, sqlite3_exec,
    (sqlite3 * handle, const char *sql, int (*fn)(void *, int, char **, char **), void *context,
        char **message),
    (handle, sql, fn, context, message), refusal.code)
REFUSABLE(CALL_CHECKPOINT, int, sqlite3_wal_checkpoint_v2,
    (sqlite3 * handle, const char *name, int mode, int *frames, int *home),
    (handle, name, mode, frames, home), refusal.code)
REFUSABLE(CALL_BACKUP, sqlite3_backup *, sqlite3_backup_init,
    (sqlite3 * to, const char *to_name, sqlite3 *from, const char *from_name),
    (to, to_name, from, from_name), real(to, "nowhere", from, from_name))
REFUSABLE(CALL_BACKUP, int, sqlite3_backup_step, (sqlite3_backup * backup, int pages),
    (backup, pages), refusal.code)

REFUSABLE(CALL_TEXT, const unsigned char *, sqlite3_column_text,
    (sqlite3_stmt * statement, int column), (statement, column), NULL)

/* What is asked after a text that did not come. */
int sqlite3_errcode(sqlite3 *handle)
{
    static int (*real)(sqlite3 * handle);

    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "sqlite3_errcode");
    return refusal.call == CALL_TEXT && refusal.hit ? refusal.code : real(handle);
}

#define SYSTEM(name, parameters, arguments) \
    REFUSABLE(CALL_SYSTEM, int, name, parameters, arguments, (errno = refusal.code, -1))

SYSTEM(statvfs, (const char *path, struct statvfs *disk), (path, disk))
SYSTEM(lstat, (const char *path, struct stat *status), (path, status))
SYSTEM(stat, (const char *path, struct stat *status), (path, status))
SYSTEM(fchmod, (int fd, mode_t mode), (fd, mode))
SYSTEM(flock, (int fd, int operation), (fd, operation))
SYSTEM(truncate, (const char *path, off_t size), (path, size))
SYSTEM(fallocate, (int fd, int mode, off_t at, off_t size), (fd, mode, at, size))

int open(const char *path, int flags, ...)
{
    static int (*real)(const char *path, int flags, ...);
    mode_t mode = 0;
    va_list arguments;

    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "open");
    if (is_refused(CALL_FILE, __builtin_return_address(0))) {
        errno = refusal.code;
        return -1;
    }
    va_start(arguments, flags);
    if (flags & O_CREAT)
        mode = va_arg(arguments, mode_t);
    va_end(arguments);
    return real(path, flags, mode);
}

/* Syncs are not done, for there are many; only refused. */
int fdatasync(int fd)
{
    return 0;
}

int fsync(int fd)
{
    if (!is_refused(CALL_SYSTEM, __builtin_return_address(0)))
        return 0;
    errno = refusal.code;
    return -1;
}

/* ---- a life ---- */

#define N_TOLD 64

/* What the outside was told. */
static struct told {
    char stored[N_TOLD][16];
    size_t n;
    bool failed;
} told;

/* Check allocates, too. */
static void must(bool holds, const char *what)
{
    unsigned int in = failing_malloc_in;

    failing_malloc_in = 0;
    ck_assert_msg(holds, "%s (%s)", what, rig.error.text);
    failing_malloc_in = in;
}

static void note(enum store_result result)
{
    must(result == STORE_OK || *rig.error.text != '\0', "a failure is not explained");
    told.failed |= result == STORE_FAILED;
    must(!told.failed || result == STORE_FAILED, "a failed store goes on");
    rig.error = (struct error)ERROR_INIT;
}

static void note_read(ssize_t r)
{
    must(r >= 0 || *rig.error.text != '\0', "a failed read is not explained");
    rig.error = (struct error)ERROR_INIT;
}
/* One batch of what there may be: new ones, a copy, a conflict, a late one, and a settle. */
static void commit(const char *prefix, const struct store_settle *settle)
{
    static const struct {
        const char *id, *job;
        int64_t updated_at;
        const char *body;
    } rows[] = {
        {"a", "job-1", 2, "{}"},
        {"b", "job-1", 1, "{}"},
        {"a", "job-1", 2, "{}"},
        {"a", "job-1", 2, "{\"other\":1}"},
        {"a", "job-1", 2, "{\"other\":1}"},
        {"c", "job-2", 1, ""},
    };
    struct delivery deliveries[ARRAY_SIZE(rows)];
    struct store_append appends[ARRAY_SIZE(rows)], *pointers[ARRAY_SIZE(rows)];
    struct store_batch batch = {pointers, ARRAY_SIZE(rows), &settle, settle ? 1 : 0};
    char ids[ARRAY_SIZE(rows)][16];
    enum store_result result;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        snprintf(ids[i], sizeof(ids[i]), "%s%s", prefix, rows[i].id);
        deliveries[i] =
            rig_delivery_of(ids[i], rows[i].job, rows[i].updated_at, false, rows[i].body);
        appends[i] = (struct store_append){.delivery = &deliveries[i]};
        pointers[i] = &appends[i];
    }
    result = rig_commit(&batch);
    note(result);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        must(result == STORE_OK || appends[i].verdict == STORE_VERDICT_REFUSED,
            "a verdict without a commit");
        if (appends[i].verdict == STORE_VERDICT_STORED) {
            must(told.n < N_TOLD, "more than expected");
            strcpy(told.stored[told.n++], ids[i]);
        }
    }
}

/* Settles what there is but for `seq`, which becomes `state`; with an attempt and a position. */
static void settle(const struct store_sink *sink, uint64_t seq, enum store_state state)
{
    static const struct store_attempt attempt = {
        .number = 1, .result = "exit 1", .output = "oops", .output_length = 4};
    const struct store_outcome outcome = {
        .seq = seq, .state = state, .attempts = 1, .next_at_usec = 1, .attempt = &attempt};
    struct store_sink now = {.id = 0};
    struct store_stats stats;
    struct store_settle settle = {.outcomes = &outcome, .n_outcomes = 1};
    const struct store_settle *settles[] = {&settle};
    struct store_batch batch = {.settles = settles, .n_settles = 1};

    store_get_stats(rig.store, &stats);
    if (!rig.reader || store_read_sink(rig.reader, sink->id, &now, &rig.error) < 0)
        return;
    settle.sink = sink->id;
    settle.frontier = stats.head;
    settle.delivered = (int64_t)(stats.head - now.frontier);
    if (seq > now.frontier && state != STORE_STATE_DONE)
        settle.delivered--;
    else if (state == STORE_STATE_DONE && now.pending_rows + now.dead > 0)
        settle.delivered++;
    settle.position = "mark";
    settle.position_length = 4;
    if (settle.delivered >= 0)
        note(rig_commit(&batch));
}

static int on_delivery(const struct delivery *delivery, void *context)
{
    return 0;
}

static int on_row(const struct store_row *row, void *context)
{
    return 0;
}

static int on_attempt(uint32_t sink, const struct store_attempt *attempt, void *context)
{
    return 0;
}

static int on_conflict(const struct store_conflict *conflict, void *context)
{
    return 0;
}

/* The walks that stop at once. */
static int stop_at_row(const struct store_row *row, void *context)
{
    return 1;
}

static int stop_at_conflict(const struct store_conflict *conflict, void *context)
{
    return 1;
}

static void read_a_little(uint32_t sink)
{
    if (!rig.reader)
        return;
    note_read(store_scan_rows(
        rig.reader, sink, STORE_STATE_PENDING, 0, SIZE_MAX, stop_at_row, NULL, &rig.error));
    note_read(store_scan_conflicts(rig.reader, 1, stop_at_conflict, NULL, &rig.error));
}

static void read_all(uint32_t sink)
{
    static const struct store_query queries[] = {
        {.limit = 2, .stale = -1, .until_usec = INT64_MAX},
        {.limit = 9, .stale = -1, .until_usec = INT64_MAX, .job_id = "job-1"},
        {.limit = 9, .stale = 0, .until_usec = INT64_MAX, .request_id = "1a", .oldest_first = true},
    };
    struct store_reader *reader = rig.reader;
    struct error *error = &rig.error;
    struct store_sink read;
    struct store_sink_row row;
    struct store_stats stats;
    uint64_t head, next;
    int64_t received;

    if (!reader)
        return;
    note_read(store_scan(reader, 0, SIZE_MAX, on_delivery, NULL, error));
    note_read(store_scan_rows(reader, sink, STORE_STATE_PENDING, 0, SIZE_MAX, on_row, NULL, error));
    note_read(store_scan_rows(reader, sink, STORE_STATE_DEAD, 0, SIZE_MAX, on_row, NULL, error));
    note_read(store_scan_rows(reader, 9, STORE_STATE_DEAD, 0, SIZE_MAX, on_row, NULL, error));
    note_read(store_read_sink(reader, sink, &read, error));
    note_read(store_read_sink(reader, 9, &read, error));
    note_read(store_read_head(reader, &head, error));
    for (uint64_t seq = 0; seq <= 4; seq++) {
        CLEANUP(delivery_free) struct delivery *delivery = NULL;

        note_read(store_fetch(reader, seq, &delivery, error));
        note_read(store_scan_attempts(reader, seq, on_attempt, NULL, error));
        note_read(store_scan_conflicts(reader, seq, on_conflict, NULL, error));
        note_read(store_read_sink_row(reader, sink, seq, &row, error));
        note_read(store_read_sink_row(reader, 9, seq, &row, error));
    }
    for (size_t i = 0; i < ARRAY_SIZE(queries); i++) {
        struct store_query query = queries[i];

        note_read(store_query(reader, &query, on_delivery, NULL, &next, error));
        query.sink = sink;
        query.state = STORE_STATE_PENDING;
        note_read(store_query(reader, &query, on_delivery, NULL, &next, error));
        query.state = STORE_STATE_DEAD;
        note_read(store_query(reader, &query, on_delivery, NULL, &next, error));
    }
    note_read(store_read_oldest_pending(reader, sink, &received, error));
    note_read(store_read_oldest_pending(reader, 9, &received, error));
    note_read(store_read_stats(reader, &stats, error));
}

static void back_up(void)
{
    struct store_backup *backup = NULL;
    struct store_backup_progress progress = {0};
    _Atomic bool cancelled = false;
    char path[128];
    int r;

    snprintf(path, sizeof(path), "%s/copy.db", rig.folder);
    close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    r = store_backup_begin(rig.store, path, &backup, &rig.error);
    for (int i = 0; r == 0 && !progress.done && i < 1000; i++)
        r = store_backup_step(backup, &progress, &rig.error);
    note_read(r);
    store_backup_end(backup);
    if (r == 0)
        note_read(store_backup_check(rig.store, path, &cancelled, &rig.error));
    unlink(path);
}

static void prune(int64_t keep_deliveries, int64_t keep_ids)
{
    const struct store_retention retention = {keep_deliveries, keep_ids};
    bool more = true;

    for (int i = 0; more && i < 10; i++)
        note(store_prune(rig.store, &retention, &more, &rig.error));
}

/* What a store does by itself once it has thousands: the index goes to disk, and is asked there. */
static void flush(void)
{
    struct sqlite_store *store = sqlite_store(rig.store);
    enum store_result result;

    if (rig.backend != RIG_SQLITE || store_has_failed(rig.store))
        return;
    if (index_flush(&store->index, &store->db, &store->now) == SQLITE_OK)
        return;
    result = db_roll_back(&store->db, STORE_OK, &rig.error);
    if (result == STORE_FAILED) { /* as the front would */
        rig.store->failed = true;
        rig.store->failure = rig.error;
    }
    note(result);
}

/* All up to the newest. */
static void settle_all(const struct store_sink *sink)
{
    struct store_settle settle = {.sink = sink->id};
    struct store_stats stats;
    struct store_sink now;

    store_get_stats(rig.store, &stats);
    if (!rig.reader || store_read_sink(rig.reader, sink->id, &now, &rig.error) < 0)
        return;
    settle.frontier = stats.head;
    settle.delivered = (int64_t)(stats.head - now.frontier);
    note(rig_settle(&settle));
}

/* Of a delivery that may be gone by now. */
static void settle_again(const struct store_sink *sink, uint64_t seq)
{
    const struct store_outcome outcome = {.seq = seq, .state = STORE_STATE_DONE};
    const struct store_settle settle = {.sink = sink->id, .outcomes = &outcome, .n_outcomes = 1};

    note(rig_settle(&settle));
}

/* With two sinks, one of which leaves the conf while it holds something. */
static void live_with(const struct store_sink *first, const struct store_sink *second)
{
    const uint32_t ids[] = {first->id, second->id};

    note(store_set_active_sinks(rig.store, ids, 2, &rig.error));
    note(store_set_active_sinks(rig.store, ids, 2, &rig.error));
    note(store_set_paused(rig.store, first->id, true, &rig.error));
    commit("1", NULL);
    flush();
    prune(USEC_PER_HOUR, USEC_PER_HOUR);
    settle(first, 1, STORE_STATE_PENDING);
    settle(second, 2, STORE_STATE_DEAD);
    commit("2", NULL);
    commit("1", NULL);
    flush();
    read_a_little(first->id);
    read_all(first->id);
    read_all(second->id);
    note(store_maintain(rig.store, true, &rig.error));
    rig_advance(2 * USEC_PER_HOUR);
    prune(USEC_PER_HOUR, USEC_PER_HOUR);
    settle(first, 1, STORE_STATE_DONE);
    settle(first, 4, STORE_STATE_PENDING);
    settle(first, 4, STORE_STATE_DEAD);
    settle(second, 1, STORE_STATE_DEAD);
    read_all(first->id);
    rig_advance(2 * USEC_PER_HOUR);
    if (rig.backend == RIG_SQLITE)
        back_up();
    note(store_set_active_sinks(rig.store, ids, 1, &rig.error));
    for (int day = 0; day < 3; day++) {
        rig_advance(26 * USEC_PER_HOUR);
        prune(USEC_PER_HOUR, USEC_PER_HOUR);
        rig_advance(2 * USEC_PER_HOUR);
        prune(USEC_PER_HOUR, USEC_PER_HOUR);
    }
    settle_again(first, 2);
    commit("3", NULL);
    settle_all(first);
    rig_advance(2 * USEC_PER_HOUR);
    prune(USEC_PER_HOUR, USEC_INFINITY); /* writes the index first */
    rig_advance(2 * USEC_PER_HOUR);
    prune(USEC_PER_HOUR, USEC_INFINITY);
    prune(USEC_INFINITY, USEC_INFINITY);
    note(store_maintain(rig.store, true, &rig.error));
}

/* Returns whether all went well. */
static void live(void)
{
    struct store_sink first, second;
    int r = rig_open_error(0, &rig.store);

    note_read(r);
    if (r < 0)
        return;
    note_read(store_reader_open(rig.store, &rig.reader, &rig.error));
    if (store_register_sink(rig.store, "first", &first, &rig.error) == STORE_OK &&
        store_register_sink(rig.store, "second", &second, &rig.error) == STORE_OK &&
        store_register_sink(rig.store, "second", &second, &rig.error) == STORE_OK)
        live_with(&first, &second);
    rig_close();
}

/* Nothing is refused any more. Ids may have been forgotten by then, in a life that went well. */
static void check_after(void)
{
    rig_open();
    for (uint32_t sink = 1; sink <= 2; sink++) {
        struct store_sink read;

        if (store_read_sink(rig.reader, sink, &read, NULL) == 0)
            rig_read_sink(sink);
    }
    if (told.n > 0 && memcmp(told.stored[told.n - 1], "3c", 2) != 0) {
        struct delivery delivery = rig_delivery_of(told.stored[told.n - 1], "job-2", 1, false, "");
        struct store_append append;

        RIG_OK(rig_append(&delivery, &append));
    }
    rig_append_new();
}

/* Values are bound in one place for all; each 8th will do. */
static const struct call_row {
    enum call call;
    int code;
    unsigned int skip;
    bool sticky;
} call_rows[] = {
    {CALL_STEP, SQLITE_IOERR, 0},
    {CALL_STEP, SQLITE_IOERR, 3, .sticky = true},
    {CALL_STEP, SQLITE_FULL, 1},
    {CALL_STEP, SQLITE_FULL, 1, .sticky = true},
    {CALL_STEP, SQLITE_IOERR_SHMSIZE, 3},
    {CALL_TEXT, SQLITE_NOMEM, 2},
    {CALL_PREPARE, SQLITE_NOMEM, 0},
    {CALL_BIND, SQLITE_NOMEM, 7},
    {CALL_OPEN, SQLITE_CANTOPEN},
    {CALL_EXEC, SQLITE_BUSY},
    {CALL_EXEC, SQLITE_IOERR},
    {CALL_CHECKPOINT, SQLITE_IOERR},
    {CALL_CHECKPOINT, SQLITE_INTERRUPT},
    {CALL_SYSTEM, EIO, 0},
    {CALL_FILE, EACCES, 0},
    {CALL_SYSTEM, EINTR, 0},
    {CALL_SYSTEM, ENOSPC, 0},
    {CALL_SYSTEM, EOPNOTSUPP, 0},
    {CALL_BACKUP, SQLITE_IOERR},
};

START_TEST(test_the_nth_call_is_refused)
{
    const struct call_row *row = &call_rows[(size_t)_i % ARRAY_SIZE(call_rows)];
    unsigned int n = 1;

    rig.stage = (size_t)_i / ARRAY_SIZE(call_rows) * 2;
    ck_assert(caller_init("libsqlite3"));
    for (bool hit = true; hit; n += 1 + row->skip) {
        rig_prepare(RIG_SQLITE);
        rig.reserve = 256 << 10;
        told = (struct told){.n = 0};
        refusal = (struct refusal){
            .call = row->call,
            .code = row->code,
            .at = n,
            .sticky = row->sticky,
        };
        live();
        hit = refusal.hit;
        refusal = (struct refusal){.at = 0};
        check_after();
        rig_stop();
    }
    ck_assert_uint_gt(n, 2);
}
END_TEST

/* SQLite's own allocations are refused in the rows above: as a call that says so. */
START_TEST(test_the_nth_allocation_is_refused)
{
    unsigned int n = 1;

    rig.stage = (size_t)_i / RIG_N_BACKENDS * 2;
    if (!failing_malloc_works())
        return;
    ck_assert(caller_init("libsqlite3"));
    for (bool hit = true; hit; n++) {
        rig_prepare((enum rig_backend)((size_t)_i % RIG_N_BACKENDS));
        told = (struct told){.n = 0};
        failing_malloc_counts = caller_is_ours;
        failing_malloc_in = n;
        live();
        hit = failing_malloc_in == 0;
        failing_malloc_in = 0;
        if (rig.backend == RIG_SQLITE)
            check_after();
        rig_stop();
    }
    ck_assert_uint_gt(n, 50);
}
END_TEST

/* Unavailable means that it can go on. A transaction that cannot be ended is the end. */
START_TEST(test_what_cannot_be_rolled_back)
{
    const struct delivery before = rig_delivery("before"), after = rig_delivery("after");
    bool hit = true, seen = false;

    ck_assert(caller_init("libsqlite3"));
    for (unsigned int n = 1; hit; n++) {
        struct store_append append;
        enum store_result result;

        rig_prepare(RIG_SQLITE);
        rig_open();
        refusal = (struct refusal){.call = CALL_STEP, .code = SQLITE_FULL, .at = n, .sticky = true};
        result = rig_append(&before, &append);
        hit = refusal.hit;
        refusal = (struct refusal){.at = 0};
        if (result == STORE_FAILED) {
            seen = true;
            ck_assert_msg(strstr(rig.error.text, "cannot roll back"), "%s", rig.error.text);
            ck_assert_int_eq(rig_append(&after, &append), STORE_FAILED);
        } else {
            ck_assert_int_eq(result, hit ? STORE_UNAVAILABLE : STORE_OK);
            rig_advance(USEC_PER_SEC);
            RIG_OK(rig_append(&after, &append));
            ck_assert_int_eq(append.verdict, STORE_VERDICT_STORED);
        }
        rig_close();
        rig_open();
        RIG_OK(rig_append(&before, &append));
        ck_assert_int_eq(append.verdict, hit ? STORE_VERDICT_STORED : STORE_VERDICT_DUPLICATE);
        rig_stop();
    }
    ck_assert(seen);
}
END_TEST

/* A first start without a descriptor to spare, at each that it needs. */
START_TEST(test_the_nth_open_of_a_start_is_refused)
{
    bool hit = true, seen = false;

    ck_assert(caller_init("libsqlite3"));
    for (unsigned int n = 1; hit; n++) {
        int r;

        rig_prepare(RIG_SQLITE);
        refusal = (struct refusal){.call = CALL_FILE, .code = EMFILE, .at = n};
        r = rig_open_error(0, &rig.store);
        hit = refusal.hit;
        refusal = (struct refusal){.at = 0};
        ck_assert_int_eq(r, hit ? -EMFILE : 0);
        ck_assert_msg(!hit || strstr(rig.error.text, "Too many open files"), "%s", rig.error.text);
        seen |= strstr(rig.error.text, "cannot make the file") != NULL;
        rig_close();
        rig_open();
        rig_append_new();
        rig_stop();
    }
    ck_assert(seen);
}
END_TEST

/* A start that cannot read all there is does not leave out what it could not read: its copy would
 * be taken for new. */
START_TEST(test_the_nth_text_of_a_start_is_refused)
{
    unsigned int n = 1;

    ck_assert(caller_init("libsqlite3"));
    rig_prepare(RIG_SQLITE);
    rig_open();
    for (bool hit = true; hit; n++) {
        const struct delivery deliveries[] = {
            rig_delivery("first"), rig_delivery("second"), rig_delivery("third")};
        int r;

        for (size_t i = 0; i < ARRAY_SIZE(deliveries); i++) {
            struct store_append append;

            RIG_OK(rig_append(&deliveries[i], &append));
            ck_assert_int_eq(
                append.verdict, n == 1 ? STORE_VERDICT_STORED : STORE_VERDICT_DUPLICATE);
            ck_assert_uint_eq(append.seq, i + 1);
        }
        rig_close();
        refusal = (struct refusal){.call = CALL_TEXT, .code = SQLITE_NOMEM, .at = n};
        r = rig_open_error(0, &rig.store);
        hit = refusal.hit;
        refusal = (struct refusal){.at = 0};
        ck_assert_int_eq(r, hit ? -ENOMEM : 0);
        ck_assert_msg(!hit || strstr(rig.error.text, "out of memory"), "%s", rig.error.text);
        if (hit)
            rig_open();
    }
    ck_assert_uint_gt(n, 6);
    rig_stop();
}
END_TEST

/* Rows that a disk has damaged, or somebody edited: each is found out where it is met. */
static const struct {
    const char *sql;
    bool opens;
} damages[] = {
    {"DELETE FROM store", false},
    {"UPDATE sinks SET position = zeroblob(65)", true},
    {"UPDATE progress SET state = 7", true},
    {"UPDATE progress SET state = -1", true},
    {"DELETE FROM sinks", true},
    {"UPDATE deliveries SET id_digest = x'00', job_id = '', type = ''", true},
};

START_TEST(test_damaged_rows)
{
    struct store_sink sink = {.id = 1};
    sqlite3 *handle;
    int r;

    rig_prepare(RIG_SQLITE);
    rig_open();
    rig_append_many(3);
    sink = rig_register("sink");
    rig_append_many(3);
    rig_outcome(sink.id, 5, 1, 5, STORE_STATE_PENDING);
    rig_close();
    ck_assert_int_eq(sqlite3_open(rig.path, &handle), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(handle, damages[_i].sql, NULL, NULL, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_close(handle), SQLITE_OK);

    r = rig_open_error(0, &rig.store);
    ck_assert_int_eq(r == 0, damages[_i].opens);
    if (r == 0) {
        const struct store_outcome outcome = {.seq = 5, .state = STORE_STATE_DONE};
        const struct store_settle settle = {
            .sink = sink.id, .delivered = 1, .outcomes = &outcome, .n_outcomes = 1};

        ck_assert_int_eq(store_reader_open(rig.store, &rig.reader, &rig.error), 0);
        told = (struct told){.n = 0};
        read_all(sink.id);
        if (!strstr(damages[_i].sql, "position") && !strstr(damages[_i].sql, "deliveries"))
            ck_assert_int_eq(rig_settle(&settle), STORE_FAILED);
    }
    rig_stop();
}
END_TEST

/* Whoever does not want to know why passes no error. */
START_TEST(test_no_error_wanted)
{
    const struct store_options nowhere = {"/nowhere/at/all.db", &rig.clock, 0, 0};
    const struct store_options options = {rig.path, &rig.clock, 0, 0};
    struct store *store = NULL;

    rig_prepare(RIG_SQLITE);
    ck_assert_int_lt(store_open_sqlite(&nowhere, &store, NULL), 0);
    ck_assert_int_eq(store_open_sqlite(&options, &store, NULL), 0);
    store_close(store);
    rig_stop();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store_calls");
    TCase *errors = tcase_create("errors");
    SRunner *runner;
    int n_failed;

    rig_root = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : rig_root;
    tcase_set_timeout(errors, 60);
    tcase_add_loop_test(errors, test_the_nth_call_is_refused, 0, 2 * ARRAY_SIZE(call_rows));
    tcase_add_loop_test(errors, test_the_nth_allocation_is_refused, 0, 2 * RIG_N_BACKENDS);
    tcase_add_test(errors, test_what_cannot_be_rolled_back);
    tcase_add_test(errors, test_the_nth_open_of_a_start_is_refused);
    tcase_add_test(errors, test_the_nth_text_of_a_start_is_refused);
    tcase_add_loop_test(errors, test_damaged_rows, 0, ARRAY_SIZE(damages));
    tcase_add_test(errors, test_no_error_wanted);
    suite_add_tcase(suite, errors);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed == 0 ? 0 : 1;
}
