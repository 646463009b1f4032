"""The walkthroughs of docs/operations.md, run as they stand there.

A walkthrough is a fenced block behind `<!-- run: NAME -->`. Each of its lines is a command, run by
the shell with the folders of the installed daemon replaced by those of a test. systemctl is played
by the test's own daemon."""

import os
import re
import shlex
import signal
import subprocess
from pathlib import Path
from typing import Dict, List, Optional

from .conf import Conf
from .daemon import Daemon
from .paths import CTL, DAEMON, REPO, SLOWNESS

GUIDE = REPO / "docs" / "operations.md"

#: A walkthrough with its name; the block may be part of a list and indented like it.
BLOCK = re.compile(r"^( *)<!-- run: ([\w-]+) -->\n\1```\n(.*?)^\1```$", re.M | re.S)


def walkthroughs() -> Dict[str, List[str]]:
    found = {match[2]: [line.strip() for line in match[3].splitlines()]
             for match in BLOCK.finditer(GUIDE.read_text())}
    assert len(found) == len(BLOCK.findall(GUIDE.read_text())), "two of one name"
    return found


def lay_out(conf: Conf) -> None:
    """Moves the parts of a conf to where an installed daemon has them, within its folder."""
    etc, state = conf.folder / "etc", conf.folder / "state"
    etc.mkdir()
    state.mkdir(mode=0o750)
    conf.path = etc / "sasha-callbackd.conf"
    conf.secret_folder = etc / "credentials"
    conf.secret_folder.mkdir(mode=0o700)
    conf.endpoints = [conf.new_endpoint()]
    conf.store["path"] = str(state / "deliveries.db")
    conf.sinks["archive"]["path"] = str(state / "jobs.jsonl")


class Operator:
    """Whoever sits at the machine with the guide."""

    def __init__(self, conf: Conf, daemon: Daemon) -> None:
        self.conf = conf
        self.daemon = daemon
        self.environment: Dict[str, str] = {}
        bin = conf.folder / "bin"
        bin.mkdir()
        self._program(bin / "sasha-callbackctl", f'exec {CTL} --config {conf.path} "$@"')
        self._program(bin / "sasha-callbackd", f'exec {DAEMON} --config {conf.path} "$@"')
        self._program(bin / "journalctl", f"cat {daemon.log_path}")
        self.path = f"{bin}:/usr/bin:/bin"

    @staticmethod
    def _program(path: Path, line: str) -> None:
        path.write_text(f"#!/bin/sh\n{line}\n")
        path.chmod(0o755)

    def translate(self, line: str, words: Optional[Dict[str, str]] = None) -> str:
        """With the folders, the user and the words of the test."""
        user = f"-o {os.getuid()} -g {os.getgid()}"
        line = line.replace("-o sasha-callbackd -g sasha-callbackd", user)
        line = line.replace("/var/lib/sasha-callbackd", str(self.conf.folder / "state"))
        line = line.replace("/etc/sasha-callbackd", str(self.conf.folder / "etc"))
        for word, value in (words or {}).items():
            line = re.sub(rf"\b{word}\b", value, line)
        return line

    def _systemctl(self, verb: str, *units: str) -> None:
        """What the service manager would do to our daemon. The socket unit is not played."""
        assert all(re.fullmatch(r"sasha-callbackd(\.service|\.socket)?", unit) for unit in units)
        if verb == "stop":
            assert self.daemon.stop() == 0
        elif verb == "start":
            self.daemon.start()
        elif verb == "reload":
            self.daemon.reload()
        else:
            assert verb == "status" and self.daemon.is_running()

    def run(self, name: str, may_fail: str = "", **words: str) -> str:
        """Runs a walkthrough; returns what it printed. Each command must succeed, but for those that
        contain `may_fail`."""
        printed = []
        for line in walkthroughs()[name]:
            line = self.translate(line, {word.replace("_", "-"): value
                                          for word, value in words.items()})
            parts = shlex.split(line)
            if parts[0] == "systemctl":
                self._systemctl(*parts[1:])
            elif parts[0] == "export":
                variable, value = parts[1].split("=", 1)
                self.environment[variable] = value
            else:
                printed.append(self.shell(line, bool(may_fail) and may_fail in line))
        return "\n".join(printed)

    def shell(self, line: str, may_fail: bool = False) -> str:
        """Runs one command; returns what it printed."""
        result = subprocess.run(
            ["bash", "-c", line], capture_output=True, text=True, timeout=120 * SLOWNESS,
            env={"PATH": self.path, "LC_ALL": "C.UTF-8", "TZ": "UTC", **self.environment})
        assert may_fail or result.returncode == 0, (line, result.stdout, result.stderr)
        return result.stdout + result.stderr

    def crash(self) -> None:
        self.daemon.signal(signal.SIGKILL)
        self.daemon.wait()
