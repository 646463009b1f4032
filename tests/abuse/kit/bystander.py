"""Somebody who behaves: sends signed callbacks one after another over one connection, opened anew
when it ends, and remembers how long each took. In a process of its own, so that what the test is busy
with does not count as the daemon's."""

import multiprocessing
import time
from dataclasses import dataclass
from typing import List, Optional

from harness.callback import make_job
from harness.daemon import Daemon
from harness.http import Client, ConnectionEnded

#: What a busy machine may add to a single wait, in seconds: differences below it say nothing.
GRACE = 0.05

FORK = multiprocessing.get_context("fork")


@dataclass
class Try:
    at: float  # monotonic, when it was begun
    seconds: float
    request_id: str
    status: int  # 0: no answer, or no connection


def work(daemon: Daemon, pause: float, stop, answer) -> None:
    tries: List[Try] = []
    client: Optional[Client] = None
    while not stop.wait(pause):
        callback = daemon.callback(make_job())
        begin = time.monotonic()
        status, closing = 0, True
        try:
            client = client or daemon.client(timeout=30)
            response = client.exchange(callback.wire())
            status = response.status
            closing = response.headers.get("connection", "").lower() == "close"
        except (OSError, ConnectionEnded):
            pass
        tries.append(Try(begin, time.monotonic() - begin, callback.request_id, status))
        if closing and client:
            client.close()
            client = None
    answer.send((tries, daemon.heard))


class Bystander:
    """A context; what it found is there when it is left."""

    def __init__(self, daemon: Daemon, pause: float = 0.01) -> None:
        self.daemon = daemon
        self.tries: List[Try] = []
        self._stop = FORK.Event()
        self._answer, other = FORK.Pipe(duplex=False)
        self._process = FORK.Process(target=work, args=(daemon, pause, self._stop, other),
                                     daemon=True)

    def __enter__(self) -> "Bystander":
        self._process.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._answer.poll(60):
            self.tries, heard = self._answer.recv()
            self.daemon.heard += heard
        self._process.join(10)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        assert self.tries, "the bystander came to nothing"

    def count(self, *statuses: int) -> int:
        return sum(each.status in statuses for each in self.tries)

    def accepted(self) -> List[str]:
        return [each.request_id for each in self.tries if each.status == 202]

    def p99(self, since: float, until: float) -> float:
        """Seconds of what was accepted, begun within that time. Of the 99th percentiles of its three
        thirds the middle one: harm lasts, a stall of the machine does not."""
        third = (until - since) / 3
        return sorted(self._p99_of(since + i * third, since + (i + 1) * third)
                      for i in range(3))[1]

    def _p99_of(self, since: float, until: float) -> float:
        values = sorted(each.seconds for each in self.tries
                        if since <= each.at < until and each.status == 202)
        assert values, "not one callback was accepted"
        return values[min(len(values) - 1, int(len(values) * 0.99))]


def check_unharmed(before: float, during: float) -> None:
    """Seconds of the 99th percentile: at most twice as long, beyond what any machine may add."""
    assert during <= 2 * before + GRACE, f"p99 {before * 1000:.1f} ms, then {during * 1000:.1f} ms"
