"""F6: the n-th allocation of a thread fails, for every n, on the way of a request, of its commit, of
its delivery to each sink, of an operator's question, and while the daemon starts or reloads.

Nothing crashes; the one who asked gets a 503 (500 where it was OpenSSL) or loses the connection, but
is never told that a good callback is bad; the next request is served; what was promised reaches
every sink. In builds with ASan the sanitizer looks for leaks and overruns as well (harness.daemon
looks into the log)."""

import os
import signal
import subprocess

import pytest
from harness.http import Client, ConnectionEnded
from harness.paths import DAEMON, SANITIZED
from harness.wait import wait_until
from lab.hand import Hand
from lab.plan import note
from lab.shim import ALLOCATIONS, Shim
from lab.verdict import Sink

#: Way: the thread's name. One of a kind, so that the counting is about one request.
WAYS = {"request": "intake-", "commit": "store", "file sink": "sink-archive",
        "hook": "sink-hook"}

#: No way makes as many allocations as this.
N_MAX = 5000


class Bench:
    def __init__(self, rig):
        self.rig = rig
        rig.conf.server["workers"] = 1
        rig.conf.sinks["hook"]["statuses"] = ["completed"]
        rig.conf.sinks["hook"]["breaker"] = rig.conf.sinks["archive"]["breaker"] = 0
        self.shim = Shim(rig.folder / "shim").preload(rig.daemon)
        self.hand = Hand(rig.target, rig.ledger, refusals=(500,))
        self.sinks = [Sink("archive", "jsonl", rig.conf.archive),
                      Sink("hook", "journal", rig.journal, may_repeat=True)]
        self.served = 0

    def wait_for_sinks(self):
        """Until both have everything that was promised."""
        wanted = {d.id for d in self.hand.deliveries if d.status in (200, 202)}
        wait_until(lambda: all(wanted <= {id for _, id, _ in sink.read()} for sink in self.sinks),
                   "the sinks", 30)

    def judge(self):
        return self.hand.judge(self.rig.conf.store["path"], self.sinks)

    def alive(self):
        assert self.rig.daemon.is_running(), self.rig.daemon.log_text()[-6000:]


@pytest.fixture
def bench(rig):
    return Bench(rig)


@pytest.mark.parametrize("way", WAYS)
def test_running(bench, way):
    shim, hand = bench.shim, bench.hand
    bench.rig.daemon.start()
    for _ in range(3):  # what is allocated once is there
        assert hand.deliver() == 202
    bench.wait_for_sinks()
    failed = refused = 0
    for n in range(1, N_MAX):
        shim.arm(ALLOCATIONS, "fail", "ENOMEM", nth=n, thread=WAYS[way])
        delivery = hand.make()
        response = hand.send(delivery)
        assert response is None or response.status in (202, 500, 503), (n, response)
        if response and response.status == 202:
            wait_until(lambda: shim.struck() or all(
                delivery.id in {id for _, id, _ in sink.read()} for sink in bench.sinks), "it")
        failed += shim.struck()
        refused += delivery.status != 202
        struck = shim.struck()
        shim.disarm()
        bench.alive()
        assert hand.deliver() == 202, f"the next request after failure {n}"
        if not struck:
            break
        bench.wait_for_sinks()  # else a sink that cannot work is asked ever more rarely
    hand.send_again()
    bench.wait_for_sinks()
    figures = bench.judge()
    assert bench.rig.daemon.stop() == 0
    note("F6", f"{way}: {failed} allocations failed one by one, {refused} times no 2xx, "
               f"{figures['promised']} acknowledged, {figures['lost']} lost, no crash",
         way=way, failed=failed, refused=refused, **figures)
    assert failed >= (1 if way in ("commit", "file sink") else 3)


def ask(address, path):
    """The status of an admin request, or None."""
    try:
        with Client(address, 10) as client:
            return client.exchange(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()).status
    except (OSError, ConnectionEnded):
        return None


@pytest.mark.parametrize("path", ["/metrics", "/readyz", "/v1/status", "/v1/deliveries"])
def test_admin(bench, path):
    bench.rig.daemon.start()
    assert bench.hand.deliver() == 202
    bench.wait_for_sinks()
    address = f"unix:{bench.rig.folder}/admin.sock"
    assert ask(address, path) == 200
    failed = 0
    for n in range(1, N_MAX):
        bench.shim.arm(ALLOCATIONS, "fail", "ENOMEM", nth=n, thread="admin")
        assert ask(address, path) in (200, 500, 503, None), n
        struck = bench.shim.struck()
        bench.shim.disarm()
        bench.alive()
        assert ask(address, path) == 200, f"the next question after failure {n}"
        if not struck:
            break
        failed += 1
    assert bench.rig.daemon.stop() == 0
    note("F6", f"GET {path}: {failed} allocations failed one by one, no crash",
         way=path, failed=failed)
    assert failed > 3


def test_start(bench):
    """Only what the daemon itself allocates: libconfuse's lexer and OpenSSL's first use end the
    process when they get no memory, before anything was promised."""
    failed = refused = 0
    for n in range(1, N_MAX):
        bench.shim.arm(["allocate_own"], "fail", "ENOMEM", nth=n)
        daemon = bench.rig.daemon.spawn()
        wait_until(lambda: not daemon.is_running() or daemon.notify.count("READY"),
                   "it to be ready or to give up")
        if not bench.shim.struck():
            assert daemon.is_running()
            break
        failed += 1
        if daemon.is_running():
            assert daemon.stop() == 0
            continue
        refused += 1
        status = daemon.wait()
        assert status > 0, (n, status, daemon.log_text())
        assert daemon.log_text().strip(), f"it gave up at {n} and does not say why"
    bench.shim.disarm()
    assert bench.hand.deliver() == 202
    bench.wait_for_sinks()
    bench.judge()
    assert bench.rig.daemon.stop() == 0
    note("F6", f"start: {failed} allocations failed one by one, {refused} times it gave up with a "
               "reason, no crash", way="start", failed=failed, refused=refused)


def test_reload(bench):
    """All or nothing: it goes on with the old conf or with the new one, which is the same here."""
    daemon = bench.rig.daemon.start()
    assert bench.hand.deliver() == 202
    failed = 0
    for n in range(1, N_MAX):
        bench.shim.arm(["allocate_own"], "fail", "ENOMEM", nth=n, thread="sasha-callbackd")
        ready = daemon.notify.count("READY")
        daemon.signal(signal.SIGHUP)
        wait_until(lambda: not daemon.is_running() or daemon.notify.count("READY") > ready,
                   "the reload to be over")
        struck = bench.shim.struck()
        bench.shim.disarm()
        bench.alive()
        assert bench.hand.deliver() == 202, f"the next request after failure {n}"
        if not struck:
            break
        failed += 1
    bench.wait_for_sinks()
    bench.judge()
    assert daemon.stop() == 0
    note("F6", f"reload: {failed} allocations failed one by one, no crash", way="reload",
         failed=failed)
    assert failed > 20


@pytest.mark.skipif(SANITIZED, reason="libconfuse leaks what it half made")
def test_conf_without_memory(bench):
    """libconfuse's too. Its lexer exits with 2, or asserts; cfg_free crashed on what was half made."""
    conf = bench.rig.conf.write()
    failed = 0
    for n in range(1, N_MAX):
        bench.shim.arm(ALLOCATIONS, "fail", "ENOMEM", nth=n)
        result = subprocess.run([DAEMON, "--check", "--config", conf], capture_output=True,
                                text=True, env=bench.rig.daemon.env, timeout=30)
        by_lexer = result.returncode == 2 or \
            (result.returncode == -signal.SIGABRT and "lexer.l" in result.stderr)
        assert result.returncode in (0, os.EX_CONFIG) or by_lexer, (n, result)
        if not bench.shim.struck():
            assert result.returncode == 0
            break
        failed += 1
    note("F6", f"--check: {failed} allocations failed one by one, no crash but libconfuse's lexer's",
         way="check", failed=failed)
    assert failed > 100
