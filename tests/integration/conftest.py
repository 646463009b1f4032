"""Where the tests of this folder find the harness and its fixtures."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from harness.fixtures import (conf, daemon, folder, new_daemon,  # noqa: E402, F401
                              pytest_runtest_makereport, running)
