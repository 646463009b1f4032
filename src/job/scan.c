/*
 * One pass over a JSON text; see scan.h.
 *
 * Names of an object are noted until it ends, and compared then: by pairs when they are few, else
 * sorted, so that an object of many names costs no more than sorting. Names with escapes are
 * compared as what they stand for.
 */

#include "job/scan.h"

#include "util/cleanup.h"
#include "util/utf8.h"
#include "util/word.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Names of one object that are compared by pairs. */
#define FEW_NAMES 16

/* Names that are noted without taking memory. */
#define OWN_NAMES 64

/* Digits of a number that cannot be beyond the doubles, having no exponent. */
#define SAFE_DIGITS 300

struct name {
    const unsigned char *data;
    size_t length;
};

struct scanner {
    const unsigned char *at, *end;
    size_t depth, max_depth;
    struct scan_member *members;
    size_t n_members;
    enum scan_result fault;

    struct name own_names[OWN_NAMES];
    struct name *names; /* of all objects that are open, the innermost last; own_names or owned */
    size_t n_names, names_size;
    char *decoded; /* names with escapes; owned; as long as the text */
    size_t decoded_length, decoded_size;
};

static bool fail(struct scanner *scanner, enum scan_result fault)
{
    scanner->fault = fault;
    return false;
}

/* ---- space and single bytes ---- */

static void skip_space(struct scanner *scanner)
{
    while (scanner->at < scanner->end && (*scanner->at == ' ' || *scanner->at == '\n' ||
                                             *scanner->at == '\r' || *scanner->at == '\t'))
        scanner->at++;
}

static bool take(struct scanner *scanner, unsigned char byte)
{
    if (scanner->at == scanner->end || *scanner->at != byte)
        return false;
    scanner->at++;
    return true;
}

static bool is_digit(unsigned char byte)
{
    return byte >= '0' && byte <= '9';
}

/* ---- strings ---- */

/* The value of four hex digits, or -1. */
static int32_t read_hex4(const unsigned char *at, const unsigned char *end)
{
    int32_t value = 0;

    if (end - at < 4)
        return -1;
    for (size_t i = 0; i < 4; i++) {
        unsigned char byte = at[i];

        value <<= 4;
        if (is_digit(byte))
            value |= byte - '0';
        else if ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'f')
            value |= (byte | 0x20) - 'a' + 10;
        else
            return -1;
    }
    return value;
}

static bool is_high_surrogate(int32_t value)
{
    return value >= 0xd800 && value <= 0xdbff;
}

static bool is_low_surrogate(int32_t value)
{
    return value >= 0xdc00 && value <= 0xdfff;
}

/* Reads what follows "\u": one character, of one escape or two. Returns its length in the text, 0
 * when it is none. */
static size_t read_unicode(
    const unsigned char *at, const unsigned char *end, int32_t *ret_character)
{
    int32_t high = read_hex4(at, end), low;

    if (high < 0 || is_low_surrogate(high))
        return 0;
    *ret_character = high;
    if (!is_high_surrogate(high))
        return 4;
    if (end - at < 6 || at[4] != '\\' || at[5] != 'u')
        return 0;
    low = read_hex4(at + 6, end);
    if (!is_low_surrogate(low))
        return 0;
    *ret_character = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
    return 10;
}

/* Behind the backslash. */
static bool scan_escape(struct scanner *scanner)
{
    int32_t character = 0;
    size_t length;

    if (scanner->at == scanner->end)
        return fail(scanner, SCAN_SYNTAX);
    switch (*scanner->at++) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        return true;
    case 'u':
        length = read_unicode(scanner->at, scanner->end, &character);
        scanner->at += length;
        if (length == 0)
            return fail(scanner, SCAN_SYNTAX);
        return character != 0 || fail(scanner, SCAN_NUL);
    default:
        return fail(scanner, SCAN_SYNTAX);
    }
}

static bool is_plain(unsigned char byte)
{
    return byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
}

/* Goes to the first byte that is not plain, or to the end. */
static void skip_plain(struct scanner *scanner)
{
    const unsigned char *at = scanner->at;

    for (; scanner->end - at >= (ptrdiff_t)WORD_SIZE; at += WORD_SIZE) {
        const uint64_t word = word_load(at);
        const uint64_t found = word_find_below(word, 0x20) | word_find_high(word) |
                               word_find(word, '"') | word_find(word, '\\');

        if (found != 0) {
            scanner->at = at + word_first(found);
            return;
        }
    }
    while (at < scanner->end && is_plain(*at))
        at++;
    scanner->at = at;
}

/* Behind the opening quote. */
static bool scan_string(struct scanner *scanner, struct scan_text *ret_text)
{
    struct scan_text text = {.data = scanner->at};

    for (;;) {
        uint32_t character;
        size_t length;

        skip_plain(scanner);
        if (scanner->at == scanner->end || *scanner->at < 0x20)
            return fail(scanner, SCAN_SYNTAX);
        if (*scanner->at == '"')
            break;
        if (*scanner->at == '\\') {
            text.escaped = true;
            scanner->at++;
            if (!scan_escape(scanner))
                return false;
            continue;
        }
        length = utf8_decode(
            (const char *)scanner->at, (size_t)(scanner->end - scanner->at), &character);
        if (length == 0)
            return fail(scanner, SCAN_UTF8);
        scanner->at += length;
    }
    text.length = (size_t)(scanner->at - text.data);
    scanner->at++;
    *ret_text = text;
    return true;
}

static size_t encode(uint32_t character, char *to)
{
    if (character < 0x80) {
        to[0] = (char)character;
        return 1;
    }
    if (character < 0x800) {
        to[0] = (char)(0xc0 | character >> 6);
        to[1] = (char)(0x80 | (character & 0x3f));
        return 2;
    }
    if (character < 0x10000) {
        to[0] = (char)(0xe0 | character >> 12);
        to[1] = (char)(0x80 | (character >> 6 & 0x3f));
        to[2] = (char)(0x80 | (character & 0x3f));
        return 3;
    }
    to[0] = (char)(0xf0 | character >> 18);
    to[1] = (char)(0x80 | (character >> 12 & 0x3f));
    to[2] = (char)(0x80 | (character >> 6 & 0x3f));
    to[3] = (char)(0x80 | (character & 0x3f));
    return 4;
}

/* Writes what stands behind a backslash; *at comes to stand behind it. */
static size_t decode_escape(const unsigned char **at, const unsigned char *end, char *to)
{
    static const char from[] = "bfnrt", into[] = "\b\f\n\r\t";
    unsigned char byte = *(*at)++;
    int32_t character = 0;
    const char *found;

    if (byte == 'u') {
        *at += read_unicode(*at, end, &character);
        return encode((uint32_t)character, to);
    }
    found = strchr(from, byte);
    *to = found ? into[found - from] : (char)byte;
    return 1;
}

size_t scan_decode(const struct scan_text *text, char *ret_string)
{
    const unsigned char *at = text->data, *end = at + text->length;
    char *to = ret_string;

    if (!text->escaped) {
        memcpy(ret_string, text->data, text->length);
        return text->length;
    }
    while (at < end) {
        if (*at != '\\') {
            *to++ = (char)*at++;
            continue;
        }
        at++;
        to += decode_escape(&at, end, to);
    }
    return (size_t)(to - ret_string);
}

/* ---- numbers and words ---- */

static size_t skip_digits(struct scanner *scanner)
{
    const unsigned char *start = scanner->at;

    while (scanner->at < scanner->end && is_digit(*scanner->at))
        scanner->at++;
    return (size_t)(scanner->at - start);
}

/* Whether a double can come near to the number, all of which is digits, '.', 'e' and signs. */
static bool check_double(struct scanner *scanner, const unsigned char *number)
{
    size_t length = (size_t)(scanner->at - number);
    CLEANUP(free) char *text = malloc(length + 1);

    if (!text)
        return fail(scanner, SCAN_NO_MEMORY);
    memcpy(text, number, length);
    text[length] = '\0';
    /* The locale is C's. */
    return isfinite(strtod(text, NULL)) || fail(scanner, SCAN_NUMBER);
}

static bool scan_number(struct scanner *scanner)
{
    const unsigned char *start = scanner->at;
    bool has_exponent = false;
    size_t n_digits;

    (void)take(scanner, '-');
    n_digits = take(scanner, '0') ? 1 : skip_digits(scanner);
    if (n_digits == 0)
        return fail(scanner, SCAN_SYNTAX);
    if (take(scanner, '.') && skip_digits(scanner) == 0)
        return fail(scanner, SCAN_SYNTAX);
    if (scanner->at < scanner->end && (*scanner->at | 0x20) == 'e') {
        has_exponent = true;
        scanner->at++;
        if (!take(scanner, '+'))
            (void)take(scanner, '-');
        if (skip_digits(scanner) == 0)
            return fail(scanner, SCAN_SYNTAX);
    }
    return (!has_exponent && n_digits <= SAFE_DIGITS) || check_double(scanner, start);
}

static bool scan_word(struct scanner *scanner, const char *word)
{
    size_t length = strlen(word);

    if ((size_t)(scanner->end - scanner->at) < length || memcmp(scanner->at, word, length) != 0)
        return fail(scanner, SCAN_SYNTAX);
    scanner->at += length;
    return true;
}

/* ---- names ---- */

static bool grow_names(struct scanner *scanner)
{
    size_t size = 2 * scanner->names_size;
    bool is_own = scanner->names == scanner->own_names;
    struct name *names = realloc(is_own ? NULL : scanner->names, size * sizeof(*names));

    if (!names)
        return fail(scanner, SCAN_NO_MEMORY);
    if (is_own)
        memcpy(names, scanner->own_names, sizeof(scanner->own_names));
    scanner->names = names;
    scanner->names_size = size;
    return true;
}

static bool decode_name(struct scanner *scanner, const struct scan_text *text, struct name *name)
{
    char *to;

    if (!scanner->decoded) {
        scanner->decoded = malloc(scanner->decoded_size);
        if (!scanner->decoded)
            return fail(scanner, SCAN_NO_MEMORY);
    }
    to = scanner->decoded + scanner->decoded_length;
    name->data = (const unsigned char *)to;
    name->length = scan_decode(text, to);
    scanner->decoded_length += name->length;
    return true;
}

static bool note_name(struct scanner *scanner, const struct scan_text *text, struct name *ret_name)
{
    struct name name = {text->data, text->length};

    if (text->escaped && !decode_name(scanner, text, &name))
        return false;
    if (scanner->n_names == scanner->names_size && !grow_names(scanner))
        return false;
    scanner->names[scanner->n_names++] = name;
    *ret_name = name;
    return true;
}

static int compare_names(const void *left, const void *right)
{
    const struct name *a = left, *b = right;

    if (a->length != b->length)
        return a->length < b->length ? -1 : 1;
    return memcmp(a->data, b->data, a->length);
}

/* Forgets the names from the `first` on; fails when two are equal. */
static bool end_names(struct scanner *scanner, size_t first)
{
    struct name *names = &scanner->names[first];
    size_t n = scanner->n_names - first;

    scanner->n_names = first;
    if (n > FEW_NAMES) {
        qsort(names, n, sizeof(*names), compare_names);
        for (size_t i = 1; i < n; i++)
            if (compare_names(&names[i - 1], &names[i]) == 0)
                return fail(scanner, SCAN_DUPLICATE);
        return true;
    }
    for (size_t i = 1; i < n; i++)
        for (size_t j = 0; j < i; j++)
            if (compare_names(&names[i], &names[j]) == 0)
                return fail(scanner, SCAN_DUPLICATE);
    return true;
}

static bool is_name(const struct name *name, const char *text)
{
    return strlen(text) == name->length && memcmp(text, name->data, name->length) == 0;
}

/* ---- values ---- */

static bool scan_members(struct scanner *scanner, const char *object);

/* Leaves the bracket open; `depth` goes down again where it is closed. */
static bool go_deeper(struct scanner *scanner)
{
    scanner->at++;
    return ++scanner->depth <= scanner->max_depth || fail(scanner, SCAN_DEEP);
}

static bool scan_value(struct scanner *scanner, const char *object, enum scan_type *ret_type,
    struct scan_text *ret_text);

static bool scan_elements(struct scanner *scanner)
{
    struct scan_text text;
    enum scan_type type;

    if (!go_deeper(scanner))
        return false;
    skip_space(scanner);
    if (!take(scanner, ']')) {
        do {
            if (!scan_value(scanner, NULL, &type, &text))
                return false;
            skip_space(scanner);
        } while (take(scanner, ','));
        if (!take(scanner, ']'))
            return fail(scanner, SCAN_SYNTAX);
    }
    scanner->depth--;
    return true;
}

/* `object`: what members of it are wanted as, if it is an object; NULL: none are. */
static bool scan_value(struct scanner *scanner, const char *object, enum scan_type *ret_type,
    struct scan_text *ret_text)
{
    skip_space(scanner);
    if (scanner->at == scanner->end)
        return fail(scanner, SCAN_SYNTAX);
    *ret_type = SCAN_OTHER;
    switch (*scanner->at) {
    case '"':
        *ret_type = SCAN_STRING;
        scanner->at++;
        return scan_string(scanner, ret_text);
    case '{':
        *ret_type = SCAN_OBJECT;
        return scan_members(scanner, object);
    case '[':
        return scan_elements(scanner);
    case 'n':
        *ret_type = SCAN_NULL;
        return scan_word(scanner, "null");
    case 't':
        return scan_word(scanner, "true");
    case 'f':
        return scan_word(scanner, "false");
    default:
        return scan_number(scanner);
    }
}

static struct scan_member *find_member(
    const struct scanner *scanner, const char *object, const struct name *name)
{
    for (size_t i = 0; i < scanner->n_members; i++) {
        struct scan_member *member = &scanner->members[i];

        if (member->name_length == name->length &&
            memcmp(member->name, name->data, name->length) == 0 &&
            strcmp(member->object, object) == 0)
            return member;
    }
    return NULL;
}

/* By which name members of the object that follows are wanted; only those of the whole object have
 * such members. No name is "": that is the whole object. */
static const char *find_object(
    const struct scanner *scanner, const char *object, const struct name *name)
{
    if (*object != '\0' || name->length == 0)
        return NULL;
    for (size_t i = 0; i < scanner->n_members; i++)
        if (is_name(name, scanner->members[i].object))
            return scanner->members[i].object;
    return NULL;
}

static bool scan_member(struct scanner *scanner, const char *object)
{
    struct scan_member *member = NULL;
    const char *inner = NULL;
    struct scan_text text;
    enum scan_type type;
    struct name name;

    skip_space(scanner);
    if (!take(scanner, '"'))
        return fail(scanner, SCAN_SYNTAX);
    if (!scan_string(scanner, &text) || !note_name(scanner, &text, &name))
        return false;
    skip_space(scanner);
    if (!take(scanner, ':'))
        return fail(scanner, SCAN_SYNTAX);
    skip_space(scanner);
    if (object) {
        member = find_member(scanner, object, &name);
        if (scanner->at < scanner->end && *scanner->at == '{')
            inner = find_object(scanner, object, &name);
    }
    if (!scan_value(scanner, inner, &type, &text))
        return false;
    if (member) {
        member->type = type;
        if (type == SCAN_STRING)
            member->text = text;
    }
    return true;
}

static bool scan_members(struct scanner *scanner, const char *object)
{
    size_t first = scanner->n_names;

    if (!go_deeper(scanner))
        return false;
    skip_space(scanner);
    if (!take(scanner, '}')) {
        do {
            if (!scan_member(scanner, object))
                return false;
            skip_space(scanner);
        } while (take(scanner, ','));
        if (!take(scanner, '}'))
            return fail(scanner, SCAN_SYNTAX);
    }
    scanner->depth--;
    return end_names(scanner, first);
}

static bool scan_all(struct scanner *scanner)
{
    if (scanner->at == scanner->end || *scanner->at != '{')
        return fail(scanner, SCAN_SYNTAX);
    if (!scan_members(scanner, ""))
        return false;
    skip_space(scanner);
    return scanner->at == scanner->end || fail(scanner, SCAN_SYNTAX);
}

enum scan_result scan_object(const unsigned char *body, size_t length, size_t max_depth,
    struct scan_member *members, size_t n_members)
{
    struct scanner scanner;

    /* Member by member: own_names need not be cleared. */
    scanner.at = body;
    scanner.end = body + length;
    scanner.depth = 0;
    scanner.max_depth = max_depth;
    scanner.members = members;
    scanner.n_members = n_members;
    scanner.fault = SCAN_OK;
    scanner.names = scanner.own_names;
    scanner.n_names = 0;
    scanner.names_size = OWN_NAMES;
    scanner.decoded = NULL;
    scanner.decoded_length = 0;
    scanner.decoded_size = length;

    for (size_t i = 0; i < n_members; i++)
        members[i].type = SCAN_ABSENT;
    (void)scan_all(&scanner);
    if (scanner.names != scanner.own_names)
        free(scanner.names);
    free(scanner.decoded);
    return scanner.fault;
}
