/*
 * Foreign bytes on their way into a log line (src/util/utf8.c, escape.c, log_line.c).
 *
 * What must hold: whatever the bytes, every rendering is valid UTF-8 without a control character
 * but the newline at its end; JSON is JSON; cutting splits no character; the field of a text line
 * can be read back unambiguously; nothing is written beyond a buffer.
 *
 * Input: a byte that chooses sizes, then the text; what stands before its first newline is also the
 * sentence.
 */

#include "fuzz.h"

#include "util/escape.h"
#include "util/log_line.h"
#include "util/utf8.h"

#include <jansson.h>
#include <string.h>

/* By the ranges of RFC 3629 §4, one after another. */
static size_t decode_slowly(const unsigned char *t, size_t n)
{
#define IN(i, from, to) (n > (i) && t[i] >= (from) && t[i] <= (to))
    if (IN(0, 0x00, 0x7f))
        return 1;
    if (IN(0, 0xc2, 0xdf) && IN(1, 0x80, 0xbf))
        return 2;
    if ((IN(0, 0xe0, 0xe0) && IN(1, 0xa0, 0xbf) && IN(2, 0x80, 0xbf)) ||
        (IN(0, 0xe1, 0xec) && IN(1, 0x80, 0xbf) && IN(2, 0x80, 0xbf)) ||
        (IN(0, 0xed, 0xed) && IN(1, 0x80, 0x9f) && IN(2, 0x80, 0xbf)) ||
        (IN(0, 0xee, 0xef) && IN(1, 0x80, 0xbf) && IN(2, 0x80, 0xbf)))
        return 3;
    if ((IN(0, 0xf0, 0xf0) && IN(1, 0x90, 0xbf) && IN(2, 0x80, 0xbf) && IN(3, 0x80, 0xbf)) ||
        (IN(0, 0xf1, 0xf3) && IN(1, 0x80, 0xbf) && IN(2, 0x80, 0xbf) && IN(3, 0x80, 0xbf)) ||
        (IN(0, 0xf4, 0xf4) && IN(1, 0x80, 0x8f) && IN(2, 0x80, 0xbf) && IN(3, 0x80, 0xbf)))
        return 4;
    return 0;
#undef IN
}

/* Valid UTF-8, and none of what may end a line, move a cursor or turn the reading around. */
static void check_clean(const char *text, size_t length)
{
    static const char *const bad[] = {"\xd8\x9c", "\xe2\x80\x8e", "\xe2\x80\x8f", "\xe2\x80\xa8",
        "\xe2\x80\xa9", "\xe2\x80\xaa", "\xe2\x80\xab", "\xe2\x80\xac", "\xe2\x80\xad",
        "\xe2\x80\xae", "\xe2\x81\xa6", "\xe2\x81\xa7", "\xe2\x81\xa8", "\xe2\x81\xa9"};
    const unsigned char *t = (const unsigned char *)text;
    size_t size;

    for (size_t at = 0; at < length; at += size) {
        size = decode_slowly(t + at, length - at);
        FUZZ_CHECK(size > 0);
        FUZZ_CHECK(t[at] >= 0x20 && t[at] != 0x7f);
        FUZZ_CHECK(!(size == 2 && t[at] == 0xc2 && t[at + 1] < 0xa0));
        for (size_t i = 0; size > 1 && i < sizeof(bad) / sizeof(bad[0]); i++)
            FUZZ_CHECK(size != strlen(bad[i]) || memcmp(t + at, bad[i], size) != 0);
    }
}

/* Undoes ESCAPE_FIELD, and finds the bytes that were there. */
static void check_unescaped(const char *shown, const char *text, size_t length)
{
    size_t at = 0;

    for (; *shown && strcmp(shown, "…") != 0; at++) {
        char byte = *shown++;

        if (byte == '\\') {
            switch (*shown++) {
            case 'n':
                byte = '\n';
                break;
            case 'r':
                byte = '\r';
                break;
            case 't':
                byte = '\t';
                break;
            case 'x': {
                char digits[3] = {shown[0], shown[1], '\0'};

                byte = (char)strtol(digits, NULL, 16);
                shown += 2;
                break;
            }
            default:
                byte = shown[-1];
                break;
            }
        }
        FUZZ_CHECK(at < length && text[at] == byte);
    }
    FUZZ_CHECK(*shown || at == length);
}

static void check_utf8(const char *text, size_t length, size_t max)
{
    uint32_t character;
    size_t cut = utf8_cut(text, length, max), at = 0, size;

    for (size_t i = 0; i < length; i++)
        FUZZ_CHECK(utf8_decode(text + i, length - i, &character) ==
                   decode_slowly((const unsigned char *)text + i, length - i));
    FUZZ_CHECK(cut <= max && cut <= length && (cut == length || cut + 4 > max));
    /* Where all of it is UTF-8 the cut is a border. */
    while (at < length &&
           (size = decode_slowly((const unsigned char *)text + at, length - at)) > 0 && at < cut)
        at += size;
    if (at >= cut)
        FUZZ_CHECK(at == cut || length <= max || at > max);
}

static void check_line(const struct log_line *line, int is_json)
{
    json_t *object;

    FUZZ_CHECK(line->length > 0 && line->length <= sizeof(line->data));
    FUZZ_CHECK(line->data[line->length - 1] == '\n');
    check_clean(line->data, line->length - 1);
    if (!is_json)
        return;
    object = json_loadb(line->data, line->length, JSON_REJECT_DUPLICATES, NULL);
    FUZZ_CHECK(json_is_object(object) && json_object_get(object, "event"));
    json_decref(object);
}

#define FIELDS 40

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct log_line line;
    static struct log_entry entry;
    static char names[FIELDS][8];
    struct fuzz_input input = {data, size};
    size_t small = (size_t)fuzz_take_byte(&input) + 1;
    struct fuzz_input rest = input, sentence = fuzz_take_until(&rest, '\n');
    char *text = fuzz_copy(input.data, input.size, 1);
    char *words = fuzz_copy(sentence.data, sentence.size, 1);
    const size_t shown = small % 16 == 0 ? FIELDS : small % 4;
    char full[ESCAPE_SIZE], *part = malloc(small);
    struct log_field fields[FIELDS + 1];
    struct log_record record = {
        LOG_LEVEL_INFO, "an-event", words, fields, small % 2 == 0 ? NULL : "2026-01-01T00:00:00Z"};

    check_utf8(text, input.size, small);
    escape_field(text, input.size, full, sizeof(full));
    check_clean(full, strlen(full));
    check_unescaped(full, text, input.size);
    FUZZ_CHECK(part);
    escape_field(text, input.size, part, small);
    FUZZ_CHECK(strlen(part) < small);
    check_clean(part, strlen(part));

    for (size_t i = 0; i < FIELDS; i++)
        snprintf(names[i], sizeof(names[i]), "n%zu", i);
    /* Now and then as many fields as fill a line, and more than a journal entry takes. */
    for (size_t i = 0; i < FIELDS; i++)
        fields[i] = (struct log_field){names[i], i < shown ? text : NULL};
    fields[FIELDS] = (struct log_field){NULL, NULL};
    log_line_text(&line, &record);
    check_line(&line, 0);
    log_line_json(&line, &record);
    check_line(&line, 1);
    log_entry_journal(&entry, &record, "fuzz");
    FUZZ_CHECK(entry.count >= 4 && entry.count <= LOG_ENTRIES_MAX);
    for (size_t i = 0; i < entry.count; i++) {
        check_clean(entry.items[i].iov_base, entry.items[i].iov_len);
        FUZZ_CHECK(memchr(entry.items[i].iov_base, '=', entry.items[i].iov_len));
    }
    free(part);
    free(words);
    free(text);
    return 0;
}
