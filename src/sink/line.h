#pragma once

/*
 * A delivery as one line of JSON, for the file sinks and for syslog.
 *
 *   {"seq":7,"request_id":"…","endpoint":"…","received_at":"…","stale":false,"job":{…}}
 *
 * and "unverified":"<reason>" before "job" if report mode let it pass, only then.
 *
 * The order of the keys is part of the contract: a reader after a crash looks at the head only.
 * Pure.
 */

#include "job/delivery.h"
#include "util/buf.h"

/* `{"seq":18446744073709551615,`: what line_parse_seq needs at most. */
#define LINE_HEAD_MAX 28

/* Appends the line without a newline. The body is passed on byte by byte, except that control
 * characters become spaces. A JSON text may hold them between its tokens only, where they mean
 * nothing (RFC 8259 §2), so the value is the same and one delivery is one line. The delivery has
 * its body. Returns 0 or -ENOMEM. */
int line_append(struct buf *out, const struct delivery *delivery);

/* Reads the seq from the first bytes of a line, accepting exactly what line_append writes. Returns
 * 0, or -EINVAL with *ret_seq untouched. */
int line_parse_seq(const char *head, size_t length, uint64_t *ret_seq);

/* Finds the job in a line as line_append wrote it, with or without its newline. *ret_job borrows
 * from `line`. Returns 0, or -EINVAL. */
int line_parse_job(
    const char *line, size_t length, const unsigned char **ret_job, size_t *ret_length);
