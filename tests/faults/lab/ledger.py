"""What the oracle sent and what it was promised, in a file that is only ever added to.

A line is one fact: "sent ID SHA256 STATUS JOB" before the first byte goes out, then one of
"promised ID CODE" (a 2xx: from here on it is an obligation), "unavailable ID" (503), "lost ID" (no
whole answer; it may be stored or not) or "wrong ID CODE" (any other answer). Whoever wants to know
how a load goes may read the file while it grows."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, List, Optional


@dataclass
class Sent:
    digest: str  # SHA-256 of the body, hex
    status: str  # the Job's
    job: str
    promised: bool = False


@dataclass
class Facts:
    sent: Dict[str, Sent] = field(default_factory=dict)
    unavailable: int = 0
    lost: int = 0
    wrong: List[str] = field(default_factory=list)

    def promised(self) -> Dict[str, Sent]:
        return {id: sent for id, sent in self.sent.items() if sent.promised}


class Ledger:
    """The writing end. Threads may share it: a line is one write."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)

    def note(self, *words: object) -> None:
        os.write(self._fd, (" ".join(map(str, words)) + "\n").encode())

    def close(self) -> None:
        os.close(self._fd)


def read(path: Path) -> Facts:
    facts = Facts()
    if not path.exists():
        return facts
    for line in path.read_text().splitlines():
        kind, id, *rest = line.split(" ")
        if kind == "sent":
            facts.sent.setdefault(id, Sent(*rest))
        elif kind == "promised":
            facts.sent[id].promised = True
        elif kind == "unavailable":
            facts.unavailable += 1
        elif kind == "lost":
            facts.lost += 1
        else:
            facts.wrong.append(f"{id}: {' '.join(rest)}")
    return facts


def count(path: Path, kind: str = "promised") -> int:
    """How many lines of a kind there are."""
    data = path.read_bytes() if path.exists() else b""
    start = kind.encode() + b" "
    return data.count(b"\n" + start) + data.startswith(start)


class Follower:
    """Counts the lines of a kind in a file that grows, without reading it twice."""

    def __init__(self, path: Path, kind: str = "promised") -> None:
        self._path = path
        self._start = kind.encode() + b" "
        self._offset = 0
        self._count = 0

    def count(self) -> int:
        data = self._read()
        if data:
            self._offset += len(data)
            self._count += sum(line.startswith(self._start) for line in data.splitlines())
        return self._count

    def _read(self) -> Optional[bytes]:
        if not self._path.exists():
            return None
        with open(self._path, "rb") as file:
            file.seek(self._offset)
            data = file.read()
        return data[:data.rfind(b"\n") + 1]
