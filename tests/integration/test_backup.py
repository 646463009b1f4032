"""`sasha-callbackctl backup`: a copy that holds together, made under load, and what is refused."""

import json
import re
import signal
import subprocess

import pytest
from harness import stored
from harness.fake_admin import FakeAdmin
from harness.load import Load
from harness.paths import CTL, SANITIZED, SLOWNESS
from harness.wait import wait_until


def backup(conf, path, *options, status=0, cwd=None):
    result = subprocess.run([str(CTL), "--config", str(conf.path), *options, "backup", str(path)],
                            capture_output=True, text=True, timeout=120 * SLOWNESS, cwd=cwd,
                            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"})
    assert result.returncode == status, result
    return result


def test_under_load(conf, daemon):
    """Whatever was acknowledged before the command is in the copy, and nobody is refused."""
    conf.log["level"] = "info"
    daemon.start()
    load = Load(daemon, 8).start()
    wait_until(lambda: len(load.acked) >= 500, "some load", 30)
    for i in range(3):
        before = dict(load.acked)
        path = conf.folder / f"copy-{i}.db"
        report = json.loads(backup(conf, path, "--json").stdout)
        assert report["state"] == "done" and report["bytes"] == path.stat().st_size
        assert path.stat().st_mode & 0o777 == 0o640
        rows = dict(stored.query(path, "SELECT request_id, body FROM deliveries"))
        assert all(rows.get(request_id) == body for request_id, body in before.items())
        stored.check(path)
    load.stop()
    assert (load.refused, load.unknown, load.wrong) == ([], {}, [])
    assert len(daemon.events("backup-made")) == 3
    for beside in conf.folder.glob("copy-*-*"):
        beside.unlink()  # made by the reader of this test
    assert sorted(path.name for path in conf.folder.glob("copy-*")) == [
        "copy-0.db", "copy-1.db", "copy-2.db"]


def status(conf):
    result = subprocess.run([str(CTL), "--config", str(conf.path), "status"], capture_output=True,
                            text=True, timeout=60 * SLOWNESS)
    return result.stdout


def test_for_people(conf, daemon):
    daemon.start()
    daemon.accept()
    assert "backup" not in status(conf)
    result = backup(conf, "copy.db", cwd=conf.folder)
    assert result.stdout.startswith(f"{conf.folder}/copy.db: ")
    assert "copied and checked in" in result.stdout and result.stderr == ""
    assert re.search(rf"^backup +{conf.folder}/copy.db\n +done \d+s ago$", status(conf), re.M)


def test_what_is_refused(conf, daemon):
    daemon.start()
    taken = conf.folder / "taken"
    taken.write_text("mine")
    assert "nothing is written over" in backup(conf, taken, status=64).stderr
    assert "the store's own" in backup(conf, f"{conf.store['path']}-journal", status=64).stderr
    assert "No such file" in backup(conf, conf.folder / "no" / "copy.db", status=64).stderr
    assert taken.read_text() == "mine"


def test_no_room(conf, daemon):
    conf.store["disk_floor"] = "1T"  # more than any disk of a test has free
    daemon.start()
    result = backup(conf, conf.folder / "copy.db", status=1)
    assert "no backup was made" in result.stderr and "above store.disk_floor" in result.stderr
    assert list(conf.folder.glob("copy.db*")) == []
    assert re.search(r"^ +FAILED \d+s ago\n.*above store.disk_floor$", status(conf), re.M)


def test_stopping_the_daemon_ends_it(conf, daemon):
    """A stop does not wait for a copy, and leaves no half of one."""
    daemon.start()
    Load(daemon, 8, 300).run()
    process = subprocess.Popen([str(CTL), "--config", str(conf.path), "backup",
                                str(conf.folder / "copy.db")], stderr=subprocess.PIPE, text=True)
    daemon.stop()
    process.communicate(timeout=60 * SLOWNESS)
    assert process.returncode in (0, 1, 69, 75)
    assert not (conf.folder / "copy.db.part").exists()
    assert (conf.folder / "copy.db").exists() == bool(daemon.events("backup-made"))


@pytest.mark.skipif(SANITIZED, reason="a leak check does not work under strace")
def test_synced_before_it_has_its_name(conf, daemon):
    """The last sync of the copy, then the name, then the sync of the folder."""
    trace = conf.folder / "trace"
    daemon.wrapper += ["strace", "-D", "-f", "-y", "-qq", "-e", "trace=fsync,renameat2", "-o", str(trace)]
    daemon.start()
    daemon.accept()
    backup(conf, conf.folder / "copy.db")

    def of_the_backup():
        """The calls of the thread that renamed; one that another thread cut in two counts once."""
        lines = [line.split(None, 1) for line in trace.read_text().splitlines()]
        thread = next((line[0] for line in lines if line[1].startswith("renameat2(")), None)
        calls = [line[1] for line in lines if line[0] == thread and "resumed" not in line[1]]
        return calls if calls and f"<{conf.folder}>" in calls[-1] else None
    *_, sync, rename, sync_folder = wait_until(of_the_backup, "the trace", 20)
    assert sync.startswith("fsync(") and "copy.db.part>" in sync
    assert rename.startswith("renameat2(") and sync_folder.startswith("fsync(")


# ---- the tool alone, against a made-up daemon ----

@pytest.fixture
def admin(folder):
    fake = FakeAdmin(folder / "admin.sock").start()
    yield fake
    fake.stop()


def start(admin, *options):
    return subprocess.Popen([str(CTL), "--socket", str(admin.path), *options, "backup", "copy.db"],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            cwd=admin.path.parent)


def test_an_interrupt_cancels(admin):
    process = start(admin)
    wait_until(lambda: len(admin.requests) >= 2, "the tool to wait", 20)
    process.send_signal(signal.SIGINT)
    out, told = process.communicate(timeout=60 * SLOWNESS)
    assert process.returncode == 1 and out == ""
    assert told == "sasha-callbackctl backup: no backup was made: cancelled\n"
    assert admin.actions == [("/v1/backup/start", {"file": f"{admin.path.parent}/copy.db"}),
                             ("/v1/backup/cancel", {})]


def test_a_copy_that_only_the_daemon_sees(admin):
    """Its /tmp is its own: the operator must not find out when the copy is needed."""
    admin.backup.update(state="done", ended_at="2026-11-22T08:00:01.5Z")
    process = start(admin)
    out, told = process.communicate(timeout=60 * SLOWNESS)
    assert process.returncode == 1 and "a place that only it sees" in told
    (admin.path.parent / "copy.db").touch()
    process = start(admin)
    out, told = process.communicate(timeout=60 * SLOWNESS)
    assert (process.returncode, told) == (0, "")
    assert out == f"{admin.path.parent}/copy.db: 8.0 KB, copied and checked in 1.50 s\n"


def test_a_daemon_that_fails_it(admin):
    admin.backup.update(state="failed", error="the copy is damaged")
    process = start(admin, "--json")
    out, told = process.communicate(timeout=60 * SLOWNESS)
    assert process.returncode == 1 and json.loads(out)["state"] == "failed"
    assert told == "sasha-callbackctl backup: no backup was made: the copy is damaged\n"


@pytest.mark.parametrize("state, started_at", [("done", "2026-11-22T09:00:00Z"), ("none", None)])
def test_another_is_not_taken_for_it(admin, state, started_at):
    """Nor is the silence of a daemon that was started again."""
    process = start(admin)
    wait_until(lambda: len(admin.requests) >= 1, "the tool to wait", 20)
    admin.backup.update(state=state, started_at=started_at)
    out, told = process.communicate(timeout=60 * SLOWNESS)
    assert (process.returncode, out) == (1, "")
    assert "makes another backup by now" in told


def test_usage(admin):
    for arguments in ([], ["a", "b"]):
        result = subprocess.run([str(CTL), "backup", *arguments], capture_output=True, text=True,
                                timeout=60 * SLOWNESS)
        assert result.returncode == 64 and "name one file" in result.stderr
