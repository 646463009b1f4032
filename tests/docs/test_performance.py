"""The benchmark's page and its script speak of the same rows."""

import re

from project import REPO, help_of

PAGE = REPO / "docs" / "performance.md"


def test_every_row_is_described_and_no_other():
    text = re.sub(r"-\n\s+", "-", help_of(REPO / "tests" / "bench" / "run", "--help"))
    rows = re.search(r"or\s+rows\s+\(([^)]*)\)", text)
    section = re.search(r"^## The rows\n(.*?)^## ", PAGE.read_text(), re.M | re.S)
    cells = re.findall(r"^\| (`[^|]*`) \|", section[1], re.M)
    described = {row for cell in cells for row in re.findall(r"`([^`]+)`", cell)}
    assert described == set(re.split(r"[,\s]+", rows[1]))
