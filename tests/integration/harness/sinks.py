"""What came out at the other end: lines of the file sink, hooks and what they noted, syslog."""

import json
import re
import socket
import threading
from pathlib import Path
from typing import Dict, List

from .wait import wait_until


def read_lines(path: Path) -> List[Dict[str, object]]:
    """The lines of a file sink; whole lines only."""
    if not path.exists():
        return []
    data = path.read_bytes()
    return [json.loads(line) for line in data[:data.rfind(b"\n") + 1].splitlines()]


def read_ids(path: Path) -> List[str]:
    return [line["request_id"] for line in read_lines(path)]


def read_bodies(path: Path) -> Dict[str, bytes]:
    """Request id to the body's bytes exactly as they stand in the line."""
    bodies = {}
    for line in path.read_bytes().splitlines():
        match = re.match(rb'\{"seq":\d+,"request_id":("(?:[^"\\]|\\.)*"),.*?"job":(.*)\}$', line)
        assert match, line
        bodies[json.loads(match[1])] = match[2]
    return bodies


def wait_ids(path: Path, wanted: List[str], seconds: float = 20.0) -> List[str]:
    """Waits until every wanted id is in the file, and returns all that are."""
    missing = set(wanted)

    def check() -> bool:
        missing.difference_update(read_ids(path))
        return not missing
    wait_until(check, f"{len(missing)} deliveries in {path}", seconds, interval=0.05)
    return read_ids(path)


class Hook:
    """A hook program made of shell lines, in a folder where it may leave notes."""

    def __init__(self, folder: Path, name: str, script: str) -> None:
        self.folder = folder / f"hook-{name}"
        self.folder.mkdir()
        self.path = self.folder / "run"
        self.path.write_text(f"#!/bin/sh\ncd {self.folder} || exit 1\n{script}\n")
        self.path.chmod(0o755)

    @property
    def command(self) -> List[str]:
        return [str(self.path)]

    def note(self, name: str = "notes") -> List[str]:
        """The whole lines that the hook left in a file."""
        path = self.folder / name
        text = path.read_text("utf-8", "replace") if path.exists() else ""
        return text[:text.rfind("\n") + 1].splitlines()

    def wait_notes(self, n: int, name: str = "notes", seconds: float = 20.0) -> List[str]:
        wait_until(lambda: len(self.note(name)) >= n, f"{n} notes of {self.folder.name}", seconds)
        return self.note(name)


class SyslogServer:
    """A syslog daemon's end of a local socket, of UDP or of TCP. Can go away and come back."""

    def __init__(self, target: str) -> None:
        self.kind, _, self.place = target.partition(":")
        self.messages: List[bytes] = []
        self._port = 0
        self.listen()

    @property
    def target(self) -> str:
        return f"local:{self.place}" if self.kind == "local" else \
            f"{self.kind}:127.0.0.1:{self._port}"

    def listen(self) -> None:
        if self.kind == "local":
            Path(self.place).unlink(missing_ok=True)
            self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._sock.bind(self.place)
        else:
            kind = socket.SOCK_DGRAM if self.kind == "udp" else socket.SOCK_STREAM
            self._sock = socket.socket(socket.AF_INET, kind)
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._sock.bind(("127.0.0.1", self._port))
            self._port = self._sock.getsockname()[1]
            if self.kind == "tcp":
                self._sock.listen()
        self._open = True
        self._sock.settimeout(0.1)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        connections: List[socket.socket] = []
        while self._open:
            try:
                if self.kind == "tcp":
                    connection, _ = self._sock.accept()
                    connection.settimeout(0.05)
                    connections.append(connection)
                else:
                    self.messages.append(self._sock.recv(65536))
            except socket.timeout:
                pass
            for connection in connections:
                try:
                    self.messages.append(connection.recv(1 << 20))
                except socket.timeout:
                    pass
        for connection in connections:
            connection.close()

    def close(self) -> None:
        self._open = False
        self._thread.join()
        self._sock.close()
        if self.kind == "local":
            Path(self.place).unlink(missing_ok=True)

    def text(self) -> str:
        return b"\n".join(self.messages).decode("utf-8", "replace")

    def wait_for(self, text: str, seconds: float = 10.0) -> str:
        wait_until(lambda: text in self.text(), f"{text!r} in syslog", seconds)
        return self.text()
