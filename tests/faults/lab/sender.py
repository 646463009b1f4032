"""The oracle's sending half: a bounded load of deliveries, each with an id and a body of its own.

Each connection is a thread. One clock for all of them spaces the deliveries, so that a rate is a
rate whatever the daemon does: while it is away nothing is saved up. What got no whole answer, or a
503, is sent again a few times as SASHA would, with the same id and the same bytes; half of the
unanswered are left alone, so that both are there: copies after a crash, and what only the store
knows."""

import hashlib
import random
import threading
import time
from dataclasses import asdict, dataclass
from typing import Dict, List, Optional

from harness.callback import Secret, make_callback, make_job, new_request_id
from harness.http import Client, ConnectionEnded

from .ledger import Ledger

#: Times that one delivery is sent, and seconds between two of them.
TRIES = 20
TRY_AGAIN = 0.25


@dataclass
class Target:
    """Where to send, and what a genuine callback for it is made of."""

    address: str  # HOST:PORT or unix:PATH
    public_url: str
    path: str
    key: bytes
    token: Optional[str] = None
    secret_id: Optional[str] = None

    def wire(self, request_id: str, body: bytes, keep_alive: bool = True) -> bytes:
        secret = Secret("oracle", "", self.key, self.secret_id)
        return make_callback(secret, self.token, body, request_id, self.public_url,
                             self.path).wire(keep_alive)


@dataclass
class Load:
    connections: int = 8
    rate: float = 200.0  # deliveries a second, over all connections
    total: Optional[int] = None
    seconds: Optional[float] = None
    jobs: int = 50  # distinct job ids
    size: int = 4096  # most bytes that a body is padded by
    failed_share: float = 0.05  # of Jobs with status "failed", for sinks with a filter
    fresh: bool = False  # a connection of its own for each delivery
    timeout: float = 30.0  # of one answer
    seed: int = 1


@dataclass
class Outcome:
    sent: int = 0
    promised: int = 0
    duplicates: int = 0  # promised with a 200
    unavailable: int = 0
    lost: int = 0
    refused_connections: int = 0
    longest_answer: float = 0.0
    seconds: float = 0.0


class Sender:
    def __init__(self, target: Target, load: Load, ledger: Ledger) -> None:
        self.outcome = Outcome()
        self.wrong: List[str] = []
        self._target = target
        self._load = load
        self._ledger = ledger
        self._random = random.Random(load.seed)
        self._begin = self._next = time.monotonic()
        self._taken = 0
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._work, daemon=True)
                         for _ in range(load.connections)]

    def start(self) -> "Sender":
        self._begin = self._next = time.monotonic()
        for thread in self._threads:
            thread.start()
        return self

    def stop(self) -> None:
        self._stopped.set()

    def join(self) -> "Sender":
        for thread in self._threads:
            thread.join()
        self.outcome.seconds = round(time.monotonic() - self._begin, 3)
        return self

    def summary(self) -> Dict[str, object]:
        return {**asdict(self.outcome), "wrong": self.wrong[:20]}

    # ---- the schedule ----

    def _take(self) -> bool:
        """Waits for this thread's turn; False: no more."""
        load = self._load
        with self._lock:
            now = time.monotonic()
            if load.total is not None and self._taken >= load.total:
                return False
            if load.seconds is not None and now - self._begin >= load.seconds:
                return False
            self._taken += 1
            turn = max(self._next, now - 1 / load.rate)
            self._next = turn + 1 / load.rate
        return not self._stopped.wait(max(0.0, turn - now)) and not self._stopped.is_set()

    def _make(self, request_id: str) -> bytes:
        with self._lock:
            draw = self._random
            failed = draw.random() < self._load.failed_share
            fields = {"note": request_id}
            if draw.random() < 0.5:
                fields["fill"] = draw.randbytes(draw.randint(0, self._load.size // 2)).hex()
            job = f"job-{draw.randrange(self._load.jobs)}"
        return make_job(job, "failed" if failed else "completed", **fields)

    # ---- a connection ----

    def _work(self) -> None:
        client: Optional[Client] = None
        while self._take():
            request_id = new_request_id()
            body = self._make(request_id)
            client = self._deliver(client, request_id, body)
        if client:
            client.close()

    def _connect(self) -> Optional[Client]:
        """Tries until somebody listens; nothing is sent meanwhile."""
        while not self._stopped.is_set():
            try:
                return Client(self._target.address, self._load.timeout)
            except OSError:
                self._add("refused_connections")
                self._stopped.wait(0.01)
        return None

    def _deliver(self, client: Optional[Client], request_id: str,
                 body: bytes) -> Optional[Client]:
        """One delivery, again and again until it is promised; returns the connection if it lives."""
        wire = self._target.wire(request_id, body, not self._load.fresh)
        noted = False
        for _ in range(TRIES):
            client = client or self._connect()
            if not client:
                return None
            if not noted:
                self._note_sent(request_id, body)
                noted = True
            begin = time.monotonic()
            try:
                response = client.exchange(wire)
            except (OSError, ConnectionEnded):
                client.close()
                client = None
                self._add("lost")
                self._ledger.note("lost", request_id)
                if int(request_id[0], 16) % 2:
                    return None
                self._stopped.wait(TRY_AGAIN)
                continue
            self._judge(request_id, response, time.monotonic() - begin)
            if response.headers.get("connection", "").lower() == "close":
                client.close()
                client = None
            if response.status != 503 or self._stopped.wait(TRY_AGAIN):
                return client
        return client

    def _note_sent(self, request_id: str, body: bytes) -> None:
        digest = hashlib.sha256(body).hexdigest()
        status = "failed" if b'"status":"failed"' in body else "completed"
        job = body.split(b'"', 4)[3].decode()
        self._add("sent")
        self._ledger.note("sent", request_id, digest, status, job)

    def _judge(self, request_id: str, response, seconds: float) -> None:
        status = response.status
        if status in (200, 202):
            self._ledger.note("promised", request_id, status)
            self._add("promised")
            if status == 200:
                self._add("duplicates")
        elif status == 503 and "retry-after" in response.headers:
            self._ledger.note("unavailable", request_id)
            self._add("unavailable")
        else:
            self._ledger.note("wrong", request_id, status)
            with self._lock:
                self.wrong.append(f"{request_id}: {status} {response.body[:200]!r}")
        with self._lock:
            self.outcome.longest_answer = round(max(self.outcome.longest_answer, seconds), 3)

    def _add(self, name: str) -> None:
        with self._lock:
            setattr(self.outcome, name, getattr(self.outcome, name) + 1)
