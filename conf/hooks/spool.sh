#!/bin/sh
# spool.sh FOLDER: an example of a hook that hands a job over to a queue of files, in the manner of
# a maildir: written in FOLDER/tmp, then renamed to FOLDER/new. Whatever takes long is then done by
# another program at its own pace; spool-worker.sh is one. Copy it to /usr/local/lib/sasha-hooks, and
# write into the conf:
#
#   sink "spool" {
#       type    = "exec"
#       command = {"/usr/local/lib/sasha-hooks/spool.sh", "/var/lib/sasha-callbackd/spool"}
#       timeout = "20s"
#   }
#
# A file's name is its place in the order of arrival and the delivery's request id: handed over
# twice, it is the same file. What is in new/ is whole and on the disk.
set -eu

retry=75
folder=${1:?spool.sh: no folder given}

mkdir -p "$folder/tmp" "$folder/new" "$folder/cur" || exit "$retry"

# A request id is the sender's text: no name for a file. A replay by an operator is another file.
id=$(printf %s "$SASHA_ENDPOINT $SASHA_REQUEST_ID $SASHA_REPLAY" | sha256sum | cut -c 1-32)
name=$(printf '%012d-%s.json' "$SASHA_SEQ" "$id")
if [ -e "$folder/new/$name" ] || [ -e "$folder/cur/$name" ]; then
    echo "handed over before: $name"
    exit 0
fi

cat >"$folder/tmp/$name" || exit "$retry"
sync "$folder/tmp/$name" || exit "$retry"
mv "$folder/tmp/$name" "$folder/new/$name" || exit "$retry"
sync "$folder/new" || exit "$retry"
echo "handed over: $name"
