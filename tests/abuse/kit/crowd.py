"""Many connections on one thread. What each sends is a small program of its own (`Guest`); the crowd
waits for all of them with one selector and notes when each came to its end."""

import resource
import selectors
import socket
import time
from typing import Callable, List, Optional

from harness.http import connect


def allow_descriptors(n: int) -> None:
    """As many as that for this process and its children, if the machine lets us."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < n:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(n, hard), hard))
    assert hard >= n, f"{n} descriptors are needed, {hard} is the limit"


class Guest:
    """One connection. `send` makes what is to be sent next, or nothing to send no more for now; it
    is asked every `pause` seconds. `reads` False: what comes back is left in the socket."""

    def __init__(self, address: str, send: Callable[["Guest"], bytes], pause: float = 0.5,
                 reads: bool = True) -> None:
        self.send = send
        self.pause = pause
        self.reads = reads
        self.heard = b""
        self.sent = 0
        self.began = time.monotonic()
        self.next_at = self.began
        self.last_sent_at = self.began
        self.ended_at: Optional[float] = None
        self.sock = connect(address, 30)
        self.sock.setblocking(False)

    def fileno(self) -> int:
        return self.sock.fileno()

    def end(self) -> None:
        if self.ended_at is None:
            self.ended_at = time.monotonic()
            self.sock.close()

    def act(self) -> None:
        """Sends what is due."""
        try:
            data = self.send(self)
            if data:
                self.sent += self.sock.send(data)
                self.last_sent_at = time.monotonic()
        except BlockingIOError:
            pass
        except OSError:
            self.end()

    def hear(self) -> None:
        if not self.reads:
            # Asked about errors and the end only: what can be read stays where it is.
            if self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                self.end()
            return
        try:
            data = self.sock.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self.heard += data[:65536 - len(self.heard)]
        if not data:
            self.end()


class Crowd:
    def __init__(self) -> None:
        self.guests: List[Guest] = []
        self._selector = selectors.DefaultSelector()
        self._next_act = 0.0

    def __enter__(self) -> "Crowd":
        return self

    def __exit__(self, *_: object) -> None:
        for guest in self.guests:
            guest.end()
        self._selector.close()

    def add(self, guest: Guest) -> Guest:
        self.guests.append(guest)
        if guest.reads:
            self._selector.register(guest, selectors.EVENT_READ)
        return guest

    def left(self) -> int:
        return sum(guest.ended_at is None for guest in self.guests)

    def turn(self, seconds: float = 0.02) -> None:
        for key, _ in self._selector.select(seconds):
            guest = key.fileobj
            fd = key.fd
            guest.hear()
            if guest.ended_at is not None:
                self._selector.unregister(fd)
        now = time.monotonic()
        for guest in self.guests:
            if guest.ended_at is None and now >= guest.next_at:
                fd = guest.fileno()
                guest.next_at = now + guest.pause
                guest.act()
                if not guest.reads and guest.ended_at is None:
                    guest.hear()
                if guest.ended_at is not None and guest.reads:
                    self._selector.unregister(fd)

    def run(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and not until():
            self.turn()
