/*
 * The framing check and the arithmetic that finds what libmicrohttpd hides (src/intake/framing.c,
 * src/intake/head.c), against a second opinion made of tables and counts.
 *
 * Input: lines. The first is METHOD TARGET VERSION, the others are NAME:VALUE. A byte 0xff stands
 * for a newline, so that names and values can hold one.
 */

#include "fuzz.h"

#include "intake/framing.h"
#include "intake/head.h"

#include <string.h>
#include <strings.h>

#define FIELDS_MAX 80

struct piece {
    char *text; /* owned; ends in a NUL behind it */
    size_t length;
};

static struct piece make_piece(struct fuzz_input part)
{
    struct piece piece = {fuzz_copy(part.data, part.size, 1), part.size};

    for (size_t i = 0; i < piece.length; i++)
        if (piece.text[i] == '\xff')
            piece.text[i] = '\n';
    return piece;
}

struct message {
    struct piece method, target, version;
    struct piece names[FIELDS_MAX], values[FIELDS_MAX];
    size_t n;
};

static void read_message(struct fuzz_input input, struct message *message)
{
    struct fuzz_input line = fuzz_take_until(&input, '\n');

    memset(message, 0, sizeof(*message));
    message->method = make_piece(fuzz_take_until(&line, ' '));
    message->target = make_piece(fuzz_take_until(&line, ' '));
    message->version = make_piece(line);
    while (input.size > 0 && message->n < FIELDS_MAX) {
        line = fuzz_take_until(&input, '\n');
        message->names[message->n] = make_piece(fuzz_take_until(&line, ':'));
        message->values[message->n++] = make_piece(line);
    }
}

static void free_message(struct message *message)
{
    free(message->method.text);
    free(message->target.text);
    free(message->version.text);
    for (size_t i = 0; i < message->n; i++) {
        free(message->names[i].text);
        free(message->values[i].text);
    }
}

/* ---- the second opinion ---- */

static int only(const char *text, size_t length, const char *allowed)
{
    for (size_t i = 0; i < length; i++)
        if (text[i] == '\0' || !strchr(allowed, text[i]))
            return 0;
    return 1;
}

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"
#define TOKEN LETTERS DIGITS "!#$%&'*+-.^_`|~"
#define VISIBLE TOKEN "\"(),/:;<=>?@[\\]{}"

static size_t count_of(const struct message *message, const char *name, size_t *ret_last)
{
    size_t n = 0;

    for (size_t i = 0; i < message->n; i++)
        if (message->names[i].length == strlen(name) &&
            strcasecmp(message->names[i].text, name) == 0) {
            n++;
            *ret_last = i;
        }
    return n;
}

static int is_value(const struct piece *value)
{
    for (size_t i = 0; i < value->length; i++) {
        const unsigned char c = (unsigned char)value->text[i];

        if ((c < 0x20 || c == 0x7f) && !(c == 0x09 && i != 0 && i != value->length - 1))
            return 0;
    }
    return 1;
}

static int is_well_framed(const struct message *m, struct framing *framing)
{
    const int is_1_1 = strcmp(m->version.text, "HTTP/1.1") == 0;
    const int is_1_0 = strcmp(m->version.text, "HTTP/1.0") == 0;
    const int needs_body = strcmp(m->method.text, "POST") == 0 ||
                           strcmp(m->method.text, "PUT") == 0 ||
                           strcmp(m->method.text, "PATCH") == 0;
    const char *query = memchr(m->target.text, '?', m->target.length);
    size_t length_at = 0, encoding_at = 0, at = 0, hosts, lengths, encodings;

    if (m->n > 64 || (!is_1_1 && !is_1_0))
        return 0;
    if (m->method.text[0] == '\0' || !only(m->method.text, strlen(m->method.text), TOKEN))
        return 0;
    if (m->target.text[0] != '/' || strchr(m->target.text, '#') ||
        !only(m->target.text, m->target.length, VISIBLE))
        return 0;
    for (size_t i = 0; i < m->n; i++)
        if (m->names[i].length == 0 || !only(m->names[i].text, m->names[i].length, TOKEN) ||
            !is_value(&m->values[i]))
            return 0;
    hosts = count_of(m, "host", &at);
    lengths = count_of(m, "content-length", &length_at);
    encodings = count_of(m, "transfer-encoding", &encoding_at);
    if (hosts > 1 || (is_1_1 && hosts == 0) || count_of(m, "content-type", &at) > 1)
        return 0;
    if (lengths + encodings > 1 || (encodings > 0 && is_1_0))
        return 0;
    if (needs_body && lengths + encodings == 0)
        return 0;
    *framing = (struct framing){.has_length = lengths == 1, .chunked = encodings == 1};
    if (lengths == 1) {
        const struct piece *value = &m->values[length_at];

        if (value->length < 1 || value->length > 18 || !only(value->text, value->length, DIGITS))
            return 0;
        framing->content_length = strtoull(value->text, NULL, 10);
    }
    if (encodings == 1 && (m->values[encoding_at].length != 7 ||
                              strcasecmp(m->values[encoding_at].text, "chunked") != 0))
        return 0;
    framing->path_length = query ? (size_t)(query - m->target.text) : m->target.length;
    return 1;
}

/* ---- the layout ---- */

/* Lays the pieces out as libmicrohttpd leaves a head without oddities, or with one byte too many
 * before piece `gap`. */
static void check_layout(const struct message *m, const struct head *seen, size_t gap)
{
    static char space[1 << 17];
    struct head_line line = {.target_length = m->target.length};
    struct head head = {.n_fields = seen->n_fields, .n_seen = seen->n_seen};
    size_t at = 0, piece = 0, size, most = 64;

    most += m->method.length + m->target.length + m->version.length;
    for (size_t i = 0; i < head.n_fields; i++)
        most += seen->fields[i].name_length + seen->fields[i].value_length + 4;
    if (most > sizeof(space) || strlen(m->method.text) != m->method.length ||
        strlen(m->version.text) != m->version.length)
        return; /* a method cut short by a NUL is another one to libmicrohttpd, too */

    memset(space, 0, most);
    line.method = space;
    memcpy(space, m->method.text, m->method.length);
    at += m->method.length + 1 + (++piece == gap);
    line.target = space + at;
    at += m->target.length + 1 + (++piece == gap);
    line.version = space + at;
    memcpy(space + at, m->version.text, m->version.length);
    at += m->version.length + 2 + (++piece == gap);
    for (size_t i = 0; i < head.n_fields; i++) {
        const struct framing_header *field = &seen->fields[i];

        head.fields[i] = (struct framing_header){.name = space + at,
            .name_length = field->name_length,
            .value = space + at + field->name_length + 2,
            .value_length = field->value_length};
        at += field->name_length + 2 + field->value_length + 2 + (++piece == gap);
    }
    size = at + 2 + (gap == 0);
    FUZZ_CHECK(head_is_whole(&line, &head, size) == (gap > piece));
}

/* ---- the target ---- */

static void check_find(const struct message *m, const struct head *head)
{
    struct verify_head found;
    size_t first = SIZE_MAX, n = 0;

    head_find(head, &found);
    for (size_t i = head->n_fields; i-- > 0;)
        if (m->names[i].length == strlen("sasha-request-id") &&
            strncasecmp(m->names[i].text, "sasha-request-id", m->names[i].length) == 0) {
            first = i;
            n++;
        }
    FUZZ_CHECK(found.request_id.count == n);
    if (n > 0)
        FUZZ_CHECK(
            found.request_id.length == m->values[first].length &&
            memcmp(found.request_id.value, m->values[first].text, m->values[first].length) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct framing got = {0}, want = {0};
    struct framing_request request;
    struct framing_header headers[FIELDS_MAX];
    struct head head = {.n_fields = 0};
    struct message message;
    const char *fault;

    if (size > 8192)
        return 0;
    read_message((struct fuzz_input){data, size}, &message);
    for (size_t i = 0; i < message.n; i++) {
        headers[i] = (struct framing_header){message.names[i].text, message.names[i].length,
            message.values[i].length == 0 ? NULL : message.values[i].text,
            message.values[i].length};
        if (i < HEAD_FIELDS_MAX)
            head.fields[head.n_fields++] = headers[i];
        head.n_seen++;
    }
    request = (struct framing_request){.version = message.version.text,
        .method = message.method.text,
        .target = message.target.text,
        .target_length = message.target.length,
        .headers = headers,
        .n_headers = message.n};

    fault = framing_check(&request, &got);
    FUZZ_CHECK((fault == NULL) == is_well_framed(&message, &want));
    if (!fault)
        FUZZ_CHECK(got.chunked == want.chunked && got.has_length == want.has_length &&
                   got.content_length == want.content_length &&
                   got.path_length == want.path_length);

    request.target = NULL;
    FUZZ_CHECK(framing_check(&request, &got) != NULL);
    check_find(&message, &head);
    check_layout(&message, &head, SIZE_MAX);
    check_layout(&message, &head, size % (head.n_fields + 4));
    free_message(&message);
    return 0;
}
