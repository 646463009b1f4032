"""sasha-callbackctl send --burst and --self-test."""

import json
import subprocess
import time

import pytest
from harness.callback import PATH
from harness.paths import CTL, SLOWNESS
from harness.proxy import Nginx
from harness.sinks import read_lines
from harness.wait import wait_until


def send(conf, *arguments):
    command = [str(CTL), "--config", str(conf.path), "send", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120 * SLOWNESS)


def test_burst(conf, running):
    result = send(conf, "--json", "--burst", "200", "--status", "completed", "--connections", "4",
                  "--url", f"http://{running.address}{PATH}")
    assert result.returncode == 0, result.stderr
    summary = json.loads(result.stdout)
    assert summary["sent"] == 200 and summary["statuses"] == {"202": 200}
    assert 0 < summary["ms_p50"] <= summary["ms_p90"] <= summary["ms_p99"] <= summary["ms_max"]
    wait_until(lambda: len(read_lines(conf.archive)) == 200, "all in the archive")
    lines = read_lines(conf.archive)
    assert len({line["request_id"] for line in lines}) == 200
    assert len({line["job"]["job_id"] for line in lines}) == 200


def test_burst_of_a_file_and_rate(conf, running):
    path = conf.folder / "job.json"
    path.write_bytes(running.callback().body)
    started = time.monotonic()
    result = send(conf, "--burst", "20", "--rate", "20/s", "--job", path,
                  "--url", f"http://{running.address}{PATH}")
    assert result.returncode == 0, result.stderr
    assert time.monotonic() - started > 0.9
    assert "status 202: 20" in result.stdout and "latency" in result.stdout


def test_burst_refused_and_unanswered(conf, running):
    result = send(conf, "--burst", "5", "--status", "x", "--token", "wrong-token",
                  "--url", f"http://{running.address}{PATH}")
    assert result.returncode == 1 and "status 401: 5" in result.stdout
    result = send(conf, "--burst", "5000", "--status", "x", "--url", "http://127.0.0.1:1/")
    assert result.returncode == 69 and "given up" in result.stdout


@pytest.fixture
def proxy(conf, daemon, folder):
    daemon.start()
    proxy = Nginx(folder, daemon.address)
    conf.endpoint.public_url = f"https://localhost:{proxy.port}{PATH}"
    daemon.reload()
    proxy.start()
    yield proxy
    proxy.stop()


def self_test(conf, proxy, *arguments):
    return send(conf, "--self-test", "--cacert", proxy.certificate.certificate, *arguments)


def test_self_test(conf, daemon, proxy):
    result = self_test(conf, proxy)
    assert result.returncode == 0 and result.stdout.startswith("ok: "), result.stdout
    result = send(conf, "--self-test")
    assert result.returncode == 69 and "certificate does not hold" in result.stdout
    result = self_test(conf, proxy, "--token", "wrong-token")
    assert result.returncode == 1 and "does not accept token or signature" in result.stdout
    result = self_test(conf, proxy, "--url", conf.endpoint.public_url + "/nowhere", "--json")
    assert result.returncode == 1 and json.loads(result.stdout)["status"] == 404
    daemon.stop()
    result = self_test(conf, proxy)
    assert result.returncode == 1 and "does not reach the daemon" in result.stdout
    proxy.stop()
    result = self_test(conf, proxy)
    assert result.returncode == 69 and "nobody takes the connection" in result.stdout


@pytest.mark.parametrize("arguments", [
    ["--burst", "0", "--status", "x"], ["--burst", "x", "--status", "x"], ["--burst", "5"],
    ["--burst", "1", "--status", "x", "--connections", "9999"], ["--rate", "5", "--status", "x"],
    ["--burst", "1", "--status", "x", "--rate", "fast"], ["--self-test", "--burst", "2"],
    ["--burst", "1", "--status", "x", "--request-id", "a"],
])
def test_wrong_usage(conf, arguments):
    conf.write()
    result = send(conf, *arguments)
    assert result.returncode == 64 and result.stderr
