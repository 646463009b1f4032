#!/bin/sh
# mail.sh TO FROM [PROGRAM [ARGUMENT...]]: an example of a hook that tells people about a job by mail.
# PROGRAM takes a mail on stdin and its recipients from it, as sendmail -t does; it is
# /usr/sbin/sendmail -t -i if not given. Copy it to /usr/local/lib/sasha-hooks, and write into the
# conf:
#
#   sink "mail" {
#       type     = "exec"
#       command  = {"/usr/local/lib/sasha-hooks/mail.sh", "media@example.com",
#                   "sasha@example.com", "/usr/bin/msmtp", "--host=127.0.0.1",
#                   "--from=sasha@example.com", "--read-recipients"}
#       statuses = {"failed"}
#       timeout  = "30s"
#   }
#
# In the unit's sandbox a program that needs other rights than its user's fails: Postfix's and Exim's
# own sendmail do. msmtp(1), which talks to the mail server on this machine, does not.
#
# It may happen that people are told twice, because a hook may be run again after a crash. Both mails
# have the same Message-ID then, by which most mail servers and programs show just one.
set -eu

retry=75
to=${1:?mail.sh: no recipient given}
from=${2:?mail.sh: no sender given}
shift 2
[ $# -gt 0 ] || set -- /usr/sbin/sendmail -t -i

# An operator asked for this delivery again: people know.
if [ "$SASHA_REPLAY" = 1 ]; then
    exit 0
fi

# The texts are the sender's: they must not begin a line of their own, nor be endless.
plain() {
    printf %s "$1" | tr '[:cntrl:]' ' ' | cut -c 1-500
}

# A header is ASCII.
header() {
    printf %s "$1" | LC_ALL=C tr -c ' -~' '?' | cut -c 1-100
}

id=$(printf %s "$SASHA_ENDPOINT $SASHA_REQUEST_ID" | sha256sum | cut -c 1-32)
mail=$(
    echo "From: $from"
    echo "To: $to"
    echo "Subject: SASHA job $(header "$SASHA_JOB_ID"): $(header "$SASHA_JOB_STATUS")"
    echo "Date: $(LC_ALL=C date '+%a, %d %b %Y %H:%M:%S %z')"
    echo "Message-ID: <$id@sasha-callbackd>"
    echo "Auto-Submitted: auto-generated"
    echo "MIME-Version: 1.0"
    echo "Content-Type: text/plain; charset=utf-8"
    echo "Content-Transfer-Encoding: 8bit"
    echo
    echo "Job:     $(plain "$SASHA_JOB_ID") ($(plain "$SASHA_JOB_TYPE"))"
    echo "Status:  $(plain "$SASHA_JOB_STATUS")"
    if [ -n "${SASHA_ERROR_CODE-}" ]; then
        echo "Error:   $(plain "$SASHA_ERROR_CODE"): $(plain "${SASHA_ERROR_MESSAGE-}")"
    fi
    if [ "$SASHA_STALE" = 1 ]; then
        echo "Note:    a newer state of this job is already known"
    fi
    echo "Updated: $(plain "$SASHA_UPDATED_AT")"
    echo
    echo "sasha-callbackctl show $SASHA_SEQ"
)

# The program's own exit code could happen to be 65, "dead": any failure is tried again.
printf '%s\n' "$mail" | "$@" || exit "$retry"
