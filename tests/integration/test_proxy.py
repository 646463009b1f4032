"""The shipped proxy examples: checked by the real programs, and run with TLS in front of the real
daemon."""

import pytest
from harness.callback import PATH, make_job
from harness.proxy import PROXIES
from harness.sinks import read_ids, wait_ids


@pytest.fixture(params=PROXIES)
def proxy_class(request):
    return PROXIES[request.param]


@pytest.fixture
def front(proxy_class, folder, running):
    proxy = proxy_class(folder, running.address).start()
    yield proxy
    proxy.stop()


def test_example_passes_the_programs_own_check(proxy_class, folder):
    proxy_class(folder, "127.0.0.1:8480").check()


def test_signed_callbacks_through_tls(conf, running, front):
    callbacks = [running.callback() for _ in range(30)]
    chunked = running.callback()
    body = chunked.body
    chunked.set("Content-Length").set("Transfer-Encoding", "chunked")
    chunked.body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    large = running.callback(make_job(record={"x": "y" * 200_000}))
    with front.client(running.heard) as client:
        for callback in callbacks + [chunked, large]:
            response = client.exchange(callback.wire())
            assert (response.status, response.body) == (202, b'{"status":"accepted"}'), \
                (response, running.log_text()[-1000:])
        assert client.exchange(callbacks[0].wire()).status == 200
        spoilt = running.callback().set("SASHA-Request-Signature", "0" * 64)
        assert client.exchange(spoilt.wire()).status == 401
    wanted = [callback.request_id for callback in callbacks + [chunked, large]]
    assert wait_ids(conf.archive, wanted) == wanted


@pytest.mark.parametrize("target", [
    "/", "/healthz", PATH + "/x", PATH.replace("sasha-job", "sasha%2Djob"),
    PATH.replace("/sasha", "%2Fsasha"), "/callbacks/x/../sasha-job-update%00",
])
def test_other_targets_are_not_served(conf, running, front, target):
    """A proxy that decodes or merges must not turn another target into the callback's."""
    with front.client(running.heard) as client:
        response = client.exchange(running.callback(target=target).wire(keep_alive=False))
    if front.example == "apache.conf" and target.endswith("sasha%2Djob-update"):
        assert response.status == 202  # httpd compares decoded paths; the conf says so
        return
    assert response.status in (400, 403, 404)
    assert read_ids(conf.archive) == []


def test_too_large_body(conf, running, front):
    callback = running.callback(make_job(fill="x" * 300_000))
    with front.client(running.heard) as client:
        try:
            client.send(callback.wire())
        except OSError:
            pass  # refused by its length alone; the answer is there
        # Caddy sends what it has of a body on while it reads it. When the daemon refuses the request
        # by its length, the answer depends on what Caddy notices first.
        wanted = (413, 502) if front.example == "Caddyfile" else (413,)
        assert client.read().status in wanted
    assert read_ids(conf.archive) == []


def test_stopped_daemon_is_no_2xx(running, front):
    with front.client(running.heard) as client:
        assert client.exchange(running.callback().wire()).status == 202
    assert running.stop() == 0
    with front.client(running.heard) as client:
        response = client.exchange(running.callback().wire(keep_alive=False))
    assert response.status in (502, 503, 504)
