/*
 * Listening sockets: which addresses are understood, what is replaced and what is not.
 */

#include "intake/intake.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static char folder[] = "/tmp/test-listen-XXXXXX";
static char path[64], address[80];

static void setup(void)
{
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/s.sock", folder);
    snprintf(address, sizeof(address), "unix:%s", path);
}

static void teardown(void)
{
    unlink(path);
    rmdir(folder);
}

static const struct {
    const char *text;
    int want;
    const char *want_text; /* part of the error's */
} addresses[] = {
    {"127.0.0.1:8480", 0, NULL},
    {"0.0.0.0:0", 0, NULL},
    {"[::1]:8480", 0, NULL},
    {"[::]:65535", 0, NULL},
    {"unix:/run/sasha-callbackd/http.sock", 0, NULL},
    {"", -EINVAL, "127.0.0.1:8480"},
    {"8480", -EINVAL, "127.0.0.1:8480"},
    {":8480", -EINVAL, "127.0.0.1:8480"},
    {"*:8480", -EINVAL, "127.0.0.1:8480"},
    {"localhost:8480", -EINVAL, "names are not resolved"},
    {"::1:8480", -EINVAL, "[::1]:8480"},
    {"[::1]", -EINVAL, "[::1]:8480"},
    {"[::1:8480", -EINVAL, "[::1]:8480"},
    {"[127.0.0.1]:8480", -EINVAL, "[::1]:8480"},
    {"[fe80::1%lo]:8480", -EINVAL, "[::1]:8480"},
    {"127.0.0.1", -EINVAL, "127.0.0.1:8480"},
    {"127.0.0.1:", -EINVAL, "port"},
    {"127.0.0.1:65536", -EINVAL, "port"},
    {"127.0.0.1:99999999999", -EINVAL, "port"},
    {"127.0.0.1:+1", -EINVAL, "port"},
    {"127.0.0.1: 1", -EINVAL, "port"},
    {"127.0.0.1:1x", -EINVAL, "port"},
    {"unix:", -EINVAL, "absolute"},
    {"unix:relative", -EINVAL, "absolute"},
    {"unix:@abstract", -EINVAL, "absolute"},
};

START_TEST(test_check)
{
    struct error error = ERROR_INIT;

    ck_assert_int_eq(intake_listen_check(addresses[_i].text, &error), addresses[_i].want);
    if (addresses[_i].want_text != NULL)
        ck_assert_msg(strstr(error.text, addresses[_i].want_text) != NULL, "%s", error.text);
    ck_assert_int_eq(intake_listen_check(addresses[_i].text, NULL), addresses[_i].want);
}
END_TEST

START_TEST(test_path_length)
{
    char text[256];
    struct error error = ERROR_INIT;

    memset(text, 'x', sizeof(text));
    memcpy(text, "unix:/", 6);
    text[5 + 107] = '\0';
    ck_assert_int_eq(intake_listen_check(text, &error), 0);
    text[5 + 107] = 'x';
    text[5 + 108] = '\0';
    ck_assert_int_eq(intake_listen_check(text, &error), -ENAMETOOLONG);
    ck_assert_ptr_nonnull(strstr(error.text, "107"));
}
END_TEST

START_TEST(test_tcp)
{
    char name[64];
    int fd = -1, flags;
    struct error error = ERROR_INIT;

    ck_assert_msg(intake_listen(_i == 0 ? "127.0.0.1:0" : "[::1]:0", &fd, &error) == 0 ||
                      (_i == 1 && error.code == EADDRNOTAVAIL),
        "%s", error.text);
    if (fd < 0)
        return; /* no IPv6 on this machine */
    intake_listen_name(fd, name, sizeof(name));
    ck_assert_int_eq(strncmp(name, _i == 0 ? "127.0.0.1:" : "[::1]:", _i == 0 ? 10 : 6), 0);
    ck_assert_int_gt(atoi(strrchr(name, ':') + 1), 0);
    flags = fcntl(fd, F_GETFL);
    ck_assert(flags & O_NONBLOCK);
    ck_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    /* Taken: a second one names the address. */
    {
        int other = -1;

        ck_assert_int_eq(intake_listen(name, &other, &error), -EADDRINUSE);
        ck_assert_int_eq(other, -1);
        ck_assert_ptr_nonnull(strstr(error.text, name));
    }
    close(fd);
}
END_TEST

START_TEST(test_unix)
{
    char name[128];
    struct stat st;
    int fd = -1;
    struct error error = ERROR_INIT;
    mode_t before = umask(0177);

    ck_assert_msg(intake_listen(address, &fd, &error) == 0, "%s", error.text);
    umask(before);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0660);
    intake_listen_name(fd, name, sizeof(name));
    ck_assert_str_eq(name, address);
    close(fd);
}
END_TEST

START_TEST(test_unix_stale_is_replaced)
{
    int fd = -1;
    struct error error = ERROR_INIT;

    ck_assert_int_eq(intake_listen(address, &fd, &error), 0);
    close(fd); /* leaves the file */
    ck_assert_int_eq(access(path, F_OK), 0);
    fd = -1;
    ck_assert_msg(intake_listen(address, &fd, &error) == 0, "%s", error.text);
    close(fd);
}
END_TEST

START_TEST(test_unix_in_use_is_kept)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int fd = -1, other = -1, client;
    struct error error = ERROR_INIT;

    ck_assert_int_eq(intake_listen(address, &fd, &error), 0);
    ck_assert_int_eq(intake_listen(address, &other, &error), -EADDRINUSE);
    ck_assert_int_eq(other, -1);
    ck_assert_ptr_nonnull(strstr(error.text, path));
    /* Still there. */
    client = socket(AF_UNIX, SOCK_STREAM, 0);
    strcpy(un.sun_path, path);
    ck_assert_int_eq(connect(client, (struct sockaddr *)&un, sizeof(un)), 0);
    close(client);
    close(fd);
}
END_TEST

START_TEST(test_unix_other_file_is_kept)
{
    struct stat st;
    int fd = -1;
    struct error error = ERROR_INIT;

    ck_assert_int_eq(_i == 0 ? close(creat(path, 0600)) : symlink("/nonexistent", path), 0);
    ck_assert_int_eq(intake_listen(address, &fd, &error), -EEXIST);
    ck_assert_ptr_nonnull(strstr(error.text, "no socket"));
    ck_assert_int_eq(lstat(path, &st), 0);
    ck_assert(!S_ISSOCK(st.st_mode));
}
END_TEST

START_TEST(test_unix_no_folder)
{
    int fd = -1;
    struct error error = ERROR_INIT;

    ck_assert_int_eq(intake_listen("unix:/nonexistent/x", &fd, &error), -ENOENT);
    ck_assert_ptr_nonnull(strstr(error.text, "unix:/nonexistent/x"));
}
END_TEST

START_TEST(test_names)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    char name[64], small[8];
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    memcpy(un.sun_path, "\0abc", 4);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&un, sizeof(sa_family_t) + 4), 0);
    intake_listen_name(fd, name, sizeof(name));
    ck_assert_str_eq(name, "unix:@abc");
    intake_listen_name(fd, small, sizeof(small));
    ck_assert_str_eq(small, "unix:@a");
    close(fd);
    intake_listen_name(fd, name, sizeof(name));
    ck_assert_str_eq(name, "(unknown)");
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("listen");
    TCase *core = tcase_create("core"), *limits = tcase_create("limits"),
          *errors = tcase_create("errors");

    tcase_add_checked_fixture(core, setup, teardown);
    tcase_add_loop_test(core, test_check, 0, (int)(sizeof(addresses) / sizeof(addresses[0])));
    tcase_add_loop_test(core, test_tcp, 0, 2);
    tcase_add_test(core, test_unix);
    tcase_add_test(core, test_unix_stale_is_replaced);
    tcase_add_test(core, test_names);
    suite_add_tcase(s, core);
    tcase_add_test(limits, test_path_length);
    suite_add_tcase(s, limits);
    tcase_add_checked_fixture(errors, setup, teardown);
    tcase_add_test(errors, test_unix_in_use_is_kept);
    tcase_add_loop_test(errors, test_unix_other_file_is_kept, 0, 2);
    tcase_add_test(errors, test_unix_no_folder);
    suite_add_tcase(s, errors);
    return s;
}

int main(void)
{
    SRunner *runner = srunner_create(suite());
    int failed;

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
