"""Step 1: what must not be read in two ways is refused and the connection closed.

Each vector is a message whose second reading holds a complete, correctly signed callback. If that
one ever reaches the file sink, a request was smuggled."""

import re

import pytest
from harness.callback import PATH
from harness.http import ConnectionEnded
from harness.sinks import read_ids, wait_ids

HOST = b"Host: your-app.com\r\n"


def head(*lines: bytes, target: str = PATH, version: bytes = b"HTTP/1.1") -> bytes:
    return b"POST " + target.encode() + b" " + version + b"\r\n" + b"".join(
        line + b"\r\n" for line in lines)


#: name: (lines of the head in place of Content-Length, body before the smuggled request)
LENGTH_VECTORS = {
    "two-lengths": [b"Content-Length: 5", b"Content-Length: 0"],
    "two-equal-lengths": [b"Content-Length: 5", b"Content-Length: 5"],
    "length-list": [b"Content-Length: 5, 5"],
    "length-plus": [b"Content-Length: +5"],
    "length-minus": [b"Content-Length: -5"],
    "length-hex": [b"Content-Length: 0x5"],
    "length-empty": [b"Content-Length:"],
    "length-text": [b"Content-Length: five"],
    "length-with-space": [b"Content-Length: 5 5"],
    "length-19-digits": [b"Content-Length: 1844674407370955162"],
    "length-overflow": [b"Content-Length: 18446744073709551621"],
    "space-before-colon": [b"Content-Length : 5"],
    "tab-before-colon": [b"Content-Length\t: 5"],
    "length-and-encoding": [b"Content-Length: 5", b"Transfer-Encoding: chunked"],
    "encoding-and-length": [b"Transfer-Encoding: chunked", b"Content-Length: 5"],
    "encoding-gzip-chunked": [b"Transfer-Encoding: gzip, chunked"],
    "encoding-xchunked": [b"Transfer-Encoding: xchunked"],
    "encoding-chunked-twice": [b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"],
    "encoding-list-twice": [b"Transfer-Encoding: chunked, chunked"],
    "encoding-identity": [b"Transfer-Encoding: identity"],
    "encoding-quoted": [b'Transfer-Encoding: "chunked"'],
    "encoding-with-vertical-tab": [b"Transfer-Encoding: \x0bchunked"],
    "encoding-space-before-colon": [b"Transfer-Encoding : chunked"],
    "neither": [],
}

HEADER_VECTORS = {
    "folded": [b"X-A: a", b" b", b"Content-Length: 5"],
    "folded-with-tab": [b"X-A: a", b"\tb", b"Content-Length: 5"],
    "folded-first": [b" X-A: a", b"Content-Length: 5"],
    "name-with-space": [b"X A: a", b"Content-Length: 5"],
    "name-with-parenthesis": [b"X(A): a", b"Content-Length: 5"],
    "name-not-ascii": [b"X-\xc3\xa9: a", b"Content-Length: 5"],
    "name-with-nul": [b"X\0A: a", b"Content-Length: 5"],
    "name-empty": [b": a", b"Content-Length: 5"],
    "no-colon": [b"XA", b"Content-Length: 5"],
    "cr-in-value": [b"X-A: a\rb", b"Content-Length: 5"],
    "nul-in-value": [b"X-A: a\0b", b"Content-Length: 5"],
    "escape-in-value": [b"X-A: \x1b[31m", b"Content-Length: 5"],
    "del-in-value": [b"X-A: a\x7fb", b"Content-Length: 5"],
    "two-hosts": [HOST.strip(), b"Content-Length: 5"],
    "two-content-types": [b"Content-Type: application/json", b"Content-Type: text/plain",
                          b"Content-Length: 5"],
    "too-many-headers": [b"X-%d: a" % i for i in range(70)] + [b"Content-Length: 5"],
}


def check_refused(daemon, message: bytes, status: bytes = b"400") -> None:
    """One refusal, then the end of the connection, and nothing behind it was read.

    libmicrohttpd 0.9.75 answers a Content-Length that is no number by itself, and sends the head of
    that answer twice; it is one answer all the same."""
    with daemon.client() as client:
        heard = client.send(message).read_to_end()
    assert heard.startswith(b"HTTP/1.1 " + status), heard
    assert set(re.findall(rb"HTTP/1\.\d (\d+)", heard)) == {status}, "another answer came"
    after = daemon.accept()
    assert wait_ids(daemon.conf.archive, [after.request_id]) == [after.request_id]


@pytest.mark.parametrize("name", list(LENGTH_VECTORS) + list(HEADER_VECTORS))
def test_ambiguous_framing(running, name):
    lines = LENGTH_VECTORS.get(name, HEADER_VECTORS.get(name))
    smuggled = running.callback(request_id="smuggled").wire()
    # A length beyond 64 bits is "too large" to libmicrohttpd before our check sees it.
    status = b"413" if name == "length-overflow" else b"400"
    check_refused(running, head(HOST.strip(), *lines) + b"\r\n" + b"hello" + smuggled, status)


REQUEST_LINES = {
    "version-1.9": b"POST %s HTTP/1.9",
    "version-2.0": b"POST %s HTTP/2.0",
    "version-1.10": b"POST %s HTTP/1.10",
    "version-lower-case": b"POST %s http/1.1",
    "absolute-form": b"POST http://your-app.com%s HTTP/1.1",
    "asterisk-form": b"OPTIONS * HTTP/1.1",
    "authority-form": b"CONNECT your-app.com:443 HTTP/1.1",
    "no-slash": b"POST x%s HTTP/1.1",
    "fragment": b"POST %s#part HTTP/1.1",
    "control-in-target": b"POST %s\x01 HTTP/1.1",
    "eight-bit-target": b"POST %s\xc3\xa9 HTTP/1.1",
    "method-not-a-token": b"PO(ST %s HTTP/1.1",
}


@pytest.mark.parametrize("name", REQUEST_LINES)
def test_request_line(running, name):
    line = REQUEST_LINES[name].replace(b"%s", PATH.encode())
    callback = running.callback(request_id="smuggled")
    _, _, rest = callback.wire().partition(b"\r\n")
    with running.client() as client:
        client.send(line + b"\r\n" + rest)
        try:
            response = client.read()
            assert response.status in (400, 505), response
        except ConnectionEnded:
            pass  # cut without an answer is a refusal as well
        assert client.is_closed()
    after = running.accept()
    assert wait_ids(running.conf.archive, [after.request_id]) == [after.request_id]


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


@pytest.mark.parametrize("chunks", [
    b"5\r\nhelloXX0\r\n\r\n", b"g\r\n", b"-5\r\nhello\r\n0\r\n\r\n",
    b"fffffffffffffffff\r\nhello", b"\r\n5\r\nhello\r\n0\r\n\r\n",
])
def test_broken_chunks(running, chunks):
    callback = running.callback().set("Content-Length").set("Transfer-Encoding", "chunked")
    callback.body = chunks + running.callback(request_id="smuggled").wire()
    with running.client(timeout=20) as client:
        client.send(callback.wire())
        try:
            assert client.read().status in (400, 401, 413)
        except (ConnectionEnded, ConnectionResetError):
            pass
        assert client.is_closed()
    after = running.accept()
    assert wait_ids(running.conf.archive, [after.request_id]) == [after.request_id]


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
