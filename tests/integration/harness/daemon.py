"""The real daemon: started with a conf, watched through its notify socket and its log, stopped,
killed, started again on the same folder."""

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Callable, Dict, List, Optional

from . import process, stored
from .callback import Callback, make_callback
from .conf import Conf
from .http import Client, Response
from .notify import NotifySocket
from .paths import DAEMON, SANITIZED, SLOWNESS
from .wait import first, wait_until

#: What a sanitizer prints when it finds something; never in a log of ours.
SANITIZER_MARKS = ("AddressSanitizer", "LeakSanitizer", "ThreadSanitizer", "runtime error:")


class Daemon:
    def __init__(self, conf: Conf) -> None:
        self.conf = conf
        self.folder = conf.folder
        self.log_path = conf.folder / "daemon.log"
        self.env: Dict[str, str] = {}
        self.wrapper: List[str] = os.environ.get("SASHA_WRAPPER", "").split()
        self.inherited: List[int] = []  # descriptors that it gets beside 0 to 2
        self.heard: List[bytes] = []  # every byte that clients got back
        self.process: Optional[subprocess.Popen] = None
        self.notify: Optional[NotifySocket] = None
        self.address = ""
        self._log_start = 0

    # ---- life ----

    def spawn(self) -> "Daemon":
        """Starts the process and returns at once."""
        assert self.process is None, "one process at a time"
        self.conf.write()
        if self.notify:
            self.notify.close()
        self.notify = NotifySocket(self.folder / "notify.sock")
        self._log_start = self.log_path.stat().st_size if self.log_path.exists() else 0
        env = {"PATH": "/usr/bin:/bin", "NOTIFY_SOCKET": str(self.notify.path), **self.env}
        if SANITIZED:
            env |= {name: os.environ[name] for name in os.environ if name.endswith("SAN_OPTIONS")}
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [*self.wrapper, str(DAEMON), "--config", str(self.conf.path)], env=env,
                cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                pass_fds=self.inherited)
        return self

    def start(self) -> "Daemon":
        """Starts it and waits until it is ready and its address known."""
        self.spawn()
        try:
            self.notify.wait_for("READY", alive=self.is_running)
        except AssertionError as error:
            raise AssertionError(f"{error}; its log:\n{self.log_text()}") from None
        self.address = self.addresses()[0]
        return self

    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self) -> int:
        return self.process.pid

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def wait(self, seconds: float = 20.0) -> int:
        """Waits for its end; returns the exit status, negative for a signal."""
        try:
            status = self.process.wait(seconds * SLOWNESS)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"did not end; its log:\n{self.log_text()[-4000:]}") from None
        self.process = None
        return status

    def stop(self, seconds: float = 20.0) -> int:
        self.signal(signal.SIGTERM)
        return self.wait(seconds)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self.wait()

    def restart(self) -> "Daemon":
        assert self.stop() == 0, self.log_text()[-4000:]
        return self.start()

    def reload(self) -> None:
        """Writes the conf anew, sends HUP, waits until the reload was worked off."""
        self.conf.write()
        ready = self.notify.count("READY")
        self.signal(signal.SIGHUP)
        self.notify.wait_for("READY", ready + 1, alive=self.is_running)

    # ---- log ----

    def log_text(self) -> str:
        """The log of the current or last process."""
        with open(self.log_path, "rb") as log:
            log.seek(self._log_start)
            return log.read().decode("utf-8", "replace")

    def events(self, name: Optional[str] = None) -> List[Dict[str, str]]:
        found = []
        for line in self.log_text().splitlines():
            if line.startswith("{"):
                event = json.loads(line)
                if name is None or event["event"] == name:
                    found.append(event)
        return found

    def addresses(self) -> List[str]:
        return [event["address"] for event in self.events("listening")]

    def wait_event(self, name: str, match: Callable[[Dict[str, str]], bool] = lambda _: True,
                   seconds: float = 10.0) -> Dict[str, str]:
        return wait_until(lambda: first(self.events(name), match), f"event {name} in the log",
                          seconds)

    # ---- talking to it ----

    def client(self, timeout: float = 10.0) -> Client:
        return Client(self.address, timeout, self.heard)

    def callback(self, body: Optional[bytes] = None, **how: object) -> Callback:
        """A correct callback for the conf's first endpoint."""
        endpoint = self.conf.endpoint
        how.setdefault("url", endpoint.public_url)
        return make_callback(how.pop("secret", endpoint.secrets[0]),
                             how.pop("token", endpoint.tokens[0] if endpoint.tokens else None),
                             body, **how)

    def send(self, callback: Optional[Callback] = None, body: Optional[bytes] = None,
             **how: object) -> Response:
        """Sends one callback over a connection of its own."""
        callback = callback or self.callback(body, **how)
        with self.client() as client:
            return client.exchange(callback.wire())

    def accept(self, body: Optional[bytes] = None, **how: object) -> Callback:
        """Sends a callback that must be accepted, and returns it."""
        callback = self.callback(body, **how)
        response = self.send(callback)
        assert response.status == 202, (response, self.log_text()[-2000:])
        return callback

    # ---- looking at it ----

    def descriptors(self) -> List[str]:
        return process.descriptors(self.pid)

    def zombies(self) -> List[int]:
        return process.zombies(self.pid)

    # ---- the end of each test ----

    def finish(self) -> None:
        """Ends it if it still runs, and asserts what must hold after every test."""
        if self.process is not None:
            status = self.stop()
            assert status == 0, f"exit status {status}; its log:\n{self.log_text()[-4000:]}"
        if self.notify:
            self.notify.close()
        if self.log_path.exists():
            log = self.log_path.read_text("utf-8", "replace")
            for mark in SANITIZER_MARKS:
                assert mark not in log, log[max(0, log.index(mark) - 500):][:6000]
        store = Path(str(self.conf.store["path"]))
        if store.exists():
            stored.check(store)
        store.with_name(store.name + ".reserve").unlink(missing_ok=True)  # 48 MiB a test

    def abandon(self) -> None:
        """After a failed test: no process may stay behind."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.notify:
            self.notify.close()
