#pragma once

/*
 * The ops table of each type of sink, for registry.c.
 */

#include "sink/sink.h"

extern const struct sink_ops exec_sink_ops;
extern const struct sink_ops file_sink_ops; /* its create makes the one file a job kind, too */
extern const struct sink_ops syslog_sink_ops;
