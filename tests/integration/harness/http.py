"""A client on a bare socket: sends exactly the bytes it is told, reads one answer at a time."""

import socket
from dataclasses import dataclass, field
from typing import Dict, List, Optional, Tuple

from .paths import SLOWNESS


@dataclass
class Response:
    status: int
    headers: Dict[str, str]
    body: bytes
    raw: bytes = field(repr=False, default=b"")


class ConnectionEnded(Exception):
    """The other side closed before a whole answer was there."""


def connect(address: str, timeout: float) -> socket.socket:
    if address.startswith("unix:"):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        target: object = address[len("unix:"):]
    else:
        host, _, port = address.rpartition(":")
        family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        target = (host.strip("[]"), int(port))
    sock.settimeout(timeout)
    try:
        sock.connect(target)
    except OSError:
        sock.close()
        raise
    return sock


class Client:
    """One connection. `heard`, when given, gets every byte that came back."""

    def __init__(self, address: str, timeout: float = 10.0,
                 heard: Optional[List[bytes]] = None) -> None:
        self.sock = connect(address, timeout * SLOWNESS)
        self._rest = b""
        self._heard = heard

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.sock.close()

    def send(self, data: bytes) -> "Client":
        self.sock.sendall(data)
        return self

    def _more(self) -> bool:
        data = self.sock.recv(65536)
        if data and self._heard is not None:
            self._heard.append(data)
        self._rest += data
        return bool(data)

    def read(self) -> Response:
        """The next final answer; interim ones (100 Continue) are passed over."""
        while True:
            response = self._read_one()
            if response.status >= 200:
                return response

    def _read_one(self) -> Response:
        while b"\r\n\r\n" not in self._rest:
            if not self._more():
                raise ConnectionEnded(f"closed after {self._rest!r}")
        head, _, self._rest = self._rest.partition(b"\r\n\r\n")
        status, headers = parse_head(head)
        length = 0 if status < 200 or status == 204 else int(headers.get("content-length", "0"))
        assert "transfer-encoding" not in headers, "answers have a length"
        while len(self._rest) < length:
            if not self._more():
                raise ConnectionEnded("closed within a body")
        body, self._rest = self._rest[:length], self._rest[length:]
        return Response(status, headers, body, head + b"\r\n\r\n" + body)

    def exchange(self, data: bytes) -> Response:
        return self.send(data).read()

    def read_to_end(self) -> bytes:
        """Everything until the other side closes; a reset is an end as well."""
        try:
            while self._more():
                pass
        except ConnectionResetError:
            pass
        data, self._rest = self._rest, b""
        return data

    def is_closed(self) -> bool:
        """Waits for the other side to close; False if it says more instead, or stays silent."""
        try:
            return not self._rest and not self._more()
        except ConnectionResetError:
            return True
        except socket.timeout:
            return False


def parse_head(head: bytes) -> Tuple[int, Dict[str, str]]:
    lines = head.decode("latin-1").split("\r\n")
    version, status, *_ = lines[0].split(" ", 2)
    assert version in ("HTTP/1.1", "HTTP/1.0"), lines[0]
    headers = {}
    for line in lines[1:]:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return int(status), headers
