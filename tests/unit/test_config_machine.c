/*
 * What a conf is refused for because of what it finds on the machine: programs, folders, and the
 * files and variables that secrets come from.
 */

#include "config_rows.h"

#include "util/cleanup.h"

#define STORE "store { path = \"@T/x.db\" }\n"

static const struct row machine[] = {
    {"store { path = \"@T/none/x.db\" }\n",
        "1: store: path: \"@T/none/x.db\" lies in @T/none: No such file or directory; make that "
        "directory, or mend the path\n"},
    {"store { path = \"@T/file/x.db\" }\n",
        "1: store: path: \"@T/file/x.db\" lies in @T/file, which is not a directory; mend the "
        "path\n"},
    {STORE "sink s { type = file path = \"@T/none/{job_id}.json\" }\n",
        "2: sink \"s\": path: \"@T/none/{job_id}.json\" lies in @T/none: No such file or "
        "directory; make that directory, or mend the path\n"},
    {STORE "sink s { type = exec command = {\"@T/none\"} }\n",
        "2: sink \"s\": command: @T/none: No such file or directory; install the program or mend "
        "its path\n"},
    {STORE "sink s { type = exec command = {\"@T\"} }\n",
        "2: sink \"s\": command: @T is not a file; write the path of a program\n"},
    {STORE "sink s { type = exec command = {\"@T/file\"} }\n",
        "2: sink \"s\": command: @T/file cannot be executed by the user the daemon runs as; run "
        "chmod a+rx @T/file\n"},
    {STORE "sink s { type = exec command = {\"@T/open\"} }\n",
        "2: sink \"s\": command: @T/open can be changed by everybody; run chmod go-w @T/open\n"},
    {STORE "sink s { type = exec command = {\"@T/program\"} }\n", ""},
    {STORE "sink s { type = exec command = {\"@T/link\"} }\n", ""},
    {STORE "sink s { type = file path = \"@T/jobs.jsonl\" }\n", ""},
};

START_TEST(looks_at_the_machine)
{
    put_file("file", "", 0, 0644);
    put_file("program", "", 0, 0755);
    put_file("open", "", 0, 0757);
    ck_assert_int_eq(symlink("program", "link"), 0);
    check_row(&machine[_i], CONFIG_FOR_DAEMON);
    if (machine[_i].want[0]) {
        /* A client has nothing to do with it. */
        struct row row = {machine[_i].text, ""};
        check_row(&row, CONFIG_FOR_CLIENT);
    }
}
END_TEST

/* A default that does not fit the machine stands nowhere in the file. */
START_TEST(names_a_default_in_full)
{
    char *got;

    put_conf("server { listen = {\"unix:/run/sasha-callbackd/admin.sock\"} }\n" ENDPOINT, 0600);
    got = load_faults(CONFIG_FOR_CLIENT);
    ck_assert_str_eq(got, "c.conf:1: admin: listen (default "
                          "\"unix:/run/sasha-callbackd/admin.sock\") is given twice; leave one of "
                          "them out\n");
    free(got);
    if (access("/var/lib/sasha-callbackd", F_OK) == 0)
        return;
    for (int i = 0; i < 2; i++) {
        put_conf(i == 0 ? ENDPOINT : "\n\nstore { keep_ids = forever }\n" ENDPOINT, 0600);
        got = load_faults(CONFIG_FOR_DAEMON);
        ck_assert_ptr_eq(strstr(got, i == 0 ? "c.conf:1: store: path (default "
                                              "\"/var/lib/sasha-callbackd/deliveries.db\") lies in "
                                            : "c.conf:3: store: path (default \""),
            got);
        free(got);
    }
}
END_TEST

START_TEST(root_runs_no_program_that_others_can_change)
{
    char *want;
    char *got;

    if (geteuid() != 0)
        return;
    put_file("theirs", "", 0, 0755);
    put_file("shared", "", 0, 0775);
    ck_assert_int_eq(chown("theirs", 1234, 0), 0);
    ck_assert_int_eq(chown("shared", 0, 1234), 0);
    put_conf(STORE "sink a { type = exec command = {\"@T/theirs\"} }\n"
                   "sink b { type = exec command = {\"@T/shared\"} }\n" ENDPOINT,
        0600);
    want = expected("2: sink \"a\": command: @T/theirs belongs to user 1234 but would run as root; "
                    "run chown root @T/theirs, or run the daemon as another user\n"
                    "3: sink \"b\": command: @T/shared can be changed by group 1234 but would run "
                    "as root; run chmod g-w @T/shared\n");
    got = load_faults(CONFIG_FOR_DAEMON);
    ck_assert_str_eq(got, want);
    free(got);
    free(want);
}
END_TEST

/* The daemon would write its lines into its own database. */
#define STORE_AT_LINK "store { path = \"@T/link.db\" }\n"
#define OF_STORE "2: sink \"s\": path: is that of "
#define OWN_FILE "; give the sink its own file\n"
#define BESIDE(end) OF_STORE "a file of the store, its path with " end OWN_FILE
#define SINK_AT(path) "sink s { type = file path = \"" path "\" }\n"
#define SHARED(line) \
    line ": sink \"b\": path: is that of sink \"a\" too; give each sink its own file\n"

static const struct row aliases[] = {
    {STORE SINK_AT("@T/x.db"), OF_STORE "the store" OWN_FILE},
    {STORE SINK_AT("@T/./x.db"), OF_STORE "the store" OWN_FILE},
    {STORE SINK_AT("@T//x.db"), OF_STORE "the store" OWN_FILE},
    {STORE SINK_AT("@T/sub/../x.db"), OF_STORE "the store" OWN_FILE},
    {STORE SINK_AT("@T/here/x.db"), OF_STORE "the store" OWN_FILE},
    {STORE SINK_AT("@T/x.db-wal"), BESIDE("-wal")},
    {STORE SINK_AT("@T//x.db-shm"), BESIDE("-shm")},
    {STORE SINK_AT("@T/here/x.db-journal"), BESIDE("-journal")},
    {STORE SINK_AT("@T/x.db.lock"), BESIDE(".lock")},
    {STORE SINK_AT("@T/hard"), OF_STORE "the store" OWN_FILE},
    {STORE SINK_AT("@T/{job_id}"), OF_STORE "the store" OWN_FILE},
    {STORE SINK_AT("@T/x.{job_id}.lock"), BESIDE(".lock")},
    {STORE_AT_LINK SINK_AT("@T/x.db"), OF_STORE "the store" OWN_FILE},
    {STORE_AT_LINK SINK_AT("@T/x.db-wal"), BESIDE("-wal")},
    {STORE_AT_LINK SINK_AT("@T/link.db.lock"), BESIDE(".lock")},
    {STORE SINK_AT("@T/{job_id}.json"), ""},
    {STORE SINK_AT("@T/sub/x.db"), ""},
    {STORE SINK_AT("@T/x.db-walk"), ""},
    {STORE "sink a { type = file path = \"@T/l\" }\nsink b { type = file path = \"@T/here/l\" }\n",
        SHARED("3")},
    {STORE "sink a { type = file path = \"@T//l\" }\nsink b { type = file path = \"@T/./l\" }\n",
        SHARED("3")},
    {STORE "sink a { type = file path = \"@T/j.l\" }\n"
           "sink b { type = file path = \"@T/{job_id}.l\" }\n",
        SHARED("3")},
    {STORE "sink a { type = file path = \"@T/l\" }\nsink b { type = file path = \"@T/sub/l\" }\n",
        ""},
};

START_TEST(a_file_sink_is_kept_off_the_store_and_other_sinks)
{
    put_file("x.db", "", 0, 0644);
    ck_assert_int_eq(link("x.db", "hard"), 0);
    ck_assert_int_eq(symlink("x.db", "link.db"), 0);
    ck_assert_int_eq(symlink(".", "here"), 0);
    ck_assert_int_eq(mkdir("sub", 0755), 0);
    check_row(&aliases[_i], CONFIG_FOR_DAEMON);
}
END_TEST

/* ---- sources ---- */

#define FROM(source)                                                                    \
    "endpoint e {\n"                                                                    \
    " public_url = \"https://h/e\"\n" TOKEN "\n callback_secret s { source = \"" source \
    "\" }\n}\n"
#define AT_SOURCE "4: endpoint \"e\": callback_secret \"s\": source: "

static const struct {
    const char *source;
    const char *want;
} sources[] = {
    {FROM("file:@T/good"), ""},
    {FROM("file:@T/read-only"), ""},
    {FROM("file:@T/crlf"), ""},
    {FROM("file:@T/group"), AT_SOURCE "@T/group holds a secret, but its group can get at it (mode "
                                      "0640); run chmod 600 @T/group\n"},
    {FROM("file:@T/world"), AT_SOURCE "@T/world holds a secret, but everybody can get at it (mode "
                                      "0604); run chmod 600 @T/world\n"},
    {FROM("file:@T/writable"), AT_SOURCE "@T/writable holds a secret, but its group can get at it "
                                         "(mode 0620); run chmod 600 @T/writable\n"},
    {FROM("file:@T/none"), AT_SOURCE "@T/none cannot be opened: No such file or directory; put the "
                                     "secret there, or mend the path\n"},
    {FROM("file:@T"),
        AT_SOURCE "@T is not a regular file; put the secret there, or mend the path\n"},
    {FROM("file:@T/fifo"),
        AT_SOURCE "@T/fifo is not a regular file; put the secret there, or mend the path\n"},
    {FROM("file:@T/large"), AT_SOURCE "@T/large is larger than 4096 bytes; put the secret there, "
                                      "or mend the path\n"},
    {FROM("file:@T/empty"), AT_SOURCE "file:@T/empty is empty; put the secret there\n"},
    {FROM("file:@T/newline"), AT_SOURCE "file:@T/newline is empty; put the secret there\n"},
    {FROM("file:@T/two-newlines"), AT_SOURCE
        "the secret is neither 64 hex digits nor base64 of 32 bytes (it is 65 characters long); "
        "set encoding to \"base64\", \"hex\" or \"raw\"\n"},
    {FROM("file:" SECRET), AT_SOURCE "the path after file: is not absolute; begin it with /\n"},
    {FROM("credential:good"), ""},
    {FROM("credential:group"), ""},
    {FROM("credential:writable"), AT_SOURCE
        "@T/writable holds a secret, but its group can get at it (mode 0620); run chmod 600 "
        "@T/writable\n"},
    {FROM("credential:world"), AT_SOURCE "@T/world holds a secret, but everybody can get at it "
                                         "(mode 0604); run chmod 600 @T/world\n"},
    {FROM("credential:none"), AT_SOURCE "there is no credential none in @T; add "
                                        "LoadCredential=none:/path to the unit\n"},
    {FROM("credential:../" SECRET), AT_SOURCE "the name after credential: is no file name; write "
                                              "the NAME of LoadCredential=NAME:/path\n"},
    {FROM("credential:"), AT_SOURCE "the name after credential: is no file name; write the NAME of "
                                    "LoadCredential=NAME:/path\n"},
    {FROM("env:TEST_SECRET"), ""},
    {FROM("env:TEST_NONE"),
        AT_SOURCE "the environment variable TEST_NONE is not set; set it for the daemon\n"},
    {FROM("env:TEST_EMPTY"), AT_SOURCE "env:TEST_EMPTY is empty; put the secret there\n"},
    {FROM("env:" SECRET), AT_SOURCE "the name after env: is no variable's; use letters, digits and "
                                    "_, no digit first\n"},
    {FROM("Value:" SECRET), AT_SOURCE "does not say where the secret is; write credential:NAME, "
                                      "file:PATH, env:NAME or value:TEXT\n"},
};

static void put_secrets(void)
{
    char large[4097];

    memset(large, 'x', sizeof(large));
    put_file("good", KEY_HEX "\n", 65, 0600);
    put_file("read-only", KEY_HEX, 64, 0400);
    put_file("crlf", KEY_HEX "\r\n", 66, 0600);
    put_file("group", KEY_HEX, 64, 0640);
    put_file("world", KEY_HEX, 64, 0604);
    put_file("writable", KEY_HEX, 64, 0620);
    put_file("large", large, sizeof(large), 0600);
    put_file("empty", "", 0, 0600);
    put_file("newline", "\n", 1, 0600);
    put_file("two-newlines", KEY_HEX "\n\n", 66, 0600);
    ck_assert_int_eq(mkfifo("fifo", 0600), 0);
}

START_TEST(judges_sources)
{
    char *want = expected(sources[_i].want);
    char *got;

    put_secrets();
    setenv("CREDENTIALS_DIRECTORY", folder, 1);
    setenv("TEST_SECRET", KEY_HEX, 1);
    setenv("TEST_EMPTY", "", 1);
    /* Without an inline secret the conf itself may be read. */
    put_conf(sources[_i].source, 0644);
    got = load_faults(CONFIG_FOR_CLIENT);
    ck_assert_str_eq(got, want);
    ck_assert_ptr_null(strstr(got, "hush"));
    free(got);
    free(want);
}
END_TEST

START_TEST(says_what_a_credential_needs)
{
    char *got;

    put_conf(FROM("credential:callback-secret"), 0600);
    got = load_faults(CONFIG_FOR_CLIENT);
    ck_assert_str_eq(got,
        "c.conf:" AT_SOURCE "$CREDENTIALS_DIRECTORY is not set; add "
        "LoadCredential=callback-secret:/path to the unit, or set the variable to a directory that "
        "holds callback-secret\n");
    free(got);
}
END_TEST

START_TEST(refuses_what_another_user_owns)
{
    char *want, *got;

    if (geteuid() != 0)
        return;
    put_secrets();
    ck_assert_int_eq(chown("good", 1234, 0), 0);
    put_conf(FROM("file:@T/good") ENDPOINT, 0600);
    ck_assert_int_eq(chown("c.conf", 1234, 0), 0);
    want = expected(AT_SOURCE "@T/good belongs to user 1234, who can change it; run chown root "
                              "@T/good, or to the user the daemon runs as\n"
                              "8: endpoint \"good\": partner_token: c.conf belongs to user 1234, "
                              "who can change it; run chown root c.conf, or to the user the daemon "
                              "runs as\n");
    got = load_faults(CONFIG_FOR_CLIENT);
    ck_assert_str_eq(got, want);
    free(got);
    free(want);
}
END_TEST

START_TEST(refuses_a_conf_with_secrets_that_others_can_read)
{
    static const mode_t modes[] = {0640, 0604, 0644, 0620};
    char *got;

    for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
        put_conf(ENDPOINT, modes[i]);
        got = load_faults(CONFIG_FOR_CLIENT);
        /* Once, at the first secret. */
        ck_assert_ptr_nonnull(
            strstr(got, "c.conf:3: endpoint \"good\": partner_token: c.conf holds "
                        "a secret, but "));
        ck_assert_ptr_nonnull(strstr(got, "; run chmod 600 c.conf\n"));
        ck_assert_ptr_eq(strchr(got, '\n') + 1, got + strlen(got));
        free(got);
    }
}
END_TEST

START_TEST(refuses_a_conf_that_everybody_can_write)
{
    char *got;

    setenv("TEST_SECRET", KEY_HEX, 1);
    put_conf(FROM("env:TEST_SECRET"), 0666);
    got = load_faults(CONFIG_FOR_CLIENT);
    ck_assert_str_eq(
        got, "c.conf:1: this file can be changed by everybody; run chmod o-w c.conf\n");
    free(got);
}
END_TEST

static Suite *machine_suite(void)
{
    Suite *suite = suite_create("config-machine");
    TCase *core = tcase_create("core");
    TCase *errors = tcase_create("errors");

    tcase_add_checked_fixture(core, folder_make, folder_remove);
    tcase_add_test(core, says_what_a_credential_needs);
    tcase_add_test(core, names_a_default_in_full);
    tcase_add_test(core, refuses_what_another_user_owns);
    tcase_add_test(core, refuses_a_conf_with_secrets_that_others_can_read);
    tcase_add_test(core, refuses_a_conf_that_everybody_can_write);
    tcase_add_test(core, root_runs_no_program_that_others_can_change);
    suite_add_tcase(suite, core);

    tcase_add_checked_fixture(errors, folder_make, folder_remove);
    tcase_add_loop_test(errors, looks_at_the_machine, 0, (int)ARRAY_SIZE(machine));
    tcase_add_loop_test(
        errors, a_file_sink_is_kept_off_the_store_and_other_sinks, 0, (int)ARRAY_SIZE(aliases));
    tcase_add_loop_test(errors, judges_sources, 0, (int)ARRAY_SIZE(sources));
    suite_add_tcase(suite, errors);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(machine_suite());
    int failed;

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
