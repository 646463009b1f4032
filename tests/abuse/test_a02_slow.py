"""A2: slow headers, slow bodies and slow readers: each is cut at its total deadline, and others hardly
notice."""

import time

import pytest
from harness.callback import make_job
from kit.bystander import Bystander, check_unharmed
from kit.crowd import Crowd, Guest, allow_descriptors
from kit.plan import count, note

#: Around the deadline. A trickle is a byte every half second, so the daemon's deadline falls between.
TOLERANCE = 1.0


def trickle(wire: bytes, quick: int):
    """Sends the beginning at once, then a byte at a time."""
    def send(guest: Guest) -> bytes:
        if guest.sent < quick:
            return wire[guest.sent:quick]
        return wire[guest.sent:guest.sent + 1]
    return send


HEALTH = b"GET /healthz HTTP/1.1\r\nHost: your-app.com\r\n\r\n"
MANY = memoryview(HEALTH * 5000)


def ask_without_reading(guest: Guest) -> bytes:
    """As many requests as the socket takes: in the end the answers have nowhere to go."""
    return MANY[guest.sent % len(HEALTH):]


@pytest.mark.parametrize("kind", ["headers", "body", "reading"])
def test_slow_ones_are_cut_in_time(conf, daemon, kind):
    deadline, n = count("A2-seconds"), count("A2")
    allow_descriptors(4 * n + 200)
    conf.server.update(header_timeout="300s", body_timeout="300s", idle_timeout="300s",
                       max_connections=1024)
    # Of an answer that is not read the deadline is header_timeout, too.
    conf.server["body_timeout" if kind == "body" else "header_timeout"] = f"{deadline}s"
    # Readers come by a unix socket, whose buffers have one size: those of TCP grow to megabytes.
    by_unix = f"unix:{conf.folder}/http.sock"
    conf.server["listen"] = ["127.0.0.1:0", by_unix]
    conf.log["level"] = "info"
    daemon.start()
    callback = daemon.callback(make_job(fill="x" * 4000))
    wire = callback.wire()
    quick = {"headers": 20, "body": len(wire) - len(callback.body)}.get(kind, 0)
    with Bystander(daemon) as bystander, Crowd() as crowd:
        start = time.monotonic()
        crowd.run(2.0)
        slow = time.monotonic()
        for _ in range(n):
            if kind == "reading":
                crowd.add(Guest(by_unix, ask_without_reading, 0.1, reads=False))
            else:
                crowd.add(Guest(daemon.address, trickle(wire, quick)))
        crowd.run(deadline + 15, until=lambda: crowd.left() == 0)
        end = time.monotonic()
        assert crowd.left() == 0, f"{crowd.left()} of {n} are still connected"
        # A reader that does not read is measured from the last byte that the daemon took in.
        took = [guest.ended_at - (guest.last_sent_at if kind == "reading" else guest.began)
                for guest in crowd.guests]
    before, during = bystander.p99(start, slow), bystander.p99(slow, end)
    assert bystander.count(202) == len(bystander.tries)
    assert deadline - TOLERANCE <= min(took) and max(took) <= deadline + TOLERANCE, \
        (min(took), max(took))
    assert daemon.accept()
    check_unharmed(before, during)
    note("A2", f"{n} with slow {kind} cut after {min(took):.1f} to {max(took):.1f} s (deadline "
         f"{deadline} s); others' p99 {before * 1000:.1f} ms before, {during * 1000:.1f} ms "
         "meanwhile", kind=kind, connections=n, deadline=deadline, first=min(took),
         last=max(took), p99_before_ms=before * 1000, p99_ms=during * 1000)


