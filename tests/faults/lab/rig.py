"""A daemon under the oracle's eyes: its conf, the oracle's processes, and what is asserted at the
end of every fault.

Two sinks: "archive", a file that gets everything, and "hook", a program that gets the failed Jobs
(one in twenty) and notes id and digest of what it read. The daemon listens on a unix socket, so
that its address outlives it."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Dict, List, Optional, Sequence

from harness.conf import Conf
from harness.daemon import Daemon
from harness.paths import SLOWNESS
from harness.wait import wait_until

from .ledger import Follower

ORACLE = Path(__file__).resolve().parents[1] / "oracle.py"

HOOK = """#!/bin/sh
digest=$(sha256sum) || exit 1
echo "$SASHA_REQUEST_ID ${{digest%% *}}" >>{journal}
"""


class LoadProcess:
    """The oracle while it sends."""

    def __init__(self, rig: "Rig", options: Dict[str, object]) -> None:
        self.promised = Follower(rig.ledger)
        words = [str(word) for name, value in options.items()
                 for word in ([f"--{name}"] if value is True else [f"--{name}", value])]
        self._process = subprocess.Popen(
            [sys.executable, str(ORACLE), "load", "--target", str(rig.target),
             "--ledger", str(rig.ledger), *words],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def wait_promised(self, more: int = 1, seconds: float = 30.0) -> None:
        """Until so many more deliveries are promised than were when this was called."""
        wanted = self.promised.count() + more
        wait_until(lambda: self.promised.count() >= wanted, f"{more} more promises", seconds)

    def is_running(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> Dict[str, object]:
        if self.is_running():
            self._process.send_signal(signal.SIGTERM)
        return self.join(60)

    def join(self, seconds: float = 300.0) -> Dict[str, object]:
        """Waits for its end; every answer must have been a legal one."""
        out, err = self._process.communicate(timeout=seconds * SLOWNESS)
        assert self._process.returncode == 0, (out, err)
        return json.loads(out)

    def abandon(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()


class Rig:
    def __init__(self, conf: Conf, daemon: Daemon) -> None:
        self.conf = conf
        self.daemon = daemon
        self.folder = conf.folder
        self.ledger = conf.folder / "ledger"
        self.journal = conf.folder / "journal"
        self.target = conf.secret_folder / "target.json"
        self.loads: List[LoadProcess] = []
        conf.server["listen"] = [f"unix:{conf.folder}/http.sock"]
        conf.log["level"] = "info"
        hook = conf.folder / "hook"
        hook.write_text(HOOK.format(journal=self.journal))
        hook.chmod(0o755)
        conf.exec_sink("hook", [str(hook)], statuses=["failed"], retry_first="50ms",
                       retry_max="1s", retry_attempts=1000)
        conf.sinks["archive"] |= {"retry_first": "50ms", "retry_max": "1s",
                                  "retry_attempts": 1000}
        self.aim()

    def aim(self, address: Optional[str] = None) -> None:
        """Writes down for the oracle where to send and with which secret."""
        endpoint = self.conf.endpoint
        self.target.write_text(json.dumps({
            "address": address or f"unix:{self.folder}/http.sock",
            "public_url": endpoint.public_url,
            "path": "/" + endpoint.public_url.split("/", 3)[3],
            "key": endpoint.secrets[0].key.hex(),
            "token": endpoint.tokens[0],
            "secret_id": endpoint.secrets[0].id}))

    def load(self, **options: object) -> LoadProcess:
        self.loads.append(LoadProcess(self, options))
        return self.loads[-1]

    def check(self, may_repeat: bool = True, deadline: float = 180.0,
              fresh: bool = True, more: Sequence[str] = ()) -> Dict[str, object]:
        """The oracle's verdict; the daemon runs and is well again. Returns its figures. `more`:
        further arguments for the oracle, such as sinks."""
        archive = Path(str(self.conf.sinks["archive"]["path"]))  # and rotated: archive-1.jsonl
        command = [sys.executable, str(ORACLE), "check", "--ledger", str(self.ledger),
                   "--store", str(self.conf.store["path"]),
                   "--jsonl", f"archive={archive.with_suffix('')}*{archive.suffix}",
                   "--journal", f"hook={self.journal}:failed",
                   "--deadline", str(deadline * SLOWNESS), *more]
        if may_repeat:
            command += ["--may-repeat", "hook"]
        if fresh:
            command += ["--target", str(self.target)]
        result = subprocess.run(command, capture_output=True, text=True)
        assert result.returncode in (0, 1), result.stderr
        figures = json.loads(result.stdout)
        assert not figures["failures"], (figures, self.daemon.log_text()[-3000:])
        return figures

    def abandon(self) -> None:
        for load in self.loads:
            load.abandon()
