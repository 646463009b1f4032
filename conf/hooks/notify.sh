#!/bin/sh
# notify.sh COMMAND [ARGUMENT...]: an example of a hook that tells people about a job. It writes a
# short text to the stdin of COMMAND, whatever that is: a mail program, a chat's command line client.
# Copy it to /usr/local/lib/sasha-hooks, and write into the conf:
#
#   sink "notify" {
#       type     = "exec"
#       command  = {"/usr/local/lib/sasha-hooks/notify.sh", "/usr/local/bin/tell", "#media"}
#       statuses = {"failed"}
#       timeout  = "20s"
#   }
#
# What a hook may rely on is in sasha-callback-hook(7). In the unit's sandbox COMMAND reaches no
# other machine and gains no rights (set-uid mail programs fail) until a drop-in allows it.
#
# It may happen that people are told twice, because a hook may be run again after a crash; the
# request id in the text shows that it is the same.
set -eu

retry=75
: "${1:?notify.sh: no command given}"

# An operator asked for this delivery again: people know.
if [ "$SASHA_REPLAY" = 1 ]; then
    exit 0
fi

# The texts are the sender's: they must not begin a line of their own, nor be endless.
plain() {
    printf %s "$1" | tr '[:cntrl:]' ' ' | cut -c 1-500
}

text=$(
    echo "SASHA job $(plain "$SASHA_JOB_ID") ($(plain "$SASHA_JOB_TYPE")):" \
        "$(plain "$SASHA_JOB_STATUS")"
    if [ -n "${SASHA_ERROR_CODE-}" ]; then
        echo "error: $(plain "$SASHA_ERROR_CODE"): $(plain "${SASHA_ERROR_MESSAGE-}")"
    fi
    if [ "$SASHA_STALE" = 1 ]; then
        echo "note: a newer state of this job is already known"
    fi
    echo "at $(plain "$SASHA_UPDATED_AT"), request $SASHA_REQUEST_ID"
)

# The command's own exit code could happen to be 65, "dead": any failure is tried again.
printf '%s\n' "$text" | "$@" || exit "$retry"
