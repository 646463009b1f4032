#pragma once

/*
 * A folder of its own for each test of the conf, which is also the working directory, so that a
 * conf's path in a fault is just "c.conf". In texts, "@T" stands for the folder's absolute path.
 */

#include "config/config.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_HEX "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define KEY_HEX_2 "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static char folder[64];

static inline void folder_make(void)
{
    strcpy(folder, "/tmp/test-config-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(chmod(folder, 0755), 0);
    ck_assert_int_eq(chdir(folder), 0);
    unsetenv("CREDENTIALS_DIRECTORY");
}

static inline void folder_remove(void)
{
    char command[128];

    ck_assert_int_eq(chdir("/"), 0);
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
}

static inline void put_file(const char *name, const void *data, size_t length, mode_t mode)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, data, length), (ssize_t)length);
    ck_assert_int_eq(fchmod(fd, mode), 0);
    close(fd);
}

/* A copy with the folder's path for each "@T"; to be freed. */
static inline char *with_folder(const char *text)
{
    struct buf buf = BUF_INIT;
    const char *at;

    while ((at = strstr(text, "@T"))) {
        buf_append(&buf, text, (size_t)(at - text));
        buf_append_text(&buf, folder);
        text = at + 2;
    }
    buf_append(&buf, text, strlen(text) + 1);
    ck_assert(!buf.failed);
    return (char *)buf.data;
}

static inline void put_conf(const char *text, mode_t mode)
{
    char *own = with_folder(text);

    put_file("c.conf", own, strlen(own), mode);
    free(own);
}

/* Loads c.conf and returns its faults as text, to be freed; "" if there are none. */
static inline char *load_faults(enum config_use use)
{
    struct config_faults faults = CONFIG_FAULTS_INIT;
    struct config *config = NULL;
    int r = config_load("c.conf", use, &config, &faults);
    char *text = strndup(faults.text.data ? (char *)faults.text.data : "", faults.text.length);
    size_t lines = 0;

    for (const char *at = text; (at = strchr(at, '\n')); at++)
        lines++;
    ck_assert_uint_eq(lines, faults.n);
    ck_assert_int_eq(r == 0, faults.n == 0);
    ck_assert_int_eq(r == 0, config != NULL);
    config_free(config);
    config_faults_done(&faults);
    return text;
}

/* Loads c.conf, which must be good. */
static inline struct config *load_good(enum config_use use)
{
    struct config_faults faults = CONFIG_FAULTS_INIT;
    struct config *config = NULL;
    int r = config_load("c.conf", use, &config, &faults);

    ck_assert_msg(r == 0, "%.*s", (int)faults.text.length, (char *)faults.text.data);
    ck_assert_uint_eq(faults.n, 0);
    config_faults_done(&faults);
    return config;
}
