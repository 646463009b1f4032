"""F4: a sync fails, once or for good, at every n, of the WAL, the database, the store's directory,
the file sink's file and its directory.

Of the store: no delivery whose commit was struck gets a 2xx, the daemon ends with EX_IOERR within a
second, and the next start heals: what was promised is there, what was not is taken. Of a sink: the
daemon goes on, takes deliveries, and brings them to the file, each once, when syncing works again."""

import os
import threading

import pytest
from harness.paths import SLOWNESS
from harness.wait import Stopwatch, pause, wait_until
from lab.place import CALLS_MAX, Place, live
from lab.plan import count, note
from lab.shim import SYNCS, Shim

EXIT_LIMIT = 1.0

#: What of the store is synced: pattern below the store's folder.
STORE = {"WAL": "/deliveries.db-wal", "database": "/deliveries.db", "directory": ""}
SINK = {"file": "/out/archive.jsonl", "directory": "/out"}
TIMES = {"once": 1, "sticky": 0}


class StrikeWatch:
    """Notes when the first strike came and what was going on then."""

    def __init__(self, shim, hand):
        self.watch = None
        self.begun = 0  # deliveries begun at that moment
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, args=(shim, hand))
        self._thread.start()

    def _watch(self, shim, hand):
        while not self.watch:
            stopped = self._stop.wait(0.001)
            if shim.struck():
                self.watch = Stopwatch()
                self.begun = len(hand.deliveries)
            elif stopped:
                return

    def stop(self):
        """Seconds since the strike; None: there was none."""
        self._stop.set()
        self._thread.join()
        return self.watch.seconds() if self.watch else None


def check_no_promise_after(watch, hand, began):
    """The delivery that was on its way when the sync failed, and all after it."""
    struck = hand.deliveries[max(began, watch.begun - 1):]
    assert all(delivery.status not in (200, 202) for delivery in struck), \
        "a 2xx for a commit whose sync failed"


def fail_everywhere(rig, shim, what, times, place):
    """Returns failures, promises and the slowest end, over all n."""
    slowest = 0.0
    for n in range(1, CALLS_MAX):
        shim.arm(SYNCS, "fail", "EIO", nth=n, times=times, path=f"{place.folder}{STORE[what]}")
        watch = StrikeWatch(shim, place.hand)
        began = len(place.hand.deliveries)
        status = live(rig, place)
        seconds = watch.stop()
        shim.disarm()
        if seconds is None:
            assert status == 0
        elif not rig.daemon.events("stopping"):
            # A checkpoint that fails while it stops changes nothing, and neither does SQLite's own
            # sync of the directory at the first commit: ours came before.
            if what == "WAL":
                check_no_promise_after(watch, place.hand, began)
            assert status == os.EX_IOERR, rig.daemon.log_text()
            slowest = max(slowest, seconds)
        rig.daemon.start()
        place.hand.send_again()
        assert place.hand.deliver() == 202
        promised = place.judge()
        rig.daemon.kill()
        if seconds is None:
            return n - 1, promised, slowest
    raise AssertionError(f"after {CALLS_MAX} syncs there are still more")


@pytest.mark.parametrize("times", TIMES.values(), ids=TIMES)
@pytest.mark.parametrize("what", STORE)
def test_store(rig, what, times):
    """Without sinks, so that each sync of the WAL is the commit of a delivery."""
    rig.conf.sinks.clear()
    shim = Shim(rig.folder / "shim").preload(rig.daemon)
    failures = promised = 0
    slowest = 0.0
    for number in range(count("F4")):
        found = fail_everywhere(rig, shim, what, times, Place(rig, number))
        failures, promised = failures + found[0], promised + found[1]
        slowest = max(slowest, found[2])
    kind = "sticky" if times == 0 else "once"
    note("F4", f"{what}, {kind}: {failures} failed syncs, {promised} acknowledged, 0 lost, "
               f"ended after max {slowest:.2f} s",
         what=what, kind=kind, failures=failures, promised=promised, lost=0,
         ended_max=round(slowest, 3))
    assert failures > 0
    assert slowest <= EXIT_LIMIT * SLOWNESS


def test_directory_is_synced_after_the_wal_is_made(rig):
    """A store that was stopped cleanly has no WAL; the next start makes one. When its name cannot be
    made to last, nothing may be promised."""
    rig.conf.sinks.clear()
    shim = Shim(rig.folder / "shim").preload(rig.daemon)
    place = Place(rig, "clean")
    rig.daemon.start()
    assert place.hand.deliver() == 202
    assert rig.daemon.stop() == 0
    assert not (place.folder / "deliveries.db-wal").exists()
    shim.arm(SYNCS, "fail", "EIO", nth=2, times=0, path=str(place.folder))
    rig.daemon.spawn()
    assert rig.daemon.wait() == os.EX_IOERR, "the first sync was before the WAL was made"
    assert "cannot sync the directory" in rig.daemon.log_text()
    shim.disarm()
    rig.daemon.start()
    place.judge()


@pytest.mark.parametrize("times", TIMES.values(), ids=TIMES)
@pytest.mark.parametrize("what", SINK)
def test_sink(rig, what, times):
    del rig.conf.sinks["hook"]
    shim = Shim(rig.folder / "shim").preload(rig.daemon)
    failures = 0
    for n in range(1, CALLS_MAX):
        place = Place(rig, n)
        shim.arm(SYNCS, "fail", "EIO", nth=n, times=times, path=f"{place.folder}{SINK[what]}")
        rig.daemon.start()
        for _ in range(3):
            assert place.hand.deliver() == 202
            wait_until(lambda: shim.struck() or place.archive.lines() == len(place.hand.deliveries),
                       "the sink, or its failure")
        if shim.struck():
            assert place.archive.lines() < 3 or times == 1
            wait_until(lambda: shim.struck() >= (3 if times == 0 else 1), "it to try again")
            shim.disarm()
        place.judge()
        failures += shim.struck()
        assert rig.daemon.stop() == 0
        if not shim.struck():
            break
    kind = "sticky" if times == 0 else "once"
    note("F4", f"file sink's {what}, {kind}: {failures} failed syncs, 0 lost, 0 twice",
         what=f"sink-{what}", kind=kind, failures=failures, lost=0)
    assert failures > 0


def test_nobody_of_a_struck_batch_is_promised(rig):
    """Many at once: none of those whose common sync failed, nor any after, gets a 2xx."""
    del rig.conf.sinks["hook"]
    shim = Shim(rig.folder / "shim").preload(rig.daemon)
    place = Place(rig, "batch")
    wal = f"{place.folder}{STORE['WAL']}"
    rig.daemon.start()
    shim.arm(["fdatasync", "fsync"], "delay", 0.4, times=0, path=wal)
    shim.arm(["fdatasync", "fsync"], "fail", "EIO", nth=6, times=0, path=wal, slot=1)
    threads = [threading.Thread(target=lambda: [place.hand.deliver(job=f"job-{i}")
                                                for _ in range(20)]) for i in range(16)]
    for thread in threads:
        thread.start()
    wait_until(lambda: shim.seen() >= 6, "the sync that is going to fail")
    pause(0.3)  # answers of the commits before it arrive; it itself fails after 0.4 s

    def promised():
        return {delivery.id for delivery in place.hand.deliveries
                if delivery.status in (200, 202)}
    before = promised()
    for thread in threads:
        thread.join()
    assert rig.daemon.wait() == os.EX_IOERR
    assert before and promised() == before
    assert len(place.hand.deliveries) > len(before) + 10, "a batch was struck"
    shim.disarm(0)
    shim.disarm(1)
    rig.daemon.start()
    place.hand.send_again()
    promises = place.judge()
    note("F4", f"a batch: {len(before)} acknowledged before, 0 by the failed sync, "
               f"{promises} in the end, 0 lost", what="batch", before=len(before), lost=0)
