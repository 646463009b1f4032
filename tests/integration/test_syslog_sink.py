"""The syslog sink: local and remote, both formats, and a receiver that goes away and returns."""

import json

import pytest
from harness.callback import make_job
from harness.sinks import SyslogServer, wait_ids
from harness.wait import wait_until


@pytest.fixture
def server_of(folder):
    servers = []

    def make(kind):
        servers.append(SyslogServer(f"{kind}:{folder}/syslog.sock"))
        return servers[-1]
    yield make
    for server in servers:
        if server._open:
            server.close()


@pytest.mark.parametrize("kind", ["local", "udp", "tcp"])
def test_a_line_for_each_delivery(conf, daemon, server_of, kind):
    server = server_of(kind)
    conf.syslog_sink("log", server.target, facility="local3", severity="notice", tag="my-tag")
    daemon.start()
    first = daemon.accept(make_job("job-first", "pending"))
    second = daemon.accept(make_job("job-second", "completed"))
    server.wait_for(second.request_id)
    text = server.text()
    assert text.index(first.request_id) < text.index(second.request_id)
    assert text.count(f"<{19 * 8 + 5}>") == 2
    assert "my-tag" in text and "job-second" in text and "completed" in text


def test_json_format(conf, daemon, server_of):
    server = server_of("udp")
    conf.syslog_sink("log", server.target, format="json")
    daemon.start()
    callback = daemon.accept()
    text = server.wait_for(callback.request_id)
    line = json.loads(text[text.index("{"):].rstrip("\n\0"))
    assert line["request_id"] == callback.request_id
    assert line["job"] == json.loads(callback.body)


@pytest.mark.parametrize("kind", ["local", "tcp"])
def test_receiver_goes_away_and_returns(conf, daemon, server_of, kind):
    """Nothing is lost, order is kept, intake and the other sinks go on meanwhile."""
    server = server_of(kind)
    conf.syslog_sink("log", server.target, retry_first="50ms", retry_max="100ms",
                     retry_attempts=1000, timeout="1s")
    daemon.start()
    before = daemon.accept(make_job("j-before"))
    server.wait_for(before.request_id)
    server.close()
    during = [daemon.accept(make_job(f"j-{i}")) for i in range(5)]
    wait_ids(conf.archive, [callback.request_id for callback in during])
    server.listen()
    after = daemon.accept(make_job("j-after"))
    # A stream's first write after the other side closed may be taken by the kernel and lost: what
    # was acknowledged by nobody cannot be known. All that came later must be there.
    wanted = [callback.request_id for callback in (during[1:] if kind == "tcp" else during)]
    wait_until(lambda: all(id in server.text() for id in wanted + [after.request_id]),
               "every delivery of the outage", 20)


def test_hostile_text_stays_one_message(conf, daemon, server_of):
    server = server_of("local")
    conf.syslog_sink("log", server.target)
    daemon.start()
    daemon.accept(make_job("evil\n<0>forged: x\x1b[31m\u202e", "completed"))
    callback = daemon.accept()
    server.wait_for(callback.request_id)
    assert len(server.messages) == 2
    assert b"\n<0>" not in server.messages[0]
    assert b"\x1b" not in server.messages[0] and "\u202e".encode() not in server.messages[0]


def test_absent_receiver_does_not_hold_up_the_start(conf, daemon):
    conf.syslog_sink("log", f"local:{conf.folder}/nobody.sock", retry_first="1s")
    daemon.start()
    callback = daemon.accept()
    wait_ids(conf.archive, [callback.request_id])
