"""The log: what others can cause is written now and then, what an operator does always, and an event
is the same in each format."""

import json
import re
import socket
import subprocess
import threading

import pytest
from harness.callback import make_job
from harness.http import Client
from harness.metrics import scrape
from harness.paths import REPO
from harness.sinks import Hook
from harness.wait import Stopwatch, wait_until

STATE_SECONDS = 10  # at most one pair of lines about a state that comes and goes


def may_be(seconds, interval):
    """Lines that a limit lets through in a time."""
    return int(seconds / interval) + 1


def told(events):
    """How many the lines speak of: themselves, but for those about others only, and the rest."""
    return sum(int(event.get("left_out", 0)) + ("peer" in event) for event in events)


def refuse_some(daemon, n):
    with daemon.client() as client:
        for _ in range(n):
            assert client.exchange(daemon.callback(token="wrong").wire()).status == 401


def test_what_was_left_out_is_told_of_when_no_more_come(conf, daemon):
    conf.server["workers"] = 1
    daemon.start()
    watch = Stopwatch()
    refuse_some(daemon, 100)
    wait_until(lambda: told(daemon.events("request-refused")) == 100, "each of them in the log")
    assert len(daemon.events("request-refused")) <= may_be(watch.seconds(), 1)


def test_what_was_left_out_is_told_of_at_the_end(conf, daemon):
    daemon.start()
    refuse_some(daemon, 100)
    assert daemon.stop() == 0
    events = daemon.events("request-refused")
    assert told(events) == 100
    assert {event["reason"] for event in events} == {"token-wrong"}


def come_in(daemon):
    """A connection that has a place, once there is one."""
    def attempt():
        client = daemon.client()
        try:
            if client.exchange(daemon.callback().wire()).status == 202:
                return client
        except OSError:
            pass
        client.close()
        return None
    return wait_until(attempt, "a place")


def test_connections_that_come_and_go_do_not_flood_the_log(conf, daemon):
    """With one place every connection is the last one, and makes room again."""
    conf.server["max_connections"] = 1
    daemon.start()
    watch = Stopwatch()
    for _ in range(30):
        with come_in(daemon), daemon.client() as outside:
            assert outside.read().status == 503
    full, free = daemon.events("connections-full"), daemon.events("connections-free")
    allowed = may_be(watch.seconds(), STATE_SECONDS)
    assert 1 <= len(full) <= allowed and len(free) <= len(full)
    if len(full) > 1:
        assert int(full[1]["left_out"]) > 0
        assert f"and {full[1]['left_out']} more like it" in full[1]["message"]


def post(conf, target, body):
    data = json.dumps(body).encode()
    head = (f"POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(data)}\r\n\r\n")
    with Client(conf.admin["listen"][0]) as client:
        return client.send(head.encode() + data).read().status


def test_actions_are_logged_and_failed_ones_limited(conf, daemon):
    daemon.start()
    watch = Stopwatch()
    for _ in range(20):
        assert post(conf, "/v1/pause", {"sink": "nobody"}) == 404
    allowed = may_be(watch.seconds(), 1)
    for _ in range(5):
        assert post(conf, "/v1/pause", {"sink": "archive"}) == 200
        assert post(conf, "/v1/resume", {"sink": "archive"}) == 200
    events = daemon.events("admin-action")
    done = [event for event in events if event["sink"] == "archive"]
    failed = [event for event in events if event["sink"] == "nobody"]
    assert [event["action"] for event in done] == ["pause", "resume"] * 5
    assert 1 <= len(failed) <= allowed
    # The next one tells of those before it.
    wait_until(lambda: watch.seconds() > 1.1 * allowed + 1, "the limit to let one through")
    assert post(conf, "/v1/pause", {"sink": "nobody"}) == 404
    failed = [event for event in daemon.events("admin-action") if event["sink"] == "nobody"]
    told = sum(int(event.get("left_out", 0)) for event in failed)
    assert len(failed) + told == 21


# ---- one event, three formats ----

PRIORITIES = {"err": "3", "warning": "4", "info": "6", "debug": "7"}


class Journal:
    """A journal's socket, in a mount namespace where it stands at the journal's place."""

    def __init__(self, folder):
        self.folder = folder / "run"
        (self.folder / "systemd" / "journal").mkdir(parents=True)
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sock.bind(str(self.folder / "systemd" / "journal" / "socket"))
        self.entries = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        self.wrapper = ["unshare", "--mount", "sh", "-c",
                        f'mount --bind {self.folder} /run && exec "$@"', "sh"]

    def _read(self):
        """Each entry as a dictionary. No value of ours holds a newline."""
        while data := self._sock.recv(1 << 17).decode():
            self.entries.append(dict(line.split("=", 1) for line in data.splitlines()))

    def close(self):
        """After the last entry: datagrams come in order."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
            end.sendto(b"", self._sock.getsockname())
        self._thread.join()
        self._sock.close()


def can_unshare():
    return subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode == 0


def traffic(conf, daemon):
    """Something of every level, the same each time."""
    callback = daemon.callback(make_job("good"), request_id="first")
    assert daemon.send(callback).status == 202
    assert daemon.send(callback).status == 200
    assert daemon.send(daemon.callback(make_job("other"), request_id="first")).status == 200
    assert daemon.send(daemon.callback(make_job("bad"), request_id="second")).status == 202
    assert daemon.send(daemon.callback(token="wrong", request_id="third")).status == 401
    assert daemon.send(daemon.callback(request_id="fourth", target="/no \"where\"")).status == 400
    wait_until(lambda: scrape(conf).get("sasha_sink_dead", sink="publish") == 1, "the dead letter")
    assert post(conf, "/v1/pause", {"sink": "no such = \"sink\""}) == 404


def run_once(conf, new_daemon, name, log_format, journal=None):
    """Runs a daemon on a store of its own through the same; returns its whole log."""
    conf.log["format"] = log_format
    conf.store["path"] = str(conf.folder / f"{name}.db")
    daemon = new_daemon(conf)
    daemon.log_path = conf.folder / f"{name}.log"
    if journal:
        daemon.log_path.touch()
        status = daemon.log_path.stat()
        daemon.env["JOURNAL_STREAM"] = f"{status.st_dev}:{status.st_ino}"
        daemon.wrapper = [*daemon.wrapper, *journal.wrapper]
    daemon.spawn()
    daemon.notify.wait_for("READY", alive=daemon.is_running)
    daemon.address = conf.server["listen"][0]
    traffic(conf, daemon)
    assert daemon.stop() == 0
    daemon.notify.close()
    return daemon.log_text()


def as_text(event):
    """An event as the text format has it, after the date."""
    def value(text):
        if re.fullmatch(r'[!-~]+', text) and not re.search(r'[="\\]', text):
            return text
        return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'
    fields = {name: text for name, text in event.items()
              if name not in ("time", "level", "event", "message")}
    return " ".join([f"{event['level']} {event['event']}: {event['message']}",
                     *(f"{name}={value(text)}" for name, text in fields.items())])


def as_entry(event, ids):
    """An event as the journal gets it."""
    entry = {"PRIORITY": PRIORITIES[event["level"]], "MESSAGE_ID": ids[event["event"]],
             "SYSLOG_IDENTIFIER": "sasha-callbackd", "SASHA_EVENT": event["event"],
             "MESSAGE": event["message"]}
    for name, text in event.items():
        if name not in ("time", "level", "event", "message"):
            entry["SASHA_" + name.upper()] = re.sub(r'(["\\])', r"\\\1", text)
    return entry


def test_the_same_event_in_each_format(conf, new_daemon):
    """Three runs of the same, logged as JSON, as text and to a journal."""
    hook = Hook(conf.folder, "publish", '[ "$SASHA_JOB_ID" != bad ] || exit 65')
    conf.exec_sink("publish", hook.command)
    conf.sinks.pop("archive")
    conf.server.update(listen=[f"unix:{conf.folder}/http.sock"], workers=1)
    lines = run_once(conf, new_daemon, "json", "json").splitlines()
    events = sorted((json.loads(line) for line in lines), key=as_text)
    assert {event["level"] for event in events} == set(PRIORITIES)

    lines = run_once(conf, new_daemon, "text", "text").splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z ", line) for line in lines)
    assert sorted(line[25:] for line in lines) == [as_text(event) for event in events]

    if not can_unshare():
        pytest.skip("no mount namespace may be made here")
    journal = Journal(conf.folder)
    try:
        assert run_once(conf, new_daemon, "journal", "auto", journal) == ""
    finally:
        journal.close()
    ids = dict(re.findall(r'\{"([^"]*)", "([^"]*)"\},',
                          (REPO / "src" / "util" / "log_ids.c").read_text()))
    got = sorted(sorted(entry.items()) for entry in journal.entries)
    assert got == sorted(sorted(as_entry(event, ids).items()) for event in events)
