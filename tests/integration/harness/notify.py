"""The service manager's end of sd_notify: a socket that collects what the daemon says."""

import socket
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

    def close(self) -> None:
        self._sock.close()
        self.path.unlink(missing_ok=True)

    def collect(self) -> List[Dict[str, str]]:
        """Everything said so far, oldest first."""
        while True:
            try:
                data = self._sock.recv(65536)
            except BlockingIOError:
                return self.messages
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
