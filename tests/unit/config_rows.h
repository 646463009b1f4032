#pragma once

/*
 * Rows of conf texts and the faults they give.
 *
 * A row's text stands before a good endpoint, so its lines count from 1. The whole of the faults is
 * compared. No fault may show SECRET.
 */

#include "config_folder.h"

#define SECRET "hush-hush-hush-hush"

#define ENDPOINT                                     \
    "endpoint \"good\" {\n"                          \
    "    public_url = \"https://good.example/cb\"\n" \
    "    partner_token = {\"value:a-token\"}\n"      \
    "    callback_secret \"one\" {\n"                \
    "        source = \"value:" KEY_HEX "\"\n"       \
    "    }\n"                                        \
    "}\n"

/* An endpoint "e" of one line: head, then more keys, then a secret that is no other endpoint's. */
#define URL "endpoint e { public_url = \"https://h/e\" "
#define TOKEN "partner_token = none "
#define OTHER "callback_secret s { source = \"value:" KEY_HEX_2 "\" } "
#define E(keys) URL TOKEN OTHER keys " }\n"

struct row {
    const char *text;
    const char *want; /* without "c.conf:" before each line */
    bool alone;       /* nothing follows the text */
};

/* Puts "c.conf:" before each line of `want`, and the folder's path for "@T"; to be freed. */
static inline char *expected(const char *want)
{
    struct buf buf = BUF_INIT;
    char *own = with_folder(want);

    for (char *line = own, *end; (end = strchr(line, '\n')); line = end + 1)
        buf_append_format(&buf, "c.conf:%.*s\n", (int)(end - line), line);
    buf_append(&buf, "", 1);
    free(own);
    return (char *)buf.data;
}

static inline void check_row(const struct row *row, enum config_use use)
{
    char *text, *got, *want = expected(row->want);

    ck_assert_int_gt(asprintf(&text, "%s%s", row->text, row->alone ? "" : ENDPOINT), -1);
    put_conf(text, 0600);
    got = load_faults(use);
    ck_assert_str_eq(got, want);
    ck_assert_ptr_null(strstr(got, "hush"));
    free(text);
    free(got);
    free(want);
}
