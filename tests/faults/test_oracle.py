"""The oracle itself: each broken promise is noticed, and nothing else is."""

import hashlib
import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
from lab import ledger, verdict
from lab.rig import ORACLE


@pytest.fixture
def finished(rig):
    """A load that went well, looked at after the daemon has stopped."""
    rig.daemon.start()
    summary = rig.load(total=100, rate=1000).join()
    assert summary["promised"] == summary["sent"] == 100 and summary["lost"] == 0
    figures = rig.check(may_repeat=False)
    assert figures["promised"] == 101 and figures["lost"] == 0
    assert figures["hook"]["delivered"] > 0
    assert rig.daemon.stop() == 0
    return rig


def judge(rig, store=None):
    sinks = [verdict.Sink("archive", "jsonl", rig.conf.archive),
             verdict.Sink("hook", "journal", rig.journal, ["failed"])]
    return verdict.judge(ledger.read(rig.ledger), sinks, store or rig.conf.store["path"],
                         deadline=0).failures


def spoil_store(rig, sql):
    """A copy of the store that something happened to."""
    path = rig.folder / "spoilt.db"
    shutil.copy(rig.conf.store["path"], path)
    with closing(sqlite3.connect(path)) as store:
        store.execute(sql)
        store.commit()
    return path


def change_line(path, number, change):
    lines = path.read_bytes().splitlines(keepends=True)
    lines[number] = change(lines[number])
    path.write_bytes(b"".join(lines))


def test_a_good_run_is_good(finished):
    assert judge(finished) == []


@pytest.mark.parametrize("change, said", [
    (lambda line: b"", "1 promised deliveries never reached archive"),
    (lambda line: line + line, "1 deliveries reached archive twice"),
    (lambda line: line.replace(b'"type":"embed', b'"type":"Embed'),
     "1 bodies in archive are not what was sent"),
    (lambda line: line.replace(b'"request_id":"', b'"request_id":"x'),
     "1 lines in archive are of deliveries that nobody sent"),
    (lambda line: line.replace(b'{"seq":', b'{"seq":9'), "lines of archive are out of order"),
    (lambda line: b"torn\n", "of deliveries that nobody sent"),
], ids=["lost", "twice", "altered", "foreign", "disordered", "torn"])
def test_a_spoilt_line_is_noticed(finished, change, said):
    change_line(finished.conf.archive, 50, change)
    assert any(said in failure for failure in judge(finished)), judge(finished)


def test_a_lost_hook_run_is_noticed(finished):
    change_line(finished.journal, 0, lambda line: b"")
    assert any("never reached hook" in failure for failure in judge(finished))


@pytest.mark.parametrize("sql, said", [
    ("DELETE FROM deliveries WHERE seq = 7", "1 promised deliveries are not in the store"),
    ("UPDATE deliveries SET body = x'20' WHERE seq = 7", "1 stored bodies are not"),
    ("UPDATE sinks SET delivered = delivered - 1 WHERE name = 'archive'", "accounted for"),
    ("UPDATE sinks SET frontier = frontier - 1", "still pending"),
    ("INSERT INTO progress VALUES (3, 1, 2, 1, 0, 0, 0)", "1 deliveries are dead"),
], ids=["row", "body", "sum", "pending", "dead"])
def test_a_spoilt_store_is_noticed(finished, sql, said):
    failures = judge(finished, spoil_store(finished, sql))
    assert any(said in failure for failure in failures), failures


def oracle(*words):
    return subprocess.run([sys.executable, str(ORACLE), *map(str, words)],
                          capture_output=True, text=True)


def test_exit_status(finished, tmp_path):
    check = ["check", "--ledger", finished.ledger, "--store", finished.conf.store["path"]]
    assert oracle("--help").returncode == 0
    assert oracle(*check, "--jsonl", f"archive={finished.conf.archive}").returncode == 0
    assert oracle(*check, "--jsonl", "archive").returncode == 2
    assert oracle("check").returncode == 2
    assert oracle("check", "--ledger", finished.ledger, "--store", tmp_path / "no").returncode == 3
    spoilt = spoil_store(finished, "DELETE FROM deliveries WHERE seq = 7")
    broken = oracle("check", "--ledger", finished.ledger, "--store", spoilt)
    assert broken.returncode == 1 and json.loads(broken.stdout)["failures"]


def test_a_wrong_answer_is_no_promise(rig):
    """An answer that is neither 2xx nor 503 ends with 1, and leaves no obligation."""
    rig.daemon.start()
    target = json.loads(rig.target.read_text())
    rig.target.write_text(json.dumps(target | {"key": hashlib.sha256(b"other").hexdigest()}))
    result = oracle("load", "--target", rig.target, "--ledger", rig.ledger, "--total", 3)
    assert result.returncode == 1 and json.loads(result.stdout)["promised"] == 0
    facts = ledger.read(rig.ledger)
    assert len(facts.wrong) == 3 and not facts.promised()
