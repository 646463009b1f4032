"""F12: hooks of every kind. Each loses its own time and nobody else's: its slot is free again after
timeout + grace + 1 s at most; what became of it is what it did; and 10,000 of them leave no zombie
and no descriptor behind. tests/integration/test_hook_zoo.py looks at single animals more closely."""

import os
import signal
from collections import Counter
from pathlib import Path

import pytest
from harness.callback import make_job
from harness.paths import SLOWNESS
from harness.process import children, is_alive
from harness.sinks import Hook
from harness.stored import query
from harness.wait import wait_until
from lab.plan import count, note
from lab.verdict import count_pending

TIMEOUT, GRACE, SLACK = 0.3, 0.3, 0.5

#: What a hook does, in shell, and how that is told.
ANIMALS = {
    "ignores-term": ("trap '' TERM; while :; do sleep 0.05; done", "timeout after 300ms"),
    "ignores-all": ("trap '' HUP INT TERM PIPE; while :; do sleep 0.05; done",
                    "timeout after 300ms"),
    "forks-twice": ("setsid sh -c 'echo $$ >>kids; exec sleep 60' & sleep 0.1; exit 0", "ok"),
    "forks-a-group": ("for i in 1 2 3 4 5; do (trap '' TERM; sleep 60) & done; trap '' TERM; wait",
                      "timeout after 300ms"),
    "leaves-a-group": ("(trap '' TERM; sleep 1) & exit 0", "ok"),
    "closes-stdio": ("exec <&- >&- 2>&-; while :; do sleep 0.05; done", "timeout after 300ms"),
    "deaf": ("exit 0", "ok"),
    "prints-for-ever": ("while :; do echo yyyyyyyyyyyyyyyyyyyyyyyyyyyy; done",
                        "timeout after 300ms"),
    "stops-itself": ("kill -STOP $$; sleep 5", "timeout after 300ms"),
    "dies-in-trap": ("trap 'kill -KILL $$' TERM; while :; do sleep 0.05; done",
                     "timeout after 300ms"),
    "says-0-on-term": ("trap 'exit 0' TERM; while :; do sleep 0.05; done", "timeout after 300ms"),
}

#: Sent to oneself, these do nothing, or stop only a process that has a terminal.
HARMLESS = {signal.SIGCHLD, signal.SIGCONT, signal.SIGURG, signal.SIGWINCH, signal.SIGTSTP,
            signal.SIGTTIN, signal.SIGTTOU}


def zoo(rig, script, **keys):
    hook = Hook(rig.folder, "zoo", script)
    options = {"timeout": "300ms", "grace": "300ms", "concurrency": 1, "retry_attempts": 1,
               "breaker": 0, "order": "none", **keys}
    del rig.conf.sinks["hook"]
    rig.conf.exec_sink("zoo", hook.command, **options)
    return hook


def attempts(rig):
    """(job, result, started, ended) of each run of the zoo, in order."""
    return query(rig.conf.store["path"], """
        SELECT job_id, result, started_at / 1e6, (started_at + duration) / 1e6
        FROM attempts JOIN deliveries USING (seq) WHERE job_id != 'warm' ORDER BY started_at""")


def kinds(daemon):
    """How many descriptors of each kind it has: files by path, sockets and pipes by what they are."""
    return Counter(name.split(":")[0] for name in daemon.descriptors())


def warm_up(rig):
    """One delivery through every sink, so that what stays open is open: that is returned."""
    rig.daemon.start()
    rig.daemon.accept(make_job("warm"))
    wait_until(lambda: count_pending(Path(rig.conf.store["path"])) == 0, "the first run")
    return kinds(rig.daemon)


def check_clean(daemon, before):
    wait_until(lambda: not children(daemon.pid), "all children to be reaped")
    try:
        wait_until(lambda: not kinds(daemon) - before, "descriptors to be given back")
    except AssertionError as error:
        raise AssertionError(f"{error}: {kinds(daemon) - before}") from None


def end_kids(hook):
    for pid in map(int, hook.note("kids")):
        if is_alive(pid):
            os.kill(pid, signal.SIGKILL)


def test_slots(rig):
    cases = "\n".join(f"{name}) {script} ;;" for name, (script, _) in ANIMALS.items())
    hook = zoo(rig, f'case "$SASHA_JOB_ID" in\n{cases}\n*) exit 0 ;;\nesac')
    before = warm_up(rig)
    rounds = count("F12")
    for i in range(rounds):
        for name in ANIMALS:
            rig.daemon.accept(make_job(name))
            rig.daemon.accept(make_job("after"))
    want = 2 * rounds * len(ANIMALS)
    wait_until(lambda: len(attempts(rig)) == want, "every run",
               60 + rounds * len(ANIMALS) * (TIMEOUT + GRACE + 1))
    check_clean(rig.daemon, before)
    end_kids(hook)
    runs = attempts(rig)
    longest = 0.0
    for run, following in zip(runs[0::2], runs[1::2]):
        job, result, started, _ = run
        assert result == ANIMALS[job][1], job
        assert following[:2] == ("after", "ok")
        held = following[2] - started
        longest = max(longest, held)
        assert held <= TIMEOUT + GRACE + 1 + SLACK * SLOWNESS, f"{job} held its slot too long"
    note("F12", f"{rounds * len(ANIMALS)} bad hooks of {len(ANIMALS)} kinds: a slot was free after "
                f"max {longest:.2f} s of {TIMEOUT + GRACE + 1:g}, 0 zombies, 0 descriptors",
         hooks=rounds * len(ANIMALS), longest=round(longest, 2))


def test_every_exit_code_and_signal(rig):
    zoo(rig, """
case "$SASHA_JOB_ID" in
exit-*) exit "${SASHA_JOB_ID#exit-}" ;;
kill-*) kill -"${SASHA_JOB_ID#kill-}" $$; exit 3 ;;
esac""", concurrency=4, timeout="2s")
    want = {f"exit-{code}": f"exit {code}" if code else "ok" for code in range(256)}
    for number in sorted(signal.valid_signals()):
        if number in HARMLESS:
            want[f"kill-{int(number)}"] = "exit 3"
        elif number == signal.SIGSTOP:
            want[f"kill-{int(number)}"] = "timeout after 2s"
        else:
            want[f"kill-{int(number)}"] = f"signal {int(number)}"
    before = warm_up(rig)
    for job in want:
        rig.daemon.accept(make_job(job))
    wait_until(lambda: len(attempts(rig)) >= len(want), "every run", 60)
    got = {job: result.split(" (")[0] for job, result, _, _ in attempts(rig)}
    assert got == want
    dead = query(rig.conf.store["path"], "SELECT count(*) FROM progress WHERE state = 2")[0][0]
    assert dead == len(want) - 1, "only exit 0 is done; one attempt was allowed"
    check_clean(rig.daemon, before)
    note("F12", f"256 exit codes and {len(want) - 256} signals: each told as it was",
         codes=256, signals=len(want) - 256)


def spoil(path, how):
    if how == "missing":
        path.unlink()
    elif how == "not-executable":
        path.chmod(0o644)
    elif how == "a-folder":
        path.unlink()
        path.mkdir()
    elif how == "no-interpreter":
        path.write_text("#!/no/such/interpreter\n")


@pytest.mark.parametrize("how", ["missing", "not-executable", "a-folder", "no-interpreter"])
def test_a_program_that_cannot_be_started(rig, how):
    """It is tried again, and works when the program is there again."""
    hook = zoo(rig, '[ "$SASHA_JOB_ID" = warm ] || echo "$SASHA_REQUEST_ID" >>notes',
               retry_attempts=100, retry_first="50ms", retry_max="200ms")
    text = hook.path.read_text()
    before = warm_up(rig)
    spoil(hook.path, how)
    callback = rig.daemon.accept()
    wait_until(lambda: attempts(rig) or rig.daemon.events("sink-deferred"), "a try that failed")
    assert not hook.note()
    if how == "a-folder":
        hook.path.rmdir()
    hook.path.write_text(text)
    hook.path.chmod(0o755)
    assert hook.wait_notes(1) == [callback.request_id]
    check_clean(rig.daemon, before)


def test_a_gigabyte_of_output(rig):
    zoo(rig, '[ "$SASHA_JOB_ID" = warm ] || { head -c 1073741824 /dev/zero; echo end; }',
        timeout="60s")
    before = warm_up(rig)
    rig.daemon.accept()
    wait_until(lambda: attempts(rig), "its end", 60)
    _, result, started, ended = attempts(rig)[0]
    assert result == "ok"
    output = query(rig.conf.store["path"], "SELECT output FROM attempts ORDER BY seq DESC")[0][0]
    assert output.endswith(b"end\n") and len(output) <= 64 * 1024
    check_clean(rig.daemon, before)
    note("F12", f"1 GiB of output in {ended - started:.1f} s, {len(output)} bytes of it kept",
         seconds=round(ended - started, 1), kept=len(output))


def test_ten_thousand(rig):
    hooks = 10_000
    del rig.conf.sinks["hook"]
    rig.conf.exec_sink("many", ["/bin/true"], concurrency=8, order="none")
    before = warm_up(rig)
    summary = rig.load(total=hooks, rate=3000, connections=16).join()
    assert summary["promised"] == hooks

    def delivered():
        return query(rig.conf.store["path"], "SELECT delivered FROM sinks WHERE name = 'many'")
    wait_until(lambda: delivered() == [(hooks + 1,)], f"{hooks} hooks", 240, interval=0.2)
    check_clean(rig.daemon, before)
    assert not rig.daemon.zombies()
    note("F12", f"{hooks} hooks: 0 zombies, 0 descriptors left", hooks=hooks)
