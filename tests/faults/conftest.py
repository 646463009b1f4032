"""Where the tests of this folder find the laboratory, the harness and its fixtures."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "integration")]

import pytest  # noqa: E402
from harness.fixtures import (conf, daemon, folder, new_daemon,  # noqa: E402, F401
                              pytest_runtest_makereport, running)
from lab.rig import Rig  # noqa: E402


@pytest.fixture
def rig(conf, daemon):  # noqa: F811
    """A daemon with two sinks that the oracle watches, not started."""
    rig = Rig(conf, daemon)
    yield rig
    rig.abandon()
