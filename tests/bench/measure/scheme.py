"""What signed requests are made with, the same for all servers, and the files of them."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Tuple

URL = "https://your-app.com/callbacks/sasha-job-update"
PREFIX, HOOK = "callbacks", "sasha-job-update"
PATH = f"/{PREFIX}/{HOOK}"
TOKEN = "a-token-for-loopback-only"
KEY = "0123456789abcdef0123456789abcdef"


@dataclass(frozen=True)
class Requests:
    """A file of requests of one length, each to be sent once."""

    path: Path
    length: int
    count: int

    def nth(self, n: int) -> bytes:
        with open(self.path, "rb") as file:
            file.seek(n * self.length)
            return file.read(self.length)


def _settle(path: Path) -> None:
    """Waits until it is on the disk, or the kernel would write it while something is measured."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())


class RequestFiles:
    """Makes each file once a run. Two files with different seeds share no request."""

    def __init__(self, program: Path, folder: Path) -> None:
        self.program = program
        self.folder = folder
        self.made: Dict[Tuple[str, int, int], Requests] = {}

    def get(self, scheme: str, count: int, seed: int = 1) -> Requests:
        key = (scheme, count, seed)
        if key not in self.made:
            path = self.folder / f"{scheme}-{count}-{seed}.requests"
            result = subprocess.run(
                [self.program, scheme, str(count), str(seed), path, URL, PATH, TOKEN, KEY],
                check=True, capture_output=True, text=True, timeout=600)
            _settle(path)
            self.made[key] = Requests(path, int(result.stdout), count)
        return self.made[key]
