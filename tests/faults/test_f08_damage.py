"""F8: bits flip and files are cut short while the daemon is stopped: in the database, its WAL, the file
sink's file, the lock, the reserve, the index of the WAL.

No program can mend that. What is demanded: the daemon starts, or refuses with exit status 74 and a
line that says what to do; it never crashes and never hangs; and no body that it hands on or shows
is another than the one that came. A sink that had not had anything yet gets all that the damaged
store still gives, so that every stored body is read."""

import json
import random
import shutil
import signal
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from harness.callback import make_callback, make_job, new_request_id
from harness.conf import Conf
from harness.daemon import Daemon
from harness.http import Client, ConnectionEnded
from harness.paths import SLOWNESS
from harness.wait import Stopwatch, wait_until
from lab.plan import count, note
from lab.verdict import parse_jsonl

DELIVERIES = 150

EX_IOERR = 74

#: Exit statuses of a daemon that refuses, or ends because its store has failed.
CLEAR = {EX_IOERR}

#: What an operator is told to do, somewhere in the last error of the log.
ADVICE = ["restore a backup", "move it", "move the store", "free some room", "see what the kernel",
          "must name another file", "install that version", "until it is opened anew",
          "keeps its WAL"]

#: What is damaged, and how often of a hundred.
TARGETS = {"deliveries.db": 45, "deliveries.db-wal": 30, "archive.jsonl": 10, "deliveries.db-shm": 5,
           "deliveries.db.lock": 5, "deliveries.db.reserve": 5}


def make_conf(folder, state, endpoints=None):
    conf = Conf(folder)
    if endpoints:
        conf.endpoints = endpoints
    quick = {"retry_first": "20ms", "retry_max": "50ms", "retry_attempts": 10_000}
    conf.store["path"] = str(state / "deliveries.db")
    conf.sinks = {"archive": {"type": "file", "path": str(state / "archive.jsonl"), **quick},
                  # Its folder goes before anything comes, so all of it waits.
                  "late": {"type": "file", "path": str(state / "late" / "late.jsonl"), **quick}}
    conf.log["level"] = "info"
    return conf


class Sound:
    """A store before it is damaged: after a SIGKILL with a WAL, or after a clean stop."""

    def __init__(self, folder, is_killed):
        folder.mkdir()
        self.state = folder / "state"
        (self.state / "late").mkdir(parents=True)
        self.conf = make_conf(folder, self.state)
        self.bodies = {}
        self.others = set()
        daemon = Daemon(self.conf)
        chance = random.Random(8)
        try:
            daemon.start()
            (self.state / "late").rmdir()
            for _ in range(3):  # with a rest between, so that the database has pages, too
                with daemon.client() as client:
                    for _ in range(DELIVERIES // 3):
                        self._send(client, chance)
                self._rest(daemon)
            if is_killed:
                with daemon.client() as client:
                    for _ in range(20):
                        self._send(client, chance)
                daemon.kill()
            else:
                assert daemon.stop() == 0
        finally:
            daemon.abandon()

    def _send(self, client, chance):
        id = new_request_id()
        size = 9000 if chance.random() < 0.1 else chance.randrange(900)
        body = make_job(f"job-{chance.randrange(9)}", note=id, fill="x" * size)
        response = client.exchange(self.wire(id, body))
        assert response.status == 202, response
        self.bodies[id] = body
        if chance.random() < 0.1:  # evidence of a conflict
            other = make_job("job-c", note=id, fill="z" * 700)
            assert client.exchange(self.wire(id, other)).status == 200
            self.others.add(other)

    def _rest(self, daemon):
        def is_home():
            return json.loads(ask(daemon, "/v1/status").body)["sinks"][0]["pending"] == 0
        wait_until(is_home, "the archive")

    def wire(self, id, body):
        endpoint = self.conf.endpoint
        return make_callback(endpoint.secrets[0], endpoint.tokens[0], body, id,
                             endpoint.public_url).wire()


def ask(daemon, target):
    with Client(f"unix:{daemon.folder}/admin.sock", 10.0) as client:
        return client.exchange(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())


# ---- the damage ----

def flip(data, chance):
    """Up to 16 bits, half of the time where the headers are."""
    reach = min(len(data), 4096) if chance.random() < 0.5 else len(data)
    for _ in range(chance.randint(1, 16)):
        data[chance.randrange(reach)] ^= 1 << chance.randrange(8)


def cut(data, chance):
    length = chance.randrange(len(data))
    del data[length // 4096 * 4096 if chance.random() < 0.5 else length:]


def blank(data, chance):
    """A sector that reads as zeros."""
    at = chance.randrange(len(data)) // 512 * 512
    data[at:at + 512] = bytes(len(data[at:at + 512]))


def damage(state, chance):
    """Spoils one file; says which and how."""
    there = [name for name in TARGETS if (state / name).exists()]
    name = chance.choices(there, [TARGETS[name] for name in there])[0]
    how = chance.choice([flip, flip, cut, blank])
    data = bytearray((state / name).read_bytes())
    if data:
        how(data, chance)
    else:
        data += chance.randbytes(100)
    (state / name).write_bytes(data)
    return f"{how.__name__} {name}"


# ---- what is demanded ----

class Case:
    def __init__(self, sound, folder, seed):
        self.sound = sound
        self.chance = random.Random(seed)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        self.state = folder / "state"
        shutil.copytree(sound.state, self.state)
        (self.state / "late").mkdir()
        self.what = damage(self.state, self.chance)
        self.daemon = Daemon(make_conf(folder, self.state, sound.conf.endpoints))
        self.old_size = (self.state / "archive.jsonl").stat().st_size

    def is_over(self):
        return not self.daemon.is_running()

    def run(self):
        """Returns "started", "refused" or "failed" (its store did, later)."""
        self.daemon.spawn()
        wait_until(lambda: self.is_over() or self.daemon.notify.count("READY"), "ready or over", 15)
        if self.is_over():
            return self.check_exit("refused")
        self.daemon.address = self.daemon.addresses()[0]
        try:
            self.exercise()
        except (OSError, ConnectionEnded):
            wait_until(self.is_over, "an end, since it does not answer", 15)
        if not self.is_over():
            self.daemon.signal(signal.SIGTERM)
        outcome = self.check_exit("failed", {0, *CLEAR})
        self.check_lines(self.state / "late" / "late.jsonl", 0)
        self.check_lines(self.state / "archive.jsonl", self.old_size)
        return outcome

    def exercise(self):
        """A fresh delivery, copies, each body over the API, and what the late sink gets."""
        self.id, self.body = new_request_id(), make_job("fresh", fill="y" * 300)
        with self.daemon.client() as client:
            for id, body in [(self.id, self.body),
                             *self.chance.sample(sorted(self.sound.bodies.items()), 10)]:
                response = client.exchange(self.sound.wire(id, body))
                assert response.status in (200, 202, 503), response
        rows = json.loads(ask(self.daemon, "/v1/status").body)["store"]["head"]
        for seq in self.chance.sample(range(1, max(rows, 1) + 1), min(max(rows, 1), 40)) \
                if rows <= 2 * DELIVERIES else range(1, 40):
            self.check_shown(seq)
        watch, before = Stopwatch(), -1
        while watch.seconds() < 5 * SLOWNESS and not self.is_over():
            # Until nothing more comes for a while, or all is there.
            lines = self.count_late()
            if lines > len(self.sound.bodies):
                break
            if lines == before and watch.seconds() > 1:
                break
            before = lines
            wait_until(lambda: self.is_over() or self.count_late() != before or
                       watch.seconds() > 1, "a change", 5)

    def count_late(self):
        path = self.state / "late" / "late.jsonl"
        return path.read_bytes().count(b"\n") if path.exists() else 0

    def check_shown(self, seq):
        response = ask(self.daemon, f"/v1/deliveries/{seq}")
        assert response.status in (200, 404, 500, 503), response
        if response.status == 200:
            shown = json.loads(response.body)
            body = self.sound.bodies.get(shown["request_id"],
                                         self.body if shown["request_id"] == self.id else None)
            for conflict in shown["conflicts"]:
                assert conflict["body"] is None or \
                    conflict["body"].encode() in self.sound.others | set(
                        self.sound.bodies.values()), f"an altered body is shown: {conflict}"
            assert body and body in response.body, f"an altered body is shown: {response.body[:300]!r}"

    def check_lines(self, path, start):
        if not path.exists():
            return
        data = path.read_bytes()[start:]
        for line in data[:data.rfind(b"\n") + 1].splitlines():
            _, id, digest = parse_jsonl(line)
            if start and id.startswith("(not a line"):
                continue  # the rest of one that was cut in two by the damage
            body = self.sound.bodies.get(id, self.body if id == getattr(self, "id", 0) else None)
            assert body is not None, f"a delivery that nobody sent: {line[:200]!r}"
            assert line.endswith(b'"job":' + body + b"}"), f"an altered body: {line[:300]!r}"

    def check_exit(self, outcome, allowed=frozenset(CLEAR)):
        status = self.daemon.wait(20)
        log = self.daemon.log_text()
        assert status in allowed, f"exit status {status}: {log[-3000:]}"
        if status == 0:
            return "started"
        errors = [event for event in self.daemon.events()
                  if event["event"] in ("start-failed", "store-failed")]
        assert errors, f"no word about why: {log[-3000:]}"
        assert any(advice in errors[-1]["message"] for advice in ADVICE), errors[-1]["message"]
        return outcome


@pytest.fixture
def case_folder():
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        yield Path(name) / "case"


def test_damage(folder, case_folder):
    sounds = [Sound(folder / "killed", True), Sound(folder / "stopped", False)]
    outcomes, targets, faults = Counter(), Counter(), []
    for seed in range(count("F8")):
        case = Case(sounds[seed % 2], case_folder, seed)
        try:
            outcome = case.run()
            outcomes[outcome] += 1
            targets[f"{case.what}: {outcome}"] += 1
        except AssertionError as error:
            faults.append((seed, case.what, str(error)[:3000]))
        finally:
            case.daemon.abandon()
    note("F8", f"{count('F8')} damages: {dict(outcomes)}, {len(faults)} faults",
         outcomes=dict(outcomes), targets=dict(targets), faults=faults)
    assert not faults, faults
