#pragma once

/*
 * The words of a conf file, and what must not stand in one. Pure but for the text it is given.
 *
 * The language is libconfuse's; this lexer stands in front of it and is stricter, because of what
 * libconfuse 3.3 does on the quiet (src/lexer.l there):
 * - it counts the line of every '#' comment three times, so its line numbers are wrong;
 * - it puts the environment in place of ${NAME}, in double quotes and bare;
 * - it drops bytes it does not know ("workers * = 3" passes), and cuts a string at a NUL;
 * - a string that is not closed swallows the lines that follow, or ends the parse with no message.
 * Comments are overwritten with blanks as they are passed, the rest is refused.
 *
 * A text that passes here means the same to libconfuse. Strings end on the line they begin on.
 */

#include <stddef.h>

enum token_kind {
    TOKEN_END,
    TOKEN_WORD,   /* bare: a name or a value such as 2 or info */
    TOKEN_STRING, /* in quotes of either kind */
    TOKEN_OPEN,   /* { */
    TOKEN_CLOSE,  /* } */
    TOKEN_EQUALS, /* = */
    TOKEN_COMMA,  /* , */
    TOKEN_BAD,
};

struct token {
    enum token_kind kind;
    size_t start; /* offsets into the text; quotes included */
    size_t end;
    int line;
    const char *fault; /* static; TOKEN_BAD only: what is wrong, what would be right */
};

struct lexer {
    char *text; /* borrowed; comments in it are blanked */
    size_t length;
    size_t position;
    int line;
};

static inline struct lexer lexer_make(char *text, size_t length)
{
    return (struct lexer){text, length, 0, 1};
}

/* The next token; TOKEN_END and TOKEN_BAD repeat. */
struct token lexer_next(struct lexer *lexer);
