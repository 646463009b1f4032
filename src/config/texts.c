/*
 * Checks of single texts.
 */

#include "config/texts.h"

#include "config/config.h"
#include "config/keys.h"
#include "config/values.h"
#include "intake/intake.h"
#include "sink/sink.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

/* Of a file's name: leaves room for "-wal" behind it, or for a job's id in it. */
#define NAME_LENGTH_MAX 200

int text_check_listen(const char *text, struct error *error)
{
    if (intake_listen_check(text, NULL) < 0)
        return error_set(error, EINVAL,
            "is not an address to listen on; write 127.0.0.1:8480, [::1]:8480 (names are not "
            "looked up) or unix:/path");
    return 0;
}

int text_check_path(const char *text, struct error *error)
{
    if (text[0] != '/')
        return error_set(error, EINVAL, "is not an absolute path; begin it with /");
    if (text[strlen(text) - 1] == '/')
        return error_set(error, EINVAL, "is a directory; write the path of a file");
    if (strlen(text) >= PATH_MAX || strlen(strrchr(text, '/') + 1) > NAME_LENGTH_MAX)
        return error_set(
            error, EINVAL, "is too long; write a last part of at most %d bytes", NAME_LENGTH_MAX);
    return 0;
}

int text_check_public_url(const char *text, struct error *error)
{
    struct config_url url;

    return config_parse_url(text, &url, error);
}

int text_check_target(const char *text, struct error *error)
{
    if (text[0] != '/')
        return error_set(
            error, EINVAL, "does not begin with /; write the path the proxy passes on");
    if (!values_is_visible(text) || strpbrk(text, "?#"))
        return error_set(error, EINVAL,
            "has a byte that a path cannot have; use visible ASCII without ? and #, other bytes as "
            "%%XX");
    if (strcmp(text, "/healthz") == 0)
        return error_set(
            error, EINVAL, "is /healthz, which answers health checks; choose another path");
    return 0;
}

int text_check_secret_id(const char *text, struct error *error)
{
    if (text[0] == '\0' || strlen(text) > 128 || !values_is_visible(text))
        return error_set(error, EINVAL,
            "is not an id; write SASHA's Callback Secret ID, 1 to 128 visible ASCII characters");
    return 0;
}

int text_check_token(const char *text, struct error *error)
{
    if (text[0] == '\0')
        return error_set(error, EINVAL, "is empty; write SASHA's Partner Authentication Token");
    if (!values_is_visible(text))
        return error_set(error, EINVAL,
            "has a blank, a control character or a byte that is not ASCII; a token has none");
    return 0;
}

int text_check_sink_type(const char *text, struct error *error)
{
    if (!sink_type_is_known(text) || key_sink_mask(text) == 0)
        return error_set(error, EINVAL, "is not a type of sink; write exec, file or syslog");
    return 0;
}

int text_check_filter(const char *text, struct error *error)
{
    if (text[0] == '\0' || !values_is_visible(text))
        return error_set(
            error, EINVAL, "cannot match anything; write visible ASCII characters, no blanks");
    return 0;
}

static int is_name_byte(char c, int first)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           (!first && c >= '0' && c <= '9');
}

int text_check_env(const char *text, struct error *error)
{
    const char *equals = strchr(text, '=');

    if (!equals)
        return error_set(error, EINVAL, "has an entry without '='; write NAME=value");
    for (const char *at = text; at < equals; at++)
        if (!is_name_byte(*at, at == text))
            return error_set(
                error, EINVAL, "has a name that is not letters, digits and _; write NAME=value");
    if (equals == text)
        return error_set(error, EINVAL, "has an entry without a name; write NAME=value");
    if (strncmp(text, "SASHA_", 6) == 0)
        return error_set(error, EINVAL,
            "sets a SASHA_ variable; these come from the callback, choose another name");
    return 0;
}

int text_check_file_sink_path(const char *text, struct error *error)
{
    const char *last = strrchr(text, '/');
    const char *brace = strchr(text, '{');
    int r = text_check_path(text, error);

    if (r < 0)
        return r;
    if (!brace)
        return 0;
    if (strncmp(brace, TEXT_JOB_ID, strlen(TEXT_JOB_ID)) != 0 || brace < last ||
        strchr(brace + 1, '{'))
        return error_set(error, EINVAL,
            "may hold " TEXT_JOB_ID " once, after the last slash, and no other brace");
    return 0;
}

int text_check_syslog_target(const char *text, struct error *error)
{
    const char *address = text;

    if (strcmp(text, "local") == 0)
        return 0;
    if (strncmp(text, "local:", 6) == 0) {
        if (text[6] != '/')
            return error_set(
                error, EINVAL, "has no absolute path; write local:/path of the syslog socket");
        return 0;
    }
    if (strncmp(text, "udp:", 4) == 0 || strncmp(text, "tcp:", 4) == 0)
        address = text + 4;
    if (!values_is_authority(address, strlen(address), true))
        return error_set(error, EINVAL,
            "is no syslog target; write local, local:/path, udp:host:port or tcp:host:port");
    return 0;
}

int text_check_syslog_tag(const char *text, struct error *error)
{
    if (text[0] == '\0' || strlen(text) > 32 ||
        strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") !=
            strlen(text))
        return error_set(
            error, EINVAL, "is not a tag; write 1 to 32 of the characters A-Z a-z 0-9 _ . -");
    return 0;
}
