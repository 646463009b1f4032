"""The service manager's end of sd_notify: a socket that collects what the daemon says.

A thread reads it all the time, as systemd does. A socket that nobody reads takes ten messages, and
the eleventh keeps the daemon's main thread from everything else, a stop included."""

import select
import socket
import threading
from pathlib import Path
from typing import Callable, Dict, List

from .wait import wait_until


class NotifySocket:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.messages: List[Dict[str, str]] = []
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sock.bind(str(path))
        self._sock.setblocking(False)
        self._lock = threading.Lock()
        self._wake, self._woken = socket.socketpair()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while self._woken not in select.select([self._sock, self._woken], [], [])[0]:
            self.collect()

    def close(self) -> None:
        self._wake.close()
        self._thread.join()
        self._woken.close()
        self._sock.close()
        self.path.unlink(missing_ok=True)

    def collect(self) -> List[Dict[str, str]]:
        """Everything said so far, oldest first."""
        with self._lock:
            while True:
                try:
                    data = self._sock.recv(65536)
                except BlockingIOError:
                    return list(self.messages)
                pairs = (line.partition("=") for line in data.decode().splitlines())
                self.messages.append({name: value for name, _, value in pairs})

    def count(self, name: str, value: str = "1") -> int:
        return sum(message.get(name) == value for message in self.collect())

    def wait_for(self, name: str, times: int = 1, seconds: float = 10.0,
                 alive: Callable[[], bool] = lambda: True) -> None:
        def check() -> bool:
            assert alive() or self.count(name) >= times, f"the daemon ended before {name}=1"
            return self.count(name) >= times
        wait_until(check, f"{name}=1, {times} times", seconds)
