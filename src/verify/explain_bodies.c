/*
 * Bodies with other line ends, other ends, and as another JSON library would have written them.
 */

#include "verify/explain_bodies.h"

#include "job/reserialise.h"
#include "util/buf.h"
#include "verify/explain_urls.h"

#include <stdlib.h>
#include <string.h>

#define ADVICE_CHANGED                                                                         \
    "the body was changed on its way, or when it was captured: nothing between SASHA and the " \
    "daemon may touch it"
#define ADVICE_WRITTEN_ANEW                                                                \
    "something on the way reads the JSON and writes it anew (a gateway, a filter, a test " \
    "script): "                                                                            \
    "it must pass the bytes on as they are"

static const char bom[] = "\xef\xbb\xbf";

static void add_line_ends(
    struct explain_variants *bodies, const unsigned char *body, size_t length, bool crlf)
{
    struct buf out = BUF_INIT;

    for (size_t i = 0; i < length; i++) {
        bool follows_cr = i > 0 && body[i - 1] == '\r';
        bool precedes_lf = i + 1 < length && body[i + 1] == '\n';

        if (!crlf && body[i] == '\r' && precedes_lf)
            continue;
        if (crlf && body[i] == '\n' && !follows_cr)
            buf_append(&out, "\r", 1);
        buf_append(&out, body + i, 1);
    }
    bodies->failed |= out.failed;
    if (!out.failed)
        explain_variants_add(bodies, out.data, out.length, ADVICE_CHANGED,
            "the lines of the body end with %s", crlf ? "CRLF" : "LF instead of CRLF");
    buf_done(&out);
}

static void add_with(struct explain_variants *bodies, const void *before, size_t before_length,
    const struct explain_request *request, const char *after, const char *says)
{
    struct buf out = BUF_INIT;

    buf_append(&out, before, before_length);
    buf_append(&out, request->body, request->body_length);
    buf_append_text(&out, after);
    bodies->failed |= out.failed;
    if (!out.failed)
        explain_variants_add(bodies, out.data, out.length, ADVICE_CHANGED, "%s", says);
    buf_done(&out);
}

static bool is_blank(unsigned char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

static void add_cut(struct explain_variants *bodies, const struct explain_request *request)
{
    const unsigned char *body = request->body;
    size_t length = request->body_length;
    size_t start = 0;
    const char *told = explain_header_get(request, "Content-Length");
    unsigned long long told_length;

    if (length > 0 && body[length - 1] == '\n') {
        explain_variants_add(bodies, body, length - 1, ADVICE_CHANGED,
            "the newline at the end of the body is taken away");
        if (length > 1 && body[length - 2] == '\r')
            explain_variants_add(bodies, body, length - 2, ADVICE_CHANGED,
                "the CRLF at the end of the body is taken away");
    }
    while (length > 0 && is_blank(body[length - 1]))
        length--;
    explain_variants_add(
        bodies, body, length, ADVICE_CHANGED, "the blanks at the end of the body are taken away");
    while (start < length && is_blank(body[start]))
        start++;
    explain_variants_add(bodies, body + start, length - start, ADVICE_CHANGED,
        "the blanks around the body are taken away");
    if (length >= strlen(bom) && memcmp(body, bom, strlen(bom)) == 0)
        explain_variants_add(bodies, body + strlen(bom), request->body_length - strlen(bom),
            ADVICE_CHANGED, "the byte order mark at the start of the body is taken away");
    if (told) {
        told_length = strtoull(told, NULL, 10);
        if (told_length > 0 && told_length < request->body_length)
            explain_variants_add(bodies, body, (size_t)told_length, ADVICE_CHANGED,
                "the body is cut to its Content-Length");
    }
}

static void add_written_anew(
    struct explain_variants *bodies, const struct explain_request *request, enum json_style style)
{
    struct buf out = BUF_INIT;

    if (json_reserialise(request->body, request->body_length, style, &out) == 0) {
        explain_variants_add(bodies, out.data, out.length, ADVICE_WRITTEN_ANEW,
            "the body is the same JSON, but written %s", json_style_name(style));
        if (buf_append_text(&out, "\n") == 0)
            explain_variants_add(bodies, out.data, out.length, ADVICE_WRITTEN_ANEW,
                "the body is the same JSON, but written %s, with a newline behind it",
                json_style_name(style));
    }
    bodies->failed |= out.failed;
    buf_done(&out);
}

void explain_bodies_add(struct explain_variants *bodies, const struct explain_request *request)
{
    explain_variants_add(bodies, request->body, request->body_length, "", "the body is as it came");
    add_cut(bodies, request);
    add_with(bodies, "", 0, request, "\n", "a newline is put behind the body");
    add_with(bodies, "", 0, request, "\r\n", "a CRLF is put behind the body");
    add_line_ends(bodies, request->body, request->body_length, false);
    add_line_ends(bodies, request->body, request->body_length, true);
    for (size_t style = 0; style < JSON_STYLE_COUNT; style++)
        add_written_anew(bodies, request, (enum json_style)style);
    add_with(bodies, bom, strlen(bom), request, "", "a byte order mark is put before the body");
    explain_variants_add(bodies, "", 0,
        "whoever signed this did not sign the body, or the body was lost before it was signed",
        "the body is left out");
}
