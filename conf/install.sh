#!/bin/sh
# Puts the sample conf in place, never over a file that an operator may have edited. Called by
# `meson install`: install.sh SOURCE CONFDIR.
set -eu
source=$1
folder=${DESTDIR:-}$2
target=$folder/sasha-callbackd.conf

mkdir -p "$folder"
if [ -e "$target" ]; then
    echo "Keeping $target"
    exit 0
fi
echo "Installing $target"
install -m 0640 "$source" "$target"
