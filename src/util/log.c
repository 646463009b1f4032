#include "util/log.h"

/*
 * The log: where an event goes. What it looks like there is log_line.c's.
 *
 * State is set once by log_init before threads start, except the level and the counters, which are
 * atomic. A line is
 * built on the stack and written with one write(2), so that lines of threads do not mix and running
 * out of memory can be told. What the receiver of stderr does not take is dropped: the daemon
 * never waits for its log beyond that one call.
 *
 * errno is kept, so that logging between a failed call and the look at its errno is harmless.
 */

#include "util/cleanup.h"
#include "util/clock.h"
#include "util/fd.h"
#include "util/log_line.h"
#include "util/rfc3339.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Asks for the headers' plain functions: the file and line of log.c would help nobody. */
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#define JOURNAL_SOCKET "/run/systemd/journal/socket"

static const struct {
    enum log_level level;
    const char *name;
} level_names[] = {
    {LOG_LEVEL_ERR, "err"},
    {LOG_LEVEL_WARNING, "warning"},
    {LOG_LEVEL_INFO, "info"},
    {LOG_LEVEL_DEBUG, "debug"},
};

static const char *const format_names[] = {
    [LOG_FORMAT_AUTO] = "auto",
    [LOG_FORMAT_JOURNAL] = "journal",
    [LOG_FORMAT_TEXT] = "text",
    [LOG_FORMAT_JSON] = "json",
};

static _Atomic uint64_t log_counts[ARRAY_SIZE(level_names)];
static atomic_int log_level_now = LOG_LEVEL_INFO;
static enum log_format log_format_now = LOG_FORMAT_TEXT; /* never AUTO */
static bool log_with_date = true;

/* systemd.exec(5): the service's stderr is the journal when $JOURNAL_STREAM names its device and
 * inode. The variable alone proves nothing: children inherit it. */
static bool stderr_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat status;
    int used = 0;

    if (!stream || sscanf(stream, "%llu:%llu%n", &device, &inode, &used) != 2 || stream[used])
        return false;
    if (fstat(STDERR_FILENO, &status) < 0)
        return false;
    return status.st_dev == device && status.st_ino == inode;
}

void log_init(enum log_level level, enum log_format format)
{
    if (format == LOG_FORMAT_AUTO)
        format = stderr_is_journal() ? LOG_FORMAT_JOURNAL : LOG_FORMAT_TEXT;

    /* libsystemd reports success where no journal runs: the log would vanish. */
    if (format == LOG_FORMAT_JOURNAL && access(JOURNAL_SOCKET, F_OK) < 0)
        format = LOG_FORMAT_TEXT;

    log_format_now = format;
    log_with_date = !isatty(STDERR_FILENO);
    log_set_level(level);
}

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&log_level_now, level, memory_order_relaxed);
}

bool log_is_on(enum log_level level)
{
    return (int)level <= atomic_load_explicit(&log_level_now, memory_order_relaxed);
}

int log_level_parse(const char *text, enum log_level *ret_level)
{
    for (size_t i = 0; i < ARRAY_SIZE(level_names); i++)
        if (strcmp(text, level_names[i].name) == 0) {
            *ret_level = level_names[i].level;
            return 0;
        }
    return -EINVAL;
}

static size_t level_index(enum log_level level)
{
    for (size_t i = 0; i < ARRAY_SIZE(level_names); i++)
        if (level == level_names[i].level)
            return i;
    ASSERT(!"a log level without a name");
    return 0;
}

const char *log_level_name(enum log_level level)
{
    return level_names[level_index(level)].name;
}

uint64_t log_count(enum log_level level)
{
    return atomic_load_explicit(&log_counts[level_index(level)], memory_order_relaxed);
}

int log_format_parse(const char *text, enum log_format *ret_format)
{
    for (size_t i = 0; i < ARRAY_SIZE(format_names); i++)
        if (strcmp(text, format_names[i]) == 0) {
            *ret_format = (enum log_format)i;
            return 0;
        }
    return -EINVAL;
}

const char *log_format_name(enum log_format format)
{
    ASSERT((size_t)format < ARRAY_SIZE(format_names));
    return format_names[format];
}

static void log_write_line(const struct log_record *record, enum log_format format)
{
    struct log_line line;

    if (format == LOG_FORMAT_JSON)
        log_line_json(&line, record);
    else
        log_line_text(&line, record);
    (void)fd_write_all(STDERR_FILENO, line.data, line.length);
}

/* Returns whether the journal took it. */
static bool log_write_journal(const struct log_record *record)
{
    struct log_entry entry;

    log_entry_journal(&entry, record, program_invocation_short_name);
    return sd_journal_sendv(entry.items, (int)entry.count) >= 0;
}

void log_event(enum log_level level, const char *event, const struct log_field *fields,
    const char *format, ...)
{
    char sentence[LOG_SENTENCE_MAX + 2]; /* one byte beyond the most shows that it was cut */
    char date[RFC3339_SIZE];
    struct log_record record = {
        .level = level,
        .event = event,
        .sentence = sentence,
        .fields = fields,
    };
    int saved_errno = errno;
    va_list arguments;

    if (!log_is_on(level))
        return;
    atomic_fetch_add_explicit(&log_counts[level_index(level)], 1, memory_order_relaxed);

    va_start(arguments, format);
    if (vsnprintf(sentence, sizeof(sentence), format, arguments) < 0)
        sentence[0] = '\0';
    va_end(arguments);

    /* In milliseconds: "…38.123" is 23 bytes. */
    rfc3339_format(clock_realtime(clock_system()), date);
    memcpy(date + 23, "Z", 2);
    if (log_with_date || log_format_now == LOG_FORMAT_JSON)
        record.date = date;

    if (log_format_now != LOG_FORMAT_JOURNAL || !log_write_journal(&record))
        log_write_line(&record, log_format_now);
    errno = saved_errno;
}
