"""A3: many more connections than there are places, silent ones and ones that send all they can. The
daemon stays up, holds no more than its places, and takes callbacks again soon after."""

import os
import time

from harness.http import ConnectionEnded
from harness.process import status_kib
from harness.wait import wait_until
from kit.crowd import Crowd, Guest, allow_descriptors
from kit.numbers import get
from kit.plan import count, note

PLACES = 256
RECOVERS = 5.0


def test_recovers_from_a_crowd(conf, daemon):
    n = count("A3")
    allow_descriptors(n + 2000)
    conf.server.update(max_connections=PLACES, header_timeout="2s", body_timeout="2s",
                       idle_timeout="2s")
    conf.log["level"] = "info"
    daemon.start()
    daemon.accept()
    rss_before = status_kib(daemon.pid, "VmRSS")
    noise = os.urandom(4096)
    with Crowd() as crowd:
        begin = time.monotonic()
        for i in range(n):
            try:
                crowd.add(Guest(daemon.address, (lambda _: noise) if i % 2 else (lambda _: b""),
                                0.2))
            except OSError:
                continue  # the backlog is full: it does not get in at all
            if i % 50 == 0:
                crowd.turn(0)
        crowd.run(1.5)
        came = len(crowd.guests)
        answered = sum(guest.heard.startswith(b"HTTP/1.1 503") for guest in crowd.guests)
        rss = status_kib(daemon.pid, "VmHWM")
        took = time.monotonic() - begin
        gone_at = time.monotonic()

    def served() -> bool:
        try:
            return daemon.send().status == 202
        except (ConnectionEnded, OSError):
            return False
    wait_until(served, "a callback to be taken again", RECOVERS)
    recovered = time.monotonic() - gone_at
    assert recovered <= RECOVERS
    assert answered > 0, "nobody was told 503"
    assert rss - rss_before <= 64 * 1024, (rss_before, rss)
    note("A3", f"{came} connections in {took:.1f} s, half of them flooding, {PLACES} places: "
         f"{answered} were answered 503, memory grew by {(rss - rss_before) // 1024} MiB, served "
         f"again after {recovered:.2f} s", connections=came, answered=answered,
         grown_kib=rss - rss_before, recovered=recovered)


def test_silent_ones_make_room_by_themselves(conf, daemon):
    """Every place is taken by somebody who says nothing: after the deadline there is room."""
    allow_descriptors(2 * PLACES + 200)
    conf.server.update(max_connections=PLACES, header_timeout="2s", idle_timeout="2s")
    daemon.start()
    with Crowd() as crowd:
        for _ in range(PLACES):
            crowd.add(Guest(daemon.address, lambda _: b""))
        wait_until(lambda: b"\nsasha_connections %d\n" % PLACES in get(daemon, "/metrics"),
                   "all places to be taken", 1.5)
        begin = time.monotonic()

        def served() -> bool:
            crowd.turn(0)
            try:
                return daemon.send().status == 202
            except (ConnectionEnded, OSError):
                return False
        wait_until(served, "room", 2 + RECOVERS, interval=0.05)
        took = time.monotonic() - begin
    note("A3", f"{PLACES} silent connections in {PLACES} places: room after {took:.1f} s "
         "(deadline 2 s)", silent=PLACES, took=took)
