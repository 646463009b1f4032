"""G1: SIGKILL under load, ten times; nothing that was acknowledged is lost.

The oracle is this process, which is never killed: it notes an obligation for each 2xx and compares
with what the sinks got in the end: conservation, integrity, uniqueness, liveness."""

import sqlite3
from contextlib import closing

from harness.callback import make_job
from harness.load import Load
from harness.paths import SLOWNESS
from harness.sinks import Hook, read_bodies, wait_ids
from harness.stored import query
from harness.wait import Stopwatch, wait_until

KILLS = 10


def test_a_lost_row_does_not_stop_the_others(conf, daemon):
    """A damaged store in which a delivery is missing that a sink has not had yet: the sink says so and
    goes on with the next."""
    hook = Hook(conf.folder, "seen", 'echo "$SASHA_SEQ" >>notes; [ -e mended ]')
    conf.exec_sink("seen", hook.command, retry_first="100ms", concurrency=1)
    daemon.start()
    for i in range(6):
        daemon.accept(make_job("one"))
    hook.wait_notes(1)
    daemon.kill()
    with closing(sqlite3.connect(conf.store["path"])) as store:
        store.execute("DELETE FROM deliveries WHERE seq = 4")
        store.commit()
    (hook.folder / "mended").touch()
    daemon.start()
    wait_until(lambda: hook.note()[-1] == "6", "the last delivery")
    assert "4" not in hook.note() and "5" in hook.note()
    # The other sink may have been done with it before the kill, or not.
    missing = [event for event in daemon.events("deliveries-missing") if event["sink"] == "seen"]
    assert [event["level"] for event in missing] == ["err"]


def test_nothing_acknowledged_is_lost(conf, daemon):
    hook = Hook(conf.folder, "seen", 'echo "$SASHA_REQUEST_ID" >>notes')
    conf.exec_sink("seen", hook.command, statuses=["failed"])  # a second queue, mostly filtered
    conf.log["level"] = "info"
    acked, unknown = {}, {}
    for kill in range(KILLS):
        watch = Stopwatch()
        daemon.start()
        assert watch.seconds() < 2 * SLOWNESS, "ready again within two seconds"
        load = Load(daemon, 16).start()
        wait_until(lambda: len(load.acked) > 20 + 37 * kill, "load going on", interval=0.001)
        daemon.kill()
        load.stop()
        assert not load.wrong, load.wrong
        acked.update(load.acked)
        unknown.update(load.unknown)

    daemon.start()
    fresh = daemon.accept()
    acked[fresh.request_id] = fresh.body
    ids = wait_ids(conf.archive, list(acked), 60)
    assert len(ids) == len(set(ids)), "a line twice"
    assert set(ids) <= set(acked) | set(unknown), "a delivery that nobody sent"
    bodies = read_bodies(conf.archive)
    for request_id, body in bodies.items():
        assert body == acked.get(request_id, unknown.get(request_id)), "an altered body"

    # A copy of what was promised is a copy, also after ten crashes.
    for request_id, body in list(acked.items())[::97]:
        assert daemon.send(body=body, request_id=request_id).status == 200
    assert daemon.stop() == 0
    assert query(conf.store["path"], "SELECT count(*) FROM deliveries") == [(len(ids),)]


def test_second_daemon_on_the_same_store_refuses(conf, daemon, new_daemon):
    daemon.start()
    second = new_daemon(conf)
    second.folder = conf.folder / "second"
    second.folder.mkdir()
    second.log_path = second.folder / "daemon.log"
    second.spawn()
    assert second.wait() == 74
    assert "lock" in second.log_text() or "already" in second.log_text()
    daemon.accept()
