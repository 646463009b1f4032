/*
 * The search. See explain_search.h.
 *
 * A step is one axis, or a pair of axes, whose variants are gone through while the others stay as
 * the daemon has them. No step may use up the tries of the others.
 */

#include "verify/explain_search.h"

#include "util/cleanup.h"
#include "verify/explain_keys.h"
#include "verify/explain_urls.h"
#include "verify/headers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A fifth of all: the steps that matter most can all be gone through. */
#define STEP_TRIES_MAX (EXPLAIN_TRIES_MAX / 5)

#define PARTS_MAX 4

/* Which row of each axis is tried. */
struct pick {
    size_t rows[EXPLAIN_AXES];
};

static const struct explain_variant *picked(
    const struct explain_search *search, const struct pick *pick, enum explain_axis axis)
{
    return &search->axes[axis].rows[pick->rows[axis]];
}

static enum explain_axis axis_of_letter(char letter)
{
    switch (letter) {
    case 'm':
        return EXPLAIN_METHOD;
    case 'u':
        return EXPLAIN_URL;
    case 'i':
        return EXPLAIN_ID;
    default:
        return EXPLAIN_BODY;
    }
}

static int try_pick(struct explain_search *search, const struct pick *pick, bool *ret_match)
{
    const struct explain_variant *join = picked(search, pick, EXPLAIN_JOIN);
    const char *order = (const char *)join->data;
    size_t n_letters = (size_t)((const char *)memchr(order, '/', join->length) - order);
    struct crypto_part parts[2 * PARTS_MAX];
    unsigned char sum[CRYPTO_SUM_SIZE];
    size_t n = 0;

    for (size_t i = 0; i < n_letters; i++) {
        const struct explain_variant *part = picked(search, pick, axis_of_letter(order[i]));

        if (i > 0)
            parts[n++] = (struct crypto_part){order + n_letters + 1, join->length - n_letters - 1};
        parts[n++] = (struct crypto_part){part->data, part->length};
    }
    search->tries++;
    if (crypto_mac_sum(picked(search, pick, EXPLAIN_KEY)->mac, parts, n, sum) < 0)
        return -EIO;
    *ret_match = crypto_sum_equal(sum, search->want_sum);
    return 0;
}

static size_t n_base(const struct explain_search *search, enum explain_axis axis)
{
    return axis == EXPLAIN_KEY ? search->n_base_keys : 1;
}

int explain_search_base(struct explain_search *search, bool *ret_match, size_t *ret_key)
{
    struct pick pick = {{0}};
    bool match = false;

    for (size_t key = 0; key < search->n_base_keys; key++) {
        int result;

        pick.rows[EXPLAIN_KEY] = key;
        result = try_pick(search, &pick, &match);
        if (result < 0)
            return result;
        if (match) {
            *ret_key = key;
            break;
        }
    }
    *ret_match = match;
    return 0;
}

/* ---- the steps ---- */

/* What is changed together; `b` is EXPLAIN_AXES for one change alone. */
struct step {
    enum explain_axis a, b;
};

static const struct step singles[] = {
    {EXPLAIN_URL, EXPLAIN_AXES},
    {EXPLAIN_KEY, EXPLAIN_AXES},
    {EXPLAIN_BODY, EXPLAIN_AXES},
    {EXPLAIN_ID, EXPLAIN_AXES},
    {EXPLAIN_METHOD, EXPLAIN_AXES},
    {EXPLAIN_JOIN, EXPLAIN_AXES},
};

static const struct step pairs[] = {
    {EXPLAIN_URL, EXPLAIN_KEY},
    {EXPLAIN_URL, EXPLAIN_BODY},
    {EXPLAIN_KEY, EXPLAIN_BODY},
    {EXPLAIN_JOIN, EXPLAIN_KEY},
    {EXPLAIN_JOIN, EXPLAIN_URL},
    {EXPLAIN_METHOD, EXPLAIN_URL},
    {EXPLAIN_ID, EXPLAIN_URL},
};

static void tell(const struct explain_search *search, const struct step *step,
    const struct pick *pick, struct explain_report *report)
{
    const struct explain_variant *a = picked(search, pick, step->a);
    const struct explain_variant *b =
        step->b == EXPLAIN_AXES ? NULL : picked(search, pick, step->b);
    bool is_key_told = step->a == EXPLAIN_KEY || step->b == EXPLAIN_KEY;
    const char *key = picked(search, pick, EXPLAIN_KEY)->says;
    bool say_key = !is_key_told && search->n_base_keys > 1;

    if (b)
        explain_report_find(report,
            "the signature matches if %s and %s%s%s%s: first, %s; second, %s", a->says, b->says,
            say_key ? " (" : "", say_key ? key : "", say_key ? ")" : "", a->advice, b->advice);
    else
        explain_report_find(report, "the signature matches if %s%s%s%s: %s", a->says,
            say_key ? " (" : "", say_key ? key : "", say_key ? ")" : "", a->advice);
}

/* Counts down what a step may still try; walks the keys innermost. */
static int try_with_keys(struct explain_search *search, const struct step *step, struct pick *pick,
    size_t *budget, struct explain_report *report)
{
    bool is_key_picked = step->a == EXPLAIN_KEY || step->b == EXPLAIN_KEY;
    size_t first = is_key_picked ? pick->rows[EXPLAIN_KEY] : 0;
    size_t end = is_key_picked ? first + 1 : search->n_base_keys;

    for (size_t key = first; key<end && * budget> 0; key++, --*budget) {
        bool match;
        int result;

        pick->rows[EXPLAIN_KEY] = key;
        result = try_pick(search, pick, &match);
        if (result < 0)
            return result;
        if (match && report->n_findings < EXPLAIN_FINDINGS_MAX) {
            tell(search, step, pick, report);
            break;
        }
    }
    return 0;
}

static int run_step(
    struct explain_search *search, const struct step *step, struct explain_report *report)
{
    size_t left = search->max_tries > search->tries ? search->max_tries - search->tries : 0;
    size_t budget = left < STEP_TRIES_MAX ? left : STEP_TRIES_MAX;
    struct pick pick = {{0}};

    for (size_t a = n_base(search, step->a); a < search->axes[step->a].n && budget > 0; a++) {
        bool is_pair = step->b != EXPLAIN_AXES;
        size_t b = is_pair ? n_base(search, step->b) : 0;
        size_t n_b = is_pair ? search->axes[step->b].n : 1;

        pick.rows[step->a] = a;
        for (; b < n_b && budget > 0; b++) {
            int result;

            if (is_pair)
                pick.rows[step->b] = b;
            result = try_with_keys(search, step, &pick, &budget, report);
            if (result < 0)
                return result;
        }
    }
    return 0;
}

static int run_steps(struct explain_search *search, const struct step *steps, size_t n_steps,
    struct explain_report *report)
{
    int result = 0;

    for (size_t i = 0; i < n_steps && result == 0; i++)
        result = run_step(search, &steps[i], report);
    return result;
}

int explain_search_run(struct explain_search *search, struct explain_report *report)
{
    size_t n_before = report->n_findings;
    int result = run_steps(search, singles, ARRAY_SIZE(singles), report);

    if (result == 0 && report->n_findings == n_before)
        result = run_steps(search, pairs, ARRAY_SIZE(pairs), report);
    if (result == 0 && report->n_findings == n_before)
        explain_report_find(report,
            "none of %zu ways to sign this request matches: either the secret is not the one that "
            "signed it (renewed at SASHA, or of another partner or environment), or the body was "
            "changed in a way that leaves no trace here",
            search->tries);
    return result;
}

/* ---- the axes that need no file of their own ---- */

#define ADVICE_SENDER                                                                        \
    "SASHA signs method, url, request id and body as they are: whoever signed this does it " \
    "otherwise"

static void add_ids(struct explain_variants *ids, const struct explain_request *request)
{
    static const char *const others[] = {"X-Request-ID", "X-Correlation-ID", "Request-ID"};
    const char *id = explain_header_get(request, "SASHA-Request-ID");
    struct header_text trimmed = header_trim(id ? id : "", id ? strlen(id) : 0);
    char *respelled = strndup(trimmed.data, trimmed.length);

    explain_variants_add(ids, trimmed.data, trimmed.length, "", "the request id is as it came");
    explain_variants_add(ids, "", 0, ADVICE_SENDER, "the request id is left out");
    if (!respelled) {
        ids->failed = true;
        return;
    }
    explain_key_to_upper(respelled);
    explain_variants_add(ids, respelled, trimmed.length,
        "the request id was changed on its way, or signed in another case than sent",
        "the request id is in upper case");
    for (char *at = respelled; *at; at++)
        *at = *at >= 'A' && *at <= 'Z' ? (char)(*at - 'A' + 'a') : *at;
    explain_variants_add(ids, respelled, trimmed.length,
        "the request id was changed on its way, or signed in another case than sent",
        "the request id is in lower case");
    free(respelled);

    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        const char *value = explain_header_get(request, others[i]);

        if (value)
            explain_variants_add(ids, value, strlen(value),
                "something on the way writes SASHA-Request-ID anew: it must pass it on",
                "the request id is the value of %s", others[i]);
    }
    for (size_t before = 0; before < 2; before++) {
        char blank[HEADER_REQUEST_ID_MAX + 2] = " ";

        if (trimmed.length > HEADER_REQUEST_ID_MAX)
            break;
        memcpy(blank + (before ? 1 : 0), trimmed.data, trimmed.length);
        if (!before)
            blank[trimmed.length] = ' ';
        explain_variants_add(ids, blank, trimmed.length + 1, ADVICE_SENDER,
            "the request id has a blank %s it", before ? "before" : "behind");
    }
}

static void add_methods(struct explain_variants *methods, const struct explain_request *request)
{
    static const char *const others[] = {"post", "Post", "PUT", ""};

    explain_variants_add(methods, "POST", strlen("POST"), "", "the method is POST");
    explain_variants_add(methods, request->method, strlen(request->method),
        "SASHA posts; whoever sent this does not", "the method is that of the request line");
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        explain_variants_add(methods, others[i], strlen(others[i]), ADVICE_SENDER,
            *others[i] != '\0' ? "the method is signed as \"%s\"" : "the method is left out%s",
            others[i]);
}

static void add_join(struct explain_variants *joins, const char *order, const char *separator,
    const char *separator_name)
{
    char data[PARTS_MAX + 4];
    char names[64] = "";
    size_t used = 0;

    for (size_t i = 0; order[i]; i++) {
        static const char *const parts[EXPLAIN_AXES] = {
            [EXPLAIN_URL] = "url",
            [EXPLAIN_BODY] = "body",
            [EXPLAIN_ID] = "request id",
            [EXPLAIN_METHOD] = "method",
        };

        used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s", i > 0 ? ", " : "",
            parts[axis_of_letter(order[i])]);
    }
    snprintf(data, sizeof(data), "%s/%s", order, separator);
    explain_variants_add(joins, data, strlen(data),
        "SASHA signs method, url, request id and body, in this order and with nothing between "
        "them: whoever signed this does it otherwise",
        "what is signed is %s%s%s", names, *separator != '\0' ? ", joined by " : "",
        separator_name);
}

static void add_joins(struct explain_variants *joins)
{
    static const char *const orders[] = {"muib", "b", "ib", "ub", "mub", "mib", "uib", "bi", "bu",
        "umib", "mubi", "miub", "mbui", "mbiu", "mibu", "umbi", "uimb", "uibm", "ubmi", "ubim",
        "imub", "imbu", "iumb", "iubm", "ibmu", "ibum", "bmui", "bmiu", "bumi", "buim", "bimu",
        "bium"};
    static const struct {
        const char *text, *name;
    } separators[] = {{"", ""}, {"\n", "newlines"}, {"\r\n", "CRLF"}, {".", "dots"},
        {":", "colons"}, {"|", "bars"}, {" ", "blanks"}, {"&", "ampersands"}};

    for (size_t i = 0; i < ARRAY_SIZE(separators); i++) {
        for (size_t j = 0; j < ARRAY_SIZE(orders); j++)
            add_join(joins, orders[j], separators[i].text, separators[i].name);
    }
}

void explain_search_add_rest(struct explain_search *search, const struct explain_request *request)
{
    add_ids(&search->axes[EXPLAIN_ID], request);
    add_methods(&search->axes[EXPLAIN_METHOD], request);
    add_joins(&search->axes[EXPLAIN_JOIN]);
}

void explain_search_done(struct explain_search *search)
{
    for (size_t i = 0; i < EXPLAIN_AXES; i++)
        explain_variants_done(&search->axes[i]);
}
