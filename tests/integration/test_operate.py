"""What an operator does with the real daemon: see that a hook fails, read what it said, mend it, try
again, replay, pause, and watch a rotation."""

import json
import subprocess

import pytest
from harness.callback import make_job
from harness.http import Client
from harness.paths import CTL, SLOWNESS
from harness.sinks import Hook
from harness.wait import wait_until


@pytest.fixture
def hook(conf):
    """Fails for the job "bad" until it is mended."""
    hook = Hook(conf.folder, "publish", """
echo "$SASHA_SEQ $SASHA_REPLAY" >>notes
[ "$SASHA_JOB_ID" != bad ] || [ -e mended ] || { echo "no such album"; exit 65; }""")
    conf.exec_sink("publish", hook.command)
    return hook


def run(conf, *arguments, status=0):
    result = subprocess.run([str(CTL), "--config", str(conf.path), *map(str, arguments)],
                            capture_output=True, text=True, timeout=60 * SLOWNESS,
                            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"})
    assert result.returncode == status, result
    return result.stdout


def sink_of(conf, name):
    return next(sink for sink in json.loads(run(conf, "--json", "status"))["sinks"]
                if sink["name"] == name)


def add_up(sink):
    return sink["delivered"] + sink["dead"] + sink["pending"] + sink["running"] == sink["accepted"]


def admin_get(conf, target):
    """Over the admin socket; returns (status, body)."""
    with Client(conf.admin["listen"][0]) as client:
        answer = client.send(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()).read()
        return answer.status, answer.body.decode()


def test_see_mend_and_try_again(conf, daemon, hook):
    daemon.start()
    daemon.accept(make_job("bad"))
    daemon.accept(make_job("good"))
    wait_until(lambda: sink_of(conf, "publish")["dead"] == 1, "the dead letter in status")
    sink = sink_of(conf, "publish")
    assert add_up(sink) and sink["last_error"]["result"] == "exit 65"

    assert [json.loads(line)["seq"] for line in
            run(conf, "--json", "dead", "list", "--sink", "publish").splitlines()] == [1]
    shown = run(conf, "show", 1)
    assert "no such album" in shown and "exit 65" in shown

    run(conf, "dead", "retry", "--sink", "publish", "--all", "--dry-run")
    assert sorted(hook.wait_notes(2)) == ["1 0", "2 0"]  # two jobs: in any order
    (hook.folder / "mended").touch()
    run(conf, "dead", "retry", "--sink", "publish", "--all")
    wait_until(lambda: sink_of(conf, "publish")["delivered"] == 2, "the retried one")
    assert sorted(hook.note()[:2]) == ["1 0", "2 0"] and hook.note()[2:] == ["1 0"]
    assert sink_of(conf, "publish")["dead"] == 0 and add_up(sink_of(conf, "publish"))


def test_replay_is_marked(conf, daemon, hook):
    daemon.start()
    daemon.accept(make_job("good"))
    wait_until(lambda: sink_of(conf, "publish")["delivered"] == 1, "the delivery")
    run(conf, "replay", "--sink", "publish", "--since", "yesterday", "--dry-run")
    run(conf, "replay", "--sink", "publish", "--since", "yesterday")
    wait_until(lambda: hook.note() == ["1 0", "1 1"], "the replay, marked")
    wait_until(lambda: add_up(sink_of(conf, "publish")), "the sum")


def test_drop(conf, daemon, hook):
    daemon.start()
    daemon.accept(make_job("bad"))
    wait_until(lambda: sink_of(conf, "publish")["dead"] == 1, "the dead letter")
    run(conf, "dead", "drop", 1, "--sink", "publish")
    sink = sink_of(conf, "publish")
    assert sink["dead"] == 0 and sink["dropped"] == 1


def test_pause_lasts_over_a_restart(conf, daemon, hook):
    daemon.start()
    run(conf, "pause", "publish")
    daemon.accept(make_job("good"))
    daemon.restart()
    assert sink_of(conf, "publish")["paused"]
    daemon.accept(make_job("good"))
    wait_until(lambda: sink_of(conf, "archive")["delivered"] == 2, "the other sink")
    assert hook.note() == []
    run(conf, "resume", "publish")
    assert hook.wait_notes(2) == ["1 0", "2 0"]


def test_ready_and_metrics(conf, daemon):
    daemon.start()
    assert admin_get(conf, "/readyz")[0] == 200
    for _ in range(3):
        daemon.accept()
    assert daemon.send(daemon.callback(token="wrong-token")).status == 401
    wait_until(lambda: sink_of(conf, "archive")["delivered"] == 3, "the file sink")
    status, text = admin_get(conf, "/metrics")
    assert status == 200
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert values['sasha_callbacks_total{endpoint="main",outcome="accepted"}'] == "3"
    assert values['sasha_callbacks_total{endpoint="main",outcome="token-wrong"}'] == "1"


def test_not_ready_below_the_floor_and_ready_again(conf, daemon):
    conf.store["disk_floor"] = "1T"  # more than any disk of a test has free
    daemon.start()
    status, body = admin_get(conf, "/readyz")
    assert status == 503 and "floor" in body
    assert daemon.send(daemon.callback()).status == 503
    conf.store["disk_floor"] = "0"
    daemon.restart()
    wait_until(lambda: admin_get(conf, "/readyz")[0] == 200, "ready again")


def test_rotation_refuses_nothing(conf, daemon):
    """Add the new secret, reload, see that it is used, drop the old one."""
    daemon.start()
    old = conf.endpoints[0].secrets[0]
    daemon.accept()
    new = type(old).base64("new")
    conf.endpoints[0].secrets.append(new)
    daemon.canaries = set(conf.canaries())
    daemon.reload()
    assert daemon.send(daemon.callback(secret=new)).status == 202

    def uses():
        endpoint = json.loads(run(conf, "--json", "status"))["endpoints"][0]
        return {secret["name"]: secret["used"] for secret in endpoint["secrets"]}
    assert uses() == {old.name: 1, new.name: 1}
    conf.endpoints[0].secrets.remove(old)
    daemon.reload()
    assert daemon.send(daemon.callback(secret=new)).status == 202
    assert uses() == {new.name: 2}
