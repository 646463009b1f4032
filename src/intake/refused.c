/*
 * The ring of refused requests; see refused.h.
 *
 * A doubly linked list, newest first, and a count for each reason. At most a few hundred entries a
 * second come in, so looking through the list for one to drop is cheap enough (10,000 at most).
 */

#include "intake/refused.h"

#include "util/cleanup.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct entry {
    struct entry *newer, *older;
    size_t size;                    /* of `request` */
    struct intake_refused *request; /* owned; one allocation */
};

/* How many of a reason were admitted in a second. A race between workers at its turn may admit a
 * few more. */
struct rate {
    _Atomic int64_t second; /* monotonic */
    _Atomic unsigned int n;
};

struct refused {
    unsigned int keep;
    unsigned int run; /* tells ids of this run from those of another */
    struct rate rates[REASON_COUNT];

    pthread_mutex_t lock; /* of all below */
    uint64_t last_number;
    struct entry *newest, *oldest;
    size_t n, bytes;
    size_t n_reason[REASON_COUNT];
};

int refused_new(
    unsigned int keep, const struct clock *clock, struct refused **ret_refused, struct error *error)
{
    struct refused *refused = calloc(1, sizeof(*refused));

    if (refused == NULL)
        return error_set(error, ENOMEM, "no memory for the refused requests");
    refused->keep = keep;
    refused->run = (unsigned int)(clock_realtime(clock) / USEC_PER_SEC) & 0xffff;
    pthread_mutex_init(&refused->lock, NULL);
    *ret_refused = refused;
    return 0;
}

static void entry_free(struct entry *entry)
{
    free(entry->request);
    free(entry);
}

void refused_free(struct refused *refused)
{
    struct entry *entry, *older;

    if (refused == NULL)
        return;
    for (entry = refused->newest; entry != NULL; entry = older) {
        older = entry->older;
        entry_free(entry);
    }
    pthread_mutex_destroy(&refused->lock);
    free(refused);
}

/* ---- what is taken ---- */

static bool is_of_the_request(enum reason reason)
{
    switch (reason) {
    case REASON_FRAMING:
    case REASON_PATH:
    case REASON_METHOD:
    case REASON_TOO_LARGE:
    case REASON_TOKEN_MISSING:
    case REASON_TOKEN_WRONG:
    case REASON_ID_MISSING:
    case REASON_ID_MALFORMED:
    case REASON_SIGNATURE_MISSING:
    case REASON_SIGNATURE_MALFORMED:
    case REASON_SIGNATURE_WRONG:
    case REASON_SECRET_UNKNOWN:
    case REASON_JOB_MALFORMED:
    case REASON_STALE:
        return true;
    case REASON_ACCEPTED:
    case REASON_DUPLICATE:
    case REASON_CONFLICT:
    case REASON_STORE:
    case REASON_OVERLOAD:
    case REASON_INTERNAL:
    case REASON_COUNT:
        return false;
    }
    return false;
}

bool refused_admit(struct refused *refused, enum reason reason, int64_t now_usec)
{
    const int64_t second = now_usec / USEC_PER_SEC;
    struct rate *rate = &refused->rates[reason];

    if (refused->keep == 0 || !is_of_the_request(reason))
        return false;
    if (atomic_load_explicit(&rate->second, memory_order_relaxed) != second) {
        atomic_store_explicit(&rate->second, second, memory_order_relaxed);
        atomic_store_explicit(&rate->n, 0, memory_order_relaxed);
    }
    return atomic_load_explicit(&rate->n, memory_order_relaxed) < REFUSED_PER_SECOND &&
           atomic_fetch_add_explicit(&rate->n, 1, memory_order_relaxed) < REFUSED_PER_SECOND;
}

/* ---- redaction ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Where `word` stands in the text, in any case; `length` if nowhere. */
static size_t find(const char *text, size_t length, const char *word)
{
    const size_t size = strlen(word);

    for (size_t at = 0; at + size <= length; at++) {
        if (strncasecmp(text + at, word, size) == 0)
            return at;
    }
    return length;
}

/* How much of the value may be shown. */
static size_t shown_length(const struct framing_header *header)
{
    static const char *const schemes[] = {"Bearer", "Basic"};
    const char *value = header->value;
    const size_t length = header->value_length;
    size_t at;

    if (find(header->name, header->name_length, "authorization") < header->name_length) {
        for (size_t i = 0; i < ARRAY_SIZE(schemes); i++) {
            at = strlen(schemes[i]);
            if (length > at && strncasecmp(value, schemes[i], at) == 0 && is_blank(value[at]))
                return at;
        }
        return 0;
    }
    at = find(value, length, schemes[0]);
    return at < length ? at + strlen(schemes[0]) : length;
}

int refused_redact_name(struct buf *out, const struct framing_header *header)
{
    size_t shown = 0;

    while (shown < header->name_length && framing_is_token_byte(header->name[shown]))
        shown++;
    buf_append(out, header->name, shown);
    if (shown < header->name_length)
        buf_append_format(out, "<%zu bytes>", header->name_length - shown);
    return out->failed ? -ENOMEM : 0;
}

int refused_redact(struct buf *out, const struct framing_header *header)
{
    size_t hidden = header->value_length, shown;

    if (hidden == 0)
        return 0;
    shown = shown_length(header);
    buf_append(out, header->value, shown);
    while (shown < hidden && is_blank(header->value[shown]))
        shown++;
    hidden -= shown;
    return hidden == 0 ? (out->failed ? -ENOMEM : 0)
                       : buf_append_format(out, "%s<%zu bytes>", shown > 0 ? " " : "", hidden);
}

/* ---- one allocation ---- */

/* Where the texts of a request go, one after another. */
static const char *put(char **at, const char *text, size_t length)
{
    char *to = *at;

    if (length > 0)
        memcpy(to, text, length);
    to[length] = '\0';
    *at = to + length + 1;
    return to;
}

static const char *put_text(char **at, const char *text)
{
    return put(at, text, strlen(text));
}

/* A copy in one allocation, to be freed with free(). NULL when out of memory. */
static struct intake_refused *copy_request(const struct intake_refused *from, size_t *ret_size)
{
    size_t size = sizeof(*from) + from->n_headers * sizeof(*from->headers) + from->body_length;
    struct intake_refused_header *headers;
    struct intake_refused *copy;
    char *at;

    size += strlen(from->endpoint) + strlen(from->peer) + strlen(from->method) +
            strlen(from->target) + 4;
    for (size_t i = 0; i < from->n_headers; i++)
        size += strlen(from->headers[i].name) + strlen(from->headers[i].value) + 2;
    copy = malloc(size);
    if (copy == NULL)
        return NULL;
    *copy = *from;
    headers = (struct intake_refused_header *)(copy + 1);
    at = (char *)(headers + from->n_headers);
    copy->endpoint = put_text(&at, from->endpoint);
    copy->peer = put_text(&at, from->peer);
    copy->method = put_text(&at, from->method);
    copy->target = put_text(&at, from->target);
    for (size_t i = 0; i < from->n_headers; i++) {
        headers[i].name = put_text(&at, from->headers[i].name);
        headers[i].value = put_text(&at, from->headers[i].value);
    }
    copy->headers = headers;
    if (from->body_length > 0)
        memcpy(at, from->body, from->body_length);
    copy->body = (unsigned char *)at;
    *ret_size = size;
    return copy;
}

/* ---- adding ---- */

#define HEADERS_MAX (FRAMING_HEADERS_MAX + 1)

/* Names and redacted values as NUL-terminated texts; `texts` holds them. */
static int make_headers(const struct framing_header *headers, size_t n, struct buf *texts,
    struct intake_refused_header ret_headers[static HEADERS_MAX])
{
    size_t names[HEADERS_MAX], values[HEADERS_MAX];

    for (size_t i = 0; i < n; i++) {
        names[i] = texts->length;
        refused_redact_name(texts, &headers[i]);
        buf_append(texts, "", 1);
        values[i] = texts->length;
        refused_redact(texts, &headers[i]);
        buf_append(texts, "", 1);
    }
    if (texts->failed)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        ret_headers[i] = (struct intake_refused_header){
            (const char *)texts->data + names[i], (const char *)texts->data + values[i]};
    return 0;
}

static void unlink_entry(struct refused *refused, struct entry *entry)
{
    if (entry->newer != NULL)
        entry->newer->older = entry->older;
    else
        refused->newest = entry->older;
    if (entry->older != NULL)
        entry->older->newer = entry->newer;
    else
        refused->oldest = entry->newer;
    refused->n--;
    refused->bytes -= entry->size;
    refused->n_reason[entry->request->reason]--;
}

/* Takes the oldest entry of the reason that has most. */
static struct entry *take_one(struct refused *refused)
{
    enum reason most = 0;
    struct entry *entry = refused->oldest;

    for (enum reason reason = 0; reason < REASON_COUNT; reason++) {
        if (refused->n_reason[reason] > refused->n_reason[most])
            most = reason;
    }
    while (entry->request->reason != most)
        entry = entry->newer;
    unlink_entry(refused, entry);
    return entry;
}

static void insert(struct refused *refused, struct entry *entry)
{
    struct entry *gone = NULL, *older;

    pthread_mutex_lock(&refused->lock);
    (void)snprintf(entry->request->id, sizeof(entry->request->id), "%x-%" PRIu64, refused->run,
        ++refused->last_number);
    while (refused->n > 0 && (refused->n >= refused->keep ||
                                 refused->bytes + entry->size > INTAKE_REFUSED_BYTES_MAX)) {
        struct entry *taken = take_one(refused);

        taken->older = gone;
        gone = taken;
    }
    entry->older = refused->newest;
    if (refused->newest != NULL)
        refused->newest->newer = entry;
    else
        refused->oldest = entry;
    refused->newest = entry;
    refused->n++;
    refused->bytes += entry->size;
    refused->n_reason[entry->request->reason]++;
    pthread_mutex_unlock(&refused->lock);

    for (; gone != NULL; gone = older) {
        older = gone->older;
        entry_free(gone);
    }
}

void refused_add(struct refused *refused, const struct intake_refused *from,
    const struct framing_header *headers, size_t n_headers)
{
    struct intake_refused_header made[HEADERS_MAX];
    struct intake_refused request = *from;
    struct buf texts = BUF_INIT;
    struct entry *entry = calloc(1, sizeof(*entry));

    if (n_headers > HEADERS_MAX)
        n_headers = HEADERS_MAX;
    if (entry != NULL && make_headers(headers, n_headers, &texts, made) == 0) {
        request.headers = made;
        request.n_headers = n_headers;
        if (request.body_length > INTAKE_REFUSED_BODY_MAX) {
            request.body_cut += request.body_length - INTAKE_REFUSED_BODY_MAX;
            request.body_length = INTAKE_REFUSED_BODY_MAX;
        }
        entry->request = copy_request(&request, &entry->size);
    }
    buf_done(&texts);
    if (entry != NULL && entry->request != NULL)
        insert(refused, entry);
    else
        free(entry);
}

/* ---- reading ---- */

void refused_walk(struct refused *refused,
    int (*fn)(const struct intake_refused *refused, void *context), void *context)
{
    int r = 0;

    pthread_mutex_lock(&refused->lock);
    for (const struct entry *entry = refused->newest; entry != NULL && r == 0;
         entry = entry->older) {
        struct intake_refused request = *entry->request;

        request.headers = NULL;
        request.n_headers = 0;
        request.body = NULL;
        request.body_length = 0;
        r = fn(&request, context);
    }
    pthread_mutex_unlock(&refused->lock);
}

int refused_get(struct refused *refused, const char *id, struct intake_refused **ret_refused)
{
    struct intake_refused *copy = NULL;
    int r = -ENOENT;

    pthread_mutex_lock(&refused->lock);
    for (const struct entry *entry = refused->newest; entry != NULL && r == -ENOENT;
         entry = entry->older) {
        size_t size;

        if (strcmp(entry->request->id, id) != 0)
            continue;
        copy = copy_request(entry->request, &size);
        r = copy == NULL ? -ENOMEM : 0;
    }
    pthread_mutex_unlock(&refused->lock);
    if (r == 0)
        *ret_refused = copy;
    return r;
}
