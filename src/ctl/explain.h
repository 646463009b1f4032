#pragma once

/*
 * The command `explain`: why a callback was or would be refused, and what would have matched.
 *
 *   file or stdin ─┬─▶ the daemon (POST /v1/explain) ─┬─▶ report, as the JSON of docs/api.md ─▶
 * text refused ID ────┘                                  │ file or stdin ───▶ here, with the conf's
 * secrets ─┘
 *
 * The daemon is asked first, for it may read the secrets and knows the conf that counts. What it
 * answers and what is found out here is the same JSON, so that it is printed by the same code.
 *
 * One thread.
 */

#include "config/config.h"
#include "ctl/command.h"

#include <jansson.h>

extern const struct command explain_command;

/* As given; borrowed from argv. */
struct explain_options {
    const char *refused, *endpoint;
    const char *secret_file, *secret_encoding, *sign_url, *token_file, *secret_id;
    bool list, offline;
};

/* The most of a captured request that is read: a body that is explained, and headers. */
#define EXPLAIN_INPUT_MAX ((1u << 20) + (256u << 10))

/* ---- explain_offline.c ---- */

/* Explains a captured request with the secrets of the conf, or (`config` NULL) with those that the
 * options name; appends the report. Changes `text`. Returns an exit status. */
int explain_offline(const struct explain_options *options, const struct config *config,
    struct buf *text, struct buf *report, struct error *error);

/* ---- explain_print.c ---- */

/* Appends for a person. */
void explain_print_report(const json_t *report, struct buf *out);
void explain_print_list(const json_t *answer, struct buf *out);
