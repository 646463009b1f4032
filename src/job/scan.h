#pragma once

/*
 * Reads chosen members of one JSON object, and checks all of it (RFC 8259). Pure.
 *
 * Why not a library: a library builds a tree of the whole, with an allocation for each value, where
 * ten strings are wanted. On the way of a callback that was more work than everything else that
 * proves it. What is taken and what is not is the same as jansson's with JSON_REJECT_DUPLICATES |
 * JSON_DECODE_INT_AS_REAL; tests/fuzz/job.c compares the two.
 *
 * Memory is bounded by six times the text, and none is taken for a Job of usual shape. The stack is
 * bounded by the depth.
 */

#include <stdbool.h>
#include <stddef.h>

enum scan_result {
    SCAN_OK,
    SCAN_SYNTAX,    /* not one JSON object, with nothing but space after it */
    SCAN_UTF8,      /* a string is not UTF-8 */
    SCAN_NUL,       /* a string holds U+0000 */
    SCAN_NUMBER,    /* a number beyond the doubles */
    SCAN_DUPLICATE, /* an object, at any depth, has a name twice */
    SCAN_DEEP,
    SCAN_NO_MEMORY,
};

/* What stands between the quotes of a string; borrowed from the body. */
struct scan_text {
    const unsigned char *data;
    size_t length;
    bool escaped;
};

enum scan_type {
    SCAN_ABSENT,
    SCAN_NULL,
    SCAN_STRING,
    SCAN_OBJECT,
    SCAN_OTHER, /* a number, an array, true or false */
};

/* A member that is wanted, and what was found. */
struct scan_member {
    const char *object; /* "": of the whole object; else of the object that is its member of this
                           name. Not NULL */
    const char *name;
    size_t name_length;    /* of `name` */
    enum scan_type type;   /* out */
    struct scan_text text; /* out, of a SCAN_STRING */
};

/* Fills in the members, of which those that are not there are SCAN_ABSENT. What they hold is only
 * good on SCAN_OK. The text nests at most `max_depth` deep; {} is one deep. */
enum scan_result scan_object(const unsigned char *body, size_t length, size_t max_depth,
    struct scan_member *members, size_t n_members);

/* Writes the string that a text of a good scan stands for: at most text.length bytes, no NUL among
 * them and none added. Returns their number. */
size_t scan_decode(const struct scan_text *text, char *ret_string);
