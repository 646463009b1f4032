#!/bin/sh
# cms.sh URL TOKEN_FILE: an example of a hook that publishes a job to a CMS by its HTTP API: PUT
# URL/<job>, with the Job as SASHA sent it. Copy it to /usr/local/lib/sasha-hooks, and write into the
# conf:
#
#   sink "cms" {
#       type     = "exec"
#       command  = {"/usr/local/lib/sasha-hooks/cms.sh", "https://cms.example.com/api/jobs",
#                   "/etc/sasha-callbackd/cms-token"}
#       statuses = {"completed", "failed"}
#       timeout  = "30s"
#   }
#
# TOKEN_FILE is readable by the user sasha-callbackd alone; the token shows in no list of processes.
# In the unit's sandbox it needs IPAddressAllow= (drop-in-hooks.conf).
#
# - PUT under the job's own name comes to the same when done twice. A CMS that only knows POST can go
#   by Idempotency-Key.
# - What the CMS finds wrong with the Job itself is dead at once (65), since sending it again cannot
#   help. Everything else is tried again (75), a wrong url or token too: they are the operator's to
#   put right, and then no job is lost.
set -eu

retry=75
dead=65
url=${1:?cms.sh: no url given}
token_file=${2:?cms.sh: no token file given}

# Stale: a newer notification of the same job was accepted before this one.
if [ "$SASHA_STALE" = 1 ]; then
    echo "not published: a newer state of the job is known"
    exit 0
fi

umask 077
work=$(mktemp -d) || exit "$retry"
trap 'rm -rf "$work"' EXIT
trap 'exit "$retry"' HUP INT TERM

token=$(cat "$token_file") || exit "$retry"
printf 'Authorization: Bearer %s\n' "$token" >"$work/headers" || exit "$retry"

# A job's id is the sender's text: no part of a url.
name=$(printf %s "$SASHA_JOB_ID" | sha256sum | cut -c 1-32)
status=$(curl --silent --show-error --request PUT --max-time 25 \
    --header "@$work/headers" --header 'Content-Type: application/json' \
    --header "Idempotency-Key: $SASHA_REQUEST_ID" \
    --data-binary @- --output "$work/answer" --write-out '%{http_code}' -- "$url/$name") ||
    exit "$retry"

case $status in
    2??)
        echo "published as $name"
        exit 0
        ;;
    400 | 409 | 413 | 415 | 422) result=$dead ;;
    *) result=$retry ;;
esac
echo "the CMS answers $status: $(head -c 300 "$work/answer" | tr -c '[:print:]' ' ')"
exit "$result"
