"""A6: many copies of one delivery at once, and again after a restart; and the signed bytes cut in every
other place."""

from collections import Counter

from harness.callback import make_job
from harness.sinks import Hook, read_ids, wait_ids
from harness.stored import query
from harness.wait import holds_for
from kit.crowd import Crowd, Guest, allow_descriptors
from kit.plan import count, note


def send_at_once(daemon, wire: bytes, n: int) -> Counter:
    """All connections hold all but the last byte before the first of them sends it."""
    go = []

    def send(guest: Guest) -> bytes:
        if guest.sent < len(wire) - 1:
            return wire[guest.sent:-1]
        return wire[guest.sent:] if go else b""
    with Crowd() as crowd:
        for _ in range(n):
            crowd.add(Guest(daemon.address, send, 0.01))
        crowd.run(60, until=lambda: all(g.sent == len(wire) - 1 for g in crowd.guests))
        go.append(True)
        crowd.run(60, until=lambda: all(b"}" in g.heard for g in crowd.guests))
        return Counter(int(guest.heard[9:12]) for guest in crowd.guests)


def test_copies_at_once_and_after_a_restart(conf, daemon):
    n = count("A6")
    allow_descriptors(2 * n + 200)
    hook = Hook(conf.folder, "count", 'echo "$SASHA_REQUEST_ID" >>notes')
    conf.exec_sink("count", hook.command)
    conf.server.update(max_connections=n + 50, header_timeout="60s", body_timeout="60s")
    conf.log["level"] = "info"
    daemon.start()
    callback = daemon.callback()
    assert send_at_once(daemon, callback.wire(), n) == {202: 1, 200: n - 1}
    daemon.restart()
    assert send_at_once(daemon, callback.wire(), n) == {200: n}
    daemon.kill()
    daemon.start()
    assert send_at_once(daemon, callback.wire(), n) == {200: n}
    after = daemon.accept()
    assert wait_ids(conf.archive, [after.request_id]) == [callback.request_id, after.request_id]
    hook.wait_notes(2)
    holds_for(lambda: len(hook.note()) == 2, 0.3, "a copy ran the hook again")
    assert query(conf.store["path"], "SELECT count(*) FROM deliveries") == [(2,)]
    note("A6", f"{n} copies at once, {n} after a restart, {n} after SIGKILL: one row, one line, one "
         "run of the hook", copies=3 * n)


def test_every_other_split_of_the_signed_bytes(conf, running):
    """method, url, id and body are joined without separators: the same bytes, cut elsewhere, carry
    the same signature. The url is the daemon's own, so an id that begins within the url, or with it,
    is another text; and no id may hold the first byte of a body."""
    first = running.callback(make_job("split", note="}{\"}"), request_id="split-me-1234567890")
    url = running.conf.endpoint.public_url
    signed = "POST" + url + first.request_id + first.body.decode()
    right = len("POST" + url)
    signature = first.get("SASHA-Request-Signature")
    tried = 0
    with running.client(timeout=30) as client:
        for start in range(right - 40, right + 30):
            for end in range(start, len(signed)):
                if (start, end) == (right, right + len(first.request_id)):
                    continue
                if start != right and end % 7:
                    continue  # a wrong beginning is as wrong with every end
                request_id, body = signed[start:end], signed[end:].encode()
                callback = running.callback(body, request_id="x")
                callback.set("SASHA-Request-ID", request_id)
                callback.set("SASHA-Request-Signature", signature)
                response = client.exchange(callback.wire())
                assert response.status in (400, 401), (start, end, response)
                tried += 1
    assert read_ids(conf.archive) == []
    assert running.send(first).status == 202
    note("A6", f"{tried} other splits of the signed bytes: none accepted", splits=tried)
