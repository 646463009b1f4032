"""Slow, hostile and many clients of the admin listener: they disturb neither what comes in nor those
who look, and every bad request gets a clear 4xx."""

import json
import subprocess

import pytest
from harness.http import Client, ConnectionEnded, connect
from harness.paths import CTL, SANITIZED, SLOWNESS
from harness.process import status_kib
from harness.wait import Stopwatch, wait_until

MANY = 1_000


@pytest.fixture
def admin(conf, daemon):
    """Both addresses of the running daemon: unix, TCP."""
    conf.admin["listen"].append("127.0.0.1:0")
    daemon.start()
    tcp = next(event["address"] for event in daemon.events("admin-listening")
               if not event["address"].startswith("unix:"))
    return {"unix": conf.admin["listen"][0], "tcp": tcp}


def request(target, method="GET", body=b"", *headers):
    head = [f"{method} {target} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body


def ask(address, data):
    with Client(address, 20) as client:
        return client.send(data).read()


def is_well(address):
    """Not when it sheds, or its queue is full."""
    try:
        return ask(address, request("/healthz")).status == 200
    except (OSError, ConnectionEnded):
        return False


def ctl_works(conf):
    result = subprocess.run([str(CTL), "--config", str(conf.path), "--json", "status"],
                            capture_output=True, text=True, timeout=60 * SLOWNESS)
    assert result.returncode in (0, 75), result.stderr
    return result.returncode == 0 and json.loads(result.stdout)["ready"]


def assert_accepts(daemon):
    """Callbacks are accepted as ever."""
    watch = Stopwatch()
    for _ in range(20):
        daemon.accept()
    assert watch.seconds() < 5 * SLOWNESS


# ---- many and slow ----

BEGINNINGS = {
    "idle": b"",
    "slow head": b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ",
    "slow body": b"POST /v1/retry HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{",
    "unread answers": request("/metrics") * 20,
}


@pytest.mark.parametrize("kind", sorted(BEGINNINGS))
@pytest.mark.parametrize("where", ["unix", "tcp"])
def test_a_thousand_connections(conf, daemon, admin, where, kind):
    sockets = []
    try:
        for _ in range(MANY):
            try:
                sockets.append(connect(admin[where], 5))
                sockets[-1].setblocking(False)
                sockets[-1].send(BEGINNINGS[kind])
            except OSError:  # shed, or the queue of the socket is full
                pass
        assert_accepts(daemon)
        assert where == "unix" or ctl_works(conf), "the other socket"
        # The same socket, too, once those who hold its places were slow for a second.
        wait_until(lambda: is_well(admin[where]) and ctl_works(conf), "room for who is quick", 8)
        assert len(daemon.descriptors()) < 150
        if not SANITIZED:
            assert status_kib(daemon.pid, "VmHWM") <= 64 * 1024
    finally:
        for sock in sockets:
            sock.close()
    wait_until(lambda: is_well(admin[where]) and ctl_works(conf), "all as before")


def test_endless_body(conf, daemon, admin):
    """Refused when it has passed what is taken, however it is sent; memory stays."""
    before = status_kib(daemon.pid, "VmRSS")
    with Client(admin["unix"], 20) as client:
        client.send(b"POST /v1/explain HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        for _ in range(256):
            client.send(chunk)
        assert_accepts(daemon)
        assert ctl_works(conf)
        client.send(b"0\r\n\r\n")
        assert client.read().status == 413
    assert SANITIZED or status_kib(daemon.pid, "VmRSS") < before + 8 * 1024


# ---- bad ----

@pytest.mark.parametrize("data, status, word", [
    (request("/nothing"), 404, "no such thing"),
    (request("/v1/status/"), 404, "no such thing"),
    (request("/v1/status?x=1"), 400, "unknown parameter 'x'"),
    (request("/v1/deliveries?%ff=1"), 400, "unknown parameter"),
    (request("/v1/deliveries?job=%00"), 400, "without NUL"),
    (request("/v1/deliveries?limit=1&limit=2"), 400, "given twice"),
    (request("/v1/deliveries?limit=0"), 400, "1 to 1000"),
    (request("/v1/deliveries?since=yesterday"), 400, "RFC 3339"),
    (request("/v1/deliveries/x"), 400, "number of a delivery"),
    (request("/v1/refused/..%2f.."), 404, "no such refused request"),
    (request("/v1/status", "POST", b"{}"), 405, "Allow"),
    (request("/v1/retry", "GET"), 405, "Allow"),
    (request("/v1/status", "BREW"), 405, "Allow"),
    (request("/v1/retry", "POST", b""), 400, "must be a JSON object"),
    (request("/v1/retry", "POST", b"[" * 100_000), 400, "must be a JSON object"),
    (request("/v1/retry", "POST", b'{"sink":"\xff","seqs":[1]}'), 400, "must be a JSON object"),
    (request("/v1/retry", "POST", b'{"sink":"archive","seqs":[-1]}'), 400, "whole numbers"),
    (request("/v1/retry", "POST", b'{"sink":"archive","seqs":[1],"x":1}'), 400, 'member \\"x\\"'),
    (request("/v1/retry", "POST", b'{"sink":"none","seqs":[1]}'), 404, "no sink none"),
    (request("/v1/explain", "POST", b'{"request":"x"}'), 400, "line 1"),
    (b"POST /v1/retry HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n", 413, "1 MiB"),
    # The library's own words.
    (b"GET /healthz\r\n\r\n", 400, ""),
    (b"GET /healthz HTTP/1.1\r\n\r\n", 400, ""),
    (b"GET /healthz HTTP/9.9\r\nHost: x\r\n\r\n", 505, ""),
    (b"POST /v1/retry HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n", 400, ""),
    (request("/healthz", "GET", b"", "X: " + "a" * 100_000), 431, ""),
    (request("/" + "a" * 50_000), 414, ""),
])
def test_bad_requests(daemon, admin, data, status, word):
    answer = ask(admin["unix"], data)
    assert answer.status == status
    if word:
        assert answer.headers["content-type"] == "application/json"
        assert word in answer.body.decode() and json.loads(answer.body)["message"]
    assert is_well(admin["unix"]), "the listener goes on"


@pytest.mark.parametrize("target", ["/v1/status", "/v1/deliveries", "/v1/deliveries/1", "/v1/stats",
                                    "/v1/refused"])
def test_tcp_tells_nothing_of_what_came_in(daemon, admin, target):
    daemon.accept()
    answer = ask(admin["tcp"], request(target))
    assert answer.status == 404 and "unix socket" in answer.body.decode()


@pytest.mark.parametrize("action", ["retry", "replay", "drop", "pause", "resume", "prune", "explain",
                                    "backup/start", "backup/cancel"])
def test_tcp_does_nothing(daemon, admin, action):
    answer = ask(admin["tcp"], request(f"/v1/{action}", "POST", b'{"sink":"archive"}'))
    assert answer.status == 404
    assert not daemon.events("admin-action")


def test_tcp_tells_health(daemon, admin):
    for target in ("/healthz", "/readyz", "/metrics"):
        assert ask(admin["tcp"], request(target)).status == 200
    assert ask(admin["tcp"], request("/metrics", "POST")).status == 405
