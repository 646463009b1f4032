"""Step 1: what must not be read in two ways is refused and the connection closed.

Each vector is a message whose second reading holds a complete, correctly signed callback. If that
one ever reaches the file sink, a request was smuggled. The vectors are those of harness/vectors.py;
tests/abuse sends all of them over a unix socket and through nginx as well."""

import re

import pytest
from harness.callback import PATH
from harness.http import ConnectionEnded
from harness.sinks import read_ids, wait_ids
from harness.vectors import CHUNKS, HEADERS, LENGTHS, REQUEST_LINES, head


def check_refused(daemon, message: bytes, status: bytes = b"400") -> None:
    """One refusal, then the end of the connection.

    libmicrohttpd 0.9.75 answers a Content-Length that is no number by itself, and sends the head of
    that answer twice; it is one answer all the same."""
    with daemon.client() as client:
        heard = client.send(message).read_to_end()
    assert heard.startswith(b"HTTP/1.1 " + status), heard
    assert set(re.findall(rb"HTTP/1\.\d (\d+)", heard)) == {status}, "another answer came"


def check_nothing_smuggled(daemon) -> None:
    after = daemon.accept()
    assert wait_ids(daemon.conf.archive, [after.request_id]) == [after.request_id]


@pytest.mark.parametrize("vectors", [LENGTHS, HEADERS], ids=["lengths", "headers"])
def test_ambiguous_framing(running, vectors):
    smuggled = running.callback(request_id="smuggled").wire()
    for name, lines in vectors.items():
        # Beyond 32 bits it is too large a body to us, beyond 64 to libmicrohttpd.
        status = b"413" if name.startswith("length-overflow") else b"400"
        check_refused(running, head(*lines) + b"\r\n" + b"hello" + smuggled, status)
    check_nothing_smuggled(running)


def test_request_line(running):
    _, _, rest = running.callback(request_id="smuggled").wire().partition(b"\r\n")
    for name, line in REQUEST_LINES.items():
        with running.client() as client:
            client.send(line.replace(b"%s", PATH.encode()) + b"\r\n" + rest)
            try:
                response = client.read()
                assert response.status in (400, 505), (name, response)
            except ConnectionEnded:
                pass  # cut without an answer is a refusal as well
            assert client.is_closed(), name
    check_nothing_smuggled(running)


@pytest.mark.parametrize("message", [
    b"POST " + PATH.encode() + b"\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64) + b"\r\n\r\n",
    b"\0" * 100 + b"\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
], ids=["http-0.9", "tls", "nul", "http-2"])
def test_what_is_not_http(conf, daemon, message):
    """Answered, or cut at the deadline for headers."""
    conf.server["header_timeout"] = "1s"
    running = daemon.start()
    with running.client() as client:
        client.send(message)
        try:
            assert client.read().status in (400, 404, 405, 501, 505)
        except (ConnectionEnded, ConnectionResetError):
            pass
        assert client.is_closed()
    running.accept()


def test_http_1_0(conf, running):
    callback = running.callback()
    wire = callback.wire().replace(b"HTTP/1.1", b"HTTP/1.0", 1)
    with running.client() as client:
        assert client.exchange(wire).status == 202
        assert client.is_closed()


def test_http_1_1_needs_a_host(running):
    with running.client() as client:
        client.send(running.callback().set("Host").wire())
        assert client.read().status == 400
        assert client.is_closed()


def test_http_1_0_has_no_chunks(running):
    callback = running.callback().set("Content-Length").set("Transfer-Encoding", "chunked")
    callback.body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(callback.body), callback.body)
    with running.client() as client:
        client.send(callback.wire().replace(b"HTTP/1.1", b"HTTP/1.0", 1))
        assert client.read().status == 400
        assert client.is_closed()


def test_broken_chunks(running):
    smuggled = running.callback(request_id="smuggled").wire()
    for name, chunks in CHUNKS.items():
        callback = running.callback().set("Content-Length").set("Transfer-Encoding", "chunked")
        callback.body = chunks + smuggled
        with running.client(timeout=20) as client:
            client.send(callback.wire())
            try:
                assert client.read().status in (400, 401, 413), name
            except (ConnectionEnded, ConnectionResetError):
                pass
            assert client.is_closed(), name
    check_nothing_smuggled(running)


def test_huge_header_is_refused(running):
    with running.client() as client:
        client.send(running.callback().set("X-Fill", "x" * 60000).wire())
        try:
            assert client.read().status in (400, 413, 431)
        except (ConnectionEnded, ConnectionResetError):
            pass
    running.accept()


def test_requests_one_after_another_and_all_at_once(conf, running):
    """Keep-alive and pipelining: every message is answered once, in order."""
    callbacks = [running.callback() for _ in range(20)]
    with running.client() as client:
        for callback in callbacks[:10]:
            assert client.exchange(callback.wire()).status == 202
        client.send(b"".join(callback.wire() for callback in callbacks[10:]))
        assert [client.read().status for _ in callbacks[10:]] == [202] * 10
    wanted = [callback.request_id for callback in callbacks]
    assert wait_ids(conf.archive, wanted) == wanted


def test_a_request_in_small_pieces(conf, running):
    wire = running.callback().wire()
    with running.client() as client:
        for i in range(0, len(wire), 11):
            client.send(wire[i:i + 11])
        assert client.read().status == 202


def test_expect_continue(running):
    callback = running.callback().set("Expect", "100-continue")
    wire = callback.wire()
    with running.client() as client:
        client.send(wire[:-len(callback.body)])
        client.send(callback.body)
        assert client.read().status == 202


def test_pipelined_after_a_refusal_is_not_served(conf, running):
    """401 before the body was read: what follows must not be taken for a request."""
    wrong = running.callback(token="wrong", request_id="first")
    with running.client() as client:
        client.send(wrong.wire() + running.callback(request_id="second").wire())
        assert client.read().status == 401
        try:
            assert client.read().status == 202  # kept open: then the second is a request of its own
            wanted = ["second"]
        except (ConnectionEnded, ConnectionResetError):
            wanted = []
    after = running.accept()
    assert wait_ids(conf.archive, [after.request_id]) == wanted + [after.request_id]
    assert "first" not in read_ids(conf.archive)
