"""F3: the power cut. What was written but not synced may be there, in part, torn, in any order, or not at
all; what was acknowledged has to be there.

A life of the real daemon is recorded (recorder/record.h, lab/power.py), then cut off at many places
of it. For each the files are put into one of the states that the cut could have left (lab/disk.py),
a daemon is started on them, and everything that was promised is demanded: each acknowledged delivery
in the store with its own body, known again when a copy comes, one line each in the file sink's
files, each job's file at its newest state, an intact database, a start within two seconds.

That such a laboratory can find anything is shown by three faults that it has to find."""

import platform
import random
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from harness.conf import Conf
from harness.daemon import Daemon
from lab import disk, power
from lab.plan import count, note

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="the recorder goes by the "
                                "system call numbers of x86-64")

#: Each recording is cut so often.
CUTS_OF_A_RECORDING = 100

#: A fault must be found within so many cuts.
CUTS_OF_A_FAULT = 60


@pytest.fixture
def cut_folder():
    """Where disks are put back: in memory if that can be, since there are many."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        yield Path(name)


def make_recording(folder, make, *how):
    folder.mkdir()
    conf = Conf(folder)
    daemon = Daemon(conf)
    try:
        return make(conf, daemon, *how), conf
    finally:
        daemon.abandon()


def test_power_cut(folder, cut_folder):
    cuts = count("F3")
    figures = Counter()
    most_promised = slowest = 0
    losses = []
    for first in range(0, cuts, CUTS_OF_A_RECORDING):
        chance = random.Random(first)
        recording, conf = make_recording(folder / f"life-{first}", power.record, first)
        at = power.places(recording, min(CUTS_OF_A_RECORDING, cuts - first), chance)
        for place, now in power.walk(recording, at):
            figures.update({f"cuts with unsynced {kind}": n > 0
                            for kind, n in now.unsynced().items()})
            try:
                survivor = power.survive(recording, now, place, conf, cut_folder / "disk", first)
            except power.Loss as loss:
                losses.append((first, place, str(loss)))
                continue
            most_promised = max(most_promised, len(survivor.promised))
            slowest = max(slowest, survivor.seconds)
            figures["promises looked for"] += len(survivor.promised)
            figures["cuts with promises"] += bool(survivor.promised)
    lost = sum(loss.startswith("acknowledged") for _, _, loss in losses)
    note("F3", f"{cuts} cuts, {figures['promises looked for']} acknowledged deliveries looked for, "
               f"{lost} lost, {len(losses)} cuts with any fault, ready again max {slowest:.2f} s",
         cuts=cuts, lost=lost, losses=losses, most_promised=most_promised,
         ready_max=round(slowest, 3), **figures)
    assert not losses, losses
    assert figures["cuts with promises"] > cuts * 0.8, "most cuts came before anything was promised"
    for kind in ("db", "db-wal", "jsonl", "job", "names") if cuts >= CUTS_OF_A_RECORDING else ():
        assert figures[f"cuts with unsynced {kind}"] > 0, f"no cut met unsynced {kind}"


@pytest.mark.parametrize("fault, what", [
    ("normal", {"acknowledged"}),
    ("folder", {"acknowledged"}),
    ("sink", {"line"}),
])
def test_a_fault_is_found(folder, cut_folder, fault, what):
    recording, conf = make_recording(folder / "life", power.record_broken, fault)
    found = Counter()
    tried = 0
    # In the order of chance, not of time: the first that shows it ends the search.
    at = power.places(recording, CUTS_OF_A_FAULT, random.Random(fault))
    for place in random.Random(1).sample(at, len(at)):
        tried += 1
        (_, now), = power.walk(recording, [place])
        try:
            power.survive(recording, now, place, conf, cut_folder / "disk", fault)
        except power.Loss as loss:
            found[loss.what] += 1
            break
    note("F3", f'with the fault "{fault}": found after {tried} cuts as {dict(found)}',
         fault_put_in=fault, tried=tried, found=dict(found))
    assert set(found) & what, f"not found in {tried} cuts: {dict(found)}"


def test_what_a_cut_may_leave():
    """The disk's own rules: what is synced stays, what is not may go, names need their folder."""
    def write(at, data):
        return disk.Event(disk.WRITE, 1, at, data)

    now = disk.Disk()
    for event in [disk.Event(disk.CREATE, 1, 0, b"/d/file"), write(0, b"a" * 1024),
                  disk.Event(disk.SYNC_BEGIN, 1, 7, b""), write(512, b"b" * 1024),
                  disk.Event(disk.SYNC_END, 1, 7, b"")]:
        now.apply(event)
    seen = {}
    for seed in range(300):
        state = now.after_cut(random.Random(seed))
        seen[bytes(state["/d/file"][1].data) if state else None] = True
    assert None in seen, "the name was never lost, although its folder was not synced"
    assert all(data is None or data.startswith(b"a" * 512) for data in seen)
    tails = {data[512:] for data in seen if data}
    assert tails >= {b"a" * 512, b"b" * 1024, b"b" * 512, b"a" * 512 + b"b" * 512}, tails

    for event in [disk.Event(disk.FOLDER_BEGIN, 0, 8, b"/d"), disk.Event(disk.FOLDER_END, 0, 8, b"/d"),
                  disk.Event(disk.RENAME, 1, 0, b"/d/file\0/d/other")]:
        now.apply(event)
    names = {tuple(now.after_cut(random.Random(seed))) for seed in range(100)}
    assert names == {("/d/file",), ("/d/other",)}
