"""A1: messages that could be read in two ways, by TCP, by a unix socket, and through nginx.

Behind each vector stands a complete, signed callback of its own. Directly, the first answer must be a
refusal, the connection must end, and the daemon must count no second request. nginx may take apart
what it is sent in its own way; but whatever it makes of it, the daemon must count exactly as many
requests as nginx says that it passed on."""

import re
from typing import Dict, List

import pytest
from harness.callback import PATH
from harness.http import Client
from harness.proxy import Nginx
from harness.sinks import read_ids, wait_ids
from harness.vectors import HEADERS, LENGTHS, PAIRS, REQUEST_LINES, ambiguous
from harness.wait import wait_until
from kit.numbers import increase, outcomes
from kit.plan import count, note


#: What is in doubt by its head alone: refused for that, whatever else is wrong.
HEADS = {*LENGTHS, *HEADERS, *PAIRS}


class LoggingNginx(Nginx):
    """The shipped example, with a line for every request that it passed on."""

    def write(self) -> None:
        super().write()
        self.passed_log = self.folder / "passed.log"
        text = self.conf.read_text()
        assert "access_log off;" in text
        text = text.replace("access_log off;", "log_format passed '$upstream_status "
                            f"$http_sasha_request_id';\n    access_log {self.passed_log} passed;")
        self.conf.write_text(text)

    def passed(self) -> List[str]:
        """The request ids of what was passed on; "-" where there was none."""
        lines = self.passed_log.read_text().splitlines()
        return [line.split(" ", 1)[1] for line in lines if not line.startswith("- ")]

    def lines(self) -> int:
        return len(self.passed_log.read_text().splitlines())


def all_vectors(daemon) -> Dict[str, bytes]:
    """Name to a whole stream, the smuggled callback at its end."""
    streams = {name: message + daemon.callback(request_id=f"smuggled-{name}").wire()
               for name, message in ambiguous().items()}
    for name, line in REQUEST_LINES.items():
        _, _, rest = daemon.callback(request_id=f"smuggled-{name}").wire().partition(b"\r\n")
        streams[f"line-{name}"] = line.replace(b"%s", PATH.encode()) + b"\r\n" + rest
    return streams


def exchange(client: Client, stream: bytes) -> bytes:
    """Sends all, ends the sending side, and reads to the end."""
    try:
        client.send(stream)
    except OSError:
        pass  # refused and closed before all was sent
    try:
        return client.read_to_end()
    except OSError:
        return b""


@pytest.fixture
def two_ways(conf, daemon):
    conf.server["listen"] = ["127.0.0.1:0", f"unix:{conf.folder}/http.sock"]
    conf.server["header_timeout"] = "2s"
    conf.server["body_timeout"] = "2s"
    conf.server["idle_timeout"] = "2s"
    conf.log["level"] = "info"
    return daemon.start()


def check_directly(daemon, address: str, streams: Dict[str, bytes]) -> None:
    for name, stream in streams.items():
        before = outcomes(daemon)
        with Client(address, heard=daemon.heard) as client:
            heard = exchange(client, stream)
        grown = increase(before, outcomes(daemon))
        statuses = set(re.findall(rb"HTTP/1\.\d (\d+)", heard))
        assert statuses <= {b"400", b"401", b"404", b"405", b"413", b"414", b"505"}, (name, heard)
        assert len(statuses) <= 1, (name, heard)
        if name in HEADS:
            assert statuses <= {b"400", b"413"}, (name, heard)
        assert sum(grown.values()) <= 1, (name, grown)
        assert not set(grown) & {"accepted", "duplicate", "conflict"}, (name, grown)


def test_no_second_request_of_one_message(conf, two_ways):
    streams = all_vectors(two_ways)
    assert len(streams) >= 100
    for _ in range(count("A1")):
        for address in two_ways.addresses():
            check_directly(two_ways, address, streams)
    after = two_ways.accept()
    assert wait_ids(conf.archive, [after.request_id]) == [after.request_id]
    note("A1", f"{len(streams)} vectors by TCP and unix socket, {count('A1')} round(s): none was "
         "read as two requests, every connection ended", vectors=len(streams),
         rounds=count("A1"))


def test_no_second_request_through_nginx(conf, folder, two_ways):
    nginx = LoggingNginx(folder, two_ways.address).start()
    streams = all_vectors(two_ways)
    passed_on = 0
    try:
        for name, stream in streams.items():
            before, lines, passed = outcomes(two_ways), nginx.lines(), len(nginx.passed())
            with nginx.client(two_ways.heard) as client:
                exchange(client, stream + b"GET /last HTTP/1.1\r\nHost: your-app.com\r\n"
                                          b"Connection: close\r\n\r\n")
            wait_until(lambda: nginx.lines() > lines, f"a line of nginx about {name}", 20)
            ids = nginx.passed()[passed:]
            grown = increase(before, outcomes(two_ways))
            assert sum(grown.values()) == len(ids), (name, grown, ids)
            passed_on += len(ids)
        assert set(read_ids(conf.archive)) <= set(nginx.passed())
    finally:
        nginx.stop()
    note("A1", f"{len(streams)} vectors through nginx: it passed on {passed_on} requests, and the "
         f"daemon saw {passed_on}", vectors=len(streams), passed_on=passed_on)


#: What is well framed, though it may not look it: (stream without its last callback, how many
#: callbacks are accepted, the last one included).
def well_framed(daemon) -> Dict[str, tuple]:
    def post(*more: bytes) -> bytes:
        callback = daemon.callback()
        wire = callback.wire()
        line, _, rest = wire.partition(b"\r\n")
        return line + b"\r\n" + b"".join(header + b"\r\n" for header in more) + rest

    def chunked(chunks: bytes) -> bytes:
        callback = daemon.callback().set("Content-Length").set("Transfer-Encoding", "chunked")
        callback.body = chunks % {b"length": b"%x" % len(callback.body), b"body": callback.body}
        return callback.wire()

    zeros = daemon.callback()
    zeros.set("Content-Length", "000" + zeros.get("Content-Length"))
    return {
        "leading-zeros-in-length": (zeros.wire(), 2),
        "expect-continue": (post(b"Expect: 100-continue"), 2),
        "upgrade": (post(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c",
                         b"HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA"), 2),
        "te-header": (post(b"TE: trailers"), 2),
        "forwarded": (post(b"X-Forwarded-For: 192.0.2.1", b"X-HTTP-Method-Override: GET",
                           b"X-Original-URL: /other", b"X-Rewrite-URL: /other"), 2),
        "empty-line-first": (b"\r\n" + post(), 2),
        "empty-header": (post(b"X-Empty:"), 2),
        "keep-alive": (post(b"Connection: keep-alive", b"Keep-Alive: timeout=5"), 2),
        "close": (post(b"Connection: close"), 1),
        "query": (daemon.callback(target=PATH + "?a=b").wire(), 2),
        "pipeline": (b"".join(post() for _ in range(8)), 9),
        "chunked": (chunked(b"%(length)s\r\n%(body)s\r\n0\r\n\r\n"), 1),
        "chunked-extension": (chunked(b"%(length)s;a=b;c\r\n%(body)s\r\n0;d\r\n\r\n"), 1),
        "chunked-zeros": (chunked(b"0000%(length)s\r\n%(body)s\r\n000\r\n\r\n"), 1),
        "chunked-trailer": (chunked(b"%(length)s\r\n%(body)s\r\n0\r\nX-Sum: 1\r\n\r\n"), 1),
        "http-1.0": (post().replace(b"HTTP/1.1", b"HTTP/1.0", 1), 1),
        "http-1.0-keep-alive": (post(b"Connection: keep-alive").replace(
            b"HTTP/1.1", b"HTTP/1.0", 1), 2),
    }


def test_what_is_well_framed_is_read_once_each(two_ways):
    """So that the refusals above are not those of a daemon that refuses everything."""
    rows = well_framed(two_ways)
    for name, (stream, accepted) in rows.items():
        for address in two_ways.addresses():
            fresh = well_framed(two_ways)[name][0]
            last = two_ways.callback().set("Connection", "close")
            before = outcomes(two_ways)
            with Client(address, heard=two_ways.heard) as client:
                exchange(client, fresh + last.wire())
            grown = increase(before, outcomes(two_ways))
            assert grown == {"accepted": accepted}, (name, grown)
    note("A1", f"{len(rows)} odd but good messages: each read as what it is", good=len(rows))


