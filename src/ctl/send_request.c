/*
 * From target and body to a signed request.
 */

#include "ctl/send.h"

#include "util/cleanup.h"
#include "util/clock.h"
#include "verify/sign.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#define DEFAULT_TIMEOUT (30 * USEC_PER_SEC)

/* Appends "Name: value". False when out of memory. */
__attribute__((format(printf, 2, 3))) static bool add_header(
    struct send_request *request, const char *format, ...)
{
    va_list arguments;
    char *header = NULL;
    int length;

    ASSERT(request->n_headers < SEND_HEADERS_MAX);
    va_start(arguments, format);
    length = vasprintf(&header, format, arguments);
    va_end(arguments);
    if (length < 0)
        return false;
    request->headers[request->n_headers++] = header;
    return true;
}

static int set_request_id(
    const struct send_options *options, struct send_request *request, struct error *error)
{
    if (!options->request_id)
        return sign_new_request_id(request->request_id, error) < 0 ? EX_SOFTWARE : EX_OK;
    if (!header_is_request_id(options->request_id, strlen(options->request_id))) {
        error_set(error, EINVAL,
            "--request-id is not 1 to %d visible ASCII characters without { and \"",
            HEADER_REQUEST_ID_MAX);
        return EX_USAGE;
    }
    memcpy(request->request_id, options->request_id, strlen(options->request_id) + 1);
    return EX_OK;
}

int send_request_make(const struct send_options *options, const struct send_target *target,
    const struct buf *body, struct send_request *request, struct error *error)
{
    char signature[SIGNATURE_SIZE];
    int status;

    request->url = (const char *)target->url.data;
    request->unix_socket = target->unix_socket;
    request->cacert = options->cacert;
    request->insecure = options->insecure;
    request->body = body->data;
    request->body_length = body->length;
    request->body_file = options->job && strcmp(options->job, "-") != 0 ? options->job : NULL;
    request->timeout_usec = DEFAULT_TIMEOUT;
    if (options->timeout && config_parse_duration(options->timeout, &request->timeout_usec) < 0) {
        error_set(error, EINVAL, "--timeout %s is not a duration; write it as \"30s\" or \"500ms\"",
            options->timeout);
        return EX_USAGE;
    }

    status = set_request_id(options, request, error);
    if (status != EX_OK)
        return status;
    if (sign_callback(&target->key, "POST", target->sign_url, request->request_id, body->data,
            body->length, signature, error) < 0)
        return EX_SOFTWARE;

    if (!add_header(request, "Content-Type: application/json") ||
        (target->token && !add_header(request, "Authorization: Bearer %s", target->token)) ||
        !add_header(request, "SASHA-Request-ID: %s", request->request_id) ||
        !add_header(request, "SASHA-Request-Signature: %s", signature) ||
        (target->secret_id &&
            !add_header(request, "SASHA-Callback-Secret-ID: %s", target->secret_id)) ||
        /* Not sent at all: libcurl would ask for leave before it sends a big body. */
        !add_header(request, "Expect:")) {
        error_errno(error, ENOMEM, "cannot set up the request");
        return EX_OSERR;
    }
    return EX_OK;
}

void send_request_done(struct send_request *request)
{
    for (size_t i = 0; i < request->n_headers; i++) {
        secret_wipe(request->headers[i], strlen(request->headers[i]));
        free(request->headers[i]);
    }
    request->n_headers = 0;
}
