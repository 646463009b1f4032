#pragma once

/*
 * What single texts of the conf must be like, each on its own. Pure: no file is looked at.
 *
 * Each returns 0, or -EINVAL with "what is wrong; what would be right". None quotes the text, the
 * caller does where it may be shown.
 */

#include "util/error.h"

int text_check_listen(const char *text, struct error *error);
int text_check_path(const char *text, struct error *error);       /* absolute */
int text_check_public_url(const char *text, struct error *error); /* may hold a password: hide */
int text_check_target(const char *text, struct error *error);     /* an endpoint's path */
int text_check_secret_id(const char *text, struct error *error);
int text_check_token(const char *text, struct error *error); /* secret */
int text_check_sink_type(const char *text, struct error *error);
int text_check_filter(const char *text, struct error *error);
int text_check_env(const char *text, struct error *error); /* may hold a secret: hide */
int text_check_file_sink_path(const char *text, struct error *error);
int text_check_syslog_target(const char *text, struct error *error);
int text_check_syslog_tag(const char *text, struct error *error);

/* "{job_id}" in the last part of a file sink's path: one file a job. */
#define TEXT_JOB_ID "{job_id}"
