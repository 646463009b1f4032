"""A real Prometheus with the scrape example and the alerts, on a folder of its own."""

import json
import os
import re
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from .paths import REPO, SLOWNESS
from .wait import wait_until

MONITORING = REPO / "conf" / "monitoring"


class Prometheus:
    def __init__(self, folder: Path, target: str) -> None:
        """`target`: the admin address of the daemon. The example is used as it is, but for the
        address and a scrape each second."""
        self.folder = folder / "prometheus"
        self.folder.mkdir()
        conf = (MONITORING / "prometheus.yml").read_text()
        for old, new in (("127.0.0.1:9480\"]", f"{target}\"]"), ("interval: 15s", "interval: 1s"),
                         ("- alerts.yml", f"- {MONITORING}/alerts.yml")):
            assert old in conf
            conf = conf.replace(old, new)
        (self.folder / "prometheus.yml").write_text(conf)
        self.log = self.folder / "log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                ["prometheus", f"--config.file={self.folder}/prometheus.yml",
                 f"--storage.tsdb.path={self.folder}/data", "--web.listen-address=127.0.0.1:0"],
                env={"PATH": os.environ["PATH"], "GOMAXPROCS": "1"}, cwd=self.folder,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.address = ""

    def __enter__(self) -> "Prometheus":
        try:
            self.address = wait_until(self._find_address, "Prometheus to listen", 60)
            wait_until(self._is_ready, "Prometheus to be ready", 60)
        except AssertionError:
            self.close()
            raise AssertionError(self.log.read_text()[-4000:]) from None
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(20 * SLOWNESS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _find_address(self) -> str:
        assert self.process.poll() is None, self.log.read_text()[-4000:]
        match = re.search(r'"Listening on" address=(\S+)', self.log.read_text())
        return match[1] if match else ""

    def _is_ready(self) -> bool:
        """It listens a while before it answers."""
        try:
            with urllib.request.urlopen(f"http://{self.address}/-/ready", timeout=30 * SLOWNESS):
                return True
        except OSError:
            return False

    def get(self, path: str, **parameters: str) -> dict:
        """The data of an answer; what Prometheus calls an error fails."""
        url = f"http://{self.address}{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=30 * SLOWNESS) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters}: {error.read().decode()}") from None

    def query(self, expr: str) -> list:
        return self.get("/api/v1/query", query=expr)["result"]

    def series(self, expr: str) -> list:
        """The labels of what an expression gives."""
        return [row["metric"] for row in self.query(expr)]
