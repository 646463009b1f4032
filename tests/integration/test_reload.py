"""SIGHUP: all or nothing, and the log says which."""

import resource
import signal

from harness.callback import new_token
from harness.load import Load
from harness.process import status_kib
from harness.sinks import Hook, read_ids, wait_ids
from harness.wait import wait_until


def test_good_conf_takes_effect(conf, daemon):
    daemon.start()
    before = conf.endpoint.tokens[0]
    conf.endpoint.tokens = [new_token()]
    daemon.canaries |= set(conf.canaries())
    conf.file_sink("second")
    conf.log["level"] = "info"
    daemon.reload()
    daemon.wait_event("reloaded")
    assert daemon.send(daemon.callback(token=before)).status == 401
    callback = daemon.accept()
    wait_ids(conf.archive, [callback.request_id])
    assert wait_ids(conf.folder / "second.jsonl", [callback.request_id]) == [callback.request_id]


def test_bad_conf_keeps_the_old_one_and_says_so(conf, daemon):
    daemon.start()
    good_token = conf.endpoint.tokens[0]
    conf.endpoint.tokens = [new_token()]
    daemon.canaries |= set(conf.canaries())
    conf.file_sink("second")
    conf.server["max_bdy"] = "1M"
    conf.log["level"] = "loud"
    daemon.reload()

    event = daemon.wait_event("reload-failed")
    assert event["level"] == "err" and "old" in event["message"]
    faults = [event["message"] for event in daemon.events("conf-fault")]
    assert len(faults) == 2
    assert any("max_bdy" in fault for fault in faults) and any("loud" in f for f in faults)

    callback = daemon.accept(token=good_token)
    wait_ids(conf.archive, [callback.request_id])
    assert not (conf.folder / "second.jsonl").exists()


def test_a_sink_is_kept_off_the_store_in_use(conf, daemon):
    """The new conf's store is used only after a restart; until then the old one must not be hit."""
    daemon.start()
    old = conf.store["path"]
    conf.store["path"] = str(conf.folder / "new.db")
    conf.sinks["lines"] = {"type": "file", "path": f"{conf.folder}/./{old.rsplit('/', 1)[1]}-wal"}
    daemon.reload()
    assert "store in use" in daemon.wait_event("reload-failed")["message"]
    daemon.accept()


def test_a_sink_that_goes_and_comes_back(conf, daemon):
    """Gone from the conf it gets nothing; back again it goes on where it was."""
    hook = Hook(conf.folder, "notes", 'echo "$SASHA_REQUEST_ID" >>notes')
    conf.exec_sink("notes", hook.command)
    daemon.start()
    first = daemon.accept()
    hook.wait_notes(1)
    sink = conf.sinks.pop("notes")
    daemon.reload()
    second = daemon.accept()
    wait_ids(conf.archive, [second.request_id])
    assert hook.note() == [first.request_id]
    conf.sinks["notes"] = sink
    daemon.reload()
    third = daemon.accept()
    notes = hook.wait_notes(3)
    assert sorted(notes) == sorted(c.request_id for c in (first, second, third))


def test_changed_sink_finishes_what_runs_under_the_old_options(conf, daemon):
    old = Hook(conf.folder, "old", 'echo start >>notes; until [ -e go ]; do sleep 0.05; done\n'
               'echo "$SASHA_REQUEST_ID" >>notes')
    new = Hook(conf.folder, "new", 'echo "$SASHA_REQUEST_ID" >>notes')
    conf.exec_sink("work", old.command)
    daemon.start()
    first = daemon.accept()
    old.wait_notes(1)
    conf.exec_sink("work", new.command)
    daemon.reload()
    second = daemon.accept()
    (old.folder / "go").touch()
    assert old.wait_notes(2)[1] == first.request_id
    assert new.wait_notes(1) == [second.request_id]


def test_what_needs_a_restart_is_said(conf, daemon):
    """At every reload, as long as what runs is not what the conf says."""
    daemon.start()
    conf.server["workers"] = 3
    conf.store["keep_deliveries"] = "60d"
    for times in (1, 2):
        daemon.reload()
        messages = [event["message"] for event in daemon.events("needs-restart")]
        assert sum("server" in message for message in messages) == times
        assert sum("store" in message for message in messages) == times


def test_a_renamed_endpoint_still_knows_its_ids(conf, daemon):
    """G3: dedup goes by the signed url, not by the name in the conf."""
    daemon.start()
    callback = daemon.accept()
    conf.endpoints[0].name = "renamed"
    daemon.reload()
    assert daemon.send(callback).status == 200


def test_limit_of_open_files_follows_the_conf(conf, daemon):
    hook = Hook(conf.folder, "many", "exit 0")
    daemon.start()
    resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (1400, 8192))
    conf.exec_sink("many", hook.command, concurrency=256)
    daemon.reload()
    assert resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE)[0] > 2000
    resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (2000, 2000))
    conf.sinks["many"]["concurrency"] = 255
    daemon.reload()
    assert "open files" in daemon.events("reload-failed")[-1]["message"]


def test_reload_under_load_loses_nothing(conf, daemon):
    daemon.start()
    load = Load(daemon, 8).start()
    try:
        for i in range(10):
            wait_until(lambda: len(load.acked) > 20 * (i + 1), "load going on")
            conf.endpoint.keys["max_age"] = "none" if i % 2 else "36500d"
            daemon.reload()
    finally:
        load.stop()
    assert not load.wrong and not load.unknown and not load.refused
    wait_ids(conf.archive, list(load.acked), seconds=30)
    assert sorted(read_ids(conf.archive)) == sorted(load.acked)


def test_many_reloads_leak_nothing(conf, daemon):
    hook = Hook(conf.folder, "x", "exit 0")
    conf.exec_sink("x", hook.command)
    daemon.start()
    daemon.accept()
    daemon.reload()
    descriptors = len(daemon.descriptors())
    threads = status_kib(daemon.pid, "Threads")
    for i in range(20):
        conf.sinks["x"]["timeout"] = f"{i + 1}s"
        daemon.reload()
    daemon.accept()
    wait_until(lambda: len(daemon.descriptors()) <= descriptors + 1, "descriptors to go")
    wait_until(lambda: status_kib(daemon.pid, "Threads") <= threads, "threads to go")


def test_two_hups_at_once(daemon):
    daemon.start()
    for _ in range(5):
        daemon.signal(signal.SIGHUP)
    daemon.wait_event("reloaded")
    daemon.accept()
