"""Fixtures for every folder of tests that starts daemons: a folder, a conf that works, daemons that
leave nothing behind and leak no secret. A conftest.py imports them by name."""

import os
import signal
from pathlib import Path

import pytest

from .canary import find_leaks
from .conf import Conf
from .daemon import Daemon

# A shell starts what runs in the background with SIGINT ignored, and that is handed on to every
# program; those of the tests must have it, to be interrupted.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True, hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Lets fixtures see whether the test itself failed."""
    outcome = yield
    if call.when == "call":
        item.test_failed = outcome.get_result().failed


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The test's own folder. Short enough for unix sockets."""
    assert len(os.fsencode(tmp_path)) < 80
    return tmp_path


@pytest.fixture
def conf(folder: Path) -> Conf:
    return Conf(folder)


@pytest.fixture
def new_daemon(request):
    """Makes daemons; ends them and checks what must hold after every test."""
    daemons = []

    def make(conf: Conf) -> Daemon:
        daemons.append(Daemon(conf))
        daemons[-1].canaries = set(conf.canaries())
        return daemons[-1]

    yield make
    failed = getattr(request.node, "test_failed", True)
    try:
        for daemon in daemons:
            if failed:
                continue
            daemon.finish()
            leaks = find_leaks(daemon, daemon.canaries | set(daemon.conf.canaries()))
            assert not leaks, "secrets leaked:\n" + "\n".join(leaks)
    finally:
        for daemon in daemons:
            daemon.abandon()


@pytest.fixture
def daemon(conf: Conf, new_daemon) -> Daemon:
    """The daemon of `conf`, not started: a test may change the conf before."""
    return new_daemon(conf)


@pytest.fixture
def running(daemon: Daemon) -> Daemon:
    """The daemon of `conf`, ready."""
    return daemon.start()
