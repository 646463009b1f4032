"""The preload library by itself: each call can be picked, struck and counted; nothing else changes."""

import re
import signal
import subprocess
import time

import pytest
from harness.paths import BUILD, REPO
from lab.shim import ACTIONS, CALLS, Shim

EXERCISE = BUILD / "tests" / "faults" / "shim" / "exercise"

#: What each call of exercise.c returns when nothing is wrong. "recv" stands behind a "send".
GOOD = {"write": 8, "pwrite": 8, "fsync": 0, "fdatasync": 0, "ftruncate": 0, "open": 0, "rename": 0,
        "pread": 8, "send": 8, "recv": 8, "epoll_wait": 0, "pipe": 0, "memfd": 0,
        "spawn": 0, "allocate_own": 0}


@pytest.fixture
def shim(tmp_path):
    return Shim(tmp_path / "shim")


def exercise(shim, *calls, thread="worker"):
    """Exit status, and "call result" of each call that returned."""
    result = subprocess.run([EXERCISE, thread, *calls], env=shim.environment(),
                            cwd=shim.path.parent, capture_output=True, text=True, timeout=20)
    return result.returncode, result.stdout.splitlines()


def test_unarmed_changes_nothing(shim):
    calls = [*(call for call in GOOD if call not in ("recv", "pread")), "recv"]
    status, lines = exercise(shim, *calls)
    assert status == 0 and shim.attached == 1
    assert lines == [f"{call} {GOOD[call]}" for call in calls]


@pytest.mark.parametrize("call", [call for call in GOOD] + ["accept", "unlink"])
def test_each_call_can_fail(shim, call):
    shim.arm([call], "fail", "EDQUOT", thread="worker")
    before = ["send"] if call == "recv" else []
    status, lines = exercise(shim, *before, call)
    assert (status, lines[-1]) == (0, f"{call} -1 EDQUOT")
    assert shim.struck() == 1


def test_nth_and_times(shim):
    shim.arm(["fsync"], "fail", "EIO", nth=2, times=2)
    assert exercise(shim, *["fsync"] * 5)[1] == \
        ["fsync 0", "fsync -1 EIO", "fsync -1 EIO", "fsync 0", "fsync 0"]
    assert (shim.seen(), shim.struck()) == (5, 2)


def test_sticky(shim):
    shim.arm(["fsync", "fdatasync"], "fail", "EIO", nth=2, times=0)
    assert exercise(shim, "fsync", "fdatasync", "fsync")[1] == \
        ["fsync 0", "fdatasync -1 EIO", "fsync -1 EIO"]


def test_by_path(shim):
    shim.arm(["write"], "fail", "ENOSPC", times=0, path=f"{shim.path.parent}/dat*")
    assert exercise(shim, "write", "write-other")[1] == ["write -1 ENOSPC", "write-other 8"]
    shim.arm(["write"], "fail", "ENOSPC", times=0, path="*/oth*r")
    assert exercise(shim, "write", "write-other")[1] == ["write 8", "write-other -1 ENOSPC"]


def test_by_thread(shim):
    shim.arm(["allocate_own"], "fail", "ENOMEM", times=0, thread="sink")
    assert exercise(shim, "allocate_own", thread="sink-7")[1] == ["allocate_own -1 ENOMEM"]
    assert exercise(shim, "allocate_own", thread="store")[1] == ["allocate_own 0"]


def test_a_librarys_allocation_is_not_the_programs(shim):
    shim.arm(["allocate"], "fail", "ENOMEM", times=0, thread="worker")
    assert exercise(shim, "allocate_own", "copy")[1] == ["allocate_own 0", "copy -1 ENOMEM"]


def test_short(shim):
    shim.arm(["write", "send"], "short", 3, times=0)
    assert exercise(shim, "write", "send")[1] == ["write 3", "send 3"]


def test_delay(shim):
    shim.arm(["fdatasync"], "delay", 0.3)
    begin = time.monotonic()
    assert exercise(shim, "fdatasync")[1] == ["fdatasync 0"]
    assert time.monotonic() - begin >= 0.3


def test_a_delay_leaves_the_rest_to_later_rules(shim):
    shim.arm(["fdatasync"], "delay", 0.01, times=0)
    shim.arm(["fdatasync"], "fail", "EIO", nth=2, slot=1)
    assert exercise(shim, "fdatasync", "fdatasync")[1] == ["fdatasync 0", "fdatasync -1 EIO"]
    assert (shim.struck(0), shim.struck(1)) == (2, 1)


@pytest.mark.parametrize("action, size", [("kill-before", 0), ("kill-half", 4), ("kill-after", 8)])
def test_kill(shim, action, size):
    shim.arm(["write"], action, nth=2)
    status, lines = exercise(shim, "write-other", "write", "write")
    assert status == -signal.SIGKILL and lines == ["write-other 8"]
    assert (shim.path.parent / "data").stat().st_size == size
    assert shim.seen() == 2, "the counts outlive the process"


def test_clock(shim):
    shim.set_clock(-3600)
    now = int(exercise(shim, "time")[1][0].split()[1])
    assert abs(time.time() - 3600 - now) < 60


def test_same_lists_on_both_sides():
    text = (REPO / "tests" / "faults" / "shim" / "shim.h").read_text()

    def names(enum):
        body = re.search(rf"enum {enum} \{{(.*?)\}};", text, re.S)[1]
        return [name.lower() for name in re.findall(r"^    SHIM_(\w+),", body, re.M)]
    assert names("shim_call") == CALLS + ["calls"]
    assert names("shim_action") == [action.replace("-", "_") for action in ACTIONS]
