"""The table of counts, and where each abuse notes what came of it.

SASHA_FAULTS=ci (the default) or full chooses the column. SASHA_ABUSE_RESULTS names a file that gets
one line of JSON for each note."""

import json
import os
import time
from typing import Dict, Tuple

#: Abuse: (what, CI count, full count). What a count counts is said in each test.
COUNTS: Dict[str, Tuple[str, int, int]] = {
    "A1": ("framing vectors on each of three ways; rounds over all of them", 1, 3),
    "A2": ("slow connections of each kind: headers, body, reading", 170, 170),
    "A2-seconds": ("deadline of the slow ones", 4, 20),
    "A3": ("silent and flooding connections over the limit", 3000, 5000),
    "A4": ("header bombs, long targets, large and endless bodies", 800, 10_000),
    "A5": ("rounds over the table of hostile Jobs", 1, 10),
    "A6": ("copies of one delivery at once, before and after a restart", 1000, 1000),
    "A7": ("variants of token and signature", 200, 200),
    "A8": ("injections in each format of the log", 100, 100),
    "A9": ("refused requests that carry a secret", 60, 1000),
    "A10": ("seconds of an unauthenticated flood", 10, 30),
}

MODE = os.environ.get("SASHA_FAULTS", "ci")
assert MODE in ("ci", "full"), f'SASHA_FAULTS={MODE}: "ci" or "full" is what it can be'


def count(abuse: str) -> int:
    return COUNTS[abuse][1 if MODE == "ci" else 2]


def note(abuse: str, line: str, **figures: object) -> None:
    """Prints "A1 line" and keeps the figures."""
    print(f"{abuse} {line}", flush=True)
    path = os.environ.get("SASHA_ABUSE_RESULTS")
    if path:
        entry = {"abuse": abuse, "line": line, "mode": MODE, "at": int(time.time()), **figures}
        with open(path, "a", encoding="utf-8") as results:
            results.write(json.dumps(entry) + "\n")
