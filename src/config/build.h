#pragma once

/*
 * From the raw tree to struct config: values (fill.c), then what must hold between them and outside
 * of them (endpoints.c, sinks.c, config.c). Nothing here stops at a fault; a value that could not
 * be read stays zero or NULL, and checks pass over it, so that one mistake gives one fault.
 *
 * Functions return 0 or -ENOMEM; faults go into the list.
 */

#include "config/raw.h"

struct build {
    const char *file;        /* the conf's path, for faults */
    const struct stat *stat; /* of the conf */
    enum config_use use;
    const struct raw *raw;
    struct config *config;
    struct fault_list *faults;
    bool inline_reported; /* that the conf holds a secret and is not safe: once is enough */
};

/* Fills the fields of `target`, the struct of `keys`' section, from `section` (NULL: not in the
 * file, all defaults). `sinks`: mask of the sink's type, 0 if it is no sink or of unknown type. */
int fill_section(struct build *build, const struct key_section *keys,
    const struct raw_section *section, unsigned int sinks, void *target);

int build_endpoints(struct build *build);
int build_sinks(struct build *build); /* after the endpoints */

/* Whether `path` lies in a directory that is there and that we may write to. The error is a
 * sentence's end: "lies in a directory that is not there; …". */
int check_parent(const char *path, struct error *error);
