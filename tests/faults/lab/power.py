"""The power cut: a recorded life of the real daemon, and the look at what it makes of a disk that was cut
off at some moment of it.

The recorded life has what is hard about durability in it: batches under load, copies and conflicts,
large bodies, checkpoints between commits and at rest, a file of lines that is rotated, one file a
job, a death in the middle, a clean stop, pruning two hours later."""

import json
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Set, Tuple

from harness import stored
from harness.callback import make_callback, make_job, new_request_id
from harness.conf import Conf
from harness.daemon import Daemon
from harness.http import Client, ConnectionEnded
from harness.paths import BUILD, CTL, SLOWNESS
from harness.wait import Stopwatch, wait_until

from . import disk
from .shim import Shim

RECORDER = BUILD / "tests" / "faults" / "recorder" / "librecorder.so"

JOBS = 12
CONNECTIONS = 6
START_LIMIT = 2.0
HOUR = 3600

#: How many of the promised deliveries are sent again after each cut: the newest, and some others.
NEWEST, OTHERS = 20, 10


class Loss(AssertionError):
    """What the power cut took, or spoilt, although it was promised. `what` is one of: acknowledged,
    body, twice, line, job, start, integrity, answer."""

    def __init__(self, what: str, text: str) -> None:
        super().__init__(f"{what}: {text}")
        self.what = what


@dataclass
class Sent:
    id: str
    body: bytes
    job: str
    updated_at: str


@dataclass
class Recording:
    """Events, and what was sent; `promised` is by place in the log."""

    root: str
    events: List[disk.Event]
    sent: Dict[str, List[Sent]]  # request id: each body that was sent under it, in order
    promised: List[Tuple[int, str]] = field(default_factory=list)


# ---- the life that is recorded ----


class Senders:
    """Connections that note which request went out through which port, in order: that is how answers in the
    log find their delivery. No port is used twice."""

    def __init__(self, conf: Conf) -> None:
        self.conf = conf
        self.by_port: Dict[int, List[Sent]] = {}
        self.sent: Dict[str, List[Sent]] = {}
        self._number = 0
        self._lock = threading.Lock()

    def _make(self, chance: random.Random) -> Sent:
        with self._lock:
            self._number += 1
            number = self._number
            old = chance.choice(list(self.sent)) if self.sent and chance.random() < 0.08 else None
        if old and chance.random() < 0.7:
            return self.sent[old][0]  # a copy
        size = 60_000 if chance.random() < 0.02 else chance.randrange(1500)
        job = f"job-{chance.randrange(JOBS)}"
        updated_at = f"2025-01-01T{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}Z"
        body = make_job(job, chance.choice(["pending", "completed", "failed"]), note=f"n{number}",
                        updated_at=updated_at, fill="x" * size)
        return Sent(old or new_request_id(), body, job, updated_at)

    def _connect(self, address: str) -> Tuple[Client, List[Sent]]:
        while True:
            client = Client(address, 15.0)
            port = client.sock.getsockname()[1]
            with self._lock:
                if port not in self.by_port:
                    self.by_port[port] = []
                    return client, self.by_port[port]
            client.close()

    def send(self, daemon: Daemon, total: int, seed: int) -> None:
        """Until so many are answered, or the daemon is gone."""
        threads = [threading.Thread(target=self._work, daemon=True,
                                    args=(daemon.address, total // CONNECTIONS + 1,
                                          random.Random(seed * 100 + i)))
                   for i in range(CONNECTIONS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
            assert not thread.is_alive(), "the load did not end"

    def _work(self, address: str, total: int, chance: random.Random) -> None:
        endpoint = self.conf.endpoint
        try:
            client, requests = self._connect(address)
        except OSError:
            return
        with client:
            for _ in range(total):
                sent = self._make(chance)
                with self._lock:
                    self.sent.setdefault(sent.id, []).append(sent)
                requests.append(sent)
                callback = make_callback(endpoint.secrets[0], endpoint.tokens[0], sent.body,
                                         request_id=sent.id, url=endpoint.public_url)
                try:
                    response = client.exchange(callback.wire())
                except (OSError, ConnectionEnded):
                    return
                assert response.status in (200, 202), response


def point_at(conf: Conf, state: Path) -> None:
    """All that has to last is in one folder."""
    state.mkdir(exist_ok=True)
    (state / "jobs").mkdir(exist_ok=True)
    quick = {"retry_first": "50ms", "retry_max": "200ms", "retry_attempts": 1000}
    conf.store = {"path": str(state / "deliveries.db"), "keep_deliveries": "1h"}
    conf.sinks = {"archive": {"type": "file", "path": str(state / "archive.jsonl"), **quick},
                  "jobs": {"type": "file", "path": str(state / "jobs" / "{job_id}.json"), **quick}}
    conf.log["level"] = "info"


class Recorder:
    """Lives of a daemon that write to one log."""

    def __init__(self, conf: Conf, daemon: Daemon, broken: Optional[str] = None) -> None:
        self.conf = conf
        self.daemon = daemon
        self.state = conf.folder / "state"
        self.log = conf.folder / "record"
        self.senders = Senders(conf)
        self.shim = Shim(conf.folder / "shim")
        point_at(conf, self.state)
        daemon.env |= self.shim.environment()
        daemon.env |= {"LD_PRELOAD": f"{RECORDER}:{daemon.env['LD_PRELOAD']}",
                       "SASHA_RECORD": str(self.log), "SASHA_RECORD_ROOT": str(self.state)}
        if broken:
            daemon.env["SASHA_RECORD_BREAK"] = broken

    def rotate(self) -> None:
        """As logrotate does, without a sync of its own."""
        env = {name: value for name, value in self.daemon.env.items() if name != "SASHA_RECORD_DIE"}
        name = self.conf.sinks["archive"]["path"]
        number = len(list(self.state.glob("archive.jsonl.*"))) + 1
        subprocess.run([sys.executable, "-c", "import os, sys; os.rename(*sys.argv[1:])", name,
                        f"{name}.{number}"], check=True, env=env)

    def prune(self) -> None:
        subprocess.run([str(CTL), "--socket", f"{self.conf.folder}/admin.sock", "prune"],
                       check=True, capture_output=True)

    def rest(self) -> None:
        """Until all is delivered and the WAL is home, which the daemon does when nothing comes."""
        def is_done() -> bool:
            lines = sum(path.read_bytes().count(b"\n") for path in self.state.glob("*.jsonl*"))
            return lines >= len(self.accepted())
        wait_until(is_done, "the file sink", 30)

    def accepted(self) -> Set[str]:
        return {row[0] for row in
                stored.query(self.conf.store["path"], "SELECT request_id FROM deliveries")}

    def finish(self) -> Recording:
        events = list(disk.read_log(self.log))
        recording = Recording(str(self.state), events, self.senders.sent)
        answered = Counter()
        for place, event in enumerate(events):
            if event.kind == disk.ANSWER:
                sent = self.senders.by_port[event.number][answered[event.number]]
                answered[event.number] += 1
                if event.at in (200, 202):
                    recording.promised.append((place, sent.id))
        self._compare(events)
        return recording

    def _compare(self, events: List[disk.Event]) -> None:
        """The log knows all: replayed whole it gives the files as they are."""
        whole = disk.Disk()
        for event in events:
            whole.apply(event)
        latest = whole.latest()
        here = {str(path) for path in self.state.rglob("*")
                if path.is_file() and not path.name.endswith("-shm")}
        assert set(latest) == here, set(latest) ^ here
        for path, image in latest.items():
            size = Path(path).stat().st_size
            assert image.size == size, (path, image.size, size)
            if not path.endswith(".reserve"):
                data = bytes(image.data).ljust(image.size, b"\0")
                assert data == Path(path).read_bytes(), path


def record(conf: Conf, daemon: Daemon, seed: int, scale: int = 100) -> Recording:
    """The whole life; `scale` is about how many deliveries each part of it has."""
    recorder = Recorder(conf, daemon)
    senders = recorder.senders

    daemon.start()
    senders.send(daemon, scale, seed)
    recorder.rotate()
    senders.send(daemon, scale, seed + 1)
    recorder.rest()
    senders.send(daemon, scale, seed + 2)  # over a WAL that starts anew
    assert daemon.stop() == 0

    daemon.env["SASHA_RECORD_DIE"] = str(200 + random.Random(seed).randrange(8 * scale))
    daemon.start()
    senders.send(daemon, 100 * scale, seed + 3)
    assert daemon.wait() == -signal.SIGKILL
    del daemon.env["SASHA_RECORD_DIE"]

    daemon.start()
    senders.send(daemon, scale, seed + 4)
    recorder.rotate()
    recorder.rest()
    recorder.prune()  # notes how far things are
    assert daemon.stop() == 0

    recorder.shim.set_clock(2 * HOUR)
    daemon.start()
    senders.send(daemon, scale, seed + 5)
    recorder.prune()
    senders.send(daemon, scale, seed + 6)
    recorder.rest()
    assert daemon.stop() == 0
    return recorder.finish()


def record_broken(conf: Conf, daemon: Daemon, broken: str) -> Recording:
    """A short life with a fault in it (recorder/breaks.c)."""
    recorder = Recorder(conf, daemon, broken)
    daemon.start()
    recorder.senders.send(daemon, 150, 1)
    recorder.rest()
    assert daemon.stop() == 0
    return recorder.finish()


# ---- the cuts ----

#: Events around which most can go wrong.
TURNS = {disk.ANSWER, disk.SYNC_BEGIN, disk.SYNC_END, disk.FOLDER_BEGIN, disk.FOLDER_END, disk.RENAME,
         disk.CREATE, disk.UNLINK, disk.TRUNCATE}


def places(recording: Recording, n: int, chance: random.Random) -> List[int]:
    """Where to cut, in order: after so many events. Two of five anywhere, two at turns, one within a
    checkpoint, which is rare and short."""
    turns, checkpoints = [], []
    databases = set()
    for place, event in enumerate(recording.events):
        if event.kind == disk.CREATE and event.data.endswith(b"/deliveries.db"):
            databases.add(event.number)
        if event.kind in TURNS:
            turns.append(place)
        elif event.kind == disk.WRITE and event.number in databases:
            checkpoints.append(place + 1)

    def choose() -> int:
        kind = chance.random()
        if kind < 0.2 and checkpoints:
            return chance.choice(checkpoints)
        if kind < 0.6:
            return chance.choice(turns) + chance.randint(0, 1)
        return chance.randint(0, len(recording.events))
    return sorted(choose() for _ in range(n))


def hours_at(recording: Recording, place: int) -> int:
    """How far the clock is ahead there: the last life is two hours later."""
    lives = [at for at, event in enumerate(recording.events) if event.kind == disk.LIFE]
    return 2 * HOUR if place > lives[-1] else 0


class Survivor:
    """A daemon started on what a cut left, and what is demanded of it."""

    def __init__(self, recording: Recording, place: int, daemon: Daemon) -> None:
        self.recording = recording
        self.daemon = daemon
        self.state = daemon.folder / "state"
        self.promised = {id for at, id in recording.promised if at < place}
        order = [id for at, id in recording.promised if at < place]
        self.newest = list(dict.fromkeys(reversed(order)))[:NEWEST]
        self.seconds = 0.0

    def start(self) -> None:
        watch = Stopwatch()
        try:
            self.daemon.start()
        except AssertionError as error:
            raise Loss("start", str(error)[-2000:]) from None
        self.seconds = watch.seconds()

    def bodies_in_store(self) -> Dict[str, bytes]:
        return dict(stored.query(self.daemon.conf.store["path"],
                                 "SELECT request_id, body FROM deliveries"))

    def check_store(self) -> None:
        rows = self.bodies_in_store()
        for id, body in rows.items():
            if all(body != sent.body for sent in self.recording.sent.get(id, [])):
                raise Loss("body", f"{id} in the store has a body that was never sent")
        (pruned,), = stored.query(self.daemon.conf.store["path"],
                                  "SELECT pruned_through FROM store")
        gone = self.promised - set(rows)
        lines = {id: seq for id, (seq, _) in self.read_lines(tolerant=True)[0].items()} if gone else {}
        lost = [id for id in gone if lines.get(id, pruned + 1) > pruned]
        if lost:
            raise Loss("acknowledged", f"{len(lost)} of {len(self.promised)} are not in the store: "
                                       f"{lost[:3]}")

    def check_copies(self, chance: random.Random) -> None:
        """What was promised is recognised, and something new is taken."""
        conf = self.daemon.conf
        others = sorted(self.promised)
        again = self.newest + chance.sample(others, min(OTHERS, len(others)))
        with self.daemon.client() as client:
            for id in again:
                callback = make_callback(conf.endpoint.secrets[0], conf.endpoint.tokens[0],
                                         self.recording.sent[id][0].body, request_id=id)
                response = client.exchange(callback.wire())
                if response.status != 200:
                    raise Loss("acknowledged", f"{id} is not known any more: {response}")
            body = make_job("fresh", updated_at="2025-02-01T00:00:00Z")
            response = client.exchange(make_callback(
                conf.endpoint.secrets[0], conf.endpoint.tokens[0], body).wire())
            if response.status != 202:
                raise Loss("answer", f"a fresh delivery is answered {response}")

    def read_lines(self, tolerant: bool = False) -> Tuple[Dict[str, Tuple[int, bytes]], List[str]]:
        """Every line of the file sink, current and rotated files: id to seq and body; and the ids that
        stand there twice. In a rotated file the daemon leaves a torn end alone, and in the current
        one as well until it was opened (`tolerant`)."""
        found: Dict[str, Tuple[int, bytes]] = {}
        twice = []
        for path in sorted(self.state.glob("archive.jsonl*")):
            for line in path.read_bytes().split(b"\n"):
                match = re.fullmatch(rb'\{"seq":(\d+),"request_id":("(?:[^"\\]|\\.)*"),.*?"job":(.*)\}',
                                     line, re.S)
                if not match or not is_json(line):
                    if line and not tolerant and path.name == "archive.jsonl":
                        raise Loss("line", f"a torn line in the file at hand: {line[:80]!r}")
                    continue
                id = json.loads(match[2])
                twice += [id] * (id in found)
                found[id] = int(match[1]), match[3]
        return found, twice

    def check_lines(self) -> None:
        rows = self.bodies_in_store()
        due = set(rows) | self.promised

        def is_done() -> bool:
            return due <= set(self.read_lines(tolerant=True)[0])
        try:
            wait_until(is_done, "every line", 10, interval=0.01)
        except AssertionError:
            missing = due - set(self.read_lines(tolerant=True)[0])
            raise Loss("line", f"{len(missing)} of {len(due)} have no line: "
                               f"{sorted(missing)[:3]}") from None
        lines, twice = self.read_lines()
        if twice:
            raise Loss("twice", f"{len(twice)} have two lines: {twice[:3]}")
        for id, (_, body) in lines.items():
            if id in self.recording.sent and body != rows.get(id, body):
                raise Loss("body", f"the line of {id} has another body than the store")
            if id in self.recording.sent and all(body != sent.body
                                                 for sent in self.recording.sent[id]):
                raise Loss("body", f"the line of {id} has a body that was never sent")

    def check_jobs(self) -> None:
        """Each job's file has the newest state that was delivered."""
        newest: Dict[str, Dict[str, str]] = {}
        for _, body in self.read_lines()[0].values():
            job = json.loads(body)
            if job["updated_at"] >= newest.get(job["job_id"], job)["updated_at"]:
                newest[job["job_id"]] = job

        def read(name: str) -> Optional[Dict[str, str]]:
            path = self.state / "jobs" / f"{name}.json"
            return json.loads(path.read_bytes())["job"] if path.exists() else None

        def is_done() -> bool:
            return all(read(name) == job for name, job in newest.items())
        try:
            wait_until(is_done, "every job's file", 10, interval=0.01)
        except ValueError as error:
            raise Loss("job", f"a file is no JSON: {error}") from None
        except AssertionError:
            wrong = {name: (job["updated_at"], (read(name) or {}).get("updated_at"))
                     for name, job in newest.items() if read(name) != job}
            raise Loss("job", f"not at the newest state (newest, in the file): {wrong}; "
                              f"{self.daemon.log_text()[-1000:]}") from None

    def check_end(self) -> None:
        status = self.daemon.stop()
        if status != 0:
            raise Loss("integrity", f"exit status {status}: {self.daemon.log_text()[-1000:]}")
        try:
            stored.check(self.daemon.conf.store["path"])
        except AssertionError as error:
            raise Loss("integrity", str(error)) from None


def is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def survive(recording: Recording, now: disk.Disk, place: int, conf: Conf, folder: Path,
            seed: object) -> Survivor:
    """Cuts here, starts the daemon on what is left, and demands all that was promised."""
    chance = random.Random(f"{seed}-{place}")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    own = Conf(folder)
    own.endpoints = conf.endpoints
    point_at(own, folder / "state")
    state = now.after_cut(chance)
    disk.put_back(state, recording.root, folder / "state", folder / "inodes")
    if chance.random() < 0.5:
        (folder / "state" / "deliveries.db-shm").write_bytes(chance.randbytes(32768))
    daemon = Daemon(own)
    shim = Shim(folder / "shim")
    shim.set_clock(hours_at(recording, place))
    daemon.env |= shim.environment()
    daemon.env |= {"LD_PRELOAD": f"{RECORDER}:{daemon.env['LD_PRELOAD']}",
                   "SASHA_RECORD_INODES": str(folder / "inodes")}
    survivor = Survivor(recording, place, daemon)
    try:
        survivor.start()
        survivor.check_store()
        survivor.check_copies(chance)
        survivor.check_lines()
        survivor.check_jobs()
        survivor.check_end()
        if survivor.seconds > START_LIMIT * SLOWNESS:
            raise Loss("start", f"ready after {survivor.seconds:.2f} s only")
    finally:
        daemon.abandon()
    return survivor


def walk(recording: Recording, at: List[int]) -> Iterator[Tuple[int, disk.Disk]]:
    """The disk at each of the places, which are in order."""
    now = disk.Disk()
    done = 0
    for place in at:
        for event in recording.events[done:place]:
            now.apply(event)
        done = max(done, place)
        yield place, now
