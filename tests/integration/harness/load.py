"""Load: threads with keep-alive connections, each delivery with an id of its own, and a record of
what was promised. A 2xx is an obligation; everything else is not."""

import threading
from typing import Dict, List, Optional

from .callback import make_job, new_request_id
from .daemon import Daemon
from .http import Client, ConnectionEnded


class Load:
    def __init__(self, daemon: Daemon, connections: int, total: Optional[int] = None) -> None:
        self.daemon = daemon
        self.total = total  # None: until stop()
        self.acked: Dict[str, bytes] = {}  # request id: body
        self.refused: List[str] = []  # answered 503
        self.unknown: Dict[str, bytes] = {}  # sent, no answer
        self.wrong: List[str] = []  # any other answer
        self._sent = 0
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._work, args=(i,), daemon=True)
                         for i in range(connections)]

    def start(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def join(self, seconds: float = 120.0) -> "Load":
        for thread in self._threads:
            thread.join(seconds)
            assert not thread.is_alive(), "the load did not end"
        return self

    def stop(self) -> "Load":
        self._stop.set()
        return self.join()

    def run(self) -> "Load":
        return self.start().join()

    def _take(self) -> bool:
        with self._lock:
            if self._stop.is_set() or (self.total is not None and self._sent >= self.total):
                return False
            self._sent += 1
            return True

    def _work(self, worker: int) -> None:
        client: Optional[Client] = None
        number = 0
        while self._take():
            number += 1
            request_id = new_request_id()
            body = make_job(f"job-{worker}-{number % 10}", note=request_id)
            callback = self.daemon.callback(body, request_id=request_id)
            try:
                client = client or self.daemon.client()
            except OSError:
                self._stop.wait(0.01)  # nobody listens now; nothing was sent
                continue
            try:
                response = client.exchange(callback.wire())
            except (OSError, ConnectionEnded):
                with self._lock:
                    self.unknown[request_id] = body
                client.close()
                client = None
                continue
            with self._lock:
                if response.status == 202:
                    self.acked[request_id] = body
                elif response.status == 503:
                    self.refused.append(request_id)
                else:
                    self.wrong.append(f"{response.status} {response.body!r}")
            if response.headers.get("connection", "").lower() == "close":
                client.close()
                client = None
        if client:
            client.close()
