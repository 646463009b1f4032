"""SIGTERM: stop accepting, answer what is in, let hooks finish up to a limit, exit 0."""

import signal

import pytest
from harness.callback import make_job
from harness.http import ConnectionEnded
from harness.load import Load
from harness.paths import SLOWNESS
from harness.process import is_alive
from harness.sinks import Hook, read_ids, wait_ids
from harness.wait import Stopwatch, wait_until


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_idle(daemon, number):
    daemon.start()
    watch = Stopwatch()
    daemon.signal(number)
    assert daemon.wait() == 0
    assert watch.seconds() < 1.5 * SLOWNESS
    assert daemon.notify.count("STOPPING") == 1


def test_idle_connections_do_not_hold_it_up(daemon):
    daemon.start()
    with daemon.client() as silent, daemon.client() as used:
        assert used.exchange(daemon.callback().wire()).status == 202
        watch = Stopwatch()
        assert daemon.stop() == 0
        assert watch.seconds() < 1.5 * SLOWNESS
        assert silent.is_closed() and used.is_closed()


def test_under_load_everything_is_answered_or_refused_cleanly(conf, daemon):
    daemon.start()
    load = Load(daemon, 16).start()
    wait_until(lambda: len(load.acked) > 200, "load going on")
    assert daemon.stop() == 0
    load.stop()
    assert not load.wrong
    # A request may be cut before it was read; one that was promised is there.
    daemon.start()
    ids = wait_ids(conf.archive, list(load.acked), 30)
    assert len(ids) == len(set(ids))
    # Nobody was promised anything for these; none may be there twice either.
    for request_id, body in list(load.unknown.items())[:20]:
        assert daemon.send(body=body, request_id=request_id).status in (200, 202)


def test_request_that_is_being_sent_is_answered(conf, daemon):
    daemon.start()
    callback = daemon.callback()
    wire = callback.wire()
    with daemon.client() as client:
        client.send(wire[:-5])
        # Part of the request is on the daemon's side when the stop begins: another connection's
        # answer, asked for later, shows that its worker came round.
        for _ in range(4):
            daemon.accept()
        daemon.signal(signal.SIGTERM)
        daemon.notify.wait_for("STOPPING")
        client.send(wire[-5:])
        response = client.read()
        assert response.status == 202
        assert response.headers["connection"].lower() == "close"
        assert client.is_closed()
    assert daemon.wait() == 0
    daemon.start()
    wait_ids(conf.archive, [callback.request_id])


def test_new_connections_are_refused_while_it_drains(conf, daemon):
    hook = Hook(conf.folder, "slow", "echo >>notes; until [ -e go ]; do sleep 0.05; done")
    conf.exec_sink("slow", hook.command)
    daemon.start()
    daemon.accept()
    hook.wait_notes(1)
    daemon.signal(signal.SIGTERM)
    daemon.notify.wait_for("STOPPING")

    def refused():
        try:
            with daemon.client() as client:
                client.exchange(daemon.callback().wire())
        except (OSError, ConnectionEnded):
            return True
    wait_until(refused, "connections to be refused")
    (hook.folder / "go").touch()
    assert daemon.wait() == 0


def test_hooks_may_finish(conf, daemon):
    hook = Hook(conf.folder, "slow", """
echo start >>notes; until [ -e go ]; do sleep 0.05; done; echo "end $SASHA_ATTEMPT" >>notes""")
    conf.exec_sink("slow", hook.command, concurrency=1)
    daemon.start()
    daemon.accept()
    hook.wait_notes(1)
    second = daemon.accept()
    wait_ids(conf.archive, [second.request_id])
    daemon.signal(signal.SIGTERM)
    daemon.notify.wait_for("STOPPING")
    (hook.folder / "go").touch()
    assert daemon.wait() == 0
    assert hook.note() == ["start", "end 1"], "finished, and nothing new begun"

    daemon.start()
    assert hook.wait_notes(4)[2:] == ["start", "end 1"]
    daemon.restart()
    wait_until(lambda: len(hook.note()) == 4, "no third run")


def test_hooks_over_the_limit_are_ended_and_run_again(conf, daemon):
    hook = Hook(conf.folder, "stuck", """
echo "$$ $SASHA_ATTEMPT" >>notes; [ -e go ] && exit 0; trap '' TERM; while :; do sleep 0.1; done""")
    conf.exec_sink("stuck", hook.command, grace="300ms")
    conf.server["drain_timeout"] = "300ms"
    daemon.start()
    daemon.accept()
    pid = int(hook.wait_notes(1)[0].split()[0])
    watch = Stopwatch()
    assert daemon.stop() == 0
    assert watch.seconds() < 3 * SLOWNESS
    wait_until(lambda: not is_alive(pid), "the hook's end")

    (hook.folder / "go").touch()
    daemon.start()
    assert hook.wait_notes(2)[1].split()[1] == "1", "being ended by a stop is no failed attempt"


def test_stop_right_after_start(daemon):
    for _ in range(3):
        daemon.start()
        assert daemon.stop() == 0


def test_what_is_not_settled_at_the_stop_is_delivered_after_it(conf, daemon):
    daemon.start()
    load = Load(daemon, 16, total=500).run()
    assert daemon.stop() == 0
    assert len(load.acked) == 500
    daemon.start()
    wait_ids(conf.archive, list(load.acked))
    assert sorted(read_ids(conf.archive)) == sorted(load.acked)
    daemon.accept(make_job())
