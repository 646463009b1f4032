"""The servers that are measured. Each is started for one measurement, on a loopback port that the
kernel chooses, and ended by its process id."""

import json
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Callable, Dict, List, Optional, Sequence, TypeVar

from . import proc
from .scheme import HOOK, KEY, PATH, PREFIX, TOKEN, URL

START_SECONDS = 120.0
STOP_SECONDS = 120.0
DELIVER_SECONDS = 60.0

T = TypeVar("T")


class Server:
    """A process with a log. `scheme` is how its requests are signed."""

    scheme = "sasha"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log_path = folder / "server.log"
        self.process: Optional[subprocess.Popen] = None
        self.address = ""
        self.start_seconds = 0.0

    def command(self) -> List[str]:
        raise NotImplementedError

    def environment(self) -> Dict[str, str]:
        return {"PATH": "/usr/bin:/bin"}

    def find_address(self) -> str:
        """Where it listens, or "" as long as it is not ready."""
        raise NotImplementedError

    def __enter__(self) -> "Server":
        with open(self.log_path, "wb") as log:
            begin = time.monotonic()
            self.process = subprocess.Popen(self.command(), env=self.environment(),
                                            cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log)
        try:
            self.address = self._wait(self.find_address, START_SECONDS, "ready")
        except BaseException:
            self.__exit__()
            raise
        self.start_seconds = time.monotonic() - begin
        return self

    def __exit__(self, *_: object) -> None:
        process, self.process = self.process, None
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _wait(self, check: Callable[[], T], seconds: float, what: str,
              interval: float = 0.001) -> T:
        deadline = time.monotonic() + seconds
        while True:
            found = check()
            if found:
                return found
            if self.process.poll() is not None or time.monotonic() > deadline:
                log = self.log_path.read_text("utf-8", "replace")[-2000:]
                raise RuntimeError(f"{self.command()[0]} is not {what}; its log:\n{log}")
            time.sleep(interval)

    @property
    def pid(self) -> int:
        return self.process.pid

    def first_line(self) -> str:
        text = self.log_path.read_text()
        return text.split("\n")[0] if "\n" in text else ""


class Floor(Server):
    """libmicrohttpd alone, with one worker: as many connections as are measured are one worker's in
    the daemon, too."""

    workers = "1"

    def __init__(self, folder: Path, program: Path) -> None:
        super().__init__(folder)
        self.program = program

    def command(self) -> List[str]:
        return [str(self.program), self.workers]

    def find_address(self) -> str:
        return self.first_line()


class Verify(Floor):
    """Intake and verification without a store."""

    workers = "2"

    def command(self) -> List[str]:
        return [*super().command(), URL, PATH, TOKEN, KEY]


class Peer(Server):
    """Debian's webhook with the equivalent rule: the token's header, and the HMAC of the body.
    Without a command it answers and then finds nothing to run."""

    scheme = "body"

    def __init__(self, folder: Path, command: str = "", arguments: Sequence[str] = (),
                 waits: bool = False) -> None:
        super().__init__(folder)
        self.hooks = folder / "hooks.json"
        self.hooks.write_text(json.dumps([{
            "id": HOOK,
            "execute-command": command,
            "pass-arguments-to-command": [{"source": "string", "name": argument}
                                          for argument in arguments],
            "include-command-output-in-response": waits,  # so it answers when the command is done
            "http-methods": ["POST"],
            "success-http-response-code": 202,
            "response-message": '{"status":"accepted"}',
            "trigger-rule-mismatch-http-response-code": 401,
            "trigger-rule": {"and": [
                {"match": {"type": "value", "value": f"Bearer {TOKEN}",
                           "parameter": {"source": "header", "name": "Authorization"}}},
                {"match": {"type": "payload-hmac-sha256", "secret": KEY,
                           "parameter": {"source": "header",
                                         "name": "SASHA-Request-Signature"}}},
            ]},
        }]))

    def command(self) -> List[str]:
        return ["/usr/bin/webhook", "-ip", "127.0.0.1", "-port", "0", "-urlprefix", PREFIX,
                "-hooks", str(self.hooks)]

    def environment(self) -> Dict[str, str]:
        return {"PATH": ""}  # nowhere to look for the command that is not there

    def find_address(self) -> str:
        port = proc.listening_port(self.pid)
        return f"127.0.0.1:{port}" if port else ""


class Daemon(Server):
    """The real daemon. `sinks` is conf text; `store` an existing store to begin with."""

    def __init__(self, folder: Path, program: Path, sinks: str = "",
                 server: Optional[Dict[str, str]] = None) -> None:
        super().__init__(folder)
        self.program = program
        self.conf = folder / "bench.conf"
        self.admin = folder / "admin.sock"
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify_path = folder / "notify.sock"
        self.said = ""
        settings = {"listen": '{"127.0.0.1:0"}', "max_connections": "2048",
                    "drain_timeout": '"1s"', **(server or {})}
        self.conf.write_text("\n".join([
            "server {", *(f"    {key} = {value}" for key, value in settings.items()), "}",
            f'admin {{ listen = {{"unix:{self.admin}"}} }}',
            'log { format = "json" }',
            f'store {{ path = "{folder}/deliveries.db" }}',
            'endpoint "main" {', f'    public_url = "{URL}"',
            f'    partner_token = {{"value:{TOKEN}"}}',
            f'    callback_secret "current" {{ source = "value:{KEY}"  encoding = "raw" }}', "}",
            sinks, ""]))
        self.conf.chmod(0o600)

    def __enter__(self) -> "Daemon":
        self.notify_path.unlink(missing_ok=True)
        self.notify.bind(str(self.notify_path))
        self.notify.setblocking(False)
        super().__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        self.notify.close()

    def command(self) -> List[str]:
        return [str(self.program), "--config", str(self.conf)]

    def environment(self) -> Dict[str, str]:
        return {"PATH": "/usr/bin:/bin", "NOTIFY_SOCKET": str(self.notify_path)}

    def _is_ready(self) -> bool:
        try:
            self.said += self.notify.recv(65536).decode() + "\n"
        except BlockingIOError:
            pass
        return "READY=1" in self.said.splitlines()

    def find_address(self) -> str:
        if not self._is_ready():
            return ""
        events = [json.loads(line) for line in self.log_path.read_text().splitlines()]
        return next(event["address"] for event in events if event["event"] == "listening")

    def metrics(self) -> Dict[str, float]:
        """Samples by name and labels, as they stand in the text."""
        found = {}
        for line in get_over_unix_socket(self.admin, "/metrics").splitlines():
            if line and not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                found[name] = float(value)
        return found

    def wait_until_delivered(self, sink: str, count: int) -> None:
        name = f'sasha_sink_delivered_total{{sink="{sink}"}}'
        self._wait(lambda: self.metrics()[name] >= count, DELIVER_SECONDS,
                   f"done with {count} deliveries to {sink}", interval=0.05)


def get_over_unix_socket(path: Path, target: str) -> str:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(60.0)
        sock.connect(str(path))
        sock.sendall(f"GET {target} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n".encode())
        parts = []
        while part := sock.recv(1 << 16):
            parts.append(part)
    head, _, body = b"".join(parts).partition(b"\r\n\r\n")
    if b" 200 " not in head.split(b"\r\n")[0]:
        raise RuntimeError(f"{target}: {head[:100]!r}")
    return body.decode()


def answer_of(address: str, request: bytes) -> int:
    """The status that one request gets."""
    host, _, port = address.partition(":")
    with socket.create_connection((host, int(port)), 10.0) as sock:
        sock.sendall(request)
        return int(sock.recv(4096).split()[1])


