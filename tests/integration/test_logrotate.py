"""systemd/logrotate.conf with the real logrotate(8): rotation under load loses no line and writes
none twice."""

import gzip
import json
import subprocess

import pytest
from harness.load import Load
from harness.paths import REPO, SLOWNESS
from harness.wait import wait_until

ROTATIONS = 6


@pytest.fixture
def rotate(conf, daemon):
    """Runs logrotate as installed, with nothing changed but the folder and its owner; systemctl is a
    stand-in that reloads our daemon."""
    folder = conf.folder
    bin = folder / "bin"
    bin.mkdir()
    systemctl = bin / "systemctl"
    systemctl.write_text(
        f'#!/bin/sh\n[ "$*" = "reload sasha-callbackd.service" ] || exit 1\n'
        f'echo reload >>{folder}/reloads\nkill -HUP "$(cat {folder}/pid)"\n')
    systemctl.chmod(0o755)
    folder.chmod(0o755)  # logrotate refuses a folder that others may write to
    text = (REPO / "systemd" / "logrotate.conf").read_text()
    assert "/var/lib/sasha-callbackd/*.jsonl" in text and "su sasha-callbackd" in text
    text = text.replace("/var/lib/sasha-callbackd/", f"{folder}/")
    user = subprocess.run(["id", "-un"], capture_output=True, text=True).stdout.strip()
    group = subprocess.run(["id", "-gn"], capture_output=True, text=True).stdout.strip()
    text = text.replace("su sasha-callbackd sasha-callbackd", f"su {user} {group}")
    path = folder / "logrotate.conf"
    path.write_text(text)
    path.chmod(0o644)

    def run():
        (folder / "pid").write_text(str(daemon.pid))
        result = subprocess.run(
            ["/usr/sbin/logrotate", "--force", "--state", str(folder / "state"), str(path)],
            capture_output=True, text=True, timeout=60 * SLOWNESS,
            env={"PATH": f"{bin}:/usr/sbin:/usr/bin:/bin"})
        assert (result.returncode, result.stderr) == (0, "")
    return run


def read_all(folder):
    """Request ids of every line of every file, compressed ones included."""
    ids = []
    for path in folder.glob("archive.jsonl*"):
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        assert data == b"" or data.endswith(b"\n"), path
        ids += [json.loads(line)["request_id"] for line in data.splitlines()]
    return ids


def test_no_line_is_lost_and_none_is_twice(conf, daemon, rotate):
    conf.log["level"] = "info"
    daemon.start()
    load = Load(daemon, 8).start()
    for i in range(ROTATIONS):
        wait_until(lambda: conf.archive.exists() and conf.archive.stat().st_size > 50_000,
                   "lines in the file", 60)
        rotate()
    load.stop()
    assert (load.refused, load.unknown, load.wrong) == ([], {}, [])
    wait_until(lambda: set(read_all(conf.folder)) >= set(load.acked), "every line", 60)
    assert sorted(read_all(conf.folder)) == sorted(load.acked)
    names = {path.name for path in conf.folder.glob("archive.jsonl*")}
    assert names == {"archive.jsonl", "archive.jsonl.1",
                     *(f"archive.jsonl.{n}.gz" for n in range(2, ROTATIONS + 1))}
    for path in conf.folder.glob("archive.jsonl*"):
        assert path.stat().st_mode & 0o777 == 0o640, path


def test_an_empty_file_stays(conf, daemon, rotate):
    daemon.start()
    daemon.accept()
    wait_until(lambda: conf.archive.exists() and conf.archive.stat().st_size > 0, "a line")
    rotate()
    before = (conf.folder / "reloads").read_text()
    rotate()
    assert not (conf.folder / "archive.jsonl.2.gz").exists()
    assert (conf.folder / "reloads").read_text() == before
