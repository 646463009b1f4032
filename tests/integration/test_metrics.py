"""/metrics of a live daemon against what was sent to it, by kind."""

import json
import re
import sqlite3
import subprocess
import time

import pytest
from harness.callback import Secret, make_job, new_token, sign
from harness.http import Client, ConnectionEnded
from harness.metrics import scrape
from harness.sinks import Hook
from harness.wait import wait_until

REASONS = """accepted duplicate conflict framing path method too-large token-missing token-wrong
id-missing id-malformed signature-missing signature-malformed signature-wrong secret-unknown
job-malformed stale store overload internal""".split()
UNROUTED = {"framing", "path", "overload", "internal"}

KEY_ID = "177F01DA-34F2-4318-9763-B73876FDD7FA"


def outcomes(metrics, endpoint):
    """Those that are not 0."""
    rows = metrics.all("sasha_callbacks_total", "outcome", endpoint=endpoint)
    assert set(rows) == (UNROUTED if endpoint == "" else set(REASONS) - {"framing", "path"})
    return {outcome: value for outcome, value in rows.items() if value}


def send_each_refusal(daemon):
    """One request for every reason that a request can be refused for; returns the reasons."""
    def callback(spoil, body=None):
        made = daemon.callback(body)
        spoil(made)
        return made

    def method(made):
        made.method = "PUT"

    def sign_other(made):
        made.set("SASHA-Request-Signature", "0" * 64)

    def not_a_job(made):
        made.body = b'{"job_id":"x"}'
        made.set("Content-Length", str(len(made.body)))
        made.set("SASHA-Request-Signature",
                 sign(daemon.conf.endpoint.secrets[0].key, made.request_id, made.body))

    cases = {
        "framing": (lambda made: made.set("Content-Length", "1", "2"), 400),
        "path": (lambda made: setattr(made, "target", "/nowhere"), 404),
        "method": (method, 405),
        "too-large": (lambda made: made.set("Content-Length", str(10 << 20)), 413),
        "token-missing": (lambda made: made.set("Authorization"), 401),
        "token-wrong": (lambda made: made.set("Authorization", "Bearer no"), 401),
        "id-missing": (lambda made: made.set("SASHA-Request-ID"), 400),
        "id-malformed": (lambda made: made.set("SASHA-Request-ID", "a{b"), 400),
        "signature-missing": (lambda made: made.set("SASHA-Request-Signature"), 401),
        "signature-malformed": (lambda made: made.set("SASHA-Request-Signature", "abc"), 401),
        "signature-wrong": (sign_other, 401),
        "secret-unknown": (lambda made: made.set("SASHA-Callback-Secret-ID", "no such"), 401),
        "job-malformed": (not_a_job, 400),
    }
    for reason, (spoil, status) in cases.items():
        assert daemon.send(callback(spoil)).status == status, reason
    return cases.keys()


@pytest.fixture
def busy(conf, daemon):
    """An endpoint with two tokens and two secrets, one that refuses old ones, one that only
    reports."""
    conf.endpoint.secrets = [Secret.base64("new", KEY_ID), Secret.base64("old", "old-id")]
    conf.endpoint.tokens = [new_token(), new_token()]
    conf.endpoints.append(conf.new_endpoint("aged", "https://your-app.com/aged", max_age="1h"))
    conf.endpoints.append(conf.new_endpoint("lax", "https://your-app.com/lax", verify="report"))
    daemon.canaries = set(conf.canaries())
    return daemon.start()


def to(endpoint, daemon, **how):
    """A callback for another endpoint than the first."""
    return daemon.callback(secret=endpoint.secrets[0], token=endpoint.tokens[0],
                           url=endpoint.public_url,
                           target=endpoint.public_url.removeprefix("https://your-app.com"), **how)


def test_callbacks_by_endpoint_and_outcome(conf, busy):
    main, aged, lax = conf.endpoints
    before = time.time()
    for _ in range(3):
        busy.accept()
    for _ in range(2):
        busy.accept(secret=main.secrets[1], token=main.tokens[1])
    sent = busy.accept()
    assert busy.send(sent).status == 200
    assert busy.send(busy.callback(make_job(), request_id=sent.request_id)).status == 200
    refused = send_each_refusal(busy)
    assert busy.send(to(aged, busy)).status == 403
    unproven = to(lax, busy)
    unproven.set("SASHA-Request-Signature", "0" * 64)
    assert busy.send(unproven).status == 202
    after = time.time()

    metrics = scrape(conf)
    assert outcomes(metrics, "main") == {
        "accepted": 6, "duplicate": 1, "conflict": 1,
        **{reason: 1 for reason in refused if reason not in UNROUTED | {"path"}}}
    assert outcomes(metrics, "aged") == {"stale": 1}
    assert outcomes(metrics, "lax") == {"accepted": 1}
    none = metrics.all("sasha_callbacks_total", "outcome", endpoint="")
    assert none["framing"] == 1 and none["path"] == 1
    assert sum(metrics.samples["sasha_callbacks_total"].values()) == 6 + 2 + len(refused) + 2

    assert metrics.all("sasha_callbacks_unverified_total", "endpoint") == {
        "main": 0, "aged": 0, "lax": 1}
    assert metrics.all("sasha_endpoint_report_mode", "endpoint") == {"main": 0, "aged": 0, "lax": 1}
    last = metrics.all("sasha_last_valid_callback_timestamp_seconds", "endpoint")
    assert set(last) == {"main"} and before - 1 <= last["main"] <= after + 1
    assert metrics.all("sasha_secret_used_total", "secret", endpoint="main") == {"new": 6, "old": 2}
    assert metrics.all("sasha_token_used_total", "token", endpoint="main") == {"1": 6, "2": 2}
    for name, key in (("secret", "old"), ("token", "2")):
        used = metrics.get(f"sasha_{name}_last_used_timestamp_seconds", endpoint="main",
                           **{name: key})
        assert before - 1 <= used <= after + 1

    # 8 of main and 1 of lax waited for the store.
    assert metrics.get("sasha_callback_duration_seconds_count") == 9
    assert metrics.get("sasha_callback_duration_seconds_bucket", le="+Inf") == 9
    assert metrics.get("sasha_deliveries_stored_total") == 7
    assert metrics.get("sasha_store_head") == 7
    assert metrics.get("sasha_store_deliveries") == 7
    assert metrics.get("sasha_store_request_ids") == 7


def test_connections(conf, daemon):
    conf.server.update(max_connections=4, body_timeout="1s", idle_timeout="30s")
    daemon.start()
    clients = [daemon.client() for _ in range(4)]
    for client in clients:
        assert client.exchange(daemon.callback().wire()).status == 202
    with daemon.client() as outside:
        assert outside.read().status == 503
    metrics = scrape(conf)
    assert metrics.get("sasha_connections") == 4
    assert metrics.get("sasha_connections_limit") == 4
    assert metrics.get("sasha_connections_accepted_total") == 4
    assert metrics.get("sasha_connections_refused_total") == 1
    assert metrics.all("sasha_connections_cut_total", "phase") == {"head": 0, "body": 0, "answer": 0}

    callback = daemon.callback()
    clients[0].send(callback.wire()[:-10])
    try:
        assert clients[0].read().status in (400, 408)
    except (ConnectionEnded, OSError):
        pass
    assert scrape(conf).all("sasha_connections_cut_total", "phase") == {
        "head": 0, "body": 1, "answer": 0}
    for client in clients:
        client.close()
    wait_until(lambda: scrape(conf).get("sasha_connections") == 0, "no connection")


def sum_holds(metrics, sink):
    accepted = metrics.get("sasha_store_head")
    return accepted == sum(metrics.get(f"sasha_sink_{name}", sink=sink) for name in
                           ("delivered_total", "filtered_total", "dead", "pending", "running",
                            "dropped_total"))


def test_sinks(conf, daemon):
    hook = Hook(conf.folder, "publish", """
case $SASHA_JOB_ID in
bad) exit 65 ;;
flaky) [ "$SASHA_ATTEMPT" -gt 1 ] || exit 1 ;;
stuck) touch runs; until [ -e go ]; do sleep 0.05; done ;;
esac""")
    conf.exec_sink("publish", hook.command, statuses=["completed"], retry_first="1s",
                   concurrency=2)
    conf.file_sink("idle")
    daemon.start()
    before = time.time()
    for job in ("good", "good", "bad", "bad", "flaky"):
        daemon.accept(make_job(job))
    daemon.accept(make_job("other", "pending"))
    daemon.accept(make_job("stuck"))

    def is_there():
        metrics = scrape(conf)
        return metrics if (
            metrics.get("sasha_sink_delivered_total", sink="publish") == 3 and
            metrics.get("sasha_sink_delivered_total", sink="archive") == 7 and
            metrics.get("sasha_sink_running", sink="publish") == 1 and (hook.folder / "runs").exists()
        ) else None
    metrics = wait_until(is_there, "all but the stuck one", 30)
    sink = "publish"
    assert metrics.get("sasha_sink_info", sink=sink, type="exec") == 1
    assert metrics.get("sasha_sink_filtered_total", sink=sink) == 1
    assert metrics.get("sasha_sink_dead", sink=sink) == 2
    assert metrics.get("sasha_sink_pending", sink=sink) == 0
    assert metrics.all("sasha_sink_attempts_total", "result", sink=sink) == {
        "delivered": 3, "retry": 1, "dead": 2, "deferred": 0}
    assert metrics.get("sasha_sink_attempt_duration_seconds_count", sink=sink) == 6
    assert 0 < metrics.get("sasha_sink_attempt_duration_seconds_sum", sink=sink) < 60
    age = metrics.get("sasha_sink_oldest_pending_age_seconds", sink=sink)
    assert 0 < age <= time.time() - before + 1
    assert metrics.get("sasha_sink_oldest_pending_age_seconds", sink="archive") == 0
    assert all(sum_holds(metrics, name) for name in ("publish", "archive", "idle"))
    # Every outcome was committed: one work a delivery, at least one a sink's report.
    assert metrics.get("sasha_commit_batch_size_sum") >= 7 + 3
    assert metrics.get("sasha_commit_duration_seconds_count") == \
        metrics.get("sasha_commit_batch_size_count") > 0

    (hook.folder / "go").touch()
    wait_until(lambda: scrape(conf).get("sasha_sink_delivered_total", sink=sink) == 4, "the stuck one")


def test_a_disk_below_its_floor(conf, daemon):
    conf.store["disk_floor"] = "1T"
    daemon.start()
    for _ in range(2):
        assert daemon.send(daemon.callback()).status == 503
    metrics = scrape(conf)
    assert outcomes(metrics, "main") == {"store": 2}
    assert metrics.get("sasha_store_disk_floor_bytes") == 1 << 40
    assert 0 < metrics.get("sasha_store_disk_free_bytes") < 1 << 40
    assert metrics.get("sasha_store_below_floor") == 1
    assert metrics.get("sasha_ready") == 0
    assert metrics.get("sasha_store_size_bytes") > 0


def test_a_store_that_another_program_holds(conf, daemon):
    daemon.start()
    daemon.accept()
    other = sqlite3.connect(conf.store["path"], isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert daemon.send(daemon.callback()).status == 503
    wait_until(lambda: scrape(conf).get("sasha_commits_unavailable_total") >= 1,
               "the writer to give up", 20)
    other.execute("ROLLBACK")
    other.close()
    metrics = scrape(conf)
    assert outcomes(metrics, "main") == {"accepted": 1, "store": 1}
    assert metrics.get("sasha_store_below_floor") == 0
    assert metrics.get("sasha_store_wal_size_bytes") > 0


def test_the_daemon_itself(conf, daemon):
    before = time.time()
    daemon.start()
    daemon.accept()
    metrics = scrape(conf)
    assert list(metrics.samples["sasha_build_info"].values()) == [1]
    version = dict(*metrics.samples["sasha_build_info"])["version"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", version)
    started = metrics.get("sasha_start_time_seconds")
    assert before - 1 <= started <= time.time()
    assert metrics.get("sasha_conf_timestamp_seconds") == started
    assert metrics.get("sasha_ready") == metrics.get("sasha_store_readable") == 1
    assert metrics.get("sasha_store_failed") == 0
    assert metrics.get("process_cpu_seconds_total") >= 0
    assert 1 << 20 < metrics.get("process_resident_memory_bytes") < \
        metrics.get("process_virtual_memory_bytes")
    # The scrape and the folder it counts in; connections of before may be open for a moment.
    wait_until(lambda: abs(scrape(conf).get("process_open_fds") - len(daemon.descriptors())) <= 2,
               "the number of open descriptors to be right")
    assert metrics.get("process_max_fds") >= metrics.get("process_open_fds")
    assert metrics.get("process_threads") >= 5  # main, writer, two workers, admin


def test_reloads_and_log_lines(conf, daemon):
    daemon.start()
    good = conf.render()
    assert scrape(conf).get("sasha_reload_successful") == 1
    conf.more = "nonsense = 1\n"
    daemon.reload()
    metrics = scrape(conf)
    assert metrics.get("sasha_reload_successful") == 0
    assert metrics.get("sasha_conf_timestamp_seconds") == metrics.get("sasha_start_time_seconds")
    conf.more = ""
    assert conf.render() == good
    daemon.reload()
    metrics = scrape(conf)
    assert metrics.get("sasha_reload_successful") == 1
    assert metrics.get("sasha_conf_timestamp_seconds") > metrics.get("sasha_start_time_seconds")
    lines = [event["level"] for event in daemon.events()]
    assert metrics.all("sasha_log_events_total", "level") == {
        level: lines.count(level) for level in ("err", "warning", "info", "debug")}
    assert lines.count("err") >= 2


def test_promtool_has_no_complaint(conf, busy):
    """With every kind of sample there."""
    busy.accept()
    send_each_refusal(busy)
    result = subprocess.run(["promtool", "check", "metrics"], input=scrape(conf).text,
                            capture_output=True, text=True)
    assert (result.returncode, result.stdout + result.stderr) == (0, "")


def test_status_and_metrics_agree(conf, daemon):
    """Two views of the same numbers."""
    daemon.start()
    for _ in range(3):
        daemon.accept()
    wait_until(lambda: scrape(conf).get("sasha_sink_delivered_total", sink="archive") == 3,
               "the deliveries")
    with Client(conf.admin["listen"][0]) as client:
        status = json.loads(client.exchange(
            b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n").body)
    metrics = scrape(conf)
    sink = status["sinks"][0]
    for name in ("pending", "running", "dead"):
        assert sink[name] == metrics.get(f"sasha_sink_{name}", sink="archive")
    assert sink["delivered"] == 3
    assert status["intake"]["accepted_connections"] == \
        metrics.get("sasha_connections_accepted_total")
