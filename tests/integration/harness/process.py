"""What /proc tells about a process."""

import os
from pathlib import Path
from typing import List


def stat_fields(pid: int) -> List[str]:
    """Fields of /proc/PID/stat from the third (state) on; [] when the process is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return []
    return text[text.rindex(")") + 2:].split()


def is_alive(pid: int) -> bool:
    """Neither gone nor a zombie."""
    fields = stat_fields(pid)
    return bool(fields) and fields[0] not in "ZX"


def children(pid: int) -> List[int]:
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            fields = stat_fields(int(entry))
            if fields and int(fields[1]) == pid:
                found.append(int(entry))
    return found


def zombies(pid: int) -> List[int]:
    return [child for child in children(pid) if (stat_fields(child) or ["?"])[0] == "Z"]


def descriptors(pid: int) -> List[str]:
    """What each open descriptor leads to."""
    found = []
    for entry in os.listdir(f"/proc/{pid}/fd"):
        try:
            found.append(os.readlink(f"/proc/{pid}/fd/{entry}"))
        except OSError:
            pass
    return found


def status_kib(pid: int, name: str) -> int:
    """A figure of /proc/PID/status, such as VmHWM."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    raise KeyError(name)
