/*
 * A captured request, taken apart. See explain.h for the contract.
 *
 * More lenient than the daemon where a capture may have been through an editor (LF for CRLF, no
 * HTTP version, no empty line when there is no body), and not more: what the daemon would answer
 * with 400 framing is told as a fault of its line.
 */

#include "verify/explain.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct lines {
    char *at, *end;
    unsigned int number; /* of the line last taken, from 1 */
};

/* Takes one line, cuts its end off and ends it in NUL. *ret_line is NULL at the end of the text. */
static int take_line(struct lines *lines, char **ret_line, struct error *error)
{
    char *line = lines->at;
    char *newline = memchr(line, '\n', (size_t)(lines->end - line));

    if (line == lines->end) {
        *ret_line = NULL;
        return 0;
    }
    lines->number++;
    if (!newline)
        return error_set(error, EINVAL,
            "line %u: is cut short; a line ends with a newline, and an empty one ends the headers",
            lines->number);
    if (memchr(line, '\0', (size_t)(newline - line)))
        return error_set(error, EINVAL, "line %u: holds a NUL", lines->number);
    lines->at = newline + 1;
    *newline = '\0';
    if (newline > line && newline[-1] == '\r')
        newline[-1] = '\0';
    *ret_line = line;
    return 0;
}

static char *skip_blanks(char *text)
{
    return text + strspn(text, " \t");
}

static void cut_blanks_at_end(char *text)
{
    size_t length = strlen(text);

    while (length > 0 && (text[length - 1] == ' ' || text[length - 1] == '\t'))
        text[--length] = '\0';
}

static int parse_request_line(char *line, struct explain_request *request, struct error *error)
{
    char *target = strchr(line, ' ');
    char *version;

    if (!target || target == line)
        return error_set(error, EINVAL,
            "line 1: not a request line; a captured request begins like \"POST /path HTTP/1.1\"");
    *target++ = '\0';
    target = skip_blanks(target);
    version = strchr(target, ' ');
    if (version) {
        *version++ = '\0';
        if (strncmp(version, "HTTP/", 5) != 0)
            return error_set(error, EINVAL,
                "line 1: what follows the url is not \"HTTP/1.1\"; a blank in a url must be %%20");
    }
    if (*target == '\0')
        return error_set(error, EINVAL, "line 1: the url is missing");
    request->method = line;
    request->target = target;
    return 0;
}

/* RFC 9110 §5.6.2 */
static bool is_header_name(const char *name)
{
    size_t length = strspn(name, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
                                 "ABCDEFGHIJKLMNOPQRSTUVWXYZ");

    return length > 0 && name[length] == '\0';
}

static int parse_header(
    char *line, unsigned int number, struct explain_header *header, struct error *error)
{
    char *colon = strchr(line, ':');

    if (*line == ' ' || *line == '\t')
        return error_set(error, EINVAL,
            "line %u: begins with a blank; the daemon refuses folded header lines", number);
    if (!colon)
        return error_set(error, EINVAL,
            "line %u: not a header; headers are \"Name: value\", and an empty line ends them",
            number);
    *colon = '\0';
    if (!is_header_name(line))
        return error_set(
            error, EINVAL, "line %u: the header's name holds a byte that no name may have", number);
    header->name = line;
    header->value = skip_blanks(colon + 1);
    cut_blanks_at_end(colon + 1);
    return 0;
}

/* As intake shows a token that it did not keep. */
static bool is_hidden_token(const char *value)
{
    size_t bytes;
    int end = 0;

    return sscanf(value, "Bearer <%zu bytes>%n", &bytes, &end) == 1 && end > 0 &&
           value[end] == '\0';
}

int explain_parse(char *text, size_t length, struct explain_request *ret_request,
    struct explain_header *headers, size_t max_headers, struct error *error)
{
    struct explain_request request = {.headers = headers};
    struct lines lines = {text, text + length, 0};
    char *line = NULL;
    int result = take_line(&lines, &line, error);

    if (result == 0 && !line)
        result = error_set(error, EINVAL, "the captured request is empty");
    if (result == 0)
        result = parse_request_line(line, &request, error);
    while (result == 0) {
        struct explain_header *header = &headers[request.n_headers];

        result = take_line(&lines, &line, error);
        if (result < 0 || !line || *line == '\0')
            break;
        if (request.n_headers == max_headers)
            return error_set(
                error, EINVAL, "line %u: more than %zu headers", lines.number, max_headers);
        result = parse_header(line, lines.number, header, error);
        if (result == 0) {
            request.n_headers++;
            request.token_hidden |=
                strcasecmp(header->name, "Authorization") == 0 && is_hidden_token(header->value);
        }
    }
    if (result < 0)
        return result;

    request.body = (const unsigned char *)lines.at;
    request.body_length = (size_t)(lines.end - lines.at);
    *ret_request = request;
    return 0;
}
