#pragma once

/*
 * Retry, replay and drop: deliveries by number or by filter, to one sink.
 *
 *   options ─▶ filter, sink ─▶ [count, ask] ─▶ seqs ─▶ chunks ─▶ POST … ─▶ sums
 *
 * In bounded memory, however many they are: a page of numbers at a time, oldest first, up to the
 * moment at which the command began. What the daemon calls busy is posted again after a wait, in
 * its turn, so that order is kept. Ctrl-C ends after the chunk that is under way, with the sums.
 */

#include "ctl/pace.h"
#include "ctl/select.h"

enum action {
    ACTION_RETRY,
    ACTION_REPLAY,
    ACTION_DROP,
};

/* As given. */
struct action_options {
    struct select_options select;
    const char *limit, *rate;
    bool all, dry_run, yes;
};

#define ACTION_ROWS                                                                         \
    {"all", NULL, "act on every one that fits, with no other filter",                       \
        offsetof(struct action_options, all)},                                              \
        {"limit", "N", "act on the oldest N only", offsetof(struct action_options, limit)}, \
        {"rate", "N/s", "no faster than that; also N/m, N/h",                               \
            offsetof(struct action_options, rate)},                                         \
        {"dry-run", NULL, "count them and show the first, and do nothing",                  \
            offsetof(struct action_options, dry_run)},                                      \
    {                                                                                       \
        "yes", NULL, "do not ask before acting on more than 100",                           \
            offsetof(struct action_options, yes)                                            \
    }

/* Does it, with what is printed. `texts` are the numbers on the command line. Returns an exit
 * status; CTL_REFUSED: not done for all of the numbers given, or interrupted, or not confirmed. */
int action_run(const struct command *command, const struct common_options *common,
    const struct action_options *options, enum action action, char **texts, int n_texts);

/* ---- action_post.c ---- */

struct action_sums {
    uint64_t done, skipped;
    bool interrupted;
};

struct action_post {
    struct client *client;
    const char *target; /* "/v1/retry" */
    const char *verb;   /* "retried", for the progress */
    const char *sink;
    struct pace pace;
    uint64_t total; /* for the progress; 0: not known, or none is shown */
};

/* Posts chunk by chunk until the seqs end. *sums is what was done in any case. */
int action_post_all(const struct action_post *post, struct select_seqs *seqs,
    struct action_sums *sums, struct error *error);
