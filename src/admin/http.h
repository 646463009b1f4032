#pragma once

/*
 * HTTP for the admin API: one request after another on each connection, over libmicrohttpd.
 *
 * Collects the body up to HTTP_BODY_MAX, finds the handler, sends its answer. Framing is left to
 * the library in its strict mode: whoever gets here is trusted with the API, or gets three pages to
 * read and nothing to change. Everything runs on the listener's thread, but for actions
 * (errands.h), whose connections are suspended meanwhile.
 */

#include "admin/errands.h"

#include <microhttpd.h>

#define HTTP_BODY_MAX (1u << 20)

/* Headers and I/O buffers of a connection, in the library. */
#define HTTP_CONNECTION_MEMORY 16384

/* A request on its way; part of its connection. Zeroed between two requests. */
struct http_request {
    const struct route *route; /* NULL: none was found */
    const char *tail;
    unsigned int status; /* what is wrong already; 200: nothing yet */
    bool has_begun;
    bool is_away; /* an errand; its connection is suspended */
    struct buf body;
    struct errand errand;
};

void http_request_done(struct http_request *request);

/* What a request is served with. */
struct http_host {
    struct admin *admin;
    struct store_reader *reader;
    const struct peer *peer;
    struct errands *errands;
    bool is_ending; /* the listener: nothing is given to the errands any more */
};

/* One step of libmicrohttpd's access handler. *ret_answered tells that an answer was queued. When
 * the request is away afterwards, its connection is to be resumed once the errand is done. */
enum MHD_Result http_step(const struct http_host *host, struct http_request *request,
    struct MHD_Connection *mhd, const char *url, const char *method, const char *upload,
    size_t *upload_size, bool *ret_answered);

/* Writes a whole 503 to a socket that gets no place. Never blocks. */
void http_shed(int fd);
