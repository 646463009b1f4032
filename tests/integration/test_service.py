"""What systemd sees: socket activation, readiness, reloading, stopping, watchdog, status."""

import shutil
import signal

import pytest
from harness.http import Client
from harness.load import Load
from harness.sinks import wait_ids
from harness.wait import wait_until


def test_notifications(conf, daemon):
    daemon.start()
    messages = daemon.notify.collect()
    assert messages[0]["READY"] == "1"
    daemon.reload()
    reloading = [message for message in daemon.notify.messages if "RELOADING" in message]
    assert len(reloading) == 1 and int(reloading[0]["MONOTONIC_USEC"]) > 0
    assert daemon.notify.messages[-1].get("READY") == "1" or "STATUS" in daemon.notify.messages[-1]

    conf.log["level"] = "loud"
    daemon.reload()  # waits for READY, which must come after a bad reload too
    assert daemon.notify.count("RELOADING") == 2
    conf.log["level"] = "debug"
    assert daemon.stop() == 0
    assert daemon.notify.count("STOPPING") == 1
    assert any("STATUS" in message for message in daemon.notify.messages)


def test_not_ready_before_the_store_is(conf, daemon):
    path = conf.folder / "not-a-store"
    path.write_text("something else, and precious " * 100)
    conf.store["path"] = str(path)
    daemon.spawn()
    assert daemon.wait() == 74
    assert daemon.notify.count("READY") == 0
    assert "not-a-store" in daemon.log_text()
    assert path.read_text().startswith("something else, and precious ")
    path.unlink()


def test_watchdog(daemon):
    daemon.env["WATCHDOG_USEC"] = "400000"
    daemon.start()
    wait_until(lambda: daemon.notify.count("WATCHDOG") >= 5, "five pings", 5)
    daemon.signal(signal.SIGSTOP)
    try:
        seen = daemon.notify.count("WATCHDOG")
    finally:
        daemon.signal(signal.SIGCONT)
    wait_until(lambda: daemon.notify.count("WATCHDOG") > seen, "pings again")


@pytest.fixture
def activated(conf, daemon):
    """A daemon whose sockets systemd's own tool holds: a unix one, so that no port is guessed."""
    assert shutil.which("systemd-socket-activate")
    path = conf.folder / "activated.sock"
    conf.server["listen"] = ["127.0.0.1:1"]  # sockets from systemd win: never opened
    daemon.wrapper += ["systemd-socket-activate", "-l", str(path), "-E", "NOTIFY_SOCKET",
                      "-E", "ASAN_OPTIONS", "-E", "UBSAN_OPTIONS", "-E", "LSAN_OPTIONS"]
    daemon.spawn()

    def connected():
        try:
            return Client(f"unix:{path}")
        except OSError:
            return None
    # The tool starts the daemon at the first connection.
    daemon.poke = wait_until(connected, "the socket")
    yield daemon
    daemon.poke.close()


def test_socket_activation(conf, activated):
    activated.notify.wait_for("READY", alive=activated.is_running)
    assert activated.addresses() == [f"unix:{conf.folder}/activated.sock"]
    activated.address = activated.addresses()[0]
    callback = activated.callback()
    assert activated.poke.exchange(callback.wire()).status == 202, "the one that woke it up"
    wait_ids(conf.archive, [callback.request_id])
    activated.accept()


def test_hooks_do_not_get_the_sockets(conf, daemon):
    """Neither the descriptors nor LISTEN_FDS; the environment test covers the rest."""
    conf.exec_sink("fds", ["/bin/sh", "-c", (
        f"ls -l /proc/$$/fd >{conf.folder}/fds; cat /proc/$$/environ >{conf.folder}/environ")])
    daemon.env.update(LISTEN_FDNAMES="x", LISTEN_PID="1", LISTEN_FDS="0")
    daemon.start()
    daemon.accept()
    wait_until(lambda: (conf.folder / "environ").exists() and
               (conf.folder / "environ").stat().st_size, "the hook")
    assert "socket" not in (conf.folder / "fds").read_text()
    assert b"LISTEN" not in (conf.folder / "environ").read_bytes()


def test_ready_again_quickly_after_a_crash_with_a_long_wal(conf, daemon):
    daemon.start()
    load = Load(daemon, 16, total=2000).run()
    daemon.kill()
    daemon.start()
    wait_ids(conf.archive, list(load.acked))
