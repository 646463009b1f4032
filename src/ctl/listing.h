#pragma once

/*
 * Deliveries, one a line: a table for people, or each object exactly as the daemon sent it.
 */

#include "ctl/client.h"
#include "ctl/table.h"

#include <stdbool.h>

struct listing {
    bool json;
    struct table table;
};

/* Looks at the terminal. */
void listing_init(struct listing *listing, bool json);
void listing_done(struct listing *listing);

/* Appends a page: the answer that holds it, and its deliveries. Titles come with the first page
 * that is not empty. 0 or -ENOMEM. */
int listing_append(struct listing *listing, const struct client_answer *answer,
    const json_t *deliveries, struct buf *out);

/* Appends one delivery; its text is the whole of `answer`, and may hold more than a list shows. */
int listing_append_one(
    struct listing *listing, const struct client_answer *answer, struct buf *out);
