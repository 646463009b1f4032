"""Each command of sasha-callbackctl against a live daemon: what it does, what it says to people and
to programs, how it ends, and that the daemon logs who asked."""

import json
import os
import signal
import subprocess

import pytest
from harness.callback import PATH, make_job
from harness.paths import CTL, SLOWNESS
from harness.sinks import Hook
from harness.wait import wait_until

ENV = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}


@pytest.fixture
def hook(conf):
    """Of two sinks: "publish", which fails at once for jobs named bad-… until mended, and whose
    attempts at jobs named later-… wait; and "mail", for failed ones only."""
    hook = Hook(conf.folder, "publish", """
echo "$SASHA_JOB_ID $SASHA_REPLAY" >>notes
case $SASHA_JOB_ID in
bad-*) [ -e mended ] || { echo "no such album: ü"; exit 65; } ;;
later-*) [ -e mended ] || { echo "come again" >&2; exit 1; } ;;
esac""")
    conf.exec_sink("publish", hook.command, retry_first="1h", order="none", breaker=0)
    conf.exec_sink("mail", hook.command, statuses=["failed"])
    return hook


@pytest.fixture
def live(conf, hook, daemon):
    """Running, with five deliveries: two delivered, two dead, one that waits for its next attempt;
    one duplicate, and one that was refused."""
    daemon.start()
    for job in ("job-1", "job-2", "bad-1", "bad-2", "later-1"):
        last = daemon.accept(make_job(job))
    assert daemon.send(last).status == 200
    assert daemon.send(daemon.callback().set("SASHA-Request-Signature", "0" * 64)).status == 401
    wait_until(lambda: sink_of(conf, "publish")["dead"] == 2 and hook.note()[5:] == [] and
               len(hook.note()) == 5 and sink_of(conf, "archive")["delivered"] == 5 and
               sink_of(conf, "mail")["filtered"] == 5 and sink_of(conf, "publish")["last_error"] and
               sink_of(conf, "publish")["running"] == 0, "all to be settled")
    return daemon


def run(conf, *arguments, status=0, **how):
    result = subprocess.run([str(CTL), "--config", str(conf.path), *map(str, arguments)], text=True,
                            capture_output=True, timeout=60 * SLOWNESS, env=ENV, **how)
    assert result.returncode == status, result
    assert "\x1b" not in result.stdout + result.stderr, "no colour, no cursor when piped"
    return result.stdout


def objects(conf, *arguments, **how):
    return [json.loads(line) for line in run(conf, "--json", *arguments, **how).splitlines()]


def seqs(conf, *arguments):
    return [delivery["seq"] for delivery in objects(conf, *arguments)]


def sink_of(conf, name):
    [status] = objects(conf, "status")
    return next(sink for sink in status["sinks"] if sink["name"] == name)


# ---- every command ----

COMMANDS = ["status", "list", "list --state dead", "show 1", "show 3", "tail", "stats", "dead list",
            "dead retry --all --dry-run", "dead drop --all --dry-run", "retry --all --dry-run",
            "retry 3", "replay --sink archive --all --dry-run", "replay 1 --sink archive",
            "dead drop 4", "pause publish", "resume publish", "prune", "check-config",
            "explain --list"]


def test_for_people(conf, live):
    """UTF-8 text, without a cursor's or a colour's codes when piped."""
    for command in COMMANDS:
        assert run(conf, *command.split()), command


def test_for_programs(conf, live):
    """Each line is an object of its own."""
    for command in COMMANDS:
        values = objects(conf, *command.split())
        assert values and all(isinstance(value, dict) and value for value in values), command


@pytest.mark.parametrize("command", [one for one in COMMANDS if one != "check-config"] +
                         ["backup /tmp/x"])
def test_daemon_down(conf, hook, command):
    conf.write()
    result = subprocess.run([str(CTL), "--config", str(conf.path), *command.split()], text=True,
                            capture_output=True, env=ENV)
    assert result.returncode == 69 and "systemctl start sasha-callbackd" in result.stderr


@pytest.mark.parametrize("command", sorted({one.split()[0] for one in COMMANDS} | {"backup", "send"}))
def test_unknown_option(conf, command):
    conf.write()
    result = subprocess.run([str(CTL), "--config", str(conf.path), command, "--no-such-option"],
                            text=True, capture_output=True, env=ENV)
    assert result.returncode == 64
    assert "--no-such-option" in result.stderr and f"{command} --help" in result.stderr


# ---- looking ----

def test_status(conf, live):
    [status] = objects(conf, "status")
    five, hour = status["recent"]
    assert (five["minutes"], five["accepted"], five["duplicate"], five["refused"]) == (5, 5, 1, 1)
    assert (hour["minutes"], hour["accepted"]) == (60, 5) and hour["commit_ms_p99"] > 0
    text = run(conf, "status")
    assert "last 5 min  5 accepted (1.0 a minute), 1 duplicate, 1 refused; commit p50 " in text
    row = next(line for line in text.splitlines() if line.startswith("publish"))
    assert row.split() == \
        ["publish", "exec", "5", "=", "2", "+", "2", "+", "1", "+", "0", "✓"]
    assert "oldest pending received" in text and "last error" in text
    assert "dead letters; see: sasha-callbackctl dead list --sink publish" in text


def test_list(conf, live):
    assert seqs(conf, "list") == [5, 4, 3, 2, 1]
    assert seqs(conf, "list", "--oldest", "--limit", 2) == [1, 2]
    assert seqs(conf, "list", "--oldest", "--from", 2, "--limit", 2) == [3, 4]
    assert seqs(conf, "list", "--job", "bad-1") == [3]
    assert seqs(conf, "list", "--status", "failed") == []
    assert seqs(conf, "list", "--state", "dead") == [4, 3]
    assert seqs(conf, "list", "--state", "pending", "--sink", "publish") == [5]
    assert seqs(conf, "list", "--since", "-1h", "--until", "now") == [5, 4, 3, 2, 1]
    assert seqs(conf, "list", "--until", "-1h") == []


def test_show(conf, live):
    text = run(conf, "show", 3)
    assert "sink archive: settled (delivered)\n" in text
    assert "sink publish: dead, 1 attempt\n" in text and "exit 65\n" in text
    assert "        | no such album: ü\n" in text
    assert "sink mail: settled (left out by the sink's statuses)\n" in text
    assert '"job_id": "bad-1"' in text
    assert "sink publish: pending, 1 attempt, next in " in run(conf, "show", 5)
    [shown] = objects(conf, "show", 3)
    assert {row["sink"]: (row["state"], row["left_out"]) for row in shown["sinks"]} == {
        "archive": ("settled", None), "publish": ("dead", None), "mail": ("settled", "statuses")}
    run(conf, "show", 99, status=1)


def test_tail_follows(conf, live):
    path = conf.folder / "tail.out"
    with path.open("w") as out:
        process = subprocess.Popen([str(CTL), "--config", str(conf.path), "--json", "tail", "-f",
                                    "-n", "2"], stdout=out, env=ENV)

    def jobs():
        return [json.loads(line)["job_id"] for line in path.read_text().splitlines()]
    try:
        wait_until(lambda: jobs() == ["bad-2", "later-1"], "the last two")
        live.accept(make_job("job-3"))
        live.accept(make_job("job-4"))
        wait_until(lambda: jobs()[2:] == ["job-3", "job-4"], "those that came")
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20 * SLOWNESS)


def test_stats(conf, live):
    [stats] = objects(conf, "stats")
    total = stats["total"]
    assert (total["accepted"], total["duplicate"], total["refused"]) == (5, 1, 1)
    sinks = {sink["name"]: sink for sink in stats["sinks"]}
    assert (sinks["publish"]["delivered"], sinks["publish"]["failed"]) == (2, 3)
    text = run(conf, "stats", "--since", "-10m")
    assert "accepted" in text and "█" in text and "p99" in text


# ---- acting ----

def actions(daemon):
    return [(event["action"], event.get("sink"), event["outcome"])
            for event in daemon.events("admin-action")]


def test_each_action_is_logged_with_who_asked(conf, live):
    run(conf, "dead", "drop", 4)
    run(conf, "retry", 3)
    run(conf, "replay", 1, "--sink", "archive")
    run(conf, "pause", "publish")
    run(conf, "resume", "publish")
    run(conf, "prune")
    assert actions(live) == [
        ("drop", "publish", "1 done, 0 skipped, 0 busy"),
        ("retry", "publish", "1 done, 0 skipped, 0 busy"),
        ("replay", "archive", "1 done, 0 skipped, 0 busy"),
        ("pause", "publish", "done"), ("resume", "publish", "done"),
        ("prune", None, "0 deliveries and 0 ids removed")]
    assert {event["uid"] for event in live.events("admin-action")} == {str(os.geteuid())}


def test_dry_runs_do_nothing(conf, live, hook):
    for command in (["dead", "retry"], ["dead", "drop"], ["retry"], ["replay", "--sink", "publish"]):
        [told] = objects(conf, *command, "--all", "--dry-run")
        assert told["dry_run"] and told["count"] == (5 if command[0] == "replay" else 2)
    assert actions(live) == [] and len(hook.note()) == 5


def test_retry_all_that_died_since_yesterday(conf, live, hook):
    """As the manual has it: see, mend, try it dry, do it."""
    assert seqs(conf, "dead", "list", "--since", "yesterday") == [3, 4]
    (hook.folder / "mended").touch()
    assert "would retry 2 of sink publish" in \
        run(conf, "dead", "retry", "--since", "yesterday", "--dry-run")
    assert "retried 2 of sink publish" in run(conf, "dead", "retry", "--since", "yesterday")
    wait_until(lambda: sink_of(conf, "publish")["delivered"] == 4, "both to be delivered")
    assert sink_of(conf, "publish")["dead"] == 0
    run(conf, "retry", 5, "--sink", "publish")
    wait_until(lambda: sink_of(conf, "publish")["delivered"] == 5, "the one that waited")
    assert "no sink has dead letters" in run(conf, "dead", "retry", "--all")


def test_replay_with_limit_and_rate(conf, live, hook):
    (hook.folder / "mended").touch()
    [done] = objects(conf, "replay", "--sink", "publish", "--all", "--limit", 2, "--rate", "2/s")
    assert (done["done"], done["skipped"]) == (2, 0)
    assert sorted(hook.wait_notes(7)[5:]) == ["job-1 1", "job-2 1"], "marked as replays"


def test_not_in_a_state_for_it(conf, live):
    run(conf, "retry", 1, "--sink", "archive", status=1)
    run(conf, "dead", "drop", 5, "--sink", "publish", status=1)
    run(conf, "replay", 99, "--sink", "archive", status=1)
    run(conf, "pause", "no-such-sink", status=1)


def test_stopping_daemon_takes_no_action_in(conf, hook, daemon):
    """It still answers those who look, and says that it drains."""
    hook.path.write_text(f"#!/bin/sh\ncd {hook.folder}\ntouch begun\n"
                         "while ! [ -e let-go ]; do sleep 0.05; done\n")
    daemon.start()
    daemon.accept(make_job("slow"))
    wait_until((hook.folder / "begun").exists, "the hook to run")
    daemon.signal(signal.SIGTERM)
    wait_until(lambda: not json.loads(subprocess.run(
        [str(CTL), "--config", str(conf.path), "--json", "status"], capture_output=True,
        env=ENV).stdout)["ready"], "the daemon to drain")
    assert "NOT READY: draining" in run(conf, "status", status=1)
    run(conf, "pause", "publish", status=75)
    (hook.folder / "let-go").touch()
    assert daemon.wait() == 0


# ---- sending ----

def test_burst_that_is_interrupted_sums_up(conf, live):
    process = subprocess.Popen(
        [str(CTL), "--config", str(conf.path), "--json", "send", "--burst", "100000", "--rate",
         "50/s", "--status", "completed", "--url", f"http://{live.address}{PATH}"],
        stdout=subprocess.PIPE, text=True, env=ENV)
    wait_until(lambda: sink_of(conf, "archive")["accepted"] > 10, "some of it")
    process.send_signal(signal.SIGINT)
    output = process.communicate(timeout=20 * SLOWNESS)[0]
    summary = json.loads(output)
    assert process.returncode == 1 and summary["interrupted"]
    assert summary["statuses"] == {"202": summary["sent"]} and summary["sent"] >= 5


# ---- refused requests ----

def test_refused_requests_are_not_kept_where_the_conf_says_so(conf, daemon, hook):
    conf.server["keep_refused"] = 0
    daemon.start()
    assert daemon.send(daemon.callback().set("SASHA-Request-Signature", "0" * 64)).status == 401
    assert objects(conf, "explain", "--list") == [{"refused": []}]
    run(conf, "explain", "--refused", "1-1", status=1)


def test_refused_requests_hold_no_token(conf, live):
    [listed] = objects(conf, "explain", "--list")
    refused = listed["refused"][0]["id"]
    said = run(conf, "explain", "--refused", refused, status=1)
    assert "FAIL  signature" in said and conf.endpoint.tokens[0] not in said
