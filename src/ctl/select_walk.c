/*
 * Page after page, and numbers out of pages. See select.h.
 */

#include "ctl/field.h"
#include "ctl/select.h"

#include "util/cleanup.h"

#include <errno.h>
#include <sysexits.h>

int select_fetch(
    void *context, const char *target, struct client_answer *answer, struct error *error)
{
    return client_get(context, target, answer, error);
}

/* Whether the walk gets anywhere: it must not go round for ever. */
static bool is_further(const struct select_walk *walk, uint64_t next)
{
    if (walk->from == 0)
        return next > 0;
    return walk->oldest_first ? next > walk->from : next < walk->from;
}

static int move_on(struct select_walk *walk, const json_t *root, struct error *error)
{
    const json_t *next = json_object_get(root, "next");

    if (!next || json_is_null(next)) {
        walk->ended = true;
        return EX_OK;
    }
    if (!json_is_integer(next) || json_integer_value(next) <= 0 ||
        !is_further(walk, (uint64_t)json_integer_value(next))) {
        error_set(error, EPROTO, "the daemon's list of deliveries goes in circles");
        return EX_PROTOCOL;
    }
    walk->from = (uint64_t)json_integer_value(next);
    return EX_OK;
}

int select_walk_next(struct select_walk *walk, size_t limit, struct client_answer *answer,
    const json_t **ret_deliveries, struct error *error)
{
    struct buf target = BUF_INIT;
    const json_t *deliveries;
    int status;

    ASSERT(!walk->ended);
    if (select_target(walk->filter, walk->oldest_first, walk->from, limit, &target) < 0 ||
        buf_append(&target, "", 1) < 0) {
        buf_done(&target);
        error_errno(error, ENOMEM, "cannot ask for deliveries");
        return EX_SOFTWARE;
    }
    status = walk->fetch(walk->context, (const char *)target.data, answer, error);
    buf_done(&target);
    if (status != EX_OK)
        return status;

    deliveries = field_array(answer->root, "deliveries");
    if (!deliveries || json_array_size(deliveries) > limit) {
        error_set(error, EPROTO, "the daemon's list of deliveries is not what was asked for");
        return EX_PROTOCOL;
    }
    status = move_on(walk, answer->root, error);
    if (status == EX_OK)
        *ret_deliveries = deliveries;
    return status;
}

/* Fills the page; at the end of the walk it stays empty. */
static int turn_page(struct select_seqs *seqs, struct error *error)
{
    seqs->n_page = seqs->at = 0;
    while (seqs->n_page == 0 && !seqs->walk.ended) {
        const json_t *deliveries = NULL, *delivery;
        size_t i;
        int status = select_walk_next(&seqs->walk, SELECT_CHUNK, &seqs->answer, &deliveries, error);

        if (status != EX_OK)
            return status;
        json_array_foreach(deliveries, i, delivery)
        {
            int64_t seq = field_number(delivery, "seq");

            if (seq <= 0) {
                error_set(error, EPROTO, "the daemon lists a delivery without its number");
                return EX_PROTOCOL;
            }
            seqs->page[seqs->n_page++] = (uint64_t)seq;
        }
    }
    return EX_OK;
}

int select_seqs_next(
    struct select_seqs *seqs, size_t max, uint64_t *ret_seqs, size_t *ret_n, struct error *error)
{
    const uint64_t *from = seqs->given ? seqs->given : seqs->page;
    size_t available, n;

    ASSERT(max > 0 && max <= SELECT_CHUNK);
    if (!seqs->given && seqs->at == seqs->n_page && seqs->left > 0) {
        int status = turn_page(seqs, error);

        if (status != EX_OK)
            return status;
    }
    available = (seqs->given ? seqs->n_given : seqs->n_page) - seqs->at;
    n = available < max ? available : max;
    if (n > seqs->left)
        n = (size_t)seqs->left;
    for (size_t i = 0; i < n; i++)
        ret_seqs[i] = from[seqs->at + i];
    seqs->at += n;
    if (seqs->left != UINT64_MAX)
        seqs->left -= n;
    *ret_n = n;
    return EX_OK;
}

void select_seqs_done(struct select_seqs *seqs)
{
    client_answer_done(&seqs->answer);
}
