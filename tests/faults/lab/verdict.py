"""The oracle's judging half: what was promised, against what the sinks and the store hold.

conservation  every promised delivery is in the store and reached every sink that wanted it
integrity     every body that anything holds is the body that was sent, byte for byte
uniqueness    one row an id; one copy a sink, but where a crash may have made a hook run again
nothing else  no row and no line that nobody sent
the sum       for each sink: accepted = delivered + dead + pending + running (G5), nothing dead
order         a file sink's lines are in order of arrival

All of it is judged after the faults ended; sinks get until a deadline to be complete."""

import hashlib
import json
import re
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Set, Tuple

from harness.stored import SUMS

from .ledger import Facts, Sent

LINE = re.compile(rb'\{"seq":(\d+),"request_id":("(?:[^"\\]|\\.)*"),.*?"job":(.*)\}$', re.S)

#: What a sink holds of one delivery: seq (0: unknown), request id, digest of the body.
Copy = Tuple[int, str, str]


@dataclass
class Sink:
    """`path` of a file sink ("jsonl"), or of the journal that a hook keeps ("journal"): lines of
    "REQUEST-ID SHA256". A glob takes in rotated files, oldest first by name."""

    name: str
    kind: str
    path: Path
    statuses: Optional[List[str]] = None  # that the sink's filter lets through
    may_repeat: bool = False  # a crash may have made it see one twice

    def wants(self, sent: Sent) -> bool:
        return self.statuses is None or sent.status in self.statuses

    def files(self) -> List[Path]:
        return sorted(self.path.parent.glob(self.path.name))

    def read(self) -> Iterator[Copy]:
        for path in self.files():
            data = path.read_bytes()
            for line in data[:data.rfind(b"\n") + 1].splitlines():
                yield parse_jsonl(line) if self.kind == "jsonl" else parse_journal(line)

    def lines(self) -> int:
        return sum(path.read_bytes().count(b"\n") for path in self.files())


def parse_jsonl(line: bytes) -> Copy:
    match = LINE.match(line)
    if not match:
        return 0, f"(not a line: {line[:80]!r})", ""
    return int(match[1]), json.loads(match[2]), hashlib.sha256(match[3]).hexdigest()


def parse_journal(line: bytes) -> Copy:
    words = line.decode("utf-8", "replace").split()
    return 0, words[0] if words else "(empty)", words[1] if len(words) > 1 else ""


@dataclass
class Report:
    failures: List[str] = field(default_factory=list)
    figures: Dict[str, object] = field(default_factory=dict)

    def fail(self, text: str, ids: Set[str]) -> None:
        if ids:
            self.failures.append(f"{len(ids)} {text}, such as {sorted(ids)[:3]}")


def open_store(path: Path) -> sqlite3.Connection:
    store = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)
    store.execute("PRAGMA query_only = ON")
    return store


def count_pending(path: Path) -> int:
    """Deliveries that some active sink has yet to get."""
    with closing(open_store(path)) as store:
        return store.execute(
            "SELECT coalesce(sum(head - frontier + (SELECT count(*) FROM progress "
            "WHERE sink = sinks.id AND state = 0)), 0) FROM sinks, "
            "(SELECT max(coalesce((SELECT max(seq) FROM deliveries), 0), pruned_through)"
            " AS head FROM store) WHERE active").fetchone()[0]


def wait_until_drained(store: Path, deadline: float) -> bool:
    end = time.monotonic() + deadline
    while count_pending(store) > 0:
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def judge_sink(report: Report, facts: Facts, sink: Sink) -> None:
    seen: Set[str] = set()
    twice: Set[str] = set()
    altered: Set[str] = set()
    last_seq, disordered = 0, set()
    for seq, id, digest in sink.read():
        (twice if id in seen else seen).add(id)
        if id in facts.sent and digest != facts.sent[id].digest:
            altered.add(id)
        if sink.kind == "jsonl" and seq <= last_seq and id not in twice:
            disordered.add(id)
        last_seq = max(last_seq, seq)
    wanted = {id for id, sent in facts.promised().items() if sink.wants(sent)}
    report.fail(f"promised deliveries never reached {sink.name}", wanted - seen)
    report.fail(f"bodies in {sink.name} are not what was sent", altered)
    report.fail(f"lines in {sink.name} are of deliveries that nobody sent", seen - set(facts.sent))
    report.fail(f"deliveries reached {sink.name} though it filters them out",
                {id for id in seen & set(facts.sent) if not sink.wants(facts.sent[id])})
    report.fail(f"lines of {sink.name} are out of order", disordered)
    if not sink.may_repeat:
        report.fail(f"deliveries reached {sink.name} twice", twice)
    report.figures[sink.name] = {"delivered": len(seen), "twice": len(twice),
                                 "lost": len(wanted - seen)}


def judge_store(report: Report, facts: Facts, path: Path, dead_allowed: bool) -> None:
    with closing(open_store(path)) as store:
        seen: Set[str] = set()
        twice: Set[str] = set()
        altered: Set[str] = set()
        for id, body in store.execute("SELECT request_id, body FROM deliveries"):
            (twice if id in seen else seen).add(id)
            sent = facts.sent.get(id)
            if sent and hashlib.sha256(body).hexdigest() != sent.digest:
                altered.add(id)
        promised = set(facts.promised())
        report.fail("promised deliveries are not in the store", promised - seen)
        report.fail("stored bodies are not what was sent", altered)
        report.fail("stored deliveries that nobody sent", seen - set(facts.sent))
        report.fail("deliveries are stored twice", twice)
        for name, due, accounted in store.execute(SUMS):
            if due != accounted:
                report.failures.append(
                    f"sink {name}: {due} accepted but {accounted} accounted for")
        dead = store.execute("SELECT count(*) FROM progress WHERE state = 2").fetchone()[0]
        if dead and not dead_allowed:
            report.failures.append(f"{dead} deliveries are dead")
    report.figures["store"] = {"rows": len(seen), "lost": len(promised - seen), "dead": dead}


def judge(facts: Facts, sinks: List[Sink], store: Path, deadline: float = 180.0,
          dead_allowed: bool = False) -> Report:
    """Waits for the sinks, at most so many seconds, then judges everything."""
    report = Report()
    if not wait_until_drained(store, deadline):
        report.failures.append(
            f"{count_pending(store)} deliveries are still pending after {deadline:g} s")
    promised = facts.promised()
    report.figures |= {"sent": len(facts.sent), "promised": len(promised),
                       "unavailable": facts.unavailable, "unanswered": facts.lost}
    if facts.wrong:
        report.failures.append(f"{len(facts.wrong)} wrong answers, such as {facts.wrong[:3]}")
    for sink in sinks:
        judge_sink(report, facts, sink)
    judge_store(report, facts, store, dead_allowed)
    report.figures["lost"] = sum(
        figure["lost"] for figure in report.figures.values() if isinstance(figure, dict))
    return report
