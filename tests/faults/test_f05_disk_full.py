"""F5: the disk of the store, and of a file sink, is full, and then not any more.

Filled by the load itself down to the floor; filled to the last byte by somebody else's file, under
load; and full when the daemon starts, after a SIGKILL that left a WAL. Valid callbacks are answered
2xx or 503 and nothing else (the oracle's load ends with an error otherwise), the daemon stays up
and says that it is not ready, and within ten seconds after space returned it accepts again, by
itself. In the end nothing that was acknowledged is lost."""

import json
import re

import pytest
from harness.http import Client
from harness.paths import SLOWNESS
from harness.wait import Stopwatch, pause, wait_until
from lab.hand import Hand
from lab.plan import count, note
from lab.small_disk import MIB, SmallDisk

#: Sizes of the file system; the first so many are used.
SIZES = [16, 96, 8, 256]

RECOVERY_LIMIT = 10.0


@pytest.fixture
def disk(folder, request):
    disk = SmallDisk(folder / "disk", request.param * MIB)
    yield disk
    disk.unmount()


def ask(rig, target):
    """An answer of the admin listener."""
    with Client(f"unix:{rig.folder}/admin.sock", 10.0) as client:
        return client.exchange(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())


def is_ready(rig):
    response = ask(rig, "/readyz")
    assert response.status in (200, 503), response
    return response.status == 200


def metric(rig, name):
    return int(re.search(rf"^{name} (\d+)$", ask(rig, "/metrics").body.decode(), re.M)[1])


def status(rig):
    return json.loads(ask(rig, "/v1/status").body)


def space_returns(rig, disk, hand):
    """Seconds until it is ready and takes a delivery."""
    watch = Stopwatch()
    disk.empty()
    wait_until(lambda: is_ready(rig), "ready again", 3 * RECOVERY_LIMIT, interval=0.02)
    assert hand.deliver() == 202
    return watch.seconds()


def wait_refused(rig, hand):
    """Until it says that it is not ready, and answers so."""
    wait_until(lambda: not is_ready(rig), "not ready any more", 60)
    assert hand.deliver() == 503


@pytest.mark.parametrize("disk", SIZES[:count("F5")], indirect=True, ids=lambda size: f"{size}M")
def test_disk_full(rig, disk):
    floor = disk.size // 8
    rig.conf.store |= {"path": str(disk.folder / "deliveries.db"), "disk_floor": str(floor)}
    rig.conf.sinks["archive"]["path"] = str(disk.folder / "archive.jsonl")
    daemon = rig.daemon
    hand = Hand(rig.target, rig.ledger)
    daemon.start()
    reserve = metric(rig, "sasha_store_reserve_bytes")
    assert 0 < reserve <= disk.size // 16
    recovery = {}

    # By the load itself: the floor. It leaves what the floor leaves.
    disk.fill(leave=2 * floor)
    load = rig.load(rate=400, size=16_384)
    wait_refused(rig, hand)
    assert metric(rig, "sasha_store_below_floor") == 1
    recovery["floor"] = space_returns(rig, disk, hand)
    load.wait_promised(20)

    # By somebody else, to the last byte, again and again.
    watch = Stopwatch()
    while watch.seconds() < 3 or not metric(rig, "sasha_store_disk_full"):
        disk.fill()
        assert daemon.is_running() and watch.seconds() < 60, daemon.log_text()[-3000:]
        pause(0.01)
    assert metric(rig, "sasha_store_reserve_bytes") < reserve
    assert status(rig)["store"]["disk_full"]
    wait_refused(rig, hand)
    recovery["full"] = space_returns(rig, disk, hand)
    load.wait_promised(20)

    # Full at the start, with a WAL left over and what the reserve gives back taken as well.
    daemon.kill()
    disk.fill()
    daemon.start()
    disk.fill()
    wait_refused(rig, hand)
    pause(1.5)
    assert not is_ready(rig)
    recovery["start"] = space_returns(rig, disk, hand)
    wait_until(lambda: metric(rig, "sasha_store_reserve_bytes") == reserve, "the reserve")
    load.wait_promised(20)
    summary = load.stop()
    figures = rig.check()
    lines = [event["event"] for event in daemon.events()
             if event["event"] in ("store-unavailable", "store-available")]
    slowest = max(recovery.values())
    note("F5", f"{disk.size // MIB} MiB: {figures['promised']} acknowledged, {figures['lost']} lost, "
               f"{summary['unavailable']} times 503, accepts again max {slowest:.2f} s after space "
               "returned",
         size=disk.size, recovery=recovery, load=summary, **figures)
    assert summary["unavailable"] > 0
    assert lines == ["store-unavailable", "store-available"], lines
    assert slowest <= RECOVERY_LIMIT * SLOWNESS
