"""F11: restarts and reloads under load, with the socket held by systemd's own tool.

systemd-socket-activate opens the socket and, at the first connection, becomes what it is told to
run: here a keeper that starts the daemon on the socket, again and again, as the service manager
does. Each delivery comes over a connection of its own, so that none is refused, cut or lost by a
stop: who comes while nobody is there waits in the socket's queue."""

import os
import signal

import pytest
from harness.paths import DAEMON
from harness.process import children
from harness.wait import Stopwatch, wait_until
from lab.plan import count, note

KEEPER = """
until [ -e {stop} ]; do
    (LISTEN_PID=$BASHPID exec {daemon} --config {conf}) || exit
done
"""


class Kept:
    """The daemon below its keeper."""

    def __init__(self, rig):
        self.rig = rig
        self.daemon = rig.daemon
        self.stop_file = rig.folder / "stop"
        self.restarts = 0
        keeper = rig.folder / "keeper"
        keeper.write_text(KEEPER.format(stop=self.stop_file, daemon=DAEMON, conf=rig.conf.path))
        rig.conf.server["listen"] = ["127.0.0.1:1"]  # sockets from systemd win: never opened
        self.daemon.wrapper += ["systemd-socket-activate", "-l", f"{rig.folder}/http.sock",
                                "-E", "NOTIFY_SOCKET", "bash", str(keeper)]

    @property
    def pid(self):
        return wait_until(lambda: children(self.daemon.pid), "the keeper's daemon")[0]

    def start(self):
        self.daemon.spawn()
        wait_until((self.rig.folder / "http.sock").exists, "the socket")

    def wait_ready(self, times):
        self.daemon.notify.wait_for("READY", times, 30, alive=self.daemon.is_running)

    def restart(self, ready):
        """Seconds until the next one is ready."""
        watch, pid = Stopwatch(), self.pid
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: pid not in children(self.daemon.pid), "its end", 30)
        self.wait_ready(ready)
        return watch.seconds()

    def end(self):
        self.stop_file.touch()
        os.kill(self.pid, signal.SIGTERM)
        assert self.daemon.wait(30) == 0, self.daemon.log_text()[-3000:]


@pytest.mark.parametrize("what", ["restart", "reload"])
def test_under_load(rig, what):
    times = count("F11")
    kept = Kept(rig)
    kept.start()
    load = rig.load(rate=200, connections=16, fresh=True)
    kept.wait_ready(1)
    longest = 0.0
    for number in range(times):
        load.wait_promised(20)
        if what == "restart":
            longest = max(longest, kept.restart(number + 2))
        else:
            watch = Stopwatch()
            os.kill(kept.pid, signal.SIGHUP)
            kept.wait_ready(number + 2)
            longest = max(longest, watch.seconds())
    load.wait_promised(20)
    summary = load.stop()
    figures = rig.check(may_repeat=False)
    kept.end()
    note("F11", f"{times} {what}s: {figures['promised']} acknowledged, "
                f"{summary['refused_connections']} refused, {summary['lost']} unanswered, "
                f"{figures['lost']} lost, ready again after max {longest:.2f} s",
         what=what, times=times, longest=round(longest, 2), load=summary, **figures)
    assert (summary["refused_connections"], summary["lost"], summary["unavailable"]) == (0, 0, 0)
    assert figures["promised"] == figures["sent"]
