"""What others can cause is written to the log now and then, and what an operator does always."""

import json

from harness.http import Client
from harness.wait import Stopwatch, wait_until

STATE_SECONDS = 10  # at most one pair of lines about a state that comes and goes


def may_be(seconds, interval):
    """Lines that a limit lets through in a time."""
    return int(seconds / interval) + 1


def come_in(daemon):
    """A connection that has a place, once there is one."""
    def attempt():
        client = daemon.client()
        try:
            if client.exchange(daemon.callback().wire()).status == 202:
                return client
        except OSError:
            pass
        client.close()
        return None
    return wait_until(attempt, "a place")


def test_connections_that_come_and_go_do_not_flood_the_log(conf, daemon):
    """With one place every connection is the last one, and makes room again."""
    conf.server["max_connections"] = 1
    daemon.start()
    watch = Stopwatch()
    for _ in range(30):
        with come_in(daemon), daemon.client() as outside:
            assert outside.read().status == 503
    full, free = daemon.events("connections-full"), daemon.events("connections-free")
    allowed = may_be(watch.seconds(), STATE_SECONDS)
    assert 1 <= len(full) <= allowed and len(free) <= len(full)
    if len(full) > 1:
        assert int(full[1]["left_out"]) > 0
        assert f"and {full[1]['left_out']} more like it" in full[1]["message"]


def post(conf, target, body):
    data = json.dumps(body).encode()
    head = (f"POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(data)}\r\n\r\n")
    with Client(conf.admin["listen"][0]) as client:
        return client.send(head.encode() + data).read().status


def test_actions_are_logged_and_failed_ones_limited(conf, daemon):
    daemon.start()
    watch = Stopwatch()
    for _ in range(20):
        assert post(conf, "/v1/pause", {"sink": "nobody"}) == 404
    allowed = may_be(watch.seconds(), 1)
    for _ in range(5):
        assert post(conf, "/v1/pause", {"sink": "archive"}) == 200
        assert post(conf, "/v1/resume", {"sink": "archive"}) == 200
    events = daemon.events("admin-action")
    done = [event for event in events if event["sink"] == "archive"]
    failed = [event for event in events if event["sink"] == "nobody"]
    assert [event["action"] for event in done] == ["pause", "resume"] * 5
    assert 1 <= len(failed) <= allowed
    # The next one tells of those before it.
    wait_until(lambda: watch.seconds() > 1.1 * allowed + 1, "the limit to let one through")
    assert post(conf, "/v1/pause", {"sink": "nobody"}) == 404
    failed = [event for event in daemon.events("admin-action") if event["sink"] == "nobody"]
    told = sum(int(event.get("left_out", 0)) for event in failed)
    assert len(failed) + told == 21
