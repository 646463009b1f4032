#!/bin/sh
# publish.sh FOLDER: an example of a hook that puts the result of a completed job where others find
# it. As it stands it fetches nothing: it keeps the Job, as FOLDER/<job>.json. Put your own work
# where it says so. Copy it to /usr/local/lib/sasha-hooks, and write into the conf:
#
#   sink "publish" {
#       type     = "exec"
#       command  = {"/usr/local/lib/sasha-hooks/publish.sh", "/var/lib/sasha-callbackd/published"}
#       statuses = {"completed"}
#   }
#
# What a hook may rely on is in sasha-callback-hook(7). What this one shows:
# - it may be run again with the same delivery, and then finds its work done;
# - a reader sees the old state or the new one, never half of one;
# - an older notification does not undo a newer one;
# - 75 is "try again later", 65 is "this will never work".
set -eu

retry=75
dead=65
folder=${1:?publish.sh: no folder given}

# Stale: a newer notification of the same job was accepted before this one.
if [ "$SASHA_STALE" = 1 ]; then
    echo "not published: a newer state of the job is known"
    exit 0
fi

# A job's id is the sender's text: no name for a file.
name=$(printf %s "$SASHA_JOB_ID" | sha256sum | cut -c 1-32)
final=$folder/$name.json
mark=$folder/$name.done

mkdir -p "$folder" || exit "$retry"
if [ -e "$mark" ] && [ "$(cat "$mark")" = "$SASHA_REQUEST_ID" ]; then
    echo "published before"
    exit 0
fi

# Only a completed embed job has an output_url, and only for a while. The moments are compared as
# text, which is right for the form that SASHA sends: UTC, ending in Z.
if [ -n "${SASHA_OUTPUT_URL-}" ] && [ -n "${SASHA_OUTPUT_URL_EXPIRES_AT-}" ]; then
    now=$(date -u +%Y-%m-%dT%H:%M:%SZ)
    if expr "x$SASHA_OUTPUT_URL_EXPIRES_AT" \< "x$now" >/dev/null; then
        echo "output_url expired at $SASHA_OUTPUT_URL_EXPIRES_AT; GET /jobs/{job_id} gives a new one"
        exit "$dead"
    fi
fi

work=$(mktemp -d "$folder/.work-XXXXXX") || exit "$retry"
trap 'rm -rf "$work"' EXIT
trap 'exit "$retry"' HUP INT TERM

# The whole Job is on stdin, byte for byte as SASHA signed it.
cat >"$work/job.json" || exit "$retry"

# Your work goes here, with a time limit below the sink's `timeout`. For instance:
#   curl --silent --show-error --fail --location --max-time 50 \
#       --output "$work/result" -- "$SASHA_OUTPUT_URL" || exit "$retry"
#   mv "$work/result" "$folder/$name.bin" || exit "$retry"

# Another name first, then a rename. What must survive a power cut is synced before the exit 0,
# because after that the delivery is not run again.
mv "$work/job.json" "$final" || exit "$retry"
printf %s "$SASHA_REQUEST_ID" >"$work/done" || exit "$retry"
mv "$work/done" "$mark" || exit "$retry"
sync "$final" "$mark" "$folder" || exit "$retry"
echo "published as $final"
