#pragma once

/*
 * Every section and key of the conf file, in tables: how it is read, its default, its bounds, and
 * where it lands in struct config. Reading, dumping and the tests of docs and sample go by them.
 *
 * A new key is a field in config.h, a row here, and its words in the man page (a test asks for
 * those). Defaults stand as texts, as they would in the file, and go through the same checks.
 */

#include "config/config.h"

enum section_id {
    SECTION_ROOT, /* the file itself; has no keys */
    SECTION_SERVER,
    SECTION_ADMIN,
    SECTION_LOG,
    SECTION_STORE,
    SECTION_ENDPOINT,
    SECTION_SECRET,
    SECTION_SINK,
    SECTION_COUNT,
};

enum key_kind {
    KEY_TEXT,     /* char *; NULL when not given and without default */
    KEY_LIST,     /* struct config_list; `max` elements at most */
    KEY_NUMBER,   /* unsigned int, min..max */
    KEY_MODE,     /* unsigned int, octal */
    KEY_SIZE,     /* uint64_t bytes, min..max */
    KEY_DURATION, /* int64_t microseconds, min..max, or `word` for USEC_INFINITY */
    KEY_CHOICE,   /* an enum or int */
    KEY_FLAG,     /* bool, by two choices */
    KEY_TOKENS,   /* list of sources; endpoints.c reads it */
    KEY_SOURCE,   /* one source; endpoints.c reads it */
};

/* Names of values; ends with a NULL name. */
struct key_choice {
    const char *name;
    int value;
};

/* Sink types, as a mask: which types a key has an effect for. 0 in a row means all. */
enum key_sink {
    KEY_SINK_EXEC = 1,
    KEY_SINK_FILE = 2,
    KEY_SINK_SYSLOG = 4,
};

struct key {
    const char *name;
    enum key_kind kind;
    size_t offset;   /* of the field in the section's struct */
    const char *def; /* as in the file; a list's only element; NULL: none, or derived */
    bool required;
    unsigned int sinks; /* mask of enum key_sink */
    uint64_t min, max;
    const char *word;
    const struct key_choice *choices;
    int (*check)(const char *text, struct error *error); /* of a text, or each of a list; texts.h */
    bool hide; /* the value is not quoted in a fault: a part of it may be secret */
};

struct key_section {
    const char *name;
    enum section_id id;
    enum section_id parent;
    bool titled;
    const struct key *keys; /* ends with a NULL name */
};

/* All sections but the root, in the order of enum section_id. A name may stand twice in the sink's
 * keys, with different types. */
extern const struct key_section key_sections[SECTION_COUNT - 1];

const struct key_section *key_section_get(enum section_id id);                        /* not root */
const struct key_section *key_section_find(enum section_id parent, const char *name); /* or NULL */

/* The row of `name`; of its rows, the one that fits the sink types `sinks` (0: any). NULL if there
 * is none. */
const struct key *key_find(const struct key_section *section, const char *name, unsigned int sinks);

/* Mask of a sink type's name, 0 if it is not known; the name of a mask with one bit. */
unsigned int key_sink_mask(const char *type);
const char *key_sink_name(unsigned int mask);

/* What a name is most likely meant to be: a key or section that may stand in `section` (NULL: the
 * file itself), or NULL when nothing is near. Static. */
const char *key_suggest(const struct key_section *section, const char *name);

/* Endpoints, secrets and sinks are named with 1 to 64 of A-Z a-z 0-9 _ . - */
#define KEY_TITLE_MAX 64
bool key_title_is_valid(const char *text, size_t length);
