#pragma once

/*
 * A request as libcurl takes it: shared by send_post.c, which sends one, and send_burst.c, which
 * sends many at a time.
 */

#include "ctl/send.h"

#include <curl/curl.h>

/* Owned by the caller, freed with curl_slist_free_all. NULL when out of memory. */
struct curl_slist *send_easy_headers(const struct send_request *request);

/* Borrows all but the handle until the exchange is over; `why` holds CURL_ERROR_SIZE. False when
 * libcurl lacks what is asked for, or memory. */
bool send_easy_set_up(CURL *curl, const struct send_request *request,
    const struct curl_slist *headers, struct send_answer *answer, char *why);

/* What kind of failure a code of libcurl's is. */
enum send_failure send_easy_failure(CURLcode code);
