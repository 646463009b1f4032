/*
 * sasha-callbackd: command line → conf → daemon → one exit.
 */

#include "config/config.h"
#include "daemon/daemon.h"
#include "daemon/options.h"
#include "util/fd.h"

#include <fcntl.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

/* Shows faults as they are: this is for a person at a terminal. */
static int check(const struct options *options)
{
    struct config_faults faults = CONFIG_FAULTS_INIT;
    struct config *config = NULL;
    int r = config_load(options->config_file, CONFIG_FOR_DAEMON, &config, &faults);

    if (r < 0) {
        fprintf(stderr, "%.*s", (int)faults.text.length, (const char *)faults.text.data);
        config_faults_done(&faults);
        return EX_CONFIG;
    }
    config_faults_done(&faults);

    int status = EX_OK;
    if (options->dump_config) {
        struct buf text = BUF_INIT;
        if (config_dump(config, &text) < 0 ||
            fd_write_all(STDOUT_FILENO, text.data, text.length) < 0)
            status = EX_IOERR;
        buf_done(&text);
    } else {
        printf("%s: ok\n", options->config_file);
    }
    config_free(config);
    return status;
}

/* Where 0, 1 or 2 is closed, the next file to be opened would take its number, and whatever is
 * written to the log would go into it. */
static void ensure_stdio(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO)
        close(fd);
}

int main(int argc, char **argv)
{
    struct options options;

    ensure_stdio();

    switch (options_parse(argc, argv, &options)) {
    case OPTIONS_SHOWN:
        return EX_OK;
    case OPTIONS_WRONG:
        return EX_USAGE;
    case OPTIONS_RUN:
        break;
    }
    if (options.check || options.dump_config)
        return check(&options);
    return daemon_run(options.config_file);
}
