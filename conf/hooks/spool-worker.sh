#!/bin/sh
# spool-worker.sh FOLDER PROGRAM [ARGUMENT...]: works off what spool.sh handed over, oldest first,
# each with PROGRAM (the Job on its stdin), until nothing is left. It is no hook: it runs outside of
# the daemon, for as long as it takes, under limits of its own. With systemd, as
# /etc/systemd/system/sasha-spool.service
#
#   [Service]
#   Type=oneshot
#   User=sasha-callbackd
#   ExecStart=/usr/local/lib/sasha-hooks/spool-worker.sh /var/lib/sasha-callbackd/spool /usr/local/bin/transcode
#
# and sasha-spool.path, which starts it whenever something is there:
#
#   [Path]
#   DirectoryNotEmpty=/var/lib/sasha-callbackd/spool/new
#   [Install]
#   WantedBy=multi-user.target
#
# A file that PROGRAM fails on goes to FOLDER/failed; move it back to new/ to try it again. One that
# was under way when the machine stopped is in cur/, and is begun anew: PROGRAM must be safe to
# repeat.
set -eu

folder=${1:?spool-worker.sh: no folder given}
shift
: "${1:?spool-worker.sh: no program given}"

mkdir -p "$folder/new" "$folder/cur" "$folder/failed"

# One worker a folder. The lock goes with the process.
exec 9>"$folder/.lock"
flock --nonblock 9 || exit 0

work() {
    if "$@" <"$file" 9>&-; then
        rm "$file"
    else
        echo "failed, kept as $folder/failed/${file##*/}" >&2
        mv "$file" "$folder/failed/"
    fi
}

# The first name: they begin with the order of arrival, and the shell sorts them.
oldest() {
    for file in "$folder/new"/*; do
        if [ -e "$file" ]; then echo "${file##*/}"; fi
        return 0
    done
}

# What an earlier run was at.
for file in "$folder/cur"/*; do
    if [ -e "$file" ]; then work "$@"; fi
done

while name=$(oldest) && [ -n "$name" ]; do
    file=$folder/cur/$name
    mv "$folder/new/$name" "$file"
    work "$@"
done
