"""Latency at a fixed rate, from the moment at which a request was due, and from an answer to the
start of its hook."""

from pathlib import Path
from statistics import quantiles
from typing import Callable, Dict, List

from . import load, proc
from .context import Context
from .hooks import CONNECTIONS, exec_sink
from .servers import Daemon

Sample = Dict[str, float]

#: Deliveries a second while hooks are timed: less than can be run.
HOOK_RATE = 200


def _at(rate: int) -> Callable[[Context], Sample]:
    def measure(context: Context) -> Sample:
        seconds = context.size.seconds
        requests = context.requests.get("sasha", context.size.requests)
        with context.state("latency") as folder, Daemon(folder, context.daemon) as daemon:
            cpu = proc.cpu_seconds(daemon.pid)
            result = load.fixed(context.program("load"), daemon.address, requests, rate, seconds,
                                CONNECTIONS)
            return {
                "rate": result["answers"] / result["seconds"],
                "cpu_usec": (proc.cpu_seconds(daemon.pid) - cpu) / result["answers"] * 1e6,
                "p50_usec": result["p50"],
                "p99_usec": result["p99"],
                "p999_usec": result["p999"],
                "rss_mib": proc.memory_mib(daemon.pid, "VmHWM"),
            }
    return measure


def _times(path: Path) -> Dict[str, int]:
    """Microseconds by request id."""
    lines = (line.split() for line in path.read_text().splitlines())
    return {name: int(usec) for name, usec in lines}


def _percentiles(waits: List[int]) -> Sample:
    cuts = quantiles(waits, n=1000, method="inclusive")
    return {"p50_usec": cuts[499], "p99_usec": cuts[989], "p999_usec": cuts[998]}


def hook_start(context: Context) -> Sample:
    """Not below zero: a hook can begin before the client has read its answer."""
    requests = context.requests.get("sasha", context.size.requests)
    with context.state("latency") as folder:
        marks, answers = folder / "marks", folder / "answers"
        sink = exec_sink(str(context.program("mark")), str(marks))
        with Daemon(folder, context.daemon, sink) as daemon:
            result = load.fixed(context.program("load"), daemon.address, requests, HOOK_RATE,
                                context.size.seconds, CONNECTIONS, answers=answers)
            daemon.wait_until_delivered("hooks", int(result["answers"]))
        answered, started = _times(answers), _times(marks)
        waits = [max(0, started[name] - usec) for name, usec in answered.items()]
        return {"rate": HOOK_RATE, **_percentiles(waits)}


ROWS: Dict[str, Callable[[Context], Sample]] = {
    "latency-1000": _at(1000),
    "latency-5000": _at(5000),
    "hook-start": hook_start,
}
