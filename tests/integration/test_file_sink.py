"""The file sink: whole lines, each once, across crash, torn tails and rotation; one file a job."""

import json
import os

from harness.callback import make_job
from harness.load import Load
from harness.sinks import read_ids, read_lines, wait_ids
from harness.stored import query
from harness.wait import wait_until


def test_torn_tail_is_cut_off_and_the_delivery_written_once(conf, daemon):
    """A crash within write(2): the last line is there in part, the mark in the store is older."""
    daemon.start()
    callbacks = [daemon.accept() for _ in range(5)]
    wanted = [callback.request_id for callback in callbacks]
    wait_ids(conf.archive, wanted)
    daemon.kill()
    whole = conf.archive.read_bytes()
    with open(conf.archive, "ab") as file:
        file.write(b'{"seq":6,"request_id":"torn","endpoint":"ma')
    daemon.start()
    after = daemon.accept()
    assert wait_ids(conf.archive, [after.request_id]) == wanted + [after.request_id]
    assert conf.archive.read_bytes().startswith(whole)


def test_never_twice_after_sigkill(conf, daemon):
    """Killed again and again while it writes: each line is there once, in order of arrival."""
    acked = {}
    unknown = {}
    for _ in range(5):
        daemon.start()
        load = Load(daemon, 8).start()
        wait_until(lambda: len(load.acked) > 50, "some load")
        wait_until(lambda: len(read_ids(conf.archive)) > len(acked), "the sink at work")
        daemon.kill()
        load.stop()
        acked.update(load.acked)
        unknown.update(load.unknown)
    daemon.start()
    ids = wait_ids(conf.archive, list(acked), 30)
    assert len(ids) == len(set(ids))
    assert set(ids) <= set(acked) | set(unknown)
    seqs = [line["seq"] for line in read_lines(conf.archive)]
    assert seqs == sorted(seqs)


def test_rotation_by_rename(conf, daemon):
    """As logrotate does it, with the reload; without it the daemon notices by itself."""
    daemon.start()
    rotated = [conf.archive.with_suffix(f".{n}") for n in (1, 2)]
    first = daemon.accept()
    wait_ids(conf.archive, [first.request_id])
    conf.archive.rename(rotated[0])
    daemon.reload()
    second = daemon.accept()
    assert wait_ids(conf.archive, [second.request_id]) == [second.request_id]
    conf.archive.rename(rotated[1])
    third = daemon.accept()
    assert wait_ids(conf.archive, [third.request_id]) == [third.request_id]
    assert read_ids(rotated[0]) == [first.request_id]
    assert read_ids(rotated[1]) == [second.request_id]


def test_rotation_under_load_loses_nothing(conf, daemon):
    daemon.start()
    load = Load(daemon, 4).start()
    for n in range(5):
        wait_until(lambda: len(load.acked) > 50 * (n + 1) and conf.archive.exists(), "some load")
        conf.archive.rename(conf.archive.with_suffix(f".{n}"))
        if n % 2:
            daemon.reload()
    load.stop()
    assert not load.wrong and not load.unknown

    def ids():
        return [id for path in sorted(conf.folder.glob("archive.*")) for id in read_ids(path)]
    wait_until(lambda: len(ids()) >= len(load.acked), "every delivery", interval=0.05)
    assert sorted(ids()) == sorted(load.acked)


def test_rotated_while_stopped(conf, daemon):
    daemon.start()
    first = daemon.accept()
    wait_ids(conf.archive, [first.request_id])
    wait_until(lambda: query(conf.store["path"], "SELECT frontier FROM sinks") == [(1,)],
               "the position of the file to be in the store")
    daemon.kill()
    conf.archive.rename(conf.archive.with_suffix(".1"))
    daemon.start()
    second = daemon.accept()
    assert wait_ids(conf.archive, [second.request_id]) == [second.request_id]


def test_a_folder_that_goes_away_and_comes_back(conf, daemon):
    """The sink retries in order; intake goes on."""
    place = conf.folder / "out"
    place.mkdir()
    conf.file_sink("away", retry_first="50ms", retry_max="50ms", retry_attempts=1000)
    conf.sinks["away"]["path"] = str(place / "away.jsonl")
    daemon.start()
    first = daemon.accept()
    wait_ids(place / "away.jsonl", [first.request_id])
    place.rename(conf.folder / "elsewhere")
    rest = [daemon.accept() for _ in range(5)]
    wait_ids(conf.archive, [callback.request_id for callback in rest])
    place.mkdir()
    wanted = [callback.request_id for callback in rest]

    def everywhere():
        old = read_ids(conf.folder / "elsewhere" / "away.jsonl")
        return old + read_ids(place / "away.jsonl")
    wait_until(lambda: len(everywhere()) == 6, "all lines, in one of the files")
    assert everywhere() == [first.request_id] + wanted


def test_a_link_in_place_of_the_file_is_not_followed(conf, daemon):
    target = conf.folder / "target"
    conf.archive.symlink_to(target)
    conf.sinks["archive"].update(retry_first="50ms", retry_max="50ms", retry_attempts=1000)
    daemon.spawn()
    wait_until(lambda: "archive" in daemon.log_text() or not daemon.is_running(), "a word of it")
    assert not target.exists()
    daemon.kill() if daemon.is_running() else daemon.wait()


def test_mode(conf, daemon):
    conf.sinks["archive"]["mode"] = "0604"
    daemon.start()
    callback = daemon.accept()
    wait_ids(conf.archive, [callback.request_id])
    assert conf.archive.stat().st_mode & 0o777 == 0o604


def test_one_file_a_job_holds_the_latest_state(conf, daemon):
    jobs = conf.folder / "jobs"
    jobs.mkdir()
    conf.sinks["state"] = {"type": "file", "path": str(jobs / "{job_id}.json")}
    daemon.start()
    daemon.accept(make_job("a", "pending", updated_at="2025-01-01T00:00:01Z"))
    daemon.accept(make_job("b", "pending"))
    daemon.accept(make_job("a", "completed", updated_at="2025-01-01T00:00:02Z"))
    last = daemon.accept(make_job("c", "pending"))

    def state(job):
        path = jobs / f"{job}.json"
        return json.loads(path.read_bytes()) if path.exists() else None
    wait_until(lambda: state("c"), "the last job's file")
    assert state("a")["job"]["status"] == "completed"
    assert state("c")["request_id"] == last.request_id

    # Older news do not take back newer ones.
    daemon.accept(make_job("a", "pending", updated_at="2025-01-01T00:00:01Z"))
    daemon.accept(make_job("d"))
    wait_until(lambda: state("d"), "the next job's file")
    assert state("a")["job"]["status"] == "completed"
    assert sorted(os.listdir(jobs)) == ["a.json", "b.json", "c.json", "d.json"]


def test_a_job_id_is_no_way_out_of_the_folder(conf, daemon):
    jobs = conf.folder / "deep" / "jobs"
    jobs.mkdir(parents=True)
    conf.sinks["state"] = {"type": "file", "path": str(jobs / "{job_id}.json"),
                           "retry_attempts": 1}
    daemon.start()
    before = {path for path in conf.folder.rglob("*")}
    for job_id in ("../evil", "/tmp/sasha-evil", "a/b", "..", ".", "x\ny", "\u202e", "n" * 300):
        daemon.accept(make_job(job_id))
    after = daemon.accept(make_job("good"))
    wait_ids(conf.archive, [after.request_id])
    wait_until(lambda: (jobs / "good.json").exists(), "the good one")
    new = {path for path in conf.folder.rglob("*")} - before
    outside = [path for path in new if jobs not in path.parents and path != jobs
               and not path.name.startswith(("deliveries.db", "archive", "daemon"))]
    assert not outside and not os.path.exists("/tmp/sasha-evil.json")
