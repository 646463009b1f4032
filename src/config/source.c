/*
 * Secret sources: one function a kind, a table of kinds.
 *
 * The file is read through one descriptor whose inode was judged, so that what was checked is what
 * was read. Names in faults are those of places that exist by their form (an absolute path, a plain
 * file name, a variable's name); anything else is not quoted.
 */

#include "config/source.h"

#include "config/load.h"
#include "util/cleanup.h"
#include "verify/secret.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct kind {
    const char *prefix;
    bool (*is_name)(const char *name);
    const char *form; /* what is right, when is_name says no */
    int (*load)(const char *name, char **ret_text, size_t *ret_length, struct error *error);
};

/* Letters, digits and a few marks: of a variable, of a credential. */
static bool is_made_of(const char *name, const char *more)
{
    for (; *name; name++)
        if (!((*name >= 'a' && *name <= 'z') || (*name >= 'A' && *name <= 'Z') ||
                (*name >= '0' && *name <= '9') || strchr(more, *name)))
            return false;
    return true;
}

static bool is_credential_name(const char *name)
{
    return name[0] && name[0] != '.' && strlen(name) <= 255 && is_made_of(name, "_.-@:");
}

static bool is_absolute(const char *name)
{
    return name[0] == '/';
}

static bool is_variable(const char *name)
{
    return name[0] && !(name[0] >= '0' && name[0] <= '9') && is_made_of(name, "_");
}

static bool is_anything(const char *name)
{
    return true;
}

int source_check_stat(
    const char *path, const struct stat *stat, mode_t forbidden, struct error *error)
{
    if (stat->st_mode & forbidden)
        return error_set(error, EPERM,
            "%s holds a secret, but %s can get at it (mode %04o); run chmod 600 %s", path,
            stat->st_mode & forbidden & 07 ? "everybody" : "its group",
            (unsigned int)(stat->st_mode & 07777), path);
    if (stat->st_uid != 0 && stat->st_uid != geteuid())
        return error_set(error, EPERM,
            "%s belongs to user %u, who can change it; run chown root %s, or to the user the "
            "daemon "
            "runs as",
            path, (unsigned int)stat->st_uid, path);
    return 0;
}

static int load_checked(
    const char *path, mode_t forbidden, char **ret_text, size_t *ret_length, struct error *error)
{
    char *text;
    size_t length;
    struct stat stat;
    int r = load_file(path, SOURCE_MAX, &text, &length, &stat, error);

    if (r < 0) {
        struct error cause = *error;
        return error_set(
            error, cause.code, "%s %s; put the secret there, or mend the path", path, cause.text);
    }
    r = source_check_stat(path, &stat, forbidden, error);
    if (r < 0) {
        secret_wipe(text, length);
        free(text);
        return r;
    }
    *ret_text = text;
    *ret_length = length;
    return 0;
}

static int load_from_file(
    const char *name, char **ret_text, size_t *ret_length, struct error *error)
{
    return load_checked(name, 0077, ret_text, ret_length, error);
}

static int load_from_credential(
    const char *name, char **ret_text, size_t *ret_length, struct error *error)
{
    const char *directory = getenv("CREDENTIALS_DIRECTORY");
    CLEANUP(free) char *path = NULL;

    if (!directory || directory[0] != '/')
        return error_set(error, ENOENT,
            "$CREDENTIALS_DIRECTORY is not set; add LoadCredential=%s:/path to the unit, or set "
            "the "
            "variable to a directory that holds %s",
            name, name);
    if (asprintf(&path, "%s/%s", directory, name) < 0) {
        path = NULL;
        return error_errno(error, ENOMEM, "credential %s", name);
    }
    if (access(path, F_OK) < 0 && errno == ENOENT)
        return error_set(error, ENOENT,
            "there is no credential %s in %s; add LoadCredential=%s:/path to the unit", name,
            directory, name);
    /* Systemd lets the service's user in by an access list, which shows as a right of the group. */
    return load_checked(path, 0037, ret_text, ret_length, error);
}

static int copy(const char *text, char **ret_text, size_t *ret_length, struct error *error)
{
    char *copied = strdup(text);

    if (!copied)
        return error_errno(error, ENOMEM, "a secret");
    *ret_text = copied;
    *ret_length = strlen(copied);
    return 0;
}

static int load_from_environment(
    const char *name, char **ret_text, size_t *ret_length, struct error *error)
{
    const char *value = getenv(name);

    if (!value)
        return error_set(
            error, ENOENT, "the environment variable %s is not set; set it for the daemon", name);
    if (strlen(value) > SOURCE_MAX)
        return error_set(error, EFBIG,
            "the environment variable %s is too long; at most %d bytes are possible", name,
            SOURCE_MAX);
    return copy(value, ret_text, ret_length, error);
}

static const struct kind kinds[] = {
    {"credential:", is_credential_name,
        "the name after credential: is no file name; write the NAME of LoadCredential=NAME:/path",
        load_from_credential},
    {"file:", is_absolute, "the path after file: is not absolute; begin it with /", load_from_file},
    {"env:", is_variable,
        "the name after env: is no variable's; use letters, digits and _, no digit first",
        load_from_environment},
    {"value:", is_anything, NULL, copy},
};

static const struct kind *find_kind(const char *source, const char **ret_name)
{
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        size_t length = strlen(kinds[i].prefix);
        if (strncmp(source, kinds[i].prefix, length) == 0) {
            *ret_name = source + length;
            return &kinds[i];
        }
    }
    return NULL;
}

bool source_is_inline(const char *source)
{
    return strncmp(source, "value:", 6) == 0;
}

bool source_is_showable(const char *source)
{
    const char *name;
    const struct kind *kind = find_kind(source, &name);

    return kind && !source_is_inline(source) && kind->is_name(name);
}

/* Takes off one newline: LF, or CR LF. */
static size_t chomp(char *text, size_t length)
{
    if (length > 0 && text[length - 1] == '\n')
        length--;
    else
        return length;
    if (length > 0 && text[length - 1] == '\r')
        length--;
    text[length] = '\0';
    return length;
}

int source_load(const char *source, char **ret_text, size_t *ret_length, struct error *error)
{
    const char *name;
    const struct kind *kind = find_kind(source, &name);
    char *text;
    size_t length;
    int r;

    if (!kind)
        return error_set(error, EINVAL,
            "does not say where the secret is; write credential:NAME, file:PATH, env:NAME or "
            "value:TEXT");
    if (!kind->is_name(name))
        return error_set(error, EINVAL, "%s", kind->form);
    r = kind->load(name, &text, &length, error);
    if (r < 0)
        return r;

    length = chomp(text, length);
    if (length == 0) {
        free(text);
        return error_set(error, EINVAL, "%s%s is empty; put the secret there", kind->prefix,
            source_is_inline(source) ? "" : name);
    }
    *ret_text = text;
    *ret_length = length;
    return 0;
}
