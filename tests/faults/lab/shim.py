"""The test's end of the preload library (shim/shim.h): arms rules in a running daemon, and reads how
many calls matched, also of one that is dead."""

import errno
import mmap
import os
import struct
from pathlib import Path
from typing import Dict, Iterable

from harness.daemon import Daemon
from harness.paths import BUILD, SANITIZED

if SANITIZED:  # the library stands in front of ASan, which would rather be first
    os.environ["ASAN_OPTIONS"] = ":".join(
        [*os.environ.get("ASAN_OPTIONS", "").split(), "verify_asan_link_order=0"])

LIBRARY = BUILD / "tests" / "faults" / "shim" / "libfaults.so"

#: In the order of enum shim_call.
CALLS = ["write", "pwrite", "fsync", "fdatasync", "ftruncate", "open", "rename", "unlink", "read",
         "pread", "accept", "recv", "send", "epoll_wait", "epoll_add", "poll", "spawn", "pipe",
         "memfd", "socket", "allocate", "allocate_own"]

#: In the order of enum shim_action.
ACTIONS = ["pass", "fail", "short", "delay", "kill-before", "kill-half", "kill-after"]

#: All that changes what a file system holds, and all that makes it last.
CHANGES = ["write", "pwrite", "ftruncate", "open", "rename", "unlink"]
SYNCS = ["fsync", "fdatasync"]
ALLOCATIONS = ["allocate", "allocate_own"]

MAGIC = 0x5348494D
HEADER = struct.Struct("<IIq")
RULE = struct.Struct("<IIQQQqQQ256s16s")
RULES = 8
ARMED = struct.Struct("<I")


class Shim:
    """A control file. Made before the daemon starts; `preload` puts it into its environment."""

    def __init__(self, path: Path) -> None:
        self.path = path
        size = HEADER.size + RULES * RULE.size
        path.write_bytes(HEADER.pack(MAGIC, 0, 0).ljust(size, b"\0"))
        with open(path, "r+b") as file:
            self._memory = mmap.mmap(file.fileno(), size)

    def environment(self) -> Dict[str, str]:
        return {"LD_PRELOAD": str(LIBRARY), "SASHA_SHIM": str(self.path)}

    def preload(self, daemon: Daemon) -> "Shim":
        daemon.env |= self.environment()
        return self

    @property
    def attached(self) -> int:
        """How many processes have mapped it so far."""
        return HEADER.unpack_from(self._memory)[1]

    def arm(self, calls: Iterable[str], action: str, value: object = 0, nth: int = 1,
            times: int = 1, path: str = "", thread: str = "", slot: int = 0) -> None:
        """From the nth matching call on, `times` calls (0: all) meet the action. The value is an
        errno's name for "fail", seconds for "delay", bytes for "short"."""
        if action == "fail":
            value = getattr(errno, str(value))
        elif action == "delay":
            value = int(float(value) * 1_000_000)
        mask = sum(1 << CALLS.index(call) for call in calls)
        at = HEADER.size + slot * RULE.size
        self.disarm(slot)
        assert len(path.encode()) < 256 and len(thread.encode()) < 16
        RULE.pack_into(self._memory, at, 0, ACTIONS.index(action), mask, nth, times, int(value),
                       0, 0, path.encode(), thread.encode())
        ARMED.pack_into(self._memory, at, 1)

    def disarm(self, slot: int = 0) -> None:
        """Every call passes again; the counts stay."""
        ARMED.pack_into(self._memory, HEADER.size + slot * RULE.size, 0)

    def _rule(self, slot: int):
        return RULE.unpack_from(self._memory, HEADER.size + slot * RULE.size)

    def seen(self, slot: int = 0) -> int:
        """Calls that matched since the rule was armed."""
        return self._rule(slot)[6]

    def struck(self, slot: int = 0) -> int:
        return self._rule(slot)[7]

    def set_clock(self, seconds: float) -> None:
        """Real time is this much ahead from now on."""
        struct.pack_into("<q", self._memory, 8, int(seconds * 1_000_000_000))
