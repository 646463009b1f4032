"""The machine that is measured: what goes with every table, and what rules a measurement out."""

import os
import platform
import subprocess
from datetime import datetime, timezone
from pathlib import Path
from typing import Dict

#: File systems that lose everything with the power: a sync there costs nothing and proves nothing.
VOLATILE = {"tmpfs", "ramfs"}


def file_system(folder: Path) -> str:
    """Its type, by the longest mount point that holds the folder."""
    best, kind = "", "unknown"
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, point, fs, *_ = line.split()
        point = point.encode().decode("unicode_escape")
        if os.path.commonpath([str(folder), point]) == point and len(point) > len(best):
            best, kind = point, fs
    return kind


def refuse_volatile(folder: Path) -> None:
    kind = file_system(folder)
    if kind in VOLATILE:
        raise SystemExit(f"bench: {folder} is on {kind}, where a sync costs nothing; "
                         "name a folder on a disk with --dir")


def _first(path: str, key: str) -> str:
    for line in Path(path).read_text().splitlines():
        if line.startswith(key):
            return line.split(":", 1)[1].strip()
    return "unknown"


def _package(name: str) -> str:
    result = subprocess.run(["dpkg-query", "-W", "-f=${Version}", name], capture_output=True,
                            text=True)
    return result.stdout or "unknown"


def _commit(repo: Path) -> str:
    result = subprocess.run(["git", "-C", str(repo), "describe", "--always", "--dirty"],
                            capture_output=True, text=True)
    return result.stdout.strip() or "unknown"


def describe(repo: Path, folder: Path) -> Dict[str, str]:
    return {
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": _commit(repo),
        "cpu": f"{os.cpu_count()} × {_first('/proc/cpuinfo', 'model name')}",
        "memory": f"{int(_first('/proc/meminfo', 'MemTotal').split()[0]) // 1024} MiB",
        "kernel": platform.release(),
        "disk": file_system(folder),
        "load": " ".join(f"{value:.1f}" for value in os.getloadavg()),
        "libmicrohttpd": _package("libmicrohttpd12"),
        "sqlite": _package("libsqlite3-0"),
        "webhook": _package("webhook"),
        "wrk": _package("wrk"),
    }
