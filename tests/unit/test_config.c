/*
 * Good confs: what they come to, with every default; that a dump reads as the same conf; that the
 * sample conf and the man page know every key; and that libconfuse reads what the outline let pass.
 */

#include "config_folder.h"

#include "config/keys.h"
#include "config/raw.h"
#include "util/cleanup.h"

#define LEAST                                                              \
    "endpoint \"main\" {\n"                                                \
    "    public_url = \"https://your-app.com/cb/x\"\n"                     \
    "    partner_token = {\"none\"}\n"                                     \
    "    callback_secret \"current\" { source = \"value:" KEY_HEX "\" }\n" \
    "}\n"

START_TEST(fills_in_defaults)
{
    struct config *config;
    const struct config_endpoint *endpoint;

    put_conf(LEAST, 0600);
    config = load_good(CONFIG_FOR_CLIENT);
    ck_assert_str_eq(config->file, "c.conf");
    ck_assert_uint_eq(config->server.listen.n, 1);
    ck_assert_str_eq(config->server.listen.texts[0], "127.0.0.1:8480");
    ck_assert_ptr_null(config->server.listen.texts[1]);
    ck_assert_uint_eq(config->server.workers, 2);
    ck_assert_uint_eq(config->server.max_body, 256 << 10);
    ck_assert_uint_eq(config->server.max_connections, 1024);
    ck_assert_int_eq(config->server.header_timeout_usec, 10 * USEC_PER_SEC);
    ck_assert_int_eq(config->server.body_timeout_usec, 30 * USEC_PER_SEC);
    ck_assert_int_eq(config->server.idle_timeout_usec, 15 * USEC_PER_SEC);
    ck_assert_int_eq(config->server.commit_timeout_usec, 5 * USEC_PER_SEC);
    ck_assert_int_eq(config->server.drain_timeout_usec, 30 * USEC_PER_SEC);
    ck_assert_uint_eq(config->server.keep_refused, 100);
    ck_assert_str_eq(config->admin.listen.texts[0], "unix:/run/sasha-callbackd/admin.sock");
    ck_assert_int_eq(config->log.level, LOG_LEVEL_INFO);
    ck_assert_int_eq(config->log.format, LOG_FORMAT_AUTO);
    ck_assert_str_eq(config->store.path, "/var/lib/sasha-callbackd/deliveries.db");
    ck_assert_int_eq(config->store.keep_deliveries_usec, 30 * USEC_PER_DAY);
    ck_assert_int_eq(config->store.keep_ids_usec, USEC_INFINITY);
    ck_assert_uint_eq(config->store.disk_floor, 64 << 20);
    ck_assert_uint_eq(config->n_sinks, 0);

    ck_assert_uint_eq(config->n_endpoints, 1);
    endpoint = &config->endpoints[0];
    ck_assert_str_eq(endpoint->name, "main");
    ck_assert_str_eq(endpoint->public_url, "https://your-app.com/cb/x");
    ck_assert_str_eq(endpoint->path, "/cb/x");
    ck_assert(endpoint->no_token);
    ck_assert(!endpoint->report);
    ck_assert_uint_eq(endpoint->n_tokens, 0);
    ck_assert_int_eq(endpoint->max_age_usec, USEC_INFINITY);
    ck_assert_uint_eq(endpoint->n_secrets, 1);
    ck_assert_str_eq(endpoint->secrets[0].name, "current");
    ck_assert_ptr_null(endpoint->secrets[0].id);
    ck_assert_int_eq(endpoint->secrets[0].encoding, SECRET_AUTO);
    ck_assert_uint_eq(endpoint->secrets[0].key.length, 32);
    ck_assert_mem_eq(endpoint->secrets[0].key.bytes, "\x00\x11\x22\x33", 4);
    config_free(config);
}
END_TEST

START_TEST(fills_in_defaults_of_sinks)
{
    struct config *config;
    const struct config_sink *sink;

    put_conf(LEAST "sink e { type = exec command = {\"/bin/true\", \"\"} }\n"
                   "sink f { type = file path = /x }\n"
                   "sink s { type = syslog }\n"
                   "sink r { type = syslog target = \"tcp:[::1]:514\" }\n"
                   "sink o { type = syslog target = \"h:514\" protocol = rfc3164 }\n",
        0600);
    config = load_good(CONFIG_FOR_CLIENT);
    ck_assert_uint_eq(config->n_sinks, 5);
    for (size_t i = 0; i < 5; i++) {
        sink = &config->sinks[i];
        ck_assert_uint_eq(sink->statuses.n + sink->types.n + sink->endpoints.n, 0);
        ck_assert_ptr_null(sink->statuses.texts[0]);
        ck_assert_int_eq(sink->retry_first_usec, USEC_PER_SEC);
        ck_assert_int_eq(sink->retry_max_usec, USEC_PER_HOUR);
        ck_assert_uint_eq(sink->retry_attempts, 24);
        ck_assert_uint_eq(sink->breaker, 50);
        ck_assert(!sink->order_none && !sink->skip_stale);
        ck_assert_uint_eq(sink->concurrency, i == 0 ? 4 : 1);
    }
    sink = &config->sinks[0];
    ck_assert_str_eq(sink->type, "exec");
    ck_assert_uint_eq(sink->command.n, 2);
    ck_assert_str_eq(sink->command.texts[1], "");
    ck_assert_int_eq(sink->timeout_usec, USEC_PER_MIN);
    ck_assert_int_eq(sink->grace_usec, 5 * USEC_PER_SEC);
    ck_assert_str_eq(sink->user_env.texts[0], "PATH=/usr/local/bin:/usr/bin:/bin");
    ck_assert_uint_eq(config->sinks[1].mode, 0640);
    sink = &config->sinks[2];
    ck_assert_str_eq(sink->target, "local");
    ck_assert_str_eq(sink->tag, "sasha-callbackd");
    ck_assert_int_eq(sink->facility, 16);
    ck_assert_int_eq(sink->severity, 6);
    ck_assert_int_eq(sink->format, SINK_SYSLOG_TEXT);
    ck_assert_int_eq(sink->timeout_usec, 10 * USEC_PER_SEC);
    ck_assert(sink->rfc3164);
    ck_assert(!config->sinks[3].rfc3164);
    ck_assert(config->sinks[4].rfc3164);
    config_free(config);
}
END_TEST

/* Every key with another value than its default, in every way that the syntax has. */
static const char full[] =
    "# a comment\n"
    "server {\n"
    "    listen = {\"[::1]:8480\", 'unix:@T/http.sock',}  // trailing comma\n"
    "    workers = \"3\"  max_body=1M max_connections /* here too */ = 7\n"
    "    header_timeout = 1s body_timeout = 2m idle_timeout = \"3s\" commit_timeout = 250ms\n"
    "    drain_timeout = 1h keep_refused = 0\n"
    "}\n"
    "admin { listen = {} }\r\n"
    "log { level = \"debug\" format = json }\n"
    "store { path = '@T/x.db' keep_deliveries = forever keep_ids = 365d disk_floor = 0 }\n"
    "endpoint \"a.b-C_1\" {\n"
    "    public_url = \"http://h:8080/a//b\\x2e\"\n"
    "    path = \"/\\160ath\" max_age = 12h verify = report\n"
    "    partner_token = {'value:sssss', \"file:@T/token\"}\n"
    "    callback_secret one { source = \"file:@T/secret\" id = \"i\\\"d\" encoding = raw }\n"
    "    callback_secret \"two\" { source = 'value:$\\\\{x}\\'0123456789' encoding = \"raw\" }\n"
    "}\n"
    "endpoint z { public_url = \"https://h/z\" partner_token = none max_age = 365d\n"
    "    callback_secret s { encoding = hex source = value:" KEY_HEX " } }\n"
    "sink e { type = exec statuses = completed types = {\"embed-signature\", new-type}\n"
    "    endpoints = {z}\n"
    "    command = {\"/bin/true\", \"a \\\"b\\\" \\\\c \\$HOME \\${HOME} #\\t\\x1b\", '${HOME} "
    "\\n'}\n"
    "    concurrency = 256 timeout = 1d grace = 1h user_env = {\"A=\", \"B=x=y\"}\n"
    "    retry_first = 10ms retry_max = 7d retry_attempts = 1 breaker = 0 order = none\n"
    "    stale = skip }\n"
    "sink f { type = file path = \"@T/{job_id}.json\" mode = 600 }\n"
    "sink s { type = syslog target = \"udp:log.example:514\" tag = x facility = kern\n"
    "    severity = debug format = json timeout = 100ms }\n";

static void put_full(void)
{
    put_file("token", "a-token\n", 8, 0600);
    put_file("secret", "0123456789abcdef\n", 17, 0600);
    put_conf(full, 0600);
}

START_TEST(reads_every_key)
{
    struct config *config;
    const struct config_endpoint *endpoint;
    const struct config_sink *sink;

    put_full();
    config = load_good(CONFIG_FOR_DAEMON);
    ck_assert_uint_eq(config->server.listen.n, 2);
    ck_assert_uint_eq(config->server.workers, 3);
    ck_assert_uint_eq(config->server.max_body, 1 << 20);
    ck_assert_uint_eq(config->server.max_connections, 7);
    ck_assert_int_eq(config->server.commit_timeout_usec, 250 * USEC_PER_MSEC);
    ck_assert_uint_eq(config->admin.listen.n, 0);
    ck_assert_int_eq(config->log.level, LOG_LEVEL_DEBUG);
    ck_assert_int_eq(config->log.format, LOG_FORMAT_JSON);
    ck_assert_int_eq(config->store.keep_deliveries_usec, USEC_INFINITY);
    ck_assert_int_eq(config->store.keep_ids_usec, 365 * USEC_PER_DAY);
    ck_assert_uint_eq(config->store.disk_floor, 0);

    endpoint = &config->endpoints[0];
    ck_assert_str_eq(endpoint->name, "a.b-C_1");
    ck_assert_str_eq(endpoint->path, "/path");
    ck_assert_int_eq(endpoint->max_age_usec, 12 * USEC_PER_HOUR);
    ck_assert(endpoint->report);
    ck_assert_uint_eq(config->server.keep_refused, 0);
    ck_assert(!endpoint->no_token);
    ck_assert_uint_eq(endpoint->n_tokens, 2);
    ck_assert_str_eq(endpoint->tokens[0].text, "sssss");
    ck_assert_str_eq(endpoint->tokens[1].text, "a-token");
    ck_assert_uint_eq(endpoint->n_secrets, 2);
    ck_assert_str_eq(endpoint->secrets[0].id, "i\"d");
    ck_assert_uint_eq(endpoint->secrets[0].key.length, 16);
    ck_assert_uint_eq(endpoint->secrets[1].key.length, 16);
    ck_assert_mem_eq(endpoint->secrets[1].key.bytes, "$\\{x}'0123456789", 16);

    sink = &config->sinks[0];
    ck_assert_str_eq(sink->types.texts[1], "new-type");
    ck_assert_str_eq(sink->command.texts[1], "a \"b\" \\c $HOME ${HOME} #\t\x1b");
    ck_assert_str_eq(sink->command.texts[2], "${HOME} \\n");
    ck_assert_uint_eq(sink->concurrency, 256);
    ck_assert_uint_eq(sink->breaker, 0);
    ck_assert(sink->order_none && sink->skip_stale);
    ck_assert_uint_eq(config->sinks[1].mode, 0600);
    ck_assert_int_eq(config->sinks[2].facility, 0);
    ck_assert(!config->sinks[2].rfc3164);
    config_free(config);
}
END_TEST

START_TEST(never_puts_the_environment_in)
{
    struct config *config;

    setenv("HOME", "expanded", 1);
    put_full();
    config = load_good(CONFIG_FOR_DAEMON);
    for (size_t i = 0; i < config->sinks[0].command.n; i++)
        ck_assert_ptr_null(strstr(config->sinks[0].command.texts[i], "expanded"));
    config_free(config);
}
END_TEST

/* ---- dump ---- */

static char *dump(const struct config *config)
{
    struct buf buf = BUF_INIT;

    ck_assert_int_eq(config_dump(config, &buf), 0);
    buf_append(&buf, "", 1);
    ck_assert(!buf.failed);
    return (char *)buf.data;
}

/* Replaces the first "<set>" by a source of the same meaning; to be freed. */
static char *set(char *text, const char *source)
{
    struct buf buf = BUF_INIT;
    char *at = strstr(text, "<set>");

    ck_assert_ptr_nonnull(at);
    buf_append(&buf, text, (size_t)(at - text));
    buf_append_text(&buf, source);
    buf_append(&buf, at + 5, strlen(at + 5) + 1);
    free(text);
    return (char *)buf.data;
}

START_TEST(a_dump_reads_as_the_same_conf)
{
    struct config *config, *again;
    char *first, *second, *text;

    put_full();
    config = load_good(CONFIG_FOR_DAEMON);
    first = dump(config);
    ck_assert_ptr_null(strstr(first, "sssss"));
    ck_assert_ptr_null(strstr(first, "0123456789"));
    ck_assert_ptr_null(strstr(first, "a-token"));
    ck_assert_ptr_null(strstr(first, KEY_HEX));

    text = set(
        set(set(strdup(first), "value:sssss"), "value:\\$\\\\{x}'0123456789"), "value:" KEY_HEX);
    put_conf(text, 0600);
    again = load_good(CONFIG_FOR_DAEMON);
    second = dump(again);
    ck_assert_str_eq(second, first);

    /* And not only what a dump shows. */
    ck_assert_str_eq(again->endpoints[0].tokens[0].text, config->endpoints[0].tokens[0].text);
    for (size_t i = 0; i < 2; i++)
        ck_assert_mem_eq(&again->endpoints[0].secrets[i].key, &config->endpoints[0].secrets[i].key,
            sizeof(struct secret_key));
    for (size_t i = 0; i < 3; i++)
        ck_assert_str_eq(again->sinks[0].command.texts[i], config->sinks[0].command.texts[i]);
    ck_assert_int_eq(again->store.keep_ids_usec, config->store.keep_ids_usec);
    free(first);
    free(second);
    free(text);
    config_free(config);
    config_free(again);
}
END_TEST

START_TEST(a_dumped_secret_is_not_taken_for_one)
{
    struct config *config;
    char *text;
    char *got;

    put_conf("endpoint e { public_url = \"https://h/e\" partner_token = \"value:secret-token\"\n"
             " callback_secret s { source = \"value:" KEY_HEX "\" } }\n",
        0600);
    config = load_good(CONFIG_FOR_CLIENT);
    text = dump(config);
    config_free(config);
    put_conf(text, 0600);
    free(text);
    got = load_faults(CONFIG_FOR_CLIENT);
    ck_assert_ptr_nonnull(strstr(got, "partner_token: does not say where the secret is"));
    ck_assert_ptr_nonnull(strstr(got, "source: does not say where the secret is"));
    free(got);
}
END_TEST

/* ---- sample conf and man page ---- */

static char *read_source(const char *name)
{
    char path[512];
    char *text;
    size_t length;
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", SOURCE_ROOT, name);
    file = fopen(path, "r");
    ck_assert_msg(file, "%s", path);
    text = calloc(1, 1 << 17);
    length = fread(text, 1, (1 << 17) - 1, file);
    ck_assert_uint_gt(length, 1000);
    fclose(file);
    return text;
}

/* Takes the comment sign off lines that hold a key, a section or a brace. */
static void uncomment(char *text)
{
    for (char *line = text; line; line = strchr(line, '\n')) {
        char *sign;
        size_t word;

        line += *line == '\n';
        sign = line + strspn(line, " ");
        if (*sign != '#')
            continue;
        word = strspn(sign + 2, "abcdefghijklmnopqrstuvwxyz_");
        if (sign[2] == '}' || (word > 0 && strncmp(sign + 2 + word, " = ", 3) == 0) ||
            (word > 0 && strncmp(sign + 2 + word, " \"", 2) == 0))
            sign[0] = ' ';
    }
}

static void make_credentials(void)
{
    put_file("partner-token", "a-token\n", 8, 0600);
    put_file("callback-secret", KEY_HEX "\n", 65, 0600);
    setenv("CREDENTIALS_DIRECTORY", folder, 1);
}

START_TEST(the_sample_is_good_as_installed)
{
    struct config *config;
    char *text = read_source("conf/sasha-callbackd.conf");

    make_credentials();
    put_conf(text, 0640);
    config = load_good(CONFIG_FOR_CLIENT);
    ck_assert_uint_eq(config->n_endpoints, 1);
    ck_assert_uint_eq(config->n_sinks, 1);
    config_free(config);
    free(text);
}
END_TEST

/* With the commented lines in force nothing may change but that there are more sinks. */
START_TEST(the_sample_shows_the_defaults)
{
    struct config *config;
    char *text = read_source("conf/sasha-callbackd.conf");
    char *plain, *uncommented;

    make_credentials();
    put_conf(text, 0640);
    config = load_good(CONFIG_FOR_CLIENT);
    plain = dump(config);
    config_free(config);

    uncomment(text);
    put_conf(text, 0640);
    config = load_good(CONFIG_FOR_CLIENT);
    ck_assert_uint_eq(config->n_sinks, 3);
    free(config->endpoints[0].secrets[0].id);
    config->endpoints[0].secrets[0].id = NULL; /* the sample's is an example */
    uncommented = dump(config);
    ck_assert_int_eq(strncmp(plain, uncommented, strlen(plain)), 0);

    /* The other sinks, against themselves with nothing but what they must have. */
    put_conf(LEAST "sink publish { type = exec\n"
                   "command = {\"/usr/local/lib/sasha-hooks/publish\"} }\n"
                   "sink log { type = syslog }\n",
        0600);
    config_free(config);
    config = load_good(CONFIG_FOR_CLIENT);
    free(plain);
    plain = dump(config);
    ck_assert_str_eq(strstr(plain, "sink \"publish\""), strstr(uncommented, "sink \"publish\""));
    config_free(config);
    free(plain);
    free(uncommented);
    free(text);
}
END_TEST

static bool has_item(const char *man, const char *name)
{
    char item[64];

    snprintf(item, sizeof(item), "\n.It Ic %s", name);
    for (const char *at = man; (at = strstr(at, item)); at++)
        if (at[strlen(item)] == ' ' || at[strlen(item)] == '\n')
            return true;
    return false;
}

static bool has_key(const char *conf, const char *name)
{
    char text[64];

    snprintf(text, sizeof(text), " %s = ", name);
    return strstr(conf, text);
}

START_TEST(sample_and_man_page_know_every_key)
{
    char *man = read_source("docs/man/sasha-callbackd.conf.5");
    char *conf = read_source("conf/sasha-callbackd.conf");
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_SIZE(key_sections); i++) {
        ck_assert_msg(has_item(man, key_sections[i].name), "%s", key_sections[i].name);
        for (const struct key *key = key_sections[i].keys; key->name; key++) {
            ck_assert_msg(has_item(man, key->name), "man page: %s", key->name);
            ck_assert_msg(has_key(conf, key->name), "sample: %s", key->name);
            n++;
        }
    }
    ck_assert_uint_gt(n, 45);
    free(man);
    free(conf);
}
END_TEST

/* ---- the outline and libconfuse ---- */

static unsigned int random_state = 1;

static unsigned int random_below(unsigned int n)
{
    random_state = random_state * 1103515245u + 12345u;
    return (random_state >> 16) % n;
}

/* Changes a text in a few places, by the pieces that mean something in it. */
static void mutate(struct buf *text)
{
    static const char *const pieces[] = {"{", "}", "=", ",", "\"", "'", "\\", "#", "//", "/*", "*/",
        "\n", " ", "$", "${", "\\$", "\\x41", "\\101", "a", "workers", "listen", "sink", "\"x\"",
        "|", "/", "*", "\\\n", "\\0", "server", "endpoint e", "\r", "+=", "(", "\xff", "\\\\"};

    for (unsigned int n = 1 + random_below(4); n > 0; n--) {
        const char *piece = pieces[random_below(ARRAY_SIZE(pieces))];
        size_t at = random_below((unsigned int)text->length);
        size_t cut = random_below(3) == 0 ? 1 + random_below(8) : 0;
        struct buf out = BUF_INIT;

        if (cut > text->length - at)
            cut = text->length - at;
        buf_append(&out, text->data, at);
        buf_append_text(&out, piece);
        buf_append(&out, text->data + at + cut, text->length - at - cut);
        buf_done(text);
        *text = out;
    }
}

/* Whatever the outline lets through, libconfuse must read in the same way. */
START_TEST(the_two_readers_never_differ)
{
    size_t passed = 0;

    for (int i = 0; i < 20000; i++) {
        struct buf text = BUF_INIT;
        struct raw raw = RAW_INIT;
        struct fault_list faults = FAULT_LIST_INIT;

        buf_append_text(&text, full);
        mutate(&text);
        buf_append(&text, "", 1);
        passed += parse_text((char *)text.data, text.length - 1, &raw, &faults) == 0;
        for (size_t j = 0; j < faults.n; j++)
            ck_assert_msg(!strstr(faults.faults[j].text, "libconfuse"), "round %d: %s", i,
                faults.faults[j].text);
        fault_list_done(&faults);
        raw_done(&raw);
        buf_done(&text);
    }
    ck_assert_uint_gt(passed, 1000);
    ck_assert_uint_lt(passed, 19000);
}
END_TEST

START_TEST(free_takes_nothing)
{
    struct config_faults faults = CONFIG_FAULTS_INIT;

    config_free(NULL);
    config_faults_done(&faults);
}
END_TEST

static Suite *config_suite(void)
{
    Suite *suite = suite_create("config");
    TCase *core = tcase_create("core");
    TCase *docs = tcase_create("docs");
    TCase *limits = tcase_create("limits");

    tcase_add_checked_fixture(core, folder_make, folder_remove);
    tcase_add_test(core, fills_in_defaults);
    tcase_add_test(core, fills_in_defaults_of_sinks);
    tcase_add_test(core, reads_every_key);
    tcase_add_test(core, never_puts_the_environment_in);
    tcase_add_test(core, a_dump_reads_as_the_same_conf);
    tcase_add_test(core, a_dumped_secret_is_not_taken_for_one);
    tcase_add_test(core, free_takes_nothing);
    suite_add_tcase(suite, core);

    tcase_add_checked_fixture(docs, folder_make, folder_remove);
    tcase_add_test(docs, the_sample_is_good_as_installed);
    tcase_add_test(docs, the_sample_shows_the_defaults);
    tcase_add_test(docs, sample_and_man_page_know_every_key);
    suite_add_tcase(suite, docs);

    tcase_set_timeout(limits, 100);
    tcase_add_test(limits, the_two_readers_never_differ);
    suite_add_tcase(suite, limits);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(config_suite());
    int failed;

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
