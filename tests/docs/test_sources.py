"""Rules for source files that a program can check."""

import re

import pytest
from project import REPO, SRC, source_files, without_comments

MARKS = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|not implemented|unimplemented", re.I)


def has_essay(path) -> bool:
    return path.exists() and re.search(r"/\*\n \* \S", path.read_text()[:400]) is not None


@pytest.mark.parametrize("path", source_files(), ids=lambda path: str(path.relative_to(SRC)))
def test_file(path):
    text = path.read_text()
    lines = text.splitlines()
    assert len(lines) <= 800, f"{len(lines)} lines: does it have one purpose?"
    assert not MARKS.search(text), "a mark of unfinished work"
    assert has_essay(path) or has_essay(path.with_suffix(".h")), \
        "no essay at the top, or of its header: purpose, invariants, threads"
    if path.suffix == ".h":
        assert text.startswith("#pragma once\n")
    assert not re.search(r"\b(gets|strtok|alloca|system|popen)\s*\(", without_comments(text)), \
        "a function that has no bound, no thread safety, or runs a shell"


def test_main_is_short():
    for main in (SRC / "main.c", SRC / "ctl" / "main.c"):
        assert len(main.read_text().splitlines()) < 200, main


def test_every_source_is_built():
    """A file that no library lists is dead."""
    built = (SRC / "meson.build").read_text()
    for path in SRC.rglob("*.c"):
        assert str(path.relative_to(SRC)) in built, path


def test_every_unit_test_is_run():
    rows = (REPO / "tests" / "unit" / "meson.build").read_text()
    for path in (REPO / "tests" / "unit").glob("test_*.c"):
        assert f"'{path.stem[len('test_'):]}'" in rows, f"{path.name} has no row in meson.build"
