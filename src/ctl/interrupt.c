/*
 * Ctrl-C while something is under way. See interrupt.h.
 */

#include "ctl/interrupt.h"

#include <signal.h>
#include <stddef.h>

static volatile sig_atomic_t came;
static struct sigaction before;

static void note(int signal)
{
    came = signal;
}

void interrupt_catch(void)
{
    const struct sigaction once = {.sa_handler = note, .sa_flags = (int)SA_RESETHAND};

    came = 0;
    (void)sigaction(SIGINT, &once, &before);
}

void interrupt_release(void)
{
    (void)sigaction(SIGINT, &before, NULL);
}

bool interrupt_came(void)
{
    return came != 0;
}
