/*
 * The conf reader (src/config: lexer, outline, libconfuse, values, dump).
 *
 * What must hold:
 * - a text is taken or at least one fault says why not; faults are "file:line: …" lines, fit for a
 *   terminal, and the line is one of the text;
 * - reading changes nothing: what was read once is read the same again from what is left of it;
 * - what --dump-config prints of a conf that was taken is read without a fault of syntax, and
 *   dumps the same again;
 * - the dump is the same whatever the secrets are whose values stand in the conf.
 *
 * Input: the conf file.
 */

#include "fuzz.h"

#include "config/raw.h"
#include "util/log.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    log_init(LOG_LEVEL_ERR, LOG_FORMAT_TEXT);
    return 0;
}

static int count_lines(const uint8_t *data, size_t size)
{
    int n = 1;

    for (size_t i = 0; i < size; i++)
        n += data[i] == '\n';
    return n;
}

/* "NAME:LINE: text\n" lines without control bytes. */
static void check_faults(const struct config_faults *faults, const char *name, int lines)
{
    const char *at = (const char *)faults->text.data;
    const char *end = at + faults->text.length;
    size_t n = 0;

    while (at < end) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        char *rest;
        long line;

        FUZZ_CHECK(line_end);
        if (strncmp(at, name, strlen(name)) == 0 && at[strlen(name)] == ':') {
            line = strtol(at + strlen(name) + 1, &rest, 10);
            FUZZ_CHECK(line >= 1 && line <= lines && *rest == ':');
        }
        for (const char *c = at; c < line_end; c++)
            FUZZ_CHECK((unsigned char)*c >= ' ' && *c != 0x7f);
        at = line_end + 1;
        n++;
    }
    FUZZ_CHECK(n > 0);
}

static void check_list_equal(const struct config_list *a, const struct config_list *b)
{
    FUZZ_CHECK(a->n == b->n);
    for (size_t i = 0; i < a->n; i++)
        FUZZ_CHECK(strcmp(a->texts[i], b->texts[i]) == 0);
}

/* Parses, and parses what parsing left of the text. Both must agree. */
static void check_parse(const uint8_t *data, size_t size)
{
    struct fault_list faults = FAULT_LIST_INIT, again = FAULT_LIST_INIT;
    struct raw raw = RAW_INIT, raw_again = RAW_INIT;
    char *text = fuzz_copy(data, size, 1);
    int r = parse_text(text, size, &raw, &faults);

    FUZZ_CHECK(r == 0 || faults.n > 0);
    FUZZ_CHECK(text[size] == '\0');
    /* Titles are blanked, so only a text without them is whole. */
    if (r == 0 && faults.n == 0) {
        int titled = 0;

        for (size_t i = 0; i < raw.n_sections; i++)
            titled += raw.sections[i]->title != NULL;
        if (titled == 0) {
            FUZZ_CHECK(parse_text(text, size, &raw_again, &again) == 0 && again.n == 0);
            FUZZ_CHECK(raw_again.n_sections == raw.n_sections);
            for (size_t i = 0; i < raw.n_sections; i++) {
                FUZZ_CHECK(raw_again.sections[i]->n_statements == raw.sections[i]->n_statements);
                for (size_t j = 0; j < raw.sections[i]->n_statements; j++)
                    check_list_equal(&raw.sections[i]->statements[j].values,
                        &raw_again.sections[i]->statements[j].values);
            }
        }
    }
    raw_done(&raw);
    raw_done(&raw_again);
    fault_list_done(&faults);
    fault_list_done(&again);
    free(text);
}

static int load(const void *data, size_t size, enum config_use use, struct config **ret_config)
{
    struct config_faults faults = CONFIG_FAULTS_INIT;
    int fd = memfd_create("conf", MFD_CLOEXEC), r;
    char name[32];

    FUZZ_CHECK(fd >= 0 && fchmod(fd, 0600) == 0 && write(fd, data, size) == (ssize_t)size);
    snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
    r = config_load(name, use, ret_config, &faults);
    if (r < 0)
        check_faults(&faults, name, count_lines(data, size));
    config_faults_done(&faults);
    close(fd);
    return r;
}

static void overwrite(char *text)
{
    memset(text, '*', strlen(text));
}

static void overwrite_value(char *source)
{
    if (strncmp(source, "value:", 6) == 0)
        overwrite(source + 6);
}

/* Puts other secrets in the place of all whose values stand in the conf, and of all that were read.
 */
static void overwrite_secrets(struct config *config)
{
    for (size_t i = 0; i < config->n_endpoints; i++) {
        struct config_endpoint *endpoint = &config->endpoints[i];

        for (size_t j = 0; j < endpoint->n_tokens; j++) {
            overwrite_value(endpoint->tokens[j].source);
            overwrite(endpoint->tokens[j].text);
        }
        for (size_t j = 0; j < endpoint->n_secrets; j++) {
            overwrite_value(endpoint->secrets[j].source);
            memset(endpoint->secrets[j].key.bytes, '*', endpoint->secrets[j].key.length);
        }
    }
}

static void check_dump(struct config *config)
{
    struct fault_list faults = FAULT_LIST_INIT;
    struct raw raw = RAW_INIT;
    struct buf dump = BUF_INIT, other = BUF_INIT;

    FUZZ_CHECK(config_dump(config, &dump) == 0);
    overwrite_secrets(config);
    FUZZ_CHECK(config_dump(config, &other) == 0);
    FUZZ_CHECK(dump.length == other.length && memcmp(dump.data, other.data, dump.length) == 0);
    FUZZ_CHECK(buf_append(&dump, "", 1) == 0);
    FUZZ_CHECK(parse_text((char *)dump.data, dump.length - 1, &raw, &faults) == 0);
    FUZZ_CHECK(faults.n == 0);
    raw_done(&raw);
    fault_list_done(&faults);
    buf_done(&dump);
    buf_done(&other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum config_use uses[] = {CONFIG_FOR_DAEMON, CONFIG_FOR_CLIENT, CONFIG_FOR_ADMIN};

    if (size > 16384)
        return 0;
    check_parse(data, size);
    for (size_t i = 0; i < sizeof(uses) / sizeof(uses[0]); i++) {
        struct config *config = NULL;

        if (uses[i] != CONFIG_FOR_DAEMON && size % 8 != 0)
            continue; /* they do less of the same */
        if (load(data, size, uses[i], &config) == 0 && uses[i] == CONFIG_FOR_DAEMON)
            check_dump(config);
        config_free(config);
    }
    return 0;
}
