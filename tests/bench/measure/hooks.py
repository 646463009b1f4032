"""Hooks: completed runs a second, of the daemon, of the peer, and of a bare loop that spawns.

What is measured is the time from the first request until the last of so many hooks has ended. The
requests themselves are through in a fraction of that."""

import resource
import subprocess
import time
from pathlib import Path
from typing import Callable, Dict, Tuple

from . import load, proc
from .context import Context
from .scheme import Requests
from .servers import Daemon, Peer, Server

Sample = Dict[str, float]

#: How many hooks run at a time; the default of `concurrency`.
WIDTH = 4

CONNECTIONS = 64

#: A line of bench_mark.
MARK_LENGTH = 54

#: Without one more hook ended in so long, no more are expected.
STANDSTILL_SECONDS = 10.0

#: Asking costs the server time, so it is asked rarely before the end is near.
POLL_SECONDS = (0.01, 0.5)


def exec_sink(command: str, *arguments: str) -> str:
    argv = ", ".join(f'"{part}"' for part in (command, *arguments))
    return f'sink "hooks" {{ type = "exec"  command = {{{argv}}}  concurrency = {WIDTH} }}'


def _requests(context: Context, scheme: str) -> Requests:
    return context.requests.get(scheme, context.size.requests)


def _until_done(count: Callable[[], int], want: int) -> Tuple[int, float]:
    """How many were completed, and when the last one was; fewer than `want` when no more come."""
    begin = changed = time.monotonic()
    seen = 0
    while seen < want:
        now_seen, now = count(), time.monotonic()
        if now_seen > seen:
            seen, changed = now_seen, now
        elif now - changed > STANDSTILL_SECONDS:
            break
        left = (want - seen) * (now - begin) / max(seen, 1)
        time.sleep(min(max(left / 4, POLL_SECONDS[0]), POLL_SECONDS[1]))
    return seen, changed


def _measure(context: Context, server: Server, count: Callable[[], int]) -> Sample:
    """Hooks that were answered for and never ran are `lost`; the daemon must lose none."""
    hooks = context.size.hooks
    requests = _requests(context, server.scheme)
    with server:
        cpu = proc.cpu_seconds(server.pid)
        begin = time.monotonic()
        load.fixed(context.program("load"), server.address, requests, 0, 60, CONNECTIONS,
                   count=hooks)
        answered = time.monotonic()
        done, end = _until_done(count, hooks)
        if done == 0 or (done < hooks and isinstance(server, Daemon)):
            raise RuntimeError(f"only {done} of {hooks} hooks were completed")
        return {
            "rate": done / (end - begin),
            "lost": hooks - done,
            "cpu_usec": (proc.cpu_seconds(server.pid) - cpu) / done * 1e6,
            "rss_mib": proc.memory_mib(server.pid, "VmHWM"),
            "answered_s": answered - begin,
        }


def _cpu_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def spawn(context: Context) -> Sample:
    hooks = context.size.hooks
    cpu = _cpu_of_children()
    result = subprocess.run([context.program("spawn"), str(WIDTH), str(hooks), "/bin/true"],
                            capture_output=True, text=True, check=True, timeout=600)
    return {
        "rate": hooks / float(result.stdout),
        "cpu_usec": (_cpu_of_children() - cpu) / hooks * 1e6,
    }


def hooks_true(context: Context) -> Sample:
    with context.state("hooks") as folder:
        daemon = Daemon(folder, context.daemon, exec_sink("/bin/true"))

        def delivered() -> int:
            return int(daemon.metrics()['sasha_sink_delivered_total{sink="hooks"}'])
        return _measure(context, daemon, delivered)


def _count_marks(path: Path) -> Callable[[], int]:
    return lambda: path.stat().st_size // MARK_LENGTH if path.exists() else 0


def hooks_mark(context: Context) -> Sample:
    with context.state("hooks") as folder:
        marks = folder / "marks"
        daemon = Daemon(folder, context.daemon,
                        exec_sink(str(context.program("mark")), str(marks)))
        return _measure(context, daemon, _count_marks(marks))


def _peer(waits: bool) -> Callable[[Context], Sample]:
    def row(context: Context) -> Sample:
        with context.state("peer") as folder:
            marks = folder / "marks"
            peer = Peer(folder, str(context.program("mark")), [str(marks)], waits)
            return _measure(context, peer, _count_marks(marks))
    return row


ROWS: Dict[str, Callable[[Context], Sample]] = {
    "spawn": spawn,
    "hooks-true": hooks_true,
    "hooks-mark": hooks_mark,
    "peer-mark": _peer(waits=False),
    "peer-mark-wait": _peer(waits=True),
}
