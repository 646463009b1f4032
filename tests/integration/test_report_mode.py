"""verify = "report": what enforce would refuse is passed on, and nobody can fail to see it."""

import json
import subprocess

import pytest
from harness.callback import make_callback, make_job
from harness.http import Client
from harness.paths import CTL, SLOWNESS
from harness.sinks import Hook, SyslogServer, read_lines
from harness.wait import wait_until

URL, PATH = "https://your-app.com/callbacks/lax", "/callbacks/lax"


@pytest.fixture
def log_server(folder):
    server = SyslogServer(f"local:{folder}/syslog.sock")
    yield server
    server.close()


@pytest.fixture
def hook(conf, log_server):
    """Every kind of sink."""
    hook = Hook(conf.folder, "note", 'echo "$SASHA_JOB_ID ${SASHA_UNVERIFIED-proven}" >>notes')
    conf.exec_sink("note", hook.command)
    conf.file_sink("jobs", path=str(conf.folder / "{job_id}.json"))
    conf.syslog_sink("text", log_server.target)
    conf.syslog_sink("json", log_server.target, format="json", tag="as-json")
    conf.endpoints.append(conf.new_endpoint("lax", URL, verify="report"))
    return hook


def spoilt(conf, job_id, how):
    """A callback to the endpoint in report mode that enforce would refuse for `how`."""
    endpoint = conf.endpoints[1]
    callback = make_callback(endpoint.secrets[0], endpoint.tokens[0], make_job(job_id), url=URL,
                             target=PATH)
    if how == "token-wrong":
        callback.set("Authorization", "Bearer somebody-else")
    elif how == "token-missing":
        callback.set("Authorization")
    elif how == "signature-wrong":
        callback.set("SASHA-Request-Signature", "0" * 64)
    elif how == "signature-missing":
        callback.set("SASHA-Request-Signature")
    return callback


def ctl(conf, *arguments):
    result = subprocess.run([str(CTL), "--config", str(conf.path), *arguments], text=True,
                            capture_output=True, timeout=60 * SLOWNESS,
                            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"})
    assert result.returncode == 0, result.stderr
    return result.stdout


REASONS = ["token-wrong", "token-missing", "signature-wrong", "signature-missing"]


def test_marked_for_each_sink(conf, daemon, hook, log_server):
    daemon.start()
    for reason in REASONS:
        assert daemon.send(spoilt(conf, f"job-{reason}", reason)).status == 202
    assert daemon.send(spoilt(conf, "job-good", "")).status == 202

    want = [f"job-{reason} {reason}" for reason in REASONS] + ["job-good proven"]
    assert sorted(hook.wait_notes(5)) == sorted(want)
    wait_until(lambda: len(read_lines(conf.archive)) == 5, "the file")
    marks = {line["job"]["job_id"]: line.get("unverified") for line in read_lines(conf.archive)}
    assert marks == {**{f"job-{reason}": reason for reason in REASONS}, "job-good": None}
    for reason in REASONS:
        path = conf.folder / f"job-{reason}.json"
        wait_until(path.exists, "a file a job")
        assert json.loads(path.read_text())["unverified"] == reason
        log_server.wait_for(f"unverified={reason} job_id=job-{reason}")
        log_server.wait_for(f'"unverified":"{reason}","job":{{"job_id":"job-{reason}"')
    log_server.wait_for("stale=false job_id=job-good")


def test_loud_in_log_status_list_and_metrics(conf, daemon, hook):
    daemon.start()
    [event] = daemon.events("report-mode")
    assert event["endpoint"] == "lax" and event["level"] == "warning"
    daemon.accept()
    assert daemon.send(spoilt(conf, "job-1", "signature-wrong")).status == 202
    would = daemon.wait_event("report-would-refuse")
    assert would["reason"] == "signature-wrong" and would["endpoint"] == "lax"

    text = ctl(conf, "status")
    assert "!! lax PASSES ON WHAT IS NOT GENUINE" in text and "1 unverified" in text
    assert "UNVERIFIED: signature-wrong" in ctl(conf, "list")
    assert "UNVERIFIED  passed on by verify = \"report\": signature-wrong" in ctl(conf, "show", "2")
    with Client(conf.admin["listen"][0]) as client:
        metrics = client.send(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").read().body.decode()
    assert 'sasha_callbacks_unverified_total{endpoint="lax"} 1' in metrics
    assert 'sasha_callbacks_unverified_total{endpoint="main"} 0' in metrics

    daemon.reload()
    wait_until(lambda: len(daemon.events("report-mode")) == 2, "said again at a reload")


def test_never_the_default(conf, daemon, hook):
    """An endpoint that does not say so enforces, next to one in report mode."""
    daemon.start()
    callback = daemon.callback()
    callback.set("SASHA-Request-Signature", "0" * 64)
    assert daemon.send(callback).status == 401
    status = json.loads(ctl(conf, "--json", "status"))
    assert [endpoint["verify"] for endpoint in status["endpoints"]] == ["enforce", "report"]


def test_even_report_mode_wants_an_id_and_a_job(conf, daemon, hook):
    daemon.start()
    assert daemon.send(spoilt(conf, "job-1", "").set("SASHA-Request-ID")).status == 400
    callback = spoilt(conf, "job-1", "signature-wrong")
    callback.body = b"x" * len(callback.body)
    assert daemon.send(callback).status == 400
