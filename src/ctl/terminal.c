/*
 * What stdout and stderr are connected to. See terminal.h.
 */

#include "ctl/terminal.h"

#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Where a terminal does not know its own width. */
#define WIDTH_DEFAULT 80

struct terminal terminal_look(void)
{
    struct terminal terminal = {.width = 0};
    struct winsize size = {.ws_col = 0};

    (void)setlocale(LC_CTYPE, "");
    terminal.ascii = strcmp(nl_langinfo(CODESET), "UTF-8") != 0;
    if (isatty(STDOUT_FILENO)) {
        if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
            terminal.width = size.ws_col;
        else
            terminal.width = WIDTH_DEFAULT;
    }
    return terminal;
}

bool terminal_can_ask(void)
{
    return isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
}

bool terminal_shows_progress(void)
{
    return isatty(STDERR_FILENO);
}

bool terminal_ask(const char *question)
{
    char answer[16] = "";

    fprintf(stderr, "%s [y/N] ", question);
    if (!fgets(answer, sizeof(answer), stdin))
        return false;
    return strcmp(answer, "y\n") == 0 || strcmp(answer, "yes\n") == 0;
}
