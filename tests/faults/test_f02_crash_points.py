"""F2: the process dies at each system call of the commit path, for every n.

The calls are those that change or sync the store (database, WAL, index, lock, directory) and the
file of the file sink: first each one is not made any more, then of each write only half is. Once
on a store that is new each time, so that making it is among what dies; once on one store that each
start has to heal first. A round is: start, three deliveries, a clean stop. After each death the
daemon must be ready within two seconds, know what it promised, and take what it had not."""

import signal

import pytest
from harness.paths import SLOWNESS
from harness.wait import Stopwatch, wait_until
from lab import verdict
from lab.hand import Hand
from lab.plan import count, note
from lab.shim import CHANGES, SYNCS, Shim

#: Kind of death: which calls are counted.
DEATHS = {"kill-before": CHANGES + SYNCS, "kill-half": ["write", "pwrite"]}

#: A start, three deliveries and a stop make fewer calls than this.
CALLS_MAX = 400


class Place:
    """Where the store and the file of one round are, and what was promised there."""

    def __init__(self, rig, number):
        self.rig = rig
        self.folder = rig.folder / f"data-{number}"
        self.folder.mkdir()
        self.hand = Hand(rig.target, rig.folder / f"ledger-{number}")
        self.archive = verdict.Sink("archive", "jsonl", self.folder / "archive.jsonl")
        rig.conf.store["path"] = str(self.folder / "deliveries.db")
        rig.conf.sinks["archive"]["path"] = str(self.archive.path)

    def judge(self):
        figures = self.hand.judge(self.rig.conf.store["path"], [self.archive])
        return figures["promised"]


def is_over(rig):
    return not rig.daemon.is_running()


def live(rig, place):
    """A short life, from start to stop; dies somewhere in it, or not."""
    daemon = rig.daemon
    daemon.spawn()
    wait_until(lambda: is_over(rig) or daemon.notify.count("READY"), "ready or dead")
    before = place.archive.lines()
    sizes = [20_000, 100, 100]
    for size in sizes:
        if is_over(rig) or place.hand.deliver(size=size) is None:
            break
    else:
        wait_until(lambda: is_over(rig) or place.archive.lines() >= before + len(sizes),
                   "the file sink")
        if not is_over(rig):
            daemon.signal(signal.SIGTERM)
    return daemon.wait()


def heal(rig, place):
    """Starts it on what was left; returns how long it took to be ready."""
    watch = Stopwatch()
    rig.daemon.start()
    seconds = watch.seconds()
    place.hand.send_again()
    assert place.hand.deliver() == 202
    return seconds


def die_everywhere(rig, shim, death, fresh):
    """Returns deaths, promises kept, and the slowest start."""
    place = Place(rig, "0")
    promised, slowest = 0, 0.0
    for n in range(1, CALLS_MAX):
        if fresh and n > 1:
            place = Place(rig, n)
        shim.arm(DEATHS[death], death, nth=n, path=f"{place.folder}*")
        status = live(rig, place)
        struck = shim.struck()
        assert status == (-signal.SIGKILL if struck else 0), rig.daemon.log_text()
        shim.disarm()
        slowest = max(slowest, heal(rig, place))
        promised = place.judge() + (promised if fresh else 0)
        rig.daemon.kill()
        if not struck:
            return n - 1, promised, slowest
    raise AssertionError(f"after {CALLS_MAX} calls there are still more")


@pytest.mark.parametrize("fresh", [True, False], ids=["new", "used"])
@pytest.mark.parametrize("death", DEATHS)
def test_crash_at_each_call(rig, death, fresh):
    del rig.conf.sinks["hook"]
    shim = Shim(rig.folder / "shim").preload(rig.daemon)
    deaths = promised = 0
    slowest = 0.0
    for _ in range(count("F2")):
        found = die_everywhere(rig, shim, death, fresh)
        deaths, promised = deaths + found[0], promised + found[1]
        slowest = max(slowest, found[2])
    store = "a new store" if fresh else "one store"
    note("F2", f"{death} on {store}: {deaths} deaths, {promised} acknowledged, 0 lost, "
               f"ready again max {slowest:.2f} s",
         death=death, fresh=fresh, deaths=deaths, promised=promised, lost=0,
         ready_max=round(slowest, 3))
    assert deaths > 10
    assert slowest <= 2.0 * SLOWNESS
