/*
 * The daemon's command line: five options and nothing else, everything more is in the conf file.
 */

#include "daemon/options.h"

#include "build_config.h"
#include "config/config.h"

#include <getopt.h>
#include <stdio.h>

static const char usage[] =
    "Usage: sasha-callbackd [OPTION]...\n"
    "Receive SASHA's job callbacks, prove them genuine, keep them on disk and hand them to hooks,\n"
    "files and syslog. Stays in the foreground.\n"
    "\n"
    "  -c, --config=FILE  read FILE instead of " CONFIG_DEFAULT_FILE "\n"
    "      --check        read and check the conf file, report every fault, and exit\n"
    "      --dump-config  print the conf with all defaults, secrets left out, and exit\n"
    "  -V, --version      print the version and exit\n"
    "  -h, --help         print this and exit\n"
    "\n"
    "Signals: HUP reloads the conf and reopens files; TERM and INT drain and stop.\n"
    "Exit status: 0 stopped as asked, 64 wrong usage, 69 an address cannot be listened on,\n"
    "71 the system refused something, 74 the store failed, 78 the conf is at fault.\n"
    "\n"
    "See sasha-callbackd(8), sasha-callbackd.conf(5), sasha-callback-hook(7).\n";

enum {
    OPTION_CHECK = 0x100,
    OPTION_DUMP_CONFIG,
};

static const struct option long_options[] = {
    {"config", required_argument, NULL, 'c'},
    {"check", no_argument, NULL, OPTION_CHECK},
    {"dump-config", no_argument, NULL, OPTION_DUMP_CONFIG},
    {"version", no_argument, NULL, 'V'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

enum options_result options_parse(int argc, char **argv, struct options *ret_options)
{
    struct options options = {.config_file = CONFIG_DEFAULT_FILE};
    int option;

    while ((option = getopt_long(argc, argv, "c:Vh", long_options, NULL)) != -1) {
        switch (option) {
        case 'c':
            options.config_file = optarg;
            break;
        case OPTION_CHECK:
            options.check = true;
            break;
        case OPTION_DUMP_CONFIG:
            options.dump_config = true;
            break;
        case 'V':
            puts("sasha-callbackd " PROJECT_VERSION);
            return OPTIONS_SHOWN;
        case 'h':
            fputs(usage, stdout);
            return OPTIONS_SHOWN;
        default: /* getopt_long has said what is wrong */
            fputs("Try 'sasha-callbackd --help'.\n", stderr);
            return OPTIONS_WRONG;
        }
    }
    if (optind < argc) {
        fprintf(stderr,
            "sasha-callbackd: '%s' is not an option; the conf file is given with --config\n"
            "Try 'sasha-callbackd --help'.\n",
            argv[optind]);
        return OPTIONS_WRONG;
    }
    *ret_options = options;
    return OPTIONS_RUN;
}
