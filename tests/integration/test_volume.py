"""10,000 deliveries over 64 connections: all 2xx, all in the file sink once, within bounds."""

import pytest
from harness.load import Load
from harness.paths import SANITIZED
from harness.process import children, status_kib
from harness.sinks import Hook, wait_ids
from harness.wait import wait_until

TOTAL = 2_000 if SANITIZED else 10_000
CONNECTIONS = 64


def test_ten_thousand(conf, daemon):
    conf.log["level"] = "info"
    daemon.start()
    descriptors = len(daemon.descriptors())
    load = Load(daemon, CONNECTIONS, TOTAL).run()
    assert (len(load.acked), load.refused, load.unknown, load.wrong) == (TOTAL, [], {}, [])
    ids = wait_ids(conf.archive, list(load.acked), 60)
    assert len(ids) == TOTAL and len(set(ids)) == TOTAL
    wait_until(lambda: len(daemon.descriptors()) <= descriptors + 2, "descriptors to be closed")
    if not SANITIZED:
        assert status_kib(daemon.pid, "VmHWM") <= 32 * 1024


@pytest.mark.skipif(SANITIZED, reason="a sanitizer's memory is not the daemon's")
def test_an_idle_daemon_is_small(daemon):
    """What only the start touched is let go; what is used again comes back by itself."""
    daemon.start()
    assert status_kib(daemon.pid, "VmRSS") <= 8 * 1024
    daemon.accept()
    assert status_kib(daemon.pid, "VmRSS") <= 8 * 1024


def test_a_thousand_hooks_leave_nothing_behind(conf, daemon):
    """F12's count, in short: no zombie, no descriptor, no child."""
    hook = Hook(conf.folder, "many", 'echo "$SASHA_REQUEST_ID" >>notes')
    conf.exec_sink("many", hook.command, concurrency=8)
    conf.log["level"] = "info"
    daemon.start()
    daemon.accept()
    hook.wait_notes(1)
    descriptors = len(daemon.descriptors())
    total = 200 if SANITIZED else 1000
    load = Load(daemon, 16, total).run()
    assert len(load.acked) == total
    hook.wait_notes(total + 1, seconds=60)
    assert len(set(hook.note())) == total + 1
    wait_until(lambda: not children(daemon.pid), "hooks to be reaped")
    wait_until(lambda: len(daemon.descriptors()) <= descriptors + 2, "descriptors to be closed")
