"""Exec hooks: what they get, in which order they run, what their exit means."""

import json
import os

import pytest
from harness.callback import make_job
from harness.sinks import Hook, wait_ids
from harness.stored import query
from harness.wait import holds_for, wait_until

#: Design §6, word for word.
DOCUMENTED = set("""
SASHA_JOB_ID SASHA_JOB_TYPE SASHA_JOB_STATUS SASHA_SIGNATURE_ID SASHA_OUTPUT_URL
SASHA_OUTPUT_URL_EXPIRES_AT SASHA_ERROR_CODE SASHA_ERROR_MESSAGE SASHA_CREATED_AT SASHA_UPDATED_AT
SASHA_REQUEST_ID SASHA_ENDPOINT SASHA_RECEIVED_AT SASHA_SEQ SASHA_ATTEMPT SASHA_STALE SASHA_REPLAY
""".split())

#: The environment exactly as the kernel got it: a shell adds names of its own.
SAVE_ENVIRONMENT = "cat /proc/$$/environ >environ; cat >stdin; echo done >>notes"


def environment(hook) -> dict:
    text = (hook.folder / "environ").read_bytes().decode()
    assert text.endswith("\0")
    pairs = [entry.partition("=") for entry in text[:-1].split("\0")]
    assert len({name for name, _, _ in pairs}) == len(pairs), "a name stands twice"
    return {name: value for name, _, value in pairs}


def test_environment_is_exactly_as_documented(conf, daemon):
    hook = Hook(conf.folder, "env", SAVE_ENVIRONMENT)
    conf.exec_sink("env", hook.command, user_env=["PATH=/usr/bin:/bin", "MINE=a b"])
    daemon.env.update(LEAK="x", LD_DEBUG_OUTPUT="/nonexistent", OPENSSL_MODULES="/usr",
                      CREDENTIALS_DIRECTORY=str(conf.secret_folder), INVOCATION_ID="1",
                      WATCHDOG_USEC="100000000")
    daemon.start()
    body = make_job("j-1", "failed", "embed-signature", signature_id="340558932877813735",
                    output_url="https://x/y?a=b", output_url_expires_at="2025-01-01T01:00:00Z",
                    error={"code": "internal", "message": "no\nluck"},
                    updated_at="2025-01-02T00:00:00.5Z")
    callback = daemon.accept(body)
    hook.wait_notes(1)
    got = environment(hook)
    received_at = got.pop("SASHA_RECEIVED_AT")
    assert received_at.endswith("Z") and received_at[4] == "-" and received_at[10] == "T"
    assert got == {
        "PATH": "/usr/bin:/bin",
        "MINE": "a b",
        "SASHA_JOB_ID": "j-1",
        "SASHA_JOB_TYPE": "embed-signature",
        "SASHA_JOB_STATUS": "failed",
        "SASHA_SIGNATURE_ID": "340558932877813735",
        "SASHA_OUTPUT_URL": "https://x/y?a=b",
        "SASHA_OUTPUT_URL_EXPIRES_AT": "2025-01-01T01:00:00Z",
        "SASHA_ERROR_CODE": "internal",
        "SASHA_ERROR_MESSAGE": "no\nluck",
        "SASHA_CREATED_AT": "2025-01-01T00:00:00Z",
        "SASHA_UPDATED_AT": "2025-01-02T00:00:00.5Z",
        "SASHA_REQUEST_ID": callback.request_id,
        "SASHA_ENDPOINT": "main",
        "SASHA_SEQ": "1",
        "SASHA_ATTEMPT": "1",
        "SASHA_STALE": "0",
        "SASHA_REPLAY": "0",
    }
    assert {name for name in got if name.startswith("SASHA_")} | {"SASHA_RECEIVED_AT"} == DOCUMENTED
    assert (hook.folder / "stdin").read_bytes() == body


def test_fields_that_the_job_lacks_are_unset(conf, daemon):
    hook = Hook(conf.folder, "env", SAVE_ENVIRONMENT)
    conf.exec_sink("env", hook.command, user_env=["PATH=/usr/bin:/bin"])
    daemon.start()
    daemon.accept(make_job(status="pending", output_url=None))
    hook.wait_notes(1)
    assert set(environment(hook)) == {"PATH"} | DOCUMENTED - {
        "SASHA_SIGNATURE_ID", "SASHA_OUTPUT_URL", "SASHA_OUTPUT_URL_EXPIRES_AT",
        "SASHA_ERROR_CODE", "SASHA_ERROR_MESSAGE"}


def test_a_field_too_long_for_an_environment_does_not_stop_the_hook(conf, daemon):
    conf.server["max_body"] = "1M"
    hook = Hook(conf.folder, "env", SAVE_ENVIRONMENT)
    conf.exec_sink("env", hook.command)
    daemon.start()
    body = make_job(error={"code": "internal", "message": "\u00e9" * 150000})
    daemon.accept(body)
    hook.wait_notes(1)
    message = environment(hook)["SASHA_ERROR_MESSAGE"]
    assert 0 < len(message) < 131072 and set(message) == {"\u00e9"}
    assert (hook.folder / "stdin").read_bytes() == body


#: Open descriptors, told without opening one; then what the kernel knows of the process. Read by the
#: shell itself: while it starts another program it blocks signals for a moment.
LOOK_AT_MYSELF = """
cd {folder}; n=0; open=
while [ $n -lt 1024 ]; do [ ! -e /proc/$$/fd/$n ] || open="$open $n"; n=$((n + 1)); done
echo $open >fds; while read -r line; do echo "$line"; done </proc/$$/status >status
cat /proc/$$/stat >stat
cat /proc/$$/cmdline >cmdline; echo done >done"""


def test_process_is_clean(conf, daemon):
    """Arguments as they stand in the conf, three descriptors, no signal blocked or ignored, a
    session of its own."""
    script = LOOK_AT_MYSELF.format(folder=conf.folder).replace("\n", ";").lstrip(";")
    script = script.replace("do;", "do ")
    conf.exec_sink("clean", ["/bin/sh", "-c", script, "a b", "*", ""])
    daemon.inherited = [os.open("/dev/null", os.O_RDONLY)]  # a careless parent's
    daemon.start()
    os.close(daemon.inherited[0])
    daemon.accept()
    wait_until(lambda: (conf.folder / "done").exists(), "the hook")
    assert (conf.folder / "fds").read_text().split() == ["0", "1", "2"]
    status = dict(line.split(":\t", 1) for line in
                  (conf.folder / "status").read_text().splitlines() if ":\t" in line)
    assert int(status["SigBlk"], 16) == 0
    assert int(status["SigIgn"], 16) == 0
    stat = (conf.folder / "stat").read_text().rsplit(")", 1)[1].split()
    pid = (conf.folder / "stat").read_text().split()[0]
    assert stat[2] == pid and stat[3] == pid, "not the leader of its own group and session"
    assert (conf.folder / "cmdline").read_bytes().split(b"\0")[3:] == [b"a b", b"*", b"", b""]


def test_signals_that_the_parent_ignored(conf, daemon):
    """As under nohup, or a supervisor that does not care for its children: the daemon learns how
    hooks end all the same, and they do not inherit it."""
    daemon.wrapper += ["env", "--ignore-signal=CHLD,HUP,QUIT,USR1"]
    script = (f"while read -r line; do echo \"$line\"; done </proc/$$/status "
              f">{conf.folder}/status; exit 65")
    conf.exec_sink("clean", ["/bin/sh", "-c", script])
    daemon.start()
    daemon.accept()
    attempts = "SELECT result FROM attempts"
    wait_until(lambda: query(conf.store["path"], attempts), "the attempt to be recorded")
    assert query(conf.store["path"], attempts) == [("exit 65",)]
    status = dict(line.split(":\t", 1) for line in
                  (conf.folder / "status").read_text().splitlines() if ":\t" in line)
    assert int(status["SigIgn"], 16) == 0 and int(status["SigBlk"], 16) == 0


def test_order_within_a_job_and_parallel_across_jobs(conf, daemon):
    """Two jobs with three notifications each. The first of each job is held while the others
    arrive: both must have started, and nothing else of either job."""
    hook = Hook(conf.folder, "order", """
echo "start $SASHA_JOB_ID $SASHA_SEQ" >>notes
[ "$SASHA_JOB_STATUS" != pending ] || until [ -e go ]; do sleep 0.02; done
echo "end $SASHA_JOB_ID $SASHA_SEQ" >>notes""")
    conf.exec_sink("order", hook.command, concurrency=4)
    daemon.start()
    callbacks = [daemon.accept(make_job(job, status))
                 for status in ("pending", "in_progress", "completed") for job in ("a", "b")]
    wait_ids(conf.archive, [callback.request_id for callback in callbacks])
    hook.wait_notes(2)
    holds_for(lambda: sorted(hook.note()) == ["start a 1", "start b 2"], 0.3, str(hook.note()))
    (hook.folder / "go").touch()
    notes = hook.wait_notes(12)
    for job, seqs in (("a", (1, 3, 5)), ("b", (2, 4, 6))):
        mine = [note for note in notes if note.split()[1] == job]
        assert mine == [f"{what} {job} {seq}" for seq in seqs for what in ("start", "end")]


def test_order_none_lets_a_job_run_in_parallel(conf, daemon):
    hook = Hook(conf.folder, "free", """
touch "began-$SASHA_SEQ"
until [ -e began-1 ] && [ -e began-2 ]; do sleep 0.02; done
echo "$SASHA_SEQ" >>notes""")
    conf.exec_sink("free", hook.command, order="none", concurrency=2)
    daemon.start()
    daemon.accept(make_job("a", "pending"))
    daemon.accept(make_job("a", "completed"))
    hook.wait_notes(2)


def test_concurrency_is_a_limit(conf, daemon):
    hook = Hook(conf.folder, "many", """
mkdir "slot-$SASHA_SEQ"; ls -d slot-* | wc -l >>notes; sleep 0.05; rmdir "slot-$SASHA_SEQ\"""")
    conf.exec_sink("many", hook.command, concurrency=3)
    daemon.start()
    for _ in range(30):
        daemon.accept()
    counts = [int(note) for note in hook.wait_notes(30)]
    assert max(counts) == 3, counts


def test_retry_until_it_works(conf, daemon):
    hook = Hook(conf.folder, "retry", """
echo "$SASHA_ATTEMPT $SASHA_REQUEST_ID" >>notes
[ "$SASHA_ATTEMPT" -ge 4 ]""")
    conf.exec_sink("retry", hook.command, retry_first="50ms", retry_max="200ms")
    daemon.start()
    callback = daemon.accept()
    assert hook.wait_notes(4) == [f"{n} {callback.request_id}" for n in (1, 2, 3, 4)]


@pytest.mark.parametrize("script, runs", [
    ("exit 1", 3), ("exit 75", 3), ("exit 255", 3), ("kill -KILL $$", 3), ("kill -SEGV $$", 3),
    ("exit 65", 1),
])
def test_dead_letters(conf, daemon, script, runs):
    """65 is dead at once, everything else after retry_attempts; a dead one holds nobody up."""
    hook = Hook(conf.folder, "dead", f"""
echo "$SASHA_JOB_ID" >>notes
[ "$SASHA_JOB_ID" = good ] && exit 0
{script}""")
    conf.exec_sink("dead", hook.command, retry_first="20ms", retry_max="40ms", retry_attempts=3)
    daemon.start()
    callback = daemon.accept(make_job("bad"))
    event = daemon.wait_event("delivery-dead", lambda event: event.get("sink") == "dead")
    daemon.accept(make_job("good"))
    hook.wait_notes(runs + 1)
    assert hook.note() == ["bad"] * runs + ["good"]
    assert event["level"] == "err"
    daemon.stop()
    store = conf.store["path"]
    assert query(store, "SELECT seq, attempts FROM progress JOIN sinks ON sinks.id = sink "
                        "WHERE name = 'dead' AND state = 2") == [(1, runs)]
    assert query(store, "SELECT delivered FROM sinks WHERE name = 'dead'") == [(1,)]
    assert query(store, "SELECT body FROM deliveries WHERE seq = 1") == [(callback.body,)]


def test_a_failing_job_holds_up_only_its_own(conf, daemon):
    """G6: later notifications of the failing job wait, other jobs and other sinks pass."""
    hook = Hook(conf.folder, "hold", """
echo "$SASHA_JOB_ID $SASHA_JOB_STATUS" >>notes
[ "$SASHA_JOB_ID" != bad ] || [ -e mended ]""")
    conf.exec_sink("hold", hook.command, concurrency=1, retry_first="100ms", retry_max="100ms",
                   breaker=0)
    daemon.start()
    daemon.accept(make_job("bad", "pending"))
    hook.wait_notes(1)
    daemon.accept(make_job("bad", "completed"))
    others = [daemon.accept(make_job(f"good-{i}")) for i in range(5)]
    wait_ids(conf.archive, [callback.request_id for callback in others])
    wait_until(lambda: sum("good" in note for note in hook.note()) == 5, "other jobs")
    assert "bad completed" not in hook.note()
    (hook.folder / "mended").touch()
    wait_until(lambda: hook.note()[-1] == "bad completed", "the job to go on")
    assert hook.note()[-2] == "bad pending"


def test_filters(conf, daemon):
    hook = Hook(conf.folder, "filter", 'echo "$SASHA_JOB_ID" >>notes')
    conf.exec_sink("filter", hook.command, statuses=["completed", "failed"],
                   types=["embed-signature"], endpoints=["main"])
    conf.exec_sink("other", hook.command, endpoints=["main"], statuses=["nothing-like-it"])
    daemon.start()
    for i, (status, kind) in enumerate([
            ("pending", "embed-signature"), ("completed", "embed-signature"),
            ("completed", "lookup-signature"), ("failed", "embed-signature")]):
        daemon.accept(make_job(f"j{i}", status, kind))
    assert sorted(hook.wait_notes(2)) == ["j1", "j3"]
    daemon.restart()
    daemon.accept(make_job("last", "completed"))
    assert sorted(hook.wait_notes(3)) == ["j1", "j3", "last"]


def test_stale_notifications_are_marked_or_skipped(conf, daemon):
    mark = Hook(conf.folder, "mark", 'echo "$SASHA_JOB_STATUS $SASHA_STALE" >>notes')
    skip = Hook(conf.folder, "skip", 'echo "$SASHA_JOB_STATUS $SASHA_STALE" >>notes')
    conf.exec_sink("mark", mark.command)
    conf.exec_sink("skip", skip.command, stale="skip")
    daemon.start()
    at = "2025-01-01T00:00:0%dZ"
    daemon.accept(make_job("j", "in_progress", updated_at=at % 2))
    daemon.accept(make_job("j", "pending", updated_at=at % 1))  # older
    daemon.accept(make_job("j", "completed", updated_at=at % 3))
    daemon.accept(make_job("j", "in_progress", updated_at=at % 3))  # a tie with a final one
    assert mark.wait_notes(4) == ["in_progress 0", "pending 1", "completed 0", "in_progress 1"]
    assert skip.wait_notes(2) == ["in_progress 0", "completed 0"]


def test_a_missing_program_refuses_the_conf_and_one_that_goes_away_is_retried(conf, daemon):
    hook = Hook(conf.folder, "gone", 'echo "$SASHA_REQUEST_ID" >>notes')
    conf.exec_sink("gone", hook.command, retry_first="50ms", retry_max="50ms", retry_attempts=1000)
    daemon.start()
    away = hook.path.with_name("away")
    hook.path.rename(away)
    callback = daemon.accept()
    wait_ids(conf.archive, [callback.request_id])
    wait_until(lambda: "No such file" in daemon.log_text(), "a word about it in the log")
    away.rename(hook.path)
    assert hook.wait_notes(1) == [callback.request_id]


def test_crash_while_a_hook_runs_runs_it_again(conf, daemon):
    """G5: at least once. The delivery was not settled when the process died."""
    hook = Hook(conf.folder, "again", """
echo "$SASHA_REQUEST_ID $$" >>notes
until [ -e go ]; do sleep 0.05; done
echo "$SASHA_REQUEST_ID" >>finished""")
    conf.exec_sink("again", hook.command)
    daemon.start()
    callback = daemon.accept()
    first = hook.wait_notes(1)[0]
    daemon.kill()
    os.kill(int(first.split()[1]), 9)
    daemon.start()
    hook.wait_notes(2)
    (hook.folder / "go").touch()
    assert hook.wait_notes(1, "finished")[-1] == callback.request_id
    daemon.restart()
    after = daemon.accept()
    assert hook.wait_notes(3)[-1].startswith(after.request_id)


def test_attempts_are_recorded(conf, daemon):
    """What a hook said and how it ended is in the store, for `sasha-callbackctl show`."""

    hook = Hook(conf.folder, "say", 'echo "hello from $SASHA_ATTEMPT"; [ "$SASHA_ATTEMPT" = 2 ]')
    conf.exec_sink("say", hook.command, retry_first="20ms")
    daemon.start()
    daemon.accept()

    def rows():
        return query(conf.store["path"], "SELECT result, output FROM attempts ORDER BY n")
    wait_until(lambda: len(rows()) == 2, "two attempts")
    texts = [(result, output.decode()) for result, output in rows()]
    assert texts[0][0] == "exit 1" and "hello from 1" in texts[0][1]
    assert texts[1][0] in ("ok", "exit 0") and "hello from 2" in texts[1][1]


def test_line_of_the_file_sink_and_stdin_of_the_hook_agree(conf, daemon):
    hook = Hook(conf.folder, "same", "cat >stdin; echo done >>notes")
    conf.exec_sink("same", hook.command)
    daemon.start()
    callback = daemon.accept(make_job(record={"deep": [1, {"x": None}]}))
    hook.wait_notes(1)
    wait_ids(conf.archive, [callback.request_id])
    assert json.loads((hook.folder / "stdin").read_bytes()) == json.loads(callback.body)
