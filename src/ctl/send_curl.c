/*
 * The request as a curl command that does the same as send_post.c, for a POSIX shell. It holds the
 * token and the signature, not the secret.
 */

#include "ctl/send.h"

#include "util/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* The longest argument that Linux takes: 32 pages, execve(2). */
#define ARGUMENT_MAX (128 * 1024)

static bool is_plain(char byte)
{
    return (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') ||
           (byte >= '0' && byte <= '9') || (byte != '\0' && strchr("%+,-./:@_", byte));
}

int send_curl_append_word(struct buf *buf, const void *text, size_t length)
{
    const char *bytes = text;
    bool all_plain = length > 0;

    for (size_t i = 0; i < length; i++)
        all_plain = all_plain && is_plain(bytes[i]);
    if (all_plain)
        return buf_append(buf, bytes, length);

    buf_append_text(buf, "'");
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] == '\'')
            buf_append_text(buf, "'\\''");
        else
            buf_append(buf, bytes + i, 1);
    }
    return buf_append_text(buf, "'");
}

static void append_option(struct buf *buf, const char *name, const char *value)
{
    buf_append_format(buf, " \\\n    %s ", name);
    send_curl_append_word(buf, value, strlen(value));
}

/* A body from a file is read from there again: the shell could not pass every byte. */
static int append_body(const struct send_request *request, struct buf *buf, struct error *error)
{
    struct buf at_file = BUF_INIT;

    if (request->body_file) {
        buf_append_format(&at_file, "@%s", request->body_file);
        buf_append_text(buf, " \\\n    --data-binary ");
        send_curl_append_word(buf, at_file.data, at_file.length);
        buf_done(&at_file);
        return 0;
    }
    if (request->body_length >= ARGUMENT_MAX ||
        (request->body_length > 0 && memchr(request->body, '\0', request->body_length)))
        return error_set(error, EINVAL,
            "a command line cannot hold this body; put it into a file and use --job FILE");
    buf_append_text(buf, " \\\n    --data-raw ");
    send_curl_append_word(buf, request->body, request->body_length);
    return 0;
}

int send_curl_append(const struct send_request *request, struct buf *buf, struct error *error)
{
    buf_append_format(buf,
        "curl --silent --show-error --include --globoff --path-as-is --noproxy '*' \\\n"
        "    --max-time %" PRIi64 ".%03" PRIi64,
        request->timeout_usec / USEC_PER_SEC, request->timeout_usec % USEC_PER_SEC / USEC_PER_MSEC);
    if (request->insecure)
        buf_append_text(buf, " --insecure");
    if (request->cacert)
        append_option(buf, "--cacert", request->cacert);
    if (request->unix_socket)
        append_option(buf, "--unix-socket", request->unix_socket);
    for (size_t i = 0; i < request->n_headers; i++)
        append_option(buf, "--header", request->headers[i]);
    if (append_body(request, buf, error) < 0)
        return -EINVAL;
    buf_append_text(buf, " \\\n    ");
    send_curl_append_word(buf, request->url, strlen(request->url));
    if (buf_append_text(buf, "\n") < 0)
        return error_errno(error, ENOMEM, "cannot print the request");
    return 0;
}
