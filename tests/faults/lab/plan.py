"""The table of counts, and where each fault notes what came of it.

SASHA_FAULTS=ci (the default) or full chooses the column; SASHA_FAULTS_COUNT="F1=2000 F12=500"
overrides single rows. SASHA_FAULTS_RESULTS names a file that gets one line of JSON for each note."""

import json
import os
import time
from typing import Dict, Tuple

#: Fault: (what, CI count, full count). What a count counts is said in each test.
COUNTS: Dict[str, Tuple[str, int, int]] = {
    "F1": ("SIGKILL at a random moment under load", 50, 10_000),
    "F2": ("crash at each system call of the commit path; rounds over all of them", 1, 5),
    "F3": ("power cut at a random moment of a recorded life", 100, 10_000),
    "F4": ("failing sync of each file, once and for good; rounds over all n", 1, 5),
    "F5": ("disk full, then freed; sizes of the disk", 2, 4),
    "F7": ("EINTR, short transfers, EAGAIN, no descriptors, no processes; rounds of each", 1, 20),
    "F8": ("bits flipped and files cut short while stopped", 20, 1_000),
    "F9": ("slow syncs", 1, 3),
    "F10": ("clock steps", 2, 6),
    "F11": ("restarts and reloads under load, of each", 10, 100),
    "F12": ("hook zoo: rounds of each animal", 1, 100),
    "F13": ("outage of three sinks; seconds", 5, 3600),
}

MODE = os.environ.get("SASHA_FAULTS", "ci")
assert MODE in ("ci", "full"), f'SASHA_FAULTS={MODE}: "ci" or "full" is what it can be'

OVERRIDES = {name: int(value) for name, _, value in
             (word.partition("=") for word in os.environ.get("SASHA_FAULTS_COUNT", "").split())}


def count(fault: str) -> int:
    return OVERRIDES.get(fault, COUNTS[fault][1 if MODE == "ci" else 2])


def is_full() -> bool:
    return MODE == "full"


def note(fault: str, line: str, **figures: object) -> None:
    """Prints "F1 line" and keeps the figures."""
    print(f"{fault} {line}", flush=True)
    path = os.environ.get("SASHA_FAULTS_RESULTS")
    if path:
        entry = {"fault": fault, "line": line, "mode": MODE, "at": int(time.time()), **figures}
        with open(path, "a", encoding="utf-8") as results:
            results.write(json.dumps(entry) + "\n")
