"""Where the tests of this folder find their kit, the harness and its fixtures."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "integration")]

from harness.fixtures import (conf, daemon, folder, new_daemon,  # noqa: E402, F401
                              pytest_runtest_makereport, running)
