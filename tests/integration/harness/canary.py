"""Guarantee G8: no secret shows up in anything that the daemon, its hooks or its clients wrote."""

from pathlib import Path
from typing import Iterable, List

from .daemon import Daemon


def files_to_scan(daemon: Daemon) -> Iterable[Path]:
    """Everything of the test's folder but where the secrets come from."""
    for path in daemon.folder.rglob("*"):
        if path.is_file() and daemon.conf.secret_folder not in path.parents:
            if path != daemon.conf.path:
                yield path


def find_leaks(daemon: Daemon, canaries: Iterable[bytes]) -> List[str]:
    canaries = list(set(canaries))
    heard = b"".join(daemon.heard)
    leaks = [f"an answer: {heard[max(0, heard.index(c) - 100):][:300]!r}"
             for c in canaries if c in heard]
    for path in files_to_scan(daemon):
        data = path.read_bytes()
        leaks += [f"{path}: ...{data[max(0, data.index(c) - 100):][:300]!r}"
                  for c in canaries if c in data]
    return leaks
