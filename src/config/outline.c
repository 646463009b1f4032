/*
 * Step one: where everything stands, and what does not belong.
 *
 * A recursive walk by the grammar
 *
 *     body      = { statement }
 *     statement = NAME "=" value | NAME "=" "{" [ value { "," value } [ "," ] ] "}"
 *               | NAME [ TITLE ] "{" body "}"
 *
 * which is libconfuse's, without functions, `+=` and quoted names. A fault of syntax ends the walk,
 * because nothing after it can be trusted to be what it looks like. Every other fault is reported,
 * its statement blanked, and the walk goes on. Only known sections are entered, so it is three
 * levels deep at most. Titles are blanked too: libconfuse would look at a repeated one on its own.
 *
 * What is quoted in a fault: names that are known or look like a key, and titles. A value never is:
 * it may be a secret, and after a slip of the hand anything may be one.
 */

#include "config/raw.h"

#include "config/lexer.h"
#include "util/cleanup.h"
#include "util/escape.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_SHOWN_MAX 32

struct outline {
    struct lexer lexer;
    struct token token; /* the one looked at */
    struct raw *raw;
    struct fault_list *faults;
};

static void advance(struct outline *outline)
{
    outline->token = lexer_next(&outline->lexer);
}

/* Reports a fault of syntax at the token; the lexer's own, if it has one. Returns -EINVAL. */
static int stop(struct outline *outline, const struct raw_section *section, const char *key,
    const char *expected)
{
    const struct token *token = &outline->token;

    raw_fault_at(outline->faults, section, key, token->line, "%s",
        token->kind == TOKEN_BAD ? token->fault : expected);
    return -EINVAL;
}

static void blank(struct outline *outline, size_t start, size_t end)
{
    for (size_t i = start; i < end; i++)
        if (outline->lexer.text[i] != '\n')
            outline->lexer.text[i] = ' ';
}

/* ---- names ---- */

struct name {
    struct token token;
    char text[NAME_SHOWN_MAX + 1]; /* empty: too long for any key */
};

static bool looks_like_a_key(const char *text)
{
    return text[0] && strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_-") == strlen(text);
}

static struct name take_name(struct outline *outline)
{
    struct name name = {.token = outline->token};
    size_t length = name.token.end - name.token.start;

    if (length <= NAME_SHOWN_MAX)
        memcpy(name.text, outline->lexer.text + name.token.start, length);
    advance(outline);
    return name;
}

/* The name, or NULL where it had better not be quoted. */
static const char *name_shown(const struct name *name, const struct key_section *keys)
{
    return looks_like_a_key(name->text) || key_suggest(keys, name->text) ? name->text : NULL;
}

/* The section that has a key of this name, or NULL. */
static const struct key_section *owner_of(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(key_sections); i++)
        if (key_find(&key_sections[i], name, 0))
            return &key_sections[i];
    return NULL;
}

static void report_unknown(struct outline *outline, const struct raw_section *section,
    const struct name *name, const char *what)
{
    const struct key_section *keys = section ? section->keys : NULL;
    const char *shown = name_shown(name, keys);
    const char *near = shown ? key_suggest(keys, name->text) : NULL;
    const struct key_section *owner = shown ? owner_of(name->text) : NULL;
    int line = name->token.line;

    if (near)
        raw_fault_at(
            outline->faults, section, shown, line, "unknown %s; did you mean \"%s\"?", what, near);
    else if (owner)
        raw_fault_at(outline->faults, section, shown, line,
            "unknown %s here; it belongs in section %s", what, owner->name);
    else
        raw_fault_at(outline->faults, section, shown, line,
            "unknown %s; sasha-callbackd.conf(5) lists them all", what);
}

/* ---- keys ---- */

/* At the first token after "=". Passes the value or the list; *ret_n counts, *ret_list tells. */
static int pass_value(struct outline *outline, const struct raw_section *section, const char *key,
    size_t *ret_n, bool *ret_list)
{
    static const char expected_value[] =
        "the value is missing; write it after =, in quotes, or a list as {\"one\", \"two\"}";
    static const char expected_more[] =
        "the list is not well formed; write {\"one\", \"two\"}, with commas and a closing brace";
    size_t n = 0;

    *ret_list = outline->token.kind == TOKEN_OPEN;
    if (!*ret_list) {
        if (outline->token.kind != TOKEN_STRING && outline->token.kind != TOKEN_WORD)
            return stop(outline, section, key, expected_value);
        advance(outline);
        *ret_n = 1;
        return 0;
    }

    advance(outline);
    while (outline->token.kind == TOKEN_STRING || outline->token.kind == TOKEN_WORD) {
        n++;
        advance(outline);
        if (outline->token.kind != TOKEN_COMMA)
            break;
        advance(outline);
    }
    if (outline->token.kind != TOKEN_CLOSE)
        return stop(outline, section, key, expected_more);
    advance(outline);
    *ret_n = n;
    return 0;
}

static int add_statement(struct raw_section *section, const struct raw_statement *statement)
{
    struct raw_statement *statements =
        reallocarray(section->statements, section->n_statements + 1, sizeof(*statements));

    if (!statements)
        return -ENOMEM;
    section->statements = statements;
    statements[section->n_statements++] = *statement;
    return 0;
}

static int read_key(struct outline *outline, struct raw_section *section, const struct name *name)
{
    const struct key_section *keys = section ? section->keys : NULL;
    enum section_id parent = keys ? keys->id : SECTION_ROOT;
    const struct key *key = keys ? key_find(keys, name->text, 0) : NULL;
    const struct raw_statement *first = key ? raw_find(section, name->text) : NULL;
    struct raw_statement statement = {.line = name->token.line};
    size_t end;
    bool list;
    int r;

    advance(outline);
    r = pass_value(outline, section, key ? key->name : NULL, &statement.n, &list);
    if (r < 0)
        return r;
    /* What is blanked ends where the next token begins: there is nothing but blanks between. */
    end = outline->token.start;

    if (key && !first) {
        statement.name = key->name;
        if (list && key->kind != KEY_LIST && key->kind != KEY_TOKENS) {
            statement.skipped = true;
            raw_fault_at(outline->faults, section, key->name, statement.line,
                "is given as a list; write one value, without braces");
            blank(outline, name->token.start, end);
        }
        return add_statement(section, &statement);
    }

    if (first)
        raw_fault_at(outline->faults, section, key->name, statement.line,
            "is given twice, first in line %d; leave one of them out", first->line);
    else if (key_section_find(parent, name->text))
        raw_fault_at(outline->faults, section, name->text, statement.line,
            "is a section, not a key; write %s%s { ... }", name->text,
            key_section_find(parent, name->text)->titled ? " \"name\"" : "");
    else
        report_unknown(outline, section, name, "key");
    blank(outline, name->token.start, end);
    return 0;
}

/* ---- sections ---- */

static int read_body(struct outline *outline, struct raw_section *section);

/* At the first token after "{". Passes everything up to its "}". */
static int skip_body(struct outline *outline, const struct raw_section *section, int line)
{
    size_t depth = 1;

    while (depth > 0) {
        if (outline->token.kind == TOKEN_OPEN)
            depth++;
        if (outline->token.kind == TOKEN_CLOSE)
            depth--;
        if (outline->token.kind == TOKEN_BAD)
            return stop(outline, section, NULL, "");
        if (outline->token.kind == TOKEN_END) {
            raw_fault_at(outline->faults, section, NULL, line,
                "the section that begins here is not closed; add } after its last key");
            return -EINVAL;
        }
        advance(outline);
    }
    return 0;
}

static int add_section(
    struct outline *outline, struct raw_section *new, struct raw_section **ret_section)
{
    struct raw *raw = outline->raw;
    struct raw_section **sections =
        reallocarray(raw->sections, raw->n_sections + 1, sizeof(struct raw_section *));
    struct raw_section *section = sections ? malloc(sizeof(*section)) : NULL;

    if (sections)
        raw->sections = sections;
    if (!section)
        return -ENOMEM;
    *section = *new;
    sections[raw->n_sections++] = section;
    *ret_section = section;
    return 0;
}

static const struct raw_section *find_twin(const struct raw *raw, const struct raw_section *section)
{
    for (size_t i = 0; i < raw->n_sections; i++) {
        const struct raw_section *other = raw->sections[i];
        if (other->keys == section->keys && other->parent == section->parent &&
            (!section->title || strcmp(other->title, section->title) == 0))
            return other;
    }
    return NULL;
}

/* The title of a section as text: within its quotes, fit for a fault. */
static char *copy_title(const struct outline *outline, const struct token *title, bool *ret_valid)
{
    const char *text = outline->lexer.text + title->start;
    size_t length = title->end - title->start;
    char escaped[ESCAPE_SIZE];

    if (title->kind == TOKEN_STRING) {
        text++;
        length -= 2;
    }
    *ret_valid = key_title_is_valid(text, length);
    return strdup(escape_field(text, length, escaped, sizeof(escaped)));
}

/* At the "{" of a section that is known. `title` has kind TOKEN_END if there is none. */
static int read_known_section(struct outline *outline, struct raw_section *parent,
    const struct key_section *keys, const struct name *name, const struct token *title)
{
    struct raw_section new = {.keys = keys, .parent = parent, .line = name->token.line};
    struct raw_section *section = NULL;
    const struct raw_section *twin;
    bool valid = true;
    int r;

    if (keys->titled) {
        new.title = title->kind == TOKEN_END ? strdup("") : copy_title(outline, title, &valid);
        if (!new.title)
            return -ENOMEM;
    }
    if (!keys->titled && title->kind != TOKEN_END)
        raw_fault_at(outline->faults, parent, keys->name, new.line,
            "takes no name; write %s { ... }", keys->name);
    if (keys->titled && title->kind == TOKEN_END)
        raw_fault_at(outline->faults, parent, keys->name, new.line,
            "needs a name; write %s \"name\" { ... }", keys->name);
    else if (!valid)
        raw_fault_at(outline->faults, &new, NULL, new.line,
            "is not a name; use 1 to %d of the characters A-Z a-z 0-9 _ . -", KEY_TITLE_MAX);

    twin = find_twin(outline->raw, &new);
    if (twin) {
        raw_fault_at(outline->faults, &new, NULL, new.line, "is given twice, first in line %d; %s",
            twin->line,
            keys->titled ? "give each its own name" : "put all its keys in one section");
        advance(outline);
        r = skip_body(outline, parent, new.line);
        blank(outline, name->token.start, outline->token.start);
        free(new.title);
        return r;
    }

    if (title->kind != TOKEN_END)
        blank(outline, title->start, title->end);
    r = add_section(outline, &new, &section);
    if (r < 0) {
        free(new.title);
        return r;
    }
    advance(outline);
    return read_body(outline, section);
}

/* At the "{" of a section. */
static int read_section(struct outline *outline, struct raw_section *parent,
    const struct name *name, const struct token *title)
{
    const struct key_section *parent_keys = parent ? parent->keys : NULL;
    const struct key_section *keys =
        key_section_find(parent_keys ? parent_keys->id : SECTION_ROOT, name->text);
    int r;

    if (keys)
        return read_known_section(outline, parent, keys, name, title);

    if (parent_keys && key_find(parent_keys, name->text, 0))
        raw_fault_at(outline->faults, parent, name->text, name->token.line,
            "is a key, not a section; write %s = value", name->text);
    else
        report_unknown(outline, parent, name, "section");
    advance(outline);
    r = skip_body(outline, parent, name->token.line);
    blank(outline, name->token.start, outline->token.start);
    return r;
}

/* ---- the walk ---- */

static int read_statement(struct outline *outline, struct raw_section *section)
{
    const struct key_section *keys = section ? section->keys : NULL;
    struct name name = take_name(outline);
    struct token title = {.kind = TOKEN_END};

    if (outline->token.kind == TOKEN_EQUALS)
        return read_key(outline, section, &name);

    if (outline->token.kind == TOKEN_STRING || outline->token.kind == TOKEN_WORD) {
        title = outline->token;
        advance(outline);
    }
    if (outline->token.kind == TOKEN_OPEN)
        return read_section(outline, section, &name, &title);

    if (outline->token.kind != TOKEN_BAD)
        outline->token.line = name.token.line;
    return stop(outline, section, name_shown(&name, keys),
        "neither = nor { follows; write key = value, or section { ... }");
}

/* Up to the "}" of the section, or to the end of the file for NULL. */
static int read_body(struct outline *outline, struct raw_section *section)
{
    for (;;) {
        int r;

        if (outline->token.kind == TOKEN_END && !section)
            return 0;
        if (outline->token.kind == TOKEN_END) {
            raw_fault_at(outline->faults, section, NULL, section->line,
                "the section that begins here is not closed; add } after its last key");
            return -EINVAL;
        }
        if (outline->token.kind == TOKEN_CLOSE && section) {
            advance(outline);
            return 0;
        }
        if (outline->token.kind == TOKEN_CLOSE)
            return stop(outline, NULL, NULL, "a } that closes nothing; take it out");
        if (outline->token.kind != TOKEN_WORD)
            return stop(outline, section, NULL,
                "neither a key nor a section begins like this; write key = value, or section { "
                "... }");
        r = read_statement(outline, section);
        if (r < 0)
            return r;
    }
}

int outline_read(char *text, size_t length, struct raw *raw, struct fault_list *faults)
{
    struct outline outline = {.lexer = lexer_make(text, length), .raw = raw, .faults = faults};

    advance(&outline);
    return read_body(&outline, NULL);
}
