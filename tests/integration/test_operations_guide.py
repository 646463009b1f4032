"""docs/operations.md, walked through with the real daemon: what the guide says is done, under load
where it says that nobody notices."""

import json
import re
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
from harness import stored
from harness.callback import Secret, make_job
from harness.conf import Endpoint
from harness.guide import GUIDE, Operator, lay_out, walkthroughs
from harness.load import Load
from harness.paths import CTL, REPO, SLOWNESS
from harness.sinks import Hook, read_ids, wait_ids
from harness.wait import wait_until

WALKED = set()


@pytest.fixture
def operator(conf, daemon):
    lay_out(conf)
    daemon.canaries = set(conf.canaries())
    operator = Operator(conf, daemon)
    run = operator.run

    def note(name, *arguments, **how):
        WALKED.add(name)
        return run(name, *arguments, **how)
    operator.run = note
    return operator


def status(conf):
    result = subprocess.run([str(CTL), "--config", str(conf.path), "--json", "status"],
                            capture_output=True, text=True, timeout=60 * SLOWNESS)
    return json.loads(result.stdout)


def sink(conf, name="publish"):
    return next(sink for sink in status(conf)["sinks"] if sink["name"] == name)


@pytest.fixture
def hook(conf):
    """Fails for jobs whose id begins with "bad", until it is mended."""
    hook = Hook(conf.folder, "publish", """
case $SASHA_JOB_ID in bad*) [ -e mended ] || { echo "the album server says no"; exit 1; } ;; esac
echo "$SASHA_REQUEST_ID" >>notes""")
    conf.exec_sink("publish", hook.command, retry_attempts=2, retry_first="10ms",
                   retry_max="20ms")
    return hook


def test_deploy(conf, daemon, operator):
    """With credentials, as installed."""
    render = conf.render
    conf.render = lambda: render().replace(f"file:{conf.secret_folder}/", "credential:")
    daemon.env["CREDENTIALS_DIRECTORY"] = str(conf.secret_folder)
    conf.write()
    assert operator.run("check").endswith(": ok\n")
    # `--direct` needs an address that is known before.
    conf.server["listen"] = [f"unix:{conf.folder}/http.sock"]
    daemon.start()
    told = operator.run("first", may_fail="--self-test")  # nobody answers for your-app.com here
    assert "HTTP/1.1 202" in told and "embed-signature" in told and "sink archive:" in told
    assert "your-app.com" in told.splitlines()[-1] or "name" in told.splitlines()[-1]
    told = operator.run("look", may_fail="stats")
    assert ": ready" in told
    told = operator.run("size")
    assert "status 202: 2000" in told and "2001 deliveries" in told


def test_refused(conf, daemon, operator):
    daemon.start()
    forged = daemon.callback(url="http://your-app.com/callbacks/sasha-job-update")
    assert daemon.send(forged).status == 401

    def refused():
        result = subprocess.run([str(CTL), "--config", str(conf.path), "--json", "explain",
                                 "--list"], capture_output=True, text=True,
                                timeout=60 * SLOWNESS)
        return result.stdout and json.loads(result.stdout)["refused"][0]["id"]
    told = operator.run("refused", may_fail="--refused", ID=wait_until(refused, "the request"))
    assert "signature-wrong" in told and "http://your-app.com" in told
    told = operator.run("stopped", may_fail="--self-test")
    assert ": ready" in told


def test_a_hook_keeps_failing(conf, daemon, operator, hook):
    daemon.start()
    bad = [daemon.accept(make_job(f"bad-{i}")) for i in range(3)]
    good = daemon.accept(make_job("good"))
    wait_until(lambda: sink(conf)["dead"] == 3 and sink(conf)["delivered"] == 1, "dead letters", 20)

    told = operator.run("hook", SEQ="1")
    assert "last error" in told and "exit 1" in told and "the album server says no" in told
    operator.run("pause")
    waiting = daemon.accept(make_job("bad-later"))
    assert sink(conf)["pending"] == 1 and sink(conf)["paused"]
    (hook.folder / "mended").touch()
    told = operator.run("retry", SEQ="1")
    assert "would retry" in told and "retried" in told
    wait_until(lambda: sink(conf)["delivered"] == 5, "all of them", 20)
    assert sink(conf)["dead"] == 0 and sink(conf)["pending"] == 0
    assert sorted(hook.note()) == sorted(callback.request_id
                                         for callback in [*bad, good, waiting])


def example_of_the_man_page():
    """The commands of sasha-callbackctl(1) under "See that a hook fails"."""
    page = (REPO / "docs" / "man" / "sasha-callbackctl.1").read_text()
    block = page.split("See that a hook fails")[1].split(".Bd -literal")[1].split(".Ed")[0]
    return [line for line in block.splitlines() if line.startswith("sasha-callbackctl ")]


def test_the_example_of_the_man_page(conf, daemon, operator, hook):
    """Whoever knows the man page only: see it, read its output, mend it, replay all with a dry run
    first."""
    daemon.start()
    for i in range(3):
        daemon.accept(make_job(f"bad-{i}"))
    wait_until(lambda: sink(conf)["dead"] == 3, "dead letters", 20)
    lines = [line.replace("4711", "2") for line in example_of_the_man_page()]
    verbs = [line.split()[1] for line in lines]
    assert verbs == ["status", "dead", "show", "retry", "retry", "retry"]
    told = [operator.shell(line) for line in lines[:3]]
    assert "dead letters; see: sasha-callbackctl dead list --sink publish" in told[0]
    assert told[1].count("bad-") == 3 and "the album server says no" in told[2]
    (hook.folder / "mended").touch()
    operator.shell(lines[3])
    wait_until(lambda: sink(conf)["dead"] == 2 and sink(conf)["delivered"] == 1, "one", 20)
    assert "would retry 2" in operator.shell(lines[4])
    assert sink(conf)["dead"] == 2
    operator.shell(lines[5])
    wait_until(lambda: sink(conf)["delivered"] == 3, "all", 20)


class FileEndpoint(Endpoint):
    """Its secrets are the files that the guide names, which the operator puts there."""

    def _keep(self, name: str, text: str) -> str:
        path = Path(self.folder).parent / f"secret-{name}"
        if not path.exists():
            path.write_text(text + "\n")
            path.chmod(0o400)
        return f"file:{path}"


def test_rotation_under_load(conf, daemon, operator):
    """Zero refused, and the last use of each secret tells when the old one can go."""
    old = Secret.base64("old", "177F01DA-34F2-4318-9763-B73876FDD7FA")
    new = Secret.base64("new", "0D0E6B0A-3D3B-4B67-8F0A-6F1D8B0C2E11")
    conf.endpoints = [FileEndpoint(conf.secret_folder, secrets=[old])]
    conf.secret_folder = conf.folder / "etc"  # where secrets may be found
    conf.log["level"] = "info"
    daemon.canaries |= set(conf.canaries()) | set(new.forms())
    daemon.start()
    load = Load(daemon, 4).start()

    def used(name):
        return next(secret["used"] for secret in status(conf)["endpoints"][0]["secrets"]
                    if secret["name"] == name)
    wait_until(lambda: used("old") > 50, "callbacks with the old secret", 30)

    given = conf.folder / "etc" / "given"
    given.write_text(new.text + "\n")
    operator.run("rotate-add", NEW_SECRET=str(given))
    conf.endpoint.secrets = [old, new]
    conf.write()
    told = operator.run("rotate-reload")
    assert re.search(r"secret +new .* never", told)

    conf.endpoint.secrets = [new, old]  # SASHA uses the new one; the conf says the same as before
    before = used("new")
    wait_until(lambda: used("new") > before + 50, "callbacks with the new secret", 30)
    still = used("old")
    wait_until(lambda: used("new") > before + 200, "more of them", 30)
    assert used("old") == still
    told = operator.run("rotate-watch")
    assert re.search(rf"secret +old +{still} ", told)

    conf.endpoint.secrets = [new]
    conf.write()
    operator.run("rotate-drop")
    before = used("new")
    wait_until(lambda: used("new") > before + 50, "callbacks after the rotation", 30)
    load.stop()
    assert (load.refused, load.unknown, load.wrong) == ([], {}, [])
    assert not (conf.folder / "etc" / "secret-old").exists()
    assert daemon.send(daemon.callback(secret=old)).status == 401


@pytest.fixture
def held_socket(conf, daemon):
    """The listening socket stays ours while the daemon restarts, as with sasha-callbackd.socket."""
    with socket.create_server(("127.0.0.1", 0), backlog=512) as sock:
        fd = sock.fileno()
        conf.server["listen"] = ["127.0.0.1:1"]  # sockets from systemd win: never opened
        daemon.inherited.append(fd)
        daemon.wrapper += ["bash", "-c", f'exec 3<&{fd}; LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"',
                           "daemon"]
        yield sock


def test_rotation_by_restart(conf, daemon, operator, held_socket):
    """As installed, with credentials: the socket is held, so a restart refuses nobody."""
    old = Secret.base64("old", "177F01DA-34F2-4318-9763-B73876FDD7FA")
    new = Secret.base64("new", "0D0E6B0A-3D3B-4B67-8F0A-6F1D8B0C2E11")
    conf.endpoint.secrets = [old]
    render = conf.render
    conf.render = lambda: render().replace(f"file:{conf.secret_folder}/", "credential:")
    daemon.env["CREDENTIALS_DIRECTORY"] = str(conf.secret_folder)
    daemon.canaries |= set(conf.canaries()) | set(new.forms())
    conf.log["level"] = "info"
    daemon.start()
    load = Load(daemon, 4).start()

    def more():
        n = len(load.acked)
        wait_until(lambda: len(load.acked) >= n + 100, "more callbacks", 30)
    more()
    for secrets in ([old, new], [new, old], [new]):  # added; SASHA goes over; dropped
        conf.endpoint.secrets = secrets
        if secrets != [new, old]:
            daemon.restart()
        more()
    load.stop()
    # A connection that the stop closed while a request was on its way has no answer; SASHA repeats.
    assert (load.refused, load.wrong) == ([], [])
    assert daemon.send(daemon.callback(secret=old)).status == 401


def test_backup_and_restore(conf, daemon, operator, hook):
    """The restored store is whole, knows what it knew, and its sinks go on from there."""
    conf.log["level"] = "info"
    daemon.start()
    subprocess.run([str(CTL), "--config", str(conf.path), "pause", "publish"], check=True,
                   capture_output=True, timeout=60 * SLOWNESS)
    load = Load(daemon, 4).start()
    wait_until(lambda: len(load.acked) >= 200, "some load", 30)
    before = dict(load.acked)
    told = operator.run("backup")
    assert f"{conf.folder}/state/backup/store.db" in operator.run("watch")
    assert "copied and checked" in told
    at_backup = len(load.acked)
    wait_until(lambda: len(load.acked) >= at_backup + 50, "more load", 30)
    load.stop()
    lost = daemon.accept(make_job("lost"))
    assert (load.refused, load.unknown, load.wrong) == ([], {}, [])
    state = conf.folder / "state"
    copy = state / "backup" / "store.db"
    rows = {row[0] for row in stored.query(copy, "SELECT request_id FROM deliveries")}
    assert set(before) <= rows and lost.request_id not in rows
    wait_ids(state / "jobs.jsonl", list(load.acked))

    told = operator.run("restore")
    assert f"{len(rows)} deliveries" in told
    stored.check(state / "deliveries.db")
    assert {row[0] for row in stored.query(state / "deliveries.db",
                                           "SELECT request_id FROM deliveries")} == rows
    assert set(read_ids(state / "before-restore" / "jobs.jsonl")) >= set(load.acked)

    # Known and unknown ids, as the guide says.
    for request_id, body in list(before.items())[:3]:
        assert daemon.send(body=body, request_id=request_id).status == 200
    assert daemon.send(lost).status == 202
    wait_ids(state / "jobs.jsonl", [lost.request_id])

    # The paused sink had nothing yet; it gets all that the backup holds, and what came after.
    assert sink(conf)["pending"] == len(rows) + 1 and sink(conf)["paused"]
    subprocess.run([str(CTL), "--config", str(conf.path), "resume", "publish"], check=True,
                   capture_output=True, timeout=60 * SLOWNESS)
    wait_until(lambda: sink(conf)["delivered"] == len(rows) + 1, "the hooks", 120)
    assert sorted(hook.note()) == sorted(rows | {lost.request_id})


def test_nightly_backup(conf, daemon, operator):
    """The line for cron, as cron runs it; the second week's takes the place of the first's."""
    line = re.search(r"^30 2 \* \* \* root (.*)$", GUIDE.read_text(), re.M)[1]
    daemon.start()
    daemon.accept()
    folder = conf.folder / "state" / "backup"
    folder.mkdir()
    for want in (1, 2):
        operator.shell(operator.translate(line.replace("\\%", "%")))
        (copy,) = folder.iterdir()
        assert re.fullmatch(r"[1-7]\.db", copy.name)
        assert len(stored.query(copy, "SELECT seq FROM deliveries")) == want
        for beside in folder.glob("*.db-*"):
            beside.unlink()  # made by the reader of this test
        daemon.accept()


def test_move(conf, daemon, operator):
    """A stopped daemon's files, copied: every one has another inode, no line is written twice."""
    daemon.start()
    load = Load(daemon, 4, 200).run()
    state = conf.folder / "state"
    wait_ids(state / "jobs.jsonl", list(load.acked))
    assert daemon.stop() == 0
    assert not (state / "deliveries.db-wal").exists()  # all of it is in the one file
    state.rename(conf.folder / "old")
    shutil.copytree(conf.folder / "old", state)
    assert (state / "jobs.jsonl").stat().st_ino != (conf.folder / "old" / "jobs.jsonl").stat().st_ino
    daemon.start()
    again = next(iter(load.acked.items()))
    assert daemon.send(body=again[1], request_id=again[0]).status == 200
    last = daemon.accept()
    ids = wait_ids(state / "jobs.jsonl", [last.request_id])
    assert sorted(ids) == sorted([*load.acked, last.request_id])


def test_crash_and_disk(conf, daemon, operator):
    daemon.start()
    daemon.accept()
    operator.crash()
    daemon.start()
    told = operator.run("crash")
    assert ": ready" in told and "1 deliveries" in told
    told = operator.run("disk")
    assert "disk free" in told and "Filesystem" in told


def test_a_damaged_store_says_so(conf, daemon, operator):
    """What the guide tells to look for in the log."""
    daemon.start()
    for _ in range(50):
        daemon.accept()
    assert daemon.stop() == 0
    store = Path(str(conf.store["path"]))
    good = store.read_bytes()
    store.write_bytes(b"\x55" * 4096 + good[4096:])
    daemon.spawn()
    assert daemon.wait() == 74 and "not a database" in daemon.log_text()
    store.write_bytes(good[:len(good) // 2])
    daemon.spawn()
    assert daemon.wait() == 74 and "malformed" in daemon.log_text()
    store.write_bytes(good)


def test_every_walkthrough_was_walked():
    """Last, and only where the others ran."""
    if len(WALKED) > 1:
        assert WALKED == set(walkthroughs())
