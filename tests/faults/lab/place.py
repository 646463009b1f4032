"""A short life of the daemon in a folder of its own: start, three deliveries, a clean stop. For faults
that strike at the nth call of it, for every n."""

import signal

from harness.wait import wait_until

from .hand import Hand
from .rig import Rig
from .verdict import Sink

#: A life makes fewer calls than this.
CALLS_MAX = 400

SIZES = [20_000, 100, 100]


class Place:
    """Where the store and the file sink's file of a life are, and what was promised there. The
    folder is the store's; the file has one inside."""

    def __init__(self, rig: Rig, name: object) -> None:
        self.rig = rig
        self.folder = rig.folder / f"data-{name}"
        self.out = self.folder / "out"
        self.out.mkdir(parents=True)
        self.hand = Hand(rig.target, rig.folder / f"ledger-{name}")
        self.archive = Sink("archive", "jsonl", self.out / "archive.jsonl")
        rig.conf.store["path"] = str(self.folder / "deliveries.db")
        if "archive" in rig.conf.sinks:
            rig.conf.sinks["archive"]["path"] = str(self.archive.path)

    def judge(self) -> int:
        """Asserts that every promise was kept; returns how many there were."""
        sinks = [self.archive] if "archive" in self.rig.conf.sinks else []
        return self.hand.judge(self.rig.conf.store["path"], sinks)["promised"]


def is_over(rig: Rig) -> bool:
    return not rig.daemon.is_running()


def live(rig: Rig, place: Place) -> int:
    """The exit status. However it ends, it is over when this returns."""
    daemon = rig.daemon
    daemon.spawn()
    wait_until(lambda: is_over(rig) or daemon.notify.count("READY"), "ready or dead")
    before = place.archive.lines()
    for size in SIZES:
        if is_over(rig) or place.hand.deliver(size=size) != 202:
            break  # it is over, or must soon be by itself
    else:
        if "archive" in rig.conf.sinks:
            wait_until(lambda: is_over(rig) or place.archive.lines() >= before + len(SIZES),
                       "the file sink")
        if not is_over(rig):
            daemon.signal(signal.SIGTERM)
    return daemon.wait()
