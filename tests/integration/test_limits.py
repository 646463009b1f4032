"""G7: total deadlines, and a limit of connections that is answered."""

import pytest
from harness.http import Client, ConnectionEnded
from harness.paths import SLOWNESS
from harness.wait import Stopwatch, wait_until


def trickle(client: Client, data: bytes, pause: float) -> None:
    """Sends a byte now and then until the other side has had enough."""
    watch = Stopwatch()
    next_at = 0.0
    for i in range(len(data)):
        wait_until(lambda: watch.seconds() >= next_at, "the next byte's time")
        next_at += pause
        try:
            client.send(data[i:i + 1])
        except OSError:
            return


@pytest.mark.parametrize("part", ["header", "body"])
def test_slow_sender_is_cut_at_the_total_deadline(conf, daemon, part):
    """A byte now and then keeps an inactivity timeout alive for ever; ours are totals."""
    conf.server.update(header_timeout="1s", body_timeout="1s", idle_timeout="30s")
    daemon.start()
    callback = daemon.callback()
    wire = callback.wire()
    quick = 20 if part == "header" else len(wire) - len(callback.body)
    with daemon.client() as client:
        client.send(wire[:quick])
        watch = Stopwatch()
        trickle(client, wire[quick:quick + 30], 0.1)
        try:
            assert client.read().status in (400, 408)
        except (ConnectionEnded, OSError):
            pass
        assert 0.8 <= watch.seconds() < 3.5 * SLOWNESS


@pytest.mark.parametrize("first", [b"", b"request"])
def test_silent_connection_is_closed(conf, daemon, first):
    conf.server.update(header_timeout="1s", idle_timeout="1s")
    daemon.start()
    with daemon.client() as client:
        if first:
            assert client.exchange(daemon.callback().wire()).status == 202
        watch = Stopwatch()
        assert client.is_closed()
        assert 0.8 <= watch.seconds() < 3 * SLOWNESS


def test_connections_over_the_limit_are_answered(conf, daemon):
    conf.server["max_connections"] = 8
    daemon.start()
    inside = [daemon.client() for _ in range(8)]
    for client in inside:
        assert client.exchange(daemon.callback().wire()).status == 202
    for _ in range(5):
        with daemon.client() as client:
            try:
                response = client.send(daemon.callback().wire()).read()
                assert response.status == 503 and int(response.headers["retry-after"]) > 0
            except ConnectionResetError:
                pass  # the answer was there, but unread data cut it off
    for client in inside:
        assert client.exchange(daemon.callback().wire()).status == 202
        client.close()

    def served() -> bool:
        try:
            return daemon.send().status == 202
        except (ConnectionEnded, OSError):
            return False
    wait_until(served, "room again")


def test_refused_requests_do_not_flood_the_log(conf, daemon):
    """At most a line a second for each reason, whichever worker has it; what was left out is
    counted."""
    conf.log["level"] = "info"
    conf.server["workers"] = 4
    daemon.start()
    watch = Stopwatch()
    clients = [daemon.client() for _ in range(20)]
    for number in range(300):
        client = clients[number % len(clients)]
        assert client.exchange(daemon.callback(token="wrong").wire()).status == 401
    for client in clients:
        client.close()
    lines = [event for event in daemon.events("request-refused")]
    assert 1 <= len(lines) <= 2 + watch.seconds()
    assert lines[0]["reason"] == "token-wrong"


def test_unix_socket_and_several_addresses(conf, daemon):
    conf.server["listen"] = [f"unix:{conf.folder}/http.sock", "127.0.0.1:0", "[::1]:0"]
    daemon.start()
    assert len(daemon.addresses()) == 3
    for address in daemon.addresses():
        with Client(address) as client:
            assert client.exchange(daemon.callback().wire()).status == 202
    assert (conf.folder / "http.sock").stat().st_mode & 0o777 == 0o660


def test_stale_unix_socket_is_replaced_but_no_other_file(conf, daemon):
    conf.server["listen"] = [f"unix:{conf.folder}/http.sock"]
    daemon.start()
    daemon.kill()
    assert (conf.folder / "http.sock").exists()
    daemon.start()
    daemon.accept()
    assert daemon.stop() == 0

    (conf.folder / "http.sock").unlink(missing_ok=True)
    (conf.folder / "http.sock").write_text("precious")
    daemon.spawn()
    assert daemon.wait() == 69
    assert (conf.folder / "http.sock").read_text() == "precious"
