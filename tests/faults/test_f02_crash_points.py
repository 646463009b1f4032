"""F2: the process dies at each system call of the commit path, for every n.

The calls are those that change or sync the store (database, WAL, index, lock, directory) and the
file of the file sink: first each one is not made any more, then of each write only half is. Once
on a store that is new each time, so that making it is among what dies; once on one store that each
start has to heal first. A round is: start, three deliveries, a clean stop. After each death the
daemon must be ready within two seconds, know what it promised, and take what it had not."""

import signal

import pytest
from harness.paths import SLOWNESS
from harness.wait import Stopwatch
from lab.place import CALLS_MAX, Place, live
from lab.plan import count, note
from lab.shim import CHANGES, SYNCS, Shim

#: Kind of death: which calls are counted.
DEATHS = {"kill-before": CHANGES + SYNCS, "kill-half": ["write", "pwrite"]}


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
