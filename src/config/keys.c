/*
 * The tables.
 */

#include "config/keys.h"

#include "config/texts.h"
#include "intake/intake.h"
#include "util/cleanup.h"

#include <string.h>

static const struct key_choice log_levels[] = {
    {"err", LOG_LEVEL_ERR},
    {"warning", LOG_LEVEL_WARNING},
    {"info", LOG_LEVEL_INFO},
    {"debug", LOG_LEVEL_DEBUG},
    {NULL, 0},
};

static const struct key_choice log_formats[] = {
    {"auto", LOG_FORMAT_AUTO},
    {"journal", LOG_FORMAT_JOURNAL},
    {"text", LOG_FORMAT_TEXT},
    {"json", LOG_FORMAT_JSON},
    {NULL, 0},
};

static const struct key_choice encodings[] = {
    {"auto", SECRET_AUTO},
    {"base64", SECRET_BASE64},
    {"hex", SECRET_HEX},
    {"raw", SECRET_RAW},
    {NULL, 0},
};

static const struct key_choice orders[] = {{"job", false}, {"none", true}, {NULL, 0}};
static const struct key_choice stales[] = {{"deliver", false}, {"skip", true}, {NULL, 0}};
static const struct key_choice verifies[] = {{"enforce", false}, {"report", true}, {NULL, 0}};
static const struct key_choice protocols[] = {{"rfc5424", false}, {"rfc3164", true}, {NULL, 0}};

static const struct key_choice syslog_formats[] = {
    {"text", SINK_SYSLOG_TEXT},
    {"json", SINK_SYSLOG_JSON},
    {NULL, 0},
};

/* RFC 5424 §6.2.1, tables 1 and 2. */
static const struct key_choice facilities[] = {
    {"kern", 0},
    {"user", 1},
    {"mail", 2},
    {"daemon", 3},
    {"auth", 4},
    {"syslog", 5},
    {"lpr", 6},
    {"news", 7},
    {"uucp", 8},
    {"cron", 9},
    {"authpriv", 10},
    {"ftp", 11},
    {"local0", 16},
    {"local1", 17},
    {"local2", 18},
    {"local3", 19},
    {"local4", 20},
    {"local5", 21},
    {"local6", 22},
    {"local7", 23},
    {NULL, 0},
};

static const struct key_choice severities[] = {
    {"emerg", 0},
    {"alert", 1},
    {"crit", 2},
    {"err", 3},
    {"warning", 4},
    {"notice", 5},
    {"info", 6},
    {"debug", 7},
    {NULL, 0},
};

#define MSEC(n) ((uint64_t)(n) * (uint64_t)USEC_PER_MSEC)
#define DAYS(n) ((uint64_t)(n) * (uint64_t)USEC_PER_DAY)
#define HOURS(n) ((uint64_t)(n) * (uint64_t)USEC_PER_HOUR)
#define YEARS(n) DAYS(365 * (n))
#define KIB(n) ((uint64_t)(n) << 10)
#define MIB(n) ((uint64_t)(n) << 20)
#define TIB(n) ((uint64_t)(n) << 40)

#define AT(field) .offset = offsetof(struct OWNER, field)
#define TIME_LIMIT .min = MSEC(100), .max = HOURS(1)

#define OWNER config_server
static const struct key server_keys[] = {
    {"listen", KEY_LIST, AT(listen), .def = "127.0.0.1:8480", .required = true, .max = 32,
        .check = text_check_listen},
    {"workers", KEY_NUMBER, AT(workers), .def = "2", .min = 1, .max = 64},
    {"max_body", KEY_SIZE, AT(max_body), .def = "256K", .min = KIB(1), .max = MIB(16)},
    {"max_connections", KEY_NUMBER, AT(max_connections), .def = "1024", .min = 1, .max = 65536},
    {"header_timeout", KEY_DURATION, AT(header_timeout_usec), .def = "10s", TIME_LIMIT},
    {"body_timeout", KEY_DURATION, AT(body_timeout_usec), .def = "30s", TIME_LIMIT},
    {"idle_timeout", KEY_DURATION, AT(idle_timeout_usec), .def = "15s", TIME_LIMIT},
    {"commit_timeout", KEY_DURATION, AT(commit_timeout_usec), .def = "5s", TIME_LIMIT},
    {"drain_timeout", KEY_DURATION, AT(drain_timeout_usec), .def = "30s", TIME_LIMIT},
    {"keep_refused", KEY_NUMBER, AT(keep_refused), .def = "100", .min = 0, .max = 10000},
    {NULL},
};
#undef OWNER

#define OWNER config_admin
static const struct key admin_keys[] = {
    {"listen", KEY_LIST, AT(listen), .def = "unix:/run/sasha-callbackd/admin.sock", .max = 32,
        .check = text_check_listen},
    {NULL},
};
#undef OWNER

#define OWNER config_log
static const struct key log_keys[] = {
    {"level", KEY_CHOICE, AT(level), .def = "info", .choices = log_levels},
    {"format", KEY_CHOICE, AT(format), .def = "auto", .choices = log_formats},
    {NULL},
};
#undef OWNER

#define OWNER config_store
static const struct key store_keys[] = {
    {"path", KEY_TEXT, AT(path), .def = "/var/lib/sasha-callbackd/deliveries.db",
        .check = text_check_path},
    {"keep_deliveries", KEY_DURATION, AT(keep_deliveries_usec), .def = "30d", .min = MSEC(1000),
        .max = YEARS(100), .word = "forever"},
    {"keep_ids", KEY_DURATION, AT(keep_ids_usec), .def = "forever", .min = MSEC(1000),
        .max = YEARS(100), .word = "forever"},
    {"disk_floor", KEY_SIZE, AT(disk_floor), .def = "64M", .min = 0, .max = TIB(1)},
    {NULL},
};
#undef OWNER

#define OWNER config_endpoint
static const struct key endpoint_keys[] = {
    {"public_url", KEY_TEXT, AT(public_url), .required = true, .check = text_check_public_url,
        .hide = true},
    {"path", KEY_TEXT, AT(path), .check = text_check_target},
    {"verify", KEY_FLAG, AT(report), .def = "enforce", .choices = verifies},
    {"partner_token", KEY_TOKENS, .required = true, .max = INTAKE_CREDENTIALS_MAX},
    {"max_age", KEY_DURATION, AT(max_age_usec), .def = "none", .min = MSEC(1000), .max = YEARS(100),
        .word = "none"},
    {NULL},
};
#undef OWNER

#define OWNER config_secret
static const struct key secret_keys[] = {
    {"source", KEY_SOURCE, .required = true},
    {"id", KEY_TEXT, AT(id), .check = text_check_secret_id},
    {"encoding", KEY_CHOICE, AT(encoding), .def = "auto", .choices = encodings},
    {NULL},
};
#undef OWNER

#define OWNER config_sink
#define EXEC .sinks = KEY_SINK_EXEC
#define FILES .sinks = KEY_SINK_FILE
#define SYSLOG .sinks = KEY_SINK_SYSLOG
static const struct key sink_keys[] = {
    {"type", KEY_TEXT, AT(type), .required = true, .check = text_check_sink_type},
    {"statuses", KEY_LIST, AT(statuses), .max = 64, .check = text_check_filter},
    {"types", KEY_LIST, AT(types), .max = 64, .check = text_check_filter},
    {"endpoints", KEY_LIST, AT(endpoints), .max = 64, .check = text_check_filter},
    {"retry_first", KEY_DURATION, AT(retry_first_usec), .def = "1s", .min = MSEC(10),
        .max = DAYS(1)},
    {"retry_max", KEY_DURATION, AT(retry_max_usec), .def = "1h", .min = MSEC(10), .max = DAYS(7)},
    {"retry_attempts", KEY_NUMBER, AT(retry_attempts), .def = "24", .min = 1, .max = 10000},
    {"breaker", KEY_NUMBER, AT(breaker), .def = "50", .min = 0, .max = 1000000},
    {"order", KEY_FLAG, AT(order_none), .def = "job", .choices = orders, EXEC},
    {"stale", KEY_FLAG, AT(skip_stale), .def = "deliver", .choices = stales},
    {"command", KEY_LIST, AT(command), .required = true, .max = 256, EXEC},
    {"concurrency", KEY_NUMBER, AT(concurrency), .def = "4", .min = 1, .max = 256, EXEC},
    {"timeout", KEY_DURATION, AT(timeout_usec), .def = "60s", .min = MSEC(100), .max = DAYS(1),
        EXEC},
    {"grace", KEY_DURATION, AT(grace_usec), .def = "5s", TIME_LIMIT, EXEC},
    {"user_env", KEY_LIST, AT(user_env), .def = "PATH=/usr/local/bin:/usr/bin:/bin", .max = 256,
        .check = text_check_env, .hide = true, EXEC},
    {"path", KEY_TEXT, AT(path), .required = true, .check = text_check_file_sink_path, FILES},
    {"mode", KEY_MODE, AT(mode), .def = "0640", FILES},
    {"target", KEY_TEXT, AT(target), .def = "local", .check = text_check_syslog_target, SYSLOG},
    {"protocol", KEY_FLAG, AT(rfc3164), .choices = protocols, SYSLOG},
    {"facility", KEY_CHOICE, AT(facility), .def = "local0", .choices = facilities, SYSLOG},
    {"severity", KEY_CHOICE, AT(severity), .def = "info", .choices = severities, SYSLOG},
    {"tag", KEY_TEXT, AT(tag), .def = "sasha-callbackd", .check = text_check_syslog_tag, SYSLOG},
    {"format", KEY_CHOICE, AT(format), .def = "text", .choices = syslog_formats, SYSLOG},
    {"timeout", KEY_DURATION, AT(timeout_usec), .def = "10s", TIME_LIMIT, SYSLOG},
    {NULL},
};
#undef OWNER

const struct key_section key_sections[SECTION_COUNT - 1] = {
    {"server", SECTION_SERVER, SECTION_ROOT, false, server_keys},
    {"admin", SECTION_ADMIN, SECTION_ROOT, false, admin_keys},
    {"log", SECTION_LOG, SECTION_ROOT, false, log_keys},
    {"store", SECTION_STORE, SECTION_ROOT, false, store_keys},
    {"endpoint", SECTION_ENDPOINT, SECTION_ROOT, true, endpoint_keys},
    {"callback_secret", SECTION_SECRET, SECTION_ENDPOINT, true, secret_keys},
    {"sink", SECTION_SINK, SECTION_ROOT, true, sink_keys},
};

static const struct {
    const char *name;
    unsigned int mask;
} sink_types[] = {
    {"exec", KEY_SINK_EXEC},
    {"file", KEY_SINK_FILE},
    {"syslog", KEY_SINK_SYSLOG},
};

const struct key_section *key_section_get(enum section_id id)
{
    ASSERT(id > SECTION_ROOT && id < SECTION_COUNT);
    return &key_sections[id - 1];
}

const struct key_section *key_section_find(enum section_id parent, const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(key_sections); i++)
        if (key_sections[i].parent == parent && strcmp(key_sections[i].name, name) == 0)
            return &key_sections[i];
    return NULL;
}

const struct key *key_find(const struct key_section *section, const char *name, unsigned int sinks)
{
    for (const struct key *key = section->keys; key->name; key++)
        if (strcmp(key->name, name) == 0 && (!sinks || !key->sinks || key->sinks & sinks))
            return key;
    return NULL;
}

unsigned int key_sink_mask(const char *type)
{
    for (size_t i = 0; i < ARRAY_SIZE(sink_types); i++)
        if (strcmp(sink_types[i].name, type) == 0)
            return sink_types[i].mask;
    return 0;
}

const char *key_sink_name(unsigned int mask)
{
    for (size_t i = 0; i < ARRAY_SIZE(sink_types); i++)
        if (sink_types[i].mask == mask)
            return sink_types[i].name;
    return NULL;
}

bool key_title_is_valid(const char *text, size_t length)
{
    if (length == 0 || length > KEY_TITLE_MAX)
        return false;
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                (c && strchr("_.-", c))))
            return false;
    }
    return true;
}
