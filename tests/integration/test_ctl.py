"""sasha-callbackctl against a made-up admin API: what it asks for, what it prints, how it ends."""

import fcntl
import json
import os
import pty
import select
import struct
import subprocess
import termios
import time

import pytest
from harness.fake_admin import SINK, FakeAdmin
from harness.paths import CTL, SANITIZED, SLOWNESS
from harness.process import status_kib
from harness.wait import wait_until

UTF8 = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}


@pytest.fixture
def admin(folder):
    fake = FakeAdmin(folder / "admin.sock").start()
    yield fake
    fake.stop()


def ctl(admin, *arguments, env=UTF8, **how):
    return subprocess.run([str(CTL), "--socket", str(getattr(admin, "path", admin)),
                           *map(str, arguments)], capture_output=True, text=True, env=env,
                          timeout=60 * SLOWNESS, **how)


def objects(result):
    return [json.loads(line) for line in result.stdout.splitlines()]


class Terminal:
    """Runs the tool on a terminal of a given width."""

    def __init__(self, admin, *arguments, columns=80):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.process = subprocess.Popen(
            [str(CTL), "--socket", str(admin.path), *map(str, arguments)], stdin=slave,
            stdout=slave, stderr=slave, env=UTF8, start_new_session=True)
        os.close(slave)
        self.output = b""

    def read_until(self, text=None, seconds=20.0):
        """Until `text` was printed, or, without, to the end."""
        deadline = time.monotonic() + seconds * SLOWNESS
        while text is None or text.encode() not in self.output:
            assert time.monotonic() < deadline, self.output
            if not select.select([self.master], [], [], 0.1)[0]:
                continue
            try:
                data = os.read(self.master, 65536)
            except OSError:
                data = b""
            if not data:
                break
            self.output += data
        return self.output.decode()

    def type(self, text):
        os.write(self.master, text.encode())

    def end(self):
        self.read_until()
        os.close(self.master)
        return self.process.wait(timeout=10 * SLOWNESS)


# ---- finding the daemon ----

def test_nobody_at_the_socket(folder):
    path = folder / "none.sock"
    result = ctl(path, "status")
    assert result.returncode == 69
    assert str(path) in result.stderr and "systemctl start sasha-callbackd" in result.stderr


def test_socket_that_nobody_listens_on(admin):
    admin.server.shutdown()
    admin.server.server_close()
    result = ctl(admin, "list")
    assert result.returncode == 69 and "refused" in result.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="drops root")
def test_socket_of_another_user(admin, folder):
    admin.path.chmod(0o600)
    for parent in [folder, *folder.parents]:
        if parent.stat().st_mode & 0o001 == 0:
            parent.chmod(parent.stat().st_mode | 0o001)
    result = ctl(admin, "status", user=65534, group=65534, extra_groups=[])
    assert result.returncode == 77, result.stderr
    assert str(admin.path) in result.stderr and "group" in result.stderr


def test_daemon_that_refuses_the_user(admin):
    admin.override = (403, b'{"message":"you are nobody"}')
    result = ctl(admin, "status")
    assert result.returncode == 77 and "you are nobody" in result.stderr


def test_socket_of_the_conf(conf, admin):
    conf.admin = {"listen": ["127.0.0.1:0", f"unix:{admin.path}"]}
    conf.write()
    result = subprocess.run([str(CTL), "--config", str(conf.path), "status"], env=UTF8,
                            capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_conf_without_a_unix_socket(conf):
    conf.admin = {"listen": ["127.0.0.1:0"]}
    conf.write()
    result = subprocess.run([str(CTL), "--config", str(conf.path), "status"], env=UTF8,
                            capture_output=True, text=True)
    assert result.returncode == 78 and "admin.listen" in result.stderr


@pytest.mark.parametrize("text, status", [
    ('admin { lsten = {"unix:/x"} }\n', 78), ("server {\n", 78),
    # What has nothing to do with the socket is none of this tool's business.
    ('server { wrokers = 3 }\nadmin { listen = {"unix:@"} }\n', 0)])
def test_conf_at_fault(admin, folder, text, status):
    conf = folder / "bad.conf"
    conf.write_text(text.replace("@", str(admin.path)))
    result = subprocess.run([str(CTL), "--config", str(conf), "status"], env=UTF8,
                            capture_output=True, text=True)
    assert result.returncode == status, result.stderr
    assert ("bad.conf:" in result.stderr) == (status == 78)


@pytest.mark.parametrize("answer, status", [
    ((503, b'{"message":"the daemon is stopping"}'), 75),
    ((400, b'{"message":"limit is wrong"}'), 64),
    ((500, b'{"message":"oh"}'), 76),
    ((200, b"<html>"), 76),
    ((200, b"[]"), 76),
    ((404, b'{"message":"\x1b[31mred"}'), 76),
    ((200, b'{"deliveries":[],"next":"x"}'), 76),
    ((200, b'{"deliveries":7,"next":null}'), 76),
])
def test_answers_that_are_none(admin, answer, status):
    admin.override = answer
    result = ctl(admin, "list")
    assert result.returncode == status and result.stderr
    assert "\x1b" not in result.stderr


def test_list_that_goes_in_circles(admin):
    admin.override = (200, b'{"deliveries":[],"next":3}')
    assert ctl(admin, "list", "--oldest").returncode == 76


@pytest.mark.parametrize("arguments", [
    ["list", "--since", "soon"], ["list", "--limit", "0"], ["list", "--state", "odd"],
    ["list", "--sink", "publish"], ["list", "x"], ["show"], ["show", "x"], ["show", "1", "2"],
    ["retry"], ["retry", "1", "--all"], ["retry", "--rate", "fast", "--all"], ["retry", "0"],
    ["pause"], ["dead"], ["dead", "bury"], ["dead", "list", "--state", "dead"],
    ["dead", "drop", "--all", "--state", "pending"], ["tail", "-x"], ["tail", "-fn"],
    ["list", "--since", "today", "--until", "yesterday"],
])
def test_wrong_usage(admin, arguments):
    result = ctl(admin, *arguments)
    assert result.returncode == 64, result.stdout + result.stderr
    assert "--help" in result.stderr
    assert admin.actions == []


# ---- list ----

def test_list_for_people(admin):
    admin.fields[2] = {"stale": True, "job_id": "\x1b[2Jevil\n\u202e"}
    result = ctl(admin, "list")
    assert result.returncode == 0
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["SEQ", "RECEIVED", "ENDPOINT", "JOB", "TYPE", "STATUS", "NOTE",
                                "REQUEST", "ID"]
    assert [line.split()[0] for line in lines[1:]] == ["5", "4", "3", "2", "1"]
    assert "2026-11-22 07:15:38" in lines[1]
    assert "\\x1b[2Jevil\\n" in lines[4] and "stale" in lines[4]
    assert "\x1b" not in result.stdout and "\u202e" not in result.stdout
    starts = {line.index("embed-signature") for line in lines[1:]}
    assert len(starts) == 1, "not aligned"


def test_list_as_json_is_what_came(admin):
    admin.fields[5] = {"job_id": "ü\u202e\x85", "later": 0.1, "big": 2 ** 60}
    result = ctl(admin, "--json", "list")
    assert [delivery["seq"] for delivery in objects(result)] == [5, 4, 3, 2, 1]
    assert objects(result)[0]["job_id"] == "ü\u202e\x85"
    assert "\u202e" not in result.stdout and "\x85" not in result.stdout
    assert '"later": 0.1,' in result.stdout and str(2 ** 60) in result.stdout


def test_list_turns_pages(admin):
    admin.count = 2500
    result = ctl(admin, "--json", "list", "--limit", 2300, "--oldest")
    assert [delivery["seq"] for delivery in objects(result)] == list(range(1, 2301))
    assert [query["limit"] for _, query in admin.requests] == ["1000", "1000", "300"]


def test_list_says_where_to_go_on(admin):
    admin.count = 60
    result = ctl(admin, "list")
    assert len(result.stdout.splitlines()) == 51 and "--from 11" in result.stderr
    rest = ctl(admin, "--json", "list", "--from", 11)
    assert [delivery["seq"] for delivery in objects(rest)] == list(range(10, 0, -1))


def test_list_passes_filters_on(admin):
    result = ctl(admin, "list", "--job", "a&b=c ü", "--status", "failed", "--type", "t",
                 "--endpoint", "e", "--request-id", "r", "--stale", "no", "--state", "pending",
                 "--since", "2026-11-22T01:00:00+01:00", "--until", "2026-11-22 02:00")
    assert result.returncode == 0, result.stderr
    assert admin.requests[-1][1] == {
        "limit": "50", "order": "newest", "job": "a&b=c ü", "status": "failed", "type": "t",
        "endpoint": "e", "request_id": "r", "stale": "false", "sink": "publish",
        "state": "pending", "since": "2026-11-22T00:00:00.000000Z",
        "until": "2026-11-22T02:00:00.000000Z"}


@pytest.mark.parametrize("columns", [60, 80, 100, 200])
def test_tables_fit_the_terminal(admin, columns):
    admin.fields[3] = {"job_id": "界" * 200, "request_id": "r" * 255}
    terminal = Terminal(admin, "list", columns=columns)
    assert terminal.end() == 0
    for line in terminal.output.decode().splitlines():
        width = sum(2 if character == "界" else 1 for character in line.rstrip())
        # Narrower than its columns can be cut to it does not get.
        assert width <= max(columns, 100), line
    assert "…" in terminal.output.decode()


# ---- show ----

def test_show(admin):
    admin.shown[3] = {
        "unverified": "signature-wrong", "stale": True,
        "job": {"n": 12345678901234567, "list": [], "deep": {"a": [1, 2]}},
        "sinks": [{"sink": "publish", "state": "dead", "attempts": 2, "next_at": None,
                   "replay": True},
                  {"sink": "mail", "state": "settled", "left_out": "statuses", "attempts": 0},
                  {"sink": "archive", "state": "settled", "left_out": None, "attempts": 0}],
        "tries": [{"sink": "publish", "number": 1, "at": "2026-11-22T07:15:39Z",
                   "duration_ms": 12.3, "result": "exit 1", "output": "one\n\x1b[31mtwo\x00\n"},
                  {"sink": "gone", "number": 1, "at": "2026-11-22T07:15:39Z", "duration_ms": 2000,
                   "result": "timeout", "output": ""}],
        "conflicts": [{"at": "2026-11-22T07:16:00Z", "secret": "old", "body": "{}", "bytes": 2}]}
    result = ctl(admin, "show", 3)
    assert result.returncode == 0, result.stderr
    for text in ["UNVERIFIED", "signature-wrong", "stale", "request-3", "publish: dead, 2 attempts",
                 "a replay", "mail: settled (left out by the sink's statuses)\n",
                 "archive: settled (delivered)\n", "#1  2026-11-22 07:15:39  12.3 ms  exit 1", "| one",
                 "| \\x1b[31mtwo\\x00", "gone: no longer in the conf", "timeout", "conflict",
                 '"n": 12345678901234567', '"list": []', '"deep": {\n']:
        assert text in result.stdout, (text, result.stdout)
    assert "\x1b" not in result.stdout and "\0" not in result.stdout
    assert objects(ctl(admin, "show", 3, "--json"))[0]["sinks"][0]["attempts"] == 2


def test_show_body_that_is_no_json(admin):
    admin.shown[3] = {"job": "not json\x1b\nsecond line"}
    result = ctl(admin, "show", 3)
    assert "    not json\\x1b\n    second line\n" in result.stdout


def test_show_what_is_not_there(admin):
    result = ctl(admin, "show", 99)
    assert result.returncode == 1 and "99" in result.stderr and not result.stdout


# ---- tail ----

def test_tail(admin):
    admin.count = 30
    assert [one["seq"] for one in objects(ctl(admin, "--json", "tail"))] == list(range(21, 31))
    assert [one["seq"] for one in objects(ctl(admin, "--json", "tail", "-n", 3))] == [28, 29, 30]
    assert [one["seq"] for one in objects(ctl(admin, "--json", "tail", "--job", "job-7"))] == [7]


def test_tail_of_nothing(admin):
    admin.count = 0
    result = ctl(admin, "tail")
    assert result.returncode == 0 and result.stdout == ""


def test_tail_follows_across_a_restart(admin, folder):
    log, faults = folder / "tail.log", folder / "tail.err"
    with log.open("w") as file, faults.open("w") as errors:
        process = subprocess.Popen([str(CTL), "--socket", str(admin.path), "--json", "tail", "-f"],
                                   stdout=file, stderr=errors, env=UTF8)
    try:
        def seqs():
            return [json.loads(line)["seq"] for line in log.read_text().splitlines()]
        wait_until(lambda: len(seqs()) == 5, "the last ones")
        admin.count = 7
        wait_until(lambda: len(seqs()) == 7, "new ones")
        admin.stop()
        admin.count = 9
        wait_until(lambda: "no daemon answers" in faults.read_text(), "that it waits")
        admin.start()
        wait_until(lambda: len(seqs()) == 9, "those of meanwhile")
        assert seqs() == list(range(1, 10))
    finally:
        process.terminate()
        process.wait()


# ---- status ----

def test_status(admin):
    admin.sinks = [dict(SINK, paused=True, last_error={
        "seq": 7, "at": "2026-11-22T07:59:00Z", "result": "exit 1\x1b"},
        oldest_pending_at="2026-11-22T05:00:00Z"), dict(SINK, name="archive", accepted=13)]
    result = ctl(admin, "status")
    assert result.returncode == 0
    for text in [": ready", "up 4h", "last 5 min  10 accepted (2.0 a minute), 1 duplicate, 0 refused;"
                 " commit p50 0.90 ms, p99 4.00 ms", "last 60 min 60 accepted (1.0 a minute)", "3 of 1024 connections", "path 2", "12 MB", "5m ago", "never",
                 "token-wrong 3", "PAUSED", "last error 1m ago at delivery 7: exit 1\\x1b",
                 "oldest pending received 3h ago", "dead list", "✓", "the sum is off by 1"]:
        assert text in result.stdout, (text, result.stdout)
    row = next(line for line in result.stdout.splitlines() if line.startswith("publish"))
    assert row.split() == ["publish", "exec", "12", "=", "6", "+", "3", "+", "2", "+", "1", "✓"]


def test_status_in_another_locale(admin):
    result = ctl(admin, "status", env={**UTF8, "LC_ALL": "C"})
    assert result.stdout.isascii() and " ok\n" in result.stdout


def test_status_not_ready(admin):
    admin.status = {"ready": False, "reasons": ["draining", "the disk is below its floor"]}
    result = ctl(admin, "status")
    assert result.returncode == 1
    assert "NOT READY: draining, the disk is below its floor" in result.stdout
    assert ctl(admin, "status", "--json").returncode == 1


def test_status_is_loud_about_report_mode(admin):
    endpoint = dict(admin.make_status()["endpoints"][0], verify="report", unverified=4)
    admin.status = {"endpoints": [endpoint]}
    result = ctl(admin, "status")
    assert "!! main PASSES ON WHAT IS NOT GENUINE" in result.stdout
    assert "4 unverified" in result.stdout


def test_status_of_a_newer_or_older_daemon(admin):
    """Fields may be added, and those that are missing read as nothing."""
    admin.status = {"endpoints": [{"name": "x", "new": [1]}], "sinks": [{"name": "y"}],
                    "store": None, "intake": {}}
    assert ctl(admin, "status").returncode == 0


# ---- stats ----

def test_stats(admin):
    admin.stats["buckets"] = [
        {"at": f"2026-11-22T07:{minute:02}:00Z", "accepted": minute, "duplicate": 0, "refused": 1,
         "commit_ms_p50": 0.9, "commit_ms_p99": 4.0 if minute != 30 else 40.0}
        for minute in range(60)]
    admin.stats["sinks"] = [{"name": "publish", "delivered": 9, "failed": 1, "dead": 0,
                             "duration_ms_p50": 12.0, "duration_ms_p99": None}]
    admin.stats["total"] = {"accepted": 1770, "duplicate": 0, "refused": 60, "commit_ms_p50": 0.9,
                            "commit_ms_p99": 5.0}
    result = ctl(admin, "stats", "--since", "2026-11-22T07:00:00Z")
    assert result.returncode == 0, result.stderr
    assert admin.requests[-1] == ("/v1/stats", {"since": "2026-11-22T07:00:00.000000Z"})
    lines = result.stdout.splitlines()
    plot = next(line for line in lines if line.startswith("accepted"))
    assert "1770, 29.5 a minute" in plot
    bars = plot[plot.index("▕") + 1:plot.index("▏")]
    assert len(bars) == 60 and bars[0] == " " and bars[-1] == "█"
    assert list(bars) == sorted(bars), "a rising number is a rising plot"
    assert any("p50 0.90 ms, p99 5.00 ms; in the worst minute 40.0 ms" in line for line in lines)
    assert lines[-1].split() == ["publish", "9", "1", "0", "12.0", "ms", "-"]
    assert ctl(admin, "stats", env={**UTF8, "LC_ALL": "C"}).stdout.isascii()


def test_stats_of_nothing(admin):
    admin.stats["buckets"] = [{"at": "2026-11-22T07:00:00Z", "accepted": 0, "duplicate": 0,
                               "refused": 0, "commit_ms_p50": None, "commit_ms_p99": None}]
    result = ctl(admin, "stats")
    assert result.returncode == 0 and "no commit" in result.stdout


# ---- retry, replay, dead ----

@pytest.mark.parametrize("command, path", [
    (["retry"], "/v1/retry"), (["replay"], "/v1/replay"), (["dead", "retry"], "/v1/retry"),
    (["dead", "drop"], "/v1/drop")])
def test_actions_by_number(admin, command, path):
    result = ctl(admin, *command, 3, 1)
    assert result.returncode == 0, result.stderr
    assert admin.actions == [(path, {"sink": "publish", "seqs": [3, 1]})]


def test_numbers_that_are_skipped_are_exit_1(admin):
    result = ctl(admin, "--json", "retry", 5, 6)
    assert result.returncode == 1
    assert objects(result)[0] == {"sink": "publish", "done": 1, "skipped": 1, "interrupted": False}


@pytest.mark.parametrize("command, state", [
    (["retry"], "dead"), (["retry", "--state", "pending"], "pending"), (["replay"], None),
    (["replay", "--state", "dead"], "dead"), (["dead", "drop"], "dead")])
def test_what_a_filter_chooses(admin, command, state):
    result = ctl(admin, *command, "--all")
    assert result.returncode == 0, result.stderr
    page = next(query for path, query in admin.requests if path == "/v1/deliveries")
    assert page.get("state") == state and (page.get("sink") == "publish") == bool(state)
    assert page["order"] == "oldest" and page["until"], "the end must be fixed"
    assert admin.seqs() == [1, 2, 3, 4, 5]


def test_several_sinks(admin):
    admin.sinks.append(dict(SINK, name="archive"))
    result = ctl(admin, "retry", "--all")
    assert result.returncode == 64 and "publish, archive" in result.stderr
    assert ctl(admin, "retry", "--all", "--sink", "archive").returncode == 0
    assert admin.actions[0][1]["sink"] == "archive"
    result = ctl(admin, "retry", "1", "--sink", "no-such")
    assert result.returncode == 1 and "no-such" in result.stderr


def test_the_only_sink_with_dead_letters_is_meant(admin):
    admin.sinks = [dict(SINK, name="archive", dead=0), dict(SINK), dict(SINK, name="mail", dead=0)]
    assert "retried 5 of sink publish" in ctl(admin, "retry", "--all").stdout
    assert ctl(admin, "dead", "list").returncode == 0
    assert admin.requests[-1][1]["sink"] == "publish"
    result = ctl(admin, "replay", "--all")
    assert result.returncode == 64 and "archive, publish, mail" in result.stderr


def test_no_sink_has_dead_letters(admin):
    admin.sinks = [dict(SINK, name=name, dead=0) for name in ("archive", "publish")]
    assert (ctl(admin, "dead", "list").returncode, ctl(admin, "dead", "list").stdout) == (0, "")
    result = ctl(admin, "dead", "retry", "--all")
    assert result.returncode == 0 and "no sink has dead letters" in result.stdout
    assert objects(ctl(admin, "--json", "retry", "--all"))[0]["done"] == 0
    assert objects(ctl(admin, "--json", "retry", "--all", "--dry-run"))[0]["count"] == 0
    assert ctl(admin, "retry", "1").returncode == 1
    assert admin.actions == []


def test_dry_run(admin):
    admin.count = 1234
    result = ctl(admin, "replay", "--all", "--dry-run")
    assert result.returncode == 0
    assert "would replay 1234 of sink publish" in result.stdout
    assert len(result.stdout.splitlines()) == 1 + 1 + 10
    assert objects(ctl(admin, "--json", "replay", "--all", "--dry-run", "--limit", 7))[0] == \
        {"dry_run": True, "sink": "publish", "count": 7}
    assert admin.actions == []


def test_replay_of_many_in_bounded_memory(admin):
    """In chunks, each once, in order, however the queue fills up."""
    admin.count = 100_000 if not SANITIZED else 5_000
    sizes = iter([0, 300, 1000, 1, 0, 0] * 100_000)
    memory = {}

    def room():
        if process.poll() is None:
            memory[len(admin.done)] = status_kib(process.pid, "VmHWM")
        return next(sizes) if len(admin.done) < 2000 else 1000
    admin.room = room
    process = subprocess.Popen([str(CTL), "--socket", str(admin.path), "--json", "replay", "--all"],
                               stdout=subprocess.PIPE, env=UTF8)
    output = process.communicate(timeout=60 * SLOWNESS)[0]
    assert process.returncode == 0 and json.loads(output)["done"] == admin.count
    assert admin.done == list(range(1, admin.count + 1))
    assert max(len(body["seqs"]) for _, body in admin.actions) <= 500
    at_first = next(kib for done, kib in memory.items() if done >= 2000)
    assert SANITIZED or max(memory.values()) - at_first < 2048, memory


def test_limit_takes_the_oldest(admin):
    assert ctl(admin, "replay", "--all", "--limit", 2).returncode == 0
    assert admin.seqs() == [1, 2]


def test_rate(admin):
    admin.count = 6
    start = time.monotonic()
    assert ctl(admin, "replay", "--all", "--rate", "4/s").returncode == 0
    assert time.monotonic() - start >= 1.0, "six at four a second"
    assert [len(body["seqs"]) for _, body in admin.actions] == [4, 2]


def test_daemon_that_stops_midway(admin):
    admin.count = 1200
    answers = iter([1000])

    def room():
        if next(answers, None) is None:
            admin.override = (500, b'{"message":"broken"}')
            return 0
        return 1000
    admin.room = room
    result = ctl(admin, "--json", "replay", "--all")
    assert result.returncode == 76 and "broken" in result.stderr
    assert objects(result)[0]["done"] == 500, "what was done is told"


def test_answer_that_does_not_add_up(admin):
    admin.act = lambda path, body: (200, {"done": 1, "skipped": 0, "busy": 9})
    assert ctl(admin, "retry", 1, 2).returncode == 76


def test_a_terminal_is_asked(admin):
    admin.count = 101
    for answer, status, done in [("n\n", 1, 0), ("\n", 1, 0), ("y\n", 0, 101)]:
        terminal = Terminal(admin, "replay", "--all")
        terminal.read_until("replay 101 deliveries of sink publish? [y/N] ")
        terminal.type(answer)
        assert terminal.end() == status
        assert len(admin.done) == done
    assert "replayed 101" in terminal.output.decode()


def test_a_terminal_is_not_asked_for_few_or_with_yes(admin):
    admin.count = 100
    assert Terminal(admin, "replay", "--all").end() == 0
    admin.count = 200
    terminal = Terminal(admin, "replay", "--all", "--yes")
    assert terminal.end() == 0
    assert "?" not in terminal.output.decode() and "200 of 200 replayed (100 %)" in \
        terminal.output.decode()
    assert len(admin.done) == 300


def test_interrupt_tells_what_was_done(admin):
    admin.count = 1000
    admin.room = lambda: 500 if not admin.done else 0
    terminal = Terminal(admin, "replay", "--all", "--yes")
    terminal.read_until("waiting for room")
    terminal.process.send_signal(2)
    assert terminal.end() == 1
    assert "replayed 500" in terminal.output.decode() and "interrupted" in terminal.output.decode()


def test_dead_list(admin):
    admin.count = 60
    result = ctl(admin, "--json", "dead", "list")
    assert [one["seq"] for one in objects(result)] == list(range(1, 61)), "all of them"
    assert admin.requests[-1][1]["state"] == "dead"


# ---- pause, resume, prune, check-config ----

@pytest.mark.parametrize("command, said", [("pause", "paused"), ("resume", "no longer paused")])
def test_pause(admin, command, said):
    result = ctl(admin, command, "publish")
    assert result.returncode == 0 and said in result.stdout
    assert admin.actions == [(f"/v1/{command}", {"sink": "publish"})]
    assert objects(ctl(admin, "--json", command, "publish")) == [{"sink": "publish"}]


def test_prune(admin):
    """Goes on until there is no more."""
    assert ctl(admin, "prune").stdout == "removed 6 deliveries and 3 ids\n"
    assert admin.actions == [("/v1/prune", {})] * 3
    assert objects(ctl(admin, "--json", "prune")) == [{"deliveries": 2, "ids": 1, "more": False}]


def test_check_config(conf, folder):
    conf.write()

    def check(path, *arguments):
        return subprocess.run([str(CTL), "--config", str(path), *arguments, "check-config"],
                              capture_output=True, text=True, env=UTF8)
    assert check(conf.path).returncode == 0 and check(conf.path).stdout == f"{conf.path}: ok\n"
    bad = folder / "bad.conf"
    bad.write_text('server { wrokers = 3 }\nsink "x" { type = "odd" }\n')
    result = check(bad)
    assert result.returncode == 78 and "bad.conf:1" in result.stderr
    told = json.loads(check(bad, "--json").stdout)
    assert told["ok"] is False and len(told["faults"]) == result.stderr.count("\n") >= 2


# ---- completion ----


def test_backup_shows_how_far_it_is(admin):
    terminal = Terminal(admin, "backup", "/copy.db")
    terminal.read_until("copied 50 % of 8.0 KB")
    admin.backup.update(state="checking", bytes_done=8192)
    terminal.read_until("copied 8.0 KB, reading it back")
    admin.backup.update(state="failed", error="no\x1bway")
    assert "no backup was made: no" in terminal.read_until()
    assert "\x1bway" not in terminal.output.decode()
    assert terminal.end() == 1
