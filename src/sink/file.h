#pragma once

/*
 * The two kinds behind the type "file", for file.c to choose from.
 */

#include "sink/sink.h"

/* One line a delivery, added to one file (file.c). */
int file_create_lines(
    const struct sink_options *options, struct sink **ret_sink, struct error *error);

/* One file a job, replaced by each delivery (file_job.c). */
int file_create_job(
    const struct sink_options *options, struct sink **ret_sink, struct error *error);
