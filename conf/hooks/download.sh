#!/bin/sh
# download.sh FOLDER [MAX_BYTES]: an example of a hook that fetches the result of a completed job
# before its url expires, as FOLDER/<job>.<type>. Copy it to /usr/local/lib/sasha-hooks, and write
# into the conf:
#
#   sink "download" {
#       type           = "exec"
#       command        = {"/usr/local/lib/sasha-hooks/download.sh", "/srv/media"}
#       statuses       = {"completed"}
#       types          = {"embed-signature"}
#       timeout        = "120s"
#       retry_first    = "2s"
#       retry_max      = "2m"
#       retry_attempts = 70
#   }
#
# The url is good for an hour, so the waits are short, one to two minutes in the end, and 70 attempts
# reach beyond it. In the unit's sandbox it needs IPAddressAllow= and ReadWritePaths=
# (drop-in-hooks.conf).
#
# - A reader of FOLDER sees a whole file or none. One that is there is not fetched again, so it may
#   be run twice.
# - What is no image, is larger than MAX_BYTES (64 MiB if not given) or came short is not kept.
# - 65, "dead", when the url has expired: GET /jobs/{job_id} of the Partner API gives a new one.
set -eu

retry=75
dead=65
folder=${1:?download.sh: no folder given}
max_bytes=${2:-67108864}

fail() {
    status=$1
    shift
    echo "$*"
    exit "$status"
}

[ "$SASHA_STALE" = 1 ] && fail 0 "not fetched: a newer state of the job is known"
[ -n "${SASHA_OUTPUT_URL-}" ] || fail 0 "nothing to fetch"

# A job's id is the sender's text: no name for a file.
name=$(printf %s "$SASHA_JOB_ID" | sha256sum | cut -c 1-32)
for found in "$folder/$name".*; do
    [ -f "$found" ] && fail 0 "fetched before: $found"
done

# The moments are compared as text, which is right for the form that SASHA sends: UTC, ending in Z.
expired() {
    now=$(date -u +%Y-%m-%dT%H:%M:%SZ)
    [ -n "${SASHA_OUTPUT_URL_EXPIRES_AT-}" ] &&
        expr "x$SASHA_OUTPUT_URL_EXPIRES_AT" \< "x$now" >/dev/null
}
expired && fail "$dead" "output_url expired at $SASHA_OUTPUT_URL_EXPIRES_AT"

# It goes into a file of lines below.
case $SASHA_OUTPUT_URL in
    *[[:cntrl:]]*) fail "$dead" "output_url holds control characters" ;;
esac

work=$(mktemp -d "$folder/.work-XXXXXX") || exit "$retry"
trap 'rm -rf "$work"' EXIT
trap 'exit "$retry"' HUP INT TERM

# Only https, also where it leads to. head keeps it from filling the disk, whatever length it claims;
# curl itself notices what came short of that. The url goes in by a file: in the list of processes
# everybody on the machine could read it.
printf 'url = "%s"\n' "$(printf %s "$SASHA_OUTPUT_URL" | sed 's/[\\"]/\\&/g')" >"$work/url"
{
    curl --silent --show-error --fail --location --max-redirs 3 --proto '=https' \
        --connect-timeout 10 --max-time 100 --config "$work/url" 2>"$work/why" &&
        : >"$work/whole"
} | head -c "$((max_bytes + 1))" >"$work/result"

size=$(stat -c %s "$work/result")
[ "$size" -le "$max_bytes" ] || fail "$dead" "larger than $max_bytes bytes"
[ -e "$work/whole" ] || fail "$retry" "$(cat "$work/why")"
[ "$size" -gt 0 ] || fail "$retry" "empty"

# What it is says its beginning, not its name; an error page of some proxy is none of these.
case $(od -A n -t x1 -N 12 "$work/result" | tr -d ' \n') in
    ffd8ff*) type=jpg ;;
    89504e470d0a1a0a*) type=png ;;
    49492a00* | 4d4d002a*) type=tif ;;
    52494646????????57454250) type=webp ;;
    *) fail "$retry" "no image: $size bytes that begin with $(head -c 40 "$work/result" |
        tr -c '[:print:]' '?')" ;;
esac

# Synced before the exit 0, because after that the delivery is not run again.
final=$folder/$name.$type
chmod 0644 "$work/result"
sync "$work/result" || exit "$retry"
mv "$work/result" "$final" || exit "$retry"
sync "$folder" || exit "$retry"
echo "fetched $size bytes as $final"
