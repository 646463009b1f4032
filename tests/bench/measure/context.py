"""What a measurement is given: programs, folders, files of requests, and how long to take."""

import shutil
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Iterator

from .scheme import RequestFiles


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    seconds: int        # of load at saturation, and at each fixed rate
    requests: int       # in a file: more than the fastest server answers in that time
    hooks: int          # runs of a hook in a measurement
    ids: tuple          # kept ids at which the store is measured
    pending: int        # deliveries that wait for a sink at start
    idle_connections: int


FULL = Size(seconds=6, requests=1_500_000, hooks=10_000, ids=(1_000_000, 10_000_000),
            pending=1_000_000, idle_connections=1000)
QUICK = replace(FULL, seconds=3, requests=800_000, hooks=4_000)
SMOKE = Size(seconds=1, requests=300_000, hooks=200, ids=(2_000, 4_000), pending=2_000,
             idle_connections=50)


class Context:
    """`folder` is this run's own and goes with it, what is on the `shelf` stays for the next."""

    def __init__(self, build: Path, folder: Path, shelf: Path, size: Size) -> None:
        self.build = build
        self.folder = folder
        self.shelf = shelf
        self.size = size
        self.requests = RequestFiles(self.program("requests"), folder)

    def program(self, name: str) -> Path:
        return self.build / "tests" / "bench" / f"bench_{name}"

    @property
    def daemon(self) -> Path:
        return self.build / "src" / "sasha-callbackd"

    def clean(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    @contextmanager
    def state(self, name: str) -> Iterator[Path]:
        """An empty folder for a server's state, gone afterwards."""
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
