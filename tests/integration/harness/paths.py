"""Where things are, and how slow this build is."""

import os
from pathlib import Path

REPO = Path(__file__).resolve().parents[3]
BUILD = Path(os.environ.get("SASHA_BUILD", REPO / "build" / "gcc")).resolve()
DAEMON = BUILD / "src" / "sasha-callbackd"
CTL = BUILD / "src" / "sasha-callbackctl"

#: A build with sanitizers: figures of memory and speed mean nothing there.
SANITIZED = os.environ.get("SASHA_SANITIZED", "0") == "1"

#: Deadlines are multiplied by this.
SLOWNESS = 4.0 if SANITIZED else 1.0
