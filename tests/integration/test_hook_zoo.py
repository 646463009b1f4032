"""Hooks that misbehave: each loses its own time, and nobody else's; nothing is left behind."""

import os
import signal

import pytest
from harness.callback import make_job
from harness.paths import SLOWNESS
from harness.process import is_alive
from harness.sinks import Hook, wait_ids
from harness.wait import Stopwatch, wait_until


def run_zoo(conf, daemon, script, **keys):
    """One bad hook, at a concurrency of one; then a good run through the same slot."""
    hook = Hook(conf.folder, "zoo", f"""
[ "$SASHA_JOB_ID" = good ] && {{ echo good >>notes; exit 0; }}
echo $$ >>pids
{script}""")
    options = {"timeout": "500ms", "grace": "500ms", "concurrency": 1, "retry_attempts": 1,
               "breaker": 0, **keys}
    conf.exec_sink("zoo", hook.command, **options)
    daemon.start()
    watch = Stopwatch()
    callback = daemon.accept(make_job("bad"))
    hook.wait_notes(1, "pids")
    daemon.accept(make_job("good"))
    hook.wait_notes(1)
    wait_ids(conf.archive, [callback.request_id])
    return hook, watch.seconds()


def check_clean(daemon):
    wait_until(lambda: not daemon.zombies(), "zombies to be reaped")


def test_ignores_term(conf, daemon):
    hook, seconds = run_zoo(conf, daemon, "trap '' TERM; while :; do sleep 0.1; done")
    assert 0.9 < seconds < 2.5 * SLOWNESS, "timeout + grace, then KILL"
    wait_until(lambda: not is_alive(int(hook.note("pids")[0])), "its end")
    check_clean(daemon)


def test_uses_its_grace_after_term(conf, daemon):
    hook, seconds = run_zoo(
        conf, daemon, "trap 'echo tidy >>tidied; exit 3' TERM; while :; do sleep 0.02; done")
    assert hook.note("tidied") == ["tidy"]
    assert 0.4 < seconds < 1.5 * SLOWNESS
    check_clean(daemon)


def test_whole_group_is_ended(conf, daemon):
    """A child in the hook's own group that ignores TERM as well."""
    hook, _ = run_zoo(conf, daemon, """
sh -c 'trap "" TERM; echo $$ >>kids; while :; do sleep 0.1; done' &
trap '' TERM; wait""")
    kid = int(hook.wait_notes(1, "kids")[0])
    wait_until(lambda: not is_alive(kid), "the child's end")
    check_clean(daemon)


def test_double_fork_does_not_hold_the_slot(conf, daemon):
    """A grandchild in a session of its own keeps stdout open: the slot is free at the leader's exit
    plus a second."""
    hook, seconds = run_zoo(conf, daemon, """
setsid sh -c 'echo $$ >>kids; sleep 30' &
until [ -s kids ]; do sleep 0.02; done; exit 0""", timeout="20s")
    kid = int(hook.note("kids")[0])
    try:
        assert is_alive(kid), "it left the group; it is not ours to end"
        assert seconds < 5 * SLOWNESS
    finally:
        os.kill(kid, signal.SIGKILL)
    check_clean(daemon)


def test_ten_megabytes_of_output(conf, daemon):
    hook, seconds = run_zoo(conf, daemon, """
head -c 10000000 /dev/zero | tr '\\0' 'x'; head -c 10000000 /dev/zero | tr '\\0' 'y' >&2
echo whole >>wrote; exit 0""", timeout="20s")
    assert hook.note("wrote") == ["whole"], "a full pipe must not stop a hook"
    assert seconds < 10 * SLOWNESS
    size = os.stat(conf.store["path"]).st_size + os.stat(conf.store["path"] + "-wal").st_size
    assert size < 2_000_000, "output is capped"
    check_clean(daemon)


def test_output_without_end_is_ended_by_the_timeout(conf, daemon):
    run_zoo(conf, daemon, "while :; do echo yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy; done")
    check_clean(daemon)


def test_closes_its_stdio_and_lingers(conf, daemon):
    hook, seconds = run_zoo(conf, daemon, "exec <&- >&- 2>&-; while :; do sleep 0.05; done")
    assert 0.4 < seconds < 2.5 * SLOWNESS
    wait_until(lambda: not is_alive(int(hook.note("pids")[0])), "its end")
    check_clean(daemon)


@pytest.mark.parametrize("size", [10, 900_000])
def test_never_reads_stdin(conf, daemon, size):
    """EPIPE is normal: exit 0 counts, whatever was left unread."""
    conf.server["max_body"] = "1M"
    hook = Hook(conf.folder, "deaf", 'echo "$SASHA_ATTEMPT" >>notes; exit 0')
    conf.exec_sink("deaf", hook.command, retry_first="20ms")
    daemon.start()
    for _ in range(5):
        daemon.accept(make_job(fill="x" * size))
    assert hook.wait_notes(5) == ["1"] * 5
    check_clean(daemon)


def test_reads_a_large_body_slowly(conf, daemon):
    conf.server["max_body"] = "1M"
    hook = Hook(conf.folder, "slow", "sleep 0.2; cat >stdin; echo done >>notes")
    conf.exec_sink("slow", hook.command)
    daemon.start()
    body = make_job(fill="x" * 900_000)
    daemon.accept(body)
    hook.wait_notes(1)
    assert (hook.folder / "stdin").read_bytes() == body


def test_stopped_hook_is_ended_by_the_timeout(conf, daemon):
    hook, _ = run_zoo(conf, daemon, "kill -STOP $$; sleep 5")
    wait_until(lambda: not is_alive(int(hook.note("pids")[0])), "its end")
    check_clean(daemon)


def test_a_stuck_sink_does_not_hold_up_another(conf, daemon):
    """G6, while the bad one's slots are all taken."""
    stuck = Hook(conf.folder, "stuck", "echo >>notes; sleep 20")
    quick = Hook(conf.folder, "quick", 'echo "$SASHA_REQUEST_ID" >>notes')
    conf.exec_sink("stuck", stuck.command, concurrency=2)
    conf.exec_sink("quick", quick.command, concurrency=2)
    conf.server["drain_timeout"] = "100ms"
    conf.sinks["stuck"]["grace"] = "100ms"
    daemon.start()
    callbacks = [daemon.accept() for _ in range(20)]
    quick.wait_notes(20)
    wait_ids(conf.archive, [callback.request_id for callback in callbacks])
    assert len(stuck.note()) == 2


def test_hostile_text_is_escaped_in_the_log(conf, daemon):
    """What a hook printed, and the Job's own fields: one event stays one line."""
    hook = Hook(conf.folder, "evil", r"""
printf 'a\033[31mb\r\n{"event":"forged"}\n\342\200\256\377'; exit 65""")
    conf.exec_sink("evil", hook.command)
    daemon.start()
    daemon.accept(make_job('x\r\n{"event":"forged"}\n\x1b[31m\u202e\u2028'))
    daemon.wait_event("delivery-dead")
    assert not daemon.events("forged")
    for bad in ("\x1b", "\u202e", "\u2028", "\r"):
        assert bad not in daemon.log_text()
    assert all(line.startswith("{") for line in daemon.log_text().splitlines())
