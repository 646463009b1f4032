"""Rates at saturation: floor, verify, durable, peer. Connections that always have a request under
way, and all that the server can answer."""

from typing import Callable, Dict

from . import load, proc
from .context import Context
from .scheme import Requests
from .servers import Daemon, Floor, Peer, Server, Verify, answer_of

Sample = Dict[str, float]

CONNECTIONS = 64

#: With so many no server waits for the load: all but the callbacks of one commit are under way.
MANY_CONNECTIONS = 256

#: The number, in a file of its own, of the request that is spoilt, and of the one that is not.
FORGED, GENUINE = 0, 1


def spoil(request: bytes) -> bytes:
    """The same with another body of the same length, which nobody signed."""
    return request.replace(b'"status":"completed"', b'"status":"cancelled"')


def check_it_verifies(context: Context, server: Server) -> None:
    """A server that answers faster because it does not check would be no comparison."""
    few = context.requests.get(server.scheme, 2, seed=2)
    forged = answer_of(server.address, spoil(few.nth(FORGED)))
    genuine = answer_of(server.address, few.nth(GENUINE))
    if forged not in (401, 500) or genuine != 202:  # 500 is what webhook says
        raise RuntimeError(f"{type(server).__name__} answers a forged request {forged} and a "
                           f"genuine one {genuine}")


def saturate(context: Context, server: Server, requests: Requests,
             connections: int = CONNECTIONS) -> Sample:
    before = proc.cpu_seconds(server.pid)
    result = load.wrk(server.address, requests, context.size.seconds, connections)
    cpu = proc.cpu_seconds(server.pid) - before
    return {
        "rate": result["answers"] / result["seconds"],
        "cpu_usec": cpu / result["answers"] * 1e6,
        "p50_usec": result["p50"],
        "p99_usec": result["p99"],
        "rss_mib": proc.memory_mib(server.pid, "VmHWM"),
        "answers": result["answers"],
    }


def measure(context: Context, server: Server, connections: int = CONNECTIONS,
            before: Callable[[], None] = lambda: None) -> Sample:
    """Starts the server, sees that it checks what it should, and saturates it. `before` is done
    between start and load."""
    requests = context.requests.get(server.scheme, context.size.requests)
    with server:
        before()
        idle = proc.memory_mib(server.pid, "VmRSS")
        if type(server) is not Floor:
            check_it_verifies(context, server)
        sample = saturate(context, server, requests, connections)
        sample["idle_mib"] = idle
        sample["start_ms"] = server.start_seconds * 1e3
        if isinstance(server, Daemon):
            sample.update(_of_daemon(server, sample["answers"]))
    return sample


def _of_daemon(daemon: Daemon, answers: float) -> Sample:
    """What the daemon itself counted; each request must have been stored as a new one."""
    counts = daemon.metrics()
    stored = counts["sasha_deliveries_stored_total"]
    if stored < answers:
        raise RuntimeError(f"{answers:.0f} answers but only {stored:.0f} stored deliveries")
    commits = counts["sasha_commit_duration_seconds_count"]
    pending = [value for name, value in counts.items() if name.startswith("sasha_sink_pending")]
    sample = {"batch": stored / commits}
    if pending:
        sample["behind"] = sum(pending)
    return sample


def floor(context: Context, connections: int = CONNECTIONS) -> Sample:
    with context.state("floor") as folder:
        return measure(context, Floor(folder, context.program("floor")), connections)


def verify(context: Context, connections: int = CONNECTIONS) -> Sample:
    with context.state("verify") as folder:
        return measure(context, Verify(folder, context.program("verify")), connections)


def durable(context: Context, connections: int = CONNECTIONS) -> Sample:
    with context.state("durable") as folder:
        return measure(context, Daemon(folder, context.daemon), connections)


def durable_file(context: Context) -> Sample:
    with context.state("durable") as folder:
        sink = f'sink "archive" {{ type = "file"  path = "{folder}/jobs.jsonl" }}'
        return measure(context, Daemon(folder, context.daemon, sink))


def peer(context: Context, connections: int = CONNECTIONS) -> Sample:
    with context.state("peer") as folder:
        return measure(context, Peer(folder), connections)


def peer_exec(context: Context) -> Sample:
    with context.state("peer") as folder:
        return measure(context, Peer(folder, "/bin/true"))


def _with_many(row: Callable[..., Sample]) -> Callable[[Context], Sample]:
    return lambda context: row(context, MANY_CONNECTIONS)


ROWS: Dict[str, Callable[[Context], Sample]] = {
    "floor": floor,
    "verify": verify,
    "durable": durable,
    "durable-file": durable_file,
    "peer": peer,
    "peer-exec": peer_exec,
    "floor-256": _with_many(floor),
    "verify-256": _with_many(verify),
    "durable-256": _with_many(durable),
    "peer-256": _with_many(peer),
}
