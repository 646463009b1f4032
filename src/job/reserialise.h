#pragma once

/*
 * A JSON text written anew, as some library between two programs may have written it.
 *
 * For the search of verify/explain.h only: what is passed on is always the body as it came. It is
 * the one place where bytes that are not proven reach a JSON parser, at the request of an operator
 * who looks into a refused callback; therefore the input is bounded here, in length and depth.
 *
 * Any thread. No state but jansson's.
 */

#include "util/buf.h"

#include <stddef.h>

#define RESERIALISE_MAX 65536

enum json_style {
    JSON_STYLE_COMPACT,         /* {"a":1,"b":"ä/"} */
    JSON_STYLE_COMPACT_SORTED,  /* the same with sorted keys */
    JSON_STYLE_COMPACT_ASCII,   /* "ä" becomes a \u escape */
    JSON_STYLE_COMPACT_SLASHES, /* and "/" becomes "\/", as PHP writes it */
    JSON_STYLE_SPACED,          /* {"a": 1, "b": "ä"} */
    JSON_STYLE_SPACED_SORTED,
    JSON_STYLE_SPACED_ASCII, /* Python's default */
    JSON_STYLE_INDENT_2,     /* one field a line */
    JSON_STYLE_INDENT_4,
    JSON_STYLE_COUNT,
};

/* "compact", "compact, with sorted keys", …: as it reads in a sentence. Static. */
const char *json_style_name(enum json_style style);

/* Appends the text in another style. Numbers that are not whole are written with 17 digits, which
 * need not be how they came. 0; -EINVAL when it is no JSON object or array, or too big or too deep;
 * -ENOMEM. */
int json_reserialise(
    const unsigned char *text, size_t length, enum json_style style, struct buf *out);
