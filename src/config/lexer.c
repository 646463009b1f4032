/*
 * The lexer: one function a kind of token, a dispatch on the first byte.
 */

#include "config/lexer.h"

#include "util/cleanup.h"

#include <stdbool.h>
#include <string.h>

static const char fault_open_string[] =
    "the string does not end on its line; close it with the same quote it began with";
static const char fault_open_comment[] = "the comment is not closed; end it with */";
static const char fault_environment[] =
    "${ stands for an environment variable in other files, but not in this one; for a secret write "
    "env:NAME, for the text itself use single quotes";
static const char fault_escape[] =
    "the string has an escape that is not known; known are \\\\ \\\" \\$ \\n \\t \\r \\b \\f \\a "
    "\\e \\v, \\x and two hex digits, \\ and up to three octal digits; single quotes need none";
static const char fault_nul[] = "the file has a NUL byte; a text cannot hold one";
static const char fault_function[] =
    "there are no functions and no include(); write all settings in one file";
static const char fault_append[] = "+= is not used in this file; write the whole list after =";
static const char fault_byte[] =
    "a byte that has no meaning here; put the value in quotes, and write comments after #";

static bool is_word(unsigned char c)
{
    return c > ' ' && c < 0x7f && !strchr("#\"'={}()+,*", c);
}

static char peek(const struct lexer *lexer, size_t ahead)
{
    size_t at = lexer->position + ahead;

    return at < lexer->length ? lexer->text[at] : '\0';
}

static void blank(struct lexer *lexer)
{
    lexer->text[lexer->position++] = ' ';
}

static struct token bad(const struct lexer *lexer, const char *fault)
{
    return (struct token){TOKEN_BAD, lexer->position, lexer->position, lexer->line, fault};
}

static void skip_line_comment(struct lexer *lexer)
{
    while (lexer->position < lexer->length && lexer->text[lexer->position] != '\n')
        blank(lexer);
}

/* Returns NULL or the fault. */
static const char *skip_block_comment(struct lexer *lexer)
{
    size_t start = lexer->position;
    const char *end = memmem(lexer->text + start + 2, lexer->length - start - 2, "*/", 2);

    if (!end)
        return fault_open_comment;
    while (lexer->text + lexer->position < end + 2) {
        if (lexer->text[lexer->position] == '\n') {
            lexer->line++;
            lexer->position++;
        } else {
            blank(lexer);
        }
    }
    return NULL;
}

/* Passes blanks and comments. Returns NULL or the fault. */
static const char *skip_between(struct lexer *lexer)
{
    while (lexer->position < lexer->length) {
        const char *fault = NULL;
        char c = lexer->text[lexer->position];

        if (c == '\n')
            lexer->line++;
        if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
            lexer->position++;
        else if (c == '#' || (c == '/' && peek(lexer, 1) == '/'))
            skip_line_comment(lexer);
        else if (c == '/' && peek(lexer, 1) == '*')
            fault = skip_block_comment(lexer);
        else
            return NULL;
        if (fault)
            return fault;
    }
    return NULL;
}

static bool is_octal(char c)
{
    return c >= '0' && c <= '7';
}

static int hex_value(char c)
{
    const char *digits = "0123456789abcdef";
    const char *at = c ? strchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c) : NULL;

    return at ? (int)(at - digits) : -1;
}

/* Passes one escape, whose backslash is at the position. Returns NULL or the fault. */
static const char *skip_escape(struct lexer *lexer)
{
    char c = peek(lexer, 1);
    unsigned int value = 0;
    size_t n = 0;

    if (c == '\0' || c == '\n')
        return fault_open_string;
    if (c == 'x') {
        int high = hex_value(peek(lexer, 2));
        int low = hex_value(peek(lexer, 3));

        if (high < 0 || low < 0)
            return fault_escape;
        lexer->position += 4;
        return high + low == 0 ? fault_nul : NULL;
    }
    if (c >= '0' && c <= '9') {
        while (n < 3 && is_octal(peek(lexer, 1 + n)))
            value = 8 * value + (unsigned int)(peek(lexer, 1 + n++) - '0');
        c = peek(lexer, 1 + n);
        if (n == 0 || value > 0xff || (c >= '0' && c <= '9'))
            return fault_escape;
        lexer->position += 1 + n;
        return value == 0 ? fault_nul : NULL;
    }
    if (!strchr("\\\"'$ntrbfaev", c))
        return fault_escape;
    lexer->position += 2;
    return NULL;
}

static struct token read_string(struct lexer *lexer)
{
    struct token token = {TOKEN_STRING, lexer->position, 0, lexer->line, NULL};
    char quote = lexer->text[lexer->position++];

    while (lexer->position < lexer->length) {
        char c = lexer->text[lexer->position];

        if (c == quote) {
            token.end = ++lexer->position;
            return token;
        }
        if (c == '\n')
            break;
        if (c == '\0')
            return bad(lexer, fault_nul);
        if (c == '\\' && quote == '"') {
            const char *fault = skip_escape(lexer);
            if (fault)
                return bad(lexer, fault);
        } else if (c == '\\' && (peek(lexer, 1) == '\\' || peek(lexer, 1) == '\'')) {
            lexer->position += 2;
        } else if (c == '$' && quote == '"' && peek(lexer, 1) == '{') {
            return bad(lexer, fault_environment);
        } else {
            lexer->position++;
        }
    }
    return bad(lexer, fault_open_string);
}

static struct token read_word(struct lexer *lexer)
{
    struct token token = {TOKEN_WORD, lexer->position, 0, lexer->line, NULL};

    while (lexer->position < lexer->length && is_word((unsigned char)lexer->text[lexer->position]))
        lexer->position++;
    token.end = lexer->position;
    if (lexer->text[token.end - 1] == '$' && peek(lexer, 0) == '{')
        return bad(lexer, fault_environment);
    return token;
}

struct token lexer_next(struct lexer *lexer)
{
    static const struct {
        char byte;
        enum token_kind kind;
        const char *fault;
    } single[] = {
        {'{', TOKEN_OPEN, NULL},
        {'}', TOKEN_CLOSE, NULL},
        {'=', TOKEN_EQUALS, NULL},
        {',', TOKEN_COMMA, NULL},
        {'(', TOKEN_BAD, fault_function},
        {')', TOKEN_BAD, fault_function},
        {'+', TOKEN_BAD, fault_append},
        {'\0', TOKEN_BAD, fault_nul},
    };
    const char *fault = skip_between(lexer);
    char c;

    if (fault)
        return bad(lexer, fault);
    if (lexer->position >= lexer->length)
        return (struct token){TOKEN_END, lexer->length, lexer->length, lexer->line, NULL};

    c = lexer->text[lexer->position];
    if (c == '"' || c == '\'')
        return read_string(lexer);
    if (is_word((unsigned char)c))
        return read_word(lexer);
    for (size_t i = 0; i < ARRAY_SIZE(single); i++) {
        if (single[i].byte != c)
            continue;
        if (single[i].kind == TOKEN_BAD)
            return bad(lexer, single[i].fault);
        lexer->position++;
        return (struct token){
            single[i].kind, lexer->position - 1, lexer->position, lexer->line, NULL};
    }
    return bad(lexer, fault_byte);
}
