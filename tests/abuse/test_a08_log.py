"""A8: bytes that would forge, hide or turn around a line of the log, in every field that can get
there, in each format: one event stays one line."""

import json
import re
import shutil
import socket
import subprocess
import threading
from pathlib import Path
from typing import List

import pytest
from harness.callback import make_job
from harness.http import Client, ConnectionEnded
from harness.sinks import Hook
from harness.wait import wait_until
from kit.plan import count, note

FORGED = "request-accepted"  # what an attacker would like to have written

#: Text that must not come through as it is.
PAYLOADS = [
    "\n", "\r", "\r\n", "\n\n", "\x0b", "\x0c", "\x00", "\x1b[2J", "\x1b[1A\x1b[2K", "\x1b]0;x\x07",
    "\x7f", "\x08" * 8, "\x85", "\x9b31m", "\u2028", "\u2029", "\u202e", "\u2066", "\u2069", "\u200f",
    "\u061c", "\ud800", "\udcff", '"', '\\"', "\\n", "\\", '","event":"x', "' ", "%n%s", "{}", "= ",
]
FORGERIES = [
    f"info {FORGED}: forged", f'{{"time":"x","level":"info","event":"{FORGED}","message":"m"}}',
    f"MESSAGE={FORGED}\nPRIORITY=0", f" event={FORGED} level=err",
]

#: No line may hold one of these: C0 but the newline, DEL, C1, separators, turning marks.
CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
TEXT_LINE = re.compile(r"(\d{4}-\d\d-\d\dT\S+ )?(err|warning|info|debug) [a-z0-9-]+: ")


def payload(number: int) -> str:
    spice = PAYLOADS[number % len(PAYLOADS)]
    return f"mark-{number}-{spice}{FORGERIES[number % len(FORGERIES)]}{spice}"


class Journal:
    """The socket of a journal, and what was sent there: one datagram an entry."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "journal"
        self.folder.mkdir()
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(str(self.folder / "socket"))
        self.entries: List[bytes] = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while True:
            self.entries.append(self.sock.recv(1 << 20))


def can_mount() -> bool:
    """Whether a journal of ours can be put where the real one is: root, in a mount namespace."""
    where = "/run/systemd/journal"
    return shutil.which("unshare") is not None and subprocess.run(
        ["unshare", "-m", "sh", "-c", f"mkdir -p {where} && mount -t tmpfs none {where}"],
        capture_output=True).returncode == 0


def latin(text: str) -> str:
    """As the bytes of a header."""
    return text.encode("utf-8", "surrogatepass").decode("latin-1")


def send_all(daemon, number: int) -> int:
    """One payload in every place that a stranger, a sender or an operator fills. Returns how many of
    the callbacks were accepted: some of the places may hold what they like."""
    text = payload(number)
    callbacks = [
        daemon.callback(request_id="x").set("SASHA-Request-ID", latin(text)),
        daemon.callback(target="/" + latin(text)),
        daemon.callback().set("User-Agent", latin(text)).set("Host", latin(text)),
        daemon.callback().set("Authorization", "Bearer " + latin(text)),
        daemon.callback().set("SASHA-Request-Signature", latin(text)),
        daemon.callback().set("SASHA-Callback-Secret-ID", latin(text)),
        daemon.callback(text.encode("utf-8", "surrogatepass")),
    ]
    accepted = 1
    for callback in callbacks:
        with daemon.client() as client:
            try:
                accepted += client.exchange(callback.wire()).status == 202
            except (ConnectionEnded, OSError):
                pass
    fields = text.replace("\x00", "").encode("utf-8", "replace").decode()
    daemon.accept(make_job(job_id=f"job-{number}-{fields}", status=fields, type=fields,
                           error={"code": fields, "message": fields}, output_url=fields))
    body = json.dumps({"sink": text}).encode()
    with Client(f"unix:{daemon.folder}/admin.sock") as client:
        client.exchange(b"POST /v1/pause HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s"
                        % (len(body), body))
    return accepted


def check_text(lines: List[str]) -> None:
    for line in lines:
        assert not CONTROL.search(line), line
        assert TEXT_LINE.match(line), line


def check_json(lines: List[str]) -> None:
    for line in lines:
        assert not CONTROL.search(line), line
        event = json.loads(line)
        assert {"time", "level", "event", "message"} <= set(event), line
        assert all(isinstance(value, str) for value in event.values()), line


def check_journal(entries: List[bytes]) -> None:
    """Fields as NAME=value lines only: the form with a length is for values with a newline."""
    for entry in entries:
        lines = entry.decode().split("\n")
        assert lines.pop() == "", entry
        names = [line.partition("=")[0] for line in lines]
        assert all("=" in line and not CONTROL.search(line) for line in lines), entry
        assert all(re.fullmatch("[A-Z_][A-Z0-9_]*", name) for name in names), entry
        assert len(names) == len(set(names)), entry
        assert names.count("MESSAGE") == names.count("PRIORITY") == 1, entry


@pytest.mark.parametrize("form", ["text", "json", "journal"])
def test_one_event_is_one_line(conf, daemon, form):
    n = count("A8")
    if form == "journal":
        if not can_mount():
            pytest.skip("no journal can be put in the place of the real one here")
        journal = Journal(conf.folder)
        daemon.wrapper += ["unshare", "-m", "sh", "-c",
                           f"mount --bind {journal.folder} /run/systemd/journal && exec \"$@\"",
                           "sh"]
    # A hook that writes the Job's status, and fails: its output gets into the log.
    hook = Hook(conf.folder, "loud", 'printf "%s\\n%s" "$SASHA_JOB_STATUS" "$SASHA_JOB_ID" >&2\n'
                                     "echo >>notes; exit 65")
    conf.exec_sink("loud", hook.command, retry_attempts=1, concurrency=4)
    conf.log.update(level="debug", format=form)
    daemon.spawn()
    daemon.notify.wait_for("READY", alive=daemon.is_running)
    if form == "journal":
        listening = wait_until(lambda: re.search(rb"SASHA_ADDRESS=(127\S+)",
                                                 b"\n".join(journal.entries)), "listening")
        daemon.address = listening[1].decode()
    else:
        daemon.address = re.search(r"127\.0\.0\.1:\d+", daemon.log_text())[0]
    taken = sum(send_all(daemon, number) for number in range(n))
    hook.wait_notes(taken, seconds=120)
    assert daemon.stop(60) == 0

    if form == "journal":
        found = list(journal.entries)
        check_journal(found)
        asked = sum(b"\nSASHA_EVENT=admin-action\n" in b"\n" + entry for entry in found)
        accepted = sum(b"\nSASHA_EVENT=request-accepted\n" in b"\n" + entry for entry in found)
    else:
        found = daemon.log_text().removesuffix("\n").split("\n")
        (check_json if form == "json" else check_text)(found)
        event = r'"event":"{}"' if form == "json" else r"^\S+ \w+ {}: "
        asked = sum(bool(re.search(event.format("admin-action"), line)) for line in found)
        accepted = sum(bool(re.search(event.format(FORGED), line)) for line in found)
    # What strangers and clients cause is limited to a line a second; what was accepted never is.
    assert asked >= 1
    assert accepted == taken, (accepted, taken)
    marked = sum(b"mark-" in (line if form == "journal" else line.encode()) for line in found)
    assert marked >= n, marked
    note("A8", f"{n} payloads in each of 9 places, format {form}: {len(found)} events, {marked} with "
         "a payload in it, each one line, none forged", payloads=n, format=form, events=len(found),
         marked=marked)
