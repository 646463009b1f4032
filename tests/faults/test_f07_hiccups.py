"""F7: system calls that are interrupted, do a part, are not ready, or find no descriptor or process.

Under load each fault lasts for a moment; what it could not do is done later, nothing is lost, no
attempt of a hook is used up for what was never started, and the daemon does not spin meanwhile.

Not tried, because no kernel does it: EAGAIN or half of it for bytes that an edge-triggered epoll has
just announced."""

import os
import resource
from dataclasses import dataclass
from typing import Callable, List, Optional

import pytest
from harness import process
from harness.stored import query
from harness.wait import Stopwatch, pause, wait_until
from lab.plan import count, note
from lab.rig import Rig
from lab.shim import Shim

#: Seconds that a fault lasts, and the share of one processor that the daemon may use meanwhile. Load
#: by itself takes a few hundredths.
LASTS = 0.7
BUSY_MAX = 0.5


@dataclass
class Case:
    name: str
    calls: List[str]
    action: str
    value: object
    path: str = ""  # below the test's folder; "": about anything
    thread: str = ""
    times: int = 0  # 0: all that come while it lasts
    begin: Optional[Callable[[Rig], None]] = None  # once it is armed


def knock(rig):
    """Connections, so that there is something to accept."""
    for _ in range(20):
        rig.daemon.client().close()


def rotate(rig):
    """The file is opened anew."""
    n = len(list(rig.folder.glob("archive-*.jsonl")))
    rig.conf.archive.rename(rig.folder / f"archive-{n:03}.jsonl")


#: Where every call would be struck the daemon could only spin: an interrupted wait is tried again at
#: once. Those are struck so many times.
MANY = 200

CASES = [
    Case("EINTR: waiting", ["epoll_wait", "poll"], "fail", "EINTR", times=MANY),
    Case("EINTR: receiving", ["recv", "read"], "fail", "EINTR", thread="intake", times=MANY),
    Case("EINTR: sending", ["send", "write"], "fail", "EINTR", thread="intake", times=MANY),
    Case("EINTR: accepting", ["accept"], "fail", "EINTR", times=MANY, begin=knock),
    Case("EINTR: store", ["pwrite", "write", "pread", "read"], "fail", "EINTR",
         path="/deliveries.db*", times=MANY),
    Case("EINTR: file sink", ["write", "fdatasync", "pread"], "fail", "EINTR",
         path="/archive.jsonl", times=MANY),
    Case("short: store", ["pwrite", "write"], "short", 100, path="/deliveries.db*"),
    Case("short: file sink", ["write"], "short", 7, path="/archive.jsonl"),
    Case("short: sending", ["send"], "short", 5, thread="intake"),
    Case("EAGAIN: accepting", ["accept"], "fail", "EAGAIN", times=MANY, begin=knock),
    Case("EMFILE: accepting", ["accept"], "fail", "EMFILE", begin=knock),
    Case("ENOMEM: accepting", ["accept"], "fail", "ENOMEM", begin=knock),
    Case("ENOMEM: watching", ["epoll_add"], "fail", "ENOMEM", thread="intake", begin=knock),
    Case("EMFILE: pipe of a hook", ["pipe"], "fail", "EMFILE", thread="sink-hook"),
    Case("EMFILE: stdin of a hook", ["memfd"], "fail", "EMFILE", thread="sink-hook"),
    Case("EMFILE: starting a hook", ["spawn"], "fail", "EMFILE", thread="hook-starter"),
    Case("EAGAIN: starting a hook", ["spawn"], "fail", "EAGAIN", thread="hook-starter"),
    Case("ENOMEM: starting a hook", ["spawn"], "fail", "ENOMEM", thread="hook-starter"),
    Case("EMFILE: opening the sink's file", ["open"], "fail", "EMFILE", path="/archive.jsonl",
         begin=rotate),
    Case("ENOSPC: file sink", ["write"], "fail", "ENOSPC", path="/archive.jsonl"),
]


def used(pid):
    """Seconds of processor time so far, all threads."""
    fields = process.stat_fields(pid)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def share_while(daemon, seconds):
    """The share of one processor that the daemon uses in the next seconds."""
    before, watch = used(daemon.pid), Stopwatch()
    pause(seconds)
    return (used(daemon.pid) - before) / watch.seconds()


def settle(rig, load):
    """After the fault: everything is served again, and nothing was lost."""
    load.wait_promised(50)
    summary = load.stop()
    figures = rig.check()
    most = query(rig.conf.store["path"],
                 "SELECT coalesce(max(number), 0) FROM attempts WHERE result = 'ok'")[0][0]
    return summary, figures, most


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_hiccup(rig, case):
    rig.conf.sinks["hook"]["retry_attempts"] = 3
    shim = Shim(rig.folder / "shim").preload(rig.daemon)
    rig.daemon.start()
    load = rig.load(rate=200, connections=8, timeout=10)
    load.wait_promised(20)
    busiest = struck = 0
    for _ in range(count("F7")):
        shim.arm(case.calls, case.action, case.value, times=case.times, thread=case.thread,
                 path=f"{rig.folder}{case.path}" if case.path else "")
        if case.begin:
            case.begin(rig)
        busiest = max(busiest, share_while(rig.daemon, LASTS))
        if not shim.struck():
            wait_until(shim.struck, f"{case.name} to strike")
        struck += shim.struck()
        shim.disarm()
        assert rig.daemon.is_running(), rig.daemon.log_text()[-3000:]
        load.wait_promised(10)
    summary, figures, most = settle(rig, load)
    note("F7", f"{case.name}: struck {struck} times, {figures['promised']} acknowledged, "
               f"{figures['lost']} lost, {busiest:.0%} of a processor",
         case=case.name, struck=struck, busiest=round(busiest, 2), load=summary, **figures)
    assert busiest < BUSY_MAX, "it spins"
    if "hook" in case.thread:
        assert most == 1, "an attempt was used up for a hook that was never started"


def test_limit_of_open_files(rig):
    """The kernel's own EMFILE: not one more descriptor for a while."""
    rig.daemon.start()
    load = rig.load(rate=200, connections=8, timeout=10)
    load.wait_promised(20)
    before = resource.prlimit(rig.daemon.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(rig.daemon.pid, resource.RLIMIT_NOFILE, (3, before[1]))
    busiest = share_while(rig.daemon, 2 * LASTS)
    with rig.daemon.client(30) as late:
        callback = rig.daemon.callback()
        late.send(callback.wire())
        pause(0.3)
        resource.prlimit(rig.daemon.pid, resource.RLIMIT_NOFILE, before)
        # The oracle knows nothing of this one: it is a copy of what it never sent, and so not sent.
        status = late.read().status
    assert status == 202
    load.wait_promised(50)
    load.stop()
    assert busiest < BUSY_MAX, "it spins"
    assert [event["event"] for event in rig.daemon.events("accept-recovered")]
    note("F7", f"limit of open files: recovered, {busiest:.0%} of a processor", case="rlimit",
         busiest=round(busiest, 2))
