#pragma once

/*
 * The environment of a hook, built from nothing. Pure.
 *
 * The names and what they hold are a contract with everyone who writes a hook:
 * docs/man/sasha-callback-hook.7.
 */

#include "job/delivery.h"
#include "job/job.h"
#include "util/error.h"

/* The most of one value, in bytes. The kernel refuses a program whose environment has one string of
 * 128 KiB or more (MAX_ARG_STRLEN), for ever; the whole Job is on stdin anyway. */
#define ENVIRONMENT_VALUE_MAX (64 * 1024)

/* The PATH of a hook when user_env sets none. */
#define ENVIRONMENT_PATH "/usr/local/bin:/usr/bin:/bin"

struct environment_input {
    const char *const *user_env; /* NULL-terminated "NAME=value", checked before; or NULL */
    const struct delivery *delivery;
    const struct job *job; /* parsed from the delivery's body */
    unsigned int attempt;  /* from 1 */
    bool replay;
};

/* Whether user_env is fit to use: NAME=value with a name of letters, digits and _, each name once,
 * none that begins with SASHA_. Returns 0 or -EINVAL. */
int environment_check(const char *const *user_env, struct error *error);

/* Makes the NULL-terminated environment in one piece of memory, which the caller frees with free().
 * Returns 0 or -ENOMEM. */
int environment_new(const struct environment_input *input, char ***ret_env);
